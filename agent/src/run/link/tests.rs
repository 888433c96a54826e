use insitu_daemon::enroll::Redemption;
use insitu_daemon::link::client;
use insitu_daemon::link::server::{Handler, Peer};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::enroll::Welcome;
use insitu_protocol::order::{FunctionsManifest, NumberedOrder, Order};
use insitu_protocol::project::Project;
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Refusal, Response};
use tokio::sync::mpsc;

use super::*;
use crate::config::Config;
use crate::downlink::tests::serve;
use crate::store::functions::FunctionsRow;
use crate::store::meta::Live;
use crate::store::orders::BundleState;
use crate::testing;

/// What the coordinator was asked for and nobody has looked at yet.
const ASKED_MAX: usize = 64;

/// A coordinator that has these orders, says what it is asked for, and never gets an object out.
struct Coordinator {
    orders: Vec<NumberedOrder>,
    asked: mpsc::Sender<&'static str>,
}

impl Handler for Coordinator {
    async fn handle(&self, _: &Peer, request: Request) -> Response {
        self.asked.send(request.name()).await.ok(); // fails once the test has seen enough
        match request {
            Request::Hello(_) => Response::Hello(HelloAnswer { now_unix_s: 0, acknowledged: None }),
            Request::Poll { .. } => Response::Orders(self.orders.clone()),
            Request::Announce { .. } => Response::Announced,
            Request::Fetch { .. } => std::future::pending().await,
            Request::Submit { .. } | Request::Renew { .. } | Request::Session { .. } => {
                Response::Refused(Refusal::Failed)
            }
        }
    }

    async fn redeem(&self, _: Redemption) -> Result<Welcome, Refusal> {
        Err(Refusal::Token)
    }

    fn is_revoked(&self, _: &Peer) -> bool {
        false
    }
}

/// An agent that polls and says hello all the time, in this folder.
fn agent(folder: &std::path::Path, clock: Arc<dyn Clock>) -> Arc<Shared> {
    let file = folder.join("agent.toml");
    let text = "site = \"s\"\n[uplink]\npoll = \"10ms\"\nheartbeat = \"10ms\"\nslot = \"1h\"\n";
    std::fs::write(&file, text).unwrap();
    let agent = Agent::open(Config::read(&file).unwrap(), clock).unwrap();
    let doors = Arc::new(agent.doors(false).unwrap());
    let live = std::sync::Mutex::new(Live::default());
    Arc::new(Shared { live, started: Instant::now(), doors, agent })
}

/// Keeps one connection up until the coordinator was asked for each of these after the one before.
async fn talk_until(
    coordinator: Vec<NumberedOrder>,
    prepare: impl FnOnce(&Shared),
    each: &[&str],
) -> Live {
    let (asked, mut heard) = mpsc::channel(ASKED_MAX);
    let served = serve(Coordinator { orders: coordinator, asked });
    let folder = tempfile::tempdir().unwrap();
    let shared = agent(folder.path(), Arc::clone(&served.clock));
    prepare(&shared);
    let (endpoint, mut backoff) = (client::endpoint().unwrap(), Backoff::default());
    let seen = async {
        for name in each {
            while heard.recv().await.unwrap() != *name {}
        }
    };
    tokio::select! {
        ended = connection(&shared, &endpoint, &served.address, &served.credentials, &mut backoff) => {
            panic!("the connection ended: {ended:?}")
        }
        () = seen => {}
    }
    shared.live.lock().unwrap().clone()
}

#[tokio::test]
async fn orders_that_cannot_be_read_cost_nothing_else() {
    // No project is without classes: it is not read, like an order of a kind that is not known.
    let project = Project { classes: Vec::new(), ..testing::project() };
    let unknown = NumberedOrder { number: 1, order: Order::Project(project) };
    let live = talk_until(vec![unknown], |_| {}, &["poll", "hello", "poll"]).await;
    assert!(live.connected);
    assert!(live.trouble.as_ref().is_some_and(|why| why.contains("update this agent")), "{live:?}");
}

#[tokio::test]
async fn an_object_that_takes_long_holds_nothing_up() {
    let project = testing::project().name;
    let manifest =
        FunctionsManifest { project, name: "f".parse().unwrap(), object: Fixed([1; 32]), bytes: 1 };
    let (signature, state, note) = (Fixed([0; 64]), BundleState::Wanted, String::new());
    let wanted = FunctionsRow { digest: Fixed([2; 32]), manifest, signature, state, note };
    let want = |shared: &Shared| {
        shared.agent.store.tx("test", |tx| tx.put_functions(&wanted, 1)).unwrap();
    };
    talk_until(Vec::new(), want, &["fetch", "poll", "hello", "poll"]).await;
}

#[test]
fn a_connection_outlives_what_is_refused_for_now() {
    let goes_on = |source| unless_for_now(Err(UplinkError::Call(source))).is_ok();
    let refused = |source| goes_on(CallError::Refused { source });
    assert!(refused(Refusal::Busy { retry_after_ms: 1 }));
    assert!(refused(Refusal::Failed));
    assert!(!refused(Refusal::NotMember));
    assert!(!goes_on(CallError::TimedOut { address: String::new(), after: Duration::ZERO }));
}
