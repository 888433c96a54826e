//! Review: people lease items, annotate them, and take annotations back.
//!
//! Every step is one transaction. An annotation carries a key of the client's making: sending it
//! again, after a lost answer or a restart, is answered alike and stored once.

mod answer;
mod caller;
mod content;
mod context;
mod correction;
mod gold;
pub mod http;
mod lead;
mod lease;
mod manage;
mod oidc;
mod past;
mod people;
mod reveal;
mod sealed;
mod shown;
mod sign_in;
mod staged;
mod vacant;
mod validation;

use insitu_protocol::ids::ProjectName;
use jiff::Timestamp;
use serde_json::json;

pub use crate::review::answer::{Annotation, Decision, Reason, annotate, undo};
pub(crate) use crate::review::answer::{
    annotate_in, annotate_unasked, check_seconds, retract_unasked,
};
pub use crate::review::context::{CleanContext, Context, RawContext};
pub(crate) use crate::review::context::{Unasked, contexts};
pub use crate::review::correction::{Correction, item_ref};
pub use crate::review::gold::{GOLD_MAX, GoldError, add_gold, gold_scores};
pub use crate::review::lead::{open, requeue};
pub use crate::review::lease::{LATE_SECONDS_MAX, renew};
pub use crate::review::past::{PastRead, answered, past_reads};
pub use crate::review::people::{
    PersonError, SignInError, add_person, renew_person, sign_in, token_hash,
};
pub(crate) use crate::review::people::{end_of, listed};
pub use crate::review::sealed::Made;
pub use crate::review::sign_in::Doors;
pub use crate::review::staged::{StagesError, set_up as set_up_stages, stages};
pub use crate::review::vacant::{Vacancy, vacancies};
pub use crate::review::validation::next_to_validate;

use crate::item::CleanItem;
use crate::label::{Label, LabelError};
use crate::prelabel::calibrated::{Calibrations, Confidence};
use crate::prelabel::{Origin, Prelabel, decode_scores};
use crate::route::{Read, label_of_record};
use crate::store::acceptance::Audit;
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{AnnotationRow, Lease, Offer, Person, Reading, Role, Verdict};
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError, Tx};

/// How long a lease lasts, seconds.
pub const LEASE_SECONDS: i64 = 600;
/// Most items leased at once.
pub const ITEMS_MAX: u32 = 50;
/// Longest key of an annotation, bytes.
pub const KEY_BYTES_MAX: usize = 64;
/// Why a person is asked, where nothing else is to be said.
const UNSURE: &str = "not sure enough to accept";
/// The same where the reader sees no prelabel, for whatever reason.
const BLIND: &str = "read blind";
/// Why a person is asked about an item without a prelabel.
const NO_DRAFT: &str = "no model drafts its label";
/// Longest comment, code points.
pub const COMMENT_CHARS_MAX: usize = 2000;

/// Why a person is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No such project.
    #[error("there is no project {project}")]
    UnknownProject {
        /// The project.
        project: ProjectName,
    },
    /// No such item.
    #[error("there is no such item")]
    UnknownItem,
    /// No such field, or not one whose content is beside the card.
    #[error("the item has no image or series of this name")]
    UnknownField,
    /// No such annotation of this person.
    #[error("you have no annotation of this key")]
    UnknownAnnotation,
    /// The role does not label.
    #[error("a {role} does not label items")]
    Role {
        /// The person's role.
        role: &'static str,
    },
    /// The role does not choose items.
    #[error("a {role} does not choose which item is looked at")]
    NotLead {
        /// The person's role.
        role: &'static str,
    },
    /// The role does not review in this stage.
    #[error("a {role} does not review what is for a {wanted} to review")]
    NotReviewer {
        /// The person's role.
        role: &'static str,
        /// The role that the stage asks for.
        wanted: &'static str,
    },
    /// The person has read the item.
    #[error("you have read this item: somebody else reviews its label")]
    OwnLabel,
    /// The role does not see originals.
    #[error("a {role} may not see originals")]
    MayNotReveal {
        /// The person's role.
        role: &'static str,
    },
    /// The person is no expert any more.
    #[error(
        "you decide as an expert until {until} only: an expert's label is no longer yours to give"
    )]
    Lapsed {
        /// Until when.
        until: Timestamp,
    },
    /// Somebody else has the item.
    #[error("the item is leased to {holder} for another {seconds} s")]
    Leased {
        /// The other person.
        holder: String,
        /// Seconds left.
        seconds: i64,
    },
    /// The person has no lease, or not any more.
    #[error("you have no lease on this item: ask for items again")]
    NotLeased,
    /// The person has said something else of the item here.
    #[error(
        "the person has answered this item on the review page: what is said elsewhere does not replace \
         that until it is taken back there"
    )]
    LabeledHere,
    /// The key was used for another item.
    #[error("this key was used for another item")]
    KeyTaken,
    /// The labels of the item are part of released statistics.
    #[error("the item's labels are part of window {window}, which is closed")]
    Closed {
        /// The window.
        window: u32,
    },
    /// A label that does not fit the project or the item.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A value that makes no sense.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: &'static str,
    },
}

