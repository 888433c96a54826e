//! Prelabels: a model's draft label for a clean item, with a calibrated confidence.

use std::path::{Path, PathBuf};

use insitu_models::bundle::{Bundle, BundleError};
use insitu_models::columns::{self, FieldValue};
use insitu_models::engine::{Engine, EngineError, Library};
use insitu_models::manifest::Manifest;
use insitu_models::predict::{PredictError, Predictor};
use insitu_protocol::ids::Digest;
use serde::{Deserialize, Serialize};

use crate::item::{CleanItem, Value};
use crate::store::StoreError;

/// Folder of the bundles' objects in the data folder.
const OBJECTS: &str = "objects";

/// A draft label. Made by [`Model::prelabel`], or by rules where there is no model yet, and read
/// back from the store.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prelabel {
    class: u16,
    confidence: f64,
    bundle: Digest,
}

impl std::fmt::Debug for Prelabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prelabel(..)")
    }
}

impl Prelabel {
    /// A draft by a set of labeling functions, with the probability that their label model gives.
    /// The set's digest stands where a bundle's would.
    pub(crate) fn by_rules(class: u16, probability: f64, set: Digest) -> Self {
        Self { class, confidence: probability, bundle: set }
    }

    /// Position in the project's classes.
    pub fn class(&self) -> u16 {
        self.class
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

    /// The bundle that made it, or the set of rules.
    pub fn bundle(&self) -> Digest {
        self.bundle
    }

    /// The bytes that are stored, sealed.
    ///
    /// # Errors
    /// Never in practice.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        postcard::to_allocvec(self)
            .map_err(|_| StoreError::Corrupt { table: "items", column: "prelabel" })
    }

    /// Reads what [`Prelabel::encode`] wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        postcard::from_bytes(bytes)
            .map_err(|_| StoreError::Corrupt { table: "items", column: "prelabel" })
    }

    #[cfg(test)]
    pub(crate) fn for_test(class: u16, confidence: f64, bundle: u8) -> Self {
        Self { class, confidence, bundle: insitu_protocol::bytes::Fixed([bundle; 32]) }
    }
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

    /// Prelabels items.
    ///
    /// # Errors
    /// [`ModelError::Predict`].
    pub fn prelabel(&mut self, items: &[CleanItem]) -> Result<Vec<Prelabel>, ModelError> {
        let predictions = self.predictor.predict(&self.rows(items))?;
        Ok(predictions
            .into_iter()
            .map(|prediction| Prelabel {
                class: u16::try_from(prediction.class).unwrap_or(u16::MAX),
                confidence: prediction.confidence,
                bundle: self.bundle,
            })
            .collect())
    }

    /// Class probabilities beside the prelabels, for `prelabel` on files.
    ///
    /// # Errors
    /// [`ModelError::Predict`].
    pub fn probabilities(
        &mut self,
        items: &[CleanItem],
    ) -> Result<Vec<(usize, f64, Vec<f64>)>, ModelError> {
        let predictions = self.predictor.predict(&self.rows(items))?;
        Ok(predictions.into_iter().map(|p| (p.class, p.confidence, p.probabilities)).collect())
    }

    /// The backbone's features of items, row-major `[items, features]`.
    ///
    /// # Errors
    /// [`ModelError::Predict`].
    pub fn features(&mut self, items: &[CleanItem]) -> Result<Vec<f32>, ModelError> {
        Ok(self.predictor.features(&self.rows(items))?)
    }

    fn rows(&self, items: &[CleanItem]) -> Vec<f32> {
        items.iter().flat_map(|item| self.row(item)).collect()
    }

    /// The backbone's input. A value that the model was not made for is missing to it.
    fn row(&self, item: &CleanItem) -> Vec<f32> {
        let field = |name: &str| {
            item.value(name).map(|value| match value {
                Value::Number(number) => FieldValue::Number(*number),
                Value::Text(text) => FieldValue::Text(text),
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
    use super::*;

    #[test]
    fn confidence_rounds_down_and_stays_in_range() {
        for (confidence, milli) in [(0.9999, 999), (0.62, 620), (1.0, 1000), (7.0, 1000), (-1.0, 0)]
        {
            assert_eq!(Prelabel::for_test(0, confidence, 0).confidence_milli(), milli);
        }
        assert_eq!(Prelabel::for_test(0, f64::NAN, 0).confidence_milli(), 0);
    }

    #[test]
    fn a_prelabel_survives_the_store() {
        let prelabel = Prelabel::for_test(3, 0.625, 9);
        assert_eq!(Prelabel::decode(&prelabel.encode().unwrap()).unwrap(), prelabel);
        assert!(Prelabel::decode(&[1]).is_err());
    }
}
