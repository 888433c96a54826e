//! What a line of text says.

use super::ctc::Alphabet;
use super::lines::{Line, PARTS_MAX};
use super::network::Network;
use super::picture::Picture;
use super::views::View;
use super::{OcrError, Place, check_digest, probabilities};
use crate::engine::Engine;
use crate::protobuf::{Fields, Malformed, Value};

/// The file of the recogniser, in the detector's folder.
pub const RECOGNISER_FILE: &str = "recognise.onnx";
/// Bytes of it.
pub const RECOGNISER_BYTES: usize = 10_857_958;
/// BLAKE3 digest of it.
const RECOGNISER_DIGEST: &str = "6e47235f66df743e113807a035a1d3e5118d03d344226f5f15e4af3cda512424";
/// Confidence from which a reading may be believed; [`Reading::confidence`] says what it is.
pub const CONFIDENCE_MIN: f32 = 0.6;

/// Rows of a line as the network takes it.
const HEIGHT: usize = 48;
/// Columns that it is given: the narrowest of these that holds the line. A wider one is not read.
const WIDTHS: [usize; 5] = [192, 320, 480, 640, 1280];
/// Columns of one step of its answer.
const STEP: usize = 8;
/// What is beside a line, as it was taught: a middle grey.
const BEYOND: f32 = 0.0;
/// Most lines of a picture that are read.
const LINES_MAX: usize = 256;
/// Of a model, its metadata; the key of its letters there.
const METADATA: u64 = 14;
const LETTERS: &[u8] = b"character";

/// The recogniser at work.
pub struct Recogniser {
    network: Network,
    alphabet: Alphabet,
}

/// What a line says.
#[derive(Clone, PartialEq)]
pub struct Reading {
    /// The text, as personal as what it was read from: it must not be told.
    pub text: String,
    /// The least probability, of those that the network gives, of a letter of the text, small or large.
    /// From [`CONFIDENCE_MIN`] it is that of two looks at the line: as it was found, and with what is
    /// beside it; 0 when they differ in more than spaces and the size of letters. In `[0, 1]`, not
    /// calibrated.
    pub confidence: f32,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("confidence", &self.confidence).finish_non_exhaustive()
    }
}

impl Recogniser {
    /// Loads the recogniser, the bytes of [`RECOGNISER_FILE`].
    ///
    /// # Errors
    /// [`OcrError::Digest`], [`OcrError::Engine`] or [`OcrError::Alphabet`].
    pub fn load(engine: &Engine, model: &[u8]) -> Result<Self, OcrError> {
        check_digest(RECOGNISER_FILE, model, RECOGNISER_DIGEST)?;
        let letters = letters(model).ok().flatten().ok_or(OcrError::Alphabet)?;
        let network = Network::load(engine, model, [1, 3, HEIGHT, WIDTHS[0]], WIDTHS.len())?;
        Ok(Self { network, alphabet: Alphabet::new(letters) })
    }

    /// What these lines of a picture say, each in its place; `None` of one that cannot be read: too
    /// long for its height, too many parts or too many lines.
    ///
    /// # Errors
    /// [`OcrError`]: nobody knows then what they say.
    pub fn read(
        &mut self,
        picture: &Picture,
        lines: &[Line],
    ) -> Result<Vec<Option<Reading>>, OcrError> {
        let mut readings = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            let known = at < LINES_MAX && line.parts.len() <= PARTS_MAX;
            readings.push(if known { self.line(picture, line.place)? } else { None });
        }
        Ok(readings)
    }

    fn line(&mut self, picture: &Picture, place: Place) -> Result<Option<Reading>, OcrError> {
        let Some(first) = self.look(picture, place)? else { return Ok(None) };
        if first.confidence < CONFIDENCE_MIN {
            return Ok(Some(first));
        }
        let second = self.look(picture, wider(place))?;
        let confidence = second
            .filter(|second| plain(&second.text) == plain(&first.text))
            .map_or(0.0, |second| second.confidence.min(first.confidence));
        Ok(Some(Reading { confidence, ..first }))
    }

    /// What one look at a place reads; `None` when it is too long.
    fn look(&mut self, picture: &Picture, place: Place) -> Result<Option<Reading>, OcrError> {
        let Some((view, width)) = view(picture, place) else { return Ok(None) };
        let planes = picture.planes(&view, (width, HEIGHT), BEYOND);
        let steps = self.network.run(&planes, [1, 3, HEIGHT, width])?;
        let steps = probabilities(steps, width / STEP * self.alphabet.classes())?;
        let (text, confidence) = self.alphabet.decode(&steps);
        Ok(Some(Reading { text, confidence }))
    }
}

