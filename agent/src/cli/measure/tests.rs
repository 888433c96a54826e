//! The commands as a user runs them, on small files with published results, and on bad input.

use std::io::Write;

use clap::Parser;
use serde_json::Value;

use super::super::arguments::{Arguments, Command};
use super::measure;

/// Runs `measure WORDS FILE…` on files of these contents.
fn run(words: &str, files: &[&[u8]]) -> Result<String, String> {
    run_with_code(words, files).map_err(|(code, message)| {
        assert_eq!(code, 1);
        message
    })
}

/// [`run`], with the exit code of a failure.
fn run_with_code(words: &str, files: &[&[u8]]) -> Result<String, (u8, String)> {
    let kept: Vec<_> = files
        .iter()
        .map(|content| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(content).unwrap();
            file
        })
        .collect();
    let paths = kept.iter().map(|file| file.path().as_os_str().to_owned());
    let words = ["insitu-agent", "measure"].into_iter().chain(words.split_whitespace());
    let parsed = Arguments::try_parse_from(words.map(Into::into).chain(paths)).unwrap();
    let Command::Measure(command) = parsed.command else { panic!("not a measure") };
    let mut out = Vec::new();
    let result = measure(&command, &mut out);
    match result {
        Ok(code) => {
            assert_eq!(code, 0);
            Ok(String::from_utf8(out).unwrap())
        }
        Err(failure) => {
            let mut message = failure.message;
            for file in &kept {
                message = message.replace(&file.path().display().to_string(), "FILE");
            }
            Err((failure.code, message))
        }
    }
}

fn json(words: &str, content: &str) -> Value {
    let out = run(&format!("{words} --json"), &[content.as_bytes()]).unwrap();
    serde_json::from_str(&out).unwrap()
}

#[track_caller]
fn near(found: &Value, expected: f64, tolerance: f64) {
    let value = found.get("value").unwrap_or(found);
    let value = value.as_f64().unwrap_or_else(|| panic!("no number: {found}"));
    assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
}

#[track_caller]
fn refused(words: &str, content: &str, expected: &str) {
    assert_eq!(run(words, &[content.as_bytes()]).unwrap_err(), expected);
}

/// Krippendorff's example of four observers and twelve units (2011), with gaps.
const KRIPPENDORFF: &str = "\
unit,a,b,c,d
1,1,1,,1
2,2,2,3,2
3,3,3,3,3
4,3,3,3,3
5,2,2,2,2
6,1,2,3,4
7,4,4,4,4
8,1,1,2,1
9,2,2,2,2
10,,5,5,5
11,,,1,1
12,,,3,
";

#[test]
fn agreement_equals_what_krippendorff_and_gwet_published() {
    let of = |scale: &str| json(&format!("agreement --item unit --scale {scale}"), KRIPPENDORFF);
    let nominal = of("nominal");
    near(&nominal["krippendorff_alpha"], 0.743, 5e-4);
    near(&of("ordinal")["krippendorff_alpha"], 0.815, 5e-4);
    near(&of("interval")["krippendorff_alpha"], 0.849, 5e-4);
    near(&of("ratio")["krippendorff_alpha"], 0.797, 5e-4);
    // Gwet's handbook takes the same table: AC1 .77544, Fleiss .76117.
    near(&nominal["gwet_ac1"], 0.77544, 5e-6);
    near(&nominal["fleiss_kappa_with_gaps"], 0.76117, 5e-6);
    assert_eq!(nominal["fleiss_kappa"]["value"], Value::Null);
    assert_eq!(
        nominal["fleiss_kappa"]["reason"],
        "items have between 1 and 4 ratings, not the same number"
    );
    assert_eq!((&nominal["items"], &nominal["missing"]), (&12.into(), &7.into()));
    assert_eq!(nominal["cohen_kappa"].as_array().unwrap().len(), 6);
    let alpha = &nominal["krippendorff_alpha"];
    assert!(alpha["low"].as_f64().unwrap() < 0.743 && alpha["high"].as_f64().unwrap() > 0.743);
}

/// Reference: irrCAC 0.4.4.
#[test]
fn labels_stand_where_their_numbers_are() {
    let rows =
        ["1,1,2", "2,2,2", "5,5,2", "1,2,1", "5,5,5", "2,5,2", "1,1,1", "2,,1", "5,2,", "1,5,1"];
    let rows: String = (1..).zip(rows).map(|(at, row)| format!("{at},{row}\n")).collect();
    let content = format!("item,a,b,c\n{rows}");
    for (scale, expected) in [
        ("ordinal", 0.405_891_575_212),
        ("interval", 0.417_549_647_865),
        ("ratio", 0.417_549_647_865),
    ] {
        let found = json(&format!("agreement --scale {scale}"), &content);
        near(&found["gwet_ac2"], expected, 1e-9);
    }
}

