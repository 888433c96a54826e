//! Records with a structure: JSON, CSV, FHIR, HL7 v2 and DICOM. Known fields are cleaned by what they are,
//! text inside fields by the engine, which is told the field's name as the words before it.
//!
//! Names and record numbers that fields of a record tell are hidden in all of its texts.
//!
//! Nothing is kept because it is unknown: a field without a rule is read as text. In FHIR and HL7
//! the formats' own definitions say what a field is; a site's rules come first.

mod dicom;
mod documents;
mod fhir;
mod field;
mod hl7;
mod json;
mod known;
mod table;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use serde::Deserialize;

use super::clean;
use super::encoding::Encoding;
use super::kind::Kind;
use super::lines::{Account, Failure, LineError, Observer};
use super::profile::{Hints, Mode, SiteKey, Subject};
use super::{Coarse, Engine};

pub use dicom::Images;
pub(crate) use known::learn;

/// What records look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON values, one after another, each on one line or on several.
    Json,
    /// A header and records, separated by commas, semicolons or tabs.
    Csv,
    /// FHIR R4 resources or bundles: JSON values as in `Json`.
    Fhir,
    /// HL7 v2 messages, each starting with a segment `MSH`.
    Hl7 {
        /// What they are decoded from, whatever they say; without it, each is in the character set
        /// that it names (MSH-18).
        encoding: Option<Encoding>,
    },
}

/// What happens to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Action {
    /// All of it is replaced, as one of a kind.
    Hide(Kind),
    /// It is read by the engine.
    Text,
    /// It stays as it is.
    Keep,
    /// It is left out.
    Drop,
}

impl TryFrom<String> for Action {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Ok(match name.as_str() {
            "text" => Self::Text,
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            kind => Self::Hide(kind.parse().map_err(|_| {
                format!("{name:?} is neither text, keep, drop nor a type such as NAME or DATE")
            })?),
        })
    }
}

/// Last words of fields that tell where on earth something is. Sorted.
const COORDINATES: &[&str] = &[
    "breitengrad",
    "lat",
    "latitud",
    "latitude",
    "latitudine",
    "lng",
    "lon",
    "longitud",
    "longitude",
    "longitudine",
    "längengrad",
];

/// A site's rules on fields.
#[derive(Clone, Debug, Default)]
pub struct FieldRules {
    /// By path (`patient.name`), or by a name that is meant wherever it stands (`name`).
    actions: BTreeMap<String, Action>,
    subject: Option<String>,
}

impl FieldRules {
    /// Rules by path or name, and the path of the field that tells the subject.
    pub fn new(actions: BTreeMap<String, Action>, subject: Option<String>) -> Self {
        Self { actions, subject }
    }

    /// The rule for the field at `path`, names joined by full stops; list places do not count.
    fn action(&self, path: &str) -> Option<Action> {
        let name = path.rsplit('.').next().unwrap_or(path);
        self.actions.get(path).or_else(|| self.actions.get(name)).copied()
    }

    /// What is done to the field at `path` where no format says what it is: by the rule for it, or
    /// else it is read as text; coordinates, which no text tells, are left out.
    fn action_or_usual(&self, path: &str) -> Action {
        let name = label(path.rsplit('.').next().unwrap_or(path));
        let last = name.rsplit(' ').next().unwrap_or_default();
        let usual =
            || if COORDINATES.binary_search(&last).is_ok() { Action::Drop } else { Action::Text };
        self.action(path).unwrap_or_else(usual)
    }
}

/// How structured records are cleaned.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    /// What finds personal data in text.
    pub engine: &'a Engine,
    /// What replaces it.
    pub mode: Mode<'a>,
    /// The site's rules on fields.
    pub rules: &'a FieldRules,
    /// Under which the names of resources that refer to each other are replaced.
    pub key: &'a SiteKey,
}

impl Records<'_> {
    /// Cleans every record of `reader` into `writer`. Failures are told to `observer`, their
    /// records left out, the rest processed.
    ///
    /// # Errors
    /// Those of `reader` and `writer`.
    pub fn run(
        &self,
        format: Format,
        reader: impl BufRead,
        writer: impl Write,
        observer: &mut impl Observer,
    ) -> io::Result<()> {
        match format {
            Format::Json => json::run(self, reader, writer, observer, false),
            Format::Fhir => json::run(self, reader, writer, observer, true),
            Format::Csv => table::run(self, reader, writer, observer),
            Format::Hl7 { encoding } => hl7::run(self, reader, writer, observer, encoding),
        }
    }

    fn cleaner(&self, line: u64, subject: Option<String>) -> Cleaner<'_> {
        let hints = Hints {
            subject: Subject::Named(subject.unwrap_or_else(|| format!("line {line}"))),
            ..Hints::default()
        };
        Cleaner { records: self, hints, account: Account { line, ..Account::default() } }
    }
}

/// A line or segment as it was read.
struct Piece {
    /// Its number, from 1.
    line: u64,
    bytes: Result<Vec<u8>, LineError>,
}

/// Cleans the fields of one record, and keeps account.
struct Cleaner<'a> {
    records: &'a Records<'a>,
    hints: Hints,
    account: Account,
}

