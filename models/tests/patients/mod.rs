//! The shipped bundle and its patients, for the tests beside this folder.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::PathBuf;

use insitu_models::bundle::Bundle;
use insitu_models::columns::{self, FieldValue};

/// A patient as the bundle sees one.
pub(crate) struct Patient {
    pub(crate) id: u32,
    pub(crate) hospital: String,
    pub(crate) row: Vec<f32>,
    pub(crate) class: usize,
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bundles/heart-disease")
}

pub(crate) fn bundle() -> Bundle {
    Bundle::open(&folder()).unwrap()
}

/// All 920. No field of the file is quoted, so lines are split at commas.
pub(crate) fn patients(bundle: &Bundle) -> Vec<Patient> {
    let text = std::fs::read_to_string(folder().join("patients.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let patient = |cells: Vec<&str>| {
        let cell = |name: &str| cells[header.iter().position(|h| *h == name).unwrap()];
        let columns = &bundle.manifest().columns;
        let classes = &bundle.manifest().classes;
        Patient {
            id: cell("id").parse().unwrap(),
            hospital: cell("hospital").to_owned(),
            row: columns::row(columns, |name| Some(FieldValue::Text(cell(name)))).unwrap(),
            class: classes.iter().position(|class| class.as_str() == cell("label")).unwrap(),
        }
    };
    lines.map(patient).collect()
}
