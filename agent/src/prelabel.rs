//! Prelabels: a model's draft label for a clean item, with a calibrated confidence.

pub mod calibrated;
mod origin;
pub mod personal;
mod spans;
pub mod trial;

use std::path::{Path, PathBuf};

use insitu_models::bundle::{Bundle, BundleError};
use insitu_models::columns::{self, FieldValue};
use insitu_models::engine::{Engine, EngineError, Library};
use insitu_models::head::{Head, HeadKind};
use insitu_models::manifest::Manifest;
use insitu_models::predict::{PredictError, Prediction, Predictor};
use insitu_protocol::ids::{Digest, digest};
use serde::{Deserialize, Serialize};

pub use self::origin::Origin;
use crate::item::{CleanItem, Value};
use crate::label::Label;
use crate::prelabel::personal::Personal;
use crate::source::labeled::Offer;
use crate::store::StoreError;

/// Folder of the bundles' objects in the data folder.
const OBJECTS: &str = "objects";

const CORRUPT: StoreError = StoreError::Corrupt { table: "items", column: "prelabel" };

/// Most functions, or items, that an [`Origin`] names.
pub const NAMED_MAX: usize = 10;

/// A draft label. Made by [`Model::prelabel`], or by rules where there is no model yet, and read
/// back from the store.
#[derive(Clone, PartialEq)]
pub struct Prelabel {
    label: Label,
    confidence: f64,
    bundle: Digest,
}

/// A prelabel whose label is one class, as bytes: all that a prelabel once was. A label of another
/// kind lies beside it, and [`NO_CLASS`] stands where the class would.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Stub {
    class: u16,
    confidence: f64,
    bundle: Digest,
}

/// No project has so many classes.
pub(crate) const NO_CLASS: u16 = u16::MAX;

impl Stub {
    /// The prelabel, if what lies beside is what must.
    pub(crate) fn with(self, beside: Option<Label>) -> Option<Prelabel> {
        let Self { class, confidence, bundle } = self;
        let label = match beside {
            None if class != NO_CLASS => Label::Class(class),
            Some(label) if class == NO_CLASS => label,
            None | Some(_) => return None,
        };
        Some(Prelabel { label, confidence, bundle })
    }
}

impl std::fmt::Debug for Prelabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prelabel(..)")
    }
}

impl Prelabel {
    /// A draft that no model made, with the probability that its maker gives it. The digest of what
    /// made it stands where a bundle's would.
    pub(crate) fn by_other(class: u16, probability: f64, maker: Digest) -> Self {
        Self { label: Label::Class(class), confidence: probability, bundle: maker }
    }

    /// Whether it is the class that a generator made its item for.
    pub fn is_by_generator(&self) -> bool {
        self.bundle == generator_digest()
    }

    /// What it says.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// Position in the project's classes, of a label that is exactly one.
    pub fn class(&self) -> Option<u16> {
        self.label.class()
    }

    /// How often a prelabel like this one is right, in `[0, 1]`.
    pub fn confidence(&self) -> f64 {
        self.confidence
    }

