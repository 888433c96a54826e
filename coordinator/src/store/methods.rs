//! How a run turns updates into steps.

use insitu_models::optimiser::Optimiser;
use insitu_models::robust::Rule;

/// How a run turns updates into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Method {
    /// What moves the head, instead of steps with the project's momentum.
    pub optimiser: Option<Optimiser>,
    /// How far a step goes, instead of the project's learning rate.
    pub learning_rate: Option<f64>,
    /// What updates come to.
    pub aggregation: Rule,
    /// Whether sites round what they have noised to one byte a coordinate.
    pub coarse: bool,
    /// Longest update that counts, L2, in thousandths of the gradient's unit, noise aside.
    pub norm_max_milli: Option<u64>,
    /// Steps from buffers instead of rounds.
    pub buffering: Option<Buffering>,
}

/// Steps that do not wait for every site (Nguyen et al., *Federated learning with buffered
/// asynchronous aggregation*, AISTATS 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffering {
    /// Updates of a step, K.
    pub size: u32,
    /// Most steps since the one at whose head an update was computed.
    pub staleness_max: u32,
}

impl Method {
    /// Why sites cannot add their updates up masked, if they cannot.
    pub fn needs_each_update(&self) -> Option<&'static str> {
        if self.buffering.is_some() {
            return Some("updates count as they come");
        }
        if self.aggregation != Rule::Mean {
            return Some("its aggregation looks at each update");
        }
        self.norm_max_milli.map(|_| "the norm of each update is looked at")
    }
}
