//! Where a draft came from that no model of the project made.

use insitu_protocol::bytes::Fixed;
use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// Where a draft came from that no model made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Origin {
    /// Votes of a set's labeling functions.
    Rules {
        /// Names of the first [`super::NAMED_MAX`] that voted.
        functions: Vec<String>,
    },
    /// Labels of items that are like it.
    Propagated {
        /// How likeness was found, in words.
        method: String,
        /// The closest labeled items, at most [`super::NAMED_MAX`].
        from: Vec<Fixed<16>>,
        /// How many there are.
        items: u32,
        /// Likeness of the closest, in [0, 1].
        similarity: f64,
    },
    /// The label that its generator made a synthetic item for.
    Generator,
    /// A prediction that came with an import.
    Imported {
        /// Model and version, in its maker's words.
        model: String,
        /// Whether it says how sure it is; else the confidence is 0 and means nothing.
        scored: bool,
    },
}

impl Origin {
    /// Whether the maker of such a draft says how sure it is.
    pub fn is_scored(&self) -> bool {
        !matches!(self, Self::Imported { scored: false, .. })
    }

    /// Whether such a draft depends on other items than its own: what is counted goes by the bundle's
    /// prelabel then.
    pub fn is_of_others(&self) -> bool {
        match self {
            Self::Rules { .. } | Self::Propagated { .. } => true,
            Self::Generator | Self::Imported { .. } => false,
        }
    }

    /// Model and version, in its maker's words, of an encoded origin; `None` where none was imported.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for what is no origin.
    pub(crate) fn model_of(encoded: Option<&[u8]>) -> Result<Option<String>, StoreError> {
        Ok(match encoded.map(Self::decode).transpose()? {
            Some(Self::Imported { model, .. }) => Some(model),
            Some(Self::Rules { .. } | Self::Propagated { .. } | Self::Generator) | None => None,
        })
    }

    /// Reads what [`super::Draft::encode_origin`] wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        postcard::from_bytes(bytes)
            .map_err(|_| StoreError::Corrupt { table: "items", column: "origin" })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rules { functions } => write!(f, "drafted by rules ({})", functions.join(", ")),
            Self::Propagated { method, items: 1, similarity, .. } => {
                write!(f, "{method} of a labeled item ({similarity:.2} alike)")
            }
            Self::Propagated { method, items, similarity, .. } => {
                write!(f, "{method} of {items} labeled items (the closest {similarity:.2} alike)")
            }
            Self::Imported { model, .. } => write!(f, "drafted by {model}"),
            Self::Generator => f.write_str("its generator\u{2019}s label"),
        }
    }
}
