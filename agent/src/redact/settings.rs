//! The file in which a site says what redaction does for a project: TOML, every key known.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use insitu_daemon::config::{self, ConfigError};
use serde::{Deserialize, Serialize};

use super::custom::{Custom, CustomError, Deny, Recognizer};
use super::kind::{Kind, KindSet};
use super::profile::{Coarse, Language, Profile, Score};
use super::structure::{Action, FieldRules};

/// What redaction does for a project.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What is found.
    pub profile: Profile,
    /// What replaces it.
    pub mode: ModeName,
    /// The main language of the texts.
    pub language: Language,
    /// What fields of structured records hold.
    pub fields: FieldRules,
    /// What happens to DICOM files.
    pub dicom: insitu_dicom::Settings,
    /// BLAKE3 digest of the file that says so, if there is one.
    pub digest: Option<String>,
}

/// What replaces personal data, without the keys that this takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ModeName {
    /// The kind: `[NAME]`
    #[default]
    Mask,
    /// A realistic stand-in, the same for the same person at the site
    Surrogate,
    /// The kind and a keyed hash: `[NAME:5f0c…]`
    Hash,
    /// Nothing: the text stays, the spans are reported
    None,
}

/// Why a settings file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not TOML, an unknown key, or a value that makes no sense.
    #[error("the redaction settings are refused")]
    File(#[from] ConfigError),
    /// Too much of something.
    #[error("the redaction settings are refused")]
    Custom(#[from] CustomError),
    /// Items in a store are never left as they are.
    #[error("mode = \"none\" hides nothing: it is for the command `redact` only")]
    HidesNothing,
}

/// When a file was last changed, and its size: what tells that it must be read again.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

/// The file's stamp now.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profile: Coarse,
    #[serde(default)]
    mode: ModeName,
    #[serde(default)]
    language: Language,
    min_score: Option<Score>,
    types: Option<Vec<Kind>>,
    #[serde(default = "yes")]
    tagger: bool,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    deny: Vec<Deny>,
    #[serde(default, rename = "recognizer")]
    recognizers: Vec<Recognizer>,
    /// The field that tells whom a structured record is about.
    subject: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, Action>,
    #[serde(default)]
    dicom: insitu_dicom::Settings,
}

