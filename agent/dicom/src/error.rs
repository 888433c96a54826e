//! Why a file could not be cleaned. Nothing here comes from the file but numbers and tags.

use crate::tag::Tag;
use crate::{
    DEPTH_MAX, ELEMENTS_MAX, FILE_BYTES_MAX, INFLATED_BYTES_MAX, PIXEL_BYTES_MAX, READ_PIXELS_MAX,
};

/// Why a file could not be cleaned: nobody may see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another kind of file.
    #[error("no DICOM file: no DICM at byte 128")]
    NotDicom,
    /// Bytes that no data set can have there.
    #[error("malformed at byte {at}: {reason}")]
    Malformed {
        /// Bytes before it; of the unpacked data set in a deflated file.
        at: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A larger file than [`FILE_BYTES_MAX`].
    #[error("a file of {got_bytes} bytes where {FILE_BYTES_MAX} may be")]
    TooLong {
        /// Bytes of the file.
        got_bytes: usize,
    },
    /// More than [`ELEMENTS_MAX`] elements, items and fragments.
    #[error("more than {ELEMENTS_MAX} elements")]
    TooMany,
    /// Sequences within sequences, over and over.
    #[error("nested more than {DEPTH_MAX} levels deep")]
    TooDeep,
    /// A deflated data set that is larger than [`INFLATED_BYTES_MAX`], or damaged.
    #[error(
        "a deflated data set that is damaged or unpacks to more than {INFLATED_BYTES_MAX} bytes"
    )]
    Inflated,
    /// A transfer syntax that is not known here.
    #[error("a transfer syntax that is not supported")]
    TransferSyntax,
    /// A DICOMDIR: the places in it would be wrong.
    #[error("a directory of files (DICOMDIR): clean the files, and make it anew")]
    Directory,
    /// The pixels.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// A text that the engine refuses.
    #[error("a text that cannot be cleaned, in {tag}")]
    Unclean {
        /// Where it is.
        tag: Tag,
    },
    /// A value that does not fit its encoding.
    #[error("a value too long to be written, in {tag}")]
    Unwritable {
        /// Where it is.
        tag: Tag,
    },
    /// The residual check has found something.
    #[error("{left} attributes have something left, the first is {tag}")]
    Residue {
        /// How many.
        left: usize,
        /// The first of them.
        tag: Tag,
    },
}

/// What a compressed frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pixels of a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// Numbers of a pixel.
    pub samples: usize,
    /// Bits of a number; of what the header says, the most there may be.
    pub bits: usize,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { columns, rows, samples, bits } = self;
        write!(f, "{columns} × {rows} pixels of {samples} × {bits} bits")
    }
}

/// What is wrong with a compressed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Bytes that make no sense there, or none where there must be some.
    #[error("it is damaged or cut short near byte {at} of {bytes}")]
    Bytes {
        /// Bytes before them.
        at: usize,
        /// Bytes of the frame.
        bytes: usize,
    },
    /// Another image than the header describes.
    #[error("it holds {got} where the header says {told}")]
    Differs {
        /// What is coded.
        got: Shape,
        /// What the header says.
        told: Shape,
    },
    /// Something that is seldom used, or not allowed in DICOM.
    #[error("it has {0}, which is not decoded")]
    Feature(&'static str),
    /// More of something than a decoder is given.
    #[error("it has {got} {what} where {most} may be")]
    TooMany {
        /// What there is.
        what: &'static str,
        /// How much of it.
        got: u64,
        /// How much may be.
        most: u64,
    },
    /// A decoder says no more.
    #[error("it is damaged, or not what the header says")]
    Unclear,
}

/// Why pixels could not be cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PixelError {
    /// What says rows, columns and depth is missing or makes no sense.
    #[error("pixels whose form is not described")]
    Form,
    /// Fewer bytes than the form asks for.
    #[error("pixels of {got_bytes} bytes where {needed_bytes} must be")]
    Short {
        /// Bytes that are there.
        got_bytes: u64,
        /// Bytes of all frames.
        needed_bytes: u64,
    },
    /// More than [`PIXEL_BYTES_MAX`].
    #[error("pixels of {got_bytes} bytes where {PIXEL_BYTES_MAX} may be")]
    TooLarge {
        /// Bytes of all frames.
        got_bytes: u64,
    },
    /// A compression that is not read here.
    #[error(
        "pixels that cannot be decoded, and so not be checked: of compressions, RLE, JPEG, JPEG-LS \
         and JPEG 2000 can, but not its high-throughput form"
    )]
    NotDecodable,
    /// A damaged frame.
    #[error("frame {frame} cannot be decoded: {damage}")]
    Frame {
        /// Its number, from 1.
        frame: usize,
        /// What is wrong with it.
        damage: Damage,
    },
    /// An attribute that a rule names, in characters that are not those of the file.
    #[error("a rule names its {attribute}, which is not in the file's character set")]
    Unreadable {
        /// The attribute's name.
        attribute: &'static str,
    },
    /// An image that often has text in it, and no rule says where.
    #[error(
        "an ultrasound image, a capture or one that says it has text in it, and no rule says where"
    )]
    NoRule,
    /// Text is to be looked for, and there is nothing that can.
    #[error("text in its pixels is to be looked for, and there is no model that reads")]
    NoFinder,
    /// Markings are to stay, and there is nothing that can read.
    #[error(
        "markings in its pixels are to stay, and there is no model that reads: all text must go"
    )]
    NoReader,
    /// Text could not be looked for.
    #[error("text could not be looked for in frame {frame}")]
    Unread {
        /// Its number, from 1.
        frame: usize,
    },
    /// More than [`READ_PIXELS_MAX`].
    #[error(
        "text would have to be looked for in {got_pixels} pixels, {READ_PIXELS_MAX} are the most"
    )]
    TooMuchToRead {
        /// Pixels of all frames, each as often as it is read.
        got_pixels: u64,
    },
    /// The detector still finds some.
    #[error("text is still found in the pixels after it was blackened {passes} times")]
    TextLeft {
        /// How often.
        passes: usize,
    },
}

impl Error {
    /// A word for the reason: for counts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotDicom => "not-dicom",
            Self::Malformed { .. } => "malformed",
            Self::TooLong { .. } | Self::TooMany | Self::TooDeep => "too-long",
            Self::Inflated => "inflated",
            Self::TransferSyntax => "transfer-syntax",
            Self::Directory => "directory",
            Self::Pixels(PixelError::NoRule) => "pixels-without-rule",
            Self::Pixels(PixelError::TextLeft { .. }) => "text-left",
            Self::Pixels(PixelError::Unread { .. } | PixelError::TooMuchToRead { .. }) => "unread",
            Self::Pixels(_) => "pixels",
            Self::Unclean { .. } => "unclean",
            Self::Unwritable { .. } => "unwritable",
            Self::Residue { .. } => "residue",
        }
    }
}
