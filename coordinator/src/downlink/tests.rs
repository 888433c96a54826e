use std::time::Duration;

use insitu_protocol::order::Selector;

use super::*;
use crate::campaign::{self, Plan, Target, bins_clause};
use crate::publish;
use crate::tests::{NOW, Scene, name, project, site};

/// Below the first number of a list that was begun at [`NOW`].
const BEFORE: u64 = NOW.unsigned_abs() * 1000 - 1;

/// The kinds of a site's orders, with their places in a list that was begun at [`NOW`], from 1.
fn kinds(scene: &Scene, site_name: &str, after: u64, now: i64) -> Vec<(u64, &'static str)> {
    let orders = poll(&scene.store, &site(site_name), after.saturating_add(BEFORE), now).unwrap();
    let kind = |order: &Order| match order {
        Order::Project(_) | Order::TaskProject(_) | Order::ThresholdProject(_) => "project",
        Order::Bundle(_) => "bundle",
        Order::Candidate(_) => "candidate",
        Order::Round(_) | Order::CoarseRound(_) => "round",
        Order::Campaign(_) => "campaign",
        Order::Session(_) => "session",
        Order::Functions(_) => "functions",
        Order::Evaluation(_) => "evaluation",
    };
    orders.iter().map(|numbered| (numbered.number - BEFORE, kind(&numbered.order))).collect()
}

#[test]
fn orders_ascend_and_are_polled_from_where_a_site_stopped() {
    let scene = Scene::new(&["a"]);
    scene.publish();
    assert_eq!(kinds(&scene, "a", 0, NOW), [(1, "project"), (2, "bundle")]);
    assert_eq!(kinds(&scene, "a", 1, NOW), [(2, "bundle")]);
    assert_eq!(kinds(&scene, "a", 2, NOW), []);
    assert_eq!(kinds(&scene, "a", u64::MAX, NOW), []);
    assert_eq!(kinds(&scene, "nowhere", 0, NOW), []);
}

#[test]
fn a_site_that_comes_later_is_told_the_same() {
    let scene = Scene::new(&["a"]);
    scene.publish();
    scene.add("late");
    assert_eq!(kinds(&scene, "late", 0, NOW), [(1, "project"), (2, "bundle")]);
}

#[test]
fn a_restored_store_gives_no_number_again() {
    let mut scene = Scene::new(&["a"]);
    let (file, backup) = (scene.dir.path().join("store.db"), scene.dir.path().join("backup.db"));
    let copy = format!("VACUUM INTO '{}'", backup.display());
    rusqlite::Connection::open(&file).unwrap().execute_batch(&copy).unwrap();
    let version = |version| insitu_protocol::project::Project { version, ..project() };
    for number in 2..5 {
        publish::project(&scene.store, &version(number), NOW + 1).unwrap();
    }
    let heard = poll(&scene.store, &site("a"), 0, NOW + 1).unwrap().pop().unwrap().number;

    scene.restore(&backup);
    publish::project(&scene.store, &version(2), NOW + 2).unwrap();
    assert_eq!(poll(&scene.store, &site("a"), heard, NOW + 2).unwrap().len(), 1);
}

#[test]
fn what_was_replaced_is_left_out() {
    let scene = Scene::new(&["a"]);
    scene.publish();
    let newer = insitu_protocol::project::Project { version: 2, ..project() };
    publish::project(&scene.store, &newer, NOW).unwrap();
    assert_eq!(kinds(&scene, "a", 0, NOW), [(2, "bundle"), (3, "project")]);
    let older = publish::project(&scene.store, &project(), NOW);
    assert!(matches!(older, Err(publish::PublishError::Version { current: 2, got: 1, .. })));
    let other = insitu_protocol::project::Project {
        version: 3,
        task: insitu_protocol::project::Task::Classes,
        ..project()
    };
    let other = publish::project(&scene.store, &other, NOW);
    assert!(matches!(other, Err(publish::PublishError::Task { current: "class", .. })));
}

