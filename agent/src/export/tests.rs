use std::fs;

use serde_json::Value as Json;

use super::*;
use crate::label::Label;
use crate::review::{Annotation, Decision, annotate, next};
use crate::store::items::{NewItem, Stage};
use crate::store::labels::{Person, Role};
use crate::store::tests::Scratch;
use crate::testing;

/// Ten items of which the model is trusted with two, and people have labeled three.
fn labeled() -> (Scratch, ProjectRow) {
    let (scratch, row) = testing::with_project();
    testing::add_items(&scratch.store, &row, 0..10, 10);
    testing::prelabel(&scratch.store, &row, |i| if i < 2 { 0.99 } else { 0.75 });
    let ada = testing::person(&scratch.store, "ada", Role::Annotator);
    label(&scratch, &row, &ada, 3);
    (scratch, row)
}

fn label(scratch: &Scratch, row: &ProjectRow, person: &Person, count: u32) {
    let cards = next(&scratch.store, person, &row.definition.name, count, 1000).unwrap();
    assert_eq!(cards.len(), usize::try_from(count).unwrap());
    for (i, card) in cards.iter().enumerate() {
        let annotation = Annotation {
            key: format!("key-{i}"),
            label: Some(Label::Class(u16::from(i > 0))),
            decision: if i == 0 { Decision::Correct } else { Decision::Accept },
            seconds: 1.5,
            comment: (i == 0).then(|| "odd, \"very\"".to_owned()),
            looks_real: None,
            reason: None,
        };
        annotate(&scratch.store, person, &card.row.opaque, &annotation, 1010).unwrap();
    }
}

fn request<'a>(
    project: &'a ProjectRow,
    format: Format,
    out: &'a Path,
    ids: &'a HashMap<i64, String>,
) -> Request<'a> {
    Request {
        project,
        format,
        out,
        unlabeled: false,
        people_only: false,
        synthetic: false,
        names: false,
        license: None,
        ids,
    }
}

fn json_lines(path: &Path) -> Vec<Json> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_snapshot_holds_every_label_with_its_provenance_and_is_the_same_again() {
    let (scratch, row) = labeled();
    let folder = tempfile::tempdir().unwrap();
    let ids = HashMap::from([(1, "patient 7".to_owned())]);
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    let done = export(&scratch.store, &request(&row, Format::JsonLines, &first, &ids), |_| {});
    let done = done.unwrap();
    assert_eq!(done.counts, Counts { records: 5, people: 3, model: 2, unlabeled: 0 });
    let again = export(&scratch.store, &request(&row, Format::JsonLines, &second, &ids), |_| {});
    assert_eq!(again.unwrap(), done, "the same labels give the same bytes");

    let records = json_lines(&first.join("records.jsonl"));
    let by: Vec<&str> = records.iter().filter_map(|r| r["label_by"].as_str()).collect();
    assert_eq!(by, ["model", "model", "annotator", "annotator", "annotator"]);
    assert_eq!(records[0]["own_id"], "patient 7");
    assert_eq!(records[1]["own_id"], Json::Null);
    let classes = &row.definition.classes;
    assert_eq!(records[2]["label"], classes[0].name.as_str(), "what the person said");
    assert_eq!(records[2]["prelabel"], classes[1].name.as_str(), "what the model had said");
    let provenance = json_lines(&first.join("provenance.jsonl"));
    let said = &provenance[2]["annotations"][0];
    assert_eq!((&said["comment"], &said["seconds"]), (&"odd, \"very\"".into(), &1.5.into()));
    assert!(said["by"].as_str().unwrap().starts_with("person-"), "{said}");
    assert!(verify(&first, None).unwrap().faults.is_empty());
}

