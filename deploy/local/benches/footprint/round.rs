//! What a site's machine pays for training rounds: the agent's processor time and memory in rounds of
//! 29,645 parameters, over labels of texts, model aside.
//!
//! The backbone is a table with a row of 385 numbers for each word, so that next to nothing of what is
//! measured is the model's. `INSITU_MINILM=DIR` takes the folder that
//! `models/bundles/fetch-minilm.sh` makes of MiniLM, or any with `model.onnx` and `tokenizer.json`.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::tiny::{graph, lookup, tokenizer};
use super::{IDLE_AFTER, Killed, PROGRAM, ready, resident_megabytes, text};

/// The classes are pairs of these: 7 × 11.
const THINGS: [&str; 7] = ["card", "transfer", "top", "cash", "account", "rate", "payment"];
const TROUBLES: [&str; 11] = [
    "lost", "late", "wrong", "blocked", "new", "twice", "abroad", "fee", "limit", "change",
    "refund",
];
const CLASSES: usize = THINGS.len() * TROUBLES.len();
const FILLERS: [&str; 6] = ["please", "help", "again", "today", "with", "my"];
/// Numbers in a word's row.
const WIDTH: usize = 385;
/// Labels at which rounds are measured, the last being a tenth of Banking77's.
const TEXTS: [usize; 2] = [100, 1000];
/// Rounds over which processor time is averaged: it is told in hundredths of a second.
const ROUNDS: u32 = 20;
/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(300);
const PROJECT: &str = "intents";

/// A coordinator, and the agent that is looked at.
struct Federation {
    coordinator: PathBuf,
    agent: PathBuf,
    api: String,
    /// The program of the agent, with the first of its arguments.
    program: Vec<String>,
    _serving: Killed,
    running: Killed,
}

/// What rounds cost.
struct Cost {
    /// Processor seconds of a round.
    cpu: f64,
    /// Of them, what asking for news would have cost alone in that time.
    polling: f64,
    /// Most memory in the rounds, MB.
    peak: f64,
    /// Of an update.
    bytes: u64,
}

/// Runs the rounds and prints what they cost.
pub(super) fn main(folder: &Path) {
    let bundle = bundle(folder);
    let manifest = fs::read(bundle.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let backbone = manifest["backbone"]["digest"].as_str().unwrap();
    let classes = manifest["classes"].as_array().unwrap().len() as u64;
    let parameters = manifest["features"].as_u64().unwrap() * classes;
    let mut site = Federation::found(folder, backbone);
    std::thread::sleep(IDLE_AFTER);
    let idle = site.resident();
    site.coordinate(&["project", "create", text(&folder.join("project.toml"))]);
    site.coordinate(&["model", "publish", text(&bundle), "--project", PROJECT]);
    site.wait("the bundle", |status| status["projects"][0]["bundle"].is_string());
    std::thread::sleep(IDLE_AFTER);
    let model = site.resident() - idle;

    let program = site.program.join(" ");
    println!("rounds of {parameters} parameters, {ROUNDS} at each size, by {program}");
    println!(
        "  {idle:.1} MB resident when idle (bar 20), {model:.1} MB more with model and engine"
    );
    let mut imported = 0;
    for texts in TEXTS {
        site.import(folder, imported..texts);
        imported = texts;
        let Cost { cpu, polling, peak, bytes } = site.rounds();
        let aside = peak - model;
        println!(
            "  {texts} labels: {peak:.1} MB at most in a round, {aside:.1} MB model aside (bar 40)"
        );
        println!(
            "    {cpu:.4} s of CPU a round (bar 0.02), {polling:.4} s of it for asking what is new"
        );
        println!("    an update of {:.1} kB (bar 35)", bytes as f64 / 1e3);
    }
    println!("  others, measured once on another machine, not now, without data to learn from:");
    println!("    NVFlare 2.9: 89 MB when idle, 216 MB in a round, 0.13 s of CPU a round");
    println!("    Flower 1.41: 271 MB when idle, 410 MB in a round, 1.9 to 3.1 s of CPU a round");
}

/// Packs a bundle, and writes its project beside it.
fn bundle(folder: &Path) -> PathBuf {
    let names: Vec<String> = (0..CLASSES).map(class).collect();
    let mut project = format!(
        "name = \"{PROJECT}\"\nversion = 1\ntitle = \"Intents\"\ninstructions = \"What is it about?\"\nfeatures = []\n"
    );
    for name in &names {
        writeln!(project, "[[classes]]\nname = \"{name}\"").unwrap();
    }
    project.push_str(
        r#"
[[fields]]
name = "text"
title = "Text"
kind = "text"

[routing]
accept_at = 1000
expert_below = 0
overlap = 0

[statistics]
confusion_nano_rho = 1000000
coincidence_nano_rho = 1000000
calibration_nano_rho = 1000000
drift_nano_rho = 1000000
calibration_bins = 5

[training]
rounds = 20
run_nano_rho = 24000000
clip_milli = 1000
fraction_bits = 12
learning_rate = 0.01
momentum = 0.5
"#,
    );
    fs::write(folder.join("project.toml"), project).unwrap();

    let model = std::env::var_os("INSITU_MINILM").map_or_else(|| table(folder), PathBuf::from);
    let out = folder.join("bundle");
    let project = folder.join("project.toml");
    super::run(&["pack", text(&model), text(&out), "--name", PROJECT, "--project", text(&project)]);
    out
}

fn class(number: usize) -> String {
    format!("{} {}", THINGS[number / TROUBLES.len()], TROUBLES[number % TROUBLES.len()])
}

/// The folder of a model that knows these words.
fn table(folder: &Path) -> PathBuf {
    let words: Vec<&str> =
        ["[UNK]"].iter().chain(&THINGS).chain(&TROUBLES).chain(&FILLERS).copied().collect();
    let mut state = 1_u64;
    let values: Vec<f32> = (0..words.len() * WIDTH)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let model = folder.join("model");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("model.onnx"), graph(&values, WIDTH, &lookup())).unwrap();
    fs::write(model.join("tokenizer.json"), tokenizer(&words)).unwrap();
    model
}

