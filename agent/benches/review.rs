//! What people at work wait for: `cargo bench -p insitu-agent --bench review`.
//!
//! A store of 1,000,000 short texts (`INSITU_BENCH_ITEMS` for another number) that wait for
//! readers, a fifth of them for a second one; 20 annotators who decide five times as fast as people
//! do, first all in step, which is the worst that can be, then each in their own time; a page of
//! 50; the status; all items written as a snapshot; the memory of a process that serves from such a
//! store. What is measured is the library: HTTP
//! is not in it. Label Studio's figures beside were measured over its HTTP API, with version
//! 1.23.2, one caller and 10,000 tasks.

#![allow(clippy::print_stdout, reason = "a benchmark reports on standard output")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a benchmark of people at work runs in real time")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use insitu_agent::config::{Config, Policy, Schedule, Source};
use insitu_agent::downlink::Judge;
use insitu_agent::export::{self, Format, Request};
use insitu_agent::label::Label;
use insitu_agent::pipeline::Pipeline;
use insitu_agent::prelabel::Shelf;
use insitu_agent::review::{Annotation, Card, Decision, annotate, next};
use insitu_agent::source;
use insitu_agent::status::Status;
use insitu_agent::store::Store;
use insitu_agent::store::labels::{Person, Role, Terms};
use insitu_daemon::clock::SystemClock;
use insitu_protocol::ids::ProjectName;
use insitu_protocol::project::Project;

const ITEMS: usize = 1_000_000;
/// Items imported at once.
const PART: usize = 50_000;
const ANNOTATORS: usize = 20;
/// Decisions of each annotator, each way.
const DECISIONS: usize = 40;
/// Fewest items: all that are decided, and a page for each look at one.
const ITEMS_MIN: usize = 2 * ANNOTATORS * DECISIONS + 50 * PAGES;
/// How long each takes for one: people need two seconds.
const THINKS: Duration = Duration::from_millis(400);
/// Pages of 50.
const PAGES: usize = 20;
/// The folder of the store, in the process whose memory is measured.
const SERVED: &str = "INSITU_BENCH_SERVED";

const PROJECT: &str = r#"
name = "notes"
version = 1
title = "Notes"
instructions = "Say what it is about."
[task]
kind = "classes"
[[classes]]
name = "pain"
[[classes]]
name = "breath"
[[fields]]
name = "note"
title = "Note"
kind = "text"
[[fields]]
name = "ward"
title = "Ward"
kind = "category"
[[features]]
field = "ward"
bins = { values = ["a", "b"] }
[routing]
accept_at = 900
expert_below = 600
overlap = 200
[statistics]
confusion_nano_rho = 2000000
coincidence_nano_rho = 1000000
calibration_nano_rho = 1000000
drift_nano_rho = 2000000
calibration_bins = 5
[training]
rounds = 2
run_nano_rho = 20000000
clip_milli = 1000
fraction_bits = 12
learning_rate = 1.0
momentum = 0.5
"#;

fn main() {
    if let Some(data) = env::var_os(SERVED) {
        serve(Path::new(&data));
        return;
    }
    let items = env::var("INSITU_BENCH_ITEMS").map_or(ITEMS, |text| text.parse().unwrap());
    assert!(items >= ITEMS_MIN, "INSITU_BENCH_ITEMS is {ITEMS_MIN} or more");
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let people = fill(&store, folder.path(), items);

    let alone = alone(folder.path());
    tell("a durable transaction of one row, alone", alone, "this disk's own price");
    for (step, how) in ["in step", "each in their own time"].into_iter().enumerate() {
        let (asked, said) = together(&store, &people, step);
        println!("{ANNOTATORS} annotators at once, {how}, {DECISIONS} decisions each:");
        tell("next", asked, "goal: 99 % under 5 ms; Label Studio: 213 ms, alone");
        tell("a decision", said, "kept durably before it is shown as saved");
    }

    // Leases of the first annotator end, so that each page is another one.
    let mut pages = Vec::new();
    for page in 0..PAGES {
        let person = &people[page % ANNOTATORS];
        let started = Instant::now();
        let cards = next(&store, person, &project_name(), 50, later(page)).unwrap();
        pages.push(started.elapsed());
        assert_eq!(cards.len(), 50);
    }
    let of = format!("goal: 50 ms; of {items} items");
    tell("a page of 50", pages, &of);
    reports(&store, folder.path());
    drop(store);

    let mut served = Command::new(env::current_exe().unwrap());
    assert!(served.env(SERVED, folder.path()).status().unwrap().success());
}

/// What an operator asks for of so many items: the status, and a snapshot.
fn reports(store: &Store, data: &Path) {
    let file = data.join("agent.toml");
    fs::write(&file, "site = \"bench\"\n").unwrap();
    let config = Config::read(&file).unwrap();
    let limits = config.policy.limits().unwrap();
    let ask = |_| {
        let started = Instant::now();
        Status::read(store, &config, &limits, false, 0).unwrap();
        started.elapsed()
    };
    tell("status", (0..PAGES).map(ask).collect(), "");
    let row = store.read("bench", |tx| tx.project(&project_name())).unwrap().unwrap();
    let (out, ids) = (data.join("snapshot"), HashMap::new());
    let request = Request {
        project: &row,
        format: Format::JsonLines,
        out: &out,
        unlabeled: true,
        people_only: false,
        synthetic: false,
        names: false,
        license: None,
        ids: &ids,
    };
    let started = Instant::now();
    let exported = export::export(store, &request, |_| {}).unwrap();
    let (records, seconds) = (exported.counts.records, started.elapsed().as_secs_f64());
    println!("a snapshot of {records} items as {} in {seconds:.1} s", Format::JsonLines.name());
}

