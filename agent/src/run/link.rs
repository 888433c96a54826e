//! The daemon's talk with the coordinator: connected, heard, answered, and connected again.

use std::convert::Infallible;
use std::error::Error;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::clock::Clock;
use insitu_daemon::credentials::Credentials;
use insitu_daemon::link::client::{CallError, Link};
use insitu_daemon::shutdown::Shutdown;
use insitu_protocol::ids::{Digest, digest};
use quinn::Endpoint;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Agent, RunError, Shared};
use crate::downlink::{self, DownlinkError, Examined, Judge};
use crate::prelabel::Shelf;
use crate::session::Talk;
use crate::status;
use crate::store::explain;
use crate::uplink::{self, Backoff, Membership, UplinkError};

/// Pause before an object that could not be had is fetched again: it may be large.
const FETCH_AFTER_FAILURE: Duration = Duration::from_secs(60);
/// How often an agent that is not enrolled looks whether it is.
const ENROLLED_LOOK: Duration = Duration::from_millis(500);

/// Keeps the link up, from connection to connection.
pub(super) async fn talk(
    shared: Arc<Shared>,
    endpoint: Endpoint,
    address: String,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let mut backoff = Backoff::default();
    while !shutdown.is_requested() {
        let credentials = match shared.agent.membership.credentials() {
            Ok(Some(credentials)) => credentials,
            Ok(None) => {
                shutdown.sleep(ENROLLED_LOOK).await;
                continue;
            }
            Err(error) => {
                shared.trouble(&error);
                shutdown.sleep(backoff.wait()).await;
                continue;
            }
        };
        let outcome = tokio::select! {
            outcome = connection(&shared, &endpoint, &address, &credentials, &mut backoff) => outcome,
            () = shutdown.requested() => break,
        };
        match outcome {
            Ok(()) => {} // a new certificate: connect with it
            Err(error) => {
                shared.trouble(&*error);
                shutdown.sleep(backoff.wait()).await;
            }
        }
    }
    // What is in flight is sent again by the next start: nothing waits here.
    endpoint.close(0_u32.into(), b"stopping");
    Ok(())
}

type LinkError = Box<dyn Error + Send + Sync>;

impl Shared {
    fn trouble(&self, error: &dyn Error) {
        let text = explain(error);
        tracing::warn!(error = text, "no link to the coordinator");
        self.note(|live| {
            live.connected = false;
            live.trouble = Some(text);
        });
    }

    fn contact(&self, trouble: Option<String>) {
        let now = self.agent.clock.now().as_second();
        self.note(|live| {
            live.connected = true;
            live.trouble = trouble;
            live.last_contact = Some(now);
        });
    }
}

/// One connection, until it breaks or the certificate is renewed.
async fn connection(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
    address: &str,
    credentials: &Credentials,
    backoff: &mut Backoff,
) -> Result<(), LinkError> {
    let Agent { store, clock, .. } = &shared.agent;
    let facts = shared.facts().await;
    let link = uplink::connect(endpoint, address, credentials, clock, facts, store).await?;
    shared.contact(None);
    tracing::info!(address, "connected");
    store.tx("whose orders", |tx| tx.hear_orders_of(&order_list(credentials)))?;
    // Enrollment may have come after the start: the key is read for each connection.
    let judge = shared.agent.judge()?;
    let heard = Notify::new();
    // A large object takes hours on a slow line, which neither sessions nor releases wait for.
    tokio::select! {
        ended = exchange(shared, &link, credentials, &judge, &heard, backoff) => ended,
        never = fetch(shared, &link, &judge, &heard) => match never {},
    }
}

/// Says and hears what is due; notes in `heard` that orders may have come.
async fn exchange(
    shared: &Arc<Shared>,
    link: &Link,
    credentials: &Credentials,
    judge: &Judge,
    heard: &Notify,
    backoff: &mut Backoff,
) -> Result<(), LinkError> {
    let Agent { store, clock, config, membership, .. } = &shared.agent;
    let mut sessions = Talk::default();
    let settings = &config.uplink;
    let mut heartbeat = Instant::now() + settings.heartbeat;
    let (mut poll, mut advance) = (Instant::now(), Instant::now());
    let mut slot = Instant::now() + uplink::until_slot(settings.slot, &**clock);
    let mut trouble = None;
    loop {
        tokio::select! {
            () = link.closed() => return Err("the connection broke".into()),
            () = tokio::time::sleep_until(heartbeat) => {
                heartbeat += settings.heartbeat;
                let facts = shared.facts().await;
                unless_for_now(uplink::heartbeat(link, facts, store, &**clock).await)?;
                if renewed(link, credentials, membership, &**clock).await {
                    link.close();
                    return Ok(());
                }
            }
            () = tokio::time::sleep_until(slot) => {
                slot = Instant::now() + uplink::until_slot(settings.slot, &**clock);
                unless_for_now(send(link, shared).await)?;
            }
            () = tokio::time::sleep_until(poll) => {
                trouble = hear(link, shared, judge, trouble).await?;
                heard.notify_one();
                poll = Instant::now() + settings.poll;
                advance = Instant::now(); // an order may have proposed a session
            }
            () = tokio::time::sleep_until(advance) => {
                let again = sessions.advance(link, store).await?;
                advance = again.unwrap_or_else(|| Instant::now() + settings.poll);
            }
        }
        // Not before something was answered: a connection may end with its first request.
        backoff.reset();
        shared.contact(trouble.clone());
    }
}

