//! `insitu-local simulate` as a user runs it, on the shipped patients.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

#[path = "../../../models/tests/tiny/mod.rs"]
mod tiny;

const RANGES: &str = r#"
age = [20, 90]
trestbps = [80, 200]
chol = [100, 400]
thalch = [60, 200]
oldpeak = [-2, 5]
sex = ["Male", "Female"]
cp = ["typical angina", "atypical angina", "non-anginal", "asymptomatic"]
exang = ["TRUE", "FALSE"]
"#;
const FEATURES: &str = "age,sex,cp,trestbps,chol,thalch,exang,oldpeak";

fn bundle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/bundles/heart-disease")
}

/// Every third patient is for testing.
fn files(folder: &Path) {
    let text = fs::read_to_string(bundle().join("patients.csv")).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let part = |test: bool| {
        let of = lines.lines().enumerate().filter(|(index, _)| (index % 3 == 0) == test);
        of.fold(header.to_owned(), |text, (_, line)| format!("{text}\n{line}"))
    };
    fs::write(folder.join("train.csv"), part(false)).unwrap();
    fs::write(folder.join("test.csv"), part(true)).unwrap();
    fs::write(folder.join("ranges.toml"), RANGES).unwrap();
}

fn simulate(folder: &Path, arguments: &str) -> Output {
    let files = "simulate --train train.csv --test test.csv --label label";
    local(folder, &format!("{files} {arguments}"))
}

fn json(folder: &Path, arguments: &str) -> Value {
    let output = simulate(folder, &format!("{arguments} --json"));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{message}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn four_hospitals_learn_under_privacy_and_the_books_are_right() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let natural = format!("--features {FEATURES} --ranges ranges.toml --split natural:hospital");
    let found = json(folder.path(), &format!("{natural} --epsilon 1 --delta 1e-4"));
    // One class always is right for .55; the mean of several runs is near .80.
    assert!(found["accuracy"].as_f64().unwrap() > 0.68, "{found}");
    assert!((0.97..=1.0).contains(&found["epsilon"].as_f64().unwrap()), "{found}");
    let local = found["epsilon_local"].as_f64().unwrap();
    assert!((2.0..2.4).contains(&local), "{found}"); // four times the loss, in ρ
    assert_eq!(found["accuracy_by_site"].as_object().unwrap().len(), 4);
    let rounds = found["rounds"].as_u64().unwrap();
    assert_eq!(found["accuracy_by_round"].as_array().unwrap().len() as u64, rounds);
    // 2 classes × (1 + 5 × 2 + 2 + 4 + 2 features); a count, and a vector a round, of 4 bytes each.
    assert_eq!(found["parameters"], 38);
    assert_eq!(found["bytes_up"].as_u64().unwrap(), 4 * 4 * (1 + 38 * rounds));

    let open = json(folder.path(), &format!("{natural} --epsilon 1 --secure-aggregation off"));
    assert_eq!(open["epsilon"], open["epsilon_local"]);
}

#[test]
fn without_noise_a_seed_decides_everything() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let run = |seed| {
        let split = format!("--split dirichlet:0.3 --sites 7 --seed {seed}");
        let arguments =
            format!("--features {FEATURES} --ranges ranges.toml --epsilon none {split}");
        let mut found = json(folder.path(), &arguments);
        found.as_object_mut().unwrap().remove("seconds");
        found
    };
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first["accuracy_by_site"], run(2)["accuracy_by_site"]);
    // Sums do not depend on who holds what.
    assert_eq!(first["accuracy_by_round"], run(2)["accuracy_by_round"]);
    assert_eq!(first["epsilon"], Value::Null);
    assert!(first["accuracy"].as_f64().unwrap() > 0.75, "{first}");
}

