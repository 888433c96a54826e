//! What goes out comes back: every format with every kind of label that it has a place for, from one
//! site's snapshot into another's store.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::BufReader;
use std::sync::Arc;

use insitu_daemon::clock::ManualClock;
use insitu_protocol::project::Task;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::config::Schedule;
use crate::export;
use crate::pipeline::Pipeline;
use crate::prelabel::Shelf;
use crate::source::media::tests::picture;
use crate::store::labels::Role;
use crate::store::tests::{Scratch, scratch};
use crate::testing::{self, generous};

/// Words that no redaction takes for a name, with some outside the first plane.
const WORDS: [&str; 6] = ["pain", "fever", "\u{1f642}", "cough", "ache", "rash"];
/// Of an image, in pixels.
const SIZE: [u32; 2] = [40, 50];

mod drafts;
mod known;
mod marks;
mod page;
mod refused;
mod waiting;

use marks::{boxes, polygons};

struct Site {
    store: Arc<Store>,
    row: ProjectRow,
    reader: i64,
    /// Where files of items are.
    files: tempfile::TempDir,
    data: tempfile::TempDir,
}

impl Site {
    fn new(task: &str, field: &str) -> Self {
        let Scratch { store, folder } = scratch();
        let field = format!("[[fields]]\nname = \"it\"\ntitle = \"It\"\nkind = \"{field}\"\n");
        let task = format!("[task]\n{task}\n");
        let mut project = testing::project_with(&format!("{task}{field}"));
        // Other tools' content goes to the one field that there is.
        if !matches!(project.task, Task::Preference { .. }) {
            project.fields.retain(|field| field.name.as_str() != "note");
        }
        project.routing.overlap = 0;
        let row = testing::put(&store, &project);
        let reader = testing::person(&store, "ann", Role::Annotator).person;
        let files = tempfile::tempdir().unwrap();
        Self { store: Arc::new(store), row, reader, files, data: folder }
    }

    fn import(&self, format: Format, path: &Path) -> Report {
        let report = self.bring_in(format, path);
        self.tick();
        report
    }

    fn bring_in(&self, format: Format, path: &Path) -> Report {
        let rules = toml::from_str("name = \"heart\"\nid = \"id\"").unwrap();
        let shown = [self.row.definition.name.clone()].into();
        let mut redactors = Redactors::new([].into()).with_images_of(shown);
        let folder = if path.is_dir() { path } else { path.parent().unwrap() };
        let request = Request {
            project: &self.row,
            rules: &rules,
            format,
            folder: Some(folder),
            label: LABEL_COLUMN,
            drafts: None,
            reader: Some(self.reader),
            now: 0,
        };
        let file = || File::open(path).unwrap();
        let mut stream;
        let origin = if path.is_dir() {
            Origin::Folder(path)
        } else if format == Format::Parquet {
            Origin::Table(file())
        } else {
            stream = BufReader::new(file());
            Origin::File(&mut stream)
        };
        let (report, done) = import(&self.store, &mut redactors, &request, origin);
        done.unwrap();
        report
    }

    /// Lets what was said become annotations.
    fn tick(&self) {
        self.work();
        testing::prelabel(&self.store, &self.row, |_| 0.75);
        while edge::take_waiting(&self.store, &self.row, 0).unwrap() {}
    }

    /// Lets the pipeline do its work, without a model.
    fn work(&self) {
        let shown = [self.row.definition.name.clone()].into();
        let clock = Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH));
        let shelf = Shelf::new(self.files.path());
        let store = Arc::clone(&self.store);
        let mut pipeline =
            Pipeline::new(store, clock, generous(1), Schedule::default(), shelf, None)
                .with_redactors(Redactors::new([].into()).with_images_of(shown));
        while pipeline.tick().unwrap() {}
    }

    fn export(&self, format: Format, out: &Path) {
        let ids = HashMap::new();
        let request = export::Request {
            project: &self.row,
            format,
            out,
            unlabeled: false,
            people_only: true,
            synthetic: false,
            names: false,
            license: None,
            ids: &ids,
        };
        export::export(&self.store, &request, |_| {}).unwrap();
        assert_eq!(export::verify(out, None).unwrap().faults, Vec::<String>::new());
    }

    /// What every item is and what people say of it, in an order of its own.
    fn said(&self) -> BTreeSet<String> {
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("said");
        self.export(Format::JsonLines, &out);
        let text = fs::read_to_string(out.join("records.jsonl")).unwrap();
        let record = |line: &str| {
            let record: Json = serde_json::from_str(line).unwrap();
            json!([record["fields"]["it"], record["fields"]["note"], record["label"]]).to_string()
        };
        text.lines().map(record).collect()
    }
}

