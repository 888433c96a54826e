//! What stewards and administrators see of the Label Studios: `/label-studio.html` of the review page.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router};
use insitu_protocol::ids::ProjectName;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::Studio;
use super::check::{self, SETTINGS};
use crate::review::ReviewError;
use crate::review::http::{Caller, Desk, Failure, project_name};
use crate::store::roles::Action;

/// What the routes need.
#[derive(Clone)]
struct Room {
    desk: Desk,
    studios: Arc<BTreeMap<ProjectName, Studio>>,
    /// One at a time: each asks another server.
    checks: Arc<Semaphore>,
}

impl FromRef<Room> for Desk {
    fn from_ref(room: &Room) -> Self {
        room.desk.clone()
    }
}

/// The routes; merged with those of the review page, also where no project has a Label Studio.
pub fn router(desk: Desk, studios: &[Studio]) -> Router {
    let own = |studio: &Studio| (studio.source.name.clone(), studio.clone());
    let studios = Arc::new(studios.iter().map(own).collect());
    Router::new()
        .route("/api/label-studio", get(list))
        .route("/api/label-studio/{project}", get(show))
        .with_state(Room { desk, studios, checks: Arc::new(Semaphore::new(1)) })
}

/// Somebody who may see how the site's programs are connected.
struct Engineer;

impl FromRequestParts<Room> for Engineer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, room: &Room) -> Result<Self, Failure> {
        let Caller(person) = Caller::from_request_parts(parts, room).await?;
        if person.role.may(Action::Connect) {
            return Ok(Self);
        }
        Err(Failure {
            status: StatusCode::FORBIDDEN,
            error: format!("connecting a Label Studio is not for the role {}", person.role.name()),
            hint: "ask the steward or an administrator",
        })
    }
}

async fn list(State(room): State<Room>, _: Engineer) -> Json<Value> {
    let one = |(name, studio): (&ProjectName, &Studio)| {
        json!({
            "project": name, "studio": studio.settings.url, "number": studio.settings.project,
            // Where Label Studio reaches this project; the secret stays in its file.
            "path": format!("/label-studio/{name}/SECRET"),
            "secret_file": studio.settings.secret_file.display().to_string(),
        })
    };
    let all: Vec<Value> = room.studios.iter().map(one).collect();
    Json(json!({ "projects": all, "settings": SETTINGS }))
}

async fn show(
    State(room): State<Room>,
    _: Engineer,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    let name = project_name(&project)?;
    let studio = room.studios.get(&name).cloned().ok_or_else(|| Failure {
        status: StatusCode::NOT_FOUND,
        error: format!("the configuration has no [project.label_studio] of project {name}"),
        hint: "the page says what it needs",
    })?;
    let Ok(turn) = Arc::clone(&room.checks).try_acquire_owned() else {
        return Err(Failure {
            status: StatusCode::TOO_MANY_REQUESTS,
            error: "a check is under way".to_owned(),
            hint: "try again in a few seconds",
        });
    };
    let checked = room.desk.work(move |desk| {
        let row = desk.store.read("project", |tx| tx.project(&name))?;
        let row = row.ok_or(ReviewError::UnknownProject { project: name })?;
        let standing = check::check(&desk.store, &studio, &row);
        drop(turn);
        Ok(Json(json!(standing?)))
    });
    checked.await
}
