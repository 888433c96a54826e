use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::review::http::router;
use crate::review::{Annotation, Card, Correction, Decision, LEASE_SECONDS, annotate, next, undo};
use crate::route::Read;
use crate::store::labels::{Lease, Reading, Terms};
use crate::store::tests::Scratch;
use crate::store::trail::Filter;
use crate::testing::{self, Served};

struct Site {
    scratch: Scratch,
    row: ProjectRow,
    ann: Person,
    bob: Person,
    eve: Person,
    fay: Person,
    lea: Person,
}

const EXPERT: &str = "[[stages]]\nrole = \"expert\"\n";

fn review(stages: &str) -> Review {
    toml::from_str(stages).unwrap()
}

/// A site with `items` that wait for a first reader, whose labels go through these stages.
fn site(items: u32, stages: &str) -> Site {
    let scratch = crate::store::tests::scratch();
    let mut project = testing::project();
    project.routing.overlap = 0;
    let row = testing::put(&scratch.store, &project);
    testing::add_items(&scratch.store, &row, 0..items, items);
    testing::prelabel(&scratch.store, &row, |_| 0.7);
    assert!(set_up(&scratch.store, &row, Some(&review(stages))).unwrap());
    let person = |name, role| testing::person(&scratch.store, name, role);
    let (ann, bob) = (person("ann", Role::Annotator), person("bob", Role::Annotator));
    let (eve, fay) = (person("eve", Role::Expert), person("fay", Role::Expert));
    let lea = person("lea", Role::Lead);
    Site { scratch, row, ann, bob, eve, fay, lea }
}

fn said(key: &str, decision: Decision, class: Option<u16>) -> Annotation {
    Annotation {
        key: key.to_owned(),
        label: class.map(Label::Class),
        seconds: 1.0,
        decision,
        comment: None,
        looks_real: None,
        reason: None,
    }
}

impl Site {
    fn store(&self) -> &Store {
        &self.scratch.store
    }

    fn next(&self, person: &Person, now: i64) -> Vec<Card> {
        next(self.store(), person, &self.row.definition.name, 50, now).unwrap()
    }

    /// The one card of this reading that a person is offered; the others go back.
    #[track_caller]
    fn card(&self, person: &Person, reading: Reading, now: i64) -> Card {
        let cards = self.next(person, now);
        let mut wanted: Vec<Card> =
            cards.into_iter().filter(|card| card.lease.reading == reading).collect();
        assert_eq!(wanted.len(), 1, "{} {reading:?}", person.name);
        wanted.remove(0)
    }

    /// What a person is offered for review.
    fn reviews(&self, person: &Person, now: i64) -> usize {
        let cards = self.next(person, now);
        let count = cards.iter().filter(|card| card.lease.reading == Reading::Review).count();
        for card in cards {
            self.store().tx("test", |tx| tx.end_lease(card.row.item)).unwrap();
        }
        count
    }

    fn say(
        &self,
        person: &Person,
        card: &Card,
        decision: Decision,
        class: Option<u16>,
        now: i64,
    ) -> Result<bool, ReviewError> {
        let key = format!("{}-{}-{now}", person.name, card.row.item);
        annotate(self.store(), person, &card.row.opaque, &said(&key, decision, class), now)
    }

    /// The only item, labeled by a person as its first reader.
    #[track_caller]
    fn labeled(&self, person: &Person, class: u16) -> Card {
        let card = self.card(person, Reading::First, 0);
        self.say(person, &card, Decision::Correct, Some(class), 0).unwrap();
        card
    }

    fn item(&self, card: &Card) -> ItemRow {
        self.store().read("test", |tx| tx.item(card.row.item)).unwrap().unwrap()
    }

    #[track_caller]
    fn check(&self, card: &Card, stage: Stage, review: Option<u8>) {
        let row = self.item(card);
        assert_eq!((row.stage, row.review), (stage, review));
    }

