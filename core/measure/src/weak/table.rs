//! Votes of labeling functions, and what can be said about them at a glance.

use std::collections::HashMap;

use crate::input::{InvalidInput, at_most, same_length};
use crate::probabilities::Probabilities;
use crate::ratings::Ratings;

/// Most classes.
const CATEGORIES_MAX: u32 = 1 << 16;
/// Most different rows that are looked up in a plain array.
const DIRECT_MAX: usize = 1 << 22;

/// Votes for a class or abstentions (`None`), row-major, shape `[items, functions]`.
#[derive(Clone, Debug)]
pub struct VoteTable<'a> {
    categories: usize,
    functions: usize,
    votes: &'a [Option<u16>],
    /// Rows that occur, as positions of their first item, and how often.
    pub(super) distinct: Vec<(usize, f64)>,
    /// For each item the position of its row among those.
    pub(super) row_of_item: Vec<u32>,
}

/// What one labeling function does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FunctionSummary {
    /// Share of items that it votes on.
    pub coverage: f64,
    /// Share of items that it votes on together with another function.
    pub overlap: f64,
    /// Share of items on which another function votes for another class.
    pub conflict: f64,
    /// Share of its votes that are right; `None` without known labels under its votes.
    pub accuracy: Option<f64>,
}

/// What all labeling functions do; every share is of all items, and 0 without items.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One for each function.
    pub functions: Vec<FunctionSummary>,
    /// Share of items with a vote.
    pub coverage: f64,
    /// Share of items with two votes or more.
    pub overlap: f64,
    /// Share of items with votes for different classes.
    pub conflict: f64,
}

impl<'a> VoteTable<'a> {
    /// Checks the votes and finds equal rows, so that models work on each row once.
    ///
    /// # Errors
    /// [`InvalidInput`] if there is no whole number of rows, a vote is not below `categories`, or
    /// there is no class, or more than 65,536 of them or 2³² items.
    pub fn new(
        categories: usize,
        functions: usize,
        votes: &'a [Option<u16>],
    ) -> Result<Self, InvalidInput> {
        at_most("categories", CATEGORIES_MAX as usize, categories)?;
        if categories == 0 {
            return Err(InvalidInput::Range {
                what: "categories",
                index: 0,
                value: 0.0,
                min: 1.0,
                max: f64::from(CATEGORIES_MAX),
            });
        }
        let items = votes.len().checked_div(functions).unwrap_or(0);
        same_length("votes", items * functions, votes.len())?;
        at_most("items", u32::MAX as usize, items)?;
        let mut table =
            Self { categories, functions, votes, distinct: Vec::new(), row_of_item: Vec::new() };
        table.group()?;
        Ok(table)
    }

    /// Number of classes.
    #[must_use]
    pub const fn categories(&self) -> usize {
        self.categories
    }

    /// Number of labeling functions.
    #[must_use]
    pub const fn functions(&self) -> usize {
        self.functions
    }

