//! How pixels lie in memory (PS3.3, C.7.6.3; PS3.5, 8).

use std::borrow::Cow;

use crate::PIXEL_BYTES_MAX;
use crate::data::DataSet;
use crate::error::{Damage, PixelError, Shape};
use crate::tag::Tag;

/// What the numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Photometric {
    /// 0 is white.
    WhiteFirst,
    /// 0 is black, or the first entry of a palette.
    BlackFirst,
    Rgb,
    /// Luminance and two colour differences.
    Luminance,
    /// As before, the colour differences for every second pixel.
    HalfLuminance,
    /// What JPEG 2000 makes of red, green and blue, and back.
    Transformed,
    Other,
}

/// The form of all frames of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Numbers of a pixel: 1 or 3.
    pub(super) samples: usize,
    /// Bits of a number, and those of them that are used.
    pub(super) allocated: usize,
    pub(super) stored: usize,
    high: usize,
    pub(super) signed: bool,
    /// Whether the first numbers of all pixels come first.
    pub(super) planar: bool,
    pub(super) frames: usize,
    pub(super) photometric: Photometric,
}

impl Form {
    pub(super) fn of(set: &DataSet<'_>) -> Result<Self, PixelError> {
        let number = |element: u32| {
            set.number(Tag(0x0028_0000 | element)).and_then(|n| usize::try_from(n).ok())
        };
        let needed = |element| number(element).ok_or(PixelError::Form);
        let frames = match set.ascii(Tag(0x0028_0008)).filter(|text| !text.is_empty()) {
            Some(frames) => frames.trim().parse().map_err(|_| PixelError::Form)?,
            None => 1,
        };
        let allocated = needed(0x0100)?;
        let stored = number(0x0101).unwrap_or(allocated);
        let form = Self {
            rows: needed(0x0010)?,
            columns: needed(0x0011)?,
            samples: number(0x0002).unwrap_or(1),
            allocated,
            stored,
            high: number(0x0102).unwrap_or_else(|| stored.wrapping_sub(1)),
            signed: number(0x0103) == Some(1),
            planar: number(0x0006) == Some(1),
            frames,
            photometric: match set.ascii(Tag(0x0028_0004)).unwrap_or_default() {
                "MONOCHROME1" => Photometric::WhiteFirst,
                "MONOCHROME2" | "PALETTE COLOR" => Photometric::BlackFirst,
                "RGB" => Photometric::Rgb,
                "YBR_FULL" => Photometric::Luminance,
                "YBR_FULL_422" => Photometric::HalfLuminance,
                "YBR_RCT" | "YBR_ICT" => Photometric::Transformed,
                _ => Photometric::Other,
            },
        };
        let right = matches!(form.samples, 1 | 3)
            && matches!(form.allocated, 1 | 8 | 16 | 32)
            && (1..=form.allocated).contains(&form.stored)
            && (form.stored - 1..form.allocated).contains(&form.high)
            && form.rows > 0
            && form.columns > 0
            && form.frames > 0;
        right.then_some(form).ok_or(PixelError::Form)
    }

    /// Whether a compressed frame is of this form.
    ///
    /// # Errors
    /// [`Damage::Differs`]
    pub(super) fn check(&self, got: Shape) -> Result<(), Damage> {
        let Self { rows, columns, samples, allocated, .. } = *self;
        let told = Shape { columns, rows, samples, bits: allocated };
        let fits = Shape { bits: allocated, ..got } == told && matches!(allocated, 8 | 16);
        // The bit that tells the sign is where the header says.
        let least = if self.signed { self.stored } else { 1 };
        if fits && (least..=allocated).contains(&got.bits) {
            Ok(())
        } else {
            Err(Damage::Differs { got, told })
        }
    }

