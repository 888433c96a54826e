//! A linear-chain conditional random field (Lafferty, McCallum, Pereira, ICML 2001) over hashed
//! features: weights, their file, and posterior probabilities by forward-backward.

use super::features::{FEATURES, ROWS, features, split, word};
use super::lexicon::{Lexicon, WORD};
use super::tokens::Token;

/// What a token can be. The order is that of the weight file.
pub(super) const LABELS: usize = 9;
/// No personal data.
pub(super) const OUTSIDE: usize = 0;
/// Tokens that are worked on at once; a longer text is cut at line ends or, failing that, anywhere.
const CHUNK_TOKENS_MAX: usize = 2_048;
/// First bytes of a weight file.
const MAGIC: &[u8; 8] = b"INSTCRF2";

/// The weights of one label per column.
pub(super) type Row = [f32; LABELS];

/// The weights of one feature: in units of the scale, for the feature with this check alone.
#[derive(Clone, Copy, Default)]
struct Entry {
    check: u8,
    weights: [i8; LABELS],
}

/// Why a weight file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Not a weight file of this version.
    #[error("not a weight file of this version")]
    Magic,
    /// The file ends early, or goes on too long.
    #[error("weight file has {got_bytes} bytes, its header says {expected_bytes}")]
    Length {
        /// Bytes there are.
        got_bytes: usize,
        /// Bytes there should be.
        expected_bytes: usize,
    },
    /// A row lies outside the table.
    #[error("row {row} of {ROWS}")]
    Row {
        /// The row's number.
        row: usize,
    },
}

/// Weights as they are used: one byte each, in units of `scale`.
pub(super) struct Crf {
    lexicon: Lexicon,
    rows: Vec<Entry>,
    scale: f32,
    /// `[from][to]`.
    transitions: [Row; LABELS],
}

impl Crf {
    /// Reads a weight file: magic, scale, transitions (f32 LE), number of rows (u32 LE), then each
    /// row as its distance from the one before (u16 LE), its check (u8) and its weights (i8).
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WeightsError> {
        const HEADER: usize = 8 + 4 + 4 * LABELS * LABELS + 4;
        const ROW: usize = 3 + LABELS;
        let short =
            |expected_bytes| WeightsError::Length { got_bytes: bytes.len(), expected_bytes };
        let rest = bytes.strip_prefix(MAGIC).ok_or(WeightsError::Magic)?;
        if bytes.len() < HEADER {
            return Err(short(HEADER));
        }
        let mut numbers =
            rest[..HEADER - 8].chunks_exact(4).map(|four| [four[0], four[1], four[2], four[3]]);
        let mut float = || f32::from_le_bytes(numbers.next().unwrap_or_default());
        let scale = float();
        let transitions = std::array::from_fn(|_| std::array::from_fn(|_| float()));
        let count = u32::from_le_bytes(numbers.next().unwrap_or_default()) as usize;
        if bytes.len() != HEADER + count * ROW {
            return Err(short(HEADER + count * ROW));
        }
        let mut rows = vec![Entry::default(); ROWS];
        let mut row = 0;
        for entry in bytes[HEADER..].chunks_exact(ROW) {
            row += usize::from(u16::from_le_bytes([entry[0], entry[1]]));
            let own = rows.get_mut(row).ok_or(WeightsError::Row { row })?;
            own.check = entry[2];
            own.weights
                .iter_mut()
                .zip(&entry[3..])
                .for_each(|(weight, byte)| *weight = byte.cast_signed());
        }
        Ok(Self { lexicon: Lexicon::shipped(), rows, scale, transitions })
    }

    /// The weight file of trained weights, with the check of each row; small ones are dropped.
    pub(super) fn encode(rows: &[Row], checks: &[u8], transitions: &[Row; LABELS]) -> Vec<u8> {
        let largest = rows.iter().flatten().fold(0_f32, |most, weight| most.max(weight.abs()));
        let scale = largest.max(f32::MIN_POSITIVE) / 127.0;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(scale.to_le_bytes());
        bytes.extend(transitions.iter().flatten().flat_map(|weight| weight.to_le_bytes()));
        let mut entries = Vec::new();
        let (mut count, mut previous) = (0_u32, 0);
        for (index, (row, check)) in rows.iter().zip(checks).enumerate() {
            let small = row.map(|weight| quantised(weight / scale));
            if small == [0; LABELS] {
                continue;
            }
            let distance = loop {
                match u16::try_from(index - previous) {
                    Ok(distance) => break distance,
                    Err(_) => {
                        previous += usize::from(u16::MAX);
                        entries.extend(u16::MAX.to_le_bytes());
                        entries.extend([0; 1 + LABELS]);
                        count += 1;
                    }
                }
            };
            entries.extend(distance.to_le_bytes());
            entries.push(*check);
            entries.extend(small.map(i8::cast_unsigned));
            (count, previous) = (count + 1, index);
        }
        bytes.extend(count.to_le_bytes());
        bytes.extend(entries);
        bytes
    }

