//! The command on small files.

use std::io::Write;

use clap::Parser;
use serde_json::Value;

use super::super::arguments::{Arguments, Command};
use super::super::testing::context;
use super::sample;
use crate::prelabel::{Draft, Prelabel};
use crate::review::{Annotation, Decision, annotate, next};
use crate::route::{self, Accepts};
use crate::store::StoreError;
use crate::store::items::Stage;
use crate::store::labels::Role;
use crate::testing;

fn run(words: &str, content: &str, history: Option<&str>) -> Result<String, String> {
    let file = |content: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    };
    let (items, history) = (file(content), history.map(file));
    let mut all = format!("insitu-agent sample {words} {}", items.path().display());
    if let Some(history) = &history {
        all.push_str(&format!(" --history {}", history.path().display()));
    }
    let parsed = Arguments::try_parse_from(all.split_whitespace()).unwrap();
    let Command::Sample(arguments) = parsed.command else { panic!("not a sample") };
    let mut out = Vec::new();
    let open = || panic!("a choice from a file opens no store");
    match sample(open, &arguments, &mut out) {
        Ok(_) => Ok(String::from_utf8(out).unwrap()),
        Err(failure) => {
            assert_eq!(failure.code, 1);
            Err(failure.message.replace(&items.path().display().to_string(), "FILE"))
        }
    }
}

fn chosen(words: &str, content: &str) -> Vec<String> {
    let found: Value =
        serde_json::from_str(&run(&format!("{words} --json"), content, None).unwrap()).unwrap();
    let tasks = found["tasks"].as_array().unwrap().iter();
    tasks.map(|task| task["item"].as_str().unwrap().to_owned()).collect()
}

/// Two far clusters; `d` is labeled, `e` is the most doubtful.
const ITEMS: &str = "\
id,label,p_x,p_y,f_0,h0_x,h0_y,h1_x,h1_y
a,,0.9,0.1,0.0,0.9,0.1,0.8,0.2
b,,0.6,0.4,0.1,0.5,0.5,0.5,0.5
c,,0.8,0.2,0.2,0.9,0.1,0.1,0.9
d,x,0.5,0.5,9.0,0.5,0.5,0.5,0.5
e,,0.55,0.45,9.1,0.5,0.5,0.6,0.4
";

#[test]
fn each_strategy_asks_for_what_it_should() {
    for doubt in ["margin", "entropy", "least-confidence"] {
        assert_eq!(chosen(&format!("--strategy {doubt} -n 2"), ITEMS), ["e", "b"]);
    }
    assert_eq!(chosen("--strategy bald -n 1", ITEMS), ["c"]);
    // d covers its own cluster, so the first lies in the other.
    assert_eq!(chosen("--strategy k-center -n 1", ITEMS), ["a"]);
    let mut typical = chosen("--strategy typiclust -n 2", ITEMS);
    typical.sort();
    assert_eq!(typical, ["b", "e"]);
    let all = |words: &str| {
        let mut all = chosen(words, ITEMS);
        all.sort();
        all
    };
    for strategy in ["random", "margin-kmeans", "typiclust", "k-center", "bald"] {
        assert_eq!(all(&format!("--strategy {strategy} -n 100")), ["a", "b", "c", "e"]);
    }
    assert_eq!(chosen("--strategy random", ITEMS), chosen("--strategy random", ITEMS));
    assert_eq!(chosen("-n 0", ITEMS), [""; 0]);
}

#[test]
fn near_duplicates_share_a_task() {
    let words = "one two three four five six seven eight nine ten";
    let text = format!(
        "id,text,p_x,p_y,label\na,{words},0.5,0.5,\nb,{words} eleven,0.5,0.5,\nc,other,0.6,0.4,\n\
         d,done before,0.5,0.5,x\ne,Done before,0.5,0.5,\n"
    );
    let out = run("--similarity 0.7 --json", &text, None).unwrap();
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["tasks"][0]["item"], "a");
    assert_eq!(found["tasks"][0]["shared_with"], serde_json::json!(["b"]));
    assert_eq!(found["tasks"].as_array().unwrap().len(), 2);
    assert_eq!((&found["labeled"], &found["like_labeled"]), (&1.into(), &1.into()));
    assert_eq!(chosen("--strategy margin", "group,p_x,p_y\n1,1,0\n1,.5,.5\n2,1,0\n").len(), 2);
}

