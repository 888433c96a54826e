//! What a command prints: one value as JSON, or text for people.

use std::io::{self, Write};

use insitu_protocol::ids::Digest;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// What a command found or did.
#[derive(Debug)]
pub(super) struct Output {
    json: Value,
    text: String,
}

impl Output {
    /// The same thing for programs and for people.
    pub(super) fn new(report: &impl Serialize, text: impl Into<String>) -> anyhow::Result<Self> {
        Ok(Self { json: serde_json::to_value(report)?, text: text.into() })
    }

    /// Prints one of the two.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, &self.json)?;
            return out.write_all(b"\n");
        }
        out.write_all(self.text.as_bytes())?;
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// A table with a heading line; a column whose cells are all numbers goes to the right.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or(0)
    };
    let numeric = |column: usize| {
        let number = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        !rows.is_empty() && rows.iter().all(|row| number(&row[column]) || row[column].is_empty())
    };
    let columns: Vec<(usize, bool)> = (0..N).map(|c| (width(c), numeric(c))).collect();
    let line = |cells: &[&str]| {
        let mut line = String::new();
        for (cell, (width, right)) in cells.iter().zip(&columns) {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if *right { (pad.as_str(), "") } else { ("", pad.as_str()) };
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
            line.push_str("  ");
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(&heading);
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        text.push_str(&line(&cells));
    }
    text
}

/// The beginning of a digest or id, as people compare them.
pub(super) fn short(digest: impl ToString) -> String {
    digest.to_string().chars().take(12).collect()
}

/// As [`short`], of what may be missing.
pub(super) fn short_or_dash(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "-".to_owned(), short)
}

/// A time to the second.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_right_and_words_left() {
        let rows = [["north".to_owned(), "9".to_owned()], ["é".to_owned(), "10".to_owned()]];
        assert_eq!(table(["site", "n"], &rows), "site    n\nnorth   9\né      10\n");
        assert_eq!(table(["site", "n"], &[]), "site  n\n");
    }
}
