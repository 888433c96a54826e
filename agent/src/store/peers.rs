//! The other sites' keys for secure aggregation: which was first seen, and which the steward
//! approved.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{AgentName, SiteName};
use insitu_protocol::session::Member;
use rusqlite::{Row, params};

use crate::store::{StoreError, Tx};

const TABLE: &str = "peers";

/// What is thought of a peer's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// The first that was seen.
    FirstUse,
    /// Another than the one known: waits for the steward.
    Changed,
    /// Approved by the steward.
    Approved,
}

impl PeerState {
    const ALL: [Self; 3] = [Self::FirstUse, Self::Changed, Self::Approved];

    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstUse => "first-use",
            Self::Changed => "changed",
            Self::Approved => "approved",
        }
    }
}

/// A key of an agent of another site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRow {
    /// Site, agent and key.
    pub member: Member,
    /// What is thought of it.
    pub state: PeerState,
    /// When it was first seen, Unix seconds.
    pub first_seen: i64,
}

impl Tx<'_> {
    /// All keys of all agents, by site and agent, newest key last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn peers(&self) -> Result<Vec<PeerRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT site, agent, verify_key, state, first_seen FROM peers
             ORDER BY site, agent, first_seen, verify_key",
        )?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(peer_row(row)?);
        }
        Ok(all)
    }

    /// The keys of one agent, newest last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keys_of_peer(
        &self,
        site: &SiteName,
        agent: &AgentName,
    ) -> Result<Vec<PeerRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT site, agent, verify_key, state, first_seen FROM peers
             WHERE site = ?1 AND agent = ?2 ORDER BY first_seen, verify_key",
        )?;
        let mut rows = statement.query([site.as_str(), agent.as_str()])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(peer_row(row)?);
        }
        Ok(all)
    }

    /// How many keys are known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn peer_count(&self) -> Result<u64, StoreError> {
        let count = self.sql.query_row("SELECT count(*) FROM peers", [], |row| row.get(0))?;
        super::unsigned(count, TABLE, "count")
    }

    /// Adds a key that was seen; a known one stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_peer(&self, member: &Member, state: PeerState, now: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT INTO peers (site, agent, verify_key, state, first_seen)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                member.site.as_str(),
                member.agent.as_str(),
                member.verify_key.0,
                state.name(),
                now
            ])?;
        Ok(())
    }

    /// Makes a key the approved one of its agent, and forgets the agent's others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn approve_peer(&self, member: &Member) -> Result<(), StoreError> {
        let names = params![member.site.as_str(), member.agent.as_str(), member.verify_key.0];
        self.sql
            .prepare_cached(
                "DELETE FROM peers WHERE site = ?1 AND agent = ?2 AND verify_key <> ?3",
            )?
            .execute(names)?;
        self.sql
            .prepare_cached(
                "UPDATE peers SET state = 'approved'
                 WHERE site = ?1 AND agent = ?2 AND verify_key = ?3",
            )?
            .execute(names)?;
        Ok(())
    }

    /// Forgets the keys of one agent; how many there were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_peer(&self, site: &SiteName, agent: &AgentName) -> Result<usize, StoreError> {
        Ok(self
            .sql
            .prepare_cached("DELETE FROM peers WHERE site = ?1 AND agent = ?2")?
            .execute([site.as_str(), agent.as_str()])?)
    }

    /// Forgets the keys that the steward has not approved; how many there were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_unapproved_peers(&self) -> Result<usize, StoreError> {
        Ok(self.sql.prepare_cached("DELETE FROM peers WHERE state <> 'approved'")?.execute([])?)
    }
}

fn peer_row(row: &Row<'_>) -> Result<PeerRow, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: TABLE, column };
    let (site, agent, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
    Ok(PeerRow {
        member: Member {
            site: site.parse().map_err(|_| corrupt("site"))?,
            agent: agent.parse().map_err(|_| corrupt("agent"))?,
            verify_key: Fixed(row.get(2)?),
        },
        state: PeerState::ALL
            .into_iter()
            .find(|known| known.name() == state)
            .ok_or_else(|| corrupt("state"))?,
        first_seen: row.get(4)?,
    })
}
