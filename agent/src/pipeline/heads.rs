//! Orders for heads: rounds that train one, evaluations that compare two. Each is answered at most
//! once, alone or in a sum over sites.

use insitu_protocol::ids::{Digest, ProjectName};
use insitu_protocol::project::Project;
use insitu_protocol::session::Purpose;

use super::{Pipeline, PipelineError};
use crate::learn::LearnError;
use crate::outbox::{self, OutboxError};
use crate::prelabel::Model;
use crate::release::{self, Release, ReleaseError};
use crate::session::{self, Alone};
use crate::store::orders::{ProjectRow, RoundState};
use crate::store::{Store, StoreError, Tx, explain};
use crate::tally::{Outline, Tally};

/// What people read of a site without the order's project.
pub(super) const NO_PROJECT: &str = "the site does not have its project";
/// What people read of a project without a model.
pub(super) const NO_MODEL: &str = "no model is in use";

/// Why heads are neither trained nor evaluated here.
pub(super) struct Decline {
    /// In a word, as it is counted.
    reason: &'static str,
    /// For people.
    pub(super) note: String,
}

impl Decline {
    pub(super) fn new(reason: &'static str, note: impl Into<String>) -> Self {
        Self { reason, note: note.into() }
    }

    /// Of an order or a session that does not fit what is here.
    pub(super) fn of_learning(error: &LearnError) -> Self {
        Self::new(error.reason(), explain(error))
    }

    /// Of an answer that may not leave.
    pub(super) fn of_outbox(error: &OutboxError) -> Self {
        let reason = match error {
            OutboxError::Release(ReleaseError::Budget { .. }) => "budget",
            OutboxError::Release(ReleaseError::Cohort { .. }) => "cohort",
            OutboxError::Release(ReleaseError::SumsOnly { .. }) => "sums-only",
            OutboxError::Release(_) | OutboxError::TooLong(_) => "release",
            OutboxError::Twice { .. } => "released-before",
            OutboxError::Restored { .. }
            | OutboxError::Lost { .. }
            | OutboxError::ClockBack { .. }
            | OutboxError::Skewed { .. }
            | OutboxError::Store(_) => "store",
        };
        Self::new(reason, explain(error))
    }

    /// Counts it, for heads that an answer of this kind is asked about.
    pub(super) fn count(&self, kind: &'static str) {
        let reason = self.reason;
        metrics::counter!("insitu_agent_heads_declined_total", "kind" => kind, "reason" => reason)
            .increment(1);
    }
}

/// An open order for heads, as it is stored.
pub(super) trait HeadOrder: Sized {
    /// The kind of what it asks for.
    const KIND: &'static str;

    /// Its name, for people.
    fn name(&self) -> String;

    /// What a session over the same is for.
    fn purpose(&self) -> Purpose;

    /// The project whose heads they are.
    fn project(&self) -> &ProjectName;

    /// The backbone under them.
    fn backbone(&self) -> &Digest;

    /// Until when it is answered, Unix seconds.
    fn closes(&self) -> i64;

    /// Why it is not worth an answer beside the others that may be answered now, if it is not.
    fn superseded<'a>(&self, others: impl Iterator<Item = &'a Self>) -> Option<String>
    where
        Self: 'a;

    /// What its answer will be.
    fn outline(&self, project: &Project) -> Result<Outline, LearnError>;

    /// Computes its answer with the model in use.
    fn tally(
        &self,
        store: &Store,
        model: &mut Model,
        project: &ProjectRow,
    ) -> Result<Tally, LearnError>;

    /// The answer in the form in which it leaves.
    fn finish(&self, release: Release) -> Release;

    /// Moves it on.
    fn set_state(&self, tx: &Tx<'_>, state: RoundState, note: &str) -> Result<(), StoreError>;
}

