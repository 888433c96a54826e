//! Evaluations: start one, see it to its end, and promote what passes.
//!
//! Sites answer in a sum (secure aggregation) when they are enough, and else each with noise of its
//! own. Which it is is decided once: an evaluation whose sums fail is abandoned, so that no subject
//! pays for it twice.

use std::time::Duration;

use insitu_daemon::telemetry::explain;
use insitu_models::bundle::Trainable;
use insitu_models::calibration::CalibrationError;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::ids::{Digest, EvaluationId, ProjectName, SiteName};
use insitu_protocol::order::{Contender, EvaluationOrder};
use insitu_protocol::project::Project;
use insitu_protocol::release::Body;
use insitu_protocol::session::Purpose;

use super::{Bench, end_due, is_caused_by};
use crate::agreement::ReportError;
use crate::evaluation::{self, Verdict};
use crate::publish::{self, PublishError};
use crate::registry::{RegistryError, check_fit};
use crate::session::{LIFE_S_MAX, Progress, Proposal, Unfit, attempts, propose, seconds};
use crate::store::{
    EvaluationRow, EvaluationState, Noise, OrderKind, Promotion, RunRow, SecureAggregation,
    StoreError, Terms, Tx,
};

/// What an evaluation is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bundle that may take the place of its project's active one.
    pub candidate: Digest,
    /// Its price, and what it has to show.
    pub terms: Terms,
    /// The sites to invite, instead of all members.
    pub sites: Option<Vec<SiteName>>,
    /// How long sites have.
    pub closes_in: Duration,
    /// Whether sites are to noise their answers together.
    pub secure: SecureAggregation,
    /// Sites that may collude with the coordinator, instead of what suits their number.
    pub colluders: Option<u8>,
    /// Whether the candidate is published when it passes.
    pub promotes: bool,
}

/// Why an evaluation cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// Nothing to compare with.
    #[error("project {project} has no active bundle to compare with: promote this one")]
    NoActive {
        /// The project.
        project: ProjectName,
    },
    /// It is in use already.
    #[error("bundle {bundle} is the active one")]
    Active {
        /// The bundle.
        bundle: Digest,
    },
    /// Another evaluation of the candidate goes on.
    #[error(
        "evaluation {evaluation} of the bundle is still open: wait for it, or end it with \
         `insitu-coordinator evaluation abandon {evaluation} --reason REASON`"
    )]
    StillOpen {
        /// That evaluation.
        evaluation: EvaluationId,
    },
    /// A site that is not a member.
    #[error("{site} is not a member of the federation")]
    NotMember {
        /// The site.
        site: SiteName,
    },
    /// Nobody to ask.
    #[error("there is no site to ask: `insitu-coordinator site add NAME` first")]
    NoSites,
    /// Too long, or no time at all.
    #[error("sites have 1 to {LIFE_S_MAX} seconds, not {got}")]
    Deadline {
        /// Seconds asked for.
        got: u64,
    },
    /// Secure aggregation was demanded and cannot be.
    #[error("no secure aggregation is possible")]
    Unfit {
        /// Why not.
        source: Unfit,
    },
    /// A stored calibration.
    #[error("a calibration cannot be sent")]
    Calibration {
        /// Why not.
        #[from]
        source: CalibrationError,
    },
    /// No random bytes for an id.
    #[error("no random bytes from the operating system")]
    Random {
        /// Why not.
        source: getrandom::Error,
    },
    /// The registry.
    #[error("the bundles cannot be read")]
    Registry {
        /// Why not.
        #[from]
        source: RegistryError,
    },
    /// The answers.
    #[error("the answers cannot be read")]
    Report {
        /// Why not.
        #[from]
        source: ReportError,
    },
    /// The publication.
    #[error("what passed is not published")]
    Publish {
        /// Why not.
        #[from]
        source: PublishError,
    },
    /// The store.
    #[error("the evaluation is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Starts an evaluation: it is in the lists of its sites when this returns.
///
/// # Errors
/// [`EvaluationError`].
pub fn start(
    bench: Bench<'_>,
    plan: &Plan,
    now_unix_s: i64,
) -> Result<EvaluationId, EvaluationError> {
    bench.store.write("start_evaluation", |tx| begin(tx, bench, plan, now_unix_s))
}

