//! The audit: attacks the agent's own release path, from imported files to the bytes in the outbox,
//! and prints what the attack proves about ε beside what the releases claim.
//!
//! It works on two stores of its own with synthetic people in them, in a temporary folder; it opens
//! neither the site's store nor its configuration. Everything between the imported file and the
//! bytes is the daemon's own code, so a fault in any of it shows:
//!
//! - the *distinguisher* tells data with and without one subject apart, over many releases
//!   ([`insitu_privacy::audit::epsilon_bound`]);
//! - the *one-run* audit does so from a single release ([`insitu_privacy::audit::one_run_bound`]);
//! - *residuals*, the released values minus the known truth, must have the variance and the
//!   distribution of the noise that the bytes name, and depend neither on one another nor on those
//!   of the release before;
//! - a *retry* must send the same bytes, and the *ledger* must be charged for all that left.
//!
//! With [`run`]'s self-test each fault of a list is planted in the path, and must be caught.
//!
//! All of this bounds ε from below. It can show that a release leaks more than it claims; it cannot
//! show that it does not: [`LIMITS`].

mod bundle;
mod fault;
mod path;
mod play;
mod site;
mod verdict;

use std::collections::BTreeSet;
use std::error::Error;
use std::io;

use serde::Serialize;

use crate::learn::LearnError;
use crate::outbox::OutboxError;
use crate::release::ReleaseError;
use crate::review::ReviewError;
use crate::store::StoreError;

use self::path::{Path, Real};
use self::play::{Arena, Game, Plan};
use self::site::Shape;

/// What the figures do not prove, in words.
pub const LIMITS: &str = "\
Every bound is a lower bound: the releases leak at least that much, and these attacks found no more.
A better attack might. What keeps the true loss at the claim is the mathematics, not this command.
It attacks this program on this machine with synthetic people and fixed prices, not the site's own
data, its configuration, or what people there do. It does not look at timing, at the operating
system's randomness, or at what leaves by other ways.";

/// The audit of a release at a command line: about a minute.
const FULL: Plan = Plan {
    shape: Shape { classes: 16, witnesses: 48 },
    windows: 1_400,
    rounds: 320,
    campaigns: 6_000,
};
/// Enough to see a planted fault.
const QUICK: Plan =
    Plan { shape: Shape { classes: 8, witnesses: 16 }, windows: 96, rounds: 64, campaigns: 512 };

/// Hears what is being done: the step, how far it is, and how far it goes.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u32, u32);

/// What the audit found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Each kind of release.
    pub releases: Vec<Audited>,
    /// Each planted fault; empty without a self-test.
    pub faults: Vec<Caught>,
    /// What is wrong with how releases are sent and charged.
    pub problems: Vec<String>,
    /// No test failed on the path as it is, and every fault was caught.
    pub passed: bool,
}

/// What one kind of release showed.
#[derive(Clone, Debug, Serialize)]
pub struct Audited {
    /// Its kind.
    pub kind: &'static str,
    /// What it says that it cost.
    pub nano_rho: u64,
    /// δ at which the ε of this entry are meant.
    pub delta: f64,
    /// Confidence of `epsilon_bound`.
    pub confidence: f64,
    /// The exact ε of noise worth that cost.
    pub epsilon_claimed: f64,
    /// The release leaks at least this, at `confidence`.
    pub epsilon_bound: f64,
    /// It leaks at least this, but for one chance in 10⁸: above the claim the audit fails.
    pub epsilon_certain: f64,
    /// Guesses that the bound rests on.
    pub trials: u64,
    /// Standard deviation of the noise in units of the one that the bytes name.
    pub sigma_ratio: f64,
    /// Chance of a noise at least as far from the discrete Gaussian (Kolmogorov–Smirnov).
    pub noise_p_value: f64,
    /// The one-run audit, of releases that show enough subjects at once.
    pub one_run: Option<OneRun>,
    /// Tests that failed.
    pub failed: Vec<TestName>,
}

/// The audit of Steinke, Nasr and Jagielski (2023) on one release.
#[derive(Clone, Debug, Serialize)]
pub struct OneRun {
    /// δ at which its ε are meant.
    pub delta: f64,
    /// The exact ε of noise worth the release's cost.
    pub epsilon_claimed: f64,
    /// The release leaks at least this, at 95 % confidence.
    pub epsilon_bound: f64,
    /// Subjects in or out by coin flips.
    pub subjects: u64,
    /// Subjects guessed about.
    pub guesses: u64,
    /// Right guesses.
    pub correct: u64,
}

