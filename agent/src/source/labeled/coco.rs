//! COCO: images, categories, and annotations with a box, polygons, or a run-length mask.
//!
//! Its three lists come in any order, and annotations refer to images, so that all marks are kept until
//! the end: at most [`MARKS_MAX`] with [`POINTS_MAX`] points. Nothing else of the file is.
//!
//! Source: the data format of <https://cocodataset.org/#format-data>.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use insitu_protocol::project::{ShapeKind, Task};
use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::guess::Guess;
use super::list::{Elements, Meter, State};
use super::mask::{self, Mask};
use super::said::{Said, box_of_pixels, polygon_of_pixels};
use super::{
    Ask, Bad, Content, Found, Take, each, missing, number, object, pixels, place, take_text, text,
};
use crate::source::{ImportError, LineError};

/// Most images.
const IMAGES_MAX: usize = 1_000_000;
/// Most annotations.
pub(super) const MARKS_MAX: usize = 1_000_000;
/// Most points of all polygons.
const POINTS_MAX: usize = 16_000_000;
/// Most categories.
const CATEGORIES_MAX: usize = 10_000;

/// Lines of the file of results count from here: so they are told from those of the file of images.
const RESULTS_LINE: u64 = 1 << 40;

/// Reads a file. An image is one item, with the marks of its annotations as its label; `file_name` is
/// its id and its file in the folder of the import. Other plain values beside an image are columns.
pub(super) fn read(
    ask: &Ask<'_>,
    reader: &mut dyn BufRead,
    take: Take<'_>,
) -> Result<(), ImportError> {
    let content = Content::image(ask.project)?;
    let (meter, state) = Meter::new(reader);
    let polygons = matches!(
        &ask.project.task,
        Task::Regions { shapes, .. } if shapes.contains(&ShapeKind::Polygon)
    );
    let mut file = File { polygons, ..File::default() };
    let mut json = serde_json::Deserializer::from_reader(meter);
    let parsed = json.deserialize_map(Whole { file: &mut file, state: &state });
    let parsed = parsed.and_then(|()| {
        state.next_element();
        json.end()
    });
    if let Err(error) = parsed {
        let line = state.ended(&error)?;
        let reason = match error.io_error_kind() {
            Some(io::ErrorKind::FileTooLarge) => LineError::TooLongElement,
            Some(_) | None => LineError::NotCoco,
        };
        // Half of the annotations would be labels that nobody gave.
        return take(Err(Bad { file: None, line, reason }));
    }
    if let Some(path) = ask.drafts.and_then(|drafts| drafts.results) {
        file.results(path)?;
    }
    file.give(ask, &content, take)
}

#[derive(Default)]
struct File {
    /// Whether the project has a place for polygons; else boxes are what is wanted.
    polygons: bool,
    images: Vec<Image>,
    categories: HashMap<u64, String>,
    marks: BTreeMap<u64, Vec<Mark>>,
    count: usize,
    points: usize,
    bad: Vec<(u64, LineError)>,
}

struct Image {
    line: u64,
    id: u64,
    name: String,
    size: [u32; 2],
    more: Map<String, Value>,
}

struct Mark {
    line: u64,
    category: u64,
    shapes: Shapes,
    /// Of a prediction.
    score: Option<f64>,
}

enum Shapes {
    Box([f64; 4]),
    Polygons(Vec<Vec<[f64; 2]>>),
    Mask(Mask),
    /// What could not be read: its image has no label that somebody gave.
    Unread,
}

impl Shapes {
    fn points(&self) -> usize {
        match self {
            Self::Box(_) | Self::Unread => 0,
            Self::Polygons(polygons) | Self::Mask(Mask { polygons, .. }) => {
                polygons.iter().map(Vec::len).sum()
            }
        }
    }
}

impl File {
    fn image(&mut self, line: u64, value: Value) -> Result<(), ImportError> {
        few("images", self.images.len(), IMAGES_MAX)?;
        let image = |value| {
            let mut more = object(value)?;
            let id = place(&more.remove("id").unwrap_or_default(), "id")?;
            let name = take_text(&mut more, "file_name")?;
            let width = pixels(&more.remove("width").unwrap_or_default(), "width")?;
            let height = pixels(&more.remove("height").unwrap_or_default(), "height")?;
            more.retain(|_, value| !value.is_object() && !value.is_array());
            Ok(Image { line, id, name, size: [width, height], more })
        };
        match image(value) {
            Ok(image) => self.images.push(image),
            Err(reason) => self.bad.push((line, reason)),
        }
        Ok(())
    }

