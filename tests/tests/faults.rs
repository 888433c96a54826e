//! What goes wrong outside the network: disks, models, certificates, copied tokens.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::Duration;

use insitu_agent::store::orders::{BundleRow, BundleState};
use insitu_agent::uplink::Membership;
use insitu_coordinator::campaign::{self, Plan, Target};
use insitu_coordinator::publish;
use insitu_daemon::credentials::Credentials;
use insitu_daemon::enroll::EnrollError;
use insitu_daemon::link::client::CallError;
use insitu_models::bundle::Bundle;
use insitu_protocol::ids::{Digest, digest};
use insitu_protocol::order::{Clause, Selector};
use insitu_protocol::project::Project;
use insitu_protocol::response::Refusal;
use insitu_tests::federation::{Federation, shipped, shipped_bundle, shipped_project};
use insitu_tests::simnet::{Conditions, Network};
use insitu_tests::site::Site;
use tokio::time::sleep;

const FAIR: Conditions = Conditions {
    delay: Duration::from_millis(20),
    jitter: Duration::from_millis(5),
    lost_per_mille: 10,
    doubled_per_mille: 0,
};

fn network(seed: u64) -> Network {
    Network::new(seed, FAIR)
}

fn bundle_row(site: &Site, bundle: Digest) -> Option<BundleRow> {
    site.store().read("bundle", |tx| tx.bundle(&bundle)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_in_an_object_is_refused_and_fetched_again() {
    let mut federation = Federation::found(network(1), "30days");
    federation.join("north").await;
    let site = &federation.sites[0];
    federation.network.cut(site.host);
    let office = federation.coordinator.office();
    publish::project(&office.store, &shipped_project(), office.now_unix_s()).unwrap();
    let shipped = shipped_bundle();
    let published = federation.publish_bundle(&shipped);
    let backbone = shipped.manifest().backbone.digest;
    let file = office.config.objects_folder().join(backbone.to_hex());
    let right = fs::read(&file).unwrap();
    let mut wrong = right.clone();
    wrong[right.len() / 2] ^= 1;
    fs::write(&file, &wrong).unwrap();
    federation.network.heal(site.host);

    let refused =
        || bundle_row(site, published).is_some_and(|row| row.note.contains("another content"));
    federation.until("the object to be refused", refused).await;
    sleep(Duration::from_secs(180)).await;
    assert_eq!(bundle_row(site, published).unwrap().state, BundleState::Wanted);
    assert_eq!(site.bundle(), None);
    assert!(!site.data().join("objects").join(backbone.to_hex()).exists());

    fs::write(&file, &right).unwrap();
    federation.until("the right object", || site.bundle() == Some(published)).await;
    federation.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_enrolled_for_another_site_hears_what_that_was_told_before() {
    let mut federation = Federation::found(network(4), "30days");
    federation.join("north").await;
    let bundle = federation.publish().await;
    let token = federation.admit("south");
    let office = federation.coordinator.office();
    let project = shipped_project();
    let plan = Plan {
        project: project.name.clone(),
        target: Target::Slice(
            Selector::new(vec![Clause::Feature { feature: 0, bins: 1 }]).unwrap(),
        ),
        sites: Some(vec![token.site.clone()]),
        title: None,
        closes_in: Duration::from_secs(3600),
        items_max: 10,
        epsilon: 0.5,
    };
    let campaign = campaign::create(&office.store, &plan, office.now_unix_s()).unwrap().campaign;
    sleep(Duration::from_secs(60)).await;
    let newer = Project { version: project.version + 1, ..project };
    publish::project(&office.store, &newer, office.now_unix_s()).unwrap();
    let version = || federation.sites[0].project().map(|row| row.definition.version);
    federation.until("north to hear of a project", || version() == Some(newer.version)).await;

    let host = federation.sites[0].host;
    let north = federation.sites[0].name.clone();
    federation.sites[0].stop().await;
    let office = federation.coordinator.office();
    office.store.write("revoke", |tx| tx.revoke_site(&north, office.now_unix_s())).unwrap();
    let member = federation.redeem(&token, "a2", host).await.unwrap();
    let site = &mut federation.sites[0];
    site.enroll(token.site, &member);
    site.start();
    let site = &federation.sites[0];
    let heard = || site.store().read("campaign", |tx| tx.campaign(&campaign)).unwrap().is_some();
    federation.until("the campaign of south", heard).await;
    assert_eq!(site.bundle(), Some(bundle));
    federation.stop().await;
}

/// The shipped bundle with golden outputs that no engine gives: its first golden row has another
/// patient than the one whose features it claims.
fn impossible_bundle() -> Bundle {
    let mut golden: serde_json::Value =
        serde_json::from_slice(&fs::read(shipped().join("golden.json")).unwrap()).unwrap();
    let rows = golden["rows"].as_array_mut().unwrap();
    rows.swap(0, 1);
    let golden = serde_json::to_vec(&golden).unwrap();
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(shipped().join("manifest.json")).unwrap()).unwrap();
    manifest["golden"]["digest"] = digest(&golden).to_hex().into();
    manifest["golden"]["bytes"] = golden.len().into();
    let folder = tempfile::tempdir().unwrap();
    for name in ["backbone.onnx", "head.bin"] {
        fs::copy(shipped().join(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("golden.json"), golden).unwrap();
    fs::write(folder.path().join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    Bundle::open(folder.path()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn wrong_golden_outputs_keep_the_old_bundle() {
    let mut federation = Federation::found(network(2), "30days");
    federation.join("north").await;
    let old = federation.publish().await;
    let site = &federation.sites[0];
    let new = federation.publish_bundle(&impossible_bundle());
    let failed = || bundle_row(site, new).is_some_and(|row| row.state == BundleState::Failed);
    federation.until("the bundle to fail", failed).await;
    let note = bundle_row(site, new).unwrap().note;
    assert!(note.contains("golden row 1"), "{note}");
    assert_eq!(site.bundle(), Some(old));
    // The old one still works, also after a restart.
    let site = &mut federation.sites[0];
    site.stop().await;
    site.start();
    federation.label().await;
    assert_eq!(federation.sites[0].bundle(), Some(old));
    federation.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_renewed_at_two_thirds_of_its_life_and_outlived() {
    let mut federation = Federation::found(network(3), "40m");
    federation.join("north").await;
    federation.publish().await;
    let site = &federation.sites[0];
    let file = Membership::new(&site.data()).credentials_file();
    let first = Credentials::load(&file).unwrap();
    let now = || federation.clock.now().as_second();
    let seconds = |from: i64, to: i64| Duration::from_secs(u64::try_from(to - from).unwrap());
    sleep(seconds(now(), first.renew_at().as_second() - 5)).await;
    assert_eq!(Credentials::load(&file).unwrap().serial(), first.serial());
    // The next heartbeat renews it; heartbeats are 20 s apart.
    sleep(Duration::from_secs(30)).await;
    let second = Credentials::load(&file).unwrap();
    assert_ne!(second.serial(), first.serial());
    assert_eq!(second.identity(), first.identity());
    assert!(second.not_after() > first.not_after());
    // When the first has expired, the second still speaks for the site.
    sleep(seconds(now(), first.not_after().as_second() + 60)).await;
    federation.label().await;
    federation.sites[0].release_statistics().unwrap();
    federation.sent().await;
    assert_eq!(federation.check_site(&federation.sites[0]).0, 4);
    federation.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_once_and_not_for_long() {
    let federation = Federation::found(network(4), "30days");
    let [first, thief, late] = [[10, 0, 1, 1], [10, 0, 2, 1], [10, 0, 3, 1]];
    let token = federation.admit("north");
    federation.redeem(&token, "a1", first.into()).await.unwrap();
    let refusal = |outcome: Result<_, EnrollError>| match outcome {
        Err(EnrollError::Call { source: CallError::Refused { source } }) => source,
        other => panic!("{other:?}"),
    };
    // Whoever copied the token has another key, whatever name it takes.
    assert_eq!(refusal(federation.redeem(&token, "a1", thief.into()).await), Refusal::Token);
    assert_eq!(refusal(federation.redeem(&token, "a2", thief.into()).await), Refusal::Token);
    let token = federation.admit("south");
    sleep(Duration::from_secs(3601)).await;
    assert_eq!(refusal(federation.redeem(&token, "a1", late.into()).await), Refusal::Token);
    federation.stop().await;
}