/// The name of a snapshot's records.
fn records(out: &Path, format: Format) -> std::path::PathBuf {
    if matches!(format, Format::Yolo | Format::Voc) {
        return out.to_owned();
    }
    let mut files = fs::read_dir(out).unwrap().map(|file| file.unwrap().path());
    files.find(|path| path.file_stem().is_some_and(|stem| stem == "records")).unwrap()
}

/// Items with these labels, out of one site in each format and into another.
fn through(task: &str, field: &str, items: &[Json], formats: &[Format]) {
    let site = Site::new(task, field);
    let mut lines = String::new();
    for (at, item) in items.iter().enumerate() {
        let mut item = item.clone();
        item["id"] = json!(at);
        match field {
            "image" => {
                let bytes = [picture(SIZE[0], SIZE[1]), vec![u8::try_from(at).unwrap()]].concat();
                fs::write(site.files.path().join(format!("{at}.png")), bytes).unwrap();
                item["it"] = json!(format!("{at}.png"));
            }
            "series" => {
                let table = format!("time [s],I [mV]\n0,{at}\n0.5,\n1,3\n1.5,-0.125\n");
                fs::write(site.files.path().join(format!("{at}.csv")), table).unwrap();
                item["it"] = json!(format!("{at}.csv"));
            }
            _ => {}
        }
        lines.push_str(&(item.to_string() + "\n"));
    }
    let path = site.files.path().join("items.jsonl");
    fs::write(&path, lines).unwrap();
    let report = site.import(Format::JsonLines, &path);
    assert_eq!((report.bad_lines, report.readings), (vec![], items.len() as u64));
    let said = site.said();
    assert_eq!(site.import(Format::JsonLines, &path).readings, 0, "again is nothing new");
    for format in formats {
        let folder = site.files.path().join(format!("out-{}", format.name()));
        site.export(*format, &folder);
        let other = Site::new(task, field);
        let report = other.import(*format, &records(&folder, *format));
        assert_eq!(report.bad_lines, vec![], "{}", format.name());
        assert_eq!(other.said(), said, "{}", format.name());
    }
}

type Formats = &'static [Format];

const CLASSES: Formats =
    &[Format::LabelStudio, Format::Prodigy, Format::GroundTruth, Format::Spacy, Format::Labelbox];
const SPANS: Formats = &[
    Format::Parquet,
    Format::Csv,
    Format::JsonLines,
    Format::LabelStudio,
    Format::Prodigy,
    Format::Doccano,
    Format::Labelbox,
];
const BOXES: Formats = &[
    Format::LabelStudio,
    Format::Prodigy,
    Format::GroundTruth,
    Format::Coco,
    Format::Yolo,
    Format::Labelbox,
];
const POLYGONS: Formats =
    &[Format::LabelStudio, Format::Prodigy, Format::Coco, Format::Yolo, Format::Labelbox];

fn text() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&WORDS[..]), 3..9)
}

/// Texts that differ, each with a label that is made of its words' places.
fn texts<L: std::fmt::Debug>(
    label: impl Fn(&[(usize, usize)]) -> BoxedStrategy<L> + Clone + 'static,
) -> impl Strategy<Value = Vec<(String, L)>> {
    let one = text().prop_flat_map(move |words| {
        let mut places = Vec::new();
        let mut at = 0;
        for word in &words {
            let length = word.chars().count();
            places.push((at, at + length));
            at += length + 1;
        }
        (Just(words.join(" ")), label(&places))
    });
    prop::collection::vec(one, 1..6).prop_map(|all| {
        let mut seen = BTreeSet::new();
        all.into_iter().filter(|(text, _)| seen.insert(text.clone())).collect()
    })
}

fn items(labels: Vec<Json>) -> Vec<Json> {
    labels.into_iter().map(|label| json!({"label": label})).collect()
}

/// A span: its start, its end and its class.
type Place = (usize, usize, u16);

/// Texts with spans and without relations.
fn without_relations(items: Vec<(String, Vec<Place>)>) -> Vec<Json> {
    let item = |(text, spans): (String, Vec<Place>)| {
        let mut label = spans_json(&spans);
        label["relations"] = json!([]);
        with_text((text, label))
    };
    items.into_iter().map(item).collect()
}

fn with_text((text, label): (String, Json)) -> Json {
    json!({"it": text, "label": label})
}

