//! One connection at the coordinator: admission, its streams, its end.

use std::net::SocketAddr;
use std::sync::Arc;

use insitu_protocol::enroll::{self, EnrollReply, EnrollRequest};
use insitu_protocol::frame::{self, FrameError, Message};
use insitu_protocol::ids::{FederationName, SiteName};
use insitu_protocol::request::{self, Request};
use insitu_protocol::response::{Refusal, Response};
use metrics::{counter, gauge, histogram};
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, Incoming, RecvStream, SendStream, VarInt};
use rustls_pki_types::CertificateDer;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::Close;
use super::server::{Handler, Limits, Peer, Server};
use super::stream::{self, ReadError};
use crate::clock::Clock;
use crate::enroll::{Redemption, secret_digest};
use crate::identity::{Identity, Subject};
use crate::places::{Guest, Place, Places, Strangers};
use crate::shutdown::Shutdown;

/// Handshakes under way above which a client must first show that its address is its own, so that
/// forged addresses cannot fill the table (QUIC's Retry).
const UNVALIDATED_MAX: usize = 128;
/// Handshakes under way from one address of another machine. Many agents may be behind one.
const HANDSHAKES_OF_ONE_MAX: usize = 256;
/// Connections that are joining from one address of another machine.
const JOINING_OF_ONE_MAX: usize = 8;
/// The unit in which memory for requests is handed out, bytes.
const BUFFER_UNIT: usize = 1024;
/// When a peer comes back that found no memory for its request.
const BUSY_RETRY_MS: u32 = 1_000;

/// What all connections share.
pub(super) struct Shared<H> {
    pub(super) shutdown: Shutdown,
    handler: Arc<H>,
    federation: FederationName,
    limits: Limits,
    clock: Arc<dyn Clock>,
    unvalidated: Arc<Semaphore>,
    handshakes: Strangers,
    joining: Semaphore,
    joiners: Strangers,
    buffers: Semaphore,
    sites: Places<SiteName, Semaphore>,
}

/// A connection in its handshake.
pub(super) struct Handshake {
    incoming: Incoming,
    /// Its place among those whose address is not shown to be theirs.
    unvalidated: Option<OwnedSemaphorePermit>,
    guest: Guest,
}

/// What a connection may do.
enum Admitted<'a> {
    /// Ask, as this peer.
    Member { peer: Peer, place: SitePlace },
    /// Redeem a token, once.
    Joining { _place: SemaphorePermit<'a>, _guest: Guest },
}

/// One of the connections that a site may have, with the memory that its requests share.
type SitePlace = Place<SiteName, Semaphore>;

/// Counts a connection while it is open, however it ends.
struct Open;

/// A kind of question and its kind of answer.
trait Question: Message + Send + 'static {
    type Answer: Message + Send + 'static;
    fn name(&self) -> &'static str;
    fn refuse(refusal: Refusal) -> Self::Answer;
}

/// Why a question is not answered by the handler.
enum Unread {
    /// The peer is too slow.
    Late,
    /// No memory for it now.
    Busy,
    /// It is not a question.
    Read(ReadError),
}

impl<H: Handler> Shared<H> {
    pub(super) fn new(handler: Arc<H>, server: &Server, shutdown: Shutdown) -> Self {
        let limits = server.limits;
        Self {
            shutdown,
            handler,
            federation: server.federation.clone(),
            limits,
            clock: Arc::clone(&server.clock),
            unvalidated: Arc::new(Semaphore::new(UNVALIDATED_MAX)),
            handshakes: Strangers::new(HANDSHAKES_OF_ONE_MAX),
            joining: Semaphore::new(limits.joining_max),
            joiners: Strangers::new(JOINING_OF_ONE_MAX),
            buffers: Semaphore::new(limits.buffer_bytes_max / BUFFER_UNIT),
            sites: Places::new(limits.connections_per_site_max),
        }
    }

