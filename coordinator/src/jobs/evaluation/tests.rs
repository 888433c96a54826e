use insitu_protocol::ids::{RunId, digest};
use insitu_protocol::order::{EVALUATION_STEP, EvaluationShape, Order};
use insitu_protocol::release::Release;
use insitu_protocol::response::Refusal;

use super::*;
use crate::evaluation::{EvaluationReport, Figures};
use crate::jobs::training;
use crate::publish::tests::candidate;
use crate::round::report::RunReport;
use crate::session::tests::{Party, parties, play};
use crate::store::Method;
use crate::tests::{Agent, NOW, Scene, bundle, name, priced, project, site};
use crate::{registry, round};

const TERMS: Terms = Terms { nano_rho: 24_000_000, margin_milli: 20 };

fn plan(candidate: Digest) -> Plan {
    Plan {
        candidate,
        terms: TERMS,
        sites: None,
        closes_in: Duration::from_secs(600),
        secure: SecureAggregation::Auto,
        colluders: None,
        promotes: false,
    }
}

/// An answer: items by who was right, with tables that fit.
fn answer(right: [i32; 4]) -> Vec<i32> {
    let shape = EvaluationShape::of(&project());
    let mut values = vec![0; shape.values()];
    for (cell, items) in right.into_iter().enumerate() {
        values[cell] = items * i32::from(EVALUATION_STEP);
    }
    for (contender, correct) in [right[0] + right[1], right[0] + right[2]].into_iter().enumerate() {
        let wrong = right.iter().sum::<i32>() - correct;
        values[shape.confusion(contender).start] = correct;
        values[shape.confusion(contender).start + 1] = wrong;
        let last = shape.calibration(contender).end;
        values[last - 2] = wrong;
        values[last - 1] = correct;
    }
    values
}

fn report(scene: &Scene, id: EvaluationId) -> EvaluationReport {
    evaluation::evaluation(&scene.store, id).unwrap().unwrap()
}

fn active(scene: &Scene) -> Digest {
    scene.store.read("active", |tx| tx.active_publication(&name())).unwrap().unwrap().bundle
}

fn promote(scene: &Scene, bundle: Digest, force: Option<&str>) -> Result<(), PublishError> {
    publish::promote(&scene.store, &scene.key, bundle, force, NOW)
}

#[test]
fn sites_answer_alone_and_the_gate_opens_for_what_is_not_worse() {
    let scene = Scene::new(&["a", "b"]);
    let first = scene.publish();
    let second = candidate(&scene);
    assert!(matches!(promote(&scene, second, None), Err(PublishError::Unevaluated { .. })));
    assert!(matches!(
        start(scene.bench(), &plan(first), NOW),
        Err(EvaluationError::Active { bundle }) if bundle == first
    ));
    let id = start(scene.bench(), &plan(second), NOW).unwrap();
    assert!(matches!(
        start(scene.bench(), &plan(second), NOW),
        Err(EvaluationError::StillOpen { evaluation }) if evaluation == id
    ));
    assert!(matches!(promote(&scene, second, None), Err(PublishError::Unknown { .. })));
    let ordered = scene.orders("a", NOW).into_iter().find_map(|order| match order {
        Order::Evaluation(order) => Some(order),
        Order::Project(_)
        | Order::TaskProject(_)
        | Order::Candidate(_)
        | Order::ThresholdProject(_)
        | Order::Bundle(_)
        | Order::Round(_)
        | Order::CoarseRound(_)
        | Order::Functions(_)
        | Order::Campaign(_)
        | Order::Session(_) => None,
    });
    let ordered = ordered.unwrap();
    assert_eq!((ordered.current.bundle, ordered.candidate.bundle), (first, second));
    assert_eq!((ordered.nano_rho, ordered.project_version), (TERMS.nano_rho, 1));

    let mut agents = [Agent::new("a"), Agent::new("b")];
    let body = Body::Evaluation { evaluation: id };
    let short = agents[0].clone().submit(&scene, body, vec![0; 4], NOW);
    assert_eq!(short, Err(Refusal::Malformed));
    let short = priced(&scene.store, agents[0].next(body, vec![0; 4]));
    agents[0].pass(&short); // kept for the chain, in no sum
    agents[0].submit(&scene, body, answer([300, 10, 60, 30]), NOW).unwrap();
    scene.tick(NOW).unwrap();
    assert_eq!(report(&scene, id).state, "open");
    agents[1].submit(&scene, body, answer([300, 10, 60, 30]), NOW).unwrap();
    scene.tick(NOW).unwrap();
    let found = report(&scene, id);
    assert_eq!((found.state, found.sites.len(), found.promotes), ("finished", 2, false));
    let Figures::Known { n, current, candidate, difference, low, passes, .. } = found.figures
    else {
        panic!("undefined")
    };
    assert!((n - 800.0).abs() < 1e-9 && (difference - 0.125).abs() < 1e-9 && passes);
    assert!(low > 0.08 && low < difference);
    assert!((current.accuracy.value - 0.775).abs() < 1e-9);
    assert!((candidate.accuracy.value - 0.9).abs() < 1e-9);
    assert_eq!(candidate.confusion, [720, 80, 0, 0]);
    assert_eq!(active(&scene), first, "it was not to be published by itself");
    promote(&scene, second, None).unwrap();
    assert_eq!(active(&scene), second);
    // The other way round nothing was compared.
    let back = promote(&scene, first, None);
    assert!(matches!(back, Err(PublishError::Unevaluated { .. })));
    promote(&scene, first, Some("the new one confuses people")).unwrap();
    let reports = registry::report(&scene.store, None).unwrap();
    let forced = |of| reports.iter().find(|row| row.bundle == of).unwrap().forced.clone();
    assert_eq!(forced(first).as_deref(), Some("the new one confuses people"));
    assert_eq!(forced(second), None);
}

