//! A settings file of redaction: recognizers and lists of a site.

#![no_main]

use std::fs;
use std::sync::LazyLock;

use insitu_agent::redact::{Engine, Mode, Profile, Settings};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Profile::default()));
static FILE: LazyLock<tempfile::NamedTempFile> =
    LazyLock::new(|| tempfile::NamedTempFile::new().expect("a temporary file"));

fuzz_target!(|text: &str| {
    fs::write(FILE.path(), text).expect("the temporary file can be written");
    if let Ok(settings) = Settings::read(FILE.path()) {
        let engine = ENGINE.with_profile(settings.profile);
        engine.clean("Jane Roe, MRN 12345, aaaaaaaaaaaaaaaaaaaaaaaaaaaa!", Mode::Mask);
    }
});
