//! Text that no rule names: what happens when it is found, when more is found, and when nobody can
//! look.

use std::sync::atomic::{AtomicU32, Ordering};

use super::pixels::{GREY_JPEG, compressed, image};
use super::*;

pub(super) fn line(place: [u32; 4], text: Option<&str>) -> TextLine {
    TextLine { place, parts: vec![place], text: text.map(str::to_owned) }
}

/// A line that nobody can read, of one pixel.
pub(super) fn pixel(x: u32, y: u32) -> TextLine {
    line([x, y, x + 1, y + 1], None)
}

/// Takes what is white for text.
#[derive(Debug)]
struct White;

impl TextFinder for White {
    fn find(&self, picture: &Picture) -> Result<Vec<TextLine>, Unread> {
        let number = |n: usize| u32::try_from(n).unwrap();
        let white = |(at, rgb): (usize, &[u8])| {
            (rgb[1] == 255).then(|| pixel(number(at % picture.width), number(at / picture.width)))
        };
        Ok(picture.rgb.chunks_exact(3).enumerate().filter_map(white).collect())
    }
}

/// Fails when it is asked for the second time.
#[derive(Debug, Default)]
struct Broken(AtomicU32);

impl TextFinder for Broken {
    fn find(&self, _: &Picture) -> Result<Vec<TextLine>, Unread> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 { Ok(vec![]) } else { Err(Unread) }
    }
}

/// Finds something at another place each time.
#[derive(Debug, Default)]
struct Restless(AtomicU32);

impl TextFinder for Restless {
    fn find(&self, _: &Picture) -> Result<Vec<TextLine>, Unread> {
        let column = self.0.fetch_add(1, Ordering::Relaxed);
        Ok(vec![pixel(column % 4, column / 4)])
    }
}

/// Finds the first pixel, whatever it is.
#[derive(Debug)]
struct Stubborn;

impl TextFinder for Stubborn {
    fn find(&self, _: &Picture) -> Result<Vec<TextLine>, Unread> {
        Ok(vec![pixel(0, 0)])
    }
}

/// Pixels and outcome of a file that is cleaned with this finder.
fn read(
    file: &[u8],
    pixels: Pixels,
    finder: impl TextFinder + 'static,
) -> Result<(Vec<u8>, Cleaned), Error> {
    let settings = Settings { pixels, ..Settings::default() };
    let cleaner = Cleaner::new(settings, [7; 32]).with_finder(Some(Arc::new(finder)));
    let cleaned = cleaner.clean(file, &mut Mask::default())?;
    let set = owned(&cleaned.bytes);
    let pixels = match &set.find(Tag::PIXELS).unwrap().value {
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Fragments(fragments) => fragments.concat(),
        Value::Items(_) => panic!("pixels"),
    };
    Ok((pixels, cleaned))
}

/// Two frames of two rows of four pixels, of which these are white, and the others grey.
fn coloured(text: &[usize]) -> Vec<u8> {
    let pixels = (0..16).flat_map(|at| [if text.contains(&at) { 255 } else { 90 }; 3]).collect();
    let samples = bytes(0x0028_0002, Vr::Us, vec![3, 0]);
    image("US", vec![super::text(0x0028_0004, Vr::Cs, "RGB"), samples], pixels)
}

#[test]
fn text_of_one_frame_goes_in_all_of_them_and_is_looked_for_again() {
    let (pixels, cleaned) = read(&coloured(&[1, 14]), Pixels::Ocr, White).unwrap();
    let black = |at: usize| [1, 6, 9, 14].contains(&at);
    let expected: Vec<u8> = (0..16).flat_map(|at| [if black(at) { 0 } else { 90 }; 3]).collect();
    assert_eq!(pixels, expected);
    assert_eq!(cleaned.pixels, PixelOutcome::Blackened { frames: 2 });
    assert_eq!(cleaned.text, TextRead { frames: 4, regions: 2, ..TextRead::default() });
    let set = owned(&cleaned.bytes);
    assert!(set.ascii(statement::METHOD).unwrap().contains("looked for"));

    let (pixels, cleaned) = read(&coloured(&[]), Pixels::Ocr, White).unwrap();
    assert_eq!(pixels, [90; 48]);
    let unchanged = TextRead { frames: 2, ..TextRead::default() };
    assert_eq!(cleaned.text, unchanged, "nothing was changed");
}

#[test]
fn what_is_found_over_and_over_is_not_written() {
    let one = image("US", vec![text(0x0028_0008, Vr::Is, "1")], vec![9; 8]);
    let refused = read(&one, Pixels::Ocr, Restless::default()).map(drop).unwrap_err();
    assert!(matches!(refused, Error::Pixels(PixelError::TextLeft { .. })), "{refused}");
    assert_eq!(refused.name(), "text-left");
    let file = image("US", vec![], vec![9; 16]);
    let (pixels, cleaned) = read(&file, Pixels::Ocr, Stubborn).unwrap();
    assert_eq!((pixels[0], pixels[8], pixels[1]), (0, 0, 9), "what is found is black already");
    assert_eq!(cleaned.text.regions, 2);
}

