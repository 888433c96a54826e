//! `measure drift`: whether data today look like data before, column by column.

use std::collections::HashMap;

use insitu_measure::MeasureError;
use insitu_measure::drift::{Histograms, Samples, psi_threshold};
use serde::Serialize;

use super::arguments::DriftArguments;
use super::features::{self, FeatureDrift};
use super::{Estimate, Report, bar, cell};
use crate::cli::columns::{Column, Fault, InputError, Table, shown};
use crate::cli::table;

/// Columns that are no data.
const NOT_DATA: [&str; 4] = ["set", "id", "item", "item_id"];
/// Most different values of a column of categories: with more it is a name, not a category.
const CATEGORIES_MAX: usize = 1_000;
/// Simulated pairs of histograms for a threshold, by the number of bins.
const DRAWS: usize = 10_000;
const DRAWS_OF_MANY_BINS: usize = 2_000;
const MANY_BINS: usize = 100;

/// What `measure drift` reports.
#[derive(Debug, Serialize)]
pub(super) struct DriftReport {
    reference: usize,
    current: usize,
    alarm: f64,
    drifted: usize,
    columns: Vec<ColumnDrift>,
    /// Of the vectors of --features.
    features: Option<FeatureDrift>,
    #[serde(skip)]
    feature_columns: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ColumnDrift {
    column: String,
    kind: &'static str,
    reference_values: usize,
    current_values: usize,
    bins: usize,
    /// Population stability index in nats, and the value it exceeds by chance with probability
    /// `alarm`.
    psi: Estimate,
    psi_threshold: Estimate,
    /// Whether it does; `null` if either is undefined.
    drifted: Option<bool>,
    /// Pearson's χ² of the bins.
    chi_square: Test,
    /// Of the numbers.
    kolmogorov_smirnov: Test,
    /// Distance in [0, 1]: square root of the divergence with logarithms to base 2.
    jensen_shannon_distance: Estimate,
    /// In the unit of the numbers.
    wasserstein: Estimate,
}

#[derive(Debug, Serialize)]
struct Test {
    statistic: Option<f64>,
    p: Option<f64>,
    reason: Option<String>,
}

impl Test {
    fn of(found: Result<(f64, f64), String>) -> Self {
        match found {
            Ok((statistic, p)) => Self { statistic: Some(statistic), p: Some(p), reason: None },
            Err(reason) => Self { statistic: None, p: None, reason: Some(reason) },
        }
    }
}

/// The records of both sides: of two tables, or of one.
pub(super) struct Sides<'a> {
    pub(super) reference: (&'a Table, Vec<usize>),
    pub(super) current: (&'a Table, Vec<usize>),
}

pub(super) fn measure(
    table: &Table,
    current: Option<&Table>,
    arguments: &DriftArguments,
) -> Result<DriftReport, InputError> {
    let sides = match current {
        Some(current) => Sides {
            reference: (table, (0..table.rows()).collect()),
            current: (current, (0..current.rows()).collect()),
        },
        None => by_column(table)?,
    };
    let feature_columns = features::columns(table, &arguments.features)?;
    let mut columns = Vec::new();
    if arguments.columns.is_empty() {
        let data = |name: &&str| {
            !NOT_DATA.iter().any(|other| other.eq_ignore_ascii_case(name))
                && !feature_columns.iter().any(|feature| feature == name)
        };
        columns.extend(table.names().filter(data).map(str::to_owned));
    } else {
        columns.extend(arguments.columns.iter().cloned());
    }
    let mut found = Vec::with_capacity(columns.len());
    for name in &columns {
        let reference = sides.reference.0.need(Some(name), &[])?;
        let current = sides.current.0.need(Some(name), &[])?;
        let numbers = !arguments.categorical.contains(name);
        found.push(column(&sides, [reference, current], numbers, arguments)?);
    }
    let features = match feature_columns.as_slice() {
        [] => None,
        names => Some(features::measure(&sides, names, arguments.alarm, arguments.seed)?),
    };
    Ok(DriftReport {
        reference: sides.reference.1.len(),
        current: sides.current.1.len(),
        alarm: arguments.alarm,
        drifted: found.iter().filter(|column| column.drifted == Some(true)).count(),
        columns: found,
        features,
        feature_columns,
    })
}

fn by_column(table: &Table) -> Result<Sides<'_>, InputError> {
    let set = table.need(None, &["set"])?;
    let (mut reference, mut current) = (Vec::new(), Vec::new());
    for row in 0..table.rows() {
        let text = table.text(set, row)?;
        match text.to_ascii_lowercase().as_str() {
            "reference" | "ref" => reference.push(row),
            "current" | "cur" => current.push(row),
            _ => {
                let (column, found) = (shown(set.name()), shown(text));
                let wanted = "reference or current".to_owned();
                return Err(table.fault_at(row, Fault::NotOneOf { column, found, wanted }));
            }
        }
    }
    Ok(Sides { reference: (table, reference), current: (table, current) })
}

fn column(
    sides: &Sides<'_>,
    [reference, current]: [&Column; 2],
    numbers: bool,
    arguments: &DriftArguments,
) -> Result<ColumnDrift, InputError> {
    let cells = |column: &'_ Column, rows: &[usize]| -> Vec<Option<String>> {
        rows.iter().map(|&row| column.value(row).map(str::to_owned)).collect()
    };
    let before = cells(reference, &sides.reference.1);
    let today = cells(current, &sides.current.1);
    let values = |side: &[Option<String>]| side.iter().flatten().count();
    let parsed = numbers.then(|| parse(&before).zip(parse(&today))).flatten();
    let histograms = match &parsed {
        Some((before, today)) => by_number(before, today, arguments.bins),
        None => by_category(&before, &today),
    };
    let with = |measure: &dyn Fn(&Histograms) -> f64| match &histograms {
        Ok(both) => Estimate::known(measure(both)),
        Err(reason) => Estimate::undefined(reason.clone()),
    };
    let samples = match &parsed {
        Some((before, today)) => {
            let present = |side: &[Option<f64>]| side.iter().flatten().copied().collect::<Vec<_>>();
            Samples::new(&present(before), &present(today)).map_err(|error| error.to_string())
        }
        None => Err("needs numbers".to_owned()),
    };
    let psi = with(&Histograms::psi);
    let threshold = threshold(&histograms, arguments)
        .map_err(|error| sides.reference.0.fault(Fault::Shape(error)))?;
    let exceeds = psi.value.zip(threshold.value).map(|(psi, threshold)| psi > threshold);
    Ok(ColumnDrift {
        column: reference.name().to_owned(),
        kind: if parsed.is_some() { "numeric" } else { "categorical" },
        reference_values: values(&before),
        current_values: values(&today),
        bins: histograms.as_ref().map_or(0, Histograms::bins),
        psi,
        psi_threshold: threshold,
        drifted: exceeds,
        chi_square: Test::of(histograms.as_ref().map_err(Clone::clone).and_then(|both| {
            let found = both.chi_square().map_err(|error| error.to_string())?;
            Ok((found.statistic, found.p))
        })),
        kolmogorov_smirnov: Test::of(samples.as_ref().map_err(Clone::clone).map(|both| {
            let found = both.kolmogorov_smirnov();
            (found.statistic, found.p_exact.unwrap_or(found.p))
        })),
        jensen_shannon_distance: with(&Histograms::jensen_shannon_distance),
        wasserstein: Estimate::of(samples.map(|both| both.wasserstein())),
    })
}

