//! The second reader of running text: a small transformer, from files beside the program.
//!
//! A folder holds `names.json` (the kinds of the labels, and BLAKE3 digests of the rest), `names.onnx`
//! and `tokenizer.json`; `models/names/` has the scripts that make it. The model reads what the first
//! reader, the conditional random field, is not sure of: a sentence costs it a hundred times more.
//!
//! A token's probabilities are a mean of the two readers', in which this one counts for more: it may
//! take a name alone, while the first one's finds need its consent; see `TAKEN_BOTH`.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use insitu_daemon::files::{self, FileError};
use insitu_models::engine::{Engine, EngineError, TextBackbone};
use insitu_models::wordpiece::{TokenizerError, WordPiece};
use serde::Deserialize;

use super::crf::{LABELS, OUTSIDE, Row};
use super::tokens::Token;
use super::{CLASSES, class_of};
use crate::redact::kind::Kind;

/// Version of the folder's format.
const FORMAT: u32 = 1;
/// Bytes of the folder's files.
const MANIFEST_BYTES_MAX: usize = 1 << 16;
const MODEL_BYTES_MAX: usize = 64 << 20;
const TOKENIZER_BYTES_MAX: usize = 8 << 20;
/// Labels of a model.
const MODEL_LABELS_MAX: usize = 256;
/// Types of tokens that the program makes: four of letter case, for the first token of a line and
/// for the others.
const TYPES: u8 = 8;
const LINE_START: i64 = 4;
/// Pieces of one text that is read at once, with the marks, if the model takes as many.
const PIECES_MAX: usize = 512;
/// Pieces of one token; what is longer is no word.
const TOKEN_PIECES_MAX: usize = 12;
/// Bytes from which a text is cut where a sentence or a line ends, and where it is cut anywhere.
const UNIT_BYTES: usize = 120;
const UNIT_BYTES_MAX: usize = 400;
/// The first reader is sure of a token outside of these probabilities of being personal data.
const UNSURE_MIN: f32 = 0.01;
const UNSURE_MAX: f32 = 0.985;
/// What the second reader counts for where both have read: with `TAKEN_BOTH`, so much that what it is
/// sure is none stays none. The first one alone takes the name of a disease for a person more often.
const WEIGHT: f32 = 0.75;
/// Texts that are remembered, twice.
const REMEMBERED_MAX: usize = 1024;

/// A model of names that is ready to read.
pub struct Transformer {
    session: Mutex<TextBackbone>,
    tokenizer: WordPiece,
    /// The column of each of the model's labels.
    columns: Vec<usize>,
    /// Classes that the model tells apart.
    knows: [bool; CLASSES.len()],
    pieces_max: usize,
    memory: Mutex<Memory>,
    digest: String,
}

/// Why a folder is no model of names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// A file is not there, or too large.
    #[error("the names model lacks a file")]
    File {
        /// What the system says.
        #[from]
        source: FileError,
    },
    /// `names.json` does not parse.
    #[error("{} is not the description of a names model", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Another version of the format.
    #[error("a names model of format {got}, this program reads {FORMAT}")]
    Format {
        /// Version found.
        got: u32,
    },
    /// A number that this program cannot serve.
    #[error("a names model with {got} {what}, {max} are the most")]
    Limit {
        /// Of what.
        what: &'static str,
        /// Number found.
        got: usize,
        /// Most allowed.
        max: usize,
    },
    /// A model of other types of tokens than those that the program makes.
    #[error("a names model of {got} types of tokens, this program makes {TYPES}")]
    Types {
        /// Types found.
        got: usize,
    },
    /// Not `OUTSIDE`, or `B-` or `I-` and a kind that the tagger learns.
    #[error("label {label:?} is none that a names model may have")]
    Label {
        /// The label, shortened.
        label: String,
    },
    /// A file that is not the one which `names.json` describes.
    #[error("{} has digest {got}, names.json says {want}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// BLAKE3 of the file.
        got: String,
        /// BLAKE3 wanted.
        want: String,
    },
    /// The tokenizer is refused.
    #[error("the tokenizer of the names model is refused")]
    Tokenizer {
        /// Why.
        #[from]
        source: TokenizerError,
    },
    /// The model is refused, or does not load.
    #[error("the names model is refused")]
    Engine {
        /// Why.
        #[from]
        source: EngineError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    labels: Vec<String>,
    types: usize,
    pieces_max: usize,
    model: String,
    tokenizer: String,
}

