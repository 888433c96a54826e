//! Features of a record without a bundle: imputation, scaling and one-hot by public knowledge.
//!
//! Each column becomes a block of length at most 1: a number scaled from its public range to
//! `[-1, 1]` and a mark for a missing one; a category's values as one-hot; a list of numbers scaled
//! down to length 1 when it is longer. Without such a list a constant is added, and the whole divided by the root of the
//! number of blocks, so that its length is at most 1. None of it depends on anybody's records
//! except through the ranges, which are public or were released ([`super::bounds`]).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::records::{Cell, Records};

/// What is publicly known of a column.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Range {
    /// Lowest and highest value of a number; what lies outside is moved to the end.
    Numbers([f64; 2]),
    /// All values of a category.
    Values(Vec<String>),
}

/// The public ranges of some columns.
pub(crate) type Ranges = BTreeMap<String, Range>;

/// Reads ranges from TOML: `age = [20, 90]`, `sex = ["female", "male"]`.
///
/// # Errors
/// When the file cannot be read, or a range is empty.
pub(crate) fn read_ranges(path: &Path) -> Result<Ranges> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
    let ranges: Ranges = toml::from_str(&text).with_context(|| name.clone())?;
    for (column, range) in &ranges {
        match range {
            Range::Numbers([low, high]) => ensure!(
                low.is_finite() && high.is_finite() && low < high,
                "{name}: the range of {column:?} is from {low} to {high}"
            ),
            Range::Values(values) => {
                ensure!(!values.is_empty(), "{name}: {column:?} has no values");
            }
        }
    }
    Ok(ranges)
}

/// One feature column with all that encoding it needs.
#[derive(Clone, Debug, PartialEq)]
enum Block {
    Number { low: f64, high: f64 },
    Category(Vec<String>),
    Vector { length: usize },
}

/// From records to features.
#[derive(Debug)]
pub(crate) struct Encoder {
    blocks: Vec<(String, Block)>,
}

impl Encoder {
    /// An encoder of `columns`; lists of numbers have the length of `records`' first one.
    ///
    /// # Errors
    /// When a column is neither a list nor in `ranges`.
    pub(crate) fn new(columns: &[String], ranges: &Ranges, records: &Records) -> Result<Self> {
        let block = |column: &String| {
            let block = match (ranges.get(column), vector_length(records, column)) {
                (Some(Range::Numbers([low, high])), _) => Block::Number { low: *low, high: *high },
                (Some(Range::Values(values)), _) => Block::Category(values.clone()),
                (None, Some(length)) => Block::Vector { length },
                (None, None) => bail!("no range of {column:?}"),
            };
            Ok((column.clone(), block))
        };
        Ok(Self { blocks: columns.iter().map(block).collect::<Result<_>>()? })
    }

    /// Length of a record's features.
    pub(crate) fn width(&self) -> usize {
        let width = |(_, block): &(String, Block)| match block {
            Block::Number { .. } => 2,
            Block::Category(values) => values.len(),
            Block::Vector { length } => *length,
        };
        usize::from(self.has_constant()) + self.blocks.iter().map(width).sum::<usize>()
    }

    /// Lists of numbers come from a backbone and have what a head needs; half of their length would
    /// be lost to a constant beside them.
    fn has_constant(&self) -> bool {
        !self.blocks.iter().any(|(_, block)| matches!(block, Block::Vector { .. }))
    }

    /// Features of every record, row-major `[records, width]`.
    ///
    /// # Errors
    /// For a value that does not fit its column.
    pub(crate) fn encode(&self, records: &Records) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(records.len() * self.width());
        for row in 0..records.len() {
            let features = self.record(records, row).with_context(|| records.place(row))?;
            all.extend(features);
        }
        Ok(all)
    }

    #[expect(clippy::cast_possible_truncation, reason = "features are f32")]
    fn record(&self, records: &Records, row: usize) -> Result<Vec<f32>> {
        let mut features = if self.has_constant() { vec![1.0] } else { Vec::new() };
        for (column, block) in &self.blocks {
            let cell = records.cell(row, column);
            block.push(cell, &mut features).with_context(|| format!("column {column:?}"))?;
        }
        let blocks = self.blocks.len() + usize::from(self.has_constant());
        let scale = (blocks as f64).sqrt();
        Ok(features.into_iter().map(|value| (value / scale) as f32).collect())
    }
}