/// Some spans of whole words; apart from each other unless they may overlap.
fn spans(places: &[(usize, usize)], overlap: bool) -> BoxedStrategy<Vec<Place>> {
    let places = places.to_vec();
    let words = places.len();
    let one = (0..words, 0..words, 0..2_u16);
    prop::collection::vec(one, 0..5)
        .prop_map(move |all| {
            let mut spans: Vec<Place> = all
                .into_iter()
                .map(|(a, b, class)| (places[a.min(b)].0, places[a.max(b)].1, class))
                .collect();
            spans.sort_unstable();
            spans.dedup();
            let mut end = 0;
            spans.retain(|span| {
                let keep = overlap || span.0 >= end;
                end = if keep { end.max(span.1) } else { end };
                keep
            });
            spans
        })
        .boxed()
}

fn spans_json(spans: &[(usize, usize, u16)]) -> Json {
    let span = |(start, end, class): &(usize, usize, u16)| json!({"start": start, "end": end, "class": class});
    let related =
        (spans.len() > 1).then(|| json!({"from": 0, "to": spans.len() - 1, "relation": 0}));
    json!({"spans": spans.iter().map(span).collect::<Vec<_>>(), "relations": related.iter().collect::<Vec<_>>()})
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn a_class(items in texts(|_| (0..2_usize).boxed())) {
        let name = |class: usize| ["absent", "present"][class];
        let items: Vec<Json> =
            items.into_iter().map(|(text, class)| with_text((text, json!(name(class))))).collect();
        let more: Formats = &[Format::Csv, Format::JsonLines, Format::Doccano];
        through("kind = \"class\"", "text", &items, &[CLASSES, more].concat());
    }

    #[test]
    fn classes(items in texts(|_| prop::collection::btree_set(0..2_u16, 0..3).boxed())) {
        let items: Vec<Json> = items
            .into_iter()
            .map(|(text, classes)| with_text((text, json!({"classes": classes}))))
            .collect();
        let more: Formats = &[Format::Csv, Format::Parquet];
        through("kind = \"classes\"", "text", &items, &[CLASSES, more].concat());
    }

    #[test]
    fn spans_and_relations(items in texts(|places| spans(places, true))) {
        let items: Vec<Json> = items
            .into_iter()
            .map(|(text, spans)| with_text((text, spans_json(&spans))))
            .collect();
        let task = "kind = \"spans\"\nfield = \"it\"\nrelations = [\"treats\", \"of\"]";
        through(task, "text", &items, SPANS);
    }

    #[test]
    fn spans_alone(items in texts(|places| spans(places, true))) {
        let all = [SPANS, &[Format::Spacy]].concat();
        through("kind = \"spans\"\nfield = \"it\"", "text", &without_relations(items), &all);
    }

    #[test]
    fn tagged_tokens(items in texts(|places| spans(places, false))) {
        let items = without_relations(items);
        through("kind = \"spans\"\nfield = \"it\"", "text", &items, &[Format::Conll]);
    }

    #[test]
    fn boxes_of_images(labels in prop::collection::vec(boxes(), 1..5)) {
        let task = "kind = \"regions\"\nfield = \"it\"\nshapes = [\"box\"]";
        through(task, "image", &items(labels), BOXES);
    }

    #[test]
    fn polygons_of_images(labels in prop::collection::vec(polygons(), 1..5)) {
        let task = "kind = \"regions\"\nfield = \"it\"\nshapes = [\"polygon\"]";
        through(task, "image", &items(labels), POLYGONS);
    }

    #[test]
    fn boxes_in_whole_pixels(
        labels in prop::collection::vec((0..2_u16, 0..20_u32, 0..25_u32, 1..20_u32, 1..25_u32), 1..5)
    ) {
        let region = |(class, x, y, width, height): (u16, u32, u32, u32, u32)| {
            let across = |pixels: u32| f64::from(pixels) * 2.5;
            let down = |pixels: u32| f64::from(pixels) * 2.0;
            let sides = [across(x), down(y), across(width), down(height)];
            json!({"regions": [{"class": class, "box": sides}]})
        };
        let task = "kind = \"regions\"\nfield = \"it\"\nshapes = [\"box\"]";
        let items = items(labels.into_iter().map(region).collect());
        through(task, "image", &items, &[Format::Voc]);
    }

    #[test]
    fn segments(starts in prop::collection::vec((0..100_u32, 1..100_u32, any::<bool>()), 1..5)) {
        let label = |(start, length, all): &(u32, u32, bool)| {
            let (start, length) = (f64::from(*start) / 100.0, f64::from(*length) / 100.0);
            let mut segment = json!({"class": 1, "start": start, "end": start + length});
            if !all {
                segment["channel"] = json!(0);
            }
            json!({"segments": [segment]})
        };
        let items = items(starts.iter().map(label).collect());
        let task = "kind = \"segments\"\nfield = \"it\"";
        through(task, "series", &items, &[Format::LabelStudio]);
    }
}

