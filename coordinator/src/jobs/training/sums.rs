//! What the updates of a run's rounds come to.

use std::collections::BTreeMap;

use insitu_protocol::ids::SiteName;
use insitu_protocol::project::Project;
use insitu_protocol::release::Body;

use super::{TrainingError, together};
use crate::aggregate::{Gathered, RoundSum, bits_of_sum};
use crate::store::{Noise, ReleaseRow, RoundRow, RoundSumRow, RunRow, StoreError, Tx};

/// What each round of a run before this one came to.
pub(super) fn earlier(
    tx: &Tx<'_>,
    run: &RunRow,
    project: &Project,
    number: u32,
) -> Result<Vec<RoundSum>, TrainingError> {
    let bits = run.method.clipping(&project.training).fraction_bits;
    let fraction_bits = bits_of_sum(bits, run.method.buffering.is_some());
    let sum = |RoundSumRow { number, sum }| match sum {
        Some((total, parts)) => Ok(RoundSum { total, parts, fraction_bits }),
        None => {
            let rows = TrainingError::Rows { run: run.id, source: None };
            let round = tx.round(run.id, number)?.ok_or(rows)?;
            of(tx, run, project, &round, &tx.round_sites(run.id, number)?)
        }
    };
    tx.sums_before(run.id, number)?.into_iter().map(sum).collect()
}

/// What a round comes to whose updates are those of `sites`.
pub(super) fn of(
    tx: &Tx<'_>,
    run: &RunRow,
    project: &Project,
    row: &RoundRow,
    sites: &[SiteName],
) -> Result<RoundSum, TrainingError> {
    if row.noise == Noise::Together {
        return together::sum(tx, run, project, row.number);
    }
    // At which head each site's update was computed.
    let versions: BTreeMap<SiteName, u32> = match run.method.buffering {
        Some(_) => {
            let rows = tx.buffered(run.id, row.number)?.into_iter();
            rows.map(|row| (row.site, row.version))
                .filter(|(site, _)| sites.contains(site))
                .collect()
        }
        None => sites.iter().map(|site| (site.clone(), row.number)).collect(),
    };
    let mut heads: Vec<u32> = versions.values().copied().collect();
    heads.sort_unstable();
    heads.dedup();
    let coordinates = row.parameters();
    let weighted = run.method.buffering.is_some();
    let bits = run.method.clipping(&project.training).fraction_bits;
    let mut gathered = Gathered::new(run.method.aggregation, coordinates, bits, weighted);
    for version in heads {
        let body = Body::Update { run: run.id, round: version };
        tx.each_counted(&run.project, &body, |update: ReleaseRow| {
            if versions.get(&update.site) == Some(&version)
                && let Some(values) = update.release.coordinates(coordinates)
            {
                gathered.add(values, row.number - version);
            }
        })?;
    }
    gathered.sum().map_err(|source| TrainingError::Combine { run: run.id, source })
}

/// Deviation of the noise in a coordinate of the mean over all sites of a run, in the gradient's
/// unit. It follows from the order, and is the same in every round.
pub(super) fn noise(tx: &Tx<'_>, run: &RunRow, project: &Project) -> Result<f64, StoreError> {
    let sites = tx.run_sites(run.id)?.len();
    let clip = f64::from(run.method.clipping(&project.training).clip_milli) / 1e3;
    let mu = (2.0 * run.round_nano_rho as f64 * 1e-9).sqrt();
    Ok(clip / mu / (sites.max(1) as f64).sqrt())
}
