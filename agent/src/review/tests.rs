use insitu_protocol::project::Project;
use proptest::prelude::*;

use super::*;
use crate::prelabel::{Draft, Origin, Prelabel};
use crate::route::{self, Accepts, label_of_record};
use crate::store::items::ItemRow;
use crate::store::labels::{Role, Terms};
use crate::store::tests::Scratch;
use crate::store::trail::Filter;
use crate::testing;

struct Site {
    scratch: Scratch,
    project: Project,
    ann: Person,
    bob: Person,
    eve: Person,
}

/// A site with `items` items that wait for a first reader, `overlap` thousandths for a second.
fn site(items: u32, overlap: u16) -> Site {
    let scratch = crate::store::tests::scratch();
    let mut project = testing::project();
    project.routing.overlap = overlap;
    let row = testing::put(&scratch.store, &project);
    testing::add_items(&scratch.store, &row, 0..items, items.max(1));
    testing::prelabel(&scratch.store, &row, |_| 0.7);
    let ann = testing::person(&scratch.store, "ann", Role::Annotator);
    let bob = testing::person(&scratch.store, "bob", Role::Annotator);
    let eve = testing::person(&scratch.store, "eve", Role::Expert);
    Site { scratch, project, ann, bob, eve }
}

impl Site {
    fn next(&self, person: &Person, count: u32, now: i64) -> Vec<Card> {
        next(&self.scratch.store, person, &self.project.name, count, now).unwrap()
    }

