//! Projects, and the numbered list of orders that each site polls.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{CampaignId, Digest, EvaluationId, ProjectName, RunId, SiteName};
use insitu_protocol::project::Project;
use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::row::{corrupt, word};
use super::{StoreError, Tx};

/// What an order is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// A project's definition.
    Project {
        /// The project.
        project: ProjectName,
        /// Its version.
        version: u32,
    },
    /// A published bundle.
    Bundle {
        /// The manifest's digest.
        bundle: Digest,
        /// The publication's number in its project.
        publication: u64,
    },
    /// A training round.
    Round {
        /// The run.
        run: RunId,
        /// The round, from 1.
        round: u32,
    },
    /// A campaign.
    Campaign {
        /// The campaign.
        campaign: CampaignId,
    },
    /// An evaluation, answered by each site alone.
    Evaluation {
        /// The evaluation.
        evaluation: EvaluationId,
    },
    /// A secure aggregation.
    Session {
        /// The session.
        session: Digest,
    },
    /// A set of labeling functions.
    Functions {
        /// The manifest's digest.
        set: Digest,
    },
    /// A bundle that is to be evaluated.
    Candidate {
        /// The manifest's digest.
        bundle: Digest,
    },
}

/// An order in a site's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Its number; see [`Tx::add_order`].
    pub number: u64,
    /// What it is about.
    pub kind: OrderKind,
    /// Whether that is open still, where it is something that ends.
    pub open: bool,
}

impl Tx<'_> {
    /// Adds a version of a project; `false` when that version is there already.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    #[expect(clippy::missing_panics_doc, reason = "a checked project is always plain JSON")]
    pub fn add_project(&self, project: &Project, now_unix_s: i64) -> Result<bool, StoreError> {
        let definition = serde_json::to_string(project).expect("a checked project is plain JSON");
        let sql = "INSERT INTO project (name, version, created_unix_s, definition) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let params = params![project.name.as_str(), project.version, now_unix_s, definition];
        Ok(self.execute(sql, params)? == 1)
    }

    /// The newest version of a project.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn project(&self, project: &ProjectName) -> Result<Option<Project>, StoreError> {
        let sql = "SELECT definition FROM project WHERE name = $1 ORDER BY version DESC LIMIT 1";
        self.row(sql, [project.as_str()], definition)
    }

    /// One version of a project.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn project_version(
        &self,
        project: &ProjectName,
        version: u32,
    ) -> Result<Option<Project>, StoreError> {
        let sql = "SELECT definition FROM project WHERE name = $1 AND version = $2";
        self.row(sql, params![project.as_str(), version], definition)
    }

    /// The newest version of every project, by name.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn projects(&self) -> Result<Vec<Project>, StoreError> {
        let sql = "SELECT p.definition FROM project p WHERE p.version = \
                   (SELECT MAX(q.version) FROM project q WHERE q.name = p.name) ORDER BY p.name";
        self.rows(sql, [], definition)
    }

    /// Appends an order to a site's list.
    ///
    /// Its number is the time in thousandths of a second, or one above the last number where that is
    /// more. A coordinator that was restored from a backup has forgotten the numbers it gave since: a
    /// site, which asks for those above the last it has heard, would pass over what has one of them.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_order(
        &self,
        site: &SiteName,
        kind: &OrderKind,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let (word, reference, part) = match kind {
            OrderKind::Project { project, version } => {
                ("project", project.as_str().as_bytes(), i64::from(*version))
            }
            OrderKind::Bundle { bundle, publication } => {
                ("bundle", &bundle.0[..], i64::try_from(*publication).unwrap_or(i64::MAX))
            }
            OrderKind::Round { run, round } => ("round", &run.0[..], i64::from(*round)),
            OrderKind::Campaign { campaign } => ("campaign", &campaign.0[..], 0),
            OrderKind::Session { session } => ("session", &session.0[..], 0),
            OrderKind::Functions { set } => ("functions", &set.0[..], 0),
            OrderKind::Evaluation { evaluation } => ("evaluation", &evaluation.0[..], 0),
            OrderKind::Candidate { bundle } => ("candidate", &bundle.0[..], 0),
        };
        let sql = "INSERT INTO site_order (site, number, kind, reference, part) \
                   SELECT $1, CASE WHEN MAX(number) >= $5 THEN MAX(number) + 1 ELSE $5 END, \
                   $2, $3, $4 FROM site_order WHERE site = $1";
        let least = now_unix_s.saturating_mul(1000).max(1);
        self.execute(sql, params![site.as_str(), word, reference, part, least]).map(drop)
    }

    /// A site's orders above `after`, in order, at most `limit`. What they are about is not read.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn orders_after(
        &self,
        site: &SiteName,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OrderRow>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.rows(ORDERS_AFTER, params![site.as_str(), after, limit], order)
    }

    /// Takes orders out of a site's list; the newest stays, so that its number is not given again.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn remove_orders(&self, site: &SiteName, numbers: &[u64]) -> Result<(), StoreError> {
        let sql = "DELETE FROM site_order WHERE site = $1 AND number = $2 \
                   AND number < (SELECT MAX(number) FROM site_order WHERE site = $1)";
        let remove = |number| self.execute(sql, params![site.as_str(), number]).map(drop);
        numbers.iter().try_for_each(remove)
    }
}

