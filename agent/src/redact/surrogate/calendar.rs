//! Dates moved by a number of days, written as they were written.

use jiff::civil::Date;

use super::super::profile::Language;
use super::{is_among, weekday};

/// Numbers and month names that one date may have: a span of two whole dates.
const PARTS_MAX: usize = 6;
/// The year that a date without one is moved in; neither it nor its neighbours are leap years.
const YEAR_ASSUMED: i16 = 2002;
/// Digits of the finest fraction of a second that is a time.
const FRACTION_DIGITS_MAX: usize = 9;
/// The zone furthest ahead of UTC is 14 hours off.
const ZONE_MAX: u16 = 1400;
/// Two-digit years up to this are of this century.
const CENTURY_PIVOT: i16 = 40;

/// Months in full and short, by the site's language that writes them so. French, Italian and
/// Portuguese are read, and written in themselves. `august` and the like are found under the first.
const MONTHS: &[(Option<Language>, [&str; 12])] = {
    use Language::{English, German, Spanish};
    &[
        (
            Some(English),
            [
                "january",
                "february",
                "march",
                "april",
                "may",
                "june",
                "july",
                "august",
                "september",
                "october",
                "november",
                "december",
            ],
        ),
        (
            Some(English),
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        ),
        (
            Some(German),
            [
                "januar",
                "februar",
                "märz",
                "april",
                "mai",
                "juni",
                "juli",
                "august",
                "september",
                "oktober",
                "november",
                "dezember",
            ],
        ),
        (
            Some(German),
            ["jan", "feb", "mär", "apr", "mai", "jun", "jul", "aug", "sep", "okt", "nov", "dez"],
        ),
        (
            Some(Spanish),
            [
                "enero",
                "febrero",
                "marzo",
                "abril",
                "mayo",
                "junio",
                "julio",
                "agosto",
                "septiembre",
                "octubre",
                "noviembre",
                "diciembre",
            ],
        ),
        (
            Some(Spanish),
            ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"],
        ),
        (
            None,
            [
                "janvier",
                "février",
                "mars",
                "avril",
                "mai",
                "juin",
                "juillet",
                "août",
                "septembre",
                "octobre",
                "novembre",
                "décembre",
            ],
        ),
        (
            None,
            [
                "gennaio",
                "febbraio",
                "marzo",
                "aprile",
                "maggio",
                "giugno",
                "luglio",
                "agosto",
                "settembre",
                "ottobre",
                "novembre",
                "dicembre",
            ],
        ),
        (
            None,
            [
                "janeiro",
                "fevereiro",
                "março",
                "abril",
                "maio",
                "junho",
                "julho",
                "agosto",
                "setembro",
                "outubro",
                "novembro",
                "dezembro",
            ],
        ),
    ]
};

/// Words that stand in dates beside months, in small letters. A text with another word is no date
/// alone, and nothing of it may stay; nor may a weekday, which would tell how far a date was moved.
const WORDS: &str = "\
    a al am and ao at año bis d da dal de del den di e el er et gmt h hasta in la le m mes nd of on \
    p pm rd st t th the to u uhr um und until utc vom von y z zu zum ª º";

/// A number or month name of a date. Offsets are bytes.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Number(i16),
    /// A month from 1, and the row of [`MONTHS`] that it is on.
    Month(i8, usize),
    /// `20240229`.
    Compact,
}

/// What a part of a date says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Year,
    Month,
    Day,
}

/// `original` moved by `days`; `None` when it is not understood.
pub(super) fn shift(original: &str, days: i32, language: Language) -> Option<String> {
    let Some((row, length)) = weekday::first(original) else {
        return date(original, days, language);
    };
    let rest = &original[length..];
    let moved = date(rest, days, language)?;
    // Of one whole date the weekday is known, and of nothing else.
    let parts = parts(&moved, language)?;
    let [one] = &*roles(&moved, &parts, language)? else { return None };
    let value = |role| {
        let (_, at) = one.iter().find(|(known, _)| *known == role)?;
        Some(&parts[*at])
    };
    let (year, month, day) = (value(Role::Year)?, value(Role::Month)?, value(Role::Day)?);
    let day = self::moved(full_year(year), month.what.value(), day.what.value(), 0)?;
    let index = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
    Some(format!("{}{moved}", cased(row[index], &original[..length])))
}

