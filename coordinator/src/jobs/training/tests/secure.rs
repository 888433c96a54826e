//! Runs under secure aggregation.

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
fn a_round_that_no_session_sums_falls_back_or_ends_the_run() {
    for (secure, falls_back) in [(SecureAggregation::Auto, true), (SecureAggregation::On, false)] {
        let (mut scene, mut sites) = parties(4);
        let run = start(scene.bench(), &Plan { secure, ..plan(2, None) }, NOW).unwrap();
        let mut now = NOW;
        play_round(&mut scene, &mut sites, 1, &mut now);
        let order = sites[0].asked(&scene, now).unwrap();
        assert_eq!(order.purpose.occasion().1, 2);
        for _ in 0..3 {
            now += 120;
            scene.tick(now).unwrap();
        }
        let why = "3 attempts failed, the last because 0 of 3 needed sites sent keys in time";
        if !falls_back {
            let report = report(&scene, run);
            assert_eq!((report.state, report.reason.as_deref()), ("abandoned", Some(why)));
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
        assert_eq!(report.rounds[1].noise, format!("per site, because {why}"));
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
