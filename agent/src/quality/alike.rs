//! How alike items are: by the values of their fields, and by the bins of the project's features.

use insitu_measure::InvalidInput;
use insitu_measure::propagation::{MinHasher, shingle_hash, shingles};
use insitu_protocol::project::{FieldKind, Project};

use crate::item::CleanItem;

/// Similarity from which on two items share a task.
pub(crate) const ALIKE: f64 = 0.9;
/// Hash functions of a signature: similarity is known within about .04.
const FUNCTIONS: usize = 64;
/// Words of a shingle.
const SHINGLE_WORDS: usize = 3;
/// Equal items have equal signatures.
const SEED: u64 = 1;

/// Makes signatures of a project's items, of which equal parts tell how alike they are.
pub(crate) struct Likeness<'a> {
    hasher: MinHasher,
    project: &'a Project,
}

impl<'a> Likeness<'a> {
    pub(crate) fn new(project: &'a Project) -> Result<Self, InvalidInput> {
        Ok(Self { hasher: MinHasher::new(FUNCTIONS, SEED)?, project })
    }

    /// The signature of an item.
    pub(crate) fn signature(&self, item: &CleanItem) -> Vec<u32> {
        self.hasher.signature(self.members(item))
    }

    /// What is compared: runs of words of texts, and each other value as a whole.
    fn members(&self, item: &CleanItem) -> Vec<u32> {
        let mut members = Vec::new();
        for field in &self.project.fields {
            let Some(value) = item.shown(field) else { continue };
            let mut add = |part: &str| {
                let hash = shingle_hash(&format!("{}\n{part}", field.name));
                members.push(u32::try_from(hash >> 32).unwrap_or_default());
            };
            match field.kind {
                FieldKind::Text => shingles(&value, SHINGLE_WORDS).iter().for_each(|run| add(run)),
                FieldKind::Number | FieldKind::Category | FieldKind::Image | FieldKind::Series => {
                    add(&value)
                }
            }
        }
        members
    }
}

/// The project's features of an item, one dimension for each bin.
pub(crate) fn point(item: &CleanItem, project: &Project) -> Vec<f64> {
    let mut point = Vec::new();
    for (feature, own) in project.features.iter().zip(item.bins(project)) {
        point.extend((0..feature.bin_count()).map(|bin| f64::from(u8::from(bin == own))));
    }
    point
}
