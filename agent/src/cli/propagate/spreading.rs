//! Drafts from nearest neighbours by features.

use insitu_measure::propagation::{GRAPH_ITEMS_MAX, Graph, Method, spread};

use super::arguments::PropagateArguments;
use super::source::Items;
use super::{Finding, LISTED_MAX, Origin};
use crate::cli::columns::{Fault, InputError};

/// Most numbers of a file's features (512 MiB).
const NUMBERS_MAX: usize = 1 << 26;
/// Least lead of the likeliest label over the next: an item that no label reaches has even shares.
const LEAD_MIN: f64 = 1e-9;

/// Drafts in the order of the file.
///
/// # Errors
/// [`InputError`] without features or above a limit.
pub(super) fn find(
    items: &Items<'_>,
    arguments: &PropagateArguments,
) -> Result<Vec<Finding>, InputError> {
    let rows = items.names.len();
    let (dimensions, points) = items.source.points()?;
    bounded(rows, dimensions).map_err(|fault| items.source.unfit(fault))?;
    let unfit = |text: String| items.source.shape(text);
    // The graph counts an item among its own neighbours.
    let neighbours = (usize::from(arguments.neighbours) + 1).min(rows);
    let graph = Graph::nearest(dimensions, &points, neighbours)
        .map_err(|error| unfit(error.to_string()))?;
    let k = items.categories.len();
    let method = Method::Spreading { alpha: arguments.alpha };
    let posterior =
        spread(graph, &items.labels, k, method).map_err(|error| unfit(error.to_string()))?;
    let drafts = posterior.labels();
    let open = (0..rows).filter(|&row| items.labels[row].is_none());
    let draft = |row: usize| {
        let shares = &posterior.values()[row * k..(row + 1) * k];
        let label = drafts[row];
        let score = shares[label as usize];
        let others = shares.iter().enumerate().filter(|(at, _)| *at != label as usize);
        let next = others.map(|(_, share)| *share).fold(0.0, f64::max);
        let reached = score >= arguments.min_score && score - next > LEAD_MIN;
        reached.then(|| Finding::Draft {
            row,
            category: label,
            shares: shares.to_vec(),
            id: items.names[row].clone(),
            label: items.category(label),
            score,
            from: origin(items, dimensions, &points, row, label),
        })
    };
    Ok(open.filter_map(draft).collect())
}

/// Checks that a graph of so many items fits.
pub(super) fn bounded(items: usize, features: usize) -> Result<(), Fault> {
    if items > GRAPH_ITEMS_MAX {
        return Err(Fault::TooMany { what: "items", found: items, limit: GRAPH_ITEMS_MAX });
    }
    let found = items.saturating_mul(features);
    if found > NUMBERS_MAX {
        return Err(Fault::TooMany { what: "features in all", found, limit: NUMBERS_MAX });
    }
    Ok(())
}

/// The nearest items that have the label.
fn origin(items: &Items<'_>, dimensions: usize, points: &[f64], row: usize, label: u32) -> Origin {
    let point = |row: usize| &points[row * dimensions..(row + 1) * dimensions];
    let distance = |other: usize| {
        let squares = point(row).iter().zip(point(other)).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let same = (0..items.names.len()).filter(|&other| items.labels[other] == Some(label));
    let mut near: Vec<(f64, usize)> = same.map(|other| (distance(other), other)).collect();
    let count = near.len();
    if count > LISTED_MAX {
        near.select_nth_unstable_by(LISTED_MAX, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.truncate(LISTED_MAX);
    }
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let closest = near.first().map_or(f64::INFINITY, |(distance, _)| *distance);
    let rows: Vec<usize> = near.into_iter().map(|(_, other)| other).collect();
    Origin {
        method: "spreading",
        ids: items.ids(&rows),
        items: count,
        similarity: 1.0 / (1.0 + closest),
    }
}
