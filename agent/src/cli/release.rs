//! What leaves: releases, the outbox, the budget.

use std::io::{self, Write};

use insitu_daemon::exit;
use insitu_privacy::Rho;
use insitu_protocol::ids::ReleaseId;
use insitu_protocol::release::{Body, Release as Wire};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::{OutboxCommand, ReleaseCommand};
use super::{Context, Failure, Outcome, print_json, table};
use crate::config::Limits;
use crate::outbox::{self, OutboxError};
use crate::pipeline::windows::{self, WindowError};
use crate::release::{ReleaseError, epsilon};
use crate::store::StoreError;
use crate::store::ledger::Entry;

/// Rows read in one transaction.
const PAGE_ROWS: u32 = 256;

pub(super) fn release(context: &Context, command: &ReleaseCommand) -> Outcome {
    let ReleaseCommand::Statistics { project, json } = command;
    let closed = windows::release(&context.store, &context.limits, project, context.now())
        .map_err(|error| match &error {
            WindowError::Outbox(
                OutboxError::Store(_) | OutboxError::Release(ReleaseError::Store(_)),
            ) => Failure::runtime(&error),
            WindowError::Outbox(OutboxError::Release(ReleaseError::Budget {
                renews: Some(renews),
                ..
            })) => {
                let mut failure = Failure::refused(&error);
                failure.message.push_str(&format!("; budget is free again from {renews}"));
                failure
            }
            WindowError::Outbox(_) | WindowError::UnknownProject { .. } | WindowError::Moving => {
                Failure::refused(&error)
            }
        })?;
    let cost = epsilon(Rho::from_nano(closed.nano_rho), &context.limits);
    if *json {
        print_json(&json!({
            "project": project, "window": closed.window, "labeled": closed.labeled,
            "imported": closed.imported, "nano_rho": closed.nano_rho, "epsilon": cost,
        }))?;
    } else {
        writeln!(
            io::stdout(),
            "window {} of {project} closed: four releases queued, at ε {cost:.3} \
             (from {} labeled and {} imported items, which stay here)",
            closed.window,
            closed.labeled,
            closed.imported
        )?;
    }
    Ok(exit::DONE)
}

pub(super) fn outbox(context: &Context, command: &OutboxCommand) -> Outcome {
    match command {
        OutboxCommand::List(format) => list(context, format.json),
        OutboxCommand::Show { id, json } => show(context, id, *json),
        OutboxCommand::Verify(format) => verify(context, format.json),
    }
}

fn list(context: &Context, json: bool) -> Outcome {
    let entries = entries(context)?;
    if json {
        print_json(&entries.iter().map(|entry| entry_json(context, entry)).collect::<Vec<_>>())?;
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![
                entry.sequence.to_string(),
                entry.id.to_hex(),
                entry.kind.clone(),
                entry.project.clone(),
                format!("{:.4}", epsilon(Rho::from_nano(entry.nano_rho), &context.limits)),
                format!("{:.4}", epsilon(Rho::from_nano(entry.nano_rho_local), &context.limits)),
                entry.byte_count.to_string(),
                time(Some(entry.charged_at)).unwrap_or_default(),
                state(entry).to_owned(),
            ]
        })
        .collect();
    table::print(
        &["", "release", "kind", "project", "ε", "local ε", "bytes", "charged", "state"],
        &rows,
    )?;
    Ok(exit::DONE)
}

fn show(context: &Context, id: &str, json: bool) -> Outcome {
    let entry = find(context, id)?;
    let (bytes, origin) = context.store.read("show release", |tx| {
        Ok::<_, StoreError>((tx.release_bytes(entry.sequence)?, tx.release_origin(&entry.id)?))
    })?;
    let release = Wire::decode(&bytes).map_err(|error| Failure::refused(&error))?;
    if json {
        let mut shown = entry_json(context, &entry);
        shown["origin"] = json!(origin);
        shown["release"] = json!(release);
        shown["chain"] = json!(entry.chain);
        shown["bytes_hex"] = json!(hex::encode(&bytes));
        print_json(&shown)?;
        return Ok(exit::DONE);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "Release {} of this agent, {}", entry.sequence, state(&entry))?;
    writeln!(out, "\n{}\n", in_words(&release, &entry, &context.limits))?;
    writeln!(out, "id          {}", entry.id)?;
    writeln!(out, "what        {:?} of {}", release.body, release.project)?;
    writeln!(out, "made from   {origin} (this line stays here)")?;
    let cost = epsilon(Rho::from_nano(entry.nano_rho), &context.limits);
    writeln!(out, "cost        ρ {}, ε {cost:.4}", Rho::from_nano(entry.nano_rho))?;
    writeln!(out, "noise       standard deviation {:.2} in each value", deviation(&release))?;
    writeln!(out, "previous    {}", release.previous)?;
    writeln!(out, "chain       {}", entry.chain)?;
    writeln!(out, "values      {:?}", numbers(&release))?;
    writeln!(out, "as sent     {} bytes: {}", bytes.len(), hex::encode(&bytes))?;
    Ok(exit::DONE)
}

