//! `audit log`: who saw, said, decided, exported and erased what, and whether the record is whole.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use insitu_daemon::exit;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Context, Failure, Outcome, print_json, when};
use crate::store::StoreError;
use crate::store::trail::{EventRow, Filter, What};
use crate::trail::{self, TrailError, Verification};

/// Rows read at once.
const STEP: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Print its rows, oldest first
    List(ListArguments),
    /// Recompute the chain of hashes and check the signatures; exit code 1 when anything is wrong
    Verify(VerifyArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Items are named as the review page's addresses name them, subjects by a keyed hash: no row holds
content or a label. Names of what was done: started, stopped, settings, imported, seen, labeled,
adjudicated, skipped, flagged, undone, gold, approved, declined, exported, revealed, quarantine,
person-added, person-changed, person-removed, signed-in, signed-out, sign-in-refused, erased,
allowed, reported, cut.")]
pub(super) struct ListArguments {
    /// Not before this time, or day (UTC): 2026-11-22T08:00:00Z, 2026-11-22
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<i64>,
    /// Before this time, or day
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<i64>,
    /// By this person, this operator's account, or everybody of this role
    #[arg(long)]
    who: Option<String>,
    /// Only this
    #[arg(long, value_parser = |name: &str| What::named(name).ok_or("nothing in the log has this name"))]
    what: Option<What>,
    /// For programs: an object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The agent signs the log's end every hour, every 1024 rows and when it stops, and copies each signature
to a file in the folder that audit.checkpoints names. A row that is signed there can neither be changed
nor removed unseen, whoever can write the store; rows after the last signature can.")]
pub(super) struct VerifyArguments {
    /// A folder of checkpoints, such as one that was kept elsewhere; else that of the configuration
    #[arg(long, value_name = "DIR")]
    checkpoints: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn log(context: &Context, command: &LogCommand) -> Outcome {
    match command {
        LogCommand::List(arguments) => list(context, arguments),
        LogCommand::Verify(arguments) => verify(context, arguments),
    }
}

/// A time, or the start of a day, as Unix seconds.
fn time(text: &str) -> Result<i64, String> {
    let day = |text: &str| text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    match (text.parse::<Timestamp>(), day(text)) {
        (Ok(time), _) => Ok(time.as_second()),
        (Err(_), Some(day)) => Ok(day.timestamp().as_second()),
        (Err(_), None) => Err("neither a time nor a day".to_owned()),
    }
}

fn list(context: &Context, arguments: &ListArguments) -> Outcome {
    let ListArguments { since, before, who, what, json } = arguments;
    let filter = Filter { since: *since, before: *before, who: who.clone(), what: *what };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut after = 0;
    loop {
        let rows = context.store.read("audit log", |tx| tx.events(&filter, after, STEP))?;
        let Some(last) = rows.last() else { break };
        after = last.sequence;
        for row in &rows {
            if *json {
                writeln!(out, "{}", shown(row))?;
            } else {
                writeln!(out, "{}", told(row))?;
            }
        }
    }
    out.flush()?;
    Ok(exit::DONE)
}

/// A row for programs.
pub(super) fn shown(row: &EventRow) -> Value {
    let detail: Value = serde_json::from_str(&row.detail).unwrap_or(Value::Null);
    json!({
        "event": row.sequence, "at": when(row.at), "role": row.role, "who": row.who,
        "what": row.what, "project": row.project, "item": row.item.map(hex::encode),
        "subject": row.subject.map(hex::encode), "detail": detail,
    })
}

/// A row for people.
pub(super) fn told(row: &EventRow) -> String {
    let mut text = format!("{}  {}  {}", row.sequence, when(row.at), row.role);
    for (name, value) in [
        ("", Some(&row.who).filter(|who| !who.is_empty()).cloned()),
        ("", Some(row.what.clone())),
        ("project ", row.project.clone()),
        ("item ", row.item.map(hex::encode)),
        ("subject ", row.subject.map(hex::encode)),
        ("", Some(row.detail.clone()).filter(|detail| !detail.is_empty())),
    ] {
        if let Some(value) = value {
            text.push_str("  ");
            text.push_str(name);
            text.push_str(&value);
        }
    }
    text
}

fn verify(context: &Context, arguments: &VerifyArguments) -> Outcome {
    let folder = arguments.checkpoints.as_deref().unwrap_or_else(|| context.config.checkpoints());
    let key =
        context.store.read("audit key", |tx| Ok::<_, StoreError>(tx.witness().public_key()))?;
    let file = trail::checkpoint_file(folder, &key);
    let named = arguments.checkpoints.is_some() || context.config.audit.checkpoints.is_some();
    // In the data folder it may not be written yet; where somebody named a folder it must be.
    let file = (named || file.exists()).then_some(file);
    let keep = context.config.audit.keep_seconds();
    let found =
        trail::verify(&context.store, file.as_deref(), keep).map_err(|error| match error {
            TrailError::Store(_) => Failure::runtime(&error),
            TrailError::Folder(_) | TrailError::File { .. } | TrailError::Line { .. } => {
                Failure::refused(&error)
            }
        })?;
    if arguments.json {
        print_json(&json!({
            "sound": found.is_sound(), "events": found.events, "first": found.first,
            "head": found.head, "signed": found.signed, "signed_at": found.signed_at.map(when),
            "checkpoints_outside": found.outside, "key": key.0,
            "problems": found.problems, "more_problems": found.more,
        }))?;
    } else {
        tell(&found)?;
    }
    Ok(if found.is_sound() { exit::DONE } else { exit::REFUSED })
}

fn tell(found: &Verification) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for problem in &found.problems {
        writeln!(out, "{problem}")?;
    }
    if found.more > 0 {
        writeln!(out, "and {} problems more", found.more)?;
    }
    let last = (found.first + found.events).saturating_sub(1);
    let word = if found.is_sound() { "in order" } else { "NOT in order" };
    writeln!(out, "{} events, rows {} to {last}: {word}", found.events, found.first)?;
    if found.first > 1 {
        writeln!(out, "the rows before {} were cut off, up to a signed one", found.first)?;
    }
    let signed = found.signed_at.map_or_else(|| "never".to_owned(), when);
    let rest = last.saturating_sub(found.signed);
    writeln!(out, "signed up to row {} ({signed}); {rest} rows since", found.signed)?;
    writeln!(out, "checkpoints apart from the store: {}", found.outside)
}
