//! What needs a model: updates and evaluations, the way of a bundle, a personal head.

use std::collections::BTreeSet;
use std::fs;
use std::future::{Future, ready};
use std::path::Path;
use std::sync::Arc;

use insitu_daemon::enroll::Redemption;
use insitu_daemon::link::server::{Handler, Peer};
use insitu_models::bundle::Bundle;
use insitu_models::sign::SigningKey;
use insitu_protocol::bytes::Bytes;
use insitu_protocol::enroll::Welcome;
use insitu_protocol::order::{BundleOrder, Contender, EvaluationOrder, NumberedOrder, Order};
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Refusal, Response};
use tempfile::TempDir;

use super::{pipeline, step};
use crate::config::ApproveModels;
use crate::downlink::tests::link;
use crate::downlink::{Judge, apply, fetch};
use crate::pipeline::personal::tests::{Site, comparison, round};
use crate::prelabel::personal::PersonalHead;
use crate::prelabel::{Prelabel, Shelf};
use crate::store::items::Stage;
use crate::store::orders::{BundleState, ProjectRow};
use crate::store::{Store, StoreError};
use crate::testing::{self, mirrored::mirrored};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/bundles/heart-disease");
/// What signs the bundle, in the site's folder.
const KEY: &str = "bundle.key";
/// After everything that was set up, and before anything is sent.
const NOW: i64 = 1990;
const PATIENTS: usize = 45;

/// A site that uses the shipped bundle and contradicts all of it.
pub(super) fn labeled() -> TempDir {
    let site = Site::new();
    site.add(0..PATIENTS);
    site.settle(&mut site.pipeline(false));
    assert_eq!(site.contradict(), PATIENTS);
    site.scratch.folder
}

/// The same, which knows whose signature a bundle needs.
pub(super) fn with_key() -> TempDir {
    let folder = labeled();
    SigningKey::create(&folder.path().join(KEY)).unwrap();
    folder
}

/// A site that waits for a bundle.
pub(super) fn without_bundle() -> TempDir {
    let site = Site::without_bundle();
    site.add(0..PATIENTS);
    SigningKey::create(&site.scratch.folder.path().join(KEY)).unwrap();
    site.scratch.folder
}

fn shipped() -> Bundle {
    Bundle::open(SHIPPED.as_ref()).unwrap()
}

fn row(store: &Store) -> ProjectRow {
    store.read("test", |tx| tx.projects()).unwrap().remove(0)
}

/// The steward has approved the shipped backbone.
fn judge(bundle: &Bundle) -> Judge {
    let mut judge = testing::generous(1);
    judge.policy.backbones = vec![bundle.manifest().backbone.digest];
    judge.policy.approve_models = ApproveModels::ApprovedBackbones;
    judge
}

/// Takes the order of a round or of an evaluation, and answers it.
pub(super) fn answer(store: &Arc<Store>, folder: &Path, of_round: bool) {
    let (row, bundle) = (row(store), shipped());
    let order = if of_round {
        Order::CoarseRound(round(&row, &bundle))
    } else {
        Order::Evaluation(comparison(&row, &bundle))
    };
    apply(store, &judge(&bundle), &NumberedOrder { number: 7, order }, NOW).unwrap();
    pipeline(store, folder, judge(&bundle), NOW).tick().unwrap();
}

/// Hears of a candidate over a backbone of its own, fetches it, and says how right it is.
pub(super) fn judge_candidate(store: &Arc<Store>, folder: &Path) {
    let (row, bundle, key) = (row(store), shipped(), SigningKey::load(&folder.join(KEY)).unwrap());
    let candidate = mirrored(&bundle, bundle.head());
    let mut judge = judge(&bundle);
    judge.policy.backbones.push(candidate.manifest().backbone.digest);
    judge.bundle_key = Some(key.public());
    let offered = BundleOrder {
        project: row.definition.name.clone(),
        manifest: Bytes(candidate.manifest_bytes().to_vec()),
        signature: key.sign(candidate.manifest_bytes()),
    };
    let (head, calibration) = (Bytes(Vec::new()), Bytes(Vec::new()));
    let named = Contender { bundle: candidate.id(), head, calibration };
    let asked = EvaluationOrder { candidate: named, ..comparison(&row, &bundle) };
    for (number, order) in [(6, Order::Candidate(offered)), (7, Order::Evaluation(asked))] {
        apply(store, &judge, &NumberedOrder { number, order }, NOW).unwrap();
    }
    fetch_wanted(store, folder, &judge, candidate);
    pipeline(store, folder, judge, NOW).tick().unwrap();
}

/// Fetches what is wanted from a coordinator that has this bundle.
fn fetch_wanted(store: &Store, folder: &Path, judge: &Judge, bundle: Bundle) {
    if store.read("test", |tx| tx.has_wanted()).unwrap() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (link, _served) = link(Pieces(bundle)).await;
            fetch(&link, store, &Shelf::new(folder), judge, None).await.unwrap();
        });
    }
}

/// A coordinator that has the bundle's objects, and gives a third of one at a time.
struct Pieces(Bundle);

impl Handler for Pieces {
    fn handle(&self, _: &Peer, request: Request) -> impl Future<Output = Response> + Send {
        let answer = if let Request::Fetch { object, offset } = request {
            step(); // what came before is in its file
            let mut objects = self.0.objects().into_iter();
            let (_, bytes) = objects.find(|(known, _)| known.digest == object).unwrap();
            let from = usize::try_from(offset).unwrap();
            let to = bytes.len().min(from + bytes.len().div_ceil(3));
            Response::Chunk {
                total_bytes: bytes.len() as u64,
                bytes: Bytes(bytes[from..to].to_vec()),
            }
        } else if matches!(request, Request::Hello(_)) {
            Response::Hello(HelloAnswer { now_unix_s: 0, acknowledged: None })
        } else {
            Response::Refused(Refusal::Malformed)
        };
        ready(answer)
    }