impl Pipeline {
    /// Answers open orders; `true` when there were some that do not wait for a session.
    pub(super) fn answer_heads<O: HeadOrder>(
        &mut self,
        orders: Vec<O>,
        now: i64,
    ) -> Result<bool, PipelineError> {
        let mut open = Vec::new();
        for order in orders {
            match self.store.tx("alone", |tx| session::alone(tx, &order.purpose()))? {
                Alone::Later => {}
                alone @ (Alone::Now | Alone::Never) => open.push((order, alone)),
            }
        }
        let mut failure = None;
        for (order, alone) in &open {
            let superseded = order.superseded(open.iter().map(|(other, _)| other));
            let answered = match (alone, superseded) {
                (Alone::Never, _) => {
                    let note = "its answer is in a sum over sites already";
                    Ok(Some(Decline::new("in-a-sum", note)))
                }
                (Alone::Now | Alone::Later, Some(note)) => {
                    Ok(Some(Decline::new("superseded", note)))
                }
                (Alone::Now | Alone::Later, None) => self.answer_one(order, now),
            };
            let declined = match answered {
                Ok(None) => continue,
                Ok(Some(declined)) => declined,
                Err(PipelineError::Learn(error)) if !error.is_transient() => {
                    Decline::of_learning(&error)
                }
                // Until an operator acts nothing is drawn and nothing is charged.
                Err(PipelineError::Outbox(error)) if error.needs_operator() => return Ok(false),
                Err(PipelineError::Outbox(error)) if !error.is_transient() => {
                    Decline::of_outbox(&error)
                }
                Err(error) => {
                    failure.get_or_insert(error);
                    continue;
                }
            };
            let note = &declined.note;
            tracing::warn!(kind = O::KIND, order = order.name(), reason = note, "declined");
            self.store.tx("declined", |tx| order.set_state(tx, RoundState::Declined, note))?;
            declined.count(O::KIND);
        }
        failure.map_or(Ok(!open.is_empty()), Err)
    }

    /// `None` when the answer is queued; else why the site does not take part.
    fn answer_one<O: HeadOrder>(
        &mut self,
        order: &O,
        now: i64,
    ) -> Result<Option<Decline>, PipelineError> {
        if now > order.closes() {
            return Ok(Some(Decline::new("late", "it closed before this site could answer")));
        }
        let project = self.store.read("project", |tx| tx.project(order.project()))?;
        let Some(project) = project else {
            return Ok(Some(Decline::new("project", NO_PROJECT)));
        };
        if let Some(declined) = self.unfit_for_heads(&project, order.backbone(), now)? {
            return Ok(Some(declined));
        }
        self.store.read("restored", outbox::check)?;
        let outline = order.outline(&project.definition)?;
        release::draw_ahead(&self.pool, [&outline])
            .map_err(|source| ReleaseError::Noise { kind: O::KIND, source })
            .map_err(OutboxError::from)?;
        let store = std::sync::Arc::clone(&self.store);
        let Some(model) = self.model(&project, now)? else {
            return Ok(Some(Decline::new("no-model", NO_MODEL)));
        };
        let erasures = store.read("erasures", |tx| tx.erasures())?;
        let tally = order.tally(&store, model, &project)?;
        let release = Release::make(&tally, &self.pool).map_err(OutboxError::from)?;
        let release = order.finish(release);
        let queued = self.store.tx("release answer", |tx| {
            // Of what is erased nothing leaves any more: the next tick counts anew.
            if tx.erasures()? != erasures {
                return Ok(false);
            }
            outbox::commit(tx, vec![release], &self.judge.limits, now)?;
            order.set_state(tx, RoundState::Released, "")?;
            Ok::<_, OutboxError>(true)
        })?;
        if queued {
            tracing::info!(kind = O::KIND, order = order.name(), "queued");
        }
        Ok(None)
    }

    /// Why heads over `backbone` are neither trained nor evaluated here, if they are not.
    pub(super) fn unfit_for_heads(
        &mut self,
        project: &ProjectRow,
        backbone: &Digest,
        now: i64,
    ) -> Result<Option<Decline>, PipelineError> {
        if !self.store.read("backbone", |tx| self.judge.backbone(tx, backbone))? {
            let note = format!("backbone {backbone} is not approved");
            return Ok(Some(Decline::new("unapproved-backbone", note)));
        }
        let model = self.model(project, now)?;
        Ok(model.is_none().then(|| Decline::new("no-model", NO_MODEL)))
    }
}
