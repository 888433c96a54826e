//! Reading a table: streamed line by line, and bounded in every direction.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::{Column, Fault, InputError, Table, shown};
use crate::source::{LINE_BYTES_MAX, LineError, csv, next_line};

/// Most columns.
const COLUMNS_MAX: usize = 10_000;
/// Most cells, gaps in between included.
const CELLS_MAX: usize = 1 << 27;
/// Most bytes of all cells.
const BYTES_MAX: usize = 1 << 30;

/// Reads a file; `-` is stdin.
///
/// # Errors
/// [`InputError`] with the line of the first fault: nothing is measured on half a file.
pub(in crate::cli) fn read(path: &Path) -> Result<Table, InputError> {
    let stdin = path == Path::new("-");
    let file = if stdin { "stdin".to_owned() } else { path.display().to_string() };
    let unreadable =
        |source| InputError { file: file.clone(), line: None, fault: Fault::Read(source) };
    let reader: Box<dyn BufRead> = if stdin {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    parse(reader, file)
}

/// Reads a table; `file` is what errors call it.
pub(in crate::cli) fn parse(mut reader: impl BufRead, file: String) -> Result<Table, InputError> {
    let mut building = Building {
        table: Table { file, lines: Vec::new(), columns: Vec::new() },
        index: HashMap::new(),
        cells: 0,
        bytes: 0,
    };
    let first =
        first_character(&mut reader).map_err(|source| building.table.fault(Fault::Read(source)))?;
    match first {
        Some(b'{') => building.json_lines(reader)?,
        Some(b'[') => return Err(building.at(1, Fault::List)),
        Some(_) => building.csv(reader)?,
        None => {}
    }
    if building.table.rows() == 0 {
        return Err(building.table.fault(Fault::Empty));
    }
    Ok(building.table)
}

/// The first character that is no space; a byte order mark and what is before it is consumed.
fn first_character(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        if buffer.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
            continue;
        }
        match buffer.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(byte) => return Ok(Some(*byte)),
            // A buffer of nothing but space: it cannot be looked past without losing lines.
            None => return Ok(Some(b' ')),
        }
    }
}

struct Building {
    table: Table,
    index: HashMap<String, usize>,
    cells: usize,
    bytes: usize,
}

impl Building {
    fn at(&self, line: u64, fault: Fault) -> InputError {
        InputError { file: self.table.file.clone(), line: Some(line), fault }
    }

    fn csv(&mut self, reader: impl BufRead) -> Result<(), InputError> {
        let mut records = csv::Records::new(reader);
        let mut separator = None;
        loop {
            let next = records.next().map_err(|e| self.table.fault(Fault::Read(e)))?;
            let Some((line, record)) = next else { return Ok(()) };
            let record = record.map_err(|error| self.at(line, Fault::Line(error)))?;
            if record.trim().is_empty() {
                continue;
            }
            let by = *separator.get_or_insert_with(|| csv::separator(&record));
            let values =
                csv::split(&record, by).map_err(|error| self.at(line, Fault::Line(error)))?;
            if self.table.columns.is_empty() {
                self.header(line, &values)?;
                continue;
            }
            let (got, want) = (values.len(), self.table.columns.len());
            if got != want {
                return Err(self.at(line, Fault::Line(LineError::Columns { got, want })));
            }
            self.table.lines.push(line);
            for (column, value) in values.iter().enumerate() {
                self.put(column, line, value)?;
            }
        }
    }

    fn header(&mut self, line: u64, names: &[String]) -> Result<(), InputError> {
        for (at, name) in names.iter().enumerate() {
            // An index that a data frame wrote in front has no name.
            let name = if at == 0 && name.trim().is_empty() { "item" } else { name.trim() };
            if self.index.contains_key(name) {
                return Err(self.at(line, Fault::Twice(shown(name))));
            }
            self.column(line, name)?;
        }
        Ok(())
    }

    fn json_lines(&mut self, mut reader: impl BufRead) -> Result<(), InputError> {
        let (mut line, mut text) = (0, Vec::new());
        loop {
            let fits = next_line(&mut reader, &mut text);
            let Some(fits) = fits.map_err(|e| self.table.fault(Fault::Read(e)))? else {
                return Ok(());
            };
            line += 1;
            if !fits {
                return Err(self.at(line, Fault::Line(LineError::TooLong)));
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let text = str::from_utf8(&text)
                .map_err(|_| self.at(line, Fault::Line(LineError::Encoding)))?;
            let object: Map<String, Value> = serde_json::from_str(text)
                .map_err(|_| self.at(line, Fault::Line(LineError::NotAnObject)))?;
            self.table.lines.push(line);
            for (name, value) in object {
                match value {
                    Value::Object(inner) => {
                        for (key, value) in inner {
                            self.put_json(line, &format!("{name}.{key}"), &value)?;
                        }
                    }
                    Value::Array(inner) => {
                        for (at, value) in inner.iter().enumerate() {
                            self.put_json(line, &format!("{name}.{at}"), value)?;
                        }
                    }
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                        self.put_json(line, &name, &value)?;
                    }
                }
            }
        }
    }

