//! Sessions of secure aggregation: what was proposed, how far each has come, and its journal.
//!
//! Invariant: a row is never removed, so a session is joined once, ever. Journal and order are
//! there while the session is open and are erased with its end.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, ReleaseId};
use insitu_protocol::session::{Purpose, SessionOrder};
use rusqlite::{OptionalExtension, Row, params};

use crate::store::orders::{decode, encode};
use crate::store::{Cell, StoreError, Tx, fixed};

const TABLE: &str = "sessions";
/// Meta name of the sealed key that signs for secure aggregation.
const CONSENT_KEY: &str = "consent-key";

/// How far a session has come at this site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// To be judged.
    Proposed,
    /// Its keys go out.
    Keys,
    /// Its shares go out.
    Shares,
    /// The others' shares are here and in order: the vector is to be made.
    Shared,
    /// The masked vector is in the ledger.
    Masked,
    /// The signature over the survivors goes out.
    Consent,
    /// The shares that remove the masks go out.
    Reveal,
    /// There is a sum.
    Done,
    /// There may be a sum, without this site.
    Dropped,
    /// There is no sum.
    Abandoned,
    /// The site does not take part; the note says why.
    Declined,
    /// The site dropped out; the note says why.
    Failed,
}

impl SessionState {
    const ALL: [Self; 12] = [
        Self::Proposed,
        Self::Keys,
        Self::Shares,
        Self::Shared,
        Self::Masked,
        Self::Consent,
        Self::Reveal,
        Self::Done,
        Self::Dropped,
        Self::Abandoned,
        Self::Declined,
        Self::Failed,
    ];

    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Keys => "keys",
            Self::Shares => "shares",
            Self::Shared => "shared",
            Self::Masked => "masked",
            Self::Consent => "consent",
            Self::Reveal => "reveal",
            Self::Done => "done",
            Self::Dropped => "dropped",
            Self::Abandoned => "abandoned",
            Self::Declined => "declined",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more happens in it.
    pub fn is_over(self) -> bool {
        match self {
            Self::Proposed
            | Self::Keys
            | Self::Shares
            | Self::Shared
            | Self::Masked
            | Self::Consent
            | Self::Reveal => false,
            Self::Done | Self::Dropped | Self::Abandoned | Self::Declined | Self::Failed => true,
        }
    }

    /// Whether its vector was charged.
    pub fn is_charged(self) -> bool {
        match self {
            Self::Masked | Self::Consent | Self::Reveal => true,
            Self::Proposed
            | Self::Keys
            | Self::Shares
            | Self::Shared
            | Self::Done
            | Self::Dropped
            | Self::Abandoned
            | Self::Declined
            | Self::Failed => false,
        }
    }
}

/// A session as stored, without its journal.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Its id.
    pub session: Digest,
    /// The step of the occasion: the round, 0 for statistics.
    pub step: u32,
    /// The attempt at it.
    pub attempt: u32,
    /// The project.
    pub project: String,
    /// `update`, `statistics` or `evaluation`.
    pub kind: String,
    /// The order, until the session is over.
    pub order: Option<SessionOrder>,
    /// How far it has come.
    pub state: SessionState,
    /// Why it ended as it did.
    pub note: String,
    /// The release with the masked vector, once it is in the ledger.
    pub release: Option<ReleaseId>,
    /// The statistics window that is opened again should there be no sum.
    pub window: Option<u32>,
    /// When it was ordered, Unix seconds.
    pub ordered_at: i64,
}

const COLUMNS: &str = "session, step, attempt, project, kind, definition, state, note, release,
    window, ordered_at";

