//! The pipeline: what the daemon does by itself, a few times a second.
//!
//! Each [`Pipeline::tick`] moves every project on by a bounded amount of work: bundles are judged
//! and activated, items redacted, prelabeled and routed, rounds and campaigns answered, statistics
//! windows closed, sessions given their part. All state is in the store, so a killed daemon goes on where it was.

mod acceptance;
mod bundles;
mod calibrations;
mod campaigns;
mod contexts;
mod evaluations;
mod heads;
pub(crate) mod items;
pub(crate) mod offered;
mod pace;
mod personal;
pub(crate) mod redactors;
mod reviews;
mod rounds;
mod sessions;
pub mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::clock::Clock;
use insitu_privacy::NoisePool;
use insitu_protocol::ids::ProjectName;

use crate::acceptance::AcceptanceError;
use crate::config::{Acceptance, Polite, Review, Schedule};
use crate::downlink::Judge;
use crate::edge;
use crate::label_studio::{self, Studio};
use crate::learn::kept::Kept;
use crate::learn::{self, LearnError};
use crate::outbox::OutboxError;
use crate::pipeline::acceptance::Acceptances;
use crate::pipeline::bundles::Retries;
use crate::pipeline::pace::Paces;
use crate::pipeline::personal::Personals;
pub use crate::pipeline::redactors::Redactors;
use crate::pipeline::reviews::Reviews;
use crate::polite::{Manners, Reason, URGENT_SECONDS, Work};
use crate::prelabel::trial::Trial;
use crate::prelabel::{Model, ModelError, Shelf};
use crate::release;
use crate::session::ContributeError;
use crate::store::meta::Wait;
use crate::store::orders::{ProjectRow, RoundState};
use crate::store::{Store, StoreError, explain};
use crate::tally;

/// A scheduled window that could not be released is tried again after this long.
const WINDOW_RETRY: Duration = Duration::from_secs(3600);

/// Everything a tick needs.
#[derive(Debug)]
pub struct Pipeline {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    judge: Judge,
    schedule: Schedule,
    shelf: Shelf,
    library: Option<PathBuf>,
    redactors: Redactors,
    acceptances: Acceptances,
    reviews: Reviews,
    engine_name: Option<String>,
    models: BTreeMap<i64, Model>,
    /// Of the items that heads are trained on and evaluated with.
    kept: Kept,
    /// Of bundles in use.
    retries: Retries,
    /// Of bundles that are to be used.
    new_retries: Retries,
    pool: NoisePool,
    window_retry_at: BTreeMap<i64, i64>,
    studios: Vec<Studio>,
    manners: Manners,
    trial: Option<Trial>,
    personals: Personals,
    /// When each project's confidences were last looked at.
    calibrated_at: BTreeMap<i64, i64>,
    /// Whether heads wait in this tick.
    training_waits: bool,
    waits: Vec<Wait>,
    paces: Paces,
}