/// Names the list of orders that is heard with these credentials: the site's, at its federation.
fn order_list(credentials: &Credentials) -> Digest {
    let site = status::site(credentials.identity());
    digest(&[&credentials.fingerprint().0, site.as_bytes()].concat())
}

/// What is refused for now is asked again when it is due again. It costs neither the connection nor
/// what else goes over it.
fn unless_for_now(outcome: Result<(), impl Into<LinkError>>) -> Result<(), LinkError> {
    let Err(error) = outcome.map_err(Into::into) else { return Ok(()) };
    let first: &(dyn Error + 'static) = &*error;
    let for_now = iter::successors(Some(first), |&error| error.source()).any(|error| {
        let call = error.downcast_ref::<CallError>();
        matches!(call, Some(CallError::Refused { source }) if source.is_transient())
    });
    if !for_now {
        return Err(error);
    }
    tracing::warn!(error = explain(first), "the coordinator refused for now");
    Ok(())
}

async fn send(link: &Link, shared: &Shared) -> Result<(), LinkError> {
    match uplink::send_queued(link, &shared.agent.store, &*shared.agent.clock).await {
        Ok(_) => Ok(()),
        // Said when it was found; orders are still heard.
        Err(UplinkError::Outbox(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes orders; says why this program cannot read them, if so, as it did `before`. That costs
/// neither the connection nor what else goes over it.
async fn hear(
    link: &Link,
    shared: &Shared,
    judge: &Judge,
    before: Option<String>,
) -> Result<Option<String>, LinkError> {
    let Agent { store, clock, .. } = &shared.agent;
    match downlink::poll(link, store, judge, clock.now().as_second()).await {
        Err(error @ DownlinkError::Unreadable(_)) => {
            let text = explain(&error);
            if before.is_none() {
                tracing::error!(error = text, "no orders are taken");
            }
            Ok(Some(text))
        }
        heard => unless_for_now(heard.map(drop)).map(|()| None),
    }
}

/// Fetches the objects that orders name, after each that may have come. What fails costs nothing
/// else: whether the connection is there is for others to find.
async fn fetch(shared: &Shared, link: &Link, judge: &Judge, heard: &Notify) -> Infallible {
    let mut examined = Examined::default();
    loop {
        heard.notified().await;
        match fetch_wanted(shared, link, judge, &mut examined).await {
            Ok(()) => {}
            Err(DownlinkError::Call(error)) if error.is_transient() => {
                tracing::warn!(error = explain(&error), "an object does not arrive for now");
            }
            Err(error) => {
                tracing::error!(error = explain(&error), "an object does not arrive");
                tokio::time::sleep(FETCH_AFTER_FAILURE).await;
            }
        }
    }
}

async fn fetch_wanted(
    shared: &Shared,
    link: &Link,
    judge: &Judge,
    examined: &mut Examined,
) -> Result<(), DownlinkError> {
    let Agent { store, config, .. } = &shared.agent;
    let shelf = Shelf::new(&config.data);
    // What cannot be removed is in the way of nothing but the disk's room.
    if let Err(error) = downlink::clear(store, &shelf) {
        tracing::warn!(error = explain(&error), "objects that nothing needs stay");
    }
    downlink::want_damaged(store, &shelf, examined).await?;
    if !store.read("wanted", |tx| tx.has_wanted())? {
        return Ok(());
    }
    downlink::fetch(link, store, &shelf, judge, config.polite.object_bytes_max()).await
}

async fn renewed(
    link: &Link,
    credentials: &Credentials,
    membership: &Membership,
    clock: &dyn Clock,
) -> bool {
    match uplink::renew_if_due(link, credentials, membership, clock).await {
        Ok(renewed) => renewed,
        Err(error) => {
            tracing::warn!(error = explain(&error), "certificate not renewed: trying again");
            false
        }
    }
}

#[cfg(test)]
mod tests;
