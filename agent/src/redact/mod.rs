//! Redaction: finds personal data in a text, and replaces it.
//!
//! ```text
//! text ── scan ──> candidates, context words ── judge ──────────┐
//!   │                      ├── web, names, places (by reading) ──┼── resolve ──> spans ──> clean
//!   │                      └── veto ──┐                          │                           │
//!   ├── tagger (names in running text)┴──────────────────────────┤        re-read until nothing is left
//!   └── hints: the record's other fields ────────────────────────┘
//! ```
//! `scan` runs one automaton over the text; `rules/` holds what it looks for, a file per family, and
//! `labels` the words around. `judge` verifies check digits and weighs these words. `web`, `names`
//! and `places` read what has no fixed shape; `tagger` finds what nothing announces, unless `veto`
//! knows better. `resolve` makes one list of all, in which rules outweigh the tagger.
//!
//! Spans are in Unicode code points, end exclusive, as everywhere in Insitu. Work is linear in the
//! text: each place is read a bounded number of times over a bounded length.

mod checks;
mod clean;
mod judge;
mod kind;
mod labels;
mod lines;
mod names;
mod places;
mod profile;
mod resolve;
mod rules;
mod scan;
pub mod tagger;
mod veto;
mod web;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use clean::Redacted;
pub use kind::{Kind, KindSet};
pub use lines::{Failure, LINE_BYTES_MAX, LineError, Options, Summary, lines};
pub use profile::{Coarse, Hints, Mode, Profile, SiteKey};

/// Version of the rules: part of every report, so that a finding can be traced to what made it.
pub const RULES_VERSION: &str = "1";

/// Personal data in a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// First code point.
    pub start: usize,
    /// Behind the last code point.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// How sure the engine is, in `[0, 1]`. Not a calibrated probability.
    pub score: f32,
}

/// A finding while it is worked on: a span in bytes.
#[derive(Clone, Copy, Debug)]
struct Find {
    start: usize,
    end: usize,
    kind: Kind,
    score: f32,
}

/// Finds and replaces personal data. Immutable, shared between threads, cheap to clone.
#[derive(Clone)]
pub struct Engine {
    scanner: Arc<scan::Scanner>,
    tagger: Arc<dyn tagger::Tagger>,
    profile: Arc<Profile>,
}

impl Engine {
    /// Compiles the rules. Takes a few milliseconds: make one and share it.
    pub fn new(profile: Profile) -> Self {
        Self::with(profile, tagger::CrfTagger::shipped())
    }

    /// As [`Engine::new`], with weights from [`tagger::train`] in place of those that ship.
    ///
    /// # Errors
    /// [`tagger::WeightsError`] when `weights` is no weight file.
    pub fn with_weights(profile: Profile, weights: &[u8]) -> Result<Self, tagger::WeightsError> {
        Ok(Self::with(profile, tagger::CrfTagger::new(weights)?))
    }

    fn with(profile: Profile, tagger: impl tagger::Tagger + 'static) -> Self {
        let scanner = Arc::new(scan::Scanner::new());
        Self { scanner, tagger: Arc::new(tagger), profile: Arc::new(profile) }
    }

    /// The profile that was given to [`Engine::new`].
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Personal data in `text`, in the order of its place, without overlaps.
    pub fn find(&self, text: &str) -> Vec<Span> {
        self.find_with(text, &Hints::default())
    }

    /// As [`Engine::find`], knowing what the fields beside the text say.
    pub fn find_with(&self, text: &str, hints: &Hints) -> Vec<Span> {
        to_spans(text, &self.finds(text, hints))
    }

    /// `text` with its personal data replaced.
    pub fn clean(&self, text: &str, mode: Mode<'_>) -> Redacted {
        self.clean_with(text, &Hints::default(), mode)
    }

    /// As [`Engine::clean`], knowing what the fields beside the text say.
    pub fn clean_with(&self, text: &str, hints: &Hints, mode: Mode<'_>) -> Redacted {
        let finds = clean::until_nothing_is_left(self, text, hints);
        Redacted { text: clean::replace(text, &finds, mode), spans: to_spans(text, &finds) }
    }

    /// Findings in bytes, sorted and apart.
    fn finds(&self, text: &str, hints: &Hints) -> Vec<Find> {
        let scanned = self.scanner.scan(text);
        let mut found = judge::judge(&self.scanner, &self.profile, text, &scanned);
        found.iter_mut().for_each(|find| places::lengthen(text, find));
        found.extend(web::find(text, &scanned));
        if self.profile.hides(Kind::Name) {
            found.extend(names::find(text, &scanned, hints));
        }
        if self.profile.hides(Kind::Address) || self.profile.hides(Kind::Location) {
            found.extend(places::find(text, &scanned));
        }
        found.extend(clean::known(text, hints));
        if self.profile.tagger {
            found.extend(
                self.tagger.tag(text).into_iter().filter(|find| !veto::holds(text, &scanned, find)),
            );
        }
        names::cover_titles(text, &mut found);
        found.retain(|find| find.score >= self.profile.min_score && self.profile.hides(find.kind));
        clean::keep_masks(text, &mut found);
        resolve::resolve(text, found)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// Byte offsets to code points. `finds` is sorted and apart.
fn to_spans(text: &str, finds: &[Find]) -> Vec<Span> {
    let (mut byte, mut point) = (0, 0);
    let mut point_at = |at: usize| {
        point += text[byte..at].chars().count();
        byte = at;
        point
    };
    finds
        .iter()
        .map(|find| Span {
            start: point_at(find.start),
            end: point_at(find.end),
            kind: find.kind,
            score: find.score,
        })
        .collect()
}
