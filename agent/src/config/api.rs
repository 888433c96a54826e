//! `[api]`: where the review page and the local API are, and how people sign in there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, Oidc};

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Where the review page and the local API listen. Loopback, unless there is TLS.
    pub listen: SocketAddr,
    /// Names under which they are called, beside the address itself.
    pub hosts: Vec<String>,
    /// Without it they are served on loopback only.
    pub tls: Option<TlsFiles>,
    /// That people come through a proxy of this machine that has TLS.
    pub behind_tls: bool,
    /// For how long people stay signed in.
    pub sign_in: SignInTimes,
    /// The site's identity provider, if it has one.
    pub oidc: Option<Oidc>,
}

/// `[api.tls]`: PEM files, read again when they change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key, closed to others.
    pub key: PathBuf,
}

/// `[api.sign_in]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignInTimes {
    /// A browser that is not heard of for this long is signed out.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// A browser is signed out this long after it signed in.
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
}

/// Shortest idle time: the store notes once a minute that a browser was heard of.
const IDLE_MIN: Duration = Duration::from_secs(2 * 60);
/// Longest time signed in.
const LONGEST_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7080)),
            hosts: Vec::new(),
            tls: None,
            behind_tls: false,
            sign_in: SignInTimes::default(),
            oidc: None,
        }
    }
}

impl Default for SignInTimes {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30 * 60), longest: Duration::from_secs(12 * 3600) }
    }
}

impl Api {
    /// Takes paths relative to the configuration's folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.oidc.iter_mut().for_each(|oidc| oidc.resolve(folder));
        if let Some(tls) = &mut self.tls {
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && self.tls.is_none() {
            return Err(ConfigError::Unprotected { listen: self.listen });
        }
        self.oidc.as_ref().map_or(Ok(()), Oidc::check)?;
        let SignInTimes { idle, longest } = self.sign_in;
        for (key, got, min, max) in [
            ("api.sign_in.idle", idle, IDLE_MIN, longest),
            ("api.sign_in.longest", longest, idle, LONGEST_MAX),
        ] {
            if !(min..=max).contains(&got) {
                return Err(ConfigError::Time { key, got, min, max });
            }
        }
        Ok(())
    }
}
