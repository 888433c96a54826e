//! Label Studio's tasks, and what its results say.

use std::collections::HashMap;
use std::io::BufRead;

use insitu_protocol::project::{Project, Task};
use insitu_protocol::text::Line;
use serde::de::DeserializeSeed as _;
use serde_json::{Map, Value};

use super::guess::Guess;
use super::list::{Elements, Meter};
use super::said::{Mark, Part, Said, Tie};
use super::{
    Ask, Bad, Found, Take, each, missing, names, number, object, pixels, place, points, sides,
};
use crate::label::{Label, Shape};
use crate::source::{ImportError, LineError};

/// Regions that a result may hold and a label cannot.
const OTHER_REGIONS: [(&str, &str); 4] = [
    ("brushlabels", "a brush's mask"),
    ("ellipselabels", "an ellipse"),
    ("keypointlabels", "a key point"),
    ("bitmaplabels", "a bitmap's mask"),
];

/// A label that a result is.
pub(crate) struct Measured {
    pub(crate) label: Label,
    /// Width and height in pixels of the image by which its places are told.
    pub(crate) size: Option<[u32; 2]>,
}

/// Reads a list of tasks, one at a time.
pub(super) fn read(
    ask: &Ask<'_>,
    reader: &mut dyn BufRead,
    take: Take<'_>,
) -> Result<(), ImportError> {
    let (meter, state) = Meter::new(reader);
    let mut element = |line, task: Value| {
        let found = object(task).and_then(|task| record(ask, task));
        take(ask.labeled(line, found))
    };
    let mut json = serde_json::Deserializer::from_reader(meter);
    let elements = Elements { state: &state, take: &mut element };
    let read = elements.deserialize(&mut json).and_then(|()| {
        state.next_element(); // what follows the list is of no task
        json.end()
    });
    match read {
        Ok(()) => Ok(()),
        Err(error) => {
            let line = state.ended(&error)?;
            let reason = match error.io_error_kind() {
                Some(std::io::ErrorKind::FileTooLarge) => LineError::TooLongElement,
                Some(_) | None => LineError::NotAList,
            };
            take(Err(Bad { file: None, line, reason }))
        }
    }
}

/// `{"id", "data": {…}, "annotations": [{"result": […], "was_cancelled", "ground_truth"}]}`. Of the
/// annotations that were not cancelled the first one counts, or the first that is the ground truth; of
/// the `"predictions"` the surest.
fn record(ask: &Ask<'_>, mut task: Map<String, Value>) -> Result<Found, LineError> {
    let Some(Value::Object(data)) = task.remove("data") else {
        return Err(missing("data"));
    };
    let column = &ask.rules.source.id;
    // A task that Label Studio has not numbered yet has the name that its maker gave it.
    let own = task.get("id").and_then(Value::as_u64);
    let named = task.get("meta").and_then(|meta| meta["id"].as_str());
    let record = match (data.get(column).is_none_or(Value::is_null), own, named) {
        (false, ..) => data,
        (true, Some(own), _) => identified(data, column, own),
        (true, None, Some(named)) => {
            let mut data = data;
            data.insert(column.clone(), named.into());
            data
        }
        (true, None, None) => return Err(missing("id")),
    };
    let annotations = task.get("annotations").map(each).unwrap_or_default();
    let given = || annotations.iter().filter(|said| said["was_cancelled"] != true);
    let counts = given().find(|said| said["ground_truth"] == true).or_else(|| given().next());
    let said = match counts {
        Some(counts) => said(ask.project, each(&counts["result"]))?,
        None => None,
    };
    let guess = match ask.drafts {
        Some(_) => guess(ask.project, task.get("predictions").map(each).unwrap_or_default())?,
        None => None,
    };
    Ok(Found { record, said, guess })
}

/// `[{"result": [{…, "score"}], "score", "model_version"}]`: the surest of them, else the first.
fn guess(project: &Project, predictions: &[Value]) -> Result<Option<Guess>, LineError> {
    let score = |prediction: &Value| prediction["score"].as_f64();
    let surest = predictions.iter().reduce(|best, next| {
        let surer = score(next).unwrap_or(-1.0) > score(best).unwrap_or(-1.0);
        if surer { next } else { best }
    });
    let Some(surest) = surest else { return Ok(None) };
    let result = each(&surest["result"]);
    let Some(said) = said(project, result)? else { return Ok(None) };
    // A part may be of several classes, each of which is a mark.
    let kinds = ["labels", "rectanglelabels", "polygonlabels", "timeserieslabels"];
    let mut scores = Vec::new();
    for part in result {
        let kind = part["type"].as_str().filter(|kind| kinds.contains(kind));
        let Some(kind) = kind else { continue };
        let score = super::guess::number(&part["score"])?;
        scores.extend(each(&part["value"][kind]).iter().map(|_| score));
    }
    let score = super::guess::number(&surest["score"])?;
    let model = surest["model_version"].as_str().map(str::to_owned);
    Ok(Some(Guess { said, scores, score, model }))
}

/// A task's data, with the column that identifies items: without one, a task is known by its number.
pub(crate) fn identified(
    mut data: Map<String, Value>,
    column: &str,
    task: u64,
) -> Map<String, Value> {
    if data.get(column).is_none_or(Value::is_null) {
        data.insert(column.to_owned(), format!("label-studio-{task}").into());
    }
    data
}

/// The label that a result is; `None` where it chooses none of the classes. What controls say that the
/// task has nothing to do with is passed over.
///
/// # Errors
/// [`LineError`], which quotes nothing.
pub(crate) fn label(project: &Project, result: &[Value]) -> Result<Option<Measured>, LineError> {
    let Some(said) = said(project, result)? else { return Ok(None) };
    let size = said.size();
    Ok(said.label(project)?.map(|label| Measured { label, size }))
}

