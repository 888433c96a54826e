//! The Insitu agent: a site's own program. Data stays here; what leaves is private statistics.
//!
//! The modules stand in the order in which data meets them, and each uses only those before it:
//!
//! ```text
//! config → store → item → label → source → redact → prelabel → route → account → review
//!   → acceptance → quality → export → edge → label_studio → tally → learn → release → outbox
//!   → session → uplink → downlink → polite → pipeline → import → trail → erasure → retention
//!   → status → plan → audit → run → cli
//! ```
//!
//! - [`source`] reads the site's files into sealed rows of the [`store`]; [`redact`], [`prelabel`]
//!   and [`route`] bring them to people, who sign in by their [`account`] and work in [`review`].
//! - [`label`] is what a person or a model says about an item, in the kind that the project asks for.
//! - [`acceptance`] says which prelabels people need not see any more.
//! - [`quality`] shows the site's lead how good the labels are and what to look at next; [`export`] writes the
//!   labels for the site's own use; [`edge`] takes what its own programs say, [`label_studio`] what is said in
//!   its own Label Studio.
//! - [`tally`] and [`learn`] count and sum exactly; [`release`] adds noise; [`outbox`] charges,
//!   chains and keeps; [`session`] makes a release part of a sum over sites; [`uplink`] sends.
//! - [`downlink`] takes the coordinator's orders, [`pipeline`] carries them out, when [`polite`] says
//!   that the machine has nothing better to do. [`trail`] signs and checks the log of who did
//!   what; [`erasure`] removes subjects for good.
//!
//! The privacy boundary is a chain of types, each with private fields and one maker:
//! [`item::RawItem`] → [`item::CleanItem`] → [`prelabel::Prelabel`] → [`review::Correction`] →
//! [`tally::Tally`] → [`release::Release`]. The outbox takes only the last.

pub mod acceptance;
pub mod account;
pub mod audit;
pub mod cli;
pub mod config;
pub mod downlink;
pub mod edge;
pub mod erasure;
pub mod export;
pub mod import;
pub mod item;
pub mod label;
pub mod label_studio;
pub mod learn;
pub mod outbox;
pub mod pipeline;
pub mod plan;
pub mod polite;
pub mod prelabel;
pub mod quality;
pub mod redact;
pub mod release;
pub mod retention;
pub mod review;
pub mod route;
pub mod run;
pub mod session;
pub mod source;
pub mod status;
pub mod store;
pub mod tally;
pub mod trail;
pub mod uplink;

#[cfg(test)]
mod testing;
