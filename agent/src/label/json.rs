//! Labels as JSON: in the local API, in exports and in imports. The task decides the form.

use insitu_protocol::project::{Task, TaskForm};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Label, LabelError, Region, Relation, Segment, Shape, Span};

impl Label {
    /// The label as JSON.
    ///
    /// ```
    /// use insitu_agent::label::Label;
    ///
    /// assert_eq!(Label::Class(2).to_json().to_string(), r#"{"class":2}"#);
    /// ```
    pub fn to_json(&self) -> Value {
        match self {
            Self::Class(class) => json!({"class": class}),
            Self::Classes(classes) => json!({"classes": classes}),
            Self::Spans(label) => json!({"spans": label.spans(), "relations": label.relations()}),
            Self::Regions(regions) => {
                json!({"regions": regions.iter().map(RegionForm::of).collect::<Vec<_>>()})
            }
            Self::Segments(segments) => {
                json!({"segments": segments.iter().map(segment).collect::<Vec<_>>()})
            }
        }
    }

    /// Reads the JSON of a label of a task. Whether it fits an item is for [`Label::check`].
    ///
    /// # Errors
    /// [`LabelError::Form`], [`LabelError::Relation`]. Neither quotes the JSON.
    pub fn from_json(task: &Task, value: &Value) -> Result<Self, LabelError> {
        let expected = form(task);
        let form = LabelForm::deserialize(value).map_err(|_| LabelError::Form { expected })?;
        match (form, task) {
            (LabelForm::Class(ClassForm { class }), Task::Class | Task::Preference { .. }) => {
                Ok(Self::Class(class))
            }
            (LabelForm::Classes(ClassesForm { classes }), Task::Classes) => {
                Ok(Self::classes(classes))
            }
            (LabelForm::Spans(SpansForm { spans, relations }), Task::Spans { .. }) => {
                Self::spans(spans, relations)
            }
            (LabelForm::Regions(RegionsForm { regions }), Task::Regions { .. }) => {
                let regions: Option<Vec<Region>> =
                    regions.into_iter().map(RegionForm::region).collect();
                regions.map(Self::regions).ok_or(LabelError::Form { expected })
            }
            (LabelForm::Segments(SegmentsForm { segments }), Task::Segments { .. }) => {
                Ok(Self::segments(segments))
            }
            _ => Err(LabelError::Form { expected }),
        }
    }
}

/// A task as JSON: its `kind`, and what that kind has.
pub fn task_json(task: &Task) -> Value {
    TaskForm::serialize(task, serde_json::value::Serializer).unwrap_or_default()
}

/// What a label of a task looks like.
fn form(task: &Task) -> &'static str {
    match task {
        Task::Class | Task::Preference { .. } => r#"{"class": 2}"#,
        Task::Classes => r#"{"classes": [0, 3]}"#,
        Task::Spans { .. } => {
            r#"{"spans": [{"start": 3, "end": 9, "class": 1}], "relations": [{"from": 0, "to": 1, "relation": 0}]}"#
        }
        Task::Regions { .. } => {
            r#"{"regions": [{"class": 0, "box": [10, 20, 30, 5]}, {"class": 1, "polygon": [[1, 1], [5, 1], [5, 5]]}]}"#
        }
        Task::Segments { .. } => {
            r#"{"segments": [{"class": 0, "start": 1.25, "end": 2.5, "channel": 0}]}"#
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LabelForm {
    Class(ClassForm),
    Classes(ClassesForm),
    Spans(SpansForm),
    Regions(RegionsForm),
    Segments(SegmentsForm),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassForm {
    class: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassesForm {
    classes: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpansForm {
    spans: Vec<Span>,
    #[serde(default)]
    relations: Vec<Relation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionsForm {
    regions: Vec<RegionForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentsForm {
    segments: Vec<Segment>,
}

/// A region; exactly one of the two shapes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionForm {
    class: u16,
    /// Left, upper, width, height.
    #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
    rectangle: Option<[f64; 4]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    polygon: Option<Vec<[f64; 2]>>,
}

impl RegionForm {
    fn of(region: &Region) -> Self {
        let (rectangle, polygon) = match &region.shape {
            Shape::Box { x, y, width, height } => (Some([*x, *y, *width, *height]), None),
            Shape::Polygon(points) => (None, Some(points.clone())),
        };
        Self { class: region.class, rectangle, polygon }
    }

    fn region(self) -> Option<Region> {
        let shape = match (self.rectangle, self.polygon) {
            (Some([x, y, width, height]), None) => Shape::Box { x, y, width, height },
            (None, Some(points)) => Shape::Polygon(points),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(Region { class: self.class, shape })
    }
}

/// Without a channel where it is about all of them.
fn segment(segment: &Segment) -> Value {
    let Segment { class, start, end, channel } = segment;
    let mut form = json!({"class": class, "start": start, "end": end});
    if let (Some(channel), Some(form)) = (channel, form.as_object_mut()) {
        form.insert("channel".to_owned(), json!(channel));
    }
    form
}
