//! Reads an ONNX model before an engine does, and refuses what an engine must not see.
//!
//! Engines trust their models: one aborts the process on a graph input that is an initializer too,
//! another follows a tensor's path to a file on disk, or loads operators from a library. What
//! passes here is self-contained, made of known operators whose results cannot be larger than their
//! inputs make them, with each value made once and before its use, and of the shape that the
//! bundle's manifest says.
//!
//! That is not all that can be wrong: a constant index out of bounds aborts the embedded engine. It
//! does so on every row alike, so whoever takes bundles from elsewhere loads a new one in a child
//! process first: loading runs the golden rows, together and one by one.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.19, Apache-2.0).

use std::collections::HashSet;

use crate::manifest::BACKBONE_BYTES_MAX;
use crate::protobuf::{Fields, Malformed, Value, varint};

/// Most nodes of a graph.
pub const NODES_MAX: usize = 20_000;
/// Most initializers of a graph.
pub const INITIALIZERS_MAX: usize = 20_000;
/// Most values of one node, in and out.
pub const NODE_VALUES_MAX: usize = 4096;
/// Opsets of the default domain that both engines know.
pub const OPSETS: std::ops::RangeInclusive<u64> = 9..=21;

/// Operators of the default domain that a backbone may use, sorted.
///
/// Left out on purpose: control flow (`If`, `Loop`, `Scan`: graphs within graphs), random numbers,
/// strings; operators that make a result of a size that their *data* says (`ConstantOfShape`,
/// `Expand`, `Range`, `Tile`, `Pad`, `Resize`, `OneHot`); and those that make integers of data
/// (`ArgMax`, `QuantizeLinear`, `Shape`), because an index out of bounds or a division by zero
/// aborts the embedded engine. Integers in a backbone are constants, so a fault that they cause
/// shows when the golden rows are run, or never.
#[rustfmt::skip] // one name per line would hide what is not there
pub const OPERATORS: &[&str] = &[
    "Abs", "Add", "And", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat",
    "Constant", "Conv", "Cos", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Flatten", "Floor",
    "Gather", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "IsInf", "IsNaN",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max",
    "MaxPool", "Mean", "Min", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "ReduceL1",
    "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare", "Relu", "Reshape", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Slice",
    "Softmax", "Softplus", "Softsign", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh",
    "Transpose", "Unsqueeze", "Where", "Xor",
];

/// Why a backbone is refused. Names come from the model, shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Over [`BACKBONE_BYTES_MAX`].
    #[error("model of {got} bytes where {BACKBONE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Bytes found.
        got: u64,
    },
    /// Not an ONNX model.
    #[error("not an ONNX model: {part} does not parse")]
    Malformed {
        /// Which part.
        part: &'static str,
    },
    /// A list with too many entries.
    #[error("{got} or more {what}, {max} are allowed")]
    TooMany {
        /// Which list.
        what: &'static str,
        /// Entries counted when counting stopped.
        got: usize,
        /// Most allowed.
        max: usize,
    },
    /// A part that a frozen network does not need.
    #[error("the model has {what}")]
    Forbidden {
        /// Which part.
        what: &'static str,
    },
    /// An operator set that is custom, of another domain, or of an unknown version.
    #[error("operator set {domain:?} version {version}: only the default one is allowed")]
    OperatorSet {
        /// Its domain.
        domain: String,
        /// Its version.
        version: u64,
    },
    /// An operator that is not in [`OPERATORS`].
    #[error("node {node} is a {domain:?} {operator:?}, which is not allowed")]
    Operator {
        /// Position of the node, from 1.
        node: usize,
        /// Its domain.
        domain: String,
        /// Its operator.
        operator: String,
    },
    /// A cast to integers, or indices that are not constant.
    #[error("node {node} makes or uses integers that depend on data")]
    Integers {
        /// Position of the node, from 1.
        node: usize,
    },
    /// A tensor kept in a file outside the model.
    #[error("tensor {name:?} lies in a file outside the model")]
    ExternalData {
        /// The tensor.
        name: String,
    },
    /// A tensor of an unknown type, or whose dimensions do not agree with its data.
    #[error("tensor {name:?} has {got:?} bytes or numbers of type {data_type} for its shape")]
    Tensor {
        /// The tensor.
        name: String,
        /// ONNX's number of its type.
        data_type: u64,
        /// Entries of data found, when the type and shape are known at all.
        got: Option<u64>,
    },
    /// A value made twice; an initializer that is a graph input too is one.
    #[error("value {name:?} is made twice")]
    MadeTwice {
        /// The value.
        name: String,
    },
    /// A value used before it is made, or never made.
    #[error("value {name:?} is used before it is made")]
    NotMade {
        /// The value.
        name: String,
    },
    /// Another input or output than one table of floats of the manifest's width.
    #[error("the model's {what} is not one table of 32-bit floats, [named dimension, {width}]")]
    Interface {
        /// `input` or `output`.
        what: &'static str,
        /// Columns that the manifest promises.
        width: usize,
    },
}

