//! Whole files: what goes in, what comes out, and what no file may do.

use std::borrow::Cow;
use std::io::{Cursor, Write as _};

use dicom_core::{DataElement, PrimitiveValue, VR, dicom_value};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::*;
use crate::data::{DataSet, Element, Value};
use crate::profile::listed;
use crate::read::Syntax;
use crate::vr::{Class, Vr};

/// Masks what the file's own attributes name, and every word with CANARY in it.
#[derive(Default)]
struct Mask {
    person: Person,
    surrogates: bool,
}

impl Substitute for Mask {
    fn about(&mut self, person: &Person) {
        self.person = person.clone();
    }

    fn text(&mut self, _: &str, text: &str) -> Result<String, Unclean> {
        let words = self.person.names.iter().flat_map(|name| name.split(' '));
        let words: Vec<&str> = words.filter(|word| word.len() > 2).collect();
        let known = |word: &str| {
            words.iter().any(|name| word.eq_ignore_ascii_case(name))
                || self.person.identifiers.iter().any(|id| word.contains(id.as_str()))
                || word.contains("CANARY")
        };
        let masked = text.split(' ').map(|word| if known(word) { "[ID]" } else { word });
        Ok(masked.collect::<Vec<_>>().join(" "))
    }

    fn stand_in(&mut self, what: What, original: &str) -> Option<String> {
        self.surrogates.then(|| format!("{what:?}{}", original.len()))
    }

    fn date(&mut self, date: &str) -> Option<String> {
        (date.len() == 8).then(|| format!("1999{}", &date[4..]))
    }

    fn is_left(&mut self, text: &str) -> Result<bool, Unclean> {
        Ok(self.text("", text)? != text)
    }
}

const UID: &str = "1.2.276.0.77.1";

fn cleaner(retain: &[Retain]) -> Cleaner {
    let settings = Settings { retain: retain.to_vec(), ..Settings::default() };
    Cleaner::new(settings, [7; 32])
}

fn bytes(tag: u32, vr: Vr, bytes: Vec<u8>) -> Element<'static> {
    Element::new(Tag(tag), vr, Value::Bytes(Cow::Owned(bytes)))
}

fn text(tag: u32, vr: Vr, value: &str) -> Element<'static> {
    Element::text(Tag(tag), vr, value)
}

fn set(mut elements: Vec<Element<'static>>) -> DataSet<'static> {
    elements.push(text(0x0008_0016, Vr::Ui, "1.2.840.10008.5.1.4.1.1.2"));
    elements.push(text(0x0008_0018, Vr::Ui, UID));
    let mut set = DataSet { elements };
    set.elements.reverse();
    set.sort();
    set
}

fn file(elements: Vec<Element<'static>>) -> Vec<u8> {
    write::file(&set(elements), Syntax::ExplicitLittle).unwrap()
}

#[track_caller]
fn clean(file: &[u8], retain: &[Retain]) -> DataSet<'static> {
    let cleaned = cleaner(retain).clean(file, &mut Mask::default()).unwrap();
    owned(&cleaned.bytes)
}

fn owned(file: &[u8]) -> DataSet<'static> {
    fn own(set: &DataSet<'_>) -> DataSet<'static> {
        let element = |element: &Element<'_>| {
            let value = match &element.value {
                Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.to_vec())),
                Value::Items(items) => Value::Items(items.iter().map(own).collect()),
                Value::Fragments(fragments) => {
                    Value::Fragments(fragments.iter().map(|f| Cow::Owned(f.to_vec())).collect())
                }
            };
            Element::new(element.tag, element.vr, value)
        };
        DataSet { elements: set.elements.iter().map(element).collect() }
    }
    own(&read::file(file).unwrap().data_set().unwrap())
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// A value of a representation that can be found again.
#[allow(clippy::wildcard_enum_match_arm, reason = "of 34 representations few are special")]
fn canary(vr: Vr) -> Vec<u8> {
    match vr {
        Vr::Da => b"19510829".to_vec(),
        Vr::Dt => b"19510829092847.123456".to_vec(),
        Vr::Tm => b"092847.123456".to_vec(),
        Vr::As => b"087Y".to_vec(),
        Vr::Ds | Vr::Is => b"8700087".to_vec(),
        Vr::Ui => b"1.2.276.7777777.19510829".to_vec(),
        vr if vr.class() == Class::Binary => [0xca, 0xfe, 0xba, 0xbe].repeat(4),
        _ => b"CANARY87".to_vec(),
    }
}

