//! A project's label config there, and whether it asks for what the project here does.

mod error;

use insitu_protocol::project::{FieldKind, Project, ShapeKind, Task};
use insitu_protocol::text::Line;
use roxmltree::{Document, Node};
use serde_json::{Value, json};

pub use self::error::SchemaError;
use super::places::Places;
use crate::export::label_studio::{self, Names};
use crate::label::Label;

/// Longest label config that is read, in bytes.
pub const BYTES_MAX: usize = 256 * 1024;

/// The part of a label config that asks for the project's labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The name of the control, `from_name` of a result.
    pub from_name: String,
    /// The name of the control that draws polygons, where another draws boxes.
    pub polygons: Option<String>,
    /// The name of what is labeled, `to_name` of a result.
    pub to_name: String,
    /// The key of a task's data that is labeled.
    pub key: String,
}

/// A control of a label config and what it is about.
struct Control<'a> {
    node: Node<'a, 'a>,
    about: Node<'a, 'a>,
    schema: Schema,
}

/// The control of a project whose items have classes.
const CHOICES: &str = "Choices";
/// The control of a project whose labels are spans.
const LABELS: &str = "Labels";
/// The control of a project whose labels are segments.
const SEGMENTS: &str = "TimeSeriesLabels";
/// Controls of places in images that no label here can hold, or that no class goes with.
const OTHER_SHAPES: [&str; 13] = [
    "BrushLabels",
    "BitmaskLabels",
    "EllipseLabels",
    "KeyPointLabels",
    "VectorLabels",
    "Rectangle",
    "Polygon",
    "Brush",
    "Bitmask",
    "Ellipse",
    "KeyPoint",
    "Vector",
    "MagicWand",
];

impl Schema {
    /// Reads a label config and checks it against the project.
    ///
    /// # Errors
    /// [`SchemaError`], which names what does not fit.
    pub fn read(text: &str, project: &Project) -> Result<Self, SchemaError> {
        if text.len() > BYTES_MAX {
            return Err(SchemaError::TooLong { got: text.len() });
        }
        let document =
            Document::parse(text).map_err(|error| SchemaError::Form { line: error.pos().row })?;
        match &project.task {
            Task::Class | Task::Preference { .. } => choices(&document, project, false),
            Task::Classes => choices(&document, project, true),
            Task::Spans { field, relations } => spans(&document, project, field, relations),
            Task::Regions { field, shapes } => regions(&document, project, field, shapes),
            Task::Segments { field, .. } => segments(&document, project, field),
        }
    }

    /// A draft in Label Studio's form, of a label as it is there; `score` is in `[0, 1]`.
    pub(super) fn result(
        &self,
        project: &Project,
        task: u64,
        places: &Places,
        label: &Label,
        score: f64,
    ) -> Value {
        let Self { from_name, to_name, polygons, .. } = self;
        let polygons = polygons.as_ref().unwrap_or(from_name);
        let names = Names { labels: from_name, polygons, shown: to_name };
        let mut parts = label_studio::result(project, names, places.shown(), label);
        for (at, part) in parts.iter_mut().enumerate() {
            // A relation is between regions, and none itself.
            if part["type"] == "relation" {
                continue;
            }
            part["score"] = json!(score);
            if part["id"].is_null() {
                let place = if at == 0 { String::new() } else { format!("-{at}") };
                part["id"] = json!(format!("insitu-{task}{place}"));
            }
        }
        Value::Array(parts)
    }
}

fn choices(
    document: &Document<'_>,
    project: &Project,
    several: bool,
) -> Result<Schema, SchemaError> {
    let Control { node, about, schema } = control(document, CHOICES)?;
    let kind = project.field(&schema.key).map(|field| field.kind);
    let wanted = match kind.ok_or_else(|| unknown(about, &schema.key))? {
        FieldKind::Image => Some("Image"),
        FieldKind::Series => Some("TimeSeries"),
        FieldKind::Number | FieldKind::Category | FieldKind::Text => None,
    };
    if let Some(wanted) = wanted.filter(|wanted| !about.has_tag_name(*wanted)) {
        let tag = about.tag_name().name().to_owned();
        return Err(SchemaError::About { control: CHOICES, wanted, tag });
    }
    as_it_is(about)?;
    match (node.attribute("choice"), several) {
        (None | Some("single" | "single-radio"), false) | (Some("multiple"), true) => {}
        (_, false) => return Err(SchemaError::Several),
        (_, true) => return Err(SchemaError::Single),
    }
    refuse(node, "perRegion", "true", "the project's classes are of whole items: take it out")?;
    check_classes(node, "Choice", project)?;
    Ok(schema)
}

