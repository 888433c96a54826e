//! What Label Studio said of what is erased, and what is no item here yet: it waits for a file of
//! its task, or for its turn.

use serde_json::{Map, Value};

use super::queue::{Event, Task};
use crate::config::Source;
use crate::source::{self, labeled};
use crate::store::erasure::Doomed;
use crate::store::orders::ProjectRow;
use crate::store::{StoreError, Tx};

/// Events read at once.
const STEP: u32 = 100;

/// What tells of whom a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About<'a> {
    /// The keyed hash of a subject.
    Subject(&'a [u8; 32]),
    /// The keyed hash of an item's own id.
    Item(&'a [u8; 32]),
}

/// Forgets the waiting tasks and annotations of `project` that are of what is erased, whose items
/// are `doomed`; how many there were. `source` says which columns identify; without it nobody can
/// say of whom a task is, and each is taken to be: what is still there is told again by comparing.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn forget(
    tx: &Tx<'_>,
    project: &ProjectRow,
    source: Option<&Source>,
    (about, doomed): (About<'_>, &[Doomed]),
) -> Result<u64, StoreError> {
    let of_it = |task: &Task| {
        let item = tx.studio_task(project.project, task.id)?;
        let known = item.is_some_and(|item| doomed.iter().any(|doomed| doomed.item == item));
        Ok::<_, StoreError>(known || is_about(tx, project, source, about, task))
    };
    let (mut after, mut count) = (0, 0);
    loop {
        let rows = tx.unmet_studio_events(project.project, after, STEP)?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = last.event;
        for row in &rows {
            let (found, left) = match Event::decode(&row.body)? {
                Event::Tasks(tasks) => {
                    let (all, mut left) = (tasks.len(), Vec::new());
                    for task in tasks {
                        if !of_it(&task)? {
                            left.push(task);
                        }
                    }
                    let gone = all - left.len();
                    (gone, Some(left).filter(|left| !left.is_empty()).map(Event::Tasks))
                }
                Event::Annotation { task, .. } => (usize::from(of_it(&task)?), None),
                Event::Deleted { .. } => (0, None),
            };
            count += u64::try_from(found).unwrap_or(u64::MAX);
            if found == 0 {
                continue;
            }
            match left {
                Some(left) => {
                    tx.set_studio_event_body(project.project, row.event, &left.encode()?)?;
                }
                None => tx.remove_studio_event(row.event)?,
            }
        }
    }
}

/// Whether a task is of what is erased, as its item would be.
fn is_about(
    tx: &Tx<'_>,
    project: &ProjectRow,
    source: Option<&Source>,
    about: About<'_>,
    task: &Task,
) -> bool {
    let Some(rules) = source else { return true };
    let name = project.definition.name.as_str();
    let record: Map<String, Value> =
        labeled::label_studio::identified(task.data.clone(), &rules.id, task.id);
    match about {
        About::Item(hash) => {
            source::id(&record, rules).is_some_and(|id| tx.source_hash(name, &id) == *hash)
        }
        About::Subject(hash) => source::subject(&record, &project.definition, rules)
            .is_some_and(|subject| tx.subjects().is(hash, &subject)),
    }
}
