//! The model of the attacked site: a backbone that turns an item's code into a unit vector, so that
//! the attacker chooses where in a gradient each subject shows, and how sure each prelabel is.

use insitu_models::bundle::Bundle;
use insitu_models::calibration::Calibration;
use insitu_models::golden::Golden;
use insitu_models::head::{Head, HeadKind};
use insitu_models::manifest::{Column, ColumnKind, FORMAT, Manifest, Object};
use insitu_protocol::ids::digest;

use super::AuditError;
use super::site::{Shape, line};

/// Golden rows: the engine must reproduce these features.
const GOLDEN_ROWS: usize = 4;

/// The bundle for a site of this shape. Feature i is `max(0, 1 − |code − i|)`: 1 for an item of
/// code i, else 0.
pub(super) fn bundle(shape: &Shape) -> Result<Bundle, AuditError> {
    let features = shape.codes();
    let unit = |code: usize| (0..features).map(|i| f32::from(u8::from(i == code))).collect();
    let weights = (0..shape.classes * features)
        .map(|cell| shape.weight(cell / features, cell % features))
        .collect();
    let head = Head::new(shape.classes, features, weights).map_err(refused)?;
    let rows = || (0..GOLDEN_ROWS.min(features)).map(|row| row * (features / GOLDEN_ROWS).max(1));
    let calibration = Calibration::identity();
    let golden = Golden {
        texts: Vec::new(),
        rows: rows().map(|code| vec![Some(number(code))]).collect(),
        features: rows().map(unit).collect(),
        probabilities: Vec::new(),
        confidences: Vec::new(),
    };
    let golden = golden.under(&head, &calibration).and_then(|golden| golden.encode());
    let objects = [backbone(features), head.encode(), golden.map_err(refused)?];
    let [backbone, head, golden] = [&objects[0], &objects[1], &objects[2]]
        .map(|bytes| Object { digest: digest(bytes), bytes: bytes.len() as u64 });
    let manifest = Manifest {
        format: FORMAT,
        name: line("audit"),
        version: 1,
        parent: None,
        classes: (0..shape.classes).map(|class| line(&format!("class {class}"))).collect(),
        columns: vec![Column { name: line("code"), kind: ColumnKind::Number }],
        text: None,
        kind: HeadKind::Softmax,
        features,
        backbone,
        head,
        golden,
        calibration,
        lineage: Vec::new(),
        licences: Vec::new(),
    };
    let mut given = objects.into_iter();
    Bundle::from_objects(manifest.encode().map_err(refused)?, |_| given.next()).map_err(refused)
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> AuditError {
    AuditError::Model(Box::new(error))
}

/// A code as the network sees it; codes are far below 2²⁴, where f32 is exact.
#[expect(clippy::cast_precision_loss, reason = "codes are far below 2^24")]
fn number(code: usize) -> f32 {
    code as f32
}

/// ONNX: `Relu(one − Abs(code − codes))`. Field numbers are those of `onnx.proto`.
fn backbone(features: usize) -> Vec<u8> {
    let codes: Vec<f32> = (0..features).map(number).collect();
    let graph = [
        node("Sub", &["code", "codes"], "difference"),
        node("Abs", &["difference"], "distance"),
        node("Sub", &["one", "distance"], "closeness"),
        node("Relu", &["closeness"], "features"),
        part(2, b"audit"),
        tensor("codes", &codes),
        tensor("one", &[1.0]),
        table(11, "code", 1),
        table(12, "features", features),
    ];
    let operators = [part(1, b""), whole(2, 13)].concat();
    [whole(1, 8), part(8, &operators), part(7, &graph.concat())].concat()
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let mut body: Vec<u8> = inputs.iter().flat_map(|name| part(1, name.as_bytes())).collect();
    body.extend(part(2, output.as_bytes()));
    body.extend(part(4, operator.as_bytes()));
    part(1, &body)
}

/// An initializer of shape `[1, values]`.
fn tensor(name: &str, values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let body = [
        whole(1, 1),
        whole(1, values.len()),
        whole(2, 1), // 32-bit floats
        part(8, name.as_bytes()),
        part(9, &raw),
    ];
    part(5, &body.concat())
}

/// A graph input or output of shape `[batch, width]`.
fn table(field: u8, name: &str, width: usize) -> Vec<u8> {
    let dimensions = [part(1, &part(2, b"batch")), part(1, &whole(1, width))].concat();
    let floats = [whole(1, 1), part(2, &dimensions)].concat();
    part(field, &[part(1, name.as_bytes()), part(2, &part(1, &floats))].concat())
}

/// A protobuf field of bytes.
fn part(field: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    varint(body.len(), &mut out);
    out.extend(body);
    out
}

/// A protobuf field of a number.
fn whole(field: u8, value: usize) -> Vec<u8> {
    let mut out = vec![field << 3];
    varint(value, &mut out);
    out
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
