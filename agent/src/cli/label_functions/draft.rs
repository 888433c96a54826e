//! Rules as the first drafts of a project that has no model yet.

use std::io::Write;

use insitu_daemon::exit;
use insitu_measure::weak::VoteTable;
use insitu_protocol::ids::Digest;
use serde_json::{Map, Value, json};

use super::arguments::DraftArguments;
use super::model::label;
use super::published::{approved, positions};
use super::set::FunctionSet;
use super::{Votes, top};
use crate::cli::columns::parse;
use crate::cli::{Context, Failure, Outcome};
use crate::item::{self, CleanItem};
use crate::prelabel::{Draft, NAMED_MAX, Origin, Prelabel};
use crate::route::{self, Accepts};
use crate::store::StoreError;
use crate::store::items::{ItemRow, Stage};
use crate::store::orders::ProjectRow;

/// Most items that are drafted in one run; the next run goes on.
const ITEMS_MAX: usize = 100_000;
/// Items read or placed in one transaction.
const PAGE_ROWS: u32 = 512;

/// Gives the items of a project that wait for a first prelabel one by the rules.
///
/// A model's prelabels take their place as soon as there is one, but for items that a person has
/// looked at.
pub(super) fn draft(
    context: &Context,
    arguments: &DraftArguments,
    out: &mut impl Write,
) -> Outcome {
    let set = match (&arguments.set.functions, &arguments.set.set) {
        (Some(path), _) => FunctionSet::read(path).map_err(|error| Failure::refused(&error))?,
        (None, Some(name)) => approved(context, name, Some(&arguments.project))?,
        (None, None) => return Err(Failure::text(exit::USAGE, "neither --functions nor --set")),
    };
    let project = project(context, arguments)?;
    let classes = positions(&set, &project.definition)?;
    let digest = Digest::from_hex(&set.digest)
        .ok_or_else(|| Failure::text(exit::RUNTIME, "the set has no digest"))?;
    let items = waiting(context, &project)?;
    if items.is_empty() {
        writeln!(out, "no item of {} waits for a prelabel", arguments.project)?;
        return Ok(exit::DONE);
    }
    let table = parse(lines(&items)?.as_slice(), format!("project {}", arguments.project))?;
    let mut votes = Votes { set, items: Vec::new(), votes: Vec::new(), truth: Vec::new() };
    votes.cast_on(&table, "")?;
    let k = votes.set.classes.len();
    let voted = VoteTable::new(k, votes.set.functions.len(), &votes.votes)
        .map_err(|error| Failure::refused(&error))?;
    let labels = label(&voted, arguments.model, None).map_err(|error| Failure::refused(&error))?;
    let of = |item: usize| {
        let row = &labels.probabilities[item * k..(item + 1) * k];
        let (best, tied) = top(row);
        let names = voted.row(item).iter().zip(&votes.set.functions);
        let voters = names.filter(|(vote, _)| vote.is_some()).map(|(_, f)| f.name.clone());
        let functions: Vec<String> = voters.take(NAMED_MAX).collect();
        (!functions.is_empty() && tied == 1).then(|| Draft {
            prelabel: Prelabel::by_other(classes[best[0]], row[best[0]], digest),
            probabilities: spread(row, &classes, project.definition.classes.len()),
            origin: Some(Origin::Rules { functions }),
            scores: Vec::new(),
            of_bundle: None,
        })
    };
    let drafts: Vec<Option<Draft>> = (0..items.len()).map(of).collect();
    let placed = place(context, &project, &items, &drafts)?;
    let report = json!({
        "project": arguments.project, "set": votes.set.digest, "model": labels.model,
        "items": items.len(), "drafted": placed,
    });
    if arguments.json {
        writeln!(out, "{report}")?;
    } else {
        writeln!(
            out,
            "{placed} of {} waiting items of {} have a draft by rules ({}; set {}); people see each \
             of them, and a model's prelabels replace what nobody has looked at",
            items.len(),
            arguments.project,
            labels.model,
            &votes.set.digest[..12]
        )?;
    }
    Ok(exit::DONE)
}

fn project(context: &Context, arguments: &DraftArguments) -> Result<ProjectRow, Failure> {
    let row = context.store.read("project", |tx| tx.project(&arguments.project))?;
    let refused = |text| Failure::text(exit::REFUSED, text);
    let row = row.ok_or_else(|| refused(format!("there is no project {}", arguments.project)))?;
    let task = &row.definition.task;
    if !task.is_one_class() {
        let (name, kind) = (&arguments.project, task.kind());
        return Err(refused(format!(
            "labels of {name} are of the kind {kind}, rules draft one class"
        )));
    }
    if let Some(bundle) = row.bundle {
        return Err(refused(format!(
            "{} has a model in use ({bundle}), whose prelabels would replace the drafts at once",
            arguments.project
        )));
    }
    Ok(row)
}

/// Redacted items without a prelabel, oldest first; synthetic ones stay out.
fn waiting(context: &Context, project: &ProjectRow) -> Result<Vec<(ItemRow, CleanItem)>, Failure> {
    let mut items: Vec<(ItemRow, CleanItem)> = Vec::new();
    let mut last = 0;
    while items.len() < ITEMS_MAX {
        let page = context.store.read("waiting items", |tx| {
            tx.items_in_stage(project.project, Stage::Clean, last, PAGE_ROWS)
        })?;
        let Some(row) = page.last() else { break };
        last = row.item;
        for row in page.into_iter().filter(|row| !row.synthetic) {
            let clean = CleanItem::load(&row)?;
            items.push((row, clean));
        }
    }
    Ok(items)
}

/// The items as the reader of files takes them.
fn lines(items: &[(ItemRow, CleanItem)]) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    for (row, clean) in items {
        let mut line = Map::new();
        line.insert("id".to_owned(), Value::from(row.item));
        for (name, value) in clean.fields() {
            let value = match value {
                item::Value::Number(number) => json!(number),
                item::Value::Text(text) => json!(text),
                item::Value::Image(_) | item::Value::Series(_) => json!(value.shown()),
            };
            line.insert(name.clone(), value);
        }
        writeln!(text, "{}", Value::Object(line))?;
    }
    Ok(text)
}

fn place(
    context: &Context,
    project: &ProjectRow,
    items: &[(ItemRow, CleanItem)],
    drafts: &[Option<Draft>],
) -> Result<u64, StoreError> {
    let definition = &project.definition;
    let mut placed = 0;
    let pairs: Vec<_> = items.iter().zip(drafts).collect();
    for page in pairs.chunks(PAGE_ROWS as usize) {
        placed += context.store.tx("drafts", |tx| {
            let mut placed = 0;
            for ((row, _), draft) in page {
                if let Some(draft) = draft {
                    let (nothing, now) = (&Accepts::Nothing, context.now());
                    placed += u64::from(route::place(tx, definition, nothing, row, draft, now)?);
                }
            }
            Ok::<_, StoreError>(placed)
        })?;
    }
    Ok(placed)
}

/// The set's probabilities in the order of the project's classes; those that the set does not know
/// have none.
fn spread(row: &[f64], classes: &[u16], count: usize) -> Vec<f64> {
    let mut all = vec![0.0; count];
    for (class, p) in classes.iter().zip(row) {
        if let Some(cell) = all.get_mut(usize::from(*class)) {
            *cell += p;
        }
    }
    all
}
