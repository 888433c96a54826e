//! Connections that read, beside the one that writes: who reads waits for nobody who writes, and
//! sees what is committed.

use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;

/// Most connections that read at the same time; each has its share of memory.
const READERS_MAX: usize = 4;

/// How a connection that reads is opened.
type Open = dyn Fn() -> Result<Connection, rusqlite::Error> + Send + Sync;

/// Connections that read, opened when they are needed and kept.
pub(super) struct Readers {
    open: Box<Open>,
    pool: Mutex<Pool>,
    back: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    opened: usize,
}

/// A place among those who read, and its connection once that is open; both are given back when this
/// is dropped.
struct Place<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Readers {
    /// Reads by connections that `open` makes.
    pub(super) fn new(
        open: impl Fn() -> Result<Connection, rusqlite::Error> + Send + Sync + 'static,
    ) -> Self {
        Self { open: Box::new(open), pool: Mutex::default(), back: Condvar::new() }
    }

    /// Runs `f` on a snapshot of what is committed. It must not read again by this pool: all of its
    /// connections may be in use by such as wait for another one.
    ///
    /// # Errors
    /// Where no connection can be opened, or no transaction be begun.
    pub(super) fn run<T>(&self, f: impl FnOnce(&Connection) -> T) -> Result<T, rusqlite::Error> {
        let mut place = self.place();
        let connection = match &mut place.connection {
            Some(connection) => connection,
            none => none.insert((self.open)()?),
        };
        let snapshot = connection.transaction()?; // its end rolls back, where there is nothing to
        Ok(f(&snapshot))
    }

    fn place(&self) -> Place<'_> {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |pool: &mut Pool| pool.idle.is_empty() && pool.opened == READERS_MAX;
        let mut pool = self.back.wait_while(pool, full).unwrap_or_else(PoisonError::into_inner);
        let connection = pool.idle.pop();
        pool.opened += usize::from(connection.is_none());
        Place { readers: self, connection }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match self.connection.take() {
            Some(connection) => pool.idle.push(connection),
            None => pool.opened -= 1, // it did not open
        }
        self.readers.back.notify_one();
    }
}
