//! Import: the site's own files become items. Streamed, bounded, and safe to repeat.
//!
//! A bad line is reported by number and reason, and the rest is imported. A reason names fields,
//! never values. Only the fields that the project names are kept.

pub(crate) mod csv;
mod error;
mod exif;
pub(crate) mod folder;
mod json;
pub mod labeled;
mod line;
pub mod media;
mod parquet;
mod record;
mod whole;

use std::fs::File;
use std::io::BufRead;
use std::path::Path;

use insitu_protocol::project::Project;
use serde_json::Map;

pub use self::error::{ImportError, LineError};
pub(crate) use self::line::next_line;
use self::line::{skip_mark, trimmed};
use self::record::identity;
pub(crate) use self::record::{import_held, raw_item, values};
use crate::config::Source;
use crate::item::RawItem;
use crate::store::items::Addition;
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, What, Who};
use crate::store::{Store, StoreError, Tx};

/// Longest line or record, in bytes.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Where a table must be, whose end says what it is.
const ON_DISK: &str = "a file on disk";
/// Items in one transaction.
pub(crate) const BATCH_ITEMS: usize = 500;
/// Bytes of images and series that one transaction begins with at most; one item may exceed it.
pub(crate) const BATCH_MEDIA_BYTES: usize = 64 * 1024 * 1024;
/// Bad lines that a report lists; all are counted.
pub const BAD_LINES_MAX: usize = 100;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma, semicolon or tab separated, with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// A table, which is read from a file on disk: see [`import_table`].
    Parquet,
}

impl Format {
    /// By the file's name; CSV unless it says otherwise.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("jsonl" | "ndjson" | "json") => Self::JsonLines,
            Some("parquet") => Self::Parquet,
            Some(_) | None => Self::Csv,
        }
    }
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records read, good and bad.
    pub read: u64,
    /// Items added.
    pub added: u64,
    /// Items that were there already, unchanged.
    pub known: u64,
    /// Bad records.
    pub bad: u64,
    /// The first [`BAD_LINES_MAX`] of them.
    pub bad_lines: Vec<BadLine>,
    /// Folders that lie too deep, of which nothing was read.
    pub too_deep: u64,
}

/// A record that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its file, of a folder of images or series.
    pub file: Option<String>,
    /// Its first line, from 1; of a file in a folder, which one it is.
    pub line: u64,
    /// What is wrong with it.
    pub reason: LineError,
}

/// What the records of a file mean.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Which column is what.
    pub source: &'a Source,
    /// What is known of them as synthetic items, if they are.
    pub made: Option<Made<'a>>,
    /// Where the files are that image and series fields name; a stream has none.
    pub folder: Option<&'a Path>,
}

/// One record: a value for each column that has one.
pub(crate) struct Record {
    line: u64,
    cells: Result<Vec<(String, Cell)>, LineError>,
}

/// A value as a file has it.
pub(crate) enum Cell {
    Number(f64),
    Text(String),
    /// A list or an object: an error only in a field that is kept.
    Nested,
}

/// What is known of synthetic items as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// What made them; may be empty.
    pub generator: &'a str,
    /// The column that names the class that each was made for.
    pub label: Option<&'a str>,
}

/// Imports `reader` into `project`. Its name and the ids tie items to what was imported before.
/// Those that are `made` are synthetic.
///
/// # Errors
/// [`ImportError`]; what was committed before stays, and importing again goes on from there.
pub fn import(
    store: &Store,
    project: &ProjectRow,
    source: &Source,
    made: Option<Made<'_>>,
    format: Format,
    reader: impl BufRead,
) -> Result<Report, ImportError> {
    import_file(store, project, Rules { source, made, folder: None }, format, reader)
}

/// [`import`] of real items by somebody else than who opened the store.
///
/// # Errors
/// As [`import`].
pub fn import_by(
    store: &Store,
    project: &ProjectRow,
    source: &Source,
    by: &Who,
    format: Format,
    reader: impl BufRead,
) -> Result<Report, ImportError> {
    let rules = Rules { source, made: None, folder: None };
    import_stream(store, project, rules, Some(by), format, reader)
}

/// [`import`] of a file whose image and series fields name files in its folder.
///
/// # Errors
/// As [`import`].
pub fn import_file(
    store: &Store,
    project: &ProjectRow,
    rules: Rules<'_>,
    format: Format,
    reader: impl BufRead,
) -> Result<Report, ImportError> {
    import_stream(store, project, rules, None, format, reader)
}

