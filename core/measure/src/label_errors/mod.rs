//! Which labels are probably wrong.
//!
//! [`ConfidentLearning`] compares given labels with a model's out-of-sample probabilities;
//! [`label_quality`] ranks them; [`conflicts()`] finds near-duplicates whose labels differ.
//!
//! Source: C. G. Northcutt, L. Jiang, I. L. Chuang, *Confident learning: estimating uncertainty
//! in dataset labels*, JAIR 70 (2021). Results equal those of cleanlab 2.9, except that equal
//! scores are always ordered by item.

mod confident;
mod conflicts;
mod filter;
mod quality;

pub use confident::{ConfidentLearning, NoiseRates};
pub use conflicts::{Conflict, conflicts};
pub use filter::Filter;
pub use quality::{Quality, label_quality, ranked};
