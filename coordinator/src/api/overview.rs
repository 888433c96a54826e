//! Everything on one page: the document behind the dashboard.
//!
//! The figures are those of the commands' reports; only their arrangement is the page's.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use insitu_protocol::facts::EngineKind;
use insitu_protocol::ids::{CampaignId, Digest, FederationName, ProjectName, RunId, SiteName};
use insitu_protocol::project;
use jiff::Timestamp;
use serde::Serialize;

use super::{Office, Presence, reference};
use crate::agreement::calibration::{self, CalibrationFigures, Share};
use crate::agreement::labels;
use crate::agreement::{self, AgreementReport, ReportError};
use crate::campaign::report::{SiteProgress, campaigns};
use crate::drift::{self, DriftReport};
use crate::evaluation::{self, EvaluationReport, Figures};
use crate::intake::fleet;
use crate::ledger;
use crate::registry::{self, BundleReport, RegistryError};
use crate::round::report::{RoundReport, RoundSite, RunReport, runs};
use crate::store::{CollectionRow, CollectionState, StoreError};

/// Why there is no overview.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OverviewError {
    /// A report.
    #[error("a report cannot be made")]
    Report {
        /// Why not.
        #[from]
        source: ReportError,
    },
    /// The registry.
    #[error("the bundles cannot be read")]
    Registry {
        /// Why not.
        #[from]
        source: RegistryError,
    },
    /// The store.
    #[error("the overview cannot be read")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Newest runs of a project whose candidates' evaluations are read: as many as the page shows.
const EVALUATED_RUNS: usize = 3;
/// Whose accuracy an evaluation over several sites says.
const TOGETHER: &str = "all sites";

/// `GET /api/overview`.
#[derive(Debug, Serialize)]
pub struct Overview {
    federation: FederationName,
    sites: Vec<Site>,
    projects: Vec<Project>,
}

#[derive(Debug, Serialize)]
struct Site {
    site: SiteName,
    connected: bool,
    last_seen: Option<Timestamp>,
    revoked: bool,
    device: Option<Device>,
    releases: u64,
    nano_rho: u64,
    epsilon: f64,
    delta: f64,
}

