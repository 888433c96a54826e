//! Records that are nothing but columns, one of which holds the label: a class's name, a JSON list of
//! them, or a label's own JSON. As `export` writes them, or as anybody may.

use std::fs::File;
use std::io::BufRead;

use serde_json::Value;

use super::{Ask, Bad, Found, Labeled, Said, Take, lines, object};
use crate::source::{self, Cell, ImportError, LineError, Record};

/// Where exported JSON lines have an item's own columns.
const FIELDS: &str = "fields";

pub(super) fn csv(
    ask: &Ask<'_>,
    reader: &mut dyn BufRead,
    take: Take<'_>,
) -> Result<(), ImportError> {
    source::csv::read(reader, ask.rules.source, &mut |record| take(ask.with_label(record)))
}

pub(super) fn parquet(ask: &Ask<'_>, file: File, take: Take<'_>) -> Result<(), ImportError> {
    let wanted = source::wanted(ask.project, ask.rules, Some(ask.label));
    source::parquet::read(file, ask.rules.source, wanted, &mut |record| {
        take(ask.with_label(record))
    })
}

pub(super) fn json_lines(
    ask: &Ask<'_>,
    reader: &mut dyn BufRead,
    take: Take<'_>,
) -> Result<(), ImportError> {
    lines(ask, reader, take, |line| {
        let mut record = object(line)?;
        let said = record.remove(ask.label).map(Said::Own);
        if let Some(Value::Object(fields)) = record.remove(FIELDS) {
            record.extend(fields);
        }
        Ok(Found { record, said })
    })
}

impl Ask<'_> {
    /// A record of columns, with the label that one of them holds.
    pub(super) fn with_label(&self, Record { line, cells }: Record) -> Result<Labeled, Bad> {
        let labeled = |cells: Vec<(String, Cell)>| {
            let held = cells.iter().find(|(name, _)| name == self.label);
            let said = match held.map(|(_, cell)| cell) {
                None => None,
                Some(Cell::Text(text)) if self.project.class_named(text.trim()).is_some() => {
                    Some(Said::Own(text.as_str().into()))
                }
                Some(Cell::Text(text)) => Some(Said::Own(cell_value(text)?)),
                Some(Cell::Number(number)) => Some(Said::Own(number.to_string().into())),
                Some(Cell::Nested) => {
                    return Err(LineError::Nested { field: self.label.to_owned() });
                }
            };
            let label = said.map_or(Ok(None), |said| said.label(self.project))?;
            Ok(Labeled { file: None, line, cells, label, size: None })
        };
        cells.and_then(labeled).map_err(|reason| Bad { file: None, line, reason })
    }
}

/// What a cell holds: JSON if it looks like it, else a class's name.
fn cell_value(text: &str) -> Result<Value, LineError> {
    if !text.trim_start().starts_with(['[', '{']) {
        return Ok(text.into());
    }
    serde_json::from_str(text).map_err(|_| LineError::NotJson)
}
