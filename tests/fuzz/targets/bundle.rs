//! What a bundle is made of: an ONNX file, a tokenizer, a manifest.

#![no_main]

use insitu_models::bundle::Bundle;
use insitu_models::check::{check, check_text};
use insitu_models::wordpiece::WordPiece;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (what, bytes) = input;
    match what % 4 {
        0 => drop(check(bytes, 4, 4)),
        1 => drop(check_text(bytes, 100)),
        2 => {
            if let Ok(tokenizer) = WordPiece::read(bytes) {
                let ids = tokenizer.ids("Ärzte und Straße, naïve 日本 12.5", 32);
                assert!(ids.len() <= 32, "no more tokens than asked for");
            }
        }
        _ => drop(Bundle::from_objects(bytes.to_vec(), |_| None)),
    }
});