    /// Decides whether a handshake may start beside `open` connections.
    pub(super) fn welcome(&self, incoming: Incoming, open: usize) -> Option<Handshake> {
        if open >= self.limits.connections_max {
            refused("connections");
            incoming.refuse();
            return None;
        }
        let place = Arc::clone(&self.unvalidated).try_acquire_owned().ok();
        if place.is_none() && incoming.may_retry() && !incoming.remote_address_validated() {
            if let Err(error) = incoming.retry() {
                error.into_incoming().refuse();
            }
            return None;
        }
        let Some(guest) = self.handshakes.admit(incoming.remote_address().ip()) else {
            refused("address");
            incoming.refuse();
            return None;
        };
        Some(Handshake { incoming, unvalidated: place, guest })
    }

    /// Reads protocol and certificate of a connection whose handshake is done.
    ///
    /// This is the only place where a certificate becomes a [`Peer`]; TLS has verified it.
    fn admit(&self, connection: &Connection) -> Result<Admitted<'_>, Close> {
        let data =
            connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let protocol = data.and_then(|data| data.protocol).ok_or(Close::NotMember)?;
        if protocol == enroll::ALPN {
            let guest = self.joiners.admit(connection.remote_address().ip()).ok_or(Close::Busy)?;
            let place = self.joining.try_acquire().map_err(|_| Close::Busy)?;
            return Ok(Admitted::Joining { _place: place, _guest: guest });
        }
        if protocol != request::ALPN {
            return Err(Close::NotMember);
        }
        let chain = connection
            .peer_identity()
            .and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok())
            .ok_or(Close::NotMember)?;
        let certificate = chain.first().ok_or(Close::NotMember)?;
        let subject = Subject::of(certificate).map_err(|_| Close::NotMember)?;
        let Identity::Agent(identity) = subject.identity else {
            return Err(Close::NotMember);
        };
        // The authority signs for its own federation only; so this is a second lock on that door.
        if identity.federation != self.federation {
            return Err(Close::NotMember);
        }
        let peer = Peer {
            identity,
            serial: subject.serial,
            not_after: subject.not_after,
            address: connection.remote_address(),
        };
        if !self.is_member(&peer) {
            return Err(Close::NotMember);
        }
        let memory = || Semaphore::new(self.limits.site_buffer_bytes_max / BUFFER_UNIT);
        let place = self.sites.take(&peer.identity.site, memory).ok_or(Close::Busy)?;
        Ok(Admitted::Member { peer, place })
    }

    /// Whether the certificate is still good: a connection may outlive it.
    fn is_member(&self, peer: &Peer) -> bool {
        self.clock.now() <= peer.not_after && !self.handler.is_revoked(peer)
    }
}

