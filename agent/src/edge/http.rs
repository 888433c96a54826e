//! The API for applications, under `/v1`; `GET /v1/openapi.json` describes it.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRef, FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{EdgeError, RawContext, Said, Shown, Taken, serves};
use crate::config::Source;
use crate::label::task_json;
use crate::redact::texts::{PlaceError, Texts, Unread};
use crate::review::ReviewError;
use crate::review::http::{Caller, Desk, Failure, project_name};
use crate::store::labels::Person;
use crate::store::orders::ProjectRow;
use crate::store::trail::Who;

/// The description that is served.
const OPENAPI: &str = include_str!("openapi.json");

/// What the API serves.
#[derive(Clone)]
struct Counter {
    desk: Desk,
    sources: Arc<[Source]>,
    texts: Arc<dyn Texts>,
}

impl FromRef<Counter> for Desk {
    fn from_ref(counter: &Counter) -> Self {
        counter.desk.clone()
    }
}

/// The routes; merged with those of the review page. `sources` says what the columns of each
/// project's items mean, `texts` redacts the applications' own.
pub fn router(desk: Desk, sources: Arc<[Source]>, texts: Arc<dyn Texts>) -> Router {
    Router::new()
        .route("/v1/openapi.json", get(openapi))
        .route("/v1/projects/{project}", get(taxonomy))
        .route("/v1/items", post(add))
        .route("/v1/items/{id}", get(show).post(show_in))
        .route("/v1/items/{id}/corrections", post(correct))
        .route("/v1/{*rest}", any(unknown))
        .with_state(Counter { desk, sources, texts })
}

/// An application.
struct Application(Person);

impl FromRequestParts<Counter> for Application {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Counter) -> Result<Self, Failure> {
        let Caller(person) = Caller::from_request_parts(parts, state).await?;
        if serves(person.role) {
            return Ok(Self(person));
        }
        Err(Failure {
            status: StatusCode::FORBIDDEN,
            error: format!("this is for applications, not for a {}", person.role.name()),
            hint: "`insitu-agent person add NAME --role application` makes a token for one",
        })
    }
}

impl From<EdgeError> for Failure {
    fn from(error: EdgeError) -> Self {
        let (status, hint) = match error {
            EdgeError::Review(ReviewError::UnknownItem) => {
                (StatusCode::NOT_FOUND, "POST /v1/items first")
            }
            EdgeError::Review(error) => return error.into(),
            EdgeError::Import(_) => (StatusCode::INTERNAL_SERVER_ERROR, "send them again"),
            EdgeError::Items { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "send fewer at a time"),
            EdgeError::Label { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "GET /v1/projects/{project} lists the classes")
            }
            EdgeError::Fields { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "send the item's fields, as POST /v1/items was, as `fields`",
            ),
            EdgeError::Unredacted => (
                StatusCode::CONFLICT,
                "send it again in a few seconds; what cannot be redacted waits for the site's engineer",
            ),
            EdgeError::Places(PlaceError::Unread(Unread::Settings)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "send it again once the site's engineer has mended them",
            ),
            EdgeError::Places(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "send in `fields` what the item was sent with")
            }
            EdgeError::Refused { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "say it again, mended, under a key of its own")
            }
            EdgeError::Context { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "make it coarser"),
            EdgeError::Full { .. } => {
                (StatusCode::INSUFFICIENT_STORAGE, "keep it, and send it again later")
            }
        };
        Self { status, error: error.to_string(), hint }
    }
}

