//! Codes that stand for somebody's file, order or thing, by their shape alone: `A-2291-0083`, `ZA77310952`,
//! `4471906`, `47/20981/X`.
//!
//! People announce such a number by any word, or by none, so no list of words is enough. What has the shape and
//! is no number of a person (an amount, a range, a code of a catalogue) is told apart by its digits, its letters
//! and, as for every rule, by the word before it that denies.

use super::super::kind::Kind;
use super::super::words::is_year;
use super::{Edge, Rule};

const fn code(pattern: &'static str) -> Rule {
    Rule::new(Kind::Id, 0.55, pattern).text(is_code).unless_invalid().edge(Edge::Code)
}

pub(super) const RULES: &[Rule] = &[
    // Digits alone, longer with a year before them.
    code("[0-9]{6,8}|20[012][0-9]{7}"),
    // Capitals before digits, in one piece or with signs between.
    code(r"[A-Z]{1,6}(?:[\-/._]?[0-9A-Z]{1,14}){1,6}|[a-z]-[0-9]{5,10}"),
    // Digits before capitals, or groups of either with signs between.
    code(r"[0-9][0-9A-Z]{0,13}(?:[\-/_][0-9A-Z]{1,12}){0,5}"),
];

/// Digits of the shortest code.
const DIGITS_MIN: usize = 4;
/// Capitals before a number that everybody may know: registers, classifications, standards, genes, and the makers'
/// prefixes of drugs under development.
const PUBLIC: &[&str] = &[
    "ABBV", "ABT", "ACTRN", "AMG", "ANSI", "ARB", "ASTM", "ATC", "AZD", "BAY", "BGB", "BI", "BMS",
    "BNT", "BRCA", "BS", "CAS", "CHEBI", "CHEMBL", "COVID", "CPT", "CRD", "CVE", "CYP", "DB",
    "DIN", "DOI", "DRG", "DRKS", "DSM", "EAN", "EC", "EN", "ENSG", "ENST", "EUDRACT", "FDA", "GO",
    "GSE", "GSK", "GTIN", "HCPCS", "HGNC", "HLA", "HP", "HPO", "ICD", "IEC", "IEEE", "ISBN", "ISO",
    "ISRCTN", "ISSN", "IND", "JNJ", "JRCT", "KB", "LOINC", "LY", "MEDDRA", "MK", "MONDO", "NBK",
    "NC", "NCT", "NDA", "NDC", "NG", "NICE", "NM", "NP", "OMIM", "ONO", "OPS", "ORPHA", "PDB",
    "PF", "PMC", "PMID", "PR", "PZN", "RFC", "RG", "RGB", "RO", "RS", "RX", "RXCUI", "SAR", "SARS",
    "SCTID", "SNOMED", "SNP", "TAK", "TA", "UMLS", "UN", "UNII", "USP", "UTC", "VDE",
];

/// Whether a text of one of the shapes is a code.
fn is_code(text: &str) -> bool {
    // Most that have the shape are words in capitals.
    if text.bytes().filter(u8::is_ascii_digit).count() < DIGITS_MIN {
        return false;
    }
    let prefix = text.split(|c: char| !c.is_ascii_uppercase()).next().unwrap_or_default();
    if PUBLIC.contains(&prefix) {
        return false;
    }
    if text.bytes().any(|byte| byte.is_ascii_alphabetic()) { mixed(text) } else { is_number(text) }
}

/// Whether letters and digits are a code: enough digits, and more of them where a classification has such codes.
fn mixed(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let Some(longest) = digit_runs(text).max_by_key(|run| run.len()) else { return false };
    let signs = text.bytes().filter(|byte| !byte.is_ascii_alphanumeric()).count();
    // A version, a number of an article.
    if text.contains('.') && longest.len() < 5 {
        return false;
    }
    let first = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let least = match (signs, first) {
        // The International Classification of Diseases has S72001A.
        (0, 1) => 6,
        (0, _) => 5,
        // A product has one sign: "MK-3475"; "1500-A" says more, unless it is a year.
        (1, 1..) => 5,
        (1, 0) | (2.., _) => 4,
    };
    // A product is called after a round number, or after a year.
    let named = longest.len() == 4 && (is_year(longest) || longest.ends_with("00"));
    digits >= least && longest.len() >= 3 && !(digits <= 5 && named)
}

/// Whether digits alone, or in groups, number something.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let mut runs = digit_runs(text);
    let (Some(first), Some(last)) = (runs.next(), digit_runs(text).last()) else { return false };
    let groups = 1 + runs.count();
    if first.len() == text.len() {
        // What is counted is round.
        return digits >= 6 && !text.ends_with("00");
    }
    let longest = digit_runs(text).map(str::len).max().unwrap_or(0);
    // The check digit of a classification or of a substance: LOINC 4548-4, CAS 7732-18-5.
    let check_digit = last.len() == 1 && digits < 9;
    let book = matches!(first, "978" | "979");
    // A National Drug Code, 0002-8215-01; a trial in Europe, 2020-001154-22; a regulation there, 2017/745; what looks
    // like a date, of which other rules know more.
    let lengths: Vec<usize> = digit_runs(text).map(str::len).collect();
    let law = matches!(lengths[..], [4, ..=3]) && is_year(first);
    let day = matches!(lengths[..], [..=2, ..=2, 4]) && is_year(last);
    let public = law || day || matches!(lengths[..], [4..=5, 3..=4, 1..=2] | [4, 6, 2]);
    let amounts = groups == 2 && (is_range(first, last) || last.ends_with("00"));
    digits >= 7 && longest >= 4 && !check_digit && !book && !public && !amounts
}

/// Whether two numbers are the ends of a range: the second is larger, though not by an order of magnitude.
fn is_range(from: &str, to: &str) -> bool {
    let value = |digits: &str| digits.parse::<u64>().unwrap_or(0);
    let (low, high) = (value(from), value(to));
    !from.starts_with('0') && !to.starts_with('0') && low < high && high < 20 * low
}

fn digit_runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty())
}
