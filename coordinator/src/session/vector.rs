//! The vector that a session adds: its segments, their noise, and how a sum is read.
//!
//! Every number here follows from the order and the project, at every site as here.

use insitu_privacy::clip::ClipShape;
use insitu_privacy::contribution::ItemsPerSubject;
use insitu_privacy::secagg::{NoisePart, NoiseShareError};
use insitu_privacy::statistics::Statistic;
use insitu_privacy::{GaussianScale, Rho, SquaredSensitivity};
use insitu_protocol::order::{EVALUATION_STEP, EvaluationShape, RoundOrder};
use insitu_protocol::project::Project;
use insitu_protocol::session::{Part, Purpose, SessionOrder};

use super::Unfit;

/// Values of one kind in the vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// How many.
    pub values: usize,
    /// D² of the exact values.
    pub sensitivity: SquaredSensitivity,
    /// How each site scales and noises them.
    pub noise: NoisePart,
}

/// The statistics of a window, which are the segments of a collection, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collected {
    /// Prelabel against label of record, `[classes, classes]`.
    Confusion,
    /// First against second reader, `[classes, classes]`.
    Coincidence,
    /// Confidence against correctness, `[bins, 2]`.
    Calibration,
    /// All features' histograms, `[sum of bins]`.
    Drift,
}

/// One of a window's statistics, as its project asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How many values.
    pub values: usize,
    /// D² of them.
    pub sensitivity: SquaredSensitivity,
    /// Their price, nano-ρ.
    pub nano_rho: u64,
}

/// What a segment of a sum says, in units of the exact values.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The sums over the sites, rounded to whole items, half to even.
    pub counts: Vec<i64>,
    /// Variance of each: the noise of every site in it, and the rounding.
    pub variance: f64,
}

/// The segments of a session in which `noisy_sites` are certain to add noise.
///
/// # Errors
/// [`Unfit::Noise`], [`Unfit::Clip`], [`Unfit::Coarse`].
pub fn segments(
    purpose: &Purpose,
    project: &Project,
    noisy_sites: usize,
) -> Result<Vec<Segment>, Unfit> {
    let segment = |values, sensitivity, nano_rho| {
        let noise = NoisePart::new(sensitivity, Rho::from_nano(nano_rho), noisy_sites)?;
        Ok::<_, Unfit>(Segment { values, sensitivity, noise })
    };
    match purpose {
        Purpose::Update(order) => {
            let shape = clip_shape(order)?;
            let update = segment(shape.dimensions(), shape.sensitivity(), order.nano_rho)?;
            match update.noise.fraction_bits {
                0 => Ok(vec![update]),
                more => Err(Unfit::Coarse { more }), // its order has a grid of its own
            }
        }
        Purpose::Evaluation(order) => {
            let values = EvaluationShape::of(project).values();
            Ok(vec![segment(values, evaluation_sensitivity(), order.nano_rho)?])
        }
        Purpose::Statistics { .. } => Collected::ALL
            .into_iter()
            .map(|which| {
                let Asked { values, sensitivity, nano_rho } = which.asked(project);
                segment(values, sensitivity, nano_rho)
            })
            .collect(),
    }
}

impl Collected {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Confusion, Self::Coincidence, Self::Calibration, Self::Drift];

    /// What a project asks of each window.
    pub fn asked(self, project: &Project) -> Asked {
        let (classes, costs) = (project.classes.len(), project.statistics);
        let features = u32::try_from(project.features.len()).unwrap_or(u32::MAX);
        let bins = usize::from(costs.calibration_bins);
        let (kind, values, nano_rho) = match self {
            Self::Confusion => (Statistic::Confusion, classes * classes, costs.confusion_nano_rho),
            Self::Coincidence => {
                (Statistic::Coincidence, classes * classes, costs.coincidence_nano_rho)
            }
            Self::Calibration => (Statistic::Calibration, 2 * bins, costs.calibration_nano_rho),
            Self::Drift => {
                (Statistic::Drift { features }, project.drift_bins(), costs.drift_nano_rho)
            }
        };
        Asked { values, sensitivity: kind.sensitivity(ItemsPerSubject::ONE), nano_rho }
    }
}

/// D² of the answer to an evaluation.
pub fn evaluation_sensitivity() -> SquaredSensitivity {
    Statistic::Evaluation { step: EVALUATION_STEP }.sensitivity(ItemsPerSubject::ONE)
}

/// D² of the answer to a campaign.
pub fn campaign_sensitivity() -> SquaredSensitivity {
    Statistic::Campaign.sensitivity(ItemsPerSubject::ONE)
}

/// Values of a session's vector.
pub fn values(order: &SessionOrder) -> usize {
    order.parts.iter().map(|part| usize::try_from(part.values).unwrap_or(usize::MAX)).sum()
}

/// One segment of a collection's sum over `sites`; `None` when the sum has another shape.
pub fn collected(
    order: &SessionOrder,
    project: &Project,
    which: Collected,
    sums: &[i32],
    sites: usize,
) -> Option<Counted> {
    read(order, project, which as usize, sums, sites)
}

/// The answers to an evaluation, added over `sites`; `None` when the sum has another shape.
pub fn evaluated(
    order: &SessionOrder,
    project: &Project,
    sums: &[i32],
    sites: usize,
) -> Option<Counted> {
    read(order, project, 0, sums, sites)
}

