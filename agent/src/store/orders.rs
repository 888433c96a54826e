//! What the coordinator ordered: projects, bundles and rounds; and what the steward decided.

use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::ids::{Digest, ProjectName, RunId};
use insitu_protocol::order::{BundleOrder, RoundOrder};
use insitu_protocol::project::Project;
use rusqlite::{OptionalExtension, Row, params};

use crate::store::{StoreError, Tx, fixed, signed, unsigned};

/// A project as stored.
#[derive(Clone, Debug)]
pub struct ProjectRow {
    /// Key in this store.
    pub project: i64,
    /// What the coordinator defined.
    pub definition: Project,
    /// The bundle in use.
    pub bundle: Option<Digest>,
    /// The open statistics window, from 1.
    pub window: u32,
    /// When it was opened, Unix seconds.
    pub window_opened_at: i64,
}

/// How far a bundle has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleState {
    /// Ordered: its objects are being fetched.
    Wanted,
    /// Complete, waits for the steward.
    Pending,
    /// Verified; in use when the project says so.
    Ready,
    /// The steward declined it.
    Declined,
    /// It failed verification; the note says how.
    Failed,
}

impl BundleState {
    const ALL: [Self; 5] = [Self::Wanted, Self::Pending, Self::Ready, Self::Declined, Self::Failed];

    /// Whether it is in use, or may be once it has arrived and the steward agrees.
    pub fn is_coming(self) -> bool {
        match self {
            Self::Wanted | Self::Pending | Self::Ready => true,
            Self::Declined | Self::Failed => false,
        }
    }

    /// The state of this name.
    pub(super) fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Declined => "declined",
            Self::Failed => "failed",
        }
    }
}

/// A bundle as stored.
#[derive(Clone, Debug)]
pub struct BundleRow {
    /// Digest of the manifest.
    pub bundle: Digest,
    /// Place of the order that brought it: the highest is the newest.
    pub number: u64,
    /// The order.
    pub order: BundleOrder,
    /// Digest of its backbone.
    pub backbone: Digest,
    /// Whether it was ordered to be evaluated, and not to be put to use.
    pub candidate: bool,
    /// How far it has come.
    pub state: BundleState,
    /// Why it waits or failed.
    pub note: String,
}

/// How far a round has come at this site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundState {
    /// To be computed.
    Open,
    /// The update is in the ledger.
    Released,
    /// The site does not take part; the note says why.
    Declined,
}

impl RoundState {
    const ALL: [Self; 3] = [Self::Open, Self::Released, Self::Declined];

    pub(super) fn read(name: &str, table: &'static str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or(StoreError::Corrupt { table, column: "state" })
    }

    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Released => "released",
            Self::Declined => "declined",
        }
    }
}

/// A round as stored.
#[derive(Clone, Debug)]
pub struct RoundRow {
    /// The order.
    pub order: RoundOrder,
    /// Whether it asks for an update of one byte a coordinate.
    pub coarse: bool,
    /// How far it has come.
    pub state: RoundState,
    /// Why it was declined.
    pub note: String,
}

/// What a steward decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalKind {
    /// A backbone, by digest.
    Backbone,
    /// A bundle, by digest.
    Bundle,
}

impl ApprovalKind {
    fn name(self) -> &'static str {
        match self {
            Self::Backbone => "backbone",
            Self::Bundle => "bundle",
        }
    }
}

const CORRUPT_PROJECT: StoreError = StoreError::Corrupt { table: "projects", column: "definition" };
const PROJECT: &str = "SELECT project, definition, bundle, window, window_opened_at FROM projects";
const BUNDLE: &str = "SELECT bundle, number, project, manifest, signature, backbone, state, note, \
                      candidate FROM bundles";

