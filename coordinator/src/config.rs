//! The coordinator's configuration, and where it keeps its files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use insitu_daemon::config::{self, ConfigError};
use insitu_daemon::telemetry::LogFormat;
use insitu_protocol::ids::{FederationName, SiteName};
use serde::Deserialize;

/// The configuration's file in the folder that `init` makes.
pub const FILE: &str = "coordinator.toml";

/// `coordinator.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of everything the coordinator keeps; a relative path starts at the file's folder.
    pub data: PathBuf,
    /// Where agents connect.
    pub link: Link,
    /// Where people look.
    pub http: Http,
    /// Training rounds.
    #[serde(default)]
    pub rounds: Rounds,
    /// Agents' certificates.
    #[serde(default)]
    pub certificates: Certificates,
    /// The team's own registry of models, if there is one.
    #[serde(default)]
    pub mlflow: Option<Mlflow>,
    /// The log.
    #[serde(default)]
    pub log: Log,
}

/// An MLflow server in which published models are registered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlflow {
    /// Its address: `http://…` or `https://…`.
    pub url: String,
    /// File with the bearer token that it asks for, readable by its owner alone; a relative path
    /// starts at the configuration's folder.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Certificate authorities (PEM) that an `https` server is checked by.
    #[serde(default = "system_authorities")]
    pub ca_file: PathBuf,
    /// The experiment of the runs; by default `insitu-` and the federation's name.
    #[serde(default)]
    pub experiment: Option<String>,
}

fn system_authorities() -> PathBuf {
    PathBuf::from("/etc/ssl/certs/ca-certificates.crt")
}

/// Where agents connect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// UDP address for QUIC.
    pub listen: SocketAddr,
}

/// Where people look.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// TCP address of the dashboard, the API and the metrics. Without accounts it must be
    /// loopback.
    pub listen: SocketAddr,
    /// Names under which a reverse proxy may call it.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The site that the dashboard compares the others with; by default the first by name.
    #[serde(default)]
    pub reference: Option<SiteName>,
}

/// Training rounds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rounds {
    /// How long a round waits for updates, unless the command says otherwise.
    #[serde(with = "humantime_serde")]
    pub closes_in: Duration,
    /// How often deadlines are looked at.
    #[serde(with = "humantime_serde")]
    pub tick: Duration,
}

/// Agents' certificates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Certificates {
    /// Life of an agent's certificate; agents renew it at two thirds.
    #[serde(with = "humantime_serde")]
    pub agent_life: Duration,
}

/// The log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// `info`, or `info,insitu_coordinator=debug`.
    pub filter: String,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { closes_in: Duration::from_secs(3600), tick: Duration::from_millis(200) }
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self { agent_life: insitu_daemon::authority::AGENT_LIFE }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl Config {
    /// Reads the configuration file `path`.
    ///
    /// # Errors
    /// [`ConfigError`], with the file and the line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = config::read(path)?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        config.data = folder.join(&config.data);
        if let Some(mlflow) = &mut config.mlflow {
            mlflow.token_file = mlflow.token_file.take().map(|file| folder.join(file));
            mlflow.ca_file = folder.join(&mlflow.ca_file);
            if let Some(reason) = unfit(mlflow) {
                return Err(ConfigError::Invalid { path: path.to_owned(), line: 1, reason });
            }
        }
        if !config.http.listen.ip().is_loopback() {
            return Err(ConfigError::Invalid {
                path: path.to_owned(),
                line: 1,
                reason: format!(
                    "http.listen is {}: the dashboard has no accounts, so it listens on loopback \
                     only; put a reverse proxy with accounts before it",
                    config.http.listen
                ),
            });
        }
        Ok(config)
    }

    /// The database.
    pub fn store_file(&self) -> PathBuf {
        self.data.join("coordinator.db")
    }

    /// The folder of bundles' objects.
    pub fn objects_folder(&self) -> PathBuf {
        self.data.join("objects")
    }

    /// The folder of the certificate authority.
    pub fn authority_folder(&self) -> PathBuf {
        self.data.join("authority")
    }

    /// The key by which agents notice a restart.
    pub fn reset_key_file(&self) -> PathBuf {
        self.data.join("reset.key")
    }

    /// The key that signs bundles.
    pub fn bundle_key_file(&self) -> PathBuf {
        self.data.join("bundle.key")
    }

    /// Held while `serve` runs.
    pub fn lock_file(&self) -> PathBuf {
        self.data.join("lock")
    }
}

