//! A model from a folder as a bundle: what a download of ONNX and tokenizer files lacks.
//!
//! A folder with `model.onnx` and `tokenizer.json`, as sentence encoders are shared, knows no
//! taxonomy. [`TextModel::bundle`] gives it one: features are centred by the mean over the classes'
//! names, and the first head points each class to its own name, so that the bundle already prelabels
//! before anybody has labeled anything (zero-shot). Nothing but the names goes into it. A head of
//! tokens begins knowing nothing: a class' name is not like the words that it marks.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use insitu_protocol::text::Line;

use crate::bundle::{Bundle, BundleError, object};
use crate::calibration::Calibration;
use crate::check::{CheckError, check_text};
use crate::engine::Engine;
use crate::golden::{Golden, GoldenError, sampled};
use crate::head::{Head, HeadError, HeadKind, narrow};
use crate::manifest::{
    BACKBONE_BYTES_MAX, Column, ColumnKind, FORMAT, Manifest, ManifestError, Pooling, Sentence,
    TOKENIZER_BYTES_MAX, TextInput, check_tokens,
};
use crate::text::{Encoder, TextError, unit};
use crate::wordpiece::{TokenizerError, WordPiece};

/// Where the backbone of a model's folder is, the first one that exists.
const MODEL_FILES: [&str; 2] = ["model.onnx", "onnx/model.onnx"];
const TOKENIZER_FILE: &str = "tokenizer.json";
/// Length of a class' weights in the first head. Between 3 and 8 it makes no difference to training
/// on Banking77.
const NAME_LENGTH: f64 = 5.0;
/// Most classes' names among the golden texts, beside the fixed ones.
const GOLDEN_NAMES: usize = 8;
/// Golden texts beside names: an empty one, other alphabets, one that is cut.
const GOLDEN_TEXTS: [&str; 3] = ["", "Straße, 東京, naïve — 3.5 mg?", "The same words again. "];
/// How often the last of them is repeated: more tokens than any backbone reads.
const GOLDEN_REPEATED: usize = 128;

/// A backbone of texts and its tokenizer, from a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct TextModel {
    backbone: Vec<u8>,
    tokenizer: Vec<u8>,
    input: TextInput,
    features: usize,
}

/// What a bundle says beside its model.
#[derive(Clone, Debug, PartialEq)]
pub struct Title {
    /// The bundle's name.
    pub name: Line,
    /// The project's field of the text.
    pub field: Line,
    /// The taxonomy's classes.
    pub classes: Vec<Line>,
    /// Licences of model and data.
    pub licences: Vec<Sentence>,
}

/// Why a folder does not become a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file cannot be read.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file over its limit.
    #[error("{} has more than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most allowed.
        max: u64,
    },
    /// The backbone.
    #[error("the backbone is refused")]
    Check {
        /// What is wrong with it.
        #[from]
        source: CheckError,
    },
    /// The tokenizer.
    #[error("the tokenizer is refused")]
    Tokenizer {
        /// What is wrong with it.
        #[from]
        source: TokenizerError,
    },
    /// The model at work.
    #[error("the model does not turn texts into features")]
    Text {
        /// Why not.
        #[from]
        source: TextError,
    },
    /// A backbone without vectors of words, which a head of tokens needs.
    #[error("the backbone gives one vector for a text: a head of tokens needs one for each token")]
    NoWords,
    /// The first head.
    #[error("the classes' names do not give a head")]
    Head {
        /// Why not.
        #[from]
        source: HeadError,
    },
    /// The golden outputs.
    #[error("there are no golden outputs")]
    Golden {
        /// Why not.
        #[from]
        source: GoldenError,
    },
    /// The manifest.
    #[error("the manifest is refused")]
    Manifest {
        /// What is wrong with it.
        #[from]
        source: ManifestError,
    },
    /// The bundle.
    #[error("the bundle is refused")]
    Bundle {
        /// What is wrong with it.
        #[from]
        source: BundleError,
    },
}

impl TextModel {
    /// Reads `model.onnx` and `tokenizer.json` of a folder, for texts of up to `tokens` tokens.
    ///
    /// A backbone that gives a vector for each token is pooled as `pooling` says.
    ///
    /// # Errors
    /// [`PackError`] when a file is missing, too large or refused, `tokens` are not 3 to
    /// [`crate::manifest::TOKENS_MAX`], or words have no vectors that are to stay theirs.
    pub fn open(folder: &Path, tokens: usize, pooling: Pooling) -> Result<Self, PackError> {
        check_tokens(tokens)?;
        let model = MODEL_FILES.iter().map(|name| folder.join(name)).find(|path| path.exists());
        let model = model.unwrap_or_else(|| folder.join(MODEL_FILES[0]));
        let backbone = read(&model, BACKBONE_BYTES_MAX)?;
        let tokenizer = read(&folder.join(TOKENIZER_FILE), TOKENIZER_BYTES_MAX)?;
        let vocabulary = WordPiece::read(&tokenizer)?.largest_id() as usize + 1;
        let output = check_text(&backbone, vocabulary)?;
        let pooling = match (output.each_token, pooling) {
            (false, Pooling::Words) => return Err(PackError::NoWords),
            (true, pooling) => pooling,
            (false, _) => Pooling::Backbone,
        };
        let input = TextInput {
            tokenizer: object(&tokenizer),
            tokens,
            vocabulary,
            pooling,
            centre: Vec::new(),
        };
        Ok(Self { backbone, tokenizer, input, features: output.features + pooling.beside() })
    }

