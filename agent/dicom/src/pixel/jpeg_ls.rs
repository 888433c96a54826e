//! JPEG-LS (ISO/IEC 14495-1, ITU-T T.87), lossless and near-lossless: each sample is predicted from its
//! neighbours, and what is missing is coded by how well such neighbours have predicted so far.

use super::form::Form;
use super::segments::{
    self, Fault, FrameHeader, Process, RESTART_INTERVAL, SCAN, SENSELESS, Samples, ScanHeader,
};
use crate::error::Damage;

const FRAME: u8 = 0xf7;
const PRESETS: u8 = 0xf8;
/// Segments of a program that may have changed colours before it coded them: marker, length, name.
pub(super) const COLOURS: (u8, usize, &[u8]) = (0xe8, 7, b"mrfx");
/// Kinds of neighbours.
const CONTEXTS: usize = 365;
/// Runs that are told by one bit get this many bits longer, the further they go (A.2.1).
const RUN_BITS: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];
/// How the samples of a pixel follow one another: each in a scan of its own, line by line, or pixel
/// by pixel.
const BY_LINE: u8 = 1;
const BY_PIXEL: u8 = 2;

/// One frame as its pixels.
///
/// # Errors
/// [`Damage`]
pub(super) fn decode(frame: &[u8], form: Form) -> Result<Vec<u8>, Damage> {
    let samples = Samples::new(form);
    segments::decode(frame, JpegLs { form, header: None, presets: None, samples })
}

/// Whether values may be off, in the first scan of a frame.
pub(super) fn is_near(frame: &[u8]) -> bool {
    let near = |header: &[u8]| header.len().checked_sub(3).is_some_and(|at| header[at] > 0);
    segments::first(frame, SCAN).is_some_and(near)
}

struct JpegLs {
    form: Form,
    header: Option<FrameHeader>,
    /// The largest value, three thresholds and when counts are halved; 0 for what is usual.
    presets: Option<[i32; 5]>,
    samples: Samples,
}

impl Process for JpegLs {
    fn segment(&mut self, marker: u8, payload: &[u8]) -> Result<(), Fault> {
        match marker {
            FRAME => self.header = Some(FrameHeader::read(payload, self.form)?),
            PRESETS => {
                let Some((1, numbers)) = payload.split_first() else {
                    return Err(Damage::Feature("a mapping table").into());
                };
                let (numbers, rest) = numbers.as_chunks::<2>();
                let numbers: [_; 5] = numbers.try_into().map_err(|_| SENSELESS)?;
                if !rest.is_empty() {
                    return Err(SENSELESS);
                }
                self.presets = Some(numbers.map(|number| u16::from_be_bytes(number).into()));
            }
            RESTART_INTERVAL if payload.iter().any(|byte| *byte != 0) => {
                return Err(Damage::Feature("a restart interval").into());
            }
            marker
                if marker == COLOURS.0
                    && payload.starts_with(COLOURS.2)
                    && payload.last() != Some(&0) =>
            {
                return Err(Damage::Feature("a transform of colours").into());
            }
            marker if segments::is_frame(marker) => {
                return Err(Damage::Feature("another process than JPEG-LS").into());
            }
            _ => {}
        }
        Ok(())
    }

    fn scan(&mut self, header: &[u8], coded: &[u8]) -> Result<usize, Fault> {
        let scan = ScanHeader::read(header, self.header.as_ref(), &mut self.samples);
        let scan = scan.ok_or(SENSELESS)?;
        let [near, order, transform] = scan.parameters;
        if transform != 0 || scan.parts.iter().any(|(_, table)| *table != 0) {
            return Err(Damage::Feature("a mapping of values").into());
        }
        let presets = self.presets.unwrap_or_default();
        let coding = Coding::new(scan.bits, near.into(), presets).ok_or(SENSELESS)?;
        let mut decoder = Decoder::new(coding, coded);
        let width = self.form.columns + 2;
        let line = |(sample, _): &(usize, u8)| Line {
            sample: *sample,
            before: vec![0; width],
            now: vec![0; width],
            run: 0,
        };
        let mut lines: Vec<Line> = scan.parts.iter().map(line).collect();
        let together = match (lines.len(), order) {
            (1, _) | (_, BY_LINE) => 1,
            (count, BY_PIXEL) => count,
            _ => return Err(SENSELESS),
        };
        for row in 0..self.form.rows {
            for group in lines.chunks_mut(together) {
                decoder.row(group).ok_or(Fault::Ahead(decoder.bits.at))?;
                for line in group {
                    let start = row * self.form.columns;
                    for (pixel, value) in (start..).zip(&line.before[1..width - 1]) {
                        self.samples.put(pixel, line.sample, *value);
                    }
                }
            }
        }
        Ok(decoder.bits.end())
    }

