//! How far annotators agree beyond chance.
//!
//! | question | measure |
//! |---|---|
//! | two annotators, or a prelabel and its correction | [`Confusion::kappa`] |
//! | any number of annotators, gaps, any scale | [`alpha`], [`Coincidences::alpha`] |
//! | the same number of ratings for each item | [`FleissSums::kappa`] |
//! | one category dominates | [`chance_corrected`] with [`Chance::Gwet`] (AC1, AC2) |
//! | several sites | [`random_effects`] over the sites' κ |
//! | spans, boxes, segments of time | [`SpanAgreement`], [`match_boxes`], [`segment_f1`] |
//! | an interval for anything | [`bootstrap()`] |

mod bootstrap;
mod boxes;
mod chance;
mod confusion;
mod fleiss;
mod krippendorff;
mod pooled;
mod segments;
mod spans;
mod weights;

pub use bootstrap::{RESAMPLES_MAX, bootstrap};
pub use boxes::{BOXES_MAX, BoxMatches, Rectangle, match_boxes};
pub use chance::{Chance, ChanceCorrected, chance_corrected, chance_corrected_at};
pub use confusion::{Confusion, Interval, Kappa};
pub use fleiss::FleissSums;
pub use krippendorff::{Coincidences, Scale, alpha};
pub use pooled::{
    Heterogeneity, Pooled, der_simonian_laird, paule_mandel, pooled_at, random_effects,
};
pub use segments::{SEGMENTS_MAX, Segment, segment_edit_score, segment_f1, segments};
pub use spans::{Span, SpanAgreement, SpanScore, TOKENS_MAX, token_labels};
pub use weights::Weights;
