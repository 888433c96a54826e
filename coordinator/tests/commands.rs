//! The program as an operator uses it: real processes, files and exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use insitu_models::bundle::Bundle;
use insitu_models::manifest::Sentence;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_insitu-coordinator");

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("--config")
        .arg(folder.join("home/coordinator.toml"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Runs a command that must succeed, with `--json`.
#[track_caller]
fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that must fail so, and says so.
#[track_caller]
fn fails(folder: &Path, arguments: &[&str], code: i32, message: &str) {
    let output = run(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "errors do not go to standard output");
}

/// A folder with a federation in it; ports that were free a moment ago.
fn found() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let link = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let listen = ["--listen", &link, "--http", &http];
    let made = [&["init", "--dir", "home", "--federation", "heart"], &listen[..]].concat();
    assert_eq!(json(folder.path(), &made)["federation"], "heart");
    (folder, http)
}

fn shipped(name: &str) -> String {
    let path: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundles/heart-disease").join(name);
    path.to_str().unwrap().to_owned()
}

/// A daemon that is killed when the test ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn from_nothing_to_a_published_model() {
    let (folder, _) = found();
    let folder = folder.path();
    json(folder, &["site", "add", "north"]);
    let token = json(folder, &["token", "--site", "north", "--token-file", "north.token"]);
    assert_eq!(token["site"], "north");
    let mode = std::fs::metadata(folder.join("north.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mode = std::fs::metadata(folder.join("home/data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    json(folder, &["project", "create", &shipped("project.toml")]);
    let published = json(folder, &["model", "publish", &shipped(""), "--project", "heart-disease"]);
    let digest = published["bundle"].as_str().unwrap();
    let listed = json(folder, &["model", "list"]);
    assert_eq!(listed[0]["bundle"], digest);
    assert_eq!(listed[0]["state"], "active");
    json(folder, &["model", "publish", &shipped(""), "--project", "heart-disease"]); // changes nothing
    let card = json(folder, &["model", "show", &digest[..10]]);
    assert_eq!((&card["bundle"], &card["state"]), (&listed[0]["bundle"], &"active".into()));
    assert_eq!((&card["objects"][1]["object"], &card["head"]), (&"head".into(), &"softmax".into()));
    let text = run_text(folder, &["model", "show", digest]);
    assert!(text.contains("## Lineage\n- ") && text.contains("It is active."), "{text}");
    let start = ["round", "start", "--project", "heart-disease"];
    let auto = [&start[..], &["--rounds", "auto"]].concat();
    fails(folder, &auto, 1, "--subjects N");
    fails(folder, &[&start[..], &["--subjects", "9"]].concat(), 1, "for --rounds auto");
    let dry = [&auto[..], &["--subjects", "412", "--dry-run"]].concat();
    let plan = &json(folder, &dry)["plan"];
    assert!(plan["rounds"].as_u64().unwrap() >= 4 && plan["epsilon"].as_f64().unwrap() < 1.01);
    let shown = String::from_utf8(run(folder, &dry).stdout).unwrap();
    println!("{shown}");
    assert!(shown.contains("chosen by the budget for about 412 subjects"), "{shown}");
    assert!(
        shown.contains("price     rho 0.00") && shown.contains("nothing has started"),
        "{shown}"
    );
    let each = json(folder, &[&dry[..], &["--evaluate-each-round"]].concat());
    let (plan, each) = (&plan["total_nano_rho"], &each["plan"]);
    assert_eq!(each["evaluations"], each["rounds"]);
    assert!(plan.as_u64().unwrap() < each["total_nano_rho"].as_u64().unwrap());
    assert!(shown.contains("evaluated 1 time(s), of the result: rho 0.00"), "{shown}");
    let means = [&start[..], &["--mechanism", "class-means", "--dry-run"]].concat();
    assert_eq!(json(folder, &means)["plan"]["rounds"], 1);
    let run = json(folder, &["round", "start", "--project", "heart-disease", "--closes-in", "60s"]);
    let shown = json(folder, &["round", "show", run["run"].as_str().unwrap()]);
    assert_eq!(shown["state"], "open");
    assert_eq!(shown["rounds"][0]["sites"][0]["state"], "waiting");
    let agreement = json(folder, &["report", "agreement"]);
    assert!(agreement["overall"]["kappa"]["undefined"].is_string());
    json(folder, &["model", "export", &digest[..10], "--out", "exported"]);
    assert!(folder.join("exported/manifest.json").exists());
    let status = json(folder, &["status"]);
    assert_eq!(status["serving"], false);
    assert_eq!(status["open_runs"][0], run["run"]);
    let id = run["run"].as_str().unwrap();
    fails(folder, &start, 1, &format!("round abandon {id} --reason"));
    let abandon = ["round", "abandon", id, "--reason", "another plan"];
    assert_eq!(json(folder, &abandon)["state"], "abandoned");
    let shown = json(folder, &["round", "show", id]);
    assert_eq!(shown["reason"], "given up by an operator: another plan");
    fails(folder, &abandon, 1, &format!("run {id} is not open any more: it is abandoned"));
    fails(folder, &abandon[..3], 2, "--reason");
    let other = [&["evaluation", "abandon", id][..], &abandon[3..]].concat();
    fails(folder, &other, 1, &format!("there is no evaluation {id}"));
    let other = [&["statistics", "abandon", id][..], &abandon[3..]].concat();
    fails(folder, &other, 1, &format!("there is no collection {id}"));
    for report in ["labels", "calibration", "fleet", "budget"] {
        assert!(run_text(folder, &["report", report]).ends_with('\n'), "{report}");
    }
}

fn run_text(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with a second version of the shipped bundle.
fn next_bundle(folder: &Path) -> String {
    let first = Bundle::open(shipped("").as_ref()).unwrap();
    let why = Sentence::new("for a test").unwrap();
    let next = folder.join("next");
    first.successor(first.head().clone(), why).unwrap().write_to(&next).unwrap();
    next.display().to_string()
}

#[test]
fn what_cannot_be_done_has_a_code_and_a_reason() {
    let (folder, _) = found();
    let folder = folder.path();
    fails(folder, &["init", "--dir", "home", "--federation", "heart"], 1, "is there already");
    fails(folder, &["init", "--dir", "x", "--federation", "Not A Name"], 2, "a-z");
    fails(folder, &["nonsense"], 2, "nonsense");
    fails(folder, &["token", "--site", "north", "--token-file", "t"], 1, "site add north");
    json(folder, &["site", "add", "north"]);
    fails(folder, &["site", "add", "north"], 1, "is a member already");
    json(folder, &["site", "revoke", "north"]);
    fails(folder, &["site", "add", "north"], 1, "does not come back");
    fails(folder, &["round", "start", "--project", "heart-disease"], 1, "project create");
    json(folder, &["project", "create", &shipped("project.toml")]);
    fails(folder, &["round", "start", "--project", "heart-disease"], 1, "model publish");
    json(folder, &["model", "publish", &shipped(""), "--project", "heart-disease"]);
    let next = next_bundle(folder);
    let publish = ["model", "publish", &next, "--project", "heart-disease"];
    fails(folder, &publish, 1, "--force REASON");
    fails(folder, &[&publish[..], &["--candidate", "--force", "x"]].concat(), 2, "--candidate");
    let second = || {
        let listed = json(folder, &["model", "list"]);
        listed.as_array().unwrap().iter().find(|row| row["version"] == 2).unwrap().clone()
    };
    assert_eq!(second()["state"], "candidate");
    json(folder, &[&publish[..], &["--force", "in a hurry"]].concat());
    assert_eq!((&second()["state"], &second()["forced"]), (&"active".into(), &"in a hurry".into()));
    let start = ["round", "start", "--project", "heart-disease"];
    for (extra, code, message) in [
        (["--mechanism", "dp-ftrl"], 2, "insitu-local simulate --mechanism dp-ftrl"),
        (["--mechanism", "means"], 2, "neither gradient nor class-means"),
        (["--optimiser", "fedprox"], 2, "insitu-local simulate --local-steps N --proximal MU"),
        (["--local-steps", "5"], 1, "insitu-local simulate --local-steps N"),
        (["--proximal", "0.1"], 1, "one clipped gradient a subject"),
        (["--rounds", "many"], 2, "neither auto nor a number"),
    ] {
        fails(folder, &[&start[..], &extra].concat(), code, message);
    }
    let unknown = "0".repeat(32);
    fails(folder, &["round", "show", &unknown], 1, "there is no run");
    fails(folder, &["campaign", "show", &unknown], 1, "there is no campaign");
    let worst = ["campaign", "create", "--project", "heart-disease", "--closes-in", "1h"];
    fails(folder, &worst, 2, "--feature");
    fails(folder, &[&worst[..], &["--worst-slice"]].concat(), 2, "--reference");
    let slice = ["--feature", "chol", "--bins", "lots"];
    fails(folder, &[&worst[..], &slice].concat(), 1, "<1, 1–200");

    let config = folder.join("home/coordinator.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[rounds]", "[round]")).unwrap();
    fails(folder, &["status"], 78, "coordinator.toml");
    std::fs::write(&config, text).unwrap();
    std::fs::write(folder.join("home/data/coordinator.db"), "no database").unwrap();
    fails(folder, &["status"], 78, "coordinator.db");
}

#[test]
fn the_daemon_serves_and_stops_when_told() {
    let (folder, http) = found();
    let folder = folder.path();
    json(folder, &["serve", "--check"]);
    let child = Command::new(PROGRAM)
        .arg("--config")
        .arg(folder.join("home/coordinator.toml"))
        .arg("serve")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut daemon = Daemon(child);
    let ready = || get(&http, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
    for _ in 0..200 {
        if ready() {
            break;
        }
        #[expect(clippy::disallowed_methods, reason = "the test has no runtime to block")]
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(ready());
    assert_eq!(json(folder, &["status"])["serving"], true);
    // Commands work beside it.
    json(folder, &["site", "add", "north"]);
    let overview = get(&http, "/api/overview").unwrap();
    assert!(overview.contains("\"site\":\"north\""), "{overview}");
    let page = get(&http, "/").unwrap().to_lowercase();
    assert!(page.contains("content-security-policy") && page.contains("<html"), "{page}");
    assert!(get(&http, "/openapi.json").unwrap().contains("\"openapi\": \"3.1.0\""));
    assert!(get(&http, "/metrics").unwrap().contains("insitu_transactions_total"));
    assert!(get(&http, "/nothing").unwrap().starts_with("HTTP/1.1 404"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    println!("{resident}");

    let stopped = Command::new("kill").arg(daemon.0.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    assert_eq!(json(folder, &["status"])["serving"], false);
}
