//! Items on their way to people: with a prelabel, or without one.

use rusqlite::params;

use super::items::{Route, Stage, cell};
use crate::store::acceptance::Audit;
use crate::store::{StoreError, Tx};

/// A model's prelabel of an item, if it has one, with where the item goes.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    /// The item's key.
    pub item: i64,
    /// Its name outside the store.
    pub opaque: [u8; 16],
    /// Encoded prelabel; none of an item that its model fails on.
    pub prelabel: Option<&'a [u8]>,
    /// Encoded prelabel by the bundle's own head, where a personal head made that one.
    pub of_bundle: Option<&'a [u8]>,
    /// Encoded probabilities of all classes.
    pub probabilities: Option<&'a [u8]>,
    /// How sure its maker is of each of its marks, encoded.
    pub scores: Option<&'a [u8]>,
    /// Encoded origin, where no model made it.
    pub origin: Option<&'a [u8]>,
    /// It stays when a model could make another.
    pub lasting: bool,
    /// The bundle that made it, or failed.
    pub bundle: [u8; 32],
    /// Who is to look at it.
    pub route: Route,
    /// Whether a second person reads it.
    pub second: bool,
    /// How it stands to the audit of auto-accept.
    pub audit: Audit,
    /// Whom it waits for now.
    pub stage: Stage,
}

impl Tx<'_> {
    /// Stores a prelabel, unless a person has labeled or is about to label the item.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn place(&self, placement: &Placement<'_>, now: i64) -> Result<bool, StoreError> {
        let seal = |column, plain: &[u8]| self.seal(cell(&placement.opaque, column), plain);
        let prelabel = placement.prelabel.map(|prelabel| seal("prelabel", prelabel)).transpose()?;
        let probabilities =
            placement.probabilities.map(|p| seal("probabilities", p)).transpose()?;
        let origin = placement.origin.map(|origin| seal("origin", origin)).transpose()?;
        let scores = placement.scores.map(|scores| seal("scores", scores)).transpose()?;
        let of_bundle = placement.of_bundle.map(|own| seal("of_bundle", own)).transpose()?;
        let changed = self
            .sql
            .prepare_cached(
                "UPDATE items SET prelabel = ?1, bundle = ?2, route = ?3, second = ?4, stage = ?5,
                   probabilities = ?8, origin = ?9, lasting = ?10, of_bundle = ?11, audit = ?12, scores = ?14
                 WHERE item = ?6 AND opaque = ?13 AND stage IN (1, 2, 3, 5)
                   AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.item = items.item)
                   AND NOT EXISTS
                     (SELECT 1 FROM leases l WHERE l.item = items.item AND l.until > ?7)",
            )?
            .execute(params![
                prelabel,
                placement.bundle,
                placement.route as i64,
                placement.second,
                placement.stage as i64,
                placement.item,
                now,
                probabilities,
                origin,
                placement.lasting,
                of_bundle,
                placement.audit as i64,
                placement.opaque,
                scores
            ])?;
        Ok(changed == 1)
    }

    /// Sends a clean item to people without a prelabel.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn place_without_prelabel(
        &self,
        item: i64,
        route: Route,
        second: bool,
        stage: Stage,
    ) -> Result<bool, StoreError> {
        let changed = self
            .sql
            .prepare_cached(
                "UPDATE items SET route = ?1, second = ?2, stage = ?3 WHERE item = ?4 AND stage = 1",
            )?
            .execute(params![route as i64, second, stage as i64, item])?;
        Ok(changed == 1)
    }
}