/// [`start`] in a transaction of the caller's.
///
/// # Errors
/// [`EvaluationError`].
pub(super) fn begin(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    plan: &Plan,
    now_unix_s: i64,
) -> Result<EvaluationId, EvaluationError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|source| EvaluationError::Random { source })?;
    let closes_in_s = seconds(plan.closes_in).map_err(|got| EvaluationError::Deadline { got })?;
    let bundle = plan.candidate;
    let known = tx.bundle(bundle)?.ok_or(RegistryError::Unknown { digest: bundle })?;
    let no_active = || EvaluationError::NoActive { project: known.project.clone() };
    let project = tx.project(&known.project)?.ok_or_else(no_active)?;
    let active = tx.active_publication(&known.project)?.ok_or_else(no_active)?.bundle;
    if active == bundle {
        return Err(EvaluationError::Active { bundle });
    }
    let earlier = tx.newest_evaluation(bundle, None)?;
    if let Some(earlier) = earlier.filter(|row| row.state == EvaluationState::Open) {
        return Err(EvaluationError::StillOpen { evaluation: earlier.order.evaluation });
    }
    let registry = bench.registry;
    let bundles = [registry.open_trainable(tx, active)?, registry.open_trainable(tx, bundle)?];
    for bundle in &bundles {
        check_fit(bundle.manifest(), &project)?;
    }
    let sites = invited(tx, plan)?;
    let order = EvaluationOrder {
        evaluation: Fixed(id),
        nano_rho: plan.terms.nano_rho,
        closes_unix_s: now_unix_s.saturating_add(closes_in_s),
        ..compared(&project, &bundles)?
    };
    let mut row = EvaluationRow {
        order,
        margin_milli: plan.terms.margin_milli,
        noise: Noise::Together,
        noise_reason: String::new(),
        colluders: plan.colluders,
        closes_in_s,
        promotes: plan.promotes,
        started_unix_s: now_unix_s,
        state: EvaluationState::Open,
        reason: String::new(),
    };
    if row.order.candidate.is_bundle() {
        // Before the orders that ask about it: sites apply them one after another.
        tx.sign_bundle(bundle, bench.key.sign(&known.manifest))?;
        let order = OrderKind::Candidate { bundle };
        sites.iter().try_for_each(|site| tx.add_order(site, &order, now_unix_s))?;
    }
    let proposed = match plan.secure {
        SecureAggregation::Off => Err(None),
        SecureAggregation::On | SecureAggregation::Auto => {
            attempt(tx, &row, &project, &sites, 0, now_unix_s)?.map_err(Some)
        }
    };
    match proposed {
        Ok(()) => {}
        Err(Some(source)) if plan.secure == SecureAggregation::On => {
            return Err(EvaluationError::Unfit { source });
        }
        Err(unfit) => {
            let off = || "secure aggregation is off".to_owned();
            row.noise = Noise::Alone;
            row.noise_reason = unfit.map_or_else(off, |unfit| explain(&unfit));
            let order = OrderKind::Evaluation { evaluation: row.order.evaluation };
            sites.iter().try_for_each(|site| tx.add_order(site, &order, now_unix_s))?;
        }
    }
    tx.add_evaluation(&row, &sites)?;
    Ok(row.order.evaluation)
}

/// Publishes the result of a run, or has it evaluated first, as was said when the run started.
///
/// # Errors
/// What the store did not do, which is tried again; a result that cannot be evaluated or published
/// stays a candidate.
pub(super) fn conclude(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    run: &RunRow,
    result: Digest,
    now_unix_s: i64,
) -> Result<(), EvaluationError> {
    let terms = match tx.promotion(run.id)? {
        Some(Promotion::Evaluated(terms)) => terms,
        Some(Promotion::Forced(reason)) => {
            if publish_or_report(tx, bench, result, now_unix_s)? {
                tx.note_forced(&run.project, result, &reason)?;
            }
            return Ok(());
        }
        None => return publish_or_report(tx, bench, result, now_unix_s).map(drop),
    };
    let plan = Plan { promotes: true, ..of_run(tx, run, result, terms)? };
    begin_or_report(tx, bench, run, &plan, now_unix_s)
}

