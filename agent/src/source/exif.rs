//! Which way up an image is shown, by the Exif metadata in its file.

use std::io::Cursor;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use crate::item::Coding;

/// The orientation of pixels that are shown as they lie.
pub(super) const UPRIGHT: u16 = 1;
/// Tag of the orientation.
const ORIENTATION: u16 = 0x0112;
/// Type of a value of two bytes.
const SHORT: u16 = 3;
/// Bytes of an entry of a directory.
const ENTRY_BYTES: usize = 12;

/// How an image's pixels are to be turned and mirrored when it is shown, 1 to 8. An image that does not
/// say, or says something else, is [`UPRIGHT`]: that is how it is shown.
///
/// # Source
/// CIPA DC-008-2019 (Exif 2.32), 4.6.4: the tag Orientation; TIFF 6.0, section 2: the directory.
pub(super) fn orientation(coding: Coding, bytes: &[u8]) -> u16 {
    let found = match coding {
        Coding::Png => png::Decoder::new(Cursor::new(bytes))
            .read_info()
            .ok()
            .and_then(|reader| reader.info().exif_metadata.as_deref().and_then(of_metadata)),
        Coding::Jpeg => {
            let mut decoder = JpegDecoder::new(ZCursor::new(bytes));
            let read = decoder.decode_headers().ok();
            read.and_then(|()| decoder.exif().map(Vec::as_slice).and_then(of_metadata))
        }
    };
    found.filter(|found| (1..=8).contains(found)).unwrap_or(UPRIGHT)
}

/// The orientation in the first directory.
fn of_metadata(tiff: &[u8]) -> Option<u16> {
    let little = match tiff.first_chunk()? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let bytes = *tiff.get(4..)?.first_chunk()?;
    let directory = if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
    let directory = usize::try_from(directory).ok()?;
    let entries = usize::from(short(directory)?);
    let start = directory.checked_add(2)?;
    (0..entries)
        .map_while(|entry| start.checked_add(entry * ENTRY_BYTES))
        .find(|at| (short(*at), short(*at + 2)) == (Some(ORIENTATION), Some(SHORT)))
        .and_then(|at| short(at + 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::media::tests::metadata;

    #[test]
    fn the_orientation_is_read_in_either_order_of_bytes() {
        for little in [true, false] {
            for orientation in 1..=8 {
                let tiff = metadata(orientation, little);
                assert_eq!(of_metadata(&tiff), Some(orientation));
                for end in 0..tiff.len() {
                    // What is cut off or points beyond the end says nothing, and harms nobody.
                    let found = of_metadata(&tiff[..end]);
                    assert!(found.is_none() || found == Some(orientation), "{end}");
                }
            }
        }
        let mut beyond = metadata(6, true);
        beyond[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(of_metadata(&beyond), None);
    }
}
