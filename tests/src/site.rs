//! A site of the simulated [`federation`](crate::federation): its agent, its people, its patients.

#![expect(clippy::unwrap_used, reason = "part of tests, which stop at the first surprise")]
#![expect(clippy::missing_panics_doc, reason = "as above: each function panics when it fails")]

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use insitu_agent::config::{Config, Limits};
use insitu_agent::label::Label;
use insitu_agent::outbox::{self, Verification};
use insitu_agent::pipeline::windows::{self, Closed, WindowError};
use insitu_agent::review::{self, Annotation, Card, Decision};
use insitu_agent::run::{Agent, Transport};
use insitu_agent::source::{self, Format};
use insitu_agent::store::items::Stage;
use insitu_agent::store::labels::{Person, Role, Terms};
use insitu_agent::store::ledger::Entry;
use insitu_agent::store::orders::{ApprovalKind, ProjectRow};
use insitu_agent::store::{Store, StoreError, Tx};
use insitu_agent::uplink::Membership;
use insitu_daemon::clock::Clock;
use insitu_daemon::enroll::Membership as Joined;
use insitu_daemon::files::{self, Access};
use insitu_daemon::shutdown::{self, Trigger};
use insitu_daemon::telemetry;
use insitu_protocol::ids::{Digest, SiteName};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::federation::{PROJECT, address, project, shipped_bundle};
use crate::simnet::Network;

/// Patients of each site, each a subject of its own.
pub const PATIENTS: u32 = 90;
/// A daemon that was asked to stop has this long.
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// The columns of a site's file.
const HEADER: &str =
    "id,age,sex,cp,trestbps,chol,fbs,restecg,thalch,exang,oldpeak,slope,ca,thal,note";

/// One site and its agent.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// Its machine.
    pub host: IpAddr,
    network: Network,
    clock: Arc<dyn Clock>,
    folder: PathBuf,
    starts: u16,
    running: Option<(Arc<Store>, Daemon)>,
}

/// Where a site is.
pub(crate) struct Place {
    pub(crate) name: SiteName,
    pub(crate) host: IpAddr,
    pub(crate) network: Network,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) folder: PathBuf,
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    stop: Trigger,
    task: JoinSet<Result<(), String>>,
    handle: AbortHandle,
}

impl Site {
    /// Writes down what a new member has, adds people, and starts the agent.
    pub(crate) fn found(place: Place, member: &Joined) -> Self {
        let Place { name, host, network, clock, folder } = place;
        fs::create_dir(&folder).unwrap();
        let mut site =
            Self { name: name.clone(), host, network, clock, folder, starts: 0, running: None };
        site.enroll(name, member);
        site.start();
        for (person, role) in
            [("ann", Role::Annotator), ("bob", Role::Annotator), ("eve", Role::Expert)]
        {
            let token = site.folder.join(person);
            review::add_person(
                site.store(),
                person,
                role,
                Terms::default(),
                Some(&token),
                site.now(),
            )
            .unwrap();
        }
        site
    }

    /// Writes down that the agent, which does not run, is a member under this name.
    pub fn enroll(&mut self, name: SiteName, member: &Joined) {
        fs::write(self.folder.join("agent.toml"), configuration(&name)).unwrap();
        self.name = name;
        files::create_folder(&self.data()).unwrap();
        let membership = Membership::new(&self.data());
        let key = format!("{}\n", member.bundle_key.to_hex());
        files::write_atomic(&membership.bundle_key_file(), key.as_bytes(), Access::Public).unwrap();
        member.credentials.store(&membership.credentials_file()).unwrap();
    }

