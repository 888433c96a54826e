//! A library that is configured but does not load, in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(feature = "runtime")]

use insitu_models::engine::{Engine, EngineError, Library};

#[test]
fn a_named_library_that_does_not_load_is_an_error_and_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libonnxruntime.so");
    std::fs::write(&path, b"no library").unwrap();
    let refused = Engine::start(&Library::At(path.clone()));
    assert!(matches!(refused, Err(EngineError::Library { path: named, .. }) if named == path));
    assert_eq!(Engine::start(&Library::Embedded).unwrap().name(), "tract 0.23");
}
