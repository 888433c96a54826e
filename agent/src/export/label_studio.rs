//! Tasks as Label Studio exports them, which it also imports, and the label config they need.

use insitu_protocol::project::{Project, ShapeKind, Task};
use serde_json::{Value as Json, json};

use super::columns::fields;
use super::format::{LABEL, class, class_names, kind_of};
use super::media::{self, Kept, Medium};
use super::record::{People, Record, time};
use super::regions::escaped;
use crate::label::{Label, Region, Segment, Shape, Spans};

/// The name under which tasks hold what is labeled.
const SHOWN: &str = "shown";
/// The name of the control for polygons, which is another than that for boxes.
const POLYGON: &str = "polygon";

/// What a label config calls what a result names.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    /// The control that labels.
    pub(crate) labels: &'a str,
    /// The control that draws polygons.
    pub(crate) polygons: &'a str,
    /// What is labeled.
    pub(crate) shown: &'a str,
}

const NAMES: Names<'static> = Names { labels: LABEL, polygons: POLYGON, shown: SHOWN };

/// What is labeled, as far as a result tells of it: the text of spans, the width and height in pixels
/// of the image of regions.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shown<'a> {
    pub(crate) text: &'a str,
    pub(crate) size: Option<[u32; 2]>,
}

/// A record as a task.
pub(super) fn task(project: &Project, record: &Record, people: &People) -> Json {
    let mut data = fields(record);
    if let (Some(medium), Some((field, _))) = (&record.medium, media::field(project)) {
        data.insert(field.to_owned(), json!(medium.path()));
    }
    data.insert(SHOWN.to_owned(), json!(shown(project, record)));
    let decided = record.label.as_ref().and_then(|label| label.made_at);
    let annotations: Vec<Json> = record
        .past
        .iter()
        .map(|past| {
            let result = past.label().map(|label| said(project, record, label));
            json!({
                "result": result.unwrap_or_default(),
                // Neither a skip nor a flag says what the label is.
                "was_cancelled": past.label().is_none(),
                "ground_truth": past.label().is_some() && Some(past.made_at) == decided,
                "lead_time": past.seconds, "created_at": time(past.made_at),
                "created_username": people.name(past.person),
            })
        })
        .collect();
    let predictions: Vec<Json> = record
        .prelabel
        .iter()
        .map(|prelabel| {
            json!({
                "model_version": record.model.clone().unwrap_or_else(|| prelabel.bundle().to_hex()),
                "score": prelabel.confidence(),
                "result": said(project, record, prelabel.label()),
            })
        })
        .collect();
    json!({
        "data": data, "annotations": annotations, "predictions": predictions,
        "meta": { "id": record.id, "own_id": record.own_id },
    })
}

/// What the label is about: a text, or the file of what is none.
fn shown(project: &Project, record: &Record) -> String {
    record.medium.as_ref().map_or_else(|| record.text(project), Medium::path)
}

fn said(project: &Project, record: &Record, label: &Label) -> Vec<Json> {
    let text = record.text(project);
    let size = record.medium.as_ref().map(|medium| medium.size);
    result(project, NAMES, Shown { text: &text, size }, label)
}

/// A label as a result: a list of parts.
pub(crate) fn result(
    project: &Project,
    names: Names<'_>,
    shown: Shown<'_>,
    label: &Label,
) -> Vec<Json> {
    match label {
        Label::Class(_) | Label::Classes(_) => {
            let chosen = class_names(project, label);
            let value = json!({ "choices": chosen });
            // Nothing chosen is nothing said there.
            if chosen.is_empty() { Vec::new() } else { vec![part(names, "choices", &value)] }
        }
        Label::Spans(label) => spans(project, names, shown.text, label),
        Label::Regions(regions) => {
            regions.iter().map(|found| region(project, names, shown.size, found)).collect()
        }
        Label::Segments(segments) => {
            segments.iter().map(|found| segment(project, names, found)).collect()
        }
    }
}

fn part(names: Names<'_>, kind: &str, value: &Json) -> Json {
    let Names { labels, shown, .. } = names;
    json!({ "from_name": labels, "to_name": shown, "type": kind, "value": value })
}