#[test]
fn long_and_wide_forms_and_json_lines_give_the_same() {
    let wide = json("agreement", "item,a,b\n1,x,x\n2,y,x\n3,y,y\n4,x,x\n");
    let long = "id,worker,label\n2,a,y\n1,a,x\n1,b,x\n2,b,x\n3,a,y\n3,b,y\n4,a,x\n4,b,x\n";
    let lines = "{\"item\":1,\"annotator\":\"a\",\"label\":\"x\"}\n\
        {\"item\":1,\"annotator\":\"b\",\"label\":\"x\"}\n\
        {\"item\":2,\"annotator\":\"a\",\"label\":\"y\"}\n\
        {\"item\":2,\"annotator\":\"b\",\"label\":\"x\"}\n\
        {\"item\":3,\"annotator\":\"a\",\"label\":\"y\"}\n\
        {\"item\":3,\"annotator\":\"b\",\"label\":\"y\"}\n\
        {\"item\":4,\"annotator\":\"a\",\"label\":\"x\"}\n\
        {\"item\":4,\"annotator\":\"b\",\"label\":\"x\"}\n";
    near(&wide["cohen_kappa"][0]["kappa"], 0.5, 1e-12);
    for other in [json("agreement", long), json("agreement", lines)] {
        assert_eq!(other["cohen_kappa"], wide["cohen_kappa"]);
        assert_eq!(other["krippendorff_alpha"], wide["krippendorff_alpha"]);
    }
}

/// Cohen's κ of 20, 5, 10, 15 is .4, as every textbook has it.
#[test]
fn cohens_kappa_of_the_textbook() {
    let mut text = "item,a,b\n".to_owned();
    let cells = [("yes", "yes", 20), ("yes", "no", 5), ("no", "yes", 10), ("no", "no", 15)];
    let mut item = 0;
    for (a, b, count) in cells {
        for _ in 0..count {
            item += 1;
            text.push_str(&format!("{item},{a},{b}\n"));
        }
    }
    let found = json("agreement", &text);
    near(&found["cohen_kappa"][0]["kappa"], 0.4, 1e-12);
    near(&found["cohen_kappa"][0]["agreement"], 0.7, 1e-12);
    let seeded = |seed: u32| json(&format!("agreement --bootstrap 200 --seed {seed}"), &text);
    assert_eq!(seeded(1), seeded(1));
    assert_ne!(seeded(1)["krippendorff_alpha"], seeded(2)["krippendorff_alpha"]);
    let shown = run("agreement", &[text.as_bytes()]).unwrap();
    assert!(shown.contains("Krippendorff's α") && shown.contains("0.400"), "{shown}");
}

/// Fleiss' example of ten subjects, fourteen raters and five categories: κ is .210.
#[test]
fn fleiss_kappa_of_the_textbook() {
    let counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ];
    let mut text = "item,rater,label\n".to_owned();
    for (item, row) in counts.iter().enumerate() {
        let labels = row.iter().enumerate().flat_map(|(l, &n)| std::iter::repeat_n(l, n));
        labels.enumerate().for_each(|(r, l)| text.push_str(&format!("{item},r{r},c{l}\n")));
    }
    let found = json("agreement", &text);
    near(&found["fleiss_kappa"], 0.210, 5e-4);
    near(&found["fleiss_kappa_with_gaps"], 0.210, 5e-4);
}

#[test]
fn agreement_that_is_undefined_says_why() {
    for (content, reason) in [
        ("item,a\n1,x\n2,y\n", "no data"),
        ("item,a,b\n1,x,x\n2,x,x\n", "all ratings are in one category"),
        ("item,a,b\n1,,\n2,NA,null\n", "no data"),
    ] {
        let found = json("agreement", content);
        let alpha = &found["krippendorff_alpha"];
        assert_eq!((&alpha["value"], alpha["reason"].as_str()), (&Value::Null, Some(reason)));
        let text = run("agreement", &[content.as_bytes()]).unwrap();
        assert!(text.contains(&format!("undefined: {reason}")), "{text}");
    }
    let same = json("agreement", "item,a,b\n1,x,x\n2,x,x\n");
    near(&same["observed_agreement"], 1.0, 0.0);
}

