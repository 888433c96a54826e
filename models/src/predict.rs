//! A loaded bundle at work: rows in, prelabels with a calibrated confidence out.

use insitu_protocol::ids::Digest;

use crate::bundle::{Bundle, BundleError};
use crate::calibration::{Calibration, Judgement};
use crate::engine::{Backbone, Engine, EngineError};
use crate::golden::{Golden, GoldenError, sampled};
use crate::head::{Head, HeadError, HeadKind};
use crate::manifest::Manifest;
use crate::text::words::Words;
use crate::text::{Encoder, TextError};
use crate::tokens::{self, Span};

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
    /// The most probable class, an index into the taxonomy; 0 of a head of tokens.
    pub class: usize,
    /// The classes that are said, ascending: that one, or of a head of several classes any number; of
    /// tokens none.
    pub classes: Vec<usize>,
    /// Of a head of tokens: the tag of each word.
    pub tags: Vec<u16>,
    /// Of each class; they sum to 1 where an item has one. Of tokens as
    /// [`Head::probabilities`] has them.
    pub probabilities: Vec<f64>,
    /// How often a prediction like this one is right, in `[0, 1]`, and at least as often as chance is.
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
    /// alone. That finds a backbone by mistake made so that an output depends on an item's neighbours or
    /// their number; one that was made so for other rows than the golden ones it does not find.
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
        for found in predictor.golden_features(manifest, golden)? {
            // The other golden outputs follow from the features; `Bundle` has checked that.
            golden.check_features(&found).map_err(|source| PredictError::Golden {
                engine: engine.name().to_owned(),
                source,
            })?;
        }
        Ok(predictor)
    }

    /// Features of the golden inputs: each alone, and all together where that is another run.
    fn golden_features(
        &mut self,
        manifest: &Manifest,
        golden: &Golden,
    ) -> Result<Vec<Vec<f32>>, PredictError> {
        let mut alone = Vec::new();
        if manifest.kind == HeadKind::Tokens {
            for text in &golden.texts {
                alone.extend(sampled(&self.words(text)?.features, manifest.features));
            }
            return Ok(vec![alone]);
        }
        if manifest.text.is_some() {
            for text in golden.texts.chunks(1) {
                alone.extend(self.features_of_texts(text)?);
            }
            return Ok(vec![alone, self.features_of_texts(&golden.texts)?]);
        }
        let input = golden.input();
        for row in input.chunks(manifest.row_width()) {
            alone.extend(self.features(row)?);
        }
        Ok(vec![alone, self.features(&input)?])
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

    /// A text's words with their features, for a head of tokens.
    ///
    /// # Errors
    /// [`PredictError::Text`], or [`PredictError::Input`] for a bundle of rows.
    pub fn words(&mut self, text: &str) -> Result<Words, PredictError> {
        let Kind::Text(encoder) = &mut self.backbone else {
            return Err(PredictError::Input { given: "texts" });
        };
        encoder.words(text).map_err(|source| PredictError::Text { source })
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
        if self.head.shape().kind == HeadKind::Tokens {
            let of_text = |text: &T| self.mark(text.as_ref()).map(|(_, prediction)| prediction);
            return texts.iter().map(of_text).collect();
        }
        let features = self.features_of_texts(texts)?;
        self.judge_all(&features)
    }

    /// The spans of a text, for a head of tokens, and the prediction whose tags they are.
    ///
    /// # Errors
    /// [`PredictError`].
    pub fn mark(&mut self, text: &str) -> Result<(Vec<Span>, Prediction), PredictError> {
        let words = self.words(text)?;
        let prediction = self.judge_words(&words)?;
        Ok((tokens::spans(&words.ranges, &prediction.tags), prediction))
    }

    /// Prelabels a text by its words. What is behind the last word that is read may hold spans that
    /// nobody looked for: of such a text nothing is sure.
    ///
    /// # Errors
    /// [`PredictError::Head`].
    pub fn judge_words(&self, words: &Words) -> Result<Prediction, PredictError> {
        let prediction = self.judge(&words.features)?;
        let confidence = if words.whole { prediction.confidence } else { 0.0 };
        Ok(Prediction { confidence, ..prediction })
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
        let judged = calibration.judge(head.shape(), &probabilities);
        let Judgement { class, classes, tags, confidence } = judged;
        Ok(Self { class, classes, tags, probabilities, confidence })
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