impl Open {
    fn count() -> Self {
        gauge!("insitu_link_connections").increment(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("insitu_link_connections").decrement(1.0);
    }
}

/// Serves one connection to its end.
pub(super) async fn connection<H: Handler>(shared: Arc<Shared<H>>, handshake: Handshake) {
    let Handshake { incoming, unvalidated, guest } = handshake;
    let Ok(connecting) = incoming.accept() else {
        return refused("handshake");
    };
    let Ok(Ok(connection)) = timeout(shared.limits.handshake, connecting).await else {
        return refused("handshake");
    };
    drop((unvalidated, guest));
    let _open = Open::count();
    let close = match shared.admit(&connection) {
        Ok(Admitted::Member { peer, place }) => {
            serve_member(&shared, &connection, peer, &place).await
        }
        Ok(Admitted::Joining { .. }) => serve_joining(&shared, &connection).await,
        Err(close) => {
            refused(close.name());
            close
        }
    };
    connection.close(close.code(), close.name().as_bytes());
}

async fn serve_member<H: Handler>(
    shared: &Arc<Shared<H>>,
    connection: &Connection,
    peer: Peer,
    place: &SitePlace,
) -> Close {
    let peer = Arc::new(peer);
    tracing::debug!(agent = %peer.identity, address = %peer.address, "connected");
    let mut streams = JoinSet::new();
    let mut recheck = interval(shared.limits.recheck);
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = loop {
        tokio::select! {
            biased;
            () = shared.shutdown.requested() => break Close::Stopping,
            _ = recheck.tick() => if !shared.is_member(&peer) { break Close::NotMember },
            Some(ended) = streams.join_next() => note_panic(ended, "stream"),
            accepted = connection.accept_bi() => {
                let Ok((send, recv)) = accepted else { break Close::Done };
                if !shared.is_member(&peer) { break Close::NotMember }
                let (shared, peer) = (Arc::clone(shared), Arc::clone(&peer));
                let memory = Arc::clone(&place.share);
                streams.spawn(async move {
                    let handler = Arc::clone(&shared.handler);
                    let own = Some(&*memory);
                    answer(&shared, own, (send, recv), |request: Request| async move {
                        handler.handle(&peer, request).await
                    })
                    .await;
                });
            }
        }
    };
    match end {
        // What is in flight may finish; the server's own deadline is above this one.
        Close::Stopping => while streams.join_next().await.is_some() {},
        Close::NotMember => refused(end.name()),
        Close::Done | Close::Busy => {}
    }
    tracing::debug!(agent = %peer.identity, reason = end.name(), "disconnected");
    end
}

/// Takes one question on one stream, and waits until the client has the answer.
async fn serve_joining<H: Handler>(shared: &Arc<Shared<H>>, connection: &Connection) -> Close {
    let accepted = timeout(shared.limits.head, connection.accept_bi()).await;
    let Ok(Ok((send, recv))) = accepted else {
        return Close::Done;
    };
    let handler = Arc::clone(&shared.handler);
    let address = connection.remote_address();
    answer(shared, None, (send, recv), |question: EnrollRequest| async move {
        match handler.redeem(redemption(question, address)).await {
            Ok(welcome) => EnrollReply::Welcome(welcome),
            Err(refusal) => EnrollReply::Refused(refusal),
        }
    })
    .await;
    Close::Done
}

fn redemption(question: EnrollRequest, address: SocketAddr) -> Redemption {
    let EnrollRequest::Redeem { site, agent, secret, signing_request } = question;
    Redemption {
        site,
        agent,
        secret_digest: secret_digest(&secret.0),
        signing_request: signing_request.0,
        address,
    }
}

/// Reads a question, for which there must be room in the memory of its peer's `own`, if it has that, has
/// it handled, sends the answer, and waits until it has arrived.
async fn answer<H: Handler, Q: Question, F>(
    shared: &Shared<H>,
    own: Option<&Semaphore>,
    (mut send, mut recv): (SendStream, RecvStream),
    handle: impl FnOnce(Q) -> F,
) where
    F: Future<Output = Q::Answer> + Send + 'static,
{
    let limits = &shared.limits;
    let answer = match read_question::<H, Q>(shared, own, &mut recv).await {
        Ok((question, _room)) => run(limits, question, handle).await,
        Err(unread) => {
            // The rest of it is not wanted. Fails only when there is no rest.
            drop(recv.stop(VarInt::from_u32(0)));
            match unread.refusal() {
                Some(refusal) => Q::refuse(refusal),
                None => return,
            }
        }
    };
    let frame = frame::encode(&answer).or_else(|error| {
        tracing::error!(%error, "the answer does not fit its kind");
        refused("failed");
        frame::encode(&Q::refuse(Refusal::Failed))
    });
    let Ok(frame) = frame else { return };
    let sent = timeout(limits.respond, async {
        send.write_all(&frame).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok()
    });
    if sent.await.is_err() {
        refused("slow reader");
        // Frees what is buffered for a peer that does not read. Fails only when all was read.
        drop(send.reset(VarInt::from_u32(0)));
    }
}

/// Reads a question within its deadlines, having found memory for it first: the peer's own, so that
/// whoever announces much and sends little waits for itself, then that of all.
async fn read_question<'a, H: Handler, Q: Question>(
    shared: &'a Shared<H>,
    own: Option<&'a Semaphore>,
    recv: &mut RecvStream,
) -> Result<(Q, [Option<SemaphorePermit<'a>>; 2]), Unread> {
    let limits = &shared.limits;
    let head = timeout(limits.head, stream::read_head::<Q>(recv)).await??;
    let units = u32::try_from(head.length.div_ceil(BUFFER_UNIT)).map_err(|_| Unread::Busy)?;
    let room = timeout(limits.head, async {
        let own = match own {
            Some(own) => Some(own.acquire_many(units).await?),
            None => None,
        };
        Ok::<_, AcquireError>([own, Some(shared.buffers.acquire_many(units).await?)])
    });
    let Ok(Ok(room)) = room.await else { return Err(Unread::Busy) };
    let question = timeout(limits.body, stream::read_body(recv, head)).await??;
    Ok((question, room))
}

/// Runs the handler on a task of its own: a panic there is a refusal here.
async fn run<Q: Question, F>(limits: &Limits, question: Q, handle: impl FnOnce(Q) -> F) -> Q::Answer
where
    F: Future<Output = Q::Answer> + Send + 'static,
{
    let kind = question.name();
    let start = Instant::now();
    let mut task = JoinSet::new();
    task.spawn(handle(question));
    let answer = match timeout(limits.handle, task.join_next()).await {
        Ok(Some(Ok(answer))) => answer,
        Ok(Some(Err(error))) => {
            note_panic(Err(error), kind);
            Q::refuse(Refusal::Failed)
        }
        Ok(None) | Err(_) => {
            tracing::error!(kind, limit_s = limits.handle.as_secs(), "not handled in time");
            refused("failed");
            Q::refuse(Refusal::Failed)
        }
    };
    counter!("insitu_link_requests_total", "kind" => kind).increment(1);
    histogram!("insitu_link_request_seconds", "kind" => kind).record(start.elapsed());
    answer
}

/// Counts and logs a task that panicked. The message of a panic may quote data: it is not repeated.
pub(super) fn note_panic(ended: Result<(), JoinError>, task: &'static str) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(task, "a task of the link panicked");
        refused("failed");
    }
}

