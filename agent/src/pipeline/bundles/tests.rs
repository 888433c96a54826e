//! Bundles that do not load, and load later.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use insitu_daemon::clock::ManualClock;
use insitu_models::bundle::Bundle;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::BundleOrder;
use jiff::Timestamp;

use super::*;
use crate::pipeline::tests::{Site, pipeline, site};
use crate::prelabel::Shelf;
use crate::prelabel::trial::Trial;
use crate::testing;
use crate::testing::mirrored::{mirrored, unlike_its_golden_outputs};

#[test]
fn a_bundle_in_use_that_does_not_load_is_tried_again_after_a_while() {
    let site = site(3, 3);
    let bundle = Fixed([8; 32]);
    let order = BundleOrder {
        project: site.row.definition.name.clone(),
        manifest: Bytes(b"no manifest".to_vec()),
        signature: Fixed([0; 64]),
    };
    let ready = |tx: &crate::store::Tx<'_>| tx.set_bundle_state(&bundle, BundleState::Ready, "");
    site.store()
        .tx("test", |tx| {
            tx.put_bundle(bundle, 1, &order, Fixed([1; 32]))?;
            tx.use_bundle(site.row.project, &bundle)?;
            ready(tx)
        })
        .unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_000).unwrap()));
    let mut pipeline = pipeline(&site, &clock);
    let mut noted = || {
        pipeline.tick().unwrap();
        let row = site.store().read("test", |tx| tx.bundle(&bundle)).unwrap().unwrap();
        !row.note.is_empty()
    };
    assert!(noted());
    site.store().tx("test", ready).unwrap();
    clock.advance(MODEL_RETRY - Duration::from_secs(1));
    assert!(!noted(), "it is not tried at each tick");
    clock.advance(Duration::from_secs(1));
    assert!(noted());
}

/// A site that uses the shipped bundle, whose objects are not there.
struct Shipped {
    site: Site,
    bundle: Bundle,
    row: ProjectRow,
    pipeline: Pipeline,
}

impl Shipped {
    fn new() -> Self {
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/bundles/heart-disease");
        let bundle = Bundle::open(Path::new(files)).unwrap();
        let site = site(0, 1);
        let definition =
            toml::from_str(include_str!("../../../../models/bundles/heart-disease/project.toml"))
                .unwrap();
        let mut row = testing::put(site.store(), &definition);
        row.bundle = Some(bundle.id());
        let order = BundleOrder {
            project: definition.name,
            manifest: Bytes(bundle.manifest_bytes().to_vec()),
            signature: Fixed([0; 64]),
        };
        let backbone = bundle.manifest().backbone.digest;
        site.store().tx("test", |tx| tx.put_bundle(bundle.id(), 1, &order, backbone)).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(0).unwrap()));
        let pipeline = pipeline(&site, &clock);
        Self { site, bundle, row, pipeline }
    }

    fn arrive(&self) {
        let shelf = Shelf::new(self.site.scratch.folder.path());
        fs::create_dir(shelf.folder()).unwrap();
        for (object, bytes) in self.bundle.objects() {
            fs::write(shelf.path(&object.digest), bytes).unwrap();
        }
    }

    /// Whether there is a model at `now`, and what the bundle's state and its note say.
    fn loads(&mut self, now: i64) -> (bool, BundleState, String) {
        let loads = self.pipeline.model(&self.row, now).unwrap().is_some();
        let known = self.site.store().read("test", |tx| tx.bundle(&self.bundle.id()));
        let known = known.unwrap().unwrap();
        (loads, known.state, known.note)
    }
}

#[test]
fn a_bundle_in_use_is_shown_as_failed_until_it_loads_again() {
    let mut shipped = Shipped::new();
    let (loads, state, note) = shipped.loads(0);
    assert_eq!((loads, state), (false, BundleState::Failed), "its objects are not there");
    assert!(!note.is_empty());
    shipped.arrive();
    let again = shipped.loads(seconds(MODEL_RETRY));
    assert_eq!(again, (true, BundleState::Ready, String::new()));
}

#[test]
fn a_model_is_dropped_when_a_newer_version_of_the_project_has_other_classes() {
    let mut shipped = Shipped::new();
    shipped.arrive();
    assert!(shipped.loads(0).0);
    let class = shipped.row.definition.classes.pop().unwrap();
    let (loads, state, note) = shipped.loads(1);
    assert_eq!((loads, state), (false, BundleState::Failed));
    assert!(note.contains("its 2 classes are not the project's 1"), "{note}");
    shipped.row.definition.classes.push(class);
    assert!(!shipped.loads(2).0, "it is not tried at each tick");
    let again = shipped.loads(1 + seconds(MODEL_RETRY));
    assert_eq!(again, (true, BundleState::Ready, String::new()));
}

/// A site that uses the shipped bundle, and has a newer one, approved and whole.
struct Two {
    shipped: Shipped,
    newer: Bundle,
}

impl Two {
    fn new() -> Self {
        let shipped = Shipped::new();
        let newer = mirrored(&shipped.bundle, shipped.bundle.head());
        let (store, data) = (shipped.site.store(), shipped.site.scratch.folder.path());
        for (number, bundle) in [(1, &shipped.bundle), (2, &newer)] {
            testing::publish(store, data, &shipped.row, bundle, number);
        }
        let (project, older) = (shipped.row.project, shipped.bundle.id());
        store.tx("test", |tx| tx.use_bundle(project, &older)).unwrap();
        Self { shipped, newer }
    }

    fn folder(&self) -> &Path {
        self.shipped.site.scratch.folder.path()
    }

