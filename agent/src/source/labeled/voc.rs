//! Pascal VOC: a folder with `Annotations/*.xml` and, in `JPEGImages`, `images` or beside them, the
//! images that they name. Boxes are in pixels from the upper left corner, counted from 0, as
//! LabelImg, CVAT and Label Studio write them; the devkit's own files count from 1.

use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Map;

use super::said::{Said, box_of_pixels};
use super::{Ask, Content, Found, Take, missing};
use crate::label::Shape;
use crate::source::folder::{self, FILES_MAX};
use crate::source::{ImportError, LineError};

/// Where annotations are.
const ANNOTATIONS: &str = "Annotations";
/// Where images may be.
const IMAGES: [&str; 2] = ["JPEGImages", "images"];
/// Most nodes of an annotation.
const NODES_MAX: u32 = 200_000;

/// Reads an item from each XML file.
pub(super) fn read(ask: &Ask<'_>, root: &Path, take: Take<'_>) -> Result<(), ImportError> {
    let content = Content::image(ask.project)?;
    let annotations = root.join(ANNOTATIONS);
    let (at, prefix) = match annotations.is_dir() {
        true => (annotations.as_path(), format!("{ANNOTATIONS}/")),
        false => (root, String::new()),
    };
    let files = folder::files(at, FILES_MAX)?;
    for path in files.paths.iter().filter(|path| path.ends_with(".xml")) {
        let shown = format!("{prefix}{path}");
        let text = folder::file_text(&root.join(&shown));
        let options =
            ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..Default::default() };
        let read = match &text {
            Err(reason) => Err((1, reason.clone())),
            Ok(text) => Document::parse_with_options(text, options)
                .map_err(|error| (u64::from(error.pos().row), LineError::NotXml))
                .and_then(|document| annotation(ask, &content, root, &document)),
        };
        take(match read {
            Ok(found) => ask.labeled_in(Some(&shown), 1, Ok(found)),
            Err((line, reason)) => ask.labeled_in(Some(&shown), line, Err(reason)),
        })?;
    }
    super::deep(files.too_deep, take)
}

fn annotation(
    ask: &Ask<'_>,
    content: &Content<'_>,
    root: &Path,
    document: &Document<'_>,
) -> Result<Found, (u64, LineError)> {
    let top = document.root_element();
    let line = |node: Node<'_, '_>| u64::from(document.text_pos_at(node.range().start).row);
    let name = child(top, "filename").and_then(|node| node.text()).map(str::trim);
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| (line(top), missing("filename")))?;
    let size = child(top, "size").ok_or_else(|| (line(top), missing("size")))?;
    let sides = ["width", "height"]
        .map(|side| whole(size, side).ok_or_else(|| (line(size), missing(side))));
    let [width, height] = sides;
    let size = [width?, height?];
    let objects = top.children().filter(|node| node.has_tag_name("object"));
    let region = |node: Node<'_, '_>| region(node, size).map_err(|reason| (line(node), reason));
    let regions: Result<Vec<(String, Shape)>, (u64, LineError)> = objects.map(region).collect();
    // Only a name that is one can be looked up; any other is refused when it is opened.
    let plain = Path::new(name).file_name().is_some_and(|file| file == name);
    let found = IMAGES.iter().find(|folder| plain && root.join(folder).join(name).is_file());
    let path = found.map_or_else(|| name.to_owned(), |folder| format!("{folder}/{name}"));
    let mut record = Map::new();
    content.put(&mut record, ask, path, Some(name.into()));
    Ok(Found { record, said: Some(Said::Regions(regions?, Some(size))), guess: None })
}

fn region(object: Node<'_, '_>, size: [u32; 2]) -> Result<(String, Shape), LineError> {
    let name = child(object, "name").and_then(|node| node.text());
    let name = name.ok_or_else(|| missing("name"))?.trim().to_owned();
    let Some(sides) = child(object, "bndbox") else {
        return Err(match child(object, "polygon").is_some() {
            true => LineError::Unsupported { what: "a polygon in place of a box" },
            false => missing("bndbox"),
        });
    };
    let side = |tag: &'static str| {
        let text = child(sides, tag).and_then(|node| node.text()).unwrap_or_default();
        let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| missing(tag))
    };
    let (left, upper, right, lower) = (side("xmin")?, side("ymin")?, side("xmax")?, side("ymax")?);
    Ok((name, box_of_pixels([left, upper, right - left, lower - upper], size)))
}

fn child<'a>(node: Node<'a, 'a>, tag: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.has_tag_name(tag))
}

fn whole(node: Node<'_, '_>, tag: &str) -> Option<u32> {
    let text = child(node, tag)?.text()?;
    text.trim().parse().ok().filter(|pixels| *pixels > 0)
}
