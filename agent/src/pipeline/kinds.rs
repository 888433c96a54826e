//! Labels of every kind, from a file to people over HTTP and on to an export.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use insitu_daemon::clock::ManualClock;
use insitu_protocol::ids::ProjectName;
use serde_json::{Value as Json, json};

use super::*;
use crate::config::{Holdout, Images, Source};
use crate::export::{self, ExportError, Format, Request};
use crate::review::http::router;
use crate::source::media::tests::picture;
use crate::source::{self, Rules};
use crate::store::items::Stage;
use crate::store::labels::Role;
use crate::store::tests::{Scratch, scratch};
use crate::testing::{self, Served, desk, generous};

/// A site with one item, of a project with this task.
struct Site {
    _data: tempfile::TempDir,
    store: Arc<Store>,
    row: ProjectRow,
    files: tempfile::TempDir,
}

const FIELDS: &str = "[[fields]]\nname = \"scan\"\ntitle = \"Scan\"\nkind = \"image\"\n\
    [[fields]]\nname = \"e c/g\"\ntitle = \"ECG\"\nkind = \"series\"\n";

impl Site {
    fn new(task: &str, images: Images) -> Self {
        let Scratch { store, folder } = scratch();
        let store = Arc::new(store);
        let mut project = testing::project_with(&format!("[task]\n{task}\n{FIELDS}"));
        project.routing.overlap = 1000; // everything is read twice
        let row = testing::put(&store, &project);
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("scan.png"), picture(40, 30)).unwrap();
        std::fs::write(files.path().join("ecg.csv"), "time [s],I [mV]\n0,1\n0.5,\n1,3\n").unwrap();
        let line = json!({
            "id": "a", "sex": "male", "note": "Aspirin 🙂 treats pain.", "scan": "scan.png",
            "e c/g": "ecg.csv",
        });
        let source = rules(&project.name);
        let rules = Rules { source: &source, made: None, folder: Some(files.path()) };
        let lines = line.to_string();
        let report =
            source::import_file(&store, &row, rules, source::Format::JsonLines, lines.as_bytes());
        assert_eq!(report.unwrap().bad_lines, []);
        let site = Self { _data: folder, store, row, files };
        site.tick(images);
        site
    }

    fn tick(&self, images: Images) {
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let shown = (images == Images::AsTheyAre).then(|| self.row.definition.name.clone());
        let mut pipeline = Pipeline::new(
            Arc::clone(&self.store),
            clock,
            generous(1),
            Schedule::default(),
            Shelf::new(self.files.path()),
            None,
        )
        .with_redactors(Redactors::default().with_images_of(shown.into_iter().collect()));
        while pipeline.tick().unwrap() {}
    }

    fn stage(&self) -> Stage {
        self.store.read("test", |tx| tx.item(1)).unwrap().unwrap().stage
    }

    fn export(&self, format: Format) -> Result<Json, ExportError> {
        let out = self.files.path().join(format.name());
        let ids = HashMap::from([(1, "a".to_owned())]);
        let request = Request {
            project: &self.row,
            format,
            out: &out,
            unlabeled: false,
            people_only: false,
            synthetic: false,
            names: false,
            license: None,
            ids: &ids,
        };
        export::export(&self.store, &request, |_| {})?;
        let records = std::fs::read_dir(&out).unwrap().map(|file| file.unwrap().path());
        let records = records.filter(|path| path.file_stem().is_some_and(|stem| stem == "records"));
        let text = std::fs::read_to_string(records.into_iter().next().unwrap()).unwrap();
        let parsed: Option<Json> = serde_json::from_str(text.trim()).ok();
        Ok(parsed.unwrap_or(Json::String(text)))
    }
}

fn rules(name: &ProjectName) -> Source {
    Source {
        name: name.clone(),
        id: "id".to_owned(),
        subject: None,
        holdout: None::<Holdout>,
        holdout_share: 0.0,
        redaction: None,
        personal: false,
        images: Images::AsTheyAre,
        acceptance: None,
        review: None,
        label_studio: None,
        watch: None,
    }
}

