//! People and their annotations.

use rusqlite::{Row, params};

pub use crate::store::leases::Lease;
pub use crate::store::roles::{Action, Role};
use crate::store::{Cell, StoreError, Tx, fixed, unsigned};

/// A person who labels or watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Key in this store.
    pub person: i64,
    /// Name, known at the site only.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// Until when.
    pub terms: Terms,
}

/// Until when a person may do what the role allows, Unix seconds; without an end for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The person may sign in.
    pub until: Option<i64>,
    /// The person's label settles an item, if the role says so.
    pub expert_until: Option<i64>,
}

impl Person {
    /// When the person's credentials ended, if they have.
    pub fn ended(&self, now: i64) -> Option<i64> {
        self.terms.until.filter(|until| *until <= now)
    }

    /// When the person ceased to be an expert, if that has happened.
    pub fn lapsed(&self, now: i64) -> Option<i64> {
        self.terms.expert_until.filter(|until| *until <= now)
    }

    /// Whether this person's label settles an item now.
    pub fn is_expert(&self, now: i64) -> bool {
        self.role.is_expert() && self.lapsed(now).is_none()
    }

    /// Whether this person may review now what is for a role to review.
    pub fn may_review(&self, role: Role, now: i64) -> bool {
        self.role.labels() && self.role.covers(role) && (!role.is_expert() || self.is_expert(now))
    }
}

/// For what an item is read. Stored as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// The first label.
    First = 0,
    /// A second label, blind.
    Second = 1,
    /// The deciding label.
    Expert = 2,
    /// A label that a campaign asked for.
    Campaign = 3,
    /// A judgement of a synthetic item, or of a real one beside it: blind, and no label of record.
    Validation = 4,
    /// An answer to an item whose answer is known: blind, and no label of record.
    Gold = 5,
    /// The approval or correction of a label, by somebody who sees it.
    Review = 6,
}

impl Reading {
    /// Whether the reader sees neither the prelabel nor what others said.
    pub fn is_blind(self) -> bool {
        match self {
            Self::Second | Self::Validation | Self::Gold => true,
            Self::First | Self::Expert | Self::Campaign | Self::Review => false,
        }
    }

    /// Whether what is said becomes the item's label, or decides who looks at it next.
    pub fn is_of_record(self) -> bool {
        match self {
            Self::First | Self::Second | Self::Expert | Self::Campaign | Self::Review => true,
            Self::Validation | Self::Gold => false,
        }
    }

    /// Whether the latest label of such a reading is the label of record.
    pub fn decides(self) -> bool {
        match self {
            Self::Expert | Self::Campaign | Self::Review => true,
            Self::First | Self::Second | Self::Validation | Self::Gold => false,
        }
    }

    /// Its name in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Expert => "expert",
            Self::Campaign => "campaign",
            Self::Validation => "validation",
            Self::Gold => "gold",
            Self::Review => "review",
        }
    }

    pub(super) fn read(number: i64) -> Result<Self, StoreError> {
        match number {
            0 => Ok(Self::First),
            1 => Ok(Self::Second),
            2 => Ok(Self::Expert),
            3 => Ok(Self::Campaign),
            4 => Ok(Self::Validation),
            5 => Ok(Self::Gold),
            6 => Ok(Self::Review),
            _ => Err(StoreError::Corrupt { table: "annotations", column: "reading" }),
        }
    }
}

/// What a person decided. Stored as its number; the label itself is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A label.
    Label = 0,
    /// Not this person, not now.
    Skip = 1,
    /// Something is wrong or unclear: an expert must look.
    Flag = 2,
}

impl Verdict {
    /// Its name in reports and snapshots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Skip => "skip",
            Self::Flag => "flag",
        }
    }

    fn read(number: i64) -> Result<Self, StoreError> {
        match number {
            0 => Ok(Self::Label),
            1 => Ok(Self::Skip),
            2 => Ok(Self::Flag),
            _ => Err(StoreError::Corrupt { table: "annotations", column: "verdict" }),
        }
    }
}

/// An annotation as stored, its label opened.
#[derive(Clone)]
pub struct AnnotationRow {
    /// Key in this store; ascends by time.
    pub annotation: i64,
    /// Who made it.
    pub person: i64,
    /// The client's own name for it.
    pub key: String,
    /// The item's key.
    pub item: i64,
    /// For what the item was read.
    pub reading: Reading,
    /// The campaign it answers.
    pub campaign: Option<[u8; 16]>,
    /// The stage of review that it answers, from 0; of [`Reading::Review`].
    pub review: Option<u8>,
    /// When, Unix seconds.
    pub made_at: i64,
    /// What was decided.
    pub verdict: Verdict,
    /// Encoded label.
    pub label: Vec<u8>,
}

impl std::fmt::Debug for AnnotationRow {
    /// Without the label.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnnotationRow({}, item {}, {:?})", self.annotation, self.item, self.reading)
    }
}

/// An item, or its key, and the campaign that asks for it.
pub type Offered<T> = (T, Option<[u8; 16]>);

/// Which items to offer a person.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Key of the project.
    pub project: i64,
    /// The person.
    pub person: i64,
    /// For what.
    pub reading: Reading,
    /// Now, Unix seconds.
    pub now: i64,
    /// Most items.
    pub limit: u32,
}

pub(super) const PERSON: &str = "person, name, role, until, expert_until";
const COLUMNS: &str =
    "annotation, person, key, item, reading, campaign, made_at, verdict, label, review";

