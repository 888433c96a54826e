//! A whole coordinator on loopback sockets: joining, releasing, fetching, revocation, restart, and
//! secure aggregation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use insitu_coordinator::api::Office;
use insitu_coordinator::config::{self, Config};
use insitu_coordinator::intake::enrollment::make_token;
use insitu_coordinator::session::{Proposal, propose, session_of};
use insitu_coordinator::store::StoreError;
use insitu_coordinator::{Coordinator, ServeError, downlink, publish};
use insitu_daemon::clock::{Clock, SystemClock};
use insitu_daemon::credentials::{Credentials, KeyRequest};
use insitu_daemon::enroll::{self, EnrollError, Token};
use insitu_daemon::link::client::{self, CallError, Connector, Link, Timeouts};
use insitu_daemon::link::server;
use insitu_daemon::shutdown::{self, Trigger};
use insitu_models::bundle::Bundle;
use insitu_models::sign::PublicKey;
use insitu_privacy::secagg::{Client, ConsentKey, Roots, Stage};
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::facts::{DeviceFacts, EngineKind};
use insitu_protocol::ids::SiteName;
use insitu_protocol::order::{Order, RoundOrder};
use insitu_protocol::release::{Body, CHAIN_START, Release, Values};
use insitu_protocol::response::{HelloAnswer, Refusal};
use insitu_protocol::session::{Purpose, SessionAnswer, SessionOrder};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

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
        Order::Project(_)
        | Order::Round(_)
        | Order::CoarseRound(_)
        | Order::Campaign(_)
        | Order::Session(_) => None,
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

/// Sites of the measured round.
const SITES: u8 = 10;
/// Its head: 29,645 parameters.
const SHAPE: (u16, u32) = (77, 385);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_agents_sum_a_head_over_mutual_tls() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path());
    let served = Served::start(folder.path());
    let mut links = Vec::new();
    for seed in 1..=SITES {
        let site: SiteName = format!("site-{seed}").parse().unwrap();
        let office = served.coordinator.office();
        office.store.write("add", |tx| tx.add_site(&site, office.now_unix_s())).unwrap();
        let (credentials, _) = served.join(&served.token(site.as_str())).await.unwrap();
        let (link, _) = served.connect(&credentials).await.unwrap();
        let key = ConsentKey::new(&[seed; 32]);
        link.announce(Fixed(key.verify_key())).await.unwrap();
        links.push((link, key));
    }
    let order = propose_round(served.coordinator.office());
    let start = Instant::now();
    let mut sites = JoinSet::new();
    for (index, (link, key)) in links.into_iter().enumerate() {
        let order = order.clone();
        sites.spawn(async move { take_part(&link, &key, &order, index).await });
    }
    let costs = sites.join_all().await;
    let seconds = start.elapsed().as_secs_f64();
    let session = session_of(&order).unwrap().parameters().id.0;
    let sum = served.coordinator.office().store.read("sum", |tx| tx.session_sum(Fixed(session)));
    // Each site adds its position and one, to every value.
    assert_eq!(sum.unwrap().unwrap().sums, vec![55; 77 * 385]);
    let (bytes, busy): (Vec<usize>, Vec<f64>) = costs.into_iter().unzip();
    let (bytes, busy) = (bytes.into_iter().max().unwrap(), busy.iter().sum::<f64>() / 10.0);
    println!(
        "ten sites, 29,645 values, mutual TLS on loopback: {seconds:.2} s; a site sends {bytes} \
         bytes and is busy for {:.1} ms",
        1e3 * busy
    );
    assert!(bytes <= 121_000, "{bytes}");
    assert!(seconds < 20.0, "{seconds} s, also on a machine that does much else");
    served.stop().await;
}

