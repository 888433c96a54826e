//! Import of items with what people have said of them before, in another tool or another place.
//!
//! An item is added as any import adds it; one that is known with other content is refused, with what
//! was said of it. Its label becomes a first reading of a person here: at once if the item has its
//! draft, else as soon as it has (at most [`edge::WAITING_MAX`] labels wait). The same label again
//! changes nothing; another one replaces what the person's imports said before.
//!
//! Spans are given as places in the text of the file, and people here see the redacted one. So items
//! with spans are redacted at once, and their spans move with the text: what was replaced in part is
//! marked whole.

pub mod watch;

#[cfg(test)]
mod tests;

use std::path::Path;

use insitu_protocol::project::Task;

use crate::config::Source;
use crate::edge::{self, EdgeError, Kept};
use crate::item::{CleanItem, Dirty, RawItem, Value};
use crate::label::Label;
use crate::pipeline::redactors::{Redactor, Redactors};
use crate::pipeline::{items, offered};
use crate::review::ReviewError;
use crate::source::labeled::{self, Bad, Drafts, Format, Labeled, Offer, Origin};
use crate::source::{
    self, BAD_LINES_MAX, BATCH_ITEMS, BATCH_MEDIA_BYTES, BadLine, ImportError, LineError, Rules,
};
use crate::store::items::{Addition, ItemRow, Stage};
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// The column of labels, unless it has another name.
pub const LABEL_COLUMN: &str = "label";

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records read, good and bad.
    pub read: u64,
    /// Items added.
    pub added: u64,
    /// Items that were there already, unchanged.
    pub known: u64,
    /// Labels kept as first readings.
    pub readings: u64,
    /// Drafts that were kept for people to correct.
    pub drafts: u64,
    /// Labels of which nobody said whose they are.
    pub labels_left: u64,
    /// Bad records, and labels that were refused.
    pub bad: u64,
    /// The first [`BAD_LINES_MAX`] of them, by file and line.
    pub bad_lines: Vec<BadRecord>,
}

/// A record that was not imported, or whose label was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Its number among the records of the file, from 1; 0 where only its line is known.
    pub record: u64,
    /// Where it is, and what is wrong with it.
    pub bad: Bad,
}

impl BadRecord {
    /// Where it is in its file, for people: its line and, where lines hold several records as the
    /// one line of most JSON does, which of them.
    pub fn place(&self) -> String {
        let Self { record, bad: Bad { file, line, .. } } = self;
        if file.is_none() && record > line {
            format!("{line}, record {record}")
        } else {
            line.to_string()
        }
    }
}

/// What is to be imported, and how.
pub struct Request<'a> {
    /// The project.
    pub project: &'a ProjectRow,
    /// Which columns mean what.
    pub rules: &'a Source,
    /// The format.
    pub format: Format,
    /// Where the file is, whose images and series are in its folder; or the folder itself.
    pub folder: Option<&'a Path>,
    /// The column of labels, of formats that are nothing but columns.
    pub label: &'a str,
    /// Which predictions are taken as drafts.
    pub drafts: Option<Drafts<'a>>,
    /// Whose first readings the labels are; nobody's are left where they are.
    pub reader: Option<i64>,
    /// Now, Unix seconds.
    pub now: i64,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({:?})", self.format)
    }
}

/// Why an import of labels stopped. What was committed before stays, and importing again goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// As any import stops.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Spans would have no place.
    #[error(
        "the project's redaction settings are refused, so that its spans have no place: mend the file that \
         `redaction` names, then import again"
    )]
    Redaction,
    /// Too many labels wait.
    #[error("the labels cannot be kept")]
    Labels(#[source] EdgeError),
}

impl From<source::Report> for Report {
    /// Of an import without labels.
    fn from(report: source::Report) -> Self {
        let source::Report { read, added, known, bad, bad_lines, too_deep } = report;
        let mut bad_lines: Vec<BadRecord> = bad_lines
            .into_iter()
            .map(|BadLine { file, line, reason }| Bad { file, line, reason })
            .map(|bad| BadRecord { record: 0, bad })
            .collect();
        if too_deep > 0 {
            let reason = LineError::TooDeep { folders: too_deep };
            bad_lines.push(BadRecord { record: 0, bad: Bad { file: None, line: 0, reason } });
        }
        Self { read, added, known, bad, bad_lines, ..Self::default() }
    }
}

