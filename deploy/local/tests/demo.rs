//! The demonstration over real processes, sockets, certificates and files: once undisturbed, once
//! with every process killed again and again. Both must tell the same story.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test of real processes runs in real time")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Kills of each process in the disturbed demonstration.
const KILLS: u32 = 10;
/// Of these splits the last bundle is ahead by .046 ± .01: by far more than the noise of training.
const SEED: &str = "5";
/// A demonstration that takes longer than this has hung.
const HUNG_AFTER: Duration = Duration::from_secs(420);

#[test]
fn a_demonstration_with_kills_tells_the_same_story() {
    let folder = tempfile::tempdir().unwrap();
    let calm = Demo::start(folder.path().join("calm")).finish();
    let calm_folder = folder.path().join("calm");
    is_sound(&calm);
    improves(&calm);
    finds_the_drift(&calm);
    coordinator_knows_no_item(&calm_folder);

    let disturbed = Demo::start(folder.path().join("disturbed"));
    let kills = disturbed.kill_everything();
    let disturbed = disturbed.finish();
    is_sound(&disturbed);
    assert!(kills >= KILLS, "only {kills} kills hit a process");
    assert!(disturbed["restarts"].as_u64().unwrap() > 0);
    same_story(&calm, &disturbed);
}

/// A running demonstration.
struct Demo {
    child: Child,
    folder: PathBuf,
}

