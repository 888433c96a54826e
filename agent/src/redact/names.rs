//! Names of people, by what stands around them: titles, fields, roles, salutations, signatures,
//! degrees, and a name's other places in the same text.

use std::cell::LazyCell;
use std::collections::HashSet;

use super::Find;
use super::eponyms::is_nobody;
use super::kind::Kind;
use super::labels::Labels;
use super::language::Small;
use super::scan::{Finds, Label, char_at, char_before, is_mark};
use super::words::{NO_NAMES, PARTICLES, TITLES, Word, skip_spaces};

/// Words of one name.
const WORDS_MAX: usize = 6;
/// Titles before one name: more in a row stand before nobody.
const TITLES_MAX: usize = 8;
/// Bytes of the longest of [`TITLES`].
const TITLE_BYTES_MAX: usize = 10;
/// Bytes of a word that may be a part of a name.
const WORD_BYTES_MAX: usize = 128;
/// Letters of a name's part that is looked for elsewhere in the text.
const PART_LETTERS_MIN: usize = 3;
/// Score of a number behind a name.
const BEHIND: f32 = 0.6;
/// Letters and digits of such a number: without letters, shorter ones may be anything.
const NUMBER_LETTERS_MAX: usize = 3;
const NUMBER_DIGITS_MIN: usize = 6;
const NUMBER_DIGITS_MAX: usize = 12;
/// Titles that are hidden with their name, in small letters.
const COVERED_TITLES: &[&str] =
    &["dr", "habil", "med", "miss", "mr", "mrs", "ms", "mx", "pd", "prof", "professor", "sir"];
/// What stands behind another title, in small letters: "Dr. med. univ.". With a capital, these may
/// be names.
const SMALL_TITLES: &[&str] = &["dent", "habil", "jur", "med", "nat", "rer", "univ"];
/// Score of a name that stands where it was announced.
const ANNOUNCED: f32 = 0.9;
/// Score of a name's repetition.
const REPEATED: f32 = 0.7;

/// Every name that the labels in `finds` give away.
pub(super) fn find(text: &str, finds: &Finds) -> Vec<Find> {
    let shouts = LazyCell::new(|| !text.contains(char::is_lowercase));
    let spanish = LazyCell::new(|| *shouts || Small::of(text).is_spanish());
    let means = |label: &&Label| match &text[label.start..label.end] {
        // Titles in Spanish; elsewhere a class or a vitamin, and a sinus rhythm.
        "D" | "SR" => *spanish,
        // "HI NYHA III" greets nobody.
        "HI" => *shouts,
        _ => true,
    };
    let labels = finds.labels.iter().filter(means);
    let mut found: Vec<Find> =
        labels.filter_map(|label| announced(text, &finds.labels, label)).collect();
    let parts = parts(text, &found);
    if !parts.is_empty() {
        found.extend(occurrences(text, &parts).map(|word| Find {
            start: word.start,
            end: word.end(),
            kind: Kind::Name,
            score: REPEATED,
        }));
    }
    found
}

/// Titles are hidden with the name behind them: "Dr. Roe", "Prof. Dr. med. Roe". Not in Spanish texts,
/// where a title stands before most words of respect and tells nothing of the person.
pub(super) fn cover_titles(text: &str, found: &mut [Find]) {
    let names = || found.iter().filter(|find| find.kind == Kind::Name);
    if names().next().is_none() || Small::of(text).is_spanish() {
        return;
    }
    for find in found.iter_mut().filter(|find| find.kind == Kind::Name) {
        for _ in 0..TITLES_MAX {
            let Some(start) = title_before(text, find.start) else { break };
            find.start = start;
        }
    }
}

/// Where the title that ends before byte `at` starts.
fn title_before(text: &str, at: usize) -> Option<usize> {
    let gap = text[..at].trim_end_matches(' ');
    let end = gap.strip_suffix('.').unwrap_or(gap).len();
    let title = Word::before(text, end)?;
    let near = (1..=2).contains(&(at - gap.len()));
    let covered =
        title.is_capitalised() && title.is_in(COVERED_TITLES) || SMALL_TITLES.contains(&title.text);
    (near && covered).then_some(title.start)
}

