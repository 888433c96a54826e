//! Who gave which item which label.

use crate::input::{InvalidInput, at_most, same_length};

/// Most ratings, items, annotators or categories that one [`Ratings`] holds.
pub const RATINGS_MAX: usize = u32::MAX as usize;

/// One label by one annotator (or labeling function).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rating {
    /// Annotator, from 0.
    pub annotator: u32,
    /// Category, from 0.
    pub label: u32,
}

/// Labels by any number of annotators for any number of items, with gaps and repeats.
///
/// Kept item after item, eight bytes a rating. Within an item, ratings keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ratings {
    categories: usize,
    annotators: usize,
    /// Start of each item's ratings, and the end of the last.
    starts: Vec<u32>,
    ratings: Vec<Rating>,
}

impl Ratings {
    /// From a table with a row for each item and a column for each annotator, row-major,
    /// shape `[items, annotators]`.
    ///
    /// # Errors
    /// [`InvalidInput`] if the table has no whole number of rows, a label is not below
    /// `categories`, or there is more than [`RATINGS_MAX`] of something.
    ///
    /// ```
    /// use insitu_measure::Ratings;
    ///
    /// let ratings = Ratings::from_table(2, 3, &[Some(0), None, Some(0), Some(1), Some(0), None])?;
    /// assert_eq!((ratings.items(), ratings.len()), (2, 4));
    /// # Ok::<(), insitu_measure::InvalidInput>(())
    /// ```
    pub fn from_table(
        categories: usize,
        annotators: usize,
        table: &[Option<u32>],
    ) -> Result<Self, InvalidInput> {
        check_sizes(categories, annotators, table.len())?;
        let items = table.len().checked_div(annotators).unwrap_or(0);
        same_length("table", items * annotators, table.len())?;
        let mut starts = Vec::with_capacity(items + 1);
        let mut ratings = Vec::with_capacity(table.len());
        for (item, row) in table.chunks_exact(annotators.max(1)).enumerate() {
            starts.push(to_u32(ratings.len()));
            for (annotator, label) in (0..).zip(row) {
                let Some(label) = *label else { continue };
                let index = item * annotators + annotator as usize;
                check_label(index, label, categories)?;
                ratings.push(Rating { annotator, label });
            }
        }
        starts.push(to_u32(ratings.len()));
        Ok(Self { categories, annotators, starts, ratings })
    }

    /// From triples (item, annotator, label) in any order. An annotator may rate an item twice.
    ///
    /// # Errors
    /// [`InvalidInput`] if an item, annotator or label is not below its number, or there is more
    /// than [`RATINGS_MAX`] of something.
    pub fn from_triples(
        categories: usize,
        items: usize,
        annotators: usize,
        triples: &[(u32, u32, u32)],
    ) -> Result<Self, InvalidInput> {
        check_sizes(categories, annotators, triples.len())?;
        at_most("items", RATINGS_MAX - 1, items)?;
        let mut starts = vec![0_u32; items + 1];
        for (index, &(item, annotator, label)) in triples.iter().enumerate() {
            check_known("items", index, item, items)?;
            check_known("annotators", index, annotator, annotators)?;
            check_label(index, label, categories)?;
            starts[item as usize + 1] += 1;
        }
        for item in 0..items {
            starts[item + 1] += starts[item];
        }
        let mut next = starts.clone();
        let mut ratings = vec![Rating { annotator: 0, label: 0 }; triples.len()];
        for &(item, annotator, label) in triples {
            let place = &mut next[item as usize];
            ratings[*place as usize] = Rating { annotator, label };
            *place += 1;
        }
        Ok(Self { categories, annotators, starts, ratings })
    }

    /// Number of categories.
    #[must_use]
    pub const fn categories(&self) -> usize {
        self.categories
    }

    /// Number of annotators.
    #[must_use]
    pub const fn annotators(&self) -> usize {
        self.annotators
    }

    /// Number of items.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of ratings.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ratings.len()
    }

    /// Whether there is no rating.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ratings.is_empty()
    }

    /// The ratings of one item; none if there is no such item.
    #[must_use]
    pub fn item(&self, item: usize) -> &[Rating] {
        match (self.starts.get(item), self.starts.get(item + 1)) {
            (Some(&start), Some(&end)) => &self.ratings[start as usize..end as usize],
            _ => &[],
        }
    }

    /// The ratings of each item in turn.
    pub fn iter(&self) -> impl Iterator<Item = &[Rating]> {
        self.starts.windows(2).map(|w| &self.ratings[w[0] as usize..w[1] as usize])
    }

    /// All ratings, item after item.
    #[must_use]
    pub fn all(&self) -> &[Rating] {
        &self.ratings
    }
}

fn check_sizes(categories: usize, annotators: usize, ratings: usize) -> Result<(), InvalidInput> {
    at_most("categories", RATINGS_MAX, categories)?;
    at_most("annotators", RATINGS_MAX, annotators)?;
    at_most("ratings", RATINGS_MAX, ratings)
}

const fn check_label(index: usize, label: u32, categories: usize) -> Result<(), InvalidInput> {
    check_known("labels", index, label, categories)
}

const fn check_known(
    what: &'static str,
    index: usize,
    id: u32,
    count: usize,
) -> Result<(), InvalidInput> {
    if (id as usize) < count {
        Ok(())
    } else {
        Err(InvalidInput::Unknown { what, index, found: id as usize, count })
    }
}

/// Lengths were checked against [`RATINGS_MAX`].
fn to_u32(length: usize) -> u32 {
    u32::try_from(length).expect("at most RATINGS_MAX ratings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_and_table_agree() {
        let table = [Some(1), None, None, Some(0), Some(2), None];
        let triples = [(1, 1, 0), (0, 0, 1), (2, 0, 2)];
        assert_eq!(
            Ratings::from_table(3, 2, &table).unwrap(),
            Ratings::from_triples(3, 3, 2, &triples).unwrap(),
        );
    }

    #[test]
    fn refuses_what_is_not_declared() {
        assert!(Ratings::from_table(2, 2, &[Some(0), Some(2)]).is_err());
        assert!(Ratings::from_table(2, 2, &[Some(0)]).is_err());
        assert!(Ratings::from_table(2, 0, &[Some(0)]).is_err());
        assert!(Ratings::from_triples(2, 1, 1, &[(1, 0, 0)]).is_err());
        assert!(Ratings::from_triples(2, 1, 1, &[(0, 1, 0)]).is_err());
        assert_eq!(Ratings::from_table(2, 0, &[]).unwrap().items(), 0);
    }
}