fn read(
    order: &SessionOrder,
    project: &Project,
    index: usize,
    sums: &[i32],
    sites: usize,
) -> Option<Counted> {
    let segments = segments(&order.purpose, project, order.noisy_sites().into()).ok()?;
    let before: usize = segments.iter().take(index).map(|segment| segment.values).sum();
    let segment = segments.get(index)?;
    Some(segment.read(sums.get(before..before + segment.values)?, sites))
}

impl Segment {
    /// As the order carries it.
    pub fn part(&self) -> Part {
        Part {
            values: u32::try_from(self.values).unwrap_or(u32::MAX),
            scale_1024: self.noise.scale.steps(),
        }
    }

    /// The scale of the noise in the sum over `sites`, rounded up: s·√n.
    ///
    /// # Errors
    /// [`NoiseShareError::Scale`] beyond the largest scale.
    pub fn total_scale(&self, sites: usize) -> Result<GaussianScale, NoiseShareError> {
        let squared = u128::from(self.noise.scale.steps()).pow(2) * sites as u128;
        let steps = u64::try_from(squared.isqrt() + 1).unwrap_or(u64::MAX);
        GaussianScale::from_steps(steps).map_err(NoiseShareError::Scale)
    }

    /// D² of the values after their multiplication by 2ᵇ.
    pub fn scaled_sensitivity(&self) -> SquaredSensitivity {
        let factor = 1_u64.checked_shl(2 * self.noise.fraction_bits).unwrap_or(u64::MAX);
        SquaredSensitivity::new(self.sensitivity.get().saturating_mul(factor))
    }

    /// The sum over `sites` in units of the exact values. A half-way value goes to the even
    /// neighbour, so rounding adds no bias; over the grid of 2ᵇ steps it adds a variance of
    /// (1 + 2·4⁻ᵇ)/12, and none for b = 0.
    #[expect(clippy::cast_possible_truncation, reason = "a 32-bit sum, divided")]
    fn read(&self, sums: &[i32], sites: usize) -> Counted {
        let bits = self.noise.fraction_bits;
        let (unit, scale) = (f64::from(bits).exp2(), self.noise.scale.as_f64());
        let rounding = if bits == 0 { 0.0 } else { (1.0 + 2.0 / (unit * unit)) / 12.0 };
        Counted {
            counts: sums
                .iter()
                .map(|sum| (f64::from(*sum) / unit).round_ties_even() as i64)
                .collect(),
            variance: sites as f64 * scale * scale / (unit * unit) + rounding,
        }
    }
}

/// The clipped gradients that a round's order asks for.
fn clip_shape(order: &RoundOrder) -> Result<ClipShape, Unfit> {
    let norm = f64::from(order.clip_milli) / 1000.0;
    Ok(ClipShape::new(order.parameters(), norm, order.fraction_bits.into())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::project;

    fn statistics() -> Purpose {
        let project = project();
        Purpose::Statistics {
            project: project.name,
            project_version: project.version,
            collection: insitu_protocol::bytes::Fixed([1; 16]),
        }
    }

    #[test]
    fn a_collection_has_the_four_statistics_at_the_price_of_one_release_each() {
        let project = project();
        let segments = segments(&statistics(), &project, 7).unwrap();
        let lengths: Vec<usize> = segments.iter().map(|segment| segment.values).collect();
        assert_eq!(lengths, [4, 4, 10, project.drift_bins()]);
        let costs = project.statistics;
        let costs = [
            costs.confusion_nano_rho,
            costs.coincidence_nano_rho,
            costs.calibration_nano_rho,
            costs.drift_nano_rho,
        ];
        for (segment, nano_rho) in segments.iter().zip(costs) {
            let Segment { values, sensitivity, noise } = *segment;
            assert!(noise.shared_rho(sensitivity, values, 7).nano() <= nano_rho + 1);
            // Seven sites' noise, in items, is that of one release at that price.
            let central = GaussianScale::for_budget(sensitivity, Rho::from_nano(nano_rho)).unwrap();
            let variance = segment.read(&[0], 7).variance;
            let ratio = variance / central.variance();
            assert!((0.999..1.05).contains(&ratio), "{ratio}");
        }
    }

    #[test]
    fn a_project_without_features_has_a_histogram_of_nothing_with_noise_all_the_same() {
        let project = Project { features: Vec::new(), ..project() };
        let segments = segments(&statistics(), &project, 7).unwrap();
        let last = segments.last().unwrap();
        assert_eq!((segments.len(), last.values, last.sensitivity.get()), (4, 0, 1));
    }

    #[test]
    fn sums_are_read_in_items_without_bias() {
        let noise = NoisePart { fraction_bits: 1, scale: GaussianScale::from_steps(4096).unwrap() };
        let segment = Segment { values: 4, sensitivity: SquaredSensitivity::new(1), noise };
        let read = segment.read(&[1, 3, -1, 4], 10);
        assert_eq!(read.counts, [0, 2, 0, 2]); // 0.5, 1.5, -0.5, 2
        assert!((read.variance - (10.0 * 16.0 / 4.0 + 0.125)).abs() < 1e-12);
        let whole = Segment { noise: NoisePart { fraction_bits: 0, ..noise }, ..segment };
        assert!((whole.read(&[], 10).variance - 160.0).abs() < 1e-12);
    }
}
