//! Large weights that a model keeps as bytes with scales, `Mul(Cast(W), scale)`, multiplied out before
//! the embedded engine loads it: that engine does so itself up to a size only, and multiplies larger
//! ones out in every run. ONNX Runtime does this by itself.
//!
//! Of a table whose rows tokens choose, the chosen rows are multiplied out, so that it stays as small
//! as it was. What the engine folds itself is left to it: it makes one matrix of floats after the
//! other, while here all of them would be in memory at once, twice. Every number is the product that it
//! was before: results are the same, bit for bit. What does not look like such weights stays as it is.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.19, Apache-2.0).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::protobuf::{Fields, Malformed, Value, put, varint};

/// ONNX's numbers of types of elements.
const FLOAT: u64 = 1;
const UINT8: u64 = 2;
const INT8: u64 = 3;

/// Bytes of the largest product that the engine makes once, when it loads a model: tract-core's
/// `CONST_FOLD_MEM_BUDGET`.
const ENGINE_FOLDS: usize = 4 << 20;

/// Fields of a model, and of its graph.
const GRAPH: u64 = 7;
const NODE: u64 = 1;
const INITIALIZER: u64 = 5;
const OUTPUT: u64 = 12;

/// A model that has passed the check, or one that computes the same with its large weights multiplied
/// out.
pub(crate) fn fold(model: &[u8]) -> Cow<'_, [u8]> {
    fold_above(model, ENGINE_FOLDS)
}

/// As [`fold`], with weights multiplied out whose product has more bytes than this.
fn fold_above(model: &[u8], bytes: usize) -> Cow<'_, [u8]> {
    folded(model, bytes).ok().flatten().map_or(Cow::Borrowed(model), Cow::Owned)
}

fn folded(model: &[u8], above: usize) -> Result<Option<Vec<u8>>, Malformed> {
    let mut out = Vec::new();
    for field in Fields::of(model) {
        let (number, value) = field?;
        let (GRAPH, Value::Bytes(bytes)) = (number, value) else {
            put(&mut out, number, value);
            continue;
        };
        let Some(graph) = Graph::parse(bytes)?.folded(above) else { return Ok(None) };
        put(&mut out, GRAPH, Value::Bytes(&graph));
    }
    Ok(Some(out))
}

/// What folding needs of a graph; names are bytes.
#[derive(Default)]
struct Graph<'a> {
    fields: Vec<(u64, Value<'a>)>,
    nodes: Vec<Node<'a>>,
    tensors: HashMap<&'a [u8], Tensor<'a>>,
    outputs: Vec<&'a [u8]>,
    /// Which nodes take a value.
    users: HashMap<&'a [u8], Vec<usize>>,
    /// Which node makes it.
    maker: HashMap<&'a [u8], usize>,
}

#[derive(Default)]
struct Node<'a> {
    operator: &'a [u8],
    inputs: Vec<&'a [u8]>,
    outputs: Vec<&'a [u8]>,
    /// Of a `Cast`: to which type.
    to: u64,
    /// Of a `Gather`: along which dimension.
    axis: u64,
}

#[derive(Default)]
struct Tensor<'a> {
    dims: Vec<u64>,
    data_type: u64,
    /// Its numbers, little-endian; empty when they are kept in another way.
    raw: &'a [u8],
}

/// The weights that a `Mul` makes.
struct Weights<'a> {
    table: &'a [u8],
    scale: &'a [u8],
    along: Along,
    /// The node that makes floats of the table.
    cast: usize,
    product: &'a [u8],
}

/// What the scales of a table are for.
#[derive(Clone, Copy)]
enum Along {
    /// There is one.
    Nothing,
    Rows,
    Columns,
}

/// What is appended to the name of chosen rows, for their bytes, their floats and their scales.
const PARTS: [&[u8]; 3] = [b"/bytes", b"/floats", b"/scales"];

/// What takes the place of nodes and initializers.
#[derive(Default)]
struct Changes<'a> {
    nodes: HashMap<usize, Vec<Vec<u8>>>,
    dropped: HashSet<&'a [u8]>,
    made: Vec<Vec<u8>>,
}

