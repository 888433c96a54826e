use std::collections::BTreeSet;
use std::time::Duration;

use insitu_daemon::clock::ManualClock;
use insitu_protocol::release::Body;
use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::campaign::{self, Plan, Target, bins_clause};
use crate::jobs::{tick, training};
use crate::tests::{Agent, NOW, Scene, name, project, site};
use crate::{Coordinator, config};

/// An office whose federation has done everything once.
fn office() -> (tempfile::TempDir, Office) {
    let scene = Scene::new(&["a", "b"]);
    let first = scene.publish();
    let mut agents = [Agent::new("a"), Agent::new("b")];
    for (agent, matrix) in agents.iter_mut().zip([[400, 20, 30, 350], [200, 80, 60, 160]]) {
        let bins = project().drift_bins();
        for (body, values) in [
            (Body::Confusion { window: 1 }, matrix.to_vec()),
            (Body::Coincidence { window: 1 }, matrix.to_vec()),
            (Body::Calibration { window: 1 }, vec![40; 10]),
            (Body::Drift { window: 1 }, vec![100; bins]),
        ] {
            agent.submit(&scene, body, values, NOW).unwrap();
        }
    }
    let plan = training::tests::plan(1, None);
    let run = training::start(scene.bench(), &plan, NOW).unwrap();
    for agent in &mut agents {
        agent.submit(&scene, Body::Update { run, round: 1 }, vec![5; 68], NOW).unwrap();
    }
    scene.tick(NOW).unwrap();
    let figures = [(site("a"), 0.81), (site("b"), 0.77)];
    let last = scene.store.read("active", |tx| tx.active_publication(&name())).unwrap().unwrap();
    assert_ne!(last.bundle, first);
    registry_evaluate(&scene, last.bundle, &figures);
    let clause = bins_clause(&project(), "chol", &["<1".to_owned()]).unwrap();
    let plan = Plan {
        project: name(),
        target: Target::Slice(insitu_protocol::order::Selector::new(vec![clause]).unwrap()),
        sites: None,
        title: None,
        closes_in: Duration::from_secs(60),
        items_max: 10,
        epsilon: 0.5,
    };
    let created = campaign::create(&scene.store, &plan, NOW).unwrap();
    let body = Body::Campaign { campaign: created.campaign };
    agents[0].submit(&scene, body, vec![-2, 5, 7], NOW).unwrap();

    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_second(NOW).unwrap()));
    let folder = scene.dir.path().join("home");
    std::fs::create_dir(&folder).unwrap();
    let federation = "heart".parse().unwrap();
    let (link, http) = ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap());
    let file = folder.join(config::FILE);
    std::fs::write(&file, config::example(&federation, link, http)).unwrap();
    let config = Config::read(&file).unwrap();
    Coordinator::create(&config, federation, Arc::clone(&clock)).unwrap();
    let authority = Authority::open(&config.authority_folder(), Arc::clone(&clock)).unwrap();
    let Scene { dir, store, sessions, registry, key } = scene;
    let arrived = Notify::new();
    (dir, Office { config, store, sessions, registry, authority, key, clock, arrived })
}

fn registry_evaluate(scene: &Scene, bundle: insitu_protocol::ids::Digest, of: &[(SiteName, f64)]) {
    crate::registry::evaluate(&scene.store, bundle, of, "by a test", NOW).unwrap();
}

#[test]
fn the_overview_is_what_its_description_says() {
    let (_dir, office) = office();
    let (presence, cache) = (Presence::default(), DriftCache::default());
    presence.seen(&site("a"), NOW);
    let overview = overview::build(&office, &presence, &cache).unwrap();
    let overview = serde_json::to_value(overview).unwrap();
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let schema = &document["components"]["schemas"]["Overview"];
    check(&document, schema, &overview, "overview").unwrap();

    let project = &overview["projects"][0];
    assert_eq!(overview["sites"][0]["connected"], true);
    assert_eq!(overview["sites"][1]["connected"], false);
    let evaluation = &project["runs"][0]["rounds"][0]["evaluation"];
    assert_eq!(evaluation["accuracy"]["b"], 0.77);
    assert!(evaluation["note"].as_str().unwrap().starts_with("Attached by hand: "));
    assert_eq!(project["campaigns"][0]["sites"][0]["matched"], 10);
    assert_eq!(project["campaigns"][0]["sites"][1]["answered"], false);
    assert_eq!(project["drift"]["reference"], "a");
    // The second time the drift comes from memory, and is the same.
    let again = overview::build(&office, &presence, &cache).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), overview);
}

#[test]
fn the_description_is_checked_by_more_than_its_names() {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let schema = &document["components"]["schemas"]["Estimate"];
    for (value, fits) in [
        (json!({"value": 0.1, "low": 0, "high": 1, "deviation": 0.1}), true),
        (json!({"undefined": "why"}), true),
        (json!({"undefined": 1}), false),
        (json!({"value": 0.1, "low": 0, "high": 1}), false),
    ] {
        assert_eq!(check(&document, schema, &value, "estimate").is_ok(), fits, "{value}");
    }
}

#[test]
fn the_page_and_its_files_are_embedded() {
    assert_eq!(file("index.html").status(), StatusCode::OK);
    assert_eq!(file("../Cargo.toml").status(), StatusCode::NOT_FOUND);
}

#[test]
fn one_bench_is_enough_for_all_jobs() {
    let (_dir, office) = office();
    tick(office.bench(), &office.sessions, NOW + 61).unwrap();
    let campaigns = campaign::report::campaigns(&office.store, None).unwrap();
    assert_eq!(campaigns[0].state, "closed");
}

#[tokio::test]
async fn what_comes_ends_any_rest_but_the_one_after_a_failure() {
    let (_dir, mut office) = office();
    let second = Duration::from_secs(1);
    office.config.rounds.tick = 10 * second;
    let coordinator = Coordinator { office: Arc::new(office) };
    let (_stop, shutdown) = insitu_daemon::shutdown::pair();
    coordinator.office.arrived.notify_one();
    let rested = tokio::time::timeout(5 * second, coordinator.rest(false, &shutdown)).await;
    assert_eq!(rested, Ok(true));
    coordinator.office.arrived.notify_one();
    let rested = tokio::time::timeout(second / 10, coordinator.rest(true, &shutdown)).await;
    assert!(rested.is_err());
}

/// As much of JSON Schema as the document uses.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        let named = document.pointer(pointer).ok_or_else(|| format!("no {reference}"))?;
        return check(document, named, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let fits = choices.iter().any(|choice| check(document, choice, value, at).is_ok());
        return fits.then_some(()).ok_or_else(|| format!("{at}: no choice fits {value}"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |allowed: &Value| allowed == kind || (allowed == "number" && kind == "integer");
    let allowed = &schema["type"];
    if !(fits(allowed) || allowed.as_array().is_some_and(|kinds| kinds.iter().any(fits))) {
        return Err(format!("{at}: {kind} where {allowed} is said"));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        return Err(format!("{at}: {value} is none of {words:?}"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().try_for_each(|item| check(document, &schema["items"], item, at));
    }
    let (Some(object), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    else {
        return Ok(());
    };
    let (found, said): (BTreeSet<&String>, BTreeSet<&String>) =
        (object.keys().collect(), properties.keys().collect());
    if found != said {
        return Err(format!("{at}: {found:?} where {said:?} is said"));
    }
    object.iter().try_for_each(|(key, value)| {
        check(document, &properties[key], value, &format!("{at}.{key}"))
    })
}
