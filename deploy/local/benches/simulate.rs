//! The simulation against what others measured on the same data. Prints each figure beside its bar.
//!
//! `cargo bench -p insitu-local --bench simulate` for UCI heart disease: FLamby's rows (740 patients
//! with all of ten columns), splits (66/34 for each centre and class) and metric (mean of the four
//! centres' test accuracy), over 20 splits with three runs of noise each.
//!
//! With `INSITU_BANKING77=DIR` also Banking77, of which DIR has the two files, as the authors publish
//! them: `banking77_train.csv` and `banking77_test.csv`, with columns `text` and `category`. The
//! features are MiniLM's, from the folder that `models/bundles/fetch-minilm.sh` makes: `INSITU_MINILM`,
//! else that script is run. The embedded engine takes long over 13,000 texts, six times;
//! `ORT_DYLIB_PATH` shortens that. Or DIR has what `deploy/local/embed.py` made of the two files:
//! `banking77_train.jsonl`, `banking77_test.jsonl`, `labels.jsonl`.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_insitu-local");
const SPLITS: u64 = 20;
const RUNS: u64 = 3;
const COLUMNS: &str = "age,sex,cp,trestbps,chol,fbs,restecg,thalch,exang,oldpeak";
/// Clinical ranges and the data's documented values.
const RANGES: &str = r#"
age = [20, 90]
trestbps = [80, 200]
chol = [100, 400]
thalch = [60, 200]
oldpeak = [-2, 5]
sex = ["Male", "Female"]
cp = ["typical angina", "atypical angina", "non-anginal", "asymptomatic"]
fbs = ["TRUE", "FALSE"]
restecg = ["normal", "st-t abnormality", "lv hypertrophy"]
exang = ["TRUE", "FALSE"]
"#;

/// What FLamby measured on the same rows and splits, none of it now: by the ε of our run.
const REFERENCES: [(&str, &str); 3] = [
    ("none", "FLamby: FedAvg .685, FedAdagrad .731, pooled .735"),
    ("1", "FLamby: DP-FedAvg .685 ± .049"),
    ("0.1", "FLamby: DP-FedAvg .606 ± .109"),
];
/// Largest deviation between runs of noise at ε = 1.
const DEVIATION_BAR: f64 = 0.02;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    println!("UCI heart disease, four centres, {SPLITS} splits, δ = 1e-4; deviation at one split");
    for (epsilon, bar) in [("none", 0.75), ("1", 0.74), ("0.1", 0.66)] {
        heart(folder.path(), epsilon, "on", bar);
    }
    println!("the same, noise at each centre, no secure aggregation");
    for (epsilon, bar) in [("1", 0.74), ("0.1", 0.66)] {
        heart(folder.path(), epsilon, "off", bar);
    }
    match std::env::var_os("INSITU_BANKING77") {
        Some(folder) => banking(&PathBuf::from(folder)),
        None => println!("Banking77: skipped, INSITU_BANKING77 is not set"),
    }
}

fn heart(folder: &Path, epsilon: &str, secure: &str, bar: f64) {
    let by_split: Vec<Vec<f64>> = (0..SPLITS)
        .map(|split| {
            write_split(folder, split);
            let arguments = format!(
                "--features {COLUMNS} --ranges ranges.toml --split natural:hospital \
                 --epsilon {epsilon} --delta 1e-4 --secure-aggregation {secure}"
            );
            let runs = if epsilon == "none" { 1 } else { RUNS };
            (0..runs)
                .map(|_| simulate(folder, &arguments)["accuracy_mean_of_sites"].as_f64().unwrap())
                .collect()
        })
        .collect();
    let within = by_split.iter().map(|runs| variance(runs)).sum::<f64>() / SPLITS as f64;
    let all: Vec<f64> = by_split.into_iter().flatten().collect();
    let (mean, splits) = (mean(&all), variance(&all).sqrt());
    let deviation = within.sqrt();
    let bar = match epsilon {
        "1" => format!("bar {bar:.2}, deviation {DEVIATION_BAR:.2}"),
        _ => format!("bar {bar:.2}"),
    };
    let (_, reference) = REFERENCES.iter().find(|(known, _)| *known == epsilon).unwrap();
    println!(
        "  ε = {epsilon:<5} {mean:.3} ± {deviation:.3} (over splits ± {splits:.3})   {bar}   {reference}"
    );
}

