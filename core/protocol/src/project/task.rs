//! What a label of a project says, and how its classes are chosen and drawn.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::CLASSES_MAX;
use crate::text::Line;

/// What a label says about an item. What is derived here are its bytes; [`TaskForm`] is how people
/// and JSON write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Exactly one class.
    #[default]
    Class,
    /// Any number of classes, also none.
    Classes,
    /// Spans of a text with a class each, and relations between them.
    Spans {
        /// The text field.
        field: Line,
        /// What relations there are; a label names one by its index.
        relations: Vec<Line>,
    },
    /// Regions of an image with a class each.
    Regions {
        /// The image field.
        field: Line,
        /// What may be drawn.
        shapes: Vec<ShapeKind>,
    },
    /// Segments of a series with a class each.
    Segments {
        /// The series field.
        field: Line,
        /// Whether a segment may be a point, which starts where it ends.
        points: bool,
    },
    /// Which of two fields is better: the classes are first, second and, if there is a third, tie.
    Preference {
        /// The fields to choose between.
        fields: [Line; 2],
    },
}

/// A shape that a region may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeKind {
    /// An upright rectangle.
    Box,
    /// A closed line through points.
    Polygon,
}

/// A key that chooses a class: a lower-case letter or a digit that the review page needs for
/// nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Key(char);

/// A colour, `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour([u8; 3]);

/// Why a class has no such key or colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a key that can be pressed for a class.
    #[error("a class's key is a digit or one of bdegijklmnopqstuvwyz, not {got:?}")]
    Key {
        /// What was given.
        got: char,
    },
    /// Not a colour.
    #[error("a colour is # and six hexadecimal digits")]
    Colour,
}

/// What the review page does on these letters: accept, comment, flag, guideline, reveal, reject.
const RESERVED: [char; 6] = ['a', 'c', 'f', 'h', 'r', 'x'];

impl Task {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Classes => "classes",
            Self::Spans { .. } => "spans",
            Self::Regions { .. } => "regions",
            Self::Segments { .. } => "segments",
            Self::Preference { .. } => "preference",
        }
    }

    /// Whether a label is exactly one class.
    pub fn is_one_class(&self) -> bool {
        match self {
            Self::Class | Self::Preference { .. } => true,
            Self::Classes | Self::Spans { .. } | Self::Regions { .. } | Self::Segments { .. } => {
                false
            }
        }
    }

    /// Fewest and most classes of a project with this task.
    pub(super) fn class_counts(&self) -> (usize, usize) {
        match self {
            Self::Class => (2, CLASSES_MAX),
            Self::Preference { .. } => (2, 3),
            Self::Classes | Self::Spans { .. } | Self::Regions { .. } | Self::Segments { .. } => {
                (1, CLASSES_MAX)
            }
        }
    }
}

impl ShapeKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Box => "box",
            Self::Polygon => "polygon",
        }
    }
}

/// [`Task`] as a table with its `kind`, for serde's `with`.
// `Class {}` rather than `Class`, so that what it does not have is refused there, too.
#[derive(Debug, Serialize, Deserialize)]
#[serde(remote = "Task", tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "as in `Task`")]
pub enum TaskForm {
    Class {},
    Classes {},
    Spans {
        field: Line,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        relations: Vec<Line>,
    },
    Regions {
        field: Line,
        shapes: Vec<ShapeKind>,
    },
    Segments {
        field: Line,
        #[serde(default)]
        points: bool,
    },
    Preference {
        fields: [Line; 2],
    },
}

impl TryFrom<char> for Key {
    type Error = KeyError;

    fn try_from(got: char) -> Result<Self, KeyError> {
        let fits = got.is_ascii_digit() || got.is_ascii_lowercase() && !RESERVED.contains(&got);
        fits.then_some(Self(got)).ok_or(KeyError::Key { got })
    }
}

impl From<Key> for char {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl TryFrom<String> for Colour {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let pair = |at: usize| {
            let pair = digits?.get(at..at + 2)?;
            // `from_str_radix` takes a sign, too.
            let hexadecimal = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(pair, 16).ok().filter(|_| hexadecimal)
        };
        match (pair(0), pair(2), pair(4)) {
            (Some(red), Some(green), Some(blue)) => Ok(Self([red, green, blue])),
            _ => Err(KeyError::Colour),
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> Self {
        colour.to_string()
    }
}