    /// Whether a word is a common one, name or not.
    pub(super) fn is_word(&self, text: &str) -> bool {
        self.lexicon.flags(word(text)) & WORD != 0
    }

    /// Whether a word is a common one, and no name or town that the lexicon knows.
    pub(super) fn is_only_word(&self, text: &str) -> bool {
        self.lexicon.flags(word(text)) == WORD
    }

    /// Probability of each label for each token.
    pub(super) fn posteriors(&self, tokens: &[Token<'_>]) -> Vec<Row> {
        let mut all = Vec::with_capacity(tokens.len());
        for chunk in chunks(tokens) {
            let features = features(&self.lexicon, chunk, None);
            let scores: Vec<Row> = features.iter().map(|features| self.score(features)).collect();
            all.extend(Lattice::new(&scores, &self.transitions).posteriors());
        }
        all
    }

    fn score(&self, features: &[u32; FEATURES]) -> Row {
        let mut sums = [0_i32; LABELS];
        for feature in features {
            let (row, check) = split(*feature);
            let own = &self.rows[row];
            if own.check == check {
                sums.iter_mut()
                    .zip(own.weights)
                    .for_each(|(sum, weight)| *sum += i32::from(weight));
            }
        }
        sums.map(|sum| sum as f32 * self.scale)
    }
}

/// A weight in units of the scale, which puts the largest at 127.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i8")]
fn quantised(weight: f32) -> i8 {
    weight.round().clamp(-127.0, 127.0) as i8
}

/// Cuts tokens into pieces of bounded length, at line ends where possible.
fn chunks<'a, 't>(tokens: &'a [Token<'t>]) -> impl Iterator<Item = &'a [Token<'t>]> {
    let mut rest = tokens;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let limit = rest.len().min(CHUNK_TOKENS_MAX);
        let cut = if rest.len() <= CHUNK_TOKENS_MAX {
            limit
        } else {
            rest[..limit].iter().rposition(Token::is_line_end).map_or(limit, |at| at + 1)
        };
        let (chunk, after) = rest.split_at(cut);
        rest = after;
        Some(chunk)
    })
}

/// Forward and backward sums over all label sequences, scaled per token so that they stay in range
/// (Rabiner, Proc. IEEE 77, 1989, V.A).
pub(super) struct Lattice {
    forward: Vec<Row>,
    backward: Vec<Row>,
    /// `exp` of scores (less their maximum) and of transitions.
    emission: Vec<Row>,
    transition: [Row; LABELS],
}

impl Lattice {
    pub(super) fn new(scores: &[Row], transitions: &[Row; LABELS]) -> Self {
        let transition = transitions.map(|row| row.map(f32::exp));
        let emission: Vec<Row> = scores
            .iter()
            .map(|row| {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.map(|score| (score - most).exp())
            })
            .collect();
        let mut forward = Vec::with_capacity(scores.len());
        let mut last: Option<Row> = None;
        for emitted in &emission {
            let reached = last.map_or([1.0; LABELS], |last| {
                let mut sums = [0.0; LABELS];
                for (weight, row) in last.iter().zip(&transition) {
                    sums.iter_mut().zip(row).for_each(|(sum, step)| *sum += weight * step);
                }
                sums
            });
            let row = scaled(std::array::from_fn(|to| reached[to] * emitted[to]));
            forward.push(row);
            last = Some(row);
        }
        let mut backward = vec![[1.0; LABELS]; scores.len()];
        for at in (1..scores.len()).rev() {
            let next: Row = std::array::from_fn(|to| emission[at][to] * backward[at][to]);
            backward[at - 1] = scaled(
                transition
                    .map(|row| row.iter().zip(&next).map(|(step, weight)| step * weight).sum()),
            );
        }
        Self { forward, backward, emission, transition }
    }

    /// Probability of each label for each token.
    pub(super) fn posteriors(&self) -> Vec<Row> {
        let pairs = self.forward.iter().zip(&self.backward);
        pairs.map(|(f, b)| scaled(std::array::from_fn(|label| f[label] * b[label]))).collect()
    }

    /// Probability of each pair of labels for the tokens before `at` and at it.
    pub(super) fn pair_posteriors(&self, at: usize) -> [Row; LABELS] {
        let next: Row = std::array::from_fn(|to| self.emission[at][to] * self.backward[at][to]);
        let mut pairs: [Row; LABELS] = std::array::from_fn(|from| {
            std::array::from_fn(|to| {
                self.forward[at - 1][from] * self.transition[from][to] * next[to]
            })
        });
        let sum: f32 = pairs.iter().flatten().sum();
        pairs.iter_mut().flatten().for_each(|pair| *pair /= sum);
        pairs
    }
}

fn scaled(row: Row) -> Row {
    let sum: f32 = row.iter().sum();
    row.map(|value| value / sum)
}
