//! What the tagger sees of a token: hashed features of it and of its neighbours.
//!
//! A feature is the hash of its template and its words: a row of the weight table, and a check by
//! which most features that are not the row's own are told from it. That costs less than a table of
//! strings would.

use super::lexicon::{Lexicon, WORD};
use super::tokens::Token;

/// Rows of the weight table.
pub(super) const ROWS: usize = 1 << ROW_BITS;
const ROW_BITS: u32 = 21;
/// Bits of a feature: the high ones are its row, the low ones its check.
pub(super) const FEATURE_BITS: u32 = ROW_BITS + u8::BITS;
/// Features of one token.
pub(super) const FEATURES: usize = 44;
/// Of 256 words that training makes unknown: rare ones and names, and common ones.
const BLINDED_RARE: u64 = 90;
const BLINDED_COMMON: u64 = 20;
/// Letters of a word that training may make unknown.
const BLINDED_LETTERS_MIN: usize = 3;

/// A feature's row and check.
pub(super) const fn split(feature: u32) -> (usize, u8) {
    ((feature >> u8::BITS) as usize, feature.to_le_bytes()[0])
}

/// What is computed of a token once, for its own features and its neighbours'.
#[derive(Clone, Copy)]
struct Seen {
    word: u64,
    shape: u64,
    suffix: u64,
    /// What the lexicon says, and of that only whether it is a common word.
    known: u64,
    common: u64,
    /// First word of the line, and the last word before a colon on it.
    line: u64,
    field: u64,
    /// Place in the line, at most 3.
    place: u64,
}

const NOTHING: Seen =
    Seen { word: 1, shape: 2, suffix: 3, known: 99, common: 99, line: 4, field: 5, place: 0 };

/// The features of each token.
///
/// With `blind`, as in training, a share of the words is neither in the lexicon nor ever seen again,
/// chosen by this number and the same all through the text: real texts are full of names that no
/// list holds, and they have to be known by their letters and by what stands around them.
pub(super) fn features(
    lexicon: &Lexicon,
    tokens: &[Token<'_>],
    blind: Option<u64>,
) -> Vec<[u32; FEATURES]> {
    let seen = look(lexicon, tokens, blind);
    let at = |index: usize, offset: isize| {
        index
            .checked_add_signed(offset)
            .and_then(|index| seen.get(index))
            .copied()
            .unwrap_or(NOTHING)
    };
    (0..tokens.len())
        .map(|i| {
            let (w, p, n) = (at(i, 0), at(i, -1), at(i, 1));
            let (pp, nn) = (at(i, -2), at(i, 2));
            let (ppp, nnn) = (at(i, -3), at(i, 3));
            let small = tokens[i].text;
            let templates: [u64; FEATURES] = [
                w.word,
                mix(w.word, w.shape),
                mix(p.word, w.word),
                mix(w.word, n.word),
                mix(w.known, w.shape),
                mix(mix(p.known, w.known), mix(n.known, w.shape)),
                mix(mix(p.word, w.known), w.shape),
                mix(mix(w.known, n.word), w.shape),
                mix(w.common, w.shape),
                mix(mix(p.common, w.common), mix(n.common, w.shape)),
                mix(mix(p.word, w.common), w.shape),
                mix(mix(w.common, n.word), w.shape),
                mix(mix(w.common, w.suffix), w.shape),
                mix(mix(w.common, w.place), w.shape),
                end(small, 1),
                end(small, 2),
                w.suffix,
                end(small, 4),
                start(small, 2),
                start(small, 3),
                w.shape,
                p.word,
                n.word,
                pp.word,
                nn.word,
                mix(pp.word, p.word),
                mix(n.word, nn.word),
                mix(p.word, w.shape),
                mix(w.shape, n.word),
                mix(mix(pp.word, p.word), w.shape),
                mix(mix(p.shape, w.shape), n.shape),
                mix(mix(pp.shape, p.shape), w.shape),
                mix(mix(w.shape, n.shape), nn.shape),
                p.suffix,
                n.suffix,
                mix(w.line, w.shape),
                mix(w.field, w.shape),
                mix(w.place, w.shape),
                ppp.word,
                nnn.word,
                mix(mix(ppp.word, pp.word), mix(p.word, w.shape)),
                mix(p.shape, w.shape),
                mix(w.shape, n.shape),
                mix(mix(p.word, n.word), w.shape),
            ];
            let mut numbers = [0; FEATURES];
            for ((number, value), template) in numbers.iter_mut().zip(templates).zip(1_u64..) {
                *number = high_bits(mix(value, template.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            }
            numbers
        })
        .collect()
}

/// A feature from a hash: its high bits are the well-mixed ones.
const fn high_bits(hash: u64) -> u32 {
    (hash >> (u64::BITS - FEATURE_BITS)) as u32
}

fn look(lexicon: &Lexicon, tokens: &[Token<'_>], blind: Option<u64>) -> Vec<Seen> {
    let mut line = NOTHING.line;
    let mut field = NOTHING.field;
    let mut place = 0;
    let mut previous = NOTHING.word;
    tokens
        .iter()
        .map(|token| {
            let (word, known) = known(lexicon, token.text, blind);
            if token.is_line_end() {
                (line, field, place) = (NOTHING.line, NOTHING.field, 0);
            } else {
                if place == 0 {
                    line = word;
                }
                if token.text == ":" {
                    field = previous;
                }
                place += 1;
            }
            previous = word;
            Seen {
                known: u64::from(known),
                common: u64::from(known & WORD),
                word,
                shape: shape(token.text),
                suffix: end(token.text, 3),
                line,
                field,
                place: place.min(3),
            }
        })
        .collect()
}

/// A word's hash and what the lexicon says of it, unless training makes it unknown.
fn known(lexicon: &Lexicon, text: &str, blind: Option<u64>) -> (u64, u8) {
    let word = word(text);
    let known = lexicon.flags(word);
    if let Some(salt) = blind {
        let share = if known & WORD == 0 { BLINDED_RARE } else { BLINDED_COMMON };
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        if letters >= BLINDED_LETTERS_MIN && mix(word, salt) >> 56 < share {
            return (mix(word, !salt), 0);
        }
    }
    (word, known)
}

/// Mixes two hashes into one (the finaliser of MurmurHash3 over their combination).
fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.rotate_left(25) ^ b.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 29)
}

/// FNV-1a over characters.
fn hash(characters: impl Iterator<Item = char>) -> u64 {
    characters.fold(0xcbf2_9ce4_8422_2325, |hash, c| {
        (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A word in small letters; numbers only by their length, since their digits say nothing.
pub(super) fn word(text: &str) -> u64 {
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.len() != 4 {
        return shape(text);
    }
    hash(text.chars().flat_map(char::to_lowercase))
}

fn end(text: &str, letters: usize) -> u64 {
    hash(text.chars().rev().take(letters).flat_map(char::to_lowercase))
}

fn start(text: &str, letters: usize) -> u64 {
    hash(text.chars().take(letters).flat_map(char::to_lowercase))
}

/// `Xx`, `XX`, `dddd`: letters by case and digits, runs cut to two (digits to five).
fn shape(text: &str) -> u64 {
    let mut last = ('\0', 0);
    hash(text.chars().filter_map(|c| {
        let class = match c {
            _ if c.is_uppercase() => 'X',
            _ if c.is_alphabetic() => 'x',
            _ if c.is_numeric() => 'd',
            _ => c,
        };
        last = if last.0 == class { (class, last.1 + 1) } else { (class, 1) };
        (last.1 <= if class == 'd' { 5 } else { 2 }).then_some(class)
    }))
}
