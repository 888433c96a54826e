//! `[project.label_studio]`: a Label Studio in which people label a project's items.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// A Label Studio whose people label the items of a project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelStudio {
    /// Its address, `http://…` or `https://…`.
    pub url: String,
    /// The number of its project.
    pub project: u64,
    /// File with a personal access token, for what the agent asks of it; relative to the
    /// configuration file.
    pub token_file: PathBuf,
    /// File with the secret that it shows in the path of each call, or as a password; relative to
    /// the configuration file.
    pub secret_file: PathBuf,
    /// Certificate authorities (PEM) by which an `https` server is checked.
    #[serde(default = "system_authorities")]
    pub ca_file: PathBuf,
    /// How often its annotations are compared with what was heard of them, and new drafts brought.
    #[serde(default = "default_compare", with = "humantime_serde")]
    pub compare: Duration,
    /// Names of the site's own people by the numbers of its users. Others become people of their
    /// own, named by their number.
    #[serde(default)]
    pub people: BTreeMap<String, String>,
}

impl LabelStudio {
    /// With paths that start at `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.token_file, &mut self.secret_file, &mut self.ca_file] {
            *path = folder.join(&*path);
        }
    }

    /// What is wrong with it, by key.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let host = ["http://", "https://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        if host.is_none_or(str::is_empty) {
            return Some(("url", "it starts with http:// or https://".to_owned()));
        }
        if self.compare < COMPARE_MIN {
            let least = humantime_serde::re::humantime::format_duration(COMPARE_MIN);
            return Some(("compare", format!("it is at least {least}")));
        }
        let number = |user: &&String| user.parse::<u64>().is_err();
        let named = self.people.keys().find(number);
        named.map(|user| ("people", format!("{user:?} is no number of a user")))
    }

    /// Whether the token travels where others may read it.
    pub fn is_open(&self) -> bool {
        let Some(rest) = self.url.strip_prefix("http://") else { return false };
        let host = rest.split('/').next().unwrap_or(rest);
        let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = name.map_or(host, |(name, _)| name);
        !["127.0.0.1", "localhost", "[::1]"].contains(&name)
    }
}

/// Comparing takes Label Studio most of a second for a hundred tasks.
const COMPARE_MIN: Duration = Duration::from_secs(5);

fn default_compare() -> Duration {
    Duration::from_secs(600)
}

fn system_authorities() -> PathBuf {
    PathBuf::from("/etc/ssl/certs/ca-certificates.crt")
}