#[test]
fn a_campaign_is_told_while_it_is_open_to_the_sites_it_asks() {
    let scene = Scene::new(&["a", "b"]);
    let clause = bins_clause(&project(), "chol", &["<1".to_owned()]).unwrap();
    let plan = Plan {
        project: name(),
        target: Target::Slice(Selector::new(vec![clause]).unwrap()),
        sites: Some(vec![site("a")]),
        title: None,
        closes_in: Duration::from_secs(60),
        items_max: 10,
        epsilon: 0.5,
    };
    let first = campaign::create(&scene.store, &plan, NOW).unwrap();
    assert_eq!(first.title, "chol is <1");
    assert_eq!(kinds(&scene, "a", 1, NOW + 59), [(2, "campaign")]);
    assert_eq!(kinds(&scene, "a", 1, NOW + 60), []);
    assert_eq!(kinds(&scene, "b", 1, NOW), []);
    campaign::cancel(&scene.store, first.campaign).unwrap();
    assert_eq!(kinds(&scene, "a", 1, NOW), []);
    assert!(matches!(
        campaign::cancel(&scene.store, first.campaign),
        Err(campaign::CampaignError::NotOpen { state: "cancelled", .. })
    ));
}

/// The places in the list that are taken.
fn list(scene: &Scene) -> Vec<u64> {
    let rows = scene.store.read("list", |tx| tx.orders_after(&site("a"), 0, usize::MAX));
    rows.unwrap().iter().map(|row| row.number - BEFORE).collect()
}

#[test]
fn what_is_over_is_not_read_again_and_its_number_not_given_twice() {
    let scene = Scene::new(&["a"]);
    scene.publish();
    let clause = bins_clause(&project(), "chol", &["<1".to_owned()]).unwrap();
    let plan = Plan {
        project: name(),
        target: Target::Slice(Selector::new(vec![clause]).unwrap()),
        sites: None,
        title: None,
        closes_in: Duration::from_secs(60),
        items_max: 10,
        epsilon: 0.5,
    };
    let create = || campaign::create(&scene.store, &plan, NOW).unwrap().campaign;
    let campaigns = [create(), create(), create()];
    // Time alone takes nothing out: the clock may be set back.
    assert_eq!(kinds(&scene, "a", 2, NOW + 60), []);
    assert_eq!(kinds(&scene, "a", 2, NOW).len(), 3);
    for id in campaigns {
        campaign::cancel(&scene.store, id).unwrap();
    }
    let file = rusqlite::Connection::open(scene.dir.path().join("store.db")).unwrap();
    file.execute("UPDATE campaign SET campaign_order = x''", []).unwrap();
    assert_eq!(kinds(&scene, "a", 2, NOW), []);
    assert_eq!(list(&scene), [1, 2, 5], "the last stays, for its number");
    create();
    assert_eq!(kinds(&scene, "a", 5, NOW), [(6, "campaign")]);
    let newer = insitu_protocol::project::Project { version: 2, ..project() };
    publish::project(&scene.store, &newer, NOW).unwrap();
    let orders = [(2, "bundle"), (6, "campaign"), (7, "project")];
    assert_eq!(kinds(&scene, "a", 0, NOW), orders);
    assert_eq!(list(&scene), [2, 6, 7]);
    assert_eq!(kinds(&scene, "a", 0, NOW), orders);
}

#[test]
fn an_answer_has_a_bounded_number_of_orders() {
    let scene = Scene::new(&["a"]);
    let clause = bins_clause(&project(), "chol", &["<1".to_owned()]).unwrap();
    let plan = Plan {
        project: name(),
        target: Target::Slice(Selector::new(vec![clause]).unwrap()),
        sites: None,
        title: Some("t".repeat(128)),
        closes_in: Duration::from_secs(60),
        items_max: 10,
        epsilon: 0.5,
    };
    for _ in 0..ORDERS_MAX + 4 {
        campaign::create(&scene.store, &plan, NOW).unwrap();
    }
    let first = kinds(&scene, "a", 0, NOW);
    assert_eq!(first.len(), ORDERS_MAX);
    assert_eq!(kinds(&scene, "a", first[ORDERS_MAX - 1].0, NOW).len(), 5);
}
