//! A coordinator and an agent, as processes of their own, for what is measured of an agent at work.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Killed, PROGRAM, ready, resident_megabytes, text};

/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(300);
pub(super) const PROJECT: &str = "intents";
const PROJECT_HEAD: &str = r#"name = "intents"
version = 1
title = "Intents"
instructions = "What is it about?"
features = []
"#;
const PROJECT_REST: &str = r#"
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
"#;

/// A bundle, and the project it is for.
pub(super) struct Packed {
    project: PathBuf,
    bundle: PathBuf,
    backbone: String,
    /// Of its head.
    pub(super) parameters: u64,
}

/// A coordinator, and the agent that is looked at.
pub(super) struct Federation {
    coordinator: PathBuf,
    agent: PathBuf,
    api: String,
    /// The program of the agent, with the first of its arguments.
    program: Vec<String>,
    _serving: Killed,
    running: Killed,
}

impl Federation {
    /// A coordinator, and an agent that has joined it and waits.
    pub(super) fn found(folder: &Path, bundle: &Packed) -> Self {
        let home = folder.join("central");
        let ((link, http), api) = (super::found_coordinator(&home), super::free_address());
        let coordinator = home.join("coordinator.toml");
        let serving =
            Killed(super::spawn(&["coordinator", "--config", text(&coordinator), "serve"]));
        wait_for("the coordinator", || ready(&http));

        let home = folder.join("site");
        super::run(&["agent", "init", "--dir", text(&home), "--site", "north"]);
        let agent = home.join("agent.toml");
        fs::write(&agent, configuration(&api, &link, &bundle.backbone)).unwrap();
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

    /// Creates the project, publishes its bundle, and waits until the agent has it in use.
    pub(super) fn serve(&self, bundle: &Packed) {
        self.coordinate(&["project", "create", text(&bundle.project)]);
        self.coordinate(&["model", "publish", text(&bundle.bundle), "--project", PROJECT]);
        self.wait("the bundle", |status| status["projects"][0]["bundle"].is_string());
    }

    /// The agent's program.
    pub(super) fn program(&self) -> String {
        self.program.join(" ")
    }

    /// Starts the agent anew, as it is when nothing but its work has left something in its memory.
    pub(super) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Ends the agent at once.
    pub(super) fn stop(&mut self) {
        self.running.0.kill().unwrap();
        self.running.0.wait().unwrap();
    }

    /// Starts the agent after a [`Self::stop`], and waits until it is ready.
    pub(super) fn start(&mut self) {
        self.running = start(&self.program, &self.agent);
        wait_for("the agent", || ready(&self.api));
    }

    /// Imports a file of the project's.
    pub(super) fn import(&self, file: &Path, options: &[&str]) {
        let config = ["agent", "--config", text(&self.agent)];
        let arguments = ["import", text(file), "--project", PROJECT];
        super::run(&[&config[..], &arguments, options].concat());
    }

    fn coordinate(&self, arguments: &[&str]) {
        super::run(&[&["coordinator", "--config", text(&self.coordinator)], arguments].concat());
    }

    /// What a command of the coordinator answers.
    pub(super) fn ask(&self, arguments: &[&str]) -> Value {
        let config = ["coordinator", "--config", text(&self.coordinator), "--json"];
        output(&[&config[..], arguments].concat())
    }

    /// What a command of the agent answers.
    pub(super) fn tell(&self, arguments: &[&str]) -> Value {
        let config = ["agent", "--config", text(&self.agent)];
        output(&[&config[..], arguments, &["--json"]].concat())
    }

    /// Waits until the agent's status is as wanted.
    pub(super) fn wait(&self, what: &str, done: impl Fn(&Value) -> bool) {
        wait_for(what, || done(&self.tell(&["status"])));
        assert!(ready(&self.api), "the agent is there");
    }

    pub(super) fn process(&self) -> u32 {
        self.running.0.id()
    }

    pub(super) fn resident(&self) -> f64 {
        resident_megabytes(self.running.0.id())
    }

    /// Processor time of the agent so far: fields 14 and 15 of `/proc/PID/stat`, in hundredths.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.running.0.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }
}

impl Packed {
    /// Packs the model in the folder `model` for a project of these classes, both in `folder`.
    pub(super) fn new(folder: &Path, model: &Path, classes: &[String]) -> Self {
        let mut definition = String::from(PROJECT_HEAD);
        for name in classes {
            writeln!(definition, "[[classes]]\nname = \"{name}\"").unwrap();
        }
        definition.push_str(PROJECT_REST);
        let (project, bundle) = (folder.join("project.toml"), folder.join("bundle"));
        fs::write(&project, definition).unwrap();
        let pack = ["pack", text(model), text(&bundle), "--name", PROJECT, "--project"];
        super::run(&[&pack[..], &[text(&project)]].concat());
        let manifest = fs::read(bundle.join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let backbone = manifest["backbone"]["digest"].as_str().unwrap().to_owned();
        let parameters = manifest["features"].as_u64().unwrap() * classes.len() as u64;
        Self { project, bundle, backbone, parameters }
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

pub(super) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
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