/// Writes one split: in each centre and class 66 % in an order that the split decides.
fn write_split(folder: &Path, split: u64) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/bundles/heart-disease");
    let text = fs::read_to_string(shipped.join("patients.csv")).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let names: Vec<&str> = header.split(',').collect();
    let at = |name: &str| names.iter().position(|known| *known == name).unwrap();
    let mut groups: BTreeMap<String, Vec<(blake3::Hash, &str)>> = BTreeMap::new();
    for line in lines.lines() {
        let cells: Vec<&str> = line.split(',').collect();
        if COLUMNS.split(',').all(|name| !cells[at(name)].is_empty()) {
            let group = format!("{} {}", cells[at("hospital")], cells[at("label")]);
            let rank = blake3::hash(format!("{split} {}", cells[at("id")]).as_bytes());
            groups.entry(group).or_default().push((rank, line));
        }
    }
    assert_eq!(groups.values().map(Vec::len).sum::<usize>(), 740);
    let (mut train, mut test) = (header.to_owned(), header.to_owned());
    for members in groups.values_mut() {
        members.sort_unstable_by_key(|(rank, _)| *rank.as_bytes());
        let cut = (66 * members.len() + 50) / 100;
        for (place, (_, line)) in members.iter().enumerate() {
            let part = if place < cut { &mut train } else { &mut test };
            part.push('\n');
            part.push_str(line);
        }
    }
    fs::write(folder.join("train.csv"), train).unwrap();
    fs::write(folder.join("test.csv"), test).unwrap();
    fs::write(folder.join("ranges.toml"), RANGES).unwrap();
}

/// Banking77, of texts and a model's folder or of features computed elsewhere.
fn banking(folder: &Path) {
    let embedded = ["banking77_train.jsonl", "banking77_test.jsonl", "labels.jsonl"];
    let scratch = tempfile::tempdir().unwrap();
    let (kind, features) = if embedded.iter().all(|name| folder.join(name).exists()) {
        ("jsonl", "--label label --features x --public labels.jsonl".to_owned())
    } else {
        for part in ["train", "test"] {
            let file = folder.join(format!("banking77_{part}.csv"));
            assert!(file.exists(), "{} is missing, and so are {embedded:?}", file.display());
        }
        let model = std::env::var_os("INSITU_MINILM")
            .map_or_else(|| fetched(&scratch.path().join("minilm")), PathBuf::from);
        let model = fs::canonicalize(model).unwrap();
        ("csv", format!("--label category --text text --bundle {}", model.display()))
    };
    println!("Banking77, MiniLM features, 10 sites, record level, δ = 1e-5, noise shared");
    let run = |epsilon: &str, split: &str, bar: &str| {
        let arguments = format!("{features} --sites 10 --split {split} --epsilon {epsilon}");
        let found = simulated(folder, ("banking77_", kind), &arguments);
        let (rounds, accuracy) = (&found["rounds"], found["accuracy"].as_f64().unwrap());
        println!("  ε = {epsilon:<5} {split:<14} {accuracy:.3} in {rounds} rounds   {bar}");
        accuracy
    };
    run("1", "iid", "bar 0.83; the design's simulation .810");
    let equal = run("3", "iid", "bar 0.89; the design's simulation .879");
    let skewed = run("3", "dirichlet:0.5", "see the difference");
    println!("    {:.3} from equal sites   bar 0.01", (skewed - equal).abs());
    run("8", "iid", "bar 0.91; the design's simulation .902");
    run("none", "iid", "the design's simulation .922");
}

/// Fetches MiniLM.
fn fetched(folder: &Path) -> PathBuf {
    let bundles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/bundles");
    let status =
        Command::new("sh").arg(bundles.join("fetch-minilm.sh")).arg(folder).status().unwrap();
    assert!(status.success(), "MiniLM cannot be fetched; INSITU_MINILM names a folder that has it");
    folder.to_owned()
}

fn simulate(folder: &Path, arguments: &str) -> Value {
    simulated(folder, ("", "csv"), &format!("--label label {arguments}"))
}

/// A simulation of the files of a folder whose names begin and end so.
fn simulated(folder: &Path, (stem, kind): (&str, &str), arguments: &str) -> Value {
    let files = format!("--train {stem}train.{kind} --test {stem}test.{kind}");
    let output = Command::new(PROGRAM)
        .current_dir(folder)
        .args(["simulate", "--json"])
        .args(files.split_whitespace())
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Unbiased; zero for a single value.
fn variance(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    squares / (values.len().max(2) - 1) as f64
}
