//! The command on small files.

use std::io::Write;

use clap::Parser;
use serde_json::{Value, json};

use super::super::arguments::{Arguments, Command};
use super::super::testing::context;
use super::propagate;
use crate::label::Label;
use crate::prelabel::personal::of_bundle;
use crate::prelabel::{Origin, Prelabel};
use crate::review::{Annotation, Decision, annotate, next};
use crate::store::Store;
use crate::store::items::Stage;
use crate::store::labels::Role;
use crate::testing;

const LONG: &str = "the quick brown fox jumps over the lazy dog and then runs far away from the \
                    angry farmer who owns the field beside the old wooden mill";

fn run(words: &str, content: &str) -> Result<String, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    let all = format!("insitu-agent propagate {words} {}", file.path().display());
    let parsed = Arguments::try_parse_from(all.split_whitespace()).map_err(|e| e.to_string())?;
    let Command::Propagate(arguments) = parsed.command else { panic!("another command") };
    let mut out = Vec::new();
    let open = || panic!("a run on a file opens no store");
    match propagate(open, &arguments, &mut out) {
        Ok(_) => Ok(String::from_utf8(out).unwrap()),
        Err(failure) => {
            assert_eq!(failure.code, 1);
            Err(failure.message.replace(&file.path().display().to_string(), "FILE"))
        }
    }
}