/// An item as it is offered to a person.
#[derive(Debug)]
pub struct Card {
    /// The item.
    pub row: ItemRow,
    /// Its content.
    pub content: CleanItem,
    /// Its prelabel; the page hides it from a blind reader, and a reviewer is not shown it.
    pub prelabel: Option<Prelabel>,
    /// The label that a reviewer approves or corrects.
    pub reviewed: Option<Label>,
    /// How sure it is, and what that is worth.
    pub confidence: Confidence,
    /// How sure the prelabel's maker is of each of its marks; empty where it does not say.
    pub scores: Vec<Option<f64>>,
    /// Where a prelabel came from that no model of the project made.
    pub origin: Option<Origin>,
    /// Whether the reader sees neither the prelabel nor what others said.
    pub blind: bool,
    /// The lease.
    pub lease: Lease,
    /// Why a person is asked.
    pub why: String,
    /// Title of the campaign that asks.
    pub campaign: Option<String>,
    /// What the readers said before an expert, in their order.
    pub readings: Vec<Label>,
    /// Why others skipped or flagged it, for an expert.
    pub notes: Vec<Note>,
    /// Where and when an application's users said what is to be settled or reviewed, as far as the
    /// application has told it.
    pub contexts: Vec<Context>,
}

/// What somebody said who gave no label.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// A skip or a flag.
    pub verdict: Verdict,
    /// Why it was skipped.
    pub reason: Option<Reason>,
    /// In the person's own words.
    pub comment: Option<String>,
}

/// Leases up to `count` items of the best queue for the person's role.
///
/// # Errors
/// [`ReviewError::UnknownProject`], [`ReviewError::Role`].
pub fn next(
    store: &Store,
    person: &Person,
    project: &ProjectName,
    count: u32,
    now: i64,
) -> Result<Vec<Card>, ReviewError> {
    let readings: &[Reading] = match person.role {
        // Were second readings last, a blind card before them would be known for an audit.
        Role::Annotator => &[Reading::Second, Reading::Review, Reading::First],
        Role::Expert | Role::Lead if person.lapsed(now).is_some() => {
            &[Reading::Second, Reading::Review, Reading::First]
        }
        Role::Expert | Role::Lead => {
            &[Reading::Campaign, Reading::Expert, Reading::Second, Reading::Review, Reading::First]
        }
        Role::Steward | Role::Admin | Role::Application => {
            return Err(ReviewError::Role { role: person.role.name() });
        }
    };
    store.tx("lease", |tx| {
        let row = tx
            .project(project)?
            .ok_or_else(|| ReviewError::UnknownProject { project: project.clone() })?;
        let count = usize::try_from(count.min(ITEMS_MAX)).unwrap_or(usize::MAX);
        let mut chosen = choose(tx, person, row.project, readings, count, now)?;
        gold::put_among(tx, &row, person, &mut chosen, count, now)?;
        let mut calibrations = Calibrations::read(tx, &row)?;
        let cards = chosen.into_iter().map(|(item, reading, campaign)| {
            let until = now + LEASE_SECONDS;
            let lease = Lease { item: item.item, person: person.person, reading, campaign, until };
            let lease = serve(tx, &row, person, &item, lease, now)?;
            card(tx, &row, &mut calibrations, item, lease)
        });
        Ok(mix(cards.collect::<Result<_, ReviewError>>()?))
    })
}

