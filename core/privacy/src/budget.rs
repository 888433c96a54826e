//! The privacy filter: refuses a charge *before* it would pass the limit.
//!
//! The sum of the ρ of all releases so far is a valid bound on the total loss even when each
//! release was chosen after seeing the earlier ones, as long as the filter stops before the sum
//! exceeds a limit fixed in advance (Whitehouse, Ramdas, Rogers, Wu 2023, theorem 1). The caller
//! owns the durable ledger; a charge counts from the moment it is reserved, sent or not.

use crate::loss::Rho;

/// The charge would take the spending past the limit. Nothing was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a charge of rho {charge} on top of {spent} would pass the limit of {limit}")]
pub struct OverBudget {
    /// What was spent before.
    pub spent: Rho,
    /// What was asked for.
    pub charge: Rho,
    /// The limit.
    pub limit: Rho,
}

/// The spending after `charge`, if that stays within `limit`.
///
/// # Errors
/// [`OverBudget`] when `spent + charge > limit`, or when the sum does not fit.
///
/// ```
/// # use insitu_privacy::{Rho, budget};
/// let (spent, limit) = (Rho::from_nano(60), Rho::from_nano(88));
/// assert_eq!(budget::admit(spent, Rho::from_nano(28), limit)?, limit);
/// assert!(budget::admit(spent, Rho::from_nano(29), limit).is_err());
/// # Ok::<(), insitu_privacy::budget::OverBudget>(())
/// ```
pub fn admit(spent: Rho, charge: Rho, limit: Rho) -> Result<Rho, OverBudget> {
    match spent.checked_add(charge) {
        Some(total) if total <= limit => Ok(total),
        Some(_) | None => Err(OverBudget { spent, charge, limit }),
    }
}

/// How many more releases at `charge` each fit; `None` when the charge is zero.
pub fn remaining(spent: Rho, charge: Rho, limit: Rho) -> Option<u64> {
    limit.saturating_sub(spent).nano().checked_div(charge.nano())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_exactly_past_the_limit() {
        let rho = Rho::from_nano;
        for spent in 0..6 {
            for charge in 0..6 {
                for limit in 0..8 {
                    let admitted = admit(rho(spent), rho(charge), rho(limit));
                    assert_eq!(admitted.is_ok(), spent + charge <= limit);
                }
            }
        }
        assert!(admit(Rho::MAX, rho(1), Rho::MAX).is_err());
    }

    #[test]
    fn remaining_is_what_admit_lets_through() {
        let (charge, limit) = (Rho::from_nano(7), Rho::from_nano(50));
        let mut spent = Rho::ZERO;
        let promised = remaining(spent, charge, limit).unwrap();
        let mut released = 0;
        while let Ok(total) = admit(spent, charge, limit) {
            spent = total;
            released += 1;
        }
        assert_eq!(released, promised);
        assert_eq!(remaining(limit, charge, spent), Some(0));
        assert_eq!(remaining(spent, Rho::ZERO, limit), None);
    }
}
