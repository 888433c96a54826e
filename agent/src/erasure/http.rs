//! Erasing in a browser: what stewards do at `/erase.html` of the review page.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRef, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use insitu_protocol::ids::ProjectName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Erased, ErasureError, Target, erase, preview};
use crate::config::Source;
use crate::review::ReviewError;
use crate::review::http::{Caller, Desk, Failure};
use crate::store::orders::ProjectRow;

/// What the routes need.
#[derive(Clone)]
struct Room {
    desk: Desk,
    sources: Arc<[Source]>,
}

impl FromRef<Room> for Desk {
    fn from_ref(room: &Room) -> Self {
        room.desk.clone()
    }
}

/// The routes; merged with those of the review page. `sources` are the site's projects as configured.
pub fn router(desk: Desk, sources: &[Source]) -> Router {
    Router::new()
        .route("/api/erasures", post(erase_now))
        .route("/api/erasures/preview", post(look))
        .with_state(Room { desk, sources: sources.into() })
}

/// What is to be erased: a subject, in one project or in all, or one item of a project. In a body,
/// since addresses end up in logs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    project: Option<ProjectName>,
    /// For the audit log; of an erasure.
    #[serde(default)]
    reason: String,
    /// The subject or the id once more; of an erasure.
    #[serde(default)]
    confirm: String,
}

impl Wanted {
    /// The site's own id, without the spaces around it.
    fn own(&self) -> Result<&str, Failure> {
        let own = match (&self.subject, &self.id, &self.project) {
            (Some(own), None, _) | (None, Some(own), Some(_)) => own.trim(),
            (None, None, _) | (None, Some(_), None) | (Some(_), Some(_), _) => "",
        };
        if own.is_empty() {
            return Err(invalid("name a subject, or an item's id and its project"));
        }
        Ok(own)
    }

