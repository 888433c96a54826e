//! One training round: `Open → Closing → Closed`, or `Open → Abandoned`.
//!
//! [`Round`] is pure: the caller owns time and storage. A round is rebuilt from its durable rows whenever it is
//! looked at, so where a coordinator was killed does not matter; the order in which updates
//! arrived does not matter either.

pub mod report;

use std::collections::BTreeSet;

use insitu_protocol::ids::SiteName;
use insitu_protocol::release::Body;

use crate::store::{RoundRow, RunRow, StoreError, Tx};

/// A round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    invited: BTreeSet<SiteName>,
    answered: BTreeSet<SiteName>,
    /// Updates with which it waits no longer, when that is fewer than all.
    enough: usize,
    quorum: usize,
    closes_unix_s: i64,
    phase: Phase,
}

/// Where a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Updates count.
    Open,
    /// Everybody answered, or the deadline passed with a quorum: to be summed.
    Closing,
    /// Summed.
    Closed,
    /// The deadline passed below the quorum, or nobody is left to wait for.
    Abandoned,
}

/// What can happen to a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A site's update was stored in time.
    Update(SiteName),
    /// A site was revoked: it is neither waited for nor summed.
    Revoked(SiteName),
    /// It is now this time, Unix seconds.
    Time(i64),
    /// The sum is durable.
    Summed,
}

/// An event that a round in this phase cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a round that is {phase:?} cannot take {event:?}")]
pub struct IllegalTransition {
    /// The round's phase.
    pub phase: Phase,
    /// The event.
    pub event: Event,
}

impl Round {
    /// A round that waits for `invited` until `closes_unix_s`, and then needs `quorum` of them;
    /// a quorum of 0 is one of 1.
    pub fn open(
        invited: impl IntoIterator<Item = SiteName>,
        quorum: u32,
        closes_unix_s: i64,
    ) -> Self {
        let quorum = usize::try_from(quorum).unwrap_or(usize::MAX).max(1);
        let round = Self {
            invited: invited.into_iter().collect(),
            answered: BTreeSet::new(),
            enough: usize::MAX,
            quorum,
            closes_unix_s,
            phase: Phase::Open,
        };
        round.settled()
    }

    /// Closes with so many updates, without the others: the step of an asynchronous run. Before the
    /// first event.
    #[must_use]
    pub fn waiting_for(mut self, updates: u32) -> Self {
        self.enough = usize::try_from(updates).unwrap_or(usize::MAX).max(1);
        self
    }

    /// Takes one event.
    ///
    /// # Errors
    /// [`IllegalTransition`] for an update of a site that was not invited or comes too late, and
    /// for a sum when there is nothing to sum.
    pub fn step(mut self, event: Event) -> Result<Self, IllegalTransition> {
        match (self.phase, event) {
            (Phase::Open, Event::Update(site)) if self.invited.contains(&site) => {
                self.answered.insert(site);
                Ok(self.settled())
            }
            (Phase::Open, Event::Revoked(site)) => {
                self.invited.remove(&site);
                self.answered.remove(&site);
                Ok(self.settled())
            }
            (Phase::Open, Event::Time(now)) if now >= self.closes_unix_s => {
                let reached = self.answered.len() >= self.quorum;
                self.phase = if reached { Phase::Closing } else { Phase::Abandoned };
                Ok(self)
            }
            (Phase::Closing, Event::Summed) => {
                self.phase = Phase::Closed;
                Ok(self)
            }
            // Time passes for every round, and a revocation does not rewrite a closed one.
            (_, Event::Time(_))
            | (Phase::Closing | Phase::Closed | Phase::Abandoned, Event::Revoked(_)) => Ok(self),
            (phase, event @ (Event::Update(_) | Event::Summed)) => {
                Err(IllegalTransition { phase, event })
            }
        }
    }

    /// Where the round is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The sites whose updates are (to be) summed, by name.
    pub fn answered(&self) -> &BTreeSet<SiteName> {
        &self.answered
    }

    /// The sites that are waited for, by name.
    pub fn missing(&self) -> impl Iterator<Item = &SiteName> {
        self.invited.difference(&self.answered)
    }

    /// The fewest updates with which the round closes at its deadline.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// An open round that waits for nobody is not open.
    fn settled(mut self) -> Self {
        if self.invited.is_empty() {
            self.phase = Phase::Abandoned;
        } else if self.answered.len() >= self.enough.min(self.invited.len()) {
            self.phase = Phase::Closing;
        }
        self
    }
}

