//! Records and labels that are refused, and how they are found.

use super::*;
use crate::source::media::tests::{metadata, photograph, with_metadata};

#[test]
fn a_label_that_does_not_fit_is_refused_and_the_item_too() {
    let site = Site::new("kind = \"spans\"\nfield = \"it\"", "text");
    let path = site.files.path().join("one.jsonl");
    let label = json!({"spans": [{"start": 2, "end": 99, "class": 0}]});
    fs::write(&path, json!({"id": 1, "it": "pain", "label": label}).to_string()).unwrap();
    let report = site.import(Format::JsonLines, &path);
    assert_eq!((report.read, report.added, report.bad), (1, 0, 1));
    let reason = report.bad_lines[0].bad.reason.to_string();
    assert_eq!(reason, "span number 1 goes from 2 to 99 in a text of 4 code points");
}

/// Most programs write JSON on one line: which record it is has to be said.
#[test]
fn a_bad_record_is_found_by_its_line_or_else_by_its_number() {
    let site = Site::new("kind = \"spans\"\nfield = \"it\"", "text");
    let tasks = json!([{"id": 1, "data": {"it": "a"}}, {"id": 2}, {"id": 3, "data": 4}]);
    let path = site.files.path().join("tasks.json");
    let places = |text: String| {
        fs::write(&path, text).unwrap();
        let report = site.import(Format::LabelStudio, &path);
        report.bad_lines.iter().map(BadRecord::place).collect::<Vec<_>>()
    };
    assert_eq!(places(tasks.to_string()), ["1, record 2", "1, record 3"]);
    assert_eq!(places(tasks.to_string().replace("},{", "},\n{")), ["2", "3"]);
}

#[test]
fn labels_of_an_image_of_another_size_are_refused() {
    let site = Site::new("kind = \"regions\"\nfield = \"it\"\nshapes = [\"box\"]", "image");
    fs::write(site.files.path().join("a.png"), picture(SIZE[0], SIZE[1])).unwrap();
    let coco = json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 400, "height": 500}],
        "categories": [{"id": 1, "name": "absent"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
    });
    let path = site.files.path().join("coco.json");
    fs::write(&path, coco.to_string()).unwrap();
    let report = site.import(Format::Coco, &path);
    assert_eq!(
        report.bad_lines[0].bad.reason,
        LineError::Size { said: [400, 500], got: SIZE },
        "{report:?}"
    );
}

/// People mark what a page shows them, and programs that read an export may look at pixels as they lie.
#[test]
fn marks_are_on_images_that_are_shown_as_they_lie() {
    let import = |task: &str, bytes: Vec<u8>| {
        let site = Site::new(task, "image");
        fs::write(site.files.path().join("a"), bytes).unwrap();
        let path = site.files.path().join("one.jsonl");
        fs::write(&path, json!({"id": 1, "it": "a"}).to_string()).unwrap();
        let report = site.import(Format::JsonLines, &path);
        report.bad_lines.into_iter().map(|it| it.bad.reason).collect::<Vec<_>>()
    };
    let jpeg = |tiff: &[u8]| with_metadata(&photograph(), tiff);
    let png = |tiff: &[u8]| {
        let mut info = png::Info::with_size(SIZE[0], SIZE[1]);
        info.exif_metadata = Some(tiff.to_vec().into());
        let mut bytes = Vec::new();
        let writer = png::Encoder::with_info(&mut bytes, info).unwrap().write_header();
        let pixels = vec![7; usize::try_from(SIZE[0] * SIZE[1]).unwrap()];
        writer.unwrap().write_image_data(&pixels).unwrap();
        bytes
    };
    let boxes = "kind = \"regions\"\nfield = \"it\"\nshapes = [\"box\"]";
    for orientation in 0..=9 {
        let tiff = metadata(orientation, orientation % 2 == 0);
        for bytes in [jpeg(&tiff), png(&tiff)] {
            let turned = LineError::Turned { field: "it".to_owned(), orientation };
            let refused = if (2..=8).contains(&orientation) { vec![turned] } else { vec![] };
            assert_eq!(import(boxes, bytes.clone()), refused);
            assert_eq!(import("kind = \"class\"", bytes), vec![], "what it shows is the same");
        }
    }
}
