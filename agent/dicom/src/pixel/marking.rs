//! What is burned in and tells of no person: side markers, views and positions, measurements with their
//! unit, and the settings of a device. A closed grammar: whatever it does not know goes.
//!
//! ```text
//! marking = side | view | position | side breast | side " " lateral | view " " position
//!         | value [ [","] value ]…                                         at most four
//! value   = [ "+" ] [ label [ digit ] [ ":" | "=" ] ] number unit          2.31 cm, D1 2.31 cm, 12 dB
//!         | "GAIN" [ ":" | "=" ] number                                    Gain 52
//!         | index [ ":" | "=" ] digit "." digits                           MI 0.8
//! ```
//! Spaces are needed only where they are written above, since recognisers leave them out. A number has as
//! few digits as its unit allows, so that it is no telephone or record number; a bare one goes. Small
//! letters are as good as capitals, but for a side of one letter, which might be a digit. A view before a
//! side is none of these: `PA L` without its space is a name.

use std::str::CharIndices;

/// Longest marking, in bytes.
const BYTES_MAX: usize = 48;
const VALUES_MAX: usize = 4;
/// Digits behind the point.
const DECIMALS_MAX: usize = 2;

const SIDES: &[&str] = &["LEFT", "RIGHT"];
const LATERAL: &[&str] = &["LAT", "LATERAL"];
/// Mammograms.
const BREAST: &[&str] = &["CC", "MLO"];
const VIEWS: &[&str] = &["AP", "PA", "OBL", "OBLIQUE"];
const POSITIONS: &[&str] = &["ERECT", "UPRIGHT", "SUP", "SUPINE", "PRONE", "PORTABLE"];
/// What is measured or set: a distance, the depth of a scan, its frames or pulses a second.
const LABELS: &[&str] = &["D", "DIST", "DEPTH", "FR", "PRF", GAIN];
const GAIN: &str = "GAIN";
/// Mechanical and thermal indices.
const INDICES: &[&str] = &["MI", "TI", "TIB", "TIC", "TIS"];
/// Units, and how many digits a number of theirs has before the point.
const UNITS: &[(&str, usize)] = &[
    ("CM", 2),
    ("MM", 3),
    ("HZ", 4),
    ("KHZ", 3),
    ("MHZ", 2),
    ("DB", 3),
    ("%", 3),
    ("CM/S", 3),
    ("M/S", 2),
    ("FPS", 3),
    ("BPM", 3),
];

/// Whether all of a line is a marking.
pub(super) fn is_marking(text: &str) -> bool {
    let text = text.trim_matches(' ');
    if text.len() > BYTES_MAX || !text.is_ascii() {
        return false;
    }
    is_place(text) || is_values(&text.to_ascii_uppercase())
}

fn is_place(text: &str) -> bool {
    if matches!(text, "L" | "R") {
        return true;
    }
    let text = text.to_ascii_uppercase();
    let sides = || SIDES.iter().chain(&["L", "R"]);
    let single = [SIDES, LATERAL, BREAST, VIEWS, POSITIONS];
    if single.iter().any(|words| words.contains(&text.as_str())) {
        return true;
    }
    let behind_side = sides().filter_map(|side| text.strip_prefix(side));
    if behind_side.map(str::trim_start).any(|rest| BREAST.contains(&rest)) {
        return true;
    }
    let Some((first, second)) = text.split_once(' ') else { return false };
    let second = second.trim_start();
    sides().any(|side| *side == first) && LATERAL.contains(&second)
        || (VIEWS.contains(&first) || LATERAL.contains(&first)) && POSITIONS.contains(&second)
}

fn is_values(text: &str) -> bool {
    let Some(tokens) = tokens(text) else { return false };
    let mut rest = &tokens[..];
    for _ in 0..VALUES_MAX {
        let Some(behind) = behind_value(rest) else { return false };
        if behind.is_empty() {
            return true;
        }
        rest = behind.strip_prefix(&[Token::Sign(',')]).unwrap_or(behind);
    }
    false
}

/// What follows the value that `tokens` begin with.
fn behind_value<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let rest = tokens.strip_prefix(&[Token::Sign('+')]).unwrap_or(tokens);
    let (label, rest) = match rest {
        [Token::Word(label), rest @ ..] => (Some(*label), rest),
        _ => (None, rest),
    };
    let (sign, rest) = match rest {
        [Token::Sign(':' | '='), rest @ ..] => (true, rest),
        _ => (false, rest),
    };
    let [number @ Token::Number { digits, decimals }, rest @ ..] = rest else { return None };
    match label {
        Some(label) if INDICES.contains(&label) => {
            return (*digits == 1 && (1..=DECIMALS_MAX).contains(decimals)).then_some(rest);
        }
        Some(label) if !LABELS.contains(&label) => return None,
        None if sign => return None,
        Some(_) | None => {}
    }
    if let Some(behind) = behind_unit(*number, rest) {
        return Some(behind);
    }
    if label == Some(GAIN) {
        return (*digits <= 3 && *decimals == 0).then_some(rest);
    }
    // The number of what is measured: D1 2.3 cm.
    let [second @ Token::Number { .. }, rest @ ..] = rest else { return None };
    let counted = label.is_some() && !sign && *digits == 1 && *decimals == 0;
    behind_unit(*second, rest).filter(|_| counted)
}

