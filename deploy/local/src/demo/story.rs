//! The steps of the demonstration, in the order in which they happen.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, ensure};
use insitu_daemon::files::{self, Access};
use insitu_privacy::{Delta, Epsilon, rho_within};
use insitu_protocol::project::Project;
use serde_json::Value;

use super::Narrator;
use super::bundle::{self, Shipped};
use super::collect::Collected;
use super::data::{self, Hospital};
use super::federation::{Federation, Policy, Site};
use super::fields::{number, text};
use super::outcome::{Outcome, RoundOutcome};
use super::people::{self, Desk, PEOPLE, Person, Work};
use super::process::argument;
use crate::clock::Stopwatch;
use crate::draws::Draws;

/// The hospital that the others are compared with: its patients trained the first bundle.
pub(crate) const REFERENCE: &str = "cleveland";
/// The demonstration's project.
pub(crate) const PROJECT: &str = "heart-disease";
/// δ of every figure that people see.
const DELTA: f64 = 1e-6;
/// How long a campaign stays open here. Sites answer at its end, not when they are done.
const CAMPAIGN_CLOSES_IN: &str = "8s";
/// How long a training round waits for a hospital that does not answer.
const ROUND_CLOSES_IN: &str = "300s";
/// Why the result of training is published without an evaluation, which would cost the rest of the
/// year's budget with so few patients.
const UNEVALUATED: &str = "the demonstration knows the diagnoses, and evaluates each round by them";
/// ε that everything may cost in the year, when training costs no more than 1.
const EPSILON_YEAR: f64 = 2.0;

/// Everything the steps share.
pub(crate) struct Stage<'a> {
    /// The running programs.
    pub(crate) federation: &'a Federation,
    hospitals: &'a [Hospital],
    project: &'a Project,
    draws: Draws,
    home: &'a Path,
    decisions: AtomicU64,
}

/// Plays the demonstration; the federation still runs afterwards.
///
/// # Errors
/// When a step fails.
pub(crate) fn tell(
    seed: u64,
    epsilon: Option<f64>,
    home: &Path,
    narrator: Narrator,
) -> Result<(Federation, Outcome)> {
    let start = Stopwatch::start();
    let hospitals = data::hospitals(seed)?;
    let project = data::project()?;
    let run_nano_rho = epsilon
        .map(|epsilon| {
            Ok::<u64, anyhow::Error>(rho_within(Epsilon::new(epsilon)?, Delta::new(DELTA)?).nano())
        })
        .transpose()?;
    let shipped = bundle::write(home, run_nano_rho)?;
    let federation = set_up(home, &hospitals, &shipped, epsilon.unwrap_or(1.0))?;
    narrator
        .say("1. A coordinator and four hospitals' agents run, joined by mutual TLS over QUIC.");
    let draws = Draws::new(seed);
    let stage = Stage {
        federation: &federation,
        hospitals: &hospitals,
        project: &project,
        draws,
        home,
        decisions: AtomicU64::new(0),
    };

    let first = stage.deploy(&shipped)?;
    let items = stage.import()?;
    narrator.say(&format!(
        "2. {items} real patients imported, each at their own hospital; notes (synthetic) redacted; all prelabeled."
    ));
    let work = stage.annotate()?;
    narrator.say(&format!(
        "3. {} annotations by SIMULATED annotators (they know the diagnosis; slips: {}).",
        work.annotations,
        slips()
    ));
    let labeled = stage.snapshot()?;
    stage.release_statistics()?;
    narrator.say("4. Noised statistics released: confusion, coincidence, calibration, drift.");
    let cpu_before = federation.agents_cpu_seconds();
    let run = stage.train(&first)?;
    let cpu = federation.agents_cpu_seconds() - cpu_before;
    narrator.say(&format!(
        "5. A head trained across the hospitals under differential privacy; new bundle in use. Noise \
         added once for all hospitals (secure aggregation) in {} of {} rounds.",
        noised_together(&run),
        run["rounds"].as_array().map_or(0, Vec::len)
    ));
    let campaign = stage.campaign()?;
    narrator.say("6. The slice that drifted most was relabeled, and progress reported with noise.");
    let rounds = stage.evaluate(&first, &run)?;
    let trained = (rounds.len() - 1).max(1) * federation.sites.len();
    let cpu_seconds_per_round = cpu.max(0.0) / trained as f64;
    let found = Collected { seed, start, work, labeled, rounds, campaign, cpu_seconds_per_round };
    let outcome = stage.collect(found)?;
    Ok((federation, outcome))
}

fn slips() -> String {
    let rate = |person: &Person| format!("{} {} %", person.name, person.slips_per_thousand / 10);
    PEOPLE.iter().map(rate).collect::<Vec<String>>().join(", ")
}