    /// How many items a window would count, and a lesson learn from.
    fn counted(&self) -> (usize, usize) {
        let project = self.row.project;
        self.store()
            .read("test", |tx| {
                let windows = tx.items_for_labels(project)?.len();
                let (taught, held) = (
                    tx.labeled_items(project, false, 0, 999)?,
                    tx.labeled_items(project, true, 0, 999)?,
                );
                Ok::<_, StoreError>((windows, taught.len() + held.len()))
            })
            .unwrap()
    }

    fn record(&self, card: &Card) -> Option<u16> {
        let annotations = self.store().read("test", |tx| tx.annotations_of(card.row.item)).unwrap();
        let reads: Vec<Read> = crate::review::reads(&annotations).unwrap();
        label_of_record(&reads).and_then(Label::class)
    }

    /// A lease that nobody is given by asking.
    fn force(&self, person: &Person, card: &Card, now: i64) {
        let lease = Lease {
            item: card.row.item,
            person: person.person,
            reading: Reading::Review,
            campaign: None,
            until: now + LEASE_SECONDS,
        };
        self.store().tx("test", |tx| tx.put_lease(&lease, now)).unwrap();
    }
}

#[test]
fn a_label_is_final_once_it_went_through_its_stages() {
    let site = site(1, &format!("{EXPERT}[[stages]]\nrole = \"lead\"\n"));
    let card = site.labeled(&site.ann, 1);
    site.check(&card, Stage::Review, Some(0));
    assert_eq!(site.counted(), (0, 0));
    assert_eq!((site.reviews(&site.ann, 1), site.reviews(&site.bob, 1)), (0, 0));

    let shown = site.card(&site.eve, Reading::Review, 2);
    assert_eq!((shown.reviewed.as_ref(), shown.blind), (Some(&Label::Class(1)), false));
    assert!(shown.prelabel.is_none() && shown.confidence.value.is_none());
    assert_eq!(shown.why, "review, stage 1 (expert): approve this label, or correct it");
    site.say(&site.eve, &shown, Decision::Accept, Some(1), 3).unwrap();
    site.check(&card, Stage::Review, Some(1));
    assert_eq!(site.counted(), (0, 0));

    assert_eq!((site.reviews(&site.eve, 4), site.reviews(&site.fay, 4)), (0, 0));
    let shown = site.card(&site.lea, Reading::Review, 5);
    site.say(&site.lea, &shown, Decision::Correct, Some(0), 6).unwrap();
    site.check(&card, Stage::Done, None);
    assert_eq!((site.counted(), site.record(&card)), ((1, 1), Some(0)));
    // As after adjudication, the first reader's label is one that was not kept.
    let row = site.item(&card);
    let correction = site.store().read("test", |tx| Correction::load(tx, &row)).unwrap().unwrap();
    assert_eq!(correction.classes().map(|(_, record)| record), Some(0));
}

#[test]
fn nobody_reviews_what_they_have_read_or_may_not() {
    let site = site(1, EXPERT);
    let card = site.labeled(&site.eve, 1);
    assert_eq!((site.reviews(&site.eve, 1), site.reviews(&site.fay, 1)), (0, 1));
    site.force(&site.eve, &card, 1);
    let refused = site.say(&site.eve, &card, Decision::Accept, Some(1), 2);
    assert!(matches!(refused, Err(ReviewError::OwnLabel)), "{refused:?}");
    site.force(&site.bob, &card, 1);
    let refused = site.say(&site.bob, &card, Decision::Accept, Some(1), 2);
    assert!(
        matches!(refused, Err(ReviewError::NotReviewer { role: "annotator", wanted: "expert" })),
        "{refused:?}"
    );
    let lapsed = Terms { expert_until: Some(1), ..Terms::default() };
    let lapsed = Person { terms: lapsed, ..site.fay.clone() };
    site.force(&lapsed, &card, 1);
    let refused = site.say(&lapsed, &card, Decision::Accept, Some(1), 2);
    assert!(matches!(refused, Err(ReviewError::Lapsed { .. })), "{refused:?}");
    site.check(&card, Stage::Review, Some(0));
}

