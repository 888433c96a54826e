//! Frames in each compression: what is decoded is what was coded, and what is damaged is refused.

use proptest::prelude::*;

use super::pixels::compressed;
use super::*;

const COLUMNS: u16 = 19;
const ROWS: u16 = 13;

/// A frame of `data/frames`.
#[derive(Clone, Copy)]
struct Frame {
    name: &'static str,
    syntax: &'static str,
    samples: u16,
    bits: u16,
    signed: bool,
    /// By how much a decoded number may differ from the one that was coded.
    off: i32,
    bytes: &'static [u8],
}

macro_rules! frame {
    ($name:literal, $syntax:literal, $samples:literal, $bits:literal, $off:literal) => {
        frame!($name, $syntax, $samples, $bits, $off, false)
    };
    ($name:literal, $syntax:literal, $samples:literal, $bits:literal, $off:literal, $signed:literal) => {
        Frame {
            name: $name,
            syntax: $syntax,
            samples: $samples,
            bits: $bits,
            signed: $signed,
            off: $off,
            bytes: include_bytes!(concat!("../../data/frames/", $name)),
        }
    };
}

const FRAMES: &[Frame] = &[
    frame!("lossless-1.jpg", "4.70", 1, 8, 0),
    frame!("lossless-2.jpg", "4.57", 1, 8, 0),
    frame!("lossless-3.jpg", "4.57", 1, 8, 0),
    frame!("lossless-4.jpg", "4.57", 1, 8, 0),
    frame!("lossless-5.jpg", "4.57", 1, 8, 0),
    frame!("lossless-6.jpg", "4.57", 1, 8, 0),
    frame!("lossless-7.jpg", "4.57", 1, 8, 0),
    frame!("lossless-16.jpg", "4.70", 1, 16, 0),
    frame!("lossless-restart.jpg", "4.57", 1, 12, 0),
    frame!("lossless-point.jpg", "4.57", 1, 12, 3),
    frame!("lossless-rgb.jpg", "4.57", 3, 8, 0),
    frame!("lossless-planes.jpg", "4.57", 3, 8, 0),
    frame!("ls-8-0.jls", "4.80", 1, 8, 0),
    frame!("ls-12-0.jls", "4.80", 1, 12, 0),
    frame!("ls-16-0.jls", "4.80", 1, 16, 0),
    frame!("ls-8-3.jls", "4.81", 1, 8, 3),
    frame!("ls-rgb-0-0.jls", "4.80", 3, 8, 0),
    frame!("ls-rgb-1-0.jls", "4.80", 3, 8, 0),
    frame!("ls-rgb-2-0.jls", "4.80", 3, 8, 0),
    frame!("ls-rgb-0-2.jls", "4.81", 3, 8, 2),
    frame!("ls-rgb-1-2.jls", "4.81", 3, 8, 2),
    frame!("ls-rgb-2-2.jls", "4.81", 3, 8, 2),
    frame!("wavelet-8.j2k", "4.90", 1, 8, 0),
    frame!("wavelet-12.j2k", "4.90", 1, 12, 0),
    frame!("wavelet-16-signed.j2k", "4.90", 1, 16, 0, true),
    frame!("wavelet-rgb.j2k", "4.90", 3, 8, 0),
    frame!("wavelet-tiles-lrcp.j2k", "4.90", 1, 8, 0),
    frame!("wavelet-tiles-rpcl.j2k", "4.90", 1, 8, 0),
    frame!("wavelet-lossy.j2k", "4.91", 1, 8, 2),
    frame!("extended-12.jpg", "4.51", 1, 12, 2),
];

fn number(tag: u32, number: u16) -> Element<'static> {
    bytes(tag, Vr::Us, number.to_le_bytes().to_vec())
}

impl Frame {
    #[track_caller]
    fn named(name: &str) -> Self {
        *FRAMES.iter().find(|frame| frame.name == name).unwrap()
    }

    /// A file with these fragments.
    fn file(self, fragments: Vec<Vec<u8>>, more: Vec<Element<'static>>) -> Vec<u8> {
        let photometric = match self.name {
            "wavelet-rgb.j2k" => "YBR_RCT",
            _ if self.samples == 3 => "RGB",
            _ => "MONOCHROME2",
        };
        let mut elements = vec![
            text(0x0028_0004, Vr::Cs, photometric),
            number(0x0028_0002, self.samples),
            number(0x0028_0006, 1),
            number(0x0028_0010, ROWS),
            number(0x0028_0011, COLUMNS),
            number(0x0028_0100, self.bits.next_multiple_of(8)),
            number(0x0028_0101, self.bits),
            number(0x0028_0102, self.bits - 1),
            number(0x0028_0103, self.signed.into()),
        ];
        elements.extend(more);
        compressed(self.syntax, fragments, elements)
    }

