//! Synthetic items beside real ones: nothing that leaves, or decides what may leave, sees them.
//!
//! Here they are labeled as no person is offered them: with an expert's label, which would be the
//! label of record of a real item.

use std::collections::BTreeSet;

use insitu_daemon::clock::ManualClock;
use insitu_protocol::order::{NumberedOrder, Order};

use super::campaigns::tests::campaign;
use super::tests::{Site, limits, pipeline, site};
use super::windows::WindowError;
use super::*;
use crate::config::Limits;
use crate::downlink::apply;
use crate::item::{RawItem, Value};
use crate::label::Label;
use crate::outbox::OutboxError;
use crate::prelabel::{Origin, Prelabel};
use crate::release::ReleaseError;
use crate::review::{Annotation, Decision, annotate};
use crate::store::campaigns::CampaignState;
use crate::store::labels::{Lease, Reading};
use crate::{tally, testing};

const REAL: u32 = 60;

impl Site {
    /// Adds synthetic items after [`REAL`] real ones, and gives each a label of record.
    fn synthesize(&self, count: u32) -> Vec<i64> {
        testing::add_items_of(self.store(), &self.row, Some("g"), REAL..REAL + count, 1000);
        testing::prelabel(self.store(), &self.row, |_| 0.5);
        let first = i64::from(REAL) + 1;
        let keys: Vec<i64> = (first..first + i64::from(count)).collect();
        for &item in &keys {
            let person = self.eve.person;
            let (reading, campaign, until) = (Reading::Expert, None, 100);
            let lease = Lease { item, person, reading, campaign, until };
            let row = self
                .store()
                .tx("test", |tx| {
                    tx.put_lease(&lease, 0)?;
                    tx.item(item)
                })
                .unwrap()
                .unwrap();
            assert!(row.synthetic);
            let annotation = Annotation {
                key: format!("made-{item}"),
                label: Some(Label::Class(1)),
                seconds: 1.0,
                decision: Decision::Accept,
                comment: None,
                looks_real: None,
                reason: None,
            };
            annotate(self.store(), &self.eve, &row.opaque, &annotation, 1).unwrap();
        }
        keys
    }

    fn window(&self) -> tally::Window {
        self.store().read("test", |tx| tally::window(tx, &self.row)).unwrap()
    }
}

#[test]
fn a_window_counts_real_items_alone() {
    let site = site(REAL, REAL);
    site.label(20, 0, 1);
    let before = site.window();
    let made: BTreeSet<i64> = site.synthesize(50).into_iter().collect();
    let after = site.window();
    for (before, after) in before.tallies.iter().zip(&after.tallies) {
        assert_eq!(before.counts(), after.counts());
        assert_eq!(before.origin(), after.origin());
    }
    assert_eq!((&before.labeled, &before.imported), (&after.labeled, &after.imported));
    assert_eq!((after.labeled.len(), after.imported.len()), (20, 60));
    assert!(after.labeled.iter().chain(&after.imported).all(|item| !made.contains(item)));
    site.close(&limits(9.0), 2).unwrap();
    // Were one to come so far, the store itself would refuse.
    let item = i64::from(REAL) + 1;
    assert!(site.store().tx("test", |tx| tx.enter_drift_window(item, 2)).is_err());
    assert!(site.store().tx("test", |tx| tx.enter_label_window(item, 2)).is_err());
}

#[test]
fn no_synthetic_subject_makes_a_cohort() {
    let site = site(REAL, REAL);
    site.synthesize(50);
    let (subjects, holdout) = site
        .store()
        .read("test", |tx| {
            let project = site.row.project;
            Ok::<_, StoreError>((tx.subject_count(project)?, tx.holdout_count(project)?))
        })
        .unwrap();
    assert_eq!((subjects, holdout), (u64::from(REAL), u64::from(REAL / 4)));
    let strict = Limits { minimum_cohort: u64::from(REAL) + 1, ..limits(9.0) };
    assert!(matches!(
        site.close(&strict, 2),
        Err(WindowError::Outbox(OutboxError::Release(ReleaseError::Cohort { .. })))
    ));
}