/// A candidate over a backbone of its own.
fn with_own_backbone(scene: &Scene) -> Digest {
    scene.registry.register(&scene.store, &crate::tests::mirrored(), &name(), NOW).unwrap()
}

#[test]
fn a_candidate_over_another_backbone_is_sent_to_the_sites_before_they_are_asked() {
    let scene = Scene::new(&["a", "b"]);
    let first = scene.publish();
    let second = with_own_backbone(&scene);
    let state = || {
        let reports = registry::report(&scene.store, None).unwrap();
        reports.into_iter().find(|row| row.bundle == second).unwrap().state
    };
    let plan = Plan { sites: Some(vec![site("a")]), ..plan(second) };
    let id = start(scene.bench(), &plan, NOW).unwrap();
    let orders = scene.orders("a", NOW);
    let [.., Order::Candidate(sent), Order::Evaluation(asked)] = orders.as_slice() else {
        panic!("{orders:?}")
    };
    assert!(scene.key.public().verify(&sent.manifest.0, &sent.signature).is_ok());
    assert_eq!((digest(&sent.manifest.0), asked.candidate.bundle), (second, second));
    assert!(asked.candidate.is_bundle() && !asked.current.is_bundle());
    assert_eq!(asked.backbone, bundle().manifest().backbone.digest);
    let told = scene.orders("b", NOW);
    assert!(!told.iter().any(|order| matches!(order, Order::Candidate(_))), "it is not invited");
    assert_eq!((state(), active(&scene)), ("candidate", first));

    let body = Body::Evaluation { evaluation: id };
    Agent::new("a").submit(&scene, body, answer([300, 10, 60, 30]), NOW).unwrap();
    scene.tick(NOW).unwrap();
    let over = scene.orders("a", NOW);
    assert!(!over.iter().any(|order| matches!(order, Order::Candidate(_))), "nobody asks any more");
    promote(&scene, second, None).unwrap();
    assert_eq!((state(), active(&scene)), ("active", second));
}

#[test]
fn sites_that_are_to_answer_together_are_sent_the_candidate_first_too() {
    let (scene, _) = parties(4);
    start(scene.bench(), &plan(with_own_backbone(&scene)), NOW).unwrap();
    let member = scene.store.read("members", |tx| tx.members()).unwrap().remove(0);
    let orders = scene.orders(member.as_str(), NOW);
    let [.., Order::Candidate(sent), Order::Session(session)] = orders.as_slice() else {
        panic!("{orders:?}")
    };
    let Purpose::Evaluation(asked) = &session.purpose else { panic!("{session:?}") };
    assert_eq!(asked.candidate.bundle, digest(&sent.manifest.0));
    assert!(asked.candidate.is_bundle());
}

