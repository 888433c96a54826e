//! Quality and speed of redaction: `cargo bench -p insitu-agent --bench redact`.
//!
//! Prints one table: what a release must reach, what the program alone reaches, what it reaches with
//! the names model in the folder that `INSITU_NAMES` names, and what Presidio reaches where `python3`
//! has it. Quality is measured on annotated sets where they are there (`../shared/pii` beside the
//! workspace, or the folder that `INSITU_PII` names; `unseen_queries_en.jsonl` and
//! `unseen_letters_de.jsonl` are looked for there too) and on our own in `models/names/held-out`.
//! Speed is per CPU second, from /proc, so that the machine's other work does not count. The names
//! model runs on ONNX Runtime where `ORT_DYLIB_PATH` names its library, else on the engine inside.

#![allow(clippy::print_stdout, reason = "a benchmark reports on standard output")]

use std::env;
use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use insitu_agent::redact::tagger::Transformer;
use insitu_agent::redact::{Engine, Kind, KindSet, Mode, Profile};
use insitu_daemon::clock::{Clock as _, SystemClock};
use insitu_models::engine::{Engine as Inference, Library};
use serde::Deserialize;

/// A set of this repository's own.
macro_rules! own {
    ($name:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../models/names/held-out/", $name, ".jsonl")
    };
}

/// CPU seconds that each figure of speed is measured over, at least.
const SECONDS_MIN: f64 = 1.0;
/// Bytes of text that one pass reads.
const TEXT_BYTES: usize = 1 << 20;
/// Set in a process that cleans one text, and in one that reads all sets of our own, `alone` or with
/// the `names` model, and tells its memory.
const COLD: &str = "INSITU_BENCH_COLD";
const MEMORY: &str = "INSITU_BENCH_MEMORY";

/// An annotated set.
struct Set {
    name: &'static str,
    file: &'static str,
    /// Whether its annotators counted bare years and ages under 90, as the strict profile does.
    strict: bool,
    /// Recall and precision that are asked for.
    bars: Option<(f64, f64)>,
    /// Characters per CPU second that are asked for on texts like these.
    speed: Option<f64>,
}

const fn set(name: &'static str, file: &'static str, bars: Option<(f64, f64)>) -> Set {
    Set { name, file, strict: false, bars, speed: None }
}

/// Of this repository's own.
const fn own(name: &'static str, file: &'static str, bars: Option<(f64, f64)>) -> Set {
    Set { strict: true, ..set(name, file, bars) }
}

