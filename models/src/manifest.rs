//! What a bundle is: the JSON document whose exact bytes are signed and whose digest is its id.

use insitu_protocol::ids::Digest;
pub use insitu_protocol::order::{HEAD_BYTES_MAX, MANIFEST_BYTES_MAX};
use insitu_protocol::project::{CLASSES_MAX, FIELDS_MAX};
use insitu_protocol::text::{Line, Text};
use serde::{Deserialize, Serialize};

use crate::calibration::{Calibration, CalibrationError};
use crate::head::{HeadKind, HeadShape, UNITS_MAX};

/// The manifest format this crate reads and writes.
pub const FORMAT: u32 = 1;
/// Largest backbone, in bytes.
pub const BACKBONE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Largest golden file, in bytes.
pub const GOLDEN_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most features of a backbone.
pub const FEATURES_MAX: usize = 4096;
/// Largest tokenizer, in bytes.
pub const TOKENIZER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most tokens of a text that a backbone may read.
pub const TOKENS_MAX: usize = 512;
/// Most entries of a tokenizer's vocabulary.
pub const VOCABULARY_MAX: usize = 1 << 20;
/// Features of a word beside the backbone's: how it is written, and one that is the same for all.
pub const WORD_FEATURES: usize = 7;
/// Most values of a category.
pub const VALUES_MAX: usize = 1024;
/// Most lines of lineage, and of licences.
pub const LINES_MAX: usize = 256;

/// A sentence of lineage or licence.
pub type Sentence = Text<512, false>;

/// A bundle's description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The bundle's name; versions of one name succeed one another.
    pub name: Line,
    /// From 1.
    pub version: u32,
    /// Id of the bundle that this one was trained from.
    pub parent: Option<Digest>,
    /// The taxonomy's classes, in the order of the head's rows.
    pub classes: Vec<Line>,
    /// The backbone's input columns, in order; the field of the text for a backbone of tokens.
    pub columns: Vec<Column>,
    /// How a text becomes tokens, and the tokens' vectors features: for a text column, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextInput>,
    /// What the head computes; absent means a softmax.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: HeadKind,
    /// Length of the row that the head takes: the backbone's output, or of words
    /// [`crate::manifest::WORD_FEATURES`] more.
    pub features: usize,
    /// The frozen network, ONNX.
    pub backbone: Object,
    /// The head, as [`crate::head::Head::encode`] writes it.
    pub head: Object,
    /// Expected outputs, JSON ([`crate::golden::Golden`]).
    pub golden: Object,
    /// From probabilities to a confidence.
    pub calibration: Calibration,
    /// Where the weights come from, one sentence for each training run.
    pub lineage: Vec<Sentence>,
    /// Of data and weights.
    pub licences: Vec<Sentence>,
}

/// A file of the bundle, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// BLAKE3 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub bytes: u64,
}

/// One input column of the backbone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The project's field that feeds it.
    pub name: Line,
    /// How a field's value becomes a number.
    pub kind: ColumnKind,
}

/// How a field's value becomes a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// As it is.
    Number,
    /// Its position in this list.
    Category(Vec<Line>),
    /// Into tokens, as the manifest's text input says. The only column then.
    Text,
}

/// How a text becomes features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextInput {
    /// The tokenizer, JSON ([`crate::wordpiece`] says which).
    pub tokenizer: Object,
    /// Most tokens of a text, those that the tokenizer adds included.
    pub tokens: usize,
    /// Token ids are below this.
    pub vocabulary: usize,
    /// How a text's vectors become one.
    pub pooling: Pooling,
    /// Subtracted from a text's vector of length 1, which is then brought to length 1 again; empty
    /// for nothing. Public: made of no site's texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub centre: Vec<f32>,
}

