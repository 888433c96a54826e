//! The queue of synthetic items: people label them blind, mixed with as many real ones that have
//! all their labels, and say of each whether it looks real. Neither they nor the page are told which
//! is which, and no judgement changes a label of record.

use insitu_protocol::ids::ProjectName;

use super::{Card, ITEMS_MAX, LEASE_SECONDS, ReviewError, card, check_labels, serve};
use crate::prelabel::calibrated::Calibrations;
use crate::store::Store;
use crate::store::labels::{Lease, Offer, Person, Reading};

/// Fewest items leased at once: an item alone would give away that it is synthetic.
const ITEMS_MIN: u32 = 2;

/// Leases about `count` items, at least two: one half synthetic, the other real as far as there
/// are such that the person has never answered, in an order that tells nothing.
///
/// # Errors
/// [`ReviewError::UnknownProject`], [`ReviewError::Role`].
pub fn next_to_validate(
    store: &Store,
    person: &Person,
    project: &ProjectName,
    count: u32,
    now: i64,
) -> Result<Vec<Card>, ReviewError> {
    check_labels(person)?;
    let half = count.clamp(ITEMS_MIN, ITEMS_MAX) / 2;
    store.tx("lease to validate", |tx| {
        let row = tx
            .project(project)?
            .ok_or_else(|| ReviewError::UnknownProject { project: project.clone() })?;
        let reading = Reading::Validation;
        let reader = person.person;
        let offer = Offer { project: row.project, person: reader, reading, now, limit: half };
        let mut items = tx.offer_synthetic(&offer)?;
        let limit = u32::try_from(items.len()).unwrap_or(half);
        items.extend(tx.offer_controls(&Offer { limit, ..offer })?);
        items.sort_by_key(|item| item.opaque); // random names: a random order
        let until = now + LEASE_SECONDS;
        let lease = |item| Lease { item, person: reader, reading, campaign: None, until };
        let mut calibrations = Calibrations::read(tx, &row)?;
        items
            .into_iter()
            .map(|item| {
                let lease = serve(tx, &row, person, &item, lease(item.item), now)?;
                card(tx, &row, &mut calibrations, item, lease)
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Label;
    use crate::review::{Annotation, Decision, annotate, next, open, past_reads, requeue, undo};
    use crate::store::StoreError;
    use crate::store::items::Stage;
    use crate::store::labels::Role;
    use crate::store::tests::Scratch;
    use crate::testing;

    const REAL: u32 = 12;
    const MADE: u32 = 10;

    struct Site {
        scratch: Scratch,
        name: ProjectName,
        ann: Person,
        bob: Person,
        lea: Person,
    }

    /// Real items of which an expert labeled the most, and synthetic ones.
    fn site() -> Site {
        let (scratch, row) = testing::with_project();
        testing::add_items(&scratch.store, &row, 0..REAL, REAL);
        testing::add_items_of(&scratch.store, &row, Some(""), REAL..REAL + MADE, 1000);
        testing::prelabel(&scratch.store, &row, |_| 0.5);
        let [ann, bob, eve, lea] = [
            ("ann", Role::Annotator),
            ("bob", Role::Annotator),
            ("eve", Role::Expert),
            ("lea", Role::Lead),
        ]
        .map(|(name, role)| testing::person(&scratch.store, name, role));
        let site = Site { scratch, name: row.definition.name, ann, bob, lea };
        for card in next(&site.scratch.store, &eve, &site.name, REAL - 2, 0).unwrap() {
            site.answer(&eve, &card, 0, None, 0).unwrap();
        }
        site
    }

    impl Site {
        fn next(&self, person: &Person, count: u32, now: i64) -> Vec<Card> {
            next_to_validate(&self.scratch.store, person, &self.name, count, now).unwrap()
        }

        fn answer(
            &self,
            person: &Person,
            card: &Card,
            class: u16,
            looks_real: Option<bool>,
            now: i64,
        ) -> Result<bool, ReviewError> {
            let annotation = Annotation {
                key: format!("{}-{now}", card.row.item),
                label: Some(Label::Class(class)),
                seconds: 1.0,
                decision: Decision::Correct,
                comment: None,
                looks_real,
                reason: None,
            };
            annotate(&self.scratch.store, person, &card.row.opaque, &annotation, now)
        }

        fn stage(&self, card: &Card) -> Stage {
            self.scratch.store.read("test", |tx| tx.item(card.row.item)).unwrap().unwrap().stage
        }
    }

    fn kinds(cards: &[Card]) -> (usize, usize) {
        let made = cards.iter().filter(|card| card.row.synthetic).count();
        (made, cards.len() - made)
    }

    #[test]
    fn synthetic_items_come_with_as_many_labeled_real_ones() {
        let site = site();
        let cards = site.next(&site.ann, 8, 1);
        assert_eq!(kinds(&cards), (4, 4));
        assert!(cards.iter().all(|card| card.lease.reading.is_blind()));
        assert!(cards.iter().all(|card| card.why == cards[0].why));
        assert!(cards.iter().all(|c| c.row.synthetic || c.row.stage == Stage::Done));
        assert!(cards.is_sorted_by_key(|card| card.row.opaque));
        let again = site.next(&site.ann, 8, 2);
        assert!(again.iter().map(|card| card.row.item).eq(cards.iter().map(|c| c.row.item)));
        // Never one alone, and nobody else's.
        assert_eq!(kinds(&site.next(&site.bob, 1, 2)), (1, 1));
        assert_eq!(kinds(&site.next(&site.bob, 50, 2)), (6, 6));
        assert!(site.next(&site.lea, 50, 2).is_empty());
    }

    #[test]
    fn everybody_judges_an_item_once_and_two_people_are_enough() {
        let site = site();
        for (person, now) in [(&site.ann, 1), (&site.bob, 2)] {
            let cards = site.next(person, 50, now);
            assert_eq!(kinds(&cards), (10, 10));
            for card in &cards {
                site.answer(person, card, 1, Some(!card.row.synthetic), now).unwrap();
                assert!(site.next(person, 50, now).iter().all(|c| c.row.item != card.row.item));
            }
            assert!(site.next(person, 50, now).is_empty());
        }
        assert!(site.next(&site.lea, 50, 3).is_empty());
        let counts = site.scratch.store.read("test", |tx| tx.synthetic_counts(1)).unwrap();
        assert_eq!((counts.items, counts.waiting, counts.validated), (10, 0, 10));
    }

    #[test]
    fn a_judgement_changes_no_label_and_can_be_taken_back() {
        let site = site();
        let cards = site.next(&site.ann, 8, 1);
        for card in &cards {
            let before = site.stage(card);
            site.answer(&site.ann, card, 1, Some(true), 5).unwrap();
            assert_eq!(site.stage(card), before);
            let past = |card: &Card| {
                site.scratch
                    .store
                    .read("test", |tx| {
                        let past = past_reads(&tx.annotations_of(card.row.item)?)?;
                        Ok::<_, StoreError>(past.last().map(|last| (last.class(), last.looks_real)))
                    })
                    .unwrap()
            };
            assert_eq!(past(card), Some((Some(1), Some(true))));
            undo(&site.scratch.store, &site.ann, &format!("{}-5", card.row.item), 6).unwrap();
            // What is left is the expert's label, which nobody was asked about.
            let left = (!card.row.synthetic).then_some((Some(0), None));
            assert_eq!(past(card), left);
            site.answer(&site.ann, card, 0, None, 7).unwrap();
        }
    }

    #[test]
    fn synthetic_items_are_in_no_other_queue() {
        let site = site();
        let card = site.next(&site.ann, 2, 1).into_iter().find(|c| c.row.synthetic).unwrap();
        let item = &card.row.opaque;
        // Leases of now are over by then.
        let rest = next(&site.scratch.store, &site.lea, &site.name, 50, 5000).unwrap();
        assert_eq!(kinds(&rest), (0, 2));
        assert!(matches!(
            site.answer(&site.lea, &rest[0], 0, Some(true), 5000),
            Err(ReviewError::Invalid { .. })
        ));
        let opened = open(&site.scratch.store, &site.lea, item, 5000);
        assert!(matches!(opened, Err(ReviewError::Invalid { .. })));
        let sent = requeue(&site.scratch.store, &site.lea, item, 5000);
        assert!(matches!(sent, Err(ReviewError::Invalid { .. })));
        let steward = testing::person(&site.scratch.store, "sam", Role::Steward);
        let refused = next_to_validate(&site.scratch.store, &steward, &site.name, 4, 1);
        assert!(matches!(refused, Err(ReviewError::Role { .. })));
    }
}
