//! The last step: asking every program for its final figures.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::federation::{Site, project_of};
use super::fields::{number, real, text};
use super::outcome::{Drift, Left, Outcome, Redaction, RoundOutcome, SiteOutcome};
use super::people::{PEOPLE, Work};
use super::process;
use super::story::{PROJECT, REFERENCE, Stage};
use crate::clock::Stopwatch;

/// Pieces of personal data in a note.
const IDENTIFIERS: usize = 5;

/// What the steps found, before the last questions are asked.
pub(crate) struct Collected {
    /// What `--seed` was.
    pub(crate) seed: u64,
    /// Since the beginning.
    pub(crate) start: Stopwatch,
    /// What the people did.
    pub(crate) work: Work,
    /// Each hospital's counts when labeling was done.
    pub(crate) labeled: Vec<Value>,
    /// Measured on held-out patients.
    pub(crate) rounds: Vec<RoundOutcome>,
    /// As the coordinator shows it.
    pub(crate) campaign: Value,
    /// Processor time of an agent for a training round.
    pub(crate) cpu_seconds_per_round: f64,
}

impl Stage<'_> {
    /// Asks every program for its final figures.
    pub(crate) fn collect(&self, found: Collected) -> Result<Outcome> {
        let coordinator = &self.federation.coordinator;
        let agreement = coordinator.json(&["report", "agreement", "--project", PROJECT])?;
        let drift_report = coordinator.json(&[
            "report",
            "drift",
            "--project",
            PROJECT,
            "--reference",
            REFERENCE,
        ])?;
        let drift = drifts(&drift_report)?;
        let last = found.rounds.last().context("no rounds")?;
        let first = found.rounds.first().context("no rounds")?;
        let mut sites = Vec::new();
        let mut engine = String::new();
        for (index, site) in self.federation.sites.iter().enumerate() {
            let status = site.agent.json(&["status"])?;
            engine = text(&status, "engine")?;
            let mut outcome = self.site_outcome(site, &status, &found.labeled[index])?;
            outcome.set_agreement(&agreement);
            outcome.drifted = drift
                .iter()
                .filter(|drift| drift.drifted && drift.site == site.name)
                .map(|drift| drift.feature.clone())
                .collect();
            outcome.accuracy_first = first.accuracy_by_site[index];
            outcome.accuracy_last = last.accuracy_by_site[index];
            sites.push(outcome);
        }
        let own = process::memory_bytes_peak("self");
        Ok(Outcome {
            seed: found.seed,
            seconds: found.start.seconds(),
            engine,
            simulated_annotators: true,
            slips_per_thousand: PEOPLE.map(|p| (p.name.to_owned(), p.slips_per_thousand)).into(),
            sites,
            overall: agreement["overall"].clone(),
            drift,
            rounds: found.rounds,
            campaigns: vec![found.campaign],
            redaction: Redaction {
                notes: found.work.notes,
                identifiers: found.work.notes * IDENTIFIERS,
                leaked: found.work.leaked,
            },
            restarts: self.federation.restarts(),
            memory_bytes_peak: own + self.federation.memory_bytes_peak(),
            agent_memory_bytes_peak: self.federation.agent_memory_bytes_peak(),
            agent_cpu_seconds_per_round: found.cpu_seconds_per_round,
        })
    }

    fn site_outcome(&self, site: &Site, status: &Value, labeled: &Value) -> Result<SiteOutcome> {
        let outbox = site.agent.json(&["outbox", "list"])?;
        // A failed verification is a finding, not a failure of the demonstration.
        let verified = site.agent.json(&["outbox", "verify"]).is_ok_and(|v| v["verified"] == true);
        let (releases, bytes_sent) = left(&outbox)?;
        let project = project_of(status, PROJECT)?.context("the project vanished")?;
        Ok(SiteOutcome {
            site: site.name.to_owned(),
            title: site.title.to_owned(),
            items: number(labeled, "items")?,
            holdout: number(labeled, "holdout")?,
            prelabeled: number(labeled, "prelabeled")?,
            auto_accepted: number(labeled, "auto_accepted")?,
            corrected: number(labeled, "corrected")?,
            annotations: number(project, "annotations")?,
            kappa: None,
            kappa_low: None,
            kappa_high: None,
            alpha: None,
            alpha_low: None,
            alpha_high: None,
            drifted: Vec::new(),
            epsilon_spent: real(&status["budget"], "epsilon_spent")?,
            epsilon_allowed: real(&status["budget"], "epsilon_allowed")?,
            bytes_sent,
            releases,
            accuracy_first: 0.0,
            accuracy_last: 0.0,
            outbox_verified: verified,
        })
    }
}

impl SiteOutcome {
    /// Takes the site's agreement from the coordinator's report; what is undefined stays `None`.
    fn set_agreement(&mut self, report: &Value) {
        let sites = report["sites"].as_array();
        let found = sites.and_then(|sites| sites.iter().find(|s| s["site"] == self.site.as_str()));
        let Some(found) = found else { return };
        let kappa = &found["kappa"];
        self.kappa = kappa["value"].as_f64();
        self.kappa_low = kappa["low"].as_f64();
        self.kappa_high = kappa["high"].as_f64();
        let alpha = &found["alpha"];
        self.alpha = alpha["value"].as_f64();
        self.alpha_low = alpha["low"].as_f64();
        self.alpha_high = alpha["high"].as_f64();
    }
}

fn drifts(report: &Value) -> Result<Vec<Drift>> {
    let tests = report["tests"].as_array().context("the drift report's tests")?;
    tests
        .iter()
        .map(|test| {
            Ok(Drift {
                site: text(test, "site")?,
                feature: text(test, "feature")?,
                effect: real(test, "effect")?,
                effect_sd: real(test, "effect_sd")?,
                p_value: real(test, "p_value")?,
                drifted: test["drifted"] == true,
                worst_bin: test["worst_bin"]["title"].as_str().unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

/// What left a building, by kind, and the bytes of all of it.
fn left(outbox: &Value) -> Result<(Vec<Left>, u64)> {
    let mut kinds: Vec<Left> = Vec::new();
    let mut place: HashMap<String, usize> = HashMap::new();
    for release in outbox.as_array().context("the outbox's list")? {
        let (kind, bytes) = (text(release, "kind")?, number(release, "bytes")?);
        let index = *place.entry(kind.clone()).or_insert_with(|| {
            kinds.push(Left { kind, count: 0, bytes: 0 });
            kinds.len() - 1
        });
        kinds[index].count += 1;
        kinds[index].bytes += bytes;
    }
    let bytes = kinds.iter().map(|left| left.bytes).sum();
    Ok((kinds, bytes))
}
