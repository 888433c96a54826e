//! `label-studio`: what a Label Studio must be set to, and whether it is.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clap::{Args, Subcommand};
use insitu_daemon::exit;
use insitu_protocol::ids::ProjectName;
use serde_json::json;

use super::{Context, Failure, Outcome, print_json};
use crate::label_studio::check::{self, Finding, Setting, Standing, Untaken};
use crate::label_studio::compare::{self, CompareError};
use crate::label_studio::{Studio, StudioError};
use crate::pipeline::redactors::{Redactors, names_model};
use crate::redact::texts::Texts;
use crate::store::orders::ProjectRow;

#[derive(Debug, Subcommand)]
pub(super) enum LabelStudioCommand {
    /// Say which settings it needs, and whether it has them
    #[command(after_help = HELP)]
    Check(LabelStudioArguments),
    /// Compare its annotations with what was heard of them, and bring it the drafts it has not got
    Sync(LabelStudioArguments),
}

#[derive(Debug, Args)]
pub(super) struct LabelStudioArguments {
    /// The project
    #[arg(long)]
    project: ProjectName,
    /// For programs
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Label Studio 1.23 refuses backends and webhooks at private addresses unless it was started with
USE_DEFAULT_BANNED_SUBNETS=false in its environment: its answer is then 403, \"URL resolves to a
reserved network address\".";

pub(super) fn label_studio(context: &Context, command: &LabelStudioCommand) -> Outcome {
    let (LabelStudioCommand::Check(arguments) | LabelStudioCommand::Sync(arguments)) = command;
    let name = &arguments.project;
    let source = context.config.source(name);
    let names = names_model(&context.config.inference);
    let names = names.map_err(|error| Failure::configuration(&error))?;
    let redactors = Redactors::of_config(&context.config).with_names(names);
    let texts: Arc<dyn Texts> = Arc::new(Mutex::new(redactors));
    let studio = source
        .map(|source| Studio::open(source, texts))
        .transpose()
        .map_err(|error: StudioError| Failure::configuration(&error))?;
    let Some(studio) = studio.flatten() else {
        let text = format!("the configuration has no [project.label_studio] of project {name}");
        return Err(Failure::text(exit::CONFIGURATION, text));
    };
    let row = context.store.read("project", |tx| tx.project(name))?;
    let row = row.ok_or_else(|| {
        Failure::text(exit::REFUSED, format!("there is no project {name} yet: see `status`"))
    })?;
    match command {
        LabelStudioCommand::Check(_) => check(context, &studio, &row, arguments.json),
        LabelStudioCommand::Sync(_) => sync(context, &studio, &row, arguments.json),
    }
}

fn sync(context: &Context, studio: &Studio, project: &ProjectRow, json: bool) -> Outcome {
    let found =
        compare::compare(&context.store, project, studio, context.now()).map_err(|error| {
            match error {
                CompareError::Store(_) => Failure::runtime(&error),
                CompareError::Client(_) | CompareError::Schema(_) | CompareError::Full { .. } => {
                    Failure::refused(&error)
                }
            }
        })?;
    if json {
        print_json(&found)?;
    } else {
        let compare::Compared { tasks, missed, brought } = found;
        writeln!(
            io::stdout(),
            "{tasks} tasks there, {missed} events had been missed, {brought} drafts brought"
        )?;
    }
    Ok(exit::DONE)
}

fn check(context: &Context, studio: &Studio, project: &ProjectRow, json: bool) -> Outcome {
    let address = format!(
        "http://{}/label-studio/{}/SECRET",
        context.config.api.listen, project.definition.name
    );
    let Standing { findings, tasks, waiting, faults } =
        check::check(&context.store, studio, project)?;
    if json {
        print_json(&json!({
            "address": address, "secret_file": studio.settings.secret_file.display().to_string(),
            "findings": findings, "tasks": tasks, "waiting": waiting, "faults": faults,
        }))?;
    } else {
        let mut out = io::stdout().lock();
        for Setting { name, value, .. } in check::SETTINGS {
            writeln!(out, "Label Studio's environment: {name}={value}")?;
        }
        writeln!(out, "Backend URL (Settings, Model): {address}")?;
        let file = studio.settings.secret_file.display();
        writeln!(
            out,
            "  where SECRET is what {file} holds; the host must be one that reaches here"
        )?;
        for Finding { what, fault } in &findings {
            match fault {
                None => writeln!(out, "ok    {what}")?,
                Some(fault) => writeln!(out, "FAULT {what}: {fault}")?,
            }
        }
        writeln!(out, "{tasks} tasks are items; {waiting} events wait for their item's draft")?;
        for Untaken { event, reason } in &faults {
            writeln!(out, "not taken: {event}: {reason}")?;
        }
    }
    let sound = findings.iter().all(|finding| finding.fault.is_none());
    Ok(if sound { exit::DONE } else { exit::REFUSED })
}
