//! Sensitivities of the label statistics that are released.
//!
//! # Proof
//! Neighbouring data sets differ in one subject, of whom a release uses at most m items
//! ([`crate::contribution`]; what is used of the others is the same in both). Let the released
//! vector fall into F blocks such that an item adds 1 to at most one cell of each block and
//! nothing to the others. The subject then changes each block by a vector v of whole numbers with
//! vᵢ ≥ 0 and Σvᵢ ≤ m, so ‖v‖₂² ≤ ‖v‖₁² ≤ m², with equality when all m items fall into one cell.
//! Over the F blocks D² ≤ F·m², and that is reached. Each kind below only states its F and why.
//! `tests/sensitivity.rs` enumerates all data sets on small domains and finds exactly these values.

use crate::{contribution::ItemsPerSubject, noise::SquaredSensitivity};

/// A kind of released statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Confusion matrix `[classes, classes]`, row = prelabel, column = label of record: an item
    /// adds 1 to one cell. F = 1.
    Confusion,
    /// Matrix `[classes, classes]` of *ordered* pairs, row = first reading, column = second
    /// reading of a doubly read item: an item adds 1 to one cell. F = 1. (Krippendorff's
    /// symmetric coincidence matrix would add 1 to two cells, or 2 to one; it is made from this
    /// one afterwards, at no further cost.)
    Coincidence,
    /// Calibration `[bins, 2]`: confidence bin × (wrong, right): an item adds 1 to one cell. F = 1.
    Calibration,
    /// One histogram for each of `features` features, missing values in a bin of their own: an
    /// item adds 1 to one bin of each. F = `features`, or 1 where there are none: an empty release has
    /// noise and a price like any other.
    Drift {
        /// Number of histograms in the release.
        features: u32,
    },
    /// The short form of an agreement matrix for many classes, `[1 + 1 + classes + classes]`: how
    /// many items, how many agree, row marginals, column marginals. Four blocks. F = 4.
    Marginals,
    /// Two models on the same items: who was right, `[4]`, in steps of `step`, and for each model a
    /// confusion matrix and a calibration table, in ones. An item adds to one cell of each of the
    /// five: the first block changes by at most `step`·m, the other four by m, so D² ≤ (step² + 4)m².
    Evaluation {
        /// What an item adds to the first block.
        step: u8,
    },
    /// What became of the items that a campaign queued, `[waiting, kept, changed]`: an item adds 1 to one
    /// cell, and may have taken the last place in the queue from one of somebody else's, which then adds
    /// nothing to its own. m items add m to a cell and take m from another at most: D² = 2·m².
    Campaign,
}

impl Statistic {
    /// D² when each subject contributes at most `limit` items: F·m² (proof above).
    ///
    /// ```
    /// # use insitu_privacy::{contribution::ItemsPerSubject, statistics::Statistic};
    /// assert_eq!(Statistic::Confusion.sensitivity(ItemsPerSubject::ONE).get(), 1);
    /// assert_eq!(Statistic::Drift { features: 5 }.sensitivity(ItemsPerSubject::ONE).get(), 5);
    /// ```
    pub fn sensitivity(self, limit: ItemsPerSubject) -> SquaredSensitivity {
        let blocks = match self {
            Self::Confusion | Self::Coincidence | Self::Calibration => 1,
            Self::Drift { features } => u64::from(features.max(1)),
            Self::Campaign => 2,
            Self::Marginals => 4,
            Self::Evaluation { step } => u64::from(step).pow(2) + 4,
        };
        let items = u64::from(limit.get());
        // 2³² · 1,000² fits.
        SquaredSensitivity::new(blocks * items * items)
    }
}
