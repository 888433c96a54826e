//! Dates in the forms that people write, and ages.

use super::super::kind::Kind;
use super::super::labels::Labels;
use super::{Edge, Rule};

/// The months' names in English, German, Spanish, French, Italian, Portuguese, Dutch and Polish, with
/// short forms.
pub(super) const MONTH: &str = r"(?i:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|januar|jänner|februar|feber|märz|mai|juni|juli|oktober|dezember|mrz|mär|okt|dez|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre|ene|abr|ago|dic|janvier|février|fevrier|mars|avril|juin|juillet|août|aout|septembre|octobre|novembre|décembre|decembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro|januari|februari|maart|mei|juni|juli|augustus|stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia|styczeń|luty|kwiecień|czerwiec|lipiec|sierpień|wrzesień|październik|listopad|grudzień|janv|févr|avr|juil|déc|gen|mag|giu|lug|ott|fev|out)";

/// The German months' names in full, as nouns are written.
pub(super) const GERMAN_MONTH: &str = "(?:Januar|Jänner|Februar|Feber|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)";

/// Days in words, in English, German and Spanish.
pub(super) const DAY_IN_WORDS: &str = "(?:(?:twenty|thirty)?[ \\-]?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth|eleventh|twelfth|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth|thirtieth)";
pub(super) const GERMAN_DAY_IN_WORDS: &str = "(?:(?:(?:ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun)und)?(?:zwan|drei)(?:zig|ßig)sten|ersten|zweiten|dritten|vierten|fünften|sechsten|sieb(?:en)?ten|achten|neunten|zehnten|elften|zwölften|(?:drei|vier|fünf|sech|sieb|acht|neun)zehnten)";
pub(super) const SPANISH_DAY_IN_WORDS: &str = "(?:uno|primero|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince|dieci(?:séis|seis|siete|ocho|nueve)|veinte|veinti(?:uno|dós|dos|trés|tres|cuatro|cinco|séis|seis|siete|ocho|nueve)|treinta(?: y uno)?)";
/// A year in English words: nineteen sixty, two thousand and four, twenty twelve.
pub(super) const YEAR_IN_WORDS: &str = "(?:,? (?:nineteen|two thousand(?: and)?|twenty)(?:[ \\-](?:oh|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|one|two|three|four|five|six|seven|eight|nine)){1,3})";

const DATES: Labels = Labels::of(Kind::Date).or(Labels::DAY);

const fn date(alone: f32, pattern: &'static str) -> Rule {
    Rule::new(Kind::Date, alone, pattern).labels(DATES).edge(Edge::Date)
}

const fn announced(labels: Labels, score: f32, pattern: &'static str) -> Rule {
    Rule::announced(Kind::Date, score, pattern).labels(labels).edge(Edge::Date)
}

const fn age(labels: Labels, pattern: &'static str) -> Rule {
    Rule::new(Kind::Age, 0.9, pattern).labels(labels).edge(Edge::Word)
}

