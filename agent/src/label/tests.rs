use insitu_protocol::bytes::Fixed;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::item::{Channel, Coding, Image};
use crate::testing;

/// [`testing::project`] with another task, and a scan and a curve beside its fields.
fn project(task: &str) -> Project {
    testing::project_with(&format!(
        "{task}\n[[fields]]\nname = \"scan\"\ntitle = \"Scan\"\nkind = \"image\"\n\
         [[fields]]\nname = \"curve\"\ntitle = \"Curve\"\nkind = \"series\"\n"
    ))
}

/// A note of eight code points in eleven bytes, a scan, and 100 values of two channels from 2 s on.
fn item() -> CleanItem {
    let digest = Fixed([1; 32]);
    let series = Series {
        start: 2.0,
        step: 0.5,
        unit: "s".to_owned(),
        length: 100,
        digest,
        channels: ["I", "II"].map(|name| Channel { name: name.into(), unit: "mV".into() }).into(),
    };
    CleanItem::from_fields(vec![
        ("note".to_owned(), Value::Text("né café—".to_owned())),
        (
            "scan".to_owned(),
            Value::Image(Image { coding: Coding::Png, width: 4, height: 3, digest }),
        ),
        ("curve".to_owned(), Value::Series(series)),
    ])
}

const CLASS: &str = "[task]\nkind = \"class\"";
const CLASSES: &str = "[task]\nkind = \"classes\"";
const SPANS: &str =
    "[task]\nkind = \"spans\"\nfield = \"note\"\nrelations = [\"treats\", \"causes\"]";
const REGIONS: &str =
    "[task]\nkind = \"regions\"\nfield = \"scan\"\nshapes = [\"box\", \"polygon\"]";
const SEGMENTS: &str = "[task]\nkind = \"segments\"\nfield = \"curve\"\npoints = true";
const PREFERENCE: &str = "[task]\nkind = \"preference\"\nfields = [\"sex\", \"note\"]";

