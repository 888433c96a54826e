//! Updates of one byte a coordinate: what was noised already, rounded to a coarser grid.
//!
//! Rounding noised integers is post-processing, which costs no privacy (Dwork, Roth 2014,
//! proposition 2.1), and so is the choice of the grid by them. The step is the smallest power of two
//! that brings every coordinate within ±127. The largest of many Gaussian coordinates is some four
//! deviations σ of the noise, so that a step is at most σ/15 where noise prevails, and the rounding
//! adds at most (σ/15)²/12, a few ten-thousandths of the noise's own variance.

use crate::release::Values;

/// The largest exponent of a step: 64 of these are the largest value that a release can hold.
pub const SHIFT_MAX: u8 = 25;
/// Largest magnitude of a rounded coordinate.
const MAGNITUDE_MAX: u64 = 127;
/// Largest magnitude of a coordinate once it is multiplied out again.
const COORDINATE_MAX: i64 = 1 << 31;

/// How many [`Values`] hold so many coordinates: four in each.
pub fn packed(coordinates: usize) -> usize {
    coordinates.div_ceil(4)
}

/// Rounds values to a byte each, half a step away from zero; returns the exponent of the step and
/// the bytes, four to a value, filled up with zeros.
pub fn coarsen(values: &[i32]) -> (u8, Values) {
    let largest = values.iter().map(|value| u64::from(value.unsigned_abs())).max().unwrap_or(0);
    let fits = |shift: &u8| rounded(largest, *shift) <= MAGNITUDE_MAX;
    let shift = (0..SHIFT_MAX).find(fits).unwrap_or(SHIFT_MAX);
    let byte = |value: &i32| {
        let magnitude = rounded(value.unsigned_abs().into(), shift);
        let magnitude = i8::try_from(magnitude).unwrap_or(i8::MAX);
        if *value < 0 { -magnitude } else { magnitude }.to_le_bytes()[0]
    };
    let words = values.chunks(4).map(|four| {
        let mut word = [0; 4];
        word.iter_mut().zip(four).for_each(|(to, value)| *to = byte(value));
        i32::from_le_bytes(word)
    });
    (shift, Values(words.collect()))
}

/// The coordinates that [`coarsen`] rounded, multiplied out; `None` for what it cannot have made:
/// another number of bytes, a step or a coordinate out of range, or something in the filling.
pub fn refine(values: &Values, coordinates: usize, shift: u8) -> Option<Vec<i64>> {
    if shift > SHIFT_MAX || values.0.len() != packed(coordinates) {
        return None;
    }
    let bytes = values.0.iter().flat_map(|word| word.to_le_bytes());
    let mut all: Vec<i64> =
        bytes.map(|byte| i64::from(i8::from_le_bytes([byte])) << shift).collect();
    let filling = all.split_off(coordinates);
    let lowest = -(i64::from(i8::MAX) << shift);
    let in_range = |value: &i64| *value >= lowest && value.abs() <= COORDINATE_MAX;
    (all.iter().all(in_range) && filling.iter().all(|value| *value == 0)).then_some(all)
}

/// A magnitude in steps of 2^`shift`, half a step rounded up.
fn rounded(magnitude: u64, shift: u8) -> u64 {
    (magnitude + ((1 << shift) >> 1)) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value comes back within half a step, at a fixed size.
    #[track_caller]
    fn check(values: &[i32], want_shift: u8) {
        let (shift, coarse) = coarsen(values);
        assert_eq!((shift, coarse.0.len()), (want_shift, values.len().div_ceil(4)));
        let back = refine(&coarse, values.len(), shift).unwrap();
        for (value, back) in values.iter().zip(back) {
            assert!(2 * (i64::from(*value) - back).abs() <= 1 << shift, "{value} became {back}");
        }
    }

    #[test]
    fn what_fits_a_byte_stays_exact_and_the_rest_is_within_half_a_step() {
        check(&[0, 1, -1, 127, -127], 0);
        check(&[128, 3, -3], 1);
        check(&[-1000, 999, 7, 8, -12], 3);
        check(&[i32::MAX, i32::MIN, 5], SHIFT_MAX);
        check(&[], 0);
    }

    #[test]
    fn rounding_has_no_side() {
        let values: Vec<i32> = (-400..=400).collect();
        let (shift, coarse) = coarsen(&values);
        assert_eq!(refine(&coarse, values.len(), shift).unwrap().iter().sum::<i64>(), 0);
    }

    #[test]
    fn what_no_agent_makes_is_refused() {
        let (shift, coarse) = coarsen(&[1, 2, 3, 4, 5]);
        assert!(refine(&coarse, 5, shift).is_some());
        assert_eq!(refine(&coarse, 9, shift), None, "too few bytes");
        assert_eq!(refine(&coarse, 4, shift), None, "too many bytes");
        assert_eq!(refine(&coarse, 5, SHIFT_MAX + 1), None, "a step that no value needs");
        let word = |bytes: [i8; 4]| i32::from_le_bytes(bytes.map(|byte| byte.to_le_bytes()[0]));
        assert_eq!(refine(&Values(vec![word([-128, 0, 0, 0])]), 4, 0), None);
        assert_eq!(refine(&Values(vec![word([65, 0, 0, 0])]), 4, SHIFT_MAX), None);
        assert_eq!(refine(&Values(vec![word([1, 2, 3, 4])]), 3, 0), None, "filling");
    }
}