/// Numbers right behind names, which are records of these people: `Roe, Jane 19440512`, `Roe (H-20931)`.
pub(super) fn numbers_behind(text: &str, found: &[Find]) -> Vec<Find> {
    let names = found.iter().filter(|find| find.kind == Kind::Name);
    names.filter_map(|name| number_behind(text, name.end)).collect()
}

/// The number that starts within a few signs behind byte `at`.
fn number_behind(text: &str, at: usize) -> Option<Find> {
    let rest = &text[at..];
    let opened = rest.strip_prefix(" (");
    let behind = opened.or_else(|| {
        [", no. ", ", #", " #", " / ", ", ", " "].iter().find_map(|sign| rest.strip_prefix(sign))
    })?;
    let letters = behind.bytes().take_while(u8::is_ascii_uppercase).count();
    let hyphen = usize::from(letters > 0 && behind[letters..].starts_with('-'));
    let digits = behind[letters + hyphen..].bytes().take_while(u8::is_ascii_digit).count();
    let least = if letters > 0 { NUMBER_DIGITS_MIN - 2 } else { NUMBER_DIGITS_MIN };
    let length = letters + hyphen + digits;
    let whole = if opened.is_some() {
        behind[length..].starts_with(')')
    } else {
        // More of a number, or of a word, is another thing.
        let mut next = behind[length..].chars();
        let (sign, after) = (next.next(), next.next());
        let goes_on = matches!(sign, Some('.' | ',' | ':')) && after.is_some_and(char::is_numeric);
        !goes_on && sign.is_none_or(|c| !c.is_alphanumeric() && !"/%-".contains(c))
    };
    let start = text.len() - behind.len();
    (letters <= NUMBER_LETTERS_MAX && (least..=NUMBER_DIGITS_MAX).contains(&digits) && whole)
        .then_some(Find { start, end: start + length, kind: Kind::Id, score: BEHIND })
}

/// The name beside one context word.
fn announced(text: &str, labels: &[Label], label: &Label) -> Option<Find> {
    let is = |wanted| label.labels.meets(wanted);
    let name = |start, end| Find { start, end, kind: Kind::Name, score: ANNOUNCED };
    if is(Labels::TITLE)
        && let Some((start, end)) = titled(text, label)
    {
        return Some(name(start, end));
    }
    if (is(Labels::NAME_FIELD) || is(Labels::ROLE))
        && let Some(start) = field_value(text, label.end)
        && !is_empty_field(text, labels, label.end, start)
        && let Some((start, end, words)) = parse(text, start, Some(labels))
        && (words >= 2 || !is_subject(&text[label.start..label.end]))
        // "Patient: Presented with": one word is a name if nothing follows it.
        && (words >= 2 || is(Labels::NAME_FIELD) || !text[end..].starts_with([' ', ',']))
    {
        return Some(name(start, end));
    }
    if is(Labels::ROLE) {
        let start = skip_spaces(text, label.end, 3);
        if start > label.end
            && let Some((start, end, words)) = parse(text, start, None)
            && words >= 2
        {
            return Some(Find { score: 0.7, ..name(start, end) });
        }
    }
    if is(Labels::CALLED) {
        let start = skip_spaces(text, label.end, 2);
        if start > label.end
            && let Some((start, end, _)) = parse(text, start, None)
        {
            return Some(Find { score: 0.7, ..name(start, end) });
        }
    }
    if is(Labels::BORN) {
        let dot = label.end + usize::from(char_at(text, label.end) == '.');
        let start = skip_spaces(text, dot, 2);
        if start > dot
            && let Some((start, end, _)) = parse(text, start, None)
            && !is_nobody(&text[start..end])
        {
            return Some(Find { score: 0.7, ..name(start, end) });
        }
    }
    // "Silberfische lieber Kleister" prefers it.
    let prefers = &text[label.start..label.end] == "lieber" && !starts_line(text, label.start);
    if is(Labels::GREETING) && !prefers {
        let start = skip_spaces(text, label.end, 2);
        let (start, end, words) = parse(text, start, None)?;
        if greets_nobody(text, start) {
            return None;
        }
        let closed = matches!(char_at(text, end), ',' | '!' | ':' | '.' | '\n' | ' ');
        return (closed && words <= 3).then_some(Find { score: 0.8, ..name(start, end) });
    }
    if is(Labels::CLOSING) {
        let start = signature(text, label.end)?;
        if ["Ihr ", "Ihre ", "Euer ", "Eure ", "Your "]
            .iter()
            .any(|our| text[start..].starts_with(our))
        {
            return None; // an office signs
        }
        let (start, end, words) = parse(text, start, None)?;
        let alone = end == text.len() || matches!(char_at(text, end), '\n' | '\r' | ',' | '.');
        return (alone && words <= 4).then_some(Find { score: 0.8, ..name(start, end) });
    }
    if is(Labels::DEGREE) && text[label.start..].starts_with(char::is_uppercase) {
        return before_degree(text, label.start);
    }
    None
}

