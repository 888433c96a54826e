//! Erasing items: every table that holds something of an item, and what becomes of it.

use std::collections::BTreeSet;

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::Digest;
use rusqlite::{ErrorCode, OptionalExtension as _, Row, params};

use crate::store::{Store, StoreError, Tx, fixed, unsigned};

/// Meta name of the mark that erased bytes may still be in the store's files.
const UNSCRUBBED: &str = "unscrubbed";
/// Meta name of how often something was erased.
const ERASURES: &str = "erasures";
/// Meta name of how often something that was erased was allowed to come back.
const ALLOWANCES: &str = "allowances";
/// Meta name of how often something had been erased when the store's file was written anew.
const REWRITTEN: &str = "rewritten";
/// The project of an erasure in all of them.
pub const EVERY_PROJECT: i64 = 0;

/// What becomes of a table when an item is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its rows whose `item` is the item's key go.
    RowsGo,
    /// What is of the item is taken out of it, by code of its own.
    Mended,
    /// It holds nothing of an item, or what may stay: why.
    Stays(&'static str),
}

/// Every table of the store; those whose rows go in the order in which they do.
const FATES: &[(&str, Fate)] = &[
    ("leases", Fate::RowsGo),
    ("campaign_items", Fate::RowsGo),
    ("gold", Fate::RowsGo),
    ("corrections", Fate::RowsGo),
    ("annotations", Fate::RowsGo),
    ("media", Fate::RowsGo),
    // Those about no item yet go by `label_studio::forget`, which can read them.
    ("studio_events", Fate::RowsGo),
    ("studio_annotations", Fate::RowsGo),
    ("studio_tasks", Fate::RowsGo),
    ("vault_items", Fate::RowsGo),
    ("items", Fate::RowsGo),
    ("vault", Fate::Mended),
    ("snapshots", Fate::Mended),
    ("personal_heads", Fate::Mended),
    ("calibrations", Fate::Mended),
    ("trail", Fate::Stays("random names of items and keyed hashes of subjects: the tombstone")),
    ("trail_checkpoints", Fate::Stays("signatures over the log")),
    ("erased", Fate::Stays("keyed hashes, so that what was erased does not come back")),
    ("ledger", Fate::Stays("noised releases, which left and stay charged, and what they cost")),
    ("checkpoints", Fate::Stays("signatures over the ledger")),
    ("losses", Fate::Stays("sums of charges")),
    ("inherited", Fate::Stays("sums of charges")),
    (
        "reveals",
        Fate::Stays("who asked for what a surrogate stood for: the surrogate, not the original"),
    ),
    ("acceptance", Fate::Stays("counts of audited items by class")),
    ("review_stages", Fate::Stays("settings of projects")),
    ("meta", Fate::Stays("single values of the site")),
    ("projects", Fate::Stays("definitions")),
    ("people", Fate::Stays("the site's own people")),
    ("passwords", Fate::Stays("of the site's own people")),
    ("sign_ins", Fate::Stays("of the site's own people")),
    ("identities", Fate::Stays("who the site's own people are at its provider")),
    ("bundles", Fate::Stays("the federation's models")),
    ("rounds", Fate::Stays("orders")),
    ("campaigns", Fate::Stays("orders")),
    ("evaluations", Fate::Stays("orders")),
    ("approvals", Fate::Stays("decisions about models")),
    ("exports", Fate::Stays("folders of snapshots that are being written, which an erasure names")),
    ("stages", Fate::Stays("counts of items by stage")),
    (
        "sessions",
        Fate::Stays(
            "keys, and messages with sums that were noised, charged and masked; gone with the session's end",
        ),
    ),
    ("peers", Fate::Stays("other sites' keys")),
    ("function_sets", Fate::Stays("rules")),
    ("item_floor", Fate::Stays("the greatest key that an item had")),
    (
        "watched",
        Fate::Stays("files by keyed hash, with sealed names: what was imported once stays so"),
    ),
];

