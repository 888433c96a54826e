//! A site's own Label Studio as a client: the agent is its ML backend, and takes what its people
//! say.
//!
//! ```text
//! /setup, /predict ── schema: does its label config ask for what the project does?
//! /predict ── tasks: each task is an item, redacted and prelabeled as any other ── drafts
//! /webhook ── queue: kept durably, then answered ── take: first readings, skips, deletions
//!                └── compare: what webhooks have missed, by asking; drafts brought in bulk ── client
//! ```
//! What tasks only name, images and series, is fetched from Label Studio beside all this: `fetch`.
//!
//! Label Studio checks nothing that a backend says, calls a webhook once, and waits a second for its
//! answer. So drafts are made to fit its label config or not given at all; an event is kept before
//! it is answered, is known by its annotation and its time, and one that was missed is found by
//! comparing. People there see the site's own text; here they see it redacted, and places in one
//! become places in the other.

pub mod check;
pub mod client;
pub mod compare;
mod draft;
mod fetch;
pub(crate) mod forget;
pub mod http;
mod media;
pub mod page;
mod places;
mod queue;
pub mod schema;
mod take;
mod task;

use std::sync::Arc;

use insitu_daemon::files::{self, FileError};
use insitu_protocol::ids::ProjectName;
use insitu_protocol::project::{Field, FieldKind, Project};

pub use self::fetch::{FetchError, fetch};
use self::schema::{Schema, SchemaError};
pub use self::take::take;
use crate::config::{Images, LabelStudio, Source};
use crate::redact::texts::Texts;

/// Most tasks of a request.
pub const TASKS_MAX: usize = 10_000;
/// Longest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most events of a project that wait.
pub const WAITING_MAX: u64 = 100_000;
/// Shortest and longest secret, bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// A project whose people label in a Label Studio.
#[derive(Clone)]
pub struct Studio {
    /// How the project's items are read.
    pub source: Source,
    /// Where it is.
    pub settings: LabelStudio,
    secret: blake3::Hash,
    texts: Arc<dyn Texts>,
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Studio({})", self.source.name)
    }
}

/// Why a Label Studio cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudioError {
    /// The file of its secret.
    #[error("the secret of project {project}'s Label Studio cannot be read")]
    File {
        /// The project.
        project: ProjectName,
        /// Why not.
        source: FileError,
    },
    /// A secret that is easy to guess, or cannot be part of an address.
    #[error(
        "the secret of project {project}'s Label Studio must be {} to {} of a-z, A-Z, 0-9, - and _",
        SECRET_BYTES.start(), SECRET_BYTES.end()
    )]
    Secret {
        /// The project.
        project: ProjectName,
    },
}

impl Studio {
    /// The Label Studio of a project, if its configuration names one. `texts` redacts as the agent does.
    ///
    /// # Errors
    /// [`StudioError`].
    pub fn open(source: &Source, texts: Arc<dyn Texts>) -> Result<Option<Self>, StudioError> {
        let Some(settings) = source.label_studio.clone() else { return Ok(None) };
        let project = source.name.clone();
        let bytes = files::read_secret(&settings.secret_file)
            .map_err(|source| StudioError::File { project: project.clone(), source })?;
        let text = bytes.trim_ascii();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !SECRET_BYTES.contains(&text.len()) || !text.iter().all(plain) {
            return Err(StudioError::Secret { project });
        }
        Ok(Some(Self { source: source.clone(), settings, secret: blake3::hash(text), texts }))
    }

    /// Those of all projects that have one.
    ///
    /// # Errors
    /// [`StudioError`].
    pub fn open_all(sources: &[Source], texts: &Arc<dyn Texts>) -> Result<Vec<Self>, StudioError> {
        let open = |source| Self::open(source, Arc::clone(texts)).transpose();
        sources.iter().filter_map(open).collect()
    }

    /// Reads its label config, and checks it against the project here and what may be shown of it.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn schema(&self, text: &str, project: &Project) -> Result<Schema, SchemaError> {
        if self.holds_back(project) {
            return Err(SchemaError::Images);
        }
        Schema::read(text, project)
    }

    /// Whether nobody may see the project's items, since they have images.
    fn holds_back(&self, project: &Project) -> bool {
        let image = |field: &Field| field.kind == FieldKind::Image;
        self.source.images == Images::Quarantine && project.fields.iter().any(image)
    }

    /// Whether `text` is the secret; takes as long whether it nearly is or not.
    fn is_secret(&self, text: &[u8]) -> bool {
        blake3::hash(text) == self.secret
    }
}

#[cfg(test)]
mod tests;
