//! What goes into a graph and what comes out.

use super::{CheckError, bad, limit, text};
use crate::protobuf::{Fields, Value};

/// ONNX's number of 32-bit floats.
pub(super) const FLOAT: u64 = 1;
/// ONNX's number of 64-bit integers.
pub(super) const INT64: u64 = 7;
/// Most dimensions of a graph's input or output.
const RANK_MAX: usize = 3;

/// The type of a graph's input or output.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TensorType {
    /// ONNX's number of the elements' type; 0 is none.
    pub(super) element: u64,
    /// A named dimension is `None`, one that is neither named nor positive is zero, which matches
    /// nothing.
    pub(super) dims: Vec<Option<u64>>,
}

/// The name and type of a graph input or output.
pub(super) fn interface<'a>(
    message: &'a [u8],
    what: &'static str,
) -> Result<(&'a str, TensorType), CheckError> {
    let (mut name, mut found) = ("", TensorType::default());
    for field in Fields::of(message) {
        match field.map_err(bad(what))? {
            (1, Value::Bytes(bytes)) => name = text(bytes, what)?,
            (2, Value::Bytes(bytes)) => {
                if let Some(tensor) = message_at(bytes, 1, what)? {
                    found = tensor_type(tensor, what)?;
                }
            }
            _ => {}
        }
    }
    Ok((name, found))
}

fn tensor_type(message: &[u8], what: &'static str) -> Result<TensorType, CheckError> {
    let mut found = TensorType::default();
    for field in Fields::of(message) {
        match field.map_err(bad(what))? {
            (1, Value::Varint(element)) => found.element = element,
            (2, Value::Bytes(shape)) => {
                for dim in Fields::of(shape) {
                    if let (1, Value::Bytes(dim)) = dim.map_err(bad(what))? {
                        found.dims.push(dimension(dim, what)?);
                        limit("dimensions", found.dims.len(), RANK_MAX)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
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
