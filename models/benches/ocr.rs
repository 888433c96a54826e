//! How much of the text that is burned into frames is found and read, what stays of it where markings
//! may, and what it costs, by size of frame and of letters, contrast and noise. Frames are made up; the
//! models are not part of the repository.
//!
//!     models/ocr/fetch-ppocr.sh /tmp/ocr
//!     INSITU_OCR=/tmp/ocr cargo bench -p insitu-models --bench ocr
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[cfg(feature = "runtime")]
#[path = "../tests/burned/mod.rs"]
mod burned;

/// Images of a row of the table, and lines of text in each of an image's frames.
#[cfg(feature = "runtime")]
const IMAGES: usize = 12;
#[cfg(feature = "runtime")]
const LINES: usize = 4;

#[cfg(feature = "runtime")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use burned::{Finder, Style};
    use insitu_models::engine::{Engine, Library};
    use insitu_models::ocr::{DETECTOR_FILE, Detector, RECOGNISER_FILE, Recogniser};

    let Some(folder) = std::env::var_os("INSITU_OCR") else {
        println!("skipped: INSITU_OCR names no folder made by models/ocr/fetch-ppocr.sh");
        return Ok(());
    };
    let images = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(IMAGES);
    let model = |file| std::fs::read(Path::new(&folder).join(file));
    let engine = Engine::start(&Library::Search)?;
    println!("engine {}; {images} images a row, {LINES} lines of text a frame", engine.name());
    let mut detector = Detector::load(&engine, &model(DETECTOR_FILE)?)?;
    let before = status("VmRSS");
    let mut recogniser = Recogniser::load(&engine, &model(RECOGNISER_FILE)?)?;
    let after = status("VmRSS");
    reading(&mut detector, &mut recogniser, images)?;
    println!(
        "memory with the detector: {before}; with the recogniser: {after}; when both have read: {}",
        status("VmRSS")
    );
    let (detector, recogniser) = (Mutex::new(detector), Some(Mutex::new(recogniser)));
    let finder = Arc::new(Finder { detector, recogniser });
    markings(&finder, images.div_ceil(2));
    let finder = Arc::try_unwrap(finder).map_err(|_| "the finder is in use")?;
    let finder = Arc::new(Finder { recogniser: None, ..finder });
    println!("frame, capitals, contrast, noise: lines black (9/10 of them); looks, CPU s; black");
    let easy = Style { dot: 2, contrast: 150, noise: 5, smooth: true };
    let rows = [
        ((512, 512), easy),
        ((1024, 768), easy),
        ((1024, 768), Style { dot: 1, smooth: false, ..easy }),
        ((1024, 768), Style { dot: 4, ..easy }),
        ((1024, 768), Style { dot: 8, ..easy }),
        ((1024, 768), Style { contrast: 60, ..easy }),
        ((1024, 768), Style { contrast: 30, ..easy }),
        ((1024, 768), Style { contrast: 60, noise: 25, ..easy }),
        ((1920, 1080), easy),
    ];
    for (size, style) in rows {
        row(&finder, size, (images, 1, LINES), style);
    }
    println!("of ten frames, each with its own noise and one line of its own:");
    row(&finder, (640, 480), (images.div_ceil(4), 10, 1), easy);
    println!("without text:");
    row(&finder, (1024, 768), (images, 1, 0), easy);
    println!("memory at its peak: {}", status("VmHWM"));
    Ok(())
}

/// Confidences from which a reading might be believed.
#[cfg(feature = "runtime")]
const CONFIDENCES: [f32; 4] = [0.6, 0.7, 0.8, 0.9];

#[cfg(feature = "runtime")]
const SMOOTH: burned::Style = burned::Style { dot: 2, contrast: 150, noise: 5, smooth: true };
/// Capitals of 7, 14, 21 and 28 pixels, and some that are faint.
#[cfg(feature = "runtime")]
const STYLES: [burned::Style; 5] = [
    burned::Style { dot: 1, smooth: false, ..SMOOTH },
    SMOOTH,
    burned::Style { dot: 3, ..SMOOTH },
    burned::Style { dot: 4, ..SMOOTH },
    burned::Style { contrast: 60, noise: 15, ..SMOOTH },
];

