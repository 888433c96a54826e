//! Both sides of the link over a simulated network, on a paused clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../../../tests/src/simnet.rs"]
#[allow(unreachable_pub, reason = "public in the crate that has it")]
mod simnet;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::clock::{Clock, RuntimeClock};
use insitu_daemon::link::client::{CallError, Connector, Timeouts};
use insitu_daemon::link::reset::ResetKey;
use insitu_daemon::link::server::{Limits, Server};
use insitu_daemon::shutdown::{self, Trigger};
use insitu_protocol::response::Refusal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use simnet::{Conditions, Network, Trace};
use support::{FACTS, Federation, TestHandler};

const BAD: Conditions = Conditions {
    delay: Duration::from_millis(100),
    jitter: Duration::from_millis(30),
    lost_per_mille: 100,
    doubled_per_mille: 20,
};

struct World {
    network: Network,
    federation: Federation,
    handler: Arc<TestHandler>,
    clock: Arc<dyn Clock>,
    _trigger: Trigger,
    _tasks: JoinSet<()>,
}

fn coordinator() -> SocketAddr {
    "10.0.0.1:4433".parse().unwrap()
}

fn agent() -> SocketAddr {
    "10.0.1.1:50000".parse().unwrap()
}

fn key() -> quinn::EndpointConfig {
    ResetKey::new([7; 32]).endpoint_config()
}

fn world(seed: u64, conditions: Conditions) -> World {
    let network = Network::new(seed, conditions);
    let endpoint = network.endpoint_with(key(), coordinator()).unwrap();
    let federation = Federation::new("heart");
    let clock: Arc<dyn Clock> =
        Arc::new(RuntimeClock::starting_at("2026-03-01T00:00:00Z".parse().unwrap()));
    let server = Server::new(
        endpoint,
        &federation.authority.issue_server().unwrap(),
        Limits::default(),
        Arc::clone(&clock),
    )
    .unwrap();
    let handler = Arc::new(federation.handler());
    let (trigger, stop) = shutdown::pair();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(Arc::clone(&handler), stop));
    World { network, federation, handler, clock, _trigger: trigger, _tasks: tasks }
}

impl World {
    fn connector(&self) -> Connector {
        self.connector_at(agent())
    }

    fn connector_at(&self, address: SocketAddr) -> Connector {
        let credentials = self.federation.agent("a");
        let endpoint = self.network.endpoint(address).unwrap();
        let address = coordinator().to_string();
        let clock = Arc::clone(&self.clock);
        Connector::new(endpoint, address, &credentials, clock, Timeouts::default()).unwrap()
    }
}

/// Sends 50 releases of 20 kB over a bad network; gives what the network saw and how long it took.
async fn fifty_releases(seed: u64) -> (Trace, Duration) {
    let world = world(seed, BAD);
    let start = Instant::now();
    let (link, _) = world.connector().connect(FACTS).await.unwrap();
    for number in 0..50 {
        let receipt = link.submit(vec![number; 20_000]).await.unwrap();
        assert_eq!(receipt.sequence, 20_000);
    }
    assert_eq!(world.handler.seen.lock().unwrap().len(), 51);
    (world.network.trace(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_bad_network_loses_datagrams_but_no_release() {
    let (trace, took) = fifty_releases(7).await;
    println!("{trace:?} in {took:?} of simulated time");
    assert!(trace.lost * 20 > trace.sent, "{trace:?}");
    // A round trip is 200 ms at least; each release takes one.
    assert!(took > Duration::from_secs(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn one_seed_is_one_history() {
    let first = fifty_releases(11).await;
    assert_eq!(fifty_releases(11).await, first);
    assert_ne!(fifty_releases(12).await, first);
}

#[tokio::test(start_paused = true)]
async fn a_cut_line_is_noticed_and_a_new_connection_works() {
    let world = world(1, Conditions::default());
    let connector = world.connector();
    let (link, _) = connector.connect(FACTS).await.unwrap();
    world.network.cut(agent().ip());
    let error = link.poll(0).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }) && error.is_transient(), "{error:?}");
    let error = connector.connect(FACTS).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    world.network.heal(agent().ip());
    world.network.set_conditions(BAD);
    let (link, _) = connector.connect(FACTS).await.unwrap();
    link.poll(0).await.unwrap();
}

/// A killed coordinator says no farewell; the one that is started in its place does not know the
/// connection. With its key it can say so, and without the agent waits until the connection is stale.
#[tokio::test(start_paused = true)]
async fn a_killed_coordinator_is_noticed_at_the_next_request() {
    for (same_key, seconds) in [(true, 0..2), (false, 5..40)] {
        let world = world(4, Conditions::default());
        let (link, _) = world.connector().connect(FACTS).await.unwrap();
        link.poll(0).await.unwrap();
        let other = || ResetKey::new([8; 32]).endpoint_config();
        let successor = if same_key { key() } else { other() };
        // It takes the address over: the first one hears and says nothing any more.
        let endpoint = world.network.endpoint_with(successor, coordinator()).unwrap();
        let start = Instant::now();
        let error = link.poll(0).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}");
        let took = start.elapsed().as_secs();
        assert!(seconds.contains(&took), "{took} s, same key: {same_key}");
        drop(endpoint);
    }
}

#[tokio::test(start_paused = true)]
async fn half_open_handshakes_do_not_keep_others_out() {
    let world = world(3, Conditions { delay: Duration::from_millis(50), ..Conditions::default() });
    let mut dialing = JoinSet::new();
    for host in 0..150 {
        let address = SocketAddr::from(([10, 1, 0, host], 50_000));
        let connector = world.connector_at(address);
        dialing.spawn(async move { drop(connector.connect(FACTS).await) });
    }
    // Their first datagrams are on the way; from here on they say and hear nothing.
    sleep(Duration::from_millis(10)).await;
    for host in 0..150 {
        world.network.cut([10, 1, 0, host].into());
    }
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    world.connector().connect(FACTS).await.unwrap();
    // Handshake and hello take two round trips; proving the address takes a third.
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_lives_until_its_certificate_is_revoked() {
    let world = world(2, BAD);
    let (link, _) = world.connector().connect(FACTS).await.unwrap();
    // Not longer: each second of it is simulated.
    sleep(Duration::from_hours(2)).await;
    link.poll(0).await.expect("a link that says nothing is kept open");
    world.handler.revoke_all();
    let start = Instant::now();
    link.closed().await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let refused = link.poll(0).await;
    assert!(matches!(refused, Err(CallError::Refused { source: Refusal::NotMember })));
}
