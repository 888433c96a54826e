//! The local HTTP API and the review page.
//!
//! Everything under `/api` but signing in itself needs somebody who is signed in: by a bearer token, or
//! by a browser's cookie. Errors are `{"error": what, "hint": what to do}`.

use std::fmt;
use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use insitu_daemon::clock::Clock;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::ProjectName;
use insitu_protocol::project::Task;
use rust_embed::RustEmbed;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown::{shown, time};
use super::sign_in::{self, Doors};
use super::{Annotation, Decision, ITEMS_MAX, Reason, ReviewError, content, reveal};
use crate::label::{Label, task_json};
use crate::store::items::Stage;
use crate::store::labels::{Person, Role};
use crate::store::{Store, StoreError};

/// The page, built by `agent/ui`.
#[derive(RustEmbed)]
#[folder = "ui/dist"]
struct Page;

/// What the page may do: load its own files, and show as blobs the images that it fetched with the
/// person's token.
const POLICY: &str = "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; \
    base-uri 'none'; form-action 'none'; object-src 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// Makes the report of `insitu-agent status --json`, as far as it is for people of a role.
pub type StatusReport = dyn Fn(Role) -> Result<Value, StoreError> + Send + Sync;

/// What the API serves.
#[derive(Clone)]
pub struct Desk {
    /// The store.
    pub store: Arc<Store>,
    /// The date.
    pub clock: Arc<dyn Clock>,
    /// The site's name.
    pub site: String,
    /// The status report.
    pub status: Arc<StatusReport>,
    /// How people sign in.
    pub doors: Arc<Doors>,
}

impl Desk {
    /// Runs what waits for the store, and for the disk below it, off the threads that serve everybody.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let desk = self.clone();
        tokio::task::spawn_blocking(move || work(&desk)).await.unwrap_or_else(|_| {
            Err(Failure {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "the request was not finished".to_owned(),
                hint: "try again; the agent's log says why",
            })
        })
    }

    /// The date, Unix seconds.
    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("site", &self.site).finish_non_exhaustive()
    }
}

/// The routes of the review page and the local API.
pub fn router(desk: Desk) -> Router {
    Router::new()
        .route("/api/me", get(me))
        .route("/api/projects", get(projects))
        .route("/api/projects/{project}/next", get(next))
        .route("/api/items/{item}", get(reveal::look))
        .route("/api/items/{item}/reveal", post(reveal::reveal))
        .route("/api/items/{item}/annotations", post(annotate))
        .route("/api/items/{item}/fields/{name}", get(content::field))
        .route("/api/items/{item}/lease", post(open))
        .route("/api/items/{item}/requeue", post(requeue))
        .route("/api/leases", post(renew))
        .route("/api/annotations/{key}", delete(undo))
        .route("/api/status", get(status))
        .merge(sign_in::routes())
        .route("/api/{*rest}", get(unknown))
        .fallback(get(page))
        .with_state(desk)
}

pub(crate) use super::caller::Caller;

/// An error as the API answers it.
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    pub(crate) hint: &'static str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"error": self.error, "hint": self.hint});
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed a request");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "the store failed".to_owned(),
            hint: "try again; the agent's log says why",
        }
    }
}

impl From<ReviewError> for Failure {
    fn from(error: ReviewError) -> Self {
        let (status, hint) = match error {
            ReviewError::Store(source) => return source.into(),
            ReviewError::UnknownProject { .. } => {
                (StatusCode::NOT_FOUND, "GET /api/projects lists the projects")
            }
            ReviewError::UnknownItem => (StatusCode::NOT_FOUND, "ask for items again"),
            ReviewError::UnknownField => (StatusCode::NOT_FOUND, "the card names its fields"),
            ReviewError::UnknownAnnotation => (StatusCode::NOT_FOUND, "it may be undone already"),
            ReviewError::Role { .. } => {
                (StatusCode::FORBIDDEN, "annotators, experts and leads label items")
            }
            ReviewError::Lapsed { .. } => (StatusCode::FORBIDDEN, "ask a lead"),
            ReviewError::NotLead { .. } | ReviewError::NotReviewer { .. } => {
                (StatusCode::FORBIDDEN, "ask a lead")
            }
            ReviewError::OwnLabel => (StatusCode::FORBIDDEN, "ask for items again"),
            ReviewError::MayNotReveal { .. } => (StatusCode::FORBIDDEN, "ask the site's steward"),
            ReviewError::Leased { .. } => (StatusCode::CONFLICT, "that person may answer"),
            ReviewError::NotLeased => (StatusCode::CONFLICT, "GET …/next leases items"),
            ReviewError::LabeledHere => (StatusCode::CONFLICT, "take it back there first"),
            ReviewError::KeyTaken => (StatusCode::CONFLICT, "make a new key for each answer"),
            ReviewError::Closed { .. } => (StatusCode::CONFLICT, "it cannot be undone any more"),
            ReviewError::Label(_) | ReviewError::Invalid { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "mend it and retry")
            }
        };
        Self { status, error: error.to_string(), hint }
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        // The text may quote the body, which came from a person: only the kind and the place are told.
        let place = place_in_json(&rejection);
        let at = place.map(|(line, column)| format!(", at line {line}, column {column}"));
        let hint = if place.is_some() {
            "mend it there: a name or a value is missing, unknown or of another kind"
        } else if matches!(rejection, JsonRejection::MissingJsonContentType(_)) {
            "send Content-Type: application/json"
        } else {
            "send JSON of at most 1 MiB"
        };
        let error = format!("the body is not what this request takes{}", at.unwrap_or_default());
        Self { status: rejection.status(), error, hint }
    }
}

