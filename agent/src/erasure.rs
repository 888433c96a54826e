//! Erasure: a subject, or one item, leaves the site's store for good.
//!
//! Everything that the store has of the items goes in one transaction: content, images and series,
//! prelabels, labels and comments, the originals behind their surrogates, their places in queues,
//! what a Label Studio said of them, also where that is no item yet. The audit log keeps a
//! tombstone: keyed hashes, counts, and who did it. The same transaction keeps the subject from
//! being imported again. Then the store's file is written anew and the write-ahead log emptied, so that
//! the bytes are nowhere in them; [`finish`] does that when a crash, or somebody who read, came between.
//!
//! What was released is noise about many subjects, and left long ago: it stays charged. Snapshots
//! that were exported are outside of the store: an erasure says which ones hold the items, and which may,
//! as they are being written or were when their export was killed.

pub mod http;

use std::path::Path;

use insitu_protocol::ids::ProjectName;
use serde_json::json;

use crate::config::Source;
use crate::label_studio::forget::{About, forget};
use crate::store::erasure::{Doomed, EVERY_PROJECT, Taken};
use crate::store::labels::{Action, Person};
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, REASON_BYTES_MAX, What};
use crate::store::{Store, StoreError, Tx};

/// Snapshots that the tombstone names.
const SNAPSHOTS_NAMED: usize = 100;

