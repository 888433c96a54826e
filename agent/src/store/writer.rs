//! The connection that writes: one transaction after the other, several of them in one commit.
//!
//! A commit waits for the disk, some milliseconds, and nobody else can write meanwhile. Those who
//! come then wait for their turn, and share a commit (group commit): each makes its changes behind a
//! savepoint in the same transaction of SQLite, and the last of them commits for all. To each it is
//! as if it were alone: what one of them cannot do is undone up to its savepoint, and nobody is told
//! that something is done before it is on the disk. When the commit fails, it fails for all of them.
//!
//! A transaction of many rows would keep the others waiting, so it shares with nobody.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode, ffi};

use crate::store::wal::Signal;

/// Most transactions that share a commit.
const SHARED_MAX: u32 = 32;

/// Whether a transaction shares its commit with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// With those who wait when it is done.
    Shared,
    /// With nobody.
    Alone,
}

/// The connection that writes, which its users have in turns.
pub(super) struct Writer {
    wal: Arc<Signal>,
    turn: Mutex<Turn>,
    /// How many wait for their turn and would share a commit.
    waiting: AtomicU32,
}

/// The turn to write.
pub(super) struct Turn {
    connection: Connection,
    /// Whose changes are in a transaction that is not committed yet.
    open: Option<Open>,
    wal: Arc<Signal>,
}

struct Open {
    group: Arc<Group>,
    members: u32,
}

/// Transactions that share a commit, and what became of it.
#[derive(Default)]
struct Group {
    outcome: Mutex<Option<Result<(), rusqlite::Error>>>,
    over: Condvar,
}

impl Writer {
    /// Writes by this connection, and tells of what is to be checkpointed.
    pub(super) fn new(connection: Connection, wal: Arc<Signal>) -> Self {
        let turn = Turn { connection, open: None, wal: Arc::clone(&wal) };
        Self { wal, turn: Mutex::new(turn), waiting: AtomicU32::new(0) }
    }

    /// Runs `f` in a transaction, and returns when it is on the disk, or undone since `f` failed or
    /// panicked.
    ///
    /// # Errors
    /// Where the transaction cannot begin or not be committed; then nothing of it has happened.
    pub(super) fn run<T, E>(
        &self,
        sharing: Sharing,
        f: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<Result<T, E>, rusqlite::Error> {
        self.wal.wait_for_room();
        let mut turn = match sharing {
            Sharing::Shared => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                let turn = self.lock();
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                turn
            }
            Sharing::Alone => self.alone(),
        };
        turn.begin()?;
        let outcome = catch_unwind(AssertUnwindSafe(|| f(&turn.connection)));
        let kept = matches!(outcome, Ok(Ok(_)));
        // Whoever is counted here takes the next turn, and sees to the commit if nobody else does.
        let more = sharing == Sharing::Shared && self.waiting.load(Ordering::SeqCst) > 0;
        let ended = turn.end(kept, more);
        drop(turn);
        if let Some(group) = ended? {
            group.wait()?;
        }
        Ok(outcome.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// The turn, with no transaction open.
    pub(super) fn alone(&self) -> MutexGuard<'_, Turn> {
        let mut turn = self.lock();
        if turn.open.is_some() {
            // Those whose transactions they are hear of the outcome.
            drop(turn.commit());
        }
        turn
    }

    /// A panic in a transaction is caught before the lock is released.
    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// The connection. Whoever begins a transaction on it ends it as well.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn begin(&mut self) -> Result<(), rusqlite::Error> {
        if self.open.is_none() {
            return self.connection.execute_batch("BEGIN IMMEDIATE");
        }
        let begun = self.connection.execute_batch("SAVEPOINT member");
        if begun.is_err() {
            drop(self.commit()); // nobody else may be there to do it
        }
        begun
    }