impl Tx<'_> {
    /// The secret of the key that signs for secure aggregation; made at the first call, for ever.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn consent_secret(&self) -> Result<[u8; 32], StoreError> {
        let cell = Cell { table: "meta", row: CONSENT_KEY.as_bytes(), column: "value" };
        if let Some(sealed) = self.meta(CONSENT_KEY)? {
            return fixed(&self.open(cell, &sealed)?, "meta", CONSENT_KEY);
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)
            .map_err(|_| StoreError::Corrupt { table: "meta", column: CONSENT_KEY })?;
        self.set_meta(CONSENT_KEY, &self.seal(cell, &secret)?)?;
        Ok(secret)
    }

    /// Adds a proposed session; a known one stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_session(
        &self,
        session: &Digest,
        order: &SessionOrder,
        now: i64,
    ) -> Result<(), StoreError> {
        let (occasion, step) = order.purpose.occasion();
        let kind = match order.purpose {
            Purpose::Update(_) => "update",
            Purpose::Statistics { .. } => "statistics",
            Purpose::Evaluation(_) => "evaluation",
        };
        self.sql
            .prepare_cached(
                "INSERT INTO sessions (session, occasion, step, attempt, project, kind,
                   definition, state, ordered_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'proposed', ?8)
                 ON CONFLICT (session) DO NOTHING",
            )?
            .execute(params![
                session.0,
                occasion.0,
                step,
                order.attempt,
                order.purpose.project().as_str(),
                kind,
                encode(order, TABLE)?,
                now
            ])?;
        Ok(())
    }

    /// The session of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn session(&self, session: &Digest) -> Result<Option<SessionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE session = ?1");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query([session.0])?;
        rows.next()?.map(session_row).transpose()
    }

    /// The sessions that are not over, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        self.sessions_where("definition IS NOT NULL ORDER BY ordered_at, rowid", &[])
    }

    /// The newest `limit` sessions, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_sessions(&self, limit: u32) -> Result<Vec<SessionRow>, StoreError> {
        self.sessions_where("1 ORDER BY ordered_at DESC, rowid DESC LIMIT ?1", &[&limit])
    }

    /// The attempts at a step of an occasion, first to last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn attempts(&self, occasion: &Digest, step: u32) -> Result<Vec<SessionRow>, StoreError> {
        self.sessions_where(
            "occasion = ?1 AND step = ?2 ORDER BY attempt",
            &[&occasion.0.as_slice(), &step],
        )
    }

    /// Step and attempt of the last session of an occasion.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_attempt(&self, occasion: &Digest) -> Result<Option<(u32, u32)>, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "SELECT step, attempt FROM sessions WHERE occasion = ?1
                 ORDER BY step DESC, attempt DESC LIMIT 1",
            )?
            .query_row([occasion.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?)
    }

    fn sessions_where(
        &self,
        condition: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<SessionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE {condition}");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(values)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(session_row(row)?);
        }
        Ok(all)
    }

    /// Moves a session on, with the journal that belongs to its new state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_journal(
        &self,
        session: &Digest,
        state: SessionState,
        journal: &[u8],
    ) -> Result<(), StoreError> {
        let sealed = self.seal(journal_cell(session), journal)?;
        self.sql
            .prepare_cached("UPDATE sessions SET state = ?1, journal = ?2 WHERE session = ?3")?
            .execute(params![state.name(), sealed, session.0])?;
        Ok(())
    }

    /// The journal of a session; `None` when there is none or it does not open, and the session
    /// must not be gone on with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn journal(&self, session: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT journal FROM sessions WHERE session = ?1")?
            .query_row([session.0], |row| row.get(0))
            .optional()?
            .flatten();
        Ok(sealed.and_then(|sealed| self.open(journal_cell(session), &sealed).ok()))
    }

    /// Keeps the list of shares from which the vector is to be masked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_shared(&self, session: &Digest, shares: &[u8]) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE sessions SET state = 'shared', shares = ?1 WHERE session = ?2")?
            .execute(params![shares, session.0])?;
        Ok(())
    }

    /// The list of shares of a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shares(&self, session: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT shares FROM sessions WHERE session = ?1")?
            .query_row([session.0], |row| row.get(0))
            .optional()?
            .flatten())
    }

    /// Says which release has the masked vector, and which window is opened again should it be in no
    /// sum. The list of shares is in the journal by now, from which the masks' roots are erased: also
    /// from the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_contributed(
        &self,
        session: &Digest,
        release: &ReleaseId,
        window: Option<u32>,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE sessions SET release = ?1, window = ?2, shares = NULL WHERE session = ?3",
            )?
            .execute(params![release.0, window, session.0])?;
        self.empty_log();
        Ok(())
    }

    /// Ends a session, and erases everything of it but its name and how it ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_session(
        &self,
        session: &Digest,
        state: SessionState,
        note: &str,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE sessions SET state = ?1, note = ?2, definition = NULL, journal = NULL,
                   shares = NULL WHERE session = ?3",
            )?
            .execute(params![state.name(), note, session.0])?;
        self.empty_log();
        Ok(())
    }

    /// Takes the items of a closed window out of it, so that the next one counts them; how many
    /// there were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn return_window(&self, project: i64, window: u32) -> Result<usize, StoreError> {
        let mut returned = 0;
        for sql in [
            "UPDATE items SET label_window = NULL WHERE project = ?1 AND label_window = ?2",
            "UPDATE items SET drift_window = NULL WHERE project = ?1 AND drift_window = ?2",
        ] {
            returned += self.sql.prepare_cached(sql)?.execute(params![project, window])?;
        }
        Ok(returned)
    }
}

fn session_row(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    let name: String = row.get(6)?;
    let definition: Option<Vec<u8>> = row.get(5)?;
    let release: Option<[u8; 16]> = row.get(8)?;
    Ok(SessionRow {
        session: Fixed(row.get(0)?),
        step: row.get(1)?,
        attempt: row.get(2)?,
        project: row.get(3)?,
        kind: row.get(4)?,
        order: definition.map(|bytes| decode(&bytes, TABLE)).transpose()?,
        state: SessionState::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or(StoreError::Corrupt { table: TABLE, column: "state" })?,
        note: row.get(7)?,
        release: release.map(Fixed),
        window: row.get(9)?,
        ordered_at: row.get(10)?,
    })
}

fn journal_cell(session: &Digest) -> Cell<'_> {
    Cell { table: TABLE, row: &session.0, column: "journal" }
}
