//! Ages: which are hidden, and what is none though it looks like one.

use super::Find;

/// Nobody is older.
const OLDEST: u32 = 125;
/// The oldest age that may be told (45 CFR 164.514(b)(2)(i)(C)).
pub(super) const OLDEST_TOLD: u32 = 89;
/// What a number before it measures, which is no age then.
const MEASURES: &[&str] = &[
    "%",
    "bpm",
    "cc",
    "celsius",
    "cm",
    "days",
    "degrees",
    "fahrenheit",
    "feet",
    "g",
    "hours",
    "hz",
    "inches",
    "kg",
    "kgs",
    "km",
    "l",
    "lb",
    "lbs",
    "m",
    "mcg",
    "meters",
    "mg",
    "min",
    "minutes",
    "ml",
    "mm",
    "mmhg",
    "mmol",
    "months",
    "percent",
    "pounds",
    "seconds",
    "units",
    "weeks",
];

/// Whether an age of so many `years` is hidden, and how far: `None` if it stays.
pub(super) fn hidden(
    text: &str,
    coarse: bool,
    english: bool,
    years: u32,
    find: &mut Find,
) -> Option<()> {
    let told = &text[find.start..find.end];
    // In words, the rule has it that it is over 89.
    let words = !told.starts_with(|c: char| c.is_ascii_digit());
    if !words && (years > OLDEST || years <= OLDEST_TOLD && !coarse) {
        return None;
    }
    let rest = &text[find.end..];
    if rest.starts_with('%') || MEASURES.iter().any(|unit| is_next(rest, unit)) {
        return None;
    }
    if english {
        // The unit is no secret, and the sentence stays readable.
        let end = if words {
            told.to_ascii_lowercase().rfind("year")
        } else {
            told.find(|c: char| !c.is_ascii_digit() && c != '.')
        };
        let told = &told[..end.unwrap_or(told.len())];
        find.end = find.start + told.trim_end_matches([' ', '-', '.']).len();
    }
    Some(())
}

/// Whether `unit` is the next word of `rest`.
fn is_next(rest: &str, unit: &str) -> bool {
    let rest = rest.trim_start_matches(' ');
    rest.get(..unit.len()).is_some_and(|word| word.eq_ignore_ascii_case(unit))
        && !rest[unit.len()..].starts_with(char::is_alphanumeric)
}
