//! DICOM files without personal data.
//!
//! ```text
//! bytes ── read ──> data set ── known: who is in it ──> clean (profile, uid, text) ──> write ──> residual
//!                        └── pixel: frames, regions ──────────────┘                        check
//! ```
//! `read` believes no length, depth or count; `profile` holds the standard's table of attributes and
//! its options; `clean` applies it, element by element; `pixel` blacks out what rules name, and the
//! text that a [`TextFinder`] finds; `write`
//! makes a new file, of which nothing is copied that was not looked at; `residual` reads that file
//! as a stranger would, and refuses it when anything is left.
//!
//! What names, numbers, dates and texts become is decided by who calls, through [`Substitute`]: so a
//! person has the same stand-in in an image's header as in a letter.

mod clean;
mod data;
mod error;
mod form;
mod known;
mod pixel;
mod profile;
mod read;
mod residual;
mod statement;
mod tag;
mod text;
mod uid;
mod vr;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

pub use error::{Damage, Error, PixelError, Shape};
pub use known::Person;
pub use pixel::{PixelOutcome, Region};
pub use profile::{Retain, RetainError};
pub use tag::Tag;

use clean::Run;
use known::Known;
use uid::Uids;

/// Longest file, in bytes.
pub const FILE_BYTES_MAX: usize = 512 << 20;
/// Longest data set of a deflated file, in bytes.
pub const INFLATED_BYTES_MAX: usize = 256 << 20;
/// Most bytes of decoded pixels, all frames together.
pub const PIXEL_BYTES_MAX: u64 = 512 << 20;
/// Most pixels of a file in which text is looked for, each counted as often as it is read.
pub const READ_PIXELS_MAX: u64 = 1 << 30;
/// Most elements, items and fragments of a file.
pub const ELEMENTS_MAX: usize = 500_000;
/// Deepest nesting of sequences.
pub const DEPTH_MAX: usize = 32;

/// The profile by which headers are cleaned, and its edition.
pub const PROFILE: &str = "DICOM PS3.15 2026c, basic application level confidentiality profile";

/// Identifier of the objects that list the files of a medium.
const DIRECTORY: &str = "1.2.840.10008.1.3.10";

/// What a site wants cleaned, and how.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Options of the profile; none is the basic profile.
    #[serde(default)]
    pub retain: Vec<Retain>,
    /// What happens to pixels.
    #[serde(default)]
    pub pixels: Pixels,
    /// What becomes black of the text that is found in pixels.
    #[serde(default)]
    pub pixel_text: PixelText,
    /// What is burned in where, by kind of image.
    #[serde(default, rename = "region")]
    pub regions: Vec<Region>,
}

/// What happens to pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pixels {
    /// What rules name is blacked out; what often has text in it and has no rule is refused, and so
    /// is what cannot be decoded.
    #[default]
    Rules,
    /// What rules name is blacked out, and what is found to be text; no rule is needed.
    Ocr,
    /// They stay as they are: the steward knows that they show nobody's name.
    Keep,
}

/// What becomes black of the text that is found in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PixelText {
    /// All of it.
    #[default]
    All,
    /// All but side markers, views and measurements: lines that are read for sure, and as nothing else.
    Markers,
}

/// What a frame shows, with eight bits a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Red, green and blue of each pixel, row by row.
    pub rgb: Vec<u8>,
}

/// A line of text in a picture. Places are left, top, right and bottom in pixels, the last two
/// exclusive.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TextLine {
    /// Where it is.
    pub place: [u32; 4],
    /// What must be black so that nothing of it is seen.
    pub parts: Vec<[u32; 4]>,
    /// What it says, all of it; `None` when that is not sure.
    pub text: Option<String>,
}

impl std::fmt::Debug for TextLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What it says is as personal as the picture.
        f.debug_struct("TextLine").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Finds text in pictures, and may read it. It is not part of this crate: it takes a model.
pub trait TextFinder: std::fmt::Debug + Send + Sync {
    /// The lines that may be text.
    ///
    /// # Errors
    /// [`Unread`]: the file is then not written.
    fn find(&self, picture: &Picture) -> Result<Vec<TextLine>, Unread>;

    /// Whether it can read what it finds.
    fn reads(&self) -> bool {
        false
    }
}

/// A picture in which text cannot be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("text in the picture cannot be looked for")]
pub struct Unread;

/// What looking for text in the frames of a file came to. A line counts as often as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextRead {
    /// Frames that were looked at, those that were blackened more than once.
    pub frames: u64,
    /// Places that were found and blackened, in any frame.
    pub regions: u64,
    /// Lines that stay, because they are markings.
    pub markings: u64,
    /// Lines that were read for sure, and blackened.
    pub lines: u64,
    /// Lines that were blackened and could not be read for sure; 0 when nothing reads.
    pub unread: u64,
    /// What of a person was in what was read and blackened, by kind.
    pub found: BTreeMap<&'static str, u64>,
}

/// What stands in for what is personal. One subject at a time.
pub trait Substitute {
    /// Whom the texts and dates that follow are about.
    fn about(&mut self, person: &Person);

