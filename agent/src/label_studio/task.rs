//! Tasks there are items here, imported as a line of a file is.
//!
//! A task's data names the columns that the site's `[[project]]` does. One without the column that
//! identifies items is known by its number. What people here see of it is redacted, as everything is.

use std::collections::BTreeMap;

use super::client::Client;
use super::media::{self, FilesError};
use super::queue::Task;
use super::{FetchError, Studio};
use crate::source::labeled::label_studio;
use crate::source::{self, Format, ImportError};
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// The item of each task, by the tasks' order; of one that cannot be an item, why.
pub(super) fn adopt(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    tasks: &[Task],
) -> Result<Vec<Result<i64, String>>, ImportError> {
    let mut items = store.read("studio tasks", |tx| {
        let known = |task: &Task| tx.studio_task(project.project, task.id);
        tasks.iter().map(known).collect::<Result<Vec<Option<i64>>, StoreError>>()
    })?;
    let new: Vec<usize> = (0..tasks.len()).filter(|at| items[*at].is_none()).collect();
    if new.is_empty() {
        return Ok(items.into_iter().flatten().map(Ok).collect());
    }
    let rules = &studio.source;
    let mut lines = Vec::new();
    let mut ids = Vec::with_capacity(new.len());
    for at in &new {
        let task = &tasks[*at];
        let record = label_studio::identified(task.data.clone(), &rules.id, task.id);
        ids.push(source::id(&record, rules));
        serde_json::to_writer(&mut lines, &record)
            .map_err(|error| ImportError::Read(error.into()))?;
        lines.push(b'\n');
    }
    let report = source::import(store, project, rules, None, Format::JsonLines, lines.as_slice())?;
    let bad: BTreeMap<usize, String> = report
        .bad_lines
        .iter()
        .filter_map(|bad| Some((usize::try_from(bad.line).ok()?, bad.reason.to_string())))
        .collect();
    store.tx("studio tasks", |tx| {
        let name = project.definition.name.as_str();
        for (at, id) in new.iter().zip(&ids) {
            let Some(id) = id else { continue };
            let item = tx.item_of_source(project.project, &tx.source_hash(name, id))?;
            if let Some(item) = item {
                tx.put_studio_task(project.project, tasks[*at].id, item)?;
                items[*at] = Some(item);
            }
        }
        Ok::<_, StoreError>(())
    })?;
    let why = |at: usize| {
        let line = new.iter().position(|new| *new == at).map_or(0, |place| place + 1);
        let reason = bad.get(&line).cloned();
        format!("its task cannot be an item: {}", reason.as_deref().unwrap_or("see the others"))
    };
    Ok(items.into_iter().enumerate().map(|(at, item)| item.ok_or_else(|| why(at))).collect())
}

/// [`adopt`] for one task whose files are fetched; why it cannot be an item.
///
/// # Errors
/// [`FetchError`], after which the same may succeed.
pub(super) fn adopt_with_files(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    client: &mut Client,
    task: &Task,
) -> Result<Result<i64, String>, FetchError> {
    let known = store.read("studio task", |tx| tx.studio_task(project.project, task.id))?;
    if let Some(known) = known {
        return Ok(Ok(known));
    }
    let (rules, name) = (&studio.source, project.definition.name.as_str());
    let record = label_studio::identified(task.data.clone(), &rules.id, task.id);
    let Some(id) = source::id(&record, rules) else {
        return Ok(Err(format!("its task has nothing in {:?}, which identifies it", rules.id)));
    };
    let item = || {
        store.read("studio task", |tx| {
            tx.item_of_source(project.project, &tx.source_hash(name, &id))
        })
    };
    let mut found = item()?;
    let mut why = "see the others".to_owned();
    // What is an item already is not fetched again.
    if found.is_none() {
        let files = match media::of_task(client, &project.definition, &task.data) {
            Ok(files) => files,
            Err(FilesError::Later(error)) => return Err(FetchError::Client(error)),
            Err(FilesError::Bad(why)) => return Ok(Err(why)),
        };
        let report = source::import_held(store, project, rules, record, files);
        let report = report.map_err(FetchError::Import)?;
        if let Some(bad) = report.bad_lines.first() {
            why = bad.reason.to_string();
        }
        found = item()?;
    }
    let Some(item) = found else { return Ok(Err(format!("its task cannot be an item: {why}"))) };
    store.tx("studio task", |tx| tx.put_studio_task(project.project, task.id, item))?;
    Ok(Ok(item))
}
