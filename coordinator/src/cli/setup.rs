//! Making a federation, running the coordinator, and who belongs to it.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use insitu_daemon::clock::SystemClock;
use insitu_daemon::files::{self, Access};
use insitu_daemon::link::reset::ResetKey;
use insitu_daemon::link::server;
use insitu_daemon::{shutdown, telemetry};
use insitu_protocol::ids::SiteName;
use serde_json::json;

use super::arguments::{Init, Serve, Site, Token};
use super::output::{Output, table, time};
use crate::config::{self, Config};
use crate::intake::{enrollment, fleet};
use crate::round::report::runs;
use crate::store::StoreError;
use crate::{Coordinator, ServeError, Web, downlink, write_config};

/// How long the daemon may take to stop after a signal.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// Threads for the link and the dashboard: what blocks runs on others.
const WORKERS: usize = 2;
/// Threads for what blocks: the store has one connection, objects are read beside it.
const BLOCKING_MAX: usize = 8;

pub(super) fn init(arguments: &Init) -> anyhow::Result<Output> {
    let Init { dir, federation, listen, http } = arguments;
    let file = dir.join(config::FILE);
    ensure!(!file.exists(), "{} is there already: nothing was changed", file.display());
    ensure!(http.ip().is_loopback(), "--http {http}: the dashboard listens on loopback only");
    files::create_folder(dir)?;
    write_config(&file, &config::example(federation, *listen, *http))?;
    let config = Config::read(&file)?;
    Coordinator::create(&config, federation.clone(), Arc::new(SystemClock))?;
    let report = json!({"config": file, "federation": federation, "link": listen, "http": http});
    let text = format!(
        "Federation {federation} is made. Its keys are in {}: back that folder up and keep it closed.\n\
         Next: insitu-coordinator --config {} serve",
        config.data.display(),
        file.display()
    );
    Output::new(&report, text)
}

pub(super) fn open(file: &Path) -> anyhow::Result<Coordinator> {
    let config = Config::read(file).with_context(|| {
        format!(
            "{} (make one with `insitu-coordinator init --dir DIR --federation NAME`)",
            file.display()
        )
    })?;
    Ok(Coordinator::open(config, Arc::new(SystemClock))?)
}

pub(super) fn serve(file: &Path, arguments: &Serve) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let config = coordinator.office().config.clone();
    if arguments.check {
        let report =
            json!({"checked": true, "federation": coordinator.office().authority.federation()});
        return Output::new(&report, "configuration, keys and store are sound");
    }
    telemetry::init(config.log.format, &config.log.filter)?;
    let metrics = telemetry::metrics()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let http = |source: io::Error| ServeError::Http { source };
        let listener = TcpListener::bind(config.http.listen).map_err(http)?;
        let key = ResetKey::load_or_create(&config.reset_key_file())?;
        let endpoint = server::endpoint(config.link.listen, &key).map_err(ServeError::from)?;
        tracing::info!(link = %config.link.listen, http = %config.http.listen, "serving");
        let web = Some(Web { listener, metrics });
        let served = shutdown::until_signal(STOP_WITHIN, |shutdown| {
            coordinator.serve(endpoint, web, shutdown)
        });
        match served.await? {
            Some(served) => Ok(served?),
            None => bail!(io::Error::other("the coordinator did not stop in time")),
        }
    })?;
    Output::new(&json!({"stopped": true}), "")
}

