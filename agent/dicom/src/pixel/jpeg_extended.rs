//! Extended sequential JPEG with Huffman codes and grey pixels of up to twelve bits
//! (ISO/IEC 10918-1, annexes A and F).

use std::f32::consts::{FRAC_1_SQRT_2, PI};
use std::sync::LazyLock;

use super::form::Form;
use super::huffman::{Bits, Table, define};
use super::segments::{
    self, Fault, FrameHeader, HUFFMAN_TABLES, Process, RESTART_INTERVAL, SENSELESS, Samples,
    ScanHeader,
};
use crate::error::Damage;

const BASELINE: u8 = 0xc0;
const EXTENDED: u8 = 0xc1;
const QUANTISATION: u8 = 0xdb;
/// Pixels of a block's side, and of all of it.
const SIDE: usize = 8;
const BLOCK: usize = SIDE * SIDE;
/// The longest run of zeros, which no coefficient follows.
const ZEROS: u8 = 0xf0;
/// Where the coefficients of a block belong, in the order in which they come (figure A.6).
const ZIGZAG: [usize; BLOCK] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];
/// By place and frequency, what a coefficient adds to a pixel in one direction (A.3.3).
static WAVES: LazyLock<[[f32; SIDE]; SIDE]> = LazyLock::new(|| {
    std::array::from_fn(|place| {
        std::array::from_fn(|frequency| {
            let scale = if frequency == 0 { FRAC_1_SQRT_2 } else { 1.0 };
            let angle = (2 * place + 1) as f32 * frequency as f32 * PI / 16.0;
            scale / 2.0 * angle.cos()
        })
    })
});

/// One frame as its pixels.
///
/// # Errors
/// [`Damage`]
pub(super) fn decode(frame: &[u8], form: Form) -> Result<Vec<u8>, Damage> {
    if form.samples > 1 {
        return Err(Damage::Feature("colours of more than eight bits"));
    }
    let decoder = Extended {
        form,
        header: None,
        steps: [const { None }; 4],
        sizes: [const { None }; 4],
        runs: [const { None }; 4],
        restart: 0,
        samples: Samples::new(form),
    };
    segments::decode(frame, decoder)
}

struct Extended {
    form: Form,
    /// The header, and which of the steps it names.
    header: Option<(FrameHeader, usize)>,
    /// What coefficients are multiplied by, in the order of [`ZIGZAG`].
    steps: [Option<[f32; BLOCK]>; 4],
    /// Codes of the means of blocks, and of all other coefficients.
    sizes: [Option<Table>; 4],
    runs: [Option<Table>; 4],
    /// Blocks between two restarts, or 0.
    restart: usize,
    samples: Samples,
}

impl Process for Extended {
    fn segment(&mut self, marker: u8, payload: &[u8]) -> Result<(), Fault> {
        match marker {
            BASELINE | EXTENDED => {
                let header = FrameHeader::read(payload, self.form)?;
                let steps = payload.last().map_or(0, |place| usize::from(*place));
                self.header = Some((header, steps));
            }
            QUANTISATION => self.define_steps(payload).ok_or(SENSELESS)?,
            HUFFMAN_TABLES => define(payload, |place, table| {
                let class = if place >> 4 == 0 { &mut self.sizes } else { &mut self.runs };
                *class.get_mut(usize::from(place & 15))? = Some(table);
                Some(())
            })
            .ok_or(SENSELESS)?,
            RESTART_INTERVAL => {
                let [high, low] = payload else { return Err(SENSELESS) };
                self.restart = u16::from_be_bytes([*high, *low]).into();
            }
            marker if segments::is_frame(marker) => {
                return Err(Damage::Feature("another process than extended sequential").into());
            }
            _ => {}
        }
        Ok(())
    }

