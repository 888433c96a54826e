use insitu_privacy::secagg::Stage;

use super::*;
use crate::agreement::{self, Estimate};
use crate::session::report::collection;
use crate::session::tests::{Party, parties, play};
use crate::tests::{NOW, Scene, name};

fn plan() -> Plan {
    Plan { project: name(), sites: None, closes_in: Duration::from_secs(600), colluders: None }
}

/// A window of items in units of 2⁻ᵇ, as each site adds it: a confusion matrix, the rest ones.
fn window(scene: &Scene, party: &Party, matrix: [i64; 4]) -> Vec<i64> {
    let order = party.asked(scene, NOW).unwrap();
    let project = crate::tests::project();
    let noisy = usize::from(order.threshold - order.colluders);
    let segments = crate::session::vector::segments(&order.purpose, &project, noisy).unwrap();
    let mut values = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        let unit = 1 << segment.noise.fraction_bits;
        let cell = |at: usize| if number < 2 { matrix[at] } else { 1 };
        values.extend((0..segment.values).map(|at| unit * cell(at)));
    }
    values
}

#[test]
fn a_finished_collection_is_one_more_source_of_every_report() {
    let (mut scene, mut sites) = parties(5);
    let id = start(&scene.store, &plan(), NOW).unwrap();
    assert!(matches!(
        start(&scene.store, &plan(), NOW),
        Err(CollectionError::StillOpen { collection }) if collection == id
    ));
    for party in &mut sites {
        party.values = window(&scene, party, [100, 5, 10, 85]);
    }
    sites[2].leaves_before = Stage::Masked as usize;
    let order = sites[0].asked(&scene, NOW).unwrap();
    let mut now = NOW;
    play(&mut scene, &order, &mut sites, &mut now, true);
    scene.tick(now).unwrap();
    let report = collection(&scene.store, id).unwrap().unwrap();
    let states: Vec<&str> = report.sites.iter().map(|site| site.state).collect();
    assert_eq!(report.state, "finished");
    assert_eq!(states, ["summed", "summed", "missed", "summed", "summed"]);

    let report = agreement::report(&scene.store, &name()).unwrap();
    assert!(report.sites.is_empty());
    let together = report.together.unwrap();
    assert_eq!(together.source, "all sites together (secure aggregation, 4 sites)");
    assert_eq!((together.figures.n, report.overall.n), (800, 800));
    let Estimate::Known { value, deviation, .. } = together.figures.kappa else { panic!() };
    assert!((value - 0.85).abs() < 0.01 && deviation < 0.05, "{value} ± {deviation}");
    let labels = agreement::labels::report(&scene.store, &name()).unwrap().together.unwrap();
    assert_eq!((labels.labels.by_class, labels.labels.total), (vec![440, 360], 800));
    // T − c = 3 sites carry σ² = D²/2ρ together; four added theirs.
    let central = 1.0 / (2.0 * 0.015);
    let ratio = (labels.labels.sd_total / 2.0).powi(2) / central;
    assert!((4.0 / 3.0 - 0.01..4.0 / 3.0 + 0.02).contains(&ratio), "{ratio}");
    assert!(agreement::calibration::report(&scene.store, &name()).unwrap().together.is_some());
}

#[test]
fn failed_attempts_are_tried_again_with_other_sessions_and_then_given_up() {
    let (scene, sites) = parties(4);
    let id = start(&scene.store, &plan(), NOW).unwrap();
    let mut now = NOW;
    let mut seen = Vec::new();
    for attempt in 1..=3 {
        let order = sites[0].asked(&scene, now).unwrap();
        assert!(!seen.contains(&order.binding()) && order.deadlines_unix_s[0] == now + 60);
        seen.push(order.binding());
        scene.tick(now + 359).unwrap();
        assert_eq!(collection(&scene.store, id).unwrap().unwrap().attempts, attempt);
        now += 360; // no site would make a vector any more
        scene.tick(now).unwrap();
    }
    let report = collection(&scene.store, id).unwrap().unwrap();
    assert_eq!((report.state, report.attempts), ("abandoned", 3));
    let reason = report.reason.unwrap();
    let why = "3 attempts failed, the last because 0 of 3 needed sites sent keys in time; a site";
    assert!(
        reason.starts_with(why)
            && reason.ends_with("3 times that of the sum if all other sites collude")
    );
    assert!(sites[0].asked(&scene, now).is_none());
}

#[test]
fn too_small_a_cohort_is_refused_with_the_numbers() {
    let (scene, _sites) = parties(3);
    let refused = start(&scene.store, &plan(), NOW).unwrap_err();
    let CollectionError::Unfit { source } = refused else { panic!("{refused}") };
    assert!(source.to_string().starts_with("3 sites cannot hide one another"), "{source}");
    let long = Plan { closes_in: Duration::from_secs(86_401), ..plan() };
    assert!(matches!(start(&scene.store, &long, NOW), Err(CollectionError::Deadline { .. })));
    assert!(scene.store.read("none", |tx| tx.collections()).unwrap().is_empty());
}
