//! `gold`: items with a known answer, by which readers are measured.

use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use insitu_daemon::exit;
use insitu_protocol::ids::ProjectName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Context, Failure, Outcome, print_json, project};
use crate::review::{GoldError, add_gold, gold_scores};
use crate::source::LINE_BYTES_MAX;
use crate::source::labeled::Said;
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, What};

/// Share of new cards beside which a gold item is put, unless it is given.
const SHARE: f64 = 0.05;
/// The largest: people are here to label.
const SHARE_MAX: f64 = 0.5;

#[derive(Debug, Subcommand)]
pub(super) enum GoldCommand {
    /// Make imported items gold: people are asked them blind, and measured by what they say
    Add(AddArguments),
    /// How many there are, and how people answered
    Show {
        /// The project
        #[arg(long)]
        project: ProjectName,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each line of the file: {\"id\": \"p-17\", \"label\": \"present\"}, with the id that the item was imported with.
A label that is not one class is written as exports write it, spans by their places in the redacted text;
it is answered right by what two readers would agree on. Where nothing else is read blind, gold would be
known for it: as large a share of ordinary first readings is blind, too.
A gold item is in no other queue, and what people say of it is no label and is counted in no window.")]
pub(super) struct AddArguments {
    /// JSON lines of ids and labels
    file: PathBuf,
    /// The project
    #[arg(long)]
    project: ProjectName,
    /// Share of new cards beside which one is put
    #[arg(long, default_value_t = SHARE)]
    share: f64,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    id: String,
    label: Value,
}

pub(super) fn gold(context: &Context, command: &GoldCommand) -> Outcome {
    match command {
        GoldCommand::Add(arguments) => add(context, arguments),
        GoldCommand::Show { project, json } => show(context, project, *json),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the share is in [0, SHARE_MAX]"
)]
fn add(context: &Context, arguments: &AddArguments) -> Outcome {
    let project = project(context, &arguments.project)?;
    if !(0.0..=SHARE_MAX).contains(&arguments.share) {
        let text = format!("--share {}, allowed is 0 to {SHARE_MAX}", arguments.share);
        return Err(Failure::text(exit::USAGE, text));
    }
    let file = std::fs::File::open(&arguments.file).map_err(|error| Failure::refused(&error))?;
    let mut lines = BufReader::new(file);
    let (mut added, mut known, mut bad) = (0_u64, 0_u64, 0_u64);
    for number in 1_u64.. {
        let mut line = String::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        if lines.by_ref().take(limit).read_line(&mut line)? == 0 {
            break;
        }
        match add_line(context, &project, &line) {
            Ok(true) => added += 1,
            Ok(false) => known += 1,
            Err(LineError::Store(failure)) => return Err(failure),
            Err(LineError::Bad(reason)) => {
                bad += 1;
                writeln!(io::stderr(), "{}:{number}: {reason}", arguments.file.display())?;
            }
        }
    }
    let milli = (arguments.share * 1000.0).round() as u16;
    context.store.tx("gold share", |tx| {
        tx.set_gold_share(project.project, milli)?;
        let changed = Event::new(What::Settings).of(project.definition.name.as_str());
        tx.note(&changed.with(json!({"gold_share_milli": milli})))
    })?;
    if arguments.json {
        print_json(&json!({"added": added, "known": known, "bad": bad}))?;
    } else {
        writeln!(io::stdout(), "{added} gold items added, {known} known before, {bad} bad lines")?;
    }
    Ok(if bad > 0 { exit::REFUSED } else { exit::DONE })
}

/// Why a line makes nothing gold.
enum LineError {
    /// What is wrong with it, without what it holds.
    Bad(String),
    /// Nothing is known of it.
    Store(Failure),
}

fn add_line(context: &Context, project: &ProjectRow, line: &str) -> Result<bool, LineError> {
    let bad = |reason: &str| LineError::Bad(reason.to_owned());
    let answer: Answer = serde_json::from_str(line)
        .map_err(|_| bad("not an object of an \"id\" and a \"label\""))?;
    let label = Said::Own(answer.label).label(&project.definition);
    let label = label.map_err(|error| bad(&error.to_string()))?;
    let label = label.ok_or_else(|| bad("the label says nothing"))?;
    let added =
        context.store.tx("add gold", |tx| add_gold(tx, project, &answer.id, &label, context.now()));
    added.map_err(|error| match error {
        GoldError::Store(_) => LineError::Store(Failure::runtime(&error)),
        GoldError::UnknownItem | GoldError::Synthetic | GoldError::Label(_) | GoldError::Full => {
            LineError::Bad(error.to_string())
        }
    })
}

fn show(context: &Context, name: &ProjectName, json: bool) -> Outcome {
    let project = project(context, name)?;
    let scores = gold_scores(&context.store, project.project)?;
    let (items, share, people) = context.store.read("gold", |tx| {
        let items = tx.gold_items(project.project)?;
        Ok::<_, crate::store::StoreError>((
            items,
            f64::from(tx.gold_share(project.project)?) / 1000.0,
            tx.people()?,
        ))
    })?;
    let scored: Vec<_> = people
        .iter()
        .filter_map(|person| Some((&person.name, scores.get(&person.person)?)))
        .collect();
    if json {
        let scored: Vec<_> = scored
            .iter()
            .map(|(name, (answered, right))| {
                json!({"name": name, "answered": answered, "right": right})
            })
            .collect();
        print_json(&json!({"items": items, "share": share, "people": scored}))?;
        return Ok(exit::DONE);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{items} gold items, one beside {share} of new cards")?;
    for (name, (answered, right)) in scored {
        writeln!(out, "{name}: {right} right of {answered}")?;
    }
    Ok(exit::DONE)
}