impl Federation {
    /// A coordinator, and an agent that has joined it and waits.
    fn found(folder: &Path, backbone: &str) -> Self {
        let link = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let [http, api] = [(); 2]
            .map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string());
        let home = folder.join("central");
        super::run(&[
            "coordinator",
            "init",
            "--dir",
            text(&home),
            "--federation",
            "bench",
            "--listen",
            &link,
            "--http",
            &http,
        ]);
        let coordinator = home.join("coordinator.toml");
        let serving =
            Killed(super::spawn(&["coordinator", "--config", text(&coordinator), "serve"]));
        wait_for("the coordinator", || ready(&http));

        let home = folder.join("site");
        super::run(&["agent", "init", "--dir", text(&home), "--site", "north"]);
        let agent = home.join("agent.toml");
        fs::write(&agent, configuration(&api, &link, backbone)).unwrap();
        let token = folder.join("token");
        let at = |arguments: &[&str]| {
            super::run(&[&["coordinator", "--config", text(&coordinator)], arguments].concat());
        };
        at(&["site", "add", "north"]);
        at(&["token", "--site", "north", "--token-file", text(&token)]);
        let at = |arguments: &[&str]| {
            super::run(&[&["agent", "--config", text(&agent)], arguments].concat());
        };
        at(&["enroll", "--token-file", text(&token)]);
        let person = folder.join("ann.token");
        at(&["person", "add", "ann", "--role", "annotator", "--token-file", text(&person)]);
        let program = program();
        let running = start(&program, &agent);
        wait_for("the agent", || ready(&api));
        Self { coordinator, agent, api, program, _serving: serving, running }
    }

    /// Imports texts with their labels, and waits until these are taken.
    fn import(&self, folder: &Path, numbers: Range<usize>) {
        let all = numbers.end;
        let mut lines = String::from("id,text,label\n");
        for number in numbers {
            let (name, filler) = (class(number % CLASSES), number / CLASSES);
            let [first, last] = [filler % FILLERS.len(), filler / FILLERS.len() % FILLERS.len()];
            writeln!(lines, "{number},{} {name} {},{name}", FILLERS[first], FILLERS[last]).unwrap();
        }
        let file = folder.join("texts.csv");
        fs::write(&file, lines).unwrap();
        let arguments = ["import", text(&file), "--project", PROJECT, "--reader", "ann"];
        let config = ["agent", "--config", text(&self.agent)];
        super::run(&[&config[..], &arguments, &["--label", "label"]].concat());
        self.wait("the labels", |status| status["projects"][0]["corrected"] == all);
    }

    /// Starts the agent anew, for what redacting and drafting left in its memory is no part of a round,
    /// and plays the rounds.
    fn rounds(&mut self) -> Cost {
        self.running.0.kill().unwrap();
        self.running.0.wait().unwrap();
        self.running = start(&self.program, &self.agent);
        wait_for("the agent", || ready(&self.api));
        std::thread::sleep(IDLE_AFTER);
        let before = self.cpu_seconds();
        std::thread::sleep(IDLE_AFTER);
        let polling = (self.cpu_seconds() - before) / IDLE_AFTER.as_secs_f64();

        fs::write(format!("/proc/{}/clear_refs", self.running.0.id()), "5").unwrap();
        let (begin, before) = (Instant::now(), self.cpu_seconds());
        let rounds = ROUNDS.to_string();
        let started = self.ask(&[
            "round",
            "start",
            "--project",
            PROJECT,
            "--rounds",
            &rounds,
            "--secure-aggregation",
            "off",
            "--force",
            "a benchmark",
        ]);
        let run = started["run"].as_str().unwrap();
        wait_for("the rounds", || {
            let shown = self.ask(&["round", "show", run]);
            assert_ne!(shown["state"], "abandoned", "{shown}");
            shown["state"] == "finished"
        });
        let (seconds, cpu) = (begin.elapsed().as_secs_f64(), self.cpu_seconds() - before);
        let peak = super::megabytes(self.running.0.id(), "VmHWM:");
        let listed = output(&["agent", "--config", text(&self.agent), "outbox", "list", "--json"]);
        let last = listed.as_array().unwrap().last().unwrap();
        assert_eq!((&last["kind"], &last["state"]), (&"update".into(), &"acknowledged".into()));
        let rounds = f64::from(ROUNDS);
        Cost {
            cpu: cpu / rounds,
            polling: polling * seconds / rounds,
            peak,
            bytes: last["bytes"].as_u64().unwrap(),
        }
    }

    fn coordinate(&self, arguments: &[&str]) {
        super::run(&[&["coordinator", "--config", text(&self.coordinator)], arguments].concat());
    }

    fn ask(&self, arguments: &[&str]) -> Value {
        let config = ["coordinator", "--config", text(&self.coordinator), "--json"];
        output(&[&config[..], arguments].concat())
    }

    /// Waits until the agent's status is as wanted.
    fn wait(&self, what: &str, done: impl Fn(&Value) -> bool) {
        let arguments = ["agent", "--config", text(&self.agent), "status", "--json"];
        wait_for(what, || done(&output(&arguments)));
        assert!(ready(&self.api), "the agent is there");
    }

    fn resident(&self) -> f64 {
        resident_megabytes(self.running.0.id())
    }

    /// Processor time of the agent so far: fields 14 and 15 of `/proc/PID/stat`, in hundredths.
    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.running.0.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }
}

fn start(program: &[String], config: &Path) -> Killed {
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]).args(["--config", text(config), "run"]);
    Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// `insitu-agent` where it is built, else the same within `insitu-local`.
fn program() -> Vec<String> {
    let own = Path::new(PROGRAM).with_file_name("insitu-agent");
    if own.exists() {
        vec![text(&own).to_owned()]
    } else {
        vec![PROGRAM.to_owned(), "agent".to_owned()]
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a command answers in JSON.
fn output(arguments: &[&str]) -> Value {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn configuration(api: &str, link: &str, backbone: &str) -> String {
    format!(
        r#"site = "north"
data = "data"

[coordinator]
address = "{link}"

[api]
listen = "{api}"

[uplink]
slot = "300ms"
poll = "300ms"

[[project]]
name = "{PROJECT}"
id = "id"
subject = "id"
holdout_share = 0.0

[polite]
enabled = false

[policy]
epsilon_year = 2.0
epsilon_run = 1.1
backbones = ["{backbone}"]
approve_models = "approved-backbones"
"#
    )
}
