use insitu_protocol::project::Task;
use insitu_protocol::release::Body;

use super::*;
use crate::tests::{Agent, NOW, Scene, name, precise};

/// Two sites; each releases a confusion and a coincidence matrix.
fn scene() -> Scene {
    let scene = Scene::of(&["a", "b"], &precise());
    for (site, matrix) in [("a", [400, 20, 30, 350]), ("b", [200, 80, 60, 160])] {
        let mut agent = Agent::new(site);
        let confusion = Body::Confusion { window: 1 };
        agent.submit(&scene, confusion, matrix.to_vec(), NOW).unwrap();
        let coincidence = Body::Coincidence { window: 1 };
        agent.submit(&scene, coincidence, matrix.to_vec(), NOW).unwrap();
    }
    scene
}

fn known(estimate: &Estimate) -> (f64, f64, f64) {
    match estimate {
        Estimate::Known { value, low, high, .. } => (*value, *low, *high),
        Estimate::Undefined { undefined } => panic!("{undefined}"),
    }
}

#[test]
fn sites_and_their_sum_have_figures_with_intervals() {
    let scene = scene();
    let report = report(&scene.store, &name()).unwrap();
    // By hand, noise of variance 4 on each cell taken out of the products (κ of site a).
    let (kappa, low, high) = known(&report.sites[0].figures.kappa);
    assert!((kappa - 0.8746).abs() < 2e-3, "{kappa}");
    assert!(low < kappa && kappa < high && high - low < 0.1);
    let (share, ..) = known(&report.sites[0].figures.agreement);
    assert!((share - 750.0 / 800.0).abs() < 1e-12);
    assert_eq!((report.overall.n, report.overall.windows), (1300, 2));
    let between = known(&report.overall.kappa).0;
    assert!(known(&report.sites[1].figures.kappa).0 < between && between < kappa);
    let PooledEstimate::Known { value, low, high, sites, .. } = report.pooled.kappa else {
        panic!("{:?}", report.pooled.kappa)
    };
    assert!(low < value && value < high && sites == 2);
    assert!(matches!(report.pooled.alpha, PooledEstimate::Known { sites: 2, .. }));
}

#[test]
fn too_little_is_said_so_and_nothing_as_well() {
    let scene = Scene::new(&["a"]);
    let nothing = report(&scene.store, &name()).unwrap();
    assert!(nothing.sites.is_empty());
    assert!(matches!(nothing.overall.kappa, Estimate::Undefined { .. }));
    Agent::new("a").submit(&scene, Body::Confusion { window: 1 }, vec![3, 1, 2, 4], NOW).unwrap();
    let little = report(&scene.store, &name()).unwrap();
    let Estimate::Undefined { undefined } = &little.sites[0].figures.kappa else { panic!() };
    assert!(undefined.starts_with("not enough data: 10 items"), "{undefined}");
    assert!(matches!(little.sites[0].figures.agreement, Estimate::Undefined { .. }));
}

#[test]
fn windows_add_up_before_anything_is_estimated() {
    let scene = Scene::of(&["a"], &precise());
    let mut agent = Agent::new("a");
    for window in 1..=2 {
        let body = Body::Confusion { window };
        agent.submit(&scene, body, vec![200, -10, 40, 150], NOW).unwrap();
    }
    let labels = labels::report(&scene.store, &name()).unwrap();
    let overall = labels.overall.unwrap();
    assert_eq!((overall.by_class, overall.total), (vec![480, 280], 760));
    // Two windows of variance 4, two cells in a class and four in all.
    assert!((overall.sd_by_class - 4.0).abs() < 1e-12);
    assert!((overall.sd_total - 32.0_f64.sqrt()).abs() < 1e-12);
    let report = report(&scene.store, &name()).unwrap();
    assert_eq!((report.sites[0].figures.windows, report.sites[0].figures.n), (2, 760));
}

#[test]
fn labels_of_another_kind_have_the_share_of_prelabels_kept_alone() {
    let scene = Scene::of(&["a"], &Project { task: Task::Classes, ..precise() });
    let mut agent = Agent::new("a");
    agent.submit(&scene, Body::Confusion { window: 1 }, vec![900, 3, -2, 800], NOW).unwrap();
    let counts = vec![90, 110, 70, 130, 50, 150, 30, 170, 10, 190];
    agent.submit(&scene, Body::Calibration { window: 1 }, counts, NOW).unwrap();
    let report = report(&scene.store, &name()).unwrap();
    for figures in [&report.sites[0].figures, &report.overall] {
        assert_eq!((figures.windows, figures.n), (1, 1000));
        let (value, low, high) = known(&figures.agreement);
        assert!((value - 0.75).abs() < 1e-12 && low < 0.75 && 0.75 < high && high - low < 0.06);
        let none = Estimate::Undefined { undefined: "labels of the kind classes have none".into() };
        assert_eq!((&figures.kappa, &figures.alpha), (&none, &none));
    }
}

#[test]
fn calibration_has_a_share_for_each_range_of_confidence() {
    let scene = Scene::new(&["a"]);
    // Wrong and right in five bins between 0.5 and 1.
    let counts = vec![90, 110, 70, 130, 50, 150, 30, 170, 10, 190];
    let body = Body::Calibration { window: 1 };
    Agent::new("a").submit(&scene, body, counts, NOW).unwrap();
    let report = calibration::report(&scene.store, &name()).unwrap();
    let calibration::CalibrationFigures::Known { n, error, bins, .. } = &report.sites[0].figures
    else {
        panic!("{:?}", report.sites[0].figures)
    };
    assert!((n - 1000.0).abs() < 1e-9 && *error < 0.05);
    assert_eq!(bins.len(), 5);
    assert!((bins[1].from - 0.6).abs() < 1e-12 && (bins[1].to - 0.7).abs() < 1e-12);
    let share = bins[1].accuracy.unwrap();
    assert!(share.low < 0.65 && 0.65 < share.high);
}

#[test]
fn little_noise_has_the_variance_of_its_distribution() {
    let release = Agent::new("a").next(Body::Confusion { window: 1 }, vec![1; 4]);
    let variance = |scale_1024| {
        let release = insitu_protocol::release::Release { scale_1024, ..release.clone() };
        counts::noised(&release).unwrap().variance()
    };
    assert!((variance(8 * 1024) - 64.0).abs() < 1e-9);
    // s = 1/2: (2e⁻² + 8e⁻⁸) / (1 + 2e⁻² + 2e⁻⁸), below s² = 1/4.
    assert!((variance(512) - 0.2150).abs() < 1e-4);
}
