//! Text that may stay: what does, what takes it along, and that nothing that was read once is believed.

use std::sync::atomic::{AtomicBool, Ordering};

use super::burned::{line, pixel};
use super::pixels::image;
use super::*;

/// Reads a pixel of this green as a line of one pixel that says this, or, without a text, as one that
/// cannot be read.
#[derive(Debug)]
struct Reader(Vec<(u8, Option<&'static str>)>);

impl TextFinder for Reader {
    fn find(&self, picture: &Picture) -> Result<Vec<TextLine>, Unread> {
        let number = |n: usize| u32::try_from(n).unwrap();
        let read = |(at, rgb): (usize, &[u8])| {
            let (_, text) = self.0.iter().find(|(green, _)| *green == rgb[1])?;
            let (x, y) = (number(at % picture.width), number(at / picture.width));
            Some(line([x, y, x + 1, y + 1], *text))
        };
        Ok(picture.rgb.chunks_exact(3).enumerate().filter_map(read).collect())
    }

    fn reads(&self) -> bool {
        true
    }
}

const MARKING: u8 = 200;
const NAME: u8 = 210;
const FAINT: u8 = 220;
const PA: u8 = 230;

fn reader() -> Reader {
    let texts = [(MARKING, Some("2.3 cm")), (NAME, Some("CANARY L")), (FAINT, None)];
    Reader(texts.into_iter().chain([(PA, Some("PA"))]).collect())
}

/// Two frames of two rows of four grey pixels, of which these have another green.
fn frames(greens: &[(usize, u8)]) -> Vec<u8> {
    let mut pixels = vec![90; 48];
    greens.iter().for_each(|(at, green)| pixels[3 * at + 1] = *green);
    let samples = bytes(0x0028_0002, Vr::Us, vec![3, 0]);
    let name = text(0x0010_0010, Vr::Pn, "WIN^PA");
    image("US", vec![text(0x0028_0004, Vr::Cs, "RGB"), samples, name], pixels)
}

/// The pixels that are black in the cleaned file, and what was done.
fn black(
    file: &[u8],
    pixel_text: PixelText,
    finder: impl TextFinder + 'static,
) -> Result<(Vec<usize>, Cleaned), Error> {
    let settings = Settings { pixels: Pixels::Ocr, pixel_text, ..Settings::default() };
    let cleaner = Cleaner::new(settings, [7; 32]).with_finder(Some(Arc::new(finder)));
    let cleaned = cleaner.clean(file, &mut Mask::default())?;
    let set = owned(&cleaned.bytes);
    let pixels = set.find(Tag::PIXELS).unwrap().bytes().unwrap().chunks_exact(3);
    let black = pixels.enumerate().filter(|(_, rgb)| *rgb == [0; 3]).map(|(at, _)| at);
    Ok((black.collect(), cleaned))
}

#[test]
fn markings_stay_and_all_else_goes() {
    let file = frames(&[(0, MARKING), (2, NAME), (5, FAINT)]);
    let (found, cleaned) = black(&file, PixelText::Markers, reader()).unwrap();
    assert_eq!(found, [2, 5, 10, 13]);
    let expected = TextRead {
        frames: 4,
        regions: 2,
        markings: 1,
        lines: 1,
        unread: 1,
        found: [("NAME", 1)].into(),
    };
    assert_eq!(cleaned.text, expected);
    let method = owned(&cleaned.bytes).ascii(statement::METHOD).unwrap().to_owned();
    for part in ["kept where", "not read: 1", "lines: NAME 1"] {
        assert!(method.contains(part), "{method}");
    }
    assert!(method.split('\\').all(|value| value.len() <= Vr::Lo.limit()), "{method}");
    assert!(!method.contains("CANARY") && !format!("{cleaned:?}").contains("CANARY"));

    let (found, cleaned) = black(&file, PixelText::All, reader()).unwrap();
    assert_eq!(found, [0, 2, 5, 8, 10, 13]);
    assert_eq!((cleaned.text.markings, cleaned.text.lines), (0, 2));
}

#[test]
fn with_markings_alone_nothing_changes() {
    let file = frames(&[(0, MARKING), (9, MARKING)]);
    let (found, cleaned) = black(&file, PixelText::Markers, reader()).unwrap();
    assert_eq!((found.len(), cleaned.pixels), (0, PixelOutcome::ReadClean));
    let expected = TextRead { frames: 2, markings: 2, ..TextRead::default() };
    assert_eq!(cleaned.text, expected);
}

#[test]
fn a_place_stays_only_if_it_does_in_every_frame() {
    for other in [NAME, FAINT] {
        let file = frames(&[(1, MARKING), (9, other), (3, MARKING), (11, MARKING)]);
        let (found, cleaned) = black(&file, PixelText::Markers, reader()).unwrap();
        assert_eq!(found, [1, 9]);
        assert_eq!((cleaned.text.regions, cleaned.text.markings), (2, 2));
    }
}

#[test]
fn what_is_a_name_in_the_file_is_no_view() {
    let file = frames(&[(0, PA)]);
    let (found, _) = black(&file, PixelText::Markers, reader()).unwrap();
    assert_eq!(found, [0, 8]);
}

#[test]
fn markings_need_somebody_who_reads() {
    /// Finds something, and cannot read.
    #[derive(Debug)]
    struct Finds;
    impl TextFinder for Finds {
        fn find(&self, _: &Picture) -> Result<Vec<TextLine>, Unread> {
            Ok(vec![line([0, 0, 1, 1], Some("L"))])
        }
    }
    let file = frames(&[]);
    let refused = black(&file, PixelText::Markers, Finds).map(drop);
    assert_eq!(refused, Err(PixelError::NoReader.into()));
    let (found, cleaned) = black(&file, PixelText::All, Finds).unwrap();
    assert_eq!((found, cleaned.text.unread), (vec![0, 8], 0), "nothing was to be read");
}

#[test]
fn what_was_read_once_is_read_again() {
    /// Reads a marking beside what goes, and cannot read it again when that is gone.
    #[derive(Debug, Default)]
    struct Forgets(AtomicBool);
    impl TextFinder for Forgets {
        fn find(&self, _: &Picture) -> Result<Vec<TextLine>, Unread> {
            if self.0.swap(true, Ordering::Relaxed) {
                Ok(vec![pixel(0, 0)])
            } else {
                Ok(vec![line([0, 0, 1, 1], Some("L")), pixel(3, 1)])
            }
        }
        fn reads(&self) -> bool {
            true
        }
    }
    let number = text(0x0028_0008, Vr::Is, "1");
    let colours = text(0x0028_0004, Vr::Cs, "RGB");
    let samples = bytes(0x0028_0002, Vr::Us, vec![3, 0]);
    let file = image("US", vec![colours, samples, number], vec![90; 24]);
    let (found, cleaned) = black(&file, PixelText::Markers, Forgets::default()).unwrap();
    assert_eq!((found, cleaned.text.markings), (vec![0, 7], 0));
}
