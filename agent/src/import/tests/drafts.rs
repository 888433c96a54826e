//! Predictions that come with files: they wait for people as drafts, of every kind, with their scores.

use super::*;
use crate::prelabel::{Origin as Made, Prelabel, decode_scores};
use crate::review;
use crate::store::items::Route;
use crate::store::labels::{Person, Role};

const BY: Drafts<'static> = Drafts { model: "detector 2", labels: false, results: None };

impl Site {
    fn import_drafts(&self, format: Format, path: &Path, drafts: Drafts<'_>) -> Report {
        let rules = toml::from_str("name = \"heart\"\nid = \"id\"").unwrap();
        let mut redactors = Redactors::new([].into());
        let request = Request {
            project: &self.row,
            rules: &rules,
            format,
            folder: path.parent(),
            label: LABEL_COLUMN,
            drafts: Some(drafts),
            reader: None,
            now: 0,
        };
        let mut stream = BufReader::new(File::open(path).unwrap());
        let origin = Origin::File(&mut stream);
        let (report, done) = import(&self.store, &mut redactors, &request, origin);
        done.unwrap();
        report
    }

    /// What people are given: the draft, its scores, and whose it is.
    fn drafted(&self, item: i64) -> (Json, f64, Vec<Option<f64>>, Made, Route) {
        let row = self.store.read("test", |tx| tx.item(item)).unwrap().unwrap();
        let draft = Prelabel::decode(row.prelabel.as_ref().unwrap()).unwrap();
        let scores = row.scores.map_or(Vec::new(), |bytes| decode_scores(&bytes).unwrap());
        let origin = Made::decode(row.origin.as_ref().unwrap()).unwrap();
        (draft.label().to_json(), draft.confidence(), scores, origin, row.route.unwrap())
    }

    fn write(&self, name: &str, text: &Json) -> std::path::PathBuf {
        let path = self.files.path().join(name);
        fs::write(&path, text.to_string()).unwrap();
        path
    }
}

fn by(model: &str, scored: bool) -> Made {
    Made::Imported { model: model.to_owned(), scored }
}

const BOXES: &str = "kind = \"regions\"\nfield = \"it\"\nshapes = [\"box\", \"polygon\"]";

#[test]
fn cocos_results_become_drafts_with_a_score_for_each_mark() {
    let site = Site::new(BOXES, "image");
    for name in ["a.png", "b.png"] {
        let at = u8::from(name == "b.png");
        fs::write(site.files.path().join(name), [picture(40, 50), vec![at]].concat()).unwrap();
    }
    let images = json!({
        "images": [
            {"id": 7, "file_name": "a.png", "width": 40, "height": 50},
            {"id": 9, "file_name": "b.png", "width": 40, "height": 50},
        ],
        "categories": [{"id": 1, "name": "present"}, {"id": 2, "name": "absent"}],
        "annotations": [],
    });
    let images = site.write("images.json", &images);
    let results = json!([
        {"image_id": 7, "category_id": 1, "bbox": [20, 25, 10, 10], "score": 0.625},
        {"image_id": 7, "category_id": 2, "bbox": [0, 0, 4, 5], "score": 0.875},
        {"image_id": 9, "category_id": 2, "bbox": [0, 0, 4, 5], "score": 0.96},
        {"image_id": 9, "category_id": 2, "bbox": [0, 0, 4, 5]},
        {"image_id": 8, "category_id": 2, "bbox": [0, 0, 4, 5], "score": 0.5},
    ]);
    let results = site.write("results.json", &results);
    let drafts = Drafts { results: Some(&results), ..BY };
    let report = site.import_drafts(Format::Coco, &images, drafts);
    assert_eq!((report.added, report.drafts, report.bad), (2, 2, 2));
    assert!(report.bad_lines.iter().all(|it| it.bad.file.as_deref() == Some("results")));
    site.tick();
    let (label, confidence, scores, origin, route) = site.drafted(1);
    let boxes = json!({"regions": [
        {"class": 0, "box": [0.0, 0.0, 10.0, 10.0]}, {"class": 1, "box": [50.0, 50.0, 25.0, 20.0]},
    ]});
    assert_eq!((label, scores), (boxes, vec![Some(0.875), Some(0.625)]));
    assert!((confidence - 0.625).abs() < 1e-12, "as sure as the least sure mark");
    assert_eq!((origin, route), (by("detector 2", true), Route::Annotator));
    // However sure it is, it has earned nothing.
    assert_eq!(site.drafted(2).4, Route::Annotator);
    let again = site.import_drafts(Format::Coco, &images, drafts);
    assert_eq!((again.known, again.drafts), (2, 0), "the same drafts again are nothing new");
}