    fn samples(&mut self) -> &mut Samples {
        &mut self.samples
    }
}

/// A line of one sample of each pixel, and the one above it, each with one more value at either end.
struct Line {
    sample: usize,
    before: Vec<u16>,
    now: Vec<u16>,
    /// How far runs go, in [`RUN_BITS`].
    run: usize,
}

/// The parameters of a scan (C.2.4.1.1, A.2.1).
#[derive(Clone, Copy)]
struct Coding {
    most: i32,
    /// By how much values may be off.
    near: i32,
    thresholds: [i32; 3],
    /// Predictions after which counts are halved.
    reset: i32,
    /// Different errors there are, and their bits.
    range: i32,
    range_bits: u32,
    /// Longest code of an error, in bits.
    limit: u32,
}

impl Coding {
    fn new(bits: usize, near: i32, [most, t1, t2, t3, reset]: [i32; 5]) -> Option<Self> {
        let all = (1 << bits.min(16)) - 1;
        let most = if most == 0 { all } else { most };
        if most > all || near > 255.min(most / 2) {
            return None;
        }
        let clamp = |value: i32, least| if value > most || value < least { least } else { value };
        let usual = if most >= 128 {
            let factor = (most.min(4095) + 128) / 256;
            [factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near]
        } else {
            let factor = 256 / (most + 1);
            [
                2.max(3 / factor + 3 * near),
                3.max(7 / factor + 5 * near),
                4.max(21 / factor + 7 * near),
            ]
        };
        let t1 = if t1 == 0 { clamp(usual[0], near + 1) } else { t1 };
        let t2 = if t2 == 0 { clamp(usual[1], t1) } else { t2 };
        let t3 = if t3 == 0 { clamp(usual[2], t2) } else { t3 };
        let reset = if reset == 0 { 64 } else { reset };
        if !(near < t1 && t1 <= t2 && t2 <= t3 && t3 <= most && reset >= 3) {
            return None;
        }
        let range = (most + 2 * near) / (2 * near + 1) + 1;
        let bits_of = |count: i32| u32::BITS - (count - 1).cast_unsigned().leading_zeros();
        let depth = bits_of(most + 1).max(2);
        let limit = 2 * (depth + depth.max(8));
        let range_bits = bits_of(range);
        Some(Self { most, near, thresholds: [t1, t2, t3], reset, range, range_bits, limit })
    }

    /// Which of nine steps a difference is in.
    fn step(&self, difference: i32) -> i32 {
        let size = difference.abs();
        let [t1, t2, t3] = self.thresholds;
        let step = if size <= self.near {
            0
        } else {
            1 + i32::from(size >= t1) + i32::from(size >= t2) + i32::from(size >= t3)
        };
        step * difference.signum()
    }

    /// The value that is `error` steps off what was predicted.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 65535")]
    fn value(&self, predicted: i32, error: i32) -> u16 {
        let step = 2 * self.near + 1;
        let mut value = predicted + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.most + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.most) as u16
    }
}

/// What was predicted between neighbours of one kind.
#[derive(Clone, Copy)]
struct Context {
    /// Sizes of the errors, their sum, and how many there were.
    sizes: i32,
    sum: i32,
    count: i32,
    correction: i32,
}

struct Decoder<'f> {
    coding: Coding,
    bits: Bits<'f>,
    contexts: [Context; CONTEXTS],
    /// Of values that end runs: between different neighbours, and between equal ones. Of these, `sum`
    /// counts the errors below zero.
    ends: [Context; 2],
}