pub(super) const RULES: &[Rule] = &[
    // Year first, perhaps with a time.
    date(
        0.9,
        r"(?:1[89]|20)[0-9]{2}[\-./][0-9]{1,2}[\-./][0-9]{1,2}(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]{1,9})?(?: ?(?:Z|UTC|[+\-][0-9]{2}:?[0-9]{2}))?)?",
    )
    .text(year_first),
    // Year last, four digits and two.
    date(
        0.9,
        r"[0-9]{1,2}[./\-][0-9]{1,2}[./\-](?:1[89]|20)[0-9]{2}(?:,? [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?: ?(?i:am|pm|uhr|h))?)?",
    )
    .text(year_last),
    date(0.9, r"[0-9]{1,2}\. ?[0-9]{1,2}\. ?(?:1[89]|20)[0-9]{2}").text(year_last),
    date(0.65, r"[0-9]{1,2}[./\-][0-9]{1,2}[./\-]'?[0-9]{2}").text(year_last),
    date(0.65, r"[0-9]{1,2}\. [0-9]{1,2}\. [0-9]{2}").text(year_last),
    // A span of days: 12.-15.03.2020, 12.03.-15.03.20.
    date(
        0.8,
        r"[0-9]{1,2}\.(?:[0-9]{1,2}\.)?(?:(?:1[89]|20)?[0-9]{2})? ?[\-\u{2013}/] ?[0-9]{1,2}\.[0-9]{1,2}\.(?:(?:1[89]|20)?[0-9]{2})?",
    )
    .text(german_span),
    // Months by name.
    date(
        0.9,
        r"[0-9]{1,2}(?:st|nd|rd|th|er|º|°|\.)?(?: of| de| di)?[ \-./]<month>\.?,?(?:(?: de| del| di)?[ \-,./]{1,2}'?(?:[0-9]{4}|[0-9]{2}))?",
    )
    .text(month_by_name),
    date(
        0.9,
        r"<month>\.?[ \-][0-9]{1,2}(?:st|nd|rd|th)?(?:,? ?[ \-]'?[0-9]{4}|,? ?'[0-9]{2})?(?:,? (?:at )?[0-9]{1,2}:[0-9]{2}(?: ?(?i:am|pm))?)?",
    )
    .text(month_by_name),
    date(0.9, r"[0-9]{1,2}[.\-]?<month>[.\-]?(?:1[89]|20)[0-9]{2}").text(month_by_name),
    date(0.8, "[0-3][0-9](?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)").text(month_by_name),
    date(0.8, r"<month>\.?,?(?: of| de| del| di)?[ \-/](?:1[89]|20)[0-9]{2}").text(month_by_name),
    date(
        0.8,
        r"<month>(?: y| e| and| und| to| bis| a|,| -| \u{2013}) <month>\.?,?(?: of| de| del)? (?:1[89]|20)[0-9]{2}",
    ),
    // Months in Roman numbers: 12-VII-2014, 3.XI.98.
    date(0.8, r"[0-9]{1,2}[\-./](?:I{1,3}|I?V|VI{1,3}|I?X|XI{1,2})[\-./](?:(?:1[89]|20)[0-9]{2}|[0-9]{2})")
        .text(day_first),
    date(0.8, r"<month>\.?,? '[0-9]{2}"),
    // Days of one month: 5-6 May, vom 2. bis 9. Dezember, 6., 7. und 8. März.
    date(
        0.9,
        r"[0-9]{1,2}(?:st|nd|rd|th)?(?: ?[\-\u{2013}/&] ?| and | to )[0-9]{1,2}(?:st|nd|rd|th)?(?: of)? <month>(?:,? (?:1[89]|20)[0-9]{2})?|[0-9]{1,2} (?:al|a|y|e) [0-9]{1,2} de <month>(?: del? (?:1[89]|20)[0-9]{2})?|[0-9]{1,2}\.(?:(?:, ?| ?[\-\u{2013}/] ?| (?:und|u\.|bis|oder|sowie) )(?:(?:am|zum) )?[0-9]{1,2}\.){1,3} ?<month>(?: (?:1[89]|20)[0-9]{2})?",
    )
    .text(month_by_name),
    // Days in words, as they are dictated: june third nineteen sixty, the twenty-second of January, elften Oktober,
    // dos de junio.
    date(0.8, r"<month> (?i:the )?(?i:<day in words>)(?i:<year in words>)?").text(in_words),
    date(0.8, r"(?i:<day in words> of) <month>(?:(?i:<year in words>)|,? (?:1[89]|20)[0-9]{2})?"),
    date(0.8, r"(?i:<german day in words>) <german month>(?: (?:1[89]|20)[0-9]{2})?"),
    date(
        0.8,
        r"(?i:<spanish day in words>) de (?i:enero|febrero|marzo|abril|mayo|junio|julio|agosto|sep?tiembre|octubre|noviembre|diciembre)(?: del? (?:1[89]|20)[0-9]{2})?",
    ),
    date(0.7, r"[0-9]{1,2}(?:st|nd|rd|th) of (?:this|next|last) month"),
    // A day alone, behind "on the" or "am", where no noun follows that it would count.
    announced(Labels::DAY, 0.6, r"[0-9]{1,2}(?:st|nd|rd|th)").text(a_day).edge(Edge::Closed),
    announced(Labels::DAY, 0.6, r"(?:0?[1-9]|[12][0-9]|3[01])\.").edge(Edge::Closed),
    // The days of a diary.
    date(0.6, r"[0-9]{1,2}\.[0-9]{1,2}\.|[0-9]{1,2}/[0-9]{1,2}").text(day_and_month).edge(Edge::Diary),
    // Chinese, Japanese, Korean.
    date(
        0.9,
        r"(?:1[89]|20)[0-9]{2} ?[年년] ?[0-9]{1,2} ?[月월](?: ?[0-9]{1,2} ?[日号일])?|[0-9]{1,2} ?[月월] ?[0-9]{1,2} ?[日号일]|(?:令和|平成|昭和|大正) ?[0-9元]{1,2} ?年 ?[0-9]{1,2} ?月(?: ?[0-9]{1,2} ?日)?",
    ),
    // No day, or no year: only where something says that it is a date.
    date(0.6, r"(?:0?[1-9]|1[0-2])[/.](?:19|20)[0-9]{2}"),
    announced(Labels::of(Kind::Date), 0.8, r"(?:0?[1-9]|1[0-2])/[0-9]{2}"),
    announced(DATES, 0.7, r"[0-9]{1,2}/[0-9]{1,2}|[0-9]{1,2}\.[0-9]{1,2}\.").text(day_and_month),
    // A German day without a year, in two digits each, which no number has with a full stop behind it.
    date(0.55, r"(?:0[1-9]|[12][0-9]|3[01])\.(?:0[1-9]|1[0-2])\."),
    // In one digit, too.
    date(0.55, r"[1-9]\.(?:0?[1-9]|1[0-2])\.|(?:[12][0-9]|3[01])\.[1-9]\.").edge(Edge::German),
    // A day and a month of which one has a zero before it, as no ratio has.
    date(0.55, r"0[1-9]/(?:0[1-9]|[12][0-9]|3[01])|(?:[12][0-9]|3[01])/0[1-9]"),
    // With a time behind it: 11/30 9:20 am, 14/10 0920.
    date(
        0.6,
        r"[0-9]{1,2}/[0-9]{1,2},? (?:at )?(?:[0-9]{1,2}[:.][0-9]{2}(?: ?(?i:am|pm))?|[012][0-9][0-5][0-9])",
    )
    .text(day_and_month),
    // A weekday with its day: "Saturday 4th", "Sunday the 8th".
    date(
        0.7,
        r"(?i:(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?-i:Mon|Tue|Wed|Thu|Fri|Sat|Sun))\.?,? (?:the )?[0-9]{1,2}(?:st|nd|rd|th)",
    )
    .edge(Edge::Word),
    date(
        0.7,
        r"(?i:(?:mon|diens|donners|frei|sams)tag|mittwoch|sonnabend|sonntag),? den [0-9]{1,2}\.|(?i:lunes|martes|miércoles|jueves|viernes|sábado|domingo),? (?:día )?[0-9]{1,2}",
    ),
    // And behind a short "of" or "for": "Labor v. 7.6.".
    date(0.55, r"(?i:[vf])\. ?[0-9]{1,2}\.[0-9]{1,2}\.").text(day_and_month),
    announced(Labels::of(Kind::Date), 0.9, r"(?:19|20)[0-9]{6}|[0-9]{8}").text(compact),
    // Years, as far as the profile hides them.
    announced(Labels::YEAR, 0.7, r"(?:19[2-9]|20[0-4])[0-9]"),
    // Months alone, where every year is hidden: an element of a date, too.
    announced(
        Labels::YEAR,
        0.7,
        r"(?:January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)",
    ),
    announced(
        Labels::YEAR_LOCAL,
        0.7,
        r"<german month>|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre",
    ),
    Rule::new(Kind::Date, 0.7, r"ab <german month>").labels(Labels::YEAR_LOCAL),
    // Those that are no names of people.
    Rule::new(
        Kind::Date,
        0.7,
        r"Januar|Jänner|Februar|Feber|März|Juni|Juli|Oktober|Dezember|enero|febrero|julio|septiembre|octubre|noviembre|diciembre",
    )
    .labels(Labels::YEAR_LOCAL)
    .edge(Edge::Word),
    Rule::new(Kind::Date, 0.7, r"January|February|July|September|October|November|December")
        .labels(Labels::YEAR)
        .edge(Edge::Word),
    // A month and a year in a German text, unless they are points of a scale: 10/23, not 12/15.
    Rule::new(Kind::Date, 0.6, r"(?:0[1-9]|1[0-2])/(?:0[5-9]|1[0-46-9]|2[1-35-9])")
        .labels(Labels::YEAR_LOCAL)
        .edge(Edge::German),
    // Alone: where every year is hidden, unless a unit or another word says that it is none.
    Rule::new(Kind::Date, 0.6, r"(?:19[2-9]|20[0-4])[0-9]").labels(Labels::YEAR).labelled(0.7),
    announced(Labels::YEAR_LOCAL, 0.7, r"(?:19[2-9]|20[0-4])[0-9]"),
    Rule::new(Kind::Date, 0.7, r"(?i:año) (?:19[2-9]|20[0-4])[0-9]").labels(Labels::YEAR_LOCAL),
    // Years of birth that tell an age over 89.
    announced(Labels::BIRTH, 0.8, r"(?:1[89]|20)[0-9]{2}"),
    // Ages.
    age(
        Labels::AGED,
        r"(?i:(?:ninety(?:[ \-](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a) hundred(?:[ \-](?:and )?(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen))?)[ \-]years?[ \-](?:olds?|of age))",
    ),
    age(
        Labels::AGED_LOCAL,
        r"(?i:(?:(?:ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun)und)?neunzig(?:jährig(?:e[rsnm]?)?| jahre?n? alt)|(?:ein)?hundert(?:und)?(?:eins?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn)?(?:jährig(?:e[rsnm]?)?| jahre?n? alt))",
    ),
    age(
        Labels::AGED_LOCAL,
        r"(?i:(?:noventa(?: y (?:un|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve))?|cien|ciento (?:un|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez)) años|quatre[ \-]vingt[ \-](?:dix(?:[ \-](?:sept|huit|neuf))?|onze|douze|treize|quatorze|quinze|seize) ans|novant(?:a(?:due|tre|quattro|cinque|sei|sette|nove)?|uno|otto) anni)",
    ),
    // So many years are an age, whatever stands around them.
    age(
        Labels::AGED_LOCAL,
        r"(?:9[0-9]|1[01][0-9]|12[0-5])[ \-]?(?i:jahre?n?|años|anos|ans|anni|jaar|lat)",
    ),
    age(Labels::AGED, r"(?:9[0-9]|1[01][0-9]|12[0-5])[ \-]?(?i:yrs?|years?)"),
    age(
        Labels::AGED,
        r"[0-9]{1,3}(?:[ \-]?(?i:years?|yrs?)[ \-](?i:olds?|of age)|[ \-]?(?i:y[./]?o\.?|yo[mf]))",
    ),
    Rule::announced(Kind::Age, 0.9, r"[0-9]{2,3}(?:\.[0-9]{1,2})?").labels(Labels::AGED),
    age(
        Labels::AGED_LOCAL,
        r"[0-9]{1,3}(?:-? ?(?i:jährig)(?i:e[rsnm]?)?| ?(?i:jahre?n? alt)| (?i:lebensjahr))",
    ),
    age(
        Labels::AGED_LOCAL,
        r"[0-9]{1,3} (?i:años|anos|meses|días|dias|semanas)(?: y medio)? de (?i:edad|vida)",
    ),
    Rule::announced(
        Kind::Age,
        0.9,
        r"[0-9]{1,3} ?(?i:años|anos|meses|días|dias|semanas|jahre?n?|monate?n?)(?: y medio)?",
    )
    .labels(Labels::AGED_LOCAL)
    .edge(Edge::Word),
    Rule::announced(Kind::Age, 0.8, r"[0-9]{1,3}(?:\.[0-9]{1,2})?").labels(Labels::AGE_FIELD),
];

