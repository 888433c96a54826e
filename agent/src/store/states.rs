//! How far what was ordered has come: each row has a state, and a note that says why.

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
        self.move_row(("bundles", "bundle"), &bundle.0, (from.name(), to.name()), note)
    }

    /// Moves the row of this key in a column of a table on, if it is in the first of two states; says
    /// whether it was.
    pub(super) fn move_row(
        &self,
        (table, column): (&str, &str),
        key: &[u8],
        (from, to): (&str, &str),
        note: &str,
    ) -> Result<bool, StoreError> {
        let sql =
            format!("UPDATE {table} SET state = ?1, note = ?2 WHERE {column} = ?3 AND state = ?4");
        Ok(self.sql.execute(&sql, params![to, note, key, from])? == 1)
    }

    /// Takes the notes from the bundles of a project that are ready: what was tried before another one
    /// came into use is not tried again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn clear_ready_notes(&self, project: &ProjectName) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE bundles SET note = '' WHERE project = ?1 AND state = ?2",
            params![project.as_str(), BundleState::Ready.name()],
        )?;
        Ok(())
    }
}
