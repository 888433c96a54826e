//! What the coordinator gets to see of the sites' exact sums, and what it costs.
//!
//! The mechanisms are those of the product, noise included; only the masks of secure aggregation
//! are left out, which cancel in the sum. Privacy noise is never seedable, here neither.

use anyhow::{Context as _, Result, ensure};
use insitu_models::schedule::effective_mu;
use insitu_privacy::secagg::{share_of, shared_rho};
use insitu_privacy::{Delta, Epsilon, GaussianScale, Rho, SquaredSensitivity, add_noise};
use insitu_privacy::{epsilon, rho_within};

/// Bytes of a released value.
const VALUE_BYTES: u64 = 4;

/// Who adds how much noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregation {
    /// The coordinator sees the sum alone; `noisy_sites` (T − c) carry the noise of one release.
    Secure {
        /// Sites whose noise is certain to be in the sum.
        noisy_sites: usize,
    },
    /// The coordinator sees each site's release: full noise at each.
    Open,
}

/// The coordinator's ear, with a meter.
#[derive(Debug)]
pub(crate) struct Collector {
    aggregation: Aggregation,
    /// What all releases together may cost; `None` is no noise.
    budget: Option<(Rho, Delta)>,
    spent: Rho,
    spent_local: Rho,
    bytes: u64,
}

impl Collector {
    /// A collector that may spend `limit` in all; `None` for no noise.
    pub(crate) fn new(aggregation: Aggregation, limit: Option<(Epsilon, Delta)>) -> Self {
        let budget = limit.map(|(epsilon, delta)| (rho_within(epsilon, delta), delta));
        Self { aggregation, budget, spent: Rho::ZERO, spent_local: Rho::ZERO, bytes: 0 }
    }

    /// What is left, in ρ; `None` when nothing is noised.
    pub(crate) fn left(&self) -> Option<Rho> {
        self.budget.map(|(budget, _)| budget.saturating_sub(self.spent))
    }

    /// A share of everything, in thousandths; `None` when nothing is noised.
    pub(crate) fn share(&self, thousandths: u64) -> Option<Rho> {
        let of = |(budget, _): (Rho, Delta)| Rho::from_nano(budget.nano() / 1000 * thousandths);
        self.budget.map(of)
    }

    /// √(2ρ) of a loss of `rho`, as it acts on the sum over `sites` sites: their noises together
    /// are larger than that of one release.
    pub(crate) fn effective_mu(&self, rho: Rho, sites: usize) -> f64 {
        let noisy = match self.aggregation {
            Aggregation::Secure { noisy_sites } => noisy_sites,
            Aggregation::Open => 1,
        };
        effective_mu(rho.as_f64(), noisy, sites)
    }

    /// How many releases the coordinator sees of so many sites.
    pub(crate) fn releases(&self, sites: usize) -> usize {
        match self.aggregation {
            Aggregation::Secure { .. } => 1,
            Aggregation::Open => sites,
        }
    }

    /// One release of every site, charged with `rho` (anything when nothing is noised): the sum
    /// over all under secure aggregation, else each site's own.
    ///
    /// # Errors
    /// When the charge does not fit, or noise cannot be drawn.
    pub(crate) fn collect(
        &mut self,
        exact: &[&[i64]],
        sensitivity: SquaredSensitivity,
        rho: Option<Rho>,
    ) -> Result<Vec<Vec<i64>>> {
        let dimensions = exact.first().map_or(0, |values| values.len());
        let noise = self.pay(sensitivity, rho, dimensions)?;
        self.hear(exact, noise)
    }

    /// Charges a release of `dimensions` numbers, or a run of releases that is one by its proof,
    /// and gives the noise of each site; none when nothing is noised.
    ///
    /// # Errors
    /// When the charge does not fit.
    pub(crate) fn pay(
        &mut self,
        sensitivity: SquaredSensitivity,
        rho: Option<Rho>,
        dimensions: usize,
    ) -> Result<Option<GaussianScale>> {
        let rho = rho.filter(|_| self.budget.is_some());
        rho.map(|rho| self.charge(sensitivity, rho, dimensions)).transpose()
    }

    /// What the coordinator sees of exact numbers with noise that was paid for.
    ///
    /// # Errors
    /// When noise cannot be drawn, or a sum does not fit.
    pub(crate) fn hear(
        &mut self,
        exact: &[&[i64]],
        noise: Option<GaussianScale>,
    ) -> Result<Vec<Vec<i64>>> {
        let dimensions = exact.first().map_or(0, |values| values.len());
        let mut released: Vec<Vec<i64>> = exact.iter().map(|values| values.to_vec()).collect();
        if let Some(scale) = noise {
            for values in &mut released {
                *values = add_noise(values, scale)?;
            }
        }
        self.bytes += exact.len() as u64 * dimensions as u64 * VALUE_BYTES;
        Ok(match self.aggregation {
            Aggregation::Open => released,
            Aggregation::Secure { .. } => {
                let mut sum = vec![0_i64; dimensions];
                for site in &released {
                    for (total, value) in sum.iter_mut().zip(site) {
                        *total = total.checked_add(*value).context("a sum beyond 64 bits")?;
                    }
                }
                vec![sum]
            }
        })
    }

