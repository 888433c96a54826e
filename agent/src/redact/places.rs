//! Street addresses and places, read word by word from what announces them.

use super::Find;
use super::kind::Kind;
use super::labels::Labels;
use super::scan::{Finds, Label, char_at};
use super::words::{NO_NAMES, Word, skip_spaces};

/// Bytes of the longest address.
const ADDRESS_BYTES_MAX: usize = 160;
/// Words of a town after a comma.
const TOWN_WORDS_MAX: usize = 4;
/// Digits of a number right before an address, and of a postcode.
const NUMBER_BYTES_MAX: usize = 6;
const POSTCODE_DIGITS_MIN: usize = 4;
/// Bytes of a region's code, and how far below an address its postcode may stand.
const REGION_BYTES_MAX: usize = 3;
const BELOW_BYTES_MAX: usize = 40;
/// Digits of a postcode that a town stands behind, and of the number of a house.
const TOWN_POSTCODE_DIGITS: usize = 5;
const HOUSE_DIGITS_MAX: usize = 4;
/// Words of a street's name.
const STREET_WORDS_MAX: usize = 5;
/// Lines of an address in a field.
const LINES_MAX: usize = 4;

/// Small words inside addresses.
const INNER: &[&str] = &[
    "allée",
    "am",
    "an",
    "and",
    "apt",
    "av",
    "avda",
    "avenida",
    "avenue",
    "avinguda",
    "barrio",
    "bis",
    "bloque",
    "boulevard",
    "box",
    "c",
    "calle",
    "callejón",
    "calles",
    "camino",
    "carrer",
    "chemin",
    "corner",
    "corso",
    "ctra",
    "cuesta",
    "da",
    "das",
    "de",
    "dei",
    "del",
    "della",
    "dem",
    "den",
    "der",
    "des",
    "di",
    "do",
    "dos",
    "du",
    "duplicado",
    "edificio",
    "entre",
    "esc",
    "escalera",
    "esq",
    "et",
    "floor",
    "gasse",
    "glorieta",
    "im",
    "impasse",
    "in",
    "izda",
    "izquierda",
    "km",
    "l",
    "la",
    "las",
    "le",
    "les",
    "local",
    "los",
    "lugar",
    "n",
    "no",
    "nr",
    "num",
    "nº",
    "número",
    "of",
    "pasaje",
    "paseo",
    "piazza",
    "piso",
    "place",
    "planta",
    "platz",
    "plaza",
    "po",
    "polígono",
    "portal",
    "pta",
    "puerta",
    "quai",
    "rambla",
    "road",
    "ronda",
    "room",
    "rua",
    "rue",
    "rúa",
    "s",
    "sn",
    "sto",
    "str",
    "strada",
    "strasse",
    "straße",
    "street",
    "suite",
    "the",
    "travesía",
    "ul",
    "und",
    "unit",
    "up",
    "urbanización",
    "van",
    "via",
    "viale",
    "vicolo",
    "von",
    "weg",
    "y",
    "zu",
    "zum",
    "zur",
];

/// Every address and place that a context word announces.
pub(super) fn find(text: &str, finds: &Finds) -> Vec<Find> {
    let mut found = Vec::new();
    for label in &finds.labels {
        if label.labels.meets(Labels::STREET) {
            found.extend(street(text, label));
        }
        if label.labels.meets(Labels::CORNER) {
            found.extend(corner(text, label));
        }
        if label.labels.meets(Labels::ADDRESS) {
            found.extend(address(text, label));
        }
        if label.labels.meets(Labels::PLACE) {
            found.extend(place(text, label));
        }
    }
    found
}

/// A street of any name and number, and on the next line a postcode with its town, as letters have
/// them: `Am Alten Markt 7\n79098 Freiburg`.
pub(super) fn blocks(text: &str) -> Vec<Find> {
    let mut found = Vec::new();
    let (mut at, mut above) = (0, None);
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        let start = at + line.len() - line.trim_start().len();
        if let Some(first) = above.filter(|_| is_postcode_and_town(content)) {
            let end = start + content.len();
            found.push(Find { start: first, end, kind: Kind::Address, score: 0.85 });
        }
        above = is_street_and_number(content).then_some(start);
        at += line.len();
    }
    found
}

