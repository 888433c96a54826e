use std::time::Duration;

use insitu_models::robust::Rule;
use insitu_protocol::coarse::coarsen;
use insitu_protocol::ids::Digest;
use insitu_protocol::order::Order;
use insitu_protocol::release::{Body, Values};
use insitu_protocol::response::Refusal;

use super::*;
use crate::downlink;
use crate::round::report::{self, RunReport};
use crate::session::tests::{Party, parties, play};
use crate::store::{Buffering, Method, Promotion, SecureAggregation};
use crate::tests::{Agent, NOW, Scene, name, site};

const WEIGHTS: i32 = 68;

fn plan(rounds: u32, quorum: Option<u32>) -> Plan {
    Plan {
        project: name(),
        rounds: Some(rounds),
        sites: None,
        quorum,
        closes_in: Duration::from_secs(60),
        secure: SecureAggregation::Auto,
        colluders: None,
        method: Method::default(),
        promotion: Promotion::Forced("a test".to_owned()),
    }
}

fn report(scene: &Scene, run: RunId) -> RunReport {
    report::run(&scene.store, run).unwrap().unwrap()
}

/// The round that a site is asked for now.
fn asked(scene: &Scene, name: &str, now: i64) -> Option<(u32, Vec<u8>)> {
    let orders = downlink::poll(&scene.store, &site(name), 0, now).unwrap();
    orders.into_iter().find_map(|numbered| match numbered.order {
        Order::Round(order) | Order::CoarseRound(order) => Some((order.round, order.head.0)),
        Order::Project(_)
        | Order::Bundle(_)
        | Order::Campaign(_)
        | Order::Session(_)
        | Order::Functions(_)
        | Order::Evaluation(_) => None,
    })
}

fn active(scene: &Scene) -> Digest {
    scene.store.read("active", |tx| tx.active_publication(&name())).unwrap().unwrap().bundle
}

/// What a site's update of a round is here: different for each, the same each time.
fn values(site: usize, round: u32) -> Vec<i32> {
    let step = i32::try_from(site).unwrap() + 1;
    let round = i32::try_from(round).unwrap();
    (0..WEIGHTS).map(|cell| (cell * step * 37 + round * 11) % 400 - 200).collect()
}

#[test]
fn a_run_goes_through_its_rounds_and_publishes_the_last_candidate() {
    let scene = Scene::new(&["a", "b"]);
    let first = scene.publish();
    let run = start(scene.bench(), &plan(3, None), NOW).unwrap();
    let mut agents = [Agent::new("a"), Agent::new("b")];
    let mut heads = Vec::new();
    for round in 1..=3 {
        for (index, agent) in agents.iter_mut().enumerate() {
            let (asked, head) = asked(&scene, ["a", "b"][index], NOW).unwrap();
            assert_eq!(asked, round);
            heads.push(head);
            let body = Body::Update { run, round };
            agent.submit(&scene, body, values(index, round), NOW).unwrap();
        }
        scene.tick(NOW).unwrap();
    }
    let report = report(&scene, run);
    assert_eq!((report.state, report.rounds.len()), ("finished", 3));
    assert_eq!(report.published, report.rounds[2].bundle);
    assert_eq!(report.published, Some(active(&scene)));
    assert_ne!(active(&scene), first);
    assert_eq!(heads[0], heads[1], "all sites take the gradient at the same head");
    assert_ne!(heads[1], heads[2]);

    // The result is a whole, signed bundle that names its parent and what it cost.
    let last = active(&scene);
    let row = scene.store.read("bundle", |tx| tx.bundle(last)).unwrap().unwrap();
    scene.key.public().verify(&row.manifest, &row.signature.unwrap()).unwrap();
    let bundle = scene.store.read("open", |tx| scene.registry.open(tx, last)).unwrap();
    assert_eq!(bundle.manifest().parent, Some(first));
    assert_eq!(bundle.manifest().version, 2);
    let lineage = bundle.manifest().lineage.last().unwrap().to_string();
    assert!(lineage.contains("3 of 3 rounds, 2 sites"), "{lineage}");
    assert!(asked(&scene, "a", NOW).is_none(), "a finished run asks for nothing");
}

