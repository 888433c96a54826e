//! Items and where they stand.

use rusqlite::{OptionalExtension, Row, params};

use crate::store::acceptance::Audit;
use crate::store::{Cell, StoreError, Tx, fixed, signed, unsigned};

const TABLE: &str = "items";

/// How far an item has come, and whom it waits for. Stored as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Imported, not redacted yet.
    New = 0,
    /// Redacted, waits for a prelabel.
    Clean = 1,
    /// The prelabel was accepted without a person.
    Accepted = 2,
    /// Waits for its first reader.
    First = 3,
    /// Waits for a second reader, who sees neither the prelabel nor the first label.
    Second = 4,
    /// Waits for an expert.
    Expert = 5,
    /// Has all the labels it needs.
    Done = 6,
    /// Could not be redacted: nobody sees it, and nothing counts it.
    Quarantined = 7,
    /// Has a label, and waits for a reviewer of it.
    Review = 8,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Clean,
        Self::Accepted,
        Self::First,
        Self::Second,
        Self::Expert,
        Self::Done,
        Self::Quarantined,
        Self::Review,
    ];

    pub(super) fn read(number: i64) -> Result<Self, StoreError> {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
            .ok_or(StoreError::Corrupt { table: TABLE, column: "stage" })
    }
}

/// How many stages there are.
pub const STAGES: usize = Stage::ALL.len();

/// Who is to look at an item, as its confidence decided. Stored as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Nobody.
    Accepted = 0,
    /// An annotator, and perhaps a second one.
    Annotator = 1,
    /// An expert.
    Expert = 2,
}

impl Route {
    fn read(number: i64) -> Result<Self, StoreError> {
        match number {
            0 => Ok(Self::Accepted),
            1 => Ok(Self::Annotator),
            2 => Ok(Self::Expert),
            _ => Err(StoreError::Corrupt { table: TABLE, column: "route" }),
        }
    }
}

/// An item to add.
#[derive(Debug)]
pub struct NewItem<'a> {
    /// Key of its project.
    pub project: i64,
    /// Stands for the site's own id; adding the same one again changes nothing.
    pub source: [u8; 32],
    /// Stands for the subject.
    pub subject: [u8; 32],
    /// Never learned from.
    pub holdout: bool,
    /// What it holds, encoded, not redacted.
    pub content: &'a [u8],
    /// Its values by field, each encoded: of them only a fingerprint is kept.
    pub values: &'a [(String, Vec<u8>)],
    /// Of a synthetic item: what made it, empty where nobody says.
    pub generator: Option<&'a str>,
    /// The class that it was made for, of a synthetic item.
    pub made_for: Option<u16>,
    /// Images and series that lie beside it, by field.
    pub media: &'a [(String, Vec<u8>)],
}

/// What became of an item to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addition {
    /// It was added.
    New,
    /// It was there; nothing has changed.
    Known,
    /// It was there as the other of real and synthetic, and stays what it is.
    OtherKind,
    /// It was there with another value of a field, and keeps that.
    OtherContent {
        /// The field.
        field: String,
    },
    /// It, or its subject, was erased at this site.
    Erased,
}

