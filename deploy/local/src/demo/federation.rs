//! One coordinator and four agents on this machine, set up the way an operator would do it.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use insitu_daemon::files::{self, Access};
use serde_json::Value;

use super::data::Hospital;
use super::people::PEOPLE;
use super::process::{Daemon, Program, argument};
use crate::clock::until;

/// How long a step may take before the demonstration gives up: generous, since daemons may be
/// killed and started again meanwhile.
const STEP_WITHIN: Duration = Duration::from_secs(480);
/// The ceiling of a site's year unless more is asked for.
const EPSILON_CEILING: f64 = 3.0;

/// The running federation. Everything stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Federation {
    /// The coordinator.
    pub(crate) coordinator: Program,
    /// Its dashboard, as `host:port`.
    pub(crate) dashboard: String,
    /// The sites.
    pub(crate) sites: Vec<Site>,
    daemon: Daemon,
}

/// One site's agent.
#[derive(Debug)]
pub(crate) struct Site {
    /// The site's name.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// The agent.
    pub(crate) agent: Program,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Its local API, as `host:port`.
    pub(crate) address: String,
    /// Its daemon, once it runs.
    pub(crate) daemon: Option<Daemon>,
}

/// What the steward of each site allows, in the demonstration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    /// The backbone that heads may be trained over.
    pub(crate) backbone: &'a str,
    /// Highest ε of one training run.
    pub(crate) epsilon_run: f64,
    /// Highest ε of everything in a year.
    pub(crate) epsilon_year: f64,
}

impl Federation {
    /// Makes the certificate authority and starts the coordinator.
    ///
    /// # Errors
    /// When a command fails or the coordinator does not come up.
    pub(crate) fn found(home: &Path) -> Result<Self> {
        let folder = home.join("coordinator");
        let link = format!("127.0.0.1:{}", free_udp_port()?);
        let dashboard = format!("127.0.0.1:{}", free_tcp_port()?);
        let coordinator = Program { name: "coordinator", config: folder.join("coordinator.toml") };
        let place = argument(&folder)?;
        coordinator.run(&[
            "init",
            "--dir",
            place,
            "--federation",
            "demo",
            "--listen",
            &link,
            "--http",
            &dashboard,
        ])?;
        let daemon = coordinator.daemon(&["serve"], &folder)?;
        let federation = Self { coordinator, dashboard, sites: Vec::new(), daemon };
        ready(&federation.dashboard, &federation.daemon)?;
        Ok(federation)
    }

    /// Lets a hospital join: token, enrollment, people, daemon.
    ///
    /// # Errors
    /// When a command fails or the agent does not come up.
    pub(crate) fn join(
        &mut self,
        home: &Path,
        hospital: &Hospital,
        policy: Policy<'_>,
    ) -> Result<()> {
        let folder = home.join("sites").join(hospital.site);
        fs::create_dir_all(&folder)?;
        let token = folder.join("token");
        self.coordinator.run(&["site", "add", hospital.site])?;
        self.coordinator.run(&[
            "token",
            "--site",
            hospital.site,
            "--token-file",
            argument(&token)?,
        ])?;

        let agent = Program { name: "agent", config: folder.join("agent.toml") };
        agent.run(&["init", "--dir", argument(&folder)?, "--site", hospital.site])?;
        let address = format!("127.0.0.1:{}", free_tcp_port()?);
        let link = self.link_address()?;
        files::write_atomic(
            &agent.config,
            configuration(hospital.site, &address, &link, policy).as_bytes(),
            Access::Secret,
        )?;
        // The coordinator may be restarting: the same token and key may ask again.
        let token = argument(&token)?;
        until(&format!("{} to enroll", hospital.title), STEP_WITHIN, || {
            let enroll = agent.run(&["enroll", "--coordinator", &link, "--token-file", token]);
            if self.daemon.restarts() == 0 { enroll.map(Some) } else { Ok(enroll.ok()) }
        })?;
        for person in PEOPLE {
            let token = folder.join(format!("{}.token", person.name));
            let token = argument(&token)?;
            let arguments = ["person", "add", person.name, "--role", person.role];
            agent.run(&[&arguments[..], &["--token-file", token]].concat())?;
        }
        let daemon = agent.daemon(&["run"], &folder)?;
        ready(&address, &daemon)?;
        let (name, title) = (hospital.site, hospital.title);
        self.sites.push(Site { name, title, agent, folder, address, daemon: Some(daemon) });
        Ok(())
    }

