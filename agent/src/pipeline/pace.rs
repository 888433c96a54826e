//! How fast items are redacted and drafted, by how many are done between two looks.

use std::collections::BTreeMap;

use super::Pipeline;
use crate::store::items::{STAGES, Stage};
use crate::store::meta::Pace;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// Pause between two looks, seconds.
const LOOK_SECONDS: i64 = 10;

/// What was seen of projects, and how fast it goes.
#[derive(Debug, Default)]
pub(super) struct Paces {
    looks: BTreeMap<i64, Look>,
    known: Vec<Pace>,
    /// Whether something was done since the last look. While nothing is done there are no looks, since
    /// counting a million items takes its time.
    worked: bool,
}

/// How far a project's items had come.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Unix seconds.
    at: i64,
    redacted: u64,
    drafted: u64,
}

impl Look {
    fn new(at: i64, counts: &[u64; STAGES]) -> Self {
        let count = |stage: Stage| counts[stage as usize];
        let all: u64 = counts.iter().sum();
        let redacted = all - count(Stage::New);
        Self { at, redacted, drafted: redacted - count(Stage::Clean) - count(Stage::Quarantined) }
    }

    /// Items a minute from an earlier look to this one: redacted, drafted.
    fn since(&self, earlier: &Self) -> (u64, u64) {
        let seconds = u64::try_from(self.at - earlier.at).unwrap_or(0).max(1);
        let a_minute = |now: u64, then: u64| now.saturating_sub(then).saturating_mul(60) / seconds;
        (a_minute(self.redacted, earlier.redacted), a_minute(self.drafted, earlier.drafted))
    }
}

impl Paces {
    /// Looks at projects, unless that was done a moment ago.
    fn look(&mut self, store: &Store, projects: &[ProjectRow], now: i64) -> Result<(), StoreError> {
        let last = self.looks.values().map(|look| look.at).max();
        if last.is_some_and(|last| (0..LOOK_SECONDS).contains(&(now - last))) {
            return Ok(());
        }
        let counts = store.read("pace", |tx| {
            let counts = projects.iter().map(|row| Ok((row, tx.stage_counts(row.project)?)));
            counts.collect::<Result<Vec<_>, StoreError>>()
        })?;
        let first = self.looks.is_empty();
        self.known.clear();
        self.worked = false;
        for (row, counts) in counts {
            let look = Look::new(now, &counts);
            let Some(earlier) = self.looks.insert(row.project, look) else { continue };
            let (redacted_a_minute, drafted_a_minute) = look.since(&earlier);
            if redacted_a_minute > 0 || drafted_a_minute > 0 {
                let project = row.definition.name.to_string();
                self.known.push(Pace { project, redacted_a_minute, drafted_a_minute });
            }
        }
        if self.known.is_empty() && !first {
            self.looks.clear();
        }
        Ok(())
    }
}

impl Pipeline {
    /// How fast items of projects are redacted and drafted, where they are.
    pub fn paces(&self) -> &[Pace] {
        &self.paces.known
    }

    pub(super) fn look_at_paces(
        &mut self,
        projects: &[ProjectRow],
        now: i64,
    ) -> Result<(), StoreError> {
        if self.paces.worked || !self.paces.looks.is_empty() {
            self.paces.look(&self.store, projects, now)?;
        }
        Ok(())
    }

    /// Notes whether a tick did something.
    pub(super) fn note_work(&mut self, worked: bool) {
        self.paces.worked |= worked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_is_done_between_two_looks_is_the_pace() {
        let (scratch, project) = testing::with_project();
        let (store, projects) = (&scratch.store, [project.clone()]);
        let mut paces = Paces::default();
        testing::add_items(store, &project, 0..30, 30);
        paces.look(store, &projects, 100).unwrap();
        assert_eq!(paces.known, [], "one look tells nothing");
        testing::prelabel(store, &project, |_| 0.7);
        paces.look(store, &projects, 105).unwrap();
        assert_eq!(paces.known, [], "too soon");
        paces.look(store, &projects, 120).unwrap();
        let known = Pace {
            project: project.definition.name.to_string(),
            redacted_a_minute: 0,
            drafted_a_minute: 90,
        };
        assert_eq!(paces.known, [known]);
        paces.look(store, &projects, 130).unwrap();
        assert_eq!(paces.known, [], "nothing was done");
    }
}
