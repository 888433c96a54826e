//! Label Studio's ML-backend protocol, under `/label-studio/<project>`.
//!
//! Each call shows the secret of its project: in its path (`/label-studio/<project>/<secret>/…`), as
//! the password of basic authentication, or as a bearer token. Label Studio keeps a path for its
//! webhooks, but neither of the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insitu_protocol::ids::ProjectName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::draft::{Given, given, version};
use super::media::needs_files;
use super::queue::{Annotated, Event, QueueError, Task, keep, waits};
use super::task::adopt;
use super::{BODY_BYTES_MAX, Studio, TASKS_MAX};
use crate::review::http::{Desk, Failure};
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// How long `/predict` waits for drafts of tasks that are new: the pipeline makes them. Label Studio
/// waits for 100 s, the agent's server answers within 30 s.
const DRAFTS_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks for them.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Requests for drafts at a time: each holds its body.
const PREDICTS_MAX: usize = 2;

/// What the routes need.
#[derive(Clone)]
struct Backend {
    desk: Desk,
    studios: Arc<BTreeMap<ProjectName, Studio>>,
    predicts: Arc<Semaphore>,
}

/// The routes; merged with those of the review page.
pub fn router(desk: Desk, studios: &[Studio]) -> Router {
    let own = |studio: &Studio| (studio.source.name.clone(), studio.clone());
    let studios = Arc::new(studios.iter().map(own).collect());
    let mut router = Router::new();
    for root in ["/label-studio/{project}", "/label-studio/{project}/{secret}"] {
        router = router
            .route(&format!("{root}/health"), get(health))
            .route(&format!("{root}/setup"), post(setup))
            .route(&format!("{root}/predict"), post(predict))
            .route(&format!("{root}/versions"), get(versions))
            .route(&format!("{root}/webhook"), post(webhook));
    }
    let predicts = Arc::new(Semaphore::new(PREDICTS_MAX));
    router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(Backend {
        desk,
        studios,
        predicts,
    })
}

/// A Label Studio that has shown its secret.
struct Known(Studio);

impl FromRequestParts<Backend> for Known {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, backend: &Backend) -> Result<Self, Response> {
        let shown = shown(parts);
        let path = RawPathParams::from_request_parts(parts, &()).await;
        let path = path.map_err(IntoResponse::into_response)?;
        let part = |name| path.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        let studio = part("project")
            .and_then(|name| name.parse().ok())
            .and_then(|name: ProjectName| backend.studios.get(&name));
        // A path that shows a secret is judged by it alone.
        let secret = part("secret").map(|secret| secret.as_bytes().to_vec()).or(shown);
        match studio.zip(secret) {
            Some((studio, secret)) if studio.is_secret(&secret) => Ok(Self(studio.clone())),
            _ => Err(stranger()),
        }
    }
}

/// The same answer for an unknown project and a wrong secret: neither is told.
fn stranger() -> Response {
    let failure = Failure {
        status: StatusCode::UNAUTHORIZED,
        error: "no such project, or not its secret".to_owned(),
        hint: "`insitu-agent label-studio check` says which address Label Studio needs",
    };
    failure.into_response()
}

/// What the `Authorization` header shows: a bearer token, or a password.
fn shown(parts: &Parts) -> Option<Vec<u8>> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().as_bytes().to_vec());
    }
    let basic =
        scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest.trim()).ok())??;
    let colon = basic.iter().position(|byte| *byte == b':')?;
    Some(basic[colon + 1..].to_vec())
}

async fn health(_: Known) -> Json<Value> {
    Json(json!({"status": "UP", "model_class": "Insitu", "v2": false}))
}

#[derive(Deserialize)]
struct Setup {
    #[serde(default)]
    schema: String,
}

/// The access token in the body is passed over: it is often no longer valid, and never needed.
async fn setup(
    State(backend): State<Backend>,
    Known(studio): Known,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let Setup { schema } = parsed(&body)?;
    let project = project(&backend, &studio)?;
    studio.schema(&schema, &project.definition).map_err(misfit)?;
    Ok(Json(json!({"model_version": version(project.bundle.as_ref())})))
}

