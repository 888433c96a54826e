//! A project's label config there, and whether it asks for what the project here does.

use insitu_protocol::project::{FieldKind, Project};
use roxmltree::{Document, Node};
use serde_json::{Value, json};

/// Longest label config that is read, in bytes.
pub const BYTES_MAX: usize = 256 * 1024;
/// Names that an error lists.
const NAMED_MAX: usize = 5;

/// The part of a label config that asks for the project's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The name of the control, `from_name` of a result.
    pub from_name: String,
    /// The name of what is labeled, `to_name` of a result.
    pub to_name: String,
    /// The key of a task's data that is labeled.
    pub key: String,
}

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
    /// A project whose labels are not exactly one class.
    #[error("the project's task is {task}, only exactly one class is served")]
    Task {
        /// The task's kind.
        task: &'static str,
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

impl Schema {
    /// Reads a label config and checks it against the project.
    ///
    /// # Errors
    /// [`SchemaError`], which names what does not fit.
    pub fn read(text: &str, project: &Project) -> Result<Self, SchemaError> {
        if !project.task.is_one_class() {
            return Err(SchemaError::Task { task: project.task.kind() });
        }
        if text.len() > BYTES_MAX {
            return Err(SchemaError::TooLong { got: text.len() });
        }
        let document =
            Document::parse(text).map_err(|error| SchemaError::Form { line: error.pos().row })?;
        let control = only(&document, CHOICES)?;
        let from_name = attribute(control, "name")?.to_owned();
        let to_name = attribute(control, "toName")?.to_owned();
        let about = document.descendants().find(|node| node.attribute("name") == Some(&to_name));
        let Some(about) = about.filter(|node| *node != control) else {
            return Err(SchemaError::Dangling { control: CHOICES, name: to_name });
        };
        let value = attribute(about, "value")?;
        let key = value.strip_prefix('$').filter(|key| {
            let kind = project.field(key).map(|field| field.kind);
            // A task is adopted without the files that such fields name.
            kind.is_some_and(|kind| !matches!(kind, FieldKind::Image | FieldKind::Series))
        });
        let key = key.ok_or_else(|| SchemaError::Data {
            tag: about.tag_name().name().to_owned(),
            value: value.to_owned(),
        })?;
        if !matches!(control.attribute("choice"), None | Some("single" | "single-radio")) {
            return Err(SchemaError::Several);
        }
        check_classes(control, project)?;
        Ok(Self { from_name, to_name, key: key.to_owned() })
    }

    /// A draft in Label Studio's form; `score` is in `[0, 1]`.
    pub fn result(&self, project: &Project, task: u64, class: u16, score: f64) -> Value {
        let Some(class) = project.class(class) else { return json!([]) };
        json!([{
            "id": format!("insitu-{task}"), "from_name": self.from_name, "to_name": self.to_name,
            "type": "choices", "score": score, "value": {"choices": [class.name]},
        }])
    }
}

/// The control of a project whose items have one class each.
const CHOICES: &str = "Choices";

fn only<'a>(
    document: &'a Document<'a>,
    control: &'static str,
) -> Result<Node<'a, 'a>, SchemaError> {
    let mut all = document.descendants().filter(|node| node.has_tag_name(control));
    match (all.next(), all.count()) {
        (Some(node), 0) => Ok(node),
        (first, more) => {
            Err(SchemaError::Controls { control, got: more + usize::from(first.is_some()) })
        }
    }
}

fn attribute<'a>(node: Node<'a, '_>, attribute: &'static str) -> Result<&'a str, SchemaError> {
    node.attribute(attribute)
        .ok_or_else(|| SchemaError::Attribute { tag: node.tag_name().name().to_owned(), attribute })
}

/// Labels are named by their alias where they have one: it is what results hold.
fn check_classes(control: Node<'_, '_>, project: &Project) -> Result<(), SchemaError> {
    let labels = control.descendants().filter(|node| node.has_tag_name("Choice"));
    let mut unknown: Vec<String> = Vec::new();
    let mut missing: Vec<String> =
        project.classes.iter().map(|class| class.name.to_string()).collect();
    for label in labels {
        let name = label.attribute("alias").map_or_else(|| attribute(label, "value"), Ok)?;
        match missing.iter().position(|class| class == name) {
            Some(at) => drop(missing.remove(at)),
            None => unknown.push(name.to_owned()),
        }
    }
    if missing.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(SchemaError::Classes { missing, unknown })
}

fn listed(names: &[String]) -> String {
    let mut shown: Vec<String> =
        names.iter().take(NAMED_MAX).map(|name| format!("{name:?}")).collect();
    if names.len() > NAMED_MAX {
        shown.push(format!("{} more", names.len() - NAMED_MAX));
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const CONFIG: &str = r#"<View><Text name="shown" value="$note"/>
        <Choices name="heart" toName="shown" choice="single">
          <Choice value="absent"/><Choice value="Is there" alias="present"/>
        </Choices><TextArea name="why" toName="shown"/></View>"#;

    #[track_caller]
    fn check(config: &str, expected: Result<(), &str>) {
        let read = Schema::read(config, &testing::project());
        assert_eq!(
            read.map(drop).map_err(|error| error.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn a_config_that_asks_for_the_projects_classes_fits() {
        let schema = Schema::read(CONFIG, &testing::project()).unwrap();
        let named = [&schema.from_name, &schema.to_name, &schema.key];
        assert_eq!(named, ["heart", "shown", "note"]);
        let result = schema.result(&testing::project(), 7, 1, 0.75);
        assert_eq!(result[0]["value"]["choices"][0], "present");
        assert_eq!(schema.result(&testing::project(), 7, 9, 0.75), json!([]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        check(
            &CONFIG.replace("absent", "gone"),
            Err("the labels are not the project's classes: missing \"absent\", unknown \"gone\""),
        );
        check(
            &CONFIG.replace("$note", "$letter"),
            Err(
                "<Text> shows \"$letter\": it must be $ and the name of one of the project's fields",
            ),
        );
        check(
            &CONFIG.replace("toName=\"shown\" choice", "toName=\"other\" choice"),
            Err("<Choices> is about \"other\", and the label config has nothing of that name"),
        );
        check(
            &CONFIG.replace("\"single\"", "\"multiple\""),
            Err("<Choices> lets people choose several, the project's items have one class each: \
             set choice=\"single\""),
        );
        check(
            "<View/>",
            Err("the label config has 0 <Choices> where the project's task needs one"),
        );
        check("<View>\n<Text a=1/></View>", Err("the label config is not well-formed XML: line 2"));
        let twice = CONFIG.replace("<TextArea", "<Choices name=\"b\" toName=\"shown\"/><TextArea");
        check(&twice, Err("the label config has 2 <Choices> where the project's task needs one"));
    }

    #[test]
    fn a_bomb_of_entities_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><View>&c;</View>";
        assert!(matches!(Schema::read(bomb, &testing::project()), Err(SchemaError::Form { .. })));
        let long = " ".repeat(BYTES_MAX + 1);
        assert!(matches!(
            Schema::read(&long, &testing::project()),
            Err(SchemaError::TooLong { .. })
        ));
    }
}
