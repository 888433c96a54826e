//! JPEG 2000 (ISO/IEC 15444-1): streams without what is not image, and their decoding.
//!
//! The decoder is another's. It is given streams of the size that the header tells, whose structure
//! was walked, and which ask for a bounded number of blocks.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::form::Form;
use crate::error::{Damage, Shape};

/// Most samples of a frame: the decoder needs some 16 bytes for each.
const SAMPLES_MAX: u64 = 1 << 26;
/// Most tiles: their numbers have 16 bits (A.4.2).
const TILES_MAX: usize = 65_535;
/// Most changes of the order of packets.
const ORDERS_MAX: u64 = 32;
/// Blocks that any frame may have; above that, one for so many samples.
const BLOCKS_FREE: u64 = 1 << 16;
const SAMPLES_OF_BLOCK: u64 = 8;
/// Bits of a sample that the decoder keeps exactly.
const BITS_MAX: usize = 16;

const START: [u8; 2] = [0xff, 0x4f];
const END_MARKER: u8 = 0xd9;
const END: [u8; 2] = [0xff, END_MARKER];
const TILE_PART: u8 = 0x90;
const TILE_PART_BYTES: usize = 12;
const DATA: u8 = 0x93;
const SIZE: u8 = 0x51;
const CODING: u8 = 0x52;
const COMPONENT_CODING: u8 = 0x53;
const ORDERS: u8 = 0x5f;
const REGION: u8 = 0x5e;
const STEPS: u8 = 0x5c;
const COMPONENT_STEPS: u8 = 0x5d;
/// The style of steps that are told by the first of them.
const DERIVED: u8 = 1;
/// Packed headers.
const HEADERS: [u8; 2] = [0x60, 0x61];
/// What decoding does not need: lengths, registration, comments.
const LEFT_OUT: &[u8] = &[0x55, 0x57, 0x58, 0x63, 0x64];

/// The stream without comments and what follows its end, and what it says of itself.
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    /// The body of the segment on its size.
    size: Option<Vec<u8>>,
    /// The bodies of segments on coding, those for one component with its number.
    codings: Vec<(u8, Vec<u8>)>,
    orders: u64,
    /// Whether each tile is there, as far as the last that is.
    tiles: Vec<bool>,
}

impl Stream {
    /// Of a frame, or where it is damaged.
    pub(super) fn of(frame: &[u8]) -> Result<Self, Damage> {
        let mut walk = Walk { frame, at: START.len() };
        let mut stream = Self {
            bytes: START.to_vec(),
            size: None,
            codings: Vec::new(),
            orders: 0,
            tiles: Vec::new(),
        };
        let done = frame.starts_with(&START).then(|| stream.read(&mut walk)).flatten();
        match done {
            Some(()) => Ok(stream),
            None => Err(Damage::Bytes { at: walk.at.min(frame.len()), bytes: frame.len() }),
        }
    }

