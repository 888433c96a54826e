//! What a lead does with single items: take one now, or send it to the experts once more.

use super::answer::{Decision, foreign_lease};
use super::sealed::{Made, Sealed};
use super::{Card, LEASE_SECONDS, ReviewError, card, check_expert, reads, serve, settle};
use crate::label::Label;
use crate::prelabel::Prelabel;
use crate::prelabel::calibrated::Calibrations;
use crate::route::label_of_record;
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Action, AnnotationRow, Lease, Person, Reading, Verdict};
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError, Tx};

/// How the keys of a lead's flags begin.
pub(super) const KEY_PREFIX: &str = "requeue-";

/// Leases one item to a lead for the deciding label, whomever it waits for.
///
/// # Errors
/// [`ReviewError::NotLead`], [`ReviewError::UnknownItem`]; [`ReviewError::Leased`] when somebody
/// else has the item; [`ReviewError::Invalid`] before it has a prelabel, and for a synthetic one.
pub fn open(
    store: &Store,
    person: &Person,
    item: &[u8; 16],
    now: i64,
) -> Result<(Card, ProjectRow), ReviewError> {
    store.tx("open", |tx| {
        let (row, project) = ready_item(tx, person, item, now)?;
        let reads = reads(&tx.annotations_of(row.item)?)?;
        let lease = Lease {
            item: row.item,
            person: person.person,
            reading: Reading::Expert,
            campaign: None,
            until: now + LEASE_SECONDS,
        };
        let lease = serve(tx, &project, person, &row, lease, now)?;
        let mut card = card(tx, &project, &mut Calibrations::read(tx, &project)?, row, lease)?;
        let record = label_of_record(&reads);
        let class = record.and_then(Label::class);
        let class = class.and_then(|class| project.definition.class(class));
        card.why = match (record, class) {
            (Some(_), Some(class)) => format!("opened by you: its label is {}", class.name),
            (Some(_), None) => "opened by you: it has a label".to_owned(),
            (None, _) => "opened by you: it has no label".to_owned(),
        };
        Ok((card, project))
    })
}

/// Sends an item to the experts: a flag by the lead. Returns the key under which the flag can be
/// taken back; `None` when the item waits for an expert already.
///
/// # Errors
/// As [`open`].
pub fn requeue(
    store: &Store,
    person: &Person,
    item: &[u8; 16],
    now: i64,
) -> Result<Option<String>, ReviewError> {
    store.tx("requeue", |tx| {
        let (row, project) = ready_item(tx, person, item, now)?;
        if row.stage == Stage::Expert {
            return Ok(None);
        }
        // Unique: whatever is added to the item later has a greater number.
        let last = tx.annotations_of(row.item)?.last().map_or(0, |last| last.annotation);
        let key = format!("{KEY_PREFIX}{}-{last}", hex::encode(row.opaque));
        let prelabel = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
        let flag = Sealed {
            label: None,
            decision: Decision::Flag,
            seconds: 0.0,
            comment: None,
            prelabel,
            looks_real: None,
            reason: None,
            made: Some(Made::here(project.definition.version)),
        };
        tx.add_annotation(&AnnotationRow {
            annotation: 0, // assigned by the store
            person: person.person,
            key: key.clone(),
            item: row.item,
            reading: Reading::Expert,
            campaign: None,
            review: None,
            made_at: now,
            verdict: Verdict::Flag,
            label: flag.encode()?,
        })?;
        let flagged = Event::new(What::Flagged).by(person).of(project.definition.name.as_str());
        tx.note(&flagged.on(row.opaque))?;
        tx.end_lease(row.item)?;
        settle(tx, row.item)?;
        metrics::counter!("insitu_agent_requeued_total").increment(1);
        Ok(Some(key))
    })
}