fn spans(
    document: &Document<'_>,
    project: &Project,
    field: &Line,
    relations: &[Line],
) -> Result<Schema, SchemaError> {
    let Control { node, about, schema } = control(document, LABELS)?;
    about_only(LABELS, about, "Text", &schema.key, field)?;
    as_it_is(about)?;
    check_classes(node, "Label", project)?;
    check_relations(document, relations)?;
    Ok(schema)
}

/// A control for each shape of the task, over one image.
fn regions(
    document: &Document<'_>,
    project: &Project,
    field: &Line,
    shapes: &[ShapeKind],
) -> Result<Schema, SchemaError> {
    let mut found: Option<Schema> = None;
    for (shape, tag) in [(ShapeKind::Box, "RectangleLabels"), (ShapeKind::Polygon, "PolygonLabels")]
    {
        if !shapes.contains(&shape) {
            none(document, tag)?;
            continue;
        }
        let Control { node, about, schema } = control(document, tag)?;
        about_only(tag, about, "Image", &schema.key, field)?;
        check_classes(node, "Label", project)?;
        found = Some(match found {
            None => schema,
            Some(boxes) if boxes.to_name != schema.to_name => {
                return Err(SchemaError::Dangling { control: tag, name: schema.to_name });
            }
            Some(boxes) => Schema { polygons: Some(schema.from_name), ..boxes },
        });
    }
    for tag in OTHER_SHAPES {
        none(document, tag)?;
    }
    found.ok_or(SchemaError::Controls { control: "RectangleLabels", got: 0 })
}

fn segments(
    document: &Document<'_>,
    project: &Project,
    field: &Line,
) -> Result<Schema, SchemaError> {
    let Control { node, about, schema } = control(document, SEGMENTS)?;
    about_only(SEGMENTS, about, "TimeSeries", &schema.key, field)?;
    clock(about)?;
    check_classes(node, "Label", project)?;
    Ok(schema)
}

/// Whether a series is read there as it is here: from a file whose first column is its clock. Without
/// a clock, places there would be numbers of lines.
fn clock(about: Node<'_, '_>) -> Result<(), SchemaError> {
    let json = "a series here is a file of columns: set it to \"url\"";
    refuse(about, "valueType", "json", json)?;
    let column = attribute(about, "timeColumn")?;
    let name = column.strip_suffix(']').and_then(|c| c.split_once('[')).map_or(column, |(n, _)| n);
    if !name.trim().eq_ignore_ascii_case("time") {
        let change = "the clock of a series here is its first column, named time";
        return Err(setting(about, "timeColumn", column, change));
    }
    match about.attribute("timeFormat") {
        None | Some("") => Ok(()),
        Some(format) => {
            let change = "the clock of a series here counts in numbers: take it out";
            Err(setting(about, "timeFormat", format, change))
        }
    }
}

/// Refuses a control of marks that no label of the project can hold: they would be lost.
fn none(document: &Document<'_>, control: &'static str) -> Result<(), SchemaError> {
    let has = document.descendants().any(|node| node.has_tag_name(control));
    if has { Err(SchemaError::Unheld { control }) } else { Ok(()) }
}

/// The only control of its kind, and what it is about.
fn control<'a>(document: &'a Document<'a>, tag: &'static str) -> Result<Control<'a>, SchemaError> {
    let node = only(document, tag)?;
    let from_name = attribute(node, "name")?.to_owned();
    let to_name = attribute(node, "toName")?.to_owned();
    let about = document.descendants().find(|about| about.attribute("name") == Some(&to_name));
    let Some(about) = about.filter(|about| *about != node) else {
        return Err(SchemaError::Dangling { control: tag, name: to_name });
    };
    let value = attribute(about, "value")?;
    let key = value.strip_prefix('$').ok_or_else(|| SchemaError::Data {
        tag: about.tag_name().name().to_owned(),
        value: value.to_owned(),
    })?;
    let schema = Schema { from_name, polygons: None, to_name, key: key.to_owned() };
    Ok(Control { node, about, schema })
}

/// Data that no field of the project is.
fn unknown(about: Node<'_, '_>, key: &str) -> SchemaError {
    SchemaError::Data { tag: about.tag_name().name().to_owned(), value: format!("${key}") }
}