async fn versions(
    State(backend): State<Backend>,
    Known(studio): Known,
) -> Result<Json<Value>, Failure> {
    let project = project(&backend, &studio)?;
    let versions = [version(project.bundle.as_ref())];
    Ok(Json(json!({"versions": versions, "message": "ok"})))
}

#[derive(Deserialize)]
struct Predict {
    tasks: Vec<Task>,
    label_config: String,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
struct Params {
    /// What a person has drawn so far, when this is not asked for to be kept.
    #[serde(default)]
    context: Option<Value>,
}

async fn predict(
    State(backend): State<Backend>,
    Known(studio): Known,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let _place = backend.predicts.acquire().await.map_err(|_| broken())?;
    let Predict { tasks, label_config, params } = parsed(&body)?;
    drop(body);
    if tasks.len() > TASKS_MAX {
        return Err(Failure {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            error: format!("{} tasks in a request, at most {TASKS_MAX} are taken", tasks.len()),
            hint: "`insitu-agent label-studio sync` brings drafts in bulk",
        });
    }
    let project = project(&backend, &studio)?;
    let schema = studio.schema(&label_config, &project.definition).map_err(misfit)?;
    let store = Arc::clone(&backend.desk.store);
    let (row, now) = (project.clone(), backend.desk.clock.now().as_second());
    let (tasks, items, studio) = blocking(move || {
        let items = items(&store, &row, &studio, &tasks, now)?;
        Ok::<_, Failure>((tasks, items, studio))
    })
    .await??;
    await_drafts(&backend, &project, &items).await?;
    let answer = blocking(move || {
        let store = &backend.desk.store;
        let mut drafts = Vec::with_capacity(tasks.len());
        for (task, item) in tasks.iter().zip(&items) {
            let draft = given(store, &studio, &project, &schema, task, *item)?;
            drafts.push(draft.ok_or_else(undrafted)?);
        }
        if params.context.is_none() {
            store.tx("studio predict", |tx| {
                for (task, draft) in tasks.iter().zip(&drafts) {
                    if let Some(maker) = &draft.maker {
                        tx.set_brought(project.project, task.id, &maker.0)?;
                    }
                }
                Ok::<_, StoreError>(())
            })?;
        }
        let results: Vec<Value> = drafts
            .into_iter()
            .map(|Given { result, score, maker }| {
                let version = version(maker.as_ref().or(project.bundle.as_ref()));
                json!({"result": result, "score": score, "model_version": version})
            })
            .collect();
        let version = version(project.bundle.as_ref());
        Ok::<_, Failure>(json!({"results": results, "model_version": version}))
    })
    .await??;
    Ok(Json(answer))
}

/// The items of tasks; of one that cannot be an item, none. Those whose files are to be fetched become
/// items in the background, as tasks of which a webhook tells, and the answer is refused until then.
fn items(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    tasks: &[Task],
    now: i64,
) -> Result<Vec<Option<i64>>, Failure> {
    if !needs_files(&project.definition) {
        let items = adopt(store, project, studio, tasks).map_err(|_| broken())?;
        return Ok(items.into_iter().map(Result::ok).collect());
    }
    let kept = store.tx("studio predict", |tx| {
        let known = |task: &Task| tx.studio_task(project.project, task.id);
        let items = tasks.iter().map(known).collect::<Result<Vec<Option<i64>>, StoreError>>()?;
        let new = tasks.iter().zip(&items).filter(|(_, item)| item.is_none());
        // One by one: each is known by what became of it.
        let new: Vec<Event> = new.map(|(task, _)| Event::Tasks(vec![task.clone()])).collect();
        if !new.is_empty() {
            keep(tx, project.project, &new, now)?;
        }
        for event in &new {
            if waits(tx, project.project, event)? {
                return Ok(None);
            }
        }
        Ok(Some(items))
    });
    kept.map_err(full)?.ok_or_else(undrafted)
}

/// Label Studio keeps whatever it is answered with success, an empty result as well, and does not ask for
/// the task again; of a failure it keeps nothing, and goes on.
fn undrafted() -> Failure {
    Failure {
        status: StatusCode::SERVICE_UNAVAILABLE,
        error: "not all of these tasks have a draft yet".to_owned(),
        hint: "ask again later; comparing brings the drafts by itself",
    }
}

/// Waits until each item has a draft or never will, for as long as Label Studio is content to.
async fn await_drafts(
    backend: &Backend,
    project: &ProjectRow,
    items: &[Option<i64>],
) -> Result<(), Failure> {
    let deadline = Instant::now() + DRAFTS_WITHIN;
    // Without a model there is nothing to wait for.
    while project.bundle.is_some() && Instant::now() < deadline {
        let store = Arc::clone(&backend.desk.store);
        let items: Vec<i64> = items.iter().flatten().copied().collect();
        let ready = blocking(move || {
            store.read("studio drafts", |tx| {
                for item in items {
                    if !tx.is_drafted(item)? {
                        return Ok(false);
                    }
                }
                Ok::<_, StoreError>(true)
            })
        });
        if ready.await?? {
            break;
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Told {
    action: String,
    #[serde(default)]
    annotation: Option<Annotated>,
    #[serde(default)]
    task: Option<Task>,
    #[serde(default)]
    tasks: Vec<Task>,
    #[serde(default)]
    annotations: Vec<Gone>,
    #[serde(default)]
    project: Option<TheirProject>,
}

#[derive(Deserialize)]
struct Gone {
    id: u64,
}

#[derive(Deserialize)]
struct TheirProject {
    #[serde(default)]
    label_config: String,
}

/// Answers once the event is kept: Label Studio waits for a second, and never tells it again.
async fn webhook(
    State(backend): State<Backend>,
    Known(studio): Known,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let told: Told = parsed(&body)?;
    drop(body);
    let project = project(&backend, &studio)?;
    let events = match told.action.as_str() {
        "TASKS_CREATED" => vec![Event::Tasks(told.tasks)],
        "ANNOTATION_CREATED" | "ANNOTATION_UPDATED" => match (told.annotation, told.task) {
            (Some(annotation), Some(task)) => vec![Event::Annotation { annotation, task }],
            _ => return Err(unread()),
        },
        "ANNOTATIONS_DELETED" => {
            told.annotations.iter().map(|gone| Event::Deleted { annotation: gone.id }).collect()
        }
        "PROJECT_UPDATED" => {
            let config = told.project.map(|project| project.label_config).unwrap_or_default();
            if let Err(error) = studio.schema(&config, &project.definition) {
                tracing::warn!(project = %studio.source.name, reason = %error,
                    "Label Studio's project no longer asks for what the project here does");
            }
            Vec::new()
        }
        // Training goes by rounds, which the coordinator opens and the site's policy allows; of
        // what else there may be, nothing is needed.
        _ => Vec::new(),
    };
    let (store, now) = (Arc::clone(&backend.desk.store), backend.desk.clock.now().as_second());
    let kept =
        blocking(move || store.tx("studio event", |tx| keep(tx, project.project, &events, now)));
    match kept.await? {
        Ok(_) => Ok((StatusCode::CREATED, Json(json!({"result": {}, "status": "ok"})))),
        Err(error) => Err(full(error)),
    }
}

fn full(error: QueueError) -> Failure {
    match error {
        QueueError::Store(error) => error.into(),
        error @ QueueError::Full { .. } => Failure {
            status: StatusCode::INSUFFICIENT_STORAGE,
            error: error.to_string(),
            hint: "comparing finds it again once there is room",
        },
    }
}

fn project(backend: &Backend, studio: &Studio) -> Result<ProjectRow, Failure> {
    let name = &studio.source.name;
    let row = backend.desk.store.read("project", |tx| tx.project(name))?;
    row.ok_or_else(|| Failure {
        status: StatusCode::CONFLICT,
        error: format!("there is no project {name} yet"),
        hint: "the coordinator sends it while the agent is connected",
    })
}

/// Runs what waits for the store off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| broken())
}

/// Reads a body; an error quotes nothing of it.
fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| unread())
}

fn unread() -> Failure {
    Failure {
        status: StatusCode::BAD_REQUEST,
        error: "the body is not what Label Studio 1.23 sends".to_owned(),
        hint: "it may be of another version",
    }
}

fn misfit(error: impl std::fmt::Display) -> Failure {
    Failure {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        error: error.to_string(),
        hint: "change the label config, or the project's classes",
    }
}

fn broken() -> Failure {
    Failure {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        error: "the tasks cannot be stored".to_owned(),
        hint: "try again; the agent's log says why",
    }
}
