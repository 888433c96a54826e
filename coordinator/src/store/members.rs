//! Sites, their agents, enrollment tokens, and what looked wrong about them.

use insitu_protocol::facts::DeviceFacts;
use insitu_protocol::ids::{AgentName, Digest, SiteName};
use rusqlite::params;

use super::row::{fixed_or_null, name, name_or_null, wire};
use super::{StoreError, Tx};

/// A site of the federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteRow {
    /// Its name.
    pub name: SiteName,
    /// When the operator added it.
    pub added_unix_s: i64,
    /// When the operator revoked it, if so.
    pub revoked_unix_s: Option<i64>,
}

/// An agent that enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRow {
    /// Its site.
    pub site: SiteName,
    /// Its name there.
    pub name: AgentName,
    /// When it redeemed its (last) token.
    pub enrolled_unix_s: i64,
    /// When it last said hello.
    pub seen_unix_s: Option<i64>,
    /// What it then told about its machine.
    pub facts: Option<DeviceFacts>,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The site it lets in.
    pub site: SiteName,
    /// No use after this time.
    pub expires_unix_s: i64,
    /// The agent that redeemed it.
    pub agent: Option<AgentName>,
    /// Hash of the public key that redeemed it.
    pub key: Option<Digest>,
}

/// What can look wrong about an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// Two different releases of one number: a cloned disk, or a lie.
    Equivocation,
    /// A release that is not the next one: a restored backup.
    Gap,
    /// A release that its project does not allow.
    Malformed,
}

impl AlertKind {
    /// The kind in the store, in metrics and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equivocation => "equivocation",
            Self::Gap => "gap",
            Self::Malformed => "malformed",
        }
    }
}

/// How often something looked wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// The site.
    pub site: SiteName,
    /// The agent.
    pub agent: AgentName,
    /// [`AlertKind::name`].
    pub kind: String,
    /// The last time.
    pub last_unix_s: i64,
    /// How many times.
    pub times: u64,
}

