//! Objects, bundles, what was published and why, and figures attached by hand.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, ProjectName, Signature, SiteName};
use rusqlite::{Row, params};

use super::row::{fixed, fixed_or_null, name};
use super::{StoreError, Tx};

/// A registered bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRow {
    /// Digest of the manifest: the bundle's id.
    pub digest: Digest,
    /// The project it was made for.
    pub project: ProjectName,
    /// The bundle it was trained from.
    pub parent: Option<Digest>,
    /// When it was registered.
    pub created_unix_s: i64,
    /// Exactly the signed bytes.
    pub manifest: Vec<u8>,
    /// Once it was published.
    pub signature: Option<Signature>,
}

/// One publication of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationRow {
    /// Its number in the project, from 1.
    pub number: u64,
    /// The bundle.
    pub bundle: Digest,
    /// When.
    pub at_unix_s: i64,
    /// When a rollback withdrew it.
    pub withdrawn_unix_s: Option<i64>,
    /// Why, for people.
    pub reason: String,
}

/// Accuracy of a bundle at a site, as an operator measured it.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureRow {
    /// The bundle.
    pub bundle: Digest,
    /// The site.
    pub site: SiteName,
    /// Share of right answers, 0 to 1.
    pub accuracy: f64,
    /// Where the figure comes from.
    pub note: String,
}

