//! Files of other programs and of real devices.

use std::io::Cursor;

use dicom_core::{DataElement, PrimitiveValue, VR, dicom_value};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::*;

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
