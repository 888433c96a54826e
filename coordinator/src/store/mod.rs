//! The coordinator's only state: one SQLite file, in named transactions.
//!
//! A coordinator keeps nothing else between two transactions, so it may be killed at any moment.
//! The commands open the same file while `serve` runs: every writer takes the write lock at its
//! start and waits for others up to [`BUSY_WAIT`].
//!
//! The queries stay in the subset of SQL that PostgreSQL shares (`$1`, 64-bit truth values,
//! `ON CONFLICT`, `RETURNING`); one file here for each family of tables.

mod buffers;
mod bundles;
mod campaigns;
mod canaries;
mod collections;
mod evaluations;
mod functions;
mod members;
mod methods;
mod projects;
mod registrations;
mod releases;
mod row;
mod runs;
mod sessions;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Params, Row, Transaction, TransactionBehavior};

pub use buffers::BufferedRow;
pub use bundles::{BundleRow, FigureRow, PublicationRow};
pub use campaigns::{CampaignRow, CampaignState};
pub use canaries::CanaryRow;
pub use collections::{CollectionRow, CollectionState};
pub use evaluations::{EvaluationRow, EvaluationState, Promotion, Terms};
pub use functions::FunctionsRow;
pub use members::{AgentRow, AlertKind, AlertRow, SiteRow, TokenRow};
pub use methods::{Buffering, Clipping, Mechanism, Method, Tuned};
pub use projects::{OrderKind, OrderRow};
pub use registrations::RegistrationRow;
pub use releases::{ChargeRow, NewRelease, ReleaseRow, WindowRow};
pub use runs::{Noise, RoundRow, RoundState, RoundSumRow, RunRow, RunState, SecureAggregation};
pub use sessions::{SessionRow, SessionState, SumRow};

/// How long a transaction waits for another process that writes.
pub const BUSY_WAIT: Duration = Duration::from_secs(20);

/// The layouts, each a change of the one before.
const LAYOUTS: [&str; 9] = [
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
    include_str!("schema-7.sql"),
    include_str!("schema-8.sql"),
    include_str!("schema-9.sql"),
];
/// The layout this program reads and writes.
const SCHEMA_VERSION: i64 = LAYOUTS.len() as i64;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be opened or created.
    #[error("database {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file was written by a newer program.
    #[error("database {} has layout {found}; this program knows up to {SCHEMA_VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// A transaction failed as a whole: a full disk, a lock held too long, a corrupt row.
    #[error("transaction {name} failed")]
    Transaction {
        /// Its name.
        name: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// An open database. A transaction must not be started inside another one of the same `Store`.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
}

/// A transaction under way. The families of tables add their queries to it.
#[derive(Debug)]
pub struct Tx<'a> {
    name: &'static str,
    inner: Transaction<'a>,
}

impl Store {
    /// Opens the database at `path`, and makes it when it is not there yet.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Newer`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |source| StoreError::Open { path: path.to_owned(), source };
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        configure(&connection).map_err(failed)?;
        let found = migrate(&mut connection).map_err(failed)?;
        if found > SCHEMA_VERSION {
            return Err(StoreError::Newer { path: path.to_owned(), found });
        }
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Runs `work` on one consistent state of the database.
    ///
    /// # Errors
    /// What `work` returns, and [`StoreError::Transaction`].
    pub fn read<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run(name, TransactionBehavior::Deferred, work)
    }

    /// Runs `work` alone among writers; its changes are durable when this returns `Ok`, and gone
    /// when it returns `Err`.
    ///
    /// # Errors
    /// What `work` returns, and [`StoreError::Transaction`].
    pub fn write<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run(name, TransactionBehavior::Immediate, work)
    }

    fn run<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |source| E::from(StoreError::Transaction { name, source });
        // A panic in an earlier transaction rolled that one back: the connection is still sound.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = connection.transaction_with_behavior(behavior).map_err(failed)?;
        let tx = Tx { name, inner };
        let result = work(&tx);
        let outcome = if result.is_ok() { "done" } else { "rolled_back" };
        metrics::counter!("insitu_transactions_total", "name" => name, "outcome" => outcome)
            .increment(1);
        match result {
            Ok(value) => tx.inner.commit().map(|()| value).map_err(failed),
            Err(error) => Err(error),
        }
    }
}

impl Tx<'_> {
    /// Changes rows; says how many.
    fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        let run = || self.inner.prepare_cached(&numbered(sql))?.execute(params);
        run().map_err(|source| self.failed(source))
    }

    /// All rows of a query.
    fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let run = || -> rusqlite::Result<Vec<T>> {
            self.inner.prepare_cached(&numbered(sql))?.query_map(params, map)?.collect()
        };
        run().map_err(|source| self.failed(source))
    }

    /// The first row of a query, if there is one.
    fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let run = || {
            let mut statement = self.inner.prepare_cached(&numbered(sql))?;
            let mut rows = statement.query(params)?;
            rows.next()?.map(map).transpose()
        };
        run().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Transaction { name: self.name, source }
    }
}

