//! Orders for heads: rounds that train one, evaluations that compare two. Each is answered at most
//! once, alone or in a sum over sites.

use std::sync::Arc;

use insitu_protocol::ids::{Digest, ProjectName};
use insitu_protocol::order::{EvaluationOrder, RoundOrder};
use insitu_protocol::project::Project;
use insitu_protocol::session::Purpose;

use super::{Pipeline, PipelineError};
use crate::learn::evaluation::{self, Begun};
use crate::learn::kept::Kept;
use crate::learn::{self, LearnError};
use crate::outbox::{self, OutboxError};
use crate::prelabel::Model;
use crate::release::{self, Release, ReleaseError};
use crate::session::{self, Alone};
use crate::store::orders::{ProjectRow, RoundState};
use crate::store::{StoreError, Tx, explain};
use crate::tally::{Outline, Tally};

/// What people read of a site without the order's project.
pub(super) const NO_PROJECT: &str = "the site does not have its project";
/// What people read of a project without a model.
pub(super) const NO_MODEL: &str = "no model is in use";

/// Why heads over a backbone that the steward has not approved are declined, in a word.
pub(super) const UNAPPROVED: &str = "unapproved-backbone";

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

/// The heads that an order asks about, whichever way its answer leaves.
#[derive(Clone, Copy)]
pub(super) enum Heads<'a> {
    /// One to be trained.
    Trained(&'a RoundOrder),
    /// Two to be compared.
    Compared(&'a EvaluationOrder),
}

impl<'a> Heads<'a> {
    /// Those of a session; `None` when it adds something else.
    pub(super) fn of(purpose: &'a Purpose) -> Option<Self> {
        match purpose {
            Purpose::Update(order) => Some(Self::Trained(order)),
            Purpose::Evaluation(order) => Some(Self::Compared(order)),
            Purpose::Statistics { .. } => None,
        }
    }

    /// What a session over the same is for.
    fn purpose(self) -> Purpose {
        match self {
            Self::Trained(order) => Purpose::Update(order.clone()),
            Self::Compared(order) => Purpose::Evaluation(order.clone()),
        }
    }

    /// The kind of the answer.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Trained(_) => "update",
            Self::Compared(_) => "evaluation",
        }
    }

    fn project(self) -> &'a ProjectName {
        match self {
            Self::Trained(order) => &order.project,
            Self::Compared(order) => &order.project,
        }
    }

    fn backbone(self) -> &'a Digest {
        match self {
            Self::Trained(order) => &order.backbone,
            Self::Compared(order) => &order.backbone,
        }
    }

    /// Until when it is answered, Unix seconds.
    fn closes(self) -> i64 {
        match self {
            Self::Trained(order) => order.closes_unix_s,
            Self::Compared(order) => order.closes_unix_s,
        }
    }

    /// Whether nothing will be asked about the same items again, as far as is known.
    pub(super) fn ends(self) -> bool {
        match self {
            Self::Trained(order) => order.round >= order.rounds,
            Self::Compared(_) => false,
        }
    }

    /// What the answer will be.
    ///
    /// # Errors
    /// [`LearnError`] for an order that no site answers.
    pub(super) fn outline(self, project: &Project) -> Result<Outline, LearnError> {
        match self {
            Self::Trained(order) => Ok(learn::outline(order)?),
            Self::Compared(order) => evaluation::outline(project, order),
        }
    }
}

/// Whether heads are trained or compared here.
pub(super) enum Fitness {
    Fit,
    /// Not before the candidate is there.
    NotYet,
    Unfit(Decline),
}

/// An open order for heads, as it is stored.
pub(super) trait HeadOrder: Sized {
    /// Its name, for people.
    fn name(&self) -> String;

    /// What it asks about.
    fn heads(&self) -> Heads<'_>;

    /// Why it is not worth an answer beside the others that may be answered now, if it is not.
    fn superseded<'a>(&self, others: impl Iterator<Item = &'a Self>) -> Option<String>
    where
        Self: 'a;

    /// The answer in the form in which it leaves.
    fn finish(&self, release: Release) -> Release;

    /// Moves it on.
    fn set_state(&self, tx: &Tx<'_>, state: RoundState, note: &str) -> Result<(), StoreError>;
}

/// What became of an open order in this tick.
enum Answered {
    Queued,
    Later,
    Declined(Decline),
}

