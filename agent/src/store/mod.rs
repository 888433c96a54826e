//! The agent's store: one SQLite file, named transactions, sealed columns.
//!
//! Every change goes through [`Store::tx`], or [`Store::alone`] where it shares its commit with nobody,
//! which holds the write lock from its first statement (`BEGIN IMMEDIATE`) and is durable when it returns
//! (`synchronous=FULL`). Those who write at the same time share a commit; who reads does so beside
//! them, by other connections; and a thread copies the write-ahead log. Queries live beside their
//! tables: [`items`], [`labels`], [`orders`], [`ledger`].
//!
//! Invariant: nothing here knows what the sealed bytes mean, and nothing outside this module
//! writes SQL.

pub mod acceptance;
pub mod accounts;
pub mod bounds;
pub mod calibrations;
pub mod campaigns;
pub mod corrections;
pub mod erasure;
pub mod evaluations;
pub mod exports;
mod fingerprint;
pub mod functions;
pub mod gold;
pub mod items;
pub mod labels;
pub mod leases;
pub mod ledger;
pub mod media;
pub mod meta;
pub mod offered;
pub mod offers;
pub mod orders;
pub mod peers;
pub mod personal;
pub mod placements;
#[cfg(test)]
mod plans;
pub mod quality;
pub mod quarantine;
mod readers;
pub mod reviews;
pub mod roles;
pub mod sessions;
pub mod snapshot;
mod states;
pub mod studio;
pub mod synthetic;
pub mod trail;
pub mod vault;
mod wal;
pub mod watched;
pub mod windows;
pub mod witness;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::clock::{Clock, SystemClock};
use insitu_daemon::files::{self, Access, FileError};
use insitu_daemon::seal::{SealError, Sealer};
use insitu_daemon::telemetry;
use rusqlite::{Connection, TransactionBehavior};
use tokio::time::Instant;

use crate::config::WITNESS_FILE;
use crate::store::meta::Keys;
use crate::store::readers::Readers;
use crate::store::trail::Who;
use crate::store::wal::{Checkpoints, Signal};
use crate::store::witness::{Witness, WitnessError};
use crate::store::writer::{Sharing, Writer};