const CANARIES: [&[u8]; 7] =
    [b"19510829", b"092847", b"087Y", b"8700087", b"7777777", &[0xca, 0xfe, 0xba, 0xbe], b"CANARY"];

/// Every attribute of the table, nested ones in each sequence, and private ones.
fn everything() -> Vec<Element<'static>> {
    let mut elements: Vec<Element<'static>> = vec![
        bytes(0x5004_3000, Vr::Ow, canary(Vr::Ow)),
        bytes(0x6000_3000, Vr::Ow, canary(Vr::Ow)),
        text(0x6000_4000, Vr::Lt, "CANARY"),
        text(0x0009_0010, Vr::Lo, "CANARY MAKER"),
        text(0x0009_1001, Vr::Pn, "CANARY"),
        bytes(0x0008_2112, Vr::Un, b"CANARY".to_vec()),
        text(0xfffc_fffc, Vr::Ob, "CANARY"),
    ];
    for (tag, _) in listed() {
        let Some(&[vr, ..]) = tag.representations() else { continue };
        if tag.group() <= 4 || tag == Tag::SOP_INSTANCE {
            continue;
        }
        let value = if vr == Vr::Sq {
            let inner = |vr: Vr, tag| bytes(tag, vr, canary(vr));
            let nested = DataSet {
                elements: vec![
                    inner(Vr::Sh, 0x0008_0050),
                    inner(Vr::Ui, 0x0008_1155),
                    inner(Vr::Lo, 0x0009_1001),
                    inner(Vr::Pn, 0x0010_0010),
                    inner(Vr::Lo, 0x0010_0020),
                    inner(Vr::Da, 0x0010_0030),
                ],
            };
            Value::Items(vec![nested.clone(), nested])
        } else {
            Value::Bytes(Cow::Owned(canary(vr)))
        };
        elements.push(Element::new(tag, vr, value));
    }
    elements
}

#[test]
fn of_all_that_the_table_lists_nothing_is_left() {
    for syntax in [Syntax::ExplicitLittle, Syntax::ImplicitLittle] {
        let mut file = write::file(&set(everything()), syntax).unwrap();
        file[..6].copy_from_slice(b"CANARY");
        for surrogates in [false, true] {
            let mut mask = Mask { surrogates, ..Mask::default() };
            let cleaned = cleaner(&[]).clean(&file, &mut mask).unwrap();
            for canary in CANARIES {
                assert!(!holds(&cleaned.bytes, canary), "{canary:?} {syntax:?}");
            }
            assert!(cleaned.counts.removed > 400 && cleaned.counts.private > 10);
        }
    }
}

#[test]
fn each_option_keeps_what_it_is_for_and_no_name() {
    let file = file(everything());
    let named: [(Retain, u32, &[u8]); 7] = [
        (Retain::Dates, 0x0008_0020, b"19510829"),
        (Retain::ShiftedDates, 0x0008_002a, b"19990829092847.123456 "),
        (Retain::Device, 0x0008_1010, b"CANARY87"),
        (Retain::Institution, 0x0008_0080, b"CANARY87"),
        (Retain::Patient, 0x0010_1010, b"087Y"),
        (Retain::Uids, 0x0020_000d, b"1.2.276.7777777.19510829"),
        (Retain::Descriptors, 0x0008_1030, b"[ID]"),
    ];
    for (option, tag, value) in named {
        let cleaned = clean(&file, &[option]);
        assert_eq!(cleaned.find(Tag(tag)).unwrap().bytes(), Some(value), "{option}");
        assert_eq!(cleaned.find(Tag(0x0010_0010)).unwrap().bytes(), Some(&b""[..]), "{option}");
        assert_ne!(cleaned.find(Tag::PATIENT_ID).unwrap().bytes(), Some(&b"CANARY87"[..]));
    }
}

