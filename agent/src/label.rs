//! Labels: what a person or a model says about an item, in the kind that the project's task asks for.
//!
//! A label is made by its constructors, which put its parts into one order, so that equal labels
//! have equal bytes; [`Label::check`] says whether it fits a project and an item. Positions in a
//! text are code points of the *clean* text; those in an image are percent of its sides; those in
//! a series are times of its clock.

pub mod agree;
mod error;
mod json;
mod marks;

pub use self::error::LabelError;
pub use self::json::task_json;

use std::fmt;

use insitu_protocol::project::{Project, ShapeKind, Task};
use serde::{Deserialize, Serialize};

use crate::item::{CleanItem, Series, Value};

/// Most spans, relations, regions or segments of a label.
pub const MARKS_MAX: usize = 1000;
/// Fewest and most points of a polygon.
pub const POLYGON_POINTS: std::ops::RangeInclusive<usize> = 3..=1000;
/// Most points of all polygons of a label.
pub const POINTS_MAX: usize = 20_000;
/// Decimals that places in an image and times keep: so many survive being written as text.
const DECIMALS: f64 = 1e6;
/// Times this far from 0 are kept as they are: they have fewer decimals anyway.
const ROUNDED_BELOW: f64 = 1e9;
/// How far a region may reach beyond the image, in percent of its side, and a segment beyond the series,
/// in the unit of its clock: what rounding leaves.
const ROUNDING: f64 = 1e-6;

/// What is said about an item.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Label {
    /// Exactly one class; a preference, too.
    Class(u16),
    /// Any number of classes, ascending and distinct: see [`Label::classes`].
    Classes(Vec<u16>),
    /// Parts of a text: see [`Label::spans`].
    Spans(Spans),
    /// Parts of an image: see [`Label::regions`].
    Regions(Vec<Region>),
    /// Parts of a series: see [`Label::segments`].
    Segments(Vec<Segment>),
}

/// Spans of a text and relations between them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans {
    spans: Vec<Span>,
    relations: Vec<Relation>,
}

/// A part of a text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// First code point.
    pub start: u32,
    /// Code point behind the last; above `start`.
    pub end: u32,
    /// Position in the project's classes.
    pub class: u16,
}

/// A relation between two spans of a label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Position of a span.
    pub from: u16,
    /// Position of another span.
    pub to: u16,
    /// Position in the task's relations.
    pub relation: u16,
}

/// A part of an image.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Position in the project's classes.
    pub class: u16,
    /// Where it is.
    pub shape: Shape,
}

/// Where a region is, in percent of the image's width and height from its upper left corner.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// An upright rectangle.
    Box {
        /// Left side.
        x: f64,
        /// Upper side.
        y: f64,
        /// Above 0.
        width: f64,
        /// Above 0.
        height: f64,
    },
    /// A closed line through `[x, y]`, as it was drawn.
    Polygon(Vec<[f64; 2]>),
}

/// A part of a series.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Position in the project's classes.
    pub class: u16,
    /// When it begins, by the series' clock.
    pub start: f64,
    /// When it ends; a point ends where it starts.
    pub end: f64,
    /// Position of the one channel that it is about; of all, if `None`.
    #[serde(default)]
    pub channel: Option<u16>,
}

/// `Debug` that names the type, and says nothing of what is labeled.
macro_rules! without_content {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )+};
}

without_content!(Label, Spans, Span, Relation, Region, Shape, Segment);

impl Label {
    /// Any number of classes.
    pub fn classes(mut classes: Vec<u16>) -> Self {
        classes.sort_unstable();
        classes.dedup();
        Self::Classes(classes)
    }

