//! A bundle in use that does not load any more, and loads again.

use std::path::Path;

use insitu_daemon::clock::ManualClock;
use insitu_models::bundle::Bundle;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::BundleOrder;
use jiff::Timestamp;

use super::tests::{Site, pipeline, site};
use super::*;
use crate::testing;

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
            toml::from_str(include_str!("../../../models/bundles/heart-disease/project.toml"))
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
        std::fs::create_dir(shelf.folder()).unwrap();
        for (object, bytes) in self.bundle.objects() {
            std::fs::write(shelf.path(&object.digest), bytes).unwrap();
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
