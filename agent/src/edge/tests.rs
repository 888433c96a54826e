use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::label::Span;
use crate::review::past_reads;
use crate::store::labels::{Person, Reading};
use crate::store::tests::Scratch;
use crate::testing::{self, Masks, masked, project_of};

fn rules() -> Source {
    Source {
        name: "heart".parse().unwrap(),
        id: "id".to_owned(),
        subject: Some("patient".to_owned()),
        holdout: None,
        holdout_share: 0.0,
        redaction: None,
        images: crate::config::Images::default(),
        personal: false,
        acceptance: None,
        review: None,
        label_studio: None,
        watch: None,
    }
}

fn site() -> (Scratch, ProjectRow, Person) {
    let (scratch, row) = testing::with_project();
    let app = testing::person(&scratch.store, "viewer", Role::Application);
    (scratch, row, app)
}

fn add(scratch: &Scratch, row: &ProjectRow, items: Value) -> Report {
    let items: Vec<Map<String, Value>> = serde_json::from_value(items).unwrap();
    add_items(&scratch.store, row, &rules(), &Who::agent(), &items).unwrap()
}

fn correct(
    store: &Store,
    application: i64,
    row: &ProjectRow,
    id: &str,
    said: &Said,
    now: i64,
) -> Result<Taken, EdgeError> {
    super::correct(store, &Masks::default(), row, (application, id), said, now)
}

fn show(store: &Store, row: &ProjectRow, id: &str) -> Result<Shown, EdgeError> {
    super::show(store, &Masks::default(), row, id, None)
}

