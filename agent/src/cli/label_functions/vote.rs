//! Functions at work on a table's records.

use super::expression::{self, Answer};
use super::set::{Function, Rule, words};
use crate::cli::columns::{Column, Fault, InputError, Table};

/// A function with the columns that it reads.
pub(super) enum Voter<'a> {
    /// It looks at one field.
    Field { rule: &'a Rule, column: &'a Column },
    /// It computes with several.
    Expression { bound: expression::Bound<'a>, rule: &'a Rule },
}

impl<'a> Voter<'a> {
    /// Finds a function's columns.
    ///
    /// # Errors
    /// [`InputError`] for a field that the table does not have, with those that it has, and for an
    /// expression whose types do not fit.
    pub(super) fn new(function: &'a Function, table: &'a Table) -> Result<Self, InputError> {
        let (rule, mut columns) = (&function.rule, Vec::new());
        for field in &function.fields {
            columns.push(table.need(Some(field), &[])?);
        }
        match (rule, &columns[..]) {
            (Rule::Expression { expression, class, .. }, columns) => {
                let bound = expression.bind(table, columns, class.is_none()).map_err(|reason| {
                    let text = format!("function {:?}: the expression {reason}", function.name);
                    table.fault(Fault::Shape(text))
                })?;
                Ok(Self::Expression { bound, rule })
            }
            (_, [column, ..]) => Ok(Self::Field { rule, column }),
            (_, []) => {
                let text = format!("function {:?} reads no field", function.name);
                Err(table.fault(Fault::Shape(text)))
            }
        }
    }

    /// The class that the function votes for; `None` if it abstains.
    pub(super) fn vote(&mut self, row: usize) -> Option<u16> {
        match self {
            Self::Expression { bound, rule: Rule::Expression { class, classes, .. } } => {
                match bound.answer(row)? {
                    Answer::Truth(truth) => class.filter(|_| truth),
                    Answer::Text(name) => classes.get(&name).copied(),
                }
            }
            Self::Field { rule, column } => by_field(rule, column.value(row)?),
            Self::Expression { .. } => None,
        }
    }
}

fn by_field(rule: &Rule, text: &str) -> Option<u16> {
    match rule {
        Rule::Pattern { regex, class } => regex.is_match(text).then_some(*class),
        Rule::Column { classes } => classes.get(text).copied(),
        Rule::Threshold { at_least, below, class } => {
            let number: f64 = text.parse().ok()?;
            (*at_least <= number && number < *below).then_some(*class)
        }
        Rule::Terms { classes, words_max } => {
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
        Rule::Expression { .. } => None,
    }
}
