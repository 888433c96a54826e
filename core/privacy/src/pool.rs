//! Noise drawn ahead of need.
//!
//! How long the exact samplers take depends on the noise that they draw, so whoever can time a
//! release learns something about its noise. A pool separates the two: noise is drawn when a
//! release is foreseen, before anything is counted for it, and the release takes it in a time that
//! depends on its shape alone.
//!
//! # What must hold
//! - Each vector of noise is handed out once: [`NoisePool::take`] moves it out, and [`Noise`] is
//!   neither copied nor shown.
//! - It is in memory only and overwritten when it is dropped: after a crash nothing is left that
//!   could be used again.
//! - A pool holds at most [`POOL_VALUES_MAX`] values.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::noise::{GaussianScale, NoiseError, VALUE_MAX, add_noise};

/// Most values in a pool: 8 MiB. No release that fits onto the wire has more.
pub const POOL_VALUES_MAX: usize = 1 << 20;

/// The noise that a release will need: known before anything is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Scale of the noise.
    pub scale: GaussianScale,
    /// Values of the release.
    pub values: usize,
}

/// Noise for one release, to be used once.
pub struct Noise(Zeroizing<Vec<i64>>);

impl fmt::Debug for Noise {
    /// Without the noise: with it, a release would be exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Noise({} values)", self.0.len())
    }
}

impl Noise {
    /// Adds the noise to a release's exact values, in a time that depends on their number alone.
    ///
    /// # Errors
    /// [`NoiseError::Value`] for a value outside ±2⁶²; [`NoiseError::Dry`] when there are more or
    /// fewer values than were drawn. The noise is gone then, too.
    pub fn add_to(self, exact: &[i64]) -> Result<Vec<i64>, NoiseError> {
        if exact.len() != self.0.len() {
            return Err(NoiseError::Dry { values: exact.len() });
        }
        let limit = VALUE_MAX.unsigned_abs();
        let add = |(index, (value, noise)): (usize, (&i64, &i64))| {
            let within = value.unsigned_abs() <= limit;
            // Noise beyond 2⁶² has probability below exp(−2⁴²): no sum is ever refused for it.
            value.checked_add(*noise).filter(|_| within).ok_or(NoiseError::Value { index })
        };
        exact.iter().zip(self.0.iter()).enumerate().map(add).collect()
    }
}

/// Noise for the releases that are foreseen. See the module for what holds of it.
#[derive(Default)]
pub struct NoisePool {
    /// Oldest first; a handful, so that looking for one costs nothing.
    packs: Mutex<Vec<(Demand, Noise)>>,
}

impl fmt::Debug for NoisePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoisePool({} values)", self.values())
    }
}

impl NoisePool {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws what the pool lacks so that each of `demands` can be taken, the first first. Blocks
    /// while it draws: see [`add_noise`]. Older noise that is not demanded makes room;
    /// what does not fit at all is left out, and found dry.
    ///
    /// # Errors
    /// [`NoiseError::Randomness`]; what was drawn before stays.
    pub fn fill(&self, demands: &[Demand]) -> Result<(), NoiseError> {
        for (index, demand) in demands.iter().enumerate() {
            let wanted = demands[..=index].iter().filter(|other| *other == demand).count();
            if self.held(demand) >= wanted || !self.make_room(demand.values, demands) {
                continue;
            }
            // Without the lock: others may take what is there meanwhile.
            let noise = Noise(Zeroizing::new(add_noise(&vec![0; demand.values], demand.scale)?));
            self.lock().push((*demand, noise));
        }
        Ok(())
    }

    /// Takes the noise of one release; `None` when none was drawn for it.
    pub fn take(&self, demand: &Demand) -> Option<Noise> {
        let mut packs = self.lock();
        let index = packs.iter().position(|(known, _)| known == demand)?;
        Some(packs.remove(index).1)
    }

    /// Values in the pool.
    pub fn values(&self) -> usize {
        total(&self.lock())
    }

    fn held(&self, demand: &Demand) -> usize {
        self.lock().iter().filter(|(known, _)| known == demand).count()
    }