/// Checks a backbone that maps `[batch, columns]` to `[batch, features]`.
///
/// # Errors
/// [`CheckError`], the first thing found.
pub fn check(model: &[u8], columns: usize, features: usize) -> Result<(), CheckError> {
    if model.len() as u64 > BACKBONE_BYTES_MAX {
        return Err(CheckError::TooLarge { got: model.len() as u64 });
    }
    let mut graph = None;
    let mut default_set = false;
    for field in Fields::of(model) {
        match field.map_err(bad("model"))? {
            (7, Value::Bytes(bytes)) if graph.is_none() => graph = Some(bytes),
            (7, _) => return Err(CheckError::Malformed { part: "graph" }),
            (8, Value::Bytes(bytes)) => {
                operator_set(bytes)?;
                default_set = true;
            }
            (20, _) => return Err(CheckError::Forbidden { what: "training information" }),
            (25, _) => return Err(CheckError::Forbidden { what: "functions" }),
            _ => {}
        }
    }
    match graph {
        Some(graph) if default_set => check_graph(graph, columns, features),
        _ => Err(CheckError::Malformed { part: "model" }),
    }
}

fn operator_set(message: &[u8]) -> Result<(), CheckError> {
    let (mut domain, mut version) = ("", 0);
    for field in Fields::of(message) {
        match field.map_err(bad("operator set"))? {
            (1, Value::Bytes(bytes)) => domain = text(bytes, "operator set")?,
            (2, Value::Varint(number)) => version = number,
            _ => {}
        }
    }
    if is_default(domain) && OPSETS.contains(&version) {
        Ok(())
    } else {
        Err(CheckError::OperatorSet { domain: shortened(domain), version })
    }
}

/// The values of a graph that exist so far.
#[derive(Default)]
struct Names<'a> {
    made: HashSet<&'a str>,
    constants: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    fn make(&mut self, name: &'a str) -> Result<(), CheckError> {
        if self.made.insert(name) {
            Ok(())
        } else {
            Err(CheckError::MadeTwice { name: shortened(name) })
        }
    }

    fn used(&self, name: &str) -> Result<(), CheckError> {
        if self.made.contains(name) {
            Ok(())
        } else {
            Err(CheckError::NotMade { name: shortened(name) })
        }
    }
}

fn check_graph(graph: &[u8], columns: usize, features: usize) -> Result<(), CheckError> {
    let mut names = Names::default();
    let (mut nodes, mut inputs, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    let mut initializers = 0;
    for field in Fields::of(graph) {
        match field.map_err(bad("graph"))? {
            (1, Value::Bytes(bytes)) => {
                nodes.push(bytes);
                limit("nodes", nodes.len(), NODES_MAX)?;
            }
            (5, Value::Bytes(bytes)) => {
                initializers += 1;
                limit("initializers", initializers, INITIALIZERS_MAX)?;
                let name = check_tensor(bytes)?;
                names.make(name)?;
                names.constants.insert(name);
            }
            (11, Value::Bytes(bytes)) => inputs.push(bytes),
            (12, Value::Bytes(bytes)) => outputs.push(bytes),
            (14, _) => return Err(CheckError::Forbidden { what: "quantization annotations" }),
            (15, _) => return Err(CheckError::Forbidden { what: "sparse initializers" }),
            _ => {}
        }
    }
    // After all initializers, so that an input of the same name is found whatever the file's order.
    let mut entry = None;
    for input in &inputs {
        let name = interface(input, "input", columns)?;
        names.make(name)?;
        entry = Some(name);
    }
    if inputs.len() != 1 {
        return Err(CheckError::Interface { what: "input", width: columns });
    }
    for (index, node) in nodes.into_iter().enumerate() {
        check_node(node, index + 1, &mut names)?;
    }
    let [output] = outputs[..] else {
        return Err(CheckError::Interface { what: "output", width: features });
    };
    let name = interface(output, "output", features)?;
    if entry == Some(name) {
        return Err(CheckError::Interface { what: "output", width: features });
    }
    names.used(name)
}

/// What the check needs of a node.
#[derive(Default)]
struct Node<'a> {
    operator: &'a str,
    domain: &'a str,
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    /// Attribute `to` of a `Cast`.
    to: u64,
}