    /// Spans and the relations between them, which name spans by their positions in `spans`.
    ///
    /// # Errors
    /// [`LabelError::Relation`] for one that names a span that is not there.
    pub fn spans(spans: Vec<Span>, relations: Vec<Relation>) -> Result<Self, LabelError> {
        let mut ordered = spans.clone();
        ordered.sort_unstable();
        ordered.dedup();
        let place = |at: u16| {
            let place = ordered.binary_search(spans.get(usize::from(at))?).ok()?;
            u16::try_from(place).ok()
        };
        let mut moved = Vec::with_capacity(relations.len());
        for (at, Relation { from, to, relation }) in relations.into_iter().enumerate() {
            let (Some(from), Some(to)) = (place(from), place(to)) else {
                let (number, spans) = (at + 1, spans.len());
                return Err(LabelError::Relation { number, from, to, spans });
            };
            moved.push(Relation { from, to, relation });
        }
        moved.sort_unstable();
        moved.dedup();
        Ok(Self::Spans(Spans { spans: ordered, relations: moved }))
    }

    /// Regions of an image. A polygon keeps its points in the order in which they were drawn.
    pub fn regions(mut regions: Vec<Region>) -> Self {
        regions.iter_mut().for_each(Region::round);
        regions.sort_by(|a, b| compare(&a.key(), &b.key()));
        regions.dedup();
        Self::Regions(regions)
    }

    /// Segments of a series.
    pub fn segments(mut segments: Vec<Segment>) -> Self {
        for segment in &mut segments {
            segment.start = rounded(segment.start);
            segment.end = rounded(segment.end);
        }
        segments.sort_by(|a, b| a.order(b));
        segments.dedup();
        Self::Segments(segments)
    }

    /// The class, of a label that is exactly one.
    pub fn class(&self) -> Option<u16> {
        match self {
            Self::Class(class) => Some(*class),
            Self::Classes(_) | Self::Spans(_) | Self::Regions(_) | Self::Segments(_) => None,
        }
    }

    /// Every class that it names, in its order; a class once for each mark that has it.
    pub fn named(&self) -> Vec<u16> {
        match self {
            Self::Class(class) => vec![*class],
            Self::Classes(all) => all.clone(),
            Self::Spans(label) => label.spans.iter().map(|span| span.class).collect(),
            Self::Regions(regions) => regions.iter().map(|region| region.class).collect(),
            Self::Segments(segments) => segments.iter().map(|segment| segment.class).collect(),
        }
    }

    /// Whether every class of the label is among the first `classes`: an older version of its project
    /// may have had more.
    pub fn is_within(&self, classes: usize) -> bool {
        self.check_classes(classes).is_ok()
    }

    /// [`Label::is_within`], with the first class that is not.
    ///
    /// # Errors
    /// [`LabelError::Class`].
    pub(crate) fn check_classes(&self, classes: usize) -> Result<(), LabelError> {
        let named = self.named().into_iter().enumerate();
        let mut beyond = named.filter(|(_, class)| usize::from(*class) >= classes);
        beyond
            .next()
            .map_or(Ok(()), |(at, class)| Err(LabelError::Class { number: at + 1, class, classes }))
    }

    /// Whether the label fits the project's task and classes, and lies inside the item.
    ///
    /// # Errors
    /// [`LabelError`].
    pub fn check(&self, project: &Project, item: &CleanItem) -> Result<(), LabelError> {
        self.check_with(project, |field| item.value(field))
    }

