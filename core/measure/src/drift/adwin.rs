//! Adaptive windowing.
//!
//! Source: A. Bifet, R. Gavaldà, *Learning from time-changing data with adaptive windowing*
//! (2007). Cuts and their order follow river 0.26, so that alarms come at the same observations.

use crate::input::{InvalidInput, within};

/// Buckets of one size before two of them merge.
const BUCKETS: usize = 5;
/// Observations between two looks for a cut.
const CLOCK: u64 = 32;
/// Observations that both sides of a cut need, and the least window.
const SIDE_MIN: f64 = 5.0;
const WINDOW_MIN: f64 = 10.0;

/// A window that drops its past when the mean has changed; memory grows with the logarithm of
/// its width.
///
/// ```
/// use insitu_measure::drift::Adwin;
///
/// let mut window = Adwin::new(0.002)?;
/// let mut alarms = Vec::new();
/// for i in 0..1000 {
///     if window.observe(if i < 500 { 0.2 } else { 0.8 })? {
///         alarms.push(i);
///     }
/// }
/// assert!(alarms.len() == 1 && alarms[0] < 550);
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Adwin {
    delta: f64,
    /// Buckets of 2^i observations at index i, oldest first.
    rows: Vec<Vec<Bucket>>,
    width: f64,
    total: f64,
    /// Sum of squared deviations from the mean.
    spread: f64,
    ticks: u64,
    alarmed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    total: f64,
    spread: f64,
}

impl Adwin {
    /// A window that cuts by mistake with probability about `delta` in (0, 1) at each look.
    ///
    /// # Errors
    /// [`InvalidInput::Range`] if `delta` is out of range.
    pub fn new(delta: f64) -> Result<Self, InvalidInput> {
        within("delta", &[delta], f64::MIN_POSITIVE, 1.0 - f64::EPSILON)?;
        let rows = vec![Vec::new()];
        Ok(Self { delta, rows, width: 0.0, total: 0.0, spread: 0.0, ticks: 0, alarmed: false })
    }

    /// Takes an observation; whether the mean has changed. After an alarm it starts anew.
    ///
    /// # Errors
    /// [`InvalidInput::Range`] if the observation is beyond ±1e100; it is then left out.
    pub fn observe(&mut self, x: f64) -> Result<bool, InvalidInput> {
        within("x", &[x], -1e100, 1e100)?;
        if self.alarmed {
            *self = Self::new(self.delta)?;
        }
        self.insert(x);
        self.ticks += 1;
        if self.ticks.is_multiple_of(CLOCK) && self.width > WINDOW_MIN {
            while self.has_cut() {
                self.alarmed = true;
                self.drop_oldest();
            }
        }
        Ok(self.alarmed)
    }

    /// Observations in the window.
    #[must_use]
    pub const fn width(&self) -> f64 {
        self.width
    }

    /// Mean of the window; `None` while it is empty.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.width > 0.0).then(|| self.total / self.width)
    }

    fn insert(&mut self, x: f64) {
        self.rows[0].push(Bucket { total: x, spread: 0.0 });
        self.width += 1.0;
        if self.width > 1.0 {
            let apart = x - self.total / (self.width - 1.0);
            self.spread += (self.width - 1.0) * apart * apart / self.width;
        }
        self.total += x;
        let (mut row, mut size) = (0, 1.0);
        while self.rows[row].len() > BUCKETS {
            let [a, b] = [self.rows[row].remove(0), self.rows[row].remove(0)];
            let apart = (a.total - b.total) / size;
            let spread = a.spread + b.spread + size * 0.5 * apart * apart;
            if row + 1 == self.rows.len() {
                self.rows.push(Vec::new());
            }
            self.rows[row + 1].push(Bucket { total: a.total + b.total, spread });
            (row, size) = (row + 1, size * 2.0);
        }
    }

    /// Buckets with their sizes, oldest first.
    fn oldest_first(&self) -> impl Iterator<Item = (f64, Bucket)> {
        let sized = (0_i32..).zip(&self.rows).map(|(i, row)| (2.0_f64.powi(i), row));
        let sized: Vec<_> = sized.collect();
        sized.into_iter().rev().flat_map(|(size, row)| row.iter().map(move |&b| (size, b)))
    }

    fn has_cut(&self) -> bool {
        let (mut size, mut sum) = (0.0, 0.0);
        for (bucket_size, bucket) in self.oldest_first() {
            size += bucket_size;
            sum += bucket.total;
            let rest = self.width - size;
            if size >= SIDE_MIN && rest >= SIDE_MIN {
                let apart = sum / size - (self.total - sum) / rest;
                if apart.abs() > self.bound(size, rest) {
                    return true;
                }
            }
        }
        false
    }

    /// How far the means of both sides may be apart by chance.
    fn bound(&self, size: f64, rest: f64) -> f64 {
        let log = (2.0 * self.width.ln() / self.delta).ln();
        let inverse = 1.0 / (size - SIDE_MIN + 1.0) + 1.0 / (rest - SIDE_MIN + 1.0);
        let variance = self.spread / self.width;
        (2.0 * inverse * variance * log).sqrt() + 2.0 / 3.0 * log * inverse
    }

    fn drop_oldest(&mut self) {
        let Some((size, bucket)) = self.oldest_first().next() else { return };
        self.width -= size;
        self.total -= bucket.total;
        let apart = bucket.total / size - self.total / self.width;
        let between = size * self.width * apart * apart / (size + self.width);
        self.spread = (self.spread - bucket.spread - between).max(0.0);
        if let Some(row) = self.rows.last_mut() {
            row.remove(0);
            if row.is_empty() && self.rows.len() > 1 {
                self.rows.pop();
            }
        }
    }
}
