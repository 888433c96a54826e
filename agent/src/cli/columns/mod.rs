//! Tables of plain shape: what the commands on files work on, kept column by column.
//!
//! A file is CSV with a header (comma, semicolon or tab) or one JSON object a line; which of the
//! two, its first character says. Of a JSON object, an inner list or object becomes columns of
//! its own: `{"p": {"cat": 0.9}}` is column `p.cat`, `{"p": [0.9]}` is `p.0`.

mod labels;
mod probabilities;
mod read;

pub(super) use labels::{Categories, shown};
pub(super) use probabilities::ClassProbabilities;
pub(super) use read::{parse, read};

use std::io;

use insitu_measure::Short;

use crate::source::LineError;

/// Texts that stand for no value, besides an empty cell and JSON's `null`.
const MISSING: [&str; 4] = ["NA", "NaN", "nan", "null"];
/// Columns that an error lists.
const LISTED_MAX: usize = 20;

/// A file's records, all cells as text. A missing cell is empty.
#[derive(Debug)]
pub(super) struct Table {
    file: String,
    /// First line of each record, from 1.
    lines: Vec<u64>,
    columns: Vec<Column>,
}

/// The cells of one column.
#[derive(Debug)]
pub(super) struct Column {
    name: String,
    text: String,
    /// End of each cell in `text`; records behind the last have no value.
    ends: Vec<usize>,
}

/// What is wrong with a file, or with a line of it.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {fault}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub(super) struct InputError {
    pub(super) file: String,
    /// From 1; `None` if it is the file as a whole.
    pub(super) line: Option<u64>,
    pub(super) fault: Fault,
}

/// The kinds of faults.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// Not a record.
    #[error(transparent)]
    Line(LineError),
    /// Nothing to measure at all.
    #[error("there are no records")]
    Empty,
    /// A list where one object a line is needed.
    #[error("starts a JSON list; one object on each line is needed")]
    List,
    /// Over a limit.
    #[error("{found} {what}, more than the limit of {limit}")]
    TooMany { what: &'static str, found: usize, limit: usize },
    /// Two columns of one name.
    #[error("two columns are named {0}")]
    Twice(String),
    /// A column that is needed.
    #[error("there is no column {wanted}; the columns are {found}")]
    NoColumn { wanted: String, found: String },
    /// A cell that is needed.
    #[error("column {column} has no value")]
    Missing { column: String },
    /// A cell that must be a number.
    #[error("column {column} holds {found}, not a number")]
    NotNumber { column: String, found: String },
    /// A number outside its range.
    #[error("column {column} holds {}, outside {} to {}", Short(*found), Short(*min), Short(*max))]
    Range { column: String, found: f64, min: f64, max: f64 },
    /// A cell that must be one of a few.
    #[error("column {column} holds {found}; it must be {wanted}")]
    NotOneOf { column: String, found: String, wanted: String },
    /// Probabilities that are none.
    #[error("the {classes} class probabilities sum to {}, not 1 within {tolerance}", Short(*sum))]
    Sum { classes: usize, sum: f64, tolerance: f64 },
    /// A whole of several columns that do not fit.
    #[error("{0}")]
    Shape(String),
}

impl Table {
    /// Number of records.
    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Names of the columns, in the order of the file.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The columns, in the order of the file.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of the name that an option gives, or else the first of `usual` names, in any
    /// case of letters.
    pub(super) fn choose(
        &self,
        given: Option<&str>,
        usual: &[&str],
    ) -> Result<Option<&Column>, InputError> {
        if let Some(name) = given {
            let found = self.columns.iter().find(|column| column.name == name);
            return found.map(Some).ok_or_else(|| self.lacks(name));
        }
        let same = |name: &&str| self.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
        Ok(usual.iter().find_map(same))
    }

    /// The same for a column that must be there.
    pub(super) fn need(&self, given: Option<&str>, usual: &[&str]) -> Result<&Column, InputError> {
        self.choose(given, usual)?.ok_or_else(|| self.lacks(&usual.join(" or ")))
    }

    /// An error about the file as a whole.
    pub(super) fn fault(&self, fault: Fault) -> InputError {
        InputError { file: self.file.clone(), line: None, fault }
    }

    /// An error about one record.
    pub(super) fn fault_at(&self, row: usize, fault: Fault) -> InputError {
        InputError { file: self.file.clone(), line: self.lines.get(row).copied(), fault }
    }

    /// A finite number that must be there.
    pub(super) fn number(&self, column: &Column, row: usize) -> Result<f64, InputError> {
        let Some(text) = column.value(row) else {
            // "NaN" where a number belongs is no gap but a mistake.
            let fault = match column.cell(row) {
                "" => Fault::Missing { column: shown(&column.name) },
                text => Fault::NotNumber { column: shown(&column.name), found: shown(text) },
            };
            return Err(self.fault_at(row, fault));
        };
        text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| {
            let (column, found) = (shown(&column.name), shown(text));
            self.fault_at(row, Fault::NotNumber { column, found })
        })
    }

    /// A number of a range that must be there.
    pub(super) fn number_in(
        &self,
        column: &Column,
        row: usize,
        min: f64,
        max: f64,
    ) -> Result<f64, InputError> {
        let found = self.number(column, row)?;
        if (min..=max).contains(&found) {
            return Ok(found);
        }
        let column = shown(&column.name);
        Err(self.fault_at(row, Fault::Range { column, found, min, max }))
    }

    /// A whole number from 0 that must be there.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "checked to be whole and within the limit"
    )]
    pub(super) fn whole(
        &self,
        column: &Column,
        row: usize,
        limit: usize,
    ) -> Result<usize, InputError> {
        let found = self.number_in(column, row, 0.0, limit as f64)?;
        if found.fract().abs() > 0.0 {
            let (column, found) = (shown(&column.name), shown(&found.to_string()));
            let wanted = "a whole number".to_owned();
            return Err(self.fault_at(row, Fault::NotOneOf { column, found, wanted }));
        }
        Ok(found as usize)
    }

    /// A text that must be there.
    pub(super) fn text<'a>(&self, column: &'a Column, row: usize) -> Result<&'a str, InputError> {
        let missing = || Fault::Missing { column: shown(&column.name) };
        column.value(row).ok_or_else(|| self.fault_at(row, missing()))
    }

    /// What to call each record: the identifier where there is one, else its line.
    pub(super) fn identifiers(&self, column: Option<&Column>) -> Vec<String> {
        let name = |row: usize| match column.and_then(|column| column.value(row)) {
            Some(text) => text.to_owned(),
            None => format!("line {}", self.lines[row]),
        };
        (0..self.rows()).map(name).collect()
    }

    fn lacks(&self, wanted: &str) -> InputError {
        let mut found: Vec<String> = self.names().take(LISTED_MAX).map(shown).collect();
        if self.columns.len() > LISTED_MAX {
            found.push(format!("{} more", self.columns.len() - LISTED_MAX));
        }
        self.fault(Fault::NoColumn { wanted: wanted.to_owned(), found: found.join(", ") })
    }
}

impl Column {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The cell as it is; empty where there is none.
    pub(super) fn cell(&self, row: usize) -> &str {
        let Some(&end) = self.ends.get(row) else { return "" };
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..end]
    }

    /// The cell's value without space around it; `None` where it stands for none.
    pub(super) fn value(&self, row: usize) -> Option<&str> {
        let text = self.cell(row).trim();
        (!text.is_empty() && !MISSING.contains(&text)).then_some(text)
    }
}
