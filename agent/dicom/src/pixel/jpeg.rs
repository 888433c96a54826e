//! JPEG (ISO/IEC 10918-1) and JPEG-LS (14495-1): frames without what is not image; and the decoding of
//! those with cosine transforms and eight bits.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::form::{Form, Photometric};
use super::jpeg_ls;
use super::segments::{IMAGE_END, IMAGE_START, SCAN};

const COMMENT: u8 = 0xfe;
/// Segments of applications.
const APPLICATIONS: std::ops::RangeInclusive<u8> = 0xe0..=0xef;
/// Those that say how colours are coded, which decoders need: markers, lengths and names.
const COLOURS: [(u8, usize, &[u8]); 2] = [(0xee, 14, b"Adobe"), jpeg_ls::COLOURS];

/// What follows a coded byte of ones, so that it is no marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuffing {
    /// A byte of zeros: JPEG.
    Byte,
    /// A bit of zero: JPEG-LS.
    Bit,
}

/// The frame without comments, segments of applications and what follows its end; `None` when it is
/// no JPEG.
pub(super) fn without_comments(frame: &[u8], stuffing: Stuffing) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(frame.len());
    let mut at = 0;
    loop {
        if *frame.get(at)? != 0xff {
            return None;
        }
        let marker = *frame.get(at + 1)?;
        match marker {
            // Fill bytes may stand before a marker.
            0xff => at += 1,
            IMAGE_START => {
                out.extend([0xff, marker]);
                at += 2;
            }
            IMAGE_END => {
                out.extend([0xff, marker]);
                return Some(out);
            }
            _ => {
                let length = frame.get(at + 2..at + 4)?;
                let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
                let segment = frame.get(at..at + 2 + length.max(2))?;
                let colours = COLOURS.iter().any(|(colours, size, name)| {
                    (marker, length) == (*colours, *size) && segment[4..].starts_with(name)
                });
                if colours || marker != COMMENT && !APPLICATIONS.contains(&marker) {
                    out.extend_from_slice(segment);
                }
                at += segment.len();
                if marker == SCAN {
                    let end = at + scan_bytes(&frame[at..], stuffing)?;
                    out.extend_from_slice(&frame[at..end]);
                    at = end;
                }
            }
        }
    }
}

/// Bytes of coded pixels up to the next marker that is not of them.
fn scan_bytes(bytes: &[u8], stuffing: Stuffing) -> Option<usize> {
    let is_coded = |follows: u8| match stuffing {
        Stuffing::Byte => matches!(follows, 0 | 0xff | 0xd0..=0xd7),
        Stuffing::Bit => matches!(follows, 0..=0x7f | 0xff | 0xd0..=0xd7),
    };
    bytes.windows(2).position(|pair| pair[0] == 0xff && !is_coded(pair[1]))
}

/// One frame as its pixels; colours as red, green, blue. `None` when it is damaged or of another form.
pub(super) fn decode(frame: &[u8], form: Form) -> Option<Vec<u8>> {
    if form.allocated != 8 {
        return None;
    }
    // Where the header says that the three numbers are colours, they are not to be converted.
    let out = match (form.samples, form.photometric) {
        (1, _) => ColorSpace::Luma,
        (_, Photometric::Rgb) => ColorSpace::YCbCr,
        _ => ColorSpace::RGB,
    };
    let options = DecoderOptions::default()
        .set_max_width(form.columns)
        .set_max_height(form.rows)
        .jpeg_set_out_colorspace(out);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(frame), options);
    decoder.decode_headers().ok()?;
    let info = decoder.info()?;
    let same = usize::from(info.width) == form.columns
        && usize::from(info.height) == form.rows
        && usize::from(info.components) == form.samples;
    let bytes = if same { decoder.decode().ok()? } else { return None };
    (bytes.len() == form.rows * form.columns * form.samples).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_what_follows_are_left_out() {
        let frame = b"\xff\xd8\xff\xe0\x00\x06JFIF\xff\xfe\x00\x06JaneR\xff\xdb\x00\x04ab\xff\xda\x00\x04cd\x01\xff\x00\xff\xd0\x02\xff\xfe\x00\x05Roe\xff\xd9after";
        let broken = without_comments(frame, Stuffing::Byte);
        assert_eq!(broken, None, "a comment of another length than it says");
        let frame = b"\xff\xd8\xff\xe1\x00\x06Exif\xff\xfe\x00\x06Jane\xff\xdb\x00\x04ab\xff\xda\x00\x04cd\x01\xff\x00\xff\xd0\x02\xff\xfe\x00\x05Roe\xff\xff\xd9after";
        let clean = without_comments(frame, Stuffing::Byte).unwrap();
        assert_eq!(
            clean,
            b"\xff\xd8\xff\xdb\x00\x04ab\xff\xda\x00\x04cd\x01\xff\x00\xff\xd0\x02\xff\xd9"
        );
        assert_eq!(without_comments(&clean, Stuffing::Byte).unwrap(), clean);
        assert_eq!(without_comments(&clean[..clean.len() - 1], Stuffing::Byte), None);
    }
}