/// Redacts what is new.
fn clean(scratch: &Scratch, row: &ProjectRow) {
    scratch
        .store
        .tx("test", |tx| {
            for item in tx.items_in_stage(row.project, Stage::New, 0, 1000)? {
                let clean = CleanItem::redact(
                    &item,
                    &row.definition,
                    |_, text| Ok::<_, StoreError>(Some(masked(text).text)),
                    |_| Ok(()),
                )?;
                clean.store(tx, &item)?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

fn said(key: &str, label: &str) -> Said {
    Said {
        key: key.to_owned(),
        label: label.into(),
        at: None,
        seconds: 2.0,
        context: serde_json::from_value(json!({"place": "ward 3"})).unwrap(),
        fields: None,
    }
}

#[test]
fn a_correction_waits_for_its_items_draft_and_is_taken_once() {
    let (scratch, row, app) = site();
    let store = &scratch.store;
    let report = add(
        &scratch,
        &row,
        json!([{"id": "a", "patient": "p", "age": 50}, {"id": "b", "patient": "q", "age": "x"}]),
    );
    assert_eq!((report.added, report.bad), (1, 1));
    assert_eq!(report.bad_lines[0].line, 2);
    assert_eq!(add(&scratch, &row, json!([{"id": "a", "patient": "p"}])).known, 1);

    let correct = |id: &str, said: &Said| correct(store, app.person, &row, id, said, 100);
    assert_eq!(correct("a", &said("k1", "absent")).unwrap(), Taken::Waiting);
    assert_eq!(correct("a", &said("k1", "absent")).unwrap(), Taken::Waiting, "sent again");
    assert!(!take_waiting(store, &row, 110).unwrap());
    assert_eq!(show(store, &row, "a").unwrap().state, "new");

    clean(&scratch, &row);
    testing::prelabel(store, &row, |_| 0.7);
    take_waiting(store, &row, 120).unwrap();
    take_waiting(store, &row, 130).unwrap();
    let shown = show(store, &row, "a").unwrap();
    assert_eq!(shown.label, Some("absent".into()));
    assert_eq!(shown.prelabel.unwrap().label, "present");
    assert_eq!(correct("a", &said("k1", "absent")).unwrap(), Taken::Labeled, "sent again");
    let annotations = || store.read("test", |tx| tx.annotations_of(1)).unwrap();
    assert_eq!(annotations().len(), 1);
    assert_eq!((annotations()[0].made_at, annotations()[0].reading), (100, Reading::First));

    // The user thinks again: the later one counts.
    assert_eq!(correct("a", &said("k2", "present")).unwrap(), Taken::Labeled);
    assert_eq!(annotations().len(), 1);
    assert_eq!(show(store, &row, "a").unwrap().label, Some("present".into()));
}

#[test]
fn a_persons_label_stays_the_label_of_record() {
    let (scratch, row, app) = site();
    let store = &scratch.store;
    add(&scratch, &row, json!([{"id": "a", "patient": "p", "age": 50}]));
    clean(&scratch, &row);
    testing::prelabel(store, &row, |_| 0.7);
    let ada = testing::person(store, "ada", Role::Annotator);
    let cards = crate::review::next(store, &ada, &row.definition.name, 1, 10).unwrap();
    // The application is not held up by somebody's lease, nor does it break it.
    correct(store, app.person, &row, "a", &said("k", "absent"), 11).unwrap();
    let annotation = Annotation {
        key: "ada-1".to_owned(),
        label: Some(Label::Class(1)),
        seconds: 1.0,
        decision: Decision::Accept,
        comment: None,
        looks_real: None,
        reason: None,
    };
    crate::review::annotate(store, &ada, &cards[0].row.opaque, &annotation, 12).unwrap();
    let all = store.read("test", |tx| tx.annotations_of(1)).unwrap();
    assert_eq!(all.len(), 2, "nobody's work is overwritten");
}

#[test]
fn a_correction_that_comes_too_late_takes_nothing_away() {
    let (scratch, row, app) = site();
    let store = &scratch.store;
    let mut three = row.definition.clone();
    three.version += 1;
    three.classes.push(three.classes[0].clone());
    three.classes[2].name = insitu_protocol::text::Line::new("unclear").unwrap();
    let before = testing::put(store, &three);
    add(&scratch, &before, json!([{"id": "a", "patient": "p", "age": 50}]));
    for (key, label) in [("k1", "absent"), ("k2", "unclear")] {
        let taken = correct(store, app.person, &before, "a", &said(key, label), 100).unwrap();
        assert_eq!(taken, Taken::Waiting);
    }
    // The third class is gone when its correction is taken.
    let after = testing::put(store, &Project { version: three.version + 1, ..row.definition });
    clean(&scratch, &after);
    testing::prelabel(store, &after, |_| 0.7);
    assert!(!take_waiting(store, &after, 120).unwrap());
    assert_eq!(show(store, &after, "a").unwrap().label, Some("absent".into()));
    assert_eq!(store.read("test", |tx| tx.waiting_corrections()).unwrap(), 0);
    let sent = |key| correct(store, app.person, &after, "a", &said(key, "absent"), 130);
    assert_eq!(sent("k1").unwrap(), Taken::Labeled);
    let refused = sent("k2").unwrap_err().to_string();
    let why = "it was refused when its item had been drafted: \
        mark number 1 is of class 2 where the project has 2";
    assert_eq!(refused, why);
    // An import that says what could not be taken is no repetition, once it can be.
    testing::put(store, &Project { version: three.version + 2, ..three });
    let keep = |tx: &Tx<'_>| keep(tx, app.person, 1, &Label::Class(2), &mut 0, 140);
    assert_eq!(store.tx("test", keep).unwrap(), Kept::New);
}

/// People here see "[NAME] of ACME met [NAME].", the application the text as it was.
#[test]
fn places_in_the_applications_own_text_are_moved_both_ways() {
    let task = "kind = \"spans\"\nfield = \"text\"";
    let (scratch, .., app) = site();
    let store = &scratch.store;
    let row = testing::put(store, &project_of(["PER", "ORG"], ["text", "text"], task));
    let fields = json!({"id": "a", "text": "Mary of ACME met Mary."}).as_object().unwrap().clone();
    let rules = Source { subject: None, ..rules() };
    add_items(store, &row, &rules, &Who::agent(), std::slice::from_ref(&fields)).unwrap();
    let said = |end: u32, fields: Option<&Map<String, Value>>| Said {
        label: json!({"spans": [
            {"start": 0, "end": 4, "class": 0}, {"start": 8, "end": end, "class": 1}]}),
        fields: fields.cloned(),
        ..said("k", "")
    };
    let correct = |said: &Said| correct(store, app.person, &row, "a", said, 100);
    let show = |fields| super::show(store, &Masks::default(), &row, "a", fields).unwrap();
    assert!(matches!(correct(&said(12, Some(&fields))), Err(EdgeError::Unredacted)));
    clean(&scratch, &row);
    assert_eq!(show(None).withheld, None, "there is nothing to withhold");
    let spans = |ends: [(u32, u32); 2]| {
        let span = |(class, (start, end))| Span { start, end, class };
        Label::spans((0..).zip(ends).map(span).collect(), Vec::new()).unwrap()
    };
    let here = spans([(0, 6), (10, 14)]);
    store
        .tx("test", |tx| {
            let item = tx.item(1)?.unwrap();
            let draft = Prelabel::of_label_for_test(here.clone(), 0.75);
            let accepts = crate::route::Accepts::Nothing;
            crate::route::place(tx, &row.definition, &accepts, &item, &draft.into(), 0)
        })
        .unwrap();

    let shown = show(None);
    assert_eq!((shown.prelabel, shown.label), (None, None));
    assert!(shown.withheld.unwrap().starts_with("labels are places in \"text\""));
    let there = Some(spans([(0, 4), (8, 12)]).to_json());
    assert_eq!(show(Some(&fields)).prelabel.map(|draft| draft.label), there);
    assert!(matches!(correct(&said(12, None)), Err(EdgeError::Fields { .. })));
    let mut other = fields.clone();
    other["text"] = "Mary of Acme met Mary.".into();
    let refused = correct(&said(12, Some(&other)));
    assert!(matches!(refused, Err(EdgeError::Places(PlaceError::Otherwise))), "{refused:?}");
    assert!(show(Some(&other)).withheld.is_some());
    let beyond = correct(&said(99, Some(&fields)));
    assert!(matches!(beyond, Err(EdgeError::Review(ReviewError::Label(_)))), "{beyond:?}");

    assert_eq!(correct(&said(12, Some(&fields))).unwrap(), Taken::Labeled);
    let past = store.read("test", |tx| past_reads(&tx.annotations_of(1)?)).unwrap();
    assert_eq!((past[0].label(), past[0].accepted), (Some(&here), true));
    assert_eq!(show(Some(&fields)).label, there);
}

#[test]
fn what_makes_no_sense_is_refused_with_numbers() {
    let (scratch, row, app) = site();
    let store = &scratch.store;
    add(&scratch, &row, json!([{"id": "a", "patient": "p"}, {"id": "b", "patient": "p"}]));
    let correct = |id: &str, said: &Said| correct(store, app.person, &row, id, said, 100);
    let unknown = correct("c", &said("k", "absent"));
    assert!(matches!(unknown, Err(EdgeError::Review(ReviewError::UnknownItem))));
    assert!(matches!(correct("a", &said("k", "other")), Err(EdgeError::Label { classes: 2 })));
    let mut long = said("k", "absent");
    long.context = serde_json::from_value(json!({"time": "x".repeat(201)})).unwrap();
    assert!(matches!(correct("a", &long), Err(EdgeError::Context { got: 201 })));
    assert!(correct("a", &said("", "absent")).is_err());
    let never = Said { seconds: -1.0, ..said("k", "absent") };
    assert!(matches!(correct("a", &never), Err(EdgeError::Review(ReviewError::Invalid { .. }))));
    let unknown = Said { label: json!({"class": 9}), ..said("k", "absent") };
    let refused = correct("a", &unknown);
    assert!(matches!(refused, Err(EdgeError::Review(ReviewError::Label(_)))), "{refused:?}");
    correct("a", &said("k", "absent")).unwrap();
    let taken = correct("b", &said("k", "absent"));
    assert!(matches!(taken, Err(EdgeError::Review(ReviewError::KeyTaken))));
    let many = vec![Map::new(); ITEMS_MAX + 1];
    let got = ITEMS_MAX + 1;
    let refused = add_items(store, &row, &rules(), &Who::agent(), &many);
    assert!(matches!(refused, Err(EdgeError::Items { got: found }) if found == got));
}

/// What an application told of a correction is on the card of who reviews it, and on nobody else's.
#[tokio::test]
async fn a_reviewer_sees_in_which_circumstances_it_was_said() {
    let (scratch, row, app) = site();
    let mut twice = row.definition.clone();
    (twice.version, twice.routing.overlap) = (2, 1000);
    let row = testing::put(&scratch.store, &twice);
    let review = toml::from_str("[[stages]]\nrole = \"expert\"").unwrap();
    crate::review::set_up_stages(&scratch.store, &row, Some(&review)).unwrap();
    add(&scratch, &row, json!([{"id": "a", "patient": "p", "age": 50}]));
    clean(&scratch, &row);
    testing::prelabel(&scratch.store, &row, |_| 0.7);
    let mut told = said("k", "present");
    let context = json!({"time": "night shift of Jane Roe", "place": "ward 3", "sensor": "B"});
    told.context = serde_json::from_value(context).unwrap();
    correct(&scratch.store, app.person, &row, "a", &told, 1).unwrap();
    testing::person(&scratch.store, "ada", Role::Annotator);
    testing::person(&scratch.store, "eve", Role::Expert);
    let store = Arc::new(scratch.store);
    let desk = testing::desk(Arc::clone(&store));
    let api = testing::Served::start(crate::review::http::router(desk)).await;
    let next = async |person: &str| {
        let (status, cards) = api.ask(person, "GET /api/projects/heart/next", &Value::Null).await;
        assert_eq!((status, cards.as_array().unwrap().len()), (200, 1), "{person}: {cards}");
        let shown = cards[0]["fields"].as_array().unwrap().iter();
        let told = shown.filter(|field| field["name"].is_null());
        let told: Vec<Value> =
            told.map(|field| json!([field["title"], field["value"], field["kind"]])).collect();
        (cards[0].clone(), told)
    };
    let (second, told) = next("ada").await;
    assert_eq!((&second["blind"], told), (&json!(true), vec![]), "a blind reader is told nothing");
    let path = format!("POST /api/items/{}/annotations", second["item"].as_str().unwrap());
    let same = json!({"key": "s", "class": 1, "seconds": 1.0, "decision": "correct"});
    assert_eq!(api.ask("ada", &path, &same).await.0, 200);
    let (card, told) = next("eve").await;
    assert_eq!(card["queue"], "review");
    let nothing = |why: &str| json!(["Context of the correction", why, "category"]);
    assert_eq!(told, [nothing("not shown yet: it waits to be redacted")]);
    let withhold =
        |tx: &Tx<'_>| tx.withhold_context(&tx.raw_contexts(row.project, 1)?[0], "failed");
    store.tx("test", withhold).unwrap();
    assert_eq!(next("eve").await.1, [nothing("not shown: it could not be redacted")]);
    assert_eq!(store.tx("test", |tx| tx.retry_withheld_contexts(row.project)).unwrap(), 1);
    testing::redact_contexts(&store, &row, |part| {
        (part != "B").then(|| part.replace("Jane Roe", "[NAME]"))
    });
    assert_eq!(
        next("eve").await.1,
        [
            json!(["Time of the correction", "night shift of [NAME]", "category"]),
            json!(["Place of the correction", "ward 3", "category"])
        ]
    );
}

#[tokio::test]
async fn the_api_does_what_its_document_says() {
    let (scratch, ..) = site();
    testing::person(&scratch.store, "ada", Role::Annotator);
    let desk = testing::desk(Arc::new(scratch.store));
    let app = crate::review::http::router(desk.clone()).merge(http::router(
        desk,
        Arc::from([rules()]),
        Arc::new(Masks::default()),
    ));
    let api = testing::Served::start(app).await;

    let items = json!({"project": "heart", "items": [{"id": "a 1", "patient": "p", "age": 50}]});
    let correction = json!({"key": "k", "label": "present", "context": {"time": "night"}});
    let asked = async |line: &str, body: &Value| api.ask("viewer", line, body).await;
    let (status, added) = asked("POST /v1/items", &items).await;
    assert_eq!((status, &added["added"]), (200, &json!(1)));
    let path = "/v1/items/a%201/corrections?project=heart";
    let (status, taken) = asked(&format!("POST {path}"), &correction).await;
    assert_eq!((status, &taken["state"]), (202, &json!("waiting")));
    let (status, shown) = asked("GET /v1/items/a%201?project=heart", &Value::Null).await;
    assert_eq!((status, &shown["state"]), (200, &json!("new")));
    let in_theirs = asked("POST /v1/items/a%201?project=heart", &json!({"fields": {}})).await;
    assert_eq!(in_theirs, (200, shown.clone()));
    let (status, taxonomy) = asked("GET /v1/projects/heart", &Value::Null).await;
    assert_eq!((status, &taxonomy["classes"][1]["name"]), (200, &json!("present")));

    for (line, body, expected) in [
        ("POST /v1/items", json!({"project": "heart"}), 422),
        ("POST /v1/items", json!({"project": "other", "items": []}), 404),
        ("GET /v1/items/b?project=heart", Value::Null, 404),
        ("GET /v1/items/b", Value::Null, 400),
        ("GET /v1/items/b/c?project=heart", Value::Null, 404),
        ("POST /v1/items/a%201/corrections?project=heart", json!({"key": "k", "label": "x"}), 422),
    ] {
        let (status, answer) = asked(line, &body).await;
        assert_eq!(status, expected, "{line}: {answer}");
        assert!(answer["error"].is_string() && answer["hint"].is_string(), "{answer}");
    }
    // What is wrong with a body is told by its place, and not by what is there.
    let mut unknown = correction.clone();
    unknown["context"]["mood"] = "Jane Roe".into();
    let (status, answer) = asked(&format!("POST {path}"), &unknown).await;
    let told = answer["error"].as_str().unwrap();
    assert_eq!((status, told.contains(", at line 1, column ")), (422, true), "{answer}");
    assert!(!answer.to_string().contains("Jane"), "{answer}");
    // A person's token opens nothing here, nor an application's there.
    assert_eq!(api.ask("ada", "POST /v1/items", &items).await.0, 403);
    assert_eq!(api.ask("nobody", "POST /v1/items", &items).await.0, 401);
    assert_eq!(asked("GET /api/projects/heart/next", &Value::Null).await.0, 403);

    // Every route is in the document, and the document is served to anybody.
    let (status, document) = api.ask("nobody", "GET /v1/openapi.json", &Value::Null).await;
    assert_eq!(status, 200);
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 5, "{paths:?}");
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let line = format!("{} {}", method.to_uppercase(), path.replace(['{', '}'], ""));
            assert_eq!(
                api.ask("nobody", &line, &json!({})).await.0,
                if path.ends_with(".json") { 200 } else { 401 },
                "{line}"
            );
        }
    }
    for (schema, answer) in
        [("Added", added), ("Taken", taken), ("Item", shown), ("Project", taxonomy)]
    {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut told = keys(&document["components"]["schemas"][schema]["properties"]);
        told.sort_unstable();
        let mut given = keys(&answer);
        given.sort_unstable();
        assert_eq!(told, given, "{schema}");
    }
}

/// The examples of `deploy/samples` do what they say, against the project that they name.
#[tokio::test]
async fn the_samples_run() {
    for (program, sample) in
        [("python3", "corrections.py"), ("sh", "corrections.sh"), ("node", "corrections.mjs")]
    {
        let needed = if program == "sh" { "curl" } else { program };
        if std::process::Command::new(needed).arg("--version").output().is_err() {
            eprintln!("SKIPPED: no {needed} to run {sample}");
            continue;
        }
        let scratch = crate::store::tests::scratch();
        let project = include_str!("../../../models/bundles/heart-disease/project.toml");
        let row = testing::put(&scratch.store, &toml::from_str(project).unwrap());
        let token = scratch.folder.path().join("token");
        std::fs::write(&token, "viewer\n").unwrap();
        testing::person(&scratch.store, "viewer", Role::Application);
        let rules = Source { name: row.definition.name.clone(), ..rules() };
        let store = Arc::new(scratch.store);
        let desk = testing::desk(Arc::clone(&store));
        let api = testing::Served::start(http::router(
            desk,
            Arc::from([rules]),
            Arc::new(Masks::default()),
        ))
        .await;

        let path = format!("{}/../deploy/samples/{sample}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("127.0.0.1:7080"), "{sample}");
        let here = scratch.folder.path().join(sample);
        std::fs::write(&here, text.replace("127.0.0.1:7080", &api.address.to_string())).unwrap();
        for again in [false, true] {
            let (here, token) = (here.clone(), token.clone());
            let run = move || std::process::Command::new(program).arg(here).arg(token).output();
            let done = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{sample}, again: {again}: {said}");
        }
        testing::redact_contexts(&store, &row, |part| Some(part.to_owned()));
        let kept = store.read("test", |tx| {
            let item = tx.item_of_source(row.project, &tx.source_hash("heart-disease", "17"))?;
            crate::review::contexts(tx, item.unwrap())
        });
        let times: Vec<Value> =
            kept.unwrap().into_values().map(|told| told.recorded()["time"].clone()).collect();
        assert_eq!(times, ["night"], "{sample}");
    }
}