#[test]
fn it_says_when_to_stop() {
    let mut items = "id,label,p_x,p_y\n".to_owned();
    for at in 0..10_000 {
        let label = if at < 400 { "x" } else { "" };
        items.push_str(&format!("{at},{label},0.9,0.1\n"));
    }
    let words = "-n 100 --target-error 0.02 --training-cost 5 --json";
    let history = "labels,share,error\n100,0.8,0.08\n400,0.8,0.04\n";
    let found: Value = serde_json::from_str(&run(words, &items, Some(history)).unwrap()).unwrap();
    let advice = &found["stopping"];
    assert!(advice["machine"].as_f64().unwrap() > 7_000.0, "{advice}");
    assert!(advice["cost"].as_f64().unwrap() < advice["cost_by_hand"].as_f64().unwrap());
    let text =
        run("-n 1 --target-error 0.0001", &items, Some("labels,error\n10,0.9\n20,0.9\n")).unwrap();
    assert!(text.contains("label all by hand"), "{text}");
}

#[test]
fn bad_input_is_refused() {
    for (words, content, expected) in [
        (
            "",
            "id,p_x,p_y\n1,0.5,0.6\n",
            "FILE:2: the 2 class probabilities sum to 1.1, not 1 within 0.005",
        ),
        ("--strategy k-center", "id\n1\n", "FILE: this strategy needs features: columns f_NAME"),
        (
            "--strategy margin",
            "id\n1\n",
            "FILE: this strategy needs class probabilities: columns p_CLASS for each class",
        ),
        (
            "--strategy bald",
            "id\n1\n",
            "FILE: 0 heads, but 2 are needed: columns h0_CLASS, h1_CLASS and so on",
        ),
        ("", "id,f_0\n1,NaN\n", "FILE:2: column \"f_0\" holds \"NaN\", not a number"),
    ] {
        assert_eq!(run(words, content, None).unwrap_err(), expected);
    }
}

/// The names of the items that a choice among a project's gives, and what it says beside them.
fn chosen_of(context: super::Context, words: &str) -> (Vec<String>, Value, super::Context) {
    let all = format!("insitu-agent sample --json --project heart {words}");
    let parsed = Arguments::try_parse_from(all.split_whitespace()).unwrap();
    let Command::Sample(arguments) = parsed.command else { panic!("not a sample") };
    let again = again(&context);
    let mut out = Vec::new();
    sample(|| Ok(context), &arguments, &mut out).unwrap_or_else(|failure| panic!("{failure:?}"));
    let found: Value = serde_json::from_slice(&out).unwrap();
    let tasks = found["tasks"].as_array().unwrap().iter();
    (tasks.map(|task| task["item"].as_str().unwrap().to_owned()).collect(), found, again)
}

#[test]
fn stored_items_are_chosen_once_and_come_first() {
    let (_folder, context, row) = context(40);
    let sure = |at: usize| if at % 10 == 7 { 0.55 } else { 0.9 - 0.001 * at as f64 };
    testing::prelabel(&context.store, &row, |at| sure(at).min(0.89));
    let name = |context: &super::Context, item: i64| {
        let row = context.store.read("test", |tx| tx.item(item)).unwrap().unwrap();
        hex::encode(row.opaque)
    };
    let (first, found, context) = chosen_of(context, "--strategy margin -n 4 --enqueue");
    let doubtful: Vec<String> = [8, 18, 28, 38].iter().map(|at| name(&context, *at)).collect();
    assert_eq!((&first, &found["enqueued"]), (&doubtful, &4.into()));
    let (second, _, context) = chosen_of(context, "--strategy margin -n 4");
    assert!(second.iter().all(|item| !first.contains(item)), "never the same item twice");
    let (typical, found, context) = chosen_of(context, "-n 3");
    assert_eq!((typical.len(), &found["strategy"]), (3, &"typiclust".into()), "few labels");
    let eve = testing::person(&context.store, "eve", Role::Expert);
    let cards = next(&context.store, &eve, &row.definition.name, 6, 5).unwrap();
    let offered: Vec<String> = cards.iter().map(|card| hex::encode(card.row.opaque)).collect();
    assert_eq!(offered[..4], doubtful[..], "{offered:?}");
    let all = "insitu-agent sample --project heart --strategy bald";
    let parsed = Arguments::try_parse_from(all.split_whitespace()).unwrap();
    let Command::Sample(arguments) = parsed.command else { panic!("not a sample") };
    let refused = sample(|| Ok(context), &arguments, &mut Vec::new()).unwrap_err();
    assert!(refused.message.contains("there is no model"), "{}", refused.message);
}

