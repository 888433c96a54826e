//! What a training round costs: ten agents with and without secure aggregation, and a thousand; and when
//! one of three is killed in it. Prints each figure beside its bar; asserts nothing but that the sums
//! are right.
//!
//! `cargo bench -p insitu-coordinator --bench rounds`. The agents are another process, over mutual
//! TLS on loopback, so that their processor time and the coordinator's memory are told apart. Where
//! `$PYTHON` (`python3` unless set) has `nvflare` or `flwr`, the same round is run by them too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark stops at the first surprise")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

mod agents;
mod bundle;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use insitu_coordinator::jobs::training;
use insitu_coordinator::round::report;
use insitu_coordinator::store::{Method, Promotion, SecureAggregation, StoreError};
use insitu_daemon::clock::{Clock, SystemClock};
use insitu_privacy::{GaussianScale, add_noise};
use insitu_protocol::ids::{RunId, SiteName};
use insitu_protocol::release::Body;
use tokio::time::Instant;

use support::{Masked, Served, found, play_masked};

/// Agents of the small rounds, and of the large one.
const FEW: usize = 10;
const MANY: usize = 1000;
/// Rounds over which the small ones are averaged.
const ROUNDS: u32 = 10;
/// A round that nobody is to miss stays open for this long.
const PATIENCE: Duration = Duration::from_secs(600);
/// One in which an agent is killed, for this long.
const CLOSES_IN: Duration = Duration::from_secs(5);
/// Parameters of the head.
const PARAMETERS: usize = 29_645;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let threads =
        tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
    let runtime = threads.unwrap();
    if let [_, flag, rest @ ..] = arguments.as_slice()
        && flag == "--agents"
    {
        return agents::main(rest);
    }
    println!("a round of {PARAMETERS} parameters, {FEW} agents, mutual TLS on loopback");
    runtime.block_on(few(false));
    runtime.block_on(few(true));
    runtime.block_on(masked());
    noise();
    peers();
    println!("one agent of three killed in a round");
    runtime.block_on(killed());
    println!("{MANY} agents' updates in one round");
    runtime.block_on(many());
}

