//! What a tagger takes for a name and rules know better: context words, eponyms, drugs, feasts.

use super::Find;
use super::eponyms::{is_drug, is_eponym, is_listed, is_nobody};
use super::kind::Kind;
use super::scan::{Finds, char_at};
use super::words::{NO_NAMES, Word};

/// Whether rules refuse what the tagger found.
pub(super) fn holds(text: &str, scanned: &Finds, find: &Find) -> bool {
    if find.kind == Kind::Age {
        return is_section(text, find);
    }
    is_code(text, find)
        || is_context(text, scanned, find)
        || is_nobody(&text[find.start..find.end])
        || is_drug(text, find)
        || is_eponym(text, find)
        || is_listed(text, find)
}

/// `mount(8)`: a number in brackets right behind a word is no age.
fn is_section(text: &str, find: &Find) -> bool {
    text[..find.start].strip_suffix('(').is_some_and(|word| word.ends_with(char::is_alphanumeric))
}

/// `adm_src`, `d.ogvd`: a name of a column or a variable, in small letters.
fn is_code(text: &str, find: &Find) -> bool {
    let (before, found) = (&text[..find.start], &text[find.start..find.end]);
    let joined = found.contains('_')
        || text[find.end..].starts_with('_')
        || before.ends_with('_')
        || before.strip_suffix('.').is_some_and(|table| table.ends_with(char::is_alphanumeric))
        || found.split_once('.').is_some_and(|(_, rest)| rest.starts_with(char::is_lowercase));
    joined && !found.contains(char::is_uppercase)
}

/// Every word of it is a context word, or one that never is a name.
fn is_context(text: &str, scanned: &Finds, find: &Find) -> bool {
    let mut at = find.start;
    while at < find.end {
        let from = scanned.labels.partition_point(|label| label.start < at);
        let label = scanned.labels.get(from).filter(|label| label.start == at);
        let word = Word::at(text, at);
        at = match (label, word) {
            (Some(label), _) => label.end,
            (None, Some(word)) if word.is_in(NO_NAMES) => word.end(),
            (None, Some(_)) => return false,
            (None, None) => at + char_at(text, at).len_utf8(),
        };
    }
    true
}