    /// The confidence in thousandths, rounded down.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 to 1000 first; NaN becomes 0"
    )]
    pub fn confidence_milli(&self) -> u16 {
        (self.confidence * 1000.0).clamp(0.0, 1000.0) as u16
    }

    /// The bundle that made it, or else the digest of what did: of a set of rules, say.
    pub fn bundle(&self) -> Digest {
        self.bundle
    }

    /// The bytes that are stored, sealed.
    ///
    /// # Errors
    /// Never in practice.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = postcard::to_allocvec(&self.stub()).map_err(|_| CORRUPT)?;
        if let Some(label) = self.beside_stub() {
            bytes.extend(postcard::to_allocvec(label).map_err(|_| CORRUPT)?);
        }
        Ok(bytes)
    }

    /// Reads what [`Prelabel::encode`] wrote, also when a label was always one class.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let (stub, rest): (Stub, _) = postcard::take_from_bytes(bytes).map_err(|_| CORRUPT)?;
        let beside = match rest {
            [] => None,
            rest => Some(postcard::from_bytes(rest).map_err(|_| CORRUPT)?),
        };
        stub.with(beside).ok_or(CORRUPT)
    }

    /// What of it is of one size.
    pub(crate) fn stub(&self) -> Stub {
        let class = self.class().unwrap_or(NO_CLASS);
        Stub { class, confidence: self.confidence, bundle: self.bundle }
    }

    /// The label that lies beside the stub, if it is not one class.
    pub(crate) fn beside_stub(&self) -> Option<&Label> {
        Some(&self.label).filter(|label| label.class().is_none())
    }

    #[cfg(test)]
    pub(crate) fn for_test(class: u16, confidence: f64, bundle: u8) -> Self {
        Self {
            label: Label::Class(class),
            confidence,
            bundle: insitu_protocol::bytes::Fixed([bundle; 32]),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_label_for_test(label: Label, confidence: f64) -> Self {
        Self { label, confidence, bundle: insitu_protocol::bytes::Fixed([7; 32]) }
    }
}

/// A prelabel with what its maker thinks of every class, and where it came from.
#[derive(Clone, PartialEq)]
pub struct Draft {
    /// The likeliest label.
    pub prelabel: Prelabel,
    /// Of each class; empty where the maker does not say.
    pub probabilities: Vec<f64>,
    /// How sure its maker is of each of its marks, in their order; empty where the maker does not say.
    pub scores: Vec<Option<f64>>,
    /// Where a draft came from that no model made.
    pub origin: Option<Origin>,
    /// What the bundle's own head says, where a personal head made the prelabel: statistics that
    /// leave are about this one. A draft that depends on other items keeps what the item had.
    pub of_bundle: Option<Prelabel>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Draft(..)")
    }
}

impl From<Prelabel> for Draft {
    fn from(prelabel: Prelabel) -> Self {
        let (probabilities, scores) = (Vec::new(), Vec::new());
        Self { prelabel, probabilities, scores, origin: None, of_bundle: None }
    }
}

impl Draft {
    /// The class that a generator made a synthetic item for.
    pub(crate) fn by_generator(class: u16) -> Self {
        let prelabel = Prelabel::by_other(class, 1.0, generator_digest());
        Self { origin: Some(Origin::Generator), ..prelabel.into() }
    }

    /// Whether it stays when a model could make another: people's labels of like items, what a
    /// generator was asked for, and what the site chose to import say more than a model; rules less.
    pub fn is_lasting(&self) -> bool {
        match self.origin {
            Some(Origin::Propagated { .. } | Origin::Generator | Origin::Imported { .. }) => true,
            Some(Origin::Rules { .. }) | None => false,
        }
    }

    /// The probabilities as they are stored, sealed: `f32`, little-endian.
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are more than is known")]
    pub fn encode_probabilities(&self) -> Option<Vec<u8>> {
        let bytes = || self.probabilities.iter().flat_map(|p| (*p as f32).to_le_bytes()).collect();
        (!self.probabilities.is_empty()).then(bytes)
    }

    /// A prediction that came with an import.
    pub(crate) fn imported(offer: Offer) -> Self {
        let Offer { label, score, scores, model } = offer;
        let maker = digest(format!("insitu 2026 imported draft\u{0}{model}").as_bytes());
        let prelabel = Prelabel { label, confidence: score.unwrap_or(0.0), bundle: maker };
        let origin = Some(Origin::Imported { model, scored: score.is_some() });
        Self { scores, origin, ..prelabel.into() }
    }

    /// Whether its confidence says how sure its maker is.
    pub fn is_scored(&self) -> bool {
        self.origin.as_ref().is_none_or(Origin::is_scored)
    }

    /// How sure its maker is of each mark, as it is stored, sealed.
    ///
    /// # Errors
    /// Never in practice.
    pub fn encode_scores(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let encode = || postcard::to_allocvec(&self.scores);
        let scores = (!self.scores.is_empty()).then(encode).transpose();
        scores.map_err(|_| StoreError::Corrupt { table: "items", column: "scores" })
    }

