//! The loop over a simulated network: labels become releases, releases a better bundle, and the
//! bundle labels. Whatever fails on the way, nothing leaves twice and nothing is charged twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::Duration;

use insitu_agent::config;
use insitu_agent::outbox::OutboxError;
use insitu_agent::pipeline::windows::WindowError;
use insitu_agent::store;
use insitu_coordinator::evaluation::Figures;
use insitu_coordinator::store::StoreError;
use insitu_protocol::release::Body;
use insitu_tests::federation::{Federation, project, shipped_project};
use insitu_tests::simnet::{Conditions, Network};
use insitu_tests::site::Site;
use tokio::time::sleep;

/// One datagram in twenty is lost; some overtake others, or arrive twice.
const BAD: Conditions = Conditions {
    delay: Duration::from_millis(60),
    jitter: Duration::from_millis(20),
    lost_per_mille: 50,
    doubled_per_mille: 10,
};
/// A window's releases: confusion, coincidence, calibration, drift.
const STATISTICS: u64 = 4;
/// Rounds of a training run.
const ROUNDS: u32 = 2;

async fn federation(seed: u64, sites: &[&str]) -> Federation {
    let mut federation = Federation::found(Network::new(seed, BAD), "30days");
    for site in sites {
        federation.join(site).await;
    }
    federation.publish().await;
    federation
}

/// What a statistics window costs, nano-ρ.
fn window_nano_rho() -> u64 {
    let prices = shipped_project().statistics;
    prices.confusion_nano_rho
        + prices.coincidence_nano_rho
        + prices.calibration_nano_rho
        + prices.drift_nano_rho
}

/// Once round the loop with three sites. Gives each site's releases and nano-ρ.
async fn once_round(seed: u64, cut: bool) -> Vec<(u64, u64)> {
    let mut federation = federation(seed, &["east", "north", "west"]).await;
    let first = federation.sites[0].bundle().unwrap();
    federation.label().await;
    for site in &federation.sites {
        let closed = site.release_statistics().unwrap();
        assert_eq!((closed.window, closed.nano_rho), (1, window_nano_rho()));
    }
    federation.sent().await;
    for site in &federation.sites {
        assert_eq!(federation.check_site(site), (STATISTICS, window_nano_rho()));
    }

    let run = federation.train(ROUNDS);
    if cut {
        let north = &federation.sites[1];
        let waits = || {
            let entries = north.entries();
            entries.iter().any(|e| e.kind == "update" && e.acknowledged_at.is_none())
        };
        federation.until("the update of the north", waits).await;
        federation.network.cut(north.host);
        sleep(Duration::from_secs(60)).await;
        // The others have answered long ago; the round waits for the north.
        let states = |federation: &Federation| {
            let rounds = federation.run(run).rounds;
            assert_eq!(rounds.len(), 1);
            rounds[0].sites.iter().map(|site| site.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&federation), ["answered", "waiting", "answered"]);
        federation.restart_coordinator().await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(states(&federation), ["answered", "waiting", "answered"]);
        federation.network.heal(federation.sites[1].host);
    }
    let last = federation.trained(run).await;
    assert_ne!(last, first);
    federation.sent().await;

    let ended = federation.run(run);
    assert_eq!(ended.rounds.len(), usize::try_from(ROUNDS).unwrap());
    for round in &ended.rounds {
        let summed = round.sites.iter().filter(|site| site.state == "summed").count();
        assert_eq!((round.state, summed), ("closed", 3));
    }
    assert_eq!(federation.alerts(), 0);
    let totals: Vec<(u64, u64)> =
        federation.sites.iter().map(|site| federation.check_site(site)).collect();
    let training = ended.round_nano_rho * u64::from(ROUNDS);
    let all = STATISTICS + u64::from(ROUNDS);
    assert_eq!(totals, [(all, window_nano_rho() + training); 3]);
    let trace = federation.network.trace();
    assert!(trace.lost > 0, "{trace:?}");
    federation.stop().await;
    totals
}

#[tokio::test(start_paused = true)]
async fn a_cut_in_the_middle_of_a_round_changes_no_total() {
    let undisturbed = once_round(1, false).await;
    assert_eq!(once_round(2, true).await, undisturbed);
}

/// A new head against the one in use, on what each site holds out by a keyed hash of the subject.
#[tokio::test(start_paused = true)]
async fn what_sites_hold_out_of_training_decides_about_a_new_model() {
    let federation = federation(6, &["east", "north", "west"]).await;
    let first = federation.sites[0].bundle().unwrap();
    federation.label().await;
    let held_out: u64 = federation.sites.iter().map(Site::held_out).sum();
    assert!((60..170).contains(&held_out), "{held_out} items are held out");
    let candidate = federation.register_flipped();
    let id = federation.evaluate(candidate);
    federation.until("the evaluation to end", || federation.evaluation(id).state != "open").await;
    let found = federation.evaluation(id);
    assert_eq!((found.state, found.sites.len()), ("finished", 3));
    let Figures::Known { n, current, candidate, difference, low, passes, .. } = found.figures
    else {
        panic!("undefined: {:?}", found.figures)
    };
    // Each answer has its own noise; the price was high, so it is little.
    assert!((n - held_out as f64).abs() < 15.0, "{n} of {held_out}");
    let (current, candidate) = (current.accuracy.value, candidate.accuracy.value);
    assert!((current + candidate - 1.0).abs() < 0.1, "one is right: {current} {candidate}");
    assert!((candidate - current - difference).abs() < 1e-6 && low < difference);
    assert_eq!(passes, low >= -0.02);
    assert!(federation.all_use(first));
    federation.sent().await;
    for site in &federation.sites {
        let (releases, nano_rho) = federation.check_site(site);
        assert_eq!((releases, nano_rho), (1, found.nano_rho));
    }
    federation.stop().await;
}

