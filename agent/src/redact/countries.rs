//! Countries, by a list: a reader of running text needs more around them than "We moved to Norway".

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Find;
use super::kind::Kind;
use super::names::words;
use super::scan::ends_word;

/// Names in three languages, a line each; `countries.py` makes it.
static NAMES: &str = include_str!("countries.txt");
/// The names by their first words, longer ones first.
static BY_FIRST: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
    for name in NAMES.lines().rev() {
        if let Some(first) = words(name).next() {
            names.entry(first.text).or_default().push(name);
        }
    }
    names.values_mut().for_each(|names| names.sort_by_key(|name| std::cmp::Reverse(name.len())));
    names
});
/// As sure as a reader of running text can be at least: a country alone tells of few people who.
const SCORE: f32 = 0.55;

/// Every country of `text` that is written with its capitals.
pub(super) fn find(text: &str) -> Vec<Find> {
    let mut upto = 0;
    words(text)
        .filter(|word| word.is_capitalised())
        .filter_map(|word| {
            if word.start < upto {
                return None;
            }
            let names = BY_FIRST.get(word.text)?;
            let rest = &text[word.start..];
            let fits =
                |name: &&&str| rest.starts_with(**name) && ends_word(text, word.start + name.len());
            let end = word.start + names.iter().find(fits)?.len();
            upto = end;
            Some(Find { start: word.start, end, kind: Kind::Location, score: SCORE })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = find(text).iter().map(|find| &text[find.start..find.end]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_longest_name_is_taken() {
        check(
            "from South Korea, Guinea-Bissau and Norway's north",
            &["South Korea", "Guinea-Bissau", "Norway"],
        );
        check("in den Vereinigten Staaten; Österreich. San Marino", &["Österreich", "San Marino"]);
        check("a guinea pig, Turkey Hill, Polentown, norway, Norwaya, Island", &[]);
    }

    #[test]
    fn the_list_is_in_order() {
        assert!(NAMES.lines().is_sorted() && NAMES.lines().count() > 500);
    }
}
