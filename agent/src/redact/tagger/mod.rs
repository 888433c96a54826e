//! Names, places, organisations and ages that nothing but the sentence gives away.
//!
//! Two tiers of readers say how likely each token is what. The first one, a conditional random field
//! over hashed features, is part of the program, and small and fast enough for an edge device; what
//! it was trained on is in `README.md` beside its weights. The second one, a `transformer` for
//! servers, reads again what the first one is not sure of. What is made of the probabilities, the
//! `Tagger`'s part, is the same for both.

mod crf;
mod features;
mod lexicon;
mod tokens;
mod train;
mod transformer;

pub use crf::WeightsError;
pub use train::{Training, train};
pub use transformer::{NamesError, Transformer};

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::Find;
use super::kind::Kind;
use super::language::Small;
use super::resolve::covering;
use crf::{Crf, LABELS, OUTSIDE, Row};
use tokens::{Token, tokens};

/// The shipped weights.
const WEIGHTS: &[u8] = include_bytes!("weights.bin");
/// Probability of being personal data from which a token is taken.
const TAKEN: f32 = 0.35;
/// The same where two readers have read.
const TAKEN_BOTH: f32 = 0.23;
/// And in German, where the second reader takes fewer names.
const TAKEN_BOTH_GERMAN: f32 = 0.2;
/// And of a word with a capital that is in no list, where capitals are for names.
const TAKEN_UNKNOWN: f32 = 0.1;
/// Letters of such a word.
const UNKNOWN_LETTERS_MIN: usize = 4;
/// And of a few capitals among small letters, which mostly are an illness or a test.
const TAKEN_ACRONYM: f32 = 0.5;
/// Letters of these.
const ACRONYM_LETTERS: RangeInclusive<usize> = 2..=5;
/// Probability from which a token with a capital or a digit is taken beside one that is: the rest of
/// a name, the number of a house.
const TAKEN_BESIDE: f32 = 0.12;
/// Bytes of a number that is taken so: those of a house or a postcode.
const NUMBER_BYTES_MAX: usize = 6;
/// Scores of tagged spans: below those of rules, which know what they have found.
const SCORE_MIN: f32 = 0.5;
const SCORE_MAX: f32 = 0.6;

/// Score from which a find is sure.
const SURE_SCORE_MIN: f32 = 0.58;
/// Score below which hardly anything speaks for a name.
const WEAK_SCORE_MAX: f32 = 0.51;
/// Letters of a name's part that is looked for elsewhere in the text.
const REPEATED_LETTERS_MIN: usize = 3;
/// Parts of names of one text that are looked for elsewhere in it.
const REPEATED_MAX: usize = 256;

/// What the tagger tells apart, in the order of its labels: `2·class + 1` begins, `+ 2` continues.
const CLASSES: [Kind; 4] = [Kind::Name, Kind::Location, Kind::Organization, Kind::Age];
const _: () = assert!(2 * CLASSES.len() + 1 == LABELS);

/// The class of a kind, if the tagger learns it.
fn class_of(kind: Kind) -> Option<usize> {
    let place = matches!(kind, Kind::Address | Kind::Zip);
    let kind = if place { Kind::Location } else { kind };
    CLASSES.iter().position(|class| *class == kind)
}

/// Bytes of text that are read at once.
const PART_BYTES_MAX: usize = 256 << 10;

/// Finds personal data in running text by what its readers say.
#[derive(Clone)]
pub(super) struct Tagger {
    crf: Arc<Crf>,
    /// BLAKE3 of its weights.
    digest: Arc<str>,
    transformer: Option<Arc<Transformer>>,
}

impl Tagger {
    /// The tagger of one reader that ships.
    pub(super) fn shipped() -> Self {
        Self::new(WEIGHTS).expect("the shipped weights are read by a test")
    }

    /// A tagger with weights from [`train()`].
    pub(super) fn new(weights: &[u8]) -> Result<Self, WeightsError> {
        let digest = blake3::hash(weights).to_hex().as_str().into();
        Ok(Self { crf: Arc::new(Crf::decode(weights)?), digest, transformer: None })
    }

