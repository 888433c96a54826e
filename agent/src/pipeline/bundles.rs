//! A bundle in use that does not load any more, and loads again.

use std::path::Path;

use insitu_daemon::clock::ManualClock;
use insitu_models::bundle::Bundle;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::BundleOrder;
use jiff::Timestamp;

use super::tests::{pipeline, site};
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

#[test]
fn a_bundle_in_use_is_shown_as_failed_until_it_loads_again() {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/bundles/heart-disease");
    let shipped = Bundle::open(Path::new(files)).unwrap();
    let site = site(0, 1);
    let definition =
        toml::from_str(include_str!("../../../models/bundles/heart-disease/project.toml")).unwrap();
    let mut row = testing::put(site.store(), &definition);
    row.bundle = Some(shipped.id());
    let order = BundleOrder {
        project: definition.name,
        manifest: Bytes(shipped.manifest_bytes().to_vec()),
        signature: Fixed([0; 64]),
    };
    let backbone = shipped.manifest().backbone.digest;
    site.store().tx("test", |tx| tx.put_bundle(shipped.id(), 1, &order, backbone)).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(0).unwrap()));
    let mut pipeline = pipeline(&site, &clock);
    let mut loads = |now| {
        let loads = pipeline.model(&row, now).unwrap().is_some();
        let known = site.store().read("test", |tx| tx.bundle(&shipped.id())).unwrap().unwrap();
        (loads, known.state, known.note.is_empty())
    };
    assert_eq!(loads(0), (false, BundleState::Failed, false), "its objects are not there");
    let shelf = Shelf::new(site.scratch.folder.path());
    std::fs::create_dir(shelf.folder()).unwrap();
    for (object, bytes) in shipped.objects() {
        std::fs::write(shelf.path(&object.digest), bytes).unwrap();
    }
    assert_eq!(loads(seconds(MODEL_RETRY)), (true, BundleState::Ready, true));
}
