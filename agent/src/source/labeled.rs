//! Files of other labeling tools: texts with the class that somebody gave each.
//!
//! A record becomes an object with the columns that the site's `[[project]]` names, as a line of
//! JSON lines, and the name of its class beside it. Names of files inside are only values of
//! columns: nothing is ever opened that a record names.

use std::io::{BufRead, Read as _};

use insitu_protocol::project::{FieldKind, Project};
use serde_json::{Map, Value};

use super::{ImportError, LineError, next_line, trimmed};

/// Longest file that is one list of tasks, in bytes: it is read whole.
pub const LIST_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Hexadecimal digits of a hash that names a text without an id.
const HASH_DIGITS: usize = 32;

/// A format of labeled texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A list of tasks with annotations, as Label Studio exports it; lines count tasks.
    LabelStudio,
    /// Prodigy's `choice` tasks, a line each.
    Prodigy,
    /// doccano's text classification, a line each.
    Doccano,
    /// An augmented manifest of SageMaker Ground Truth, a line each.
    GroundTruth,
}

/// A record, and what its file says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Labeled {
    /// Its line, from 1.
    pub line: u64,
    /// Its columns.
    pub record: Map<String, Value>,
    /// The name of its class, if it has one.
    pub label: Option<String>,
}

/// Reads a file, and gives each record to `take`; of one that is not usable, its line and why. The
/// text goes to the project's text field, and what identifies a record to the column `id`.
///
/// # Errors
/// [`ImportError::Read`]; [`ImportError::NoTextField`] when the project has not one text field; what
/// `take` returns.
pub fn read<E: From<ImportError>>(
    format: Format,
    project: &Project,
    id: &str,
    mut reader: impl BufRead,
    take: &mut impl FnMut(Result<Labeled, (u64, LineError)>) -> Result<(), E>,
) -> Result<(), E> {
    let shape = Shape { format, text: text_field(project)?, id };
    if format == Format::LabelStudio {
        let mut text = Vec::new();
        reader.take(LIST_BYTES_MAX + 1).read_to_end(&mut text).map_err(ImportError::Read)?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > LIST_BYTES_MAX {
            return take(Err((1, LineError::TooLong)));
        }
        let tasks: Vec<Value> = match serde_json::from_slice(&text) {
            Ok(tasks) => tasks,
            Err(error) => {
                let line = u64::try_from(error.line()).unwrap_or(1);
                return take(Err((line, LineError::NotAList)));
            }
        };
        for (line, task) in (1..).zip(tasks) {
            take(shape.labeled(line, task))?;
        }
        return Ok(());
    }
    let (mut text, mut line) = (Vec::new(), 0);
    while let Some(fits) = next_line(&mut reader, &mut text).map_err(ImportError::Read)? {
        line += 1;
        if fits && text.trim_ascii().is_empty() {
            continue;
        }
        let value = match fits {
            true => serde_json::from_slice(trimmed(&text)).map_err(|_| LineError::NotAnObject),
            false => Err(LineError::TooLong),
        };
        take(value.map_err(|error| (line, error)).and_then(|value| shape.labeled(line, value)))?;
    }
    Ok(())
}

fn text_field(project: &Project) -> Result<&str, ImportError> {
    let mut texts = project.fields.iter().filter(|field| field.kind == FieldKind::Text);
    match (texts.next(), texts.next()) {
        (Some(field), None) => Ok(field.name.as_str()),
        _ => Err(ImportError::NoTextField),
    }
}

/// Where things go.
struct Shape<'a> {
    format: Format,
    text: &'a str,
    id: &'a str,
}

