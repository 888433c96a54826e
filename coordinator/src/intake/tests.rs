use insitu_protocol::bytes::Fixed;
use insitu_protocol::facts::EngineKind;

use super::*;
use crate::tests::{Agent, NOW, Scene, name, priced, project, site};

const CONFUSION: Body = Body::Confusion { window: 1 };

fn alerts(scene: &Scene) -> Vec<(String, u64)> {
    let alerts = scene.store.read("alerts", |tx| tx.alerts()).unwrap();
    alerts.into_iter().map(|alert| (alert.kind, alert.times)).collect()
}

fn counted(scene: &Scene, body: &Body) -> usize {
    let count = scene.store.read("counted", |tx| tx.statistics_count(&name(), body)).unwrap();
    usize::try_from(count).unwrap()
}

#[test]
fn the_same_release_again_gets_the_same_receipt_and_counts_once() {
    let scene = Scene::new(&["north"]);
    let agent = Agent::new("north");
    let release = priced(&scene.store, agent.next(CONFUSION, vec![1, 2, 3, 4]));
    let first = agent.send(&scene, &release, NOW).unwrap();
    assert_eq!(agent.send(&scene, &release, NOW + 9), Ok(first));
    assert_eq!(counted(&scene, &CONFUSION), 1);
    assert_eq!(alerts(&scene), []);
}

#[test]
fn another_release_in_a_taken_place_is_refused_and_raises_an_alert() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    let clone = agent.clone();
    agent.submit(&scene, CONFUSION, vec![1, 2, 3, 4], NOW).unwrap();
    for times in 1..3 {
        let forged = clone.next(CONFUSION, vec![9, 9, 9, 9]);
        let refused = clone.send(&scene, &forged, NOW);
        assert_eq!(refused, Err(Refusal::Chain { expected: 2, got: 1 }));
        assert_eq!(alerts(&scene), [("equivocation".to_owned(), times)]);
    }
    // The chain itself goes on.
    agent.submit(&scene, Body::Confusion { window: 2 }, vec![1, 2, 3, 4], NOW).unwrap();
}

#[test]
fn gaps_and_foreign_histories_are_refused() {
    let scene = Scene::new(&["north"]);
    let agent = Agent::new("north");
    let mut later = agent.next(CONFUSION, vec![0; 4]);
    later.sequence = 3;
    assert_eq!(agent.send(&scene, &later, NOW), Err(Refusal::Chain { expected: 1, got: 3 }));
    let mut forked = agent.next(CONFUSION, vec![0; 4]);
    forked.previous = Fixed([9; 32]);
    assert_eq!(agent.send(&scene, &forked, NOW), Err(Refusal::Chain { expected: 1, got: 1 }));
    assert_eq!(alerts(&scene), [("equivocation".to_owned(), 1), ("gap".to_owned(), 1)]);
}

#[test]
fn a_shape_is_fixed_by_kind_and_project() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    let bins = project().drift_bins();
    for (body, values) in [
        (CONFUSION, 4),
        (Body::Coincidence { window: 1 }, 4),
        (Body::Calibration { window: 1 }, 10),
        (Body::Drift { window: 1 }, bins),
    ] {
        for wrong in [0, values - 1, values + 1] {
            let release = agent.next(body, vec![0; wrong]);
            assert_eq!(agent.send(&scene, &release, NOW), Err(Refusal::Malformed), "{body:?}");
            agent.pass(&release);
        }
    }
    let mut release = agent.next(CONFUSION, vec![0; 4]);
    release.project_version = 2;
    let update = Body::Update { run: Fixed([1; 16]), round: 1 };
    let campaign = Body::Campaign { campaign: Fixed([1; 16]) };
    assert_eq!(agent.send(&scene, &release, NOW), Err(Refusal::UnknownProject));
    agent.pass(&release);
    for (body, values) in [(update, 68), (campaign, 3)] {
        let unknown = agent.next(body, vec![0; values]);
        assert_eq!(agent.send(&scene, &unknown, NOW), Err(Refusal::UnknownObject));
        agent.pass(&unknown);
    }
    let release = agent.next(Body::Confusion { window: 0 }, vec![0; 4]);
    assert_eq!(agent.send(&scene, &release, NOW), Err(Refusal::Malformed));
    agent.pass(&release);
    assert_eq!(counted(&scene, &CONFUSION), 0);
    // None of them counted, all of them were charged: the chain goes on.
    agent.submit(&scene, CONFUSION, vec![0; 4], NOW).unwrap();
    assert_eq!(counted(&scene, &CONFUSION), 1);
}

