//! The discrete Gaussian, drawn exactly with machine integers.
//!
//! # The distribution
//! For a scale s = n/1024: Pr\[x\] ∝ exp(−x²/(2s²)) on the whole numbers.
//!
//! # The algorithm
//! That of C. Karney, *Sampling exactly from the normal distribution*, ACM Transactions on
//! Mathematical Software 42 (2016), for whole numbers:
//! 1. draw k ∈ {0, 1, …} with Pr\[k\] ∝ exp(−k²/2);
//! 2. draw j uniformly from {0, …, J − 1}, J = ⌈s⌉, let i = ⌈ks⌉ + j and x = i/s − k, and start
//!    again at 1 unless x < 1;
//! 3. start again at 1 but with probability exp(−kx − x²/2);
//! 4. give i the sign minus with probability 1/2, and start again at 1 if that makes a minus zero.
//!
//! # Why it is exact
//! The intervals \[ks, ks + s) cover the numbers from 0 on without overlap, and none has more than J
//! whole numbers. So each whole number i ≥ 0 comes from exactly one pair: k = ⌊i/s⌋ and
//! j = i − ⌈ks⌉ < J, and then 0 ≤ x < 1. One pass of 1 to 3 returns i with probability proportional
//! to exp(−k²/2) · 1/J · exp(−kx − x²/2) = exp(−(k + x)²/2)/J = exp(−i²/(2s²))/J, whose J is the same
//! for all i. Step 4 halves that for each sign, and for zero, which keeps one of its two signs. What
//! starts again does so with new randomness, which leaves the proportions as they are.
//!
//! Every choice in it is one of three kinds, none of which rounds anything:
//! - *a uniform whole number below a bound*: random bits, drawn anew when they are not below it;
//! - *true with probability p/q* ([`chance`]): a uniform real U, of which as many binary digits are
//!   drawn as it takes to tell on which side of p/q it is;
//! - *true with probability exp(−γ)*, γ ∈ \[0, 1\] ([`exp_minus`]): the length L of the longest run in
//!   which trial l = 1, 2, … succeeds with probability γ/l has Pr\[L ≥ l\] = γˡ/l!, so it is even
//!   with probability Σ (−γ)ˡ/l! = exp(−γ) (J. von Neumann 1951; C. Canonne, G. Kamath, T. Steinke
//!   2020, algorithm 1). Of γ = x and γ = x²/2 each factor is a trial of its own.
//!
//! Products are as wide as they can become (s ≤ 2⁴⁰, n ≤ 2⁵⁰). Only k has no bound: it is counted in
//! 64 bits, of which a pass reaches the 33rd with probability exp(−2³¹), and multiplied in 128.
//!
//! # Cost
//! Some two hundred random bits and a tenth of a microsecond a value, whatever the scale. How many
//! bits a draw takes depends on what is drawn: see the module above for what follows.

use super::{GaussianScale, STEPS_PER_UNIT};

/// A cryptographic generator, as a sampler reads it.
pub(super) trait RandomBits {
    /// The next `count` ≤ 32 bits, uniform and independent of all before.
    fn bits(&mut self, count: u32) -> u32;
}

/// A sampler of one scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gaussian {
    /// n: the scale in steps of 1/1024.
    steps: u64,
    /// J = ⌈s⌉.
    places: u64,
}

impl Gaussian {
    pub(super) const fn new(scale: GaussianScale) -> Self {
        Self { steps: scale.steps, places: scale.steps.div_ceil(STEPS_PER_UNIT) }
    }

    /// One draw; `None` outside an i64, which has probability below exp(−2⁴²).
    pub(super) fn draw(self, random: &mut impl RandomBits) -> Option<i64> {
        loop {
            let Some(magnitude) = self.magnitude(random) else { continue };
            let minus = random.bits(1) == 1;
            if minus && magnitude == 0 {
                continue;
            }
            let magnitude = i64::try_from(magnitude).ok()?;
            return Some(if minus { -magnitude } else { magnitude });
        }
    }

    /// One pass of steps 1 to 3; `None` where it starts again.
    fn magnitude(self, random: &mut impl RandomBits) -> Option<u128> {
        let steps = self.steps;
        let k = whole_part(random)?;
        let edge = u128::from(k) * u128::from(steps);
        let first = edge.div_ceil(u128::from(STEPS_PER_UNIT));
        let j = below(random, self.places);
        // x = i/s − k = (1024·i − k·n)/n, whose numerator is this. That of j = 0 is below 1024.
        let beyond = u64::try_from(first * u128::from(STEPS_PER_UNIT) - edge).ok()?;
        let x = beyond + j * STEPS_PER_UNIT;
        if x >= steps {
            return None;
        }
        // exp(−kx − x²/2), factor by factor.
        let kept = (0..k).all(|_| exp_minus(random, |random| chance(random, x, steps), 1))
            && exp_minus(random, |random| chance(random, x, steps) && chance(random, x, steps), 2);
        kept.then(|| first + u128::from(j))
    }
}

