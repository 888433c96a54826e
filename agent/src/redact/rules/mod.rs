//! Recognizers of identifiers with a fixed shape, one file per family.
//!
//! A rule is a pattern, what its check digits demand, and how far it is believed when nothing
//! around it speaks. Patterns are bounded, start with what the identifier starts with, and use two
//! signs of their own: `~` is an optional separator, `=` a required one (space, hyphen or dash). `\d`, `\w` and `\b` are not used: boundaries are checked in code.

mod code;
mod contact;
mod date;
mod finance;
mod national;
mod network;
mod place;
mod record;

use super::kind::Kind;
use super::labels::Labels;

/// How a rule's shape is verified.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// The shape says it all.
    None,
    /// A check over the letters and digits, in capitals.
    Digits(fn(&[u8]) -> bool),
    /// A check over the text as written.
    Text(fn(&str) -> bool),
}

/// What must not stand beside a match.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// Letters and digits.
    Word,
    /// As `Word`, and punctuation that continues a number: `.5`, `-12`, `/3`, `%`.
    Number,
    /// As `Number`, and before it the capitals or the group of digits that belong to it.
    Code,
    /// As `Word`, and the dots and slashes of a longer date-like number.
    Date,
    /// As `Date`, inside of a line of a German text: elsewhere it is a number that ends a sentence, or a
    /// heading's.
    German,
    /// As `Date`, at the start of lines that tell of one day after another.
    Diary,
    /// A word that what was counted would need: `on the 3rd day`.
    Closed,
}

/// One recognizer.
pub(super) struct Rule {
    /// What a match is, unless the context word that supports it announces another kind.
    pub(super) kind: Kind,
    pub(super) pattern: &'static str,
    pub(super) check: Check,
    /// Score of a match that nothing around it supports or denies, in `[0, 1]`.
    pub(super) alone: f32,
    /// Score of a match after a context word.
    pub(super) labelled: f32,
    /// Context words that support this rule.
    pub(super) labels: Labels,
    pub(super) edge: Edge,
    /// Whether the rule is tried only right after a context word that supports it.
    pub(super) announced: bool,
    /// Whether a match stays when the very same text fails the check digit of another rule.
    pub(super) any_check: bool,
}

impl Rule {
    const fn new(kind: Kind, alone: f32, pattern: &'static str) -> Self {
        Self {
            kind,
            pattern,
            check: Check::None,
            alone,
            labelled: 0.95,
            labels: Labels::of(kind),
            edge: Edge::Number,
            announced: false,
            any_check: true,
        }
    }

    /// A rule that is tried only right after a context word.
    const fn announced(kind: Kind, labelled: f32, pattern: &'static str) -> Self {
        Self { announced: true, labelled, ..Self::new(kind, 0.0, pattern) }
    }

    /// Whether what stands at `end` leaves a match that ends there whole.
    pub(super) fn holds_edge(&self, text: &str, end: usize) -> bool {
        let mut next = text[end..].chars();
        let (sign, after) = (next.next(), next.next());
        let goes_on = after.is_some_and(|c| c.is_ascii_digit());
        // "67-year-old" after a number is not its last group.
        if self.edge == Edge::Number && sign == Some('-') && after.is_some_and(char::is_lowercase) {
            return false;
        }
        match (self.edge, sign) {
            (_, None) | (Edge::Word, _) => true,
            (Edge::German, Some(sign)) if sign.is_ascii_digit() => false,
            (Edge::Number | Edge::Code, Some('%')) => false,
            (Edge::Number | Edge::Code, Some('.' | ',' | '-' | '/' | ':' | '\u{2013}')) => !goes_on,
            (Edge::Diary, Some(':' | '%' | '-' | ',' | ')')) => false,
            (Edge::German, Some(',')) => !goes_on,
            (Edge::Date | Edge::German | Edge::Diary, Some('.' | '/')) => !goes_on,
            (Edge::Closed, Some(_)) => closes(&text[end..]),
            (Edge::Number | Edge::Code | Edge::Date | Edge::German | Edge::Diary, Some(_)) => true,
        }
    }

