//! Which items are alike enough to share a task.

use std::collections::HashMap;

use insitu_measure::InvalidInput;
use insitu_measure::propagation::{MinHasher, near_duplicates, shingle_hash, shingles};

use crate::cli::columns::{Column, Fault, InputError, Table};

/// Words in a run.
const WORDS: usize = 3;
/// Hash functions of a signature: similarity is known within about .04.
const FUNCTIONS: usize = 128;
/// Most texts whose near-duplicates are sought (512 bytes each).
pub(in crate::cli) const TEXTS_MAX: usize = 1_000_000;

/// Group of each item, named by its first item: by the column `group`, else by the column `text`,
/// else every item alone.
pub(super) fn groups(table: &Table, similarity: f64, seed: u64) -> Result<Vec<usize>, InputError> {
    if let Some(column) = table.choose(None, &["group"])? {
        return Ok(equal(table, column));
    }
    let Some(column) = table.choose(None, &["text"])? else {
        return Ok((0..table.rows()).collect());
    };
    if similarity >= 1.0 {
        return Ok(equal(table, column));
    }
    if table.rows() > TEXTS_MAX {
        let fault = Fault::TooMany { what: "texts", found: table.rows(), limit: TEXTS_MAX };
        return Err(table.fault(fault));
    }
    // A gap is like nothing: it gets a text of its own.
    let text = |row| column.value(row).map_or_else(|| format!("\u{0}{row}"), str::to_owned);
    signatures((0..table.rows()).map(text), seed)
        .and_then(|signatures| near_duplicates(&signatures, similarity))
        .map_err(|error| table.fault(Fault::Shape(error.to_string())))
}

/// A signature of each text's runs of words, in any case of letters.
pub(in crate::cli) fn signatures(
    texts: impl Iterator<Item = impl AsRef<str>>,
    seed: u64,
) -> Result<Vec<Vec<u32>>, InvalidInput> {
    let hasher = MinHasher::new(FUNCTIONS, seed)?;
    let high = |run: &String| u32::try_from(shingle_hash(run) >> 32).unwrap_or(u32::MAX);
    let signature = |text: &str| hasher.signature(shingles(text, WORDS).iter().map(high));
    Ok(texts.map(|text| signature(&text.as_ref().to_lowercase())).collect())
}

/// Items of equal value together; a gap is alone.
fn equal(table: &Table, column: &Column) -> Vec<usize> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let group = |row| column.value(row).map_or(row, |value| *first.entry(value).or_insert(row));
    (0..table.rows()).map(group).collect()
}
