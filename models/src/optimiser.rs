//! Server optimisers: in which direction the coordinator goes, given the sites' combined gradient.
//!
//! Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan, *Adaptive federated
//! optimization*, 2021, algorithm 2, with the gradient g in place of −Δ: what sites send here is a
//! sum of clipped gradients, so a step of `FedAvg` on it is theirs with one local step.
//!
//! ```text
//! FedAvg      d = g
//! FedAvgM     m ← βm + g                    d = m          (Hsu, Qi, Brown 2019)
//! FedAdagrad  v ← v + g²                    d = m/(√v + τ), m ← β₁m + (1 − β₁)g
//! FedYogi     v ← v − (1 − β₂)g²·sgn(v − g²)  the same
//! FedAdam     v ← β₂v + (1 − β₂)g²            the same
//! ```
//!
//! `w ← w − η·d` is [`crate::train::Descent`]'s. The adaptive ones divide by what they have seen, so
//! η is a distance in weights for them, and a step in units of the gradient for the others. v
//! starts at τ². Gradients here are sums that nobody may divide by a number of subjects: give τ in
//! their unit. The deviation of the privacy noise in a coordinate is a good one: it is public, and
//! coordinates that are nothing but noise are then not blown up to full steps.

use std::fmt;
use std::str::FromStr;

/// Momentum of `FedAvgM` when none is given.
const MOMENTUM: f64 = 0.9;

/// A server optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Optimiser {
    /// Along the gradient.
    #[default]
    FedAvg,
    /// With momentum.
    FedAvgM {
        /// β, in `[0, 1)`.
        momentum: f64,
    },
    /// Divided by the root of all squares so far.
    FedAdagrad(Adaptive),
    /// Divided by the root of recent squares, which change by no more than one of them.
    FedYogi(Adaptive),
    /// Divided by the root of recent squares.
    FedAdam(Adaptive),
}

/// What the adaptive optimisers have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// β₁ of the mean of gradients, in `[0, 1)`.
    pub first: f64,
    /// β₂ of the mean of their squares, in `[0, 1)`; `FedAdagrad` has none.
    pub second: f64,
    /// τ > 0, in the unit of the gradient.
    pub floor: f64,
}

impl Default for Adaptive {
    /// The paper's: β₁ = .9, β₂ = .99, τ = 10⁻³.
    fn default() -> Self {
        Self { first: 0.9, second: 0.99, floor: 1e-3 }
    }
}

/// The text is no optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an optimiser is fedavg, fedavgm, fedavgm:MOMENTUM, fedadagrad, fedadam or fedyogi")]
pub struct UnknownOptimiser;

impl Optimiser {
    /// Whether steps are distances in weights, whatever the gradient's unit.
    pub fn is_adaptive(self) -> bool {
        self.floor().is_some()
    }

    /// τ of the adaptive ones.
    pub fn floor(self) -> Option<f64> {
        match self {
            Self::FedAvg | Self::FedAvgM { .. } => None,
            Self::FedAdagrad(a) | Self::FedYogi(a) | Self::FedAdam(a) => Some(a.floor),
        }
    }

    /// The same with another τ; the optimisers without one stay as they are.
    #[must_use]
    pub fn with_floor(self, floor: f64) -> Self {
        let with = |adaptive: Adaptive| Adaptive { floor, ..adaptive };
        match self {
            Self::FedAvg | Self::FedAvgM { .. } => self,
            Self::FedAdagrad(adaptive) => Self::FedAdagrad(with(adaptive)),
            Self::FedYogi(adaptive) => Self::FedYogi(with(adaptive)),
            Self::FedAdam(adaptive) => Self::FedAdam(with(adaptive)),
        }
    }

    /// The direction of the next step of a head of `weights` numbers, at first.
    pub fn start(self, weights: usize) -> Memory {
        let second = match self {
            Self::FedAvg | Self::FedAvgM { .. } => Vec::new(),
            Self::FedAdagrad(a) | Self::FedYogi(a) | Self::FedAdam(a) => {
                vec![a.floor * a.floor; weights]
            }
        };
        Memory { optimiser: self, first: vec![0.0; weights], second }
    }
}

/// What an optimiser remembers of earlier gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    optimiser: Optimiser,
    /// The direction without its divisor: g, or m.
    first: Vec<f64>,
    /// v; empty for optimisers that divide by nothing.
    second: Vec<f64>,
}

impl Memory {
    /// Takes coordinate `cell` of the next gradient and gives the direction there. Once for each
    /// coordinate and round.
    pub(crate) fn direction(&mut self, cell: usize, gradient: f64) -> f64 {
        let first = &mut self.first[cell];
        let square = gradient * gradient;
        let (adaptive, second) = match self.optimiser {
            Optimiser::FedAvg => return gradient,
            Optimiser::FedAvgM { momentum } => {
                *first = momentum * *first + gradient;
                return *first;
            }
            Optimiser::FedAdagrad(a) => (a, self.second[cell] + square),
            Optimiser::FedYogi(a) => {
                let before = self.second[cell];
                let sign = if before > square { 1.0 } else { -1.0 };
                let moved = if (before - square).abs() > 0.0 { sign } else { 0.0 };
                (a, before - (1.0 - a.second) * square * moved)
            }
            Optimiser::FedAdam(a) => (a, a.second * self.second[cell] + (1.0 - a.second) * square),
        };
        *first = adaptive.first * *first + (1.0 - adaptive.first) * gradient;
        self.second[cell] = second;
        *first / (second.sqrt() + adaptive.floor)
    }
}

