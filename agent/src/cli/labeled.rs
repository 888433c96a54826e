//! `import` of files of other labeling tools: items, and first readings by a named person.

use std::io::{BufRead, Write as _};
use std::{io, path::Path};

use insitu_daemon::exit;
use insitu_protocol::project::Project;
use serde_json::json;

use super::arguments::ImportArguments;
use super::work::open;
use super::{Context, Failure, Outcome, print_json};
use crate::config::Source;
use crate::edge::{self, Circumstances, EdgeError, Said};
use crate::source::labeled::{self, Format, Labeled};
use crate::source::{self, BAD_LINES_MAX, LineError};
use crate::store::orders::ProjectRow;

/// Records imported at once: no more than a report lists when all of them are bad.
const BATCH_RECORDS: usize = BAD_LINES_MAX;
/// Hexadecimal digits of a hash that names a reading: the same file again is the same readings.
const KEY_DIGITS: usize = 32;

/// What became of a file.
#[derive(Default)]
struct Report {
    read: u64,
    added: u64,
    known: u64,
    readings: u64,
    labels_left: u64,
    bad: Vec<(u64, String)>,
    bad_more: u64,
}

/// Imports files of labeled texts. Labels become first readings of `--reader`; without it, they are
/// left where they are and counted.
pub(super) fn import(
    context: &Context,
    project: &ProjectRow,
    rules: &Source,
    format: Format,
    arguments: &ImportArguments,
) -> Outcome {
    let reader = arguments.reader.as_deref().map(|name| person(context, name)).transpose()?;
    let mut reports = Vec::new();
    for path in &arguments.paths {
        let mut file = Importer { context, project, rules, reader, report: Report::default() };
        file.read(format, open(path)?).map_err(|failure| failure.of(path))?;
        if !arguments.json {
            tell(path, &file.report)?;
        }
        reports.push((path, file.report));
    }
    if arguments.json {
        let shown = |(path, report): &(&std::path::PathBuf, Report)| {
            let bad: Vec<_> = report
                .bad
                .iter()
                .map(|(line, reason)| json!({"line": line, "reason": reason}))
                .collect();
            json!({
                "file": path.display().to_string(), "read": report.read, "added": report.added,
                "known": report.known, "readings": report.readings,
                "labels_left": report.labels_left, "bad": bad_count(report), "bad_lines": bad,
            })
        };
        print_json(&reports.iter().map(shown).collect::<Vec<_>>())?;
    }
    let bad = reports.iter().any(|(_, report)| !report.bad.is_empty());
    Ok(if bad { exit::REFUSED } else { exit::DONE })
}

fn bad_count(report: &Report) -> u64 {
    u64::try_from(report.bad.len()).unwrap_or(u64::MAX).saturating_add(report.bad_more)
}

fn tell(path: &Path, report: &Report) -> io::Result<()> {
    let path = path.display();
    for (line, reason) in &report.bad {
        writeln!(io::stderr(), "{path}:{line}: {reason}")?;
    }
    if report.bad_more > 0 {
        writeln!(io::stderr(), "{path}: {} more bad records", report.bad_more)?;
    }
    let Report { read, added, known, readings, labels_left, .. } = report;
    let bad = bad_count(report);
    writeln!(
        io::stdout(),
        "{path}: {read} read, {added} added, {known} known before, {readings} first readings, {bad} bad"
    )?;
    if *labels_left > 0 {
        writeln!(
            io::stdout(),
            "{path}: {labels_left} labels were left: name whose they are (--reader)"
        )?;
    }
    Ok(())
}

fn person(context: &Context, name: &str) -> Result<i64, Failure> {
    let people = context.store.read("people", |tx| tx.people())?;
    let named = people.into_iter().find(|person| person.name == name && person.role.labels());
    named.map(|person| person.person).ok_or_else(|| {
        let text =
            format!("there is no person {name:?} who labels: `insitu-agent person add` makes one");
        Failure::text(exit::REFUSED, text)
    })
}

struct Importer<'a> {
    context: &'a Context,
    project: &'a ProjectRow,
    rules: &'a Source,
    reader: Option<i64>,
    report: Report,
}