    /// [`Label::check`] against an item's values by their fields' names.
    ///
    /// # Errors
    /// [`LabelError`].
    pub(crate) fn check_with<'a>(
        &self,
        project: &Project,
        value: impl Fn(&str) -> Option<&'a Value>,
    ) -> Result<(), LabelError> {
        let known = |(at, class): (usize, u16)| {
            let (number, classes) = (at + 1, project.classes.len());
            let fits = usize::from(class) < classes;
            fits.then_some(()).ok_or(LabelError::Class { number, class, classes })
        };
        match (self, &project.task) {
            (Self::Class(class), Task::Class | Task::Preference { .. }) => known((0, *class)),
            (Self::Classes(classes), Task::Classes) => {
                in_order(classes, Ord::cmp)?;
                classes.iter().copied().enumerate().try_for_each(known)
            }
            (Self::Spans(label), Task::Spans { field, relations }) => {
                let Some(Value::Text(text)) = value(field.as_str()) else {
                    return Err(LabelError::NoValue { field: field.clone() });
                };
                label.check(text.chars().count(), relations.len())?;
                label.spans.iter().map(|span| span.class).enumerate().try_for_each(known)
            }
            (Self::Regions(regions), Task::Regions { field, shapes }) => {
                let Some(Value::Image(_)) = value(field.as_str()) else {
                    return Err(LabelError::NoValue { field: field.clone() });
                };
                check_regions(regions, shapes)?;
                regions.iter().map(|region| region.class).enumerate().try_for_each(known)
            }
            (Self::Segments(segments), Task::Segments { field, points }) => {
                let Some(Value::Series(series)) = value(field.as_str()) else {
                    return Err(LabelError::NoValue { field: field.clone() });
                };
                check_segments(segments, *points, series)?;
                segments.iter().map(|segment| segment.class).enumerate().try_for_each(known)
            }
            (_, task) => Err(LabelError::Kind { task: task.kind() }),
        }
    }
}

impl Spans {
    /// The spans, ascending.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The relations, ascending.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// The same in another text, in which `place` says where the code points from a start to an end
    /// are.
    ///
    /// # Errors
    /// None, as relations name spans that are there.
    pub(crate) fn moved(
        &self,
        place: impl Fn(usize, usize) -> (usize, usize),
    ) -> Result<Label, LabelError> {
        let point = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let moved = |span: &Span| {
            let (start, end) = place(span.start as usize, span.end as usize);
            Span { start: point(start), end: point(end), class: span.class }
        };
        Label::spans(self.spans.iter().map(moved).collect(), self.relations.clone())
    }

    fn check(&self, length: usize, relations: usize) -> Result<(), LabelError> {
        few("spans", self.spans.len(), MARKS_MAX)?;
        few("relations", self.relations.len(), MARKS_MAX)?;
        in_order(&self.spans, Ord::cmp)?;
        in_order(&self.relations, Ord::cmp)?;
        for (at, span) in self.spans.iter().enumerate() {
            let Span { start, end, .. } = *span;
            if start >= end || usize::try_from(end).map_or(true, |end| end > length) {
                return Err(LabelError::Span { number: at + 1, start, end, length });
            }
        }
        for (at, found) in self.relations.iter().enumerate() {
            let (number, Relation { from, to, relation }) = (at + 1, *found);
            let spans = self.spans.len();
            if from == to || usize::from(from.max(to)) >= spans {
                return Err(LabelError::Relation { number, from, to, spans });
            }
            if usize::from(relation) >= relations {
                return Err(LabelError::RelationKind { number, relation, relations });
            }
        }
        Ok(())
    }
}

impl Region {
    /// Class and coordinates, which order regions; corners of a box come as left, upper, width,
    /// height.
    fn key(&self) -> (u16, Vec<f64>) {
        let numbers = match &self.shape {
            Shape::Box { x, y, width, height } => vec![*x, *y, *width, *height],
            Shape::Polygon(points) => points.as_flattened().to_vec(),
        };
        (self.class, numbers)
    }

    fn round(&mut self) {
        let round = |number: &mut f64| *number = rounded(*number);
        match &mut self.shape {
            Shape::Box { x, y, width, height } => {
                [x, y, width, height].into_iter().for_each(round);
            }
            Shape::Polygon(points) => points.as_flattened_mut().iter_mut().for_each(round),
        }
    }
}

impl Shape {
    fn kind(&self) -> ShapeKind {
        match self {
            Self::Box { .. } => ShapeKind::Box,
            Self::Polygon(_) => ShapeKind::Polygon,
        }
    }

