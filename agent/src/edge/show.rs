//! What an application is told of an item: its draft and its label, in the application's own places.

use insitu_protocol::project::{Project, Task};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{EdgeError, is_redacted, item};
use crate::label::Label;
use crate::prelabel::Prelabel;
use crate::redact::texts::{Places, Texts};
use crate::review::reads;
use crate::route::label_of_record;
use crate::store::Store;
use crate::store::items::{ItemRow, Stage};
use crate::store::orders::ProjectRow;

/// What an application may know of its item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// `new`, `waiting` for a person, or `done`.
    pub state: &'static str,
    /// The model's draft.
    pub prelabel: Option<Draft>,
    /// The label of record, if people gave one.
    pub label: Option<Value>,
    /// Why neither is told although there is one: nobody can say where they are in the application's text.
    pub withheld: Option<String>,
}

/// A draft as an application sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draft {
    /// The class's name, or the label as the project's task has it.
    pub label: Value,
    /// How often such a draft is right.
    pub confidence: f64,
}

/// What is known of the item of the site's own id. Labels that are places in a text are told as places
/// in that of `fields`, which are the item's as the application has them.
///
/// # Errors
/// `ReviewError::UnknownItem`, in [`EdgeError::Review`].
pub fn show(
    store: &Store,
    texts: &dyn Texts,
    project: &ProjectRow,
    id: &str,
    fields: Option<&Map<String, Value>>,
) -> Result<Shown, EdgeError> {
    let (row, label) = store.read("edge item", |tx| {
        let row = item(tx, project, id)?;
        let label = label_of_record(&reads(&tx.annotations_of(row.item)?)?).cloned();
        Ok::<_, EdgeError>((row, label))
    })?;
    let mut shown = Shown {
        state: match row.stage {
            Stage::New | Stage::Clean | Stage::Quarantined => "new",
            Stage::First | Stage::Second | Stage::Expert | Stage::Review => "waiting",
            Stage::Accepted | Stage::Done => "done",
        },
        prelabel: None,
        label: None,
        withheld: None,
    };
    let prelabel = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
    if prelabel.is_none() && label.is_none() {
        return Ok(shown);
    }
    let places = match places(store, texts, project, &row, fields) {
        Err(EdgeError::Review(error)) => return Err(error.into()),
        Err(error) => {
            shown.withheld = Some(error.to_string());
            return Ok(shown);
        }
        Ok(places) => places,
    };
    let told = |label: &Label| match &places {
        Some(places) => places.there(label).to_json(),
        None => label_name(&project.definition, label),
    };
    shown.prelabel = prelabel
        .map(|prelabel| Draft { label: told(prelabel.label()), confidence: prelabel.confidence() });
    shown.label = label.as_ref().map(told);
    Ok(shown)
}

/// Where places in the application's text are in the item's, and the other way round; `None` where labels
/// are no places in a text.
///
/// # Errors
/// [`EdgeError::Fields`], [`EdgeError::Unredacted`], [`EdgeError::Places`].
pub(super) fn places(
    store: &Store,
    texts: &dyn Texts,
    project: &ProjectRow,
    row: &ItemRow,
    fields: Option<&Map<String, Value>>,
) -> Result<Option<Places>, EdgeError> {
    let Task::Spans { field, .. } = &project.definition.task else { return Ok(None) };
    let field = field.as_str();
    let fields = fields.ok_or_else(|| EdgeError::Fields { field: field.to_owned() })?;
    if !is_redacted(row) {
        return Err(EdgeError::Unredacted);
    }
    Ok(Some(Places::of(texts, store, &project.definition, row, (field, fields))?))
}

/// A class's name, or a label of another kind as it is.
fn label_name(project: &Project, label: &Label) -> Value {
    let Some(class) = label.class() else { return label.to_json() };
    let class = project.class(class);
    Value::from(class.map_or_else(String::new, |class| class.name.to_string()))
}
