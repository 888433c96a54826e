//! `measure calibration`: how much of a model's word is to be believed.

use std::io::Write;

use clap::Parser;
use serde_json::Value;

use super::{Arguments, Command, json, measure, near, refused, run};

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
