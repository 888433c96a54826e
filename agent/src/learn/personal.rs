//! Fitting a head of the site's own to its own corrections, a piece at a time.
//!
//! It starts at the bundle's head, learns from the same items as a round would (hold-out excluded),
//! and is weighed against it on the hold-out. The same corrections give the same head. What comes of
//! it serves prelabels here; no round, evaluation or statistic sees it.

use insitu_models::head::{Head, HeadKind};
use insitu_models::personal::{Fit, ITEMS_MIN, Item, PROXIMAL, STEPS, choose, mix};
use insitu_privacy::contribution::ItemsPerSubject;
use insitu_protocol::ids::Digest;

use super::{ITEMS_PER_SUBJECT, LearnError, Lesson, features, items, lessons};
use crate::prelabel::Model;
use crate::prelabel::personal::PersonalHead;
use crate::store::Store;
use crate::store::orders::ProjectRow;

/// Most items that are learned from, and most that choose the share.
const LESSONS_MAX: usize = 2000;
/// Most numbers of features in memory for either.
const FEATURES_MAX: usize = 4 << 20;
/// Items encoded in one piece.
const PIECE_ITEMS: usize = 64;
/// Multiplications of one piece of the descent; a single step may need more.
const PIECE_WORK: usize = 1 << 26;

/// A fit in progress.
#[derive(Debug)]
pub struct Fitting {
    bundle: Digest,
    labels: u64,
    global: Head,
    taught: Part,
    held_out: Part,
    fit: Fit,
    steps: u32,
}

/// Items and, so far, their features.
struct Part {
    lessons: Vec<Lesson>,
    width: usize,
    features: Vec<f32>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part({})", self.lessons.len())
    }
}

impl Fitting {
    /// Gathers what a project, which has so many labels now, can teach.
    ///
    /// # Errors
    /// [`LearnError`]; [`LearnError::NotPersonal`] for a head of tokens: a fit holds all features in
    /// memory, and texts have as many as words.
    pub fn begin(
        store: &Store,
        model: &Model,
        project: &ProjectRow,
        labels: u64,
    ) -> Result<Self, LearnError> {
        let limit = ItemsPerSubject::new(ITEMS_PER_SUBJECT).unwrap_or(ItemsPerSubject::ONE);
        let global = model.head().clone();
        let kind = global.shape().kind;
        if kind == HeadKind::Tokens {
            return Err(LearnError::NotPersonal { kind });
        }
        let part = |holdout, limit| -> Result<Part, LearnError> {
            // Ordered by keyed hashes of subjects: those that are cut off are not the newest, but any.
            let mut found = lessons(store, project, holdout, b"personal", limit)?;
            found.retain(|lesson| global.takes(lesson.truth.target()));
            found.truncate(LESSONS_MAX.min(FEATURES_MAX / global.features()));
            Ok(Part { lessons: found, width: global.features(), features: Vec::new() })
        };
        Ok(Self {
            bundle: model.bundle(),
            labels,
            taught: part(false, limit)?,
            held_out: part(true, ItemsPerSubject::ONE)?,
            fit: Fit::new(&global, PROXIMAL),
            global,
            steps: 0,
        })
    }

    /// The bundle whose head it starts from.
    pub fn bundle(&self) -> Digest {
        self.bundle
    }

    /// Labels of the project when it began.
    pub fn labels(&self) -> u64 {
        self.labels
    }

    /// Does a piece of the work; the head once it is done.
    ///
    /// # Errors
    /// [`LearnError`]; the fit is of no use then.
    pub fn work(
        &mut self,
        store: &Store,
        model: &mut Model,
    ) -> Result<Option<PersonalHead>, LearnError> {
        let enough = self.taught.lessons.len() >= ITEMS_MIN && !self.held_out.lessons.is_empty();
        if self.held_out.encode(store, model)? || (enough && self.taught.encode(store, model)?) {
            return Ok(None);
        }
        if enough && self.steps < STEPS {
            let taught = self.taught.items();
            let work = 2 * self.global.weights().len() * taught.len();
            let piece = u32::try_from(PIECE_WORK / work.max(1)).unwrap_or(u32::MAX).max(1);
            for _ in 0..piece.min(STEPS - self.steps) {
                self.fit.step(&taught)?;
                self.steps += 1;
            }
            return Ok(None);
        }
        // Without enough to learn from the fit is where it began, and no share of it helps.
        let own = self.fit.head();
        let choice = choose(&self.global, own, &self.held_out.items())?;
        let mix = mix(&self.global, own, choice.share)?;
        Ok(Some(PersonalHead::new(&mix, choice, self.taught.lessons.len())))
    }
}

impl Part {
    /// Encodes the next items; `false` when all are.
    fn encode(&mut self, store: &Store, model: &mut Model) -> Result<bool, LearnError> {
        let done = self.features.len() / self.width;
        let Some(rest) = self.lessons.get(done..).filter(|rest| !rest.is_empty()) else {
            return Ok(false);
        };
        let next = &rest[..rest.len().min(PIECE_ITEMS)];
        for item in items(store, next)? {
            self.features.extend_from_slice(&features(model, &item).numbers);
        }
        Ok(true)
    }

    /// Those whose features are numbers.
    fn items(&self) -> Vec<Item<'_>> {
        let rows = self.features.chunks_exact(self.width);
        let all = rows.zip(&self.lessons).map(|(row, lesson)| (row, lesson.truth.target()));
        all.filter(|(row, _)| row.iter().all(|value| value.is_finite())).collect()
    }
}
