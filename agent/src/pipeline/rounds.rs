//! Training rounds: one update for each round that the policy allows, never two.

use insitu_protocol::session::Purpose;

use super::{Pipeline, PipelineError};
use crate::learn::{self, LearnError};
use crate::outbox::{self, OutboxError};
use crate::release::{self, Release, ReleaseError};
use crate::session::{self, Alone};
use crate::store::explain;
use crate::store::orders::{RoundRow, RoundState};

impl Pipeline {
    /// Answers the open rounds; `true` when it answered one.
    pub(super) fn work_on_rounds(&mut self, now: i64) -> Result<bool, PipelineError> {
        let mut open = Vec::new();
        for row in self.store.read("open rounds", |tx| tx.rounds(Some(RoundState::Open)))? {
            match self
                .store
                .tx("round alone", |tx| session::alone(tx, &Purpose::Update(row.order.clone())))?
            {
                Alone::Later => {}
                alone @ (Alone::Now | Alone::Never) => open.push((row, alone)),
            }
        }
        let mut failure = None;
        for (row, alone) in &open {
            let outcome = match alone {
                Alone::Never => Ok(Some("its update is in a sum over sites already".to_owned())),
                Alone::Now | Alone::Later => match superseded(row, &open) {
                    Some(note) => Ok(Some(note)),
                    None => self.work_on_round(row, now),
                },
            };
            let note = match outcome {
                Ok(None) => continue,
                Ok(Some(note)) => note,
                Err(PipelineError::Learn(error)) if !error.is_transient() => explain(&error),
                Err(PipelineError::Outbox(error)) if !error.is_transient() => explain(&error),
                // An operator must act first; until then nothing is drawn and nothing is charged.
                Err(PipelineError::Outbox(
                    OutboxError::Restored { .. }
                    | OutboxError::Lost { .. }
                    | OutboxError::ClockBack { .. }
                    | OutboxError::Skewed { .. },
                )) => return Ok(false),
                Err(error) => {
                    failure.get_or_insert(error);
                    continue;
                }
            };
            let (run, round) = (row.order.run, row.order.round);
            tracing::warn!(%run, round, reason = note, "round declined");
            self.store.tx("round declined", |tx| {
                tx.set_round_state(run, round, RoundState::Declined, &note)
            })?;
        }
        failure.map_or(Ok(!open.is_empty()), Err)
    }

    /// `None` when the update is queued; else why the site does not take part.
    fn work_on_round(&mut self, row: &RoundRow, now: i64) -> Result<Option<String>, PipelineError> {
        let order = &row.order;
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
        let outline = learn::outline(order).map_err(LearnError::from)?;
        release::draw_ahead(&self.pool, [&outline])
            .map_err(|source| ReleaseError::Noise { kind: "update", source })
            .map_err(OutboxError::from)?;
        let store = std::sync::Arc::clone(&self.store);
        let Some(model) = self.model(&project)? else {
            return Ok(Some("no model is in use".to_owned()));
        };
        let tally = learn::gradient(&store, model, &project, order)?;
        let release = Release::make(&tally, &self.pool).map_err(OutboxError::from)?;
        let release = if row.coarse { release.coarsened() } else { release };
        self.store.tx("release update", |tx| {
            outbox::commit(tx, vec![release], &self.judge.limits, now)?;
            tx.set_round_state(order.run, order.round, RoundState::Released, "")?;
            Ok::<_, OutboxError>(())
        })?;
        tracing::info!(run = %order.run, round = order.round, "update queued");
        Ok(None)
    }
}

/// Why a round is not worth an update any more: a later one of its run has come, whose head is the
/// better one to learn at. A site that was away for long answers the newest alone.
fn superseded(row: &RoundRow, open: &[(RoundRow, Alone)]) -> Option<String> {
    let order = &row.order;
    let later = open.iter().map(|(other, _)| &other.order).filter(|other| other.run == order.run);
    let newest = later.map(|other| other.round).max().filter(|newest| *newest > order.round)?;
    Some(format!("round {newest} of the run had come before this site could answer"))
}