impl<'f> Decoder<'f> {
    fn new(coding: Coding, coded: &'f [u8]) -> Self {
        let sizes = ((coding.range + 32) / 64).max(2);
        let fresh = Context { sizes, sum: 0, count: 1, correction: 0 };
        let bits = Bits { bytes: coded, at: 0, ahead: 0, count: 0 };
        Self { coding, bits, contexts: [fresh; CONTEXTS], ends: [fresh; 2] }
    }

    /// The next row of samples that are coded together; it is then the one above.
    fn row(&mut self, lines: &mut [Line]) -> Option<()> {
        let width = lines.first()?.now.len();
        for line in &mut *lines {
            line.before[width - 1] = line.before[width - 2];
            line.now[0] = line.before[1];
        }
        let mut at = 1;
        while at < width - 1 {
            let mut kinds = [0; 3];
            for (kind, line) in kinds.iter_mut().zip(&*lines) {
                let [left, above, between, next] = neighbours(line, at);
                *kind = 81 * self.coding.step(next - above)
                    + 9 * self.coding.step(above - between)
                    + self.coding.step(between - left);
            }
            if kinds == [0; 3] {
                at = self.run(lines, at)?;
                continue;
            }
            for (kind, line) in kinds.into_iter().zip(&mut *lines) {
                line.now[at] = self.sample(kind, neighbours(line, at))?;
            }
            at += 1;
        }
        for line in lines {
            std::mem::swap(&mut line.before, &mut line.now);
        }
        Some(())
    }

    /// A sample that its neighbours predict (A.4 to A.6).
    fn sample(&mut self, kind: i32, [left, above, between, _]: [i32; 4]) -> Option<u16> {
        let coding = self.coding;
        let sign = if kind < 0 { -1 } else { 1 };
        let context = self.contexts.get_mut(usize::try_from(kind.abs()).ok()?)?;
        let predicted = if between >= left.max(above) {
            left.min(above)
        } else if between <= left.min(above) {
            left.max(above)
        } else {
            left + above - between
        };
        let predicted = (predicted + sign * context.correction).clamp(0, coding.most);
        let shift = context.shift(context.sizes);
        let mapped = self.bits.number(shift, coding.limit, coding.range_bits)?;
        let turned = coding.near == 0 && shift == 0 && 2 * context.sum <= -context.count;
        let error = if mapped & 1 == 0 { mapped >> 1 } else { -((mapped + 1) >> 1) };
        let error = if turned { -1 - error } else { error };
        context.sum += error * (2 * coding.near + 1);
        context.sizes += error.abs();
        context.count(coding.reset);
        if context.sum <= -context.count {
            context.sum = (context.sum + context.count).max(1 - context.count);
            context.correction = (context.correction - 1).max(-128);
        } else if context.sum > 0 {
            context.sum = (context.sum - context.count).min(0);
            context.correction = (context.correction + 1).min(127);
        }
        Some(coding.value(predicted, sign * error))
    }

    /// A run of what is on the left, and the value that ends it, from column `at` on (A.7). Tells
    /// where it goes on.
    fn run(&mut self, lines: &mut [Line], mut at: usize) -> Option<usize> {
        let end = lines.first()?.now.len() - 1;
        let mut stage = lines.first()?.run;
        let start = at;
        while self.bits.take(1)? == 1 {
            at += 1 << RUN_BITS[stage];
            if at <= end {
                stage = (stage + 1).min(RUN_BITS.len() - 1);
            }
            if at >= end {
                break;
            }
        }
        let is_ended = at < end;
        if is_ended {
            at += self.bits.take(RUN_BITS[stage])? as usize;
            // The value that ends the run is in the line too.
            if at >= end {
                return None;
            }
        }
        for line in &mut *lines {
            let left = line.now[start - 1];
            line.now[start..at.min(end)].fill(left);
        }
        if is_ended {
            let alone = lines.len() == 1;
            for line in &mut *lines {
                let [left, above, ..] = neighbours(line, at);
                line.now[at] = self.run_end(left, above, RUN_BITS[stage], alone)?;
            }
            stage = stage.saturating_sub(1);
            at += 1;
        }
        lines.first_mut()?.run = stage;
        Some(at.min(end))
    }

