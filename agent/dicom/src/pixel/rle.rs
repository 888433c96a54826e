//! Run lengths (PS3.5, annex G): one segment for each byte of each number of a pixel.

use super::form::Form;

/// Bytes of the table of segments.
const HEADER_BYTES: usize = 64;

/// One frame, its pixels one after another in little endian order; `None` when it is damaged.
pub(super) fn decode(frame: &[u8], form: Form) -> Option<Vec<u8>> {
    let width = form.allocated / 8;
    let segments =
        width.checked_mul(form.samples).filter(|segments| (1..=15).contains(segments))?;
    let word = |at: usize| {
        let bytes = frame.get(4 * at..4 * at + 4)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    if word(0)? != segments {
        return None;
    }
    let pixels = form.rows * form.columns;
    let mut out = vec![0; pixels * segments];
    for segment in 0..segments {
        let start = word(segment + 1).filter(|start| *start >= HEADER_BYTES)?;
        let end = if segment + 1 < segments { word(segment + 2)? } else { frame.len() };
        let bytes = unpack(frame.get(start..end)?, pixels)?;
        // The most significant byte comes first.
        let (sample, byte) = (segment / width, segment % width);
        let place = sample * width + (width - 1 - byte);
        for (pixel, value) in bytes.into_iter().enumerate() {
            out[pixel * segments + place] = value;
        }
    }
    Some(out)
}

/// PackBits: `count` bytes, or `None`.
fn unpack(mut bytes: &[u8], count: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let (control, rest) = bytes.split_first()?;
        bytes = match control {
            0..=127 => {
                let (run, rest) = rest.split_at_checked(usize::from(*control) + 1)?;
                out.extend_from_slice(run);
                rest
            }
            128 => rest,
            129..=255 => {
                let (value, rest) = rest.split_first()?;
                out.resize(out.len() + 257 - usize::from(*control), *value);
                rest
            }
        };
    }
    (out.len() == count).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_literals() {
        // The example of TIFF 6.0, section 9.
        let packed = b"\xfe\xaa\x02\x80\x00\x2a\xfd\xaa\x03\x80\x00\x2a\x22\xf7\xaa";
        let plain = b"\xaa\xaa\xaa\x80\x00\x2a\xaa\xaa\xaa\xaa\x80\x00\x2a\x22\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa";
        assert_eq!(unpack(packed, plain.len()).as_deref(), Some(&plain[..]));
        assert_eq!(unpack(packed, plain.len() + 1), None, "too few");
        assert_eq!(unpack(packed, plain.len() - 1), None, "too many");
        assert_eq!(unpack(b"\x05ab", 6), None);
        assert_eq!(unpack(b"\x81", 128), None);
    }
}
