//! Frames as people see them: eight bits a colour, by photometric interpretation, palette and window
//! (PS3.3, C.7.6.3 and C.11.2).

use std::ops::Range;

use super::form::{Form, Photometric};
use crate::Picture;
use crate::data::DataSet;
use crate::error::PixelError;
use crate::tag::Tag;

const WINDOW_CENTER: Tag = Tag(0x0028_1050);
const WINDOW_WIDTH: Tag = Tag(0x0028_1051);
const INTERCEPT: Tag = Tag(0x0028_1052);
const SLOPE: Tag = Tag(0x0028_1053);
/// Descriptors of a palette's red, green and blue, and their values.
const PALETTE: [(Tag, Tag); 3] = [
    (Tag(0x0028_1101), Tag(0x0028_1201)),
    (Tag(0x0028_1102), Tag(0x0028_1202)),
    (Tag(0x0028_1103), Tag(0x0028_1203)),
];
/// Pixels of a hundred that may be brighter, or darker, than the second look at deep pixels shows:
/// one bright pixel must not make all others dark.
const OUTLIERS: usize = 100;
/// Bits of a pixel beyond which a screen shows less than there is.
const SCREEN_BITS: usize = 8;

/// How an image's frames are shown.
pub(super) struct Display {
    form: Form,
    palette: Option<[Vec<u8>; 3]>,
    first_entry: i32,
    /// The first window of the image, in its pixels' own numbers.
    window: Option<Range<f64>>,
}

impl Display {
    /// Of an image with frames of this form.
    pub(super) fn of(set: &DataSet<'_>, form: Form) -> Result<Self, PixelError> {
        let known = match (form.samples, form.photometric) {
            (1, Photometric::WhiteFirst | Photometric::BlackFirst) => true,
            (3, Photometric::Rgb | Photometric::Luminance) => form.allocated > 1,
            _ => false,
        };
        if !known {
            return Err(PixelError::NotDecodable);
        }
        let mut display = Self { form, palette: None, first_entry: 0, window: None };
        if set.ascii(Tag(0x0028_0004)) == Some("PALETTE COLOR") {
            let mut palette = [const { Vec::new() }; 3];
            for (colours, tags) in palette.iter_mut().zip(PALETTE) {
                (display.first_entry, *colours) =
                    entries(set, tags, form.signed).ok_or(PixelError::Form)?;
            }
            display.palette = Some(palette);
        } else {
            display.window = window(set);
        }
        Ok(display)
    }

    /// What a frame shows: of grey pixels all there is between the darkest and the brightest, and
    /// what the image's own window shows, or, of deep pixels without one, what is not far out.
    pub(super) fn pictures(&self, frame: &[u8]) -> Result<Vec<Picture>, PixelError> {
        let picture = |rgb| Picture { width: self.form.columns, rgb };
        if self.form.samples == 3 {
            return Ok(vec![picture(self.colours(frame))]);
        }
        let values = self.form.values(frame);
        if let Some(palette) = &self.palette {
            let entry = |value: &i32| {
                let at = usize::try_from(value.saturating_sub(self.first_entry)).unwrap_or(0);
                palette.each_ref().map(|colours| colours[at.min(colours.len() - 1)])
            };
            return Ok(vec![picture(values.iter().flat_map(entry).collect())]);
        }
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else {
            return Err(PixelError::Form);
        };
        let range = |least: i32, most: i32| f64::from(least)..f64::from(most);
        let mut shown = vec![range(*least, *most)];
        if let Some(window) = &self.window {
            shown.push(window.clone());
        } else if self.form.stored > SCREEN_BITS {
            let out = sorted.len() / OUTLIERS;
            shown.push(range(sorted[out], sorted[sorted.len() - 1 - out]));
        }
        shown.dedup();
        Ok(shown.into_iter().map(|range| picture(self.greys(&values, &range))).collect())
    }