    /// Number of items.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.row_of_item.len()
    }

    /// The votes on one item; none if there is no such item.
    #[must_use]
    pub fn row(&self, item: usize) -> &'a [Option<u16>] {
        self.votes.get(item * self.functions..(item + 1) * self.functions).unwrap_or(&[])
    }

    /// The votes on one item as (function, class).
    pub(super) fn cast(&self, item: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
        self.row(item).iter().enumerate().filter_map(|(f, vote)| vote.map(|v| (f, usize::from(v))))
    }

    /// The votes as ratings, each function an annotator.
    ///
    /// # Errors
    /// As [`Ratings::from_table`].
    pub fn to_ratings(&self) -> Result<Ratings, InvalidInput> {
        let votes: Vec<Option<u32>> = self.votes.iter().map(|vote| vote.map(u32::from)).collect();
        Ratings::from_table(self.categories, self.functions, &votes)
    }

    /// Coverage, overlap and conflict, and accuracy where `truth` has a label.
    ///
    /// # Errors
    /// [`InvalidInput::Length`] if `truth` is not empty and has not one entry for each item.
    ///
    /// ```
    /// use insitu_measure::weak::VoteTable;
    ///
    /// let votes = [Some(0), Some(1), None, Some(1)];
    /// let summary = VoteTable::new(2, 2, &votes)?.summary(&[Some(1), Some(1)])?;
    /// assert_eq!((summary.functions[0].coverage, summary.conflict), (0.5, 0.5));
    /// assert_eq!(summary.functions[1].accuracy, Some(1.0));
    /// # Ok::<(), insitu_measure::InvalidInput>(())
    /// ```
    #[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
    pub fn summary(&self, truth: &[Option<u16>]) -> Result<Summary, InvalidInput> {
        if !truth.is_empty() {
            same_length("truth", self.items(), truth.len())?;
        }
        let items = self.items().max(1) as f64;
        // By function: votes, with another, against another, judged, right.
        let mut sums = vec![[0.0; 5]; self.functions];
        let mut all = [0.0; 3];
        for &(item, count) in &self.distinct {
            let votes = self.cast(item);
            let number = votes.clone().count();
            let differ = |class: usize| votes.clone().any(|(_, other)| other != class);
            for (function, class) in votes.clone() {
                let sums = &mut sums[function];
                sums[0] += count;
                sums[1] += if number > 1 { count } else { 0.0 };
                sums[2] += if differ(class) { count } else { 0.0 };
            }
            all[0] += if number > 0 { count } else { 0.0 };
            all[1] += if number > 1 { count } else { 0.0 };
            let conflict = votes.clone().next().is_some_and(|(_, class)| differ(class));
            all[2] += if conflict { count } else { 0.0 };
        }
        for (item, truth) in truth.iter().enumerate().filter_map(|(i, t)| t.map(|t| (i, t))) {
            for (function, class) in self.cast(item) {
                sums[function][3] += 1.0;
                sums[function][4] += f64::from(u8::from(class == usize::from(truth)));
            }
        }
        let summary = |sums: &[f64; 5]| FunctionSummary {
            coverage: sums[0] / items,
            overlap: sums[1] / items,
            conflict: sums[2] / items,
            accuracy: (sums[3] > 0.0).then(|| sums[4] / sums[3]),
        };
        let [coverage, overlap, conflict] = all.map(|sum| sum / items);
        Ok(Summary { functions: sums.iter().map(summary).collect(), coverage, overlap, conflict })
    }

    /// Values of every item from those of every distinct row; `width` values a row.
    pub(super) fn spread(&self, rows: &[f64], width: usize) -> Vec<f64> {
        if width == 1 {
            return self.row_of_item.iter().map(|&row| rows[row as usize]).collect();
        }
        let mut values = Vec::with_capacity(self.items() * width);
        for &row in &self.row_of_item {
            values.extend_from_slice(&rows[row as usize * width..(row as usize + 1) * width]);
        }
        values
    }

    fn group(&mut self) -> Result<(), InvalidInput> {
        let items = self.votes.len().checked_div(self.functions).unwrap_or(0);
        self.row_of_item.reserve_exact(items);
        let base = self.categories + 1;
        let codes = u32::try_from(self.functions).ok().and_then(|f| base.checked_pow(f));
        match codes {
            Some(codes) if codes <= DIRECT_MAX => {
                let powers: Vec<usize> =
                    std::iter::successors(Some(1), |power: &usize| power.checked_mul(base))
                        .take(self.functions)
                        .collect();
                let mut seen = vec![u32::MAX; codes];
                for item in 0..items {
                    let (code, most) = code(self.row(item), &powers);
                    if most > self.categories {
                        return Err(self.unknown(item));
                    }
                    if seen[code] == u32::MAX {
                        seen[code] = to_u32(self.distinct.len());
                        self.distinct.push((item, 0.0));
                    }
                    self.row_of_item.push(seen[code]);
                }
            }
            _ => {
                let mut seen: HashMap<&[Option<u16>], u32> = HashMap::new();
                for item in 0..items {
                    if self.row(item).iter().flatten().any(|v| usize::from(*v) >= self.categories) {
                        return Err(self.unknown(item));
                    }
                    let next = to_u32(self.distinct.len());
                    let slot = *seen.entry(self.row(item)).or_insert(next);
                    if slot == next {
                        self.distinct.push((item, 0.0));
                    }
                    self.row_of_item.push(slot);
                }
            }
        }
        self.row_of_item.iter().for_each(|&row| self.distinct[row as usize].1 += 1.0);
        Ok(())
    }

    /// The fault of an item with a vote for a class that does not exist.
    fn unknown(&self, item: usize) -> InvalidInput {
        let votes = self.row(item).iter().enumerate().filter_map(|(f, vote)| vote.map(|v| (f, v)));
        let (function, found) = votes.max_by_key(|(_, vote)| *vote).unwrap_or((0, 0));
        let index = item * self.functions + function;
        let found = usize::from(found);
        InvalidInput::Unknown { what: "votes", index, found, count: self.categories }
    }
}

/// The row as a number in base classes + 1 with 0 for an abstention, and its greatest digit.
fn code(row: &[Option<u16>], powers: &[usize]) -> (usize, usize) {
    row.iter().zip(powers).fold((0, 0), |(code, most), (vote, power)| {
        let digit = vote.map_or(0, |vote| usize::from(vote) + 1);
        (code + digit * power, most.max(digit))
    })
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).expect("at most 2³² items, checked when made")
}

/// Shares of the classes with the most votes: even among ties, and among all classes for an item
/// without votes. Row-major, shape `[items, categories]`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "classes stay far below 2^53")]
pub fn majority_vote(table: &VoteTable<'_>) -> Vec<f64> {
    let mut rows = Vec::with_capacity(table.distinct.len() * table.categories);
    for &(item, _) in &table.distinct {
        let mut counts = vec![0_usize; table.categories];
        table.cast(item).for_each(|(_, class)| counts[class] += 1);
        let top = counts.iter().copied().max().unwrap_or(0);
        let tied = counts.iter().filter(|count| **count == top).count() as f64;
        rows.extend(counts.iter().map(|&count| if count == top { 1.0 / tied } else { 0.0 }));
    }
    table.spread(&rows, table.categories)
}

/// Whether a table of priors fits: one positive share for each class.
pub(super) fn check_balance(categories: usize, balance: &[f64]) -> Result<(), InvalidInput> {
    same_length("balance", categories, balance.len())?;
    crate::input::within("balance", balance, f64::MIN_POSITIVE, 1.0)?;
    Probabilities::new(categories, balance).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_classes_are_grouped_by_row() {
        let votes: Vec<Option<u16>> = (0..40).map(|i| Some(i % 20 * 3000)).collect();
        let table = VoteTable::new(60_000, 10, &votes).unwrap();
        assert_eq!((table.distinct.len(), table.row_of_item[3]), (2, 1));
    }

    #[test]
    fn bad_votes_are_refused() {
        assert!(VoteTable::new(2, 2, &[Some(2), None]).is_err());
        assert!(VoteTable::new(2, 2, &[Some(1)]).is_err());
        assert!(VoteTable::new(1_000_000, 1, &[]).is_err());
        assert!(VoteTable::new(0, 4, &[None; 4]).is_err());
        let empty = VoteTable::new(2, 0, &[]).unwrap();
        assert!(majority_vote(&empty).is_empty());
    }
}
