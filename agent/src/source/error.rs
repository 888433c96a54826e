//! Why a record is not imported, and why an import stops.

use std::io;

use super::folder::DEPTH_MAX;
use super::labeled::ELEMENT_BYTES_MAX;
use super::{LINE_BYTES_MAX, media};
use crate::store::StoreError;

/// What is wrong with a record. Names fields, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Over [`LINE_BYTES_MAX`].
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// A quotation mark that is not closed, or text after a closed one.
    #[error("a quotation mark out of place")]
    Quotation,
    /// A record of another length than the header.
    #[error("{got} columns where the header has {want}")]
    Columns {
        /// Columns found.
        got: usize,
        /// Columns of the header.
        want: usize,
    },
    /// Not a JSON object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Not JSON at all.
    #[error("not JSON")]
    NotJson,
    /// A file of tasks that is not a JSON list.
    #[error("not a list of tasks")]
    NotAList,
    /// A part of a list that is too long.
    #[error("a part of the list is longer than {ELEMENT_BYTES_MAX} bytes")]
    TooLongElement,
    /// A file that is not COCO's JSON.
    #[error("not an object with lists of images, annotations and categories")]
    NotCoco,
    /// Not XML, or with a document type, or too large.
    #[error("not well-formed XML without a document type")]
    NotXml,
    /// A tag of CoNLL that is neither O nor one with a prefix.
    #[error("the tag is neither O nor one of B- I- E- L- S- U- and a class")]
    NotATag,
    /// A line of YOLO.
    #[error("not a class and a box (4 numbers) or polygon (6 numbers or more)")]
    NotAMark,
    /// A class of YOLO without a name.
    #[error("a class without a name in data.yaml or classes.txt")]
    NoSuchName,
    /// A folder that does not say what its classes are called.
    #[error("there are no names of classes in data.yaml or classes.txt")]
    NoNames,
    /// Marks without an image.
    #[error("there is no image for these marks")]
    NoImage,
    /// A file in a folder that cannot be read.
    #[error("the file cannot be read")]
    Unreadable,
    /// What a format may hold, and is not taken.
    #[error("{what} cannot be imported")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// A label that does not fit the item or the project.
    #[error("{reason}")]
    Label {
        /// What does not fit; names no value.
        reason: String,
    },
    /// A label of another kind than the project's.
    #[error("a label of another kind than the project's, which is {task}")]
    OtherKind {
        /// The task's kind.
        task: &'static str,
    },
    /// A relation that the task does not have.
    #[error("a relation that is none of the project's")]
    NotARelation,
    /// An image of another size than the one that was labeled.
    #[error("the labels are of an image of {}\u{d7}{} pixels, and the file's is {}\u{d7}{}", said[0], said[1], got[0], got[1])]
    Size {
        /// Width and height by which the labels are measured.
        said: [u32; 2],
        /// The image's.
        got: [u32; 2],
    },
    /// A text that was redacted by other rules than those of today: nobody knows where its spans went.
    #[error("its text was redacted otherwise when it was imported before: its spans have no place")]
    RedactedOtherwise,
    /// An item that could not be redacted.
    #[error("the item cannot be redacted, so that its spans have no place")]
    NotRedacted,
    /// What a model's score cannot be.
    #[error("a score that is no number from 0 to 1")]
    Score,
    /// Folders in folders.
    #[error("{folders} folders lie deeper than {DEPTH_MAX} and were not looked into")]
    TooDeep {
        /// How many.
        folders: u64,
    },
    /// What another labeling tool always writes is not there.
    #[error("there is no usable {field:?}")]
    Missing {
        /// Its name.
        field: String,
    },
    /// Another labeling tool's label of several classes.
    #[error("{field:?} names several classes where an item has one")]
    SeveralClasses {
        /// Its name.
        field: String,
    },
    /// A list or an object where a plain value belongs.
    #[error("field {field:?} holds a list or an object")]
    Nested {
        /// The field.
        field: String,
    },
    /// The item or its subject has no identifier.
    #[error("no value in column {column:?}, which identifies the {what}")]
    Unidentified {
        /// The column.
        column: String,
        /// Item or subject.
        what: &'static str,
    },
    /// It was erased, and nobody has allowed it to come back.
    #[error("it, or its subject, was erased at this site: `erase --allow` lets it in again")]
    Erased,
    /// A known id with other content than it came with first, which stays.
    #[error(
        "the item of this id was imported with another {field:?}, and keeps it: give what is new an id of \
         its own, or erase that item first (`erase --id`, then `--allow`)"
    )]
    OtherContent {
        /// The field.
        field: String,
    },
    /// A number field that holds none.
    #[error("field {field:?} is not a number")]
    NotANumber {
        /// The field.
        field: String,
    },
    /// A file, where items do not come from a folder.
    #[error("field {field:?} names a file, which is read only from the folder of an import")]
    NoFolder {
        /// The field.
        field: String,
    },
    /// A file that is not inside the folder of the import.
    #[error("field {field:?} names a file outside the folder of the import")]
    OutsideFolder {
        /// The field.
        field: String,
    },
    /// A file that is not there, or cannot be read, or is none.
    #[error("field {field:?} names a file that cannot be read")]
    UnreadableFile {
        /// The field.
        field: String,
    },
    /// A file over its limit.
    #[error("field {field:?} names a file of {got_bytes} bytes where {limit_bytes} are allowed")]
    TooLargeFile {
        /// The field.
        field: String,
        /// Its size, as far as it was read.
        got_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// A file that is no image.
    #[error("field {field:?} names neither PNG nor JPEG")]
    NotAnImage {
        /// The field.
        field: String,
    },
    /// An image of a kind that is not read.
    #[error("field {field:?} names {kind}, and images are PNG or JPEG here: convert it first")]
    OtherImage {
        /// The field.
        field: String,
        /// The kind, with its article.
        kind: &'static str,
    },
    /// An image whose file ends before its picture does.
    #[error(
        "field {field:?} names an image that is cut off or damaged: if it is still being copied, import it \
         again when it is whole"
    )]
    CutOff {
        /// The field.
        field: String,
    },
    /// An image that is shown in another way than its pixels lie, where places in it are marked.
    #[error(
        "field {field:?} names an image that is shown turned or mirrored (Exif orientation {orientation}), \
         so that marks would be measured on another picture than other programs read: turn its pixels \
         upright first, for instance with `exiftran -ai` or `mogrify -auto-orient`"
    )]
    Turned {
        /// The field.
        field: String,
        /// How, from 2 to 8.
        orientation: u16,
    },
    /// An image without pixels, or with too many.
    #[error(
        "field {field:?} names an image of {got} pixels, 1 to {} are allowed",
        media::PIXELS_MAX
    )]
    Pixels {
        /// The field.
        field: String,
        /// Its pixels.
        got: u64,
    },
    /// A file that is no series.
    #[error("field {field:?} names no series: {what}")]
    NotASeries {
        /// The field.
        field: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A series that is too long.
    #[error("field {field:?} names a series of {got} values, {} are allowed", media::VALUES_MAX)]
    Values {
        /// The field.
        field: String,
        /// Its values, all channels together.
        got: usize,
    },
    /// A label that names no class of the project.
    #[error("column {column:?} names none of the project's classes")]
    NotAClass {
        /// The column.
        column: String,
    },
    /// A synthetic item whose id a real one has.
    #[error("a real item has this id, and never becomes a synthetic one")]
    KnownAsReal,
    /// A real item whose id a synthetic one has.
    #[error("a synthetic item has this id, and never becomes a real one")]
    KnownAsSynthetic,
}

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// The header lacks a column that identifies items or subjects.
    #[error("the file has no column {column:?}, which identifies the {what}")]
    NoColumn {
        /// The column.
        column: String,
        /// Item or subject.
        what: &'static str,
    },
    /// The header cannot be read.
    #[error("the header cannot be read: {0}")]
    Header(LineError),
    /// A folder, where files could be of no field or of several.
    #[error("a folder is for projects with exactly one image or series field")]
    NoMediaField,
    /// A format with one text or image, which could be of no field or of several.
    #[error("this format is for projects with exactly one {of} field to label")]
    Content {
        /// Of what it may be.
        of: &'static str,
    },
    /// A file in place of a folder, or the other way round.
    #[error("this format is read from {expected}")]
    Origin {
        /// From what it is read.
        expected: &'static str,
    },
    /// More of something than is kept at once.
    #[error("more than {max} {what} in one file")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A file that is not Parquet, or is damaged.
    #[error("not a Parquet file, or a damaged one: {what} cannot be read")]
    Parquet {
        /// What of it.
        what: &'static str,
    },
    /// A Parquet file that says of itself that it is too large.
    #[error("a Parquet file with a footer, a page, columns or rows over their limits")]
    ParquetSize,
    /// A column that is packed in a way that is not read.
    #[error(
        "column {column:?} is packed in a way that is not read: write it plain, or with Snappy \
         or gzip (data pages of version 1)"
    )]
    Packed {
        /// Its name.
        column: String,
    },
    /// Whoever takes the records wants no more.
    #[error("the import was stopped")]
    Stopped,
    /// The store failed.
    #[error("the items cannot be stored")]
    Store(#[from] StoreError),
}
