//! Images and series of tasks, which their data names.
//!
//! They lie in Label Studio (uploads, its local files, its storages): the agent asks it for them with its
//! own token, since the key that `/setup` sends is often no longer valid. Or the data holds them as a
//! `data:` URI. Any other address would make the agent ask servers that somebody else names, and is
//! refused.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insitu_protocol::project::{FieldKind, Project};
use serde_json::{Map, Value};

use super::client::{Client, ClientError};
use crate::source::media::{IMAGE_BYTES_MAX, SERIES_BYTES_MAX};

/// Where Label Studio keeps files of tasks, from its address on.
const FOLDERS: [&str; 2] = ["/data/", "/tasks/"];

/// Why a task has not got its files.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    /// Another time, perhaps.
    #[error("Label Studio does not give a task's file")]
    Later(#[source] ClientError),
    /// Never.
    #[error("{0}")]
    Bad(String),
}

/// Whether the project's items are more than what their tasks' data says.
pub(super) fn needs_files(project: &Project) -> bool {
    project.fields.iter().any(|field| limit(field.kind).is_some())
}

/// Most bytes of a field's file; none of a field that is no file.
fn limit(kind: FieldKind) -> Option<u64> {
    match kind {
        FieldKind::Image => Some(IMAGE_BYTES_MAX),
        FieldKind::Series => Some(SERIES_BYTES_MAX),
        FieldKind::Number | FieldKind::Category | FieldKind::Text => None,
    }
}

/// The files of a task, by field.
///
/// # Errors
/// [`FilesError`], which quotes nothing of the data.
pub(super) fn of_task(
    client: &mut Client,
    project: &Project,
    data: &Map<String, Value>,
) -> Result<BTreeMap<String, Vec<u8>>, FilesError> {
    let mut files = BTreeMap::new();
    for field in &project.fields {
        let (name, limit) = (field.name.as_str(), limit(field.kind));
        let (Some(limit), Some(value)) = (limit, data.get(name).and_then(Value::as_str)) else {
            continue;
        };
        let value = value.trim();
        let bad = |reason: &str| FilesError::Bad(format!("field {name:?} {reason}"));
        let bytes = if let Some(rest) = value.strip_prefix("data:") {
            held(rest, limit).map_err(bad)?
        } else {
            let path = path(client.base(), value).ok_or_else(|| {
                bad("names a file that is not in this Label Studio, which alone is asked for files")
            })?;
            client.file(path, limit).map_err(|error| match error.is_transient() {
                true => FilesError::Later(error),
                false => FilesError::Bad(format!(
                    "field {name:?} names a file that cannot be had, or of more than {limit} bytes: {error}"
                )),
            })?
        };
        files.insert(name.to_owned(), bytes);
    }
    Ok(files)
}

/// The bytes of a `data:` URI, after its scheme.
fn held(rest: &str, limit: u64) -> Result<Vec<u8>, &'static str> {
    const FORM: &str = "is no data: URI in base64";
    let (head, text) = rest.split_once(',').ok_or(FORM)?;
    if !head.ends_with(";base64") {
        return Err(FORM);
    }
    if u64::try_from(text.len()).map_or(true, |got| got / 4 * 3 > limit) {
        return Err("is a data: URI of too many bytes");
    }
    STANDARD.decode(text).map_err(|_| FORM)
}

/// The path of a file there, from its address on.
fn path<'a>(base: &str, value: &'a str) -> Option<&'a str> {
    let path = value.strip_prefix(base).unwrap_or(value);
    let plain = path.split('?').next().unwrap_or(path);
    let coded = plain.to_ascii_lowercase();
    let inside = !plain.split(['/', '\\']).any(|part| part == "..")
        && !["%2e", "%2f", "%5c"].iter().any(|code| coded.contains(code));
    (inside && FOLDERS.iter().any(|folder| path.starts_with(folder))).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_label_studio_is_asked() {
        let base = "http://127.0.0.1:8080";
        let good = [
            "/data/upload/7/scan%20a.png",
            "http://127.0.0.1:8080/data/local-files/?d=a/b.png",
            "/tasks/7/resolve/?fileuri=czM6Ly9h",
        ];
        for value in good {
            assert!(path(base, value).is_some_and(|path| value.ends_with(path)), "{value}");
        }
        let bad = [
            "http://10.0.0.1/data/upload/7/scan.png",
            "http://127.0.0.1:80801/data/x",
            "//elsewhere/data/x",
            "/api/users/",
            "/data/../api/users/",
            "/data/%2e%2e/api/users/",
            "s3://bucket/scan.png",
            "scan.png",
            "",
        ];
        for value in bad {
            assert_eq!(path(base, value), None, "{value}");
        }
    }

    #[test]
    fn what_the_data_holds_is_decoded_within_bounds() {
        assert_eq!(held("image/png;base64,AAEC", 3), Ok(vec![0, 1, 2]));
        assert_eq!(held("image/png;base64,AAECAwQF", 3), Err("is a data: URI of too many bytes"));
        for bad in ["image/png,AAEC", "image/png;base64", "image/png;base64,A*"] {
            assert_eq!(held(bad, 99), Err("is no data: URI in base64"), "{bad}");
        }
    }
}
