//! What agents ask, answered from the store. The store blocks, so it is asked on threads for that.

use std::sync::Arc;

use insitu_daemon::enroll::Redemption;
use insitu_daemon::link::server::{Handler, Peer};
use insitu_protocol::bytes::Bytes;
use insitu_protocol::enroll::Welcome;
use insitu_protocol::request::Request;
use insitu_protocol::response::{Refusal, Response};

use super::Office;
use super::presence::Presence;
use crate::downlink;
use crate::intake;
use crate::intake::enrollment::{self, Issuer};
use crate::session::Sender;
use crate::session::desk::{self, Message};

/// Answers agents.
#[derive(Debug)]
pub struct LinkHandler {
    office: Arc<Office>,
    presence: Arc<Presence>,
}

impl LinkHandler {
    /// A handler for the agents of an office.
    pub fn new(office: Arc<Office>, presence: Arc<Presence>) -> Self {
        Self { office, presence }
    }
}

impl Handler for LinkHandler {
    async fn handle(&self, peer: &Peer, request: Request) -> Response {
        self.presence.seen(&peer.identity.site, self.office.now_unix_s());
        let (office, peer, name) = (Arc::clone(&self.office), peer.clone(), request.name());
        let answered = tokio::task::spawn_blocking(move || answer(&office, &peer, request)).await;
        if matches!(answered, Ok(Ok(Ok(Response::Receipt(_) | Response::Session(_))))) {
            self.office.arrived.notify_one();
        }
        settle(name, answered).unwrap_or_else(Response::Refused)
    }

    async fn redeem(&self, redemption: Redemption) -> Result<Welcome, Refusal> {
        let office = Arc::clone(&self.office);
        let joined = tokio::task::spawn_blocking(move || {
            let now = office.now_unix_s();
            enrollment::redeem(&office.store, issuer(&office), &redemption, now)
                .map_err(anyhow::Error::from)
        })
        .await;
        settle("enroll", joined)
    }

    fn is_revoked(&self, peer: &Peer) -> bool {
        self.presence.is_revoked(&peer.identity.site)
    }
}

fn answer(
    office: &Office,
    peer: &Peer,
    request: Request,
) -> anyhow::Result<Result<Response, Refusal>> {
    let now = office.now_unix_s();
    let sender = Sender { site: &peer.identity.site, agent: &peer.identity.agent };
    Ok(match request {
        Request::Hello(facts) => {
            intake::hello(&office.store, sender, &facts, now)?.map(Response::Hello)
        }
        Request::Submit { release } => {
            let (store, sessions) = (&office.store, &office.sessions);
            intake::submit(store, sessions, sender, &release.0, now)?.map(Response::Receipt)
        }
        Request::Poll { after } => {
            Ok(Response::Orders(downlink::poll(&office.store, sender.site, after, now)?))
        }
        Request::Fetch { object, offset } => {
            match office.registry.chunk(&office.store, object, offset)? {
                Some((total_bytes, bytes)) => {
                    Ok(Response::Chunk { total_bytes, bytes: Bytes(bytes) })
                }
                None => Err(Refusal::UnknownObject),
            }
        }
        Request::Renew { signing_request } => {
            let request = &signing_request.0;
            enrollment::renew(&office.store, issuer(office), &peer.identity, request, now)?
                .map(Response::Certificate)
        }
        Request::Announce { verify_key } => {
            desk::announce(&office.store, sender, verify_key, now)?.map(|()| Response::Announced)
        }
        Request::Session { session, stage, body } => {
            let message = Message { session, stage, body: &body.0 };
            desk::message(&office.store, &office.sessions, sender, message, now)?
                .map(Response::Session)
        }
    })
}

fn issuer(office: &Office) -> Issuer<'_> {
    Issuer {
        authority: &office.authority,
        life: office.config.certificates.agent_life,
        bundle_key: office.key.public().0,
    }
}

/// What the agent hears of an outcome: our own failures are logged here, and only named there.
fn settle<T>(
    request: &'static str,
    outcome: Result<anyhow::Result<Result<T, Refusal>>, tokio::task::JoinError>,
) -> Result<T, Refusal> {
    let failure = match outcome {
        Ok(Ok(answer)) => return answer,
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => panic.to_string(),
    };
    tracing::error!(request, failure, "cannot answer an agent");
    Err(Refusal::Failed)
}
