//! The vault: what surrogates stand for, sealed, and the record of who has asked.

use rusqlite::params;

use crate::store::{Cell, StoreError, Tx, unsigned};

const TABLE: &str = "vault";
const ITEMS: &str = "vault_items";

/// In place of a kind: everything that was replaced in one item.
pub const WHOLE_ITEM: &str = "item";

/// Somebody has asked for what a surrogate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reveal {
    /// When, Unix seconds.
    pub at: i64,
    /// Who: a person's name.
    pub person: String,
    /// The kind of personal data; [`WHOLE_ITEM`] where everything of an item was asked for.
    pub kind: String,
    /// The surrogate; of a whole item its name.
    pub surrogate: String,
    /// Why, in the person's words.
    pub reason: String,
    /// How many originals were shown.
    pub found: u64,
}

/// Something of an item that was replaced.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Kind and surrogate; unknown of what was kept before version 20 of the store.
    pub shown: Option<(String, String)>,
    /// What was there.
    pub original: String,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(..)")
    }
}

impl Tx<'_> {
    /// Keeps what a surrogate stands for, and for which item: it goes when the last such item is
    /// erased. Two originals may have the same surrogate.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_original(
        &self,
        kind: &str,
        surrogate: &str,
        original: &str,
        item: Option<i64>,
    ) -> Result<(), StoreError> {
        let shown = (kind, surrogate);
        let (surrogate, original_hash) = (self.hash(kind, surrogate), self.hash(kind, original));
        if let Some(item) = item {
            let row = item_row(item, &surrogate, &original_hash);
            let cell = Cell { table: ITEMS, row: &row, column: "shown" };
            let bytes = postcard::to_allocvec(&shown)
                .map_err(|_| StoreError::Corrupt { table: ITEMS, column: "shown" })?;
            let shown = self.seal(cell, &bytes)?;
            self.sql
                .prepare_cached(
                    "INSERT INTO vault_items (item, surrogate, original, shown)
                     VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                )?
                .execute(params![item, surrogate, original_hash, shown])?;
        }
        let known = self
            .sql
            .prepare_cached("SELECT 1 FROM vault WHERE surrogate = ?1 AND original = ?2")?
            .exists(params![surrogate, original_hash])?;
        if known {
            return Ok(());
        }
        let row = [surrogate, original_hash].concat();
        let cell = Cell { table: TABLE, row: &row, column: "sealed" };
        let sealed = self.seal(cell, original.as_bytes())?;
        self.sql
            .prepare_cached("INSERT INTO vault (surrogate, original, sealed) VALUES (?1, ?2, ?3)")?
            .execute(params![surrogate, original_hash, sealed])?;
        Ok(())
    }

    /// What a surrogate stands for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn originals(&self, kind: &str, surrogate: &str) -> Result<Vec<String>, StoreError> {
        let hash = self.hash(kind, surrogate);
        let mut statement =
            self.sql.prepare_cached("SELECT original, sealed FROM vault WHERE surrogate = ?1")?;
        let mut rows = statement.query([hash])?;
        let mut originals = Vec::new();
        while let Some(row) = rows.next()? {
            let original: Vec<u8> = row.get(0)?;
            originals.push(self.original(&hash, &original, &row.get::<_, Vec<u8>>(1)?)?);
        }
        originals.sort_unstable();
        Ok(originals)
    }

    /// Everything that was replaced in an item.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn kept_of(&self, item: i64) -> Result<Vec<Kept>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT i.surrogate, i.original, i.shown, v.sealed
             FROM vault_items i JOIN vault v USING (surrogate, original) WHERE i.item = ?1",
        )?;
        let mut rows = statement.query([item])?;
        let mut kept = Vec::new();
        while let Some(row) = rows.next()? {
            let (surrogate, original): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let shown: Option<Vec<u8>> = row.get(2)?;
            let shown = shown.map(|sealed| {
                let row = item_row(item, &surrogate, &original);
                let plain =
                    self.open(Cell { table: ITEMS, row: &row, column: "shown" }, &sealed)?;
                postcard::from_bytes(&plain)
                    .map_err(|_| StoreError::Corrupt { table: ITEMS, column: "shown" })
            });
            let original = self.original(&surrogate, &original, &row.get::<_, Vec<u8>>(3)?)?;
            kept.push(Kept { shown: shown.transpose()?, original });
        }
        kept.sort_unstable();
        Ok(kept)
    }

    /// Opens an original by the hashes that name it.
    fn original(
        &self,
        surrogate: &[u8],
        original: &[u8],
        sealed: &[u8],
    ) -> Result<String, StoreError> {
        let row = [surrogate, original].concat();
        let plain = self.open(Cell { table: TABLE, row: &row, column: "sealed" }, sealed)?;
        String::from_utf8(plain).map_err(|_| StoreError::Corrupt { table: TABLE, column: "sealed" })
    }

    /// Records that a person has asked, whatever was found, and gives the record's number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_reveal(&self, person: i64, reveal: &Reveal) -> Result<i64, StoreError> {
        self.sql.execute(
            "INSERT INTO reveals (at, person, kind, surrogate, reason, found)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                reveal.at,
                person,
                reveal.kind,
                reveal.surrogate,
                reveal.reason,
                crate::store::signed(reveal.found)
            ],
        )?;
        Ok(self.sql.last_insert_rowid())
    }

    /// Everything that was asked, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reveals(&self, limit: u32) -> Result<Vec<Reveal>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT r.at, p.name, r.kind, r.surrogate, r.reason, r.found
             FROM reveals r JOIN people p ON p.person = r.person ORDER BY r.reveal DESC LIMIT ?1",
        )?;
        let mut rows = statement.query([limit])?;
        let mut reveals = Vec::new();
        while let Some(row) = rows.next()? {
            reveals.push(Reveal {
                at: row.get(0)?,
                person: row.get(1)?,
                kind: row.get(2)?,
                surrogate: row.get(3)?,
                reason: row.get(4)?,
                found: unsigned(row.get(5)?, "reveals", "found")?,
            });
        }
        Ok(reveals)
    }

    fn hash(&self, kind: &str, text: &str) -> [u8; 32] {
        self.keys.hash(TABLE, &[kind.as_bytes(), text.as_bytes()])
    }
}

