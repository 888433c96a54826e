//! `insitu-agent export`: labels as a signed dataset snapshot, and the check of one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use insitu_daemon::exit;
use insitu_models::sign::PublicKey;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::ProjectName;
use serde_json::json;

use super::{Context, Failure, Outcome, print_json, project};
use crate::export::{self, ExportError, Format, Request};
use crate::source;
use crate::trail;

/// Items between two signs of progress.
const PROGRESS_ITEMS: u64 = 5_000;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  insitu-agent export --project heart-disease --format csv --out labels-2026-11 --ids patients.csv
  insitu-agent export verify labels-2026-11

A snapshot is a folder of records, the provenance of each label, Croissant metadata, and a signed
list of their hashes. The same labels give the same bytes. It holds redacted items: it is for this
site's own use, and nothing sends it anywhere.

Where labels are about images or series, all formats but csv and jsonl have files of them beside the
records; only images that the site shows as they are can be among them."
)]
pub(super) struct ExportArguments {
    #[command(subcommand)]
    command: Option<ExportCommand>,
    #[command(flatten)]
    export: Option<NewExport>,
}

#[derive(Debug, Subcommand)]
enum ExportCommand {
    /// Check a snapshot's files against its signature; exit code 1 when a byte has changed
    Verify {
        /// The snapshot's folder
        folder: PathBuf,
        /// The key that must have signed it, in hexadecimal digits; else any
        #[arg(long)]
        key: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct NewExport {
    /// The project
    #[arg(long)]
    project: ProjectName,
    /// Of the records
    #[arg(long, value_enum)]
    format: Format,
    /// A new folder
    #[arg(long)]
    out: PathBuf,
    /// A file that was imported: its ids go into the records (the store keeps only hashes of them)
    #[arg(long)]
    ids: Option<PathBuf>,
    /// Leave out labels that only the model gave
    #[arg(long)]
    people_only: bool,
    /// Also items without a label
    #[arg(long)]
    unlabeled: bool,
    /// Synthetic items instead of real ones
    #[arg(long)]
    synthetic: bool,
    /// Name people in the provenance; else they are numbers
    #[arg(long)]
    names: bool,
    /// The licence of the data, as a URL
    #[arg(long)]
    license: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// Runs the command; `context` opens the store, which checking a snapshot does not need.
pub(super) fn export(
    context: impl FnOnce() -> Result<Context, Failure>,
    arguments: &ExportArguments,
) -> Outcome {
    match (&arguments.command, &arguments.export) {
        (Some(ExportCommand::Verify { folder, key, json }), _) => {
            verify(folder, key.as_deref(), *json)
        }
        (None, Some(new)) => write(&context()?, new),
        (None, None) => {
            Err(Failure::text(exit::USAGE, "say what to export, or `export verify FOLDER`"))
        }
    }
}

fn write(context: &Context, new: &NewExport) -> Outcome {
    let project = project(context, &new.project)?;
    let ids = match &new.ids {
        Some(path) => {
            let rules = context.config.source(&new.project).ok_or_else(|| {
                let text = format!("the configuration has no [[project]] named {}", new.project);
                Failure::text(exit::CONFIGURATION, text)
            })?;
            let file = File::open(path).map_err(|error| {
                Failure::text(exit::REFUSED, format!("{}: {error}", path.display()))
            })?;
            let format = source::Format::of(path);
            export::own_ids(&context.store, &project, rules, format, BufReader::new(file))
                .map_err(|error| failed(&error))?
        }
        None => HashMap::new(),
    };
    let request = Request {
        project: &project,
        format: new.format,
        out: &new.out,
        unlabeled: new.unlabeled,
        people_only: new.people_only,
        synthetic: new.synthetic,
        names: new.names,
        license: new.license.as_deref(),
        ids: &ids,
    };
    let exported = export::export(&context.store, &request, progress(io::stderr().is_terminal()))
        .map_err(|error| failed(&error))?;
    trail::sign(&context.store, context.config.checkpoints())
        .map_err(|error| Failure::runtime(&error))?;
    let counts = exported.counts;
    if new.json {
        print_json(&json!({
            "snapshot": exported.snapshot, "folder": new.out.display().to_string(),
            "counts": counts, "own_ids": ids.len(),
        }))?;
        return Ok(exit::DONE);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "snapshot {}", exported.snapshot)?;
    writeln!(
        out,
        "{}: {} records; {} labeled by people, {} by the model alone, {} without a label",
        new.out.display(),
        counts.records,
        counts.people,
        counts.model,
        counts.unlabeled
    )?;
    if new.ids.is_some() {
        writeln!(out, "{} of the file's ids are items of the project", ids.len())?;
    }
    if counts.records == 0 {
        writeln!(out, "nobody has labeled anything yet: --unlabeled exports all items")?;
    }
    Ok(exit::DONE)
}

/// Says on a terminal how far it is.
fn progress(terminal: bool) -> impl FnMut(u64) {
    let mut next = PROGRESS_ITEMS;
    move |read| {
        if terminal && read >= next {
            next = read + PROGRESS_ITEMS;
            // A closed stderr has nobody to be told.
            drop(write!(io::stderr(), "\r{read} items"));
        }
    }
}

fn failed(error: &ExportError) -> Failure {
    match error {
        ExportError::Store(_) | ExportError::Write(_) | ExportError::Folder(_) => {
            Failure::runtime(error)
        }
        ExportError::Kind { .. }
        | ExportError::Erased
        | ExportError::Unlabeled { .. }
        | ExportError::Overlap { .. }
        | ExportError::Exists { .. }
        | ExportError::Ids(_)
        | ExportError::TooManyIds => Failure::refused(error),
    }
}

fn verify(folder: &Path, key: Option<&str>, json: bool) -> Outcome {
    let key = key
        .map(|text| {
            Fixed::from_hex(text).map(PublicKey).ok_or_else(|| {
                Failure::text(exit::USAGE, "--key takes the 64 hexadecimal digits of a key")
            })
        })
        .transpose()?;
    let found = export::verify(folder, key)
        .map_err(|error| Failure::text(exit::REFUSED, format!("{}: {error}", folder.display())))?;
    let sound = found.faults.is_empty();
    if json {
        print_json(&json!({
            "snapshot": found.snapshot, "sound": sound, "faults": found.faults,
            "project": found.said.project, "counts": found.said.counts, "key": found.said.key,
        }))?;
    } else {
        let mut out = io::stdout().lock();
        for fault in &found.faults {
            writeln!(out, "{fault}")?;
        }
        let verdict = if sound { "is as it was signed" } else { "is NOT as it was signed" };
        writeln!(out, "snapshot {} of {} {verdict}", found.snapshot, found.said.project)?;
        writeln!(out, "signed with {}", found.said.key)?;
    }
    Ok(if sound { exit::DONE } else { exit::REFUSED })
}
