//! A whole federation in one process: a real coordinator and real agents over a [`Network`], on a
//! paused clock.
//!
//! What an operator does by command is done here by the function behind the command. Nothing is
//! replaced but the network and the clock. Only privacy noise, keys and the jitter of attempts to
//! connect differ from run to run.

#![expect(clippy::unwrap_used, reason = "part of tests, which stop at the first surprise")]
#![expect(clippy::missing_panics_doc, reason = "as above: each function panics when it fails")]

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use insitu_coordinator::config as coordinator_config;
use insitu_coordinator::evaluation::EvaluationReport;
use insitu_coordinator::intake::enrollment::make_token;
use insitu_coordinator::jobs::{collection, evaluation, training};
use insitu_coordinator::round::report::{self, RunReport};
use insitu_coordinator::session::report::CollectionReport;
use insitu_coordinator::store::{Method, Promotion, SecureAggregation, Terms};
use insitu_coordinator::{Coordinator, downlink, ledger, publish, session};
use insitu_daemon::clock::{Clock, RuntimeClock};
use insitu_daemon::credentials::KeyRequest;
use insitu_daemon::enroll::{self, EnrollError, Token};
use insitu_daemon::link::reset::ResetKey;
use insitu_models::bundle::Bundle;
use insitu_models::head::Head;
use insitu_models::manifest::Sentence;
use insitu_protocol::ids::{AgentName, Digest, EvaluationId, ProjectName, RunId, SiteName};
use insitu_protocol::project::Project;
use insitu_protocol::session::CollectionId;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::simnet::Network;
use crate::site::{Daemon, PATIENTS, Place, Site};
use crate::sources;

/// The project and bundle that ship with the product.
pub const PROJECT: &str = "heart-disease";
/// How often a test looks whether what it waits for has happened.
const LOOK: Duration = Duration::from_millis(50);
/// Simulated time after which it gives up.
const PATIENCE: Duration = Duration::from_secs(600);
/// The one agent of each site.
const AGENT: &str = "a1";

/// A coordinator and its sites.
#[derive(Debug)]
pub struct Federation {
    /// What they talk over.
    pub network: Network,
    /// Everybody's time.
    pub clock: Arc<dyn Clock>,
    /// The coordinator, which serves.
    pub coordinator: Coordinator,
    /// The sites that have joined.
    pub sites: Vec<Site>,
    folder: TempDir,
    serving: Daemon,
}

impl Federation {
    /// Founds a federation whose agents' certificates live for `agent_life`, and serves it.
    pub fn found(network: Network, agent_life: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = "2026-03-01T00:00:00Z".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(RuntimeClock::starting_at(start));
        let federation = "heart".parse().unwrap();
        let http = "127.0.0.1:0".parse().unwrap();
        let text = coordinator_config::example(&federation, address(), http)
            .replace("agent_life = \"30days\"", &format!("agent_life = \"{agent_life}\""));
        assert!(text.contains(agent_life));
        let home = folder.path().join("coordinator");
        fs::create_dir(&home).unwrap();
        let file = home.join(coordinator_config::FILE);
        fs::write(&file, text).unwrap();
        let config = coordinator_config::Config::read(&file).unwrap();
        Coordinator::create(&config, federation, Arc::clone(&clock)).unwrap();
        let coordinator = Coordinator::open(config, Arc::clone(&clock)).unwrap();
        let serving = serve(&coordinator, &network);
        Self { network, clock, coordinator, sites: Vec::new(), folder, serving }
    }

    /// Ends the coordinator and starts it again from its folder.
    pub async fn restart_coordinator(&mut self) {
        self.serving.end().await;
        self.reopen();
    }

    /// Ends the coordinator without a word, as a power cut does, and starts it again from its folder.
    pub async fn kill_coordinator(&mut self) {
        self.network.cut(address().ip());
        self.serving.kill().await;
        self.network.heal(address().ip());
        self.reopen();
    }

    fn reopen(&mut self) {
        let config = self.coordinator.office().config.clone();
        self.coordinator = Coordinator::open(config, Arc::clone(&self.clock)).unwrap();
        self.serving = serve(&self.coordinator, &self.network);
    }

    /// Makes a site a member, and a token for its agent.
    pub fn admit(&self, name: &str) -> Token {
        let office = self.coordinator.office();
        let (site, now): (SiteName, _) = (name.parse().unwrap(), office.now_unix_s());
        office
            .store
            .write("add", |tx| {
                tx.add_site(&site, now).and_then(|_| downlink::welcome(tx, &site, now))
            })
            .unwrap();
        make_token(&office.store, &office.authority, &site, Duration::from_secs(3600), now).unwrap()
    }

    /// Redeems a token from a machine.
    ///
    /// # Errors
    /// [`EnrollError`].
    pub async fn redeem(
        &self,
        token: &Token,
        agent: &str,
        host: IpAddr,
    ) -> Result<enroll::Membership, EnrollError> {
        let endpoint = self.network.endpoint((host, 40_000).into()).unwrap();
        let agent: AgentName = agent.parse().unwrap();
        let clock = Arc::clone(&self.clock);
        let key = KeyRequest::generate().unwrap();
        enroll::join(&endpoint, &address().to_string(), token, agent, key, clock).await
    }