fn behind_unit<'t, 'a>(number: Token<'a>, tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let (Token::Number { digits, decimals }, [Token::Word(word), rest @ ..]) = (number, tokens)
    else {
        return None;
    };
    let (_, most) = UNITS.iter().find(|(unit, _)| unit == word)?;
    (digits <= *most && decimals <= DECIMALS_MAX).then_some(rest)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    /// Letters, a slash between them, or a percent sign.
    Word(&'a str),
    /// Digits before and behind a point or comma.
    Number {
        digits: usize,
        decimals: usize,
    },
    Sign(char),
}

/// The tokens of a text; `None` when something else is in it.
fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        let token = match char {
            ' ' => continue,
            '%' => Token::Word(&text[at..=at]),
            '+' | ':' | '=' | ',' => Token::Sign(char),
            'A'..='Z' => {
                skip(&mut chars, |char| char.is_ascii_uppercase() || char == '/');
                Token::Word(&text[at..chars.offset()])
            }
            '0'..='9' => {
                skip(&mut chars, |char| char.is_ascii_digit());
                let digits = chars.offset() - at;
                let behind = chars.as_str();
                let point = behind.starts_with(['.', ','])
                    && behind[1..].starts_with(|char: char| char.is_ascii_digit());
                let mut decimals = 0;
                if point {
                    chars.next();
                    let start = chars.offset();
                    skip(&mut chars, |char| char.is_ascii_digit());
                    decimals = chars.offset() - start;
                }
                Token::Number { digits, decimals }
            }
            _ => return None,
        };
        tokens.push(token);
    }
    Some(tokens)
}

/// Goes on while the next is one of these.
fn skip(chars: &mut CharIndices<'_>, these: impl Fn(char) -> bool) {
    while chars.as_str().starts_with(&these) {
        chars.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: &str = "L|R|LEFT|Right|AP|PA|LAT|Lateral|OBL|CC|MLO|SUP|ERECT|PORTABLE|RCC|LMLO|R MLO|\
        LEFT CC|L LAT|RIGHT LATERAL|AP ERECT|PA UPRIGHT|LAT SUPINE| R ";
    const VALUES: &str = "12 cm|2.31cm|2,31 cm|120 mm|3.5 MHz|1200 Hz|60dB|100 %|45.2 cm/s|1.2 m/s|25 fps|\
        72 bpm|+ 2.31 cm|D 2.31 cm|D1 2.31 cm|D12.31cm|Dist: 23 mm|Depth 15 cm|DEPTH=15CM|Gain 52|\
        Gain 52 %|FR 25 Hz|PRF 4.2 kHz|MI 0.8|MI0.8|TIS: 0.4|MI 0.80 TIS 0.4|MI0.8TIS0.4TIB1.2|\
        Gain 52, DEPTH 15 cm|D1 2.31 cm D2 1.2 cm";
    /// Names, dates, times and numbers, alone and with markings, and what is none of the grammar's.
    const OTHERS: &str = "| |l|r|I|1|12|0.8|DOE|L DOE|DOE L|L.|L R|R JS|PAL|LAP|LAPA|PA L|LLAT|SUP L|\
        APERECT|LAT LEFT|LEE|RCCX|CCR|12 cm DOE|DOE 12 cm|Dr 12 cm|12 cm 12|12 cm 12.03.1960|12.03.1960|\
        12.03.60 cm|12:30|12:30 Hz|1960 cm|180 cm|1234 mm|12345 Hz|12.345 cm|1960 %|-3 dB|4 mg|45 Y|45 kg|\
        12 c m|12 cm/|12 /cm|12 cm/ss|12%cm|ID 12 cm|D 12|D11 2.3 cm|1 2.3 cm|+|+ L|: 12 cm|Depth 15|MI|\
        MI 8|MI 12.5|MI 0.845|MI 0.8 cm|MI DOE|Gain 1960|Gain 5.2|GAIN|MI 0.8 TIS 0.4 TIB 0.2 TIC 0.3 MI 0.8|\
        12 ｃｍ|１２ cm|12 cm\u{200b}|疗|L\n|12 cm,|,12 cm|12 cm,,13 cm|12 cm + DOE|0.8 MI|\
        00000000000000000000000000000000000000000000000012 cm";

    #[test]
    fn sides_views_positions_measurements_and_settings_stay() {
        for text in PLACES.split('|').chain(VALUES.split('|')) {
            assert!(is_marking(text), "{text}");
        }
    }

    #[test]
    fn whatever_else_is_in_a_line_takes_all_of_it() {
        for text in OTHERS.split('|') {
            assert!(!is_marking(text), "{text:?}");
        }
        for text in PLACES.split('|').chain(VALUES.split('|')) {
            for beside in ["DOE", "12.03.1960", "4711", "J.", "M"] {
                for all in [format!("{beside} {text}"), format!("{text} {beside}")] {
                    assert!(!is_marking(&all), "{all}");
                }
            }
        }
    }
}
