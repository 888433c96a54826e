//! Pixels: what is blackened, what is decoded for it, and what is refused.

use super::*;

pub(super) fn image(modality: &str, more: Vec<Element<'static>>, pixels: Vec<u8>) -> Vec<u8> {
    let number = |tag, n: u16| bytes(tag, Vr::Us, n.to_le_bytes().to_vec());
    let mut elements = vec![
        text(0x0008_0060, Vr::Cs, modality),
        text(0x0028_0004, Vr::Cs, "MONOCHROME2"),
        text(0x0028_0008, Vr::Is, "2"),
        number(0x0028_0010, 2),
        number(0x0028_0011, 4),
        number(0x0028_0100, 8),
        bytes(0x7fe0_0010, Vr::Ob, pixels),
    ];
    elements.extend(more);
    file(elements)
}

#[test]
fn images_with_text_need_a_rule_and_every_frame_is_blackened() {
    let pixels: Vec<u8> = (1..=16).chain(*b"CANARY").collect();
    let cut = |file: &[u8], settings: Settings| {
        let cleaned = Cleaner::new(settings, [7; 32]).clean(file, &mut Mask::default())?;
        assert!(!holds(&cleaned.bytes, b"CANARY"), "what follows the last frame");
        let set = owned(&cleaned.bytes);
        Ok((set.find(Tag::PIXELS).unwrap().bytes().unwrap().to_vec(), cleaned.pixels))
    };
    let scan = image("CT", vec![], pixels.clone());
    let plain: Vec<u8> = (1..=16).collect();
    assert_eq!(cut(&scan, Settings::default()), Ok((plain.clone(), PixelOutcome::NoRule)));
    let echo = image("US", vec![], pixels.clone());
    let refused = Err(Error::Pixels(PixelError::NoRule));
    assert_eq!(cut(&echo, Settings::default()), refused);
    let keep = Settings { pixels: Pixels::Keep, ..Settings::default() };
    assert_eq!(cut(&echo, keep), Ok((plain.clone(), PixelOutcome::Kept)));

    let rule = |black| Region { modality: Some("us".into()), black, ..Region::default() };
    let with = |regions| Settings { regions, ..Settings::default() };
    let black = vec![0, 0, 3, 4, 5, 6, 7, 8, 0, 0, 11, 12, 13, 14, 15, 16];
    let found = cut(&echo, with(vec![rule(Some([0, 0, 2, 1]))]));
    assert_eq!(found, Ok((black, PixelOutcome::Blackened { frames: 2 })));
    assert_eq!(cut(&echo, with(vec![rule(None)])), Ok((plain, PixelOutcome::RuledClean)));

    let corner = |tag, n: u32| bytes(tag, Vr::Ul, n.to_le_bytes().to_vec());
    let region = DataSet {
        elements: vec![
            corner(0x0018_6018, 1),
            corner(0x0018_601a, 0),
            corner(0x0018_601c, 2),
            corner(0x0018_601e, 0),
        ],
    };
    let regions = Element::new(Tag(0x0018_6011), Vr::Sq, Value::Items(vec![region]));
    let echo = image("US", vec![regions], pixels);
    let shown = vec![0, 2, 3, 0, 0, 0, 0, 0, 0, 10, 11, 0, 0, 0, 0, 0];
    let found = cut(&echo, Settings::default());
    assert_eq!(found, Ok((shown, PixelOutcome::Blackened { frames: 2 })));
}

#[test]
fn pixels_that_are_not_what_they_say_are_refused() {
    let refused = |file: &[u8]| cleaner(&[]).clean(file, &mut Mask::default()).unwrap_err();
    let short = PixelError::Short { got_bytes: 14, needed_bytes: 16 };
    assert_eq!(refused(&image("CT", vec![], vec![0; 14])), short.into());
    let many = text(0x0028_0008, Vr::Is, "99999999999");
    let large = image("CT", vec![], vec![0; 16]);
    let large = large.windows(2).position(|two| two == b"2 ").map(|_| {
        let mut set = owned(&large);
        set.put(many);
        write::file(&set, Syntax::ExplicitLittle).unwrap()
    });
    let error = refused(&large.unwrap());
    assert!(matches!(error, Error::Pixels(PixelError::TooLarge { .. })), "{error}");
}

pub(super) fn compressed(
    codec: &'static str,
    fragments: Vec<Vec<u8>>,
    more: Vec<Element<'static>>,
) -> Vec<u8> {
    let number = |tag, n: u16| bytes(tag, Vr::Us, n.to_le_bytes().to_vec());
    let mut elements = vec![
        text(0x0028_0004, Vr::Cs, "MONOCHROME2"),
        number(0x0028_0010, 16),
        number(0x0028_0011, 16),
        number(0x0028_0100, 8),
    ];
    elements.extend(more);
    let fragments = fragments.into_iter().map(Cow::Owned).collect();
    elements.push(Element::new(Tag::PIXELS, Vr::Ob, Value::Fragments(fragments)));
    write::file(&set(elements), Syntax::Encapsulated(codec)).unwrap()
}

pub(super) const GREY_JPEG: &[u8] = include_bytes!("../../data/grey.jpg");

#[test]
fn compressed_frames_lose_their_comments_or_are_decoded() {
    assert!(holds(GREY_JPEG, b"Jane Roe"));
    let jpeg = compressed("4.50", vec![GREY_JPEG.to_vec()], vec![]);
    let cleaned = cleaner(&[]).clean(&jpeg, &mut Mask::default()).unwrap();
    assert!(!holds(&cleaned.bytes, b"Jane"));
    assert!(cleaned.bytes.len() < jpeg.len() + 700, "still compressed");

    let top = Region { black: Some([0, 0, 16, 8]), ..Region::default() };
    let settings = Settings { regions: vec![top], ..Settings::default() };
    let cleaned =
        Cleaner::new(settings.clone(), [7; 32]).clean(&jpeg, &mut Mask::default()).unwrap();
    let set = owned(&cleaned.bytes);
    let pixels = set.find(Tag::PIXELS).unwrap().bytes().unwrap();
    assert!(pixels[..128].iter().all(|pixel| *pixel == 0));
    assert!(
        pixels[128..]
            .iter()
            .enumerate()
            .all(|(at, pixel)| pixel.abs_diff(u8::try_from(at).unwrap() + 128) < 24)
    );

    // Runs of 128 and 128, in one segment that starts behind the table.
    let mut rle = vec![0; 64];
    (rle[0], rle[4]) = (1, 64);
    rle.extend([0x81, 9, 0x81, 200]);
    rle.extend(b"CANARY");
    let file = compressed("5", vec![rle], vec![]);
    let cleaned = Cleaner::new(settings, [7; 32]).clean(&file, &mut Mask::default()).unwrap();
    assert!(!holds(&cleaned.bytes, b"CANARY"));
    let set = owned(&cleaned.bytes);
    let pixels = set.find(Tag::PIXELS).unwrap().bytes().unwrap();
    assert!(pixels[..128].iter().all(|p| *p == 0) && pixels[128..].iter().all(|p| *p == 200));
}
