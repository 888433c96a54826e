//! Projects, models and campaigns.

use std::path::Path;

use anyhow::{Context, bail};
use insitu_daemon::files;
use insitu_models::bundle::Bundle;
use insitu_protocol::ids::SiteName;
use insitu_protocol::order::{Clause, Selector};
use insitu_protocol::project;
use serde::Serialize;
use serde_json::json;

use super::arguments::{Campaign, CampaignCreate, Model, Project};
use super::output::{Output, short, short_or_dash, table, time};
use super::reports::estimate;
use super::setup::open;
use crate::api::Office;
use crate::campaign::{self, Plan, Target, bins_clause};
use crate::publish::canary::Comparison;
use crate::registry::{BundleReport, card};
use crate::store::Store;
use crate::{publish, registry};

/// Longest project file, in bytes.
const PROJECT_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn project(file: &Path, command: &Project) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    match command {
        Project::Create { file } => {
            let bytes = files::read(file, PROJECT_BYTES_MAX)?;
            let text = String::from_utf8(bytes).context("the project is not UTF-8")?;
            let project: project::Project =
                toml::from_str(&text).with_context(|| format!("{} is refused", file.display()))?;
            publish::project(&office.store, &project, office.now_unix_s())?;
            let text = format!("project {} is at version {}", project.name, project.version);
            Output::new(&json!({"project": project.name, "version": project.version}), text)
        }
        Project::List => {
            let projects = office.store.read("projects", |tx| tx.projects())?;
            let rows: Vec<[String; 4]> = projects
                .iter()
                .map(|project| {
                    [
                        project.name.to_string(),
                        project.version.to_string(),
                        project.classes.len().to_string(),
                        project.title.to_string(),
                    ]
                })
                .collect();
            Output::new(&projects, table(["project", "version", "classes", "title"], &rows))
        }
        Project::Show { project: name } => {
            let project = office.store.read("project", |tx| tx.project(name))?;
            let project = project.with_context(|| format!("there is no project {name}"))?;
            Output::new(&project, classes_text(&project))
        }
    }
}

pub(super) fn model(file: &Path, command: Model) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    let (store, now) = (&office.store, office.now_unix_s());
    match command {
        Model::Publish { dir, project, candidate, force } => {
            let bundle = Bundle::open(&dir)?;
            let digest = office.registry.register(store, &bundle, &project, now)?;
            let text = if candidate {
                format!(
                    "bundle {digest} is registered; next: `insitu-coordinator evaluation start {digest}`"
                )
            } else {
                publish::promote(store, &office.key, digest, force.as_deref(), now)?;
                format!("bundle {digest} is published to the sites of {project}")
            };
            Output::new(&json!({"bundle": digest, "project": project}), text)
        }
        Model::List { project } => {
            let bundles = registry::report(store, project.as_ref())?.into_iter();
            let listed = bundles.map(|bundle| Listed::of(store, bundle));
            list(&listed.collect::<Result<Vec<_>, _>>()?)
        }
        Model::Show { digest } => {
            let card = card::card(store, registry::find(store, &digest)?)?;
            let forced = card.bundle.forced.as_ref();
            let forced = forced.map_or_else(String::new, |why| format!(", forced: {why}"));
            let text = format!("{}\nIt is {}{forced}.\n", card.markdown(), stage(&card.bundle));
            Output::new(&card, text)
        }
        Model::Export { digest, out } => {
            let digest = registry::find(store, &digest)?;
            registry::export(store, &office.registry, digest, &out)?;
            let text = format!("bundle {digest} is in {}", out.display());
            Output::new(&json!({"bundle": digest, "out": out}), text)
        }
        Model::Promote { digest, canary: Some(share), force } => {
            let digest = registry::find(store, &digest)?;
            let (key, force) = (&office.key, force.as_deref());
            let sites = publish::canary::start(store, key, digest, share, force, now)?;
            let names: Vec<&str> = sites.iter().map(SiteName::as_str).collect();
            let text = format!("bundle {digest} is published to {} first", names.join(", "));
            Output::new(&json!({"bundle": digest, "canary_sites": sites}), text)
        }
        Model::Promote { digest, canary: None, force } => {
            let digest = registry::find(store, &digest)?;
            publish::promote(store, &office.key, digest, force.as_deref(), now)?;
            Output::new(&json!({"bundle": digest}), format!("bundle {digest} is published"))
        }
        Model::Rollback { project } => {
            let digest = publish::rollback(store, &project, now)?;
            let text = format!("the sites of {project} go back to bundle {digest}");
            Output::new(&json!({"bundle": digest, "project": project}), text)
        }
        Model::Evaluate { digest, accuracy, note } => {
            let digest = registry::find(store, &digest)?;
            registry::evaluate(store, digest, &accuracy, &note, now)?;
            let text = format!("{} figure(s) attached to bundle {digest}", accuracy.len());
            Output::new(&json!({"bundle": digest, "figures": accuracy.len()}), text)
        }
    }
}

/// The classes, each with its thresholds in thousandths, its own or the project's.
fn classes_text(project: &project::Project) -> String {
    let rows: Vec<[String; 4]> = (0..)
        .zip(&project.classes)
        .map(|(place, class)| {
            let routing = project.routing_of([place]);
            let thresholds = [routing.accept_at, routing.expert_below].map(|at| at.to_string());
            let [accept_at, expert_below] = thresholds;
            let own = class.accept_at.is_some() || class.expert_below.is_some();
            let whose = if own { "its own" } else { "the project's" };
            [class.name.to_string(), accept_at, expert_below, whose.to_owned()]
        })
        .collect();
    let heading = ["class", "accept_at", "expert_below", "thresholds"];
    format!(
        "{} (version {}): {}, {} in 1000 items read twice\n{}",
        project.name,
        project.version,
        project.title,
        project.routing.overlap,
        table(heading, &rows)
    )
}