/// The numbers in `text`, at most six.
fn numbers(text: &str) -> ([u32; 6], usize) {
    let mut found = ([0; 6], 0);
    for part in text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).take(6) {
        found.0[found.1] = part.parse().unwrap_or(u32::MAX);
        found.1 += 1;
    }
    found
}

fn day(value: u32) -> bool {
    matches!(value, 1..=31)
}

fn month(value: u32) -> bool {
    matches!(value, 1..=12)
}

/// Whether the first two separators between digits are the same sign.
fn same_separators(text: &str) -> bool {
    let mut signs = text.bytes().filter(|byte| matches!(byte, b'-' | b'.' | b'/'));
    signs.next() == signs.next()
}

fn year_first(text: &str) -> bool {
    let ([_, second, third, ..], _) = numbers(text);
    same_separators(text) && month(second) && day(third)
}

/// Day and month in either order.
fn year_last(text: &str) -> bool {
    let ([first, second, ..], _) = numbers(text);
    same_separators(text) && (day(first) && month(second) || month(first) && day(second))
}

fn german_span(text: &str) -> bool {
    let (values, count) = numbers(text);
    day(values[0]) && count >= 3
}

fn day_and_month(text: &str) -> bool {
    let ([first, second, ..], _) = numbers(text);
    day(first) && month(second) || month(first) && day(second) && text.contains('/')
}