/// Why a tick stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A model that worked before fails.
    #[error("prelabeling failed")]
    Model(#[from] ModelError),
    /// A round failed in a way that may pass.
    #[error("a training round failed")]
    Learn(#[from] LearnError),
    /// A release failed in a way that may pass.
    #[error("a release failed")]
    Outbox(#[from] OutboxError),
    /// A part of a sum over sites failed in a way that may pass.
    #[error("a session failed")]
    Session(#[from] ContributeError),
    /// What was audited of auto-accept cannot be tested.
    #[error("auto-accept could not be tested")]
    Acceptance(#[from] AcceptanceError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl Pipeline {
    /// A pipeline over the store. Loads nothing yet.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        judge: Judge,
        schedule: Schedule,
        shelf: Shelf,
        library: Option<PathBuf>,
    ) -> Self {
        Self {
            store,
            clock,
            judge,
            schedule,
            shelf,
            library,
            redactors: Redactors::default(),
            acceptances: Acceptances::default(),
            reviews: Reviews::default(),
            engine_name: None,
            models: BTreeMap::new(),
            kept: Kept::new(),
            retries: Retries::default(),
            new_retries: Retries::default(),
            pool: NoisePool::new(),
            window_retry_at: BTreeMap::new(),
            studios: Vec::new(),
            manners: Manners::new(Polite { enabled: false, ..Polite::default() }),
            trial: None,
            personals: Personals::default(),
            calibrated_at: BTreeMap::new(),
            training_waits: false,
            waits: Vec::new(),
            paces: Paces::default(),
        }
    }

    /// The same, which redacts the items of projects as these say.
    #[must_use]
    pub fn with_redactors(self, redactors: Redactors) -> Self {
        Self { redactors, ..self }
    }

    /// The same, with what projects' prelabels must earn to be accepted; without, nothing is accepted.
    #[must_use]
    pub fn with_acceptance(mut self, settings: BTreeMap<ProjectName, Acceptance>) -> Self {
        self.acceptances = Acceptances::new(settings);
        self
    }

    /// The same, with whom projects' labels go through before they are final; without, nobody.
    #[must_use]
    pub fn with_reviews(self, settings: BTreeMap<ProjectName, Review>) -> Self {
        Self { reviews: Reviews::new(settings), ..self }
    }

    /// The same pipeline, which takes what is said in these Label Studios.
    #[must_use]
    pub fn with_label_studios(self, studios: Vec<Studio>) -> Self {
        Self { studios, ..self }
    }

    /// The same pipeline, which makes way as `manners` say; without, it never does.
    #[must_use]
    pub fn politely(self, manners: Manners) -> Self {
        Self { manners, ..self }
    }

    /// The same pipeline, which loads a bundle only after it was tried in a process of its own.
    #[must_use]
    pub fn with_trials(self, trial: Option<Trial>) -> Self {
        Self { trial, ..self }
    }

    /// The same pipeline, which fits a head of the site's own for each of these projects.
    #[must_use]
    pub fn with_personal(self, projects: BTreeSet<ProjectName>) -> Self {
        Self { personals: Personals::new(projects), ..self }
    }

    /// What waited in the last tick, and why.
    pub fn waits(&self) -> &[Wait] {
        &self.waits
    }

    /// The inference engine's name, once a model has needed it.
    pub fn engine_name(&self) -> Option<&str> {
        self.engine_name.as_deref()
    }

    /// Does a bounded amount of work; `true` when there may be more to do at once. Blocks.
    ///
    /// # Errors
    /// [`PipelineError`]; the next tick tries again.
    pub fn tick(&mut self) -> Result<bool, PipelineError> {
        let now = self.clock.now().as_second();
        self.forget_features(now)?;
        // Before anything that takes time: people may label already.
        let set_up = self.set_up_reviews();
        self.judge_bundles()?;
        self.draw_ahead()?;
        // Each part does its work whatever becomes of the others. Were an item that cannot be
        // prelabeled to hold releases up, their absence would tell of it.
        let mut outcome = set_up;
        let rests = self.manners.wait(Work::Prelabel, now);
        let projects = self.store.read("projects", |tx| tx.projects())?;
        self.look_at_paces(&projects, now)?;
        for project in projects {
            let done = match rests {
                None => self.work_on_items(&project, now),
                Some(_) => Ok(false),
            };
            self.close_due_window(&project, now);
            let tested = self.review_acceptance(&project, now);
            let calibrated = self.calibrate(&project, now).map(|()| false);
            outcome = both(both(both(outcome, done), tested), calibrated);
        }
        let worked = matches!(outcome, Ok(true));
        self.note_work(worked);
        self.make_way(rests, worked, now)?;
        if !self.training_waits {
            outcome = both(outcome, self.work_on_rounds(now));
            outcome = both(outcome, self.work_on_evaluations(now));
            outcome = both(outcome, self.work_on_personal(now));
        }
        outcome = both(outcome, self.work_on_sessions(now));
        both(outcome, self.work_on_campaigns(now).map(|()| false))
    }

    /// Decides whether heads wait, and notes what does. Prelabels, of which there are more, go first,
    /// unless an order closes soon.
    fn make_way(
        &mut self,
        rests: Option<Reason>,
        prelabels: bool,
        now: i64,
    ) -> Result<(), StoreError> {
        let trains = self.manners.wait(Work::Train, now);
        // The orders tell only whether, and until when, training waits.
        let closes = if trains.is_some() || prelabels {
            self.store.read("orders that close", |tx| tx.next_order_closes())?
        } else {
            None
        };
        let urgent = closes.is_some_and(|closes| closes < now.saturating_add(URGENT_SECONDS));
        let trains = trains.or_else(|| (prelabels && !urgent).then_some(Reason::Prelabels));
        self.training_waits = trains.is_some();
        let wait = |work: Work, reason: Option<Reason>, closes| {
            let reason = reason?;
            metrics::counter!("insitu_agent_waits_total", "work" => work.name(), "reason" => reason.name())
                .increment(1);
            Some(Wait { work: work.name().to_owned(), reason: reason.to_string(), closes })
        };
        // Training that nobody asked for does not wait.
        let trains = trains.filter(|_| closes.is_some());
        let waits = [wait(Work::Prelabel, rests, None), wait(Work::Train, trains, closes)];
        let waits: Vec<Wait> = waits.into_iter().flatten().collect();
        let works = |waits: &[Wait]| waits.iter().map(|w| w.work.clone()).collect::<Vec<_>>();
        if works(&waits) != works(&self.waits) {
            match waits.last() {
                Some(Wait { work, reason, .. }) => tracing::info!(work, reason, "making way"),
                None => tracing::info!("nothing waits any more"),
            }
        }
        self.waits = waits;
        Ok(())
    }

    fn work_on_items(&mut self, project: &ProjectRow, now: i64) -> Result<bool, PipelineError> {
        let project = self.activate(project.clone(), now)?;
        // Before the items: what their fields say of people is still to be read.
        let contexts = self.redact_contexts(&project)?;
        let redacted = self.redact(&project)? | contexts;
        let prelabeled = self.prelabel(&project, now);
        // What people said is taken in whatever becomes of prelabels.
        let named = |studio: &&Studio| studio.source.name == project.definition.name;
        let said = self.studios.iter().find(named).map_or(Ok(false), |studio| {
            label_studio::take(&self.store, &project, studio, now).map_err(PipelineError::from)
        });
        let taken = edge::take_waiting(&self.store, &project, now).map_err(PipelineError::from);
        both(both(both(Ok(redacted), prelabeled), said), taken)
    }

    /// Draws the noise of what is to be released next, so that it is there when its time comes: of
    /// windows that close by themselves, of campaigns that will be answered, of open rounds. What
    /// cannot be drawn for (a price of zero) is refused when it is released.
    fn draw_ahead(&self) -> Result<(), StoreError> {
        let outlines = self.store.read("foreseen releases", |tx| {
            let mut outlines = Vec::new();
            if self.schedule.every.is_some() {
                let projects = tx.projects()?;
                outlines.extend(
                    projects.iter().flat_map(|row| tally::window_outlines(&row.definition)),
                );
            }
            let campaigns = tx.campaigns()?;
            let open = campaigns.iter().filter(|row| !row.state.is_closed());
            outlines.extend(open.map(|row| tally::campaign_outline(&row.order)));
            let rounds = tx.rounds(Some(RoundState::Open))?;
            outlines.extend(rounds.iter().filter_map(|row| learn::outline(&row.order).ok()));
            outlines.extend(Self::foreseen_evaluations(tx)?);
            Ok::<_, StoreError>(outlines)
        })?;
        if let Err(error) = release::draw_ahead(&self.pool, &outlines) {
            tracing::warn!(reason = explain(&error), "noise not drawn ahead");
        }
        Ok(())
    }

    /// Closes a window that has been open for long enough.
    fn close_due_window(&mut self, project: &ProjectRow, now: i64) {
        let Some(every) = self.schedule.every else { return };
        let every = seconds(every);
        let retry_at = self.window_retry_at.get(&project.project).copied().unwrap_or(i64::MIN);
        if now < project.window_opened_at.saturating_add(every) || now < retry_at {
            return;
        }
        let name = &project.definition.name;
        if let Err(error) =
            windows::release_with(&self.store, &self.judge.limits, &self.pool, name, now)
        {
            let retry_at = now.saturating_add(seconds(WINDOW_RETRY));
            self.window_retry_at.insert(project.project, retry_at);
            tracing::warn!(project = %name, reason = explain(&error), "window not released");
        }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Whether either part has more to do; else the first failure.
fn both(
    first: Result<bool, PipelineError>,
    second: Result<bool, PipelineError>,
) -> Result<bool, PipelineError> {
    Ok(first? | second?)
}

#[cfg(test)]
mod candidates;
#[cfg(test)]
mod crafted;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod spans;
#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;
