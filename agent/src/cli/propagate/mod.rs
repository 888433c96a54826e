//! `insitu-agent propagate`: drafts for items that are like labeled ones.
//!
//! What is propagated is never a label: each draft says where it came from, and where duplicates
//! contradict each other there is no draft but a report of it.

pub(super) mod arguments;
mod duplicates;
mod images;
mod project;
mod source;
mod spreading;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::Path;

use insitu_daemon::exit;
use serde::Serialize;

use self::arguments::{MethodName, PropagateArguments};
use self::source::Items;
use super::columns::{InputError, read};
use super::measure::cell;
use super::{Context, Failure, Outcome, table};

/// Labeled items that a draft names, and labels that a conflict names.
const LISTED_MAX: usize = 10;
/// Lines of each table in the report for people.
const SHOWN_MAX: usize = 20;

/// What is found for one item; nothing is found for most.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Finding {
    Draft {
        /// Position of the item, and of the label.
        #[serde(skip)]
        row: usize,
        #[serde(skip)]
        category: u32,
        /// Of each label, where labels spread.
        #[serde(skip)]
        shares: Vec<f64>,
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

/// Runs the command; what it finds goes to `out`. `open` gives what a run on the site's own store
/// works with.
pub(super) fn propagate(
    open: impl FnOnce() -> Result<Context, Failure>,
    arguments: &PropagateArguments,
    out: &mut impl Write,
) -> Outcome {
    if let Some(name) = &arguments.project {
        if arguments.method == MethodName::Images {
            let text = "--method images is for files: a project's items are no pictures";
            return Err(Failure::text(exit::USAGE, text));
        }
        return project::propagate(&open()?, name, arguments, out);
    }
    let file = arguments.file.as_deref().unwrap_or_else(|| Path::new("-"));
    if arguments.method == MethodName::Images {
        return images::propagate(file, arguments, out);
    }
    let table = read(file)?;
    let items = Items::of_file(&table)?;
    let findings = find(&items, arguments)?;
    write(&items, &findings, arguments.json, "", out)?;
    Ok(exit::DONE)
}

fn find(items: &Items<'_>, arguments: &PropagateArguments) -> Result<Vec<Finding>, InputError> {
    match arguments.method {
        MethodName::Duplicates | MethodName::Images => duplicates::find(items, arguments),
        MethodName::Spreading => spreading::find(items, arguments),
    }
}

/// Writes the findings, and for people what else is to be said of them.
fn write(
    items: &Items<'_>,
    findings: &[Finding],
    json: bool,
    closing: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    if json {
        for finding in findings {
            serde_json::to_writer(&mut *out, finding).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    } else {
        write!(out, "{}{closing}", items.report(findings))?;
    }
    Ok(())
}

impl Items<'_> {
    /// The findings for people.
    fn report(&self, findings: &[Finding]) -> String {
        let labeled = self.labels.iter().flatten().count();
        let (mut drafts, mut conflicts) = (Vec::new(), Vec::new());
        for finding in findings {
            match finding {
                Finding::Draft { id, label, score, from, .. } => {
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
