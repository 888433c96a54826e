//! Who labels how: everybody against the consensus on items that others labeled, too.
//!
//! An expert's decision is the truth of its item. Experts are asked where readers differ, and from
//! a pair that differs alone no model can tell who is right.

use std::collections::BTreeMap;

use insitu_measure::consensus::DawidSkene;
use insitu_measure::{MeasureError, Ratings};
use serde::Serialize;

use super::figure::Figure;
use super::matrix::Matrix;
use super::snapshot::{Labeled, Snapshot};
use crate::review::PastRead;

/// Most people shown, those with the most labels first.
const PEOPLE_MAX: usize = 100;
/// Fewer shared items than this make no score.
const SHARED_MIN: usize = 5;
/// Rounds of expectation and maximisation.
const ITERATIONS: usize = 30;
/// Items added to every answer of everybody, for people with few labels.
const SMOOTHING: f64 = 0.5;

/// Everybody's part in the labels, and what all of them together say.
#[derive(Debug, Serialize)]
pub(super) struct People {
    /// Items that two or more people labeled.
    shared: usize,
    /// Of those, items on which people differ and nobody has decided.
    disputed: usize,
    /// Why there is no consensus.
    undefined: Option<String>,
    people: Vec<Score>,
}

/// One person's part.
#[derive(Debug, Serialize)]
struct Score {
    name: String,
    role: &'static str,
    /// Labels given.
    labels: usize,
    /// Of them, on items that somebody else labeled, too, and this person did not decide.
    shared: usize,
    /// Share of those that are the consensus.
    agreement: Figure,
    /// Share of the answers to gold that are right.
    gold: Figure,
    /// Consensus by row, this person's label by column.
    matrix: Matrix,
}

/// Dawid and Skene's consensus on the items that two or more people labeled.
struct Consensus<'a> {
    items: Vec<&'a Labeled>,
    labels: Vec<u32>,
}

impl People {
    pub(super) fn of(snapshot: &Snapshot, gold: &BTreeMap<i64, (usize, usize)>) -> Self {
        let places: BTreeMap<i64, u32> =
            (0..).zip(&snapshot.people).map(|(at, person)| (person.person, at)).collect();
        let mut counts = vec![0; snapshot.people.len()];
        for past in snapshot.labeled.iter().flat_map(|item| &item.past) {
            if let (Some(_), Some(&at)) = (past.label(), places.get(&past.person)) {
                counts[at as usize] += 1;
            }
        }
        let consensus = Consensus::of(snapshot, &places);
        let (shared, disputed, undefined) = match &consensus {
            Ok(consensus) => (consensus.items.len(), consensus.disputed(), None),
            Err(error) => (0, 0, Some(error.to_string())),
        };
        let matrices = consensus.as_ref().map(|it| it.matrices(&places)).unwrap_or_default();
        let mut people: Vec<Score> = (0_u32..)
            .zip(&snapshot.people)
            .zip(counts)
            .filter(|((_, person), labels)| *labels > 0 || gold.contains_key(&person.person))
            .map(|((at, person), labels)| {
                let matrix = matrices.get(&at).cloned().unwrap_or_default();
                let (right, shared) = (matrix.diagonal(), matrix.total());
                let agreement = if shared < SHARED_MIN {
                    Figure::undefined(format_args!(
                        "{shared} shared items, {SHARED_MIN} are needed"
                    ))
                } else {
                    Figure::share(right, shared)
                };
                let (name, role) = (person.name.clone(), person.role.name());
                let (answered, right_gold) = gold.get(&person.person).copied().unwrap_or_default();
                let gold = Figure::wilson(right_gold, answered);
                Score { name, role, labels, shared, agreement, gold, matrix }
            })
            .collect();
        people.sort_by_key(|score| std::cmp::Reverse(score.labels));
        people.truncate(PEOPLE_MAX);
        Self { shared, disputed, undefined, people }
    }
}

impl<'a> Consensus<'a> {
    fn of(snapshot: &'a Snapshot, places: &BTreeMap<i64, u32>) -> Result<Self, MeasureError> {
        let items: Vec<&Labeled> =
            snapshot.labeled.iter().filter(|item| item.is_shared()).collect();
        let mut triples = Vec::new();
        for (item, at) in items.iter().zip(0_u32..) {
            for past in &item.past {
                if let (Some(class), Some(&person)) = (past.class(), places.get(&past.person)) {
                    triples.push((at, person, u32::from(class)));
                }
            }
        }
        let ratings =
            Ratings::from_triples(snapshot.classes(), items.len(), places.len(), &triples)?;
        if items.is_empty() {
            return Ok(Self { items, labels: Vec::new() });
        }
        let known: Vec<_> = items
            .iter()
            .map(|item| decided(item).and_then(PastRead::class).map(u32::from))
            .collect();
        let (_, beliefs) = DawidSkene::fit_anchored(&ratings, &known, ITERATIONS, SMOOTHING)?;
        Ok(Self { items, labels: beliefs.labels() })
    }

    /// Items on which people differ and no expert has decided.
    fn disputed(&self) -> usize {
        let differs = |item: &&Labeled| {
            let mut labels = item.past.iter().filter_map(PastRead::label);
            labels.next().is_some_and(|first| labels.any(|other| other != first))
        };
        let open = self.items.iter().filter(|item| decided(item).is_none());
        open.copied().filter(differs).count()
    }

    /// Consensus against each person's label.
    fn matrices(&self, places: &BTreeMap<i64, u32>) -> BTreeMap<u32, Matrix> {
        let mut pairs: BTreeMap<u32, Vec<(u16, u16)>> = BTreeMap::new();
        for (item, &label) in self.items.iter().zip(&self.labels) {
            let truth = u16::try_from(label).unwrap_or(u16::MAX);
            // Whoever decides agrees with the decision.
            let judge = decided(item).map(|past| past.person);
            for past in item.past.iter().filter(|past| Some(past.person) != judge) {
                if let (Some(class), Some(&person)) = (past.class(), places.get(&past.person)) {
                    pairs.entry(person).or_default().push((truth, class));
                }
            }
        }
        pairs.into_iter().map(|(person, pairs)| (person, pairs.into_iter().collect())).collect()
    }
}

/// The latest decision of an expert or a reviewer.
fn decided(item: &Labeled) -> Option<&PastRead> {
    let decides = |past: &&PastRead| past.label().is_some() && past.read.reading.decides();
    item.past.iter().rfind(decides)
}
