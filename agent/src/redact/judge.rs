//! From shapes to findings: check digits, and the words before and after.

use std::cell::LazyCell;

use super::Find;
use super::ages;
use super::checks;
use super::diary;
use super::kind::Kind;
use super::labels::Labels;
use super::language::Small;
use super::profile::{Coarse, Profile};
use super::rules::{Check, Edge, Rule};
use super::scan::{Candidate, Finds, Label, Scanner, char_at, char_before, in_words};
use super::words::skip_spaces;

/// How far before an identifier a context word counts, in bytes.
const CONTEXT_BYTES_MAX: usize = 40;
/// How far after a context word its value may start, in bytes.
const GLUE_BYTES_MAX: usize = 32;
/// How many values one context word may announce: "Tel. 956 013 059 y 956 013 060".
const VALUES_MAX: usize = 3;
/// What a word that denies ("lot", "version", a unit) takes from a score.
const DENIAL: f32 = 0.5;
/// How sure a value is that a word behind it explains.
const EXPLAINED_SCORE: f32 = 0.75;
/// Bytes of such a value.
const VALUE_BYTES_MAX: usize = 32;
/// Kinds of such a value: numbers of people that have no shape of their own.
const EXPLAINED: &[Kind] = &[
    Kind::MedicalRecord,
    Kind::Account,
    Kind::HealthPlan,
    Kind::Ssn,
    Kind::Passport,
    Kind::License,
    Kind::TaxId,
    Kind::DeviceSerial,
    Kind::Id,
    Kind::Nhs,
    Kind::Npi,
];

/// Judges every candidate of `finds`, those that have their shape alone only if `shapes` says so, and what the labels
/// announce.
pub(super) fn judge(
    scanner: &Scanner,
    profile: &Profile,
    text: &str,
    finds: &Finds,
    shapes: bool,
) -> Vec<Find> {
    let mut found = Vec::new();
    let german = LazyCell::new(|| Small::of(text).has_nouns_in_capitals());
    let is_diary = LazyCell::new(|| diary::is_diary(text, &finds.candidates));
    for candidate in &finds.candidates {
        if diary::starts_line(text, candidate) && *is_diary {
            let &Candidate { rule, start, end } = candidate;
            let find = Find { start, end, kind: rule.kind, score: rule.labelled };
            found.extend(finish(profile, text, rule, find));
        }
        if (candidate.rule.edge != Edge::German || *german)
            && (candidate.rule.any_check
                || shapes && !is_invalid(text, &finds.candidates, candidate))
        {
            found.extend(free(profile, text, &finds.labels, candidate));
        }
    }
    let mut values = Vec::new();
    let mut denied_to = 0;
    for label in &finds.labels {
        if label.labels.meets(Labels::DENY) {
            denied_to = denied_to.max(label.end);
        }
        // "Model no": the number is that of the first word.
        let denied = !label.labels.names_kind() && denied_to > 0 && label.start <= denied_to + 1;
        if !denied {
            announced(scanner, profile, text, label, &mut values, &mut found);
        }
        found.extend(explained(profile, text, label));
    }
    found
}

