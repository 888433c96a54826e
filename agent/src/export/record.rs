//! A record: an item, its label of record, and everything that was said about it.

use std::collections::HashMap;

use insitu_protocol::project::{FieldKind, Project, Task};
use jiff::Timestamp;

use super::media::Medium;
use crate::item::{CleanItem, Value};
use crate::label::Label;
use crate::prelabel::{Origin, Prelabel};
use crate::review::{Context, PastRead, contexts, past_reads};
use crate::route::{Read, label_of_record};
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::Reading;
use crate::store::{StoreError, Tx};

/// An item as it is exported.
pub(super) struct Record {
    /// The item's name outside the store, in hexadecimal digits.
    pub(super) id: String,
    /// The site's own id, where it was given again.
    pub(super) own_id: Option<String>,
    /// Never learned from.
    pub(super) holdout: bool,
    /// The fields, redacted, in the project's order; those that the item does not have are absent.
    pub(super) fields: Vec<(String, Value)>,
    /// The image or series that it is about, where the format names a file of it.
    pub(super) medium: Option<Medium>,
    /// The label of record. Where labels go through stages of review none before it has.
    pub(super) label: Option<Given>,
    /// The model's draft.
    pub(super) prelabel: Option<Prelabel>,
    /// Model and version of a draft that was imported, in its maker's words.
    pub(super) model: Option<String>,
    /// What people said, oldest first.
    pub(super) past: Vec<PastRead>,
    /// Where and when each of that was said, as an application has told it.
    pub(super) contexts: Vec<Option<Context>>,
}

/// A label of record.
pub(super) struct Given {
    /// What it says.
    pub(super) label: Label,
    /// Who gave it.
    pub(super) by: By,
    /// When, Unix seconds; a person's.
    pub(super) made_at: Option<i64>,
}

/// Who gave a label of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The first reader.
    Annotator,
    /// An expert, who decides.
    Expert,
    /// An expert, in a campaign.
    Campaign,
    /// Whoever reviewed the label last.
    Reviewer,
    /// The model, confident enough for nobody to look.
    Model,
}

impl By {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Annotator => "annotator",
            Self::Expert => "expert",
            Self::Campaign => "campaign",
            Self::Reviewer => "reviewer",
            Self::Model => "model",
        }
    }

    pub(super) fn is_person(self) -> bool {
        self != Self::Model
    }
}

