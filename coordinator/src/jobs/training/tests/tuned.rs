//! Runs whose schedule follows from their budget and a count.

use insitu_models::schedule::{Schedule, effective_mu};
use insitu_models::train::Descent;

use super::*;
use crate::session::tests::{Party, parties, play};
use crate::store::Buffering;
use crate::tests::precise;

const AUTO: Rounds = Rounds::Auto { subjects: None };

fn auto(rounds: Rounds) -> Plan {
    Plan { rounds, ..plan(1, None) }
}

/// Two sites that have released 240 and 160 labels.
fn counted() -> (Scene, [Agent; 2]) {
    let scene = Scene::new(&["a", "b"]);
    scene.publish();
    let mut agents = ["a", "b"].map(Agent::new);
    for (agent, counts) in agents.iter_mut().zip([[100, 10, 20, 110], [80, 0, 0, 80]]) {
        let window = Body::Confusion { window: 1 };
        agent.submit(&scene, window, counts.to_vec(), NOW).unwrap();
    }
    (scene, agents)
}

/// The head that the schedule's own functions make of these sums, each over `parts` sites.
fn by_hand(schedule: &Schedule, mu: f64, parts: usize, sums: &[Vec<i64>]) -> Vec<f32> {
    let (optimiser, step) = schedule.steps_along_mean(Default::default(), Some(mu), 400.0, parts);
    let start = bundle().head().clone();
    let mut descent = Descent::new(&start, schedule.rounds, step, 0.0)
        .using(optimiser)
        .averaging_last(schedule.averaged);
    for sum in sums {
        descent.step_along(sum, parts, schedule.fraction_bits.into()).unwrap();
    }
    descent.result().unwrap().weights().to_vec()
}

fn sum_of(sites: usize, round: u32) -> Vec<i64> {
    let mut sum = vec![0; usize::try_from(WEIGHTS).unwrap()];
    for site in 0..sites {
        sum.iter_mut().zip(values(site, round)).for_each(|(sum, value)| *sum += i64::from(value));
    }
    sum
}

#[test]
fn a_run_takes_the_rounds_step_and_average_of_its_schedule_through_restarts() {
    let rho = project().training.run_nano_rho as f64 * 1e-9;
    let mu = effective_mu(rho, 1, 2);
    let schedule = Schedule::auto(Some(mu), 400.0, 2);
    assert!(schedule.averaged < schedule.rounds / 2, "the default would not differ");
    let sums: Vec<Vec<i64>> = (1..=schedule.rounds).map(|round| sum_of(2, round)).collect();
    let expected = by_hand(&schedule, mu, 2, &sums);
    for restarts in [false, true] {
        let (mut scene, mut agents) = counted();
        let foreseen = foresee(scene.bench(), &auto(AUTO), NOW).unwrap();
        let run = start(scene.bench(), &auto(AUTO), NOW).unwrap();
        let planned = report::plan(&scene.store, run).unwrap().unwrap();
        assert_eq!(
            serde_json::to_value(&foreseen).unwrap(),
            serde_json::to_value(&planned).unwrap()
        );
        assert_eq!(planned.rounds, schedule.rounds);
        assert_eq!(planned.method.averaged, Some(schedule.averaged));
        assert_eq!((planned.method.subjects, planned.method.clip), (Some(400.0), Some(0.5)));
        assert_eq!(planned.nano_rho, planned.round_nano_rho * u64::from(schedule.rounds));
        assert!(planned.nano_rho <= project().training.run_nano_rho);
        for round in 1..=schedule.rounds {
            let order = scene
                .orders("a", NOW)
                .into_iter()
                .find_map(|order| if let Order::Round(order) = order { Some(order) } else { None });
            let order = order.unwrap();
            assert_eq!((order.round, order.clip_milli), (round, 500));
            for (index, agent) in agents.iter_mut().enumerate() {
                let body = Body::Update { run, round };
                agent.submit(&scene, body, values(index, round), NOW).unwrap();
                if restarts {
                    scene.restart();
                }
                scene.tick(NOW).unwrap();
            }
        }
        assert_eq!(report(&scene, run).state, "finished");
        assert_eq!(weights(&scene), expected);
    }
}