impl Block {
    fn push(&self, cell: &Cell, features: &mut Vec<f64>) -> Result<()> {
        match self {
            Self::Number { low, high } => match number(cell)? {
                Some(value) => {
                    let share = (value.clamp(*low, *high) - low) / (high - low);
                    features.extend([2.0 * share - 1.0, 0.0]);
                }
                None => features.extend([0.0, 1.0]),
            },
            Self::Category(values) => {
                let at = match cell {
                    Cell::Missing => None,
                    Cell::Number(_) | Cell::Text(_) | Cell::Vector(_) | Cell::Json(_) => {
                        Some(position(values, cell)?)
                    }
                };
                features.extend((0..values.len()).map(|index| f64::from(Some(index) == at)));
            }
            Self::Vector { length } => {
                let Cell::Vector(values) = cell else { bail!("not a list of {length} numbers") };
                let got = values.len();
                ensure!(got == *length, "a list of {got} numbers, others have {length}");
                let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                features.extend(values.iter().map(|value| f64::from(*value) / norm.max(1.0)));
            }
        }
        Ok(())
    }
}

/// The number in a cell; none when it is missing.
///
/// # Errors
/// For anything else.
pub(crate) fn number(cell: &Cell) -> Result<Option<f64>> {
    match cell {
        Cell::Missing => Ok(None),
        Cell::Number(number) => Ok(Some(*number)),
        Cell::Text(text) => {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Some).context(
                "not a finite number: leave missing cells empty, or list a category's values in --ranges",
            )
        }
        Cell::Vector(_) | Cell::Json(_) => bail!("a list where a number is wanted"),
    }
}

/// Length of the column's lists, when its first cell is one.
pub(crate) fn vector_length(records: &Records, column: &str) -> Option<usize> {
    match records.cell(0, column) {
        Cell::Vector(values) => Some(values.len()),
        Cell::Missing | Cell::Number(_) | Cell::Text(_) | Cell::Json(_) => None,
    }
}

fn position(values: &[String], cell: &Cell) -> Result<usize> {
    let text = match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => number.to_string(),
        Cell::Missing | Cell::Vector(_) | Cell::Json(_) => bail!("not a category"),
    };
    values
        .iter()
        .position(|value| value.eq_ignore_ascii_case(&text))
        .with_context(|| format!("none of the values {}", values.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(csv: &str, ranges: &str) -> Result<Vec<f32>> {
        let folder = tempfile::tempdir()?;
        let (data, file) = (folder.path().join("a.csv"), folder.path().join("r.toml"));
        std::fs::write(&data, csv)?;
        std::fs::write(&file, ranges)?;
        let columns = ["age".to_owned(), "sex".to_owned()];
        let records = Records::read(&data, &["age", "sex"], None)?;
        Encoder::new(&columns, &read_ranges(&file)?, &records)?.encode(&records)
    }

    const RANGES: &str = "age = [20, 60]\nsex = [\"f\", \"m\"]\n";

    #[test]
    fn every_record_is_at_most_one_long() {
        let all = encoded("age,sex\n20,f\n90,M\n,\n", RANGES).unwrap();
        let same = |row: &[f32], expected: [f32; 5]| {
            assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
        };
        let rows: Vec<&[f32]> = all.chunks(5).collect();
        let third = 1.0 / 3.0_f32.sqrt();
        same(rows[0], [third, -third, 0.0, third, 0.0]);
        same(rows[1], [third, third, 0.0, 0.0, third]);
        same(rows[2], [third, 0.0, third, 0.0, 0.0]);
        for row in rows {
            assert!(row.iter().map(|value| value * value).sum::<f32>() < 1.0 + 1e-6);
        }
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let error = |csv, ranges| format!("{:#}", encoded(csv, ranges).unwrap_err());
        assert!(error("age,sex\nNaN,f\n", RANGES).contains("record 1: column \"age\""));
        assert!(error("age,sex\n3,f\n3,x\n", RANGES).contains("record 2: column \"sex\": none of"));
        assert!(error("age,sex\n3,f\n", "age = [2, 2]").contains("from 2 to 2"));
        assert!(error("age,sex\n3,f\n", "age = [2, 4]").contains("no range of \"sex\""));
        assert!(error("age,sex\n3,f\n", "sex = []").contains("r.toml"));
    }
}
