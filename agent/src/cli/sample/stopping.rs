//! Whether to go on labeling.

use std::collections::BTreeMap;

use insitu_measure::MeasureError;
use insitu_measure::sampling::{Costs, ErrorCurve, Plan, plan};
use serde::Serialize;

use super::arguments::SampleArguments;
use crate::cli::columns::{Fault, InputError, Table};

/// Greatest number of labels in a history.
const LABELS_MAX: f64 = 1e15;
/// Thousandths, by which shares are told apart.
const SHARE_PARTS: f64 = 1000.0;

/// The cheapest way to the end.
#[derive(Debug, Serialize)]
pub(super) struct Advice {
    target_error: f64,
    /// Whether the machine may label all that it should by now.
    stop: bool,
    /// Labels by hand until the last training.
    train: f64,
    /// Items that the machine labels, and items left to people after that.
    machine: f64,
    rest: f64,
    cost: f64,
    /// Cost of labeling everything by hand.
    cost_by_hand: f64,
}

/// Plans from the errors seen so far.
pub(super) fn advise(
    history: &Table,
    items: usize,
    labeled: usize,
    arguments: &SampleArguments,
) -> Result<Advice, InputError> {
    let unfit = |error: MeasureError| history.fault(Fault::Shape(error.to_string()));
    let curves = curves(history)?
        .into_iter()
        .map(|(share, (labels, errors))| {
            ErrorCurve::fit(f64::from(share) / SHARE_PARTS, &labels, &errors)
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(unfit)?;
    #[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
    let (items, labeled, batch) = (items as f64, labeled as f64, arguments.number.max(1) as f64);
    let costs = Costs { label: arguments.label_cost, training: arguments.training_cost, batch };
    let Plan { train, machine, rest, cost } =
        plan(&curves, items, labeled, arguments.target_error, costs)
            .map_err(|error| unfit(error.into()))?;
    Ok(Advice {
        target_error: arguments.target_error,
        stop: train <= labeled && machine > 0.0,
        train,
        machine,
        rest,
        cost,
        cost_by_hand: (items - labeled) * arguments.label_cost,
    })
}

/// Errors by number of labels, for each share of items in thousandths.
#[expect(clippy::type_complexity, reason = "a pair of columns by share")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is checked to be in [0.001, 1]"
)]
fn curves(history: &Table) -> Result<BTreeMap<u32, (Vec<f64>, Vec<f64>)>, InputError> {
    let labels = history.need(None, &["labels"])?;
    let error = history.need(None, &["error"])?;
    let share = history.choose(None, &["share"])?;
    let mut curves: BTreeMap<u32, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for row in 0..history.rows() {
        let least = SHARE_PARTS.recip();
        let share = share.map_or(Ok(1.0), |share| history.number_in(share, row, least, 1.0))?;
        let curve = curves.entry((share * SHARE_PARTS).round() as u32).or_default();
        curve.0.push(history.number_in(labels, row, 1.0, LABELS_MAX)?);
        curve.1.push(history.number_in(error, row, 0.0, 1.0)?);
    }
    Ok(curves)
}

impl Advice {
    pub(super) fn text(&self) -> String {
        let Self { target_error, train, machine, rest, cost, cost_by_hand, stop } = self;
        if *machine <= 0.0 {
            return format!(
                "Stopping: no machine reaches an error of {target_error} cheaper; label all by \
                 hand (cost {cost_by_hand:.0})\n"
            );
        }
        let now = if *stop { "stop now" } else { "go on" };
        format!(
            "Stopping: {now}: train on {train:.0} labels, let the machine label {machine:.0}, \
             people the last {rest:.0}; cost {cost:.0} instead of {cost_by_hand:.0} by hand\n"
        )
    }
}
