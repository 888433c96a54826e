//! Releases as they came: each agent's chain, and the view of it by content.

use insitu_protocol::ids::{AgentName, Digest, ProjectName, ReleaseId, SiteName};
use insitu_protocol::release::{Body, Release};
use insitu_protocol::response::Receipt;
use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::row::{corrupt, fixed, name};
use super::{StoreError, Tx};

/// A release to keep.
#[derive(Clone, Copy, Debug)]
pub struct NewRelease<'a> {
    /// Whose chain it belongs to.
    pub site: &'a SiteName,
    /// The agent there.
    pub agent: &'a AgentName,
    /// What `bytes` decode to.
    pub release: &'a Release,
    /// Exactly what came; kept if it is counted.
    pub bytes: &'a [u8],
    /// The chain's hash after it.
    pub chain: Digest,
    /// Whether it enters sums, or is noted for the chain alone.
    pub counted: bool,
    /// When it came.
    pub received_unix_s: i64,
}

/// A release that enters sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// The site.
    pub site: SiteName,
    /// The release.
    pub release: Release,
}

/// A window's counted statistics of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRow {
    /// The site.
    pub site: SiteName,
    /// Its agent.
    pub agent: AgentName,
    /// When it came.
    pub received_unix_s: i64,
    /// The release.
    pub release: Release,
}

/// What an agent was charged for one kind of release, as seen here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeRow {
    /// The site.
    pub site: SiteName,
    /// The project.
    pub project: ProjectName,
    /// [`Body::name`].
    pub kind: String,
    /// Releases of that kind.
    pub releases: u64,
    /// Their cost, nano-ρ.
    pub nano_rho: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Tx<'_> {
    /// The newest release of an agent's chain.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn chain_end(
        &self,
        site: &SiteName,
        agent: &AgentName,
    ) -> Result<Option<Receipt>, StoreError> {
        let sql = "SELECT id, sequence, chain FROM release WHERE site = $1 AND agent = $2 \
                   ORDER BY sequence DESC LIMIT 1";
        self.row(sql, params![site.as_str(), agent.as_str()], receipt)
    }

    /// The release at a place of an agent's chain.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn chain_at(
        &self,
        site: &SiteName,
        agent: &AgentName,
        sequence: u64,
    ) -> Result<Option<Receipt>, StoreError> {
        let Ok(sequence) = i64::try_from(sequence) else { return Ok(None) };
        let sql = "SELECT id, sequence, chain FROM release \
                   WHERE site = $1 AND agent = $2 AND sequence = $3";
        self.row(sql, params![site.as_str(), agent.as_str(), sequence], receipt)
    }

    /// When the release at a place of an agent's chain came.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn received_at(
        &self,
        site: &SiteName,
        agent: &AgentName,
        sequence: u64,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT received_unix_s FROM release \
                   WHERE site = $1 AND agent = $2 AND sequence = $3";
        self.row(sql, params![site.as_str(), agent.as_str(), sequence], |row| row.get(0))
    }

    /// The site that a release of this id came from.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn release_owner(&self, id: ReleaseId) -> Result<Option<SiteName>, StoreError> {
        let sql = "SELECT site FROM release WHERE id = $1 LIMIT 1";
        self.row(sql, params![id.0], |row| name(row, 0))
    }

    /// Keeps a release; of one that is not counted all but its bytes, which nothing reads.
    ///
    /// # Errors
    /// [`StoreError::Transaction`]; also when its place in the chain is taken.
    pub fn add_release(&self, new: &NewRelease<'_>) -> Result<(), StoreError> {
        let NewRelease { site, agent, release, bytes, chain, counted, received_unix_s } = *new;
        let (subject, part) = content_key(&release.body);
        let kept = if counted { bytes } else { &[] };
        let sql = "INSERT INTO release (site, agent, sequence, id, chain, project, project_version, \
                   kind, subject, part, nano_rho, counted, received_unix_s, bytes, size) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
        self.execute(
            sql,
            params![
                site.as_str(),
                agent.as_str(),
                release.sequence,
                release.id.0,
                chain.0,
                release.project.as_str(),
                release.project_version,
                release.body.name(),
                subject,
                part,
                release.nano_rho,
                i64::from(counted),
                received_unix_s,
                kept,
                bytes.len()
            ],
        )?;
        Ok(())
    }

    /// Whether a counted release of the same content is there: of the agent for statistics, of
    /// the site for a campaign or an update, where each site has one voice.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn has_counted(
        &self,
        site: &SiteName,
        agent: &AgentName,
        project: &ProjectName,
        body: &Body,
    ) -> Result<bool, StoreError> {
        let (subject, part) = content_key(body);
        let per_site = i64::from(!subject.is_empty());
        let sql = "SELECT 1 FROM release WHERE project = $1 AND kind = $2 AND subject = $3 \
                   AND part = $4 AND counted = 1 AND site = $5 AND (agent = $6 OR $7 = 1) LIMIT 1";
        let params = params![
            project.as_str(),
            body.name(),
            subject,
            part,
            site.as_str(),
            agent.as_str(),
            per_site
        ];
        Ok(self.row(sql, params, |_| Ok(()))?.is_some())
    }

    /// Hands the counted statistics of one kind to `take`, by site and agent, in the order in which
    /// they were released: one at a time is in memory. `kind` is that of a [`Body`], whose window does
    /// not matter.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn each_statistic(
        &self,
        project: &ProjectName,
        kind: &Body,
        mut take: impl FnMut(WindowRow),
    ) -> Result<(), StoreError> {
        let sql = "SELECT site, bytes, agent, received_unix_s FROM release WHERE project = $1 \
                   AND kind = $2 AND counted = 1 ORDER BY site, agent, sequence";
        self.rows(sql, params![project.as_str(), kind.name()], |row| {
            let ReleaseRow { site, release } = release(row)?;
            take(WindowRow { site, agent: name(row, 2)?, received_unix_s: row.get(3)?, release });
            Ok(())
        })
        .map(drop)
    }

    /// The counted releases of one campaign, evaluation, or round of a run, by site.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn counted(
        &self,
        project: &ProjectName,
        body: &Body,
    ) -> Result<Vec<ReleaseRow>, StoreError> {
        let (subject, part) = content_key(body);
        self.rows(COUNTED, params![project.as_str(), body.name(), subject, part], release)
    }

    /// How many counted statistics of one kind there are; the window of `kind` does not matter.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn statistics_count(&self, project: &ProjectName, kind: &Body) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM release WHERE project = $1 AND kind = $2 AND counted = 1";
        let count = self.row(sql, params![project.as_str(), kind.name()], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }

    /// Hands the counted releases of one campaign, or of one round of a run, to `take`, by site: one
    /// at a time is in memory.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn each_counted(
        &self,
        project: &ProjectName,
        body: &Body,
        mut take: impl FnMut(ReleaseRow),
    ) -> Result<(), StoreError> {
        let (subject, part) = content_key(body);
        let params = params![project.as_str(), body.name(), subject, part];
        self.rows(COUNTED, params, |row| release(row).map(&mut take)).map(drop)
    }

    /// The sites whose release of this content is counted, without reading it.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn counted_sites(
        &self,
        project: &ProjectName,
        body: &Body,
    ) -> Result<Vec<SiteName>, StoreError> {
        let (subject, part) = content_key(body);
        let sql = "SELECT site FROM release WHERE project = $1 AND kind = $2 \
                   AND subject = $3 AND part = $4 AND counted = 1 ORDER BY site";
        let params = params![project.as_str(), body.name(), subject, part];
        self.rows(sql, params, |row| name(row, 0))
    }

    /// What was charged, by site, project and kind: counted or not, it was released. A release that
    /// came again under another agent was charged once.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn charges(&self) -> Result<Vec<ChargeRow>, StoreError> {
        let sql = "SELECT site, project, kind, COUNT(*), SUM(nano_rho), SUM(size) FROM \
                   (SELECT DISTINCT id, site, project, kind, nano_rho, size \
                    FROM release) AS charged \
                   GROUP BY site, project, kind ORDER BY site, project, kind";
        self.rows(sql, [], |row| {
            Ok(ChargeRow {
                site: name(row, 0)?,
                project: name(row, 1)?,
                kind: row.get(2)?,
                releases: row.get(3)?,
                nano_rho: row.get(4)?,
                bytes: row.get(5)?,
            })
        })
    }
}