fn yes() -> bool {
    true
}

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// [`SettingsError`], with the file, the line and what would be right.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let bytes = config::bytes(path)?;
        let file: File = config::parse(path, &bytes)?;
        Ok(Self {
            profile: Profile {
                kinds: file.types.map_or(KindSet::ALL, |types| types.into_iter().collect()),
                min_score: file.min_score.map_or_else(|| Profile::default().min_score, Score::get),
                coarse: file.profile,
                tagger: file.tagger,
                custom: Custom::new(file.recognizers, &file.deny, &file.allow)?,
                ..Profile::default()
            },
            mode: file.mode,
            language: file.language,
            fields: FieldRules::new(file.fields, file.subject),
            dicom: file.dicom,
            digest: Some(blake3::hash(&bytes).to_hex().to_string()),
        })
    }

    /// The same, for items of a store.
    ///
    /// # Errors
    /// [`SettingsError::HidesNothing`].
    pub fn for_items(self) -> Result<Self, SettingsError> {
        if self.mode == ModeName::None { Err(SettingsError::HidesNothing) } else { Ok(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, Hints, Mode};
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redaction.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read(&path).map_err(|error| crate::store::explain(&error))
    }

    const SAMPLE: &str = r#"
        language = "de"
        mode = "surrogate"
        profile = "safe-harbor"
        tagger = false
        allow = ["Dr. House"]
        subject = "patient.id"

        [[deny]]
        text = "Projekt Alpha"
        type = "ID"

        [[recognizer]]
        name = "study number"
        type = "MEDICAL_RECORD"
        pattern = "ST-[0-9]{6}"
        score = 0.3
        context = ["study", "Studie"]

        [[recognizer]]
        name = "member"
        type = "ID"
        pattern = "[0-9]{5}"
        check = "luhn"

        [fields]
        "patient.name" = "NAME"
        "patient.note" = "text"
        "internal" = "drop"

        [dicom]
        retain = ["device", "shifted-dates"]
        pixel_text = "markers"

        [[dicom.region]]
        modality = "US"
        manufacturer = "Acme Sound"
        rows = 768
        black = [0, 0, 1024, 40]
    "#;

    #[test]
    fn a_site_adds_what_only_it_knows() {
        let settings = read(SAMPLE).unwrap();
        assert_eq!((settings.mode, settings.language), (ModeName::Surrogate, Language::German));
        let region = &settings.dicom.regions[0];
        assert_eq!((region.rows, region.black), (Some(768), Some([0, 0, 1024, 40])));
        assert_eq!(settings.dicom.retain.len(), 2);
        assert_eq!(settings.dicom.pixel_text, insitu_dicom::PixelText::Markers);
        let engine = Engine::new(settings.profile);
        let clean = |text: &str| engine.clean(text, Mode::Mask).text;
        assert_eq!(clean("Studie ST-123456, xST-123456"), "Studie [MEDICAL_RECORD], xST-123456");
        assert_eq!(clean("item ST-123456"), "item ST-123456", "without context 0.3 is too little");
        assert_eq!(clean("PROJEKT ALPHA, Projekt Alphabet"), "[ID], Projekt Alphabet");
        assert_eq!(clean("the 12344 and 12345"), "the [ID] and 12345");
    }

    #[test]
    fn what_is_allowed_is_left() {
        for allowed in ["jane roe", "Dr. Jane Roe"] {
            let settings = read(&format!("allow = [\"{allowed}\"]\ntagger = false")).unwrap();
            let engine = Engine::new(settings.profile);
            let text = "Dr. Jane Roe and Dr. John Doe";
            assert_eq!(engine.clean(text, Mode::Mask).text, "Dr. Jane Roe and [NAME]", "{allowed}");
        }
    }

    #[test]
    fn a_recognizer_that_takes_too_long_is_named_and_nothing_is_shown() {
        let settings = read(
            "tagger = false\n[[recognizer]]\nname = \"codes\"\ntype = \"ID\"\npattern = \"[A-Z]+[0-9]|[A-Z]\"",
        );
        let engine = Engine::new(settings.unwrap().profile);
        let text = "A".repeat(1 << 16);
        let clean = |text: &str| engine.try_clean(text, &Hints::default(), Mode::Mask);
        let error = clean(&text).unwrap_err();
        assert_eq!(error.name(), "too-much-work");
        let said = error.to_string();
        assert!(said.contains("recognizer codes") && said.contains("65536 bytes"), "{said}");
        assert_eq!(engine.clean(&text, Mode::Mask).text, "[ID]", "all of it is hidden");
        assert_eq!(engine.find(&text).len(), 1);
        assert_eq!(clean("A12 b A").unwrap().text, "A12 b [ID]");
    }

    #[test]
    fn errors_say_what_and_where() {
        let recognizer = |more: &str| {
            format!(
                "\n[[recognizer]]\nname = \"x\"\ntype = \"ID\"\npattern = \"[0-9]{{3}}\"\n{more}"
            )
        };
        let twice = recognizer("").replace("[0-9]{3}", "((a{1,900}){1,900}){1,900}");
        for (text, parts) in [
            ("colour = 1", &["unknown field `colour`", ":1:"][..]),
            ("types = [\"NAMES\"]", &["NAMES", "ORGANIZATION"]),
            (&recognizer("check = \"lun\""), &["recognizer x", "luhn", ":2:"]),
            (&recognizer("score = 2.0"), &["score = 2", "between 0 and 1"]),
            (&recognizer("").replace("[0-9]", "[0-9"), &["recognizer x", "unclosed"]),
            (&recognizer("").replace("[0-9]{3}", "[0-9]*"), &["empty text"]),
            (&twice, &["recognizer x", "size limit"]),
            (&recognizer("").replace("[0-9]{3}", &"a".repeat(1001)), &["1001", "1000"]),
            ("min_score = 7.0", &["between 0 and 1"]),
            ("[[deny]]\ntext = \"--\"\ntype = \"ID\"", &["empty entry in deny"]),
            ("mode = \"blur\"", &["mask", "surrogate"]),
            ("[fields]\na = \"NAMEN\"", &["NAMEN", "keep"]),
            ("[dicom]\nretain = [\"date\"]", &["\"date\"", "shifted-dates"]),
            ("[dicom]\npixel_text = \"some\"", &["some", "all", "markers"]),
            ("[[dicom.region]]\nwidth = 3", &["width", "columns"]),
        ] {
            let error = read(text).map(drop).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{error:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn the_digest_is_that_of_the_file() {
        let digest = blake3::hash(SAMPLE.as_bytes()).to_hex().to_string();
        assert_eq!(read(SAMPLE).unwrap().digest, Some(digest));
        assert_eq!(Settings::default().digest, None);
    }

    #[test]
    fn items_are_never_left_as_they_are() {
        assert!(read("mode = \"none\"").unwrap().for_items().is_err());
        assert!(read("").unwrap().for_items().is_ok());
    }
}