/// The store's file in the data folder.
pub const FILE: &str = "agent.db";
/// The sealing key's file in the data folder.
pub const KEY_FILE: &str = "seal.key";
/// How long a transaction waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest write-ahead log that is kept when it begins anew, bytes.
const WAL_BYTES_KEPT: u32 = 64 << 20;
/// Longest note about a failure that is kept, bytes.
const NOTE_BYTES_MAX: usize = 500;
/// One step for each `user_version`; appended, never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    include_str!("schema_8.sql"),
    include_str!("schema_9.sql"),
    include_str!("schema_10.sql"),
    include_str!("schema_11.sql"),
    include_str!("schema_12.sql"),
    include_str!("schema_13.sql"),
    include_str!("schema_14.sql"),
    include_str!("schema_15.sql"),
    include_str!("schema_16.sql"),
    include_str!("schema_17.sql"),
    include_str!("schema_18.sql"),
    include_str!("schema_19.sql"),
    include_str!("schema_20.sql"),
    include_str!("schema_21.sql"),
    include_str!("schema_22.sql"),
    include_str!("schema_23.sql"),
    include_str!("schema_24.sql"),
    include_str!("schema_25.sql"),
    include_str!("schema_26.sql"),
    include_str!("schema_27.sql"),
    include_str!("schema_28.sql"),
];

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite failed: a full disk, a lock held too long, a damaged file.
    #[error("the store failed in {during:?}")]
    Sql {
        /// Name of the transaction.
        during: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The store was made by a newer version of the program.
    #[error("the store has version {found}, this program knows up to {known}")]
    Newer {
        /// Version of the file.
        found: u32,
        /// Last version known.
        known: u32,
    },
    /// A sealed value does not open: another key, or another row's value.
    #[error("a sealed value of {table}.{column} does not open: is {KEY_FILE} the right one?")]
    Seal {
        /// Its table.
        table: &'static str,
        /// Its column.
        column: &'static str,
        /// What the cipher says.
        source: SealError,
    },
    /// The key file cannot be used.
    #[error("the sealing key cannot be used")]
    Key(#[source] SealError),
    /// The store's file cannot be made.
    #[error("the store's file cannot be made")]
    File(#[source] FileError),
    /// The thread that copies the write-ahead log cannot be started.
    #[error("no thread can be started for the store's write-ahead log")]
    Thread(#[source] io::Error),
    /// The ledger's witness cannot be heard.
    #[error("the ledger cannot be checked")]
    Witness(#[from] WitnessError),
    /// A stored value is not what this program writes.
    #[error("{table}.{column} holds a value that this program never writes")]
    Corrupt {
        /// Its table.
        table: &'static str,
        /// Its column.
        column: &'static str,
    },
}

impl From<rusqlite::Error> for StoreError {
    /// [`Store::tx`] fills the name in.
    fn from(source: rusqlite::Error) -> Self {
        Self::Sql { during: "", source }
    }
}

impl StoreError {
    fn during(self, name: &'static str) -> Self {
        match self {
            Self::Sql { during: "", source } => Self::Sql { during: name, source },
            other @ (Self::Sql { .. }
            | Self::Newer { .. }
            | Self::Seal { .. }
            | Self::Key(_)
            | Self::File(_)
            | Self::Thread(_)
            | Self::Witness(_)
            | Self::Corrupt { .. }) => other,
        }
    }
}

/// A handle on the store. Several processes may have one at the same time.
pub struct Store {
    // The thread ends before the connection that writes is closed, which empties the log.
    checkpoints: Checkpoints,
    readers: Readers,
    writer: Arc<Writer>,
    sealer: Sealer,
    keys: Keys,
    witness: Witness,
    who: Who,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// A running transaction.
pub struct Tx<'a> {
    sql: &'a Connection,
    /// Writes, and shares its commit with nobody: until it writes, all that it sees is on the disk.
    alone: bool,
    sealer: &'a Sealer,
    keys: &'a Keys,
    witness: &'a Witness,
    log: &'a Signal,
    who: &'a Who,
    clock: &'a dyn Clock,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tx")
    }
}

impl Store {
    /// Opens the store in `data`, and makes what is missing. The ledger's witness is beside it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        Self::open_witnessed(data, data.join(WITNESS_FILE))
    }

    /// Opens the store in `data`, whose ledger's witness is the file `witness`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_witnessed(data: &Path, witness: PathBuf) -> Result<Self, StoreError> {
        let sealer = Sealer::open_or_create(&data.join(KEY_FILE)).map_err(StoreError::Key)?;
        // Closed to others from its first byte on; SQLite gives its side files the same mode.
        let file = data.join(FILE);
        if !file.exists() {
            files::create(&file, b"", Access::Secret).map_err(StoreError::File)?;
        }
        let failed = |source| StoreError::from(source).during("open");
        let mut connection = connect(&file).map_err(failed)?;
        migrate(&mut connection).map_err(|error| error.during("migrate"))?;
        let keys =
            Keys::open_or_create(&mut connection, &sealer).map_err(|error| error.during("keys"))?;
        let witness = Witness::open(data, witness)?;
        let signal = Arc::<Signal>::default();
        let writer = Arc::new(Writer::new(connection, Arc::clone(&signal)));
        let copies = connect(&file).map_err(failed)?;
        copies.busy_timeout(Duration::ZERO).map_err(failed)?; // it tries again, and keeps nobody waiting
        let checkpoints =
            Checkpoints::start(copies, &writer, &signal).map_err(StoreError::Thread)?;
        let readers = Readers::new(move || {
            let connection = connect(&file)?;
            connection.pragma_update(None, "query_only", "ON")?;
            Ok(connection)
        });
        let (who, clock) = (Who::agent(), Arc::new(SystemClock));
        Ok(Self { checkpoints, readers, writer, sealer, keys, witness, who, clock })
    }

    /// The same handle for `who`, whom the audit log names for what is done through it where nobody
    /// else is named, at the times of `clock`.
    #[must_use]
    pub fn used_by(self, who: Who, clock: Arc<dyn Clock>) -> Self {
        Self { who, clock, ..self }
    }

    /// Runs `f` in a transaction that may write. All of it happens, or nothing does.
    ///
    /// # Errors
    /// What `f` returns, which also rolls back; [`StoreError`] when the commit fails.
    pub fn tx<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        f: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.timed(name, || self.writer.run(Sharing::Shared, |sql| f(&self.on(sql, false))))
    }

    /// The same, sharing its commit with nobody: where there are many rows, for whose end others'
    /// transactions would wait, and where something outside of the store is told of what it holds,
    /// which must then be on the disk ([`Tx::attesting_witness`]).
    ///
    /// # Errors
    /// As of [`Store::tx`].
    pub fn alone<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        f: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.timed(name, || self.writer.run(Sharing::Alone, |sql| f(&self.on(sql, true))))
    }

    /// Runs `f` on a consistent snapshot of what is committed. It does not read the store otherwise.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn read<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        f: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.timed(name, || self.readers.run(|sql| f(&self.on(sql, false))))
    }

    fn on<'a>(&'a self, sql: &'a Connection, alone: bool) -> Tx<'a> {
        let Self { sealer, keys, witness, who, clock, .. } = self;
        let log = self.checkpoints.signal();
        Tx { sql, alone, sealer, keys, witness, log, who, clock: &**clock }
    }

    /// Measures a transaction, the wait for its turn and for the disk included.
    fn timed<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        run: impl FnOnce() -> Result<Result<T, E>, rusqlite::Error>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let outcome = match run() {
            Ok(outcome) => outcome,
            Err(source) => Err(E::from(StoreError::Sql { during: name, source })),
        };
        let result = if outcome.is_ok() { "committed" } else { "rolled_back" };
        let seconds = started.elapsed().as_secs_f64();
        metrics::histogram!("insitu_agent_transaction_seconds", "name" => name, "result" => result)
            .record(seconds);
        tracing::trace!(name, result, seconds, "transaction");
        outcome
    }
}

