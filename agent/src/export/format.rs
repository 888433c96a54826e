//! The formats of records, and what is written beside them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use insitu_protocol::project::{Project, Task};
use serde_json::{Map, Value as Json, json};

use super::record::{People, Record, reading, time, verdict};
use super::snapshot::{self, Entry, Hashed};
use super::{label_studio, programs};
use crate::item::Value;
use crate::label::{Label, task_json};
use crate::prelabel::Prelabel;

/// Who said what of each item.
const PROVENANCE: &str = "provenance.jsonl";
/// How Label Studio shows the records.
const CONFIG: &str = "label-config.xml";
/// What the classes, relations and fields are to which labels refer that are not one class.
const TAXONOMY: &str = "taxonomy.json";
/// The name of the label in formats that give it one.
pub(super) const LABEL: &str = "label";

/// A format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Tasks with annotations and predictions, and the label config to import them under.
    LabelStudio,
    /// Prodigy's `choice` and `ner_manual` tasks.
    Prodigy,
    /// doccano's text classification and sequence labeling.
    Doccano,
    /// An augmented manifest of SageMaker Ground Truth.
    GroundTruth,
}

impl Format {
    /// The format's name in commands and snapshots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::LabelStudio => "label-studio",
            Self::Prodigy => "prodigy",
            Self::Doccano => "doccano",
            Self::GroundTruth => "ground-truth",
        }
    }

    /// Whether the format has a place for the labels of a task.
    pub(super) fn carries(self, task: &Task) -> bool {
        match (self, task) {
            (Self::JsonLines | Self::LabelStudio, _)
            | (_, Task::Class | Task::Preference { .. } | Task::Classes)
            | (Self::Doccano, Task::Spans { .. }) => true,
            (Self::Prodigy, Task::Spans { relations, .. }) => relations.is_empty(),
            (Self::Csv | Self::GroundTruth, Task::Spans { .. })
            | (
                Self::Csv | Self::Prodigy | Self::Doccano | Self::GroundTruth,
                Task::Regions { .. } | Task::Segments { .. },
            ) => false,
        }
    }

    /// The file of records.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Csv => "records.csv",
            Self::LabelStudio => "records.json",
            Self::GroundTruth => "records.manifest",
            Self::JsonLines | Self::Prodigy | Self::Doccano => "records.jsonl",
        }
    }

    /// The file's media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::LabelStudio => "application/json",
            Self::JsonLines | Self::Prodigy | Self::Doccano | Self::GroundTruth => {
                "application/jsonlines"
            }
        }
    }
}

/// Writes records and their provenance.
pub(super) struct Writer<'a> {
    project: &'a Project,
    format: Format,
    records: Hashed<BufWriter<File>>,
    provenance: Hashed<BufWriter<File>>,
    /// What is written beside them once.
    extras: Vec<Entry>,
    written: u64,
}

impl<'a> Writer<'a> {
    /// Starts the files of `folder`.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn create(folder: &Path, project: &'a Project, format: Format) -> io::Result<Self> {
        let mut records = Hashed::new(format.file(), create(&folder.join(format.file()))?);
        let mut extras = Vec::new();
        match format {
            Format::LabelStudio => {
                records.write_all(b"[")?;
                let config = label_studio::config(project);
                extras.push(snapshot::put(folder, CONFIG, config.as_bytes())?);
            }
            Format::Csv => records.write_all(csv_line(&csv_header(project)).as_bytes())?,
            Format::JsonLines | Format::Prodigy | Format::Doccano | Format::GroundTruth => {}
        }
        if !project.task.is_one_class() {
            extras.push(snapshot::put(folder, TAXONOMY, &taxonomy(project)?)?);
        }
        let provenance = Hashed::new(PROVENANCE, create(&folder.join(PROVENANCE))?);
        Ok(Self { project, format, records, provenance, extras, written: 0 })
    }

    /// Writes a record and what was said about it.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn write(&mut self, record: &Record, people: &People) -> io::Result<()> {
        let project = self.project;
        let object = match self.format {
            Format::Csv => {
                let cells = csv_cells(project, record);
                self.records.write_all(csv_line(&cells).as_bytes())?;
                return self.say(record, people);
            }
            Format::LabelStudio => {
                let between: &[u8] = if self.written == 0 { b"\n" } else { b",\n" };
                self.records.write_all(between)?;
                label_studio::task(project, record, people)
            }
            Format::JsonLines => json_lines(project, record),
            Format::Prodigy => programs::prodigy(project, record),
            Format::Doccano => programs::doccano(project, record),
            Format::GroundTruth => programs::ground_truth(project, record),
        };
        serde_json::to_writer(&mut self.records, &object)?;
        if self.format != Format::LabelStudio {
            self.records.write_all(b"\n")?;
        }
        self.say(record, people)
    }

    /// Ends the files, durably.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn finish(mut self) -> io::Result<Vec<Entry>> {
        if self.format == Format::LabelStudio {
            self.records.write_all(b"\n]\n")?;
        }
        let mut entries = vec![self.records.finish()?, self.provenance.finish()?];
        entries.extend(self.extras);
        Ok(entries)
    }

    fn say(&mut self, record: &Record, people: &People) -> io::Result<()> {
        self.written += 1;
        serde_json::to_writer(&mut self.provenance, &provenance(self.project, record, people))?;
        self.provenance.write_all(b"\n")
    }
}

