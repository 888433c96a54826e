//! Attributes: what stays of them, and what does not.

use super::*;

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
        fn kinds(&mut self, _: &str) -> Vec<&'static str> {
            Vec::new()
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
        fn kinds(&mut self, text: &str) -> Vec<&'static str> {
            self.0.kinds(text)
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
