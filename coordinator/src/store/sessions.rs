//! Secure aggregation: announced keys, sessions, what happened in them, and their sums.

use insitu_privacy::secagg::{Event, Stage};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{AgentName, Digest, ProjectName, SiteName};
use insitu_protocol::release::Body;
use insitu_protocol::session::{Member, Purpose, SessionOrder};
use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::row::{corrupt, fixed, name, wire, word};
use super::{StoreError, Tx};

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// A stage is open, or all are closed and the sum is not computed yet.
    Open,
    /// It has a sum.
    Summed,
    /// It has none and never will.
    Abandoned,
}

impl SessionState {
    /// The state in the store and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Summed => "summed",
            Self::Abandoned => "abandoned",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Summed, Self::Abandoned].into_iter().find(|s| s.name() == name)
    }
}

/// One attempt at one sum.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRow {
    /// Its id.
    pub id: Digest,
    /// What the sites were sent.
    pub order: SessionOrder,
    /// When it began.
    pub opened_unix_s: i64,
    /// When it is given up if too few sites have answered a stage.
    pub gives_up_unix_s: i64,
    /// Where it is.
    pub state: SessionState,
    /// Why it was abandoned, for people.
    pub reason: String,
}

/// What a session came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumRow {
    /// Positions in the roster of the sites in it.
    pub survived: Vec<u8>,
    /// SHA-256 of the values as 8-byte little-endian integers.
    pub digest: Digest,
    /// The noised sums.
    pub sums: Vec<i32>,
}

impl SessionRow {
    /// The sites in a sum of this session, by name.
    pub fn survivors(&self, sum: &SumRow) -> Vec<SiteName> {
        let member = |position: &u8| self.order.members.get(usize::from(*position));
        sum.survived.iter().filter_map(member).map(|member| member.site.clone()).collect()
    }
}