/// Kills the agent while its window's releases are on their way, starts it again, and expects each
/// release to arrive once, with the bytes that were charged before.
async fn killed(seed: u64, received_before: u64) {
    let mut federation = federation(seed, &["north"]).await;
    federation.label().await;
    let site = &federation.sites[0];
    site.release_statistics().unwrap();
    let charged = site.entries();
    let received = |federation: &Federation| {
        let name = &federation.sites[0].name;
        let end = federation
            .coordinator
            .office()
            .store
            .read("end", |tx| tx.chain_end(name, &"a1".parse().unwrap()));
        end.unwrap().map_or(0, |end| end.sequence)
    };
    let acknowledged = |federation: &Federation| {
        let entries = federation.sites[0].entries();
        entries.iter().filter(|entry| entry.acknowledged_at.is_some()).count() as u64
    };
    if received_before == 0 {
        // Charged and queued, and a few slots pass in vain.
        federation.network.cut(site.host);
        sleep(Duration::from_secs(10)).await;
    } else {
        // The coordinator has it, and its answer is lost.
        federation.until("a release", || received(&federation) >= received_before).await;
        federation.network.cut(site.host);
    }
    assert_eq!(received(&federation), received_before);
    assert!(acknowledged(&federation) < received_before.max(1));
    federation.sites[0].kill().await;
    let host = federation.sites[0].host;
    federation.network.heal(host);
    federation.sites[0].start();
    federation.sent().await;

    let site = &federation.sites[0];
    let ids = |entries: &[store::ledger::Entry]| {
        entries.iter().map(|entry| (entry.id, entry.chain)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&site.entries()), ids(&charged));
    assert_eq!(federation.check_site(site), (STATISTICS, window_nano_rho()));
    assert_eq!(federation.alerts(), 0);
    // They are sums over one window, each counted once.
    let counted = federation.coordinator.office().store.read("counted", |tx| {
        Ok::<_, StoreError>(tx.counted(&project(), &Body::Confusion { window: 1 })?.len())
    });
    assert_eq!(counted.unwrap(), 1);
    federation.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_killed_before_anything_arrived_sends_the_same_bytes() {
    killed(3, 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_killed_before_the_acknowledgement_sends_nothing_twice() {
    killed(4, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_restored_backup_is_noticed_and_releases_nothing() {
    let mut federation = federation(5, &["north"]).await;
    federation.label().await;
    // A backup of the store, made while the agent is stopped.
    federation.sites[0].stop().await;
    // The witness is in the same backup here, so only the coordinator can tell.
    let files =
        [store::FILE, config::WITNESS_FILE].map(|file| federation.sites[0].data().join(file));
    let backup = files.clone().map(|file| fs::read(file).ok());
    federation.sites[0].start();
    federation.sites[0].release_statistics().unwrap();
    federation.sent().await;
    assert_eq!(federation.check_site(&federation.sites[0]), (STATISTICS, window_nano_rho()));

    federation.sites[0].stop().await;
    for (file, bytes) in files.iter().zip(backup) {
        match bytes {
            Some(bytes) => fs::write(file, bytes).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
    }
    // Cut off, the agent cannot know yet: it charges a window of another noise, and keeps it.
    federation.network.cut(federation.sites[0].host);
    federation.sites[0].start();
    federation.sites[0].release_statistics().unwrap();
    sleep(Duration::from_secs(30)).await;
    federation.network.heal(federation.sites[0].host);
    let site = &federation.sites[0];
    let refused = || {
        let refused = site.release_statistics();
        let Err(WindowError::Outbox(OutboxError::Restored { theirs, ours })) = refused else {
            return false;
        };
        assert_eq!((theirs, ours), (STATISTICS, site.verify().releases));
        true
    };
    // Contact is what tells: backing off after the cut takes less than a minute.
    sleep(Duration::from_secs(60)).await;
    assert!(refused());

    // Nor is a round answered; and nothing of the second history ever arrives.
    let charged = site.verify().charged;
    let run = federation.train(ROUNDS);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(federation.run(run).rounds[0].sites[0].state, "waiting");
    assert_eq!(site.verify().charged, charged);
    let budget = insitu_coordinator::ledger::report(&federation.coordinator.office().store, None);
    assert_eq!(budget.unwrap().sites[0].releases, STATISTICS);
    assert!(refused(), "a restart of nothing and a new contact do not help");
    federation.stop().await;
}