impl Cleaner<'_> {
    /// A field's value under a rule; `None` when it is left out.
    fn apply(
        &mut self,
        action: Action,
        name: &str,
        value: &str,
    ) -> Result<Option<String>, LineError> {
        Ok(match action {
            Action::Hide(kind) => Some(self.hide(kind, value)),
            Action::Text => Some(self.text(name, value)?),
            Action::Keep => Some(value.to_owned()),
            Action::Drop => None,
        })
    }

    /// The whole of a value, replaced; what is empty or masked stays.
    fn hide(&mut self, kind: Kind, value: &str) -> String {
        let empty = !value.chars().any(char::is_alphanumeric);
        if empty || !self.records.engine.profile().hides(kind) || clean::is_mask(value) {
            return value.to_owned();
        }
        self.account.found.push(kind);
        self.account.text_bytes += value.len();
        self.in_place_of(kind, value)
    }

    /// What is in place of all of a value, under the mode.
    fn in_place_of(&mut self, kind: Kind, value: &str) -> String {
        let mut out = String::new();
        let (mode, subject) = (self.records.mode, &self.hints.subject);
        self.account.replaced.extend(clean::stand_in(&mut out, kind, value, mode, subject));
        out
    }

    /// A value read by the engine, behind its field's name.
    fn text(&mut self, name: &str, value: &str) -> Result<String, LineError> {
        let Records { engine, mode, .. } = *self.records;
        let mut redacted = engine.clean_behind(name, value, &self.hints, mode)?;
        self.account.add(value.len(), &mut redacted);
        Ok(redacted.text)
    }

    /// The name of a field, which may be a person's where data are kept by people's names.
    fn field_name(&mut self, name: &str) -> Result<String, LineError> {
        let Records { engine, mode, .. } = *self.records;
        let hints = Hints { field_name: true, ..self.hints.clone() };
        let mut redacted = engine.try_clean(name, &hints, mode)?;
        self.account.add(name.len(), &mut redacted);
        Ok(redacted.text)
    }

    /// A date of a format with dates of its own: moved, or cut to its year; `None` when it must go.
    fn date(&mut self, value: &str, birth: bool) -> Option<String> {
        let hidden = self.records.engine.profile().coarse == Coarse::Strict;
        match self.records.mode {
            Mode::None => Some(value.to_owned()),
            Mode::Surrogate(_) => {
                // What is behind the day (time of day, zone) stays, and only that.
                let digits = value.bytes().take_while(u8::is_ascii_digit).count();
                let end = if digits >= 8 { 8 } else { value.find('T').unwrap_or(value.len()) };
                let (date, time) = value.split_at_checked(end)?;
                if !time.bytes().all(|b| b.is_ascii_digit() || b"T:.+-Z".contains(&b)) {
                    return None;
                }
                let moved = self.hide(Kind::Date, date);
                (!clean::is_mask(&moved)).then(|| format!("{moved}{time}"))
            }
            Mode::Mask | Mode::Hash(_) => {
                if value.len() > 4 {
                    self.account.found.push(Kind::Date);
                }
                // The year of birth may tell an age over 89.
                let year = value.get(..4).filter(|year| year.bytes().all(|b| b.is_ascii_digit()));
                year.filter(|_| !birth && !hidden).map(str::to_owned)
            }
        }
    }

    /// What stands for the name of a thing that others refer to: the same wherever it is named.
    fn link(&mut self, kind: &str, id: &str) -> String {
        if id.is_empty() || matches!(self.records.mode, Mode::None) {
            return id.to_owned();
        }
        self.account.found.push(Kind::Id);
        let mut hasher = blake3::Hasher::new_keyed(self.records.key.bytes());
        hasher.update(kind.as_bytes());
        hasher.update(b"/");
        hasher.update(id.as_bytes());
        hasher.finalize().to_hex()[..LINK_DIGITS].to_owned()
    }
}

/// Hexadecimal digits that stand for the name of a thing: 128 bits.
const LINK_DIGITS: usize = 32;

/// A field's name as words: `dateOfBirth` and `date_of_birth` are `date of birth`.
fn label(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for c in name.chars() {
        if matches!(c, '_' | '-' | '.' | ' ') {
            words.push(' ');
        } else {
            if c.is_uppercase() && before.is_lowercase() {
                words.push(' ');
            }
            words.extend(c.to_lowercase());
        }
        before = c;
    }
    words.trim().to_owned()
}

/// LOINC's codes for a person's age: estimated, reported, calculated, and by any method. Sorted.
const AGE_CODES: &[&str] = &["21611-9", "21612-7", "29553-5", "30525-0"];
/// Words for an age. Sorted.
const AGE_WORDS: &[&str] = &["age", "alter", "edad", "età", "idade", "leeftijd", "wiek", "âge"];

/// Whether the code or name of an observation or field says that its value is an age.
fn is_of_age(name: &str) -> bool {
    let label = label(name);
    AGE_CODES.binary_search(&name).is_ok()
        || label
            .split(|c: char| !c.is_alphabetic())
            .any(|word| AGE_WORDS.binary_search(&word).is_ok())
}

/// Tells `observer` what became of a record, and writes it.
fn finish(
    outcome: Result<(Account, String), LineError>,
    line: u64,
    writer: &mut impl Write,
    observer: &mut impl Observer,
) -> io::Result<()> {
    match outcome {
        Ok((account, text)) => {
            observer.cleaned(account)?;
            writer.write_all(text.as_bytes())
        }
        Err(reason) => {
            observer.failed(Failure { line, reason });
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