/// Leases an item to a person, who is given its content: that is noted, unless the person has the
/// item already and is given it again. Returns the lease as it is now.
fn serve(
    tx: &Tx<'_>,
    project: &ProjectRow,
    person: &Person,
    item: &ItemRow,
    lease: Lease,
    now: i64,
) -> Result<Lease, StoreError> {
    let held = tx.lease(item.item)?;
    let lease = Lease { until: tx.put_lease(&lease, now)?, ..lease };
    if held.is_some_and(|held| held.person == lease.person && held.until > now) {
        return Ok(lease);
    }
    let seen = Event::new(What::Seen).by(person).of(project.definition.name.as_str());
    tx.note(&seen.on(item.opaque).with(json!({"reading": lease.reading.name()})))?;
    Ok(lease)
}

/// An item to lease, for what, and the campaign that asks for it.
type Chosen = (ItemRow, Reading, Option<[u8; 16]>);

/// The first items of the person's queues.
fn choose(
    tx: &Tx<'_>,
    person: &Person,
    project: i64,
    readings: &[Reading],
    count: usize,
    now: i64,
) -> Result<Vec<Chosen>, StoreError> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for &reading in readings {
        let limit = u32::try_from(count - chosen.len()).unwrap_or(u32::MAX);
        if limit == 0 {
            break;
        }
        let person = person.person;
        for (item, campaign) in tx.offer(&Offer { project, person, reading, now, limit })? {
            // An item may be of two campaigns, or of a campaign and a queue.
            if chosen.iter().all(|(other, ..)| other.item != item.item) {
                chosen.push((item, reading, campaign));
            }
        }
    }
    Ok(chosen)
}

/// Puts blind cards among the others, in places that tell nothing of why they are blind.
fn mix(cards: Vec<Card>) -> Vec<Card> {
    let (blind, mut mixed): (Vec<Card>, Vec<Card>) = cards.into_iter().partition(|card| card.blind);
    for card in blind {
        // A random name gives a random place.
        let place = card.row.opaque.iter().fold(0, |sum, byte| sum + usize::from(*byte));
        mixed.insert(place % (mixed.len() + 1), card);
    }
    mixed
}

/// Labels are for those to give whose role labels now, whatever they were when they took the item.
fn check_labels(person: &Person) -> Result<(), ReviewError> {
    let role = person.role;
    if role.labels() { Ok(()) } else { Err(ReviewError::Role { role: role.name() }) }
}

/// An expert's label is for those to give who are experts now.
pub(crate) fn check_expert(person: &Person, now: i64) -> Result<(), ReviewError> {
    if !person.role.is_expert() {
        return Err(ReviewError::Role { role: person.role.name() });
    }
    let Some(until) = person.lapsed(now) else { return Ok(()) };
    Err(ReviewError::Lapsed { until: Timestamp::from_second(until).unwrap_or(Timestamp::MAX) })
}

/// Whether an item is read without its prelabel: second readings, judgements, gold, and first readings that
/// are an audit, or among which gold is to hide.
fn is_blind(tx: &Tx<'_>, reading: Reading, row: &ItemRow) -> Result<bool, StoreError> {
    if reading != Reading::First || row.audit == Audit::Chosen {
        return Ok(reading.is_blind() || reading == Reading::First);
    }
    gold::is_decoy(tx, row)
}

