//! A set of labeling functions: data, not code. Whoever wrote it can make it vote and nothing else.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::expression::Expression;
use crate::cli::columns::{InputError, Table, read};

/// Longest set file.
const SET_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most functions, and classes.
const FUNCTIONS_MAX: usize = 256;
const CLASSES_MAX: usize = 1_000;
/// Most terms of a function, and most words of a term.
const TERMS_MAX: usize = 1_000_000;
const TERM_WORDS_MAX: usize = 8;
/// Longest pattern, and most memory that a compiled one and its search take: matching is linear
/// in the text, whatever the pattern.
const PATTERN_BYTES_MAX: usize = 4_096;
const PATTERN_MEMORY_MAX: usize = 1 << 20;

/// Why a set cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetError {
    #[error("{file}: cannot be read")]
    Read { file: String, source: io::Error },
    #[error("{file}: longer than {SET_BYTES_MAX} bytes")]
    TooLong { file: String },
    #[error("{file}: {reason}")]
    Toml { file: String, reason: String },
    #[error("{file}: {found} {what}, more than the limit of {limit}")]
    TooMany { file: String, what: &'static str, found: usize, limit: usize },
    #[error("{file}: {classes} classes and {functions} functions; 2 and 1 are needed")]
    TooFew { file: String, classes: usize, functions: usize },
    #[error("{file}: {what} {name:?} occurs twice")]
    Twice { file: String, what: &'static str, name: String },
    #[error("{file}: function {function:?} {reason}")]
    Function { file: String, function: String, reason: String },
    #[error(transparent)]
    Dictionary(#[from] InputError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    classes: Vec<String>,
    #[serde(rename = "function")]
    functions: Vec<FunctionFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionFile {
    name: String,
    field: Option<String>,
    label: Option<String>,
    keywords: Option<Vec<String>>,
    regex: Option<String>,
    cel: Option<String>,
    at_least: Option<f64>,
    below: Option<f64>,
    dictionary: Option<BTreeMap<String, String>>,
    dictionary_file: Option<PathBuf>,
    #[serde(default)]
    column: bool,
}

/// A checked set.
#[derive(Debug)]
pub(super) struct FunctionSet {
    pub(super) classes: Vec<String>,
    pub(super) functions: Vec<Function>,
    /// BLAKE3 of the file: which set made a label.
    pub(super) digest: String,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) rule: Rule,
}

/// How a function votes.
#[derive(Debug)]
pub(super) enum Rule {
    /// By a look at one field.
    Field { field: String, test: Test },
    /// By a computation with several: for `class` where the expression is true, or for the class
    /// that it names.
    Expression { expression: Expression, class: Option<u16>, classes: HashMap<String, u16> },
}

/// What a field tells.
#[derive(Debug)]
pub(super) enum Test {
    /// Lower-case terms of whole words, with the class of each.
    Terms {
        classes: HashMap<String, u16>,
        words_max: usize,
    },
    Pattern {
        regex: Regex,
        class: u16,
    },
    Threshold {
        at_least: f64,
        below: f64,
        class: u16,
    },
    Column {
        classes: HashMap<String, u16>,
    },
}

impl FunctionSet {
    /// Reads and checks a set; dictionaries lie beside it.
    pub(super) fn read(path: &Path) -> Result<Self, SetError> {
        let file = path.display().to_string();
        let unreadable = |source| SetError::Read { file: file.clone(), source };
        let mut text = String::new();
        let opened = File::open(path).map_err(unreadable)?;
        opened.take(SET_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > SET_BYTES_MAX {
            return Err(SetError::TooLong { file });
        }
        Self::parse(&file, &text, Some(path.parent().unwrap_or_else(|| Path::new("."))))
    }

    /// Checks a set, which errors call `file`. Dictionaries lie in `folder`; without one there are
    /// none.
    pub(super) fn parse(file: &str, text: &str, folder: Option<&Path>) -> Result<Self, SetError> {
        let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        let parsed: SetFile = toml::from_str(text).map_err(|error| SetError::Toml {
            file: file.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let SetFile { classes, functions } = parsed;
        bounded(file, "classes", classes.len(), CLASSES_MAX)?;
        bounded(file, "functions", functions.len(), FUNCTIONS_MAX)?;
        if classes.len() < 2 || functions.is_empty() {
            let (file, classes, functions) = (file.to_owned(), classes.len(), functions.len());
            return Err(SetError::TooFew { file, classes, functions });
        }
        unique(file, "class", classes.iter())?;
        unique(file, "function", functions.iter().map(|function| &function.name))?;
        let reader = Reader { file, folder, classes: &classes };
        let functions =
            functions.into_iter().map(|f| reader.function(f)).collect::<Result<_, SetError>>()?;
        Ok(Self { classes, functions, digest })
    }
}

fn bounded(file: &str, what: &'static str, found: usize, limit: usize) -> Result<(), SetError> {
    let file = file.to_owned();
    if found <= limit { Ok(()) } else { Err(SetError::TooMany { file, what, found, limit }) }
}

fn unique<'a>(
    file: &str,
    what: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), SetError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(SetError::Twice { file: file.to_owned(), what, name: name.clone() });
        }
    }
    Ok(())
}

struct Reader<'a> {
    file: &'a str,
    folder: Option<&'a Path>,
    classes: &'a [String],
}

