//! The commands on small sets and files.

use clap::Parser;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::digest;
use insitu_protocol::order::FunctionsManifest;
use serde_json::{Value, json};

use super::super::arguments::{Arguments, Command};
use super::super::testing::context;
use super::arguments::{DraftArguments, ModelName, SetArguments, SetName};
use super::{Context, Outcome, draft, label_functions, published};
use crate::prelabel::{Origin, Prelabel, Shelf, decode_probabilities};
use crate::store::functions::FunctionsRow;
use crate::store::items::Stage;
use crate::store::orders::{BundleState, ProjectRow};
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
fn an_expression_votes_over_several_fields() {
    let set = "classes = ['ham', 'spam']\n[[function]]\nname = 'lonely'\nlabel = 'spam'\n\
               cel = \"text.contains('won') && friends < 1\"\n[[function]]\nname = 'either'\n\
               cel = \"friends > 3 ? 'ham' : old == 'spam' ? 'spam' : ''\"\n";
    let found = lines("apply", set, ITEMS);
    let votes: Vec<&Value> = found.iter().map(|line| &line["votes"]).collect();
    assert_eq!(*votes[0], json!({"lonely": "spam", "either": "spam"}));
    assert_eq!(*votes[1], json!({"either": "ham"}));
    // The third has no friends to compare with, the fourth neither condition.
    assert_eq!((votes[2], votes[3]), (&json!({}), &json!({})));
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
    refused(&one("cel = 'text == 1'"), "set.toml: function \"f\" has an expression, which names");
    let cel = |cel: &str| {
        format!("classes = ['ham', 'spam']\n[[function]]\nname = 'f'\ncel = \"{cel}\"\n")
    };
    refused(
        &cel("text =="),
        "set.toml: function \"f\" has an expression that is no expression: 1:",
    );
    refused(&cel("friends > 1 ? 'ham' : 'eggs'"), "set.toml: function \"f\" has label \"eggs\"");
    refused(
        &cel("pulse > 1"),
        "items.csv: there is no column pulse; the columns are \"id\", \"text\"",
    );
    refused(
        &cel("friends > 1"),
        "items.csv: function \"f\": the expression must say a class, but says true or false",
    );
    refused(
        &one("column = true").replace("'text'", "'nothing'"),
        "items.csv: there is no column nothing",
    );
    let error = run("test", SET, "id,text,friends,old,label\n1,a,1,x,eggs\n").unwrap_err();
    assert!(error.starts_with("items.csv:2: "), "{error}");
    assert!(run("test --balance 0.5,0.6", SET, ITEMS).unwrap_err().contains("sum to 1"));
}