    /// ε as the coordinator sees the sites, and for everybody against one site; and δ.
    pub(crate) fn loss(&self) -> Option<(f64, f64, f64)> {
        let (_, delta) = self.budget?;
        let of = |rho| epsilon(rho, delta).get();
        Some((of(self.spent), of(self.spent_local), delta.get()))
    }

    /// Bytes of released values so far, all sites together, framing not counted.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Charges a release and gives the noise of one site.
    fn charge(
        &mut self,
        sensitivity: SquaredSensitivity,
        rho: Rho,
        dimensions: usize,
    ) -> Result<GaussianScale> {
        let central = GaussianScale::for_budget(sensitivity, rho)?;
        let (scale, cost) = match self.aggregation {
            Aggregation::Open => (central, central.rho(sensitivity)),
            Aggregation::Secure { noisy_sites } => {
                let share = share_of(central, noisy_sites)?;
                (share, shared_rho(noisy_sites, share, dimensions, sensitivity))
            }
        };
        let spent = self.spent.checked_add(cost).context("a loss that does not fit")?;
        // Shares are rounded up to a grid and their loss too: one nano-ρ at most.
        let slack = Rho::from_nano(1);
        let limit = rho.checked_add(slack).context("a loss that does not fit")?;
        ensure!(cost <= limit, "a release of rho {cost} where {rho} was planned");
        self.spent = spent;
        let local = self.spent_local.checked_add(scale.rho(sensitivity));
        self.spent_local = local.context("a loss that does not fit")?;
        Ok(scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENSITIVITY: SquaredSensitivity = SquaredSensitivity::new(1 << 22);

    fn collector(aggregation: Aggregation) -> Collector {
        let limit = (Epsilon::new(1.0).unwrap(), Delta::new(1e-6).unwrap());
        Collector::new(aggregation, Some(limit))
    }

    #[test]
    fn without_noise_the_sum_is_exact_and_costs_nothing() {
        let exact: [&[i64]; 3] = [&[1, -2], &[10, 20], &[0, 5]];
        let secure = Aggregation::Secure { noisy_sites: 3 };
        let mut all = Collector::new(secure, None);
        assert_eq!(all.collect(&exact, SENSITIVITY, None).unwrap(), [vec![11, 23]]);
        assert_eq!((all.bytes(), all.loss(), all.left()), (24, None, None));
        let mut each = Collector::new(Aggregation::Open, None);
        assert_eq!(each.collect(&exact, SENSITIVITY, None).unwrap().len(), 3);
    }

    #[test]
    fn noise_is_that_of_one_release_when_shared_and_of_each_otherwise() {
        let zeros = vec![0_i64; 2_000];
        let exact: Vec<&[i64]> = vec![&zeros; 10];
        let secure = Aggregation::Secure { noisy_sites: 10 };
        for (aggregation, releases) in [(secure, 1.0), (Aggregation::Open, 10.0)] {
            let mut collector = collector(aggregation);
            let rho = collector.share(1000).unwrap();
            let released = collector.collect(&exact, SENSITIVITY, Some(rho)).unwrap();
            let sum = |at: usize| released.iter().map(|site| site[at]).sum::<i64>() as f64;
            let variance = (0..2_000).map(|at| sum(at).powi(2)).sum::<f64>() / 2_000.0;
            let central = GaussianScale::for_budget(SENSITIVITY, rho).unwrap().variance();
            // The variance of 2,000 draws deviates by 3 %.
            assert!((variance / central / releases - 1.0).abs() < 0.2, "{variance} {central}");
            let mu = collector.effective_mu(rho, 10);
            assert!((mu * mu * releases / (2.0 * rho.as_f64()) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn releases_add_up_to_the_epsilon_asked_for_and_no_further() {
        let zeros = [0_i64; 8];
        let exact: Vec<&[i64]> = vec![&zeros; 4];
        let mut collector = collector(Aggregation::Secure { noisy_sites: 4 });
        for thousandths in [100, 200, 690] {
            let rho = collector.share(thousandths);
            collector.collect(&exact, SENSITIVITY, rho).unwrap();
        }
        let (epsilon, local, delta) = collector.loss().unwrap();
        assert!((0.98..=1.0).contains(&epsilon), "{epsilon}");
        assert!((1.9..2.2).contains(&local), "{local}"); // four times the rho
        assert!((delta - 1e-6).abs() < 1e-12);
        assert!(collector.left().unwrap() < collector.share(11).unwrap());
    }
}
