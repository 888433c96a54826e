//! The detector on frames with names burned in. It is no part of this repository: the tests need the
//! folder that `models/ocr/fetch-ppocr.sh` makes, in `INSITU_OCR`, and say so when they do not run.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![cfg(feature = "runtime")]

mod burned;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use burned::{Dice, Finder, Frame, Style, clean, frame};
use insitu_dicom::PixelOutcome;
use insitu_models::engine::{Engine, Library};
use insitu_models::ocr::{DETECTOR_FILE, Detector, Picture};

fn detector() -> Option<Detector> {
    let Some(folder) = std::env::var_os("INSITU_OCR").map(PathBuf::from) else {
        println!("skipped: INSITU_OCR names no folder made by models/ocr/fetch-ppocr.sh");
        return None;
    };
    let model = std::fs::read(folder.join(DETECTOR_FILE)).unwrap();
    Some(Detector::load(&Engine::start(&Library::Search).unwrap(), &model).unwrap())
}

const STYLE: Style = Style { dot: 2, contrast: 140, noise: 6, smooth: true };

#[test]
fn names_that_are_burned_in_are_black_in_every_frame() {
    let Some(detector) = detector() else { return };
    let finder = Arc::new(Finder(Mutex::new(detector)));
    let mut dice = Dice(7);
    for size in [(512, 512), (1400, 300)] {
        let mut frames: Vec<Frame> =
            [2, 1].map(|lines| frame(size, lines, STYLE, &mut dice)).into();
        let (cleaned, pixels) = clean(&finder, &frames).unwrap();
        assert_eq!(cleaned.pixels, PixelOutcome::Blackened { frames: 2 });
        assert!(cleaned.text.frames >= 4, "read again: {:?}", cleaned.text);
        for (frame, pixels) in frames.iter_mut().zip(pixels) {
            let lines = frame.lines.len();
            frame.take(&pixels);
            assert_eq!(frame.covered(), (lines, lines), "{size:?}");
        }
    }
}

#[test]
fn a_picture_without_text_stays() {
    let Some(mut detector) = detector() else { return };
    let tiny = Picture::new(1, vec![0; 3]).unwrap();
    assert_eq!(detector.find(&tiny).unwrap(), Vec::<[u32; 4]>::new());
    let finder = Arc::new(Finder(Mutex::new(detector)));
    // From dark to bright, with noise.
    let mut dice = Dice(3);
    let grey: Vec<u8> = (0..640 * 480)
        .map(|at| u8::try_from(20 + at % 640 / 8 + at / 640 / 8 + dice.below(9)).unwrap())
        .collect();
    let plain = Frame { width: 640, height: 480, grey: grey.clone(), lines: vec![] };
    let (cleaned, pixels) = clean(&finder, &[plain]).unwrap();
    assert_eq!((cleaned.pixels, cleaned.text.frames), (PixelOutcome::ReadClean, 1));
    assert_eq!(pixels, [grey]);
}
