//! What a file says of an item, in the file's own words, and the label that it is.

use insitu_protocol::project::{Project, Task};
use serde_json::Value;

use crate::label::{Label, LabelError, Region, Relation, Segment, Shape, Span};
use crate::source::LineError;

/// Part of a side, in percent, by which a region may reach beyond the image: it is cut off. Tools
/// that round to pixels or to six decimals leave as much.
const EDGE_PERCENT: f64 = 0.5;

/// What a file says of an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// Names of classes.
    Classes(Vec<String>),
    /// Spans, and relations between them by their positions in the list.
    Spans(Vec<Mark>, Vec<Tie>),
    /// Regions in percent of the image's sides, and its width and height in pixels where the file
    /// measures by them.
    Regions(Vec<(String, Shape)>, Option<[u32; 2]>),
    /// Segments.
    Segments(Vec<Part>),
    /// A class's name, a list of them, or a label as the project's task has it.
    Own(Value),
}

/// A span in code points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) class: String,
}

/// A relation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tie {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) relation: String,
}

/// A segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) class: String,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) channel: Option<u16>,
}

/// A box of pixels, as left, upper, width and height, in percent.
pub(crate) fn box_of_pixels([left, upper, width, height]: [f64; 4], size: [u32; 2]) -> Shape {
    let [across, down] = size.map(f64::from);
    let percent = |pixels: f64, of: f64| 100.0 * pixels / of;
    Shape::Box {
        x: percent(left, across),
        y: percent(upper, down),
        width: percent(width, across),
        height: percent(height, down),
    }
}

/// A polygon of pixels, in percent.
pub(crate) fn polygon_of_pixels(points: &[[f64; 2]], size: [u32; 2]) -> Shape {
    let [across, down] = size.map(f64::from);
    let percent = |[x, y]: &[f64; 2]| [100.0 * x / across, 100.0 * y / down];
    Shape::Polygon(points.iter().map(percent).collect())
}

impl Said {
    /// The size of the image by which regions are measured.
    pub(super) fn size(&self) -> Option<[u32; 2]> {
        match self {
            Self::Regions(_, size) => *size,
            Self::Classes(_) | Self::Spans(..) | Self::Segments(_) | Self::Own(_) => None,
        }
    }

    /// The label of the project's task; `None` where nothing was chosen of what needs one class.
    ///
    /// # Errors
    /// [`LineError`], which names no class of the file.
    pub(crate) fn label(self, project: &Project) -> Result<Option<Label>, LineError> {
        let kind = || LineError::OtherKind { task: project.task.kind() };
        match (self, &project.task) {
            (Self::Classes(names), Task::Class | Task::Preference { .. }) => match names.as_slice()
            {
                [] => Ok(None),
                [name] => Ok(Some(Label::Class(class(project, name)?))),
                [_, _, ..] => Err(LineError::SeveralClasses { field: "label".to_owned() }),
            },
            (Self::Classes(names), Task::Classes) => {
                let classes: Result<Vec<u16>, LineError> =
                    names.iter().map(|name| class(project, name)).collect();
                Ok(Some(Label::classes(classes?)))
            }
            (Self::Spans(marks, ties), Task::Spans { relations, .. }) => {
                spans(project, &marks, &ties, relations).map(Some)
            }
            (Self::Regions(shapes, _), Task::Regions { .. }) => {
                let region = |(name, shape): (String, Shape)| {
                    Ok(Region { class: class(project, &name)?, shape: within(shape) })
                };
                let regions: Result<Vec<Region>, LineError> =
                    shapes.into_iter().map(region).collect();
                Ok(Some(Label::regions(regions?)))
            }
            (Self::Segments(parts), Task::Segments { .. }) => {
                let segment = |Part { class: name, start, end, channel }: Part| {
                    Ok(Segment { class: class(project, &name)?, start, end, channel })
                };
                let segments: Result<Vec<Segment>, LineError> =
                    parts.into_iter().map(segment).collect();
                Ok(Some(Label::segments(segments?)))
            }
            (Self::Own(value), task) => own(project, task, value),
            (
                Self::Classes(_) | Self::Spans(..) | Self::Regions(..) | Self::Segments(_),
                Task::Class
                | Task::Classes
                | Task::Preference { .. }
                | Task::Spans { .. }
                | Task::Regions { .. }
                | Task::Segments { .. },
            ) => Err(kind()),
        }
    }
}

fn own(project: &Project, task: &Task, value: Value) -> Result<Option<Label>, LineError> {
    let of_classes = matches!(task, Task::Class | Task::Preference { .. } | Task::Classes);
    let classes = |names| Said::Classes(names).label(project);
    match value {
        Value::Null => Ok(None),
        Value::String(name) if name.trim().is_empty() => Ok(None),
        Value::String(name) if of_classes => classes(vec![name.trim().to_owned()]),
        // Where a class is called 0 or 1 or true, that is how files say it.
        Value::Number(name) if of_classes => classes(vec![name.to_string()]),
        Value::Bool(name) if of_classes => classes(vec![name.to_string()]),
        Value::Array(names) if of_classes => classes(super::names(&Value::Array(names), "label")?),
        form @ (Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_)) => Label::from_json(task, &form).map(Some).map_err(refused),
    }
}

fn spans(
    project: &Project,
    marks: &[Mark],
    ties: &[Tie],
    relations: &[insitu_protocol::text::Line],
) -> Result<Label, LineError> {
    let narrow = |place: u64| u32::try_from(place).unwrap_or(u32::MAX);
    let span = |mark: &Mark| {
        let (start, end) = (narrow(mark.start), narrow(mark.end));
        Ok(Span { start, end, class: class(project, &mark.class)? })
    };
    let tie = |tie: &Tie| {
        let named = relations.iter().position(|name| name.as_str() == tie.relation);
        let relation = named.and_then(|at| u16::try_from(at).ok());
        let relation = relation.ok_or(LineError::NotARelation)?;
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        Ok(Relation { from: place(tie.from), to: place(tie.to), relation })
    };
    let spans: Result<Vec<Span>, LineError> = marks.iter().map(span).collect();
    let ties: Result<Vec<Relation>, LineError> = ties.iter().map(tie).collect();
    Label::spans(spans?, ties?).map_err(refused)
}

/// A label that does not fit.
pub(crate) fn refused(error: LabelError) -> LineError {
    LineError::Label { reason: error.to_string() }
}

pub(super) fn class(project: &Project, name: &str) -> Result<u16, LineError> {
    let field = || LineError::NotAClass { column: "label".to_owned() };
    project.class_named(name).ok_or_else(field)
}

/// The shape, cut to the image where it reaches no more than [`EDGE_PERCENT`] beyond.
fn within(shape: Shape) -> Shape {
    let cut = |number: f64| {
        let near = (-EDGE_PERCENT..=100.0 + EDGE_PERCENT).contains(&number);
        if near { number.clamp(0.0, 100.0) } else { number }
    };
    match shape {
        Shape::Box { x, y, width, height } => {
            let (left, upper) = (cut(x), cut(y));
            // What is inside keeps its very numbers.
            let side = |from: f64, cut_from: f64, length: f64| {
                let end = cut(from + length);
                let inside = from >= 0.0 && from + length <= 100.0;
                if inside { length } else { end - cut_from }
            };
            let (width, height) = (side(x, left, width), side(y, upper, height));
            Shape::Box { x: left, y: upper, width, height }
        }
        Shape::Polygon(points) => {
            Shape::Polygon(points.into_iter().map(|point| point.map(cut)).collect())
        }
    }
}
