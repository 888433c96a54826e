//! Comma-separated values after RFC 4180, with semicolons and tabs as well.

use std::io::{self, BufRead};

use crate::config::Source;
use crate::source::{
    Cell, ImportError, LINE_BYTES_MAX, LineError, Record, needed, next_line, trimmed,
};

/// Reads a header and records, and gives each record to `take`.
pub(super) fn read(
    reader: impl BufRead,
    source: &Source,
    take: &mut impl FnMut(Record) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut records = Records::new(reader);
    let Some((_, header)) = records.next().map_err(ImportError::Read)? else { return Ok(()) };
    let header = header.map_err(ImportError::Header)?;
    let header = Header::new(&header).map_err(ImportError::Header)?;
    needed(source, |column| header.names.iter().any(|name| name == column))?;
    while let Some((line, text)) = records.next().map_err(ImportError::Read)? {
        if text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
            continue;
        }
        let cells = text.and_then(|text| header.values(&text)).map(|values| {
            header.names.iter().cloned().zip(values.into_iter().map(Cell::Text)).collect()
        });
        take(Record { line, cells })?;
    }
    Ok(())
}

/// What the first record says of all.
pub(crate) struct Header {
    /// The columns' names, without the spaces around them.
    pub(crate) names: Vec<String>,
    /// What stands between values.
    pub(crate) separator: char,
}

impl Header {
    /// Of the first record, which a byte order mark may lead.
    pub(crate) fn new(record: &str) -> Result<Self, LineError> {
        let record = record.trim_start_matches('\u{feff}');
        let separator = separator(record);
        let names = split(record, separator)?;
        Ok(Self { names: names.iter().map(|name| name.trim().to_owned()).collect(), separator })
    }

    /// The values of a record: one for each name.
    pub(crate) fn values(&self, record: &str) -> Result<Vec<String>, LineError> {
        let values = split(record, self.separator)?;
        let (got, want) = (values.len(), self.names.len());
        if got == want { Ok(values) } else { Err(LineError::Columns { got, want }) }
    }
}

/// A line's number, and its content unless it is too long.
type Line = (u64, Option<Vec<u8>>);

/// Lines, joined where a quotation spans several.
pub(crate) struct Records<R> {
    reader: R,
    line: u64,
    text: Vec<u8>,
    /// Lines read in search of a closing quotation mark that was not found; oldest last.
    backlog: Vec<Line>,
}

impl<R: BufRead> Records<R> {
    /// The records of a reader, from its first line.
    pub(crate) const fn new(reader: R) -> Self {
        Self { reader, line: 0, text: Vec::new(), backlog: Vec::new() }
    }

    /// The next record's first line number and text.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Result<String, LineError>)>> {
        let Some((first, line)) = self.line()? else { return Ok(None) };
        let Some(mut record) = line else { return Ok(Some((first, Err(LineError::TooLong)))) };
        let mut joined = Vec::new();
        let mut open = turns(&record);
        while open {
            match self.line()? {
                Some((number, Some(more))) if record.len() + more.len() <= LINE_BYTES_MAX => {
                    open ^= turns(&more);
                    record.extend_from_slice(&more);
                    joined.push((number, Some(more)));
                }
                // The quotation never ends: only the line that opened it is bad.
                last => {
                    self.backlog.extend(last.into_iter().chain(joined.into_iter().rev()));
                    return Ok(Some((first, Err(LineError::Quotation))));
                }
            }
        }
        let text = String::from_utf8(trimmed(&record).to_vec()).map_err(|_| LineError::Encoding);
        Ok(Some((first, text)))
    }

    /// The next line.
    fn line(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.backlog.pop() {
            return Ok(Some(line));
        }
        let Some(fits) = next_line(&mut self.reader, &mut self.text)? else { return Ok(None) };
        self.line += 1;
        Ok(Some((self.line, fits.then(|| std::mem::take(&mut self.text)))))
    }
}

/// Whether `line` closes the quotation that it starts in, or leaves one open: a doubled mark counts
/// twice, as it should.
fn turns(line: &[u8]) -> bool {
    line.iter().filter(|byte| **byte == b'"').count() % 2 == 1
}

/// The likeliest of the three, by the header.
pub(crate) fn separator(header: &str) -> char {
    [',', ';', '\t']
        .into_iter()
        .max_by_key(|separator| (header.matches(*separator).count(), *separator == ','))
        .unwrap_or(',')
}

/// The values of a record.
pub(crate) fn split(record: &str, separator: char) -> Result<Vec<String>, LineError> {
    let mut values = Vec::new();
    let mut rest = record;
    loop {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => quotation(quoted)?,
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                let (value, after) = rest.split_at(end);
                if value.contains('"') {
                    return Err(LineError::Quotation);
                }
                (value.to_owned(), after)
            }
        };
        values.push(value);
        if after.is_empty() {
            return Ok(values);
        }
        rest = after.strip_prefix(separator).ok_or(LineError::Quotation)?;
    }
}

/// The text up to the closing mark, and what follows it.
fn quotation(quoted: &str) -> Result<(String, &str), LineError> {
    let mut value = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"').ok_or(LineError::Quotation)?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None => return Ok((value, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_split_as_the_standard_says() {
        for (record, expected) in [
            ("a,b", Ok(vec!["a", "b"])),
            (",", Ok(vec!["", ""])),
            ("\"a,b\",c", Ok(vec!["a,b", "c"])),
            ("\"a\"\"b\"", Ok(vec!["a\"b"])),
            ("\"\",\"\"", Ok(vec!["", ""])),
            ("\"a\"b,c", Err(LineError::Quotation)),
            ("a\"b", Err(LineError::Quotation)),
            ("\"a", Err(LineError::Quotation)),
        ] {
            let expected = expected.map(|v| v.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(split(record, ','), expected, "{record}");
        }
    }

    /// A megabyte of short lines behind one mark is read in seconds, where counting all marks again
    /// for each line would take hours. The test's own limit is the test runner's.
    #[test]
    fn a_stray_mark_costs_its_line_only() {
        let lines = LINE_BYTES_MAX / 2 + 10;
        let text = format!("a\n\"x\n{}", "y\n".repeat(lines));
        let mut records = Records::new(text.as_bytes());
        let mut good = Vec::new();
        let mut bad = Vec::new();
        while let Some((line, record)) = records.next().unwrap() {
            if record.is_ok() { good.push(line) } else { bad.push(line) }
        }
        assert_eq!(bad, [2]);
        let all = std::iter::once(1).chain(3..3 + lines as u64);
        assert!(good.into_iter().eq(all), "each of the other lines once, in their order");
    }

    #[test]
    fn the_separator_is_found_in_the_header() {
        assert_eq!(separator("a;b;c,d"), ';');
        assert_eq!(separator("a\tb"), '\t');
        assert_eq!(separator("a"), ',');
    }
}
