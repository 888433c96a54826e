//! Files of items that somebody has labeled: other labeling tools' own, and records with a column of
//! labels.
//!
//! A reader gives each record's columns, as a line of JSON lines would have them, and what its file
//! says of it in the file's own words (`Said`); the project's task turns these into a [`Label`].
//! Whatever a record names is looked up inside the folder of the import, and nowhere else. A reader
//! holds one record at a time, or a bounded list of marks where a format keeps them apart.

mod coco;
mod conll;
mod doccano;
mod ground_truth;
mod guess;
pub(crate) mod label_studio;
mod labelbox;
mod list;
mod mask;
mod prodigy;
mod records;
mod said;
mod spacy;
#[cfg(test)]
mod tests;
mod voc;
mod yolo;

use std::fs::File;
use std::io::BufRead;
use std::path::Path;

use clap::ValueEnum;
use insitu_protocol::project::{FieldKind, Project, Task};
use serde_json::{Map, Value};

use self::guess::Guess;
pub use self::guess::{Drafts, NO_MODEL, Offer};
use self::said::Mark;
pub(crate) use self::said::{Said, refused};
use super::folder::{is_media, only};
use super::{Cell, ImportError, LineError, ON_DISK, Rules, json, next_line, skip_mark, trimmed};
use crate::label::Label;

/// Longest element of a file that is one list, in bytes: one is held at a time.
pub const ELEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Hexadecimal digits of a hash that names a text without an id.
const HASH_DIGITS: usize = 32;

/// A format of labeled items, as commands say it. Which kinds of labels each has a place for is in
/// `agent/README.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// With a header; a column holds the label
    Csv,
    /// One JSON object a line
    #[value(name = "jsonl")]
    JsonLines,
    /// Label Studio's list of tasks and annotations
    LabelStudio,
    /// Prodigy's JSON lines
    Prodigy,
    /// doccano's JSON lines
    Doccano,
    /// An augmented manifest of SageMaker Ground Truth
    GroundTruth,
    /// COCO's JSON: boxes, polygons, and run-length masks without holes, in as polygons
    Coco,
    /// A folder of images and labels, with data.yaml
    Yolo,
    /// A folder of images and Pascal VOC's XML
    Voc,
    /// CoNLL-2003: a token and its tag a line
    Conll,
    /// spaCy's JSON lines: `Doc.to_json`, or a text and its annotations
    Spacy,
    /// Labelbox's NDJSON, export version 2
    Labelbox,
    /// A table, plain or packed with Snappy; a column holds the label
    Parquet,
}

impl Format {
    /// Its name in commands, in the configuration and in snapshots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::LabelStudio => "label-studio",
            Self::Prodigy => "prodigy",
            Self::Doccano => "doccano",
            Self::GroundTruth => "ground-truth",
            Self::Coco => "coco",
            Self::Yolo => "yolo",
            Self::Voc => "voc",
            Self::Conll => "conll",
            Self::Spacy => "spacy",
            Self::Labelbox => "labelbox",
            Self::Parquet => "parquet",
        }
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|format| format.name() == name)
    }

    /// The same as items alone are read, of a format that is nothing but columns.
    pub fn plain(self) -> Option<super::Format> {
        match self {
            Self::Csv => Some(super::Format::Csv),
            Self::JsonLines => Some(super::Format::JsonLines),
            Self::Parquet => Some(super::Format::Parquet),
            Self::LabelStudio
            | Self::Prodigy
            | Self::Doccano
            | Self::GroundTruth
            | Self::Coco
            | Self::Yolo
            | Self::Voc
            | Self::Conll
            | Self::Spacy
            | Self::Labelbox => None,
        }
    }

    /// What its files end with; of a folder nothing.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &["csv", "tsv", "txt"],
            Self::JsonLines => &["jsonl", "ndjson", "json"],
            Self::LabelStudio | Self::Coco => &["json"],
            Self::GroundTruth => &["manifest", "jsonl"],
            Self::Conll => &["conll", "iob", "txt"],
            Self::Prodigy | Self::Doccano | Self::Spacy | Self::Labelbox => &["jsonl", "ndjson"],
            Self::Parquet => &["parquet"],
            Self::Yolo | Self::Voc => &[],
        }
    }
}

