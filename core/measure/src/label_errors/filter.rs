//! Seven ways to choose the labels to look at.

use super::confident::ConfidentLearning;
use super::quality::{Quality, label_quality};
use crate::probabilities::argmax;

/// The model must prefer another class by more than this.
const SLACK: f64 = 1e-6;

/// How labels are chosen. Names in parentheses are cleanlab's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// For each pair of classes the estimated number, by margin (`prune_by_noise_rate`).
    NoiseRate,
    /// For each class the estimated number, by self-confidence (`prune_by_class`).
    Class,
    /// Chosen by both of these (`both`).
    Both,
    /// Confidently in another class (`confident_learning`).
    Confident,
    /// The model's class is another (`predicted_neq_given`).
    Predicted,
    /// As many as are confidently in another class, by margin (`low_normalized_margin`).
    Margin,
    /// As many as are confidently in another class, by self-confidence (`low_self_confidence`).
    SelfConfidence,
}

impl ConfidentLearning<'_> {
    /// The items whose labels a filter chooses, ascending.
    #[must_use]
    pub fn find(&self, filter: Filter) -> Vec<u32> {
        match filter {
            Filter::NoiseRate => self.plausible(&self.by_noise_rate()),
            Filter::Class => self.plausible(&self.by_class()),
            Filter::Both => {
                let both = self.by_noise_rate().into_iter().zip(self.by_class());
                self.plausible(&both.map(|(a, b)| a && b).collect::<Vec<_>>())
            }
            Filter::Confident => {
                self.off_diagonal().iter().copied().filter(|&item| self.differs(item)).collect()
            }
            Filter::Predicted => (0..self.count_u32()).filter(|&item| self.differs(item)).collect(),
            Filter::Margin => self.worst(Quality::NormalizedMargin),
            Filter::SelfConfidence => self.worst(Quality::SelfConfidence),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most 2³² items, checked when made")]
    const fn count_u32(&self) -> u32 {
        self.labels.len() as u32
    }

    /// Whether the model prefers another class by more than rounding.
    fn differs(&self, item: u32) -> bool {
        let (row, label) = (self.probabilities.row(item as usize), self.labels[item as usize]);
        let own = row[label as usize] + SLACK;
        let top = argmax(row);
        top != label as usize && (row[top] > own || (row[top] >= own && top < label as usize))
    }

    fn plausible(&self, chosen: &[bool]) -> Vec<u32> {
        (0..)
            .zip(chosen)
            .filter(|(i, chosen)| **chosen && self.differs(*i))
            .map(|(i, _)| i)
            .collect()
    }

    fn worst(&self, quality: Quality) -> Vec<u32> {
        let scores = label_quality(self.labels, self.probabilities, quality)
            .expect("labels fit the probabilities, checked when made");
        let mut items: Vec<u32> = (0..self.count_u32()).collect();
        let wanted = self.find(Filter::Confident).len();
        keep_least(&mut items, wanted, |item| scores[item as usize]);
        items.sort_unstable();
        items
    }

    /// Items to prune by true label (row) and given label (column): the calibrated joint
    /// transposed, with at least one item of each given label left.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of items"
    )]
    fn prune_counts(&self) -> Vec<u64> {
        let k = self.given.len();
        let joint = self.calibrated_joint();
        let mut counts = vec![0; k * k];
        for given in 0..k {
            let row = &joint[given * k..(given + 1) * k];
            let right = row[given].max(1);
            let rates = row.iter().filter(|count| **count > 0).count().saturating_sub(1).max(1);
            let less = (right - row[given]) as f64 / rates as f64;
            for truth in 0..k {
                let count = (row[truth] as f64 - less).max(0.0) as u64;
                counts[truth * k + given] = if truth == given { right } else { count };
            }
        }
        counts
    }

    fn by_class(&self) -> Vec<bool> {
        let (k, counts) = (self.given.len(), self.prune_counts());
        let mut chosen = vec![false; self.labels.len()];
        for (class, mut items) in self.items_by_label().into_iter().enumerate() {
            if items.len() > 1 {
                let wanted = items.len().saturating_sub(as_usize(counts[class * (k + 1)]));
                keep_least(&mut items, wanted, |i| self.probabilities.row(i as usize)[class]);
                items.iter().for_each(|&item| chosen[item as usize] = true);
            }
        }
        chosen
    }

    fn by_noise_rate(&self) -> Vec<bool> {
        let (k, counts) = (self.given.len(), self.prune_counts());
        let mut chosen = vec![false; self.labels.len()];
        for (given, items) in self.items_by_label().into_iter().enumerate() {
            for truth in (0..k).filter(|&truth| truth != given && items.len() > 1) {
                let wanted = as_usize(counts[truth * k + given]);
                if wanted > 0 {
                    let mut items = items.clone();
                    keep_least(&mut items, wanted, |item| {
                        let row = self.probabilities.row(item as usize);
                        row[given] - row[truth]
                    });
                    items.iter().for_each(|&item| chosen[item as usize] = true);
                }
            }
        }
        chosen
    }

    fn items_by_label(&self) -> Vec<Vec<u32>> {
        let mut items: Vec<Vec<u32>> =
            self.given.iter().map(|&count| Vec::with_capacity(as_usize(count))).collect();
        for (item, &label) in (0..).zip(self.labels) {
            items[label as usize].push(item);
        }
        items
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts of items, which are at most 2³²")]
const fn as_usize(count: u64) -> usize {
    count as usize
}

/// Keeps the `wanted` items of least score; of equals the first.
fn keep_least(items: &mut Vec<u32>, wanted: usize, score: impl Fn(u32) -> f64) {
    if wanted < items.len() {
        let order = |a: &u32, b: &u32| score(*a).total_cmp(&score(*b)).then(a.cmp(b));
        if wanted > 0 {
            items.select_nth_unstable_by(wanted - 1, order);
        }
        items.truncate(wanted);
    }
}