/// Lines that were read, and how.
#[cfg(feature = "runtime")]
#[derive(Default)]
struct Readings {
    drawn: usize,
    found: usize,
    /// Spaces and the size of letters aside.
    exact: usize,
    /// With at least each of the confidences.
    right: [usize; CONFIDENCES.len()],
    wrong: [usize; CONFIDENCES.len()],
    seconds: f64,
}

#[cfg(feature = "runtime")]
impl Readings {
    fn add(
        &mut self,
        frame: &burned::Frame,
        detector: &mut insitu_models::ocr::Detector,
        recogniser: &mut insitu_models::ocr::Recogniser,
    ) -> Result<(), insitu_models::ocr::OcrError> {
        let rgb = frame.grey.iter().flat_map(|grey| [*grey; 3]).collect();
        let Some(picture) = insitu_models::ocr::Picture::new(frame.width, rgb) else {
            return Ok(());
        };
        let lines = detector.find(&picture)?;
        let started = cpu_seconds();
        let readings = recogniser.read(&picture, &lines)?;
        self.seconds += cpu_seconds() - started;
        self.drawn += frame.lines.len();
        let plain = |text: &str| text.to_lowercase().replace(' ', "");
        for (line, reading) in lines.iter().zip(readings) {
            let (Some(written), Some(reading)) = (at(frame, line.place), reading) else { continue };
            self.found += 1;
            let exact = plain(&reading.text) == plain(&written.text);
            self.exact += usize::from(exact);
            let counts = if exact { &mut self.right } else { &mut self.wrong };
            for (count, least) in counts.iter_mut().zip(CONFIDENCES) {
                *count += usize::from(reading.confidence >= least);
            }
        }
        Ok(())
    }
}

/// The line most of which a place covers; `None` when that is of none or several.
#[cfg(feature = "runtime")]
fn at(frame: &burned::Frame, place: insitu_models::ocr::Place) -> Option<&burned::Written> {
    let [left, top, right, bottom] = place.map(|edge| usize::try_from(edge).unwrap_or(usize::MAX));
    let within = |at: &&usize| {
        (left..right).contains(&(*at % frame.width)) && (top..bottom).contains(&(*at / frame.width))
    };
    let most =
        |line: &&burned::Written| 2 * line.pixels.iter().filter(within).count() > line.pixels.len();
    let mut lines = frame.lines.iter().filter(most);
    lines.next().filter(|_| lines.next().is_none())
}

/// Reads lines of every kind.
#[cfg(feature = "runtime")]
fn reading(
    detector: &mut insitu_models::ocr::Detector,
    recogniser: &mut insitu_models::ocr::Recogniser,
    images: usize,
) -> Result<(), insitu_models::ocr::OcrError> {
    use burned::{Dice, frame_of, marking, near_marking, personal};

    println!("capitals, contrast, noise: lines found, of them read exactly; CPU ms a line;");
    println!("    read exactly, and read wrongly, with a confidence of at least {CONFIDENCES:?}");
    for style in STYLES {
        let mut dice = Dice(0xbead + style.dot as u64);
        let mut all = Readings::default();
        for _ in 0..images {
            let text =
                |n: usize, dice: &mut Dice| vec![[personal, marking, near_marking][n % 3](dice)];
            let blocks = (0..12).map(|n| text(n, &mut dice)).collect();
            all.add(&frame_of((1024, 768), blocks, style, &mut dice), detector, recogniser)?;
        }
        let Readings { drawn, found, exact, right, wrong, seconds } = all;
        println!(
            "{} px, {}, {}: {found} of {drawn}, {exact}; {:.1}; {right:?}, {wrong:?}",
            7 * style.dot,
            style.contrast,
            style.noise,
            1000.0 * seconds / found.max(1) as f64,
        );
    }
    Ok(())
}