#[test]
fn stragglers_do_not_hold_a_quorum_up_and_come_too_late() {
    let scene = Scene::new(&["a", "b", "c"]);
    scene.publish();
    let run = start(scene.bench(), &plan(1, Some(2)), NOW).unwrap();
    let body = Body::Update { run, round: 1 };
    let mut agents = [Agent::new("a"), Agent::new("b"), Agent::new("c")];
    agents[0].submit(&scene, body, values(0, 1), NOW).unwrap();
    agents[1].submit(&scene, body, values(1, 1), NOW + 59).unwrap();
    scene.tick(NOW + 59).unwrap();
    assert_eq!(report(&scene, run).state, "open");
    // After the deadline, before the tick: kept for the chain, and not counted.
    agents[2].submit(&scene, body, values(2, 1), NOW + 60).unwrap();
    scene.tick(NOW + 60).unwrap();
    let states: Vec<&str> =
        report(&scene, run).rounds[0].sites.iter().map(|site| site.state).collect();
    assert_eq!(states, ["summed", "summed", "missed"]);
    agents[2].submit(&scene, Body::Confusion { window: 1 }, vec![0; 4], NOW + 61).unwrap();
}

#[test]
fn below_the_quorum_a_run_is_abandoned_and_the_bundle_stays() {
    let scene = Scene::new(&["a", "b", "c"]);
    let first = scene.publish();
    let run = start(scene.bench(), &plan(2, None), NOW).unwrap();
    Agent::new("a").submit(&scene, Body::Update { run, round: 1 }, values(0, 1), NOW).unwrap();
    scene.tick(NOW + 60).unwrap();
    let report = report(&scene, run);
    assert_eq!(report.state, "abandoned");
    assert_eq!(report.reason.as_deref(), Some("round 1: 1 update(s) at the deadline, 2 needed"));
    assert_eq!(active(&scene), first);
    // Another run may start now.
    start(scene.bench(), &plan(2, None), NOW + 61).unwrap();
}

#[test]
fn a_revoked_site_is_left_out_of_the_sum() {
    let scene = Scene::new(&["a", "b"]);
    scene.publish();
    let run = start(scene.bench(), &plan(1, None), NOW).unwrap();
    let body = Body::Update { run, round: 1 };
    Agent::new("a").submit(&scene, body, values(0, 1), NOW).unwrap();
    scene.store.write("revoke", |tx| tx.revoke_site(&site("a"), NOW)).unwrap();
    scene.tick(NOW).unwrap();
    assert_eq!(report(&scene, run).state, "open");
    Agent::new("b").submit(&scene, body, values(1, 1), NOW).unwrap();
    scene.tick(NOW).unwrap();
    let report = report(&scene, run);
    let states: Vec<&str> = report.rounds[0].sites.iter().map(|site| site.state).collect();
    assert_eq!((report.state, states), ("finished", vec!["missed", "summed"]));
}

#[test]
fn order_and_restarts_give_the_same_bundle_but_for_the_runs_id() {
    let heads: Vec<Vec<f32>> = [[0, 1, 2], [2, 0, 1]]
        .into_iter()
        .map(|order| {
            let mut scene = Scene::new(&["a", "b", "c"]);
            scene.publish();
            let run = start(scene.bench(), &plan(4, None), NOW).unwrap();
            let mut agents = ["a", "b", "c"].map(Agent::new);
            for round in 1..=4 {
                for index in order {
                    let body = Body::Update { run, round };
                    agents[index].submit(&scene, body, values(index, round), NOW).unwrap();
                    if order[0] == 2 {
                        scene.restart();
                        scene.tick(NOW).unwrap();
                    }
                }
                scene.tick(NOW).unwrap();
                scene.tick(NOW).unwrap();
            }
            assert_eq!(report(&scene, run).rounds.len(), 4);
            let last = active(&scene);
            let opened = scene.store.read("open", |tx| scene.registry.open(tx, last));
            opened.unwrap().head().weights().to_vec()
        })
        .collect();
    assert_eq!(heads[0], heads[1]);
}

#[test]
fn a_failure_while_closing_leaves_the_round_open() {
    let scene = Scene::new(&["a"]);
    scene.publish();
    let run = start(scene.bench(), &plan(1, None), NOW).unwrap();
    let body = Body::Update { run, round: 1 };
    Agent::new("a").submit(&scene, body, values(0, 1), NOW).unwrap();
    // The disk is gone: objects can be neither read nor written.
    let objects = scene.dir.path().join("objects");
    let aside = scene.dir.path().join("aside");
    std::fs::rename(&objects, &aside).unwrap();
    assert!(scene.tick(NOW).is_err());
    assert_eq!(report(&scene, run).state, "open");
    std::fs::rename(&aside, &objects).unwrap();
    scene.tick(NOW + 600).unwrap();
    assert_eq!(report(&scene, run).state, "finished");
}