pub(super) fn status(file: &Path) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    let serving =
        matches!(files::lock(&office.config.lock_file()), Err(files::FileError::Locked { .. }));
    let fleet = fleet::report(&office.store)?;
    let open_runs: Vec<String> = runs(&office.store, None)?
        .into_iter()
        .filter(|run| run.state == "open")
        .map(|run| run.run.to_string())
        .collect();
    let projects = office.store.read("projects", |tx| tx.projects())?;
    let members = fleet.sites.iter().filter(|site| site.revoked.is_none()).count();
    let report = json!({
        "federation": office.authority.federation(),
        "serving": serving,
        "link": office.config.link.listen.to_string(),
        "http": office.config.http.listen.to_string(),
        "data": office.config.data,
        "bundle_key": office.key.public().0,
        "sites": members,
        "projects": projects.iter().map(|project| &project.name).collect::<Vec<_>>(),
        "open_runs": open_runs,
        "alerts": fleet.alerts,
    });
    let mut text = format!(
        "federation {}, {}\nagents connect to {}, the dashboard is http://{}/\n\
         {members} site(s), {} project(s), {} open training run(s)\n",
        office.authority.federation(),
        if serving { "serving" } else { "not serving: `insitu-coordinator serve`" },
        office.config.link.listen,
        office.config.http.listen,
        projects.len(),
        open_runs.len(),
    );
    for alert in &fleet.alerts {
        text.push_str(&format!(
            "look at {}/{}: {} × {}, last {}\n",
            alert.site,
            alert.agent,
            alert.times,
            alert.kind,
            time(alert.last)
        ));
    }
    Output::new(&report, text)
}

pub(super) fn site(file: &Path, command: &Site) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    let now = office.now_unix_s();
    match command {
        Site::Add { name } => {
            add(&coordinator, name)?;
            let hint = format!(
                "{name} is a member. Next: insitu-coordinator token --site {name} --token-file {name}.token"
            );
            Output::new(&json!({"site": name}), hint)
        }
        Site::List => {
            let fleet = fleet::report(&office.store)?;
            let rows: Vec<[String; 4]> = fleet
                .sites
                .iter()
                .map(|site| {
                    let state = if site.revoked.is_some() { "revoked" } else { "member" };
                    let seen = site.agents.iter().filter_map(|agent| agent.last_seen).max();
                    [
                        site.site.to_string(),
                        state.to_owned(),
                        site.agents.len().to_string(),
                        seen.map_or_else(|| "never".to_owned(), time),
                    ]
                })
                .collect();
            Output::new(&fleet.sites, table(["site", "state", "agents", "last seen"], &rows))
        }
        Site::Revoke { name } => {
            ensure!(
                office.store.write("revoke", |tx| tx.revoke_site(name, now))?,
                "{name} is not a member"
            );
            let text = format!("{name} is revoked: a running coordinator ends its connections");
            Output::new(&json!({"site": name, "revoked": true}), text)
        }
    }
}

fn add(coordinator: &Coordinator, name: &SiteName) -> anyhow::Result<()> {
    let office = coordinator.office();
    let now = office.now_unix_s();
    let (new, member) = office.store.write("add_site", |tx| {
        let new = tx.add_site(name, now)?;
        if new {
            downlink::welcome(tx, name, now)?;
        }
        Ok::<_, StoreError>((new, tx.is_member(name)?))
    })?;
    ensure!(member, "{name} was revoked and does not come back: choose another name");
    ensure!(new, "{name} is a member already");
    Ok(())
}

pub(super) fn token(file: &Path, arguments: &Token) -> anyhow::Result<Output> {
    let Token { site, token_file, valid } = arguments;
    let coordinator = open(file)?;
    let office = coordinator.office();
    ensure!(!token_file.exists(), "{} is there already: nothing was changed", token_file.display());
    let now = office.clock.now();
    let token =
        enrollment::make_token(&office.store, &office.authority, site, *valid, now.as_second())?;
    files::create(token_file, format!("{token}\n").as_bytes(), Access::Secret)?;
    let report = json!({
        "site": site,
        "token_file": token_file,
        "expires": now.checked_add(*valid)?,
    });
    let text = format!(
        "{} lets one agent of {site} join, once, within {}. Bring it there by a way you trust:\n\
         insitu-agent enroll --coordinator HOST:{} --token-file {}",
        token_file.display(),
        humantime_serde::re::humantime::format_duration(*valid),
        office.config.link.listen.port(),
        token_file.file_name().unwrap_or_default().display()
    );
    Output::new(&report, text)
}
