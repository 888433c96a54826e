//! What a real Label Studio 1.23.2 sent and was answered, sent again: the same answers, and the labels that
//! people there gave. `recorded` was made by `tests/label_studio.sh` with `INSITU_RECORD`.

use super::media::{both, fetched, images_with, series_with};
use super::*;
use crate::label::{Region, Segment, Shape, Span};
use crate::source::media::tests::picture;

/// A call, and its answer.
struct Exchange {
    name: String,
    method: String,
    call: String,
    body: Value,
    status: Value,
    answer: Value,
}

/// The file that the tasks name.
fn file_of(project: &Project) -> Vec<u8> {
    let times: String = (0..60).map(|time| format!("{time},0.5\n")).collect();
    match project.task.kind() {
        "segments" => format!("time,ecg\n{times}").into_bytes(),
        _ => picture(320, 200),
    }
}

/// Sends them all, with a pause for the agent's own work after each in which new items get this draft, or
/// none; and gives what was said of the items of the first hundred thousand tasks.
async fn replay(
    project: &Project,
    draft: Option<&Label>,
    exchanges: &[Exchange],
) -> Vec<Vec<Value>> {
    let (site, _, _server) = both(project, "", file_of(project)).await;
    let served = site.serve().await;
    for Exchange { name, method, call, body, status, answer } in exchanges {
        let line = format!("{method} /label-studio/mood/{SECRET}/{call}");
        let (got_status, got) = served.ask("x", &line, body).await;
        assert_eq!(Value::from(got_status), *status, "{name}: {got}");
        same_shape(name, answer, &got);
        fetched(&site).await.unwrap();
        match draft {
            Some(draft) => site.draft(draft),
            None => site.hand_over(),
        }
    }
    assert_eq!(site.faults(), Vec::<String>::new());
    let said = |task| {
        let read = |tx: &crate::store::Tx<'_>| {
            let Some(item) = tx.studio_task(1, task)? else { return Ok(None) };
            past_reads(&tx.annotations_of(item)?).map(Some)
        };
        let past = site.store.read("test", read).unwrap()?;
        let label = |past: &review::PastRead| past.label().map_or(Value::Null, Label::to_json);
        Some(past.iter().map(label).collect())
    };
    (1..200).filter_map(said).collect()
}

/// A part of the repository, a line each.
fn ours(text: &str) -> Vec<Exchange> {
    let exchange = |(at, line): (usize, &str)| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let call = text(&line["call"]);
        Exchange {
            name: format!("{}: {call}", at + 1),
            method: text(&line["method"]),
            call,
            body: line["body"].take(),
            status: line["status"].take(),
            answer: line["answer"].take(),
        }
    };
    text.lines().enumerate().map(exchange).collect()
}

fn two(field: [&str; 2], task: &str) -> Project {
    project_of(["first", "second"], field, task)
}

#[tokio::test]
async fn one_class_and_what_became_of_its_draft() {
    let heart = project_of(["no disease", "disease"], ["age", "text"], "kind = \"class\"");
    let exchanges = ours(include_str!("recorded/heart-disease.jsonl"));
    let calls: Vec<&str> = exchanges.iter().map(|exchange| exchange.call.as_str()).collect();
    for call in ["health", "setup", "predict", "webhook"] {
        assert!(calls.contains(&call), "{call} in {calls:?}");
    }
    let predicted = exchanges.iter().find(|exchange| exchange.call == "predict").unwrap();
    assert_eq!(predicted.answer["results"].as_array().unwrap().len(), 4);
    let mut said = replay(&heart, Some(&Label::Class(1)), &exchanges).await;
    said.retain(|said| !said.is_empty());
    // Accepted as drafted there, corrected and changed, skipped; the fourth was taken back.
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[1], [json!({"class": 0})]);
    assert_eq!(said[2], [Value::Null]);
}

#[tokio::test]
async fn several_classes() {
    let project = two(["text", "text"], "kind = \"classes\"");
    let exchanges = ours(include_str!("recorded/classes.jsonl"));
    let said = replay(&project, None, &exchanges).await;
    assert_eq!(labels(said), [json!({"classes": [0, 1]}), Value::Null]);
}

