//! spaCy's JSON: a line for each document as `Doc.to_json` gives it, or `["text", {"entities": [[start,
//! end, "class"]], "cats": {…}}]`.

use insitu_protocol::project::Task;
use serde_json::{Map, Value};

use super::said::{Mark, Said};
use super::{Ask, Content, Found, each, mark, missing, take_text, triple};
use crate::source::LineError;

/// The group of spans in which spaCy keeps those that overlap, unless there is only one of another
/// name.
const GROUP: &str = "sc";
/// From which value on a document is of a category.
const HOLDS: f64 = 0.5;

pub(super) fn record(
    ask: &Ask<'_>,
    content: &Content<'_>,
    line: Value,
) -> Result<Found, LineError> {
    let (value, about, mut record) = match line {
        Value::Array(pair) => {
            let [Value::String(value), about @ Value::Object(_)] = pair.as_slice() else {
                return Err(missing("entities"));
            };
            (value.clone(), about.clone(), Map::new())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(LineError::NotAnObject);
        }
        Value::Object(mut document) => {
            let value = take_text(&mut document, "text")?;
            let mut record = match document.remove("_") {
                Some(Value::Object(own)) => own,
                Some(_) | None => Map::new(),
            };
            record.retain(|_, value| !value.is_object() && !value.is_array());
            (value, Value::Object(document), record)
        }
    };
    let said = match &ask.project.task {
        Task::Spans { .. } => {
            match ["ents", "spans", "entities"].iter().all(|key| about[key].is_null()) {
                true => None,
                false => Some(spans(&about)?),
            }
        }
        Task::Class | Task::Classes | Task::Preference { .. } => cats(&about["cats"])?,
        Task::Regions { .. } | Task::Segments { .. } => None,
    };
    content.put(&mut record, ask, value, None);
    Ok(Found { record, said, guess: None })
}

fn spans(about: &Value) -> Result<Said, LineError> {
    let listed = |value: &Value| triple(value, "entities");
    let groups = about["spans"].as_object();
    let grouped = match groups.map(|groups| (groups.get(GROUP), groups.len())) {
        None | Some((_, 0)) => &Value::Null,
        Some((Some(group), _)) => group,
        Some((None, 1)) => groups.and_then(|groups| groups.values().next()).unwrap_or(&Value::Null),
        // Which of them are the labels nobody says, and none of them would be a label, too.
        Some((None, _)) => return Err(missing("spans.sc")),
    };
    let ents = each(&about["ents"]).iter().chain(each(grouped)).map(mark);
    let marks: Result<Vec<Mark>, LineError> =
        ents.chain(each(&about["entities"]).iter().map(listed)).collect();
    Ok(Said::Spans(marks?, Vec::new()))
}

fn cats(cats: &Value) -> Result<Option<Said>, LineError> {
    let Some(cats) = cats.as_object().filter(|cats| !cats.is_empty()) else { return Ok(None) };
    let mut names = Vec::new();
    for (name, value) in cats {
        let value = match value.as_bool() {
            Some(holds) => f64::from(u8::from(holds)),
            None => value.as_f64().ok_or_else(|| missing("cats"))?,
        };
        if value >= HOLDS {
            names.push(name.clone());
        }
    }
    Ok(Some(Said::Classes(names)))
}