    fn category(&mut self, line: u64, value: &Value) -> Result<(), ImportError> {
        few("categories", self.categories.len(), CATEGORIES_MAX)?;
        let category = || Ok((place(&value["id"], "id")?, text(&value["name"], "name")?));
        match category() {
            Ok((id, name)) => drop(self.categories.insert(id, name)),
            Err(reason) => self.bad.push((line, reason)),
        }
        Ok(())
    }

    fn annotation(&mut self, line: u64, value: &Value) -> Result<(), ImportError> {
        few("annotations", self.count, MARKS_MAX)?;
        self.count += 1;
        let image = place(&value["image_id"], "image_id");
        let mark = || {
            let category = place(&value["category_id"], "category_id")?;
            let score = super::guess::number(&value["score"])?;
            Ok(Mark { line, category, shapes: shapes(value, self.polygons)?, score })
        };
        match (image, mark()) {
            (Ok(image), Ok(mark)) => {
                self.points += mark.shapes.points();
                few("points", self.points, POINTS_MAX)?;
                self.marks.entry(image).or_default().push(mark);
            }
            (Ok(image), Err(reason)) => {
                let shapes = Shapes::Unread;
                self.marks.entry(image).or_default().push(Mark {
                    line,
                    category: 0,
                    shapes,
                    score: None,
                });
                self.bad.push((line, reason));
            }
            (Err(reason), _) => self.bad.push((line, reason)),
        }
        Ok(())
    }

    /// COCO's results: a list of annotations, each with a score. One that has none is no prediction.
    fn results(&mut self, path: &Path) -> Result<(), ImportError> {
        let results = fs::File::open(path).map_err(ImportError::Read)?;
        let (meter, state) = Meter::new(BufReader::new(results));
        let mut element = |line, value: Value| {
            let line = RESULTS_LINE + line;
            if value["score"].is_null() {
                self.bad.push((line, missing("score")));
                return Ok(());
            }
            self.annotation(line, &value)
        };
        let mut json = serde_json::Deserializer::from_reader(meter);
        let read = Elements { state: &state, take: &mut element }.deserialize(&mut json);
        if let Err(error) = read {
            let line = state.ended(&error)?;
            self.bad.push((RESULTS_LINE + line, LineError::NotAList));
        }
        Ok(())
    }

    fn give(
        mut self,
        ask: &Ask<'_>,
        content: &Content<'_>,
        take: Take<'_>,
    ) -> Result<(), ImportError> {
        for image in self.images {
            let marks = self.marks.remove(&image.id).unwrap_or_default();
            // Told of at its own line, below.
            if marks.iter().any(|mark| matches!(mark.shapes, Shapes::Unread)) {
                continue;
            }
            let unknown = |mark: &&Mark| !self.categories.contains_key(&mark.category);
            let line = marks.iter().find(unknown).map_or(image.line, |mark| mark.line);
            let found = image.found(ask, content, &self.categories, &marks);
            let (file, line) = place_of(line);
            take(ask.labeled_in(file, line, found))?;
        }
        // Of images that are not there, or that were given before under the same number.
        for mark in self.marks.into_values().flatten() {
            if !matches!(mark.shapes, Shapes::Unread) {
                self.bad.push((mark.line, missing("image_id")));
            }
        }
        for (line, reason) in self.bad {
            let (file, line) = place_of(line);
            take(Err(Bad { file: file.map(str::to_owned), line, reason }))?;
        }
        Ok(())
    }
}

impl Image {
    fn found(
        self,
        ask: &Ask<'_>,
        content: &Content<'_>,
        categories: &HashMap<u64, String>,
        marks: &[Mark],
    ) -> Result<Found, LineError> {
        let Self { size, name, more: mut record, .. } = self;
        let (mut regions, mut drafted) = (Vec::with_capacity(marks.len()), Vec::new());
        let mut scores = Vec::new();
        for mark in marks {
            let class = categories.get(&mark.category).ok_or_else(|| missing("category_id"))?;
            let shapes = match &mark.shapes {
                Shapes::Box(sides) => vec![box_of_pixels(*sides, size)],
                Shapes::Mask(mask) if mask.size != size => {
                    return Err(LineError::Size { said: mask.size, got: size });
                }
                Shapes::Polygons(all) | Shapes::Mask(Mask { polygons: all, .. }) => {
                    all.iter().map(|points| polygon_of_pixels(points, size)).collect()
                }
                Shapes::Unread => Vec::new(),
            };
            let shapes = shapes.into_iter().map(|shape| (class.clone(), shape));
            if ask.drafts.is_some() && mark.score.is_some() {
                scores.extend(shapes.clone().map(|_| mark.score));
                drafted.extend(shapes);
            } else {
                regions.extend(shapes);
            }
        }
        content.put(&mut record, ask, name, None);
        let guess = (!drafted.is_empty()).then_some(Guess {
            said: Said::Regions(drafted, Some(size)),
            scores,
            score: None,
            model: None,
        });
        // An image with nothing but predictions is not one in which somebody found nothing.
        let labeled = guess.is_none() || !regions.is_empty();
        let said = labeled.then_some(Said::Regions(regions, Some(size)));
        Ok(Found { record, said, guess })
    }
}

