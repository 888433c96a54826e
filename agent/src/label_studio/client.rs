//! As much of Label Studio's REST API as comparing and bringing drafts takes.

use std::time::Duration;

use insitu_daemon::files::FileError;
use insitu_daemon::rest;
use serde_json::{Value, json};
use ureq::Agent;
use zeroize::Zeroizing;

use crate::config::LabelStudio;

/// For a whole request: a thousand predictions take it most of a quarter of a minute.
const REQUEST_WITHIN: Duration = Duration::from_secs(120);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How errors call a file that a task names.
const FILE: &str = "a file of a task";
/// Longest part of a refusal that is shown, in characters.
const REFUSAL_CHARS_MAX: usize = 300;

/// A Label Studio, with an access token that lasts for five minutes.
pub struct Client {
    agent: Agent,
    base: String,
    refresh: Zeroizing<String>,
    access: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

/// Why Label Studio did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file with the token, or with the authorities.
    #[error("a file of the settings under [project.label_studio] cannot be read")]
    File(#[from] FileError),
    /// A token that is no line of text.
    #[error("the token in {path} is not one line of printable ASCII")]
    Token {
        /// The file.
        path: String,
    },
    /// No answer.
    #[error("{what}: no answer from Label Studio")]
    Silent {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: Box<ureq::Error>,
    },
    /// Another answer than the API has.
    #[error("{what}: Label Studio answered {status}: {message}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// The beginning of what it says.
        message: String,
    },
    /// An answer without what it should have.
    #[error("{what}: Label Studio's answer has no {field}")]
    Field {
        /// What was asked for.
        what: &'static str,
        /// What is missing.
        field: &'static str,
    },
}

impl ClientError {
    /// Whether it is a file that Label Studio does not give, rather than anything at all.
    pub fn is_of_a_file(&self) -> bool {
        matches!(self, Self::Refused { what: FILE, .. })
    }

    /// Whether asking again later may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Silent { source, .. } => !matches!(**source, ureq::Error::BodyExceedsLimit(_)),
            Self::Refused { status, .. } => matches!(status, 401 | 408 | 429 | 500..),
            Self::File(_) | Self::Token { .. } | Self::Field { .. } => true,
        }
    }
}

impl Client {
    /// The address that all paths follow, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A client for the configured Label Studio. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::File`], [`ClientError::Token`].
    pub fn new(settings: &LabelStudio) -> Result<Self, ClientError> {
        let agent = rest::agent(&settings.url, &settings.ca_file, REQUEST_WITHIN)?;
        let path = &settings.token_file;
        let refresh = rest::token(path)?
            .ok_or_else(|| ClientError::Token { path: path.display().to_string() })?;
        let base = settings.url.trim_end_matches('/').to_owned();
        Ok(Self { agent, base, refresh, access: None })
    }

    /// Asks for something: `path` from the server's address on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get(
        &mut self,
        what: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, ClientError> {
        self.signed(what, |agent, base, bearer| {
            agent
                .get(format!("{base}{path}"))
                .header("authorization", bearer)
                .query_pairs(query.iter().copied())
                .call()
        })
    }

    /// Makes something.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn post(
        &mut self,
        what: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Value, ClientError> {
        self.signed(what, |agent, base, bearer| {
            agent.post(format!("{base}{path}")).header("authorization", bearer).send_json(body)
        })
    }

    /// The bytes of a file that it keeps, of at most `limit_bytes`: `path` from the server's address on.
    /// Where it sends one elsewhere for them is refused as any other answer is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn file(&mut self, path: &str, limit_bytes: u64) -> Result<Vec<u8>, ClientError> {
        let ask = |agent: &Agent, base: &str, bearer: &str| {
            agent.get(format!("{base}{path}")).header("authorization", bearer).call()
        };
        self.signed_as(ask, |answer| {
            let silent = |source| ClientError::Silent { what: FILE, source: Box::new(source) };
            let mut answer = answer.map_err(silent)?;
            let status = answer.status().as_u16();
            if status != 200 {
                return Err(ClientError::Refused { what: FILE, status, message: String::new() });
            }
            let body = answer.body_mut().with_config().limit(limit_bytes);
            body.read_to_vec().map_err(silent)
        })
    }

    /// Asks with an access token; with a fresh one, when the one at hand is too old.
    fn signed(
        &mut self,
        what: &'static str,
        ask: impl Fn(&Agent, &str, &str) -> Answer,
    ) -> Result<Value, ClientError> {
        self.signed_as(ask, |answer| read(what, answer))
    }

    fn signed_as<T>(
        &mut self,
        ask: impl Fn(&Agent, &str, &str) -> Answer,
        read: impl Fn(Answer) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        if let Some(access) = &self.access {
            let bearer = Zeroizing::new(format!("Bearer {}", access.as_str()));
            match read(ask(&self.agent, &self.base, &bearer)) {
                Err(ClientError::Refused { status: 401, .. }) => {}
                answer => return answer,
            }
        }
        let access = self.fresh()?;
        let bearer = Zeroizing::new(format!("Bearer {}", access.as_str()));
        self.access = Some(access);
        read(ask(&self.agent, &self.base, &bearer))
    }

    /// A personal access token is no access token: it buys one.
    fn fresh(&self) -> Result<Zeroizing<String>, ClientError> {
        const WHAT: &str = "an access token for the personal one";
        let body = json!({"refresh": self.refresh.as_str()});
        let answer = read(
            WHAT,
            self.agent.post(format!("{}/api/token/refresh/", self.base)).send_json(body),
        )?;
        let access = answer["access"].as_str();
        access
            .map(|access| Zeroizing::new(access.to_owned()))
            .ok_or(ClientError::Field { what: WHAT, field: "access" })
    }
}

type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn read(what: &'static str, answer: Answer) -> Result<Value, ClientError> {
    let (status, value) = rest::read(answer, ANSWER_BYTES_MAX)
        .map_err(|source| ClientError::Silent { what, source })?;
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let message = value["detail"].as_str().unwrap_or_default();
    Err(ClientError::Refused {
        what,
        status,
        message: message.chars().take(REFUSAL_CHARS_MAX).collect(),
    })
}
