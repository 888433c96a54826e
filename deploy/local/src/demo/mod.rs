//! `insitu-local demo`: the whole loop on real data, told step by step.
//!
//! Everything that happens goes through the two programs' command lines and the agents' local API:
//! the demonstration has no door of its own. It knows the patients' real diagnoses, which no agent
//! and no coordinator is ever given, and uses them twice: to simulate annotators, and to measure
//! accuracy on held-out patients.

mod bundle;
mod collect;
mod data;
mod federation;
mod fields;
mod notes;
mod outcome;
mod people;
mod process;
mod story;
mod table;

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use outcome::Outcome;

/// What the demonstration is asked to do.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Fix splits, notes and simulated annotators; privacy noise is never seedable
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// ε that each hospital spends on training [default: what the project says, 1]
    #[arg(long)]
    epsilon: Option<f64>,
    /// Print the outcome as JSON on standard output, and the story on standard error
    #[arg(long)]
    json: bool,
    /// Open the coordinator's dashboard at the end, and keep it running until Enter is pressed
    #[arg(long)]
    open: bool,
    /// Keep everything in this folder, which must be empty or new
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Runs the demonstration; whether every outbox verified and nothing personal was seen.
///
/// # Errors
/// When a step fails: says which, with the program's own words.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let temporary = tempfile::Builder::new().prefix("insitu-demo-").tempdir()?;
    let home = match &options.keep {
        Some(folder) => keep_in(folder)?,
        None => temporary.path().to_owned(),
    };
    let narrator = Narrator { json: options.json };
    let (federation, outcome) = story::tell(options.seed, options.epsilon, &home, narrator)?;
    print(options, &outcome)?;
    if options.open {
        let address = format!("http://{}/", federation.dashboard);
        narrator.say(&format!("The dashboard is at {address}; press Enter to stop."));
        if let Err(error) = open::that(&address) {
            narrator.say(&format!("No browser could be started ({error}): open it yourself."));
        }
        std::io::stdin().read_line(&mut String::new())?;
    }
    if options.keep.is_some() {
        narrator.say(&format!(
            "Kept in {0}. Look at an outbox with:\n  insitu-local agent --config {0}/sites/switzerland/agent.toml outbox list",
            home.display()
        ));
    }
    Ok(outcome.is_sound())
}

/// Tells what is happening, one line a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Narrator {
    json: bool,
}

impl Narrator {
    /// Says a line: on standard output for people, on standard error beside JSON.
    pub(crate) fn say(self, line: &str) {
        // A closed terminal is no reason to stop half way.
        if self.json {
            drop(writeln!(std::io::stderr(), "{line}"));
        } else {
            drop(writeln!(std::io::stdout(), "{line}"));
        }
    }
}

fn keep_in(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let empty = fs::read_dir(folder)?.next().is_none();
    ensure!(empty, "{} is not empty: name a new folder", folder.display());
    folder.canonicalize().with_context(|| folder.display().to_string())
}

fn print(options: &Options, outcome: &Outcome) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, outcome)?;
        writeln!(out)?;
    } else {
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        write!(out, "{}", table::render(outcome, colour))?;
    }
    Ok(())
}
