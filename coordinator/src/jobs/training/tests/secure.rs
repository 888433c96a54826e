//! Runs under secure aggregation.

use insitu_models::head::{Head, HeadKind};
use insitu_protocol::response::Refusal;

use super::*;
use crate::session::tests::{Party, parties, play};

/// Plays the round that is open under secure aggregation.
fn play_round(scene: &mut Scene, sites: &mut [Party], round: u32, now: &mut i64) {
    let order = sites[0].asked(scene, *now).unwrap();
    for (index, party) in sites.iter_mut().enumerate() {
        party.values = values(index, round).into_iter().map(i64::from).collect();
    }
    play(scene, &order, sites, now, round == 2);
    scene.tick(*now).unwrap();
}

#[test]
fn a_run_under_secure_aggregation_gives_what_the_sum_of_the_updates_gives() {
    let (mut scene, mut sites) = parties(5);
    let run = start(scene.bench(), &plan(3, None), NOW).unwrap();
    assert!(asked(&scene, "site-0", NOW).is_none(), "nobody is asked for an update of its own");
    let mut now = NOW;
    for round in 1..=3 {
        play_round(&mut scene, &mut sites, round, &mut now);
    }
    let together = report(&scene, run);
    assert_eq!((together.state, together.rounds.len()), ("finished", 3));
    for round in &together.rounds {
        assert_eq!(round.noise, "once for all sites");
        assert!(round.sites.iter().all(|site| site.state == "summed"));
    }

    let alone = Scene::new(&["site-0", "site-1", "site-2", "site-3", "site-4"]);
    alone.publish();
    let off = Plan { secure: SecureAggregation::Off, ..plan(3, None) };
    let run = start(alone.bench(), &off, NOW).unwrap();
    let mut agents = [0, 1, 2, 3, 4].map(|index| Agent::new(&format!("site-{index}")));
    for round in 1..=3 {
        for (index, agent) in agents.iter_mut().enumerate() {
            agent.submit(&alone, Body::Update { run, round }, values(index, round), NOW).unwrap();
        }
        alone.tick(NOW).unwrap();
    }
    assert_eq!(report(&alone, run).rounds[0].noise, "per site, because secure aggregation is off");
    assert_eq!(weights(&scene), weights(&alone));
}

#[test]
fn a_round_is_asked_for_and_closes_without_the_orders_of_sessions_before() {
    let (mut scene, mut sites) = parties(4);
    let run = start(scene.bench(), &plan(2, None), NOW).unwrap();
    let mut now = NOW;
    play_round(&mut scene, &mut sites, 1, &mut now);
    let file = rusqlite::Connection::open(scene.dir.path().join("store.db")).unwrap();
    let orders = "UPDATE session SET session_order = x'' WHERE step = 1 AND state = 'summed'";
    assert_eq!(file.execute(orders, []), Ok(1));
    play_round(&mut scene, &mut sites, 2, &mut now);
    assert_eq!(report(&scene, run).state, "finished");
}

#[test]
fn a_round_that_no_session_sums_falls_back_or_ends_the_run() {
    for (secure, falls_back) in [(SecureAggregation::Auto, true), (SecureAggregation::On, false)] {
        let (mut scene, mut sites) = parties(4);
        let run = start(scene.bench(), &Plan { secure, ..plan(2, None) }, NOW).unwrap();
        let mut now = NOW;
        play_round(&mut scene, &mut sites, 1, &mut now);
        let order = sites[0].asked(&scene, now).unwrap();
        assert_eq!(order.purpose.occasion().1, 2);
        for _ in 0..3 {
            now += 36;
            scene.tick(now).unwrap();
        }
        let why = "3 attempts failed, the last because 0 of 3 needed sites sent keys in time";
        if !falls_back {
            let report = report(&scene, run);
            assert_eq!(report.state, "abandoned");
            assert!(report.reason.unwrap().starts_with(why));
            continue;
        }
        assert_eq!(asked(&scene, "site-0", now).unwrap().0, 2);
        let mut agents = [0, 1, 2].map(|index| Agent::new(&format!("site-{index}")).renamed("a2"));
        for (index, agent) in agents.iter_mut().enumerate() {
            let body = Body::Update { run, round: 2 };
            agent.submit(&scene, body, values(index, 2), now).unwrap();
        }
        scene.tick(now + 60).unwrap();
        let report = report(&scene, run);
        assert_eq!(report.state, "finished");
        assert_eq!(report.rounds[0].noise, "once for all sites");
        assert!(report.rounds[1].noise.starts_with(&format!("per site, because {why}")));
    }
}

