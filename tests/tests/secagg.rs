//! Secure aggregation from end to end: real agents and a real coordinator over a simulated network.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use insitu_agent::tally;
use insitu_coordinator::session::vector::segments;
use insitu_coordinator::store::{SessionRow, SumRow};
use insitu_privacy::secagg::{Event, Stage};
use insitu_protocol::bytes::Fixed;
use insitu_tests::federation::{Federation, project, shipped_project};
use insitu_tests::simnet::{Conditions, Network};
use tokio::time::sleep;

/// A good line: what is tested here is who is there, not what is lost.
const GOOD: Conditions = Conditions {
    delay: Duration::from_millis(5),
    jitter: Duration::from_millis(2),
    lost_per_mille: 0,
    doubled_per_mille: 0,
};
/// How long a collection or a round may take; a stage's part of it is enough for a restart.
const CLOSES_IN: Duration = Duration::from_secs(400);

async fn federation(seed: u64, sites: usize) -> Federation {
    let mut federation = Federation::found(Network::new(seed, GOOD), "30days");
    for site in 0..sites {
        federation.join(&format!("site-{site}")).await;
    }
    federation.publish().await;
    federation.label().await;
    federation
}

/// The exact counts of each site's open window: confusion, coincidence, calibration, drift.
fn exact(federation: &Federation) -> Vec<Vec<i64>> {
    let window = |site: &insitu_tests::site::Site| {
        let row = site.project().unwrap();
        let window = site.store().read("window", |tx| tally::window(tx, &row)).unwrap();
        window.tallies.iter().flat_map(|tally| tally.counts().to_vec()).collect()
    };
    federation.sites.iter().map(window).collect()
}

/// The one finished collection.
fn collected(federation: &Federation) -> (SessionRow, SumRow) {
    let store = &federation.coordinator.office().store;
    let mut all = store.read("collected", |tx| tx.collected(&project())).unwrap();
    assert_eq!(all.len(), 1);
    all.pop().unwrap()
}

/// Mean squared residual of a collection's values, in units of one release's noise at the same
/// price: 1 for one site's noise, n for n sites that each noise their own.
fn noise(session: &SessionRow, sum: &SumRow, exact: &[Vec<i64>]) -> f64 {
    let project = shipped_project();
    let order = &session.order;
    let noisy = usize::from(order.threshold - order.colluders);
    let costs = project.statistics;
    let prices = [
        costs.confusion_nano_rho,
        costs.coincidence_nano_rho,
        costs.calibration_nano_rho,
        costs.drift_nano_rho,
    ];
    let (mut cell, mut total) = (0, 0.0);
    for (segment, nano_rho) in segments(&order.purpose, &project, noisy).unwrap().iter().zip(prices)
    {
        let one = segment.sensitivity.get() as f64 / (2e-9 * nano_rho as f64);
        let unit = f64::from(segment.noise.fraction_bits).exp2();
        for _ in 0..segment.values {
            let plain: i64 = sum.survived.iter().map(|at| exact[usize::from(*at)][cell]).sum();
            total += (f64::from(sum.sums[cell]) / unit - plain as f64).powi(2) / one;
            cell += 1;
        }
    }
    assert_eq!(cell, sum.sums.len());
    total / cell as f64
}

/// Ends it, in which each site has charged and sent one release, and nobody was alarmed.
async fn one_release_each(federation: Federation) {
    federation.sent().await;
    for site in &federation.sites {
        assert_eq!(federation.check_site(site).0, 1, "one release each");
    }
    assert_eq!(federation.alerts(), 0);
    federation.stop().await;
}

#[tokio::test(start_paused = true)]
async fn statistics_of_ten_sites_have_the_noise_of_one() {
    let federation = federation(11, 10).await;
    let exact = exact(&federation);
    let id = federation.collect(CLOSES_IN);
    federation.until("the collection", || federation.collection(id).state != "open").await;
    let report = federation.collection(id);
    assert_eq!((report.state, report.attempts), ("finished", 1), "{report:?}");
    let (session, sum) = collected(&federation);
    assert_eq!(sum.survived.len(), 10);
    // T − c = 6 sites carry the noise of one release; ten added their share: 10/6. About 80
    // values pin that to ±0.27.
    let ratio = noise(&session, &sum, &exact);
    println!("noise of ten sites under secure aggregation: {ratio:.2} of one release's");
    assert!((0.7..3.0).contains(&ratio), "{ratio}");
    one_release_each(federation).await;
}