    fn answer(
        &self,
        person: &Person,
        card: &Card,
        key: &str,
        class: u16,
        now: i64,
    ) -> Result<bool, ReviewError> {
        let annotation = Annotation {
            key: key.to_owned(),
            label: Some(Label::Class(class)),
            seconds: 1.5,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(&self.scratch.store, person, &card.row.opaque, &annotation, now)
    }

    fn stage(&self, card: &Card) -> Stage {
        self.scratch.store.read("test", |tx| tx.item(card.row.item)).unwrap().unwrap().stage
    }
}

#[test]
fn the_same_key_is_the_same_annotation() {
    let site = site(1, 0);
    let card = &site.next(&site.ann, 10, 0)[0];
    assert!(!site.answer(&site.ann, card, "k", 1, 1).unwrap());
    assert!(site.answer(&site.ann, card, "k", 1, 2).unwrap());
    let stored = site.scratch.store.read("test", |tx| tx.annotations_of(card.row.item)).unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(site.stage(card), Stage::Done);
}

/// A role may be lost while an item is in hand.
#[test]
fn who_labels_no_more_neither_labels_nor_takes_back() {
    let site = site(2, 0);
    let cards = site.next(&site.ann, 2, 0);
    site.answer(&site.ann, &cards[0], "said", 1, 1).unwrap();
    let steward = Person { role: Role::Steward, ..site.ann.clone() };
    let refused = |it: Result<(), ReviewError>| matches!(it, Err(ReviewError::Role { .. }));
    assert!(refused(site.answer(&steward, &cards[1], "k", 1, 1).map(drop)));
    assert!(refused(undo(&site.scratch.store, &steward, "said", 1)));
    let annotator = Person { role: Role::Annotator, ..site.eve.clone() };
    assert!(refused(check_expert(&annotator, 1)));
    // And what was in hand is for others at once.
    let store = &site.scratch.store;
    store.tx("test", |tx| tx.set_role(site.ann.person, Role::Steward)).unwrap();
    assert_eq!(site.next(&site.bob, 2, 2).len(), 1);
}

#[test]
fn a_lease_keeps_others_away_until_it_ends() {
    let site = site(1, 0);
    let card = &site.next(&site.ann, 10, 0)[0];
    assert!(site.next(&site.bob, 10, LEASE_SECONDS - 1).is_empty());
    let refused = site.answer(&site.bob, card, "k", 1, 1);
    assert!(matches!(refused, Err(ReviewError::Leased { ref holder, .. }) if holder == "ann"));
    assert_eq!(site.next(&site.bob, 10, LEASE_SECONDS).len(), 1);
    // Nor does it come back when his ends.
    let late = site.answer(&site.ann, card, "k", 1, 2 * LEASE_SECONDS);
    assert!(matches!(late, Err(ReviewError::NotLeased)));
}

/// The network may be away for a night, and the decision in the browser.
#[test]
fn a_decision_that_comes_late_is_stored_unless_somebody_took_the_item_meanwhile() {
    let site = site(3, 0);
    let store = &site.scratch.store;
    let cards = site.next(&site.ann, 3, 0);
    let morning = 12 * 3600;
    // As the sweep that comes after this module does.
    let drop_old = |now| move |tx: &Tx<'_>| tx.drop_expired_leases(now - LATE_SECONDS_MAX);
    let sweep = |now| store.tx("test", drop_old(now)).unwrap();
    sweep(morning);
    assert!(!site.answer(&site.ann, &cards[0], "a", 1, morning).unwrap());
    assert_eq!(site.stage(&cards[0]), Stage::Done);
    // The second one is another's now, and it does not come back when that lease ends.
    assert_eq!(site.next(&site.bob, 1, morning)[0].row.item, cards[1].row.item);
    let refused = site.answer(&site.ann, &cards[1], "b", 1, morning);
    assert!(matches!(refused, Err(ReviewError::Leased { .. })));
    let refused = site.answer(&site.ann, &cards[1], "b", 1, morning + LEASE_SECONDS);
    assert!(matches!(refused, Err(ReviewError::NotLeased)));
    // The third one waits for good, but not for a lease from long ago.
    sweep(LEASE_SECONDS + LATE_SECONDS_MAX);
    let refused = site.answer(&site.ann, &cards[2], "c", 1, LEASE_SECONDS + LATE_SECONDS_MAX);
    assert!(matches!(refused, Err(ReviewError::NotLeased)));
}

#[test]
fn a_decision_that_comes_late_is_for_what_the_item_still_waits_for() {
    let site = site(2, 0);
    let store = &site.scratch.store;
    let cards = site.next(&site.ann, 2, 0);
    let say = |tx: &Tx<'_>| annotate_unasked(tx, site.eve.person, &cards[0].row, &unasked("u"), 1);
    store.tx("test", say).unwrap();
    let refused = site.answer(&site.ann, &cards[0], "a", 1, LEASE_SECONDS);
    assert!(matches!(refused, Err(ReviewError::NotLeased)), "it has its first label");
    // A lead opens what waits for nobody, and decides as late as others.
    let lea = testing::person(store, "lea", Role::Lead);
    open(store, &lea, &cards[0].row.opaque, LEASE_SECONDS).unwrap();
    site.answer(&lea, &cards[0], "l", 0, 2 * LEASE_SECONDS).unwrap();
    let said = store.read("test", |tx| tx.annotations_of(cards[0].row.item)).unwrap();
    assert_eq!(said.last().unwrap().reading, Reading::Expert);
    // Whose role is another has nothing in hand any more.
    store.tx("test", |tx| tx.set_role(site.ann.person, Role::Expert)).unwrap();
    let refused = site.answer(&site.ann, &cards[1], "b", 1, LEASE_SECONDS);
    assert!(matches!(refused, Err(ReviewError::NotLeased)));
}

/// What a newer model drafted meanwhile is no draft that anybody accepted; a label of the person's own
/// is one whatever was drafted.
#[test]
fn a_decision_that_comes_late_accepts_no_other_draft() {
    let site = site(1, 0);
    let store = &site.scratch.store;
    let card = site.next(&site.ann, 1, 0).remove(0);
    let draft = Draft::from(Prelabel::by_other(0, 0.7, insitu_protocol::ids::digest(b"newer")));
    let place = |tx: &Tx<'_>| {
        route::place(tx, &site.project, &Accepts::Nothing, &card.row, &draft, LEASE_SECONDS)
    };
    assert!(store.tx("test", place).unwrap());
    let accept = Annotation { decision: Decision::Accept, ..unasked("a") };
    let refused = annotate(store, &site.ann, &card.row.opaque, &accept, LEASE_SECONDS);
    assert!(matches!(refused, Err(ReviewError::Invalid { .. })));
    site.answer(&site.ann, &card, "b", 1, LEASE_SECONDS).unwrap();
    assert_eq!(site.stage(&card), Stage::Done);
}

