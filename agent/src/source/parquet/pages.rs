//! Parquet's footer and page headers, looked at before anything is made as large as they say.
//!
//! Both are structures of Thrift's compact protocol. A list that says that it has a billion elements,
//! or a page that says that it unpacks to two gigabytes, costs its reader as much before the next byte
//! tells the truth. So sizes are bounded here first, by a reader that makes nothing.
//!
//! Source: *Thrift compact protocol encoding* (Apache Thrift), and `parquet.thrift` of the Parquet format.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

use flate2::read::MultiGzDecoder;

/// Longest footer, in bytes.
pub(super) const FOOTER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest header of a page, in bytes.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Largest page, in bytes, packed and unpacked.
pub(super) const PAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most values of a page.
const VALUES_MAX: u64 = 50_000_000;
/// How many fields of a page's header are looked at.
const FIELDS: usize = 8;
/// Most elements of a list.
const LIST_MAX: usize = 100_000;
/// Deepest structure in a structure.
const DEPTH_MAX: usize = 16;
/// What a file ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// Why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not Parquet, or cut off.
    Form,
    /// Says that something is larger than it may be.
    Size,
    /// Packed in a way in which nobody can tell beforehand how large it is.
    Packing,
}

/// How pages are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Nothing unpacks to more than its header says: the reader gives it no more room.
    Bounded,
    /// The reader goes on to the end, whatever the header says. So it is unpacked once before, into
    /// nothing.
    Gzip,
}

/// Looks at the footer.
///
/// # Errors
/// As reading the file; the inner one is a [`Fault`].
pub(super) fn check_footer(file: &File) -> io::Result<Result<(), Fault>> {
    let length = file.metadata()?.len();
    let mut end = [0; 8];
    let Some(at) = length.checked_sub(8) else { return Ok(Err(Fault::Form)) };
    file.read_exact_at(&mut end, at)?;
    let ([a, b, c, d, magic @ ..], size) = (end, at);
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if magic != *MAGIC || footer > size {
        return Ok(Err(Fault::Form));
    }
    let Some(room) = usize::try_from(footer).ok().filter(|room| *room <= FOOTER_BYTES_MAX) else {
        return Ok(Err(Fault::Size));
    };
    let mut bytes = vec![0; room];
    file.read_exact_at(&mut bytes, at - footer)?;
    let mut reader = Reader { bytes: &bytes, at: 0 };
    Ok(reader.structure(0).map(|_| ()))
}

/// Looks at the header of each page of a column's part that lies from `start` to `end`.
///
/// # Errors
/// As [`check_footer`].
pub(super) fn check_pages(
    file: &File,
    start: u64,
    end: u64,
    packing: Packing,
) -> io::Result<Result<(), Fault>> {
    let mut at = start;
    let mut bytes = vec![0; HEADER_BYTES_MAX];
    while at < end {
        let room = usize::try_from(end - at).unwrap_or(usize::MAX).min(bytes.len());
        let Some(header) = bytes.get_mut(..room) else { return Ok(Err(Fault::Form)) };
        file.read_exact_at(header, at)?;
        let mut reader = Reader { bytes: header, at: 0 };
        let sizes = match reader.structure(0) {
            Ok(sizes) => sizes,
            Err(fault) => return Ok(Err(fault)),
        };
        let size = |number: Option<i64>| number.and_then(|size| u64::try_from(size).ok());
        let [_, unpacked, packed, _, data, _, dictionary, data_2] = sizes;
        let (Some(unpacked), Some(packed)) = (size(unpacked), size(packed)) else {
            return Ok(Err(Fault::Form));
        };
        // Each value of a dictionary has a byte at least.
        let many = |values: Option<i64>, most| size(values).is_some_and(|values| values > most);
        let many = many(dictionary, unpacked) || many(data.or(data_2), VALUES_MAX);
        if unpacked > PAGE_BYTES_MAX || packed > PAGE_BYTES_MAX || many {
            return Ok(Err(Fault::Size));
        }
        let body = at + u64::try_from(reader.at).unwrap_or(u64::MAX);
        if packing == Packing::Gzip {
            // The second kind of pages has parts that are not packed before those that are.
            let checked = match data_2 {
                Some(_) => Err(Fault::Packing),
                None => check_gzip(file, body, packed, unpacked)?,
            };
            if checked.is_err() {
                return Ok(checked);
            }
        }
        at = body + packed;
    }
    Ok(if at == end { Ok(()) } else { Err(Fault::Form) })
}

/// Whether a page's gzip is as long as its header says.
fn check_gzip(file: &File, at: u64, packed: u64, says: u64) -> io::Result<Result<(), Fault>> {
    let mut bytes = vec![0; usize::try_from(packed).unwrap_or_default()];
    match file.read_exact_at(&mut bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Err(Fault::Form)),
        read => read?,
    }
    let mut unpacked = MultiGzDecoder::new(bytes.as_slice()).take(says + 1);
    Ok(match io::copy(&mut unpacked, &mut io::sink()) {
        Ok(length) if length > says => Err(Fault::Size),
        Ok(length) if length == says => Ok(()),
        Ok(_) | Err(_) => Err(Fault::Form),
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// Passes over a structure, and gives its first fields: a whole number, or the first one of a
    /// structure, where it has one.
    fn structure(&mut self, depth: usize) -> Result<[Option<i64>; FIELDS], Fault> {
        let (mut first, mut field) = ([None; FIELDS], 0_i64);
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                return Ok(first);
            }
            field = match i64::from(head >> 4) {
                0 => self.whole()?,
                delta => field + delta,
            };
            let number = self.value(kind, depth)?;
            let place = usize::try_from(field).ok().and_then(|field| field.checked_sub(1));
            if let Some(place) = place.and_then(|place| first.get_mut(place)) {
                *place = number;
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Option<i64>, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::Size);
        }
        match kind {
            1 | 2 => Ok(None), // true and false are their own values
            3 => self.skip(1).map(|()| None),
            4..=6 => self.whole().map(Some),
            7 => self.skip(8).map(|()| None),
            8 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Fault::Size)?;
                self.skip(length).map(|()| None)
            }
            9 | 10 => {
                let head = self.byte()?;
                let length = match head >> 4 {
                    15 => usize::try_from(self.varint()?).map_err(|_| Fault::Size)?,
                    length => usize::from(length),
                };
                // Each has a byte at least, or there are fewer than it says.
                if length > LIST_MAX || length > self.bytes.len() - self.at {
                    return Err(Fault::Size);
                }
                for _ in 0..length {
                    self.element(head & 0x0f, depth)?;
                }
                Ok(None)
            }
            12 => self.structure(depth + 1).map(|[first, ..]| first),
            _ => Err(Fault::Form), // Parquet has no maps
        }
    }

    /// An element of a list, where a truth takes a byte.
    fn element(&mut self, kind: u8, depth: usize) -> Result<(), Fault> {
        match kind {
            1 | 2 => self.skip(1),
            _ => self.value(kind, depth + 1).map(|_| ()),
        }
    }

    fn whole(&mut self) -> Result<i64, Fault> {
        let zigzag = self.varint()?;
        let half = i64::try_from(zigzag >> 1).map_err(|_| Fault::Form)?;
        Ok(if zigzag & 1 == 0 { half } else { !half })
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Fault::Form)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = self.bytes.get(self.at).copied().ok_or(Fault::Form)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Fault> {
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.bytes.len());
        self.at = end.ok_or(Fault::Form)?;
        Ok(())
    }
}
