//! Records that are nothing but columns: CSV, JSON lines, and the rows of Parquet.

use insitu_protocol::project::{Project, Task};
use serde_json::{Map, Value as Json, json};

use super::format::{class_names, label, said};
use super::record::{Record, time};
use crate::item::Value;
use crate::prelabel::Prelabel;

/// What every record has beside its fields, in the order of [`own_columns`].
pub(super) const OWN_COLUMNS: [&str; 10] = [
    "id",
    "own_id",
    "label",
    "label_by",
    "labeled_at",
    "prelabel",
    "confidence",
    "bundle",
    "draft_model",
    "holdout",
];

fn own_columns(project: &Project, record: &Record) -> [Json; 10] {
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
        json!(record.model),
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

pub(super) fn json_lines(project: &Project, record: &Record) -> Json {
    let own = OWN_COLUMNS.iter().map(|name| (*name).to_owned());
    let mut object: Map<String, Json> = own.zip(own_columns(project, record)).collect();
    object.insert("fields".to_owned(), Json::Object(fields(record)));
    Json::Object(object)
}

pub(super) fn csv_header(project: &Project) -> Vec<String> {
    let fields = project.fields.iter().map(|field| field.name.to_string());
    OWN_COLUMNS.iter().map(|name| (*name).to_owned()).chain(fields).collect()
}

/// A value for each column, null where there is none.
pub(super) fn values(project: &Project, record: &Record) -> Vec<Json> {
    let mut own = own_columns(project, record);
    if project.task == Task::Classes {
        // By their names, as a list: a name may hold any separator.
        let given = record.label.as_ref().map(|given| &given.label);
        let drafted = record.prelabel.as_ref().map(Prelabel::label);
        for (column, label) in [(2, given), (5, drafted)] {
            own[column] = label.map_or(Json::Null, |label| json!(class_names(project, label)));
        }
    }
    let fields = project
        .fields
        .iter()
        .map(|field| record.value(field.name.as_str()).map_or(Json::Null, plain));
    own.into_iter().chain(fields).collect()
}

pub(super) fn csv_cells(project: &Project, record: &Record) -> Vec<String> {
    let shown = |value: &Json| match value.as_str() {
        None if value.is_null() => String::new(),
        None => value.to_string(),
        Some(text) => text.to_owned(),
    };
    values(project, record).iter().map(shown).collect()
}

/// RFC 4180: quoted where it must be, and always with the line end that spreadsheets expect.
pub(super) fn csv_line(cells: &[String]) -> String {
    let quoted = cells.iter().map(|cell| {
        if cell.contains(['"', ',', '\n', '\r', ';', '\t']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}
