//! Many sites over a real store: what they accept, what they stop accepting, and what gives nothing
//! away.

use std::collections::BTreeSet;

use insitu_protocol::bytes::Fixed;
use insitu_protocol::project::Project;

use super::*;
use crate::label::Label;
use crate::review::http::router;
use crate::review::{Annotation, Decision, annotate_in, annotate_unasked, next};
use crate::route;
use crate::store::acceptance::Audit;
use crate::store::items::Stage;
use crate::store::labels::{Lease, Person, Role};
use crate::store::tests::Scratch;
use crate::testing;

const BUNDLE: Digest = Fixed([7; 32]);
const EARN: Acceptance =
    Acceptance { assume: false, error_max: 0.1, confidence: 0.95, audit_share: 0.5 };

/// A site whose items are prelabeled by a model that is wrong as often as it is told to be.
struct Site {
    scratch: Scratch,
    row: ProjectRow,
    people: [Person; 2],
    imported: u32,
    seed: u64,
    /// Items of which the prelabel is wrong.
    wrong: BTreeSet<i64>,
}

/// A number in [0, 1) that depends on all bits of both.
fn draw(seed: u64, at: u64) -> f64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ at.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    for _ in 0..3 {
        x ^= x >> 31;
        x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    }
    f64::from(u32::try_from(x >> 32).unwrap()) / 4_294_967_296.0
}

impl Site {
    fn new(seed: u64, change: impl FnOnce(&mut Project)) -> Self {
        let scratch = crate::store::tests::scratch();
        let mut project = testing::project();
        project.routing.overlap = 0;
        change(&mut project);
        let mut row = testing::put(&scratch.store, &project);
        row.bundle = Some(BUNDLE);
        scratch.store.tx("test", |tx| tx.use_bundle(row.project, &BUNDLE)).unwrap();
        let people =
            ["ann", "bob"].map(|name| testing::person(&scratch.store, name, Role::Annotator));
        Self { scratch, row, people, imported: 0, seed, wrong: BTreeSet::new() }
    }

    fn store(&self) -> &Store {
        &self.scratch.store
    }