impl Tx<'_> {
    /// Records an object that is on disk.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_object(&self, digest: Digest, bytes: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO object (digest, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        self.execute(sql, params![digest.0, bytes]).map(drop)
    }

    /// The size of an object, if it is known.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn object_bytes(&self, digest: Digest) -> Result<Option<u64>, StoreError> {
        self.row("SELECT bytes FROM object WHERE digest = $1", [digest.0], |row| row.get(0))
    }

    /// Registers a bundle; does nothing when it is registered already.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_bundle(&self, bundle: &BundleRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO bundle (digest, project, parent, created_unix_s, manifest, signature) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        self.execute(
            sql,
            params![
                bundle.digest.0,
                bundle.project.as_str(),
                bundle.parent.map(|digest| digest.0),
                bundle.created_unix_s,
                bundle.manifest,
                bundle.signature.map(|signature| signature.0)
            ],
        )
        .map(drop)
    }

    /// A bundle.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn bundle(&self, digest: Digest) -> Result<Option<BundleRow>, StoreError> {
        let sql = format!("SELECT {BUNDLE_COLUMNS} FROM bundle WHERE digest = $1");
        self.row(&sql, [digest.0], bundle_row)
    }

    /// Every bundle, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn bundles(&self) -> Result<Vec<BundleRow>, StoreError> {
        let sql = format!("SELECT {BUNDLE_COLUMNS} FROM bundle ORDER BY created_unix_s, digest");
        self.rows(&sql, [], bundle_row)
    }

    /// Keeps the signature under which a bundle is published.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn sign_bundle(&self, digest: Digest, signature: Signature) -> Result<(), StoreError> {
        let sql = "UPDATE bundle SET signature = $2 WHERE digest = $1";
        self.execute(sql, params![digest.0, signature.0]).map(drop)
    }

    /// Makes a bundle the project's newest publication; returns its number.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_publication(
        &self,
        project: &ProjectName,
        bundle: Digest,
        now_unix_s: i64,
    ) -> Result<u64, StoreError> {
        let number = self
            .row(
                "SELECT COALESCE(MAX(number), 0) + 1 FROM publication WHERE project = $1",
                [project.as_str()],
                |row| row.get(0),
            )?
            .unwrap_or(1);
        let sql = "INSERT INTO publication (project, number, bundle, at_unix_s) \
                   VALUES ($1, $2, $3, $4)";
        self.execute(sql, params![project.as_str(), number, bundle.0, now_unix_s])?;
        Ok(number)
    }

    /// Takes a publication back.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn withdraw(
        &self,
        project: &ProjectName,
        number: u64,
        reason: &str,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE publication SET withdrawn_unix_s = $3, reason = $4 \
                   WHERE project = $1 AND number = $2";
        self.execute(sql, params![project.as_str(), number, now_unix_s, reason]).map(drop)
    }

    /// Notes why a publication was made without an evaluation that speaks for it.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn note_forced(
        &self,
        project: &ProjectName,
        bundle: Digest,
        reason: &str,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO forced_publication (project, number, reason) \
                   SELECT project, MAX(number), $3 FROM publication \
                   WHERE project = $1 AND bundle = $2 GROUP BY project \
                   ON CONFLICT (project, number) DO NOTHING";
        self.execute(sql, params![project.as_str(), bundle.0, reason]).map(drop)
    }

    /// Why the newest publication of a bundle was made without an evaluation, if it was.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn forced(
        &self,
        project: &ProjectName,
        bundle: Digest,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT f.reason FROM forced_publication f JOIN publication p \
                   ON p.project = f.project AND p.number = f.number \
                   WHERE p.project = $1 AND p.bundle = $2 ORDER BY p.number DESC LIMIT 1";
        self.row(sql, params![project.as_str(), bundle.0], |row| row.get(0))
    }

    /// A project's publications, newest first.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn publications(&self, project: &ProjectName) -> Result<Vec<PublicationRow>, StoreError> {
        let sql = "SELECT number, bundle, at_unix_s, withdrawn_unix_s, reason FROM publication \
                   WHERE project = $1 ORDER BY number DESC";
        self.rows(sql, [project.as_str()], publication_row)
    }

    /// The publication in force everywhere: the newest that was not withdrawn and is no canary.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn active_publication(
        &self,
        project: &ProjectName,
    ) -> Result<Option<PublicationRow>, StoreError> {
        let sql = "SELECT number, bundle, at_unix_s, withdrawn_unix_s, reason FROM publication \
                   WHERE project = $1 AND withdrawn_unix_s IS NULL AND stage = 'everywhere' \
                   ORDER BY number DESC LIMIT 1";
        self.row(sql, [project.as_str()], publication_row)
    }

    /// Attaches a figure; a later one of the same site replaces it.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_figure(&self, figure: &FigureRow, now_unix_s: i64) -> Result<(), StoreError> {
        let FigureRow { bundle, site, accuracy, note } = figure;
        let sql = "INSERT INTO evaluation (bundle, site, accuracy, note, at_unix_s) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (bundle, site) DO UPDATE SET \
                   accuracy = excluded.accuracy, note = excluded.note, at_unix_s = excluded.at_unix_s";
        self.execute(sql, params![bundle.0, site.as_str(), accuracy, note, now_unix_s]).map(drop)
    }

    /// The figures attached to a bundle, by site.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn figures(&self, bundle: Digest) -> Result<Vec<FigureRow>, StoreError> {
        let sql =
            "SELECT bundle, site, accuracy, note FROM evaluation WHERE bundle = $1 ORDER BY site";
        self.rows(sql, [bundle.0], |row| {
            Ok(FigureRow {
                bundle: fixed(row, 0)?,
                site: name(row, 1)?,
                accuracy: row.get(2)?,
                note: row.get(3)?,
            })
        })
    }
}

const BUNDLE_COLUMNS: &str = "digest, project, parent, created_unix_s, manifest, signature";

fn bundle_row(row: &Row<'_>) -> rusqlite::Result<BundleRow> {
    Ok(BundleRow {
        digest: fixed(row, 0)?,
        project: name(row, 1)?,
        parent: fixed_or_null(row, 2)?,
        created_unix_s: row.get(3)?,
        manifest: row.get(4)?,
        signature: fixed_or_null(row, 5)?,
    })
}

pub(super) fn publication_row(row: &Row<'_>) -> rusqlite::Result<PublicationRow> {
    Ok(PublicationRow {
        number: row.get(0)?,
        bundle: Fixed(row.get(1)?),
        at_unix_s: row.get(2)?,
        withdrawn_unix_s: row.get(3)?,
        reason: row.get(4)?,
    })
}
