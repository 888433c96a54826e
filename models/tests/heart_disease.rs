//! The shipped heart-disease bundle, on the engine that this machine has and on the embedded one.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(feature = "runtime")]

mod patients;

use insitu_models::bundle::Bundle;
use insitu_models::engine::{Engine, EngineError, Library};
use insitu_models::manifest::ColumnKind;
use insitu_models::predict::{PredictError, Predictor};
use insitu_protocol::project::{FieldKind, Project};
use patients::{Patient, bundle, folder, patients};

/// Right prelabels of the first bundle, its own half of Cleveland included.
const RIGHT: [(&str, usize, usize); 4] = [
    ("cleveland", 303, 260),
    ("hungary", 294, 240),
    ("switzerland", 123, 94),
    ("va-long-beach", 200, 147),
];

fn rows(patients: &[Patient]) -> Vec<f32> {
    patients.iter().flat_map(|patient| patient.row.clone()).collect()
}

#[test]
fn every_patient_is_prelabeled_as_the_model_card_says() {
    let bundle = bundle();
    let patients = patients(&bundle);
    let mut predictor =
        Predictor::load(&Engine::start(&Library::Search).unwrap(), &bundle).unwrap();
    let predictions = predictor.predict(&rows(&patients)).unwrap();
    assert_eq!(predictions.len(), 920);
    for (hospital, count, right) in RIGHT {
        let at = patients.iter().zip(&predictions).filter(|(p, _)| p.hospital == hospital);
        let hits: Vec<bool> = at.map(|(patient, found)| patient.class == found.class).collect();
        assert_eq!(hits.len(), count, "{hospital}");
        assert_eq!(hits.iter().filter(|hit| **hit).count(), right, "{hospital}");
    }
    for prediction in &predictions {
        assert!((0.5..=1.0).contains(&prediction.confidence));
        assert!((prediction.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn features_have_unit_length_and_do_not_depend_on_the_batch() {
    let bundle = bundle();
    let rows = rows(&patients(&bundle));
    let mut predictor =
        Predictor::load(&Engine::start(&Library::Search).unwrap(), &bundle).unwrap();
    let together = predictor.features(&rows).unwrap();
    let width = bundle.manifest().features;
    for (row, features) in rows.chunks(13).zip(together.chunks(width)).step_by(37) {
        let alone = predictor.features(row).unwrap();
        assert!(alone.iter().zip(features).all(|(a, b)| (a - b).abs() < 1e-6));
    }
    for features in together.chunks(width) {
        let length = features.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-5);
        assert!(features[0] > 0.0, "the component that carries the head's bias");
    }
}

#[test]
fn an_engine_that_computes_something_else_is_refused() {
    let engine = Engine::start(&Library::Search).unwrap();
    let bundle = bundle();
    // Another network of the same interface under the same head.
    let mut objects: Vec<Vec<u8>> = bundle.objects().into_iter().map(|(_, b)| b).collect();
    let offset = 0.5_f32.to_le_bytes(); // the constant component, in the tensor `offset`
    let at = objects[0].windows(4).rposition(|four| four == offset).unwrap();
    objects[0][at..at + 4].copy_from_slice(&0.7_f32.to_le_bytes());
    let mut manifest = bundle.manifest().clone();
    manifest.backbone.digest = insitu_protocol::ids::digest(&objects[0]);
    let mut given = objects.into_iter();
    let other = Bundle::from_objects(manifest.encode().unwrap(), |_| given.next()).unwrap();
    let error = Predictor::load(&engine, &other).unwrap_err();
    assert!(matches!(error, PredictError::Golden { .. }), "{error}");
}

#[test]
fn rows_and_models_that_do_not_fit_are_refused() {
    let engine = Engine::start(&Library::Search).unwrap();
    let mut backbone = engine.load(bundle().backbone(), 13, 34).unwrap();
    assert!(matches!(backbone.run(&[0.0; 14]), Err(EngineError::Rows { got: 14, columns: 13 })));
    assert_eq!(backbone.run(&[]).unwrap(), Vec::<f32>::new());
    assert!(matches!(engine.load(b"not a model", 13, 34), Err(EngineError::Refused { .. })));
}

#[test]
fn the_project_and_the_bundle_belong_together() {
    let text = std::fs::read_to_string(folder().join("project.toml")).unwrap();
    let project: Project = toml::from_str(&text).unwrap();
    let bundle = bundle();
    let manifest = bundle.manifest();
    let classes: Vec<_> = project.classes.iter().map(|class| &class.name).collect();
    assert_eq!(classes, manifest.classes.iter().collect::<Vec<_>>());
    for column in &manifest.columns {
        let kind = match column.kind {
            ColumnKind::Number => FieldKind::Number,
            ColumnKind::Category(_) => FieldKind::Category,
            ColumnKind::Text => FieldKind::Text,
        };
        assert_eq!(project.field(column.name.as_str()).unwrap().kind, kind, "{}", column.name);
    }
    assert!(project.features.len() <= 6);
}