    fn greys(&self, values: &[i32], shown: &Range<f64>) -> Vec<u8> {
        let width = (shown.end - shown.start).max(1.0);
        let inverted = self.form.photometric == Photometric::WhiteFirst;
        let grey = |value: &i32| {
            let part = ((f64::from(*value) - shown.start) / width).clamp(0.0, 1.0);
            let grey = byte(255.0 * part);
            [if inverted { 255 - grey } else { grey }; 3]
        };
        values.iter().flat_map(grey).collect()
    }

    fn colours(&self, frame: &[u8]) -> Vec<u8> {
        let values = self.form.values(frame);
        let pixels = self.form.rows * self.form.columns;
        let (step, plane) = if self.form.planar { (1, pixels) } else { (3, 1) };
        let scale = 255.0 / f64::from(self.form.most());
        let pixel = |at: usize| {
            let of = |sample: usize| f64::from(values[at * step + sample * plane]) * scale;
            let [first, second, third] = [of(0), of(1), of(2)];
            if self.form.photometric == Photometric::Rgb {
                return [first, second, third].map(byte);
            }
            // ITU-R BT.601, all of 0 to 255.
            let (blue, red) = (second - 128.0, third - 128.0);
            [first + 1.402 * red, first - 0.344_136 * blue - 0.714_136 * red, first + 1.772 * blue]
                .map(byte)
        };
        (0..pixels).flat_map(pixel).collect()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
fn byte(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// The first window, in the numbers of the pixels.
fn window(set: &DataSet<'_>) -> Option<Range<f64>> {
    let number = |tag| -> Option<f64> {
        let first = set.ascii(tag)?.split('\\').next()?.trim();
        first.parse().ok().filter(|number: &f64| number.is_finite())
    };
    let (center, width) = (number(WINDOW_CENTER)?, number(WINDOW_WIDTH)?);
    let slope = number(SLOPE).filter(|slope| slope.abs() > f64::EPSILON).unwrap_or(1.0);
    let intercept = number(INTERCEPT).unwrap_or(0.0);
    let edges = [center - width / 2.0, center + width / 2.0].map(|at| (at - intercept) / slope);
    (width >= 1.0).then(|| edges[0].min(edges[1])..edges[0].max(edges[1]))
}

/// The first value that a palette's colour has an entry for, and its entries, as bytes.
fn entries(
    set: &DataSet<'_>,
    (descriptor, values): (Tag, Tag),
    signed: bool,
) -> Option<(i32, Vec<u8>)> {
    let (numbers, _) = set.find(descriptor)?.bytes()?.as_chunks::<2>();
    let [count, first, ..] = numbers else { return None };
    let count = match u16::from_le_bytes(*count) {
        0 => 1 << 16,
        count => usize::from(count),
    };
    let first =
        if signed { i16::from_le_bytes(*first).into() } else { u16::from_le_bytes(*first).into() };
    let values = set.find(values)?.bytes()?;
    if values.len() < 2 * count {
        return Some((first, values.get(..count)?.to_vec()));
    }
    let (words, _) = values[..2 * count].as_chunks::<2>();
    // Entries of eight bits may lie in the lower bytes, whatever the descriptor says.
    let used = usize::from(words.iter().any(|word| word[1] != 0));
    Some((first, words.iter().map(|word| word[used]).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Element, Value};
    use crate::vr::Vr;
    use std::borrow::Cow;

    fn numbers(tag: u32, numbers: &[u16]) -> Element<'static> {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Element::new(Tag(tag), Vr::Us, Value::Bytes(Cow::Owned(bytes)))
    }

    /// What a frame of one row shows: of each picture, red, green and blue of each pixel.
    fn shown(
        photometric: &str,
        bits: u16,
        frame: &[u8],
        more: Vec<Element<'static>>,
    ) -> Vec<Vec<u8>> {
        let samples = if matches!(photometric, "RGB" | "YBR_FULL") { 3 } else { 1 };
        let allocated = bits.next_multiple_of(8);
        let columns = u16::try_from(frame.len()).unwrap() * 8 / allocated / samples;
        let mut set = DataSet { elements: more };
        set.put(Element::text(Tag(0x0028_0004), Vr::Cs, photometric));
        set.put(numbers(0x0028_0002, &[samples]));
        set.put(numbers(0x0028_0010, &[1]));
        set.put(numbers(0x0028_0011, &[columns]));
        set.put(numbers(0x0028_0100, &[allocated]));
        set.put(numbers(0x0028_0101, &[bits]));
        let display = Display::of(&set, Form::of(&set).unwrap()).unwrap();
        display.pictures(frame).unwrap().into_iter().map(|picture| picture.rgb).collect()
    }

    fn greys(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|value| [*value; 3]).collect()
    }

    #[test]
    fn grey_pixels_are_shown_from_the_darkest_to_the_brightest() {
        assert_eq!(shown("MONOCHROME2", 8, &[10, 20, 30], vec![]), [greys(&[0, 128, 255])]);
        assert_eq!(shown("MONOCHROME1", 8, &[10, 20, 30], vec![]), [greys(&[255, 127, 0])]);
        assert_eq!(shown("MONOCHROME2", 8, &[7, 7], vec![]), [greys(&[0, 0])]);
    }

    #[test]
    fn deep_pixels_are_shown_without_what_is_far_out_too() {
        let mut frame = [100_u16, 200].repeat(100);
        frame[0] = 4000;
        let frame: Vec<u8> = frame.iter().flat_map(|value| value.to_le_bytes()).collect();
        let found = shown("MONOCHROME2", 12, &frame, vec![]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0][..9], greys(&[255, 7, 0])[..], "all there is");
        assert_eq!(found[1][..9], greys(&[255, 255, 0])[..], "one in a hundred is far out");
    }

    #[test]
    fn the_image_s_own_window_is_in_the_numbers_that_it_tells() {
        let decimal = |tag, text: &str| Element::text(Tag(tag), Vr::Ds, text);
        let window = vec![
            decimal(0x0028_1050, "40\\300"),
            decimal(0x0028_1051, "80\\1500"),
            decimal(0x0028_1052, "-1000"),
            decimal(0x0028_1053, "2"),
        ];
        // 1000 is 500, and 1080 is 540.
        let frame: Vec<u8> = [0_u16, 500, 520, 540].iter().flat_map(|v| v.to_le_bytes()).collect();
        let found = shown("MONOCHROME2", 12, &frame, window);
        assert_eq!(found[1], greys(&[0, 0, 128, 255]));
    }

    #[test]
    fn colours_are_those_that_a_screen_shows() {
        assert_eq!(shown("RGB", 8, &[1, 2, 3, 4, 5, 6], vec![]), [[1, 2, 3, 4, 5, 6]]);
        assert_eq!(shown("YBR_FULL", 8, &[76, 85, 255], vec![]), [[254, 0, 0]]);
        let palette = |words: &[u16; 3]| {
            let descriptors = [0x0028_1101, 0x0028_1102, 0x0028_1103];
            let mut more: Vec<_> = descriptors.map(|tag| numbers(tag, &[3, 4, 16])).into();
            more.push(numbers(0x0028_1201, words));
            more.push(numbers(0x0028_1202, &[0, 0, 0]));
            more.push(numbers(0x0028_1203, &[0xff00, 0, 0]));
            shown("PALETTE COLOR", 8, &[0, 4, 5, 200], more)
        };
        let expected = [[0, 0, 255, 0, 0, 255, 7, 0, 0, 9, 0, 0]];
        assert_eq!(palette(&[0, 0x0700, 0x0900]), expected);
        assert_eq!(palette(&[0, 7, 9]), expected, "in the lower bytes");
    }

    #[test]
    fn signed_numbers_are_below_zero() {
        let frame: Vec<u8> = [-100_i16, 0, 100].iter().flat_map(|v| v.to_le_bytes()).collect();
        let signed = vec![numbers(0x0028_0103, &[1])];
        assert_eq!(shown("MONOCHROME2", 16, &frame, signed)[0], greys(&[0, 128, 255]));
    }
}
