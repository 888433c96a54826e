//! Work on files: import, prelabel.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use insitu_daemon::exit;
use insitu_models::bundle::Bundle;
use insitu_models::head::HeadKind;
use insitu_models::predict::Prediction;
use insitu_models::tokens;
use insitu_protocol::ids::Digest;
use insitu_protocol::text::Line;
use serde_json::{Map, Value, json};

use super::arguments::{Arguments, ImportArguments, PrelabelArguments};
use super::{Context, Failure, Outcome, print_json, read_config};
use crate::item::{self, CleanItem};
use crate::prelabel::{self, Model, Shelf};
use crate::source::labeled;
use crate::source::{self, BadLine, Format, LINE_BYTES_MAX, Made, Report, Rules};
use crate::store::Store;

/// Records prelabeled at once.
const BATCH_RECORDS: usize = 256;

pub(super) fn import(context: &Context, import: &ImportArguments) -> Outcome {
    let name = &import.project;
    let project = context.store.read("project", |tx| tx.project(name))?.ok_or_else(|| {
        let text = format!(
            "there is no project {name} yet: the coordinator sends it while `run` is connected \
             (see `status`)"
        );
        Failure::text(exit::REFUSED, text)
    })?;
    let rules = context.config.source(name).ok_or_else(|| {
        let text = format!("the configuration has no [[project]] named {name}");
        Failure::text(exit::CONFIGURATION, text)
    })?;
    let plain = import.format.map(labeled::Format::plain);
    if import.reader.is_some() || import.drafts.is_some() || plain == Some(None) {
        let format = |path: &Path| import.format.unwrap_or_else(|| Format::of(path).into());
        return super::labeled::import(context, &project, rules, format, import);
    }
    if import.label.is_some() && !import.synthetic {
        let text = "--label is for labels of somebody (--reader), or of synthetic items";
        return Err(Failure::text(exit::USAGE, text));
    }
    let generator = import.generator.as_ref().map_or("", Line::as_str);
    let label = import.label.as_ref().map(Line::as_str);
    let made = import.synthetic.then_some(Made { generator, label });
    let mut reports = Vec::new();
    for path in &import.paths {
        let format = plain.flatten().unwrap_or_else(|| Format::of(path));
        let rules = Rules { source: rules, made, folder: folder(path) };
        let done = if path.is_dir() {
            source::import_folder(&context.store, &project, rules)
        } else if format == Format::Parquet && path != Path::new("-") {
            source::import_table(&context.store, &project, rules, file(path)?)
        } else {
            source::import_file(&context.store, &project, rules, format, open(path)?)
        };
        let report = done.map_err(|error| Failure::from(error).of(path))?;
        if !import.json {
            tell(path, &report)?;
        }
        reports.push((path, report));
    }
    if import.json {
        print_json(&reports.iter().map(|(path, report)| shown(path, report)).collect::<Vec<_>>())?;
    }
    let bad = reports.iter().any(|(_, report)| report.bad > 0);
    Ok(if bad { exit::REFUSED } else { exit::DONE })
}

/// Where the files are that a file of items names: its own folder; stdin has none.
pub(super) fn folder(path: &Path) -> Option<&Path> {
    if path.is_dir() {
        return Some(path);
    }
    let folder = path.parent().filter(|_| path != Path::new("-"))?;
    Some(if folder == Path::new("") { Path::new(".") } else { folder })
}

fn tell(path: &Path, report: &Report) -> io::Result<()> {
    let Report { read, added, known, bad, bad_lines, too_deep } = report;
    for BadLine { file, line, reason } in bad_lines {
        match file {
            Some(file) => writeln!(io::stderr(), "{}: {reason}", path.join(file).display())?,
            None => writeln!(io::stderr(), "{}:{line}: {reason}", path.display())?,
        }
    }
    let path = path.display();
    let listed = u64::try_from(bad_lines.len()).unwrap_or(u64::MAX);
    if *bad > listed {
        writeln!(io::stderr(), "{path}: {} more bad lines", bad - listed)?;
    }
    if *too_deep > 0 {
        let reason = source::LineError::TooDeep { folders: *too_deep };
        writeln!(io::stderr(), "{path}: {reason}")?;
    }
    let summary = format!("{read} read, {added} added, {known} known before, {bad} bad");
    writeln!(io::stdout(), "{path}: {summary}")?;
    if *added == 0 && *known > 0 {
        writeln!(io::stdout(), "{path}: every item was imported before; nothing changed")?;
    }
    Ok(())
}

fn shown(path: &Path, report: &Report) -> Value {
    let lines: Vec<Value> = report
        .bad_lines
        .iter()
        .map(|BadLine { file, line, reason }| {
            json!({"file": file, "line": line, "reason": reason.to_string()})
        })
        .collect();
    json!({
        "file": path.display().to_string(), "read": report.read, "added": report.added,
        "known": report.known, "bad": report.bad, "bad_lines": lines,
        "folders_too_deep": report.too_deep,
    })
}