const SETS: [Set; 45] = [
    set("identifiers", "shared_ids_A.jsonl", Some((0.995, 0.0))),
    Set {
        strict: true,
        speed: Some(25_000.0),
        ..set("English text", "shared_presidio_synth_en.jsonl", Some((0.95, 0.95)))
    },
    Set {
        speed: Some(250_000.0),
        ..set("Spanish clinical", "shared_meddocan_dev_es.jsonl", Some((0.98, 0.97)))
    },
    set("English queries", "unseen_queries_en.jsonl", Some((0.98, 0.98))),
    set("German letters", "unseen_letters_de.jsonl", Some((0.95, 0.85))),
    own("own English", own!("en"), None),
    own("own English queries", own!("queries"), Some((0.98, 0.98))),
    own("own German", own!("de"), None),
    own("own German letters", own!("letters"), Some((0.95, 0.85))),
    own("own Spanish", own!("es"), None),
    own("own everyday English", own!("everyday"), None),
    own("own of nobody", own!("clean"), None),
    own("own of nobody, more", own!("quiet"), None),
    own("own of nobody, manuals", own!("manuals"), None),
    own("own English queries, second", own!("queries-second"), Some((0.98, 0.98))),
    own("own German letters, second", own!("letters-second"), Some((0.95, 0.85))),
    own("own everyday, second", own!("everyday-second"), None),
    own("own of nobody, second", own!("quiet-second"), None),
    own("own English queries, third", own!("queries-third"), Some((0.98, 0.98))),
    own("own German letters, third", own!("letters-third"), Some((0.95, 0.85))),
    own("own everyday, third", own!("everyday-third"), None),
    own("own of nobody, third", own!("quiet-third"), None),
    own("own English queries, fourth", own!("queries-fourth"), Some((0.98, 0.98))),
    own("own German letters, fourth", own!("letters-fourth"), Some((0.95, 0.85))),
    own("own everyday, fourth", own!("everyday-fourth"), None),
    own("own of nobody, fourth", own!("quiet-fourth"), None),
    own("own English queries, fifth", own!("queries-fifth"), Some((0.98, 0.98))),
    own("own German letters, fifth", own!("letters-fifth"), Some((0.95, 0.85))),
    own("own everyday, fifth", own!("everyday-fifth"), None),
    own("own of nobody, fifth", own!("quiet-fifth"), None),
    own("own English queries, sixth", own!("queries-sixth"), Some((0.98, 0.98))),
    own("own German letters, sixth", own!("letters-sixth"), Some((0.95, 0.85))),
    own("own everyday, sixth", own!("everyday-sixth"), None),
    own("own of nobody, sixth", own!("quiet-sixth"), None),
    own("own English queries, seventh", own!("queries-seventh"), Some((0.98, 0.98))),
    own("own German letters, seventh", own!("letters-seventh"), Some((0.95, 0.85))),
    own("own everyday, seventh", own!("everyday-seventh"), None),
    own("own of nobody, seventh", own!("quiet-seventh"), None),
    own("own English queries, eighth", own!("queries-eighth"), Some((0.98, 0.98))),
    own("own German letters, eighth", own!("letters-eighth"), Some((0.95, 0.85))),
    own("own of nobody, eighth", own!("quiet-eighth"), None),
    own("own French", own!("french"), None),
    own("own Italian", own!("italian"), None),
    own("own Dutch", own!("dutch"), None),
    own("own Portuguese", own!("portuguese"), None),
];
/// Share of the hard negatives, and of the texts without personal data, that may be hit.
const NEGATIVES_MAX: f64 = 0.03;
const QUIET_MAX: f64 = 0.05;
const PATTERNS_MB_MIN: f64 = 50.0;
const MEMORY_MIB_MAX: f64 = 120.0;
const COLD_SECONDS_MAX: f64 = 0.5;

const DENSE: &str = "Patient: Roe, Jane (MRN 988-55-475), DOB 12/03/1961, SSN 536-22-1234, tel. (415) 555-2671, \
    IBAN DE89 3704 0044 0532 0130 00, jane.roe@example.org, card 4111 1111 1111 1111, IP 10.20.30.40.\n";
const ORDINARY: &str = "Der Patient stellte sich am 12.03.2020 mit Dyspnoe in unserer Ambulanz vor. Im EKG Sinusrhythmus, \
    Frequenz 78/min, LVEF 55 %. Unter Torasemid 10 mg kam es zu einer deutlichen Besserung der Symptomatik. \
    Wir danken Herrn Dr. Hoffmann für die Zuweisung und empfehlen eine Kontrolle der Elektrolyte in zwei Wochen. \
    The patient was seen in clinic; lungs are clear, heart sounds regular, abdomen soft and not tender. \
    Paciente que acude por dolor abdominal de tres días de evolución, sin fiebre ni otros síntomas asociados.\n";
const QUIET: &str = "No acute distress. Lungs are clear to auscultation, heart sounds are regular without murmur, and the \
    abdomen is soft. Plan: continue the current medication, repeat the laboratory tests, and return if symptoms worsen.\n";

#[derive(Deserialize)]
struct Gold {
    text: String,
    spans: Vec<Place>,
    #[serde(default)]
    neg: Vec<Place>,
}

#[derive(Clone, Deserialize)]
struct Place {
    start: usize,
    end: usize,
    #[serde(default, rename = "type")]
    kind: String,
}

/// What Presidio says of one text.
#[derive(Deserialize)]
struct Foreign {
    spans: Vec<Place>,
    cpu_seconds: f64,
    cold_seconds: f64,
    memory_mib: f64,
}

