//! The tokenizer of BERT and its relatives: words and their pieces (Devlin, Chang, Lee, Toutanova
//! 2019; Wu and others 2016), from the `tokenizer.json` in which sentence encoders are shared.
//!
//! Only that kind is read: a normaliser and a splitter of BERT's, pieces, and a first and last mark.
//! A file of another kind is refused by the part that differs. What the file says of padding and
//! truncation does not count, and marks that stand in a text are text: nobody writes `[SEP]` into a
//! note and means it.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization as _;

/// Longest piece of a vocabulary, in bytes: searching is quadratic in it.
const PIECE_BYTES_MAX: usize = 512;
/// Longest word that is cut into pieces, in characters, whatever the file says.
const WORD_CHARACTERS_MAX: usize = 512;

/// A tokenizer.
#[derive(Debug)]
pub struct WordPiece {
    pieces: HashMap<String, u32>,
    prefix: String,
    unknown: u32,
    word_characters: usize,
    before: Vec<u32>,
    after: Vec<u32>,
    normaliser: Normaliser,
}

/// Why a file is no tokenizer that this program reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// Not the JSON of a tokenizer of words and pieces.
    #[error("not a tokenizer of BERT's kind")]
    Malformed {
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A token that is needed and not in the vocabulary.
    #[error("the vocabulary lacks {token:?}")]
    Missing {
        /// The token, shortened.
        token: String,
    },
    /// A piece that is longer than any word's.
    #[error("a piece of {got} bytes, {PIECE_BYTES_MAX} are allowed")]
    Piece {
        /// Bytes found.
        got: usize,
    },
}

