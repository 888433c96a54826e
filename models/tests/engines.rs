//! Both engines compute the same features. A process has one engine, so the test starts itself a
//! second time.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(feature = "runtime")]

mod patients;

use std::path::Path;
use std::process::Command;

use insitu_models::engine::{Engine, Library};
use insitu_models::predict::Predictor;
use patients::{bundle, patients};

/// Set in the second process: where to write the embedded engine's features.
const OUTPUT: &str = "INSITU_TEST_FEATURES";

fn features(library: &Library) -> (String, Vec<f32>) {
    let bundle = bundle();
    let rows: Vec<f32> = patients(&bundle).into_iter().flat_map(|patient| patient.row).collect();
    let engine = Engine::start(library).unwrap();
    let features = Predictor::load(&engine, &bundle).unwrap().features(&rows).unwrap();
    (engine.name().to_owned(), features)
}

fn embedded_in_another_process(output: &Path) -> Vec<f32> {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_engines_agree_on_every_patient"])
        .env(OUTPUT, output)
        .status()
        .unwrap();
    assert!(status.success());
    let bytes = std::fs::read(output).unwrap();
    bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

#[test]
fn the_engines_agree_on_every_patient() {
    if let Some(output) = std::env::var_os(OUTPUT) {
        let (_, features) = features(&Library::Embedded);
        let bytes: Vec<u8> = features.iter().flat_map(|value| value.to_le_bytes()).collect();
        return std::fs::write(output, bytes).unwrap();
    }
    let (name, first) = features(&Library::Search);
    let dir = tempfile::tempdir().unwrap();
    let second = embedded_in_another_process(&dir.path().join("features"));
    assert_eq!((first.len(), second.len()), (920 * 34, 920 * 34));
    let largest = first.iter().zip(&second).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if name.starts_with("tract") {
        println!("no libonnxruntime here: the embedded engine was compared with itself");
    }
    println!("{name} and the embedded engine differ by at most {largest:e}");
    assert!(largest < 1e-5, "{largest}");
}