/// Two readers who agree and one who does not, an expert who decides, and what is exported.
async fn through(task: &str, first: Json, other: Json) -> (Site, Json) {
    let site = Site::new(task, Images::AsTheyAre);
    for (name, role) in [("ann", Role::Annotator), ("bob", Role::Annotator), ("eve", Role::Expert)]
    {
        testing::person(&site.store, name, role);
    }
    let served = Served::start(router(desk(Arc::clone(&site.store)))).await;
    let next = |person: &'static str| {
        let served = &served;
        async move {
            let (status, cards) =
                served.ask(person, "GET /api/projects/heart/next", &Json::Null).await;
            assert_eq!(status, 200, "{cards}");
            cards[0].clone()
        }
    };
    let say = |person: &'static str, card: Json, label: Json| {
        let served = &served;
        async move {
            let line = format!("POST /api/items/{}/annotations", card["item"].as_str().unwrap());
            let body =
                json!({"key": person, "label": label, "seconds": 1.0, "decision": "correct"});
            served.ask(person, &line, &body).await
        }
    };
    let (_, projects) = served.ask("ann", "GET /api/projects", &Json::Null).await;
    assert_eq!(projects[0]["task"]["kind"], task.split('"').nth(1).unwrap());
    let card = next("ann").await;
    assert_eq!(card["prelabel"], Json::Null, "no model drafts it");
    assert_eq!(card["fields"][2]["name"], "note");
    let (status, refused) = say("ann", card.clone(), json!({"class": 77})).await;
    assert_eq!(status, 422, "{refused}");
    assert_eq!(say("ann", card, first.clone()).await.0, 200);
    let card = next("bob").await;
    assert_eq!((&card["blind"], &card["readings"]), (&json!(true), &json!([])));
    assert_eq!(say("bob", card, other.clone()).await.0, 200);
    assert_eq!(site.stage(), Stage::Expert, "the readers differ");
    let card = next("eve").await;
    let readings = json!([{"label": first}, {"label": other}]);
    assert_eq!(card["readings"], readings);
    assert_eq!(say("eve", card, first).await.0, 200);
    assert_eq!(site.stage(), Stage::Done);
    let record = site.export(Format::JsonLines).unwrap();
    assert_eq!(record["label_by"], "expert");
    (site, record)
}

#[tokio::test]
async fn classes() {
    let (first, other) = (json!({"classes": [0, 1]}), json!({"classes": []}));
    let (site, record) = through("kind = \"classes\"", first.clone(), other).await;
    assert_eq!(record["label"], first);
    let csv = site.export(Format::Csv).unwrap();
    assert!(csv.as_str().unwrap().contains("[\"\"absent\"\",\"\"present\"\"]"), "{csv}");
    assert_eq!(site.export(Format::Prodigy).unwrap()["accept"], json!(["absent", "present"]));
    assert_eq!(site.export(Format::Doccano).unwrap()["label"], json!(["absent", "present"]));
    let line = site.export(Format::GroundTruth).unwrap();
    assert_eq!(line["label"], json!([0, 1]));
    assert_eq!(line["label-metadata"]["class-map"], json!({"0": "absent", "1": "present"}));
    let task = site.export(Format::LabelStudio).unwrap();
    let choices = &task[0]["annotations"][2]["result"][0]["value"]["choices"];
    assert_eq!(*choices, json!(["absent", "present"]));
}

#[tokio::test]
async fn spans() {
    let spans = json!([
        {"start": 0, "end": 7, "class": 0}, {"start": 17, "end": 21, "class": 1},
    ]);
    let first = json!({"spans": spans, "relations": [{"from": 0, "to": 1, "relation": 0}]});
    let other = json!({"spans": spans, "relations": []});
    let task = "kind = \"spans\"\nfield = \"note\"\nrelations = [\"treats\"]";
    let (site, record) = through(task, first.clone(), other).await;
    assert_eq!(record["label"], first);
    let line = site.export(Format::Doccano).unwrap();
    assert_eq!(line["label"], json!([[0, 7, "absent"], [17, 21, "present"]]));
    assert_eq!(line["relations"][0]["type"], "treats");
    assert_eq!(line["text"], "Aspirin 🙂 treats pain.");
    let task = site.export(Format::LabelStudio).unwrap();
    let parts = &task[0]["annotations"][2]["result"];
    let value = json!({"start": 17, "end": 21, "text": "pain", "labels": ["present"]});
    assert_eq!(parts[1]["value"], value);
    assert_eq!(parts[2]["to_id"], parts[1]["id"]);
    for format in [Format::Conll, Format::GroundTruth, Format::Spacy] {
        let refused = site.export(format).unwrap_err();
        assert!(matches!(refused, ExportError::Kind { task: "spans", .. }), "{refused}");
    }
}

#[tokio::test]
async fn spans_without_relations_are_prodigys_too() {
    let first = json!({"spans": [{"start": 8, "end": 9, "class": 1}], "relations": []});
    let other = json!({"spans": [], "relations": []});
    let (site, _) = through("kind = \"spans\"\nfield = \"note\"", first, other).await;
    let line = site.export(Format::Prodigy).unwrap();
    assert_eq!(line["spans"], json!([{"start": 8, "end": 9, "label": "present"}]));
}

#[tokio::test]
async fn regions() {
    let first = json!({"regions": [
        {"class": 0, "box": [10.0, 20.0, 30.0, 5.5]},
        {"class": 1, "polygon": [[1.0, 1.0], [5.0, 1.0], [5.0, 5.0]]},
    ]});
    let other = json!({"regions": []});
    let task = "kind = \"regions\"\nfield = \"scan\"\nshapes = [\"box\", \"polygon\"]";
    let (site, record) = through(task, first.clone(), other).await;
    assert_eq!(record["label"], first);
    let task = site.export(Format::LabelStudio).unwrap();
    let part = &task[0]["annotations"][2]["result"][0];
    assert_eq!((&part["original_width"], &part["value"]["height"]), (&json!(40), &json!(5.5)));
    assert!(matches!(site.export(Format::Doccano), Err(ExportError::Kind { .. })));
}

