//! The strategies, on the columns of a file.

use insitu_measure::Probabilities;
use insitu_measure::sampling::{
    Uncertainty, disagreement, diverse_margin, k_center, most, typical_seeds, uncertainty,
};

use super::Items;
use super::arguments::{SampleArguments, StrategyName};
use super::source::Source;
use crate::cli::columns::InputError;

/// Chosen items, most wanted first, with what each was chosen by.
type Chosen = Vec<(usize, Option<f64>)>;

/// The name of a strategy on the command line.
pub(super) const fn name(strategy: StrategyName) -> &'static str {
    match strategy {
        StrategyName::Typiclust => "typiclust",
        StrategyName::Margin => "margin",
        StrategyName::Entropy => "entropy",
        StrategyName::LeastConfidence => "least-confidence",
        StrategyName::MarginKmeans => "margin-kmeans",
        StrategyName::Bald => "bald",
        StrategyName::KCenter => "k-center",
        StrategyName::Random => "random",
    }
}

/// Chooses among `open` items.
///
/// # Errors
/// [`InputError`] if the file lacks the columns that the strategy needs, or they hold no such
/// numbers.
pub(super) fn choose(
    items: &Items<'_>,
    open: &[usize],
    strategy: StrategyName,
    arguments: &SampleArguments,
) -> Result<Chosen, InputError> {
    let (count, seed) = (arguments.number.min(open.len()), arguments.seed);
    if count == 0 {
        return Ok(Vec::new());
    }
    let run = Run { items, open, count };
    match strategy {
        StrategyName::Margin => run.doubtful(Uncertainty::Margin),
        StrategyName::Entropy => run.doubtful(Uncertainty::Entropy),
        StrategyName::LeastConfidence => run.doubtful(Uncertainty::LeastConfidence),
        StrategyName::MarginKmeans => run.diverse(seed),
        StrategyName::Typiclust => run.typical(seed),
        StrategyName::KCenter => run.covering(),
        StrategyName::Bald => run.contested(),
        StrategyName::Random => Ok(run.drawn(seed)),
    }
}

struct Run<'a> {
    items: &'a Items<'a>,
    open: &'a [usize],
    count: usize,
}

impl Run<'_> {
    fn unfit(&self, text: impl ToString) -> InputError {
        self.items.source.unfit(text)
    }

    /// Number of features.
    fn dimensions(&self) -> Result<usize, InputError> {
        match self.items.source.dimensions() {
            0 => Err(self.unfit("this strategy needs features: columns f_NAME")),
            dimensions => Ok(dimensions),
        }
    }

    /// Number of classes, and the probabilities of what is open.
    fn model(&self) -> Result<(usize, Vec<f64>), InputError> {
        let values = self.items.source.probabilities(self.open)?;
        Ok((self.items.source.classes().unwrap_or(0), values))
    }

    fn doubtful(&self, measure: Uncertainty) -> Result<Chosen, InputError> {
        let doubt = self.doubt(measure)?;
        let chosen = most(&doubt, self.count);
        Ok(chosen.into_iter().map(|at| (self.open[at], Some(doubt[at]))).collect())
    }

    fn doubt(&self, measure: Uncertainty) -> Result<Vec<f64>, InputError> {
        let (classes, values) = self.model()?;
        let probabilities = Probabilities::new(classes, &values).map_err(|e| self.unfit(e))?;
        Ok(uncertainty(probabilities, measure))
    }

    fn diverse(&self, seed: u64) -> Result<Chosen, InputError> {
        let ((classes, values), dimensions) = (self.model()?, self.dimensions()?);
        let probabilities = Probabilities::new(classes, &values).map_err(|e| self.unfit(e))?;
        let points = self.items.source.points(self.open)?;
        let chosen = diverse_margin(probabilities, dimensions, &points, self.count, seed)
            .map_err(|error| self.unfit(error))?;
        let doubt = uncertainty(probabilities, Uncertainty::Margin);
        Ok(chosen.into_iter().map(|at| (self.open[at], Some(doubt[at]))).collect())
    }

    fn typical(&self, seed: u64) -> Result<Chosen, InputError> {
        let dimensions = self.dimensions()?;
        let points = self.items.source.points(self.open)?;
        let chosen = typical_seeds(dimensions, &points, self.count, seed)
            .map_err(|error| self.unfit(error))?;
        Ok(chosen.into_iter().map(|at| (self.open[at], None)).collect())
    }

    fn covering(&self) -> Result<Chosen, InputError> {
        let dimensions = self.dimensions()?;
        // Labeled items come behind the open ones: they are covered already.
        let labeled = (0..self.items.names.len()).filter(|&item| self.items.labeled[item]);
        let all: Vec<usize> = self.open.iter().copied().chain(labeled).collect();
        let behind = self.open.len()..all.len();
        let behind: Vec<u32> = behind.filter_map(|at| u32::try_from(at).ok()).collect();
        let points = self.items.source.points(&all)?;
        let chosen = k_center(dimensions, &points, &behind, self.count)
            .map_err(|error| self.unfit(error))?;
        Ok(chosen.into_iter().map(|choice| (all[choice.item], Some(choice.radius))).collect())
    }

    fn contested(&self) -> Result<Chosen, InputError> {
        let heads = self.items.source.heads(self.open)?;
        if heads.len() < 2 {
            let wanted = match self.items.source {
                Source::File(_) => "columns h0_CLASS, h1_CLASS and so on",
                Source::Store(_) => "they learn over a model's features, and there is no model",
            };
            return Err(self.unfit(format!("{} heads, but 2 are needed: {wanted}", heads.len())));
        }
        let tables: Vec<Probabilities<'_>> = heads
            .iter()
            .map(|(classes, values)| Probabilities::new(*classes, values))
            .collect::<Result<_, _>>()
            .map_err(|error| self.unfit(error))?;
        let found = disagreement(&tables).map_err(|error| self.unfit(error))?;
        let scores: Vec<f64> = found.iter().map(|one| one.mutual_information).collect();
        let chosen = most(&scores, self.count);
        Ok(chosen.into_iter().map(|at| (self.open[at], Some(scores[at]))).collect())
    }

    /// Items in the order of a keyed hash of their names: the same whatever else the file holds.
    fn drawn(&self, seed: u64) -> Chosen {
        let key = blake3::derive_key("insitu sample 2026 random order", &seed.to_le_bytes());
        let hash =
            |item: &usize| *blake3::keyed_hash(&key, self.items.names[*item].as_bytes()).as_bytes();
        let mut order = self.open.to_vec();
        order.sort_by_cached_key(hash);
        order.into_iter().take(self.count).map(|item| (item, None)).collect()
    }
}