#[test]
fn a_class_of_images() {
    let items = [json!({"label": "present"}), json!({"label": "absent"})];
    let formats = [Format::LabelStudio, Format::Prodigy, Format::GroundTruth, Format::Labelbox];
    through("kind = \"class\"", "image", &items, &formats);
}

#[test]
fn preferences() {
    let item = |class: &str| json!({"it": "pain", "note": "rash", "label": class});
    let formats = [Format::Csv, Format::JsonLines, Format::LabelStudio];
    let task = "kind = \"preference\"\nfields = [\"it\", \"note\"]";
    through(task, "text", &[item("present")], &formats);
    through(task, "text", &[item("absent")], &formats);
}

/// Another image of the item has another size.
#[test]
fn marks_are_measured_by_the_image_that_they_are_in() {
    let task = "kind = \"regions\"\nfield = \"it\"\nshapes = [\"box\"]";
    let other = "[[fields]]\nname = \"other\"\ntitle = \"Other\"\nkind = \"image\"";
    let site = Site::new(&format!("{task}\n{other}"), "image");
    for (name, [width, height]) in [("other.png", [10, 20]), ("it.png", SIZE)] {
        fs::write(site.files.path().join(name), picture(width, height)).unwrap();
    }
    let label = json!({"regions": [{"class": 0, "box": [10.0, 20.0, 30.0, 40.0]}]});
    let item = json!({"id": 1, "other": "other.png", "it": "it.png", "label": label});
    let path = site.files.path().join("one.jsonl");
    fs::write(&path, item.to_string()).unwrap();
    assert_eq!(site.import(Format::JsonLines, &path).readings, 1);
    let out = site.files.path().join("out");
    site.export(Format::LabelStudio, &out);
    let tasks = fs::read(records(&out, Format::LabelStudio)).unwrap();
    let tasks: Json = serde_json::from_slice(&tasks).unwrap();
    let mark = &tasks[0]["annotations"][0]["result"][0];
    assert_eq!(json!([mark["original_width"], mark["original_height"]]), json!(SIZE));
}

/// One text with one label, said again and again.
#[test]
fn the_last_label_counts_also_when_it_was_said_before() {
    let site = Site::new("kind = \"class\"", "text");
    let path = site.files.path().join("one.csv");
    for (label, readings) in
        [("absent", 1), ("absent", 0), ("present", 1), ("absent", 1), ("absent", 0)]
    {
        fs::write(&path, format!("id,it,label\n1,pain,{label}\n")).unwrap();
        assert_eq!(site.import(Format::Csv, &path).readings, readings, "{label}");
        assert_eq!(site.said(), [json!(["pain", null, label]).to_string()].into());
    }
}

#[test]
fn spans_move_with_the_text_that_is_redacted() {
    let site = Site::new("kind = \"spans\"\nfield = \"it\"", "text");
    let text = "Call 216-555-0199 about the rash \u{1f642} today.";
    let place = |part: &str| {
        let start = text.find(part).unwrap();
        let start = text[..start].chars().count();
        json!({"start": start, "end": start + part.chars().count(), "class": 1})
    };
    let line = |spans: Json| json!({"id": 1, "it": text, "label": {"spans": spans}}).to_string();
    let path = site.files.path().join("one.jsonl");
    fs::write(&path, line(json!([place("555"), place("rash")]))).unwrap();
    assert_eq!(site.import(Format::JsonLines, &path).bad_lines, vec![]);
    let said = site.said();
    let said: Json = serde_json::from_str(said.first().unwrap()).unwrap();
    let clean: Vec<char> = said[0].as_str().unwrap().chars().collect();
    let covered = |at: usize| {
        let span = &said[2]["spans"][at];
        let place = |end: &str| usize::try_from(span[end].as_u64().unwrap()).unwrap();
        clean[place("start")..place("end")].iter().collect::<String>()
    };
    assert!(!said[0].as_str().unwrap().contains("555"), "{said}");
    assert!(covered(0).starts_with('[') && covered(0).ends_with(']'), "{said}");
    assert_eq!(covered(1), "rash");
    // The same labels of the same text, which is redacted already, are known.
    assert_eq!(site.import(Format::JsonLines, &path).readings, 0);
    // Labels of another text under the same id are none of the item's.
    let other = line(json!([place("rash")])).replace("Call", "Please call");
    fs::write(&path, other).unwrap();
    let report = site.import(Format::JsonLines, &path);
    let other = LineError::OtherContent { field: "it".to_owned() };
    assert_eq!(report.bad_lines[0].bad.reason, other);
}