impl Tx<'_> {
    /// Adds a project, or brings it to a newer version; an older or equal one changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_project(&self, definition: &Project, now: i64) -> Result<bool, StoreError> {
        let bytes = definition.encode().map_err(|_| CORRUPT_PROJECT)?;
        let changed = self.sql.execute(
            "INSERT INTO projects (name, version, definition, window, window_opened_at)
             VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT (name) DO UPDATE SET
               version = excluded.version, definition = excluded.definition
             WHERE excluded.version > projects.version",
            params![definition.name.as_str(), definition.version, bytes, now],
        )?;
        Ok(changed == 1)
    }

    /// The project of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn project(&self, name: &ProjectName) -> Result<Option<ProjectRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("{PROJECT} WHERE name = ?1"))?;
        let mut rows = statement.query([name.as_str()])?;
        rows.next()?.map(project_row).transpose()
    }

    /// The project of this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn project_by_key(&self, project: i64) -> Result<Option<ProjectRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("{PROJECT} WHERE project = ?1"))?;
        let mut rows = statement.query([project])?;
        rows.next()?.map(project_row).transpose()
    }

    /// All projects, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn projects(&self) -> Result<Vec<ProjectRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("{PROJECT} ORDER BY name"))?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(project_row(row)?);
        }
        Ok(all)
    }

    /// Makes a bundle the one in use. A head of the site's own beside another is dropped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn use_bundle(&self, project: i64, bundle: &Digest) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE projects SET bundle = ?1 WHERE project = ?2",
            params![bundle.0, project],
        )?;
        self.drop_personal_head(project)?;
        Ok(())
    }

    /// Closes the window `window`; does nothing when it is not the open one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn close_window(&self, project: i64, window: u32, now: i64) -> Result<bool, StoreError> {
        let changed = self.sql.execute(
            "UPDATE projects SET window = window + 1, window_opened_at = ?3
             WHERE project = ?1 AND window = ?2",
            params![project, window, now],
        )?;
        Ok(changed == 1)
    }

    /// Adds an ordered bundle; ordering a known one again makes it the newest, and gives one that
    /// failed another chance. One that was a candidate is judged anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_bundle(
        &self,
        bundle: Digest,
        number: u64,
        order: &BundleOrder,
        backbone: Digest,
    ) -> Result<(), StoreError> {
        self.add_bundle(bundle, number, order, backbone, false)?;
        self.sql.execute(
            "UPDATE bundles SET number = max(number, ?2), candidate = 0, state = CASE
               WHEN state = 'failed' THEN 'wanted'
               WHEN candidate AND state <> 'wanted' THEN 'pending'
               ELSE state END
             WHERE bundle = ?1",
            params![bundle.0, signed(number)],
        )?;
        Ok(())
    }

    /// Adds a bundle that is to be evaluated. A known one stays what it is, and one that failed has
    /// another chance.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_candidate(
        &self,
        bundle: Digest,
        number: u64,
        order: &BundleOrder,
        backbone: Digest,
    ) -> Result<(), StoreError> {
        self.add_bundle(bundle, number, order, backbone, true)?;
        self.sql.execute(
            "UPDATE bundles SET state = 'wanted' WHERE bundle = ?1 AND candidate AND state = 'failed'",
            [bundle.0],
        )?;
        Ok(())
    }

    /// Adds a bundle that is not known.
    fn add_bundle(
        &self,
        bundle: Digest,
        number: u64,
        order: &BundleOrder,
        backbone: Digest,
        candidate: bool,
    ) -> Result<(), StoreError> {
        self.sql.execute(
            "INSERT INTO bundles
               (bundle, number, project, manifest, signature, backbone, state, candidate)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'wanted', ?7) ON CONFLICT (bundle) DO NOTHING",
            params![
                bundle.0,
                signed(number),
                order.project.as_str(),
                order.manifest.0,
                order.signature.0,
                backbone.0,
                candidate
            ],
        )?;
        Ok(())
    }

    /// All bundles, newest order first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bundles(&self) -> Result<Vec<BundleRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("{BUNDLE} ORDER BY number DESC"))?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(bundle_row(row)?);
        }
        Ok(all)
    }

    /// The bundle of this digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bundle(&self, bundle: &Digest) -> Result<Option<BundleRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("{BUNDLE} WHERE bundle = ?1"))?;
        let mut rows = statement.query([bundle.0])?;
        rows.next()?.map(bundle_row).transpose()
    }

    /// Adds an ordered round; a known one stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_round(&self, order: &RoundOrder, coarse: bool) -> Result<(), StoreError> {
        self.sql.execute(
            "INSERT INTO rounds (run, round, definition, coarse, state)
             VALUES (?1, ?2, ?3, ?4, 'open') ON CONFLICT (run, round) DO NOTHING",
            params![order.run.0, order.round, encode(order, "rounds")?, coarse],
        )?;
        Ok(())
    }

    /// Rounds in a state, or all of them; in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rounds(&self, state: Option<RoundState>) -> Result<Vec<RoundRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT definition, state, note, coarse FROM rounds
             WHERE ?1 IS NULL OR state = ?1 ORDER BY rowid",
        )?;
        let mut rows = statement.query([state.map(RoundState::name)])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let state = RoundState::read(&row.get::<_, String>(1)?, "rounds")?;
            let order = decode(&row.get::<_, Vec<u8>>(0)?, "rounds")?;
            all.push(RoundRow { order, coarse: row.get(3)?, state, note: row.get(2)? });
        }
        Ok(all)
    }

    /// Moves a round on. One that is over is listed without its head, of up to a megabyte: open ones
    /// are looked for several times a second, past the rows of all others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_round_state(
        &self,
        run: RunId,
        round: u32,
        state: RoundState,
        note: &str,
    ) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE rounds SET state = ?1, note = ?2 WHERE run = ?3 AND round = ?4",
            params![state.name(), note, run.0, round],
        )?;
        if state == RoundState::Open {
            return Ok(());
        }
        let definition: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT definition FROM rounds WHERE run = ?1 AND round = ?2")?
            .query_row(params![run.0, round], |row| row.get(0))
            .optional()?;
        let Some(definition) = definition else { return Ok(()) };
        let order: RoundOrder = decode(&definition, "rounds")?;
        self.sql.execute(
            "UPDATE rounds SET definition = ?1 WHERE run = ?2 AND round = ?3",
            params![
                encode(&RoundOrder { head: Bytes(Vec::new()), ..order }, "rounds")?,
                run.0,
                round
            ],
        )?;
        Ok(())
    }

    /// Records the steward's decision; a later one replaces an earlier one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn decide(
        &self,
        kind: ApprovalKind,
        name: &Digest,
        approved: bool,
        now: i64,
    ) -> Result<(), StoreError> {
        self.sql.execute(
            "INSERT INTO approvals (kind, name, approved, decided_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, name) DO UPDATE SET
               approved = excluded.approved, decided_at = excluded.decided_at",
            params![kind.name(), name.0, approved, now],
        )?;
        Ok(())
    }

    /// What the steward decided, if anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn decision(&self, kind: ApprovalKind, name: &Digest) -> Result<Option<bool>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT approved FROM approvals WHERE kind = ?1 AND name = ?2")?
            .query_row(params![kind.name(), name.0], |row| row.get(0))
            .optional()?)
    }
}

