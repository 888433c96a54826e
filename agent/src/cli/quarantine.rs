//! `quarantine`: the items that could not be redacted.

use std::io::{self, Write};

use clap::Args;
use insitu_daemon::exit;
use insitu_protocol::ids::ProjectName;
use serde_json::json;

use super::{Context, Outcome, print_json, project};
use crate::store::StoreError;
use crate::store::trail::{Event, What};

#[derive(Debug, Args)]
#[command(after_help = "\
Items, and the contexts that applications tell with corrections, are shown to nobody until they are redacted.
Reasons: too-long, residue (personal data was found again and again), too-much-work (a recognizer of the
redaction settings takes too long on the text: limit its repetitions), too-many-people (the fields of the record
state more names and numbers than are looked for in its texts), failed (the engine failed), unreadable,
image-not-redacted (nothing redacts pixels: where the steward lets people see the images of a project as they
are, set images = \"as they are\" in its [[project]] of agent.toml). Change the project's settings, or the
program, and --retry.")]
pub(super) struct QuarantineArguments {
    /// The project
    #[arg(long)]
    project: ProjectName,
    /// Have them tried again
    #[arg(long)]
    retry: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn quarantine(context: &Context, arguments: &QuarantineArguments) -> Outcome {
    let name = &arguments.project;
    let project = project(context, name)?.project;
    let (items, contexts, again) = context.store.tx("quarantine", |tx| {
        let (items, contexts) = (tx.quarantined(project)?, tx.withheld_contexts(project)?);
        let again = if arguments.retry {
            tx.retry_quarantined(project)? + tx.retry_withheld_contexts(project)?
        } else {
            0
        };
        let looked = Event::new(What::Quarantine).of(name.as_str());
        tx.note(&looked.with(json!({"tried_again": again})))?;
        Ok::<_, StoreError>((items, contexts, again))
    })?;
    if arguments.json {
        let by_reason =
            |reasons: Vec<(String, u64)>| -> serde_json::Map<String, serde_json::Value> {
                reasons.into_iter().map(|(reason, count)| (reason, count.into())).collect()
            };
        let (items, contexts) = (by_reason(items), by_reason(contexts));
        print_json(&json!({"quarantined": items, "contexts": contexts, "tried_again": again}))?;
        return Ok(exit::DONE);
    }
    let mut out = io::stdout().lock();
    if items.is_empty() && contexts.is_empty() {
        writeln!(out, "every item of {name} was redacted")?;
    }
    for (reason, items) in items {
        writeln!(out, "{reason}: {items}")?;
        if reason == "image-not-redacted" {
            writeln!(
                out,
                "  nothing redacts pixels; set images = \"as they are\" to show them all the same"
            )?;
        }
    }
    for (reason, contexts) in contexts {
        writeln!(out, "{reason}: the contexts of {contexts} corrections")?;
    }
    if again > 0 {
        writeln!(out, "{again} are tried again")?;
    }
    Ok(exit::DONE)
}
