//! Lossless JPEG with Huffman codes (ISO/IEC 10918-1, annex H): each sample is what its neighbours
//! predict, and a coded difference.

use super::form::Form;
use super::huffman::{Bits, Table, define};
use super::segments::{
    self, Fault, FrameHeader, HUFFMAN_TABLES, Process, RESTART_INTERVAL, SENSELESS, Samples,
    ScanHeader, restart_lines,
};
use crate::error::Damage;

const LOSSLESS: u8 = 0xc3;
/// The length that stands for a difference of 32768, without further bits.
const HALF_RANGE: u8 = 16;

/// One frame as its pixels.
///
/// # Errors
/// [`Damage`]
pub(super) fn decode(frame: &[u8], form: Form) -> Result<Vec<u8>, Damage> {
    let tables = [const { None }; 4];
    let samples = Samples::new(form);
    segments::decode(frame, Lossless { form, header: None, tables, restart_lines: 0, samples })
}

struct Lossless {
    form: Form,
    header: Option<FrameHeader>,
    tables: [Option<Table>; 4],
    restart_lines: usize,
    samples: Samples,
}

impl Process for Lossless {
    fn segment(&mut self, marker: u8, payload: &[u8]) -> Result<(), Fault> {
        match marker {
            LOSSLESS => self.header = Some(FrameHeader::read(payload, self.form)?),
            HUFFMAN_TABLES => define(payload, |place, table| {
                *self.tables.get_mut(usize::from(place))? = Some(table);
                Some(())
            })
            .ok_or(SENSELESS)?,
            RESTART_INTERVAL => self.restart_lines = restart_lines(payload, self.form)?,
            marker if segments::is_frame(marker) => {
                return Err(Damage::Feature("another process than lossless Huffman coding").into());
            }
            _ => {}
        }
        Ok(())
    }

    fn scan(&mut self, header: &[u8], coded: &[u8]) -> Result<usize, Fault> {
        let scan = ScanHeader::read(header, self.header.as_ref(), &mut self.samples);
        let scan = scan.ok_or(SENSELESS)?;
        let [predictor, _, transform] = scan.parameters;
        let point = usize::from(transform & 0x0f);
        if !(1..=7).contains(&predictor) || point >= scan.bits {
            return Err(SENSELESS);
        }
        let mut lines = Vec::new();
        for (sample, table) in scan.parts {
            let table = self.tables.get(usize::from(table >> 4)).and_then(Option::as_ref);
            let before = vec![0; self.form.columns];
            let now = before.clone();
            lines.push(Line { sample, table: table.ok_or(SENSELESS)?, before, now });
        }
        let half = 1 << (scan.bits - point - 1);
        let coding = Coding { predictor, point, half, restart_lines: self.restart_lines };
        let mut bits = Bits::new(coded);
        let decoded = coding.decode(&mut lines, &mut bits, &mut self.samples, self.form);
        decoded.ok_or_else(|| Fault::Ahead(bits.position()))?;
        Ok(bits.end())
    }

    fn samples(&mut self) -> &mut Samples {
        &mut self.samples
    }
}

/// A line of one sample of each pixel, and the one above it.
struct Line<'t> {
    sample: usize,
    table: &'t Table,
    before: Vec<u16>,
    now: Vec<u16>,
}

/// How a scan is coded.
struct Coding {
    /// Which neighbours predict (table H.1).
    predictor: u8,
    /// Low bits that are not coded.
    point: usize,
    /// What the first sample is predicted to be.
    half: i32,
    restart_lines: usize,
}

impl Coding {
    fn decode(
        &self,
        lines: &mut [Line<'_>],
        bits: &mut Bits<'_>,
        samples: &mut Samples,
        form: Form,
    ) -> Option<()> {
        for row in 0..form.rows {
            let restarts = row.checked_div(self.restart_lines).unwrap_or(0);
            let is_first = row == restarts * self.restart_lines || row == 0;
            if is_first && row > 0 {
                bits.restart(restarts - 1)?;
            }
            for column in 0..form.columns {
                for line in &mut *lines {
                    let difference = match bits.value(line.table)? {
                        HALF_RANGE => 1 << 15,
                        length => bits.signed(length).filter(|_| length < HALF_RANGE)?,
                    };
                    let predicted = if is_first {
                        column.checked_sub(1).map_or(self.half, |left| line.now[left].into())
                    } else if column == 0 {
                        line.before[0].into()
                    } else {
                        let (left, above) = (line.now[column - 1], line.before[column]);
                        self.predict(left.into(), above.into(), line.before[column - 1].into())
                    };
                    let value = modulo(predicted + difference);
                    line.now[column] = value;
                    samples.put(row * form.columns + column, line.sample, value << self.point);
                }
            }
            for line in &mut *lines {
                std::mem::swap(&mut line.before, &mut line.now);
            }
        }
        Some(())
    }

    const fn predict(&self, left: i32, above: i32, between: i32) -> i32 {
        match self.predictor {
            1 => left,
            2 => above,
            3 => between,
            4 => left + above - between,
            5 => left + ((above - between) >> 1),
            6 => above + ((left - between) >> 1),
            _ => (left + above) >> 1,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "modulo 2^16 (H.1.2.1)"
)]
const fn modulo(value: i32) -> u16 {
    value as u16
}