impl<'a> Graph<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut graph = Self::default();
        for field in Fields::of(message) {
            let (number, value) = field?;
            graph.fields.push((number, value));
            let Value::Bytes(bytes) = value else { continue };
            match number {
                NODE => {
                    let (at, node) = (graph.nodes.len(), Node::parse(bytes)?);
                    node.inputs
                        .iter()
                        .for_each(|name| graph.users.entry(name).or_default().push(at));
                    graph.maker.extend(node.outputs.iter().map(|name| (*name, at)));
                    graph.nodes.push(node);
                }
                INITIALIZER => {
                    let (name, tensor) = Tensor::parse(bytes)?;
                    graph.tensors.insert(name, tensor);
                }
                OUTPUT => graph.outputs.extend(all_bytes(bytes, 1)?),
                _ => {}
            }
        }
        Ok(graph)
    }

    /// The graph with its weights multiplied out; `None` when it has none of them.
    fn folded(&self, above: usize) -> Option<Vec<u8>> {
        let mut changes = Changes::default();
        for (at, node) in self.nodes.iter().enumerate() {
            let Some(weights) = self.weights(node) else { continue };
            let users = self.users.get(weights.product).map_or(&[][..], Vec::as_slice);
            if !users.is_empty() && users.iter().all(|user| self.chooses(*user, &weights)) {
                for user in users {
                    changes.nodes.insert(*user, self.choice(&self.nodes[*user], &weights));
                }
            } else if size_of::<f32>() * self.tensors[weights.table].raw.len() <= above {
                continue;
            } else {
                changes.made.push(self.multiplied(&weights));
                let parts = [weights.table, weights.scale].into_iter();
                changes
                    .dropped
                    .extend(parts.filter(|part| {
                        self.users[part].len() == 1 && !self.outputs.contains(part)
                    }));
            }
            changes.nodes.extend([(at, Vec::new()), (weights.cast, Vec::new())]);
        }
        if changes.nodes.is_empty() { None } else { Some(self.with(changes)) }
    }

    fn with(&self, mut changes: Changes<'a>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        for (number, value) in &self.fields {
            match (*number, value) {
                (NODE, Value::Bytes(_)) => {
                    match changes.nodes.remove(&at) {
                        Some(nodes) => {
                            nodes.iter().for_each(|node| put(&mut out, NODE, Value::Bytes(node)));
                        }
                        None => put(&mut out, NODE, *value),
                    }
                    at += 1;
                }
                (INITIALIZER, Value::Bytes(bytes))
                    if Tensor::parse(bytes)
                        .is_ok_and(|(name, _)| changes.dropped.contains(name)) => {}
                _ => put(&mut out, *number, *value),
            }
        }
        for tensor in &changes.made {
            put(&mut out, INITIALIZER, Value::Bytes(tensor));
        }
        out
    }
}

