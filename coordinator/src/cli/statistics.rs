//! Statistics that the sites add up under secure aggregation.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use humantime_serde::re::humantime;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{ProjectName, SiteName};
use serde_json::json;

use super::output::{Output, table, time};
use super::setup::open;
use crate::jobs::abandon;
use crate::jobs::collection::{self, Plan};
use crate::session::report::{self, CollectionReport};
use crate::store::CollectionState;

#[derive(Debug, Subcommand)]
pub(super) enum Statistics {
    /// Ask the sites for a window that is only seen added up, with the noise of one site
    Collect(Collect),
    /// List the collections
    List {
        /// Only of this project
        #[arg(long)]
        project: Option<ProjectName>,
    },
    /// Show a collection and how far it got
    Show {
        /// The collection's id
        #[arg(value_parser = super::arguments::id)]
        collection: Fixed<16>,
    },
    /// End a collection without a sum: no site is asked any more
    ///
    /// What sites were charged stays charged.
    Abandon {
        /// The collection's id
        #[arg(value_parser = super::arguments::id)]
        collection: Fixed<16>,
        /// Why; `statistics show` says so
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Collect {
    /// The project
    #[arg(long)]
    project: ProjectName,
    /// How long the sites have, from now
    #[arg(long, default_value = "2h", value_parser = humantime::parse_duration)]
    deadline: Duration,
    /// Only these sites, separated by commas
    #[arg(long, value_delimiter = ',')]
    sites: Option<Vec<SiteName>>,
    /// Sites that may collude with the coordinator [default: 0, or 1 from five sites on]
    #[arg(long)]
    colluders: Option<u8>,
}

pub(super) fn statistics(file: &Path, command: Statistics) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    match command {
        Statistics::Collect(Collect { project, deadline, sites, colluders }) => {
            let plan = Plan { project, sites, closes_in: deadline, colluders };
            let id = collection::start(&office.store, &plan, office.now_unix_s())?;
            let text = format!(
                "collection {id} has started; follow it with `insitu-coordinator statistics show {id}`"
            );
            Output::new(&json!({"collection": id, "project": plan.project}), text)
        }
        Statistics::List { project } => {
            let collections = report::collections(&office.store, project.as_ref())?;
            let rows: Vec<[String; 5]> = collections
                .iter()
                .map(|collection| {
                    [
                        collection.collection.to_string(),
                        collection.project.to_string(),
                        collection.state.to_owned(),
                        collection.sites.len().to_string(),
                        time(collection.started),
                    ]
                })
                .collect();
            let heading = ["collection", "project", "state", "sites", "started"];
            Output::new(&collections, table(heading, &rows))
        }
        Statistics::Show { collection: id } => match report::collection(&office.store, id)? {
            Some(report) => Output::new(&report, text(&report)),
            None => bail!("there is no collection {id}"),
        },
        Statistics::Abandon { collection, reason } => {
            abandon::collection(&office.store, collection, &reason, office.now_unix_s())?;
            let state = CollectionState::Abandoned.name();
            let text = format!("collection {collection} is abandoned");
            Output::new(&json!({"collection": collection, "state": state}), text)
        }
    }
}

fn text(report: &CollectionReport) -> String {
    let rows: Vec<[String; 2]> =
        report.sites.iter().map(|site| [site.site.to_string(), site.state.to_owned()]).collect();
    let reason = report.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let needed = match (report.threshold, report.colluders) {
        (Some(threshold), Some(colluders)) => format!(
            "{threshold} sites must answer, {colluders} may collude with the coordinator; \
             attempt {}\n",
            report.attempts
        ),
        _ => String::new(),
    };
    format!(
        "collection {} of {} is {}{reason}\n{needed}{}",
        report.collection,
        report.project,
        report.state,
        table(["site", "state"], &rows)
    )
}