#[test]
fn rules_draft_what_no_model_has_prelabeled_and_people_see_every_draft() {
    let (folder, context, row) = context(90);
    // Of ages that rules know, too, but nobody has them.
    testing::add_items_of(&context.store, &row, Some("a generator"), 600..690, 90);
    let set = folder.path().join("set.toml");
    std::fs::write(
        &set,
        "classes = [\"present\", \"absent\"]\n[[function]]\nname = \"old\"\nfield = \"age\"\n\
         label = \"present\"\nat_least = 60\n",
    )
    .unwrap();
    let arguments = DraftArguments {
        set: SetArguments { functions: Some(set.clone()), set: None },
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
    assert_eq!(draft.class(), Some(1), "the project's position of \"present\"");
    assert_eq!(draft.bundle().to_hex(), report["set"].as_str().unwrap());
    let probabilities = decode_probabilities(drafted[0].probabilities.as_ref().unwrap(), 2);
    assert_eq!(probabilities, Some(vec![0.0, 1.0]));
    let origin = Origin::decode(drafted[0].origin.as_ref().unwrap()).unwrap();
    assert_eq!(origin, Origin::Rules { functions: vec!["old".to_owned()] });
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

/// Puts sets where they are when they have arrived.
fn publish(context: &Context, row: &ProjectRow, sets: &[(&str, &str)]) -> Shelf {
    let shelf = Shelf::new(&context.config.data);
    std::fs::create_dir_all(shelf.folder()).unwrap();
    for (number, (name, text)) in (1..).zip(sets) {
        let object = digest(text.as_bytes());
        std::fs::write(shelf.path(&object), text).unwrap();
        let manifest = FunctionsManifest {
            project: row.definition.name.clone(),
            name: name.parse().unwrap(),
            object,
            bytes: text.len() as u64,
        };
        let set = FunctionsRow {
            digest: digest(&manifest.encode()),
            manifest,
            signature: Fixed([0; 64]),
            state: BundleState::Pending,
            note: String::new(),
        };
        context.store.tx("test", |tx| tx.put_functions(&set, number)).unwrap();
    }
    shelf
}

/// A published set goes its way: listed, read, approved, used; and not before, nor altered.
#[test]
fn a_published_set_votes_when_the_steward_has_approved_it() {
    let (_folder, context, row) = context(90);
    let text = "classes = [\"present\", \"absent\"]\n[[function]]\nname = \"old\"\n\
                label = \"present\"\ncel = \"age >= 60\"\n";
    let wrong =
        "classes = [\"a\", \"b\"]\n[[function]]\nname = \"f\"\nfield = \"age\"\ncolumn = true\n";
    let file = wrong.replace("column = true", "dictionary_file = \"/etc/passwd\"");
    let shelf = publish(&context, &row, &[("rules", text), ("wrong", wrong), ("file", &file)]);
    let named: SetName =
        format!("rules@{}", &digest(text.as_bytes()).to_hex()[..12]).parse().unwrap();
    let said = |outcome: Outcome, out: Vec<u8>| {
        outcome.map(|_| String::from_utf8(out).unwrap()).map_err(|failure| failure.message)
    };
    let decide = |name: &SetName, approve| {
        let mut out = Vec::new();
        said(published::decide(&context, name, approve, &mut out), out)
    };
    let draft = || {
        let arguments = DraftArguments {
            set: SetArguments { functions: None, set: Some(named.clone()) },
            project: row.definition.name.clone(),
            model: ModelName::Auto,
            json: true,
        };
        let mut out = Vec::new();
        said(draft::draft(&context, &arguments, &mut out), out)
    };
    let mut out = Vec::new();
    published::list(&context, false, &mut out).unwrap();
    let list = String::from_utf8(out).unwrap();
    assert!(list.contains("rules@") && list.contains("pending"), "{list}");
    let mut out = Vec::new();
    published::show(&context, &named, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), text);
    assert!(draft().unwrap_err().contains("is pending: the steward decides"));
    for (name, text, expected) in [
        ("wrong", wrong, "is not one of the project's"),
        ("file", file.as_str(), "has a dictionary_file, which did not come with it"),
    ] {
        let name: SetName = format!("{name}@{}", digest(text.as_bytes())).parse().unwrap();
        assert!(decide(&name, true).unwrap_err().contains(expected));
    }
    assert!(decide(&named, true).unwrap().ends_with("approved\n"));
    // A disk that gives another text.
    let path = shelf.path(&digest(text.as_bytes()));
    std::fs::write(&path, text.replace("60", "00")).unwrap();
    assert!(draft().unwrap_err().contains("on this disk is not what was signed"));
    std::fs::write(&path, text).unwrap();
    let report: Value = serde_json::from_str(&draft().unwrap()).unwrap();
    assert_eq!((&report["items"], &report["drafted"]), (&json!(90), &json!(30)));
    assert!(decide(&named, false).unwrap().ends_with("declined\n"));
    assert!(draft().unwrap_err().contains("is declined"));
    let unknown: SetName = "rules@00000000".parse().unwrap();
    assert!(decide(&unknown, true).unwrap_err().starts_with("0 published sets"));
    for bad in ["rules", "rules@", "rules@zz000000", "Rules@00000000", "rules@0000"] {
        assert!(bad.parse::<SetName>().is_err(), "{bad}");
    }
}
