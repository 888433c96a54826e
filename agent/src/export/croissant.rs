//! Croissant metadata: what the files of a snapshot are, for programs that load data sets.
//!
//! Source: the Croissant format specification 1.0, <https://docs.mlcommons.org/croissant/docs/croissant-spec.html>.

use insitu_protocol::project::FieldKind;
use serde_json::{Map, Value, json};

use super::columns::OWN_COLUMNS;
use super::snapshot::Entry;
use super::{Counts, Format, Request, parquet};

/// The file's name.
pub(super) const FILE: &str = "metadata.json";
/// The name of the set of records.
const RECORDS: &str = "records";

/// The metadata's bytes. `files` starts with the records.
pub(super) fn metadata(request: &Request<'_>, files: &[Entry], counts: &Counts) -> Vec<u8> {
    let project = &request.project.definition;
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
        "distribution": files.iter().map(|file| object(file, request.format)).collect::<Vec<_>>(),
    });
    if let Some(license) = request.license {
        about["license"] = json!(license);
    }
    if let Some(set) = files.first().and_then(|records| record_set(request, &records.name)) {
        about["recordSet"] = json!([set]);
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
        ((*name).to_owned(), kind, json!({ "column": name }))
    });
    let fields = project.fields.iter().map(|field| {
        let kind = match field.kind {
            FieldKind::Number => "sc:Float",
            FieldKind::Category | FieldKind::Text | FieldKind::Image | FieldKind::Series => {
                "sc:Text"
            }
        };
        (field.name.to_string(), kind, json!({ "column": field.name }))
    });
    let columns: Vec<(String, &str, Value)> = match request.format {
        Format::Csv => own.chain(fields).collect(),
        Format::Parquet => own
            .chain(fields.map(|(name, kind, _)| {
                let column = parquet::name(&name);
                (name, kind, json!({ "column": column }))
            }))
            .collect(),
        Format::JsonLines => own.collect(),
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
    let field = |(name, kind, extract): &(String, &str, Value)| {
        json!({
            "@type": "cr:Field", "@id": format!("{RECORDS}/{name}"), "name": name,
            "dataType": kind,
            "source": { "fileObject": { "@id": file }, "extract": extract },
        })
    };
    let fields: Vec<Value> = columns.iter().map(field).collect();
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