/// The name behind a title.
fn titled(text: &str, label: &Label) -> Option<(usize, usize)> {
    let title = &text[label.start..label.end];
    // "-D" is an option, "N/V/D" a list, "8 Fr" a catheter's width.
    let width = text[..label.start].trim_end_matches(' ').ends_with(|c: char| c.is_ascii_digit());
    let other = matches!(char_before(text, label.start), '-' | '/') || title == "Fr" && width;
    if other || !is_title(title) || title == "MR" && is_imaged(text, label.end) {
        return None;
    }
    let start = match char_at(text, label.end) {
        // "Med: Torasemid" is another field.
        ':' if !is_address(title) => return None,
        ':' | '.' => label.end + 1,
        _ => label.end,
    };
    let (start, end, _) = parse(text, skip_spaces(text, start, 3), None)?;
    Some((start, end))
}

/// Whether "MR" before this is magnetic resonance, since what it shows follows.
fn is_imaged(text: &str, at: usize) -> bool {
    const SHOWN: &str = "\
        abdomen abdominal angiogram angiography ankle arthrogram brain breast cardiac cervical \
        cholangiogram cholangiopancreatography elbow elastography enterography femur fistulogram \
        foot guided hand head heart hip imaging kidneys knee liver lumbar neck orbits pancreas \
        pelvic pelvis pituitary prostate rectum sacrum scan scans shoulder sinuses spectroscopy \
        spine study thigh thoracic urogram urography uterus venogram venography whole wrist";
    Word::at(text, skip_spaces(text, at, 3))
        .is_some_and(|word| SHOWN.split(' ').any(|shown| word.text.eq_ignore_ascii_case(shown)))
}

/// Titles are written with a capital; short words in small letters need their full stop.
fn is_title(label: &str) -> bool {
    label.starts_with(char::is_uppercase)
        || matches!(label, "dr" | "dra" | "don" | "doña" | "med" | "prof")
}

/// Fields that tell what a letter is about: one word there is a thing.
fn is_subject(label: &str) -> bool {
    label.eq_ignore_ascii_case("betreff") || label.eq_ignore_ascii_case("re")
}

/// Titles that are used as fields, too: "Frau: Roe".
fn is_address(label: &str) -> bool {
    const FIELDS: &[&str] =
        &["Dr", "Frau", "Herr", "Herrn", "Mr", "Mrs", "Ms", "Prof", "Sr", "Sra"];
    FIELDS.contains(&label)
}

/// Where a field's value starts: behind a colon (or a dash, or an equals sign), on the same line or
/// the next.
fn field_value(text: &str, at: usize) -> Option<usize> {
    let at = skip_spaces(text, at, 4);
    // "Name(s):", "Patient's name:".
    let at = if text[at..].starts_with("(s)") { at + 3 } else { at };
    let sign = char_at(text, at);
    if !matches!(sign, ':' | '=') {
        return None;
    }
    let at = skip_spaces(text, at + 1, 16);
    let at = if char_at(text, at) == '\n' { skip_spaces(text, at + 1, 8) } else { at };
    Some(
        text[at..].find(|c: char| !matches!(c, '"' | '*' | '>' | '_')).map_or(at, |skip| at + skip),
    )
}