    /// The origin as it is stored, sealed.
    ///
    /// # Errors
    /// Never in practice.
    pub fn encode_origin(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let encode = |origin| {
            postcard::to_allocvec(origin)
                .map_err(|_| StoreError::Corrupt { table: "items", column: "origin" })
        };
        self.origin.as_ref().map(encode).transpose()
    }
}

/// Reads what [`Draft::encode_scores`] wrote.
///
/// # Errors
/// [`StoreError::Corrupt`] for anything else.
pub fn decode_scores(bytes: &[u8]) -> Result<Vec<Option<f64>>, StoreError> {
    postcard::from_bytes(bytes)
        .map_err(|_| StoreError::Corrupt { table: "items", column: "scores" })
}

/// Stands where the digest of a bundle would in the draft of a generator.
fn generator_digest() -> Digest {
    digest(b"insitu 2026 label of a generator")
}

/// Reads what [`Draft::encode_probabilities`] wrote; `None` if the project had another number of
/// classes then.
///
/// They sum to 1 again, which their rounding left by up to 1e-7.
pub fn decode_probabilities(bytes: &[u8], classes: usize) -> Option<Vec<f64>> {
    let (values, rest) = bytes.as_chunks::<4>();
    let values: Vec<f64> = values.iter().map(|four| f64::from(f32::from_le_bytes(*four))).collect();
    let sum: f64 = values.iter().sum();
    let fits = values.len() == classes && rest.is_empty() && (sum - 1.0).abs() < 1e-3;
    (fits && values.iter().all(|p| *p >= 0.0))
        .then(|| values.into_iter().map(|p| p / sum).collect())
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Its files.
    #[error("the bundle is refused")]
    Bundle(#[from] BundleError),
    /// The engine does not start.
    #[error("there is no inference engine")]
    Engine(#[from] EngineError),
    /// It does not run, or not as promised.
    #[error("the bundle does not run as it promises")]
    Predict(#[from] PredictError),
}

impl ModelError {
    /// Whether the same bundle may load later as it is: once there is an engine.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Engine(_) => true,
            Self::Bundle(_) | Self::Predict(_) => false,
        }
    }

    /// Whether its objects are missing or damaged on this disk, and are to be fetched again.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Bundle(error) => matches!(
                error,
                BundleError::File { .. }
                    | BundleError::Missing { .. }
                    | BundleError::Length { .. }
                    | BundleError::Digest { .. }
            ),
            Self::Engine(_) | Self::Predict(_) => false,
        }
    }
}

/// A bundle's objects on disk, by digest.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// The shelf in the data folder.
    pub fn new(data: &Path) -> Self {
        Self { folder: data.join(OBJECTS) }
    }

    /// The shelf that is this folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The shelf's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where an object is, or will be.
    pub fn path(&self, object: &Digest) -> PathBuf {
        self.folder.join(object.to_hex())
    }

    /// Assembles and verifies the bundle of this manifest.
    ///
    /// # Errors
    /// [`BundleError`] when an object is missing or is not what the manifest names.
    pub fn bundle(&self, manifest: &[u8]) -> Result<Bundle, BundleError> {
        Bundle::from_objects(manifest.to_vec(), |object| {
            std::fs::read(self.path(&object.digest)).ok()
        })
    }
}

/// Starts the process's inference engine. Slow the first time: not before a model needs it.
///
/// # Errors
/// [`EngineError`] when a named library does not load.
pub fn engine(library: Option<&PathBuf>) -> Result<Engine, EngineError> {
    Engine::start(&library.map_or(Library::Search, |path| Library::At(path.clone())))
}

/// A bundle that is loaded and has reproduced its golden outputs.
#[derive(Debug)]
pub struct Model {
    predictor: Predictor,
    manifest: Manifest,
    bundle: Digest,
    personal: Option<Personal>,
}

