//! Clients of other programs' REST APIs: an HTTP agent, a token from a file, an answer read whole.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use serde_json::Value;
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error};
use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// Longest file of certificate authorities, in bytes.
const AUTHORITIES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An agent for the server at `url`, which follows no redirects and takes every status for an answer.
/// A whole request may take `within`. For `https` the authorities in `ca_file` (PEM), and no others,
/// say who the server is.
///
/// # Errors
/// [`FileError`] when they cannot be read.
pub fn agent(url: &str, ca_file: &Path, within: Duration) -> Result<Agent, FileError> {
    let mut config = Agent::config_builder()
        .timeout_global(Some(within))
        .http_status_as_error(false)
        .max_redirects(0);
    if url.starts_with("https:") {
        let pem = files::read(ca_file, AUTHORITIES_BYTES_MAX)?;
        let roots: Vec<Certificate<'static>> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        config = config.tls_config(tls);
    }
    Ok(config.build().into())
}

/// The token in a secret file; `None` when that is not one line of printable ASCII.
///
/// # Errors
/// [`FileError`].
pub fn token(path: &Path) -> Result<Option<Zeroizing<String>>, FileError> {
    let bytes = files::read_secret(path)?;
    let text = bytes.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_graphic) {
        return Ok(None);
    }
    Ok(Some(Zeroizing::new(text.iter().copied().map(char::from).collect())))
}

/// The status of an answer of at most `limit_bytes`, and its JSON: null when it is none.
///
/// # Errors
/// The request's, and those of reading the answer.
pub fn read(
    answer: Result<Response<Body>, Error>,
    limit_bytes: u64,
) -> Result<(u16, Value), Box<Error>> {
    let mut answer = answer?;
    let text = answer.body_mut().with_config().limit(limit_bytes).read_to_string()?;
    Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Access;

    #[test]
    fn a_token_is_one_line_of_a_secret_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, access| {
            let path = folder.path().join(name);
            files::create(&path, text.as_bytes(), access).unwrap();
            path
        };
        let good = write("good", " abc.DEF-1\n", Access::Secret);
        assert_eq!(token(&good).unwrap().unwrap().as_str(), "abc.DEF-1");
        for (name, text) in [("empty", "\n"), ("two", "a b\n"), ("umlaut", "ä")] {
            assert!(token(&write(name, text, Access::Secret)).unwrap().is_none(), "{name}");
        }
        let open = token(&write("open", "abc", Access::Public));
        assert!(matches!(open, Err(FileError::Exposed { .. })));
    }

    #[test]
    fn https_needs_its_authorities() {
        let nowhere = Path::new("nowhere/ca.pem");
        let within = Duration::from_secs(1);
        assert!(agent("http://127.0.0.1", nowhere, within).is_ok());
        assert!(agent("https://127.0.0.1", nowhere, within).is_err());
    }
}
