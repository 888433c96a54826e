//! Export: the site's labels as a dataset snapshot. It stays on the premises: nothing here comes
//! near the outbox.
//!
//! A snapshot is a folder that is written once and never changed:
//!
//! ```text
//! records.EXT      a record for each item, in the format that was asked for
//! provenance.jsonl who said what of each item, when, for what and with which version of project and
//!                  program; the model's draft and its bundle
//! taxonomy.json    what labels refer to that are not one class
//! images/, series/, labels/, …   files that records name, in formats that have some
//! files.jsonl      size and hash of each of those
//! metadata.json    what the files are, as Croissant 1.0 (mlcommons.org/croissant)
//! snapshot.json    project, versions, counts, and size and hash of every file above
//! snapshot.sig     the agent's signature over snapshot.json
//! ```
//!
//! The BLAKE3 hash of `snapshot.json` names the snapshot. No clock and no chance is in it: the same
//! labels give the same bytes, whenever they are exported.

mod columns;
mod croissant;
mod format;
pub(crate) mod label_studio;
mod media;
mod parquet;
mod parts;
mod programs;
mod record;
mod regions;
mod snapshot;
mod texts;
mod writer;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use insitu_daemon::files::{self, FileError};
use insitu_protocol::ids::Digest;
use serde_json::json;

pub use self::format::Format;
use self::record::Record;
pub use self::snapshot::{Faults, Snapshot, verify};
use self::writer::Writer;
use crate::config::Source;
use crate::source::{self, ImportError};
use crate::store::erasure::SnapshotRow;
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError, Tx};

/// Items read at once.
const STEP: u32 = 500;
/// Most ids that are taken from the site's own file.
pub const IDS_MAX: usize = 5_000_000;

/// What to export, and how.
#[derive(Debug)]
pub struct Request<'a> {
    /// The project.
    pub project: &'a ProjectRow,
    /// Of the records.
    pub format: Format,
    /// The snapshot's folder; must not exist.
    pub out: &'a Path,
    /// Also items that nobody has labeled, and which the model has not been trusted with.
    pub unlabeled: bool,
    /// Not items that only the model has labeled.
    pub people_only: bool,
    /// Synthetic items instead of real ones.
    pub synthetic: bool,
    /// People's names instead of their numbers.
    pub names: bool,
    /// The licence of the data, as a URL, where it has one.
    pub license: Option<&'a str>,
    /// The site's own ids, by item key: see [`own_ids`].
    pub ids: &'a HashMap<i64, String>,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The hash of `snapshot.json`.
    pub snapshot: Digest,
    /// What it says.
    pub counts: Counts,
}