fn card(
    tx: &Tx<'_>,
    project: &ProjectRow,
    calibrations: &mut Calibrations,
    row: ItemRow,
    lease: Lease,
) -> Result<Card, ReviewError> {
    let reviews = lease.reading == Reading::Review;
    let prelabel = row.prelabel.as_deref().filter(|_| !reviews);
    let prelabel = prelabel.map(Prelabel::decode).transpose()?;
    let origin = row.origin.as_deref().map(Origin::decode).transpose()?;
    let sure = |prelabel| calibrations.confidence(tx, prelabel, origin.as_ref());
    let confidence = prelabel.as_ref().map_or(Ok(Confidence::UNKNOWN), sure)?;
    let campaign = match &lease.campaign {
        Some(id) => tx.campaign(&insitu_protocol::bytes::Fixed(*id))?,
        None => None,
    };
    let blind = is_blind(tx, lease.reading, &row)?;
    let (mut readings, mut notes, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
    let mut reviewed = None;
    let why = match lease.reading {
        Reading::First if blind => BLIND.to_owned(),
        Reading::First if prelabel.is_none() => NO_DRAFT.to_owned(),
        Reading::First => UNSURE.to_owned(),
        Reading::Second | Reading::Gold => BLIND.to_owned(),
        Reading::Validation => "synthetic and real items, blind".to_owned(),
        Reading::Campaign => "asked for by a campaign".to_owned(),
        Reading::Review | Reading::Expert => {
            let past = tx.annotations_of(row.item)?;
            let all = past_reads(&past)?;
            notes = notes_of(&all);
            contexts = context::of_annotations(tx, row.item, &past)?;
            let reads: Vec<Read> = all.into_iter().map(|past| past.read).collect();
            if reviews {
                reviewed = label_of_record(&reads).cloned();
                let (number, role) = staged::stage_of(tx, &row)?;
                let role = role.name();
                format!("review, stage {number} ({role}): approve this label, or correct it")
            } else {
                readings = labels_of(reads);
                why_expert(project, &past, &readings)
            }
        }
    };
    let why = match (lease.reading, &origin, row.wanted) {
        (Reading::First | Reading::Expert, Some(origin), _) if why == UNSURE => origin.to_string(),
        (Reading::First, None, true) if !blind => "chosen to be labeled first".to_owned(),
        _ => why,
    };
    let why = match confidence.value.filter(|_| !blind) {
        Some(confidence) => format!("{why}: confidence {confidence:.2}"),
        None => why,
    };
    let content = CleanItem::load(&row)?;
    let campaign = campaign.map(|campaign| campaign.order.title.to_string());
    let scores =
        row.scores.as_deref().filter(|_| !reviews).map_or(Ok(Vec::new()), decode_scores)?;
    Ok(Card {
        row,
        content,
        prelabel,
        reviewed,
        confidence,
        scores,
        origin,
        blind,
        lease,
        why,
        campaign,
        readings,
        notes,
        contexts,
    })
}

/// What was said of an item itself, oldest first.
fn labels_of(reads: Vec<Read>) -> Vec<Label> {
    let said = |read: &Read| read.verdict == Verdict::Label && read.reading.is_of_record();
    reads.into_iter().filter(said).filter_map(|read| read.label).collect()
}

/// Why an item was skipped or flagged, oldest first.
fn notes_of(past: &[PastRead]) -> Vec<Note> {
    let unlabeled = |past: &&PastRead| {
        let says = past.reason.is_some() || past.comment.is_some();
        says && past.read.verdict != Verdict::Label && past.read.reading.is_of_record()
    };
    let note = |past: &PastRead| Note {
        verdict: past.read.verdict,
        reason: past.reason,
        comment: past.comment.clone(),
    };
    past.iter().filter(unlabeled).map(note).collect()
}

fn why_expert(project: &ProjectRow, past: &[AnnotationRow], labels: &[Label]) -> String {
    if let Some(flag) = past.iter().rfind(|past| past.verdict == Verdict::Flag) {
        let sent_back = flag.key.starts_with(lead::KEY_PREFIX);
        return if sent_back { "sent back by a lead" } else { "flagged by a reader" }.to_owned();
    }
    let name = |label: &Label| {
        let class = project.definition.class(label.class()?)?;
        Some(class.name.as_str())
    };
    match labels {
        [first, .., last] => match name(first).zip(name(last)) {
            Some((first, last)) => format!("readers say {first} and {last}"),
            None => "readers differ".to_owned(),
        },
        [_] | [] => UNSURE.to_owned(),
    }
}

/// What an item's annotations say, oldest first.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn reads(annotations: &[AnnotationRow]) -> Result<Vec<Read>, StoreError> {
    Ok(past_reads(annotations)?.into_iter().map(|past| past.read).collect())
}

/// Moves an item to where its annotations say it belongs.
fn settle(tx: &Tx<'_>, item: i64) -> Result<Stage, StoreError> {
    let row = tx.item(item)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
    let route = row.route.ok_or(StoreError::Corrupt { table: "items", column: "route" })?;
    // Gold is in no queue, whatever is said of it.
    if tx.is_gold(item)? {
        tx.set_stage(item, Stage::Done, None)?;
        return Ok(Stage::Done);
    }
    let reads = reads(&tx.annotations_of(item)?)?;
    let stage = crate::route::stage(route, row.second, &reads);
    let review = if stage == Stage::Done { staged::awaited(tx, &row, &reads)? } else { None };
    let stage = if review.is_some() { Stage::Review } else { stage };
    tx.set_stage(item, stage, review)?;
    Ok(stage)
}

#[cfg(test)]
mod tests;