    /// Trials that note themselves in a file `tries`, and whose child dies while there is no file
    /// `survives`.
    fn with_fragile_trials(&mut self) {
        let script = r#"echo >> "$0/tries"; test -e "$0/survives" || kill -ABRT $$"#;
        let mut arguments = ["-c", script].map(OsString::from).to_vec();
        arguments.push(self.folder().into());
        self.shipped.pipeline.trial = Some(Trial::new(PathBuf::from("/bin/sh"), arguments));
    }

    fn tries(&self) -> usize {
        fs::read(self.folder().join("tries")).unwrap_or_default().len()
    }

    /// Whether the newer bundle is in use after a look at `now`.
    fn uses_newer(&mut self, now: i64) -> bool {
        let store = self.shipped.site.store();
        let row = store.read("test", |tx| tx.project_by_key(self.shipped.row.project));
        self.shipped.row = self.shipped.pipeline.activate(row.unwrap().unwrap(), now).unwrap();
        self.shipped.row.bundle == Some(self.newer.id())
    }

    /// What is said of the newer bundle.
    fn newer(&self) -> (BundleState, String) {
        let row = self.shipped.site.store().read("test", |tx| tx.bundle(&self.newer.id()));
        row.unwrap().map(|row| (row.state, row.note)).unwrap()
    }

    fn set_newer(&self, state: BundleState) {
        let set = |tx: &crate::store::Tx<'_>| tx.set_bundle_state(&self.newer.id(), state, "");
        self.shipped.site.store().tx("test", set).unwrap();
    }
}

#[test]
fn a_bundle_whose_trial_dies_is_tried_again_ever_later_while_the_old_one_works() {
    let mut two = Two::new();
    two.with_fragile_trials();
    let retry = seconds(MODEL_RETRY);
    let tried: Vec<(i64, usize)> = [0, retry - 1, retry, 3 * retry - 1, 3 * retry, 7 * retry - 1]
        .map(|now| {
            assert!(!two.uses_newer(now));
            (now, two.tries())
        })
        .to_vec();
    let expected = [1, 1, 2, 2, 3, 3];
    assert_eq!(tried.iter().map(|(_, tries)| *tries).collect::<Vec<_>>(), expected, "{tried:?}");
    let (state, note) = two.newer();
    assert_eq!(state, BundleState::Ready);
    assert!(note.contains("SIGABRT"), "{note}");

    fs::write(two.folder().join("survives"), "").unwrap();
    assert!(two.uses_newer(7 * retry));
    assert_eq!(two.newer(), (BundleState::Ready, String::new()));
}

#[test]
fn a_bundle_whose_objects_are_damaged_is_wanted_again() {
    let mut two = Two::new();
    let shelf = Shelf::new(two.folder());
    let (head, bytes) = two.newer.objects().remove(1);
    fs::write(shelf.path(&head.digest), "damaged").unwrap();
    assert!(!two.uses_newer(0));
    let (state, note) = two.newer();
    assert_eq!(state, BundleState::Wanted, "{note}");
    // As what fetches it does.
    fs::write(shelf.path(&head.digest), bytes).unwrap();
    two.set_newer(BundleState::Ready);
    assert!(two.uses_newer(1), "no pause holds up what was mended");
}

#[test]
fn a_decision_that_comes_during_a_trial_stands() {
    let two = Two::new();
    let store = two.shipped.site.store();
    // Decided between what a look saw, and what it does about it.
    two.set_newer(BundleState::Pending);
    let id = two.newer.id();
    let late = |tx: &crate::store::Tx<'_>| {
        tx.move_bundle(&id, BundleState::Ready, BundleState::Ready, "tried")
    };
    assert!(!store.tx("test", late).unwrap());
    assert_eq!(two.newer(), (BundleState::Pending, String::new()));
}

#[test]
fn a_bundle_that_does_not_do_what_it_promises_is_not_tried_again() {
    let mut two = Two::new();
    let broken = unlike_its_golden_outputs(&two.shipped.bundle);
    let (store, row) = (two.shipped.site.store(), &two.shipped.row);
    testing::publish(store, two.folder(), row, &broken, 3);
    two.newer = broken;
    assert!(!two.uses_newer(0));
    let (state, note) = two.newer();
    assert_eq!(state, BundleState::Failed, "{note}");
    assert!(!two.uses_newer(seconds(MODEL_RETRY_MAX)));
}

#[test]
fn an_older_bundle_takes_the_place_of_one_in_use_only_when_the_steward_declines_it() {
    let mut two = Two::new();
    assert!(two.uses_newer(0));
    // As after a restart, on a damaged disk.
    two.shipped.pipeline.models.clear();
    let shelf = Shelf::new(two.folder());
    let away = two.folder().join("away");
    fs::rename(shelf.folder(), &away).unwrap();
    let row = two.shipped.row.clone();
    assert!(two.shipped.pipeline.model(&row, 1).unwrap().is_none());
    assert_eq!(two.newer().0, BundleState::Failed);
    fs::rename(&away, shelf.folder()).unwrap();
    assert!(two.uses_newer(2), "the older one, which loads, may have been withdrawn");
    let retry = 1 + seconds(MODEL_RETRY);
    assert!(two.shipped.pipeline.model(&row, retry).unwrap().is_some());
    assert_eq!(two.newer(), (BundleState::Ready, String::new()));

    // Declined while it does not load, it stays declined.
    two.set_newer(BundleState::Declined);
    two.shipped.pipeline.models.clear();
    fs::rename(shelf.folder(), &away).unwrap();
    assert!(two.shipped.pipeline.model(&row, retry).unwrap().is_none());
    fs::rename(&away, shelf.folder()).unwrap();
    assert_eq!(two.newer().0, BundleState::Declined);
    assert!(!two.uses_newer(retry));
    two.set_newer(BundleState::Ready);
    assert!(two.uses_newer(retry), "the steward has thought better of it");
}
