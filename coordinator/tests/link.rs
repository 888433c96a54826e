//! A whole coordinator on loopback sockets: joining, releasing, fetching, revocation, restart.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use insitu_coordinator::config::{self, Config};
use insitu_coordinator::intake::enrollment::make_token;
use insitu_coordinator::{Coordinator, ServeError, downlink, publish};
use insitu_daemon::clock::{Clock, SystemClock};
use insitu_daemon::credentials::{Credentials, KeyRequest};
use insitu_daemon::enroll::{self, EnrollError, Token};
use insitu_daemon::link::client::{self, CallError, Connector, Link, Timeouts};
use insitu_daemon::link::server;
use insitu_daemon::shutdown::{self, Trigger};
use insitu_models::bundle::Bundle;
use insitu_models::sign::PublicKey;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::facts::{DeviceFacts, EngineKind};
use insitu_protocol::order::Order;
use insitu_protocol::release::{Body, CHAIN_START, Release, Values};
use insitu_protocol::response::{HelloAnswer, Refusal};
use tokio::task::JoinHandle;

const FACTS: DeviceFacts = DeviceFacts {
    version: [0, 1, 0],
    uptime_days: 0,
    load_quarters: 0,
    memory_tenths: 1,
    disk_tenths: 1,
    temperature_tens: None,
    engine: EngineKind::None,
};

/// A coordinator that serves.
struct Served {
    coordinator: Coordinator,
    address: SocketAddr,
    stop: Trigger,
    running: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    fn start(folder: &Path) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let coordinator = Coordinator::open(config(folder), clock).unwrap();
        let endpoint = server::endpoint("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (stop, shutdown) = shutdown::pair();
        let serving = coordinator.clone();
        #[expect(clippy::disallowed_methods, reason = "the test joins it")]
        let running = tokio::spawn(async move { serving.serve(endpoint, None, shutdown).await });
        Self { coordinator, address, stop, running }
    }

    async fn stop(self) {
        self.stop.request();
        self.running.await.unwrap().unwrap();
    }

    fn token(&self, site: &str) -> Token {
        let office = self.coordinator.office();
        let (site, valid) = (site.parse().unwrap(), Duration::from_secs(60));
        make_token(&office.store, &office.authority, &site, valid, office.now_unix_s()).unwrap()
    }

    async fn join(&self, token: &Token) -> Result<(Credentials, Fixed<32>), EnrollError> {
        let (endpoint, clock) = (client::endpoint().unwrap(), Arc::new(SystemClock));
        let address = self.address.to_string();
        let agent = "a1".parse().unwrap();
        let key = KeyRequest::generate().unwrap();
        let member = enroll::join(&endpoint, &address, token, agent, key, clock).await?;
        Ok((member.credentials, member.bundle_key))
    }

    async fn connect(&self, credentials: &Credentials) -> Result<(Link, HelloAnswer), CallError> {
        let (endpoint, clock) = (client::endpoint().unwrap(), Arc::new(SystemClock));
        let address = self.address.to_string();
        Connector::new(endpoint, address, credentials, clock, Timeouts::default())
            .unwrap()
            .connect(FACTS)
            .await
    }
}

fn config(folder: &Path) -> Config {
    Config::read(&folder.join(config::FILE)).unwrap()
}

/// A federation with the shipped project and bundle, and one site.
fn found(folder: &Path) {
    let federation = "heart".parse().unwrap();
    let (link, http) = ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap());
    std::fs::write(folder.join(config::FILE), config::example(&federation, link, http)).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Coordinator::create(&config(folder), federation, Arc::clone(&clock)).unwrap();
    let coordinator = Coordinator::open(config(folder), clock).unwrap();
    let office = coordinator.office();
    let (site, now) = ("north".parse().unwrap(), office.now_unix_s());
    office
        .store
        .write("add", |tx| tx.add_site(&site, now).and_then(|_| downlink::welcome(tx, &site)))
        .unwrap();
    let text = std::fs::read_to_string(shipped().join("project.toml")).unwrap();
    let project: insitu_protocol::project::Project = toml::from_str(&text).unwrap();
    publish::project(&office.store, &project, now).unwrap();
    let bundle = Bundle::open(&shipped()).unwrap();
    publish::import(&office.store, &office.registry, &office.key, &project.name, &bundle, now)
        .unwrap();
}

fn shipped() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundles/heart-disease")
}

fn release(sequence: u64, previous: Fixed<32>) -> Vec<u8> {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&sequence.to_le_bytes());
    Release {
        id: Fixed(id),
        sequence,
        previous,
        project: "heart-disease".parse().unwrap(),
        project_version: 1,
        body: Body::Confusion { window: u32::try_from(sequence).unwrap() },
        nano_rho: 1_000_000,
        scale_1024: 2048,
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
        Order::Project(_) | Order::Round(_) | Order::Campaign(_) | Order::Session(_) => None,
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