    /// Whether it has a size and is inside the image.
    fn fits(&self) -> bool {
        let inside = |number: f64| (-ROUNDING..=100.0 + ROUNDING).contains(&number);
        match self {
            Self::Box { x, y, width, height } => {
                let far = [x + width, y + height];
                *width > 0.0 && *height > 0.0 && [*x, *y].iter().chain(&far).all(|n| inside(*n))
            }
            Self::Polygon(points) => {
                let [left, up, right, down] = self.extent();
                left < right
                    && up < down
                    && points.as_flattened().iter().all(|number| inside(*number))
            }
        }
    }
}

impl Segment {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let times = self.start.total_cmp(&other.start).then(self.end.total_cmp(&other.end));
        times.then((self.class, self.channel).cmp(&(other.class, other.channel)))
    }
}

fn check_regions(regions: &[Region], shapes: &[ShapeKind]) -> Result<(), LabelError> {
    few("regions", regions.len(), MARKS_MAX)?;
    in_order(regions, |a, b| compare(&a.key(), &b.key()))?;
    let mut points = 0;
    for (at, Region { shape, .. }) in regions.iter().enumerate() {
        let number = at + 1;
        if !shapes.contains(&shape.kind()) {
            return Err(LabelError::Shape { number, shape: shape.kind().name() });
        }
        if let Shape::Polygon(line) = shape {
            let got = line.len();
            if !POLYGON_POINTS.contains(&got) {
                return Err(LabelError::Points { number, got });
            }
            points += got;
        }
        if !shape.fits() {
            return Err(LabelError::Outside { number });
        }
    }
    few("points of polygons", points, POINTS_MAX)
}

fn check_segments(segments: &[Segment], points: bool, series: &Series) -> Result<(), LabelError> {
    few("segments", segments.len(), MARKS_MAX)?;
    in_order(segments, Segment::order)?;
    let (first, last, channels) = (series.start, series.end(), series.channels.len());
    for (at, segment) in segments.iter().enumerate() {
        let (number, Segment { start, end, channel, .. }) = (at + 1, *segment);
        // Not a number is in no range.
        // A time is rounded to its decimals, perhaps past the series' end.
        let within = |time| (first - ROUNDING..=last + ROUNDING).contains(&time);
        if !(within(start) && within(end) && start <= end) {
            return Err(LabelError::Segment { number, start, end, first, last });
        }
        if end <= start && !points {
            return Err(LabelError::Point { number });
        }
        if let Some(channel) = channel.filter(|channel| usize::from(*channel) >= channels) {
            return Err(LabelError::Channel { number, channel, channels });
        }
    }
    Ok(())
}

/// With [`DECIMALS`], and without a sign of zero.
fn rounded(number: f64) -> f64 {
    if number.abs() < ROUNDED_BELOW { (number * DECIMALS).round() / DECIMALS + 0.0 } else { number }
}

fn few(what: &'static str, got: usize, max: usize) -> Result<(), LabelError> {
    if got <= max { Ok(()) } else { Err(LabelError::TooMany { what, got, max }) }
}

fn in_order<T>(
    parts: &[T],
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Result<(), LabelError> {
    let wrong = parts.windows(2).position(|pair| order(&pair[0], &pair[1]).is_ge());
    wrong.map_or(Ok(()), |at| Err(LabelError::Order { number: at + 2 }))
}

fn compare(a: &(u16, Vec<f64>), b: &(u16, Vec<f64>)) -> std::cmp::Ordering {
    let numbers = |(_, numbers): &(u16, Vec<f64>)| numbers.len();
    let values = || {
        let pairs = a.1.iter().zip(&b.1);
        pairs.map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne())
    };
    a.0.cmp(&b.0)
        .then_with(|| values().unwrap_or(std::cmp::Ordering::Equal))
        .then_with(|| numbers(a).cmp(&numbers(b)))
}

#[cfg(test)]
mod tests;