fn lines(words: &str, content: &str) -> Vec<Value> {
    let out = run(&format!("--json {words}"), content).unwrap();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn duplicates_get_drafts_that_say_where_they_come_from() {
    let near = format!("{} today", LONG.to_uppercase());
    let content = format!(
        "id,text,label\n1,{LONG},fox\n2,{LONG},\n3,{near},\n4,something else entirely,\n5,,\n\
         6,,fox\n7,{LONG},fox\n"
    );
    let found = lines("", &content);
    assert_eq!(
        found[0],
        json!({"id": "2", "label": "fox", "score": 1.0, "from": {
            "method": "duplicate", "ids": ["1", "7"], "items": 2, "similarity": 1.0}})
    );
    assert_eq!((&found[1]["id"], &found[1]["label"]), (&json!("3"), &json!("fox")));
    assert_eq!(found[1]["from"]["method"], "near-duplicate");
    let similarity = found[1]["from"]["similarity"].as_f64().unwrap();
    assert!((0.8..1.0).contains(&similarity), "{similarity}");
    assert_eq!(found.len(), 2, "neither another text nor a gap is like anything");
    assert_eq!(lines("--similarity 1", &content).len(), 1, "equal texts only");
    let text = run("", &content).unwrap();
    assert!(text.starts_with("7 items, 3 labeled; 2 drafts, 0 items"), "{text}");
    assert!(text.contains("duplicate of 1, 7, 1.000"), "{text}");
}

#[test]
fn contradictions_are_reported_and_not_resolved() {
    let content = "id,text,label\n1,a b c,x\n2,a b c,y\n3,A B C,\n4,other,x\n5,other,\n6,a b c,x\n";
    let found = lines("", content);
    let of = |id: &str| found.iter().find(|line| line["id"] == id).unwrap();
    for (id, given) in [("1", json!("x")), ("2", json!("y")), ("3", Value::Null)] {
        assert_eq!((&of(id)["label"], &of(id)["given"]), (&Value::Null, &given));
        assert_eq!(of(id)["labels"], 2);
    }
    assert_eq!(
        of("3")["conflict"],
        json!([
            {"label": "x", "method": "near-duplicate", "ids": ["1", "6"], "items": 2,
             "similarity": 1.0},
            {"label": "y", "method": "near-duplicate", "ids": ["2"], "items": 1, "similarity": 1.0},
        ])
    );
    assert_eq!(of("5")["label"], "x");
    assert_eq!(found.len(), 5);
    let text = run("", content).unwrap();
    assert!(text.contains("1 drafts, 4 items whose duplicates have different labels"), "{text}");
}

/// Two clouds with a label each, and a pair that no label reaches.
#[test]
fn labels_spread_to_neighbours_and_no_farther() {
    let mut content = "id,f_x,f_y,label\n".to_owned();
    for (cloud, (x, label)) in [(0.0, "a"), (100.0, "b")].into_iter().enumerate() {
        for item in 0..10 {
            let label = if item == 0 { label } else { "" };
            let y = f64::from(item);
            content.push_str(&format!("{cloud}-{item},{x},{y},{label}\n"));
        }
    }
    content.push_str("far-0,1e6,0,\nfar-1,1e6,1,\n");
    let found = lines("--method spreading --neighbours 1", &content);
    let drafts: Vec<&Value> = found.iter().map(|line| &line["label"]).collect();
    assert!(drafts.iter().all(|label| **label == "a" || **label == "b"));
    assert!(found.iter().all(|line| !line["id"].as_str().unwrap().starts_with("far")));
    let found = lines("--method spreading --neighbours 3", &content);
    for line in &found {
        let id = line["id"].as_str().unwrap();
        if let Some((cloud, _)) = id.split_once('-').filter(|(cloud, _)| *cloud != "far") {
            assert_eq!(line["label"], if cloud == "0" { "a" } else { "b" }, "{line}");
            assert_eq!(line["from"]["ids"], json!([format!("{cloud}-0")]));
        }
    }
    let nine = found.iter().find(|line| line["id"] == "1-9").unwrap();
    assert_eq!(nine["from"]["method"], "spreading");
    assert!((nine["from"]["similarity"].as_f64().unwrap() - 0.1).abs() < 1e-12);
}

#[test]
fn bad_input_is_refused() {
    let refused = |words: &str, content: &str| run(words, content).unwrap_err();
    assert_eq!(refused("", ""), "FILE: there are no records");
    assert!(refused("", "id,text\n1,a\n").starts_with("FILE: there is no column label"));
    assert_eq!(refused("", "text,label\na,\n"), "FILE: no item has a label to propagate");
    assert!(refused("", "id,label\n1,a\n").starts_with("FILE: there is no column text"));
    let spreading = |content: &str| refused("--method spreading", content);
    assert!(spreading("id,label\n1,a\n").starts_with("FILE: there is no column f_NAME"));
    assert_eq!(
        spreading("f_0,label\n1,a\nx,\n"),
        "FILE:3: column \"f_0\" holds \"x\", not a number"
    );
    assert!(spreading("f_0,label\n1e200,a\n2,\n").contains("points"));
    let many = format!("f_0,label\n1,a\n{}", "2,\n".repeat(50_000));
    assert_eq!(spreading(&many), "FILE: 50001 items, more than the limit of 50000");
    for words in ["--alpha 1", "--alpha nan", "--similarity 0", "--neighbours 0", "--min-score 2"] {
        assert!(refused(words, "").contains("invalid value"), "{words}");
    }
}

/// Ages repeat after 90 items: the second ninety are equal to the first, of which a few are labeled.
#[test]
fn equal_items_of_a_project_get_stored_drafts() {
    let (_folder, context, row) = context(180);
    testing::prelabel(&context.store, &row, |_| 0.7);
    let (data, name) = (context.config.data.clone(), row.definition.name.clone());
    let ann = testing::person(&context.store, "ann", Role::Expert);
    let cards = next(&context.store, &ann, &name, 6, 1).unwrap();
    for (at, card) in cards.iter().enumerate() {
        let annotation = Annotation {
            key: at.to_string(),
            label: Some(Label::Class(u16::from(at % 2 == 0))),
            seconds: 1.0,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(&context.store, &ann, &card.row.opaque, &annotation, 2).unwrap();
    }
    let run = |words: &str| {
        let all = format!("insitu-agent propagate --project heart {words}");
        let parsed = Arguments::try_parse_from(all.split_whitespace()).unwrap();
        let Command::Propagate(arguments) = parsed.command else { panic!("another command") };
        let open = || {
            let mut other = super::super::testing::context(0).1;
            other.store = Store::open(&data).unwrap();
            Ok(other)
        };
        let mut out = Vec::new();
        propagate(open, &arguments, &mut out)
            .map(|_| String::from_utf8(out).unwrap())
            .map_err(|failure| failure.message)
    };
    assert!(run("--method images").unwrap_err().starts_with("--method images is for files"));
    let dry = run("--dry-run").unwrap();
    assert!(dry.contains("6 drafts") && !dry.contains("stored"), "{dry}");
    // The model says class 1 of all; three duplicates are labeled 0.
    assert!(run("").unwrap().contains("3 drafts are stored"));
    let store = Store::open(&data).unwrap();
    let waiting =
        |stage| store.read("test", |tx| tx.items_in_stage(row.project, stage, 0, 1000)).unwrap();
    let rows = [waiting(Stage::First), waiting(Stage::Expert)].concat();
    let drafted: Vec<_> = rows.iter().filter(|row| row.origin.is_some()).collect();
    assert_eq!(drafted.len(), 3);
    for row in drafted {
        let draft = Prelabel::decode(row.prelabel.as_ref().unwrap()).unwrap();
        assert_eq!((draft.class(), draft.confidence()), (Some(0), 1.0));
        // What is counted of an item is not for another one's label to say.
        let own = of_bundle(row).unwrap().unwrap();
        assert_eq!((own.class(), row.of_bundle.is_some()), (Some(1), true));
        let Origin::Propagated { method, from, items, .. } =
            Origin::decode(row.origin.as_ref().unwrap()).unwrap()
        else {
            panic!("another origin")
        };
        assert_eq!((method.as_str(), from.len(), items), ("duplicate", 1, 1));
        assert!(cards.iter().any(|card| card.row.opaque == from[0].0));
    }
    assert!(run("").unwrap().contains("0 drafts are stored"), "nothing is stored twice");
    // By the project's bins all of them are neighbours, and three labels are as many as three.
    let spread = run("--method spreading --dry-run").unwrap();
    assert!(spread.starts_with("180 items, 6 labeled; "), "{spread}");
}