#[test]
fn a_campaign_never_asks_for_a_synthetic_item() {
    let site = site(REAL, REAL);
    let made: BTreeSet<i64> = site.synthesize(40).into_iter().collect();
    let (order, judge) = campaign(true, 1000);
    let numbered = NumberedOrder { number: 1, order: Order::Campaign(order.clone()) };
    apply(site.store(), &judge, &numbered, 10).unwrap();
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(20).unwrap()));
    pipeline(&site, &clock).tick().unwrap();
    let (row, items) = site
        .store()
        .read("test", |tx| {
            Ok::<_, StoreError>((tx.campaigns()?.remove(0), tx.campaign_items(&order.campaign)?))
        })
        .unwrap();
    assert_eq!(row.state, CampaignState::Open);
    assert!(!items.is_empty());
    assert!(items.iter().all(|item| !made.contains(item)));
}

#[test]
fn nothing_is_learned_from_a_synthetic_item() {
    let site = site(REAL, REAL);
    site.label(20, 0, 1);
    let lessons = || {
        let project = site.row.project;
        site.store().read("test", |tx| tx.labeled_items(project, false, 0, 1000)).unwrap()
    };
    let before = lessons();
    assert!(!before.is_empty());
    site.synthesize(40);
    assert_eq!(lessons(), before);
}

#[test]
fn what_an_item_was_made_for_is_its_draft_whatever_a_model_says() {
    let site = site(REAL, REAL);
    site.store()
        .tx("test", |tx| {
            for (id, class) in [("one", Some(0)), ("two", Some(1)), ("three", None)] {
                let fields = vec![("age".to_owned(), Value::Number(50.0))];
                let item = RawItem::new(id.to_owned(), id.to_owned(), false, fields);
                let item = item.made_by(Some("g")).made_for(class);
                item.add(tx, site.row.project, site.row.definition.name.as_str())?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(20).unwrap()));
    let mut pipeline = pipeline(&site, &clock);
    for _ in 0..3 {
        pipeline.tick().unwrap();
    }
    let first = i64::from(REAL) + 1;
    let row = |item| site.store().read("test", |tx| tx.item(item)).unwrap().unwrap();
    for (item, class) in [(first, 0), (first + 1, 1)] {
        let draft = Prelabel::decode(row(item).prelabel.as_ref().unwrap()).unwrap();
        assert!(draft.is_by_generator() && draft.class() == Some(class));
        let origin = Origin::decode(row(item).origin.as_ref().unwrap()).unwrap();
        assert_eq!(origin, Origin::Generator);
    }
    assert!(row(first + 2).prelabel.is_none(), "it waits for a model");
    let other = site
        .store()
        .read("test", |tx| tx.items_of_other_bundle(site.row.project, &[9; 32], 1000, 20))
        .unwrap();
    assert!(other.iter().all(|row| row.made_for.is_none()), "no model replaces them");
    let cards =
        crate::review::next_to_validate(site.store(), &site.eve, &site.row.definition.name, 4, 21)
            .unwrap();
    assert_eq!(cards.iter().filter(|card| card.row.synthetic).count(), 2);
}

#[test]
fn items_made_for_classes_that_are_gone_hold_no_others_up() {
    let site = site(0, 1);
    site.store()
        .tx("test", |tx| {
            for (id, class) in (0..200).map(|id| (id, if id < 199 { 5 } else { 0 })) {
                let fields = vec![("age".to_owned(), Value::Number(50.0))];
                let item = RawItem::new(format!("{id}"), format!("{id}"), false, fields);
                let item = item.made_by(Some("g")).made_for(Some(class));
                item.add(tx, site.row.project, site.row.definition.name.as_str())?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(20).unwrap()));
    let mut pipeline = pipeline(&site, &clock);
    while pipeline.tick().unwrap() {}
    let row = |item| site.store().read("test", |tx| tx.item(item)).unwrap().unwrap();
    assert!(row(1).prelabel.is_none(), "no class is left that it could be");
    assert!(row(200).prelabel.is_some());
}
