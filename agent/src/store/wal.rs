//! The write-ahead log, copied into the store's file off the way of whoever writes.
//!
//! SQLite appends what is committed to a log beside the store's file, and copies it there later: a
//! checkpoint, which waits for the disk several times. Left to itself it does so now and then within a
//! commit, for whose end somebody waits. Here a thread does it, by a connection of its own, while others
//! write on. A commit that comes meanwhile is not in the copy; so that the log can begin anew, the
//! thread then takes the turn to write and copies the little that is left.
//!
//! A crash loses nothing, whenever it comes: a commit is on the disk in the log before anybody is told
//! of it, pages stay in the log until their copies are on the disk, and what was copied half is copied
//! again.
//!
//! The log's size is bounded. It begins anew at [`ANEW_PAGES`], unless somebody reads for so long that
//! what they see is in it; from [`FULL_PAGES`] on those who write wait for the thread, up to
//! [`ROOM_WITHIN`] each time, and go on then: a slow disk slows people down and stops nobody.
//!
//! What is erased from the store is in the log until that begins anew. Where a secret is erased, the thread
//! therefore empties the log as soon as nobody reads what is in it ([`Signal::empty`]).

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, Row};

use crate::store::writer::Writer;
use crate::store::{Store, Tx};

/// Pages that are not copied yet, of 4 KiB each, at which a checkpoint begins.
const CHECKPOINT_PAGES: u32 = 1000;
/// Pages in the log at which it is to begin anew.
const ANEW_PAGES: u32 = 4 * CHECKPOINT_PAGES;
/// Pages in the log, 256 MiB, from which on those who write wait.
const FULL_PAGES: u32 = 65_536;
/// How long they wait at most.
const ROOM_WITHIN: Duration = Duration::from_secs(5);
/// Pause after a checkpoint that left much, or a log that is not emptied: somebody reads what is in it, or
/// the disk is full.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How often emptying the log is tried while somebody waits for it: most of those who read are soon done.
const EMPTY_TRIES: u32 = 4;

/// How far the log has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pages {
    /// In the log.
    logged: u32,
    /// Of them in the store's file as well.
    copied: u32,
}

/// What those who write and the thread tell each other.
#[derive(Default)]
pub(super) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pages: Pages,
    /// What was erased is in the log.
    to_empty: bool,
    /// The store is closed.
    over: bool,
}

/// The thread, which ends when this is dropped.
pub(super) struct Checkpoints {
    signal: Arc<Signal>,
    connection: Arc<Mutex<Connection>>,
    thread: Option<JoinHandle<()>>,
}

impl Pages {
    fn read(connection: &Connection, mode: &str) -> Result<Self, rusqlite::Error> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        // Both are -1 while there is no log.
        let pages = |pages: i64| u32::try_from(pages).unwrap_or(0);
        connection.prepare_cached(&sql)?.query_row([], |row| {
            Ok(Self { logged: pages(row.get(1)?), copied: pages(row.get(2)?) })
        })
    }

    /// In the log alone.
    fn left(self) -> u32 {
        self.logged.saturating_sub(self.copied)
    }
}

impl Signal {
    /// Notes how far the log has come, after a commit by this connection.
    pub(super) fn note(&self, connection: &Connection) {
        match Pages::read(connection, "NOOP") {
            Ok(pages) => self.set(pages),
            Err(error) => tracing::warn!(%error, "the write-ahead log cannot be measured"),
        }
    }

    /// Waits while the log is too long, but not for ever.
    pub(super) fn wait_for_room(&self) {
        let full = |State { pages, over, .. }: &mut State| {
            pages.logged >= FULL_PAGES && pages.left() > 0 && !*over
        };
        drop(self.changed.wait_timeout_while(self.lock(), ROOM_WITHIN, full));
    }

    /// Has the log emptied soon. Also from within a transaction: it is emptied after that.
    pub(super) fn empty(&self) {
        self.lock().to_empty = true;
        self.changed.notify_all();
    }

    fn set(&self, pages: Pages) {
        self.lock().pages = pages;
        self.changed.notify_all();
    }

    /// Waits for enough to copy, or a log to empty; `false` when the store is closed.
    fn wait_for_work(&self) -> bool {
        let idle = |State { pages, to_empty, over }: &mut State| {
            pages.left() < CHECKPOINT_PAGES && !*to_empty && !*over
        };
        let state = self.changed.wait_while(self.lock(), idle);
        !state.unwrap_or_else(PoisonError::into_inner).over
    }

