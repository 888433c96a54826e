use std::future::ready;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use insitu_daemon::authority::{AGENT_LIFE, Authority};
use insitu_daemon::clock::{Clock, ManualClock};
use insitu_daemon::credentials::{Credentials, KeyRequest};
use insitu_daemon::enroll::Redemption;
use insitu_daemon::identity::AgentIdentity;
use insitu_daemon::link::client::{self, Connector, Timeouts};
use insitu_daemon::link::reset::ResetKey;
use insitu_daemon::link::server::{self, Handler, Peer, Server};
use insitu_daemon::shutdown::{self, Trigger};
use insitu_models::bundle::Bundle;
use insitu_models::manifest::Object;
use insitu_models::sign::SigningKey;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::enroll::Welcome;
use insitu_protocol::facts::{DeviceFacts, EngineKind};
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Refusal, Response};
use tokio::task::JoinSet;

use super::*;
use crate::prelabel::Shelf;
use crate::store::tests::scratch;
use crate::testing;
use crate::testing::mirrored::mirrored;

const FACTS: DeviceFacts = DeviceFacts {
    version: [0, 1, 0],
    uptime_days: 0,
    load_quarters: 0,
    memory_tenths: 1,
    disk_tenths: 1,
    temperature_tens: None,
    engine: EngineKind::None,
};

/// A coordinator that has one object, whatever it is asked for.
struct Objects(Vec<u8>);

impl Handler for Objects {
    fn handle(&self, _: &Peer, request: Request) -> impl Future<Output = Response> + Send {
        ready(match request {
            Request::Hello(_) => Response::Hello(HelloAnswer { now_unix_s: 0, acknowledged: None }),
            Request::Fetch { offset, .. } => Response::Chunk {
                total_bytes: self.0.len() as u64,
                bytes: Bytes(self.0[usize::try_from(offset).unwrap()..].to_vec()),
            },
            Request::Submit { .. }
            | Request::Poll { .. }
            | Request::Renew { .. }
            | Request::Announce { .. }
            | Request::Session { .. } => Response::Refused(Refusal::Malformed),
        })
    }

    fn redeem(&self, _: Redemption) -> impl Future<Output = Result<Welcome, Refusal>> + Send {
        ready(Err(Refusal::Token))
    }

    fn is_revoked(&self, _: &Peer) -> bool {
        false
    }
}

/// A coordinator that serves until the rest is dropped.
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) credentials: Credentials,
    pub(crate) clock: Arc<dyn Clock>,
    _trigger: Trigger,
    _tasks: JoinSet<()>,
}

/// Serves a coordinator that answers so.
pub(crate) fn serve(coordinator: impl Handler) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new("2026-03-01T00:00:00Z".parse().unwrap()));
    let federation = "f".parse().unwrap();
    let authority = Authority::create(folder.path(), federation, Arc::clone(&clock)).unwrap();
    let identity = AgentIdentity {
        federation: authority.federation().clone(),
        site: "s".parse().unwrap(),
        agent: "a".parse().unwrap(),
    };
    let key = KeyRequest::generate().unwrap();
    let issued = authority.issue_agent(key.signing_request(), &identity, AGENT_LIFE).unwrap();
    let root = authority.certificate().clone();
    let credentials = key.complete(issued.certificate, root, &*clock).unwrap();

    let loopback = (Ipv4Addr::LOCALHOST, 0).into();
    let endpoint = server::endpoint(loopback, &ResetKey::new([7; 32])).unwrap();
    let own = authority.issue_server().unwrap();
    let server = Server::new(endpoint, &own, server::Limits::default(), Arc::clone(&clock));
    let server = server.unwrap();
    let address = server.local_address().unwrap().to_string();
    let (trigger, stop) = shutdown::pair();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(Arc::new(coordinator), stop));

    Served { address, credentials, clock, _trigger: trigger, _tasks: tasks }
}

/// A link to a coordinator that answers so, until the rest is dropped.
pub(crate) async fn link(coordinator: impl Handler) -> (Link, Served) {
    let served = serve(coordinator);
    let endpoint = client::endpoint().unwrap();
    let (address, clock) = (served.address.clone(), Arc::clone(&served.clock));
    let connector =
        Connector::new(endpoint, address, &served.credentials, clock, Timeouts::default()).unwrap();
    (connector.connect(FACTS).await.unwrap().0, served)
}

