//! What a malicious coordinator tries by its orders alone, and what it gets.

use std::sync::Arc;

use insitu_daemon::clock::ManualClock;
use insitu_models::sign::{Domain, SigningKey};
use insitu_privacy::Rho;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::{
    BundleOrder, CampaignOrder, Clause, FUNCTIONS_BYTES_MAX, FunctionsManifest, FunctionsOrder,
    NumberedOrder, Order, RoundOrder, Selector,
};
use insitu_protocol::text::Line;
use jiff::Timestamp;

use super::campaigns::tests::campaign;
use super::tests::{Site, limits, pipeline, site};
use crate::config::{ApproveCampaigns, Limits, Policy};
use crate::downlink::{Judge, apply};
use crate::store::bounds::{
    BUNDLES_OVER_MAX, BUNDLES_WAITING_MAX, CAMPAIGNS_OPEN_MAX, FUNCTION_SETS_MAX, ROUNDS_OPEN_MAX,
    ROUNDS_OVER_MAX,
};
use crate::store::campaigns::CampaignState;
use crate::store::orders::{BundleState, RoundState};

/// Gives orders, and lets the site work until `now`.
fn order(site: &Site, judge: &Judge, orders: impl IntoIterator<Item = Order>, now: i64) {
    let last = site.store().read("test", |tx| tx.last_order()).unwrap();
    for (number, order) in (last + 1..).zip(orders) {
        apply(site.store(), judge, &NumberedOrder { number, order }, now).unwrap();
    }
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(now).unwrap()));
    let mut pipeline = pipeline(site, &clock);
    pipeline.judge = judge.clone();
    for _ in 0..3 {
        pipeline.tick().unwrap();
    }
}

fn numbered(number: u8, selector: Selector) -> CampaignOrder {
    let (order, _) = campaign(true, 10);
    CampaignOrder { campaign: Fixed([number; 16]), selector, ..order }
}

fn round(number: u32) -> RoundOrder {
    RoundOrder {
        run: Fixed([1; 16]),
        round: number,
        rounds: 5,
        project: "heart".parse().unwrap(),
        backbone: Fixed([9; 32]),
        head: Bytes(vec![0; 16]),
        classes: 2,
        features: 2,
        clip_milli: 500,
        fraction_bits: 12,
        nano_rho: 1000,
        closes_unix_s: 500,
    }
}

/// Differencing: two selectors that differ in one narrow bin would subtract to the people in it.
/// Each answer is charged and noised, so the attack ends with the budget, whatever the selectors.
#[test]
fn differencing_ends_with_the_budget() {
    let site = site(90, 90);
    let (one, judge) = campaign(true, 10);
    let three = Rho::from_nano(3 * one.nano_rho);
    let judge = Judge { limits: Limits { year: three, ..judge.limits }, ..judge };
    let selector = |bins| Selector::new(vec![Clause::Feature { feature: 0, bins }]).unwrap();
    for number in 1..=8 {
        let bins = if number % 2 == 0 { 0b11 } else { 0b01 };
        order(&site, &judge, [Order::Campaign(numbered(number, selector(bins)))], 10);
    }
    order(&site, &judge, [], 1000);
    let rows = site.store().read("test", |tx| tx.campaigns()).unwrap();
    let of = |state| rows.iter().filter(|row| row.state == state).count();
    assert_eq!((of(CampaignState::Answered), of(CampaignState::Unanswered)), (3, 5));
    assert_eq!(site.store().read("test", |tx| tx.charged_since(0)).unwrap(), three.nano());
}

/// A selector that matches nobody, one person or everybody, one that is not allowed, and a campaign
/// that the steward has not decided on: the answers have the same kind, size, cost, scale and time.
#[test]
fn an_answer_tells_nothing_by_its_shape() {
    let site = site(90, 90);
    let clauses = [
        vec![Clause::ConfidenceBelow { milli: 0 }],
        vec![Clause::Feature { feature: 0, bins: 1 }],
        vec![Clause::ConfidenceBelow { milli: 1000 }],
        vec![Clause::Feature { feature: 60, bins: 1 }],
    ];
    let (mut shapes, mut judge) = (Vec::new(), campaign(true, 10).1);
    for (number, clauses) in (1..).zip(clauses) {
        if number == 3 {
            judge.policy.approve_campaigns = ApproveCampaigns::Manual;
        }
        let campaign = numbered(number, Selector::new(clauses).unwrap());
        order(&site, &judge, [Order::Campaign(campaign)], 10);
    }
    order(&site, &judge, [], 1000);
    for release in site.released() {
        let size = release.encode().unwrap().len();
        shapes.push((release.values.0.len(), size, release.nano_rho, release.scale_1024));
    }
    assert_eq!(shapes.len(), 4);
    assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{shapes:?}");
}

