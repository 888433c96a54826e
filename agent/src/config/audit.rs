//! `[audit]`: where the audit log's checkpoints go, and how long its rows are kept.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;

/// `[audit]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Folder of the log's signatures; the data folder unless the configuration names one. Apart
    /// from the store it tells when rows are taken away from the log's end.
    pub checkpoints: Option<PathBuf>,
    /// Rows older than this are cut off, up to a signed one. Without it all are kept.
    #[serde(with = "humantime_serde::option")]
    pub keep: Option<Duration>,
}

impl Audit {
    /// [`Audit::keep`] in seconds.
    pub fn keep_seconds(&self) -> Option<i64> {
        self.keep.map(|keep| i64::try_from(keep.as_secs()).unwrap_or(i64::MAX))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.keep {
            Some(keep) if keep.is_zero() => Err(ConfigError::Zero { key: "audit.keep" }),
            Some(_) | None => Ok(()),
        }
    }
}