impl Pipeline {
    /// Answers open orders; `true` when there were some that do not wait, for a session or a candidate.
    pub(super) fn answer_heads<O: HeadOrder>(
        &mut self,
        orders: Vec<O>,
        now: i64,
    ) -> Result<bool, PipelineError> {
        let mut open = Vec::new();
        for order in orders {
            match self.store.tx("alone", |tx| session::alone(tx, &order.heads().purpose()))? {
                Alone::Later => {}
                alone @ (Alone::Now | Alone::Never) => open.push((order, alone)),
            }
        }
        let (mut failure, mut busy) = (None, false);
        for (order, alone) in &open {
            let superseded = order.superseded(open.iter().map(|(other, _)| other));
            let answered = match (alone, superseded) {
                (Alone::Never, _) => {
                    let note = "its answer is in a sum over sites already";
                    Ok(Answered::Declined(Decline::new("in-a-sum", note)))
                }
                (Alone::Now | Alone::Later, Some(note)) => {
                    Ok(Answered::Declined(Decline::new("superseded", note)))
                }
                (Alone::Now | Alone::Later, None) => self.answer_one(order, now),
            };
            busy |= !matches!(answered, Ok(Answered::Later));
            let declined = match answered {
                Ok(Answered::Queued | Answered::Later) => continue,
                Ok(Answered::Declined(declined)) => declined,
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
            let (note, kind) = (&declined.note, order.heads().kind());
            tracing::warn!(kind, order = order.name(), reason = note, "declined");
            self.store.tx("declined", |tx| order.set_state(tx, RoundState::Declined, note))?;
            declined.count(kind);
        }
        failure.map_or(Ok(busy), Err)
    }

    fn answer_one<O: HeadOrder>(&mut self, order: &O, now: i64) -> Result<Answered, PipelineError> {
        let heads = order.heads();
        if now > heads.closes() {
            let note = "it closed before this site could answer";
            return Ok(Answered::Declined(Decline::new("late", note)));
        }
        let project = self.store.read("project", |tx| tx.project(heads.project()))?;
        let Some(project) = project else {
            return Ok(Answered::Declined(Decline::new("project", NO_PROJECT)));
        };
        match self.fitness(&project, heads, now)? {
            Fitness::Fit => {}
            Fitness::NotYet => return Ok(Answered::Later),
            Fitness::Unfit(declined) => return Ok(Answered::Declined(declined)),
        }
        self.store.read("restored", outbox::check)?;
        let outline = heads.outline(&project.definition)?;
        release::draw_ahead(&self.pool, [&outline])
            .map_err(|source| ReleaseError::Noise { kind: heads.kind(), source })
            .map_err(OutboxError::from)?;
        let erasures = self.store.read("erasures", |tx| tx.erasures())?;
        let tally = match self.count_heads(&project, heads, now)? {
            Ok(tally) => tally,
            Err(declined) => return Ok(Answered::Declined(declined)),
        };
        let release = Release::make(&tally, &self.pool).map_err(OutboxError::from)?;
        let release = order.finish(release);
        let queued = self.store.alone("release answer", |tx| {
            // Of what is erased nothing leaves any more: the next tick counts anew.
            if tx.erasures()? != erasures {
                return Ok(false);
            }
            outbox::commit(tx, vec![release], &self.judge.limits, now)?;
            order.set_state(tx, RoundState::Released, "")?;
            Ok::<_, OutboxError>(true)
        })?;
        if queued {
            tracing::info!(kind = heads.kind(), order = order.name(), "queued");
            if heads.ends() {
                self.kept.forget();
            }
        }
        Ok(Answered::Queued)
    }

    /// Whether heads are trained or compared here, by the site's policy and what has arrived.
    pub(super) fn fitness(
        &mut self,
        project: &ProjectRow,
        heads: Heads<'_>,
        now: i64,
    ) -> Result<Fitness, PipelineError> {
        let backbone = heads.backbone();
        if !self.store.read("backbone", |tx| self.judge.backbone(tx, backbone))? {
            let note = format!("backbone {backbone} is not approved");
            return Ok(Fitness::Unfit(Decline::new(UNAPPROVED, note)));
        }
        if self.model(project, now)?.is_none() {
            return Ok(Fitness::Unfit(Decline::new("no-model", NO_MODEL)));
        }
        match heads {
            Heads::Compared(order) if order.candidate.is_bundle() => Ok(self.has_candidate(order)?),
            Heads::Compared(_) | Heads::Trained(_) => Ok(Fitness::Fit),
        }
    }

    /// Computes what heads are asked about; or why it cannot be.
    pub(super) fn count_heads(
        &mut self,
        project: &ProjectRow,
        heads: Heads<'_>,
        now: i64,
    ) -> Result<Result<Tally, Decline>, PipelineError> {
        let store = Arc::clone(&self.store);
        // Before any lesson is read: what is erased meanwhile is seen in the next tick.
        let erasures = store.read("erasures", |tx| tx.erasures())?;
        self.kept.ask(erasures, now);
        let Some((model, kept)) = self.model_and_kept(project, now)? else {
            return Ok(Err(Decline::new("no-model", NO_MODEL)));
        };
        match heads {
            Heads::Trained(order) => Ok(Ok(learn::update(&store, model, kept, project, order)?)),
            Heads::Compared(order) if order.candidate.is_bundle() => {
                let begun = Begun::with(&store, model, kept, project, order)?;
                let mut candidate = match self.load_candidate(project, order)? {
                    Ok(candidate) => candidate,
                    Err(declined) => return Ok(Err(declined)),
                };
                // It goes again from memory with the end of this.
                Ok(Ok(begun.judge(&store, &mut candidate)?))
            }
            Heads::Compared(order) => {
                Ok(Ok(evaluation::evaluate(&store, model, kept, project, order)?))
            }
        }
    }

    /// The model in use, and what is kept of its features.
    fn model_and_kept(
        &mut self,
        project: &ProjectRow,
        now: i64,
    ) -> Result<Option<(&mut Model, &mut Kept)>, PipelineError> {
        if self.model(project, now)?.is_none() {
            return Ok(None);
        }
        Ok(self.models.get_mut(&project.project).map(|model| (model, &mut self.kept)))
    }

    /// Forgets features that may not be kept any longer.
    pub(super) fn forget_features(&mut self, now: i64) -> Result<(), StoreError> {
        if !self.kept.is_empty() {
            let erasures = self.store.read("erasures", |tx| tx.erasures())?;
            self.kept.look(erasures, now);
        }
        Ok(())
    }
}