impl std::fmt::Debug for Recogniser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recogniser").finish_non_exhaustive()
    }
}

/// A place with as much beside it as it is high: what the detector has not seen of the line is seen
/// there.
fn wider([left, top, right, bottom]: Place) -> Place {
    let by = bottom.saturating_sub(top);
    [left.saturating_sub(by), top, right.saturating_add(by), bottom]
}

/// A text without what looks differ in that see the same.
fn plain(text: &str) -> String {
    text.to_lowercase().replace(' ', "")
}

/// How a line is looked at, and how many columns that takes; `None` when nothing would be read.
fn view(picture: &Picture, [left, top, right, bottom]: Place) -> Option<(View, usize)> {
    let edge = |edge: u32, limit: usize| usize::try_from(edge).unwrap_or(limit).min(limit);
    let columns = edge(left, picture.width())..edge(right, picture.width());
    let rows = edge(top, picture.height())..edge(bottom, picture.height());
    if columns.is_empty() || rows.is_empty() {
        return None;
    }
    let scale = HEIGHT as f32 / rows.len() as f32;
    let view = View { columns, rows, scale };
    let (width, height) = view.size();
    let width = WIDTHS.into_iter().find(|most| width <= *most);
    width.filter(|_| height == HEIGHT).map(|width| (view, width))
}

/// The letters that the model's metadata name, a line each, in the order of its classes.
fn letters(model: &[u8]) -> Result<Option<Vec<String>>, Malformed> {
    for field in Fields::of(model) {
        let (METADATA, Value::Bytes(entry)) = field? else { continue };
        let (mut key, mut value) = (&[][..], &[][..]);
        for part in Fields::of(entry) {
            match part? {
                (1, Value::Bytes(bytes)) => key = bytes,
                (2, Value::Bytes(bytes)) => value = bytes,
                _ => {}
            }
        }
        if key == LETTERS {
            let text = std::str::from_utf8(value).map_err(|_| Malformed)?;
            return Ok(Some(text.split('\n').map(str::to_owned).collect()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::put;

    #[test]
    fn letters_are_those_of_the_metadata() {
        let mut model = Vec::new();
        for (name, text) in [("author", "x"), ("character", "'\n#\n疗")] {
            let mut entry = Vec::new();
            put(&mut entry, 1, Value::Bytes(name.as_bytes()));
            put(&mut entry, 2, Value::Bytes(text.as_bytes()));
            put(&mut model, METADATA, Value::Bytes(&entry));
        }
        let expected = ["'", "#", "疗"].map(str::to_owned).to_vec();
        assert_eq!(letters(&model), Ok(Some(expected)));
        assert_eq!(letters(&[]), Ok(None));
        assert!(letters(&model[..model.len() - 1]).is_err());
    }

    #[test]
    fn a_line_is_as_high_as_the_network_takes_it_and_not_too_long() {
        let picture = Picture::new(2000, vec![0; 3 * 2000 * 100]).unwrap();
        let at = |place| view(&picture, place).map(|(view, width)| (view.size(), width));
        assert_eq!(at([10, 10, 110, 34]), Some(((200, 48), 320)));
        assert_eq!(at([10, 10, 260, 34]), Some(((500, 48), 640)));
        assert_eq!(at([10, 10, 650, 34]), Some(((1280, 48), 1280)));
        assert_eq!(at([10, 10, 660, 34]), None, "too long");
        assert_eq!(at([1990, 90, 3000, 900]), Some(((48, 48), 192)), "what is of the picture");
        assert_eq!(at([3000, 10, 3010, 20]), None, "outside of it");
        for height in 1..100 {
            let (size, _) = at([0, 0, 10, height]).unwrap();
            assert_eq!(size.1, HEIGHT);
        }
    }

    #[test]
    fn the_second_look_reaches_beside_the_line() {
        assert_eq!(wider([100, 10, 200, 30]), [80, 10, 220, 30]);
        assert_eq!(wider([5, 10, u32::MAX, 30]), [0, 10, u32::MAX, 30]);
        assert_eq!(plain("12 CM"), plain("12cm"));
        assert_ne!(plain("12 cm"), plain("2 cm"));
    }
}