/// An item that is to be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Key in this store.
    pub item: i64,
    /// Key of its project.
    pub project: i64,
    /// Name outside the store.
    pub opaque: [u8; 16],
    /// Stands for its subject.
    pub subject: [u8; 32],
    /// The row of the audit log that is about its import, where it was noted.
    pub imported: Option<i64>,
}

/// What an erasure took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Rows by table, of those whose rows go.
    pub rows: Vec<(&'static str, u64)>,
    /// Originals in the vault that no other item has.
    pub originals: u64,
    /// Heads of the site's own that had learned from the items.
    pub heads: u64,
    /// Snapshots that hold the items, oldest first.
    pub snapshots: Vec<SnapshotRow>,
    /// Folders in which snapshots of the items' projects are being written, or were when their export was
    /// killed: they may hold the items.
    pub exports: Vec<String>,
    /// Label Studio's own numbers of the items' tasks, with the project's key.
    pub tasks: Vec<(i64, u64)>,
}

/// A dataset snapshot that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRow {
    /// Its hash.
    pub snapshot: Digest,
    /// When, Unix seconds.
    pub at: i64,
    /// Where it was written to.
    pub folder: String,
}

impl Store {
    /// Writes the store's file anew and empties the write-ahead log. SQLite zeroes what is deleted, but
    /// when a page was split before, what moved may still be in the slack of the old one. `false` when
    /// somebody reads and it must be tried again.
    ///
    /// Nothing is written anew while somebody reads what is in the log, which would keep all of it there;
    /// and only once for the same erasures, also when somebody begins to read meanwhile.
    ///
    /// # Errors
    /// [`StoreError`], also when there is no room for a second copy of the store.
    pub fn scrub(&self) -> Result<bool, StoreError> {
        let failed = |source| StoreError::from(source).during("scrub");
        let empty_log = || self.checkpoints.empty_now(&self.writer).map_err(failed);
        if !empty_log()? {
            return Ok(false);
        }
        let (erasures, rewritten) =
            self.read("erasures", |tx| Ok::<_, StoreError>((tx.erasures()?, tx.meta(REWRITTEN)?)))?;
        if rewritten.as_deref() != Some(&erasures.to_le_bytes()) {
            let turn = self.writer.alone();
            match turn.connection().execute_batch("VACUUM") {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                    return Ok(false);
                }
                vacuumed => vacuumed.map_err(failed)?,
            }
            drop(turn);
            self.tx("rewritten", |tx| tx.set_meta(REWRITTEN, &erasures.to_le_bytes()))?;
            if !empty_log()? {
                return Ok(false);
            }
        }
        self.tx("scrubbed", |tx| {
            // Somebody may have erased more since.
            let all = tx.erasures()? == erasures;
            if all {
                tx.clear_meta(UNSCRUBBED)?;
            }
            Ok(all)
        })
    }
}