    /// Ends a transaction, and commits it with all that are open unless there are `more` to come:
    /// whoever has `kept` something then waits for the group's outcome.
    fn end(&mut self, kept: bool, more: bool) -> Result<Option<Arc<Group>>, rusqlite::Error> {
        // SQLite rolls everything back by itself where it cannot do less: when the disk is full, say.
        if self.connection.is_autocommit() {
            self.tell(&Err(aborted()));
            return if kept { Err(aborted()) } else { Ok(None) };
        }
        let done = match (kept, self.open.is_some()) {
            (true, false) => Ok(()),
            (true, true) => self.connection.execute_batch("RELEASE member"),
            (false, true) => self.connection.execute_batch("ROLLBACK TO member; RELEASE member"),
            (false, false) => return self.connection.execute_batch("ROLLBACK").map(|()| None),
        };
        if let Err(error) = done {
            self.roll_back();
            self.tell(&Err(aborted()));
            return Err(error);
        }
        let open = self.open.get_or_insert_with(|| Open { group: Arc::default(), members: 0 });
        open.members += u32::from(kept);
        if more && open.members < SHARED_MAX {
            return Ok(kept.then(|| Arc::clone(&open.group)));
        }
        let committed = self.commit();
        if kept { committed.map(|()| None) } else { Ok(None) }
    }

    /// Commits what is open, for all whose it is.
    fn commit(&mut self) -> Result<(), rusqlite::Error> {
        let committed = self.connection.execute_batch("COMMIT");
        if committed.is_err() && !self.connection.is_autocommit() {
            self.roll_back();
        }
        self.tell(&committed);
        self.wal.note(&self.connection);
        committed
    }

    fn roll_back(&self) {
        if let Err(error) = self.connection.execute_batch("ROLLBACK") {
            tracing::error!(%error, "a transaction of the store is not rolled back");
        }
    }

    /// Tells those whose transactions are open what became of them.
    fn tell(&mut self, outcome: &Result<(), rusqlite::Error>) {
        if let Some(open) = self.open.take() {
            let told = outcome.as_ref().copied().map_err(same);
            *open.group.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
            open.group.over.notify_all();
        }
    }
}

impl Group {
    fn wait(&self) -> Result<(), rusqlite::Error> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.over.wait_while(outcome, |outcome| outcome.is_none());
        let told = told.unwrap_or_else(PoisonError::into_inner);
        told.as_ref().map_or(Err(aborted()), |told| told.as_ref().copied().map_err(same))
    }
}

/// The same error for another one: a commit fails with nothing but a failure of SQLite.
fn same(error: &rusqlite::Error) -> rusqlite::Error {
    match error.sqlite_error() {
        Some(failure) => rusqlite::Error::SqliteFailure(*failure, Some(error.to_string())),
        None => aborted(),
    }
}

