//! The audit log's rows: who did what, when, and to which item, each chained to the one before.
//!
//! A row holds names and keyed hashes, never content and never a label. What is noted in a
//! transaction is durable with it or not at all.

mod event;

use insitu_models::sign::{Domain, PublicKey};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, Signature};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::store::labels::Role;
use crate::store::{StoreError, Tx, fixed, signed, unsigned};

pub use self::event::{Event, What, Who};

/// The chain's hash before the first row.
pub const TRAIL_START: Digest = Fixed([0; 32]);
/// The log is signed at least as often as this, in events.
pub const SIGNED_EVENTS: u64 = 1024;
/// Longest detail of an event, bytes of JSON.
pub const DETAIL_BYTES_MAX: usize = 16 * 1024;
/// Longest reason that a person gives for what few may do, bytes.
pub const REASON_BYTES_MAX: usize = 500;
/// What the chain's hash is for: nothing else is hashed like this.
const CONTEXT: &str = "insitu 2026 audit log row v1";
const TABLE: &str = "trail";
const COLUMNS: &str = "sequence, at, role, who, what, project, item, subject, detail, chain";

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its place, from 1.
    pub sequence: u64,
    /// When, Unix seconds.
    pub at: i64,
    /// The role of who did it.
    pub role: String,
    /// Who did it.
    pub who: String,
    /// What was done: a [`What`]'s name.
    pub what: String,
    /// In which project.
    pub project: Option<String>,
    /// To which item: its name outside the store.
    pub item: Option<[u8; 16]>,
    /// To which subject: a keyed hash.
    pub subject: Option<[u8; 32]>,
    /// JSON; empty where nothing more is said.
    pub detail: String,
}

/// Which rows to read.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Not before, Unix seconds.
    pub since: Option<i64>,
    /// Before, Unix seconds.
    pub before: Option<i64>,
    /// A name, or a role.
    pub who: Option<String>,
    /// What was done.
    pub what: Option<What>,
}

/// A row as its bytes are, whatever they are.
#[derive(Debug)]
pub struct Link {
    /// Its place.
    pub sequence: i64,
    /// The hash that it should have, after the row whose hash is known.
    pub expected: Digest,
    /// The hash that it has, where that is one.
    pub found: Option<Digest>,
    /// Rows up to this one were cut off, says this row.
    pub cut: Option<u64>,
}

/// A signature over the log up to a row; in JSON, a line of a file of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailCheckpoint {
    /// The row.
    pub sequence: u64,
    /// When it was signed, Unix seconds.
    pub at: i64,
    /// The chain's hash at the row.
    pub chain: Digest,
    /// By the agent's own key.
    pub signature: Signature,
}

impl TrailCheckpoint {
    /// Whether this key has signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let message = message(self.sequence, self.at, &self.chain);
        key.verify_in(Domain::Trail, &message, &self.signature).is_ok()
    }
}

