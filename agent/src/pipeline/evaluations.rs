//! Evaluations: how right two heads are, answered once.

use insitu_protocol::ids::Digest;
use insitu_protocol::order::EvaluationOrder;
use insitu_protocol::session::Purpose;

use super::{Pipeline, PipelineError};
use crate::learn::evaluation;
use crate::outbox::{self, OutboxError};
use crate::release::{self, Release, ReleaseError};
use crate::session::{self, Alone};
use crate::store::orders::{ProjectRow, RoundState};
use crate::store::{StoreError, explain};

impl Pipeline {
    /// Answers the open evaluations; `true` when it answered one.
    pub(super) fn work_on_evaluations(&mut self, now: i64) -> Result<bool, PipelineError> {
        let open = self.store.read("evaluations", |tx| tx.evaluations(Some(RoundState::Open)))?;
        let mut outcome = Ok(false);
        for row in &open {
            let id = row.order.evaluation;
            let purpose = Purpose::Evaluation(row.order.clone());
            let answered = match self.store.tx("alone", |tx| session::alone(tx, &purpose))? {
                Alone::Later => continue,
                Alone::Never => Ok(Some("its answer is in a sum over sites already".to_owned())),
                Alone::Now => self.work_on_evaluation(&row.order, now),
            };
            let note = match answered {
                Ok(None) => continue,
                Ok(Some(note)) => note,
                Err(PipelineError::Learn(error)) if !error.is_transient() => explain(&error),
                // Until an operator acts nothing is drawn and nothing is charged.
                Err(PipelineError::Outbox(error)) if error.needs_operator() => return Ok(false),
                Err(PipelineError::Outbox(error)) if !error.is_transient() => explain(&error),
                Err(error) => {
                    outcome = outcome.and(Err(error));
                    continue;
                }
            };
            tracing::warn!(evaluation = %id, reason = note, "evaluation declined");
            self.store.tx("evaluation declined", |tx| {
                tx.set_evaluation_state(id, RoundState::Declined, &note)
            })?;
        }
        outcome.map(|more| more || !open.is_empty())
    }

    /// `None` when the answer is queued; else why the site does not take part.
    fn work_on_evaluation(
        &mut self,
        order: &EvaluationOrder,
        now: i64,
    ) -> Result<Option<String>, PipelineError> {
        if now > order.closes_unix_s {
            return Ok(Some("it closed before this site could answer".to_owned()));
        }
        let project = self.store.read("project", |tx| tx.project(&order.project))?;
        let Some(project) = project else {
            return Ok(Some("the site does not have its project".to_owned()));
        };
        if let Some(note) = self.unfit_for_heads(&project, &order.backbone)? {
            return Ok(Some(note));
        }
        self.store.read("restored", outbox::check)?;
        let outline = evaluation::outline(&project.definition, order)?;
        release::draw_ahead(&self.pool, [&outline])
            .map_err(|source| ReleaseError::Noise { kind: "evaluation", source })
            .map_err(OutboxError::from)?;
        let store = std::sync::Arc::clone(&self.store);
        let Some(model) = self.model(&project)? else {
            return Ok(Some("no model is in use".to_owned()));
        };
        let tally = evaluation::evaluate(&store, model, &project, order)?;
        let release = Release::make(&tally, &self.pool).map_err(OutboxError::from)?;
        self.store.tx("release evaluation", |tx| {
            outbox::commit(tx, vec![release], &self.judge.limits, now)?;
            tx.set_evaluation_state(order.evaluation, RoundState::Released, "")?;
            Ok::<_, OutboxError>(())
        })?;
        tracing::info!(evaluation = %order.evaluation, "evaluation queued");
        Ok(None)
    }

    /// Why heads over `backbone` are neither trained nor evaluated here, if they are not.
    pub(super) fn unfit_for_heads(
        &mut self,
        project: &ProjectRow,
        backbone: &Digest,
    ) -> Result<Option<String>, PipelineError> {
        if !self.store.read("backbone", |tx| self.judge.backbone(tx, backbone))? {
            return Ok(Some(format!("backbone {backbone} is not approved")));
        }
        let model = self.model(project)?;
        Ok(model.is_none().then(|| "no model is in use".to_owned()))
    }

    /// What open evaluations will release.
    pub(super) fn foreseen_evaluations(
        tx: &crate::store::Tx<'_>,
    ) -> Result<Vec<crate::tally::Outline>, StoreError> {
        let mut outlines = Vec::new();
        for row in tx.evaluations(Some(RoundState::Open))? {
            let Some(project) = tx.project(&row.order.project)? else { continue };
            let outline = evaluation::outline(&project.definition, &row.order);
            outlines.extend(outline.ok());
        }
        Ok(outlines)
    }
}
