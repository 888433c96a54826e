//! Names, places, organisations and ages that nothing but the sentence gives away.
//!
//! The trait `Tagger` is where a model plugs in; the one that ships is a conditional random field over
//! hashed features, small and fast enough for an edge device. What it was trained on is in
//! `README.md` beside its weights.

mod crf;
mod features;
mod lexicon;
mod tokens;
mod train;

pub use crf::WeightsError;
pub use train::{Training, train};

use super::Find;
use super::kind::Kind;
use crf::{Crf, LABELS, OUTSIDE, Row};
use tokens::{Token, tokens};

/// The shipped weights.
const WEIGHTS: &[u8] = include_bytes!("weights.bin");
/// Probability of being personal data from which a token is taken.
const TAKEN: f32 = 0.4;
/// Scores of tagged spans: below those of rules, which know what they have found.
const SCORE_MIN: f32 = 0.5;
const SCORE_MAX: f32 = 0.6;

/// What the tagger tells apart, in the order of its labels: `2·class + 1` begins, `+ 2` continues.
const CLASSES: [Kind; 4] = [Kind::Name, Kind::Location, Kind::Organization, Kind::Age];
const _: () = assert!(2 * CLASSES.len() + 1 == LABELS);

/// The class of a kind, if the tagger learns it.
fn class_of(kind: Kind) -> Option<usize> {
    let place = matches!(kind, Kind::Address | Kind::Zip);
    let kind = if place { Kind::Location } else { kind };
    CLASSES.iter().position(|class| *class == kind)
}

/// A statistical model of personal data in running text.
pub(super) trait Tagger: Send + Sync {
    /// What it finds in `text`, sorted and apart.
    fn tag(&self, text: &str) -> Vec<Find>;
}

/// The conditional random field with its weights.
pub(super) struct CrfTagger(Crf);

impl CrfTagger {
    /// The tagger that ships.
    pub(super) fn shipped() -> Self {
        Self::new(WEIGHTS).expect("the shipped weights are read by a test")
    }

    /// A tagger with weights from [`train()`].
    pub(super) fn new(weights: &[u8]) -> Result<Self, WeightsError> {
        Crf::decode(weights).map(Self)
    }
}

impl Tagger for CrfTagger {
    fn tag(&self, text: &str) -> Vec<Find> {
        let tokens = tokens(text);
        let posteriors = self.0.posteriors(&tokens);
        let mut found: Vec<Find> = Vec::new();
        let mut open: Option<usize> = None;
        for (token, posterior) in tokens.iter().zip(&posteriors) {
            let inside = 1.0 - posterior[OUTSIDE];
            if inside < TAKEN || token.is_line_end() {
                open = None;
                continue;
            }
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
        drop_numbers(text, found)
    }
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
    SCORE_MIN + (SCORE_MAX - SCORE_MIN) * (inside - TAKEN) / (1.0 - TAKEN)
}

/// A tagger cannot check digits: a span without a word is left to rules, unless a place that it
/// found stands beside it, as a town beside its postcode.
fn drop_numbers(text: &str, found: Vec<Find>) -> Vec<Find> {
    let wordy = |find: &Find| {
        find.kind == Kind::Age
            || text[find.start..find.end]
                .split(|c: char| !c.is_alphabetic())
                .any(|word| word.chars().count() >= 2)
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

fn likeliest(posterior: &Row) -> usize {
    let sum = |class: usize| posterior[2 * class + 1] + posterior[2 * class + 2];
    (0..CLASSES.len()).max_by(|a, b| sum(*a).total_cmp(&sum(*b))).unwrap_or_default()
}
