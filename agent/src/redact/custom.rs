//! A site's own recognizers, and lists of what is and what is never personal data there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::Find;
use super::bounded::{Bounded, Work};
use super::checks;
use super::clean::Unclean;
use super::kind::Kind;
use super::plain::Plain;
use super::profile::Score;
use super::scan::is_whole;

/// Recognizers of one site.
const RECOGNIZERS_MAX: usize = 100;
/// Bytes of one pattern as written.
const PATTERN_BYTES_MAX: usize = 1_000;
/// Bytes of one pattern as compiled: a repetition of repetitions is refused, not run.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Context words of one recognizer.
const CONTEXT_WORDS_MAX: usize = 50;
/// Entries of each list.
const LIST_ENTRIES_MAX: usize = 5_000;
/// Bytes of one entry.
const ENTRY_BYTES_MAX: usize = 200;
/// Bytes that the list of what is always hidden may take when compiled.
const LIST_BYTES_MAX: usize = 32 << 20;
/// How far from a match its context words count, in bytes.
const CONTEXT_BYTES_MAX: usize = 40;
/// Score of a match, when the recognizer does not say.
const SCORE: f32 = 0.6;
/// Score of a match near a context word, when the recognizer does not say.
const CONTEXT_SCORE: f32 = 0.95;
/// Score of what the list says is always hidden.
const DENIED: f32 = 1.0;

/// A site's recognizers and lists. Cheap to clone.
#[derive(Clone, Default)]
pub struct Custom(Arc<Inner>);

#[derive(Default)]
struct Inner {
    recognizers: Vec<Recognizer>,
    denied: Option<Denied>,
    allowed: HashSet<String>,
}

struct Denied {
    pattern: Regex,
    /// By text in small letters.
    kinds: HashMap<String, Kind>,
}

/// Why a recognizer or a list is refused. Says what is wrong, and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustomError {
    /// No such check.
    #[error("recognizer {recognizer}: check {name:?} is none of: {}", check_names())]
    Check {
        /// Its name.
        recognizer: String,
        /// As written.
        name: String,
    },
    /// Not a regular expression, or one that would take too much memory.
    #[error("recognizer {recognizer}: {reason}")]
    Pattern {
        /// Its name.
        recognizer: String,
        /// What the compiler says.
        reason: String,
    },
    /// The pattern also matches nothing at all.
    #[error(
        "recognizer {recognizer}: the pattern matches the empty text, so it would match everywhere"
    )]
    MatchesNothing {
        /// Its name.
        recognizer: String,
    },
    /// Too many of something, or something too long.
    #[error("{what}: {got} where at most {most} may be")]
    TooMuch {
        /// Of what.
        what: String,
        /// How many there are.
        got: usize,
        /// How many may be.
        most: usize,
    },
    /// An entry without a letter or digit.
    #[error("an empty entry in {list}")]
    Empty {
        /// `allow` or `deny`.
        list: &'static str,
    },
}

/// `[[recognizer]]`: one pattern of the site.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RecognizerTable")] // an error then has the table's line
pub(super) struct Recognizer {
    name: Arc<str>,
    kind: Kind,
    pattern: Arc<Bounded>,
    check: Option<checks::Check>,
    score: f32,
    context: Vec<String>,
    context_score: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecognizerTable {
    name: String,
    r#type: Kind,
    pattern: String,
    score: Option<Score>,
    #[serde(default)]
    check: Option<String>,
    #[serde(default)]
    context: Vec<String>,
    context_score: Option<Score>,
}

/// `[[deny]]`: a text that is always hidden.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "DenyTable")]
pub(super) struct Deny {
    text: String,
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyTable {
    text: String,
    r#type: Kind,
}

impl TryFrom<RecognizerTable> for Recognizer {
    type Error = CustomError;

