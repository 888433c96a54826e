//! Tables for people.

use std::io::{self, Write};

/// Prints rows under a heading, in columns as wide as their widest cell.
pub(super) fn print(heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    io::stdout().lock().write_all(lines(heading, rows).as_bytes())
}

/// The same as text.
pub(super) fn lines(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
