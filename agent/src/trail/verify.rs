//! Checking the audit log: every row, every signature, and the signatures that are kept elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use insitu_models::sign::PublicKey;
use insitu_protocol::ids::Digest;

use super::{TrailError, read_file};
use crate::store::trail::{Link, TRAIL_START, TrailCheckpoint};
use crate::store::{Store, StoreError, Tx};

/// Problems that are described; the others are counted.
const PROBLEMS_MAX: usize = 20;

/// What [`verify()`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Rows looked at.
    pub events: u64,
    /// The first of them; rows before it were cut off when it is not 1.
    pub first: u64,
    /// The chain's hash after the last.
    pub head: Digest,
    /// The last row that is signed.
    pub signed: u64,
    /// When it was signed, Unix seconds.
    pub signed_at: Option<i64>,
    /// Signatures in the file apart from the store.
    pub outside: u64,
    /// What is wrong, by row; the first 20.
    pub problems: Vec<String>,
    /// What else is wrong.
    pub more: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, what: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what);
        } else {
            self.more += 1;
        }
    }
}

/// Recomputes the whole chain, and checks it against the signatures in the store and those in `file`.
/// Rows are read one by one. Those before the first must be older than `keep`, in seconds: whoever can
/// write the store could cut off others just as well.
///
/// # Errors
/// [`TrailError`] when `file` or the store cannot be read; anything wrong with the log itself is a
/// problem in the result.
pub fn verify(
    store: &Store,
    file: Option<&Path>,
    keep: Option<i64>,
) -> Result<Verification, TrailError> {
    let outside = file.map_or(Ok(Vec::new()), read_file)?;
    // One snapshot: what is noted meanwhile is not missing.
    store.read("verify audit log", |tx| Ok(check(tx, &outside, keep)?))
}

/// What is still to be found in the rows.
struct Expected {
    key: PublicKey,
    /// By row, what the signatures elsewhere say its hash is.
    outside: BTreeMap<u64, Digest>,
    /// The row before the first, when rows were cut off.
    cut: Option<u64>,
    last: u64,
    /// What was signed later than this may not be cut off; nothing may without it.
    horizon: Option<i64>,
}

fn check(
    tx: &Tx<'_>,
    outside: &[TrailCheckpoint],
    keep: Option<i64>,
) -> Result<Verification, StoreError> {
    let key = tx.witness().public_key();
    let first = tx.first_event()?.unwrap_or(1);
    let mut found = Verification {
        events: 0,
        first,
        head: TRAIL_START,
        signed: 0,
        signed_at: None,
        outside: u64::try_from(outside.len()).unwrap_or(u64::MAX),
        problems: Vec::new(),
        more: 0,
    };
    let horizon = keep.map(|keep| tx.now().saturating_sub(keep));
    let mut expected =
        Expected { key, outside: BTreeMap::new(), cut: None, last: first - 1, horizon };
    for checkpoint in outside {
        let row = checkpoint.sequence;
        if !checkpoint.is_signed_by(&key) {
            let text = format!("row {row}: its checkpoint in the file is not by this agent's key");
            found.problem(text);
        } else if expected
            .outside
            .insert(row, checkpoint.chain)
            .is_some_and(|it| it != checkpoint.chain)
        {
            found.problem(format!("row {row}: two checkpoints in the file contradict each other"));
        }
    }
    let previous = anchor(tx, &mut found, &mut expected)?;
    let read = tx.each_link(previous, |link| look(tx, link, &mut found, &mut expected));
    match read {
        Ok(()) => end(tx, &mut found, &expected)?,
        Err(StoreError::Sql { source, .. }) => {
            let row = expected.last + 1;
            found.problem(format!("row {row}: the store cannot be read from here on: {source}"));
        }
        Err(error) => return Err(error),
    }
    Ok(found)
}

/// The hash before the first row: that of the row at which the log was cut, as it was signed.
fn anchor(
    tx: &Tx<'_>,
    found: &mut Verification,
    expected: &mut Expected,
) -> Result<Digest, StoreError> {
    let before = found.first - 1;
    if before == 0 {
        return Ok(TRAIL_START);
    }
    expected.cut = Some(before);
    let signed = tx.trail_checkpoint(before)?;
    if let Some(signed) = signed.filter(|signed| signed.is_signed_by(&expected.key)) {
        agree(found, expected, before, &signed.chain);
        if expected.horizon.is_none_or(|horizon| signed.at > horizon) {
            found.problem(format!(
                "rows 1 to {before}: they were cut off, and audit.keep does not say so"
            ));
        }
        return Ok(signed.chain);
    }
    found.problem(format!(
        "row {}: the rows before it are gone, and row {before} is not signed",
        found.first
    ));
    Ok(TRAIL_START)
}

fn look(
    tx: &Tx<'_>,
    link: &Link,
    found: &mut Verification,
    expected: &mut Expected,
) -> Result<(), StoreError> {
    let row = u64::try_from(link.sequence).ok().filter(|row| *row > expected.last);
    let Some(row) = row else {
        found.problem(format!("row {}: no row has this number", link.sequence));
        return Ok(());
    };
    if row != expected.last + 1 {
        found.problem(match row - 1 - expected.last {
            1 => format!("row {}: it is missing", expected.last + 1),
            _ => format!("rows {} to {}: they are missing", expected.last + 1, row - 1),
        });
    }
    if link.found != Some(link.expected) {
        found.problem(format!("row {row}: it does not have the hash that the chain gives it"));
    }
    let chain = link.found.unwrap_or(link.expected);
    if let Some(signed) = tx.trail_checkpoint(row)? {
        if signed.chain != chain || !signed.is_signed_by(&expected.key) {
            found.problem(format!(
                "row {row}: its checkpoint is not signed with this agent's key over this chain"
            ));
        } else {
            (found.signed, found.signed_at) = (row, Some(signed.at));
        }
    }
    agree(found, expected, row, &chain);
    if link.cut.is_some() && link.cut == expected.cut {
        expected.cut = None;
    }
    found.events += 1;
    found.head = chain;
    expected.last = row;
    Ok(())
}

/// Compares a row with its signature in the file.
fn agree(found: &mut Verification, expected: &mut Expected, row: u64, chain: &Digest) {
    if expected.outside.remove(&row).is_some_and(|signed| signed != *chain) {
        found.problem(format!("row {row}: the checkpoint in the file is over another chain"));
    }
}

fn end(tx: &Tx<'_>, found: &mut Verification, expected: &Expected) -> Result<(), StoreError> {
    let last = expected.last;
    let inside = tx.last_trail_checkpoint(i64::MAX)?.map(|signed| signed.sequence);
    let outside = expected.outside.last_key_value().map(|(row, _)| *row);
    for (row, place) in [(inside, "the store"), (outside, "the file")] {
        if let Some(row) = row.filter(|row| *row > last) {
            found.problem(format!(
                "row {}: the log ends before it, and a checkpoint in {place} is signed over row {row}",
                last + 1
            ));
        }
    }
    if let Some(cut) = expected.cut {
        found.problem(format!(
            "row {cut}: the rows up to it are gone, and no row says that they were cut off"
        ));
    }
    Ok(())
}