#[test]
fn what_may_be_worse_or_is_not_known_stays_a_candidate() {
    for (right, worse) in [([300, 60, 10, 30], true), ([9, 1, 1, 1], false)] {
        let scene = Scene::new(&["a"]);
        let first = scene.publish();
        let second = candidate(&scene);
        let plan = Plan { promotes: true, ..plan(second) };
        let id = start(scene.bench(), &plan, NOW).unwrap();
        let body = Body::Evaluation { evaluation: id };
        Agent::new("a").submit(&scene, body, answer(right), NOW).unwrap();
        scene.tick(NOW).unwrap();
        assert_eq!(report(&scene, id).state, "finished");
        assert_eq!(active(&scene), first);
        match promote(&scene, second, None) {
            Err(PublishError::Worse { difference, low, margin, .. }) if worse => {
                assert!((difference + 0.125).abs() < 1e-9 && low < difference);
                assert!((margin - 0.02).abs() < 1e-12);
            }
            Err(PublishError::Unknown { .. }) if !worse => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_evaluation_closes_at_its_deadline_with_what_most_sites_say() {
    let scene = Scene::new(&["a", "b", "c"]);
    scene.publish();
    let second = candidate(&scene);
    let mut agents = ["a", "b"].map(Agent::new);
    for answers in 0..=2 {
        let plan = Plan { secure: SecureAggregation::Off, ..plan(second) };
        let id = start(scene.bench(), &plan, NOW).unwrap();
        let body = Body::Evaluation { evaluation: id };
        for agent in &mut agents[..answers] {
            agent.submit(&scene, body, answer([300, 10, 60, 30]), NOW).unwrap();
        }
        scene.tick(NOW + 599).unwrap();
        assert_eq!(report(&scene, id).state, "open");
        scene.tick(NOW + 600).unwrap();
        let found = report(&scene, id);
        assert_eq!(found.state, ["abandoned", "abandoned", "finished"][answers]);
        assert_eq!(found.sites, [site("a"), site("b")][..answers]);
        if answers == 1 {
            assert!(found.reason.unwrap().starts_with("1 of 2 needed, of 3 sites"));
        }
    }
}

/// An evaluation that sites answer alone, whose candidate is published when it passes.
fn alone(scene: &Scene) -> (EvaluationId, Digest) {
    scene.publish();
    let second = candidate(scene);
    let plan = Plan { secure: SecureAggregation::Off, promotes: true, ..plan(second) };
    (start(scene.bench(), &plan, NOW).unwrap(), second)
}

/// Brings the project to a version with other classes.
fn outgrow(scene: &Scene) {
    let mut outgrown = project();
    outgrown.version = 2;
    outgrown.classes.swap(0, 1);
    publish::project(&scene.store, &outgrown, NOW).unwrap();
}

#[test]
fn what_the_project_has_outgrown_is_not_evaluated_and_stays_a_candidate_when_it_was() {
    let scene = Scene::new(&["a"]);
    let (id, second) = alone(&scene);
    let body = Body::Evaluation { evaluation: id };
    Agent::new("a").submit(&scene, body, answer([300, 10, 60, 30]), NOW).unwrap();
    outgrow(&scene);
    scene.tick(NOW).unwrap();
    assert_eq!(report(&scene, id).state, "finished");
    assert_ne!(active(&scene), second, "no site could load it");
    let refused = start(scene.bench(), &plan(second), NOW).unwrap_err();
    let unfit =
        matches!(&refused, EvaluationError::Registry { source: RegistryError::Unfit { .. } });
    assert!(unfit, "{refused:?}");
}

#[test]
fn one_site_of_three_cannot_make_a_candidate_pass() {
    for (lie, passes) in [([0, 0, 1_000_000_000, 0], false), ([300, 10, 60, 30], true)] {
        let scene = Scene::new(&["a", "b", "liar"]);
        let (id, second) = alone(&scene);
        let body = Body::Evaluation { evaluation: id };
        let honest = if passes { [300, 10, 60, 30] } else { [300, 60, 10, 30] };
        for name in ["a", "b"] {
            Agent::new(name).submit(&scene, body, answer(honest), NOW).unwrap();
        }
        Agent::new("liar").submit(&scene, body, answer(lie), NOW).unwrap();
        scene.tick(NOW).unwrap();
        let found = report(&scene, id);
        assert_eq!((found.state, found.sites.len()), ("finished", 3));
        let Figures::Known { passes: passed, difference, .. } = found.figures else {
            panic!("undefined")
        };
        assert_eq!((passed, active(&scene) == second), (passes, passes));
        assert!(difference > 0.0, "the sum of all speaks for it: {difference}");
    }
}

#[test]
fn an_answer_has_the_noise_that_was_asked_for() {
    let scene = Scene::new(&["a"]);
    let (id, second) = alone(&scene);
    let body = Body::Evaluation { evaluation: id };
    let mut agent = Agent::new("a");
    let bent: [fn(&mut Release); 2] =
        [|release| release.scale_1024 = 1, |release| release.nano_rho += 1];
    for bend in bent {
        let mut release = priced(&scene.store, agent.next(body, answer([300, 10, 60, 30])));
        bend(&mut release);
        assert_eq!(agent.send(&scene, &release, NOW), Err(Refusal::Malformed), "{release:?}");
        agent.pass(&release);
    }
    scene.tick(NOW + 600).unwrap();
    assert_eq!(report(&scene, id).state, "abandoned");
    assert_ne!(active(&scene), second);
}

#[test]
fn what_a_site_answered_before_it_was_revoked_does_not_count() {
    let scene = Scene::new(&["a", "b"]);
    let (id, second) = alone(&scene);
    let body = Body::Evaluation { evaluation: id };
    Agent::new("a").submit(&scene, body, answer([300, 10, 60, 30]), NOW).unwrap();
    scene.store.write("revoke", |tx| tx.revoke_site(&site("a"), NOW)).unwrap();
    scene.tick(NOW).unwrap();
    assert_eq!(report(&scene, id).state, "open", "the other one may still answer");
    scene.tick(NOW + 600).unwrap();
    let found = report(&scene, id);
    assert_eq!((found.state, found.sites.len()), ("abandoned", 0));
    assert_ne!(active(&scene), second);
}

/// A run whose result is to be evaluated, all updates of which are there, and the bundle that was
/// made active while it was under way.
fn overtaken(scene: &Scene) -> (RunId, Digest) {
    scene.publish();
    let plan = training::Plan { each_round: None, ..evaluated_run(1, Promotion::Evaluated(TERMS)) };
    let run = training::start(scene.bench(), &plan, NOW).unwrap();
    let other = candidate(scene);
    promote(scene, other, Some("a test")).unwrap();
    Agent::new("a").submit(scene, Body::Update { run, round: 1 }, vec![5; 68], NOW).unwrap();
    (run, other)
}

fn run_report(scene: &Scene, run: RunId) -> RunReport {
    round::report::run(&scene.store, run).unwrap().unwrap()
}

#[test]
fn a_result_is_compared_with_what_is_active_by_then_and_its_run_names_that() {
    let scene = Scene::new(&["a"]);
    let (run, other) = overtaken(&scene);
    scene.tick(NOW).unwrap();
    let run = run_report(&scene, run);
    let found = report(&scene, run.evaluation.unwrap());
    assert_eq!((run.state, found.state), ("finished", "open"));
    assert_eq!((found.current, Some(found.candidate)), (other, run.rounds[0].bundle));
}

#[test]
fn a_run_does_not_end_without_its_evaluation_when_the_store_fails() {
    let scene = Scene::new(&["a"]);
    let (run, other) = overtaken(&scene);
    // For a while the row of the active bundle cannot be read.
    let file = rusqlite::Connection::open(scene.dir.path().join("store.db")).unwrap();
    let rename = |project: &str| {
        let sql = "UPDATE bundle SET project = ?1 WHERE digest = ?2";
        assert_eq!(file.execute(sql, (project, other.0)).unwrap(), 1);
    };
    rename("No name!");
    assert!(scene.tick(NOW).is_err());
    assert_eq!(run_report(&scene, run).state, "open");
    rename(name().as_str());
    scene.tick(NOW).unwrap();
    let run = run_report(&scene, run);
    assert_eq!((run.state, run.evaluation.is_some()), ("finished", true));
}

/// A run in which the candidate of each round is evaluated.
fn evaluated_run(rounds: u32, promotion: Promotion) -> training::Plan {
    training::Plan {
        project: name(),
        rounds: training::Rounds::Fixed(rounds),
        sites: None,
        quorum: None,
        closes_in: Duration::from_secs(60),
        secure: SecureAggregation::Off,
        colluders: None,
        method: Method::default(),
        each_round: Some(TERMS),
        promotion,
    }
}

#[test]
fn each_round_is_evaluated_without_holding_the_next_one_up() {
    let scene = Scene::new(&["a"]);
    let first = scene.publish();
    let plan = evaluated_run(2, Promotion::Evaluated(TERMS));
    let foreseen = training::foresee(scene.bench(), &plan, NOW).unwrap();
    assert_eq!((foreseen.evaluations, foreseen.evaluation_nano_rho), (2, TERMS.nano_rho));
    assert_eq!(foreseen.total_nano_rho, foreseen.nano_rho + 2 * TERMS.nano_rho);
    assert!(foreseen.total_epsilon > foreseen.epsilon);
    let run = training::start(scene.bench(), &plan, NOW).unwrap();
    let stored = round::report::plan(&scene.store, run).unwrap().unwrap();
    assert_eq!(stored.total_nano_rho, foreseen.total_nano_rho);

    let mut agent = Agent::new("a");
    agent.submit(&scene, Body::Update { run, round: 1 }, vec![5; 68], NOW).unwrap();
    scene.tick(NOW).unwrap();
    let report = run_report(&scene, run);
    assert_eq!((report.rounds.len(), report.rounds[1].state), (2, "open"));
    let id = report.rounds[0].evaluation.unwrap();
    let found = evaluation::of_run(&scene.store, &report).unwrap();
    assert_eq!((found.len(), found[0].evaluation, found[0].state), (1, id, "open"));
    assert_eq!((found[0].current, Some(found[0].candidate)), (first, report.rounds[0].bundle));
    assert_eq!((found[0].nano_rho, found[0].promotes), (TERMS.nano_rho, false));
    // The candidate passes, and stays one: the run goes on.
    let body = Body::Evaluation { evaluation: id };
    agent.submit(&scene, body, answer([300, 10, 60, 30]), NOW).unwrap();
    scene.tick(NOW).unwrap();
    let found = evaluation::of_run(&scene.store, &run_report(&scene, run)).unwrap();
    assert!(matches!(found[0].figures, Figures::Known { passes: true, .. }));
    assert_eq!(active(&scene), first);

    // The last candidate is the result, which is evaluated once, and published for it.
    agent.submit(&scene, Body::Update { run, round: 2 }, vec![5; 68], NOW).unwrap();
    scene.tick(NOW).unwrap();
    let report = run_report(&scene, run);
    let result = report.rounds[1].evaluation.unwrap();
    assert_eq!((report.state, report.evaluation), ("finished", Some(result)));
    assert_eq!(scene.store.read("all", |tx| tx.evaluations()).unwrap().len(), 2);
    let body = Body::Evaluation { evaluation: result };
    agent.submit(&scene, body, answer([300, 10, 60, 30]), NOW).unwrap();
    scene.tick(NOW).unwrap();
    assert_eq!(Some(active(&scene)), report.rounds[1].bundle);
}

#[test]
fn a_result_that_is_published_anyway_is_evaluated_beside_the_bundle_before_it() {
    let scene = Scene::new(&["a"]);
    let first = scene.publish();
    let plan = evaluated_run(1, Promotion::Forced("a test".to_owned()));
    assert_eq!(training::foresee(scene.bench(), &plan, NOW).unwrap().evaluations, 1);
    let run = training::start(scene.bench(), &plan, NOW).unwrap();
    Agent::new("a").submit(&scene, Body::Update { run, round: 1 }, vec![5; 68], NOW).unwrap();
    scene.tick(NOW).unwrap();
    let report = run_report(&scene, run);
    let found = evaluation::of_run(&scene.store, &report).unwrap();
    assert_eq!((found.len(), found[0].current, found[0].promotes), (1, first, false));
    assert_eq!(Some(active(&scene)), report.rounds[0].bundle);
    let many = evaluated_run(101, Promotion::Evaluated(TERMS));
    assert!(matches!(
        training::start(scene.bench(), &many, NOW),
        Err(training::TrainingError::Range { what: "--rounds with --evaluate-each-round", .. })
    ));
}

/// What a party adds: the answer in the grid of the session.
fn scaled(scene: &Scene, party: &Party, right: [i32; 4]) -> Vec<i64> {
    let order = party.asked(scene, NOW).unwrap();
    let noisy = usize::from(order.threshold - order.colluders);
    let segments = crate::session::vector::segments(&order.purpose, &project(), noisy).unwrap();
    let unit = 1 << segments[0].noise.fraction_bits;
    answer(right).into_iter().map(|value| unit * i64::from(value)).collect()
}

#[test]
fn sites_answer_together_and_what_passes_is_published() {
    let (mut scene, mut sites) = parties(5);
    let second = candidate(&scene);
    let plan = Plan { promotes: true, ..plan(second) };
    let id = start(scene.bench(), &plan, NOW).unwrap();
    assert_ne!(active(&scene), second);
    assert_eq!(report(&scene, id).noise, "once for all sites");
    for party in &mut sites {
        party.values = scaled(&scene, party, [150, 5, 30, 15]);
    }
    sites[1].leaves_before = insitu_privacy::secagg::Stage::Masked as usize;
    let order = sites[0].asked(&scene, NOW).unwrap();
    let mut now = NOW;
    play(&mut scene, &order, &mut sites, &mut now, true);
    scene.tick(now).unwrap();
    let found = report(&scene, id);
    assert_eq!((found.state, found.sites.len()), ("finished", 4));
    let Figures::Known { n, difference, passes, .. } = found.figures else { panic!("undefined") };
    assert!((n - 800.0).abs() < 1e-9 && (difference - 0.125).abs() < 1e-9 && passes);
    assert_eq!(active(&scene), second);
}
