//! How much of the text that is burned into frames is found, and what it costs, by size of frame and
//! of letters, contrast and noise. Frames are made up; the detector is not part of the repository.
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
    use insitu_models::ocr::{DETECTOR_FILE, Detector};

    let Some(folder) = std::env::var_os("INSITU_OCR") else {
        println!("skipped: INSITU_OCR names no folder made by models/ocr/fetch-ppocr.sh");
        return Ok(());
    };
    let images = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(IMAGES);
    let model = std::fs::read(Path::new(&folder).join(DETECTOR_FILE))?;
    let engine = Engine::start(&Library::Search)?;
    let finder = Arc::new(Finder(Mutex::new(Detector::load(&engine, &model)?)));
    println!("engine {}; {images} images a row, {LINES} lines of text a frame", engine.name());
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

/// Cleans so many images of so many frames with so many lines of text, and prints what came of it.
#[cfg(feature = "runtime")]
fn row(
    finder: &std::sync::Arc<burned::Finder>,
    size: (usize, usize),
    (images, frames, lines): (usize, usize, usize),
    style: burned::Style,
) {
    use burned::{Dice, Frame, clean, frame};

    let mut dice = Dice(0x5eed + u64::from(style.contrast) + style.dot as u64);
    let (mut drawn, mut whole, mut most, mut refused) = (0, 0, 0, 0);
    let (mut looks, mut black) = (0, 0);
    let started = cpu_seconds();
    for _ in 0..images {
        let mut image: Vec<Frame> =
            (0..frames).map(|_| frame(size, lines, style, &mut dice)).collect();
        let Ok((cleaned, pixels)) = clean(finder, &image) else {
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
