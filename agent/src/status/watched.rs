//! What became of the files of a project's watched folder.

use serde::Serialize;

use crate::config::Config;
use crate::store::orders::ProjectRow;
use crate::store::watched::BadFile;
use crate::store::{StoreError, Tx};

/// Bad files that are told, newest first.
const BAD_MAX: u32 = 20;

/// A watched folder.
#[derive(Clone, Debug, Serialize)]
pub struct WatchedStatus {
    /// Where it is.
    pub folder: String,
    /// Whether it is there.
    pub readable: bool,
    /// Why the daemon's last look at it failed, if it did.
    pub fault: Option<String>,
    /// Files imported, bad ones as well.
    pub imported: u64,
    /// Files that wait until they do not change any more.
    pub waiting: u64,
    /// Those that are there and in which something is bad; at most 20.
    pub bad: Vec<BadFileStatus>,
}

/// A file in which something is bad. It stays where it is.
#[derive(Clone, Debug, Serialize)]
pub struct BadFileStatus {
    /// Its path in the folder.
    pub file: String,
    /// Records read.
    pub read: u64,
    /// Of them bad.
    pub bad: u64,
    /// Why it was not imported, or the first bad records.
    pub reason: String,
}

impl WatchedStatus {
    /// The watched folder of a project, if the site has one.
    pub(super) fn read(
        tx: &Tx<'_>,
        config: &Config,
        row: &ProjectRow,
    ) -> Result<Option<Self>, StoreError> {
        let watch = config.source(&row.definition.name).and_then(|source| source.watch.as_ref());
        let Some(watch) = watch else { return Ok(None) };
        let (imported, waiting) = tx.watched_counts(row.project)?;
        let there = |file: &BadFile| watch.folder.join(&file.path).exists();
        let bad = tx.bad_watched(row.project, BAD_MAX)?.into_iter().filter(there);
        let bad = bad.map(|BadFile { path, read, bad, fault }| BadFileStatus {
            file: path,
            read,
            bad,
            reason: fault,
        });
        Ok(Some(Self {
            folder: watch.folder.display().to_string(),
            readable: watch.folder.is_dir(),
            fault: tx.watch_fault(row.project)?,
            imported,
            waiting,
            bad: bad.collect(),
        }))
    }

    /// What an operator should look at.
    pub(super) fn pending(&self, project: &str) -> Vec<String> {
        if !self.readable {
            return vec![format!("the watched folder of {project}, {}, is not there", self.folder)];
        }
        let fault = self
            .fault
            .iter()
            .map(|fault| format!("the watched folder of {project} cannot be looked at: {fault}"));
        let bad = |file: &BadFileStatus| {
            let BadFileStatus { file, read, bad, reason } = file;
            format!("{file}, watched for {project}: {bad} of {read} records are bad ({reason})")
        };
        fault.chain(self.bad.iter().map(bad)).collect()
    }
}
