//! Files of watched folders: what was seen of each, and what became of it.

use rusqlite::{OptionalExtension as _, Row, params};

use crate::store::{Cell, StoreError, Tx, unsigned};

const TABLE: &str = "watched";
/// Meta name of why the last look at a project's folder failed; the project's key follows.
const FAULT: &str = "watch-fault-";

/// A file by what tells its versions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its size.
    pub bytes: u64,
    /// When it was changed, Unix nanoseconds.
    pub changed_at: i64,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedRow {
    /// As it was looked at last.
    pub version: Version,
    /// Whether that version was imported, or cannot be.
    pub imported: bool,
    /// Whether something in it was bad.
    pub bad: bool,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// BLAKE3 of its content.
    pub content: [u8; 32],
    /// Records read.
    pub read: u64,
    /// Of them bad.
    pub bad: u64,
    /// Why it could not be imported, or what its first bad records are.
    pub fault: Option<&'a str>,
}

/// A file in which something was bad.
#[derive(Clone, PartialEq, Eq)]
pub struct BadFile {
    /// Its path in the folder.
    pub path: String,
    /// Records read.
    pub read: u64,
    /// Of them bad.
    pub bad: u64,
    /// Why, or which.
    pub fault: String,
}

impl std::fmt::Debug for BadFile {
    /// Without its path, which may name somebody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BadFile({} of {})", self.bad, self.read)
    }
}

impl Tx<'_> {
    /// What is known of a project's file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn watched(&self, project: i64, path: &str) -> Result<Option<WatchedRow>, StoreError> {
        let known = |row: &Row<'_>| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get::<_, bool>(3)?))
        };
        let row = self
            .sql
            .prepare_cached(
                "SELECT bytes, changed_at, imported_at IS NOT NULL, fault IS NOT NULL FROM watched
                 WHERE project = ?1 AND name = ?2",
            )?
            .query_row(params![project, self.watched_name(path)], known)
            .optional()?;
        let Some((bytes, changed_at, imported, bad)) = row else { return Ok(None) };
        let version = Version { bytes: unsigned(bytes, TABLE, "bytes")?, changed_at };
        Ok(Some(WatchedRow { version, imported, bad }))
    }

    /// Notes a file that is new, or has changed: it is imported when it has not changed any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn see_watched(
        &self,
        project: i64,
        path: &str,
        version: Version,
    ) -> Result<(), StoreError> {
        let name = self.watched_name(path);
        let shown = self.seal(cell(&name, "shown"), path.as_bytes())?;
        let bytes = i64::try_from(version.bytes).unwrap_or(i64::MAX);
        self.sql
            .prepare_cached(
                "INSERT INTO watched (project, name, shown, bytes, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (project, name) DO UPDATE SET bytes = ?4, changed_at = ?5,
                   content = NULL, read = 0, bad = 0, fault = NULL, imported_at = NULL",
            )?
            .execute(params![project, name, shown, bytes, version.changed_at])?;
        Ok(())
    }

    /// Whether another file of the project had this content, and was imported without a fault.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn knows_content(&self, project: i64, content: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "SELECT 1 FROM watched WHERE project = ?1 AND content = ?2 AND fault IS NULL",
            )?
            .exists(params![project, content])?)
    }

    /// Notes what became of a file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_watched(
        &self,
        project: i64,
        path: &str,
        outcome: &Outcome<'_>,
        now: i64,
    ) -> Result<(), StoreError> {
        let name = self.watched_name(path);
        let seal = |fault: &str| self.seal(cell(&name, "fault"), fault.as_bytes());
        let fault = outcome.fault.map(seal).transpose()?;
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let (read, bad) = (count(outcome.read), count(outcome.bad));
        self.sql
            .prepare_cached(
                "UPDATE watched SET content = ?3, read = ?4, bad = ?5, fault = ?6, imported_at = ?7
                 WHERE project = ?1 AND name = ?2",
            )?
            .execute(params![project, name, outcome.content, read, bad, fault, now])?;
        Ok(())
    }

    /// How many files of a project were imported, and how many wait until they do not change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn watched_counts(&self, project: i64) -> Result<(u64, u64), StoreError> {
        let counts: (i64, i64) = self
            .sql
            .prepare_cached(
                "SELECT count(imported_at), count(*) - count(imported_at) FROM watched
                 WHERE project = ?1",
            )?
            .query_row([project], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((unsigned(counts.0, TABLE, "count")?, unsigned(counts.1, TABLE, "count")?))
    }

    /// The files of a project in which something was bad, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bad_watched(&self, project: i64, limit: u32) -> Result<Vec<BadFile>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT name, shown, fault, read, bad FROM watched
             WHERE project = ?1 AND fault IS NOT NULL ORDER BY imported_at DESC, name LIMIT ?2",
        )?;
        let mut rows = statement.query(params![project, limit])?;
        let mut files = Vec::new();
        while let Some(row) = rows.next()? {
            let name: Vec<u8> = row.get(0)?;
            let text = |sealed: Vec<u8>, column: &'static str| {
                let bytes = self.open(cell(&name, column), &sealed)?;
                String::from_utf8(bytes).map_err(|_| StoreError::Corrupt { table: TABLE, column })
            };
            files.push(BadFile {
                path: text(row.get(1)?, "shown")?,
                fault: text(row.get(2)?, "fault")?,
                read: unsigned(row.get(3)?, TABLE, "read")?,
                bad: unsigned(row.get(4)?, TABLE, "bad")?,
            });
        }
        Ok(files)
    }

    /// Why the last look at a project's folder failed, if it did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn watch_fault(&self, project: i64) -> Result<Option<String>, StoreError> {
        let fault = self.meta(&format!("{FAULT}{project}"))?;
        let text = |bytes| {
            String::from_utf8(bytes)
                .map_err(|_| StoreError::Corrupt { table: "meta", column: "value" })
        };
        fault.map(text).transpose()
    }

    /// Notes why a look at a project's folder failed, or that it did not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_watch_fault(&self, project: i64, fault: Option<&str>) -> Result<(), StoreError> {
        let name = format!("{FAULT}{project}");
        match fault {
            Some(fault) => self.set_meta(&name, fault.as_bytes()),
            None => self.clear_meta(&name),
        }
    }

    fn watched_name(&self, path: &str) -> [u8; 32] {
        self.keys.hash("watched", &[path.as_bytes()])
    }
}

fn cell<'a>(name: &'a [u8], column: &'static str) -> Cell<'a> {
    Cell { table: TABLE, row: name, column }
}
