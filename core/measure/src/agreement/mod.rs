//! How far annotators agree beyond chance.
//!
//! | question | measure |
//! |---|---|
//! | two annotators, or a prelabel and its correction | [`Confusion::kappa`] |
//! | any number of annotators, gaps, any scale | [`alpha`], [`Coincidences::alpha`] |
//! | the same number of ratings for each item | [`fleiss_kappa`] |
//! | one category dominates | [`chance_corrected`] with [`Chance::Gwet`] (AC1, AC2) |
//! | several sites | [`random_effects`] over the sites' κ |
//! | spans, boxes, segments of time | [`SpanAgreement`], [`match_boxes`], [`segment_f1`] |
//! | an interval for anything | [`bootstrap`] |

mod bootstrap;
mod confusion;
mod krippendorff;
mod pooled;
mod weights;

pub use bootstrap::{RESAMPLES_MAX, bootstrap};
pub use confusion::{Confusion, Interval, Kappa};
pub use krippendorff::{Coincidences, Scale, alpha};
pub use pooled::{
    Heterogeneity, Pooled, der_simonian_laird, paule_mandel, pooled_at, random_effects,
};
pub use weights::Weights;
