//! Functions at work on a table's records.

use std::collections::HashMap;

use super::expression::{self, Answer};
use super::set::{Function, Rule, Test, words};
use crate::cli::columns::{Column, Fault, InputError, Table};

/// A function with the columns that it reads.
pub(super) enum Voter<'a> {
    /// It looks at one field.
    Field { test: &'a Test, column: &'a Column },
    /// It computes with several.
    Expression {
        bound: expression::Bound<'a>,
        class: Option<u16>,
        classes: &'a HashMap<String, u16>,
    },
}

impl<'a> Voter<'a> {
    /// Finds a function's columns.
    ///
    /// # Errors
    /// [`InputError`] for a field that the table does not have, with those that it has, and for an
    /// expression whose types do not fit.
    pub(super) fn new(function: &'a Function, table: &'a Table) -> Result<Self, InputError> {
        let column = |field: &String| table.need(Some(field), &[]);
        match &function.rule {
            Rule::Field { field, test } => Ok(Self::Field { test, column: column(field)? }),
            Rule::Expression { expression, class, classes } => {
                let fields = expression.fields().iter();
                let columns = fields.map(column).collect::<Result<Vec<_>, _>>()?;
                let bound =
                    expression.bind(table, &columns, class.is_none()).map_err(|reason| {
                        let text = format!("function {:?}: the expression {reason}", function.name);
                        table.fault(Fault::Shape(text))
                    })?;
                Ok(Self::Expression { bound, class: *class, classes })
            }
        }
    }

    /// The class that the function votes for; `None` if it abstains.
    pub(super) fn vote(&mut self, row: usize) -> Option<u16> {
        match self {
            Self::Field { test, column } => by_field(test, column.value(row)?),
            Self::Expression { bound, class, classes } => match bound.answer(row)? {
                Answer::Truth(truth) => class.filter(|_| truth),
                Answer::Text(name) => classes.get(&name).copied(),
            },
        }
    }
}

fn by_field(test: &Test, text: &str) -> Option<u16> {
    match test {
        Test::Pattern { regex, class } => regex.is_match(text).then_some(*class),
        Test::Column { classes } => classes.get(text).copied(),
        Test::Threshold { at_least, below, class } => {
            let number: f64 = text.parse().ok()?;
            (*at_least <= number && number < *below).then_some(*class)
        }
        Test::Terms { classes, words_max } => {
            let words = words(text);
            let mut found = None;
            for start in 0..words.len() {
                let mut run = String::new();
                for word in words[start..].iter().take(*words_max) {
                    if !run.is_empty() {
                        run.push(' ');
                    }
                    run.push_str(word);
                    match (classes.get(&run), found) {
                        (Some(class), None) => found = Some(*class),
                        (Some(class), Some(other)) if *class != other => return None,
                        _ => {}
                    }
                }
            }
            found
        }
    }
}
