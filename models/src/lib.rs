//! Model bundles: what a site runs, and the small part of it that a federation trains.
//!
//! A [`bundle::Bundle`] is a frozen feature network (the *backbone*, ONNX), a linear *head* on top,
//! a calibration, and golden outputs, all named by digest in a [`manifest::Manifest`] whose bytes
//! are signed ([`sign`]). An item's fields become a row of numbers ([`columns`]), the backbone turns
//! rows, or a text's tokens, into features, the [`head`] turns features into probabilities, and
//! [`calibration`] turns the best of these into a confidence that means what it says.
//!
//! Sites compute gradients of the head ([`head::Head::subject_gradient`]), the coordinator descends
//! along their noised sums ([`train::Descent`]), by one of several [`optimiser`]s; where it sees each
//! site's sum, it can combine them by a [`robust`] rule. [`class_means`] make a head of a single round.
//!
//! [`heads`] has the gradients of heads of every kind, [`tokens`] the tags of words that spans are.
//! A site may keep a head of its own beside theirs ([`personal`]).
//!
//! - Inference (`engine`, `ocr`, `text`, `predict`, `pack`) needs the feature `runtime`, which is on by
//!   default. The coordinator builds without it and links no inference engine.
//! - A backbone is untrusted until [`check`] has read it: an engine may abort the whole process on a
//!   crafted one.
//! - [`fit`] says of which projects' labels a bundle is.

pub mod bundle;
pub mod calibrate;
pub mod calibration;
pub mod check;
pub mod class_means;
pub mod columns;
#[cfg(feature = "runtime")]
pub mod engine;
pub mod fit;
#[cfg(feature = "runtime")]
mod fold;
pub mod golden;
pub mod head;
pub mod heads;
pub mod manifest;
#[cfg(feature = "runtime")]
pub mod ocr;
pub mod optimiser;
#[cfg(feature = "runtime")]
pub mod pack;
pub mod personal;
#[cfg(feature = "runtime")]
pub mod predict;
mod protobuf;
pub mod robust;
pub mod schedule;
pub mod sign;
#[cfg(feature = "runtime")]
pub mod text;
pub mod tokens;
pub mod train;
#[cfg(feature = "runtime")]
pub mod wordpiece;