/// The value that a word behind it explains, in brackets: `12345678 (MRN)`; for a telephone at the end
/// of a line without them, too: `781 1704 office`.
fn explained(profile: &Profile, text: &str, label: &Label) -> Option<Find> {
    if !label.labels.names_kind() {
        return None;
    }
    let (before, after) = (&text[..label.start], &text[label.end..]);
    let in_brackets = before.strip_suffix('(').filter(|_| after.starts_with(')'));
    let at_end = before.strip_suffix([' ', '-']).filter(|before| {
        before.ends_with(|c: char| c.is_ascii_digit())
            && (after.is_empty() || after.starts_with(['\n', '\r', ',', ';', '\\']))
    });
    let opened = in_brackets.or(at_end)?;
    let kind = label.labels.kind()?;
    let spaced = matches!(kind, Kind::Phone | Kind::Fax);
    if !spaced && (in_brackets.is_none() || !EXPLAINED.contains(&kind)) {
        return None;
    }
    let end = opened.trim_end_matches([' ', ',', ':']).len();
    let of_value = |c: char| {
        c.is_ascii_digit()
            || "-./_".contains(c)
            || spaced && "+() ".contains(c)
            || !spaced && c.is_ascii_alphabetic()
    };
    let from = text.floor_char_boundary(end.saturating_sub(VALUE_BYTES_MAX));
    let value = text[from..end].char_indices().rev().take_while(|(_, c)| of_value(*c)).last();
    let start = from + value?.0;
    let value = text[start..end].trim_start_matches([' ', '-', '.', '/', '_', ')']);
    let start = end - value.len();
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let least = if in_brackets.is_none() {
        7
    } else if spaced {
        6
    } else {
        3
    };
    let whole = !in_words(char_before(text, start)) && end > start;
    (whole && digits >= least && EXPLAINED_SCORE >= profile.min_score).then_some(Find {
        start,
        end,
        kind,
        score: EXPLAINED_SCORE,
    })
}

/// Shorter digits are of too many shapes for a check digit to speak against them.
const CHECKED_BYTES_MIN: usize = 9;

/// Whether the text of a candidate has the shape of an identifier whose check digit it fails. Candidates come in
/// the order of their starts.
fn is_invalid(text: &str, candidates: &[Candidate], found: &Candidate) -> bool {
    let Candidate { start, end, .. } = *found;
    let from = candidates.partition_point(|other| other.start < start);
    let same = candidates[from..].iter().take_while(|other| other.start == start);
    end - start >= CHECKED_BYTES_MIN
        && same.filter(|other| other.end == end).any(|other| {
            matches!(other.rule.check, Check::Digits(_)) && !passes(other.rule, &text[start..end])
        })
}

/// A candidate anywhere in the text: the nearest word that supports or denies it decides.
fn free(profile: &Profile, text: &str, labels: &[Label], found: &Candidate) -> Option<Find> {
    let Candidate { rule, start, end } = *found;
    if !rule.holds_start(text, start) || !passes(rule, &text[start..end]) {
        return None;
    }
    // Groups of digits that go on before are another, longer number.
    let spaced = text[start..end].contains(' ') && rule.edge == Edge::Number;
    if spaced && text[..start].ends_with(' ') && char_before(text, start - 1).is_ascii_digit() {
        return None;
    }
    let next = labels.partition_point(|label| label.start < end);
    let unit = labels.get(next).is_some_and(|label| {
        label.labels.meets(Labels::UNIT)
            && text[end..label.start].bytes().all(|byte| byte == b' ')
            && label.start - end <= 1
    });
    let before = labels.partition_point(|label| label.start < start);
    let (kind, score) = match nearest(text, &labels[..before], rule, start) {
        Some(label) if label.meets(rule.labels) => (kind(rule, label), rule.labelled),
        // No lot is 90 years old.
        Some(_) | None if rule.kind == Kind::Age => (rule.kind, rule.alone),
        Some(_) => (rule.kind, rule.alone - DENIAL),
        None if unit => (rule.kind, rule.alone - DENIAL),
        None => (rule.kind, rule.alone),
    };
    finish(profile, text, rule, Find { start, end, kind, score })
}

/// The closest word before `start`, in the same sentence, that supports or denies `rule`.
fn nearest(text: &str, before: &[Label], rule: &Rule, start: usize) -> Option<Labels> {
    for label in before.iter().rev() {
        if label.end > start {
            continue;
        }
        let between = &text[label.end..start];
        if between.len() > CONTEXT_BYTES_MAX {
            return None;
        }
        let denies = label.labels.meets(Labels::DENY);
        if breaks(between) && !(denies && one_value(between)) {
            return None;
        }
        if denies || label.labels.meets(rule.labels) {
            return Some(label.labels);
        }
    }
    None
}