/// The numbers of a column whose every value is one; `None` for any other, or one without values.
fn parse(side: &[Option<String>]) -> Option<Vec<Option<f64>>> {
    let number = |cell: &Option<String>| match cell {
        None => Some(None),
        Some(text) => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Some),
    };
    side.iter().map(number).collect()
}

/// Bins of equal count by the reference, and one of gaps where there are any.
fn by_number(
    before: &[Option<f64>],
    today: &[Option<f64>],
    bins: usize,
) -> Result<Histograms, String> {
    let mut sorted: Vec<f64> = before.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let bins = bins.min(sorted.len().max(1));
    let mut edges: Vec<f64> = (1..bins).map(|at| sorted[at * sorted.len() / bins]).collect();
    edges.dedup_by(|a, b| a <= b);
    // An edge at the least value would leave the bin below it empty for ever.
    if edges.first().zip(sorted.first()).is_some_and(|(edge, least)| edge <= least) {
        edges.remove(0);
    }
    // Nearly all values are equal: below, at, and above the greatest.
    if let Some(&most) = sorted.last().filter(|_| edges.is_empty()) {
        edges = vec![most, most.next_up()];
    }
    let gaps = before.iter().chain(today).any(Option::is_none);
    let count = |side: &[Option<f64>]| {
        let mut counts = vec![0.0; edges.len() + 1 + usize::from(gaps)];
        for value in side {
            let bin = match value {
                Some(value) => edges.partition_point(|edge| edge <= value),
                None => edges.len() + 1,
            };
            counts[bin] += 1.0;
        }
        counts
    };
    Histograms::new(&count(before), &count(today)).map_err(|error| error.to_string())
}

