//! Rounds under secure aggregation: proposed, tried again, and given up for each site's own noise.

use insitu_protocol::ids::SiteName;
use insitu_protocol::project::Project;
use insitu_protocol::session::Purpose;

use super::TrainingError;
use crate::aggregate::RoundSum;
use crate::downlink::round_order;
use crate::session::{Progress, Proposal, Unfit, attempts, propose};
use crate::store::{Noise, OrderKind, RoundRow, RunRow, SecureAggregation, SessionRow, Tx};

/// Asks the sites for an open round's updates: masked, if the run wants that and the cohort allows
/// it and not too many attempts have failed; else each with noise of its own, if the run may do so.
///
/// # Errors
/// [`TrainingError`]; the inner text says why the run must not go on.
pub(super) fn begin(
    tx: &Tx<'_>,
    run: &RunRow,
    round: RoundRow,
    now_unix_s: i64,
) -> Result<Result<(), String>, TrainingError> {
    let invited = tx.still_members(tx.run_sites(run.id)?)?;
    let closes_unix_s = now_unix_s.saturating_add(run.closes_in_s);
    let round = RoundRow { closes_unix_s, noise: Noise::Together, ..round };
    let refused = if let Some(reason) = run.method.needs_each_update() {
        reason.to_owned()
    } else if run.secure == SecureAggregation::Off {
        "secure aggregation is off".to_owned()
    } else {
        let again = |number| attempt_at(tx, run, &round, &invited, number, now_unix_s);
        match attempts(tx, run.id, round.number, again)? {
            Progress::GivenUp(reason) => reason,
            Progress::Waits | Progress::Summed => {
                tx.change_round(run.id, &round)?;
                return Ok(Ok(()));
            }
        }
    };
    if run.secure == SecureAggregation::On {
        return Ok(Err(refused));
    }
    let alone = RoundRow { noise: Noise::Alone, noise_reason: refused, ..round };
    tx.change_round(run.id, &alone)?;
    let order = OrderKind::Round { run: run.id, round: alone.number };
    invited.iter().try_for_each(|site| tx.add_order(site, &order, now_unix_s))?;
    Ok(Ok(()))
}

/// The newest attempt at a round.
pub(super) fn newest(
    tx: &Tx<'_>,
    run: &RunRow,
    round: &RoundRow,
) -> Result<SessionRow, TrainingError> {
    let none = TrainingError::Rows { run: run.id, source: None };
    tx.attempts(run.id, round.number)?.pop().ok_or(none)
}

/// What a round's session showed.
pub(super) fn sum(
    tx: &Tx<'_>,
    run: &RunRow,
    project: &Project,
    round: u32,
) -> Result<RoundSum, TrainingError> {
    let rows = || TrainingError::Rows { run: run.id, source: None };
    let (_, sum) = tx.summed(run.id, round)?.ok_or_else(rows)?;
    let bits = run.method.clipping(&project.training).fraction_bits;
    Ok(RoundSum::together(&sum, bits))
}

fn attempt_at(
    tx: &Tx<'_>,
    run: &RunRow,
    round: &RoundRow,
    invited: &[SiteName],
    attempt: u32,
    now_unix_s: i64,
) -> Result<Result<(), Unfit>, TrainingError> {
    let rows = || TrainingError::Rows { run: run.id, source: None };
    let project = tx.project_version(&run.project, run.project_version)?.ok_or_else(rows)?;
    let order = round_order(tx, run, round.clone())?.ok_or_else(rows)?;
    let proposal = Proposal {
        purpose: Purpose::Update(order),
        project: &project,
        attempt,
        invited,
        colluders: run.colluders,
        closes_in_s: run.closes_in_s,
    };
    Ok(propose(tx, proposal, now_unix_s)?.map(drop))
}
