//! Recordings of a real Label Studio 1.23.2, which are not part of the repository.

use super::media::{both, fetched, images_with, series};
use super::*;
use crate::label::{Region, Segment, Shape, Span};
use crate::source::media::tests::picture;

#[tokio::test]
async fn recorded_exchanges_replay() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/label-studio");
    let spans =
        project_of(["PER", "ORG", "DATE"], ["text", "text"], "kind = \"spans\"\nfield = \"text\"");
    let shape = Shape::Box { x: 10.0, y: 15.0, width: 30.0, height: 40.0 };
    let regions = Label::regions(vec![Region { class: 0, shape }]);
    let part = Segment { class: 0, start: 10.0, end: 25.0, channel: None };
    let segments = Label::segments(vec![part]);
    let times: String = (0..60).map(|time| format!("{time},0.5\n")).collect();
    let one = Span { start: 0, end: 3, class: 1 };
    let kinds = [
        ("choices", project(), Label::Class(1), 1),
        ("basic_auth/choices", project(), Label::Class(1), 1),
        ("ner", spans, Label::spans(vec![one], Vec::new()).unwrap(), 1),
        ("rect", images_with("[\"box\"]"), regions, 1),
        ("ts", series(), segments, 0),
    ];
    for (folder, project, draft, skipped) in kinds {
        let folder = recordings.join(folder);
        let Ok(files) = std::fs::read_dir(&folder) else {
            eprintln!("SKIPPED: no recordings at {}", folder.display());
            continue;
        };
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        // The file that its tasks named.
        let file = match folder.ends_with("ts") {
            true => format!("time,ecg\n{times}").into_bytes(),
            false => picture(320, 200),
        };
        let (site, _, _server) = both(&project, "", file).await;
        let served = site.serve().await;
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.starts_with("ml_") {
                continue;
            }
            let recorded: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            let request = &recorded["request"];
            let method = request["method"].as_str().unwrap();
            let path = request["path"].as_str().unwrap().trim_end_matches('/');
            let call = path.rsplit('/').next().unwrap();
            let line = format!("{method} /label-studio/mood/{SECRET}/{call}");
            let (status, answer) = served.ask("x", &line, &request["body"]).await;
            let expected = &recorded["response"];
            assert_eq!(Value::from(status), expected["status"], "{name}: {answer}");
            same_shape(&name, &expected["body"], &answer);
            fetched(&site).await.unwrap();
            site.draft(&draft);
        }
        assert_eq!(site.faults(), Vec::<String>::new());
        let left: usize = (1..100)
            .filter_map(|task| site.store.read("test", |tx| tx.studio_task(1, task)).unwrap())
            .map(|item| site.store.read("test", |tx| tx.annotations_of(item)).unwrap().len())
            .sum();
        assert_eq!(left, skipped, "a skip is left, the label was deleted");
    }
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
