//! The commands on small sets and files.

use clap::Parser;
use insitu_protocol::bytes::Fixed;
use serde_json::{Value, json};

use super::super::Context;
use super::super::arguments::{Arguments, Command};
use super::arguments::{DraftArguments, ModelName};
use super::{draft, label_functions};
use crate::config::Config;
use crate::prelabel::Prelabel;
use crate::store::Store;
use crate::store::items::Stage;
use crate::store::orders::ProjectRow;
use crate::testing;

const SET: &str = r#"
classes = ["ham", "spam"]

[[function]]
name = "prizes"
field = "text"
label = "spam"
keywords = ["prize", "Free entry"]

[[function]]
name = "links"
field = "text"
label = "spam"
regex = '(?i)https?://\S+'

[[function]]
name = "friends"
field = "friends"
label = "ham"
at_least = 3

[[function]]
name = "words"
field = "text"
dictionary = { regards = "ham", "act now" = "spam" }

[[function]]
name = "earlier"
field = "old"
column = true
"#;

const ITEMS: &str = "\
id,text,friends,old,label
1,You won a PRIZE: free-entry at HTTP://x.y,0,spam,spam
2,\"Best regards, Ann\",5,,ham
3,\"Regards, act now\",,unknown,
4,surprize,1,ham,spam
";

/// Runs `label-functions WORDS` on a set and items.
fn run(words: &str, set: &str, items: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("set.toml"), set).unwrap();
    std::fs::write(folder.path().join("items.csv"), items).unwrap();
    std::fs::write(folder.path().join("terms.csv"), "term,label\nregards,ham\nx,y\n").unwrap();
    let root = folder.path().display().to_string();
    let all = format!(
        "insitu-agent label-functions {words} --functions {root}/set.toml {root}/items.csv"
    );
    let parsed = Arguments::try_parse_from(all.split_whitespace()).unwrap();
    let Command::LabelFunctions(command) = parsed.command else { panic!("another command") };
    let mut out = Vec::new();
    let open = || panic!("a command on files opens no store");
    match label_functions(open, &command, &mut out) {
        Ok(_) => Ok(String::from_utf8(out).unwrap()),
        Err(failure) => Err(failure.message.replace(&format!("{root}/"), "")),
    }
}