    /// Waits a while, unless the store is closed.
    fn pause(&self) {
        let open = |state: &mut State| !state.over;
        drop(self.changed.wait_timeout_while(self.lock(), AGAIN_AFTER, open));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checkpoints {
    /// Starts the thread, which copies by `connection` what `writer` commits.
    ///
    /// # Errors
    /// Where the operating system starts no thread.
    pub(super) fn start(
        connection: Connection,
        writer: &Arc<Writer>,
        signal: &Arc<Signal>,
    ) -> Result<Self, io::Error> {
        let (writer, signal) = (Arc::clone(writer), Arc::clone(signal));
        let connection = Arc::new(Mutex::new(connection));
        let (works, told) = (Arc::clone(&connection), Arc::clone(&signal));
        let work = move || {
            let mut failing = false;
            while told.wait_for_work() {
                let copied = checkpoint(&lock(&works), &writer, &told);
                match &copied {
                    // Once: where the disk is full, say, it fails again and again.
                    Err(error) if !failing => {
                        tracing::warn!(%error, "the write-ahead log is not copied");
                    }
                    Ok(pages) => told.set(*pages),
                    Err(_) => {}
                }
                failing = copied.is_err();
                let much = copied.is_ok_and(|pages| pages.left() >= CHECKPOINT_PAGES);
                if much || failing || told.lock().to_empty {
                    told.pause();
                }
            }
        };
        let thread = thread::Builder::new().name("checkpoints".to_owned()).spawn(work)?;
        Ok(Self { signal, connection, thread: Some(thread) })
    }

    /// Where the thread is told what there is to do.
    pub(super) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Empties the log now, and tries again for a moment while somebody reads what is in it, without
    /// the turn to write; `false` when they read on, and the thread then sees to it.
    ///
    /// # Errors
    /// Where the log cannot be copied.
    pub(super) fn empty_now(&self, writer: &Writer) -> Result<bool, rusqlite::Error> {
        for attempt in 0..EMPTY_TRIES {
            if attempt > 0 {
                self.signal.pause();
            }
            let connection = lock(&self.connection);
            Pages::read(&connection, "PASSIVE")?;
            let _turn = writer.alone();
            if empty(&connection)? {
                return Ok(true);
            }
        }
        self.signal.empty();
        Ok(false)
    }
}

impl Store {
    /// Has the write-ahead log emptied soon: a crash may have left in it what was erased.
    pub fn empty_log(&self) {
        self.checkpoints.signal.empty();
    }
}

impl Tx<'_> {
    /// Has the write-ahead log emptied soon after this transaction, which erases a secret.
    pub(super) fn empty_log(&self) {
        self.log.empty();
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.signal.lock().over = true;
        self.signal.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the write-ahead log has panicked");
        }
    }
}

/// Copies the log, and what was left of it while nobody writes when it is to begin anew or to be emptied.
fn checkpoint(
    connection: &Connection,
    writer: &Writer,
    signal: &Signal,
) -> Result<Pages, rusqlite::Error> {
    let pages = Pages::read(connection, "PASSIVE")?;
    if signal.lock().to_empty {
        let _turn = writer.alone();
        // Whoever erases something now has to wait for the turn, and asks again then.
        signal.lock().to_empty = !empty(connection)?;
        return Pages::read(connection, "NOOP");
    }
    if pages.logged < ANEW_PAGES || pages.left() == 0 {
        return Ok(pages);
    }
    let _turn = writer.alone();
    Pages::read(connection, "PASSIVE")
}

/// Copies all of the log and cuts it to nothing; `false` when somebody reads what is in it, or writes.
fn empty(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let busy = |row: &Row<'_>| row.get::<_, i64>(0);
    Ok(connection.prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")?.query_row([], busy)? == 0)
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crate::store::tests::scratch;
    use crate::store::{FILE, Store, StoreError};

    use super::*;

    /// Writes until `enough` bytes were written.
    fn write(store: &Store, enough: u32) {
        let bytes = vec![7; 64 * 1024];
        for part in 0..enough.div_ceil(64 * 1024) {
            let name = (part % 8).to_string();
            store.tx("test", |tx| tx.set_meta(&name, &bytes)).unwrap();
        }
    }

    /// Waits until the thread has copied as much as it does by itself.
    fn settle(store: &Store) -> Pages {
        loop {
            let pages = Pages::read(store.writer.alone().connection(), "NOOP").unwrap();
            if pages.left() < CHECKPOINT_PAGES {
                return pages;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn the_log_begins_anew_however_much_is_written() {
        let scratch = scratch();
        let log = scratch.folder.path().join(format!("{FILE}-wal"));
        write(&scratch.store, 8 * ANEW_PAGES * 4096);
        settle(&scratch.store);
        let bytes = std::fs::metadata(&log).unwrap().len();
        assert!(bytes < u64::from(4 * ANEW_PAGES) * 4096, "{bytes} bytes in the log");
    }

    #[test]
    fn what_is_erased_leaves_the_log_once_nobody_reads_it() {
        let scratch = scratch();
        let log = scratch.folder.path().join(format!("{FILE}-wal"));
        let bytes = || std::fs::metadata(&log).unwrap().len();
        let erase = || {
            let erased = scratch.store.tx("test", |tx| {
                tx.set_meta("0", b"")?;
                tx.empty_log();
                Ok::<_, StoreError>(())
            });
            erased.unwrap();
        };
        scratch.store.tx("test", |tx| tx.set_meta("0", b"a secret")).unwrap();
        scratch
            .store
            .read("test", |tx| {
                assert!(tx.meta("0")?.is_some());
                erase();
                // The thread has tried, and others write on.
                scratch.store.tx("test", |tx| tx.set_meta("1", b""))?;
                assert!(bytes() > 0, "a reader sees what is in the log");
                Ok::<_, StoreError>(())
            })
            .unwrap();
        while bytes() > 0 {
            thread::yield_now();
        }
        erase();
        while bytes() > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn who_reads_for_long_keeps_the_log_but_stops_nobody() {
        let scratch = scratch();
        scratch.store.tx("test", |tx| tx.set_meta("before", b"1")).unwrap();
        scratch
            .store
            .read("test", |tx| {
                assert!(tx.meta("0")?.is_none());
                write(&scratch.store, 2 * ANEW_PAGES * 4096);
                assert!(tx.meta("0")?.is_none(), "one snapshot");
                Ok::<_, StoreError>(())
            })
            .unwrap();
        write(&scratch.store, ANEW_PAGES * 4096);
        let pages = settle(&scratch.store);
        assert!(pages.logged < 2 * ANEW_PAGES, "{pages:?}: it has begun anew");
    }
}
