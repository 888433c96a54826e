//! Comparing: what webhooks have missed is found by asking for everything, and drafts that Label
//! Studio has not got are brought to it in bulk, which it takes twenty times as fast as it pulls.
//!
//! Tasks that were deleted there stay items here, with the labels that people gave them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Studio;
use super::client::{Client, ClientError};
use super::draft::{given, version};
use super::queue::{Annotated, Event, QueueError, Task, keep};
use super::schema::{Schema, SchemaError};
use crate::redact::Settings;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// Tasks asked for at once.
const PAGE_TASKS: usize = 100;
/// Most pages: more tasks than this times [`PAGE_TASKS`] are left to webhooks.
const PAGES_MAX: usize = 10_000;
/// Drafts brought at once, at least where there are as many; a page more at most.
const BRING_AT_ONCE: usize = 900;
/// Bytes of the data of tasks after which drafts are brought though they are fewer.
const BRING_BYTES: usize = 16 * 1024 * 1024;

/// What comparing has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compared {
    /// Tasks there.
    pub tasks: u64,
    /// Annotations, changes and deletions that had not been heard of, or that can be tried again.
    pub missed: u64,
    /// Drafts brought.
    pub brought: u64,
}

/// Why comparing stopped; the next time goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Label Studio.
    #[error("Label Studio cannot be asked")]
    Client(#[from] ClientError),
    /// Its label config.
    #[error("Label Studio's project does not ask for what the project here does")]
    Schema(#[from] SchemaError),
    /// Too much waits.
    #[error("{waiting} of its events wait already")]
    Full {
        /// How many.
        waiting: u64,
    },
    /// The store.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<QueueError> for CompareError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Full { waiting } => Self::Full { waiting },
            QueueError::Store(error) => Self::Store(error),
        }
    }
}

/// A task in a list of them.
#[derive(Deserialize)]
struct Listed {
    #[serde(flatten)]
    task: Task,
    #[serde(default)]
    annotations: Vec<Annotated>,
}

/// Compares everything, then brings drafts. Blocks for as long as Label Studio takes.
///
/// # Errors
/// [`CompareError`]; what was found before stays.
pub fn compare(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    now: i64,
) -> Result<Compared, CompareError> {
    let mut client = Client::new(&studio.settings)?;
    let mut found = Compared::default();
    // Events count also while drafts do not fit.
    let schema = schema(&mut client, project, studio);
    let circumstances = circumstances(store, project, studio)?;
    store.tx("studio faults", |tx| tx.forget_studio_faults(project.project, &circumstances))?;
    let mut drafts = Drafts::default();
    for page in 1..=PAGES_MAX {
        // One that is newer than the answer is not in it, and not gone: their numbers ascend.
        let newest =
            store.read("studio newest", |tx| tx.newest_studio_annotation(project.project))?;
        let (tasks, last) = listed(&mut client, studio, page)?;
        found.tasks += count(tasks.len());
        if schema.is_ok() {
            drafts.wants(store, project, &tasks)?;
        }
        found.missed += heard(store, project, tasks, newest, now)?;
        if let Ok(schema) = &schema
            && (last || drafts.are_many())
        {
            found.brought += drafts.bring(store, project, studio, &mut client, schema)?;
        }
        if last {
            break;
        }
    }
    schema?;
    Ok(found)
}

/// Stands for all that decides, beside what Label Studio says, whether it can be taken. What could not
/// be is tried again once that has changed, and not before: it would be refused for the same reason.
fn circumstances(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
) -> Result<[u8; 32], StoreError> {
    let redaction = studio.source.redaction.as_deref();
    let redaction = redaction.and_then(|file| Settings::read(file).ok()?.digest);
    let (settings, allowances) = store.read("studio circumstances", |tx| {
        Ok::<_, StoreError>((tx.settings()?, tx.allowances()?))
    })?;
    let (program, version) = (env!("CARGO_PKG_VERSION"), project.definition.version);
    let all = json!([program, settings, redaction, version, allowances]);
    Ok(*blake3::hash(all.to_string().as_bytes()).as_bytes())
}

