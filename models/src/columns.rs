//! From an item's fields to the backbone's input row.

use crate::manifest::{Column, ColumnKind};

/// A field's value as a source gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// A number.
    Number(f64),
    /// Text; a number column reads it as a decimal number.
    Text(&'a str),
}

/// Why a field does not fit its column. It names the column, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// Not a finite number.
    #[error("field {field:?} is not a finite number")]
    NotANumber {
        /// The field.
        field: String,
    },
    /// A field of text, which becomes tokens and no number.
    #[error("field {field:?} is text, which has no number")]
    Text {
        /// The field.
        field: String,
    },
    /// None of the category's values.
    #[error("field {field:?} has none of its {known} known values")]
    UnknownValue {
        /// The field.
        field: String,
        /// How many values the category has.
        known: usize,
    },
}

/// The input row of one item: `field` gives the value of the field so named, `None` when missing.
///
/// Missing values, and text of nothing but white space, become NaN; the backbone imputes them. A
/// category becomes its position in the column's list; letter case is ignored.
///
/// # Errors
/// Every field that does not fit its column, in the columns' order.
pub fn row<'a>(
    columns: &[Column],
    mut field: impl FnMut(&str) -> Option<FieldValue<'a>>,
) -> Result<Vec<f32>, Vec<ColumnError>> {
    let mut row = Vec::with_capacity(columns.len());
    let mut errors = Vec::new();
    for column in columns {
        match cell(column, field(column.name.as_str())) {
            Ok(value) => row.push(value),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(row) } else { Err(errors) }
}

fn cell(column: &Column, value: Option<FieldValue<'_>>) -> Result<f32, ColumnError> {
    let value = match value {
        Some(FieldValue::Text(text)) if text.trim().is_empty() => None,
        Some(FieldValue::Number(number)) if number.is_nan() => None,
        other => other,
    };
    let Some(value) = value else { return Ok(f32::NAN) };
    match &column.kind {
        ColumnKind::Number => {
            let number = match value {
                FieldValue::Number(number) => Some(number),
                FieldValue::Text(text) => text.trim().parse().ok(),
            };
            // Narrowed first: what is too large for the network is not a number to it.
            number
                .map(crate::head::narrow)
                .filter(|number| number.is_finite())
                .ok_or_else(|| ColumnError::NotANumber { field: column.name.to_string() })
        }
        ColumnKind::Text => Err(ColumnError::Text { field: column.name.to_string() }),
        ColumnKind::Category(values) => {
            let position = match value {
                FieldValue::Text(text) => {
                    values.iter().position(|known| known.as_str().eq_ignore_ascii_case(text.trim()))
                }
                FieldValue::Number(number) => {
                    let text = number.to_string();
                    values.iter().position(|known| known.as_str() == text)
                }
            };
            position.and_then(|position| u16::try_from(position).ok()).map(f32::from).ok_or_else(
                || ColumnError::UnknownValue {
                    field: column.name.to_string(),
                    known: values.len(),
                },
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use insitu_protocol::text::Line;

    use super::*;

    fn columns() -> Vec<Column> {
        let line = |text: &str| Line::new(text).unwrap();
        let category = ColumnKind::Category(vec![line("no"), line("yes"), line("3")]);
        vec![
            Column { name: line("age"), kind: ColumnKind::Number },
            Column { name: line("smoker"), kind: category },
        ]
    }

    #[track_caller]
    fn check(age: Option<FieldValue<'_>>, smoker: Option<FieldValue<'_>>, expected: [f32; 2]) {
        let got = row(&columns(), |name| if name == "age" { age } else { smoker }).unwrap();
        assert_eq!(got.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), expected.map(f32::to_bits));
    }

    #[test]
    fn values_become_numbers_and_missing_becomes_nan() {
        use FieldValue::{Number, Text};
        check(Some(Number(63.0)), Some(Text("yes")), [63.0, 1.0]);
        check(Some(Text(" 2.5 ")), Some(Text("NO")), [2.5, 0.0]);
        check(None, None, [f32::NAN, f32::NAN]);
        check(Some(Text("")), Some(Text("  ")), [f32::NAN, f32::NAN]);
        check(Some(Number(f64::NAN)), Some(Number(3.0)), [f32::NAN, 2.0]);
    }

    #[test]
    fn every_bad_field_is_named_and_no_value_is_told() {
        for bad in ["12 Main Street", "inf", "1e99", "nan?"] {
            let errors = row(&columns(), |_| Some(FieldValue::Text(bad))).unwrap_err();
            assert_eq!(
                errors,
                [
                    ColumnError::NotANumber { field: "age".to_owned() },
                    ColumnError::UnknownValue { field: "smoker".to_owned(), known: 3 },
                ]
            );
            assert!(errors.iter().all(|error| !error.to_string().contains(bad)));
        }
    }
}
