//! `measure drift --features`: the numbers of a feature vector, all at once.

use insitu_measure::drift::Discrepancy;
use serde::Serialize;

use super::drift::Sides;
use super::{Estimate, cell};
use crate::cli::columns::{Column, InputError, Table};

/// Most vectors of a side; of more, so many are taken at even distances.
const VECTORS_MAX: usize = 1_000;
/// Random exchanges of vectors, of which an alarm needs ten to be as far apart.
const EXCHANGES: [f64; 2] = [999.0, 9_999.0];

/// What the maximum mean discrepancy says about vectors.
#[derive(Debug, Serialize)]
pub(super) struct FeatureDrift {
    features: usize,
    reference_vectors: usize,
    current_vectors: usize,
    /// Records with a gap, which are left out.
    incomplete: usize,
    /// Unbiased and squared, in [-1, 1]: around 0 without drift. Each feature is in units of its
    /// standard deviation in the reference.
    squared_discrepancy: Estimate,
    /// Bandwidth of the Gaussian kernel.
    bandwidth: Option<f64>,
    /// Probability of a discrepancy at least as large without drift.
    p: Option<f64>,
    drifted: Option<bool>,
    /// Why it is not said whether they drifted.
    reason: Option<String>,
}

/// The columns of a vector: each name is a column, or the list whose elements are columns.
///
/// # Errors
/// [`InputError`] for a name that is neither.
pub(super) fn columns(table: &Table, names: &[String]) -> Result<Vec<String>, InputError> {
    let mut found = Vec::new();
    for name in names {
        let prefix = format!("{name}.");
        let inner = table.names().filter(|other| other.starts_with(&prefix));
        let before = found.len();
        if table.names().all(|other| other != name) {
            found.extend(inner.map(str::to_owned));
        }
        if found.len() == before {
            found.push(table.need(Some(name), &[])?.name().to_owned());
        }
    }
    Ok(found)
}

/// Compares the vectors of both sides.
///
/// # Errors
/// [`InputError`] for a column that the current side lacks, or a cell that is no number.
pub(super) fn measure(
    sides: &Sides<'_>,
    names: &[String],
    alarm: f64,
    seed: u64,
) -> Result<FeatureDrift, InputError> {
    let (reference, gaps) = vectors(&sides.reference, names)?;
    let (current, more) = vectors(&sides.current, names)?;
    let scale = deviations(&reference, names.len());
    let scaled = |vectors: &[Vec<f64>]| -> Vec<f64> {
        let vectors = thinned(vectors).into_iter();
        vectors.flat_map(|vector| vector.iter().zip(&scale).map(|(x, by)| x / by)).collect()
    };
    let (before, today) = (scaled(&reference), scaled(&current));
    let found = Discrepancy::new(names.len(), &before, &today).map_err(|error| error.to_string());
    let exchanges = exchanges(alarm);
    let least = 1.0 / (EXCHANGES[1] + 1.0);
    let reason = match &found {
        Err(reason) => Some(reason.clone()),
        Ok(_) if alarm < least => {
            let most = EXCHANGES[1];
            Some(format!(
                "{most} exchanges give no p below {least}, so nothing can alarm at {alarm}"
            ))
        }
        Ok(_) => None,
    };
    let p = found.as_ref().ok().map(|both| both.p_value(exchanges, seed));
    Ok(FeatureDrift {
        features: names.len(),
        reference_vectors: reference.len().min(VECTORS_MAX),
        current_vectors: current.len().min(VECTORS_MAX),
        incomplete: gaps + more,
        bandwidth: found.as_ref().ok().map(Discrepancy::bandwidth),
        squared_discrepancy: Estimate::of(found.map(|both| both.unbiased())),
        p,
        drifted: p.filter(|_| reason.is_none()).map(|p| p <= alarm),
        reason,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn exchanges(alarm: f64) -> usize {
    (10.0 / alarm).clamp(EXCHANGES[0], EXCHANGES[1]) as usize
}

/// The vectors without a gap, and how many have one.
fn vectors(
    (table, rows): &(&Table, Vec<usize>),
    names: &[String],
) -> Result<(Vec<Vec<f64>>, usize), InputError> {
    let columns: Vec<&Column> =
        names.iter().map(|name| table.need(Some(name), &[])).collect::<Result<_, _>>()?;
    let whole = |row: &&usize| columns.iter().all(|column| column.value(**row).is_some());
    let vector = |&row: &usize| columns.iter().map(|column| table.number(column, row)).collect();
    let found: Vec<Vec<f64>> = rows.iter().filter(whole).map(vector).collect::<Result<_, _>>()?;
    let gaps = rows.len() - found.len();
    Ok((found, gaps))
}

fn thinned(vectors: &[Vec<f64>]) -> Vec<&[f64]> {
    let size = vectors.len().min(VECTORS_MAX);
    (0..size).map(|at| vectors[at * vectors.len() / size].as_slice()).collect()
}

/// Standard deviation of each feature; 1 for one that does not vary.
#[expect(clippy::cast_precision_loss, reason = "records stay far below 2^53")]
fn deviations(vectors: &[Vec<f64>], features: usize) -> Vec<f64> {
    let count = vectors.len().max(1) as f64;
    let mean = |at: usize, f: &dyn Fn(f64) -> f64| -> f64 {
        vectors.iter().map(|vector| f(vector[at])).sum::<f64>() / count
    };
    let deviation = |at: usize| {
        let centre = mean(at, &|x| x);
        mean(at, &|x| (x - centre).powi(2)).sqrt()
    };
    let usable = |spread: &f64| spread.is_finite() && *spread > 0.0;
    (0..features).map(|at| Some(deviation(at)).filter(usable).unwrap_or(1.0)).collect()
}

impl FeatureDrift {
    pub(super) fn text(&self, names: &[String]) -> String {
        let name = match names {
            [only] => cell(only),
            [first, ..] => format!("{} and {} more", cell(first), names.len() - 1),
            [] => String::new(),
        };
        let p = self.p.map_or_else(String::new, |p| format!(" (p = {p:.4})"));
        let verdict = match (self.drifted, self.reason.as_deref()) {
            (Some(true), _) => format!("drifted{p}"),
            (Some(false), _) => format!("no drift{p}"),
            (None, reason) => format!("undefined: {}{p}", reason.unwrap_or("no reason given")),
        };
        let mut text = format!(
            "\nFeatures {name}: {verdict}; squared MMD {} of {} vectors before and {} today\n",
            self.squared_discrepancy.figure(),
            self.reference_vectors,
            self.current_vectors,
        );
        if self.incomplete > 0 {
            text.push_str(&format!("{} records with a gap were left out\n", self.incomplete));
        }
        text
    }
}
