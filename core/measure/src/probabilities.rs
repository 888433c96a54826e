//! Class probabilities of many items.

use crate::input::{InvalidInput, same_length};

/// How far a row's sum may be from one. Probabilities often come rounded to three digits.
pub const SUM_TOLERANCE: f64 = 5e-3;

/// A borrowed table of class probabilities, row-major, shape `[items, categories]`.
///
/// Every number is in [0, 1] and every row sums to one within [`SUM_TOLERANCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probabilities<'a> {
    categories: usize,
    values: &'a [f64],
}

impl<'a> Probabilities<'a> {
    /// Checks and wraps a table.
    ///
    /// # Errors
    /// [`InvalidInput`] if the length is no multiple of `categories`, a number is outside [0, 1]
    /// or NaN, or a row does not sum to one.
    ///
    /// ```
    /// use insitu_measure::Probabilities;
    ///
    /// assert_eq!(Probabilities::new(2, &[0.9, 0.1, 0.5, 0.5])?.items(), 2);
    /// assert!(Probabilities::new(2, &[0.9, 0.9]).is_err());
    /// # Ok::<(), insitu_measure::InvalidInput>(())
    /// ```
    pub fn new(categories: usize, values: &'a [f64]) -> Result<Self, InvalidInput> {
        let items = values.len().checked_div(categories).unwrap_or(0);
        same_length("probabilities", items * categories, values.len())?;
        for (row, chunk) in values.chunks_exact(categories.max(1)).enumerate() {
            let (sum, least) = chunk.iter().fold((0.0, f64::MAX), |(sum, least), &p| {
                (sum + p, if p < least { p } else { least })
            });
            // NaN and values above one show in the sum, values below zero in the least.
            if !((sum - 1.0_f64).abs() <= SUM_TOLERANCE && least >= 0.0) {
                return Err(Self::fault(row, categories, chunk, sum));
            }
        }
        Ok(Self { categories, values })
    }

    fn fault(row: usize, categories: usize, chunk: &[f64], sum: f64) -> InvalidInput {
        match chunk.iter().position(|p| !(0.0..=1.0).contains(p)) {
            Some(at) => InvalidInput::Range {
                what: "probabilities",
                index: row * categories + at,
                value: chunk[at],
                min: 0.0,
                max: 1.0,
            },
            None => InvalidInput::Unnormalised { row, sum },
        }
    }

    /// Number of categories.
    #[must_use]
    pub const fn categories(&self) -> usize {
        self.categories
    }

    /// Number of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.values.len().checked_div(self.categories).unwrap_or(0)
    }

    /// The probabilities of one item; empty if there is no such item.
    #[must_use]
    pub fn row(&self, item: usize) -> &'a [f64] {
        self.values.get(item * self.categories..(item + 1) * self.categories).unwrap_or(&[])
    }

    /// The likeliest category of one item and its probability; the first of equals.
    #[must_use]
    pub fn top(&self, item: usize) -> Option<(usize, f64)> {
        let row = self.row(item);
        row.get(argmax(row)).map(|&p| (argmax(row), p))
    }

    /// The items' probabilities in turn.
    pub fn rows(&self) -> std::slice::ChunksExact<'a, f64> {
        self.values.chunks_exact(self.categories.max(1))
    }

    /// All numbers, row-major.
    #[must_use]
    pub const fn values(&self) -> &'a [f64] {
        self.values
    }
}

/// Position of the greatest value; the first of equals; 0 if there is none.
pub(crate) fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

/// Turns logarithms of weights into probabilities, in place.
pub(crate) fn softmax(logits: &mut [f64]) {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = (*logit - top).exp();
        sum += *logit;
    }
    logits.iter_mut().for_each(|logit| *logit /= sum);
}
