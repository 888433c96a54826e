use std::time::Duration;

use insitu_daemon::telemetry;
use insitu_protocol::ids::Digest;
use insitu_protocol::order::Order;
use insitu_protocol::release::{Body, Release};

use super::*;
use crate::registry::card;
use crate::round::report::{self, RunReport};
use crate::store::{Method, Promotion, SecureAggregation, Terms};
use crate::tests::{Agent, NOW, Scene, bundle, name, priced, project, site};
use crate::{downlink, publish};

mod class_means;
mod methods;
mod secure;
mod tuned;

const WEIGHTS: i32 = 68;

/// So many rounds with whoever is a member, each a minute long; what comes of them is published.
pub(crate) fn plan(rounds: u32, quorum: Option<u32>) -> Plan {
    Plan {
        project: name(),
        rounds: Rounds::Fixed(rounds),
        sites: None,
        quorum,
        closes_in: Duration::from_secs(60),
        secure: SecureAggregation::Auto,
        colluders: None,
        method: Method::default(),
        each_round: None,
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
        | Order::TaskProject(_)
        | Order::Candidate(_)
        | Order::ThresholdProject(_)
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

fn weights(scene: &Scene) -> Vec<f32> {
    let last = active(scene);
    let opened = scene.store.read("open", |tx| scene.registry.open(tx, last));
    opened.unwrap().head().weights().to_vec()
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
fn a_card_names_every_round_that_led_to_a_bundle_and_its_price() {
    let scene = Scene::new(&["a", "b"]);
    let first = scene.publish();
    let mut agents = [Agent::new("a"), Agent::new("b")];
    let mut now = NOW;
    let mut train = |rounds: u32, missing: usize| {
        let run = start(scene.bench(), &plan(rounds, Some(1)), now).unwrap();
        for round in 1..=rounds {
            for (index, agent) in agents.iter_mut().enumerate().skip(missing) {
                let body = Body::Update { run, round };
                agent.submit(&scene, body, values(index, round), now).unwrap();
            }
            now += 60;
            scene.tick(now).unwrap();
        }
        (run, report(&scene, run))
    };
    let (run, once) = train(2, 0);
    let card = |bundle| card::card(&scene.store, bundle).unwrap();
    assert!(card(first).runs.is_empty());
    assert_eq!((card(first).nano_rho, card(first).bundle.state), (0, "published"));
    // The candidate of the first round cost half of what the result did.
    let [half, whole] = [0, 1].map(|round| card(once.rounds[round].bundle.unwrap()));
    assert_eq!((half.runs[0].run, half.runs[0].rounds.len()), (run, 1));
    assert_eq!((half.nano_rho, whole.nano_rho), (once.round_nano_rho, 2 * once.round_nano_rho));
    assert_eq!((half.bundle.state, whole.bundle.state), ("candidate", "active"));
    let (again, twice) = train(1, 1);
    let last = card(active(&scene));
    let rounds: Vec<Vec<usize>> =
        last.runs.iter().map(|run| run.rounds.iter().map(|round| round.sites).collect()).collect();
    assert_eq!(rounds, [vec![2, 2], vec![1]], "oldest first, with the sites that were counted");
    assert_eq!(last.nano_rho, whole.nano_rho + twice.round_nano_rho);
    assert!(last.epsilon > whole.epsilon && whole.epsilon > half.epsilon);
    let objects: Vec<(&str, u64)> =
        last.objects.iter().map(|object| (object.object, object.bytes)).collect();
    assert_eq!((objects[1], objects.len()), (("head", 4 * 68), 3));
    let text = last.markdown();
    for part in [
        format!("Run {run}, from bundle {first}:"),
        format!("Run {again}, from bundle {}:", whole.bundle.bundle),
        format!(
            "round 2 of 2: 2 site(s), each noised alone; rho {:.9}",
            once.round_nano_rho as f64 / 1e9
        ),
        "round 1 of 1: 1 site(s)".to_owned(),
        format!(
            "All of these together: rho {:.9}, epsilon {:.4}",
            last.nano_rho as f64 / 1e9,
            last.epsilon
        ),
        format!("- head: {}, 272 bytes", last.objects[1].digest),
    ] {
        assert!(text.contains(&part), "{part} is not in {text}");
    }
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
    let metrics = telemetry::metrics().unwrap();
    agents[2].submit(&scene, body, values(2, 1), NOW + 60).unwrap();
    let late = "insitu_releases_total{kind=\"update\",outcome=\"late\"} ";
    assert!(metrics.render().contains(late), "{}", metrics.render());
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

/// The shipped project at a version without a field that the shipped bundle reads.
fn without_its_field() -> Project {
    let mut project = project();
    project.version += 1;
    project.fields.retain(|field| field.name.as_str() != "fbs");
    project
}

#[test]
fn a_run_over_a_bundle_that_the_project_outgrew_is_refused_before_a_site_is_asked() {
    let scene = Scene::new(&["a"]);
    let first = scene.publish();
    publish::project(&scene.store, &without_its_field(), NOW).unwrap();
    for refused in [
        start(scene.bench(), &plan(1, None), NOW).map(drop),
        foresee(scene.bench(), &plan(1, None), NOW).map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, TrainingError::Unfit { version: 2, bundle, .. } if bundle == first)
        );
        assert!(explain(&refused).ends_with("no field for the bundle's column \"fbs\""));
    }
    assert!(asked(&scene, "a", NOW).is_none());
}

#[test]
fn a_candidate_that_is_refused_ends_its_run_and_says_why() {
    let scene = Scene::new(&["a"]);
    let first = scene.publish();
    let run = start(scene.bench(), &plan(2, None), NOW).unwrap();
    // As an earlier program would have let it start.
    let definition = serde_json::to_string(&Project { version: 1, ..without_its_field() }).unwrap();
    let file = rusqlite::Connection::open(scene.dir.path().join("store.db")).unwrap();
    file.execute("UPDATE project SET definition = ?1", [definition]).unwrap();
    let body = Body::Update { run, round: 1 };
    Agent::new("a").submit(&scene, body, values(0, 1), NOW).unwrap();
    scene.tick(NOW).unwrap();
    let report = report(&scene, run);
    assert_eq!((report.state, report.rounds[0].state), ("abandoned", "abandoned"));
    let reason = report.reason.unwrap();
    assert!(reason.starts_with("round 1: ") && reason.contains("column \"fbs\""), "{reason}");
    assert_eq!(active(&scene), first);
}

#[test]
fn a_round_closes_and_is_evaluated_without_its_backbone_and_the_rows_of_rounds_before() {
    let scene = Scene::new(&["a"]);
    let first = scene.publish();
    let terms = Terms { nano_rho: 24_000_000, margin_milli: 20 };
    let whole = Plan { each_round: Some(terms), ..plan(3, None) };
    // What is not read while everybody waits for the store cannot be missed either.
    let objects = scene.dir.path().join("objects");
    std::fs::remove_file(objects.join(bundle().manifest().backbone.digest.to_hex())).unwrap();
    let run = start(scene.bench(), &whole, NOW).unwrap();
    let mut agent = Agent::new("a");
    let file = rusqlite::Connection::open(scene.dir.path().join("store.db")).unwrap();
    for round in 1..=3 {
        agent.submit(&scene, Body::Update { run, round }, values(0, round), NOW).unwrap();
        scene.tick(NOW).unwrap();
        let unreadable = "UPDATE round SET noise = 'unreadable' WHERE state = 'closed'";
        file.execute(unreadable, []).unwrap();
    }
    file.execute("UPDATE round SET noise = 'alone'", []).unwrap();
    let report = report(&scene, run);
    assert_eq!((report.state, report.published), ("finished", Some(active(&scene))));
    assert!(report.rounds.iter().all(|round| round.evaluation.is_some()));
    assert_ne!(active(&scene), first);
}

#[test]
fn a_run_that_cannot_go_on_holds_no_other_one_up() {
    let scene = Scene::new(&["a"]);
    scene.publish();
    let broken = start(scene.bench(), &plan(1, None), NOW).unwrap();
    let other = Project { name: "ward".parse().unwrap(), ..project() };
    publish::project(&scene.store, &other, NOW).unwrap();
    let why = Sentence::new("for the other project".to_owned()).unwrap();
    let first = bundle().successor(bundle().head().clone(), why).unwrap();
    let (store, registry, key) = (&scene.store, &scene.registry, &scene.key);
    publish::import(store, registry, key, &other.name, &first, NOW).unwrap();
    let run = start(scene.bench(), &Plan { project: other.name.clone(), ..plan(1, None) }, NOW);
    let run = run.unwrap();
    let mut agent = Agent::new("a");
    for (run, project) in [(broken, name()), (run, other.name)] {
        let release = agent.next(Body::Update { run, round: 1 }, values(0, 1));
        let release = Release { project, ..priced(&scene.store, release) };
        agent.send(&scene, &release, NOW).unwrap();
        agent.pass(&release);
    }
    let file = rusqlite::Connection::open(scene.dir.path().join("store.db")).unwrap();
    file.execute("DELETE FROM round WHERE run = ?1", [broken.0]).unwrap();
    assert!(scene.tick(NOW).is_err());
    assert_eq!((report(&scene, broken).state, report(&scene, run).state), ("open", "finished"));
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
