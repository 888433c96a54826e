//! The formats of records: what each has a place for, and how its labels are named.

use insitu_protocol::project::{Project, ShapeKind, Task};
use serde_json::{Value as Json, json};

use super::media::{self, Kept};
use super::record::Record;
use crate::label::Label;
pub use crate::source::labeled::Format;

/// The name of the label in formats that give it one.
pub(super) const LABEL: &str = "label";

impl Format {
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
        matches!(self, Self::Coco | Self::Yolo | Self::Voc | Self::Conll)
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