#[tokio::test(start_paused = true)]
async fn restarts_and_a_lost_site_leave_the_sum_of_the_others() {
    let mut federation = federation(12, 5).await;
    let exact = exact(&federation);
    let id = federation.collect(CLOSES_IN);
    // One site is lost once it has shared its secrets; the coordinator and another site restart.
    let shared = |federation: &Federation| {
        let store = &federation.coordinator.office().store;
        let events = store.read("events", |tx| {
            let session = tx.attempts(id, 0)?.pop().unwrap();
            tx.session_events(&session)
        });
        events.unwrap().len() >= 11 // five keys, closed, five shares
    };
    federation.until("shared secrets", || shared(&federation)).await;
    federation.network.cut(federation.sites[2].host);
    federation.restart_coordinator().await;
    federation.sites[1].stop().await;
    sleep(Duration::from_secs(5)).await;
    federation.sites[1].start();
    federation.until("the collection", || federation.collection(id).state != "open").await;
    let report = federation.collection(id);
    assert_eq!((report.state, report.attempts), ("finished", 1), "{report:?}");
    let (session, sum) = collected(&federation);
    assert_eq!(sum.survived, [0, 1, 3, 4]);
    // 4/3 of one release's noise; 80 values pin that to ±0.21.
    let ratio = noise(&session, &sum, &exact);
    assert!((0.5..2.6).contains(&ratio), "{ratio}");
    federation.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_under_secure_aggregation_ends_with_a_bundle_in_use() {
    let mut federation = federation(13, 4).await;
    let first = federation.sites[0].bundle().unwrap();
    let run = federation.train_within(2, CLOSES_IN);
    let answered = |federation: &Federation, round: usize| {
        let rounds = federation.run(run).rounds;
        rounds.get(round).is_some_and(|round| round.sites.iter().any(|s| s.state == "answered"))
    };
    federation.until("a vector", || answered(&federation, 0)).await;
    federation.restart_coordinator().await;
    federation.until("the second round", || federation.run(run).rounds.len() == 2).await;
    federation.sites[0].stop().await;
    federation.sites[0].start();
    let last = federation.trained(run).await;
    assert_ne!(last, first);
    for round in federation.run(run).rounds {
        assert_eq!((round.state, round.noise.as_str()), ("closed", "once for all sites"));
        assert!(round.sites.iter().filter(|site| site.state == "summed").count() >= 3);
    }
    federation.sent().await;
    for site in &federation.sites {
        federation.check_site(site);
    }
    assert_eq!(federation.alerts(), 0);
    federation.stop().await;
}

/// In each of the five stages all sites but the last have answered when the power of the coordinator
/// fails; the last one is cut off until then.
async fn kill_in_every_stage(federation: &mut Federation, occasion: Fixed<16>, step: u32) {
    let last = federation.sites.len() - 1;
    let host = federation.sites[last].host;
    for stage in Stage::ALL {
        answered(federation, occasion, step, (stage, last)).await;
        federation.kill_coordinator().await;
        assert_eq!(messages(federation, occasion, step, stage), last, "{stage:?} was forgotten");
        federation.network.heal(host);
        if stage == Stage::Reveal {
            return;
        }
        answered(federation, occasion, step, (stage, last + 1)).await;
        federation.network.cut(host);
    }
}

/// Waits until so many sites have sent their message of a stage; looks again before one of them could
/// have sent the next.
async fn answered(
    federation: &Federation,
    occasion: Fixed<16>,
    step: u32,
    (stage, sites): (Stage, usize),
) {
    let start = federation.clock.now();
    while messages(federation, occasion, step, stage) != sites {
        let waited = (federation.clock.now() - start).get_seconds();
        assert!(waited < 600, "waited in vain for {sites} at {stage:?}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Messages of a stage that the coordinator has stored.
fn messages(federation: &Federation, occasion: Fixed<16>, step: u32, stage: Stage) -> usize {
    let store = &federation.coordinator.office().store;
    let events = store.read("events", |tx| {
        let session = tx.attempts(occasion, step)?.pop().unwrap();
        tx.session_events(&session)
    });
    let of_stage =
        |event: &&Event| matches!(event, Event::Received { stage: at, .. } if *at == stage);
    events.unwrap().iter().filter(of_stage).count()
}

/// A stage's part of this is more than a connection that was cut needs to come back.
const PATIENT: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_coordinator_killed_in_every_stage_still_has_the_exact_sum() {
    let mut federation = federation(14, 4).await;
    let exact = exact(&federation);
    federation.network.cut(federation.sites[3].host);
    let id = federation.collect(PATIENT);
    kill_in_every_stage(&mut federation, id, 0).await;
    federation.until("the collection", || federation.collection(id).state != "open").await;
    let report = federation.collection(id);
    assert_eq!((report.state, report.attempts), ("finished", 1), "{report:?}");
    let (session, sum) = collected(&federation);
    assert_eq!(sum.survived, [0, 1, 2, 3]);
    // 4/3 of one release's noise; a mask that is left makes it billions.
    let ratio = noise(&session, &sum, &exact);
    assert!((0.5..2.6).contains(&ratio), "{ratio}");
    one_release_each(federation).await;
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_killed_in_every_stage_of_a_round_asks_nobody_twice() {
    let mut federation = federation(15, 4).await;
    federation.network.cut(federation.sites[3].host);
    let run = federation.train_within(1, PATIENT);
    kill_in_every_stage(&mut federation, run, 1).await;
    federation.trained(run).await;
    let round = &federation.run(run).rounds[0];
    assert_eq!((round.state, round.noise.as_str()), ("closed", "once for all sites"));
    assert!(round.sites.iter().all(|site| site.state == "summed"), "{:?}", round.sites);
    let store = &federation.coordinator.office().store;
    let (session, sum) = store.read("sum", |tx| tx.summed(run, 1)).unwrap().unwrap();
    assert_eq!((session.order.attempt, sum.survived.len()), (0, 4));
    // A subject moves a coordinate by the clip norm at most; six deviations of the noise beside it.
    // With a mask left one value in a thousand would be as small.
    let training = shipped_project().training;
    let unit = f64::from(training.fraction_bits).exp2() * f64::from(training.clip_milli) / 1e3;
    let noise = 2.0 * session.order.parts[0].scale_1024 as f64 / 1024.0;
    let largest = 4.0 * f64::from(insitu_tests::site::PATIENTS) * unit + 6.0 * noise;
    assert!(largest < f64::from(i32::MAX) / 500.0);
    assert!(sum.sums.iter().all(|value| f64::from(value.abs()) < largest), "{:?}", sum.sums);
    one_release_each(federation).await;
}
