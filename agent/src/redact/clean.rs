//! Replacing what was found.

use std::sync::Arc;

use super::bounded::Work;
use super::kind::Kind;
use super::plain::Plain;
use super::profile::{Hints, Mode, Subject};
use super::scan::is_whole;
use super::{Engine, Find, Span};

/// How often a text is re-read after replacing. A replacement can uncover nothing by itself, but it
/// changes the words around what is left; almost always the first re-reading finds nothing.
const READINGS_MAX: usize = 16;
/// Bytes of a mask in brackets, with a hash.
const MASK_BYTES_MAX: usize = 48;
/// Hexadecimal digits of a hash in a mask: 64 bits.
const HASH_DIGITS: usize = 16;
/// Identifiers of one text that are looked for elsewhere in it.
const REPEATED_MAX: usize = 64;
/// Digits of an identifier that is looked for elsewhere: fewer stand for many things.
const REPEATED_DIGITS_MIN: usize = 5;
/// What [`Unclean::Residue`] is called.
pub(super) const RESIDUE: &str = "residue";
/// Kinds with digits that are not one number of one person.
const NO_NUMBERS: &[Kind] = &[
    Kind::Name,
    Kind::Address,
    Kind::Location,
    Kind::Organization,
    Kind::Zip,
    Kind::Date,
    Kind::Age,
];

/// A text without personal data.
#[derive(Clone, PartialEq)]
pub struct Redacted {
    /// The text with replacements.
    pub text: String,
    /// What was found, in code points of the *original* text.
    pub spans: Vec<Span>,
    /// Where each of `spans` went: from and to, in code points of `text`.
    pub places: Vec<(usize, usize)>,
    /// What only a re-reading of the masked text has shown: part of `spans`.
    pub shown_later: usize,
    /// What got a surrogate.
    pub replaced: Vec<Replacement>,
}

impl Redacted {
    /// Where a part of the original text is in `text`, both in code points, end exclusive. What was
    /// replaced in part is taken whole.
    pub fn place_of(&self, start: usize, end: usize) -> (usize, usize) {
        let found = self.spans.iter().map(|span| (span.start, span.end));
        carried(found.zip(self.places.iter().copied()), start, end)
    }

    /// Where a part of `text` was in the original text: the other way round than
    /// [`Redacted::place_of`]. What is a replacement in part is taken whole.
    pub fn origin_of(&self, start: usize, end: usize) -> (usize, usize) {
        let found = self.spans.iter().map(|span| (span.start, span.end));
        carried(self.places.iter().copied().zip(found), start, end)
    }
}

/// Where a part of one text is in another, which differs in these parts alone: their places in the one
/// and in the other, ascending and apart.
fn carried(
    parts: impl Iterator<Item = ((usize, usize), (usize, usize))> + Clone,
    start: usize,
    end: usize,
) -> (usize, usize) {
    // Behind the last part that ends before, as far as it was then.
    let moved = |at: usize| {
        let before = parts.clone().take_while(|((_, end), _)| *end <= at).last();
        before.map_or(at, |((_, end), (_, to))| to + (at - end))
    };
    let around = |at: usize| parts.clone().find(|((from, to), _)| *from < at && at < *to);
    let from = around(start).map_or_else(|| moved(start), |(_, (from, _))| from);
    let to = around(end).map_or_else(|| moved(end), |(_, (_, to))| to);
    (from, to)
}

impl std::fmt::Debug for Redacted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redacted({} spans)", self.spans.len())
    }
}

/// A surrogate and what it stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What it is.
    pub kind: Kind,
    /// What was there.
    pub original: String,
    /// What is there now.
    pub surrogate: String,
}

impl std::fmt::Debug for Replacement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replacement({})", self.kind)
    }
}

