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
Items are shown to nobody until they are redacted. Reasons: too-long, residue (personal data was found again and
again), too-much-work (a recognizer of the redaction settings takes too long on the text: limit its repetitions),
failed (the engine failed), unreadable, image-not-redacted (nothing redacts pixels: where the steward lets
people see the images of a project as they are, set images = \"as they are\" in its [[project]] of agent.toml). Change
the project's settings, or the program, and --retry.")]
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
    let (reasons, again) = context.store.tx("quarantine", |tx| {
        let reasons = tx.quarantined(project)?;
        let again = if arguments.retry { tx.retry_quarantined(project)? } else { 0 };
        let looked = Event::new(What::Quarantine).of(name.as_str());
        tx.note(&looked.with(json!({"tried_again": again})))?;
        Ok::<_, StoreError>((reasons, again))
    })?;
    if arguments.json {
        let by_reason: serde_json::Map<String, serde_json::Value> =
            reasons.into_iter().map(|(reason, items)| (reason, items.into())).collect();
        print_json(&json!({"quarantined": by_reason, "tried_again": again}))?;
        return Ok(exit::DONE);
    }
    let mut out = io::stdout().lock();
    if reasons.is_empty() {
        writeln!(out, "every item of {name} was redacted")?;
    }
    for (reason, items) in reasons {
        writeln!(out, "{reason}: {items}")?;
        if reason == "image-not-redacted" {
            writeln!(
                out,
                "  nothing redacts pixels; set images = \"as they are\" to show them all the same"
            )?;
        }
    }
    if again > 0 {
        writeln!(out, "{again} items are tried again")?;
    }
    Ok(exit::DONE)
}