#[test]
fn agreement_survives_very_many_labels() {
    let mut text = "item,a,b\n".to_owned();
    (0..50_000).for_each(|at| text.push_str(&format!("{at},a{at},b{at}\n")));
    let found = json("agreement", &text);
    near(&found["krippendorff_alpha"], 0.0, 1e-9);
    assert_eq!(found["gwet_ac1"]["reason"], "100000 categories, more than the limit of 2048");
}

#[test]
fn agreement_refuses_what_makes_no_sense() {
    refused("agreement", "", "FILE: there are no records");
    refused("agreement", "item\n1\n", "FILE: there is no column of a rater besides the item's");
    refused(
        "agreement --scale interval",
        "item,a,b\n1,x,1\n",
        "FILE: this scale needs labels that are all numbers",
    );
    refused(
        "agreement --scale ordinal",
        "item,a,b\n1,low,high\n",
        "FILE: an ordinal scale needs numbers as labels, or --order",
    );
    refused(
        "agreement --order low,high",
        "item,a,b\n1,low,high\n2,mid,low\n",
        "FILE:3: column \"a\" holds \"mid\"; it must be one of the 2 labels given",
    );
    refused(
        "agreement --rater who",
        "item,a,b\n1,low,high\n",
        "FILE: there is no column who; the columns are \"item\", \"a\", \"b\"",
    );
    refused("agreement", "item,rater,label\n1,,x\n", "FILE:2: column \"rater\" has no value");
    assert_eq!(run("agreement /does/not/exist", &[]).unwrap_err(), {
        "/does/not/exist: cannot be read: No such file or directory (os error 2)"
    });
}

#[test]
fn the_last_label_of_a_rater_counts() {
    let text = "item,rater,label\n1,a,x\n1,b,y\n1,a,y\n2,a,x\n2,b,x\n";
    let found = json("agreement", text);
    near(&found["observed_agreement"], 1.0, 0.0);
    assert_eq!((&found["repeated"], &found["ratings"]), (&1.into(), &4.into()));
}

#[test]
fn consensus_finds_who_is_wrong() {
    let mut text = "item,a,b,c\n".to_owned();
    for item in 0..40 {
        let (truth, other) = if item % 2 == 0 { ("x", "y") } else { ("y", "x") };
        let careless = if item % 3 == 0 { other } else { truth };
        text.push_str(&format!("{item},{truth},{truth},{careless}\n"));
    }
    for method in ["majority", "dawid-skene", "one-coin", "mace", "glad"] {
        let found = json(&format!("consensus --method {method}"), &text);
        let items = found["items"].as_array().unwrap();
        for (at, item) in items.iter().enumerate() {
            assert_eq!(item["label"], if at % 2 == 0 { "x" } else { "y" }, "{method}");
        }
        near(&found["raters"][0]["rate"], 1.0, 0.0);
        near(&found["raters"][2]["rate"], 26.0 / 40.0, 1e-12);
        assert!(found["raters"][2]["high"].as_f64().unwrap() < 0.9);
    }
    let shown = run("consensus", &[text.as_bytes()]).unwrap();
    assert!(shown.contains("Method: dawid-skene") && shown.contains("0.650"), "{shown}");
}

#[test]
fn a_model_is_one_more_voice() {
    let mut text = "item,a,b,p_x,p_y\n".to_owned();
    for item in 0..20 {
        let (label, p) = if item % 2 == 0 { ("x", 0.9) } else { ("y", 0.1) };
        let other = if item == 4 { "y" } else { label };
        text.push_str(&format!("{item},{label},{other},{p},{}\n", 1.0 - p));
    }
    let found = json("consensus", &text);
    assert_eq!(found["method"], "crowdlab");
    assert_eq!(found["items"][4]["label"], "x");
    assert!(found["model_weight"].as_f64().unwrap() > 0.0);
    refused(
        "consensus --method crowdlab",
        "item,a,b\n1,x,y\n",
        "FILE: crowdlab needs class probabilities: columns p_CLASS for each class",
    );
    refused(
        "consensus",
        "item,a,b,p_x,p_y\n1,x,y,0.5,0.6\n",
        "FILE:2: the 2 class probabilities sum to 1.1, not 1 within 0.005",
    );
    refused(
        "consensus",
        "item,a,b,p_x,p_y\n1,x,z,0.5,0.5\n",
        "FILE: label \"z\" is none of the model's 2 classes",
    );
}

#[test]
fn consensus_of_nothing_is_undefined() {
    let found = json("consensus", "item,a,b\n1,,\n");
    assert_eq!((&found["reason"], &found["items"]), (&"no data".into(), &Value::Array(vec![])));
    let found = json("consensus --method crowdlab", "item,a,p_x,p_y\n1,x,0.5,0.5\n");
    assert!(found["reason"].is_string(), "{found}");
}