fn date(original: &str, days: i32, language: Language) -> Option<String> {
    let parts = &*parts(original, language)?;
    if let [part] = parts
        && part.what == What::Compact
    {
        return compact(original, *part, days);
    }
    let dates = roles(original, parts, language)?;
    let mut edits: Vec<(Part, String)> = Vec::with_capacity(parts.len());
    let padded = is_padded(original, parts);
    for date in &dates {
        let find = |role: Role| date.iter().find(|(known, _)| *known == role).map(|(_, at)| *at);
        let value = |role| find(role).map(|at| parts[at].what.value());
        let year = find(Role::Year).map_or(YEAR_ASSUMED, |at| full_year(&parts[at]));
        let month = value(Role::Month).unwrap_or(7);
        let day = value(Role::Day).unwrap_or(15);
        let moved = moved(year, month, day, days)?;
        for (role, at) in date {
            let part = parts[*at];
            edits.push((part, written(original, part, *role, moved, padded)));
        }
    }
    edits.sort_by_key(|(part, _)| part.start);
    // A year that two dates of a span share was moved with the last of them.
    edits.dedup_by(|later, earlier| {
        let same = later.0.start == earlier.0.start;
        if same {
            earlier.1 = std::mem::take(&mut later.1);
        }
        same
    });
    Some(edited(original, &edits))
}

/// Whether a day of one digit has a zero before it.
fn is_padded(original: &str, parts: &[Part]) -> bool {
    let named = parts.iter().any(|part| part.what.is_month());
    let mut numbers = parts.iter().filter(|part| !part.what.is_month());
    if !named {
        return numbers.all(|part| part.end - part.start >= 2);
    }
    // 12-Mar-2020 and 29FEB2024, not 12 March or 29. Februar.
    numbers.next().is_some_and(|day| {
        let (text, rest) = (&original[day.start..day.end], &original[day.end..]);
        let joined = parts.iter().any(|part| part.start == day.end);
        text.starts_with('0') || rest.starts_with('-') || joined
    })
}

fn edited(original: &str, edits: &[(Part, String)]) -> String {
    let (mut out, mut at) = (String::with_capacity(original.len() + 4), 0);
    for (part, text) in edits {
        out.push_str(&original[at..part.start]);
        out.push_str(text);
        at = part.end;
        // "29th" becomes "3rd".
        let suffix = original.get(at..at + 2).map(str::to_ascii_lowercase);
        if matches!(suffix.as_deref(), Some("st" | "nd" | "rd" | "th"))
            && let Ok(day) = text.parse::<u8>()
        {
            out.push_str(ordinal(day));
            at += 2;
        }
    }
    out.push_str(&original[at..]);
    out
}

