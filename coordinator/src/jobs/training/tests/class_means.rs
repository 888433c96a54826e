//! Runs of class means: one round, whose sum is the head.

use insitu_models::head::Head;
use insitu_models::{class_means, optimiser::Optimiser};
use insitu_protocol::order::RoundOrder;
use insitu_protocol::session::Purpose;

use super::*;
use crate::session::tests::{parties, play};
use crate::store::{Buffering, Mechanism};

fn means() -> Plan {
    let method = Method { mechanism: Mechanism::ClassMeans, ..Method::default() };
    Plan { rounds: Rounds::OfProject, method, ..plan(1, None) }
}

/// The head of the sum over so many sites.
fn expected(sites: usize) -> Vec<f32> {
    let mut sum = vec![0; usize::try_from(WEIGHTS).unwrap()];
    for site in 0..sites {
        sum.iter_mut().zip(values(site, 1)).for_each(|(sum, value)| *sum += i64::from(value));
    }
    class_means::head(bundle().head().shape(), &sum).unwrap().weights().to_vec()
}

#[track_caller]
fn check_order(order: &RoundOrder) {
    assert!(order.asks_for_class_sums());
    assert_eq!((order.parameters(), order.rounds), (68, 1));
    assert_eq!((order.clip_milli, order.fraction_bits), (1000, 12));
    assert_eq!(order.nano_rho, project().training.run_nano_rho);
}

#[test]
fn one_round_makes_the_head_whatever_the_restarts() {
    for restarts in [false, true] {
        let mut scene = Scene::new(&["a", "b", "c"]);
        scene.publish();
        let run = start(scene.bench(), &means(), NOW).unwrap();
        let order = scene
            .orders("a", NOW)
            .into_iter()
            .find_map(|order| if let Order::Round(order) = order { Some(order) } else { None });
        check_order(&order.unwrap());
        for (index, mut agent) in ["a", "b", "c"].map(Agent::new).into_iter().enumerate() {
            let body = Body::Update { run, round: 1 };
            agent.submit(&scene, body, values(index, 1), NOW).unwrap();
            if restarts {
                scene.restart();
            }
            scene.tick(NOW).unwrap();
        }
        let report = report(&scene, run);
        assert_eq!((report.state, report.rounds.len()), ("finished", 1));
        assert_eq!((report.planned, report.method.mechanism), (1, "class-means"));
        assert_eq!(report.published, Some(active(&scene)));
        assert_eq!(weights(&scene), expected(3));
        let last = active(&scene);
        let opened = scene.store.read("open", |tx| scene.registry.open(tx, last)).unwrap();
        let lineage = opened.manifest().lineage.last().unwrap().to_string();
        assert!(lineage.contains("1 of 1 rounds of class means, 3 sites"), "{lineage}");
    }
}

#[test]
fn under_secure_aggregation_the_sum_is_all_that_is_needed() {
    let (mut scene, mut sites) = parties(5);
    let run = start(scene.bench(), &means(), NOW).unwrap();
    let mut now = NOW;
    let order = sites[0].asked(&scene, now).unwrap();
    let Purpose::Update(round) = &order.purpose else { panic!("{:?}", order.purpose) };
    check_order(round);
    for (index, party) in sites.iter_mut().enumerate() {
        party.values = values(index, 1).into_iter().map(i64::from).collect();
    }
    play(&mut scene, &order, &mut sites, &mut now, true);
    scene.tick(now).unwrap();
    let report = report(&scene, run);
    assert_eq!((report.state, report.rounds[0].noise.as_str()), ("finished", "once for all sites"));
    assert_eq!(weights(&scene), expected(5));
}

#[test]
fn what_class_means_cannot_be_is_refused() {
    let scene = Scene::new(&["a"]);
    scene.publish();
    let buffering = Some(Buffering { size: 1, staleness_max: 1 });
    let plans = [
        ("--rounds", Plan { rounds: Rounds::Fixed(2), ..means() }),
        ("--rounds", Plan { rounds: Rounds::Auto { subjects: Some(9) }, ..means() }),
        (
            "--optimiser",
            Plan {
                method: Method { optimiser: Some(Optimiser::FedAvg), ..means().method },
                ..means()
            },
        ),
        (
            "--learning-rate",
            Plan { method: Method { learning_rate: Some(0.1), ..means().method }, ..means() },
        ),
        ("--buffer", Plan { method: Method { buffering, ..means().method }, ..means() }),
    ];
    for (option, plan) in plans {
        let refused = start(scene.bench(), &plan, NOW);
        assert!(
            matches!(refused, Err(TrainingError::Unsuited { what, .. }) if what == option),
            "{option}: {refused:?}"
        );
    }
    let adapter = Head::adapter(bundle().head(), 5).unwrap();
    let next = bundle().successor(adapter, Sentence::new("for a test").unwrap()).unwrap();
    let next = scene.registry.register(&scene.store, &next, &name(), NOW + 1).unwrap();
    publish::promote(&scene.store, &scene.key, next, Some("a test"), NOW + 1).unwrap();
    let refused = start(scene.bench(), &means(), NOW + 2).unwrap_err();
    assert!(matches!(refused, TrainingError::NotClassMeans { .. }), "{refused}");
    assert_eq!(
        refused.to_string(),
        "class means make a softmax head, the bundle in use has one of adapter:5"
    );
}
