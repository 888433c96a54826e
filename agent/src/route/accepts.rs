//! Which prelabels are accepted without a person: a function of class and confidence.

use std::collections::BTreeMap;

use crate::store::acceptance::{Audit, ClassRow};
use crate::store::items::{ItemRow, Route};
use crate::store::{StoreError, Tx};

/// What a bundle's prelabels may do without a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Nothing: the site has earned nothing, and does not try to.
    Nothing,
    /// What the project's routing accepts, although nothing was audited.
    Assumed,
    /// What an audit has shown, while the audit goes on.
    Earned {
        /// Share of the items that could be accepted that people read blind instead, in thousandths.
        audit_milli: u16,
        /// Least confidence, in thousandths, by class; a class without one has earned nothing.
        thresholds: BTreeMap<u16, u16>,
    },
}

impl Accepts {
    /// What the bundle has earned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn earned(
        tx: &Tx<'_>,
        project: i64,
        bundle: &[u8; 32],
        audit_milli: u16,
    ) -> Result<Self, StoreError> {
        let rows = tx.acceptance(project, bundle)?;
        let threshold = |row: &ClassRow| Some((row.class, row.earned()?));
        Ok(Self::Earned { audit_milli, thresholds: rows.iter().filter_map(threshold).collect() })
    }

    /// Whether a prelabel of a class is accepted at a confidence in thousandths that the project's
    /// routing accepts.
    pub fn accepts(&self, class: u16, confidence_milli: u16) -> bool {
        match self {
            Self::Nothing => false,
            Self::Assumed => true,
            Self::Earned { thresholds, .. } => {
                thresholds.get(&class).is_some_and(|threshold| confidence_milli >= *threshold)
            }
        }
    }

    /// Who sees an item that the project's routing accepts. Who is chosen for the audit depends on
    /// the item's name and the store's key alone, whatever has been earned: the audited items are a
    /// sample of all that could be accepted.
    pub(super) fn decide(
        &self,
        tx: &Tx<'_>,
        row: &ItemRow,
        class: Option<u16>,
        confidence_milli: u16,
    ) -> (Route, Audit) {
        let (outside, accepted) = match self {
            Self::Nothing => (true, false),
            Self::Assumed => (true, true),
            // A synthetic item is judged in a queue of its own, and shows nothing about real ones; a
            // label that is not one class can earn nothing.
            Self::Earned { .. } if row.synthetic || class.is_none() => (true, false),
            Self::Earned { audit_milli, .. } => {
                if tx.chosen("audit", &row.opaque, *audit_milli, 1000) {
                    return (Route::Annotator, Audit::Chosen);
                }
                (false, class.is_some_and(|class| self.accepts(class, confidence_milli)))
            }
        };
        let route = if accepted { Route::Accepted } else { Route::Annotator };
        (route, if outside { Audit::Outside } else { Audit::Spared })
    }
}
