//! A training run under kills of the coordinator: a child process dies at each step of it in turn, and
//! when it is started again the run ends with the same bundle, bit for bit, from the same updates.
//!
//! The child is this test binary again, told by its environment at which step to die: before each
//! statement of a transaction that may write, unless it is a query, and after each commit (SQLite's own
//! trace calls them out: the program itself has no hook). The sites' agents keep what they sent until
//! its receipt is there, and so send all of it again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use insitu_models::sign::SigningKey;
use insitu_protocol::ids::digest;
use insitu_protocol::release::Body;
use rusqlite::trace::TraceEvent;
use tempfile::TempDir;

use super::{Agent, NOW, Scene, name, priced};
use crate::jobs::training::{self, Plan};
use crate::jobs::{Bench, tick};
use crate::registry::Registry;
use crate::session::desk::Sessions;
use crate::store::tests::trace;
use crate::store::{Method, Promotion, RunState, SecureAggregation, Store, StoreError};
use crate::{intake, ledger};

/// Environment of a child: its step, its folder.
const STEP: &str = "INSITU_TEST_DIES_AT_STEP";
const FOLDER: &str = "INSITU_TEST_FOLDER";
/// What `std::process::abort` ends with.
const SIGABRT: i32 = 6;
const SITES: [&str; 3] = ["a", "b", "c"];
const ROUNDS: u32 = 2;
const CLOSES_IN_S: i64 = 60;
/// Weights of the shipped bundle's head.
const WEIGHTS: i32 = 68;

/// Steps to go until this process dies; 0 when it is to live.
static LEFT: AtomicU64 = AtomicU64::new(0);
/// Whether the store is in a transaction that cannot write.
static READS: AtomicBool = AtomicBool::new(false);

#[test]
fn a_run_ends_alike_through_a_kill_at_every_step() {
    if let Some(step) = std::env::var_os(STEP) {
        LEFT.store(step.to_str().unwrap().parse().unwrap(), Ordering::Relaxed);
        return go_on(Path::new(&std::env::var_os(FOLDER).unwrap()));
    }
    let template = set_up();
    let unharmed = copy(template.path());
    go_on(unharmed.path());
    let (end, expected) = look(unharmed.path());
    assert_eq!(end, Progress { updates: 5, closed: ROUNDS, finished: true });

    let mut left = BTreeSet::new();
    for step in 1.. {
        let folder = copy(template.path());
        let died = run_until(folder.path(), step);
        left.insert(look(folder.path()).0);
        go_on(folder.path());
        let (again, found) = look(folder.path());
        assert_eq!((again, &found), (end, &expected), "after a kill at step {step}");
        if !died {
            break;
        }
    }
    // The kills were everywhere: a round closes in one step, and with the last one the run ends.
    let before = (0..=3).map(|updates| (updates, 0)).chain((3..=5).map(|updates| (updates, 1)));
    let open = before.map(|(updates, closed)| Progress { updates, closed, finished: false });
    assert_eq!(left, open.chain([end]).collect());
}

/// A coordinator's folder with a run that has just started.
fn set_up() -> TempDir {
    let scene = Scene::new(&SITES);
    scene.publish();
    let plan = Plan {
        project: name(),
        rounds: training::Rounds::Fixed(ROUNDS),
        sites: None,
        quorum: None,
        closes_in: Duration::from_secs(CLOSES_IN_S.unsigned_abs()),
        secure: SecureAggregation::Off,
        colluders: None,
        method: Method::default(),
        each_round: None,
        promotion: Promotion::Forced("a test".to_owned()),
    };
    training::start(scene.bench(), &plan, NOW).unwrap();
    scene.dir
}