    /// What was coded of a pixel, as `data/frames/make.py` says.
    fn coded(self, x: i32, y: i32, sample: i32) -> i32 {
        let low = i32::from(self.bits) - 8;
        let value = if (x / 4 + y / 3) % 3 == 0 {
            7 << (self.bits - 4)
        } else {
            let high = (x * x * 11 + y * y * 7 + x * y * 3 + sample * 301) & 255;
            high << low | (x * y * 37) & ((1 << low) - 1)
        };
        value - if self.signed { 1 << (self.bits - 1) } else { 0 }
    }

    /// Checks pixels that are black on the left of a column.
    #[track_caller]
    fn check(self, pixels: &[u8], black: i32) {
        let mut values = pixels.chunks_exact(usize::from(self.bits.div_ceil(8))).map(|bytes| {
            let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | i32::from(*byte));
            let negative = self.signed && value >> (self.bits - 1) == 1;
            value - if negative { 1 << self.bits } else { 0 }
        });
        for y in 0..i32::from(ROWS) {
            for x in 0..i32::from(COLUMNS) {
                for sample in 0..i32::from(self.samples) {
                    let coded = self.coded(x, y, sample);
                    let value = values.next().unwrap();
                    let off = if x < black { value - value.min(0) } else { (value - coded).abs() };
                    assert!(
                        off <= self.off,
                        "{} at {x}, {y}, {sample}: {value}, {coded}",
                        self.name
                    );
                }
            }
        }
    }
}

/// Settings that blacken the first columns of all images.
fn left(columns: u32) -> Settings {
    let region = Region { black: Some([0, 0, columns, 99]), ..Region::default() };
    Settings { regions: vec![region], ..Settings::default() }
}

fn blackened(file: &[u8]) -> Result<DataSet<'static>, Error> {
    let cleaned = Cleaner::new(left(2), [7; 32]).clean(file, &mut Mask::default())?;
    Ok(owned(&cleaned.bytes))
}

#[test]
fn what_is_decoded_is_what_was_coded() {
    for frame in FRAMES {
        let set = blackened(&frame.file(vec![frame.bytes.to_vec()], vec![])).unwrap();
        frame.check(set.find(Tag::PIXELS).unwrap().bytes().unwrap(), 2);
        let rounded = ["4.51", "4.81", "4.91"].contains(&frame.syntax);
        let lossy = set.ascii(Tag(0x0028_2110)) == Some("01");
        assert_eq!(lossy, rounded, "{}", frame.name);
        if frame.samples == 3 {
            assert_eq!(set.ascii(Tag(0x0028_0004)), Some("RGB"));
            assert_eq!(set.number(Tag(0x0028_0006)), Some(0), "pixel by pixel");
        }
    }
}

#[test]
fn frames_that_do_not_change_stay_compressed_without_comments() {
    for frame in FRAMES {
        let comment = if frame.name.ends_with("j2k") {
            &b"\xff\x64\x00\x0c\x00\x01Jane Roe"[..]
        } else {
            b"\xff\xfe\x00\x0aJane Roe"
        };
        // Behind the start, or, of JPEG 2000, behind the segment of its size.
        let at = match frame.bytes[1] {
            0x4f => 4 + usize::from(frame.bytes[5]),
            _ => 2,
        };
        let (start, rest) = frame.bytes.split_at(at);
        let commented = [start, comment, rest, b"Jane Roe"].concat();
        let file = frame.file(vec![commented], vec![]);
        let cleaned = cleaner(&[]).clean(&file, &mut Mask::default()).unwrap();
        assert!(!holds(&cleaned.bytes, b"Jane"), "{}", frame.name);
        let set = owned(&cleaned.bytes);
        let Value::Fragments(fragments) = &set.find(Tag::PIXELS).unwrap().value else { panic!() };
        assert!(fragments[0].len() <= frame.bytes.len() + 1, "{}", frame.name);
        let set = blackened(&cleaned.bytes).unwrap();
        frame.check(set.find(Tag::PIXELS).unwrap().bytes().unwrap(), 2);
    }
}