/// Keeps what these tasks say that was not heard of; how much that is.
fn heard(
    store: &Store,
    project: &ProjectRow,
    tasks: Vec<Listed>,
    newest: u64,
    now: i64,
) -> Result<u64, CompareError> {
    let kept = store.tx("studio compare", |tx| {
        let mut events = Vec::new();
        let mut unknown = Vec::new();
        for Listed { task, annotations } in tasks {
            let alive: BTreeSet<u64> = annotations.iter().map(|said| said.id).collect();
            let here = tx.live_studio_annotations(project.project, task.id)?;
            let gone = here.iter().map(|known| known.annotation);
            let gone = gone.filter(|known| *known <= newest && !alive.contains(known));
            events.extend(gone.map(|annotation| Event::Deleted { annotation }));
            if annotations.is_empty() && tx.studio_task(project.project, task.id)?.is_none() {
                unknown.push(task.clone());
            }
            events.extend(
                annotations
                    .into_iter()
                    .map(|annotation| Event::Annotation { annotation, task: task.clone() }),
            );
        }
        if !unknown.is_empty() {
            events.push(Event::Tasks(unknown));
        }
        keep(tx, project.project, &events, now)
    });
    Ok(count(kept?))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A page of the tasks there, with their annotations; whether it is the last.
fn listed(
    client: &mut Client,
    studio: &Studio,
    page: usize,
) -> Result<(Vec<Listed>, bool), ClientError> {
    const WHAT: &str = "tasks";
    let (project, page) = (studio.settings.project.to_string(), page.to_string());
    let size = PAGE_TASKS.to_string();
    let query =
        [("project", project.as_str()), ("page", &page), ("page_size", &size), ("fields", "all")];
    let mut answer = match client.get(WHAT, "/api/tasks/", &query) {
        // The page behind the last.
        Err(ClientError::Refused { status: 404, .. }) if page != "1" => {
            return Ok((Vec::new(), true));
        }
        answer => answer?,
    };
    let tasks: Option<Vec<Listed>> = serde_json::from_value(answer["tasks"].take()).ok();
    let tasks = tasks.ok_or(ClientError::Field { what: WHAT, field: "tasks" })?;
    let last = tasks.len() < PAGE_TASKS;
    Ok((tasks, last))
}

/// The label config of the project there, checked against the project here.
///
/// # Errors
/// [`CompareError::Client`], [`CompareError::Schema`].
pub fn schema(
    client: &mut Client,
    project: &ProjectRow,
    studio: &Studio,
) -> Result<Schema, CompareError> {
    const WHAT: &str = "the project";
    let there = client.get(WHAT, &format!("/api/projects/{}/", studio.settings.project), &[])?;
    let config = there["label_config"].as_str();
    let config = config.ok_or(ClientError::Field { what: WHAT, field: "label_config" })?;
    Ok(studio.schema(config, &project.definition)?)
}

/// Tasks whose items have a draft that is not there.
#[derive(Default)]
struct Drafts {
    tasks: Vec<(Task, i64)>,
    /// Bytes of the tasks' data.
    bytes: usize,
}

impl Drafts {
    /// Notes those among these tasks.
    fn wants(
        &mut self,
        store: &Store,
        project: &ProjectRow,
        tasks: &[Listed],
    ) -> Result<(), StoreError> {
        store.read("studio drafts", |tx| {
            for Listed { task, .. } in tasks {
                if let Some(item) = tx.unbrought_draft(project.project, task.id)? {
                    let texts = task.data.values().filter_map(Value::as_str);
                    self.bytes += texts.map(str::len).sum::<usize>();
                    self.tasks.push((task.clone(), item));
                }
            }
            Ok(())
        })
    }

    fn are_many(&self) -> bool {
        self.tasks.len() >= BRING_AT_ONCE || self.bytes >= BRING_BYTES
    }

    /// Brings those that were noted; how many.
    fn bring(
        &mut self,
        store: &Store,
        project: &ProjectRow,
        studio: &Studio,
        client: &mut Client,
        schema: &Schema,
    ) -> Result<u64, CompareError> {
        let Self { tasks, .. } = std::mem::take(self);
        let mut body = Vec::with_capacity(tasks.len());
        let mut brought = Vec::with_capacity(tasks.len());
        for (task, item) in tasks {
            let draft = given(store, studio, project, schema, &task, Some(item))?;
            let Some(draft) = draft else { continue };
            let Some(maker) = draft.maker else { continue };
            body.push(json!({"task": task.id, "result": draft.result, "score": draft.score,
                             "model_version": version(Some(&maker))}));
            brought.push((task.id, maker));
        }
        if brought.is_empty() {
            return Ok(0);
        }
        let path = format!("/api/projects/{}/import/predictions", studio.settings.project);
        client.post("drafts", &path, &Value::Array(body))?;
        store.tx("studio drafts", |tx| {
            for (task, maker) in &brought {
                tx.set_brought(project.project, *task, &maker.0)?;
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(count(brought.len()))
    }
}