    /// Lets a site join: token, enrollment, people, daemon.
    pub async fn join(&mut self, name: &str) {
        let place = u8::try_from(self.sites.len() + 1).unwrap();
        let host = IpAddr::from([10, 0, place, 1]);
        let token = self.admit(name);
        let member = self.redeem(&token, AGENT, host).await.unwrap();
        let place = Place {
            name: token.site.clone(),
            host,
            network: self.network.clone(),
            clock: Arc::clone(&self.clock),
            folder: self.folder.path().join(name),
        };
        self.sites.push(Site::found(place, &member));
    }

    /// Publishes the shipped project and bundle, and waits until every site uses it.
    pub async fn publish(&self) -> Digest {
        self.publish_as(&shipped_project()).await
    }

    /// The same with a project of another plan.
    pub async fn publish_as(&self, project: &Project) -> Digest {
        let office = self.coordinator.office();
        let now = office.now_unix_s();
        publish::project(&office.store, project, now).unwrap();
        let bundle = self.publish_bundle(&shipped_bundle());
        self.until("the bundle to be in use", || self.all_use(bundle)).await;
        bundle
    }

    /// Publishes a bundle of the shipped project, evaluated or not.
    pub fn publish_bundle(&self, bundle: &Bundle) -> Digest {
        let office = self.coordinator.office();
        let (store, now) = (&office.store, office.now_unix_s());
        let digest = office.registry.register(store, bundle, &project(), now).unwrap();
        publish::promote(store, &office.key, digest, Some("a test"), now).unwrap();
        digest
    }

    /// Whether every site uses this bundle.
    pub fn all_use(&self, bundle: Digest) -> bool {
        self.sites.iter().all(|site| site.bundle() == Some(bundle))
    }

    /// Imports and labels the patients of every site.
    pub async fn label(&self) {
        self.import(0..PATIENTS).await;
        for site in &self.sites {
            assert!(site.label() > 0, "nothing to label at {}", site.name);
        }
    }

    /// Imports so many patients at every site, and waits for their prelabels.
    pub async fn import(&self, rows: Range<u32>) {
        for site in &self.sites {
            site.import(rows.clone());
        }
        let prelabeled = |site: &Site| site.stages()[..2] == [0, 0];
        self.until("all items to be prelabeled", || self.sites.iter().all(prelabeled)).await;
    }

    /// Starts a training run whose rounds stay open for an hour.
    pub fn train(&self, rounds: u32) -> RunId {
        self.train_within(rounds, Duration::from_secs(3600))
    }

    /// Starts a training run, under secure aggregation when the sites are enough.
    pub fn train_within(&self, rounds: u32, closes_in: Duration) -> RunId {
        let method = Method { coarse: true, ..Method::default() };
        self.train_by(rounds, method, closes_in)
    }

    /// The same by another method.
    pub fn train_by(&self, rounds: u32, method: Method, closes_in: Duration) -> RunId {
        let plan = training::Plan {
            project: project(),
            rounds: training::Rounds::Fixed(rounds),
            sites: None,
            quorum: None,
            closes_in,
            secure: SecureAggregation::Auto,
            colluders: None,
            method,
            each_round: None,
            promotion: Promotion::Forced("a test".to_owned()),
        };
        let office = self.coordinator.office();
        training::start(office.bench(), &plan, office.now_unix_s()).unwrap()
    }

    /// Registers the bundle in use with the signs of its head's weights changed: of two classes it
    /// says the other one each time.
    pub fn register_flipped(&self) -> Digest {
        let office = self.coordinator.office();
        let shipped = shipped_bundle();
        let head = shipped.head();
        let weights = head.weights().iter().map(|weight| -weight).collect();
        let head = Head::new(head.classes(), head.features(), weights).unwrap();
        let flipped = shipped.successor(head, Sentence::new("for a test").unwrap()).unwrap();
        let now = office.now_unix_s();
        office.registry.register(&office.store, &flipped, &project(), now).unwrap()
    }

    /// Starts an evaluation at a price that leaves little noise.
    pub fn evaluate(&self, candidate: Digest) -> EvaluationId {
        self.evaluate_at(candidate, 1_000_000_000, Duration::from_secs(3600))
    }

    /// The same at another price, for which sites have so long.
    pub fn evaluate_at(
        &self,
        candidate: Digest,
        nano_rho: u64,
        closes_in: Duration,
    ) -> EvaluationId {
        let plan = evaluation::Plan {
            candidate,
            terms: Terms { nano_rho, margin_milli: 20 },
            sites: None,
            closes_in,
            secure: SecureAggregation::Auto,
            colluders: None,
            promotes: true,
        };
        let office = self.coordinator.office();
        evaluation::start(office.bench(), &plan, office.now_unix_s()).unwrap()
    }

