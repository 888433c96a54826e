//! `label-studio`: what a Label Studio must be set to, and whether it is.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clap::{Args, Subcommand};
use insitu_daemon::exit;
use insitu_protocol::ids::ProjectName;
use serde_json::{Value, json};

use super::{Context, Failure, Outcome, print_json};
use crate::label_studio::client::{Client, ClientError};
use crate::label_studio::compare::{self, CompareError};
use crate::label_studio::{Studio, StudioError, Texts};
use crate::pipeline::redactors::{Redactors, names_model};
use crate::store::StoreError;
use crate::store::orders::ProjectRow;

/// Events that could not be taken that are shown.
const FAULTS_SHOWN: u32 = 20;

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

/// A thing that must be so, and whether it is.
struct Finding {
    what: &'static str,
    fault: Option<String>,
}

fn check(context: &Context, studio: &Studio, project: &ProjectRow, json: bool) -> Outcome {
    let address = format!(
        "http://{}/label-studio/{}/SECRET",
        context.config.api.listen, project.definition.name
    );
    let findings = findings(studio, project);
    let (tasks, waiting, faults) = context.store.read("studio", |tx| {
        let project = project.project;
        let faults = tx.studio_faults(project, FAULTS_SHOWN)?;
        let waiting = tx.waiting_studio_events(project)?;
        Ok::<_, StoreError>((tx.studio_task_count(project)?, waiting, faults))
    })?;
    if json {
        let findings: Vec<Value> = findings
            .iter()
            .map(|finding| json!({"what": finding.what, "fault": finding.fault}))
            .collect();
        let faults: Vec<Value> = faults
            .iter()
            .map(|(event, reason)| json!({"event": event, "reason": reason}))
            .collect();
        print_json(&json!({
            "address": address, "secret_file": studio.settings.secret_file.display().to_string(),
            "findings": findings, "tasks": tasks, "waiting": waiting, "faults": faults,
        }))?;
    } else {
        let mut out = io::stdout().lock();
        writeln!(out, "Label Studio's environment: USE_DEFAULT_BANNED_SUBNETS=false")?;
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
        for (event, reason) in &faults {
            writeln!(out, "not taken: {event}: {reason}")?;
        }
    }
    let sound = findings.iter().all(|finding| finding.fault.is_none());
    Ok(if sound { exit::DONE } else { exit::REFUSED })
}

fn findings(studio: &Studio, project: &ProjectRow) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |what, fault: Option<String>| findings.push(Finding { what, fault });
    let open = studio.settings.is_open();
    let fault = "it travels over http to another machine, where others may read it".to_owned();
    find("the token is safe on its way", open.then_some(fault));
    let mut client = match Client::new(&studio.settings) {
        Ok(client) => client,
        Err(error) => {
            find("its token can be read", Some(crate::store::explain(&error)));
            return findings;
        }
    };
    let schema = compare::schema(&mut client, project, studio);
    let fault = schema.err().map(|error| crate::store::explain(&error));
    find("its project can be asked, and asks for what the project here does", fault);
    let id = studio.settings.project.to_string();
    let mark = format!("/label-studio/{}/", project.definition.name);
    let ours = |entry: &Value| entry["url"].as_str().is_some_and(|url| url.contains(&mark));
    let listed = |answer: Result<Value, ClientError>| match answer {
        Ok(answer) => {
            Ok(answer.as_array().and_then(|all| all.iter().find(|one| ours(one))).cloned())
        }
        Err(error) => Err(crate::store::explain(&error)),
    };
    let backend = listed(client.get("backends", "/api/ml/", &[("project", &id)]));
    find(
        "this agent is its backend",
        match backend {
            Ok(Some(backend)) if backend["state"] == "CO" => None,
            Ok(Some(_)) => {
                Some("it cannot reach the agent, or its label config does not fit".to_owned())
            }
            Ok(None) => Some("connect it: Settings, Model, with the URL above".to_owned()),
            Err(fault) => Some(fault),
        },
    );
    let webhook = listed(client.get("webhooks", "/api/webhooks/", &[("project", &id)]));
    find(
        "it tells this agent of annotations",
        match webhook {
            Ok(Some(hook)) if hook["is_active"] == true && hook["send_payload"] == true => None,
            Ok(Some(_)) => Some("its webhook is off, or sends no payload".to_owned()),
            Ok(None) => Some("it has no webhook at this agent's address".to_owned()),
            Err(fault) => Some(fault),
        },
    );
    findings
}