#[test]
fn label_errors_find_the_planted_one() {
    let text = "id,label,p_a,p_b\nu,a,0.9,0.1\nv,a,0.8,0.2\nw,b,0.1,0.9\nx,b,0.2,0.8\n\
        y,a,0.05,0.95\n";
    for filter in ["noise-rate", "class", "both", "confident", "predicted", "prune_by_class"] {
        let found = json(&format!("label-errors --filter {filter}"), text);
        let issues = found["issues"].as_array().unwrap();
        assert_eq!(issues.len(), 1, "{filter}");
        assert_eq!((&issues[0]["item"], &issues[0]["index"]), (&"y".into(), &4.into()));
        assert_eq!(issues[0]["suggested"], "b");
        near(&issues[0]["score"], 0.05, 1e-12);
        assert_eq!(found["scores"].as_array().unwrap().len(), 5);
    }
    let list = "{\"label\":1,\"probabilities\":[0.2,0.8]}\n{\"label\":0,\"probabilities\":[1,0]}\n";
    assert_eq!(json("label-errors", list)["issues"].as_array().unwrap().len(), 0);
    let named = "{\"label\":\"b\",\"probabilities\":[0.2,0.8]}\n";
    assert_eq!(json("label-errors --classes a,b", named)["classes"][1]["labels"], 1);
    let shown = run("label-errors", &[text.as_bytes()]).unwrap();
    assert!(shown.contains("Labels to look at, worst first"), "{shown}");
}

#[test]
fn label_errors_refuse_bad_probabilities() {
    let refuse = |rows: &str, reason: &str| {
        refused("label-errors", &format!("label,p_a,p_b\na,0.5,0.5\n{rows}\n"), reason);
    };
    refuse("a,0.5,0.6", "FILE:3: the 2 class probabilities sum to 1.1, not 1 within 0.005");
    refuse("a,NaN,0.5", "FILE:3: column \"p_a\" holds \"NaN\", not a number");
    refuse("a,1.5,-0.5", "FILE:3: column \"p_a\" holds 1.5, outside 0 to 1");
    refuse("a,,1", "FILE:3: column \"p_a\" has no value");
    refuse(
        "c,0.5,0.5",
        "FILE:3: column \"label\" holds \"c\"; it must be one of the 2 classes \"a\", \"b\"",
    );
    refused(
        "label-errors",
        "label,x\na,1\n",
        "FILE: there is no column p_CLASS for each class (or probabilities, in JSON); the columns \
         are \"label\", \"x\"",
    );
}

#[test]
fn calibration_of_a_model_that_is_too_sure() {
    let text = "confidence,correct\n0.95,true\n0.95,no\n";
    let found = json("calibration", text);
    near(&found["expected_calibration_error"], 0.45, 1e-12);
    near(&found["brier"], (0.0025 + 0.9025) / 2.0, 1e-12);
    assert_eq!(found["auto_accept"]["threshold"], Value::Null);
    assert!(found["auto_accept"]["reason"].is_string());
    assert!(found["temperature"]["reason"].is_string());
    // Two in three right at odds of e⁴: the temperature is 4/ln 2.
    let p = 1.0 / (1.0 + (-4.0_f64).exp());
    let row = |label: &str| format!("{label},{p},{}\n", 1.0 - p);
    let text = format!("label,p_a,p_b\n{}{}{}", row("a"), row("a"), row("b"));
    let found = json("calibration", &text);
    near(&found["temperature"]["value"], 4.0 / 2.0_f64.ln(), 1e-6);
    near(&found["temperature"]["expected_calibration_error"], 0.0, 1e-6);
    near(&found["accuracy"], 2.0 / 3.0, 1e-12);
}

#[test]
fn auto_accept_holds_its_promise() {
    let mut text = "confidence,predicted,label\n".to_owned();
    for at in 0..1000 {
        let label = if at >= 400 { "x" } else { "y" };
        text.push_str(&format!("{},x,{label}\n", f64::from(at) / 1000.0));
    }
    let words = "calibration --alpha 0.05 --delta 0.05 --thresholds 0.9,0.7,0.5,0.3";
    let found = json(words, &text);
    near(&found["auto_accept"]["threshold"], 0.5, 0.0);
    assert_eq!(found["auto_accept"]["accepted"], 500);
    near(&found["auto_accept"]["coverage"], 0.5, 1e-12);
    let shown = run(words, &[text.as_bytes()]).unwrap();
    assert!(shown.contains("Auto-accept at confidence 0.5 or above: 50.0 %"), "{shown}");
}