    /// BLAKE3 digests of what its readers were loaded from.
    pub(super) fn digests(&self) -> Vec<(&'static str, String)> {
        let mut digests = vec![("tagger", self.digest.to_string())];
        if let Some(transformer) = &self.transformer {
            digests.push(("names_model", transformer.digest().to_owned()));
        }
        digests
    }

    /// The same, with this second reader, if there is one.
    pub(super) fn with(self, transformer: Option<Arc<Transformer>>) -> Self {
        Self { transformer, ..self }
    }

    /// What is found in `text`, apart from each other. A long text is read in parts, since a reader
    /// takes some hundred bytes of memory for each word. The second reader, which takes most of the
    /// time, is not asked for words that are `settled`: hidden or shown, whatever a reader says.
    pub(super) fn tag(&self, text: &str, settled: impl Fn(Range<usize>) -> bool) -> Vec<Find> {
        let mut names = HashSet::new();
        let mut found: Vec<Find> = Vec::new();
        for (start, part) in parts(text) {
            let tokens = tokens(part);
            let settled = |at: Range<usize>| settled(start + at.start..start + at.end);
            let own = self.tag_part(part, &tokens, settled);
            self.learn(&tokens, &own, &mut names);
            found.extend(own.into_iter().map(|find| moved(find, start)));
        }
        if !names.is_empty() {
            let mut again = Vec::new();
            for (start, part) in parts(text) {
                again.extend(repeated(start, &tokens(part), &found, &names));
            }
            found.extend(again);
        }
        found
    }

