//! Counts of pairs of classes, as the page draws them.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts by row and column; only cells that are not empty, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Matrix {
    cells: Vec<[usize; 3]>,
}

impl Matrix {
    /// Pairs of equal classes.
    pub(super) fn diagonal(&self) -> usize {
        self.cells.iter().filter(|[row, column, _]| row == column).map(|cell| cell[2]).sum()
    }

    /// All pairs.
    pub(super) fn total(&self) -> usize {
        self.cells.iter().map(|cell| cell[2]).sum()
    }
}

impl FromIterator<(u16, u16)> for Matrix {
    fn from_iter<I: IntoIterator<Item = (u16, u16)>>(pairs: I) -> Self {
        let mut counts: BTreeMap<(u16, u16), usize> = BTreeMap::new();
        for pair in pairs {
            *counts.entry(pair).or_default() += 1;
        }
        let cell = |((row, column), count)| [usize::from(row), usize::from(column), count];
        Self { cells: counts.into_iter().map(cell).collect() }
    }
}