impl FromStr for Optimiser {
    type Err = UnknownOptimiser;

    fn from_str(text: &str) -> Result<Self, UnknownOptimiser> {
        match text.split_once(':') {
            Some(("fedavgm", momentum)) => momentum
                .parse()
                .ok()
                .filter(|momentum| (0.0..1.0).contains(momentum))
                .map(|momentum| Self::FedAvgM { momentum })
                .ok_or(UnknownOptimiser),
            Some(_) => Err(UnknownOptimiser),
            None => match text {
                "fedavg" => Ok(Self::FedAvg),
                "fedavgm" => Ok(Self::FedAvgM { momentum: MOMENTUM }),
                "fedadagrad" => Ok(Self::FedAdagrad(Adaptive::default())),
                "fedadam" => Ok(Self::FedAdam(Adaptive::default())),
                "fedyogi" => Ok(Self::FedYogi(Adaptive::default())),
                _ => Err(UnknownOptimiser),
            },
        }
    }
}

impl fmt::Display for Optimiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FedAvg => f.write_str("fedavg"),
            Self::FedAvgM { momentum } => write!(f, "fedavgm:{momentum}"),
            Self::FedAdagrad(_) => f.write_str("fedadagrad"),
            Self::FedYogi(_) => f.write_str("fedyogi"),
            Self::FedAdam(_) => f.write_str("fedadam"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADAPTIVE: Adaptive = Adaptive { first: 0.5, second: 0.75, floor: 1.0 };

    #[track_caller]
    fn check(optimiser: Optimiser, gradients: [f64; 2], expected: [f64; 2]) {
        let mut memory = optimiser.start(1);
        for (gradient, expected) in gradients.into_iter().zip(expected) {
            let got = memory.direction(0, gradient);
            assert!((got - expected).abs() < 1e-12, "{optimiser}: {got} where {expected} is due");
        }
    }

    #[test]
    fn directions_are_those_of_the_formulas() {
        check(Optimiser::FedAvg, [2.0, -1.0], [2.0, -1.0]);
        check(Optimiser::FedAvgM { momentum: 0.5 }, [2.0, -1.0], [2.0, 0.0]);
        // m = 1, then 0; v starts at 1.
        check(Optimiser::FedAdagrad(ADAPTIVE), [2.0, -1.0], [1.0 / (5.0_f64.sqrt() + 1.0), 0.0]);
        // Yogi: 1 < 4, so v = 1 + .25·4 = 2. Adam: .75 + .25·4 = 1.75.
        check(Optimiser::FedYogi(ADAPTIVE), [2.0, -1.0], [1.0 / (2.0_f64.sqrt() + 1.0), 0.0]);
        check(Optimiser::FedAdam(ADAPTIVE), [2.0, -1.0], [1.0 / (1.75_f64.sqrt() + 1.0), 0.0]);
        // Yogi with v above g²: 1 − .25·.25.
        let yogi = 0.25 / (0.9375_f64.sqrt() + 1.0);
        check(Optimiser::FedYogi(ADAPTIVE), [0.5, -0.25], [yogi, 0.0]);
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        for text in ["fedavg", "fedavgm:0.5", "fedadagrad", "fedadam", "fedyogi"] {
            assert_eq!(text.parse::<Optimiser>().unwrap().to_string(), text);
        }
        assert_eq!("fedavgm".parse(), Ok(Optimiser::FedAvgM { momentum: 0.9 }));
        for text in ["", "adam", "fedavgm:1", "fedavgm:nan", "fedadam:3"] {
            assert_eq!(text.parse::<Optimiser>(), Err(UnknownOptimiser), "{text}");
        }
    }

    proptest! {
        /// The unit of gradients is of no account when τ has the same.
        #[test]
        fn adaptive_steps_do_not_depend_on_the_unit(
            gradients in prop::collection::vec(-10.0..10.0, 1..6),
            exponent in -20_i32..20,
        ) {
            let unit = f64::from(exponent).exp2();
            for name in ["fedadagrad", "fedadam", "fedyogi"] {
                let optimiser: Optimiser = name.parse().unwrap();
                let mut plain = optimiser.with_floor(0.5).start(1);
                let mut scaled = optimiser.with_floor(0.5 * unit).start(1);
                for gradient in &gradients {
                    let (a, b) = (plain.direction(0, *gradient), scaled.direction(0, gradient * unit));
                    prop_assert!((a - b).abs() <= 1e-9 * a.abs(), "{}: {} and {}", name, a, b);
                    prop_assert!(a.is_finite());
                }
            }
        }
    }
}