/// What the model says of each token; `None` where it has not read.
type Rows = Arc<[Option<Row>]>;

impl Transformer {
    /// Reads, verifies and loads the model in `folder`.
    ///
    /// # Errors
    /// [`NamesError`].
    pub fn load(folder: &Path, engine: &Engine) -> Result<Self, NamesError> {
        let path = folder.join("names.json");
        let bytes = files::read(&path, MANIFEST_BYTES_MAX)?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|source| NamesError::Manifest { path, source })?;
        if manifest.format != FORMAT {
            return Err(NamesError::Format { got: manifest.format });
        }
        for (what, got, max) in [
            ("labels", manifest.labels.len(), MODEL_LABELS_MAX),
            ("pieces", manifest.pieces_max, PIECES_MAX),
        ] {
            if got > max {
                return Err(NamesError::Limit { what, got, max });
            }
        }
        if manifest.types != usize::from(TYPES) {
            return Err(NamesError::Types { got: manifest.types });
        }
        let columns: Vec<usize> =
            manifest.labels.iter().map(|label| column(label)).collect::<Result<_, _>>()?;
        let model = verified(&folder.join("names.onnx"), MODEL_BYTES_MAX, &manifest.model)?;
        let tokenizer = folder.join("tokenizer.json");
        let tokenizer = verified(&tokenizer, TOKENIZER_BYTES_MAX, &manifest.tokenizer)?;
        let tokenizer = WordPiece::read(&tokenizer)?;
        let vocabulary = tokenizer.largest_id() as usize + 1;
        let session = engine.load_labeller(&model, vocabulary, TYPES, columns.len())?;
        Ok(Self {
            session: Mutex::new(session),
            tokenizer,
            knows: std::array::from_fn(|class| columns.contains(&(2 * class + 1))),
            columns,
            pieces_max: manifest.pieces_max,
            memory: Mutex::default(),
            digest: blake3::hash(&bytes).to_hex().to_string(),
        })
    }

    /// BLAKE3 of `names.json`, which has the digests of the rest.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Makes `rows`, the first reader's probabilities, those of both where that one is not sure of a
    /// word that is not `settled`.
    pub(super) fn refine(
        &self,
        text: &str,
        tokens: &[Token<'_>],
        rows: &mut [Row],
        settled: impl Fn(Range<usize>) -> bool,
    ) {
        for unit in units(tokens) {
            // A model that sees no capitals takes rare words for names. Where nothing has one, all
            // of it counts.
            let is_name_like = |token: &Token<'_>| token.text.starts_with(char::is_uppercase);
            let shows_case = tokens[unit.clone()].iter().any(is_name_like);
            let counts = |token: &Token<'_>| is_name_like(token) || !shows_case;
            let mut read = tokens[unit.clone()].iter().zip(&rows[unit.clone()]);
            let asks = |token: &Token<'_>, row: &Row| {
                counts(token) && is_unsure(row) && !settled(token.start..token.end())
            };
            if !read.any(|(token, row)| asks(token, row)) {
                continue;
            }
            let starts_line = unit.start == 0 || tokens[unit.start - 1].is_line_end();
            match self.read(text, &tokens[unit.clone()], starts_line) {
                Ok(read) => {
                    let read = tokens[unit.clone()].iter().zip(read.iter());
                    for (row, (token, second)) in rows[unit].iter_mut().zip(read) {
                        if let Some(second) = second
                            && counts(token)
                        {
                            self.join(row, second);
                        }
                    }
                }
                // As on a device without this model.
                Err(error) => {
                    metrics::counter!("insitu_agent_names_model_failed_total").increment(1);
                    tracing::error!(%error, "the names model does not run");
                }
            }
        }
    }

    /// The weighted mean of both readers, of the classes that the second one knows.
    fn join(&self, row: &mut Row, second: &Row) {
        let mut inside = 0.0;
        for (column, (own, second)) in row.iter_mut().zip(second).enumerate().skip(1) {
            if self.knows[(column - 1) / 2] {
                *own += WEIGHT * (second - *own);
            }
            inside += *own;
        }
        row[OUTSIDE] = (1.0 - inside).max(0.0);
    }

    /// What the model says of a text that is read at once, or said when it last read it.
    fn read(&self, text: &str, unit: &[Token<'_>], starts_line: bool) -> Result<Rows, EngineError> {
        let (Some(first), Some(last)) = (unit.first(), unit.last()) else { return Ok([].into()) };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(starts_line)]).update(&text.as_bytes()[first.start..last.end()]);
        let key = *hasher.finalize().as_bytes();
        let memory = || self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = memory().get(&key) {
            return Ok(rows);
        }
        let (ids, types, firsts) = self.pieces(unit, starts_line);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let scores = session.run_typed(&ids, &types, ids.len())?;
        drop(session);
        let row = |at: usize| self.row(&scores[at * self.columns.len()..][..self.columns.len()]);
        let rows: Rows = firsts.into_iter().map(|at| at.map(row)).collect();
        memory().put(key, Arc::clone(&rows));
        Ok(rows)
    }

    /// Pieces and their types, and where each token's first piece is.
    fn pieces(
        &self,
        unit: &[Token<'_>],
        starts_line: bool,
    ) -> (Vec<i64>, Vec<i64>, Vec<Option<usize>>) {
        let [before, after] = self.tokenizer.marks();
        let mut ids: Vec<i64> = before.iter().copied().map(i64::from).collect();
        let mut types = vec![0; ids.len()];
        let mut firsts = Vec::with_capacity(unit.len());
        let mut line = starts_line;
        for token in unit {
            let room = self.pieces_max.saturating_sub(ids.len() + after.len());
            if token.is_line_end() || room == 0 {
                line = true;
                firsts.push(None);
                continue;
            }
            let limit = TOKEN_PIECES_MAX.min(room) + before.len() + after.len();
            let pieces = self.tokenizer.ids(token.text, limit);
            let pieces = &pieces[before.len()..pieces.len() - after.len()];
            firsts.push((!pieces.is_empty()).then_some(ids.len()));
            ids.extend(pieces);
            let kind = letter_case(token.text) + if line { LINE_START } else { 0 };
            types.resize(ids.len(), kind);
            line &= pieces.is_empty();
        }
        ids.extend(after.iter().copied().map(i64::from));
        types.resize(ids.len(), 0);
        (ids, types, firsts)
    }

    /// Probabilities from scores of the model's labels.
    fn row(&self, scores: &[f32]) -> Row {
        let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut row = [0.0; LABELS];
        for (column, score) in self.columns.iter().zip(scores) {
            row[*column] += (score - most).exp();
        }
        let sum: f32 = row.iter().sum();
        row.map(|part| part / sum)
    }
}

