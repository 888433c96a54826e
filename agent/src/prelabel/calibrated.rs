//! What a draft's confidence is worth: whether it was fitted to how often such drafts are right, and by
//! whose labels.
//!
//! A bundle's was fitted where it was made. The site fits its own as its people correct drafts; that is
//! for its people to see, and decides nothing: routing, what is accepted without a person, and what is
//! released go by what the maker said.

use insitu_models::calibration::Calibration;
use insitu_protocol::ids::Digest;
use serde::{Deserialize, Serialize};

use super::{Origin, Prelabel};
use crate::store::calibrations::CalibrationRow;
use crate::store::orders::ProjectRow;
use crate::store::{StoreError, Tx};

/// By whose labels a confidence was fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Those that the model's maker held out.
    Model,
    /// This site's.
    Site,
}

/// A confidence as people see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// In [0, 1]; none where the draft's maker does not say how sure it is.
    pub value: Option<f64>,
    /// By whose labels it was fitted; none if by nobody's.
    pub by: Option<By>,
}

/// What of a manifest says how its confidences were made.
#[derive(Deserialize)]
struct Manifest {
    calibration: Calibration,
}

impl Confidence {
    /// That of a draft of an item.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(
        tx: &Tx<'_>,
        project: &ProjectRow,
        prelabel: &Prelabel,
        origin: Option<&Origin>,
    ) -> Result<Self, StoreError> {
        let said = prelabel.confidence();
        if matches!(origin, Some(Origin::Imported { scored: false, .. })) {
            return Ok(Self { value: None, by: None });
        }
        if let Some(row) = tx.calibration(project.project)?
            && row.maker == prelabel.bundle()
        {
            let classes = u32::try_from(project.definition.classes.len()).unwrap_or(u32::MAX);
            let value = decode(&row)?.confidence(said, f64::from(classes.max(1)).recip());
            return Ok(Self { value: Some(value), by: Some(By::Site) });
        }
        let by = is_fitted(tx, &prelabel.bundle())?.then_some(By::Model);
        Ok(Self { value: Some(said), by })
    }
}

/// Whether a bundle of this digest came with a calibration that somebody fitted.
fn is_fitted(tx: &Tx<'_>, bundle: &Digest) -> Result<bool, StoreError> {
    let Some(row) = tx.bundle(bundle)? else { return Ok(false) };
    let manifest: Result<Manifest, _> = serde_json::from_slice(&row.order.manifest.0);
    Ok(manifest.is_ok_and(|manifest| manifest.calibration.is_fitted()))
}

/// The row of a map from confidences to shares of right drafts.
///
/// # Errors
/// Never in practice.
pub fn encode(
    maker: Digest,
    labels: u64,
    knots: &[[f64; 2]],
) -> Result<CalibrationRow, StoreError> {
    let knots = postcard::to_allocvec(knots).map_err(|_| corrupt())?;
    Ok(CalibrationRow { maker, labels, knots })
}

fn decode(row: &CalibrationRow) -> Result<Calibration, StoreError> {
    let knots = postcard::from_bytes(&row.knots).map_err(|_| corrupt())?;
    Ok(Calibration { knots, ..Calibration::identity() })
}

fn corrupt() -> StoreError {
    StoreError::Corrupt { table: "calibrations", column: "knots" }
}
