//! The quality page's part of the local API.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRef, Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use insitu_protocol::ids::ProjectName;
use serde_json::{Value, json};

use super::{Report, Reports};
use crate::config::Acceptance;
use crate::review::check_expert;
use crate::review::http::{Caller, Desk, Failure, project_name};
use crate::store::labels::{Action, Person};
use crate::store::trail::{Event, What};
use crate::store::{StoreError, Tx};

#[derive(Clone)]
struct Board {
    desk: Desk,
    reports: Arc<Reports>,
}

impl FromRef<Board> for Desk {
    fn from_ref(board: &Board) -> Self {
        board.desk.clone()
    }
}

/// The routes; merged with those of the review page. `earn`: what the prelabels of projects must.
///
/// The figures are for the lead and the steward. The lists name single items and are there to be
/// acted on: they are for the lead alone.
pub fn router(desk: Desk, earn: BTreeMap<ProjectName, Acceptance>) -> Router {
    let reports = Arc::new(Reports::new(Arc::clone(&desk.store), earn));
    Router::new()
        .route("/api/projects/{project}/quality", get(quality))
        .route("/api/projects/{project}/quality/label-errors", get(label_errors))
        .route("/api/projects/{project}/quality/next", get(next))
        .with_state(Board { desk, reports })
}

async fn quality(
    State(board): State<Board>,
    Caller(person): Caller,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    allow(&person, Action::SeeFigures)?;
    let report = report(&board, &project).await?;
    json_of(&*report)
}

async fn label_errors(
    State(board): State<Board>,
    Caller(person): Caller,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    check_lead(&board, &person)?;
    let report = report(&board, &project).await?;
    let listed = report.label_errors.listed().collect();
    note_seen(&board, person, project, listed).await?;
    json_of(&report.label_errors)
}

async fn next(
    State(board): State<Board>,
    Caller(person): Caller,
    Path(project): Path<String>,
) -> Result<Json<Value>, Failure> {
    check_lead(&board, &person)?;
    let report = report(&board, &project).await?;
    let listed = report.next.listed().collect();
    note_seen(&board, person, project, listed).await?;
    json_of(&report.next)
}

async fn report(board: &Board, project: &str) -> Result<Arc<Report>, Failure> {
    let project = project_name(project)?;
    Ok(board.reports.of(&project, board.desk.clock.now().as_second()).await?)
}

/// Notes that a person is shown some of what these items hold.
async fn note_seen(
    board: &Board,
    person: Person,
    project: String,
    items: Vec<[u8; 16]>,
) -> Result<(), Failure> {
    let note = move |tx: &Tx<'_>| {
        items.into_iter().try_for_each(|item| {
            let seen = Event::new(What::Seen).by(&person).of(&project).on(item);
            tx.note(&seen.with(json!({"list": true}))).map(drop)
        })
    };
    board.desk.work(move |desk| Ok(desk.store.tx("lead sees list", note)?)).await
}

/// A lead whose time as an expert is over reads as annotators do.
fn check_lead(board: &Board, person: &Person) -> Result<(), Failure> {
    allow(person, Action::Lead)?;
    Ok(check_expert(person, board.desk.clock.now().as_second())?)
}

fn allow(person: &Person, action: Action) -> Result<(), Failure> {
    if person.role.may(action) {
        return Ok(());
    }
    Err(Failure {
        status: StatusCode::FORBIDDEN,
        error: format!("this page is not for the role {}", person.role.name()),
        hint: "the lead sees all of it, the steward its figures",
    })
}

fn json_of(value: &impl serde::Serialize) -> Result<Json<Value>, Failure> {
    let value = serde_json::to_value(value)
        .map_err(|_| StoreError::Corrupt { table: "quality", column: "report" })?;
    Ok(Json(value))
}
