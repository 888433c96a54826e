//! Redaction: finds personal data in a text, and replaces it.
//!
//! ```text
//! text ── plain ── scan ──> candidates, context words ── judge ──────────┐
//!           │              ├── web, names, places (by reading) ──┼── resolve ──> spans ──> clean
//!           │              └── veto ──┐                          │                           │
//!           ├── tagger (names in running text)┴──────────────────────────┤        re-read until nothing is left
//!           └── people: the record's other fields ─────────────────────┘
//! ```
//! `plain` takes away what nobody sees. `scan` runs one automaton over the text; `rules/` holds
//! what it looks for, a file per family, and `labels` the words around; `custom` is what a site
//! adds, from the file that `settings` reads, searched with `bounded` work. `judge` verifies check
//! digits and weighs these words. `web`, `names` and `places` read what has no fixed shape;
//! `countries` and `insurers` are lists; `people` is what the record's other fields state; `tagger`
//! finds what nothing announces, unless `veto` knows better. `resolve` makes one list of all, in
//! which rules outweigh the tagger.
//!
//! `clean` replaces what was found: with masks, keyed hashes, or a `surrogate`. `lines` and
//! `structure` do all of this to files, which `encoding` reads where they are not in UTF-8; `ocr` finds
//! text in images, and `evidence` keeps count of it. `language` tells what capitals mean in a text.
//!
//! Spans are in Unicode code points, end exclusive, as everywhere in Insitu. Work is linear in the
//! text: each place is read a bounded number of times over a bounded length.

mod ages;
mod bounded;
mod checks;
mod clean;
mod countries;
mod custom;
mod diary;
mod encoding;
mod eponyms;
mod evidence;
mod grow;
mod insurers;
mod judge;
mod kind;
mod labels;
mod language;
mod lines;
mod names;
mod ocr;
mod people;
mod places;
mod plain;
mod profile;
mod resolve;
mod rules;
mod scan;
mod settings;
mod structure;
mod surrogate;
pub mod tagger;
pub mod texts;
mod veto;
mod web;
mod words;

#[cfg(test)]
mod tests;

use std::cell::LazyCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub use clean::{Redacted, Replacement, Unclean};
pub use custom::{Custom, CustomError};
pub use encoding::{Decoded, Encoding, EncodingError};
pub use evidence::{Evidence, EvidenceError, Evident, verify_report};
pub use kind::{Kind, KindError, KindSet};
pub use lines::{Account, Failure, LINE_BYTES_MAX, LineError, Observer, Options, lines};
pub use ocr::{Ocr, OcrError};
pub use people::People;
pub use profile::{
    Coarse, Hints, Language, LanguageError, Mode, Profile, Score, ScoreError, SiteKey, Subject,
};
pub use settings::{ModeName, Settings, SettingsError};
pub(crate) use settings::{Stamp, stamp};
pub(crate) use structure::learn;
pub use structure::{Action, FieldRules, Format, Images, Records};
pub use surrogate::Surrogates;

/// Version of the rules: part of every report, so that a finding can be traced to what made it.
pub const RULES_VERSION: &str = "10";

/// Longest text that is cleaned, in bytes.
pub const TEXT_BYTES_MAX: usize = LINE_BYTES_MAX;

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
    tagger: tagger::Tagger,
    profile: Arc<Profile>,
}

impl Engine {
    /// Compiles the rules. Takes a few milliseconds: make one and share it.
    pub fn new(profile: Profile) -> Self {
        Self::with(profile, tagger::Tagger::shipped())
    }

    /// As [`Engine::new`], with weights from [`tagger::train`] in place of those that ship.
    ///
    /// # Errors
    /// [`tagger::WeightsError`] when `weights` is no weight file.
    pub fn with_weights(profile: Profile, weights: &[u8]) -> Result<Self, tagger::WeightsError> {
        Ok(Self::with(profile, tagger::Tagger::new(weights)?))
    }

    /// An engine with another profile that shares what is large.
    #[must_use]
    pub fn with_profile(&self, profile: Profile) -> Self {
        Self { profile: Arc::new(profile), ..self.clone() }
    }

    /// The same, in which a names model, if there is one, reads again what the tagger that ships is
    /// not sure of.
    #[must_use]
    pub fn with_names(self, model: Option<Arc<tagger::Transformer>>) -> Self {
        Self { tagger: self.tagger.with(model), ..self }
    }

    fn with(profile: Profile, tagger: tagger::Tagger) -> Self {
        let scanner = Arc::new(scan::Scanner::new());
        Self { scanner, tagger, profile: Arc::new(profile) }
    }

    /// BLAKE3 digests of the models that read running text, if any does, by what they are: for
    /// evidence of what has read.
    pub fn models(&self) -> Vec<(&'static str, String)> {
        if self.profile.tagger { self.tagger.digests() } else { Vec::new() }
    }

    /// The profile that was given to [`Engine::new`].
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Personal data in `text`, in the order of its place, without overlaps; all of a text that
    /// cannot be read.
    pub fn find(&self, text: &str) -> Vec<Span> {
        self.find_with(text, &Hints::default())
    }

