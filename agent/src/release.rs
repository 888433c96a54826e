//! Releases: tallies with noise, priced, ready to be charged. The only thing that leaves.
//!
//! A [`Release`] is made from a [`Tally`] by [`Release::make`], or from several by [`Share`], which
//! masks them for a sum over sites, and by nothing else; the outbox takes a `Release` and nothing
//! else:
//!
//! ```compile_fail
//! fn leak(tx: &insitu_agent::store::Tx<'_>, tally: insitu_agent::tally::Tally) {
//!     // A tally is exact: it has no way out.
//!     insitu_agent::outbox::commit(tx, vec![tally], todo!(), 0);
//! }
//! ```
//!
//! ```compile_fail
//! // Nor can a release be put together by hand: its fields are private.
//! let _ = insitu_agent::release::Release { counts: vec![1] };
//! ```

mod masked;

use insitu_privacy::secagg::NoiseShareError;
use insitu_privacy::{Demand, GaussianScale, NoiseError, NoisePool, Rho, budget};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::coarse;
use insitu_protocol::ids::{ProjectName, ReleaseId};
use insitu_protocol::release::{Body, Values};
use jiff::Timestamp;

use crate::config::Limits;
use crate::store::{StoreError, Tx};
use crate::tally::{Outline, Tally};

pub use masked::{Masked, Share, draw_shares_ahead};

/// Seconds of the rolling year.
pub const YEAR_SECONDS: i64 = 365 * 86_400;

/// A noised tally. Nothing of the exact counts is left in it.
#[derive(Clone, Debug)]
pub struct Release {
    id: ReleaseId,
    project: ProjectName,
    project_version: u32,
    body: Body,
    nano_rho: u64,
    nano_rho_local: u64,
    scale: GaussianScale,
    values: Values,
    origin: String,
}

/// What a release is to cost, and against which limits.
#[derive(Clone, Debug)]
pub struct Charge<'a> {
    /// The project.
    pub project: &'a ProjectName,
    /// What is released.
    pub body: Body,
    /// The price.
    pub rho: Rho,
    /// The price when all other sites collude with the coordinator.
    pub rho_local: Rho,
}

/// Why a tally cannot be released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The noise.
    #[error("no noise for a {kind} release")]
    Noise {
        /// Kind of the release.
        kind: &'static str,
        /// Why.
        source: NoiseError,
    },
    /// No share of the noise has the right size.
    #[error("no share of the noise for a {kind} release")]
    Share {
        /// Kind of the release.
        kind: &'static str,
        /// Why.
        source: NoiseShareError,
    },
    /// The tallies give another vector than was ordered.
    #[error("the parts of a {kind} release are not those that follow from their price")]
    Parts {
        /// Kind of the release.
        kind: &'static str,
    },
    /// The policy lets it leave in a sum over sites only.
    #[error(
        "policy.secure_aggregation = \"required\": a {kind} release leaves in a sum over sites only"
    )]
    SumsOnly {
        /// Kind of the release.
        kind: &'static str,
    },
    /// The policy's limit would be passed.
    #[error("{what} would cost ε {wanted:.3} of {allowed:.3} allowed")]
    Budget {
        /// Which limit: the year's, a window's, a run's, a campaign's, an evaluation's.
        what: &'static str,
        /// ε after the charge.
        wanted: f64,
        /// ε allowed.
        allowed: f64,
        /// When something of the year's budget is free again.
        renews: Option<Timestamp>,
    },
    /// Too few subjects.
    #[error("the project has fewer than {minimum} subjects: nothing is released")]
    Cohort {
        /// Fewest subjects.
        minimum: u64,
    },
    /// δ is too large for so many subjects.
    #[error("policy.delta is too large for the project's subjects")]
    Delta(#[source] insitu_privacy::LossError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl ReleaseError {
    /// Whether the same can succeed later without a change of policy or data.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::Noise { source, .. } => {
                matches!(source, NoiseError::Randomness | NoiseError::Dry { .. })
            }
            Self::Share { .. }
            | Self::Parts { .. }
            | Self::SumsOnly { .. }
            | Self::Budget { .. }
            | Self::Cohort { .. }
            | Self::Delta(_) => false,
        }
    }
}

