//! Texts as sets of overlapping runs of words.

use std::collections::BTreeSet;

use crate::random::mix;

/// The runs of `words` consecutive words, each once; a shorter text is one run.
///
/// ```
/// use insitu_measure::propagation::{jaccard, shingles};
///
/// let (a, b) = (shingles("the cat sat down", 2), shingles("the cat sat up", 2));
/// assert!((jaccard(&a, &b) - 0.5).abs() < 1e-12);
/// ```
#[must_use]
pub fn shingles(text: &str, words: usize) -> BTreeSet<String> {
    let all: Vec<&str> = text.split_whitespace().collect();
    let size = words.clamp(1, all.len().max(1));
    all.windows(size).map(|run| run.join(" ")).collect()
}

/// Share of the members of both sets that are in each of them, in [0, 1]; 1 if both are empty.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sets stay far below 2^53")]
pub fn jaccard<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> f64 {
    let shared = a.intersection(b).count();
    let all = a.len() + b.len() - shared;
    if all == 0 { 1.0 } else { shared as f64 / all as f64 }
}

/// A hash of a shingle (FNV-1a, mixed), the same on every machine. Not against adversaries.
#[must_use]
pub fn shingle_hash(shingle: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(shingle.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Charikar's fingerprint of a set of hashed features: similar sets differ in few bits.
///
/// # Source
/// M. S. Charikar, *Similarity estimation techniques from rounding algorithms* (2002).
#[must_use]
pub fn simhash(features: impl IntoIterator<Item = u64>) -> u64 {
    let mut balance = [0_i64; 64];
    for feature in features {
        for (bit, balance) in balance.iter_mut().enumerate() {
            *balance += if feature >> bit & 1 == 1 { 1 } else { -1 };
        }
    }
    balance.iter().rev().fold(0, |hash, balance| hash << 1 | u64::from(*balance > 0))
}
