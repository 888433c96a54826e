//! Frames with names and measurements burned in, made up: a body, noise, and lines of text of several
//! sizes and contrasts, at any place. What is drawn is known to the pixel. They are cleaned as the agent
//! cleans DICOM files.

mod font;

use std::sync::{Arc, Mutex};

use insitu_dicom::{
    Cleaned, Cleaner, Error, Person, Picture, PixelText, Pixels, Settings, Substitute, TextFinder,
    TextLine, Unclean, Unread, What,
};
use insitu_models::ocr::{self, CONFIDENCE_MIN, Detector, Line, Recogniser};

/// A frame of greys, and which of its pixels are of text.
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) grey: Vec<u8>,
    pub(crate) lines: Vec<Written>,
}

/// A line of text on a frame.
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) pixels: Vec<usize>,
}

/// How the text of a frame is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Pixels of a dot of a letter: a capital is seven dots high.
    pub(crate) dot: usize,
    /// How much brighter text is than what is behind it.
    pub(crate) contrast: u8,
    /// Greatest change of a pixel by noise.
    pub(crate) noise: u8,
    /// Whether letters are made smooth, as a screen's are.
    pub(crate) smooth: bool,
}

/// Numbers that look random and are the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        // xorshift64* (Vigna, 2016).
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap_or(0) % limit
    }
}

const NAMES: &[&str] = &[
    "DOE, JANE",
    "MUELLER ANNA",
    "GARCIA LOPEZ M.",
    "SMITH JOHN F.",
    "OKAFOR, N.",
    "LI WEI",
    "KOWALSKI PIOTR",
    "ROSSI,GIULIA",
    "YILMAZ H.",
    "TANAKA Y.",
];

/// Dots from the bottom of one line to the top of the next.
const LEADING: usize = 3;

/// A frame: a bright body on black, noise, and so many lines of text that do not touch, each a name, a
/// date of birth, or a number.
pub(crate) fn frame(size: (usize, usize), lines: usize, style: Style, dice: &mut Dice) -> Frame {
    let blocks: Vec<_> = (0..lines).map(|_| vec![personal(dice)]).collect();
    frame_of(size, blocks, style, dice)
}

/// A frame with these blocks of lines, one below the other in each; those for which there is no place
/// are left out.
pub(crate) fn frame_of(
    (width, height): (usize, usize),
    blocks: Vec<Vec<String>>,
    style: Style,
    dice: &mut Dice,
) -> Frame {
    let mut grey = vec![8; width * height];
    body(&mut grey, width, dice);
    let mut frame = Frame { width, height, grey, lines: Vec::new() };
    let mut taken: Vec<[usize; 4]> = Vec::new();
    for block in blocks {
        let letters = block.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let step = (font::ROWS + LEADING) * style.dot;
        let size = (letters * font::PITCH * style.dot, block.len() * step - LEADING * style.dot);
        for _ in 0..100 {
            if size.0 + 4 >= width || size.1 + 4 >= height {
                break;
            }
            let (left, top) =
                (2 + dice.below(width - size.0 - 4), 2 + dice.below(height - size.1 - 4));
            let gap = 2 * style.dot + 4;
            let box_ = [left, top, left + size.0, top + size.1];
            let clear = |other: &[usize; 4]| {
                box_[2] + gap <= other[0]
                    || other[2] + gap <= box_[0]
                    || box_[3] + gap <= other[1]
                    || other[3] + gap <= box_[1]
            };
            if taken.iter().all(clear) {
                taken.push(box_);
                for (at, text) in block.into_iter().enumerate() {
                    frame.write(text, (left, top + at * step), style);
                }
                break;
            }
        }
    }
    for pixel in &mut frame.grey {
        let change = dice.below(2 * usize::from(style.noise) + 1);
        let change = i16::try_from(change).unwrap_or(0) - i16::from(style.noise);
        *pixel = u8::try_from((i16::from(*pixel) + change).clamp(0, 255)).unwrap_or(0);
    }
    frame
}