    /// The value that ends a run (A.7.2).
    fn run_end(&mut self, left: i32, above: i32, run_bits: u32, alone: bool) -> Option<u16> {
        let coding = self.coding;
        let alike = alone && (left - above).abs() <= coding.near;
        let kind = i32::from(alike);
        let context = &mut self.ends[usize::from(alike)];
        let half = if alike { context.count >> 1 } else { 0 };
        let shift = context.shift(context.sizes + half);
        let limit = coding.limit - run_bits - 1;
        let mapped = self.bits.number(shift, limit, coding.range_bits)?;
        let odd = (mapped + kind) & 1;
        let size = (mapped + kind + odd) >> 1;
        let mostly_negative = shift != 0 || 2 * context.sum >= context.count;
        let error = if mostly_negative == (odd == 1) { -size } else { size };
        context.sum += i32::from(error < 0);
        context.sizes += (mapped + 1 - kind) >> 1;
        context.count(coding.reset);
        let (predicted, sign) = match alike {
            true => (left, 1),
            false => (above, if left > above { -1 } else { 1 }),
        };
        Some(coding.value(predicted, sign * error))
    }
}

impl Context {
    /// Low bits of an error that are coded as they are.
    const fn shift(&self, sizes: i32) -> u32 {
        let mut shift = 0;
        while shift < 24 && self.count << shift < sizes {
            shift += 1;
        }
        shift
    }

    fn count(&mut self, reset: i32) {
        if self.count == reset {
            self.sizes >>= 1;
            self.sum >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
    }
}

/// The values on the left, above, between these, and above to the right.
fn neighbours(line: &Line, at: usize) -> [i32; 4] {
    [line.now[at - 1], line.before[at], line.before[at - 1], line.before[at + 1]].map(i32::from)
}

/// The bits of a scan: behind a byte of ones comes one bit that is none.
struct Bits<'f> {
    bytes: &'f [u8],
    at: usize,
    /// The next bits, from the highest down.
    ahead: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(byte) = self.bytes.get(self.at) else { return };
            let stuffed = u32::from(self.at > 0 && self.bytes[self.at - 1] == 0xff);
            if stuffed == 1 && *byte > 0x7f || *byte == 0xff && self.is_marker() {
                return;
            }
            self.ahead |= u64::from(*byte) << (56 + stuffed) >> self.count;
            self.count += 8 - stuffed;
            self.at += 1;
        }
    }

    /// Whether a marker stands at the next byte, which is all ones.
    fn is_marker(&self) -> bool {
        self.bytes.get(self.at + 1).is_none_or(|next| *next > 0x7f)
    }

    /// Where the next marker may be looked for.
    fn end(&self) -> usize {
        let markers = |pair: &[u8]| pair[0] == 0xff && pair[1] > 0x7f;
        let ahead = self.bytes[self.at..].windows(2).position(markers);
        ahead.map_or(self.bytes.len(), |ahead| self.at + ahead)
    }

    /// The next `count` bits, up to 24; `None` when there are fewer.
    fn take(&mut self, count: u32) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        if self.count < count {
            self.fill();
        }
        let bits = self.ahead >> (64 - count);
        self.count = self.count.checked_sub(count)?;
        self.ahead <<= count;
        u32::try_from(bits).ok()
    }

    /// A number in Golomb's code with `shift` low bits, or, behind as many zeros as `limit` allows, in
    /// `range_bits` bits (A.5.3).
    fn number(&mut self, shift: u32, limit: u32, range_bits: u32) -> Option<i32> {
        let most = limit.checked_sub(range_bits + 1)?;
        let mut zeros = 0;
        loop {
            if self.count == 0 {
                self.fill();
            }
            let here = self.ahead.leading_zeros().min(self.count);
            zeros += here;
            if zeros > most || self.count == 0 {
                return None;
            }
            if here < self.count {
                self.take(here)?;
                self.take(1)?;
                break;
            }
            (self.ahead, self.count) = (0, 0);
        }
        let number = if zeros < most {
            zeros << shift | self.take(shift)?
        } else {
            self.take(range_bits)? + 1
        };
        i32::try_from(number).ok()
    }
}
