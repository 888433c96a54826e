//! Fingerprints of pictures: similar pictures differ in few bits.

use super::minhash::Groups;
use crate::input::{InvalidInput, same_length, within};

const SIDE: usize = 32;
const LOW: usize = 8;
/// Frequencies weaker than this share of the strongest are taken for none.
const ROUNDING: f64 = 1e-12;

/// Perceptual hash of a grey picture of 32 × 32, row-major: which of the 8 × 8 lowest frequencies
/// (discrete cosine transform) are above their median.
///
/// # Errors
/// [`InvalidInput`] if there are not 1,024 finite values.
///
/// # Source
/// C. Zauner, *Implementation and benchmarking of perceptual image hash functions* (2010).
pub fn perceptual_hash(grey: &[f64]) -> Result<u64, InvalidInput> {
    same_length("grey", SIDE * SIDE, grey.len())?;
    within("grey", grey, -1e100, 1e100)?;
    // Columns first, then rows, as the reference does: the order decides the last bit.
    let cosine = |frequency: usize, at: usize| {
        let turn = u32::try_from(frequency * (2 * at + 1)).map_or(0.0, f64::from);
        (std::f64::consts::PI * turn / 64.0).cos()
    };
    let mut columns = [[0.0; SIDE]; LOW];
    for (frequency, row) in columns.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = (0..SIDE).map(|y| grey[y * SIDE + x] * cosine(frequency, y)).sum();
        }
    }
    let low: Vec<f64> = columns
        .iter()
        .flat_map(|row| (0..LOW).map(|f| (0..SIDE).map(|x| row[x] * cosine(f, x)).sum::<f64>()))
        .collect();
    // What a flat picture leaves in higher frequencies is rounding.
    let noise = ROUNDING * low.iter().fold(0.0, |top: f64, value| top.max(value.abs()));
    let low: Vec<f64> =
        low.into_iter().map(|value| if value.abs() > noise { value } else { 0.0 }).collect();
    let mut sorted = low.clone();
    sorted.sort_by(f64::total_cmp);
    let median = 0.5 * (sorted[31] + sorted[32]);
    Ok(bits(low.iter().map(|value| *value > median)))
}

/// Difference hash of a grey picture of 9 columns × 8 rows, row-major: which points are brighter
/// than their left neighbour.
///
/// # Errors
/// [`InvalidInput`] if there are not 72 finite values.
pub fn difference_hash(grey: &[f64]) -> Result<u64, InvalidInput> {
    same_length("grey", 72, grey.len())?;
    within("grey", grey, -1e100, 1e100)?;
    Ok(bits(grey.chunks_exact(9).flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0]))))
}

/// Bits in which two fingerprints differ.
#[must_use]
pub const fn hamming(a: u64, b: u64) -> u32 {
    (a ^ b).count_ones()
}

/// Group of each fingerprint, named by the group's first: fingerprints are in one group if they
/// differ in at most `bits` < 16 bits, directly or by way of others.
///
/// # Errors
/// [`InvalidInput::TooMany`] for 16 bits or more.
///
/// ```
/// use insitu_measure::propagation::near_images;
///
/// assert_eq!(near_images(&[0b1111, 0b1110, u64::MAX], 3)?, [0, 0, 2]);
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn near_images(fingerprints: &[u64], bits: u32) -> Result<Vec<usize>, InvalidInput> {
    crate::input::at_most("bits", 15, bits as usize)?;
    let mut groups = Groups::new(fingerprints.len());
    // Among bits + 1 parts, two near fingerprints have an equal one.
    let parts = bits + 1;
    for part in 0..parts {
        let (from, to) = (64 * part / parts, 64 * (part + 1) / parts);
        let mask = u64::MAX >> (64 - (to - from)) << from;
        let mut order: Vec<usize> = (0..fingerprints.len()).collect();
        order.sort_by_key(|&item| (fingerprints[item] & mask, fingerprints[item]));
        for bucket in order.chunk_by(|&a, &b| (fingerprints[a] ^ fingerprints[b]) & mask == 0) {
            // Of equal fingerprints the first speaks for all.
            let equal = bucket.chunk_by(|&a, &b| fingerprints[a] == fingerprints[b]);
            let mut speakers: Vec<usize> = Vec::new();
            for same in equal {
                same.iter().for_each(|&item| groups.join(item, same[0]));
                let near = |&&s: &&usize| hamming(fingerprints[s], fingerprints[same[0]]) <= bits;
                speakers.iter().filter(near).for_each(|&other| groups.join(same[0], other));
                speakers.push(same[0]);
            }
        }
    }
    Ok((0..fingerprints.len()).map(|item| groups.root(item)).collect())
}

fn bits(bits: impl Iterator<Item = bool>) -> u64 {
    bits.fold(0, |hash, bit| hash << 1 | u64::from(bit))
}
