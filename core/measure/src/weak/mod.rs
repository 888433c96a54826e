//! Labels from labeling functions: rules that vote on an item or abstain.
//!
//! Look at [`VoteTable::summary`] first. Then [`majority_vote`] where evidence is thin, and above
//! that [`Triplets`] for two classes, [`expectation_maximisation`] or [`Moments`] for any number:
//! all of them weigh functions by how often they must be right, without a single true label.

mod em;
mod moments;
mod table;
mod triplets;

pub use em::expectation_maximisation;
pub use moments::Moments;
pub use table::{FunctionSummary, Summary, VoteTable, majority_vote};
pub use triplets::{TripletSums, Triplets};

/// Items below which the majority vote is as good as any label model that learns from noised
/// sums (measured at ε = 0.5 a site).
pub const THIN_EVIDENCE_ITEMS: usize = 300;
