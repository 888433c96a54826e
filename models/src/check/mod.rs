//! Reads an ONNX model before an engine does, and refuses what an engine must not see.
//!
//! Engines trust their models: one aborts the process on a graph input that is an initializer too,
//! another follows a tensor's path to a file on disk, or loads operators from a library. What
//! passes here is self-contained, made of known operators whose results cannot be larger than their
//! inputs make them, with each value made once and before its use, and of the shape that the
//! bundle's manifest says.
//!
//! A backbone of texts takes integers, the tokens, and makes more of them from the length of a text.
//! For it, and for it only, `flow` follows every integer from where it is made to where it is used.
//!
//! That is not all that can be wrong: a constant index out of bounds aborts the embedded engine, and
//! a product of dimensions may ask for more memory than there is. Such a fault shows on every row.
//! In a backbone of texts an index, and a size, may also be made of the dimensions of what it is
//! given: then it may fit one batch and not another. So whoever takes bundles from elsewhere loads a
//! new one in a child process first: loading runs the golden rows, together and one by one, and of
//! texts the longest and the largest batch. What grows with a dimension shows there; what is out of
//! bounds at some size between alone does not, and would end the process that meets it.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.19, Apache-2.0).

mod flow;
mod interface;
mod tensor;

use std::collections::HashMap;

use crate::manifest::{BACKBONE_BYTES_MAX, FEATURES_MAX};
use crate::protobuf::{Fields, Malformed, Value};
use flow::Kind;
use interface::{FLOAT, INT64, TensorType, interface};
use tensor::check_tensor;

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
    /// A backbone of texts with other inputs than tokens, or another first output than floats.
    #[error(
        "the model's {what} is not of a text: 64-bit input_ids, attention_mask and token_type_ids, \
         [named, named], to 32-bit floats, [named, named, features] or [named, features]"
    )]
    TextInterface {
        /// `inputs` or `output`.
        what: &'static str,
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

/// Inputs that a backbone of texts may have; the first one it must have.
pub const TEXT_INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];
/// Most outputs of a backbone of texts; the first one counts.
const OUTPUTS_MAX: usize = 8;

/// What a backbone of texts gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOutput {
    /// Numbers of a vector.
    pub features: usize,
    /// Whether there is one vector for each token, or one for the text.
    pub each_token: bool,
}

/// Checks a backbone that maps `[batch, columns]` to `[batch, features]`.
///
/// # Errors
/// [`CheckError`], the first thing found.
pub fn check(model: &[u8], columns: usize, features: usize) -> Result<(), CheckError> {
    let graph = parse_graph(graph_of(model)?)?;
    let mut names = Names { kinds: graph.initializers, of_texts: false };
    // After all initializers, so that an input of the same name is found whatever the file's order.
    let wrong = |what, width| CheckError::Interface { what, width };
    let table = |message, what, width| {
        let (name, tensor) = interface(message, what)?;
        let expected = TensorType { element: FLOAT, dims: vec![None, Some(width as u64)] };
        if name.is_empty() || tensor != expected { Err(wrong(what, width)) } else { Ok(name) }
    };
    let mut entry = None;
    for input in &graph.inputs {
        let name = table(input, "input", columns)?;
        names.make(name, Kind::Data)?;
        entry = Some(name);
    }
    if graph.inputs.len() != 1 {
        return Err(wrong("input", columns));
    }
    check_nodes(graph.nodes, &mut names)?;
    let [output] = graph.outputs[..] else { return Err(wrong("output", features)) };
    let name = table(output, "output", features)?;
    if entry == Some(name) {
        return Err(wrong("output", features));
    }
    names.used(name)
}

/// Checks a backbone that maps tokens below `vocabulary`, `[batch, length]`, to vectors.
///
/// # Errors
/// [`CheckError`], the first thing found.
pub fn check_text(model: &[u8], vocabulary: usize) -> Result<TextOutput, CheckError> {
    check_typed_text(model, vocabulary, 1)
}