impl Tx<'_> {
    /// Adds a site; `false` when it is there already.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_site(&self, site: &SiteName, now_unix_s: i64) -> Result<bool, StoreError> {
        let sql = "INSERT INTO site (name, added_unix_s) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        Ok(self.execute(sql, params![site.as_str(), now_unix_s])? == 1)
    }

    /// Every site by name, the revoked ones too.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn sites(&self) -> Result<Vec<SiteRow>, StoreError> {
        let sql = "SELECT name, added_unix_s, revoked_unix_s FROM site ORDER BY name";
        self.rows(sql, [], |row| {
            Ok(SiteRow {
                name: name(row, 0)?,
                added_unix_s: row.get(1)?,
                revoked_unix_s: row.get(2)?,
            })
        })
    }

    /// Whether the site exists and is not revoked.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn is_member(&self, site: &SiteName) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM site WHERE name = $1 AND revoked_unix_s IS NULL";
        Ok(self.row(sql, [site.as_str()], |_| Ok(()))?.is_some())
    }

    /// The sites that are not revoked, by name.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn members(&self) -> Result<Vec<SiteName>, StoreError> {
        let sql = "SELECT name FROM site WHERE revoked_unix_s IS NULL ORDER BY name";
        self.rows(sql, [], |row| name(row, 0))
    }

    /// The sites to ask, by name: the `chosen` ones, each once, or every member. The inner error is
    /// one that is not a member.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn invited(
        &self,
        chosen: Option<&[SiteName]>,
    ) -> Result<Result<Vec<SiteName>, SiteName>, StoreError> {
        let members = self.members()?;
        let Some(chosen) = chosen else { return Ok(Ok(members)) };
        let mut sites = chosen.to_vec();
        sites.sort();
        sites.dedup();
        let stranger = sites.iter().find(|site| members.binary_search(site).is_err()).cloned();
        Ok(stranger.map_or(Ok(sites), Err))
    }

    /// Of these sites, those that are members still.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn still_members(&self, mut sites: Vec<SiteName>) -> Result<Vec<SiteName>, StoreError> {
        let members = self.members()?;
        sites.retain(|site| members.binary_search(site).is_ok());
        Ok(sites)
    }

    /// Revokes a site; `false` when there is no such member.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn revoke_site(&self, site: &SiteName, now_unix_s: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE site SET revoked_unix_s = $2 WHERE name = $1 AND revoked_unix_s IS NULL";
        Ok(self.execute(sql, params![site.as_str(), now_unix_s])? == 1)
    }

    /// Every agent by site and name.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        let sql = "SELECT site, name, enrolled_unix_s, seen_unix_s, facts FROM agent \
                   ORDER BY site, name";
        self.rows(sql, [], |row| {
            let facts: Option<Vec<u8>> = row.get(4)?;
            Ok(AgentRow {
                site: name(row, 0)?,
                name: name(row, 1)?,
                enrolled_unix_s: row.get(2)?,
                seen_unix_s: row.get(3)?,
                facts: facts.map(|_| wire(row, 4)).transpose()?,
            })
        })
    }

    /// Records that an agent enrolled, again perhaps.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn enroll_agent(
        &self,
        site: &SiteName,
        agent: &AgentName,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO agent (site, name, enrolled_unix_s) VALUES ($1, $2, $3) \
                   ON CONFLICT (site, name) DO UPDATE SET enrolled_unix_s = excluded.enrolled_unix_s";
        self.execute(sql, params![site.as_str(), agent.as_str(), now_unix_s]).map(drop)
    }

    /// Records that an agent said hello.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    #[expect(clippy::missing_panics_doc, reason = "small integers always encode")]
    pub fn agent_seen(
        &self,
        site: &SiteName,
        agent: &AgentName,
        facts: &DeviceFacts,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let facts = postcard::to_allocvec(facts).expect("a struct of small integers encodes");
        let sql = "INSERT INTO agent (site, name, enrolled_unix_s, seen_unix_s, facts) \
                   VALUES ($1, $2, $3, $3, $4) ON CONFLICT (site, name) \
                   DO UPDATE SET seen_unix_s = excluded.seen_unix_s, facts = excluded.facts";
        self.execute(sql, params![site.as_str(), agent.as_str(), now_unix_s, facts]).map(drop)
    }

    /// Records a certificate.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_certificate(
        &self,
        serial: &str,
        site: &SiteName,
        agent: &AgentName,
        issued_unix_s: i64,
        not_after_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO certificate (serial, site, agent, issued_unix_s, not_after_unix_s) \
                   VALUES ($1, $2, $3, $4, $5)";
        let params =
            params![serial, site.as_str(), agent.as_str(), issued_unix_s, not_after_unix_s];
        self.execute(sql, params).map(drop)
    }

    /// Keeps a new token by the hash of its secret.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_token(
        &self,
        hash: Digest,
        site: &SiteName,
        made_unix_s: i64,
        expires_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO token (hash, site, made_unix_s, expires_unix_s) \
                   VALUES ($1, $2, $3, $4)";
        self.execute(sql, params![hash.0, site.as_str(), made_unix_s, expires_unix_s]).map(drop)
    }

    /// The token of a secret's hash.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn token(&self, hash: Digest) -> Result<Option<TokenRow>, StoreError> {
        let sql = "SELECT site, expires_unix_s, agent, key FROM token WHERE hash = $1";
        self.row(sql, [hash.0], |row| {
            Ok(TokenRow {
                site: name(row, 0)?,
                expires_unix_s: row.get(1)?,
                agent: name_or_null(row, 2)?,
                key: fixed_or_null(row, 3)?,
            })
        })
    }

    /// Uses a token up; `false` when that has happened already.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn redeem_token(
        &self,
        hash: Digest,
        agent: &AgentName,
        key: Digest,
        now_unix_s: i64,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE token SET redeemed_unix_s = $2, agent = $3, key = $4 \
                   WHERE hash = $1 AND redeemed_unix_s IS NULL";
        Ok(self.execute(sql, params![hash.0, now_unix_s, agent.as_str(), key.0])? == 1)
    }

    /// Counts something that looked wrong.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn raise_alert(
        &self,
        site: &SiteName,
        agent: &AgentName,
        kind: AlertKind,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO alert (site, agent, kind, first_unix_s, last_unix_s, times) \
                   VALUES ($1, $2, $3, $4, $4, 1) ON CONFLICT (site, agent, kind) \
                   DO UPDATE SET last_unix_s = excluded.last_unix_s, times = alert.times + 1";
        self.execute(sql, params![site.as_str(), agent.as_str(), kind.name(), now_unix_s]).map(drop)
    }

    /// Everything that looked wrong.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn alerts(&self) -> Result<Vec<AlertRow>, StoreError> {
        let sql =
            "SELECT site, agent, kind, last_unix_s, times FROM alert ORDER BY site, agent, kind";
        self.rows(sql, [], |row| {
            Ok(AlertRow {
                site: name(row, 0)?,
                agent: name(row, 1)?,
                kind: row.get(2)?,
                last_unix_s: row.get(3)?,
                times: row.get(4)?,
            })
        })
    }
}