/// An item as stored, its sealed columns opened.
#[derive(Clone)]
pub struct ItemRow {
    /// Key in this store.
    pub item: i64,
    /// Name outside the store.
    pub opaque: [u8; 16],
    /// Key of the project.
    pub project: i64,
    /// Stands for the subject.
    pub subject: [u8; 32],
    /// Never learned from.
    pub holdout: bool,
    /// Whom it waits for.
    pub stage: Stage,
    /// Who was to look at it; with the prelabel.
    pub route: Option<Route>,
    /// A second person reads it blind.
    pub second: bool,
    /// Encoded content: redacted, unless the stage is [`Stage::New`] or [`Stage::Quarantined`].
    pub content: Vec<u8>,
    /// Encoded prelabel.
    pub prelabel: Option<Vec<u8>>,
    /// Encoded prelabel by the bundle's own head, where a personal head made [`ItemRow::prelabel`].
    pub of_bundle: Option<Vec<u8>>,
    /// Encoded probabilities of all classes, of a prelabel whose maker gave them.
    pub probabilities: Option<Vec<u8>>,
    /// How sure the prelabel's maker is of each of its marks, encoded.
    pub scores: Option<Vec<u8>>,
    /// Encoded origin of a draft that no model of the project made.
    pub origin: Option<Vec<u8>>,
    /// Chosen to be looked at before others.
    pub wanted: bool,
    /// Made, not observed: never counted, never learned from.
    pub synthetic: bool,
    /// The class that a synthetic item was made for.
    pub made_for: Option<u16>,
    /// Chosen to be read blind although it could be accepted.
    pub audit: Audit,
    /// The stage of review that it waits for, from 0; of [`Stage::Review`].
    pub review: Option<u8>,
}

impl std::fmt::Debug for ItemRow {
    /// Without anything that came from the item.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ItemRow({}, {:?})", self.item, self.stage)
    }
}

/// An item of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowItem {
    /// Key in this store.
    pub item: i64,
    /// Name outside the store.
    pub opaque: [u8; 16],
    /// Stands for the subject.
    pub subject: [u8; 32],
}

/// The columns of an [`ItemRow`], of `items i`.
pub(super) const COLUMNS: &str = "i.item, i.opaque, i.project, i.subject, i.holdout, i.stage, i.route, i.second, i.raw, i.clean, i.prelabel, i.generator IS NOT NULL, i.probabilities, i.origin, i.wanted IS NOT NULL, i.made_for, i.of_bundle, i.audit, i.scores, i.review";

/// Unlabeled items of a project that a model may draft anew: an index has them by their bundle.
const DRAFTED: &str =
    "i.project = ?1 AND i.stage IN (2, 3, 5) AND i.lasting = 0 AND i.reader IS NULL";

/// What finds the values but `?2` of a column of items that an index has in order among these `i`. It
/// is asked for one after the other: a million items may have few values.
pub(super) fn others(column: &str, among: &str) -> String {
    format!(
        "WITH RECURSIVE found (value) AS (
           SELECT min(i.{column}) FROM items i WHERE {among}
           UNION ALL
           SELECT (SELECT min(i.{column}) FROM items i WHERE {among} AND i.{column} > found.value)
           FROM found WHERE found.value IS NOT NULL)
         SELECT value FROM found WHERE value IS NOT NULL AND value <> ?2"
    )
}

