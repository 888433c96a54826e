//! Fields of the JSON that the programs print.

use anyhow::{Context, Result};
use serde_json::Value;

/// A text.
///
/// # Errors
/// When there is none: quotes what is there.
pub(crate) fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).with_context(|| format!("no text {key} in {value}"))
}

/// A whole number of at least 0.
///
/// # Errors
/// As [`text`].
pub(crate) fn number(value: &Value, key: &str) -> Result<u64> {
    value[key].as_u64().with_context(|| format!("no number {key} in {value}"))
}

/// A number.
///
/// # Errors
/// As [`text`].
pub(crate) fn real(value: &Value, key: &str) -> Result<f64> {
    value[key].as_f64().with_context(|| format!("no number {key} in {value}"))
}