/// Whether places are told in the field that the project's task marks, shown as it must be.
fn about_only(
    control: &'static str,
    about: Node<'_, '_>,
    wanted: &'static str,
    key: &str,
    field: &Line,
) -> Result<(), SchemaError> {
    let tag = about.tag_name().name();
    if tag != wanted {
        return Err(SchemaError::About { control, wanted, tag: tag.to_owned() });
    }
    if key != field.as_str() {
        let value = format!("${key}");
        return Err(SchemaError::OtherField { tag: wanted, value, field: field.clone() });
    }
    Ok(())
}

/// Whether a text is what the task's data says, and no address or code of it.
fn as_it_is(about: Node<'_, '_>) -> Result<(), SchemaError> {
    if !about.has_tag_name("Text") {
        return Ok(());
    }
    refuse(about, "valueType", "url", "the data must be the text itself: take it out")?;
    refuse(about, "encoding", "base64", "the data must be the text itself: take it out")?;
    refuse(about, "encoding", "base64unicode", "the data must be the text itself: take it out")
}

/// Refuses an attribute of this value.
fn refuse(
    node: Node<'_, '_>,
    attribute: &'static str,
    value: &str,
    change: &'static str,
) -> Result<(), SchemaError> {
    if !node.attribute(attribute).is_some_and(|has| has.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    Err(setting(node, attribute, value, change))
}

fn setting(
    node: Node<'_, '_>,
    attribute: &'static str,
    value: &str,
    change: &'static str,
) -> SchemaError {
    let (tag, value) = (node.tag_name().name().to_owned(), value.to_owned());
    SchemaError::Setting { tag, attribute, value, change }
}

fn only<'a>(
    document: &'a Document<'a>,
    control: &'static str,
) -> Result<Node<'a, 'a>, SchemaError> {
    let mut all = document.descendants().filter(|node| node.has_tag_name(control));
    match (all.next(), all.count()) {
        (Some(node), 0) => Ok(node),
        (first, more) => {
            Err(SchemaError::Controls { control, got: more + usize::from(first.is_some()) })
        }
    }
}

fn attribute<'a>(node: Node<'a, '_>, attribute: &'static str) -> Result<&'a str, SchemaError> {
    node.attribute(attribute)
        .ok_or_else(|| SchemaError::Attribute { tag: node.tag_name().name().to_owned(), attribute })
}

/// Labels are named by their alias where they have one: it is what results hold.
fn check_classes(control: Node<'_, '_>, tag: &str, project: &Project) -> Result<(), SchemaError> {
    let labels = control.descendants().filter(|node| node.has_tag_name(tag));
    let named = |label: Node<'_, '_>| {
        let name = label.attribute("alias").map_or_else(|| attribute(label, "value"), Ok)?;
        Ok::<_, SchemaError>(name.to_owned())
    };
    let labels = labels.map(named).collect::<Result<Vec<String>, SchemaError>>()?;
    let (missing, unknown) = apart(project.classes.iter().map(|class| class.name.as_str()), labels);
    if missing.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(SchemaError::Classes { missing, unknown })
}

/// Where there is one kind of relations, a relation needs no name.
fn check_relations(document: &Document<'_>, kinds: &[Line]) -> Result<(), SchemaError> {
    let named = document.descendants().filter(|node| node.has_tag_name("Relation"));
    let named = named.map(|node| attribute(node, "value").map(str::to_owned));
    let named = named.collect::<Result<Vec<String>, SchemaError>>()?;
    if named.is_empty() && kinds.len() <= 1 {
        return Ok(());
    }
    let (missing, unknown) = apart(kinds.iter().map(Line::as_str), named);
    if missing.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(SchemaError::Relations { missing, unknown })
}