impl std::fmt::Debug for Transformer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transformer").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// The texts that were read last, in two generations: the older one is forgotten when the newer one
/// is full, and what is asked for is new again.
#[derive(Default)]
struct Memory {
    newer: HashMap<[u8; 32], Rows>,
    older: HashMap<[u8; 32], Rows>,
}

impl Memory {
    fn get(&mut self, key: &[u8; 32]) -> Option<Rows> {
        if let Some(rows) = self.newer.get(key) {
            return Some(Arc::clone(rows));
        }
        let rows = self.older.remove(key)?;
        self.put(*key, Arc::clone(&rows));
        Some(rows)
    }

    fn put(&mut self, key: [u8; 32], rows: Rows) {
        if self.newer.len() >= REMEMBERED_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, rows);
    }
}

/// The column of a label: `OUTSIDE`, `B-NAME`, `I-LOCATION`.
fn column(label: &str) -> Result<usize, NamesError> {
    if label == "OUTSIDE" {
        return Ok(OUTSIDE);
    }
    let class = |kind: &str| kind.parse::<Kind>().ok().and_then(class_of);
    let found = match label.split_once('-') {
        Some(("B", kind)) => class(kind).map(|class| 2 * class + 1),
        Some(("I", kind)) => class(kind).map(|class| 2 * class + 2),
        _ => None,
    };
    found.ok_or_else(|| NamesError::Label { label: label.chars().take(64).collect() })
}