#[test]
fn cleaning_what_is_clean_changes_nothing() {
    for retain in [&[][..], &[Retain::Descriptors, Retain::Structured, Retain::Graphics]] {
        let first = cleaner(retain).clean(&file(everything()), &mut Mask::default()).unwrap();
        let second = cleaner(retain).clean(&first.bytes, &mut Mask::default()).unwrap();
        assert!(first.bytes == second.bytes, "{retain:?}");
        assert_eq!(first.uid, second.uid);
    }
}

#[test]
fn a_cleaned_file_says_what_was_done() {
    let set = clean(&file(vec![]), &[Retain::ShiftedDates]);
    assert_eq!(set.ascii(Tag(0x0012_0062)), Some("YES"));
    assert!(set.ascii(Tag(0x0012_0063)).unwrap().contains("2026c Basic Profile"));
    assert_eq!(set.ascii(Tag(0x0028_0303)), Some("MODIFIED"));
    assert!(set.find(Tag(0x0028_0301)).is_none(), "nobody has looked at the pixels");
    let Value::Items(items) = &set.find(Tag(0x0012_0064)).unwrap().value else { panic!() };
    let codes: Vec<_> = items.iter().filter_map(|item| item.ascii(Tag(0x0008_0100))).collect();
    assert_eq!(codes, ["113100", "113107"]);
}

#[test]
fn identifiers_that_belong_together_still_do() {
    let reference = DataSet {
        elements: vec![
            text(0x0008_1150, Vr::Ui, "1.2.840.10008.5.1.4.1.1.2"),
            text(0x0008_1155, Vr::Ui, UID),
        ],
    };
    let items = Value::Items(vec![reference]);
    let file = file(vec![Element::new(Tag(0x0008_1140), Vr::Sq, items)]);
    let set = clean(&file, &[]);
    let own = set.ascii(Tag::SOP_INSTANCE).unwrap();
    let Value::Items(items) = &set.find(Tag(0x0008_1140)).unwrap().value else { panic!() };
    assert_eq!(items[0].ascii(Tag(0x0008_1155)), Some(own));
    assert_eq!(items[0].ascii(Tag(0x0008_1150)), Some("1.2.840.10008.5.1.4.1.1.2"));
    assert!(own.starts_with("2.25."));
}

#[test]
fn what_is_not_what_it_should_be_does_not_stay() {
    let file = file(vec![
        text(0x0018_0050, Vr::Ds, "Jane Roe"),
        text(0x0018_0015, Vr::Cs, "ROE"),
        text(0x0018_5100, Vr::Cs, "HFS"),
        text(0x0010_0010, Vr::Pn, "Roe^Jane"),
        text(0x0028_1054, Vr::Lo, "for Roe"),
        text(0x0018_1210, Vr::Sh, "H31s"),
        bytes(0x0028_0010, Vr::Un, vec![1, 0]),
        text(0x0028_0011, Vr::Lo, "12"),
    ]);
    let set = clean(&file, &[]);
    let value = |tag| set.ascii(Tag(tag));
    assert_eq!((value(0x0018_0050), value(0x0018_0015)), (Some(""), Some("")), "no number; a name");
    assert_eq!((value(0x0018_5100), value(0x0018_1210)), (Some("HFS"), Some("H31s")));
    assert_eq!(value(0x0028_1054), Some(""));
    assert_eq!((value(0x0028_0010), value(0x0028_0011)), (None, None));
}

#[test]
fn text_is_read_in_its_characters_and_written_in_unicode() {
    let file = file(vec![
        text(0x0008_0005, Vr::Cs, "ISO_IR 100"),
        bytes(0x0020_4000, Vr::Lt, b"Kopf r\xf6ntgen CANARY".to_vec()),
    ]);
    let set = clean(&file, &[Retain::Descriptors]);
    assert_eq!(set.ascii(Tag(0x0020_4000)), Some("Kopf röntgen [ID]"));
    assert_eq!(set.ascii(Tag::CHARACTER_SET), Some("ISO_IR 192"));
}