/// As [`check_text`], where the types of tokens are below `types`.
///
/// # Errors
/// [`CheckError`].
pub fn check_typed_text(
    model: &[u8],
    vocabulary: usize,
    types: usize,
) -> Result<TextOutput, CheckError> {
    let graph = parse_graph(graph_of(model)?)?;
    let mut names = Names { kinds: graph.initializers, of_texts: true };
    let wrong = |what| CheckError::TextInterface { what };
    let tokens = TensorType { element: INT64, dims: vec![None, None] };
    let mut found = [false; TEXT_INPUTS.len()];
    for input in &graph.inputs {
        let (name, tensor) = interface(input, "inputs")?;
        let position = TEXT_INPUTS.iter().position(|known| *known == name);
        let position = position.filter(|_| tensor == tokens);
        let position = position.ok_or_else(|| wrong("inputs"))?;
        // Ids and types are checked before a run; masks are ones.
        let below = [vocabulary as u64, 2, types as u64][position];
        names.make(name, Kind::Tokens { below })?;
        found[position] = true;
    }
    if !found[0] {
        return Err(wrong("inputs"));
    }
    check_nodes(graph.nodes, &mut names)?;
    limit("outputs", graph.outputs.len(), OUTPUTS_MAX)?;
    let output = graph.outputs.first().ok_or_else(|| wrong("output"))?;
    let (name, TensorType { element, dims }) = interface(output, "output")?;
    names.used(name)?;
    let (features, each_token) = match dims[..] {
        [None, None, Some(features)] => (features, true),
        [None, Some(features)] => (features, false),
        _ => return Err(wrong("output")),
    };
    let features = usize::try_from(features).ok().filter(|n| (1..=FEATURES_MAX).contains(n));
    match features {
        Some(features) if element == FLOAT && !TEXT_INPUTS.contains(&name) => {
            Ok(TextOutput { features, each_token })
        }
        _ => Err(wrong("output")),
    }
}

/// The one graph of a model of nothing but the default operators.
fn graph_of(model: &[u8]) -> Result<&[u8], CheckError> {
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
    graph.filter(|_| default_set).ok_or(CheckError::Malformed { part: "model" })
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

/// The values of a graph that exist so far, and what is in them.
struct Names<'a> {
    kinds: HashMap<&'a str, Kind>,
    of_texts: bool,
}

impl<'a> Names<'a> {
    fn make(&mut self, name: &'a str, kind: Kind) -> Result<(), CheckError> {
        match self.kinds.insert(name, kind) {
            None => Ok(()),
            Some(_) => Err(CheckError::MadeTwice { name: shortened(name) }),
        }
    }

    fn used(&self, name: &str) -> Result<(), CheckError> {
        self.kind(name).map(|_| ())
    }

    fn kind(&self, name: &str) -> Result<Kind, CheckError> {
        let kind = self.kinds.get(name).copied();
        kind.ok_or_else(|| CheckError::NotMade { name: shortened(name) })
    }
}

/// A graph's parts, its initializers checked.
#[derive(Default)]
struct Graph<'a> {
    nodes: Vec<&'a [u8]>,
    inputs: Vec<&'a [u8]>,
    outputs: Vec<&'a [u8]>,
    initializers: HashMap<&'a str, Kind>,
}

fn parse_graph(message: &[u8]) -> Result<Graph<'_>, CheckError> {
    let mut graph = Graph::default();
    let mut initializers = 0;
    for field in Fields::of(message) {
        match field.map_err(bad("graph"))? {
            (1, Value::Bytes(bytes)) => {
                graph.nodes.push(bytes);
                limit("nodes", graph.nodes.len(), NODES_MAX)?;
            }
            (5, Value::Bytes(bytes)) => {
                initializers += 1;
                limit("initializers", initializers, INITIALIZERS_MAX)?;
                let tensor = check_tensor(bytes)?;
                if graph.initializers.insert(tensor.name, Kind::of_tensor(&tensor)).is_some() {
                    return Err(CheckError::MadeTwice { name: shortened(tensor.name) });
                }
            }
            (11, Value::Bytes(bytes)) => graph.inputs.push(bytes),
            (12, Value::Bytes(bytes)) => graph.outputs.push(bytes),
            (14, _) => return Err(CheckError::Forbidden { what: "quantization annotations" }),
            (15, _) => return Err(CheckError::Forbidden { what: "sparse initializers" }),
            _ => {}
        }
    }
    Ok(graph)
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
    /// Attribute `axis`; negative ones are large here.
    axis: u64,
    /// What the attributes hold: the value of a `Constant`, what a `ConstantOfShape` is filled with.
    value: Option<Kind>,
}