impl From<StoreError> for LabelsError {
    fn from(error: StoreError) -> Self {
        Self::Import(error.into())
    }
}

/// Imports a file, a table or a folder. Also of one that stops, the report says how far it came.
pub fn import(
    store: &Store,
    redactors: &mut Redactors,
    request: &Request<'_>,
    origin: Origin<'_>,
) -> (Report, Result<(), LabelsError>) {
    let mut importer = Importer {
        store,
        redactors,
        request,
        report: Report::default(),
        batch: Vec::with_capacity(BATCH_ITEMS),
        media_bytes: 0,
        stopped: None,
    };
    let Request { project, rules, format, folder, label, drafts, .. } = *request;
    let rules = Rules { source: rules, made: None, folder };
    let read =
        labeled::read(format, &project.definition, rules, (label, drafts), origin, &mut |record| {
            importer.take(rules, record).map_err(|error| {
                importer.stopped = Some(error);
                ImportError::Stopped
            })
        });
    let done = match (importer.stopped.take(), read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(())) => Ok(()),
    };
    // What came before a fault of the file is good.
    let done = done.and_then(|()| importer.flush());
    let mut report = importer.report;
    let place = |it: &BadRecord| (it.bad.file.clone(), it.bad.line, it.record);
    report.bad_lines.sort_by_cached_key(place);
    (report, done)
}

/// A record that is an item.
struct Ready {
    record: u64,
    file: Option<String>,
    line: u64,
    item: RawItem,
    label: Option<Label>,
    draft: Option<Offer>,
}

struct Importer<'a> {
    store: &'a Store,
    redactors: &'a mut Redactors,
    request: &'a Request<'a>,
    report: Report,
    batch: Vec<Ready>,
    media_bytes: usize,
    /// Why it stopped, which readers know nothing of.
    stopped: Option<LabelsError>,
}