fn verified(path: &Path, limit: usize, want: &str) -> Result<Vec<u8>, NamesError> {
    let bytes = files::read(path, limit)?;
    let got = blake3::hash(&bytes).to_hex().to_string();
    if got == want {
        return Ok(bytes);
    }
    Err(NamesError::Digest { path: path.to_owned(), got, want: want.to_owned() })
}

fn is_unsure(row: &Row) -> bool {
    let inside = 1.0 - row[OUTSIDE];
    UNSURE_MIN < inside && inside < UNSURE_MAX
}

/// Cuts a text into what is read at once: whole sentences and lines, of some length together.
fn units(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let (mut units, mut first) = (Vec::new(), 0);
    for (at, token) in tokens.iter().enumerate() {
        let bytes = token.end() - tokens[first].start;
        let next = tokens.get(at + 1);
        let sentence = matches!(token.text, "." | "!" | "?");
        let ends = next.is_some_and(|next| {
            next.is_line_end() || token.is_line_end() || sentence && next.start > token.end()
        });
        if next.is_none() || bytes >= UNIT_BYTES_MAX || ends && bytes >= UNIT_BYTES {
            units.push(first..at + 1);
            first = at + 1;
        }
    }
    units
}

/// 0 without capitals, 1 with a first one, 2 of nothing else, 3 otherwise.
fn letter_case(token: &str) -> i64 {
    let (mut letters, mut capitals) = (0, 0);
    for c in token.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        capitals += usize::from(c.is_uppercase());
    }
    let first = token.starts_with(char::is_uppercase);
    match capitals {
        0 => 0,
        1 if first => 1,
        _ if capitals == letters => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    #[test]
    fn letter_cases_are_told_apart() {
        let cases = ["jane", "12", "Jane", "J", "JANE", "McRoe", "jANE", "Ñu"].map(letter_case);
        assert_eq!(cases, [0, 0, 1, 1, 2, 3, 3, 1]);
    }

    #[test]
    fn labels_have_columns() {
        let columns = ["OUTSIDE", "B-NAME", "I-NAME", "I-AGE"].map(|label| column(label).unwrap());
        assert_eq!(columns, [0, 1, 2, 8]);
        for label in ["NAME", "B-SSN", "O", "X-NAME", ""] {
            assert!(matches!(column(label), Err(NamesError::Label { .. })), "{label}");
        }
    }

    #[test]
    fn units_cover_a_text_and_end_where_sentences_do() {
        let sentence = "A patient of some length came to the ward and left it again. ";
        let text = sentence.repeat(9) + &"word ".repeat(200);
        let tokens = tokens(&text);
        let units = units(&tokens);
        assert_eq!(units[0].start, 0);
        assert!(units.windows(2).all(|two| two[0].end == two[1].start));
        assert_eq!(units[units.len() - 1].end, tokens.len());
        assert_eq!(tokens[units[0].end - 1].text, ".");
        let bytes = |unit: &Range<usize>| tokens[unit.end - 1].end() - tokens[unit.start].start;
        assert!(units.iter().all(|unit| bytes(unit) <= UNIT_BYTES_MAX + 8));
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_asked_for() {
        let mut memory = Memory::default();
        let key = |number: usize| *blake3::hash(&number.to_le_bytes()).as_bytes();
        for number in 0..5 * REMEMBERED_MAX {
            memory.put(key(number), [].into());
            assert!(memory.get(&key(0)).is_some());
            assert!(memory.newer.len() + memory.older.len() <= 2 * REMEMBERED_MAX + 1);
        }
        assert!(memory.get(&key(1)).is_none());
    }

    #[test]
    fn a_folder_that_was_tampered_with_is_refused() {
        let engine = Engine::start(&insitu_models::engine::Library::Embedded).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let put =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let load = || Transformer::load(folder.path(), &engine).unwrap_err();
        assert!(matches!(load(), NamesError::File { .. }));
        put("names.json", b"{}");
        assert!(matches!(load(), NamesError::Manifest { .. }));
        let manifest = |format: u32, label: &str, types: u8| {
            format!(
                r#"{{"format":{format},"labels":["OUTSIDE","{label}"],"types":{types},
                    "pieces_max":160,"model":"{}","tokenizer":""}}"#,
                blake3::hash(b"model").to_hex()
            )
        };
        put("names.json", manifest(2, "B-NAME", TYPES).as_bytes());
        assert!(matches!(load(), NamesError::Format { got: 2 }));
        put("names.json", manifest(1, "B-SSN", TYPES).as_bytes());
        assert!(matches!(load(), NamesError::Label { .. }));
        put("names.json", manifest(1, "B-NAME", TYPES + 1).as_bytes());
        assert!(matches!(load(), NamesError::Types { got: 9 }));
        put("names.json", manifest(1, "B-NAME", TYPES).as_bytes());
        put("names.onnx", b"another");
        assert!(matches!(load(), NamesError::Digest { .. }));
        put("names.onnx", b"model");
        put("tokenizer.json", b"{}");
        assert!(matches!(load(), NamesError::Digest { .. }), "the tokenizer has a digest too");
    }

    #[test]
    fn the_model_that_ships_finds_names() {
        let engine = Engine::start(&insitu_models::engine::Library::Embedded).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/names");
        // This compares the digests too.
        let model = Transformer::load(&folder, &engine).unwrap();
        assert_eq!(model.columns, (0..LABELS).collect::<Vec<_>>());
        for (text, name) in [
            ("Her sister Thandeka Okonkwo brought the list of drugs.", "Okonkwo"),
            ("Der Befund wurde mit Frau Grzybowska ausführlich besprochen.", "Grzybowska"),
            ("Se comenta el caso con su hermano, Iker Etxeberria.", "Etxeberria"),
        ] {
            let tokens = tokens(text);
            let rows = model.read(text, &tokens, true).unwrap();
            for (token, row) in tokens.iter().zip(rows.iter()) {
                let likely = row.is_some_and(|row| row[1] + row[2] > 0.5);
                let small = token.text.starts_with(char::is_lowercase);
                assert!(likely || token.text != name, "{name} is a name");
                assert!(!(likely && small), "{:?} is none", token.text);
            }
        }
    }

    /// A field of a protocol buffer: bytes, and a small number.
    fn part(field: u8, bytes: &[u8]) -> Vec<u8> {
        let length = bytes.len();
        let low = u8::try_from(length & 0x7f).unwrap();
        let head = if length < 128 {
            vec![field << 3 | 2, low]
        } else {
            vec![field << 3 | 2, low | 0x80, u8::try_from(length >> 7).unwrap()]
        };
        [&head, bytes].concat()
    }

    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    /// Whatever it reads, the piece 3 is a name, and others are none.
    fn tiny_model() -> Vec<u8> {
        let scores = [[4_f32, -4.0], [4.0, -4.0], [4.0, -4.0], [-4.0, 4.0]];
        let raw: Vec<u8> = scores.as_flattened().iter().flat_map(|f| f.to_le_bytes()).collect();
        let table =
            [number(1, 4), number(1, 2), number(2, 1), part(8, b"w"), part(9, &raw)].concat();
        let node =
            [part(1, b"w"), part(1, b"input_ids"), part(2, b"y"), part(4, b"Gather")].concat();
        let value = |name: &[u8], element: u8, dims: &[Vec<u8>]| {
            let dims: Vec<u8> = dims.iter().flat_map(|dim| part(1, dim)).collect();
            let tensor = [number(1, element), part(2, &dims)].concat();
            [part(1, name), part(2, &part(1, &tensor))].concat()
        };
        let (batch, length) = (part(2, b"b"), part(2, b"l"));
        let graph = [
            part(1, &node),
            part(2, b"tiny"),
            part(5, &table),
            part(11, &value(b"input_ids", 7, &[batch.clone(), length.clone()])),
            part(12, &value(b"y", 1, &[batch, length, number(1, 2)])),
        ];
        [number(1, 8), part(7, &graph.concat()), part(8, &number(2, 17))].concat()
    }

    #[test]
    fn what_the_first_reader_is_unsure_of_is_read_again() {
        let tokenizer = br#"{"normalizer":{"type":"BertNormalizer","clean_text":true,
            "handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
            "pre_tokenizer":{"type":"BertPreTokenizer"},
            "post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},
            "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"@@",
            "max_input_chars_per_word":100,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"roe":3}}}"#;
        let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
        let manifest = format!(
            r#"{{"format":1,"labels":["OUTSIDE","B-NAME"],"types":8,"pieces_max":160,
                "model":"{}","tokenizer":"{}"}}"#,
            digest(&tiny_model()),
            digest(tokenizer)
        );
        let folder = tempfile::tempdir().unwrap();
        let put =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        put("names.json", manifest.as_bytes());
        put("names.onnx", &tiny_model());
        put("tokenizer.json", tokenizer);
        let engine = Engine::start(&insitu_models::engine::Library::Embedded).unwrap();
        let model = Transformer::load(folder.path(), &engine).unwrap();

        let text = "Roe,\nmet Roe";
        let tokens = tokens(text);
        let rows = |inside: f32| {
            let mut row = [0.0; LABELS];
            (row[OUTSIDE], row[1], row[5]) = (1.0 - inside, inside / 2.0, inside / 2.0);
            vec![row; tokens.len()]
        };
        let mut sure = rows(0.005);
        model.refine(text, &tokens, &mut sure, |_| false);
        assert_eq!(sure, rows(0.005), "nothing is read again");
        let mut settled = rows(0.1);
        model.refine(text, &tokens, &mut settled, |at| text[at].starts_with('R'));
        assert_eq!(settled, rows(0.1), "names that are settled are no reason to read");
        let mut small = rows(0.005);
        small[3] = rows(0.1)[3];
        let before = small.clone();
        model.refine(text, &tokens, &mut small, |_| false);
        assert_eq!(small, before, "beside capitals, no other word is a reason to read");
        for _ in 0..2 {
            let mut unsure = rows(0.1);
            model.refine(text, &tokens, &mut unsure, |_| false);
            let names: Vec<f32> = unsure.iter().map(|row| (row[1] * 100.0).round()).collect();
            assert_eq!(names, [76.0, 5.0, 5.0, 5.0, 76.0], "beside capitals they alone count");
            // What the model does not know stays as it was.
            assert!(unsure.iter().all(|row| (row[5] - 0.05).abs() < 1e-6));
            assert!(unsure.iter().all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
            assert_eq!(model.memory.lock().unwrap().newer.len(), 1);
        }
    }
}