/// Whether what stands at `start`, where a field's value would, is the next field of a form that nobody
/// has filled in: one that is known, or a line of its own with a colon at its end.
fn is_empty_field(text: &str, labels: &[Label], label_end: usize, start: usize) -> bool {
    let line = text[start..].lines().next().unwrap_or_default();
    is_next_field(text, labels, start)
        || text[label_end..start].contains('\n') && line.trim_end().ends_with(':')
}

/// Where the signature after a closing formula starts: on one of the next lines.
fn signature(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let start =
        rest.find(|c: char| !matches!(c, ',' | '!' | '.' | '-' | '\r' | '\n' | ' ' | '\t'))?;
    let gap = &rest[..start];
    (gap.contains('\n') || gap.contains(',')).then_some(at + start)
}

fn starts_line(text: &str, at: usize) -> bool {
    matches!(text[..at].trim_end_matches([' ', '\t']).chars().next_back(), None | Some('\n'))
}

/// Whether a greeting goes to many, whoever they are, or its sentence goes on: "Hello I moved".
fn greets_nobody(text: &str, start: usize) -> bool {
    let Some(word) = Word::at(text, start) else { return true };
    let dotted = text[word.end()..].starts_with('.');
    is_nobody(word.text) || word.is_initial() && !dotted && text[word.end()..].starts_with(' ')
}

/// Whether the word at byte `at` announces the next field: "Jane Roe Age: 61".
fn is_next_field(text: &str, labels: &[Label], at: usize) -> bool {
    let from = labels.partition_point(|label| label.start < at);
    labels.get(from).is_some_and(|label| {
        let sign = text[label.end..].find(|c: char| !matches!(c, '.' | '-') && !c.is_alphabetic());
        label.start == at && sign.is_some_and(|sign| text[label.end + sign..].starts_with(':'))
    })
}

/// Reads a name from byte `start`: its start (behind titles), its end and its number of words. In a
/// field, which the text's labels come with, "Doe, Jane" is one name, and small letters are taken
/// when everything is written so.
fn parse(text: &str, start: usize, labels: Option<&[Label]>) -> Option<(usize, usize, usize)> {
    let field = labels.is_some();
    let mut end = None;
    let mut words = 0;
    let mut comma = false;
    let mut small = false;
    let first = behind_titles(text, start)?;
    let mut at = first;
    while words < WORDS_MAX {
        let Some(word) = Word::at(text, at) else { break };
        let letters = word.text.chars().filter(|c| c.is_alphabetic()).count();
        let digits = word.text.contains(|c: char| c.is_ascii_digit());
        let capital = word.is_capitalised();
        let initial = word.is_initial() && text[word.end()..].starts_with('.');
        if digits || !initial && (capital || field) && word.is_in(NO_NAMES) {
            break;
        }
        if words > 0 && labels.is_some_and(|labels| is_next_field(text, labels, word.start)) {
            break;
        }
        let mut next = word.end();
        if capital {
            words += 1;
            if word.is_initial() || letters <= 2 {
                next += usize::from(char_at(text, next) == '.');
            }
            end = Some(next);
        } else if !(word.is_in(PARTICLES) && (words > 0 || field || next_is_capital(text, next))) {
            small = field && end.is_none() && letters >= 2 || small;
            if !small || words >= 3 {
                break;
            }
            words += 1;
            end = Some(next);
        }
        // A possessive ends the name.
        if Word::at(text, at).is_some_and(|_| {
            text[word.end()..].starts_with("'s") || text[word.end()..].starts_with("’s")
        }) {
            break;
        }
        let gap = skip_spaces(text, next, 2);
        if field
            && !comma
            && words > 0
            && text[next..].starts_with(", ")
            && next_is_capital(text, next + 1)
        {
            comma = true;
            at = skip_spaces(text, next + 1, 2);
        } else if gap > next {
            at = gap;
        } else {
            break;
        }
    }
    end.map(|end| (first, end, words))
}