/// Ellipses of several greys, smaller ones in larger ones.
fn body(grey: &mut [u8], width: usize, dice: &mut Dice) {
    let height = grey.len() / width;
    let centre = (width / 2 + dice.below(width / 8 + 1), height / 2 + dice.below(height / 8 + 1));
    for (part, bright) in [(45, 70_u8), (38, 120), (20, 90), (9, 150)] {
        let (rx, ry) = (width * part / 100, height * part / 110);
        let shift = (dice.below(rx / 4 + 1), dice.below(ry / 4 + 1));
        for (at, pixel) in grey.iter_mut().enumerate() {
            let dx = (at % width).abs_diff(centre.0 - shift.0.min(centre.0)) as f64 / rx as f64;
            let dy = (at / width).abs_diff(centre.1 - shift.1.min(centre.1)) as f64 / ry as f64;
            // Edges are soft, as those of bodies are.
            let inside = ((1.0 - dx * dx - dy * dy) * 4.0).clamp(0.0, 1.0);
            *pixel = byte(f64::from(*pixel) * (1.0 - inside) + f64::from(bright) * inside);
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
fn byte(grey: f64) -> u8 {
    grey as u8
}

/// A name, a date of birth, or a number.
pub(crate) fn personal(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => {
            format!("{:02}.{:02}.19{:02}", 1 + dice.below(28), 1 + dice.below(12), dice.below(100))
        }
        1 => format!("ID:{:07}", dice.below(10_000_000)),
        _ => NAMES[dice.below(NAMES.len())].to_owned(),
    }
}

/// A side, a view, a measurement or a setting.
pub(crate) fn marking(dice: &mut Dice) -> String {
    const WORDS: &[&str] =
        &["L", "R", "LEFT", "RIGHT", "AP", "PA", "LAT", "RCC", "L MLO", "SUP", "ERECT", "AP ERECT"];
    let (whole, part) = (1 + dice.below(20), dice.below(10));
    match dice.below(8) {
        0 => format!("{whole}.{part} cm"),
        1 => format!("D{} {whole}.{part} CM", 1 + dice.below(4)),
        2 => format!("MI 0.{part}"),
        3 => format!("TIS 0.{part} MI 1.{part}"),
        4 => format!("Depth {whole} cm"),
        5 => format!("{} MHz", 2 + dice.below(12)),
        6 => format!("Gain {} dB", 30 + dice.below(60)),
        _ => WORDS[dice.below(WORDS.len())].to_owned(),
    }
}

/// What is personal, and much like a marking.
pub(crate) fn near_marking(dice: &mut Dice) -> String {
    let name = NAMES[dice.below(NAMES.len())];
    let (day, month, year) = (1 + dice.below(28), 1 + dice.below(12), dice.below(100));
    match dice.below(9) {
        0 => format!("L {name}"),
        1 => format!("{name} {day} cm"),
        2 => format!("{day:02}.{month:02}"),
        3 => format!("{day:02}:{month:02} Hz"),
        4 => format!("19{year:02} cm"),
        5 => format!("{}", 1000 + dice.below(9000)),
        6 => ["PAL", "LEE", "LAP", "MLOT", "R JS", "CCC", "PAP", "SUPPE", "LATT"][dice.below(9)]
            .to_owned(),
        7 => format!("PA {name}"),
        _ => format!("{day} cm {name}"),
    }
}

impl Frame {
    fn write(&mut self, text: String, (left, top): (usize, usize), style: Style) {
        let (columns, rows) =
            (text.chars().count() * font::PITCH * style.dot, font::ROWS * style.dot);
        let mut ink = vec![0_u16; columns * rows];
        for (at, letter) in text.chars().enumerate() {
            for (row, dots) in font::rows(letter).into_iter().enumerate() {
                for column in (0..font::COLUMNS).filter(|column| dots >> (4 - column) & 1 == 1) {
                    let x = (at * font::PITCH + column) * style.dot;
                    for y in row * style.dot..(row + 1) * style.dot {
                        ink[y * columns + x..y * columns + x + style.dot].fill(255);
                    }
                }
            }
        }
        if style.smooth {
            let sharp = ink.clone();
            for y in 1..rows - 1 {
                for x in 1..columns - 1 {
                    let at = y * columns + x;
                    let beside =
                        sharp[at - 1] + sharp[at + 1] + sharp[at - columns] + sharp[at + columns];
                    ink[at] = (4 * sharp[at] + beside) / 8;
                }
            }
        }
        let mut pixels = Vec::new();
        for (at, ink) in ink.iter().enumerate().filter(|(_, ink)| **ink > 0) {
            let place = (top + at / columns) * self.width + left + at % columns;
            let more = u16::from(style.contrast) * ink / 255;
            let bright = (u16::from(self.grey[place]) + more).min(255);
            self.grey[place] = u8::try_from(bright).unwrap_or(255);
            // What is fainter than a third of the text tells no letter.
            if *ink > 85 {
                pixels.push(place);
            }
        }
        self.lines.push(Written { text, pixels });
    }

    /// Takes the pixels of a cleaned image.
    pub(crate) fn take(&mut self, pixels: &[u8]) {
        self.grey.copy_from_slice(pixels);
    }

    /// Lines of which every pixel is black, and lines of which at least nine of ten are.
    pub(crate) fn covered(&self) -> (usize, usize) {
        let parts = || self.lines.iter().map(|line| (self.black(line), line.pixels.len()));
        let whole = parts().filter(|(black, all)| black == all).count();
        let most = parts().filter(|(black, all)| 10 * black >= 9 * all).count();
        (whole, most)
    }

    /// Pixels of a line that are black.
    pub(crate) fn black(&self, line: &Written) -> usize {
        line.pixels.iter().filter(|at| self.grey[**at] == 0).count()
    }
}

/// Looks for text with the detector, and reads it with the recogniser.
#[derive(Debug)]
pub(crate) struct Finder {
    pub(crate) detector: Mutex<Detector>,
    pub(crate) recogniser: Option<Mutex<Recogniser>>,
}

impl TextFinder for Finder {
    fn find(&self, picture: &Picture) -> Result<Vec<TextLine>, Unread> {
        let picture = ocr::Picture::new(picture.width, picture.rgb.clone()).ok_or(Unread)?;
        let found = self.detector.lock().map_err(|_| Unread)?.find(&picture);
        let lines = found.map_err(|_| Unread)?;
        let readings = match &self.recogniser {
            None => vec![None; lines.len()],
            Some(recogniser) => {
                let read = recogniser.lock().map_err(|_| Unread)?.read(&picture, &lines);
                read.map_err(|_| Unread)?
            }
        };
        let line = |(Line { place, parts }, reading): (Line, Option<ocr::Reading>)| {
            let sure = reading.filter(|reading| reading.confidence >= CONFIDENCE_MIN);
            TextLine { place, parts, text: sure.map(|reading| reading.text) }
        };
        Ok(lines.into_iter().zip(readings).map(line).collect())
    }

    fn reads(&self) -> bool {
        self.recogniser.is_some()
    }
}

/// Cleans the image that these frames of one size are; gives its frames' pixels too.
pub(crate) fn clean(
    finder: &Arc<Finder>,
    frames: &[Frame],
    pixel_text: PixelText,
) -> Result<(Cleaned, Vec<Vec<u8>>), Error> {
    let settings = Settings { pixels: Pixels::Ocr, pixel_text, ..Settings::default() };
    let finder: Arc<dyn TextFinder> = Arc::clone(finder) as _;
    let cleaner = Cleaner::new(settings, [7; 32]).with_finder(Some(finder));
    let cleaned = cleaner.clean(&file(frames), &mut Nobody)?;
    let size = frames[0].grey.len();
    // Pixels are the last of a file's attributes.
    let pixels = &cleaned.bytes[cleaned.bytes.len() - size * frames.len()..];
    let pixels = pixels.chunks_exact(size).map(<[u8]>::to_vec).collect();
    Ok((cleaned, pixels))
}

/// An ultrasound image.
fn file(frames: &[Frame]) -> Vec<u8> {
    let number = |n: usize| u16::try_from(n).expect("a small image").to_le_bytes().to_vec();
    let Frame { width, height, .. } = &frames[0];
    let pixels: Vec<u8> = frames.iter().flat_map(|frame| frame.grey.iter().copied()).collect();
    let elements = [
        (0x0002_0010_u32, b"UI", b"1.2.840.10008.1.2.1\0".to_vec()),
        (0x0008_0018, b"UI", b"1.2.276.0.77.1".to_vec()),
        (0x0008_0060, b"CS", b"US".to_vec()),
        (0x0028_0002, b"US", number(1)),
        (0x0028_0004, b"CS", b"MONOCHROME2 ".to_vec()),
        (0x0028_0008, b"IS", format!("{:2}", frames.len()).into_bytes()),
        (0x0028_0010, b"US", number(*height)),
        (0x0028_0011, b"US", number(*width)),
        (0x0028_0100, b"US", number(8)),
        (0x7fe0_0010, b"OB", pixels),
    ];
    let mut file = [vec![0; 128], b"DICM".to_vec()].concat();
    for (tag, vr, value) in elements {
        let [e0, e1, g0, g1] = tag.to_le_bytes();
        file.extend([g0, g1, e0, e1]);
        file.extend(vr);
        let length = u32::try_from(value.len()).expect("a small image").to_le_bytes();
        if vr == b"OB" {
            file.extend([0, 0]);
            file.extend(length);
        } else {
            file.extend(&length[..2]);
        }
        file.extend(value);
    }
    file
}

/// Headers here name nobody.
struct Nobody;

impl Substitute for Nobody {
    fn about(&mut self, _: &Person) {}

    fn text(&mut self, _: &str, text: &str) -> Result<String, Unclean> {
        Ok(text.to_owned())
    }

    fn stand_in(&mut self, _: What, _: &str) -> Option<String> {
        None
    }

    fn date(&mut self, _: &str) -> Option<String> {
        None
    }

    fn kinds(&mut self, _: &str) -> Vec<&'static str> {
        Vec::new()
    }

    fn is_left(&mut self, _: &str) -> Result<bool, Unclean> {
        Ok(false)
    }
}
