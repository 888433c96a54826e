//! Prodigy's tasks: `choice`, `textcat`, `ner_manual`, `rel.manual` and `image_manual`.

use insitu_protocol::project::{FieldKind, Task};
use serde_json::{Map, Value};

use super::guess::{Guess, number};
use super::said::{Mark, Said, Tie, box_of_pixels, polygon_of_pixels};
use super::{
    Ask, Content, Found, each, mark, missing, names, pixels, points, sides, take_text, text,
};
use crate::label::Shape;
use crate::source::LineError;

/// `{"text" or "image", "answer": "accept", "meta": {…}}` with `"accept"` or `"label"`, or with
/// `"spans"` and `"relations"`. What was rejected or ignored has no label; what nobody has answered
/// yet has a draft.
pub(super) fn record(
    ask: &Ask<'_>,
    content: &Content<'_>,
    mut task: Map<String, Value>,
) -> Result<Found, LineError> {
    let accepted = task.get("answer").and_then(Value::as_str) == Some("accept");
    let drafted = ask.drafts.is_some() && !task.contains_key("answer");
    let guess = if drafted { guess(ask, &task)? } else { None };
    let said = if accepted { said(ask, &task)? } else { None };
    let value = match content.kind {
        FieldKind::Image | FieldKind::Series => take_text(&mut task, "image")?,
        FieldKind::Number | FieldKind::Category | FieldKind::Text => take_text(&mut task, "text")?,
    };
    if content.kind == FieldKind::Image && value.starts_with("data:") {
        return Err(LineError::Unsupported { what: "an image inside the record" });
    }
    let mut record = match task.remove("meta") {
        Some(Value::Object(meta)) => meta,
        Some(_) | None => Map::new(),
    };
    content.put(&mut record, ask, value, None);
    Ok(Found { record, said, guess })
}

/// What a task says that nobody has answered; `"score"` or `"meta": {"score"}` is of the whole.
fn guess(ask: &Ask<'_>, task: &Map<String, Value>) -> Result<Option<Guess>, LineError> {
    let Some(said) = said(ask, task)? else { return Ok(None) };
    let marks = task.get("spans").map(each).unwrap_or_default();
    let scores = marks.iter().map(|mark| number(&mark["score"]));
    let score = task.get("score").or_else(|| task.get("meta")?.get("score"));
    Ok(Some(Guess {
        said,
        scores: scores.collect::<Result<_, _>>()?,
        score: score.map_or(Ok(None), number)?,
        model: None,
    }))
}

fn said(ask: &Ask<'_>, task: &Map<String, Value>) -> Result<Option<Said>, LineError> {
    let of = |field: &str| task.get(field).unwrap_or(&Value::Null);
    match &ask.project.task {
        Task::Spans { .. } => spans(each(of("spans")), each(of("relations"))).map(Some),
        Task::Regions { .. } => {
            let marks = each(of("spans"));
            if marks.is_empty() {
                return Ok(Some(Said::Regions(Vec::new(), None)));
            }
            let size = [pixels(of("width"), "width")?, pixels(of("height"), "height")?];
            let shape = |mark: &Value| Ok((text(&mark["label"], "label")?, shape(mark, size)?));
            let shapes: Result<Vec<_>, LineError> = marks.iter().map(shape).collect();
            Ok(Some(Said::Regions(shapes?, Some(size))))
        }
        Task::Class | Task::Classes | Task::Preference { .. } | Task::Segments { .. } => {
            match (task.get("accept"), task.get("label")) {
                (Some(accept), _) => {
                    names(accept, "accept").map(|names| Some(Said::Classes(names)))
                }
                (None, Some(label)) => {
                    names(label, "label").map(|names| Some(Said::Classes(names)))
                }
                (None, None) => Ok(None),
            }
        }
    }
}

fn spans(marks: &[Value], relations: &[Value]) -> Result<Said, LineError> {
    let marks: Result<Vec<Mark>, LineError> = marks.iter().map(mark).collect();
    let marks = marks?;
    let tie = |relation: &Value| {
        let end = |field: &'static str| {
            let wanted = mark(&relation[field])?;
            marks.iter().position(|mark| *mark == wanted).ok_or_else(|| missing(field))
        };
        let (from, to) = (end("head_span")?, end("child_span")?);
        Ok(Tie { from, to, relation: text(&relation["label"], "label")? })
    };
    let ties = relations.iter().map(tie).collect::<Result<Vec<Tie>, LineError>>()?;
    Ok(Said::Spans(marks, ties))
}

fn shape(mark: &Value, size: [u32; 2]) -> Result<Shape, LineError> {
    match mark["type"].as_str() {
        Some("rect") | None if !mark["width"].is_null() => {
            Ok(box_of_pixels(sides(mark, ["x", "y", "width", "height"])?, size))
        }
        Some("rect") | None => Err(missing("width")),
        Some("polygon") => Ok(polygon_of_pixels(&points(&mark["points"])?, size)),
        Some(_) => Err(LineError::Unsupported { what: "a shape that is neither rect nor polygon" }),
    }
}
