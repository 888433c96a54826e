//! What a site's machine pays for training rounds: the agent's processor time and memory in rounds of
//! 29,645 parameters, over labels of texts, model aside.
//!
//! The backbone is a table with a row of 385 numbers for each word, so that next to nothing of what is
//! measured is the model's. `INSITU_MINILM=DIR` takes the folder that
//! `models/bundles/fetch-minilm.sh` makes of MiniLM, or any with `model.onnx` and `tokenizer.json`.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::IDLE_AFTER;
use super::federation::{Federation, PROJECT, Packed, wait_for};
use super::tiny::{graph, lookup, tokenizer};

/// The classes are pairs of these: 7 × 11.
const THINGS: [&str; 7] = ["card", "transfer", "top", "cash", "account", "rate", "payment"];
const TROUBLES: [&str; 11] = [
    "lost", "late", "wrong", "blocked", "new", "twice", "abroad", "fee", "limit", "change",
    "refund",
];
const CLASSES: usize = THINGS.len() * TROUBLES.len();
const FILLERS: [&str; 6] = ["please", "help", "again", "today", "with", "my"];
/// Numbers in a word's row.
const WIDTH: usize = 385;
/// Labels at which rounds are measured, the last being a tenth of Banking77's.
const TEXTS: [usize; 2] = [100, 1000];
/// Rounds over which processor time is averaged: it is told in hundredths of a second.
const ROUNDS: u32 = 20;

/// What rounds cost.
struct Cost {
    /// Processor seconds of a round.
    cpu: f64,
    /// Of them, what asking for news would have cost alone in that time.
    polling: f64,
    /// Most memory in the rounds, MB.
    peak: f64,
    /// Of an update.
    bytes: u64,
}

/// Runs the rounds and prints what they cost.
pub(super) fn main(folder: &Path) {
    let model = std::env::var_os("INSITU_MINILM").map_or_else(|| table(folder), PathBuf::from);
    let bundle = Packed::new(folder, &model, &(0..CLASSES).map(class).collect::<Vec<_>>());
    let mut site = Federation::found(folder, &bundle);
    std::thread::sleep(IDLE_AFTER);
    let idle = site.resident();
    site.serve(&bundle);
    std::thread::sleep(IDLE_AFTER);
    let model = site.resident() - idle;

    println!(
        "rounds of {} parameters, {ROUNDS} at each size, by {}",
        bundle.parameters,
        site.program()
    );
    println!(
        "  {idle:.1} MB resident when idle (bar 20), {model:.1} MB more with model and engine"
    );
    let mut imported = 0;
    for texts in TEXTS {
        import(&site, folder, imported..texts);
        imported = texts;
        let Cost { cpu, polling, peak, bytes } = rounds(&mut site);
        let aside = peak - model;
        println!(
            "  {texts} labels: {peak:.1} MB at most in a round, {aside:.1} MB model aside (bar 40)"
        );
        println!(
            "    {cpu:.4} s of CPU a round (bar 0.02), {polling:.4} s of it for asking what is new"
        );
        println!("    an update of {:.1} kB (bar 35)", bytes as f64 / 1e3);
    }
    println!("  others, measured once on another machine, not now, without data to learn from:");
    println!("    NVFlare 2.9: 89 MB when idle, 216 MB in a round, 0.13 s of CPU a round");
    println!("    Flower 1.41: 271 MB when idle, 410 MB in a round, 1.9 to 3.1 s of CPU a round");
}

fn class(number: usize) -> String {
    format!("{} {}", THINGS[number / TROUBLES.len()], TROUBLES[number % TROUBLES.len()])
}

/// The folder of a model that knows these words.
fn table(folder: &Path) -> PathBuf {
    let words: Vec<&str> =
        ["[UNK]"].iter().chain(&THINGS).chain(&TROUBLES).chain(&FILLERS).copied().collect();
    let mut state = 1_u64;
    let values: Vec<f32> = (0..words.len() * WIDTH)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let model = folder.join("model");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("model.onnx"), graph(&values, WIDTH, &lookup())).unwrap();
    fs::write(model.join("tokenizer.json"), tokenizer(&words)).unwrap();
    model
}

/// Imports texts with their labels, and waits until these are taken.
fn import(site: &Federation, folder: &Path, numbers: Range<usize>) {
    let all = numbers.end;
    let mut lines = String::from("id,text,label\n");
    for number in numbers {
        let (name, filler) = (class(number % CLASSES), number / CLASSES);
        let [first, last] = [filler % FILLERS.len(), filler / FILLERS.len() % FILLERS.len()];
        writeln!(lines, "{number},{} {name} {},{name}", FILLERS[first], FILLERS[last]).unwrap();
    }
    let file = folder.join("texts.csv");
    fs::write(&file, lines).unwrap();
    site.import(&file, &["--reader", "ann", "--label", "label"]);
    site.wait("the labels", |status| status["projects"][0]["corrected"] == all);
}

/// Starts the agent anew, for what redacting and drafting left in its memory is no part of a round,
/// and plays the rounds.
fn rounds(site: &mut Federation) -> Cost {
    site.restart();
    std::thread::sleep(IDLE_AFTER);
    let before = site.cpu_seconds();
    std::thread::sleep(IDLE_AFTER);
    let polling = (site.cpu_seconds() - before) / IDLE_AFTER.as_secs_f64();

    fs::write(format!("/proc/{}/clear_refs", site.process()), "5").unwrap();
    let (begin, before) = (Instant::now(), site.cpu_seconds());
    let rounds = ROUNDS.to_string();
    let started = site.ask(&[
        "round",
        "start",
        "--project",
        PROJECT,
        "--rounds",
        &rounds,
        "--secure-aggregation",
        "off",
        "--force",
        "a benchmark",
    ]);
    let run = started["run"].as_str().unwrap();
    wait_for("the rounds", || {
        let shown = site.ask(&["round", "show", run]);
        assert_ne!(shown["state"], "abandoned", "{shown}");
        shown["state"] == "finished"
    });
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), site.cpu_seconds() - before);
    let peak = super::megabytes(site.process(), "VmHWM:");
    let listed = site.tell(&["outbox", "list"]);
    let last = listed.as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["state"]), (&"update".into(), &"acknowledged".into()));
    let rounds = f64::from(ROUNDS);
    Cost {
        cpu: cpu / rounds,
        polling: polling * seconds / rounds,
        peak,
        bytes: last["bytes"].as_u64().unwrap(),
    }
}