#[test]
fn calibration_refuses_bad_input() {
    refused(
        "calibration",
        "confidence,correct\n1.2,true\n",
        "FILE:2: column \"confidence\" holds 1.2, outside 0 to 1",
    );
    refused(
        "calibration",
        "confidence,correct\n0.2,maybe\n",
        "FILE:2: column \"correct\" holds \"maybe\"; it must be true or false (1 or 0, yes or no)",
    );
}

#[test]
fn options_out_of_range_are_usage_errors() {
    for words in [
        "calibration --alpha 0 -",
        "calibration --delta 1 -",
        "calibration --alpha NaN -",
        "drift --alarm 2 -",
        "drift --bins 1 -",
        "calibration --bins 20000 -",
        "segments --overlap 0.5,0 -",
        "tracks --iou 1.5 -",
        "tracks --link a b",
        "agreement --scale circular -",
        "consensus",
    ] {
        let words = ["insitu-agent", "measure"].into_iter().chain(words.split_whitespace());
        assert_eq!(Arguments::try_parse_from(words).unwrap_err().exit_code(), 2);
    }
}

#[test]
fn drift_is_found_and_noise_is_not() {
    let mut text = "set,age,kind\n".to_owned();
    for at in 0..400 {
        let kind = if at % 2 == 0 { "a" } else { "b" };
        text.push_str(&format!("reference,{},{kind}\n", at % 50));
        text.push_str(&format!("current,{},{kind}\n", at % 50 + 20));
    }
    let found = json("drift", &text);
    let [age, kind] = [&found["columns"][0], &found["columns"][1]];
    assert_eq!((&age["kind"], &age["drifted"]), (&"numeric".into(), &true.into()));
    near(&age["wasserstein"], 20.0, 1e-9);
    near(&age["kolmogorov_smirnov"]["statistic"], 0.4, 1e-12);
    assert_eq!((&kind["kind"], &kind["drifted"]), (&"categorical".into(), &false.into()));
    near(&kind["psi"], 0.0, 1e-12);
    assert_eq!(kind["wasserstein"]["reason"], "needs numbers");
    // PSI of 50/50 against 60/40, by hand.
    let side = |yes: usize| {
        let rows = (0..100).map(|at| if at < yes { "y\n" } else { "n\n" });
        format!("v\n{}", rows.collect::<String>())
    };
    let out = run("drift --json", &[side(50).as_bytes(), side(60).as_bytes()]).unwrap();
    let found: Value = serde_json::from_str(&out).unwrap();
    near(&found["columns"][0]["psi"], 0.1 * 1.2_f64.ln() - 0.1 * 0.8_f64.ln(), 1e-12);
}

#[test]
fn drift_knows_gaps_constants_and_nothing() {
    let found = json("drift", "set,a,b\nreference,1,\nreference,1,\ncurrent,,\ncurrent,2,\n");
    assert!(found["columns"][0]["psi"]["value"].as_f64().unwrap() > 1.0);
    assert_eq!(found["columns"][1]["drifted"], false);
    let found = json("drift", "set,a\nreference,1\n");
    assert_eq!(found["columns"][0]["psi"]["reason"], "no data");
    refused(
        "drift",
        "set,a\nbefore,1\n",
        "FILE:2: column \"set\" holds \"before\"; it must be reference or current",
    );
    refused("drift", "a\n1\n", "FILE: there is no column set; the columns are \"a\"");
}

#[test]
fn segments_of_frames_and_of_times_agree() {
    let frames = "frame,truth,model\n0,a,a\n1,a,a\n2,b,a\n3,b,b\n4,,b\n";
    let times = "rater,start,end,label\ntruth,0,2,a\ntruth,2,4,b\nmodel,0,3,a\nmodel,3,5,b\n";
    let [frames, times] = [frames, times].map(|text| json("segments --overlap 0.3,0.5", text));
    assert_eq!(frames["pairs"], times["pairs"]);
    // a: 2 of 3 frames shared; b: 1 of 3.
    near(&frames["pairs"][0]["f1"][0]["f1"], 1.0, 1e-12);
    near(&frames["pairs"][0]["f1"][1]["f1"], 0.5, 1e-12);
    near(&frames["pairs"][0]["edit_score"], 1.0, 1e-12);
    near(&frames["pairs"][0]["agreement"], 3.0 / 5.0, 1e-12);
    refused("segments", "frame,a\n0,x\n", "FILE: 1 columns of labels, but 2 are needed");
    refused(
        "segments",
        "rater,start,end,label\na,5,2,x\n",
        "FILE:2: column \"end\" holds 2, outside 5 to 1000000000000",
    );
}