impl Tx<'_> {
    /// Keeps the key of an agent, in place of an earlier one.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn announce_key(
        &self,
        site: &SiteName,
        agent: &AgentName,
        key: Fixed<32>,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO announced_key (site, agent, verify_key, at_unix_s) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (site, agent) DO UPDATE \
                   SET verify_key = excluded.verify_key, at_unix_s = excluded.at_unix_s";
        self.execute(sql, params![site.as_str(), agent.as_str(), key.0, now_unix_s]).map(drop)
    }

    /// The key of an agent.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn announced_key(
        &self,
        site: &SiteName,
        agent: &AgentName,
    ) -> Result<Option<Fixed<32>>, StoreError> {
        let sql = "SELECT verify_key FROM announced_key WHERE site = $1 AND agent = $2";
        self.row(sql, [site.as_str(), agent.as_str()], |row| fixed(row, 0))
    }

    /// The agent of each member that could take part in a session, by site: the one that announced
    /// its key last.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn announced_members(&self) -> Result<Vec<Member>, StoreError> {
        let sql = "SELECT k.site, k.agent, k.verify_key FROM announced_key k \
                   JOIN site s ON s.name = k.site WHERE s.revoked_unix_s IS NULL \
                   ORDER BY k.site, k.at_unix_s DESC, k.agent";
        let mut members: Vec<Member> = self.rows(sql, [], |row| {
            Ok(Member { site: name(row, 0)?, agent: name(row, 1)?, verify_key: fixed(row, 2)? })
        })?;
        members.dedup_by(|later, first| later.site == first.site);
        Ok(members)
    }

    /// Adds a session that begins.
    ///
    /// # Errors
    /// [`StoreError::Transaction`]; also when there was such an attempt.
    #[expect(clippy::missing_panics_doc, reason = "an order has no map and no float to refuse")]
    pub fn add_session(&self, session: &SessionRow) -> Result<(), StoreError> {
        let order = postcard::to_allocvec(&session.order).expect("an order always encodes");
        let (occasion, step) = occasion(&session.order.purpose);
        let sql = "INSERT INTO session (id, occasion, step, attempt, session_order, \
                   opened_unix_s, gives_up_unix_s, due_unix_s, state, reason) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let params = params![
            session.id.0,
            occasion.0,
            step,
            session.order.attempt,
            order,
            session.opened_unix_s,
            session.gives_up_unix_s,
            session.order.deadlines_unix_s[0],
            session.state.name(),
            session.reason
        ];
        self.execute(sql, params).map(drop)
    }

    /// A session.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn session(&self, id: Digest) -> Result<Option<SessionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM session WHERE id = $1");
        self.row(&sql, [id.0], session_row)
    }

    /// The attempts at a round of a run, or at a collection or an evaluation (step 0), in order.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn attempts(&self, occasion: Fixed<16>, step: u32) -> Result<Vec<SessionRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM session WHERE occasion = $1 AND step = $2 ORDER BY attempt"
        );
        self.rows(&sql, params![occasion.0, step], session_row)
    }

    /// Of the [`Tx::attempts`] those without a sum, in order: the others' orders are not read.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn failed_attempts(
        &self,
        occasion: Fixed<16>,
        step: u32,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM session WHERE occasion = $1 AND step = $2 \
             AND state = 'abandoned' ORDER BY attempt"
        );
        self.rows(&sql, params![occasion.0, step], session_row)
    }

    /// The open sessions that time changes now.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn due_sessions(&self, now_unix_s: i64) -> Result<Vec<Digest>, StoreError> {
        self.rows(DUE, [now_unix_s], |row| fixed(row, 0))
    }

    /// Whether a session is open: without its order.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn is_session_open(&self, id: Digest) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM session WHERE id = $1 AND state = 'open'";
        Ok(self.row(sql, [id.0], |_| Ok(()))?.is_some())
    }

    /// Appends what happened to a session, and says when to look at it again. Of one that is over
    /// nothing is kept.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_session_events(
        &self,
        id: Digest,
        events: &[Event],
        due_unix_s: i64,
    ) -> Result<(), StoreError> {
        if !self.is_session_open(id)? {
            return Ok(());
        }
        for event in events {
            let (stage, position, body) = match event {
                Event::Received { position, stage: Stage::Masked, .. } => {
                    (Stage::Masked, Some(*position), None)
                }
                Event::Received { position, stage, body } => (*stage, Some(*position), Some(body)),
                Event::Closed(stage) => (*stage, None, None),
            };
            let sql = "INSERT INTO session_event (session, number, stage, position, body) \
                       SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 \
                       FROM session_event WHERE session = $1";
            self.execute(sql, params![id.0, stage as i64, position, body])?;
        }
        let sql = "UPDATE session SET due_unix_s = $2 WHERE id = $1";
        self.execute(sql, params![id.0, due_unix_s]).map(drop)
    }

    /// What happened in a session, in order.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn session_events(&self, session: &SessionRow) -> Result<Vec<Event>, StoreError> {
        let sql = "SELECT stage, position, body FROM session_event WHERE session = $1 \
                   ORDER BY number";
        let mut vectors = Vec::new();
        for row in self.counted(session.order.purpose.project(), &vector_body(session))? {
            vectors.push((row.site, row.release.values));
        }
        let members = &session.order.members;
        self.rows(sql, [session.id.0], |row| {
            let number: usize = row.get(0)?;
            let stage = Stage::ALL.get(number).ok_or_else(|| corrupt(0, Type::Integer, Missing))?;
            let Some(position) = row.get::<_, Option<usize>>(1)? else {
                return Ok(Event::Closed(*stage));
            };
            let body = if *stage == Stage::Masked {
                let site = members.get(position).map(|member| &member.site);
                let vector = vectors.iter().find(|(from, _)| Some(from) == site);
                let (_, values) = vector.ok_or_else(|| corrupt(1, Type::Integer, Missing))?;
                values.to_bytes()
            } else {
                row.get(2)?
            };
            Ok(Event::Received { position, stage: *stage, body })
        })
    }

    /// Ends an open session without a sum.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn abandon_session(&self, id: Digest, reason: &str) -> Result<(), StoreError> {
        let sql = "UPDATE session SET state = 'abandoned', reason = $2 \
                   WHERE id = $1 AND state = 'open'";
        self.execute(sql, params![id.0, reason])?;
        self.forget_events(id)
    }

    /// Ends an open session with its sum. The messages that led to it, shares of secrets among them,
    /// are not kept.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn sum_session(&self, id: Digest, sum: &SumRow) -> Result<(), StoreError> {
        if !self.is_session_open(id)? {
            return Ok(());
        }
        let sums: Vec<u8> = sum.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let sql = "INSERT INTO session_sum (session, survived, digest, sums) \
                   VALUES ($1, $2, $3, $4)";
        self.execute(sql, params![id.0, sum.survived, sum.digest.0, sums])?;
        self.execute("UPDATE session SET state = 'summed' WHERE id = $1", [id.0])?;
        self.forget_events(id)
    }

    /// What a session came to.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn session_sum(&self, id: Digest) -> Result<Option<SumRow>, StoreError> {
        let sql = "SELECT survived, digest, sums FROM session_sum WHERE session = $1";
        self.row(sql, [id.0], |row| {
            let sums: Vec<u8> = row.get(2)?;
            let (sums, _) = sums.as_chunks::<4>();
            let sums = sums.iter().map(|sum| i32::from_le_bytes(*sum)).collect();
            Ok(SumRow { survived: row.get(0)?, digest: fixed(row, 1)?, sums })
        })
    }

    /// Whether one of these attempts is open.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn is_attempted(&self, occasion: Fixed<16>, step: u32) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM session WHERE occasion = $1 AND step = $2 AND state = 'open' \
                   LIMIT 1";
        Ok(self.row(sql, params![occasion.0, step], |_| Ok(()))?.is_some())
    }

    /// The attempt at a round of a run, or at a collection or an evaluation (step 0), that has a
    /// sum, with that.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn summed(
        &self,
        occasion: Fixed<16>,
        step: u32,
    ) -> Result<Option<(SessionRow, SumRow)>, StoreError> {
        let mut attempts = self.attempts(occasion, step)?.into_iter();
        let summed = attempts.find(|session| session.state == SessionState::Summed);
        let Some(session) = summed else { return Ok(None) };
        Ok(self.session_sum(session.id)?.map(|sum| (session, sum)))
    }

    /// The sites whose vector a session has, by name.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn vector_sites(&self, session: &SessionRow) -> Result<Vec<SiteName>, StoreError> {
        self.counted_sites(session.order.purpose.project(), &vector_body(session))
    }

    /// The sums of a project's finished collections, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn collected(
        &self,
        project: &ProjectName,
    ) -> Result<Vec<(SessionRow, SumRow)>, StoreError> {
        let mut collections = self.collections()?;
        collections.retain(|collection| collection.project == *project);
        let sums = collections.into_iter().map(|collection| self.summed(collection.id, 0));
        sums.filter_map(Result::transpose).collect()
    }

    fn forget_events(&self, id: Digest) -> Result<(), StoreError> {
        self.execute("DELETE FROM session_event WHERE session = $1", [id.0]).map(drop)
    }
}

