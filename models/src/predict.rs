//! A loaded bundle at work: rows in, prelabels with a calibrated confidence out.

use insitu_protocol::ids::Digest;

use crate::bundle::Bundle;
use crate::calibration::Calibration;
use crate::engine::{Backbone, Engine, EngineError};
use crate::golden::GoldenError;
use crate::head::{Head, HeadError};

/// Rows given to the engine at once; more are cut into batches of this many.
pub const BATCH_ROWS: usize = 256;

/// A bundle that is ready to prelabel.
#[derive(Debug)]
pub struct Predictor {
    backbone: Backbone,
    backbone_digest: Digest,
    head: Head,
    calibration: Calibration,
}

/// What the bundle says of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The most probable class, an index into the taxonomy.
    pub class: usize,
    /// Of each class; they sum to 1.
    pub probabilities: Vec<f64>,
    /// How often a prediction like this one is right, in `[1/classes, 1]`.
    pub confidence: f64,
}

/// Why a bundle cannot prelabel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The engine.
    #[error("inference failed")]
    Engine {
        /// What it says.
        source: EngineError,
    },
    /// This engine computes other outputs than the bundle promises.
    #[error("{engine} does not reproduce the golden outputs")]
    Golden {
        /// The engine.
        engine: String,
        /// What differs.
        source: GoldenError,
    },
    /// Features that do not fit the head.
    #[error("the features do not fit the head")]
    Head {
        /// What does not fit.
        source: HeadError,
    },
}

impl Predictor {
    /// Loads a bundle and has the engine reproduce its golden outputs: all rows together, and each
    /// alone, so that no output depends on an item's neighbours or their number.
    ///
    /// A bundle from elsewhere belongs in a child process the first time: an engine may abort on it
    /// although [`crate::check`] found nothing.
    ///
    /// # Errors
    /// [`PredictError`].
    pub fn load(engine: &Engine, bundle: &Bundle) -> Result<Self, PredictError> {
        let manifest = bundle.manifest();
        let backbone = engine
            .load(bundle.backbone(), manifest.columns.len(), manifest.features)
            .map_err(|source| PredictError::Engine { source })?;
        let mut predictor = Self {
            backbone,
            backbone_digest: manifest.backbone.digest,
            head: bundle.head().clone(),
            calibration: manifest.calibration.clone(),
        };
        let input = bundle.golden().input();
        let mut alone = Vec::new();
        for row in input.chunks(manifest.columns.len()) {
            alone.extend(predictor.features(row)?);
        }
        for found in [alone, predictor.features(&input)?] {
            // The other golden outputs follow from the features; `Bundle` has checked that.
            bundle.golden().check_features(&found).map_err(|source| PredictError::Golden {
                engine: engine.name().to_owned(),
                source,
            })?;
        }
        Ok(predictor)
    }

    /// Digest of the backbone, which a training round must name.
    pub fn backbone_digest(&self) -> Digest {
        self.backbone_digest
    }

    /// The head in use.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Features of rows, row-major `[n, columns]` to `[n, features]`.
    ///
    /// # Errors
    /// [`PredictError::Engine`].
    pub fn features(&mut self, rows: &[f32]) -> Result<Vec<f32>, PredictError> {
        let mut features =
            Vec::with_capacity(rows.len() / self.backbone.columns() * self.backbone.features());
        for batch in rows.chunks(BATCH_ROWS * self.backbone.columns()) {
            let found =
                self.backbone.run(batch).map_err(|source| PredictError::Engine { source })?;
            features.extend(found);
        }
        Ok(features)
    }

    /// Prelabels rows, row-major `[n, columns]`.
    ///
    /// # Errors
    /// [`PredictError`].
    pub fn predict(&mut self, rows: &[f32]) -> Result<Vec<Prediction>, PredictError> {
        let features = self.features(rows)?;
        features.chunks_exact(self.backbone.features()).map(|item| self.judge(item)).collect()
    }

    /// Prelabels an item by its features.
    ///
    /// # Errors
    /// [`PredictError::Head`].
    pub fn judge(&self, features: &[f32]) -> Result<Prediction, PredictError> {
        let probabilities = self
            .head
            .probabilities(features, self.calibration.temperature)
            .map_err(|source| PredictError::Head { source })?;
        let (class, best) = probabilities
            .iter()
            .copied()
            .enumerate()
            .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        let confidence = self.calibration.confidence(best, probabilities.len());
        Ok(Prediction { class, probabilities, confidence })
    }
}
