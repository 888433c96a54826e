//! A network for pictures of any size, by an engine that may know only networks of one size.
//!
//! The embedded engine cannot prove that the branches of the detector have the same size when that
//! of the picture is a name; with numbers in its place it can. So the model is given the size of the
//! picture before it is loaded, and loaded again for another size: that takes a tenth of a second,
//! a run ten times as long.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.19, Apache-2.0).

use ort::session::Session;
use ort::value::TensorRef;

use crate::engine::{Engine, EngineError};
use crate::protobuf::{Fields, Malformed, Value};

/// Of a model, its graph; of a graph, an input.
const GRAPH: u64 = 7;
const INPUT: u64 = 11;

/// Height, width, and what stands before them.
pub(super) type Shape = [usize; 4];

/// A network at work: its model, and sessions of the sizes that were last asked for.
pub(super) struct Network {
    engine: Engine,
    model: Vec<u8>,
    sessions: Vec<(Shape, Session)>,
    /// Sessions that are kept.
    sessions_max: usize,
}

impl Network {
    /// Loads a model that takes one picture, for one of this size, and keeps so many sizes ready.
    pub(super) fn load(
        engine: &Engine,
        model: &[u8],
        shape: Shape,
        sessions_max: usize,
    ) -> Result<Self, EngineError> {
        // What does not load at all is told now.
        let sessions = vec![(shape, engine.measured(&sized(model, shape)?)?)];
        Ok(Self { engine: engine.clone(), model: model.to_vec(), sessions, sessions_max })
    }

    /// What the network says of a picture.
    pub(super) fn run(&mut self, values: &[f32], shape: Shape) -> Result<Vec<f32>, EngineError> {
        // The one that was used last is the last.
        match self.sessions.iter().position(|(of, _)| *of == shape) {
            Some(at) => self.sessions[at..].rotate_left(1),
            None => {
                if self.sessions.len() == self.sessions_max {
                    self.sessions.remove(0);
                }
                self.sessions.push((shape, self.engine.measured(&sized(&self.model, shape)?)?));
            }
        }
        let last = self.sessions.len() - 1;
        let session = &mut self.sessions[last].1;
        let run = |source| EngineError::Run { source };
        let input = TensorRef::from_array_view((shape, values)).map_err(run)?;
        let outputs = session.run(ort::inputs![input]).map_err(run)?;
        let (_, numbers) = outputs[0].try_extract_tensor::<f32>().map_err(run)?;
        Ok(numbers.to_vec())
    }
}

/// The model with an input of this shape.
fn sized(model: &[u8], shape: Shape) -> Result<Vec<u8>, EngineError> {
    let graph =
        |graph: &[u8]| changed(graph, INPUT, |input| changed(input, 2, |_| Ok(tensor(shape))));
    changed(model, GRAPH, graph).map_err(|Malformed| EngineError::Refused {
        source: crate::check::CheckError::Malformed { part: "the model of pictures" },
    })
}

/// The type of a tensor of floats.
fn tensor(shape: Shape) -> Vec<u8> {
    let mut dimensions = Vec::new();
    for size in shape {
        let mut dimension = Vec::new();
        number(&mut dimension, 1, size as u64);
        bytes(&mut dimensions, 1, &dimension);
    }
    let (mut tensor, mut of) = (Vec::new(), Vec::new());
    number(&mut tensor, 1, 1);
    bytes(&mut tensor, 2, &dimensions);
    bytes(&mut of, 1, &tensor);
    of
}

/// The message with each of these fields changed.
fn changed(
    message: &[u8],
    field: u64,
    mut change: impl FnMut(&[u8]) -> Result<Vec<u8>, Malformed>,
) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(message.len() + 64);
    for part in Fields::of(message) {
        match part? {
            (of, Value::Bytes(value)) if of == field => bytes(&mut out, of, &change(value)?),
            (of, Value::Bytes(value)) => bytes(&mut out, of, value),
            (of, Value::Varint(value)) => number(&mut out, of, value),
            (of, Value::Fixed(value)) => {
                varint(&mut out, of << 3 | if value.len() == 4 { 5 } else { 1 });
                out.extend_from_slice(value);
            }
        }
    }
    Ok(out)
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network that gives back its picture, whose size is four names.
    fn echo() -> Vec<u8> {
        let value = |name: &str| {
            let (mut out, mut dims, mut tensor, mut of) = (vec![], vec![], vec![], vec![]);
            for dim in ["n", "c", "h", "w"] {
                let mut named = Vec::new();
                bytes(&mut named, 2, dim.as_bytes());
                bytes(&mut dims, 1, &named);
            }
            number(&mut tensor, 1, 1);
            bytes(&mut tensor, 2, &dims);
            bytes(&mut of, 1, &tensor);
            bytes(&mut out, 1, name.as_bytes());
            bytes(&mut out, 2, &of);
            out
        };
        let (mut node, mut graph, mut model, mut opset) = (vec![], vec![], vec![], vec![]);
        bytes(&mut node, 1, b"x");
        bytes(&mut node, 2, b"y");
        bytes(&mut node, 4, b"Relu");
        bytes(&mut graph, 1, &node);
        bytes(&mut graph, 2, b"echo");
        bytes(&mut graph, INPUT, &value("x"));
        bytes(&mut graph, 12, &value("y"));
        number(&mut opset, 2, 12);
        number(&mut model, 1, 8);
        bytes(&mut model, GRAPH, &graph);
        bytes(&mut model, 8, &opset);
        model
    }

    #[test]
    fn only_the_size_of_the_input_changes() {
        let model = echo();
        let same = changed(&model, GRAPH, |graph| changed(graph, INPUT, |of| Ok(of.to_vec())));
        assert_eq!(same, Ok(model.clone()));
        let sized = sized(&model, [1, 3, 64, 300]).unwrap();
        let expected = tensor([1, 3, 64, 300]);
        assert!(sized.windows(expected.len()).any(|window| window == expected));
        assert!(super::sized(&model[..model.len() - 1], [1, 3, 64, 64]).is_err());
    }

    #[test]
    fn one_network_takes_pictures_of_several_sizes() {
        let engine = Engine::start(&crate::engine::Library::Embedded).unwrap();
        let mut network = Network::load(&engine, &echo(), [1, 3, 32, 32], 2).unwrap();
        for (height, width) in [(32, 64), (64, 32), (32, 64), (32, 32), (64, 32)] {
            let count = 3 * height * width;
            let values: Vec<f32> = (0_u16..count).map(f32::from).collect();
            let shape = [1, 3, usize::from(height), usize::from(width)];
            assert_eq!(network.run(&values, shape).unwrap(), values);
            assert!(network.sessions.len() <= 2);
        }
    }
}