    /// `text` without personal data. `name` is what the standard calls the attribute, or empty.
    ///
    /// # Errors
    /// [`Unclean`]: the file is then not written.
    fn text(&mut self, name: &str, text: &str) -> Result<String, Unclean>;

    /// What stands for a name (or a part of one) or a number; `None` for nothing.
    fn stand_in(&mut self, what: What, original: &str) -> Option<String>;

    /// A date, written `YYYYMMDD`, moved by the days of the subject; `None` when it cannot be.
    fn date(&mut self, date: &str) -> Option<String>;

    /// What of a person a text that is not kept has, each by a word for its kind: for counts.
    fn kinds(&mut self, text: &str) -> Vec<&'static str>;

    /// Whether a text that was cleaned has anything personal left.
    ///
    /// # Errors
    /// [`Unclean`], when the text cannot be read.
    fn is_left(&mut self, text: &str) -> Result<bool, Unclean>;
}

/// What a stand-in stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A person's name, or a part of one.
    Name,
    /// The patient's number.
    PatientId,
    /// A number of an order, visit or specimen.
    Identifier,
    /// The name of an institution.
    Organization,
}

/// A text that the engine refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text cannot be cleaned")]
pub struct Unclean;

/// What was done to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Private attributes, removed.
    pub private: u64,
    /// Attributes that the dictionary has not, or with something else in them, removed.
    pub unknown: u64,
    /// Attributes removed by the profile.
    pub removed: u64,
    /// Sequences emptied.
    pub emptied: u64,
    /// Values that are not what they were.
    pub replaced: u64,
    /// Identifiers replaced.
    pub uids: u64,
    /// Dates moved.
    pub dates: u64,
    /// Texts read again by the residual check.
    pub read_again: u64,
}

/// A file that may be seen.
#[derive(Clone)]
pub struct Cleaned {
    /// All of it.
    pub bytes: Vec<u8>,
    /// The identifier of the object, in the cleaned file: a name for it that tells nothing.
    pub uid: String,
    /// What was done to its attributes.
    pub counts: Counts,
    /// What was done to its pixels.
    pub pixels: PixelOutcome,
    /// What was read of them.
    pub text: TextRead,
}

impl std::fmt::Debug for Cleaned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cleaned")
            .field("bytes", &self.bytes.len())
            .field("counts", &self.counts)
            .field("pixels", &self.pixels)
            .finish_non_exhaustive()
    }
}

/// Cleans files. Immutable, shared between threads.
#[derive(Clone)]
pub struct Cleaner {
    settings: Settings,
    uids: Uids,
    finder: Option<Arc<dyn TextFinder>>,
}

impl std::fmt::Debug for Cleaner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cleaner").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Cleaner {
    /// A cleaner for a site. Under `uid_key`, a secret, identifiers are replaced.
    pub const fn new(settings: Settings, uid_key: [u8; 32]) -> Self {
        Self { settings, uids: Uids::new(uid_key), finder: None }
    }

    /// The same, which looks for text in all pixels that do not stay as they are.
    #[must_use]
    pub fn with_finder(mut self, finder: Option<Arc<dyn TextFinder>>) -> Self {
        self.finder = finder;
        self
    }

    /// The file in `bytes`, cleaned, read again and found clean.
    ///
    /// # Errors
    /// [`Error`], and nobody may see the file.
    pub fn clean(&self, bytes: &[u8], substitute: &mut dyn Substitute) -> Result<Cleaned, Error> {
        let file = read::file(bytes)?;
        let mut set = file.data_set()?;
        if set.ascii(Tag::SOP_CLASS) == Some(DIRECTORY)
            || file.meta.ascii(Tag(0x0002_0002)) == Some(DIRECTORY)
        {
            return Err(Error::Directory);
        }
        let known = Known::of(&set);
        substitute.about(&known.person);
        let finder = self.finder.as_deref();
        let pixels = pixel::clean(&mut set, file.syntax, &self.settings, finder, &known)?;
        let mut text = pixels.text.read;
        for (said, count) in pixels.text.said {
            for kind in substitute.kinds(&said) {
                *text.found.entry(kind).or_default() += count;
            }
        }
        let mut run = Run {
            retain: &self.settings.retain,
            uids: &self.uids,
            substitute,
            known,
            counts: Counts::default(),
            given: HashSet::new(),
        };
        let mut clean = run.data_set(set)?;
        let (syntax, outcome) = (pixels.syntax, pixels.outcome);
        pixels.elements.into_iter().for_each(|element| clean.put(element));
        statement::put(&mut clean, &self.settings.retain, outcome, &text);
        let uid = clean.ascii(Tag::SOP_INSTANCE).filter(|uid| !uid.is_empty());
        let uid = uid.ok_or(Error::Malformed { at: 0, reason: "no SOP instance UID" })?.to_owned();
        let bytes = write::file(&clean, syntax)?;
        run.counts.read_again = residual::check(&bytes, &mut run)?;
        Ok(Cleaned { bytes, uid, counts: run.counts, pixels: outcome, text })
    }
}