fn import_stream(
    store: &Store,
    project: &ProjectRow,
    rules: Rules<'_>,
    by: Option<&Who>,
    format: Format,
    reader: impl BufRead,
) -> Result<Report, ImportError> {
    import_records(store, project, rules, by, |mut take| match format {
        Format::Csv => csv::read(reader, rules.source, &mut take),
        Format::JsonLines => json::read(reader, &mut take),
        Format::Parquet => Err(ImportError::Origin { expected: ON_DISK }),
    })
}

/// [`import_file`] of a Parquet table.
///
/// # Errors
/// As [`import`]; [`ImportError::Parquet`], [`ImportError::ParquetSize`], [`ImportError::Packed`].
pub fn import_table(
    store: &Store,
    project: &ProjectRow,
    rules: Rules<'_>,
    file: File,
) -> Result<Report, ImportError> {
    import_records(store, project, rules, None, |mut take| {
        parquet::read(file, rules.source, wanted(&project.definition, rules, None), &mut take)
    })
}

/// The columns of which something is made.
fn wanted<'a>(
    project: &'a Project,
    rules: Rules<'a>,
    label: Option<&'a str>,
) -> impl Fn(&str) -> bool + 'a {
    move |name| {
        let Source { id, subject, holdout, .. } = rules.source;
        let holdout = holdout.as_ref().map(|holdout| holdout.column.as_str());
        let made = rules.made.and_then(|made| made.label);
        let named = [Some(id.as_str()), subject.as_deref(), holdout, made, label];
        named.contains(&Some(name)) || project.field(name).is_some()
    }
}

/// Refuses a table without a column that identifies its items or their subjects.
fn needed(source: &Source, has: impl Fn(&str) -> bool) -> Result<(), ImportError> {
    let needed = [(Some(&source.id), "item"), (source.subject.as_ref(), "subject")];
    for (column, what) in needed {
        if let Some(column) = column.filter(|column| !has(column)) {
            return Err(ImportError::NoColumn { column: column.clone(), what });
        }
    }
    Ok(())
}

/// Imports the images or series in the folder of `rules`, an item for each file: its path there is
/// the item's id, and the first folder of the path, if there is one, the subject.
///
/// # Errors
/// As [`import`]; [`ImportError::NoMediaField`].
pub fn import_folder(
    store: &Store,
    project: &ProjectRow,
    rules: Rules<'_>,
) -> Result<Report, ImportError> {
    let folder = rules.folder.ok_or(ImportError::NoMediaField)?;
    let mut files = folder::Files::default();
    let mut report = import_records(store, project, rules, None, |mut take| {
        files = folder::read(folder, &project.definition, rules.source, &mut take)?;
        Ok(())
    })?;
    for bad in &mut report.bad_lines {
        let at = usize::try_from(bad.line).unwrap_or(0).checked_sub(1);
        bad.file = at.and_then(|at| files.paths.get(at).cloned());
    }
    Ok(Report { too_deep: files.too_deep, ..report })
}

/// Imports one image or series in the folder of `rules`, as [`import_folder`] does all of them.
///
/// # Errors
/// As [`import_folder`].
pub(crate) fn import_one(
    store: &Store,
    project: &ProjectRow,
    rules: Rules<'_>,
    path: &str,
) -> Result<Report, ImportError> {
    let field = folder::media_field(&project.definition).ok_or(ImportError::NoMediaField)?;
    let cells = folder::cells(path, field, rules.source);
    import_records(store, project, rules, None, |take| take(Record { line: 1, cells: Ok(cells) }))
}

/// What takes one record after the other.
type Take<'a> = &'a mut dyn FnMut(Record) -> Result<(), ImportError>;