#[test]
fn tracks_are_scored_and_linked() {
    let mut text = "set,frame,track,x,y,width,height\n".to_owned();
    for frame in 0..10 {
        text.push_str(&format!("reference,{frame},car,{frame},0,10,10\n"));
        let track = if frame < 6 { "p" } else { "q" };
        text.push_str(&format!("found,{frame},{track},{frame},0,10,10\n"));
    }
    let found = json("tracks", &text);
    near(&found["mota"], 0.9, 1e-12);
    near(&found["identity_f1"], 0.6, 1e-12);
    assert_eq!((&found["switches"], &found["matches"]), (&1.into(), &10.into()));
    let boxes = "frame,x,y,width,height\n0,0,0,10,10\n2,2,0,10,10\n2,50,0,10,10\n";
    let drafts = json("tracks --link", boxes);
    assert_eq!(drafts["tracks"].as_array().unwrap().len(), 2);
    let middle = &drafts["tracks"][0]["boxes"][1];
    assert_eq!((&middle["x"], &middle["interpolated"]), (&1.0.into(), &true.into()));
    refused(
        "tracks --link",
        "frame,x,y,width,height\n1.5,0,0,1,1\n",
        "FILE:2: column \"frame\" holds \"1.5\"; it must be a whole number",
    );
    refused(
        "tracks",
        "set,frame,track,x,y,width,height\nfound,1,a,0,0,1,1\nfound,1,a,0,0,1,1\n",
        "FILE:3: track \"a\" has a second box in frame 1",
    );
}

#[test]
fn spans_agree_exactly_in_part_and_by_position() {
    let text = "item,rater,start,end,label\n\
        1,ada,0,4,drug\n1,ada,6,8,dose\n1,ben,0,4,drug\n1,ben,7,8,dose\n2,ada,,,\n2,ben,0,2,drug\n";
    let found = json("agreement", text);
    assert_eq!((&found["regions"], &found["items"]), (&"spans".into(), &2.into()));
    let pair = &found["pairs"][0];
    // One of ada's 2 spans and ben's 3 is equal; the dose overlaps.
    near(&pair["matches"][0]["f1"], 2.0 / 5.0, 1e-12);
    near(&pair["matches"][1]["recall"], 1.0, 1e-12);
    near(&pair["matches"][1]["precision"], 2.0 / 3.0, 1e-12);
    // 8 positions of item 1 with one apart, 2 of item 2 with both apart.
    near(&pair["same_label"], 7.0 / 10.0, 1e-12);
    refused(
        "agreement",
        "item,rater,start,end\n1,a,5,2\n",
        "FILE:2: a span ends at 2, before it starts at 5",
    );
    refused(
        "agreement",
        "item,rater,start,end\n1,a,1,2\n",
        "FILE: regions of 1 rater, but 2 are needed",
    );
}

#[test]
fn options_of_other_files_are_usage_errors() {
    let spans = "item,rater,site,start,end\n1,a,n,1,2\n1,b,n,1,2\n";
    let boxes = "item,rater,x,y,width,height\n1,a,0,0,1,1\n1,b,0,0,1,1\n";
    let bins = "low,items,correct\n0.5,10,9\n";
    for (words, content, what) in [
        ("agreement --site site", spans, "--site is for ratings"),
        ("agreement --scale ordinal", boxes, "--scale is for ratings"),
        ("agreement --bootstrap 100", boxes, "--bootstrap is for ratings"),
        ("calibration --unlabelled /does/not/exist", bins, "--unlabelled needs answers"),
    ] {
        let (code, message) = run_with_code(words, &[content.as_bytes()]).unwrap_err();
        assert!(code == 2 && message.starts_with(what), "{words}: {code} {message}");
    }
}