/// A store full of items that wait for people, and the people.
fn fill(store: &Arc<Store>, data: &Path, items: usize) -> Vec<Person> {
    let definition: Project = toml::from_str(PROJECT).unwrap();
    let rules: Source = toml::from_str("name = \"notes\"\nid = \"id\"").unwrap();
    let row = store
        .tx("bench", |tx| {
            tx.put_project(&definition, 0)?;
            tx.project(&definition.name)
        })
        .unwrap()
        .unwrap();
    let started = Instant::now();
    for from in (0..items).step_by(PART) {
        let mut lines = String::new();
        for at in from..items.min(from + PART) {
            writeln!(
                lines,
                r#"{{"id": {at}, "note": "Note {at}: lungs are clear; pain in the left knee since March.", "ward": "a"}}"#
            )
            .unwrap();
        }
        let format = source::Format::JsonLines;
        source::import(store, &row, &rules, None, format, lines.as_bytes()).unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    let each = Duration::from_secs_f64(seconds * 1e5 / f64::from(u32::try_from(items).unwrap()));
    println!(
        "{items} items imported in {seconds:.1} s, {:.1} s for each 100,000 (goal: 20 s; Label Studio: 89 s, at \
         10,000 in 8.9 s)",
        each.as_secs_f64()
    );
    let started = Instant::now();
    let policy = Policy::default();
    let judge = Judge { limits: policy.limits().unwrap(), policy, bundle_key: None };
    let (store_, shelf) = (Arc::clone(store), Shelf::new(data));
    let clock = Arc::new(SystemClock);
    let mut pipeline = Pipeline::new(store_, clock, judge, Schedule::default(), shelf, None);
    while pipeline.tick().unwrap() {}
    println!("and redacted and routed in {:.1} s", started.elapsed().as_secs_f64());
    let add = |number: usize| {
        let hash = *blake3::hash(&number.to_le_bytes()).as_bytes();
        let (name, terms) = (format!("annotator {number}"), Terms::default());
        store
            .tx("bench", |tx| {
                tx.add_person(&name, Role::Annotator, terms, &hash, 0)?;
                tx.person_named(&name)
            })
            .unwrap()
            .unwrap()
    };
    (0..ANNOTATORS).map(add).collect()
}

/// What all annotators wait for. In step 0 they begin together, in step 1 evenly spread over the
/// time that each takes for a decision.
fn together(store: &Arc<Store>, people: &[Person], step: usize) -> (Vec<Duration>, Vec<Duration>) {
    let working = people.iter().zip(0..).map(|(person, number)| {
        let (store, person) = (Arc::clone(store), person.clone());
        let spread = THINKS * number / u32::try_from(people.len()).unwrap();
        thread::spawn(move || {
            if step > 0 {
                thread::sleep(spread);
            }
            work(&store, &person, step)
        })
    });
    let (mut asked, mut said) = (Vec::new(), Vec::new());
    for thread in working.collect::<Vec<_>>() {
        let (nexts, answers) = thread.join().unwrap();
        asked.extend(nexts);
        said.extend(answers);
    }
    (asked, said)
}

/// What an annotator waits for: for cards, and for decisions to be kept.
fn work(store: &Store, person: &Person, step: usize) -> (Vec<Duration>, Vec<Duration>) {
    let (mut asked, mut said) = (Vec::new(), Vec::new());
    for decision in 0..DECISIONS {
        let started = Instant::now();
        let cards = next(store, person, &project_name(), 1, later(0)).unwrap();
        asked.push(started.elapsed());
        let Card { row, .. } = &cards[0];
        let annotation = Annotation {
            key: format!("{step}-{decision}"),
            label: Some(Label::classes(vec![0])),
            seconds: 1.0,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        let started = Instant::now();
        annotate(store, person, &row.opaque, &annotation, later(0)).unwrap();
        said.push(started.elapsed());
        thread::sleep(THINKS);
    }
    (asked, said)
}

/// Durable transactions of one row in a file beside the store's.
fn alone(data: &Path) -> Vec<Duration> {
    let beside = data.join("beside");
    fs::create_dir(&beside).unwrap();
    let store = Store::open(&beside).unwrap();
    let write = |number: usize| {
        let hash = *blake3::hash(&number.to_le_bytes()).as_bytes();
        let (name, terms) = (number.to_string(), Terms::default());
        let started = Instant::now();
        store.tx("bench", |tx| tx.add_person(&name, Role::Annotator, terms, &hash, 0)).unwrap();
        started.elapsed()
    };
    (0..100).map(write).collect()
}

/// Serves some cards, and says what that took of memory.
fn serve(data: &Path) {
    let store = Store::open(data).unwrap();
    let named = |tx: &insitu_agent::store::Tx<'_>| tx.person_named("annotator 0");
    let person = store.read("bench", named).unwrap().unwrap();
    for page in 0..PAGES {
        next(&store, &person, &project_name(), 50, later(PAGES + page)).unwrap();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    println!("a process that serves from it: {:.0} MB at most (goal: 150)", kib * 1024.0 / 1e6);
}

fn project_name() -> ProjectName {
    "notes".parse().unwrap()
}

/// Seconds, so far apart that no lease of an earlier page is left.
fn later(page: usize) -> i64 {
    1_000_000 * i64::try_from(page).unwrap()
}

fn tell(what: &str, mut times: Vec<Duration>, beside: &str) {
    times.sort();
    let at = |hundredths: usize| times[(times.len() - 1) * hundredths / 100].as_secs_f64() * 1e3;
    println!("{what:<40} median {:>6.2} ms, 99 % {:>6.2} ms   {beside}", at(50), at(99));
}
