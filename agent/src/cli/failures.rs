//! A file that names every record that could not be cleaned.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::json;

use crate::redact;
use crate::store::explain;

/// Where failures are written, if anywhere.
#[derive(Default)]
pub(super) struct Failures {
    file: Option<BufWriter<File>>,
    /// Why the file could not be written, which is told at the end: the records come first.
    unwritten: Option<io::Error>,
}

impl Failures {
    /// Into this file, which is made anew.
    pub(super) fn to(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Some(BufWriter::new(File::create(path)?)), unwritten: None })
    }

    pub(super) const fn are_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Adds a line of JSON; nothing in it is from the record.
    pub(super) fn keep(&mut self, failure: &redact::Failure) {
        let Some(file) = &mut self.file else { return };
        let (record, reason) = (failure.line, failure.reason.name());
        let line = json!({"record": record, "reason": reason, "error": explain(failure)});
        if let Err(error) = writeln!(file, "{line}") {
            (self.file, self.unwritten) = (None, Some(error));
        }
    }

    /// Writes what is left.
    pub(super) fn end(self) -> io::Result<()> {
        if let Some(error) = self.unwritten {
            return Err(error);
        }
        self.file.map_or(Ok(()), |mut file| file.flush())
    }
}
