//! Limits that keep the sources readable.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use insitu_tests::sources;

/// Most lines of a source file, its unit tests not counted.
const FILE_LINES_MAX: usize = 500;

#[test]
fn files_fit_in_a_readers_head() {
    let long: Vec<String> = product_files()
        .into_iter()
        .filter_map(|(name, text)| {
            let lines = sources::without_tests(&text).lines().count();
            (lines > FILE_LINES_MAX).then(|| format!("{name}: {lines} lines"))
        })
        .collect();
    assert!(long.is_empty(), "over {FILE_LINES_MAX} lines without tests: {long:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = product_files()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "no module documentation: {silent:#?}");
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = ["TODO", "FIXME", "unimplemented!("].map(|mark| mark.to_owned());
    let unfinished: Vec<String> = product_files()
        .into_iter()
        .filter(|(name, text)| {
            !name.ends_with("tidy.rs") && marks.iter().any(|mark| text.contains(mark.as_str()))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(unfinished.is_empty(), "unfinished: {unfinished:#?}");
}

fn product_files() -> Vec<(String, String)> {
    let root = sources::root();
    let files: Vec<(String, String)> = ["agent", "coordinator", "core", "models", "deploy", "tests"]
            .iter()
            .flat_map(|folder| sources::rust_files(&root.join(folder)))
            // A file of unit tests belongs to the file whose tests it holds.
            .filter(|file| !file.ends_with("tests.rs"))
            .map(|file| {
                let name = file.strip_prefix(&root).unwrap().display().to_string();
                (name, fs::read_to_string(&file).unwrap())
            })
            .collect();
    assert!(files.len() > 50, "only {} sources found", files.len());
    files
}