    fn try_from(table: RecognizerTable) -> Result<Self, CustomError> {
        let recognizer = table.name;
        at_most(
            format!("recognizer {recognizer}: bytes of pattern"),
            table.pattern.len(),
            PATTERN_BYTES_MAX,
        )?;
        at_most(
            format!("recognizer {recognizer}: context words"),
            table.context.len(),
            CONTEXT_WORDS_MAX,
        )?;
        let refused = |reason: String| CustomError::Pattern {
            recognizer: recognizer.clone(),
            // The last line says what is wrong; those before draw it.
            reason: reason.lines().last().unwrap_or_default().to_owned(),
        };
        let pattern = RegexBuilder::new(&table.pattern)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| refused(error.to_string()))?;
        if pattern.is_match("") {
            return Err(CustomError::MatchesNothing { recognizer });
        }
        let pattern = Bounded::new(&table.pattern).map_err(|error| refused(error.to_string()))?;
        let check = match table.check {
            None => None,
            Some(name) => {
                let known = checks::NAMED.iter().find(|(known, _)| **known == *name);
                let refused = || CustomError::Check { recognizer: recognizer.clone(), name };
                Some(known.ok_or_else(refused)?.1)
            }
        };
        Ok(Self {
            name: recognizer.into(),
            kind: table.r#type,
            pattern: Arc::new(pattern),
            check,
            score: table.score.map_or(SCORE, Score::get),
            context: table.context.iter().map(|word| as_read(word).to_lowercase()).collect(),
            context_score: table.context_score.map_or(CONTEXT_SCORE, Score::get),
        })
    }
}

impl TryFrom<DenyTable> for Deny {
    type Error = CustomError;

    fn try_from(table: DenyTable) -> Result<Self, CustomError> {
        entry("deny", &table.text)?;
        Ok(Self { kind: table.r#type, text: as_read(&table.text) })
    }
}

impl Custom {
    /// Puts recognizers and lists together.
    ///
    /// # Errors
    /// [`CustomError`] when there is too much of something.
    pub(super) fn new(
        recognizers: Vec<Recognizer>,
        deny: &[Deny],
        allow: &[String],
    ) -> Result<Self, CustomError> {
        at_most("recognizers".to_owned(), recognizers.len(), RECOGNIZERS_MAX)?;
        at_most("entries of deny".to_owned(), deny.len(), LIST_ENTRIES_MAX)?;
        at_most("entries of allow".to_owned(), allow.len(), LIST_ENTRIES_MAX)?;
        allow.iter().try_for_each(|text| entry("allow", text))?;
        let allowed = allow.iter().map(|text| as_read(text).to_lowercase()).collect();
        let denied = if deny.is_empty() { None } else { Some(Denied::new(deny)?) };
        Ok(Self(Arc::new(Inner { recognizers, denied, allowed })))
    }

    /// What the site's recognizers and list find in `text`.
    ///
    /// # Errors
    /// [`Unclean::TooMuchWork`], with the recognizer that had no work left.
    pub(super) fn find(&self, text: &str, work: &mut Work) -> Result<Vec<Find>, Unclean> {
        let Inner { recognizers, denied, .. } = &*self.0;
        let mut found = Vec::new();
        for recognizer in recognizers {
            recognizer.find(text, work, &mut found)?;
        }
        if let Some(denied) = denied {
            found.extend(denied.find(text));
        }
        Ok(found)
    }

    /// Takes what is never personal data at the site out of `found`.
    pub(super) fn allow(&self, text: &str, found: &mut Vec<Find>) {
        let allowed = &self.0.allowed;
        if allowed.is_empty() {
            return;
        }
        let is_allowed =
            |find: &&Find| allowed.contains(&text[find.start..find.end].to_lowercase());
        let mut left: Vec<(usize, usize)> =
            found.iter().filter(is_allowed).map(|find| (find.start, find.end)).collect();
        left.sort_unstable();
        // With the furthest end up to each: a part of what is left is no finding either.
        let mut furthest = 0;
        for (_, end) in &mut left {
            furthest = furthest.max(*end);
            *end = furthest;
        }
        found.retain(|find| {
            let upto = left.partition_point(|(start, _)| *start <= find.start);
            left[..upto].last().is_none_or(|(_, end)| *end < find.end)
        });
    }
}

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let denied = self.0.denied.as_ref().map_or(0, |denied| denied.kinds.len());
        f.debug_struct("Custom")
            .field("recognizers", &self.0.recognizers.len())
            .field("denied", &denied)
            .field("allowed", &self.0.allowed.len())
            .finish()
    }
}

impl Recognizer {
    fn find(&self, text: &str, work: &mut Work, found: &mut Vec<Find>) -> Result<(), Unclean> {
        let matches = self.pattern.find_all(text, work).map_err(|_| Unclean::TooMuchWork {
            recognizer: self.name.clone(),
            text_bytes: text.len(),
        })?;
        let whole = matches.into_iter().filter(|(start, end)| is_whole(text, *start, *end));
        let passed = whole.filter(|(start, end)| self.passes(&text[*start..*end]));
        found.extend(passed.map(|(start, end)| Find {
            start,
            end,
            kind: self.kind,
            score: if self.in_context(text, start, end) {
                self.score.max(self.context_score)
            } else {
                self.score
            },
        }));
        Ok(())
    }

