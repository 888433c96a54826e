//! Replacing what was found.

use super::kind::Kind;
use super::profile::{Hints, Mode};
use super::{Engine, Find, Span};

/// How often a text is re-read after replacing. A replacement can uncover nothing by itself, but it
/// changes the words around what is left; almost always the first re-reading finds nothing.
const READINGS_MAX: usize = 16;
/// Bytes of a mask in brackets, with a hash.
const MASK_BYTES_MAX: usize = 48;
/// Hexadecimal digits of a hash in a mask: 64 bits.
const HASH_DIGITS: usize = 16;

/// A text without personal data.
#[derive(Clone, Debug, PartialEq)]
pub struct Redacted {
    /// The text with replacements.
    pub text: String,
    /// What was found, in code points of the *original* text.
    pub spans: Vec<Span>,
}

/// Findings in `text`, including those that only a re-reading of the masked text shows: the
/// residual check. Masking what they leave finds nothing more, so masking is idempotent.
pub(super) fn until_nothing_is_left(engine: &Engine, text: &str, hints: &Hints) -> Vec<Find> {
    let mut finds = engine.finds(text, hints);
    for _ in 0..READINGS_MAX {
        if finds.is_empty() {
            break;
        }
        let masked = replace(text, &finds, Mode::Mask);
        let rest = engine.finds(&masked, hints);
        if rest.is_empty() {
            break;
        }
        let rest = to_original(&finds, rest);
        finds.extend(rest);
        finds.sort_by_key(|find| find.start);
    }
    finds
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

/// `text` with each of `finds` (sorted, apart) replaced.
pub(super) fn replace(text: &str, finds: &[Find], mode: Mode<'_>) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    for find in finds {
        clean.push_str(&text[at..find.start]);
        let original = &text[find.start..find.end];
        match mode {
            Mode::None => clean.push_str(original),
            Mode::Mask => {
                clean.push('[');
                clean.push_str(find.kind.as_str());
                clean.push(']');
            }
            Mode::Hash(key) => {
                let mut hasher = blake3::Hasher::new_keyed(key.bytes());
                hasher.update(find.kind.as_str().as_bytes());
                hasher.update(b"\0");
                hasher.update(original.as_bytes());
                let digest = hasher.finalize().to_hex();
                clean.push('[');
                clean.push_str(find.kind.as_str());
                clean.push(':');
                clean.push_str(&digest[..HASH_DIGITS]);
                clean.push(']');
            }
        }
        at = find.end;
    }
    clean.push_str(&text[at..]);
    clean
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

/// Identifiers that the record's other fields name.
pub(super) fn known(text: &str, hints: &Hints) -> Vec<Find> {
    let identifiers = hints.identifiers.iter().filter(|identifier| identifier.len() >= 3);
    identifiers
        .flat_map(|identifier| text.match_indices(identifier.as_str()))
        .map(|(start, found)| Find { start, end: start + found.len(), kind: Kind::Id, score: 0.9 })
        .collect()
}
