//! Croissant metadata: what the files of a snapshot are, for programs that load data sets.
//!
//! Source: the Croissant format specification 1.0, <https://docs.mlcommons.org/croissant/docs/croissant-spec.html>.

use std::collections::BTreeSet;

use insitu_protocol::project::FieldKind;
use serde_json::{Map, Value, json};

use super::columns::OWN_COLUMNS;
use super::snapshot::Entry;
use super::{Counts, Format, Request, parquet};

/// The file's name.
pub(super) const FILE: &str = "metadata.json";
/// The name of the set of records.
const RECORDS: &str = "records";
/// What is said of a licence where nobody has named one.
const NO_LICENSE: &str = "not licensed for use outside of the site";

/// Files beside the records.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Which there are, by folder and ending.
    pub(super) sets: BTreeSet<(String, String)>,
    /// The newest label's day: what the data are as of. No clock is in a snapshot.
    pub(super) day: Option<String>,
}

/// The metadata's bytes. `files` starts with the records.
pub(super) fn metadata(
    request: &Request<'_>,
    files: &[Entry],
    counts: &Counts,
    beside: &Beside,
) -> Vec<u8> {
    let project = &request.project.definition;
    let objects = files.iter().map(|file| object(file, request.format));
    let sets = beside.sets.iter().map(|(folder, ending)| file_set(folder, ending));
    let distribution: Vec<Value> = objects.chain(sets).collect();
    let kind = if request.synthetic { "synthetic items" } else { "items" };
    let mut about = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": project.name,
        "description": format!(
            "{}: {} {kind}, {} labeled by people, {} by the model alone, {} without a label.",
            project.title, counts.records, counts.people, counts.model, counts.unlabeled
        ),
        "version": format!("{}.0.0", project.version),
        "rai:dataAnnotationPlatform": concat!("Insitu ", env!("CARGO_PKG_VERSION")),
        "rai:dataAnnotationProtocol": project.instructions,
        "rai:personalSensitiveInformation": "texts are redacted",
        "citeAs": format!("{}, version {}, as labeled at the site", project.title, project.version),
        "license": request.license.unwrap_or(NO_LICENSE),
        "distribution": distribution,
    });
    if let Some(day) = &beside.day {
        about["datePublished"] = json!(day);
    }
    let records = files.first().and_then(|records| record_set(request, &records.name));
    let media = beside.sets.iter().filter_map(|(folder, ending)| media_set(folder, ending));
    let sets: Vec<Value> = records.into_iter().chain(media).collect();
    if !sets.is_empty() {
        about["recordSet"] = json!(sets);
    }
    let mut bytes = serde_json::to_vec_pretty(&about).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn object(file: &Entry, format: Format) -> Value {
    let media_type = match file.name.rsplit_once('.') {
        _ if file.name == format.file() => format.media_type(),
        Some((_, "jsonl")) => "application/jsonlines",
        Some((_, "json")) => "application/json",
        _ => "application/xml",
    };
    json!({
        "@type": "cr:FileObject", "@id": file.name, "name": file.name, "contentUrl": file.name,
        "contentSize": format!("{} B", file.bytes), "encodingFormat": media_type,
        "sha256": file.sha256,
    })
}

fn media_type(ending: &str) -> &'static str {
    match ending {
        "png" => "image/png",
        "jpg" => "image/jpeg",
        "csv" => "text/csv",
        "xml" => "application/xml",
        _ => "text/plain",
    }
}

fn set_name(folder: &str, ending: &str) -> String {
    format!("{}-{ending}", folder.replace('/', "-"))
}

/// The files of a folder that end alike.
fn file_set(folder: &str, ending: &str) -> Value {
    let name = set_name(folder, ending);
    json!({
        "@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": media_type(ending),
        "includes": format!("{folder}/*.{ending}"),
    })
}

/// The images of a folder: their names, which records refer to, and what they hold.
fn media_set(folder: &str, ending: &str) -> Option<Value> {
    let kind = match ending {
        "png" | "jpg" => "sc:ImageObject",
        _ => return None,
    };
    let files = set_name(folder, ending);
    let name = format!("files-of-{files}");
    let field = |field: &str, kind: &str, property: &str| {
        json!({
            "@type": "cr:Field", "@id": format!("{name}/{field}"), "name": field, "dataType": kind,
            "source": { "fileSet": { "@id": files }, "extract": { "fileProperty": property } },
        })
    };
    let fields = [field("name", "sc:Text", "filename"), field("content", kind, "content")];
    Some(json!({
        "@type": "cr:RecordSet", "@id": name, "name": name,
        "key": { "@id": format!("{name}/name") }, "field": fields,
    }))
}

