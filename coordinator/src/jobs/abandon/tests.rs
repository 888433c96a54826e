use std::time::Duration;

use insitu_protocol::session::SessionAnswer;
use rusqlite::Connection;

use super::*;
use crate::evaluation as evaluations;
use crate::jobs::training::tests::plan;
use crate::jobs::{collection as collecting, evaluation as evaluating};
use crate::publish::tests::candidate;
use crate::round::report;
use crate::session::report as collections;
use crate::session::tests::parties;
use crate::store::{SecureAggregation, Terms};
use crate::tests::{NOW, Scene, name};

fn file(scene: &Scene) -> Connection {
    Connection::open(scene.dir.path().join("store.db")).unwrap()
}

/// The store as a command has it, while another process serves.
fn command(scene: &Scene) -> Store {
    Store::open(&scene.dir.path().join("store.db")).unwrap()
}

#[test]
fn a_run_ends_with_its_session_at_an_operators_word() {
    let (scene, mut sites) = parties(4);
    let id = training::start(scene.bench(), &plan(2, None), NOW).unwrap();
    let order = sites[0].asked(&scene, NOW).unwrap();
    let heard = sites[0].begin(&scene, &order, NOW);
    assert!(matches!(heard, Ok(SessionAnswer::Wait { .. })), "{heard:?}");
    run(&command(&scene), id, "the wrong project", NOW).unwrap();
    // The session was in memory here: who comes now hears that it is over, and it keeps nothing.
    assert_eq!(sites[1].begin(&scene, &order, NOW), Ok(SessionAnswer::Abandoned));
    let sql = "SELECT COUNT(*) FROM session_event";
    let events = file(&scene).query_row(sql, [], |row| row.get::<_, u32>(0));
    assert_eq!(events, Ok(0));
    assert!(sites[2].asked(&scene, NOW).is_none());

    let ended = report::run(&scene.store, id).unwrap().unwrap();
    assert_eq!((ended.state, ended.rounds[0].state), ("abandoned", "abandoned"));
    assert_eq!(ended.reason.as_deref(), Some("given up by an operator: the wrong project"));
    scene.tick(NOW + 600).unwrap();
    assert!(matches!(
        run(&scene.store, id, "again", NOW),
        Err(AbandonError::Over { what: "run", state: "abandoned", .. })
    ));
    let none = run(&scene.store, Fixed([7; 16]), "nothing", NOW);
    assert!(matches!(none, Err(AbandonError::Unknown { .. })));
    training::start(scene.bench(), &plan(2, None), NOW + 1).unwrap();
}

#[test]
fn a_run_whose_rows_contradict_each_other_can_be_ended() {
    let (scene, _) = parties(1);
    let id = training::start(scene.bench(), &plan(2, None), NOW).unwrap();
    file(&scene).execute("DELETE FROM round", []).unwrap();
    assert!(scene.tick(NOW).is_err());
    run(&scene.store, id, "it is broken", NOW).unwrap();
    scene.tick(NOW).unwrap();
}

#[test]
fn an_evaluation_and_a_collection_end_at_an_operators_word() {
    let (scene, mut sites) = parties(4);
    let bundle = candidate(&scene);
    let terms = Terms { nano_rho: 24_000_000, margin_milli: 20 };
    let plan = evaluating::Plan {
        candidate: bundle,
        terms,
        sites: None,
        closes_in: Duration::from_secs(600),
        secure: SecureAggregation::Auto,
        colluders: None,
        promotes: false,
    };
    let id = evaluating::start(scene.bench(), &plan, NOW).unwrap();
    let order = sites[0].asked(&scene, NOW).unwrap();
    sites[0].begin(&scene, &order, NOW).unwrap();
    evaluation(&command(&scene), id, "too dear", NOW).unwrap();
    assert_eq!(sites[1].begin(&scene, &order, NOW), Ok(SessionAnswer::Abandoned));
    let found = evaluations::evaluation(&scene.store, id).unwrap().unwrap();
    assert_eq!(found.reason.as_deref(), Some("given up by an operator: too dear"));
    let again = evaluation(&scene.store, id, "again", NOW);
    assert!(matches!(again, Err(AbandonError::Over { what: "evaluation", .. })));

    let plan = collecting::Plan {
        project: name(),
        sites: None,
        closes_in: Duration::from_secs(600),
        colluders: None,
    };
    let id = collecting::start(&scene.store, &plan, NOW).unwrap();
    let order = sites[2].asked(&scene, NOW).unwrap();
    sites[2].begin(&scene, &order, NOW).unwrap();
    collection(&command(&scene), id, "too early", NOW).unwrap();
    assert_eq!(sites[3].begin(&scene, &order, NOW), Ok(SessionAnswer::Abandoned));
    let found = collections::collection(&scene.store, id).unwrap().unwrap();
    assert_eq!((found.state, found.attempts), ("abandoned", 1));
    assert_eq!(found.reason.as_deref(), Some("given up by an operator: too early"));
    let again = collection(&scene.store, id, "again", NOW);
    assert!(matches!(again, Err(AbandonError::Over { what: "collection", .. })));
    scene.tick(NOW + 6000).unwrap();
    assert!(sites.iter().all(|site| site.asked(&scene, NOW + 6000).is_none()));
}