/// Where labels go through stages of review, none before it has is the label of a snapshot.
#[test]
fn a_label_that_waits_for_a_reviewer_is_no_label_yet() {
    let (scratch, row) = testing::with_project();
    testing::add_items(&scratch.store, &row, 0..10, 10);
    testing::prelabel(&scratch.store, &row, |i| if i < 2 { 0.99 } else { 0.75 });
    let review = toml::from_str("[[stages]]\nrole = \"expert\"").unwrap();
    crate::review::set_up_stages(&scratch.store, &row, Some(&review)).unwrap();
    let ada = testing::person(&scratch.store, "ada", Role::Annotator);
    let eve = testing::person(&scratch.store, "eve", Role::Expert);
    label(&scratch, &row, &ada, 3);
    let folder = tempfile::tempdir().unwrap();
    let ids = HashMap::new();
    let exported = |name: &str| {
        let out = folder.path().join(name);
        let request = Request { unlabeled: true, ..request(&row, Format::JsonLines, &out, &ids) };
        let counts = export(&scratch.store, &request, |_| {}).unwrap().counts;
        (counts, json_lines(&out.join("records.jsonl")), json_lines(&out.join("provenance.jsonl")))
    };
    let (counts, records, provenance) = exported("before");
    assert_eq!((counts.people, counts.model, counts.unlabeled), (0, 2, 8));
    assert_eq!(records[2]["label"], Json::Null);
    // That it was said is no secret.
    assert_eq!(provenance[2]["annotations"].as_array().unwrap().len(), 1);

    let card = next(&scratch.store, &eve, &row.definition.name, 50, 2000).unwrap();
    let reviewed = card.iter().find(|card| card.row.stage == Stage::Review).unwrap();
    let correction = Annotation {
        key: "reviewed".to_owned(),
        label: Some(Label::Class(0)),
        decision: Decision::Correct,
        seconds: 1.0,
        comment: None,
        looks_real: None,
        reason: None,
    };
    annotate(&scratch.store, &eve, &reviewed.row.opaque, &correction, 2001).unwrap();
    let (counts, records, _) = exported("after");
    assert_eq!((counts.people, counts.model, counts.unlabeled), (1, 2, 7));
    let by: Vec<&str> = records.iter().filter_map(|r| r["label_by"].as_str()).collect();
    assert_eq!(by.iter().filter(|by| **by == "reviewer").count(), 1, "{by:?}");
}

#[test]
fn an_item_that_was_put_aside_is_left_out() {
    let (scratch, row) = labeled();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    let ids = HashMap::new();
    let request = |out| Request { unlabeled: true, ..request(&row, Format::JsonLines, out, &ids) };
    let before = export(&scratch.store, &request(&first), |_| {}).unwrap().counts;
    assert_eq!(before.records, 10);
    let broken = NewItem {
        project: row.project,
        source: [1; 32],
        subject: [2; 32],
        holdout: false,
        content: &[0xff],
        values: &[],
        generator: None,
        made_for: None,
        media: &[],
    };
    scratch
        .store
        .tx("test", |tx| {
            tx.add_item(&broken)?;
            let added = tx.items_in_stage(row.project, Stage::New, 0, 2)?;
            tx.quarantine(added[0].item, "unreadable")
        })
        .unwrap();
    let after = export(&scratch.store, &request(&second), |_| {}).unwrap().counts;
    assert_eq!(after, before);
}