#[test]
fn a_second_reader_is_another_person_and_blind() {
    let site = site(1, 1000);
    let first = site.next(&site.ann, 10, 0).remove(0);
    assert_eq!(first.lease.reading, Reading::First);
    site.answer(&site.ann, &first, "a", 1, 1).unwrap();
    assert_eq!(site.stage(&first), Stage::Second);
    assert!(site.next(&site.ann, 10, 2).is_empty());
    let second = site.next(&site.bob, 10, 2).remove(0);
    assert_eq!(second.lease.reading, Reading::Second);
    assert!(!second.why.contains("0.7"), "a blind reader is not told the confidence");
    site.answer(&site.bob, &second, "b", 0, 3).unwrap();
    assert_eq!(site.stage(&first), Stage::Expert);
    assert!(site.next(&site.bob, 10, 4).is_empty());
    let third = site.next(&site.eve, 10, 4).remove(0);
    assert!(third.why.contains("present") && third.why.contains("absent"));
    site.answer(&site.eve, &third, "e", 0, 5).unwrap();
    let correction = site
        .scratch
        .store
        .read("test", |tx| {
            let row = tx.item(first.row.item)?.unwrap();
            Correction::load(tx, &row)
        })
        .unwrap()
        .unwrap();
    assert_eq!((correction.classes(), correction.pair()), (Some((1, 0)), Some((1, 0))));
    assert!(!correction.is_kept());
}

/// Of an item, what another one's label says is for people; sums are over what the bundle says.
#[test]
fn a_draft_that_others_made_is_not_what_an_answer_is_counted_against() {
    let site = site(1, 0);
    let store = &site.scratch.store;
    let row = store.read("test", |tx| tx.item(1)).unwrap().unwrap();
    let place = |row: &ItemRow| {
        let draft = Draft {
            origin: Some(Origin::Rules { functions: vec!["f".to_owned()] }),
            ..Prelabel::by_other(0, 0.9, insitu_protocol::ids::digest(b"rules")).into()
        };
        let placed = store
            .tx("test", |tx| route::place(tx, &site.project, &Accepts::Nothing, row, &draft, 0));
        assert!(placed.unwrap());
    };
    place(&row);
    let card = site.next(&site.ann, 1, 0).remove(0);
    site.answer(&site.ann, &card, "a", 0, 1).unwrap();
    let counted = |row: &ItemRow| store.read("test", |tx| Correction::load(tx, row)).unwrap();
    let mut row = store.read("test", |tx| tx.item(1)).unwrap().unwrap();
    let correction = counted(&row).unwrap();
    assert_eq!((correction.classes(), correction.is_kept()), (Some((1, 0)), false));
    // Where the bundle has said nothing, nothing is counted.
    row.of_bundle = None;
    assert!(counted(&row).is_none());
}

