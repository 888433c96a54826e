//! What the store and the audit log know of one item, or of a subject: for whoever may ask.

use std::collections::BTreeMap;

use insitu_protocol::ids::Digest;
use serde::Serialize;
use serde_json::Value as Json;

use crate::prelabel::{Origin, Prelabel};
use crate::review::past_reads;
use crate::route::label_of_record;
use crate::store::items::Stage;
use crate::store::labels::Person;
use crate::store::orders::ProjectRow;
use crate::store::trail::EventRow;
use crate::store::{StoreError, Tx};

/// Events of an item that a report has, the oldest.
pub const EVENTS_MAX: u32 = 10_000;

/// An item's whole life, as far as it is known. No content.
#[derive(Debug, Serialize)]
pub struct Life {
    /// The item's name outside the store, in hexadecimal digits.
    pub item: String,
    /// Its project.
    pub project: String,
    /// How far it has come.
    pub state: &'static str,
    /// Whether its content is redacted.
    pub redacted: bool,
    /// Made, not observed.
    pub synthetic: bool,
    /// Never learned from.
    pub holdout: bool,
    /// The model's draft, as it is now.
    pub draft: Option<Draft>,
    /// What people and applications said, oldest first; what was taken back is among the events only.
    pub said: Vec<Said>,
    /// The label of record, if people gave one.
    pub record: Option<Json>,
    /// The statistics window that its labels are part of, and the releases of that.
    pub counted: Option<Counted>,
    /// The snapshots that hold it.
    pub snapshots: Vec<Held>,
    /// The row of the audit log that is about its import.
    #[serde(skip)]
    pub imported: Option<EventRow>,
    /// What the audit log has of it, oldest first.
    #[serde(skip)]
    pub events: Vec<EventRow>,
}

/// A draft.
#[derive(Debug, Serialize)]
pub struct Draft {
    /// The bundle that made it, or the head of the site's own.
    pub maker: Digest,
    /// Model and version of one that was imported, in its maker's words.
    pub model: Option<String>,
    /// What it says.
    pub label: Json,
    /// How sure it is, in [0, 1].
    pub confidence: f64,
}

/// What somebody said.
#[derive(Debug, Serialize)]
pub struct Said {
    /// Who.
    pub who: String,
    /// Their role, now.
    pub role: &'static str,
    /// When, Unix seconds.
    pub at: i64,
    /// For what the item was read.
    pub reading: &'static str,
    /// `label`, `skip` or `flag`.
    pub verdict: &'static str,
    /// The label.
    pub label: Option<Json>,
    /// Whether it accepted the draft.
    pub accepted: bool,
    /// What they wrote beside it.
    pub comment: Option<String>,
    /// Version of the project, with its taxonomy and instructions, where that was kept.
    pub project_version: Option<u32>,
    /// The program, with its version, where that was kept.
    pub tool: Option<String>,
}

/// A closed window. At most one item of a subject counts in it, drawn by chance: whether this one did
/// is known to nobody.
#[derive(Debug, Serialize)]
pub struct Counted {
    /// Its number.
    pub window: u32,
    /// Place and kind of each of its releases in the outbox.
    pub releases: Vec<(u64, String)>,
}

/// A snapshot.
#[derive(Debug, Serialize)]
pub struct Held {
    /// Its hash.
    pub snapshot: Digest,
    /// Where it was written to.
    pub folder: String,
    /// When, Unix seconds.
    pub at: i64,
}

/// What is known of the item of this key; `None` when there is none.
///
/// # Errors
/// [`StoreError`].
pub fn life(tx: &Tx<'_>, project: &ProjectRow, item: i64) -> Result<Option<Life>, StoreError> {
    let Some(row) = tx.item(item)? else { return Ok(None) };
    let draft = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
    let model = Origin::model_of(row.origin.as_deref())?;
    let past = past_reads(&tx.annotations_of(item)?)?;
    let people: BTreeMap<i64, Person> =
        tx.people()?.into_iter().map(|person| (person.person, person)).collect();
    let reads: Vec<_> = past.iter().map(|past| past.read.clone()).collect();
    let said = past.iter().map(|past| {
        let person = people.get(&past.person);
        Said {
            who: person.map_or_else(|| format!("person {}", past.person), |it| it.name.clone()),
            role: person.map_or("gone", |person| person.role.name()),
            at: past.made_at,
            reading: past.read.reading.name(),
            verdict: past.read.verdict.name(),
            label: past.label().map(|label| label.to_json()),
            accepted: past.accepted,
            comment: past.comment.clone(),
            project_version: past.made.as_ref().map(|made| made.project_version),
            tool: past.made.as_ref().map(|made| made.tool.clone()),
        }
    });
    let said = said.collect();
    let name = project.definition.name.as_str();
    let counted = match tx.label_window(item)? {
        Some(window) => {
            let releases = tx.releases_on(&format!("statistics/{name}/{window}/"))?;
            Some(Counted { window, releases })
        }
        None => None,
    };
    let held = tx.snapshots_with(project.project, item)?.into_iter();
    Ok(Some(Life {
        item: hex::encode(row.opaque),
        project: name.to_owned(),
        state: state(row.stage),
        redacted: !matches!(row.stage, Stage::New | Stage::Quarantined),
        synthetic: row.synthetic,
        holdout: row.holdout,
        draft: draft.map(|draft| Draft {
            maker: draft.bundle(),
            model,
            label: draft.label().to_json(),
            confidence: draft.confidence(),
        }),
        said,
        record: label_of_record(&reads).map(|label| label.to_json()),
        counted,
        snapshots: held
            .map(|row| Held { snapshot: row.snapshot, folder: row.folder, at: row.at })
            .collect(),
        imported: tx.import_of(item)?,
        events: tx.events_of_item(&row.opaque, EVENTS_MAX)?,
    }))
}

fn state(stage: Stage) -> &'static str {
    match stage {
        Stage::New => "imported",
        Stage::Clean => "redacted",
        Stage::Accepted => "accepted without a person",
        Stage::First => "waits for a first reader",
        Stage::Second => "waits for a second reader",
        Stage::Expert => "waits for an expert",
        Stage::Done => "done",
        Stage::Quarantined => "could not be redacted",
        Stage::Review => "waits for a reviewer",
    }
}
