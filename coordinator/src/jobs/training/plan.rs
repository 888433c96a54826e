//! What a run is to be, and whether it can be that.

use std::time::Duration;

use insitu_models::bundle::Trainable;
use insitu_models::class_means;
use insitu_models::head::HeadKind;
use insitu_protocol::ids::{ProjectName, RunId, SiteName};
use insitu_protocol::project::Project;

use super::{TrainingError, tuned};
use crate::store::{
    Clipping, Mechanism, Method, Promotion, RunRow, RunState, SecureAggregation, Terms, Tx,
};

/// Most rounds of a run.
const ROUNDS_MAX: u32 = 1000;
/// Most rounds of a run in which each is evaluated: as many evaluations may be open at once.
const EVALUATED_ROUNDS_MAX: u32 = 100;
/// Most steps that an update may be old.
const STALENESS_MAX: u32 = 100;

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The project.
    pub project: ProjectName,
    /// How many rounds.
    pub rounds: Rounds,
    /// The sites to invite, instead of all members.
    pub sites: Option<Vec<SiteName>>,
    /// Fewest updates at a deadline, instead of more than half of those waited for.
    pub quorum: Option<u32>,
    /// How long each round stays open.
    pub closes_in: Duration,
    /// Whether sites are to noise their updates together.
    pub secure: SecureAggregation,
    /// Sites that may collude with the coordinator, instead of what suits their number.
    pub colluders: Option<u8>,
    /// How updates become steps.
    pub method: Method,
    /// At what price the candidate of each round is evaluated, if it is.
    pub each_round: Option<Terms>,
    /// What becomes of the result.
    pub promotion: Promotion,
}

/// How many rounds a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounds {
    /// As many as its project says.
    OfProject,
    /// So many; clipping and step are the project's.
    Fixed(u32),
    /// As many as its budget makes use of, with the clipping, step and averaging that go with them.
    Auto {
        /// A public number of subjects with labels, instead of the sum of released counts.
        subjects: Option<u32>,
    },
}

/// What a run is planned over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    /// Its project.
    pub(super) project: &'a Project,
    /// The bundle whose head it starts from.
    pub(super) bundle: &'a Trainable,
    /// The sites it invites.
    pub(super) sites: &'a [SiteName],
}

/// How far a step of an adaptive optimiser goes by default: a distance in weights.
const ADAPTIVE_RATE: f64 = 0.1;

/// The sites that a plan invites, by name.
pub(super) fn invited(tx: &Tx<'_>, plan: &Plan) -> Result<Vec<SiteName>, TrainingError> {
    let invited = tx.invited(plan.sites.as_deref())?;
    let sites = invited.map_err(|site| TrainingError::NotMember { site })?;
    if sites.is_empty() { Err(TrainingError::NoSites) } else { Ok(sites) }
}

/// The run that a plan describes.
pub(super) fn planned(
    tx: &Tx<'_>,
    plan: &Plan,
    ground: Ground<'_>,
    id: RunId,
    now_unix_s: i64,
) -> Result<RunRow, TrainingError> {
    let Ground { project, bundle, sites } = ground;
    let (rounds, method) = scheduled(tx, plan, ground)?;
    range("--rounds", rounds.into(), 1, ROUNDS_MAX.into())?;
    if plan.each_round.is_some() {
        let what = "--rounds with --evaluate-each-round";
        range(what, rounds.into(), 1, EVALUATED_ROUNDS_MAX.into())?;
    }
    let waited_for = waited_for(&method, sites.len() as u64)?;
    let quorum = plan.quorum.map_or(waited_for / 2 + 1, u64::from);
    range("--quorum", quorum, 1, waited_for)?;
    let round_nano_rho = project.training.run_nano_rho / u64::from(rounds);
    range("a round's cost in nano-ρ", round_nano_rho, 1, u64::MAX)?;
    let closes_in_s = i64::try_from(plan.closes_in.as_secs()).unwrap_or(i64::MAX);
    range("--closes-in in seconds", closes_in_s.unsigned_abs(), 1, 366 * 86_400)?;
    if let (SecureAggregation::On, Some(reason)) = (plan.secure, method.needs_each_update()) {
        return Err(TrainingError::Alone { reason: reason.to_owned() });
    }
    Ok(RunRow {
        id,
        project: project.name.clone(),
        project_version: project.version,
        bundle: bundle.id(),
        features: u32::try_from(bundle.manifest().features).unwrap_or(u32::MAX),
        rounds,
        quorum: u32::try_from(quorum).unwrap_or(u32::MAX),
        closes_in_s,
        round_nano_rho,
        secure: plan.secure,
        colluders: plan.colluders,
        method,
        each_round: plan.each_round,
        started_unix_s: now_unix_s,
        state: RunState::Open,
        reason: String::new(),
    })
}

/// Rounds and method of a run.
fn scheduled(tx: &Tx<'_>, plan: &Plan, ground: Ground<'_>) -> Result<(u32, Method), TrainingError> {
    if plan.method.mechanism == Mechanism::ClassMeans {
        return Ok((1, class_means(plan, ground)?));
    }
    let rounds = match plan.rounds {
        Rounds::OfProject => ground.project.training.rounds,
        Rounds::Fixed(rounds) => rounds,
        Rounds::Auto { subjects } => return tuned::chosen(tx, plan, ground, subjects),
    };
    let learning_rate = plan.method.learning_rate.or_else(|| adaptive_rate(&plan.method));
    Ok((rounds, Method { learning_rate, ..plan.method }))
}

/// The method of a run of class means: one round, and no steps.
fn class_means(plan: &Plan, ground: Ground<'_>) -> Result<Method, TrainingError> {
    let Method { optimiser, learning_rate, buffering, .. } = plan.method;
    let one_round = matches!(plan.rounds, Rounds::OfProject | Rounds::Fixed(1));
    let extra = [
        (!one_round, "--rounds", "they are one round"),
        (optimiser.is_some(), "--optimiser", "they are no step"),
        (learning_rate.is_some(), "--learning-rate", "they are no step"),
        (buffering.is_some(), "--buffer", "they are one round with every site"),
    ];
    if let Some((_, what, reason)) = extra.into_iter().find(|(given, ..)| *given) {
        return Err(TrainingError::Unsuited { what, with: "--mechanism class-means", reason });
    }
    let kind = ground.bundle.head().shape().kind;
    if kind != HeadKind::Softmax {
        return Err(TrainingError::NotClassMeans { kind });
    }
    let clipping = Clipping {
        clip_milli: thousandths(class_means::CLIP),
        fraction_bits: class_means::FRACTION_BITS,
    };
    Ok(Method { clipping: Some(clipping), ..plan.method })
}

/// A clip norm as an order has it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a clip norm is a small positive number; rounded"
)]
pub(super) fn thousandths(norm: f64) -> u32 {
    (norm * 1e3).round() as u32
}

/// Updates with which a round need not wait any longer.
fn waited_for(method: &Method, sites: u64) -> Result<u64, TrainingError> {
    let Some(buffering) = method.buffering else { return Ok(sites) };
    range("--buffer", buffering.size.into(), 1, sites)?;
    range("--staleness", buffering.staleness_max.into(), 0, STALENESS_MAX.into())?;
    Ok(buffering.size.into())
}

fn adaptive_rate(method: &Method) -> Option<f64> {
    method.optimiser.filter(|optimiser| optimiser.is_adaptive()).map(|_| ADAPTIVE_RATE)
}

/// Refuses a number outside its range.
pub(super) fn range(what: &'static str, got: u64, min: u64, max: u64) -> Result<(), TrainingError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(TrainingError::Range { what, got, min, max })
    }
}
