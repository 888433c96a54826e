//! Text that is burned into images: where it is, by a model from files beside the program.
//!
//! A folder holds `detect.onnx` and its licence; `models/ocr/fetch-ppocr.sh` makes it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use insitu_daemon::files::{self, FileError};
use insitu_dicom::{Picture, TextFinder, Unread};
use insitu_models::engine::{Engine, EngineError};
use insitu_models::ocr::{self, DETECTOR_BYTES, DETECTOR_FILE, Detector};

/// A detector that is ready to look. It looks at one picture at a time.
#[derive(Debug)]
pub struct Ocr(Mutex<Detector>);

/// Why text in images cannot be looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OcrError {
    /// A file is not there, or too large.
    #[error("the folder of the OCR model lacks a file: models/ocr/fetch-ppocr.sh fetches it")]
    File {
        /// What the system says.
        #[from]
        source: FileError,
    },
    /// The engine does not start.
    #[error("the OCR model cannot be used")]
    Engine {
        /// What is wrong.
        #[from]
        source: EngineError,
    },
    /// Another model, or one that does not load.
    #[error("the OCR model cannot be used")]
    Model {
        /// What is wrong.
        #[from]
        source: ocr::OcrError,
    },
}

impl Ocr {
    /// Loads the model in `folder`, if it is the one that was measured.
    ///
    /// # Errors
    /// [`OcrError`].
    pub fn load(folder: &Path, engine: &Engine) -> Result<Self, OcrError> {
        let model = files::read(&folder.join(DETECTOR_FILE), DETECTOR_BYTES)?;
        Ok(Self(Mutex::new(Detector::load(engine, &model)?)))
    }
}

impl TextFinder for Ocr {
    fn find(&self, picture: &Picture) -> Result<Vec<[u32; 4]>, Unread> {
        let picture = ocr::Picture::new(picture.width, picture.rgb.clone()).ok_or(Unread)?;
        let mut detector = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        detector.find(&picture).map_err(|error| {
            tracing::warn!(error = %crate::store::explain(&error), "text is not looked for");
            Unread
        })
    }
}
