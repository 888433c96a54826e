use insitu_protocol::bytes::Fixed;
use insitu_protocol::project::Project;
use serde_json::Value;

use super::*;
use crate::label::Label;
use crate::prelabel::Prelabel;
use crate::review::{Annotation, Decision, annotate, next, next_to_validate, requeue};
use crate::route::{self, Accepts};
use crate::store::acceptance::ClassRow;
use crate::store::items::Stage;
use crate::store::labels::{Person, Reading, Role, Terms};
use crate::store::tests::Scratch;
use crate::store::{StoreError, Tx};
use crate::testing;

struct Site {
    scratch: Scratch,
    project: Project,
    ann: Person,
    bob: Person,
    eve: Person,
    lea: Person,
}

/// A site with items that wait for a first reader, and for a second one if `overlap`.
fn site(items: u32, overlap: bool, confidence: impl Fn(usize) -> f64) -> Site {
    let scratch = crate::store::tests::scratch();
    let mut project = testing::project();
    project.routing.overlap = if overlap { 1000 } else { 0 };
    let row = testing::put(&scratch.store, &project);
    testing::add_items(&scratch.store, &row, 0..items, items.max(1));
    testing::prelabel(&scratch.store, &row, confidence);
    let [ann, bob, eve, lea] = [
        ("ann", Role::Annotator),
        ("bob", Role::Annotator),
        ("eve", Role::Expert),
        ("lea", Role::Lead),
    ]
    .map(|(name, role)| testing::person(&scratch.store, name, role));
    Site { scratch, project, ann, bob, eve, lea }
}

impl Site {
    /// Labels everything that the person is offered for `reading`; items count from 0.
    fn label(&self, person: &Person, reading: Reading, class: impl Fn(usize) -> u16) {
        loop {
            let cards = next(&self.scratch.store, person, &self.project.name, 50, 0).unwrap();
            let cards: Vec<_> = cards.iter().filter(|c| c.lease.reading == reading).collect();
            if cards.is_empty() {
                return;
            }
            for card in cards {
                let at = usize::try_from(card.row.item - 1).unwrap();
                let annotation = Annotation {
                    key: format!("{}-{at}", person.name),
                    label: Some(Label::Class(class(at))),
                    seconds: 1.0,
                    decision: Decision::Correct,
                    comment: None,
                    looks_real: None,
                    reason: None,
                };
                annotate(&self.scratch.store, person, &card.row.opaque, &annotation, 1).unwrap();
            }
        }
    }