#[derive(Deserialize)]
struct File {
    normalizer: Normaliser,
    pre_tokenizer: Splitter,
    post_processor: Option<Marks>,
    model: Model,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Normaliser {
    BertNormalizer {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Splitter {
    BertPreTokenizer {},
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Marks {
    TemplateProcessing { single: Vec<Part>, special_tokens: HashMap<String, Special> },
    BertProcessing { sep: (String, u32), cls: (String, u32) },
}

#[derive(Deserialize)]
enum Part {
    SpecialToken { id: String },
    Sequence {},
}

#[derive(Deserialize)]
struct Special {
    ids: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Model {
    WordPiece {
        vocab: HashMap<String, u32>,
        unk_token: String,
        continuing_subword_prefix: String,
        max_input_chars_per_word: usize,
    },
}

impl WordPiece {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError`].
    pub fn read(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let file: File =
            serde_json::from_slice(bytes).map_err(|source| TokenizerError::Malformed { source })?;
        let Splitter::BertPreTokenizer {} = file.pre_tokenizer;
        let Model::WordPiece {
            vocab,
            unk_token,
            continuing_subword_prefix,
            max_input_chars_per_word,
        } = file.model;
        if let Some(got) = vocab.keys().map(String::len).max().filter(|got| *got > PIECE_BYTES_MAX)
        {
            return Err(TokenizerError::Piece { got });
        }
        let missing =
            |token: &str| TokenizerError::Missing { token: token.chars().take(64).collect() };
        let unknown = *vocab.get(&unk_token).ok_or_else(|| missing(&unk_token))?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        match file.post_processor {
            None => {}
            Some(Marks::BertProcessing { sep, cls }) => {
                (before, after) = (vec![cls.1], vec![sep.1])
            }
            Some(Marks::TemplateProcessing { single, special_tokens }) => {
                let mut marks = &mut before;
                for part in single {
                    match part {
                        Part::Sequence {} => marks = &mut after,
                        Part::SpecialToken { id } => {
                            let special = special_tokens.get(&id).ok_or_else(|| missing(&id))?;
                            marks.extend(&special.ids);
                        }
                    }
                }
            }
        }
        Ok(Self {
            pieces: vocab,
            prefix: continuing_subword_prefix,
            unknown,
            word_characters: max_input_chars_per_word.min(WORD_CHARACTERS_MAX),
            before,
            after,
            normaliser: file.normalizer,
        })
    }

    /// The largest id that a text can get.
    pub fn largest_id(&self) -> u32 {
        let marks = self.before.iter().chain(&self.after);
        self.pieces.values().chain(marks).copied().max().unwrap_or(self.unknown)
    }

    /// Ids of a text, at most `limit` of them; the first and last marks are kept. A text without any
    /// is the unknown piece: there is always one.
    pub fn ids(&self, text: &str, limit: usize) -> Vec<i64> {
        let room = limit.saturating_sub(self.before.len() + self.after.len());
        let mut ids: Vec<u32> = self.before.clone();
        let most = ids.len() + room;
        for word in WORD.find_iter(&self.normaliser.apply(text)) {
            if ids.len() >= most {
                break;
            }
            self.push_word(word.as_str(), &mut ids);
        }
        ids.truncate(most);
        ids.extend(&self.after);
        ids.truncate(limit);
        if ids.is_empty() {
            ids.push(self.unknown);
        }
        ids.into_iter().map(i64::from).collect()
    }

    /// Cuts a word into the longest pieces there are, from its start on; into the unknown one when
    /// that fails.
    fn push_word(&self, word: &str, ids: &mut Vec<u32>) {
        let start = ids.len();
        let mut rest = if word.chars().count() > self.word_characters { "" } else { word };
        let mut piece = String::new();
        let mut whole = !rest.is_empty();
        while whole && !rest.is_empty() {
            piece.clear();
            if ids.len() > start {
                piece.push_str(&self.prefix);
            }
            let prefix = piece.len();
            piece.push_str(rest);
            while piece.len() > prefix && !self.pieces.contains_key(&piece) {
                piece.pop();
            }
            match self.pieces.get(&piece).filter(|_| piece.len() > prefix) {
                Some(id) => ids.push(*id),
                None => whole = false,
            }
            rest = &rest[piece.len() - prefix..];
        }
        if !whole {
            ids.truncate(start);
            ids.push(self.unknown);
        }
    }
}

/// A punctuation mark, or a run of anything else but white space.
static WORD: LazyLock<Regex> = LazyLock::new(|| regex(r"[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+"));
/// What cleaning leaves out: control characters and others that are none.
static UNSEEN: LazyLock<Regex> = LazyLock::new(|| regex(r"[\p{C}\x{FFFD}--\t\n\r]"));
/// Accents and the like, once they are apart from their letters.
static ACCENT: LazyLock<Regex> = LazyLock::new(|| regex(r"\p{Mn}"));
/// Ideographs, each of which is a word.
static IDEOGRAPH: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]",
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this program, which its tests compile")
}

impl Normaliser {
    fn apply(&self, text: &str) -> String {
        let Self::BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase } =
            self;
        let mut text = text.to_owned();
        if *clean_text {
            text = UNSEEN.replace_all(&text, "").into_owned();
        }
        if *handle_chinese_chars {
            text = IDEOGRAPH.replace_all(&text, " $0 ").into_owned();
        }
        if strip_accents.unwrap_or(*lowercase) {
            let apart: String = text.nfd().collect();
            text = ACCENT.replace_all(&apart, "").into_owned();
        }
        if *lowercase {
            // Letter by letter, as the models were trained: a final sigma is like any other.
            text = text.chars().flat_map(char::to_lowercase).collect();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = r###"{"normalizer":{"type":"BertNormalizer","clean_text":true,
        "handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
        "pre_tokenizer":{"type":"BertPreTokenizer"},
        "post_processor":{"type":"TemplateProcessing","single":[
            {"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
            {"SpecialToken":{"id":"[SEP]","type_id":0}}],
            "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[8],"tokens":["[CLS]"]},
                              "[SEP]":{"id":"[SEP]","ids":[9],"tokens":["[SEP]"]}}},
        "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
            "max_input_chars_per_word":10,
            "vocab":{"[UNK]":0,"card":1,"##io":2,"##logy":3,"cafe":4,"!":5,"東":6,"[":7}}}"###;

    #[track_caller]
    fn check(text: &str, expected: &[i64]) {
        let ids = WordPiece::read(FILE.as_bytes()).unwrap().ids(text, 16);
        assert_eq!(ids[1..ids.len() - 1], *expected, "{text:?}");
        assert_eq!((ids[0], ids[ids.len() - 1]), (8, 9));
    }

    #[test]
    fn words_are_cut_into_their_longest_pieces() {
        check("Card", &[1]);
        check("cardiology card!", &[1, 2, 3, 1, 5]);
        check("cardiac", &[0]); // no piece for its end, so no piece for any of it
        check("cardiocardio", &[0]); // longer than any word that is cut
        check("", &[]);
    }

    #[test]
    fn text_is_normalised_first() {
        check("CAFÉ", &[4]);
        check("ca\u{301}rd\u{0}\u{200b}", &[1]);
        check("card東card\tcard", &[1, 6, 1, 1]);
        check("[SEP]", &[7, 0, 0]); // a mark in a text is text
    }

    #[test]
    fn the_limit_keeps_the_marks() {
        let tokenizer = WordPiece::read(FILE.as_bytes()).unwrap();
        assert_eq!(tokenizer.ids("card card card", 4), [8, 1, 1, 9]);
        assert_eq!(tokenizer.ids("cardiology", 4), [8, 1, 2, 9]);
        assert_eq!(tokenizer.ids("card", 2), [8, 9]);
        assert_eq!(tokenizer.largest_id(), 9);
    }

    #[test]
    fn other_kinds_are_refused() {
        for (from, to) in [
            ("WordPiece\"", "BPE\""),
            ("BertPreTokenizer", "ByteLevel"),
            ("BertNormalizer", "Replace"),
            ("\"max_input_chars_per_word\":10,", ""),
        ] {
            let error = WordPiece::read(FILE.replace(from, to).as_bytes()).unwrap_err();
            assert!(matches!(error, TokenizerError::Malformed { .. }), "{to}: {error}");
        }
        for (from, to) in [("\"[UNK]\":0", "\"[unk]\":0"), ("\"[SEP]\":{", "\"[sep]\":{")] {
            let error = WordPiece::read(FILE.replace(from, to).as_bytes()).unwrap_err();
            assert!(matches!(error, TokenizerError::Missing { .. }), "{to}: {error}");
        }
        let long = FILE.replace("card\"", &format!("{}\"", "c".repeat(600)));
        let error = WordPiece::read(long.as_bytes()).unwrap_err();
        assert!(matches!(error, TokenizerError::Piece { got: 600 }));
    }

    proptest! {
        #[test]
        fn any_text_gives_known_ids_within_the_limit(text in any::<String>(), limit in 2_usize..20) {
            let ids = WordPiece::read(FILE.as_bytes()).unwrap().ids(&text, limit);
            prop_assert!(ids.len() <= limit);
            prop_assert!(ids.iter().all(|id| (0..=9).contains(id)));
        }
    }
}