    fn passes(&self, found: &str) -> bool {
        self.check.is_none_or(|check| checks::holds(check, found))
    }

    /// Whether a context word stands near, on the same line.
    fn in_context(&self, text: &str, start: usize, end: usize) -> bool {
        if self.context.is_empty() {
            return false;
        }
        let from = text.floor_char_boundary(start.saturating_sub(CONTEXT_BYTES_MAX));
        let to = text.ceil_char_boundary(text.len().min(end + CONTEXT_BYTES_MAX));
        let before = text[from..start].rsplit('\n').next().unwrap_or_default().to_lowercase();
        let after = text[end..to].split('\n').next().unwrap_or_default().to_lowercase();
        self.context.iter().any(|word| has_word(&before, word) || has_word(&after, word))
    }
}

impl Denied {
    fn new(deny: &[Deny]) -> Result<Self, CustomError> {
        let mut texts: Vec<&str> = deny.iter().map(|deny| deny.text.as_str()).collect();
        // The longest of those that start at one place.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let any = texts.iter().map(|text| regex::escape(text)).collect::<Vec<_>>().join("|");
        let pattern = RegexBuilder::new(&any)
            .case_insensitive(true)
            .size_limit(LIST_BYTES_MAX)
            .build()
            .map_err(|_| CustomError::TooMuch {
                what: "bytes of deny as compiled".to_owned(),
                got: any.len(),
                most: LIST_BYTES_MAX,
            })?;
        let kinds = deny.iter().map(|deny| (deny.text.to_lowercase(), deny.kind)).collect();
        Ok(Self { pattern, kinds })
    }

    fn find(&self, text: &str) -> Vec<Find> {
        self.pattern
            .find_iter(text)
            .filter(|found| is_whole(text, found.start(), found.end()))
            .map(|found| Find {
                start: found.start(),
                end: found.end(),
                // Letter cases that fold otherwise than they are made small keep the entry's text.
                kind: self.kinds.get(&found.as_str().to_lowercase()).copied().unwrap_or(Kind::Id),
                score: DENIED,
            })
            .collect()
    }
}

/// What a list says, as texts are read.
fn as_read(text: &str) -> String {
    Plain::new(text).text.into_owned()
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| is_whole(text, at, at + found.len()))
}

fn check_names() -> String {
    checks::NAMED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn entry(list: &'static str, text: &str) -> Result<(), CustomError> {
    if !text.contains(char::is_alphanumeric) {
        return Err(CustomError::Empty { list });
    }
    at_most(format!("bytes of an entry of {list}"), text.len(), ENTRY_BYTES_MAX)
}

fn at_most(what: String, got: usize, most: usize) -> Result<(), CustomError> {
    if got > most { Err(CustomError::TooMuch { what, got, most }) } else { Ok(()) }
}
