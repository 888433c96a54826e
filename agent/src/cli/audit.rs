//! `audit`: attacks the program's own releases.

use std::io::{self, IsTerminal as _, Write};

use clap::{Args, Subcommand};
use insitu_daemon::exit;

use super::audit_log::LogCommand;
use super::audit_report::ReportArguments;
use super::{Failure, Outcome, print_json, table};
use crate::audit::{self, LIMITS, Report};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Attack this program's release path on synthetic people; needs no configuration
    Privacy(PrivacyArguments),
    /// The log of who saw, said, decided, exported and erased what
    #[command(subcommand)]
    Log(LogCommand),
    /// All that is known of one item's life, or of a subject's items; that it was asked is noted
    Report(ReportArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints, for each kind of release, a lower bound on what it leaks beside what it claims. Works on
stores of its own in a temporary folder, which go when it ends. Takes a minute or two.

Exit code 0: no test failed, and every planted fault was caught; 1: otherwise.")]
pub(super) struct PrivacyArguments {
    /// Also plant faults in the attacked path, and check that each is caught
    #[arg(long)]
    self_test: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn audit(arguments: &PrivacyArguments) -> Outcome {
    let terminal = io::stderr().is_terminal();
    let mut progress = |step: &str, done: u32, of: u32| {
        if terminal {
            // A terminal that is gone needs no progress.
            drop(write!(io::stderr(), "\r\x1b[K{step}: {done} of {of}"));
        }
    };
    let report = audit::run(arguments.self_test, &mut progress);
    if terminal {
        drop(write!(io::stderr(), "\r\x1b[K"));
    }
    let report = report.map_err(|error| Failure::runtime(&error))?;
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(if report.passed { exit::DONE } else { exit::REFUSED })
}

fn print(report: &Report) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if let Some(first) = report.releases.first() {
        writeln!(
            out,
            "Each release leaks at least the bound ({:.0} % confidence, δ {}) and claims no more \
             than the claim:\n",
            first.confidence * 100.0,
            first.delta
        )?;
    }
    drop(out);
    let rows: Vec<Vec<String>> = report
        .releases
        .iter()
        .map(|release| {
            let one_run = release.one_run.as_ref().map_or_else(
                || "-".to_owned(),
                |run| format!("{:.2} of {:.2}", run.epsilon_bound, run.epsilon_claimed),
            );
            let failed: Vec<&str> = release.failed.iter().map(|test| test.words()).collect();
            vec![
                release.kind.to_owned(),
                format!("{:.3}", release.epsilon_claimed),
                format!("{:.3}", release.epsilon_bound),
                release.trials.to_string(),
                one_run,
                format!("{:.4}", release.sigma_ratio),
                if failed.is_empty() { "passed".to_owned() } else { failed.join(", ") },
            ]
        })
        .collect();
    table::print(
        &[
            "release",
            "ε claimed",
            "ε bound",
            "guesses",
            "one run (δ 1e-6)",
            "σ ratio",
            "failed tests",
        ],
        &rows,
    )?;
    let mut out = io::stdout().lock();
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    if !report.faults.is_empty() {
        writeln!(out, "\nFaults planted in the path:")?;
    }
    for fault in &report.faults {
        let by = if fault.by.is_empty() { "nothing" } else { &fault.by };
        let word = if fault.caught { "caught" } else { "MISSED" };
        writeln!(out, "  {word}  {}, by {by}", fault.fault)?;
    }
    let word = if report.passed { "passed" } else { "FAILED" };
    writeln!(out, "\nThe audit {word}.\n\n{LIMITS}")?;
    Ok(())
}
