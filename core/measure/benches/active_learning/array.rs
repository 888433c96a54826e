//! Reads arrays of 32-bit numbers in NumPy's format, version 1.

use std::path::Path;
use std::{fs, io};

/// An array in row-major order.
pub(crate) struct Array {
    /// Length of a row; 1 for a plain list.
    pub(crate) columns: usize,
    /// The bytes of each number, least significant first.
    pub(crate) words: Vec<[u8; 4]>,
}

impl Array {
    /// Reads a file whose numbers are of the kind `descr`, as NumPy writes it.
    pub(crate) fn read(path: &Path, descr: &str) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let parsed = Self::parse(&bytes, descr);
        parsed.ok_or_else(|| io::Error::other(format!("{} is no {descr} array", path.display())))
    }

    fn parse(bytes: &[u8], descr: &str) -> Option<Self> {
        let rest = bytes.strip_prefix(b"\x93NUMPY\x01\x00")?;
        let (length, rest) = rest.split_first_chunk()?;
        let (header, numbers) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let header = std::str::from_utf8(header).ok()?;
        if !header.contains(&format!("'descr': '{descr}'"))
            || !header.contains("'fortran_order': False")
        {
            return None;
        }
        let (_, shape) = header.split_once("'shape': (")?;
        let (shape, _) = shape.split_once(')')?;
        let columns = match shape.split_once(',')?.1.trim() {
            "" => 1,
            columns => columns.parse().ok()?,
        };
        let (words, left) = numbers.as_chunks();
        (left.is_empty() && columns > 0).then(|| Self { columns, words: words.to_vec() })
    }

    pub(crate) fn floats(&self) -> Vec<f32> {
        self.words.iter().map(|word| f32::from_le_bytes(*word)).collect()
    }

    pub(crate) fn ids(&self) -> Vec<u32> {
        self.words.iter().map(|word| u32::from_le_bytes(*word)).collect()
    }
}
