//! Records as the programs read them that hold classes, spans of texts, and regions of images.

use insitu_protocol::project::{Class, Project, Task};
use serde_json::{Map, Value as Json, json};

use super::format::{LABEL, class, class_names, kind_of};
use super::record::{By, Given, Record, time};
use super::regions::{in_pixels, regions, sides};
use crate::label::{Label, Region, Relation, Shape, Span, Spans};

/// The classes of the label of record; none without one.
fn chosen<'a>(project: &'a Project, record: &Record) -> Vec<&'a str> {
    record.label.as_ref().map_or_else(Vec::new, |given| class_names(project, &given.label))
}

/// The label, of one that is spans.
pub(super) fn marked(record: &Record) -> Option<&Spans> {
    match &record.label.as_ref()?.label {
        Label::Spans(label) => Some(label),
        Label::Class(_) | Label::Classes(_) | Label::Regions(_) | Label::Segments(_) => None,
    }
}

fn is_regions(record: &Record) -> bool {
    record.label.as_ref().is_some_and(|given| matches!(given.label, Label::Regions(_)))
}

/// Prodigy's `choice` tasks, and those of its `ner_manual`, `rel.manual` and `image_manual`.
pub(super) fn prodigy(project: &Project, record: &Record) -> Json {
    let mut task = json!({
        "answer": if record.label.is_some() { "accept" } else { "ignore" },
        "meta": { "id": record.id, "own_id": record.own_id },
    });
    match &record.medium {
        Some(medium) => {
            task["image"] = json!(medium.path());
            task["width"] = json!(medium.size[0]);
            task["height"] = json!(medium.size[1]);
        }
        None => task["text"] = json!(record.text(project)),
    }
    if let Some(label) = marked(record) {
        let span = |span: &Span| json!({"start": span.start, "end": span.end, "label": class(project, span.class)});
        let spans: Vec<Json> = label.spans().iter().map(span).collect();
        let relation = |found: &Relation| {
            json!({
                "head_span": spans.get(usize::from(found.from)),
                "child_span": spans.get(usize::from(found.to)),
                "label": kind_of(project, found.relation),
            })
        };
        if !label.relations().is_empty() {
            task["relations"] = label.relations().iter().map(relation).collect();
        }
        task["spans"] = Json::Array(spans);
    } else if is_regions(record) {
        let size = record.size();
        let mark = |region: &Region| prodigy_region(project, region, size);
        task["spans"] = regions(record).iter().map(mark).collect();
    } else {
        let option = |class: &Class| json!({"id": class.name, "text": class.name});
        task["options"] = project.classes.iter().map(option).collect();
        task["accept"] = json!(chosen(project, record));
    }
    task
}

fn prodigy_region(project: &Project, region: &Region, size: [u32; 2]) -> Json {
    let label = class(project, region.class);
    match &region.shape {
        Shape::Box { .. } => {
            let [x, y, width, height] = sides(&region.shape, size);
            let (right, lower) = (x + width, y + height);
            json!({
                "label": label, "type": "rect", "x": x, "y": y, "width": width, "height": height,
                "points": [[x, y], [x, lower], [right, lower], [right, y]],
                "center": [x + width / 2.0, y + height / 2.0],
            })
        }
        Shape::Polygon(points) => {
            json!({"label": label, "type": "polygon", "points": in_pixels(points, size)})
        }
    }
}

