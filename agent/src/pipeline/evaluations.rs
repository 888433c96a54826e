//! Evaluations: how right two heads are, answered once; and candidates with backbones of their own,
//! which are judged as whole bundles and never put to use here.

use insitu_protocol::order::EvaluationOrder;

use super::heads::{Decline, Fitness, HeadOrder, Heads, UNAPPROVED};
use super::{Pipeline, PipelineError};
use crate::prelabel::Model;
use crate::release::Release;
use crate::store::evaluations::EvaluationRow;
use crate::store::orders::{BundleRow, BundleState, ProjectRow, RoundState};
use crate::store::{StoreError, Tx, explain};
use crate::tally::Outline;

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
            outlines.extend(row.heads().outline(&project.definition).ok());
        }
        Ok(outlines)
    }

    /// Whether the bundle that an evaluation names may be judged, and is there.
    pub(super) fn has_candidate(&self, order: &EvaluationOrder) -> Result<Fitness, StoreError> {
        let unfit = |reason, note| Ok(Fitness::Unfit(Decline::new(reason, note)));
        self.store.read("candidate", |tx| {
            let Some(row) = candidate(tx, order)? else {
                return unfit(
                    "no-candidate",
                    format!("{} did not come, or was refused", named(order)),
                );
            };
            let (allowed, why) = self.judge.bundle(tx, &row)?;
            match allowed {
                BundleState::Ready => {}
                BundleState::Declined => {
                    return unfit(
                        "declined-candidate",
                        format!("{} was declined {why}", named(order)),
                    );
                }
                BundleState::Pending | BundleState::Wanted | BundleState::Failed => {
                    let approve = format!("insitu-agent models approve {}", row.bundle);
                    return unfit(UNAPPROVED, format!("{}: {why}; {approve}", named(order)));
                }
            }
            match row.state {
                BundleState::Pending | BundleState::Ready => Ok(Fitness::Fit),
                BundleState::Wanted | BundleState::Declined => Ok(Fitness::NotYet),
                BundleState::Failed => {
                    unfit("candidate", format!("{}: {}", named(order), row.note))
                }
            }
        })
    }

    /// Loads the bundle that an evaluation names: its signature was verified when it came, its objects,
    /// its golden outputs and its fit are now.
    pub(super) fn load_candidate(
        &mut self,
        project: &ProjectRow,
        order: &EvaluationOrder,
    ) -> Result<Result<Model, Decline>, StoreError> {
        let row = self.store.read("candidate", |tx| candidate(tx, order))?;
        let Some(row) = row else {
            return Ok(Err(Decline::new("no-candidate", format!("{} is gone", named(order)))));
        };
        match self.load(project, &row.order.manifest.0) {
            Ok(model) => Ok(Ok(model)),
            Err(error) => {
                let note = explain(&error);
                tracing::error!(bundle = %row.bundle, reason = note, "the candidate does not run");
                let state =
                    if error.is_damage() { BundleState::Wanted } else { BundleState::Failed };
                // What is, or was, in use has a state of its own.
                if row.candidate && !error.is_transient() {
                    self.store.tx("candidate failed", |tx| {
                        tx.move_bundle(&row.bundle, row.state, state, &note)
                    })?;
                }
                let note = format!("{} does not run here: {note}", named(order));
                Ok(Err(Decline::new("candidate", note)))
            }
        }
    }
}

fn candidate(tx: &Tx<'_>, order: &EvaluationOrder) -> Result<Option<BundleRow>, StoreError> {
    let row = tx.bundle(&order.candidate.bundle)?;
    Ok(row.filter(|row| row.order.project == order.project))
}

/// For people.
fn named(order: &EvaluationOrder) -> String {
    format!("candidate {}", order.candidate.bundle)
}

impl HeadOrder for EvaluationRow {
    fn name(&self) -> String {
        self.order.evaluation.to_string()
    }

    fn heads(&self) -> Heads<'_> {
        Heads::Compared(&self.order)
    }

    /// Each compares heads of its own.
    fn superseded<'a>(&self, _: impl Iterator<Item = &'a Self>) -> Option<String> {
        None
    }

    fn finish(&self, release: Release) -> Release {
        release
    }

    fn set_state(&self, tx: &Tx<'_>, state: RoundState, note: &str) -> Result<(), StoreError> {
        tx.set_evaluation_state(self.order.evaluation, state, note)
    }
}