/// A bundle in the list and, of a canary, how agreement stands at its sites.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    bundle: BundleReport,
    canary: Option<Comparison>,
}

impl Listed {
    fn of(store: &Store, bundle: BundleReport) -> anyhow::Result<Self> {
        let canary = if bundle.canary_sites.is_empty() {
            None
        } else {
            publish::canary::comparison(store, &bundle.project)?
        };
        Ok(Self { bundle, canary })
    }

    /// Where the bundle is.
    fn stage(&self) -> String {
        let stage = stage(&self.bundle);
        let Some(Comparison { measure, before, after }) = &self.canary else { return stage };
        format!("{stage}: {measure} {} → {}", estimate(before), estimate(after))
    }
}

fn list(bundles: &[Listed]) -> anyhow::Result<Output> {
    let rows: Vec<[String; 6]> = bundles
        .iter()
        .map(|listed| {
            let bundle = &listed.bundle;
            [
                short(bundle.bundle),
                bundle.project.to_string(),
                format!("{} {}", bundle.name, bundle.version),
                listed.stage(),
                short_or_dash(bundle.parent),
                bundle.lineage.last().cloned().unwrap_or_default(),
            ]
        })
        .collect();
    let heading = ["bundle", "project", "version", "state", "parent", "made by"];
    Output::new(&bundles, table(heading, &rows))
}

fn stage(bundle: &BundleReport) -> String {
    let sites: Vec<&str> = bundle.canary_sites.iter().map(SiteName::as_str).collect();
    match &bundle.reason {
        _ if !sites.is_empty() => format!("{} at {}", bundle.state, sites.join(", ")),
        Some(reason) if bundle.state == "rolled back" => reason.clone(),
        _ => bundle.state.to_owned(),
    }
}

pub(super) fn campaign(file: &Path, command: Campaign) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    let store = &office.store;
    match command {
        Campaign::Create(create) => create_campaign(office, create),
        Campaign::List { project } => {
            let campaigns = campaign::report::campaigns(store, project.as_ref())?;
            let rows: Vec<[String; 5]> = campaigns
                .iter()
                .map(|campaign| {
                    let answered = campaign.sites.iter().filter(|site| site.answered).count();
                    [
                        campaign.campaign.to_string(),
                        campaign.state.to_owned(),
                        time(campaign.answers),
                        format!("{answered}/{}", campaign.sites.len()),
                        campaign.title.clone(),
                    ]
                })
                .collect();
            let heading = ["campaign", "state", "answers", "answered", "title"];
            Output::new(&campaigns, table(heading, &rows))
        }
        Campaign::Show { campaign: id } => match campaign::report::campaign(store, id)? {
            Some(report) => Output::new(&report, campaign_text(&report)),
            None => bail!("there is no campaign {id}"),
        },
        Campaign::Cancel { campaign: id } => {
            campaign::cancel(store, id)?;
            let text = format!("campaign {id} is cancelled");
            Output::new(&json!({"campaign": id, "cancelled": true}), text)
        }
    }
}

fn create_campaign(office: &Office, create: CampaignCreate) -> anyhow::Result<Output> {
    let target = match (create.worst_slice, &create.reference) {
        (true, Some(reference)) => Target::Worst { reference: reference.clone() },
        _ => Target::Slice(selector(office, &create)?),
    };
    let plan = Plan {
        project: create.project,
        target,
        sites: create.sites,
        title: create.title,
        closes_in: create.closes_in,
        items_max: create.items_max,
        epsilon: create.epsilon,
    };
    let created = campaign::create(&office.store, &plan, office.now_unix_s())?;
    let sites: Vec<String> = created.sites.iter().map(ToString::to_string).collect();
    let text = format!(
        "campaign {} asks {} for items where {}\n({})",
        created.campaign,
        sites.join(", "),
        created.selector,
        created.reason
    );
    Output::new(&created, text)
}

fn selector(office: &Office, create: &CampaignCreate) -> anyhow::Result<Selector> {
    let project = office.store.read("project", |tx| tx.project(&create.project))?;
    let project = project.with_context(|| format!("there is no project {}", create.project))?;
    let mut clauses = Vec::new();
    if let Some(feature) = &create.feature {
        clauses.push(bins_clause(&project, feature, &create.bins)?);
    }
    if let Some(share) = create.confidence_below {
        let milli = (0..=1000_u16).find(|milli| f64::from(*milli) >= share * 1000.0 - 1e-9);
        let milli =
            milli.filter(|_| share > 0.0).context("--confidence-below lies between 0 and 1")?;
        clauses.push(Clause::ConfidenceBelow { milli });
    }
    Ok(Selector::new(clauses)?)
}

fn campaign_text(report: &campaign::report::CampaignReport) -> String {
    let cell = |value: Option<i64>| value.map_or_else(String::new, |value| value.to_string());
    let rows: Vec<[String; 6]> = report
        .sites
        .iter()
        .map(|site| {
            [
                site.site.to_string(),
                if site.answered { "yes" } else { "no" }.to_owned(),
                cell(site.matched),
                cell(site.kept),
                cell(site.changed),
                site.sd.map_or_else(String::new, |sd| format!("{sd:.1}")),
            ]
        })
        .collect();
    format!(
        "campaign {} is {}: {}\nitems where {} ({}); sites answer at {}\n{}",
        report.campaign,
        report.state,
        report.title,
        report.selector,
        report.reason,
        time(report.answers),
        table(["site", "answered", "matched", "kept", "changed", "± noise"], &rows)
    )
}