#[test]
fn what_makes_no_sense_is_refused_at_the_start() {
    let scene = Scene::new(&["a"]);
    assert!(matches!(
        start(scene.bench(), &plan(1, None), NOW),
        Err(TrainingError::NoBundle { .. })
    ));
    scene.publish();
    for (rounds, quorum) in [(0, None), (1001, None), (1, Some(0)), (1, Some(2))] {
        let refused = start(scene.bench(), &plan(rounds, quorum), NOW);
        assert!(matches!(refused, Err(TrainingError::Range { .. })), "{rounds} {quorum:?}");
    }
    let stranger = Plan { sites: Some(vec![site("z")]), ..plan(1, None) };
    assert!(matches!(start(scene.bench(), &stranger, NOW), Err(TrainingError::NotMember { .. })));
    let run = start(scene.bench(), &plan(1, None), NOW).unwrap();
    assert!(matches!(
        start(scene.bench(), &plan(1, None), NOW),
        Err(TrainingError::StillOpen { run: open }) if open == run
    ));
}

/// Plays the round that is open under secure aggregation.
fn play_round(scene: &mut Scene, sites: &mut [Party], round: u32, now: &mut i64) {
    let order = sites[0].asked(scene, *now).unwrap();
    for (index, party) in sites.iter_mut().enumerate() {
        party.values = values(index, round).into_iter().map(i64::from).collect();
    }
    play(scene, &order, sites, now, round == 2);
    scene.tick(*now).unwrap();
}