impl Model {
    /// Loads a bundle.
    ///
    /// # Errors
    /// [`ModelError::Predict`] when this engine does not reproduce the golden outputs.
    pub fn load(engine: &Engine, bundle: &Bundle) -> Result<Self, ModelError> {
        Ok(Self {
            predictor: Predictor::load(engine, bundle)?,
            manifest: bundle.manifest().clone(),
            bundle: bundle.id(),
            personal: None,
        })
    }

    /// Digest of the bundle's manifest.
    pub fn bundle(&self) -> Digest {
        self.bundle
    }

    /// What the bundle says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Prelabels an item; `None` of one that the backbone fails on. As with [`Model::features_of`],
    /// nothing of it depends on other items.
    pub fn prelabel(&mut self, item: &CleanItem) -> Option<Draft> {
        if self.manifest.kind == HeadKind::Tokens {
            return self.mark(item);
        }
        self.features_of(item).and_then(|features| self.draft(&features).ok())
    }

    fn draft(&self, features: &[f32]) -> Result<Draft, PredictError> {
        let one = self.manifest.kind.is_of_one_class();
        let draft = |prediction: Prediction, maker| {
            let Prediction { class, classes, probabilities, confidence, tags: _ } = prediction;
            let number = |class: usize| u16::try_from(class).unwrap_or(NO_CLASS);
            let label = match one {
                true => Label::Class(number(class)),
                false => Label::classes(classes.into_iter().map(number).collect()),
            };
            let prelabel = Prelabel { label, confidence, bundle: maker };
            // Those of several classes do not sum to 1, and nobody chooses items by them.
            let probabilities = if one { probabilities } else { Vec::new() };
            Draft { probabilities, ..prelabel.into() }
        };
        let global = draft(self.predictor.judge(features)?, self.bundle);
        let Some(Personal { head, maker }) = &self.personal else { return Ok(global) };
        let own = Prediction::of(head, &self.manifest.calibration, features)
            .map_err(|source| PredictError::Head { source })?;
        Ok(Draft { of_bundle: Some(global.prelabel), ..draft(own, *maker) })
    }

    /// The bundle's head, over the features that [`Model::features_of`] gives.
    pub fn head(&self) -> &Head {
        self.predictor.head()
    }

    /// What the model says of items, in their order: many at once, as [`Model::features`].
    ///
    /// # Errors
    /// [`ModelError::Predict`].
    pub fn predictions(&mut self, items: &[CleanItem]) -> Result<Vec<Prediction>, ModelError> {
        match self.texts(items) {
            Some(texts) => Ok(self.predictor.predict_texts(&texts)?),
            None => Ok(self.predictor.predict(&self.rows(items))?),
        }
    }

    /// The backbone's features of an item that goes through it alone, `[features]`; `None` where it fails
    /// or they are not finite. Of several at once those of each may depend on the others, by rounding or
    /// because the backbone was made so: one subject would move what is counted of many.
    pub fn features_of(&mut self, item: &CleanItem) -> Option<Vec<f32>> {
        let features = self.features(std::slice::from_ref(item)).ok()?;
        features.iter().all(|value| value.is_finite()).then_some(features)
    }

    /// The backbone's features of items, row-major `[items, features]`: many at once, which is faster, and
    /// not for what is counted.
    ///
    /// # Errors
    /// [`ModelError::Predict`].
    pub fn features(&mut self, items: &[CleanItem]) -> Result<Vec<f32>, ModelError> {
        match self.texts(items) {
            Some(texts) => Ok(self.predictor.features_of_texts(&texts)?),
            None => Ok(self.predictor.features(&self.rows(items))?),
        }
    }

