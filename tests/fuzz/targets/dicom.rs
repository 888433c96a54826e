//! A DICOM file, its headers and its pixels.

#![no_main]

use std::sync::LazyLock;

use insitu_agent::redact::{Engine, FieldRules, Images, Mode, Profile, Records, SiteKey};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Profile::default()));

fuzz_target!(|bytes: &[u8]| {
    let (rules, key) = (FieldRules::default(), SiteKey::new([7; 32]));
    let records = Records { engine: &ENGINE, mode: Mode::Mask, rules: &rules, key: &key };
    let images = Images::new(&records, insitu_dicom::Settings::default());
    if let Ok((_, cleaned)) = images.clean(1, bytes) {
        assert!(images.clean(2, &cleaned.bytes).is_ok(), "what was cleaned can be read");
    }
});