/// PostgreSQL's `$2` is the second parameter wherever it stands; to SQLite it is a name, numbered
/// by its first appearance. SQLite's word for it is `?2`.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a receipt promises that the release survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", 1)?;
    connection.pragma_update(None, "cache_size", -2048) // KiB
}

/// Brings an older database up to date; returns the layout it has afterwards.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let missing = LAYOUTS.get(usize::try_from(found).unwrap_or(usize::MAX)..).unwrap_or_default();
    for layout in missing {
        tx.execute_batch(layout)?;
    }
    if !missing.is_empty() {
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    tx.commit()?;
    Ok(found.max(SCHEMA_VERSION))
}

#[cfg(test)]
pub(crate) mod tests {
    use rusqlite::trace::{TraceEvent, TraceEventCodes};

    use super::*;

    /// Calls `step` before and after each statement.
    pub(crate) fn trace(store: &Store, step: fn(TraceEvent<'_>)) {
        let events = TraceEventCodes::SQLITE_TRACE_STMT | TraceEventCodes::SQLITE_TRACE_PROFILE;
        store.connection.lock().unwrap().trace_v2(events, Some(step));
    }

    fn site_names(store: &Store) -> Vec<String> {
        store
            .read::<_, StoreError>("sites", |tx| {
                Ok(tx.sites()?.iter().map(|site| site.name.to_string()).collect())
            })
            .unwrap()
    }

    #[test]
    fn what_was_committed_is_there_after_reopening_and_the_rest_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let store = Store::open(&path).unwrap();
        store.write("add", |tx| tx.add_site(&"kept".parse().unwrap(), 1)).unwrap();
        let failed: Result<(), StoreError> = store.write("fail", |tx| {
            tx.add_site(&"lost".parse().unwrap(), 1)?;
            Err(StoreError::Newer { path: path.clone(), found: 9 })
        });
        assert!(failed.is_err());
        drop(store);
        assert_eq!(site_names(&Store::open(&path).unwrap()), ["kept"]);
    }

    #[test]
    fn parameters_go_by_their_number() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store.db")).unwrap();
        let difference: Result<Option<i64>, StoreError> =
            store.read("numbers", |tx| tx.row("SELECT $2 - $1", [1, 10], |row| row.get(0)));
        assert_eq!(difference.unwrap(), Some(9));
    }

    #[test]
    fn two_processes_may_have_it_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let (serve, command) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
        command.write("add", |tx| tx.add_site(&"a".parse().unwrap(), 1)).unwrap();
        assert_eq!(site_names(&serve), ["a"]);
    }

    #[test]
    fn an_older_layout_is_brought_up_to_date_and_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(LAYOUTS[0]).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute("INSERT INTO site (name, added_unix_s) VALUES ('kept', 1)", []).unwrap();
        for counted in [0, 1] {
            let release = "INSERT INTO release VALUES \
                ('kept', 'a1', ?1, x'00', x'00', 'heart', 1, 'drift', x'', 1, 5, ?1, 1, x'010203')";
            old.execute(release, [counted]).unwrap();
        }
        drop(old);
        for _ in 0..2 {
            let store = Store::open(&path).unwrap();
            assert_eq!(site_names(&store), ["kept"]);
            assert!(store.read("new", |tx| tx.collections()).unwrap().is_empty());
        }
        let new = Connection::open(&path).unwrap();
        let kept = "SELECT counted, size, LENGTH(bytes) FROM release ORDER BY counted";
        let mut kept = new.prepare(kept).unwrap();
        let kept = kept.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?])).unwrap();
        let kept: Vec<[i64; 3]> = kept.map(Result::unwrap).collect();
        assert_eq!(kept, [[0, 3, 0], [1, 3, 3]]);
    }

    #[test]
    fn each_tick_finds_what_is_open_by_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        drop(Store::open(&path).unwrap());
        let file = Connection::open(&path).unwrap();
        for sql in [sessions::DUE, evaluations::OPEN] {
            let plan = format!("EXPLAIN QUERY PLAN {}", sql.replace("$1", "0"));
            let mut plan = file.prepare(&plan).unwrap();
            let steps = plan.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let steps = steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ");
            assert!(steps.contains("SEARCH") && !steps.contains("SCAN"), "{sql}: {steps}");
        }
    }

    #[test]
    fn a_newer_layout_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        drop(Store::open(&path).unwrap());
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
            .unwrap();
        assert!(
            matches!(Store::open(&path), Err(StoreError::Newer { found, .. }) if found == SCHEMA_VERSION + 1)
        );
    }
}