fn check_nodes<'a>(nodes: Vec<&'a [u8]>, names: &mut Names<'a>) -> Result<(), CheckError> {
    for (index, message) in nodes.into_iter().enumerate() {
        let position = index + 1;
        let node = parse_node(message)?;
        let known = OPERATORS.contains(&node.operator)
            || (names.of_texts && flow::OPERATORS.contains(&node.operator));
        if !is_default(node.domain) || !known {
            return Err(CheckError::Operator {
                node: position,
                domain: shortened(node.domain),
                operator: shortened(node.operator),
            });
        }
        // An empty name is an input left out.
        let mut kinds = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            kinds.push(if name.is_empty() { None } else { Some(names.kind(name)?) });
        }
        let result =
            if names.of_texts { flow::follow(&node, &kinds) } else { fixed(&node, &kinds) };
        let kind = result.ok_or(CheckError::Integers { node: position })?;
        for (output, name) in node.outputs.into_iter().enumerate() {
            // Quantisation gives its scale beside the numbers.
            let scale = output == 1 && node.operator == "DynamicQuantizeLinear";
            if !name.is_empty() {
                names.make(name, if scale { Kind::Data } else { kind })?;
            }
        }
    }
    Ok(())
}

/// What a node makes where integers are constants; `None` when it makes integers of data, or uses
/// such as indices.
fn fixed(node: &Node<'_>, inputs: &[Option<Kind>]) -> Option<Kind> {
    let is_constant =
        |position: usize| matches!(inputs.get(position), Some(Some(Kind::Constant { .. })));
    match node.operator {
        "Cast" if ![1, 9, 11].contains(&node.to) => None, // float, bool, double
        "Gather" if !is_constant(1) => None,
        "Constant" => Some(node.value.unwrap_or(Kind::Constant { rows: 0, most: None })),
        _ => Some(Kind::Data),
    }
}

fn parse_node(message: &[u8]) -> Result<Node<'_>, CheckError> {
    let mut node = Node::default();
    for field in Fields::of(message) {
        match field.map_err(bad("node"))? {
            (1, Value::Bytes(bytes)) => node.inputs.push(text(bytes, "node")?),
            (2, Value::Bytes(bytes)) => node.outputs.push(text(bytes, "node")?),
            (4, Value::Bytes(bytes)) => node.operator = text(bytes, "node")?,
            (5, Value::Bytes(bytes)) => attribute(bytes, &mut node)?,
            (7, Value::Bytes(bytes)) => node.domain = text(bytes, "node")?,
            _ => {}
        }
        limit("values of a node", node.inputs.len() + node.outputs.len(), NODE_VALUES_MAX)?;
    }
    Ok(node)
}

