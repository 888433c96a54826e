//! The tokenizer of BERT and its relatives: words and their pieces (Devlin, Chang, Lee, Toutanova
//! 2019; Wu and others 2016), from the `tokenizer.json` in which sentence encoders are shared.
//!
//! Only that kind is read: a normaliser and a splitter of BERT's, pieces, and a first and last mark.
//! A file of another kind is refused by the part that differs. What the file says of padding and
//! truncation does not count, and marks that stand in a text are text: nobody writes `[SEP]` into a
//! note and means it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

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

/// A word of a text: a punctuation mark, or a run of anything else but white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its code points in the text as it was given.
    pub range: Range<usize>,
    /// Ids of its pieces; at least one.
    pub pieces: Vec<u32>,
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
        for word in WORD.find_iter(&self.normaliser.apply(text).text) {
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

    /// The first `limit` words of a text, ascending and apart, with the pieces that [`WordPiece::ids`]
    /// gives them.
    ///
    /// What normalising leaves out (accents, joiners, marks of direction) belongs to the character
    /// that it follows, so that no word ends between a letter and its accent.
    pub fn words(&self, text: &str, limit: usize) -> Vec<Word> {
        let Normal { text: normal, sources } = self.normaliser.apply(text);
        let mut stays = vec![false; text.chars().count()];
        sources.iter().for_each(|source| stays[*source] = true);
        let mut words: Vec<Word> = Vec::new();
        for found in WORD.find_iter(&normal) {
            let from = &sources[found.range()];
            let (first, last) = from.iter().fold((usize::MAX, 0), |(first, last), source| {
                (first.min(*source), last.max(*source))
            });
            let start = first.max(words.last().map_or(0, |word| word.range.end));
            let after = stays.iter().skip(last + 1).take_while(|stays| !**stays).count();
            let range = start..last + 1 + after;
            if let Some(word) = words.last_mut().filter(|_| range.is_empty()) {
                self.push_word(found.as_str(), &mut word.pieces); // of one character with it
                continue;
            }
            if words.len() == limit {
                break;
            }
            let mut pieces = Vec::new();
            self.push_word(found.as_str(), &mut pieces);
            words.push(Word { range, pieces });
        }
        words
    }

    /// Ids of the marks before and after a text.
    pub fn marks(&self) -> [&[u32]; 2] {
        [&self.before, &self.after]
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
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this program, which its tests compile")
}

/// A text as words are looked for in it.
struct Normal {
    text: String,
    /// Of each of its bytes: the code point of the given text that it is of.
    sources: Vec<usize>,
}

impl Normaliser {
    fn apply(&self, text: &str) -> Normal {
        let Self::BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase } =
            self;
        let mut found: Vec<(char, usize)> =
            text.chars().enumerate().map(|(source, c)| (c, source)).collect();
        if *clean_text {
            found.retain(|(c, _)| !is_unseen(*c));
        }
        if *handle_chinese_chars {
            let apart = |(c, source)| match is_ideograph(c) {
                true => [Some(' '), Some(c), Some(' ')].map(|c| Some((c?, source))),
                false => [Some((c, source)), None, None],
            };
            found = found.into_iter().flat_map(apart).flatten().collect();
        }
        if strip_accents.unwrap_or(*lowercase) {
            found = decomposed(&found);
            found.retain(|(c, _)| c.is_ascii() || !is_one(&ACCENT, *c));
        }
        if *lowercase {
            // Letter by letter, as the models were trained: a final sigma is like any other.
            let lower = |(c, source): (char, usize)| c.to_lowercase().map(move |c| (c, source));
            found = found.into_iter().flat_map(lower).collect();
        }
        let bytes = |(c, source): &(char, usize)| std::iter::repeat_n(*source, c.len_utf8());
        Normal {
            text: found.iter().map(|(c, _)| c).collect(),
            sources: found.iter().flat_map(bytes).collect(),
        }
    }
}

/// Normalisation form D (Unicode Standard Annex 15): each character taken apart, then marks in the
/// order of their classes.
fn decomposed(text: &[(char, usize)]) -> Vec<(char, usize)> {
    let mut apart = Vec::with_capacity(text.len());
    for (c, source) in text {
        decompose_canonical(*c, |part| apart.push((part, *source)));
    }
    let class = |(c, _): &(char, usize)| canonical_combining_class(*c);
    for marks in apart.chunk_by_mut(|a, b| class(a) > 0 && class(b) > 0) {
        marks.sort_by_key(class);
    }
    apart
}

fn is_unseen(c: char) -> bool {
    if c.is_ascii() {
        c.is_control() && !matches!(c, '\t' | '\n' | '\r')
    } else {
        is_one(&UNSEEN, c)
    }
}

