//! The formats of records: what each has a place for, and how its labels are named.

use insitu_protocol::project::{Project, ShapeKind, Task};
use serde_json::{Value as Json, json};

use super::media::{self, Kept};
use super::record::Record;
use crate::label::Label;

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
    /// Prodigy's `choice`, `ner_manual`, `rel.manual` and `image_manual` tasks.
    Prodigy,
    /// doccano's text classification, sequence labeling and relations.
    Doccano,
    /// An augmented manifest of SageMaker Ground Truth.
    GroundTruth,
    /// Images with boxes and polygons, as COCO has them.
    Coco,
    /// Images with a file of boxes or polygons for each, as YOLO is trained from.
    Yolo,
    /// Images with an XML file of boxes for each, as in Pascal VOC.
    Voc,
    /// A token and its tag a line, as CoNLL-2003 has them.
    Conll,
    /// A line for each document, as spaCy's `Doc.to_json` gives it.
    Spacy,
    /// Labelbox's export, version 2.
    Labelbox,
    /// A table, packed with Snappy.
    Parquet,
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
            Self::Coco => "coco",
            Self::Yolo => "yolo",
            Self::Voc => "voc",
            Self::Conll => "conll",
            Self::Spacy => "spacy",
            Self::Labelbox => "labelbox",
            Self::Parquet => "parquet",
        }
    }

    /// Whether the format has a place for the labels of a project.
    pub(super) fn carries(self, project: &Project) -> bool {
        let task = &project.task;
        let kept = media::kept(project);
        let of_classes = matches!(task, Task::Class | Task::Classes | Task::Preference { .. });
        match self {
            Self::Csv | Self::JsonLines | Self::Parquet | Self::LabelStudio => true,
            Self::Prodigy | Self::Labelbox => {
                let marks = matches!(task, Task::Spans { .. } | Task::Regions { .. });
                marks || of_classes && kept != Some(Kept::Series)
            }
            Self::GroundTruth => is_boxes(task) || of_classes && kept != Some(Kept::Series),
            Self::Doccano => matches!(task, Task::Spans { .. }) || of_classes && kept.is_none(),
            Self::Spacy => is_spans_alone(task) || of_classes && kept.is_none(),
            Self::Conll => is_spans_alone(task),
            Self::Coco | Self::Yolo => matches!(task, Task::Regions { .. }),
            Self::Voc => is_boxes(task),
        }
    }

    /// Whether records name files beside them, where what is labeled is an image or a series.
    pub(super) fn names_files(self) -> bool {
        !matches!(self, Self::Csv | Self::JsonLines | Self::Parquet)
    }

    /// Whether an item that nobody has labeled looks there like one in which there is nothing to mark.
    pub(super) fn hides_unlabeled(self) -> bool {
        matches!(self, Self::Coco | Self::Voc | Self::Conll)
    }

    /// The file of records.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Csv => "records.csv",
            Self::LabelStudio | Self::Coco => "records.json",
            Self::GroundTruth => "records.manifest",
            Self::Labelbox => "records.ndjson",
            Self::Conll => "records.conll",
            Self::Yolo => "data.yaml",
            Self::Voc => "records.txt",
            Self::Parquet => "records.parquet",
            Self::JsonLines | Self::Prodigy | Self::Doccano | Self::Spacy => "records.jsonl",
        }
    }

    /// The file's media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::LabelStudio | Self::Coco => "application/json",
            Self::Conll | Self::Voc => "text/plain",
            Self::Yolo => "application/yaml",
            Self::Parquet => "application/x-parquet",
            Self::JsonLines
            | Self::Prodigy
            | Self::Doccano
            | Self::GroundTruth
            | Self::Spacy
            | Self::Labelbox => "application/jsonlines",
        }
    }
}

fn is_boxes(task: &Task) -> bool {
    matches!(task, Task::Regions { shapes, .. } if *shapes == [ShapeKind::Box])
}

fn is_spans_alone(task: &Task) -> bool {
    matches!(task, Task::Spans { relations, .. } if relations.is_empty())
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

/// The name of a kind of relations.
pub(super) fn kind_of(project: &Project, relation: u16) -> &str {
    let Task::Spans { relations, .. } = &project.task else { return "" };
    relations.get(usize::from(relation)).map_or("", |name| name.as_str())
}

/// A label that is one class by its name; another as the local API has it.
pub(super) fn said(project: &Project, label: &Label) -> Json {
    match label.class() {
        Some(one) => json!(class(project, one)),
        None => label.to_json(),
    }
}

/// The label of record, as [`said`].
pub(super) fn label(project: &Project, record: &Record) -> Option<Json> {
    record.label.as_ref().map(|given| said(project, &given.label))
}