#[test]
fn of_what_is_not_counted_no_bytes_are_kept() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    let mut unknown = agent.next(CONFUSION, vec![i32::MAX; 100_000]);
    unknown.project = "nobodys".parse().unwrap();
    assert_eq!(agent.send(&scene, &unknown, NOW), Err(Refusal::UnknownProject));
    agent.pass(&unknown);
    agent.submit(&scene, CONFUSION, vec![1, 2, 3, 4], NOW).unwrap();
    let sent = unknown.encode().unwrap().len();
    let file = rusqlite::Connection::open(scene.dir.path().join("store.db")).unwrap();
    let kept = "SELECT LENGTH(bytes) FROM release ORDER BY sequence";
    let mut kept = file.prepare(kept).unwrap();
    let kept: Vec<usize> =
        kept.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(kept[0] == 0 && kept[1] > 0, "{kept:?}");
    // What it cost, and how much came, is known all the same; and that it came.
    let charges = scene.store.read("charges", |tx| tx.charges()).unwrap();
    let of_unknown = charges.iter().find(|charge| charge.project == unknown.project).unwrap();
    assert_eq!((of_unknown.releases, of_unknown.bytes), (1, sent as u64));
    assert_eq!(agent.send(&scene, &unknown, NOW).unwrap().sequence, 1);
}

#[test]
fn an_agent_that_releases_too_often_waits_and_loses_nothing() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    let day = u32::try_from(RELEASES_PER_DAY_MAX).unwrap();
    scene
        .store
        .write("test", |tx| {
            for window in 1..=day {
                let release = agent.next(Body::Drift { window }, vec![0; 8]);
                agent.pass(&release);
                let (bytes, received_unix_s) = (&release.encode().unwrap()[..], NOW);
                let (chain, release) = (chain(bytes), &release);
                let Sender { site, agent } = agent.sender();
                let counted = false;
                tx.add_release(&NewRelease {
                    site,
                    agent,
                    release,
                    bytes,
                    chain,
                    counted,
                    received_unix_s,
                })?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let values = || vec![1, 2, 3, 4];
    for (now, retry_after_ms) in [(NOW, 3_600_000), (NOW + DAY_SECONDS - 1, 1000)] {
        let refused = agent.submit(&scene, CONFUSION, values(), now);
        assert_eq!(refused, Err(Refusal::Busy { retry_after_ms }));
    }
    assert_eq!(alerts(&scene), []);
    Agent::new("north").renamed("a2").submit(&scene, CONFUSION, values(), NOW).unwrap();
    agent.submit(&scene, CONFUSION, values(), NOW + DAY_SECONDS).unwrap();
}

#[test]
fn what_no_agent_makes_has_no_place_in_a_chain() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    let bent: [fn(&mut Release); 4] = [
        |release| release.nano_rho = 0,
        |release| release.nano_rho = u64::MAX,
        |release| release.scale_1024 = 0,
        |release| release.scale_1024 = u64::MAX,
    ];
    for bend in bent {
        let mut release = agent.next(CONFUSION, vec![0; 4]);
        bend(&mut release);
        assert_eq!(agent.send(&scene, &release, NOW), Err(Refusal::Malformed), "{release:?}");
    }
    agent.submit(&scene, CONFUSION, vec![0; 4], NOW).unwrap();
}

#[test]
fn statistics_have_the_price_and_the_noise_that_their_project_asks_for() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    let bent: [fn(&mut Release); 3] = [
        |release| release.nano_rho -= 1,
        |release| release.scale_1024 += 1,
        |release| release.scale_1024 = 1, // as if there were next to no noise to take off
    ];
    for bend in bent {
        let mut release = priced(&scene.store, agent.next(CONFUSION, vec![0; 4]));
        bend(&mut release);
        assert_eq!(agent.send(&scene, &release, NOW), Err(Refusal::Malformed), "{release:?}");
        agent.pass(&release);
    }
    assert_eq!(counted(&scene, &CONFUSION), 0);
}

