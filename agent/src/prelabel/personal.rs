//! A head of the site's own: how it is kept, and what is said of it. It is fitted in
//! `learn`, serves prelabels ([`Model::serve`]) and nothing else, and never leaves.

use insitu_models::head::Head;
use insitu_models::personal::Choice;
use insitu_protocol::ids::{Digest, digest};
use serde::{Deserialize, Serialize};

use super::{Model, Origin, Prelabel};
use crate::store::items::ItemRow;
use crate::store::orders::ProjectRow;
use crate::store::personal::PersonalRow;
use crate::store::{StoreError, Tx};

/// A personal head: the mix of the bundle's head and the site's own, and how it was chosen.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonalHead {
    share: f64,
    lessons: u64,
    held_out: u64,
    right_global: u64,
    right_personal: u64,
    /// The mix as [`Head::encode`] writes it; empty when the bundle's head serves.
    head: Vec<u8>,
}

impl std::fmt::Debug for PersonalHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonalHead(..)")
    }
}

/// A head of the site's own at work.
#[derive(Debug)]
pub(super) struct Personal {
    pub(super) head: Head,
    pub(super) maker: Digest,
}

/// How a personal head does, for the site's own people. It is exact, and stays at the site.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Weight of the site's own head in the one that serves; 0 when the bundle's serves alone.
    pub share: f64,
    /// Corrected items that it was fitted to.
    pub lessons: u64,
    /// Held-out corrected items by which the share was chosen, one a subject.
    pub held_out: u64,
    /// Share of these about which the bundle's head is right.
    pub accuracy_global: Option<f64>,
    /// Share of these about which the head that serves is right. It was chosen by the same items,
    /// which flatters it a little.
    pub accuracy_personal: Option<f64>,
}

/// What the bundle's own head says of an item, whatever was served in its place, else the prelabel:
/// what statistics and campaigns go by. A head of the site's own knows everybody's labels, as
/// propagation and fitted rules do; were they to decide what is counted, one subject's labels would
/// move what is counted of others. So there is none where nothing but such a draft is known.
///
/// # Errors
/// [`StoreError`].
pub fn of_bundle(row: &ItemRow) -> Result<Option<Prelabel>, StoreError> {
    let origin = row.origin.as_deref().map(Origin::decode).transpose()?;
    let of_others = origin.is_some_and(|origin| origin.is_of_others());
    let served = row.prelabel.as_deref().filter(|_| !of_others);
    row.of_bundle.as_deref().or(served).map(Prelabel::decode).transpose()
}

impl Model {
    /// Lets a head of the site's own make prelabels from now on, or none.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for one that does not fit; the bundle's head serves then.
    pub fn serve(&mut self, personal: Option<&PersonalHead>) -> Result<(), StoreError> {
        self.personal = None;
        if let Some(personal) = personal
            && let Some(head) = personal.head(self.predictor.head())?
        {
            self.personal = Some(Personal { head, maker: personal.maker(&self.bundle) });
        }
        Ok(())
    }

    /// What makes prelabels: the bundle, or a head of the site's own.
    pub fn maker(&self) -> Digest {
        self.personal.as_ref().map_or(self.bundle, |personal| personal.maker)
    }
}

impl PersonalHead {
    /// A head fitted to so many lessons, which serves by its share.
    pub fn new(mix: &Head, choice: Choice, lessons: usize) -> Self {
        let Choice { share, items, right_global, right_mixed } = choice;
        Self {
            share,
            lessons: lessons as u64,
            held_out: items as u64,
            right_global: right_global as u64,
            right_personal: right_mixed as u64,
            head: if share > 0.0 { mix.encode() } else { Vec::new() },
        }
    }

    /// What its prelabels name in place of `bundle`.
    pub fn maker(&self, bundle: &Digest) -> Digest {
        if self.head.is_empty() {
            return *bundle;
        }
        let parts = [b"insitu 2026 personal head".as_slice(), &bundle.0, &self.head];
        digest(&parts.concat())
    }

    /// The head that serves in place of `global`, if one does.
    fn head(&self, global: &Head) -> Result<Option<Head>, StoreError> {
        if self.head.is_empty() {
            return Ok(None);
        }
        global.shape().decode(&self.head).map(Some).map_err(|_| corrupt())
    }

    /// How it does.
    pub fn standing(&self) -> Standing {
        let of = |right: u64| (self.held_out > 0).then(|| right as f64 / self.held_out as f64);
        Standing {
            share: self.share,
            lessons: self.lessons,
            held_out: self.held_out,
            accuracy_global: of(self.right_global),
            accuracy_personal: of(self.right_personal),
        }
    }

    /// Stores it as the project's, for `bundle`, fitted when the project had so many labels.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store(
        &self,
        tx: &Tx<'_>,
        project: i64,
        bundle: &Digest,
        labels: u64,
    ) -> Result<(), StoreError> {
        let head = postcard::to_allocvec(self).map_err(|_| corrupt())?;
        let row = PersonalRow { bundle: *bundle, maker: self.maker(bundle), labels, head };
        tx.put_personal_head(project, &row)
    }

    /// The project's, if it has one for the bundle in use.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(tx: &Tx<'_>, project: &ProjectRow) -> Result<Option<Self>, StoreError> {
        let row = tx.personal_head(project.project)?;
        let Some(row) = row.filter(|row| Some(row.bundle) == project.bundle) else {
            return Ok(None);
        };
        postcard::from_bytes(&row.head).map(Some).map_err(|_| corrupt())
    }
}

fn corrupt() -> StoreError {
    StoreError::Corrupt { table: "personal_heads", column: "head" }
}