/// What the release of a session's vector is filed under; its window does not matter.
fn vector_body(session: &SessionRow) -> Body {
    match &session.order.purpose {
        Purpose::Update(order) => {
            Body::MaskedUpdate { run: order.run, round: order.round, session: session.id }
        }
        Purpose::Statistics { .. } => Body::MaskedStatistics { window: 0, session: session.id },
        Purpose::Evaluation(order) => {
            Body::MaskedEvaluation { evaluation: order.evaluation, session: session.id }
        }
    }
}

fn occasion(purpose: &Purpose) -> (Fixed<16>, u32) {
    match purpose {
        Purpose::Update(order) => (order.run, order.round),
        Purpose::Statistics { collection, .. } => (*collection, 0),
        Purpose::Evaluation(order) => (order.evaluation, 0),
    }
}

pub(super) const DUE: &str =
    "SELECT id FROM session WHERE state = 'open' AND due_unix_s <= $1 ORDER BY id";

const COLUMNS: &str = "id, session_order, opened_unix_s, gives_up_unix_s, state, reason";

fn session_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: fixed(row, 0)?,
        order: wire(row, 1)?,
        opened_unix_s: row.get(2)?,
        gives_up_unix_s: row.get(3)?,
        state: word(row, 4, SessionState::from_name)?,
        reason: row.get(5)?,
    })
}

/// An event of a stage or of a vector that is not there.
#[derive(Debug, thiserror::Error)]
#[error("an event refers to nothing")]
struct Missing;
