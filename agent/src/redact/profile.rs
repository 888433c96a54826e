//! What to hide, how to replace it, and what is known about an item beforehand.

use std::str::FromStr;

use insitu_daemon::clock::{Clock as _, SystemClock};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::custom::Custom;
use super::kind::{Kind, KindSet};
use super::people::People;
use super::surrogate::Surrogates;
use crate::store::meta::Subjects;

/// What happens to ages and bare years, which tell less than a full date of birth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Coarse {
    /// Ages up to 89 and years stay in English phrases only
    ///
    /// Elsewhere the rule of the United States does not apply.
    #[default]
    Local,
    /// Ages up to 89 and years stay (45 CFR 164.514)
    ///
    /// That is HIPAA's Safe Harbor, (b)(2)(i)(C).
    SafeHarbor,
    /// Every age and year is hidden, and months alone
    Strict,
}

/// How sure something is: between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f32")]
pub struct Score(f32);

/// Not a score.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("score = {0} is not between 0 and 1")]
pub struct ScoreError(String);

/// What a site hides.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Kinds that are looked for.
    pub kinds: KindSet,
    /// Lowest score of a reported span, in `[0, 1]`.
    pub min_score: f32,
    /// Which ages and years are hidden.
    pub coarse: Coarse,
    /// Whether running text is read by the statistical tagger too, not only by rules.
    pub tagger: bool,
    /// The site's own recognizers and lists.
    pub custom: Custom,
    /// The year by which a year of birth tells an age.
    pub this_year: u32,
}

impl Default for Profile {
    /// Everything, at an even chance or better.
    fn default() -> Self {
        Self {
            kinds: KindSet::ALL,
            min_score: 0.5,
            coarse: Coarse::default(),
            tagger: true,
            custom: Custom::default(),
            this_year: u32::try_from(SystemClock.now().to_zoned(TimeZone::UTC).year()).unwrap_or(0),
        }
    }
}

impl Profile {
    /// The eighteen identifiers of Safe Harbor, with its rules on ages and years.
    pub fn safe_harbor() -> Self {
        Self { coarse: Coarse::SafeHarbor, ..Self::default() }
    }

    /// Everything, with every age, year and month.
    pub fn strict() -> Self {
        Self { coarse: Coarse::Strict, ..Self::default() }
    }

    /// Whether spans of `kind` are reported.
    pub(super) fn hides(&self, kind: Kind) -> bool {
        self.kinds.contains(kind)
    }
}

impl Score {
    /// The number.
    pub const fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Score {
    type Error = ScoreError;

    fn try_from(score: f32) -> Result<Self, ScoreError> {
        let ok = (0.0..=1.0).contains(&score);
        ok.then_some(Self(score)).ok_or_else(|| ScoreError(score.to_string()))
    }
}

impl FromStr for Score {
    type Err = ScoreError;

    fn from_str(text: &str) -> Result<Self, ScoreError> {
        let score: f32 = text.parse().map_err(|_| ScoreError(text.to_owned()))?;
        score.try_into()
    }
}

/// What replaces a span.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// The kind: `[NAME]`. Masking what is masked changes nothing.
    Mask,
    /// The kind and a keyed hash: `[NAME:5f0c…]`. Equal text of a kind has an equal hash at a site,
    /// and nobody without the site's key can compute or compare it.
    Hash(&'a SiteKey),
    /// A realistic stand-in, the same for the same person at a site; a mask where there is none.
    Surrogate(&'a Surrogates),
    /// Nothing: the text stays, the spans are reported.
    None,
}

/// The main language of a site's texts. Recognition reads all of them at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Language {
    /// English, as in the United States: month before day.
    #[default]
    English,
    /// German.
    German,
    /// Spanish.
    Spanish,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::Spanish];

    /// ISO 639-1: `en`, `de`, `es`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
        }
    }

    /// The language of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }
}

/// No language with this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of en, de, es")]
pub struct LanguageError;

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(code: &str) -> Result<Self, LanguageError> {
        Self::from_code(code).ok_or(LanguageError)
    }
}

impl TryFrom<String> for Language {
    type Error = LanguageError;

    fn try_from(code: String) -> Result<Self, LanguageError> {
        code.parse()
    }
}

/// A site's secret for hashes and surrogates.
pub struct SiteKey {
    bytes: [u8; 32],
    /// What stands for subjects in the site's store, if it has one.
    subjects: Option<Subjects>,
}

impl SiteKey {
    /// Wraps 32 bytes that were drawn at random and are kept with the site's secrets.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self { bytes, subjects: None }
    }

    /// The same, with what tells subjects at the site: their dates then move alike in records that
    /// name them and in items of the store, which does not know their names.
    #[must_use]
    pub fn with_subjects(self, subjects: Subjects) -> Self {
        Self { subjects: Some(subjects), ..self }
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(super) const fn subjects(&self) -> Option<&Subjects> {
        self.subjects.as_ref()
    }
}

impl std::fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SiteKey(..)")
    }
}

/// Whom a text is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// As a record names it.
    Named(String),
    /// By what stands for it in the site's store.
    Stored([u8; 32]),
}

impl Default for Subject {
    fn default() -> Self {
        Self::Named(String::new())
    }
}

/// What the structured fields beside a text say about the people in it.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Names and identifiers of the subject and others: hidden wherever they stand.
    pub people: People,
    /// Whom the text is about: dates with surrogates move by this subject's days.
    pub subject: Subject,
    /// The text is the name of a field. A single word is then no running text, which the tagger
    /// would read: it takes `timestamp` and `heartRate` for names.
    pub field_name: bool,
    /// The text is one word of a field, behind the field's name. A number there is hidden for what it is
    /// called or for its check digit, and not for its shape: an amount and a class have that, too.
    pub one_word: bool,
}