/// Why a text could not be cleaned. Nobody may see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unclean {
    /// More than [`TEXT_BYTES_MAX`](super::TEXT_BYTES_MAX).
    #[error("a text of {got_bytes} bytes where {limit_bytes} may be")]
    TooLong {
        /// Bytes of the text.
        got_bytes: usize,
        /// Bytes that may be.
        limit_bytes: usize,
    },
    /// Every re-reading has found more.
    #[error("personal data is found after {readings} readings")]
    Residue {
        /// How often it was read.
        readings: usize,
    },
    /// A pattern of the site's settings took too long, and what it would have found is not known.
    #[error(
        "recognizer {recognizer}: its pattern takes more work on a text of {text_bytes} bytes than \
         is allowed: give its repetitions limits, as in [0-9]{{1,8}}"
    )]
    TooMuchWork {
        /// The recognizer's name in the settings.
        recognizer: Arc<str>,
        /// Bytes of the text.
        text_bytes: usize,
    },
    /// The record's fields state too much of people to look for in its texts.
    #[error(
        "its fields state {got_bytes} bytes of names and identifiers where {limit_bytes} may be: split \
         it, or give fields that state none a rule"
    )]
    TooManyPeople {
        /// Bytes of what they state; what fits is counted once.
        got_bytes: usize,
        /// Bytes that may be.
        limit_bytes: usize,
    },
    /// The engine failed on this text.
    #[error("the engine failed")]
    Failed,
}

impl Unclean {
    /// A word for the reason: for metrics and the store.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too-long",
            Self::Residue { .. } => RESIDUE,
            Self::TooMuchWork { .. } => "too-much-work",
            Self::TooManyPeople { .. } => "too-many-people",
            Self::Failed => "failed",
        }
    }
}

/// Findings in a text, and how many of them only a re-reading has shown.
pub(super) struct Reading {
    pub(super) finds: Vec<Find>,
    pub(super) later: usize,
}

/// Findings in `text`, including those that only a re-reading of the masked text shows: the
/// residual check. Masking what they leave finds nothing more, so masking is idempotent.
///
/// # Errors
/// [`Unclean::Residue`] when there is no end to it, [`Unclean::TooMuchWork`] and
/// [`Unclean::TooManyPeople`].
pub(super) fn until_nothing_is_left(
    engine: &Engine,
    text: &str,
    hints: &Hints,
) -> Result<Reading, Unclean> {
    let mut work = Work::on(text.len());
    let mut finds = engine.finds(text, hints, &mut work)?;
    let first = finds.len();
    for _ in 0..READINGS_MAX {
        if finds.is_empty() {
            return Ok(Reading { finds, later: 0 });
        }
        let masked = masked(text, &finds);
        let rest = engine.finds(&masked, hints, &mut work)?;
        if rest.is_empty() {
            return Ok(Reading { later: finds.len() - first, finds });
        }
        let rest = to_original(&finds, rest);
        finds.extend(rest);
        finds.sort_by_key(|find| find.start);
    }
    Err(Unclean::Residue { readings: READINGS_MAX + 1 })
}

/// Identifiers that a context word has announced once, wherever else they stand.
pub(super) fn repeated(text: &str, found: &[Find]) -> Vec<Find> {
    let mut known: Vec<(&str, &Find)> = Vec::new();
    for find in found {
        let id = &text[find.start..find.end];
        let digits = id.bytes().filter(u8::is_ascii_digit).count();
        let number = digits >= REPEATED_DIGITS_MIN && !NO_NUMBERS.contains(&find.kind);
        if !number {
            continue;
        }
        // What is announced says what it is.
        if let Some((_, known)) = known.iter_mut().find(|(known, _)| *known == id) {
            *known = if known.score < find.score { find } else { *known };
        } else if known.len() < REPEATED_MAX {
            known.push((id, find));
        }
    }
    let mut repeated = Vec::new();
    for (id, find) in known {
        for (start, _) in text.match_indices(id) {
            let end = start + id.len();
            if is_whole(text, start, end) {
                repeated.push(Find { start, end, ..*find });
            }
        }
    }
    repeated
}

/// Findings in the masked text, sorted and outside its masks, as ones in the original text.
fn to_original(finds: &[Find], rest: Vec<Find>) -> Vec<Find> {
    let mut masks = finds.iter().peekable();
    // Bytes of the original text and of the masked one that the masks so far stand for.
    let (mut original, mut masked) = (0, 0);
    rest.into_iter()
        .map(|find| {
            while let Some(mask) =
                masks.next_if(|mask| mask.start + masked <= find.start + original)
            {
                original += mask.end - mask.start;
                masked += mask.kind.as_str().len() + 2;
            }
            Find {
                start: find.start + original - masked,
                end: find.end + original - masked,
                ..find
            }
        })
        .collect()
}

