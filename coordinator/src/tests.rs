//! What the unit tests share: a coordinator's parts in a temporary folder, and agents that submit.

mod faults;
#[path = "../../models/tests/mirrored/mod.rs"]
mod mirrored;

use std::path::{Path, PathBuf};

use insitu_models::bundle::Bundle;
use insitu_models::sign::SigningKey;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{AgentName, Digest, ProjectName, SiteName, digest};
use insitu_protocol::order::Order;
use insitu_protocol::project::Project;
use insitu_protocol::release::{Body, CHAIN_START, Release, Values, chain};
use insitu_protocol::response::{Receipt, Refusal};

use crate::intake;
use crate::jobs::{Bench, JobError, tick};
use crate::registry::Registry;
use crate::session::Sender;
use crate::session::desk::Sessions;
use crate::store::Store;
use crate::{downlink, publish};

/// Where tests start to count time.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) struct Scene {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) registry: Registry,
    pub(crate) key: SigningKey,
}

impl Scene {
    /// A federation of these sites with the shipped project.
    pub(crate) fn new(sites: &[&str]) -> Self {
        Self::of(sites, &project())
    }

    /// The same with another project of that name.
    pub(crate) fn of(sites: &[&str], project: &Project) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store.db")).unwrap();
        let registry = Registry::new(dir.path().join("objects"));
        let key = SigningKey::create(&dir.path().join("bundle.key")).unwrap();
        let sessions = Sessions::default();
        let scene = Self { dir, store, sessions, registry, key };
        for name in sites {
            scene.add(name);
        }
        publish::project(&scene.store, project, NOW).unwrap();
        scene
    }

    pub(crate) fn add(&self, name: &str) {
        let site = site(name);
        self.store
            .write("add", |tx| {
                tx.add_site(&site, NOW).and_then(|_| downlink::welcome(tx, &site, NOW))
            })
            .unwrap();
    }

    pub(crate) fn bench(&self) -> Bench<'_> {
        Bench { store: &self.store, registry: &self.registry, key: &self.key }
    }

    /// What the coordinator does by itself.
    pub(crate) fn tick(&self, now: i64) -> Result<(), JobError> {
        tick(self.bench(), &self.sessions, now)
    }

    /// What a site is told.
    pub(crate) fn orders(&self, name: &str, now: i64) -> Vec<Order> {
        let orders = downlink::poll(&self.store, &site(name), 0, now).unwrap();
        orders.into_iter().map(|numbered| numbered.order).collect()
    }

    /// Publishes the shipped bundle.
    pub(crate) fn publish(&self) -> Digest {
        let name = name();
        publish::import(&self.store, &self.registry, &self.key, &name, &bundle(), NOW).unwrap()
    }

    /// Has the store be this copy.
    pub(crate) fn restore(&mut self, copy: &Path) {
        self.store = Store::open(copy).unwrap();
    }

    /// Closes the store and opens it again, as a restart does.
    pub(crate) fn restart(&mut self) {
        self.store = Store::open(&self.dir.path().join("store.db")).unwrap();
        self.sessions = Sessions::default();
    }
}

/// An agent with a chain.
#[derive(Clone)]
pub(crate) struct Agent {
    site: SiteName,
    name: AgentName,
    sequence: u64,
    previous: Digest,
}

impl Agent {
    pub(crate) fn new(name: &str) -> Self {
        Self { site: site(name), name: "a1".parse().unwrap(), sequence: 0, previous: CHAIN_START }
    }

    /// The same chain under another name, from its start.
    pub(crate) fn renamed(&self, name: &str) -> Self {
        Self { name: name.parse().unwrap(), sequence: 0, previous: CHAIN_START, ..self.clone() }
    }

    /// Goes on after a release, accepted or not.
    pub(crate) fn pass(&mut self, release: &Release) {
        self.sequence = release.sequence;
        self.previous = chain(&release.encode().unwrap());
    }

    /// The next release of the chain.
    pub(crate) fn next(&self, body: Body, values: Vec<i32>) -> Release {
        let seed = format!("{} {} {body:?} {values:?}", self.site, self.sequence);
        let mut id = [0; 16];
        id.copy_from_slice(&digest(seed.as_bytes()).0[..16]);
        Release {
            id: Fixed(id),
            sequence: self.sequence + 1,
            previous: self.previous,
            project: name(),
            project_version: 1,
            body,
            nano_rho: 1_000_000,
            scale_1024: 2048,
            values: Values(values),
        }
    }

    pub(crate) fn sender(&self) -> Sender<'_> {
        Sender { site: &self.site, agent: &self.name }
    }

    /// Submits a release as it is.
    pub(crate) fn send(
        &self,
        scene: &Scene,
        release: &Release,
        now: i64,
    ) -> Result<Receipt, Refusal> {
        let bytes = release.encode().unwrap();
        intake::submit(&scene.store, &scene.sessions, self.sender(), &bytes, now).unwrap()
    }

    /// Submits the next release, at the price that was asked for, and moves on when it is accepted.
    pub(crate) fn submit(
        &mut self,
        scene: &Scene,
        body: Body,
        values: Vec<i32>,
        now: i64,
    ) -> Result<Receipt, Refusal> {
        let release = priced(&scene.store, self.next(body, values));
        let receipt = self.send(scene, &release, now)?;
        self.pass(&release);
        assert_eq!(receipt.chain, self.previous);
        Ok(receipt)
    }
}

/// A release with the price and the scale that were asked for, if any were.
pub(crate) fn priced(store: &Store, release: Release) -> Release {
    let asked = store.read("asked", |tx| {
        let project = tx.project_version(&release.project, release.project_version)?;
        Ok::<_, crate::store::StoreError>(match project {
            Some(project) => intake::shape::asked(tx, &release.body, &project)?,
            None => None,
        })
    });
    let asked = asked.unwrap();
    let (nano_rho, scale_1024) = asked.unwrap_or((release.nano_rho, release.scale_1024));
    Release { nano_rho, scale_1024, ..release }
}

pub(crate) fn site(name: &str) -> SiteName {
    name.parse().unwrap()
}

pub(crate) fn name() -> ProjectName {
    "heart-disease".parse().unwrap()
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundles/heart-disease")
}

/// The shipped project.
pub(crate) fn project() -> Project {
    let text = std::fs::read_to_string(shipped().join("project.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

/// The shipped project with noise of deviation 2 on each count of labels: ρ = 1/(2·2²).
pub(crate) fn precise() -> Project {
    let mut project = project();
    let costs = &mut project.statistics;
    costs.confusion_nano_rho = 125_000_000;
    costs.coincidence_nano_rho = 125_000_000;
    costs.calibration_nano_rho = 125_000_000;
    project
}

/// The shipped bundle's head over another backbone.
pub(crate) fn mirrored() -> Bundle {
    let shipped = bundle();
    mirrored::mirrored(&shipped, shipped.head())
}

/// The shipped bundle.
pub(crate) fn bundle() -> Bundle {
    Bundle::open(&shipped()).unwrap()
}