#[test]
fn everything_that_is_changed_afterwards_is_found() {
    let (scratch, row) = labeled();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let ids = HashMap::new();
    export(&scratch.store, &request(&row, Format::Csv, &out, &ids), |_| {}).unwrap();
    let faults = || verify(&out, None).unwrap().faults;
    assert_eq!(faults(), Vec::<String>::new());
    for name in ["records.csv", "provenance.jsonl", "metadata.json"] {
        let path = out.join(name);
        let bytes = fs::read(&path).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            fs::write(&path, &bent).unwrap();
            assert_eq!(faults().len(), 1, "{name}, byte {at}");
        }
        fs::write(&path, &bytes[1..]).unwrap();
        assert!(faults()[0].contains("where"), "{:?}", faults());
        fs::remove_file(&path).unwrap();
        assert_eq!(faults(), [format!("{name} is missing")]);
        fs::write(&path, &bytes).unwrap();
    }
    fs::write(out.join("more"), b"").unwrap();
    assert_eq!(faults(), ["more is not part of the snapshot"]);
    fs::remove_file(out.join("more")).unwrap();
    // Somebody else's key signs what was changed: sound in itself, but not this agent's.
    let own = scratch.store.read("test", |tx| Ok::<_, StoreError>(tx.witness().public_key()));
    let own = own.unwrap();
    assert!(verify(&out, Some(own)).unwrap().faults.is_empty());
    let other = crate::store::tests::scratch();
    let key = other.store.read("test", |tx| Ok::<_, StoreError>(tx.witness().public_key()));
    assert_eq!(verify(&out, Some(key.unwrap())).unwrap().faults.len(), 1);
    let list = fs::read_to_string(out.join("snapshot.json")).unwrap();
    fs::write(out.join("snapshot.json"), list.replace("\"people\": 3", "\"people\": 4")).unwrap();
    assert_eq!(faults().len(), 1, "the list itself is signed");
}

#[test]
fn each_format_is_what_its_program_reads() {
    let (scratch, row) = labeled();
    let folder = tempfile::tempdir().unwrap();
    let ids = HashMap::new();
    let run = |format: Format| {
        let out = folder.path().join(format.name());
        export(&scratch.store, &request(&row, format, &out, &ids), |_| {}).unwrap();
        (fs::read_to_string(out.join(format.file())).unwrap(), out)
    };
    let class = |i: usize| row.definition.classes[i].name.as_str();

    let (csv, _) = run(Format::Csv);
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 6);
    let width = lines[0].split(',').count();
    assert!(lines.iter().all(|line| line.split(',').count() == width), "{csv}");

    let (text, out) = run(Format::LabelStudio);
    let tasks: Vec<Json> = serde_json::from_str(&text).unwrap();
    let person = &tasks[2];
    let choice = |of: &Json| of["result"][0]["value"]["choices"][0].clone();
    assert_eq!(choice(&person["annotations"][0]), class(0));
    assert_eq!(choice(&person["predictions"][0]), class(1));
    assert_eq!(person["annotations"][0]["ground_truth"], true);
    assert_eq!(tasks[0]["annotations"], Json::Array(vec![]), "a model is no annotator");
    let config = fs::read_to_string(out.join("label-config.xml")).unwrap();
    for name in ["from_name", "to_name"] {
        let name = person["predictions"][0]["result"][0][name].as_str().unwrap().to_owned();
        assert!(config.contains(&format!("name=\"{name}\"")), "{config}");
    }

    let first = |text: &str, at: usize| -> Json {
        serde_json::from_str(text.lines().nth(at).unwrap()).unwrap()
    };
    let (text, _) = run(Format::Prodigy);
    assert_eq!(first(&text, 2)["accept"], Json::from(vec![class(0)]));
    let (text, _) = run(Format::Doccano);
    assert_eq!(first(&text, 2)["label"], Json::from(vec![class(0)]));
    let (text, _) = run(Format::GroundTruth);
    assert_eq!(first(&text, 2)["label-metadata"]["human-annotated"], "yes");
    assert_eq!(first(&text, 0)["label-metadata"]["human-annotated"], "no");
    assert_eq!(first(&text, 0)["label-metadata"]["confidence"], 0.99);
}

#[test]
fn an_export_is_whole_or_not_there() {
    let (scratch, row) = labeled();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let ids = HashMap::new();
    // What a killed export leaves is no snapshot, and the next one starts afresh.
    fs::create_dir(folder.path().join("a.partial")).unwrap();
    fs::write(folder.path().join("a.partial/records.csv"), b"half").unwrap();
    export(&scratch.store, &request(&row, Format::Csv, &out, &ids), |_| {}).unwrap();
    assert!(verify(&out, None).unwrap().faults.is_empty());
    let again = export(&scratch.store, &request(&row, Format::Csv, &out, &ids), |_| {});
    assert!(matches!(again, Err(ExportError::Exists { .. })));
}