    /// Calls `then` with the target.
    fn with<T>(
        &self,
        desk: &Desk,
        then: impl FnOnce(Target<'_>) -> Result<T, ErasureError>,
    ) -> Result<T, Failure> {
        let own = self.own()?;
        let unknown =
            |project: &ProjectName| ReviewError::UnknownProject { project: project.clone() };
        let project: Option<ProjectRow> = match &self.project {
            None => None,
            Some(name) => {
                let found = desk.store.read("project", |tx| tx.project(name))?;
                Some(found.ok_or_else(|| unknown(name))?)
            }
        };
        let target = match (&self.id, &project) {
            (Some(_), Some(project)) => Target::Item(own, project),
            (_, project) => Target::Subject(own, project.as_ref()),
        };
        Ok(then(target)?)
    }
}

fn invalid(error: &str) -> Failure {
    Failure {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        error: error.to_owned(),
        hint: "mend it and retry",
    }
}

impl From<ErasureError> for Failure {
    fn from(error: ErasureError) -> Self {
        let (status, hint) = match error {
            ErasureError::Store(source) => return source.into(),
            ErasureError::Role { .. } => (StatusCode::FORBIDDEN, "ask the site's steward"),
            ErasureError::Reason { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "say it shorter"),
            ErasureError::UnknownItem { .. } => {
                (StatusCode::NOT_FOUND, "an item is known by the id that was imported")
            }
        };
        Self { status, error: error.to_string(), hint }
    }
}

/// `POST /api/erasures/preview`: what would go.
async fn look(
    State(room): State<Room>,
    Caller(person): Caller,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, Failure> {
    super::check(&person, "")?;
    let Json(wanted) = body?;
    let sources = Arc::clone(&room.sources);
    let looked = room.desk.work(move |desk| {
        wanted.with(desk, |target| preview(&desk.store, &person, (target, &sources)))
    });
    Ok(unkept(shown(&looked.await?)))
}

/// `POST /api/erasures`
async fn erase_now(
    State(room): State<Room>,
    Caller(person): Caller,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, Failure> {
    super::check(&person, "")?;
    let Json(wanted) = body?;
    if wanted.confirm.trim() != wanted.own()? {
        return Err(invalid("what was typed again is another id: nothing was erased"));
    }
    let (sources, now) = (Arc::clone(&room.sources), room.desk.clock.now().as_second());
    let done = room.desk.work(move |desk| {
        let reason = wanted.reason.trim();
        wanted.with(desk, |target| erase(&desk.store, &person, (target, &sources), reason, now))
    });
    Ok(unkept(shown(&done.await?)))
}

/// An answer that no browser and no proxy keeps.
fn unkept(body: Value) -> Response {
    ([(header::CACHE_CONTROL, "private, no-store")], Json(body)).into_response()
}

/// An erasure as programs are told of it.
pub fn shown(erased: &Erased) -> Value {
    let taken = &erased.taken;
    let rows: serde_json::Map<String, Value> =
        taken.rows.iter().map(|(table, rows)| ((*table).to_owned(), (*rows).into())).collect();
    let snapshot = |row: &crate::store::erasure::SnapshotRow| json!({"snapshot": row.snapshot, "folder": row.folder});
    let tasks: Vec<u64> = taken.tasks.iter().map(|(_, task)| *task).collect();
    json!({
        "items": erased.items, "before": erased.before, "rows": rows,
        "originals": taken.originals, "heads": taken.heads, "waiting": erased.waiting,
        "scrubbed": erased.scrubbed,
        "snapshots": taken.snapshots.iter().map(snapshot).collect::<Vec<_>>(),
        "exports": taken.exports,
        "label_studio_tasks": tasks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::http::router as page;
    use crate::store::labels::Role;
    use crate::testing::{self, Served};

    #[tokio::test]
    async fn a_steward_sees_what_will_go_and_erases_it_by_typing_it_again() {
        let (scratch, row) = testing::with_project();
        let store = Arc::new(scratch.store);
        testing::add_items(&store, &row, 0..30, 10);
        testing::person(&store, "sam", Role::Steward);
        testing::person(&store, "ann", Role::Lead);
        let desk = testing::desk(Arc::clone(&store));
        let served = Served::start(page(desk.clone()).merge(router(desk, &[]))).await;
        let count = || store.read("test", |tx| tx.items_of_subject(&tx.subject_hash("3")?, 0));
        let ask = async |who: &str, path: &str, body: Value, status: u16| {
            let (got, answer) = served.ask(who, &format!("POST /api/erasures{path}"), &body).await;
            assert_eq!(got, status, "{who} {body}: {answer}");
            answer
        };
        let looked = ask("sam", "/preview", json!({"subject": " 3 "}), 200).await;
        assert_eq!((&looked["items"], &looked["before"]), (&json!(3), &json!(false)));
        assert_eq!(count().unwrap().len(), 3, "it was only looked at");
        let order =
            |confirm: &str| json!({"subject": "3", "confirm": confirm, "reason": "asked to"});
        ask("ann", "/preview", json!({"subject": "3"}), 403).await;
        ask("ann", "", order("3"), 403).await;
        ask("sam", "", order("4"), 422).await;
        ask("sam", "", json!({"subject": "3", "reason": "asked to"}), 422).await;
        for bad in [json!({}), json!({"id": "3"}), json!({"id": "3", "subject": "3"})] {
            ask("sam", "/preview", bad, 422).await;
        }
        ask("sam", "/preview", json!({"id": "nobody's", "project": row.definition.name}), 404)
            .await;
        ask("sam", "/preview", json!({"id": "3", "project": "no-such"}), 404).await;
        assert_eq!(count().unwrap().len(), 3, "nothing of that erased anything");
        let erased = ask("sam", "", order("3"), 200).await;
        assert_eq!((&erased["items"], &erased["rows"]["items"]), (&json!(3), &json!(3)));
        assert_eq!(count().unwrap().len(), 0);
        let filter =
            crate::store::trail::Filter { who: Some("sam".to_owned()), ..Default::default() };
        let events = store.read("test", |tx| tx.events(&filter, 0, 100)).unwrap();
        assert_eq!(events.len(), 4, "three items, and all of it");
        assert!(events[3].detail.contains("asked to"), "{}", events[3].detail);
        assert_eq!(ask("sam", "/preview", json!({"subject": "3"}), 200).await["before"], true);
    }
}