/// A bin for each category, and one of gaps where there are any.
fn by_category(before: &[Option<String>], today: &[Option<String>]) -> Result<Histograms, String> {
    let mut bins: HashMap<Option<&str>, usize> = HashMap::new();
    for cell in before.iter().chain(today) {
        let next = bins.len();
        bins.entry(cell.as_deref()).or_insert(next);
    }
    if bins.len() > CATEGORIES_MAX {
        let found = bins.len();
        return Err(format!("{found} categories, more than the limit of {CATEGORIES_MAX}"));
    }
    let count = |side: &[Option<String>]| {
        let mut counts = vec![0.0; bins.len()];
        side.iter().for_each(|cell| counts[bins[&cell.as_deref()]] += 1.0);
        counts
    };
    Histograms::new(&count(before), &count(today)).map_err(|error| error.to_string())
}

/// The population stability index that chance exceeds with the probability of an alarm.
fn threshold(
    histograms: &Result<Histograms, String>,
    arguments: &DriftArguments,
) -> Result<Estimate, String> {
    let both = match histograms {
        Ok(both) => both,
        Err(reason) => return Ok(Estimate::undefined(reason.clone())),
    };
    let draws = if both.bins() > MANY_BINS { DRAWS_OF_MANY_BINS } else { DRAWS };
    match psi_threshold(both, arguments.alarm, draws, arguments.seed) {
        Ok(threshold) => Ok(Estimate::known(threshold)),
        Err(MeasureError::Undefined(why)) => Ok(Estimate::undefined(why.to_string())),
        Err(MeasureError::Invalid(why)) => Err(why.to_string()),
    }
}

impl Report for DriftReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} records before, {} today; {} of {} columns drifted (false alarm at most {} each)\n\n",
            self.reference,
            self.current,
            self.drifted,
            self.columns.len(),
            self.alarm
        );
        let mut order: Vec<&ColumnDrift> = self.columns.iter().collect();
        order.sort_by(|a, b| b.excess().total_cmp(&a.excess()));
        let rows: Vec<_> = order.iter().map(|column| column.row()).collect();
        let heading = [
            "column",
            "kind",
            "PSI",
            "threshold",
            "",
            "drift",
            "χ² p",
            "KS",
            "KS p",
            "JS distance",
            "Wasserstein",
        ];
        if !rows.is_empty() {
            text.push_str(&table::lines(&heading, &rows));
        }
        for column in order.iter().filter(|column| column.psi.value.is_none()) {
            let reason = column.psi.reason.as_deref().unwrap_or("no reason given");
            text.push_str(&format!("{}: undefined: {reason}\n", cell(&column.column)));
        }
        if let Some(features) = &self.features {
            text.push_str(&features.text(&self.feature_columns));
        }
        text.push_str(
            "\nA bar is full at twice the threshold. JS is the distance with logarithms to base 2; \
             Wasserstein is in the column's own unit.\n",
        );
        text
    }
}

impl ColumnDrift {
    /// The index in thresholds; what is undefined comes last.
    fn excess(&self) -> f64 {
        let both = self.psi.value.zip(self.psi_threshold.value);
        both.map_or(-1.0, |(psi, threshold)| psi / threshold.max(f64::MIN_POSITIVE))
    }

    fn row(&self) -> Vec<String> {
        let verdict = match self.drifted {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        let figure = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
        };
        vec![
            cell(&self.column),
            self.kind.to_owned(),
            self.psi.figure(),
            self.psi_threshold.figure(),
            bar(self.excess() / 2.0, 10),
            verdict.to_owned(),
            p_value(self.chi_square.p),
            figure(self.kolmogorov_smirnov.statistic),
            p_value(self.kolmogorov_smirnov.p),
            self.jensen_shannon_distance.figure(),
            self.wasserstein.value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}")),
        ]
    }
}

fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 1e-4 => "<0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
        None => "–".to_owned(),
    }
}
