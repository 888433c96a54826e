//! Labelbox's export, version 2: a data row a line, with the labels of each project.
//!
//! The end of a text's entity is its last character there, not the one behind it.

use std::collections::HashMap;

use insitu_protocol::project::{FieldKind, Task};
use serde_json::{Map, Value};

use super::said::{Mark, Said, Tie, box_of_pixels, polygon_of_pixels};
use super::{Ask, Content, Found, each, missing, number, pixels, place, sides, text};
use crate::source::LineError;

/// `{"data_row": {"row_data", "global_key", "external_id", "id"}, "media_attributes": {"width",
/// "height"}, "projects": {"ID": {"labels": [{"annotations": {…}}]}}}`. The first label counts; of an
/// image behind an address, its `external_id` is the file.
pub(super) fn record(
    ask: &Ask<'_>,
    content: &Content<'_>,
    line: Map<String, Value>,
) -> Result<Found, LineError> {
    let row =
        line.get("data_row").filter(|row| row.is_object()).ok_or_else(|| missing("data_row"))?;
    let data = text(&row["row_data"], "row_data")?;
    let elsewhere = data.starts_with("https://") || data.starts_with("http://");
    let value = match (content.kind, elsewhere) {
        (FieldKind::Image | FieldKind::Series, true) => text(&row["external_id"], "external_id")?,
        (FieldKind::Number | FieldKind::Category | FieldKind::Text, true) => {
            return Err(LineError::Unsupported { what: "a text behind an address" });
        }
        (_, false) => data,
    };
    let projects = line.get("projects").and_then(Value::as_object);
    let mut labels =
        projects.into_iter().flat_map(Map::values).flat_map(|project| each(&project["labels"]));
    let said = match labels.next() {
        None => None,
        Some(label) => {
            let media = line.get("media_attributes").unwrap_or(&Value::Null);
            said(&ask.project.task, &label["annotations"], media)?
        }
    };
    let keys = ["global_key", "external_id", "id"];
    let own = keys.iter().map(|key| &row[*key]).find(|key| key.is_string()).cloned();
    let mut record = match row.get("metadata") {
        Some(Value::Object(metadata)) => metadata.clone(),
        Some(_) | None => Map::new(),
    };
    content.put(&mut record, ask, value, own);
    Ok(Found { record, said, guess: None })
}

fn said(task: &Task, annotations: &Value, media: &Value) -> Result<Option<Said>, LineError> {
    let objects = each(&annotations["objects"]);
    match task {
        Task::Spans { .. } => spans(objects, each(&annotations["relationships"])).map(Some),
        Task::Regions { .. } => {
            if objects.is_empty() {
                return Ok(Some(Said::Regions(Vec::new(), None)));
            }
            let size = [pixels(&media["width"], "width")?, pixels(&media["height"], "height")?];
            let shapes: Result<Vec<_>, LineError> =
                objects.iter().map(|object| region(object, size)).collect();
            Ok(Some(Said::Regions(shapes?, Some(size))))
        }
        Task::Class | Task::Classes | Task::Preference { .. } | Task::Segments { .. } => {
            classes(each(&annotations["classifications"]))
        }
    }
}

fn classes(all: &[Value]) -> Result<Option<Said>, LineError> {
    let named = |answer: &Value| text(&answer["name"], "name");
    let mut answered = all
        .iter()
        .filter(|one| !one["radio_answer"].is_null() || !one["checklist_answers"].is_null());
    match (answered.next(), answered.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => {
            Err(LineError::SeveralClasses { field: "classifications".to_owned() })
        }
        (Some(one), None) => {
            let answer = &one["radio_answer"];
            let names: Result<Vec<String>, LineError> = match answer.is_null() {
                true => each(&one["checklist_answers"]).iter().map(named).collect(),
                false => named(answer).map(|name| vec![name]),
            };
            names.map(|names| Some(Said::Classes(names)))
        }
    }
}

fn spans(objects: &[Value], relationships: &[Value]) -> Result<Said, LineError> {
    let mut ids = HashMap::new();
    let mut marks = Vec::with_capacity(objects.len());
    for object in objects {
        let location = &object["location"];
        if location.is_null() {
            return Err(LineError::Unsupported { what: "an object that is no part of a text" });
        }
        let last = place(&location["end"], "end")?;
        let end = last.checked_add(1).ok_or_else(|| missing("end"))?;
        if let Some(id) = object["feature_id"].as_str() {
            ids.insert(id, marks.len());
        }
        let start = place(&location["start"], "start")?;
        marks.push(Mark { start, end, class: text(&object["name"], "name")? });
    }
    let tie = |found: &Value| {
        let ends = &found["unidirectional_relationship"];
        let end = |field: &'static str| {
            let id = ends[field].as_str().ok_or_else(|| missing(field))?;
            ids.get(id).copied().ok_or_else(|| missing(field))
        };
        let (from, to) = (end("source")?, end("target")?);
        Ok(Tie { from, to, relation: text(&found["name"], "name")? })
    };
    let ties: Result<Vec<Tie>, LineError> = relationships.iter().map(tie).collect();
    Ok(Said::Spans(marks, ties?))
}

fn region(object: &Value, size: [u32; 2]) -> Result<(String, crate::label::Shape), LineError> {
    let class = text(&object["name"], "name")?;
    let bounds = &object["bounding_box"];
    if bounds.is_object() {
        let sides = sides(bounds, ["left", "top", "width", "height"])?;
        return Ok((class, box_of_pixels(sides, size)));
    }
    if object["polygon"].is_array() {
        let point = |point: &Value| Ok([number(&point["x"], "x")?, number(&point["y"], "y")?]);
        let points: Result<Vec<[f64; 2]>, LineError> =
            each(&object["polygon"]).iter().map(point).collect();
        return Ok((class, polygon_of_pixels(&points?, size)));
    }
    Err(LineError::Unsupported { what: "an object that is neither a box nor a polygon" })
}