    /// What a bundle of texts reads of items; a missing text is an empty one.
    fn texts<'a>(&self, items: &'a [CleanItem]) -> Option<Vec<&'a str>> {
        self.manifest.text.as_ref()?;
        let field = self.manifest.columns.first()?.name.as_str();
        let text = |item: &'a CleanItem| match item.value(field) {
            Some(Value::Text(text)) => text.as_str(),
            Some(Value::Number(_) | Value::Image(_) | Value::Series(_)) | None => "",
        };
        Some(items.iter().map(text).collect())
    }

    fn rows(&self, items: &[CleanItem]) -> Vec<f32> {
        items.iter().flat_map(|item| self.row(item)).collect()
    }

    /// The backbone's input. A value that the model was not made for is missing to it.
    fn row(&self, item: &CleanItem) -> Vec<f32> {
        let field = |name: &str| {
            item.value(name).and_then(|value| match value {
                Value::Number(number) => Some(FieldValue::Number(*number)),
                Value::Text(text) => Some(FieldValue::Text(text)),
                Value::Image(_) | Value::Series(_) => None,
            })
        };
        columns::row(&self.manifest.columns, field).unwrap_or_else(|_| {
            metrics::counter!("insitu_agent_unknown_values_total").increment(1);
            let one = |column| columns::row(std::slice::from_ref(column), field);
            let cell = |column| one(column).map_or(f32::NAN, |row| row[0]);
            self.manifest.columns.iter().map(cell).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;

    use super::*;
    use crate::label::Span;

    #[test]
    fn confidence_rounds_down_and_stays_in_range() {
        for (confidence, milli) in [(0.9999, 999), (0.62, 620), (1.0, 1000), (7.0, 1000), (-1.0, 0)]
        {
            assert_eq!(Prelabel::for_test(0, confidence, 0).confidence_milli(), milli);
        }
        assert_eq!(Prelabel::for_test(0, f64::NAN, 0).confidence_milli(), 0);
    }

    #[test]
    fn probabilities_survive_the_store_or_are_not_taken() {
        let prelabel = Prelabel::for_test(1, 0.5, 9);
        let draft = Draft { probabilities: vec![0.1, 0.7, 0.2], ..prelabel.into() };
        let bytes = draft.encode_probabilities().unwrap();
        let read = decode_probabilities(&bytes, 3).unwrap();
        assert!(read.iter().zip(&draft.probabilities).all(|(a, b)| (a - b).abs() < 1e-7));
        assert!((read.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(decode_probabilities(&bytes, 4), None);
        assert_eq!(decode_probabilities(&bytes[1..], 3), None);
        let wild = Draft { probabilities: vec![2.0, -1.0, f64::NAN], ..draft.clone() };
        assert_eq!(decode_probabilities(&wild.encode_probabilities().unwrap(), 3), None);
        assert_eq!(Draft::from(draft.prelabel).encode_probabilities(), None);
    }

    #[test]
    fn an_origin_survives_the_store_and_says_what_it_is() {
        let from = vec![Fixed([7; 16])];
        let method = "near-duplicate".to_owned();
        let origin = Origin::Propagated { method, from, items: 1, similarity: 0.875 };
        let draft = Draft { origin: Some(origin.clone()), ..Prelabel::for_test(1, 0.5, 9).into() };
        let bytes = draft.encode_origin().unwrap().unwrap();
        assert_eq!(Origin::decode(&bytes).unwrap(), origin);
        assert_eq!(origin.to_string(), "near-duplicate of a labeled item (0.88 alike)");
        assert!(draft.is_lasting() && Origin::decode(&[9]).is_err());
    }

    #[test]
    fn a_prelabel_survives_the_store() {
        let spans = Label::spans(vec![Span { start: 1, end: 4, class: 0 }], Vec::new()).unwrap();
        for prelabel in [Prelabel::for_test(3, 0.625, 9), Prelabel::of_label_for_test(spans, 0.5)] {
            let bytes = prelabel.encode().unwrap();
            assert_eq!(Prelabel::decode(&bytes).unwrap(), prelabel);
            assert!(Prelabel::decode(&bytes[..bytes.len() - 1]).is_err());
        }
        // As it was written when a label was always one class.
        let before = [&[3][..], &0.625_f64.to_le_bytes(), &[9; 32]].concat();
        assert_eq!(Prelabel::decode(&before).unwrap(), Prelabel::for_test(3, 0.625, 9));
        assert!(Prelabel::decode(&[1]).is_err());
    }
}