fn weights(scene: &Scene) -> Vec<f32> {
    let last = active(scene);
    let opened = scene.store.read("open", |tx| scene.registry.open(tx, last));
    opened.unwrap().head().weights().to_vec()
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

fn alone(rounds: u32, quorum: Option<u32>, method: Method) -> Plan {
    Plan { method, secure: SecureAggregation::Off, ..plan(rounds, quorum) }
}

/// The total and the parts of the last round.
fn summed(scene: &Scene, run: RunId) -> (Vec<i64>, u32) {
    let rounds = scene.store.read("rounds", |tx| tx.rounds(run)).unwrap();
    rounds.into_iter().filter_map(|round| round.sum).next_back().unwrap()
}

/// An update in one byte a coordinate, as an agent makes it.
fn coarse(run: RunId, round: u32, values: &[i32]) -> (Body, Vec<i32>) {
    let (shift, Values(packed)) = coarsen(values);
    (Body::CoarseUpdate { run, round, shift }, packed)
}

#[test]
fn updates_of_one_byte_add_up_exactly() {
    let scene = Scene::new(&["a", "b"]);
    scene.publish();
    let run = alone(1, None, Method { coarse: true, ..Method::default() });
    let run = start(scene.bench(), &run, NOW).unwrap();
    assert!(matches!(scene.orders("a", NOW)[2], Order::CoarseRound(_)));
    let mut expected = vec![0; values(0, 1).len()];
    for (index, mut agent) in ["a", "b"].map(Agent::new).into_iter().enumerate() {
        let whole =
            agent.send(&scene, &agent.next(Body::Update { run, round: 1 }, values(0, 1)), NOW);
        assert_eq!(whole, Err(Refusal::Malformed), "four bytes a value were not asked for");
        agent.pass(&agent.next(Body::Update { run, round: 1 }, values(0, 1)));
        let (body, packed) = coarse(run, 1, &values(index, 1));
        assert_eq!(packed.len(), expected.len() / 4);
        agent.submit(&scene, body, packed.clone(), NOW).unwrap();
        let Body::CoarseUpdate { shift, .. } = body else { panic!("{body:?}") };
        let rounded = insitu_protocol::coarse::refine(&Values(packed), expected.len(), shift);
        expected.iter_mut().zip(rounded.unwrap()).for_each(|(sum, value)| *sum += value);
    }
    scene.tick(NOW).unwrap();
    assert_eq!(report(&scene, run).state, "finished");
    assert_eq!(summed(&scene, run), (expected, 2));
}

#[test]
fn bad_updates_are_refused_and_the_round_goes_on_without_them() {
    let scene = Scene::new(&["a", "b", "c"]);
    scene.publish();
    let method = Method { norm_max_milli: Some(50), ..Method::default() };
    let run = start(scene.bench(), &alone(1, Some(1), method), NOW).unwrap();
    let body = Body::Update { run, round: 1 };
    let mut liar = Agent::new("a");
    let mut refused = |body, values, refusal| {
        let release = liar.next(body, values);
        assert_eq!(liar.send(&scene, &release, NOW), Err(refusal));
        liar.pass(&release);
    };
    refused(body, vec![1; 67], Refusal::Malformed);
    refused(Body::Update { run, round: 2 }, vec![1; 68], Refusal::UnknownObject);
    let other = Body::Update { run: Fixed([9; 16]), round: 1 };
    refused(other, vec![1; 68], Refusal::UnknownObject);
    let (small, packed) = coarse(run, 1, &[1; 68]);
    refused(small, packed, Refusal::Malformed);
    // 12 bits after the point: 50/1000 is 204.8, and the noise of deviation 2 adds little.
    let long = vec![i32::MAX; 68];
    let release = liar.next(body, long);
    let Err(Refusal::OverNorm { got_milli, limit_milli }) = liar.send(&scene, &release, NOW) else {
        panic!("an update of any length is taken")
    };
    assert!(got_milli > 1_000_000_000 && (50..60).contains(&limit_milli), "{limit_milli}");
    liar.pass(&release);
    Agent::new("b").submit(&scene, body, vec![20; 68], NOW).unwrap();
    scene.tick(NOW + 60).unwrap();
    let report = report(&scene, run);
    let states: Vec<&str> = report.rounds[0].sites.iter().map(|site| site.state).collect();
    assert_eq!((report.state, states), ("finished", vec!["missed", "summed", "missed"]));
    assert_eq!(summed(&scene, run), (vec![20; 68], 1));
    let alerts = scene.store.read("alerts", |tx| tx.alerts()).unwrap();
    assert_eq!(alerts.iter().map(|alert| alert.times).sum::<u64>(), 5, "{alerts:?}");
}

#[test]
fn one_site_of_three_cannot_steer_a_robust_round() {
    for (rule, total, parts) in
        [("median", 7, 1), ("trimmed-mean:0.3", 7, 1), ("norm-screen:3", 12, 2)]
    {
        let rule: Rule = rule.parse().unwrap();
        let scene = Scene::new(&["a", "b", "c"]);
        scene.publish();
        let method = Method { aggregation: rule, ..Method::default() };
        let auto = Plan { secure: SecureAggregation::Auto, ..alone(1, None, method) };
        let run = start(scene.bench(), &auto, NOW).unwrap();
        let body = Body::Update { run, round: 1 };
        for (name, value) in [("a", 5), ("b", 1_000_000), ("c", 7)] {
            Agent::new(name).submit(&scene, body, vec![value; 68], NOW).unwrap();
        }
        scene.tick(NOW).unwrap();
        assert_eq!(summed(&scene, run), (vec![total; 68], parts), "{rule}");
        let report = report(&scene, run);
        assert_eq!(
            report.rounds[0].noise,
            "per site, because its aggregation looks at each update"
        );
        assert_eq!(report.method.aggregation, rule.to_string());
        let on = Plan { secure: SecureAggregation::On, ..auto };
        assert!(matches!(start(scene.bench(), &on, NOW), Err(TrainingError::Alone { .. })));
    }
}

#[test]
fn every_optimiser_gives_a_head_of_its_own_and_a_replay_the_same() {
    let mut heads: Vec<Vec<f32>> = Vec::new();
    for optimiser in ["fedavg", "fedavgm", "fedadagrad", "fedadam", "fedyogi"] {
        let twice = [false, true].map(|restarts| {
            let mut scene = Scene::new(&["a"]);
            scene.publish();
            let optimiser = Some(optimiser.parse().unwrap());
            let run = alone(3, None, Method { optimiser, ..Method::default() });
            let run = start(scene.bench(), &run, NOW).unwrap();
            let mut agent = Agent::new("a");
            for round in 1..=3 {
                agent.submit(&scene, Body::Update { run, round }, values(0, round), NOW).unwrap();
                if restarts {
                    scene.restart();
                }
                scene.tick(NOW).unwrap();
            }
            weights(&scene)
        });
        assert_eq!(twice[0], twice[1], "{optimiser}");
        assert!(!heads.contains(&twice[0]), "{optimiser}");
        heads.push(twice[0].clone());
    }
}

/// A run over buffers of two updates, of three sites of which one is slow.
fn buffered_run(scene: &Scene, staleness_max: u32) -> RunId {
    scene.publish();
    let buffering = Some(Buffering { size: 2, staleness_max });
    let plan = alone(3, None, Method { buffering, ..Method::default() });
    start(scene.bench(), &plan, NOW).unwrap()
}

#[test]
fn a_buffer_steps_without_the_slow_whose_updates_count_once_and_less() {
    for kills in [false, true] {
        let mut scene = Scene::new(&["a", "b", "slow"]);
        let run = buffered_run(&scene, 1);
        let [mut a, mut b, mut slow] = ["a", "b", "slow"].map(Agent::new);
        let then = |scene: &mut Scene, kill: bool| {
            if kill {
                scene.restart();
            }
            scene.tick(NOW).unwrap();
        };
        for agent in [&mut a, &mut b] {
            agent.submit(&scene, Body::Update { run, round: 1 }, vec![8; 68], NOW).unwrap();
            then(&mut scene, kills);
        }
        assert_eq!(summed(&scene, run), (vec![2 * 8 * 1024; 68], 2));
        assert_eq!(asked(&scene, "slow", NOW).unwrap().0, 2, "it would start at the newest head");
        // An update of step 1 comes in step 2, and again: it counts once, 1/√2 of a fresh one.
        let late = slow.next(Body::Update { run, round: 1 }, vec![8; 68]);
        for _ in 0..2 {
            slow.send(&scene, &late, NOW).unwrap();
            then(&mut scene, kills);
        }
        slow.pass(&late);
        // Its next one finds its first in the buffer of step 2: it is for step 3.
        slow.submit(&scene, Body::Update { run, round: 2 }, vec![16; 68], NOW).unwrap();
        then(&mut scene, kills);
        assert_eq!(report(&scene, run).rounds.len(), 2);
        b.submit(&scene, Body::Update { run, round: 2 }, vec![16; 68], NOW).unwrap();
        then(&mut scene, kills);
        assert_eq!(summed(&scene, run), (vec![8 * 724 + 16 * 1024; 68], 2));
        // Two steps late is too late, and a version that does not exist yet is nothing.
        a.submit(&scene, Body::Update { run, round: 1 }, vec![99; 68], NOW).unwrap();
        b.submit(&scene, Body::Update { run, round: 1 }, vec![99; 68], NOW).unwrap();
        a.submit(&scene, Body::Update { run, round: 3 }, vec![4; 68], NOW).unwrap();
        then(&mut scene, kills);
        let report = report(&scene, run);
        assert_eq!(report.state, "finished");
        assert_eq!(summed(&scene, run), (vec![16 * 724 + 4 * 1024; 68], 2));
        let staleness: Vec<Option<u32>> =
            report.rounds[2].sites.iter().map(|site| site.staleness).collect();
        assert_eq!(staleness, [Some(0), None, Some(1)]);
    }
}

#[test]
fn a_buffer_that_does_not_fill_is_decided_on_at_its_deadline() {
    let scene = Scene::new(&["a", "b", "c"]);
    scene.publish();
    let buffering = Some(Buffering { size: 3, staleness_max: 5 });
    let plan = alone(2, None, Method { buffering, ..Method::default() });
    let run = start(scene.bench(), &plan, NOW).unwrap();
    let [mut a, mut b] = ["a", "b"].map(Agent::new);
    for agent in [&mut a, &mut b] {
        agent.submit(&scene, Body::Update { run, round: 1 }, vec![8; 68], NOW).unwrap();
    }
    scene.tick(NOW + 59).unwrap();
    assert_eq!(report(&scene, run).rounds.len(), 1);
    scene.tick(NOW + 60).unwrap();
    assert_eq!(report(&scene, run).rounds.len(), 2, "two of three are the quorum");
    a.submit(&scene, Body::Update { run, round: 2 }, vec![8; 68], NOW + 61).unwrap();
    scene.tick(NOW + 120).unwrap();
    let report = report(&scene, run);
    assert_eq!(report.reason.as_deref(), Some("round 2: 1 update(s) at the deadline, 2 needed"));
    let wide = Method { buffering: Some(Buffering { size: 4, staleness_max: 5 }), ..plan.method };
    let refused = start(scene.bench(), &alone(1, None, wide), NOW + 121);
    assert!(matches!(refused, Err(TrainingError::Range { what: "--buffer", .. })));
}
