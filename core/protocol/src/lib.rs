//! What agents and the coordinator must agree on: values and bytes, no I/O, no clock.
//!
//! One message travels per stream: a length prefix and a postcard body ([`frame`]). The agent always
//! asks ([`request::Request`]), the coordinator always answers ([`response::Response`]); joining a
//! federation is a conversation of its own ([`enroll`]).
//!
//! - What the coordinator tells agents to do is an [`order::Order`]: a project's definition, a model
//!   bundle, a training round, a labeling campaign, a secure aggregation ([`session`]).
//! - What leaves a site is a [`release::Release`], and nothing else: noised, charged, chained.
//!
//! Field order is wire order. A change is a new enum variant, appended; golden byte vectors in the
//! crate `insitu-tests` fix every message.

pub mod bytes;
pub mod coarse;
pub mod enroll;
pub mod facts;
pub mod frame;
pub mod ids;
pub mod order;
pub mod project;
pub mod release;
pub mod request;
pub mod response;
pub mod session;
pub mod text;