/// The columns of the records in `file`, of formats that have some: the others are described by
/// their own programs.
fn record_set(request: &Request<'_>, file: &str) -> Option<Value> {
    let project = &request.project.definition;
    let own = OWN_COLUMNS.iter().map(|name| {
        let kind = match *name {
            "confidence" => "sc:Float",
            "holdout" => "sc:Boolean",
            "labeled_at" => "sc:DateTime",
            _ => "sc:Text",
        };
        ((*name).to_owned(), kind, json!({ "extract": { "column": name } }))
    });
    let fields = project.fields.iter().map(|field| {
        let kind = match field.kind {
            FieldKind::Number => "sc:Float",
            FieldKind::Category | FieldKind::Text | FieldKind::Image | FieldKind::Series => {
                "sc:Text"
            }
        };
        (field.name.as_str(), kind)
    });
    let column = |(name, kind): (&str, _)| {
        (parquet::name(name), kind, json!({ "extract": { "column": name } }))
    };
    let columns: Vec<(String, &str, Value)> = match request.format {
        Format::Csv => own.chain(fields.map(column)).collect(),
        Format::Parquet => own
            .chain(fields.map(|(name, kind)| {
                let name = parquet::name(name);
                (name.clone(), kind, json!({ "extract": { "column": name } }))
            }))
            .collect(),
        // A label that is an object is of none of Croissant's types: `taxonomy.json` says what it is.
        Format::JsonLines => own
            .filter(|(name, ..)| {
                project.task.is_one_class() || !matches!(name.as_str(), "label" | "prelabel")
            })
            .chain(fields.map(|(name, kind)| {
                let quoted = name.replace('\\', "\\\\").replace('\'', "\\'");
                let path = json!({ "jsonPath": format!("$['{quoted}']") });
                let source = json!({ "extract": { "column": "fields" }, "transform": path });
                (parquet::name(name), kind, source)
            }))
            .collect(),
        Format::LabelStudio
        | Format::Prodigy
        | Format::Doccano
        | Format::GroundTruth
        | Format::Coco
        | Format::Yolo
        | Format::Voc
        | Format::Conll
        | Format::Spacy
        | Format::Labelbox => return None,
    };
    let field = |(at, (name, kind, source)): (usize, (String, &str, Value))| {
        let mut source = source;
        source["fileObject"] = json!({ "@id": file });
        // No identifier has spaces.
        let id = match name.split_whitespace().collect::<Vec<_>>().as_slice() {
            [one] => (*one).to_owned(),
            parts => format!("{}-{at}", parts.join("_")),
        };
        json!({
            "@type": "cr:Field", "@id": format!("{RECORDS}/{id}"), "name": name,
            "dataType": kind, "source": source,
        })
    };
    let fields: Vec<Value> = columns.into_iter().enumerate().map(field).collect();
    Some(json!({ "@type": "cr:RecordSet", "@id": RECORDS, "name": RECORDS, "field": fields }))
}

/// The specification's own context, as far as it is used here.
fn context() -> Value {
    let terms = [
        ("citeAs", "cr:citeAs"),
        ("column", "cr:column"),
        ("conformsTo", "dct:conformsTo"),
        ("cr", "http://mlcommons.org/croissant/"),
        ("dct", "http://purl.org/dc/terms/"),
        ("equivalentProperty", "cr:equivalentProperty"),
        ("extract", "cr:extract"),
        ("field", "cr:field"),
        ("fileObject", "cr:fileObject"),
        ("fileProperty", "cr:fileProperty"),
        ("fileSet", "cr:fileSet"),
        ("format", "cr:format"),
        ("includes", "cr:includes"),
        ("isLiveDataset", "cr:isLiveDataset"),
        ("jsonPath", "cr:jsonPath"),
        ("key", "cr:key"),
        ("md5", "cr:md5"),
        ("parentField", "cr:parentField"),
        ("path", "cr:path"),
        ("rai", "http://mlcommons.org/croissant/RAI/"),
        ("recordSet", "cr:recordSet"),
        ("references", "cr:references"),
        ("regex", "cr:regex"),
        ("repeated", "cr:repeated"),
        ("replace", "cr:replace"),
        ("samplingRate", "cr:samplingRate"),
        ("sc", "https://schema.org/"),
        ("separator", "cr:separator"),
        ("source", "cr:source"),
        ("subField", "cr:subField"),
        ("transform", "cr:transform"),
        ("@language", "en"),
        ("@vocab", "https://schema.org/"),
    ];
    let mut all: Map<String, Value> =
        terms.iter().map(|(term, iri)| ((*term).to_owned(), json!(iri))).collect();
    all.insert("data".to_owned(), json!({ "@id": "cr:data", "@type": "@json" }));
    all.insert("dataType".to_owned(), json!({ "@id": "cr:dataType", "@type": "@vocab" }));
    all.insert("examples".to_owned(), json!({ "@id": "cr:examples", "@type": "@json" }));
    Value::Object(all)
}
