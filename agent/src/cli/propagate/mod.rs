//! `insitu-agent propagate`: drafts for items that are like labeled ones.
//!
//! What is propagated is never a label: each draft says where it came from, and where duplicates
//! contradict each other there is no draft but a report of it.

pub(super) mod arguments;
mod duplicates;
mod spreading;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use insitu_daemon::exit;
use serde::Serialize;

use self::arguments::{MethodName, PropagateArguments};
use super::columns::{Categories, Fault, InputError, Table, read};
use super::measure::cell;
use super::{Outcome, table};

const ITEM_NAMES: [&str; 3] = ["id", "item", "item_id"];
/// Labeled items that a draft names, and labels that a conflict names.
const LISTED_MAX: usize = 10;
/// Lines of each table in the report for people.
const SHOWN_MAX: usize = 20;

/// What is found for one item; nothing is found for most.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Finding {
    Draft {
        id: String,
        label: String,
        /// Of duplicates the similarity of the closest, of spreading the label's share.
        score: f64,
        from: Origin,
    },
    Conflict {
        id: String,
        /// Always none: a reader of drafts that knows nothing of conflicts sees no label.
        label: Option<String>,
        /// The item's own label, if it has one.
        given: Option<String>,
        /// How many different labels its duplicates have.
        labels: usize,
        /// The closest of them.
        conflict: Vec<Claim>,
    },
}

/// One of the labels that contradict each other.
#[derive(Debug, Serialize)]
struct Claim {
    label: String,
    #[serde(flatten)]
    from: Origin,
}

/// Where a label came from.
#[derive(Debug, Serialize)]
struct Origin {
    method: &'static str,
    /// The closest labeled items, at most [`LISTED_MAX`].
    ids: Vec<String>,
    /// How many there are in all.
    items: usize,
    /// Of the closest, in [0, 1].
    similarity: f64,
}

/// A file's items and what is known of them.
struct Items<'a> {
    table: &'a Table,
    names: Vec<String>,
    labels: Vec<Option<u32>>,
    categories: Categories,
}

/// Runs the command; what it finds goes to `out`.
pub(super) fn propagate(arguments: &PropagateArguments, out: &mut impl Write) -> Outcome {
    let table = read(&arguments.file)?;
    let items = Items::new(&table)?;
    let findings = match arguments.method {
        MethodName::Duplicates => duplicates::find(&items, arguments)?,
        MethodName::Spreading => spreading::find(&items, arguments)?,
    };
    if arguments.json {
        for finding in &findings {
            serde_json::to_writer(&mut *out, finding).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    } else {
        out.write_all(items.report(&findings).as_bytes())?;
    }
    out.flush()?;
    Ok(exit::DONE)
}

impl<'a> Items<'a> {
    fn new(table: &'a Table) -> Result<Self, InputError> {
        let label = table.need(None, &["label"])?;
        let categories = Categories::of(table, &[label], &[])?;
        if categories.len() == 0 {
            return Err(table.fault(Fault::Shape("no item has a label to propagate".to_owned())));
        }
        let labels = (0..table.rows()).map(|row| categories.at(table, label, row));
        Ok(Self {
            table,
            names: table.identifiers(table.choose(None, &ITEM_NAMES)?),
            labels: labels.collect::<Result<_, InputError>>()?,
            categories,
        })
    }

    fn category(&self, category: u32) -> String {
        self.categories.names()[category as usize].clone()
    }

    fn ids(&self, rows: &[usize]) -> Vec<String> {
        rows.iter().take(LISTED_MAX).map(|&row| self.names[row].clone()).collect()
    }

    /// The findings for people.
    fn report(&self, findings: &[Finding]) -> String {
        let labeled = self.labels.iter().flatten().count();
        let (mut drafts, mut conflicts) = (Vec::new(), Vec::new());
        for finding in findings {
            match finding {
                Finding::Draft { id, label, score, from } => {
                    drafts.push(vec![cell(id), cell(label), format!("{score:.3}"), from.text()])
                }
                Finding::Conflict { id, given, conflict, .. } => {
                    let claim =
                        |claim: &Claim| format!("{} ({})", cell(&claim.label), claim.from.text());
                    let claims: Vec<String> = conflict.iter().take(3).map(claim).collect();
                    let given = given.as_deref().map_or_else(|| "–".to_owned(), cell);
                    conflicts.push(vec![cell(id), given, claims.join(", ")]);
                }
            }
        }
        let mut text = format!(
            "{} items, {labeled} labeled; {} drafts, {} items whose duplicates have different \
             labels\n",
            self.names.len(),
            drafts.len(),
            conflicts.len()
        );
        let mut part = |heading: &[&str], rows: &[Vec<String>]| {
            if rows.is_empty() {
                return;
            }
            let shown = &rows[..rows.len().min(SHOWN_MAX)];
            text.push_str(&format!("\n{}", table::lines(heading, shown)));
            if rows.len() > SHOWN_MAX {
                let more = rows.len() - SHOWN_MAX;
                text.push_str(&format!("and {more} more (--json shows all)\n"));
            }
        };
        part(&["item", "draft", "score", "from"], &drafts);
        part(&["item", "label", "labels of its duplicates"], &conflicts);
        text
    }
}

impl Origin {
    fn text(&self) -> String {
        let ids: Vec<String> = self.ids.iter().take(3).map(|id| cell(id)).collect();
        let more = self.items.saturating_sub(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{} of {}{more}, {:.3}", self.method, ids.join(", "), self.similarity)
    }
}