impl Release {
    /// Adds the noise that makes the tally's price true, which [`draw_ahead`] has put into the pool
    /// before the tally was counted. Draws none: how long that takes tells of the noise.
    ///
    /// # Errors
    /// [`ReleaseError::Noise`]; with [`NoiseError::Dry`] when the pool has none.
    pub fn make(tally: &Tally, pool: &NoisePool) -> Result<Self, ReleaseError> {
        let body = tally.body();
        let noise = |source| ReleaseError::Noise { kind: body.name(), source };
        let demand = demand(&tally.outline()).map_err(noise)?;
        let scale = demand.scale;
        let dry = || noise(NoiseError::Dry { values: demand.values });
        let drawn = pool.take(&demand).ok_or_else(dry)?;
        let noised = drawn.add_to(tally.counts()).map_err(noise)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| noise(NoiseError::Randomness))?;
        Ok(Self {
            id: Fixed(id),
            project: tally.project().clone(),
            project_version: tally.project_version(),
            body,
            nano_rho: tally.nano_rho(),
            nano_rho_local: tally.nano_rho(),
            scale,
            // Saturating a noised value is post-processing: it costs nothing.
            values: Values(noised.into_iter().map(saturate).collect()),
            origin: tally.origin().to_owned(),
        })
    }

    /// An update in one byte a coordinate. Rounding what is noised already is post-processing: it
    /// costs nothing, and its price stays. Any other release stays as it is.
    #[must_use]
    pub fn coarsened(mut self) -> Self {
        if let Body::Update { run, round } = self.body {
            let (shift, values) = coarse::coarsen(&self.values.0);
            self.body = Body::CoarseUpdate { run, round, shift };
            self.values = values;
        }
        self
    }

    /// Random id.
    pub fn id(&self) -> ReleaseId {
        self.id
    }

    /// The project.
    pub fn project(&self) -> &ProjectName {
        &self.project
    }

    /// What its values are.
    pub fn body(&self) -> Body {
        self.body
    }

    /// Its price.
    pub fn rho(&self) -> Rho {
        Rho::from_nano(self.nano_rho)
    }

    /// Its price when all other sites collude with the coordinator: the same, but for a masked one.
    pub fn rho_local(&self) -> Rho {
        Rho::from_nano(self.nano_rho_local)
    }

    /// What it was computed from, for the steward.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What may be released once only.
    pub fn occasion(&self) -> String {
        self.charge().occasion()
    }

    /// What it is to cost.
    pub fn charge(&self) -> Charge<'_> {
        Charge {
            project: &self.project,
            body: self.body,
            rho: self.rho(),
            rho_local: self.rho_local(),
        }
    }

    /// The wire form, at its place in the chain.
    pub fn at(
        &self,
        sequence: u64,
        previous: insitu_protocol::ids::Digest,
    ) -> insitu_protocol::release::Release {
        insitu_protocol::release::Release {
            id: self.id,
            sequence,
            previous,
            project: self.project.clone(),
            project_version: self.project_version,
            body: self.body,
            nano_rho: self.nano_rho,
            scale_1024: self.scale.steps(),
            values: self.values.clone(),
        }
    }

    /// Refuses before the charge would pass a limit of the policy.
    ///
    /// # Errors
    /// Those of [`Charge::admit`].
    pub fn admit(&self, tx: &Tx<'_>, limits: &Limits, now: i64) -> Result<(), ReleaseError> {
        self.charge().admit(tx, limits, now)
    }
}