/// A connection to the store's file.
fn connect(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?; // a thread does that
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "cache_size", -2048)?; // KiB: memory is bounded
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A place for a sealed value; part of what is authenticated, so that values cannot be moved.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// Table.
    pub table: &'static str,
    /// The row's own name, which never changes.
    pub row: &'a [u8],
    /// Column.
    pub column: &'static str,
}

impl Tx<'_> {
    /// Seals a value for its place.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when the operating system gives no randomness.
    pub fn seal(&self, cell: Cell<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        seal(self.sealer, cell, plain)
    }

    /// Opens a value from its place.
    ///
    /// # Errors
    /// [`StoreError::Seal`] when it was sealed under another key or for another place.
    pub fn open(&self, cell: Cell<'_>, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        open(self.sealer, cell, sealed)
    }
}

fn seal(sealer: &Sealer, cell: Cell<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let Cell { table, row, column } = cell;
    sealer.seal(table, row, column, plain).map_err(|source| StoreError::Seal {
        table,
        column,
        source,
    })
}

fn open(sealer: &Sealer, cell: Cell<'_>, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let Cell { table, row, column } = cell;
    sealer.open(table, row, column, sealed).map_err(|source| StoreError::Seal {
        table,
        column,
        source,
    })
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))
    };
    // The common case takes no write lock.
    let found = version(connection)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    if found == known {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&tx)?; // another process may have been faster
    for (version, step) in (1_u32..).zip(MIGRATIONS) {
        if version > found {
            tx.execute_batch(step)?;
            tx.pragma_update(None, "user_version", version)?;
        }
    }
    tx.commit()?;
    Ok(())
}

/// A blob of fixed length.
fn fixed<const N: usize>(
    bytes: &[u8],
    table: &'static str,
    column: &'static str,
) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt { table, column })
}

/// A count or index that SQLite holds as a signed integer.
fn unsigned(value: i64, table: &'static str, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt { table, column })
}

/// The signed form of a count, which is far below 2^63.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// An error with its causes, on one line, for a note.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = telemetry::explain(error);
    let end = (0..=NOTE_BYTES_MAX.min(text.len())).rfind(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use rusqlite::trace::{TraceEvent, TraceEventCodes};

    use super::*;

    /// A store in a folder of its own, which goes with it.
    pub(crate) struct Scratch {
        pub(crate) store: Store,
        pub(crate) folder: tempfile::TempDir,
    }

    pub(crate) fn scratch() -> Scratch {
        let folder = tempfile::tempdir().unwrap();
        Scratch { store: Store::open(folder.path()).unwrap(), folder }
    }

    /// Calls `step` before and after each statement that may change something.
    pub(crate) fn trace(store: &Store, step: fn(TraceEvent<'_>)) {
        let events = TraceEventCodes::SQLITE_TRACE_STMT | TraceEventCodes::SQLITE_TRACE_PROFILE;
        store.writer.alone().connection().trace_v2(events, Some(step));
    }

    #[test]
    fn a_failed_transaction_leaves_nothing() {
        let scratch = scratch();
        let failed: Result<(), StoreError> = scratch.store.tx("test", |tx| {
            tx.set_meta("a", b"1")?;
            Err(StoreError::Corrupt { table: "t", column: "c" })
        });
        assert!(failed.is_err());
        let read = scratch.store.read("test", |tx| tx.meta("a")).unwrap();
        assert_eq!(read, None);
    }

    #[test]
    fn a_newer_store_is_refused() {
        let scratch = scratch();
        let newer = |connection: &Connection| connection.pragma_update(None, "user_version", 99);
        newer(scratch.store.writer.alone().connection()).unwrap();
        drop(scratch.store);
        let again = Store::open(scratch.folder.path());
        assert!(matches!(again, Err(StoreError::Newer { found: 99, .. })));
    }

    #[test]
    fn two_handles_share_one_store_and_its_keys() {
        let scratch = scratch();
        let other = Store::open(scratch.folder.path()).unwrap();
        scratch.store.tx("test", |tx| tx.set_meta("a", b"1")).unwrap();
        assert_eq!(other.read("test", |tx| tx.meta("a")).unwrap(), Some(b"1".to_vec()));
        let hash = |store: &Store| store.read("test", |tx| tx.subject_hash("p-1")).unwrap();
        assert_eq!(hash(&scratch.store), hash(&other));
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place() {
        let scratch = scratch();
        let cell = Cell { table: "items", row: b"1", column: "raw" };
        scratch
            .store
            .read("test", |tx| {
                let sealed = tx.seal(cell, b"secret")?;
                assert!(!sealed.windows(6).any(|window| window == b"secret"));
                assert_eq!(tx.open(cell, &sealed)?, b"secret");
                let elsewhere = Cell { row: b"2", ..cell };
                assert!(matches!(tx.open(elsewhere, &sealed), Err(StoreError::Seal { .. })));
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}