    fn tag_part(
        &self,
        text: &str,
        tokens: &[Token<'_>],
        settled: impl Fn(Range<usize>) -> bool,
    ) -> Vec<Find> {
        let mut posteriors = self.crf.posteriors(tokens);
        let small = Small::of(text);
        let nouns = small.has_nouns_in_capitals();
        let least = match &self.transformer {
            None => TAKEN,
            // It takes most words of other languages for names.
            Some(_) if small.is_other() => TAKEN,
            Some(transformer) => {
                transformer.refine(text, tokens, &mut posteriors, settled);
                if nouns { TAKEN_BOTH_GERMAN } else { TAKEN_BOTH }
            }
        };
        let names_in_capitals = small.has_names_in_capitals();
        let shouts = !text.contains(char::is_lowercase) || !text.contains(char::is_uppercase);
        let least = |at: usize| {
            if names_in_capitals && self.is_unknown_name(tokens, at) {
                TAKEN_UNKNOWN
            } else if !shouts && is_acronym(tokens[at].text) {
                TAKEN_ACRONYM
            } else {
                least
            }
        };
        let taken = taken(text, tokens, &posteriors, least, |word| self.crf.is_only_word(word));
        let mut found: Vec<Find> = Vec::new();
        let mut open: Option<usize> = None;
        for ((token, posterior), taken) in tokens.iter().zip(&posteriors).zip(taken) {
            if !taken {
                open = None;
                continue;
            }
            let inside = 1.0 - posterior[OUTSIDE];
            let class = likeliest(posterior);
            let begins = posterior[2 * class + 1] > posterior[2 * class + 2];
            match found.last_mut().filter(|_| open == Some(class) && !begins) {
                Some(last) => extend(last, token, inside),
                None if !token.text.starts_with(char::is_alphanumeric) => {
                    open = None;
                    continue;
                }
                None => found.push(Find {
                    start: token.start,
                    end: token.end(),
                    kind: CLASSES[class],
                    score: score(inside),
                }),
            }
            open = Some(class);
        }
        found.iter_mut().for_each(|find| drop_particle(text, find));
        let mut found = drop_numbers(text, found);
        found.retain(|find| shouts || !self.is_common_word(text, find, nouns));
        found
    }

    /// A word with a capital that no list has, inside of a sentence: where capitals are for names,
    /// hardly anything else.
    fn is_unknown_name(&self, tokens: &[Token<'_>], at: usize) -> bool {
        let text = tokens[at].text;
        let mut letters = text.chars();
        let capital = letters.next().is_some_and(char::is_uppercase);
        let inside = at > 0
            && tokens[at - 1]
                .text
                .starts_with(|c: char| c.is_lowercase() || matches!(c, ',' | ';'));
        inside
            && capital
            && text.chars().count() >= UNKNOWN_LETTERS_MIN
            && letters.all(char::is_lowercase)
            && !self.crf.is_word(text)
    }

    /// A word in small letters that is common or not sure, or some common ones, which in a text with
    /// capitals are nobody's name; one that has its capital from starting a sentence, and little else that
    /// speaks for a name; or a common one that hardly anything speaks for, behind an article or
    /// where every noun has a capital.
    fn is_common_word(&self, text: &str, find: &Find, nouns_in_capitals: bool) -> bool {
        let found = &text[find.start..find.end];
        let small = !found.contains(char::is_uppercase);
        let of_words = |c: char| c.is_alphabetic() || small && c == ' ';
        if find.kind == Kind::Age || !found.chars().all(of_words) {
            return false;
        }
        if small && found.contains(' ') {
            return found.split(' ').all(|word| self.crf.is_word(word));
        }
        let before = text[..find.start].trim_end_matches([' ', '\t', '"', '*', '-']);
        let starts = before.is_empty() || before.ends_with(['.', '!', '?', '\n']);
        let sure = find.score >= SURE_SCORE_MIN;
        let word = self.crf.is_word(found);
        if small {
            return word || !sure;
        }
        let article = || ["the", "an"].iter().any(|article| ends_with_word(before, article));
        starts && !sure && self.crf.is_only_word(found)
            || word && find.score < WEAK_SCORE_MAX && (nouns_in_capitals || article())
    }

    /// Takes the words of names that are sure into `names`. Common words are left alone.
    fn learn(&self, tokens: &[Token<'_>], found: &[Find], names: &mut HashSet<String>) {
        let sure = |find: &&Find| find.kind == Kind::Name && find.score >= SURE_SCORE_MIN;
        let words = tokens
            .iter()
            .filter(|token| tells(token) && covering(found, token.start).as_ref().is_some_and(sure))
            .filter(|token| !self.crf.is_word(token.text))
            .map(|token| token.text.to_lowercase());
        let room = REPEATED_MAX.saturating_sub(names.len());
        names.extend(words.take(room));
    }
}

/// Cuts a text into parts of bounded length: behind a line end, or else a space, where there is one.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let limit = rest.floor_char_boundary(PART_BYTES_MAX);
        let cut = if rest.len() <= PART_BYTES_MAX {
            rest.len()
        } else {
            let head = &rest[..limit];
            head.rfind('\n').or_else(|| head.rfind(' ')).map_or(limit, |end| end + 1)
        };
        let part = (at, &rest[..cut]);
        at += cut;
        (cut > 0).then_some(part)
    })
}

/// Whether the last word of `text` is `word`.
fn ends_with_word(text: &str, word: &str) -> bool {
    text.strip_suffix(word).is_some_and(|rest| !rest.ends_with(char::is_alphanumeric))
}

fn moved(find: Find, by: usize) -> Find {
    Find { start: find.start + by, end: find.end + by, ..find }
}

/// Whether a token may be a name that is known by its capital.
fn tells(token: &Token<'_>) -> bool {
    token.text.starts_with(char::is_uppercase) && token.text.chars().count() >= REPEATED_LETTERS_MIN
}

fn is_acronym(token: &str) -> bool {
    ACRONYM_LETTERS.contains(&token.chars().count()) && token.chars().all(char::is_uppercase)
}