#[test]
fn under_secure_aggregation_the_noise_of_one_release_allows_longer_steps() {
    let (mut scene, mut sites): (Scene, Vec<Party>) = parties(5);
    let rho = project().training.run_nano_rho as f64 * 1e-9;
    // Of five sites four must answer and one may collude.
    let mu = effective_mu(rho, 3, 5);
    let schedule = Schedule::auto(Some(mu), 400.0, 2);
    let run = start(scene.bench(), &auto(Rounds::Auto { subjects: Some(400) }), NOW).unwrap();
    let planned = report::plan(&scene.store, run).unwrap().unwrap();
    assert_eq!(planned.rounds, schedule.rounds);
    let alone = Schedule::auto(Some(effective_mu(rho, 1, 5)), 400.0, 2);
    assert!(schedule.rounds > alone.rounds);
    let mut now = NOW;
    for round in 1..=schedule.rounds {
        let order = sites[0].asked(&scene, now).unwrap();
        for (index, party) in sites.iter_mut().enumerate() {
            party.values = values(index, round).into_iter().map(i64::from).collect();
        }
        play(&mut scene, &order, &mut sites, &mut now, round == 2);
        scene.tick(now).unwrap();
    }
    assert_eq!(report(&scene, run).state, "finished");
    let sums: Vec<Vec<i64>> = (1..=schedule.rounds).map(|round| sum_of(5, round)).collect();
    assert_eq!(weights(&scene), by_hand(&schedule, mu, 5, &sums));
}

#[test]
fn a_small_budget_gives_few_short_rounds_and_a_large_one_many() {
    let planned = |nano_rho, subjects| {
        let scene = Scene::new(&["a"]);
        scene.publish();
        let mut rich = Project { version: 2, ..project() };
        rich.training.run_nano_rho = nano_rho;
        publish::project(&scene.store, &rich, NOW).unwrap();
        let plan = auto(Rounds::Auto { subjects: Some(subjects) });
        let plan = foresee(scene.bench(), &plan, NOW).unwrap();
        (plan.rounds, plan.method.learning_rate.unwrap(), plan.epsilon)
    };
    let (few, short, cheap) = planned(20_000, 400);
    let (many, long, dear) = planned(200_000_000, 4_000);
    assert_eq!((few, many), (4, 60));
    assert!(cheap < 0.05 && dear > 1.0, "{cheap} {dear}");
    assert!(short * f64::from(few) < long * f64::from(many));
}

#[test]
fn without_a_count_the_error_says_what_to_do() {
    let scene = Scene::of(&["a", "b"], &precise());
    scene.publish();
    let refused = |scene: &Scene, plan: &Plan| {
        start(scene.bench(), plan, NOW).map_err(|error| error.to_string()).unwrap_err()
    };
    let none = refused(&scene, &auto(AUTO));
    assert!(none.contains("statistics collect --project heart-disease"), "{none}");
    assert!(none.contains("--subjects N"), "{none}");
    // Noise of deviation 2 on four cells: 4 in all.
    let mut agent = Agent::new("a");
    agent.submit(&scene, Body::Confusion { window: 1 }, vec![3, 1, 0, 3], NOW).unwrap();
    let few = refused(&scene, &auto(AUTO));
    assert!(few.contains("come to 7 with a noise of deviation 4"), "{few}");
    agent.submit(&scene, Body::Confusion { window: 2 }, vec![50, 0, 0, 50], NOW).unwrap();
    // The other site has released nothing: alone it has no count.
    let only_b = Plan { sites: Some(vec![site("b")]), ..auto(AUTO) };
    assert!(matches!(foresee(scene.bench(), &only_b, NOW), Err(TrainingError::NoCount { .. })));
    assert_eq!(foresee(scene.bench(), &auto(AUTO), NOW).unwrap().method.subjects, Some(107.0));
}

#[test]
fn what_the_schedule_was_not_made_for_is_refused() {
    let (scene, _) = counted();
    let rate = Method { learning_rate: Some(0.1), ..Method::default() };
    let buffering = Some(Buffering { size: 1, staleness_max: 1 });
    let buffer = Method { buffering, ..Method::default() };
    let median = Method { aggregation: "median".parse().unwrap(), ..Method::default() };
    for (method, option) in
        [(rate, "--learning-rate"), (buffer, "--buffer"), (median, "--aggregation")]
    {
        let refused = start(scene.bench(), &Plan { method, ..auto(AUTO) }, NOW);
        assert!(
            matches!(refused, Err(TrainingError::Unsuited { what, .. }) if what == option),
            "{refused:?}"
        );
    }
}
