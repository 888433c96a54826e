//! Records as the programs read them that hold classes, and spans of texts.

use insitu_protocol::project::{Class, Project};
use serde_json::{Map, Value as Json, json};

use super::format::{LABEL, class, class_names};
use super::label_studio::kind_of;
use super::record::{By, Record, time};
use crate::label::{Label, Spans};

/// The classes of the label of record; none without one.
fn chosen<'a>(project: &'a Project, record: &Record) -> Vec<&'a str> {
    record.label.as_ref().map_or_else(Vec::new, |given| class_names(project, &given.label))
}

fn marked(record: &Record) -> Option<&Spans> {
    match &record.label.as_ref()?.label {
        Label::Spans(label) => Some(label),
        Label::Class(_) | Label::Classes(_) | Label::Regions(_) | Label::Segments(_) => None,
    }
}

/// Prodigy's `choice` tasks, and those of its `ner_manual`.
pub(super) fn prodigy(project: &Project, record: &Record) -> Json {
    let mut task = json!({
        "text": record.text(project),
        "answer": if record.label.is_some() { "accept" } else { "ignore" },
        "meta": { "id": record.id, "own_id": record.own_id },
    });
    if let Some(label) = marked(record) {
        let span = |span: &crate::label::Span| json!({"start": span.start, "end": span.end, "label": class(project, span.class)});
        task["spans"] = label.spans().iter().map(span).collect();
    } else {
        let option = |class: &Class| json!({"id": class.name, "text": class.name});
        task["options"] = project.classes.iter().map(option).collect();
        task["accept"] = json!(chosen(project, record));
    }
    task
}

/// doccano's text classification; its sequence labeling, with relations where the task has them.
pub(super) fn doccano(project: &Project, record: &Record) -> Json {
    let mut line = json!({
        "id": record.id, "own_id": record.own_id, "text": record.text(project),
        "label": chosen(project, record),
    });
    let Some(label) = marked(record) else { return line };
    let triple =
        |span: &crate::label::Span| json!([span.start, span.end, class(project, span.class)]);
    line["label"] = label.spans().iter().map(triple).collect();
    if !label.relations().is_empty() {
        let entity = |(at, span): (usize, &crate::label::Span)| {
            json!({
                "id": at, "label": class(project, span.class),
                "start_offset": span.start, "end_offset": span.end,
            })
        };
        line["entities"] = label.spans().iter().enumerate().map(entity).collect();
        let relation = |(at, found): (usize, &crate::label::Relation)| {
            let kind = kind_of(project, found.relation);
            json!({"id": at, "from_id": found.from, "to_id": found.to, "type": kind})
        };
        line["relations"] = label.relations().iter().enumerate().map(relation).collect();
    }
    line
}

/// A line of an augmented manifest of SageMaker Ground Truth.
pub(super) fn ground_truth(project: &Project, record: &Record) -> Json {
    let mut line = Map::new();
    line.insert("source".to_owned(), json!(record.text(project)));
    line.insert("id".to_owned(), json!(record.id));
    let Some(given) = &record.label else { return Json::Object(line) };
    let model = record.prelabel.as_ref().filter(|_| given.by == By::Model);
    let confidence = model.map_or(1.0, |prelabel| prelabel.confidence());
    let mut about = json!({
        "job-name": format!("labeling-job/{}", project.name),
        "human-annotated": if given.by.is_person() { "yes" } else { "no" },
        "creation-date": given.made_at.map(time),
    });
    if let Label::Classes(classes) = &given.label {
        line.insert(LABEL.to_owned(), json!(classes));
        let map = |value: &dyn Fn(u16) -> Json| {
            let entry = |of: &u16| (of.to_string(), value(*of));
            Json::Object(classes.iter().map(entry).collect())
        };
        about["class-map"] = map(&|of| json!(class(project, of)));
        about["confidence-map"] = map(&|_| json!(confidence));
        about["type"] = json!("groundtruth/text-classification-multilabel");
    } else {
        line.insert(LABEL.to_owned(), json!(given.label.class()));
        about["class-name"] = json!(chosen(project, record).first());
        about["confidence"] = json!(confidence);
        about["type"] = json!("groundtruth/text-classification");
    }
    line.insert(format!("{LABEL}-metadata"), about);
    Json::Object(line)
}
