//! What commands compute with of stored items: their names, how alike they are, their features and
//! texts.

use std::collections::HashMap;

use insitu_daemon::exit;
use insitu_measure::propagation::near_duplicates;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::ProjectName;
use insitu_protocol::project::{FieldKind, Project};

use super::{Context, Failure};
use crate::item::CleanItem;
use crate::prelabel::{self, Model, Shelf};
use crate::quality::alike::{Likeness, point};
use crate::quality::snapshot::Snapshot;
use crate::review::ReviewError;
use crate::store::StoreError;
use crate::store::orders::ProjectRow;

/// Items read in one transaction.
const PAGE_ITEMS: usize = 128;
/// Most numbers of all features (256 MiB).
const NUMBERS_MAX: usize = 1 << 26;

/// Some items, in the order in which they were asked for.
pub(super) struct Content {
    /// Names outside the store.
    pub(super) names: Vec<Fixed<16>>,
    /// Of which equal parts tell how alike items are.
    pub(super) signatures: Vec<Vec<u32>>,
    /// BLAKE3 of all that an item holds, for the project: equal items have equal ones.
    pub(super) digests: Vec<[u8; 32]>,
    /// Number of features; 0 where they were not asked for.
    pub(super) dimensions: usize,
    /// Features, row-major, shape `[items, dimensions]`: the model's, else the project's bins.
    pub(super) points: Vec<f32>,
}

impl Content {
    /// Reads items by their keys, a page at a time.
    ///
    /// # Errors
    /// [`Failure`] when an item is gone, the model does not run, or there are too many features.
    pub(super) fn read(
        context: &Context,
        project: &Project,
        keys: &[i64],
        features: bool,
        model: &mut Option<Model>,
    ) -> Result<Self, Failure> {
        let likeness = Likeness::new(project).map_err(|error| Failure::refused(&error))?;
        let mut found = Self {
            names: Vec::with_capacity(keys.len()),
            signatures: Vec::with_capacity(keys.len()),
            digests: Vec::with_capacity(keys.len()),
            dimensions: 0,
            points: Vec::new(),
        };
        for page in keys.chunks(PAGE_ITEMS) {
            let items = context.store.read("content", |tx| {
                let row = |key: &i64| {
                    let row = tx.item(*key)?;
                    let row = row.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
                    Ok((Fixed(row.opaque), CleanItem::load(&row)?))
                };
                page.iter().map(row).collect::<Result<Vec<_>, StoreError>>()
            })?;
            let (names, items): (Vec<Fixed<16>>, Vec<CleanItem>) = items.into_iter().unzip();
            found.names.extend(names);
            found.signatures.extend(items.iter().map(|item| likeness.signature(item)));
            found.digests.extend(items.iter().map(|item| digest(item, project)));
            if features {
                found.add_features(project, &items, model)?;
            }
        }
        Ok(found)
    }

    fn add_features(
        &mut self,
        project: &Project,
        items: &[CleanItem],
        model: &mut Option<Model>,
    ) -> Result<(), Failure> {
        match model {
            Some(model) => {
                self.dimensions = model.head().features();
                let points = model.features(items).map_err(|error| Failure::runtime(&error))?;
                self.points.extend(points);
            }
            None => {
                self.dimensions = project.features.iter().map(|f| f.bin_count()).sum();
                #[expect(clippy::cast_possible_truncation, reason = "zeros and ones")]
                let bins = items.iter().flat_map(|item| point(item, project)).map(|bin| bin as f32);
                self.points.extend(bins);
            }
        }
        if self.points.len() > NUMBERS_MAX {
            let found = self.points.len();
            let text = format!("more than {NUMBERS_MAX} features of all items ({found} so far)");
            return Err(Failure::text(exit::REFUSED, text));
        }
        Ok(())
    }

    /// Names as people write them.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().map(|name| name.to_hex()).collect()
    }
}

fn digest(item: &CleanItem, project: &Project) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for field in &project.fields {
        let value = item.shown(field);
        // In any case of letters, as runs of words are compared, too.
        let value = match field.kind {
            FieldKind::Text => value.map(|text| text.to_lowercase()),
            FieldKind::Number | FieldKind::Category | FieldKind::Image | FieldKind::Series => value,
        };
        let length = value.as_ref().map_or(u64::MAX, |text| text.len() as u64);
        hasher.update(&length.to_le_bytes()).update(value.unwrap_or_default().as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// A project's labels, and what waits for one.
///
/// # Errors
/// [`Failure`] without such a project.
pub(super) fn snapshot(context: &Context, name: &ProjectName) -> Result<Snapshot, Failure> {
    Snapshot::read(&context.store, name).map_err(|error| {
        if let ReviewError::Store(error) = error {
            return Failure::from(error);
        }
        Failure::refused(&error)
    })
}

/// Loads the model in use; `None` before there is one.
///
/// # Errors
/// [`Failure`] when it does not load.
pub(super) fn model_in_use(
    context: &Context,
    project: &ProjectRow,
) -> Result<Option<Model>, Failure> {
    let Some(digest) = project.bundle else { return Ok(None) };
    let Some(row) = context.store.read("bundle", |tx| tx.bundle(&digest))? else {
        return Ok(None);
    };
    let refused = |error: &dyn std::error::Error| Failure::refused(error);
    let bundle = Shelf::new(&context.config.data)
        .bundle(&row.order.manifest.0)
        .map_err(|error| refused(&error))?;
    let engine = prelabel::engine(context.config.inference.library.as_ref())
        .map_err(|error| Failure::configuration(&error))?;
    Ok(Some(Model::load(&engine, &bundle).map_err(|error| refused(&error))?))
}

/// The group of near-duplicates of each item, named by its first.
pub(super) fn groups(signatures: &[Vec<u32>], similarity: f64) -> Result<Vec<usize>, Failure> {
    if similarity < 1.0 {
        return near_duplicates(signatures, similarity).map_err(|error| Failure::refused(&error));
    }
    let mut first = HashMap::new();
    Ok(signatures.iter().enumerate().map(|(at, one)| *first.entry(one).or_insert(at)).collect())
}