/// What names a row of `vault_items`.
fn item_row(item: i64, surrogate: &[u8], original: &[u8]) -> Vec<u8> {
    [&item.to_le_bytes()[..], surrogate, original].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::labels::{Role, Terms};
    use crate::store::tests::scratch;
    use crate::testing;

    #[test]
    fn what_was_replaced_in_an_item_is_found_by_the_item() {
        let (scratch, project) = testing::with_project();
        testing::add_items(&scratch.store, &project, 0..2, 2);
        let kept = |kind: &str, surrogate: &str, original: &str| Kept {
            shown: Some((kind.to_owned(), surrogate.to_owned())),
            original: original.to_owned(),
        };
        scratch
            .store
            .tx("test", |tx| {
                tx.keep_original("NAME", "Laura Keller", "Jane Roe", Some(1))?;
                tx.keep_original("NAME", "Laura Keller", "Jane Roe", Some(1))?;
                tx.keep_original("DATE", "3 May", "1 May", Some(1))?;
                tx.keep_original("NAME", "Max Kern", "Ada Poe", Some(2))?;
                let first =
                    [kept("DATE", "3 May", "1 May"), kept("NAME", "Laura Keller", "Jane Roe")];
                assert_eq!(tx.kept_of(1)?, first);
                assert_eq!(tx.kept_of(2)?, [kept("NAME", "Max Kern", "Ada Poe")]);
                // As the store was before it kept surrogates.
                tx.sql.execute("UPDATE vault_items SET shown = NULL WHERE item = 2", [])?;
                let old = Kept { shown: None, original: "Ada Poe".to_owned() };
                assert_eq!(tx.kept_of(2)?, [old]);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    #[test]
    fn what_a_surrogate_stands_for_is_found_by_kind_and_surrogate() {
        let scratch = scratch();
        scratch
            .store
            .tx("test", |tx| {
                tx.keep_original("NAME", "Laura Keller", "Jane Roe", None)?;
                tx.keep_original("NAME", "Laura Keller", "Jane Roe", None)?;
                tx.keep_original("NAME", "Laura Keller", "Ada Poe", None)?;
                assert_eq!(tx.originals("NAME", "Laura Keller")?, ["Ada Poe", "Jane Roe"]);
                assert!(tx.originals("ADDRESS", "Laura Keller")?.is_empty());
                assert!(tx.originals("NAME", "Laura")?.is_empty());
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    #[test]
    fn questions_are_recorded() {
        let scratch = scratch();
        let asked = |at| Reveal {
            at,
            person: "ada".to_owned(),
            kind: "NAME".to_owned(),
            surrogate: "x".to_owned(),
            reason: "recall".to_owned(),
            found: 1,
        };
        scratch
            .store
            .tx("test", |tx| {
                let person =
                    tx.add_person("ada", Role::Steward, Terms::default(), &[1; 32], 0)?.unwrap();
                tx.add_reveal(person, &asked(1))?;
                tx.add_reveal(person, &asked(2))?;
                assert_eq!(tx.reveals(10)?, [asked(2), asked(1)]);
                assert_eq!(tx.reveals(1)?.len(), 1);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}