impl<'a> Graph<'a> {
    /// What weights a node makes, if nothing else takes parts of them.
    fn weights(&self, node: &Node<'a>) -> Option<Weights<'a>> {
        let ([one, other], [product]) = (&node.inputs[..], &node.outputs[..]) else { return None };
        if node.operator != b"Mul" || self.outputs.contains(product) {
            return None;
        }
        let (cast, scale) =
            [(one, other), (other, one)].into_iter().find_map(|(floats, scale)| {
                let cast = *self.maker.get(floats)?;
                let alone = self.users[floats].len() == 1 && !self.outputs.contains(floats);
                (alone && self.tensors.contains_key(scale)).then_some((cast, *scale))
            })?;
        let Node { operator: b"Cast", inputs, to: FLOAT, .. } = &self.nodes[cast] else {
            return None;
        };
        let table = *inputs.first()?;
        let along = self.tensors.get(table)?.scaled_by(&self.tensors[scale])?;
        Some(Weights { table, scale, along, cast, product })
    }

    /// Whether a node takes rows of weights that can be multiplied out when they are taken.
    fn chooses(&self, node: usize, weights: &Weights<'_>) -> bool {
        let Node { operator: b"Gather", inputs, outputs, axis: 0, .. } = &self.nodes[node] else {
            return false;
        };
        let ([table, rows], [chosen]) = (&inputs[..], &outputs[..]) else { return false };
        let free = |name: Vec<u8>| {
            !self.maker.contains_key(&name[..]) && !self.tensors.contains_key(&name[..])
        };
        *table == weights.product
            && *rows != weights.product
            && matches!(weights.along, Along::Rows)
            && PARTS.iter().all(|part| free([chosen, *part].concat()))
    }

    /// The nodes that take the same rows of bytes and of scales, and multiply them out.
    fn choice(&self, node: &Node<'_>, weights: &Weights<'_>) -> Vec<Vec<u8>> {
        let (rows, chosen) = (node.inputs[1], node.outputs[0]);
        let [bytes, floats, scales] = &PARTS.map(|part| [chosen, part].concat());
        vec![
            operation("Gather", &[weights.table, rows], bytes, None),
            operation("Cast", &[bytes], floats, Some(("to", FLOAT))),
            operation("Gather", &[weights.scale, rows], scales, None),
            operation("Mul", &[floats, scales], chosen, None),
        ]
    }

    /// An initializer with the product.
    fn multiplied(&self, weights: &Weights<'_>) -> Vec<u8> {
        let (table, scale) = (&self.tensors[weights.table], &self.tensors[weights.scale]);
        let scales: Vec<f32> =
            scale.raw.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let columns = usize::try_from(table.dims[1]).unwrap_or(usize::MAX);
        let mut product = Vec::with_capacity(4 * table.raw.len());
        for (at, byte) in table.raw.iter().enumerate() {
            let scale = scales[match weights.along {
                Along::Nothing => 0,
                Along::Rows => at / columns,
                Along::Columns => at % columns,
            }];
            let number = match table.data_type {
                INT8 => f32::from(byte.cast_signed()),
                _ => f32::from(*byte),
            };
            product.extend((number * scale).to_le_bytes());
        }
        let mut tensor = Vec::with_capacity(product.len() + 64);
        table.dims.iter().for_each(|dim| put(&mut tensor, 1, Value::Varint(*dim)));
        put(&mut tensor, 2, Value::Varint(FLOAT));
        put(&mut tensor, 8, Value::Bytes(weights.product));
        put(&mut tensor, 9, Value::Bytes(&product));
        tensor
    }
}

impl<'a> Node<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut node = Self::default();
        for field in Fields::of(message) {
            match field? {
                (1, Value::Bytes(name)) => node.inputs.push(name),
                (2, Value::Bytes(name)) => node.outputs.push(name),
                (4, Value::Bytes(operator)) => node.operator = operator,
                (5, Value::Bytes(attribute)) => {
                    let (mut name, mut number) = (&[][..], 0);
                    for field in Fields::of(attribute) {
                        match field? {
                            (1, Value::Bytes(bytes)) => name = bytes,
                            (3, Value::Varint(found)) => number = found,
                            _ => {}
                        }
                    }
                    match name {
                        b"to" => node.to = number,
                        b"axis" => node.axis = number,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Ok(node)
    }
}

impl<'a> Tensor<'a> {
    /// A tensor with its name.
    fn parse(message: &'a [u8]) -> Result<(&'a [u8], Self), Malformed> {
        let (mut name, mut tensor) = (&[][..], Self::default());
        for field in Fields::of(message) {
            match field? {
                (1, Value::Varint(dim)) => tensor.dims.push(dim),
                (1, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        tensor.dims.push(varint(&mut packed)?);
                    }
                }
                (2, Value::Varint(data_type)) => tensor.data_type = data_type,
                (8, Value::Bytes(bytes)) => name = bytes,
                (9, Value::Bytes(raw)) => tensor.raw = raw,
                _ => {}
            }
        }
        Ok((name, tensor))
    }

    /// How a table of bytes is scaled by floats, if these are such.
    fn scaled_by(&self, scale: &Tensor<'_>) -> Option<Along> {
        let [rows, columns] = self.dims[..] else { return None };
        let is_table = matches!(self.data_type, UINT8 | INT8)
            && rows.checked_mul(columns)? == self.raw.len() as u64
            && !self.raw.is_empty();
        let (along, numbers) = match scale.dims[..] {
            [] | [1] | [1, 1] => (Along::Nothing, 1),
            [got, 1] if got == rows => (Along::Rows, rows),
            [got] | [1, got] if got == columns => (Along::Columns, columns),
            _ => return None,
        };
        let are_scales = scale.data_type == FLOAT && 4 * numbers == scale.raw.len() as u64;
        (is_table && are_scales).then_some(along)
    }
}

/// All fields of a message with this number that are bytes.
fn all_bytes(message: &[u8], number: u64) -> Result<Vec<&[u8]>, Malformed> {
    let fields = Fields::of(message).collect::<Result<Vec<_>, _>>()?;
    let matching = fields.into_iter().filter_map(|field| match field {
        (found, Value::Bytes(bytes)) if found == number => Some(bytes),
        _ => None,
    });
    Ok(matching.collect())
}

/// A node, named after what it makes, with at most one attribute: an integer.
fn operation(
    operator: &str,
    inputs: &[&[u8]],
    output: &[u8],
    attribute: Option<(&str, u64)>,
) -> Vec<u8> {
    let mut node = Vec::new();
    inputs.iter().for_each(|input| put(&mut node, 1, Value::Bytes(input)));
    put(&mut node, 2, Value::Bytes(output));
    put(&mut node, 3, Value::Bytes(output));
    put(&mut node, 4, Value::Bytes(operator.as_bytes()));
    if let Some((name, number)) = attribute {
        let mut integer = Vec::new();
        put(&mut integer, 1, Value::Bytes(name.as_bytes()));
        put(&mut integer, 3, Value::Varint(number));
        put(&mut integer, 20, Value::Varint(2)); // an integer
        put(&mut node, 5, Value::Bytes(&integer));
    }
    node
}

#[cfg(test)]
mod tests;
