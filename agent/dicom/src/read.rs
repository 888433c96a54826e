//! Reading files (PS3.10) and data sets (PS3.5). Every length is checked against what is there before
//! it is believed; depth and the number of elements are bounded; values are not copied.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

use crate::data::{DataSet, Element, Value, trimmed};
use crate::error::Error;
use crate::tag::Tag;
use crate::vr::{Class, Vr};
use crate::{DEPTH_MAX, ELEMENTS_MAX, FILE_BYTES_MAX, INFLATED_BYTES_MAX};

/// Bytes before the four letters of a file.
pub(crate) const PREAMBLE_BYTES: usize = 128;
/// A length that is told by a delimiter.
const UNDEFINED: u32 = u32::MAX;
const TRANSFER_SYNTAX: Tag = Tag(0x0002_0010);
/// The group of a file's own attributes.
pub(crate) const META_GROUP: u32 = 0x0002;

/// How a data set is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    ImplicitLittle,
    ExplicitLittle,
    Deflated,
    ExplicitBig,
    /// Explicit little endian with compressed pixels, named by what follows the standard's root.
    Encapsulated(&'static str),
}

/// Compressions of pixels: `1.2.840.10008.1.2.` is before them.
const ENCAPSULATED: &[&str] = &[
    "4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.92", "4.93", "4.100",
    "4.100.1", "4.101", "4.101.1", "4.102", "4.102.1", "4.103", "4.103.1", "4.104", "4.104.1",
    "4.105", "4.105.1", "4.106", "4.106.1", "4.107", "4.108", "4.110", "4.201", "4.202", "4.203",
    "5",
];

impl Syntax {
    fn from_uid(uid: &str) -> Option<Self> {
        Some(match uid.strip_prefix("1.2.840.10008.1.2")? {
            "" => Self::ImplicitLittle,
            ".1" => Self::ExplicitLittle,
            ".1.99" => Self::Deflated,
            ".2" => Self::ExplicitBig,
            other => {
                let other = other.strip_prefix('.')?;
                Self::Encapsulated(ENCAPSULATED.iter().find(|known| **known == other)?)
            }
        })
    }

    /// The identifier that a cleaned file has: deflated and big endian ones are written plainly.
    pub(crate) fn uid(self) -> String {
        let rest = match self {
            Self::ImplicitLittle => "",
            Self::ExplicitLittle | Self::Deflated | Self::ExplicitBig => ".1",
            Self::Encapsulated(rest) => return format!("1.2.840.10008.1.2.{rest}"),
        };
        format!("1.2.840.10008.1.2{rest}")
    }
}

/// A file whose data set may have to be unpacked first.
pub(crate) struct File<'a> {
    pub(crate) syntax: Syntax,
    pub(crate) meta: DataSet<'a>,
    /// The bytes of the data set.
    pub(crate) body: Cow<'a, [u8]>,
    /// Bytes of the file before it, when it is not unpacked.
    start: usize,
}

/// Reads what comes before the data set.
pub(crate) fn file(bytes: &[u8]) -> Result<File<'_>, Error> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Error::TooLong { got_bytes: bytes.len() });
    }
    if bytes.get(PREAMBLE_BYTES..PREAMBLE_BYTES + 4) != Some(b"DICM") {
        return Err(Error::NotDicom);
    }
    let mut reader = Reader::new(bytes, PREAMBLE_BYTES + 4, false, false);
    let mut meta = DataSet::default();
    while reader.peek_group() == Some(META_GROUP) {
        meta.elements.push(reader.element(0)?);
    }
    let uid = meta.ascii(TRANSFER_SYNTAX).ok_or(Error::Malformed {
        at: reader.at,
        reason: "no transfer syntax before the data set",
    })?;
    let syntax = Syntax::from_uid(uid).ok_or(Error::TransferSyntax)?;
    let rest = bytes.get(reader.at..).unwrap_or_default();
    let (body, start) = match syntax {
        Syntax::Deflated => (Cow::Owned(inflate(rest)?), 0),
        Syntax::ImplicitLittle
        | Syntax::ExplicitLittle
        | Syntax::ExplicitBig
        | Syntax::Encapsulated(_) => (Cow::Borrowed(rest), reader.at),
    };
    Ok(File { syntax, meta, body, start })
}