impl Tx<'_> {
    /// Items of a subject, in one project or in all of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items_of_subject(
        &self,
        subject: &[u8; 32],
        project: i64,
    ) -> Result<Vec<Doomed>, StoreError> {
        let sql = format!("{DOOMED} WHERE subject = ?1 AND (?2 = 0 OR project = ?2) ORDER BY item");
        let mut statement = self.sql.prepare(&sql)?;
        let rows = statement.query_map(params![subject, project], doomed)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// An item as it is to be erased.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn doomed(&self, item: i64) -> Result<Option<Doomed>, StoreError> {
        let sql = format!("{DOOMED} WHERE item = ?1");
        Ok(self.sql.prepare(&sql)?.query_row([item], doomed).optional()?)
    }

    /// Removes everything that is of these items, from every table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn erase_items(&self, items: &[Doomed]) -> Result<Taken, StoreError> {
        let mut taken = Taken::default();
        // What is under way knows items by their keys: none is given out again.
        self.sql.execute(
            "UPDATE item_floor SET floor = max(floor, (SELECT coalesce(max(item), 0) FROM items))",
            [],
        )?;
        for doomed in items {
            taken.originals += self.forget_originals(doomed.item)?;
            taken.tasks.extend(self.tasks_of(doomed.item)?);
        }
        for (table, fate) in FATES {
            if *fate != Fate::RowsGo {
                continue;
            }
            let sql = format!("DELETE FROM {table} WHERE item = ?1");
            let mut statement = self.sql.prepare(&sql)?;
            let mut rows = 0;
            for doomed in items {
                rows += u64::try_from(statement.execute([doomed.item])?).unwrap_or(u64::MAX);
            }
            taken.rows.push((table, rows));
        }
        let projects: BTreeSet<i64> = items.iter().map(|doomed| doomed.project).collect();
        for project in projects {
            taken.heads += u64::from(self.drop_personal_head(project)?);
            self.drop_calibration(project)?;
            let keys = items.iter().filter(|doomed| doomed.project == project);
            let keys: BTreeSet<i64> = keys.map(|doomed| doomed.item).collect();
            taken.snapshots.extend(self.take_out_of_snapshots(project, &keys)?);
            taken.exports.extend(self.exports_under_way(project)?);
        }
        self.set_meta(ERASURES, &(self.erasures()? + 1).to_le_bytes())?;
        self.set_meta(UNSCRUBBED, b"")?;
        Ok(taken)
    }

    /// How often something was erased: what was gathered before is to be gathered anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn erasures(&self) -> Result<u64, StoreError> {
        let count = self.meta(ERASURES)?;
        count.map_or(Ok(0), |bytes| fixed(&bytes, "meta", ERASURES).map(u64::from_le_bytes))
    }

    /// Whether erased bytes may still be in the store's files.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_unscrubbed(&self) -> Result<bool, StoreError> {
        Ok(self.meta(UNSCRUBBED)?.is_some())
    }

    /// Keeps a subject, or an item of the site's own id, from being imported; `false` when it is kept
    /// from that already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bar(&self, hash: &[u8; 32], project: i64, now: i64) -> Result<bool, StoreError> {
        let changed = self.sql.execute(
            "INSERT INTO erased (hash, project, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![hash, project, now],
        )?;
        Ok(changed == 1)
    }

    /// Lets a subject or an item be imported again, in this project or, with [`EVERY_PROJECT`], in
    /// all of them; `false` when nothing kept it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unbar(&self, hash: &[u8; 32], project: i64) -> Result<bool, StoreError> {
        let changed = self.sql.execute(
            "DELETE FROM erased WHERE hash = ?1 AND (?2 = 0 OR project = ?2)",
            params![hash, project],
        )?;
        if changed > 0 {
            self.set_meta(ALLOWANCES, &(self.allowances()? + 1).to_le_bytes())?;
        }
        Ok(changed > 0)
    }

    /// How often something that was erased was allowed to come back: what was refused before may be
    /// taken now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn allowances(&self) -> Result<u64, StoreError> {
        let count = self.meta(ALLOWANCES)?;
        count.map_or(Ok(0), |bytes| fixed(&bytes, "meta", ALLOWANCES).map(u64::from_le_bytes))
    }

    /// Whether an item was erased, or its subject.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_barred(
        &self,
        project: i64,
        subject: &[u8; 32],
        source: &[u8; 32],
    ) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM erased WHERE hash IN (?1, ?2) AND project IN (0, ?3)";
        Ok(self.sql.prepare_cached(sql)?.exists(params![subject, source, project])?)
    }

    /// Removes the originals of an item's surrogates that no other item has, and that the item had
    /// them: of two that go together the second is the last.
    fn forget_originals(&self, item: i64) -> Result<u64, StoreError> {
        let gone = self
            .sql
            .prepare_cached(
                "DELETE FROM vault WHERE (surrogate, original) IN
                   (SELECT surrogate, original FROM vault_items WHERE item = ?1)
                 AND NOT EXISTS
                   (SELECT 1 FROM vault_items o WHERE o.item <> ?1
                      AND o.surrogate = vault.surrogate AND o.original = vault.original)",
            )?
            .execute([item])?;
        self.sql.prepare_cached("DELETE FROM vault_items WHERE item = ?1")?.execute([item])?;
        Ok(u64::try_from(gone).unwrap_or(u64::MAX))
    }

    fn tasks_of(&self, item: i64) -> Result<Vec<(i64, u64)>, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT project, task FROM studio_tasks WHERE item = ?1")?;
        let mut rows = statement.query([item])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push((row.get(0)?, unsigned(row.get(1)?, "studio_tasks", "task")?));
        }
        Ok(all)
    }

    /// Notes a dataset snapshot, and which items are in it: ascending keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_snapshot(
        &self,
        event: u64,
        project: i64,
        row: &SnapshotRow,
        items: &[i64],
    ) -> Result<(), StoreError> {
        self.sql.execute(
            "INSERT INTO snapshots (event, snapshot, project, at, folder, items)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                super::signed(event),
                row.snapshot.0,
                project,
                row.at,
                row.folder,
                packed(items)
            ],
        )?;
        Ok(())
    }

    /// The snapshots that hold an item, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshots_with(&self, project: i64, item: i64) -> Result<Vec<SnapshotRow>, StoreError> {
        let mut found = Vec::new();
        self.each_snapshot(project, |_, row, items| {
            if items.binary_search(&item).is_ok() {
                found.push(row);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Forgets that snapshots hold these items: keys may be given to others. Which ones did.
    fn take_out_of_snapshots(
        &self,
        project: i64,
        gone: &BTreeSet<i64>,
    ) -> Result<Vec<SnapshotRow>, StoreError> {
        let mut held = Vec::new();
        let mut mended = Vec::new();
        self.each_snapshot(project, |event, row, items| {
            let left: Vec<i64> = items.iter().copied().filter(|it| !gone.contains(it)).collect();
            if left.len() < items.len() {
                mended.push((event, packed(&left)));
                held.push(row);
            }
            Ok(())
        })?;
        for (event, items) in mended {
            let sql = "UPDATE snapshots SET items = ?2 WHERE event = ?1";
            self.sql.execute(sql, params![event, items])?;
        }
        Ok(held)
    }

    fn each_snapshot(
        &self,
        project: i64,
        mut take: impl FnMut(i64, SnapshotRow, Vec<i64>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT event, snapshot, at, folder, items FROM snapshots
             WHERE project = ?1 ORDER BY event",
        )?;
        let mut rows = statement.query([project])?;
        while let Some(row) = rows.next()? {
            let snapshot =
                SnapshotRow { snapshot: Fixed(row.get(1)?), at: row.get(2)?, folder: row.get(3)? };
            let items = unpacked(&row.get::<_, Vec<u8>>(4)?)
                .ok_or(StoreError::Corrupt { table: "snapshots", column: "items" })?;
            take(row.get(0)?, snapshot, items)?;
        }
        Ok(())
    }
}

const DOOMED: &str = "SELECT item, project, opaque, subject, imported FROM items";

fn doomed(row: &Row<'_>) -> Result<Doomed, rusqlite::Error> {
    Ok(Doomed {
        item: row.get(0)?,
        project: row.get(1)?,
        opaque: row.get(2)?,
        subject: row.get(3)?,
        imported: row.get(4)?,
    })
}

/// Ascending keys as the distance of each from the one before, seven bits a byte, the low ones first.
fn packed(keys: &[i64]) -> Vec<u8> {
    let (mut bytes, mut last) = (Vec::with_capacity(keys.len()), 0_i64);
    for key in keys {
        let mut distance = key.abs_diff(last);
        last = *key;
        loop {
            let low = distance.to_le_bytes()[0] & 0x7f;
            distance >>= 7;
            bytes.push(if distance > 0 { low | 0x80 } else { low });
            if distance == 0 {
                break;
            }
        }
    }
    bytes
}

fn unpacked(bytes: &[u8]) -> Option<Vec<i64>> {
    let (mut keys, mut last, mut distance, mut shift) = (Vec::new(), 0_i64, 0_i64, 0);
    for byte in bytes {
        distance |= i64::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.checked_add(distance)?;
            keys.push(last);
            (distance, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(keys)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::tests::scratch;

    /// A new table must say what becomes of it; one that names items or subjects must not stay
    /// unless somebody has said why.
    #[test]
    fn every_table_of_the_store_has_a_fate() {
        let scratch = scratch();
        let turn = scratch.store.writer.alone();
        let connection = turn.connection();
        let mut statement = connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            )
            .unwrap();
        let tables: BTreeSet<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let known: BTreeSet<String> = FATES.iter().map(|(table, _)| (*table).to_owned()).collect();
        assert_eq!(tables, known, "say in FATES what becomes of each table when an item is erased");
        for (table, fate) in FATES {
            let mut columns = connection.prepare(&format!("PRAGMA table_info({table})")).unwrap();
            let columns: Vec<String> =
                columns.query_map([], |row| row.get(1)).unwrap().map(Result::unwrap).collect();
            let has = |name: &str| columns.iter().any(|column| column == name);
            let named = has("item") || has("items") || has("subject");
            // The log names items for good: that is what a tombstone is. A provider calls its own
            // people subjects.
            let stays = matches!(fate, Fate::Stays(_)) && !["trail", "identities"].contains(table);
            assert!(!(named && stays), "{table} names items or subjects and stays");
            assert_eq!(*fate == Fate::RowsGo, has("item") && *table != "trail", "{table}");
        }
    }

    /// Every reference to an item is in a table whose rows go before the item does.
    #[test]
    fn what_refers_to_items_goes_before_them() {
        let scratch = scratch();
        let turn = scratch.store.writer.alone();
        let connection = turn.connection();
        let last = FATES.iter().position(|(table, _)| *table == "items").unwrap();
        for (at, (table, fate)) in FATES.iter().enumerate() {
            let sql = format!(
                "SELECT count(*) FROM pragma_foreign_key_list('{table}') WHERE \"table\" = 'items'"
            );
            let refers: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert!(refers == 0 || (at < last && *fate == Fate::RowsGo), "{table}");
        }
    }

    #[test]
    fn an_original_goes_with_the_last_item_that_has_it() {
        let (scratch, row) = crate::testing::with_project();
        crate::testing::add_items(&scratch.store, &row, 0..2, 2);
        scratch
            .store
            .tx("test", |tx| {
                for item in [1, 2] {
                    tx.keep_original("NAME", "Laura Keller", "Jane Roe", Some(item))?;
                }
                tx.keep_original("NAME", "Ann Poe", "Mary Major", Some(1))?;
                tx.keep_original("NAME", "Max Kern", "John Doe", None)?;
                let (first, second) = (tx.doomed(1)?.unwrap(), tx.doomed(2)?.unwrap());
                assert_eq!(tx.erase_items(&[first])?.originals, 1);
                assert_eq!(tx.originals("NAME", "Laura Keller")?, ["Jane Roe"]);
                assert_eq!(tx.originals("NAME", "Ann Poe")?, [""; 0]);
                assert_eq!(tx.erase_items(&[second])?.originals, 1);
                assert_eq!(tx.originals("NAME", "Laura Keller")?, [""; 0]);
                assert_eq!(tx.originals("NAME", "Max Kern")?, ["John Doe"], "of no item");
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    proptest! {
        #[test]
        fn keys_come_back_as_they_were(keys in prop::collection::btree_set(1..i64::MAX, 0..50)) {
            let keys: Vec<i64> = keys.into_iter().collect();
            prop_assert_eq!(unpacked(&packed(&keys)), Some(keys));
        }
    }
}