impl Tx<'_> {
    /// The time by which events are noted, Unix seconds.
    pub fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// Who opened the store.
    pub fn who(&self) -> &Who {
        self.who
    }

    /// The person of this key, as the log names them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn who_is(&self, person: i64) -> Result<Who, StoreError> {
        let (name, role): (String, String) = self
            .sql
            .prepare_cached("SELECT name, role FROM people WHERE person = ?1")?
            .query_row([person], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let role = Role::named(&role).map(Role::name);
        let role = role.ok_or(StoreError::Corrupt { table: "people", column: "role" })?;
        Ok(Who { role, name })
    }

    /// Notes an event, and gives its place in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note(&self, event: &Event<'_>) -> Result<u64, StoreError> {
        let (last, previous) = self.trail_head()?;
        let sequence = last + 1;
        let who = event.who.as_ref().unwrap_or(self.who);
        let detail = if event.detail.is_null() { String::new() } else { event.detail.to_string() };
        if detail.len() > DETAIL_BYTES_MAX {
            return Err(StoreError::Corrupt { table: TABLE, column: "detail" });
        }
        let (what, at) = (event.what.name(), self.now());
        let chain = link(
            &previous,
            signed(sequence),
            at,
            &[
                Some(who.role.as_bytes()),
                Some(who.name.as_bytes()),
                Some(what.as_bytes()),
                event.project.map(str::as_bytes),
                event.item.as_ref().map(<[u8; 16]>::as_slice),
                event.subject.as_ref().map(<[u8; 32]>::as_slice),
                Some(detail.as_bytes()),
            ],
        );
        self.sql
            .prepare_cached(
                "INSERT INTO trail
                   (sequence, at, role, who, what, project, item, subject, detail, chain)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                signed(sequence),
                at,
                who.role,
                who.name,
                what,
                event.project,
                event.item,
                event.subject,
                detail,
                chain.0
            ])?;
        if sequence.is_multiple_of(SIGNED_EVENTS) {
            self.sign_trail()?;
        }
        Ok(sequence)
    }

    /// Place and hash of the last row; 0 for none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn trail_head(&self) -> Result<(u64, Digest), StoreError> {
        let head: Option<(i64, [u8; 32])> = self
            .sql
            .prepare_cached("SELECT sequence, chain FROM trail ORDER BY sequence DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match head {
            Some((sequence, chain)) => Ok((unsigned(sequence, TABLE, "sequence")?, Fixed(chain))),
            None => Ok((0, TRAIL_START)),
        }
    }

    /// Signs the log up to its last row, unless that is done; `None` while there is no row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sign_trail(&self) -> Result<Option<TrailCheckpoint>, StoreError> {
        let (sequence, chain) = self.trail_head()?;
        if sequence == 0 {
            return Ok(None);
        }
        if let Some(known) = self.trail_checkpoint(sequence)? {
            return Ok(Some(known));
        }
        let at = self.now();
        let signature = self.witness.sign_trail(&message(sequence, at, &chain));
        self.sql
            .prepare_cached(
                "INSERT INTO trail_checkpoints (sequence, at, chain, signature)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![signed(sequence), at, chain.0, signature.0])?;
        Ok(Some(TrailCheckpoint { sequence, at, chain, signature }))
    }

    /// The signature at a row, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn trail_checkpoint(&self, sequence: u64) -> Result<Option<TrailCheckpoint>, StoreError> {
        let found = self.trail_checkpoints(sequence.saturating_sub(1), 1)?;
        Ok(found.into_iter().find(|found| found.sequence == sequence))
    }

    /// Up to `limit` signatures at rows above `after`, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn trail_checkpoints(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<TrailCheckpoint>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT sequence, at, chain, signature FROM trail_checkpoints
             WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
        )?;
        let mut rows = statement.query(params![signed(after), limit])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(checkpoint(row)?);
        }
        Ok(all)
    }

    /// The last signature that was made at or before `at`, Unix seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_trail_checkpoint(&self, at: i64) -> Result<Option<TrailCheckpoint>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT sequence, at, chain, signature FROM trail_checkpoints
             WHERE at <= ?1 ORDER BY sequence DESC LIMIT 1",
        )?;
        let mut rows = statement.query([at])?;
        rows.next()?.map(checkpoint).transpose()
    }

    /// Up to `limit` rows above `after` that pass the filter, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn events(
        &self,
        filter: &Filter,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM trail
             WHERE sequence > ?1 AND (?2 IS NULL OR at >= ?2) AND (?3 IS NULL OR at < ?3)
               AND (?4 IS NULL OR who = ?4 OR role = ?4) AND (?5 IS NULL OR what = ?5)
             ORDER BY sequence LIMIT ?6"
        );
        let Filter { since, before, who, what } = filter;
        let what = what.map(What::name);
        self.events_by(&sql, params![signed(after), since, before, who, what, limit])
    }

    /// The first `limit` rows about an item, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn events_of_item(&self, item: &[u8; 16], limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM trail WHERE item = ?1 ORDER BY sequence LIMIT ?2");
        self.events_by(&sql, params![item, limit])
    }

    /// The first `limit` rows about a subject as a whole, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn events_of_subject(
        &self,
        subject: &[u8; 32],
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM trail WHERE subject = ?1 ORDER BY sequence LIMIT ?2");
        self.events_by(&sql, params![subject, limit])
    }

    /// The row about an item's import, if it is still there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn import_of(&self, item: i64) -> Result<Option<EventRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM trail WHERE what = 'imported'
               AND sequence = (SELECT imported FROM items WHERE item = ?1)"
        );
        Ok(self.events_by(&sql, params![item])?.pop())
    }

    fn events_by(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<EventRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(event(row)?);
        }
        Ok(all)
    }

    /// Gives every row to `take` with the hash that it should have, in their order. `previous` is the
    /// hash before the first of them.
    ///
    /// # Errors
    /// [`StoreError`]; a row that is not what this program writes is for `take` to judge.
    pub fn each_link<E: From<StoreError>>(
        &self,
        mut previous: Digest,
        mut take: impl FnMut(&Link) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |source| E::from(StoreError::from(source));
        let sql = format!("SELECT {COLUMNS} FROM trail ORDER BY sequence");
        let mut statement = self.sql.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let link = read_link(&previous, row).map_err(failed)?;
            previous = link.found.unwrap_or(link.expected);
            take(&link)?;
        }
        Ok(())
    }

    /// Removes the rows up to a signed one, and the signatures before that; how many rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cut_trail(&self, up_to: u64) -> Result<u64, StoreError> {
        let gone = self.sql.execute("DELETE FROM trail WHERE sequence <= ?1", [signed(up_to)])?;
        self.sql.execute("DELETE FROM trail_checkpoints WHERE sequence < ?1", [signed(up_to)])?;
        Ok(u64::try_from(gone).unwrap_or(u64::MAX))
    }

    /// Place of the first row; `None` while there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn first_event(&self) -> Result<Option<u64>, StoreError> {
        let first: Option<i64> =
            self.sql.query_row("SELECT min(sequence) FROM trail", [], |row| row.get(0))?;
        // A row of another number than the program writes is for whoever reads the rows to find.
        Ok(first.map(|first| u64::try_from(first).unwrap_or(1).max(1)))
    }
}