impl Importer<'_> {
    fn read(&mut self, format: Format, reader: impl BufRead) -> Result<(), Failure> {
        let (definition, id) = (&self.project.definition, &self.rules.id);
        let mut batch = Vec::with_capacity(BATCH_RECORDS);
        let mut take = |record: Result<Labeled, (u64, LineError)>| {
            self.report.read += 1;
            match record.and_then(|record| known_class(definition, record)) {
                Ok(record) => batch.push(record),
                Err((line, reason)) => self.refuse(line, reason.to_string()),
            }
            if batch.len() == BATCH_RECORDS { self.add(&mut batch) } else { Ok(()) }
        };
        labeled::read(format, definition, id, reader, &mut take)?;
        self.add(&mut batch)?;
        self.report.bad.sort_unstable();
        Ok(())
    }

    fn add(&mut self, batch: &mut Vec<Labeled>) -> Result<(), Failure> {
        let mut lines = Vec::new();
        for Labeled { record, .. } in batch.iter() {
            serde_json::to_writer(&mut lines, record)
                .map_err(|error| Failure::text(exit::RUNTIME, error.to_string()))?;
            lines.push(b'\n');
        }
        let Context { store, .. } = self.context;
        let format = source::Format::JsonLines;
        let imported =
            source::import(store, self.project, self.rules, None, format, lines.as_slice())
                .map_err(|error| Failure::runtime(&error))?;
        self.report.added += imported.added;
        self.report.known += imported.known;
        let mut refused = Vec::new();
        for bad in imported.bad_lines {
            let at = usize::try_from(bad.line).unwrap_or(usize::MAX).saturating_sub(1);
            if let Some(record) = batch.get(at) {
                self.refuse(record.line, bad.reason.to_string());
                refused.push(record.line);
            }
        }
        for record in batch.drain(..).filter(|record| !refused.contains(&record.line)) {
            self.say(record)?;
        }
        Ok(())
    }

    /// Keeps a record's label as what the reader said; it waits until the item has a draft.
    fn say(&mut self, record: Labeled) -> Result<(), Failure> {
        let Some(label) = record.label else { return Ok(()) };
        let Some(reader) = self.reader else {
            self.report.labels_left += 1;
            return Ok(());
        };
        let Some(id) = source::id(&record.record, self.rules) else { return Ok(()) };
        let hash = {
            let project = self.project.definition.name.as_str();
            blake3::hash([project, id.as_str(), label.as_str()].join("\0").as_bytes()).to_hex()
        };
        let said = Said {
            key: format!("import-{}", &hash[..KEY_DIGITS]),
            label: label.into(),
            at: None,
            seconds: 0.0,
            context: Circumstances::default(),
        };
        let Context { store, .. } = self.context;
        match edge::correct(store, reader, self.project, &id, &said, self.context.now()) {
            Ok(_) => self.report.readings += 1,
            Err(error @ EdgeError::Full { .. }) => return Err(Failure::refused(&error)),
            Err(error) => self.refuse(record.line, error.to_string()),
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, reason: String) {
        if self.report.bad.len() < BAD_LINES_MAX {
            self.report.bad.push((line, reason));
        } else {
            self.report.bad_more += 1;
        }
    }
}

/// A record whose label, if it has one, is a class of the project.
fn known_class(project: &Project, record: Labeled) -> Result<Labeled, (u64, LineError)> {
    if record.label.as_ref().is_none_or(|name| project.class_named(name).is_some()) {
        return Ok(record);
    }
    Err((record.line, LineError::NotAClass { column: "label".to_owned() }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::arguments::{Arguments, Command};
    use super::super::testing;
    use super::*;
    use crate::store::labels::Role;
    use crate::testing as site;

    fn rules(project: &ProjectRow) -> Source {
        let text = format!("name = \"{}\"\nid = \"key\"\n", project.definition.name);
        toml::from_str(&text).unwrap()
    }

    fn run(context: &Context, project: &ProjectRow, path: &Path, more: &[&str]) -> u8 {
        let path = path.to_str().unwrap();
        let name = project.definition.name.to_string();
        let words = ["insitu-agent", "import", path, "--project", &name, "--format", "doccano"];
        let words = words.into_iter().chain(more.iter().copied());
        let Command::Import(arguments) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("not an import");
        };
        import(context, project, &rules(project), Format::Doccano, &arguments)
            .unwrap_or_else(|failure| failure.code)
    }

    #[test]
    fn labels_of_another_tool_become_first_readings_once() {
        let (folder, context, project) = testing::context(0);
        let class = project.definition.classes[1].name.to_string();
        let lines = format!(
            "{{\"id\": 1, \"text\": \"a\", \"label\": [\"{class}\"]}}\n\
             {{\"id\": 2, \"text\": \"b\", \"label\": []}}\n\
             {{\"id\": 3, \"text\": \"c\", \"label\": [\"no such class\"]}}\n"
        );
        let path = folder.path().join("export.jsonl");
        std::fs::write(&path, lines).unwrap();
        let counts = || {
            let read = |tx: &crate::store::Tx<'_>| {
                let counts: u64 = tx.stage_counts(project.project)?.iter().sum();
                Ok::<_, crate::store::StoreError>((counts, tx.waiting_corrections()?))
            };
            context.store.read("test", read).unwrap()
        };
        assert_eq!(run(&context, &project, &path, &["--reader", "ann"]), exit::REFUSED);
        assert_eq!(counts(), (0, 0), "there is no ann");
        assert_eq!(run(&context, &project, &path, &[]), exit::REFUSED, "one is bad");
        assert_eq!(counts(), (2, 0));
        site::person(&context.store, "ann", Role::Annotator);
        for _ in 0..2 {
            assert_eq!(run(&context, &project, &path, &["--reader", "ann"]), exit::REFUSED);
            assert_eq!(counts(), (2, 1));
        }
    }
}