/// Whether `between` is the first part of what a context word announces: of a value, or of a list of values.
fn one_value(between: &str) -> bool {
    let joins = |word: &str| matches!(word, "and" | "bis" | "or" | "to" | "und" | "vs" | "y");
    between.split(' ').all(|word| {
        joins(word)
            || word.bytes().all(
                |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'-' | b'.' | b':' | b'#' | b','),
            )
    })
}

/// Whether a context word does not reach over `between`: another number, a line, a sentence end.
fn breaks(between: &str) -> bool {
    let mut previous = ' ';
    for (at, c) in between.char_indices() {
        // A full stop right after the word belongs to an abbreviation.
        let sentence = at > 1 && matches!(previous, '.' | '!' | '?') && c.is_whitespace();
        if c.is_ascii_digit() || matches!(c, '\n' | ']' | ';') || sentence {
            return true;
        }
        previous = c;
    }
    false
}

/// What stands right after `label`, by the rules that are tried only there.
fn announced(
    scanner: &Scanner,
    profile: &Profile,
    text: &str,
    label: &Label,
    values: &mut Vec<Candidate>,
    found: &mut Vec<Find>,
) {
    if !label.labels.meets(Labels::ANNOUNCING) {
        return;
    }
    let mut at = label.end;
    for _ in 0..VALUES_MAX {
        let Some(start) = value_start(text, at, label.labels) else { return };
        values.clear();
        scanner.announced_at(text, start, values);
        let best = values
            .iter()
            .filter(|value| label.labels.meets(value.rule.labels))
            .filter(|value| passes(value.rule, &text[start..value.end]))
            .filter_map(|value| {
                let (rule, end) = (value.rule, value.end);
                let find =
                    Find { start, end, kind: kind(rule, label.labels), score: rule.labelled };
                finish(profile, text, rule, find)
            })
            .max_by(|a, b| a.score.total_cmp(&b.score).then(a.end.cmp(&b.end)));
        let Some(find) = best else { return };
        at = find.end;
        found.push(find);
        if !continues(&text[at..]) {
            return;
        }
    }
}

/// Whether a list of values goes on: "y", "and", a comma.
fn continues(rest: &str) -> bool {
    [" y ", " and ", " und ", " / ", " or ", " oder ", " o "]
        .iter()
        .any(|sign| rest.starts_with(sign))
}

/// Words between a field's name and its value.
const FILLERS: &[&str] = &[
    "is",
    "are",
    "was",
    "no",
    "nr",
    "number",
    "num",
    "n",
    "of",
    "the",
    "my",
    "es",
    "ist",
    "lautet",
    "number's",
    "a",
    "id",
    "code",
    "y",
    "and",
    "und",
    "or",
    "oder",
    "o",
    "für",
    "for",
    "unter",
    "at",
    "nº",
    "núm",
    "número",
    "card",
    "account",
    "on",
    "the",
    "num",
    "this",
    "using",
    "your",
    "his",
    "her",
    "el",
    "la",
    "des",
    "der",
    "kindes",
    "mutter",
    "patienten",
    "patientin",
    "versicherten",
];

