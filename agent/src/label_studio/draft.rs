//! Drafts in Label Studio's form.

use insitu_protocol::ids::Digest;
use serde_json::{Value, json};

use super::schema::Schema;
use crate::prelabel::Prelabel;
use crate::store::acceptance::Audit;
use crate::store::orders::ProjectRow;
use crate::store::{StoreError, Tx};

/// Hexadecimal digits of a digest that make a version's name.
const VERSION_DIGITS: usize = 16;

/// What is said of a task.
pub(super) struct Given {
    /// Label Studio's `result`; an empty list abstains.
    pub(super) result: Value,
    /// How often such a draft is right, in `[0, 1]`; 0 where there is none.
    pub(super) score: f64,
    /// Who made the draft.
    pub(super) maker: Option<Digest>,
}

/// The draft of an item; none where it has none yet, its task is not an item, or whoever reads it
/// must not see what the model says.
pub(super) fn given(
    tx: &Tx<'_>,
    project: &ProjectRow,
    schema: &Schema,
    task: u64,
    item: Option<i64>,
) -> Result<Given, StoreError> {
    let row = item.map(|item| tx.item(item)).transpose()?.flatten();
    let row = row.filter(|row| row.audit != Audit::Chosen);
    let prelabel = row.and_then(|row| row.prelabel).as_deref().map(Prelabel::decode).transpose()?;
    let class = prelabel.as_ref().and_then(Prelabel::class);
    let (Some(prelabel), Some(class)) = (prelabel, class) else {
        return Ok(Given { result: json!([]), score: 0.0, maker: None });
    };
    let score = prelabel.confidence().clamp(0.0, 1.0);
    let result = schema.result(&project.definition, task, class, score);
    Ok(Given { result, score, maker: Some(prelabel.bundle()) })
}

/// The version under which Label Studio knows drafts of this maker: it asks for those of a new one.
pub(super) fn version(maker: Option<&Digest>) -> String {
    match maker {
        Some(digest) => format!("insitu-{}", &digest.to_hex()[..VERSION_DIGITS]),
        None => "insitu-none".to_owned(),
    }
}
