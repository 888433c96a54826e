//! The marker segments of JPEG and JPEG-LS streams (ISO/IEC 10918-1, annex B; 14495-1, annex C).

use super::form::Form;
use crate::error::{Damage, Shape};

pub(super) const IMAGE_START: u8 = 0xd8;
pub(super) const IMAGE_END: u8 = 0xd9;
pub(super) const SCAN: u8 = 0xda;
pub(super) const HUFFMAN_TABLES: u8 = 0xc4;
pub(super) const RESTART_INTERVAL: u8 = 0xdd;

/// Whether a marker starts the header of a frame, of any process of JPEG or JPEG-LS.
pub(super) const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf if marker != HUFFMAN_TABLES && marker != 0xc8 && marker != 0xcc)
        || marker == 0xf7
}

/// What keeps a part of a frame from being decoded.
pub(super) enum Fault {
    /// The segment makes no sense, or what is coded behind it, so many bytes ahead.
    Ahead(usize),
    Is(Damage),
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Self {
        Self::Is(damage)
    }
}

/// The segment itself makes no sense.
pub(super) const SENSELESS: Fault = Fault::Ahead(0);

/// A way to code frames: what its segments mean.
pub(super) trait Process {
    /// Takes a segment that starts no scan.
    fn segment(&mut self, marker: u8, payload: &[u8]) -> Result<(), Fault>;

    /// Decodes a scan: its header, and what is coded behind it. Tells how many bytes that was.
    fn scan(&mut self, header: &[u8], coded: &[u8]) -> Result<usize, Fault>;

    /// The pixels.
    fn samples(&mut self) -> &mut Samples;
}

/// Decodes a frame, up to its end.
///
/// # Errors
/// [`Damage`]
pub(super) fn decode(frame: &[u8], mut process: impl Process) -> Result<Vec<u8>, Damage> {
    let damage = |at: usize| Damage::Bytes { at: at.min(frame.len()), bytes: frame.len() };
    if !frame.starts_with(&[0xff, IMAGE_START]) {
        return Err(damage(0));
    }
    let mut at = 2;
    loop {
        let (marker, payload, end) = segment(frame, at).ok_or_else(|| damage(at))?;
        let done = match marker {
            IMAGE_END if process.samples().is_complete() => break,
            IMAGE_END => Err(SENSELESS),
            SCAN => process.scan(payload, &frame[end..]),
            _ => process.segment(marker, payload).map(|()| 0),
        };
        at = end
            + done.map_err(|fault| match fault {
                Fault::Ahead(ahead) => damage(end + ahead),
                Fault::Is(damage) => damage,
            })?;
    }
    Ok(std::mem::take(&mut process.samples().bytes))
}

/// What the first segment with a marker holds, before anything is coded.
pub(super) fn first(frame: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut at = 2;
    loop {
        let (marker, payload, end) = segment(frame, at)?;
        if marker == wanted {
            return Some(payload);
        }
        at = if marker == SCAN || marker == IMAGE_END { return None } else { end };
    }
}

/// The marker at byte `at`, what its segment holds, and where that ends.
fn segment(frame: &[u8], mut at: usize) -> Option<(u8, &[u8], usize)> {
    if *frame.get(at)? != 0xff {
        return None;
    }
    // Fill bytes may stand before a marker.
    while *frame.get(at + 1)? == 0xff {
        at += 1;
    }
    let marker = frame[at + 1];
    if marker == IMAGE_END {
        return Some((marker, &[], at + 2));
    }
    let (length, _) = frame.get(at + 2..)?.split_first_chunk()?;
    let end = at + 2 + usize::from(u16::from_be_bytes(*length));
    Some((marker, frame.get(at + 4..end)?, end))
}