fn moved(year: i16, month: i16, day: i16, days: i32) -> Option<Date> {
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    date.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

fn compact(original: &str, part: Part, days: i32) -> Option<String> {
    let digits = &original[part.start..part.end];
    let number = |range: std::ops::Range<usize>| digits[range].parse::<i16>().ok();
    let first = number(0..4)?;
    let year_first = (1800..2100).contains(&first);
    let moved = if year_first {
        moved(first, number(4..6)?, number(6..8)?, days)?
    } else {
        moved(number(4..8)?, number(2..4)?, number(0..2)?, days)?
    };
    let (year, month, day) = (moved.year(), moved.month(), moved.day());
    let text = if year_first {
        format!("{year:04}{month:02}{day:02}")
    } else {
        format!("{day:02}{month:02}{year:04}")
    };
    Some(format!("{}{text}{}", &original[..part.start], &original[part.end..]))
}

impl What {
    fn value(self) -> i16 {
        match self {
            Self::Number(number) => number,
            Self::Month(month, _) => i16::from(month),
            Self::Compact => 0,
        }
    }

    fn is_month(self) -> bool {
        matches!(self, Self::Month(..))
    }
}

/// The numbers and month names of a date; its time of day stays. `None` when there is anything that
/// belongs to neither.
fn parts(text: &str, language: Language) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    // Where the time of day ends.
    let mut timed = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let run = |is: fn(char) -> bool| {
            text[at..].find(|c| !is(c)).map_or(text.len(), |length| at + length)
        };
        let (end, what) = if c.is_ascii_digit() {
            let end = run(|c| c.is_ascii_digit());
            if text[end..].starts_with(':') {
                let end = at + time(&text[at..])?;
                timed = Some(end);
                (end, None)
            } else if let Some(from) = timed {
                if !is_zone(&text[from..end]) {
                    return None;
                }
                (end, None)
            } else {
                let what = match end - at {
                    1..=4 => What::Number(text[at..end].parse().ok()?),
                    8 => What::Compact,
                    _ => return None,
                };
                (end, Some(what))
            }
        } else if c.is_alphabetic() {
            let end = run(char::is_alphabetic);
            let word = &text[at..end];
            let month = month(word, language);
            if month.is_none() && !is_among(WORDS, word) {
                return None;
            }
            (end, month)
        } else if c.is_numeric() {
            return None; // digits of another script
        } else {
            (at + c.len_utf8(), None)
        };
        if let Some(what) = what {
            if parts.len() == PARTS_MAX {
                return None;
            }
            parts.push(Part { start: at, end, what });
        }
        at = end;
    }
    (!parts.is_empty()).then_some(parts)
}

/// The length of the time of day that `text` starts with: `9:05`, `12:30:00.5`.
fn time(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len());
    let groups: Vec<&str> = text[..end].split(':').collect();
    let right = matches!(groups.len(), 2 | 3) && groups.iter().all(|g| matches!(g.len(), 1 | 2));
    let fraction = text[end..]
        .strip_prefix(['.', ','])
        .map_or(0, |rest| rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    let end = if fraction > 0 { end + 1 + fraction } else { end };
    (right && fraction <= FRACTION_DIGITS_MAX).then_some(end)
}

/// Whether what follows a time of day is a zone without a colon: `+0100`, ` -05`.
fn is_zone(text: &str) -> bool {
    let hours = text.trim_start().strip_prefix(['+', '-']).unwrap_or_default();
    matches!(hours.len(), 2 | 4) && hours.parse::<u16>().is_ok_and(|hours| hours <= ZONE_MAX)
}

fn month(word: &str, language: Language) -> Option<What> {
    let small = word.to_lowercase();
    // "sept", "setiembre", "jänner" and letters without accents are read as what they stand for.
    let small = match small.as_str() {
        "sept" => "sep",
        "setiembre" => "septiembre",
        "jänner" => "januar",
        "fevrier" => "février",
        "aout" => "août",
        "decembre" => "décembre",
        "mrz" => "mär",
        other => other,
    };
    let found = |(row, (_, names)): (usize, &(Option<Language>, [&str; 12]))| {
        let at = names.iter().position(|name| *name == small)?;
        Some(What::Month(i8::try_from(at + 1).ok()?, row))
    };
    let rows = || MONTHS.iter().enumerate();
    let mut own = rows().filter(|(_, (of, _))| *of == Some(language));
    own.find_map(found).or_else(|| rows().find_map(found))
}

type Roles = Vec<(Role, usize)>;