#[test]
fn own_ids_come_from_the_sites_own_file() {
    let (scratch, row) = labeled();
    let rules = Source {
        name: row.definition.name.clone(),
        id: "id".to_owned(),
        subject: None,
        holdout: None,
        holdout_share: 0.0,
        redaction: None,
        images: crate::config::Images::default(),
        personal: false,
        acceptance: None,
        review: None,
        label_studio: None,
        watch: None,
    };
    let file = "id,age\n0,1\n7,3\nunknown,4\n,5\n";
    let ids = own_ids(&scratch.store, &row, &rules, source::Format::Csv, file.as_bytes()).unwrap();
    let mut found: Vec<&str> = ids.values().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, ["0", "7"]);
}

#[test]
fn an_applications_circumstances_are_in_the_provenance() {
    let (scratch, row) = testing::with_project();
    testing::add_items(&scratch.store, &row, 0..1, 10);
    testing::prelabel(&scratch.store, &row, |_| 0.75);
    let app = testing::person(&scratch.store, "viewer", Role::Application);
    let said = crate::edge::Said {
        key: "k".to_owned(),
        label: row.definition.classes[0].name.as_str().into(),
        at: None,
        seconds: 1.0,
        context: serde_json::from_value(json!({"place": "ward 3 of Jane Roe"})).unwrap(),
        fields: None,
    };
    let texts = testing::Masks::default();
    crate::edge::correct(&scratch.store, &texts, &row, (app.person, "0"), &said, 20).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let context = |name: &str| {
        let (out, ids) = (folder.path().join(name), HashMap::new());
        export(&scratch.store, &request(&row, Format::JsonLines, &out, &ids), |_| {}).unwrap();
        json_lines(&out.join("provenance.jsonl"))[0]["annotations"][0]["context"].clone()
    };
    assert_eq!(context("raw"), "waits to be redacted");
    testing::redact_contexts(&scratch.store, &row, |part| Some(part.replace("Jane Roe", "[NAME]")));
    let clean = json!({"time": null, "place": "ward 3 of [NAME]", "sensor": null});
    assert_eq!(context("clean"), clean);
    let withhold = |tx: &Tx<'_>| {
        let row = tx.corrections_of(1)?.remove(0);
        tx.withhold_context(&row, "failed")
    };
    scratch.store.tx("test", withhold).unwrap();
    assert_eq!(context("again"), clean, "what is clean stays so");
}

/// Its programs ask for both sets, and look for them where `data.yaml` is.
#[test]
fn yolos_data_names_the_sets_that_there_are() {
    let data = |sets: &[&str]| {
        let project = testing::project();
        let text = regions::yolo_data(&project, |folder| sets.contains(&folder));
        text.split_once("names:").unwrap().0.to_owned()
    };
    let (both, train) = (["images/train", "images/val"], "train: images/train\n");
    assert_eq!(data(&both), format!("{train}val: images/val\n"));
    assert_eq!(data(&both[..1]), format!("{train}val: images/train\n"));
    assert_eq!(data(&both[1..]), "train: images/val\nval: images/val\n");
}

/// An image without a file of marks is taken for one without marks.
#[test]
fn no_unlabeled_image_is_written_as_yolo() {
    let project = testing::project_with(
        "[task]\nkind = \"regions\"\nfield = \"scan\"\nshapes = [\"box\"]\n[[fields]]\nname = \"scan\"\ntitle = \"Scan\"\nkind = \"image\"\n",
    );
    let scratch = crate::store::tests::scratch();
    let row = testing::put(&scratch.store, &project);
    let folder = tempfile::tempdir().unwrap();
    let (out, ids) = (folder.path().join("a"), HashMap::new());
    let request = Request { unlabeled: true, ..request(&row, Format::Yolo, &out, &ids) };
    let refused = export(&scratch.store, &request, |_| {});
    assert!(matches!(refused, Err(ExportError::Unlabeled { format: "yolo" })), "{refused:?}");
}