/// `text` with each of `finds` (sorted, apart) masked.
fn masked(text: &str, finds: &[Find]) -> String {
    replace(text, finds, Mode::Mask, &Subject::default()).text
}

/// A text in which findings were replaced.
pub(super) struct Replaced {
    pub(super) text: String,
    /// Where each of them went, in code points.
    pub(super) places: Vec<(usize, usize)>,
    /// What got a surrogate.
    pub(super) surrogates: Vec<Replacement>,
}

/// `text` with each of `finds` (sorted, apart) replaced.
pub(super) fn replace(text: &str, finds: &[Find], mode: Mode<'_>, subject: &Subject) -> Replaced {
    let mut clean = String::with_capacity(text.len());
    let (mut surrogates, mut places) = (Vec::new(), Vec::with_capacity(finds.len()));
    let (mut at, mut point) = (0, 0);
    for find in finds {
        clean.push_str(&text[at..find.start]);
        point += text[at..find.start].chars().count();
        let before = clean.len();
        let original = &text[find.start..find.end];
        if let Some(replacement) = stand_in(&mut clean, find.kind, original, mode, subject) {
            surrogates.push(replacement);
        }
        let from = point;
        point += clean[before..].chars().count();
        places.push((from, point));
        at = find.end;
    }
    clean.push_str(&text[at..]);
    Replaced { text: clean, places, surrogates }
}

/// Appends what stands in for `original`; tells it if it is a surrogate.
pub(super) fn stand_in(
    clean: &mut String,
    kind: Kind,
    original: &str,
    mode: Mode<'_>,
    subject: &Subject,
) -> Option<Replacement> {
    // As it was read: digits of every script are digits to a cipher.
    let plain = Plain::new(original).text;
    match mode {
        Mode::None => clean.push_str(original),
        Mode::Mask => push_mask(clean, kind, None),
        Mode::Hash(key) => {
            let mut hasher = blake3::Hasher::new_keyed(key.bytes());
            hasher.update(kind.as_str().as_bytes());
            hasher.update(b"\0");
            hasher.update(plain.as_bytes());
            push_mask(clean, kind, Some(&hasher.finalize().to_hex()[..HASH_DIGITS]));
        }
        Mode::Surrogate(surrogates) => match surrogates.replace(kind, &plain, subject) {
            Some(surrogate) => {
                clean.push_str(&surrogate);
                return Some(Replacement { kind, original: original.to_owned(), surrogate });
            }
            None => push_mask(clean, kind, None),
        },
    }
    None
}

fn push_mask(clean: &mut String, kind: Kind, hash: Option<&str>) {
    clean.push('[');
    clean.push_str(kind.as_str());
    if let Some(hash) = hash {
        clean.push(':');
        clean.push_str(hash);
    }
    clean.push(']');
}

/// Cuts what earlier masks cover out of `found`: a mask is not personal data, nor part of any.
pub(super) fn keep_masks(text: &str, found: &mut Vec<Find>) {
    if found.is_empty() || !text.contains('[') {
        return;
    }
    let masks: Vec<_> = masks(text).collect();
    if masks.is_empty() {
        return;
    }
    *found = found
        .drain(..)
        .flat_map(|find| {
            let mut pieces = Vec::new();
            let mut start = find.start;
            let first = masks.partition_point(|(_, to)| *to <= find.start);
            for (from, to) in masks[first..].iter().take_while(|(from, _)| *from < find.end) {
                if start < *from {
                    pieces.push(Find { start, end: *from, ..find });
                }
                start = *to;
            }
            if start < find.end {
                pieces.push(Find { start, ..find });
            }
            pieces
        })
        .collect();
}

/// Whether `text` is one mask and nothing else.
pub(super) fn is_mask(text: &str) -> bool {
    masks(text).next() == Some((0, text.len()))
}

/// Where masks stand in `text`.
fn masks(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.match_indices('[').filter_map(|(start, _)| {
        let rest = &text.as_bytes()[start + 1..text.len().min(start + MASK_BYTES_MAX)];
        let length = rest.iter().position(|byte| *byte == b']')?;
        let inner = text.get(start + 1..start + 1 + length)?;
        let (kind, hash) = inner.split_once(':').unwrap_or((inner, "0000000000000000"));
        let known = Kind::ALL.iter().any(|known| known.as_str() == kind);
        let hashed = hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        (known && hashed).then_some((start, start + length + 2))
    })
}