    fn read(&mut self, walk: &mut Walk<'_>) -> Option<()> {
        self.segments(walk, TILE_PART)?;
        loop {
            self.tile_part(walk)?;
            match walk.peek()? {
                TILE_PART => {}
                END_MARKER => {
                    self.bytes.extend(END);
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Takes the segments up to a marker, and leaves out what is not needed.
    fn segments(&mut self, walk: &mut Walk<'_>, until: u8) -> Option<()> {
        loop {
            let marker = walk.peek()?;
            if marker == until {
                return Some(());
            }
            let segment = walk.segment()?;
            let body = &segment[4..];
            // The decoder believes lengths only where they vary: what is longer would be read as
            // the next segment, which was not looked at.
            match marker {
                SIZE if self.size.is_none() => self.size = Some(body.to_vec()),
                CODING | COMPONENT_CODING => self.codings.push((marker, body.to_vec())),
                ORDERS => self.orders += body.len() as u64 / 7,
                STEPS if *body.first()? & 31 != DERIVED || body.len() == 3 => {}
                COMPONENT_STEPS if *body.get(1)? & 31 != DERIVED || body.len() == 4 => {}
                REGION if body.len() == 3 => {}
                _ if HEADERS.contains(&marker) => {}
                _ if LEFT_OUT.contains(&marker) => continue,
                _ => return None,
            }
            self.bytes.extend_from_slice(segment);
        }
    }

    fn tile_part(&mut self, walk: &mut Walk<'_>) -> Option<()> {
        let (start, from) = (walk.at, self.bytes.len());
        let head = walk.segment().filter(|segment| segment.len() == TILE_PART_BYTES)?;
        let tile = usize::from(u16::from_be_bytes([head[4], head[5]]));
        self.tiles.resize(self.tiles.len().max(tile + 1), false);
        self.tiles[tile] = true;
        let (length, _) = head[6..].split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        self.bytes.extend_from_slice(head);
        self.segments(walk, DATA)?;
        let coded = &walk.frame[walk.at..];
        // The last part may leave its length open; no two bytes of data are the end's.
        let count = match length {
            0 => coded.windows(2).position(|pair| pair == END)?,
            length => (start + length).checked_sub(walk.at)?,
        };
        self.bytes.extend_from_slice(coded.get(..count)?);
        walk.at += count;
        let length = u32::try_from(self.bytes.len() - from).ok()?.to_be_bytes();
        self.bytes[from + 6..from + 10].copy_from_slice(&length);
        Some(())
    }

    fn size(&self) -> Result<Size, Damage> {
        let size = self.size.as_ref().and_then(|body| Size::read(body));
        size.ok_or(Damage::Feature("samples that differ, or no sensible size"))
    }

    /// Whether it holds frames of a form, and asks for no more than its size makes likely.
    fn check(&self, form: Form) -> Result<(), Damage> {
        let size = self.size()?;
        form.check(size.shape)?;
        if size.shape.bits > BITS_MAX {
            return Err(Damage::Feature("a sample of more than 16 bits"));
        }
        let samples = (form.rows * form.columns * form.samples) as u64;
        few("samples", samples, SAMPLES_MAX)?;
        if size.tiles > TILES_MAX || self.tiles != vec![true; size.tiles] {
            return Err(Damage::Feature("a frame without some of its tiles"));
        }
        few("changes of the order of packets", self.orders, ORDERS_MAX)?;
        let (mut layers, mut blocks) = (1, 0);
        for (marker, body) in &self.codings {
            let style = match (*marker, body.as_slice()) {
                (CODING, [flags, _, high, low, _, style @ ..]) => {
                    layers = layers.max(u64::from(u16::from_be_bytes([*high, *low])));
                    Style::read(*flags, style)
                }
                (COMPONENT_CODING, [_, flags, style @ ..]) => Style::read(*flags, style),
                _ => None,
            };
            let style = style.ok_or(Damage::Feature("a style of coding that makes no sense"))?;
            blocks = blocks.max(style.blocks(form));
        }
        let blocks = blocks.saturating_mul((1 + layers) * form.samples as u64);
        few("blocks", blocks, BLOCKS_FREE.max(samples / SAMPLES_OF_BLOCK))
    }

    /// Whether a wavelet of it rounds: then what was coded is not exactly what is decoded.
    pub(super) fn is_rounded(&self) -> bool {
        let rounds = |(marker, body): &(u8, Vec<u8>)| {
            body.get(if *marker == CODING { 9 } else { 6 }).is_some_and(|wavelet| *wavelet == 0)
        };
        self.codings.iter().any(rounds)
    }
}

/// Whether there are no more of something than there may be.
const fn few(what: &'static str, got: u64, most: u64) -> Result<(), Damage> {
    if got > most { Err(Damage::TooMany { what, got, most }) } else { Ok(()) }
}

/// Reads the segments of a stream.
struct Walk<'f> {
    frame: &'f [u8],
    at: usize,
}

impl<'f> Walk<'f> {
    /// The next marker.
    fn peek(&self) -> Option<u8> {
        let [first, marker] = self.frame.get(self.at..)?.first_chunk()?;
        (*first == 0xff).then_some(*marker)
    }

    /// The next segment, from its marker on.
    fn segment(&mut self) -> Option<&'f [u8]> {
        let (length, _) = self.frame.get(self.at + 2..)?.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length)).max(2);
        let segment = self.frame.get(self.at..self.at + 2 + length)?;
        self.at += segment.len();
        Some(segment)
    }
}

/// What a stream says of its size (A.5.1).
struct Size {
    shape: Shape,
    signed: bool,
    tiles: usize,
}

