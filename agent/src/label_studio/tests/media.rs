//! Images and series: fetched from a Label Studio that is played, marked there, and told here.

use super::comparing::Fake;
use super::*;
use crate::label::{Region, Segment, Shape};
use crate::label_studio::compare::compare;
use crate::source::media::tests::picture;

const BOXES: &str = r#"<View><Image name="image" value="$image"/>
    <RectangleLabels name="label" toName="image"><Label value="Nodule"/><Label value="Lesion"/>
    </RectangleLabels><PolygonLabels name="line" toName="image"><Label value="Nodule"/>
    <Label value="Lesion"/></PolygonLabels></View>"#;
const SEGMENTS: &str = r#"<View><TimeSeriesLabels name="label" toName="ts"><Label value="Arrhythmia"/>
    <Label value="Artifact"/></TimeSeriesLabels><TimeSeries name="ts" valueType="url" value="$csv"
    timeColumn="time" sep=","><Channel column="ecg"/></TimeSeries></View>"#;

fn images() -> Project {
    images_with("[\"box\", \"polygon\"]")
}

pub(super) fn images_with(shapes: &str) -> Project {
    let task = format!("kind = \"regions\"\nfield = \"image\"\nshapes = {shapes}");
    project_of(["Nodule", "Lesion"], ["image", "image"], &task)
}

fn series() -> Project {
    series_with("points = true")
}

pub(super) fn series_with(points: &str) -> Project {
    let task = format!("kind = \"segments\"\nfield = \"csv\"\n{points}");
    project_of(["Arrhythmia", "Artifact"], ["csv", "series"], &task)
}

/// A site of this project, and the Label Studio that has this file.
pub(super) async fn both(
    project: &Project,
    config: &str,
    file: Vec<u8>,
) -> (Arc<Site>, Fake, JoinSet) {
    let mut site = site_of(project);
    let fake = Fake::default();
    config.clone_into(&mut fake.config.lock().unwrap());
    fake.file.lock().unwrap().0 = file;
    let (address, server) = fake.serve().await;
    site.studio.settings.url = format!("http://{address}");
    (Arc::new(site), fake, server)
}

type JoinSet = tokio::task::JoinSet<std::io::Result<()>>;

