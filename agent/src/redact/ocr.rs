//! Text that is burned into images: where it is and what it says, by models from files beside the
//! program.
//!
//! A folder holds `detect.onnx`, `recognise.onnx` and their licence; `models/ocr/fetch-ppocr.sh` makes
//! it. Without the second, text is found and not read.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use insitu_daemon::files::{self, FileError};
use insitu_dicom::{Picture, TextFinder, TextLine, Unread};
use insitu_models::engine::{Engine, EngineError};
use insitu_models::ocr::{
    self, CONFIDENCE_MIN, DETECTOR_BYTES, DETECTOR_FILE, Detector, Line, RECOGNISER_BYTES,
    RECOGNISER_FILE, Reading, Recogniser,
};

/// A detector, and perhaps a recogniser, that are ready. They look at one picture at a time.
#[derive(Debug)]
pub struct Ocr {
    detector: Mutex<Detector>,
    recogniser: Option<Mutex<Recogniser>>,
}

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
    /// Text is to be read, and there is no recogniser.
    #[error(
        "{} is not there, without which no text can be read and none may stay: \
         models/ocr/fetch-ppocr.sh fetches it, or let all text go black (--pixel-text all)",
        path.display()
    )]
    NoRecogniser {
        /// Where it should be.
        path: PathBuf,
    },
    /// The engine does not start.
    #[error("the OCR model cannot be used")]
    Engine {
        /// What is wrong.
        #[from]
        source: EngineError,
    },
    /// Another model, or one that does not load.
    #[error("the OCR model cannot be used: models/ocr/fetch-ppocr.sh fetches the right one")]
    Model {
        /// What is wrong.
        #[from]
        source: ocr::OcrError,
    },
}

impl Ocr {
    /// Loads the models in `folder`, if they are those that were measured. The recogniser may be absent,
    /// unless text `must_be_read`.
    ///
    /// # Errors
    /// [`OcrError`].
    pub fn load(folder: &Path, engine: &Engine, must_be_read: bool) -> Result<Self, OcrError> {
        let detector = files::read(&folder.join(DETECTOR_FILE), DETECTOR_BYTES)?;
        let path = folder.join(RECOGNISER_FILE);
        let recogniser = if path.exists() {
            let model = files::read(&path, RECOGNISER_BYTES)?;
            Some(Mutex::new(Recogniser::load(engine, &model)?))
        } else if must_be_read {
            return Err(OcrError::NoRecogniser { path });
        } else {
            None
        };
        Ok(Self { detector: Mutex::new(Detector::load(engine, &detector)?), recogniser })
    }

    /// What lines say, if that is sure. What cannot be read goes: a failure costs no file.
    fn read(&self, picture: &ocr::Picture, lines: &[Line]) -> Vec<Option<String>> {
        let Some(recogniser) = &self.recogniser else { return vec![None; lines.len()] };
        let mut recogniser = recogniser.lock().unwrap_or_else(PoisonError::into_inner);
        let sure = |reading: Option<Reading>| {
            reading.filter(|reading| reading.confidence >= CONFIDENCE_MIN).map(|sure| sure.text)
        };
        match recogniser.read(picture, lines) {
            Ok(readings) => readings.into_iter().map(sure).collect(),
            Err(error) => {
                tracing::warn!(error = %crate::store::explain(&error), "text is not read");
                vec![None; lines.len()]
            }
        }
    }
}

impl TextFinder for Ocr {
    fn find(&self, picture: &Picture) -> Result<Vec<TextLine>, Unread> {
        let picture = ocr::Picture::new(picture.width, picture.rgb.clone()).ok_or(Unread)?;
        let mut detector = self.detector.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = detector.find(&picture).map_err(|error| {
            tracing::warn!(error = %crate::store::explain(&error), "text is not looked for");
            Unread
        })?;
        drop(detector);
        let texts = self.read(&picture, &lines);
        let line = |(Line { place, parts }, text)| TextLine { place, parts, text };
        Ok(lines.into_iter().zip(texts).map(line).collect())
    }

    fn reads(&self) -> bool {
        self.recogniser.is_some()
    }
}
