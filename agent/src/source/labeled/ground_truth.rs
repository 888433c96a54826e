//! Augmented manifests of SageMaker Ground Truth: classes of texts and images, and boxes.

use insitu_protocol::project::{FieldKind, Task};
use serde_json::{Map, Value};

use super::said::{Said, box_of_pixels};
use super::{Ask, Content, Found, each, missing, names, pixels, sides, take_text, text};
use crate::source::LineError;

/// What the name of a label's metadata ends with.
const METADATA: &str = "-metadata";

/// `{"source" or "source-ref", "NAME": …, "NAME-metadata": {"type": "groundtruth/…", …}}`. Of an object
/// in a store, the last part of its name is the file.
pub(super) fn record(
    ask: &Ask<'_>,
    content: &Content<'_>,
    mut line: Map<String, Value>,
) -> Result<Found, LineError> {
    let value = match content.kind {
        FieldKind::Image | FieldKind::Series => {
            let name = take_text(&mut line, "source-ref")?;
            let file = name.split_once("://").and_then(|(_, path)| path.rsplit('/').next());
            file.map_or_else(|| name.clone(), str::to_owned)
        }
        FieldKind::Number | FieldKind::Category | FieldKind::Text => {
            take_text(&mut line, "source")?
        }
    };
    let kinds: &[&str] = match &ask.project.task {
        Task::Regions { .. } => &["groundtruth/object-detection"],
        Task::Class | Task::Preference { .. } => {
            &["groundtruth/text-classification", "groundtruth/image-classification"]
        }
        Task::Classes => &[
            "groundtruth/text-classification-multilabel",
            "groundtruth/image-classification-multilabel",
        ],
        Task::Spans { .. } | Task::Segments { .. } => &[],
    };
    let is = |about: &Value| about["type"].as_str().is_some_and(|kind| kinds.contains(&kind));
    let mut labels = line.iter().filter_map(|(name, about)| {
        let label = name.strip_suffix(METADATA)?;
        is(about).then(|| (line.get(label).unwrap_or(&Value::Null), about))
    });
    let said = match (labels.next(), labels.next()) {
        (None, _) => None,
        (Some((label, about)), None) => Some(said(&ask.project.task, label, about)?),
        (Some(_), Some(_)) => {
            return Err(LineError::SeveralClasses { field: "class-name".to_owned() });
        }
    };
    line.retain(|_, value| !value.is_object() && !value.is_array());
    let own = line.get("id").cloned();
    content.put(&mut line, ask, value, own);
    Ok(Found { record: line, said, guess: None })
}

fn said(task: &Task, label: &Value, about: &Value) -> Result<Said, LineError> {
    match task {
        Task::Regions { .. } => boxes(label, about),
        Task::Classes => {
            let named = |of: &Value| text(&about["class-map"][of.to_string()], "class-map");
            let all: Result<Vec<String>, LineError> = each(label).iter().map(named).collect();
            all.map(Said::Classes)
        }
        Task::Class | Task::Preference { .. } | Task::Spans { .. } | Task::Segments { .. } => {
            names(&about["class-name"], "class-name").map(Said::Classes)
        }
    }
}

fn boxes(label: &Value, about: &Value) -> Result<Said, LineError> {
    let [size] = each(&label["image_size"]) else { return Err(missing("image_size")) };
    let size = [pixels(&size["width"], "width")?, pixels(&size["height"], "height")?];
    let shape = |mark: &Value| {
        let class = mark["class_id"].as_u64().ok_or_else(|| missing("class_id"))?;
        let class = text(&about["class-map"][class.to_string()], "class-map")?;
        let sides = sides(mark, ["left", "top", "width", "height"])?;
        Ok((class, box_of_pixels(sides, size)))
    };
    let shapes: Result<Vec<_>, LineError> = each(&label["annotations"]).iter().map(shape).collect();
    Ok(Said::Regions(shapes?, Some(size)))
}