/// The sites whose updates are to be in a round, whose sites noise their updates alone.
pub(crate) fn answered(
    tx: &Tx<'_>,
    run: &RunRow,
    row: &RoundRow,
) -> Result<Vec<SiteName>, StoreError> {
    if run.method.buffering.is_some() {
        let rows = tx.buffered(run.id, row.number)?;
        return Ok(rows.into_iter().map(|row| row.site).collect());
    }
    tx.counted_sites(&run.project, &Body::Update { run: run.id, round: row.number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLOSES: i64 = 100;

    fn site(index: usize) -> SiteName {
        format!("site-{index}").parse().unwrap()
    }

    fn sites(indices: impl IntoIterator<Item = usize>) -> BTreeSet<SiteName> {
        indices.into_iter().map(site).collect()
    }

    fn open(quorum: u32) -> Round {
        Round::open((0..4).map(site), quorum, CLOSES)
    }

    #[test]
    fn it_closes_early_when_everybody_answered() {
        let mut round = open(4);
        for index in 0..4 {
            assert_eq!(round.phase(), Phase::Open);
            round = round.step(Event::Update(site(index))).unwrap();
        }
        assert_eq!(round.phase(), Phase::Closing);
        assert!(round.clone().step(Event::Update(site(0))).is_err());
        assert_eq!(round.step(Event::Summed).unwrap().phase(), Phase::Closed);
    }

    #[test]
    fn the_deadline_asks_for_a_quorum() {
        for (answers, phase) in [(1, Phase::Abandoned), (2, Phase::Closing)] {
            let mut round = open(2);
            for index in 0..answers {
                round = round.step(Event::Update(site(index))).unwrap();
            }
            round = round.step(Event::Time(CLOSES - 1)).unwrap();
            assert_eq!(round.phase(), Phase::Open);
            assert_eq!(round.step(Event::Time(CLOSES)).unwrap().phase(), phase);
        }
    }

    #[test]
    fn a_buffer_closes_when_it_is_full() {
        let mut round = open(1).waiting_for(2);
        round = round.step(Event::Update(site(3))).unwrap();
        assert_eq!(round.phase(), Phase::Open);
        round = round.step(Event::Update(site(1))).unwrap();
        assert_eq!((round.phase(), round.answered()), (Phase::Closing, &sites([1, 3])));
        assert!(round.step(Event::Update(site(0))).is_err(), "it is for the next one");
        // Fewer sites than it holds are all that it waits for.
        let few = Round::open([site(0)], 1, CLOSES).waiting_for(2);
        assert_eq!(few.step(Event::Update(site(0))).unwrap().phase(), Phase::Closing);
    }

    #[test]
    fn a_revoked_site_is_neither_waited_for_nor_summed() {
        let mut round = open(1);
        for event in [
            Event::Update(site(0)),
            Event::Update(site(1)),
            Event::Revoked(site(1)),
            Event::Update(site(2)),
            Event::Revoked(site(3)),
        ] {
            round = round.step(event).unwrap();
        }
        assert_eq!(round.phase(), Phase::Closing);
        assert_eq!(*round.answered(), sites([0, 2]));
        assert_eq!(Round::open([], 1, CLOSES).phase(), Phase::Abandoned);
    }

    #[test]
    fn strangers_and_early_sums_are_refused() {
        assert!(open(1).step(Event::Update(site(9))).is_err());
        assert!(open(1).step(Event::Summed).is_err());
    }

    /// What is durable: the sites whose update was stored in time. Everything else is forgotten
    /// at a restart.
    fn rebuilt(stored: &[usize], quorum: u32, now: i64) -> Round {
        let mut round = open(quorum);
        for index in stored {
            round = round.step(Event::Update(site(*index))).unwrap();
        }
        round.step(Event::Time(now)).unwrap()
    }

    proptest! {
        /// Whatever the order of the updates, however often time is looked at, and wherever the
        /// coordinator is killed: the same sites are summed, and the round ends the same way.
        #[test]
        fn order_and_restarts_do_not_matter(
            order in Just(vec![0usize, 1, 2, 3]).prop_shuffle(),
            times in prop::collection::vec(0i64..2 * CLOSES, 4),
            looks in prop::collection::vec((0i64..2 * CLOSES, any::<bool>()), 0..12),
            quorum in 0u32..6,
        ) {
            let mut events: Vec<(i64, Option<usize>, bool)> =
                order.iter().map(|index| (times[*index], Some(*index), false)).collect();
            events.extend(looks.iter().map(|(at, killed)| (*at, None, *killed)));
            events.push((2 * CLOSES, None, false));
            events.sort_by_key(|(at, ..)| *at);

            let (mut round, mut stored) = (open(quorum), Vec::new());
            for (at, update, killed) in events {
                if let Some(index) = update {
                    // What intake does: an update counts while the round is open and time is left.
                    if at < CLOSES && round.phase() == Phase::Open {
                        stored.push(index);
                        round = round.step(Event::Update(site(index))).unwrap();
                    }
                } else if killed {
                    round = rebuilt(&stored, quorum, at);
                } else {
                    round = round.step(Event::Time(at)).unwrap();
                }
            }

            let in_time = sites((0..4).filter(|index| times[*index] < CLOSES));
            let reached = in_time.len() >= usize::try_from(quorum).unwrap().max(1)
                || in_time.len() == 4;
            prop_assert_eq!(round.answered(), &in_time);
            let phase = if reached { Phase::Closing } else { Phase::Abandoned };
            prop_assert_eq!(round.phase(), phase);
        }
    }
}
