//! Drafts for a project's own items, from the labels of record that its people gave.

use std::io::Write;

use insitu_daemon::exit;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{ProjectName, digest};

use super::arguments::{MethodName, PropagateArguments};
use super::source::{Items, Source, Stored};
use super::{Finding, find, write};
use crate::cli::content::{Content, model_in_use, snapshot};
use crate::cli::{Context, Failure, Outcome};
use crate::prelabel::{Draft, NAMED_MAX, Origin, Prelabel};
use crate::quality::WAITING_MAX;
use crate::quality::snapshot::Snapshot;
use crate::route::{self, Accepts};
use crate::store::items::Stage;
use crate::store::{StoreError, Tx};

/// Stands where the digest of a bundle would: no model made these drafts.
const MAKER: &[u8] = b"insitu 2026 propagation of labels";
/// Drafts stored in one transaction.
const PAGE_DRAFTS: usize = 256;
/// Items read in one transaction.
const PAGE_ROWS: u32 = 512;

/// Finds drafts for the items that nobody has looked at, and stores them.
///
/// # Errors
/// [`Failure`] without such a project, or without a label.
pub(super) fn propagate(
    context: &Context,
    name: &ProjectName,
    arguments: &PropagateArguments,
    out: &mut impl Write,
) -> Outcome {
    let snapshot = snapshot(context, name)?;
    let (items, keys) = read(context, &snapshot, arguments)?;
    let findings = find(&items, arguments)?;
    let drafts: Vec<(i64, Draft)> = findings.iter().filter_map(|f| draft(f, &keys)).collect();
    let closing = if arguments.dry_run {
        String::new()
    } else {
        let mut stored = 0;
        for page in drafts.chunks(PAGE_DRAFTS) {
            stored += context.store.alone("propagate", |tx| {
                let mut stored = 0;
                for (key, draft) in page {
                    stored += u64::from(store(tx, &snapshot, *key, draft, context.now())?);
                }
                Ok::<_, StoreError>(stored)
            })?;
        }
        format!(
            "\n{stored} drafts are stored, for people to look at; the others say what the model says, \
             or somebody has their item\n"
        )
    };
    write(&items, &findings, arguments.json, &closing, out)?;
    Ok(exit::DONE)
}

/// Labeled items, and those that nobody has looked at: prelabeled and waiting for a person, or
/// waiting for a prelabel.
fn read(
    context: &Context,
    snapshot: &Snapshot,
    arguments: &PropagateArguments,
) -> Result<(Items<'static>, Vec<i64>), Failure> {
    let project = &snapshot.project;
    let name = format!("project {}", project.definition.name);
    let mut keys = Vec::new();
    let mut labels = Vec::new();
    for item in snapshot.labeled.iter().filter(|item| item.record.is_some()) {
        keys.push(item.item);
        labels.push(item.record.map(u32::from));
    }
    if keys.is_empty() {
        let text = format!("{name}: no item has a label to propagate");
        return Err(Failure::text(exit::REFUSED, text));
    }
    keys.extend(snapshot.waiting.iter().map(|item| item.item));
    let mut last = 0;
    while keys.len() < labels.len() + 2 * WAITING_MAX {
        let page = context.store.read("clean items", |tx| {
            tx.items_in_stage(project.project, Stage::Clean, last, PAGE_ROWS)
        })?;
        let Some(row) = page.last() else { break };
        last = row.item;
        keys.extend(page.iter().filter(|row| !row.synthetic).map(|row| row.item));
    }
    labels.resize(keys.len(), None);
    let features = arguments.method == MethodName::Spreading;
    let mut model = if features { model_in_use(context, project)? } else { None };
    let content = Content::read(context, &project.definition, &keys, features, &mut model)?;
    let categories = project.definition.classes.iter().map(|class| class.name.to_string());
    let items = Items {
        names: content.names(),
        labels,
        categories: categories.collect(),
        source: Source::Store(Stored {
            name,
            digests: content.digests.iter().map(hex::encode).collect(),
            signatures: content.signatures,
            dimensions: content.dimensions,
            points: content.points.into_iter().map(f64::from).collect(),
        }),
    };
    Ok((items, keys))
}

fn draft(finding: &Finding, keys: &[i64]) -> Option<(i64, Draft)> {
    let Finding::Draft { row, category, shares, score, from, .. } = finding else { return None };
    let ids = from.ids.iter().take(NAMED_MAX);
    let origin = Origin::Propagated {
        method: from.method.to_owned(),
        from: ids.filter_map(|id| Fixed::from_hex(id)).collect(),
        items: u32::try_from(from.items).unwrap_or(u32::MAX),
        similarity: from.similarity,
    };
    let class = u16::try_from(*category).ok()?;
    let draft = Draft {
        prelabel: Prelabel::by_other(class, *score, digest(MAKER)),
        probabilities: shares.clone(),
        origin: Some(origin),
        scores: Vec::new(),
        of_bundle: None,
    };
    Some((keys[*row], draft))
}

/// Stores a draft, unless the item has one of the same class, or a person.
fn store(
    tx: &Tx<'_>,
    snapshot: &Snapshot,
    key: i64,
    draft: &Draft,
    now: i64,
) -> Result<bool, StoreError> {
    let Some(row) = tx.item(key)? else { return Ok(false) };
    let known = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
    if known.is_some_and(|known| known.label() == draft.prelabel.label()) {
        return Ok(false);
    }
    route::place(tx, &snapshot.project.definition, &Accepts::Nothing, &row, draft, now)
}
