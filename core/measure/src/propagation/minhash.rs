//! Near-duplicate sets without comparing every pair.
//!
//! Source: A. Z. Broder, *On the resemblance and containment of documents* (1997); P. Indyk,
//! R. Motwani, *Approximate nearest neighbors* (1998) for banding.

use std::collections::HashMap;

use crate::input::{InvalidInput, at_most, same_length, within};
use crate::random::{Random, mix};

/// Most hash functions of a signature.
pub const FUNCTIONS_MAX: usize = 1 << 16;
/// Points at which the chance of a match is integrated for each side of the threshold.
const GRID: u32 = 2_000;

/// Makes signatures: for each of its hash functions, the least hash among the members of a set.
///
/// A function is x ↦ a·fmix32(x) + b mod 2³².
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinHasher {
    functions: Vec<[u32; 2]>,
}

impl MinHasher {
    /// `functions` random functions. Equal seeds give equal functions.
    ///
    /// # Errors
    /// [`InvalidInput::TooMany`] if there are more than [`FUNCTIONS_MAX`].
    #[expect(clippy::cast_possible_truncation, reason = "the upper and lower half of 64 bits")]
    pub fn new(functions: usize, seed: u64) -> Result<Self, InvalidInput> {
        let mut random = Random::new(seed);
        let mut draw = || {
            let bits = random.next();
            [(bits >> 32) as u32 | 1, bits as u32]
        };
        Self::with_functions((0..functions.min(FUNCTIONS_MAX + 1)).map(|_| draw()).collect())
    }

    /// Given functions [a, b].
    ///
    /// # Errors
    /// [`InvalidInput::TooMany`] if there are more than [`FUNCTIONS_MAX`].
    pub fn with_functions(functions: Vec<[u32; 2]>) -> Result<Self, InvalidInput> {
        at_most("functions", FUNCTIONS_MAX, functions.len())?;
        Ok(Self { functions })
    }

    /// The signature of a set of hashed members; all ones for the empty set.
    #[must_use]
    pub fn signature(&self, members: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut least = vec![u32::MAX; self.functions.len()];
        for member in members {
            let mixed = fmix32(member);
            for (least, [a, b]) in least.iter_mut().zip(&self.functions) {
                *least = (*least).min(a.wrapping_mul(mixed).wrapping_add(*b));
            }
        }
        least
    }
}

/// Estimated Jaccard similarity: the share of functions with equal least hashes. Its standard
/// error is √(J(1 − J)/functions).
///
/// # Errors
/// [`InvalidInput::Length`] if the signatures differ in length.
#[expect(clippy::cast_precision_loss, reason = "functions stay far below 2^53")]
pub fn similarity(a: &[u32], b: &[u32]) -> Result<f64, InvalidInput> {
    same_length("b", a.len(), b.len())?;
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
    Ok(equal as f64 / a.len().max(1) as f64)
}

/// Into how many bands of how many rows to cut a signature, so that pairs that share a band are
/// mostly those above `threshold` in (0, 1): the areas of wrong pairs on both sides of it, which
/// count the same, are least.
///
/// # Errors
/// [`InvalidInput`] if there are no functions, more than [`FUNCTIONS_MAX`], or `threshold` is out
/// of range.
///
/// ```
/// use insitu_measure::propagation::bands_for;
///
/// assert_eq!(bands_for(128, 0.8)?, (9, 13));
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn bands_for(functions: usize, threshold: f64) -> Result<(usize, usize), InvalidInput> {
    at_most("functions", FUNCTIONS_MAX, functions)?;
    same_length("functions", functions.max(1), functions)?;
    within("threshold", &[threshold], f64::EPSILON, 1.0 - f64::EPSILON)?;
    let mut best = (1, 1);
    let mut least = f64::INFINITY;
    for bands in 1..=functions {
        for rows in 1..=functions / bands {
            let error = wrong_pairs(bands, rows, threshold);
            if error < least {
                least = error;
                best = (bands, rows);
            }
        }
    }
    Ok(best)
}

