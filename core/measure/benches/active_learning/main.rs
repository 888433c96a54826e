//! How many labels each strategy needs to reach 95 % and 99 % of the accuracy on all labels.
//!
//! `python3 core/measure/benches/active_learning/features.py CSV_DIR FEATURES_DIR`, then
//! `cargo bench -p insitu-measure --bench active_learning -- FEATURES_DIR`. Without a folder
//! nothing is measured.
//!
//! One softmax regression for all strategies, trained anew after each batch of as many labels as
//! there are classes. Test labels serve to see when a target is reached, nothing else. Random
//! choice needs no model and far more labels, so it is trained and looked at every fourth batch.
//! The target is a share of what the same regression reaches with all training labels.
//!
//! Measured on Banking77, where all 10,003 labels give an accuracy of .9308, means of three seeds:
//! `label_next` 899 and 1,977 labels (at most 924 and 2,079), margin alone 950 and 2,002 (at most
//! 1,078 and 2,156).
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod array;
mod regression;

use std::path::Path;
use std::{env, error};

use array::Array;
use insitu_measure::Probabilities;
use insitu_measure::sampling::{Uncertainty, label_next, most, uncertainty};
use regression::{Features, Model};

/// Inverse strength of regularisation; best of 1, 3, 10, 30, 100 with all training labels.
const C: f32 = 30.0;
const SEEDS: [u64; 3] = [1, 2, 3];
const SHARES: [f64; 2] = [0.95, 0.99];
/// Labels that must suffice for the two shares.
const BARS: [usize; 2] = [1_050, 2_300];

type Outcome<T> = Result<T, Box<dyn error::Error>>;

fn main() -> Outcome<()> {
    let Some(folder) = env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!(
            "skipped: no folder of features given; benches/active_learning/features.py makes one"
        );
        return Ok(());
    };
    let task = Task::read(Path::new(&folder))?;
    let full = task.full_accuracy();
    println!(
        "{} labels give an accuracy of {full:.4}; share of it reached with",
        task.labels.len()
    );
    println!("{:<22} {:>5} {:>7} {:>7}", "labels", "seed", "95 %", "99 %");
    for strategy in [Strategy::LabelNext, Strategy::Margin, Strategy::Random] {
        let mut sums = [0; SHARES.len()];
        for seed in SEEDS {
            let reached = task.play(strategy, seed, SHARES.map(|share| share * full))?;
            println!("{:<22} {seed:>5} {:>7} {:>7}", strategy.name(), reached[0], reached[1]);
            sums.iter_mut().zip(reached).for_each(|(sum, reached)| *sum += reached);
        }
        let means = sums.map(|sum| sum.div_ceil(SEEDS.len()));
        println!("{:<22} {:>5} {:>7} {:>7}", strategy.name(), "mean", means[0], means[1]);
    }
    println!("{:<22} {:>5} {:>7} {:>7}", "must reach", "", BARS[0], BARS[1]);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    /// Any item.
    Random,
    /// A random batch, then those of smallest margin.
    Margin,
    /// What the crate recommends.
    LabelNext,
}

impl Strategy {
    const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Margin => "margin",
            Self::LabelNext => "sampling::label_next",
        }
    }
}

/// Items to label and items to test on.
struct Task {
    classes: usize,
    dimensions: usize,
    points: Vec<f64>,
    train: Features,
    labels: Vec<u32>,
    test: Features,
    test_labels: Vec<u32>,
}

impl Task {
    fn read(folder: &Path) -> Outcome<Self> {
        let features = |name: &str| Array::read(&folder.join(name), "<f4");
        let labels = |name: &str| Array::read(&folder.join(name), "<u4").map(|array| array.ids());
        let (train, test) = (features("train_features.npy")?, features("test_features.npy")?);
        let (train_labels, test_labels) = (labels("train_labels.npy")?, labels("test_labels.npy")?);
        let table = |array: &Array| Features::new(array.columns, &array.floats());
        let task = Self {
            classes: train_labels.iter().max().map_or(0, |label| *label as usize + 1),
            dimensions: train.columns,
            points: train.floats().into_iter().map(f64::from).collect(),
            train: table(&train),
            labels: train_labels,
            test: table(&test),
            test_labels,
        };
        let fits = train.columns == test.columns
            && task.train.count() == task.labels.len()
            && task.test.count() == task.test_labels.len()
            && task.test_labels.iter().all(|label| (*label as usize) < task.classes);
        if fits { Ok(task) } else { Err("features and labels do not fit each other".into()) }
    }

    fn full_accuracy(&self) -> f64 {
        let all: Vec<usize> = (0..self.labels.len()).collect();
        let mut model = Model::new(&self.train, self.classes);
        model.fit(&self.train, &all, &self.labels, C);
        self.accuracy(&model)
    }

    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn accuracy(&self, model: &Model) -> f64 {
        let probabilities = model.probabilities(&self.test);
        let right = probabilities.chunks_exact(self.classes).zip(&self.test_labels);
        let right = right.filter(|(row, label)| most(row, 1) == [**label as usize]).count();
        right as f64 / self.test_labels.len() as f64
    }

    /// Labels with which the accuracy first reaches each of the targets.
    fn play(&self, strategy: Strategy, seed: u64, targets: [f64; 2]) -> Outcome<[usize; 2]> {
        let step = if strategy == Strategy::Random { 4 * self.classes } else { self.classes };
        let mut model = Model::new(&self.train, self.classes);
        let mut chosen: Vec<usize> = Vec::new();
        let mut reached = [None; 2];
        loop {
            let next = self.choose(strategy, &model, &chosen, step, seed)?;
            if next.is_empty() {
                return Ok(reached.map(|labels| labels.unwrap_or(self.labels.len())));
            }
            chosen.extend(next);
            let labels: Vec<u32> = chosen.iter().map(|&item| self.labels[item]).collect();
            model.fit(&self.train, &chosen, &labels, C);
            let accuracy = self.accuracy(&model);
            for (reached, target) in reached.iter_mut().zip(targets) {
                if accuracy >= target {
                    reached.get_or_insert(chosen.len());
                }
            }
            if let [Some(first), Some(second)] = reached {
                return Ok([first, second]);
            }
        }
    }

    fn choose(
        &self,
        strategy: Strategy,
        model: &Model,
        chosen: &[usize],
        step: usize,
        seed: u64,
    ) -> Outcome<Vec<usize>> {
        if strategy == Strategy::Random || (strategy == Strategy::Margin && chosen.is_empty()) {
            let order = shuffled(self.labels.len(), seed);
            return Ok(order.into_iter().skip(chosen.len()).take(step).collect());
        }
        let values = if chosen.is_empty() { Vec::new() } else { model.probabilities(&self.train) };
        let probabilities = Probabilities::new(self.classes, &values)?;
        if strategy == Strategy::Margin {
            let mut doubt = uncertainty(probabilities, Uncertainty::Margin);
            chosen.iter().for_each(|&item| doubt[item] = f64::NEG_INFINITY);
            return Ok(most(&doubt, step.min(doubt.len() - chosen.len())));
        }
        let labeled: Vec<u32> =
            chosen.iter().map(|&item| u32::try_from(item)).collect::<Result<_, _>>()?;
        let model = (!chosen.is_empty()).then_some(probabilities);
        Ok(label_next(model, self.dimensions, &self.points, &labeled, step, seed)?)
    }
}

/// A permutation of `0..count` (Fisher and Yates, with Knuth's MMIX generator).
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed;
    for end in (1..count).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(end, (state >> 33) as usize % (end + 1));
    }
    order
}