    /// Waits until `look` finds something; fails early when a daemon is beyond help.
    ///
    /// # Errors
    /// As [`until`].
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        until(what, STEP_WITHIN, || {
            self.daemon.check()?;
            self.sites
                .iter()
                .filter_map(|site| site.daemon.as_ref())
                .try_for_each(Daemon::check)?;
            look()
        })
    }

    /// How often daemons had to be started again.
    pub(crate) fn restarts(&self) -> u32 {
        self.daemons().map(Daemon::restarts).sum()
    }

    /// Most memory resident in each daemon, summed, in bytes.
    pub(crate) fn memory_bytes_peak(&self) -> u64 {
        self.daemons().map(Daemon::memory_bytes_peak).sum()
    }

    /// Processor time of all agents so far, in seconds; of one that was killed, since then.
    pub(crate) fn agents_cpu_seconds(&self) -> f64 {
        let agents = self.sites.iter().filter_map(|site| site.daemon.as_ref());
        agents.map(Daemon::cpu_seconds).sum()
    }

    /// Most memory resident in any one agent, in bytes.
    pub(crate) fn agent_memory_bytes_peak(&self) -> u64 {
        let agents = self.sites.iter().filter_map(|site| site.daemon.as_ref());
        agents.map(Daemon::memory_bytes_peak).max().unwrap_or(0)
    }

    fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        self.sites.iter().filter_map(|site| site.daemon.as_ref()).chain([&self.daemon])
    }

    fn link_address(&self) -> Result<String> {
        let status = self.coordinator.json(&["status"])?;
        status["link"].as_str().map(str::to_owned).context("the coordinator's address")
    }
}

impl Site {
    /// The agent's view of its project.
    ///
    /// # Errors
    /// When the command fails.
    pub(crate) fn project(&self, name: &str) -> Result<Option<Value>> {
        let status = self.agent.json(&["status"])?;
        Ok(project_of(&status, name)?.cloned())
    }
}

/// A project in what an agent says of itself.
///
/// # Errors
/// When it lists no projects at all.
pub(crate) fn project_of<'a>(status: &'a Value, name: &str) -> Result<Option<&'a Value>> {
    let projects = status["projects"].as_array().context("projects in the status")?;
    Ok(projects.iter().find(|project| project["name"] == name))
}

/// Waits until a daemon says that it is ready.
fn ready(address: &str, daemon: &Daemon) -> Result<()> {
    let client = super::people::client();
    let url = format!("http://{address}/readyz");
    until(&format!("{address} to be ready"), STEP_WITHIN, || {
        daemon.check()?;
        let answer = client.get(&url).call();
        Ok(answer.ok().filter(|answer| answer.status().is_success()).map(|_| ()))
    })
}

/// An agent's configuration for the demonstration: everything else is left at its default.
fn configuration(site: &str, api: &str, link: &str, policy: Policy<'_>) -> String {
    let Policy { backbone, epsilon_run, epsilon_year } = policy;
    // Whoever asks the demonstration for more than the default ceiling has decided so.
    let epsilon_ceiling = epsilon_year.max(EPSILON_CEILING);
    format!(
        r#"# Written by the demonstration; `insitu-agent init` writes one with every setting explained.
site = "{site}"
data = "data"

[coordinator]
address = "{link}"

[api]
listen = "{api}"

[uplink]
slot = "300ms"
poll = "300ms"

[[project]]
name = "heart-disease"
id = "id"
subject = "id"
holdout = {{ column = "use", value = "hold-out" }}

# The demonstration has no time to earn it: `status` says that it is assumed.
[project.acceptance]
assume = true

# This machine has nothing else to do for as long as the demonstration takes.
[polite]
enabled = false

[policy]
epsilon_year = {epsilon_year:?}
epsilon_ceiling = {epsilon_ceiling:?}
delta = 1e-6
epsilon_window = 1.6
epsilon_run = {epsilon_run:?}
epsilon_campaign = 1.0
minimum_cohort = 50
backbones = ["{backbone}"]
approve_models = "approved-backbones"
approve_campaigns = "within-policy"
"#
    )
}

fn free_udp_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn free_tcp_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