    /// Whether the agent has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.running.as_ref().is_some_and(|(_, daemon)| daemon.has_ended())
    }

    /// The store of the agent that runs.
    pub fn store(&self) -> &Store {
        &self.running.as_ref().expect("the agent runs").0
    }

    /// The folder of everything that the agent keeps.
    pub fn data(&self) -> PathBuf {
        self.config().data
    }

    /// Starts the agent from its folder, at a fresh port as an operating system would give it.
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "one agent at a time");
        let agent = Agent::open(self.config(), Arc::clone(&self.clock)).unwrap();
        agent.check().unwrap();
        let store = Arc::clone(agent.store());
        self.starts += 1;
        let endpoint = self.network.endpoint((self.host, 50_000 + self.starts).into()).unwrap();
        let transport = Transport {
            endpoint,
            listener: None,
            metrics: telemetry::metrics().unwrap(),
            trial: None,
        };
        let daemon = Daemon::start(|stop| async move {
            agent.run(transport, stop).await.map_err(|error| format!("{error:?}"))
        });
        self.running = Some((store, daemon));
    }

    /// Asks the agent to stop, and waits until it has.
    pub async fn stop(&mut self) {
        let (store, mut daemon) = self.running.take().expect("the agent runs");
        drop(store);
        daemon.end().await;
    }

    /// Ends the agent without a word, as a power cut does. The network must be cut before.
    pub async fn kill(&mut self) {
        let (store, mut daemon) = self.running.take().expect("the agent runs");
        drop(store);
        daemon.kill().await;
    }

    /// The project's row.
    pub fn project(&self) -> Option<ProjectRow> {
        self.store().read("project", |tx| tx.project(&project())).unwrap()
    }

    /// The bundle in use.
    pub fn bundle(&self) -> Option<Digest> {
        self.project()?.bundle
    }

    /// Imports so many generated patients.
    pub fn import(&self, rows: Range<u32>) {
        let count = u32::try_from(rows.len()).unwrap();
        self.import_table(&patients(&self.name, rows), count);
    }

    /// Imports a table of so many items, with the columns of the project that the test is about.
    pub fn import_table(&self, text: &str, items: u32) {
        let config = self.config();
        let (row, rules) = (self.project().unwrap(), config.source(&project()).unwrap());
        let report =
            source::import(self.store(), &row, rules, None, Format::Csv, text.as_bytes()).unwrap();
        assert_eq!((report.added, report.bad), (u64::from(items), 0), "{report:?}");
    }

    /// Approves a backbone, as the steward does with a model over it.
    pub fn approve_backbone(&self, backbone: &Digest) {
        let now = self.now();
        let decide = |tx: &Tx<'_>| tx.decide(ApprovalKind::Backbone, backbone, true, now);
        self.store().tx::<_, StoreError>("approve", decide).unwrap();
    }

    /// Items that are held out of training.
    pub fn held_out(&self) -> u64 {
        let project = self.project().unwrap().project;
        self.store().read("held out", |tx| tx.holdout_count(project)).unwrap()
    }

    /// Items by stage, in the order of the stages.
    pub fn stages(&self) -> [u64; Stage::ALL.len()] {
        let project = self.project().unwrap().project;
        self.store().read("stages", |tx| tx.stage_counts(project)).unwrap()
    }

    /// Everybody labels until there is nothing left to do; how many labels there were.
    pub fn label(&self) -> u32 {
        self.label_as(|card, person| {
            // Bob sees some things differently, so that there is disagreement to count.
            let slips = person.name == "bob" && card.row.item % 7 == 0;
            Label::Class(u16::from((card.row.item % 3 == 0) != slips))
        })
    }

    /// Everybody labels as `label` says until there is nothing left to do; how many labels there
    /// were.
    pub fn label_as(&self, label: impl Fn(&Card, &Person) -> Label) -> u32 {
        let people = self.store().read("people", |tx| tx.people()).unwrap();
        let mut labels = 0;
        loop {
            let before = labels;
            for person in &people {
                labels += self.label_queue(person, &label);
            }
            if labels == before {
                return labels;
            }
        }
    }

    fn label_queue(&self, person: &Person, label: impl Fn(&Card, &Person) -> Label) -> u32 {
        let (store, now) = (self.store(), self.now());
        let cards = review::next(store, person, &project(), review::ITEMS_MAX, now).unwrap();
        for card in &cards {
            let annotation = Annotation {
                key: format!("{}-{:?}", card.row.item, card.lease.reading),
                label: Some(label(card, person)),
                seconds: 1.0,
                decision: Decision::Correct,
                comment: None,
                looks_real: None,
                reason: None,
            };
            let known =
                review::annotate(store, person, &card.row.opaque, &annotation, now).unwrap();
            assert!(!known, "offered twice: {}", annotation.key);
        }
        u32::try_from(cards.len()).unwrap()
    }

    /// Closes the open statistics window, as the command does.
    ///
    /// # Errors
    /// [`WindowError`].
    pub fn release_statistics(&self) -> Result<Closed, WindowError> {
        windows::release(self.store(), &self.limits(), &project(), self.now())
    }

    /// The ledger.
    pub fn entries(&self) -> Vec<Entry> {
        self.store().read("entries", |tx| tx.entries(0, 1000)).unwrap()
    }

    /// Verifies the ledger.
    pub fn verify(&self) -> Verification {
        outbox::verify(self.store()).unwrap()
    }

    fn config(&self) -> Config {
        Config::read(&self.folder.join("agent.toml")).unwrap()
    }

    fn limits(&self) -> Limits {
        self.config().policy.limits().unwrap()
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}