#[tokio::test]
async fn spans_of_a_text() {
    let task = "kind = \"spans\"\nfield = \"text\"\nrelations = [\"of\"]";
    let project = two(["text", "text"], task);
    let said = replay(&project, None, &ours(include_str!("recorded/spans.jsonl"))).await;
    let spans = json!({"spans": [
        {"start": 11, "end": 14, "class": 0}, {"start": 30, "end": 34, "class": 1},
        {"start": 30, "end": 35, "class": 0},
    ], "relations": [{"from": 0, "to": 1, "relation": 0}]});
    assert_eq!(labels(said), [spans, Value::Null]);
}

#[tokio::test]
async fn boxes_and_polygons_of_an_image() {
    let mut project = images_with("[\"box\", \"polygon\"]");
    project.classes = two(["image", "image"], "kind = \"class\"").classes;
    let said = replay(&project, None, &ours(include_str!("recorded/boxes.jsonl"))).await;
    let regions = json!({"regions": [
        {"class": 0, "box": [10.0, 15.0, 35.0, 40.0]},
        {"class": 1, "polygon": [[1.0, 1.0], [5.5, 1.0], [5.0, 5.0]]},
    ]});
    assert_eq!(labels(said), [regions, Value::Null]);
}

#[tokio::test]
async fn segments_of_a_series() {
    let mut project = series_with("");
    project.classes = two(["csv", "series"], "kind = \"class\"").classes;
    let said = replay(&project, None, &ours(include_str!("recorded/segments.jsonl"))).await;
    let segments = json!({"segments": [{"class": 0, "start": 10.0, "end": 35.0}]});
    assert_eq!(labels(said), [segments, Value::Null]);
}

/// The one reading of each item that has any.
fn labels(said: Vec<Vec<Value>>) -> Vec<Value> {
    said.into_iter()
        .filter(|said| !said.is_empty())
        .map(|said| match <[Value; 1]>::try_from(said) {
            Ok([only]) => only,
            Err(all) => panic!("{all:?}"),
        })
        .collect()
}

/// More of them, recorded with another program as the backend; not part of the repository.
#[tokio::test]
async fn recordings_beside_the_repository_replay() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/label-studio");
    let spans =
        project_of(["PER", "ORG", "DATE"], ["text", "text"], "kind = \"spans\"\nfield = \"text\"");
    let shape = Shape::Box { x: 10.0, y: 15.0, width: 30.0, height: 40.0 };
    let regions = Label::regions(vec![Region { class: 0, shape }]);
    let part = Segment { class: 0, start: 10.0, end: 25.0, channel: None };
    let segments = Label::segments(vec![part]);
    let one = Span { start: 0, end: 3, class: 1 };
    let kinds = [
        ("choices", project(), Label::Class(1), 1),
        ("basic_auth/choices", project(), Label::Class(1), 1),
        ("ner", spans, Label::spans(vec![one], Vec::new()).unwrap(), 1),
        ("rect", images_with("[\"box\"]"), regions, 1),
        ("ts", series_with("points = true"), segments, 0),
    ];
    for (folder, project, draft, skipped) in kinds {
        let folder = recordings.join(folder);
        let Ok(files) = std::fs::read_dir(&folder) else {
            eprintln!("SKIPPED: no recordings at {}", folder.display());
            continue;
        };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let exchanges: Vec<Exchange> = files.iter().filter_map(|file| theirs(file)).collect();
        let said = replay(&project, Some(&draft), &exchanges).await;
        let left: usize = said.iter().map(Vec::len).sum();
        assert_eq!(left, skipped, "a skip is left, the label was deleted");
    }
}

fn theirs(file: &Path) -> Option<Exchange> {
    let name = file.file_name()?.to_str()?.to_owned();
    name.strip_prefix("ml_")?;
    let mut recorded: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let request = &mut recorded["request"];
    let path = request["path"].as_str().unwrap().trim_end_matches('/').to_owned();
    let call = path.rsplit('/').next().unwrap().to_owned();
    let method = request["method"].as_str().unwrap().to_owned();
    let body = request["body"].take();
    let answer = &mut recorded["response"];
    let (status, answer) = (answer["status"].take(), answer["body"].take());
    Some(Exchange { name, method, call, body, status, answer })
}

/// Every key that was answered then is answered now, of the same type.
#[track_caller]
fn same_shape(name: &str, expected: &Value, got: &Value) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (key, value) in expected {
                same_shape(name, value, got.get(key).unwrap_or_else(|| panic!("{name}: no {key}")));
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            // A draft may abstain.
            if let (Some(expected), Some(got)) = (expected.first(), got.first()) {
                same_shape(name, expected, got);
            }
        }
        (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, _) => {}
        _ => panic!("{name}: {expected} then, {got} now"),
    }
}