/// Line and column, from 1, at which a body stopped to be what was expected: the two numbers with which
/// the text ends, and nothing else of it.
fn place_in_json(rejection: &JsonRejection) -> Option<(usize, usize)> {
    let text = rejection.body_text();
    let (line, column) = text.rsplit_once(" at line ")?.1.split_once(" column ")?;
    line.parse().ok().zip(column.parse().ok())
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self {
            status: rejection.status(),
            error: rejection.body_text(),
            hint: "count is a number, queue is synthetic",
        }
    }
}

async fn me(State(desk): State<Desk>, Caller(person): Caller) -> Json<Value> {
    Json(sign_in::who(&desk, &person))
}

async fn projects(
    State(desk): State<Desk>,
    Caller(person): Caller,
) -> Result<Json<Value>, Failure> {
    desk.work(move |desk| Ok(Json(Value::Array(listed(desk, &person)?)))).await
}

fn listed(desk: &Desk, person: &Person) -> Result<Vec<Value>, StoreError> {
    let now = desk.now();
    desk.store.read("projects", |tx| {
        let engine = tx.live()?.engine;
        let mut listed = Vec::new();
        for row in tx.projects()? {
            let counts = tx.stage_counts(row.project)?;
            let count = |stage: Stage| counts[stage as usize];
            let synthetic = tx.synthetic_counts(row.project)?;
            // An item of gold is counted as any other that the person was given.
            let gold = tx.gold_counts(row.project, person.person, now)?;
            let definition = &row.definition;
            listed.push(json!({
                "name": definition.name, "title": definition.title,
                "version": definition.version, "instructions": definition.instructions,
                "classes": definition.classes, "task": task_json(&definition.task),
                "queues": {
                    "annotator": count(Stage::First) + count(Stage::Second) + gold.leased,
                    "expert": count(Stage::Expert),
                    "review": count(Stage::Review),
                    "campaign": tx.campaign_waiting(row.project)?,
                    "synthetic": synthetic.waiting,
                },
                "synthetic": synthetic.items,
                "done": count(Stage::Done) + count(Stage::Accepted) + gold.answered,
                "total": counts.iter().sum::<u64>() + gold.leased + gold.answered,
                "bundle": row.bundle.map(short), "engine": engine,
            }));
        }
        Ok(listed)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NextQuery {
    #[serde(default = "default_count")]
    count: u32,
    /// Without one: the best for the person's role.
    #[serde(default)]
    queue: Option<QueueName>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum QueueName {
    /// Synthetic items beside real ones.
    Synthetic,
}

fn default_count() -> u32 {
    10
}

async fn next(
    State(desk): State<Desk>,
    Caller(person): Caller,
    Path(project): Path<String>,
    query: Result<Query<NextQuery>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(NextQuery { count, queue }) = query?;
    let project = project_name(&project)?;
    let next = match queue {
        None => super::next,
        Some(QueueName::Synthetic) => super::next_to_validate,
    };
    desk.work(move |desk| {
        let cards = next(&desk.store, &person, &project, count.min(ITEMS_MAX), desk.now())?;
        let row = desk.store.read("project", |tx| tx.project(&project))?;
        let row = row.ok_or(ReviewError::UnknownProject { project })?;
        Ok(Json(Value::Array(cards.iter().map(|card| shown(card, &row)).collect())))
    })
    .await
}

/// The project that a path names.
pub(crate) fn project_name(path: &str) -> Result<ProjectName, Failure> {
    path.parse().map_err(|_| Failure {
        status: StatusCode::NOT_FOUND,
        error: "there is no such project".to_owned(),
        hint: "GET /api/projects lists the projects",
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnotationBody {
    key: String,
    /// A label that is one class, in short.
    #[serde(default)]
    class: Option<u16>,
    /// A label as the project's task has it.
    #[serde(default)]
    label: Option<Value>,
    seconds: f32,
    decision: Decision,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    looks_real: Option<bool>,
    #[serde(default)]
    reason: Option<Reason>,
}

async fn annotate(
    State(desk): State<Desk>,
    Caller(person): Caller,
    Path(item): Path<String>,
    body: Result<Json<AnnotationBody>, JsonRejection>,
) -> Result<Json<Value>, Failure> {
    let Json(body) = body?;
    let item: Fixed<16> = Fixed::from_hex(&item).ok_or(ReviewError::UnknownItem)?;
    desk.work(move |desk| annotated(desk, &person, item, body)).await
}

fn annotated(
    desk: &Desk,
    person: &Person,
    item: Fixed<16>,
    body: AnnotationBody,
) -> Result<Json<Value>, Failure> {
    let AnnotationBody { key, class, label, seconds, decision, comment, looks_real, reason } = body;
    let label = match (class, label) {
        (class, None) => class.map(Label::Class),
        (None, Some(label)) => {
            Some(Label::from_json(&task_of(desk, &item)?, &label).map_err(ReviewError::Label)?)
        }
        (Some(_), Some(_)) => {
            return Err(ReviewError::Invalid { what: "send a class or a label, not both" }.into());
        }
    };
    let annotation = Annotation { key, label, seconds, decision, comment, looks_real, reason };
    let replay = super::annotate(&desk.store, person, &item.0, &annotation, desk.now())?;
    Ok(Json(json!({"stored": true, "replay": replay})))
}

/// The task of the project that an item belongs to.
fn task_of(desk: &Desk, item: &Fixed<16>) -> Result<Task, ReviewError> {
    desk.store.read("task", |tx| {
        let row = tx.item_by_name(&item.0)?.ok_or(ReviewError::UnknownItem)?;
        let project = tx
            .project_by_key(row.project)?
            .ok_or(StoreError::Corrupt { table: "items", column: "project" })?;
        Ok(project.definition.task)
    })
}

async fn open(
    State(desk): State<Desk>,
    Caller(person): Caller,
    Path(item): Path<String>,
) -> Result<Json<Value>, Failure> {
    let item: Fixed<16> = Fixed::from_hex(&item).ok_or(ReviewError::UnknownItem)?;
    desk.work(move |desk| {
        let (card, project) = super::open(&desk.store, &person, &item.0, desk.now())?;
        Ok(Json(shown(&card, &project)))
    })
    .await
}

async fn requeue(
    State(desk): State<Desk>,
    Caller(person): Caller,
    Path(item): Path<String>,
) -> Result<Json<Value>, Failure> {
    let item: Fixed<16> = Fixed::from_hex(&item).ok_or(ReviewError::UnknownItem)?;
    desk.work(move |desk| {
        let key = super::requeue(&desk.store, &person, &item.0, desk.now())?;
        Ok(Json(json!({"queue": "expert", "key": key})))
    })
    .await
}

async fn undo(
    State(desk): State<Desk>,
    Caller(person): Caller,
    Path(key): Path<String>,
) -> Result<Json<Value>, Failure> {
    desk.work(move |desk| {
        super::undo(&desk.store, &person, &key, desk.now())?;
        Ok(Json(json!({"undone": true})))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewBody {
    items: Vec<Fixed<16>>,
}

/// Until when the person has each of the items now, in their order; null for what is not theirs.
async fn renew(
    State(desk): State<Desk>,
    Caller(person): Caller,
    body: Result<Json<RenewBody>, JsonRejection>,
) -> Result<Json<Value>, Failure> {
    let Json(RenewBody { items }) = body?;
    desk.work(move |desk| {
        let untils = super::renew(&desk.store, &person, &items, desk.now())?;
        Ok(Json(untils.into_iter().map(|until| json!(until.and_then(time))).collect()))
    })
    .await
}

async fn status(State(desk): State<Desk>, Caller(person): Caller) -> Result<Json<Value>, Failure> {
    desk.work(move |desk| Ok(Json((desk.status)(person.role)?))).await
}

async fn unknown(_: Caller) -> Failure {
    Failure {
        status: StatusCode::NOT_FOUND,
        error: "there is nothing here".to_owned(),
        hint: "the API's paths are in the documentation of the agent",
    }
}

async fn page(uri: axum::http::Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let Some(file) = Page::get(path) else {
        return (StatusCode::NOT_FOUND, "there is no such page\n").into_response();
    };
    let kind = file.metadata.mimetype().to_owned();
    let headers =
        [(header::CONTENT_TYPE, kind.as_str()), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, file.data).into_response()
}

/// A digest as people compare it.
pub(crate) fn short(digest: insitu_protocol::ids::Digest) -> String {
    let mut hex = digest.to_hex();
    hex.truncate(12);
    hex
}