#[test]
fn boxes_agree_by_overlap_and_label() {
    let text = "item,rater,x,y,width,height,label\n\
        1,ada,0,0,10,10,cat\n1,ada,50,50,10,10,dog\n\
        1,ben,0,0,10,10,cat\n1,ben,50,52,10,10,cat\n1,ben,90,90,5,5,dog\n";
    let found = json("agreement", text);
    let pair = &found["pairs"][0];
    let (coarse, fine) = (&pair["matches"][0], &pair["matches"][1]);
    // The second pair overlaps by 80 of 120.
    near(&coarse["f1"], 4.0 / 5.0, 1e-12);
    near(&coarse["precision"], 2.0 / 3.0, 1e-12);
    near(&coarse["mean_overlap"], (1.0 + 2.0 / 3.0) / 2.0, 1e-12);
    near(&fine["f1"], 2.0 / 5.0, 1e-12);
    near(&pair["same_label"], 0.5, 1e-12);
    let text = run("agreement", &[text.as_bytes()]).unwrap();
    assert!(text.contains("overlap 0.75") && text.contains("ben: 3 boxes"), "{text}");
    refused(
        "agreement",
        "rater,x,y,width,height\na,1,1,-1,1\n",
        "FILE:2: column \"width\" holds -1, outside 0 to 1000000000",
    );
}

#[test]
fn sites_are_pooled_with_what_differs_between_them() {
    let mut text = "item,ada,ben,site\n".to_owned();
    for item in 0..120 {
        let site = ["north", "south", "west"][item % 3];
        let wrong = item % (4 + 5 * (item % 3)) == 0;
        let label = item / 3 % 2;
        text.push_str(&format!(
            "{item},{label},{},{site}\n",
            if wrong { 1 - label } else { label }
        ));
    }
    let found = json("agreement --site site", &text);
    assert_eq!(found["raters"], 2);
    let by_site = &found["by_site"];
    let sites = by_site["sites"].as_array().unwrap();
    assert_eq!(sites.len(), 3);
    near(&by_site["pooled"], found["krippendorff_alpha"]["value"].as_f64().unwrap(), 1e-12);
    let alpha = |at: usize| sites[at]["alpha"]["value"].as_f64().unwrap();
    let mean = by_site["paule_mandel"]["mean"]["value"].as_f64().unwrap();
    assert!((0..3).map(alpha).fold(f64::MAX, f64::min) < mean);
    assert!((0..3).map(alpha).fold(f64::MIN, f64::max) > mean);
    assert!(by_site["paule_mandel"]["mean"]["low"].as_f64().unwrap() < mean);
    let alone = json("agreement --site site", "item,a,b,site\n1,x,x,n\n2,y,x,n\n3,y,y,n\n");
    assert!(alone["by_site"]["paule_mandel"]["mean"]["value"].is_null());
    refused(
        "agreement --site place",
        "item,a,b\n1,x,x\n",
        "FILE: there is no column place; the columns are \"item\", \"a\", \"b\"",
    );
}

#[test]
fn near_duplicates_that_disagree_are_found_without_a_model() {
    let same = "the patient has a runny nose and a light cough since monday morning";
    let text = format!(
        "id,label,note\n1,cold,{same}\n2,cold,{same}\n3,flu,{same} .\n4,flu,quite another note\n5,,x\n"
    );
    let found = json("label-errors --text note --similarity 0.7", &text);
    assert_eq!((&found["items"], &found["groups"]), (&4.into(), &1.into()));
    let group = &found["conflicts"][0];
    assert_eq!(group["majority"], "cold");
    let suspects: Vec<_> =
        group["items"].as_array().unwrap().iter().filter(|i| i["suspect"] == true).collect();
    assert_eq!((suspects.len(), &suspects[0]["item"]), (1, &"3".into()));
    let out = run("label-errors --text note", &[b"label,note\na,x\na,x\n"]).unwrap();
    assert!(out.contains("of which 0 disagree"), "{out}");
}

#[test]
fn performance_is_expected_without_labels() {
    // Audited: of confidence .9 eight in ten are right, of .6 six in ten.
    let mut audited = "confidence,correct\n".to_owned();
    for at in 0..10 {
        audited.push_str(&format!("0.9,{}\n0.6,{}\n", at < 8, at < 6));
    }
    let today = b"confidence\n0.9\n0.9\n0.9\n0.6\n";
    let run = |first: &str, second: &[u8]| -> Value {
        let mut files =
            [tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap()];
        files[0].write_all(first.as_bytes()).unwrap();
        files[1].write_all(second).unwrap();
        let [first, second] = files.each_ref().map(|file| file.path().display().to_string());
        let words =
            ["insitu-agent", "measure", "calibration", &first, "--unlabelled", &second, "--json"];
        let Command::Measure(command) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("not a measure")
        };
        let mut out = Vec::new();
        measure(&command, &mut out).unwrap_or_else(|failure| panic!("{}", failure.message));
        serde_json::from_slice(&out).unwrap()
    };
    let expected = &run(&audited, today)["expected"];
    near(&expected["accuracy"], (3.0 * 0.8 + 0.6) / 4.0, 1e-12);
    near(&expected["accuracy_uncalibrated"], (3.0 * 0.9 + 0.6) / 4.0, 1e-12);
    assert!(expected["f1"]["reason"].as_str().unwrap().contains("two classes"));
    let audited = "label,p_no,p_yes\nno,0.9,0.1\nyes,0.2,0.8\nyes,0.1,0.9\nno,0.8,0.2\n";
    let expected = &run(audited, b"p_no,p_yes\n0.9,0.1\n0.1,0.9\n")["expected"];
    near(&expected["accuracy"], 1.0, 1e-12);
    near(&expected["roc_auc"], 1.0, 1e-12);
}