    fn report(&self) -> Report {
        Report::read(&self.scratch.store, &self.project.name, None, 100).unwrap()
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[track_caller]
fn close(value: &Value, expected: f64) {
    let found = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn without_labels_everything_says_why_it_is_undefined() {
    let report = site(3, true, |_| 0.7).report();
    let shown = json(&report);
    assert_eq!(
        shown["agreement"]["readers"]["coefficients"][0]["undefined"],
        "0 items were read by two people, 10 are needed"
    );
    assert_eq!(shown["people"]["people"], Value::Array(Vec::new()));
    assert_eq!(shown["calibration"]["undefined"], "no model is in use");
    let errors = json(&report.label_errors);
    assert_eq!(errors["undefined"], "0 labels answer a prelabel, 20 are needed");
    assert_eq!(json(&report.next)["items"].as_array().unwrap().len(), 3);
    let none = site(0, true, |_| 0.7).report();
    assert_eq!(json(&none.next)["undefined"], "no prelabeled item waits for its first label");
}

#[test]
fn agreement_has_items_that_somebody_skipped_first() {
    let site = site(12, true, |_| 0.7);
    let cards = next(&site.scratch.store, &site.lea, &site.project.name, 50, 0).unwrap();
    for card in &cards[..6] {
        let skip = Annotation {
            key: format!("skip-{}", card.row.item),
            label: None,
            seconds: 1.0,
            decision: Decision::Skip,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(&site.scratch.store, &site.lea, &card.row.opaque, &skip, 1).unwrap();
    }
    for card in &cards[6..] {
        site.scratch.store.tx("test", |tx| tx.end_lease(card.row.item)).unwrap();
    }
    site.label(&site.ann, Reading::First, |_| 0);
    site.label(&site.bob, Reading::Second, |_| 0);
    assert_eq!(json(&site.report())["agreement"]["readers"]["items"], 12);
}

#[test]
fn agreement_is_between_the_two_readers() {
    let site = site(20, true, |_| 0.7);
    site.label(&site.ann, Reading::First, |at| u16::from(at >= 10));
    site.label(&site.bob, Reading::Second, |at| u16::from(at >= 10) ^ u16::from(at % 10 < 2));
    // An expert who always sides with the first reader makes them agree no better.
    site.label(&site.eve, Reading::Expert, |at| u16::from(at >= 10));
    let shown = json(&site.report());
    let readers = &shown["agreement"]["readers"];
    assert_eq!(readers["items"], 20);
    assert_eq!(readers["matrix"], serde_json::json!([[0, 0, 8], [0, 1, 2], [1, 0, 2], [1, 1, 8]]));
    let of = |name: &str| {
        let all = readers["coefficients"].as_array().unwrap();
        all.iter().find(|entry| entry["name"] == name).unwrap().clone()
    };
    // Observed .8; both use the classes alike, so chance is .5 for κ and AC1.
    close(&of("Cohen’s κ")["value"], 0.6);
    close(&of("Fleiss’ κ")["value"], 0.6);
    close(&of("Gwet’s AC1")["value"], 0.6);
    // α = 1 − D_o/D_e with D_o = .2 and D_e = 2·20·20/(40·39).
    close(&of("Krippendorff’s α")["value"], 1.0 - 0.2 * (40.0 * 39.0) / 800.0);
    close(&of("Same label")["value"], 0.8);
    for entry in readers["coefficients"].as_array().unwrap() {
        assert!(entry["low"].as_f64() < entry["value"].as_f64(), "{entry}");
        assert!(entry["value"].as_f64() < entry["high"].as_f64(), "{entry}");
    }
    // The model says class 1 always, the label of record is half and half.
    assert_eq!(shown["agreement"]["model"]["matrix"], serde_json::json!([[1, 0, 10], [1, 1, 10]]));
}

#[test]
fn whoever_disagrees_with_the_consensus_is_seen_and_how() {
    let site = site(40, true, |_| 0.7);
    let truth = |at: usize| u16::from(at.is_multiple_of(2));
    // Bob calls a third of class 1 class 0, the expert sides with Ann.
    let bob = |at: usize| if at.is_multiple_of(6) { 0 } else { truth(at) };
    site.label(&site.ann, Reading::First, truth);
    site.label(&site.bob, Reading::Second, bob);
    site.label(&site.eve, Reading::Expert, truth);
    let shown = json(&site.report());
    let people = shown["people"]["people"].as_array().unwrap();
    let person = |name: &str| people.iter().find(|person| person["name"] == name).unwrap();
    assert_eq!((&shown["people"]["shared"], &shown["people"]["disputed"]), (&40.into(), &0.into()));
    close(&person("ann")["agreement"]["value"], 1.0);
    close(&person("bob")["agreement"]["value"], 33.0 / 40.0);
    assert!(person("bob")["agreement"]["high"].as_f64() < Some(0.95));
    assert_eq!(person("bob")["matrix"], serde_json::json!([[0, 0, 20], [1, 0, 7], [1, 1, 13]]));
    // Eve decided seven, which says nothing about her; Lea none, and is not shown.
    assert_eq!((&person("eve")["labels"], people.len()), (&7.into(), 3));
    assert_eq!(person("eve")["agreement"]["undefined"], "0 shared items, 5 are needed");
}

#[test]
fn labels_against_a_sure_model_are_listed_until_they_are_sent_back() {
    // The model says class 1 of everything. Ann contradicts it where it is least sure, which is to
    // be expected, and three times where it is surest.
    let site = site(60, false, |at| match at % 20 {
        7 => 0.89,
        8..13 => 0.62,
        _ => 0.75,
    });
    site.label(&site.ann, Reading::First, |at| u16::from(!(7..13).contains(&(at % 20))));
    let report = site.report();
    let errors = json(&report.label_errors);
    let items = errors["items"].as_array().unwrap();
    assert_eq!((items.len(), &errors["found"]), (3, &Value::from(3)));
    for item in items {
        assert_eq!((&item["label"], &item["suggested"]), (&0.into(), &1.into()));
        assert_eq!((&item["by"][0], &item["queued"]), (&"ann".into(), &false.into()));
        close(&item["quality"], 0.11);
        assert_eq!(item["values"][0]["title"], "Age");
    }
    let row = site.scratch.store.read("test", |tx| tx.item(8)).unwrap().unwrap();
    requeue(&site.scratch.store, &site.lea, &row.opaque, 2).unwrap();
    let errors = json(&site.report().label_errors);
    let queued = errors["items"].as_array().unwrap().iter().filter(|i| i["queued"] == true);
    assert_eq!(queued.count(), 1);
}

#[test]
fn a_blind_reader_is_told_nothing_by_the_list() {
    let site = site(60, true, |at| match at % 20 {
        7 => 0.89,
        8..13 => 0.62,
        _ => 0.75,
    });
    site.label(&site.ann, Reading::First, |at| u16::from(!(7..13).contains(&(at % 20))));
    assert_eq!(json(&site.report().label_errors)["found"], 0);
}

#[test]
fn the_model_is_as_sure_as_it_is_right() {
    let site = site(100, false, |at| if at < 50 { 0.65 } else { 0.85 });
    site.label(&site.ann, Reading::First, |at| u16::from(at % 50 < if at < 50 { 30 } else { 45 }));
    let shown = json(&site.report());
    let calibration = &shown["calibration"];
    let bins = calibration["bins"].as_array().unwrap();
    assert_eq!(bins.len(), 2);
    close(&bins[0]["right"]["value"], 0.6);
    close(&bins[1]["right"]["value"], 0.9);
    close(&calibration["error"], 0.05);
    assert_eq!((&calibration["corrections"], &calibration["in_use"]), (&100.into(), &false.into()));
}

#[test]
fn the_closest_call_comes_first_and_equal_items_share_a_task() {
    // Items i and i + 90 have the same age and nothing else.
    let site = site(180, false, |at| 0.899 - 0.003 * (at % 90) as f64);
    site.label(&site.ann, Reading::First, |at| u16::from(at < 30));
    let next = json(&site.report().next);
    assert_eq!(next["undefined"], "no prelabeled item waits for its first label");
    let site = self::site(180, false, |at| 0.899 - 0.003 * (at % 90) as f64);
    for card in next_cards(&site, 30) {
        let annotation = Annotation {
            key: hex::encode(card.row.opaque),
            label: Some(Label::Class(1)),
            seconds: 1.0,
            decision: Decision::Accept,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(&site.scratch.store, &site.ann, &card.row.opaque, &annotation, 1).unwrap();
    }
    let next = json(&site.report().next);
    assert_eq!((&next["strategy"], &next["waiting"]), (&"margin".into(), &150.into()));
    let items = next["items"].as_array().unwrap();
    assert_eq!(items.len(), LISTED_MAX);
    let margins: Vec<f64> = items.iter().map(|item| item["margin"].as_f64().unwrap()).collect();
    assert!(margins.is_sorted(), "{margins:?}");
    assert!(items.iter().all(|item| item["alike"] == 1), "each has one equal");
    let mut ages: Vec<_> = items.iter().map(|item| item["values"][0]["value"].as_str()).collect();
    ages.dedup();
    assert_eq!(ages.len(), LISTED_MAX, "the equal item is not listed beside it");
}

fn next_cards(site: &Site, count: u32) -> Vec<crate::review::Card> {
    next(&site.scratch.store, &site.ann, &site.project.name, count, 0).unwrap()
}

#[test]
fn while_there_are_few_labels_typical_items_come_first() {
    let site = site(120, false, |_| 0.7);
    let next = json(&site.report().next);
    assert_eq!((&next["strategy"], &next["labels"]), (&"typical".into(), &0.into()));
    let items = next["items"].as_array().unwrap();
    assert!(items.len() > 3);
    // Ages under 40, to 60 and above: the first three stand for the three groups.
    let group = |item: &Value| {
        let age: f64 = item["values"][0]["value"].as_str().unwrap().parse().unwrap();
        u8::from(age >= 40.0) + u8::from(age >= 60.0)
    };
    let mut groups: Vec<u8> = items.iter().take(3).map(group).collect();
    groups.sort_unstable();
    assert_eq!(groups, [0, 1, 2]);
}

#[tokio::test]
async fn a_report_is_kept_for_a_while() {
    let Site { scratch, project, .. } = site(3, false, |_| 0.7);
    let reports = Reports::new(Arc::new(scratch.store), BTreeMap::new());
    let first = reports.of(&project.name, 1).await.unwrap();
    let again = reports.of(&project.name, 2).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    for now in [1 + REPORT_LIFE_SECONDS, 0] {
        let other = reports.of(&project.name, now).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &other), "at {now}");
    }
    let unknown = reports.of(&"other".parse().unwrap(), 3).await;
    assert!(matches!(unknown, Err(ReviewError::UnknownProject { .. })));
}

#[tokio::test]
async fn figures_are_for_lead_and_steward_and_lists_for_the_lead() {
    let Site { scratch, .. } = site(3, false, |_| 0.7);
    testing::person(&scratch.store, "sam", Role::Steward);
    let was = testing::person(&scratch.store, "was", Role::Lead);
    let over = Terms { expert_until: Some(0), ..Terms::default() };
    scratch.store.tx("test", |tx| tx.set_terms(was.person, over)).unwrap();
    let desk = testing::desk(Arc::new(scratch.store));
    let app = crate::review::http::router(desk.clone()).merge(http::router(desk, BTreeMap::new()));
    let api = testing::Served::start(app).await;
    let ask = async |path: &str, token: &str| {
        api.ask(token, &format!("GET /api/projects/{path}"), &Value::Null).await
    };
    for (token, figures, lists) in [
        ("nobody", 401, 401),
        ("ann", 403, 403),
        ("eve", 403, 403),
        ("sam", 200, 403),
        ("lea", 200, 200),
        ("was", 200, 403),
    ] {
        assert_eq!(ask("heart/quality", token).await.0, figures, "{token}");
        assert_eq!(ask("heart/quality/label-errors", token).await.0, lists, "{token}");
        assert_eq!(ask("heart/quality/next", token).await.0, lists, "{token}");
    }
    let (_, shown) = ask("heart/quality", "lea").await;
    assert_eq!((&shown["project"], &shown["labeled"]), (&"heart".into(), &0.into()));
    assert_eq!(ask("other/quality", "lea").await.0, 404);
    let (_, next) = ask("heart/quality/next", "lea").await;
    assert_eq!(next["items"].as_array().unwrap().len(), 3);
}

#[test]
fn what_acceptance_has_earned_stands_beside_what_it_must() {
    let Site { scratch, project, .. } = site(3, false, |_| 0.7);
    let report = |earn: Option<&Acceptance>| {
        json(&Report::read(&scratch.store, &project.name, earn, 1).unwrap())["acceptance"].clone()
    };
    let nothing = serde_json::json!({"mode": "nothing", "demands": null, "classes": []});
    assert_eq!(report(None), nothing);
    let assumed = Acceptance { assume: true, ..Acceptance::default() };
    assert_eq!(report(Some(&assumed))["mode"], "assumed");
    assert_eq!(report(Some(&assumed))["demands"], Value::Null);

    let row = scratch.store.read("test", |tx| tx.project(&project.name)).unwrap().unwrap();
    let bundle = Fixed([7; 32]);
    let off = ClassRow { threshold: Some(950), off_at: Some(9), audited: 500, ..ClassRow::new(1) };
    let put = |tx: &Tx<'_>| {
        tx.use_bundle(row.project, &bundle)?;
        tx.put_acceptance(row.project, &bundle.0, &off)
    };
    scratch.store.tx("test", put).unwrap();
    let shown = report(Some(&Acceptance::default()));
    assert_eq!(shown["mode"], "earned");
    let demands = serde_json::json!({"error_max": 0.01, "confidence": 0.95, "audited_min": 437});
    assert_eq!(shown["demands"], demands);
    let class = &shown["classes"][0];
    assert_eq!((&class["class"], &class["state"]), (&json(&"present"), &json(&"off")));
    assert_eq!((&class["off_at"], &class["audited"]), (&json(&9), &json(&500)));
}

#[test]
fn synthetic_items_have_figures_of_their_own() {
    let site = site(24, true, |_| 0.7);
    site.label(&site.ann, Reading::First, |_| 1);
    site.label(&site.bob, Reading::Second, |_| 1);
    let before = json(&site.report());
    assert_eq!(before["synthetic"], Value::Null);
    let store = &site.scratch.store;
    let row = store.read("test", |tx| tx.project(&site.project.name)).unwrap().unwrap();
    testing::add_items_of(store, &row, Some("g"), 24..44, 1000);
    testing::prelabel(store, &row, |_| 0.7);
    let judge = |person: &Person, looks_real: fn(&crate::review::Card) -> bool| {
        for card in next_to_validate(store, person, &site.project.name, 50, 1).unwrap() {
            let annotation = Annotation {
                key: format!("{}-{}", person.name, card.row.item),
                label: Some(Label::Class(u16::from(!card.row.synthetic))),
                seconds: 1.0,
                decision: Decision::Correct,
                comment: None,
                looks_real: Some(looks_real(&card)),
                reason: None,
            };
            annotate(store, person, &card.row.opaque, &annotation, 1).unwrap();
        }
    };
    judge(&site.eve, |card| !card.row.synthetic);
    judge(&site.lea, |_| true);
    let report = json(&site.report());
    let synthetic = &report["synthetic"];
    assert_eq!((&synthetic["items"], &synthetic["validated"]), (&json(&20), &json(&20)));
    let (made, real) = (&synthetic["made"], &synthetic["real"]);
    assert_eq!((&made["items"], &made["readers"]["items"]), (&json(&20), &json(&20)));
    assert_eq!(made["readers"]["matrix"], json(&[(0, 0, 20)]));
    assert_eq!(made["model"]["matrix"], json(&[(1, 0, 20)]));
    assert_eq!(made["generator"]["items"], 0);
    close(&made["looks_real"]["value"], 0.5);
    close(&real["looks_real"]["value"], 1.0);
    assert_eq!(real["model"]["matrix"][0][0], json(&1));
    // Nothing else has moved.
    for name in ["labeled", "agreement", "people", "calibration", "progress"] {
        assert_eq!(report[name], before[name], "{name}");
    }
}

#[test]
fn drafts_of_every_kind_are_compared_with_what_people_made_of_them() {
    let scratch = crate::store::tests::scratch();
    let store = &scratch.store;
    let task = "[task]\nkind = \"classes\"\n";
    let mut project = testing::project_with(task);
    project.routing.overlap = 0;
    let row = testing::put(store, &project);
    testing::add_items(store, &row, 0..2, 2);
    let both = |both| Label::classes(if both { vec![0, 1] } else { vec![1] });
    store
        .tx("test", |tx| {
            for item in tx.items_in_stage(row.project, Stage::Clean, 0, 10)? {
                let draft = Prelabel::of_label_for_test(both(true), 0.7).into();
                route::place(tx, &project, &Accepts::Nothing, &item, &draft, 0)?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let ann = testing::person(store, "ann", Role::Annotator);
    for (card, right) in next(store, &ann, &project.name, 2, 0).unwrap().iter().zip([true, false]) {
        let annotation = Annotation {
            key: format!("{right}"),
            label: Some(both(right)),
            seconds: 1.0,
            decision: Decision::Correct,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(store, &ann, &card.row.opaque, &annotation, 1).unwrap();
    }
    let shown = json(&Report::read(store, &project.name, None, 100).unwrap());
    let model = &shown["agreement"]["model"];
    assert_eq!(model["items"], 2);
    close(&model["coefficients"][0]["value"], 0.5);
}
