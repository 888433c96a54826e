//! `audit report`: one item's whole life, or that of everything of a subject.

use std::io::{self, BufWriter, Write};

use clap::{ArgGroup, Args};
use insitu_daemon::exit;
use insitu_protocol::ids::ProjectName;
use serde_json::{Value, json};

use super::audit_log::{shown, told};
use super::erase::given;
use super::{Context, Failure, Outcome, print_json, project, when};
use crate::store::StoreError;
use crate::store::erasure::EVERY_PROJECT;
use crate::store::trail::{Event, EventRow, What};
use crate::trail::report::{EVENTS_MAX, Life, life};

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("about").required(true),
    after_help = "\
Examples:
  insitu-agent audit report --project heart-disease --id 4711
  insitu-agent audit report --subject p-17 --json

Who imported it, whose draft it has, who was given it and when, who said what, its label of record, the
statistics window and the releases that its labels are part of, the snapshots that hold it, and every row
of the audit log about it. No content. Of what was erased, what the log still has. That the report was
made is noted in the log."
)]
pub(super) struct ReportArguments {
    /// Only in this project; needed for --id
    #[arg(long)]
    project: Option<ProjectName>,
    /// The site's own id of a subject; - is a line of standard input
    #[arg(long, group = "about")]
    subject: Option<String>,
    /// The site's own id of one item; - is a line of standard input
    #[arg(long, group = "about", requires = "project")]
    id: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What is reported.
struct Report {
    lives: Vec<Life>,
    /// About the subject as a whole.
    events: Vec<EventRow>,
    /// It is kept from being imported.
    barred: bool,
}

pub(super) fn report(context: &Context, arguments: &ReportArguments) -> Outcome {
    let named = arguments.project.as_ref().map(|name| project(context, name)).transpose()?;
    let subject = arguments.subject.as_deref().map(given).transpose()?;
    let id = arguments.id.as_deref().map(given).transpose()?;
    let found = context.store.tx("audit report", |tx| {
        let (mut lives, mut events) = (Vec::new(), Vec::new());
        let mut reported = Event::new(What::Reported);
        let mut barred = false;
        let keys = if let Some(subject) = &subject {
            let hash = tx.subject_hash(subject)?;
            let within = named.as_ref().map_or(EVERY_PROJECT, |row| row.project);
            events = tx.events_of_subject(&hash, EVENTS_MAX)?;
            barred = tx.is_barred(within, &hash, &hash)?;
            reported = reported.about(hash);
            let items = tx.items_of_subject(&hash, within)?;
            items.iter().map(|item| (item.item, item.project)).collect()
        } else if let (Some(id), Some(row)) = (&id, &named) {
            let source = tx.source_hash(row.definition.name.as_str(), id);
            barred = tx.is_barred(row.project, &source, &source)?;
            let item = tx.item_of_source(row.project, &source)?;
            item.map(|item| (item, row.project)).into_iter().collect()
        } else {
            Vec::new()
        };
        for (item, project) in keys {
            let missing = StoreError::Corrupt { table: "items", column: "project" };
            let project = tx.project_by_key(project)?.ok_or(missing)?;
            lives.extend(life(tx, &project, item)?);
        }
        tx.note(&reported.with(json!({"items": lives.len()})))?;
        Ok::<_, StoreError>(Report { lives, events, barred })
    })?;
    if found.lives.is_empty() && found.events.is_empty() && !found.barred {
        return Err(Failure::text(exit::REFUSED, "nothing is known of it at this site"));
    }
    if arguments.json {
        let lives: Vec<Value> = found.lives.iter().map(life_json).collect();
        let events: Vec<Value> = found.events.iter().map(shown).collect();
        print_json(&json!({"items": lives, "events": events, "erased": found.barred}))?;
    } else {
        tell(&found)?;
    }
    Ok(exit::DONE)
}

fn life_json(life: &Life) -> Value {
    let mut value = json!(life);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("imported".to_owned(), life.imported.as_ref().map_or(Value::Null, shown));
        fields.insert("events".to_owned(), life.events.iter().map(shown).collect());
    }
    value
}

fn tell(found: &Report) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for life in &found.lives {
        tell_life(&mut out, life)?;
    }
    if found.barred {
        writeln!(out, "erased, and kept from being imported again")?;
    }
    for event in &found.events {
        writeln!(out, "{}", told(event))?;
    }
    out.flush()
}

fn tell_life(out: &mut impl Write, life: &Life) -> io::Result<()> {
    writeln!(out, "item {} of {}: {}", life.item, life.project, life.state)?;
    match &life.imported {
        Some(event) => {
            let who = [event.role.as_str(), event.who.as_str()].join(" ");
            writeln!(out, "  imported {} by {}", when(event.at), who.trim_end())?;
        }
        None => writeln!(out, "  imported before the log begins")?,
    }
    if life.synthetic {
        writeln!(out, "  synthetic: it counts nowhere")?;
    }
    if life.holdout {
        writeln!(out, "  held out: never learned from")?;
    }
    if let Some(draft) = &life.draft {
        let (label, maker) = (&draft.label, draft.maker);
        write!(out, "  draft {label} at {:.3} by {maker}", draft.confidence)?;
        match &draft.model {
            Some(model) => writeln!(out, ", imported as {model}")?,
            None => writeln!(out)?,
        }
    }
    for said in &life.said {
        let label = said.label.as_ref().map_or_else(String::new, |label| format!(" {label}"));
        write!(
            out,
            "  {} {} ({}), {} reading: ",
            when(said.at),
            said.who,
            said.role,
            said.reading
        )?;
        write!(out, "{}{label}", said.verdict)?;
        if let Some(comment) = &said.comment {
            write!(out, "; {comment:?}")?;
        }
        writeln!(out)?;
    }
    if let Some(record) = &life.record {
        writeln!(out, "  label of record {record}")?;
    }
    if let Some(counted) = &life.counted {
        let releases: Vec<String> =
            counted.releases.iter().map(|(place, kind)| format!("{place} ({kind})")).collect();
        let window = counted.window;
        writeln!(
            out,
            "  part of statistics window {window}; its releases: {}",
            releases.join(", ")
        )?;
    }
    for held in &life.snapshots {
        writeln!(out, "  in snapshot {} of {}: {}", held.snapshot, when(held.at), held.folder)?;
    }
    for event in &life.events {
        writeln!(out, "  {}", told(event))?;
    }
    writeln!(out)
}