/// Which part says what, for each date in the text.
fn roles(text: &str, parts: &[Part], language: Language) -> Option<Vec<Roles>> {
    use Role::{Day, Month, Year};
    let wide = |at: usize| parts[at].end - parts[at].start == 4 && !parts[at].what.is_month();
    let named = |at: usize| parts[at].what.is_month();
    let day_first = || {
        let (first, second) = (parts[0].what.value(), parts[1].what.value());
        let sign = text[parts[0].end..].chars().next();
        match (first, second) {
            (13.., _) => true,
            (_, 13..) => false,
            _ => sign == Some('.') || language != Language::English,
        }
    };
    let one = |roles: &[(Role, usize)]| Some(vec![roles.to_vec()]);
    match parts.len() {
        1 if wide(0) => one(&[(Year, 0)]),
        2 if named(0) && wide(1) => one(&[(Month, 0), (Year, 1)]),
        2 if named(0) => one(&[(Month, 0), (Day, 1)]),
        2 if named(1) => one(&[(Day, 0), (Month, 1)]),
        2 if wide(1) => one(&[(Month, 0), (Year, 1)]),
        2 if wide(0) => one(&[(Year, 0), (Month, 1)]),
        2 if day_first() => one(&[(Day, 0), (Month, 1)]),
        2 => one(&[(Month, 0), (Day, 1)]),
        3 if wide(0) => one(&[(Year, 0), (Month, 1), (Day, 2)]),
        3 if named(0) && named(1) => Some(vec![vec![(Month, 0)], vec![(Month, 1), (Year, 2)]]),
        3 if named(0) => one(&[(Month, 0), (Day, 1), (Year, 2)]),
        3 if named(1) || day_first() => one(&[(Day, 0), (Month, 1), (Year, 2)]),
        3 => one(&[(Month, 0), (Day, 1), (Year, 2)]),
        // 12.-15.03.2020 and 12.03.-15.04.2020
        4 if wide(3) => Some(vec![vec![(Day, 0)], vec![(Day, 1), (Month, 2), (Year, 3)]]),
        5 => Some(vec![vec![(Day, 0), (Month, 1)], vec![(Day, 2), (Month, 3), (Year, 4)]]),
        6 => {
            Some(vec![vec![(Day, 0), (Month, 1), (Year, 2)], vec![(Day, 3), (Month, 4), (Year, 5)]])
        }
        _ => None,
    }
    .map(with_context)
}

/// A date of a span that leaves out month or year has those of the last.
fn with_context(mut dates: Vec<Roles>) -> Vec<Roles> {
    let last = dates.last().cloned().unwrap_or_default();
    for date in &mut dates {
        for (role, at) in &last {
            if !date.iter().any(|(known, _)| known == role) {
                date.push((*role, *at));
            }
        }
    }
    dates
}

fn full_year(part: &Part) -> i16 {
    match (part.what.value(), part.end - part.start) {
        (year, 4) => year,
        (year, _) if year <= CENTURY_PIVOT => 2000 + year,
        (year, _) => 1900 + year,
    }
}

/// A part of a moved date, as the original was written.
fn written(text: &str, part: Part, role: Role, date: Date, padded: bool) -> String {
    let word = &text[part.start..part.end];
    if let What::Month(_, row) = part.what {
        let index = usize::try_from(date.month() - 1).unwrap_or_default();
        return cased(MONTHS[row].1[index], word);
    }
    match role {
        Role::Year if part.end - part.start == 4 => format!("{:04}", date.year()),
        Role::Year => format!("{:02}", date.year().rem_euclid(100)),
        Role::Month if padded => format!("{:02}", date.month()),
        Role::Month => date.month().to_string(),
        Role::Day if padded => format!("{:02}", date.day()),
        Role::Day => date.day().to_string(),
    }
}

/// `name`, which is in small letters, with the capitals of `word`.
fn cased(name: &str, word: &str) -> String {
    if word.chars().all(char::is_uppercase) {
        name.to_uppercase()
    } else if word.starts_with(char::is_uppercase) {
        let mut letters = name.chars();
        letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
    } else {
        name.to_owned()
    }
}