    fn put_json(&mut self, line: u64, name: &str, value: &Value) -> Result<(), InputError> {
        let column = self.column(line, name)?;
        match value {
            Value::Null => Ok(()),
            Value::String(text) => self.put(column, line, text),
            // What is nested deeper is nobody's number or label; it stays as it was written.
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.put(column, line, &value.to_string())
            }
        }
    }

    /// Position of the column of this name, new or not.
    fn column(&mut self, line: u64, name: &str) -> Result<usize, InputError> {
        if let Some(&column) = self.index.get(name) {
            return Ok(column);
        }
        let column = self.table.columns.len();
        self.check(line, "columns", column + 1, COLUMNS_MAX)?;
        self.index.insert(name.to_owned(), column);
        let name = name.to_owned();
        self.table.columns.push(Column { name, text: String::new(), ends: Vec::new() });
        Ok(column)
    }

    /// Sets the cell of the record read last.
    fn put(&mut self, column: usize, line: u64, value: &str) -> Result<(), InputError> {
        let row = self.table.lines.len() - 1;
        let cells = self.table.columns[column].ends.len();
        self.cells += (row + 1).saturating_sub(cells);
        self.bytes += value.len();
        self.check(line, "cells", self.cells, CELLS_MAX)?;
        self.check(line, "bytes", self.bytes, BYTES_MAX)?;
        let column = &mut self.table.columns[column];
        // A key that an object repeats was kept once by the parser, so the row is new.
        let end = column.text.len();
        column.ends.resize(row, end);
        column.text.push_str(value);
        column.ends.push(column.text.len());
        Ok(())
    }

    fn check(
        &self,
        line: u64,
        what: &'static str,
        found: usize,
        limit: usize,
    ) -> Result<(), InputError> {
        if found <= limit {
            Ok(())
        } else {
            Err(self.at(line, Fault::TooMany { what, found, limit }))
        }
    }
}

const _: () = assert!(LINE_BYTES_MAX < BYTES_MAX, "one line always fits");

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &[u8]) -> Result<Table, String> {
        parse(text, "data".to_owned()).map_err(|error| error.to_string())
    }

    fn cells(table: &Table) -> Vec<Vec<&str>> {
        table.columns().iter().map(|c| (0..table.rows()).map(|row| c.cell(row)).collect()).collect()
    }

    #[test]
    fn csv_and_json_lines_give_the_same() {
        let csv = table("\u{feff}a;b\n1;\"x;\ny\"\n\n;z\n".as_bytes()).unwrap();
        let json = table(b"{\"a\": 1, \"b\": \"x;\\ny\"}\n{\"b\": \"z\", \"a\": null}\n").unwrap();
        assert_eq!(cells(&csv), [["1", ""], ["x;\ny", "z"]]);
        assert_eq!(cells(&json), cells(&csv));
        assert_eq!((csv.lines[1], json.lines[1]), (5, 2));
    }

    #[test]
    fn lists_and_objects_become_columns() {
        let table =
            table(b"{\"p\": {\"a\": 0.5}}\n{\"q\": [1, [2]], \"p\": {\"b\": true}}").unwrap();
        assert_eq!(table.names().collect::<Vec<_>>(), ["p.a", "p.b", "q.0", "q.1"]);
        assert_eq!(cells(&table), [["0.5", ""], ["", "true"], ["", "1"], ["", "[2]"]]);
    }

    #[track_caller]
    fn refused(text: &[u8], expected: &str) {
        assert_eq!(table(text).unwrap_err(), expected);
    }

    #[test]
    fn faults_name_file_and_line() {
        refused(b"", "data: there are no records");
        refused(b"   \n \n", "data: there are no records");
        refused(b"a,b\n", "data: there are no records");
        refused(b"a,a\n1,2\n", "data:1: two columns are named \"a\"");
        refused(b"a,b\n1,2\n1,2,3\n", "data:3: 3 columns where the header has 2");
        refused(b"a\n\xff\n", "data:2: not UTF-8");
        refused(b"a\n\"x\n", "data:2: a quotation mark out of place");
        refused(b"{\"a\": 1}\n[1]\n", "data:2: not a JSON object");
        refused(b"{\"a\": 1}\n{\"a\": \xff}\n", "data:2: not UTF-8");
        refused(b"[{\"a\": 1}]", "data:1: starts a JSON list; one object on each line is needed");
        let mut long = b"a\n".to_vec();
        long.resize(LINE_BYTES_MAX + 10, b'x');
        refused(&long, "data:2: longer than 1048576 bytes");
        let wide: String = (0..=COLUMNS_MAX).map(|at| format!("c{at},")).collect();
        refused(wide.as_bytes(), "data:1: 10001 columns, more than the limit of 10000");
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(500), "]".repeat(500));
        refused(deep.as_bytes(), "data:1: not a JSON object");
    }

    #[test]
    fn numbers_are_checked() {
        let table = table(b"a,b\n1,x\nNaN,2\n,1e999\n7.5,-1\n").unwrap();
        let a = table.need(None, &["A"]).unwrap();
        let said = |row: usize| table.number(a, row).map_err(|error| error.to_string());
        assert_eq!(said(0), Ok(1.0));
        assert_eq!(said(1).unwrap_err(), "data:3: column \"a\" holds \"NaN\", not a number");
        assert_eq!(said(2).unwrap_err(), "data:4: column \"a\" has no value");
        let b = table.need(Some("b"), &[]).unwrap();
        assert!(table.number(b, 2).is_err());
        assert_eq!(
            table.number_in(b, 3, 0.0, 1.0).unwrap_err().to_string(),
            "data:5: column \"b\" holds -1, outside 0 to 1"
        );
        assert!(table.whole(a, 3, 10).is_err());
        assert_eq!(
            table.need(None, &["c", "d"]).unwrap_err().to_string(),
            "data: there is no column c or d; the columns are \"a\", \"b\""
        );
    }
}
