//! Federated training of the shipped head by the shipped recipe, with the very clipping, noise and
//! descent that agents and coordinator use; only the network between them is missing.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(feature = "runtime")]

mod patients;

use insitu_models::engine::{Engine, Library};
use insitu_models::head::Head;
use insitu_models::predict::Predictor;
use insitu_models::train::Descent;
use insitu_privacy::clip::{ClipShape, ClippedSum};
use insitu_privacy::{GaussianScale, Rho, add_noise};
use insitu_protocol::project::{Project, Training};
use patients::{Patient, bundle, folder, patients};

const SITES: [&str; 4] = ["cleveland", "hungary", "switzerland", "va-long-beach"];
const SPLITS: u64 = 12;

/// A patient with features, and whether training may see the label.
struct Case {
    patient: Patient,
    features: Vec<f32>,
    learned: bool,
}

/// A number in 0..1 that depends on the split and the patient alone.
fn draw(split: u64, id: u32) -> f64 {
    let hash = insitu_protocol::ids::digest(format!("{split}/{id}").as_bytes());
    f64::from(u32::from_le_bytes([hash.0[0], hash.0[1], hash.0[2], hash.0[3]])) / 2.0_f64.powi(32)
}

/// Holds about a third of each hospital out; Cleveland's from outside the bundle's own half.
fn split(cases: &mut [Case], split: u64) {
    let own = std::fs::read_to_string(folder().join("trained-on.txt")).unwrap();
    let own: Vec<u32> = own.lines().map(|id| id.parse().unwrap()).collect();
    for case in cases {
        let share = if case.patient.hospital == "cleveland" { 2.0 / 3.0 } else { 1.0 / 3.0 };
        case.learned = own.contains(&case.patient.id) || draw(split, case.patient.id) >= share;
    }
}

/// Mean over the hospitals of the accuracy on held-out patients.
fn accuracy(cases: &[Case], head: &Head) -> f64 {
    let right = |case: &Case| {
        let probabilities = head.probabilities(&case.features, 1.0).unwrap();
        probabilities[case.patient.class] > 0.5
    };
    let of = |site: &str| {
        let held = cases.iter().filter(|case| !case.learned && case.patient.hospital == site);
        let held: Vec<bool> = held.map(right).collect();
        held.iter().filter(|right| **right).count() as f64 / held.len() as f64
    };
    SITES.map(of).iter().sum::<f64>() / 4.0
}

/// One site's release for one round, noised unless `noise` is false.
fn release(cases: &[Case], site: &str, head: &Head, recipe: &Training, noise: bool) -> Vec<i32> {
    let norm = f64::from(recipe.clip_milli) / 1000.0;
    let shape = ClipShape::new(head.weights().len(), norm, recipe.fraction_bits.into()).unwrap();
    let mut sum = ClippedSum::new(shape);
    for case in cases.iter().filter(|case| case.learned && case.patient.hospital == site) {
        let item = (case.features.as_slice(), case.patient.class);
        sum.add(&head.subject_gradient([item]).unwrap()).unwrap();
    }
    let round = Rho::from_nano(recipe.run_nano_rho / u64::from(recipe.rounds));
    let scale = GaussianScale::for_budget(shape.sensitivity(), round).unwrap();
    let values = sum.values();
    let values = if noise { add_noise(&values, scale).unwrap() } else { values };
    values.into_iter().map(|value| i32::try_from(value).unwrap()).collect()
}

fn trained(cases: &[Case], first: &Head, recipe: &Training, noise: bool) -> Head {
    let mut descent = Descent::new(first, recipe.rounds, recipe.learning_rate, recipe.momentum);
    for _ in 0..recipe.rounds {
        let head = descent.head().unwrap();
        let sums = SITES.map(|site| release(cases, site, &head, recipe, noise));
        let sums: Vec<&[i32]> = sums.iter().map(Vec::as_slice).collect();
        descent.step(&sums, recipe.fraction_bits).unwrap();
    }
    descent.result().unwrap()
}

#[test]
fn rounds_under_privacy_improve_the_held_out_accuracy() {
    let bundle = bundle();
    let text = std::fs::read_to_string(folder().join("project.toml")).unwrap();
    let recipe = toml::from_str::<Project>(&text).unwrap().training;
    let engine = Engine::start(&Library::Search).unwrap();
    let mut predictor = Predictor::load(&engine, &bundle).unwrap();
    let mut cases: Vec<Case> = patients(&bundle)
        .into_iter()
        .map(|patient| {
            let features = predictor.features(&patient.row).unwrap();
            Case { patient, features, learned: true }
        })
        .collect();
    let (mut private, mut exact) = (0.0, 0.0);
    for number in 0..SPLITS {
        split(&mut cases, number);
        let first = accuracy(&cases, bundle.head());
        let gain =
            |noise| accuracy(&cases, &trained(&cases, bundle.head(), &recipe, noise)) - first;
        private += gain(true) / SPLITS as f64;
        exact += gain(false) / SPLITS as f64;
    }
    println!("mean gain over {SPLITS} splits: {private:.4} with noise, {exact:.4} without");
    // README.md has .038 and .043. One split's gain deviates by some .02, the mean of twelve by
    // .006: real noise falls below these bounds less than once in 10,000 runs.
    assert!(private > 0.015, "{private}");
    assert!(exact > 0.025, "{exact}");
}