#[test]
fn a_label_is_reviewed_by_one_person_at_a_time_and_once() {
    let site = site(1, EXPERT);
    let card = site.labeled(&site.ann, 1);
    let shown = site.card(&site.eve, Reading::Review, 1);
    assert!(site.next(&site.fay, 2).is_empty());
    let refused = site.say(&site.fay, &card, Decision::Accept, Some(1), 2);
    assert!(matches!(refused, Err(ReviewError::Leased { .. })));
    let approval = said("k", Decision::Accept, Some(1));
    let send = |now| annotate(site.store(), &site.eve, &card.row.opaque, &approval, now);
    assert!(!send(3).unwrap());
    assert!(send(4).unwrap(), "a duplicate is answered alike");
    let stored = site.store().read("test", |tx| tx.annotations_of(shown.row.item)).unwrap();
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[1].review, Some(0));
    let filter = Filter { what: Some(What::Labeled), ..Filter::default() };
    let told = site.store().read("test", |tx| tx.events(&filter, 0, 9)).unwrap();
    let detail: Value = serde_json::from_str(&told[1].detail).unwrap();
    assert_eq!(detail, json!({"reading": "review", "stage": 1}), "{}", told[1].who);
    // Another one's key opens nothing that is over.
    assert!(matches!(
        site.say(&site.fay, &card, Decision::Accept, Some(1), 5),
        Err(ReviewError::NotLeased)
    ));
}

#[test]
fn what_ended_is_for_the_next_reviewer() {
    let site = site(1, EXPERT);
    let card = site.labeled(&site.ann, 1);
    let shown = site.card(&site.eve, Reading::Review, 0);
    let again = site.card(&site.fay, Reading::Review, LEASE_SECONDS);
    let late = site.say(&site.eve, &shown, Decision::Accept, Some(1), LEASE_SECONDS);
    assert!(matches!(late, Err(ReviewError::Leased { .. })));
    site.say(&site.fay, &again, Decision::Accept, Some(1), LEASE_SECONDS + 1).unwrap();
    site.check(&card, Stage::Done, None);
}

