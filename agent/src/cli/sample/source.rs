//! What is known of the items among which is chosen: columns of a file, or what the site's store and
//! model say.

use super::super::columns::{ClassProbabilities, Column, Fault, InputError, Table};

/// Where the numbers of items come from.
pub(super) enum Source<'a> {
    File(Columns<'a>),
    Store(Stored),
}

/// Columns of a file.
pub(super) struct Columns<'a> {
    pub(super) table: &'a Table,
    pub(super) model: Option<ClassProbabilities<'a>>,
    pub(super) features: Vec<&'a Column>,
    pub(super) heads: Vec<ClassProbabilities<'a>>,
}

/// Items of a project; tables are row-major, a row for each item.
pub(super) struct Stored {
    /// What errors call it.
    pub(super) name: String,
    pub(super) classes: usize,
    /// Shape `[items, classes]`.
    pub(super) probabilities: Vec<f64>,
    pub(super) dimensions: usize,
    /// Shape `[items, dimensions]`.
    pub(super) points: Vec<f64>,
    /// Of each head of an ensemble, shape `[items, classes]`.
    pub(super) heads: Vec<Vec<f64>>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(table: &'a Table, classes: &[String]) -> Result<Self, InputError> {
        let feature = |column: &&Column| {
            column.name().starts_with("f_") || column.name().starts_with("features.")
        };
        let mut heads = Vec::new();
        while let Some(head) = ClassProbabilities::of_head(table, heads.len())? {
            heads.push(head);
        }
        Ok(Self {
            table,
            model: ClassProbabilities::find(table, classes)?,
            features: table.columns().iter().filter(feature).collect(),
            heads,
        })
    }

    /// Class probabilities of some items.
    fn rows(
        &self,
        model: &ClassProbabilities<'_>,
        items: &[usize],
    ) -> Result<Vec<f64>, InputError> {
        let mut values = Vec::with_capacity(items.len() * model.classes().len());
        items.iter().try_for_each(|&item| model.row(self.table, item, &mut values))?;
        Ok(values)
    }
}

impl Source<'_> {
    /// An error about the items as a whole.
    pub(super) fn unfit(&self, text: impl ToString) -> InputError {
        let fault = Fault::Shape(text.to_string());
        match self {
            Self::File(columns) => columns.table.fault(fault),
            Self::Store(stored) => InputError { file: stored.name.clone(), line: None, fault },
        }
    }

    /// Number of classes, where there are probabilities.
    pub(super) fn classes(&self) -> Option<usize> {
        match self {
            Self::File(columns) => columns.model.as_ref().map(|model| model.classes().len()),
            Self::Store(stored) => Some(stored.classes),
        }
    }

    /// Number of features; 0 without any.
    pub(super) fn dimensions(&self) -> usize {
        match self {
            Self::File(columns) => columns.features.len(),
            Self::Store(stored) => stored.dimensions,
        }
    }

    /// Class probabilities of some items, shape `[items, classes]`.
    pub(super) fn probabilities(&self, items: &[usize]) -> Result<Vec<f64>, InputError> {
        match self {
            Self::File(columns) => match &columns.model {
                Some(model) => columns.rows(model, items),
                None => Err(self.unfit(
                    "this strategy needs class probabilities: columns p_CLASS for each class",
                )),
            },
            Self::Store(stored) => Ok(pick(&stored.probabilities, stored.classes, items)),
        }
    }

    /// Features of some items, shape `[items, dimensions]`.
    pub(super) fn points(&self, items: &[usize]) -> Result<Vec<f64>, InputError> {
        match self {
            Self::File(Columns { table, features, .. }) => {
                let mut values = Vec::with_capacity(items.len() * features.len());
                for &item in items {
                    for column in features {
                        values.push(table.number(column, item)?);
                    }
                }
                Ok(values)
            }
            Self::Store(stored) => Ok(pick(&stored.points, stored.dimensions, items)),
        }
    }

    /// Class probabilities of some items by each head of an ensemble, with the number of classes.
    pub(super) fn heads(&self, items: &[usize]) -> Result<Vec<(usize, Vec<f64>)>, InputError> {
        match self {
            Self::File(columns) => columns
                .heads
                .iter()
                .map(|head| Ok((head.classes().len(), columns.rows(head, items)?)))
                .collect(),
            Self::Store(Stored { heads, classes, .. }) => {
                Ok(heads.iter().map(|head| (*classes, pick(head, *classes, items))).collect())
            }
        }
    }
}

fn pick(table: &[f64], width: usize, items: &[usize]) -> Vec<f64> {
    items.iter().flat_map(|item| &table[item * width..(item + 1) * width]).copied().collect()
}
