//! Sessions of secure aggregation: joined, and given their vector.

use insitu_protocol::session::SessionOrder;

use super::heads::{Decline, Fitness, Heads, NO_PROJECT};
use super::{Pipeline, PipelineError, both, windows};
use crate::outbox;
use crate::release;
use crate::session::{self, ContributeError, Contribution};
use crate::store::orders::ProjectRow;
use crate::store::sessions::{SessionRow, SessionState};
use crate::store::{StoreError, explain};
use crate::tally::{self, Tally};

impl Pipeline {
    /// Judges proposed sessions and makes the vectors that are due; `true` when there was one.
    pub(super) fn work_on_sessions(&mut self, now: i64) -> Result<bool, PipelineError> {
        let mut outcome = Ok(false);
        for row in self.store.read("open sessions", |tx| tx.open_sessions())? {
            let Some(order) = row.order.as_ref() else { continue };
            self.draw_shares_ahead(&row, order);
            if !matches!(row.state, SessionState::Proposed | SessionState::Shared) {
                continue;
            }
            let done = match self.work_on_session(&row, order, now) {
                Ok(Step::Done) => Ok(true),
                Ok(Step::Later) => Ok(false),
                Ok(Step::Declined(declined)) => self.leave(&row, order, &declined),
                Err(PipelineError::Learn(error)) if !error.is_transient() => {
                    self.leave(&row, order, &Decline::of_learning(&error))
                }
                Err(PipelineError::Session(error)) if !error.is_transient() => {
                    let declined = match &error {
                        ContributeError::Outbox(error) => Decline::of_outbox(error),
                        ContributeError::Order(_)
                        | ContributeError::Refused(_)
                        | ContributeError::Journal { .. }
                        | ContributeError::Over => Decline::new("session", explain(&error)),
                    };
                    self.leave(&row, order, &declined)
                }
                // Until an operator acts nothing is drawn and nothing is charged.
                Err(
                    PipelineError::Outbox(error)
                    | PipelineError::Session(ContributeError::Outbox(error)),
                ) if error.needs_operator() => Ok(false),
                Err(error) => Err(error),
            };
            outcome = both(outcome, done);
        }
        outcome
    }

    /// Draws the noise of a vector that is to be made, from its order alone: before it is due, and
    /// before anything is counted for it.
    fn draw_shares_ahead(&self, row: &SessionRow, order: &SessionOrder) {
        // Not for what is proposed only: until it is judged, its parts are the coordinator's word.
        let foreseen = [SessionState::Keys, SessionState::Shares, SessionState::Shared];
        if !foreseen.contains(&row.state) {
            return;
        }
        if let Err(error) = release::draw_shares_ahead(&self.pool, &order.parts) {
            tracing::warn!(reason = explain(&error), "noise not drawn ahead");
        }
    }

    /// Drops out of a session in which nothing was charged yet.
    fn leave(
        &self,
        row: &SessionRow,
        order: &SessionOrder,
        declined: &Decline,
    ) -> Result<bool, PipelineError> {
        let note = &declined.note;
        tracing::warn!(session = %row.session, reason = note, "session left");
        self.store
            .tx("session left", |tx| tx.end_session(&row.session, SessionState::Declined, note))?;
        if let Some(heads) = Heads::of(&order.purpose) {
            declined.count(heads.kind());
        }
        Ok(true)
    }

    fn work_on_session(
        &mut self,
        row: &SessionRow,
        order: &SessionOrder,
        now: i64,
    ) -> Result<Step, PipelineError> {
        self.store.read("restored", outbox::check)?;
        let name = order.purpose.project();
        let project = self.store.read("project", |tx| tx.project(name))?;
        let Some(project) = project else {
            return Ok(Step::Declined(Decline::new("project", NO_PROJECT)));
        };
        let heads = Heads::of(&order.purpose);
        if let Some(heads) = heads {
            match self.fitness(&project, heads, now)? {
                Fitness::Fit => {}
                Fitness::NotYet if now <= order.deadlines_unix_s[0] => return Ok(Step::Later),
                Fitness::NotYet => {
                    let note = "its candidate did not arrive in time";
                    return Ok(Step::Declined(Decline::new("late", note)));
                }
                Fitness::Unfit(declined) => return Ok(Step::Declined(declined)),
            }
        }
        if row.state == SessionState::Proposed {
            let (policy, limits) = (&self.judge.policy, &self.judge.limits);
            self.store.tx("judge session", |tx| {
                session::judge(tx, policy, limits, order, &project, now)
            })?;
            return Ok(Step::Done);
        }
        if now > order.deadlines_unix_s[2] {
            return Ok(Step::Declined(Decline::new("late", "its vector would come too late")));
        }
        match heads {
            Some(heads) => self.add_heads(row, order, &project, heads, now),
            None => self.add_window(row, order, &project, now),
        }
    }

    fn add_heads(
        &mut self,
        row: &SessionRow,
        order: &SessionOrder,
        project: &ProjectRow,
        heads: Heads<'_>,
        now: i64,
    ) -> Result<Step, PipelineError> {
        if self.training_waits {
            return Ok(Step::Later);
        }
        let erasures = self.store.read("erasures", |tx| tx.erasures())?;
        let tally = match self.count_heads(project, heads, now)? {
            Ok(tally) => tally,
            Err(declined) => return Ok(Step::Declined(declined)),
        };
        let step = self.contribute_heads(row, order, &tally, erasures, now)?;
        if heads.ends() && matches!(step, Step::Done) {
            self.kept.forget();
        }
        Ok(step)
    }

    /// Masks and queues what was counted, unless something was erased since there were so many
    /// erasures: of what is erased nothing leaves any more.
    fn contribute_heads(
        &self,
        row: &SessionRow,
        order: &SessionOrder,
        tally: &Tally,
        erasures: u64,
        now: i64,
    ) -> Result<Step, PipelineError> {
        let tallies = std::slice::from_ref(tally);
        let contribution = Contribution { session: row.session, order, tallies, window: None };
        let stands = |tx: &crate::store::Tx<'_>| Ok(tx.erasures()? == erasures);
        let (store, rules) = (&self.store, (&self.judge.policy, &self.judge.limits));
        if session::contribute(store, rules, &self.pool, &contribution, now, stands)? {
            tracing::info!(session = %row.session, "masked and queued");
            return Ok(Step::Done);
        }
        // The next tick counts anew.
        Ok(Step::Later)
    }

    fn add_window(
        &self,
        row: &SessionRow,
        order: &SessionOrder,
        project: &ProjectRow,
        now: i64,
    ) -> Result<Step, PipelineError> {
        let window = self.store.read("tally window", |tx| tally::window(tx, project))?;
        let contribution = Contribution {
            session: row.session,
            order,
            tallies: &window.tallies,
            window: Some(window.number),
        };
        let close = |tx: &crate::store::Tx<'_>| -> Result<bool, StoreError> {
            windows::close(tx, project.project, &window, now)
        };
        let (store, rules) = (&self.store, (&self.judge.policy, &self.judge.limits));
        if session::contribute(store, rules, &self.pool, &contribution, now, close)? {
            tracing::info!(session = %row.session, window = window.number, "window masked and queued");
            return Ok(Step::Done);
        }
        // Its items changed meanwhile: the next tick counts them again.
        Ok(Step::Later)
    }
}

/// What became of a session in this tick.
enum Step {
    Done,
    Later,
    Declined(Decline),
}

#[cfg(test)]
pub(super) mod tests;
