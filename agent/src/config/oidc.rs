//! `[api.oidc]`: the site's own identity provider, by OpenID Connect.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;

/// Authorities that a Debian machine trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `[api.oidc]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider, exactly as it names itself in its tokens.
    pub issuer: String,
    /// What it knows this agent as.
    pub client_id: String,
    /// A file with the secret that it shares with this agent, closed to others. Without one the agent
    /// is a public client, which the proof key alone protects.
    pub client_secret_file: Option<PathBuf>,
    /// Where people's browsers find this agent: scheme, name and port.
    pub page: String,
    /// What the page calls the provider.
    #[serde(default = "default_title")]
    pub title: String,
    /// What is asked for beside `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The claim of the ID token that becomes a person's name.
    #[serde(default = "default_name_claim")]
    pub name_claim: String,
    /// The claim that lists a person's groups; of nested ones the path with dots.
    #[serde(default = "default_role_claim")]
    pub role_claim: String,
    /// Who is what. Of several that fit the first counts; whom none fits is refused.
    pub roles: Vec<GroupRole>,
    /// The authorities that certify the provider (PEM).
    #[serde(default = "default_authorities")]
    pub ca_file: PathBuf,
}

/// An entry of [`Oidc::roles`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRole {
    /// A group at the provider.
    pub group: String,
    /// A person's role here.
    pub role: PersonRole,
}

/// The roles of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersonRole {
    /// Labels.
    Annotator,
    /// Decides what annotators cannot.
    Expert,
    /// Leads the others.
    Lead,
    /// Guards the subjects' privacy.
    Steward,
    /// Manages people.
    Admin,
}

impl Oidc {
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.ca_file = folder.join(&self.ca_file);
        self.client_secret_file = self.client_secret_file.take().map(|file| folder.join(file));
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, url) in [("api.oidc.issuer", &self.issuer), ("api.oidc.page", &self.page)] {
            if !is_protected(url) {
                return Err(ConfigError::Url { key, url: url.clone() });
            }
        }
        if self.page.matches('/').count() != 2 {
            return Err(ConfigError::Url { key: "api.oidc.page", url: self.page.clone() });
        }
        Ok(())
    }
}

/// Whether what is sent there is protected: by TLS, or because it does not leave the machine.
pub(crate) fn is_protected(url: &str) -> bool {
    let is_plain = |url: &str| url.bytes().all(|byte| byte.is_ascii_graphic());
    let host = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
        (!authority.is_empty() && !authority.contains('@')).then_some(authority)
    };
    if !is_plain(url) {
        return false;
    }
    match url.split_once("://") {
        Some(("https", rest)) => host(rest).is_some(),
        Some(("http", rest)) => host(rest).is_some_and(|authority| {
            let name = authority.rsplit_once(':').map_or(authority.as_str(), |(name, _)| name);
            matches!(name, "127.0.0.1" | "[::1]" | "localhost")
        }),
        Some(_) | None => false,
    }
}

fn default_title() -> String {
    "the site's own account".to_owned()
}

fn default_scopes() -> Vec<String> {
    vec!["profile".to_owned()]
}

fn default_name_claim() -> String {
    "preferred_username".to_owned()
}

fn default_role_claim() -> String {
    "groups".to_owned()
}

fn default_authorities() -> PathBuf {
    PathBuf::from(AUTHORITIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for good in [
            "https://id.hospital.example",
            "https://id.hospital.example:8443/realms/a",
            "http://127.0.0.1:9400",
            "http://[::1]:9400/x",
            "http://localhost",
        ] {
            assert!(is_protected(good), "{good}");
        }
        for bad in [
            "http://id.hospital.example",
            "http://127.0.0.1@evil.example",
            "http://127.0.0.1.evil.example",
            "https://",
            "https:///path",
            "ftp://localhost",
            "https://a b",
            "",
        ] {
            assert!(!is_protected(bad), "{bad}");
        }
    }
}