fn ordinal(day: u8) -> &'static str {
    match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(original: &str, days: i32, language: Language, expected: Option<&str>) {
        assert_eq!(shift(original, days, language).as_deref(), expected, "{original}");
    }

    #[test]
    fn dates_keep_their_form() {
        use Language::{English, German, Spanish};
        for (original, language, expected) in [
            ("2024-02-29", English, "2024-03-10"),
            ("2024-02-29T12:30:00Z", English, "2024-03-10T12:30:00Z"),
            ("29.02.2024", German, "10.03.2024"),
            ("2/29/24", English, "3/10/24"),
            ("29/2/24", Spanish, "10/3/24"),
            ("3/4/2020", English, "3/14/2020"),
            ("3/4/2020", Spanish, "13/4/2020"),
            ("29. Februar 2024", German, "10. März 2024"),
            ("February 29th, 2024", English, "March 10th, 2024"),
            ("February 23rd, 2024", English, "March 4th, 2024"),
            ("29FEB2024", English, "10MAR2024"),
            ("29 de febrero de 2024", Spanish, "10 de marzo de 2024"),
            ("12.-15.03.2020", German, "22.-25.03.2020"),
            ("28.03.-02.04.2020", German, "07.04.-12.04.2020"),
            ("20240229", English, "20240310"),
            ("29022024", German, "10032024"),
            ("25.12.", German, "04.01."),
            ("March 2015", English, "March 2015"),
            ("12 mars 2019", English, "22 mars 2019"),
        ] {
            check(original, 10, language, Some(expected));
        }
    }

    #[test]
    fn weekdays_move_with_their_dates() {
        use Language::{English, German, Spanish};
        check("Monday, 4 March 2024", 10, English, Some("Thursday, 14 March 2024"));
        check("TUE 2024-02-29", 2, English, Some("SAT 2024-03-02"));
        check("Montag, den 29.02.2024", 1, German, Some("Freitag, den 01.03.2024"));
        check("Mo., 4.3.2024", -1, German, Some("So., 3.3.2024"));
        check("lunes 4 de marzo de 2024", 7, Spanish, Some("lunes 11 de marzo de 2024"));
        for unknown in ["Monday, 4 March", "Montag, 12.-15.03.2020", "4 March 2024, Monday"] {
            check(unknown, 10, English, None);
        }
    }

    #[test]
    fn years_and_months_move_too() {
        check("March 2015", 100, Language::English, Some("June 2015"));
        check("1977", 300, Language::English, Some("1978"));
        check("03/2020", -60, Language::English, Some("01/2020"));
        check("31.12.99", 1, Language::German, Some("01.01.00"));
    }

    #[test]
    fn what_is_no_date_is_not_written() {
        for text in ["99/99/2020", "30.02.2020", "tomorrow", "123456", "1/2/3/4/5/6/7"] {
            check(text, 10, Language::English, None);
        }
    }

    #[test]
    fn what_stands_beside_a_date_is_not_written() {
        for text in [
            "12.03.1960 Jane Roe",
            "Roe, 12 March 2020",
            "20240229 Jane Roe",
            "2024-02-29T12:30:00 Jane",
            "2024-02-29 12:30, 4155552671",
            "2024-02-29 12:4155552671",
            "2024-02-29 12:30 - 04.03.2024",
            "2024-02-29 10:15-1961",
            "29.02.2024 ٤٢",
        ] {
            check(text, 10, Language::English, None);
        }
        for (text, expected) in [
            ("Thursday, 29 February 2024, 9:05 pm", "Sunday, 10 March 2024, 9:05 pm"),
            ("2024-02-29 12:30:00,125 +0100", "2024-03-10 12:30:00,125 +0100"),
            ("2024-02-29T12:30-05:00", "2024-03-10T12:30-05:00"),
            ("29.02.2024, 10:15-11:00 Uhr", "10.03.2024, 10:15-11:00 Uhr"),
            ("jueves 29 de febrero del 2024", "domingo 10 de marzo del 2024"),
        ] {
            check(text, 10, Language::English, Some(expected));
        }
    }

    #[test]
    fn months_stay_in_the_language_that_they_are_written_in() {
        use Language::{English, German};
        check("12 de marzo de 2020", 30, English, Some("11 de abril de 2020"));
        check("30. Mai 2020", 10, English, Some("9. Juni 2020"));
        check("12 mars 2019", 30, German, Some("11 avril 2019"));
    }

    #[test]
    fn intervals_stay() {
        let moved = |text| shift(text, 77, Language::German).unwrap();
        let parse = |text: &str| {
            let mut parts = text.split('.').map(|part| part.parse::<i16>().unwrap());
            let (day, month, year) =
                (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            Date::new(year, i8::try_from(month).unwrap(), i8::try_from(day).unwrap()).unwrap()
        };
        let (from, to) = ("27.12.2019", "03.03.2020");
        let days = |from: &str, to: &str| (parse(to) - parse(from)).get_days();
        assert_eq!(days(from, to), days(&moved(from), &moved(to)));
    }
}
