//! The agent's work under kills: a child process dies at each step in turn, and what it leaves behind
//! must be in order and must go on as if nothing had happened.
//!
//! The child is this test binary again, told by its environment at which step to die. The steps are
//! those of the store, before each statement of a transaction that may write, unless it is a query, and
//! after each commit (SQLite's own trace calls them out: the program itself has no hook), and those of
//! the network.

mod models;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use insitu_daemon::clock::ManualClock;
use insitu_protocol::order::{NumberedOrder, Order};
use insitu_protocol::release::{Release as Wire, chain};
use insitu_protocol::response::Receipt;
use rusqlite::trace::TraceEvent;
use tempfile::TempDir;

use super::*;
use crate::downlink::apply;
use crate::pipeline::campaigns::tests::campaign;
use crate::pipeline::sessions::tests::about_to_contribute;
use crate::pipeline::tests::site;
use crate::store::ledger::Entry;
use crate::store::tests::trace;
use crate::{outbox, testing, uplink};

/// Environment of a child: its step, its folder.
const STEP: &str = "INSITU_TEST_DIES_AT_STEP";
const FOLDER: &str = "INSITU_TEST_FOLDER";
/// What the coordinator has received, in the order of arrival.
const WIRE: &str = "wire";
/// What `std::process::abort` ends with.
const SIGABRT: i32 = 6;

/// Steps to go until this process dies; 0 when it is to live.
static LEFT: AtomicU64 = AtomicU64::new(0);
/// Whether the store is in a transaction that cannot write.
static READS: AtomicBool = AtomicBool::new(false);

#[test]
fn windows_survive_a_kill_at_every_step() {
    survive("windows_survive_a_kill_at_every_step", Case::Windows, 2, 4);
}

#[test]
fn a_campaign_survives_a_kill_at_every_step() {
    survive("a_campaign_survives_a_kill_at_every_step", Case::Campaign, 1, 1);
}

#[test]
fn a_part_of_a_sum_survives_a_kill_at_every_step() {
    survive("a_part_of_a_sum_survives_a_kill_at_every_step", Case::Sum, 1, 1);
}

#[test]
fn an_update_survives_a_kill_at_every_step() {
    survive("an_update_survives_a_kill_at_every_step", Case::Round, 1, 1);
}

#[test]
fn an_answer_to_an_evaluation_survives_a_kill_at_every_step() {
    let test = "an_answer_to_an_evaluation_survives_a_kill_at_every_step";
    survive(test, Case::Evaluation, 1, 1);
}

#[test]
fn a_candidate_arrives_and_is_judged_through_a_kill_at_every_step() {
    let test = "a_candidate_arrives_and_is_judged_through_a_kill_at_every_step";
    survive(test, Case::Candidate, 1, 1);
}

#[test]
fn a_bundle_arrives_and_serves_through_a_kill_at_every_step() {
    let test = "a_bundle_arrives_and_serves_through_a_kill_at_every_step";
    if let Some((end, left)) = kill_everywhere(test, Case::Bundle, models::arrived) {
        models::assert_every_arrival_was_left(end, &left);
    }
}

#[test]
fn a_head_of_its_own_is_fitted_once_through_a_kill_at_every_step() {
    let test = "a_head_of_its_own_is_fitted_once_through_a_kill_at_every_step";
    if let Some((end, left)) = kill_everywhere(test, Case::Personal, models::fitted) {
        assert!(end, "it is there at the end");
        assert_eq!(left, BTreeSet::from([false, true]));
    }
}

#[derive(Clone, Copy)]
enum Case {
    /// Two statistics windows, one after the other.
    Windows,
    /// The answer to a campaign.
    Campaign,
    /// A masked vector.
    Sum,
    /// The update of a round.
    Round,
    /// The answer to an evaluation.
    Evaluation,
    /// A candidate over its own backbone: ordered, fetched, and the answer to its evaluation.
    Candidate,
    /// A bundle: ordered, fetched, approved, in use.
    Bundle,
    /// A personal head.
    Personal,
}

/// Kills `case`, which makes `each` releases `times` times, at each of its steps.
fn survive(test: &str, case: Case, times: u64, each: u64) {
    if let Some((end, left)) = kill_everywhere(test, case, |folder| look(folder, each)) {
        let all = times * each;
        assert_eq!((end.released, end.sent, end.acknowledged), (all, all, all));
        assert_every_state_was_left(&left, times, each);
    }
}

