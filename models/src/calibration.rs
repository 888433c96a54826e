//! From a head's probabilities to a confidence that is right as often as it says.
//!
//! Temperature first, then a monotone piecewise-linear map of the best probability, both fitted when
//! the bundle was made (temperature scaling: Guo, Pleiss, Sun, Weinberger, *On calibration of modern
//! neural networks*, 2017; isotonic regression: Zadrozny, Elkan, 2002).

use serde::{Deserialize, Serialize};

use crate::head::{HeadKind, HeadShape};
use crate::tokens;

/// Most knots of the map.
pub const KNOTS_MAX: usize = 64;

/// Temperature and monotone map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Logits are divided by it before the softmax.
    pub temperature: f64,
    /// `[best probability, confidence]`, both ascending; empty is the identity. Of a head of several
    /// classes: of the probability that the whole set is right. Of a head of tokens: of the least
    /// probability of a word's tag.
    pub knots: Vec<[f64; 2]>,
    /// Of a head of several classes: the probability above which a class is said, for each class;
    /// empty is one half for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<f64>,
}

/// What probabilities come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The most probable class; of tokens 0, as a text has none.
    pub class: usize,
    /// The classes that are said, ascending: that one, or of several each above its threshold. Of
    /// tokens none.
    pub classes: Vec<usize>,
    /// Of tokens: of each word, by the most probable path; else none.
    pub tags: Vec<u16>,
    /// How often a judgement like this one is right as a whole, in `[0, 1]`.
    pub confidence: f64,
}

/// Why a calibration is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// Not the JSON of a calibration.
    #[error("malformed calibration")]
    Malformed,
    /// Not a positive, finite temperature.
    #[error("temperature {got} where 0.001 to 1000 is allowed")]
    Temperature {
        /// Value found.
        got: f64,
    },
    /// Thresholds that are not one probability for each class.
    #[error("{got} thresholds between 0 and 1 where {want} are wanted")]
    Thresholds {
        /// Usable ones found.
        got: usize,
        /// Classes.
        want: usize,
    },
    /// More than [`KNOTS_MAX`].
    #[error("{got} knots where {KNOTS_MAX} are allowed")]
    Knots {
        /// Knots found.
        got: usize,
    },
    /// A knot that is no probability, or does not rise from the one before.
    #[error("knot number {position} is out of range or does not rise")]
    Falls {
        /// Position, from 1.
        position: usize,
    },
}

impl Calibration {
    /// The calibration that changes nothing.
    pub fn identity() -> Self {
        Self { temperature: 1.0, knots: Vec::new(), thresholds: Vec::new() }
    }

    /// What the probabilities of a head of this form, at this temperature, come to.
    ///
    /// A set of several classes is as probable as each of them being in and each other being out:
    /// the product, as the head takes them for independent. A text's tags are as sure as the least
    /// sure of them, marked or not, as a span that is missing is a mistake too; their product would
    /// be next to nothing for any long text, whose words are far from independent.
    pub fn judge(&self, shape: HeadShape, probabilities: &[f64]) -> Judgement {
        let (class, best) = probabilities
            .iter()
            .copied()
            .enumerate()
            .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        let confidence = |raw| self.confidence(raw, shape.chance());
        match shape.kind {
            HeadKind::Softmax | HeadKind::Adapter { .. } => Judgement {
                class,
                classes: vec![class],
                tags: Vec::new(),
                confidence: confidence(best),
            },
            HeadKind::MultiLabel => {
                let threshold = |class: usize| self.thresholds.get(class).copied().unwrap_or(0.5);
                let (mut classes, mut whole) = (Vec::new(), 1.0);
                for (class, p) in probabilities.iter().copied().enumerate() {
                    if p > threshold(class) {
                        classes.push(class);
                        whole *= p;
                    } else {
                        whole *= 1.0 - p;
                    }
                }
                Judgement { class, classes, tags: Vec::new(), confidence: confidence(whole) }
            }
            HeadKind::Tokens => {
                let path = tokens::decode(probabilities, shape.outputs());
                let confidence = confidence(path.least);
                Judgement { class: 0, classes: Vec::new(), tags: path.tags, confidence }
            }
        }
    }

