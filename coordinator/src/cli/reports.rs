//! Reports as tables: every estimate with its interval or its deviation.

use std::path::Path;

use anyhow::{Context, ensure};
use insitu_protocol::ids::{ProjectName, SiteName};

use super::arguments::{OfProject, Report};
use super::evaluation;
use super::output::{Output, table, time};
use super::setup::open;
use crate::agreement::calibration::{self, CalibrationFigures};
use crate::agreement::labels::{self, Labels};
use crate::agreement::{self, AgreementFigures, Estimate, PooledEstimate};
use crate::api::Office;
use crate::intake::fleet;
use crate::{drift, ledger};

pub(super) fn report(file: &Path, command: &Report) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    match command {
        Report::Labels(of) => labels_report(office, &project(office, of)?),
        Report::Agreement(of) => agreement_report(office, &project(office, of)?),
        Report::Calibration(of) => calibration_report(office, &project(office, of)?),
        Report::Evaluation(of) => evaluation::report(office, Some(&project(office, of)?)),
        Report::Drift { of, reference } => drift_report(office, &project(office, of)?, reference),
        Report::Fleet => fleet_report(office),
        Report::Budget { project } => budget_report(office, project.as_ref()),
    }
}

/// The project asked for, or the only one there is.
fn project(office: &Office, of: &OfProject) -> anyhow::Result<ProjectName> {
    if let Some(project) = &of.project {
        return Ok(project.clone());
    }
    let mut projects = office.store.read("projects", |tx| tx.projects())?;
    ensure!(projects.len() < 2, "there are {} projects: say which with --project", projects.len());
    let only = projects.pop().context("there is no project yet")?;
    Ok(only.name)
}

fn labels_report(office: &Office, project: &ProjectName) -> anyhow::Result<Output> {
    let report = labels::report(&office.store, project)?;
    let row = |site: String, labels: &Labels| {
        let by_class = report.classes.iter().zip(&labels.by_class);
        let by_class: Vec<String> = by_class
            .map(|(class, count)| format!("{class} {count} ± {:.0}", 1.96 * labels.sd_by_class))
            .collect();
        let total = format!("{} ± {:.0}", labels.total, 1.96 * labels.sd_total);
        [site, labels.windows.to_string(), total, by_class.join(", ")]
    };
    let mut rows: Vec<[String; 4]> =
        report.sites.iter().map(|site| row(site.site.to_string(), &site.labels)).collect();
    rows.extend(report.together.as_ref().map(|source| row(source.source.clone(), &source.labels)));
    rows.extend(report.overall.as_ref().map(|labels| row("all".to_owned(), labels)));
    Output::new(&report, table(["site", "windows", "labels", "by class (95 %)"], &rows))
}

fn agreement_report(office: &Office, project: &ProjectName) -> anyhow::Result<Output> {
    let report = agreement::report(&office.store, project)?;
    let row = |site: &str, figures: &AgreementFigures| {
        [
            site.to_owned(),
            figures.windows.to_string(),
            figures.n.to_string(),
            estimate(&figures.kappa),
            estimate(&figures.alpha),
            estimate(&figures.agreement),
        ]
    };
    let mut rows: Vec<[String; 6]> =
        report.sites.iter().map(|site| row(site.site.as_str(), &site.figures)).collect();
    rows.extend(report.together.as_ref().map(|source| row(&source.source, &source.figures)));
    rows.push(row("all", &report.overall));
    rows.push([
        "mean of sites".to_owned(),
        String::new(),
        String::new(),
        pooled(&report.pooled.kappa),
        pooled(&report.pooled.alpha),
        String::new(),
    ]);
    let heading =
        ["site", "windows", "items", "κ model-people", "α reader-reader", "prelabels kept"];
    Output::new(&report, table(heading, &rows))
}

fn calibration_report(office: &Office, project: &ProjectName) -> anyhow::Result<Output> {
    let report = calibration::report(&office.store, project)?;
    let row = |site: &str, figures: &CalibrationFigures| match figures {
        CalibrationFigures::Known { n, error, error_deviation, error_if_perfect, bins, .. } => {
            let bins = bins.iter().map(|bin| {
                let accuracy = bin.accuracy.map_or_else(
                    || "too few".to_owned(),
                    |share| format!("{:.2} [{:.2}, {:.2}]", share.value, share.low, share.high),
                );
                format!("{:.2}–{:.2}: {accuracy}", bin.from, bin.to)
            });
            [
                site.to_owned(),
                format!("{n:.0}"),
                format!("{error:.3} ± {:.3}", 1.96 * error_deviation),
                format!("{error_if_perfect:.3}"),
                bins.collect::<Vec<String>>().join("  "),
            ]
        }
        CalibrationFigures::Undefined { undefined } => {
            [site.to_owned(), String::new(), undefined.clone(), String::new(), String::new()]
        }
    };
    let mut rows: Vec<[String; 5]> =
        report.sites.iter().map(|site| row(site.site.as_str(), &site.figures)).collect();
    rows.extend(report.together.as_ref().map(|source| row(&source.source, &source.figures)));
    rows.push(row("all", &report.overall));
    let heading = ["site", "items", "calibration error", "if perfect", "right by confidence"];
    Output::new(&report, table(heading, &rows))
}