impl From<super::Format> for Format {
    fn from(format: super::Format) -> Self {
        match format {
            super::Format::Csv => Self::Csv,
            super::Format::JsonLines => Self::JsonLines,
            super::Format::Parquet => Self::Parquet,
        }
    }
}

/// Where a format's records are.
pub enum Origin<'a> {
    /// A file, in the folder of the rules.
    File(&'a mut dyn BufRead),
    /// A table on disk.
    Table(File),
    /// A folder.
    Folder(&'a Path),
}

impl std::fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Table(_) => "Table",
            Self::Folder(_) => "Folder",
        })
    }
}

/// A record, and what its file says of it.
pub struct Labeled {
    /// The file, of a folder of them.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: u64,
    /// Its columns.
    pub(crate) cells: Vec<(String, Cell)>,
    /// Its label, with places in the text as it is in the file.
    pub label: Option<Label>,
    /// What a model said of it, where that was asked for.
    pub draft: Option<Offer>,
    /// The image's width and height in pixels, where its label's places are measured by them.
    pub size: Option<[u32; 2]>,
}

impl std::fmt::Debug for Labeled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Labeled(line {})", self.line)
    }
}

/// A record that is not usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The file, of a folder of them.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: LineError,
}

/// What takes one record after the other.
pub type Take<'a> = &'a mut dyn FnMut(Result<Labeled, Bad>) -> Result<(), ImportError>;

/// What is known of a file beside what it holds.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) project: &'a Project,
    pub(crate) rules: Rules<'a>,
    /// The column of labels, of formats that are nothing but columns.
    pub(crate) label: &'a str,
    pub(crate) drafts: Option<Drafts<'a>>,
}

/// What a reader makes of a record.
pub(crate) struct Found {
    pub(crate) record: Map<String, Value>,
    pub(crate) said: Option<Said>,
    pub(crate) guess: Option<Guess>,
}