#[test]
fn label_studios_predictions_become_drafts_of_the_version_that_they_name() {
    let site = Site::new("kind = \"segments\"\nfield = \"it\"", "series");
    let table = "time [s],I [mV]\n0,1\n0.5,\n1,3\n1.5,-0.125\n";
    fs::write(site.files.path().join("1.csv"), table).unwrap();
    let part = |start: f64, class: &str, score: Json| {
        json!({
            "type": "timeserieslabels", "score": score,
            "value": {"start": start, "end": start + 0.5, "timeserieslabels": [class]},
        })
    };
    let tasks = json!([{
        "id": 1, "data": {"it": "1.csv"}, "annotations": [],
        "predictions": [
            {"model_version": "weak", "score": 0.25, "result": [part(0.0, "absent", json!(null))]},
            {"model_version": "cnn 3.1", "score": 0.75, "result": [
                part(1.0, "present", json!(0.5)), part(0.0, "absent", json!(null)),
            ]},
        ],
    }]);
    let path = site.write("tasks.json", &tasks);
    assert_eq!(site.import_drafts(Format::LabelStudio, &path, BY).drafts, 1);
    site.tick();
    let (label, confidence, scores, origin, _) = site.drafted(1);
    let segments = json!({"segments": [
        {"class": 0, "start": 0.0, "end": 0.5}, {"class": 1, "start": 1.0, "end": 1.5},
    ]});
    assert_eq!((label, scores), (segments, vec![None, Some(0.5)]));
    assert!((confidence - 0.75).abs() < 1e-12);
    assert_eq!(origin, by("cnn 3.1", true));
    let wild = json!([{
        "id": 2, "data": {"it": "1.csv"},
        "predictions": [{"score": 7.5, "result": [part(0.0, "absent", json!(null))]}],
    }]);
    let report = site.import_drafts(Format::LabelStudio, &site.write("wild.json", &wild), BY);
    assert_eq!((report.drafts, report.bad), (0, 1));
    assert_eq!(report.bad_lines[0].bad.reason, LineError::Score);
}

#[test]
fn a_draft_of_spans_is_where_the_redacted_text_has_it() {
    let site = Site::new("kind = \"spans\"\nfield = \"it\"", "text");
    let text = "Call 030 901820 for pain now";
    let draft = json!({"spans": [
        {"start": 20, "end": 24, "class": 1, "score": 0.9}, {"start": 25, "end": 28, "class": 0},
    ]});
    let line = json!({"id": "a", "it": text, "draft": draft, "draft_model": "tagger 1"});
    let path = site.write("items.jsonl", &line);
    assert_eq!(site.import_drafts(Format::JsonLines, &path, BY).drafts, 1);
    site.tick();
    let row = site.store.read("test", |tx| tx.item(1)).unwrap().unwrap();
    let clean = CleanItem::load(&row).unwrap();
    let Some(Value::Text(clean)) = clean.value("it") else { panic!("no text") };
    assert_ne!(clean, text, "the number is gone");
    let (label, confidence, scores, origin, route) = site.drafted(1);
    let span = &label["spans"][0];
    let place = |name: &str| usize::try_from(span[name].as_u64().unwrap()).unwrap();
    let (start, end) = (place("start"), place("end"));
    let marked: String = clean.chars().skip(start).take(end - start).collect();
    assert_eq!((marked.as_str(), scores), ("pain", vec![Some(0.9), None]));
    // Not every mark has a score, so nobody knows how sure the whole is: an annotator sees it.
    assert_eq!((confidence, origin, route), (0.0, by("tagger 1", false), Route::Annotator));
}