/// A new file that only its owner can read.
pub(super) fn create(path: &Path) -> io::Result<BufWriter<File>> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(BufWriter::new)
}

/// The name of a class.
pub(super) fn class(project: &Project, class: u16) -> &str {
    project.class(class).map_or("", |class| class.name.as_str())
}

/// The names of the classes of a label that is classes; else none.
pub(super) fn class_names<'a>(project: &'a Project, label: &Label) -> Vec<&'a str> {
    match label {
        Label::Class(one) => vec![class(project, *one)],
        Label::Classes(all) => all.iter().map(|one| class(project, *one)).collect(),
        Label::Spans(_) | Label::Regions(_) | Label::Segments(_) => Vec::new(),
    }
}

/// A label that is one class by its name; another as the local API has it.
fn said(project: &Project, label: &Label) -> Json {
    match label.class() {
        Some(one) => json!(class(project, one)),
        None => label.to_json(),
    }
}

fn label(project: &Project, record: &Record) -> Option<Json> {
    record.label.as_ref().map(|given| said(project, &given.label))
}

fn taxonomy(project: &Project) -> io::Result<Vec<u8>> {
    let taxonomy = json!({
        "project": project.name, "version": project.version, "task": task_json(&project.task),
        "classes": project.classes, "fields": project.fields,
    });
    let mut bytes = serde_json::to_vec_pretty(&taxonomy)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn provenance(project: &Project, record: &Record, people: &People) -> Json {
    let draft = |prelabel: &Prelabel| {
        json!({
            "label": said(project, prelabel.label()),
            "confidence": prelabel.confidence(), "bundle": prelabel.bundle(),
        })
    };
    let annotations: Vec<Json> = record
        .past
        .iter()
        .map(|past| {
            json!({
                "by": people.name(past.person), "at": time(past.made_at),
                "reading": reading(past.read.reading), "verdict": verdict(past.read.verdict),
                "label": past.label().map(|label| said(project, label)),
                "seconds": past.seconds, "comment": past.comment,
                "project_version": past.made.as_ref().map(|made| made.project_version),
                "tool": past.made.as_ref().map(|made| &made.tool),
                "answers": past.prelabel.as_ref().map(draft),
            })
        })
        .collect();
    json!({
        "id": record.id, "label": label(project, record),
        "label_by": record.label.as_ref().map(|label| label.by.name()), "annotations": annotations,
        "prelabel": record.prelabel.as_ref().map(draft),
    })
}

/// What every record has beside its fields, in the order of [`own_columns`].
pub(super) const OWN_COLUMNS: [&str; 9] = [
    "id",
    "own_id",
    "label",
    "label_by",
    "labeled_at",
    "prelabel",
    "confidence",
    "bundle",
    "holdout",
];

fn own_columns(project: &Project, record: &Record) -> [Json; 9] {
    let prelabel = record.prelabel.as_ref();
    [
        json!(record.id),
        json!(record.own_id),
        json!(label(project, record)),
        json!(record.label.as_ref().map(|label| label.by.name())),
        json!(record.label.as_ref().and_then(|label| label.made_at).map(time)),
        json!(prelabel.map(|prelabel| said(project, prelabel.label()))),
        json!(prelabel.map(Prelabel::confidence)),
        json!(prelabel.map(|prelabel| prelabel.bundle())),
        json!(record.holdout),
    ]
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Number(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Image(_) | Value::Series(_) => json!(value.shown()),
    }
}

/// A record's fields by name.
pub(super) fn fields(record: &Record) -> Map<String, Json> {
    record.fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
}

fn json_lines(project: &Project, record: &Record) -> Json {
    let own = OWN_COLUMNS.iter().map(|name| (*name).to_owned());
    let mut object: Map<String, Json> = own.zip(own_columns(project, record)).collect();
    object.insert("fields".to_owned(), Json::Object(fields(record)));
    Json::Object(object)
}

fn csv_header(project: &Project) -> Vec<String> {
    let fields = project.fields.iter().map(|field| field.name.to_string());
    OWN_COLUMNS.iter().map(|name| (*name).to_owned()).chain(fields).collect()
}

fn csv_cells(project: &Project, record: &Record) -> Vec<String> {
    let shown = |value: Json| match (value.is_null(), value.as_str()) {
        (true, _) => String::new(),
        (false, Some(text)) => text.to_owned(),
        (false, None) => value.to_string(),
    };
    let mut own = own_columns(project, record);
    if project.task == Task::Classes {
        // By their names, as a list: a name may hold any separator.
        let given = record.label.as_ref().map(|given| &given.label);
        let drafted = record.prelabel.as_ref().map(Prelabel::label);
        for (column, label) in [(2, given), (5, drafted)] {
            own[column] = label.map_or(Json::Null, |label| json!(class_names(project, label)));
        }
    }
    let own = own.into_iter().map(shown);
    let fields = project.fields.iter().map(|field| {
        let value = record.fields.iter().find(|(name, _)| name == field.name.as_str());
        value.map(|(_, value)| shown(plain(value))).unwrap_or_default()
    });
    own.chain(fields).collect()
}

/// RFC 4180: quoted where it must be, and always with the line end that spreadsheets expect.
fn csv_line(cells: &[String]) -> String {
    let quoted = cells.iter().map(|cell| {
        if cell.contains(['"', ',', '\n', '\r', ';', '\t']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}