/// Has the candidate of a closed round evaluated beside the bundle in use, in a run that wants this of
/// each; of the last one only if [`conclude`] does not.
///
/// The next round does not wait for it: it does not depend on what the evaluation says, and sites that
/// do not answer an evaluation hold no training up.
///
/// # Errors
/// As [`conclude`].
pub(super) fn of_round(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    run: &RunRow,
    (number, candidate): (u32, Digest),
    now_unix_s: i64,
) -> Result<(), EvaluationError> {
    let Some(terms) = run.each_round else { return Ok(()) };
    if number == run.rounds && matches!(tx.promotion(run.id)?, Some(Promotion::Evaluated(_))) {
        return Ok(());
    }
    begin_or_report(tx, bench, run, &of_run(tx, run, candidate, terms)?, now_unix_s)
}

/// How a candidate of a run is evaluated: at the sites of the run, in its way.
fn of_run(
    tx: &Tx<'_>,
    run: &RunRow,
    candidate: Digest,
    terms: Terms,
) -> Result<Plan, EvaluationError> {
    let closes_in_s = run.closes_in_s.unsigned_abs().min(LIFE_S_MAX.unsigned_abs());
    Ok(Plan {
        candidate,
        terms,
        sites: Some(tx.still_members(tx.run_sites(run.id)?)?),
        closes_in: Duration::from_secs(closes_in_s),
        secure: run.secure,
        colluders: run.colluders,
        promotes: false,
    })
}

/// Begins an evaluation for a run. One that cannot be leaves the run as it is.
fn begin_or_report(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    run: &RunRow,
    plan: &Plan,
    now_unix_s: i64,
) -> Result<(), EvaluationError> {
    let (run, bundle) = (run.id, plan.candidate);
    match begin(tx, bench, plan, now_unix_s) {
        Ok(evaluation) => tracing::info!(%run, %bundle, %evaluation, "candidate to be evaluated"),
        // However deep that lies: another time it may.
        Err(error) if is_caused_by::<StoreError>(&error) => return Err(error),
        // An operator can have it evaluated otherwise.
        Err(error) => {
            tracing::error!(%run, %bundle, error = %error, "the candidate cannot be evaluated");
        }
    }
    Ok(())
}

/// Ends the evaluations that are due, or tries them again.
///
/// # Errors
/// The first [`EvaluationError`]; the others are ended.
pub fn advance(bench: Bench<'_>, now_unix_s: i64) -> Result<(), EvaluationError> {
    let open = bench.store.read("open_evaluations", |tx| tx.open_evaluations())?;
    end_due(
        bench.store,
        ("evaluation_due", "end_evaluation"),
        open,
        |tx, id| is_due(tx, *id, now_unix_s),
        |tx, id| end(tx, bench, *id, now_unix_s),
    )
}

/// Whether time or answers change an open evaluation.
fn is_due(tx: &Tx<'_>, id: EvaluationId, now_unix_s: i64) -> Result<bool, EvaluationError> {
    let Some(row) = tx.evaluation(id)?.filter(|row| row.state == EvaluationState::Open) else {
        return Ok(false);
    };
    if row.noise == Noise::Together {
        return Ok(!tx.is_attempted(id, 0)?);
    }
    let (answered, invited) = turnout(tx, &row)?;
    Ok(now_unix_s >= row.order.closes_unix_s || answered == invited)
}

/// How many of the invited that are members still have answered alone, and how many these are.
fn turnout(tx: &Tx<'_>, row: &EvaluationRow) -> Result<(usize, usize), StoreError> {
    let evaluation = row.order.evaluation;
    let answered = tx.counted_sites(&row.order.project, &Body::Evaluation { evaluation })?;
    let invited = tx.still_members(tx.evaluation_sites(evaluation)?)?;
    Ok((invited.iter().filter(|site| answered.contains(site)).count(), invited.len()))
}

/// Ends an evaluation if it is due.
fn end(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    id: EvaluationId,
    now_unix_s: i64,
) -> Result<(), EvaluationError> {
    if !is_due(tx, id, now_unix_s)? {
        return Ok(());
    }
    let Some(row) = tx.evaluation(id)? else { return Ok(()) };
    let order = &row.order;
    let progress = match row.noise {
        Noise::Together => together(tx, &row, now_unix_s)?,
        Noise::Alone => {
            let (answered, invited) = turnout(tx, &row)?;
            // As many as a round of a run needs.
            let needed = invited / 2 + 1;
            if answered < needed {
                let what = "sites that are asked answered in time";
                Progress::GivenUp(format!("{answered} of {needed} needed, of {invited} {what}"))
            } else {
                Progress::Summed
            }
        }
    };
    match progress {
        Progress::Waits => return Ok(()),
        Progress::GivenUp(reason) => {
            tracing::warn!(evaluation = %id, reason, "evaluation abandoned");
            return Ok(tx.end_evaluation(id, EvaluationState::Abandoned, &reason, now_unix_s)?);
        }
        Progress::Summed => tx.end_evaluation(id, EvaluationState::Finished, "", now_unix_s)?,
    }
    let active = tx.active_publication(&order.project)?.map(|publication| publication.bundle);
    let verdict = evaluation::verdict(tx, order.current.bundle, order.candidate.bundle)?;
    tracing::info!(evaluation = %id, ?verdict, "evaluation finished");
    if row.promotes && active == Some(order.current.bundle) && verdict == Verdict::Passes {
        publish_or_report(tx, bench, order.candidate.bundle, now_unix_s)?;
    }
    Ok(())
}

