//! Candidates with backbones of their own: fetched, judged by what they are, never put to use.

use std::sync::Arc;

use insitu_daemon::clock::ManualClock;
use insitu_daemon::telemetry;
use insitu_models::bundle::Bundle;
use insitu_models::sign::SigningKey;
use insitu_protocol::bytes::Bytes;
use insitu_protocol::order::{
    BundleOrder, Contender, EVALUATION_STEP, EvaluationOrder, EvaluationShape, NumberedOrder, Order,
};
use insitu_protocol::release::Body;
use jiff::Timestamp;

use super::personal::tests::{Site, comparison};
use super::*;
use crate::config::ApproveModels;
use crate::downlink::apply;
use crate::store::orders::{ApprovalKind, BundleState};
use crate::testing;
use crate::testing::mirrored::{mirrored, unlike_its_golden_outputs};

const NOW: i64 = 2000;
const PATIENTS: usize = 45;
/// Of which each third one is held out, and labeled otherwise than the bundle in use says.
const HELD_OUT: i64 = 15;
/// ρ of 10,000: noise of a deviation of 0.02, which is none in nearly every count.
const NANO_RHO: u64 = 10_000_000_000_000;

/// A site that uses the shipped bundle, and has contradicted it.
struct Asked {
    site: Site,
    key: SigningKey,
    store: Arc<Store>,
}

impl Asked {
    fn new() -> Self {
        let site = Site::new();
        site.add(0..PATIENTS);
        site.settle(&mut site.pipeline(false));
        assert_eq!(site.contradict(), PATIENTS);
        let folder = site.scratch.folder.path();
        let key = SigningKey::create(&folder.join("bundle.key")).unwrap();
        let store = Arc::new(Store::open(folder).unwrap());
        Self { site, key, store }
    }

    /// The steward has approved these bundles' backbones, and decides about each model by hand.
    fn judge(&self, approved: &[&Bundle]) -> Judge {
        let mut judge = testing::generous(1);
        judge.policy.backbones =
            approved.iter().map(|bundle| bundle.manifest().backbone.digest).collect();
        judge.policy.approve_models = ApproveModels::Manual;
        judge.bundle_key = Some(self.key.public());
        judge
    }

    /// Takes the order of a candidate under this signature, and that of its evaluation.
    fn ask(&self, judge: &Judge, candidate: &Bundle, key: &SigningKey) {
        let row = self.site.row();
        let (head, calibration) = (Bytes(Vec::new()), Bytes(Vec::new()));
        let evaluation = EvaluationOrder {
            candidate: Contender { bundle: candidate.id(), head, calibration },
            nano_rho: NANO_RHO,
            ..comparison(&row, &self.site.bundle)
        };
        let orders = [
            (6, Order::Candidate(order(&row, candidate, key))),
            (7, Order::Evaluation(evaluation)),
        ];
        for (number, order) in orders {
            assert!(apply(&self.store, judge, &NumberedOrder { number, order }, NOW).unwrap());
        }
    }

    fn pipeline(&self, judge: &Judge) -> Pipeline {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(NOW).unwrap()));
        let shelf = Shelf::new(self.site.scratch.folder.path());
        let store = Arc::clone(&self.store);
        Pipeline::new(store, clock, judge.clone(), Schedule::default(), shelf, None)
    }

    /// What has become of the evaluation, and why.
    fn state(&self) -> (RoundState, String) {
        let rows = self.store.read("test", |tx| tx.evaluations(None)).unwrap();
        (rows[0].state, rows[0].note.clone())
    }

    /// The state of a bundle, whether it is a candidate, and whether the project uses it.
    fn bundle(&self, bundle: &Bundle) -> Option<(BundleState, bool, bool)> {
        let row = self.store.read("test", |tx| tx.bundle(&bundle.id())).unwrap()?;
        Some((row.state, row.candidate, self.site.row().bundle == Some(bundle.id())))
    }

    /// Its objects are there.
    fn complete(&self, candidate: &Bundle) {
        testing::arrive(self.site.scratch.folder.path(), candidate);
        let set = |tx: &crate::store::Tx<'_>| {
            tx.set_bundle_state(&candidate.id(), BundleState::Pending, "")
        };
        self.store.tx("test", set).unwrap();
    }
}

fn order(row: &ProjectRow, bundle: &Bundle, key: &SigningKey) -> BundleOrder {
    BundleOrder {
        project: row.definition.name.clone(),
        manifest: Bytes(bundle.manifest_bytes().to_vec()),
        signature: key.sign(bundle.manifest_bytes()),
    }
}