/// Why settings for MLflow make no sense, or give a secret away.
fn unfit(mlflow: &Mlflow) -> Option<String> {
    let Mlflow { url, token_file, .. } = mlflow;
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if host.is_none_or(str::is_empty) {
        return Some(format!("mlflow.url is {url:?}: it starts with http:// or https://"));
    }
    let local = ["127.0.0.1", "localhost", "[::1]"];
    let open = url.starts_with("http://")
        && !local.iter().any(|name| host.is_some_and(|host| host.starts_with(name)));
    (open && token_file.is_some()).then(|| {
        "mlflow.token_file needs an https:// address: over http:// anybody reads it".into()
    })
}

/// The file that `init` writes.
pub fn example(federation: &FederationName, link: SocketAddr, http: SocketAddr) -> String {
    format!(
        r#"# Coordinator of the federation "{federation}". Unknown keys are refused.

# Everything the coordinator keeps: the database, models, and the keys that members trust.
# Back this folder up as a whole, and keep it closed to others.
data = "data"

[link]
# Where agents connect: QUIC over UDP, with certificates on both sides.
listen = "{link}"

[http]
# The dashboard, /api/overview, /metrics, /healthz and /readyz. Loopback only.
listen = "{http}"
# Names under which a reverse proxy may call it:
# hosts = ["insitu.example.org"]
# The site that the dashboard compares the others with; by default the first by name:
# reference = "north"

[rounds]
# How long a training round waits for the sites that have not answered,
# unless `round start --closes-in` says otherwise.
closes_in = "1h"

[certificates]
# Life of an agent's certificate. Agents renew it by themselves at two thirds of it.
agent_life = "30days"

# Published models can be registered in your team's MLflow, with their card, metrics and lineage:
# [mlflow]
# url = "https://mlflow.example.org"
# token_file = "mlflow.token"                          # a bearer token, readable by you alone
# ca_file = "/etc/ssl/certs/ca-certificates.crt"
# experiment = "insitu-{federation}"

[log]
format = "text"     # or "json"
filter = "info"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        std::fs::write(&path, text).unwrap();
        let config = Config::read(&path)?;
        assert!(config.data.starts_with(dir.path()));
        Ok(config)
    }

    fn written() -> String {
        let federation = "heart".parse().unwrap();
        let (link, http) = ("[::]:7443".parse().unwrap(), "127.0.0.1:7480".parse().unwrap());
        example(&federation, link, http)
    }

    #[test]
    fn what_init_writes_is_the_default_spelt_out() {
        let config = read(&written()).unwrap();
        assert_eq!(config.rounds, Rounds::default());
        assert_eq!(config.certificates, Certificates::default());
        assert_eq!(config.log, Log::default());
        assert_eq!(config.mlflow, None);
    }

    #[test]
    fn a_registry_of_models_is_reached_by_http_and_tokens_travel_encrypted() {
        let with = |lines: &str| read(&format!("{}\n[mlflow]\n{lines}", written()));
        let local = with("url = \"http://127.0.0.1:5000\"\ntoken_file = \"t\"").unwrap();
        let mlflow = local.mlflow.unwrap();
        assert_eq!(mlflow.ca_file, system_authorities());
        assert!(mlflow.token_file.unwrap().is_absolute());
        with("url = \"https://models.example.org\"\ntoken_file = \"t\"").unwrap();
        with("url = \"http://models.example.org\"").unwrap();
        for (lines, why) in [
            ("url = \"models.example.org\"", "starts with http"),
            ("url = \"http://models.example.org\"\ntoken_file = \"t\"", "anybody reads it"),
            ("url = \"http://a\"\ntoken = \"secret\"", "token"),
        ] {
            assert!(with(lines).unwrap_err().to_string().contains(why), "{lines}");
        }
    }

    #[test]
    fn unknown_keys_and_open_dashboards_are_refused() {
        let typo = written().replace("closes_in", "close_in");
        assert!(read(&typo).unwrap_err().to_string().contains("close_in"));
        let open = written().replace("127.0.0.1:7480", "0.0.0.0:7480");
        assert!(read(&open).unwrap_err().to_string().contains("loopback"));
    }
}