/// Starts everything.
fn set_up(
    home: &Path,
    hospitals: &[Hospital],
    shipped: &Shipped,
    epsilon: f64,
) -> Result<Federation> {
    let mut federation = Federation::found(home)?;
    let policy = Policy {
        backbone: &shipped.backbone,
        epsilon_run: epsilon,
        epsilon_year: EPSILON_YEAR.max(EPSILON_YEAR - 1.0 + epsilon),
    };
    for hospital in hospitals {
        federation.join(home, hospital, policy)?;
    }
    Ok(federation)
}

impl Stage<'_> {
    /// Publishes project and first bundle, and waits until every hospital uses it; its digest.
    fn deploy(&self, shipped: &Shipped) -> Result<String> {
        let coordinator = &self.federation.coordinator;
        coordinator.run(&["project", "create", argument(&shipped.project)?])?;
        let bundle = argument(&shipped.bundle)?;
        let published = coordinator.json(&["model", "publish", bundle, "--project", PROJECT])?;
        let digest = text(&published, "bundle")?;
        self.in_use(&digest)?;
        Ok(digest)
    }

    /// Waits until every hospital uses the bundle.
    fn in_use(&self, digest: &str) -> Result<()> {
        self.every_site(|site| {
            self.federation.wait(&format!("{} to use bundle {digest}", site.name), || {
                let project = site.project(PROJECT)?;
                Ok(project.filter(|project| project["bundle"] == digest).map(|_| ()))
            })
        })
        .map(drop)
    }

    /// Imports each hospital's patients and waits for their prelabels; how many patients.
    fn import(&self) -> Result<u64> {
        let counts = self.every_site(|site| {
            let hospital = self.hospital(site)?;
            let table = site.folder.join("patients.csv");
            files::write_atomic(&table, &hospital.table()?, Access::Secret)?;
            site.agent.run(&["import", argument(&table)?, "--project", PROJECT])?;
            self.federation.wait(&format!("prelabels at {}", site.name), || {
                let project = site.project(PROJECT)?.context("the project vanished")?;
                let (items, prelabeled) =
                    (number(&project, "items")?, number(&project, "prelabeled")?);
                Ok((items == prelabeled && items > 0).then_some(items))
            })
        })?;
        Ok(counts.iter().sum())
    }

    /// Lets each hospital's people label until nothing is left.
    fn annotate(&self) -> Result<Work> {
        let mut total = Work::default();
        for work in self.every_site(|site| self.annotate_at(site))? {
            total += work;
        }
        Ok(total)
    }

    fn annotate_at(&self, site: &Site) -> Result<Work> {
        let charts = self.hospital(site)?.charts(self.project);
        let mut total = Work::default();
        loop {
            let before = total.annotations;
            for person in PEOPLE {
                let token = fs::read_to_string(site.folder.join(format!("{}.token", person.name)))?;
                let desk = Desk {
                    person,
                    site: site.name,
                    address: &site.address,
                    project: PROJECT,
                    token: token.trim().to_owned(),
                    charts: &charts,
                    classes: self.project.classes.len(),
                    draws: self.draws,
                    client: people::client(),
                    decisions: &self.decisions,
                };
                total += desk.work()?;
            }
            // A disagreement puts an item back into a queue, so look once more.
            if total.annotations == before {
                return Ok(total);
            }
        }
    }

    /// Each hospital's counts as they are now.
    fn snapshot(&self) -> Result<Vec<Value>> {
        self.every_site(|site| site.project(PROJECT)?.context("the project vanished"))
    }

    /// Closes each hospital's statistics window and waits until the coordinator has all four kinds.
    fn release_statistics(&self) -> Result<()> {
        self.every_site(|site| site.agent.run(&["release", "statistics", "--project", PROJECT]))?;
        self.sent()
    }

    /// Waits until every release of every hospital is acknowledged.
    fn sent(&self) -> Result<()> {
        self.every_site(|site| {
            self.federation.wait(&format!("{}'s releases to arrive", site.name), || {
                let status = site.agent.json(&["status"])?;
                let outbox = &status["outbox"];
                let (all, acknowledged) =
                    (number(outbox, "releases")?, number(outbox, "acknowledged")?);
                Ok((all > 0 && all == acknowledged).then_some(()))
            })
        })
        .map(drop)
    }

    /// Runs the training rounds until every hospital uses the new bundle; the run as the coordinator
    /// shows it, whose last candidate is that bundle.
    fn train(&self, first: &str) -> Result<Value> {
        let coordinator = &self.federation.coordinator;
        let started = coordinator.json(&[
            "round",
            "start",
            "--project",
            PROJECT,
            "--closes-in",
            ROUND_CLOSES_IN,
            "--force",
            UNEVALUATED,
        ])?;
        let run = text(&started, "run")?;
        let finished = self.federation.wait("the training rounds", || {
            let shown = coordinator.json(&["round", "show", &run])?;
            ensure!(shown["state"] != "abandoned", "the training run was abandoned: {shown}");
            Ok((shown["state"] == "finished").then_some(shown))
        })?;
        let last = text(&finished, "published")?;
        ensure!(last != first, "training published the bundle that it started from");
        self.in_use(&last)?;
        Ok(finished)
    }

    /// Relabels the slice that drifted most; the campaign as the coordinator shows it.
    fn campaign(&self) -> Result<Value> {
        let coordinator = &self.federation.coordinator;
        let made = coordinator.json(&[
            "campaign",
            "create",
            "--project",
            PROJECT,
            "--worst-slice",
            "--reference",
            REFERENCE,
            "--closes-in",
            CAMPAIGN_CLOSES_IN,
        ])?;
        let campaign = text(&made, "campaign")?;
        let targets: Vec<String> = made["sites"]
            .as_array()
            .context("the campaign's sites")?
            .iter()
            .filter_map(|site| site.as_str().map(str::to_owned))
            .collect();
        self.every_site(|site| {
            if !targets.iter().any(|target| target == site.name) {
                return Ok(());
            }
            self.federation.wait(&format!("the campaign to reach {}", site.name), || {
                let status = site.agent.json(&["status"])?;
                let campaigns =
                    status["campaigns"].as_array().context("campaigns in the status")?;
                let known = campaigns.iter().find(|known| known["campaign"] == campaign.as_str());
                Ok(known.filter(|known| known["state"] != "new").map(|_| ()))
            })?;
            self.annotate_at(site).map(drop)
        })?;
        let answered = self.federation.wait("the campaign's answers", || {
            let shown = coordinator.json(&["campaign", "show", &campaign])?;
            let sites = shown["sites"].as_array().context("the campaign's sites")?;
            let all = sites.iter().all(|site| site["answered"] == true);
            Ok(all.then_some(shown))
        })?;
        self.sent()?;
        Ok(answered)
    }

    /// Measures each round's bundle on the held-out patients, and attaches it for the dashboard.
    fn evaluate(&self, first: &str, run: &Value) -> Result<Vec<RoundOutcome>> {
        let mut bundles = vec![(0, first.to_owned())];
        for round in run["rounds"].as_array().context("the run's rounds")? {
            bundles.push((number(round, "round")?, text(round, "bundle")?));
        }
        let coordinator = &self.federation.coordinator;
        let mut rounds = Vec::new();
        for (round, digest) in bundles {
            let folder = self.home.join("evaluated").join(round.to_string());
            let folder = argument(&folder)?;
            coordinator.run(&["model", "export", &digest, "--out", folder])?;
            let accuracy_by_site = self.every_site(|site| self.accuracy(site, folder))?;
            let accuracy = accuracy_by_site.iter().sum::<f64>() / accuracy_by_site.len() as f64;
            let pairs = self.federation.sites.iter().zip(&accuracy_by_site);
            let figures: Vec<String> =
                pairs.map(|(site, accuracy)| format!("{}={accuracy:.4}", site.name)).collect();
            let figures = figures.join(",");
            coordinator.run(&["model", "evaluate", &digest, "--accuracy", &figures])?;
            rounds.push(RoundOutcome { round, accuracy, accuracy_by_site });
        }
        Ok(rounds)
    }

    /// Share of a hospital's held-out patients whom a bundle labels right.
    fn accuracy(&self, site: &Site, bundle: &str) -> Result<f64> {
        let (lines, truth) = self.hospital(site)?.held_out();
        let file = site.folder.join("held-out.jsonl");
        files::write_atomic(&file, lines.as_bytes(), Access::Secret)?;
        let answer = site.agent.run(&["prelabel", "--bundle", bundle, argument(&file)?])?;
        let mut right = 0;
        let mut seen = 0;
        for line in String::from_utf8(answer)?.lines() {
            let prelabel: Value = serde_json::from_str(line)?;
            let id = text(&prelabel, "id")?;
            let class = number(&prelabel, "class")?;
            seen += 1;
            right += usize::from(truth.get(&id).is_some_and(|truth| *truth as u64 == class));
        }
        ensure!(seen == truth.len(), "{seen} prelabels for {} held-out patients", truth.len());
        Ok(right as f64 / truth.len() as f64)
    }

    /// Runs `step` at every hospital at once; results in the order of the sites.
    fn every_site<T: Send>(&self, step: impl Fn(&Site) -> Result<T> + Sync) -> Result<Vec<T>> {
        let step = &step;
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .federation
                .sites
                .iter()
                .map(|site| scope.spawn(move || step(site).with_context(|| site.title)))
                .collect();
            let joined = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            joined.collect()
        })
    }

    fn hospital(&self, site: &Site) -> Result<&Hospital> {
        let found = self.hospitals.iter().find(|hospital| hospital.site == site.name);
        found.context("a site without a hospital")
    }
}

/// Rounds of a run whose updates were only seen added up.
fn noised_together(run: &Value) -> usize {
    let rounds = run["rounds"].as_array().map(Vec::as_slice).unwrap_or_default();
    rounds.iter().filter(|round| round["noise"] == "once for all sites").count()
}