/// Kills `case` at each of its steps and lets it go on, after which it has come as far as undisturbed.
/// How far that is, and how far it had come whenever it was killed; `look` says so, and what else must
/// be the same at the end. Nothing in a child.
fn kill_everywhere<L, E>(
    test: &str,
    case: Case,
    look: impl Fn(&Path) -> (L, E),
) -> Option<(L, BTreeSet<L>)>
where
    L: Clone + Debug + Ord,
    E: Debug + PartialEq,
{
    if let Some(step) = std::env::var_os(STEP) {
        LEFT.store(step.to_str().unwrap().parse().unwrap(), Ordering::Relaxed);
        case.go_on(Path::new(&std::env::var_os(FOLDER).unwrap()));
        return None;
    }
    let template = case.set_up();
    let unharmed = copy(template.path());
    case.go_on(unharmed.path());
    let (end, expected) = look(unharmed.path());
    let mut left = BTreeSet::new();
    for step in 1.. {
        let folder = copy(template.path());
        let died = run_until(test, folder.path(), step);
        left.insert(look(folder.path()).0);
        case.go_on(folder.path());
        let (again, all) = look(folder.path());
        assert_eq!((&again, &all), (&end, &expected), "after a kill at step {step}");
        if !died {
            break;
        }
    }
    Some((end, left))
}

impl Case {
    /// The folder of a site that has all of it to do.
    fn set_up(self) -> TempDir {
        match self {
            Self::Windows => {
                let site = site(2, 2);
                site.label(1, 0, 1);
                site.scratch.folder
            }
            Self::Campaign => {
                let site = site(90, 90);
                let order =
                    NumberedOrder { number: 3, order: Order::Campaign(campaign(true, 7).0) };
                assert!(apply(site.store(), &testing::generous(1), &order, 10).unwrap());
                let store = Arc::new(Store::open(site.scratch.folder.path()).unwrap());
                tick(&store, site.scratch.folder.path(), 20);
                site.label(3, 0, 30);
                site.scratch.folder
            }
            Self::Sum => about_to_contribute(),
            Self::Round | Self::Evaluation | Self::Personal => models::labeled(),
            Self::Candidate => models::with_key(),
            Self::Bundle => models::without_bundle(),
        }
    }

    /// Does what is left to do, as the daemon would after a restart.
    fn go_on(self, folder: &Path) {
        let store = Arc::new(Store::open(folder).unwrap());
        trace(&store, on_event);
        match self {
            Self::Windows => {
                let name = testing::project().name;
                for window in 1..=2 {
                    let row = store.read("test", |tx| tx.project(&name)).unwrap().unwrap();
                    if row.window == window {
                        let now = i64::from(window);
                        windows::release(&store, &testing::generous(1).limits, &name, now).unwrap();
                    }
                    send(&store, folder);
                }
            }
            Self::Campaign => {
                tick(&store, folder, 1000);
                send(&store, folder);
            }
            Self::Sum => {
                tick(&store, folder, 10);
                send(&store, folder);
            }
            Self::Round | Self::Evaluation => {
                models::answer(&store, folder, matches!(self, Self::Round));
                send(&store, folder);
            }
            Self::Candidate => {
                models::judge_candidate(&store, folder);
                send(&store, folder);
            }
            Self::Bundle => models::take(&store, folder),
            Self::Personal => models::fit(&store, folder),
        }
    }
}

fn tick(store: &Arc<Store>, folder: &Path, now: i64) {
    pipeline(store, folder, testing::generous(1), now).tick().unwrap();
}

fn pipeline(store: &Arc<Store>, folder: &Path, judge: Judge, now: i64) -> Pipeline {
    let clock = Arc::new(ManualClock::new(jiff::Timestamp::from_second(now).unwrap()));
    Pipeline::new(Arc::clone(store), clock, judge, Schedule::default(), Shelf::new(folder), None)
}

/// Sends what is queued: [`uplink::send_queued`], with a file for a coordinator.
fn send(store: &Store, folder: &Path) {
    while let Some((_, bytes)) = uplink::next_to_send(store, 2000).unwrap() {
        let mut wire = File::options().append(true).create(true).open(folder.join(WIRE)).unwrap();
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        wire.write_all(&[&length, bytes.as_slice()].concat()).unwrap();
        wire.sync_all().unwrap();
        step(); // the coordinator has it, and its receipt is on the way
        let Wire { id, sequence, .. } = Wire::decode(&bytes).unwrap();
        let receipt = Receipt { id, sequence, chain: chain(&bytes) };
        step(); // the receipt is here, and not noted
        store.tx("receipt", |tx| outbox::reconcile(tx, Some(&receipt), 2000)).unwrap();
    }
}

