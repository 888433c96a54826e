//! DICOM files: `insitu-dicom` says what each attribute is, and the engine and its surrogates what
//! stands in for it, so that a patient's images, reports and letters still belong together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use insitu_dicom::{Cleaned, Person, Settings, Substitute, TextFinder, Unclean, What};

use super::super::kind::Kind;
use super::super::lines::{Account, LineError};
use super::super::people::People;
use super::super::profile::{Mode, Subject};
use super::super::{Unclean as Refused, clean};
use super::{Cleaner, Records};

/// How DICOM files are cleaned.
#[derive(Debug)]
pub struct Images<'a> {
    records: &'a Records<'a>,
    cleaner: insitu_dicom::Cleaner,
}

impl<'a> Images<'a> {
    /// With the engine, the mode and the key of `records`; identifiers are replaced under that key.
    /// With a `finder`, text is looked for in pixels that do not stay as they are.
    pub fn new(
        records: &'a Records<'a>,
        settings: Settings,
        finder: Option<Arc<dyn TextFinder>>,
    ) -> Self {
        let key = blake3::derive_key("insitu 2026 dicom identifiers v1", records.key.bytes());
        let cleaner = insitu_dicom::Cleaner::new(settings, key).with_finder(finder);
        Self { records, cleaner }
    }

    /// The file in `bytes`, cleaned, and what was done to it. `number` is the file's in its run.
    ///
    /// # Errors
    /// [`LineError`], and nobody may see the file.
    pub fn clean(&self, number: u64, bytes: &[u8]) -> Result<(Account, Cleaned), LineError> {
        // Pixels are decoded by code of others: a fault of theirs costs one file.
        let attempt = AssertUnwindSafe(|| {
            let mut cleaner = self.records.cleaner(number, None);
            let cleaned = self.cleaner.clean(bytes, &mut cleaner)?;
            Ok((cleaner.account, cleaned))
        });
        catch_unwind(attempt).unwrap_or_else(|_| Err(Refused::Failed.into()))
    }
}

impl Substitute for Cleaner<'_> {
    fn about(&mut self, person: &Person) {
        let mut people = People::default();
        person.names.iter().for_each(|name| people.person(name));
        person.identifiers.iter().for_each(|identifier| people.identifier(identifier));
        self.hints.people = people;
        if !person.subject.is_empty() {
            self.hints.subject = Subject::Named(person.subject.clone());
        }
    }

    fn text(&mut self, name: &str, text: &str) -> Result<String, Unclean> {
        let named = Cleaner::text(self, name, text).map_err(|_| Unclean)?;
        let Records { engine, mode, .. } = *self.records;
        // Without the attribute's name other words are the first, and what follows may look other.
        match mode {
            Mode::Surrogate(_) | Mode::None => Ok(named),
            Mode::Mask | Mode::Hash(_) => {
                let again = engine.try_clean(&named, &self.hints, mode);
                let mut again = again.map_err(|_| Unclean)?;
                // Its bytes were counted when it was read under its name.
                self.account.add(0, &mut again);
                Ok(again.text)
            }
        }
    }

    fn stand_in(&mut self, what: What, original: &str) -> Option<String> {
        let kind = match what {
            What::Name => Kind::Name,
            What::Organization => Kind::Organization,
            // As in HL7 messages, so that orders and their images still belong together.
            What::PatientId | What::Identifier => Kind::MedicalRecord,
        };
        if clean::is_mask(original) {
            return Some(original.to_owned());
        }
        self.account.found.push(kind);
        match self.records.mode {
            Mode::Mask | Mode::None => None,
            Mode::Hash(_) | Mode::Surrogate(_) => self.replaced(kind, original),
        }
    }

    fn date(&mut self, date: &str) -> Option<String> {
        self.account.found.push(Kind::Date);
        match self.records.mode {
            Mode::Mask | Mode::None | Mode::Hash(_) => None,
            Mode::Surrogate(_) => self.replaced(Kind::Date, date),
        }
    }

    fn kinds(&mut self, text: &str) -> Vec<&'static str> {
        let found = self.records.engine.find_with(text, &self.hints);
        found.iter().map(|span| span.kind.as_str()).collect()
    }

    fn is_left(&mut self, text: &str) -> Result<bool, Unclean> {
        match self.records.mode {
            // The engine would find the surrogates; it has read the text with masks in their place.
            Mode::Surrogate(_) | Mode::None => Ok(false),
            Mode::Mask | Mode::Hash(_) => {
                Ok(!self.records.engine.find_with(text, &self.hints).is_empty())
            }
        }
    }
}