#[test]
fn every_frame_is_blackened_however_it_is_cut_into_fragments() {
    for name in ["lossless-16.jpg", "ls-rgb-1-0.jls", "wavelet-12.j2k"] {
        let frame = Frame::named(name);
        let (first, second) = frame.bytes.split_at(200);
        let halves = vec![first.to_vec(), second.to_vec()];
        let whole = vec![frame.bytes.to_vec()];
        let two = || vec![text(0x0028_0008, Vr::Is, "2")];
        for (fragments, more, count) in [
            (halves.clone(), vec![], 1),
            ([halves, whole.clone()].concat(), two(), 2),
            ([whole.clone(), whole].concat(), two(), 2),
        ] {
            let set = blackened(&frame.file(fragments, more)).unwrap();
            let pixels = set.find(Tag::PIXELS).unwrap().bytes().unwrap();
            let size = usize::from(ROWS * COLUMNS * frame.samples * frame.bits.div_ceil(8));
            let pixels = &pixels[..size * count];
            pixels.chunks(size).for_each(|pixels| frame.check(pixels, 2));
        }
    }
}

#[test]
fn text_is_looked_for_in_what_is_decoded() {
    /// Finds the pixels that are as bright as any.
    #[derive(Debug)]
    struct Brightest;
    impl TextFinder for Brightest {
        fn find(&self, picture: &Picture) -> Result<Vec<TextLine>, Unread> {
            let at = picture.rgb.iter().position(|value| *value == 255).ok_or(Unread)? / 3;
            let [x, y] =
                [at % picture.width, at / picture.width].map(|n| u32::try_from(n).unwrap());
            Ok(vec![burned::pixel(x, y)])
        }
    }
    for name in ["lossless-16.jpg", "ls-12-0.jls", "wavelet-16-signed.j2k", "extended-12.jpg"] {
        let frame = Frame::named(name);
        let settings = Settings { pixels: Pixels::Ocr, ..Settings::default() };
        let cleaner = Cleaner::new(settings, [7; 32]).with_finder(Some(Arc::new(Brightest)));
        let file = frame.file(vec![frame.bytes.to_vec()], vec![]);
        let refused = cleaner.clean(&file, &mut Mask::default()).unwrap_err();
        assert_eq!(refused.name(), "text-left", "{name}: there is always a brightest pixel");
    }
}

#[track_caller]
fn damage(frame: Frame, bytes: &[u8]) -> Damage {
    match blackened(&frame.file(vec![bytes.to_vec()], vec![])) {
        Err(Error::Pixels(PixelError::Frame { frame: 1, damage })) => damage,
        other => panic!("{}, {} bytes: {:?}", frame.name, bytes.len(), other.map(drop)),
    }
}

#[test]
fn frames_of_another_size_are_refused_with_both_sizes() {
    // Where the streams say their width, and how many bytes lie between it and the samples.
    for (name, width) in [
        ("lossless-1.jpg", &[0, 13, 0, 19][..]),
        ("ls-8-0.jls", &[0, 13, 0, 19]),
        ("extended-12.jpg", &[0, 13, 0, 19]),
        ("wavelet-8.j2k", &[0, 0, 0, 19, 0, 0, 0, 13]),
    ] {
        let frame = Frame::named(name);
        let at = frame.bytes.windows(width.len()).position(|part| part == width).unwrap();
        let low = at + width.iter().position(|byte| *byte == 19).unwrap();
        for (byte, change, columns) in [(low, 18, 18), (low - 1, 0xff, 0xff13)] {
            let mut bytes = frame.bytes.to_vec();
            bytes[byte] = change;
            let found = damage(frame, &bytes);
            let Damage::Differs { got, told } = found else { panic!("{name}: {found}") };
            assert_eq!((got.columns, told.columns, got.rows), (columns, 19, 13));
            assert!(found.to_string().contains(&format!("{columns} × 13 pixels")), "{found}");
        }
        let colours = Frame { samples: 3, ..frame };
        let bits = Frame { bits: 16, signed: true, ..frame };
        for other in [colours, bits] {
            let found = damage(other, frame.bytes);
            let refused = matches!(found, Damage::Differs { .. } | Damage::Feature(_));
            assert!(refused, "{name}: {found}");
        }
    }
}

#[test]
fn frames_that_are_cut_short_are_refused_wherever_they_are_cut() {
    for frame in FRAMES {
        let (_, end) = frame.bytes.split_at(frame.bytes.len() - 2);
        for length in 0..frame.bytes.len() - 3 {
            let short = &frame.bytes[..length];
            for bytes in [short.to_vec(), [short, end].concat()] {
                // Nothing but padding may lack.
                if let Ok(set) = blackened(&frame.file(vec![bytes], vec![])) {
                    assert!(length > frame.bytes.len() - 6, "{} {length}", frame.name);
                    frame.check(set.find(Tag::PIXELS).unwrap().bytes().unwrap(), 2);
                }
            }
        }
    }
}

