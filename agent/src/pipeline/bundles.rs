//! Which bundle a project uses: judged, tried, put to use, and loaded again after a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use insitu_models::fit::{self, FitError};
use insitu_protocol::ids::Digest;
use serde_json::json;

use super::{Pipeline, PipelineError, seconds};
use crate::prelabel::trial::TrialError;
use crate::prelabel::{self, Model, ModelError};
use crate::store::orders::{BundleRow, BundleState, ProjectRow};
use crate::store::trail::{Event, What};
use crate::store::{StoreError, explain};

/// A bundle that does not load is tried again after this long: each trial may take minutes.
const MODEL_RETRY: Duration = Duration::from_secs(600);
/// Longest pause before a bundle that is not in use yet is tried again. It doubles each time: one that
/// kills every trial must not keep the site from its work.
const MODEL_RETRY_MAX: Duration = Duration::from_secs(86_400);

/// By project: the bundle that did not load, and when it is tried again.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<i64, Retry>);

#[derive(Debug)]
struct Retry {
    bundle: Digest,
    wait: Duration,
    at: i64,
}

impl Retries {
    /// Whether it is too early to try a bundle again.
    fn waits(&self, project: i64, bundle: &Digest, now: i64) -> bool {
        self.0.get(&project).is_some_and(|retry| retry.bundle == *bundle && now < retry.at)
    }

    /// The pause before the last try of a bundle.
    fn last_wait(&self, project: i64, bundle: &Digest) -> Duration {
        let retry = self.0.get(&project).filter(|retry| retry.bundle == *bundle);
        retry.map_or(Duration::ZERO, |retry| retry.wait)
    }

    fn put(&mut self, project: i64, bundle: Digest, wait: Duration, now: i64) {
        let at = now.saturating_add(seconds(wait));
        self.0.insert(project, Retry { bundle, wait, at });
    }

    fn remove(&mut self, project: i64) {
        self.0.remove(&project);
    }
}

/// Why a bundle is not loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// It is not whole, or does not run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It does not draft the project's labels.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Its trial.
    #[error(transparent)]
    Trial(#[from] TrialError),
}

impl LoadError {
    /// Whether its objects are to be fetched again.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Model(error) if error.is_damage())
    }

    /// Whether the same bundle may load later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Model(error) => error.is_transient(),
            Self::Fit(_) => false,
            Self::Trial(error) => error.is_transient(),
        }
    }
}

impl Pipeline {
    /// The policy decides about complete bundles; again on each tick, as the steward may have.
    pub(super) fn judge_bundles(&self) -> Result<(), StoreError> {
        let waiting = self.store.read("bundles", |tx| tx.bundles())?;
        for row in waiting.iter().filter(|row| row.state == BundleState::Pending) {
            let (state, note) = self.store.read("judge", |tx| self.judge.bundle(tx, row))?;
            if state == row.state && note == row.note {
                continue;
            }
            self.store.tx("judge", |tx| {
                // The steward may have decided since.
                let (state, note) = self.judge.bundle(tx, row)?;
                let moved = tx.move_bundle(&row.bundle, BundleState::Pending, state, &note)?;
                let what = match state {
                    BundleState::Ready => What::Approved,
                    BundleState::Declined => What::Declined,
                    BundleState::Wanted | BundleState::Pending | BundleState::Failed => {
                        return Ok(());
                    }
                };
                if moved {
                    let judged = Event::new(what).of(row.order.project.as_str());
                    tx.note(&judged.with(json!({"model": row.bundle})))?;
                }
                Ok::<_, StoreError>(())
            })?;
        }
        Ok(())
    }