/// What is to be erased.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// Everything of the subject of the site's own id, in one project or in all.
    Subject(&'a str, Option<&'a ProjectRow>),
    /// The item of the site's own id.
    Item(&'a str, &'a ProjectRow),
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Items that were erased now.
    pub items: u64,
    /// What went with them.
    pub taken: Taken,
    /// Tasks and annotations that Label Studio had told of, and that were no items yet.
    pub waiting: u64,
    /// It was erased before, and nothing of it had come back.
    pub before: bool,
    /// Whether no byte is left in the store's files; else the daemon, or the next erasure, sees to it.
    pub scrubbed: bool,
}

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErasureError {
    /// Only who guards the subjects' privacy erases them.
    #[error("a {role} erases nothing: that is for a steward")]
    Role {
        /// The person's role.
        role: &'static str,
    },
    /// A reason that does not fit the log.
    #[error("a reason has at most {REASON_BYTES_MAX} bytes, this one has {got}")]
    Reason {
        /// Its length.
        got: usize,
    },
    /// No such item, and none was erased.
    #[error("project {project} has no such item")]
    UnknownItem {
        /// The project.
        project: ProjectName,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Erases a subject or an item, and keeps it from being imported again. Doing it again changes
/// nothing, unless some of it has come since. `sources` are the site's projects, as it has configured
/// them: whose a waiting task is, only they tell.
///
/// # Errors
/// [`ErasureError`]; nothing is erased then.
pub fn erase(
    store: &Store,
    steward: &Person,
    (target, sources): (Target<'_>, &[Source]),
    reason: &str,
    now: i64,
) -> Result<Erased, ErasureError> {
    check(steward, reason)?;
    let mut erased =
        store.alone("erase", |tx| taken(tx, steward, (target, sources), reason, now))?;
    erased.scrubbed = finish(store)?;
    Ok(erased)
}

/// What [`erase`] would take away. Nothing is changed: it is done, and undone before anybody sees it.
///
/// # Errors
/// [`ErasureError`].
pub fn preview(
    store: &Store,
    steward: &Person,
    target: (Target<'_>, &[Source]),
) -> Result<Erased, ErasureError> {
    check(steward, "")?;
    let undone: Result<(), Undone> = store.alone("erase preview", |tx| {
        let taken = taken(tx, steward, target, "", 0);
        Err(taken.map_or_else(Undone::Failed, |erased| Undone::Seen(Box::new(erased))))
    });
    match undone {
        Ok(()) => Ok(Erased::default()),
        Err(Undone::Seen(erased)) => Ok(*erased),
        Err(Undone::Failed(error)) => Err(error),
    }
}

/// Why a transaction is not kept.
enum Undone {
    Seen(Box<Erased>),
    Failed(ErasureError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Takes a target out of the store, within a transaction.
fn taken(
    tx: &Tx<'_>,
    steward: &Person,
    (target, sources): (Target<'_>, &[Source]),
    reason: &str,
    now: i64,
) -> Result<Erased, ErasureError> {
    let found = Found::of(tx, target)?;
    let new = tx.bar(&found.hash, found.project, now)?;
    let waiting = found.forget(tx, sources)?;
    let nothing = found.items.is_empty() && waiting == 0;
    if let (true, true, Target::Item(_, project)) = (new, nothing, target) {
        let project = project.definition.name.clone();
        return Err(ErasureError::UnknownItem { project });
    }
    if !new && nothing {
        return Ok(Erased { before: true, ..Erased::default() });
    }
    let mut taken = tx.erase_items(&found.items)?;
    // What somebody has removed since, or was renamed when it was whole, is left behind no more.
    let (left, gone) = std::mem::take(&mut taken.exports)
        .into_iter()
        .partition::<Vec<String>, _>(|folder| Path::new(folder).exists());
    taken.exports = left;
    for folder in gone {
        tx.end_export(&folder)?;
    }
    found.entomb(tx, steward, (&taken, waiting), reason)?;
    let items = u64::try_from(found.items.len()).unwrap_or(u64::MAX);
    Ok(Erased { items, taken, waiting, ..Erased::default() })
}

/// Lets a subject or an item that was erased be imported again; `false` when nothing kept it.
///
/// # Errors
/// [`ErasureError`].
pub fn allow(
    store: &Store,
    steward: &Person,
    target: Target<'_>,
    reason: &str,
) -> Result<bool, ErasureError> {
    check(steward, reason)?;
    store.tx("allow", |tx| {
        let found = Found::of(tx, target)?;
        let allowed = tx.unbar(&found.hash, found.project)?;
        if allowed {
            tx.note(&found.event(What::Allowed, steward).with(json!({"reason": reason})))?;
        }
        Ok(allowed)
    })
}

/// Writes the store's file anew and empties the write-ahead log after an erasure, as far as that is
/// still to be done; `false` when it is, as somebody reads.
///
/// # Errors
/// [`StoreError`].
pub fn finish(store: &Store) -> Result<bool, StoreError> {
    if store.read("erasures", |tx| tx.is_unscrubbed())? { store.scrub() } else { Ok(true) }
}

fn check(steward: &Person, reason: &str) -> Result<(), ErasureError> {
    if !steward.role.may(Action::Erase) {
        return Err(ErasureError::Role { role: steward.role.name() });
    }
    if reason.len() > REASON_BYTES_MAX {
        return Err(ErasureError::Reason { got: reason.len() });
    }
    Ok(())
}

/// A target as the store knows it.
struct Found<'a> {
    /// Keyed, of the subject or of the item's own id.
    hash: [u8; 32],
    /// Key of the project, or [`EVERY_PROJECT`].
    project: i64,
    name: Option<&'a str>,
    subject: Option<[u8; 32]>,
    items: Vec<Doomed>,
}

impl<'a> Found<'a> {
    fn of(tx: &Tx<'_>, target: Target<'a>) -> Result<Self, StoreError> {
        match target {
            Target::Subject(subject, project) => {
                let hash = tx.subject_hash(subject)?;
                let key = project.map_or(EVERY_PROJECT, |project| project.project);
                let name = project.map(|project| project.definition.name.as_str());
                let items = tx.items_of_subject(&hash, key)?;
                Ok(Self { hash, project: key, name, subject: Some(hash), items })
            }
            Target::Item(id, project) => {
                let (key, name) = (project.project, project.definition.name.as_str());
                let hash = tx.source_hash(name, id);
                let item =
                    tx.item_of_source(key, &hash)?.map(|item| tx.doomed(item)).transpose()?;
                let items = item.flatten().into_iter().collect();
                Ok(Self { hash, project: key, name: Some(name), subject: None, items })
            }
        }
    }

    /// An event about the subject, or in the item's project.
    fn event(&self, what: What, steward: &Person) -> Event<'a> {
        let event = Event::new(what).by(steward);
        let event = self.name.into_iter().fold(event, Event::of);
        self.subject.into_iter().fold(event, Event::about)
    }

    /// Forgets what Label Studio said of it that is no item yet; how many tasks and annotations.
    fn forget(&self, tx: &Tx<'_>, sources: &[Source]) -> Result<u64, StoreError> {
        let about = match &self.subject {
            Some(subject) => About::Subject(subject),
            None => About::Item(&self.hash),
        };
        let mut count = 0;
        for project in tx.projects()? {
            if self.project == EVERY_PROJECT || self.project == project.project {
                let source = sources.iter().find(|source| source.name == project.definition.name);
                count += forget(tx, &project, source, (about, &self.items))?;
            }
        }
        Ok(count)
    }

    /// Notes what was: a row for each item, and one for all of it.
    fn entomb(
        &self,
        tx: &Tx<'_>,
        steward: &Person,
        (taken, waiting): (&Taken, u64),
        reason: &str,
    ) -> Result<(), StoreError> {
        let projects = tx.projects()?;
        for doomed in &self.items {
            let project = projects.iter().find(|row| row.project == doomed.project);
            let name = project.map_or("", |row| row.definition.name.as_str());
            let event = Event::new(What::Erased).by(steward).of(name).on(doomed.opaque);
            let event = self.subject.into_iter().fold(event, Event::about);
            tx.note(&event.with(json!({"imported": doomed.imported})))?;
        }
        let rows: serde_json::Map<String, serde_json::Value> = taken
            .rows
            .iter()
            .filter(|(_, rows)| *rows > 0)
            .map(|(table, rows)| ((*table).to_owned(), (*rows).into()))
            .collect();
        let snapshots: Vec<_> =
            taken.snapshots.iter().rev().take(SNAPSHOTS_NAMED).map(|row| row.snapshot).collect();
        tx.note(&self.event(What::Erased, steward).with(json!({
            "items": self.items.len(), "rows": rows, "originals": taken.originals,
            "waiting": waiting, "snapshots": snapshots, "exports": taken.exports.len(),
            "reason": reason,
        })))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
