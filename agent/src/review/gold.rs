//! Gold: items with a known answer among the others, by which readers are measured.
//!
//! A gold item is in no queue of its own kind: it comes beside some of the cards that a person is
//! given anew, is read blind, and is counted like any other item of the queue. What is said of it is no
//! label of record and is in no window. Where nothing else is read blind, that would give it away: so
//! while gold is asked, as large a share of ordinary first readings is blind, too.

use std::collections::BTreeMap;

use super::{Chosen, ReviewError, past_reads};
use crate::item::CleanItem;
use crate::label::{Label, LabelError};
use crate::store::items::ItemRow;
use crate::store::labels::{Person, Reading};
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError, Tx};

/// Most gold items of a project.
pub const GOLD_MAX: u64 = 10_000;
/// Before a label that is not one class; no class has this number.
const OTHER: [u8; 2] = [0xff; 2];
const CORRUPT: StoreError = StoreError::Corrupt { table: "gold", column: "answer" };
/// Items read in one transaction.
const STEP: u32 = 256;

/// Why an item does not become gold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldError {
    /// No such item, or it is not ready.
    #[error("the project has no such item with a prelabel")]
    UnknownItem,
    /// Synthetic items are judged in a queue of their own.
    #[error("the item is synthetic")]
    Synthetic,
    /// An answer that does not fit.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The project's limit.
    #[error("a project has at most {GOLD_MAX} gold items")]
    Full,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Makes the item of the site's own id gold; `false` when it is already.
///
/// # Errors
/// [`GoldError`].
pub fn add_gold(
    tx: &Tx<'_>,
    project: &ProjectRow,
    id: &str,
    answer: &Label,
    now: i64,
) -> Result<bool, GoldError> {
    let source = tx.source_hash(project.definition.name.as_str(), id);
    let key = tx.item_of_source(project.project, &source)?.ok_or(GoldError::UnknownItem)?;
    let item = tx.item(key)?.filter(|item| item.route.is_some()).ok_or(GoldError::UnknownItem)?;
    if item.synthetic {
        return Err(GoldError::Synthetic);
    }
    answer.check(&project.definition, &CleanItem::load(&item)?)?;
    if tx.gold_items(project.project)? >= GOLD_MAX {
        return Err(GoldError::Full);
    }
    let added = tx.add_gold(&item, &encode(answer)?, now)?;
    if added {
        let event = Event::new(What::Gold).of(project.definition.name.as_str());
        tx.note(&event.on(item.opaque))?;
    }
    Ok(added)
}

/// A class as it always was; another label behind what no class is.
fn encode(answer: &Label) -> Result<Vec<u8>, StoreError> {
    match answer.class() {
        Some(class) => Ok(class.to_le_bytes().to_vec()),
        None => postcard::to_extend(answer, OTHER.to_vec()).map_err(|_| CORRUPT),
    }
}

fn decode(bytes: &[u8]) -> Result<Label, StoreError> {
    match bytes.split_first_chunk() {
        Some((class, [])) => Ok(Label::Class(u16::from_le_bytes(*class))),
        Some((&OTHER, label)) => postcard::from_bytes(label).map_err(|_| CORRUPT),
        Some(_) | None => Err(CORRUPT),
    }
}

/// Whether an ordinary first reading of an item is blind, so that what is blind is not gold.
pub(super) fn is_decoy(tx: &Tx<'_>, row: &ItemRow) -> Result<bool, StoreError> {
    let share = tx.gold_share(row.project)?;
    Ok(share > 0 && tx.chosen("gold decoy", &row.opaque, share, 1000))
}

/// How many gold items everybody answered, and how many of them as they should: by person.
///
/// # Errors
/// [`StoreError`].
pub fn gold_scores(
    store: &Store,
    project: i64,
) -> Result<BTreeMap<i64, (usize, usize)>, StoreError> {
    let (mut scores, mut after) = (BTreeMap::new(), 0);
    loop {
        let last = store.read("gold answers", |tx| {
            let items = tx.gold(project, after, STEP)?;
            for (item, answer) in &items {
                let answer = decode(answer)?;
                for past in past_reads(&tx.annotations_of(*item)?)? {
                    if let (Reading::Gold, Some(label)) = (past.read.reading, past.label()) {
                        let (answered, right) = scores.entry(past.person).or_insert((0, 0));
                        *answered += 1;
                        *right += usize::from(label.agrees(&answer));
                    }
                }
            }
            Ok::<_, StoreError>(items.last().map(|(item, _)| *item))
        })?;
        match last {
            Some(last) => after = last,
            None => return Ok(scores),
        }
    }
}

