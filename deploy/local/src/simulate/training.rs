//! A federation in one process: sites compute, the collector hears, the coordinator descends.

use std::num::NonZero;
use std::thread;

use anyhow::{Context as _, Result};
use insitu_models::head::{Head, Target};
use insitu_models::optimiser::Optimiser;
use insitu_models::schedule::Schedule;
use insitu_models::train::Descent;
use insitu_privacy::clip::{ClipShape, ClippedSum};
use insitu_privacy::{Rho, SquaredSensitivity};

use super::collect::Collector;
use super::local;
use super::spans::Marked;

/// Most threads that sites share.
const THREADS_MAX: usize = 4;
/// Of the loss, in thousandths: counting the subjects, which decides the number of rounds.
const COUNT_SHARE: u64 = 20;
/// Length of a class' weights that public items give. Between 3 and 8 it makes no difference on
/// Banking77; at ε = 1 it is worth .013 over a start at zero.
const PUBLIC_LENGTH: f64 = 5.0;
/// A subject counts as 2^12 grid steps, so that shares of the noise are not too fine.
const COUNT_STEP: i64 = 1 << 12;

/// What is true of items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// One class of each.
    One(Vec<usize>),
    /// Any number of classes of each, ascending.
    Several(Vec<Vec<u16>>),
    /// Spans of each text.
    Marked(Vec<Marked>),
}

impl Labels {
    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(classes) => classes.len(),
            Self::Several(sets) => sets.len(),
            Self::Marked(texts) => texts.len(),
        }
    }

    /// A class of each item, by which items are divided among sites: its first, or that of its first
    /// span, and class 0 for one without any.
    pub(crate) fn firsts(&self) -> Vec<usize> {
        match self {
            Self::One(classes) => classes.clone(),
            Self::Several(sets) => {
                sets.iter().map(|set| set.first().copied().map_or(0, usize::from)).collect()
            }
            Self::Marked(texts) => {
                texts.iter().map(|text| text.spans.first().map_or(0, |span| span.class)).collect()
            }
        }
    }

    /// An item's classes; a text with spans has none of its own.
    pub(crate) fn classes(&self, index: usize) -> Vec<usize> {
        match self.target(index) {
            Target::Class(class) => vec![class],
            Target::Classes(set) => set.iter().copied().map(usize::from).collect(),
            Target::Tags(_) => Vec::new(),
        }
    }

    /// An item's.
    pub(crate) fn target(&self, index: usize) -> Target<'_> {
        match self {
            Self::One(classes) => Target::Class(classes[index]),
            Self::Several(sets) => Target::Classes(&sets[index]),
            Self::Marked(texts) => Target::Tags(&texts[index].tags),
        }
    }
}

/// Labelled features.
#[derive(Clone, Debug)]
pub(crate) struct Items {
    /// Row-major, `width` numbers for each item, or for each of its words.
    features: Vec<f32>,
    /// Numbers of a row.
    pub(crate) width: usize,
    /// Where the features of each item start, and where the last one's end.
    starts: Vec<usize>,
    /// What is true of each item.
    pub(crate) labels: Labels,
}

impl Items {
    /// Items of one row each.
    pub(crate) fn new(features: Vec<f32>, width: usize, labels: Labels) -> Self {
        let starts = (0..=labels.len()).map(|index| index * width).collect();
        Self { features, width, starts, labels }
    }

    /// Items of any number of rows.
    pub(crate) fn of_rows(
        features: Vec<f32>,
        width: usize,
        starts: Vec<usize>,
        labels: Labels,
    ) -> Self {
        Self { features, width, starts, labels }
    }

    /// An item's features and what is true of it.
    pub(crate) fn item(&self, index: usize) -> (&[f32], Target<'_>) {
        (self.features(index), self.labels.target(index))
    }

    /// An item's features.
    pub(crate) fn features(&self, index: usize) -> &[f32] {
        &self.features[self.starts[index]..self.starts[index + 1]]
    }
}

/// A site: for each of its subjects the items that count.
pub(crate) type Site = Vec<Vec<usize>>;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Trained {
    /// The head.
    pub(crate) head: Head,
    /// Rounds taken.
    pub(crate) rounds: u32,
    /// What was asked of the head after each round.
    pub(crate) by_round: Vec<f64>,
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Rounds, or as many as the schedule finds.
    pub(crate) rounds: Option<u32>,
    /// The coordinator's step.
    pub(crate) optimiser: Optimiser,
    /// Steps of a site in a round.
    pub(crate) local_steps: u32,
    /// Weight of the squared distance from the round's head in these.
    pub(crate) proximal: f64,
}