/// The agents, in a process of their own.
struct Agents {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Agents {
    /// Those of a federation of `count` from the one numbered `first` on.
    fn start(served: &Served, folder: &Path, first: usize, count: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--agents", &served.address.to_string(), folder.to_str().unwrap()])
            .args([first.to_string(), count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut agents = Self { child, input, output: BufReader::new(output) };
        assert_eq!(agents.line(), "ready");
        agents
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Lets every agent take part in so many rounds, and waits for none of them. With 0 they hear of a
    /// round and do not answer.
    fn begin(&mut self, rounds: u32) {
        writeln!(self.input, "{rounds}").unwrap();
    }

    /// Lets every agent take part in so many rounds; processor seconds of all of them, and the bytes
    /// of one update.
    fn play(&mut self, rounds: u32) -> (f64, u64) {
        self.begin(rounds);
        let line = self.line();
        let (seconds, bytes) = line.split_once(' ').unwrap();
        (seconds.parse().unwrap(), bytes.parse().unwrap())
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A coordinator with the large head and so many agents that have joined.
async fn federation(folder: &Path, count: usize) -> Served {
    found(folder);
    let served = Served::start(folder);
    let office = served.coordinator.office();
    bundle::publish(office);
    let now = office.now_unix_s();
    let keys = folder.join("agents");
    std::fs::create_dir(&keys).unwrap();
    for index in 0..count {
        let site: SiteName = format!("site-{index}").parse().unwrap();
        office.store.write("add", |tx| tx.add_site(&site, now)).unwrap();
        let (credentials, _) = served.join(&served.token(site.as_str())).await.unwrap();
        credentials.store(&keys.join(format!("{index}.pem"))).unwrap();
    }
    served
}

fn start(served: &Served, rounds: u32, coarse: bool, count: usize, closes_in: Duration) -> RunId {
    let office = served.coordinator.office();
    let sites = (0..count).map(|index| format!("site-{index}").parse().unwrap()).collect();
    let plan = training::Plan {
        project: bundle::PROJECT.parse().unwrap(),
        rounds: training::Rounds::Fixed(rounds),
        sites: Some(sites),
        quorum: None,
        closes_in,
        secure: SecureAggregation::Off,
        colluders: None,
        method: Method { coarse, ..Method::default() },
        each_round: None,
        promotion: Promotion::Forced("a benchmark".to_owned()),
    };
    training::start(office.bench(), &plan, office.now_unix_s()).unwrap()
}

async fn few(coarse: bool) {
    let folder = tempfile::tempdir().unwrap();
    let served = federation(folder.path(), FEW).await;
    let mut agents = Agents::start(&served, &folder.path().join("agents"), 0, FEW);
    let begin = Instant::now();
    start(&served, ROUNDS, coarse, FEW, PATIENCE);
    let (cpu, bytes) = tokio::task::spawn_blocking(move || agents.play(ROUNDS)).await.unwrap();
    let seconds = begin.elapsed().as_secs_f64() / f64::from(ROUNDS);
    let cpu = cpu / f64::from(ROUNDS) / FEW as f64;
    let (what, bar) = if coarse { ("one byte a value", 35) } else { ("four bytes a value", 122) };
    println!("  {what}: {seconds:.3} s a round (bar 0.3)");
    println!("    an agent sends {:.1} kB (bar {bar})", bytes as f64 / 1e3);
    println!("    and computes {cpu:.4} s for the link and the update (bar 0.02)");
    served.stop().await;
}

/// The same sum under secure aggregation, agents in this process.
async fn masked() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path());
    let served = Served::start(folder.path());
    let office = served.coordinator.office();
    let now = office.now_unix_s();
    office.store.write("revoke", |tx| tx.revoke_site(&"north".parse().unwrap(), now)).unwrap();
    let Masked { seconds, bytes, busy, .. } = play_masked(&served).await;
    println!("  under secure aggregation: {seconds:.3} s a round (bar 1)");
    println!("    an agent sends {:.1} kB (bar 122) and computes {busy:.4} s", bytes as f64 / 1e3);
    served.stop().await;
}

/// The exact noise of an update, which an agent draws ahead of the round.
fn noise() {
    let scale = GaussianScale::from_steps(1024 * 400).unwrap();
    let exact = vec![0; PARAMETERS];
    let begin = Instant::now();
    add_noise(&exact, scale).unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    println!("  the exact noise of one update, drawn ahead of the round: {seconds:.4} s");
}

/// Three agents, one of which is killed once it knows of the round and has not answered.
async fn killed() {
    let folder = tempfile::tempdir().unwrap();
    let served = federation(folder.path(), 3).await;
    let keys = folder.path().join("agents");
    let (mut two, mut third) =
        (Agents::start(&served, &keys, 0, 2), Agents::start(&served, &keys, 2, 1));
    third.begin(0);
    let run = start(&served, 1, false, 3, CLOSES_IN);
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(third);
    two.begin(1);

    let store = &served.coordinator.office().store;
    let ended = loop {
        let shown = report::run(store, run).unwrap().unwrap();
        if shown.state != "open" {
            break shown;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let late = SystemClock.now().as_millisecond() - ended.rounds[0].closes.as_millisecond();
    assert_eq!(ended.state, "finished", "{:?}", ended.reason);
    let (sum, updates) = store
        .read("sum", |tx| {
            let sum = tx.round(run, 1)?.unwrap().sum.unwrap();
            let body = Body::Update { run, round: 1 };
            Ok::<_, StoreError>((sum, tx.counted(&ended.project, &body)?))
        })
        .unwrap();
    let mut expected = vec![0; PARAMETERS];
    for update in &updates {
        let values = update.release.coordinates(PARAMETERS).unwrap();
        expected.iter_mut().zip(values).for_each(|(total, value)| *total += value);
    }
    assert_eq!((sum.0, sum.1, updates.len()), (expected, 2, 2), "the sum of the two others");
    println!(
        "  closed {:.2} s after its deadline, with the exact sum of the two others",
        late as f64 / 1e3
    );
    println!("  others, measured once on another machine, not now:");
    println!("    NVFlare 2.9: the round was delayed by 48 s; or was stuck");
    drop(two);
    served.stop().await;
}

async fn many() {
    let folder = tempfile::tempdir().unwrap();
    let served = federation(folder.path(), MANY).await;
    let mut agents = Agents::start(&served, &folder.path().join("agents"), 0, MANY);
    forget_peak();
    let begin = Instant::now();
    start(&served, 1, false, MANY, PATIENCE);
    let (cpu, _) = tokio::task::spawn_blocking(move || agents.play(1)).await.unwrap();
    println!("  {:.1} s (bar 30)", begin.elapsed().as_secs_f64());
    println!("  {:.0} MB at most in the coordinator (bar 500)", peak_megabytes());
    println!("  an agent computes {:.4} s", cpu / MANY as f64);
    served.stop().await;
}

/// Starts the peak of the resident memory anew.
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Largest resident memory of this process, from Linux's `/proc`.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() * 1024.0 / 1e6
}

/// The same round by others: by what is installed, and as it was measured elsewhere.
fn peers() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    println!("  the same round by others, if {python} has their packages:");
    for script in ["nvflare_round.py", "flower.py"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(script);
        match Command::new(&python).arg(&path).arg(FEW.to_string()).output() {
            // The packages talk on the same stream; what the script says of the round is its last line.
            Ok(output) if output.status.success() => {
                let said = String::from_utf8_lossy(&output.stdout);
                println!("    {}", said.lines().last().unwrap_or("nothing"));
            }
            Ok(output) => println!("    {script} failed: {}", output.status),
            Err(error) => println!("    {script} did not start: {error}"),
        }
    }
    println!("  and measured once on another machine, not now:");
    println!("    NVFlare 2.9: 2.6 s, an agent sends 141 kB and computes 0.13 s");
    println!("    Flower 1.41: 28 s, an agent sends 140 kB and computes 1.9 to 3.1 s");
}
