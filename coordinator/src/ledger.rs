//! What each site was charged, as seen here.
//!
//! The binding ledger is the site's own. This one adds up what its releases say they cost, so that
//! the central team plans within what is left; ε is that of a subject who is in all of them.

use insitu_privacy::{Delta, Rho, epsilon};
use insitu_protocol::ids::{ProjectName, SiteName};
use serde::Serialize;

use crate::store::{ChargeRow, Store, StoreError};

/// The δ at which ε is shown.
pub const DELTA: f64 = 1e-6;

/// What every site was charged.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetReport {
    /// The δ of every ε here.
    pub delta: f64,
    /// By name.
    pub sites: Vec<SiteBudget>,
}

/// What a site was charged.
#[derive(Clone, Debug, Serialize)]
pub struct SiteBudget {
    /// The site.
    pub site: SiteName,
    /// Sum over its releases, nano-ρ.
    pub nano_rho: u64,
    /// The same as ε.
    pub epsilon: f64,
    /// Releases received.
    pub releases: u64,
    /// Their bytes.
    pub bytes: u64,
    /// By project and kind.
    pub charges: Vec<Charge>,
}

/// What a site was charged for one kind of release.
#[derive(Clone, Debug, Serialize)]
pub struct Charge {
    /// The project.
    pub project: ProjectName,
    /// The kind of release.
    pub kind: String,
    /// How many.
    pub releases: u64,
    /// Their cost, nano-ρ.
    pub nano_rho: u64,
    /// The same as ε.
    pub epsilon: f64,
}

/// Reads what was charged, for one project or all.
///
/// # Errors
/// [`StoreError`].
pub fn report(store: &Store, project: Option<&ProjectName>) -> Result<BudgetReport, StoreError> {
    let mut charges = store.read("budget", |tx| tx.charges())?;
    charges.retain(|charge| project.is_none_or(|project| *project == charge.project));
    let sites = charges.chunk_by(|a, b| a.site == b.site).map(site_budget).collect();
    Ok(BudgetReport { delta: DELTA, sites })
}

/// The ε at [`DELTA`] of a loss in nano-ρ.
#[expect(clippy::missing_panics_doc, reason = "the delta is a constant that is valid")]
pub fn shown_epsilon(nano_rho: u64) -> f64 {
    let delta = Delta::new(DELTA).expect("a constant strictly between 0 and 1");
    epsilon(Rho::from_nano(nano_rho), delta).get()
}

fn site_budget(charges: &[ChargeRow]) -> SiteBudget {
    let nano_rho: Rho = charges.iter().map(|charge| Rho::from_nano(charge.nano_rho)).sum();
    SiteBudget {
        site: charges[0].site.clone(),
        nano_rho: nano_rho.nano(),
        epsilon: shown_epsilon(nano_rho.nano()),
        releases: charges.iter().map(|charge| charge.releases).sum(),
        bytes: charges.iter().map(|charge| charge.bytes).sum(),
        charges: charges
            .iter()
            .map(|charge| Charge {
                project: charge.project.clone(),
                kind: charge.kind.clone(),
                releases: charge.releases,
                nano_rho: charge.nano_rho,
                epsilon: shown_epsilon(charge.nano_rho),
            })
            .collect(),
    }
}