/// An attribute may hold numbers, text and one tensor; never a graph.
fn attribute(message: &[u8], node: &mut Node<'_>) -> Result<(), CheckError> {
    let (mut name, mut integer, mut value, mut most) = ("", 0, None, None::<u64>);
    for field in Fields::of(message) {
        match field.map_err(bad("attribute"))? {
            (1, Value::Bytes(bytes)) => name = text(bytes, "attribute")?,
            (3, Value::Varint(number)) => integer = number,
            (5, Value::Bytes(bytes)) => value = Some(Kind::of_tensor(&check_tensor(bytes)?)),
            (8, Value::Bytes(packed)) => {
                let largest = tensor::largest_varint(packed).map_err(bad("attribute"))?;
                most = most.max(Some(largest));
            }
            (8, Value::Varint(number)) => {
                most = most.max(Some(number.cast_signed().unsigned_abs()))
            }
            (6 | 11, _) => return Err(CheckError::Forbidden { what: "a graph within a node" }),
            (10, _) => return Err(CheckError::Forbidden { what: "a list of tensors in a node" }),
            (22 | 23, _) => return Err(CheckError::Forbidden { what: "a sparse tensor" }),
            _ => {}
        }
    }
    match name {
        "to" => node.to = integer,
        "axis" => node.axis = integer,
        "value" => node.value = value,
        "value_int" => {
            let most = Some(integer.cast_signed().unsigned_abs());
            node.value = Some(Kind::Constant { rows: 0, most });
        }
        "value_ints" => node.value = Some(Kind::Constant { rows: 0, most }),
        _ => {}
    }
    Ok(())
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
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const SHIPPED: &[u8] = include_bytes!("../../bundles/heart-disease/backbone.onnx");

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
        let all = || OPERATORS.iter().chain(flow::OPERATORS);
        let distinct: HashSet<_> = all().collect();
        assert_eq!(distinct.len(), all().count());
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

    /// Tokens of a text, `[batch, length]`, or, with `data_type` 1, something else.
    fn tokens(name: &str, data_type: u8) -> Vec<u8> {
        let dims = ["batch", "length"].map(|dim| part(1, &part(2, dim.as_bytes()))).concat();
        let tensor = [number(1, data_type), part(2, &dims)].concat();
        part(11, &[part(1, name.as_bytes()), part(2, &part(1, &tensor))].concat())
    }

    /// Integer initializer of shape `[values]`.
    fn integers(name: &str, values: &[i64]) -> Vec<u8> {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let length = number(1, u8::try_from(values.len()).unwrap());
        part(5, &[length, number(2, 7), part(8, name.as_bytes()), part(9, &raw)].concat())
    }

    /// Vectors of a vocabulary of three, two wide: `y = Gather(w, input_ids)`, and `more` before it.
    fn text_with(more: &[u8]) -> Vec<u8> {
        let weights =
            [number(1, 3), number(1, 2), number(2, 1), part(8, b"w"), part(9, &[0; 24])].concat();
        let dims = [part(1, &part(2, b"b")), part(1, &part(2, b"l")), part(1, &number(1, 2))];
        let tensor = [number(1, 1), part(2, &dims.concat())].concat();
        let graph: [&[u8]; 5] = [
            &part(5, &weights),
            &tokens("input_ids", 7),
            more,
            &node("Gather", &["w", "input_ids"], &["y"]),
            &part(12, &[part(1, b"y"), part(2, &part(1, &tensor))].concat()),
        ];
        model(&graph, &[])
    }

    #[track_caller]
    fn refused_text(more: &[&[u8]]) -> CheckError {
        check_text(&text_with(&more.concat()), 3).unwrap_err()
    }

    #[test]
    fn a_backbone_of_texts_passes_and_no_table_does() {
        let expected = TextOutput { features: 2, each_token: true };
        assert_eq!(check_text(&text_with(&[]), 3), Ok(expected));
        let all = [tokens("attention_mask", 7), tokens("token_type_ids", 7)].concat();
        assert_eq!(check_text(&text_with(&all), 2), Ok(expected));
        for wrong in [tokens("position_ids", 7), tokens("attention_mask", 1), table(11, "x", 2)] {
            let error = refused_text(&[&wrong]);
            assert_eq!(error, CheckError::TextInterface { what: "inputs" });
        }
        assert!(matches!(check(&text_with(&[]), 2, 2), Err(CheckError::Interface { .. })));
        let error = check_text(&sum_with(&[]), 3);
        assert!(matches!(error, Err(CheckError::TextInterface { .. })));
    }

    #[test]
    fn tokens_index_nothing_that_is_smaller_than_their_vocabulary() {
        let error = check_text(&text_with(&[]), 4);
        assert_eq!(error, Err(CheckError::Integers { node: 1 }));
        // Along another axis, and in what is no table of constants.
        let along = [part(1, b"axis"), number(3, 1)].concat();
        let fields = [part(1, b"w"), part(1, b"input_ids"), part(2, b"z"), part(4, b"Gather")];
        let other_axis = part(1, &[fields.concat(), part(5, &along)].concat());
        let of_data = node("Gather", &["input_ids", "input_ids"], &["z"]);
        for more in [other_axis, of_data] {
            assert_eq!(refused_text(&[&more]), CheckError::Integers { node: 1 });
        }
    }

    #[test]
    fn types_of_tokens_index_a_table_with_a_row_for_each() {
        let table =
            [number(1, 2), number(1, 2), number(2, 1), part(8, b"t"), part(9, &[0; 16])].concat();
        let typed = [
            part(5, &table),
            tokens("token_type_ids", 7),
            node("Gather", &["t", "token_type_ids"], &["z"]),
        ];
        let typed = text_with(&typed.concat());
        assert!(check_text(&typed, 3).is_ok());
        assert!(check_typed_text(&typed, 3, 2).is_ok());
        assert_eq!(check_typed_text(&typed, 3, 3), Err(CheckError::Integers { node: 1 }));
    }

    #[test]
    fn sizes_come_from_dimensions_and_constants_of_bounded_size() {
        let shape = node("Shape", &["input_ids"], &["s"]);
        let expand = node("Expand", &["w", "n"], &["z"]);
        let fine = [&shape[..], &integers("n", &[4096]), &expand].concat();
        assert!(check_text(&text_with(&fine), 3).is_ok());
        for size in [4097, i64::MAX, i64::MIN] {
            let error = refused_text(&[&integers("n", &[size]), &expand]);
            assert_eq!(error, CheckError::Integers { node: 1 }, "{size}");
        }
        // The product of two dimensions is not bounded by either.
        let square = node("Mul", &["s", "s"], &["n"]);
        assert_eq!(refused_text(&[&shape, &square, &expand]), CheckError::Integers { node: 3 });
        // Sizes that the data says, directly and by way of a cast.
        let direct = node("Expand", &["w", "input_ids"], &["z"]);
        assert_eq!(refused_text(&[&direct]), CheckError::Integers { node: 1 });
        let sum = node("Add", &["input_ids", "input_ids"], &["n"]);
        assert_eq!(refused_text(&[&sum]), CheckError::Integers { node: 1 });
        let cast = |from: &str, to: &str, data_type| {
            let attribute = [part(1, b"to"), number(3, data_type)].concat();
            let fields = [part(1, from.as_bytes()), part(2, to.as_bytes()), part(4, b"Cast")];
            part(1, &[fields.concat(), part(5, &attribute)].concat())
        };
        let there_and_back = [cast("input_ids", "f", 1), cast("f", "n", 7)];
        assert_eq!(
            refused_text(&[&there_and_back[0], &there_and_back[1]]),
            CheckError::Integers { node: 2 }
        );
        let chosen = node("Where", &["f", "s", "s"], &["n"]);
        let error = refused_text(&[&shape, &cast("input_ids", "f", 9), &chosen, &expand]);
        assert_eq!(error, CheckError::Integers { node: 4 });
    }

    #[test]
    fn nothing_is_divided_by_a_dimension_or_by_what_is_made_of_some() {
        let shape = node("Shape", &["input_ids"], &["s"]);
        let by = |divisor: &str| node("Div", &["s", divisor], &["z"]);
        // length - 8 is zero for texts of eight tokens only.
        let less = [integers("n", &[8, 8]), node("Sub", &["s", "n"], &["d"])].concat();
        assert_eq!(refused_text(&[&shape, &less, &by("d")]), CheckError::Integers { node: 3 });
        assert_eq!(refused_text(&[&shape, &by("s")]), CheckError::Integers { node: 2 });
        let constant = node("Div", &["n", "s"], &["z"]);
        let error = refused_text(&[&shape, &integers("n", &[8, 8]), &constant]);
        assert_eq!(error, CheckError::Integers { node: 2 });
        let halves = [shape, integers("n", &[2, 2]), by("n")].concat();
        assert!(check_text(&text_with(&halves), 3).is_ok());
    }

    #[test]
    fn control_flow_and_strings_stay_out_of_texts_too() {
        for operator in
            ["Loop", "If", "Scan", "Tile", "NonZero", "RandomNormal", "StringNormalizer"]
        {
            let error = refused_text(&[&node(operator, &["w"], &["z"])]);
            assert!(matches!(error, CheckError::Operator { node: 1, .. }), "{operator}: {error}");
        }
        // What only texts need stays out of tables.
        let error = refused(&sum_with(&node("Shape", &["x"], &["z"])));
        assert!(matches!(error, CheckError::Operator { .. }));
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
