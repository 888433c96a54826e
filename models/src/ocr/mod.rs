//! Text in pictures: where it is, and what it says.
//!
//! ```text
//! picture ── views (sizes, tiles) ──> planes ── network ──> map of probabilities ── regions ──> parts
//! parts ── lines ──> lines of text ── recognise (planes, network) ──> steps ── ctc ──> readings
//! ```
//! The networks are PP-OCRv4's detector and recogniser of text, which a site fetches
//! (`models/ocr/fetch-ppocr.sh`). They have operators that [`crate::check`] refuses, `Resize` above all:
//! so only the very files that were measured are loaded, which is told by their digests.

mod ctc;
mod lines;
mod network;
mod picture;
mod recognise;
mod regions;
mod views;

pub use lines::Line;
pub use picture::Picture;
pub use recognise::{CONFIDENCE_MIN, RECOGNISER_BYTES, RECOGNISER_FILE, Reading, Recogniser};

use crate::engine::{Engine, EngineError};
use lines::Part;
use network::Network;
use picture::BLACK;
use regions::{Span, regions};
use views::{View, views};

/// The file of the detector in its folder.
pub const DETECTOR_FILE: &str = "detect.onnx";
/// Bytes of it.
pub const DETECTOR_BYTES: usize = 4_745_517;
/// BLAKE3 digest of it.
const DETECTOR_DIGEST: &str = "2b44a5100814b982d5f33c920d573dba91150069cf1525bc60f2e4b3f220ba3f";
/// Most pixels of a picture.
pub const PIXELS_MAX: usize = 1 << 28;
/// Sizes that are kept ready: a large picture is looked at in two, as a whole and in tiles.
const SIZES_MAX: usize = 2;

/// A place on a picture: left, top, right and bottom in pixels, the last two exclusive.
pub type Place = [u32; 4];

/// The detector at work.
pub struct Detector {
    network: Network,
}

/// Why text cannot be looked for, or read. It never says anything of a picture but its size.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OcrError {
    /// Another file than the one that was measured.
    #[error("{file} is not PP-OCRv4's, as it was measured: its BLAKE3 digest is {got}")]
    Digest {
        /// Its name.
        file: &'static str,
        /// Digest found.
        got: String,
    },
    /// The engine.
    #[error("the engine cannot look for text in pictures, or read it")]
    Engine {
        /// What it says.
        #[from]
        source: EngineError,
    },
    /// A larger picture than [`PIXELS_MAX`].
    #[error("a picture of {got} pixels where {PIXELS_MAX} may be")]
    TooLarge {
        /// Pixels found.
        got: usize,
    },
    /// Another count of numbers, or something else than probabilities among them.
    #[error("the network gave {got} numbers where {want} probabilities were wanted")]
    Map {
        /// Numbers found.
        got: usize,
        /// Numbers wanted.
        want: usize,
    },
    /// A recogniser that does not say which letters it knows.
    #[error("{RECOGNISER_FILE} names no alphabet")]
    Alphabet,
}

impl Detector {
    /// Loads the detector, the bytes of [`DETECTOR_FILE`].
    ///
    /// # Errors
    /// [`OcrError::Digest`] or [`OcrError::Engine`].
    pub fn load(engine: &Engine, model: &[u8]) -> Result<Self, OcrError> {
        check_digest(DETECTOR_FILE, model, DETECTOR_DIGEST)?;
        Ok(Self { network: Network::load(engine, model, [1, 3, 64, 64], SIZES_MAX)? })
    }

    /// The lines that may be text.
    ///
    /// # Errors
    /// [`OcrError`]: nobody knows then what the picture shows.
    pub fn find(&mut self, picture: &Picture) -> Result<Vec<Line>, OcrError> {
        let got = picture.width() * picture.height();
        if got > PIXELS_MAX {
            return Err(OcrError::TooLarge { got });
        }
        let mut parts = Vec::new();
        for view in views(picture.width(), picture.height()) {
            let map = self.map(picture, &view)?;
            for spans in regions(&map, view.padded().0) {
                let Some(whole) = place(&view, spans.whole) else { continue };
                let read = place(&view, spans.read).unwrap_or(whole);
                parts.push(Part { whole, read });
            }
        }
        Ok(lines::join(parts))
    }

    fn map(&mut self, picture: &Picture, view: &View) -> Result<Vec<f32>, OcrError> {
        let (width, height) = view.padded();
        let planes = picture.planes(view, (width, height), BLACK);
        let map = self.network.run(&planes, [1, 3, height, width])?;
        probabilities(map, width * height)
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").finish_non_exhaustive()
    }
}

fn check_digest(file: &'static str, model: &[u8], digest: &str) -> Result<(), OcrError> {
    let got = blake3::hash(model).to_hex().to_string();
    if got == digest { Ok(()) } else { Err(OcrError::Digest { file, got }) }
}

/// The numbers, if they are so many probabilities. NaN is none, and above no threshold.
fn probabilities(numbers: Vec<f32>, want: usize) -> Result<Vec<f32>, OcrError> {
    if numbers.len() == want && numbers.iter().all(|p| (-0.001..=1.001).contains(p)) {
        Ok(numbers)
    } else {
        Err(OcrError::Map { got: numbers.len(), want })
    }
}

/// A span of a view's map as a place on the picture, whole pixels outwards; `None` outside of it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the view, which is a part of the picture"
)]
fn place(view: &View, [left, top, right, bottom]: Span) -> Option<Place> {
    let (width, height) = view.size();
    let on = |edge: f32, range: &std::ops::Range<usize>, of: usize| {
        let length = range.len() as f32;
        range.start as f32 + (edge / of as f32 * length).clamp(0.0, length)
    };
    let place = [
        on(left, &view.columns, width).floor() as u32,
        on(top, &view.rows, height).floor() as u32,
        on(right, &view.columns, width).ceil() as u32,
        on(bottom, &view.rows, height).ceil() as u32,
    ];
    (place[0] < place[2] && place[1] < place[3]).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_become_places_of_the_picture() {
        let half = View { columns: 100..300, rows: 50..150, scale: 0.5 };
        assert_eq!(place(&half, [10.2, 5.0, 20.1, 9.9]), Some([120, 60, 141, 70]));
        assert_eq!(place(&half, [-5.0, -5.0, 500.0, 500.0]), Some([100, 50, 300, 150]));
        assert_eq!(place(&half, [101.0, 5.0, 110.0, 9.0]), None, "in the padding");
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        assert!(probabilities(vec![0.0, 1.0], 2).is_ok());
        for numbers in [vec![0.5], vec![0.5, f32::NAN], vec![0.5, 1.5]] {
            assert!(matches!(probabilities(numbers, 2), Err(OcrError::Map { want: 2, .. })));
        }
    }

    #[test]
    fn another_model_is_refused() {
        let engine = Engine::start(&crate::engine::Library::Embedded).unwrap();
        let refused = Detector::load(&engine, b"another").unwrap_err();
        assert!(refused.to_string().starts_with(DETECTOR_FILE), "{refused}");
        let refused = Recogniser::load(&engine, b"another").unwrap_err();
        assert!(refused.to_string().starts_with(RECOGNISER_FILE), "{refused}");
    }
}