fn project_row(row: &Row<'_>) -> Result<ProjectRow, StoreError> {
    let bundle: Option<[u8; 32]> = row.get(2)?;
    Ok(ProjectRow {
        project: row.get(0)?,
        definition: Project::decode(&row.get::<_, Vec<u8>>(1)?).map_err(|_| CORRUPT_PROJECT)?,
        bundle: bundle.map(Fixed),
        window: row.get(3)?,
        window_opened_at: row.get(4)?,
    })
}

fn bundle_row(row: &Row<'_>) -> Result<BundleRow, StoreError> {
    const TABLE: &str = "bundles";
    let project: String = row.get(2)?;
    let name: String = row.get(6)?;
    let signature: Vec<u8> = row.get(4)?;
    Ok(BundleRow {
        bundle: Fixed(row.get(0)?),
        number: unsigned(row.get(1)?, TABLE, "number")?,
        order: BundleOrder {
            project: project
                .parse()
                .map_err(|_| StoreError::Corrupt { table: TABLE, column: "project" })?,
            manifest: Bytes(row.get(3)?),
            signature: Fixed(fixed(&signature, TABLE, "signature")?),
        },
        backbone: Fixed(row.get(5)?),
        candidate: row.get(8)?,
        state: BundleState::read(&name)
            .ok_or(StoreError::Corrupt { table: TABLE, column: "state" })?,
        note: row.get(7)?,
    })
}

pub(super) fn encode<T: serde::Serialize>(
    value: &T,
    table: &'static str,
) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(value).map_err(|_| StoreError::Corrupt { table, column: "definition" })
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    table: &'static str,
) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|_| StoreError::Corrupt { table, column: "definition" })
}
