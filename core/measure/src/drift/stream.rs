//! Detectors that watch a stream, one observation at a time, in constant memory.

use crate::input::{InvalidInput, within};

/// Page and Hinkley's test for a mean that goes up.
///
/// # Source
/// E. S. Page, *Continuous inspection schemes*, Biometrika 41 (1954); with the fading sums of
/// river 0.26.
#[derive(Clone, Debug, PartialEq)]
pub struct PageHinkley {
    threshold: f64,
    observations: f64,
    mean: f64,
    sum: f64,
    least: f64,
    alarmed: bool,
}

impl PageHinkley {
    /// Observations before the first alarm can come.
    const BURN_IN: f64 = 30.0;
    /// Deviation of the mean that is no drift.
    const TOLERANCE: f64 = 0.005;
    const FADING: f64 = 0.9999;

    /// A detector that raises an alarm when deviations above the mean so far have added up to
    /// more than `threshold` > 0.
    ///
    /// # Errors
    /// [`InvalidInput::Range`] if `threshold` is not positive.
    pub fn new(threshold: f64) -> Result<Self, InvalidInput> {
        within("threshold", &[threshold], f64::MIN_POSITIVE, f64::MAX)?;
        let least = f64::INFINITY;
        Ok(Self { threshold, observations: 0.0, mean: 0.0, sum: 0.0, least, alarmed: false })
    }

    /// Takes an observation; whether it raises an alarm. After an alarm it starts anew.
    ///
    /// # Errors
    /// [`InvalidInput::Range`] if the observation is not finite; it is then left out.
    pub fn observe(&mut self, x: f64) -> Result<bool, InvalidInput> {
        within("x", &[x], -1e300, 1e300)?;
        if self.alarmed {
            *self = Self::new(self.threshold)?;
        }
        self.observations += 1.0;
        self.mean += (x - self.mean) / self.observations;
        self.sum = Self::FADING * self.sum + x - self.mean - Self::TOLERANCE;
        self.least = self.least.min(self.sum);
        self.alarmed = self.observations >= Self::BURN_IN && self.sum - self.least > self.threshold;
        Ok(self.alarmed)
    }
}

/// E-detectors for a rate that rises from at most `p0` to about `p1`.
///
/// Whatever the rate does below `p0`, the mean number of observations before a false alarm at
/// level `a` is at least `a`: no tuning, no simulation.
///
/// # Source
/// J. Shin, A. Ramdas, A. Rinaldo, *E-detectors: a nonparametric framework for sequential change
/// detection* (2024).
///
/// ```
/// use insitu_measure::drift::EDetector;
///
/// let mut detector = EDetector::new(0.1, 0.3)?;
/// let mut events = 0;
/// while detector.shiryaev_roberts() < 1000.0 {
///     detector.observe(true);
///     events += 1;
/// }
/// assert_eq!(events, 6); // each event triples the evidence
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EDetector {
    /// Logarithms of the factors for an event and for none.
    factors: [f64; 2],
    cusum: f64,
    shiryaev_roberts: f64,
}

impl EDetector {
    /// A detector for rates 0 < `p0` < `p1` < 1.
    ///
    /// # Errors
    /// [`InvalidInput`] otherwise.
    pub fn new(p0: f64, p1: f64) -> Result<Self, InvalidInput> {
        within("rates", &[p0, p1], f64::MIN_POSITIVE, 1.0 - f64::EPSILON)?;
        if p1 <= p0 {
            return Err(InvalidInput::Order { what: "rates", index: 1 });
        }
        let factors = [(p1 / p0).ln(), ((1.0 - p1) / (1.0 - p0)).ln()];
        Ok(Self { factors, cusum: f64::NEG_INFINITY, shiryaev_roberts: f64::NEG_INFINITY })
    }

    /// Takes an observation: whether the event happened.
    pub fn observe(&mut self, event: bool) {
        let factor = self.factors[usize::from(!event)];
        self.cusum = self.cusum.max(0.0) + factor;
        // ln(1 + e^x), so that long streams cannot overflow.
        let x = self.shiryaev_roberts;
        self.shiryaev_roberts = x.max(0.0) + (-x.abs()).exp().ln_1p() + factor;
    }

    /// The CUSUM e-value: evidence for the best single time of change. Alarm at level `a` when
    /// this reaches it.
    #[must_use]
    pub fn cusum(&self) -> f64 {
        self.cusum.exp()
    }

    /// The Shiryaev–Roberts e-value: evidence summed over all times of change. It is never below
    /// the other, and so alarms first at the same guarantee.
    #[must_use]
    pub fn shiryaev_roberts(&self) -> f64 {
        self.shiryaev_roberts.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn false_alarms_are_as_rare_as_promised() {
        let mut random = Random::new(11);
        let (runs, level) = (300, 200.0);
        let mut total = 0_u32;
        for _ in 0..runs {
            let mut detector = EDetector::new(0.2, 0.4).unwrap();
            while detector.shiryaev_roberts() < level {
                detector.observe(random.unit() < 0.2);
                total += 1;
            }
        }
        // Mean run length at least the level; its standard error is about 6 %.
        assert!(f64::from(total) / f64::from(runs) > 0.8 * level);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(EDetector::new(0.3, 0.2).is_err() && EDetector::new(0.0, 0.2).is_err());
        assert!(PageHinkley::new(0.0).is_err());
        let mut test = PageHinkley::new(5.0).unwrap();
        let before = test.clone();
        assert!(test.observe(f64::NAN).is_err());
        assert_eq!(test, before);
    }

    #[test]
    fn page_hinkley_sees_a_step() {
        let mut test = PageHinkley::new(5.0).unwrap();
        let mut alarms = (0..200).filter(|&i| test.observe(f64::from(u8::from(i >= 100))).unwrap());
        let first = alarms.next().unwrap();
        assert!((101..115).contains(&first), "{first}");
    }
}