impl Tx<'_> {
    /// Adds a person; `None` when the name is taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_person(
        &self,
        name: &str,
        role: Role,
        terms: Terms,
        token_hash: &[u8; 32],
        now: i64,
    ) -> Result<Option<i64>, StoreError> {
        let changed = self.sql.execute(
            "INSERT INTO people (name, role, token, added_at, until, expert_until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING",
            params![name, role.name(), token_hash, now, terms.until, terms.expert_until],
        )?;
        Ok((changed == 1).then(|| self.sql.last_insert_rowid()))
    }

    /// Everybody, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn people(&self) -> Result<Vec<Person>, StoreError> {
        let mut statement =
            self.sql.prepare_cached(&format!("SELECT {PERSON} FROM people ORDER BY name"))?;
        let mut rows = statement.query([])?;
        let mut people = Vec::new();
        while let Some(row) = rows.next()? {
            people.push(person(row)?);
        }
        Ok(people)
    }

    /// Who has the token of this hash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn person_by_token(&self, token_hash: &[u8; 32]) -> Result<Option<Person>, StoreError> {
        let mut statement =
            self.sql.prepare_cached(&format!("SELECT {PERSON} FROM people WHERE token = ?1"))?;
        let mut rows = statement.query([token_hash])?;
        rows.next()?.map(person).transpose()
    }

    /// Adds an annotation; its `annotation` key is assigned here. The caller has checked that
    /// the person has not used the key before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_annotation(&self, row: &AnnotationRow) -> Result<(), StoreError> {
        let sealed = self.seal(cell(&name(row.person, &row.key)), &row.label)?;
        self.sql
            .prepare_cached(
                "INSERT INTO annotations
                   (person, key, item, reading, campaign, made_at, verdict, label, review)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                row.person,
                row.key,
                row.item,
                row.reading as i64,
                row.campaign,
                row.made_at,
                row.verdict as i64,
                sealed,
                row.review
            ])?;
        Ok(())
    }

    /// The person's annotation of this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn annotation(&self, person: i64, key: &str) -> Result<Option<AnnotationRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM annotations WHERE person = ?1 AND key = ?2");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![person, key])?;
        rows.next()?.map(|row| self.annotation_row(row)).transpose()
    }

    /// All annotations of an item, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn annotations_of(&self, item: i64) -> Result<Vec<AnnotationRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM annotations WHERE item = ?1 ORDER BY annotation");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query([item])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(self.annotation_row(row)?);
        }
        Ok(all)
    }

    /// Takes an annotation back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_annotation(&self, annotation: i64) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM annotations WHERE annotation = ?1", [annotation])?;
        Ok(())
    }

    /// Keys above `after` of real items that have a label and are held out, or are not; those of which what
    /// is earned decides whether they are read left out, and where labels go through stages of review
    /// those whose label is not final.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn labeled_items(
        &self,
        project: i64,
        holdout: bool,
        after: i64,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT DISTINCT a.item FROM annotations a CROSS JOIN items i ON i.item = a.item
             WHERE a.item > ?2 AND i.project = ?1 AND i.holdout = ?4 AND a.verdict = 0
               AND i.generator IS NULL AND a.reading NOT IN (4, 5) AND i.audit < 2
               AND (i.stage = 6
                 OR NOT EXISTS (SELECT 1 FROM review_stages r WHERE r.project = i.project))
               AND NOT EXISTS (SELECT 1 FROM gold g WHERE g.item = i.item)
             ORDER BY a.item LIMIT ?3",
        )?;
        let rows =
            statement.query_map(params![project, after, limit, holdout], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Labels of a project's real items, and such items with at least one; judgements beside
    /// synthetic items do not count.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn annotation_counts(&self, project: i64) -> Result<(u64, u64), StoreError> {
        // From the annotations' index, in whose order they are grouped: a project may have many more
        // items than labels.
        let mut statement = self.sql.prepare_cached(
            "SELECT coalesce(sum(labels), 0), count(*) FROM
               (SELECT count(*) AS labels FROM annotations a CROSS JOIN items i ON i.item = a.item
                WHERE i.project = ?1 AND a.verdict = 0 AND i.generator IS NULL
                  AND a.reading NOT IN (4, 5)
                GROUP BY a.item)",
        )?;
        let (all, items) = statement.query_row([project], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let count = |count| unsigned(count, "annotations", "count");
        Ok((count(all)?, count(items)?))
    }

    fn annotation_row(&self, row: &Row<'_>) -> Result<AnnotationRow, StoreError> {
        let (person, key): (i64, String) = (row.get(1)?, row.get(2)?);
        let sealed: Vec<u8> = row.get(8)?;
        let label = self.open(cell(&name(person, &key)), &sealed)?;
        let campaign: Option<Vec<u8>> = row.get(5)?;
        Ok(AnnotationRow {
            annotation: row.get(0)?,
            person,
            key,
            item: row.get(3)?,
            reading: Reading::read(row.get(4)?)?,
            campaign: campaign.map(|c| fixed(&c, "annotations", "campaign")).transpose()?,
            made_at: row.get(6)?,
            verdict: Verdict::read(row.get(7)?)?,
            review: row.get(9)?,
            label,
        })
    }
}

pub(super) fn person(row: &Row<'_>) -> Result<Person, StoreError> {
    let role: String = row.get(2)?;
    Ok(Person {
        person: row.get(0)?,
        name: row.get(1)?,
        role: Role::named(&role).ok_or(StoreError::Corrupt { table: "people", column: "role" })?,
        terms: Terms { until: row.get(3)?, expert_until: row.get(4)? },
    })
}

/// The own name of what a person said: the person and the key, which never change. Nobody chooses
/// another person's.
pub(super) fn name(person: i64, key: &str) -> Vec<u8> {
    [&person.to_le_bytes(), key.as_bytes()].concat()
}

fn cell(name: &[u8]) -> Cell<'_> {
    Cell { table: "annotations", row: name, column: "label" }
}