impl Tx<'_> {
    /// Adds an item, unless its project has one with the same source, whatever that holds. The caller
    /// notes the import in the same transaction, after the last item.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_item(&self, new: &NewItem<'_>) -> Result<Addition, StoreError> {
        if self.is_barred(new.project, &new.subject, &new.source)? {
            return Ok(Addition::Erased);
        }
        let mut opaque = [0; 16];
        getrandom::fill(&mut opaque)
            .map_err(|_| StoreError::Corrupt { table: TABLE, column: "opaque" })?;
        let raw = self.seal(cell(&opaque, "raw"), new.content)?;
        let fingerprint = self.fingerprint(&opaque, new.values)?;
        let (last_event, _) = self.trail_head()?; // the next one is about this import
        let changed = self
            .sql
            .prepare_cached(
                "INSERT INTO items (item, opaque, project, source, subject, holdout, stage, raw, generator, made_for, imported, fingerprint)
                 SELECT max(floor, (SELECT coalesce(max(item), 0) FROM items)) + 1,
                   ?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10 FROM item_floor WHERE true
                 ON CONFLICT (project, source) DO NOTHING",
            )?
            .execute(params![
                opaque,
                new.project,
                new.source,
                new.subject,
                new.holdout,
                raw,
                new.generator,
                new.made_for,
                signed(last_event + 1),
                fingerprint
            ])?;
        if changed == 1 {
            self.add_media(self.sql.last_insert_rowid(), &opaque, new.media)?;
            return Ok(Addition::New);
        }
        let synthetic: bool = self
            .sql
            .prepare_cached(
                "SELECT generator IS NOT NULL FROM items WHERE project = ?1 AND source = ?2",
            )?
            .query_row(params![new.project, new.source], |row| row.get(0))?;
        let same = synthetic == new.generator.is_some();
        Ok(if same { Addition::Known } else { Addition::OtherKind })
    }

    /// The item of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn item_by_name(&self, opaque: &[u8; 16]) -> Result<Option<ItemRow>, StoreError> {
        let key: Option<i64> = self
            .sql
            .prepare_cached("SELECT item FROM items WHERE opaque = ?1")?
            .query_row([opaque], |row| row.get(0))
            .optional()?;
        key.map_or(Ok(None), |item| self.item(item))
    }

    /// The item of this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn item(&self, item: i64) -> Result<Option<ItemRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM items i WHERE i.item = ?1");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query([item])?;
        match rows.next()? {
            Some(row) => self.item_row(row).map(Some),
            None => Ok(None),
        }
    }

    /// Up to `limit` items of a stage with keys above `after`, in order of their keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items_in_stage(
        &self,
        project: i64,
        stage: Stage,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM items i
             WHERE i.project = ?1 AND i.stage = ?2 AND i.item > ?3 ORDER BY i.item LIMIT ?4"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, stage as i64, after, limit])?;
        self.collect_items(&mut rows)
    }

    /// Up to `limit` items that nobody has labeled or is about to, and that have no prelabel, or one
    /// that is not of `bundle`, nor a lasting draft: those without first, then those of one bundle
    /// after the other.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items_of_other_bundle(
        &self,
        project: i64,
        bundle: &[u8; 32],
        limit: u32,
        now: i64,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM items i
             WHERE {DRAFTED} AND i.bundle IS ?2
               AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.item = i.item)
               AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.item = i.item AND l.until > ?3)
             ORDER BY i.item LIMIT ?4"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut items = Vec::new();
        let others = self.other_bundles(project, bundle)?;
        for other in [None].into_iter().chain(others.into_iter().map(Some)) {
            let found = u32::try_from(items.len()).unwrap_or(u32::MAX);
            if found < limit {
                let mut rows = statement.query(params![project, other, now, limit - found])?;
                items.extend(self.collect_items(&mut rows)?);
            }
        }
        Ok(items)
    }

    /// The bundles but `bundle` that have made drafts of unlabeled items.
    fn other_bundles(&self, project: i64, bundle: &[u8; 32]) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut statement = self.sql.prepare_cached(&others("bundle", DRAFTED))?;
        let bundles = statement.query_map(params![project, bundle], |row| row.get(0))?;
        bundles.map(|bundle| bundle.map_err(StoreError::from)).collect()
    }

    /// Up to `limit` real items above `after` that were sent to people or accepted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn routed_items(
        &self,
        project: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ItemRow>, StoreError> {
        // By the items' own keys: an index by project would be sorted anew for every page.
        let sql = format!(
            "SELECT {COLUMNS} FROM items i
             WHERE +i.project = ?1 AND i.item > ?2 AND i.route IS NOT NULL
               AND i.generator IS NULL
             ORDER BY i.item LIMIT ?3"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, after, limit])?;
        self.collect_items(&mut rows)
    }

    /// Replaces what was imported by its redacted form, and forgets the former.
    ///
    /// `false`, and nothing is done, when the item was redacted or erased meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_clean(&self, item: i64, opaque: [u8; 16], clean: &[u8]) -> Result<bool, StoreError> {
        let sealed = self.seal(cell(&opaque, "clean"), clean)?;
        // The name as well: the key of an item that was erased may be another's.
        let changed = self
            .sql
            .prepare_cached(
                "UPDATE items SET clean = ?1, raw = NULL, stage = 1
                 WHERE item = ?2 AND opaque = ?3 AND stage = 0",
            )?
            .execute(params![sealed, item, opaque])?;
        Ok(changed == 1)
    }

    /// Moves an item, and says which stage of review it waits for, if any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_stage(&self, item: i64, stage: Stage, review: Option<u8>) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE items SET stage = ?1, review = ?2 WHERE item = ?3")?
            .execute(params![stage as i64, review, item])?;
        Ok(())
    }

    /// Real items of a project by stage, in the order of [`Stage::ALL`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stage_counts(&self, project: i64) -> Result<[u64; STAGES], StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT stage, number FROM stages WHERE project = ?1")?;
        let mut counts = [0; STAGES];
        let mut rows = statement.query([project])?;
        while let Some(row) = rows.next()? {
            let stage = Stage::read(row.get(0)?)?;
            counts[stage as usize] = unsigned(row.get(1)?, TABLE, "count")?;
        }
        Ok(counts)
    }

    /// Real items of the hold-out set.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holdout_count(&self, project: i64) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM items WHERE project = ?1 AND holdout = 1 AND generator IS NULL",
            project,
        )
    }

    /// Distinct subjects of a project's real items: nobody stands behind a synthetic one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn subject_count(&self, project: i64) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(DISTINCT subject) FROM items WHERE project = ?1 AND generator IS NULL",
            project,
        )
    }

    pub(super) fn count(&self, sql: &str, project: i64) -> Result<u64, StoreError> {
        let count = self.sql.prepare_cached(sql)?.query_row([project], |row| row.get(0))?;
        unsigned(count, TABLE, "count")
    }

    pub(super) fn item_row(&self, row: &Row<'_>) -> Result<ItemRow, StoreError> {
        let opaque: [u8; 16] = row.get(1)?;
        let raw: Option<Vec<u8>> = row.get(8)?;
        let clean: Option<Vec<u8>> = row.get(9)?;
        let prelabel: Option<Vec<u8>> = row.get(10)?;
        let (probabilities, origin): (Option<Vec<u8>>, Option<Vec<u8>>) =
            (row.get(12)?, row.get(13)?);
        let (of_bundle, scores): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(16)?, row.get(18)?);
        let opened = |column, sealed: Option<Vec<u8>>| {
            sealed.map(|sealed| self.open(cell(&opaque, column), &sealed)).transpose()
        };
        let route: Option<i64> = row.get(6)?;
        let content = match (&clean, &raw) {
            (Some(clean), _) => self.open(cell(&opaque, "clean"), clean)?,
            (None, Some(raw)) => self.open(cell(&opaque, "raw"), raw)?,
            (None, None) => return Err(StoreError::Corrupt { table: TABLE, column: "clean" }),
        };
        Ok(ItemRow {
            item: row.get(0)?,
            opaque,
            project: row.get(2)?,
            subject: fixed(&row.get::<_, Vec<u8>>(3)?, TABLE, "subject")?,
            holdout: row.get(4)?,
            stage: Stage::read(row.get(5)?)?,
            route: route.map(Route::read).transpose()?,
            second: row.get(7)?,
            content,
            prelabel: opened("prelabel", prelabel)?,
            of_bundle: opened("of_bundle", of_bundle)?,
            probabilities: opened("probabilities", probabilities)?,
            scores: opened("scores", scores)?,
            origin: opened("origin", origin)?,
            wanted: row.get(14)?,
            synthetic: row.get(11)?,
            made_for: row.get(15)?,
            audit: Audit::read(row.get(17)?)?,
            review: row.get(19)?,
        })
    }

    /// Opens a sealed part of a draft.
    pub(super) fn open_draft(
        &self,
        opaque: &[u8; 16],
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.open(cell(opaque, column), sealed)
    }

    pub(super) fn collect_items(
        &self,
        rows: &mut rusqlite::Rows<'_>,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            items.push(self.item_row(row)?);
        }
        Ok(items)
    }
}

pub(super) fn cell<'a>(opaque: &'a [u8; 16], column: &'static str) -> Cell<'a> {
    Cell { table: TABLE, row: opaque, column }
}
