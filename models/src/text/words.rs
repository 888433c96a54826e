//! Texts to words with features of their own, for heads of tokens.
//!
//! A word's features are the mean of its pieces' vectors, brought to length, then how it is written
//! (a backbone of lower-case letters knows nothing of capitals), then one number that is the same for
//! every word. Together they have length at most 1.
//!
//! A text longer than the backbone reads at once goes through it in windows of whole words that share
//! a quarter of their pieces; each word is taken from the window in which it is further from an end.

use std::ops::Range;

use super::{CHARACTERS_PER_TOKEN, Encoder, TextError, unit};
use crate::head::narrow;
use crate::manifest::WORD_FEATURES;

/// Most words of a text that are read; what is behind them has no features.
pub const WORDS_MAX: usize = 4096;
/// Length of the backbone's part of a word's features.
const VECTOR: f64 = 0.8;
/// Each sign of how a word is written, where it is true. There are WORD_FEATURES - 1 of them.
const SIGN: f64 = 0.2;
/// What is the same for every word.
const SAME: f64 = 0.3;
/// Part of a window, in pieces, that it shares with the next.
const SHARED: usize = 4;

/// A text's words.
#[derive(Clone, PartialEq)]
pub struct Words {
    /// Their code points, ascending and apart.
    pub ranges: Vec<Range<usize>>,
    /// Their features, `[words, features]`, each row of length at most 1.
    pub features: Vec<f32>,
    /// Whether the whole text was read: not if it has more than [`WORDS_MAX`] words, or words so long
    /// that they come to as much.
    pub whole: bool,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Words({})", self.ranges.len())
    }
}

/// A run of the backbone.
#[derive(Debug, PartialEq, Eq)]
struct Window {
    /// Words that are read.
    read: Range<usize>,
    /// Words whose features are taken from it.
    taken: Range<usize>,
}

impl Encoder {
    /// A text's words with their features.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn words(&mut self, text: &str) -> Result<Words, TextError> {
        let end = text.char_indices().nth(WORDS_MAX * CHARACTERS_PER_TOKEN).map(|(end, _)| end);
        let text = end.map_or(text, |end| &text[..end]);
        let mut words = self.tokenizer.words(text, WORDS_MAX + 1);
        let whole = end.is_none() && words.len() <= WORDS_MAX;
        words.truncate(WORDS_MAX);

        let [before, after] = self.tokenizer.marks().map(<[u32]>::to_vec);
        let room = self.tokens.saturating_sub(before.len() + after.len()).max(1);
        // Words of more pieces would leave no room for their neighbours.
        words.iter_mut().for_each(|word| word.pieces.truncate((room / 2).max(1)));
        let lengths: Vec<usize> = words.iter().map(|word| word.pieces.len()).collect();
        let characters: Vec<char> = text.chars().collect();
        let mut features = Vec::with_capacity(words.len() * self.width());
        for window in windows(&lengths, room) {
            let pieces = words[window.read.clone()].iter().flat_map(|word| &word.pieces);
            let ids: Vec<i64> =
                before.iter().chain(pieces).chain(&after).copied().map(i64::from).collect();
            let vectors = self
                .backbone
                .run(&ids, ids.len())
                .map_err(|source| TextError::Engine { source })?;
            let width = self.backbone.features();
            let mut at = before.len();
            for (number, length) in window.read.clone().zip(&lengths[window.read]) {
                if window.taken.contains(&number) {
                    let own = &vectors[at * width..(at + length) * width];
                    let written = Written::of(&characters, &words[number].range, *length);
                    self.push_word(own, written, &mut features)?;
                }
                at += length;
            }
        }
        let ranges = words.into_iter().map(|word| word.range).collect();
        Ok(Words { ranges, features, whole })
    }

    /// Appends a word's features, of its pieces' vectors and how it is written.
    fn push_word(
        &self,
        pieces: &[f32],
        written: Written,
        features: &mut Vec<f32>,
    ) -> Result<(), TextError> {
        let mut sum = self.direction(pieces);
        sum.iter_mut().for_each(|value| *value *= VECTOR);
        let signs = written.0.map(|sign| if sign { SIGN } else { 0.0 });
        sum.extend(signs.into_iter().chain([SAME]));
        unit_at_most(&mut sum);
        if sum.iter().any(|value| !value.is_finite()) {
            return Err(TextError::NotFinite);
        }
        features.extend(sum.into_iter().map(narrow));
        Ok(())
    }
}

/// How a word is written, as far as a backbone of lower-case pieces does not see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written([bool; WORD_FEATURES - 1]);

