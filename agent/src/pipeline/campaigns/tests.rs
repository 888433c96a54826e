//! Campaigns over a real store: matched, worked on, answered once.

use std::sync::Arc;

use insitu_daemon::clock::ManualClock;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::order::{CampaignOrder, Clause, NumberedOrder, Order, Selector};
use insitu_protocol::release::Body;
use insitu_protocol::text::Line;
use jiff::Timestamp;

use crate::config::{ApproveCampaigns, Policy};
use crate::downlink::{Judge, apply};
use crate::pipeline::tests::{limits, pipeline, site};
use crate::release::{self, Release};
use crate::store::StoreError;
use crate::store::campaigns::CampaignState;
use crate::{tally, testing};

pub(in crate::pipeline) fn campaign(approve: bool, items_max: u32) -> (CampaignOrder, Judge) {
    let policy = Policy {
        approve_campaigns: if approve {
            ApproveCampaigns::WithinPolicy
        } else {
            ApproveCampaigns::Manual
        },
        ..Policy::default()
    };
    let order = CampaignOrder {
        campaign: Fixed([5; 16]),
        project: "heart".parse().unwrap(),
        title: Line::new("young").unwrap(),
        selector: Selector::new(vec![Clause::Feature { feature: 0, bins: 1 }]).unwrap(),
        items_max,
        nano_rho: 1_000_000,
        answers_unix_s: 1000,
    };
    (order, Judge { policy, limits: limits(9.0), bundle_key: None })
}

#[test]
fn a_campaign_is_matched_worked_on_and_answered_once() {
    let site = site(90, 90);
    let (order, judge) = campaign(true, 7);
    let order = NumberedOrder { number: 3, order: Order::Campaign(order) };
    assert!(apply(site.store(), &judge, &order, 10).unwrap());
    assert!(!apply(site.store(), &judge, &order, 10).unwrap(), "an order is applied once");
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(20).unwrap()));
    let mut pipeline = pipeline(&site, &clock);
    pipeline.tick().unwrap();
    let row = site.store().read("test", |tx| tx.campaigns()).unwrap().remove(0);
    assert_eq!((row.state, row.matched), (CampaignState::Open, 7));
    site.label(3, 0, 30);
    clock.set(Timestamp::from_second(1000).unwrap());
    pipeline.tick().unwrap();
    pipeline.tick().unwrap();
    let row = site.store().read("test", |tx| tx.campaigns()).unwrap().remove(0);
    assert_eq!(row.state, CampaignState::Answered);
    let released = site.released();
    assert_eq!(released.len(), 1);
    assert_eq!(released[0].body, Body::Campaign { campaign: Fixed([5; 16]) });
    assert_eq!(released[0].values.0.len(), 3);
}

#[test]
fn a_campaign_counts_waiting_kept_and_changed() {
    let site = site(90, 90);
    let (order, judge) = campaign(true, 10);
    let numbered = NumberedOrder { number: 3, order: Order::Campaign(order.clone()) };
    apply(site.store(), &judge, &numbered, 10).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(20).unwrap()));
    pipeline(&site, &clock).tick().unwrap();
    site.label(3, 0, 30); // the prelabel is 1: changed
    site.label(2, 1, 31); // kept
    let tally = |answered| {
        site.store().read("test", |tx| tally::campaign(tx, &site.row, &order, answered)).unwrap()
    };
    assert_eq!(tally(true).counts(), [5, 2, 3]);
    assert_eq!(tally(false).counts(), [0, 0, 0]);
}

#[test]
fn an_undecided_campaign_answers_like_any_other() {
    let site = site(90, 90);
    let (order, judge) = campaign(false, 7);
    apply(site.store(), &judge, &NumberedOrder { number: 1, order: Order::Campaign(order) }, 1)
        .unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1001).unwrap()));
    pipeline(&site, &clock).tick().unwrap();
    let released = site.released();
    assert_eq!((released.len(), released[0].nano_rho), (1, 1_000_000));
}

#[test]
fn a_subject_with_many_items_displaces_one_other_from_a_campaign() {
    let site = site(0, 1);
    // Oldest six: one subject's. The others: a subject each. All of them match.
    testing::add_items(site.store(), &site.row, 0..6, 1);
    testing::add_items(site.store(), &site.row, 6..30, 30);
    testing::prelabel(site.store(), &site.row, |_| 0.5);
    let (order, judge) = campaign(true, 10);
    let numbered = NumberedOrder { number: 3, order: Order::Campaign(order.clone()) };
    apply(site.store(), &judge, &numbered, 10).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(20).unwrap()));
    pipeline(&site, &clock).tick().unwrap();
    let queue = site.store().read("test", |tx| tx.campaign_items(&order.campaign)).unwrap();
    let (of_one, of_others) = queue.split_at(1);
    assert!((1..=6).contains(&of_one[0]));
    // Without that subject it would be ten: 7 to 16.
    assert_eq!(of_others, (7..16).collect::<Vec<i64>>());
    let tally =
        site.store().read("test", |tx| tally::campaign(tx, &site.row, &order, true)).unwrap();
    assert_eq!((tally.counts(), tally.sensitivity().get()), (&[10, 0, 0][..], 2));
}

#[test]
fn a_campaign_decided_meanwhile_is_answered_as_decided_and_once() {
    let site = site(90, 90);
    let (order, judge) = campaign(false, 7);
    let id = order.campaign;
    apply(site.store(), &judge, &NumberedOrder { number: 1, order: Order::Campaign(order) }, 1)
        .unwrap();
    let stale = site.store().read("test", |tx| tx.campaigns()).unwrap().remove(0);
    let (from, to) = (CampaignState::Proposed, CampaignState::Declined);
    site.store().tx("test", |tx| tx.move_campaign(&id, from, to, "")).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1001).unwrap()));
    let mut pipeline = pipeline(&site, &clock);
    pipeline.answer(&stale, 1001).unwrap();
    assert!(site.released().is_empty(), "neither charged nor queued");
    pipeline.tick().unwrap();
    pipeline.tick().unwrap();
    assert_eq!(site.released().len(), 1);
}

#[test]
fn a_campaign_is_counted_again_when_something_was_erased_meanwhile() {
    let site = site(90, 90);
    let (order, judge) = campaign(true, 7);
    let outline = tally::campaign_outline(&order);
    let order = NumberedOrder { number: 1, order: Order::Campaign(order) };
    apply(site.store(), &judge, &order, 1).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(20).unwrap()));
    let mut pipeline = pipeline(&site, &clock);
    pipeline.tick().unwrap();
    let (row, tally, erasures) = site
        .store()
        .read("test", |tx| {
            let row = tx.campaigns()?.remove(0);
            let tally = tally::campaign(tx, &site.row, &row.order, true)?;
            Ok::<_, StoreError>((row, tally, tx.erasures()?))
        })
        .unwrap();
    release::draw_ahead(&pipeline.pool, [&outline]).unwrap();
    let release = Release::make(&tally, &pipeline.pool).unwrap();
    site.store()
        .tx("test", |tx| {
            let item = tx.campaign_items(&row.order.campaign)?[0];
            let doomed = tx.doomed(item)?.unwrap();
            tx.erase_items(&[doomed])
        })
        .unwrap();
    assert!(!pipeline.commit_answer(&row, release, erasures, 1000).unwrap());
    assert!(site.released().is_empty(), "neither charged nor queued");
    clock.set(Timestamp::from_second(1000).unwrap());
    pipeline.tick().unwrap();
    assert_eq!(site.released().len(), 1);
}
