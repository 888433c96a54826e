//! Published models in the team's own MLflow: a run with parameters and metrics, a model version
//! with card and lineage, and the aliases `active` and `canary`.
//!
//! The queue is the list of publications itself: what is published and not noted as registered waits,
//! however often either side is restarted. Nothing else waits for it. Each step asks first whether
//! an earlier attempt got so far, so that a lost answer makes nothing twice.

mod client;

use std::time::Duration;

use insitu_daemon::telemetry::explain;
use insitu_models::manifest::{Manifest, ManifestError};
use insitu_protocol::ids::{FederationName, ProjectName};
use serde_json::{Value, json};

use crate::config::Mlflow;
use crate::evaluation::EvaluationReport;
use crate::ledger::DELTA;
use crate::registry::RegistryError;
use crate::registry::card::{Card, card_of};
use crate::store::{BundleRow, RegistrationRow, RunRow, Store, StoreError, Tx};
use client::Client;
pub use client::ClientError;

/// Rest between two looks at what is to be registered, and the longest one after failures.
pub const REST: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
/// Longest description that MLflow takes, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 5000;
/// The tag by which what was made is found again.
const BUNDLE_TAG: &str = "insitu.bundle";
/// The aliases: what every site uses, and what a share of them does.
const ALIASES: [&str; 2] = ["active", "canary"];

/// Why something is not registered; it is tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MlflowError {
    /// The server, or how to talk to it.
    #[error("MLflow did not take it")]
    Client {
        /// Why not.
        #[from]
        source: ClientError,
    },
    /// A stored manifest.
    #[error("a stored manifest is refused")]
    Manifest {
        /// What is wrong with it.
        #[from]
        source: ManifestError,
    },
    /// The model card.
    #[error("the model card cannot be made")]
    Card {
        /// Why not.
        #[from]
        source: RegistryError,
    },
    /// The store.
    #[error("the registrations cannot be read or noted")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

impl MlflowError {
    /// Whether the server gave no answer at all.
    fn is_silence(&self) -> bool {
        matches!(self, Self::Client { source: ClientError::Silent { .. } })
    }
}

/// A publication with all that is said of it.
struct Dossier {
    row: RegistrationRow,
    bundle: BundleRow,
    manifest: Manifest,
    /// The run that made it.
    run: Option<RunRow>,
    card: Card,
}

/// What an alias should mean in a project, which the server was not told yet.
struct Move {
    project: ProjectName,
    alias: &'static str,
    /// The publication; `None` takes the alias away.
    number: Option<u64>,
    /// The model's version, once the publication is registered.
    version: Option<String>,
}

