//! Records as the programs read them that hold images with boxes and polygons: COCO, YOLO, Pascal VOC.

use insitu_protocol::project::{Project, ShapeKind, Task};
use serde_json::{Value as Json, json};

use super::format::class;
use super::media::Medium;
use super::record::Record;
use crate::label::{Label, Region, Shape};

/// The beginning of COCO's file, up to its images. Categories are numbered from 1, in the order of the
/// project's classes.
pub(super) fn coco_head(project: &Project) -> String {
    let category = |(at, class): (usize, &insitu_protocol::project::Class)| json!({"id": at + 1, "name": class.name, "supercategory": ""});
    let categories: Vec<Json> = project.classes.iter().enumerate().map(category).collect();
    let about = json!({
        "description": project.title, "version": format!("{}.0.0", project.version),
        "contributor": concat!("Insitu ", env!("CARGO_PKG_VERSION")),
    });
    let categories = Json::Array(categories);
    format!("{{\"info\": {about}, \"licenses\": [], \"categories\": {categories}, \"images\": [")
}

/// COCO's image of a record.
pub(super) fn coco_image(record: &Record, number: u64) -> Option<Json> {
    let medium = record.medium.as_ref()?;
    let [width, height] = medium.size;
    Some(json!({
        "id": number, "file_name": medium.path(), "width": width, "height": height,
        "own_id": record.own_id,
    }))
}

/// COCO's annotations of a record's label, numbered on from `count`.
pub(super) fn coco_annotations(
    record: &Record,
    image: u64,
    count: u64,
) -> impl Iterator<Item = Json> + '_ {
    let size = record.size();
    (count + 1..).zip(regions(record)).map(move |(id, region)| {
        let sides = sides(&region.shape, size);
        let (segmentation, area) = match &region.shape {
            Shape::Box { .. } => (json!([]), sides[2] * sides[3]),
            Shape::Polygon(points) => {
                let points = in_pixels(points, size);
                (json!([points.as_flattened()]), area(&points))
            }
        };
        json!({
            "id": id, "image_id": image, "category_id": u32::from(region.class) + 1, "bbox": sides,
            "area": area, "segmentation": segmentation, "iscrowd": 0,
        })
    })
}

/// The folder of YOLO's images of a set, in the snapshot.
pub(super) fn yolo_images(set: &str) -> String {
    format!("images/{set}")
}

/// YOLO's `data.yaml`, beside folders of which `has` knows. Without a `path` its programs look for the
/// folders where this file is, from wherever they run. They ask for both sets: the one that there is
/// stands in for one without images.
pub(super) fn yolo_data(project: &Project, has: impl Fn(&str) -> bool) -> String {
    let [train, val] = ["train", "val"].map(yolo_images);
    let there = |wanted, other| if has(wanted) || !has(other) { wanted } else { other };
    let sets = [there(train.as_str(), val.as_str()), there(&val, &train)];
    let mut data = format!("train: {}\nval: {}\nnames:\n", sets[0], sets[1]);
    for (at, class) in project.classes.iter().enumerate() {
        // JSON's strings are YAML's, too.
        data.push_str(&format!("  {at}: {}\n", Json::from(class.name.as_str())));
    }
    data
}

/// A line for each region of a record's label. Where the task knows polygons, boxes are polygons, too:
/// readers of such files take each line for one or each for the other.
pub(super) fn yolo_labels(project: &Project, record: &Record) -> String {
    let polygons = matches!(
        &project.task,
        Task::Regions { shapes, .. } if shapes.contains(&ShapeKind::Polygon)
    );
    let mut lines = String::new();
    for Region { class, shape } in regions(record) {
        let numbers: Vec<f64> = match shape {
            Shape::Box { x, y, width, height } if polygons => {
                let (right, lower) = (x + width, y + height);
                vec![*x, *y, right, *y, right, lower, *x, lower]
            }
            Shape::Box { x, y, width, height } => {
                vec![x + width / 2.0, y + height / 2.0, *width, *height]
            }
            Shape::Polygon(points) => points.as_flattened().to_vec(),
        };
        lines.push_str(&class.to_string());
        for number in numbers {
            lines.push_str(&format!(" {:.10}", number / 100.0));
        }
        lines.push('\n');
    }
    lines
}

/// Pascal VOC's XML of a record, in whole pixels.
pub(super) fn voc(project: &Project, record: &Record, medium: &Medium) -> String {
    let [width, height] = medium.size;
    let mut xml = format!(
        "<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{}</filename>\n  \
         <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n  \
         <segmented>0</segmented>\n",
        medium.name
    );
    for region in regions(record) {
        let [left, upper, across, down] = sides(&region.shape, medium.size);
        let (right, lower) = ((left + across).round(), (upper + down).round());
        let name = escaped(class(project, region.class));
        xml.push_str(&format!(
            "  <object>\n    <name>{name}</name>\n    <pose>Unspecified</pose>\n    \
             <truncated>0</truncated>\n    <difficult>0</difficult>\n    <bndbox><xmin>{}</xmin>\
             <ymin>{}</ymin><xmax>{right}</xmax><ymax>{lower}</ymax></bndbox>\n  </object>\n",
            left.round(),
            upper.round(),
        ));
    }
    xml + "</annotation>\n"
}

/// The regions of a record's label.
pub(super) fn regions(record: &Record) -> &[Region] {
    match record.label.as_ref().map(|given| &given.label) {
        Some(Label::Regions(regions)) => regions,
        Some(Label::Class(_) | Label::Classes(_) | Label::Spans(_) | Label::Segments(_)) | None => {
            &[]
        }
    }
}

/// Left, upper, width and height of a shape, or of what is around it, in pixels.
pub(super) fn sides(shape: &Shape, size: [u32; 2]) -> [f64; 4] {
    let [across, down] = size.map(|side| f64::from(side) / 100.0);
    let [x, y, width, height] = match shape {
        Shape::Box { x, y, width, height } => [*x, *y, *width, *height],
        Shape::Polygon(_) => {
            let [left, upper, right, lower] = shape.extent();
            [left, upper, right - left, lower - upper]
        }
    };
    [x * across, y * down, width * across, height * down]
}

/// Points in pixels.
pub(super) fn in_pixels(points: &[[f64; 2]], size: [u32; 2]) -> Vec<[f64; 2]> {
    let [across, down] = size.map(|side| f64::from(side) / 100.0);
    points.iter().map(|[x, y]| [x * across, y * down]).collect()
}

/// The area of a polygon: Gauss' formula.
fn area(points: &[[f64; 2]]) -> f64 {
    let next = points.iter().cycle().skip(1);
    let twice: f64 = points.iter().zip(next).map(|([x, y], [u, v])| x * v - u * y).sum();
    twice.abs() / 2.0
}

/// Text between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