impl Shape<'_> {
    fn labeled(&self, line: u64, value: Value) -> Result<Labeled, (u64, LineError)> {
        let Value::Object(object) = value else { return Err((line, LineError::NotAnObject)) };
        let read = match self.format {
            Format::LabelStudio => self.label_studio(object),
            Format::Prodigy => self.prodigy(object),
            Format::Doccano => self.doccano(object),
            Format::GroundTruth => self.ground_truth(object),
        };
        let (record, label) = read.map_err(|error| (line, error))?;
        Ok(Labeled { line, record, label })
    }

    /// `{"id", "data": {…}, "annotations": [{"result": […], "was_cancelled"}]}`: the first annotation
    /// that was not cancelled counts.
    fn label_studio(&self, mut task: Map<String, Value>) -> Read {
        let Some(Value::Object(mut record)) = task.remove("data") else {
            return Err(missing("data"));
        };
        if record.get(self.id).is_none_or(Value::is_null) {
            let own = task.get("id").filter(|id| id.is_u64()).ok_or_else(|| missing("id"))?;
            record.insert(self.id.to_owned(), format!("label-studio-{own}").into());
        }
        let annotations = task.get("annotations").and_then(Value::as_array);
        let said = annotations.into_iter().flatten().find(|said| said["was_cancelled"] != true);
        let Some(said) = said else { return Ok((record, None)) };
        let parts = said["result"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut chosen = parts.iter().filter(|part| part["type"] == "choices");
        let label = match (chosen.next(), chosen.next()) {
            (None, _) => None,
            (Some(part), None) => Some(one(&part["value"]["choices"], "choices")?),
            (Some(_), Some(_)) => return Err(several("choices")),
        };
        Ok((record, label))
    }

    /// `{"text", "accept": ["class"], "answer": "accept", "meta": {…}}`. What was rejected or ignored
    /// has no label.
    fn prodigy(&self, mut task: Map<String, Value>) -> Read {
        let label = match task.get("answer").and_then(Value::as_str) {
            Some("accept") => match task.get("accept") {
                Some(accept) if accept != &Value::Array(Vec::new()) => Some(one(accept, "accept")?),
                Some(_) => None,
                None => task.get("label").map(|label| one(label, "label")).transpose()?,
            },
            Some(_) | None => None,
        };
        let text = take_text(&mut task, "text")?;
        let mut record = match task.remove("meta") {
            Some(Value::Object(meta)) => meta,
            Some(_) | None => Map::new(),
        };
        self.complete(&mut record, text, None);
        Ok((record, label))
    }

    /// `{"id", "text", "label": ["class"]}`.
    fn doccano(&self, mut document: Map<String, Value>) -> Read {
        let text = take_text(&mut document, "text")?;
        let label = match document.remove("label") {
            None | Some(Value::Null) => None,
            Some(Value::Array(none)) if none.is_empty() => None,
            Some(label) => Some(one(&label, "label")?),
        };
        let own = document.get("id").cloned();
        self.complete(&mut document, text, own);
        Ok((document, label))
    }

    /// `{"source", "NAME": 1, "NAME-metadata": {"class-name", "type": "groundtruth/text-classification"}}`.
    fn ground_truth(&self, mut line: Map<String, Value>) -> Read {
        let text = take_text(&mut line, "source")?;
        let is_class = |about: &&Value| about["type"] == "groundtruth/text-classification";
        let mut about = line
            .iter()
            .filter_map(|(name, value)| name.ends_with("-metadata").then_some(value))
            .filter(is_class);
        let label = match (about.next(), about.next()) {
            (None, _) => None,
            (Some(about), None) => Some(one(&about["class-name"], "class-name")?),
            (Some(_), Some(_)) => return Err(several("class-name")),
        };
        line.retain(|_, value| !value.is_object() && !value.is_array());
        let own = line.get("id").cloned();
        self.complete(&mut line, text, own);
        Ok((line, label))
    }

    /// Puts the text where it belongs, and an id where there is none: the tool's own, or a hash of
    /// the text, so that the same text is the same item.
    fn complete(&self, record: &mut Map<String, Value>, text: String, own: Option<Value>) {
        if record.get(self.id).is_none_or(Value::is_null) {
            let hash =
                || format!("text-{}", &blake3::hash(text.as_bytes()).to_hex()[..HASH_DIGITS]);
            let id = own.filter(|own| !own.is_null()).unwrap_or_else(|| hash().into());
            record.insert(self.id.to_owned(), id);
        }
        record.insert(self.text.to_owned(), text.into());
    }
}

/// A record and the name of its class.
type Read = Result<(Map<String, Value>, Option<String>), LineError>;

fn take_text(object: &mut Map<String, Value>, field: &str) -> Result<String, LineError> {
    match object.remove(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) | None => Err(missing(field)),
    }
}