    /// Confidence, in `[chance, 1]`, of what has the probability `best`.
    ///
    /// Linear between knots, constant beyond them.
    pub fn confidence(&self, best: f64, chance: f64) -> f64 {
        let above = self.knots.partition_point(|[from, _]| *from < best);
        let value = match (above.checked_sub(1).map(|i| self.knots[i]), self.knots.get(above)) {
            (None, None) => best,
            (None, Some([_, to])) => *to,
            (Some([_, to]), None) => to,
            (Some([x0, y0]), Some([x1, y1])) => y0 + (y1 - y0) * (best - x0) / (x1 - x0),
        };
        value.clamp(chance, 1.0)
    }

    /// Reads the JSON of a manifest's calibration, for a head of this form.
    ///
    /// # Errors
    /// [`CalibrationError`].
    pub fn decode(bytes: &[u8], shape: HeadShape) -> Result<Self, CalibrationError> {
        let calibration: Self =
            serde_json::from_slice(bytes).map_err(|_| CalibrationError::Malformed)?;
        calibration.check(shape)?;
        Ok(calibration)
    }

    /// The JSON that [`Calibration::decode`] reads.
    ///
    /// # Errors
    /// [`CalibrationError::Malformed`], which finite numbers never give.
    pub fn encode(&self) -> Result<Vec<u8>, CalibrationError> {
        serde_json::to_vec(self).map_err(|_| CalibrationError::Malformed)
    }