    /// An evaluation as the coordinator reports it.
    pub fn evaluation(&self, id: EvaluationId) -> EvaluationReport {
        let report =
            insitu_coordinator::evaluation::evaluation(&self.coordinator.office().store, id);
        report.unwrap().unwrap()
    }

    /// Starts a joint collection of statistics over all sites.
    pub fn collect(&self, closes_in: Duration) -> CollectionId {
        let plan = collection::Plan { project: project(), sites: None, closes_in, colluders: None };
        let office = self.coordinator.office();
        collection::start(&office.store, &plan, office.now_unix_s()).unwrap()
    }

    /// A collection as the coordinator reports it.
    pub fn collection(&self, id: CollectionId) -> CollectionReport {
        let report = session::report::collection(&self.coordinator.office().store, id);
        report.unwrap().unwrap()
    }

    /// A run as the coordinator reports it.
    pub fn run(&self, run: RunId) -> RunReport {
        report::run(&self.coordinator.office().store, run).unwrap().unwrap()
    }

    /// Waits for the end of a run, and for every site to use what it published.
    pub async fn trained(&self, run: RunId) -> Digest {
        self.until("the run to end", || self.run(run).state != "open").await;
        let ended = self.run(run);
        assert_eq!((ended.state, ended.reason), ("finished", None));
        let published = ended.published.unwrap();
        self.until("the trained bundle to be in use", || self.all_use(published)).await;
        published
    }

    /// Waits until every release of every site is acknowledged.
    pub async fn sent(&self) {
        let sent = |site: &Site| site.entries().iter().all(|e| e.acknowledged_at.is_some());
        self.until("all releases to arrive", || self.sites.iter().all(sent)).await;
    }

    /// Both sides agree about everything that left a site: each release is there once, with the
    /// bytes that were charged, in one chain, at one price. Returns releases and nano-ρ.
    pub fn check_site(&self, site: &Site) -> (u64, u64) {
        let office = self.coordinator.office();
        let found = site.verify();
        assert_eq!(found.problems, Vec::<String>::new(), "{}", site.name);
        let entries = site.entries();
        let agent = AGENT.parse().unwrap();
        office
            .store
            .read("check", |tx| {
                for entry in &entries {
                    // The chain's hash is one of the exact bytes.
                    let theirs = tx.chain_at(&site.name, &agent, entry.sequence)?.unwrap();
                    assert_eq!((theirs.id, theirs.chain), (entry.id, entry.chain));
                }
                let end = tx.chain_end(&site.name, &agent)?.unwrap();
                assert_eq!((end.sequence, end.chain), (found.releases, found.head));
                Ok::<_, insitu_coordinator::store::StoreError>(())
            })
            .unwrap();
        let budget = ledger::report(&office.store, None).unwrap();
        let theirs = budget.sites.iter().find(|theirs| theirs.site == site.name).unwrap();
        assert_eq!(theirs.releases, found.releases);
        assert_eq!(theirs.bytes, entries.iter().map(|entry| entry.byte_count).sum::<u64>());
        let charges: u64 = entries.iter().map(|entry| entry.nano_rho).sum();
        let year = site.store().read("charged", |tx| tx.charged_since(0)).unwrap();
        assert_eq!([theirs.nano_rho, found.charged.nano(), year], [charges; 3]);
        (found.releases, charges)
    }

    /// What the coordinator thinks is wrong.
    pub fn alerts(&self) -> usize {
        self.coordinator.office().store.read("alerts", |tx| tx.alerts()).unwrap().len()
    }

    /// Lets simulated time pass until `done`.
    ///
    /// # Panics
    /// When patience is at an end, or when a daemon has ended.
    pub async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
            assert!(!self.serving.has_ended(), "the coordinator ended");
            for site in &self.sites {
                assert!(!site.has_ended(), "the agent of {} ended", site.name);
            }
            sleep(LOOK).await;
        }
    }

    /// Stops everything in order.
    pub async fn stop(mut self) {
        for site in &mut self.sites {
            site.stop().await;
        }
        self.serving.end().await;
    }
}

/// Where the coordinator listens.
pub fn address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 4433))
}

/// The shipped project's name.
pub fn project() -> ProjectName {
    PROJECT.parse().unwrap()
}

/// The shipped project.
pub fn shipped_project() -> Project {
    let text = fs::read_to_string(shipped().join("project.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

/// The shipped bundle.
pub fn shipped_bundle() -> Bundle {
    Bundle::open(&shipped()).unwrap()
}

/// Folder of the shipped bundle.
pub fn shipped() -> PathBuf {
    sources::root().join("models/bundles").join(Path::new(PROJECT))
}

fn serve(coordinator: &Coordinator, network: &Network) -> Daemon {
    let key = ResetKey::new([7; 32]).endpoint_config();
    let endpoint = network.endpoint_with(key, address()).unwrap();
    let serving = coordinator.clone();
    Daemon::start(|stop| async move {
        serving.serve(endpoint, None, stop).await.map_err(|error| format!("{error:?}"))
    })
}
