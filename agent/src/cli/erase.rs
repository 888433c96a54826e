//! `erase`: a subject or an item leaves the store for good.

use std::io::{self, BufRead as _, Read as _, Write};
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use insitu_daemon::exit;
use insitu_protocol::ids::ProjectName;
use serde_json::json;

use super::vault::steward;
use super::{Context, Failure, Outcome, print_json, project};
use crate::erasure::{self, Erased, ErasureError, Target};
use crate::store::labels::Action;
use crate::trail;

/// Longest id that is read from standard input, bytes.
const ID_BYTES_MAX: u64 = 4096;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("target").required(true),
    after_help = "\
Examples:
  insitu-agent erase --subject p-17 --token-file steward.token --reason 'request of 2026-11-20'
  insitu-agent erase --project heart-disease --id 4711 --token-file steward.token

Removes what the store has of the subject's items: content, images, prelabels, labels, comments,
the originals of their surrogates, their places in queues. The audit log keeps that it was done, with keyed
hashes and counts. Importing the subject again is refused, line by line, until --allow. Heads of the site's
own that had learned from the items are dropped and fitted anew.

What the store cannot reach: the site's own files, tasks in a Label Studio, and snapshots that were exported
or are being written, which are listed. What was released stays charged: it is noise about many subjects, and
cannot be called back. Originals that `redact` kept are of no item, and stay."
)]
pub(super) struct EraseArguments {
    /// Only in this project; needed for --id
    #[arg(long)]
    project: Option<ProjectName>,
    /// The site's own id of a subject; - is a line of standard input
    #[arg(long, group = "target")]
    subject: Option<String>,
    /// The site's own id of one item; - is a line of standard input
    #[arg(long, group = "target", requires = "project")]
    id: Option<String>,
    /// Let it be imported again instead
    #[arg(long)]
    allow: bool,
    /// Why; goes into the audit log for good, so name nobody
    #[arg(long, default_value = "")]
    reason: String,
    /// The file with the steward's token
    #[arg(long)]
    token_file: PathBuf,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn erase(context: &Context, arguments: &EraseArguments) -> Outcome {
    let file = &arguments.token_file;
    let steward = steward(context, file, Action::Erase, "may not erase anybody")?;
    let project = arguments.project.as_ref().map(|name| project(context, name)).transpose()?;
    let subject = arguments.subject.as_deref().map(given).transpose()?;
    let id = arguments.id.as_deref().map(given).transpose()?;
    let target = match (&subject, &id, &project) {
        (Some(subject), _, project) => Target::Subject(subject, project.as_ref()),
        (None, Some(id), Some(project)) => Target::Item(id, project),
        (None, _, _) => {
            return Err(Failure::text(exit::USAGE, "say --subject, or --id and --project"));
        }
    };
    let (store, reason) = (&context.store, arguments.reason.as_str());
    if arguments.allow {
        let allowed = erasure::allow(store, &steward, target, reason).map_err(failed)?;
        if arguments.json {
            print_json(&json!({"allowed": allowed}))?;
        } else {
            let word =
                if allowed { "may be imported again" } else { "was not kept from being imported" };
            writeln!(io::stdout(), "it {word}")?;
        }
        return Ok(exit::DONE);
    }
    let of = (target, context.config.projects.as_slice());
    let erased = erasure::erase(store, &steward, of, reason, context.now()).map_err(failed)?;
    trail::sign(store, context.config.checkpoints()).map_err(|error| Failure::runtime(&error))?;
    if arguments.json {
        print_json(&erasure::http::shown(&erased))?;
    } else {
        tell(&erased)?;
    }
    Ok(exit::DONE)
}

/// An argument, or a line of standard input: that stays out of the list of processes.
pub(super) fn given(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut line = String::new();
    io::stdin().lock().take(ID_BYTES_MAX).read_line(&mut line)?;
    match line.trim() {
        "" => Err(Failure::text(exit::USAGE, "standard input has no id")),
        id => Ok(id.to_owned()),
    }
}

fn failed(error: ErasureError) -> Failure {
    match error {
        ErasureError::Store(_) => Failure::runtime(&error),
        ErasureError::Role { .. }
        | ErasureError::Reason { .. }
        | ErasureError::UnknownItem { .. } => Failure::refused(&error),
    }
}

fn tell(erased: &Erased) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let taken = &erased.taken;
    if erased.before {
        writeln!(out, "erased before; nothing of it has come since")?;
    } else {
        writeln!(out, "{} items erased; importing it again is refused", erased.items)?;
    }
    for (table, rows) in taken.rows.iter().filter(|(table, rows)| *rows > 0 && *table != "items") {
        writeln!(out, "  {rows} rows of {table}")?;
    }
    if taken.originals > 0 {
        writeln!(out, "  {} originals of surrogates", taken.originals)?;
    }
    if erased.waiting > 0 {
        let waiting = erased.waiting;
        writeln!(out, "  {waiting} tasks and annotations of Label Studio that were no items yet")?;
    }
    if taken.heads > 0 {
        writeln!(out, "  {} heads of the site's own, which are fitted anew", taken.heads)?;
    }
    if !taken.snapshots.is_empty() {
        writeln!(out, "snapshots that hold it, to be removed where they are:")?;
    }
    for row in &taken.snapshots {
        writeln!(out, "  {}  {}", row.snapshot, row.folder)?;
    }
    if !taken.exports.is_empty() {
        writeln!(
            out,
            "exports that are under way or were cut short, and may hold it: unless one is running, remove"
        )?;
    }
    for folder in &taken.exports {
        writeln!(out, "  {folder}")?;
    }
    if !taken.tasks.is_empty() {
        let tasks: Vec<String> = taken.tasks.iter().map(|(_, task)| task.to_string()).collect();
        writeln!(out, "its tasks in Label Studio, to be deleted there: {}", tasks.join(", "))?;
    }
    if !erased.scrubbed {
        writeln!(
            out,
            "somebody reads the store: its file is written anew once they are done, by the daemon or by this \
             command"
        )?;
    }
    Ok(())
}
