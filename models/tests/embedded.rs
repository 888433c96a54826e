//! The embedded engine, in a process of its own: a process has one engine.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(feature = "runtime")]

use std::path::PathBuf;

use insitu_models::bundle::Bundle;
use insitu_models::engine::{Engine, Library};
use insitu_models::predict::Predictor;

#[test]
fn it_reproduces_the_golden_outputs_and_is_the_only_engine() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bundles/heart-disease");
    let bundle = Bundle::open(&folder).unwrap();
    let engine = Engine::start(&Library::Embedded).unwrap();
    assert_eq!(engine.name(), "tract 0.23");
    let mut predictor = Predictor::load(&engine, &bundle).unwrap();
    let golden = bundle.golden();
    let found = predictor.features(&golden.input()).unwrap();
    let wanted = golden.features.iter().flatten();
    let largest = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-5, "{largest}");
    for (prediction, confidence) in
        predictor.predict(&golden.input()).unwrap().iter().zip(&golden.confidences)
    {
        assert!((prediction.confidence - f64::from(*confidence)).abs() < 1e-5);
    }
    // The engine that runs stays, whatever is asked for later.
    let again = Engine::start(&Library::At("/nowhere/libonnxruntime.so".into())).unwrap();
    assert_eq!(again.name(), "tract 0.23");
}