/// What became of a planted fault.
#[derive(Clone, Debug, Serialize)]
pub struct Caught {
    /// What was wrong.
    pub fault: &'static str,
    /// Whether the test that is made for it saw it.
    pub caught: bool,
    /// The tests that saw it, the one made for it first.
    pub by: String,
}

/// A test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestName {
    /// Telling data with and without a subject apart, over many releases.
    Distinguisher,
    /// The same from one release.
    OneRun,
    /// Variance, mean and distribution of the noise.
    Residuals,
    /// No value's noise depends on another's, or on that of the release before.
    Independence,
    /// Sending again sends the same bytes.
    Retry,
    /// The ledger was charged for what left, and its chain holds.
    Ledger,
}

impl TestName {
    /// Its name for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Distinguisher => "distinguisher",
            Self::OneRun => "one-run audit",
            Self::Residuals => "residuals",
            Self::Independence => "independence",
            Self::Retry => "retry",
            Self::Ledger => "ledger",
        }
    }
}

/// Why the audit could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The temporary folder.
    #[error("no temporary folder for the audit")]
    Folder(#[source] io::Error),
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The attacked site cannot be set up.
    #[error("the audit's site cannot be set up")]
    Model(#[source] Box<dyn Error + Send + Sync>),
    /// The outbox held something else than was put into it.
    #[error("the outbox does not hold what was released")]
    Bytes,
    /// Labels cannot be given.
    #[error("the audit's items cannot be labeled")]
    Review(#[from] ReviewError),
    /// A training round cannot be answered.
    #[error("the audit's training round failed")]
    Learn(#[from] LearnError),
    /// A tally cannot be released.
    #[error("the audit's release failed")]
    Release(#[from] ReleaseError),
    /// A release is not taken.
    #[error("the audit's outbox failed")]
    Outbox(#[from] OutboxError),
    /// A store failed.
    #[error("the audit's store failed")]
    Store(#[from] StoreError),
    /// A constant of the audit's own makes no sense.
    #[error("the audit's figures cannot be computed")]
    Loss(#[from] insitu_privacy::LossError),
}

/// Attacks the path; with `self_test` also plants each fault in it. Takes a minute or two.
///
/// # Errors
/// [`AuditError`] when the attack cannot be played; a failed test is part of the report.
pub fn run(self_test: bool, progress: Progress<'_>) -> Result<Report, AuditError> {
    attack(&FULL, self_test, progress)
}

fn attack(plan: &Plan, self_test: bool, progress: Progress<'_>) -> Result<Report, AuditError> {
    let games = [Game::Windows, Game::Rounds, Game::Campaigns];
    let (releases, failed, problems) = play(&Real, plan, &games, progress)?;
    let mut passed = failed.is_empty();
    let mut faults = Vec::new();
    if self_test {
        for fault in fault::all() {
            let mut told = |step: &str, done, of| {
                progress(&format!("planted: {}: {step}", fault.name), done, of);
            };
            let (_, failed, _) = play(&*fault.path, &QUICK, &[fault.game], &mut told)?;
            let caught = failed.contains(&fault.expected);
            passed &= caught;
            let others = failed.iter().filter(|test| **test != fault.expected);
            let by: Vec<&str> = caught
                .then_some(&fault.expected)
                .into_iter()
                .chain(others)
                .map(|t| t.words())
                .collect();
            faults.push(Caught { fault: fault.name, caught, by: by.join(", ") });
        }
    }
    Ok(Report { releases, faults, problems, passed })
}

type Outcome = (Vec<Audited>, BTreeSet<TestName>, Vec<String>);

/// Plays games through a path: what each kind of release showed, and every test that failed.
fn play(
    path: &dyn Path,
    plan: &Plan,
    games: &[Game],
    progress: Progress<'_>,
) -> Result<Outcome, AuditError> {
    progress("setting two sites up", 0, 1);
    let bundle = bundle::bundle(&plan.shape)?;
    let model = play::load(&bundle)?;
    let mut arena = Arena::build(path, *plan, &bundle, model)?;
    for game in games {
        arena.play(*game, progress)?;
    }
    let seen = arena.end()?;
    let mut failed = verdict::judge_sending(&seen);
    let mut releases = Vec::new();
    for (kind, evidence) in &seen.evidence {
        let audited = verdict::judge(kind, evidence)?;
        tracing::debug!(?audited, "judged");
        failed.extend(&audited.failed);
        releases.push(audited);
    }
    let mut problems = seen.ledger;
    if seen.retries_changed > 0 {
        problems.push(format!(
            "{} of {} releases had other bytes when they were sent again",
            seen.retries_changed, seen.retries
        ));
    }
    Ok((releases, failed, problems))
}

#[cfg(test)]
mod neighbours;
#[cfg(test)]
mod tests;
