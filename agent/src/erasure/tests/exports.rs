//! Folders of exports that are under way, or were killed: they hold items, and no snapshot names them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::export::{ExportError, Format, Request, export};

#[test]
fn what_a_killed_export_leaves_is_named_until_it_is_gone() {
    let (scratch, row) = testing::with_project();
    let store = &scratch.store;
    testing::add_items(store, &row, 0..10, 10);
    let sam = testing::person(store, "sam", Role::Steward);
    let under_way = || store.read("test", |tx| tx.exports_under_way(row.project)).unwrap();
    let named = |id: &str| {
        let target = (Target::Item(id, &row), &[][..]);
        erase(store, &sam, target, "", 50).unwrap().taken.exports
    };
    let folder = tempfile::tempdir().unwrap();
    let (out, partial) = (folder.path().join("a"), folder.path().join("a.partial"));
    let ids = HashMap::new();
    let request = Request {
        project: &row,
        format: Format::Csv,
        out: &out,
        unlabeled: true,
        people_only: false,
        synthetic: false,
        names: false,
        license: None,
        ids: &ids,
    };
    let export = |request: &Request<'_>, progress: &dyn Fn()| {
        export(store, request, |_| progress()).map(|exported| exported.counts.records)
    };
    assert!(catch_unwind(AssertUnwindSafe(|| export(&request, &|| panic!("killed")))).is_err());
    assert!(partial.exists());
    assert_eq!(under_way(), [partial.display().to_string()]);
    assert_eq!(named("0"), under_way());
    // The next one to the same place starts afresh, and ends.
    assert_eq!(export(&request, &|| {}).unwrap(), 9);
    assert_eq!(under_way(), [""; 0]);
    // One that fails leaves nothing; while it runs it is named as well.
    let other = folder.path().join("b");
    let request = Request { out: &other, ..request };
    let failed = export(&request, &|| assert_eq!(named("1"), under_way()));
    assert!(matches!(failed, Err(ExportError::Erased)), "{failed:?}");
    assert_eq!(under_way(), [""; 0]);
    // What somebody has removed is named no more.
    store.tx("test", |tx| tx.begin_export(row.project, "/gone.partial")).unwrap();
    assert_eq!(named("2"), [""; 0]);
    assert_eq!(under_way(), [""; 0]);
}
