//! Labels whose items wait for drafts.

use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::BundleOrder;

use super::*;
use crate::store::Tx;
use crate::store::orders::BundleState;

/// A label waits for the draft that it answers only while a model that drafts it may come.
#[test]
fn a_label_does_not_wait_for_a_model_that_nobody_ordered() {
    let site = Site::new("kind = \"class\"", "category");
    let path = site.files.path().join("labels.csv");
    fs::write(&path, "id,it,label\n1,a,present\n2,b,\n").unwrap();
    let bundle = Fixed([8; 32]);
    let order = BundleOrder {
        project: site.row.definition.name.clone(),
        manifest: Bytes(Vec::new()),
        signature: Fixed([0; 64]),
    };
    let ordered = |tx: &Tx<'_>| tx.put_bundle(bundle, 1, &order, Fixed([1; 32]));
    site.store.tx("test", ordered).unwrap();
    assert_eq!(site.bring_in(Format::Csv, &path).readings, 1);
    site.work();
    let stages = || {
        let items =
            [1, 2].map(|item| site.store.read("test", |tx| tx.item(item)).unwrap().unwrap());
        items.map(|item| item.stage)
    };
    assert_eq!(stages(), [Stage::Clean, Stage::Clean]);

    let declined = |tx: &Tx<'_>| tx.set_bundle_state(&bundle, BundleState::Declined, "");
    site.store.tx("test", declined).unwrap();
    site.work();
    // What nobody has labeled waits on: a first model may yet come.
    assert_eq!(stages(), [Stage::Done, Stage::Clean]);
    let annotations = site.store.read("test", |tx| tx.annotations_of(1)).unwrap();
    let reads = crate::review::reads(&annotations).unwrap();
    assert_eq!(crate::route::label_of_record(&reads), Some(&Label::Class(1)));
}