/// Behind "Dr.", "Prof. Dr. med." and the like, unless they go on.
fn behind_titles(text: &str, start: usize) -> Option<usize> {
    let mut at = start;
    let is_one = |word: &Word<'_>| {
        word.text.len() <= TITLE_BYTES_MAX && word.is_in(TITLES)
            || SMALL_TITLES.contains(&word.text)
    };
    for _ in 0..TITLES_MAX {
        let Some(title) = Word::at(text, at).filter(is_one) else { return Some(at) };
        let sign = usize::from(matches!(char_at(text, title.end()), '.' | ':'));
        let next = skip_spaces(text, title.end() + sign, 3);
        if next == title.end() {
            return Some(at);
        }
        at = next;
    }
    None
}

fn next_is_capital(text: &str, at: usize) -> bool {
    Word::at(text, skip_spaces(text, at, 2))
        .is_some_and(|word| word.is_capitalised() && !word.is_in(NO_NAMES))
}

/// The name before a degree: "Jane Q. Roe, MD".
fn before_degree(text: &str, degree: usize) -> Option<Find> {
    let mut end = text[..degree].trim_end_matches([' ', ',']).len();
    if end == degree {
        return None;
    }
    let whole = end;
    let (mut start, mut words) = (end, 0);
    while words < 4 {
        let dotted = text[..end].ends_with('.');
        let Some(word) = Word::before(text, end - usize::from(dotted)) else { break };
        if !word.is_capitalised() || word.is_in(NO_NAMES) || dotted && !word.is_initial() {
            break;
        }
        words += 1;
        start = word.start;
        let gap = text[..start].trim_end_matches(' ').len();
        if start - gap != 1 {
            break;
        }
        end = gap;
    }
    (words >= 2).then_some(Find { start, end: whole, kind: Kind::Name, score: 0.8 })
}

/// The parts of the names found that are worth looking for elsewhere.
fn parts(text: &str, found: &[Find]) -> HashSet<String> {
    let mut parts = HashSet::new();
    for find in found.iter().filter(|find| find.score >= REPEATED) {
        for word in words(&text[find.start..find.end]) {
            let long = word.text.chars().filter(|c| c.is_alphabetic()).count() >= PART_LETTERS_MIN;
            if long && word.is_capitalised() && !word.is_in(NO_NAMES) {
                parts.insert(word.text.to_lowercase());
            }
        }
    }
    parts
}

/// Where words of `wanted` (in small letters) stand with a capital.
fn occurrences<'t>(
    text: &'t str,
    wanted: &'t HashSet<String>,
) -> impl Iterator<Item = Word<'t>> + 't {
    let mut first = [false; 256];
    for c in wanted.iter().filter_map(|word| word.chars().next()) {
        for form in c.to_uppercase() {
            first[usize::from(form.encode_utf8(&mut [0; 4]).as_bytes()[0])] = true;
        }
    }
    let bytes = text.as_bytes();
    let starts = (0..bytes.len()).filter(move |at| first[usize::from(bytes[*at])]);
    starts
        .filter(|at| text.is_char_boundary(*at))
        .filter_map(|at| word_at(text, at))
        .filter(|word| word.is_capitalised() && wanted.contains(&word.text.to_lowercase()))
}

/// Each word of `text`, and what is left of one from each hyphen or apostrophe in it.
pub(super) fn starts(text: &str) -> impl Iterator<Item = Word<'_>> {
    text.char_indices().filter_map(|(at, _)| word_at(text, at))
}

/// The word that starts at byte `at`, if none goes on there. A longer one than names are is cut, as
/// what it is made of is read from each of its hyphens.
fn word_at(text: &str, at: usize) -> Option<Word<'_>> {
    let before = char_before(text, at);
    if before.is_alphanumeric() || is_mark(before) {
        return None;
    }
    Word::at(&text[..text.floor_char_boundary(at + WORD_BYTES_MAX)], at)
}

/// All words of `text`.
pub(super) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            if let Some(word) = Word::at(text, at) {
                at = word.end();
                return Some(word);
            }
            at += char_at(text, at).len_utf8();
            while at < text.len() && is_mark(char_at(text, at)) {
                at += char_at(text, at).len_utf8();
            }
        }
        None
    })
}