/// Sums over a set.
#[derive(Default)]
struct Score {
    gold: usize,
    covered: usize,
    /// Letters and digits hidden, and how many of them are personal data.
    hidden: usize,
    rightly: usize,
    negatives: usize,
    negatives_hit: usize,
    quiet: usize,
    quiet_hit: usize,
    seconds: f64,
}

/// What is measured of the program alone, with its names model, and of Presidio.
type Columns = [Option<f64>; 3];

fn main() {
    if let Some(names) = env::var_os(COLD) {
        black_box(child(names == "names").clean(ORDINARY, Mode::Mask));
        return;
    }
    if let Some(names) = env::var_os(MEMORY) {
        let engine = child(names == "names");
        for set in SETS.iter().filter(|set| Path::new(set.file).is_absolute()) {
            read(Path::new(set.file)).iter().for_each(|gold| drop(engine.find(&gold.text)));
        }
        println!("{}", memory_mib());
        return;
    }
    println!(
        "{:<46}{:>12}{:>12}{:>12}{:>12}",
        "", "must reach", "insitu", "with names", "Presidio"
    );
    if has_names().is_some() {
        println!("the names model runs on {}", inference().name());
    }
    let foreign = quality();
    let patterns = [Some(patterns_rate()), None, None];
    print("patterns: MB per CPU second", at_least(PATTERNS_MB_MIN), patterns, 1.0);
    let both = |measure: &str, read: fn(&str, &str) -> Option<f64>| {
        [read(measure, "alone"), has_names().and_then(|()| read(measure, "names"))]
    };
    let [alone, names] = both(MEMORY, child_says);
    let memory = [alone, names, foreign.as_ref().map(|one| one.memory_mib)];
    print("memory: MiB at most", at_most(MEMORY_MIB_MAX), memory, 1.0);
    let [alone, names] = both(COLD, child_takes);
    let cold = [alone, names, foreign.map(|one| one.cold_seconds)];
    print("cold start: seconds to the first clean text", at_most(COLD_SECONDS_MAX), cold, 0.01);
}

/// Rows of quality, and of speed on real texts; the last that Presidio said.
fn quality() -> Option<Foreign> {
    let folder = env::var_os("INSITU_PII").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pii"),
        PathBuf::from,
    );
    let engines = [Some(Engine::new(Profile::default())), with_names()];
    let mut last = None;
    for set in &SETS {
        // Our own sets have whole paths, which `join` takes as they are.
        let golds = read(&folder.join(set.file));
        if golds.is_empty() {
            continue;
        }
        let profile = if set.strict { Profile::strict() } else { Profile::default() };
        let mut scores = engines.each_ref().map(|engine| {
            let engine = engine.as_ref()?.with_profile(profile.clone());
            let mut score = Score::default();
            let start = process_seconds();
            let found: Vec<Vec<Place>> = golds.iter().map(|gold| places(&engine, gold)).collect();
            score.seconds = process_seconds() - start;
            golds.iter().zip(&found).for_each(|(gold, found)| score.add(gold, found));
            Some(score)
        });
        let [alone, names] = scores.each_mut().map(Option::take);
        let mut foreign = presidio(&golds);
        let other = foreign.as_ref().map(|found| {
            let mut score = Score::default();
            golds.iter().zip(found).for_each(|(gold, found)| score.add(gold, &found.spans));
            score.seconds = found.iter().map(|found| found.cpu_seconds).sum();
            score
        });
        rows(set, &golds, &[alone, names, other]);
        last = foreign.as_mut().and_then(Vec::pop).or(last);
    }
    last
}