fn check_node<'a>(message: &'a [u8], node: usize, names: &mut Names<'a>) -> Result<(), CheckError> {
    let Node { operator, domain, inputs, outputs, to } = parse_node(message)?;
    if !is_default(domain) || !OPERATORS.contains(&operator) {
        let (domain, operator) = (shortened(domain), shortened(operator));
        return Err(CheckError::Operator { node, domain, operator });
    }
    for name in inputs.iter().filter(|name| !name.is_empty()) {
        names.used(name)?; // an empty name is an input left out
    }
    let integers = match operator {
        "Cast" => ![1, 9, 11].contains(&to), // float, bool, double
        "Gather" => !inputs.get(1).is_some_and(|name| names.constants.contains(name)),
        _ => false,
    };
    if integers {
        return Err(CheckError::Integers { node });
    }
    for name in outputs.into_iter().filter(|name| !name.is_empty()) {
        names.make(name)?;
        if operator == "Constant" {
            names.constants.insert(name);
        }
    }
    Ok(())
}

fn parse_node(message: &[u8]) -> Result<Node<'_>, CheckError> {
    let mut node = Node::default();
    for field in Fields::of(message) {
        match field.map_err(bad("node"))? {
            (1, Value::Bytes(bytes)) => node.inputs.push(text(bytes, "node")?),
            (2, Value::Bytes(bytes)) => node.outputs.push(text(bytes, "node")?),
            (4, Value::Bytes(bytes)) => node.operator = text(bytes, "node")?,
            (5, Value::Bytes(bytes)) => {
                if let ("to", number) = check_attribute(bytes)? {
                    node.to = number;
                }
            }
            (7, Value::Bytes(bytes)) => node.domain = text(bytes, "node")?,
            _ => {}
        }
        limit("values of a node", node.inputs.len() + node.outputs.len(), NODE_VALUES_MAX)?;
    }
    Ok(node)
}

/// An attribute may hold numbers, text and one tensor; never a graph. Gives its name and integer.
fn check_attribute(message: &[u8]) -> Result<(&str, u64), CheckError> {
    let (mut name, mut integer) = ("", 0);
    for field in Fields::of(message) {
        match field.map_err(bad("attribute"))? {
            (1, Value::Bytes(bytes)) => name = text(bytes, "attribute")?,
            (3, Value::Varint(number)) => integer = number,
            (5, Value::Bytes(bytes)) => {
                check_tensor(bytes)?;
            }
            (6 | 11, _) => return Err(CheckError::Forbidden { what: "a graph within a node" }),
            (10, _) => return Err(CheckError::Forbidden { what: "a list of tensors in a node" }),
            (22 | 23, _) => return Err(CheckError::Forbidden { what: "a sparse tensor" }),
            _ => {}
        }
    }
    Ok((name, integer))
}

/// Checks that a tensor is in the model and as large as its shape says; gives its name.
fn check_tensor(message: &[u8]) -> Result<&str, CheckError> {
    let (mut name, mut data_type, mut elements) = ("", 0, Some(1_u64));
    let (mut raw, mut typed) = (None, 0_u64);
    let mut external = false;
    for field in Fields::of(message) {
        let (number, value) = field.map_err(bad("tensor"))?;
        match (number, value) {
            (1, Value::Varint(dim)) => elements = elements.and_then(|e| e.checked_mul(dim)),
            (1, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    let dim = varint(&mut packed).map_err(bad("tensor"))?;
                    elements = elements.and_then(|e| e.checked_mul(dim));
                }
            }
            (2, Value::Varint(number)) => data_type = number,
            (4, Value::Bytes(packed)) => typed += packed.len() as u64 / 4,
            (5 | 7 | 11, Value::Bytes(packed)) => {
                typed += packed.iter().filter(|byte| **byte < 0x80).count() as u64;
            }
            (10, Value::Bytes(packed)) => typed += packed.len() as u64 / 8,
            (4 | 5 | 7 | 10 | 11, Value::Varint(_) | Value::Fixed(_)) => typed += 1,
            (8, Value::Bytes(bytes)) => name = text(bytes, "tensor")?,
            (9, Value::Bytes(bytes)) => raw = Some(bytes.len() as u64),
            (13, _) => external = true,
            (14, Value::Varint(location)) => external |= location != 0,
            _ => {}
        }
    }
    if external {
        return Err(CheckError::ExternalData { name: shortened(name) });
    }
    let size = element_bytes(data_type);
    let wanted = match raw {
        Some(_) => elements.zip(size).and_then(|(elements, size)| elements.checked_mul(size)),
        None => elements.and(size).and(elements),
    };
    let got = raw.unwrap_or(typed);
    if wanted != Some(got) || (raw.is_some() && typed > 0) {
        let got = wanted.map(|_| got);
        return Err(CheckError::Tensor { name: shortened(name), data_type, got });
    }
    Ok(name)
}