/// What is wanted and not there, and what is there and not wanted, or twice.
fn apart<'a>(
    wanted: impl Iterator<Item = &'a str>,
    got: Vec<String>,
) -> (Vec<String>, Vec<String>) {
    let mut missing: Vec<String> = wanted.map(str::to_owned).collect();
    let mut unknown = Vec::new();
    for name in got {
        match missing.iter().position(|wanted| *wanted == name) {
            Some(at) => drop(missing.remove(at)),
            None => unknown.push(name),
        }
    }
    (missing, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const CONFIG: &str = r#"<View><Text name="shown" value="$note"/>
        <Choices name="heart" toName="shown" choice="single">
          <Choice value="absent"/><Choice value="Is there" alias="present"/>
        </Choices><TextArea name="why" toName="shown"/></View>"#;

    #[track_caller]
    fn check(config: &str, expected: Result<(), &str>) {
        let read = Schema::read(config, &testing::project());
        assert_eq!(
            read.map(drop).map_err(|error| error.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn a_config_that_asks_for_the_projects_classes_fits() {
        let schema = Schema::read(CONFIG, &testing::project()).unwrap();
        let named = [&schema.from_name, &schema.to_name, &schema.key];
        assert_eq!(named, ["heart", "shown", "note"]);
        let result =
            |label: Label| schema.result(&testing::project(), 7, &Places::Same, &label, 0.75);
        assert_eq!(result(Label::Class(1))[0]["value"]["choices"][0], "present");
        assert_eq!(result(Label::classes(Vec::new())), json!([]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        check(
            &CONFIG.replace("absent", "gone"),
            Err("the labels are not the project's classes: missing \"absent\", unknown \"gone\""),
        );
        check(
            &CONFIG.replace("$note", "$letter"),
            Err(
                "<Text> shows \"$letter\": it must be $ and the name of one of the project's fields",
            ),
        );
        check(
            &CONFIG.replace("toName=\"shown\" choice", "toName=\"other\" choice"),
            Err("<Choices> is about \"other\", and the label config has nothing of that name"),
        );
        check(
            &CONFIG.replace("\"single\"", "\"multiple\""),
            Err("<Choices> lets people choose several, the project's items have one class each: \
             set choice=\"single\""),
        );
        check(
            "<View/>",
            Err("the label config has 0 <Choices> where the project's task needs one"),
        );
        check("<View>\n<Text a=1/></View>", Err("the label config is not well-formed XML: line 2"));
        let twice = CONFIG.replace("<TextArea", "<Choices name=\"b\" toName=\"shown\"/><TextArea");
        check(&twice, Err("the label config has 2 <Choices> where the project's task needs one"));
    }

    #[test]
    fn several_classes_are_chosen_by_several_choices() {
        let project = testing::project_with("[task]\nkind = \"classes\"");
        let read = |config: &str| Schema::read(config, &project).map_err(|error| error.to_string());
        assert_eq!(
            read(CONFIG).unwrap_err(),
            "<Choices> lets people choose one, the project's items have any number of classes: set \
             choice=\"multiple\""
        );
        let several = CONFIG.replace("\"single\"", "\"multiple\"");
        let schema = read(&several).unwrap();
        let both = Label::classes(vec![0, 1]);
        let result = schema.result(&project, 7, &Places::Same, &both, 0.5);
        assert_eq!(result[0]["value"]["choices"], json!(["absent", "present"]));
        let of_regions = several.replace("choice=", "perRegion=\"true\" choice=");
        assert_eq!(
            read(&of_regions).unwrap_err(),
            "<Choices> has perRegion=\"true\", but the project's classes are of whole items: take it out"
        );
    }

    #[test]
    fn spans_are_marked_in_the_tasks_own_text() {
        const SPANS: &str = r#"<View><Labels name="mark" toName="shown"><Label value="absent"/>
            <Label value="present"/></Labels><Text name="shown" value="$note"/></View>"#;
        let task = "[task]\nkind = \"spans\"\nfield = \"note\"\nrelations = ";
        let one = testing::project_with(&format!("{task}[\"of\"]"));
        let two = testing::project_with(&format!("{task}[\"of\", \"treats\"]"));
        let fault = |config: &str, project: &Project| {
            Schema::read(config, project).map(drop).map_err(|error| error.to_string()).err()
        };
        assert_eq!(fault(SPANS, &one), None, "one relation needs no name");
        let kinds =
            "<Relations><Relation value=\"treats\"/><Relation value=\"in\"/></Relations></View>";
        let named = SPANS.replace("</View>", kinds);
        let said =
            |fault: Option<String>, expected: &str| assert_eq!(fault.as_deref(), Some(expected));
        said(
            fault(&named, &two),
            "the relations are not the project's: missing \"of\", unknown \"in\"",
        );
        assert_eq!(fault(&named.replace("\"in\"", "\"of\""), &two), None);
        said(
            fault(SPANS, &two),
            "the relations are not the project's: missing \"of\", \"treats\", unknown none",
        );
        said(
            fault(&SPANS.replace("<Text", "<HyperText"), &one),
            "<Labels> is about a <HyperText>: it must be about a <Text>",
        );
        said(
            fault(&SPANS.replace("$note", "$sex"), &one),
            "<Text> shows \"$sex\": the project's task marks the field note, set value=\"$note\"",
        );
        said(
            fault(&SPANS.replace("value=\"$note\"", "value=\"$note\" valueType=\"url\""), &one),
            "<Text> has valueType=\"url\", but the data must be the text itself: take it out",
        );
        said(
            fault(CONFIG, &one),
            "the label config has 0 <Labels> where the project's task needs one",
        );
        said(
            fault(&SPANS.replace("present", "gone"), &one),
            "the labels are not the project's classes: missing \"present\", unknown \"gone\"",
        );
    }

    #[test]
    fn regions_are_drawn_on_the_tasks_image() {
        const SHAPES: &str = r#"<View><Image name="shown" value="$scan"/>
            <RectangleLabels name="box" toName="shown"><Label value="absent"/><Label value="present"/>
            </RectangleLabels><PolygonLabels name="line" toName="shown"><Label value="absent"/>
            <Label value="present"/></PolygonLabels></View>"#;
        let project = |shapes: &str| {
            testing::project_with(&format!(
                "[task]\nkind = \"regions\"\nfield = \"scan\"\nshapes = {shapes}\n\
                 [[fields]]\nname = \"scan\"\ntitle = \"Scan\"\nkind = \"image\""
            ))
        };
        let both = project("[\"box\", \"polygon\"]");
        let schema = Schema::read(SHAPES, &both).unwrap();
        assert_eq!((schema.from_name.as_str(), schema.polygons.as_deref()), ("box", Some("line")));
        let fault = |config: &str, project: &Project| {
            Schema::read(config, project).map(drop).unwrap_err().to_string()
        };
        assert_eq!(
            fault(SHAPES, &project("[\"box\"]")),
            "<PolygonLabels> marks what no label of the project can hold: take it out"
        );
        assert_eq!(
            fault(&SHAPES.replace("</View>", "<Brush name=\"b\" toName=\"shown\"/></View>"), &both),
            "<Brush> marks what no label of the project can hold: take it out"
        );
        assert_eq!(
            fault(&SHAPES.replace("$scan", "$note"), &both),
            "<Image> shows \"$note\": the project's task marks the field scan, set value=\"$scan\""
        );
        assert_eq!(
            fault(&SHAPES.replace("PolygonLabels", "Labels"), &both),
            "the label config has 0 <PolygonLabels> where the project's task needs one"
        );
    }

    #[test]
    fn segments_are_marked_on_the_series_clock() {
        const SERIES: &str = r#"<View><TimeSeriesLabels name="mark" toName="ts"><Label value="absent"/>
            <Label value="present"/></TimeSeriesLabels><TimeSeries name="ts" valueType="url"
            value="$ecg" timeColumn="time [s]" sep=","><Channel column="I"/></TimeSeries></View>"#;
        let project = testing::project_with(
            "[task]\nkind = \"segments\"\nfield = \"ecg\"\n[[fields]]\nname = \"ecg\"\n\
             title = \"ECG\"\nkind = \"series\"",
        );
        let read = |config: &str| Schema::read(config, &project).map_err(|error| error.to_string());
        assert_eq!(read(SERIES).unwrap().key, "ecg");
        let fault = |from: &str, to: &str| read(&SERIES.replace(from, to)).map(drop).unwrap_err();
        assert_eq!(
            fault("valueType=\"url\"", "valueType=\"json\""),
            "<TimeSeries> has valueType=\"json\", but a series here is a file of columns: set it to \
             \"url\""
        );
        assert_eq!(
            fault("timeColumn=\"time [s]\"", ""),
            "<TimeSeries> in the label config has no timeColumn"
        );
        assert_eq!(
            fault("time [s]", "t"),
            "<TimeSeries> has timeColumn=\"t\", but the clock of a series here is its first column, \
             named time"
        );
        assert_eq!(
            fault("sep=", "timeFormat=\"%Y\" sep="),
            "<TimeSeries> has timeFormat=\"%Y\", but the clock of a series here counts in numbers: \
             take it out"
        );
    }

    #[test]
    fn a_bomb_of_entities_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><View>&c;</View>";
        assert!(matches!(Schema::read(bomb, &testing::project()), Err(SchemaError::Form { .. })));
        let long = " ".repeat(BYTES_MAX + 1);
        assert!(matches!(
            Schema::read(&long, &testing::project()),
            Err(SchemaError::TooLong { .. })
        ));
    }
}
