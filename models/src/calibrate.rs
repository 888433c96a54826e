//! A calibration, fitted on labeled rows that the head has not learned from.
//!
//! Temperature first; where there are [`ISOTONIC_ROWS_MIN`] rows, then a monotone map from the best
//! probability to the share of right answers. Fewer rows would make such a map of chance.

use insitu_measure::MeasureError;
use insitu_measure::calibration::{Isotonic, Logits, Reliability, fit_temperature};

use crate::calibration::{Calibration, KNOTS_MAX};
use crate::head::{Head, HeadError, HeadKind};

/// Fewest rows for a temperature.
pub const ROWS_MIN: usize = 50;
/// Fewest rows for a map after it.
pub const ISOTONIC_ROWS_MIN: usize = 1000;
/// Least probability whose logarithm is taken.
const LEAST: f64 = 1e-300;
/// Bins of the calibration error.
const BINS: usize = 10;

/// A calibration, and what it changes on the rows that it was fitted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// What was fitted.
    pub calibration: Calibration,
    /// Rows.
    pub rows: usize,
    /// Expected calibration error without it, in `[0, 1]`.
    pub error_before: f64,
    /// With it: a little flattered, as it was fitted on the same rows.
    pub error_after: f64,
}

/// Why nothing is fitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// Too few rows.
    #[error("{got} rows where {ROWS_MIN} are needed to fit a temperature")]
    Few {
        /// Rows given.
        got: usize,
    },
    /// A head whose answers are not one class.
    #[error("a head of the kind {kind} has no temperature to fit: its answers are not one class")]
    Kind {
        /// The head's.
        kind: HeadKind,
    },
    /// Features that the head does not take.
    #[error("the features are not the head's")]
    Head {
        /// What is wrong.
        #[from]
        source: HeadError,
    },
    /// What cannot be fitted: all rows alike, say.
    #[error("the rows allow no fit")]
    Measure {
        /// Why not.
        #[from]
        source: MeasureError,
    },
}

/// Fits a calibration for `head` on rows, their features row-major, each with its class.
///
/// # Errors
/// [`CalibrateError`].
pub fn fit(head: &Head, features: &[f32], classes: &[u32]) -> Result<Fitted, CalibrateError> {
    let shape = head.shape();
    if !shape.kind.is_of_one_class() {
        return Err(CalibrateError::Kind { kind: shape.kind });
    }
    if classes.len() < ROWS_MIN {
        return Err(CalibrateError::Few { got: classes.len() });
    }
    let rows = || features.chunks_exact(shape.features);
    let mut logits = Vec::with_capacity(classes.len() * shape.classes);
    for row in rows() {
        // What a softmax takes the exponents of, but for a constant.
        logits.extend(head.probabilities(row, 1.0)?.into_iter().map(|p| p.max(LEAST).ln()));
    }
    let logits = Logits::new(shape.classes, &logits).map_err(MeasureError::from)?;
    let temperature = fit_temperature(logits, classes)?.value.clamp(0.001, 1000.0);
    let mut calibration = Calibration { temperature, ..Calibration::identity() };
    let judged = |calibration: &Calibration| {
        let mut confidence = Vec::with_capacity(classes.len());
        let mut right = Vec::with_capacity(classes.len());
        for (row, class) in rows().zip(classes) {
            let probabilities = head.probabilities(row, calibration.temperature)?;
            let judgement = calibration.judge(shape, &probabilities);
            confidence.push(judgement.confidence);
            right.push(u32::try_from(judgement.class) == Ok(*class));
        }
        Ok::<_, CalibrateError>((confidence, right))
    };
    let error = |(confidence, right): &(Vec<f64>, Vec<bool>)| -> Result<f64, CalibrateError> {
        let diagram =
            Reliability::equal_width(BINS, confidence, right).map_err(MeasureError::from)?;
        Ok(diagram.expected_calibration_error().map_err(MeasureError::from)?)
    };
    let error_before = error(&judged(&Calibration::identity())?)?;
    let scaled = judged(&calibration)?;
    if classes.len() >= ISOTONIC_ROWS_MIN {
        calibration.knots = knots(&scaled.0, &scaled.1, shape.chance())?;
    }
    let error_after = error(&judged(&calibration)?)?;
    Ok(Fitted { calibration, rows: classes.len(), error_before, error_after })
}

