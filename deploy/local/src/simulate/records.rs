//! Records from anybody's file: CSV with a header, or JSON lines.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Largest file.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// Most records of a file.
const RECORDS_MAX: usize = 10_000_000;

/// One value of a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Nothing, or nothing but white space.
    Missing,
    /// A finite number.
    Number(f64),
    /// Text without white space around it.
    Text(String),
    /// Finite numbers, or none: features that were computed elsewhere.
    Vector(Vec<f32>),
    /// A list of objects, at least one, as JSON: spans.
    Json(String),
}

/// A file's records, of some of its columns.
#[derive(Debug)]
pub(crate) struct Records {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// The file's name, for messages.
    file: String,
}

impl Records {
    /// Reads the columns so named. The texts of one of them may be kept `exact`, with the white space
    /// around them, so that places in them stay what they are.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column: with the row where there is one.
    pub(crate) fn read(path: &Path, columns: &[&str], exact: Option<&str>) -> Result<Self> {
        let file = path.display().to_string();
        let size = fs::metadata(path).with_context(|| file.clone())?.len();
        ensure!(
            size <= FILE_BYTES_MAX,
            "{file} has {size} bytes, at most {FILE_BYTES_MAX} are read"
        );
        let rows = match path.extension().and_then(|extension| extension.to_str()) {
            Some("jsonl" | "ndjson" | "json") => json_lines(path, columns, exact),
            Some(_) | None => csv(path, columns, exact),
        }
        .with_context(|| file.clone())?;
        ensure!(!rows.is_empty(), "{file} has no records");
        Ok(Self { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows, file })
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A record's cell of the column so named, which was asked for when reading.
    pub(crate) fn cell(&self, row: usize, column: &str) -> &Cell {
        let index = self.columns.iter().position(|name| name == column);
        index.map_or(&Cell::Missing, |index| &self.rows[row][index])
    }

    /// A record's cell as text: a class, a site, a subject.
    ///
    /// # Errors
    /// When it is missing or a list.
    pub(crate) fn text(&self, row: usize, column: &str) -> Result<String> {
        match self.cell(row, column) {
            Cell::Text(text) => Ok(text.clone()),
            Cell::Number(number) => Ok(number.to_string()),
            Cell::Missing => bail!("{}: nothing in column {column:?}", self.place(row)),
            Cell::Vector(_) | Cell::Json(_) => {
                bail!("{}: a list in column {column:?}", self.place(row))
            }
        }
    }

    /// Position in `classes` of a record's label.
    ///
    /// # Errors
    /// When it is none of them.
    pub(crate) fn class(&self, row: usize, label: &str, classes: &[String]) -> Result<usize> {
        let found = classes.iter().position(|class| class == label);
        found.with_context(|| {
            let count = classes.len();
            format!("{}: label {label:?} is none of the {count} classes", self.place(row))
        })
    }

    /// Where a record is, for messages: the header is not counted.
    pub(crate) fn place(&self, row: usize) -> String {
        format!("{}, record {}", self.file, row + 1)
    }
}

fn csv(path: &Path, columns: &[&str], exact: Option<&str>) -> Result<Vec<Vec<Cell>>> {
    let mut reader = csv::ReaderBuilder::new().from_path(path)?;
    let header = reader.headers()?.clone();
    let find = |name: &&str| {
        let index = header.iter().position(|column| column.trim() == *name);
        index.with_context(|| {
            let known: Vec<&str> = header.iter().collect();
            format!("no column {name:?}; there are {}", known.join(", "))
        })
    };
    let indices: Vec<usize> = columns.iter().map(find).collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        ensure!(rows.len() < RECORDS_MAX, "more than {RECORDS_MAX} records");
        let cell =
            |(index, name): (&usize, &&str)| text_cell(&record[*index], exact == Some(*name));
        rows.push(indices.iter().zip(columns).map(cell).collect());
    }
    Ok(rows)
}

fn text_cell(text: &str, exact: bool) -> Cell {
    match text.trim() {
        "" => Cell::Missing,
        _ if exact => Cell::Text(text.to_owned()),
        text => Cell::Text(text.to_owned()),
    }
}

