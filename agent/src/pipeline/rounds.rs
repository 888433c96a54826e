//! Training rounds: one update for each round that the policy allows, never two.

use super::heads::{HeadOrder, Heads};
use super::{Pipeline, PipelineError};
use crate::release::Release;
use crate::store::orders::{RoundRow, RoundState};
use crate::store::{StoreError, Tx};

impl Pipeline {
    /// Answers the open rounds; `true` when there may be more to do.
    pub(super) fn work_on_rounds(&mut self, now: i64) -> Result<bool, PipelineError> {
        let open = self.store.read("open rounds", |tx| tx.rounds(Some(RoundState::Open)))?;
        self.answer_heads(open, now)
    }
}

impl HeadOrder for RoundRow {
    fn name(&self) -> String {
        format!("round {} of run {}", self.order.round, self.order.run)
    }

    fn heads(&self) -> Heads<'_> {
        Heads::Trained(&self.order)
    }

    /// A later round of its run has come, whose head is the better one to learn at. A site that was
    /// away for long answers the newest alone.
    fn superseded<'a>(&self, others: impl Iterator<Item = &'a Self>) -> Option<String> {
        let order = &self.order;
        let of_run = others.map(|other| &other.order).filter(|other| other.run == order.run);
        let newest = of_run.map(|other| other.round).max().filter(|round| *round > order.round)?;
        Some(format!("round {newest} of the run had come before this site could answer"))
    }

    fn finish(&self, release: Release) -> Release {
        if self.coarse { release.coarsened() } else { release }
    }

    fn set_state(&self, tx: &Tx<'_>, state: RoundState, note: &str) -> Result<(), StoreError> {
        tx.set_round_state(self.order.run, self.order.round, state, note)
    }
}