/// Fleets of devices are that large. Each has two or three records, and the sum over all of them the
/// noise of one release.
#[test]
fn more_than_a_thousand_sites_learn_in_one_process() {
    const SITES: usize = 1200;
    let folder = tempfile::tempdir().unwrap();
    let part = |records: usize| {
        let mut text = "x,y,label\n".to_owned();
        for at in 0..records {
            let (x, y) = (at % 100, at * 7 % 11);
            text += &format!("{x},{y},{}\n", if x < 50 { "low" } else { "high" });
        }
        text
    };
    fs::write(folder.path().join("train.csv"), part(3000)).unwrap();
    fs::write(folder.path().join("test.csv"), part(600)).unwrap();
    fs::write(folder.path().join("ranges.toml"), "x = [0, 99]\ny = [0, 10]\n").unwrap();
    let columns = format!("--features x,y --ranges ranges.toml --split iid --sites {SITES}");
    let found = json(folder.path(), &format!("{columns} --epsilon 1 --delta 1e-5"));
    assert_eq!((&found["sites"], &found["records"]), (&Value::from(SITES), &Value::from(3000)));
    assert_eq!(found["accuracy_by_site"].as_object().unwrap().len(), SITES);
    let (rounds, parameters) =
        (found["rounds"].as_u64().unwrap(), found["parameters"].as_u64().unwrap());
    // A count, and a vector a round, of 4 bytes each.
    let bytes = SITES as u64 * 4 * (1 + parameters * rounds);
    assert_eq!(found["bytes_up"].as_u64().unwrap(), bytes);
    assert!((0.97..=1.0).contains(&found["epsilon"].as_f64().unwrap()), "{found}");
    assert!(found["accuracy"].as_f64().unwrap() > 0.85, "{}", found["accuracy"]);
    assert!(found["seconds"].as_f64().unwrap() < 60.0, "{}", found["seconds"]);
    let refused = simulate(folder.path(), "--features x,y --sites 3001 --epsilon none");
    assert_eq!(refused.status.code(), Some(70));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("3001 sites for 3000 subjects"));
}

#[test]
fn ranges_that_are_not_public_are_charged() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let arguments = "--features age,thalch,oldpeak --sites 5 --epsilon 3 --rounds 6";
    let found = json(folder.path(), arguments);
    assert_eq!(found["rounds"], 6);
    assert!(found["epsilon"].as_f64().unwrap() <= 3.0 + 1e-6, "{found}");
    let histograms = 3 * 123; // values of three columns
    assert_eq!(found["bytes_up"].as_u64().unwrap(), 5 * 4 * (histograms + 1 + 6 * 14));
}

#[test]
fn a_bundle_makes_the_features_and_the_first_head() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let shipped = bundle();
    let plot = folder.path().join("curve.svg");
    let arguments = format!(
        "--bundle {} --split natural:hospital --epsilon 1 --plot {}",
        shipped.display(),
        plot.display()
    );
    let output = simulate(folder.path(), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(text.contains("cleveland") && text.contains("68 parameters"), "{text}");
    assert!(fs::read_to_string(plot).unwrap().contains("<polyline"));
}

#[test]
fn every_mechanism_and_optimiser_learns_and_keeps_to_its_budget() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let natural = format!("--features {FEATURES} --ranges ranges.toml --split natural:hospital");
    for how in [
        "--optimiser fedavgm:0.5",
        "--optimiser fedadagrad",
        "--optimiser fedadam",
        "--optimiser fedyogi",
        "--mechanism class-sums",
        "--mechanism dp-ftrl --rounds 20",
    ] {
        let found = json(folder.path(), &format!("{natural} --epsilon 3 --delta 1e-4 {how}"));
        // One class always is right for .55. Noise moves the accuracy by some .02 at this loss.
        assert!(found["accuracy"].as_f64().unwrap() > 0.66, "{how}: {found}");
        assert!((2.5..=3.001).contains(&found["epsilon"].as_f64().unwrap()), "{how}: {found}");
    }
}

#[test]
fn local_steps_stay_near_the_common_head_and_need_no_noise() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let natural = format!("--features {FEATURES} --ranges ranges.toml --split natural:hospital");
    let run = |how: &str| json(folder.path(), &format!("{natural} --epsilon none {how}"));
    for how in ["--local-steps 5 --rounds 20", "--local-steps 5 --proximal 0.1 --rounds 20"] {
        assert!(run(how)["accuracy"].as_f64().unwrap() > 0.75, "{how}");
    }
    let refused = simulate(folder.path(), &format!("{natural} --epsilon 1 --local-steps 5"));
    assert_eq!(refused.status.code(), Some(70));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--epsilon none"));
}