    /// Bytes of all frames, uncompressed.
    pub(super) fn bytes(&self) -> Result<usize, PixelError> {
        // Of uncompressed pixels, two share their colour differences.
        let samples = if self.photometric == Photometric::HalfLuminance { 2 } else { self.samples };
        let bits = [self.columns, samples, self.allocated, self.frames]
            .iter()
            .try_fold(self.rows as u64, |bits, factor| bits.checked_mul(*factor as u64));
        let got_bytes = bits.map_or(u64::MAX, |bits| bits.div_ceil(8));
        if got_bytes > PIXEL_BYTES_MAX {
            return Err(PixelError::TooLarge { got_bytes });
        }
        usize::try_from(got_bytes).map_err(|_| PixelError::TooLarge { got_bytes })
    }

    /// Zeros where no pixel is: overlays may lie in these bits.
    pub(super) fn clear_unused_bits(&self, bytes: &mut Cow<'_, [u8]>) {
        if self.stored == self.allocated || !matches!(self.allocated, 8 | 16) {
            return;
        }
        let width = self.allocated / 8;
        let shift = self.high + 1 - self.stored;
        let used = (1_u32 << self.stored) - 1;
        for at in (0..bytes.len() / width).map(|n| n * width) {
            let raw = number(&bytes[at..at + width]);
            let value = raw >> shift & used;
            // A negative number has ones above.
            let negative = self.signed && shift == 0 && value >> (self.stored - 1) == 1;
            let clean = if negative { value | !used } else { value << shift }.to_le_bytes();
            if bytes[at..at + width] != clean[..width] {
                bytes.to_mut()[at..at + width].copy_from_slice(&clean[..width]);
            }
        }
    }

    /// The numbers of a frame, in the order of its bytes. Those of 32 bits lose one.
    pub(super) fn values(&self, frame: &[u8]) -> Vec<i32> {
        if self.allocated == 1 {
            return (0..8 * frame.len())
                .map(|at| i32::from(frame[at / 8] >> (at % 8) & 1))
                .collect();
        }
        let shift = self.high + 1 - self.stored;
        let above = 32 - self.stored;
        let value = |bytes| {
            let raw = (number(bytes) >> shift) << above;
            if self.signed {
                raw.cast_signed() >> above
            } else {
                (raw >> above.max(1)).cast_signed()
            }
        };
        frame.chunks_exact(self.allocated / 8).map(value).collect()
    }

    /// The largest of [`Self::values`] when they have no sign.
    pub(super) fn most(&self) -> i32 {
        i32::try_from((1_u64 << self.stored) - 1).unwrap_or(i32::MAX)
    }

    /// Makes black, in every frame, the pixels of which `mask` (row by row) is true.
    pub(super) fn blacken(&self, bytes: &mut [u8], mask: &[bool]) -> Result<(), PixelError> {
        let size = self.bytes()? / self.frames;
        let known = !matches!(
            self.photometric,
            Photometric::Other | Photometric::HalfLuminance | Photometric::Transformed
        );
        if !known || self.allocated == 1 || bytes.len() != size * self.frames {
            return Err(PixelError::NotDecodable);
        }
        let width = self.allocated / 8;
        let pixels = self.rows * self.columns;
        let (step, plane) =
            if self.planar { (width, pixels * width) } else { (width * self.samples, width) };
        for frame in bytes.chunks_exact_mut(size) {
            for sample in 0..self.samples {
                let black = self.black(frame, sample).to_le_bytes();
                for (pixel, _) in mask.iter().enumerate().filter(|(_, masked)| **masked) {
                    let at = sample * plane + pixel * step;
                    frame[at..at + width].copy_from_slice(&black[..width]);
                }
            }
        }
        Ok(())
    }

    fn black(&self, frame: &[u8], sample: usize) -> u32 {
        match self.photometric {
            Photometric::WhiteFirst | Photometric::BlackFirst if self.signed => {
                number(self.darkest(frame))
            }
            Photometric::WhiteFirst => {
                u32::try_from((1_u64 << self.stored) - 1).unwrap_or(u32::MAX)
            }
            Photometric::Luminance if sample > 0 => 1 << (self.stored - 1),
            Photometric::BlackFirst
            | Photometric::Rgb
            | Photometric::Luminance
            | Photometric::HalfLuminance
            | Photometric::Transformed
            | Photometric::Other => 0,
        }
    }