impl Demo {
    fn start(folder: PathBuf) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_insitu-local"))
            .args(["demo", "--json", "--seed", SEED, "--keep"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    fn finish(self) -> Value {
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success(), "the demonstration ended with {}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Kills each daemon [`KILLS`] times at moments spread over the demonstration; how many hit.
    fn kill_everything(&self) -> u32 {
        let start = Instant::now();
        let mut kills = 0;
        let mut targets: Vec<(PathBuf, u32)> = Vec::new();
        // An irregular rhythm that does not follow the demonstration's own: steps of the golden
        // section, in thousandths.
        let mut phase = 500;
        while targets.is_empty() || targets.iter().any(|(_, left)| *left > 0) {
            assert!(start.elapsed() < HUNG_AFTER, "the disturbed demonstration hung");
            if process_ids(&self.folder).len() > targets.len() {
                let known: Vec<PathBuf> = targets.iter().map(|(path, _)| path.clone()).collect();
                let new =
                    process_ids(&self.folder).into_iter().filter(|path| !known.contains(path));
                targets.extend(new.map(|path| (path, KILLS)));
            }
            phase = (phase + 618) % 1000;
            std::thread::sleep(Duration::from_millis(300 + phase / 2));
            let alive = targets.iter_mut().filter(|(_, left)| *left > 0).collect::<Vec<_>>();
            if let Some((path, left)) = alive.into_iter().max_by_key(|(_, left)| *left) {
                *left -= 1;
                kills += u32::from(kill(path));
            }
        }
        kills
    }
}

/// The files in which the demonstration keeps its daemons' process ids.
fn process_ids(folder: &Path) -> Vec<PathBuf> {
    let sites = fs::read_dir(folder.join("sites")).into_iter().flatten();
    let mut files: Vec<PathBuf> = sites.map(|site| site.unwrap().path().join("pid")).collect();
    files.push(folder.join("coordinator/pid"));
    files.retain(|file| file.exists());
    files.sort();
    files
}

fn kill(process_id: &Path) -> bool {
    let Ok(id) = fs::read_to_string(process_id) else { return false };
    Command::new("kill").args(["-9", id.trim()]).stderr(Stdio::null()).status().unwrap().success()
}

fn sites(outcome: &Value) -> &Vec<Value> {
    outcome["sites"].as_array().unwrap()
}

fn is_sound(outcome: &Value) {
    assert_eq!(outcome["simulated_annotators"], true);
    assert_eq!(outcome["redaction"]["leaked"], 0, "{}", outcome["redaction"]);
    let items: Vec<u64> = sites(outcome).iter().map(|s| s["items"].as_u64().unwrap()).collect();
    assert_eq!(items, [303, 294, 123, 200]);
    for site in sites(outcome) {
        assert_eq!(site["outbox_verified"], true, "{site}");
        assert_eq!(site["prelabeled"], site["items"], "{site}");
        let auto = site["auto_accepted"].as_u64().unwrap();
        assert_eq!(auto + site["corrected"].as_u64().unwrap(), site["items"].as_u64().unwrap());
        assert!(site["epsilon_spent"].as_f64() <= site["epsilon_allowed"].as_f64(), "{site}");
        assert!(site["bytes_sent"].as_u64().unwrap() > 0, "{site}");
    }
}

fn improves(outcome: &Value) {
    let rounds = outcome["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 6, "the first bundle and five rounds: {rounds:?}");
    let accuracy = |round: &Value| round["accuracy"].as_f64().unwrap();
    let (first, last) = (accuracy(&rounds[0]), accuracy(&rounds[5]));
    assert!(last > first, "held-out accuracy went from {first} to {last}");
}

fn finds_the_drift(outcome: &Value) {
    let drift = outcome["drift"].as_array().unwrap();
    for site in ["switzerland", "va-long-beach"] {
        let found = drift.iter().any(|test| test["site"] == site && test["drifted"] == true);
        assert!(found, "no drift found at {site}: {drift:?}");
    }
    let campaign = &outcome["campaigns"][0];
    let answered = campaign["sites"].as_array().unwrap();
    assert!(!answered.is_empty() && answered.iter().all(|site| site["answered"] == true));
}

/// Everything that is not noised must agree.
fn same_story(calm: &Value, disturbed: &Value) {
    for (calm, disturbed) in sites(calm).iter().zip(sites(disturbed)) {
        for key in [
            "site",
            "items",
            "holdout",
            "prelabeled",
            "auto_accepted",
            "corrected",
            "accuracy_first",
        ] {
            assert_eq!(calm[key], disturbed[key], "{key}");
        }
        // Which hospitals a campaign asks depends on noise; statistics leave exactly as often.
        let of = |site: &Value, kinds: &[&str]| -> Vec<Value> {
            let all = site["releases"].as_array().unwrap().iter();
            all.filter(|left| kinds.contains(&left["kind"].as_str().unwrap())).cloned().collect()
        };
        let statistics = ["confusion", "coincidence", "calibration", "drift"];
        assert_eq!(of(calm, &statistics), of(disturbed, &statistics), "{}", calm["site"]);
        // A sum goes on without a hospital that was killed for too long, and what is tried again is
        // charged again: a few updates fewer or more, never without bound.
        let updates: u64 = of(disturbed, &["update", "masked-update"])
            .iter()
            .map(|left| left["count"].as_u64().unwrap())
            .sum();
        assert!((1..=10).contains(&updates), "{updates} updates of {}", calm["site"]);
    }
}

/// Searches every byte the coordinator ever stored for values of items and names of people.
fn coordinator_knows_no_item(folder: &Path) {
    let stored = all_bytes(&folder.join("coordinator"));
    assert!(stored.len() > 10_000, "only {} bytes stored", stored.len());
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    // Seven digits of a longer number, or of a digest, are so by chance.
    let joins =
        |at: Option<usize>| at.and_then(|at| stored.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let holds_whole = |text: &str| {
        let is = |(_, window): &(usize, &[u8])| *window == text.as_bytes();
        let found = stored.windows(text.len()).enumerate().filter(is);
        found.into_iter().any(|(at, _)| !joins(at.checked_sub(1)) && !joins(Some(at + text.len())))
    };
    assert!(holds("switzerland"), "the search finds what is there");
    for person in ["careful", "slipping"] {
        assert!(!holds(person), "the coordinator knows {person}");
    }
    let mut looked_for = 0;
    for site in ["cleveland", "hungary", "switzerland", "va-long-beach"] {
        let table =
            fs::read_to_string(folder.join("sites").join(site).join("patients.csv")).unwrap();
        for line in table.lines().skip(1) {
            for word in personal_words(line) {
                looked_for += 1;
                assert!(
                    !holds_whole(word),
                    "the coordinator knows something of a patient of {site}"
                );
            }
        }
    }
    assert!(looked_for > 2 * 920, "only {looked_for} values looked for");
}

/// What of a line of a patients' table belongs to one person alone: e-mail, telephone, record number.
fn personal_words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || ",;()\"".contains(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| {
            word.contains('@')
                || word.starts_with("555-01")
                || (word.len() == 7 && word.bytes().all(|byte| byte.is_ascii_digit()))
        })
}

fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(all_bytes(&path));
        } else {
            bytes.extend(fs::read(&path).unwrap());
        }
    }
    bytes
}