/// Trains from `first` by full-batch descent; `measure` is called with the result after each round.
///
/// # Errors
/// When a release fails, or the numbers leave what a release holds.
pub(crate) fn train(
    items: &Items,
    sites: &[Site],
    first: &Head,
    plan: &Plan,
    collector: &mut Collector,
    mut measure: impl FnMut(u32, &Head) -> Result<f64>,
) -> Result<Trained> {
    let subjects = count(sites, collector)?;
    if plan.local_steps > 1 {
        return local::train(items, sites, first, (plan, subjects), collector, measure);
    }
    let mu = collector.left().map(|rho| collector.effective_mu(rho, sites.len()));
    let schedule = match plan.rounds {
        None => Schedule::auto(mu, subjects, first.shape().sharing()),
        Some(rounds) => Schedule::of_rounds(rounds, mu, subjects, first.shape().sharing()),
    };
    let rho = collector.left().map(|left| Rho::from_nano(left.nano() / u64::from(schedule.rounds)));
    let shape =
        ClipShape::new(first.weights().len(), schedule.clip, schedule.fraction_bits.into())?;
    // `Descent` steps along the mean over what it is given, the schedule along the sum.
    let releases = collector.releases(sites.len());
    let (optimiser, rate) = schedule.steps_along_mean(plan.optimiser, mu, subjects, releases);
    let mut descent = Descent::new(first, schedule.rounds, rate, 0.0)
        .using(optimiser)
        .averaging_last(schedule.averaged);
    let mut by_round = Vec::new();
    for round in 1..=schedule.rounds {
        let head = descent.head()?;
        let sums = at_sites(sites, |_, site| site_sum(items, site, &head, shape))?;
        let exact: Vec<&[i64]> = sums.iter().map(Vec::as_slice).collect();
        let released = collector.collect(&exact, shape.sensitivity(), rho)?;
        let fixed: Vec<Vec<i32>> =
            released.iter().map(|values| in_ring(values)).collect::<Result<_>>()?;
        let fixed: Vec<&[i32]> = fixed.iter().map(Vec::as_slice).collect();
        descent.step(&fixed, schedule.fraction_bits)?;
        by_round.push(measure(round, &descent.result()?)?);
    }
    Ok(Trained { head: descent.result()?, rounds: schedule.rounds, by_round })
}

/// A head to start from: each class' weights point to the mean of its public items. A class without
/// any, or whose items cancel, starts at zero.
///
/// # Errors
/// When the items have no numbers.
pub(crate) fn first_head(public: &Items, classes: usize) -> Result<Head> {
    let mut sums = vec![0.0; classes * public.width];
    for index in 0..public.labels.len() {
        for class in public.labels.classes(index) {
            let row = &mut sums[class * public.width..][..public.width];
            let pairs = row.iter_mut().zip(public.features(index));
            pairs.for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }
    let mut weights = Vec::with_capacity(sums.len());
    for sum in sums.chunks(public.width.max(1)) {
        let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        let scale = if length > 0.0 { PUBLIC_LENGTH / length } else { 0.0 };
        weights.extend(sum.iter().map(|value| narrow(value * scale)));
    }
    Ok(Head::new(classes, public.width, weights)?)
}

#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
pub(crate) fn narrow(value: f64) -> f32 {
    value as f32
}

/// Counts the subjects, with noise when there is any; at least one.
///
/// # Errors
/// When the release fails.
pub(crate) fn count(sites: &[Site], collector: &mut Collector) -> Result<f64> {
    let counts: Vec<[i64; 1]> = sites
        .iter()
        .map(|site| Ok([i64::try_from(site.len())? * COUNT_STEP]))
        .collect::<Result<_>>()?;
    let counts: Vec<&[i64]> = counts.iter().map(<[i64; 1]>::as_slice).collect();
    let sensitivity = SquaredSensitivity::new(COUNT_STEP.unsigned_abs().pow(2));
    let released = collector.collect(&counts, sensitivity, collector.share(COUNT_SHARE))?;
    let total: i64 = released.iter().flatten().sum();
    Ok((total as f64 / COUNT_STEP as f64).max(1.0))
}

/// What `work` makes of each site, by its position, on a few threads.
///
/// # Errors
/// The first site's that fails.
pub(crate) fn at_sites(
    sites: &[Site],
    work: impl Fn(usize, &Site) -> Result<Vec<i64>> + Sync,
) -> Result<Vec<Vec<i64>>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let share = sites.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let work = &work;
        let parts: Vec<_> = sites
            .chunks(share)
            .enumerate()
            .map(|(part, sites)| {
                let of = move |(at, site)| work(part * share + at, site);
                scope.spawn(move || sites.iter().enumerate().map(of).collect::<Result<Vec<_>>>())
            })
            .collect();
        let mut all = Vec::with_capacity(sites.len());
        for part in parts {
            all.extend(part.join().ok().context("a site's thread failed")??);
        }
        Ok(all)
    })
}

/// The exact sum of subjects' clipped gradients.
///
/// # Errors
/// When an item does not fit the head.
pub(crate) fn site_sum<'a>(
    items: &Items,
    subjects: impl IntoIterator<Item = &'a Vec<usize>>,
    head: &Head,
    shape: ClipShape,
) -> Result<Vec<i64>> {
    let mut sum = ClippedSum::new(shape);
    for subject in subjects {
        let of_subject: Vec<_> = subject.iter().map(|index| items.item(*index)).collect();
        head.add_clipped(&of_subject, &mut sum)??;
    }
    Ok(sum.values())
}

/// A released sum as a round carries it, in 32 bits.
///
/// # Errors
/// When it does not fit.
pub(crate) fn in_ring(values: &[i64]) -> Result<Vec<i32>> {
    let narrow = |value: &i64| i32::try_from(*value);
    let all: Result<Vec<i32>, _> = values.iter().map(narrow).collect();
    all.context("a sum beyond the 32 bits of a round: too many subjects, or too small an epsilon")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_items_point_their_class_the_way() {
        let features = vec![3.0, 0.0, 1.0, 0.0, 0.0, -2.0, 1.0, 1.0, -1.0, -1.0];
        let public = Items::new(features, 2, Labels::One(vec![0, 0, 1, 2, 2]));
        let head = first_head(&public, 4).unwrap();
        let expected = [5.0_f32, 0.0, 0.0, -5.0, 0.0, 0.0, 0.0, 0.0];
        assert!(head.weights().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
        let none = Items::new(Vec::new(), 0, Labels::One(Vec::new()));
        assert!(first_head(&none, 4).is_err());
    }
}
