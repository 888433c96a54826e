//! A whole coordinator on loopback sockets: joining, releasing, fetching, revocation, restart, and
//! secure aggregation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use insitu_coordinator::session::session_of;
use insitu_coordinator::session::vector::{Asked, Collected};
use insitu_coordinator::{Coordinator, ServeError};
use insitu_daemon::clock::SystemClock;
use insitu_daemon::enroll::EnrollError;
use insitu_daemon::link::client::CallError;
use insitu_models::bundle::Bundle;
use insitu_models::sign::PublicKey;
use insitu_privacy::{GaussianScale, Rho};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::order::Order;
use insitu_protocol::project::Project;
use insitu_protocol::release::{Body, CHAIN_START, Release, Values};
use insitu_protocol::response::Refusal;

use support::{Masked, Served, config, found, play_masked, shipped};

/// A window of the shipped project, at the price that it asks for.
fn release(sequence: u64, previous: Fixed<32>) -> Vec<u8> {
    let text = std::fs::read_to_string(shipped().join("project.toml")).unwrap();
    let project: Project = toml::from_str(&text).unwrap();
    let Asked { sensitivity, nano_rho, .. } = Collected::Confusion.asked(&project);
    let scale = GaussianScale::for_budget(sensitivity, Rho::from_nano(nano_rho)).unwrap();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&sequence.to_le_bytes());
    Release {
        id: Fixed(id),
        sequence,
        previous,
        project: project.name,
        project_version: project.version,
        body: Body::Confusion { window: u32::try_from(sequence).unwrap() },
        nano_rho,
        scale_1024: scale.steps(),
        values: Values(vec![10, -3, 4, 12]),
    }
    .encode()
    .unwrap()
}

#[tokio::test]
async fn an_agent_joins_releases_and_fetches_and_a_restart_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path());
    let served = Served::start(folder.path());
    let token = served.token("north");
    let (credentials, bundle_key) = served.join(&token).await.unwrap();
    // A token is good once: the second agent has another key.
    let again = served.join(&token).await.unwrap_err();
    let EnrollError::Call { source: CallError::Refused { source } } = again else {
        panic!("{again:?}")
    };
    assert_eq!(source, Refusal::Token);

    let (link, hello) = served.connect(&credentials).await.unwrap();
    assert_eq!(hello.acknowledged, None);
    let first = link.submit(release(1, CHAIN_START)).await.unwrap();
    assert_eq!(link.submit(release(1, CHAIN_START)).await.unwrap(), first);
    let gap = link.submit(release(3, first.chain)).await.unwrap_err();
    assert!(matches!(gap, CallError::Refused { source: Refusal::Chain { expected: 2, got: 3 } }));
    served.stop().await;

    let served = Served::start(folder.path());
    let (link, hello) = served.connect(&credentials).await.unwrap();
    assert_eq!(hello.acknowledged, Some(first.clone()));
    link.submit(release(2, first.chain)).await.unwrap();

    let orders = link.poll(0).await.unwrap();
    let bundle = orders.into_iter().find_map(|numbered| match numbered.order {
        Order::Bundle(bundle) => Some(bundle),
        Order::Project(_)
        | Order::TaskProject(_)
        | Order::Candidate(_)
        | Order::ThresholdProject(_)
        | Order::Round(_)
        | Order::CoarseRound(_)
        | Order::Campaign(_)
        | Order::Session(_)
        | Order::Functions(_)
        | Order::Evaluation(_) => None,
    });
    let bundle = bundle.unwrap();
    PublicKey(bundle_key).verify(&bundle.manifest.0, &bundle.signature).unwrap();
    let mut objects = Vec::new();
    for (object, _) in Bundle::open(&shipped()).unwrap().objects() {
        let (total, bytes) = link.fetch(object.digest, 0).await.unwrap();
        assert_eq!(total, object.bytes);
        objects.push((object, bytes.0));
    }
    let fetched = Bundle::from_objects(bundle.manifest.0, |object| {
        objects.iter().find(|(known, _)| known == object).map(|(_, bytes)| bytes.clone())
    });
    assert_eq!(fetched.unwrap(), Bundle::open(&shipped()).unwrap());
    let missing = link.fetch(Fixed([1; 32]), 0).await.unwrap_err();
    assert!(matches!(missing, CallError::Refused { source: Refusal::UnknownObject }));
    served.stop().await;
}

#[tokio::test]
async fn revocation_ends_live_connections_and_keeps_the_site_out() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path());
    let served = Served::start(folder.path());
    let (credentials, _) = served.join(&served.token("north")).await.unwrap();
    let (link, _) = served.connect(&credentials).await.unwrap();
    // As the command does it: from another process, over another connection to the store.
    let command = Coordinator::open(config(folder.path()), Arc::new(SystemClock)).unwrap();
    let site = "north".parse().unwrap();
    let now = command.office().now_unix_s();
    assert!(command.office().store.write("revoke", |tx| tx.revoke_site(&site, now)).unwrap());
    tokio::time::timeout(Duration::from_secs(20), link.closed()).await.unwrap();
    assert!(served.connect(&credentials).await.is_err());
    served.stop().await;
}

#[tokio::test]
async fn one_process_serves_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path());
    let served = Served::start(folder.path());
    let (credentials, _) = served.join(&served.token("north")).await.unwrap();
    let second = Served::start(folder.path());
    assert!(matches!(second.running.await.unwrap(), Err(ServeError::Lock { .. })));
    served.connect(&credentials).await.unwrap();
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_agents_sum_a_head_over_mutual_tls() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path());
    let served = Served::start(folder.path());
    let Masked { order, seconds, bytes, busy } = play_masked(&served).await;
    let session = session_of(&order).unwrap().parameters().id.0;
    let sum = served.coordinator.office().store.read("sum", |tx| tx.session_sum(Fixed(session)));
    // Each site adds its position and one, to every value.
    assert_eq!(sum.unwrap().unwrap().sums, vec![55; 77 * 385]);
    println!(
        "ten sites, 29,645 values, mutual TLS on loopback: {seconds:.2} s; a site sends {bytes} \
         bytes and is busy for {:.1} ms",
        1e3 * busy
    );
    assert!(bytes <= 121_000, "{bytes}");
    assert!(seconds < 20.0, "{seconds} s, also on a machine that does much else");
    served.stop().await;
}