/// An item that a lead may take from where it waits.
fn ready_item(
    tx: &Tx<'_>,
    person: &Person,
    item: &[u8; 16],
    now: i64,
) -> Result<(ItemRow, ProjectRow), ReviewError> {
    if !person.role.may(Action::Lead) {
        return Err(ReviewError::NotLead { role: person.role.name() });
    }
    check_expert(person, now)?;
    let row = tx.item_by_name(item)?.ok_or(ReviewError::UnknownItem)?;
    if row.route.is_none() {
        return Err(ReviewError::Invalid { what: "the item has no prelabel yet" });
    }
    if row.synthetic {
        return Err(ReviewError::Invalid { what: "synthetic items have a queue of their own" });
    }
    if let Some(error) = foreign_lease(tx, person, row.item, now)? {
        return Err(error);
    }
    let project = tx
        .project_by_key(row.project)?
        .ok_or(StoreError::Corrupt { table: "items", column: "project" })?;
    Ok((row, project))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::{Annotation, annotate, next, undo};
    use crate::store::labels::Role;
    use crate::store::tests::Scratch;
    use crate::testing;

    /// A site with one item that `ann` has labeled as class 1, its reader, an expert and a lead.
    fn site() -> (Scratch, ItemRow, [Person; 3]) {
        let scratch = crate::store::tests::scratch();
        let mut project = testing::project();
        project.routing.overlap = 0;
        let project = testing::put(&scratch.store, &project);
        testing::add_items(&scratch.store, &project, 0..1, 1);
        testing::prelabel(&scratch.store, &project, |_| 0.7);
        let people = [("ann", Role::Annotator), ("eve", Role::Expert), ("lea", Role::Lead)]
            .map(|(name, role)| testing::person(&scratch.store, name, role));
        let name = &project.definition.name;
        let card = next(&scratch.store, &people[0], name, 1, 0).unwrap().remove(0);
        label(&scratch.store, &people[0], &card.row.opaque, 1, 1);
        (scratch, card.row, people)
    }

    fn label(store: &Store, person: &Person, item: &[u8; 16], class: u16, now: i64) {
        say(store, person, item, (Decision::Correct, Some(Label::Class(class))), now);
    }

    /// Under a key of the person's name and the time.
    fn say(
        store: &Store,
        person: &Person,
        item: &[u8; 16],
        (decision, label): (Decision, Option<Label>),
        now: i64,
    ) {
        let annotation = Annotation {
            key: format!("{}-{now}", person.name),
            label,
            seconds: 1.0,
            decision,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(store, person, item, &annotation, now).unwrap();
    }

    fn stage(store: &Store, item: i64) -> Stage {
        store.read("test", |tx| tx.item(item)).unwrap().unwrap().stage
    }

    #[test]
    fn only_a_lead_takes_items_from_where_they_wait() {
        let (scratch, row, [ann, eve, lea]) = site();
        let steward = testing::person(&scratch.store, "sam", Role::Steward);
        for other in [&ann, &eve, &steward] {
            let refused = open(&scratch.store, other, &row.opaque, 5);
            assert!(matches!(refused, Err(ReviewError::NotLead { .. })), "{}", other.name);
            let refused = requeue(&scratch.store, other, &row.opaque, 5);
            assert!(matches!(refused, Err(ReviewError::NotLead { .. })), "{}", other.name);
        }
        let unknown = open(&scratch.store, &lea, &[0; 16], 5);
        assert!(matches!(unknown, Err(ReviewError::UnknownItem)));
    }

    #[test]
    fn a_lead_decides_an_item_that_was_done() {
        let (scratch, row, [_, eve, lea]) = site();
        let store = &scratch.store;
        let (card, _) = open(store, &lea, &row.opaque, 5).unwrap();
        assert_eq!(card.why, "opened by you: its label is present");
        assert_eq!(card.lease.reading, Reading::Expert);
        label(store, &lea, &row.opaque, 0, 6);
        assert_eq!(stage(store, row.item), Stage::Done);
        let annotations = store.read("test", |tx| tx.annotations_of(row.item)).unwrap();
        assert_eq!(label_of_record(&reads(&annotations).unwrap()), Some(&Label::Class(0)));
        // While somebody else has an item, a lead does not take it.
        requeue(store, &lea, &row.opaque, 7).unwrap();
        let name = testing::project().name;
        assert_eq!(next(store, &eve, &name, 1, 8).unwrap().len(), 1);
        let refused = open(store, &lea, &row.opaque, 9);
        assert!(matches!(refused, Err(ReviewError::Leased { ref holder, .. }) if holder == "eve"));
    }

    #[test]
    fn what_a_lead_sends_back_waits_for_an_expert_until_one_decides() {
        let (scratch, row, [_, eve, lea]) = site();
        let store = &scratch.store;
        for round in 0..2 {
            let now = 100 * (round + 1);
            assert!(requeue(store, &lea, &row.opaque, now).unwrap().is_some());
            assert_eq!(stage(store, row.item), Stage::Expert);
            // Asking twice is asking once.
            assert_eq!(requeue(store, &lea, &row.opaque, now).unwrap(), None);
            let card = next(store, &eve, &testing::project().name, 1, now).unwrap().remove(0);
            assert!(card.why.starts_with("sent back by a lead"), "{}", card.why);
            label(store, &eve, &row.opaque, 0, now + 1);
            assert_eq!(stage(store, row.item), Stage::Done);
        }
    }

    #[test]
    fn sending_back_can_be_taken_back() {
        let (scratch, row, [_, _, lea]) = site();
        let key = requeue(&scratch.store, &lea, &row.opaque, 5).unwrap().unwrap();
        undo(&scratch.store, &lea, &key, 6).unwrap();
        assert_eq!(stage(&scratch.store, row.item), Stage::Done);
    }

    /// A site as [`site`] of which the item waits for its first reader again.
    fn unread() -> (Scratch, ItemRow, Person) {
        let (scratch, row, [ann, _, lea]) = site();
        undo(&scratch.store, &ann, "ann-1", 2).unwrap();
        scratch.store.tx("test", |tx| tx.end_lease(row.item)).unwrap();
        (scratch, row, lea)
    }

    /// Whatever the item waited for when it was opened, and waits for again.
    #[test]
    fn a_lead_decides_again_what_was_opened_and_taken_back() {
        let done = || {
            let (scratch, row, [_, _, lea]) = site();
            (scratch, row, lea)
        };
        for said in [
            (Decision::Correct, Some(Label::Class(0))),
            (Decision::Flag, None),
            (Decision::Skip, None),
        ] {
            for ((scratch, row, lea), before) in [(done(), Stage::Done), (unread(), Stage::First)] {
                let store = &scratch.store;
                open(store, &lea, &row.opaque, 5).unwrap();
                say(store, &lea, &row.opaque, said.clone(), 6);
                undo(store, &lea, "lea-6", 7).unwrap();
                assert_eq!(stage(store, row.item), before);
                label(store, &lea, &row.opaque, 1, 8);
                let past = store.read("test", |tx| tx.annotations_of(row.item)).unwrap();
                assert_eq!(past.last().unwrap().reading, Reading::Expert, "{said:?}, {before:?}");
                assert_eq!(stage(store, row.item), Stage::Done);
            }
        }
    }

    /// Who takes a sending back from the list has nothing on the table.
    #[test]
    fn taking_a_sending_back_puts_nothing_in_hand() {
        let (scratch, row, lea) = unread();
        let store = &scratch.store;
        let key = requeue(store, &lea, &row.opaque, 5).unwrap().unwrap();
        undo(store, &lea, &key, 6).unwrap();
        assert_eq!(stage(store, row.item), Stage::First);
        assert_eq!(store.read("test", |tx| tx.lease(row.item)).unwrap(), None);
    }

    #[test]
    fn an_item_without_a_prelabel_is_not_ready() {
        let (scratch, project) = testing::with_project();
        testing::add_items(&scratch.store, &project, 0..1, 1);
        let lea = testing::person(&scratch.store, "lea", Role::Lead);
        let item = scratch.store.read("test", |tx| tx.item(1)).unwrap().unwrap();
        let refused = open(&scratch.store, &lea, &item.opaque, 0);
        assert!(matches!(refused, Err(ReviewError::Invalid { .. })));
    }
}