/// The rows of one set.
fn rows(set: &Set, golds: &[Gold], scores: &[Option<Score>; 3]) {
    let of = |part: fn(&Score) -> (usize, usize)| -> Columns {
        scores.each_ref().map(|score| {
            let (part, of) = part(score.as_ref()?);
            (of > 0).then(|| part as f64 / of as f64)
        })
    };
    let name = set.name;
    let bar = |pick: fn((f64, f64)) -> f64| set.bars.map_or(Bar::None, |bars| at_least(pick(bars)));
    let recall = of(|score| (score.covered, score.gold));
    print(&format!("{name}: full-cover recall"), bar(|bars| bars.0), recall, 0.001);
    if recall[0].is_some() {
        let precision = of(|score| (score.rightly, score.hidden));
        print(&format!("{name}: character precision"), bar(|bars| bars.1), precision, 0.001);
    }
    let negatives = of(|score| (score.negatives_hit, score.negatives));
    print(&format!("{name}: hard negatives hit"), at_most(NEGATIVES_MAX), negatives, 0.001);
    let quiet = of(|score| (score.quiet_hit, score.quiet));
    print(&format!("{name}: texts of nobody hit"), at_most(QUIET_MAX), quiet, 0.001);
    if let Some(speed) = set.speed {
        let characters: usize = golds.iter().map(|gold| gold.text.chars().count()).sum();
        let rate = |score: &Score| characters as f64 / score.seconds;
        let rates = scores.each_ref().map(|score| score.as_ref().map(rate));
        print(&format!("{name}: characters per CPU second"), at_least(speed), rates, 1.0);
    }
}

/// What a figure must reach.
#[derive(Clone, Copy)]
enum Bar {
    None,
    AtLeast(f64),
    AtMost(f64),
}

/// A recall or precision of zero is no bar.
fn at_least(bar: f64) -> Bar {
    if bar > 0.0 { Bar::AtLeast(bar) } else { Bar::None }
}

fn at_most(bar: f64) -> Bar {
    Bar::AtMost(bar)
}

/// One row, unless nothing was measured; a figure that misses its bar is marked.
fn print(name: &str, bar: Bar, columns: Columns, unit: f64) {
    if columns.iter().all(Option::is_none) {
        return;
    }
    let digits = if unit < 0.01 { 3 } else { usize::from(unit < 1.0) * 2 };
    let want = match bar {
        Bar::None => String::new(),
        Bar::AtLeast(bar) => format!("≥ {bar:.digits$}"),
        Bar::AtMost(bar) => format!("≤ {bar:.digits$}"),
    };
    let cells: String = columns
        .iter()
        .map(|column| {
            let misses = match (bar, column) {
                (Bar::AtLeast(bar), Some(value)) => *value < bar,
                (Bar::AtMost(bar), Some(value)) => *value > bar,
                (Bar::None, _) | (_, None) => false,
            };
            let mark = if misses { '!' } else { ' ' };
            let text = column.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
            format!("{text:>11}{mark}")
        })
        .collect();
    println!("{name:<46}{want:>12}{cells}");
}

fn read(path: &Path) -> Vec<Gold> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn places(engine: &Engine, gold: &Gold) -> Vec<Place> {
    let place = |start, end| Place { start, end, kind: String::new() };
    engine.find(&gold.text).iter().map(|span| place(span.start, span.end)).collect()
}

fn has_names() -> Option<()> {
    env::var_os("INSITU_NAMES").map(drop)
}

/// The engine of a process that is measured.
fn child(names: bool) -> Engine {
    names.then(with_names).flatten().unwrap_or_else(|| Engine::new(Profile::default()))
}

/// What runs the names model: ONNX Runtime where it is found.
fn inference() -> Inference {
    Inference::start(&Library::Search).expect("an engine")
}

/// The engine with the names model that the environment names; its failure ends the benchmark.
fn with_names() -> Option<Engine> {
    let folder = env::var_os("INSITU_NAMES")?;
    let model = Transformer::load(Path::new(&folder), &inference()).expect("a names model");
    Some(Engine::new(Profile::default()).with_names(Some(Arc::new(model))))
}

impl Score {
    fn add(&mut self, gold: &Gold, found: &[Place]) {
        let letters: Vec<bool> = gold.text.chars().map(char::is_alphanumeric).collect();
        let mark = |places: &[Place]| {
            let mut marked = vec![false; letters.len()];
            for place in places {
                marked[place.start..place.end.min(letters.len())].fill(true);
            }
            marked
        };
        let (hidden, personal) = (mark(found), mark(&gold.spans));
        // What the annotators leave open counts neither way.
        let counts = |span: &&Place| !span.kind.starts_with("IGN");
        for span in gold.spans.iter().filter(counts) {
            self.gold += 1;
            let open = (span.start..span.end).any(|at| letters[at] && !hidden[at]);
            self.covered += usize::from(!open);
        }
        for at in (0..letters.len()).filter(|at| letters[*at] && hidden[*at]) {
            self.hidden += 1;
            self.rightly += usize::from(personal[at]);
        }
        for negative in &gold.neg {
            self.negatives += 1;
            let hit = found.iter().any(|f| f.start < negative.end && negative.start < f.end);
            self.negatives_hit += usize::from(hit);
        }
        if gold.spans.is_empty() {
            self.quiet += 1;
            self.quiet_hit += usize::from(!found.is_empty());
        }
    }
}