impl Importer<'_> {
    fn take(&mut self, rules: Rules<'_>, record: Result<Labeled, Bad>) -> Result<(), LabelsError> {
        self.report.read += 1;
        let number = self.report.read;
        match record.and_then(|record| self.ready(rules, number, record)) {
            Ok(ready) => {
                self.media_bytes += ready.item.media_bytes();
                self.batch.push(ready);
            }
            Err(bad) => self.refuse(BadRecord { record: number, bad }),
        }
        if self.batch.len() == BATCH_ITEMS || self.media_bytes >= BATCH_MEDIA_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// The item of the record of this number, whose label fits it.
    fn ready(&self, rules: Rules<'_>, number: u64, record: Labeled) -> Result<Ready, Bad> {
        let Labeled { file, line, cells, label, draft, size } = record;
        let project = &self.request.project.definition;
        let item = source::raw_item(project, rules, cells).and_then(|item| {
            let drafted = draft.as_ref().map(|draft| &draft.label);
            for label in label.iter().chain(drafted) {
                let fits = label.check_with(project, |field| item.value(field));
                fits.map_err(labeled::refused)?;
            }
            match (size, image_size(&item, &project.task)) {
                (Some(said), Some(got)) if said != got => Err(LineError::Size { said, got }),
                _ => Ok(item),
            }
        });
        match item {
            Ok(item) => Ok(Ready { record: number, file, line, item, label, draft }),
            Err(reason) => Err(Bad { file, line, reason }),
        }
    }

    /// Adds the items of the batch, and then what was said of them.
    fn flush(&mut self) -> Result<(), LabelsError> {
        self.media_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let ProjectRow { project, definition, .. } = self.request.project;
        let reader = self.request.reader;
        let name = definition.name.as_str();
        let additions = self.store.alone("import", |tx| {
            let add = |ready: &Ready| {
                let addition = ready.item.add(tx, *project, name)?;
                let wanted = ready.draft.is_some() || (ready.label.is_some() && reader.is_some());
                let key = if wanted { ready.item.key(tx, *project, name)? } else { None };
                Ok::<_, StoreError>((addition, key))
            };
            let added = batch.iter().map(add).collect::<Result<Vec<_>, StoreError>>()?;
            source::note(tx, None, name, added.iter().map(|(addition, _)| addition))?;
            Ok::<_, StoreError>(added)
        })?;
        let before = self.report.added;
        let mut said = Vec::new();
        for (ready, (addition, key)) in batch.into_iter().zip(additions) {
            match addition {
                Addition::New => self.report.added += 1,
                Addition::Known => self.report.known += 1,
                Addition::OtherKind => {
                    self.refuse_ready(&ready, LineError::KnownAsSynthetic);
                    continue;
                }
                Addition::OtherContent { field } => {
                    self.refuse_ready(&ready, LineError::OtherContent { field });
                    continue;
                }
                Addition::Erased => {
                    self.refuse_ready(&ready, LineError::Erased);
                    continue;
                }
            }
            if ready.label.is_some() && reader.is_none() {
                self.report.labels_left += 1;
            }
            if let Some(key) = key {
                said.push((ready, key));
            }
        }
        let added = self.report.added - before;
        metrics::counter!("insitu_agent_items_imported_total").increment(added);
        let said = match &definition.task {
            Task::Spans { field, .. } => self.place(field.as_str(), said)?,
            Task::Class
            | Task::Classes
            | Task::Regions { .. }
            | Task::Segments { .. }
            | Task::Preference { .. } => said,
        };
        self.offer(&said)?;
        match reader {
            Some(reader) => self.keep(&said, reader),
            None => Ok(()),
        }
    }

    /// Redacts the items whose spans are known, and moves their spans to where they are then.
    fn place(
        &mut self,
        field: &str,
        said: Vec<(Ready, i64)>,
    ) -> Result<Vec<(Ready, i64)>, LabelsError> {
        if said.is_empty() {
            return Ok(said);
        }
        let (store, definition) = (self.store, &self.request.project.definition);
        let keys: Vec<i64> = said.iter().map(|(_, key)| *key).collect();
        let read = |what| {
            store.read(what, |tx| {
                let row = |key: &i64| {
                    tx.item(*key)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })
                };
                keys.iter().map(row).collect::<Result<Vec<ItemRow>, StoreError>>()
            })
        };
        let mut rows = read("import spans")?;
        let redactor = self.redactors.of(store, &definition.name)?;
        let redactor = redactor.ok_or(LabelsError::Redaction)?;
        let is_new = |row: &ItemRow| row.stage == Stage::New;
        if rows.iter().any(is_new) {
            let new = rows.into_iter().filter(is_new).collect();
            items::redact(store, redactor, definition, new)?;
            rows = read("import redacted")?;
        }
        let (mut moved, mut refused) = (Vec::with_capacity(said.len()), Vec::new());
        for ((mut ready, key), row) in said.into_iter().zip(rows) {
            match moved_labels(redactor, &row, field, &ready) {
                Ok((label, draft)) => {
                    (ready.label, ready.draft) = (label, draft);
                    moved.push((ready, key));
                }
                Err(reason) => refused.push((ready, reason)),
            }
        }
        for (ready, reason) in refused {
            self.refuse_ready(&ready, reason);
        }
        Ok(moved)
    }

    /// Keeps drafts for the pipeline to place. One that the item has already is nothing new.
    fn offer(&mut self, said: &[(Ready, i64)]) -> Result<(), LabelsError> {
        if said.iter().all(|(ready, _)| ready.draft.is_none()) {
            return Ok(());
        }
        self.report.drafts += self.store.alone("import drafts", |tx| {
            let mut kept = 0;
            for (ready, key) in said {
                let Some(draft) = &ready.draft else { continue };
                let row = tx.item(*key)?;
                let row = row.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
                kept += u64::from(offered::offer(tx, &row, draft)?);
            }
            Ok::<_, StoreError>(kept)
        })?;
        Ok(())
    }

    /// Keeps labels as what their reader said.
    fn keep(&mut self, said: &[(Ready, i64)], reader: i64) -> Result<(), LabelsError> {
        let said: Vec<&(Ready, i64)> =
            said.iter().filter(|(ready, _)| ready.label.is_some()).collect();
        if said.is_empty() {
            return Ok(());
        }
        let (store, now) = (self.store, self.request.now);
        // Those that are kept before it is full stay kept.
        let (outcomes, full) = store.alone("import labels", |tx| {
            let mut waiting = tx.waiting_corrections()?;
            let mut outcomes = Vec::with_capacity(said.len());
            for (ready, key) in &said {
                let Some(label) = &ready.label else { continue };
                match edge::keep(tx, reader, *key, label, &mut waiting, now) {
                    Ok(kept) => outcomes.push(Ok(kept)),
                    Err(EdgeError::Review(ReviewError::Store(error))) => return Err(error),
                    Err(error @ EdgeError::Full { .. }) => return Ok((outcomes, Some(error))),
                    Err(error) => outcomes.push(Err(error.to_string())),
                }
            }
            Ok((outcomes, None))
        })?;
        for ((ready, _), outcome) in said.into_iter().zip(outcomes) {
            match outcome {
                Ok(Kept::New) => self.report.readings += 1,
                Ok(Kept::Known) => {}
                Err(reason) => self.refuse_ready(ready, LineError::Label { reason }),
            }
        }
        full.map_or(Ok(()), |error| Err(LabelsError::Labels(error)))
    }

    fn refuse_ready(&mut self, ready: &Ready, reason: LineError) {
        let bad = Bad { file: ready.file.clone(), line: ready.line, reason };
        self.refuse(BadRecord { record: ready.record, bad });
    }

    fn refuse(&mut self, bad: BadRecord) {
        self.report.bad += 1;
        if self.report.bad_lines.len() < BAD_LINES_MAX {
            self.report.bad_lines.push(bad);
        }
    }
}

