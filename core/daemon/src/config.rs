//! Configuration files: TOML, every key known.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::files::{self, FileError};

/// Longest configuration file, in bytes.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("no configuration")]
    Unreadable {
        /// Why not.
        source: FileError,
    },
    /// Not TOML, a key that nobody knows, or a value that makes no sense.
    #[error("{}:{line}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there: names the key.
        reason: String,
    },
}

/// Reads the configuration file `path`.
///
/// `T` and every table in it carry `#[serde(deny_unknown_fields)]`, so that a misspelt key is an
/// error that names it, and durations are `#[serde(with = "humantime_serde")]` (`30s`).
///
/// # Errors
/// [`ConfigError`], with the file and the line.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    parse(path, &bytes(path)?)
}

/// The bytes of the configuration file `path`: for who needs more of them than their meaning.
///
/// # Errors
/// [`ConfigError::Unreadable`].
pub fn bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    files::read(path, CONFIG_BYTES_MAX).map_err(|source| ConfigError::Unreadable { source })
}

/// What the bytes of the configuration file `path` mean, as [`read`] does.
///
/// # Errors
/// [`ConfigError::Invalid`].
pub fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ConfigError> {
    let invalid = |offset: usize, reason: String| ConfigError::Invalid {
        path: path.to_owned(),
        line: 1 + bytes[..offset.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count(),
        reason,
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| invalid(error.valid_up_to(), "not UTF-8".to_owned()))?;
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        invalid(offset, error.message().trim_end().replace('\n', ", "))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        site: String,
        uplink: Uplink,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Uplink {
        #[serde(with = "humantime_serde")]
        slot: Duration,
    }

    fn parse(text: &[u8]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, text).unwrap();
        read(&path)
            .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn durations_are_readable() {
        let config = parse(b"site = \"a\"\n[uplink]\nslot = \"10s\"\n").unwrap();
        assert_eq!(config.uplink.slot, Duration::from_secs(10));
    }

    #[test]
    fn errors_name_file_line_and_key() {
        assert_eq!(
            parse(b"site = \"a\"\n[uplink]\nslott = \"10s\"\n").unwrap_err(),
            "/agent.toml:3: unknown field `slott`, expected `slot`"
        );
        assert_eq!(
            parse(b"site = \"a\"\n\n[uplink]\nslot = \"10 parsecs\"\n").unwrap_err(),
            "/agent.toml:4: invalid value: string \"10 parsecs\", expected a duration"
        );
        assert_eq!(parse(b"site = \"\xff\"\n").unwrap_err(), "/agent.toml:1: not UTF-8");
    }

    #[test]
    fn a_missing_file_is_an_error_of_its_own() {
        let error = read::<Config>(Path::new("/nowhere/agent.toml")).unwrap_err();
        assert!(matches!(error, ConfigError::Unreadable { .. }));
    }
}