#[test]
fn readers_who_differ_are_settled_by_an_expert_and_by_nobody_else() {
    let site = site(1, 1000);
    let store = &site.scratch.store;
    let first = site.next(&site.ann, 1, 0).remove(0);
    site.answer(&site.ann, &first, "a", 1, 1).unwrap();
    let second = site.next(&site.bob, 1, 2).remove(0);
    site.answer(&site.bob, &second, "b", 0, 3).unwrap();
    assert_eq!(site.stage(&first), Stage::Expert);
    let carl = testing::person(store, "carl", Role::Annotator);
    for annotator in [&site.ann, &site.bob, &carl] {
        assert!(site.next(annotator, 1, 4).is_empty(), "{}", annotator.name);
        let refused = site.answer(annotator, &first, "c", 0, 4);
        assert!(matches!(refused, Err(ReviewError::NotLeased)), "{}", annotator.name);
    }

    let card = site.next(&site.eve, 1, 5).remove(0);
    assert!(card.why.starts_with("readers say present and absent"), "{}", card.why);
    assert_eq!(card.readings, [Label::Class(1), Label::Class(0)], "side by side, in their order");
    let record = || {
        let past = store.read("test", |tx| tx.annotations_of(card.row.item)).unwrap();
        label_of_record(&reads(&past).unwrap()).and_then(Label::class)
    };
    assert_eq!(record(), Some(1), "until somebody settles it");
    // Who is no expert any more does not decide what they took as one.
    let annotator = Person { role: Role::Annotator, ..site.eve.clone() };
    let refused = site.answer(&annotator, &card, "e", 0, 6);
    assert!(matches!(refused, Err(ReviewError::Role { .. })));
    site.answer(&site.eve, &card, "e", 0, 6).unwrap();
    assert_eq!((site.stage(&card), record()), (Stage::Done, Some(0)));
    let events = store.read("test", |tx| tx.events_of_item(&card.row.opaque, 100)).unwrap();
    let said = events.iter().filter(|event| event.what != "seen");
    let said: Vec<_> = said.map(|event| (event.who.as_str(), event.what.as_str())).collect();
    assert_eq!(
        said[said.len() - 3..],
        [("ann", "labeled"), ("bob", "labeled"), ("eve", "adjudicated")]
    );
    undo(store, &site.eve, "e", 7).unwrap();
    assert_eq!((site.stage(&card), record()), (Stage::Expert, Some(1)), "and it can be taken back");
}

#[test]
fn what_an_expert_says_unasked_leaves_what_was_asked() {
    let site = site(1, 0);
    let card = site.next(&site.ann, 10, 0).remove(0);
    let flag = Annotation { decision: Decision::Flag, label: None, ..unasked("f") };
    annotate(&site.scratch.store, &site.ann, &card.row.opaque, &flag, 1).unwrap();
    let asked = site.next(&site.eve, 10, 2).remove(0);
    site.answer(&site.eve, &asked, "e", 0, 3).unwrap();
    let say = |tx: &Tx<'_>| annotate_unasked(tx, site.eve.person, &asked.row, &unasked("u"), 4);
    site.scratch.store.tx("test", say).unwrap();
    assert_eq!(site.stage(&asked), Stage::Done, "the decision stands");
}

fn unasked(key: &str) -> Annotation {
    Annotation {
        key: key.to_owned(),
        label: Some(Label::Class(1)),
        seconds: 0.0,
        decision: Decision::Correct,
        comment: None,
        looks_real: None,
        reason: None,
    }
}

#[test]
fn an_expert_whose_time_is_over_reads_as_an_annotator() {
    let site = site(2, 0);
    let terms = Terms { until: None, expert_until: Some(100) };
    let store = &site.scratch.store;
    let [eva, lea] = [("eva", Role::Expert), ("lea", Role::Lead)]
        .map(|(name, role)| testing::person_until(store, name, role, terms));
    let cards = site.next(&site.ann, 10, 0);
    let flag = Annotation {
        key: "f".to_owned(),
        label: None,
        seconds: 0.0,
        decision: Decision::Flag,
        comment: None,
        looks_real: None,
        reason: None,
    };
    annotate(store, &site.ann, &cards[0].row.opaque, &flag, 1).unwrap();
    let leased = site.next(&eva, 1, 99).remove(0);
    assert_eq!(leased.lease.reading, Reading::Expert);
    // The lease is from before; the label is not hers to give.
    let refused = site.answer(&eva, &leased, "e", 1, 100);
    assert!(matches!(refused, Err(ReviewError::Lapsed { .. })));
    for item in &cards {
        let refused = open(store, &lea, &item.row.opaque, 700);
        assert!(matches!(refused, Err(ReviewError::Lapsed { .. })));
        let refused = requeue(store, &lea, &item.row.opaque, 700);
        assert!(matches!(refused, Err(ReviewError::Lapsed { .. })));
    }
    let now = site.next(&eva, 10, 1000);
    assert_eq!(now.len(), 1);
    assert_eq!(now[0].lease.reading, Reading::First);
    assert_eq!(site.next(&site.eve, 1, 1000)[0].lease.reading, Reading::Expert);
}

