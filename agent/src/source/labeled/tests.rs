//! Files as other tools write them, and files as nobody should.

mod folders;

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::config::Source;
use crate::testing;

/// Id, content and label of a record, or its file and line and what is wrong.
type Outcome = Result<(String, String, Json), String>;
use serde_json::Value as Json;

const TEXT: &str = "kind = \"class\"";
const SPANS: &str = "kind = \"spans\"\nfield = \"it\"\nrelations = [\"treats\"]";
const BOXES: &str = "kind = \"regions\"\nfield = \"it\"\nshapes = [\"box\", \"polygon\"]";

/// A project with one field, `it`, of a kind.
fn project(task: &str, field: &str) -> Project {
    let field = format!("[[fields]]\nname = \"it\"\ntitle = \"It\"\nkind = \"{field}\"\n");
    let mut project = testing::project_with(&format!("[task]\n{task}\n{field}"));
    project.fields.retain(|field| field.name.as_str() != "note");
    project
}

fn run_from(format: Format, project: &Project, origin: Origin<'_>) -> Vec<Outcome> {
    let source: Source = toml::from_str("name = \"heart\"\nid = \"key\"").unwrap();
    let rules = Rules { source: &source, made: None, folder: None };
    let mut all = Vec::new();
    read(format, project, rules, ("label", None), origin, &mut |record| {
        all.push(match record {
            Ok(Labeled { cells, label, .. }) => {
                let shown =
                    |name: &str| super::super::record::plain(&cells, name).unwrap_or_default();
                let label = label.map_or(Json::Null, |label| label.to_json());
                Ok((shown("key"), shown("it"), label))
            }
            Err(Bad { file, line, reason }) => {
                let file = file.map_or_else(String::new, |file| format!("{file}:"));
                Err(format!("{file}{line}: {reason}"))
            }
        });
        Ok(())
    })
    .unwrap();
    all
}

fn run(format: Format, project: &Project, text: &str) -> Vec<Outcome> {
    run_from(format, project, Origin::File(&mut text.as_bytes()))
}

fn record(id: &str, content: &str, label: Json) -> Outcome {
    Ok((id.to_owned(), content.to_owned(), label))
}

fn bad(reason: &str) -> Outcome {
    Err(reason.to_owned())
}

fn hash(text: &str) -> String {
    format!("text-{}", &blake3::hash(text.as_bytes()).to_hex()[..32])
}

#[test]
fn label_studios_tasks_come_one_by_one_with_their_lines() {
    let choices = |names: Json| json!([{"type": "choices", "value": {"choices": names}}]);
    let tasks = [
        json!({"id": 7, "data": {"it": "a"}, "annotations": [
            {"result": [], "was_cancelled": true}, {"result": choices(json!(["absent"]))}]}),
        json!({"id": 8, "data": {"key": "own", "it": "b"}}),
        json!({"id": 9, "data": {"it": "c"}, "annotations": [{"result": choices(json!(["a", "b"]))}]}),
        json!({"id": 10}),
        json!(7),
        json!({"id": 11, "data": {"it": "d"}, "annotations": [
            {"result": choices(json!(["absent"]))},
            {"result": choices(json!(["present"])), "ground_truth": true}]}),
    ];
    let text = tasks.iter().map(Json::to_string).collect::<Vec<_>>().join(",\n\n");
    let project = project(TEXT, "text");
    let expected = [
        record("label-studio-7", "a", json!({"class": 0})),
        record("own", "b", Json::Null),
        bad("5: \"label\" names several classes where an item has one"),
        bad("7: there is no usable \"data\""),
        bad("9: not a JSON object"),
        record("label-studio-11", "d", json!({"class": 1})),
    ];
    assert_eq!(run(Format::LabelStudio, &project, &format!("[{text}]")), expected);
    // What came before a fault stays.
    let cut = run(Format::LabelStudio, &project, &format!("[{text},\n{{\"id\": "));
    assert_eq!(cut[..6], expected);
    assert_eq!(cut[6..], [bad("12: not a list of tasks")]);
    assert_eq!(run(Format::LabelStudio, &project, "{}"), [bad("1: not a list of tasks")]);
    assert_eq!(run(Format::LabelStudio, &project, "[] 7"), [bad("1: not a list of tasks")]);
}