    fn redeem(&self, _: Redemption) -> impl Future<Output = Result<Welcome, Refusal>> + Send {
        ready(Err(Refusal::Token))
    }

    fn is_revoked(&self, _: &Peer) -> bool {
        false
    }
}

/// Hears of the bundle, fetches it, and works with it.
pub(super) fn take(store: &Arc<Store>, folder: &Path) {
    let (bundle, key) = (shipped(), SigningKey::load(&folder.join(KEY)).unwrap());
    let order = BundleOrder {
        project: row(store).definition.name,
        manifest: Bytes(bundle.manifest_bytes().to_vec()),
        signature: key.sign(bundle.manifest_bytes()),
    };
    let mut judge = judge(&bundle);
    judge.bundle_key = Some(key.public());
    apply(store, &judge, &NumberedOrder { number: 1, order: Order::Bundle(order) }, NOW).unwrap();
    fetch_wanted(store, folder, &judge, bundle);
    let mut pipeline = pipeline(store, folder, judge, NOW);
    while pipeline.tick().unwrap() {}
}

/// How far a bundle has come: its state, objects that are whole, whether one is there in part, whether
/// it is in use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    state: Option<&'static str>,
    whole: usize,
    part: bool,
    in_use: bool,
}

/// How far the bundle has come, and by which bundle how many items have a prelabel.
pub(super) fn arrived(folder: &Path) -> (Arrival, Vec<Prelabel>) {
    let (store, shelf, bundle) = (Store::open(folder).unwrap(), Shelf::new(folder), shipped());
    let row = row(&store);
    let known = store.read("test", |tx| tx.bundle(&bundle.id())).unwrap();
    let state = known.map(|known| known.state.name());
    let objects: Vec<_> = bundle.objects().into_iter().map(|(object, _)| object).collect();
    let is_whole = |path: &Path, digest: &[u8; 32]| {
        fs::read(path).is_ok_and(|bytes| blake3::hash(&bytes).as_bytes() == digest)
    };
    for object in &objects {
        let path = shelf.path(&object.digest);
        assert!(!path.exists() || is_whole(&path, &object.digest.0), "in its place it is whole");
    }
    let there = |extension: &str| {
        let at = |digest| shelf.path(digest).with_extension(extension);
        objects.iter().filter(|object| at(&object.digest).exists()).count()
    };
    let arrival =
        Arrival { state, whole: there(""), part: there("part") > 0, in_use: row.bundle.is_some() };
    assert!(!arrival.in_use || row.bundle == Some(bundle.id()));
    assert!(arrival.whole == objects.len() || matches!(state, None | Some("wanted")));
    let prelabels = store
        .read("test", |tx| {
            let mut items = tx.items_in_stage(row.project, Stage::First, 0, 1000)?;
            items.extend(tx.items_in_stage(row.project, Stage::Expert, 0, 1000)?);
            items
                .iter()
                .filter_map(|item| item.prelabel.as_ref())
                .map(|bytes| Prelabel::decode(bytes))
                .collect::<Result<Vec<_>, StoreError>>()
        })
        .unwrap();
    assert!(prelabels.iter().all(|prelabel| prelabel.bundle() == bundle.id()));
    assert!(arrival.in_use || prelabels.is_empty(), "nothing is drafted before it is in use");
    (arrival, prelabels)
}

/// The kills were everywhere, and left these states and no others.
pub(super) fn assert_every_arrival_was_left(end: Arrival, left: &BTreeSet<Arrival>) {
    let all = shipped().objects().len();
    let state = |state: BundleState, whole, part, in_use| Arrival {
        state: Some(state.name()),
        whole,
        part,
        in_use,
    };
    let mut expected = BTreeSet::from([
        Arrival { state: None, whole: 0, part: false, in_use: false },
        state(BundleState::Pending, all, false, false),
        state(BundleState::Ready, all, false, false),
        state(BundleState::Ready, all, false, true),
    ]);
    expected.insert(state(BundleState::Wanted, all, false, false));
    for whole in 0..all {
        // Each is asked for in three pieces; before the first there is an empty file for it.
        expected.insert(state(BundleState::Wanted, whole, true, false));
    }
    expected.insert(state(BundleState::Wanted, 0, false, false));
    assert_eq!(left, &expected);
    assert_eq!(end, state(BundleState::Ready, all, false, true));
}

/// Fits a head, and works on for as long as there is something to do.
pub(super) fn fit(store: &Arc<Store>, folder: &Path) {
    let wanted = [row(store).definition.name].into();
    let judge = judge(&shipped());
    let mut pipeline = pipeline(store, folder, judge, NOW).with_personal(wanted);
    while pipeline.tick().unwrap() {}
}

/// Whether there is a personal head, and which; nothing of it is ever released.
pub(super) fn fitted(folder: &Path) -> (bool, Option<Vec<u8>>) {
    let store = Store::open(folder).unwrap();
    let row = row(&store);
    let (stored, head, released) = store
        .read("test", |tx| {
            let stored = tx.personal_head(row.project)?;
            Ok::<_, StoreError>((stored, PersonalHead::load(tx, &row)?, tx.entries(0, 1)?.len()))
        })
        .unwrap();
    assert_eq!((head.is_some(), released), (stored.is_some(), 0));
    (head.is_some(), stored.map(|row| row.head))
}