/// Reads a file or a folder, and gives each record to `take`; of one that is not usable, where it
/// is and why. `label` is the column of labels, of formats that are nothing but columns; `drafts` says
/// what of it a model said.
///
/// # Errors
/// [`ImportError::Read`]; [`ImportError::Content`] when the project has no field for what the format
/// holds; [`ImportError::Origin`] for a file in place of a folder, or the other way round; what
/// `take` returns.
pub fn read(
    format: Format,
    project: &Project,
    rules: Rules<'_>,
    (label, drafts): (&str, Option<Drafts<'_>>),
    origin: Origin<'_>,
    take: Take<'_>,
) -> Result<(), ImportError> {
    let ask = Ask { project, rules, label, drafts };
    let origin = match origin {
        Origin::File(mut file) => {
            skip_mark(&mut file).map_err(ImportError::Read)?;
            Origin::File(file)
        }
        origin @ (Origin::Table(_) | Origin::Folder(_)) => origin,
    };
    match (format, origin) {
        (Format::Yolo, Origin::Folder(folder)) => yolo::read(&ask, folder, take),
        (Format::Voc, Origin::Folder(folder)) => voc::read(&ask, folder, take),
        (Format::Parquet, Origin::Table(file)) => records::parquet(&ask, file, take),
        (Format::Parquet, Origin::File(_)) => Err(ImportError::Origin { expected: ON_DISK }),
        (Format::Yolo | Format::Voc, Origin::File(_) | Origin::Table(_)) => {
            Err(ImportError::Origin { expected: "a folder" })
        }
        (_, Origin::Folder(_) | Origin::Table(_)) => {
            Err(ImportError::Origin { expected: "a file" })
        }
        (Format::Csv, Origin::File(file)) => records::csv(&ask, file, take),
        (Format::JsonLines, Origin::File(file)) => records::json_lines(&ask, file, take),
        (Format::LabelStudio, Origin::File(file)) => label_studio::read(&ask, file, take),
        (Format::Coco, Origin::File(file)) => coco::read(&ask, file, take),
        (Format::Conll, Origin::File(file)) => conll::read(&ask, file, take),
        (Format::Prodigy, Origin::File(file)) => {
            let content = Content::of(project)?;
            lines(&ask, file, take, |line| prodigy::record(&ask, &content, object(line)?))
        }
        (Format::Doccano, Origin::File(file)) => {
            let content = Content::text(project)?;
            lines(&ask, file, take, |line| doccano::record(&ask, &content, object(line)?))
        }
        (Format::GroundTruth, Origin::File(file)) => {
            let content = Content::of(project)?;
            lines(&ask, file, take, |line| ground_truth::record(&ask, &content, object(line)?))
        }
        (Format::Spacy, Origin::File(file)) => {
            let content = Content::text(project)?;
            lines(&ask, file, take, |line| spacy::record(&ask, &content, line))
        }
        (Format::Labelbox, Origin::File(file)) => {
            let content = Content::of(project)?;
            lines(&ask, file, take, |line| labelbox::record(&ask, &content, object(line)?))
        }
    }
}

/// Reads a JSON value a line. Empty lines are passed over.
fn lines(
    ask: &Ask<'_>,
    mut reader: &mut dyn BufRead,
    take: Take<'_>,
    record: impl Fn(Value) -> Result<Found, LineError>,
) -> Result<(), ImportError> {
    let (mut text, mut line) = (Vec::new(), 0);
    while let Some(fits) = next_line(&mut reader, &mut text).map_err(ImportError::Read)? {
        line += 1;
        if fits && text.trim_ascii().is_empty() {
            continue;
        }
        let value = match fits {
            true => serde_json::from_slice(trimmed(&text)).map_err(|_| LineError::NotJson),
            false => Err(LineError::TooLong),
        };
        take(ask.labeled(line, value.and_then(&record)))?;
    }
    Ok(())
}

impl Ask<'_> {
    /// A record of a single file.
    fn labeled(&self, line: u64, found: Result<Found, LineError>) -> Result<Labeled, Bad> {
        self.labeled_in(None, line, found)
    }

    fn labeled_in(
        &self,
        file: Option<&str>,
        line: u64,
        found: Result<Found, LineError>,
    ) -> Result<Labeled, Bad> {
        let file = || file.map(str::to_owned);
        let labeled = |Found { record, said, guess }: Found| {
            let (said, guess) = self.told(said, guess);
            let size = said.as_ref().or_else(|| guess.as_ref().map(|guess| &guess.said));
            let size = size.and_then(Said::size);
            let label = said.map_or(Ok(None), |said| said.label(self.project))?;
            let draft = guess.map_or(Ok(None), |guess| self.offer(guess))?;
            Ok(Labeled { file: file(), line, cells: json::cells_of(record), label, draft, size })
        };
        found.and_then(labeled).map_err(|reason| Bad { file: file(), line, reason })
    }

    /// What people said, and what a model said, of what the file has as labels and as predictions.
    fn told(&self, said: Option<Said>, guess: Option<Guess>) -> (Option<Said>, Option<Guess>) {
        match self.drafts {
            None => (said, None),
            Some(drafts) if drafts.labels => (None, said.map(Guess::from).or(guess)),
            Some(_) => (said, guess),
        }
    }
}

/// The field that other tools' one text or image goes to.
pub(crate) struct Content<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: FieldKind,
}

impl<'a> Content<'a> {
    /// The field that the task marks, else the only text, else the only image or series.
    fn of(project: &'a Project) -> Result<Self, ImportError> {
        let marked = match &project.task {
            Task::Spans { field, .. }
            | Task::Regions { field, .. }
            | Task::Segments { field, .. } => project.field(field.as_str()),
            Task::Class | Task::Classes | Task::Preference { .. } => None,
        };
        let text = |kind: FieldKind| kind == FieldKind::Text;
        let field = marked.or_else(|| only(project, text)).or_else(|| {
            // Beside several texts an image is not all that there is to read.
            let texts = project.fields.iter().any(|field| text(field.kind));
            only(project, is_media).filter(|_| !texts)
        });
        let field = field.ok_or(ImportError::Content { of: "text, image or series" })?;
        Ok(Self { name: field.name.as_str(), kind: field.kind })
    }

    fn text(project: &'a Project) -> Result<Self, ImportError> {
        let content = Self::of(project)?;
        let is = content.kind == FieldKind::Text;
        is.then_some(content).ok_or(ImportError::Content { of: "text" })
    }