    /// Whether it has features of words, not of texts.
    pub fn has_words(&self) -> bool {
        self.input.pooling == Pooling::Words
    }

    /// Centres features by the mean over public texts, which classes' names are.
    ///
    /// # Errors
    /// [`TextError`] when the model does not run.
    pub fn centre_at<T: AsRef<str>>(
        &mut self,
        engine: &Engine,
        texts: &[T],
    ) -> Result<(), TextError> {
        self.input.centre.clear();
        let features = self.encoder(engine)?.features(texts)?;
        let mut mean = vec![0.0; self.features];
        for text in features.chunks_exact(self.features) {
            mean.iter_mut().zip(text).for_each(|(mean, value)| *mean += f64::from(*value));
        }
        let count = texts.len().max(1) as f64;
        self.input.centre = mean.into_iter().map(|sum| narrow(sum / count)).collect();
        Ok(())
    }

    /// The model at work.
    ///
    /// # Errors
    /// [`TextError`] when it does not load.
    pub fn encoder(&self, engine: &Engine) -> Result<Encoder, TextError> {
        Encoder::load(engine, &self.backbone, &self.tokenizer, &self.input, self.features)
    }

    /// The model as a bundle for a taxonomy with a first head of this kind, unsigned: the coordinator
    /// signs what it publishes. A head of tokens needs [`Pooling::Words`].
    ///
    /// # Errors
    /// [`PackError`].
    pub fn bundle(
        mut self,
        engine: &Engine,
        title: Title,
        kind: HeadKind,
    ) -> Result<Bundle, PackError> {
        let names: Vec<String> = title.classes.iter().map(|class| spoken(class.as_str())).collect();
        let (head, origin, mut encoder) = if kind == HeadKind::Tokens {
            let head = Head::of_tokens(names.len(), self.features)?;
            (head, "head: nothing yet, which marks nothing", self.encoder(engine)?)
        } else {
            self.centre_at(engine, &names)?;
            let mut encoder = self.encoder(engine)?;
            let features = encoder.features(&names)?;
            let head = named_head(&features, self.features)?.into_kind(kind)?;
            (head, "head: the classes' names (zero-shot)", encoder)
        };
        let [empty, foreign, long] = GOLDEN_TEXTS;
        let texts: Vec<String> = names
            .into_iter()
            .take(GOLDEN_NAMES)
            .chain([empty.to_owned(), foreign.to_owned(), long.repeat(GOLDEN_REPEATED)])
            .collect();
        let features = golden_features(&mut encoder, &texts, kind)?;
        let calibration = Calibration::identity();
        let golden = Golden {
            rows: Vec::new(),
            texts,
            features,
            probabilities: Vec::new(),
            confidences: Vec::new(),
        };
        let golden = golden.under(&head, &calibration)?.encode()?;
        let objects = [self.backbone, head.encode(), golden, self.tokenizer];
        let manifest = Manifest {
            format: FORMAT,
            name: title.name,
            version: 1,
            parent: None,
            classes: title.classes,
            columns: vec![Column { name: title.field, kind: ColumnKind::Text }],
            text: Some(self.input),
            kind: head.shape().kind,
            features: self.features,
            backbone: object(&objects[0]),
            head: object(&objects[1]),
            golden: object(&objects[2]),
            calibration,
            lineage: vec![Sentence::new(origin).unwrap_or_default()],
            licences: title.licences,
        };
        let mut given = objects.into_iter();
        Ok(Bundle::from_objects(manifest.encode()?, |_| given.next())?)
    }
}

/// A class' name as people say it.
pub fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

/// The head that points each class to its own features, `[classes, features]`.
///
/// # Errors
/// [`HeadError`] when there are none.
pub fn named_head(features: &[f32], width: usize) -> Result<Head, HeadError> {
    let mut weights = Vec::with_capacity(features.len());
    for row in features.chunks(width.max(1)) {
        let mut row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
        unit(&mut row);
        weights.extend(row.into_iter().map(|value| narrow(value * NAME_LENGTH)));
    }
    Head::new(features.len() / width.max(1), width, weights)
}

fn golden_features(
    encoder: &mut Encoder,
    texts: &[String],
    kind: HeadKind,
) -> Result<Vec<Vec<f32>>, PackError> {
    let width = encoder.width();
    if kind == HeadKind::Tokens {
        let of_words = |text: &String| Ok(sampled(&encoder.words(text)?.features, width));
        return texts.iter().map(of_words).collect();
    }
    let found = encoder.features(texts)?;
    Ok(found.chunks_exact(width).map(<[f32]>::to_vec).collect())
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>, PackError> {
    let failed = |source| PackError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if fs::metadata(path).map_err(failed)?.len() > max {
        return Err(PackError::TooLarge { path: path.to_owned(), max });
    }
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