/// Fetches what waits, as the daemon does; whether it went well.
pub(super) async fn fetched(site: &Arc<Site>) -> Result<(), String> {
    let site = Arc::clone(site);
    let work = move || {
        loop {
            match fetch(&site.store, &site.row, &site.studio, 100) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn task(id: u64, field: &str, file: &str) -> Value {
    json!({"id": id, "data": {field: file}})
}

fn told(id: u64, task: &Value, result: Value, parent: Option<u64>) -> Value {
    let mut said = said(id, "13", task["id"].as_u64().unwrap(), "-");
    (said["result"], said["parent_prediction"]) = (result, json!(parent));
    json!({"action": "ANNOTATION_CREATED", "annotation": said, "task": task})
}

/// A box, as people there mark it.
fn regions_there() -> Value {
    json!([{"type": "rectanglelabels", "original_width": 4, "original_height": 4,
            "value": {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["Lesion"]}}])
}

fn regions() -> Label {
    let shape = Shape::Box { x: 10.0, y: 15.0, width: 30.0, height: 40.0 };
    let line = Shape::Polygon(vec![[1.0, 1.0], [5.5, 1.0], [5.0, 5.0]]);
    Label::regions(vec![Region { class: 0, shape }, Region { class: 1, shape: line }])
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_of_an_image_that_lies_there() {
    let (site, fake, _server) = both(&images(), BOXES, picture(320, 200)).await;
    let served = site.serve().await;
    let scan = task(16, "image", "/data/upload/7/scan.png");
    let body = json!({"tasks": [scan], "label_config": BOXES});
    for _ in 0..2 {
        let (status, answer) = served.ask("x", &line("predict"), &body).await;
        assert_eq!(status, 503, "it is not here yet: {answer}");
    }
    fetched(&site).await.unwrap();
    site.draft(&regions());
    assert_eq!((fake.file.lock().unwrap().1, site.faults()), (1, Vec::new()), "fetched once");

    let (_, answer) = served.ask("x", &line("predict"), &body).await;
    let result = &answer["results"][0]["result"];
    // As the recorded backend said it.
    let first = json!({
        "id": "insitu-16", "from_name": "label", "to_name": "image", "type": "rectanglelabels",
        "original_width": 320, "original_height": 200, "image_rotation": 0, "score": 0.75,
        "value": {"x": 10.0, "y": 15.0, "width": 30.0, "height": 40.0, "rotation": 0,
                  "rectanglelabels": ["Nodule"]},
    });
    assert_eq!(result[0], first);
    assert_eq!(
        (&result[1]["from_name"], &result[1]["type"]),
        (&json!("line"), &json!("polygonlabels"))
    );
    assert_eq!(result[1]["id"], "insitu-16-1");

    let same = told(1, &scan, result.clone(), Some(4));
    served.ask("x", &line("webhook"), &same).await;
    fetched(&site).await.unwrap();
    site.draft(&regions());
    assert!(site.said(16) == (Some(regions()), 1));

    // Another, in percent of an image of another size, and one of an image that was turned.
    for (id, changed, value) in [(2, "original_width", 640), (3, "image_rotation", 90)] {
        let mut part = first.clone();
        part[changed] = json!(value);
        served.ask("x", &line("webhook"), &told(id, &scan, json!([part]), None)).await;
    }
    let mut turned = first.clone();
    turned["value"]["rotation"] = json!(4.5);
    served.ask("x", &line("webhook"), &told(4, &scan, json!([turned]), None)).await;
    fetched(&site).await.unwrap();
    site.draft(&regions());
    assert_eq!(
        site.faults(),
        [
            "a box that is rotated cannot be imported",
            "a mark on an image that was rotated cannot be imported",
            "the labels are of an image of 640\u{d7}200 pixels, and the file's is 320\u{d7}200",
        ]
    );
    assert!(site.said(16) == (Some(regions()), 1));

    // A deletion there takes it back here.
    let gone = json!({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}]});
    served.ask("x", &line("webhook"), &gone).await;
    fetched(&site).await.unwrap();
    site.draft(&regions());
    assert_eq!(site.said(16).1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_of_images_are_brought_and_annotations_found() {
    let (site, fake, _server) = both(&images(), BOXES, picture(320, 200)).await;
    let mut listed: Vec<Value> =
        (1..=3).map(|id| task(id, "image", "/data/upload/7/scan.png")).collect();
    let parts = json!([{"type": "rectanglelabels", "original_width": 320, "original_height": 200,
                        "value": {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["Lesion"]}}]);
    let mut skip = said(8, "13", 2, "-");
    (skip["result"], skip["was_cancelled"]) = (json!([]), json!(true));
    let mut marked = said(7, "13", 1, "-");
    marked["result"] = parts;
    listed[0]["annotations"] = json!([marked]);
    listed[1]["annotations"] = json!([skip]);
    *fake.tasks.lock().unwrap() = listed;
    let ask = || {
        let site = Arc::clone(&site);
        let work = move || compare(&site.store, &site.row, &site.studio, 100).unwrap();
        async { tokio::task::spawn_blocking(work).await.unwrap() }
    };
    assert_eq!(ask().await.missed, 3);
    fetched(&site).await.unwrap();
    site.draft(&regions());
    assert_eq!(site.faults(), Vec::<String>::new());
    let said = site.said(1).0.unwrap().to_json();
    assert_eq!(said["regions"], json!([{"class": 1, "box": [1.0, 2.0, 3.0, 4.0]}]));
    assert_eq!((site.said(2).0.is_none(), site.said(2).1), (true, 1), "a skip");
    // Label Studio refuses all drafts where one is of a task that is gone.
    fake.tasks.lock().unwrap().pop();
    assert_eq!((ask().await.brought, ask().await.brought), (2, 0));
    let brought = fake.brought.lock().unwrap();
    assert_eq!(brought.iter().map(|draft| &draft["task"]).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(brought[0]["result"][0]["value"]["rectanglelabels"], json!(["Nodule"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_from_elsewhere_or_in_vain() {
    let (site, fake, _server) = both(&images(), BOXES, b"no picture".to_vec()).await;
    let served = site.serve().await;
    let tell = |id: u64, file: &str| {
        let told = json!({"action": "TASKS_CREATED", "tasks": [task(id, "image", file)]});
        let served = &served;
        async move { assert_eq!(served.ask("x", &line("webhook"), &told).await.0, 201) }
    };
    tell(1, "http://10.0.0.1/data/upload/7/scan.png").await;
    tell(2, "/data/upload/7/scan.png").await;
    fetched(&site).await.unwrap();
    assert_eq!(fake.file.lock().unwrap().1, 1);
    fake.file.lock().unwrap().0.clear();
    tell(3, "/data/upload/7/gone.png").await;
    let held = data_uri(&picture(4, 4));
    tell(4, &held).await;
    fetched(&site).await.unwrap();
    let faults = site.faults();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].contains("names a file that cannot be had"), "{faults:?}");
    assert!(faults[1].contains("names neither PNG nor JPEG"), "{faults:?}");
    assert!(faults[2].contains("which alone is asked for files"), "{faults:?}");
    // A draft of what cannot be an item is not waited for.
    let body =
        json!({"tasks": [task(1, "image", "http://10.0.0.1/data/x.png")], "label_config": BOXES});
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(served.ask("x", &line("predict"), &body).await);
        fetched(&site).await.unwrap();
    }
    assert_eq!((answers[0].0, &answers[1].1["results"][0]["result"]), (503, &json!([])));
    let item = |task| site.store.read("test", |tx| tx.studio_task(1, task)).unwrap();
    assert_eq!([1, 2, 3, 4].map(|task| item(task).is_some()), [false, false, false, true]);
}

fn data_uri(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("data:image/png;base64,{text}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_now_waits() {
    let (site, _, server) = both(&images(), BOXES, picture(4, 4)).await;
    let served = site.serve().await;
    let told =
        json!({"action": "TASKS_CREATED", "tasks": [task(1, "image", "/data/upload/7/a.png")]});
    served.ask("x", &line("webhook"), &told).await;
    drop(server);
    assert_eq!(fetched(&site).await.unwrap_err(), "Label Studio does not give a task's file");
    let waiting = site.store.read("test", |tx| tx.waiting_studio_events(1)).unwrap();
    assert_eq!((waiting, site.faults()), (1, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_had_now_holds_up_nothing() {
    let (site, fake, _server) = both(&images(), BOXES, picture(4, 4)).await;
    fake.is_stuck.store(true, Ordering::Relaxed);
    let served = site.serve().await;
    let stored = |id, file: &str| task(id, "image", &format!("/data/upload/7/{file}.png"));
    let tell = |body: Value| {
        let served = &served;
        async move { assert_eq!(served.ask("x", &line("webhook"), &body).await.0, 201) }
    };
    let created = |tasks: &[Value]| json!({"action": "TASKS_CREATED", "tasks": tasks});
    tell(told(1, &stored(1, "a"), regions_there(), None)).await;
    fetched(&site).await.unwrap();
    site.draft(&regions());
    assert_eq!(site.said(1).1, 1);
    // More than are looked at in one go; behind them are some whose files can be had.
    for id in 100..200 {
        tell(created(&[stored(id, "stuck")])).await;
    }
    let elsewhere = task(4, "image", "http://10.0.0.1/data/upload/7/a.png");
    tell(created(&[stored(2, "stuck"), stored(3, "a"), elsewhere])).await;
    tell(told(2, &stored(5, "stuck"), regions_there(), None)).await;
    tell(json!({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}]})).await;
    tell(created(&[stored(6, "a")])).await;
    site.draft(&regions());
    assert_eq!(site.said(1).1, 0, "a deletion needs no file");

    let item = |task| site.store.read("test", |tx| tx.studio_task(1, task)).unwrap().is_some();
    let waiting = || site.store.read("test", |tx| tx.waiting_studio_events(1)).unwrap();
    for _ in 0..2 {
        assert_eq!(fetched(&site).await.unwrap_err(), "Label Studio does not give a task's file");
    }
    assert_eq!([2, 3, 4, 5, 6].map(item), [false, true, false, false, true]);
    assert_eq!((waiting(), site.faults().len()), (102, 1), "{:?}", site.faults());
    fake.is_stuck.store(false, Ordering::Relaxed);
    fetched(&site).await.unwrap();
    site.draft(&regions());
    assert_eq!([2, 3, 4, 5, 199].map(item), [true, true, false, true, true]);
    assert_eq!((site.said(5).1, waiting()), (1, 0));
    assert!(site.faults()[0].starts_with("1 tasks: field \"image\" names a file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_nobody_may_see_are_not_fetched() {
    let (mut site, fake, _server) = both(&images(), BOXES, picture(4, 4)).await;
    Arc::get_mut(&mut site).unwrap().studio.source.images = Images::Quarantine;
    let served = site.serve().await;
    let (status, answer) = served.ask("x", &line("setup"), &json!({"schema": BOXES})).await;
    assert_eq!(status, 422);
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with("the project's images are put aside: set images"), "{error}");
    let told =
        json!({"action": "TASKS_CREATED", "tasks": [task(1, "image", "/data/upload/7/a.png")]});
    assert_eq!(served.ask("x", &line("webhook"), &told).await.0, 201);
    fetched(&site).await.unwrap();
    assert_eq!(fake.file.lock().unwrap().1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_of_a_series_that_lies_there() {
    let file = b"time,ecg\n0,1\n10,2\n20,3\n30,4\n".to_vec();
    let (site, _, _server) = both(&series(), SEGMENTS, file).await;
    let served = site.serve().await;
    let ecg = task(18, "csv", "/data/upload/8/ecg.csv");
    let told_of = json!({"action": "TASKS_CREATED", "tasks": [ecg]});
    served.ask("x", &line("webhook"), &told_of).await;
    fetched(&site).await.unwrap();
    let segment = |start: f64, end: f64, class: u16| Segment { class, start, end, channel: None };
    let draft = Label::segments(vec![segment(10.0, 25.0, 0), segment(12.5, 12.5, 1)]);
    site.draft(&draft);
    let body = json!({"tasks": [ecg], "label_config": SEGMENTS});
    let (_, answer) = served.ask("x", &line("predict"), &body).await;
    let result = &answer["results"][0]["result"];
    assert_eq!(
        result[0],
        json!({"id": "insitu-18", "from_name": "label", "to_name": "ts", "type": "timeserieslabels",
               "score": 0.75, "value": {"start": 10.0, "end": 25.0, "instant": false,
                                        "timeserieslabels": ["Arrhythmia"]}})
    );
    assert_eq!(result[1]["value"]["instant"], true);
    let mut longer = result.clone();
    longer[0]["value"]["end"] = json!(31);
    let mut outside = result.clone();
    outside[0]["value"]["end"] = json!(99);
    served.ask("x", &line("webhook"), &told(1, &ecg, longer, Some(3))).await;
    served.ask("x", &line("webhook"), &told(2, &ecg, outside, Some(3))).await;
    fetched(&site).await.unwrap();
    site.draft(&draft);
    let expected = Label::segments(vec![segment(10.0, 31.0, 0), segment(12.5, 12.5, 1)]);
    assert!(site.said(18) == (Some(expected), 1));
    assert_eq!(site.faults().len(), 1);
    assert!(site.faults()[0].contains("99"), "{:?}", site.faults());
}
