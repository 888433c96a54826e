//! A project and a bundle with a head of 77 classes over 385 features, for the coordinator alone: it
//! reads the backbone, and never runs it.

use insitu_coordinator::api::Office;
use insitu_coordinator::publish;
use insitu_models::bundle::Bundle;
use insitu_models::golden::Golden;
use insitu_models::head::Head;
use insitu_models::manifest::{Manifest, Object};
use insitu_protocol::ids::digest;
use insitu_protocol::project::{Class, Project};
use insitu_protocol::text::Line;

use super::support::{SHAPE, shipped};

/// The project's name.
pub(super) const PROJECT: &str = "intents";

/// Creates the project and publishes its bundle.
pub(super) fn publish(office: &Office) {
    let now = office.now_unix_s();
    let text = std::fs::read_to_string(shipped().join("project.toml")).unwrap();
    let mut project: Project = toml::from_str(&text).unwrap();
    project.name = PROJECT.parse().unwrap();
    let names: Vec<Line> =
        (0..SHAPE.0).map(|class| Line::new(format!("intent {class}")).unwrap()).collect();
    project.classes = names
        .iter()
        .map(|name| Class { name: name.clone(), ..project.classes[0].clone() })
        .collect();
    publish::project(&office.store, &project, now).unwrap();
    let bundle = bundle(&names);
    publish::import(&office.store, &office.registry, &office.key, &project.name, &bundle, now)
        .unwrap();
}

fn bundle(classes: &[Line]) -> Bundle {
    let shipped = Bundle::open(&shipped()).unwrap();
    let features = usize::try_from(SHAPE.1).unwrap();
    let head = Head::new(classes.len(), features, vec![0.0; classes.len() * features]).unwrap();
    let mut row = vec![0.0; features];
    row[0] = 1.0;
    let columns = shipped.manifest().columns.len();
    let golden = Golden {
        rows: vec![vec![None; columns]],
        texts: Vec::new(),
        features: vec![row],
        probabilities: Vec::new(),
        confidences: Vec::new(),
    };
    let golden = golden.under(&head, &shipped.manifest().calibration).unwrap().encode().unwrap();
    let head = head.encode();
    let backbone = backbone(columns, features);
    let object = |bytes: &[u8]| Object { digest: digest(bytes), bytes: bytes.len() as u64 };
    let manifest = Manifest {
        classes: classes.to_vec(),
        features,
        backbone: object(&backbone),
        head: object(&head),
        golden: object(&golden),
        ..shipped.manifest().clone()
    };
    let objects = [(manifest.backbone, &backbone), (manifest.head, &head)];
    let find = |wanted: &Object| {
        let known = objects.iter().find(|(known, _)| known == wanted);
        Some(known.map_or(&golden[..], |(_, bytes)| bytes).to_vec())
    };
    Bundle::from_objects(manifest.encode().unwrap(), find).unwrap()
}

/// `y = x · w`, where w is `[columns, features]` zeros, as ONNX.
fn backbone(columns: usize, features: usize) -> Vec<u8> {
    let table = |field: u8, name: &[u8], width: usize| {
        let dims = [part(1, &part(2, b"batch")), part(1, &number(1, width))].concat();
        let tensor = part(1, &[number(1, 1), part(2, &dims)].concat());
        part(field, &[part(1, name), part(2, &tensor)].concat())
    };
    let shape = [number(1, columns), number(1, features), number(2, 1)].concat();
    let zeros = vec![0; 4 * columns * features];
    let product = [part(1, b"x"), part(1, b"w"), part(2, b"y"), part(4, b"MatMul")];
    let graph = [
        part(1, &product.concat()),
        part(5, &[shape, part(8, b"w"), part(9, &zeros)].concat()),
        table(11, b"x", columns),
        table(12, b"y", features),
    ];
    [number(1, 8), part(8, &number(2, 17)), part(7, &graph.concat())].concat()
}

/// A protobuf field of wire type 2.
fn part(field: u8, body: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2][..], &varint(body.len()), body].concat()
}

/// A protobuf field of wire type 0.
fn number(field: u8, value: usize) -> Vec<u8> {
    [&[field << 3][..], &varint(value)].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}
