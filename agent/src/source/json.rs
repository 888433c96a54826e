//! JSON lines: one object a line.

use std::io::BufRead;

use serde_json::{Map, Value};

use crate::source::{Cell, ImportError, LineError, Record, next_line, skip_mark, trimmed};

/// Reads objects, and gives each to `take`. Empty lines are passed over.
pub(super) fn read(
    mut reader: impl BufRead,
    take: &mut impl FnMut(Record) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    skip_mark(&mut reader).map_err(ImportError::Read)?;
    let mut text = Vec::new();
    let mut line = 0;
    while let Some(fits) = next_line(&mut reader, &mut text).map_err(ImportError::Read)? {
        line += 1;
        if fits && text.trim_ascii().is_empty() {
            continue;
        }
        let cells = if fits { cells(trimmed(&text)) } else { Err(LineError::TooLong) };
        take(Record { line, cells })?;
    }
    Ok(())
}

fn cells(text: &[u8]) -> Result<Vec<(String, Cell)>, LineError> {
    let text = std::str::from_utf8(text).map_err(|_| LineError::Encoding)?;
    Ok(cells_of(serde_json::from_str(text).map_err(|_| LineError::NotAnObject)?))
}

/// The values of an object, nulls aside.
pub(super) fn cells_of(object: Map<String, Value>) -> Vec<(String, Cell)> {
    let mut cells = Vec::with_capacity(object.len());
    for (field, value) in object {
        let cell = match value {
            Value::Null => continue,
            Value::Bool(value) => Cell::Text(value.to_string()),
            // An integer beyond 2^53 would lose its last digits as a number: ids keep them.
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() || float.abs() < 9e15 => Cell::Number(float),
                Some(_) | None => Cell::Text(number.to_string()),
            },
            Value::String(text) => Cell::Text(text),
            Value::Array(_) | Value::Object(_) => Cell::Nested,
        };
        cells.push((field, cell));
    }
    cells
}
