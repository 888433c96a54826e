//! Golden outputs: rows for which the bundle says what must come out.
//!
//! Before a bundle is used, the site's own engine runs them: a broken kernel, another engine or a
//! backbone that does not belong to its head shows here, not in the labels.

use std::iter::repeat_n;

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::head::{Head, HeadError, HeadKind, HeadShape, narrow};

/// Largest difference of any output, in features, probabilities and confidences.
pub const TOLERANCE: f32 = 1e-4;
/// Most golden rows.
pub const ROWS_MAX: usize = 256;
/// Words of a golden text whose features are kept, of a head of tokens: see [`sampled`].
pub const WORDS_MAX: usize = 8;

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
    /// Features, `[rows, features]`; of a head of tokens those of some words of each text,
    /// `[rows, words × features]`.
    pub features: Vec<Vec<f32>>,
    /// Of each class, after temperature, `[rows, classes]`; of these words' tags
    /// `[rows, words × tags]`.
    pub probabilities: Vec<Vec<f32>>,
    /// Calibrated confidence of the best class, of the whole set of several, or of these words as if
    /// they were a text, `[rows]`.
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
    /// Reads golden outputs of a bundle of so many columns (none for texts) and a head of this form.
    ///
    /// # Errors
    /// [`GoldenError::Malformed`] or [`GoldenError::Shape`].
    pub fn decode(bytes: &[u8], columns: usize, head: HeadShape) -> Result<Self, GoldenError> {
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
        shape("row", &golden.rows, repeat_n(columns, golden.rows.len()))?;
        let (features, outputs) = (head.features, head.outputs());
        if head.kind == HeadKind::Tokens {
            length("features", golden.features.len(), rows)?;
            let lengths = golden.features.iter().map(Vec::len);
            let want = WORDS_MAX.saturating_mul(features);
            let fits = |got: &usize| got.is_multiple_of(features.max(1)) && *got <= want;
            if let Some(got) = lengths.clone().find(|got| !fits(got)) {
                return Err(GoldenError::Shape { what: "features of words", got, want });
            }
            let wanted =
                lengths.map(|features_of_words| features_of_words / features.max(1) * outputs);
            shape("probabilities", &golden.probabilities, wanted)?;
        } else {
            shape("features", &golden.features, repeat_n(features, rows))?;
            shape("probabilities", &golden.probabilities, repeat_n(outputs, rows))?;
        }
        length("confidences", golden.confidences.len(), rows)?;
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
            let judged = calibration.judge(head.shape(), &probabilities);
            golden.confidences.push(narrow(judged.confidence));
            golden.probabilities.push(probabilities.into_iter().map(narrow).collect());
        }
        Ok(golden)
    }

    /// The backbone's inputs, row-major, NaN for missing.
    pub fn input(&self) -> Vec<f32> {
        self.rows.iter().flatten().map(|cell| cell.unwrap_or(f32::NAN)).collect()
    }

    /// Compares with what an engine gave, all rows one after another.
    ///
    /// # Errors
    /// [`GoldenError::Shape`] or [`GoldenError::Differs`].
    pub fn check_features(&self, found: &[f32]) -> Result<(), GoldenError> {
        let want: usize = self.features.iter().map(Vec::len).sum();
        length("features", found.len(), want)?;
        let mut rest = found;
        let rows = self.features.iter().map(|row| {
            let (found, after) = rest.split_at(row.len());
            rest = after;
            found
        });
        same("features", &self.features, rows)
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

/// Features of at most [`WORDS_MAX`] of a text's words, from the first to the last: all would make a
/// golden text of a few hundred words some megabytes.
pub fn sampled(features: &[f32], width: usize) -> Vec<f32> {
    let words: Vec<&[f32]> = features.chunks_exact(width.max(1)).collect();
    let kept = words.len().min(WORDS_MAX);
    let last = words.len().saturating_sub(1);
    let place = |at: usize| words[at * last / (kept - 1).max(1)];
    (0..kept).flat_map(place).copied().collect()
}

/// Refuses a table that has not a row of each wanted length.
fn shape<T>(
    what: &'static str,
    table: &[Vec<T>],
    wanted: impl ExactSizeIterator<Item = usize>,
) -> Result<(), GoldenError> {
    length(what, table.len(), wanted.len())?;
    table.iter().zip(wanted).try_for_each(|(row, want)| length(what, row.len(), want))
}

fn length(what: &'static str, got: usize, want: usize) -> Result<(), GoldenError> {
    if got == want { Ok(()) } else { Err(GoldenError::Shape { what, got, want }) }
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
        let head = HeadShape::softmax;
        assert_eq!(Golden::decode(&bytes, 1, head(2, 2)).unwrap(), golden());
        for (columns, head) in [(2, head(2, 2)), (1, head(2, 3)), (1, head(3, 2))] {
            let wrong = Golden::decode(&bytes, columns, head);
            assert!(matches!(wrong, Err(GoldenError::Shape { .. })));
        }
        let none = br#"{"rows":[],"features":[],"probabilities":[],"confidences":[]}"#;
        assert!(matches!(
            Golden::decode(none, 1, head(2, 2)),
            Err(GoldenError::Shape { got: 0, .. })
        ));
        assert!(matches!(Golden::decode(b"{", 1, head(2, 2)), Err(GoldenError::Malformed { .. })));
    }

    #[test]
    fn texts_of_a_head_of_tokens_keep_some_of_their_words() {
        let features: Vec<f32> = (0_u8..40).map(f32::from).collect();
        let kept = sampled(&features, 2); // of 20 words 8, the first and the last among them
        assert_eq!(kept.len(), 16);
        assert_eq!((kept[..2].to_vec(), kept[14..].to_vec()), (vec![0.0, 1.0], vec![38.0, 39.0]));
        assert_eq!(sampled(&features[..4], 2), features[..4]);
        assert_eq!((sampled(&features[..2], 2), sampled(&[], 2)), (vec![0.0, 1.0], vec![]));

        let head = Head::of_tokens(1, 2).unwrap();
        let texts = vec!["a b".to_owned(), String::new()];
        let empty = Golden { rows: Vec::new(), texts, features: Vec::new(), ..golden() };
        let given = Golden { features: vec![vec![0.5, 0.5, 0.0, 1.0], Vec::new()], ..empty };
        let outputs = given.under(&head, &Calibration::identity()).unwrap();
        assert_eq!(outputs.probabilities.iter().map(Vec::len).collect::<Vec<_>>(), [6, 0]);
        let decode = |golden: &Golden| {
            Golden::decode(&golden.encode().unwrap(), 0, head.shape()).map(|_| ())
        };
        decode(&outputs).unwrap();
        outputs.check_features(&[0.5, 0.5, 0.0, 1.0]).unwrap();
        assert!(outputs.check_features(&[0.5, 0.5, 0.0, 0.5]).is_err());
        // The first text's are there, and the other text's are not.
        let short = Golden { features: outputs.features[..1].to_vec(), ..outputs.clone() };
        assert!(matches!(
            decode(&short),
            Err(GoldenError::Shape { what: "features", got: 1, want: 2 })
        ));
        let many = Golden { features: vec![vec![0.0; 18], Vec::new()], ..outputs.clone() };
        assert!(matches!(decode(&many), Err(GoldenError::Shape { got: 18, want: 16, .. })));
        let uneven = Golden { features: vec![vec![0.0; 3], Vec::new()], ..outputs.clone() };
        assert!(matches!(decode(&uneven), Err(GoldenError::Shape { got: 3, .. })));
        let other = Golden { probabilities: vec![vec![0.0; 3], Vec::new()], ..outputs };
        assert!(matches!(decode(&other), Err(GoldenError::Shape { what: "probabilities", .. })));
    }
}
