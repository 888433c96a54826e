//! Records that are nothing but columns, one of which holds the label: a class's name, a JSON list of
//! them, or a label's own JSON. As `export` writes them, or as anybody may.

use std::fs::File;
use std::io::BufRead;

use serde_json::Value;

use super::guess::{Guess, number};
use super::{Ask, Bad, Found, Labeled, Said, Take, lines, object};
use crate::source::{self, Cell, ImportError, LineError, Record};

/// The columns of drafts: what a model said, how sure it is of that, and which model.
const DRAFT: [&str; 3] = ["draft", "draft_score", "draft_model"];
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
    let wanted = |name: &str| wanted(name) || (ask.drafts.is_some() && DRAFT.contains(&name));
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
        let guess = match ask.drafts {
            Some(_) => guess(&mut |name| record.remove(name))?,
            None => None,
        };
        if let Some(Value::Object(fields)) = record.remove(FIELDS) {
            record.extend(fields);
        }
        Ok(Found { record, said, guess })
    })
}

impl Ask<'_> {
    /// A record of columns, with the label that one of them holds.
    pub(super) fn with_label(&self, Record { line, cells }: Record) -> Result<Labeled, Bad> {
        let labeled = |cells: Vec<(String, Cell)>| {
            let held = |column: &str| cells.iter().find(|(name, _)| name == column);
            let said = |column: &str| match held(column).map(|(_, cell)| cell) {
                None => Ok(None),
                Some(Cell::Text(text)) if self.project.class_named(text.trim()).is_some() => {
                    Ok(Some(text.as_str().into()))
                }
                Some(Cell::Text(text)) => cell_value(text).map(Some),
                Some(Cell::Number(number)) => Ok(Some(number.to_string().into())),
                Some(Cell::Nested) => Err(LineError::Nested { field: column.to_owned() }),
            };
            let guess = match self.drafts {
                Some(_) => {
                    let [draft, score, model] = DRAFT;
                    let mut found = [said(draft)?, plain(held(score)), plain(held(model))];
                    guess(&mut |name| found[DRAFT.iter().position(|of| *of == name)?].take())?
                }
                None => None,
            };
            let (said, guess) = self.told(said(self.label)?.map(Said::Own), guess);
            let label = said.map_or(Ok(None), |said| said.label(self.project))?;
            let draft = guess.map_or(Ok(None), |guess| self.offer(guess))?;
            Ok(Labeled { file: None, line, cells, label, draft, size: None })
        };
        cells.and_then(labeled).map_err(|reason| Bad { file: None, line, reason })
    }
}

/// What the columns of drafts hold.
fn guess(column: &mut dyn FnMut(&str) -> Option<Value>) -> Result<Option<Guess>, LineError> {
    let [draft, score, model] = DRAFT.map(|name| column(name).filter(|value| !value.is_null()));
    let Some(draft) = draft else { return Ok(None) };
    let score = score.as_ref().map_or(Ok(None), number)?;
    let model = model.and_then(|model| model.as_str().map(str::to_owned));
    Ok(Some(Guess { said: Said::Own(draft), scores: Vec::new(), score, model }))
}

/// What a cell is, as it is.
fn plain(cell: Option<&(String, Cell)>) -> Option<Value> {
    match cell {
        Some((_, Cell::Text(text))) => Some(text.as_str().into()),
        Some((_, Cell::Number(number))) => Some((*number).into()),
        Some((_, Cell::Nested)) | None => None,
    }
}

/// What a cell holds: JSON if it looks like it, else a class's name.
fn cell_value(text: &str) -> Result<Value, LineError> {
    if !text.trim_start().starts_with(['[', '{']) {
        return Ok(text.into());
    }
    serde_json::from_str(text).map_err(|_| LineError::NotJson)
}