#[test]
fn a_frame_that_cannot_be_read_costs_the_file() {
    let file = image("US", vec![], vec![9; 16]);
    let refused = read(&file, Pixels::Ocr, Broken::default()).map(drop);
    assert_eq!(refused, Err(PixelError::Unread { frame: 2 }.into()));
    assert_eq!(refused.unwrap_err().name(), "unread");

    let settings = Settings { pixels: Pixels::Ocr, ..Settings::default() };
    let refused = Cleaner::new(settings, [7; 32]).clean(&file, &mut Mask::default());
    assert_eq!(refused.map(drop), Err(PixelError::NoFinder.into()));
    let floats = super::file(vec![bytes(0x7fe0_0008, Vr::Of, vec![0; 8])]);
    for pixels in [Pixels::Ocr, Pixels::Rules] {
        let refused = read(&floats, pixels, Stubborn).map(drop);
        assert_eq!(refused, Err(PixelError::NotDecodable.into()));
    }
}

#[test]
fn rules_are_still_needed_unless_the_steward_says_that_reading_is_enough() {
    /// Never finds anything.
    #[derive(Debug)]
    struct Blind;
    impl TextFinder for Blind {
        fn find(&self, _: &Picture) -> Result<Vec<TextLine>, Unread> {
            Ok(vec![])
        }
    }
    let outcome = |modality, pixels| {
        let file = image(modality, vec![], vec![9; 16]);
        read(&file, pixels, Blind).map(|(_, cleaned)| (cleaned.pixels, cleaned.text.frames))
    };
    assert_eq!(outcome("US", Pixels::Rules), Err(PixelError::NoRule.into()));
    assert_eq!(outcome("US", Pixels::Ocr), Ok((PixelOutcome::ReadClean, 2)));
    assert_eq!(outcome("CT", Pixels::Rules), Ok((PixelOutcome::ReadClean, 2)));
    assert_eq!(outcome("CT", Pixels::Keep), Ok((PixelOutcome::Kept, 0)));
}

#[test]
fn compressed_frames_are_read_and_stay_compressed_without_text() {
    let jpeg = compressed("4.50", vec![GREY_JPEG.to_vec()], vec![]);
    let plain = cleaner(&[]).clean(&jpeg, &mut Mask::default()).unwrap();
    let settings = Settings { pixels: Pixels::Ocr, ..Settings::default() };
    let with = |finder: Arc<dyn TextFinder>| {
        let cleaner = Cleaner::new(settings.clone(), [7; 32]).with_finder(Some(finder));
        cleaner.clean(&jpeg, &mut Mask::default()).unwrap()
    };
    #[derive(Debug)]
    struct Bright;
    impl TextFinder for Bright {
        fn find(&self, picture: &Picture) -> Result<Vec<TextLine>, Unread> {
            // Grey is shown from black to white: what is decoded is seen.
            assert!(picture.rgb.contains(&255) && picture.rgb.contains(&0));
            Ok(vec![])
        }
    }
    let read = with(Arc::new(Bright));
    assert_eq!((read.pixels, read.text.frames), (PixelOutcome::ReadClean, 1));
    let fragments = |cleaned: &Cleaned| owned(&cleaned.bytes).find(Tag::PIXELS).unwrap().clone();
    assert_eq!(fragments(&read).value, fragments(&plain).value);
    let black = with(Arc::new(Stubborn));
    assert_eq!(fragments(&black).bytes().map(|pixels| (pixels.len(), pixels[0])), Some((256, 0)));
}

#[test]
fn what_would_take_too_long_is_refused_before_it_is_read() {
    let number = |tag, n: u16| bytes(tag, Vr::Us, n.to_le_bytes().to_vec());
    // A bit a pixel: few bytes, and many pixels.
    let many = u64::from(u16::MAX - 7) * 2048 * 9;
    assert!(many > READ_PIXELS_MAX);
    let file = file(vec![
        text(0x0028_0004, Vr::Cs, "MONOCHROME2"),
        text(0x0028_0008, Vr::Is, "9"),
        number(0x0028_0010, 2048),
        number(0x0028_0011, u16::MAX - 7),
        number(0x0028_0100, 1),
        bytes(0x7fe0_0010, Vr::Ob, vec![0; usize::try_from(many / 8).unwrap()]),
    ]);
    let refused = read(&file, Pixels::Ocr, Stubborn).map(drop);
    assert_eq!(refused, Err(PixelError::TooMuchToRead { got_pixels: many }.into()));
}