/// Cleans images in which markings may stay, and the same so that nothing may: half of their blocks of
/// one to three lines are markings, the others of every kind.
#[cfg(feature = "runtime")]
fn markings(finder: &std::sync::Arc<burned::Finder>, images: usize) {
    use burned::{Dice, Frame, clean, frame_of, marking, near_marking, personal};
    use insitu_dicom::PixelText;

    println!(
        "where markings may stay, of {images} images a row: capitals, contrast, noise: markings"
    );
    println!("    that stay in full, apart and below or above what goes; personal lines of which");
    println!("    more is seen than where all text goes");
    for style in STYLES {
        let mut dice = Dice(0xfade + style.dot as u64);
        // Of lines apart, of those beside others, and of personal ones: how many, and of how many.
        let [mut apart, mut beside, mut more] = [(0, 0); 3];
        let mut refused = 0;
        for _ in 0..images {
            let mut kinds = std::collections::HashMap::new();
            let mut block = |mixed: bool, dice: &mut Dice| -> Vec<String> {
                let lines = (0..=dice.below(3)).map(|_| {
                    let kind = if mixed { dice.below(3) } else { 1 };
                    let text = [personal, marking, near_marking][kind](dice);
                    kinds.insert(text.clone(), (kind == 1, mixed));
                    text
                });
                lines.collect()
            };
            let blocks = (0..8).map(|n| block(n % 2 == 1, &mut dice)).collect();
            let mut frame = frame_of((1024, 768), blocks, style, &mut dice);
            let drawn = frame.grey.clone();
            let gone = |frame: &mut Frame, pixel_text| -> Option<Vec<usize>> {
                frame.grey.clone_from(&drawn);
                let (_, pixels) = clean(finder, std::slice::from_ref(frame), pixel_text).ok()?;
                frame.take(&pixels[0]);
                Some(frame.lines.iter().map(|line| frame.black(line)).collect())
            };
            let all = gone(&mut frame, PixelText::All);
            let (Some(all), Some(gone)) = (all, gone(&mut frame, PixelText::Markers)) else {
                refused += 1;
                continue;
            };
            for ((line, all), gone) in frame.lines.iter().zip(all).zip(gone) {
                let (count, counts) = match kinds.get(&line.text) {
                    Some((true, false)) => (&mut apart, gone == 0),
                    Some((true, true)) => (&mut beside, gone == 0),
                    _ => (&mut more, gone < all),
                };
                *count = (count.0 + usize::from(counts), count.1 + 1);
            }
        }
        println!(
            "{} px, {}, {}: {} of {} and {} of {}; {} of {}; {refused} images refused",
            7 * style.dot,
            style.contrast,
            style.noise,
            apart.0,
            apart.1,
            beside.0,
            beside.1,
            more.0,
            more.1,
        );
    }
}

/// Cleans so many images of so many frames with so many lines of text, and prints what came of it.
#[cfg(feature = "runtime")]
fn row(
    finder: &std::sync::Arc<burned::Finder>,
    size: (usize, usize),
    (images, frames, lines): (usize, usize, usize),
    style: burned::Style,
) {
    use burned::{Dice, Frame, clean, frame};
    use insitu_dicom::PixelText;

    let mut dice = Dice(0x5eed + u64::from(style.contrast) + style.dot as u64);
    let (mut drawn, mut whole, mut most, mut refused) = (0, 0, 0, 0);
    let (mut looks, mut black) = (0, 0);
    let started = cpu_seconds();
    for _ in 0..images {
        let mut image: Vec<Frame> =
            (0..frames).map(|_| frame(size, lines, style, &mut dice)).collect();
        let Ok((cleaned, pixels)) = clean(finder, &image, PixelText::All) else {
            refused += 1;
            continue;
        };
        looks += cleaned.text.frames;
        for (frame, pixels) in image.iter_mut().zip(pixels) {
            frame.take(&pixels);
            let covered = frame.covered();
            (whole, most) = (whole + covered.0, most + covered.1);
            drawn += frame.lines.len();
            black += frame.grey.iter().filter(|grey| **grey == 0).count();
        }
    }
    let cleaned = (images - refused) * frames;
    let of = |sum: f64| sum / cleaned.max(1) as f64;
    println!(
        "{}x{}, {} px, {}, {}: {whole} of {drawn} ({most}), {refused} images refused; {:.1} looks and \
         {:.2} s a frame; {:.1} %",
        size.0,
        size.1,
        7 * style.dot,
        style.contrast,
        style.noise,
        of(looks as f64),
        of(cpu_seconds() - started),
        100.0 * of(black as f64) / (size.0 * size.1) as f64,
    );
}

/// Seconds that this process was at work, on any core (`/proc/self/stat`, 100 ticks a second).
#[cfg(feature = "runtime")]
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

#[cfg(feature = "runtime")]
fn status(key: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or("unknown").trim().to_owned()
}

#[cfg(not(feature = "runtime"))]
fn main() {
    println!("built without the feature `runtime`: nothing to measure");
}