/// The one name that a value is, or a list of one holds.
fn one(value: &Value, field: &str) -> Result<String, LineError> {
    match value {
        Value::String(name) => Ok(name.clone()),
        Value::Array(names) => match names.as_slice() {
            [Value::String(name)] => Ok(name.clone()),
            [_, _, ..] => Err(several(field)),
            [_] | [] => Err(missing(field)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(missing(field)),
    }
}

fn missing(field: &str) -> LineError {
    LineError::Missing { field: field.to_owned() }
}

fn several(field: &str) -> LineError {
    LineError::SeveralClasses { field: field.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    /// Id, text and class of a record, or its line and what is wrong.
    type Found = Result<(String, String, Option<String>), String>;

    fn run(format: Format, text: &str) -> Vec<Found> {
        let mut all = Vec::new();
        read(format, &testing::project(), "key", text.as_bytes(), &mut |record| {
            all.push(match record {
                Ok(Labeled { record, label, .. }) => {
                    let shown = |name: &str| {
                        let value = &record[name];
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                    };
                    Ok((shown("key"), shown("note"), label))
                }
                Err((line, error)) => Err(format!("{line}: {error}")),
            });
            Ok::<_, ImportError>(())
        })
        .unwrap();
        all
    }

    fn record(id: &str, text: &str, label: Option<&str>) -> Found {
        Ok((id.to_owned(), text.to_owned(), label.map(str::to_owned)))
    }

    #[test]
    fn each_format_gives_its_texts_and_classes() {
        let choices = |names: Value| json!([{"type": "choices", "value": {"choices": names}}]);
        let tasks = json!([
            {"id": 7, "data": {"note": "a"}, "annotations": [
                {"result": [], "was_cancelled": true}, {"result": choices(json!(["absent"]))}]},
            {"id": 8, "data": {"key": "own", "note": "b"}},
            {"id": 9, "data": {"note": "c"}, "annotations": [{"result": choices(json!(["a", "b"]))}]},
            {"id": 10},
            7,
        ]);
        assert_eq!(
            run(Format::LabelStudio, &tasks.to_string()),
            [
                record("label-studio-7", "a", Some("absent")),
                record("own", "b", None),
                Err("3: \"choices\" names several classes where an item has one".to_owned()),
                Err("4: there is no usable \"data\"".to_owned()),
                Err("5: not a JSON object".to_owned()),
            ]
        );
        assert_eq!(run(Format::LabelStudio, "[\n{]"), [Err("2: not a list of tasks".to_owned())]);
        assert_eq!(
            run(
                Format::Doccano,
                "{\"id\": 1, \"text\": \"a\", \"label\": [\"absent\"]}\n\n{\"id\": 2, \"text\": \"b\", \"label\": []}\n{\"id\": 3}\n",
            ),
            [
                record("1", "a", Some("absent")),
                record("2", "b", None),
                Err("4: there is no usable \"text\"".to_owned()),
            ]
        );
        let hash = format!("text-{}", &blake3::hash(b"a").to_hex()[..32]);
        assert_eq!(
            run(
                Format::Prodigy,
                "{\"text\": \"a\", \"accept\": [\"absent\"], \"answer\": \"accept\"}\n{\"text\": \"a\", \"label\": \"absent\", \"answer\": \"reject\", \"meta\": {\"key\": \"k\"}}\n",
            ),
            [record(&hash, "a", Some("absent")), record("k", "a", None)]
        );
        assert_eq!(
            run(
                Format::GroundTruth,
                "{\"source\": \"a\", \"x\": 1, \"x-metadata\": {\"class-name\": \"absent\", \"type\": \"groundtruth/text-classification\"}}\n",
            ),
            [record(&hash, "a", Some("absent"))]
        );
    }

    #[test]
    fn a_path_in_a_record_is_only_a_value() {
        let line =
            "{\"id\": \"../../etc/passwd\", \"text\": \"<script>\", \"label\": \"absent\"}\n";
        assert_eq!(
            run(Format::Doccano, line),
            [record("../../etc/passwd", "<script>", Some("absent"))]
        );
    }
}