impl Charge<'_> {
    /// Refuses before the charge would pass a limit of the policy.
    ///
    /// # Errors
    /// [`ReleaseError::Budget`], [`ReleaseError::Cohort`], [`ReleaseError::Delta`],
    /// [`ReleaseError::SumsOnly`].
    pub fn admit(&self, tx: &Tx<'_>, limits: &Limits, now: i64) -> Result<(), ReleaseError> {
        self.check_way(limits)?;
        self.check_cohort(tx, limits)?;
        let over = |what, over: budget::OverBudget, renews| ReleaseError::Budget {
            what,
            wanted: epsilon(over.spent.checked_add(over.charge).unwrap_or(Rho::MAX), limits),
            allowed: epsilon(over.limit, limits),
            renews,
        };
        let (what, limit, spent) = match self.body {
            Body::Confusion { window }
            | Body::Coincidence { window }
            | Body::Calibration { window }
            | Body::Drift { window }
            | Body::MaskedStatistics { window, .. } => {
                ("a statistics window", limits.window, window_spent(tx, self.project, window)?)
            }
            Body::Campaign { .. } => ("a campaign", limits.campaign, tx.charged_on(&self.group())?),
            Body::Update { run, .. }
            | Body::CoarseUpdate { run, .. }
            | Body::MaskedUpdate { run, .. } => {
                ("a training run", limits.run, tx.charged_on(&format!("run/{run}/"))?)
            }
            Body::Evaluation { .. } | Body::MaskedEvaluation { .. } => {
                ("an evaluation", limits.evaluation, tx.charged_on(&self.group())?)
            }
        };
        let spent = Rho::from_nano(spent);
        budget::admit(spent, self.rho, limit).map_err(|error| over(what, error, None))?;
        let year_ago = now.saturating_sub(YEAR_SECONDS);
        if let Some(allotment) = limits.allotments.get(self.project) {
            let spent = Rho::from_nano(tx.project_charged_since(self.project, year_ago)?);
            budget::admit(spent, self.rho, *allotment)
                .map_err(|error| over("the project's share of the year", error, None))?;
        }
        let renews = tx
            .oldest_charge_since(year_ago)?
            .and_then(|charged| Timestamp::from_second(charged + YEAR_SECONDS).ok());
        let spent = Rho::from_nano(tx.charged_since(year_ago)?);
        budget::admit(spent, self.rho, limits.year)
            .map_err(|error| over("the year", error, renews))?;
        let spent = Rho::from_nano(tx.charged_locally_since(year_ago)?);
        budget::admit(spent, self.rho_local, limits.local_year)
            .map_err(|error| over("the year, were all other sites to collude,", error, renews))?;
        Ok(())
    }

    /// What may be released once only: of masked releases, once in each session.
    pub fn occasion(&self) -> String {
        let (group, kind) = (self.group(), self.body.name());
        match self.body {
            Body::MaskedUpdate { session, .. }
            | Body::MaskedStatistics { session, .. }
            | Body::MaskedEvaluation { session, .. } => {
                format!("{group}{kind}/{session}")
            }
            Body::Confusion { .. }
            | Body::Coincidence { .. }
            | Body::Calibration { .. }
            | Body::Drift { .. }
            | Body::Campaign { .. }
            | Body::Evaluation { .. }
            | Body::Update { .. }
            | Body::CoarseUpdate { .. } => format!("{group}{kind}"),
        }
    }

    /// The occasions that share a limit start with this.
    fn group(&self) -> String {
        let project = self.project;
        match self.body {
            Body::Confusion { window }
            | Body::Coincidence { window }
            | Body::Calibration { window }
            | Body::Drift { window }
            | Body::MaskedStatistics { window, .. } => window_group(project, window),
            Body::Campaign { campaign } => format!("campaign/{campaign}/"),
            Body::Evaluation { evaluation } | Body::MaskedEvaluation { evaluation, .. } => {
                format!("evaluation/{evaluation}/")
            }
            Body::Update { run, round }
            | Body::CoarseUpdate { run, round, .. }
            | Body::MaskedUpdate { run, round, .. } => {
                format!("run/{run}/{round}/")
            }
        }
    }

    /// Whether the policy lets such a release leave without being part of a sum.
    fn check_way(&self, limits: &Limits) -> Result<(), ReleaseError> {
        match self.body {
            Body::Confusion { .. }
            | Body::Coincidence { .. }
            | Body::Calibration { .. }
            | Body::Drift { .. }
            | Body::Evaluation { .. }
            | Body::Update { .. }
            | Body::CoarseUpdate { .. }
                if limits.sums_only =>
            {
                Err(ReleaseError::SumsOnly { kind: self.body.name() })
            }
            Body::Confusion { .. }
            | Body::Coincidence { .. }
            | Body::Calibration { .. }
            | Body::Drift { .. }
            | Body::Campaign { .. }
            | Body::Update { .. }
            | Body::CoarseUpdate { .. }
            | Body::Evaluation { .. }
            | Body::MaskedUpdate { .. }
            | Body::MaskedStatistics { .. }
            | Body::MaskedEvaluation { .. } => Ok(()),
        }
    }

    fn check_cohort(&self, tx: &Tx<'_>, limits: &Limits) -> Result<(), ReleaseError> {
        let subjects = match tx.project(self.project)? {
            Some(row) => tx.subject_count(row.project)?,
            None => 0,
        };
        if subjects < limits.minimum_cohort {
            return Err(ReleaseError::Cohort { minimum: limits.minimum_cohort });
        }
        limits.delta.check_cohort(subjects).map_err(ReleaseError::Delta)
    }
}

/// Nano-ρ that was charged for what a statistics window counts, under its own number or before.
///
/// # Errors
/// [`StoreError`].
pub fn window_spent(tx: &Tx<'_>, project: &ProjectName, window: u32) -> Result<u64, StoreError> {
    let own = tx.charged_on(&window_group(project, window))?;
    Ok(own.saturating_add(tx.inherited(project, window)?))
}

/// The occasions of a statistics window start with this.
fn window_group(project: &ProjectName, window: u32) -> String {
    format!("statistics/{project}/{window}/")
}

/// Draws the noise of releases that are foreseen. To be called before their tallies are counted,
/// so that nothing waits with the exact counts for a time that depends on the noise.
///
/// # Errors
/// [`NoiseError`].
pub fn draw_ahead<'a>(
    pool: &NoisePool,
    outlines: impl IntoIterator<Item = &'a Outline>,
) -> Result<(), NoiseError> {
    // What has no price gets no noise, and is refused when it is made.
    let demands: Vec<Demand> = outlines.into_iter().flat_map(demand).collect();
    pool.fill(&demands)
}

/// The noise that a release needs.
fn demand(outline: &Outline) -> Result<Demand, NoiseError> {
    let budget = Rho::from_nano(outline.nano_rho);
    let scale = GaussianScale::for_budget(outline.sensitivity, budget)?;
    Ok(Demand { scale, values: outline.values })
}

/// A loss as people read it.
pub fn epsilon(rho: Rho, limits: &Limits) -> f64 {
    insitu_privacy::epsilon(rho, limits.delta).get()
}

fn saturate(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}