/// Whether a line is `79098 Freiburg im Breisgau`, or `D-79098 Freiburg`.
fn is_postcode_and_town(line: &str) -> bool {
    let digits = ["D-", "DE-"].iter().find_map(|country| line.strip_prefix(country));
    let Some((code, town)) = digits.unwrap_or(line).split_once(' ') else { return false };
    code.len() == TOWN_POSTCODE_DIGITS
        && code.bytes().all(|byte| byte.is_ascii_digit())
        && town.starts_with(char::is_uppercase)
        && town.split(' ').count() <= TOWN_WORDS_MAX
        && !town.contains(|c: char| c.is_numeric() || matches!(c, ':' | ';'))
}

/// Whether a line is words of which the first has a capital, and a house's number: `Am Markt 7a`.
fn is_street_and_number(line: &str) -> bool {
    let Some((name, number)) = line.rsplit_once(' ') else { return false };
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    (1..=HOUSE_DIGITS_MAX).contains(&digits)
        && number.len() <= NUMBER_BYTES_MAX
        && name.starts_with(char::is_uppercase)
        && name.split(' ').count() <= STREET_WORDS_MAX
        && name.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '.' | '-' | '\'' | '’'))
}

/// Lengthens an address that a rule found by what follows it: postcode, town, flat; and by a number
/// right before it, as of a flat or a box.
pub(super) fn lengthen(text: &str, find: &mut Find) {
    if find.kind == Kind::Address {
        let (end, _) = read(text, find.start, 1);
        find.end = find.end.max(end);
        let before = text[..find.start].strip_suffix(' ').unwrap_or_default();
        let number = Word::before(before, before.len())
            .filter(|word| word.is_number() && (2..=NUMBER_BYTES_MAX).contains(&word.text.len()));
        let first = |word: &Word<'_>| {
            !text[..word.start].ends_with(['.', ',', '-', '/', ':', '+', '$', '€', '£'])
        };
        find.start = number.filter(first).map_or(find.start, |word| word.start);
    }
}

/// Postcodes on a line of their own, below an address or a place: `Toronto\n, ON\n 82269`.
pub(super) fn below(text: &str, found: &[Find]) -> Vec<Find> {
    let places = found.iter().filter(|find| matches!(find.kind, Kind::Address | Kind::Location));
    places.filter_map(|place| postcode_below(text, place.end)).collect()
}

/// The postcode on the line below byte `at`, which a region's code may stand before.
fn postcode_below(text: &str, at: usize) -> Option<Find> {
    let limit = text.floor_char_boundary(text.len().min(at + BELOW_BYTES_MAX));
    let gap = |c: char| matches!(c, ' ' | '\t' | ',' | '\r' | '\n');
    let mut rest = text[at..limit].trim_start_matches(gap);
    let start = |rest: &str| limit - rest.len();
    let code = rest.chars().take_while(char::is_ascii_uppercase).count();
    if (1..=REGION_BYTES_MAX).contains(&code) {
        rest = rest[code..].trim_start_matches(gap);
    }
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (start, end) = (start(rest), start(rest) + length);
    let own_line = text[at..start].trim_end_matches([' ', '\t']).ends_with('\n');
    let whole = (POSTCODE_DIGITS_MIN..=NUMBER_BYTES_MAX).contains(&length)
        && text[end..].lines().next().is_none_or(|line| line.trim_matches([' ', '.']).is_empty());
    (own_line && whole).then_some(Find { start, end, kind: Kind::Zip, score: 0.6 })
}

/// "Calle Mayor 3, 28013 Madrid": a word for streets, then a name, then a number.
fn street(text: &str, label: &Label) -> Option<Find> {
    // "C/D 0.6" is a ratio of the eye.
    if text[..label.end].ends_with('/')
        && Word::at(text, label.end).is_some_and(|word| word.text.len() == 1)
    {
        return None;
    }
    let (end, seen) = read(text, label.start, 1);
    let word =
        text[label.start..].starts_with(char::is_uppercase) || label.labels.meets(Labels::ADDRESS);
    (seen.words >= 2 && (seen.numbers > 0 || word && seen.words >= 3)).then_some(Find {
        start: label.start,
        end,
        kind: Kind::Address,
        score: if seen.numbers > 0 { 0.8 } else { 0.55 },
    })
}

/// "the corner of King Street and 5th Avenue": two streets, one address.
fn corner(text: &str, label: &Label) -> Option<Find> {
    let start = skip_spaces(text, label.end, 2);
    let (end, seen) = read(text, start, 1);
    let read = &text[start..end];
    let two = [" and ", " & ", " y ", " und ", "/"].iter().any(|sign| read.contains(sign));
    (two && seen.words >= 2 && (seen.numbers > 0 || seen.words >= 3)).then_some(Find {
        start: label.start,
        end,
        kind: Kind::Address,
        score: 0.85,
    })
}