impl Question for Request {
    type Answer = Response;

    fn name(&self) -> &'static str {
        Self::name(self)
    }

    fn refuse(refusal: Refusal) -> Response {
        Response::Refused(refusal)
    }
}

impl Question for EnrollRequest {
    type Answer = EnrollReply;

    fn name(&self) -> &'static str {
        match self {
            Self::Redeem { .. } => "redeem",
        }
    }

    fn refuse(refusal: Refusal) -> EnrollReply {
        EnrollReply::Refused(refusal)
    }
}

impl Unread {
    /// What the peer is told, counted; `None` when nobody is there to be told.
    fn refusal(self) -> Option<Refusal> {
        let (reason, refusal) = match self {
            // The bytes may be good: a peer behind a slow line, or this machine, was not fast enough.
            Self::Late => ("slow", Refusal::Busy { retry_after_ms: BUSY_RETRY_MS }),
            Self::Busy => ("busy", Refusal::Busy { retry_after_ms: BUSY_RETRY_MS }),
            Self::Read(ReadError::Truncated) => ("truncated", Refusal::Malformed),
            Self::Read(ReadError::Frame(FrameError::UnknownKind { kind })) => {
                ("unknown kind", Refusal::UnknownKind { kind })
            }
            Self::Read(ReadError::Frame(FrameError::TooLong {
                got_bytes, limit_bytes, ..
            })) => (
                "too long",
                Refusal::TooLong { got_bytes: got_bytes as u64, limit_bytes: limit_bytes as u64 },
            ),
            Self::Read(ReadError::Frame(_)) => ("malformed", Refusal::Malformed),
            Self::Read(ReadError::Lost(_)) => {
                refused("lost");
                return None;
            }
        };
        refused(reason);
        Some(refusal)
    }
}

impl From<ReadError> for Unread {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<tokio::time::error::Elapsed> for Unread {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Late
    }
}

/// Counts what was not served, by reason.
fn refused(reason: &'static str) {
    counter!("insitu_link_refused_total", "reason" => reason).increment(1);
}
