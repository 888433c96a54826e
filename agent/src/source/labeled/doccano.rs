//! doccano's documents: text classification, sequence labeling, and relations.

use std::collections::HashMap;

use insitu_protocol::project::Task;
use serde_json::{Map, Value};

use super::said::{Mark, Said, Tie};
use super::{Ask, Content, Found, each, missing, names, place, take_text, text, triple};
use crate::source::LineError;

/// `{"id", "text", "label": ["class"]}`, or `"label": [[start, end, "class"]]`, or `"entities"` and
/// `"relations"`.
pub(super) fn record(
    ask: &Ask<'_>,
    content: &Content<'_>,
    mut document: Map<String, Value>,
) -> Result<Found, LineError> {
    let value = take_text(&mut document, "text")?;
    let label = document.remove("label").or_else(|| document.remove("labels"));
    let said = match (&ask.project.task, document.remove("entities"), label) {
        (Task::Spans { .. }, Some(entities), _) => {
            Some(entities_of(each(&entities), document.get("relations").unwrap_or(&Value::Null))?)
        }
        (Task::Spans { .. }, None, Some(label)) => Some(triples(each(&label))?),
        (_, _, None | Some(Value::Null)) => None,
        (_, _, Some(Value::Array(none))) if none.is_empty() => {
            // Nothing is written of a document that nobody has looked at, either.
            None
        }
        (_, _, Some(label)) => Some(Said::Classes(names(&label, "label")?)),
    };
    let own = document.get("id").cloned();
    document.retain(|_, value| !value.is_object() && !value.is_array());
    content.put(&mut document, ask, value, own);
    Ok(Found { record: document, said, guess: None })
}

fn triples(label: &[Value]) -> Result<Said, LineError> {
    let marks: Result<Vec<Mark>, LineError> =
        label.iter().map(|value| triple(value, "label")).collect();
    Ok(Said::Spans(marks?, Vec::new()))
}

fn entities_of(entities: &[Value], relations: &Value) -> Result<Said, LineError> {
    let mut ids = HashMap::new();
    let mut marks = Vec::with_capacity(entities.len());
    for entity in entities {
        ids.insert(place(&entity["id"], "id")?, marks.len());
        marks.push(Mark {
            start: place(&entity["start_offset"], "start_offset")?,
            end: place(&entity["end_offset"], "end_offset")?,
            class: text(&entity["label"], "label")?,
        });
    }
    let tie = |relation: &Value| {
        let end = |field: &'static str| {
            ids.get(&place(&relation[field], field)?).copied().ok_or_else(|| missing(field))
        };
        let (from, to) = (end("from_id")?, end("to_id")?);
        Ok(Tie { from, to, relation: text(&relation["type"], "type")? })
    };
    let ties: Result<Vec<Tie>, LineError> = each(relations).iter().map(tie).collect();
    Ok(Said::Spans(marks, ties?))
}
