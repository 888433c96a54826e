//! Why a label is refused.

use insitu_protocol::text::Line;

/// Why a label is refused. Marks are numbered from 1, as in the label's order.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// Not the JSON of a label of this task.
    #[error("the label is not of the form {expected}")]
    Form {
        /// What it must look like.
        expected: &'static str,
    },
    /// A label of another kind than the project's.
    #[error("the project's task is {task}, and the label of another kind")]
    Kind {
        /// The task's kind.
        task: &'static str,
    },
    /// A list that is too long.
    #[error("the label has {got} {what}, {max} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// Most allowed.
        max: usize,
    },
    /// Parts that are not in the order that the constructors give, or repeat each other.
    #[error("number {number} of the label's parts is not in order")]
    Order {
        /// Which.
        number: usize,
    },
    /// A class that the project does not have.
    #[error("mark number {number} is of class {class} where the project has {classes}")]
    Class {
        /// Which mark; 1 where there is only one class.
        number: usize,
        /// The class, from 0.
        class: u16,
        /// How many classes there are.
        classes: usize,
    },
    /// The item has nothing in the field that the task marks.
    #[error("the item has no value in field {field}")]
    NoValue {
        /// The field.
        field: Line,
    },
    /// A span that is empty, or reaches beyond the text.
    #[error("span number {number} goes from {start} to {end} in a text of {length} code points")]
    Span {
        /// Which.
        number: usize,
        /// Its start.
        start: u32,
        /// Its end.
        end: u32,
        /// The text's length.
        length: usize,
    },
    /// A relation from or to a span that does not exist, or to itself.
    #[error("relation number {number} goes from span {from} to {to} of {spans}, counted from 0")]
    Relation {
        /// Which.
        number: usize,
        /// From which span.
        from: u16,
        /// To which span.
        to: u16,
        /// How many spans there are.
        spans: usize,
    },
    /// A kind of relation that the task does not have.
    #[error("relation number {number} is of kind {relation} where the task has {relations}")]
    RelationKind {
        /// Which.
        number: usize,
        /// The kind, from 0.
        relation: u16,
        /// How many kinds there are.
        relations: usize,
    },
    /// A shape that the task does not ask for.
    #[error("region number {number} is a {shape}, which the task does not ask for")]
    Shape {
        /// Which.
        number: usize,
        /// Its shape.
        shape: &'static str,
    },
    /// A polygon of too few or too many points.
    #[error("region number {number} has {got} points, a polygon has 3 to 1000")]
    Points {
        /// Which.
        number: usize,
        /// How many it has.
        got: usize,
    },
    /// A region without area, or outside the image, or with a number that is none.
    #[error("region number {number} is empty or not inside the image, which is 0 to 100 each way")]
    Outside {
        /// Which.
        number: usize,
    },
    /// A segment outside the series, or one that ends before it starts.
    #[error(
        "segment number {number} goes from {start} to {end} in a series from {first} to {last}"
    )]
    Segment {
        /// Which.
        number: usize,
        /// Its start.
        start: f64,
        /// Its end.
        end: f64,
        /// Where the series starts.
        first: f64,
        /// Where it ends.
        last: f64,
    },
    /// A point where the task does not ask for points.
    #[error("segment number {number} is a point, which the task does not ask for")]
    Point {
        /// Which.
        number: usize,
    },
    /// A channel that the series does not have.
    #[error("segment number {number} is about channel {channel} of {channels}, counted from 0")]
    Channel {
        /// Which.
        number: usize,
        /// The channel.
        channel: u16,
        /// How many channels there are.
        channels: usize,
    },
}