/// A monotone map from confidences to the share of right answers, as a [`Calibration`] keeps it.
///
/// # Errors
/// [`MeasureError`] without any, or for what is no confidence.
pub fn knots(
    confidence: &[f64],
    right: &[bool],
    chance: f64,
) -> Result<Vec<[f64; 2]>, MeasureError> {
    let values: Vec<f64> = right.iter().map(|right| f64::from(u8::from(*right))).collect();
    let curve = Isotonic::fit(confidence, &values)?;
    let all = curve.knots();
    // Evenly thinned, both ends kept.
    let kept = all.len().min(KNOTS_MAX);
    let at = |place: usize| all[place * (all.len() - 1) / kept.max(2).saturating_sub(1)];
    let mut knots: Vec<[f64; 2]> = Vec::with_capacity(kept);
    for [from, to] in (0..kept).map(at) {
        let knot = [from.clamp(0.0, 1.0), to.clamp(chance, 1.0)];
        if knots.last().is_none_or(|last| last[0] < knot[0]) {
            knots.push(knot);
        }
    }
    Ok(knots)
}

impl Calibration {
    /// Whether somebody has fitted it: the identity says of no confidence how often it is right.
    pub fn is_fitted(&self) -> bool {
        let Self { temperature, knots, thresholds: _ } = self;
        temperature.to_bits() != 1.0_f64.to_bits() || !knots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head of two classes over one feature, whose probability of the second is `1/(1+e^-x)`.
    fn head() -> Head {
        Head::new(2, 1, vec![-0.5, 0.5]).unwrap()
    }

    /// So many rows at 4, where the head is 98 % sure, of which three in four are right.
    fn rows(count: usize) -> (Vec<f32>, Vec<u32>) {
        (vec![4.0; count], (0..count).map(|row| u32::from(row % 4 != 0)).collect())
    }

    #[test]
    fn a_head_that_is_too_sure_is_as_sure_as_it_is_right() {
        let (features, classes) = rows(400);
        let fitted = fit(&head(), &features, &classes).unwrap();
        assert!(fitted.calibration.is_fitted() && fitted.calibration.knots.is_empty());
        assert!(fitted.calibration.temperature > 2.0);
        assert!(fitted.error_before > 0.2 && fitted.error_after < 0.01, "{fitted:?}");
        assert_eq!(fitted.rows, 400);
    }

    #[test]
    fn with_many_rows_a_map_follows() {
        let (mut features, mut classes) = rows(800);
        // A little less sure, and always right: no temperature gives both.
        features.extend(vec![2.0; 400]);
        classes.extend(vec![1; 400]);
        let fitted = fit(&head(), &features, &classes).unwrap();
        assert!(!fitted.calibration.knots.is_empty());
        assert!(fitted.error_after < fitted.error_before);
        let shape = head().shape();
        assert_eq!(fitted.calibration.check(shape), Ok(()));
    }

    #[test]
    fn few_rows_fit_nothing() {
        let (features, classes) = rows(ROWS_MIN - 1);
        let refused = fit(&head(), &features, &classes);
        assert!(matches!(refused, Err(CalibrateError::Few { got: 49 })));
        assert!(!Calibration::identity().is_fitted());
    }

    #[test]
    fn many_levels_are_thinned() {
        let confidence: Vec<f64> = (0..2000).map(|row| f64::from(row) / 2000.0).collect();
        let right: Vec<bool> = (0..2000).map(|row| (row * row / 7) % 2000 < row).collect();
        let knots = knots(&confidence, &right, 0.5).unwrap();
        assert!(knots.len() > 2 && knots.len() <= KNOTS_MAX);
        assert!(knots.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1]));
    }
}
