//! Texts to features: a tokenizer, a backbone of tokens, and one vector of length 1 for each text.
//!
//! For heads of tokens it is a vector for each word instead ([`words`]).
//!
//! Texts of one length share a batch, so nothing is padded: no text's features depend on which others
//! are beside it, unless the backbone mixes them.

pub mod words;

use crate::engine::{Engine, EngineError, TextBackbone};
use crate::head::narrow;
use crate::manifest::{Pooling, TextInput};
use crate::wordpiece::{TokenizerError, WordPiece};

/// Most tokens of one run of the backbone, all texts together: so few that what a layer makes of them
/// stays in a processor's cache. A token of MiniLM costs 0.46 ms in a run of 128 to 512, 0.64 ms in one
/// of 16, and 0.61 ms in one of 4096, which takes 70 MB more.
const RUN_TOKENS: usize = 512;
/// Characters that are read for each token that a text may have: what is beyond them would be cut
/// off after the work, and a text may be of any length.
const CHARACTERS_PER_TOKEN: usize = 32;

/// A tokenizer and a backbone at work.
pub struct Encoder {
    tokenizer: WordPiece,
    backbone: TextBackbone,
    tokens: usize,
    pooling: Pooling,
    centre: Vec<f32>,
}

/// Why texts have no features. It never says anything of a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The tokenizer's file.
    #[error("the tokenizer is refused")]
    Tokenizer {
        /// What is wrong with it.
        source: TokenizerError,
    },
    /// A tokenizer with more tokens than the backbone knows.
    #[error("a token has the id {id}, and the backbone knows {vocabulary} tokens")]
    Vocabulary {
        /// The largest id.
        id: u32,
        /// Ids that the backbone knows.
        vocabulary: usize,
    },
    /// The engine.
    #[error("the backbone of texts fails")]
    Engine {
        /// What it says.
        source: EngineError,
    },
    /// Features of whole texts, of a model that has them of words.
    #[error("the model gives features of words, not of texts")]
    Words,
    /// Vectors that are not finite.
    #[error("the backbone gives numbers that are not finite")]
    NotFinite,
}

impl Encoder {
    /// Loads tokenizer and backbone, and runs the longest text and the largest batch there can be.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn load(
        engine: &Engine,
        backbone: &[u8],
        tokenizer: &[u8],
        input: &TextInput,
        features: usize,
    ) -> Result<Self, TextError> {
        let failed = |source| TextError::Engine { source };
        let tokenizer =
            WordPiece::read(tokenizer).map_err(|source| TextError::Tokenizer { source })?;
        let id = tokenizer.largest_id();
        if id as usize >= input.vocabulary {
            return Err(TextError::Vocabulary { id, vocabulary: input.vocabulary });
        }
        let each_token = input.pooling != Pooling::Backbone;
        let own = features.saturating_sub(input.pooling.beside());
        let mut backbone =
            engine.load_text(backbone, input.vocabulary, own, each_token).map_err(failed)?;
        // A backbone's indices may be made of either dimension, and be out of bounds at one end only.
        let shortest = tokenizer.ids("", input.tokens).len();
        let most = match input.pooling {
            Pooling::Words => 1, // each window runs alone
            Pooling::Mean | Pooling::First | Pooling::Backbone => texts_of_a_run(shortest),
        };
        for (texts, length) in [(1, input.tokens), (most, shortest)] {
            let ids = vec![i64::from(id); texts * length];
            let vectors = backbone.run(&ids, length).map_err(failed)?;
            if vectors.iter().any(|value| !value.is_finite()) {
                return Err(TextError::NotFinite);
            }
        }
        Ok(Self {
            tokenizer,
            backbone,
            tokens: input.tokens,
            pooling: input.pooling,
            centre: input.centre.clone(),
        })
    }

    /// Numbers of the features of a text, or of a word.
    pub fn width(&self) -> usize {
        self.backbone.features() + self.pooling.beside()
    }

    /// Features of texts, row-major `[texts, features]`, each of length 1.
    ///
    /// # Errors
    /// [`TextError`]; [`TextError::Words`] where words have them.
    pub fn features<T: AsRef<str>>(&mut self, texts: &[T]) -> Result<Vec<f32>, TextError> {
        if self.pooling == Pooling::Words {
            return Err(TextError::Words);
        }
        let ids: Vec<Vec<i64>> = texts.iter().map(|text| self.ids(text.as_ref())).collect();
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|index| ids[*index].len());
        let width = self.width();
        let mut features = vec![0.0; texts.len() * width];
        for alike in order.chunk_by(|a, b| ids[*a].len() == ids[*b].len()) {
            let length = ids[alike[0]].len();
            for batch in alike.chunks(texts_of_a_run(length)) {
                let given: Vec<i64> =
                    batch.iter().flat_map(|index| &ids[*index]).copied().collect();
                let vectors = self
                    .backbone
                    .run(&given, length)
                    .map_err(|source| TextError::Engine { source })?;
                for (index, vectors) in
                    batch.iter().zip(vectors.chunks(vectors.len() / batch.len()))
                {
                    let feature = self.pool(vectors)?;
                    features[index * width..][..width].copy_from_slice(&feature);
                }
            }
        }
        Ok(features)
    }

    fn ids(&self, text: &str) -> Vec<i64> {
        let end = text.char_indices().nth(self.tokens * CHARACTERS_PER_TOKEN);
        self.tokenizer.ids(end.map_or(text, |(end, _)| &text[..end]), self.tokens)
    }

    /// One vector of length 1 of a text's vectors, `[tokens or 1, features]`.
    fn pool(&self, vectors: &[f32]) -> Result<Vec<f32>, TextError> {
        let rows = match self.pooling {
            Pooling::Mean | Pooling::Words => vectors,
            Pooling::First | Pooling::Backbone => &vectors[..self.backbone.features()],
        };
        let pooled: Vec<f32> = self.direction(rows).into_iter().map(narrow).collect();
        if pooled.iter().all(|value| value.is_finite()) {
            Ok(pooled)
        } else {
            Err(TextError::NotFinite)
        }
    }

    /// The sum of vectors brought to length 1, less the centre, again of length 1.
    fn direction(&self, rows: &[f32]) -> Vec<f64> {
        let width = self.backbone.features();
        let mut sum = vec![0.0; width];
        for row in rows.chunks_exact(width) {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        unit(&mut sum);
        if !self.centre.is_empty() {
            sum.iter_mut().zip(&self.centre).for_each(|(sum, centre)| *sum -= f64::from(*centre));
            unit(&mut sum);
        }
        sum
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("backbone", &self.backbone)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

/// Most texts of so many tokens that go through the backbone at once.
fn texts_of_a_run(length: usize) -> usize {
    RUN_TOKENS.checked_div(length).unwrap_or(0).max(1)
}

/// Brings a vector to length 1; one of nothing but zeros stays.
pub(crate) fn unit(vector: &mut [f64]) {
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}
