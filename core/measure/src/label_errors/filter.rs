//! Seven ways to choose the labels to look at.

use super::confident::ConfidentLearning;
use super::quality::{Quality, label_quality};
use crate::probabilities::{SUM_TOLERANCE, argmax};

/// The model must prefer another class by more than this.
const SLACK: f64 = 1e-6;
/// How much more than one a row of probabilities may sum to, and more than rounding adds to that.
const SUM_SLACK: f64 = 2.0 * SUM_TOLERANCE;

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
            Filter::Predicted => {
                self.doubtful.iter().copied().filter(|&item| self.differs(item)).collect()
            }
            Filter::Margin => self.worst(Quality::NormalizedMargin),
            Filter::SelfConfidence => self.worst(Quality::SelfConfidence),
        }
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
        let mut least = Least::new(self.find(Filter::Confident).len());
        (0..).zip(&scores).for_each(|(item, score)| least.offer(*score, item));
        let mut items: Vec<u32> = least.items().collect();
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
        let wanted = |class: usize| match self.given[class] {
            // The only item of a class stays.
            0 | 1 => 0,
            given => as_usize(given.saturating_sub(counts[class * (k + 1)])),
        };
        let mut least: Vec<Least> = (0..k).map(|class| Least::new(wanted(class))).collect();
        for ((item, row), &label) in (0..).zip(self.probabilities.rows()).zip(self.labels) {
            least[label as usize].offer(row[label as usize], item);
        }
        self.chosen(least)
    }

    fn by_noise_rate(&self) -> Vec<bool> {
        let (k, counts) = (self.given.len(), self.prune_counts());
        let wanted = |given: usize, truth: usize| {
            let prunable = truth != given && self.given[given] > 1;
            if prunable { as_usize(counts[truth * k + given]) } else { 0 }
        };
        let mut least: Vec<Least> =
            (0..k * k).map(|at| Least::new(wanted(at / k, at % k))).collect();
        // Margins below zero first: few items have any, and mostly they are enough.
        for &item in &self.doubtful {
            let (row, label) = (self.probabilities.row(item as usize), self.labels[item as usize]);
            let own = row[label as usize];
            let pairs = least[label as usize * k..].iter_mut().zip(row);
            pairs.filter(|(_, p)| **p > own).for_each(|(pair, p)| pair.offer(own - p, item));
        }
        let missing = |pair: &Least| Least::new(pair.wanted.saturating_sub(pair.kept.len()));
        let mut rest: Vec<Least> = least.iter().map(missing).collect();
        // The bars side by side, and the highest of each given label: nearly every margin is above it.
        let mut bars: Vec<f64> = rest.iter().map(|pair| pair.bar).collect();
        let greatest = |bars: &[f64]| bars.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut highest: Vec<f64> = bars.chunks_exact(k).map(greatest).collect();
        for ((item, row), &label) in (0..).zip(self.probabilities.rows()).zip(self.labels) {
            let label = label as usize;
            let own = row[label];
            // What is left for another class is no more than one less its own probability.
            if own - (1.0 - own) - SUM_SLACK >= highest[label] {
                continue;
            }
            let pairs = label * k..(label + 1) * k;
            for (pair, p) in pairs.clone().zip(row).filter(|(_, p)| **p <= own) {
                rest[pair].offer(own - p, item);
                bars[pair] = rest[pair].bar;
            }
            highest[label] = greatest(&bars[pairs]);
        }
        least.append(&mut rest);
        self.chosen(least)
    }

    fn chosen(&self, least: Vec<Least>) -> Vec<bool> {
        let mut chosen = vec![false; self.labels.len()];
        least.into_iter().flat_map(Least::items).for_each(|item| chosen[item as usize] = true);
        chosen
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts of items, which are at most 2³²")]
const fn as_usize(count: u64) -> usize {
    count as usize
}

/// The `wanted` items of least score among those offered in ascending order; of equals the first.
struct Least {
    wanted: usize,
    /// Up to twice as many as wanted.
    kept: Vec<(f64, u32)>,
    /// No item that scores this or more can be among the least any more.
    bar: f64,
}

impl Least {
    const fn new(wanted: usize) -> Self {
        let bar = if wanted == 0 { f64::NEG_INFINITY } else { f64::INFINITY };
        Self { wanted, kept: Vec::new(), bar }
    }

    #[inline]
    fn offer(&mut self, score: f64, item: u32) {
        if score < self.bar {
            self.keep(score, item);
        }
    }

    #[inline(never)]
    fn keep(&mut self, score: f64, item: u32) {
        self.kept.push((score, item));
        if self.kept.len() >= 2 * self.wanted + 16 {
            let last = self.split();
            self.kept.truncate(self.wanted);
            self.bar = last;
        }
    }

    /// Moves the least to the front and returns the greatest score among them.
    fn split(&mut self) -> f64 {
        let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        self.kept.select_nth_unstable_by(self.wanted - 1, order).1.0
    }

    fn items(mut self) -> impl Iterator<Item = u32> {
        if self.wanted > 0 && self.kept.len() > self.wanted {
            self.split();
            self.kept.truncate(self.wanted);
        }
        self.kept.into_iter().map(|(_, item)| item)
    }
}
