//! JSON values one after another, each on one line or written over several.

use std::io::{self, BufRead};

use super::super::lines::{LINE_BYTES_MAX, LineError, read_line, utf8};
use super::Piece;

/// Reads documents; a damaged one costs itself only.
pub(super) struct Documents<R> {
    reader: R,
    line: u64,
    /// A line that was read to see that the document before it had ended.
    ahead: Option<Piece>,
}

impl<R: BufRead> Documents<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, line: 0, ahead: None }
    }

    /// The next document's first line number and text.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Result<String, LineError>)>> {
        let Some(Piece { line: first, bytes }) = self.line()? else { return Ok(None) };
        let mut document = match bytes {
            Ok(line) => line,
            Err(reason) => return Ok(Some((first, Err(reason)))),
        };
        let mut depth = Depth::default();
        depth.read(&document);
        while depth.is_open() {
            match self.line()? {
                // What is inside a document that spans lines is indented, or closes it.
                Some(Piece { bytes: Ok(more), .. })
                    if more.starts_with(b" ") || more.starts_with(b"\t") || closes(&more) =>
                {
                    if document.len() + more.len() > LINE_BYTES_MAX {
                        return Ok(Some((first, Err(LineError::TooLong))));
                    }
                    depth.read(&more);
                    document.extend_from_slice(&more);
                }
                other => {
                    self.ahead = other;
                    break;
                }
            }
        }
        let text = utf8(&document).map(|text| text.trim_start_matches('\u{feff}').to_owned());
        Ok(Some((first, text)))
    }

    /// The next line that is not empty.
    fn line(&mut self) -> io::Result<Option<Piece>> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let mut buffer = Vec::new();
        loop {
            let Some(read) = read_line(&mut self.reader, &mut buffer)? else { return Ok(None) };
            self.line += 1;
            if read.is_err() || !buffer.trim_ascii().is_empty() {
                return Ok(Some(Piece { line: self.line, bytes: read.map(|()| buffer) }));
            }
        }
    }
}

fn closes(line: &[u8]) -> bool {
    line.starts_with(b"}") || line.starts_with(b"]")
}

/// How deep in brackets a text has come.
#[derive(Default)]
struct Depth {
    open: usize,
    quoted: bool,
    escaped: bool,
}

impl Depth {
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                _ if self.quoted => {}
                b'{' | b'[' => self.open += 1,
                b'}' | b']' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_open(&self) -> bool {
        self.open > 0 && !self.quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_on_one_line_and_on_many() {
        let text = b"{\"a\": 1}\n\n{\n  \"b\": \"}\",\n  \"c\": [\n    2\n  ]\n}\n{\"broken\": \n{\"d\": 4}\n\xff\n[5]";
        let mut documents = Documents::new(&text[..]);
        let mut found = Vec::new();
        while let Some((line, document)) = documents.next().unwrap() {
            let json =
                document.map(|text| serde_json::from_str::<serde_json::Value>(&text).is_ok());
            found.push((line, json.unwrap_or(false)));
        }
        assert_eq!(found, [(1, true), (3, true), (9, false), (10, true), (11, false), (12, true)]);
    }
}
