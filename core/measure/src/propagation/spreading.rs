//! Labels that spread over a graph of similar items.

use crate::consensus::Posterior;
use crate::input::{InvalidInput, MeasureError, Undefined, at_most, known, same_length, within};

/// Most items of a graph; neighbours are found by comparing all pairs.
pub const GRAPH_ITEMS_MAX: usize = 50_000;
/// Most edges (about 1 GiB).
const EDGES_MAX: usize = 1 << 26;
/// Steps end when all values together change by less.
const TOLERANCE: f64 = 1e-9;
const STEPS_MAX: usize = 10_000;

/// How similar items are: for each item its neighbours and the weights of the edges to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    starts: Vec<usize>,
    edges: Vec<(u32, f64)>,
}

/// How labels move along edges.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Labels given may change: a share `alpha` in (0, 1) comes from the neighbours. D. Zhou, O. Bousquet, T. N. Lal, J. Weston, B. Schölkopf, *Learning with
    /// local and global consistency* (2004).
    Spreading {
        /// Share that comes from the neighbours.
        alpha: f64,
    },
    /// Labels given stay. X. Zhu, Z. Ghahramani, *Learning from labeled and
    /// unlabeled data with label propagation* (2002).
    Propagation,
}

impl Graph {
    /// Every item with every other, at weight exp(−`gamma`·distance²). `points` is row-major,
    /// shape `[items, dimensions]`.
    ///
    /// # Errors
    /// [`InvalidInput`] if there is no whole number of rows, a number is beyond ±1e150, `gamma`
    /// is not positive, or there would be more than 2²⁶ edges.
    pub fn gaussian(dimensions: usize, points: &[f64], gamma: f64) -> Result<Self, InvalidInput> {
        let items = check_points(dimensions, points)?;
        within("gamma", &[gamma], f64::MIN_POSITIVE, f64::MAX)?;
        at_most("edges", EDGES_MAX, items * items)?;
        let weight = |i: usize, j: usize| (-gamma * square(points, dimensions, i, j)).exp();
        let edges = (0..items).flat_map(|i| (0..to_u32(items)).map(move |j| (i, j)));
        let edges = edges.map(|(i, j)| (j, weight(i, j as usize))).collect();
        Ok(Self { starts: (0..=items).map(|item| item * items).collect(), edges })
    }

    /// Every item with its `neighbours` nearest, itself among them, at weight 1.
    ///
    /// # Errors
    /// [`InvalidInput`] as above, or if there are not at least `neighbours` ≥ 1 items, or more
    /// than [`GRAPH_ITEMS_MAX`].
    pub fn nearest(
        dimensions: usize,
        points: &[f64],
        neighbours: usize,
    ) -> Result<Self, InvalidInput> {
        let items = check_points(dimensions, points)?;
        at_most("neighbours", items, neighbours)?;
        same_length("neighbours", neighbours.max(1), neighbours)?;
        at_most("edges", EDGES_MAX, items * neighbours)?;
        let mut edges = Vec::with_capacity(items * neighbours);
        for item in 0..items {
            let mut near: Vec<(f64, u32)> = (0..to_u32(items))
                .map(|other| (square(points, dimensions, item, other as usize), other))
                .collect();
            let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            near.select_nth_unstable_by(neighbours - 1, order);
            near.truncate(neighbours);
            edges.extend(near.into_iter().map(|(_, other)| (other, 1.0)));
        }
        Ok(Self { starts: (0..=items).map(|item| item * neighbours).collect(), edges })
    }

    /// Number of items.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.starts.len() - 1
    }

    fn of(&self, item: usize) -> &[(u32, f64)] {
        &self.edges[self.starts[item]..self.starts[item + 1]]
    }

    /// Without edges to itself, each edge divided by the root of both ends' incoming weight.
    fn normalised(mut self) -> Self {
        let mut incoming = vec![0.0; self.items()];
        for item in 0..self.items() {
            for &(other, weight) in self.of(item).iter().filter(|(other, _)| *other != to_u32(item))
            {
                incoming[other as usize] += weight;
            }
        }
        let roots: Vec<f64> =
            incoming.iter().map(|sum| if *sum > 0.0 { f64::sqrt(*sum) } else { 1.0 }).collect();
        for item in 0..self.items() {
            let range = self.starts[item]..self.starts[item + 1];
            for (other, weight) in &mut self.edges[range] {
                let itself = *other == to_u32(item);
                *weight = if itself { 0.0 } else { *weight / roots[item] / roots[*other as usize] };
            }
        }
        self
    }
}