#[tokio::test]
async fn a_token_ends_with_its_last_day() {
    let scratch = crate::store::tests::scratch();
    for (name, until) in [("ann", None), ("bob", Some(1)), ("cid", Some(0))] {
        let terms = Terms { until, expert_until: None };
        testing::person_until(&scratch.store, name, Role::Annotator, terms);
    }
    // The desk's clock stands at zero.
    let app = http::router(testing::desk(std::sync::Arc::new(scratch.store)));
    let served = testing::Served::start(app).await;
    for (name, status) in [("ann", 200), ("bob", 200), ("cid", 401)] {
        let (found, body) = served.ask(name, "GET /api/me", &serde_json::Value::Null).await;
        assert_eq!(found, status, "{body}");
    }
    let (_, body) = served.ask("cid", "GET /api/me", &serde_json::Value::Null).await;
    assert_eq!(body["error"], "the token was valid until 1970-01-01T00:00:00Z");
}

#[test]
fn a_time_that_has_ended_is_given_another_end() {
    let site = site(1, 0);
    let store = &site.scratch.store;
    let terms = Terms { until: Some(500), expert_until: Some(100) };
    testing::person_until(store, "eva", Role::Expert, terms);
    let renew = |name, terms, now| renew_person(store, name, terms, now);
    let eva = || store.read("test", |tx| tx.person_named("eva")).unwrap().unwrap();
    let longer = renew("eva", (None, Some(Some(900))), 200).unwrap();
    assert_eq!(longer, Terms { until: Some(500), expert_until: Some(900) });
    assert!(eva().is_expert(899) && !eva().is_expert(900) && eva().ended(500).is_some());
    assert_eq!(renew("eva", (Some(None), None), 600).unwrap().until, None);
    assert_eq!(eva().terms, Terms { until: None, expert_until: Some(900) });

    let over = renew("eva", (Some(Some(600)), None), 600);
    assert!(matches!(over, Err(PersonError::Over { what: "until" })));
    let annotator = renew("ann", (None, Some(Some(900))), 600);
    assert!(matches!(annotator, Err(PersonError::NotExpert { .. })));
    assert!(matches!(renew("zoe", (Some(None), None), 0), Err(PersonError::Unknown { .. })));
    let filter = Filter { what: Some(What::PersonChanged), ..Filter::default() };
    let told = store.read("test", |tx| tx.events(&filter, 0, 9)).unwrap();
    assert_eq!(told.len(), 2, "each change is in the audit log, and no refusal");
}

#[test]
fn skip_gives_it_back_and_flag_calls_an_expert() {
    let site = site(2, 0);
    let cards = site.next(&site.ann, 10, 0);
    let say = |card: &Card, key: &str, decision| {
        let annotation = Annotation {
            key: key.to_owned(),
            label: None,
            seconds: 0.0,
            decision,
            comment: Some("the units look wrong".to_owned()),
            looks_real: None,
            reason: None,
        };
        annotate(&site.scratch.store, &site.ann, &card.row.opaque, &annotation, 1).unwrap();
    };
    say(&cards[0], "s", Decision::Skip);
    say(&cards[1], "f", Decision::Flag);
    assert_eq!((site.stage(&cards[0]), site.stage(&cards[1])), (Stage::First, Stage::Expert));
    assert_eq!(site.next(&site.bob, 10, 2)[0].row.item, cards[0].row.item);
    assert_eq!(site.next(&site.eve, 10, 2)[0].why, "flagged by a reader: confidence 0.70");
}

