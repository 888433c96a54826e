//! CSV: every column under a site's rule, or as text behind the column's name.

use std::io::{self, BufRead, Write};

use super::super::lines::{Account, LineError, Observer};
use super::{Action, Mode, Records, finish, known};
use crate::source::csv;

/// The header, and what is done to each column.
struct Columns {
    header: csv::Header,
    actions: Vec<Action>,
    subject: Option<usize>,
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
    match columns.names(records, line) {
        Ok(names) => writer.write_all(columns.kept(&names).as_bytes())?,
        Err(reason) => return finish(Err(reason), line, &mut writer, observer),
    }
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
        let header = csv::Header::new(header)?;
        let (names, rules) = (&header.names, records.rules);
        let actions = names.iter().map(|name| rules.action_or_usual(name)).collect();
        let subject = rules.subject.as_ref().and_then(|own| names.iter().position(|n| n == own));
        Ok(Self { header, actions, subject })
    }

    /// The header's names, clean: a table without a header has personal data there. A name that a
    /// rule has is known to be none.
    fn names(&self, records: &Records<'_>, line: u64) -> Result<Vec<String>, LineError> {
        // Not a record, so nobody would be told what surrogates stand for.
        let mode = match records.mode {
            Mode::Surrogate(_) => Mode::Mask,
            mode @ (Mode::Mask | Mode::Hash(_) | Mode::None) => mode,
        };
        let records = Records { mode, ..*records };
        let mut cleaner = records.cleaner(line, None);
        let names = self.header.names.iter();
        names
            .map(|name| match records.rules.action(name) {
                Some(_) => Ok(name.clone()),
                None => cleaner.field_name(name),
            })
            .collect()
    }

    fn clean(
        &self,
        records: &Records<'_>,
        line: u64,
        row: &str,
    ) -> Result<(Account, String), LineError> {
        let cells = self.header.values(row)?;
        let subject = self.subject.map(|at| cells[at].clone());
        let mut cleaner = records.cleaner(line, subject);
        for (name, cell) in self.header.names.iter().zip(&cells) {
            known::learn(&mut cleaner.hints, records.rules, name, cell);
        }
        let mut clean = Vec::with_capacity(cells.len());
        for ((name, action), cell) in self.header.names.iter().zip(&self.actions).zip(&cells) {
            clean.push(cleaner.apply(*action, name, cell)?.unwrap_or_default());
        }
        Ok((cleaner.account, self.kept(&clean)))
    }

    /// The values of the columns that are not left out, as a line.
    fn kept(&self, values: &[String]) -> String {
        let kept = values.iter().zip(&self.actions).filter(|(_, action)| **action != Action::Drop);
        let values: Vec<String> = kept.map(|(value, _)| self.quoted(value)).collect();
        let mut line = values.join(&self.header.separator.to_string());
        line.push('\n');
        line
    }

    fn quoted(&self, value: &str) -> String {
        if value.contains([self.header.separator, '"', '\n', '\r']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.to_owned()
        }
    }
}
