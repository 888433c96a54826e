//! Evaluations: how right two heads are, answered once.

use insitu_protocol::ids::{Digest, ProjectName};
use insitu_protocol::project::Project;
use insitu_protocol::session::Purpose;

use super::heads::HeadOrder;
use super::{Pipeline, PipelineError};
use crate::learn::{LearnError, evaluation};
use crate::prelabel::Model;
use crate::release::Release;
use crate::store::evaluations::EvaluationRow;
use crate::store::orders::{ProjectRow, RoundState};
use crate::store::{Store, StoreError, Tx};
use crate::tally::{Outline, Tally};

impl Pipeline {
    /// Answers the open evaluations; `true` when there may be more to do.
    pub(super) fn work_on_evaluations(&mut self, now: i64) -> Result<bool, PipelineError> {
        let open = self.store.read("evaluations", |tx| tx.evaluations(Some(RoundState::Open)))?;
        self.answer_heads(open, now)
    }

    /// What open evaluations will release.
    pub(super) fn foreseen_evaluations(tx: &Tx<'_>) -> Result<Vec<Outline>, StoreError> {
        let mut outlines = Vec::new();
        for row in tx.evaluations(Some(RoundState::Open))? {
            let Some(project) = tx.project(&row.order.project)? else { continue };
            outlines.extend(row.outline(&project.definition).ok());
        }
        Ok(outlines)
    }
}

impl HeadOrder for EvaluationRow {
    const KIND: &'static str = "evaluation";

    fn name(&self) -> String {
        self.order.evaluation.to_string()
    }

    fn purpose(&self) -> Purpose {
        Purpose::Evaluation(self.order.clone())
    }

    fn project(&self) -> &ProjectName {
        &self.order.project
    }

    fn backbone(&self) -> &Digest {
        &self.order.backbone
    }

    fn closes(&self) -> i64 {
        self.order.closes_unix_s
    }

    /// Each compares heads of its own.
    fn superseded<'a>(&self, _: impl Iterator<Item = &'a Self>) -> Option<String> {
        None
    }

    fn outline(&self, project: &Project) -> Result<Outline, LearnError> {
        evaluation::outline(project, &self.order)
    }

    fn tally(
        &self,
        store: &Store,
        model: &mut Model,
        project: &ProjectRow,
    ) -> Result<Tally, LearnError> {
        evaluation::evaluate(store, model, project, &self.order)
    }

    fn finish(&self, release: Release) -> Release {
        release
    }

    fn set_state(&self, tx: &Tx<'_>, state: RoundState, note: &str) -> Result<(), StoreError> {
        tx.set_evaluation_state(self.order.evaluation, state, note)
    }
}