#[test]
fn a_head_of_its_own_helps_a_site_that_labels_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "x,site,label\n".to_owned();
    for at in 0..300 {
        let (x, odd) = (at % 100, at % 3 == 0);
        let label = if (x < 50) == odd { "no" } else { "yes" };
        text += &format!("{x},{},{label}\n", if odd { "odd" } else { "plain" });
    }
    fs::write(folder.path().join("train.csv"), &text).unwrap();
    fs::write(folder.path().join("test.csv"), &text).unwrap();
    fs::write(folder.path().join("ranges.toml"), "x = [0, 100]\n").unwrap();
    let arguments = "--features x --ranges ranges.toml --split natural:site --epsilon none";
    let found = json(folder.path(), &format!("{arguments} --personalise"));
    let own = &found["personalised"];
    let of = |found: &Value, site: &str| found["accuracy_by_site"][site].as_f64().unwrap();
    assert!(of(&found, "odd") < 0.3 && of(own, "odd") > 0.9, "{found}");
    assert!(of(own, "plain") > 0.9, "{found}");
    assert!(own["own_share_by_site"]["odd"].as_f64().unwrap() > 0.0, "{found}");
    assert_eq!(json(folder.path(), arguments)["personalised"], Value::Null);
}

/// A class that depends on whether two numbers are on the same side: no linear head can say it.
#[test]
fn a_hidden_layer_learns_what_no_linear_head_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "x,y,label\n".to_owned();
    for at in 0..400 {
        let (x, y) = (at % 20, at / 20);
        let label = if (x < 10) == (y < 10) { "same" } else { "other" };
        text += &format!("{x},{y},{label}\n");
    }
    fs::write(folder.path().join("train.csv"), &text).unwrap();
    fs::write(folder.path().join("test.csv"), &text).unwrap();
    fs::write(folder.path().join("ranges.toml"), "x = [0, 19]\ny = [0, 19]\n").unwrap();
    let run = |how: &str| {
        let columns = "--features x,y --ranges ranges.toml --sites 4 --rounds 400 --seed 1";
        json(folder.path(), &format!("{columns} {how}"))
    };
    let linear = run("--epsilon none");
    assert!(linear["accuracy"].as_f64().unwrap() < 0.6, "{linear}");
    let adapter = run("--epsilon none --head adapter:16");
    assert!(adapter["accuracy"].as_f64().unwrap() > 0.9, "{adapter}");
    assert_eq!(adapter["parameters"], 16 * 5 + 2 * 16); // two blocks of two, and a constant
    let noised = run("--epsilon 3 --head adapter:16");
    assert!((2.9..=3.0).contains(&noised["epsilon"].as_f64().unwrap()), "{noised}");
}

#[test]
fn a_record_may_have_several_classes_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "x,y,label\n".to_owned();
    for at in 0..400 {
        let (x, y) = (at % 20, at / 20);
        let names = [(x < 10, "left"), (y < 10, "low")];
        let names: Vec<&str> = names.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        text += &format!("{x},{y},{}\n", names.join("|"));
    }
    fs::write(folder.path().join("train.csv"), &text).unwrap();
    fs::write(folder.path().join("test.csv"), &text).unwrap();
    fs::write(folder.path().join("ranges.toml"), "x = [0, 19]\ny = [0, 19]\n").unwrap();
    let columns = "--features x,y --ranges ranges.toml --sites 4 --head multi-label";
    let found = json(folder.path(), &format!("{columns} --epsilon none"));
    // Right is who says exactly the classes; each of the four sets is a quarter.
    assert!(found["accuracy"].as_f64().unwrap() > 0.9, "{found}");
    assert_eq!((&found["classes"], &found["parameters"]), (&Value::from(2), &Value::from(10)));
    let noised = json(folder.path(), &format!("{columns} --epsilon 3"));
    assert!(noised["accuracy"].as_f64().unwrap() > 0.6, "{noised}");
    let sums = simulate(folder.path(), &format!("{columns} --epsilon 3 --mechanism class-sums"));
    assert_eq!(sums.status.code(), Some(70));
}

/// A folder with texts in which `heart` and `bank card` are marked, and the model to read them with.
fn texts_with_spans() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("model.onnx"), tiny::backbone(0)).unwrap();
    fs::write(model.join("tokenizer.json"), tiny::tokenizer()).unwrap();
    let mut lines = String::new();
    for at in 0..60 {
        let (text, spans) = match at % 4 {
            0 => ("🙂 my heart", json!([{"start": 5, "end": 10, "label": "organ"}])),
            1 => ("the bank card, please", json!([{"start": 4, "end": 13, "label": "thing"}])),
            2 => ("  nothing", json!([])),
            // Within a longer one, which no tags can say beside it.
            _ => (
                " bank card",
                json!([{"start": 1, "end": 10, "label": "thing"}, {"start": 1, "end": 5, "label": "organ"}]),
            ),
        };
        lines += &format!("{}\n", json!({"text": text, "spans": spans}));
    }
    fs::write(folder.path().join("t.jsonl"), lines).unwrap();
    fs::write(folder.path().join("classes.txt"), "organ\nthing\n").unwrap();
    folder
}