/// A store behind another door: the command closes its own.
fn again(context: &super::Context) -> super::Context {
    super::Context {
        config: context.config.clone(),
        limits: context.limits.clone(),
        store: crate::store::Store::open(&context.config.data).unwrap(),
        clock: context.clock.clone(),
    }
}

#[test]
fn without_features_doubt_decides() {
    let (_folder, context, _) = context(0);
    let mut project = testing::project();
    project.name = "bare".parse().unwrap();
    project.features.clear();
    let row = testing::put(&context.store, &project);
    testing::add_items(&context.store, &row, 0..4, 4);
    testing::prelabel(&context.store, &row, |_| 0.7);
    let all = "insitu-agent sample --json --project bare";
    let parsed = Arguments::try_parse_from(all.split_whitespace()).unwrap();
    let Command::Sample(arguments) = parsed.command else { panic!("not a sample") };
    let mut out = Vec::new();
    sample(|| Ok(context), &arguments, &mut out).unwrap_or_else(|failure| panic!("{failure:?}"));
    let found: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&found["strategy"], &found["items"]), (&"margin".into(), &4.into()));
}

#[test]
fn items_without_a_label_of_record_are_not_labeled() {
    let (_folder, context, _) = context(0);
    let mut project = testing::project();
    let mut third = project.classes[0].clone();
    third.name = insitu_protocol::text::Line::new("unclear").unwrap();
    project.classes.push(third);
    project.version += 1;
    let row = testing::put(&context.store, &project);
    testing::add_items(&context.store, &row, 0..40, 40);
    testing::prelabel(&context.store, &row, |_| 0.7);
    let eve = testing::person(&context.store, "eve", Role::Expert);
    let cards = next(&context.store, &eve, &row.definition.name, 2, 5).unwrap();
    for (card, class) in cards.iter().zip([0, 2]) {
        let annotation = Annotation {
            key: hex::encode(card.row.opaque),
            label: Some(crate::label::Label::Class(class)),
            seconds: 1.0,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(&context.store, &eve, &card.row.opaque, &annotation, 6).unwrap();
    }
    project.classes.pop();
    project.version += 1;
    testing::put(&context.store, &project);
    let (_, found, _) = chosen_of(context, "-n 1 --strategy margin");
    assert_eq!(found["labeled"], 1, "{found}");
}

/// Of three classes two items are as sure of the first, but one knows what it is else.
#[test]
fn every_class_counts_and_not_the_likeliest_alone() {
    let (_folder, context, _) = context(0);
    let mut project = testing::project();
    project.name = "three".parse().unwrap();
    let mut third = project.classes[0].clone();
    third.name = insitu_protocol::text::Line::new("unclear").unwrap();
    project.classes.push(third);
    let row = testing::put(&context.store, &project);
    testing::add_items(&context.store, &row, 0..2, 2);
    context
        .store
        .tx("test", |tx| {
            let items = tx.items_in_stage(row.project, Stage::Clean, 0, 10)?;
            let rest = [[0.5, 0.25, 0.25], [0.5, 0.49, 0.01]];
            for (item, probabilities) in items.iter().zip(rest) {
                let prelabel = Prelabel::for_test(0, 0.5, 7);
                let draft = Draft { probabilities: probabilities.to_vec(), ..prelabel.into() };
                route::place(tx, &project, &Accepts::Nothing, item, &draft, 0)?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let all = "insitu-agent sample --json --project three --strategy margin -n 2";
    let parsed = Arguments::try_parse_from(all.split_whitespace()).unwrap();
    let Command::Sample(arguments) = parsed.command else { panic!("not a sample") };
    let mut out = Vec::new();
    sample(|| Ok(context), &arguments, &mut out).unwrap();
    let found: Value = serde_json::from_slice(&out).unwrap();
    let scores: Vec<f64> =
        found["tasks"].as_array().unwrap().iter().map(|t| t["score"].as_f64().unwrap()).collect();
    assert!((scores[0] - 0.99).abs() < 1e-6 && (scores[1] - 0.75).abs() < 1e-6, "{scores:?}");
}