    /// Brings the newest bundle that may be used into use, unless one is in use that was ordered later:
    /// what came before that is out of date, or was withdrawn, however the one in use fares. Only the
    /// steward, by declining it, goes back. A bundle that fails leaves the old one at work.
    pub(super) fn activate(
        &mut self,
        mut project: ProjectRow,
        now: i64,
    ) -> Result<ProjectRow, PipelineError> {
        let newer = self.store.read("bundles", |tx| {
            let mut of_project = tx
                .bundles()?
                .into_iter()
                .filter(|row| !row.candidate && row.order.project == project.definition.name);
            let ends = |row: &BundleRow| {
                row.state == BundleState::Ready
                    || Some(row.bundle) == project.bundle && row.state != BundleState::Declined
            };
            Ok::<_, StoreError>(of_project.find(ends))
        })?;
        let Some(row) = newer.filter(|row| Some(row.bundle) != project.bundle) else {
            return Ok(project);
        };
        // Whoever approves it anew, or what was fetched again, has taken its note.
        if !row.note.is_empty() && self.new_retries.waits(project.project, &row.bundle, now) {
            return Ok(project);
        }
        // A trial takes a while, in which the steward may decide about it: then it is not ready any more.
        let ready = BundleState::Ready;
        match self.load(&project, &row.order.manifest.0) {
            Ok(model) => {
                self.new_retries.remove(project.project);
                let used = self.store.tx("use bundle", |tx| {
                    let stands = tx.move_bundle(&row.bundle, ready, ready, "")?;
                    if stands {
                        tx.clear_ready_notes(&project.definition.name)?;
                        tx.use_bundle(project.project, &row.bundle)?;
                    }
                    Ok::<_, StoreError>(stands)
                })?;
                if used {
                    self.put_to_use(&project, model);
                    tracing::info!(bundle = %row.bundle, "bundle in use");
                    project.bundle = Some(row.bundle);
                }
            }
            Err(error) => {
                let note = explain(&error);
                tracing::error!(bundle = %row.bundle, reason = note, "bundle failed; the old one stays");
                metrics::counter!("insitu_agent_bundles_failed_total").increment(1);
                let state = if error.is_damage() {
                    BundleState::Wanted
                } else if error.is_transient() {
                    let wait = self.new_retries.last_wait(project.project, &row.bundle) * 2;
                    let wait = wait.clamp(MODEL_RETRY, MODEL_RETRY_MAX);
                    self.new_retries.put(project.project, row.bundle, wait, now);
                    ready
                } else {
                    BundleState::Failed
                };
                self.store
                    .tx("bundle failed", |tx| tx.move_bundle(&row.bundle, ready, state, &note))?;
            }
        }
        Ok(project)
    }

    /// Loads a bundle for a project, golden outputs included.
    pub(super) fn load(
        &mut self,
        project: &ProjectRow,
        manifest: &[u8],
    ) -> Result<Model, LoadError> {
        let bundle = self.shelf.bundle(manifest).map_err(ModelError::from)?;
        fit::check(bundle.manifest(), &project.definition)?;
        if let Some(trial) = &self.trial {
            trial.run(&self.shelf, self.library.as_deref(), manifest)?;
        }
        let engine = prelabel::engine(self.library.as_ref()).map_err(ModelError::from)?;
        self.engine_name = Some(engine.name().to_owned());
        Ok(Model::load(&engine, &bundle)?)
    }

    /// The model in use, loaded after a restart when it is first needed. One that does not draft the
    /// labels of a newer version of the project is dropped.
    pub(super) fn model(
        &mut self,
        project: &ProjectRow,
        now: i64,
    ) -> Result<Option<&mut Model>, PipelineError> {
        let Some(bundle) = project.bundle else { return Ok(None) };
        let serves = |model: &Model| {
            model.bundle() == bundle && fit::check(model.manifest(), &project.definition).is_ok()
        };
        if !self.models.get(&project.project).is_some_and(serves) {
            self.models.remove(&project.project);
            if self.retries.waits(project.project, &bundle, now) {
                return Ok(None);
            }
            let row = self.store.read("bundle", |tx| tx.bundle(&bundle))?;
            let Some(row) = row else { return Ok(None) };
            match self.load(project, &row.order.manifest.0) {
                Ok(model) => {
                    self.retries.remove(project.project);
                    self.put_to_use(project, model);
                    if row.state == BundleState::Failed {
                        self.store.tx("bundle loads again", |tx| {
                            tx.move_bundle(&bundle, BundleState::Failed, BundleState::Ready, "")
                        })?;
                        tracing::info!(%bundle, "the bundle in use loads again");
                    }
                }
                Err(error) => {
                    self.retries.put(project.project, bundle, MODEL_RETRY, now);
                    self.fail_active(&bundle, &explain(&error))?;
                    return Ok(None);
                }
            }
        }
        Ok(self.models.get_mut(&project.project))
    }

    /// Has a project use a model: what another one made of items is of no use any more.
    fn put_to_use(&mut self, project: &ProjectRow, model: Model) {
        self.kept.forget();
        self.models.insert(project.project, model);
    }

    /// A bundle that was in use does not load any more: a damaged disk, another library. It stays
    /// the project's, and is shown as failed until it loads again.
    fn fail_active(&self, bundle: &Digest, note: &str) -> Result<(), StoreError> {
        let known = self.store.read("bundle", |tx| tx.bundle(bundle))?;
        // One that the steward has declined stays declined: what is older may take its place.
        let known = known.filter(|row| row.note != note && row.state != BundleState::Declined);
        if let Some(row) = known {
            tracing::error!(%bundle, reason = note, "the bundle in use does not load");
            self.store.tx("bundle failed", |tx| {
                tx.move_bundle(bundle, row.state, BundleState::Failed, note)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