fn local(folder: &Path, arguments: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_insitu-local");
    Command::new(program).current_dir(folder).args(arguments.split(' ')).output().unwrap()
}

#[test]
fn spans_are_learned_from_texts_with_a_model_or_a_bundle() {
    let folder = texts_with_spans();
    let pack = "pack model bundle --name tiny --classes classes.txt --head tokens --tokens 8";
    let packed = local(folder.path(), pack);
    let said = String::from_utf8_lossy(&packed.stdout).into_owned();
    assert!(packed.status.success() && said.contains("tokens head of 50 weights"), "{said}");
    let run = |bundle: &str, how: &str| {
        let files =
            "simulate --train t.jsonl --test t.jsonl --label spans --text text --head tokens";
        local(folder.path(), &format!("{files} --bundle {bundle} {how}"))
    };
    for bundle in ["model", "bundle"] {
        let output = run(bundle, "--sites 4 --epsilon none --rounds 60 --json");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{message}");
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        // Of each four texts' four spans three can be said.
        let spans = &found["spans"];
        assert_eq!((&spans["spans"], &spans["left_out"]), (&json!(60), &json!(15)), "{found}");
        assert!(spans["precision"].as_f64().unwrap() > 0.99, "{found}");
        assert!((spans["recall"].as_f64().unwrap() - 0.75).abs() < 1e-9, "{found}");
        assert!((spans["f1"].as_f64().unwrap() - 6.0 / 7.0).abs() < 1e-9, "{found}");
        assert!(spans["word_accuracy"].as_f64().unwrap() > 0.99, "{found}");
        assert_eq!((&found["classes"], &found["parameters"]), (&json!(2), &json!(50)));
    }
    let noised = run("bundle", "--sites 4 --epsilon 8");
    let text = String::from_utf8_lossy(&noised.stdout).into_owned();
    assert!(noised.status.success() && text.contains("F1 of spans"), "{text}");
    for (bundle, how, words) in [
        ("none", "--features text --sites 4 --epsilon 1", "needs a --bundle"),
        ("model", "--sites 4 --epsilon 1 --personalise", "goes with neither"),
        ("model", "--sites 4 --epsilon 1 --mechanism class-sums", "class-sums makes a softmax"),
    ] {
        let refused = run(bundle, how);
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(70), "{message}");
        assert!(message.contains(words), "{message}");
    }
    let other = "simulate --train t.jsonl --test t.jsonl --label spans --bundle bundle --sites 4 --epsilon 1";
    let refused = String::from_utf8(local(folder.path(), other).stderr).unwrap();
    assert!(refused.contains("has a tokens head"), "{refused}");
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let refused = |arguments: &str, code: i32, words: &str| {
        let output = simulate(folder.path(), arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.contains(words), "{message}");
    };
    refused("--features age --sites 3 --epsilon one", 2, "neither a number nor none");
    refused("--features age --split ward --epsilon 1", 2, "dirichlet:A");
    refused("--features ape --sites 3 --epsilon 1", 70, "no column \"ape\"");
    refused("--features sex --sites 3 --epsilon 1", 70, "list a category's values in --ranges");
    refused("--features age --sites 5000 --epsilon 1", 70, "5000 sites for 613 subjects");
    refused("--features age --sites 1 --epsilon 1", 70, "two honest sites");
    refused("--features age --epsilon 1", 70, "--sites says how many");
    refused("--sites 3 --epsilon 1", 70, "--features names the columns");
    refused("--features age --sites 3 --epsilon 1 --delta 2", 70, "not strictly between");
    refused("--features age --sites 3 --epsilon 1 --optimiser sgd", 2, "fedadam or fedyogi");
    refused("--features age --sites 3 --epsilon 1 --mechanism dp-ftrl --rounds 7", 70, "passes");
    let two = "--features age --sites 3 --epsilon 1 --mechanism class-sums --optimiser fedadam";
    refused(two, 70, "for --mechanism gradient");
    let seven = "--features age --sites 3 --epsilon 1 --mechanism class-sums --rounds 7";
    refused(seven, 70, "class-sums is one round");
    refused("--features age --sites 3 --epsilon 1 --head adapter:0", 2, "adapter:UNITS");
    refused("--text age --sites 3 --epsilon 1", 70, "--text needs a --bundle");
    refused("--text age --bundle . --sites 3 --epsilon 1", 70, "model.onnx");
    refused("--bundle . --sites 3 --epsilon 1", 70, "--text names their column");
}