/// Files of an independent writer, in every uncompressed syntax, and what an independent reader says
/// of what comes out.
#[test]
fn other_programs_write_and_read_these_files() {
    let tag = |tag: u32| dicom_core::Tag((tag >> 16) as u16, (tag & 0xffff) as u16);
    for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"] {
        let mut inner = InMemDicomObject::new_empty();
        inner.put_str(tag(0x0010_0020), VR::LO, "12345678");
        inner.put_str(tag(0x0008_0100), VR::SH, "T-A0100");
        let mut object = InMemDicomObject::new_empty();
        object.put_str(tag(0x0008_0016), VR::UI, "1.2.840.10008.5.1.4.1.1.2");
        object.put_str(tag(0x0008_0018), VR::UI, UID);
        object.put_str(tag(0x0010_0010), VR::PN, "Roe^Jane");
        object.put_str(tag(0x0010_0020), VR::LO, "12345678");
        object.put(DataElement::new(tag(0x0028_0010), VR::US, dicom_value!(U16, [2])));
        object.put(DataElement::new(tag(0x0028_0011), VR::US, dicom_value!(U16, [3])));
        object.put(DataElement::new(tag(0x0028_0100), VR::US, dicom_value!(U16, [16])));
        object.put(DataElement::new(tag(0x0018_9306), VR::FD, PrimitiveValue::from(1.25)));
        let items = dicom_core::value::DataSetSequence::from(vec![inner]);
        object.put(DataElement::new(tag(0x0018_9346), VR::SQ, items));
        let pixels = dicom_value!(U16, [1, 2, 3, 4, 5, 600]);
        object.put(DataElement::new(tag(0x7fe0_0010), VR::OW, pixels));
        let meta = FileMetaTableBuilder::new().transfer_syntax(syntax);
        let mut file = Vec::new();
        object.with_meta(meta).unwrap().write_all(&mut file).unwrap();

        let cleaned = cleaner(&[]).clean(&file, &mut Mask::default()).unwrap();
        assert!(!holds(&cleaned.bytes, b"Roe") && !holds(&cleaned.bytes, b"12345678"));
        let read = dicom_object::from_reader(Cursor::new(&cleaned.bytes)).unwrap();
        assert_eq!(read.meta().media_storage_sop_instance_uid(), cleaned.uid);
        let value = |t: u32| read.element(tag(t)).unwrap();
        assert_eq!(value(0x0010_0010).to_str().unwrap(), "");
        assert_eq!(value(0x0028_0010).to_int::<u16>().unwrap(), 2);
        let width = value(0x0018_9306).to_float64().unwrap();
        assert!((width - 1.25).abs() < 1e-9, "{syntax}");
        let pixels = value(0x7fe0_0010).to_multi_int::<u16>().unwrap();
        assert_eq!(pixels, [1, 2, 3, 4, 5, 600], "{syntax}");
        let item = &value(0x0018_9346).items().unwrap()[0];
        assert_eq!(item.element(tag(0x0008_0100)).unwrap().to_str().unwrap(), "T-A0100");
    }
}

fn image(modality: &str, more: Vec<Element<'static>>, pixels: Vec<u8>) -> Vec<u8> {
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

fn compressed(
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

const GREY_JPEG: &[u8] = include_bytes!("../data/grey.jpg");

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

    let other = compressed("4.90", vec![vec![0; 8]], vec![]);
    let error = cleaner(&[]).clean(&other, &mut Mask::default()).unwrap_err();
    assert_eq!(error, PixelError::NotDecodable.into());
}

fn deflated(set: &DataSet<'_>, more: usize) -> Vec<u8> {
    let plain = write::file(set, Syntax::ExplicitLittle).unwrap();
    let at = plain.windows(4).position(|four| four == [8, 0, 0x16, 0]).unwrap();
    let mut file = plain[..at].to_vec();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain[at..]).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..more).for_each(|_| encoder.write_all(&zeros).unwrap());
    let body = encoder.finish().unwrap();
    // The transfer syntax, two characters longer.
    let name = b"1.2.840.10008.1.2.1\0";
    let name_at = file.windows(name.len()).position(|part| part == name).unwrap();
    file.splice(name_at..name_at + name.len(), *b"1.2.840.10008.1.2.1.99");
    file[name_at - 2] += 2;
    file.extend(body);
    file
}

