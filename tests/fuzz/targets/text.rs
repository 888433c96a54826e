//! A text, by the engine of redaction: offsets are right for any script, and masking is idempotent.

#![no_main]

use std::sync::LazyLock;

use insitu_agent::redact::{Engine, Hints, Mode, Profile};
use libfuzzer_sys::fuzz_target;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Profile::default()));

fuzz_target!(|text: &str| {
    let Ok(clean) = ENGINE.try_clean(text, &Hints::default(), Mode::Mask) else { return };
    let characters: Vec<char> = text.chars().collect();
    let mut end = 0;
    let mut kept = String::new();
    for span in &clean.spans {
        assert!(end <= span.start && span.start < span.end, "spans are in order and apart");
        kept.extend(&characters[end..span.start]);
        kept.push_str(&format!("[{}]", span.kind));
        end = span.end;
    }
    kept.extend(&characters[end..]);
    assert_eq!(clean.text, kept, "only spans are replaced");
    let again = ENGINE.clean(&clean.text, Mode::Mask);
    assert_eq!(again.text, clean.text, "masking twice is masking once");
});