#[test]
fn a_candidate_is_judged_over_its_own_backbone_and_used_when_it_is_promoted_alone() {
    let asked = Asked::new();
    let shipped = &asked.site.bundle;
    // Over the backbone in use its head would say what that in use says, which is wrong every time.
    let candidate = mirrored(shipped, shipped.head());
    let judge = asked.judge(&[shipped, &candidate]);
    asked.ask(&judge, &candidate, &asked.key);
    let mut pipeline = asked.pipeline(&judge);
    assert!(!pipeline.tick().unwrap(), "there is nothing to do before it is there");
    assert_eq!(asked.state().0, RoundState::Open);
    assert_eq!(asked.bundle(&candidate), Some((BundleState::Wanted, true, false)));

    asked.complete(&candidate);
    while pipeline.tick().unwrap() {}
    assert_eq!(asked.state().0, RoundState::Released);
    assert_eq!(asked.bundle(&candidate), Some((BundleState::Ready, true, false)));
    let released = testing::released(&asked.store);
    let [release] = released.as_slice() else { panic!("{} releases", released.len()) };
    assert!(matches!(release.body, Body::Evaluation { .. }));
    let shape = EvaluationShape::of(&asked.site.row().definition);
    let right: Vec<i64> =
        release.values.0[shape.right()].iter().map(|value| i64::from(*value)).collect();
    assert_eq!(right, [0, 0, HELD_OUT * i64::from(EVALUATION_STEP), 0]);

    // Promoted it waits for the steward like any other, with nothing to fetch.
    let promoted = Order::Bundle(order(&asked.site.row(), &candidate, &asked.key));
    apply(&asked.store, &judge, &NumberedOrder { number: 8, order: promoted }, NOW).unwrap();
    while pipeline.tick().unwrap() {}
    assert_eq!(asked.bundle(&candidate), Some((BundleState::Pending, false, false)));
    let approve =
        |tx: &crate::store::Tx<'_>| tx.decide(ApprovalKind::Bundle, &candidate.id(), true, NOW);
    asked.store.tx::<_, StoreError>("test", approve).unwrap();
    while pipeline.tick().unwrap() {}
    assert_eq!(asked.bundle(&candidate), Some((BundleState::Ready, false, true)));
}

#[test]
fn a_candidate_that_may_not_be_judged_is_declined_with_a_reason_and_costs_nothing() {
    let metrics = telemetry::metrics().unwrap();
    let other = tempfile::tempdir().unwrap();
    let other = SigningKey::create(&other.path().join("key")).unwrap();
    for (reason, note) in [
        ("unapproved-backbone", "is not approved; insitu-agent models approve"),
        ("no-candidate", "did not come, or was refused"),
        ("candidate", "does not run here"),
        ("declined-candidate", "was declined by the steward"),
    ] {
        let asked = Asked::new();
        let shipped = &asked.site.bundle;
        let candidate = match reason {
            "candidate" => unlike_its_golden_outputs(shipped),
            _ => mirrored(shipped, shipped.head()),
        };
        let approved = [shipped, &candidate];
        let judge =
            asked.judge(if reason == "unapproved-backbone" { &approved[..1] } else { &approved });
        asked.ask(&judge, &candidate, if reason == "no-candidate" { &other } else { &asked.key });
        match reason {
            "candidate" => asked.complete(&candidate),
            "declined-candidate" => {
                let decline = |tx: &crate::store::Tx<'_>| {
                    tx.decide(ApprovalKind::Bundle, &candidate.id(), false, NOW)
                };
                asked.store.tx::<_, StoreError>("test", decline).unwrap();
            }
            _ => {}
        }
        let mut pipeline = asked.pipeline(&judge);
        while pipeline.tick().unwrap() {}
        let (state, found) = asked.state();
        assert_eq!(state, RoundState::Declined, "{reason}");
        assert!(found.contains(note), "{reason}: {found}");
        assert!(testing::released(&asked.store).is_empty(), "{reason}");
        let in_use = asked.bundle(&candidate).is_some_and(|(_, _, in_use)| in_use);
        assert!(!in_use, "{reason}");
        let line = format!(
            "insitu_agent_heads_declined_total{{kind=\"evaluation\",reason=\"{reason}\"}} "
        );
        assert!(metrics.render().contains(&line), "{line}");
    }
}