    fn scan(&mut self, header: &[u8], coded: &[u8]) -> Result<usize, Fault> {
        let (frame, steps) = self.header.as_ref().ok_or(SENSELESS)?;
        let scan = ScanHeader::read(header, Some(frame), &mut self.samples).ok_or(SENSELESS)?;
        let tables = usize::from(scan.parts[0].1);
        let table = |class: &[Option<Table>; 4], place: usize| class.get(place).cloned().flatten();
        let coding = Coding {
            steps: self.steps.get(*steps).copied().flatten().ok_or(SENSELESS)?,
            sizes: table(&self.sizes, tables >> 4).ok_or(SENSELESS)?,
            runs: table(&self.runs, tables & 15).ok_or(SENSELESS)?,
            bits: frame.bits,
        };
        let mut bits = Bits::new(coded);
        let decoded = self.blocks(&coding, &mut bits);
        decoded.ok_or_else(|| Fault::Ahead(bits.position()))?;
        Ok(bits.end())
    }

    fn samples(&mut self) -> &mut Samples {
        &mut self.samples
    }
}

impl Extended {
    fn define_steps(&mut self, mut bytes: &[u8]) -> Option<()> {
        while let Some((place, rest)) = bytes.split_first() {
            let width = 1 + usize::from(place >> 4);
            let (numbers, rest) = rest.split_at_checked(width * BLOCK)?;
            let number = |at: usize| match &numbers[at * width..(at + 1) * width] {
                [high, low] => f32::from(u16::from_be_bytes([*high, *low])),
                one => f32::from(one[0]),
            };
            let steps = self.steps.get_mut(usize::from(place & 15)).filter(|_| width <= 2)?;
            *steps = Some(std::array::from_fn(number));
            bytes = rest;
        }
        Some(())
    }

    fn blocks(&mut self, coding: &Coding, bits: &mut Bits<'_>) -> Option<()> {
        let Form { rows, columns, .. } = self.form;
        let across = columns.div_ceil(SIDE);
        let mut mean = 0;
        for block in 0..across * rows.div_ceil(SIDE) {
            if block > 0 && self.restart > 0 && block.is_multiple_of(self.restart) {
                bits.restart(block / self.restart - 1)?;
                mean = 0;
            }
            let (top, left) = (block / across * SIDE, block % across * SIDE);
            let pixels = coding.block(bits, &mut mean)?;
            for (row, line) in (top..rows).zip(pixels.chunks_exact(SIDE)) {
                for (column, value) in (left..columns).zip(line) {
                    self.samples.put(row * columns + column, 0, coding.value(*value));
                }
            }
        }
        Some(())
    }
}

/// How a scan is coded.
struct Coding {
    steps: [f32; BLOCK],
    sizes: Table,
    runs: Table,
    /// Bits of a pixel.
    bits: usize,
}

impl Coding {
    /// The next block of pixels, around 0; `mean` is the last one's.
    fn block(&self, bits: &mut Bits<'_>, mean: &mut i32) -> Option<[f32; BLOCK]> {
        let mut coefficients = [0.0; BLOCK];
        let size = bits.value(&self.sizes).filter(|size| *size < 16)?;
        *mean = mean.wrapping_add(bits.signed(size)?);
        coefficients[0] = *mean as f32 * self.steps[0];
        let mut at = 1;
        while at < BLOCK {
            let code = bits.value(&self.runs)?;
            let (zeros, size) = (usize::from(code >> 4), code & 15);
            if size == 0 && code != ZEROS {
                break;
            }
            at += zeros;
            let value = bits.signed(size)? as f32;
            let place = *ZIGZAG.get(at)?;
            coefficients[place] = value * self.steps[at];
            at += 1;
        }
        let turned = rows_back(&coefficients);
        Some(rows_back(&turned))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 65535")]
    fn value(&self, pixel: f32) -> u16 {
        let half = (1 << (self.bits - 1)) as f32;
        (pixel + half).round().clamp(0.0, 2.0 * half - 1.0) as u16
    }
}

/// The inverse transform of each row, which becomes a column: twice, and it is that of a block.
fn rows_back(block: &[f32; BLOCK]) -> [f32; BLOCK] {
    std::array::from_fn(|at| {
        let (place, row) = (at / SIDE, at % SIDE);
        let waves = WAVES[place].iter().zip(&block[row * SIDE..(row + 1) * SIDE]);
        waves.map(|(wave, coefficient)| wave * coefficient).sum()
    })
}