/// Bytes of one element of an ONNX tensor type, `None` for types that no backbone needs.
fn element_bytes(data_type: u64) -> Option<u64> {
    match data_type {
        2 | 3 | 9 => Some(1), // uint8, int8, bool
        1 | 6 => Some(4),     // float, int32
        7 | 11 => Some(8),    // int64, double
        _ => None,
    }
}

/// Checks a graph input or output: a float table with a named first dimension; gives its name.
fn interface<'a>(
    message: &'a [u8],
    what: &'static str,
    width: usize,
) -> Result<&'a str, CheckError> {
    let (mut name, mut shape) = ("", None);
    for field in Fields::of(message) {
        match field.map_err(bad(what))? {
            (1, Value::Bytes(bytes)) => name = text(bytes, what)?,
            (2, Value::Bytes(bytes)) => shape = float_shape(bytes, what)?,
            _ => {}
        }
    }
    let expected = [None, Some(width as u64)];
    if name.is_empty() || shape.is_none_or(|shape| shape != expected) {
        return Err(CheckError::Interface { what, width });
    }
    Ok(name)
}

/// The dimensions of a `TypeProto` that is a tensor of 32-bit floats; a named dimension is `None`.
fn float_shape(message: &[u8], what: &'static str) -> Result<Option<Vec<Option<u64>>>, CheckError> {
    let Some(tensor) = message_at(message, 1, what)? else { return Ok(None) };
    let (mut is_float, mut dims) = (false, Vec::new());
    for field in Fields::of(tensor) {
        match field.map_err(bad(what))? {
            (1, Value::Varint(element)) => is_float = element == 1,
            (2, Value::Bytes(shape)) => {
                for dim in Fields::of(shape) {
                    if let (1, Value::Bytes(dim)) = dim.map_err(bad(what))? {
                        dims.push(dimension(dim, what)?);
                        limit("dimensions", dims.len(), 2)?;
                    }
                }
            }
            _ => {}
        }
    }
    // A dimension that is neither named nor positive is recorded as zero, which matches nothing.
    Ok(is_float.then_some(dims))
}

fn dimension(message: &[u8], what: &'static str) -> Result<Option<u64>, CheckError> {
    let mut found = Some(0);
    for field in Fields::of(message) {
        match field.map_err(bad(what))? {
            (1, Value::Varint(size)) => found = Some(size),
            (2, Value::Bytes(name)) if !name.is_empty() => found = None,
            _ => {}
        }
    }
    Ok(found)
}

fn message_at<'a>(
    message: &'a [u8],
    wanted: u64,
    part: &'static str,
) -> Result<Option<&'a [u8]>, CheckError> {
    let mut found = None;
    for field in Fields::of(message) {
        if let (number, Value::Bytes(bytes)) = field.map_err(bad(part))?
            && number == wanted
        {
            found = Some(bytes);
        }
    }
    Ok(found)
}

fn limit(what: &'static str, got: usize, max: usize) -> Result<(), CheckError> {
    if got <= max { Ok(()) } else { Err(CheckError::TooMany { what, got, max }) }
}

