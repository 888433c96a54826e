//! Items of a project, as the site's store and the project's model know them.

use insitu_protocol::ids::ProjectName;

use super::arguments::{SampleArguments, StrategyName};
use super::committee::{LESSONS_MAX, committee};
use super::source::{Source, Stored};
use super::{Failure, Items};
use crate::cli::Context;
use crate::cli::content::{Content, groups, model_in_use, snapshot};
use crate::prelabel::Model;
use crate::quality::next::TYPICAL_LABELS_PER_CLASS;
use crate::quality::snapshot::{Labeled, probabilities};

/// A project's items: those that wait first, then the labeled ones.
pub(super) struct Known {
    pub(super) items: Items<'static>,
    /// Key of the project, and of each item in the store.
    pub(super) project: i64,
    pub(super) keys: Vec<i64>,
    /// What to choose by, where nobody says.
    pub(super) strategy: StrategyName,
}

/// Reads a project's items, with their features by the model in use where a strategy needs them.
///
/// # Errors
/// [`Failure`] without such a project, or when its model does not run.
pub(super) fn read(
    context: &Context,
    name: &ProjectName,
    arguments: &SampleArguments,
) -> Result<Known, Failure> {
    let snapshot = snapshot(context, name)?;
    let classes = snapshot.classes();
    // An item may have nothing but a label of a class that is no more.
    let labeled: Vec<&Labeled> =
        snapshot.labeled.iter().filter(|item| item.record.is_some()).collect();
    let project = &snapshot.project.definition;
    let (strategy, mut model) = match arguments.strategy {
        Some(strategy) if !needs_features(strategy) => (strategy, None),
        asked => {
            let model = model_in_use(context, &snapshot.project)?;
            let features = model.is_some() || !project.features.is_empty();
            let best = match (features, labeled.len() < TYPICAL_LABELS_PER_CLASS * classes) {
                (false, _) => StrategyName::Margin,
                (true, true) => StrategyName::Typiclust,
                (true, false) => StrategyName::MarginKmeans,
            };
            (asked.unwrap_or(best), model)
        }
    };
    let keys: Vec<i64> = snapshot
        .waiting
        .iter()
        .map(|item| item.item)
        .chain(labeled.iter().map(|item| item.item))
        .collect();
    let content = Content::read(context, project, &keys, needs_features(strategy), &mut model)?;
    let waiting = snapshot.waiting.len();
    let mut table = Vec::with_capacity(keys.len() * classes);
    for item in &snapshot.waiting {
        probabilities(&item.prelabel, item.probabilities.as_deref(), classes, &mut table);
    }
    table.resize(keys.len() * classes, 0.0); // nobody asks for those of labeled items
    let heads = match (strategy, &model) {
        (StrategyName::Bald, Some(model)) => heads(model, &labeled, &content, arguments.seed)?,
        _ => Vec::new(),
    };
    let group = groups(&content.signatures, arguments.similarity)?;
    let items = Items {
        names: content.names(),
        labeled: (0..keys.len()).map(|at| at >= waiting).collect(),
        taken: (0..keys.len()).map(|at| at < waiting && snapshot.waiting[at].wanted).collect(),
        group,
        source: Source::Store(Stored {
            name: format!("project {name}"),
            classes,
            probabilities: table,
            dimensions: content.dimensions,
            points: content.points.iter().map(|value| f64::from(*value)).collect(),
            heads,
        }),
    };
    Ok(Known { items, project: snapshot.project.project, keys, strategy })
}

fn needs_features(strategy: StrategyName) -> bool {
    match strategy {
        StrategyName::Typiclust
        | StrategyName::MarginKmeans
        | StrategyName::KCenter
        | StrategyName::Bald => true,
        StrategyName::Margin
        | StrategyName::Entropy
        | StrategyName::LeastConfidence
        | StrategyName::Random => false,
    }
}

/// What each head of a committee thinks of the items; the labeled ones are what they learn from.
fn heads(
    model: &Model,
    labeled: &[&Labeled],
    content: &Content,
    seed: u64,
) -> Result<Vec<Vec<f64>>, Failure> {
    let refused = |error: &dyn std::error::Error| Failure::refused(error);
    let rows = || content.points.chunks_exact(content.dimensions.max(1));
    let waiting = content.names.len() - labeled.len();
    let lesson = |(item, features): (&&Labeled, _)| {
        item.record.map(|class| (features, usize::from(class).into()))
    };
    let lessons = labeled.iter().zip(rows().skip(waiting)).filter_map(lesson);
    let lessons: Vec<_> = lessons.take(LESSONS_MAX).collect();
    let heads = committee(model.head(), &lessons, seed).map_err(|error| refused(&error))?;
    let judge = |head: &insitu_models::head::Head| {
        let rows = rows().map(|item| head.probabilities(item, 1.0));
        Ok(rows.collect::<Result<Vec<_>, _>>().map_err(|error| refused(&error))?.concat())
    };
    heads.iter().map(judge).collect()
}