    /// Checks temperature, thresholds and knots for a head of this form.
    pub(crate) fn check(&self, shape: HeadShape) -> Result<(), CalibrationError> {
        let classes = shape.classes;
        if !(0.001..=1000.0).contains(&self.temperature) {
            return Err(CalibrationError::Temperature { got: self.temperature });
        }
        let usable = self.thresholds.iter().filter(|at| (0.0..=1.0).contains(*at)).count();
        if !self.thresholds.is_empty() && (usable, self.thresholds.len()) != (classes, classes) {
            return Err(CalibrationError::Thresholds { got: usable, want: classes });
        }
        if self.knots.len() > KNOTS_MAX {
            return Err(CalibrationError::Knots { got: self.knots.len() });
        }
        let mut before = [f64::NEG_INFINITY, shape.chance()];
        for (index, knot) in self.knots.iter().enumerate() {
            let in_range = knot.iter().all(|value| (0.0..=1.0).contains(value));
            if !in_range || knot[0] <= before[0] || knot[1] < before[1] {
                return Err(CalibrationError::Falls { position: index + 1 });
            }
            before = *knot;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(kind: HeadKind, classes: usize) -> HeadShape {
        HeadShape { kind, classes, features: 1 }
    }

    fn calibration() -> Calibration {
        Calibration { knots: vec![[0.5, 0.5], [0.75, 0.5], [0.9, 0.8]], ..Calibration::identity() }
    }

    #[test]
    fn knots_are_joined_by_lines_and_held_at_the_ends() {
        for (best, expected) in
            [(0.5, 0.5), (0.6, 0.5), (0.75, 0.5), (0.825, 0.65), (0.9, 0.8), (1.0, 0.8)]
        {
            let got = calibration().confidence(best, 0.5);
            assert!((got - expected).abs() < 1e-12, "{best}: {got}");
        }
        assert!((Calibration::identity().confidence(0.7, 0.5) - 0.7).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_rise_is_refused() {
        let check = |temperature, knots: &[[f64; 2]]| {
            Calibration { temperature, knots: knots.to_vec(), thresholds: Vec::new() }
                .check(HeadShape::softmax(2, 1))
        };
        assert_eq!(check(1.0, &[[0.5, 0.6], [0.7, 0.6]]), Ok(()));
        assert_eq!(
            check(1.0, &[[0.5, 0.6], [0.7, 0.5]]),
            Err(CalibrationError::Falls { position: 2 })
        );
        assert_eq!(
            check(1.0, &[[0.5, 0.6], [0.5, 0.7]]),
            Err(CalibrationError::Falls { position: 2 })
        );
        assert_eq!(check(1.0, &[[0.5, 0.4]]), Err(CalibrationError::Falls { position: 1 }));
        assert_eq!(check(1.0, &[[0.5, f64::NAN]]), Err(CalibrationError::Falls { position: 1 }));
        assert_eq!(check(0.0, &[]), Err(CalibrationError::Temperature { got: 0.0 }));
        assert!(check(f64::NAN, &[]).is_err());
        let many: Vec<[f64; 2]> = (0..=KNOTS_MAX).map(|i| [i as f64 / 100.0, 1.0]).collect();
        assert_eq!(check(1.0, &many), Err(CalibrationError::Knots { got: KNOTS_MAX + 1 }));
    }

    #[test]
    fn several_classes_are_said_above_their_thresholds_and_are_as_sure_as_all_of_them() {
        let plain = Calibration::identity();
        let found = plain.judge(shape(HeadKind::MultiLabel, 3), &[0.9, 0.2, 0.6]);
        assert_eq!((found.class, found.classes), (0, vec![0, 2]));
        assert!((found.confidence - 0.9 * 0.8 * 0.6).abs() < 1e-12);
        let strict = Calibration { thresholds: vec![0.95, 0.1, 0.5], ..plain.clone() };
        assert_eq!(strict.judge(shape(HeadKind::MultiLabel, 3), &[0.9, 0.2, 0.6]).classes, [1, 2]);
        assert!(plain.judge(shape(HeadKind::MultiLabel, 2), &[0.1, 0.2]).classes.is_empty());
        assert_eq!(plain.judge(HeadShape::softmax(2, 1), &[0.4, 0.6]).classes, [1]);
        assert_eq!(strict.check(shape(HeadKind::MultiLabel, 3)), Ok(()));
        for thresholds in [vec![0.5], vec![0.5, 0.5, 1.5], vec![0.5, f64::NAN, 0.5]] {
            let got =
                Calibration { thresholds, ..plain.clone() }.check(shape(HeadKind::MultiLabel, 3));
            assert!(matches!(got, Err(CalibrationError::Thresholds { want: 3, .. })), "{got:?}");
        }
        // What does not say thresholds reads and writes as before.
        let json = plain.encode().unwrap();
        assert!(!String::from_utf8(json.clone()).unwrap().contains("thresholds"));
        assert_eq!(Calibration::decode(&json, HeadShape::softmax(2, 1)).unwrap(), plain);
    }

    #[test]
    fn a_text_is_as_sure_as_its_least_sure_word() {
        let tokens = shape(HeadKind::Tokens, 1);
        let found =
            Calibration::identity().judge(tokens, &[0.1, 0.9, 0.0, 0.2, 0.1, 0.7, 0.8, 0.1, 0.1]);
        assert_eq!((found.tags, found.classes), (vec![1, 2, 0], vec![]));
        assert!((found.confidence - 0.7).abs() < 1e-12);
        let low = Calibration { knots: vec![[0.5, 0.01], [0.9, 0.2]], ..Calibration::identity() };
        assert_eq!(low.check(tokens), Ok(()));
        assert!((low.judge(tokens, &[0.5, 0.5, 0.0]).confidence - 0.01).abs() < 1e-12);
        assert!((low.judge(tokens, &[]).confidence - 0.2).abs() < 1e-12, "nothing to mark");
    }

    proptest! {
        #[test]
        fn more_probable_is_never_less_confident(a in 0.5..=1.0, b in 0.5..=1.0) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            let calibration = calibration();
            prop_assert!(calibration.confidence(low, 0.5) <= calibration.confidence(high, 0.5));
        }
    }
}
