//! A disk that takes nothing more: commands fail with an error, lose nothing, and work again later.
//!
//! The disk is full for one process by its limit on the size of files, with the signal that goes
//! with it ignored, so that writes fail as they do on a full disk.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fmt::Debug;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_insitu-local");

#[test]
fn a_coordinator_on_a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program { name: "coordinator", folder: folder.path() };
    run(&["coordinator", "init", "--dir", text(folder.path()), "--federation", "test"]);
    program.run(&["site", "add", "north"]);

    fails_with_words(&program.on_a_full_disk(&["site", "add", "south"]));
    assert_eq!(names(&program.run(&["site", "list", "--json"])), ["north"]);

    program.run(&["site", "add", "south"]);
    assert_eq!(names(&program.run(&["site", "list", "--json"])), ["north", "south"]);
}

#[test]
fn an_agent_on_a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program { name: "agent", folder: folder.path() };
    run(&["agent", "init", "--dir", text(folder.path()), "--site", "north"]);
    let (ada, bea) = (folder.path().join("ada.token"), folder.path().join("bea.token"));
    let role = ["--role", "annotator", "--token-file"];
    program.run(&[&["person", "add", "ada"], &role[..], &[text(&ada)]].concat());

    let add = [&["person", "add", "bea"], &role[..], &[text(&bea)]].concat();
    fails_with_words(&program.on_a_full_disk(&add));
    assert_eq!(names(&program.run(&["person", "list", "--json"])), ["ada"]);

    // A token's file is never overwritten, and the first attempt may have left an empty one.
    drop(std::fs::remove_file(&bea));
    program.run(&add);
    assert_eq!(names(&program.run(&["person", "list", "--json"])), ["ada", "bea"]);
    let verified = program.run(&["outbox", "verify", "--json"]);
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verified["verified"], true);
}

/// One of the two programs with its configuration.
struct Program<'a> {
    name: &'a str,
    folder: &'a Path,
}

impl Program<'_> {
    fn arguments(&self, rest: &[&str]) -> Vec<String> {
        let config = self.folder.join(format!("{}.toml", self.name));
        let all = [&[self.name, "--config", text(&config)], rest].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    fn run(&self, rest: &[&str]) -> Output {
        run(&self.arguments(rest))
    }

    fn on_a_full_disk(&self, rest: &[&str]) -> Output {
        on_a_full_disk(&self.arguments(rest))
    }
}

fn run(arguments: &[impl AsRef<OsStr> + Debug]) -> Output {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}: {words}", output.status);
    output
}

/// Runs a command that may not write a single byte to a file.
fn on_a_full_disk(arguments: &[impl AsRef<OsStr>]) -> Output {
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    Command::new("sh").args(["-c", script, PROGRAM]).args(arguments).output().unwrap()
}

fn fails_with_words(output: &Output) {
    let words = String::from_utf8_lossy(&output.stderr);
    // Whichever write fails first: of the store's own files at its opening, or of the transaction.
    let failed = matches!(output.status.code(), Some(70 | 78));
    assert!(failed, "no failure of its own, but {}: {words}", output.status);
    assert!(!words.contains("panicked") && words.len() > 20, "{words}");
}

/// The names in a list of sites or people, sorted.
fn names(output: &Output) -> Vec<String> {
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    // A site is named by "site", a person by "name".
    let name = |entry: &Value| {
        let named = if entry["name"].is_string() { &entry["name"] } else { &entry["site"] };
        named.as_str().unwrap().to_owned()
    };
    let mut names: Vec<String> = list.iter().map(name).collect();
    names.sort();
    names
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