impl Daemon {
    pub(crate) fn start<F>(run: impl FnOnce(shutdown::Shutdown) -> F) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let (stop, shutdown) = shutdown::pair();
        let mut task = JoinSet::new();
        let handle = task.spawn(run(shutdown));
        Self { stop, task, handle }
    }

    pub(crate) async fn end(&mut self) {
        self.stop.request();
        let ended = tokio::time::timeout(STOP_WITHIN, self.task.join_next()).await;
        ended.expect("stops in time").expect("runs until it is asked").unwrap().unwrap();
    }

    /// Ends it without asking.
    pub(crate) async fn kill(&mut self) {
        self.task.shutdown().await;
        // Its own tasks, and the farewell that nobody hears.
        sleep(Duration::from_secs(5)).await;
    }

    /// Whether it has ended, asked or not.
    pub(crate) fn has_ended(&self) -> bool {
        self.handle.is_finished()
    }
}

/// An agent's configuration. Releases leave every two seconds, so that a test can see them wait.
fn configuration(site: &SiteName) -> String {
    let (address, backbone) = (address(), shipped_bundle().manifest().backbone.digest);
    format!(
        r#"site = "{site}"

[coordinator]
address = "{address}"

[uplink]
slot = "2s"
poll = "1s"
heartbeat = "20s"

[[project]]
name = "{PROJECT}"
id = "id"
subject = "id"
holdout_share = 0.4

[project.acceptance]
assume = true

[polite]
enabled = false

[policy]
epsilon_year = 20.0
epsilon_ceiling = 20.0
epsilon_window = 1.6
epsilon_run = 4.0
epsilon_local_year = 20.0
epsilon_evaluation = 12.0
minimum_cohort = 50
backbones = ["{backbone}"]
approve_models = "approved-backbones"
"#
    )
}

/// Whether the patient of an item is 55 or older: what a head can learn from the file.
pub fn is_older(item: i64) -> bool {
    let row = u32::try_from(item - 1).unwrap(); // items are numbered as they were imported
    age(row) >= 55
}

/// Everything about the patient in a row follows from this number.
fn mixed(row: u32) -> u32 {
    row.wrapping_mul(0x9e37_79b1) >> 8
}

fn age(row: u32) -> u32 {
    35 + mixed(row) % 40
}

/// A file of invented patients; every value is arithmetic on the row's number.
fn patients(site: &SiteName, rows: Range<u32>) -> String {
    let mut text = format!("{HEADER}\n");
    let of = |values: &[&'static str], number: u32| values[number as usize % values.len()];
    for row in rows {
        let (mixed, age) = (mixed(row), age(row));
        let sex = of(&["Male", "Female"], mixed / 3);
        let pain = of(&["typical angina", "asymptomatic", "non-anginal"], mixed / 5);
        let (pressure, cholesterol) = (110 + mixed % 70, 180 + mixed % 120);
        let sugar = of(&["TRUE", "FALSE", ""], mixed / 11);
        let ecg = of(&["normal", "lv hypertrophy"], mixed / 13);
        let rate = 100 + mixed % 90;
        let angina = of(&["TRUE", "FALSE"], mixed / 17);
        let depression = f64::from(mixed % 40) / 10.0;
        let slope = of(&["flat", "upsloping", "downsloping", ""], mixed / 19);
        let vessels = of(&["0", "1", "2", ""], mixed / 23);
        let scan = of(&["normal", "fixed defect", "reversable defect", ""], mixed / 29);
        writeln!(
            text,
            "{site}-{row},{age},{sex},{pain},{pressure},{cholesterol},{sugar},{ecg},{rate},\
             {angina},{depression:.1},{slope},{vessels},{scan},Invented. Seen by Dr. Nobody."
        )
        .unwrap();
    }
    text
}
