//! Whether the model is as sure as it is right, by the corrections of its prelabels.

use std::collections::BTreeMap;

use insitu_measure::MeasureError;
use insitu_measure::calibration::{Bin, Reliability, brier};
use insitu_protocol::ids::Digest;
use serde::Serialize;

use super::figure::Figure;
use super::snapshot::Snapshot;
use crate::review::http::short;

/// Bins of equal width.
const BINS: usize = 10;
/// Fewer corrections of a model than this make no diagram.
const CORRECTIONS_MIN: usize = 20;

/// The reliability diagram of one model. Prelabels that were accepted without a person are not in
/// it: nobody knows whether they are right.
#[derive(Debug, Default, Serialize)]
pub(super) struct Calibration {
    /// The model: the one in use, or while it has too few corrections the one with the most.
    bundle: Option<String>,
    /// Whether that is the one in use.
    in_use: bool,
    /// Corrections of its prelabels.
    corrections: usize,
    /// Why there is no diagram.
    undefined: Option<String>,
    /// Expected calibration error, in [0, 1].
    error: Option<f64>,
    /// Brier score of the confidence, in [0, 1].
    brier: Option<f64>,
    /// Bins that are not empty.
    bins: Vec<Point>,
}

/// A point of the diagram.
#[derive(Debug, Serialize)]
struct Point {
    /// Lower edge of the bin.
    from: f64,
    /// Upper edge.
    to: f64,
    /// Corrections in it.
    count: usize,
    /// Their mean confidence.
    confidence: f64,
    /// Share of prelabels that people left as they were.
    right: Figure,
}

impl Calibration {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut models: BTreeMap<Digest, (Vec<f64>, Vec<bool>)> = BTreeMap::new();
        for item in &snapshot.labeled {
            let (Some(prelabel), Some(record)) = (&item.answered, item.record) else { continue };
            // Its maker does not say how sure it is.
            if prelabel.confidence() <= 0.0 {
                continue;
            }
            let (confidence, correct) = models.entry(prelabel.bundle()).or_default();
            confidence.push(prelabel.confidence().clamp(0.0, 1.0));
            correct.push(prelabel.class() == Some(record));
        }
        let in_use = snapshot.project.bundle;
        let enough =
            |bundle: &Digest| models.get(bundle).is_some_and(|m| m.0.len() >= CORRECTIONS_MIN);
        let most = models.iter().max_by_key(|(_, (all, _))| all.len()).map(|(bundle, _)| *bundle);
        let Some(bundle) = in_use.filter(enough).or(most).or(in_use) else {
            return Self { undefined: Some("no model is in use".to_owned()), ..Self::default() };
        };
        let empty = (Vec::new(), Vec::new());
        let (confidence, correct) = models.get(&bundle).unwrap_or(&empty);
        let named = Self {
            bundle: Some(short(bundle)),
            in_use: in_use == Some(bundle),
            corrections: confidence.len(),
            ..Self::default()
        };
        if confidence.len() < CORRECTIONS_MIN {
            let found = confidence.len();
            let why = format!("{found} prelabels were corrected, {CORRECTIONS_MIN} are needed");
            return Self { undefined: Some(why), ..named };
        }
        named
            .measured(confidence, correct)
            .unwrap_or_else(|error| Self { undefined: Some(error.to_string()), ..Self::default() })
    }

    fn measured(self, confidence: &[f64], correct: &[bool]) -> Result<Self, MeasureError> {
        let diagram = Reliability::equal_width(BINS, confidence, correct)?;
        let filled = diagram.bins().iter().enumerate().filter(|(_, bin)| bin.count > 0.0);
        Ok(Self {
            error: Some(diagram.expected_calibration_error()?),
            brier: Some(brier(confidence, correct)?),
            bins: filled.map(|(at, bin)| point(at, bin)).collect(),
            ..self
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole counts of items, far below 2^53"
)]
fn point(at: usize, bin: &Bin) -> Point {
    Point {
        from: at as f64 / BINS as f64,
        to: (at + 1) as f64 / BINS as f64,
        count: bin.count as usize,
        confidence: bin.confidence / bin.count,
        right: Figure::share(bin.correct as usize, bin.count as usize),
    }
}
