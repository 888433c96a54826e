//! The detector and the recogniser on frames with text burned in. They are no part of this repository:
//! the tests need the folder that `models/ocr/fetch-ppocr.sh` makes, in `INSITU_OCR`, and say so when
//! they do not run.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![cfg(feature = "runtime")]

mod burned;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use burned::{Dice, Finder, Frame, Style, clean, frame, frame_of, marking, near_marking};
use insitu_dicom::{PixelOutcome, PixelText};
use insitu_models::engine::{Engine, Library};
use insitu_models::ocr::{
    CONFIDENCE_MIN, DETECTOR_FILE, Detector, Line, Picture, RECOGNISER_FILE, Recogniser,
};

fn models() -> Option<(Detector, Recogniser)> {
    let Some(folder) = std::env::var_os("INSITU_OCR").map(PathBuf::from) else {
        println!("skipped: INSITU_OCR names no folder made by models/ocr/fetch-ppocr.sh");
        return None;
    };
    let model = |file| std::fs::read(folder.join(file)).unwrap();
    let engine = Engine::start(&Library::Search).unwrap();
    let detector = Detector::load(&engine, &model(DETECTOR_FILE)).unwrap();
    Some((detector, Recogniser::load(&engine, &model(RECOGNISER_FILE)).unwrap()))
}

fn finder((detector, recogniser): (Detector, Recogniser)) -> Arc<Finder> {
    let recogniser = Some(Mutex::new(recogniser));
    Arc::new(Finder { detector: Mutex::new(detector), recogniser })
}

fn picture(frame: &Frame) -> Picture {
    Picture::new(frame.width, frame.grey.iter().flat_map(|grey| [*grey; 3]).collect()).unwrap()
}

const STYLE: Style = Style { dot: 2, contrast: 140, noise: 6, smooth: true };

#[test]
fn names_that_are_burned_in_are_black_in_every_frame() {
    let Some(models) = models() else { return };
    let finder = finder(models);
    let mut dice = Dice(7);
    for size in [(512, 512), (1400, 300)] {
        let mut frames: Vec<Frame> =
            [2, 1].map(|lines| frame(size, lines, STYLE, &mut dice)).into();
        let (cleaned, pixels) = clean(&finder, &frames, PixelText::All).unwrap();
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
    let Some(mut models) = models() else { return };
    let tiny = Picture::new(1, vec![0; 3]).unwrap();
    assert_eq!(models.0.find(&tiny).unwrap(), Vec::<Line>::new());
    let finder = finder(models);
    // From dark to bright, with noise.
    let mut dice = Dice(3);
    let grey: Vec<u8> = (0..640 * 480)
        .map(|at| u8::try_from(20 + at % 640 / 8 + at / 640 / 8 + dice.below(9)).unwrap())
        .collect();
    let plain = Frame { width: 640, height: 480, grey: grey.clone(), lines: vec![] };
    let (cleaned, pixels) = clean(&finder, &[plain], PixelText::Markers).unwrap();
    assert_eq!((cleaned.pixels, cleaned.text.frames), (PixelOutcome::ReadClean, 1));
    assert_eq!(pixels, [grey]);
}

#[test]
fn lines_are_read_as_they_were_written() {
    let Some((mut detector, mut recogniser)) = models() else { return };
    let texts = ["KOWALSKI PIOTR", "GARCIA LOPEZ", "LEFT"];
    let blocks = texts.map(|text| vec![text.to_owned()]).into();
    let picture = picture(&frame_of((640, 480), blocks, STYLE, &mut Dice(5)));
    let lines = detector.find(&picture).unwrap();
    let readings = recogniser.read(&picture, &lines).unwrap();
    assert_eq!(readings.len(), lines.len());
    // The recogniser may leave spaces out.
    let texts = readings.iter().flatten().map(|reading| reading.text.replace(' ', ""));
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    assert_eq!(texts, ["GARCIALOPEZ", "KOWALSKIPIOTR", "LEFT"]);
    assert!(readings.iter().flatten().any(|reading| reading.confidence >= CONFIDENCE_MIN));
    let told = format!("{readings:?}");
    assert!(!told.contains("KOWALSKI"), "{told}");
}

#[test]
fn markings_stay_where_names_go() {
    let Some(models) = models() else { return };
    let finder = finder(models);
    let blocks = [&["DOE, JANE", "12.03.1960"][..], &["12.5 cm"], &["LEFT"], &["L DOE"], &["R"]];
    let blocks = blocks.map(|lines| lines.iter().map(|text| (*text).to_owned()).collect()).into();
    let mut frame = frame_of((640, 480), blocks, STYLE, &mut Dice(11));
    let (cleaned, pixels) =
        clean(&finder, std::slice::from_ref(&frame), PixelText::Markers).unwrap();
    assert_eq!(cleaned.pixels, PixelOutcome::Blackened { frames: 1 });
    frame.take(&pixels[0]);
    let mut stay = Vec::new();
    for line in &frame.lines {
        match frame.black(line) {
            0 => stay.push(line.text.as_str()),
            black => assert_eq!(black, line.pixels.len(), "{}", line.text),
        }
    }
    assert_eq!(stay, ["12.5 cm", "LEFT", "R"]);
    assert_eq!(cleaned.text.markings, 3);
    assert!(cleaned.text.lines >= 2, "{:?}", cleaned.text);
}

#[test]
fn what_is_much_like_a_marking_is_as_black_as_all_else() {
    let Some(models) = models() else { return };
    let finder = finder(models);
    let mut dice = Dice(23);
    let mut personal = Vec::new();
    let blocks = (0..9).map(|at| {
        personal.push(near_marking(&mut dice));
        let mut block = vec![personal[at].clone()];
        block.extend((at % 3 == 0).then(|| marking(&mut dice)));
        block
    });
    let blocks = blocks.collect();
    let mut frame = frame_of((1024, 768), blocks, STYLE, &mut dice);
    let drawn = frame.grey.clone();
    let mut black = |pixel_text| {
        frame.grey.clone_from(&drawn);
        let (_, pixels) = clean(&finder, std::slice::from_ref(&frame), pixel_text).unwrap();
        frame.take(&pixels[0]);
        let personal = frame.lines.iter().filter(|line| personal.contains(&line.text));
        personal.map(|line| frame.black(line)).collect::<Vec<_>>()
    };
    let all = black(PixelText::All);
    assert_eq!((all.len(), black(PixelText::Markers)), (9, all));
}