/// A stream of JPEG 2000 whose segment on coding is another.
fn recoded(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let frame = Frame::named("wavelet-8.j2k").bytes;
    let at = frame.windows(2).position(|pair| pair == [0xff, 0x52]).unwrap();
    let end = at + 2 + usize::from(frame[at + 3]);
    let mut coding = frame[at + 4..end].to_vec();
    change(&mut coding);
    let length = u16::try_from(coding.len() + 2).unwrap().to_be_bytes();
    [&frame[..at + 2], &length, &coding, &frame[end..]].concat()
}

#[test]
fn streams_that_ask_for_too_much_are_refused_before_they_are_decoded() {
    let huge = |bytes: Vec<u8>, side: u16| {
        let mut bytes = bytes;
        for (word, value) in [(8, side), (12, side), (24, side), (28, side)] {
            bytes[word..word + 4].copy_from_slice(&u32::from(value).to_be_bytes());
        }
        let frame = Frame::named("wavelet-8.j2k");
        let size = vec![number(0x0028_0010, side), number(0x0028_0011, side)];
        blackened(&frame.file(vec![bytes], size)).unwrap_err().to_string()
    };
    let error = huge(recoded(|_| {}), 16_384);
    assert!(error.contains("268435456 samples where 67108864 may be"), "{error}");
    // Precincts of two by two pixels, and blocks of four by four for 32 layers.
    let error = huge(
        recoded(|coding| {
            coding[0] |= 1;
            coding.extend(vec![0x11; usize::from(coding[5]) + 1]);
        }),
        8192,
    );
    assert!(error.contains("blocks where 8388608 may be"), "{error}");
    let error = huge(recoded(|coding| (coding[3], coding[6], coding[7]) = (32, 0, 0)), 8192);
    assert!(error.contains("blocks where 8388608 may be"), "{error}");

    // A second segment hidden in the first.
    let hidden = recoded(|coding| coding.extend(b"\xff\x52\x00\x0c\x01"));
    let found = damage(Frame::named("wavelet-8.j2k"), &hidden).to_string();
    assert!(found.contains("style of coding that makes no sense"), "{found}");

    let frame = Frame::named("wavelet-tiles-lrcp.j2k");
    let mut bytes = frame.bytes.to_vec();
    // Tiles of a pixel each, of which there are six.
    bytes[24..32].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    assert!(damage(frame, &bytes).to_string().contains("without some of its tiles"));
}

#[test]
fn what_is_not_decoded_is_named() {
    let ls = Frame::named("ls-8-0.jls");
    let with = |segment: &[u8]| [&ls.bytes[..2], segment, &ls.bytes[2..]].concat();
    for (segment, named) in [
        (&b"\xff\xe8\x00\x07mrfx\x01"[..], "a transform of colours"),
        (b"\xff\xdd\x00\x04\x00\x13", "a restart interval"),
        (b"\xff\xf8\x00\x05\x02\x01\x01", "a mapping table"),
    ] {
        let found = damage(ls, &with(segment)).to_string();
        assert!(found.contains(named), "{found}");
    }
    let plain = ls.file(vec![with(b"\xff\xe8\x00\x07mrfx\x00")], vec![]);
    assert!(blackened(&plain).is_ok());
    let other = compressed("4.201", vec![vec![0; 8]], vec![]);
    let error = blackened(&other).unwrap_err();
    assert_eq!(error, PixelError::NotDecodable.into());
    assert!(error.to_string().contains("JPEG 2000"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    /// Whatever is done to a frame, it is refused or decoded to as many pixels as the header says.
    #[test]
    fn damaged_frames_do_no_harm(
        nth in 0..FRAMES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let frame = FRAMES[nth];
        let mut bytes = frame.bytes.to_vec();
        for (at, byte) in &changes {
            *at.get_mut(&mut bytes) = *byte;
        }
        let mut spliced = frame.bytes.to_vec();
        let at = cut.index(spliced.len());
        spliced.splice(at..at, noise);
        for bytes in [bytes, spliced] {
            let file = frame.file(vec![bytes], vec![]);
            if let Ok(set) = blackened(&file) {
                let size = usize::from(ROWS * COLUMNS * frame.samples * frame.bits.div_ceil(8));
                let pixels = set.find(Tag::PIXELS).unwrap().bytes().unwrap();
                prop_assert_eq!(pixels.len(), size.next_multiple_of(2));
            }
            drop(cleaner(&[]).clean(&file, &mut Mask::default()));
        }
    }
}