#[derive(Debug, Serialize)]
struct Device {
    version: String,
    engine: EngineKind,
    uptime_days: u8,
    load_quarters: u8,
    memory_tenths: u8,
    disk_tenths: u8,
    temperature_tens: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Project {
    name: ProjectName,
    title: String,
    version: u32,
    classes: Vec<String>,
    bundle: Option<Bundle>,
    agreement: AgreementReport,
    drift: Option<DriftReport>,
    calibration: Calibration,
    runs: Vec<Run>,
    campaigns: Vec<Campaign>,
    labels: Labels,
}

#[derive(Debug, Serialize)]
struct Bundle {
    digest: Digest,
    version: String,
}

#[derive(Debug, Serialize)]
struct Calibration {
    sites: Vec<SiteCalibration>,
}

#[derive(Debug, Serialize)]
struct SiteCalibration {
    site: SiteName,
    n: f64,
    error: Option<f64>,
    error_sd: Option<f64>,
    bins: Vec<CalibrationBin>,
}

#[derive(Debug, Serialize)]
struct CalibrationBin {
    low: f64,
    high: f64,
    accuracy: Option<Share>,
}

#[derive(Debug, Serialize)]
struct Run {
    run: RunId,
    state: &'static str,
    /// Of the bundle it starts from.
    start: Option<Evaluation>,
    rounds: Vec<Round>,
}

#[derive(Debug, Serialize)]
struct Round {
    round: u32,
    state: &'static str,
    sites: Vec<RoundSite>,
    bundle: Option<Digest>,
    norm: Option<f64>,
    noise: String,
    evaluation: Option<Evaluation>,
}

#[derive(Debug, Serialize)]
struct Evaluation {
    note: String,
    accuracy: BTreeMap<String, f64>,
}

#[derive(Debug, Serialize)]
struct Campaign {
    campaign: CampaignId,
    title: String,
    selector: String,
    state: &'static str,
    closes: Timestamp,
    sites: Vec<SiteProgress>,
}

#[derive(Debug, Serialize)]
struct Labels {
    sites: Vec<SiteLabels>,
}

#[derive(Debug, Serialize)]
struct SiteLabels {
    site: SiteName,
    totals: Vec<LabelTotal>,
}

#[derive(Debug, Serialize)]
struct LabelTotal {
    class: usize,
    count: i64,
    sd: f64,
}

/// The last drift report of each project: its p-values are simulated, and the page asks every few
/// seconds. Bounded by the number of projects.
#[derive(Debug, Default)]
pub struct DriftCache {
    known: Mutex<BTreeMap<ProjectName, (DriftKey, DriftReport)>>,
}

/// What a drift report depends on: version, reference, releases and finished collections.
type DriftKey = (u32, SiteName, u64);

/// Builds the overview.
///
/// # Errors
/// [`OverviewError`].
pub fn build(
    office: &Office,
    presence: &Presence,
    cache: &DriftCache,
) -> Result<Overview, OverviewError> {
    let projects = office.store.read("projects", |tx| tx.projects())?;
    let projects: Result<Vec<Project>, OverviewError> =
        projects.iter().map(|project| describe(office, cache, project)).collect();
    Ok(Overview {
        federation: office.authority.federation().clone(),
        sites: sites(office, presence)?,
        projects: projects?,
    })
}

fn sites(office: &Office, presence: &Presence) -> Result<Vec<Site>, OverviewError> {
    let now = office.now_unix_s();
    let budget = ledger::report(&office.store, None)?;
    let fleet = fleet::report(&office.store)?;
    let site = |fleet: fleet::SiteFleet| {
        let charged = budget.sites.iter().find(|charged| charged.site == fleet.site);
        let newest = fleet.agents.iter().max_by_key(|agent| agent.last_seen);
        let asked = presence.last(&fleet.site).and_then(|at| Timestamp::from_second(at).ok());
        Site {
            connected: presence.is_connected(&fleet.site, now),
            last_seen: newest.and_then(|agent| agent.last_seen).max(asked),
            revoked: fleet.revoked.is_some(),
            device: newest.and_then(|agent| agent.facts).map(|facts| Device {
                version: facts.version.map(|part| part.to_string()).join("."),
                engine: facts.engine,
                uptime_days: facts.uptime_days,
                load_quarters: facts.load_quarters,
                memory_tenths: facts.memory_tenths,
                disk_tenths: facts.disk_tenths,
                temperature_tens: facts.temperature_tens,
            }),
            releases: fleet.releases,
            nano_rho: charged.map_or(0, |charged| charged.nano_rho),
            epsilon: charged.map_or(0.0, |charged| charged.epsilon),
            delta: budget.delta,
            site: fleet.site,
        }
    };
    Ok(fleet.sites.into_iter().map(site).collect())
}

fn describe(
    office: &Office,
    cache: &DriftCache,
    project: &project::Project,
) -> Result<Project, OverviewError> {
    let (store, name) = (&office.store, &project.name);
    let bundles = registry::report(store, Some(name))?;
    let active = bundles.iter().find(|bundle| bundle.state == "active");
    let runs = runs(store, Some(name))?;
    let older = runs.len().saturating_sub(EVALUATED_RUNS);
    let runs: Result<Vec<Run>, ReportError> = runs
        .into_iter()
        .enumerate()
        .map(|(place, run)| {
            let shown = place >= older;
            let found = if shown { evaluation::of_run(store, &run)? } else { Vec::new() };
            Ok(describe_run(run, &bundles, &found))
        })
        .collect();
    Ok(Project {
        title: project.title.to_string(),
        version: project.version,
        classes: project.classes.iter().map(|class| class.name.to_string()).collect(),
        bundle: active.map(|bundle| Bundle {
            digest: bundle.bundle,
            version: format!("{} {}", bundle.name, bundle.version),
        }),
        agreement: agreement::report(store, name)?,
        drift: drift_of(office, cache, project)?,
        calibration: calibration_of(office, name)?,
        runs: runs?,
        campaigns: campaigns(store, Some(name))?
            .into_iter()
            .map(|campaign| Campaign {
                campaign: campaign.campaign,
                title: campaign.title,
                selector: campaign.selector,
                state: campaign.state,
                closes: campaign.answers,
                sites: campaign.sites,
            })
            .collect(),
        labels: labels_of(office, name)?,
        name: project.name.clone(),
    })
}

/// What was attached to a bundle by hand; else how right sites say that it is on what they hold out.
fn describe_run(run: RunReport, bundles: &[BundleReport], held_out: &[EvaluationReport]) -> Run {
    let by_hand = |digest: Digest| {
        let evaluations = &bundles.iter().find(|bundle| bundle.bundle == digest)?.evaluations;
        Some(Evaluation {
            note: format!("Attached by hand: {}", evaluations.first()?.note),
            accuracy: evaluations.iter().map(|e| (e.site.to_string(), e.accuracy)).collect(),
        })
    };
    let noised = |digest: Digest| {
        held_out.iter().find_map(|report| {
            let Figures::Known { current, candidate, .. } = &report.figures else { return None };
            let mut both = [(report.candidate, candidate), (report.current, current)].into_iter();
            let (_, rightness) = both.find(|(bundle, _)| *bundle == digest)?;
            Some(Evaluation {
                note: format!("Held-out items of {} site(s), noised", report.sites.len()),
                accuracy: BTreeMap::from([(TOGETHER.to_owned(), rightness.accuracy.value)]),
            })
        })
    };
    let evaluation = |digest: Digest| by_hand(digest).or_else(|| noised(digest));
    let round = |round: RoundReport| Round {
        round: round.round,
        state: round.state,
        sites: round.sites,
        bundle: round.bundle,
        norm: round.norm,
        noise: round.noise,
        evaluation: round.bundle.and_then(evaluation),
    };
    Run {
        run: run.run,
        state: run.state,
        start: evaluation(run.start),
        rounds: run.rounds.into_iter().map(round).collect(),
    }
}

fn drift_of(
    office: &Office,
    cache: &DriftCache,
    project: &project::Project,
) -> Result<Option<DriftReport>, OverviewError> {
    let charges = office.store.read("charges", |tx| tx.charges())?;
    let released = charges.iter().filter(|c| c.project == project.name && c.kind == "drift");
    let sites: Vec<SiteName> = released.clone().map(|charge| charge.site.clone()).collect();
    let Some(reference) = reference(&office.config, &sites) else { return Ok(None) };
    let finished = |row: &&CollectionRow| {
        row.project == project.name && row.state == CollectionState::Finished
    };
    let collections = office.store.read("collections", |tx| tx.collections())?;
    let collected = collections.iter().filter(finished).count() as u64;
    let released: u64 = released.map(|charge| charge.releases).sum();
    let key = (project.version, reference.clone(), released + collected);
    let known = || cache.known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, report)) = known().get(&project.name).filter(|(known, _)| *known == key) {
        return Ok(Some(report.clone()));
    }
    let report = drift::report(&office.store, &project.name, reference)?;
    known().insert(project.name.clone(), (key, report.clone()));
    Ok(Some(report))
}