    /// Whether what stands before `start` leaves a match that starts there whole.
    pub(super) fn holds_start(&self, text: &str, start: usize) -> bool {
        let mut before = text[..start].chars().rev();
        let (sign, earlier) = (before.next(), before.next());
        let goes_on = earlier.is_some_and(|c| c.is_ascii_digit() || c == ']');
        match (self.edge, sign) {
            (Edge::German, None | Some('\n' | '\r')) | (Edge::Diary, _) => false,
            (_, None) | (Edge::Word, _) => true,
            (Edge::Code, Some('-')) if earlier.is_some_and(|c| c.is_ascii_uppercase()) => false,
            (Edge::Code, Some(' ')) => !goes_on,
            (Edge::Number | Edge::Code, Some('.' | ',' | '-' | '/' | ':' | '\u{2013}')) => !goes_on,
            (Edge::Date | Edge::German, Some('.' | '/')) => !goes_on,
            (Edge::Number | Edge::Code | Edge::Date | Edge::German | Edge::Closed, Some(_)) => true,
        }
    }

    const fn digits(mut self, check: fn(&[u8]) -> bool) -> Self {
        self.check = Check::Digits(check);
        self
    }

    const fn text(mut self, check: fn(&str) -> bool) -> Self {
        self.check = Check::Text(check);
        self
    }

    /// A rule that is silent where another one's check digit speaks against an identifier.
    const fn unless_invalid(mut self) -> Self {
        self.any_check = false;
        self
    }

    const fn edge(mut self, edge: Edge) -> Self {
        self.edge = edge;
        self
    }

    const fn labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    const fn labelled(mut self, score: f32) -> Self {
        self.labelled = score;
        self
    }
}

/// Whether no noun follows: nothing, a sign, or a word that goes on with the sentence.
fn closes(rest: &str) -> bool {
    const ON: &[&str] = &[
        "ab",
        "abends",
        "about",
        "and",
        "as",
        "at",
        "because",
        "but",
        "d",
        "dann",
        "for",
        "früh",
        "gegen",
        "he",
        "i",
        "if",
        "in",
        "mit",
        "mittags",
        "morgens",
        "nachmittags",
        "oder",
        "or",
        "please",
        "she",
        "so",
        "they",
        "to",
        "um",
        "und",
        "von",
        "was",
        "we",
        "wegen",
        "when",
        "with",
        "zu",
    ];
    let word = rest.trim_start_matches(' ');
    let end = word.find(|c: char| !c.is_alphanumeric()).unwrap_or(word.len());
    match &word[..end] {
        "" => !word.starts_with(['%', '/', '-', '(']),
        word => rest.starts_with(' ') && ON.contains(&word),
    }
}

/// Every built-in rule.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    [
        code::RULES,
        contact::RULES,
        date::RULES,
        finance::RULES,
        national::RULES,
        network::RULES,
        place::RULES,
        record::RULES,
    ]
    .into_iter()
    .flatten()
}

/// A rule's pattern as a regular expression.
pub(super) fn expand(pattern: &str) -> String {
    const SEPARATOR: &str = r"[ \-\u{2013}-\u{2015}]";
    pattern
        .replace('~', &format!("{SEPARATOR}?"))
        .replace('=', SEPARATOR)
        .replace("<german day in words>", date::GERMAN_DAY_IN_WORDS)
        .replace("<spanish day in words>", date::SPANISH_DAY_IN_WORDS)
        .replace("<day in words>", date::DAY_IN_WORDS)
        .replace("<year in words>", date::YEAR_IN_WORDS)
        .replace("<month>", date::MONTH)
        .replace("<german month>", date::GERMAN_MONTH)
        .replace("<extension>", contact::EXTENSION)
}