impl Cleaner<'_> {
    /// What stands for all of a value, whatever the site looks for in texts; a mask in place of a
    /// surrogate is nothing.
    fn replaced(&mut self, kind: Kind, original: &str) -> Option<String> {
        let out = self.in_place_of(kind, original);
        let mask = matches!(self.records.mode, Mode::Surrogate(_)) && clean::is_mask(&out);
        (!mask).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use insitu_dicom::{Picture, PixelText, Pixels, Retain, Settings, TextLine, Unread};

    use super::super::super::{
        Engine, FieldRules, Language, Profile, Records, SiteKey, Surrogates,
    };
    use super::*;

    /// A file of these elements, each of a tag, a representation of two letters and a value.
    fn file(elements: &[(u32, &str, &str)]) -> Vec<u8> {
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        let meta = [(0x0002_0010, "UI", "1.2.840.10008.1.2.1\0")];
        for (tag, vr, value) in meta.iter().chain(elements) {
            let padded =
                if value.len() % 2 == 1 { format!("{value} ") } else { (*value).to_owned() };
            let [e0, e1, g0, g1] = tag.to_le_bytes();
            file.extend([g0, g1, e0, e1]);
            file.extend(vr.bytes());
            file.extend(u16::try_from(padded.len()).unwrap().to_le_bytes());
            file.extend(padded.bytes());
        }
        file
    }

    const SCAN: &[(u32, &str, &str)] = &[
        (0x0008_0018, "UI", "1.2.276.0.77.1"),
        (0x0008_0020, "DA", "20240229"),
        (0x0008_0050, "SH", "A774411"),
        (0x0008_1030, "LO", "CT head, call Dr. Roe at (216) 555-0199"),
        (0x0010_0010, "PN", "ROE^JANE"),
        (0x0010_0020, "LO", "77441188"),
        (0x0010_4000, "LT", "Mrs Roe, 77441188, seen 2024-02-29"),
    ];

    fn run(mode: Mode<'_>, key: &SiteKey, retain: &[Retain]) -> (Account, String) {
        let engine = Engine::new(Profile { tagger: false, ..Profile::default() });
        let rules = FieldRules::default();
        let records = Records { engine: &engine, mode, rules: &rules, key };
        let settings = Settings { retain: retain.to_vec(), ..Settings::default() };
        let (account, cleaned) =
            Images::new(&records, settings, None).clean(1, &file(SCAN)).unwrap();
        (account, String::from_utf8_lossy(&cleaned.bytes).into_owned())
    }

    #[test]
    fn texts_are_read_knowing_whom_the_file_names() {
        let (account, clean) = run(Mode::Mask, &SiteKey::new([1; 32]), &[Retain::Descriptors]);
        assert!(clean.contains("CT head, call [NAME] at [PHONE]"), "{clean}");
        assert!(clean.contains("[NAME], [ID], seen [DATE]"), "{clean}");
        for personal in ["ROE", "Roe", "77441188", "A774411", "20240229", "1.2.276.0.77.1"] {
            assert!(!clean.contains(personal), "{personal}");
        }
        assert!(account.found.contains(&Kind::Name) && account.replaced.is_empty());
        let texts = [SCAN[3].2, SCAN[6].2];
        assert_eq!(account.text_bytes, texts.concat().len(), "each is counted once");
    }

    #[test]
    fn a_patient_has_the_surrogates_that_letters_have() {
        let key = SiteKey::new([1; 32]);
        let surrogates = Surrogates::new(&key, Language::English);
        let mode = Mode::Surrogate(&surrogates);
        let (account, clean) = run(mode, &key, &[Retain::ShiftedDates]);
        let subject = Subject::Named("77441188".to_owned());
        let of = |kind, original| surrogates.replace(kind, original, &subject).unwrap();
        let name = format!("{}^{}", of(Kind::Name, "ROE"), of(Kind::Name, "JANE"));
        assert!(clean.contains(&name), "{name}: {clean}");
        assert!(clean.contains(&of(Kind::MedicalRecord, "77441188")));
        assert!(clean.contains(&of(Kind::MedicalRecord, "A774411")));
        assert!(clean.contains(&of(Kind::Date, "20240229")));
        assert!(!clean.contains("20240229") && !clean.contains("ROE"));
        assert!(account.replaced.iter().any(|kept| kept.original == "JANE"), "for the vault");
    }

    #[test]
    fn hashes_are_told_where_they_fit() {
        let key = SiteKey::new([1; 32]);
        let (_, clean) = run(Mode::Hash(&key), &key, &[]);
        assert!(clean.contains("[NAME:") && clean.contains("[MEDICAL_RECORD:"), "{clean}");
        assert!(!clean.contains("ROE") && !clean.contains("77441188"));
    }

    #[test]
    fn what_lines_in_pixels_said_is_counted_by_kind_and_not_told() {
        /// Reads these on a picture, a pixel each.
        #[derive(Debug)]
        struct Reads;
        impl TextFinder for Reads {
            fn find(&self, _: &Picture) -> Result<Vec<TextLine>, Unread> {
                let line = |(at, text): (u32, Option<&str>)| {
                    let place = [at, 0, at + 1, 1];
                    TextLine { place, parts: vec![place], text: text.map(str::to_owned) }
                };
                let texts = [Some("ROE JANE"), Some("77441188 2024-02-29"), None, Some("2.3 cm")];
                Ok((0..).zip(texts).map(line).collect())
            }
            fn reads(&self) -> bool {
                true
            }
        }
        let pixels = [
            (0x0008_0060, "CS", "US"),
            (0x0028_0002, "US", "\x01\0"),
            (0x0028_0004, "CS", "MONOCHROME2"),
            (0x0028_0010, "US", "\x01\0"),
            (0x0028_0011, "US", "\x04\0"),
            (0x0028_0100, "US", "\x08\0"),
            (0x7fe0_0010, "OB", "\0\0\x04\0\0\0abcd"),
        ];
        let mut file = file(&[&SCAN[..6], &pixels].concat());
        // The length of such a value is longer, and was written as a part of it.
        let at = file.len() - 12;
        file.drain(at..at + 2);
        let engine = Engine::new(Profile { tagger: false, ..Profile::default() });
        let (rules, key) = (FieldRules::default(), SiteKey::new([1; 32]));
        let records = Records { engine: &engine, mode: Mode::Mask, rules: &rules, key: &key };
        let pixel_text = PixelText::Markers;
        let settings = Settings { pixels: Pixels::Ocr, pixel_text, ..Settings::default() };
        let images = Images::new(&records, settings, Some(Arc::new(Reads)));
        let (_, cleaned) = images.clean(1, &file).unwrap();
        assert!(cleaned.bytes.ends_with(b"\0\0\0d"), "a marking stays");
        let found = [("DATE", 1), ("ID", 1), ("NAME", 1)];
        assert_eq!(cleaned.text.found, found.into());
        assert_eq!((cleaned.text.lines, cleaned.text.unread, cleaned.text.markings), (2, 1, 1));
        let method = String::from_utf8_lossy(&cleaned.bytes);
        assert!(method.contains("lines: NAME 1") && !method.contains("ROE"), "{method}");
    }

    #[test]
    fn a_file_that_is_none_names_the_reason() {
        let engine = Engine::new(Profile::default());
        let (rules, key) = (FieldRules::default(), SiteKey::new([1; 32]));
        let records = Records { engine: &engine, mode: Mode::Mask, rules: &rules, key: &key };
        let images = Images::new(&records, Settings::default(), None);
        let reason = images.clean(3, b"Jane Roe").unwrap_err();
        assert_eq!(reason.name(), "not-dicom");
        let failure = super::super::Failure { line: 3, reason };
        assert_eq!(crate::store::explain(&failure), "file 3: no DICOM file: no DICM at byte 128");
    }
}
