//! Whether a model's confidence can be believed, and what to do with it.
//!
//! Fit a [`Temperature`] on logits or an [`Isotonic`] curve on confidences and look at the result
//! with [`Reliability`]. Then let [`auto_accept`] say from which confidence on no person need
//! look, let [`LabelSets`] offer the few labels that matter, and let [`expected_performance`]
//! watch accuracy where nobody labels.

mod accept;
mod conformal;
mod isotonic;
mod reliability;
mod shares;
mod temperature;
mod unlabelled;

pub use accept::{
    AcceptStep, AutoAccept, Risk, auto_accept, auto_accept_noised, clopper_pearson_upper,
};
pub use conformal::LabelSets;
pub use isotonic::Isotonic;
pub use reliability::{BINS_MAX, Bin, Reliability, brier};
pub use shares::temperature_for_shares;
pub use temperature::{Logits, Temperature, fit_temperature};
pub use unlabelled::{
    Expected, expected_accuracy, expected_accuracy_of_bins, expected_performance,
};