fn propose_round(office: &Office) -> SessionOrder {
    let store = &office.store;
    let project = store.read("project", |tx| tx.project(&"heart-disease".parse().unwrap()));
    let project = project.unwrap().unwrap();
    let round = RoundOrder {
        run: Fixed([1; 16]),
        round: 1,
        rounds: 1,
        project: project.name.clone(),
        backbone: Fixed([2; 32]),
        head: Bytes(vec![0; 4 * 77 * 385]),
        classes: SHAPE.0,
        features: SHAPE.1,
        clip_milli: 1000,
        fraction_bits: 12,
        nano_rho: 1_000_000,
        closes_unix_s: office.now_unix_s() + 600,
    };
    let id = store.write::<_, StoreError>("propose", |tx| {
        let invited = tx.members()?;
        let purpose = Purpose::Update(round);
        let (project, invited) = (&project, &invited[..]);
        let proposal =
            Proposal { purpose, project, attempt: 0, invited, colluders: None, closes_in_s: 600 };
        propose(tx, proposal, office.now_unix_s())
    });
    let id = id.unwrap().unwrap();
    store.read("session", |tx| tx.session(id)).unwrap().unwrap().order
}

/// A site's part of a session; the bytes that it sends, and the seconds that it computes.
async fn take_part(
    link: &Link,
    key: &ConsentKey,
    order: &SessionOrder,
    index: usize,
) -> (usize, f64) {
    let session = session_of(order).unwrap();
    let id = Fixed(session.parameters().id.0);
    let roster = &session.parameters().roster;
    let position = roster.iter().position(|site| site.verify_key == key.verify_key()).unwrap();
    let Purpose::Update(round) = &order.purpose else { panic!() };
    let (mut bytes, mut busy) = (0, Duration::ZERO);
    let begin = Instant::now();
    let seed = u8::try_from(index).unwrap();
    let (mut client, unsent) =
        Client::start(session.clone(), position, key, Roots::new([seed; 96])).unwrap();
    busy += begin.elapsed();
    let mut body = unsent.store(|_| Ok::<_, Infallible>(())).unwrap();
    for stage in Stage::ALL {
        bytes += body.len();
        let number = stage as u8;
        if stage == Stage::Masked {
            let values = body.as_chunks::<4>().0.iter();
            let values = values.map(|value| i32::from_le_bytes(*value)).collect();
            let vector = Release {
                id: Fixed([seed; 16]),
                sequence: 1,
                previous: CHAIN_START,
                project: round.project.clone(),
                project_version: 1,
                body: Body::MaskedUpdate { run: round.run, round: 1, session: id },
                nano_rho: round.nano_rho,
                scale_1024: order.parts[0].scale_1024,
                values: Values(values),
            };
            link.submit(vector.encode().unwrap()).await.unwrap();
            body = Vec::new();
        }
        let answer = loop {
            match link.session(id, number, std::mem::take(&mut body)).await.unwrap() {
                SessionAnswer::Wait { retry_after_ms } => {
                    tokio::time::sleep(Duration::from_millis(retry_after_ms.into())).await;
                }
                SessionAnswer::Ready(answer) => break answer.0,
                SessionAnswer::Done if stage == Stage::Reveal => break Vec::new(),
                over
                @ (SessionAnswer::Done | SessionAnswer::Dropped | SessionAnswer::Abandoned) => {
                    panic!("{over:?} at {stage:?}")
                }
            }
        };
        let begin = Instant::now();
        let unsent = match stage {
            Stage::Keys => client.share(&answer).unwrap(),
            Stage::Shares => {
                let shares = client.check_shares(&answer).unwrap();
                let values = vec![i64::try_from(index).unwrap() + 1; 77 * 385];
                client.mask(shares, &values).unwrap()
            }
            Stage::Masked => client.consent(&answer, key).unwrap(),
            Stage::Consent => client.reveal(&answer).unwrap(),
            Stage::Reveal => break,
        };
        busy += begin.elapsed();
        body = unsent.store(|_| Ok::<_, Infallible>(())).unwrap();
    }
    (bytes, busy.as_secs_f64())
}