/// Puts gold among items that are about to be leased, in the place of the last ones: what the person
/// has already, and one beside each chosen item that the person is given anew.
pub(super) fn put_among(
    tx: &Tx<'_>,
    project: &ProjectRow,
    person: &Person,
    chosen: &mut Vec<Chosen>,
    count: usize,
    now: i64,
) -> Result<(), ReviewError> {
    let offer = |leased, limit| tx.offer_gold(project.project, person.person, leased, now, limit);
    let mut gold = offer(true, count)?;
    let share = tx.gold_share(project.project)?;
    let mut more = 0;
    for (item, ..) in chosen.iter().filter(|_| share > 0) {
        let held = tx.lease(item.item)?.is_some_and(|lease| lease.until > now);
        let name = [&person.person.to_le_bytes()[..], &item.opaque].concat();
        more += usize::from(!held && tx.chosen("gold", &name, share, 1000));
    }
    gold.extend(offer(false, more)?);
    gold.truncate(count);
    chosen.truncate(count - gold.len());
    for key in gold {
        let item = tx.item(key)?.ok_or(StoreError::Corrupt { table: "gold", column: "item" })?;
        chosen.push((item, Reading::Gold, None));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insitu_protocol::bytes::Fixed;

    use super::*;
    use crate::review::{
        Annotation, Decision, annotate, annotate_unasked, http, next, retract_unasked, undo,
    };
    use crate::store::items::Stage;
    use crate::store::labels::Role;
    use crate::store::tests::Scratch;
    use crate::testing;

    const GOLD: u32 = 10;

    /// A site with a queue of ordinary items, and gold whose answer is class 0.
    fn site(share: u16) -> (Scratch, ProjectRow, Person) {
        let scratch = crate::store::tests::scratch();
        let mut project = testing::project();
        project.routing.overlap = 0;
        let row = testing::put(&scratch.store, &project);
        testing::add_items(&scratch.store, &row, 0..60, 60);
        testing::prelabel(&scratch.store, &row, |_| 0.7);
        scratch
            .store
            .tx("test", |tx| {
                for id in 0..GOLD {
                    assert!(add_gold(tx, &row, &id.to_string(), &Label::Class(0), 0)?);
                    assert!(!add_gold(tx, &row, &id.to_string(), &Label::Class(0), 0)?);
                }
                let unknown = add_gold(tx, &row, "?", &Label::Class(0), 0);
                assert!(matches!(unknown, Err(GoldError::UnknownItem)));
                let misfit = add_gold(tx, &row, "20", &Label::Class(2), 0);
                assert!(matches!(misfit, Err(GoldError::Label(_))));
                tx.set_gold_share(row.project, share)?;
                Ok::<_, GoldError>(())
            })
            .unwrap();
        let ann = testing::person(&scratch.store, "ann", Role::Annotator);
        (scratch, row, ann)
    }

    fn answer(store: &Store, person: &Person, item: &ItemRow, class: u16) {
        let annotation = Annotation {
            key: item.item.to_string(),
            label: Some(Label::Class(class)),
            seconds: 1.0,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(store, person, &item.opaque, &annotation, 1).unwrap();
    }

    #[test]
    fn everybody_is_measured_and_nothing_is_labeled() {
        let (scratch, row, ann) = site(1000);
        let name = &row.definition.name;
        let cards = next(&scratch.store, &ann, name, 10, 1).unwrap();
        let gold = |card: &&crate::review::Card| card.lease.reading == Reading::Gold;
        let of_gold: Vec<_> = cards.iter().filter(gold).map(|card| card.row.clone()).collect();
        assert_eq!((cards.len(), of_gold.len()), (10, 10), "every new card brings one");
        // Asking again gives what the person has.
        let again = next(&scratch.store, &ann, name, 10, 2).unwrap();
        let keys = |cards: &[crate::review::Card]| -> BTreeSet<i64> {
            cards.iter().map(|card| card.row.item).collect()
        };
        assert_eq!(keys(&again), keys(&cards));
        for (at, item) in of_gold.iter().enumerate() {
            answer(&scratch.store, &ann, item, u16::from(at < 2));
        }
        let scores = gold_scores(&scratch.store, row.project).unwrap();
        assert_eq!(scores, BTreeMap::from([(ann.person, (10, 8))]));
        let store = &scratch.store;
        let labels = store.read("test", |tx| tx.annotation_counts(row.project)).unwrap();
        assert_eq!(labels, (0, 0));
        let window = store.read("test", |tx| tx.items_for_labels(row.project)).unwrap();
        let taught = store.read("test", |tx| tx.labeled_items(row.project, false, 0, 99)).unwrap();
        assert!(window.is_empty() && taught.is_empty());
        // Nobody answers one twice, and taking an answer back gives it back.
        let rest = next(store, &ann, name, 50, 3).unwrap();
        assert!(!rest.is_empty() && rest.iter().all(|card| card.lease.reading == Reading::First));
        assert!(rest.iter().all(|card| card.blind), "a share of 1 makes all ordinary ones decoys");
        undo(store, &ann, &of_gold[0].item.to_string(), 4).unwrap();
        let back = next(store, &ann, name, 50, 5).unwrap();
        assert_eq!(back.iter().filter(gold).count(), 1);
    }

    #[test]
    fn what_is_said_of_gold_unasked_neither_queues_nor_teaches() {
        let (scratch, row, ann) = site(0);
        let said = Annotation {
            key: "k".to_owned(),
            label: Some(Label::Class(1)),
            seconds: 1.0,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        let (stage, taught) = scratch
            .store
            .tx("test", |tx| {
                let (item, _) = tx.gold(row.project, 0, 1)?[0];
                let gold = tx.item(item)?.unwrap();
                annotate_unasked(tx, ann.person, &gold, &said, 1)?;
                retract_unasked(tx, ann.person, "k")?;
                assert_eq!(tx.item(item)?.unwrap().stage, Stage::Done);
                annotate_unasked(tx, ann.person, &gold, &said, 1)?;
                let taught = tx.labeled_items(row.project, gold.holdout, 0, 99)?;
                Ok::<_, ReviewError>((tx.item(item)?.unwrap().stage, taught))
            })
            .unwrap();
        assert_eq!((stage, taught), (Stage::Done, Vec::new()));
    }

    #[test]
    fn where_nothing_else_is_blind_ordinary_items_are_beside_gold() {
        let (scratch, row, ann) = site(300);
        let cards = next(&scratch.store, &ann, &row.definition.name, 50, 1).unwrap();
        let blind = cards.iter().filter(|card| card.blind);
        let (gold, ordinary): (Vec<_>, Vec<_>) =
            blind.partition(|card| card.lease.reading == Reading::Gold);
        assert!(!gold.is_empty() && !ordinary.is_empty());
        assert!(ordinary.iter().all(|card| card.lease.reading == Reading::First));
        // Accepting is not answering a prelabel that nobody showed.
        answer(&scratch.store, &ann, &ordinary[0].row, 0);
    }

    #[test]
    fn gold_of_every_kind_is_measured_as_readers_are_compared() {
        let scratch = crate::store::tests::scratch();
        let mut project = testing::project_with("[task]\nkind = \"classes\"\n");
        project.routing.overlap = 0;
        let row = testing::put(&scratch.store, &project);
        testing::add_items(&scratch.store, &row, 0..3, 3);
        let store = &scratch.store;
        let classes = |both| Label::classes(if both { vec![0, 1] } else { vec![1] });
        store
            .tx("test", |tx| {
                for item in tx.items_in_stage(row.project, Stage::Clean, 0, 9)? {
                    crate::route::place_without_prelabel(tx, &project.routing, &item)?;
                }
                for id in ["0", "1"] {
                    assert!(add_gold(tx, &row, id, &classes(true), 0)?);
                }
                tx.set_gold_share(row.project, 1000)?;
                Ok::<_, GoldError>(())
            })
            .unwrap();
        let ann = testing::person(store, "ann", Role::Annotator);
        let mut right = [true, false].into_iter();
        for asked in 0..3 {
            for card in next(store, &ann, &project.name, 3, asked).unwrap() {
                let is_gold = card.lease.reading == Reading::Gold;
                let annotation = Annotation {
                    key: card.row.item.to_string(),
                    label: Some(classes(is_gold && right.next().unwrap())),
                    seconds: 1.0,
                    decision: Decision::Correct,
                    comment: None,
                    looks_real: None,
                    reason: None,
                };
                annotate(store, &ann, &card.row.opaque, &annotation, asked).unwrap();
            }
        }
        let scores = gold_scores(store, row.project).unwrap();
        assert_eq!(scores.get(&ann.person).map(|(_, right)| *right), Some(1), "{scores:?}");
    }

    /// An answer moves the counts that the person sees, whichever item it is for.
    #[tokio::test]
    async fn gold_looks_and_counts_like_any_other_item() {
        let (scratch, row, ann) = site(300);
        let store = std::sync::Arc::new(scratch.store);
        let served = testing::Served::start(http::router(testing::desk(store.clone()))).await;
        let none = serde_json::Value::Null;
        let line = format!("GET /api/projects/{}/next?count=30", row.definition.name);
        let (_, cards) = served.ask("ann", &line, &none).await;
        let (mut kinds, mut words) = (BTreeSet::new(), BTreeSet::new());
        for card in cards.as_array().unwrap() {
            let before = served.ask("ann", "GET /api/projects", &none).await.1;
            let item = card["item"].as_str().unwrap();
            let opaque: Fixed<16> = Fixed::from_hex(item).unwrap();
            let stored = store.read("test", |tx| tx.item_by_name(&opaque.0)).unwrap().unwrap();
            kinds.insert(stored.stage == Stage::Done);
            let said = card.to_string().to_lowercase();
            assert!(!said.contains("gold") && !said.contains("known"), "{said}");
            if card["blind"] == true {
                words.insert((card["why"].to_string(), card["queue"].to_string()));
            }
            answer(&store, &ann, &stored, 0);
            let after = served.ask("ann", "GET /api/projects", &none).await.1;
            let count = |at: &serde_json::Value, pointer: &str| {
                at[0].pointer(pointer).unwrap().as_u64().unwrap()
            };
            for (pointer, step) in [("/queues/annotator", -1), ("/done", 1), ("/total", 0)] {
                let (before, after) = (count(&before, pointer), count(&after, pointer));
                assert_eq!(before.checked_add_signed(step), Some(after), "{pointer}");
            }
        }
        assert_eq!(kinds, BTreeSet::from([false, true]), "both kinds were among them");
        assert_eq!(words, BTreeSet::from([("\"read blind\"".into(), "\"annotator\"".into())]));
    }
}