    /// Imports items and routes them by what is earned now. Classes take turns; confidences are
    /// spread over what routing accepts, and `risk` says how often a prelabel is wrong.
    fn import(&mut self, items: u32, risk: impl Fn(u16, u16) -> f64) {
        let range = self.imported..self.imported + items;
        self.imported = range.end;
        testing::add_items(self.store(), &self.row, range.clone(), range.end);
        let (seed, mut wrong) = (self.seed, std::mem::take(&mut self.wrong));
        self.store()
            .tx("test", |tx| {
                let accepts = accepts(tx, Some(&EARN), self.row.project, &BUNDLE)?;
                let project = &self.row.definition;
                for item in tx.items_in_stage(self.row.project, Stage::Clean, 0, 100_000)? {
                    let at = u64::try_from(item.item).unwrap();
                    let class = u16::try_from(at % 2).unwrap();
                    let milli = 900 + u16::try_from(at / 2 * 37 % 100).unwrap();
                    if draw(seed, at) < risk(class, milli) {
                        wrong.insert(item.item);
                    }
                    // The half keeps the number whole when it is rounded down.
                    let confidence = (f64::from(milli) + 0.5) / 1000.0;
                    let draft = Prelabel::for_test(class, confidence, 7).into();
                    route::place(tx, project, &accepts, &item, &draft, 0)?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
        self.wrong = wrong;
    }

    /// What a reader who makes no mistake says.
    fn truth(&self, item: i64) -> u16 {
        let class = u16::try_from(item % 2).unwrap();
        if self.wrong.contains(&item) { 1 - class } else { class }
    }

    /// People label everything that waits for them.
    fn label(&self) {
        let name = &self.row.definition.name;
        loop {
            let cards = next(self.store(), &self.people[0], name, 50, 1).unwrap();
            if cards.is_empty() {
                return;
            }
            self.store()
                .tx("test", |tx| {
                    for card in &cards {
                        let item = card.row.item;
                        let annotation = annotation(&item.to_string(), self.truth(item));
                        annotate_in(tx, &self.people[0], &card.row.opaque, &annotation, 1)?;
                    }
                    Ok::<_, crate::review::ReviewError>(())
                })
                .unwrap();
        }
    }

    fn review(&self) -> u64 {
        review(self.store(), Some(&EARN), &self.row, &BUNDLE, false, 10).unwrap()
    }

    fn rows(&self) -> Vec<ClassRow> {
        self.store().read("test", |tx| tx.acceptance(self.row.project, &BUNDLE.0)).unwrap()
    }

    fn accepted(&self) -> Vec<i64> {
        let items = |tx: &Tx<'_>| tx.items_in_stage(self.row.project, Stage::Accepted, 0, 100_000);
        self.store().read("test", items).unwrap().iter().map(|row| row.item).collect()
    }
}

fn annotation(key: &str, class: u16) -> Annotation {
    Annotation {
        key: key.to_owned(),
        label: Some(Label::Class(class)),
        seconds: 1.0,
        decision: Decision::Correct,
        comment: None,
        looks_real: None,
        reason: None,
    }
}

/// Right where it is sure, and wrong more often than is allowed below.
fn steep(_: u16, milli: u16) -> f64 {
    if milli >= 950 { 0.01 } else { 0.3 }
}

/// The share of errors among all that a threshold accepts.
fn risk_of(threshold: u16, risk: impl Fn(u16) -> f64) -> f64 {
    let all: Vec<f64> = (threshold..1000).map(risk).collect();
    all.iter().sum::<f64>() / f64::from(u32::try_from(all.len()).unwrap())
}

/// Learn then Test through the real store, by real readings, tested again and again as they come.
#[test]
fn the_errors_of_what_is_accepted_stay_below_what_is_allowed() {
    const SITES: u64 = 20;
    let (mut earned, mut failed) = (0, 0);
    for seed in 0..SITES {
        let mut site = Site::new(seed, |_| {});
        let mut exceeded = false;
        for _ in 0..4 {
            site.import(450, steep);
            site.label();
            site.review();
            let thresholds = site.rows().into_iter().filter_map(|row| row.earned());
            exceeded |= thresholds
                .map(|least| risk_of(least, |milli| steep(0, milli)))
                .any(|risk| risk > EARN.error_max);
        }
        earned += u64::from(site.rows().iter().any(|row| row.threshold.is_some()));
        failed += u64::from(exceeded);
    }
    println!("{earned} of {SITES} sites earned something, {failed} accepted too many errors");
    assert!(risk_of(900, |milli| steep(0, milli)) > EARN.error_max, "or nothing can fail");
    assert!(failed * 20 <= SITES, "{failed} of {SITES}");
    assert!(earned * 2 > SITES, "{earned} of {SITES}");
}

#[test]
fn nothing_is_accepted_before_it_is_earned_and_then_the_audit_goes_on() {
    let mut site = Site::new(1, |_| {});
    // About 100 of a class are audited, where 45 without an error earn it.
    site.import(800, |_, _| 0.0);
    assert!(site.accepted().is_empty());
    site.label();
    assert_eq!(site.review(), 0);
    let rows = site.rows();
    assert!(rows.iter().all(|row| row.threshold == Some(900) && row.bound < 0.1), "{rows:?}");
    site.import(400, |_, _| 0.0);
    let accepted = site.accepted();
    // Of those that are not held out, about half are read blind.
    assert!((100..200).contains(&accepted.len()), "{}", accepted.len());
    let cards = next(site.store(), &site.people[0], &site.row.definition.name, 50, 1).unwrap();
    assert!(cards.iter().all(|card| card.blind != card.row.holdout));
    assert!(cards.iter().any(|card| card.blind));
    // What was earned is earned by this bundle.
    let other = |tx: &Tx<'_>| accepts(tx, Some(&EARN), site.row.project, &Fixed([8; 32]));
    assert!(!site.store().read("test", other).unwrap().accepts(0, 1000));
    // Another handle on the store, as after a restart, knows it.
    let again = Store::open(site.scratch.folder.path()).unwrap();
    let known = |tx: &Tx<'_>| accepts(tx, Some(&EARN), site.row.project, &BUNDLE);
    assert!(again.read("test", known).unwrap().accepts(0, 950));
    assert_eq!(review(&again, Some(&EARN), &site.row, &BUNDLE, true, 11).unwrap(), 0);
    assert_eq!(site.rows(), rows);
}

#[test]
fn drift_switches_it_off_and_what_was_accepted_goes_back() {
    let mut site = Site::new(2, |_| {});
    site.import(800, |_, _| 0.0);
    site.label();
    site.review();
    assert!(site.rows().iter().all(|row| row.earned().is_some()));
    // Class 1 becomes another; class 0 stays what it was.
    site.import(400, |class, _| if class == 1 { 0.5 } else { 0.0 });
    let before = site.accepted();
    assert!(before.iter().any(|item| item % 2 == 1));
    // Somebody was asked about one, and passed it over: nothing is known of it.
    let passed = *before.iter().find(|item| *item % 2 == 1).unwrap();
    site.store()
        .tx("test", |tx| {
            let person = site.people[0].person;
            let (reading, until) = (Reading::Campaign, 2);
            tx.put_lease(&Lease { item: passed, person, reading, campaign: None, until }, 0)?;
            let row = tx.item(passed)?.unwrap();
            let skip = Annotation { decision: Decision::Skip, label: None, ..annotation("s", 0) };
            let expert = Person { role: Role::Expert, ..site.people[0].clone() };
            annotate_in(tx, &expert, &row.opaque, &skip, 1)
        })
        .unwrap();
    assert!(site.accepted().contains(&passed));
    site.label();
    let sent = site.review();
    let rows = site.rows();
    assert_eq!((rows[0].off_at, rows[1].off_at), (None, Some(10)), "{rows:?}");
    let left = site.accepted();
    assert!(!left.is_empty() && left.iter().all(|item| item % 2 == 0));
    assert_eq!(usize::try_from(sent).unwrap(), before.len() - left.len());
    // It stays off, however good what is audited next is.
    site.import(800, |_, _| 0.0);
    site.label();
    site.review();
    assert_eq!(site.rows()[1].earned(), None);
    assert!(site.accepted().iter().all(|item| item % 2 == 0));
}

/// What is sent back is read because of what was found for others.
#[test]
fn what_is_sent_back_is_in_no_window() {
    let mut site = Site::new(5, |project| project.routing.overlap = 1000);
    site.import(800, |_, _| 0.0);
    site.label();
    site.review();
    site.import(100, |_, _| 0.0);
    let accepted = site.accepted();
    let nothing = |tx: &Tx<'_>| tx.send_back(&accepted, true);
    assert_eq!(site.store().tx("test", nothing).unwrap(), count(accepted.len()));
    let row = |item: &i64| site.store().read("test", |tx| tx.item(*item)).unwrap().unwrap();
    assert!(!accepted.is_empty());
    // And by as many people as any other.
    assert!(accepted.iter().map(row).all(|row| row.audit == Audit::Spared && row.second));
}

/// Only what a person said without having seen the prelabel shows that it was right.
#[test]
fn an_agreement_with_a_draft_that_was_seen_earns_nothing() {
    let mut site = Site::new(6, |_| {});
    site.import(800, |_, _| 0.0);
    let (store, person) = (site.store(), site.people[0].person);
    let rows = store.read("test", |tx| tx.items_in_stage(site.row.project, Stage::First, 0, 1000));
    let rows: Vec<_> = rows.unwrap().into_iter().filter(|row| row.audit == Audit::Chosen).collect();
    assert!(rows.len() > 200);
    for row in &rows {
        let seen = annotation(&row.item.to_string(), site.truth(row.item));
        let seen = Annotation { decision: Decision::Accept, ..seen };
        store.tx("test", |tx| annotate_unasked(tx, person, row, &seen, 1)).unwrap();
    }
    site.review();
    assert!(site.rows().iter().all(|row| row.audited == 0 && row.earned().is_none()));
}

/// A label that is not one class can earn nothing: no item is held back from windows for it.
#[test]
fn several_classes_are_not_audited() {
    let mut site = Site::new(7, |_| {});
    testing::add_items(site.store(), &site.row, 0..40, 40);
    let prelabel = Prelabel::of_label_for_test(Label::Classes(vec![1]), 0.99);
    site.store()
        .tx("test", |tx| {
            let accepts = accepts(tx, Some(&EARN), site.row.project, &BUNDLE)?;
            for item in tx.items_in_stage(site.row.project, Stage::Clean, 0, 100)? {
                let (project, draft) = (&site.row.definition, prelabel.clone().into());
                route::place(tx, project, &accepts, &item, &draft, 0)?;
                assert_eq!(tx.item(item.item)?.unwrap().audit, Audit::Outside);
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    site.imported = 40;
}

/// A lapse of the newest items alone, which all that went before would hide.
#[test]
fn a_long_good_record_does_not_hide_a_drift() {
    let project = testing::project();
    let earn = Acceptance { error_max: 0.01, ..EARN };
    let judge = Judge { earn: &earn, project: &project, now: 5 };
    let item = |at: i64, right| Audited { at, class: 0, milli: 990, right };
    let mut audited: Vec<Audited> = (0..8000).map(|at| item(at, true)).collect();
    let good = judge.judge(&ClassRow::new(0), &audited.iter().collect::<Vec<_>>(), 2).unwrap();
    assert_eq!((good.threshold, good.off_at), (Some(900), None));
    audited.extend((8000..8080).map(|at| item(at, at % 10 != 0)));
    let drifted = judge.judge(&good, &audited.iter().collect::<Vec<_>>(), 2).unwrap();
    assert!(drifted.bound < 0.01, "{drifted:?}");
    assert_eq!(drifted.off_at, Some(5));
}

#[test]
fn tests_are_made_when_the_audit_has_doubled() {
    let project = testing::project();
    let judge = Judge { earn: &Acceptance::default(), project: &project, now: 0 };
    // No error among 436 items of two classes: 0.99^436 is below 0.05/4.
    assert_eq!(first_test(judge.earn, 2), 437);
    for (made, audited, due) in
        [(0, 436, None), (0, 437, Some(0)), (1, 873, None), (1, 874, Some(1)), (0, 5000, Some(3))]
    {
        assert_eq!(judge.due(made, audited, 2), due, "{made}, {audited}");
    }
    let all: f64 = (0..1000).map(|test| failure(judge.earn, test, 2)).sum();
    assert!(2.0 * all < 0.05 && 2.0 * all > 0.0499, "{all}");
    assert_eq!(judge.thresholds(0), [990, 980, 970, 960, 950, 940, 930, 920, 910, 900]);
    for (accept_at, expected) in [(1000, vec![1000]), (1001, vec![]), (995, vec![995])] {
        let mut project = project.clone();
        project.classes[1].accept_at = Some(accept_at);
        assert_eq!(Judge { project: &project, ..judge }.thresholds(1), expected);
        assert_eq!(Judge { project: &project, ..judge }.thresholds(0), judge.thresholds(0));
    }
}

/// What other subjects' labels decide is in no window and in no lesson.
#[test]
fn windows_take_the_audited_and_not_the_spared() {
    let mut site = Site::new(3, |_| {});
    site.import(200, |_, _| 0.0);
    site.label();
    let (labeled, taught) = site
        .store()
        .read("test", |tx| {
            let windows = tx.items_for_labels(site.row.project)?;
            let taught = tx.labeled_items(site.row.project, false, 0, 1000)?;
            Ok::<_, StoreError>((windows, taught))
        })
        .unwrap();
    let rows = |items: Vec<i64>| -> Vec<_> {
        let of = |item: i64| site.store().read("test", |tx| tx.item(item)).unwrap().unwrap();
        items.into_iter().map(of).collect()
    };
    let labeled = rows(labeled.into_iter().map(|item| item.item).collect());
    assert!((60..=150).contains(&labeled.len()), "{}", labeled.len());
    assert!(labeled.iter().all(|row| row.audit == Audit::Chosen || row.holdout));
    assert!(rows(taught).iter().all(|row| row.audit == Audit::Chosen));
}

/// The card of an audit is, but for the item, the card of a second reading: fields, words and all.
#[tokio::test]
async fn an_audit_looks_like_a_second_reading() {
    let mut site = Site::new(4, |project| project.routing.overlap = 500);
    site.import(200, |_, _| 0.0);
    let name = site.row.definition.name.clone();
    // Some first readings of ann's wait for another reader.
    let cards = next(site.store(), &site.people[0], &name, 50, 0).unwrap();
    for card in cards {
        let annotation = Annotation {
            key: card.row.item.to_string(),
            label: Some(Label::Class(0)),
            seconds: 1.0,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        site.store()
            .tx("test", |tx| annotate_in(tx, &site.people[0], &card.row.opaque, &annotation, 0))
            .unwrap();
    }
    let Site { scratch, .. } = site;
    let store = std::sync::Arc::new(scratch.store);
    let served = testing::Served::start(router(testing::desk(std::sync::Arc::clone(&store)))).await;
    let line = format!("GET /api/projects/{name}/next?count=50");
    let (status, body) = served.ask("bob", &line, &serde_json::Value::Null).await;
    assert_eq!(status, 200);
    let (mut audits, mut seconds) = (BTreeSet::new(), BTreeSet::new());
    let mut order = Vec::new();
    for card in body.as_array().unwrap() {
        let opaque: Fixed<16> = Fixed::from_hex(card["item"].as_str().unwrap()).unwrap();
        let row = store.read("test", |tx| tx.item_by_name(&opaque.0)).unwrap().unwrap();
        if card["blind"] != true {
            assert!(row.audit != Audit::Chosen && card["prelabel"].is_object());
            continue;
        }
        order.push(row.stage);
        let mut shown = card.clone();
        for own in ["item", "fields"] {
            shown[own] = serde_json::Value::Null;
        }
        let kind = if row.stage == Stage::Second { &mut seconds } else { &mut audits };
        kind.insert(shown.to_string());
    }
    assert_eq!((audits.len(), audits), (1, seconds), "all alike");
    // Nor does the order tell: neither kind comes first.
    assert!(!order.is_sorted() && !order.is_sorted_by(|a, b| a >= b), "{order:?}");
}
