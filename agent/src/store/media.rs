//! Images and series, sealed beside the items that they are of.

use rusqlite::{OptionalExtension, params};

use crate::store::{Cell, StoreError, Tx};

impl Tx<'_> {
    /// Keeps what lies beside a new item, by field.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn add_media(
        &self,
        item: i64,
        opaque: &[u8; 16],
        media: &[(String, Vec<u8>)],
    ) -> Result<(), StoreError> {
        for (field, bytes) in media {
            let sealed = self.seal(cell(&name(opaque, field)), bytes)?;
            self.sql
                .prepare_cached("INSERT INTO media (item, field, content) VALUES (?1, ?2, ?3)")?
                .execute(params![item, field, sealed])?;
        }
        Ok(())
    }

    /// What lies beside an item in a field.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn media(
        &self,
        item: i64,
        opaque: &[u8; 16],
        field: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT content FROM media WHERE item = ?1 AND field = ?2")?
            .query_row(params![item, field], |row| row.get(0))
            .optional()?;
        sealed.map(|sealed| self.open(cell(&name(opaque, field)), &sealed)).transpose()
    }
}

/// An item's field, as nothing else is named.
fn name(opaque: &[u8; 16], field: &str) -> Vec<u8> {
    [opaque, field.as_bytes()].concat()
}

fn cell(name: &[u8]) -> Cell<'_> {
    Cell { table: "media", row: name, column: "content" }
}
