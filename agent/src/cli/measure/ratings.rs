//! Ratings in long or wide form.

use std::collections::HashMap;

use insitu_measure::Ratings;

use super::arguments::RatingsArguments;
use crate::cli::columns::{Categories, ClassProbabilities, Column, Fault, InputError, Table};

pub(super) const ITEM_NAMES: [&str; 3] = ["item", "id", "item_id"];
pub(super) const RATER_NAMES: [&str; 7] =
    ["rater", "annotator", "worker", "coder", "rater_id", "annotator_id", "worker_id"];
pub(super) const LABEL_NAMES: [&str; 4] = ["label", "rating", "value", "category"];

/// Ratings of a file, each rater at most once for each item.
#[derive(Debug)]
pub(super) struct RatingsFile {
    pub(super) ratings: Ratings,
    pub(super) categories: Categories,
    /// Names of the items with a rating.
    pub(super) items: Vec<String>,
    /// The record in which each item stands first.
    pub(super) first_row: Vec<usize>,
    pub(super) raters: Vec<String>,
    /// Cells without a label.
    pub(super) missing: usize,
    /// Ratings that the same rater replaced by a later one.
    pub(super) repeated: usize,
    /// Items without any rating.
    pub(super) unrated: usize,
}

impl RatingsFile {
    /// Reads ratings; `site` and `model` are columns that hold none.
    pub(super) fn new(
        table: &Table,
        arguments: &RatingsArguments,
        site: Option<&str>,
        model: Option<&ClassProbabilities<'_>>,
    ) -> Result<Self, InputError> {
        let item = table.choose(arguments.item.as_deref(), &ITEM_NAMES)?;
        let rater = table.choose(arguments.rater.as_deref(), &RATER_NAMES)?;
        let label = table.choose(arguments.label.as_deref(), &LABEL_NAMES)?;
        let long = arguments.rater.is_some() || arguments.label.is_some();
        match (item, rater, label) {
            (Some(item), Some(rater), Some(label)) => {
                Self::long(table, &arguments.order, [item, rater, label])
            }
            // Columns were named, so the long form is meant, and this says what lacks.
            _ if long => {
                table.need(arguments.item.as_deref(), &ITEM_NAMES)?;
                table.need(arguments.rater.as_deref(), &RATER_NAMES)?;
                table.need(arguments.label.as_deref(), &LABEL_NAMES)?;
                Err(table.fault(Fault::Empty))
            }
            _ => {
                let is_item = |c: &Column| item.is_some_and(|item| std::ptr::eq(item, c));
                let is_model = |c: &Column| model.is_some_and(|model| model.has(c));
                let is_site = |c: &Column| site == Some(c.name());
                let none = |c: &&Column| is_item(c) || is_model(c) || is_site(c);
                let raters = table.columns().iter().filter(|c| !none(c));
                Self::wide(table, &arguments.order, item, &raters.collect::<Vec<_>>())
            }
        }
    }

    fn long(
        table: &Table,
        order: &[String],
        [item, rater, label]: [&Column; 3],
    ) -> Result<Self, InputError> {
        let categories = Categories::of(table, &[label], order)?;
        let (mut items, mut raters) = (Names::default(), Names::default());
        let mut triples = Vec::with_capacity(table.rows());
        let mut missing = 0;
        for row in 0..table.rows() {
            let item = items.number(table.text(item, row)?, row);
            let rater = raters.number(table.text(rater, row)?, row);
            match categories.at(table, label, row)? {
                Some(label) => triples.push((item, rater, label)),
                None => missing += 1,
            }
        }
        Self::build(table, categories, items, raters.names, triples, missing)
    }

    fn wide(
        table: &Table,
        order: &[String],
        item: Option<&Column>,
        raters: &[&Column],
    ) -> Result<Self, InputError> {
        if raters.is_empty() {
            let text = "there is no column of a rater besides the item's".to_owned();
            return Err(table.fault(Fault::Shape(text)));
        }
        let categories = Categories::of(table, raters, order)?;
        let mut items = Names::default();
        let identifiers = table.identifiers(item);
        let mut triples = Vec::new();
        let mut missing = 0;
        for (row, name) in identifiers.iter().enumerate() {
            let item = items.number(name, row);
            for (rater, column) in (0..).zip(raters) {
                match categories.at(table, column, row)? {
                    Some(label) => triples.push((item, rater, label)),
                    None => missing += 1,
                }
            }
        }
        let raters = raters.iter().map(|column| column.name().to_owned()).collect();
        Self::build(table, categories, items, raters, triples, missing)
    }

    fn build(
        table: &Table,
        categories: Categories,
        items: Names,
        raters: Vec<String>,
        mut triples: Vec<(u32, u32, u32)>,
        missing: usize,
    ) -> Result<Self, InputError> {
        let given = triples.len();
        // Of a rater's labels for one item the last one stays.
        triples.reverse();
        triples.sort_by_key(|&(item, rater, _)| (item, rater));
        triples.dedup_by_key(|&mut (item, rater, _)| (item, rater));
        let repeated = given - triples.len();
        // Items without a rating would stand in the way of measures of balanced tables.
        let mut rated = vec![false; items.names.len()];
        triples.iter().for_each(|triple| rated[triple.0 as usize] = true);
        let mut number = vec![0_u32; rated.len()];
        let mut next = 0;
        for (number, rated) in number.iter_mut().zip(&rated) {
            *number = next;
            next += u32::from(*rated);
        }
        triples.iter_mut().for_each(|triple| triple.0 = number[triple.0 as usize]);
        let keep = |at: &usize| rated[*at];
        let (names, rows) = (items.names, items.rows);
        let first_row: Vec<usize> = (0..rows.len()).filter(keep).map(|at| rows[at]).collect();
        let unrated = rated.iter().filter(|rated| !**rated).count();
        let mut position = 0;
        let mut names = names;
        names.retain(|_| {
            position += 1;
            rated[position - 1]
        });
        let ratings = Ratings::from_triples(categories.len(), names.len(), raters.len(), &triples)
            .map_err(|error| table.fault(Fault::Shape(error.to_string())))?;
        Ok(Self {
            ratings,
            categories,
            items: names,
            first_row,
            raters,
            missing,
            repeated,
            unrated,
        })
    }

    /// What was read, in a line or two.
    pub(super) fn summary(&self) -> String {
        let mut text = format!(
            "{} items, {} raters, {} ratings, {} labels",
            self.items.len(),
            self.raters.len(),
            self.ratings.len(),
            self.categories.len()
        );
        let notes = [
            (self.missing, "gaps"),
            (self.unrated, "items without a rating"),
            (self.repeated, "ratings replaced by a later one of the same rater"),
        ];
        for (count, what) in notes.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!("; {count} {what}"));
        }
        text.push('\n');
        text
    }
}

/// Names in the order in which they come, each with a number.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    /// The record in which each stands first.
    rows: Vec<usize>,
    numbers: HashMap<String, u32>,
}

impl Names {
    fn number(&mut self, name: &str, row: usize) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        // A table has fewer cells than a u32 can count.
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.rows.push(row);
        self.numbers.insert(name.to_owned(), number);
        number
    }
}