/// A release for somebody who has to answer for it and is no statistician.
fn in_words(release: &Wire, entry: &Entry, limits: &Limits) -> String {
    let numbers = numbers(release).len();
    let what = match release.body {
        Body::Confusion { .. } => {
            "how often the model's draft and the people's label were each pair of classes"
        }
        Body::Coincidence { .. } => "how two people labeled the same items",
        Body::Calibration { .. } => "how often the model was right, by how sure it was",
        Body::Drift { .. } => "how many items fell into each range of each declared feature",
        Body::Campaign { .. } => {
            "how many of the items that a campaign asked for wait, were kept, were changed"
        }
        Body::Update { .. } | Body::CoarseUpdate { .. } | Body::MaskedUpdate { .. } => {
            "how the model's last layer should change, summed over subjects, each limited to the \
             same weight"
        }
        Body::MaskedStatistics { .. } => "the four statistics of a window, one after the other",
        Body::Evaluation { .. } | Body::MaskedEvaluation { .. } => {
            "how often the model in use and a new one were right on items that are held out of \
             training"
        }
    };
    let cost = epsilon(Rho::from_nano(entry.nano_rho), limits);
    let noise = deviation(release);
    let mut text = format!(
        "{numbers} numbers of project {} that say {what}. At most one item of a subject counts in a \
         statistic.\nEach number was changed at random before it was stored for sending: typically by \
         {noise:.1}, nineteen times in twenty by less than {:.1}.\nWhoever knows everything else \
         and reads this release can improve their odds about any one subject by a factor of at \
         most {:.2} (ε = {cost:.3}; the chance that this does not hold is δ = {:e}).",
        release.project,
        1.96 * noise,
        cost.exp(),
        limits.delta.get()
    );
    if let Body::CoarseUpdate { shift, .. } = release.body {
        let step = 1_u64 << shift;
        text.push_str(&format!(
            "\nAfter that each number was rounded to a multiple of {step}, to send fewer bytes."
        ));
    }
    if let Body::MaskedUpdate { session, .. }
    | Body::MaskedStatistics { session, .. }
    | Body::MaskedEvaluation { session, .. } = release.body
    {
        let local = epsilon(Rho::from_nano(entry.nano_rho_local), limits);
        text.push_str(&format!(
            "\nThe numbers are masked: by themselves they are random, and only their sum over the \
             sites of session {session} can be read. Were all other sites to conspire, the factor \
             would be {:.2} (ε = {local:.3}).",
            local.exp()
        ));
    }
    text
}

/// What the values stand for; up to three zeros after an update of one byte a coordinate.
fn numbers(release: &Wire) -> Vec<i64> {
    let values = release.values.0.len();
    let coarse = matches!(release.body, Body::CoarseUpdate { .. });
    release.coordinates(if coarse { 4 * values } else { values }).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a scale for people")]
fn deviation(release: &Wire) -> f64 {
    release.scale_1024 as f64 / 1024.0
}

fn verify(context: &Context, json: bool) -> Outcome {
    let found = outbox::verify(&context.store)?;
    let verified = found.problems.is_empty();
    if json {
        print_json(&json!({
            "verified": verified, "releases": found.releases, "head": found.head,
            "charged_nano_rho": found.charged.nano(), "problems": found.problems,
        }))?;
    } else {
        let mut out = io::stdout().lock();
        for problem in &found.problems {
            writeln!(out, "{problem}")?;
        }
        let word = if verified { "in order" } else { "NOT in order" };
        writeln!(
            out,
            "{} releases, ρ {} charged, chain {word}, head {}",
            found.releases, found.charged, found.head
        )?;
    }
    Ok(if verified { exit::DONE } else { exit::REFUSED })
}

fn entries(context: &Context) -> Result<Vec<Entry>, Failure> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let last = all.last().map_or(0, |entry| entry.sequence);
        let page = context.store.read("outbox", |tx| tx.entries(last, PAGE_ROWS))?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn find(context: &Context, id: &str) -> Result<Entry, Failure> {
    let entry = context.store.read("release", |tx| match ReleaseId::from_hex(id) {
        Some(id) => tx.entry(&id),
        None => match id.parse::<u64>().ok().and_then(|sequence| sequence.checked_sub(1)) {
            Some(before) => Ok(tx.entries(before, 1)?.into_iter().next()),
            None => Ok(None),
        },
    })?;
    let wanted = |entry: &Entry| entry.id.to_hex() == id || entry.sequence.to_string() == id;
    entry.filter(wanted).ok_or_else(|| {
        Failure::text(exit::REFUSED, format!("there is no release {id}: see outbox list"))
    })
}

fn entry_json(context: &Context, entry: &Entry) -> Value {
    json!({
        "sequence": entry.sequence, "id": entry.id, "kind": entry.kind, "project": entry.project,
        "nano_rho": entry.nano_rho,
        "epsilon": epsilon(Rho::from_nano(entry.nano_rho), &context.limits),
        "nano_rho_local": entry.nano_rho_local,
        "epsilon_local": epsilon(Rho::from_nano(entry.nano_rho_local), &context.limits),
        "bytes": entry.byte_count, "queued_at": time(Some(entry.charged_at)),
        "sent_at": time(entry.sent_at), "acknowledged_at": time(entry.acknowledged_at),
        "attempts": entry.attempts, "state": state(entry), "refused": entry.refused,
    })
}

fn state(entry: &Entry) -> &'static str {
    if entry.acknowledged_at.is_some() {
        "acknowledged"
    } else if entry.refused.is_some() {
        "refused"
    } else if entry.sent_at.is_some() {
        "sent"
    } else {
        "queued"
    }
}

fn time(at: Option<i64>) -> Option<String> {
    at.and_then(|at| Timestamp::from_second(at).ok()).map(|at| at.to_string())
}