/// A selector has clauses over coarse, declared features only: there is no word for an identifier,
/// a text or a single item, and what names a feature that the project does not have is declined.
#[test]
fn a_selector_cannot_name_anybody() {
    let site = site(90, 90);
    let (_, judge) = campaign(true, 10);
    let beyond = [
        Clause::Feature { feature: 60, bins: 1 },
        Clause::Feature { feature: 0, bins: 1 << 63 },
        Clause::Feature { feature: 0, bins: 0 },
        Clause::Prelabel { class: 900 },
        Clause::ConfidenceBelow { milli: 1001 },
    ];
    for (number, clause) in (1..).zip(beyond) {
        let selector = Selector::new(vec![clause]).unwrap();
        order(&site, &judge, [Order::Campaign(numbered(number, selector))], 10);
    }
    let rows = site.store().read("test", |tx| tx.campaigns()).unwrap();
    assert!(rows.iter().all(|row| row.state == CampaignState::Declined), "{rows:?}");
    assert!(rows.iter().all(|row| row.matched == 0));
}

/// One campaign or one round that would cost more than the policy allows is not worked on.
#[test]
fn a_price_above_the_policy_buys_nothing() {
    let site = site(90, 90);
    let (one, judge) = campaign(true, 10);
    let dear = CampaignOrder { nano_rho: judge.limits.campaign.nano() + 1, ..one };
    order(&site, &judge, [Order::Campaign(dear)], 10);
    order(&site, &judge, [], 1000);
    let rows = site.store().read("test", |tx| tx.campaigns()).unwrap();
    assert_eq!((rows[0].state, rows[0].matched), (CampaignState::Unanswered, 0));
    assert!(site.released().is_empty());
}

/// Orders without end: what is kept stays small, and what is passed over is not answered either.
#[test]
fn a_flood_of_orders_is_bounded() {
    let site = site(90, 90);
    let policy = Policy { approve_campaigns: ApproveCampaigns::Manual, ..Policy::default() };
    let judge = Judge { policy, limits: limits(9.0), bundle_key: None };
    let rounds = (0..200).map(|number| Order::Round(round(number)));
    let last = 3 * u32::try_from(ROUNDS_OPEN_MAX).unwrap();
    for (number, order) in (1..).zip(rounds.take(last as usize)) {
        apply(site.store(), &judge, &NumberedOrder { number, order }, 10).unwrap();
    }
    let count = |state| site.store().read("test", |tx| tx.rounds(state)).unwrap().len() as u64;
    assert_eq!(count(Some(RoundState::Open)), ROUNDS_OPEN_MAX);
    // None has an approved backbone; they are declined, and listed only so far.
    for wave in 0..3 {
        let rounds = (0..ROUNDS_OPEN_MAX).map(|number| 1000 * (wave + 1) + number);
        let rounds = rounds.map(|number| Order::Round(round(u32::try_from(number).unwrap())));
        order(&site, &judge, rounds, 20);
    }
    assert_eq!(count(Some(RoundState::Open)), 0);
    assert!(count(None) <= ROUNDS_OVER_MAX + ROUNDS_OPEN_MAX);
    let selector = Selector::new(vec![Clause::ConfidenceBelow { milli: 1000 }]).unwrap();
    let campaigns = (1..=100).map(|number| Order::Campaign(numbered(number, selector.clone())));
    order(&site, &judge, campaigns, 20);
    let rows = site.store().read("test", |tx| tx.campaigns()).unwrap();
    assert_eq!(rows.len() as u64, CAMPAIGNS_OPEN_MAX);
    assert!(site.released().is_empty());
}

/// The same round once more, with another head: whoever asks twice hears the first answer only.
/// Here no model is in use, so both are declined, and a declined round stays declined.
#[test]
fn a_replayed_round_is_not_another_round() {
    let site = site(90, 90);
    let (_, judge) = campaign(true, 10);
    order(&site, &judge, [Order::Round(round(1))], 10);
    let again = RoundOrder { head: Bytes(vec![1; 16]), ..round(1) };
    order(&site, &judge, [Order::Round(again)], 20);
    let rows = site.store().read("test", |tx| tx.rounds(None)).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].state, RoundState::Declined);
    assert!(rows[0].order.head.0.is_empty(), "neither head is kept of a round that is over");
    assert!(rows[0].note.contains("not approved"), "{}", rows[0].note);
}

/// A site that was away for long works on the newest round of a run alone: the others are over.
#[test]
fn a_later_round_takes_the_place_of_those_before_it() {
    let site = site(90, 90);
    let (_, judge) = campaign(true, 10);
    order(&site, &judge, (1..=3).map(|number| Order::CoarseRound(round(number))), 10);
    let rows = site.store().read("test", |tx| tx.rounds(None)).unwrap();
    assert!(rows.iter().all(|row| row.coarse && row.state == RoundState::Declined));
    let notes: Vec<&str> = rows.iter().map(|row| row.note.as_str()).collect();
    assert!(notes[..2].iter().all(|note| note.starts_with("round 3 of the run")), "{notes:?}");
    assert!(notes[2].contains("not approved"), "{notes:?}");
}

