//! Child processes: daemons that are started again when they die, and commands that answer in JSON.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::clock::{Deadline, pause};

/// Most restarts of one daemon before the demonstration gives up.
const RESTARTS_MAX: u32 = 50;
/// How often a daemon's life is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// How long a daemon may take to stop by itself.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How much of a command's standard error an error message quotes, in bytes.
const QUOTE_BYTES_MAX: usize = 2000;

/// One of the two programs with its configuration: what `insitu-agent --config F` is.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// `agent` or `coordinator`.
    pub(crate) name: &'static str,
    /// Its configuration file.
    pub(crate) config: PathBuf,
}

impl Program {
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("own path")?);
        command.arg(self.name).arg("--config").arg(&self.config).args(arguments);
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Runs a command to its end; its standard output.
    ///
    /// # Errors
    /// When it cannot be started or does not exit with 0; with the end of its standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = self.command(arguments)?.output().context("starting a command")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let start = text.len().saturating_sub(QUOTE_BYTES_MAX);
            let start = (start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let shown = arguments.join(" ");
            bail!("insitu-{} {shown}: {}: {}", self.name, output.status, text[start..].trim());
        }
        Ok(output.stdout)
    }

    /// Runs a reporting command with `--json`.
    ///
    /// # Errors
    /// As [`Program::run`], or when it prints something else.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run(&[arguments, &["--json"]].concat())?;
        serde_json::from_slice(&output)
            .with_context(|| format!("insitu-{} {}: not JSON", self.name, arguments.join(" ")))
    }

    /// Starts the daemon and keeps it alive.
    ///
    /// # Errors
    /// When it cannot be started at all.
    pub(crate) fn daemon(&self, arguments: &[&str], folder: &Path) -> Result<Daemon> {
        let log = folder.join("log");
        let process_id = folder.join("pid");
        let mut command = self.command(arguments)?;
        let mut start = move || -> Result<Child> {
            let log = OpenOptions::new().create(true).append(true).open(&log)?;
            command.stdout(Stdio::null()).stderr(Stdio::from(log));
            let child = command.spawn().context("starting a daemon")?;
            fs::write(&process_id, child.id().to_string())?;
            Ok(child)
        };
        let first = start()?;
        let state = Arc::new(State::default());
        state.process_id.store(first.id(), Ordering::SeqCst);
        let watched = Arc::clone(&state);
        let watcher = std::thread::Builder::new()
            .name(format!("watch-{}", self.name))
            .spawn(move || watch(first, &mut start, &watched))?;
        Ok(Daemon { state, watcher: Some(watcher), log: folder.join("log") })
    }
}

/// A daemon under supervision, as an init system would do it. Stops when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    state: Arc<State>,
    watcher: Option<JoinHandle<()>>,
    log: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    stopping: AtomicBool,
    given_up: AtomicBool,
    restarts: AtomicU32,
    process_id: AtomicU32,
}

impl Daemon {
    /// How often it had to be started again.
    pub(crate) fn restarts(&self) -> u32 {
        self.state.restarts.load(Ordering::SeqCst)
    }

    /// Most memory its present process ever had resident, in bytes; 0 where the system has no
    /// `/proc`.
    pub(crate) fn memory_bytes_peak(&self) -> u64 {
        memory_bytes_peak(&self.state.process_id.load(Ordering::SeqCst).to_string())
    }

    /// Processor time of its present process so far, in seconds; 0 where the system has no `/proc`.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.state.process_id.load(Ordering::SeqCst).to_string())
    }

    /// Fails when the daemon no longer starts.
    ///
    /// # Errors
    /// After [`RESTARTS_MAX`] restarts.
    pub(crate) fn check(&self) -> Result<()> {
        let given_up = self.state.given_up.load(Ordering::SeqCst);
        ensure!(!given_up, "a daemon died {RESTARTS_MAX} times; see {}", self.log.display());
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.join()); // a panic of the watcher has been printed
        }
    }
}

fn watch(mut child: Child, start: &mut impl FnMut() -> Result<Child>, state: &State) {
    loop {
        if state.stopping.load(Ordering::SeqCst) {
            return stop(&mut child);
        }
        if matches!(child.try_wait(), Ok(Some(_))) {
            let restarts = state.restarts.fetch_add(1, Ordering::SeqCst) + 1;
            match start() {
                Ok(next) if restarts <= RESTARTS_MAX => child = next,
                Ok(mut next) => {
                    stop(&mut next);
                    return state.given_up.store(true, Ordering::SeqCst);
                }
                Err(_) => return state.given_up.store(true, Ordering::SeqCst),
            }
            state.process_id.store(child.id(), Ordering::SeqCst);
        }
        pause(WATCH_EVERY);
    }
}

/// Asks a process to end, and ends it when it does not.
fn stop(child: &mut Child) {
    let process = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let asked = process.is_some_and(|process| {
        rustix::process::kill_process(process, rustix::process::Signal::TERM).is_ok()
    });
    let deadline = Deadline::after(STOP_WITHIN);
    while asked && !deadline.passed() {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        pause(WATCH_EVERY);
    }
    // Both fail only when the process is gone already.
    drop(child.kill());
    drop(child.wait());
}

/// Most memory a process ever had resident, in bytes; 0 when the system does not tell.
pub(crate) fn memory_bytes_peak(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kibibytes.map_or(0, |kibibytes: u64| kibibytes * 1024)
}

/// Processor time of a process, its own and the kernel's for it, in seconds: fields 14 and 15 of
/// `/proc/PID/stat`, in hundredths on every Linux that people run. 0 when the system does not tell.
fn cpu_seconds(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in parentheses, may have spaces in it.
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
    let ticks = |field: &str| field.parse::<f64>().unwrap_or(0.0);
    fields.split_whitespace().skip(11).take(2).map(ticks).sum::<f64>() / 100.0
}

/// A path as an argument of a command.
///
/// # Errors
/// When it is not Unicode.
pub(crate) fn argument(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not Unicode", path.display()))
}