fn said(project: &Project, result: &[Value]) -> Result<Option<Said>, LineError> {
    match &project.task {
        Task::Class => choices(result),
        Task::Classes => Ok(Some(choices(result)?.unwrap_or_else(|| Said::Classes(Vec::new())))),
        Task::Preference { .. } => match of_type(result, "pairwise").next() {
            Some(part) => preferred(project, &part["value"]["selected"]).map(Some),
            None => choices(result),
        },
        Task::Spans { relations, .. } => {
            let names: Vec<&str> = relations.iter().map(Line::as_str).collect();
            spans(result, &names).map(Some)
        }
        Task::Regions { .. } => regions(result).map(Some),
        Task::Segments { .. } => segments(result).map(Some),
    }
}

fn of_type<'a>(result: &'a [Value], kind: &'static str) -> impl Iterator<Item = &'a Value> {
    result.iter().filter(move |part| part["type"] == kind)
}

/// What is chosen; several controls of choices say nothing that could be told apart.
fn choices(result: &[Value]) -> Result<Option<Said>, LineError> {
    let mut chosen = of_type(result, "choices");
    match (chosen.next(), chosen.next()) {
        (None, _) => Ok(None),
        (Some(part), None) => {
            names(&part["value"]["choices"], "choices").map(|names| Some(Said::Classes(names)))
        }
        (Some(_), Some(_)) => Err(LineError::SeveralClasses { field: "choices".to_owned() }),
    }
}

/// The class that is the left or the right one.
fn preferred(project: &Project, selected: &Value) -> Result<Said, LineError> {
    let at = match selected.as_str() {
        Some("left") => 0,
        Some("right") => 1,
        Some(_) | None => return Err(missing("selected")),
    };
    let class = project.classes.get(at).ok_or_else(|| missing("selected"))?;
    Ok(Said::Classes(vec![class.name.to_string()]))
}

/// Spans, and the relations between them where the task has `kinds` of these; where it has one, a
/// relation needs no name.
fn spans(result: &[Value], kinds: &[&str]) -> Result<Said, LineError> {
    let (mut marks, mut ties) = (Vec::new(), Vec::new());
    let mut ids: HashMap<&str, usize> = HashMap::new();
    for part in of_type(result, "labels") {
        let value = &part["value"];
        let (start, end) = (place(&value["start"], "start")?, place(&value["end"], "end")?);
        if let Some(id) = part["id"].as_str() {
            ids.insert(id, marks.len());
        }
        for class in names(&value["labels"], "labels")? {
            marks.push(Mark { start, end, class });
        }
    }
    for part in of_type(result, "relation").filter(|_| !kinds.is_empty()) {
        let end = |field: &'static str| {
            let id = part[field].as_str().ok_or_else(|| missing(field))?;
            ids.get(id).copied().ok_or_else(|| missing(field))
        };
        let (from, to) = (end("from_id")?, end("to_id")?);
        let (from, to) = if part["direction"] == "left" { (to, from) } else { (from, to) };
        let given = each(&part["labels"]);
        let relations = match kinds {
            [only] if given.is_empty() => vec![(*only).to_owned()],
            _ => names(&part["labels"], "labels")?,
        };
        for relation in relations {
            ties.push(Tie { from, to, relation: relation.clone() });
            if part["direction"] == "bi" {
                ties.push(Tie { from: to, to: from, relation });
            }
        }
    }
    Ok(Said::Spans(marks, ties))
}

fn regions(result: &[Value]) -> Result<Said, LineError> {
    let (mut shapes, mut size) = (Vec::new(), None);
    for part in result {
        let kind = part["type"].as_str().unwrap_or_default();
        if let Some((_, what)) = OTHER_REGIONS.iter().find(|(name, _)| *name == kind) {
            return Err(LineError::Unsupported { what });
        }
        let value = &part["value"];
        let (shape, labels) = match kind {
            "rectanglelabels" => (rectangle(value)?, &value["rectanglelabels"]),
            "polygonlabels" => (Shape::Polygon(points(&value["points"])?), &value["polygonlabels"]),
            _ => continue,
        };
        if part["image_rotation"].as_f64().is_some_and(|degrees| degrees.abs() > 0.0) {
            return Err(LineError::Unsupported { what: "a mark on an image that was rotated" });
        }
        if !part["original_width"].is_null() {
            let width = pixels(&part["original_width"], "original_width")?;
            size = Some([width, pixels(&part["original_height"], "original_height")?]);
        }
        for class in names(labels, "labels")? {
            shapes.push((class, shape.clone()));
        }
    }
    Ok(Said::Regions(shapes, size))
}

fn rectangle(value: &Value) -> Result<Shape, LineError> {
    if value["rotation"].as_f64().is_some_and(|degrees| degrees.abs() > 0.0) {
        return Err(LineError::Unsupported { what: "a box that is rotated" });
    }
    let [x, y, width, height] = sides(value, ["x", "y", "width", "height"])?;
    Ok(Shape::Box { x, y, width, height })
}

fn segments(result: &[Value]) -> Result<Said, LineError> {
    let mut parts = Vec::new();
    for part in of_type(result, "timeserieslabels") {
        let value = &part["value"];
        let (start, end) = (number(&value["start"], "start")?, number(&value["end"], "end")?);
        let channel = &value["channel"];
        let number = channel.as_u64().and_then(|channel| u16::try_from(channel).ok());
        if number.is_none() && !channel.is_null() {
            return Err(missing("channel"));
        }
        for class in names(&value["timeserieslabels"], "timeserieslabels")? {
            parts.push(Part { class, start, end, channel: number });
        }
    }
    Ok(Said::Segments(parts))
}