impl Written {
    /// A capital first; nothing but capitals, more than one; a digit; neither letter nor digit; no
    /// white space before it; of several pieces.
    fn of(text: &[char], range: &Range<usize>, pieces: usize) -> Self {
        let word = &text[range.clone()];
        let letters = || word.iter().filter(|c| c.is_alphabetic());
        let capitals = letters().filter(|c| c.is_uppercase()).count();
        Self([
            word.first().is_some_and(|c| c.is_uppercase()),
            capitals > 1 && capitals == letters().count(),
            word.iter().any(|c| c.is_numeric()),
            !word.iter().any(|c| c.is_alphanumeric()),
            range.start > 0 && !text[range.start - 1].is_whitespace(),
            pieces > 1,
        ])
    }
}

/// Shortens a vector to length 1 if rounding made it longer.
fn unit_at_most(vector: &mut [f64]) {
    if vector.iter().map(|value| value * value).sum::<f64>() > 1.0 {
        unit(vector);
    }
}

/// Cuts words of so many pieces into windows of at most `room`; no word has more than half of that.
fn windows(lengths: &[usize], room: usize) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    let (mut start, mut taken) = (0, 0);
    while taken < lengths.len() {
        let (mut end, mut pieces) = (start, 0);
        while let Some(next) = lengths.get(end).filter(|next| pieces + **next <= room) {
            pieces += next;
            end += 1;
        }
        let end = end.max(start + 1);
        if end == lengths.len() {
            windows.push(Window { read: start..end, taken: taken..end });
            break;
        }
        let (mut next, mut shared) = (end, 0);
        while next > start + 1 && shared + lengths[next - 1] <= room / SHARED {
            next -= 1;
            shared += lengths[next];
        }
        let middle = usize::midpoint(next, end);
        windows.push(Window { read: start..end, taken: taken..middle });
        (start, taken) = (next, middle);
    }
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_take_each_word_once_and_hold_what_they_take(
            room in 1_usize..40, lengths in prop::collection::vec(1_usize..20, 0..60),
        ) {
            let lengths: Vec<usize> =
                lengths.into_iter().map(|length| length.min((room / 2).max(1))).collect();
            let found = windows(&lengths, room);
            let mut taken = 0;
            for (at, window) in found.iter().enumerate() {
                prop_assert_eq!(window.taken.start, taken);
                prop_assert!(window.read.start <= taken && window.taken.end <= window.read.end);
                prop_assert!(lengths[window.read.clone()].iter().sum::<usize>() <= room);
                prop_assert!(at == 0 || window.read.end > found[at - 1].read.end);
                taken = window.taken.end;
            }
            prop_assert_eq!(taken, lengths.len());
            // They share a quarter: no more than half as many again are read, but for uneven words.
            let pieces: usize = lengths.iter().sum();
            prop_assert!(found.len() <= 1 + 4 * pieces / room.max(1));
        }
    }

    #[test]
    fn a_word_is_taken_where_it_is_further_from_an_end() {
        let read = |windows: &[Window]| -> Vec<(usize, usize, usize, usize)> {
            let of = |w: &Window| (w.read.start, w.read.end, w.taken.start, w.taken.end);
            windows.iter().map(of).collect()
        };
        assert_eq!(read(&windows(&[1; 8], 8)), [(0, 8, 0, 8)]);
        assert_eq!(read(&windows(&[1; 14], 8)), [(0, 8, 0, 7), (6, 14, 7, 14)]);
        assert_eq!(read(&windows(&[1, 1, 1], 1)), [(0, 1, 0, 1), (1, 2, 1, 2), (2, 3, 2, 3)]);
        assert_eq!(windows(&[], 8), []);
    }

    #[test]
    fn how_a_word_is_written_is_seen() {
        let text: Vec<char> = "Élan (USA) x9 🙂 דוד".chars().collect();
        let of = |range: Range<usize>, pieces| {
            let signs = Written::of(&text, &range, pieces).0;
            signs.map(|sign| if sign { '1' } else { '0' }).iter().collect::<String>()
        };
        assert_eq!(of(0..4, 1), "100000");
        assert_eq!(of(5..6, 1), "000100");
        assert_eq!(of(6..9, 2), "110011");
        assert_eq!(of(11..13, 2), "001001");
        assert_eq!(of(14..15, 1), "000100");
        assert_eq!(of(16..19, 1), "000000");
    }

    #[test]
    fn the_parts_of_a_words_features_come_to_a_length_of_at_most_one() {
        let signs = (WORD_FEATURES - 1) as f64;
        assert!(VECTOR * VECTOR + signs * SIGN * SIGN + SAME * SAME <= 1.0);
    }
}
