//! `[policy]`: what the steward allows, as numbers that people read and in the ledger's currency.

use std::collections::BTreeMap;

use insitu_privacy::{Delta, Epsilon, Rho, rho_within};
use insitu_protocol::ids::{Digest, ProjectName};
use serde::Deserialize;

use super::ConfigError;

/// `[policy]`: the steward's limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Most ε that all releases of any 365 days may cost a subject together.
    pub epsilon_year: f64,
    /// What `epsilon_year` may not be set above: a limit on the limit, so that raising it is a
    /// decision of its own.
    pub epsilon_ceiling: f64,
    /// The δ at which every ε of this page is meant.
    pub delta: f64,
    /// Most ε of one statistics window.
    pub epsilon_window: f64,
    /// Most ε of one training run.
    pub epsilon_run: f64,
    /// Most ε of one campaign's answer.
    pub epsilon_campaign: f64,
    /// Most ε of one evaluation's answer.
    pub epsilon_evaluation: f64,
    /// Most ε of the releases of one project in any 365 days, for projects that are named here.
    pub allotments: BTreeMap<ProjectName, f64>,
    /// A project with fewer subjects than this releases nothing.
    pub minimum_cohort: u64,
    /// Backbones the steward has approved, by BLAKE3 digest.
    pub backbones: Vec<Digest>,
    /// What happens to a new model.
    pub approve_models: ApproveModels,
    /// What happens to a new campaign.
    pub approve_campaigns: ApproveCampaigns,
    /// Whether updates and statistics may leave otherwise than in a sum over sites.
    pub secure_aggregation: SecureAggregation,
    /// Most ε of any 365 days against a coordinator with which all other sites collude: a masked
    /// release then has this site's share of the noise alone.
    pub epsilon_local_year: f64,
    /// Fewest sites that must be certain to be in a sum and not to collude (T − c).
    pub noisy_sites: u8,
    /// Fewest sites that a sum over [`COLLUDERS_SITES_MIN`] sites or more must assume to collude (c).
    pub colluders: u8,
    /// Which sites are counted among [`Policy::noisy_sites`].
    pub peers: Peers,
}

/// From this many sites on, [`Policy::colluders`] is demanded: with fewer, and one of them missing,
/// no three honest ones would be left.
pub const COLLUDERS_SITES_MIN: usize = 5;
/// With fewer noisy sites than this, what one of two knows of itself tells of the other.
pub const NOISY_SITES_MIN: u8 = 3;

/// How updates and statistics may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureAggregation {
    /// In a sum over sites when that is proposed, and else with all the noise of their own.
    Preferred,
    /// In a sum over sites, or not at all.
    Required,
}

/// Who counts as another site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peers {
    /// Whoever the coordinator names, as long as the key stays the one first seen.
    FirstUse,
    /// Those whose key the steward has approved.
    Approved,
}

/// Who approves models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApproveModels {
    /// The steward approves every bundle.
    Manual,
    /// A bundle over an approved backbone is used at once.
    ApprovedBackbones,
}

/// Who approves campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApproveCampaigns {
    /// The steward approves every campaign.
    Manual,
    /// A campaign whose cost the policy covers is worked on at once.
    WithinPolicy,
}

/// The policy's limits in the ledger's currency.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The δ of all of them.
    pub delta: Delta,
    /// Over any 365 days.
    pub year: Rho,
    /// The same when all other sites collude.
    pub local_year: Rho,
    /// One statistics window.
    pub window: Rho,
    /// One training run.
    pub run: Rho,
    /// One campaign.
    pub campaign: Rho,
    /// One evaluation.
    pub evaluation: Rho,
    /// A project's share of the year, where it has one.
    pub allotments: BTreeMap<ProjectName, Rho>,
    /// Fewest subjects.
    pub minimum_cohort: u64,
    /// Whether updates and statistics may leave in a sum over sites only.
    pub sums_only: bool,
}

impl Policy {
    /// The limits in ρ.
    ///
    /// # Errors
    /// [`ConfigError::Loss`]; never for a configuration that [`Config::read`](super::Config::read) returned.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        let delta =
            Delta::new(self.delta).map_err(|source| ConfigError::Loss { key: "delta", source })?;
        let rho = |key, epsilon| {
            Epsilon::new(epsilon)
                .map(|epsilon| rho_within(epsilon, delta))
                .map_err(|source| ConfigError::Loss { key, source })
        };
        Ok(Limits {
            delta,
            year: rho("epsilon_year", self.epsilon_year)?,
            local_year: rho("epsilon_local_year", self.epsilon_local_year)?,
            window: rho("epsilon_window", self.epsilon_window)?,
            run: rho("epsilon_run", self.epsilon_run)?,
            campaign: rho("epsilon_campaign", self.epsilon_campaign)?,
            evaluation: rho("epsilon_evaluation", self.epsilon_evaluation)?,
            allotments: self
                .allotments
                .iter()
                .map(|(project, epsilon)| Ok((project.clone(), rho("allotments", *epsilon)?)))
                .collect::<Result<_, ConfigError>>()?,
            minimum_cohort: self.minimum_cohort,
            sums_only: self.secure_aggregation == SecureAggregation::Required,
        })
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        Delta::new(self.delta).map_err(|source| ConfigError::Loss { key: "delta", source })?;
        for (key, epsilon) in [
            ("epsilon_ceiling", self.epsilon_ceiling),
            ("epsilon_year", self.epsilon_year),
            ("epsilon_window", self.epsilon_window),
            ("epsilon_run", self.epsilon_run),
            ("epsilon_campaign", self.epsilon_campaign),
            ("epsilon_evaluation", self.epsilon_evaluation),
            ("epsilon_local_year", self.epsilon_local_year),
        ] {
            Epsilon::new(epsilon).map_err(|source| ConfigError::Loss { key, source })?;
        }
        let below = |key: String, got: f64, over, allowed: f64| {
            if got > allowed { Err(ConfigError::Above { key, got, over, allowed }) } else { Ok(()) }
        };
        let (year, ceiling) = (self.epsilon_year, self.epsilon_ceiling);
        below("epsilon_year".to_owned(), year, "epsilon_ceiling", ceiling)?;
        for (project, epsilon) in &self.allotments {
            Epsilon::new(*epsilon)
                .map_err(|source| ConfigError::Loss { key: "allotments", source })?;
            below(format!("allotments.{project}"), *epsilon, "epsilon_year", year)?;
        }
        if self.minimum_cohort < 2 {
            return Err(ConfigError::Cohort { got: self.minimum_cohort });
        }
        if self.noisy_sites < NOISY_SITES_MIN {
            return Err(ConfigError::NoisySites { got: self.noisy_sites });
        }
        Ok(())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            epsilon_year: 2.0,
            epsilon_ceiling: 3.0,
            delta: 1e-6,
            epsilon_window: 0.5,
            epsilon_run: 1.0,
            epsilon_campaign: 1.0,
            epsilon_evaluation: 1.0,
            allotments: BTreeMap::new(),
            minimum_cohort: 50,
            backbones: Vec::new(),
            approve_models: ApproveModels::Manual,
            approve_campaigns: ApproveCampaigns::Manual,
            secure_aggregation: SecureAggregation::Preferred,
            epsilon_local_year: 8.0,
            noisy_sites: NOISY_SITES_MIN,
            colluders: 1,
            peers: Peers::FirstUse,
        }
    }
}