#[test]
fn objects_that_nothing_needs_any_more_are_removed() {
    let scratch = scratch();
    let (store, data) = (&scratch.store, scratch.folder.path());
    let shelf = Shelf::new(data);
    clear(store, &shelf).unwrap(); // before there is a folder
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/bundles/heart-disease");
    let shipped = Bundle::open(Path::new(files)).unwrap();
    let other = mirrored(&shipped, shipped.head());
    let row = testing::put(store, &testing::project());
    testing::publish(store, data, &row, &shipped, 1);
    testing::publish(store, data, &row, &other, 2);
    let (theirs, common): (Vec<_>, Vec<_>) =
        other.objects().into_iter().partition(|both| !shipped.objects().contains(both));
    let part = shelf.path(&Fixed([7; 32])).with_extension("part");
    let foreign = shelf.folder().join("README");
    for file in [&part, &foreign] {
        std::fs::write(file, "").unwrap();
    }
    let there = |objects: &[(Object, Vec<u8>)]| {
        objects.iter().filter(|(object, _)| shelf.path(&object.digest).exists()).count()
    };
    clear(store, &shelf).unwrap();
    assert!(!part.exists() && foreign.exists());
    assert!(!theirs.is_empty() && there(&theirs) == theirs.len(), "it may be used");

    let give_up = |tx: &Tx<'_>| tx.set_bundle_state(&other.id(), BundleState::Failed, "superseded");
    store.tx("test", give_up).unwrap();
    store.tx("test", |tx| tx.use_bundle(row.project, &other.id())).unwrap();
    clear(store, &shelf).unwrap();
    assert_eq!(there(&theirs), theirs.len(), "it is in use");
    store.tx("test", |tx| tx.use_bundle(row.project, &shipped.id())).unwrap();
    clear(store, &shelf).unwrap();
    assert_eq!((there(&theirs), there(&common)), (0, common.len()));
    assert_eq!(there(&shipped.objects()), shipped.objects().len());
}

/// A wanted set of labeling functions with this text.
fn set_of(text: &[u8]) -> FunctionsRow {
    FunctionsRow {
        digest: Fixed([1; 32]),
        manifest: FunctionsManifest {
            project: "heart".parse().unwrap(),
            name: "rules".parse().unwrap(),
            object: digest(text),
            bytes: text.len() as u64,
        },
        signature: Fixed([0; 64]),
        state: BundleState::Wanted,
        note: String::new(),
    }
}

#[tokio::test]
async fn damaged_functions_stay_wanted_and_are_said_to_be_damaged() {
    let scratch = scratch();
    let store = &scratch.store;
    let (shelf, judge) = (Shelf::new(scratch.folder.path()), testing::generous(1));
    let (right, wrong) = (b"[[function]]".to_vec(), b"[[damaged!]]".to_vec());
    let row = set_of(&right);
    let object = row.manifest.object;
    let wanted = || store.read("test", |tx| tx.has_wanted()).unwrap();
    assert!(!wanted());
    store.tx("test", |tx| tx.put_functions(&row, 1)).unwrap();
    assert!(wanted(), "with no bundle in sight");

    let (damaging, _served) = link(Objects(wrong)).await;
    let fetched = fetch(&damaging, store, &shelf, &judge, None).await;
    assert!(matches!(fetched, Err(DownlinkError::Content { object: got }) if got == object));
    let known = || store.read("test", |tx| tx.functions()).unwrap().remove(0);
    assert!(wanted() && known().note.contains("another content"), "{}", known().note);

    let (sound, _served) = link(Objects(right)).await;
    fetch(&sound, store, &shelf, &judge, None).await.unwrap();
    assert_eq!((known().state, wanted()), (BundleState::Pending, false));
    assert!(shelf.path(&object).exists());

    // Damaged on the disk later, it is wanted again, and waits for the steward again.
    let mut examined = Examined::default();
    want_damaged(store, &shelf, &mut examined).await.unwrap();
    assert!(!wanted());
    std::fs::write(shelf.path(&object), "[[damaged!]]").unwrap();
    want_damaged(store, &shelf, &mut Examined::default()).await.unwrap();
    assert!(wanted() && !shelf.path(&object).exists());
}