/// One pass for k ≥ 0 with Pr\[k\] ∝ exp(−k²/2); `None` where it starts again. The number of trials of
/// exp(−1/2) that succeed in a row has Pr ∝ exp(−k/2); exp(−k(k − 1)/2) of it is kept.
fn whole_part(random: &mut impl RandomBits) -> Option<u64> {
    let mut k = 0_u64;
    while exp_minus_half(random) {
        k += 1;
    }
    let kept = k < 2 || (0..u128::from(k) * u128::from(k - 1)).all(|_| exp_minus_half(random));
    kept.then_some(k)
}

/// True with probability exp(−1/2). The first two trials are a bit and two bits, drawn together.
fn exp_minus_half(random: &mut impl RandomBits) -> bool {
    match random.bits(3) {
        0 => even_run(random, |_| true, 2, 3),
        1..=3 => false,
        _ => true,
    }
}

/// True with probability exp(−γ/`divisor`), where `gamma` is true with probability γ ≤ 1.
fn exp_minus<R: RandomBits>(random: &mut R, gamma: impl Fn(&mut R) -> bool, divisor: u64) -> bool {
    even_run(random, gamma, divisor, 1)
}

/// Whether the run of successful trials, all before `trial` among them, has even length.
fn even_run<R: RandomBits>(
    random: &mut R,
    gamma: impl Fn(&mut R) -> bool,
    divisor: u64,
    mut trial: u64,
) -> bool {
    while one_in(random, divisor * trial) && gamma(random) {
        trial += 1;
    }
    // The run is one shorter than the trials.
    trial % 2 == 1
}

/// True with probability 1/`whole`.
fn one_in(random: &mut impl RandomBits, whole: u64) -> bool {
    if whole <= 1 << 16 && whole.is_power_of_two() {
        return random.bits(whole.trailing_zeros()) == 0;
    }
    chance(random, 1, whole)
}

/// True with probability `part`/`whole` < 1. Both are below 2⁶³.
///
/// U = (w + V)/2³² with w the word drawn, and V uniform as U is: U < p/q where V < (p·2³² − w·q)/q.
/// That is sure where the numerator is q or more, impossible where it is 0 or less, and else the same
/// question again.
fn chance(random: &mut impl RandomBits, mut part: u64, whole: u64) -> bool {
    loop {
        let wanted = u128::from(part) << 32;
        let given = u128::from(random.bits(32)) * u128::from(whole);
        if given >= wanted {
            return false;
        }
        match u64::try_from(wanted - given) {
            Ok(rest) if rest < whole => part = rest,
            _ => return true,
        }
    }
}