fn import_records(
    store: &Store,
    project: &ProjectRow,
    rules: Rules<'_>,
    by: Option<&Who>,
    read: impl FnOnce(Take<'_>) -> Result<(), ImportError>,
) -> Result<Report, ImportError> {
    let mut report = Report::default();
    let mut batch = Vec::with_capacity(BATCH_ITEMS);
    let mut media_bytes = 0;
    read(&mut |record: Record| {
        report.read += 1;
        let item = record.cells.and_then(|cells| raw_item(&project.definition, rules, cells));
        match item {
            Ok(item) => {
                media_bytes += item.media_bytes();
                batch.push((record.line, item));
            }
            Err(reason) => report.refuse(record.line, reason),
        }
        if batch.len() == BATCH_ITEMS || media_bytes >= BATCH_MEDIA_BYTES {
            media_bytes = 0;
            add(store, project, by, &mut batch, &mut report)?;
        }
        Ok(())
    })?;
    add(store, project, by, &mut batch, &mut report)?;
    // Some are found when their batch is added.
    report.bad_lines.sort_by_key(|bad| bad.line);
    Ok(report)
}

/// Gives the id of each record of a file to `take`, as an import would read it; records without one
/// are passed over.
///
/// # Errors
/// [`ImportError`].
pub fn ids(
    source: &Source,
    format: Format,
    reader: impl BufRead,
    mut take: impl FnMut(String),
) -> Result<(), ImportError> {
    let mut record = |record: Record| {
        if let Some(id) = record.cells.ok().and_then(|cells| identity(&cells, &source.id)) {
            take(id);
        }
        Ok(())
    };
    match format {
        Format::Csv => csv::read(reader, source, &mut record),
        Format::JsonLines => json::read(reader, &mut record),
        Format::Parquet => Err(ImportError::Origin { expected: "csv or jsonl here" }),
    }
}

/// Whose a record is, as the item that it becomes would be: its subject, or else the item itself.
/// `None` for one that can be no item.
pub(crate) fn subject(
    record: &Map<String, serde_json::Value>,
    project: &Project,
    source: &Source,
) -> Option<String> {
    record::identities(&json::cells_of(record.clone()), project, source)
        .ok()
        .map(|(_, subject)| subject)
}

/// The id of a record, as a line of JSON lines has it.
pub fn id(record: &Map<String, serde_json::Value>, source: &Source) -> Option<String> {
    identity(&json::cells_of(record.clone()), &source.id)
}

/// Notes in the audit log what was imported, unless all of it was known.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn note<'a>(
    tx: &Tx<'_>,
    by: Option<&Who>,
    project: &str,
    additions: impl Iterator<Item = &'a Addition> + Clone,
) -> Result<(), StoreError> {
    let count = |addition| additions.clone().filter(|it| **it == addition).count();
    let (added, known) = (count(Addition::New), count(Addition::Known));
    if added > 0 {
        let by = by.unwrap_or_else(|| tx.who()).clone();
        let event = Event::new(What::Imported).by(by).of(project);
        tx.note(&event.with(serde_json::json!({"added": added, "known": known})))?;
    }
    Ok(())
}

fn add(
    store: &Store,
    project: &ProjectRow,
    by: Option<&Who>,
    batch: &mut Vec<(u64, RawItem)>,
    report: &mut Report,
) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let name = project.definition.name.as_str();
    let additions = store.alone("import", |tx| {
        let add = |(_, item): &(u64, RawItem)| item.add(tx, project.project, name);
        let additions = batch.iter().map(add).collect::<Result<Vec<_>, StoreError>>()?;
        note(tx, by, name, additions.iter())?;
        Ok::<_, StoreError>(additions)
    })?;
    let before = report.added;
    for ((line, item), addition) in batch.drain(..).zip(additions) {
        match addition {
            Addition::New => report.added += 1,
            Addition::Known => report.known += 1,
            Addition::OtherKind if item.is_synthetic() => {
                report.refuse(line, LineError::KnownAsReal);
            }
            Addition::OtherKind => report.refuse(line, LineError::KnownAsSynthetic),
            Addition::OtherContent { field } => {
                report.refuse(line, LineError::OtherContent { field });
            }
            Addition::Erased => report.refuse(line, LineError::Erased),
        }
    }
    metrics::counter!("insitu_agent_items_imported_total").increment(report.added - before);
    Ok(())
}

