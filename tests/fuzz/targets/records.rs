//! Records with a structure, which are cleaned or refused one by one.

#![no_main]

use std::io;
use std::sync::LazyLock;

use insitu_agent::redact::{
    Account, Engine, Failure, FieldRules, Format, Mode, Observer, Profile, Records, SiteKey,
};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Profile::default()));

/// Counts what becomes of records.
#[derive(Default)]
struct Counts {
    cleaned: usize,
    failed: usize,
}

impl Observer for Counts {
    fn cleaned(&mut self, _: Account) -> io::Result<()> {
        self.cleaned += 1;
        Ok(())
    }

    fn failed(&mut self, _: Failure) {
        self.failed += 1;
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (format, bytes) = input;
    let format = [Format::Json, Format::Csv, Format::Fhir, Format::Hl7 { declared: true }][usize::from(format % 4)];
    let (rules, key) = (FieldRules::default(), SiteKey::new([7; 32]));
    let records = Records { engine: &ENGINE, mode: Mode::Mask, rules: &rules, key: &key };
    let (mut written, mut counts) = (Vec::new(), Counts::default());
    records.run(format, bytes, &mut written, &mut counts).expect("memory can be read and written");
    assert!(counts.cleaned > 0 || written.is_empty() || format == Format::Csv, "nothing unclean");
});