/// The lines between two restarts, from the payload of a segment that tells the pixels; 0 for none.
pub(super) fn restart_lines(payload: &[u8], form: Form) -> Result<usize, Fault> {
    let [high, low] = payload else { return Err(SENSELESS) };
    let pixels = usize::from(u16::from_be_bytes([*high, *low]));
    if pixels.is_multiple_of(form.columns) {
        Ok(pixels / form.columns)
    } else {
        Err(Damage::Feature("a restart within a line").into())
    }
}

/// The header of a frame: what is coded, and by which names scans call its samples.
pub(super) struct FrameHeader {
    /// Bits of a sample.
    pub(super) bits: usize,
    names: Vec<u8>,
}

impl FrameHeader {
    /// Of a payload, which must say what `form` says.
    pub(super) fn read(payload: &[u8], form: Form) -> Result<Self, Fault> {
        let (numbers, parts) = payload.split_first_chunk().ok_or(SENSELESS)?;
        let [bits, y1, y0, x1, x0, samples] = *numbers;
        let got = Shape {
            columns: u16::from_be_bytes([x1, x0]).into(),
            rows: u16::from_be_bytes([y1, y0]).into(),
            samples: samples.into(),
            bits: bits.into(),
        };
        form.check(got)?;
        let (parts, rest) = parts.as_chunks::<3>();
        if parts.len() != form.samples || !rest.is_empty() {
            return Err(SENSELESS);
        }
        // Of a grey image each sample is one pixel's, whatever the segment says.
        if parts.len() > 1 && parts.iter().any(|part| part[1] != 0x11) {
            return Err(Damage::Feature("a sample for several pixels").into());
        }
        Ok(Self { bits: bits.into(), names: parts.iter().map(|part| part[0]).collect() })
    }
}

/// The header of a scan.
pub(super) struct ScanHeader {
    /// Bits of a sample, as the frame's header has them.
    pub(super) bits: usize,
    /// Which samples of the frame it codes, and by which tables.
    pub(super) parts: Vec<(usize, u8)>,
    /// The three bytes behind them, whose meaning the process tells.
    pub(super) parameters: [u8; 3],
}

impl ScanHeader {
    /// Of a payload; `None` when it is damaged, or names what `frame` has not or `samples` has
    /// already.
    pub(super) fn read(
        payload: &[u8],
        frame: Option<&FrameHeader>,
        samples: &mut Samples,
    ) -> Option<Self> {
        let FrameHeader { bits, names } = frame?;
        let (count, rest) = payload.split_first()?;
        let (parts, parameters) = rest.split_last_chunk::<3>()?;
        let (parts, none) = parts.as_chunks::<2>();
        if parts.len() != usize::from(*count) || parts.is_empty() || !none.is_empty() {
            return None;
        }
        let part = |&[name, tables]: &[u8; 2]| {
            let sample = names.iter().position(|known| *known == name)?;
            (!std::mem::replace(&mut samples.done[sample], true)).then_some((sample, tables))
        };
        let parts = parts.iter().map(part).collect::<Option<Vec<_>>>()?;
        Some(Self { bits: *bits, parts, parameters: *parameters })
    }
}

/// The samples of a frame as they are written: little endian, those of a pixel one after another.
pub(super) struct Samples {
    bytes: Vec<u8>,
    width: usize,
    count: usize,
    /// Which of a pixel's samples were decoded.
    done: Vec<bool>,
}

impl Samples {
    pub(super) fn new(form: Form) -> Self {
        let (width, count) = (form.allocated / 8, form.samples);
        let bytes = vec![0; form.rows * form.columns * count * width];
        Self { bytes, width, count, done: vec![false; count] }
    }

    /// Whether all samples were coded.
    pub(super) fn is_complete(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    pub(super) fn put(&mut self, pixel: usize, sample: usize, value: u16) {
        let at = (pixel * self.count + sample) * self.width;
        let [low, high] = value.to_le_bytes();
        self.bytes[at] = low;
        if self.width > 1 {
            self.bytes[at + 1] = high;
        }
    }
}