impl Reader<'_> {
    fn function(&self, given: FunctionFile) -> Result<Function, SetError> {
        let kinds = [
            given.keywords.is_some(),
            given.regex.is_some(),
            given.at_least.is_some() || given.below.is_some(),
            given.cel.is_some(),
            given.dictionary.is_some() || given.dictionary_file.is_some(),
            given.column,
        ];
        let name = given.name.clone();
        let wrong = |reason: &str| self.wrong(&name, reason.to_owned());
        if kinds.iter().filter(|kind| **kind).count() != 1 {
            let text = "needs exactly one of keywords, regex, at_least or below, cel, dictionary or \
                        dictionary_file, column";
            return Err(wrong(text));
        }
        let own_label = kinds[0] || kinds[1] || kinds[2];
        if given.cel.is_none() && own_label != given.label.is_some() {
            let text = if own_label { "needs a label" } else { "takes its label from its terms" };
            return Err(wrong(text));
        }
        let class = given.label.as_ref().map(|label| self.class(&name, label)).transpose()?;
        if let Some(source) = &given.cel {
            if given.field.is_some() {
                return Err(wrong("has an expression, which names its fields itself"));
            }
            let rule = self.expression(&name, source, class)?;
            return Ok(Function { name, rule });
        }
        let field = given.field.clone().ok_or_else(|| wrong("needs a field"))?;
        let test = self.test(&name, class.unwrap_or(0), given)?;
        Ok(Function { name, rule: Rule::Field { field, test } })
    }

    fn test(&self, name: &str, class: u16, given: FunctionFile) -> Result<Test, SetError> {
        Ok(if let Some(keywords) = given.keywords {
            self.terms(name, keywords.into_iter().map(|term| (term, class)).collect())?
        } else if let Some(pattern) = given.regex {
            Test::Pattern { regex: self.pattern(name, &pattern)?, class }
        } else if given.column {
            Test::Column { classes: self.numbers() }
        } else if let Some(dictionary) = given.dictionary {
            self.dictionary(name, dictionary.into_iter().collect())?
        } else if let Some(path) = given.dictionary_file {
            let folder = self.folder.ok_or_else(|| {
                self.wrong(name, "has a dictionary_file, which did not come with it".to_owned())
            })?;
            self.dictionary(name, terms(&read(&folder.join(path))?)?)?
        } else {
            let at_least = given.at_least.unwrap_or(f64::NEG_INFINITY);
            let below = given.below.unwrap_or(f64::INFINITY);
            if at_least.partial_cmp(&below) != Some(Ordering::Less) {
                let text = format!("is at least {at_least} and below {below}: never");
                return Err(self.wrong(name, text));
            }
            Test::Threshold { at_least, below, class }
        })
    }

    fn expression(&self, name: &str, source: &str, class: Option<u16>) -> Result<Rule, SetError> {
        let expression = Expression::parse(source)
            .map_err(|reason| self.wrong(name, format!("has an expression that {reason}")))?;
        if class.is_none() {
            for answer in expression.literal_answers().into_iter().filter(|text| !text.is_empty()) {
                self.class(name, answer)?;
            }
        }
        Ok(Rule::Expression { expression, class, classes: self.numbers() })
    }

    /// The position of each class by its name.
    fn numbers(&self) -> HashMap<String, u16> {
        (0..).zip(self.classes).map(|(at, name): (u16, &String)| (name.clone(), at)).collect()
    }

    fn wrong(&self, function: &str, reason: String) -> SetError {
        SetError::Function { file: self.file.to_owned(), function: function.to_owned(), reason }
    }

    fn class(&self, function: &str, label: &str) -> Result<u16, SetError> {
        let at = self.classes.iter().position(|class| class == label);
        at.and_then(|at| u16::try_from(at).ok()).ok_or_else(|| {
            let count = self.classes.len();
            self.wrong(
                function,
                format!("has label {label:?}, which is none of the {count} classes"),
            )
        })
    }

    fn pattern(&self, function: &str, pattern: &str) -> Result<Regex, SetError> {
        if pattern.len() > PATTERN_BYTES_MAX {
            let (found, limit) = (pattern.len(), PATTERN_BYTES_MAX);
            let text = format!("has a pattern of {found} bytes, more than the limit of {limit}");
            return Err(self.wrong(function, text));
        }
        RegexBuilder::new(pattern)
            .size_limit(PATTERN_MEMORY_MAX)
            .dfa_size_limit(PATTERN_MEMORY_MAX)
            .build()
            .map_err(|error| self.wrong(function, format!("has no valid pattern: {error}")))
    }

    fn dictionary(&self, function: &str, terms: Vec<(String, String)>) -> Result<Test, SetError> {
        let class = |(term, label): (String, String)| Ok((term, self.class(function, &label)?));
        self.terms(function, terms.into_iter().map(class).collect::<Result<_, SetError>>()?)
    }

    fn terms(&self, function: &str, terms: Vec<(String, u16)>) -> Result<Test, SetError> {
        bounded(self.file, "terms", terms.len(), TERMS_MAX)?;
        let mut classes = HashMap::with_capacity(terms.len());
        let mut words_max = 0;
        for (term, class) in terms {
            let words = words(&term);
            if words.is_empty() || words.len() > TERM_WORDS_MAX {
                let (found, limit) = (words.len(), TERM_WORDS_MAX);
                let text = format!("has a term of {found} words; 1 to {limit} are possible");
                return Err(self.wrong(function, text));
            }
            words_max = words_max.max(words.len());
            classes.insert(words.join(" "), class);
        }
        Ok(Test::Terms { classes, words_max })
    }
}

/// Terms and labels of a dictionary file.
fn terms(table: &Table) -> Result<Vec<(String, String)>, InputError> {
    let (term, label) = (table.need(None, &["term"])?, table.need(None, &["label"])?);
    let pair = |row| Ok((table.text(term, row)?.to_owned(), table.text(label, row)?.to_owned()));
    (0..table.rows()).map(pair).collect()
}

/// Lower-case words: runs of letters and digits.
pub(super) fn words(text: &str) -> Vec<String> {
    let runs = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(str::to_lowercase).collect()
}
