//! Golden outputs: rows for which the bundle says what must come out.
//!
//! Before a bundle is used, the site's own engine runs them: a broken kernel, another engine or a
//! backbone that does not belong to its head shows here, not in the labels.

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::head::{Head, HeadError, narrow};

/// Largest difference of any output, in features, probabilities and confidences.
pub const TOLERANCE: f32 = 1e-4;
/// Most golden rows.
pub const ROWS_MAX: usize = 256;

/// Rows and what comes out of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Backbone inputs, `[rows, columns]`; null is missing. None for a backbone of tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Vec<Option<f32>>>,
    /// Texts in place of rows, for a backbone of tokens. They are nobody's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// Backbone outputs, `[rows, features]`.
    pub features: Vec<Vec<f32>>,
    /// Of each class, after temperature, `[rows, classes]`.
    pub probabilities: Vec<Vec<f32>>,
    /// Calibrated confidence of the best class, or of the whole set of several, `[rows]`.
    pub confidences: Vec<f32>,
}

/// Why golden outputs are refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// Not the JSON of golden outputs.
    #[error("malformed golden outputs")]
    Malformed {
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A table that does not fit the manifest, or too many rows, or none.
    #[error("golden {what}: {got} given, {want} wanted")]
    Shape {
        /// Which table.
        what: &'static str,
        /// Entries found.
        got: usize,
        /// Entries needed, or most allowed.
        want: usize,
    },
    /// A head that does not fit the features.
    #[error("the head does not fit the golden features")]
    Head {
        /// What does not fit.
        source: HeadError,
    },
    /// An output that differs.
    #[error("golden row {row}: {what} differ by {difference} where {TOLERANCE} is allowed")]
    Differs {
        /// Row, from 1.
        row: usize,
        /// Which output.
        what: &'static str,
        /// Largest difference in the row; NaN when something is not a number.
        difference: f32,
    },
}

impl Golden {
    /// Reads golden outputs of a bundle of so many columns (none for texts), features and classes.
    ///
    /// # Errors
    /// [`GoldenError::Malformed`] or [`GoldenError::Shape`].
    pub fn decode(
        bytes: &[u8],
        columns: usize,
        features: usize,
        classes: usize,
    ) -> Result<Self, GoldenError> {
        let golden: Self =
            serde_json::from_slice(bytes).map_err(|source| GoldenError::Malformed { source })?;
        let (rows, others) = if columns == 0 {
            (golden.texts.len(), golden.rows.len())
        } else {
            (golden.rows.len(), golden.texts.len())
        };
        if others > 0 {
            return Err(GoldenError::Shape {
                what: "inputs of another kind",
                got: others,
                want: 0,
            });
        }
        if rows == 0 || rows > ROWS_MAX {
            return Err(GoldenError::Shape { what: "rows", got: rows, want: ROWS_MAX });
        }
        shape("row", golden.rows.iter().map(Vec::len), golden.rows.len(), columns)?;
        shape("features", golden.features.iter().map(Vec::len), rows, features)?;
        shape("probabilities", golden.probabilities.iter().map(Vec::len), rows, classes)?;
        let confidences = golden.confidences.len();
        if confidences != rows {
            return Err(GoldenError::Shape { what: "confidences", got: confidences, want: rows });
        }
        Ok(golden)
    }