/// The one place that reads labels: what JSON says of [`item`], or why not.
#[track_caller]
fn check(task: &str, label: &serde_json::Value, expected: Result<(), &str>) {
    let project = project(task);
    let read = Label::from_json(&project.task, label);
    let checked = read.and_then(|label| label.check(&project, &item()));
    assert_eq!(checked.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
}

#[test]
fn each_task_takes_its_own_kind() {
    let labels = [
        (CLASS, json!({"class": 1})),
        (CLASSES, json!({"classes": [1, 0]})),
        (SPANS, json!({"spans": [{"start": 0, "end": 8, "class": 1}]})),
        (REGIONS, json!({"regions": [{"class": 0, "box": [0, 0, 100, 100]}]})),
        (SEGMENTS, json!({"segments": [{"class": 0, "start": 2.0, "end": 52.0}]})),
    ];
    for (own, (task, _)) in labels.iter().enumerate() {
        for (other, (_, label)) in labels.iter().enumerate() {
            let project = project(task);
            let read = Label::from_json(&project.task, label);
            assert_eq!(read.is_ok(), own == other, "{task} {label}");
            if own == other {
                check(task, label, Ok(()));
            }
        }
    }
    check(PREFERENCE, &json!({"class": 1}), Ok(()));
    check(CLASSES, &json!({"classes": []}), Ok(()));
    let kind = Label::Class(0).check(&project(SPANS), &item());
    assert_eq!(kind, Err(LabelError::Kind { task: "spans" }));
}

#[test]
fn what_does_not_fit_is_refused_with_numbers() {
    check(CLASS, &json!({"class": 2}), Err("mark number 1 is of class 2 where the project has 2"));
    check(
        CLASSES,
        &json!({"classes": [0, 7]}),
        Err("mark number 2 is of class 7 where the project has 2"),
    );
    let spans = |spans: serde_json::Value, relations: serde_json::Value| json!({"spans": spans, "relations": relations});
    let two = json!([{"start": 0, "end": 2, "class": 0}, {"start": 3, "end": 7, "class": 1}]);
    check(SPANS, &spans(two.clone(), json!([{"from": 0, "to": 1, "relation": 1}])), Ok(()));
    check(
        SPANS,
        &spans(json!([{"start": 3, "end": 9, "class": 0}]), json!([])),
        Err("span number 1 goes from 3 to 9 in a text of 8 code points"),
    );
    check(
        SPANS,
        &spans(json!([{"start": 3, "end": 3, "class": 0}]), json!([])),
        Err("span number 1 goes from 3 to 3 in a text of 8 code points"),
    );
    check(
        SPANS,
        &spans(two.clone(), json!([{"from": 0, "to": 2, "relation": 1}])),
        Err("relation number 1 goes from span 0 to 2 of 2, counted from 0"),
    );
    check(
        SPANS,
        &spans(two.clone(), json!([{"from": 1, "to": 1, "relation": 1}])),
        Err("relation number 1 goes from span 1 to 1 of 2, counted from 0"),
    );
    check(
        SPANS,
        &spans(two, json!([{"from": 0, "to": 1, "relation": 2}])),
        Err("relation number 1 is of kind 2 where the task has 2"),
    );
}

#[test]
fn what_lies_outside_is_refused_with_numbers() {
    let region = |region: serde_json::Value| json!({"regions": [region]});
    let outside = "region number 1 is empty or not inside the image, which is 0 to 100 each way";
    for bounds in [[90, 0, 11, 5], [-1, 0, 5, 5], [0, 0, 0, 5], [0, 0, 5, -5]] {
        check(REGIONS, &region(json!({"class": 0, "box": bounds})), Err(outside));
    }
    check(REGIONS, &region(json!({"class": 0, "box": [10.1, 0, 89.9, 5]})), Ok(()));
    check(
        REGIONS,
        &region(json!({"class": 0, "polygon": [[1, 1], [2, 2]]})),
        Err("region number 1 has 2 points, a polygon has 3 to 1000"),
    );
    check(REGIONS, &region(json!({"class": 0, "polygon": [[1, 1], [2, 1], [3, 1]]})), Err(outside));
    check(
        &REGIONS.replace(", \"polygon\"", ""),
        &region(json!({"class": 0, "polygon": [[1, 1], [2, 2], [3, 1]]})),
        Err("region number 1 is a polygon, which the task does not ask for"),
    );
    let segment = |segment: serde_json::Value| json!({"segments": [segment]});
    check(
        SEGMENTS,
        &segment(json!({"class": 0, "start": 1.5, "end": 3})),
        Err("segment number 1 goes from 1.5 to 3 in a series from 2 to 52"),
    );
    check(
        SEGMENTS,
        &segment(json!({"class": 0, "start": 4, "end": 3})),
        Err("segment number 1 goes from 4 to 3 in a series from 2 to 52"),
    );
    check(
        SEGMENTS,
        &segment(json!({"class": 0, "start": 4, "end": 5, "channel": 2})),
        Err("segment number 1 is about channel 2 of 2, counted from 0"),
    );
    check(SEGMENTS, &segment(json!({"class": 0, "start": 4, "end": 4})), Ok(()));
    check(
        &SEGMENTS.replace("true", "false"),
        &segment(json!({"class": 0, "start": 4, "end": 4})),
        Err("segment number 1 is a point, which the task does not ask for"),
    );
}

#[test]
fn too_much_is_refused() {
    let many: Vec<_> =
        (0..=MARKS_MAX).map(|at| json!({"class": 0, "start": 2, "end": 3 + at})).collect();
    check(
        SEGMENTS,
        &json!({"segments": many}),
        Err("the label has 1001 segments, 1000 are allowed"),
    );
    let line: Vec<_> = (0..1000).map(|at| json!([f64::from(at) / 10.0, at % 2])).collect();
    let polygon = |at| {
        let mut region = json!({"class": 0, "polygon": line});
        region["polygon"][0] = json!([at, 50]);
        region
    };
    let regions: Vec<_> = (0..21).map(polygon).collect();
    check(
        REGIONS,
        &json!({"regions": regions}),
        Err("the label has 21000 points of polygons, 20000 are allowed"),
    );
}

#[test]
fn json_that_is_no_label_is_refused_without_a_quotation() {
    let class = r#"the label is not of the form {"class": 2}"#;
    for wrong in [json!({"class": "secret"}), json!({"class": 1, "more": 1}), json!("secret")] {
        check(CLASS, &wrong, Err(class));
    }
    let both = json!({"regions": [{"class": 0, "box": [1, 1, 1, 1], "polygon": []}]});
    let neither = json!({"regions": [{"class": 0}]});
    for wrong in [both, neither] {
        let error = Label::from_json(&project(REGIONS).task, &wrong).unwrap_err();
        assert!(matches!(error, LabelError::Form { .. }));
    }
}

#[test]
fn an_item_without_the_marked_value_takes_no_label() {
    let empty = CleanItem::from_fields(Vec::new());
    for (task, label) in [
        (SPANS, Label::spans(vec![], vec![]).unwrap()),
        (REGIONS, Label::regions(vec![])),
        (SEGMENTS, Label::segments(vec![])),
    ] {
        assert!(matches!(label.check(&project(task), &empty), Err(LabelError::NoValue { .. })));
        assert_eq!(label.check(&project(task), &item()), Ok(()));
    }
}

#[test]
fn a_label_that_no_constructor_ordered_is_refused() {
    let label = Label::Classes(vec![1, 0]);
    assert_eq!(label.check(&project(CLASSES), &item()), Err(LabelError::Order { number: 2 }));
    assert_eq!(format!("{label:?}"), "Label(..)");
}

#[test]
fn near_regions_and_segments_agree() {
    let regions = |x: f64| {
        Label::regions(vec![Region {
            class: 0,
            shape: Shape::Box { x, y: 0.0, width: 10.0, height: 10.0 },
        }])
    };
    assert!(regions(0.0).agrees(&regions(3.3)) && !regions(0.0).agrees(&regions(3.4)));
    let segments = |times: &[(f64, f64)]| {
        let segment = |(start, end): &(f64, f64)| Segment {
            class: 0,
            start: *start,
            end: *end,
            channel: None,
        };
        Label::segments(times.iter().map(segment).collect())
    };
    let beats = segments(&[(0.0, 0.0), (4.0, 4.0), (10.0, 10.0)]);
    assert!(beats.agrees(&segments(&[(0.0, 0.0), (4.1, 4.1), (10.0, 10.0)])));
    assert!(!beats.agrees(&segments(&[(0.0, 0.0), (4.2, 4.2), (10.0, 10.0)])));
    assert!(!beats.agrees(&segments(&[(0.0, 0.0), (10.0, 10.0)])));
    assert!(!segments(&[(1.0, 3.0)]).agrees(&segments(&[(2.0, 4.0)])));
    assert!(segments(&[(1.0, 4.0)]).agrees(&segments(&[(2.0, 4.0)])));
    assert!(!segments(&[(1.0, 4.0)]).agrees(&segments(&[(2.0, 2.0)])));
}

/// A place in an image, in quarters of a percent.
fn place() -> impl Strategy<Value = f64> {
    (0_u32..200).prop_map(|quarters| f64::from(quarters) / 4.0)
}

fn region() -> impl Strategy<Value = Region> {
    let rectangle = (place(), place(), place(), place()).prop_map(|(x, y, width, height)| {
        Shape::Box { x, y, width: width + 0.25, height: height + 0.25 }
    });
    let polygon = vec([place(), place()], 3..7).prop_map(Shape::Polygon);
    (0_u16..2, prop_oneof![rectangle, polygon]).prop_map(|(class, shape)| Region { class, shape })
}

fn segment() -> impl Strategy<Value = Segment> {
    (0_u16..2, 0_u32..40, 0_u32..10, proptest::option::of(0_u16..2)).prop_map(
        |(class, start, long, channel)| {
            let start = 2.0 + f64::from(start);
            Segment { class, start, end: start + f64::from(long), channel }
        },
    )
}

/// A label with the task it is of.
fn label() -> impl Strategy<Value = (&'static str, Label)> {
    let span = (0_u32..6, 1_u32..3, 0_u16..2).prop_map(|(start, long, class)| Span {
        start,
        end: start + long,
        class,
    });
    let relation = (0_u16..3, 0_u16..3, 0_u16..2).prop_map(|(from, to, relation)| Relation {
        from,
        to,
        relation,
    });
    prop_oneof![
        (0_u16..2).prop_map(|class| (CLASS, Label::Class(class))),
        vec(0_u16..2, 0..4).prop_map(|classes| (CLASSES, Label::classes(classes))),
        (vec(span, 3..6), vec(relation, 0..3))
            .prop_map(|(spans, relations)| (SPANS, Label::spans(spans, relations).unwrap())),
        vec(region(), 0..4).prop_map(|regions| (REGIONS, Label::regions(regions))),
        vec(segment(), 0..4).prop_map(|segments| (SEGMENTS, Label::segments(segments))),
    ]
}

proptest! {
    /// Through JSON and through bytes a label stays what it is.
    #[test]
    fn labels_survive((task, label) in label()) {
        let json = label.to_json();
        let text = json.to_string();
        let read = Label::from_json(&project(task).task, &serde_json::from_str(&text).unwrap());
        prop_assert_eq!(read.as_ref(), Ok(&label));
        let bytes = postcard::to_allocvec(&label).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Label>(&bytes).unwrap(), &label);
    }

    /// Everything that a constructor made is in order, in whatever order it was given.
    #[test]
    fn order_does_not_matter(
        mut regions in vec(region(), 0..5), mut segments in vec(segment(), 0..5),
    ) {
        let (first, second) = (Label::regions(regions.clone()), Label::segments(segments.clone()));
        regions.reverse();
        segments.reverse();
        prop_assert_eq!(&Label::regions(regions), &first);
        prop_assert_eq!(&Label::segments(segments), &second);
        for (task, label) in [(REGIONS, &first), (SEGMENTS, &second)] {
            let checked = label.check(&project(task), &item());
            prop_assert!(!matches!(checked, Err(LabelError::Order { .. })), "{:?}", checked);
        }
    }

    /// A label agrees with itself, and with another as that one with it.
    #[test]
    fn agreement_is_reflexive_and_symmetric((_, a) in label(), (_, b) in label()) {
        prop_assert!(a.agrees(&a));
        prop_assert_eq!(a.agrees(&b), b.agrees(&a));
    }

    /// Marks that moved a little still agree, whatever the others are.
    #[test]
    fn a_little_beside_agrees(regions in vec(region(), 1..5)) {
        let moved = regions.iter().cloned().map(|mut region| {
            if let Shape::Box { x, width, .. } = &mut region.shape {
                *x += *width / 4.0;
            }
            region
        });
        let moved = Label::regions(moved.collect());
        prop_assert!(Label::regions(regions).agrees(&moved));
    }
}
