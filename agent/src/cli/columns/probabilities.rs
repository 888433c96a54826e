//! A model's class probabilities, by column.

use std::collections::HashMap;

use insitu_measure::SUM_TOLERANCE;

use super::labels::number;
use super::{Column, Fault, InputError, Table, shown};

/// What the names of probability columns start with.
const PREFIXES: [&str; 3] = ["p_", "probabilities.", "probability_"];

/// The columns that hold class probabilities: `p_CLASS`, or an inner object or list named
/// `probabilities`.
#[derive(Debug)]
pub(in crate::cli) struct ClassProbabilities<'a> {
    columns: Vec<&'a Column>,
    classes: Vec<String>,
    index: HashMap<String, u32>,
}

impl<'a> ClassProbabilities<'a> {
    /// The columns, if there are any. `classes` names them where they are a list.
    ///
    /// # Errors
    /// [`InputError`] if there are not as many columns as `classes`.
    pub(in crate::cli) fn find(
        table: &'a Table,
        classes: &[String],
    ) -> Result<Option<Self>, InputError> {
        for prefix in PREFIXES {
            let found = Self::with_prefix(table, prefix, classes)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The columns of one head of an ensemble, `hN_CLASS`, if there are any.
    ///
    /// # Errors
    /// [`InputError`] if a class is named twice.
    pub(in crate::cli) fn of_head(
        table: &'a Table,
        head: usize,
    ) -> Result<Option<Self>, InputError> {
        Self::with_prefix(table, &format!("h{head}_"), &[])
    }

    fn with_prefix(
        table: &'a Table,
        prefix: &str,
        classes: &[String],
    ) -> Result<Option<Self>, InputError> {
        let belongs = |column: &&Column| {
            column
                .name()
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let columns: Vec<&Column> = table.columns().iter().filter(belongs).collect();
        if columns.is_empty() {
            return Ok(None);
        }
        let named = || columns.iter().map(|column| column.name()[prefix.len()..].to_owned());
        let classes = if classes.is_empty() { named().collect() } else { classes.to_vec() };
        if classes.len() != columns.len() {
            let (given, found) = (classes.len(), columns.len());
            let text = format!("{given} classes are given, but there are {found} probabilities");
            return Err(table.fault(Fault::Shape(text)));
        }
        let mut index = HashMap::new();
        for (at, class) in (0..).zip(&classes) {
            if index.insert(canonical(class), at).is_some() {
                return Err(table.fault(Fault::Twice(shown(class))));
            }
        }
        Ok(Some(Self { columns, classes, index }))
    }

    /// The same for a table that must have them.
    ///
    /// # Errors
    /// [`InputError`] if there are none, too.
    pub(in crate::cli) fn need(table: &'a Table, classes: &[String]) -> Result<Self, InputError> {
        let wanted = "p_CLASS for each class (or probabilities, in JSON)";
        Self::find(table, classes)?.ok_or_else(|| table.lacks(wanted))
    }

    /// Names of the classes, in the order of the columns.
    pub(in crate::cli) fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether a column is one of these.
    pub(in crate::cli) fn has(&self, column: &Column) -> bool {
        self.columns.iter().any(|own| std::ptr::eq(*own, column))
    }

    /// The number of a class; a class 1 may be written 1.0, and the other way round.
    pub(in crate::cli) fn class(&self, name: &str) -> Option<u32> {
        self.index.get(&canonical(name)).copied()
    }

    /// The class that a record's label names.
    ///
    /// # Errors
    /// [`InputError`] for a gap, or for a label without a column.
    pub(in crate::cli) fn label(
        &self,
        table: &Table,
        column: &Column,
        row: usize,
    ) -> Result<u32, InputError> {
        let name = table.text(column, row)?;
        self.class(name).ok_or_else(|| {
            let (column, found) = (shown(column.name()), shown(name));
            let listed: Vec<String> = self.classes.iter().take(10).map(|c| shown(c)).collect();
            let more = if self.classes.len() > 10 { ", …" } else { "" };
            let wanted =
                format!("one of the {} classes {}{more}", self.classes.len(), listed.join(", "));
            table.fault_at(row, Fault::NotOneOf { column, found, wanted })
        })
    }

    /// The probabilities of one record, appended to `to`.
    ///
    /// # Errors
    /// [`InputError`] for a gap, a number outside [0, 1], or a sum that is not one.
    pub(in crate::cli) fn row(
        &self,
        table: &Table,
        row: usize,
        to: &mut Vec<f64>,
    ) -> Result<(), InputError> {
        let start = to.len();
        for column in &self.columns {
            to.push(table.number_in(column, row, 0.0, 1.0)?);
        }
        let sum: f64 = to[start..].iter().sum();
        if (sum - 1.0).abs() <= SUM_TOLERANCE {
            return Ok(());
        }
        let fault = Fault::Sum { classes: self.columns.len(), sum, tolerance: SUM_TOLERANCE };
        Err(table.fault_at(row, fault))
    }

    /// The probabilities of all records, row-major, shape `[records, classes]`.
    ///
    /// # Errors
    /// As [`ClassProbabilities::row`].
    pub(in crate::cli) fn values(&self, table: &Table) -> Result<Vec<f64>, InputError> {
        let mut values = Vec::with_capacity(table.rows() * self.columns.len());
        for row in 0..table.rows() {
            self.row(table, row, &mut values)?;
        }
        Ok(values)
    }
}

/// A class's name as one that numbers written differently share.
fn canonical(name: &str) -> String {
    number(name).map_or_else(|| name.to_owned(), |value| value.to_string())
}