impl File<'_> {
    /// The data set, whose values borrow from this.
    pub(crate) fn data_set(&self) -> Result<DataSet<'_>, Error> {
        let implicit = self.syntax == Syntax::ImplicitLittle;
        let big = self.syntax == Syntax::ExplicitBig;
        let mut reader = Reader::new(&self.body, 0, implicit, big);
        reader.whole().map_err(|error| {
            let Error::Malformed { at, reason } = error else { return error };
            Error::Malformed { at: at + self.start, reason }
        })
    }
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let limit = INFLATED_BYTES_MAX as u64 + 1;
    DeflateDecoder::new(bytes).take(limit).read_to_end(&mut out).map_err(|_| Error::Inflated)?;
    if out.len() > INFLATED_BYTES_MAX { Err(Error::Inflated) } else { Ok(out) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    implicit: bool,
    big: bool,
    /// Elements, items and fragments that may still come.
    left: usize,
}

impl<'a> Reader<'a> {
    const fn new(bytes: &'a [u8], at: usize, implicit: bool, big: bool) -> Self {
        Self { bytes, at, implicit, big, left: ELEMENTS_MAX }
    }

    const fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed { at: self.at, reason }
    }

    fn count(&mut self) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::TooMany)?;
        Ok(())
    }

    /// Where `count` more bytes end.
    fn end(&self, count: usize) -> Result<usize, Error> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        end.ok_or_else(|| self.malformed("cut short"))
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let end = self.end(count)?;
        let bytes = &self.bytes[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn half(&mut self) -> Result<u16, Error> {
        let bytes = self.array()?;
        Ok(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn word(&mut self) -> Result<u32, Error> {
        let bytes = self.array()?;
        Ok(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn tag(&mut self) -> Result<Tag, Error> {
        let (group, element) = (self.half()?, self.half()?);
        Ok(Tag(u32::from(group) << 16 | u32::from(element)))
    }

    fn peek_group(&self) -> Option<u32> {
        let group = self.bytes.get(self.at..self.at + 2)?;
        Some(u16::from_le_bytes(group.try_into().ok()?).into())
    }

    /// A data set to the end of the bytes. What follows the pixels, or is all zeros, is left out
    /// when it is no element.
    fn whole(&mut self) -> Result<DataSet<'a>, Error> {
        let mut set = DataSet::default();
        while self.at < self.bytes.len() {
            let start = self.at;
            match self.element(0) {
                Ok(element) => set.elements.push(element),
                Err(error) => {
                    let behind = set.elements.last().is_some_and(|last| last.tag >= Tag::PIXELS);
                    let zeros = self.bytes[start..].iter().all(|byte| *byte == 0);
                    if !behind && !zeros {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        set.sort();
        Ok(set)
    }

    fn element(&mut self, depth: usize) -> Result<Element<'a>, Error> {
        self.count()?;
        let tag = self.tag()?;
        if tag.group() == Tag::ITEM.group() {
            return Err(self.malformed("an item outside of a sequence"));
        }
        if tag.group() == 0 {
            return Err(self.malformed("a command in a file"));
        }
        // Groups of a file's own attributes are explicit in every file.
        let implicit = self.implicit && tag.group() != META_GROUP;
        let (vr, length) = if implicit {
            let vr = tag.representations().map_or(Vr::Un, |vrs| match vrs {
                [Vr::Ob, Vr::Ow] | [.., Vr::Ow] => Vr::Ow,
                vrs => vrs.first().copied().unwrap_or(Vr::Un),
            });
            (vr, self.word()?)
        } else {
            let code = self.array()?;
            let vr = Vr::from_code(code);
            let vr = vr.ok_or_else(|| self.malformed("no such value representation"))?;
            if vr.is_long() {
                self.bytes(2)?;
                (vr, self.word()?)
            } else {
                (vr, self.half()?.into())
            }
        };
        let value = self.value(tag, vr, length, depth)?;
        // A sequence of unknown elements is one, whatever it is called.
        let vr = if matches!(value, Value::Items(_)) { Vr::Sq } else { vr };
        Ok(Element::new(tag, vr, value))
    }

    fn value(&mut self, tag: Tag, vr: Vr, length: u32, depth: usize) -> Result<Value<'a>, Error> {
        if length == UNDEFINED {
            if tag == Tag::PIXELS && matches!(vr, Vr::Ob | Vr::Ow) {
                return self.fragments();
            }
            let encoding = (self.implicit, self.big);
            if vr == Vr::Un {
                // Whatever the file's encoding, it is implicit little endian (PS3.5, 6.2.2).
                (self.implicit, self.big) = (true, false);
            } else if vr != Vr::Sq {
                return Err(self.malformed("a value without an end"));
            }
            let items = self.items(None, depth);
            (self.implicit, self.big) = encoding;
            return items;
        }
        let length = usize::try_from(length).map_err(|_| self.malformed("cut short"))?;
        if vr == Vr::Sq {
            let end = self.end(length)?;
            return self.items(Some(end), depth);
        }
        let bytes = self.bytes(length)?;
        let unit = vr.unit();
        if self.big && unit > 1 && vr.class() == Class::Binary {
            let turned = bytes.chunks(unit).flat_map(|number| number.iter().rev().copied());
            return Ok(Value::Bytes(turned.collect()));
        }
        Ok(Value::Bytes(Cow::Borrowed(bytes)))
    }

    /// Items up to `end`, or up to their delimiter.
    fn items(&mut self, end: Option<usize>, depth: usize) -> Result<Value<'a>, Error> {
        if depth >= DEPTH_MAX {
            return Err(Error::TooDeep);
        }
        let mut items = Vec::new();
        while end.is_none_or(|end| self.at < end) {
            self.count()?;
            let (tag, length) = (self.tag()?, self.word()?);
            match tag {
                Tag::SEQUENCE_END if end.is_none() => return Ok(Value::Items(items)),
                Tag::ITEM => items.push(self.item(length, depth + 1)?),
                _ => return Err(self.malformed("neither an item nor the end of a sequence")),
            }
        }
        if end == Some(self.at) {
            Ok(Value::Items(items))
        } else {
            Err(self.malformed("an item that is longer than its sequence"))
        }
    }

    fn item(&mut self, length: u32, depth: usize) -> Result<DataSet<'a>, Error> {
        let mut set = DataSet::default();
        if length == UNDEFINED {
            loop {
                let start = self.at;
                if self.tag()? == Tag::ITEM_END {
                    self.word()?;
                    break;
                }
                self.at = start;
                set.elements.push(self.element(depth)?);
            }
        } else {
            let length = usize::try_from(length).map_err(|_| self.malformed("cut short"))?;
            let end = self.end(length)?;
            while self.at < end {
                set.elements.push(self.element(depth)?);
            }
            if self.at != end {
                return Err(self.malformed("an element that is longer than its item"));
            }
        }
        set.sort();
        Ok(set)
    }

    fn fragments(&mut self) -> Result<Value<'a>, Error> {
        let mut fragments = Vec::new();
        let mut first = true;
        loop {
            self.count()?;
            let (tag, length) = (self.tag()?, self.word()?);
            match tag {
                Tag::SEQUENCE_END => return Ok(Value::Fragments(fragments)),
                Tag::ITEM => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    let bytes = self.bytes(length)?;
                    // The first is the table of offsets.
                    if !first {
                        fragments.push(Cow::Borrowed(bytes));
                    }
                    first = false;
                }
                _ => return Err(self.malformed("no fragment of compressed pixels")),
            }
        }
    }
}

/// The text of an ASCII value without padding; `None` when it is not ASCII.
pub(crate) fn ascii(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(trimmed)
}
