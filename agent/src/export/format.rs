//! The formats of records, and what is written beside them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use insitu_protocol::project::{Class, Project};
use serde_json::{Map, Value as Json, json};

use super::record::{By, People, Record, reading, time, verdict};
use super::snapshot::{self, Entry, Hashed};
use crate::item::Value;
use crate::prelabel::Prelabel;
use crate::store::labels::Verdict;

/// Who said what of each item.
const PROVENANCE: &str = "provenance.jsonl";
/// How Label Studio shows the records.
const CONFIG: &str = "label-config.xml";
/// The name of the label in formats that give it one.
const LABEL: &str = "label";

/// A format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Tasks with annotations and predictions, and the label config to import them under.
    LabelStudio,
    /// Prodigy's `choice` tasks.
    Prodigy,
    /// doccano's text classification.
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
    config: Option<Entry>,
    written: u64,
}

impl<'a> Writer<'a> {
    /// Starts the files of `folder`.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn create(folder: &Path, project: &'a Project, format: Format) -> io::Result<Self> {
        let mut records = Hashed::new(format.file(), create(&folder.join(format.file()))?);
        let config = match format {
            Format::LabelStudio => {
                records.write_all(b"[")?;
                Some(snapshot::put(folder, CONFIG, label_config(project).as_bytes())?)
            }
            Format::Csv => {
                records.write_all(csv_line(&csv_header(project)).as_bytes())?;
                None
            }
            Format::JsonLines | Format::Prodigy | Format::Doccano | Format::GroundTruth => None,
        };
        let provenance = Hashed::new(PROVENANCE, create(&folder.join(PROVENANCE))?);
        Ok(Self { project, format, records, provenance, config, written: 0 })
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
                label_studio(project, record, people)
            }
            Format::JsonLines => json_lines(project, record),
            Format::Prodigy => prodigy(project, record),
            Format::Doccano => doccano(project, record),
            Format::GroundTruth => ground_truth(project, record),
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
        entries.extend(self.config);
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

fn class(project: &Project, class: u16) -> &str {
    project.class(class).map_or("", |class| class.name.as_str())
}

fn label<'a>(project: &'a Project, record: &Record) -> Option<&'a str> {
    record.label.as_ref().map(|label| class(project, label.class))
}

fn provenance(project: &Project, record: &Record, people: &People) -> Json {
    let said: Vec<Json> = record
        .past
        .iter()
        .map(|past| {
            json!({
                "by": people.name(past.person), "at": time(past.made_at),
                "reading": reading(past.read.reading), "verdict": verdict(past.read.verdict),
                "label": past.label().map(|label| class(project, label)),
                "seconds": past.seconds, "comment": past.comment,
                "answers": past.prelabel.map(|prelabel| json!({
                    "label": class(project, prelabel.class()),
                    "confidence": prelabel.confidence(), "bundle": prelabel.bundle(),
                })),
            })
        })
        .collect();
    json!({
        "id": record.id, "label": label(project, record),
        "label_by": record.label.as_ref().map(|label| label.by.name()), "annotations": said,
        "prelabel": record.prelabel.map(|prelabel| json!({
            "label": class(project, prelabel.class()),
            "confidence": prelabel.confidence(), "bundle": prelabel.bundle(),
        })),
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
        json!(prelabel.map(|prelabel| class(project, prelabel.class()))),
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

fn fields(record: &Record) -> Map<String, Json> {
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
    let own = own_columns(project, record).into_iter().map(shown);
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

/// A task as Label Studio exports it, which it also imports.
fn label_studio(project: &Project, record: &Record, people: &People) -> Json {
    let choice = |class: &str| {
        let value = json!({ "choices": [class] });
        json!([{ "from_name": LABEL, "to_name": LABEL_TO, "type": "choices", "value": value }])
    };
    let mut data = fields(record);
    data.insert(LABEL_TO.to_owned(), json!(record.text(project)));
    let decided = record.label.as_ref().and_then(|label| label.made_at);
    let annotations: Vec<Json> = record
        .past
        .iter()
        .map(|past| {
            let result =
                past.label().map_or_else(|| json!([]), |label| choice(class(project, label)));
            json!({
                "result": result, "was_cancelled": past.read.verdict == Verdict::Skip,
                "ground_truth": past.label().is_some() && Some(past.made_at) == decided,
                "lead_time": past.seconds, "created_at": time(past.made_at),
                "created_username": people.name(past.person),
            })
        })
        .collect();
    let predictions: Vec<Json> = record
        .prelabel
        .iter()
        .map(|prelabel| {
            json!({
                "model_version": prelabel.bundle(), "score": prelabel.confidence(),
                "result": choice(class(project, prelabel.class())),
            })
        })
        .collect();
    json!({
        "data": data, "annotations": annotations, "predictions": predictions,
        "meta": { "id": record.id, "own_id": record.own_id },
    })
}

/// The name under which Label Studio's tasks hold the text that is labeled.
const LABEL_TO: &str = "shown";

fn label_config(project: &Project) -> String {
    let choices: String = project
        .classes
        .iter()
        .map(|class| {
            let (name, hint) = (xml(class.name.as_str()), xml(class.description.as_str()));
            format!("    <Choice value=\"{name}\" hint=\"{hint}\"/>\n")
        })
        .collect();
    format!(
        "<View>\n  <Text name=\"{LABEL_TO}\" value=\"${LABEL_TO}\"/>\n  \
         <Choices name=\"{LABEL}\" toName=\"{LABEL_TO}\" choice=\"single\" required=\"true\">\n\
         {choices}  </Choices>\n</View>\n"
    )
}

/// Text inside an attribute.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn prodigy(project: &Project, record: &Record) -> Json {
    let option = |class: &Class| json!({"id": class.name, "text": class.name});
    let options: Vec<Json> = project.classes.iter().map(option).collect();
    let label = label(project, record);
    json!({
        "text": record.text(project), "options": options,
        "accept": label.map_or_else(Vec::new, |label| vec![label]),
        "answer": if label.is_some() { "accept" } else { "ignore" },
        "meta": { "id": record.id, "own_id": record.own_id },
    })
}

fn doccano(project: &Project, record: &Record) -> Json {
    let label = label(project, record);
    json!({
        "id": record.id, "own_id": record.own_id, "text": record.text(project),
        "label": label.map_or_else(Vec::new, |label| vec![label]),
    })
}

fn ground_truth(project: &Project, record: &Record) -> Json {
    let mut line = Map::new();
    line.insert("source".to_owned(), json!(record.text(project)));
    line.insert("id".to_owned(), json!(record.id));
    if let Some(label) = &record.label {
        let person = label.by.is_person();
        let model = record.prelabel.filter(|_| label.by == By::Model);
        line.insert(LABEL.to_owned(), json!(label.class));
        let about = json!({
            "class-name": class(project, label.class),
            "confidence": model.map_or(1.0, |prelabel| prelabel.confidence()),
            "type": "groundtruth/text-classification", "job-name": format!("labeling-job/{}", project.name),
            "human-annotated": if person { "yes" } else { "no" },
            "creation-date": label.made_at.map(time),
        });
        line.insert(format!("{LABEL}-metadata"), about);
    }
    Json::Object(line)
}
