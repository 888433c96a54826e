//! The sessions' messages over a real link.

use std::sync::{Arc, Mutex};

use insitu_daemon::enroll::Redemption;
use insitu_daemon::link::server::{Handler, Peer};
use insitu_protocol::enroll::Welcome;
use insitu_protocol::ids::Digest;
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Refusal, Response};

use super::*;
use crate::downlink::tests::link;
use crate::session::Talk;

/// Longer than the test takes, and than an agent waits by itself.
const A_MINUTE_MS: u32 = 60_000;

/// A coordinator that is too busy for a key, at first, and for one session.
struct Busy {
    session: Digest,
    asked: Arc<Mutex<Vec<Option<Digest>>>>,
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
    let asked = Arc::default();
    let (link, _served) = link(Busy { session: first, asked: Arc::clone(&asked) }).await;
    let mut talk = Talk::default();
    for _ in 0..2 {
        // The second time nothing is due.
        assert!(talk.advance(&link, &sites[0].store).await.unwrap().is_some());
        assert_eq!(*asked.lock().unwrap(), [None, Some(first), Some(second)]);
    }
}
