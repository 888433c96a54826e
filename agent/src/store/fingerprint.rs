//! Fingerprints of items: by what a known id with other content is told from one that comes again, when
//! what was imported has been replaced by its redacted form.

use crate::store::{StoreError, Tx};

/// Bytes kept of a value's hash.
const HASH_BYTES: usize = 16;
const CORRUPT: StoreError = StoreError::Corrupt { table: "items", column: "fingerprint" };

impl Tx<'_> {
    /// The fingerprint of an item of this name: by field, a keyed hash of each of its encoded values. Of
    /// two items that share a value it is not the same.
    pub(super) fn fingerprint(
        &self,
        opaque: &[u8; 16],
        values: &[(String, Vec<u8>)],
    ) -> Result<Vec<u8>, StoreError> {
        let hash =
            |(field, value): &(String, Vec<u8>)| (field.clone(), self.of(opaque, field, value));
        let hashes: Vec<(String, [u8; HASH_BYTES])> = values.iter().map(hash).collect();
        postcard::to_allocvec(&hashes).map_err(|_| CORRUPT)
    }

    /// Those of these fields of which the item was imported with another value than the encoded one; none
    /// of an item from before there were fingerprints.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn other_values<'a>(
        &self,
        item: i64,
        values: &'a [(String, Vec<u8>)],
    ) -> Result<Vec<&'a str>, StoreError> {
        let (opaque, fingerprint): ([u8; 16], Option<Vec<u8>>) = self
            .sql
            .prepare_cached("SELECT opaque, fingerprint FROM items WHERE item = ?1")?
            .query_row([item], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some(fingerprint) = fingerprint else { return Ok(Vec::new()) };
        let known: Vec<(String, [u8; HASH_BYTES])> =
            postcard::from_bytes(&fingerprint).map_err(|_| CORRUPT)?;
        let is_other = |(field, value): &&(String, Vec<u8>)| {
            let known = known.iter().find(|(name, _)| name == field);
            known.is_some_and(|(_, hash)| *hash != self.of(&opaque, field, value))
        };
        Ok(values.iter().filter(is_other).map(|(field, _)| field.as_str()).collect())
    }

    fn of(&self, opaque: &[u8; 16], field: &str, value: &[u8]) -> [u8; HASH_BYTES] {
        let hash = self.keys.hash("fingerprint", &[opaque, field.as_bytes(), value]);
        let mut kept = [0; HASH_BYTES];
        kept.copy_from_slice(&hash[..HASH_BYTES]);
        kept
    }
}