#[test]
fn a_deflated_file_is_unpacked_and_a_bomb_is_not() {
    let set = set(vec![text(0x0010_0010, Vr::Pn, "Roe^Jane"), text(0x0020_0013, Vr::Is, "7")]);
    let cleaned = clean(&deflated(&set, 0), &[]);
    assert_eq!(cleaned.ascii(Tag(0x0020_0013)), Some("7"));
    let bomb = deflated(&set, 300);
    assert!(bomb.len() < 4 << 20);
    let error = cleaner(&[]).clean(&bomb, &mut Mask::default()).unwrap_err();
    assert_eq!(error, Error::Inflated);
}

#[test]
fn hostile_files_get_an_error() {
    let refused = |file: &[u8]| cleaner(&[]).clean(file, &mut Mask::default()).unwrap_err();
    assert_eq!(refused(b"no image"), Error::NotDicom);
    let good = file(vec![]);
    let with = |body: &[u8]| [&good[..], body].concat();
    // Sequences in sequences, each one item deeper.
    let level = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff";
    assert_eq!(refused(&with(&level.repeat(100_000))), Error::TooDeep);
    // An item of eight bytes, over and over.
    let items = b"\xfe\xff\x00\xe0\0\0\0\0".repeat(ELEMENTS_MAX + 1);
    let many = with(&[&level[..12], &items].concat());
    assert_eq!(refused(&many), Error::TooMany);
    // Four gigabytes that are not there.
    let long = with(b"\x18\x00\x10\x10OB\0\0\xf0\xff\xff\xff");
    assert!(matches!(refused(&long), Error::Malformed { reason: "cut short", .. }));
    let private = [&good[..], b""].concat();
    let at = private.windows(6).position(|six| six == b".1.2.1").unwrap();
    let mut unknown = private;
    unknown[at + 5] = b'7';
    assert_eq!(refused(&unknown), Error::TransferSyntax);
    let directory = set(vec![]);
    let mut directory = directory;
    directory.put(text(0x0008_0016, Vr::Ui, DIRECTORY));
    let directory = write::file(&directory, Syntax::ExplicitLittle).unwrap();
    assert_eq!(refused(&directory), Error::Directory);
}

#[test]
fn a_text_that_the_engine_refuses_costs_the_file() {
    struct Refusing;
    impl Substitute for Refusing {
        fn about(&mut self, _: &Person) {}
        fn text(&mut self, _: &str, _: &str) -> Result<String, Unclean> {
            Err(Unclean)
        }
        fn stand_in(&mut self, _: What, _: &str) -> Option<String> {
            None
        }
        fn date(&mut self, _: &str) -> Option<String> {
            None
        }
        fn is_left(&mut self, _: &str) -> Result<bool, Unclean> {
            Err(Unclean)
        }
    }
    let file = file(vec![text(0x0020_4000, Vr::Lt, "a comment")]);
    let error = cleaner(&[Retain::Descriptors]).clean(&file, &mut Refusing).unwrap_err();
    assert_eq!(error, Error::Unclean { tag: Tag(0x0020_4000) });
}