/// Registers everything that waits, and moves the aliases; how many registrations were made.
///
/// # Errors
/// The first [`MlflowError`]; it is noted beside its publication. The others go on without it,
/// unless the server does not answer.
pub fn advance(
    store: &Store,
    settings: &Mlflow,
    federation: &FederationName,
) -> Result<usize, MlflowError> {
    let (waiting, mut moves) = store.read("unregistered", due)?;
    if waiting.is_empty() && moves.is_empty() {
        return Ok(0);
    }
    let client = Client::new(settings)?;
    let (mut made, mut refused) = (0, None);
    for row in waiting {
        let (project, number) = (row.project.clone(), row.publication.number);
        let registered = dossier(store, row).and_then(|dossier| match dossier {
            Some(dossier) => register(&client, settings, federation, &dossier).map(Some),
            None => Ok(None),
        });
        let (version, failure) = match &registered {
            Ok(version) => (version.as_deref(), String::new()),
            Err(error) => (None, explain(error)),
        };
        store
            .write("registered", |tx| tx.note_registration(&project, number, version, &failure))?;
        let outcome = if registered.is_ok() { "done" } else { "failed" };
        metrics::counter!("insitu_registrations_total", "outcome" => outcome).increment(1);
        match registered {
            Ok(Some(version)) => {
                tracing::info!(%project, publication = number, version, "registered in MLflow");
                let its = |to: &&mut Move| to.project == project && to.number == Some(number);
                moves.iter_mut().filter(its).for_each(|to| to.version = Some(version.clone()));
                made += 1;
            }
            Ok(None) => {}
            // Nobody is there: the others would wait for an answer in turn.
            Err(error) if error.is_silence() => return Err(error),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    for to in &moves {
        match point(store, &client, federation, to) {
            Ok(()) => {}
            Err(error) if error.is_silence() => return Err(error),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    refused.map_or(Ok(made), Err)
}

/// What is not registered, and the aliases that mean something else by now.
fn due(tx: &Tx<'_>) -> Result<(Vec<RegistrationRow>, Vec<Move>), StoreError> {
    let mut rows = tx.registrations()?;
    let mut moves = Vec::new();
    for project in tx.projects()? {
        for alias in ALIASES {
            let publication = match alias {
                "canary" => tx.canary(&project.name)?.map(|canary| canary.publication),
                _ => tx.active_publication(&project.name)?,
            };
            let number = publication.map(|publication| publication.number);
            if tx.told_alias(&project.name, alias)? == number {
                continue;
            }
            let is_its = |row: &&RegistrationRow| {
                row.project == project.name && Some(row.publication.number) == number
            };
            let version = rows.iter().find(is_its).and_then(|row| row.version.clone());
            moves.push(Move { project: project.name.clone(), alias, number, version });
        }
    }
    rows.retain(|row| row.version.is_none());
    Ok((rows, moves))
}

fn dossier(store: &Store, row: RegistrationRow) -> Result<Option<Dossier>, MlflowError> {
    store.read("dossier", |tx| {
        let Some(bundle) = tx.bundle(row.publication.bundle)? else { return Ok(None) };
        let manifest = Manifest::decode(&bundle.manifest)?;
        let run = match tx.round_of(bundle.digest)? {
            Some((run, _)) => tx.run(run)?,
            None => None,
        };
        let card = card_of(tx, bundle.clone())?;
        Ok(Some(Dossier { row, bundle, manifest, run, card }))
    })
}

/// The name of a project's model there.
pub fn model_name(federation: &FederationName, project: &ProjectName) -> String {
    format!("{federation}.{project}")
}

/// Registers one publication; the model's version there.
fn register(
    client: &Client,
    settings: &Mlflow,
    federation: &FederationName,
    dossier: &Dossier,
) -> Result<String, MlflowError> {
    let model = model_name(federation, &dossier.row.project);
    match client.post("a model", "registered-models/create", &json!({"name": model})) {
        Err(error) if !error.is_there() => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    let bundle = dossier.bundle.digest;
    let filter = format!("name='{model}' and tags.`{BUNDLE_TAG}` = '{bundle}'");
    let found = client.get("versions", "model-versions/search", &[("filter", &filter)])?;
    if let Some(version) = found["model_versions"][0]["version"].as_str() {
        return Ok(version.to_owned());
    }
    let experiment = experiment(client, settings, federation)?;
    let run = run(client, &experiment, dossier)?;
    let id = text("a run", &run["info"]["run_id"], "run id")?;
    let body = &log(dossier, &id);
    client.post("metrics", "runs/log-batch", body)?;
    let card = dossier.card.markdown();
    let artifacts = run["info"]["artifact_uri"].as_str().unwrap_or_default();
    if client.put_artifact(artifacts, "card.md", card.as_bytes())? {
        client.put_artifact(artifacts, "manifest.json", &dossier.bundle.manifest)?;
    }
    let finished = json!({"run_id": id, "status": "FINISHED", "end_time": created_ms(dossier)});
    client.post("a run", "runs/update", &finished)?;
    let tags = tags(dossier);
    let version = json!({
        "name": model,
        // Not a folder: the bundle stays with the coordinator, which says how to get it.
        "source": format!("insitu://{federation}/bundles/{bundle}"),
        "run_id": id,
        "description": shortened(&card, DESCRIPTION_BYTES_MAX),
        "tags": tags,
    });
    let made = client.post("a version", "model-versions/create", &version)?;
    Ok(text("a version", &made["model_version"]["version"], "version")?)
}

fn experiment(
    client: &Client,
    settings: &Mlflow,
    federation: &FederationName,
) -> Result<String, ClientError> {
    const WHAT: &str = "an experiment";
    let name = settings.experiment.clone().unwrap_or_else(|| format!("insitu-{federation}"));
    let query = [("experiment_name", name.as_str())];
    match client.get(WHAT, "experiments/get-by-name", &query) {
        Ok(found) => text(WHAT, &found["experiment"]["experiment_id"], "experiment id"),
        Err(error) if error.is_missing() => {
            let made = client.post(WHAT, "experiments/create", &json!({"name": name}))?;
            text(WHAT, &made["experiment_id"], "experiment id")
        }
        Err(error) => Err(error),
    }
}

/// The run of a bundle, made unless an earlier attempt did.
fn run(client: &Client, experiment: &str, dossier: &Dossier) -> Result<Value, ClientError> {
    let bundle = dossier.bundle.digest;
    let search = json!({
        "experiment_ids": [experiment],
        "filter": format!("tags.`{BUNDLE_TAG}` = '{bundle}'"),
        "max_results": 1,
    });
    let mut found = client.post("runs", "runs/search", &search)?;
    if found["runs"][0].is_object() {
        return Ok(found["runs"][0].take());
    }
    let create = json!({
        "experiment_id": experiment,
        "run_name": format!("{} {}", dossier.manifest.name, dossier.manifest.version),
        "start_time": created_ms(dossier),
        "tags": tags(dossier),
    });
    Ok(client.post("a run", "runs/create", &create)?["run"].take())
}

fn created_ms(dossier: &Dossier) -> i64 {
    dossier.bundle.created_unix_s.saturating_mul(1000)
}

fn text(what: &'static str, value: &Value, field: &'static str) -> Result<String, ClientError> {
    value.as_str().map(str::to_owned).ok_or(ClientError::Field { what, field })
}

fn tags(dossier: &Dossier) -> Value {
    let manifest = &dossier.manifest;
    let mut tags = vec![
        json!({"key": BUNDLE_TAG, "value": dossier.bundle.digest}),
        json!({"key": "insitu.project", "value": dossier.row.project}),
        json!({"key": "insitu.backbone", "value": manifest.backbone.digest}),
    ];
    if let Some(parent) = manifest.parent {
        tags.push(json!({"key": "insitu.parent", "value": parent}));
    }
    if let Some(run) = &dossier.run {
        tags.push(json!({"key": "insitu.run", "value": run.id}));
    }
    json!(tags)
}

/// Parameters and metrics. The same at each attempt: MLflow refuses a parameter that changes.
fn log(dossier: &Dossier, run_id: &str) -> Value {
    let manifest = &dossier.manifest;
    let mut params = vec![
        param("classes", manifest.classes.len()),
        param("features", manifest.features),
        param("backbone_bytes", manifest.backbone.bytes),
        param("head_bytes", manifest.head.bytes),
    ];
    let timestamp = created_ms(dossier);
    let metric = |key: &str, value: f64, step: u32| json!({"key": key, "value": value, "timestamp": timestamp, "step": step});
    let mut metrics = Vec::new();
    if let Some(run) = &dossier.run {
        params.push(param("rounds", run.rounds));
        params.push(param("aggregation", run.method.aggregation));
        if let Some(optimiser) = run.method.optimiser {
            params.push(param("optimiser", optimiser));
        }
        params.push(param("delta", format!("{DELTA:e}")));
    }
    for round in dossier.card.runs.last().into_iter().flat_map(|run| &run.rounds) {
        metrics.push(metric("epsilon", round.epsilon, round.round));
        if let Some(norm) = round.norm {
            metrics.push(metric("gradient_norm", norm, round.round));
        }
    }
    let mut newest_first = dossier.card.held_out.iter().rev();
    if let Some(accuracy) = newest_first.find_map(EvaluationReport::accuracy) {
        metrics.push(metric("accuracy", accuracy.value, 0));
    }
    for figure in &dossier.card.bundle.evaluations {
        metrics.push(metric(&format!("accuracy.{}", figure.site), figure.accuracy, 0));
    }
    json!({"run_id": run_id, "params": params, "metrics": metrics})
}

fn param(key: &str, value: impl std::fmt::Display) -> Value {
    json!({"key": key, "value": value.to_string()})
}

fn shortened(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Points an alias at what it should mean. It stays where it is as long as that is not registered; a
/// version that somebody has deleted there is registered anew.
fn point(
    store: &Store,
    client: &Client,
    federation: &FederationName,
    to: &Move,
) -> Result<(), MlflowError> {
    let Move { project, alias, number, version } = to;
    let model = model_name(federation, project);
    match (number, version) {
        (Some(_), None) => return Ok(()),
        (Some(number), Some(version)) => {
            let body = json!({"name": model, "alias": alias, "version": version});
            if let Err(error) = client.post("an alias", "registered-models/alias", &body) {
                if error.is_missing() {
                    let failure = explain(&error);
                    let forget =
                        |tx: &Tx<'_>| tx.note_registration(project, *number, None, &failure);
                    store.write("forget_registration", forget)?;
                }
                return Err(error.into());
            }
        }
        (None, _) => client.delete_alias(&model, alias)?,
    }
    Ok(store.write("alias", |tx| tx.note_alias(project, alias, *number))?)
}
