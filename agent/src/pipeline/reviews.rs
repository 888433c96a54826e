//! Stages of review: set up as the configuration has them, once a version of each project.

use std::collections::BTreeMap;

use insitu_protocol::ids::ProjectName;

use super::{Pipeline, PipelineError};
use crate::config::Review;
use crate::review::{self, StagesError};
use crate::store::explain;
use crate::store::orders::ProjectRow;

/// The site's settings, and the versions of projects for which they were set up.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    settings: BTreeMap<ProjectName, Review>,
    done: BTreeMap<i64, u32>,
}

impl Reviews {
    pub(super) fn new(settings: BTreeMap<ProjectName, Review>) -> Self {
        Self { settings, done: BTreeMap::new() }
    }
}

impl Pipeline {
    /// Sets up the stages of review of all projects; `true` when some were others before.
    pub(super) fn set_up_reviews(&mut self) -> Result<bool, PipelineError> {
        let mut changed = false;
        for project in self.store.read("projects", |tx| tx.projects())? {
            changed |= self.set_up_review(&project)?;
        }
        Ok(changed)
    }

    /// Sets up a project's stages of review; `true` when they were others before. Stages for a class
    /// that the project does not have are not set up, `insitu-agent status` says so, and those of
    /// before go on.
    fn set_up_review(&mut self, project: &ProjectRow) -> Result<bool, PipelineError> {
        let version = project.definition.version;
        if self.reviews.done.get(&project.project) == Some(&version) {
            return Ok(false);
        }
        let wanted = self.reviews.settings.get(&project.definition.name);
        let changed = match review::set_up_stages(&self.store, project, wanted) {
            Ok(changed) => changed,
            Err(StagesError::Store(source)) => return Err(source.into()),
            Err(error @ StagesError::Class { .. }) => {
                let project = project.definition.name.as_str();
                tracing::error!(project, reason = explain(&error), "stages of review not set up");
                false
            }
        };
        self.reviews.done.insert(project.project, version);
        Ok(changed)
    }
}
