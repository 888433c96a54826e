//! Kinds of heads and their forms: what is needed to read a head's weights.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Head, HeadError};
use crate::tokens;

/// Most units of an adapter's hidden layer.
pub const UNITS_MAX: usize = 4096;

/// Of tokens: see [`HeadShape::sharing`]. Of English sentences with spans of 1 and of 5 classes a third
/// and three times of it find fewer again, with noise and without.
const TAGS_SHARING: usize = 10;

/// What a head makes of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// One class: a softmax over a linear layer, `[classes, features]`.
    #[default]
    Softmax,
    /// One class: a softmax over a hidden layer, `softmax(V·tanh(U·x))`; its weights are U
    /// `[units, features]`, then V `[classes, units]`.
    Adapter {
        /// Units of the hidden layer.
        units: usize,
    },
    /// Any number of classes, also none: a logistic function for each row of `[classes, features]`.
    MultiLabel,
    /// Spans of a text: for each of its words a softmax over `[1 + 2·classes, features]`, whose rows
    /// are the tags of [`crate::tokens`].
    Tokens,
}

/// The form of a head: all that is needed to read its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadShape {
    /// What it computes.
    pub kind: HeadKind,
    /// Number of classes.
    pub classes: usize,
    /// Number of features, of an item or of a word.
    pub features: usize,
}

impl HeadKind {
    /// Whether an item has exactly one class.
    pub fn is_of_one_class(self) -> bool {
        match self {
            Self::Softmax | Self::Adapter { .. } => true,
            Self::MultiLabel | Self::Tokens => false,
        }
    }
}

impl fmt::Display for HeadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Softmax => f.write_str("softmax"),
            Self::Adapter { units } => write!(f, "adapter:{units}"),
            Self::MultiLabel => f.write_str("multi-label"),
            Self::Tokens => f.write_str("tokens"),
        }
    }
}

impl FromStr for HeadKind {
    type Err = String;

    /// Reads what [`HeadKind`] shows.
    fn from_str(text: &str) -> Result<Self, String> {
        let units = |text: &str| text.parse().ok().filter(|units| (1..=UNITS_MAX).contains(units));
        match text {
            "softmax" => Ok(Self::Softmax),
            "multi-label" => Ok(Self::MultiLabel),
            "tokens" => Ok(Self::Tokens),
            _ => text
                .strip_prefix("adapter:")
                .and_then(units)
                .map(|units| Self::Adapter { units })
                .ok_or_else(|| {
                    format!(
                        "none of softmax, multi-label, tokens, adapter:UNITS with 1 to {UNITS_MAX} units"
                    )
                }),
        }
    }
}

impl HeadShape {
    /// That of a softmax head.
    pub fn softmax(classes: usize, features: usize) -> Self {
        Self { kind: HeadKind::Softmax, classes, features }
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        let Self { kind, classes, features } = *self;
        match kind {
            HeadKind::Softmax | HeadKind::MultiLabel | HeadKind::Tokens => {
                self.outputs().saturating_mul(features)
            }
            HeadKind::Adapter { units } => {
                units.saturating_mul(features).saturating_add(classes.saturating_mul(units))
            }
        }
    }

    /// Probabilities of an item, or of each of its words: of classes, or of tags.
    pub fn outputs(&self) -> usize {
        match self.kind {
            HeadKind::Softmax | HeadKind::Adapter { .. } | HeadKind::MultiLabel => self.classes,
            HeadKind::Tokens => tokens::tags(self.classes),
        }
    }

    /// How many outputs share a probability: all of them, or 1 where each stands alone. The
    /// curvature of the loss along an output's weights is of the order of its inverse. Of tokens it
    /// is as if some few did, however many classes there are: most words are outside of every span,
    /// and what is learned first is to tell them from the others.
    pub fn sharing(&self) -> usize {
        match self.kind {
            HeadKind::Softmax | HeadKind::Adapter { .. } => self.outputs(),
            HeadKind::MultiLabel => 1,
            HeadKind::Tokens => TAGS_SHARING,
        }
    }

