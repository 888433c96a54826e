//! As much of the protobuf wire format as reading an ONNX model takes, and writing one anew.

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1 or 5: its bytes.
    Fixed(&'a [u8]),
    /// Wire type 2: a string, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
}

/// The bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Iterates over a message's fields, as `(field number, value)`; ends after the first error.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let key = varint(&mut self.0)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => Value::Fixed(take(&mut self.0, 8)?),
            2 => {
                let length = varint(&mut self.0)?;
                Value::Bytes(take(&mut self.0, length)?)
            }
            5 => Value::Fixed(take(&mut self.0, 4)?),
            _ => return Err(Malformed), // groups, which ONNX never had
        };
        Ok((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Takes a varint of at most ten bytes off the front.
pub(crate) fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        let low = u64::from(first & 0x7f);
        if shift == 63 && low > 1 {
            return Err(Malformed);
        }
        value |= low << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

/// Appends a field to a message: what [`Fields`] reads, it reads again as the same.
#[cfg(any(feature = "runtime", test))]
pub(crate) fn put(message: &mut Vec<u8>, number: u64, value: Value<'_>) {
    let key = |wire_type: u64| number << 3 | wire_type;
    match value {
        Value::Varint(got) => [key(0), got].into_iter().for_each(|part| put_varint(message, part)),
        Value::Bytes(bytes) => {
            put_varint(message, key(2));
            put_varint(message, bytes.len() as u64);
            message.extend_from_slice(bytes);
        }
        Value::Fixed(bytes) => {
            put_varint(message, key(if bytes.len() == 8 { 1 } else { 5 }));
            message.extend_from_slice(bytes);
        }
    }
}

#[cfg(any(feature = "runtime", test))]
fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    message.push(value.to_le_bytes()[0]);
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    let (head, rest) = bytes.split_at_checked(length).ok_or(Malformed)?;
    *bytes = rest;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_each_wire_type() {
        let message = [0x08, 0x96, 0x01, 0x12, 2, b'o', b'k', 0x1d, 1, 2, 3, 4];
        let fields: Result<Vec<_>, _> = Fields::of(&message).collect();
        let expected = vec![
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"ok")),
            (3, Value::Fixed(&[1, 2, 3, 4])),
        ];
        assert_eq!(fields, Ok(expected));
    }

    #[test]
    fn what_ends_early_or_never_is_malformed() {
        for message in [
            &[0x08][..],
            &[0x12, 5, 1],
            &[0x0b],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x80; 11],
        ] {
            assert!(Fields::of(message).any(|field| field.is_err()), "{message:?}");
        }
        assert_eq!(
            varint(&mut &[0xff; 9].as_slice().iter().chain(&[1]).copied().collect::<Vec<u8>>()[..]),
            Ok(u64::MAX)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(number in 1..1_000_000_u64, varint: u64, bytes: Vec<u8>) {
            let values = [Value::Varint(varint), Value::Bytes(&bytes), Value::Fixed(&[7; 4]), Value::Fixed(&[9; 8])];
            let mut message = Vec::new();
            values.iter().for_each(|value| put(&mut message, number, *value));
            let fields: Result<Vec<_>, _> = Fields::of(&message).collect();
            prop_assert_eq!(fields, Ok(values.map(|value| (number, value)).to_vec()));
        }

        #[test]
        fn any_bytes_end(message in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Fields::of(&message).count() <= message.len());
        }
    }
}
