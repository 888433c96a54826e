//! What the tests of the link and the benchmark of rounds share: a coordinator that serves on
//! loopback, agents that join it, and their part in a secure aggregation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "not every file that includes this uses all of it")]

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
use insitu_daemon::link::reset::ResetKey;
use insitu_daemon::link::server;
use insitu_daemon::shutdown::{self, Trigger};
use insitu_models::bundle::Bundle;
use insitu_privacy::secagg::{Client, ConsentKey, Roots, Stage};
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::facts::{DeviceFacts, EngineKind};
use insitu_protocol::order::RoundOrder;
use insitu_protocol::release::{Body, CHAIN_START, Release, Values};
use insitu_protocol::response::HelloAnswer;
use insitu_protocol::session::{Purpose, SessionAnswer, SessionOrder};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

pub const FACTS: DeviceFacts = DeviceFacts {
    version: [0, 1, 0],
    uptime_days: 0,
    load_quarters: 0,
    memory_tenths: 1,
    disk_tenths: 1,
    temperature_tens: None,
    engine: EngineKind::None,
};

/// A coordinator that serves.
pub struct Served {
    pub coordinator: Coordinator,
    pub address: SocketAddr,
    pub stop: Trigger,
    pub running: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    pub fn start(folder: &Path) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let coordinator = Coordinator::open(config(folder), clock).unwrap();
        let endpoint =
            server::endpoint("127.0.0.1:0".parse().unwrap(), &ResetKey::new([7; 32])).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (stop, shutdown) = shutdown::pair();
        let serving = coordinator.clone();
        #[expect(clippy::disallowed_methods, reason = "the test joins it")]
        let running = tokio::spawn(async move { serving.serve(endpoint, None, shutdown).await });
        Self { coordinator, address, stop, running }
    }

    pub async fn stop(self) {
        self.stop.request();
        self.running.await.unwrap().unwrap();
    }

    pub fn token(&self, site: &str) -> Token {
        let office = self.coordinator.office();
        let (site, valid) = (site.parse().unwrap(), Duration::from_secs(60));
        make_token(&office.store, &office.authority, &site, valid, office.now_unix_s()).unwrap()
    }

    pub async fn join(&self, token: &Token) -> Result<(Credentials, Fixed<32>), EnrollError> {
        let (endpoint, clock) = (client::endpoint().unwrap(), Arc::new(SystemClock));
        let address = self.address.to_string();
        let agent = "a1".parse().unwrap();
        let key = KeyRequest::generate().unwrap();
        let member = enroll::join(&endpoint, &address, token, agent, key, clock).await?;
        Ok((member.credentials, member.bundle_key))
    }

    pub async fn connect(
        &self,
        credentials: &Credentials,
    ) -> Result<(Link, HelloAnswer), CallError> {
        let (endpoint, clock) = (client::endpoint().unwrap(), Arc::new(SystemClock));
        let address = self.address.to_string();
        Connector::new(endpoint, address, credentials, clock, Timeouts::default())
            .unwrap()
            .connect(FACTS)
            .await
    }
}

pub fn config(folder: &Path) -> Config {
    Config::read(&folder.join(config::FILE)).unwrap()
}

/// A federation with the shipped project and bundle, and one site.
pub fn found(folder: &Path) {
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
        .write("add", |tx| tx.add_site(&site, now).and_then(|_| downlink::welcome(tx, &site, now)))
        .unwrap();
    let text = std::fs::read_to_string(shipped().join("project.toml")).unwrap();
    let project: insitu_protocol::project::Project = toml::from_str(&text).unwrap();
    publish::project(&office.store, &project, now).unwrap();
    let bundle = Bundle::open(&shipped()).unwrap();
    publish::import(&office.store, &office.registry, &office.key, &project.name, &bundle, now)
        .unwrap();
}

pub fn shipped() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundles/heart-disease")
}

/// Sites of the measured round.
const SITES: u8 = 10;
/// Its head: 29,645 parameters.
pub const SHAPE: (u16, u32) = (77, 385);

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

/// What a round under secure aggregation took.
pub struct Masked {
    pub order: SessionOrder,
    pub seconds: f64,
    /// Sent by one site, at most.
    pub bytes: usize,
    /// Seconds that a site computed, on average.
    pub busy: f64,
}

/// Lets [`SITES`] new sites join and play a round under secure aggregation.
pub async fn play_masked(served: &Served) -> Masked {
    let office = served.coordinator.office();
    let now = office.now_unix_s();
    let mut links = Vec::new();
    for seed in 1..=SITES {
        let site = format!("site-{seed}").parse().unwrap();
        office.store.write("add", |tx| tx.add_site(&site, now)).unwrap();
        let (credentials, _) = served.join(&served.token(site.as_str())).await.unwrap();
        let (link, _) = served.connect(&credentials).await.unwrap();
        let key = ConsentKey::new(&[seed; 32]);
        link.announce(Fixed(key.verify_key())).await.unwrap();
        links.push((link, key));
    }
    let begin = Instant::now();
    let order = propose_round(office);
    let mut sites = JoinSet::new();
    for (index, (link, key)) in links.into_iter().enumerate() {
        let order = order.clone();
        sites.spawn(async move { take_part(&link, &key, &order, index).await });
    }
    let costs = sites.join_all().await;
    let seconds = begin.elapsed().as_secs_f64();
    let bytes = costs.iter().map(|(bytes, _)| *bytes).max().unwrap();
    let busy = costs.iter().map(|(_, busy)| busy).sum::<f64>() / f64::from(SITES);
    Masked { order, seconds, bytes, busy }
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
