//! Secure aggregation: the coordinator learns the sum over the sites and nothing else.
//!
//! Bonawitz et al., *Practical secure aggregation for privacy-preserving machine learning*,
//! CCS 2017, the variant against an active server, on the complete graph: pairwise masks that
//! cancel in the sum, a self mask for late arrivals, and Shamir shares of both secrets, so that up
//! to n − T sites may vanish at any message. Each site adds its share of the noise before it masks
//! ([`share_of`]), so the sum carries the noise of one release and not of n.
//!
//! Pure state machines: messages in, messages out; the caller owns time, transport and storage.
//!
//! | stage | site sends ([`Client`]) | coordinator answers when the stage closes ([`Server`]) |
//! |---|---|---|
//! | [`Stage::Keys`] | two public keys, signed | the key list |
//! | [`Stage::Shares`] | commitment, encrypted shares for every site | who shared, the shares for one site |
//! | [`Stage::Masked`] | the masked, noised vector | hash of the key list, who survived |
//! | [`Stage::Consent`] | signature over both lists | the signatures |
//! | [`Stage::Reveal`] | one share for every site that shared | the sum |
//!
//! # What is durable, and before what
//! Every step of the client returns an [`Unsent`]: its body can only be had by storing the journal
//! first. A restored client resends the same bytes, or goes on; it computes no stage twice, signs
//! one list of survivors per session, ever, and sends one noised vector per session, ever. When the
//! journal is lost the site drops out of the session; it never starts the same session again.
//! The server's state is the list of its [`Event`]s: store each before acting on it.
//!
//! # What it stops
//! A coordinator that lies about keys (signed by the roster), about survivors (T signatures over
//! one list, and T > (n + c)/2, so no two lists can have them), that shows sites different
//! parameters (everything is bound to [`Session::hash`]), that replays; and up to c sites that
//! collude with it, a site restored from a backup among them.
//!
//! # What it does not stop
//! The choice of who counts as dropped, hence noise for T − c sites; refusal of service, also by
//! one site that shares nonsense, as far as it leaves fewer than T good shares; inputs out of
//! range; a wrong sum announced; Sybils in the roster; the timing of traffic.

mod client;
mod crypto;
mod journal;
mod message;
mod noise;
mod server;
mod session;
mod sites;
mod unmask;

pub use client::{CheckedShares, Client, Refusal, Unsent};
pub use crypto::{ConsentKey, Roots};
pub use journal::JournalError;
pub use message::{Malformed, Stage};
pub use noise::{NoisePart, NoiseShareError, distributed_rho, local_rho, share_of, shared_rho};
pub use server::{Accepted, Answer, Event, Fault, Server};
pub use session::{Parameters, Ring, Session, SessionError, SessionId, Site};
pub use sites::Sites;
pub use unmask::{Sum, SumError};