fn is_default(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn text<'a>(bytes: &'a [u8], part: &'static str) -> Result<&'a str, CheckError> {
    std::str::from_utf8(bytes).map_err(|_| CheckError::Malformed { part })
}

fn bad(part: &'static str) -> impl Fn(Malformed) -> CheckError {
    move |Malformed| CheckError::Malformed { part }
}

fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHIPPED: &[u8] = include_bytes!("../bundles/heart-disease/backbone.onnx");

    /// A protobuf field of wire type 2.
    fn part(number: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = body.len();
        while length >= 0x80 {
            out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend(body);
        out
    }

    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    fn table(field: u8, name: &str, width: u8) -> Vec<u8> {
        let dims = [part(1, &part(2, b"batch")), part(1, &number(1, width))].concat();
        let tensor = [number(1, 1), part(2, &dims)].concat();
        part(field, &[part(1, name.as_bytes()), part(2, &part(1, &tensor))].concat())
    }

    fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> Vec<u8> {
        let inputs = inputs.iter().flat_map(|name| part(1, name.as_bytes()));
        let outputs = outputs.iter().flat_map(|name| part(2, name.as_bytes()));
        part(1, &inputs.chain(outputs).chain(part(4, operator.as_bytes())).collect::<Vec<_>>())
    }

    /// Float initializer of shape `[2]`, with `extra` fields.
    fn tensor(name: &str, extra: &[u8]) -> Vec<u8> {
        let fields = [number(1, 2), number(2, 1), part(8, name.as_bytes()), part(9, &[0; 8])];
        [fields.concat(), extra.to_vec()].concat()
    }

    fn model(graph: &[&[u8]], extra: &[u8]) -> Vec<u8> {
        [part(7, &graph.concat()), part(8, &number(2, 17)), extra.to_vec()].concat()
    }

    /// `y = x + w`, two columns wide, with `more` in the graph.
    fn sum_with(more: &[u8]) -> Vec<u8> {
        let graph: [&[u8]; 5] = [
            &part(5, &tensor("w", &[])),
            &table(11, "x", 2),
            &node("Add", &["x", "w"], &["y"]),
            &table(12, "y", 2),
            more,
        ];
        model(&graph, &[])
    }

    #[track_caller]
    fn refused(model: &[u8]) -> CheckError {
        check(model, 2, 2).unwrap_err()
    }

    #[test]
    fn good_models_pass() {
        assert_eq!(check(SHIPPED, 13, 34), Ok(()));
        assert_eq!(check(&sum_with(&[]), 2, 2), Ok(()));
    }

    #[test]
    fn the_operators_are_named_once() {
        let distinct: HashSet<_> = OPERATORS.iter().collect();
        assert_eq!(distinct.len(), OPERATORS.len());
    }

    #[test]
    fn another_width_is_refused() {
        for (columns, features) in [(12, 34), (13, 33), (0, 34)] {
            assert!(matches!(check(SHIPPED, columns, features), Err(CheckError::Interface { .. })));
        }
    }

    #[test]
    fn an_initializer_that_is_an_input_too_is_refused() {
        // The very model on which tract aborts the process.
        let twice = sum_with(&table(11, "w", 2));
        assert_eq!(refused(&twice), CheckError::MadeTwice { name: "w".to_owned() });
    }

    #[test]
    fn data_outside_the_model_is_refused() {
        let located = part(5, &tensor("e", &number(14, 1)));
        let path = part(13, &[part(1, b"location"), part(2, b"/etc/passwd")].concat());
        let pathed = part(5, &tensor("e", &path));
        for more in [located, pathed] {
            let expected = CheckError::ExternalData { name: "e".to_owned() };
            assert_eq!(refused(&sum_with(&more)), expected);
        }
        // Inside a node's attribute too.
        let constant = [
            part(2, b"c"),
            part(4, b"Constant"),
            part(5, &[part(1, b"value"), part(5, &tensor("e", &path))].concat()),
        ];
        let hidden = sum_with(&part(1, &constant.concat()));
        assert_eq!(refused(&hidden), CheckError::ExternalData { name: "e".to_owned() });
    }

    #[test]
    fn custom_domains_and_unknown_operators_are_refused() {
        let set = part(8, &[part(1, b"com.evil"), number(2, 1)].concat());
        let custom = model(&[], &set);
        assert!(matches!(refused(&custom), CheckError::OperatorSet { version: 1, .. }));
        let old = [part(7, &[]), part(8, &number(2, 1))].concat();
        assert!(matches!(refused(&old), CheckError::OperatorSet { version: 1, .. }));
        for operator in ["Loop", "If", "Expand", "ConstantOfShape", "RandomNormal", "add", ""] {
            let more = node(operator, &["x"], &["z"]);
            let error = refused(&sum_with(&more));
            assert!(matches!(error, CheckError::Operator { node: 2, .. }), "{operator}: {error}");
        }
        let foreign = part(1, &[part(4, b"Add"), part(7, b"com.evil")].concat());
        assert!(matches!(refused(&sum_with(&foreign)), CheckError::Operator { .. }));
    }

    #[test]
    fn shapes_that_do_not_agree_with_their_data_are_refused() {
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        let absurd = [&[1 << 3][..], &huge].concat(); // another dimension, 2^63 - 1
        for extra in [number(1, 3), absurd, number(2, 8), number(2, 10), part(4, &[0; 8])] {
            let error = refused(&sum_with(&part(5, &tensor("t", &extra))));
            assert!(matches!(error, CheckError::Tensor { .. }), "{extra:?}: {error}");
        }
        let negative: Vec<u8> = [vec![1 << 3], vec![0xff; 9], vec![1]].concat(); // -1
        let error = refused(&sum_with(&part(5, &tensor("t", &negative))));
        assert!(matches!(error, CheckError::Tensor { .. }));
    }

    #[test]
    fn values_are_made_once_and_before_their_use() {
        let early = model(
            &[&table(11, "x", 2), &node("Abs", &["z"], &["y"]), &node("Abs", &["x"], &["z"])],
            &[],
        );
        assert_eq!(refused(&early), CheckError::NotMade { name: "z".to_owned() });
        let again = sum_with(&node("Abs", &["x"], &["y"]));
        assert_eq!(refused(&again), CheckError::MadeTwice { name: "y".to_owned() });
        let never = model(&[&table(11, "x", 2), &table(12, "y", 2)], &[]);
        assert_eq!(refused(&never), CheckError::NotMade { name: "y".to_owned() });
        let through = model(&[&table(11, "x", 2), &table(12, "x", 2)], &[]);
        assert!(matches!(refused(&through), CheckError::Interface { what: "output", .. }));
    }

    #[test]
    fn integers_that_depend_on_data_are_refused() {
        let integers = CheckError::Integers { node: 2 };
        assert_eq!(refused(&sum_with(&node("Gather", &["x", "x"], &["z"]))), integers);
        assert_eq!(refused(&sum_with(&node("Gather", &["x"], &["z"]))), integers);
        let cast = |to| {
            let attribute = [part(1, b"to"), number(3, to)].concat();
            let fields = [part(1, b"x"), part(2, b"z"), part(4, b"Cast"), part(5, &attribute)];
            sum_with(&part(1, &fields.concat()))
        };
        assert_eq!(refused(&cast(7)), integers);
        assert_eq!(refused(&cast(0)), integers);
        assert_eq!(check(&cast(9), 2, 2), Ok(()));
        let indices = [number(1, 2), number(2, 7), part(8, b"i"), part(9, &[0; 16])].concat();
        let constant = [part(5, &indices), node("Gather", &["x", "i"], &["z"])].concat();
        assert_eq!(check(&sum_with(&constant), 2, 2), Ok(()));
    }

    #[test]
    fn parts_that_a_frozen_network_does_not_need_are_refused() {
        for (field, in_graph) in [(14, true), (15, true), (20, false)] {
            // Field 25, functions, takes a two-byte key and is below.
            let more = part(field & 0x1f, &[]);
            let keyed =
                if field < 16 { more } else { vec![(field << 3 & 0x7f) | 0x82, field >> 4, 0] };
            let bytes = if in_graph { sum_with(&keyed) } else { [sum_with(&[]), keyed].concat() };
            assert!(matches!(refused(&bytes), CheckError::Forbidden { .. }), "{field}");
        }
        let functions = [sum_with(&[]), vec![0xca, 0x01, 0]].concat();
        assert_eq!(refused(&functions), CheckError::Forbidden { what: "functions" });
        let nested = part(1, &[part(4, b"Abs"), part(5, &part(6, &[]))].concat());
        assert!(matches!(refused(&sum_with(&nested)), CheckError::Forbidden { .. }));
    }

    #[test]
    fn too_many_nodes_are_not_even_collected() {
        let nodes = node("Abs", &["x"], &[]).repeat(NODES_MAX + 1);
        let error = refused(&model(&[&nodes], &[]));
        assert!(matches!(error, CheckError::TooMany { what: "nodes", .. }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn a_bent_model_never_panics(
            at in 0..SHIPPED.len(), to in any::<u8>(), cut in 0..SHIPPED.len()
        ) {
            let mut model = SHIPPED.to_vec();
            model[at] = to;
            let whole = check(&model, 13, 34);
            if to == SHIPPED[at] {
                prop_assert_eq!(whole, Ok(()));
            }
            prop_assert!(check(&SHIPPED[..cut], 13, 34).is_err());
        }
    }
}
