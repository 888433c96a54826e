//! What a tagger takes for a name and rules know better: context words, eponyms.

use super::Find;
use super::kind::Kind;
use super::scan::{Finds, char_at};
use super::words::{NO_NAMES, Word, skip_spaces};

/// What an eponym stands before: `Foley catheter`, `Parkinson's disease`, `Apgar score`.
const HEADS: &[&str] = &[
    "aneurysm",
    "anomaly",
    "arthritis",
    "bacillus",
    "bodies",
    "body",
    "carcinoma",
    "cast",
    "catheter",
    "cell",
    "cells",
    "chorea",
    "classification",
    "coma",
    "contracture",
    "cord",
    "criteria",
    "cyst",
    "deformity",
    "dementia",
    "diet",
    "disease",
    "drain",
    "drainage",
    "duct",
    "encephalopathy",
    "equation",
    "esophagus",
    "filter",
    "fistula",
    "forceps",
    "formula",
    "fracture",
    "gland",
    "goiter",
    "grade",
    "grading",
    "hernia",
    "index",
    "katheter",
    "lactate",
    "line",
    "lymphoma",
    "maneuver",
    "manoeuvre",
    "monitor",
    "nodes",
    "nodule",
    "nodules",
    "operation",
    "palsy",
    "phenomenon",
    "position",
    "procedure",
    "psychosis",
    "reaction",
    "reflex",
    "ring",
    "rule",
    "sarcoma",
    "scale",
    "score",
    "screening",
    "sign",
    "solution",
    "spots",
    "stage",
    "stain",
    "stroke",
    "stuart",
    "syndrom",
    "syndrome",
    "test",
    "tetralogy",
    "thyroiditis",
    "trait",
    "triad",
    "tube",
    "tumor",
    "tumour",
    "ulcer",
    "ultrasound",
    "virus",
    "zeichen",
];
/// What an eponym stands behind: `Morbus Crohn`, `síndrome de Down`.
const LEADS: &[&str] = &[
    "catéter",
    "clasificación",
    "criterios",
    "enfermedad",
    "escala",
    "fenómeno",
    "linfoma",
    "mal",
    "maladie",
    "maniobra",
    "morbo",
    "morbus",
    "prueba",
    "reflejo",
    "sarcoma",
    "signo",
    "sonda",
    "síndrome",
    "test",
    "tetralogía",
    "tumor",
    "índice",
    "úlcera",
];

/// Whether rules refuse what the tagger found.
pub(super) fn holds(text: &str, scanned: &Finds, find: &Find) -> bool {
    find.kind != Kind::Age && (is_context(text, scanned, find) || is_eponym(text, find))
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

/// It is a disease, a test or a device that is called after somebody.
fn is_eponym(text: &str, find: &Find) -> bool {
    if text[find.start..find.end].contains(' ') {
        return false;
    }
    let rest = &text[find.end..];
    let rest = rest.strip_prefix("'s").or_else(|| rest.strip_prefix("’s")).unwrap_or(rest);
    let after = find.end + (text[find.end..].len() - rest.len());
    let next = skip_spaces(text, after + usize::from(rest.starts_with('-')), 1);
    if Word::at(text, next).is_some_and(|word| word.is_in(HEADS)) {
        return true;
    }
    let before = text[..find.start].trim_end_matches(' ');
    let before = before.strip_suffix(" de").unwrap_or(before);
    before.ends_with(" M.")
        || Word::before(text, before.len()).is_some_and(|word| word.is_in(LEADS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(HEADS.is_sorted());
        assert!(LEADS.is_sorted());
    }
}
