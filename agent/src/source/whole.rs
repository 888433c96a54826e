//! Whether an image's file is whole. A copy that is under way, or was cut short, has a good header and
//! no end.

use std::io::{BufRead, Seek};

/// Bytes of the length of a JPEG's segment, which are counted in it.
const LENGTH_BYTES: usize = 2;

/// Whether all rows of a PNG are there, and every chunk up to its end, with the right checksums. Holds
/// two rows at a time.
pub(super) fn png<R: BufRead + Seek>(mut reader: png::Reader<R>) -> bool {
    loop {
        match reader.next_row() {
            Ok(Some(_)) => {}
            Ok(None) => return reader.finish().is_ok(),
            Err(_) => return false,
        }
    }
}

/// Whether a JPEG's segments follow one another up to its end, beyond the scans and whatever pictures
/// its metadata holds. What a scan says is not decoded: that takes twenty times as long or more, and
/// what was cut off in the midst of one has no end.
///
/// # Source
/// ITU-T T.81 (1992), annex B.1.1: markers and marker segments; B.1.1.5: entropy-coded data.
pub(super) fn jpeg(bytes: &[u8]) -> bool {
    let mut rest = bytes.strip_prefix(b"\xff\xd8").unwrap_or_default();
    while let Some((marker, after)) = marker(rest) {
        rest = match marker {
            0xd9 => return true,
            // What stands alone: TEM, the ends of restart intervals, and the stuffing of a scan's data.
            0x00 | 0x01 | 0xd0..=0xd7 => after,
            _ => {
                let length = after.first_chunk().map(|length| u16::from_be_bytes(*length));
                let length = length.map_or(0, usize::from);
                let Some(after) = after.get(length..).filter(|_| length >= LENGTH_BYTES) else {
                    return false;
                };
                after
            }
        };
    }
    false
}

/// The next marker and what is after it. What is before it is a scan's data, or fills up.
fn marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0xff)?;
    let filled = &bytes[at..];
    let at = filled.iter().position(|byte| *byte != 0xff)?;
    Some((filled[at], &filled[at + 1..]))
}
