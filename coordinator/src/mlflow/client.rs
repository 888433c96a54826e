//! As much of MLflow's REST API as registering a model takes.

use std::path::Path;
use std::time::Duration;

use insitu_daemon::files::FileError;
use insitu_daemon::rest;
use serde_json::{Value, json};
use ureq::Agent;
use zeroize::Zeroizing;

use crate::config::Mlflow;

/// For a whole request.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Longest part of a refusal that is shown, in characters.
const REFUSAL_CHARS_MAX: usize = 300;

/// A server.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    base: String,
    token: Option<Zeroizing<String>>,
}

/// Why the server did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file with the token, or with the authorities.
    #[error("a file of the settings under [mlflow] cannot be read")]
    File {
        /// Why not.
        #[from]
        source: FileError,
    },
    /// A token that is no line of text.
    #[error("the token in {path} is not one line of printable ASCII")]
    Token {
        /// The file.
        path: String,
    },
    /// No answer.
    #[error("{what}: no answer from the MLflow server")]
    Silent {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: Box<ureq::Error>,
    },
    /// Another answer than the API has.
    #[error("{what}: the MLflow server answered {status}: {code} {message}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// MLflow's word for it.
        code: String,
        /// The beginning of what it says.
        message: String,
    },
    /// An answer without what it should have.
    #[error("{what}: the MLflow server's answer has no {field}")]
    Field {
        /// What was asked for.
        what: &'static str,
        /// What is missing.
        field: &'static str,
    },
}

impl ClientError {
    /// Whether the server says that what was asked for is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "RESOURCE_DOES_NOT_EXIST")
    }

    /// Whether the server says that what was to be made is there.
    pub(super) fn is_there(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "RESOURCE_ALREADY_EXISTS")
    }
}

impl Client {
    /// A client for the configured server. Nothing is sent yet.
    pub(super) fn new(settings: &Mlflow) -> Result<Self, ClientError> {
        let agent = rest::agent(&settings.url, &settings.ca_file, REQUEST_WITHIN)?;
        let token = settings.token_file.as_deref().map(token).transpose()?;
        let base = settings.url.trim_end_matches('/').to_owned();
        Ok(Self { agent, base, token })
    }

    /// Asks for something: `path` under `/api/2.0/mlflow/`.
    pub(super) fn get(
        &self,
        what: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, ClientError> {
        let url = format!("{}/api/2.0/mlflow/{path}", self.base);
        let request = self.signed(self.agent.get(url)).query_pairs(query.iter().copied());
        read(what, request.call())
    }

    /// Makes or changes something.
    pub(super) fn post(
        &self,
        what: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Value, ClientError> {
        let url = format!("{}/api/2.0/mlflow/{path}", self.base);
        read(what, self.signed(self.agent.post(url)).send_json(body))
    }

    /// Takes an alias from a model.
    pub(super) fn delete_alias(&self, model: &str, alias: &str) -> Result<(), ClientError> {
        let url = format!("{}/api/2.0/mlflow/registered-models/alias", self.base);
        let request = self.signed(self.agent.delete(url).force_send_body());
        let body = json!({"name": model, "alias": alias});
        match read("an alias", request.send_json(&body)) {
            Err(error) if !error.is_missing() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Writes a file among a run's artifacts, when the server keeps artifacts itself; `false` when
    /// it does not.
    pub(super) fn put_artifact(
        &self,
        artifacts: &str,
        file: &str,
        bytes: &[u8],
    ) -> Result<bool, ClientError> {
        let Some(folder) = artifacts.strip_prefix("mlflow-artifacts:") else { return Ok(false) };
        let folder = folder.trim_start_matches('/');
        let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/{folder}/{file}", self.base);
        read("an artifact", self.signed(self.agent.put(url)).send(bytes)).map(|_| true)
    }

    fn signed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.as_str())),
            None => request,
        }
    }
}

fn token(path: &Path) -> Result<Zeroizing<String>, ClientError> {
    rest::token(path)?.ok_or_else(|| ClientError::Token { path: path.display().to_string() })
}

fn read(
    what: &'static str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value, ClientError> {
    let (status, value) = rest::read(answer, ANSWER_BYTES_MAX)
        .map_err(|source| ClientError::Silent { what, source })?;
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let said = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    Err(ClientError::Refused {
        what,
        status,
        code: said("error_code"),
        message: said("message").chars().take(REFUSAL_CHARS_MAX).collect(),
    })
}
