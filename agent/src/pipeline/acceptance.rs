//! Auto-accept: tested as audited labels come in, applied to what is routed next.

use std::collections::BTreeMap;

use insitu_protocol::ids::{Digest, ProjectName};

use super::{Pipeline, PipelineError};
use crate::acceptance;
use crate::config::Acceptance;
use crate::route::Accepts;
use crate::store::orders::ProjectRow;
use crate::store::{StoreError, Tx};

/// Least time between two tests of a project, seconds: each reads all that was audited.
const TEST_SECONDS: i64 = 20;

/// The sites' settings, and what was tested last.
#[derive(Debug, Default)]
pub(super) struct Acceptances {
    settings: BTreeMap<ProjectName, Acceptance>,
    tested: BTreeMap<i64, Tested>,
}

/// What had been said when a project was last tested.
#[derive(Debug, PartialEq)]
struct Tested {
    maker: Digest,
    newest: Option<(i64, String)>,
    at: i64,
}

impl Acceptances {
    pub(super) fn new(settings: BTreeMap<ProjectName, Acceptance>) -> Self {
        Self { settings, tested: BTreeMap::new() }
    }

    /// Which prelabels by `maker` are accepted now.
    pub(super) fn of(
        &self,
        tx: &Tx<'_>,
        project: &ProjectRow,
        maker: &Digest,
    ) -> Result<Accepts, StoreError> {
        let settings = self.settings.get(&project.definition.name);
        acceptance::accepts(tx, settings, project.project, maker)
    }
}

impl Pipeline {
    /// Tests what was audited since, at a measured pace. After a start it looks at everything once:
    /// settings may have changed, and what was switched off just before goes back now.
    pub(super) fn review_acceptance(
        &mut self,
        project: &ProjectRow,
        now: i64,
    ) -> Result<bool, PipelineError> {
        let Some(bundle) = project.bundle else { return Ok(false) };
        let maker = self.store.read("maker", |tx| tx.maker(project.project, &bundle))?;
        let last = self.acceptances.tested.get(&project.project);
        let soon = |last: &Tested| (0..TEST_SECONDS).contains(&(now - last.at));
        if last.is_some_and(|last| last.maker == maker && soon(last)) {
            return Ok(false);
        }
        let newest = self.store.read("newest annotation", |tx| tx.newest_annotation())?;
        if last.is_some_and(|last| last.maker == maker && last.newest == newest) {
            return Ok(false);
        }
        let anew = last.is_none_or(|last| last.maker != maker);
        let settings = self.acceptances.settings.get(&project.definition.name);
        let sent = acceptance::review(&self.store, settings, project, &maker, anew, now)?;
        if sent > 0 {
            let project = project.definition.name.as_str();
            tracing::warn!(project, items = sent, "accepted items go back to annotators");
        }
        self.acceptances.tested.insert(project.project, Tested { maker, newest, at: now });
        Ok(false)
    }
}
