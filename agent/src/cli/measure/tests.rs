//! The commands as a user runs them, on small files with published results, and on bad input.

mod agreement;
mod calibration;
mod consensus;
mod drift;
mod regions;

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