/// What the coordinator of `folder` has received, in the order of arrival.
fn received(folder: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(folder.join(WIRE)).unwrap_or_default();
    let (mut rest, mut all) = (bytes.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (release, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        all.push(release.to_vec());
        rest = after;
    }
    all
}

/// One step of a child's life, perhaps its last.
fn step() {
    let left = |left: u64| left.checked_sub(1);
    if LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) == Ok(1) {
        std::process::abort();
    }
}

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
        step();
    }
}

/// Whether a child that was to die in `folder` at a step did; else it came to its end before.
fn run_until(test: &str, folder: &Path, step: u64) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("pipeline::faults::{test}")])
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

/// For what how much was charged, in the order of the ledger.
type Charges = Vec<(String, u64, u64)>;

/// How far a site has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Left {
    released: u64,
    sent: u64,
    acknowledged: u64,
    witnessed: u64,
}

/// How far the site of `folder` has come, once all of it is found to be in order.
fn look(folder: &Path, each: u64) -> (Left, Charges) {
    let store = Store::open(folder).unwrap();
    let verified = outbox::verify(&store).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    assert_eq!(verified.releases % each, 0, "what is released together is there together");
    let (ledger, witness, answered) = store
        .read("test", |tx| {
            let entries = tx.entries(0, 1000)?.into_iter();
            let ledger = entries.map(|entry| Ok((tx.release_bytes(entry.sequence)?, entry)));
            let rounds = tx.rounds(Some(RoundState::Released))?.len();
            let evaluations = tx.evaluations(Some(RoundState::Released))?.len();
            Ok::<_, StoreError>((
                ledger.collect::<Result<Vec<_>, StoreError>>()?,
                tx.witness().read()?,
                rounds + evaluations,
            ))
        })
        .unwrap();
    let answers =
        ledger.iter().filter(|(_, entry)| ["update", "evaluation"].contains(&&*entry.kind));
    assert_eq!(answers.count(), answered, "an order is answered in the transaction of its answer");
    let (mut sent, mut sent_rho) = (BTreeSet::new(), 0);
    let received = received(folder);
    for bytes in &received {
        let release = Wire::decode(bytes).unwrap();
        let at = usize::try_from(release.sequence).unwrap() - 1;
        assert_eq!(&ledger[at].0, bytes, "what was sent is in the ledger, byte by byte");
        sent_rho += if sent.insert(release.sequence) { release.nano_rho } else { 0 };
        let times = received.iter().filter(|other| *other == bytes).count();
        assert!(ledger[at].1.attempts >= u64::try_from(times).unwrap());
    }
    assert!(verified.charged.nano() >= sent_rho, "no less is charged than was sent");
    let witnessed = witness.map_or(0, |mark| mark.sequence);
    assert!(sent.last().is_none_or(|last| *last <= witnessed), "the witness knows what was sent");
    let acknowledged = ledger.iter().filter(|(_, entry)| entry.acknowledged_at.is_some());
    let acknowledged: BTreeSet<u64> = acknowledged.map(|(_, entry)| entry.sequence).collect();
    assert!(acknowledged.is_subset(&sent));
    let count = |all: &BTreeSet<u64>| u64::try_from(all.len()).unwrap();
    let left = Left {
        released: verified.releases,
        sent: count(&sent),
        acknowledged: count(&acknowledged),
        witnessed,
    };
    let charge = |entry: Entry| (entry.occasion, entry.nano_rho, entry.nano_rho_local);
    (left, ledger.into_iter().map(|(_, entry)| charge(entry)).collect())
}

/// The kills were everywhere, and left these states and no others.
fn assert_every_state_was_left(left: &BTreeSet<Left>, times: u64, each: u64) {
    let mut expected = BTreeSet::from([(0, 0, 0)]);
    for before in (0..times).map(|time| time * each) {
        let released = before + each;
        expected.insert((released, before, before));
        for sent in before + 1..=released {
            expected.extend([(released, sent, sent - 1), (released, sent, sent)]);
        }
    }
    let seen: BTreeSet<_> =
        left.iter().map(|left| (left.released, left.sent, left.acknowledged)).collect();
    assert_eq!(seen, expected);
    for witnessed in [0, each] {
        // Before and after the witness was written, and nothing had left.
        assert!(left.contains(&Left { released: each, sent: 0, acknowledged: 0, witnessed }));
    }
}
