//! The items among which labels are propagated: rows of a file, pictures, or a project's own.

use super::super::columns::{Categories, Column, Fault, InputError, Table};
use super::images::Pictures;

const ITEM_NAMES: [&str; 3] = ["id", "item", "item_id"];

/// Items and what is known of them.
pub(super) struct Items<'a> {
    pub(super) names: Vec<String>,
    /// Position in `categories`.
    pub(super) labels: Vec<Option<u32>>,
    pub(super) categories: Vec<String>,
    pub(super) source: Source<'a>,
}

/// Where items come from.
pub(super) enum Source<'a> {
    File(&'a Table),
    Pictures(Pictures),
    Store(Stored),
}

/// Items of a project.
pub(super) struct Stored {
    /// What errors call it.
    pub(super) name: String,
    /// Equal for equal items.
    pub(super) digests: Vec<String>,
    pub(super) signatures: Vec<Vec<u32>>,
    pub(super) dimensions: usize,
    /// Row-major, shape `[items, dimensions]`.
    pub(super) points: Vec<f64>,
}

impl<'a> Items<'a> {
    /// Rows of a file, of which some have a label.
    pub(super) fn of_file(table: &'a Table) -> Result<Self, InputError> {
        let label = table.need(None, &["label"])?;
        let categories = Categories::of(table, &[label], &[])?;
        if categories.len() == 0 {
            return Err(table.fault(Fault::Shape("no item has a label to propagate".to_owned())));
        }
        let labels = (0..table.rows()).map(|row| categories.at(table, label, row));
        Ok(Self {
            names: table.identifiers(table.choose(None, &ITEM_NAMES)?),
            labels: labels.collect::<Result<_, InputError>>()?,
            categories: categories.names().to_vec(),
            source: Source::File(table),
        })
    }

    pub(super) fn category(&self, category: u32) -> String {
        self.categories[category as usize].clone()
    }

    /// The names of some rows, as many as are listed.
    pub(super) fn ids(&self, rows: &[usize]) -> Vec<String> {
        rows.iter().take(super::LISTED_MAX).map(|&row| self.names[row].clone()).collect()
    }
}

impl Source<'_> {
    /// An error about the items as a whole.
    pub(super) fn unfit(&self, fault: Fault) -> InputError {
        match self {
            Self::File(table) => table.fault(fault),
            Self::Pictures(pictures) => {
                InputError { file: pictures.name.clone(), line: None, fault }
            }
            Self::Store(stored) => InputError { file: stored.name.clone(), line: None, fault },
        }
    }

    /// An error about an input that a method does not take.
    pub(super) fn shape(&self, text: impl ToString) -> InputError {
        self.unfit(Fault::Shape(text.to_string()))
    }

    /// What items are compared by: equal values are equal items. A gap is like nothing.
    pub(super) fn values(&self) -> Result<Vec<Option<&str>>, InputError> {
        Ok(match self {
            Self::File(table) => {
                let column = table.need(None, &["text"])?;
                (0..table.rows()).map(|row| column.value(row)).collect()
            }
            Self::Pictures(pictures) => pictures.digests.iter().map(Option::as_deref).collect(),
            Self::Store(stored) => stored.digests.iter().map(|one| Some(one.as_str())).collect(),
        })
    }

    /// Number of features, and all of them, row-major.
    pub(super) fn points(&self) -> Result<(usize, Vec<f64>), InputError> {
        match self {
            Self::File(table) => features(table),
            Self::Pictures(_) => {
                Err(self.shape("pictures have no features: spread over those of a file"))
            }
            Self::Store(Stored { dimensions: 0, .. }) => {
                Err(self.shape("the project has neither a model nor features"))
            }
            Self::Store(stored) => Ok((stored.dimensions, stored.points.clone())),
        }
    }
}

fn features(table: &Table) -> Result<(usize, Vec<f64>), InputError> {
    let feature = |column: &&Column| {
        column.name().starts_with("f_") || column.name().starts_with("features.")
    };
    let features: Vec<&Column> = table.columns().iter().filter(feature).collect();
    if features.is_empty() {
        let wanted = "f_NAME for each feature (or features, in JSON)".to_owned();
        table.need(None, &[&wanted])?;
    }
    super::spreading::bounded(table.rows(), features.len()).map_err(|fault| table.fault(fault))?;
    let mut points = Vec::with_capacity(table.rows() * features.len());
    for row in 0..table.rows() {
        for column in &features {
            points.push(table.number(column, row)?);
        }
    }
    Ok((features.len(), points))
}