#[test]
fn label_studios_marks_are_spans_and_relations() {
    let part = |id: &str, start: u32, end: u32, class: &str| json!({"id": id, "type": "labels", "value": {"start": start, "end": end, "labels": [class]}});
    let task = |direction: &str| {
        json!([{"id": 1, "data": {"it": "pain rash"}, "annotations": [{"result": [
            part("b", 5, 9, "present"), part("a", 0, 4, "absent"),
            {"type": "relation", "from_id": "b", "to_id": "a", "direction": direction},
            {"type": "textarea", "value": {"text": ["odd"]}},
        ]}]}])
        .to_string()
    };
    let spans = json!([{"start": 0, "end": 4, "class": 0}, {"start": 5, "end": 9, "class": 1}]);
    for (direction, from, to) in [("right", 1, 0), ("left", 0, 1)] {
        let relations = json!([{"from": from, "to": to, "relation": 0}]);
        let label = json!({"spans": spans, "relations": relations});
        let found = run(Format::LabelStudio, &project(SPANS, "text"), &task(direction));
        assert_eq!(found, [record("label-studio-1", "pain rash", label)], "{direction}");
    }
}

#[test]
fn lines_of_other_tools() {
    let (class, spans) = (project(TEXT, "text"), project(SPANS, "text"));
    let one =
        |class: u16| json!({"spans": [{"start": 0, "end": 4, "class": class}], "relations": []});
    let cases = [
        (
            Format::Doccano,
            &class,
            "{\"id\": 1, \"text\": \"a\", \"label\": [\"absent\"]}\n\n{\"id\": 3}\nx\n",
            vec![
                record("1", "a", json!({"class": 0})),
                bad("3: there is no usable \"text\""),
                bad("4: not JSON"),
            ],
        ),
        (
            Format::Doccano,
            &spans,
            "{\"id\": 1, \"text\": \"pain\", \"label\": [[0, 4, \"present\"]]}\n{\"id\": 2, \"text\": \"b\"}",
            vec![record("1", "pain", one(1)), record("2", "b", Json::Null)],
        ),
        (
            Format::Prodigy,
            &class,
            "{\"text\": \"a\", \"accept\": [\"absent\"], \"answer\": \"accept\"}\n{\"text\": \"a\", \"label\": \"absent\", \"answer\": \"reject\", \"meta\": {\"key\": \"k\"}}\n",
            vec![record(&hash("a"), "a", json!({"class": 0})), record("k", "a", Json::Null)],
        ),
        (
            Format::GroundTruth,
            &class,
            "{\"source\": \"a\", \"x\": 1, \"x-metadata\": {\"class-name\": \"absent\", \"type\": \"groundtruth/text-classification\"}}\n",
            vec![record(&hash("a"), "a", json!({"class": 0}))],
        ),
        (
            Format::Spacy,
            &spans,
            "[\"pain\", {\"entities\": [[0, 4, \"present\"]]}]\n{\"text\": \"pain\", \"ents\": [{\"start\": 0, \"end\": 4, \"label\": \"absent\"}]}\n[7]\n",
            vec![
                record(&hash("pain"), "pain", one(1)),
                record(&hash("pain"), "pain", one(0)),
                bad("3: there is no usable \"entities\""),
            ],
        ),
        (
            Format::Labelbox,
            &spans,
            "{\"data_row\": {\"row_data\": \"pain\", \"global_key\": \"k\"}, \"projects\": {\"p\": {\"labels\": [{\"annotations\": {\"objects\": [{\"name\": \"absent\", \"location\": {\"start\": 0, \"end\": 3}}]}}]}}}",
            vec![record("k", "pain", one(0))],
        ),
    ];
    for (format, project, text, expected) in cases {
        assert_eq!(run(format, project, text), expected, "{format:?}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let (class, spans) = (project(TEXT, "text"), project(SPANS, "text"));
    let marked = |format, project, text: &str| {
        let read = run(format, project, &format!("\u{feff}{text}"));
        assert_eq!(read, run(format, project, text), "{format:?}");
        assert!(read.iter().all(Result::is_ok) && !read.is_empty(), "{format:?}: {read:?}");
    };
    marked(Format::JsonLines, &class, "{\"key\": 1, \"it\": \"a\", \"label\": \"absent\"}");
    marked(Format::LabelStudio, &class, "[{\"id\": 1, \"data\": {\"it\": \"a\"}}]");
    marked(Format::Prodigy, &class, "{\"text\": \"a\"}");
    marked(Format::Csv, &class, "key,it,label\n1,a,absent\n");
    let spans_alone = project("kind = \"spans\"\nfield = \"it\"", "text");
    marked(Format::Conll, &spans_alone, "pain B-absent\n");
    marked(Format::Spacy, &spans, "{\"text\": \"a\"}");
}

#[test]
fn a_class_may_be_named_by_a_number() {
    let mut project = project(TEXT, "text");
    for (class, name) in project.classes.iter_mut().zip(["0", "true"]) {
        class.name = insitu_protocol::text::Line::new(name).unwrap();
    }
    let line = |label: &str| format!("{{\"key\": 1, \"it\": \"a\", \"label\": {label}}}\n");
    let text = line("0") + &line("true") + &line("7");
    let read = run(Format::JsonLines, &project, &text);
    let of = |class: u16| record("1", "a", json!({"class": class}));
    assert_eq!(read[..2], [of(0), of(1)]);
    assert!(read[2].as_ref().unwrap_err().contains("label"), "{read:?}");
}

#[test]
fn spacys_overlapping_spans_may_be_in_a_group_of_any_name() {
    let project = project("kind = \"spans\"\nfield = \"it\"", "text");
    let line = |groups: Json| json!({"text": "pain", "ents": [], "spans": groups}).to_string();
    let one = json!([{"start": 0, "end": 4, "label": "absent"}]);
    let label = json!({"spans": [{"start": 0, "end": 4, "class": 0}], "relations": []});
    let found = record(&hash("pain"), "pain", label);
    assert_eq!(
        run(Format::Spacy, &project, &line(json!({"ruler": one}))),
        std::slice::from_ref(&found)
    );
    assert_eq!(run(Format::Spacy, &project, &line(json!({"ruler": [], "sc": one}))), [found]);
    let either = run(Format::Spacy, &project, &line(json!({"a": one, "b": []})));
    assert_eq!(either, [bad("1: there is no usable \"spans.sc\"")]);
}

#[test]
fn a_no_break_space_is_part_of_a_token() {
    let project = project("kind = \"spans\"\nfield = \"it\"", "text");
    let text = "a\u{a0}b NN B-absent\nc NN I-absent\n";
    let label = json!({"spans": [{"start": 0, "end": 5, "class": 0}], "relations": []});
    let expected = record(&hash("a\u{a0}b c"), "a\u{a0}b c", label);
    assert_eq!(run(Format::Conll, &project, text), [expected]);
}

#[test]
fn every_way_to_tag_tokens_is_understood() {
    let project = project("kind = \"spans\"\nfield = \"it\"", "text");
    let spans = |marks: &[(u32, u32, u16)]| {
        let span = |(start, end, class): &(u32, u32, u16)| json!({"start": start, "end": end, "class": class});
        json!({"spans": marks.iter().map(span).collect::<Vec<_>>(), "relations": []})
    };
    let two = spans(&[(0, 3, 0), (4, 5, 0), (6, 7, 1)]);
    for tags in [
        ["I-absent", "I-absent", "B-absent", "I-present"], // IOB1
        ["B-absent", "I-absent", "B-absent", "B-present"], // IOB2
        ["B-absent", "E-absent", "S-absent", "S-present"], // BIOES
        ["B-absent", "L-absent", "U-absent", "U-present"], // BILOU
    ] {
        let tokens = ["a", "b", "c", "d"].iter().zip(tags);
        let lines: Vec<String> =
            tokens.map(|(token, tag)| format!("{token} -X- -X- {tag}")).collect();
        let text = format!("-DOCSTART- -X- -X- O\n\n{}\n", lines.join("\n"));
        let expected = [record(&hash("a b c d"), "a b c d", two.clone())];
        assert_eq!(run(Format::Conll, &project, &text), expected, "{tags:?}");
    }
    let text = "\u{1f642} O\nMary -X- _ B-present\n\nalone\n\nx Q-absent\n\ny B-nobody\n\nz O";
    assert_eq!(
        run(Format::Conll, &project, text),
        [
            record(&hash("\u{1f642} Mary"), "\u{1f642} Mary", spans(&[(2, 6, 1)])),
            bad("4: there is no usable \"tag\""),
            bad("6: the tag is neither O nor one of B- I- E- L- S- U- and a class"),
            bad("8: column \"label\" names none of the project's classes"),
            record(&hash("z"), "z", spans(&[])),
        ]
    );
}

fn coco(annotation: &Json) -> String {
    let image = |id: u32, name: &str| {
        format!("{{\"id\": {id}, \"file_name\": \"{name}\", \"width\": 320, \"height\": 200}}")
    };
    format!(
        "{{\"info\": {{}},\n\"annotations\": [\n{annotation}],\n\"images\": [\n{},\n{}],\n\"categories\": [{{\"id\": 0, \"name\": \"present\"}}]}}",
        image(1, "scan.png"),
        image(2, "../../etc/passwd"),
    )
}

#[test]
fn cocos_lists_come_in_any_order_and_refer_to_each_other() {
    let project = project(BOXES, "image");
    let nothing = json!({"regions": []});
    let outside = record("../../etc/passwd", "../../etc/passwd", nothing); // refused when it is opened
    let of = |mark: Json, more: Json| {
        let mut annotation = json!({"image_id": 1, "category_id": 0});
        annotation.as_object_mut().unwrap().extend(mark.as_object().unwrap().clone());
        annotation.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        run(Format::Coco, &project, &coco(&annotation))
    };
    let bbox = json!({"bbox": [32.0, 30.0, 96.0, 80.0]});
    let label = json!({"regions": [{"class": 1, "box": [10.0, 15.0, 30.0, 40.0]}]});
    assert_eq!(
        of(bbox.clone(), json!({})),
        [record("scan.png", "scan.png", label), outside.clone()]
    );
    let polygon = json!({"segmentation": [[0, 0, 32, 0, 32, 20]]});
    let label =
        json!({"regions": [{"class": 1, "polygon": [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]]}]});
    assert_eq!(of(bbox.clone(), polygon), [record("scan.png", "scan.png", label), outside.clone()]);
    // The first 32 columns of 20 pixels from the top, in a mask of 200 rows.
    let columns = (0..32).flat_map(|column| [if column == 0 { 0 } else { 180 }, 20]);
    let runs: Vec<u32> = columns.chain([180 + 288 * 200]).collect();
    let mask = json!({"segmentation": {"size": [200, 320], "counts": runs}});
    let label = json!({"regions": [{"class": 1, "polygon": [
        [10.0, 0.0], [10.0, 10.0], [0.0, 10.0], [0.0, 0.0],
    ]}]});
    let masked = [record("scan.png", "scan.png", label), outside.clone()];
    assert_eq!(of(bbox.clone(), mask.clone()), masked);
    for (mark, reason) in [
        (json!({"segmentation": {"counts": "x", "size": [1, 1]}}), "there is no usable \"counts\""),
        (json!({"iscrowd": 1}), "a crowd, which is no single object, cannot be imported"),
    ] {
        assert_eq!(of(bbox.clone(), mark), [outside.clone(), bad(&format!("3: {reason}"))]);
    }
    let small = json!({"segmentation": {"counts": [0, 4], "size": [2, 2]}});
    let other = "the labels are of an image of 2\u{d7}2 pixels, and the file's is 320\u{d7}200";
    assert_eq!(of(bbox.clone(), small)[0], bad(&format!("5: {other}")));
    // A project that has no polygons takes the box beside a mask.
    let boxes = self::project("kind = \"regions\"\nfield = \"it\"\nshapes = [\"box\"]", "image");
    let mut annotation = json!({"image_id": 1, "category_id": 0, "bbox": [32, 30, 96, 80]});
    annotation.as_object_mut().unwrap().extend(mask.as_object().unwrap().clone());
    let label = json!({"regions": [{"class": 1, "box": [10.0, 15.0, 30.0, 40.0]}]});
    let found = run(Format::Coco, &boxes, &coco(&annotation));
    assert_eq!(found[0], record("scan.png", "scan.png", label));
    let nowhere = of(bbox.clone(), json!({"image_id": 9}));
    assert_eq!(nowhere[2], bad("3: there is no usable \"image_id\""));
    let unknown = of(bbox, json!({"category_id": 9}));
    assert_eq!(unknown[0], bad("3: there is no usable \"category_id\""));
}

#[test]
fn half_a_coco_is_none() {
    let project = project(BOXES, "image");
    let whole = coco(&json!({"image_id": 1, "category_id": 0, "bbox": [1, 1, 2, 2]}));
    let reason = "not an object with lists of images, annotations and categories";
    for (text, line) in [
        (whole[..whole.len() - 20].to_owned(), 7),
        ("[]".to_owned(), 1),
        ("{\"images\": [], \"annotations\": []}".to_owned(), 1),
        ("{\"images\": [[[[".to_owned(), 1),
    ] {
        assert_eq!(run(Format::Coco, &project, &text), [bad(&format!("{line}: {reason}"))]);
    }
    // A single value that never ends is cut off, whatever it is.
    let long = format!("{{\"images\": [{{\"file_name\": \"{}\"", "x".repeat(ELEMENT_BYTES_MAX));
    assert_eq!(
        run(Format::Coco, &project, &long),
        [bad(&format!("1: a part of the list is longer than {ELEMENT_BYTES_MAX} bytes"))]
    );
    let deep = format!("{{\"images\": {}", "[".repeat(100_000));
    assert_eq!(run(Format::Coco, &project, &deep), [bad(&format!("1: {reason}"))]);
}

#[test]
fn a_label_in_a_column_may_be_a_name_or_json() {
    let classes = project("kind = \"classes\"", "text");
    let text = "key,it,label\n1,a,absent\n2,b,\"[\"\"absent\"\",\"\"present\"\"]\"\n3,c,\n4,d,\"{\"\"classes\"\":[1]}\"\n5,e,[\n6,f,nobody\n";
    assert_eq!(
        run(Format::Csv, &classes, text),
        [
            record("1", "a", json!({"classes": [0]})),
            record("2", "b", json!({"classes": [0, 1]})),
            record("3", "c", Json::Null),
            record("4", "d", json!({"classes": [1]})),
            bad("6: not JSON"),
            bad("7: column \"label\" names none of the project's classes"),
        ]
    );
    let text = "{\"key\": 1, \"fields\": {\"it\": \"a\"}, \"label\": [\"present\"]}\n{\"key\": 2, \"it\": \"b\", \"label\": {\"spans\": []}}\n";
    let found = run(Format::JsonLines, &classes, text);
    assert_eq!(found[0], record("1", "a", json!({"classes": [1]})));
    assert_eq!(found[1], bad("2: the label is not of the form {\"classes\": [0, 3]}"));
}

#[test]
fn a_format_has_one_name() {
    for format in Format::value_variants() {
        let name = format.to_possible_value().unwrap();
        assert_eq!(name.get_name(), format.name());
        assert_eq!(Format::named(format.name()), Some(*format));
    }
}

#[test]
fn a_path_in_a_record_is_only_a_value() {
    let line = "{\"id\": \"../../etc/passwd\", \"text\": \"<script>\", \"label\": \"absent\"}\n";
    let expected = [record("../../etc/passwd", "<script>", json!({"class": 0}))];
    assert_eq!(run(Format::Doccano, &project(TEXT, "text"), line), expected);
}

/// The exact examples beside the workspace, where they are.
#[test]
fn the_formats_examples_are_read() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/formats");
    if !root.is_dir() {
        println!("skipped: no {}", root.display());
        return;
    }
    let named = |task: &str, field: &str, names: &[&str]| {
        let mut project = project(task, field);
        let class = project.classes[0].clone();
        let of = |name: &&str| {
            let mut class = class.clone();
            class.name = insitu_protocol::text::Line::new(*name).unwrap();
            class
        };
        project.classes = names.iter().map(of).collect();
        project
    };
    let file = |format, project: &Project, path: &str| {
        let text = fs::read_to_string(root.join(path)).unwrap();
        run(format, project, &text)
    };
    let entities = named("kind = \"spans\"\nfield = \"it\"", "text", &["PER", "ORG", "DATE"]);
    let whole = json!({"spans": [
        {"start": 4, "end": 14, "class": 0}, {"start": 21, "end": 30, "class": 1},
        {"start": 34, "end": 44, "class": 2},
    ], "relations": []});
    assert_eq!(file(Format::Doccano, &entities, "doccano/seq.jsonl")[0].as_ref().unwrap().2, whole);
    let person = json!({"spans": [{"start": 4, "end": 14, "class": 0}], "relations": []});
    assert_eq!(
        file(Format::Prodigy, &entities, "prodigy/ner.jsonl")[0].as_ref().unwrap().2,
        person
    );
    for path in ["conll2003/ner.conll", "labelstudio_exports/ner/CONLL2003.conll"] {
        let found = file(Format::Conll, &entities, path);
        let (_, text, label) = found[0].as_ref().unwrap();
        assert!(text.starts_with("Dr. Mary Smith"), "{text}");
        assert_eq!(label["spans"].as_array().unwrap().len(), 3, "{path}");
    }
    let regions = named(BOXES, "image", &["Nodule", "Lesion"]);
    let lesion = json!({"regions": [{"class": 1, "box": [10.0, 15.0, 30.0, 40.0]}]});
    for (format, path) in [
        (Format::Coco, "coco/instances.json"),
        (Format::Coco, "labelstudio_exports/rect/COCO/result.json"),
        (Format::Prodigy, "prodigy/image_manual.jsonl"),
        (Format::GroundTruth, "groundtruth/output.manifest"),
    ] {
        assert_eq!(file(format, &regions, path)[0].as_ref().unwrap().2, lesion, "{path}");
    }
    let mut found = run_from(Format::Voc, &regions, Origin::Folder(&root.join("voc")));
    found.extend(run_from(
        Format::Voc,
        &regions,
        Origin::Folder(&root.join("labelstudio_exports/rect/VOC")),
    ));
    assert!(found.iter().all(|found| found.as_ref().unwrap().2 == lesion), "{found:?}");
}
