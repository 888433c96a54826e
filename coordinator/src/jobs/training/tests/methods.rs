//! What updates may look like, and how they become steps.

use insitu_models::robust::Rule;
use insitu_protocol::coarse::coarsen;
use insitu_protocol::release::Values;
use insitu_protocol::response::Refusal;

use super::*;
use crate::store::Buffering;

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
        let whole = agent.next(Body::Update { run, round: 1 }, values(0, 1));
        let whole = priced(&scene.store, whole);
        let refused = agent.send(&scene, &whole, NOW);
        assert_eq!(refused, Err(Refusal::Malformed), "four bytes a value were not asked for");
        agent.pass(&whole);
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
        let release = priced(&scene.store, liar.next(body, values));
        assert_eq!(liar.send(&scene, &release, NOW), Err(refusal));
        liar.pass(&release);
    };
    refused(body, vec![1; 67], Refusal::Malformed);
    refused(Body::Update { run, round: 2 }, vec![1; 68], Refusal::UnknownObject);
    let other = Body::Update { run: Fixed([9; 16]), round: 1 };
    refused(other, vec![1; 68], Refusal::UnknownObject);
    let (small, packed) = coarse(run, 1, &[1; 68]);
    refused(small, packed, Refusal::Malformed);
    // 12 bits after the point: 50/1000 is 204.8. The noise of 68 coordinates, of deviation 3,712 each,
    // is about 30,600 long, 7.5 in the gradient's unit; with six deviations of its square, 10.6.
    // The noise that is allowed for is the run's, whatever an update says of its own.
    let long = |liar: &Agent| priced(&scene.store, liar.next(body, vec![i32::MAX; 68]));
    let bent: [fn(&mut Release); 2] =
        [|release| release.scale_1024 = 1 << 50, |release| release.nano_rho = 1];
    for bend in bent {
        let mut release = long(&liar);
        bend(&mut release);
        assert_eq!(liar.send(&scene, &release, NOW), Err(Refusal::Malformed), "{release:?}");
        liar.pass(&release);
    }
    let release = long(&liar);
    let Err(Refusal::OverNorm { got_milli, limit_milli }) = liar.send(&scene, &release, NOW) else {
        panic!("an update of any length is taken")
    };
    assert!(got_milli > 1_000_000_000 && (10_600..10_700).contains(&limit_milli), "{limit_milli}");
    liar.pass(&release);
    Agent::new("b").submit(&scene, body, vec![20; 68], NOW).unwrap();
    scene.tick(NOW + 60).unwrap();
    let report = report(&scene, run);
    let states: Vec<&str> = report.rounds[0].sites.iter().map(|site| site.state).collect();
    assert_eq!((report.state, states), ("finished", vec!["missed", "summed", "missed"]));
    assert_eq!(summed(&scene, run), (vec![20; 68], 1));
    let alerts = scene.store.read("alerts", |tx| tx.alerts()).unwrap();
    assert_eq!(alerts.iter().map(|alert| alert.times).sum::<u64>(), 7, "{alerts:?}");
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
        let late = priced(&scene.store, late);
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