    /// The bytes of the pixel of a grey frame that is shown darkest. Where pixels have a sign, 0 is a
    /// grey (water, in Hounsfield units), and the least number there is would widen the range that
    /// viewers make a window of.
    fn darkest<'f>(&self, frame: &'f [u8]) -> &'f [u8] {
        let pixels = frame.chunks_exact(self.allocated / 8).zip(self.values(frame));
        let darkest = if self.photometric == Photometric::WhiteFirst {
            pixels.max_by_key(|(_, value)| *value)
        } else {
            pixels.min_by_key(|(_, value)| *value)
        };
        darkest.map_or(&[], |(bytes, _)| bytes)
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: Form = Form {
        rows: 2,
        columns: 2,
        samples: 1,
        allocated: 16,
        stored: 12,
        high: 11,
        signed: false,
        planar: false,
        frames: 1,
        photometric: Photometric::BlackFirst,
    };

    #[test]
    fn bits_above_the_pixels_are_cleared() {
        let check = |form: Form, raw: u16, clean: u16| {
            let raw = raw.to_le_bytes();
            let mut bytes = Cow::Borrowed(&raw[..]);
            form.clear_unused_bits(&mut bytes);
            assert_eq!(*bytes, clean.to_le_bytes(), "{form:?}");
        };
        check(GREY, 0xf123, 0x0123);
        check(GREY, 0xf923, 0x0923);
        let signed = Form { signed: true, ..GREY };
        check(signed, 0xf923, 0xf923);
        check(signed, 0x0923, 0xf923);
        check(signed, 0xf123, 0x0123);
        check(Form { high: 15, ..GREY }, 0xabcd, 0xabc0);
        check(Form { stored: 16, high: 15, ..GREY }, 0xf123, 0xf123);
    }

    #[test]
    fn every_layout_is_blackened_in_every_frame() {
        let mask = [false, true, false, false];
        let rgb = Form {
            samples: 3,
            allocated: 8,
            stored: 8,
            high: 7,
            frames: 2,
            photometric: Photometric::Rgb,
            ..GREY
        };
        let check = |form: Form, black: &[usize], value: u8| {
            let mut bytes = vec![7; form.bytes().unwrap()];
            form.blacken(&mut bytes, &mask).unwrap();
            let changed: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == value).collect();
            assert_eq!(changed, black, "{form:?}");
        };
        check(GREY, &[2, 3], 0);
        check(rgb, &[3, 4, 5, 15, 16, 17], 0);
        check(Form { planar: true, ..rgb }, &[1, 5, 9, 13, 17, 21], 0);
        check(Form { photometric: Photometric::Luminance, ..rgb }, &[3, 15], 0);
        check(Form { photometric: Photometric::Luminance, ..rgb }, &[4, 5, 16, 17], 128);
        let white =
            Form { photometric: Photometric::WhiteFirst, allocated: 8, stored: 8, high: 7, ..GREY };
        check(white, &[1], 255);
        let signed = |photometric| {
            let form = Form { signed: true, photometric, ..GREY };
            let mut bytes: Vec<u8> = [-1000, 40, -1024, 60_i16].map(i16::to_le_bytes).concat();
            form.blacken(&mut bytes, &mask).unwrap();
            form.values(&bytes)
        };
        assert_eq!(signed(Photometric::BlackFirst), [-1000, -1024, -1024, 60]);
        assert_eq!(signed(Photometric::WhiteFirst), [-1000, 60, -1024, 60]);
        let half = Form { photometric: Photometric::HalfLuminance, ..rgb };
        let mut bytes = vec![7; half.bytes().unwrap()];
        assert_eq!(half.blacken(&mut bytes, &mask), Err(PixelError::NotDecodable));
    }

    #[test]
    fn sizes_are_bounded() {
        let huge = Form { rows: 65_535, columns: 65_535, frames: usize::MAX, ..GREY };
        assert_eq!(huge.bytes(), Err(PixelError::TooLarge { got_bytes: u64::MAX }));
        assert_eq!(Form { allocated: 1, ..GREY }.bytes(), Ok(1));
    }
}