/// A uniform number below `bound`, which is positive.
fn below(random: &mut impl RandomBits, bound: u64) -> u64 {
    let bits = u64::BITS - (bound - 1).leading_zeros();
    loop {
        let mut drawn = u64::from(random.bits(bits.min(32)));
        if bits > 32 {
            drawn |= u64::from(random.bits(bits - 32)) << 32;
        }
        if drawn < bound {
            return drawn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::keystream::Keystream;

    /// Bits that a test chose, a number for each time that some are drawn; reading beyond them fails.
    struct Script<'a>(std::slice::Iter<'a, u32>);

    impl RandomBits for Script<'_> {
        fn bits(&mut self, count: u32) -> u32 {
            let drawn = *self.0.next().expect("drawn as often as the test foresaw");
            assert!(u64::from(drawn) < 1 << count, "{drawn} has more than {count} bits");
            drawn
        }
    }

    /// What `choose` does with `script`, all of which it must read.
    #[track_caller]
    fn read<T>(script: &[u32], choose: impl Fn(&mut Script<'_>) -> T) -> T {
        let mut random = Script(script.iter());
        let outcome = choose(&mut random);
        assert_eq!(random.0.len(), 0, "bits are left");
        outcome
    }

    /// A chance is decided by the first word but where that word's interval holds p/q, and there by
    /// the next: so its probability is p/q to as many digits as are drawn.
    #[test]
    fn a_chance_compares_as_many_digits_as_it_needs() {
        for (part, whole) in [(1, 3), (3, 7), (1, 10), (4_194_303, 4_194_304), (1, (1 << 50) - 3)] {
            let digits = |part: u64| {
                let scaled = u128::from(part) << 32;
                let digit = u32::try_from(scaled / u128::from(whole)).unwrap();
                (digit, u64::try_from(scaled % u128::from(whole)).unwrap())
            };
            let (first, rest) = digits(part);
            if first > 0 {
                assert!(read(&[first - 1], |random| chance(random, part, whole)));
            }
            assert!(!read(&[first + 1], |random| chance(random, part, whole)));
            if rest == 0 {
                assert!(!read(&[first], |random| chance(random, part, whole)), "{part}/{whole}");
                continue;
            }
            let (second, _) = digits(rest);
            assert!(
                second == 0 || read(&[first, second - 1], |random| chance(random, part, whole))
            );
            assert!(!read(&[first, second + 1], |random| chance(random, part, whole)));
        }
        assert!(!read(&[0], |random| chance(random, 0, 5)), "nothing is below 0");
        assert!(read(&[u32::MAX / 2], |random| chance(random, 1, 2)));
        assert!(!read(&[u32::MAX / 2 + 1], |random| chance(random, 1, 2)));
    }

    #[test]
    fn a_number_below_a_bound_is_drawn_anew_until_it_is() {
        assert_eq!(read(&[0], |random| below(random, 1)), 0, "of no bits");
        assert_eq!(read(&[7, 6, 5], |random| below(random, 6)), 5);
        assert_eq!(read(&[0], |random| below(random, 8)), 0);
        assert_eq!(read(&[u32::MAX], |random| below(random, 1 << 32)), u64::from(u32::MAX));
        assert_eq!(read(&[1, 0xFF], |random| below(random, 1 << 40)), 1 + (0xFF << 32));
        assert_eq!(read(&[1, 1, 0, 1], |random| below(random, (1 << 32) + 1)), 1 << 32);
    }

    /// exp(−1/2) = 1/2 + 1/8·(1 − 1/6 + …): of the eight draws of three bits four are true at once, and
    /// one asks for more trials, of 1/6, 1/8, ….
    #[test]
    fn the_first_trials_of_one_half_are_three_bits() {
        for drawn in 1..8 {
            assert_eq!(read(&[drawn], |random| exp_minus_half(random)), drawn >= 4, "{drawn}");
        }
        let sixth = u32::MAX / 6;
        assert!(read(&[0, sixth + 1], |random| exp_minus_half(random)), "a run of 2");
        assert!(!read(&[0, sixth - 1, 1], |random| exp_minus_half(random)), "a run of 3");
        assert!(read(&[0, sixth - 1, 0, u32::MAX], |random| exp_minus_half(random)), "of 4");
    }

    #[test]
    fn each_number_comes_from_one_pair_and_the_pairs_give_each_number() {
        for steps in [1, 100, 724, 1024, 1025, 4639, 40_448] {
            let sampler = Gaussian::new(GaussianScale::from_steps(steps).unwrap());
            let mut expected = 0;
            // As `magnitude` has it, without the randomness.
            for k in 0..4_000_u64.div_ceil(steps).max(3) {
                let first = (k * steps).div_ceil(1024);
                for j in 0..sampler.places {
                    let x = (first + j) * 1024 - k * steps;
                    if x < steps {
                        assert_eq!(first + j, expected, "scale {steps}/1024");
                        expected += 1;
                    }
                }
            }
            assert!(expected > 0);
        }
    }

    /// Frequencies of the parts. A false alarm has probability 10⁻⁹ for each.
    #[test]
    fn exponentials_have_their_probability() {
        const DRAWS: u32 = 1_000_000;
        let mut random = Keystream::of_system().unwrap();
        let mut check = |name: &str, probability: f64, draw: &dyn Fn(&mut Keystream) -> bool| {
            let hits = (0..DRAWS).filter(|_| draw(&mut random)).count() as f64;
            let n = f64::from(DRAWS);
            let z = (hits - n * probability) / (n * probability * (1.0 - probability)).sqrt();
            assert!(z.abs() < 6.11, "{name}: {z}");
        };
        check("3/7", 3.0 / 7.0, &|random| chance(random, 3, 7));
        check("exp(-1/2)", (-0.5_f64).exp(), &exp_minus_half);
        check("exp(-1)", (-1.0_f64).exp(), &|random| exp_minus(random, |_| true, 1));
        for (part, whole) in [(1, 1000), (1, 2), (999, 1000)] {
            let x = part as f64 / whole as f64;
            let one = |random: &mut Keystream| chance(random, part, whole);
            let two = |random: &mut Keystream| one(random) && one(random);
            check("exp(-x)", (-x).exp(), &|random| exp_minus(random, one, 1));
            check("exp(-x²/2)", (-x * x / 2.0).exp(), &|random| exp_minus(random, two, 2));
        }
        let mass: f64 = (0..20).map(|k| (-f64::from(k * k) / 2.0).exp()).sum();
        for k in 0..4_u64 {
            let probability = (-((k * k) as f64) / 2.0).exp() / mass;
            let drawn = |random: &mut Keystream| {
                std::iter::repeat_with(|| whole_part(random)).flatten().next() == Some(k)
            };
            check("k", probability, &drawn);
        }
    }
}