/// The words of names that are sure, wherever else they stand with a capital: a reader knows the
/// person after the first line, and the sentence around the tenth mention tells nothing.
fn repeated(
    start: usize,
    tokens: &[Token<'_>],
    found: &[Find],
    names: &HashSet<String>,
) -> Vec<Find> {
    tokens
        .iter()
        .filter(|token| tells(token) && covering(found, start + token.start).is_none())
        .filter(|token| names.contains(&token.text.to_lowercase()))
        .map(|token| Find {
            start: start + token.start,
            end: start + token.end(),
            kind: Kind::Name,
            score: SCORE_MIN,
        })
        .collect()
}

/// Which tokens are personal data: the likely ones, and less likely ones beside them that are not
/// common words, as the one that starts the sentence.
fn taken(
    text: &str,
    tokens: &[Token<'_>],
    posteriors: &[Row],
    least: impl Fn(usize) -> f32,
    is_common: impl Fn(&str) -> bool,
) -> Vec<bool> {
    let inside = |at: usize| 1.0 - posteriors[at][OUTSIDE];
    let mut taken: Vec<bool> =
        (0..tokens.len()).map(|at| inside(at) >= least(at) && !tokens[at].is_line_end()).collect();
    let joins = |at: usize, other: usize| {
        let (first, second) = (at.min(other), at.max(other));
        let gap = &text[tokens[first].end()..tokens[second].start];
        let token = tokens[at].text;
        // Pieces of a code, which digits and letters without a space between them are, say nothing.
        let number = token.starts_with(char::is_numeric)
            && token.len() <= NUMBER_BYTES_MAX
            && gap.len() == 1;
        let capital = token.starts_with(char::is_uppercase) && gap.len() <= 1;
        inside(at) >= TAKEN_BESIDE && (number || capital && !is_common(token))
    };
    for at in 1..tokens.len() {
        taken[at] |= taken[at - 1] && joins(at, at - 1);
    }
    for at in (1..tokens.len()).rev() {
        taken[at - 1] |= taken[at] && joins(at - 1, at);
    }
    taken
}

fn extend(find: &mut Find, token: &Token<'_>, inside: f32) {
    find.end = token.end();
    // As sure as its surest token: a span is hidden whole or not at all.
    find.score = find.score.max(score(inside));
}

/// A small word that a name was found to start with: "de Atención Primaria".
fn drop_particle(text: &str, find: &mut Find) {
    let Some((first, rest)) = text[find.start..find.end].split_once(' ') else { return };
    if find.kind == Kind::Name && matches!(first, "de" | "y" | "and" | "und" | "in" | "by") {
        find.start = find.end - rest.trim_start().len();
    }
}

/// The score of a token that is personal data with this probability.
fn score(inside: f32) -> f32 {
    let inside = inside.max(TAKEN);
    SCORE_MIN + (SCORE_MAX - SCORE_MIN) * (inside - TAKEN) / (1.0 - TAKEN)
}

/// A tagger cannot check digits: a span without a word is left to rules, unless a place that it
/// found stands beside it, as a town beside its postcode. So are the letters of a code: "T2DM".
fn drop_numbers(text: &str, found: Vec<Find>) -> Vec<Find> {
    let wordy = |find: &Find| {
        find.kind == Kind::Age
            || text[find.start..find.end]
                .split(|c: char| !c.is_alphabetic())
                .any(|word| word.chars().count() >= 2)
                && !is_part_of_code(text, find)
    };
    let beside = |a: &Find, b: &Find| {
        a.kind == Kind::Location
            && b.kind == Kind::Location
            && (wordy(a) || wordy(b))
            && text
                .get(a.end..b.start)
                .is_some_and(|gap| gap.len() <= 6 && !gap.contains(char::is_alphanumeric))
    };
    let keeps = |index: usize| {
        let find = &found[index];
        wordy(find)
            || found.get(index + 1).is_some_and(|next| beside(find, next))
            || index > 0 && beside(&found[index - 1], find)
    };
    (0..found.len()).filter(|index| keeps(*index)).map(|index| found[index]).collect()
}

/// Few letters with a digit right before or behind them, as of a place: a user's name may be such a name.
fn is_part_of_code(text: &str, find: &Find) -> bool {
    const LETTERS_MAX: usize = 3;
    let found = &text[find.start..find.end];
    find.kind == Kind::Location
        && found.chars().count() <= LETTERS_MAX
        && found.chars().all(char::is_alphabetic)
        && (text[find.end..].starts_with(|c: char| c.is_ascii_digit())
            || text[..find.start].ends_with(|c: char| c.is_ascii_digit()))
}

fn likeliest(posterior: &Row) -> usize {
    let sum = |class: usize| posterior[2 * class + 1] + posterior[2 * class + 2];
    (0..CLASSES.len()).max_by(|a, b| sum(*a).total_cmp(&sum(*b))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens taken when each is personal data with a probability of so many percent.
    fn taken_of(text: &str, percent: &[u8]) -> Vec<bool> {
        let tokens = tokens(text);
        let row = |percent: &u8| {
            let mut row = [0.0; LABELS];
            row[1] = f32::from(*percent) / 100.0;
            row[OUTSIDE] = 1.0 - row[1];
            row
        };
        let posteriors: Vec<Row> = percent.iter().map(row).collect();
        taken(text, &tokens, &posteriors, |_| TAKEN, |word| word == "Call")
    }

    #[test]
    fn a_less_likely_capital_beside_a_name_is_taken() {
        assert_eq!(taken_of("saw Ryan P Costa", &[2, 90, 20, 20]), [false, true, true, true]);
        assert_eq!(taken_of("saw P Costa Ryan", &[2, 20, 20, 90]), [false, true, true, true]);
        assert_eq!(taken_of("Ryan met Costa", &[90, 20, 20]), [true, false, false]);
        assert_eq!(taken_of("Ryan\nCosta", &[90, 20, 20]), [true, false, false]);
        assert_eq!(taken_of("Call Ryan", &[20, 90]), [false, true]);
        assert_eq!(taken_of("Ryan", &[20]), [false]);
    }

    #[test]
    fn letters_of_a_code_are_no_name() {
        let place = |start, end| Find { start, end, kind: Kind::Location, score: 0.6 };
        let kept = |text: &str, found| drop_numbers(text, found).len();
        assert_eq!(kept("T2DM 2011", vec![place(0, 1), place(2, 4)]), 0);
        assert_eq!(kept("in Bly", vec![place(3, 6)]), 1);
        assert_eq!(kept("Kim2", vec![Find { kind: Kind::Name, ..place(0, 3) }]), 1);
        assert_eq!(kept("Halle2", vec![place(0, 5)]), 1, "a name with a note's number");
    }

    #[test]
    fn a_sure_name_is_hidden_wherever_it_stands() {
        let tagger = Tagger::shipped();
        let text = "Gestern war Jürgen Xqzyv in Köln. Xqzyv? xqzyv! Xqzyva.";
        let found = tagger.tag(text, |_| false);
        let first = text.find("Xqzyv").unwrap();
        let second = first + 5 + text[first + 5..].find("Xqzyv").unwrap();
        let hides = |at: usize| found.iter().any(|find| find.start <= at && at < find.end);
        assert!(hides(first) && hides(second), "{found:?}");
        assert!(!hides(text.find("xqzyv").unwrap()), "small letters are no name here");
    }

    #[test]
    fn a_long_text_is_read_in_parts_as_if_it_were_one() {
        let tagger = Tagger::shipped();
        let line = "Gestern war Jürgen Xqzyv in Köln.\n";
        let filler = "Die Lunge ist frei und der Bauch weich.\n".repeat(PART_BYTES_MAX / 40 + 1);
        let text = format!("{line}{filler}Xqzyv schlief gut.");
        assert!(parts(&text).count() >= 2);
        let whole: String = parts(&text).map(|(_, part)| part).collect();
        assert_eq!(whole, text);
        let found = tagger.tag(&text, |_| false);
        let last = text.rfind("Xqzyv").unwrap();
        assert!(found.iter().any(|find| find.start == last), "a name of the first part");
        let unbroken = "é".repeat(PART_BYTES_MAX);
        assert_eq!(parts(&unbroken).map(|(_, part)| part.len()).sum::<usize>(), unbroken.len());
    }

    #[test]
    fn any_text_is_read() {
        let tagger = Tagger::shipped();
        for text in ["", "\n", "…", "שלום עולם", "你好,张伟。", "e\u{301}\u{301}", "\0\u{feff}A"]
        {
            for find in tagger.tag(text, |_| false) {
                assert!(text.get(find.start..find.end).is_some_and(|found| !found.is_empty()));
            }
        }
    }
}
