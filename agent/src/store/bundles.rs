//! How far ordered bundles have come.

use insitu_protocol::ids::{Digest, ProjectName};
use rusqlite::params;

use crate::store::orders::BundleState;
use crate::store::{StoreError, Tx};

impl Tx<'_> {
    /// Moves a bundle on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_bundle_state(
        &self,
        bundle: &Digest,
        state: BundleState,
        note: &str,
    ) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE bundles SET state = ?1, note = ?2 WHERE bundle = ?3",
            params![state.name(), note, bundle.0],
        )?;
        Ok(())
    }

    /// Moves a bundle on if it still is where whoever decides this saw it: the steward, or an order, may
    /// have decided otherwise meanwhile. Whether it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn move_bundle(
        &self,
        bundle: &Digest,
        from: BundleState,
        to: BundleState,
        note: &str,
    ) -> Result<bool, StoreError> {
        let changed = self.sql.execute(
            "UPDATE bundles SET state = ?1, note = ?2 WHERE bundle = ?3 AND state = ?4",
            params![to.name(), note, bundle.0, from.name()],
        )?;
        Ok(changed > 0)
    }

    /// Takes the notes from the bundles of a project that are ready: what was tried before another one
    /// came into use is not tried again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn clear_ready_notes(&self, project: &ProjectName) -> Result<(), StoreError> {
        for row in self.bundles()? {
            if row.order.project == *project && !row.note.is_empty() {
                self.move_bundle(&row.bundle, BundleState::Ready, BundleState::Ready, "")?;
            }
        }
        Ok(())
    }
}