fn lines(words: &str, set: &str, items: &str) -> Vec<Value> {
    let out = run(words, set, items).unwrap();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_kind_of_function_votes_or_abstains() {
    let found = lines("apply", SET, ITEMS);
    let votes: Vec<&Value> = found.iter().map(|line| &line["votes"]).collect();
    assert_eq!(
        *votes[0],
        serde_json::json!({"prizes": "spam", "links": "spam", "earlier": "spam"})
    );
    assert_eq!(*votes[1], serde_json::json!({"friends": "ham", "words": "ham"}));
    // Terms of two classes, a gap, and a class that is none: three abstentions.
    assert_eq!(*votes[2], serde_json::json!({}));
    assert_eq!(*votes[3], serde_json::json!({"earlier": "ham"}));
    assert_eq!(
        (&found[0]["label"], &found[0]["probabilities"]["spam"]),
        (&"spam".into(), &1.0.into())
    );
    assert_eq!(
        (&found[2]["label"], &found[2]["reason"]),
        (&Value::Null, &"no function voted".into())
    );
    assert_eq!(found[0]["model"], "majority");
    assert_eq!(found[0]["set"].as_str().unwrap().len(), 64);
}

#[test]
fn the_table_counts_what_functions_do() {
    let found: Value = serde_json::from_str(&run("test --json", SET, ITEMS).unwrap()).unwrap();
    let share = |value: &Value| value.as_f64().unwrap();
    assert!((share(&found["coverage"]) - 0.75).abs() < 1e-12);
    assert!((share(&found["overlap"]) - 0.5).abs() < 1e-12);
    assert!((share(&found["conflict"]) - 0.0).abs() < 1e-12);
    let earlier = &found["functions"][4];
    assert_eq!((share(&earlier["coverage"]), share(&earlier["accuracy"])), (0.5, 0.5));
    assert!((share(&found["model_accuracy"]) - 2.0 / 3.0).abs() < 1e-12);
    let text = run("test", SET, ITEMS).unwrap();
    assert!(text.contains("majority (3 items with votes, fewer than 300)"), "{text}");
}

/// Three functions that are right in .9, .8 and .6 of 4,000 items, independently: the closed form
/// finds out without a label.
#[test]
fn the_label_model_finds_the_good_functions() {
    let mut items = "id,a,b,c,label\n".to_owned();
    let mut state = 1_u64;
    let mut draw = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 100
    };
    for item in 0..4_000 {
        let truth = item % 2 == 0;
        let name = |yes: bool| if yes { "x" } else { "y" };
        let votes: Vec<&str> = [90, 80, 60].map(|right| name((draw() < right) == truth)).into();
        items.push_str(&format!("{item},{},{}\n", votes.join(","), name(truth)));
    }
    let function =
        |name: &str| format!("[[function]]\nname = '{name}'\nfield = '{name}'\ncolumn = true\n");
    let set = format!("classes = ['x', 'y']\n{}{}{}", function("a"), function("b"), function("c"));
    let found: Value = serde_json::from_str(&run("test --json", &set, &items).unwrap()).unwrap();
    assert_eq!(found["model"], "triplets");
    for (function, right) in found["functions"].as_array().unwrap().iter().zip([0.9, 0.8, 0.6]) {
        let estimated = function["estimated_accuracy"].as_f64().unwrap();
        assert!((estimated - right).abs() < 0.05, "{estimated} is not {right}");
    }
    let accuracy = |name: &str| found[name].as_f64().unwrap();
    assert!(accuracy("model_accuracy") > accuracy("majority_accuracy"));
    let em: Value =
        serde_json::from_str(&run("test --json --model em", &set, &items).unwrap()).unwrap();
    assert!(
        em["functions"][0]["estimated_accuracy"].as_f64()
            > em["functions"][2]["estimated_accuracy"].as_f64()
    );
}

#[track_caller]
fn refused(set: &str, expected: &str) {
    let error = run("test", set, ITEMS).unwrap_err();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn bad_sets_are_refused() {
    let one = |rule: &str| {
        format!("classes = ['ham', 'spam']\n[[function]]\nname = 'f'\nfield = 'text'\n{rule}\n")
    };
    refused("classes = 7", "set.toml: TOML parse error at line 1");
    refused(
        "classes = ['a']\nfunction = []",
        "set.toml: 1 classes and 0 functions; 2 and 1 are needed",
    );
    refused(
        "classes = ['a', 'a']\n[[function]]\nname = 'f'\nfield = 'x'\n",
        "set.toml: class \"a\" occurs twice",
    );
    refused(&one(""), "set.toml: function \"f\" needs exactly one of keywords");
    refused(&one("regex = 'a'"), "set.toml: function \"f\" needs a label");
    refused(&one("column = true\nlabel = 'ham'"), "set.toml: function \"f\" takes its label from");
    refused(&one("regex = '('\nlabel = 'ham'"), "set.toml: function \"f\" has no valid pattern");
    refused(
        &one("regex = '(a{500}){500}'\nlabel = 'ham'"),
        "set.toml: function \"f\" has no valid pattern: Compiled regex exceeds size limit",
    );
    refused(
        &one("regex = 'a'\nlabel = 'eggs'"),
        "set.toml: function \"f\" has label \"eggs\", which is none of the 2 classes",
    );
    refused(
        &one("keywords = ['?']\nlabel = 'ham'"),
        "set.toml: function \"f\" has a term of 0 words",
    );
    refused(
        &one("at_least = 3\nbelow = 3\nlabel = 'ham'"),
        "set.toml: function \"f\" is at least 3 and below 3: never",
    );
    refused(&one("at_least = nan\nlabel = 'ham'"), "set.toml: function \"f\" is at least NaN");
    refused(&one("dictionary_file = 'terms.csv'"), "set.toml: function \"f\" has label \"y\"");
    refused(&one("code = 'x'"), "set.toml: TOML parse error at line 5");
    refused(
        &one("column = true").replace("'text'", "'nothing'"),
        "items.csv: there is no column nothing",
    );
    let error = run("test", SET, "id,text,friends,old,label\n1,a,1,x,eggs\n").unwrap_err();
    assert!(error.starts_with("items.csv:2: "), "{error}");
    assert!(run("test --balance 0.5,0.6", SET, ITEMS).unwrap_err().contains("sum to 1"));
}

/// A site with a project, and items that wait for a prelabel.
fn context(items: u32) -> (tempfile::TempDir, Context, ProjectRow) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let row = testing::put(&store, &testing::project());
    testing::add_items(&store, &row, 0..items, items);
    let config = Config::read(&{
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, "site = \"a\"\n").unwrap();
        path
    })
    .unwrap();
    let limits = config.policy.limits().unwrap();
    let clock = std::sync::Arc::new(insitu_daemon::clock::SystemClock);
    (folder, Context { config, limits, store, clock }, row)
}