#[test]
fn undo_takes_back_while_the_window_is_open() {
    let site = site(1, 0);
    let card = &site.next(&site.ann, 10, 0)[0];
    site.answer(&site.ann, card, "k", 1, 1).unwrap();
    let store = &site.scratch.store;
    assert!(matches!(undo(store, &site.bob, "k", 2), Err(ReviewError::UnknownAnnotation)));
    undo(store, &site.ann, "k", 2).unwrap();
    assert_eq!(site.stage(card), Stage::First);
    // The lease came back with it, and the key is free again.
    assert!(!site.answer(&site.ann, card, "k", 0, 3).unwrap());
    store.tx("test", |tx| tx.enter_label_window(card.row.item, 1)).unwrap();
    assert!(matches!(undo(store, &site.ann, "k", 4), Err(ReviewError::Closed { window: 1 })));
}

/// Two people agree, never one with themselves: not even when the first reader's label is taken back.
#[test]
fn who_read_second_does_not_read_first() {
    let site = site(1, 1000);
    let store = &site.scratch.store;
    let card = site.next(&site.ann, 1, 0).remove(0);
    site.answer(&site.ann, &card, "a", 1, 1).unwrap();
    site.next(&site.bob, 1, 2);
    site.answer(&site.bob, &card, "b", 1, 3).unwrap();
    undo(store, &site.ann, "a", 4).unwrap();
    assert_eq!(site.stage(&card), Stage::First);
    let skip = Annotation { decision: Decision::Skip, label: None, ..unasked("s") };
    annotate(store, &site.ann, &card.row.opaque, &skip, 5).unwrap();
    assert!(site.next(&site.bob, 1, 6).is_empty());
    let carl = testing::person(store, "carl", Role::Annotator);
    assert_eq!(site.next(&carl, 1, 6)[0].lease.reading, Reading::First);
    site.answer(&carl, &card, "c", 1, 7).unwrap();
    assert_eq!(site.stage(&card), Stage::Done);
}

/// An expert may have read the item first or second, and takes the deciding label back.
#[test]
fn undo_makes_nobody_both_readers() {
    for (decider, other, gone) in [("ann", "bob", "b"), ("bob", "ann", "a")] {
        let site = site(1, 1000);
        let store = &site.scratch.store;
        let card = site.next(&site.ann, 1, 0).remove(0);
        site.answer(&site.ann, &card, "a", 1, 1).unwrap();
        site.next(&site.bob, 1, 2);
        site.answer(&site.bob, &card, "b", 0, 3).unwrap();
        let person = |name| store.read("test", |tx| tx.person_named(name)).unwrap().unwrap();
        store.tx("test", |tx| tx.set_role(person(decider).person, Role::Expert)).unwrap();
        let decider = person(decider);
        assert_eq!(site.next(&decider, 1, 4)[0].lease.reading, Reading::Expert);
        site.answer(&decider, &card, "e", 1, 5).unwrap();
        undo(store, &person(other), gone, 6).unwrap();
        undo(store, &decider, "e", 7).unwrap();
        assert!(matches!(site.stage(&card), Stage::First | Stage::Second));
        assert_eq!(store.read("test", |tx| tx.lease(card.row.item)).unwrap(), None);
    }
}

