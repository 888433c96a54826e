//! Heads of the site's own, where its steward wants them: fitted when there is nothing else to do,
//! one at a time, and again when the site has a tenth more labels or another bundle.

use std::collections::{BTreeMap, BTreeSet};

use insitu_protocol::ids::ProjectName;

use super::{Pipeline, PipelineError};
use crate::learn::LearnError;
use crate::learn::personal::Fitting;
use crate::prelabel::personal::PersonalHead;
use crate::store::orders::ProjectRow;
use crate::store::{StoreError, explain};

/// How often a project's labels are counted, seconds.
const LOOK_SECONDS: i64 = 60;
/// A head is fitted again after so many new labels, or a tenth of those it was fitted to.
const LABELS_NEW: u64 = 20;

/// What is known of the site's own heads.
#[derive(Debug, Default)]
pub(super) struct Personals {
    wanted: BTreeSet<ProjectName>,
    looked_at: BTreeMap<i64, i64>,
    fitting: Option<(i64, Begun)>,
}

/// A fit, and how often the store had erased something when it began.
#[derive(Debug)]
struct Begun {
    fitting: Fitting,
    erasures: u64,
}

impl Personals {
    /// Those of these projects.
    pub(super) fn new(wanted: BTreeSet<ProjectName>) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Whether a project's personal head may serve.
    pub(super) fn wants(&self, project: &ProjectName) -> bool {
        self.wanted.contains(project)
    }
}

impl Pipeline {
    /// Does a piece of fitting; `true` when there is more.
    pub(super) fn work_on_personal(&mut self, now: i64) -> Result<bool, PipelineError> {
        for project in self.store.read("projects", |tx| tx.projects())? {
            let turn = self.personals.fitting.as_ref().is_none_or(|(of, _)| *of == project.project);
            if turn && self.personalise(&project, now)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn personalise(&mut self, project: &ProjectRow, now: i64) -> Result<bool, PipelineError> {
        let stands = match &self.personals.fitting {
            // It may have learned from what was erased since.
            Some((_, begun)) => {
                Some(begun.fitting.bundle()) == project.bundle
                    && begun.erasures == self.store.read("erasures", |tx| tx.erasures())?
            }
            None => false,
        };
        let begun = match self.personals.fitting.take().filter(|_| stands) {
            Some((_, begun)) => Some(begun),
            None => self.due(project, now)?,
        };
        begun.map_or(Ok(false), |begun| self.go_on(project, begun, now))
    }

    /// A fit that is due, begun.
    fn due(&mut self, project: &ProjectRow, now: i64) -> Result<Option<Begun>, PipelineError> {
        let last = self.personals.looked_at.get(&project.project).copied();
        if last.is_some_and(|last| (0..LOOK_SECONDS).contains(&(now - last))) {
            return Ok(None);
        }
        self.personals.looked_at.insert(project.project, now);
        let store = std::sync::Arc::clone(&self.store);
        if !self.personals.wants(&project.definition.name) {
            // The steward does not want it any more, or never did.
            let known = store.read("personal head", |tx| tx.personal_head(project.project))?;
            if known.is_some() {
                store.tx("drop personal head", |tx| tx.drop_personal_head(project.project))?;
            }
            return Ok(None);
        }
        let (known, labels) = store.read("personal head", |tx| {
            let known = tx.personal_head(project.project)?;
            Ok::<_, StoreError>((known, tx.annotation_counts(project.project)?.0))
        })?;
        let fresh = known.is_some_and(|row| {
            let new = labels.abs_diff(row.labels);
            Some(row.bundle) == project.bundle && new < LABELS_NEW.max(row.labels / 10)
        });
        if fresh {
            return Ok(None);
        }
        let Some(model) = self.model(project, now)? else { return Ok(None) };
        // Before any lesson is read: what is erased meanwhile is seen at the end.
        let erasures = store.read("erasures", |tx| tx.erasures())?;
        match Fitting::begin(&store, model, project, labels) {
            Err(error @ LearnError::NotPersonal { .. }) => {
                if last.is_none() {
                    let reason = explain(&error);
                    tracing::warn!(project = %project.definition.name, reason, "no personal head");
                }
                Ok(None)
            }
            begun => Ok(Some(Begun { fitting: begun?, erasures })),
        }
    }

    /// The next piece of a fit; at the end the head is stored, and serves from the next prelabel on.
    fn go_on(
        &mut self,
        project: &ProjectRow,
        mut begun: Begun,
        now: i64,
    ) -> Result<bool, PipelineError> {
        let store = std::sync::Arc::clone(&self.store);
        let Some(model) = self.model(project, now)? else { return Ok(false) };
        let head = match begun.fitting.work(&store, model) {
            Ok(None) => {
                self.personals.fitting = Some((project.project, begun));
                return Ok(true);
            }
            Ok(Some(head)) => head,
            // An item may have gone meanwhile. The next look begins anew.
            Err(error) => {
                tracing::warn!(reason = explain(&error), "personal head not fitted");
                return Ok(false);
            }
        };
        let Begun { fitting, erasures } = begun;
        let (bundle, labels) = (fitting.bundle(), fitting.labels());
        let stored = store.tx("personal head", |tx| {
            let stands = tx.erasures()? == erasures;
            if stands {
                head.store(tx, project.project, &bundle, labels)?;
            }
            Ok::<_, StoreError>(stands)
        })?;
        if stored {
            metrics::counter!("insitu_agent_personal_heads_fitted_total").increment(1);
            tracing::info!(project = %project.definition.name, "personal head fitted");
        }
        Ok(true)
    }

    /// Lets the model in use serve as `personal`, the one that is stored, says. One that cannot be
    /// read is forgotten, and fitted again: prelabeling does not stop for it.
    pub(super) fn serve_personal(
        &mut self,
        project: &ProjectRow,
        now: i64,
    ) -> Result<(), PipelineError> {
        match self.serve_stored(project, now) {
            Err(PipelineError::Store(error @ StoreError::Corrupt { .. })) => {
                tracing::warn!(reason = explain(&error), "personal head forgotten");
                self.store.tx("drop personal head", |tx| tx.drop_personal_head(project.project))?;
                Ok(())
            }
            served => served,
        }
    }

    fn serve_stored(&mut self, project: &ProjectRow, now: i64) -> Result<(), PipelineError> {
        let wanted = self.personals.wants(&project.definition.name);
        let stored = match wanted {
            true => self.store.read("personal head", |tx| PersonalHead::load(tx, project))?,
            false => None,
        };
        if let Some(model) = self.model(project, now)? {
            model.serve(stored.as_ref())?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
