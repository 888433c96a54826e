//! Labels: texts or numbers, in an order.

use std::collections::HashMap;

use super::{Column, Fault, InputError, Table};

/// Characters of a name from a file that are shown.
const SHOWN_CHARACTERS_MAX: usize = 40;

/// The labels that occur, or may occur, each with a number from 0.
///
/// Where all of them are numbers they are compared as such (1 is 1.0) and ascend; otherwise they
/// are texts in the order of the alphabet. Numbers with leading zeros are codes, so texts.
#[derive(Debug)]
pub(in crate::cli) struct Categories {
    names: Vec<String>,
    values: Option<Vec<f64>>,
    index: HashMap<String, u32>,
}

impl Categories {
    /// All labels of the columns; or those of `order`, in that order.
    ///
    /// # Errors
    /// [`InputError`] if `order` names one twice.
    pub(in crate::cli) fn of(
        table: &Table,
        columns: &[&Column],
        order: &[String],
    ) -> Result<Self, InputError> {
        let mut index: HashMap<String, u32> = HashMap::new();
        for column in columns {
            for label in (0..table.rows()).filter_map(|row| column.value(row)) {
                if !index.contains_key(label) {
                    index.insert(label.to_owned(), 0);
                }
            }
        }
        let texts: Vec<&str> = if order.is_empty() {
            index.keys().map(String::as_str).collect()
        } else {
            order.iter().map(String::as_str).collect()
        };
        let numbers: Option<Vec<f64>> =
            texts.iter().copied().chain(index.keys().map(String::as_str)).map(number).collect();
        let numeric = numbers.is_some() && !texts.is_empty();
        let mut names: Vec<(Option<f64>, String)> = texts
            .iter()
            .map(|text| match number(text).filter(|_| numeric) {
                Some(value) => (Some(value), value.to_string()),
                None => (None, (*text).to_owned()),
            })
            .collect();
        if order.is_empty() {
            names.sort_by(|a, b| match (a.0, b.0) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => a.1.cmp(&b.1),
            });
            names.dedup_by(|a, b| a.1 == b.1);
        }
        let values = numeric.then(|| names.iter().filter_map(|(value, _)| *value).collect());
        let mut index = HashMap::with_capacity(names.len());
        for (at, (_, name)) in (0..).zip(&names) {
            if index.insert(name.clone(), at).is_some() {
                return Err(table.fault(Fault::Twice(shown(name))));
            }
        }
        Ok(Self { names: names.into_iter().map(|(_, name)| name).collect(), values, index })
    }

    /// Names in order.
    pub(in crate::cli) fn names(&self) -> &[String] {
        &self.names
    }

    /// Their values, where all are numbers.
    pub(in crate::cli) fn values(&self) -> Option<&[f64]> {
        self.values.as_deref()
    }

    /// How many there are.
    pub(in crate::cli) fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of a label.
    pub(in crate::cli) fn find(&self, label: &str) -> Option<u32> {
        match number(label).filter(|_| self.values.is_some()) {
            Some(value) => self.index.get(&value.to_string()).copied(),
            None => self.index.get(label).copied(),
        }
    }

    /// The number of a cell's label; `None` for a gap.
    ///
    /// # Errors
    /// [`InputError`] for a label that is not among them.
    pub(in crate::cli) fn at(
        &self,
        table: &Table,
        column: &Column,
        row: usize,
    ) -> Result<Option<u32>, InputError> {
        let Some(label) = column.value(row) else { return Ok(None) };
        self.find(label).map(Some).ok_or_else(|| {
            let (name, found) = (shown(column.name()), shown(label));
            let wanted = format!("one of the {} labels given", self.len());
            table.fault_at(row, Fault::NotOneOf { column: name, found, wanted })
        })
    }
}

/// A text as a number that labels can be compared by.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    let code = digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    // Zero has two signs, and they are one label.
    let value: f64 = text.parse().ok()?;
    (value.is_finite() && !code).then_some(value + 0.0)
}

/// A name from a file as a terminal can take it: quoted, escaped and short.
pub(in crate::cli) fn shown(name: &str) -> String {
    let mut short: String = name.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::super::read::parse;
    use super::*;

    fn categories(labels: &str, order: &[&str]) -> Result<Vec<String>, String> {
        let table = parse(format!("l\n{labels}").as_bytes(), "data".to_owned()).unwrap();
        let order: Vec<String> = order.iter().map(|&name| name.to_owned()).collect();
        let found = Categories::of(&table, &[&table.columns()[0]], &order);
        found.map(|found| found.names).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_are_numbers_only_if_all_are() {
        assert_eq!(categories("10\n2.0\n2\n-0\n0", &[]).unwrap(), ["0", "2", "10"]);
        assert_eq!(categories("10\n2\nx\nNA", &[]).unwrap(), ["10", "2", "x"]);
        assert_eq!(categories("007\n7", &[]).unwrap(), ["007", "7"]);
        assert_eq!(categories("inf\n1", &[]).unwrap(), ["1", "inf"]);
    }

    #[test]
    fn an_order_is_kept() {
        assert_eq!(categories("b\na", &["c", "b", "a"]).unwrap(), ["c", "b", "a"]);
        assert_eq!(
            categories("1", &["1", "1.0"]).unwrap_err(),
            "data: two columns are named \"1\""
        );
    }

    #[test]
    fn names_are_safe_to_show() {
        assert_eq!(shown("a\u{1b}[31m"), "\"a\\u{1b}[31m\"");
        assert_eq!(shown(&"x".repeat(50)).chars().count(), 43);
    }
}