#[test]
fn senseless_answers_are_refused() {
    let site = site(1, 0);
    let card = &site.next(&site.ann, 10, 0)[0];
    let good = Annotation {
        key: "k".to_owned(),
        label: Some(Label::Class(1)),
        seconds: 0.0,
        decision: Decision::Accept,
        comment: None,
        looks_real: None,
        reason: None,
    };
    for bad in [
        Annotation { key: String::new(), ..good.clone() },
        Annotation { key: "k".repeat(65), ..good.clone() },
        Annotation { label: None, ..good.clone() },
        Annotation { label: Some(Label::Class(2)), decision: Decision::Correct, ..good.clone() },
        Annotation { label: Some(Label::Class(0)), ..good.clone() },
        Annotation { seconds: f32::NAN, ..good.clone() },
        Annotation { comment: Some("x".repeat(2001)), ..good },
    ] {
        let refused = annotate(&site.scratch.store, &site.ann, &card.row.opaque, &bad, 1);
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ReviewError::Invalid { .. } | ReviewError::Label(_)), "{bad:?}");
    }
    let steward = testing::person(&site.scratch.store, "sam", Role::Steward);
    let refused = next(&site.scratch.store, &steward, &site.project.name, 1, 0);
    assert!(matches!(refused, Err(ReviewError::Role { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever people do in whatever order, nobody answers an item that is leased to another,
    /// nobody reads an item twice as first and second reader, and every item ends done.
    #[test]
    fn leases_are_exclusive(steps in proptest::collection::vec((0..3_usize, 1..6_u32, 0..900_i64), 1..40)) {
        let site = site(12, 500);
        let people = [&site.ann, &site.bob, &site.eve];
        let mut now = 0;
        let mut holders: std::collections::BTreeMap<i64, (usize, i64)> = Default::default();
        for (index, (who, count, wait)) in steps.into_iter().enumerate() {
            now += wait;
            for card in site.next(people[who], count, now) {
                if let Some((holder, until)) = holders.insert(card.row.item, (who, card.lease.until)) {
                    prop_assert!(holder == who || until <= now, "leased twice");
                }
                if index % 2 == 0 {
                    site.answer(people[who], &card, &format!("{index}-{}", card.row.item), 1, now).unwrap();
                    holders.remove(&card.row.item);
                }
            }
        }
        for round in 0..4 {
            now += LEASE_SECONDS;
            for who in people {
                for card in site.next(who, 50, now) {
                    site.answer(who, &card, &format!("end-{round}-{}", card.row.item), 1, now).unwrap();
                }
            }
        }
        let counts = site.scratch.store.read("test", |tx| tx.stage_counts(1)).unwrap();
        prop_assert_eq!(counts[Stage::Done as usize], 12);
        prop_assert_eq!(counts.iter().sum::<u64>(), 12, "moved, not copied: {:?}", counts);
        for item in 1..=12 {
            let all = site.scratch.store.read("test", |tx| tx.annotations_of(item)).unwrap();
            let reader = |reading| all.iter().find(|a| a.reading == reading).map(|a| a.person);
            if let (Some(first), Some(second)) = (reader(Reading::First), reader(Reading::Second)) {
                prop_assert_ne!(first, second);
            }
        }
    }
}

#[test]
fn a_skip_says_why_to_the_expert_who_decides() {
    let (scratch, project) = testing::with_project();
    testing::add_items(&scratch.store, &project, 0..1, 1);
    testing::prelabel(&scratch.store, &project, |_| 0.7);
    let store = &scratch.store;
    let ann = testing::person(store, "ann", Role::Annotator);
    let bob = testing::person(store, "bob", Role::Annotator);
    let eve = testing::person(store, "eve", Role::Expert);
    let name = &project.definition.name;
    let item = next(store, &ann, name, 1, 0).unwrap()[0].row.opaque;
    let skip = |reason, comment: Option<&str>| Annotation {
        decision: Decision::Skip,
        label: None,
        reason,
        comment: comment.map(str::to_owned),
        ..unasked("s")
    };
    let refused = annotate(store, &ann, &item, &skip(Some(Reason::Other), Some(" ")), 1);
    assert!(matches!(refused, Err(ReviewError::Invalid { .. })), "another one says which");
    let accept = Annotation { reason: Some(Reason::Unclear), ..unasked("s") };
    let refused = annotate(store, &ann, &item, &accept, 1);
    assert!(matches!(refused, Err(ReviewError::Invalid { .. })), "a label needs no reason");
    annotate(store, &ann, &item, &skip(Some(Reason::NotEnough), None), 1).unwrap();
    next(store, &bob, name, 1, 2).unwrap();
    let flag = Annotation { decision: Decision::Flag, label: None, ..unasked("f") };
    annotate(store, &bob, &item, &flag, 3).unwrap();
    let card = next(store, &eve, name, 1, 4).unwrap().remove(0);
    let note = |note: &Note| (note.verdict, note.reason);
    let notes: Vec<_> = card.notes.iter().map(note).collect();
    assert_eq!(
        notes,
        [(Verdict::Skip, Some(Reason::NotEnough))],
        "a flag without words says nothing"
    );
}
