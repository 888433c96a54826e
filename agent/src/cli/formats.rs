//! The formats that `import` and `export` speak.

use clap::ValueEnum;

use crate::export;
use crate::source::labeled::Format;

/// A format by its name. Which kinds of labels each has a place for is in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatName {
    /// With a header; a column holds the label
    Csv,
    /// One JSON object a line
    Jsonl,
    /// Label Studio's list of tasks and annotations
    LabelStudio,
    /// Prodigy's JSON lines
    Prodigy,
    /// doccano's JSON lines
    Doccano,
    /// An augmented manifest of SageMaker Ground Truth
    GroundTruth,
    /// COCO's JSON: boxes and polygons, no run-length masks
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

impl FormatName {
    /// As files of labeled items are read.
    pub(super) fn labeled(self) -> Format {
        match self {
            Self::Csv => Format::Csv,
            Self::Jsonl => Format::JsonLines,
            Self::LabelStudio => Format::LabelStudio,
            Self::Prodigy => Format::Prodigy,
            Self::Doccano => Format::Doccano,
            Self::GroundTruth => Format::GroundTruth,
            Self::Coco => Format::Coco,
            Self::Yolo => Format::Yolo,
            Self::Voc => Format::Voc,
            Self::Conll => Format::Conll,
            Self::Spacy => Format::Spacy,
            Self::Labelbox => Format::Labelbox,
            Self::Parquet => Format::Parquet,
        }
    }

    /// As snapshots are written.
    pub(super) fn exported(self) -> export::Format {
        match self {
            Self::Csv => export::Format::Csv,
            Self::Jsonl => export::Format::JsonLines,
            Self::LabelStudio => export::Format::LabelStudio,
            Self::Prodigy => export::Format::Prodigy,
            Self::Doccano => export::Format::Doccano,
            Self::GroundTruth => export::Format::GroundTruth,
            Self::Coco => export::Format::Coco,
            Self::Yolo => export::Format::Yolo,
            Self::Voc => export::Format::Voc,
            Self::Conll => export::Format::Conll,
            Self::Spacy => export::Format::Spacy,
            Self::Labelbox => export::Format::Labelbox,
            Self::Parquet => export::Format::Parquet,
        }
    }
}