#[test]
fn too_small_a_cohort_trains_alone_unless_that_is_refused() {
    let (scene, _sites) = parties(3);
    let on = Plan { secure: SecureAggregation::On, ..plan(1, None) };
    let refused = start(scene.bench(), &on, NOW).unwrap_err().to_string();
    assert!(refused.starts_with("no secure aggregation: 3 sites cannot hide"), "{refused}");
    let run = start(scene.bench(), &plan(1, None), NOW).unwrap();
    let noise = &report(&scene, run).rounds[0].noise;
    assert!(noise.starts_with("per site, because 3 sites cannot hide one another"), "{noise}");
    assert_eq!(asked(&scene, "site-0", NOW).unwrap().0, 1);
}

/// Five units between the features and the classes: 5 × 34 weights and 2 × 5.
const UNITS: usize = 5;
const ADAPTER_WEIGHTS: i32 = 180;

fn publish_adapter(scene: &Scene) {
    let adapter = Head::adapter(bundle().head(), UNITS).unwrap();
    let next = bundle().successor(adapter, Sentence::new("for a test").unwrap()).unwrap();
    let (store, now) = (&scene.store, NOW + 1);
    let digest = scene.registry.register(store, &next, &name(), now).unwrap();
    publish::promote(store, &scene.key, digest, Some("a test"), now).unwrap();
}

fn adapter_values(site: usize, round: u32) -> Vec<i32> {
    let seed = i32::try_from(site).unwrap() * 7 + i32::try_from(round).unwrap();
    (0..ADAPTER_WEIGHTS).map(|cell| (cell * 31 + seed * 13) % 400 - 200).collect()
}

/// A run of an adapter alone, and under secure aggregation with the coordinator killed before each
/// message of a round: the same sums, and so the same head of the same kind.
#[test]
fn a_head_with_a_hidden_layer_is_trained_exactly_through_restarts() {
    let (mut scene, mut sites) = parties(5);
    publish_adapter(&scene);
    start(scene.bench(), &plan(3, None), NOW + 2).unwrap();
    let mut now = NOW + 2;
    for round in 1..=3 {
        let order = sites[0].asked(&scene, now).unwrap();
        for (index, party) in sites.iter_mut().enumerate() {
            party.values = adapter_values(index, round).into_iter().map(i64::from).collect();
        }
        play(&mut scene, &order, &mut sites, &mut now, round == 2);
        scene.tick(now).unwrap();
    }
    let last = active(&scene);
    let bundle = scene.store.read("open", |tx| scene.registry.open(tx, last)).unwrap();
    assert_eq!(bundle.manifest().kind, HeadKind::Adapter { units: UNITS });
    assert_eq!(bundle.manifest().version, 3);

    let names = ["site-0", "site-1", "site-2", "site-3", "site-4"];
    let mut alone = Scene::new(&names);
    alone.publish();
    publish_adapter(&alone);
    let off = Plan { secure: SecureAggregation::Off, ..plan(3, None) };
    let run = start(alone.bench(), &off, NOW + 2).unwrap();
    let mut agents = names.map(Agent::new);
    let body = |round| Body::Update { run, round };
    for round in 1..=3 {
        for (index, agent) in agents.iter_mut().enumerate() {
            agent.submit(&alone, body(round), adapter_values(index, round), NOW + 2).unwrap();
            alone.restart();
        }
        alone.tick(NOW + 2).unwrap();
    }
    assert_eq!(weights(&alone), weights(&scene));
    assert_eq!(weights(&alone).len(), 180);
}

#[test]
fn a_round_of_an_adapter_takes_as_many_coordinates_as_it_has() {
    let names = ["site-0", "site-1", "site-2"];
    let scene = Scene::new(&names);
    scene.publish();
    publish_adapter(&scene);
    let off = Plan { secure: SecureAggregation::Off, ..plan(1, None) };
    let run = start(scene.bench(), &off, NOW + 2).unwrap();
    let body = Body::Update { run, round: 1 };
    let [mut linear, mut adapter, _] = names.map(Agent::new);
    let got = linear.submit(&scene, body, values(0, 1), NOW + 2);
    assert_eq!(got, Err(Refusal::Malformed), "classes times features");
    adapter.submit(&scene, body, adapter_values(1, 1), NOW + 2).unwrap();
}
