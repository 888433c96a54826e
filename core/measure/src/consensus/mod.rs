//! What the label is when annotators differ, and how far each annotator can be trusted.
//!
//! | model of an annotator | function |
//! |---|---|
//! | everybody counts the same | [`majority()`] |
//! | one skill | [`one_coin()`] |
//! | a confusion matrix | [`DawidSkene`] |
//! | knows the answer, or answers by habit | [`mace()`] |
//! | one skill, and items differ in difficulty | [`glad()`] |
//! | a weight beside the model's | [`crowdlab()`] |
//!
//! Across sites that may not share labels, [`ExpectedCounts`] add up and give the same as all
//! labels in one place.

mod annotator;
mod crowdlab;
mod dawid_skene;
mod glad;
mod mace;
mod majority;
mod one_coin;
mod posterior;

pub use annotator::{AnnotatorScore, agreement_with, beta_interval};
pub use crowdlab::{Crowdlab, crowdlab};
pub use dawid_skene::{DawidSkene, ExpectedCounts};
pub use glad::{Glad, glad};
pub use mace::{Mace, mace};
pub use majority::majority;
pub use one_coin::{OneCoin, one_coin};
pub use posterior::Posterior;
