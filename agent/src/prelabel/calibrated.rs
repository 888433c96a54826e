//! What a draft's confidence is worth: whether it was fitted to how often such drafts are right, and by
//! whose labels.
//!
//! A bundle's was fitted where it was made. The site fits its own as its people correct drafts; that is
//! for its people to see, and decides nothing: routing, what is accepted without a person, and what is
//! released go by what the maker said.

use std::collections::BTreeMap;

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
    /// That nobody says.
    pub const UNKNOWN: Self = Self { value: None, by: None };
}

/// What the confidences of a project's drafts are worth, read once for all of them that are shown.
pub struct Calibrations {
    /// The site's own, and whose drafts it is about.
    site: Option<(Digest, Calibration)>,
    /// Confidence of a guess.
    chance: f64,
    /// Whether each maker's drafts came with a calibration.
    fitted: BTreeMap<Digest, bool>,
}

impl std::fmt::Debug for Calibrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calibrations(..)")
    }
}

impl Calibrations {
    /// Those of a project.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(tx: &Tx<'_>, project: &ProjectRow) -> Result<Self, StoreError> {
        let site = tx.calibration(project.project)?;
        let site = site.map(|row| Ok::<_, StoreError>((row.maker, decode(&row)?))).transpose()?;
        let classes = u32::try_from(project.definition.classes.len()).unwrap_or(u32::MAX);
        Ok(Self { site, chance: f64::from(classes.max(1)).recip(), fitted: BTreeMap::new() })
    }

    /// The confidence of a draft of an item.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn confidence(
        &mut self,
        tx: &Tx<'_>,
        prelabel: &Prelabel,
        origin: Option<&Origin>,
    ) -> Result<Confidence, StoreError> {
        if !origin.is_none_or(Origin::is_scored) {
            return Ok(Confidence::UNKNOWN);
        }
        let (said, maker) = (prelabel.confidence(), prelabel.bundle());
        if let Some((_, calibration)) = self.site.as_ref().filter(|(of, _)| *of == maker) {
            let value = calibration.confidence(said, self.chance);
            return Ok(Confidence { value: Some(value), by: Some(By::Site) });
        }
        let fitted = match self.fitted.get(&maker) {
            Some(fitted) => *fitted,
            None => *self.fitted.entry(maker).or_insert(is_fitted(tx, &maker)?),
        };
        Ok(Confidence { value: Some(said), by: fitted.then_some(By::Model) })
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
