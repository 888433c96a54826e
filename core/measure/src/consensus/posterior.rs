//! What is believed about each item's label.

use crate::probabilities::{Probabilities, argmax};

/// Probability of each category for each item, row-major, shape `[items, categories]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    categories: usize,
    values: Vec<f64>,
}

impl Posterior {
    pub(crate) const fn new(categories: usize, values: Vec<f64>) -> Self {
        Self { categories, values }
    }

    /// The probabilities as a table for other measures.
    ///
    /// # Panics
    /// Never: every row was normalised.
    #[must_use]
    pub fn probabilities(&self) -> Probabilities<'_> {
        Probabilities::new(self.categories, &self.values).expect("rows were normalised")
    }

    /// The numbers, row-major.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The likeliest category of each item, the first of equals.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "categories are counted in u32")]
    pub fn labels(&self) -> Vec<u32> {
        self.values.chunks_exact(self.categories).map(|row| argmax(row) as u32).collect()
    }

    /// Sets what is known for certain. Categories that do not exist change nothing.
    pub(super) fn pin(&mut self, known: &[Option<u32>]) {
        for (row, known) in self.values.chunks_exact_mut(self.categories.max(1)).zip(known) {
            if let Some(truth) = known.map(|truth| truth as usize).filter(|at| *at < row.len()) {
                row.fill(0.0);
                row[truth] = 1.0;
            }
        }
    }

    pub(crate) fn row(&self, item: usize) -> &[f64] {
        &self.values[item * self.categories..(item + 1) * self.categories]
    }
}
