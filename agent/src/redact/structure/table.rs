//! CSV: every column under a site's rule, or as text behind the column's name.

use std::io::{self, BufRead, Write};

use super::super::lines::{Account, LineError, Observer};
use super::{Action, Records, finish};
use crate::source::csv;

/// The header, and what is done to each column.
struct Columns {
    names: Vec<String>,
    actions: Vec<Action>,
    subject: Option<usize>,
    separator: char,
}

/// Cleans a header and its records.
pub(super) fn run(
    records: &Records<'_>,
    reader: impl BufRead,
    mut writer: impl Write,
    observer: &mut impl Observer,
) -> io::Result<()> {
    let mut rows = csv::Records::new(reader);
    let Some((line, header)) = rows.next()? else { return Ok(()) };
    let columns =
        match header.map_err(LineError::from).and_then(|header| Columns::new(records, &header)) {
            Ok(columns) => columns,
            // Without its header nothing is known about any record.
            Err(reason) => return finish(Err(reason), line, &mut writer, observer),
        };
    let header = columns.kept(columns.names.iter().map(String::as_str));
    writer.write_all(header.as_bytes())?;
    while let Some((line, row)) = rows.next()? {
        if row.as_ref().is_ok_and(|row| row.trim().is_empty()) {
            continue;
        }
        let outcome =
            row.map_err(LineError::from).and_then(|row| columns.clean(records, line, &row));
        finish(outcome, line, &mut writer, observer)?;
    }
    writer.flush()
}

impl Columns {
    fn new(records: &Records<'_>, header: &str) -> Result<Self, LineError> {
        let header = header.trim_start_matches('\u{feff}');
        let separator = csv::separator(header);
        let names = csv::split(header, separator)?;
        let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        let rules = records.rules;
        let actions = names.iter().map(|name| rules.action(name).unwrap_or(Action::Text)).collect();
        let subject = rules.subject.as_ref().and_then(|own| names.iter().position(|n| n == own));
        Ok(Self { names, actions, subject, separator })
    }

    fn clean(
        &self,
        records: &Records<'_>,
        line: u64,
        row: &str,
    ) -> Result<(Account, String), LineError> {
        let cells = csv::split(row, self.separator)?;
        if cells.len() != self.names.len() {
            return Err(LineError::Malformed { reason: "not as many values as the header has" });
        }
        let subject = self.subject.map(|at| cells[at].clone());
        let mut cleaner = records.cleaner(line, subject);
        let mut clean = Vec::with_capacity(cells.len());
        for ((name, action), cell) in self.names.iter().zip(&self.actions).zip(&cells) {
            clean.push(cleaner.apply(*action, name, cell)?.unwrap_or_default());
        }
        let text = self.kept(clean.iter().map(String::as_str));
        Ok((cleaner.account, text))
    }

    /// The values of the columns that are not left out, as a line.
    fn kept<'a>(&self, values: impl Iterator<Item = &'a str>) -> String {
        let kept = values.zip(&self.actions).filter(|(_, action)| **action != Action::Drop);
        let values: Vec<String> = kept.map(|(value, _)| self.quoted(value)).collect();
        let mut line = values.join(&self.separator.to_string());
        line.push('\n');
        line
    }

    fn quoted(&self, value: &str) -> String {
        if value.contains([self.separator, '"', '\n', '\r']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.to_owned()
        }
    }
}