    /// As [`Engine::find`], knowing what the fields beside the text say.
    pub fn find_with(&self, text: &str, hints: &Hints) -> Vec<Span> {
        match self.finds(text, hints, &mut bounded::Work::on(text.len())) {
            Ok(finds) => to_spans(text, &finds),
            Err(_) => vec![all_of(text)],
        }
    }

    /// `text` with its personal data replaced; one mask in place of a text that cannot be cleaned.
    pub fn clean(&self, text: &str, mode: Mode<'_>) -> Redacted {
        self.try_clean(text, &Hints::default(), mode).unwrap_or_else(|_| {
            let span = all_of(text);
            let text = format!("[{}]", Kind::Id);
            let places = vec![(0, text.chars().count())];
            Redacted { text, spans: vec![span], places, shown_later: 0, replaced: Vec::new() }
        })
    }

    /// `text` with its personal data replaced, knowing what the fields beside it say.
    ///
    /// # Errors
    /// [`Unclean`], and nobody may see the text. A fault of the engine is one of these too, so that
    /// one item cannot keep all others from being cleaned.
    pub fn try_clean(
        &self,
        text: &str,
        hints: &Hints,
        mode: Mode<'_>,
    ) -> Result<Redacted, Unclean> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Unclean::TooLong { got_bytes: text.len(), limit_bytes: TEXT_BYTES_MAX });
        }
        // What the engine shares is caches of an automaton, which it may find in any state.
        let attempt = AssertUnwindSafe(|| {
            let reading = clean::until_nothing_is_left(self, text, hints)?;
            let done = clean::replace(text, &reading.finds, mode, &hints.subject);
            let spans = to_spans(text, &reading.finds);
            let clean::Replaced { text, places, surrogates } = done;
            Ok(Redacted { text, spans, places, shown_later: reading.later, replaced: surrogates })
        });
        catch_unwind(attempt).unwrap_or(Err(Unclean::Failed))
    }

    /// Findings in bytes, sorted and apart.
    fn finds(
        &self,
        text: &str,
        hints: &Hints,
        work: &mut bounded::Work,
    ) -> Result<Vec<Find>, Unclean> {
        hints.people.complete()?;
        let plain = plain::Plain::new(text);
        let found = self.finds_in(&plain.text, hints, work)?;
        Ok(found.into_iter().map(|find| plain.in_original(find)).collect())
    }

    /// [`Engine::finds`] in a text as it is read.
    fn finds_in(
        &self,
        text: &str,
        hints: &Hints,
        work: &mut bounded::Work,
    ) -> Result<Vec<Find>, Unclean> {
        let scanned = self.scanner.scan(text);
        let mut found = judge::judge(&self.scanner, &self.profile, text, &scanned, !hints.one_word);
        for find in &mut found {
            places::lengthen(text, find);
            if find.kind == Kind::Date {
                // Beside a date that was moved it would tell how far.
                find.start = surrogate::weekday_before(text, find.start).unwrap_or(find.start);
            }
        }
        found.extend(web::find(text, &scanned));
        if self.profile.hides(Kind::Name) {
            found.extend(names::find(text, &scanned));
            found.extend(hints.people.names(text));
        }
        if self.profile.hides(Kind::Address) || self.profile.hides(Kind::Location) {
            found.extend(places::find(text, &scanned));
            found.extend(places::blocks(text));
        }
        found.extend(hints.people.identifiers(text));
        let word = hints.field_name && !text.contains(char::is_whitespace);
        if self.profile.tagger && !word {
            // Only a second reader asks.
            let ruled = LazyCell::new(|| {
                let taken = found.iter().filter(|find| self.takes(find)).copied().collect();
                resolve::resolve(text, taken)
            });
            let vetoed = |find: &Find| veto::holds(text, &scanned, find);
            let settled = |at: Range<usize>| {
                let alone = Find { start: at.start, end: at.end, kind: Kind::Name, score: 0.0 };
                let hidden = resolve::covering(&ruled, at.start);
                hidden.is_some_and(|find| at.end <= find.end) || vetoed(&alone)
            };
            let tagged = self.tagger.tag(text, settled);
            let names = tagged.into_iter().filter(|find| !vetoed(find));
            found.extend(names.map(|find| grow::grow(text, find)));
            found.extend(countries::find(text));
            found.extend(insurers::find(text, &scanned));
        }
        found.extend(self.profile.custom.find(text, work)?);
        found.retain(|find| self.takes(find));
        // What the site allows may be written with its title or without.
        self.profile.custom.allow(text, &mut found);
        names::cover_titles(text, &mut found);
        self.profile.custom.allow(text, &mut found);
        if self.profile.hides(Kind::Zip) {
            found.extend(places::below(text, &found));
        }
        if self.profile.hides(Kind::Id) {
            let numbers = names::numbers_behind(text, &found);
            found.extend(numbers.into_iter().filter(|find| self.takes(find)));
        }
        found.extend(clean::repeated(text, &found));
        clean::keep_masks(text, &mut found);
        Ok(resolve::resolve(text, found))
    }

    /// Whether the profile hides what was found.
    fn takes(&self, find: &Find) -> bool {
        find.score >= self.profile.min_score && self.profile.hides(find.kind)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// One span over everything.
fn all_of(text: &str) -> Span {
    Span { start: 0, end: text.chars().count(), kind: Kind::Id, score: 1.0 }
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
