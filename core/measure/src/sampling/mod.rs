//! What to label next.
//!
//! Scores of single items: [`uncertainty()`], [`disagreement`] of a committee. Batches that do not
//! ask the same thing twice: [`diverse_margin`], [`k_center`], and before there is a model,
//! [`typical_seeds`]. When to stop: [`plan`] says which items to label by hand so that the target
//! error costs least. [`Queue`] hands out each item once, and one of each group of
//! near-duplicates.

mod clusters;
mod committee;
mod diversity;
mod next;
mod queue;
mod stopping;
mod typicality;
mod uncertainty;

pub use committee::{Disagreement, disagreement};
pub use diversity::{Choice, diverse_margin, gradient_embedding, k_center};
pub use next::label_next;
pub use queue::Queue;
pub use stopping::{Costs, ErrorCurve, Plan, plan};
pub use typicality::{typical_seeds, typicality};
pub use uncertainty::{Uncertainty, most, uncertainty};

/// Most points of one computation over all pairs.
pub const POINTS_MAX: usize = 50_000;
/// Most clusters that points are put into, so that choosing many takes no longer than choosing few.
pub const CLUSTERS_MAX: usize = 500;
