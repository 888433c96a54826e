use super::*;
use crate::engine::{Engine, Library};

const TABLE: [i8; 6] = [1, -2, 100, 4, -128, 6];
const TABLE_SCALES: [f32; 3] = [0.1, 0.7, 1.3];
const WEIGHTS: [u8; 4] = [3, 255, 0, 17];
const WEIGHT_SCALES: [f32; 2] = [0.3, 0.9];

fn message(fields: &[(u64, Value<'_>)]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(number, value)| put(&mut out, *number, *value));
    out
}

fn tensor(name: &str, data_type: u64, dims: &[u64], raw: &[u8]) -> Vec<u8> {
    let dims = dims.iter().map(|dim| (1, Value::Varint(*dim)));
    let rest =
        [(2, Value::Varint(data_type)), (8, Value::Bytes(name.as_bytes())), (9, Value::Bytes(raw))];
    message(&dims.chain(rest).collect::<Vec<_>>())
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<&[u8]> = inputs.iter().map(|name| name.as_bytes()).collect();
    operation(operator, &inputs, output.as_bytes(), (operator == "Cast").then_some(("to", FLOAT)))
}

/// An input or output of `[batch, length]` elements, with or without a third dimension.
fn value(name: &str, element: u64, last: Option<u64>) -> Vec<u8> {
    let named = |name: &[u8]| message(&[(1, Value::Bytes(&message(&[(2, Value::Bytes(name))])))]);
    let last =
        last.map(|last| message(&[(1, Value::Bytes(&message(&[(1, Value::Varint(last))])))]));
    let dims = [named(b"batch"), named(b"length"), last.unwrap_or_default()].concat();
    let shape = message(&[(1, Value::Varint(element)), (2, Value::Bytes(&dims))]);
    let shape = message(&[(1, Value::Bytes(&shape))]);
    message(&[(1, Value::Bytes(name.as_bytes())), (2, Value::Bytes(&shape))])
}

/// Tokens choose rows of a table, which are multiplied with a matrix; `last` makes `y`, and what else
/// there is.
fn model(table_scales: &[u64], last: &[Vec<u8>], outputs: &[&str]) -> Vec<u8> {
    let raw_table: Vec<u8> = TABLE.iter().map(|number| number.cast_unsigned()).collect();
    let scales = floats(&TABLE_SCALES);
    let count = usize::try_from(table_scales.iter().product::<u64>()).unwrap();
    let initializers = [
        tensor("table", INT8, &[3, 2], &raw_table),
        tensor("table scales", FLOAT, table_scales, &scales[..4 * count]),
        tensor("weights", UINT8, &[2, 2], &WEIGHTS),
        tensor("weight scales", FLOAT, &[1, 2], &floats(&WEIGHT_SCALES)),
    ];
    let nodes = [
        node("Cast", &["table"], "table floats"),
        node("Mul", &["table floats", "table scales"], "rows"),
        node("Cast", &["weights"], "weight floats"),
        node("Mul", &["weight scales", "weight floats"], "matrix"),
        node("Gather", &["rows", "input_ids"], "chosen"),
    ];
    let outputs = outputs.iter().map(|name| value(name, FLOAT, Some(2)));
    let parts = [
        (NODE, [&nodes[..], last].concat()),
        (INITIALIZER, initializers.to_vec()),
        (11, vec![value("input_ids", 7, None)]),
        (OUTPUT, outputs.collect()),
    ];
    let fields: Vec<_> = parts
        .iter()
        .flat_map(|(number, all)| all.iter().map(|bytes| (*number, Value::Bytes(bytes))))
        .collect();
    let operators = message(&[(2, Value::Varint(17))]);
    message(&[
        (1, Value::Varint(8)),
        (GRAPH, Value::Bytes(&message(&fields))),
        (8, Value::Bytes(&operators)),
    ])
}

fn product() -> Vec<Vec<u8>> {
    vec![node("MatMul", &["chosen", "matrix"], "y")]
}

/// With all of its weights multiplied out, however small.
fn all(model: &[u8]) -> Cow<'_, [u8]> {
    fold_above(model, 0)
}

/// The operators of a model, and the names of its initializers.
fn parts(model: &[u8]) -> (Vec<String>, Vec<String>) {
    let graph = all_bytes(model, GRAPH).unwrap()[0];
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let nodes = all_bytes(graph, NODE).unwrap().into_iter();
    let operators = nodes.map(|node| text(Node::parse(node).unwrap().operator)).collect();
    let tensors = all_bytes(graph, INITIALIZER).unwrap().into_iter();
    (operators, tensors.map(|tensor| text(Tensor::parse(tensor).unwrap().0)).collect())
}

/// What the engine makes of every token by a model, as bits.
fn run(model: &[u8]) -> Vec<u32> {
    let engine = Engine::start(&Library::Embedded).unwrap();
    let mut backbone = engine.load_text(model, 3, 2, true).unwrap();
    backbone.run(&[0, 2, 1], 3).unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn weights_are_multiplied_out_and_rows_when_they_are_chosen() {
    let model = model(&[3, 1], &product(), &["y"]);
    let folded = all(&model);
    let (operators, tensors) = parts(&folded);
    assert_eq!(operators, ["Gather", "Cast", "Gather", "Mul", "MatMul"]);
    assert_eq!(tensors, ["table", "table scales", "matrix"]);
    crate::check::check_text(&folded, 3).unwrap();
    let expected = [0, 2, 1].into_iter().flat_map(|row: usize| {
        let of = |column: usize| f32::from(TABLE[2 * row + column]) * TABLE_SCALES[row];
        let weight = |at: usize| f32::from(WEIGHTS[at]) * WEIGHT_SCALES[at % 2];
        [0, 1].map(|column| of(1).mul_add(weight(2 + column), of(0) * weight(column)))
    });
    let near = |(found, wanted): (u32, f32)| (f32::from_bits(found) - wanted).abs() < 1e-4;
    assert!(run(&folded).into_iter().zip(expected).all(near));
    assert_eq!(run(&model), run(&folded));
    assert!(matches!(all(&folded), Cow::Borrowed(_)), "there is nothing left to fold");
}

#[test]
fn a_table_with_scales_of_another_shape_is_multiplied_out_as_a_whole() {
    for scales in [&[2][..], &[1, 2], &[1], &[]] {
        let model = model(scales, &product(), &["y"]);
        let (operators, tensors) = parts(&all(&model));
        assert_eq!(operators, ["Gather", "MatMul"], "{scales:?}");
        assert_eq!(tensors, ["rows", "matrix"], "{scales:?}");
    }
    let (operators, _) = parts(&all(&model(&[1, 3], &product(), &["y"])));
    assert_eq!(operators, ["Cast", "Mul", "Gather", "MatMul"], "these are for three columns");
}

#[test]
fn what_others_need_too_stays() {
    let also = |node| [product(), vec![node]].concat();
    let cast = also(node("Neg", &["weight floats"], "z"));
    let (operators, tensors) = parts(&all(&model(&[3, 1], &cast, &["y", "z"])));
    assert_eq!(operators[..3], ["Cast", "Mul", "Gather"], "of the matrix");
    assert!(tensors.contains(&"weights".to_owned()));
    let scales = also(node("Neg", &["weight scales"], "z"));
    let (_, tensors) = parts(&all(&model(&[3, 1], &scales, &["y", "z"])));
    assert_eq!(tensors, ["table", "table scales", "weight scales", "matrix"]);
    // A table of which something is needed whole, too.
    let whole = also(node("Neg", &["rows"], "z"));
    let (operators, tensors) = parts(&all(&model(&[3, 1], &whole, &["y", "z"])));
    assert_eq!(operators, ["Gather", "MatMul", "Neg"]);
    assert_eq!(tensors, ["rows", "matrix"]);
    let given = model(&[3, 1], &product(), &["y", "matrix"]);
    assert_eq!(parts(&all(&given)).0[..2], ["Cast", "Mul"], "of the matrix");
    // Names that are taken.
    let taken = also(node("Neg", &["chosen"], "chosen/bytes"));
    let (operators, _) = parts(&all(&model(&[3, 1], &taken, &["y"])));
    assert_eq!(operators, ["Gather", "MatMul", "Neg"]);
}

#[test]
fn small_weights_are_left_to_the_engine() {
    let model = model(&[3, 1], &product(), &["y"]);
    let folded = fold(&model);
    let (operators, tensors) = parts(&folded);
    assert_eq!(operators, ["Cast", "Mul", "Gather", "Cast", "Gather", "Mul", "MatMul"]);
    assert_eq!(tensors, ["table", "table scales", "weights", "weight scales"]);
    assert_eq!(run(&folded), run(&all(&model)));
    assert!(matches!(fold_above(&model, 16), Cow::Owned(_)), "rows that are chosen");
    let (operators, _) = parts(&fold_above(&model, 15));
    assert_eq!(operators, ["Gather", "Cast", "Gather", "Mul", "MatMul"], "16 bytes of floats");
}

#[test]
fn nothing_else_is_touched() {
    let shipped = include_bytes!("../../bundles/heart-disease/backbone.onnx");
    assert!(matches!(fold(shipped), Cow::Borrowed(_)));
    assert!(matches!(fold(b"not a model"), Cow::Borrowed(_)));
}
