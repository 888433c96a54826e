//! Text in pictures: where it is.
//!
//! ```text
//! picture ── views (sizes, tiles) ──> planes ── network ──> map of probabilities ── regions ──> places
//! ```
//! The network is PP-OCRv4's detector of text, which a site fetches (`models/ocr/fetch-ppocr.sh`). It has
//! operators that [`crate::check`] refuses, `Resize` above all: so only the very file that was
//! measured is loaded, which is told by its digest.

mod network;
mod picture;
mod regions;
mod views;

pub use picture::Picture;

use crate::engine::{Engine, EngineError};
use network::Network;
use regions::regions;
use views::{View, views};

/// The file of the detector in its folder.
pub const DETECTOR_FILE: &str = "detect.onnx";
/// Bytes of it.
pub const DETECTOR_BYTES: usize = 4_745_517;
/// BLAKE3 digest of it.
const DETECTOR_DIGEST: &str = "2b44a5100814b982d5f33c920d573dba91150069cf1525bc60f2e4b3f220ba3f";
/// Most pixels of a picture.
pub const PIXELS_MAX: usize = 1 << 28;

/// A place on a picture: left, top, right and bottom in pixels, the last two exclusive.
pub type Place = [u32; 4];

/// The detector at work.
pub struct Detector {
    network: Network,
}

/// Why text cannot be looked for. It never says anything of a picture but its size.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OcrError {
    /// Another file than the one that was measured.
    #[error("{DETECTOR_FILE} is not PP-OCRv4's detector of text: its BLAKE3 digest is {got}")]
    Digest {
        /// Digest found.
        got: String,
    },
    /// The engine.
    #[error("text in pictures cannot be looked for")]
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
    /// A map of another size, or with something else than probabilities in it.
    #[error("the detector gave {got} numbers where {want} probabilities were wanted")]
    Map {
        /// Numbers found.
        got: usize,
        /// Numbers wanted.
        want: usize,
    },
}

impl Detector {
    /// Loads the detector, the bytes of [`DETECTOR_FILE`].
    ///
    /// # Errors
    /// [`OcrError::Digest`] or [`OcrError::Engine`].
    pub fn load(engine: &Engine, model: &[u8]) -> Result<Self, OcrError> {
        let got = blake3::hash(model).to_hex().to_string();
        if got != DETECTOR_DIGEST {
            return Err(OcrError::Digest { got });
        }
        Ok(Self { network: Network::load(engine, model)? })
    }

    /// The places that may show text. Places may overlap.
    ///
    /// # Errors
    /// [`OcrError`]: nobody knows then what the picture shows.
    pub fn find(&mut self, picture: &Picture) -> Result<Vec<Place>, OcrError> {
        let got = picture.width() * picture.height();
        if got > PIXELS_MAX {
            return Err(OcrError::TooLarge { got });
        }
        let mut places = Vec::new();
        for view in views(picture.width(), picture.height()) {
            let map = self.map(picture, &view)?;
            let width = view.padded().0;
            places.extend(regions(&map, width).into_iter().filter_map(|span| place(&view, span)));
        }
        Ok(places)
    }

    fn map(&mut self, picture: &Picture, view: &View) -> Result<Vec<f32>, OcrError> {
        let (width, height) = view.padded();
        let map = self.network.run(&picture.planes(view), [1, 3, height, width])?;
        let want = width * height;
        // No number is a probability too little: NaN is above no threshold.
        if map.len() != want || !map.iter().all(|p| (-0.001..=1.001).contains(p)) {
            return Err(OcrError::Map { got: map.len(), want });
        }
        Ok(map)
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").finish_non_exhaustive()
    }
}

/// A span of a view's map as a place on the picture, whole pixels outwards; `None` outside of it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the view, which is a part of the picture"
)]
fn place(view: &View, [left, top, right, bottom]: [f32; 4]) -> Option<Place> {
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
    fn another_model_is_refused() {
        let engine = Engine::start(&crate::engine::Library::Embedded).unwrap();
        let refused = Detector::load(&engine, b"another").unwrap_err();
        assert!(matches!(refused, OcrError::Digest { .. }), "{refused}");
    }
}
