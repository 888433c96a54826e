//! Why a label config does not ask for what the project does.

use insitu_protocol::text::Line;

use super::BYTES_MAX;

/// Names that an error lists.
const NAMED_MAX: usize = 5;

/// Why a label config and a project do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Too much to be one.
    #[error("the label config has {got} bytes, at most {BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        got: usize,
    },
    /// Not XML.
    #[error("the label config is not well-formed XML: line {line}")]
    Form {
        /// Where it fails.
        line: u32,
    },
    /// No control, or several, of the kind that the task needs.
    #[error("the label config has {got} <{control}> where the project's task needs one")]
    Controls {
        /// Its tag.
        control: &'static str,
        /// How many there are.
        got: usize,
    },
    /// A tag without an attribute that it needs.
    #[error("<{tag}> in the label config has no {attribute}")]
    Attribute {
        /// The tag.
        tag: String,
        /// What is missing.
        attribute: &'static str,
    },
    /// A control of something that is not there.
    #[error("<{control}> is about {name:?}, and the label config has nothing of that name")]
    Dangling {
        /// The control's tag.
        control: &'static str,
        /// Its `toName`.
        name: String,
    },
    /// Data that is named in no way that a project's field could have.
    #[error("<{tag}> shows {value:?}: it must be $ and the name of one of the project's fields")]
    Data {
        /// The tag.
        tag: String,
        /// Its `value`.
        value: String,
    },
    /// More than one class may be chosen.
    #[error(
        "<Choices> lets people choose several, the project's items have one class each: set choice=\"single\""
    )]
    Several,
    /// Only one class may be chosen.
    #[error(
        "<Choices> lets people choose one, the project's items have any number of classes: set choice=\"multiple\""
    )]
    Single,
    /// A setting under which results say something else than the project's labels.
    #[error("<{tag}> has {attribute}=\"{value}\", but {change}")]
    Setting {
        /// The tag.
        tag: String,
        /// The setting.
        attribute: &'static str,
        /// What it is.
        value: String,
        /// What it must be, and what to change.
        change: &'static str,
    },
    /// A control of something in which the project's places are not.
    #[error("<{control}> is about a <{tag}>: it must be about a <{wanted}>")]
    About {
        /// The control's tag.
        control: &'static str,
        /// The tag that it must be about.
        wanted: &'static str,
        /// The tag that it is about.
        tag: String,
    },
    /// A control of marks that would be lost.
    #[error("<{control}> marks what no label of the project can hold: take it out")]
    Unheld {
        /// The control's tag.
        control: &'static str,
    },
    /// A project whose images nobody may see here.
    #[error(
        "the project's images are put aside: set images = \"as they are\" in its [[project]], since nothing redacts pixels"
    )]
    Images,
    /// A field of the project, but not the one that its task marks.
    #[error(
        "<{tag}> shows {value:?}: the project's task marks the field {field}, set value=\"${field}\""
    )]
    OtherField {
        /// The tag.
        tag: &'static str,
        /// Its `value`.
        value: String,
        /// The field that the task marks.
        field: Line,
    },
    /// Relations that the project has no name for, or the other way round.
    #[error(
        "the relations are not the project's: missing {}, unknown {}",
        listed(missing),
        listed(unknown)
    )]
    Relations {
        /// The project's that are not in the label config.
        missing: Vec<String>,
        /// Those that are in the label config alone.
        unknown: Vec<String>,
    },
    /// Labels that the project has no classes for, or the other way round.
    #[error(
        "the labels are not the project's classes: missing {}, unknown {}",
        listed(missing),
        listed(unknown)
    )]
    Classes {
        /// Classes that are no label.
        missing: Vec<String>,
        /// Labels that are no class.
        unknown: Vec<String>,
    },
}

fn listed(names: &[String]) -> String {
    let mut shown: Vec<String> =
        names.iter().take(NAMED_MAX).map(|name| format!("{name:?}")).collect();
    if names.len() > NAMED_MAX {
        shown.push(format!("{} more", names.len() - NAMED_MAX));
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}