/// Draft labels for all items from the labels of some.
///
/// An item that no label reaches gets even shares.
///
/// # Errors
/// [`MeasureError::Invalid`] if there is not one entry for each item, a label is not below
/// `categories` or `alpha` is out of range; [`Undefined::NoData`] without any label.
///
/// ```
/// use insitu_measure::propagation::{Graph, Method, spread};
///
/// let graph = Graph::gaussian(1, &[0.0, 0.1, 5.0, 5.1], 1.0)?;
/// let labels = [Some(0), None, Some(1), None];
/// let drafts = spread(graph, &labels, 2, Method::Propagation)?;
/// assert_eq!(drafts.labels(), [0, 0, 1, 1]);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn spread(
    graph: Graph,
    labels: &[Option<u32>],
    categories: usize,
    method: Method,
) -> Result<Posterior, MeasureError> {
    same_length("labels", graph.items(), labels.len())?;
    let given: Vec<u32> = labels.iter().flatten().copied().collect();
    known("labels", &given, categories)?;
    at_most("items × categories", EDGES_MAX, labels.len().saturating_mul(categories))?;
    if given.is_empty() {
        return Err(Undefined::NoData.into());
    }
    let mut start = vec![0.0; labels.len() * categories];
    for (row, label) in start.chunks_exact_mut(categories).zip(labels) {
        if let Some(label) = label {
            row[*label as usize] = 1.0;
        }
    }
    let mut values = match method {
        Method::Spreading { alpha } => {
            within("alpha", &[alpha], f64::MIN_POSITIVE, 1.0 - f64::EPSILON)?;
            let fixed: Vec<f64> = start.iter().map(|value| (1.0 - alpha) * value).collect();
            settle(&graph.normalised(), start, categories, |values| {
                values.iter_mut().zip(&fixed).for_each(|(v, fixed)| *v = alpha * *v + fixed);
            })
        }
        Method::Propagation => {
            let fixed = start.clone();
            settle(&graph, start, categories, |values| {
                let rows = values.chunks_exact_mut(categories).zip(fixed.chunks_exact(categories));
                for ((row, fixed), label) in rows.zip(labels) {
                    match label {
                        Some(_) => row.copy_from_slice(fixed),
                        None => normalise(row),
                    }
                }
            })
        }
    };
    for row in values.chunks_exact_mut(categories) {
        normalise(row);
        if row.iter().all(|value| *value <= 0.0) {
            #[expect(clippy::cast_precision_loss, reason = "categories stay far below 2^53")]
            row.fill(1.0 / categories as f64);
        }
    }
    Ok(Posterior::new(categories, values))
}

/// Moves values along edges until they change by less than the tolerance in all.
fn settle(
    graph: &Graph,
    mut values: Vec<f64>,
    categories: usize,
    after: impl Fn(&mut [f64]),
) -> Vec<f64> {
    let mut before = vec![0.0; values.len()];
    for _ in 0..STEPS_MAX {
        let change: f64 = values.iter().zip(&before).map(|(a, b)| (a - b).abs()).sum();
        if change < TOLERANCE {
            break;
        }
        std::mem::swap(&mut before, &mut values);
        for (item, row) in values.chunks_exact_mut(categories).enumerate() {
            row.fill(0.0);
            for &(other, weight) in graph.of(item) {
                let from = &before[other as usize * categories..(other as usize + 1) * categories];
                row.iter_mut().zip(from).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        after(&mut values);
    }
    values
}

fn normalise(row: &mut [f64]) {
    let sum: f64 = row.iter().sum();
    if sum > 0.0 {
        row.iter_mut().for_each(|value| *value /= sum);
    }
}

fn check_points(dimensions: usize, points: &[f64]) -> Result<usize, InvalidInput> {
    let items = points.len().checked_div(dimensions).unwrap_or(0);
    same_length("points", items * dimensions, points.len())?;
    within("points", points, -1e150, 1e150)?;
    at_most("items", GRAPH_ITEMS_MAX, items)?;
    Ok(items)
}

fn square(points: &[f64], dimensions: usize, i: usize, j: usize) -> f64 {
    let row = |item: usize| &points[item * dimensions..(item + 1) * dimensions];
    row(i).iter().zip(row(j)).map(|(a, b)| (a - b).powi(2)).sum()
}

fn to_u32(item: usize) -> u32 {
    u32::try_from(item).expect("at most GRAPH_ITEMS_MAX items")
}