    fn image(project: &'a Project) -> Result<Self, ImportError> {
        let content = Self::of(project)?;
        let is = content.kind == FieldKind::Image;
        is.then_some(content).ok_or(ImportError::Content { of: "image" })
    }

    /// Puts a text, or the name of a file, where it belongs, and an id where there is none: the tool's
    /// own, or a hash of the text, so that the same text is the same item, or the file's name.
    fn put(
        &self,
        record: &mut Map<String, Value>,
        ask: &Ask<'_>,
        value: String,
        own: Option<Value>,
    ) {
        let id = &ask.rules.source.id;
        if record.get(id).is_none_or(Value::is_null) {
            let stands_for = || match self.kind {
                FieldKind::Image | FieldKind::Series => value.clone(),
                FieldKind::Number | FieldKind::Category | FieldKind::Text => {
                    let hash = blake3::hash(value.as_bytes()).to_hex();
                    format!("text-{}", &hash[..HASH_DIGITS])
                }
            };
            let own = own.filter(|own| own.is_string() || own.is_number());
            record.insert(id.clone(), own.unwrap_or_else(|| stands_for().into()));
        }
        record.insert(self.name.to_owned(), value.into());
    }
}

fn object(value: Value) -> Result<Map<String, Value>, LineError> {
    if let Value::Object(object) = value { Ok(object) } else { Err(LineError::NotAnObject) }
}

fn take_text(object: &mut Map<String, Value>, field: &str) -> Result<String, LineError> {
    match object.remove(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) | None => Err(missing(field)),
    }
}

/// The elements of a list; none where there is no list.
fn each(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value, field: &'static str) -> Result<String, LineError> {
    value.as_str().map(str::to_owned).ok_or_else(|| missing(field))
}

fn number(value: &Value, field: &'static str) -> Result<f64, LineError> {
    value.as_f64().ok_or_else(|| missing(field))
}

/// A number of pixels, of a whole image.
fn pixels(value: &Value, field: &'static str) -> Result<u32, LineError> {
    let whole = value.as_u64().and_then(|pixels| u32::try_from(pixels).ok());
    whole.filter(|pixels| *pixels > 0).ok_or_else(|| missing(field))
}

/// A position in a text.
fn place(value: &Value, field: &'static str) -> Result<u64, LineError> {
    value.as_u64().ok_or_else(|| missing(field))
}

/// A span, as an object with `start`, `end` and `label`.
fn mark(value: &Value) -> Result<Mark, LineError> {
    let (start, end) = (place(&value["start"], "start")?, place(&value["end"], "end")?);
    Ok(Mark { start, end, class: text(&value["label"], "label")? })
}

/// A span, as a list of its start, its end and its class.
fn triple(value: &Value, field: &'static str) -> Result<Mark, LineError> {
    let [start, end, class] = each(value) else { return Err(missing(field)) };
    let (start, end) = (place(start, field)?, place(end, field)?);
    Ok(Mark { start, end, class: text(class, field)? })
}

/// A box, by the names of its left, its upper side, its width and its height.
fn sides(value: &Value, fields: [&'static str; 4]) -> Result<[f64; 4], LineError> {
    let side = |field: &'static str| number(&value[field], field);
    let [left, upper, width, height] = fields;
    Ok([side(left)?, side(upper)?, side(width)?, side(height)?])
}

/// A polygon, as a list of pairs.
fn points(value: &Value) -> Result<Vec<[f64; 2]>, LineError> {
    let point = |point: &Value| {
        let [x, y] = each(point) else { return Err(missing("points")) };
        Ok([number(x, "points")?, number(y, "points")?])
    };
    each(value).iter().map(point).collect()
}

/// The names that a value is, or a list holds.
fn names(value: &Value, field: &'static str) -> Result<Vec<String>, LineError> {
    match value {
        Value::String(name) => Ok(vec![name.clone()]),
        Value::Array(names) => names.iter().map(|name| text(name, field)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(missing(field)),
    }
}

fn missing(field: &str) -> LineError {
    LineError::Missing { field: field.to_owned() }
}

/// Says that folders were not looked into, if there are any.
fn deep(folders: u64, take: Take<'_>) -> Result<(), ImportError> {
    if folders == 0 {
        return Ok(());
    }
    take(Err(Bad { file: None, line: 0, reason: LineError::TooDeep { folders } }))
}