fn calibration_of(office: &Office, project: &ProjectName) -> Result<Calibration, OverviewError> {
    let report = calibration::report(&office.store, project)?;
    let sites = report.sites.into_iter().map(|site| match site.figures {
        CalibrationFigures::Known { n, error, error_deviation, bins, .. } => SiteCalibration {
            site: site.site,
            n,
            error: Some(error),
            error_sd: Some(error_deviation),
            bins: bins
                .into_iter()
                .map(|bin| CalibrationBin { low: bin.from, high: bin.to, accuracy: bin.accuracy })
                .collect(),
        },
        CalibrationFigures::Undefined { .. } => SiteCalibration {
            site: site.site,
            n: 0.0,
            error: None,
            error_sd: None,
            bins: Vec::new(),
        },
    });
    Ok(Calibration { sites: sites.collect() })
}

fn labels_of(office: &Office, project: &ProjectName) -> Result<Labels, OverviewError> {
    let report = labels::report(&office.store, project)?;
    let sites = report.sites.into_iter().map(|site| {
        let sd = site.labels.sd_by_class;
        let totals = site.labels.by_class.into_iter().enumerate();
        SiteLabels {
            site: site.site,
            totals: totals.map(|(class, count)| LabelTotal { class, count, sd }).collect(),
        }
    });
    Ok(Labels { sites: sites.collect() })
}