async fn unknown(_: Application) -> Failure {
    Failure {
        status: StatusCode::NOT_FOUND,
        error: "there is nothing here".to_owned(),
        hint: "GET /v1/openapi.json lists the paths; a / in an item's id is written %2F",
    }
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn taxonomy(
    State(counter): State<Counter>,
    _: Application,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    let row = project_row(&counter, &project)?;
    let definition = &row.definition;
    let classes: Vec<Value> = definition
        .classes
        .iter()
        .map(|class| json!({"name": class.name, "description": class.description}))
        .collect();
    Ok(Json(json!({
        "project": definition.name, "version": definition.version, "title": definition.title,
        "instructions": definition.instructions, "classes": classes,
        "task": task_json(&definition.task),
        "fields": definition.fields.iter().map(|field| &field.name).collect::<Vec<_>>(),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Items {
    project: String,
    items: Vec<Map<String, Value>>,
}

async fn add(
    State(counter): State<Counter>,
    Application(person): Application,
    body: Result<Json<Items>, JsonRejection>,
) -> Result<Json<Value>, Failure> {
    let Json(items) = body?;
    let desk = counter.desk.clone();
    desk.work(move |_| added(&counter, &person, items)).await
}

fn added(counter: &Counter, person: &Person, items: Items) -> Result<Json<Value>, Failure> {
    let Items { project, items } = items;
    let row = project_row(counter, &project)?;
    let rules = counter.sources.iter().find(|rules| rules.name == row.definition.name);
    let rules = rules.ok_or_else(|| Failure {
        status: StatusCode::CONFLICT,
        error: "the agent's configuration has no [[project]] of this name".to_owned(),
        hint: "the site's engineer says there which columns identify item and subject",
    })?;
    let report = super::add_items(&counter.desk.store, &row, rules, &Who::from(person), &items)?;
    let bad: Vec<Value> = report
        .bad_lines
        .iter()
        .map(|bad| json!({"item": bad.line, "reason": bad.reason.to_string()}))
        .collect();
    Ok(Json(json!({"added": report.added, "known": report.known, "bad": bad})))
}

#[derive(Deserialize)]
struct Of {
    project: String,
}

async fn show(
    State(counter): State<Counter>,
    _: Application,
    Path(id): Path<String>,
    of: Result<Query<Of>, QueryRejection>,
) -> Result<Json<Shown>, Failure> {
    shown(counter, id, of, None).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    fields: Map<String, Value>,
}

/// The same, for who has a text in which labels are places.
async fn show_in(
    State(counter): State<Counter>,
    _: Application,
    Path(id): Path<String>,
    of: Result<Query<Of>, QueryRejection>,
    body: Result<Json<Fields>, JsonRejection>,
) -> Result<Json<Shown>, Failure> {
    let Json(Fields { fields }) = body?;
    shown(counter, id, of, Some(fields)).await
}

async fn shown(
    counter: Counter,
    id: String,
    of: Result<Query<Of>, QueryRejection>,
    fields: Option<Map<String, Value>>,
) -> Result<Json<Shown>, Failure> {
    let desk = counter.desk.clone();
    desk.work(move |desk| {
        let row = project_of(&counter, of)?;
        Ok(Json(super::show(&desk.store, &*counter.texts, &row, &id, fields.as_ref())?))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorrectionBody {
    key: String,
    /// A class's name, or a label as the project's task has it.
    label: Value,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    seconds: f32,
    #[serde(default)]
    context: RawContext,
    /// The item's, as the application has them: for labels that are places in a text.
    #[serde(default)]
    fields: Option<Map<String, Value>>,
}

async fn correct(
    State(counter): State<Counter>,
    Application(person): Application,
    Path(id): Path<String>,
    of: Result<Query<Of>, QueryRejection>,
    body: Result<Json<CorrectionBody>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let Json(CorrectionBody { key, label, at, seconds, context, fields }) = body?;
    let desk = counter.desk.clone();
    let said = Said { key, label, at: at.map(Timestamp::as_second), seconds, context, fields };
    let now = desk.clock.now().as_second();
    let taken = desk.work(move |desk| {
        let row = project_of(&counter, of)?;
        let from = (person.person, id.as_str());
        Ok(super::correct(&desk.store, &*counter.texts, &row, from, &said, now)?)
    });
    let taken = taken.await?;
    let status = match taken {
        Taken::Labeled => StatusCode::OK,
        Taken::Waiting => StatusCode::ACCEPTED,
    };
    Ok((status, Json(json!({"stored": true, "state": taken}))))
}

fn project_of(
    counter: &Counter,
    of: Result<Query<Of>, QueryRejection>,
) -> Result<ProjectRow, Failure> {
    let Ok(Query(Of { project })) = of else {
        return Err(Failure {
            status: StatusCode::BAD_REQUEST,
            error: "no project is named".to_owned(),
            hint: "add ?project=NAME",
        });
    };
    project_row(counter, &project)
}

fn project_row(counter: &Counter, name: &str) -> Result<ProjectRow, Failure> {
    let project = project_name(name)?;
    let row = counter.desk.store.read("project", |tx| tx.project(&project))?;
    Ok(row.ok_or(ReviewError::UnknownProject { project })?)
}
