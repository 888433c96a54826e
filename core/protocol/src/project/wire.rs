//! A project as text and as bytes.
//!
//! The bytes of a *plain* project are what every agent reads: one class as the task, classes
//! without key, colour and thresholds, fields of the first three kinds.
//! [`Order::Project`](crate::order::Order) carries them. Those of a *uniform* project, whose
//! classes have no thresholds of their own, are the same, followed by a [`Labeling`]; those of any
//! project are followed by [`Thresholds`]. So what was stored before is the beginning of what is
//! stored today, and still read.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Class, Colour, Feature, Field, FieldKind, Key, Project, ProjectError, Routing, Statistics,
    Task, TaskForm, Training,
};
use crate::ids::ProjectName;
use crate::text::{Line, Page};

/// As TOML and JSON.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Project", deny_unknown_fields)]
struct Form {
    name: ProjectName,
    version: u32,
    title: Line,
    instructions: Page,
    classes: Vec<Class>,
    fields: Vec<Field>,
    features: Vec<Feature>,
    routing: Routing,
    statistics: Statistics,
    training: Training,
    #[serde(default, with = "TaskForm")]
    task: Task,
}

/// What every agent reads. Field order is wire order.
#[derive(Serialize, Deserialize)]
struct Plain {
    name: ProjectName,
    version: u32,
    title: Line,
    instructions: Page,
    classes: Vec<(Line, Line)>, // name, description
    fields: Vec<Field>,
    features: Vec<Feature>,
    routing: Routing,
    statistics: Statistics,
    training: Training,
}

/// What a plain project does not have. Field order is wire order.
#[derive(Serialize, Deserialize)]
struct Labeling {
    task: Task,
    /// Of each class.
    keys: Vec<(Option<Key>, Option<Colour>)>,
}

/// What a uniform project does not have: `accept_at` and `expert_below` of each class.
#[derive(Serialize, Deserialize)]
struct Thresholds(Vec<(Option<u16>, Option<u16>)>);

impl Project {
    /// Whether agents that know no thresholds of classes know all of it.
    pub fn is_uniform(&self) -> bool {
        !self.classes.iter().any(Class::has_thresholds)
    }

    /// Whether agents that know one class as the only kind of label know all of it.
    pub fn is_plain(&self) -> bool {
        let bare = |class: &Class| class.key.is_none() && class.colour.is_none();
        let first = |field: &Field| match field.kind {
            FieldKind::Number | FieldKind::Category | FieldKind::Text => true,
            FieldKind::Image | FieldKind::Series => false,
        };
        self.is_uniform()
            && self.task == Task::Class
            && self.classes.iter().all(bare)
            && self.fields.iter().all(first)
    }

    /// The bytes that are stored.
    ///
    /// # Errors
    /// Never in practice: a checked project always encodes.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(self)
    }

    /// Reads what [`Project::encode`] wrote, or an earlier version of this program, which knew
    /// plain projects alone, or uniform ones.
    ///
    /// # Errors
    /// [`postcard::Error`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        let (plain, rest): (Plain, &[u8]) = postcard::take_from_bytes(bytes)?;
        let (labeling, rest) = match rest {
            [] => (None, rest),
            _ => postcard::take_from_bytes(rest).map(|(labeling, rest)| (Some(labeling), rest))?,
        };
        let thresholds = if rest.is_empty() { None } else { Some(postcard::from_bytes(rest)?) };
        plain.with(labeling, thresholds).map_err(|_| postcard::Error::SerdeDeCustom)
    }

    fn plain(&self) -> Plain {
        let class = |class: &Class| (class.name.clone(), class.description.clone());
        Plain {
            name: self.name.clone(),
            version: self.version,
            title: self.title.clone(),
            instructions: self.instructions.clone(),
            classes: self.classes.iter().map(class).collect(),
            fields: self.fields.clone(),
            features: self.features.clone(),
            routing: self.routing,
            statistics: self.statistics,
            training: self.training,
        }
    }

    fn labeling(&self) -> Labeling {
        let keys = self.classes.iter().map(|class| (class.key, class.colour)).collect();
        Labeling { task: self.task.clone(), keys }
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds(self.classes.iter().map(|class| (class.accept_at, class.expert_below)).collect())
    }
}

impl Plain {
    fn with(
        self,
        labeling: Option<Labeling>,
        thresholds: Option<Thresholds>,
    ) -> Result<Project, ProjectError> {
        let classes = self.classes.len();
        let Labeling { task, keys } = labeling
            .unwrap_or_else(|| Labeling { task: Task::Class, keys: vec![(None, None); classes] });
        let Thresholds(thresholds) =
            thresholds.unwrap_or_else(|| Thresholds(vec![(None, None); classes]));
        for (what, got) in
            [("keys of classes", keys.len()), ("thresholds of classes", thresholds.len())]
        {
            if got != classes {
                return Err(ProjectError::Count { what, got, min: classes, max: classes });
            }
        }
        let class = |(((name, description), (key, colour)), (accept_at, expert_below))| Class {
            name,
            description,
            key,
            colour,
            accept_at,
            expert_below,
        };
        let classes = self.classes.into_iter().zip(keys).zip(thresholds).map(class);
        let project = Project {
            name: self.name,
            version: self.version,
            title: self.title,
            instructions: self.instructions,
            classes: classes.collect(),
            fields: self.fields,
            features: self.features,
            routing: self.routing,
            statistics: self.statistics,
            training: self.training,
            task,
        };
        project.check()?;
        Ok(project)
    }
}

impl Serialize for Project {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Form::serialize(self, serializer);
        }
        (self.plain(), self.labeling(), self.thresholds()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Project {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let project = Form::deserialize(deserializer)?;
            project.check().map_err(serde::de::Error::custom)?;
            return Ok(project);
        }
        let (plain, labeling, thresholds) =
            <(Plain, Labeling, Thresholds)>::deserialize(deserializer)?;
        plain.with(Some(labeling), Some(thresholds)).map_err(serde::de::Error::custom)
    }
}

/// The bytes of a plain project.
pub(crate) mod plain {
    use super::{Deserialize, Deserializer, Plain, Project, Serialize, Serializer};

    /// Fails for a project that is not plain: an agent would take it for what it is not.
    pub(crate) fn serialize<S: Serializer>(
        project: &Project,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if !project.is_plain() {
            return Err(serde::ser::Error::custom("the project is not plain"));
        }
        project.plain().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Project, D::Error> {
        let project = Plain::deserialize(deserializer)?.with(None, None);
        let project = project.map_err(serde::de::Error::custom)?;
        project
            .is_plain()
            .then_some(project)
            .ok_or_else(|| serde::de::Error::custom("a plain project with a field of a newer kind"))
    }
}

/// The bytes of a uniform project.
pub(crate) mod uniform {
    use super::{Deserialize, Deserializer, Labeling, Plain, Project, Serialize, Serializer};

    /// Fails for a project whose classes have thresholds: an agent would accept what it must not.
    pub(crate) fn serialize<S: Serializer>(
        project: &Project,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if !project.is_uniform() {
            return Err(serde::ser::Error::custom("the project is not uniform"));
        }
        (project.plain(), project.labeling()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Project, D::Error> {
        let (plain, labeling) = <(Plain, Labeling)>::deserialize(deserializer)?;
        plain.with(Some(labeling), None).map_err(serde::de::Error::custom)
    }
}