/// Each order with how many of what it is about are open: one, or none any more.
const ORDERS_AFTER: &str = "\
    SELECT o.number, o.kind, o.reference, o.part, CASE o.kind \
      WHEN 'round' THEN (SELECT COUNT(*) FROM round r \
        WHERE r.run = o.reference AND r.number = o.part AND r.state = 'open') \
      WHEN 'session' THEN (SELECT COUNT(*) FROM session s \
        WHERE s.id = o.reference AND s.state = 'open') \
      WHEN 'campaign' THEN (SELECT COUNT(*) FROM campaign c \
        WHERE c.id = o.reference AND c.state = 'open') \
      WHEN 'evaluation' THEN (SELECT COUNT(*) FROM held_out_evaluation e \
        WHERE e.id = o.reference AND e.state = 'open') \
      WHEN 'candidate' THEN (SELECT COUNT(*) FROM held_out_evaluation e \
        WHERE e.candidate = o.reference AND e.state = 'open') \
      ELSE 1 END \
    FROM site_order o WHERE o.site = $1 AND o.number > $2 ORDER BY o.number LIMIT $3";

fn definition(row: &Row<'_>) -> rusqlite::Result<Project> {
    let text: String = row.get(0)?;
    serde_json::from_str(&text).map_err(|error| corrupt(0, Type::Text, error))
}

fn order(row: &Row<'_>) -> rusqlite::Result<OrderRow> {
    let make: fn(&Row<'_>) -> rusqlite::Result<OrderKind> = word(row, 1, |word| match word {
        "project" => Some(project_order as fn(&Row<'_>) -> _),
        "bundle" => Some(|row| {
            Ok(OrderKind::Bundle { bundle: Fixed(row.get(2)?), publication: row.get(3)? })
        }),
        "round" => Some(|row| Ok(OrderKind::Round { run: Fixed(row.get(2)?), round: row.get(3)? })),
        "campaign" => Some(|row| Ok(OrderKind::Campaign { campaign: Fixed(row.get(2)?) })),
        "session" => Some(|row| Ok(OrderKind::Session { session: Fixed(row.get(2)?) })),
        "functions" => Some(|row| Ok(OrderKind::Functions { set: Fixed(row.get(2)?) })),
        "evaluation" => Some(|row| Ok(OrderKind::Evaluation { evaluation: Fixed(row.get(2)?) })),
        "candidate" => Some(|row| Ok(OrderKind::Candidate { bundle: Fixed(row.get(2)?) })),
        _ => None,
    })?;
    Ok(OrderRow { number: row.get(0)?, kind: make(row)?, open: row.get::<_, i64>(4)? != 0 })
}

fn project_order(row: &Row<'_>) -> rusqlite::Result<OrderKind> {
    let bytes: Vec<u8> = row.get(2)?;
    let text = String::from_utf8(bytes).map_err(|error| corrupt(2, Type::Blob, error))?;
    let project = text.parse().map_err(|error| corrupt(2, Type::Blob, error))?;
    Ok(OrderKind::Project { project, version: row.get(3)? })
}