const COUNTED: &str = "SELECT site, bytes FROM release WHERE project = $1 AND kind = $2 \
                       AND subject = $3 AND part = $4 AND counted = 1 ORDER BY site";

/// What a release is about: an id (empty for statistics) and a number within it.
fn content_key(body: &Body) -> (Vec<u8>, u32) {
    match body {
        Body::Confusion { window }
        | Body::Coincidence { window }
        | Body::Calibration { window }
        | Body::Drift { window } => (Vec::new(), *window),
        Body::Campaign { campaign } => (campaign.0.to_vec(), 0),
        Body::Update { run, round } | Body::CoarseUpdate { run, round, .. } => {
            (run.0.to_vec(), *round)
        }
        Body::Evaluation { evaluation } => (evaluation.0.to_vec(), 0),
        Body::MaskedUpdate { session, .. }
        | Body::MaskedStatistics { session, .. }
        | Body::MaskedEvaluation { session, .. } => (session.0.to_vec(), 0),
    }
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<Receipt> {
    Ok(Receipt { id: fixed(row, 0)?, sequence: row.get(1)?, chain: fixed(row, 2)? })
}

fn release(row: &Row<'_>) -> rusqlite::Result<ReleaseRow> {
    let bytes: Vec<u8> = row.get(1)?;
    let release = Release::decode(&bytes).map_err(|error| corrupt(1, Type::Blob, error))?;
    Ok(ReleaseRow { site: name(row, 0)?, release })
}
