//! The vault: what surrogates stand for, sealed, and the record of who has asked.

use rusqlite::params;

use crate::store::{Cell, StoreError, Tx, unsigned};

const TABLE: &str = "vault";

/// Somebody has asked for what a surrogate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reveal {
    /// When, Unix seconds.
    pub at: i64,
    /// Who: a person's name.
    pub person: String,
    /// The kind of personal data.
    pub kind: String,
    /// The surrogate.
    pub surrogate: String,
    /// Why, in the person's words.
    pub reason: String,
    /// How many originals were shown.
    pub found: u64,
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
        let (surrogate, original_hash) = (self.hash(kind, surrogate), self.hash(kind, original));
        if let Some(item) = item {
            self.sql
                .prepare_cached(
                    "INSERT INTO vault_items (item, surrogate, original) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO NOTHING",
                )?
                .execute(params![item, surrogate, original_hash])?;
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
            let name = [&hash[..], &original[..]].concat();
            let cell = Cell { table: TABLE, row: &name, column: "sealed" };
            let plain = self.open(cell, &row.get::<_, Vec<u8>>(1)?)?;
            originals.push(
                String::from_utf8(plain)
                    .map_err(|_| StoreError::Corrupt { table: TABLE, column: "sealed" })?,
            );
        }
        originals.sort_unstable();
        Ok(originals)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::labels::{Role, Terms};
    use crate::store::tests::scratch;

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