fn spans(project: &Project, names: Names<'_>, text: &str, label: &Spans) -> Vec<Json> {
    let id = |at: usize| format!("span-{at}");
    let mut parts = Vec::with_capacity(label.spans().len() + label.relations().len());
    for (at, span) in label.spans().iter().enumerate() {
        let (start, length) = (span.start as usize, (span.end - span.start) as usize);
        let covered: String = text.chars().skip(start).take(length).collect();
        let labels = [class(project, span.class)];
        let value =
            json!({ "start": span.start, "end": span.end, "text": covered, "labels": labels });
        let mut part = part(names, "labels", &value);
        part["id"] = json!(id(at));
        parts.push(part);
    }
    for relation in label.relations() {
        parts.push(json!({
            "type": "relation", "direction": "right", "from_id": id(usize::from(relation.from)),
            "to_id": id(usize::from(relation.to)), "labels": [kind_of(project, relation.relation)],
        }));
    }
    parts
}

fn region(project: &Project, names: Names<'_>, size: Option<[u32; 2]>, found: &Region) -> Json {
    let labels = [class(project, found.class)];
    let mut part = match &found.shape {
        Shape::Box { x, y, width, height } => {
            let value = json!({
                "x": x, "y": y, "width": width, "height": height, "rotation": 0,
                "rectanglelabels": labels,
            });
            part(names, "rectanglelabels", &value)
        }
        Shape::Polygon(points) => {
            let value = json!({ "points": points, "closed": true, "polygonlabels": labels });
            part(Names { labels: names.polygons, ..names }, "polygonlabels", &value)
        }
    };
    if let Some([width, height]) = size {
        part["original_width"] = json!(width);
        part["original_height"] = json!(height);
        part["image_rotation"] = json!(0);
    }
    part
}

fn segment(project: &Project, names: Names<'_>, found: &Segment) -> Json {
    let Segment { start, end, channel, .. } = found;
    let labels = [class(project, found.class)];
    let mut value = json!({
        "start": start, "end": end, "instant": end <= start, "timeserieslabels": labels,
    });
    if let Some(channel) = channel {
        value["channel"] = json!(channel);
    }
    part(names, "timeserieslabels", &value)
}

/// How Label Studio shows and labels the tasks.
pub(super) fn config(project: &Project) -> String {
    let image = format!("  <Image name=\"{SHOWN}\" value=\"${SHOWN}\"/>\n");
    let series = format!(
        "  <TimeSeries name=\"{SHOWN}\" valueType=\"url\" value=\"${SHOWN}\" sep=\",\"/>\n"
    );
    let text = match media::kept(project) {
        Some(Kept::Image) => image,
        Some(Kept::Series) => series,
        None => format!("  <Text name=\"{SHOWN}\" value=\"${SHOWN}\"/>\n"),
    };
    let choices = |several: bool| {
        let (choice, required) = if several { ("multiple", "false") } else { ("single", "true") };
        let attributes = format!("choice=\"{choice}\" required=\"{required}\"");
        text.clone() + &control(project, "Choices", "Choice", LABEL, &attributes)
    };
    let parts = match &project.task {
        Task::Class | Task::Preference { .. } => choices(false),
        Task::Classes => choices(true),
        Task::Spans { relations, .. } => {
            let kinds: String = relations
                .iter()
                .map(|name| format!("    <Relation value=\"{}\"/>\n", xml(name.as_str())))
                .collect();
            let relations = if kinds.is_empty() {
                String::new()
            } else {
                format!("  <Relations>\n{kinds}  </Relations>\n")
            };
            control(project, "Labels", "Label", LABEL, "") + &text + &relations
        }
        Task::Regions { shapes, .. } => {
            let controls = shapes.iter().map(|shape| match shape {
                ShapeKind::Box => control(project, "RectangleLabels", "Label", LABEL, ""),
                ShapeKind::Polygon => control(project, "PolygonLabels", "Label", POLYGON, ""),
            });
            text + &controls.collect::<String>()
        }
        Task::Segments { .. } => control(project, "TimeSeriesLabels", "Label", LABEL, "") + &text,
    };
    format!("<View>\n{parts}</View>\n")
}

fn control(project: &Project, tag: &str, entry: &str, name: &str, attributes: &str) -> String {
    let entries: String = project
        .classes
        .iter()
        .map(|class| {
            let (value, hint) = (xml(class.name.as_str()), xml(class.description.as_str()));
            let colour = class.colour.map(|colour| format!(" background=\"{colour}\""));
            format!(
                "    <{entry} value=\"{value}\" hint=\"{hint}\"{}/>\n",
                colour.unwrap_or_default()
            )
        })
        .collect();
    let attributes = if attributes.is_empty() { String::new() } else { format!(" {attributes}") };
    format!("  <{tag} name=\"{name}\" toName=\"{SHOWN}\"{attributes}>\n{entries}  </{tag}>\n")
}

/// Text inside an attribute.
fn xml(text: &str) -> String {
    escaped(text).replace('"', "&quot;")
}