/// Width and height of the image that the task marks.
fn image_size(item: &RawItem, task: &Task) -> Option<[u32; 2]> {
    let Task::Regions { field, .. } = task else { return None };
    match item.value(field.as_str()) {
        Some(Value::Image(image)) => Some([image.width, image.height]),
        Some(Value::Number(_) | Value::Text(_) | Value::Series(_)) | None => None,
    }
}

/// The spans of label and draft where they are in the redacted text.
fn moved_labels(
    redactor: &Redactor,
    row: &ItemRow,
    field: &str,
    ready: &Ready,
) -> Result<(Option<Label>, Option<Offer>), LineError> {
    let Some(Value::Text(text)) = ready.item.value(field) else {
        return Err(LineError::NotRedacted);
    };
    let clean = CleanItem::load(row).map_err(|_| LineError::NotRedacted)?;
    let dirty = Dirty { field, is_text: true, beside: &ready.item.beside() };
    let redacted = redactor
        .read(&redactor.hints(row, dirty.beside), dirty, text)
        .map_err(|_| LineError::NotRedacted)?;
    let redacted = redacted.ok_or(LineError::NotRedacted)?;
    if clean.value(field) != Some(&Value::Text(redacted.text.clone())) {
        return Err(LineError::RedactedOtherwise);
    }
    let moved = |label: &Label| match label {
        Label::Spans(label) => {
            label.moved(|start, end| redacted.place_of(start, end)).map_err(labeled::refused)
        }
        Label::Class(_) | Label::Classes(_) | Label::Regions(_) | Label::Segments(_) => {
            Err(LineError::NotRedacted)
        }
    };
    let label = ready.label.as_ref().map(moved).transpose()?;
    let draft = ready.draft.as_ref();
    let draft = draft.map(|draft| draft.clone().moved(moved(&draft.label)?, moved));
    Ok((label, draft.transpose()?))
}
