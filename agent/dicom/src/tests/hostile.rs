//! Files that are damaged, or made to do harm.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::pixels::{GREY_JPEG, compressed};
use super::*;

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
