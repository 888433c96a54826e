//! Tasks whose files lie in Label Studio become items once it has given them.
//!
//! What it does not give now makes way for the rest: it waits behind all others, and holds up nothing.

use super::Studio;
use super::client::{Client, ClientError};
use super::media::needs_files;
use super::queue::{Annotated, Event, Task};
use super::take::{done, fault_of, met, warn};
use super::task::adopt_with_files;
use crate::source::ImportError;
use crate::store::orders::ProjectRow;
use crate::store::studio::EventRow;
use crate::store::{Store, StoreError};

/// Events looked at before the next look.
const AT_ONCE: u32 = 100;

/// Why tasks' files are not fetched; the next time goes on where this one failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Label Studio.
    #[error("Label Studio does not give a task's file")]
    Client(#[source] ClientError),
    /// The items.
    #[error("the task cannot be stored")]
    Import(#[source] ImportError),
    /// The store.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Makes items of tasks whose files are to be fetched; `true` when there may be more. Blocks for as long
/// as Label Studio takes. Nothing is fetched that nobody may see.
///
/// # Errors
/// [`FetchError`]; of files that Label Studio does not give, the first, once the others were asked for.
pub fn fetch(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    now: i64,
) -> Result<bool, FetchError> {
    if !needs_files(&project.definition) || studio.holds_back(&project.definition) {
        return Ok(false);
    }
    let new = store.read("studio events", |tx| tx.new_studio_events(project.project, AT_ONCE))?;
    if new.is_empty() {
        return Ok(false);
    }
    let client = Client::new(&studio.settings).map_err(FetchError::Client)?;
    let mut fetching = Fetching { store, project, studio, client, now };
    let mut later = None;
    for row in &new {
        let met = match Event::decode(&row.body)? {
            Event::Tasks(tasks) => fetching.tasks(row, tasks)?,
            Event::Annotation { annotation, task } => fetching.task_of(row, &annotation, &task)?,
            Event::Deleted { .. } => None, // `take` does not wait for files
        };
        match met {
            Some(error) if !error.is_of_a_file() => return Err(FetchError::Client(error)),
            met => later = later.or(met),
        }
    }
    later.map_or(Ok(true), |error| Err(FetchError::Client(error)))
}

/// A look at what waits for files.
struct Fetching<'a> {
    store: &'a Store,
    project: &'a ProjectRow,
    studio: &'a Studio,
    client: Client,
    now: i64,
}

/// What became of a task: its item, or why it is none; or Label Studio does not give its file now.
type Adopted = Result<Result<i64, String>, ClientError>;

impl Fetching<'_> {
    /// Makes items of tasks. Those of which Label Studio does not give the files wait behind all that
    /// waits, and behind those that were not asked for because of them.
    fn tasks(
        &mut self,
        row: &EventRow,
        tasks: Vec<Task>,
    ) -> Result<Option<ClientError>, FetchError> {
        let (mut stuck, mut bad, mut later) = (Vec::new(), Vec::new(), None);
        let mut tasks = tasks.into_iter();
        for task in tasks.by_ref() {
            match self.adopt(&task)? {
                Ok(Ok(_)) => {}
                Ok(Err(fault)) => bad.push(fault),
                Err(error) => {
                    stuck.push(task);
                    let ends = !error.is_of_a_file();
                    later = Some(error);
                    if ends {
                        break;
                    }
                }
            }
        }
        let left: Vec<Task> = tasks.chain(stuck).collect();
        let fault = fault_of(&bad);
        self.store.tx("studio tasks", |tx| {
            if left.is_empty() {
                return done(tx, row, fault.as_deref(), self.now);
            }
            fault.iter().for_each(|fault| warn(row, fault));
            let left = Event::Tasks(left).encode()?;
            tx.postpone_studio_event(self.project.project, row, &left, fault.as_deref())
        })?;
        Ok(later)
    }

    /// Makes an item of the task of an annotation, which waits for its draft then.
    fn task_of(
        &mut self,
        row: &EventRow,
        annotation: &Annotated,
        task: &Task,
    ) -> Result<Option<ClientError>, FetchError> {
        let (item, later) = match self.adopt(task)? {
            Ok(item) => (Some(item), None),
            Err(error) => (None, Some(error)),
        };
        let project = self.project;
        self.store.tx("studio annotation", |tx| match item {
            Some(item) => met(tx, project, row, (annotation, task.id), item, self.now),
            None => tx.postpone_studio_event(project.project, row, &row.body, None),
        })?;
        Ok(later)
    }

    fn adopt(&mut self, task: &Task) -> Result<Adopted, FetchError> {
        match adopt_with_files(self.store, self.project, self.studio, &mut self.client, task) {
            Ok(adopted) => Ok(Ok(adopted)),
            Err(FetchError::Client(error)) => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }
}