    /// The JSON that [`Golden::decode`] reads.
    ///
    /// # Errors
    /// [`GoldenError::Malformed`], which finite numbers never give.
    pub fn encode(&self) -> Result<Vec<u8>, GoldenError> {
        let mut bytes =
            serde_json::to_vec(self).map_err(|source| GoldenError::Malformed { source })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The same rows and features under another head: no engine is needed for that.
    ///
    /// # Errors
    /// [`GoldenError::Head`].
    pub fn under(&self, head: &Head, calibration: &Calibration) -> Result<Self, GoldenError> {
        let mut golden =
            Self { probabilities: Vec::new(), confidences: Vec::new(), ..self.clone() };
        for features in &self.features {
            let probabilities = head
                .probabilities(features, calibration.temperature)
                .map_err(|source| GoldenError::Head { source })?;
            let judged = calibration.judge(head.shape().kind, &probabilities);
            golden.confidences.push(narrow(judged.confidence));
            golden.probabilities.push(probabilities.into_iter().map(narrow).collect());
        }
        Ok(golden)
    }

    /// The backbone's inputs, row-major, NaN for missing.
    pub fn input(&self) -> Vec<f32> {
        self.rows.iter().flatten().map(|cell| cell.unwrap_or(f32::NAN)).collect()
    }

    /// Compares with what an engine gave, row-major `[rows, features]`.
    ///
    /// # Errors
    /// [`GoldenError::Shape`] or [`GoldenError::Differs`].
    pub fn check_features(&self, found: &[f32]) -> Result<(), GoldenError> {
        let width = self.features.first().map_or(1, Vec::len);
        let want = width * self.features.len();
        if found.len() != want {
            return Err(GoldenError::Shape { what: "features", got: found.len(), want });
        }
        same("features", &self.features, found.chunks_exact(width))
    }

    /// Compares with the same golden rows under the bundle's own head ([`Golden::under`]).
    ///
    /// # Errors
    /// [`GoldenError::Differs`].
    pub fn check_outputs(&self, found: &Self) -> Result<(), GoldenError> {
        same("probabilities", &self.probabilities, found.probabilities.iter().map(Vec::as_slice))?;
        same("confidences", self.confidences.chunks(1), found.confidences.chunks(1))
    }
}

fn shape(
    what: &'static str,
    lengths: impl ExactSizeIterator<Item = usize>,
    rows: usize,
    want: usize,
) -> Result<(), GoldenError> {
    if lengths.len() != rows {
        return Err(GoldenError::Shape { what, got: lengths.len(), want: rows });
    }
    for got in lengths {
        if got != want {
            return Err(GoldenError::Shape { what, got, want });
        }
    }
    Ok(())
}

fn same<'a, T: AsRef<[f32]>>(
    what: &'static str,
    wanted: impl IntoIterator<Item = T>,
    found: impl IntoIterator<Item = &'a [f32]>,
) -> Result<(), GoldenError> {
    for (index, (wanted, found)) in wanted.into_iter().zip(found).enumerate() {
        let differences = wanted.as_ref().iter().zip(found).map(|(a, b)| (a - b).abs());
        // `f32::max` would drop a NaN; a broken kernel must not pass by giving one.
        let largest = differences.fold(0.0, |a: f32, b| if b.is_nan() || b > a { b } else { a });
        if largest.is_nan() || largest > TOLERANCE {
            return Err(GoldenError::Differs { row: index + 1, what, difference: largest });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> Golden {
        Golden {
            rows: vec![vec![Some(1.0)], vec![None]],
            texts: Vec::new(),
            features: vec![vec![0.5, 0.5], vec![0.25, 0.0]],
            probabilities: vec![vec![0.5, 0.5], vec![0.5, 0.5]],
            confidences: vec![0.5, 0.5],
        }
    }

    #[test]
    fn a_difference_is_found_wherever_it_is() {
        let golden = golden();
        assert!(golden.check_features(&[0.5, 0.5, 0.25, 0.00005]).is_ok());
        for wrong in [0.001, -0.001, f32::NAN, f32::INFINITY] {
            let found = golden.check_features(&[0.5, 0.5, wrong, 0.0]);
            assert!(matches!(found, Err(GoldenError::Differs { row: 2, what: "features", .. })));
        }
        // NaN in front of a good value must not be forgotten.
        assert!(golden.check_features(&[f32::NAN, 0.5, 0.25, 0.0]).is_err());
        assert!(golden.check_features(&[0.5, 0.5, 0.25]).is_err());
    }

    #[test]
    fn another_head_gives_other_outputs_from_the_same_features() {
        let head = Head::new(2, 2, vec![0.0, 0.0, 0.0, 0.0]).unwrap();
        let same = golden().under(&head, &Calibration::identity()).unwrap();
        assert!(golden().check_outputs(&same).is_ok());
        let head = Head::new(2, 2, vec![1.0, 0.0, 0.0, 0.0]).unwrap();
        let other = golden().under(&head, &Calibration::identity()).unwrap();
        assert!(matches!(
            golden().check_outputs(&other),
            Err(GoldenError::Differs { row: 1, what: "probabilities", .. })
        ));
        assert_eq!(other.features, golden().features);
    }

    #[test]
    fn tables_must_fit() {
        let bytes = golden().encode().unwrap();
        assert_eq!(Golden::decode(&bytes, 1, 2, 2).unwrap(), golden());
        for (columns, features, classes) in [(2, 2, 2), (1, 3, 2), (1, 2, 3)] {
            let wrong = Golden::decode(&bytes, columns, features, classes);
            assert!(matches!(wrong, Err(GoldenError::Shape { .. })));
        }
        let none = br#"{"rows":[],"features":[],"probabilities":[],"confidences":[]}"#;
        assert!(matches!(Golden::decode(none, 1, 2, 2), Err(GoldenError::Shape { got: 0, .. })));
        assert!(matches!(Golden::decode(b"{", 1, 2, 2), Err(GoldenError::Malformed { .. })));
    }
}