impl Record {
    /// The record of an item. Judgements beside synthetic items say nothing about its label, and
    /// labels of classes that the project no longer has are left out. Where labels go through stages of
    /// review (`staged`), only those of items that are done are final.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn read(
        tx: &Tx<'_>,
        row: &ItemRow,
        own_id: Option<String>,
        project: &Project,
        staged: bool,
    ) -> Result<Self, StoreError> {
        let known = |label: &Label| label.is_within(project.classes.len());
        let annotations = tx.annotations_of(row.item)?;
        let mut told = contexts(tx, row.item)?;
        let contexts = annotations
            .iter()
            .map(|annotation| told.remove(&(annotation.person, annotation.key.clone())));
        let (past, contexts): (Vec<_>, Vec<_>) = past_reads(&annotations)?
            .into_iter()
            .zip(contexts)
            .filter(|(past, _)| past.read.reading.is_of_record() && past.label().is_none_or(known))
            .unzip();
        let prelabel = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
        let prelabel = prelabel.filter(|prelabel| known(prelabel.label()));
        let is_final = !staged || matches!(row.stage, Stage::Done | Stage::Accepted);
        let model = Origin::model_of(row.origin.as_deref())?.filter(|_| prelabel.is_some());
        let item = CleanItem::load(row)?;
        let fields = project.fields.iter().filter_map(|field| {
            let name = field.name.as_str();
            item.value(name).map(|value| (name.to_owned(), value.clone()))
        });
        Ok(Self {
            id: hex::encode(row.opaque),
            own_id,
            holdout: row.holdout,
            fields: fields.collect(),
            medium: None,
            label: if is_final { Given::of(row.stage, &past, prelabel.as_ref()) } else { None },
            prelabel,
            model,
            past,
            contexts,
        })
    }

    /// A field's value, if the item has one.
    pub(super) fn value(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }

    /// Model and version that made a draft, of one that was imported and that the item still has.
    pub(super) fn model_of(&self, draft: &Prelabel) -> Option<&str> {
        let same = |own: &&Prelabel| own.bundle() == draft.bundle();
        self.prelabel.as_ref().filter(same).and(self.model.as_deref())
    }

    /// Width and height of the image that it is about, in pixels; zeros without one.
    pub(super) fn size(&self) -> [u32; 2] {
        self.medium.as_ref().map_or([0, 0], |medium| medium.size)
    }

    /// The record as one text: the field in which spans are, or its text, if that is all it has, or
    /// else every field on a line of its own.
    pub(super) fn text(&self, project: &Project) -> String {
        if let Task::Spans { field, .. } = &project.task {
            return self.value(field.as_str()).map_or_else(String::new, Value::shown);
        }
        if let [(name, value)] = self.fields.as_slice()
            && project.field(name).is_some_and(|field| field.kind == FieldKind::Text)
        {
            return value.shown();
        }
        let line = |(name, value): &(String, Value)| {
            let title = project.field(name).map_or(name.as_str(), |field| field.title.as_str());
            format!("{title}: {}", value.shown())
        };
        self.fields.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Given {
    fn of(stage: Stage, past: &[PastRead], prelabel: Option<&Prelabel>) -> Option<Self> {
        let reads: Vec<Read> = past.iter().map(|past| past.read.clone()).collect();
        if let Some(label) = label_of_record(&reads) {
            let gave = |past: &&PastRead| past.label() == Some(label);
            let decides = |past: &&PastRead| gave(past) && past.read.reading.decides();
            let first = |past: &&PastRead| gave(past) && past.read.reading == Reading::First;
            let given = past.iter().rfind(decides).or_else(|| past.iter().find(first))?;
            let by = match given.read.reading {
                Reading::Expert => By::Expert,
                Reading::Campaign => By::Campaign,
                Reading::Review => By::Reviewer,
                Reading::First | Reading::Second | Reading::Validation | Reading::Gold => {
                    By::Annotator
                }
            };
            return Some(Self { label: label.clone(), by, made_at: Some(given.made_at) });
        }
        let accepted = prelabel.filter(|_| stage == Stage::Accepted)?;
        Some(Self { label: accepted.label().clone(), by: By::Model, made_at: None })
    }
}

/// What people are called in a snapshot.
pub(super) struct People {
    names: Option<HashMap<i64, String>>,
}

impl People {
    /// Their names, if they are wanted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn read(tx: &Tx<'_>, names: bool) -> Result<Self, StoreError> {
        let all = if names { Some(tx.people()?) } else { None };
        let names =
            all.map(|all| all.into_iter().map(|person| (person.person, person.name)).collect());
        Ok(Self { names })
    }

    /// A person's name, or a word with their number.
    pub(super) fn name(&self, person: i64) -> String {
        self.names
            .as_ref()
            .and_then(|names| names.get(&person).cloned())
            .unwrap_or_else(|| format!("person-{person}"))
    }
}

/// A reading's name in a snapshot.
pub(super) fn reading(reading: Reading) -> &'static str {
    match reading {
        Reading::First => "first",
        Reading::Second => "second, blind",
        Reading::Expert => "expert",
        Reading::Campaign => "campaign",
        Reading::Validation => "validation",
        Reading::Gold => "gold",
        Reading::Review => "review",
    }
}

/// Unix seconds as RFC 3339.
pub(super) fn time(second: i64) -> String {
    Timestamp::from_second(second).map(|at| at.to_string()).unwrap_or_default()
}