    /// How right the least confident judgement is: by chance alone, one of as many as it can be.
    pub fn chance(&self) -> f64 {
        match self.kind {
            HeadKind::Softmax | HeadKind::Adapter { .. } => 1.0 / self.classes.max(1) as f64,
            HeadKind::MultiLabel => (-(self.classes as f64)).exp2(),
            // A text has as many labels as ways to mark it.
            HeadKind::Tokens => 0.0,
        }
    }

    /// The shape of so many weights over the same features and classes: this one where it has so
    /// many; else, for an item of one class, a softmax or an adapter of as many units as that makes.
    #[must_use]
    pub fn of_parameters(self, parameters: usize) -> Self {
        let linear = Self { kind: HeadKind::Softmax, ..self };
        let unit = self.classes.saturating_add(self.features);
        if self.parameters() == parameters || !self.kind.is_of_one_class() {
            self
        } else if linear.parameters() == parameters || unit == 0 {
            linear
        } else {
            Self { kind: HeadKind::Adapter { units: parameters / unit }, ..self }
        }
    }

    /// The head of these weights.
    ///
    /// # Errors
    /// [`HeadError::Length`] or [`HeadError::NotFinite`].
    pub fn head(self, weights: Vec<f32>) -> Result<Head, HeadError> {
        let want = self.parameters();
        if weights.len() != want || want == 0 {
            return Err(HeadError::Length { what: "weights", got: weights.len(), want });
        }
        if let Some(index) = weights.iter().position(|weight| !weight.is_finite()) {
            return Err(HeadError::NotFinite { what: "weight", position: index + 1 });
        }
        Ok(Head { shape: self, weights })
    }

    /// Reads what [`Head::encode`] writes.
    ///
    /// # Errors
    /// As [`HeadShape::head`]; lengths are in bytes when they are not a whole number of weights.
    pub fn decode(self, bytes: &[u8]) -> Result<Head, HeadError> {
        let (weights, rest) = bytes.as_chunks::<4>();
        let want = self.parameters();
        if weights.len() != want || !rest.is_empty() {
            return Err(HeadError::Length {
                what: "bytes of a head",
                got: bytes.len(),
                want: want.saturating_mul(4),
            });
        }
        self.head(weights.iter().map(|four| f32::from_le_bytes(*four)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_it_is_shown() {
        let adapter = HeadKind::Adapter { units: 32 };
        for kind in [HeadKind::Softmax, adapter, HeadKind::MultiLabel, HeadKind::Tokens] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(serde_json::from_str::<HeadKind>(&json).unwrap(), kind);
        }
        for bad in ["adapter", "adapter:0", "adapter:4097", "adapter:x", "linear"] {
            assert!(bad.parse::<HeadKind>().unwrap_err().contains("adapter:UNITS"), "{bad}");
        }
    }

    #[test]
    fn a_head_of_tokens_has_three_kinds_of_tags() {
        let shape = HeadShape { kind: HeadKind::Tokens, classes: 3, features: 8 };
        assert_eq!((shape.outputs(), shape.sharing(), shape.parameters()), (7, 10, 56));
        let chances = [HeadShape::softmax(4, 8), HeadShape { kind: HeadKind::MultiLabel, ..shape }];
        let [softmax, several] = chances.map(|shape| shape.chance());
        assert!((softmax - 0.25).abs() < 1e-12 && (several - 0.125).abs() < 1e-12);
        assert!(shape.chance() <= 0.0);
    }

    #[test]
    fn a_number_of_weights_names_a_shape_of_one_class() {
        let shape = HeadShape::softmax(3, 8);
        let adapter = HeadShape { kind: HeadKind::Adapter { units: 5 }, ..shape };
        for own in [shape, adapter] {
            assert_eq!(own.of_parameters(24), shape);
            assert_eq!(own.of_parameters(5 * 11), adapter);
            assert!(own.of_parameters(54).head(vec![0.0; 54]).is_err());
        }
        for kind in [HeadKind::MultiLabel, HeadKind::Tokens] {
            let own = HeadShape { kind, ..shape };
            assert_eq!(own.of_parameters(55), own);
        }
    }
}