/// What Presidio finds, if it is installed.
fn presidio(golds: &[Gold]) -> Option<Vec<Foreign>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/presidio.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    let input: String =
        golds.iter().map(|gold| format!("{}\n", serde_json::json!({"text": gold.text}))).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().ok()?;
    // Without Presidio the script ends at once, and takes no input.
    drop(writer.join());
    let text = String::from_utf8(output.stdout).ok()?;
    let found: Vec<Foreign> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
    (found.len() == golds.len()).then_some(found)
}

/// Megabytes per CPU second that the patterns with their check digits read, on an ordinary note.
fn patterns_rate() -> f64 {
    let read = [Kind::Name, Kind::Address, Kind::Location, Kind::Organization];
    let kinds: KindSet = Kind::ALL.iter().copied().filter(|kind| !read.contains(kind)).collect();
    let patterns = Engine::new(Profile { tagger: false, kinds, ..Profile::default() });
    let rates = [DENSE, ORDINARY, QUIET].map(|note| {
        // Records of a few kilobytes each, as they come.
        let record = note.repeat(4_096 / note.len() + 1);
        rate(&record, |text| drop(black_box(patterns.find(text))))
    });
    println!("patterns on dense, ordinary and quiet notes: {rates:.1?} MB per CPU second");
    rates[1]
}

/// This program again, so that what it measures is of a process that does nothing else.
fn again(measure: &str, names: &str) -> Option<Command> {
    let mut command = Command::new(env::current_exe().ok()?);
    command.env(measure, names);
    Some(command)
}

/// What a process measured of itself.
fn child_says(measure: &str, names: &str) -> Option<f64> {
    let output = again(measure, names)?.output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Seconds from the start of a process to its first clean text.
fn child_takes(measure: &str, names: &str) -> Option<f64> {
    let start = SystemClock.now();
    let done = again(measure, names)?.status().ok()?;
    let seconds = (SystemClock.now() - start).total(jiff::Unit::Second).ok()?;
    done.success().then_some(seconds)
}

/// Megabytes per CPU second of `work` on `record`, again and again.
fn rate(record: &str, work: impl Fn(&str)) -> f64 {
    let passes = TEXT_BYTES / record.len();
    work(record);
    let (start, mut bytes) = (cpu_seconds(), 0);
    loop {
        for _ in 0..passes {
            work(black_box(record));
        }
        bytes += passes * record.len();
        let seconds = cpu_seconds() - start;
        if seconds >= SECONDS_MIN {
            return bytes as f64 / 1e6 / seconds;
        }
    }
}

/// CPU time of this thread in seconds, at the scheduler's resolution of a nanosecond.
fn cpu_seconds() -> f64 {
    seconds_of(Path::new("/proc/thread-self"))
}

/// CPU time of all threads that there are: an inference engine has its own.
fn process_seconds() -> f64 {
    let threads = fs::read_dir("/proc/self/task").expect("Linux tells it");
    threads.flatten().map(|thread| seconds_of(&thread.path())).sum()
}

fn seconds_of(thread: &Path) -> f64 {
    let stat = fs::read_to_string(thread.join("schedstat")).expect("Linux tells it");
    let nanoseconds: u64 = stat
        .split(' ')
        .next()
        .and_then(|field| field.parse().ok())
        .expect("schedstat starts with a number");
    nanoseconds as f64 / 1e9
}

/// The most memory that this process has held.
fn memory_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kibibytes = line.split_whitespace().nth(1).and_then(|field| field.parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) / 1024.0
}