/// The rest of the run, as a coordinator that was started again goes through it: every site answers
/// the first round, and the last of them is silent in the second until its deadline.
fn go_on(folder: &Path) {
    let store = Store::open(&folder.join("store.db")).unwrap();
    trace(&store, on_event);
    let registry = Registry::new(folder.join("objects"));
    let key = SigningKey::load(&folder.join("bundle.key")).unwrap();
    let (bench, sessions) =
        (Bench { store: &store, registry: &registry, key: &key }, Sessions::default());
    let run = store.read("test", |tx| tx.runs()).unwrap().remove(0).id;
    let mut agents = SITES.map(Agent::new);
    for round in 1..=ROUNDS {
        let silent = usize::from(round == ROUNDS);
        let answering = SITES.len() - silent;
        for (site, agent) in agents.iter_mut().enumerate().take(answering) {
            let release = agent.next(Body::Update { run, round }, values(site, round));
            let release = priced(&store, release);
            let bytes = release.encode().unwrap();
            let receipt = intake::submit(&store, &sessions, agent.sender(), &bytes, NOW);
            assert_eq!(receipt.unwrap().unwrap().sequence, u64::from(round));
            agent.pass(&release);
        }
        tick(bench, &sessions, NOW).unwrap();
    }
    tick(bench, &sessions, NOW + CLOSES_IN_S).unwrap();
}

/// What a site's update of a round is: different for each, the same each time.
fn values(site: usize, round: u32) -> Vec<i32> {
    let (site, round) = (i32::try_from(site).unwrap(), i32::try_from(round).unwrap());
    (0..WEIGHTS).map(|cell| (cell * (site + 1) * 37 + round * 11) % 400 - 200).collect()
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Progress {
    updates: usize,
    closed: u32,
    finished: bool,
}

/// How far the run of `folder` has come, and in every detail what there is of it.
fn look(folder: &Path) -> (Progress, Vec<String>) {
    let store = Store::open(&folder.join("store.db")).unwrap();
    let registry = Registry::new(folder.join("objects"));
    for file in fs::read_dir(folder.join("objects")).unwrap() {
        let path = file.unwrap().path();
        let named = path.file_name().unwrap().to_str().unwrap();
        let whole = digest(&fs::read(&path).unwrap()).to_hex() == named;
        assert!(whole || named.len() != 64, "what has an object's name is that object");
    }
    let (progress, mut found) = store
        .read("test", |tx| {
            let run = tx.runs()?.remove(0);
            let (rounds, mut updates) = (tx.rounds(run.id)?, Vec::new());
            for round in 1..=ROUNDS {
                updates.extend(tx.counted(&name(), &Body::Update { run: run.id, round })?);
            }
            let active = tx.active_publication(&name())?.unwrap().bundle;
            let progress = Progress {
                updates: updates.len(),
                closed: u32::try_from(rounds.iter().filter(|row| row.bundle.is_some()).count())
                    .unwrap(),
                finished: run.state == RunState::Finished,
            };
            let last = rounds.last().and_then(|row| row.bundle);
            assert_eq!(progress.finished, last == Some(active), "finished, it is published");
            let opened = registry.open(tx, active).unwrap();
            let found = vec![
                format!("{run:?}"),
                format!("{rounds:?}"),
                format!("{updates:?}"),
                format!("{active} {:?}", opened.head().weights()),
                format!("{:?}", tx.publications(&name())?),
                format!("{:?}", tx.alerts()?),
            ];
            Ok::<_, StoreError>((progress, found))
        })
        .unwrap();
    found.push(format!("{:?}", ledger::report(&store, None).unwrap()));
    (progress, found)
}

/// One step of a child's life, perhaps its last.
fn on_event(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(_, sql) = &event
        && sql.starts_with("BEGIN")
    {
        READS.store(sql.contains("DEFERRED"), Ordering::Relaxed);
    }
    let changes = matches!(&event, TraceEvent::Stmt(_, sql) if !sql.starts_with("SELECT"));
    let committed = matches!(
        &event,
        TraceEvent::Profile(statement, _) if statement.sql().starts_with("COMMIT")
    );
    if (changes || committed) && !READS.load(Ordering::Relaxed) {
        let left = |left: u64| left.checked_sub(1);
        if LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) == Ok(1) {
            std::process::abort();
        }
    }
}

/// Whether a child that was to die in `folder` at a step did; else it came to its end before.
fn run_until(folder: &Path, step: u64) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::faults::a_run_ends_alike_through_a_kill_at_every_step"])
        .env(STEP, step.to_string())
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() || status.signal() == Some(SIGABRT), "step {step}: {status}");
    !status.success()
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    to
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_into(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