/// What follows "address:" or "lives at".
fn address(text: &str, label: &Label) -> Option<Find> {
    let at = skip_spaces(text, label.end, 3);
    let field = matches!(char_at(text, at), ':' | '=');
    let mut start = skip_spaces(text, at + usize::from(field), 8);
    if field && char_at(text, start) == '\n' {
        start = skip_spaces(text, start + 1, 8);
    }
    let (end, seen) = read(text, start, if field { LINES_MAX } else { 1 });
    let enough = seen.numbers > 0 && seen.words > 0 || seen.words >= 2;
    enough.then_some(Find { start, end, kind: Kind::Address, score: 0.85 })
}

/// A town or country after its field's name, or after "lives in".
fn place(text: &str, label: &Label) -> Option<Find> {
    let at = skip_spaces(text, label.end, 3);
    let field = matches!(char_at(text, at), ':' | '=');
    let announced =
        [" en", " de", " in"].iter().any(|end| text[label.start..label.end].ends_with(end));
    if !field && !announced {
        return None;
    }
    let start = skip_spaces(text, at + usize::from(field), 4);
    let (end, seen) = read(text, start, 1);
    (seen.words > 0 && seen.words <= 6).then_some(Find {
        start,
        end,
        kind: Kind::Location,
        score: 0.8,
    })
}

/// What an address was made of.
#[derive(Default)]
struct Seen {
    words: usize,
    numbers: usize,
}

/// Reads an address from byte `start` over at most `lines` lines: its end, and what it has.
fn read(text: &str, start: usize, lines: usize) -> (usize, Seen) {
    let mut seen = Seen::default();
    let (mut at, mut end, mut line) = (start, start, 1);
    // Capitalised words since the last comma: a town has few.
    let mut run = 0;
    let mut commas = 0;
    while at - start < ADDRESS_BYTES_MAX {
        let Some(word) = Word::at(text, at) else { break };
        let number = word.is_number();
        let capital =
            word.is_capitalised() || word.text.starts_with("d'") || word.text.starts_with("l'");
        if number && word.text.len() > 8
            || capital && word.text.len() > 1 && word.is_in(NO_NAMES) && !word.is_in(INNER)
        {
            break;
        }
        if commas > 0 && run >= TOWN_WORDS_MAX && !number {
            break;
        }
        let mut next = word.end();
        if number || capital {
            seen.numbers += usize::from(number);
            seen.words += usize::from(!number);
            run = if number { 0 } else { run + 1 };
            next += text[next..]
                .chars()
                .next()
                .filter(|c| matches!(c, 'º' | 'ª' | '°'))
                .map_or(0, char::len_utf8);
            end = next;
        } else if !word.is_in(INNER) {
            break;
        }
        let Some(after) = separator(text, next, word, &mut line, lines) else { break };
        if text[next..after].contains([',', '\n']) {
            commas += 1;
            run = 0;
        }
        at = after;
    }
    (end, seen)
}

/// Where the next word of an address starts, when what stands between may stand in one.
fn separator(
    text: &str,
    at: usize,
    word: Word<'_>,
    line: &mut usize,
    lines: usize,
) -> Option<usize> {
    let mut next = at;
    let mut signs = 0;
    while let Some(c) = text[next..].chars().next() {
        match c {
            ' ' | '\t' => {}
            // A full stop belongs to an abbreviation, not to a sentence.
            '.' if abbreviated(word) => {}
            ',' | '-' | '/' | '#' | '(' | ')' | 'º' | 'ª' | '°' | '\u{2013}' if signs < 3 => {
                signs += 1
            }
            '\n' if *line < lines && continues_line(&text[next + 1..]) => *line += 1,
            _ => break,
        }
        next += c.len_utf8();
    }
    (next > at).then_some(next)
}

/// Whether a full stop after `word` is no sentence's end.
fn abbreviated(word: Word<'_>) -> bool {
    let short = word.text.chars().count() <= 4 || word.text.ends_with("str");
    short && !word.is_number()
}

/// Whether the next line still is part of an address: short, without a field's name, and starting
/// with a number or a capital.
fn continues_line(rest: &str) -> bool {
    let line = rest.lines().next().unwrap_or("").trim();
    let first = Word::at(line, 0);
    let starts = first
        .is_some_and(|word| (word.is_number() || word.is_capitalised()) && !word.is_in(NO_NAMES));
    let small = line.split_whitespace().filter(|word| word.starts_with(char::is_lowercase)).count();
    starts && line.len() <= 40 && !line.contains([':', '@', '.']) && small <= 2
}