impl Report {
    fn refuse(&mut self, line: u64, reason: LineError) {
        self.bad += 1;
        if self.bad_lines.len() < BAD_LINES_MAX {
            self.bad_lines.push(BadLine { file: None, line, reason });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Holdout, Images};
    use crate::item::{CleanItem, Value};
    use crate::store::items::Stage;
    use crate::store::tests::{Scratch, scratch};
    use crate::testing;

    fn source() -> Source {
        Source {
            name: "heart".parse().unwrap(),
            id: "id".to_owned(),
            subject: Some("patient".to_owned()),
            holdout: Some(Holdout { column: "split".to_owned(), value: "test".to_owned() }),
            holdout_share: 0.1,
            redaction: None,
            images: Images::default(),
            personal: false,
            acceptance: None,
            review: None,
            label_studio: None,
            watch: None,
        }
    }

    fn project(scratch: &Scratch) -> ProjectRow {
        let project = testing::project();
        scratch
            .store
            .tx("test", |tx| {
                tx.put_project(&project, 0)?;
                tx.project(&project.name)
            })
            .unwrap()
            .unwrap()
    }

    fn run(scratch: &Scratch, format: Format, text: &str) -> Report {
        run_as(scratch, None, format, text)
    }

    fn run_as(scratch: &Scratch, generator: Option<&str>, format: Format, text: &str) -> Report {
        let project = project(scratch);
        let made = generator.map(|generator| Made { generator, label: Some("made") });
        import(&scratch.store, &project, &source(), made, format, text.as_bytes()).unwrap()
    }

    fn bad(report: &Report) -> Vec<(u64, String)> {
        report.bad_lines.iter().map(|bad| (bad.line, bad.reason.to_string())).collect()
    }

    #[test]
    fn csv_is_imported_and_bad_lines_are_reported() {
        let scratch = scratch();
        let text = "\u{feff}id,patient,age,sex,note,extra,split\r\n\
            1,p1,63,male,\"fell, \"\"twice\"\"\nat home\",x,train\n\
            2,p2,old,male,,x,train\n\
            3,p3,41\n\
            ,p4,41,male,,x,train\n\
            5,,41,male,,x,train\n\
            6,p6,,,ok,x,test\n\
            7,p7,1,a\"b,,x,\n";
        let report = run(&scratch, Format::Csv, text);
        assert_eq!((report.read, report.added, report.known, report.bad), (7, 2, 0, 5));
        assert_eq!(
            bad(&report),
            [
                (4, "field \"age\" is not a number".to_owned()),
                (5, "3 columns where the header has 7".to_owned()),
                (6, "no value in column \"id\", which identifies the item".to_owned()),
                (7, "no value in column \"patient\", which identifies the subject".to_owned()),
                (9, "a quotation mark out of place".to_owned()),
            ]
        );
        let items =
            scratch.store.read("test", |tx| tx.items_in_stage(1, Stage::New, 0, 10)).unwrap();
        assert_eq!(items.iter().map(|item| item.holdout).collect::<Vec<_>>(), [false, true]);
        let clean = CleanItem::redact(
            &items[0],
            &testing::project(),
            |dirty, text| {
                let told = if dirty.is_text { format!("<{text}>") } else { text.to_owned() };
                Ok::<_, StoreError>(Some(told))
            },
            |_| Ok(()),
        )
        .unwrap();
        assert_eq!(clean.value("age"), Some(&Value::Number(63.0)));
        assert_eq!(clean.value("sex"), Some(&Value::Text("male".to_owned())));
        assert_eq!(
            clean.value("note"),
            Some(&Value::Text("<fell, \"twice\"\nat home>".to_owned()))
        );
        assert_eq!(clean.value("extra"), None);
        assert_eq!(clean.value("split"), None);
    }

    #[test]
    fn importing_again_changes_nothing() {
        let scratch = scratch();
        let text = "id;patient;age\n1;p1;63\n2;p2;4\n2;p2;4\n";
        let first = run(&scratch, Format::Csv, text);
        assert_eq!((first.added, first.known), (2, 1));
        let again = run(&scratch, Format::Csv, text);
        assert_eq!((again.added, again.known, again.bad), (0, 3, 0));
        let other = run(&scratch, Format::Csv, "id;patient;age\n1;p1;63\n2;p2;5\n");
        assert_eq!((other.added, other.known, other.bad), (0, 1, 1));
        assert_eq!(other.bad_lines[0].line, 3);
        let field = "age".to_owned();
        assert_eq!(other.bad_lines[0].reason, LineError::OtherContent { field });
    }

    #[test]
    fn a_synthetic_item_is_made_for_a_class_of_the_project() {
        let scratch = scratch();
        let text = "id,patient,age,made\n1,p,50,present\n2,p,51,\n3,p,52,eggs\n";
        let report = run_as(&scratch, Some("g"), Format::Csv, text);
        assert_eq!(report.added, 2);
        let reason = "column \"made\" names none of the project's classes".to_owned();
        assert_eq!(bad(&report), [(4, reason)]);
        // Of a real item the column means nothing.
        assert_eq!(run(&scratch, Format::Csv, "id,patient,age,made\n9,q,50,eggs\n").added, 1);
        let items =
            scratch.store.read("test", |tx| tx.items_in_stage(1, Stage::New, 0, 10)).unwrap();
        let made: Vec<_> = items.iter().map(|item| (item.synthetic, item.made_for)).collect();
        assert_eq!(made, [(true, Some(1)), (true, None), (false, None)]);
    }

    #[test]
    fn a_real_item_never_becomes_synthetic_nor_the_reverse() {
        let scratch = scratch();
        let real = "id,patient,age\n1,p1,63\n2,p2,4\n";
        let made = "id,patient,age\n3,s1,63\n2,s2,4\n4,s3,x\n";
        assert_eq!(run(&scratch, Format::Csv, real).added, 2);
        let report = run_as(&scratch, Some("model a"), Format::Csv, made);
        assert_eq!((report.added, report.known, report.bad), (1, 0, 2));
        let kept = "a real item has this id, and never becomes a synthetic one".to_owned();
        assert_eq!(bad(&report), [(3, kept), (4, "field \"age\" is not a number".to_owned())]);
        // Again, by another generator: the same item.
        assert_eq!(run_as(&scratch, Some(""), Format::Csv, "id,patient\n3,s1\n").known, 1);
        let report = run(&scratch, Format::Csv, "id,patient\n3,p3\n");
        let kept = "a synthetic item has this id, and never becomes a real one".to_owned();
        assert_eq!((report.added, bad(&report)), (0, vec![(2, kept)]));
        let kinds: Vec<bool> = scratch
            .store
            .read("test", |tx| tx.items_in_stage(1, Stage::New, 0, 10))
            .unwrap()
            .iter()
            .map(|item| item.synthetic)
            .collect();
        assert_eq!(kinds, [false, false, true]);
    }

    #[test]
    fn json_lines_are_imported_and_bad_lines_are_reported() {
        let scratch = scratch();
        let text = "{\"id\": 1, \"patient\": \"p1\", \"age\": 63, \"sex\": null}\n\
            \n\
            [1]\n\
            {\"id\": 2, \"patient\": \"p2\", \"age\": \"44\", \"note\": {\"a\": 1}}\n\
            {\"id\": 3, \"patient\": \"p3\", \"age\": \"44\", \"other\": [1]}\n\
            {\"id\": 4,";
        let report = run(&scratch, Format::JsonLines, text);
        assert_eq!((report.read, report.added, report.bad), (5, 2, 3));
        assert_eq!(
            bad(&report),
            [
                (3, "not a JSON object".to_owned()),
                (4, "field \"note\" holds a list or an object".to_owned()),
                (6, "not a JSON object".to_owned()),
            ]
        );
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over() {
        let scratch = scratch();
        let text = format!(
            "id,patient,note\n1,p1,{}\n2,p2,ok\n3,p3,\"open {}\n4,p4,ok\n",
            "x".repeat(LINE_BYTES_MAX),
            "y".repeat(100)
        );
        let report = run(&scratch, Format::Csv, &text);
        assert_eq!((report.added, report.bad), (2, 2));
        assert_eq!(
            bad(&report),
            [
                (2, format!("longer than {LINE_BYTES_MAX} bytes")),
                (4, "a quotation mark out of place".to_owned())
            ]
        );
    }

    #[test]
    fn a_header_without_the_identifier_is_refused() {
        let scratch = scratch();
        let project = project(&scratch);
        let failed =
            import(&scratch.store, &project, &source(), None, Format::Csv, &b"a,b\n1,2\n"[..]);
        assert!(matches!(failed, Err(ImportError::NoColumn { what: "item", .. })));
    }

    #[test]
    fn many_items_cross_batches() {
        let scratch = scratch();
        let rows: String = (0..1203).map(|i| format!("{i},p{i},{i}\n")).collect();
        let report = run(&scratch, Format::Csv, &format!("id,patient,age\n{rows}"));
        assert_eq!((report.read, report.added), (1203, 1203));
    }
}
