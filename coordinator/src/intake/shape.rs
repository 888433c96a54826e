//! Whether a release has the form that its project fixes.

use insitu_privacy::GaussianScale;
use insitu_protocol::ids::Digest;
use insitu_protocol::project::Project;
use insitu_protocol::release::{Body, Release};
use insitu_protocol::response::Refusal;
use insitu_protocol::session::{Member, Purpose};

use crate::session::{Sender, vector};
use crate::store::{StoreError, Tx};

/// Most that one release may say it cost, nano-ρ: ρ = 4, the most that a project can ask for.
const NANO_RHO_MAX: u64 = 4_000_000_000;

/// Numbers in one campaign's answer.
const CAMPAIGN_VALUES: usize = 3;

/// Whether the price and the scale are such that an agent could have made it.
pub(super) fn is_priced(release: &Release) -> bool {
    (1..=NANO_RHO_MAX).contains(&release.nano_rho)
        && GaussianScale::from_steps(release.scale_1024).is_ok()
}

/// Checks a release against what it names: its project, campaign or run.
pub(super) fn check(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    release: &Release,
) -> Result<Result<(), Refusal>, StoreError> {
    let Some(project) = tx.project_version(&release.project, release.project_version)? else {
        return Ok(Err(Refusal::UnknownProject));
    };
    let values = match expected_values(tx, sender, release, &project)? {
        Ok(values) => values,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(if release.values.0.len() == values { Ok(()) } else { Err(Refusal::Malformed) })
}

fn expected_values(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    release: &Release,
    project: &Project,
) -> Result<Result<usize, Refusal>, StoreError> {
    let classes = project.classes.len();
    let windowed = |window: u32, values: usize| {
        if window == 0 { Err(Refusal::Malformed) } else { Ok(values) }
    };
    Ok(match release.body {
        Body::Confusion { window } | Body::Coincidence { window } => {
            windowed(window, classes * classes)
        }
        Body::Calibration { window } => {
            windowed(window, 2 * usize::from(project.statistics.calibration_bins))
        }
        Body::Drift { window } => windowed(window, project.drift_bins()),
        Body::Campaign { campaign } => match tx.campaign(campaign)? {
            Some(row)
                if row.order.project == release.project
                    && tx.campaign_sites(campaign)?.contains(sender.site) =>
            {
                Ok(CAMPAIGN_VALUES)
            }
            Some(_) | None => Err(Refusal::UnknownObject),
        },
        Body::MaskedUpdate { run, round, session } => masked(tx, sender, session, |purpose| {
            matches!(purpose, Purpose::Update(order)
                if (order.run, order.round) == (run, round) && order.project == release.project)
        })?,
        Body::MaskedStatistics { window, session } => masked(tx, sender, session, |purpose| {
            window > 0
                && matches!(purpose, Purpose::Statistics { project, project_version, .. }
                    if (project, *project_version) == (&release.project, release.project_version))
        })?,
        Body::Update { run, round } => match tx.run(run)? {
            Some(row) if row.project == release.project && (1..=row.rounds).contains(&round) => {
                let features = usize::try_from(row.features).unwrap_or(usize::MAX);
                Ok(classes.saturating_mul(features))
            }
            Some(_) | None => Err(Refusal::UnknownObject),
        },
    })
}

/// Values of a session's vector, when the session is the site's and what the release says it is.
fn masked(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    session: Digest,
    is_for: impl FnOnce(&Purpose) -> bool,
) -> Result<Result<usize, Refusal>, StoreError> {
    let Some(row) = tx.session(session)? else { return Ok(Err(Refusal::UnknownSession)) };
    let is_its = |member: &Member| member.site == *sender.site;
    let fits = is_for(&row.order.purpose) && row.order.members.iter().any(is_its);
    Ok(if fits { Ok(vector::values(&row.order)) } else { Err(Refusal::UnknownSession) })
}
