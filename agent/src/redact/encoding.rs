//! Text that is not in UTF-8: by the name that somebody gives, or that a message has for itself.

use std::io::{self, BufRead, Read};
use std::str::FromStr;

use encoding_rs::{BIG5, Decoder, DecoderResult, EUC_KR, GB18030, ISO_8859_15, UTF_8};

/// Bytes that are decoded at once.
const BUFFER_BYTES: usize = 1 << 14;
/// A byte that no UTF-8 has: what stands in place of what is no text, so that the record with it is
/// found to be none.
const NO_TEXT: u8 = 0xff;

/// How bytes are read as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

/// No encoding with this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no encoding that is read: name one of the WHATWG's Encoding Standard, such as latin1, windows-1252 or utf-16le"
)]
pub struct EncodingError(String);

impl FromStr for Encoding {
    type Err = EncodingError;

    fn from_str(label: &str) -> Result<Self, EncodingError> {
        encoding_rs::Encoding::for_label_no_replacement(label.as_bytes())
            .map(Self)
            .ok_or_else(|| EncodingError(label.chars().take(64).collect()))
    }
}

impl Encoding {
    /// The encoding that a message of HL7 v2 names (MSH-18, table 0211); `None` if it is not read.
    pub(super) fn of_hl7(name: &str) -> Option<Self> {
        let name = name.trim();
        // A message without a name is in ASCII, and so in UTF-8.
        let known = match name {
            "" | "ASCII" | "ISO IR6" | "UNICODE" | "UNICODE UTF-8" => UTF_8,
            "8859/15" => ISO_8859_15,
            "GB 18030-2000" => GB18030,
            "BIG-5" => BIG5,
            "KS X 1001" => EUC_KR,
            _ => match name.strip_prefix("8859/") {
                Some(part) => return format!("iso-8859-{part}").parse().ok(),
                // Others write what the rest of the world calls it.
                None => return name.parse().ok().filter(|Self(found)| found.is_ascii_compatible()),
            },
        };
        Some(Self(known))
    }

    /// `bytes` as UTF-8, which [`NO_TEXT`] makes none if they are no text of this encoding.
    pub(super) fn to_utf8(self, bytes: Vec<u8>) -> Vec<u8> {
        match self.0.decode_without_bom_handling_and_without_replacement(&bytes) {
            Some(text) => text.into_owned().into_bytes(),
            None => vec![NO_TEXT],
        }
    }

    /// `reader`'s bytes as UTF-8. What is no text of this encoding is none of UTF-8 either, so that it
    /// costs its own record.
    pub fn decode<R: BufRead>(self, reader: R) -> Decoded<R> {
        let decoder = self.0.new_decoder();
        Decoded { reader, decoder, text: Vec::new(), at: 0, ended: false }
    }
}

/// A reader of UTF-8 over one of another encoding.
pub struct Decoded<R> {
    reader: R,
    decoder: Decoder,
    text: Vec<u8>,
    /// How much of `text` was taken.
    at: usize,
    ended: bool,
}

impl<R> std::fmt::Debug for Decoded<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decoded({})", self.decoder.encoding().name())
    }
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.text.len() && !self.ended {
            let bytes = self.reader.fill_buf()?;
            let last = bytes.is_empty();
            self.at = 0;
            self.text.resize(BUFFER_BYTES, 0);
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.text, last);
            self.text.truncate(written);
            match result {
                DecoderResult::InputEmpty => self.ended = last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.text.push(NO_TEXT),
            }
            self.reader.consume(read);
        }
        Ok(&self.text[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.text.len().min(self.at + amount);
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(label: &str, bytes: &[u8], text: &[u8]) {
        let encoding: Encoding = label.parse().unwrap();
        // However the bytes come.
        for size in [1, 3, 1 << 16] {
            let mut out = Vec::new();
            let reader = io::BufReader::with_capacity(size, bytes);
            encoding.decode(reader).read_to_end(&mut out).unwrap();
            assert_eq!(out, text, "{label}, {size} bytes at once");
        }
    }

    #[test]
    fn every_encoding_becomes_utf_8() {
        check("latin1", b"J\xfcrgen \x80", "Jürgen €".as_bytes());
        check("windows-1252", b"", b"");
        check("utf-8", "\u{feff}Jürgen".as_bytes(), "Jürgen".as_bytes());
        check("utf-16le", b"\xff\xfeJ\0\xfc\0\n\0", "Jü\n".as_bytes());
        check("shift_jis", b"\x93\xfa\x96{", "日本".as_bytes());
        let long = "ü".repeat(BUFFER_BYTES);
        check("latin1", &vec![0xfc; BUFFER_BYTES], long.as_bytes());
    }

    #[test]
    fn what_is_no_text_stays_none() {
        check("utf-8", b"a\xfcb\nc", b"a\xffb\nc");
        check("shift_jis", b"a\x93", b"a\xff");
        check("windows-1253", b"\xd2\n", b"\xff\n");
    }

    #[test]
    fn names_are_known_or_refused() {
        assert!("ebcdic".parse::<Encoding>().is_err());
        let of_hl7 = |name: &str| Encoding::of_hl7(name).map(|Encoding(found)| found.name());
        assert_eq!(of_hl7("8859/1"), Some("windows-1252"));
        assert_eq!(of_hl7("8859/15"), Some("ISO-8859-15"));
        assert_eq!(of_hl7("UNICODE UTF-8"), Some("UTF-8"));
        assert_eq!(
            (of_hl7("UNICODE UTF-16"), of_hl7("utf-16"), of_hl7("8859/99")),
            (None, None, None)
        );
    }
}
