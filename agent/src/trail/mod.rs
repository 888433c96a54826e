//! The audit log: who saw, revealed, labeled, approved, exported and erased what. Its rows are written
//! where things happen, in the same transaction ([`crate::store::trail`]); here they are signed, checked
//! and cut.
//!
//! Each row is chained to the one before. Whoever can write the store could write the whole chain
//! anew, so the agent signs its end now and then, and appends each signature to a file apart from
//! the store, where whoever writes the store may not: a row that was signed there can neither be
//! changed nor taken away without [`verify()`] seeing it.

pub mod report;
mod verify;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use insitu_daemon::files::{self, FileError};
use insitu_models::sign::PublicKey;
use serde_json::json;

use crate::store::trail::{Event, TrailCheckpoint, What};
use crate::store::{Store, StoreError};

pub use self::verify::{Verification, verify};

/// The log's end is signed when it is older than this, in seconds.
pub const SIGNED_SECONDS: i64 = 3600;
/// Longest line of a file of signatures.
const LINE_BYTES_MAX: usize = 1024;
/// Most signatures that are read from a file: a century of them.
const LINES_MAX: usize = 1_000_000;
/// Signatures written at once.
const STEP: u32 = 256;
/// Rows cut off at once, about.
const CUT_ROWS: u64 = 20_000;

/// Why the log cannot be signed or cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrailError {
    /// The folder for the signatures.
    #[error("the folder of the audit log's checkpoints cannot be made")]
    Folder(#[from] FileError),
    /// The file of signatures.
    #[error("the audit log's checkpoints {} cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of signatures that is none.
    #[error("{}:{line}: not a checkpoint of an audit log", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// The file of signatures in a folder, which several agents may share.
pub fn checkpoint_file(folder: &Path, key: &PublicKey) -> PathBuf {
    let mut name = key.0.to_hex();
    name.truncate(16);
    folder.join(format!("audit-{name}.jsonl"))
}

/// Signs the end of the log, if it is not, and appends what the file in `folder` lacks to it. The
/// store comes first: the file never knows of a row that could still be lost.
///
/// # Errors
/// [`TrailError`].
pub fn sign(store: &Store, folder: &Path) -> Result<Option<TrailCheckpoint>, TrailError> {
    let signed = store.tx("sign audit log", |tx| tx.sign_trail())?;
    publish(store, folder)?;
    Ok(signed)
}

/// [`sign`] when it is time: the daemon's, now and then.
///
/// # Errors
/// [`TrailError`].
pub fn sign_in_time(store: &Store, folder: &Path, now: i64) -> Result<(), TrailError> {
    let due = store.read("audit log", |tx| {
        let (head, _) = tx.trail_head()?;
        let last = tx.last_trail_checkpoint(i64::MAX)?;
        let age = last.as_ref().map_or(i64::MAX, |last| now.saturating_sub(last.at));
        Ok::<_, StoreError>(last.is_none_or(|last| last.sequence < head) && age >= SIGNED_SECONDS)
    })?;
    if due { sign(store, folder).map(drop) } else { publish(store, folder) }
}

/// Cuts off rows that are older than `keep` seconds, up to a signed one, and notes it. What is left
/// can still be verified: its first row is chained to the one that was signed.
///
/// # Errors
/// [`StoreError`].
pub fn cut(store: &Store, keep: i64, now: i64) -> Result<u64, StoreError> {
    let horizon = now.saturating_sub(keep);
    let old = store.read("audit log", |tx| {
        let Some(first) = tx.first_event()? else { return Ok(None) };
        let last = tx.last_trail_checkpoint(horizon)?.map(|last| last.sequence);
        let last = last.filter(|last| *last >= first);
        // Piece by piece, so that nobody waits long for the store.
        let piece = tx.trail_checkpoints(first + CUT_ROWS, 1)?;
        let piece = piece.first().map(|piece| piece.sequence);
        Ok::<_, StoreError>(last.map(|last| piece.map_or(last, |piece| piece.min(last))))
    })?;
    let Some(up_to) = old else { return Ok(0) };
    store.tx("cut audit log", |tx| {
        // Noted first: there is always a row for the next one to be chained to.
        tx.note(&Event::new(What::Cut).with(json!({"up_to": up_to})))?;
        tx.cut_trail(up_to)
    })
}

/// Appends the signatures that the file lacks.
fn publish(store: &Store, folder: &Path) -> Result<(), TrailError> {
    let key = store.read("audit key", |tx| Ok::<_, StoreError>(tx.witness().public_key()))?;
    let path = checkpoint_file(folder, &key);
    let failed = |source| TrailError::File { path: path.clone(), source };
    let (mut after, whole) = last_line(&path).map_err(failed)?;
    let mut lines = Vec::new();
    loop {
        let step = store.read("audit checkpoints", |tx| tx.trail_checkpoints(after, STEP))?;
        let Some(last) = step.last() else { break };
        after = last.sequence;
        for checkpoint in &step {
            serde_json::to_writer(&mut lines, checkpoint).map_err(|error| failed(error.into()))?;
            lines.push(b'\n');
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    files::create_folder(folder)?;
    let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
    if let Some(whole) = whole {
        file.set_len(whole).map_err(failed)?;
    }
    file.write_all(&lines).and_then(|()| file.sync_all()).map_err(failed)
}

/// The last row that a file has a signature of, 0 without one; and how long its whole lines are, when a
/// crash has cut the last one short.
fn last_line(path: &Path) -> io::Result<(u64, Option<u64>)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, None)),
        Err(error) => return Err(error),
    };
    let tail = u64::try_from(2 * LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(tail)))?;
    let mut bytes = Vec::new();
    file.take(tail).read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == b'\n').rev();
    let cut = lines.clone().next().map_or(0, <[u8]>::len);
    let whole = length.saturating_sub(u64::try_from(cut).unwrap_or(u64::MAX));
    // What a crash has cut short is no line, even if all but its end is there.
    let line = |line: &[u8]| serde_json::from_slice::<TrailCheckpoint>(line).ok();
    let last = lines.skip(1).filter_map(line).map(|line| line.sequence).next();
    Ok((last.unwrap_or(0), (cut > 0).then_some(whole)))
}

/// The signatures in a file, in its order.
fn read_file(path: &Path) -> Result<Vec<TrailCheckpoint>, TrailError> {
    let failed = |source| TrailError::File { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut all = Vec::new();
    let mut text = Vec::new();
    for line in 1..=LINES_MAX {
        text.clear();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut text).map_err(failed)?;
        if read == 0 {
            break;
        }
        match serde_json::from_slice(&text) {
            Ok(checkpoint) => all.push(checkpoint),
            // The last line may have been cut short by a crash.
            Err(_) if text.last() != Some(&b'\n') => break,
            Err(_) => return Err(TrailError::Line { path: path.to_owned(), line }),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