#[test]
fn a_share_of_labels_is_chosen_by_key_and_stage() {
    const ITEMS: u32 = 200;
    let stage = "[[stages]]\nrole = \"annotator\"\nshare = 0.3\n";
    let site = site(ITEMS, &stage.repeat(2));
    loop {
        let cards = next(site.store(), &site.ann, &site.row.definition.name, 50, 0).unwrap();
        if cards.is_empty() {
            break;
        }
        for card in cards {
            site.say(&site.ann, &card, Decision::Correct, Some(1), 0).unwrap();
        }
    }
    let (mut by_stage, mut expected) = ([0_u32; 3], [0_u32; 3]);
    site.store()
        .read("test", |tx| {
            for stage in [Stage::Done, Stage::Review] {
                for row in tx.items_in_stage(site.row.project, stage, 0, ITEMS)? {
                    by_stage[row.review.map_or(2, usize::from)] += 1;
                    let chosen =
                        [0, 1].map(|at| tx.chosen(&format!("review {at}"), &row.opaque, 300, 1000));
                    expected[chosen.iter().position(|chosen| *chosen).unwrap_or(2)] += 1;
                }
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    assert_eq!(by_stage, expected);
    // Five deviations around 60, and around 42 of the 140 others.
    assert!((28..=92).contains(&by_stage[0]) && (15..=69).contains(&by_stage[1]), "{by_stage:?}");
}

#[test]
fn a_stage_takes_labels_of_its_classes_whenever_they_come_to_be() {
    let present = format!("{EXPERT}classes = [\"present\"]\n");
    let site = site(1, &format!("{present}[[stages]]\nrole = \"annotator\"\n"));
    let card = site.labeled(&site.ann, 0);
    site.check(&card, Stage::Review, Some(1));
    let shown = site.card(&site.bob, Reading::Review, 1);
    site.say(&site.bob, &shown, Decision::Correct, Some(1), 2).unwrap();
    // The corrected label is one that experts are to see.
    site.check(&card, Stage::Review, Some(0));
    let shown = site.card(&site.eve, Reading::Review, 3);
    site.say(&site.eve, &shown, Decision::Accept, Some(1), 4).unwrap();
    site.check(&card, Stage::Done, None);
}

#[test]
fn a_review_is_skipped_flagged_and_taken_back_like_any_reading() {
    let site = site(1, EXPERT);
    let card = site.labeled(&site.ann, 1);
    let shown = site.card(&site.eve, Reading::Review, 1);
    site.say(&site.eve, &shown, Decision::Skip, None, 2).unwrap();
    site.check(&card, Stage::Review, Some(0));
    let shown = site.card(&site.eve, Reading::Review, 3);
    site.say(&site.eve, &shown, Decision::Accept, Some(1), 4).unwrap();
    site.check(&card, Stage::Done, None);
    let approval = format!("eve-{}-4", card.row.item);
    undo(site.store(), &site.eve, &approval, 5).unwrap();
    site.check(&card, Stage::Review, Some(0));
    // It is hers again.
    assert!(site.next(&site.fay, 6).is_empty());
    site.say(&site.eve, &shown, Decision::Flag, None, 7).unwrap();
    site.check(&card, Stage::Expert, None);
    let asked = site.card(&site.fay, Reading::Expert, 8);
    site.say(&site.fay, &asked, Decision::Correct, Some(0), 9).unwrap();
    // Whatever was decided comes to the stage that was not gone through: both have read it by now.
    site.check(&card, Stage::Review, Some(0));
    assert_eq!((site.reviews(&site.eve, 10), site.reviews(&site.fay, 10)), (0, 0));
    let shown = site.card(&site.lea, Reading::Review, 11);
    assert_eq!(shown.reviewed, Some(Label::Class(0)));
    site.say(&site.lea, &shown, Decision::Accept, Some(0), 12).unwrap();
    site.check(&card, Stage::Done, None);
}

#[test]
fn what_is_approved_is_the_label_as_it_is() {
    let site = site(1, EXPERT);
    let card = site.labeled(&site.ann, 1);
    let shown = site.card(&site.eve, Reading::Review, 1);
    let refused = site.say(&site.eve, &shown, Decision::Accept, Some(0), 2);
    assert!(matches!(refused, Err(ReviewError::Invalid { .. })), "{refused:?}");
    // While a reviewer has it, nobody takes the label back.
    let first = format!("ann-{}-0", card.row.item);
    assert!(matches!(undo(site.store(), &site.ann, &first, 2), Err(ReviewError::Leased { .. })));
    site.store().tx("test", |tx| tx.end_lease(card.row.item)).unwrap();
    undo(site.store(), &site.ann, &first, 3).unwrap();
    site.check(&card, Stage::First, None);
}

#[test]
fn changed_stages_move_what_waits_and_nothing_that_is_final() {
    let site = site(2, EXPERT);
    for card in site.next(&site.ann, 0) {
        site.say(&site.ann, &card, Decision::Correct, Some(1), 0).unwrap();
    }
    let shown = site.next(&site.eve, 1);
    site.say(&site.eve, &shown[0], Decision::Accept, Some(1), 2).unwrap();
    let (done, waits) = (&shown[0], &shown[1]);
    let none = "[[stages]]\nrole = \"expert\"\nclasses = [\"absnet\"]";
    let error = set_up(site.store(), &site.row, Some(&review(none))).unwrap_err().to_string();
    assert_eq!(
        error,
        "stage 1 of review is for the class \"absnet\", which is none of the 2 of version 1 of the \
         project"
    );
    site.check(waits, Stage::Review, Some(0));

    let two = review(&format!("{EXPERT}classes = [\"absent\"]\n[[stages]]\nrole = \"lead\"\n"));
    assert!(set_up(site.store(), &site.row, Some(&two)).unwrap());
    site.check(waits, Stage::Review, Some(1));
    site.check(done, Stage::Done, None);
    assert!(!set_up(site.store(), &site.row, Some(&two)).unwrap(), "nothing has changed");

    // Stopped between the settings and the items: the next start goes on.
    site.store().tx("test", |tx| tx.set_review_stages(site.row.project, &[])).unwrap();
    site.check(waits, Stage::Review, Some(1));
    assert!(!set_up(site.store(), &site.row, None).unwrap());
    site.check(waits, Stage::Done, None);
    let filter = Filter { what: Some(What::Settings), ..Filter::default() };
    let told = site.store().read("test", |tx| tx.events(&filter, 0, 9)).unwrap();
    assert_eq!(told.len(), 2, "each change of the stages is in the audit log");
}

#[test]
fn what_was_said_in_another_stage_does_not_count_for_the_one_in_its_place() {
    let stages = |roles: &[&str]| {
        let stage = |role: &&str| format!("[[stages]]\nrole = \"{role}\"\n");
        review(&roles.iter().map(stage).collect::<String>())
    };
    let site = site(1, EXPERT);
    let card = site.labeled(&site.ann, 1);
    let set = |roles: &[&str]| {
        assert!(set_up(site.store(), &site.row, Some(&stages(roles))).unwrap());
        let row = site.item(&card);
        (row.stage, row.review)
    };
    assert_eq!(set(&["expert", "lead"]), (Stage::Review, Some(0)));
    let shown = site.card(&site.eve, Reading::Review, 1);
    site.say(&site.eve, &shown, Decision::Accept, Some(1), 2).unwrap();
    site.check(&card, Stage::Review, Some(1));
    assert_eq!(set(&["expert", "annotator"]), (Stage::Review, Some(1)), "the first is as it was");
    assert_eq!(set(&["lead", "expert"]), (Stage::Review, Some(0)), "no lead has seen it");
    let shown = site.card(&site.lea, Reading::Review, 3);
    site.say(&site.lea, &shown, Decision::Accept, Some(1), 4).unwrap();
    site.check(&card, Stage::Review, Some(1));
    assert_eq!(set(&["lead"]), (Stage::Done, None));
}

#[tokio::test]
async fn a_reviewer_is_served_the_label_as_the_draft() {
    let Site { scratch, row, ann, .. } = site(1, EXPERT);
    let store = Arc::new(scratch.store);
    let name = &row.definition.name;
    let card = next(&store, &ann, name, 1, 0).unwrap().remove(0);
    annotate(&store, &ann, &card.row.opaque, &said("a", Decision::Correct, Some(0)), 0).unwrap();
    let served = Served::start(router(testing::desk(Arc::clone(&store)))).await;
    let line = format!("GET /api/projects/{name}/next");
    for nobody in ["ann", "bob"] {
        assert_eq!(served.ask(nobody, &line, &Value::Null).await, (200, json!([])), "{nobody}");
    }
    let (status, cards) = served.ask("eve", &line, &Value::Null).await;
    assert_eq!((status, cards.as_array().unwrap().len()), (200, 1));
    let shown = &cards[0];
    assert_eq!((&shown["queue"], &shown["blind"]), (&json!("review"), &json!(false)));
    assert_eq!(shown["prelabel"]["class"], 0);
    assert_eq!((&shown["prelabel"]["confidence"], &shown["bundle"]), (&Value::Null, &Value::Null));
    let (_, projects) = served.ask("eve", "GET /api/projects", &Value::Null).await;
    assert_eq!(projects[0]["queues"]["review"], 1);
    let path = format!("POST /api/items/{}/annotations", shown["item"].as_str().unwrap());
    let approval = json!({"key": "e", "class": 0, "seconds": 1.0, "decision": "accept"});
    let (status, refused) = served.ask("fay", &path, &approval).await;
    assert_eq!(status, 409, "{refused}");
    for replay in [false, true] {
        let answer = served.ask("eve", &path, &approval).await;
        assert_eq!(answer, (200, json!({"stored": true, "replay": replay})));
    }
    let (_, projects) = served.ask("eve", "GET /api/projects", &Value::Null).await;
    assert_eq!((&projects[0]["queues"]["review"], &projects[0]["done"]), (&json!(0), &json!(1)));
}