/// Its polygons, or those around its mask, where the project has polygons; else its box.
fn shapes(value: &Value, polygons: bool) -> Result<Shapes, LineError> {
    if value["iscrowd"] == 1 {
        return Err(LineError::Unsupported { what: "a crowd, which is no single object," });
    }
    let segmentation = if polygons { &value["segmentation"] } else { &Value::Null };
    if segmentation.is_object() {
        return mask::read(segmentation).map(Shapes::Mask);
    }
    let polygons = each(segmentation);
    if polygons.is_empty() {
        let [left, upper, width, height] = each(&value["bbox"]) else {
            return Err(missing("bbox"));
        };
        let side = |value: &Value| number(value, "bbox");
        return Ok(Shapes::Box([side(left)?, side(upper)?, side(width)?, side(height)?]));
    }
    let polygon = |polygon: &Value| {
        let numbers: Result<Vec<f64>, LineError> =
            each(polygon).iter().map(|value| number(value, "segmentation")).collect();
        let numbers = numbers?;
        let (points, []) = numbers.as_chunks::<2>() else { return Err(missing("segmentation")) };
        Ok(points.to_vec())
    };
    let polygons: Result<Vec<Vec<[f64; 2]>>, LineError> = polygons.iter().map(polygon).collect();
    polygons.map(Shapes::Polygons)
}

/// In which file a line is, and which of it.
fn place_of(line: u64) -> (Option<&'static str>, u64) {
    line.checked_sub(RESULTS_LINE).map_or((None, line), |line| (Some("results"), line))
}

fn few(what: &'static str, got: usize, max: usize) -> Result<(), ImportError> {
    if got < max { Ok(()) } else { Err(ImportError::TooMany { what, max }) }
}

/// The whole file, an object.
struct Whole<'a> {
    file: &'a mut File,
    state: &'a State,
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with images, annotations and categories")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { file, state } = self;
        let mut seen = [false; 3];
        while let Some(key) = map.next_key::<String>()? {
            let mut take: Box<dyn FnMut(u64, Value) -> Result<(), ImportError> + '_> =
                match key.as_str() {
                    "images" => {
                        seen[0] = true;
                        Box::new(|line, value| file.image(line, value))
                    }
                    "annotations" => {
                        seen[1] = true;
                        Box::new(|line, value| file.annotation(line, &value))
                    }
                    "categories" => {
                        seen[2] = true;
                        Box::new(|line, value| file.category(line, &value))
                    }
                    _ => {
                        map.next_value::<IgnoredAny>()?;
                        state.next_element();
                        continue;
                    }
                };
            map.next_value_seed(Elements { state, take: &mut *take })?;
            state.next_element();
        }
        if seen == [true; 3] { Ok(()) } else { Err(de::Error::missing_field("images")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Rules;
    use crate::source::labeled::{self, Format, Labeled, Origin};

    #[test]
    fn a_bad_mark_of_coco_refuses_its_own_image_alone() {
        // As most of these files are: on one line.
        let file = concat!(
            r#"{"images": [{"id": 1, "file_name": "a", "width": 4, "height": 4},"#,
            r#" {"id": 2, "file_name": "b", "width": 4, "height": 4}],"#,
            r#" "categories": [{"id": 1, "name": "present"}], "annotations": ["#,
            r#"{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]},"#,
            r#" {"image_id": 2, "category_id": 1, "bbox": [0, 0]}]}"#,
        );
        let mut stream = file.as_bytes();
        let project = crate::testing::project_with(
            "[task]\nkind = \"regions\"\nfield = \"scan\"\nshapes = [\"box\"]\n\
             [[fields]]\nname = \"scan\"\ntitle = \"Scan\"\nkind = \"image\"\n",
        );
        let source = toml::from_str("name = \"heart\"\nid = \"id\"").unwrap();
        let rules = Rules { source: &source, made: None, folder: None };
        let (mut good, mut bad) = (0, 0);
        let mut take = |record: Result<Labeled, Bad>| {
            if record.is_ok() {
                good += 1
            } else {
                bad += 1
            }
            Ok(())
        };
        let origin = Origin::File(&mut stream);
        labeled::read(Format::Coco, &project, rules, ("label", None), origin, &mut take).unwrap();
        assert_eq!((good, bad), (1, 1));
    }
}