#[tokio::test]
async fn segments() {
    let first = json!({"segments": [{"class": 0, "start": 0.25, "end": 1.0, "channel": 0}]});
    let other = json!({"segments": [{"class": 0, "start": 0.25, "end": 0.5, "channel": 0}]});
    let task = "kind = \"segments\"\nfield = \"e c/g\"";
    let (site, record) = through(task, first.clone(), other).await;
    assert_eq!(record["label"], first);
    let task = site.export(Format::LabelStudio).unwrap();
    assert_eq!(task[0]["annotations"][2]["result"][0]["value"]["instant"], false);
}

#[tokio::test]
async fn preferences() {
    let task = "kind = \"preference\"\nfields = [\"sex\", \"note\"]";
    let (site, record) = through(task, json!({"class": 1}), json!({"class": 0})).await;
    assert_eq!(record["label"], "present");
    assert_eq!(site.export(Format::Doccano).unwrap()["label"], json!(["present"]));
}

/// Status line and headers, and body.
fn fetch(address: std::net::SocketAddr, token: &str, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "Host: x\r\nConnection: close";
    let line = format!("GET {path} HTTP/1.1\r\n{head}\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(line.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_for_whoever_has_the_item() {
    let site = Site::new("kind = \"classes\"", Images::AsTheyAre);
    for (name, role) in [("ann", Role::Annotator), ("bob", Role::Annotator), ("lea", Role::Lead)] {
        testing::person(&site.store, name, role);
    }
    let served = Served::start(router(desk(Arc::clone(&site.store)))).await;
    let (_, cards) = served.ask("ann", "GET /api/projects/heart/next", &Json::Null).await;
    let fields = cards[0]["fields"].as_array().unwrap();
    let value =
        |kind: &str| fields.iter().find(|field| field["kind"] == kind).unwrap()["value"].clone();
    let (image, series) = (value("image"), value("series"));
    assert_eq!((&image["width"], &image["height"]), (&json!(40), &json!(30)));
    let (image, series) = (image["url"].as_str().unwrap(), series["url"].as_str().unwrap());
    assert!(series.ends_with("/fields/e%20c%2Fg"), "{series}");
    let get = |token: &str, path: &str| {
        tokio::task::block_in_place(|| fetch(served.address(), token, path))
    };
    for token in ["ann", "lea"] {
        let (head, body) = get(token, image);
        assert!(head.starts_with("http/1.1 200") && head.contains("content-type: image/png"));
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert!(head.contains("content-security-policy: default-src 'none'; sandbox"), "{head}");
        assert_eq!(body, picture(40, 30));
    }
    let (_, body) = get("ann", series);
    let body: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["clock"], json!({"start": 0.0, "step": 0.5, "unit": "s"}));
    let channel = json!({"name": "I", "unit": "mV", "values": [1.0, null, 3.0]});
    assert_eq!(body["channels"], json!([channel]));
    assert!(get("bob", image).0.starts_with("http/1.1 409"), "nobody else sees it");
    assert!(get("who", image).0.starts_with("http/1.1 401"));
    let text = image.replace("/scan", "/note");
    assert!(get("ann", &text).0.starts_with("http/1.1 404"), "texts are in the card");
}

#[test]
fn an_image_is_shown_to_nobody_unless_the_site_says_so() {
    let site = Site::new("kind = \"classes\"", Images::Quarantine);
    assert_eq!(site.stage(), Stage::Quarantined);
    let quarantined = site.store.read("test", |tx| tx.quarantined(site.row.project)).unwrap();
    assert_eq!(quarantined, [("image-not-redacted".to_owned(), 1)]);
    site.store.tx("test", |tx| tx.retry_quarantined(site.row.project)).unwrap();
    site.tick(Images::AsTheyAre);
    assert_eq!(site.stage(), Stage::First);
}

#[test]
fn a_folder_is_an_item_a_file() {
    let scratch = scratch();
    let project =
        testing::project_with("[[fields]]\nname = \"scan\"\ntitle = \"Scan\"\nkind = \"image\"\n");
    let row = testing::put(&scratch.store, &project);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("p1")).unwrap();
    for name in ["p1/a.png", "p1/b.png"] {
        std::fs::write(folder.path().join(name), picture(2, 2)).unwrap();
    }
    std::fs::write(folder.path().join("c.png"), "no picture").unwrap();
    let source = Source { subject: Some("patient".to_owned()), ..rules(&project.name) };
    let import = |folder: &Path| {
        let rules = Rules { source: &source, made: None, folder: Some(folder) };
        source::import_folder(&scratch.store, &row, rules).unwrap()
    };
    let report = import(folder.path());
    assert_eq!((report.read, report.added, report.bad), (3, 2, 1), "{report:?}");
    assert_eq!(import(folder.path()).known, 2, "once");
    let subjects = scratch.store.read("test", |tx| tx.subject_count(row.project)).unwrap();
    assert_eq!(subjects, 1, "a folder is a subject");
}