impl Size {
    /// Of the body of a segment; `None` when its samples differ from one another.
    fn read(body: &[u8]) -> Option<Self> {
        let (head, parts) = body.split_first_chunk::<36>()?;
        let (words, _) = head[2..34].as_chunks::<4>();
        let words = words.iter().map(|word| usize::try_from(u32::from_be_bytes(*word)));
        let words: Vec<usize> = words.collect::<Result<_, _>>().ok()?;
        let [x1, y1, x0, y0, tile_width, tile_height, tile_x, tile_y] = words[..] else {
            return None;
        };
        let (parts, rest) = parts.as_chunks::<3>();
        let [depth, 1, 1] = *parts.first()? else { return None };
        let samples = usize::from(u16::from_be_bytes([head[34], head[35]]));
        if parts.len() != samples || !rest.is_empty() || parts.iter().any(|p| *p != parts[0]) {
            return None;
        }
        if tile_width == 0 || tile_height == 0 || tile_x > x0 || tile_y > y0 {
            return None;
        }
        let across = x1.checked_sub(tile_x)?.div_ceil(tile_width);
        let tiles = y1.checked_sub(tile_y)?.div_ceil(tile_height).checked_mul(across)?;
        let (columns, rows) = (x1.checked_sub(x0)?, y1.checked_sub(y0)?);
        let bits = usize::from(depth & 0x7f) + 1;
        Some(Self {
            shape: Shape { columns, rows, samples, bits },
            signed: depth & 0x80 != 0,
            tiles,
        })
    }
}

/// How a component is cut into blocks (A.6.1).
struct Style<'s> {
    levels: u32,
    /// Width and height of a block, as powers of two.
    block: [u32; 2],
    /// A byte for each resolution, or nothing.
    precincts: &'s [u8],
}

impl<'s> Style<'s> {
    fn read(flags: u8, style: &'s [u8]) -> Option<Self> {
        let (&[levels, width, height, _, _], precincts) = style.split_first_chunk::<5>()?;
        let block = [u32::from(width) + 2, u32::from(height) + 2];
        let right = levels <= 32
            && block.iter().all(|power| *power <= 10)
            && block[0] + block[1] <= 12
            && precincts.len() == if flags & 1 == 1 { usize::from(levels) + 1 } else { 0 };
        right.then(|| Self { levels: levels.into(), block, precincts })
    }

    /// Blocks and precincts of a component, or a few more.
    fn blocks(&self, form: Form) -> u64 {
        let size = [form.columns as u64, form.rows as u64];
        let mut blocks = 0_u64;
        for resolution in 0..=self.levels {
            let precinct = match self.precincts.get(resolution as usize) {
                Some(powers) => [u32::from(powers & 15), u32::from(powers >> 4)],
                None => [15, 15],
            };
            // Above the lowest resolution, three bands share it, each half as wide and high.
            let (bands, halved) = if resolution == 0 { (1, 0) } else { (3, 1) };
            let pieces = |power: [u32; 2], below: u32| -> u64 {
                let along = |at: usize| {
                    (size[at] >> (self.levels - resolution + below).min(63) >> power[at]) + 2
                };
                along(0) * along(1)
            };
            let inner = precinct.map(|power| power.saturating_sub(halved));
            let block = [inner[0].min(self.block[0]), inner[1].min(self.block[1])];
            blocks += bands * (pieces(inner, halved) + pieces(block, halved));
        }
        blocks
    }
}

/// One frame as its pixels; colours that were transformed as red, green, blue.
///
/// # Errors
/// [`Damage`]
pub(super) fn decode(frame: &[u8], form: Form) -> Result<Vec<u8>, Damage> {
    let stream = Stream::of(frame)?;
    stream.check(form)?;
    let size = stream.size()?;
    let settings =
        DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = Image::new(&stream.bytes, &settings).map_err(|_| Damage::Unclear)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|_| Damage::Unclear)?;
    let pixels = form.rows * form.columns;
    let parts: Vec<&[f32]> = decoded.components().iter().map(|part| part.samples()).collect();
    if parts.len() != form.samples || parts.iter().any(|part| part.len() != pixels) {
        return Err(Damage::Unclear);
    }
    // The decoder adds half the range to numbers with a sign too.
    let below = if size.signed { 1 << (size.shape.bits - 1) } else { 0 };
    let most = (1 << size.shape.bits) - 1;
    let width = form.allocated / 8;
    let mut bytes = Vec::with_capacity(pixels * form.samples * width);
    for pixel in 0..pixels {
        for part in &parts {
            let value = number(part[pixel], most) - below;
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
    }
    Ok(bytes)
}

/// A sample as a number from 0 to `most`.
#[expect(clippy::cast_possible_truncation, reason = "rounded, and held within 16 bits")]
fn number(sample: f32, most: i32) -> i32 {
    (sample.round_ties_even() as i32).clamp(0, most)
}