#[test]
fn a_site_that_joins_anew_brings_its_chain_and_counts_once() {
    let scene = Scene::new(&["north"]);
    let mut old = Agent::new("north");
    old.submit(&scene, CONFUSION, vec![1; 4], NOW).unwrap();
    let mut new = old.renamed("a2");
    new.submit(&scene, CONFUSION, vec![1; 4], NOW).unwrap();
    new.submit(&scene, Body::Confusion { window: 2 }, vec![2; 4], NOW).unwrap();
    assert_eq!(counted(&scene, &CONFUSION), 2);
    let charges = scene.store.read("charges", |tx| tx.charges()).unwrap();
    assert_eq!((charges[0].releases, charges[0].nano_rho), (2, 30_000_000));
    assert_eq!(alerts(&scene), []);
}

#[test]
fn a_window_released_twice_keeps_the_chain_and_counts_once() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    agent.submit(&scene, CONFUSION, vec![1; 4], NOW).unwrap();
    agent.submit(&scene, CONFUSION, vec![2; 4], NOW).unwrap();
    agent.submit(&scene, Body::Confusion { window: 2 }, vec![3; 4], NOW).unwrap();
    assert_eq!(counted(&scene, &CONFUSION), 2);
    let charges = scene.store.read("charges", |tx| tx.charges()).unwrap();
    assert_eq!((charges[0].releases, charges[0].nano_rho), (3, 45_000_000));
}

#[test]
fn a_release_id_is_taken_once_in_the_federation() {
    let scene = Scene::new(&["north", "south"]);
    let (north, south) = (Agent::new("north"), Agent::new("south"));
    let release = priced(&scene.store, north.next(CONFUSION, vec![1; 4]));
    north.send(&scene, &release, NOW).unwrap();
    assert_eq!(south.send(&scene, &release, NOW), Err(Refusal::Malformed));
}

#[test]
fn only_members_are_heard() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    agent.submit(&scene, CONFUSION, vec![1; 4], NOW).unwrap();
    scene.store.write("revoke", |tx| tx.revoke_site(&site("north"), NOW)).unwrap();
    let refused = agent.submit(&scene, Body::Confusion { window: 2 }, vec![1; 4], NOW);
    assert_eq!(refused, Err(Refusal::NotMember));
    let facts = DeviceFacts {
        version: [0, 1, 0],
        uptime_days: 0,
        load_quarters: 0,
        memory_tenths: 0,
        disk_tenths: 0,
        temperature_tens: None,
        engine: EngineKind::None,
    };
    let (name, stranger) = ("a1".parse().unwrap(), site("nowhere"));
    for site in [&site("north"), &stranger] {
        let sender = Sender { site, agent: &name };
        assert_eq!(hello(&scene.store, sender, &facts, NOW).unwrap(), Err(Refusal::NotMember));
    }
}

#[test]
fn a_hello_tells_where_the_chain_ends() {
    let scene = Scene::new(&["north"]);
    let mut agent = Agent::new("north");
    let receipt = agent.submit(&scene, CONFUSION, vec![1; 4], NOW).unwrap();
    let facts = DeviceFacts {
        version: [0, 1, 0],
        uptime_days: 3,
        load_quarters: 1,
        memory_tenths: 2,
        disk_tenths: 3,
        temperature_tens: Some(4),
        engine: EngineKind::Tract,
    };
    let (north, name) = (site("north"), "a1".parse().unwrap());
    let sender = Sender { site: &north, agent: &name };
    let answer = hello(&scene.store, sender, &facts, NOW + 5).unwrap().unwrap();
    assert_eq!(answer, HelloAnswer { now_unix_s: NOW + 5, acknowledged: Some(receipt) });
    let agents = scene.store.read("agents", |tx| tx.agents()).unwrap();
    assert_eq!((agents[0].facts, agents[0].seen_unix_s), (Some(facts), Some(NOW + 5)));
}

#[test]
fn noise_is_not_a_release() {
    let scene = Scene::new(&["north"]);
    let (north, name) = (site("north"), "a1".parse().unwrap());
    let sender = Sender { site: &north, agent: &name };
    let refused = submit(&scene.store, &scene.sessions, sender, &[0xff; 40], NOW).unwrap();
    assert_eq!(refused, Err(Refusal::Malformed));
    assert_eq!(alerts(&scene), [("malformed".to_owned(), 1)]);
}