/// A bundle that the federation's key has not signed is not even listed, and bundles without end
/// leave only the newest to be decided on.
#[test]
fn unsigned_and_endless_bundles_come_to_nothing() {
    let site = site(10, 10);
    let (_, judge) = campaign(true, 10);
    let forged = BundleOrder {
        project: "heart".parse().unwrap(),
        manifest: Bytes(b"{}".to_vec()),
        signature: Fixed([0; 64]),
    };
    order(&site, &judge, [Order::Bundle(forged.clone())], 10);
    assert!(site.store().read("test", |tx| tx.bundles()).unwrap().is_empty());
    for number in 1..=20_u8 {
        site.store()
            .tx("test", |tx| {
                tx.put_bundle(Fixed([number; 32]), number.into(), &forged, Fixed([9; 32]))?;
                tx.supersede_bundles()
            })
            .unwrap();
    }
    let rows = site.store().read("test", |tx| tx.bundles()).unwrap();
    let waiting: Vec<u64> =
        rows.iter().filter(|row| row.state == BundleState::Wanted).map(|row| row.number).collect();
    assert_eq!(waiting.len() as u64, BUNDLES_WAITING_MAX);
    assert_eq!(waiting[0], 20, "the newest stay");
    assert!(rows.last().unwrap().note.contains("newer ones"));
    for number in 21..=200_u8 {
        site.store()
            .tx("test", |tx| {
                tx.put_bundle(Fixed([number; 32]), number.into(), &forged, Fixed([9; 32]))?;
                tx.supersede_bundles()
            })
            .unwrap();
    }
    let listed = site.store().read("test", |tx| tx.bundles()).unwrap().len() as u64;
    assert_eq!(listed, BUNDLES_WAITING_MAX + BUNDLES_OVER_MAX);
}

/// Labeling functions that another key has signed, or the federation's for another purpose, or that
/// are too long, or of no project here, are not even listed; and there are never many.
#[test]
fn unsigned_oversized_and_endless_functions_come_to_nothing() {
    let site = site(10, 10);
    let (_, judge) = campaign(true, 10);
    let keys = tempfile::tempdir().unwrap();
    let key = |name: &str| SigningKey::create(&keys.path().join(name)).unwrap();
    let (ours, theirs) = (key("ours"), key("theirs"));
    let judge = Judge { bundle_key: Some(ours.public()), ..judge };
    let manifest = |project: &str, bytes| FunctionsManifest {
        project: project.parse().unwrap(),
        name: "rules".parse().unwrap(),
        object: Fixed([7; 32]),
        bytes,
    };
    let signed = |key: &SigningKey, domain, manifest: Vec<u8>| {
        let signature = key.sign_in(domain, &manifest);
        Order::Functions(FunctionsOrder { manifest: Bytes(manifest), signature })
    };
    let (good, functions) = (manifest("heart", 100).encode(), Domain::Functions);
    let mut longer = good.clone();
    longer.push(0);
    let bad = [
        signed(&theirs, functions, good.clone()),
        signed(&ours, Domain::Bundle, good.clone()),
        signed(&ours, functions, manifest("heart", FUNCTIONS_BYTES_MAX + 1).encode()),
        signed(&ours, functions, manifest("heart", 0).encode()),
        signed(&ours, functions, manifest("elsewhere", 100).encode()),
        signed(&ours, functions, longer),
        signed(&ours, functions, Vec::new()),
    ];
    order(&site, &judge, bad, 10);
    let sets = || site.store().read("test", |tx| tx.functions()).unwrap();
    assert!(sets().is_empty());
    // Before enrollment nobody is trusted.
    let nobody = Judge { bundle_key: None, ..judge.clone() };
    order(&site, &nobody, [signed(&ours, functions, good.clone())], 20);
    assert!(sets().is_empty());
    order(&site, &judge, [signed(&ours, functions, good)], 30);
    assert_eq!((sets().len(), sets()[0].state), (1, BundleState::Wanted));
    let endless = (0..100).map(|at| signed(&ours, functions, manifest("heart", 200 + at).encode()));
    order(&site, &judge, endless, 40);
    assert_eq!(sets().len() as u64, FUNCTION_SETS_MAX);
}

/// Text that a coordinator sends ends up on a steward's screen: it cannot break out of its line.
#[test]
fn text_from_the_coordinator_stays_one_line() {
    for text in ["a\u{1b}[2Jb", "a\nb", "a\rb", "a\u{202e}b", "a\u{0}b"] {
        assert!(Line::new(text).is_err(), "{text:?}");
    }
}