/// How a text's vectors, one for each token, become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    First,
    /// The backbone gives one already.
    Backbone,
    /// They stay one for each word: for a head of tokens, and only then.
    Words,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Over [`MANIFEST_BYTES_MAX`].
    #[error("manifest of {got_bytes} bytes where {MANIFEST_BYTES_MAX} are allowed")]
    TooLong {
        /// Bytes found.
        got_bytes: usize,
    },
    /// Not the JSON of a manifest: a missing, unknown or mistyped field.
    #[error("malformed manifest")]
    Malformed {
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A format of another release.
    #[error("manifest format {got}, this program reads {FORMAT}")]
    Format {
        /// Format found.
        got: u32,
    },
    /// A number outside its range.
    #[error("{what}: {got}, allowed is {min} to {max}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Value found.
        got: u64,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// Two entries of one name.
    #[error("{what} number {second} repeats an earlier one")]
    Repeated {
        /// Which list.
        what: &'static str,
        /// Position of the second, from 1.
        second: usize,
    },
    /// A text column without its tokenizer or beside others, or a tokenizer without text.
    #[error("a text column is the only one and has a tokenizer; other columns have none")]
    Text,
    /// Words without a head of tokens, or such a head without words.
    #[error("a head of tokens takes features of words, and only such a head does; this is {kind}")]
    Words {
        /// The head's kind.
        kind: HeadKind,
    },
    /// A centre of the features that is not finite.
    #[error("number {position} of the centre is not finite")]
    Centre {
        /// Position, from 1.
        position: usize,
    },
    /// A calibration that is not a rising function.
    #[error("bad calibration")]
    Calibration {
        /// What is wrong.
        source: CalibrationError,
    },
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] for anything that [`Manifest::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLong { got_bytes: bytes.len() });
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|source| ManifestError::Malformed { source })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest's bytes, for signing and storing.
    ///
    /// # Errors
    /// [`ManifestError`] when the manifest breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|source| ManifestError::Malformed { source })?;
        bytes.push(b'\n');
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLong { got_bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The bundle's files: backbone, head, golden outputs, and for texts the tokenizer.
    pub fn objects(&self) -> Vec<Object> {
        let tokenizer = self.text.as_ref().map(|text| text.tokenizer);
        [self.backbone, self.head, self.golden].into_iter().chain(tokenizer).collect()
    }

    /// Numbers of an input row; none for texts.
    pub fn row_width(&self) -> usize {
        if self.text.is_some() { 0 } else { self.columns.len() }
    }

    /// The head's form.
    pub fn shape(&self) -> HeadShape {
        HeadShape { kind: self.kind, classes: self.classes.len(), features: self.features }
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.format != FORMAT {
            return Err(ManifestError::Format { got: self.format });
        }
        range("version", u64::from(self.version), 1, u64::from(u32::MAX))?;
        // Of spans one class is something to say.
        let fewest = if self.kind == HeadKind::Tokens { 1 } else { 2 };
        length("classes", self.classes.len(), fewest, CLASSES_MAX)?;
        length("columns", self.columns.len(), 1, FIELDS_MAX)?;
        length("features", self.features, 1, FEATURES_MAX)?;
        length("lineage", self.lineage.len(), 0, LINES_MAX)?;
        length("licences", self.licences.len(), 0, LINES_MAX)?;
        distinct("class", &self.classes)?;
        distinct("column", self.columns.iter().map(|column| &column.name))?;
        for column in &self.columns {
            if let ColumnKind::Category(values) = &column.kind {
                length("values of a category", values.len(), 1, VALUES_MAX)?;
                distinct("value of a category", values)?;
            }
        }
        self.check_text()?;
        if let HeadKind::Adapter { units } = self.kind {
            length("units", units, 1, UNITS_MAX)?;
        }
        let head_bytes = 4 * self.shape().parameters() as u64;
        range("head bytes", head_bytes, 1, HEAD_BYTES_MAX as u64)?;
        range("head bytes", self.head.bytes, head_bytes, head_bytes)?;
        range("backbone bytes", self.backbone.bytes, 1, BACKBONE_BYTES_MAX)?;
        range("golden bytes", self.golden.bytes, 1, GOLDEN_BYTES_MAX)?;
        self.calibration.check(self.shape()).map_err(|source| ManifestError::Calibration { source })
    }
}

impl Manifest {
    fn check_text(&self) -> Result<(), ManifestError> {
        let words = self.text.as_ref().is_some_and(|text| text.pooling == Pooling::Words);
        if (self.kind == HeadKind::Tokens) != words {
            return Err(ManifestError::Words { kind: self.kind });
        }
        let texts = self.columns.iter().filter(|column| column.kind == ColumnKind::Text).count();
        let Some(text) = &self.text else {
            return if texts == 0 { Ok(()) } else { Err(ManifestError::Text) };
        };
        if texts != 1 || self.columns.len() != 1 {
            return Err(ManifestError::Text);
        }
        range("tokenizer bytes", text.tokenizer.bytes, 1, TOKENIZER_BYTES_MAX)?;
        check_tokens(text.tokens)?;
        length("vocabulary", text.vocabulary, 2, VOCABULARY_MAX)?;
        if !text.centre.is_empty() {
            let backbone = self.features.saturating_sub(text.pooling.beside());
            length("centre", text.centre.len(), backbone, backbone)?;
        }
        match text.centre.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(ManifestError::Centre { position: index + 1 }),
            None => Ok(()),
        }
    }
}

impl Pooling {
    /// Numbers of features beside the backbone's own.
    pub(crate) fn beside(self) -> usize {
        match self {
            Self::Words => WORD_FEATURES,
            Self::Mean | Self::First | Self::Backbone => 0,
        }
    }
}

fn is_default(kind: &HeadKind) -> bool {
    *kind == HeadKind::default()
}

/// Whether a text may have so many tokens: its marks and a word, at least.
pub(crate) fn check_tokens(tokens: usize) -> Result<(), ManifestError> {
    length("tokens", tokens, 3, TOKENS_MAX)
}

fn range(what: &'static str, got: u64, min: u64, max: u64) -> Result<(), ManifestError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(ManifestError::Range { what, got, min, max })
    }
}

fn length(what: &'static str, got: usize, min: usize, max: usize) -> Result<(), ManifestError> {
    range(what, got as u64, min as u64, max as u64)
}

fn distinct<'a>(
    what: &'static str,
    names: impl IntoIterator<Item = &'a Line>,
) -> Result<(), ManifestError> {
    let mut seen = std::collections::BTreeSet::new();
    match names.into_iter().position(|name| !seen.insert(name)) {
        Some(index) => Err(ManifestError::Repeated { what, second: index + 1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &[u8] = include_bytes!("../bundles/heart-disease/manifest.json");

    /// The shipped manifest with one JSON pointer replaced.
    fn with(pointer: &str, value: serde_json::Value) -> Result<Manifest, ManifestError> {
        let mut json: serde_json::Value = serde_json::from_slice(SHIPPED).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        Manifest::decode(&serde_json::to_vec(&json).unwrap())
    }

    #[test]
    fn the_shipped_manifest_survives_a_round_trip() {
        let manifest = Manifest::decode(SHIPPED).unwrap();
        assert_eq!(Manifest::decode(&manifest.encode().unwrap()).unwrap(), manifest);
        assert_eq!((manifest.columns.len(), manifest.features), (13, 34));
    }

    #[test]
    fn absurd_sizes_are_refused_by_name() {
        for (pointer, value) in [
            ("/version", 0_u64),
            ("/features", 0),
            ("/features", 1 << 40),
            ("/features", 33), // no longer what the head's bytes say
            ("/head/bytes", 1 << 50),
            ("/backbone/bytes", BACKBONE_BYTES_MAX + 1),
            ("/backbone/bytes", 0),
            ("/golden/bytes", GOLDEN_BYTES_MAX + 1),
        ] {
            let error = with(pointer, value.into()).unwrap_err();
            assert!(matches!(error, ManifestError::Range { .. }), "{pointer} = {value}: {error}");
        }
        assert!(matches!(with("/format", 2.into()), Err(ManifestError::Format { got: 2 })));
    }

    #[test]
    fn a_head_of_another_kind_is_named_and_an_older_manifest_means_a_softmax() {
        assert!(!String::from_utf8_lossy(SHIPPED).contains("kind\": \"softmax"));
        let mut manifest = Manifest::decode(SHIPPED).unwrap();
        assert_eq!(manifest.shape(), HeadShape::softmax(2, 34));
        assert!(!String::from_utf8(manifest.encode().unwrap()).unwrap().contains("softmax"));
        manifest.kind = HeadKind::Adapter { units: 8 };
        assert!(matches!(manifest.encode(), Err(ManifestError::Range { what: "head bytes", .. })));
        manifest.head.bytes = 4 * (8 * 34 + 2 * 8);
        let bytes = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
        manifest.kind = HeadKind::Tokens;
        let words = manifest.encode();
        assert!(matches!(words, Err(ManifestError::Words { kind: HeadKind::Tokens })));
        manifest.kind = HeadKind::Adapter { units: UNITS_MAX + 1 };
        assert!(matches!(manifest.encode(), Err(ManifestError::Range { what: "units", .. })));
    }

    #[test]
    fn unknown_fields_and_other_shapes_are_refused() {
        let mut json: serde_json::Value = serde_json::from_slice(SHIPPED).unwrap();
        json["script"] = "rm".into();
        let unknown = Manifest::decode(&serde_json::to_vec(&json).unwrap());
        assert!(matches!(unknown, Err(ManifestError::Malformed { .. })));
        for (pointer, value) in [
            ("/backbone/digest", serde_json::json!("ab")),
            ("/columns/0/kind", serde_json::json!("shell")),
            ("/classes/0", serde_json::json!("a\u{1b}[2J")),
        ] {
            assert!(matches!(with(pointer, value), Err(ManifestError::Malformed { .. })));
        }
        let text = with("/columns/0/kind", serde_json::json!("text"));
        assert!(matches!(text, Err(ManifestError::Text)));
        let long = vec![b' '; MANIFEST_BYTES_MAX + 1];
        assert!(matches!(Manifest::decode(&long), Err(ManifestError::TooLong { .. })));
    }

    #[test]
    fn repeated_names_are_refused() {
        let classes = with("/classes", serde_json::json!(["disease", "disease"]));
        assert!(matches!(classes, Err(ManifestError::Repeated { what: "class", second: 2 })));
        let columns = with("/columns/1/name", "age".into());
        assert!(matches!(columns, Err(ManifestError::Repeated { what: "column", second: 2 })));
    }
}