/// Publishes a bundle, and says whether it is. One that cannot be, since the project has come to a version
/// that it does not fit, stays a candidate: what led to it ends all the same.
fn publish_or_report(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    bundle: Digest,
    now_unix_s: i64,
) -> Result<bool, EvaluationError> {
    match publish::bundle_in(tx, bench.key, bundle, now_unix_s) {
        Ok(()) => Ok(true),
        // However deep that lies: another time it may.
        Err(error) if is_caused_by::<StoreError>(&error) => Err(error.into()),
        Err(error) => {
            tracing::error!(%bundle, reason = explain(&error), "the bundle cannot be published");
            Ok(false)
        }
    }
}

/// Sees to the sum of an evaluation.
fn together(tx: &Tx<'_>, row: &EvaluationRow, now_unix_s: i64) -> Result<Progress, StoreError> {
    let order = &row.order;
    let Some(project) = tx.project_version(&order.project, order.project_version)? else {
        return Ok(Progress::GivenUp("its version of the project is gone".to_owned()));
    };
    let sites = tx.evaluation_sites(order.evaluation)?;
    attempts(tx, order.evaluation, 0, |number| {
        attempt(tx, row, &project, &sites, number, now_unix_s)
    })
}

fn attempt(
    tx: &Tx<'_>,
    row: &EvaluationRow,
    project: &Project,
    invited: &[SiteName],
    attempt: u32,
    now_unix_s: i64,
) -> Result<Result<(), Unfit>, StoreError> {
    let proposal = Proposal {
        purpose: Purpose::Evaluation(row.order.clone()),
        project,
        attempt,
        invited,
        colluders: row.colluders,
        closes_in_s: row.closes_in_s,
    };
    Ok(propose(tx, proposal, now_unix_s)?.map(drop))
}

/// What an order says of its bundles: the active one, then the candidate. A candidate whose features
/// are made otherwise is named only, and sites fetch it.
fn compared(
    project: &Project,
    bundles: &[Trainable; 2],
) -> Result<EvaluationOrder, EvaluationError> {
    let [active, candidate] = bundles;
    let (manifest, other) = (active.manifest(), candidate.manifest());
    let same_features = manifest.backbone.digest == other.backbone.digest
        && manifest.text == other.text
        && manifest.columns == other.columns
        && manifest.features == other.features;
    let contender = |bundle: &Trainable| {
        Ok::<_, EvaluationError>(Contender {
            bundle: bundle.id(),
            head: Bytes(bundle.head().encode()),
            calibration: Bytes(bundle.manifest().calibration.encode()?),
        })
    };
    let (current, candidate) = if same_features {
        (contender(active)?, contender(candidate)?)
    } else {
        let (head, calibration) = (Bytes(Vec::new()), Bytes(Vec::new()));
        (contender(active)?, Contender { bundle: candidate.id(), head, calibration })
    };
    Ok(EvaluationOrder {
        evaluation: Fixed([0; 16]),
        project: project.name.clone(),
        project_version: project.version,
        backbone: manifest.backbone.digest,
        features: u32::try_from(manifest.features).unwrap_or(u32::MAX),
        current,
        candidate,
        nano_rho: 0,
        closes_unix_s: 0,
    })
}

fn invited(tx: &Tx<'_>, plan: &Plan) -> Result<Vec<SiteName>, EvaluationError> {
    let invited = tx.invited(plan.sites.as_deref())?;
    let sites = invited.map_err(|site| EvaluationError::NotMember { site })?;
    if sites.is_empty() { Err(EvaluationError::NoSites) } else { Ok(sites) }
}

#[cfg(test)]
mod tests;