#[test]
fn rules_draft_what_no_model_has_prelabeled_and_people_see_every_draft() {
    let (folder, context, row) = context(90);
    let set = folder.path().join("set.toml");
    std::fs::write(
        &set,
        "classes = [\"present\", \"absent\"]\n[[function]]\nname = \"old\"\nfield = \"age\"\n\
         label = \"present\"\nat_least = 60\n",
    )
    .unwrap();
    let arguments = DraftArguments {
        functions: set.clone(),
        project: row.definition.name.clone(),
        model: ModelName::Auto,
        json: true,
    };
    let run = |arguments: &DraftArguments| {
        let mut out = Vec::new();
        let done = draft::draft(&context, arguments, &mut out);
        done.map(|_| String::from_utf8(out).unwrap()).map_err(|failure| failure.message)
    };
    let report: Value = serde_json::from_str(&run(&arguments).unwrap()).unwrap();
    // Ages are 0 to 89: thirty of them are 60 or more.
    assert_eq!((&report["items"], &report["drafted"]), (&json!(90), &json!(30)));
    let stages = context.store.read("test", |tx| tx.stage_counts(row.project)).unwrap();
    let at = |stage: Stage| stages[Stage::ALL.iter().position(|s| *s == stage).unwrap()];
    assert_eq!((at(Stage::Clean), at(Stage::First)), (60, 30), "none is accepted unseen");
    let drafted = context
        .store
        .read("test", |tx| tx.items_in_stage(row.project, Stage::First, 0, 100))
        .unwrap();
    let draft = Prelabel::decode(drafted[0].prelabel.as_ref().unwrap()).unwrap();
    assert_eq!(draft.class(), 1, "the project's position of \"present\"");
    assert_eq!(draft.bundle().to_hex(), report["set"].as_str().unwrap());
    // Again: nothing is drafted twice, and what no rule votes on keeps waiting.
    let report: Value = serde_json::from_str(&run(&arguments).unwrap()).unwrap();
    assert_eq!((&report["items"], &report["drafted"]), (&json!(60), &json!(0)));

    std::fs::write(
        &set,
        "classes = [\"a\", \"b\"]\n[[function]]\nname = \"f\"\nfield = \"age\"\nlabel = \"a\"\nat_least = 1\n",
    )
    .unwrap();
    assert!(run(&arguments).unwrap_err().contains("\"a\" is not one of the project's"));
    context.store.tx("test", |tx| tx.use_bundle(row.project, &Fixed([1; 32]))).unwrap();
    assert!(run(&arguments).unwrap_err().contains("has a model in use"));
}
