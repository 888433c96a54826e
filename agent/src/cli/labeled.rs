//! `import` of files with labels: items, and first readings by a named person.

use std::io::Write as _;
use std::{io, path::Path};

use insitu_daemon::exit;
use insitu_protocol::project::Task;
use serde_json::json;

use super::arguments::ImportArguments;
use super::work::{file, folder, open};
use super::{Context, Failure, Outcome, print_json};
use crate::config::Source;
use crate::edge::EdgeError;
use crate::import::{self, BadRecord, LABEL_COLUMN, LabelsError, Report, Request};
use crate::pipeline::redactors::{Redactors, names_model};
use crate::review::ReviewError;
use crate::source::labeled::{Bad, Drafts, Format, Origin};
use crate::store::orders::ProjectRow;

/// Imports files with labels, which become first readings of `--reader`; without it, they are left
/// where they are and counted. Their predictions become drafts, with `--drafts`. `format` is that of a file.
pub(super) fn import(
    context: &Context,
    project: &ProjectRow,
    rules: &Source,
    format: impl Fn(&Path) -> Format,
    arguments: &ImportArguments,
) -> Outcome {
    let reader = arguments.reader.as_deref().map(|name| person(context, name)).transpose()?;
    let label = arguments.label.as_ref().map_or(LABEL_COLUMN, |column| column.as_str());
    // Only items with spans are redacted at once.
    let names = match &project.definition.task {
        Task::Spans { .. } => names_model(&context.config.inference),
        Task::Class
        | Task::Classes
        | Task::Regions { .. }
        | Task::Segments { .. }
        | Task::Preference { .. } => Ok(None),
    };
    let names = names.map_err(|error| Failure::configuration(&error))?;
    let mut redactors = Redactors::of_config(&context.config).with_names(names);
    let drafts = arguments.drafts.as_ref().map(|model| Drafts {
        model: model.as_str(),
        labels: arguments.labels_are_drafts,
        results: arguments.results.as_deref(),
    });
    let mut reports = Vec::new();
    for path in &arguments.paths {
        let request = Request {
            project,
            rules,
            format: format(path),
            folder: folder(path),
            label,
            drafts,
            reader,
            now: context.now(),
        };
        let mut stream;
        let origin = if request.format == Format::Parquet && path != Path::new("-") {
            Origin::Table(file(path)?)
        } else if path.is_dir() {
            Origin::Folder(path)
        } else {
            stream = open(path)?;
            Origin::File(&mut stream)
        };
        let (report, done) = import::import(&context.store, &mut redactors, &request, origin);
        // Also of what stopped: so much is imported.
        if !arguments.json {
            tell(path, &report)?;
        }
        done.map_err(|error| failed(error).of(path))?;
        reports.push((path, report));
    }
    if arguments.json {
        let shown = |(path, report): &(&std::path::PathBuf, Report)| {
            let bad = |BadRecord { record, bad }: &BadRecord| {
                let Bad { file, line, reason } = bad;
                json!({"file": file, "line": line, "record": record, "reason": reason.to_string()})
            };
            json!({
                "file": path.display().to_string(), "read": report.read, "added": report.added,
                "known": report.known, "readings": report.readings, "drafts": report.drafts,
                "labels_left": report.labels_left, "bad": report.bad,
                "bad_lines": report.bad_lines.iter().map(bad).collect::<Vec<_>>(),
            })
        };
        print_json(&reports.iter().map(shown).collect::<Vec<_>>())?;
    }
    let bad = reports.iter().any(|(_, report)| report.bad > 0);
    Ok(if bad { exit::REFUSED } else { exit::DONE })
}

fn failed(error: LabelsError) -> Failure {
    match error {
        LabelsError::Import(error) => error.into(),
        LabelsError::Labels(EdgeError::Review(ReviewError::Store(error))) => error.into(),
        LabelsError::Labels(error) => Failure::refused(&error),
        LabelsError::Redaction => Failure::refused(&error),
    }
}

fn tell(path: &Path, report: &Report) -> io::Result<()> {
    for it in &report.bad_lines {
        let Bad { file, reason, .. } = &it.bad;
        let path = file.as_ref().map_or_else(|| path.to_owned(), |file| path.join(file));
        writeln!(io::stderr(), "{}:{}: {reason}", path.display(), it.place())?;
    }
    let path = path.display();
    let listed = u64::try_from(report.bad_lines.len()).unwrap_or(u64::MAX);
    if report.bad > listed {
        writeln!(io::stderr(), "{path}: {} more bad records", report.bad - listed)?;
    }
    let Report { read, added, known, readings, drafts, labels_left, bad, .. } = report;
    writeln!(
        io::stdout(),
        "{path}: {read} read, {added} added, {known} known before, {readings} first readings, {bad} bad"
    )?;
    if *drafts > 0 {
        writeln!(io::stdout(), "{path}: {drafts} drafts are kept for people to correct")?;
    }
    if *labels_left > 0 {
        writeln!(
            io::stdout(),
            "{path}: {labels_left} labels were left: name whose they are (--reader)"
        )?;
    }
    Ok(())
}

fn person(context: &Context, name: &str) -> Result<i64, Failure> {
    let named = context.store.read("people", |tx| tx.person_named(name))?;
    let labels = named.filter(|person| person.role.labels());
    labels.map(|person| person.person).ok_or_else(|| {
        let text =
            format!("there is no person {name:?} who labels: `insitu-agent person add` makes one");
        Failure::text(exit::REFUSED, text)
    })
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
        import(context, project, &rules(project), |_| Format::Doccano, &arguments)
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
