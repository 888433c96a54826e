//! `measure label-errors --text`: near-duplicates whose labels differ.

use std::collections::BTreeSet;

use insitu_measure::label_errors::{Conflict, conflicts};
use insitu_measure::propagation::near_duplicates;
use serde::Serialize;

use super::arguments::LabelErrorsArguments;
use super::ratings::ITEM_NAMES;
use super::{Report, cell};
use crate::cli::columns::{Categories, Fault, InputError, Table};
use crate::cli::sample::duplicates::{TEXTS_MAX, signatures};
use crate::cli::table;

/// Seed of the hash functions: equal files give equal groups.
const SEED: u64 = 1;
/// Items of a group that the text lists.
const LISTED_MAX: usize = 5;

/// What `measure label-errors --text` reports.
#[derive(Debug, Serialize)]
pub(super) struct ConflictsReport {
    items: usize,
    /// Groups of two near-duplicates or more.
    groups: usize,
    similarity: f64,
    conflicts: Vec<Group>,
    #[serde(skip)]
    top: usize,
}

/// Near-duplicates with different labels.
#[derive(Debug, Serialize)]
struct Group {
    items: Vec<Labeled>,
    /// The label of more than half of them.
    majority: Option<String>,
}

#[derive(Debug, Serialize)]
struct Labeled {
    /// Position in the file, from 0, and what it is called there.
    index: usize,
    item: String,
    label: String,
    /// Whether its label is another than the majority's, or there is none.
    suspect: bool,
}

pub(super) fn measure(
    table: &Table,
    text: &str,
    arguments: &LabelErrorsArguments,
) -> Result<ConflictsReport, InputError> {
    let column = table.need(Some(text), &[])?;
    let label = table.need(arguments.label.as_deref(), &["label"])?;
    let categories = Categories::of(table, &[label], &[])?;
    // Only what has both can be compared.
    let mut rows = Vec::new();
    let (mut labels, mut texts) = (Vec::new(), Vec::new());
    for row in 0..table.rows() {
        if let (Some(label), Some(text)) = (categories.at(table, label, row)?, column.value(row)) {
            rows.push(row);
            labels.push(label);
            texts.push(text);
        }
    }
    if rows.len() > TEXTS_MAX {
        let fault = Fault::TooMany { what: "texts", found: rows.len(), limit: TEXTS_MAX };
        return Err(table.fault(fault));
    }
    let similarity = arguments.similarity;
    let found = signatures(texts.into_iter(), SEED)
        .and_then(|signatures| near_duplicates(&signatures, similarity))
        .and_then(|group| Ok((conflicts(&group, &labels)?, group)));
    let (found, group) = found.map_err(|error| table.fault(Fault::Shape(error.to_string())))?;
    let joined = group.iter().enumerate().filter(|(item, group)| item != *group);
    let identifiers = table.identifiers(table.choose(None, &ITEM_NAMES)?);
    let name = |label: u32| categories.names()[label as usize].clone();
    let show = |conflict: &Conflict| Group {
        majority: conflict.majority.map(name),
        items: conflict
            .items
            .iter()
            .map(|at| Labeled {
                index: rows[*at],
                item: identifiers[rows[*at]].clone(),
                label: name(labels[*at]),
                suspect: conflict.suspects.contains(at),
            })
            .collect(),
    };
    Ok(ConflictsReport {
        items: rows.len(),
        groups: joined.map(|(_, group)| group).collect::<BTreeSet<_>>().len(),
        similarity,
        conflicts: found.iter().map(show).collect(),
        top: arguments.top,
    })
}

impl Report for ConflictsReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} labeled texts; {} groups of near-duplicates (similarity {} or more), of which {} \
             disagree\n",
            self.items,
            self.groups,
            self.similarity,
            self.conflicts.len()
        );
        if self.conflicts.is_empty() {
            return text;
        }
        text.push('\n');
        let mut rows = Vec::new();
        for (at, group) in self.conflicts.iter().take(self.top).enumerate() {
            let majority = group.majority.as_deref().map_or_else(|| "–".to_owned(), cell);
            for labeled in group.items.iter().take(LISTED_MAX) {
                let mark = if labeled.suspect { "look" } else { "" };
                rows.push(vec![
                    (at + 1).to_string(),
                    cell(&labeled.item),
                    cell(&labeled.label),
                    majority.clone(),
                    mark.to_owned(),
                ]);
            }
            if group.items.len() > LISTED_MAX {
                let more = format!("and {} more", group.items.len() - LISTED_MAX);
                rows.push(vec![(at + 1).to_string(), more]);
            }
        }
        text.push_str(&table::lines(&["group", "item", "label", "most say", ""], &rows));
        if self.conflicts.len() > self.top {
            text.push_str(&format!("and {} more groups\n", self.conflicts.len() - self.top));
        }
        text
    }
}