/// Records of a snapshot, by who gave their label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// All of them.
    pub records: u64,
    /// Labeled by people.
    pub people: u64,
    /// The model's label, accepted without a person.
    pub model: u64,
    /// No label.
    pub unlabeled: u64,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A format without a place for the project's labels.
    #[error("{format} has no place for labels of the kind {task}; jsonl holds every kind")]
    Kind {
        /// The format.
        format: &'static str,
        /// Kind of the project's task.
        task: &'static str,
    },
    /// Something was erased while it was written.
    #[error("items were erased while they were exported: nothing was written; export again")]
    Erased,
    /// A format in which what nobody has labeled looks like what has nothing to mark.
    #[error("{format} cannot tell an unlabeled item from one with nothing to mark: leave them out")]
    Unlabeled {
        /// The format.
        format: &'static str,
    },
    /// A label that the format has no place for, of a kind that it has.
    #[error("the spans of item {item} overlap, and a token has one tag; spacy and jsonl hold them")]
    Overlap {
        /// The item's name outside the store.
        item: String,
    },
    /// A snapshot is never overwritten.
    #[error("{} exists: a snapshot is never overwritten, name a new folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The site's own file of ids.
    #[error("the ids cannot be read")]
    Ids(#[from] ImportError),
    /// Too many ids.
    #[error("the file has more than {IDS_MAX} ids")]
    TooManyIds,
    /// The folder or a file of it cannot be written.
    #[error("the snapshot cannot be written")]
    Write(#[from] io::Error),
    /// The folder cannot be made.
    #[error("the snapshot's folder cannot be made")]
    Folder(#[from] FileError),
    /// The store failed.
    #[error("the labels cannot be read")]
    Store(#[from] StoreError),
}

/// The site's own ids of stored items, from a file that was imported: the store itself keeps
/// only a keyed hash of each. Lines that name no item of the project are passed over.
///
/// # Errors
/// [`ExportError::Ids`], [`ExportError::TooManyIds`], [`ExportError::Store`].
pub fn own_ids(
    store: &Store,
    project: &ProjectRow,
    rules: &Source,
    format: source::Format,
    reader: impl BufRead,
) -> Result<HashMap<i64, String>, ExportError> {
    let mut all = Vec::new();
    source::ids(rules, format, reader, |id| {
        // One more than allowed is enough to know.
        if all.len() <= IDS_MAX {
            all.push(id);
        }
    })?;
    if all.len() > IDS_MAX {
        return Err(ExportError::TooManyIds);
    }
    let name = project.definition.name.as_str();
    let mut ids = HashMap::new();
    store.read("export ids", |tx| {
        for id in all {
            if let Some(item) = tx.item_of_source(project.project, &tx.source_hash(name, &id))? {
                ids.insert(item, id);
            }
        }
        Ok::<_, StoreError>(())
    })?;
    Ok(ids)
}

/// Writes a snapshot, and tells `progress` how many items have been read so far.
///
/// The folder appears whole or not at all: it is written beside its name first.
///
/// # Errors
/// [`ExportError`]; nothing is left in the folder's place.
pub fn export(
    store: &Store,
    request: &Request<'_>,
    mut progress: impl FnMut(u64),
) -> Result<Exported, ExportError> {
    let task = &request.project.definition.task;
    if !request.format.carries(&request.project.definition) {
        return Err(ExportError::Kind { format: request.format.name(), task: task.kind() });
    }
    if request.unlabeled && request.format.hides_unlabeled() {
        return Err(ExportError::Unlabeled { format: request.format.name() });
    }
    if request.out.exists() {
        return Err(ExportError::Exists { path: request.out.to_owned() });
    }
    let mut beside = request.out.as_os_str().to_owned();
    beside.push(".partial");
    let beside = PathBuf::from(beside);
    if beside.exists() {
        fs::remove_dir_all(&beside)?; // of an export that was cut short
    }
    files::create_folder(&beside)?;
    // Noted while it is empty: an export that is killed leaves a folder of which erasures have to know.
    let partial = std::path::absolute(&beside)?.display().to_string();
    let written = store
        .tx("export", |tx| Ok(tx.begin_export(request.project.project, &partial)?))
        .and_then(|()| store.read("export", |tx| write(tx, request, &beside, &mut progress)))
        .and_then(|done| {
            // First: a snapshot that nobody knows of must not be.
            let (exported, items, erasures) = done;
            store.tx("exported", |tx| {
                if tx.erasures()? != erasures {
                    return Err(ExportError::Erased);
                }
                Ok(note(tx, request, &exported, &items)?)
            })?;
            Ok(fs::rename(&beside, request.out).map(|()| exported)?)
        });
    if written.is_err() {
        // The first error tells more than one about the leftover could.
        drop(fs::remove_dir_all(&beside));
    }
    if !beside.exists() {
        // Where that fails, the next erasure finds nothing there, and forgets it.
        drop(store.tx("export", |tx| tx.end_export(&partial)));
    }
    written
}

/// Notes a snapshot, and the keys of the items in it.
fn note(
    tx: &Tx<'_>,
    request: &Request<'_>,
    done: &Exported,
    items: &[i64],
) -> Result<(), StoreError> {
    let out = std::path::absolute(request.out).unwrap_or_else(|_| request.out.to_owned());
    let folder = out.display().to_string();
    let exported = Event::new(What::Exported).of(request.project.definition.name.as_str());
    let event = tx.note(&exported.with(json!({
        "snapshot": done.snapshot, "format": request.format.name(), "records": done.counts.records,
        "synthetic": request.synthetic, "names": request.names, "own_ids": request.ids.len(),
        "folder": folder,
    })))?;
    let row = SnapshotRow { snapshot: done.snapshot, at: tx.now(), folder };
    tx.add_snapshot(event, request.project.project, &row, items)
}

fn write(
    tx: &Tx<'_>,
    request: &Request<'_>,
    folder: &Path,
    progress: &mut impl FnMut(u64),
) -> Result<(Exported, Vec<i64>, u64), ExportError> {
    let project = request.project;
    let people = record::People::read(tx, request.names)?;
    let staged = !tx.review_stages(project.project)?.is_empty();
    let mut writer = Writer::create(folder, &project.definition, request.format)?;
    let (mut counts, mut read, mut after) = (Counts::default(), 0, 0);
    let (mut items, mut newest) = (Vec::new(), None);
    loop {
        let rows = tx.redacted_items(project.project, request.synthetic, after, STEP)?;
        let Some(last) = rows.last() else { break };
        after = last.item;
        for row in &rows {
            let own_id = request.ids.get(&row.item).cloned();
            let mut record = Record::read(tx, row, own_id, &project.definition, staged)?;
            if counts.take(&record, request) {
                if request.format.names_files() {
                    record.medium = media::read(tx, row, &record, &project.definition)?;
                }
                newest = newest.max(record.label.as_ref().and_then(|label| label.made_at));
                writer.write(&record, &people)?;
                items.push(row.item);
            }
        }
        read += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        progress(read);
    }
    let sets = writer.sets.clone();
    let mut files = writer.finish()?;
    let day = newest.map(|at| record::time(at).chars().take_while(|c| *c != 'T').collect());
    let about = croissant::metadata(request, &files, &counts, &croissant::Beside { sets, day });
    files.push(snapshot::put(folder, croissant::FILE, &about)?);
    let snapshot = snapshot::seal(tx.witness(), folder, request, counts, files)?;
    Ok((Exported { snapshot, counts }, items, tx.erasures()?))
}

impl Counts {
    /// Counts a record, if it was asked for.
    fn take(&mut self, record: &Record, request: &Request<'_>) -> bool {
        let (count, wanted) = match &record.label {
            Some(label) if label.by.is_person() => (&mut self.people, true),
            Some(_) => (&mut self.model, !request.people_only),
            None => (&mut self.unlabeled, request.unlabeled),
        };
        if wanted {
            *count += 1;
            self.records += 1;
        }
        wanted
    }
}

#[cfg(test)]
mod tests;
