//! Lines of bounded length.

use std::io::{self, BufRead};

use super::LINE_BYTES_MAX;

/// What spreadsheets and Windows' editors write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads up to and including the next line feed into `line`, which is cleared first.
///
/// `Ok(None)` at the end; `Ok(Some(false))` when the line was too long and has been passed over.
pub(crate) fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let mut fits = true;
    let mut any = false;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any.then_some(fits));
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let take = end.map_or(buffer.len(), |end| end + 1);
        fits &= line.len() + take <= LINE_BYTES_MAX;
        if fits {
            line.extend_from_slice(&buffer[..take]);
        }
        reader.consume(take);
        if end.is_some() {
            return Ok(Some(fits));
        }
    }
}

/// Passes over the byte order mark that a file of UTF-8 may begin with.
pub(super) fn skip_mark(reader: &mut impl BufRead) -> io::Result<()> {
    if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(())
}

/// Without its line end.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
