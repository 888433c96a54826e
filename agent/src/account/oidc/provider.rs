//! What is asked of the provider: where it listens, its keys, and a token for a code.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insitu_daemon::rest;
use serde_json::{Map, Value};
use ureq::Agent;
use zeroize::Zeroizing;

use super::OidcError;
use super::token::{self, Expected, Keys, TokenError};
use crate::config::{Oidc, is_protected};

/// For a whole request: a person waits.
const REQUEST_WITHIN: Duration = Duration::from_secs(8);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;
/// How long what the provider says of itself is believed.
const DIRECTORY_SECONDS: i64 = 3600;
/// How often the keys are asked for again because one was unknown.
const KEYS_SECONDS: i64 = 60;

/// The provider, and what it said of itself.
pub(super) struct Provider {
    issuer: String,
    client_id: String,
    secret: Option<Zeroizing<String>>,
    agent: Agent,
    directory: Mutex<Option<Arc<Directory>>>,
}

/// Where a provider listens, and its keys.
struct Directory {
    authorization: String,
    token: String,
    /// Whether the secret goes into the body, because nothing else is taken.
    secret_in_body: bool,
    keys: Keys,
    read_at: i64,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({})", self.issuer)
    }
}

impl Provider {
    pub(super) fn new(settings: &Oidc) -> Result<Self, OidcError> {
        let secret = match &settings.client_secret_file {
            Some(file) => Some(rest::token(file)?.ok_or(OidcError::Secret)?),
            None => None,
        };
        Ok(Self {
            issuer: settings.issuer.clone(),
            client_id: settings.client_id.clone(),
            secret,
            agent: rest::agent(&settings.issuer, &settings.ca_file, REQUEST_WITHIN)?,
            directory: Mutex::new(None),
        })
    }

    pub(super) fn authorization_endpoint(&self, now: i64) -> Result<String, OidcError> {
        Ok(self.directory(DIRECTORY_SECONDS, now)?.authorization.clone())
    }

    /// The ID token that the provider gives for a code.
    pub(super) fn buy(
        &self,
        code: &str,
        proof: &str,
        redirect: &str,
        now: i64,
    ) -> Result<Zeroizing<String>, OidcError> {
        let what = "token";
        let directory = self.directory(DIRECTORY_SECONDS, now)?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", proof),
            ("client_id", self.client_id.as_str()),
        ];
        let mut request = self.agent.post(&directory.token).header("accept", "application/json");
        match &self.secret {
            Some(secret) if directory.secret_in_body => form.push(("client_secret", secret)),
            Some(secret) => {
                // RFC 6749, section 2.3.1: both parts are escaped first.
                let pair = format!("{}:{}", escaped(&self.client_id), escaped(secret));
                let shown = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair)));
                request = request.header("authorization", shown.as_str());
            }
            None => {}
        }
        let (status, mut answer) = rest::read(request.send_form(form), ANSWER_BYTES_MAX)
            .map_err(|source| OidcError::Silent { what, source: Some(source) })?;
        match answer.get_mut("id_token").map(Value::take) {
            Some(Value::String(token)) if status == 200 => Ok(Zeroizing::new(token)),
            _ => Err(OidcError::Answer { what, status }),
        }
    }

    /// The claims of a token of this sign-in. A key that is not known may be new.
    pub(super) fn verify(
        &self,
        token: &str,
        nonce: &str,
        now: i64,
    ) -> Result<Map<String, Value>, OidcError> {
        let expected = Expected { issuer: &self.issuer, client_id: &self.client_id, nonce, now };
        let known = self.directory(DIRECTORY_SECONDS, now)?;
        match token::verify(token, &known.keys, &expected) {
            Err(TokenError::Key | TokenError::Signature) => {
                let fresh = self.directory(KEYS_SECONDS, now)?;
                Ok(token::verify(token, &fresh.keys, &expected)?)
            }
            verified => Ok(verified?),
        }
    }

    /// What the provider says of itself, asked again when that is older than `seconds`.
    fn directory(&self, seconds: i64, now: i64) -> Result<Arc<Directory>, OidcError> {
        let lock = || self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().clone();
        let fresh = known.filter(|known| (0..seconds).contains(&(now - known.read_at)));
        if let Some(known) = fresh {
            return Ok(known);
        }
        let read = Arc::new(self.read_directory(now)?);
        *lock() = Some(Arc::clone(&read));
        Ok(read)
    }

    fn read_directory(&self, now: i64) -> Result<Directory, OidcError> {
        let what = "discovery";
        let issuer = self.issuer.trim_end_matches('/');
        let found = self.get(what, &format!("{issuer}/.well-known/openid-configuration"))?;
        let text = |name: &str| found.get(name).and_then(Value::as_str);
        // Else any page that somebody can put there could speak for the provider.
        if text("issuer") != Some(self.issuer.as_str()) {
            return Err(TokenError::Issuer.into());
        }
        let endpoint = |name: &str| {
            // The secret goes there: no less protected than the issuer is.
            let https = |url: &str| url.starts_with("https:");
            let protected = |url: &&str| is_protected(url) && (https(url) || !https(&self.issuer));
            let url = text(name).filter(protected);
            url.map(str::to_owned).ok_or(OidcError::Answer { what, status: 200 })
        };
        let (authorization, token) =
            (endpoint("authorization_endpoint")?, endpoint("token_endpoint")?);
        let keys = Keys::parse(&self.get("keys", &endpoint("jwks_uri")?)?);
        let methods = found.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let takes = |name: &str| methods.is_some_and(|all| all.iter().any(|one| one == name));
        let secret_in_body = !takes("client_secret_basic") && takes("client_secret_post");
        Ok(Directory { authorization, token, secret_in_body, keys, read_at: now })
    }

    fn get(&self, what: &'static str, url: &str) -> Result<Value, OidcError> {
        let (status, answer) = rest::read(self.agent.get(url).call(), ANSWER_BYTES_MAX)
            .map_err(|source| OidcError::Silent { what, source: Some(source) })?;
        if status != 200 || !answer.is_object() {
            return Err(OidcError::Answer { what, status });
        }
        Ok(answer)
    }
}

/// Percent-encoded for a query or a form.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push_str(&hex::encode_upper([byte]));
        }
    }
    escaped
}