/// doccano's text classification; its sequence labeling, with relations where the task has them.
pub(super) fn doccano(project: &Project, record: &Record) -> Json {
    let mut line = json!({
        "id": record.id, "own_id": record.own_id, "text": record.text(project),
    });
    let Some(label) = marked(record) else {
        // Without a label a text may have spans that nobody has looked for: then nothing is said.
        if record.label.is_some() || !matches!(project.task, Task::Spans { .. }) {
            line["label"] = json!(chosen(project, record));
        }
        return line;
    };
    let triple = |span: &Span| json!([span.start, span.end, class(project, span.class)]);
    line["label"] = label.spans().iter().map(triple).collect();
    if !label.relations().is_empty() {
        let entity = |(at, span): (usize, &Span)| {
            json!({
                "id": at, "label": class(project, span.class),
                "start_offset": span.start, "end_offset": span.end,
            })
        };
        line["entities"] = label.spans().iter().enumerate().map(entity).collect();
        let relation = |(at, found): (usize, &Relation)| {
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
    match &record.medium {
        Some(medium) => line.insert("source-ref".to_owned(), json!(medium.path())),
        None => line.insert("source".to_owned(), json!(record.text(project))),
    };
    line.insert("id".to_owned(), json!(record.id));
    let Some(given) = &record.label else { return Json::Object(line) };
    let (label, about) = ground_truth_label(project, record, given);
    line.insert(LABEL.to_owned(), label);
    line.insert(format!("{LABEL}-metadata"), about);
    Json::Object(line)
}

/// The label of a line, and what is said about it.
fn ground_truth_label(project: &Project, record: &Record, given: &Given) -> (Json, Json) {
    let model = record.prelabel.as_ref().filter(|_| given.by == By::Model);
    let confidence = model.map_or(1.0, |prelabel| prelabel.confidence());
    let mut about = json!({
        "job-name": format!("labeling-job/{}", project.name),
        "human-annotated": if given.by.is_person() { "yes" } else { "no" },
        "creation-date": given.made_at.map(time),
    });
    let of = if record.medium.is_some() { "image" } else { "text" };
    let map = |classes: &[u16], value: &dyn Fn(u16) -> Json| {
        let entry = |of: &u16| (of.to_string(), value(*of));
        Json::Object(classes.iter().map(entry).collect())
    };
    let name = |of: u16| json!(class(project, of));
    let label = match &given.label {
        Label::Classes(classes) => {
            about["class-map"] = map(classes, &name);
            about["confidence-map"] = map(classes, &|_| json!(confidence));
            about["type"] = json!(format!("groundtruth/{of}-classification-multilabel"));
            json!(classes)
        }
        Label::Regions(found) => {
            let mut classes: Vec<u16> = found.iter().map(|region| region.class).collect();
            classes.dedup();
            about["class-map"] = map(&classes, &name);
            about["objects"] = found.iter().map(|_| json!({"confidence": confidence})).collect();
            about["type"] = json!("groundtruth/object-detection");
            let size = record.size();
            let mark = |region: &Region| {
                let [left, top, width, height] = sides(&region.shape, size);
                json!({
                    "class_id": region.class, "left": left, "top": top, "width": width,
                    "height": height,
                })
            };
            json!({
                "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
                "annotations": found.iter().map(mark).collect::<Vec<_>>(),
            })
        }
        Label::Class(_) | Label::Spans(_) | Label::Segments(_) => {
            about["class-name"] = json!(chosen(project, record).first());
            about["confidence"] = json!(confidence);
            about["type"] = json!(format!("groundtruth/{of}-classification"));
            json!(given.label.class())
        }
    };
    (label, about)
}

/// A data row of Labelbox's export, version 2. The end of a text's entity is its last character there.
pub(super) fn labelbox(project: &Project, record: &Record) -> Json {
    let mut line = json!({
        "data_row": {
            "id": record.id, "global_key": record.id, "external_id": record.own_id,
            "row_data": match &record.medium {
                Some(medium) => medium.path(),
                None => record.text(project),
            },
        },
        "projects": { project.name.as_str(): { "name": project.title, "labels": [] } },
    });
    if let Some(medium) = &record.medium {
        let [width, height] = medium.size;
        line["media_attributes"] = json!({"width": width, "height": height});
    }
    let Some(given) = &record.label else { return line };
    let mut annotations = json!({"objects": [], "classifications": [], "relationships": []});
    match &given.label {
        Label::Spans(label) => {
            let object = |(at, span): (usize, &Span)| {
                json!({
                    "feature_id": format!("{}-{at}", record.id), "name": class(project, span.class),
                    "annotation_kind": "TextEntity",
                    "location": {"start": span.start, "end": span.end - 1},
                })
            };
            annotations["objects"] = label.spans().iter().enumerate().map(object).collect();
            let end = |at: u16| format!("{}-{at}", record.id);
            let relationship = |found: &Relation| {
                json!({
                    "name": kind_of(project, found.relation),
                    "annotation_kind": "UnidirectionalRelationship",
                    "unidirectional_relationship": {
                        "source": end(found.from), "target": end(found.to),
                    },
                })
            };
            annotations["relationships"] = label.relations().iter().map(relationship).collect();
        }
        Label::Regions(found) => {
            let size = record.size();
            let object = |region: &Region| labelbox_region(project, region, size);
            annotations["objects"] = found.iter().map(object).collect();
        }
        Label::Class(_) | Label::Classes(_) | Label::Segments(_) => {
            let answer = |name: &&str| json!({"name": name, "value": name});
            let answers: Vec<Json> = chosen(project, record).iter().map(answer).collect();
            let mut said = json!({"name": LABEL, "value": LABEL});
            match (given.label.class(), answers.first()) {
                (Some(_), Some(answer)) => said["radio_answer"] = answer.clone(),
                _ => said["checklist_answers"] = json!(answers),
            }
            annotations["classifications"] = json!([said]);
        }
    }
    let label = json!({"label_kind": "Default", "version": "1.0.0", "annotations": annotations});
    line["projects"][project.name.as_str()]["labels"] = json!([label]);
    line
}

fn labelbox_region(project: &Project, region: &Region, size: [u32; 2]) -> Json {
    let name = class(project, region.class);
    match &region.shape {
        Shape::Box { .. } => {
            let [left, top, width, height] = sides(&region.shape, size);
            json!({
                "name": name, "annotation_kind": "ImageBoundingBox",
                "bounding_box": {"left": left, "top": top, "width": width, "height": height},
            })
        }
        Shape::Polygon(points) => {
            let points = in_pixels(points, size);
            let point = |[x, y]: &[f64; 2]| json!({"x": x, "y": y});
            json!({
                "name": name, "annotation_kind": "ImagePolygon",
                "polygon": points.iter().map(point).collect::<Vec<_>>(),
            })
        }
    }
}
