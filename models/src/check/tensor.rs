//! Tensors within a model: there, and as large as their shape says.

use super::{CheckError, bad, shortened, text};
use crate::protobuf::{Fields, Malformed, Value, varint};

/// What the check needs of a tensor.
pub(super) struct Tensor<'a> {
    /// Its name, which may be empty.
    pub(super) name: &'a str,
    /// Rows of a table (two dimensions); 1 for a vector or a number, 0 for what is larger or empty.
    pub(super) rows: u64,
    /// Largest magnitude of its integers; `None` for other numbers.
    pub(super) most: Option<u64>,
}

/// Checks that a tensor is in the model and as large as its shape says.
pub(super) fn check_tensor(message: &[u8]) -> Result<Tensor<'_>, CheckError> {
    let (mut name, mut data_type, mut elements) = ("", 0, Some(1_u64));
    let (mut first, mut rank) = (1, 0_usize);
    let mut dimension = |dim: u64| {
        first = if rank == 0 { dim } else { first };
        rank += 1;
        elements = elements.and_then(|e| e.checked_mul(dim));
    };
    let (mut raw, mut typed, mut most) = (None, 0_u64, 0_u64);
    let mut external = false;
    for field in Fields::of(message) {
        let (number, value) = field.map_err(bad("tensor"))?;
        match (number, value) {
            (1, Value::Varint(dim)) => dimension(dim),
            (1, Value::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    dimension(varint(&mut packed).map_err(bad("tensor"))?);
                }
            }
            (2, Value::Varint(number)) => data_type = number,
            (4, Value::Bytes(packed)) => typed += packed.len() as u64 / 4,
            (5 | 7 | 11, Value::Bytes(packed)) => {
                typed += packed.iter().filter(|byte| **byte < 0x80).count() as u64;
                most = most.max(largest_varint(packed).map_err(bad("tensor"))?);
            }
            (10, Value::Bytes(packed)) => typed += packed.len() as u64 / 8,
            (4 | 5 | 7 | 10 | 11, Value::Varint(number)) => {
                typed += 1;
                most = most.max(number.cast_signed().unsigned_abs());
            }
            (4 | 5 | 7 | 10 | 11, Value::Fixed(_)) => typed += 1,
            (8, Value::Bytes(bytes)) => name = text(bytes, "tensor")?,
            (9, Value::Bytes(bytes)) => raw = Some(bytes),
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
    let got = raw.map_or(typed, |bytes| bytes.len() as u64);
    if wanted != Some(got) || (raw.is_some() && typed > 0) {
        let got = wanted.map(|_| got);
        return Err(CheckError::Tensor { name: shortened(name), data_type, got });
    }
    let most = most.max(raw.map_or(0, |bytes| largest_raw(bytes, data_type)));
    let most = matches!(data_type, 6 | 7).then_some(most); // int32, int64
    let rows = match rank {
        0 | 1 => first.min(1),
        2 => first,
        _ => 0,
    };
    Ok(Tensor { name, rows, most })
}

/// Largest magnitude of packed integers.
pub(super) fn largest_varint(mut packed: &[u8]) -> Result<u64, Malformed> {
    let mut most = 0;
    while !packed.is_empty() {
        most = most.max(varint(&mut packed)?.cast_signed().unsigned_abs());
    }
    Ok(most)
}

/// Largest magnitude of little-endian integers; 0 for other types.
fn largest_raw(bytes: &[u8], data_type: u64) -> u64 {
    let largest = match data_type {
        6 => {
            let four = bytes.as_chunks::<4>().0.iter();
            four.map(|four| u64::from(i32::from_le_bytes(*four).unsigned_abs())).max()
        }
        7 => {
            let eight = bytes.as_chunks::<8>().0.iter();
            eight.map(|eight| i64::from_le_bytes(*eight).unsigned_abs()).max()
        }
        _ => None,
    };
    largest.unwrap_or(0)
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