/// Where the value of a field that ends at `at` starts: behind punctuation and words like "is".
fn value_start(text: &str, at: usize, labels: Labels) -> Option<usize> {
    // "on", "am", "en" are everywhere, so nothing may stand between them and their value.
    let mut near = skip_spaces(text, at, 1);
    if labels.meets(Labels::NUMBER) && !labels.names_kind() {
        if text[near..].starts_with(['.', ':']) {
            near = skip_spaces(text, near + 1, 1);
        }
        let starts = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
        for filler in ["is ", "was ", "ist ", "war ", "es "] {
            near += if text[near..].starts_with(filler) { filler.len() } else { 0 };
        }
        return text[near..].starts_with(starts).then_some(near);
    }
    if !labels.names_kind() && !labels.meets(Labels::AGE_FIELD) {
        // But a colon behind "age" and "birth year".
        if labels.meets(Labels::AGED.or(Labels::BIRTH)) && text[near..].starts_with(':') {
            near = skip_spaces(text, near + 1, 2);
        }
        if labels.meets(Labels::DAY) && text[near..].starts_with("the ") {
            near += "the ".len();
        }
        if labels.meets(Labels::YEAR) && text[near..].starts_with('-') {
            near += 1;
        }
        // A month stands where a year does.
        let month = labels.meets(Labels::YEAR.or(Labels::YEAR_LOCAL));
        let starts = |c: char| c.is_ascii_digit() || month && c.is_alphabetic();
        return text[near..].starts_with(starts).then_some(near);
    }
    let limit = at + GLUE_BYTES_MAX;
    let (mut at, mut lines) = (at, 0);
    while at < text.len() && at <= limit {
        let c = char_at(text, at);
        if c == '\n' {
            lines += 1;
            if lines > 1 {
                return None;
            }
        } else if c == '(' && !starts_value(&text[at..], labels) {
            at += 1;
            continue;
        } else if c.is_ascii_digit() || matches!(c, '+' | '(') {
            return Some(at);
        } else if c.is_alphabetic() {
            let word = text[at..]
                .find(|c: char| !c.is_alphanumeric() && c != 'º')
                .map_or(&text[at..], |end| &text[at..at + end]);
            // "A-774" is a value, though "a" is such a word.
            let goes_on = text[at + word.len()..].starts_with('-');
            if goes_on || !FILLERS.iter().any(|filler| filler.eq_ignore_ascii_case(word)) {
                return Some(at);
            }
            at += word.len();
            continue;
        } else if matches!(c, '[' | ']' | ';') {
            return None;
        }
        at += c.len_utf8();
    }
    None
}

/// Whether the bracket that `rest` starts with belongs to the value, as those of `(216) 555-0199` and of
/// `(01)00844588` do, or stands around it: `DNI (50884127-Q)`.
fn starts_value(rest: &str, labels: Labels) -> bool {
    const AROUND_MIN: usize = 5;
    let phone = labels.meets(Labels::of(Kind::Phone).or(Labels::of(Kind::Fax)));
    phone || rest.find(')').is_some_and(|end| end < AROUND_MIN)
}

/// Whether the check that `rule` demands holds for `text`.
pub(super) fn passes(rule: &Rule, text: &str) -> bool {
    match rule.check {
        Check::None => true,
        Check::Text(check) => check(text),
        Check::Digits(check) => checks::holds(check, text),
    }
}

/// The label's kind where a rule serves several.
fn kind(rule: &Rule, label: Labels) -> Kind {
    label.and(rule.labels).kind().unwrap_or(rule.kind)
}

/// The last rules: the profile's, and that a word is not cut.
fn finish(profile: &Profile, text: &str, rule: &Rule, mut find: Find) -> Option<Find> {
    if find.score < profile.min_score || in_words(char_before(text, find.start)) {
        return None;
    }
    let years = || {
        let digits = text[find.start..find.end].bytes().take_while(u8::is_ascii_digit);
        digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    };
    let english = rule.labels.meets(Labels::AGED.or(Labels::YEAR));
    let coarse = match profile.coarse {
        Coarse::SafeHarbor => false,
        Coarse::Local => !english,
        Coarse::Strict => true,
    };
    if rule.labels.meets(Labels::YEAR.or(Labels::YEAR_LOCAL)) && !coarse {
        return None;
    }
    if rule.labels.meets(Labels::BIRTH) && rule.announced && !coarse {
        let youngest = profile.this_year.saturating_sub(ages::OLDEST_TOLD + 1);
        if years() > youngest {
            return None;
        }
    }
    if find.kind == Kind::Age {
        ages::hidden(text, coarse, english, years(), &mut find)?;
    }
    Some(find)
}