/// What became of changes that were rolled back with others'.
fn aborted() -> rusqlite::Error {
    let code =
        ffi::Error { code: ErrorCode::OperationAborted, extended_code: ffi::SQLITE_ABORT_ROLLBACK };
    rusqlite::Error::SqliteFailure(code, None)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// A file's connection that writes, and another one that reads.
    fn writer() -> (Arc<Writer>, Connection, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let open = || Connection::open(folder.path().join("db")).unwrap();
        let connection = open();
        let pragma = |name, value| connection.pragma_update(None, name, value).unwrap();
        pragma("journal_mode", "WAL");
        pragma("synchronous", "FULL");
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT").unwrap();
        let writer = Arc::new(Writer::new(connection, Arc::default()));
        (writer, open(), folder)
    }

    type Outcome = Result<Result<(), rusqlite::Error>, rusqlite::Error>;

    fn add(connection: &Connection, number: i64) -> Result<(), rusqlite::Error> {
        connection.execute("INSERT INTO t (n) VALUES (?1)", [number]).map(drop)
    }

    fn numbers(connection: &Connection) -> Vec<i64> {
        let mut statement = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Has transactions wait behind one that adds 0, each of which then adds its number, or fails
    /// after that, or panics. Gives what became of all, in order, that of 0 first, and what a reader
    /// saw just before the last of them was done.
    fn share(
        writer: &Arc<Writer>,
        reader: &Connection,
        ends: &'static [End],
    ) -> Vec<Option<Outcome>> {
        let (begun, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let first = {
            let (writer, begun, go) = (Arc::clone(writer), Arc::clone(&begun), Arc::clone(&go));
            thread::spawn(move || {
                writer.run(Sharing::Shared, |connection| {
                    add(connection, 0)?;
                    begun.wait();
                    go.wait();
                    Ok::<_, rusqlite::Error>(())
                })
            })
        };
        begun.wait();
        let others: Vec<_> = (1..)
            .zip(ends)
            .map(|(number, end)| {
                let writer = Arc::clone(writer);
                thread::spawn(move || {
                    writer.run(Sharing::Shared, |connection| {
                        add(connection, number)?;
                        match end {
                            End::Keeps => Ok(()),
                            End::Fails => Err(rusqlite::Error::InvalidQuery),
                            End::Panics => panic!("as the test wants"),
                        }
                    })
                })
            })
            .collect();
        let all = u32::try_from(ends.len()).unwrap();
        while writer.waiting.load(Ordering::SeqCst) < all {
            thread::yield_now();
        }
        assert!(numbers(reader).is_empty(), "nothing is committed yet");
        go.wait();
        [first].into_iter().chain(others).map(|thread| thread.join().ok()).collect()
    }

    #[derive(Clone, Copy)]
    enum End {
        Keeps,
        Fails,
        Panics,
    }

    #[test]
    fn who_waits_shares_a_commit_and_keeps_only_what_succeeded() {
        let (writer, reader, _folder) = writer();
        let ends = &[End::Keeps, End::Fails, End::Panics, End::Keeps];
        let outcomes = share(&writer, &reader, ends);
        let told: Vec<_> = outcomes
            .iter()
            .map(|told| told.as_ref().map(|told| matches!(told, Ok(Ok(())))))
            .collect();
        assert_eq!(told, [Some(true), Some(true), Some(false), None, Some(true)]);
        assert_eq!(numbers(&reader), [0, 1, 4]);
        let turn = writer.alone();
        assert!(turn.open.is_none() && turn.connection.is_autocommit());
    }

    #[test]
    fn a_commit_that_fails_fails_for_all() {
        let (writer, reader, _folder) = writer();
        // What a deferred key refers to is looked for at the end: the commit fails, not a statement.
        let schema =
            "CREATE TABLE of (n INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED) STRICT";
        writer.alone().connection().execute_batch(schema).unwrap();
        writer.alone().connection().execute_batch("PRAGMA foreign_keys = ON").unwrap();
        let (begun, waits) = mpsc::channel();
        let first = {
            let writer = Arc::clone(&writer);
            thread::spawn(move || {
                writer.run(Sharing::Shared, |connection| {
                    connection.execute("INSERT INTO of (n) VALUES (99)", [])?;
                    begun.send(()).unwrap();
                    while writer.waiting.load(Ordering::SeqCst) == 0 {
                        thread::yield_now();
                    }
                    Ok::<_, rusqlite::Error>(())
                })
            })
        };
        waits.recv().unwrap();
        let second = writer.run(Sharing::Shared, |connection| add(connection, 1));
        assert!(second.is_err() && first.join().unwrap().is_err());
        assert!(numbers(&reader).is_empty());
        // The next one begins anew.
        assert!(matches!(writer.run(Sharing::Shared, |connection| add(connection, 2)), Ok(Ok(()))));
        assert_eq!(numbers(&reader), [2]);
    }

    #[test]
    fn what_is_alone_commits_what_is_open_first() {
        let (writer, reader, _folder) = writer();
        let mut turn = writer.lock();
        turn.begin().unwrap();
        add(&turn.connection, 1).unwrap();
        let group = turn.end(true, true).unwrap().unwrap();
        drop(turn);
        assert!(numbers(&reader).is_empty());
        let seen = writer.run(Sharing::Alone, |connection| {
            let seen = numbers(&reader);
            add(connection, 2).map(|()| seen)
        });
        assert_eq!(seen.unwrap().unwrap(), [1]);
        group.wait().unwrap();
        assert_eq!(numbers(&reader), [1, 2]);
    }
}
