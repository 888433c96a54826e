//! Health insurers of German-speaking countries, by their names and where a field announces one.

use super::Find;
use super::kind::Kind;
use super::labels::Labels;
use super::scan::{Finds, char_at};
use super::words::{Word, skip_spaces};

/// As sure as of a country: an insurer alone tells of few people who.
const SCORE: f32 = 0.55;
/// Words of a name, and of what an insurer's short name goes on with: `BKK Pro Vita`.
const WORDS_MAX: usize = 5;
const TAIL_WORDS_MAX: usize = 2;
/// Short names that many insurers have, with a part of their own behind them.
const FAMILIES: &[&str] = &["aok", "bkk", "ikk"];
/// What says that an insurer follows, and is none.
const FIELDS: &[&str] = &["kasse", "kostenträger", "krankenkasse", "krankenversicherung"];
/// Short names that are other words in small letters or alone.
const DOUBTFUL: &[&str] = &["tk"];

/// Every insurer that a context word names or announces.
pub(super) fn find(text: &str, finds: &Finds) -> Vec<Find> {
    let of_insurer = finds.labels.iter().filter(|label| label.labels.meets(Labels::INSURER));
    of_insurer
        .filter_map(|label| {
            let small = text[label.start..label.end].to_lowercase();
            let (start, end) = if FIELDS.contains(&small.as_str()) {
                let sign = skip_spaces(text, label.end, 4);
                let start =
                    (char_at(text, sign) == ':').then(|| skip_spaces(text, sign + 1, 16))?;
                (start, read(text, start, WORDS_MAX)?)
            } else if DOUBTFUL.contains(&small.as_str()) {
                return None;
            } else {
                let next = skip_spaces(text, label.end, 1);
                let tail = FAMILIES.contains(&small.as_str()) && next > label.end;
                let end = if tail { read(text, next, TAIL_WORDS_MAX) } else { None };
                (label.start, end.unwrap_or(label.end))
            };
            Some(Find { start, end, kind: Kind::Organization, score: SCORE })
        })
        .collect()
}

/// Behind the words with a capital that start at byte `at`, `most` of them; `classic` belongs to a name.
fn read(text: &str, at: usize, most: usize) -> Option<usize> {
    let (mut at, mut end) = (at, None);
    for _ in 0..most {
        let Some(word) = Word::at(text, at) else { break };
        if !word.is_capitalised() && !matches!(word.text, "classic" | "für" | "hkk") {
            break;
        }
        end = Some(word.end());
        at = skip_spaces(text, word.end(), 1);
        if at == word.end() {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::super::scan::Scanner;
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = find(text, &Scanner::new().scan(text));
        let found: Vec<_> = found.iter().map(|find| &text[find.start..find.end]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn by_their_names() {
        check(
            "AOK Nordost, BKK Pro Vita und IKK classic",
            &["AOK Nordost", "BKK Pro Vita", "IKK classic"],
        );
        check("bei der Barmer (DAK-Gesundheit), HEK", &["Barmer", "DAK-Gesundheit", "HEK"]);
        check("als TK eingefroren, an der Kasse zahlen", &[]);
    }

    #[test]
    fn where_a_field_announces_one() {
        check("Kostenträger: Alpenländische, Nr. 7", &["Alpenländische"]);
        check("Krankenkasse: Neue Kasse Ost\nNr. 8", &["Neue Kasse Ost"]);
        check("Krankenkasse: privat", &[]);
    }
}