fn day_first(text: &str) -> bool {
    day(numbers(text).0[0])
}

/// Year first, or year last with day and month in either order.
fn compact(text: &str) -> bool {
    let pair = |at: usize| text[at..at + 2].parse().unwrap_or_default();
    let year = |at: usize| matches!(pair(at), 18..=20);
    let (first, second) = (pair(0), pair(2));
    year(0) && month(pair(4)) && day(pair(6))
        || year(4) && (day(first) && month(second) || month(first) && day(second))
}

/// Short forms of months that are words in small letters.
const WORDS: &[&str] = &["may", "mar", "march", "mars", "set", "dec", "ago", "mai", "mei", "maja"];
/// Those that are words, or parts of codes, however they are written.
const CODES: &[&str] = &["fev", "gen", "giu", "lug", "mag", "ott", "out"];

fn a_day(text: &str) -> bool {
    day(numbers(text).0[0])
}

/// "may first" and "march second" in small letters are no dates.
fn in_words(text: &str) -> bool {
    !text.starts_with("may ") && !text.starts_with("march ")
}

/// A day in range; "may" and "mar" in small letters are words unless a year follows.
fn month_by_name(text: &str) -> bool {
    let (values, count) = numbers(text);
    let word = text.split(|c: char| !c.is_alphabetic()).find(|word| word.len() >= 3);
    let doubtful = word.is_some_and(|word| {
        // What is "MAG-3" and "GEN 4" in capitals is no month either.
        WORDS.contains(&word) || CODES.contains(&word.to_lowercase().as_str())
    });
    let year = values[..count].iter().any(|value| (1800..=2099).contains(value));
    values[..count].iter().any(|value| day(*value) || (1800..=2099).contains(value))
        && (year || !doubtful)
}
