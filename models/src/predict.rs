//! A loaded bundle at work: rows in, prelabels with a calibrated confidence out.

use insitu_protocol::ids::Digest;

use crate::bundle::{Bundle, BundleError};
use crate::calibration::{Calibration, Judgement};
use crate::engine::{Backbone, Engine, EngineError};
use crate::golden::GoldenError;
use crate::head::{Head, HeadError};
use crate::text::{Encoder, TextError};

/// Rows given to the engine at once; more are cut into batches of this many.
pub const BATCH_ROWS: usize = 256;

/// A bundle that is ready to prelabel.
#[derive(Debug)]
pub struct Predictor {
    backbone: Kind,
    backbone_digest: Digest,
    head: Head,
    calibration: Calibration,
}

#[derive(Debug)]
enum Kind {
    Table(Backbone),
    Text(Encoder),
}

/// What the bundle says of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The most probable class, an index into the taxonomy.
    pub class: usize,
    /// The classes that are said, ascending: that one, or of a head of several classes any number.
    pub classes: Vec<usize>,
    /// Of each class; they sum to 1 where an item has one.
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
    /// A text, its tokenizer or its backbone.
    #[error("the text has no features")]
    Text {
        /// Why not.
        source: TextError,
    },
    /// A bundle of texts without its tokenizer.
    #[error("the bundle is not whole")]
    Bundle {
        /// What is missing.
        source: BundleError,
    },
    /// Rows for a bundle of texts, or texts for a bundle of rows.
    #[error("the bundle takes no {given}")]
    Input {
        /// What was given.
        given: &'static str,
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
        let mut predictor = Self {
            backbone: Kind::load(engine, bundle)?,
            backbone_digest: manifest.backbone.digest,
            head: bundle.head().clone(),
            calibration: manifest.calibration.clone(),
        };
        let golden = bundle.golden();
        let mut alone = Vec::new();
        let together = if manifest.text.is_some() {
            for text in golden.texts.chunks(1) {
                alone.extend(predictor.features_of_texts(text)?);
            }
            predictor.features_of_texts(&golden.texts)?
        } else {
            let input = golden.input();
            for row in input.chunks(manifest.row_width()) {
                alone.extend(predictor.features(row)?);
            }
            predictor.features(&input)?
        };
        for found in [alone, together] {
            // The other golden outputs follow from the features; `Bundle` has checked that.
            golden.check_features(&found).map_err(|source| PredictError::Golden {
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
    /// [`PredictError::Engine`], or [`PredictError::Input`] for a bundle of texts.
    pub fn features(&mut self, rows: &[f32]) -> Result<Vec<f32>, PredictError> {
        let Kind::Table(backbone) = &mut self.backbone else {
            return Err(PredictError::Input { given: "rows" });
        };
        let mut features =
            Vec::with_capacity(rows.len() / backbone.columns() * backbone.features());
        for batch in rows.chunks(BATCH_ROWS * backbone.columns()) {
            features.extend(backbone.run(batch).map_err(|source| PredictError::Engine { source })?);
        }
        Ok(features)
    }

    /// Features of texts, row-major `[texts, features]`.
    ///
    /// # Errors
    /// [`PredictError::Text`], or [`PredictError::Input`] for a bundle of rows.
    pub fn features_of_texts<T: AsRef<str>>(
        &mut self,
        texts: &[T],
    ) -> Result<Vec<f32>, PredictError> {
        let Kind::Text(encoder) = &mut self.backbone else {
            return Err(PredictError::Input { given: "texts" });
        };
        encoder.features(texts).map_err(|source| PredictError::Text { source })
    }

    /// Prelabels rows, row-major `[n, columns]`.
    ///
    /// # Errors
    /// [`PredictError`].
    pub fn predict(&mut self, rows: &[f32]) -> Result<Vec<Prediction>, PredictError> {
        let features = self.features(rows)?;
        self.judge_all(&features)
    }

    /// Prelabels texts.
    ///
    /// # Errors
    /// [`PredictError`].
    pub fn predict_texts<T: AsRef<str>>(
        &mut self,
        texts: &[T],
    ) -> Result<Vec<Prediction>, PredictError> {
        let features = self.features_of_texts(texts)?;
        self.judge_all(&features)
    }

    fn judge_all(&self, features: &[f32]) -> Result<Vec<Prediction>, PredictError> {
        features.chunks_exact(self.head.features()).map(|item| self.judge(item)).collect()
    }

    /// Prelabels an item by its features.
    ///
    /// # Errors
    /// [`PredictError::Head`].
    pub fn judge(&self, features: &[f32]) -> Result<Prediction, PredictError> {
        Prediction::of(&self.head, &self.calibration, features)
            .map_err(|source| PredictError::Head { source })
    }
}

impl Prediction {
    /// What a head says of an item's features.
    ///
    /// # Errors
    /// [`HeadError`] when they do not fit.
    pub fn of(head: &Head, calibration: &Calibration, features: &[f32]) -> Result<Self, HeadError> {
        let probabilities = head.probabilities(features, calibration.temperature)?;
        let judged = calibration.judge(head.shape().kind, &probabilities);
        let Judgement { class, classes, confidence } = judged;
        Ok(Self { class, classes, probabilities, confidence })
    }
}

impl Kind {
    fn load(engine: &Engine, bundle: &Bundle) -> Result<Self, PredictError> {
        let manifest = bundle.manifest();
        let Some(input) = &manifest.text else {
            return engine
                .load(bundle.backbone(), manifest.row_width(), manifest.features)
                .map(Self::Table)
                .map_err(|source| PredictError::Engine { source });
        };
        let missing =
            || PredictError::Bundle { source: BundleError::Missing { what: "tokenizer" } };
        let tokenizer = bundle.tokenizer().ok_or_else(missing)?;
        Encoder::load(engine, bundle.backbone(), tokenizer, input, manifest.features)
            .map(Self::Text)
            .map_err(|source| PredictError::Text { source })
    }
}