#[test]
fn the_residual_check_sees_what_cleaning_leaves() {
    /// Cleans nothing, and says so when asked.
    struct Lazy(Mask);
    impl Substitute for Lazy {
        fn about(&mut self, person: &Person) {
            self.0.about(person);
        }
        fn text(&mut self, _: &str, text: &str) -> Result<String, Unclean> {
            Ok(text.to_owned())
        }
        fn stand_in(&mut self, _: What, _: &str) -> Option<String> {
            None
        }
        fn date(&mut self, _: &str) -> Option<String> {
            None
        }
        fn is_left(&mut self, text: &str) -> Result<bool, Unclean> {
            self.0.is_left(text)
        }
    }
    let file = file(vec![text(0x0020_4000, Vr::Lt, "a CANARY")]);
    let error =
        cleaner(&[Retain::Descriptors]).clean(&file, &mut Lazy(Mask::default())).unwrap_err();
    assert_eq!(error, Error::Residue { left: 1, tag: Tag(0x0020_4000) });
}

/// Places in a file are drawn as shares of its length, in millionths.
const MILLION: usize = 1_000_000;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Whatever is done to a file, the answer is a file or an error; a file is clean when read again.
    #[test]
    fn damaged_files_do_no_harm(
        implicit: bool,
        cut in 0..1_200_000_usize,
        changes in prop::collection::vec((0..MILLION, any::<u8>()), 0..12),
    ) {
        let syntax = if implicit { Syntax::ImplicitLittle } else { Syntax::ExplicitLittle };
        let mut elements = everything();
        elements.truncate(120);
        let mut file = write::file(&set(elements), syntax).unwrap();
        let place = |share: usize, length: usize| share * length / MILLION;
        file.truncate(place(cut, file.len()));
        for (share, byte) in changes {
            let at = place(share, file.len());
            if let Some(there) = file.get_mut(at) {
                *there = byte;
            }
        }
        if let Ok(cleaned) = cleaner(&[]).clean(&file, &mut Mask::default()) {
            let again = cleaner(&[]).clean(&cleaned.bytes, &mut Mask::default());
            prop_assert!(again.is_ok(), "{again:?}");
        }
    }

    #[test]
    fn noise_does_no_harm(noise in prop::collection::vec(any::<u8>(), 0..400), jpeg: bool) {
        let good = file(vec![]);
        drop(cleaner(&[]).clean(&[&good[..], &noise].concat(), &mut Mask::default()));
        let codec = if jpeg { "4.50" } else { "5" };
        let region = Region { black: Some([0, 0, 8, 8]), ..Region::default() };
        let settings = Settings { regions: vec![region], ..Settings::default() };
        for frame in [noise.clone(), [GREY_JPEG, &noise].concat(), [&GREY_JPEG[..GREY_JPEG.len() / 2], &noise].concat()] {
            let file = compressed(codec, vec![frame], vec![]);
            drop(Cleaner::new(settings.clone(), [7; 32]).clean(&file, &mut Mask::default()));
        }
    }
}

/// Files of real devices, which are not part of the repository: beside it, or where INSITU_DICOM says.
#[test]
fn files_of_real_devices_are_cleaned() {
    let beside = || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("INSITU_DICOM").map_or_else(beside, Into::into);
    let captures = Region { modality: Some("CT".into()), ..Region::default() };
    let settings = Settings { regions: vec![captures], ..Settings::default() };
    for (name, personal) in [
        ("ctbrain1.dcm", &["SIMPSON", "7041776", "M1212121", "HIBBARD", "SGHCT01A", "1107.5.1.4"]),
        (
            "us_burned_in_greyscale.dcm",
            &["PATIENTFIVE", "NEW^P", "2020202", "104111149", "KILLEEN", "392075967"],
        ),
    ] {
        let Ok(file) = std::fs::read(folder.join(name)) else {
            println!("skipped: {name} is not in {}", folder.display());
            continue;
        };
        assert!(personal.iter().all(|personal| holds(&file, personal.as_bytes())), "{name}");
        let cleaned = Cleaner::new(settings.clone(), [7; 32]);
        let cleaned = cleaned.clean(&file, &mut Mask::default()).unwrap();
        for personal in personal {
            assert!(!holds(&cleaned.bytes, personal.as_bytes()), "{name}: {personal}");
        }
        println!("{name}: {cleaned:?}");
    }
}