#[tokio::test]
async fn an_object_that_is_damaged_on_the_disk_is_fetched_again_once_its_bundle_fails() {
    let scratch = scratch();
    let (store, data) = (&scratch.store, scratch.folder.path());
    let (shelf, judge) = (Shelf::new(data), testing::generous(1));
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/bundles/heart-disease");
    let bundle = Bundle::open(Path::new(files)).unwrap();
    let row = testing::put(store, &testing::project());
    testing::publish(store, data, &row, &bundle, 1);
    store.tx("test", |tx| tx.use_bundle(row.project, &bundle.id())).unwrap();
    let fail = |note| {
        let set = |tx: &Tx<'_>| tx.set_bundle_state(&bundle.id(), BundleState::Failed, note);
        store.tx("test", set).unwrap();
    };
    let state = || store.read("test", |tx| tx.bundle(&bundle.id())).unwrap().unwrap().state;
    let mut examined = Examined::default();
    fail("no engine");
    want_damaged(store, &shelf, &mut examined).await.unwrap();
    assert_eq!(state(), BundleState::Failed, "its objects are not why");

    let (head, right) = bundle.objects().remove(1);
    std::fs::write(shelf.path(&head.digest), "damaged").unwrap();
    want_damaged(store, &shelf, &mut examined).await.unwrap();
    assert_eq!(state(), BundleState::Failed, "it is not read time and again for the same reason");
    fail("the head's digest is another");
    want_damaged(store, &shelf, &mut examined).await.unwrap();
    assert_eq!(state(), BundleState::Wanted);

    let (link, _served) = link(Objects(right.clone())).await;
    fetch(&link, store, &shelf, &judge, None).await.unwrap();
    assert_eq!(state(), BundleState::Pending);
    assert_eq!(std::fs::read(shelf.path(&head.digest)).unwrap(), right);
}

#[tokio::test]
async fn what_is_there_counts_as_arrived_only_if_it_is_right() {
    let scratch = scratch();
    let store = &scratch.store;
    let (shelf, judge) = (Shelf::new(scratch.folder.path()), testing::generous(1));
    let right = b"[[function]]".to_vec();
    let row = set_of(&right);
    store.tx("test", |tx| tx.put_functions(&row, 1)).unwrap();
    std::fs::create_dir(shelf.folder()).unwrap();
    let path = shelf.path(&row.manifest.object);
    std::fs::write(&path, "damaged").unwrap();
    let (link, _served) = link(Objects(right.clone())).await;
    fetch(&link, store, &shelf, &judge, None).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), right);
}

#[test]
fn what_another_list_orders_is_newer_whatever_its_number() {
    let scratch = scratch();
    let (store, project) = (&scratch.store, testing::project());
    testing::put(store, &project);
    let key = SigningKey::create(&scratch.folder.path().join("key")).unwrap();
    let judge = Judge { bundle_key: Some(key.public()), ..testing::generous(1) };
    let order = |name: &str, number| {
        let name = name.parse().unwrap();
        let (project, object) = (project.name.clone(), Fixed([1; 32]));
        let manifest = FunctionsManifest { project, name, object, bytes: 1 }.encode();
        let signature = key.sign_in(Domain::Functions, &manifest);
        let order = Order::Functions(FunctionsOrder { manifest: Bytes(manifest), signature });
        apply(store, &judge, &NumberedOrder { number, order }, 0).unwrap()
    };
    let hear = |list| store.tx("test", |tx| tx.hear_orders_of(&Fixed([list; 32]))).unwrap();
    hear(1);
    assert!(order("before", 50));
    hear(2);
    assert!(order("after", 3));
    assert!(!order("after", 3), "within a list it is applied once");
    let known = store.read("test", |tx| tx.functions()).unwrap();
    let names: Vec<_> = known.iter().map(|row| row.manifest.name.as_str()).collect();
    assert_eq!(names, ["after", "before"]);

    // Enrolled there again it hears the same from the start, and has nothing twice.
    hear(1);
    assert!(order("before", 50));
    assert_eq!(store.read("test", |tx| tx.functions()).unwrap().len(), 2);
}