/// The hash of a row after one of the hash `previous`.
fn link(previous: &Digest, sequence: i64, at: i64, fields: &[Option<&[u8]>; 7]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&previous.0);
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    for field in fields {
        // With its length before it, no field can be mistaken for the end of another.
        hasher.update(&[u8::from(field.is_some())]);
        if let Some(bytes) = field {
            hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(bytes);
        }
    }
    Fixed(*hasher.finalize().as_bytes())
}

/// What is signed: every field, at fixed length.
fn message(sequence: u64, at: i64, chain: &Digest) -> Vec<u8> {
    [&sequence.to_le_bytes()[..], &at.to_le_bytes(), &chain.0].concat()
}

fn read_link(previous: &Digest, row: &Row<'_>) -> Result<Link, rusqlite::Error> {
    // A damaged file may hold another type than the column's: it is as wrong as another value.
    let bytes = |index| match row.get_ref(index)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(Some(bytes)),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Ok::<_, rusqlite::Error>(None),
    };
    let sequence: i64 = row.get(0)?;
    let at = match row.get_ref(1)? {
        ValueRef::Integer(at) => at,
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => i64::MIN,
    };
    let fields = [bytes(2)?, bytes(3)?, bytes(4)?, bytes(5)?, bytes(6)?, bytes(7)?, bytes(8)?];
    let cut = (fields[2] == Some(What::Cut.name().as_bytes()))
        .then(|| serde_json::from_slice::<Json>(fields[6]?).ok()?.get("up_to")?.as_u64())
        .flatten();
    let found = bytes(9)?.and_then(|chain| <[u8; 32]>::try_from(chain).ok()).map(Fixed);
    Ok(Link { sequence, expected: link(previous, sequence, at, &fields), found, cut })
}

fn event(row: &Row<'_>) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        sequence: unsigned(row.get(0)?, TABLE, "sequence")?,
        at: row.get(1)?,
        role: row.get(2)?,
        who: row.get(3)?,
        what: row.get(4)?,
        project: row.get(5)?,
        item: row.get(6)?,
        subject: row.get(7)?,
        detail: row.get(8)?,
    })
}

fn checkpoint(row: &Row<'_>) -> Result<TrailCheckpoint, StoreError> {
    const TABLE: &str = "trail_checkpoints";
    Ok(TrailCheckpoint {
        sequence: unsigned(row.get(0)?, TABLE, "sequence")?,
        at: row.get(1)?,
        chain: Fixed(fixed(&row.get::<_, Vec<u8>>(2)?, TABLE, "chain")?),
        signature: Fixed(fixed(&row.get::<_, Vec<u8>>(3)?, TABLE, "signature")?),
    })
}
