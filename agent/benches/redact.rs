//! Quality and speed of redaction: `cargo bench -p insitu-agent --bench redact`.
//!
//! Quality is measured on annotated sets where they are there (`../shared/pii` beside the workspace,
//! or the folder that `INSITU_PII` names) and on our own in `models/names/held-out`, beside Presidio
//! when `python3` has it, and with the names model in the folder that `INSITU_NAMES` names. Speed is
//! per CPU second, from /proc, so that the machine's other work does not count.

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
use insitu_models::engine::Library;
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
/// Set in the process that measures a cold start.
const COLD: &str = "INSITU_BENCH_COLD";
/// An annotated set and its file, and what is asked of full-cover recall and character precision on it.
type Set = (&'static str, &'static str, Option<(f64, f64)>);
const SETS: [Set; 7] = [
    ("identifiers", "shared_ids_A.jsonl", Some((0.995, 0.0))),
    ("English text", "shared_presidio_synth_en.jsonl", Some((0.95, 0.95))),
    ("Spanish clinical", "shared_meddocan_dev_es.jsonl", Some((0.98, 0.97))),
    ("English, ours", own!("en"), None),
    ("German, ours", own!("de"), None),
    ("Spanish, ours", own!("es"), None),
    ("nothing, ours", own!("clean"), None),
];

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

#[derive(Clone, Copy, Deserialize)]
struct Place {
    start: usize,
    end: usize,
}

#[derive(Deserialize)]
struct Foreign {
    spans: Vec<Place>,
    cpu_seconds: f64,
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
}

fn main() {
    if env::var_os(COLD).is_some() {
        let engine = with_names().unwrap_or_else(|| Engine::new(Profile::default()));
        black_box(engine.clean(ORDINARY, Mode::Mask));
        return;
    }
    quality();
    speed();
    cold_start();
}

fn quality() {
    let folder = env::var_os("INSITU_PII").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pii"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("quality: of our own sets alone, no others at {}", folder.display());
    }
    let mut engines = vec![("insitu", Engine::new(Profile::default()))];
    engines.extend(with_names().map(|engine| ("with model", engine)));
    println!(
        "set               program    full-cover recall  at character precision  negatives hit  clean texts hit"
    );
    for (name, file, bars) in SETS {
        // Our own sets have whole paths, which `join` takes as they are.
        let Ok(text) = fs::read_to_string(folder.join(file)) else { continue };
        let set: Vec<Gold> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let characters: usize = set.iter().map(|gold| gold.text.chars().count()).sum();
        let characters = characters as f64;
        for (program, engine) in &engines {
            let mut score = Score::default();
            let start = process_seconds();
            for gold in &set {
                let found = engine.find(&gold.text);
                let found: Vec<Place> =
                    found.iter().map(|span| Place { start: span.start, end: span.end }).collect();
                score.add(gold, &found);
            }
            score.print(name, program);
            println!(
                "{name:<17} {program} reads {:.0} characters/s",
                characters / (process_seconds() - start)
            );
        }
        if let Some((recall, precision)) = bars {
            println!("{name:<17} must reach {recall:>18.3} {precision:>23.3}");
        }
        if let Some(found) = presidio(&set) {
            let mut score = Score::default();
            set.iter().zip(&found).for_each(|(gold, found)| score.add(gold, &found.spans));
            score.print(name, "presidio");
            let seconds: f64 = found.iter().map(|found| found.cpu_seconds).sum();
            println!("{name:<17} presidio reads {:.0} characters/s", characters / seconds);
        }
    }
}

/// The engine with the names model that the environment names; its failure ends the benchmark.
fn with_names() -> Option<Engine> {
    let folder = env::var_os("INSITU_NAMES")?;
    let inference = insitu_models::engine::Engine::start(&Library::Search).expect("an engine");
    let model = Transformer::load(Path::new(&folder), &inference).expect("a names model");
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
        for span in &gold.spans {
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

    fn print(&self, set: &str, program: &str) {
        let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
        let percent = |part: usize, of: usize| {
            if of == 0 { "-".to_owned() } else { format!("{:.1} %", 100.0 * share(part, of)) }
        };
        println!(
            "{set:<17} {program:<10} {:>18.3} {:>23.3} {:>14} {:>16}",
            share(self.covered, self.gold),
            share(self.rightly, self.hidden),
            percent(self.negatives_hit, self.negatives),
            percent(self.quiet_hit, self.quiet),
        );
    }
}

/// What Presidio finds, if it is installed.
fn presidio(set: &[Gold]) -> Option<Vec<Foreign>> {
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
        set.iter().map(|gold| format!("{}\n", serde_json::json!({"text": gold.text}))).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().ok()?;
    // Without Presidio the script ends at once, and takes no input.
    drop(writer.join());
    let text = String::from_utf8(output.stdout).ok()?;
    let found: Vec<Foreign> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
    (found.len() == set.len()).then_some(found)
}

fn speed() {
    let with_tagger = Engine::new(Profile::default());
    let rules = Engine::new(Profile { tagger: false, ..Profile::default() });
    let read = [Kind::Name, Kind::Address, Kind::Location, Kind::Organization];
    let kinds: KindSet = Kind::ALL.iter().copied().filter(|kind| !read.contains(kind)).collect();
    let patterns = Engine::new(Profile { tagger: false, kinds, ..Profile::default() });
    println!(
        "\nper CPU second of one thread   (patterns must reach 50 MB, all with names 250,000 characters)"
    );
    for (name, note) in [("dense", DENSE), ("ordinary", ORDINARY), ("quiet", QUIET)] {
        // Records of a few kilobytes each, as they come.
        let record = note.repeat(4_096 / note.len() + 1);
        let characters = record.chars().count() as f64 / record.len() as f64;
        for (stage, engine) in
            [("patterns", &patterns), ("rules", &rules), ("rules and tagger", &with_tagger)]
        {
            let find = rate(&record, |text| drop(black_box(engine.find(text))));
            let clean = rate(&record, |text| drop(black_box(engine.clean(text, Mode::Mask))));
            println!(
                "{name:>9}, {stage:<17} find {find:6.1} MB ({:>10.0} characters), clean and re-read {clean:6.1} MB",
                find * 1e6 * characters
            );
        }
    }
    println!("memory, at most: {:.0} MiB (must stay within 120)", memory_mib());
}

/// From the start of a process to its first clean text.
fn cold_start() {
    let Ok(program) = env::current_exe() else { return };
    let start = SystemClock.now();
    let done = Command::new(program).env(COLD, "1").status();
    let seconds = (SystemClock.now() - start).total(jiff::Unit::Second).unwrap_or(f64::NAN);
    if done.is_ok_and(|status| status.success()) {
        println!("cold start: {seconds:.2} s (must stay within 0.5)");
    }
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