/// Group of each item, named by the group's first item: items are in one group if their
/// signatures' similarity is at least `threshold`, directly or by way of others.
///
/// Only pairs that share a band of the signature are compared, so that a few pairs just above the
/// threshold may be missed.
///
/// # Errors
/// [`InvalidInput`] if signatures differ in length or are empty, or `threshold` is out of range.
///
/// ```
/// use insitu_measure::propagation::{MinHasher, near_duplicates, shingle_hash, shingles};
///
/// let hasher = MinHasher::new(64, 1)?;
/// let signatures = ["a b c d e f g", "x y z", "a b c d e f h"].map(|text| {
///     hasher.signature(shingles(text, 1).iter().map(|s| (shingle_hash(s) >> 32) as u32))
/// });
/// assert_eq!(near_duplicates(&signatures, 0.5)?, [0, 1, 0]);
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn near_duplicates(
    signatures: &[Vec<u32>],
    threshold: f64,
) -> Result<Vec<usize>, InvalidInput> {
    let Some(first) = signatures.first() else { return Ok(Vec::new()) };
    for signature in signatures {
        same_length("signature", first.len(), signature.len())?;
    }
    let (bands, rows) = bands_for(first.len(), threshold)?;
    let mut groups = Groups::new(signatures.len());
    for band in 0..bands {
        let mut buckets: HashMap<u64, Vec<usize>> = HashMap::new();
        for (item, signature) in signatures.iter().enumerate() {
            let part = &signature[band * rows..(band + 1) * rows];
            let key = part.iter().fold(0, |key, &hash| mix(key ^ u64::from(hash)));
            let bucket = buckets.entry(key).or_default();
            // Representatives of different groups only: a bucket of equal items stays short.
            let mut known = false;
            for &other in bucket.iter() {
                if similarity(signature, &signatures[other])? >= threshold {
                    groups.join(item, other);
                    known = true;
                }
            }
            if !known {
                bucket.push(item);
            }
        }
    }
    Ok((0..signatures.len()).map(|item| groups.root(item)).collect())
}

/// Disjoint sets, each named by its least member.
pub(super) struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    pub(super) fn new(items: usize) -> Self {
        Self { parent: (0..items).collect() }
    }

    pub(super) fn root(&mut self, mut item: usize) -> usize {
        while self.parent[item] != item {
            self.parent[item] = self.parent[self.parent[item]];
            item = self.parent[item];
        }
        item
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }
}

/// Area of false matches below the threshold and of missed ones above it (Simpson's rule).
fn wrong_pairs(bands: usize, rows: usize, threshold: f64) -> f64 {
    let power = |base: f64, exponent: usize| base.powi(i32::try_from(exponent).unwrap_or(i32::MAX));
    let missed = |s: f64| power(1.0 - power(s, rows), bands);
    let integral = |from: f64, to: f64, f: &dyn Fn(f64) -> f64| {
        let step = (to - from) / f64::from(GRID);
        let weight = |i: u32| match i {
            0 => 1.0,
            i if i == GRID => 1.0,
            i if i % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let points = (0..=GRID).map(|i| weight(i) * f(from + f64::from(i) * step));
        points.sum::<f64>() * step / 3.0
    };
    integral(0.0, threshold, &|s| 1.0 - missed(s)) + integral(threshold, 1.0, &missed)
}

/// Finaliser of `MurmurHash3`, a bijection of 32 bits.
const fn fmix32(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_within_four_standard_errors() {
        let hasher = MinHasher::new(256, 9).unwrap();
        let set = |from: u32, to: u32| {
            hasher.signature((from..to).map(|i| i.wrapping_mul(2_654_435_761)))
        };
        for shared in [0, 50, 150, 190] {
            let truth = f64::from(shared) / f64::from(400 - shared);
            let estimate = similarity(&set(0, 200), &set(200 - shared, 400 - shared)).unwrap();
            let error = (truth * (1.0 - truth) / 256.0).sqrt();
            assert!((estimate - truth).abs() <= 4.0 * error + 0.02, "{truth} {estimate}");
        }
    }

    #[test]
    fn equal_items_are_one_group_quickly() {
        let signature = MinHasher::new(32, 1).unwrap().signature([1, 2, 3]);
        let groups = near_duplicates(&vec![signature; 20_000], 0.9).unwrap();
        assert!(groups.iter().all(|group| *group == 0));
        assert!(near_duplicates(&[vec![1], vec![1, 2]], 0.5).is_err());
        assert!(near_duplicates(&[vec![]], 0.5).is_err());
    }
}