/// Each ideograph is a word.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x2_0000..=0x2_A6DF | 0x2_A700..=0x2_B73F
        | 0x2_B740..=0x2_B81F | 0x2_B820..=0x2_CEAF | 0xF900..=0xFAFF | 0x2_F800..=0x2_FA1F)
}

fn is_one(class: &Regex, c: char) -> bool {
    class.is_match(c.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization as _;

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

    /// The words of a text, as they are written in it.
    #[track_caller]
    fn check_words(text: &str, expected: &[&str]) {
        let tokenizer = WordPiece::read(FILE.as_bytes()).unwrap();
        let characters: Vec<char> = text.chars().collect();
        let words = tokenizer.words(text, 100);
        let written: Vec<String> =
            words.iter().map(|word| characters[word.range.clone()].iter().collect()).collect();
        assert_eq!(written, expected, "{text:?}");
    }

    #[test]
    fn words_are_where_they_are_written() {
        check_words("Cardio, CAF\u{c9}!", &["Cardio", ",", "CAF\u{c9}", "!"]);
        // An accent of its own, a skin tone, a joiner and a variation stay with what they follow.
        check_words("Cafe\u{301} card", &["Cafe\u{301}", "card"]);
        check_words("👩🏽\u{200d}⚕\u{fe0f}, 🙂", &["👩🏽\u{200d}⚕\u{fe0f}", ",", "🙂"]);
        check_words("q\u{307}\u{323}. x", &["q\u{307}\u{323}", ".", "x"]);
        // From right to left with points and a mark of direction, ideographs, an empty text.
        let hebrew = "שָׁלוֹם";
        check_words(
            &format!("{hebrew} \u{200f}(دكتور)\u{200f}"),
            &[hebrew, "(", "دكتور", ")\u{200f}"],
        );
        check_words("card東京 \u{ac00}", &["card", "東", "京", "\u{ac00}"]);
        check_words(" \u{0}\u{301}", &[]);
        check_words("", &[]);
        let tokenizer = WordPiece::read(FILE.as_bytes()).unwrap();
        let words = tokenizer.words("cardiology, card card", 2);
        assert_eq!(words[0], Word { range: 0..10, pieces: vec![1, 2, 3] });
        assert_eq!(words[1], Word { range: 10..11, pieces: vec![0] });
        assert_eq!(words.len(), 2);
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

        /// As the whole text is normalised at once.
        #[test]
        fn a_text_is_normalised_as_its_standard_says(
            text in any::<String>(), marks in "[a-z\u{300}-\u{34f}\u{591}-\u{5bd}\u{e01}\u{20d0}-\u{20f0} ]{0,20}",
        ) {
            let text = text + &marks;
            let seen: String = text.chars().filter(|c| !is_one(&UNSEEN, *c)).collect();
            let apart: String = seen.nfd().filter(|c| !is_one(&ACCENT, *c)).collect();
            let found = Normaliser::BertNormalizer {
                clean_text: true, handle_chinese_chars: false, strip_accents: None, lowercase: true,
            }.apply(&text);
            let expected: String = apart.chars().flat_map(char::to_lowercase).collect();
            prop_assert_eq!(&found.text, &expected);
            prop_assert_eq!(found.sources.len(), expected.len());
        }

        #[test]
        fn words_are_apart_ascend_and_have_the_pieces_of_the_text(
            text in "\\PC{0,24}|[a-c \u{301}\u{200d}\u{fe0f}\u{1f469}\u{2695}\u{5d0}-\u{5d5}\u{5b0}-\u{5bd}\u{6771},.!]{0,24}",
        ) {
            let tokenizer = WordPiece::read(FILE.as_bytes()).unwrap();
            let words = tokenizer.words(&text, 1000);
            let length = text.chars().count();
            let mut end = 0;
            for word in &words {
                prop_assert!(end <= word.range.start && word.range.start < word.range.end);
                prop_assert!(word.range.end <= length && !word.pieces.is_empty());
                end = word.range.end;
            }
            let pieces: Vec<i64> =
                words.iter().flat_map(|word| &word.pieces).map(|id| i64::from(*id)).collect();
            let ids = tokenizer.ids(&text, 2000);
            prop_assert_eq!(&ids[1..ids.len() - 1], pieces);
            // What no word has is white space, or nothing that is seen.
            let outside = text.chars().enumerate().filter(|(at, _)| {
                !words.iter().any(|word| word.range.contains(at))
            });
            for (_, c) in outside {
                prop_assert!(c.is_whitespace() || is_unseen(c) || is_one(&ACCENT, c), "{:?}", c);
            }
        }
    }
}