#[test]
fn bins_give_a_threshold_that_pays_for_their_noise() {
    let bins = "low,items,correct\n0.5,1000,700\n0.98,5000,4995\n0.9,3000,2900\n";
    let exact = json("calibration --alpha 0.01", bins);
    assert_eq!(exact["threshold"], 0.98);
    near(&exact["coverage"], 5000.0 / 9000.0, 1e-12);
    assert_eq!(json("calibration --alpha 0.01 --noise 30", bins)["threshold"], Value::Null);
    refused("calibration", "low,items,correct\n0.5,1,1\n0.5,2,2\n", "FILE: two bins start at 0.5");
}

#[test]
fn vectors_that_move_together_drift_where_no_column_does() {
    // Both columns keep their values; only how they go together changes.
    let mut text = String::new();
    for at in 0..200 {
        let (x, sign) = (f64::from(at % 20) - 9.5, if at % 10 == 0 { -1.0 } else { 1.0 });
        text.push_str(&format!("{{\"set\": \"reference\", \"v\": [{x}, {}]}}\n", x * sign));
        text.push_str(&format!("{{\"set\": \"current\", \"v\": [{x}, {}]}}\n", -x * sign));
    }
    let found = json("drift --features v", &text);
    assert_eq!((&found["columns"].as_array().unwrap().len(), &found["drifted"]), (&0, &0.into()));
    assert_eq!(
        (&found["features"]["features"], &found["features"]["drifted"]),
        (&2.into(), &true.into())
    );
    assert!(found["features"]["p"].as_f64().unwrap() <= 0.001);
    let out = run("drift --features v", &[text.as_bytes()]).unwrap();
    assert!(out.contains("drifted (p = 0.0010)"), "{out}");
    // No p of 9,999 exchanges is below 1e-4.
    let strict = &json("drift --features v --alarm 0.0001", &text)["features"];
    assert_eq!((&strict["drifted"], &strict["reason"]), (&true.into(), &Value::Null));
    let never = json("drift --features v --alarm 0.00001", &text);
    assert_eq!(never["features"]["drifted"], Value::Null);
    assert!(never["features"]["reason"].as_str().unwrap().starts_with("9999 exchanges"));
    let out = run("drift --features v --alarm 0.00001", &[text.as_bytes()]).unwrap();
    assert!(out.contains("undefined: 9999 exchanges"), "{out}");
    let same = json("drift --features a,b", "set,a,b\nreference,1,2\nreference,,3\ncurrent,1,2\n");
    assert_eq!(same["features"]["incomplete"], 1);
    assert_eq!(same["features"]["p"], Value::Null);
}

#[test]
fn streams_say_when_they_changed() {
    let mut text = "item,wrong\n".to_owned();
    for at in 0..1200 {
        let wrong = if at < 800 { at % 20 == 0 } else { at % 3 == 0 };
        text.push_str(&format!("i{at},{wrong}\n"));
    }
    let found = json("drift --stream wrong --run-length 10000", &text);
    let first = |at: usize| found["detectors"][at]["alarms"][0]["index"].as_u64();
    for at in [0, 1, 3] {
        assert!((800..900).contains(&first(at).unwrap()), "{at}: {:?}", first(at));
    }
    assert_eq!(first(2), None);
    let out = run("drift --stream wrong", &[text.as_bytes()]).unwrap();
    assert!(out.contains("e-detector, up"), "{out}");
    let found = json("drift --stream x", "x\n1.5\n\n2\nNA\n");
    assert_eq!(found["detectors"][3]["reason"], "needs a column of 0 and 1");
    assert_eq!(found["gaps"], 1);
    let never = json("drift --stream x", "x\n0\n0\n");
    assert!(never["detectors"][3]["reason"].as_str().unwrap().ends_with("give --rate"));
    refused("drift --stream x", "x\none\n", "FILE:2: column \"x\" holds \"one\", not a number");
    refused("drift --stream x", "x,y\n,1\n", "FILE: there are no records");
}
