//! Fleiss' κ: the same number of ratings for each item, by any annotators.

use crate::input::{
    InvalidInput, MeasureError, RATINGS_PER_ITEM_MAX, Undefined, at_most, same_length,
};
use crate::ratings::Ratings;

/// All that Fleiss' κ needs. Sums of different sites add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleissSums {
    items: u64,
    ratings_per_item: u64,
    category_totals: Vec<u64>,
    sum_of_squares: u64,
}

impl FleissSums {
    /// From counts of ratings by item and category, row-major, shape `[items, categories]`.
    ///
    /// # Errors
    /// [`InvalidInput`] if the table has no whole number of rows or an item has more than 2²⁰
    /// ratings; [`Undefined::NoData`] without items, [`Undefined::Unbalanced`] if items have
    /// different numbers of ratings.
    ///
    /// ```
    /// use insitu_measure::agreement::FleissSums;
    ///
    /// let sums = FleissSums::from_table(2, &[3, 0, 0, 3, 1, 2])?;
    /// assert!((sums.kappa()? - 0.55).abs() < 1e-12);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn from_table(categories: usize, counts: &[u32]) -> Result<Self, MeasureError> {
        let items = counts.len().checked_div(categories).unwrap_or(0);
        same_length("counts", items * categories, counts.len())?;
        let rows = counts.chunks_exact(categories.max(1));
        Self::from_rows(categories, rows.map(|row| row.iter().copied().map(u64::from)))
    }

    /// From ratings; who gave them does not matter.
    ///
    /// # Errors
    /// As [`FleissSums::from_table`].
    pub fn from_ratings(ratings: &Ratings) -> Result<Self, MeasureError> {
        let mut row = vec![0_u64; ratings.categories()];
        let rows = ratings.iter().map(|item| {
            row.fill(0);
            item.iter().for_each(|rating| row[rating.label as usize] += 1);
            row.clone().into_iter()
        });
        Self::from_rows(ratings.categories(), rows)
    }

    fn from_rows(
        categories: usize,
        rows: impl Iterator<Item = impl Iterator<Item = u64>>,
    ) -> Result<Self, MeasureError> {
        let mut category_totals = vec![0; categories];
        let (mut items, mut sum_of_squares) = (0, 0);
        let (mut least, mut most) = (u64::MAX, 0);
        for row in rows {
            let mut sum = 0;
            for (total, count) in category_totals.iter_mut().zip(row) {
                at_most("ratings of an item", RATINGS_PER_ITEM_MAX, to_usize(count))?;
                *total += count;
                sum += count;
                sum_of_squares += count * count;
            }
            items += 1;
            (least, most) = (least.min(sum), most.max(sum));
        }
        if most == 0 {
            return Err(Undefined::NoData.into());
        }
        if least != most {
            return Err(
                Undefined::Unbalanced { least: to_usize(least), most: to_usize(most) }.into()
            );
        }
        Ok(Self { items, ratings_per_item: most, category_totals, sum_of_squares })
    }

    /// Adds another site's sums.
    ///
    /// # Errors
    /// [`InvalidInput::Length`] if categories or ratings per item differ.
    pub fn add(&mut self, other: &Self) -> Result<(), InvalidInput> {
        let (own, others) = (self.ratings_per_item, other.ratings_per_item);
        same_length("ratings of an item", to_usize(own), to_usize(others))?;
        same_length("categories", self.category_totals.len(), other.category_totals.len())?;
        self.items += other.items;
        self.sum_of_squares += other.sum_of_squares;
        self.category_totals.iter_mut().zip(&other.category_totals).for_each(|(a, b)| *a += b);
        Ok(())
    }

    /// Number of items.
    #[must_use]
    pub const fn items(&self) -> u64 {
        self.items
    }

    /// Number of ratings of each item.
    #[must_use]
    pub const fn ratings_per_item(&self) -> u64 {
        self.ratings_per_item
    }

    /// Ratings in each category.
    #[must_use]
    pub fn category_totals(&self) -> &[u64] {
        &self.category_totals
    }

    /// Sum over items and categories of squared counts.
    #[must_use]
    pub const fn sum_of_squares(&self) -> u64 {
        self.sum_of_squares
    }

    /// Fleiss' κ, in [-1, 1].
    ///
    /// # Errors
    /// [`Undefined::TooFew`] for one rating of each item, [`Undefined::OneCategory`] if all
    /// ratings are in one.
    ///
    /// # Source
    /// J. L. Fleiss, *Measuring nominal scale agreement among many raters*, Psychol. Bull. 76
    /// (1971).
    #[expect(clippy::cast_precision_loss, reason = "ratings stay far below 2^53")]
    pub fn kappa(&self) -> Result<f64, Undefined> {
        let total = self.category_totals.iter().sum::<u64>() as f64;
        let squares: f64 = self.category_totals.iter().map(|n| (*n as f64 / total).powi(2)).sum();
        self.corrected(squares)
    }

    /// Randolph's free-marginal κ: chance picks every category alike.
    ///
    /// # Errors
    /// As [`FleissSums::kappa`]; [`Undefined::OneCategory`] if only one is declared.
    #[expect(clippy::cast_precision_loss, reason = "categories stay far below 2^53")]
    pub fn free_marginal_kappa(&self) -> Result<f64, Undefined> {
        self.corrected(1.0 / self.category_totals.len() as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "ratings stay far below 2^53")]
    fn corrected(&self, by_chance: f64) -> Result<f64, Undefined> {
        if self.ratings_per_item < 2 {
            return Err(Undefined::TooFew { what: "ratings of an item", found: 1, needed: 2 });
        }
        if 1.0 - by_chance <= 0.0 {
            return Err(Undefined::OneCategory);
        }
        let (items, n) = (self.items as f64, self.ratings_per_item as f64);
        let observed = (self.sum_of_squares as f64 - items * n) / (items * n * (n - 1.0));
        Ok((observed - by_chance) / (1.0 - by_chance))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts of ratings fit the address space")]
const fn to_usize(count: u64) -> usize {
    count as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_add_up() {
        let (one, two) = ([3, 0, 2, 1], [1, 2, 0, 3]);
        let mut sum = FleissSums::from_table(2, &one).unwrap();
        sum.add(&FleissSums::from_table(2, &two).unwrap()).unwrap();
        assert_eq!(sum, FleissSums::from_table(2, &[one, two].concat()).unwrap());
    }

    #[test]
    fn undefined_cases_have_reasons() {
        let kappa = |k, counts: &[u32]| FleissSums::from_table(k, counts).map(|s| s.kappa());
        assert_eq!(kappa(2, &[]), Err(Undefined::NoData.into()));
        assert_eq!(kappa(2, &[0, 0]), Err(Undefined::NoData.into()));
        assert_eq!(
            kappa(2, &[1, 1, 1, 2]),
            Err(Undefined::Unbalanced { least: 2, most: 3 }.into())
        );
        assert_eq!(kappa(2, &[2, 0, 2, 0]), Ok(Err(Undefined::OneCategory)));
        assert!(matches!(kappa(2, &[1, 0]), Ok(Err(Undefined::TooFew { .. }))));
        assert!(matches!(kappa(2, &[1]), Err(MeasureError::Invalid(_))));
    }
}