fn drift_report(
    office: &Office,
    project: &ProjectName,
    reference: &SiteName,
) -> anyhow::Result<Output> {
    let report = drift::report(&office.store, project, reference)?;
    let sites = report.tests.iter().map(|test| (test.site.to_string(), &test.comparison));
    let together = report.together.iter().map(|test| (test.source.clone(), &test.comparison));
    let mut rows: Vec<[String; 6]> = sites
        .chain(together)
        .map(|(source, test)| {
            let worst = &test.worst_bin;
            [
                source,
                test.feature.clone(),
                if test.drifted { "drifted" } else { "-" }.to_owned(),
                format!("{:.4}", test.p_adjusted),
                format!("{:.3} ± {:.3}", test.effect, 1.96 * test.effect_sd),
                format!(
                    "{}: {:+.0} ± {:.0} points",
                    worst.title,
                    100.0 * worst.excess,
                    196.0 * worst.sd
                ),
            ]
        })
        .collect();
    rows.extend(report.undefined.iter().map(|test| {
        let (site, feature) = (test.site.to_string(), test.feature.clone());
        [site, feature, test.reason.clone(), String::new(), String::new(), String::new()]
    }));
    let heading =
        ["site", "feature", "against the reference", "p (adjusted)", "effect", "most in excess"];
    let text = format!(
        "reference {reference}, level {} over all tests\n{}",
        report.level,
        table(heading, &rows)
    );
    Output::new(&report, text)
}

fn fleet_report(office: &Office) -> anyhow::Result<Output> {
    let report = fleet::report(&office.store)?;
    let mut rows: Vec<[String; 7]> = Vec::new();
    for site in &report.sites {
        for agent in &site.agents {
            let facts = agent.facts;
            let tenths = |value: Option<u8>| value.map_or_else(String::new, |v| format!("{v}/10"));
            rows.push([
                site.site.to_string(),
                agent.agent.to_string(),
                agent.last_seen.map_or_else(|| "never".to_owned(), time),
                facts.map_or_else(String::new, |f| f.version.map(|v| v.to_string()).join(".")),
                facts.map_or_else(String::new, |f| format!("{:?}", f.engine)),
                tenths(facts.map(|facts| facts.memory_tenths)),
                site.releases.to_string(),
            ]);
        }
    }
    let heading = ["site", "agent", "last seen", "version", "engine", "memory", "releases"];
    let mut text = table(heading, &rows);
    for alert in &report.alerts {
        let (site, agent) = (&alert.site, &alert.agent);
        let last = time(alert.last);
        text.push_str(&format!(
            "look at {site}/{agent}: {} × {}, last {last}\n",
            alert.times, alert.kind
        ));
    }
    Output::new(&report, text)
}

fn budget_report(office: &Office, project: Option<&ProjectName>) -> anyhow::Result<Output> {
    let report = ledger::report(&office.store, project)?;
    let mut rows: Vec<[String; 6]> = Vec::new();
    for site in &report.sites {
        for charge in &site.charges {
            rows.push([
                site.site.to_string(),
                charge.project.to_string(),
                charge.kind.clone(),
                charge.releases.to_string(),
                format!("{:.9}", charge.nano_rho as f64 * 1e-9),
                format!("{:.3}", charge.epsilon),
            ]);
        }
        rows.push([
            site.site.to_string(),
            "all".to_owned(),
            "all".to_owned(),
            site.releases.to_string(),
            format!("{:.9}", site.nano_rho as f64 * 1e-9),
            format!("{:.3}", site.epsilon),
        ]);
    }
    let heading = ["site", "project", "kind", "releases", "rho", "epsilon"];
    let text = format!("epsilon at delta {:e}\n{}", report.delta, table(heading, &rows));
    Output::new(&report, text)
}

pub(super) fn estimate(estimate: &Estimate) -> String {
    match estimate {
        Estimate::Known { value, low, high, .. } => format!("{value:.2} [{low:.2}, {high:.2}]"),
        Estimate::Undefined { undefined } => undefined.clone(),
    }
}

fn pooled(estimate: &PooledEstimate) -> String {
    match estimate {
        PooledEstimate::Known { value, low, high, .. } => {
            format!("{value:.2} [{low:.2}, {high:.2}]")
        }
        PooledEstimate::Undefined { undefined } => undefined.clone(),
    }
}