#[test]
fn an_export_names_the_model_of_a_draft_that_was_imported() {
    let site = Site::new("kind = \"class\"", "text");
    let line = |id: &str, more: Json| {
        let mut line = json!({"id": id, "it": id});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string() + "\n"
    };
    let path = site.files.path().join("items.jsonl");
    let named = json!({"draft": "present", "draft_model": "cnn 3.1"});
    let text = line("a", named) + &line("b", json!({"draft": "absent"})) + &line("c", json!({}));
    fs::write(&path, text).unwrap();
    assert_eq!(site.import_drafts(Format::JsonLines, &path, BY).drafts, 2);
    site.tick();
    let models = |format, file: &str, model: &dyn Fn(&Json) -> Json| {
        let out = site.files.path().join(format!("out-{file}"));
        let ids = HashMap::new();
        let request = export::Request {
            project: &site.row,
            format,
            out: &out,
            unlabeled: true,
            people_only: false,
            synthetic: false,
            names: false,
            license: None,
            ids: &ids,
        };
        export::export(&site.store, &request, |_| {}).unwrap();
        let text = fs::read_to_string(out.join(file)).unwrap();
        match serde_json::from_str::<Vec<Json>>(&text) {
            Ok(list) => list.iter().map(model).collect::<Vec<_>>(),
            Err(_) => {
                text.lines().map(|line| model(&serde_json::from_str(line).unwrap())).collect()
            }
        }
    };
    // The third has a draft by rules of the test's own, which is named by its digest alone.
    let expected = [json!("cnn 3.1"), json!("detector 2"), Json::Null];
    assert_eq!(
        models(Format::JsonLines, "records.jsonl", &|one| one["draft_model"].clone()),
        expected
    );
    let in_provenance = |one: &Json| one["prelabel"]["model"].clone();
    assert_eq!(models(Format::Doccano, "provenance.jsonl", &in_provenance), expected);
    let version = |one: &Json| one["predictions"][0]["model_version"].clone();
    let versions = models(Format::LabelStudio, "records.json", &version);
    assert_eq!(versions[..2], expected[..2]);
    assert_eq!(versions[2].as_str().map(str::len), Some(64), "{versions:?}");
}

#[test]
fn a_draft_for_a_known_item_is_for_people_who_have_not_looked() {
    let site = Site::new("kind = \"preference\"\nfields = [\"it\", \"note\"]", "text");
    let line = |id: &str, more: Json| {
        let mut line = json!({"id": id, "it": "a", "note": "b"});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string() + "\n"
    };
    let path = site.files.path().join("items.jsonl");
    fs::write(&path, line("x", json!({})) + &line("y", json!({}))).unwrap();
    assert_eq!(site.import_drafts(Format::JsonLines, &path, BY).added, 2);
    site.tick();
    let ann = Person {
        person: site.reader,
        name: "ann".to_owned(),
        role: Role::Annotator,
        terms: crate::store::labels::Terms::default(),
    };
    let cards = review::next(&site.store, &ann, &site.row.definition.name, 1, 10).unwrap();
    let answer = review::Annotation {
        key: "k".to_owned(),
        label: Some(Label::Class(0)),
        seconds: 1.0,
        decision: review::Decision::Correct,
        comment: None,
        looks_real: None,
        reason: None,
    };
    review::annotate(&site.store, &ann, &cards[0].row.opaque, &answer, 11).unwrap();
    let drafts = json!({"draft": "present", "draft_score": "0.5"});
    fs::write(&path, line("x", drafts.clone()) + &line("y", drafts)).unwrap();
    let report = site.import_drafts(Format::JsonLines, &path, BY);
    assert_eq!((report.known, report.drafts), (2, 1), "one is labeled");
    site.tick();
    let other = if cards[0].row.item == 1 { 2 } else { 1 };
    assert_eq!(site.drafted(other).0, json!({"class": 1}));
    assert_eq!(site.drafted(other).3, by("detector 2", true));
}