    /// Drops the oldest noise that nobody of `demands` wants until `values` more fit; false when
    /// they do not.
    fn make_room(&self, values: usize, demands: &[Demand]) -> bool {
        let mut packs = self.lock();
        while total(&packs).saturating_add(values) > POOL_VALUES_MAX {
            let spare = packs.iter().position(|(known, _)| !demands.contains(known));
            let Some(spare) = spare else { return false };
            packs.remove(spare);
        }
        true
    }

    /// A panic while the lock is held leaves the packs whole.
    fn lock(&self) -> MutexGuard<'_, Vec<(Demand, Noise)>> {
        self.packs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn total(packs: &[(Demand, Noise)]) -> usize {
    packs.iter().map(|(demand, _)| demand.values).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(steps: u64, values: usize) -> Demand {
        Demand { scale: GaussianScale::from_steps(steps).unwrap(), values }
    }

    fn of(pool: &NoisePool, demand: &Demand) -> Option<Vec<i64>> {
        pool.take(demand).map(|noise| noise.add_to(&vec![0; demand.values]).unwrap())
    }

    #[test]
    fn every_vector_is_handed_out_once() {
        let pool = NoisePool::new();
        let (a, b) = (demand(40_960, 64), demand(40_961, 64));
        pool.fill(&[a, b, a]).unwrap();
        assert_eq!(pool.values(), 3 * 64);
        pool.fill(&[a, b, a]).unwrap();
        assert_eq!(pool.values(), 3 * 64, "nothing was lacking");
        let (first, second) = (of(&pool, &a).unwrap(), of(&pool, &a).unwrap());
        assert_ne!(first, second);
        assert_eq!(of(&pool, &a), None);
        pool.fill(&[a]).unwrap();
        let third = of(&pool, &a).unwrap();
        assert!(third != first && third != second);
        assert!(of(&pool, &b).is_some());
        assert_eq!(pool.values(), 0);
    }

    #[test]
    fn threads_never_share_noise() {
        let pool = NoisePool::new();
        let wanted = demand(40_960, 64);
        pool.fill(&[wanted; 40]).unwrap();
        let taken = std::thread::scope(|scope| {
            let take = || -> Vec<Vec<i64>> { std::iter::from_fn(|| of(&pool, &wanted)).collect() };
            let takers: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(taken.len(), 40);
        for (i, noise) in taken.iter().enumerate() {
            assert!(!taken[..i].contains(noise));
        }
    }

    #[test]
    fn noise_is_that_of_the_scale_and_is_added_as_it_is() {
        let pool = NoisePool::new();
        let wanted = demand(10 * 1024, 4_000);
        pool.fill(&[wanted]).unwrap();
        let exact: Vec<i64> = (0..4_000).map(|i| i * 1_000_000).collect();
        let noised = pool.take(&wanted).unwrap().add_to(&exact).unwrap();
        let residuals: Vec<i64> = noised.iter().zip(&exact).map(|(a, b)| a - b).collect();
        let fit = crate::audit::Fit::of(&residuals, wanted.scale);
        assert!(fit.variance_z.abs() < 6.0 && fit.distance_p > 1e-8, "{fit:?}");
    }

    #[test]
    fn a_pool_is_bounded_and_what_is_demanded_stays() {
        let pool = NoisePool::new();
        // Counted by demands, so nothing this large is ever drawn here.
        let whole = demand(1024, POOL_VALUES_MAX + 1);
        pool.fill(&[whole]).unwrap();
        assert!(pool.take(&whole).is_none());
        let (old, new) = (demand(1024, 8), demand(2048, 8));
        pool.fill(&[old, new]).unwrap();
        assert!(!pool.make_room(POOL_VALUES_MAX - 8, &[old, new]));
        assert!(pool.make_room(POOL_VALUES_MAX - 8, &[new]));
        assert!(pool.take(&old).is_none() && pool.take(&new).is_some());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let pool = NoisePool::new();
        let wanted = demand(1024, 2);
        pool.fill(&[wanted, wanted]).unwrap();
        let dry = pool.take(&wanted).unwrap().add_to(&[1]);
        assert!(matches!(dry, Err(NoiseError::Dry { values: 1 })));
        let large = pool.take(&wanted).unwrap().add_to(&[0, VALUE_MAX + 1]);
        assert!(matches!(large, Err(NoiseError::Value { index: 1 })));
    }
}