pub(super) fn prelabel(
    arguments: &Arguments,
    prelabel: &PrelabelArguments,
    out: &mut impl Write,
) -> Outcome {
    // A bundle's folder needs no configuration; where there is one, it names the engine.
    let library =
        if arguments.config.exists() { read_config(arguments)?.inference.library } else { None };
    let bundle = bundle(arguments, &prelabel.bundle)?;
    let engine =
        prelabel::engine(library.as_ref()).map_err(|error| Failure::configuration(&error))?;
    let mut model = Model::load(&engine, &bundle).map_err(|error| Failure::refused(&error))?;
    let mut reader = open(prelabel.file.as_deref().unwrap_or_else(|| Path::new("-")))?;
    let mut batch = Vec::with_capacity(BATCH_RECORDS);
    let (mut line, mut bad, mut text) = (0_u64, 0_u64, Vec::new());
    while let Some(fits) = source::next_line(&mut reader, &mut text)? {
        line += 1;
        if fits && text.trim_ascii().is_empty() {
            continue;
        }
        match record(fits, &text) {
            Ok(record) => batch.push(record),
            Err(reason) => {
                bad += 1;
                super::complain(&format!("line {line}: {reason}"));
            }
        }
        if batch.len() == BATCH_RECORDS {
            write_prelabels(&mut model, &mut batch, out)?;
        }
    }
    write_prelabels(&mut model, &mut batch, out)?;
    Ok(if bad > 0 { exit::REFUSED } else { exit::DONE })
}

fn bundle(arguments: &Arguments, name: &str) -> Result<Bundle, Failure> {
    let folder = PathBuf::from(name);
    if folder.is_dir() {
        return Bundle::open(&folder).map_err(|error| Failure::refused(&error));
    }
    let digest: Digest = Digest::from_hex(name).ok_or_else(|| {
        Failure::text(exit::USAGE, format!("{name} is neither a folder nor a bundle's digest"))
    })?;
    let config = read_config(arguments)?;
    let store = Store::open_witnessed(&config.data, config.witness())?;
    let row = store.read("bundle", |tx| tx.bundle(&digest))?;
    let row = row.ok_or_else(|| {
        Failure::text(exit::REFUSED, format!("this agent has no bundle {digest}"))
    })?;
    Shelf::new(&config.data).bundle(&row.order.manifest.0).map_err(|error| Failure::refused(&error))
}

fn record(fits: bool, text: &[u8]) -> Result<(Value, CleanItem), String> {
    if !fits {
        return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
    }
    let fields: Map<String, Value> =
        serde_json::from_slice(text).map_err(|_| "not a JSON object".to_owned())?;
    let id = fields.get("id").cloned().unwrap_or(Value::Null);
    let mut values = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let value = match value {
            Value::Number(number) => match number.as_f64() {
                Some(number) => item::Value::Number(number),
                None => continue,
            },
            Value::String(text) => item::Value::Text(text),
            Value::Bool(value) => item::Value::Text(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
        values.push((name, value));
    }
    Ok((id, CleanItem::from_fields(values)))
}

fn write_prelabels(
    model: &mut Model,
    batch: &mut Vec<(Value, CleanItem)>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (ids, items): (Vec<Value>, Vec<CleanItem>) = batch.drain(..).unzip();
    if model.manifest().kind == HeadKind::Tokens {
        let marked = model.marked(&items).map_err(|error| Failure::runtime(&error))?;
        for (id, (spans, confidence)) in ids.into_iter().zip(marked) {
            let span = |span: &tokens::Span| {
                json!({
                    "start": span.start, "end": span.end, "class": span.class,
                    "class_name": model.manifest().classes.get(span.class),
                })
            };
            let spans: Vec<Value> = spans.iter().map(span).collect();
            writeln!(out, "{}", json!({"id": id, "spans": spans, "confidence": confidence}))?;
        }
        return Ok(());
    }
    let predictions = model.predictions(&items).map_err(|error| Failure::runtime(&error))?;
    let several = !model.manifest().kind.is_of_one_class();
    for (id, prediction) in ids.into_iter().zip(predictions) {
        let Prediction { class, classes, confidence, probabilities, tags: _ } = prediction;
        let name = |class: &usize| model.manifest().classes.get(*class);
        let line = if several {
            let names: Vec<_> = classes.iter().map(name).collect();
            json!({
                "id": id, "classes": classes, "class_names": names, "confidence": confidence,
                "probabilities": probabilities,
            })
        } else {
            json!({
                "id": id, "class": class, "class_name": name(&class), "confidence": confidence,
                "probabilities": probabilities,
            })
        };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    Ok(Box::new(BufReader::new(file(path)?)))
}

pub(super) fn file(path: &Path) -> Result<File, Failure> {
    File::open(path)
        .map_err(|error| Failure::text(exit::REFUSED, format!("{}: {error}", path.display())))
}
