//! What a run of `redact` keeps and tells: originals for the vault, failures, progress, evidence.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::{BUFFER_BYTES, random};
use crate::cli::{Failure, complain};
use crate::pipeline::redactors::keep_originals;
use crate::redact::{self, Account, Evidence, Observer, Replacement};
use crate::store::{Store, explain};

/// Records between two signs of progress.
const PROGRESS_RECORDS: u64 = 500;
/// Failures that are told one by one; the rest is counted.
const FAILURES_TOLD: u64 = 100;

/// What the surrogates of records stand for that are about to be written.
pub(in crate::cli) struct Vault {
    pub(super) store: Option<Store>,
    replaced: RefCell<Vec<Replacement>>,
}

/// Writes nothing before the vault has what it stands for: a run may end at any time.
pub(super) struct Behind<'a, W> {
    vault: &'a Vault,
    inner: W,
}

impl Vault {
    pub(super) fn new(store: Option<Store>) -> Self {
        Self { store, replaced: RefCell::default() }
    }

    /// A buffered writer to `out` that fills the vault first.
    pub(super) fn before<W: Write>(&self, out: W) -> BufWriter<Behind<'_, W>> {
        BufWriter::with_capacity(BUFFER_BYTES, Behind { vault: self, inner: out })
    }

    fn add(&self, replaced: &mut Vec<Replacement>) {
        if self.store.is_some() {
            self.replaced.borrow_mut().append(replaced);
        }
    }

    pub(in crate::cli) fn keep(&self) -> io::Result<()> {
        let mut replaced = self.replaced.borrow_mut();
        if let Some(store) = &self.store
            && !replaced.is_empty()
        {
            store
                .tx("vault", |tx| keep_originals(tx, None, &replaced))
                .map_err(|error| io::Error::other(explain(&error)))?;
            replaced.clear();
        }
        Ok(())
    }
}

impl<W: Write> Write for Behind<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.vault.keep()?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Tells failures and progress, and counts.
pub(in crate::cli) struct Watch<'a> {
    evidence: Evidence,
    vault: &'a Vault,
    read: &'a AtomicU64,
    size: Option<u64>,
    terminal: bool,
    /// Where every failure is written.
    errors: Option<BufWriter<File>>,
    /// Why that file could not be written.
    unwritten: Option<io::Error>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        path: &Path,
        read: &'a AtomicU64,
        vault: &'a Vault,
        errors: Option<&Path>,
    ) -> Result<Self, Failure> {
        let errors = errors.map(File::create).transpose()?.map(BufWriter::new);
        let size = fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
        Ok(Self {
            evidence: Evidence::new(random()?),
            vault,
            read,
            size,
            terminal: io::stderr().is_terminal(),
            errors,
            unwritten: None,
        })
    }

    fn progress(&self) {
        if !self.terminal || !self.evidence.records().is_multiple_of(PROGRESS_RECORDS) {
            return;
        }
        let read = self.read.load(Ordering::Relaxed);
        let share = match self.size {
            Some(size) if size > 0 => format!(", {} %", read.saturating_mul(100) / size),
            Some(_) | None => String::new(),
        };
        let (records, found) = (self.evidence.records(), self.evidence.found());
        // A terminal that is gone needs no progress.
        drop(write!(io::stderr(), "\r\x1b[K{records} records, {found} found{share}"));
    }

    /// Writes a failure where all of them are to be found.
    fn keep(&mut self, failure: &redact::Failure) {
        let Some(errors) = &mut self.errors else { return };
        let (record, reason) = (failure.line, failure.reason.name());
        let line = json!({"record": record, "reason": reason, "error": explain(failure)});
        if let Err(error) = writeln!(errors, "{line}") {
            (self.errors, self.unwritten) = (None, Some(error));
        }
    }

    pub(super) fn end(mut self) -> Result<Evidence, Failure> {
        let (records, failures) = (self.evidence.records(), self.evidence.failures());
        if self.terminal {
            let found = self.evidence.found();
            drop(writeln!(io::stderr(), "\r\x1b[K{records} records, {found} found"));
        }
        if failures > 0 {
            let reasons = self.evidence.reasons();
            let reasons: Vec<_> =
                reasons.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
            complain(&format!(
                "{failures} records could not be cleaned, and were not written ({})",
                reasons.join(", ")
            ));
        }
        if let Some(errors) = &mut self.errors {
            errors.flush()?;
        }
        self.unwritten.map_or(Ok(self.evidence), |error| Err(error.into()))
    }
}

impl Observer for Watch<'_> {
    fn cleaned(&mut self, mut account: Account) -> io::Result<()> {
        self.evidence.cleaned(&account);
        self.vault.add(&mut account.replaced);
        self.progress();
        Ok(())
    }

    fn failed(&mut self, failure: redact::Failure) {
        self.evidence.failed(&failure);
        self.keep(&failure);
        if self.terminal {
            drop(write!(io::stderr(), "\r\x1b[K"));
        }
        match self.evidence.failures() {
            told if told <= FAILURES_TOLD => complain(&explain(&failure)),
            told if told == FAILURES_TOLD + 1 => complain(match self.errors {
                Some(_) => "more failures are in the file of --errors",
                None => "more failures are counted only: --errors FILE keeps the numbers of all",
            }),
            _ => {}
        }
    }
}