fn json_lines(path: &Path, columns: &[&str], exact: Option<&str>) -> Result<Vec<Vec<Cell>>> {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (index, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        ensure!(rows.len() < RECORDS_MAX, "more than {RECORDS_MAX} records");
        let number = index + 1;
        let object: serde_json::Map<String, Value> = serde_json::from_str(&line)
            .with_context(|| format!("line {number} is not a JSON object"))?;
        let cell = |name: &&str| {
            json_cell(object.get(*name), exact == Some(*name))
                .with_context(|| format!("line {number}, {name:?}"))
        };
        rows.push(columns.iter().map(cell).collect::<Result<_>>()?);
    }
    for (index, name) in columns.iter().enumerate() {
        let known = rows.is_empty() || rows.iter().any(|row| row[index] != Cell::Missing);
        ensure!(known, "no line has {name:?}");
    }
    Ok(rows)
}

fn json_cell(value: Option<&Value>, exact: bool) -> Result<Cell> {
    Ok(match value {
        None | Some(Value::Null) => Cell::Missing,
        Some(Value::String(text)) => text_cell(text, exact),
        Some(Value::Bool(truth)) => Cell::Text(truth.to_string()),
        Some(Value::Number(number)) => Cell::Number(finite(number)?),
        Some(Value::Array(values)) if !values.is_empty() && values.iter().all(Value::is_object) => {
            Cell::Json(serde_json::to_string(values)?)
        }
        Some(Value::Array(values)) => {
            let number = |value: &Value| match value {
                Value::Number(number) => finite(number).map(narrow),
                Value::Null
                | Value::Bool(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_) => bail!("a list of other things than numbers"),
            };
            let values: Vec<f32> = values.iter().map(number).collect::<Result<_>>()?;
            ensure!(values.iter().all(|value| value.is_finite()), "a number out of range");
            Cell::Vector(values)
        }
        Some(Value::Object(_)) => bail!("an object where a value is wanted"),
    })
}

fn finite(number: &serde_json::Number) -> Result<f64> {
    number.as_f64().filter(|number| number.is_finite()).context("a number out of range")
}

#[expect(clippy::cast_possible_truncation, reason = "features are f32")]
fn narrow(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str, columns: &[&str]) -> Result<Records> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Records::read(&path, columns, None)
    }

    #[test]
    fn both_formats_give_the_same_cells() {
        let from_csv = read("a.csv", "id,age,sex\n1, 63 ,Male\n2,,\n", &["sex", "age"]).unwrap();
        assert_eq!(from_csv.len(), 2);
        assert_eq!(from_csv.cell(0, "sex"), &Cell::Text("Male".to_owned()));
        assert_eq!(from_csv.text(0, "age").unwrap(), "63");
        assert_eq!(from_csv.cell(1, "age"), &Cell::Missing);
        let lines = "{\"sex\":\"Male\",\"age\":63}\n\n{\"x\":[0.5,1]}\n";
        let from_json = read("a.jsonl", lines, &["sex", "age", "x"]).unwrap();
        assert_eq!(from_json.cell(0, "age"), &Cell::Number(63.0));
        assert_eq!(from_json.cell(1, "x"), &Cell::Vector(vec![0.5, 1.0]));
        assert!(from_json.text(1, "sex").unwrap_err().to_string().contains("record 2"));
        let lists = read("a.jsonl", "{\"x\":[]}\n{\"x\":[{\"a\":1}]}\n", &["x"]).unwrap();
        assert_eq!(lists.cell(0, "x"), &Cell::Vector(Vec::new()));
        assert_eq!(lists.cell(1, "x"), &Cell::Json("[{\"a\":1}]".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error =
            |name, text, columns: &[&str]| format!("{:#}", read(name, text, columns).unwrap_err());
        assert!(error("a.csv", "age,sex\n1,2\n", &["label"]).contains("there are age, sex"));
        assert!(error("a.csv", "age\n", &["age"]).contains("no records"));
        assert!(error("a.csv", "age,sex\n1\n", &["age"]).contains("record 1"));
        assert!(error("a.jsonl", "{\"age\":1}\n[1]\n", &["age"]).contains("line 2"));
        assert!(error("a.jsonl", "{\"age\":NaN}\n", &["age"]).contains("line 1"));
        assert!(error("a.jsonl", "{\"age\":[1,null]}\n", &["age"]).contains("line 1, \"age\""));
        assert!(error("a.jsonl", "{\"age\":[1e300]}\n", &["age"]).contains("out of range"));
        assert!(error("a.jsonl", "{\"age\":1}\n", &["label"]).contains("no line has \"label\""));
        assert!(Records::read(Path::new("/nowhere.csv"), &["a"], None).is_err());
    }
}
