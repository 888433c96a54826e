//! The sessions' messages over a real link.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use insitu_daemon::authority::{AGENT_LIFE, Authority};
use insitu_daemon::clock::ManualClock;
use insitu_daemon::credentials::KeyRequest;
use insitu_daemon::enroll::Redemption;
use insitu_daemon::identity::AgentIdentity;
use insitu_daemon::link::client::{self, Connector, Link, Timeouts};
use insitu_daemon::link::reset::ResetKey;
use insitu_daemon::link::server::{self, Handler, Limits, Peer, Server};
use insitu_daemon::shutdown;
use insitu_protocol::enroll::Welcome;
use insitu_protocol::facts::{DeviceFacts, EngineKind};
use insitu_protocol::ids::Digest;
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Refusal, Response};
use tokio::task::JoinSet;

use super::*;
use crate::session::Talk;

/// Longer than the test takes, and than an agent waits by itself.
const A_MINUTE_MS: u32 = 60_000;

/// A coordinator that is too busy for a key, at first, and for one session.
struct Busy {
    session: Digest,
    asked: Mutex<Vec<Option<Digest>>>,
}

impl Handler for Busy {
    async fn handle(&self, _: &Peer, request: Request) -> Response {
        let mut asked = self.asked.lock().unwrap();
        match request {
            Request::Hello(_) => Response::Hello(HelloAnswer { now_unix_s: 0, acknowledged: None }),
            Request::Announce { .. } => {
                asked.push(None);
                Response::Refused(Refusal::Busy { retry_after_ms: A_MINUTE_MS })
            }
            Request::Session { session, .. } => {
                asked.push(Some(session));
                if session == self.session {
                    return Response::Refused(Refusal::Busy { retry_after_ms: A_MINUTE_MS });
                }
                Response::Session(SessionAnswer::Wait { retry_after_ms: A_MINUTE_MS })
            }
            Request::Submit { .. }
            | Request::Poll { .. }
            | Request::Fetch { .. }
            | Request::Renew { .. } => Response::Refused(Refusal::Failed),
        }
    }

    async fn redeem(&self, _: Redemption) -> Result<Welcome, Refusal> {
        Err(Refusal::Token)
    }

    fn is_revoked(&self, _: &Peer) -> bool {
        false
    }
}

/// A link to a coordinator on loopback, which runs until its task is dropped.
async fn link(handler: Arc<Busy>) -> (Link, shutdown::Trigger, JoinSet<()>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new("2026-03-01T00:00:00Z".parse().unwrap()));
    let authority =
        Authority::create(folder.path(), "heart".parse().unwrap(), clock.clone()).unwrap();
    let identity = AgentIdentity {
        federation: authority.federation().clone(),
        site: "site-0".parse().unwrap(),
        agent: "agent".parse().unwrap(),
    };
    let key = KeyRequest::generate().unwrap();
    let issued = authority.issue_agent(key.signing_request(), &identity, AGENT_LIFE).unwrap();
    let root = authority.certificate().clone();
    let credentials = key.complete(issued.certificate, root, &*clock).unwrap();

    let loopback = (Ipv4Addr::LOCALHOST, 0).into();
    let endpoint = server::endpoint(loopback, &ResetKey::new([7; 32])).unwrap();
    let own = authority.issue_server().unwrap();
    let server = Server::new(endpoint, &own, Limits::default(), clock.clone()).unwrap();
    let address = server.local_address().unwrap().to_string();
    let (trigger, stop) = shutdown::pair();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(handler, stop));
    let endpoint = client::endpoint().unwrap();
    let connector =
        Connector::new(endpoint, address, &credentials, clock, Timeouts::default()).unwrap();
    let facts = DeviceFacts {
        version: [0, 1, 0],
        uptime_days: 0,
        load_quarters: 0,
        memory_tenths: 1,
        disk_tenths: 1,
        temperature_tens: None,
        engine: EngineKind::None,
    };
    (connector.connect(facts).await.unwrap().0, trigger, tasks)
}

#[tokio::test]
async fn what_is_refused_for_now_waits_as_long_as_it_is_told_and_nothing_else_does() {
    let sites = sites(4);
    let purpose = Purpose::Statistics {
        project: testing::project().name,
        project_version: 1,
        collection: Fixed([8; 16]),
    };
    let first = statistics(&sites, 0);
    let second = SessionOrder { purpose, ..first.clone() };
    for order in [&first, &second] {
        assert_eq!(sites[0].join(order).state, SessionState::Keys);
    }
    let [first, second] = [&first, &second].map(name_of);
    let handler = Arc::new(Busy { session: first, asked: Mutex::default() });
    let (link, _trigger, _tasks) = link(Arc::clone(&handler)).await;
    let mut talk = Talk::default();
    for _ in 0..2 {
        // The second time nothing is due.
        assert!(talk.advance(&link, &sites[0].store).await.unwrap().is_some());
        let asked = handler.asked.lock().unwrap();
        assert_eq!(*asked, [None, Some(first), Some(second)]);
    }
}
