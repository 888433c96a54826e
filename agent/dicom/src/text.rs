//! Text in the character sets of DICOM (PS3.5, 6.1). Cleaned files are written in UTF-8.

use encoding_rs::{
    EUC_KR, Encoding, GB18030, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5,
    ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1252,
    WINDOWS_1254,
};

use crate::data::trimmed;

/// The character set of cleaned files: UTF-8.
pub(crate) const UNICODE: &str = "ISO_IR 192";
/// What starts each Korean or Chinese line of text (PS3.5, annexes I and K).
const DESIGNATIONS: [&[u8]; 2] = [b"\x1b$)C", b"\x1b$)A"];
const ESCAPE: u8 = 0x1b;

/// How the text of a data set is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CharacterSet {
    /// `None` for a set that is not known: only ASCII is then read.
    encoding: Option<&'static Encoding>,
}

impl CharacterSet {
    /// The one of a data set that names none.
    pub(crate) const DEFAULT: Self = Self { encoding: Some(WINDOWS_1252) };

    /// By the values of Specific Character Set (0008,0005).
    pub(crate) fn new(names: &str) -> Self {
        let mut names = names.split('\\').map(trimmed).peekable();
        let first = names.peek().copied().unwrap_or_default();
        // Of a set and its extensions the one that holds the others' characters too.
        let wide = names.clone().find_map(|name| match name {
            "ISO 2022 IR 87" => Some(ISO_2022_JP),
            "ISO 2022 IR 149" => Some(EUC_KR),
            "ISO 2022 IR 58" => Some(GB18030),
            _ => None,
        });
        Self { encoding: wide.or_else(|| single(first)) }
    }

    /// The text without padding; `None` when it is not of this character set.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<String> {
        if bytes.is_ascii() && !bytes.contains(&ESCAPE) {
            return std::str::from_utf8(bytes).ok().map(|text| trimmed(text).to_owned());
        }
        let encoding = self.encoding?;
        let mut plain = bytes.to_vec();
        if encoding == EUC_KR || encoding == GB18030 {
            for designation in DESIGNATIONS {
                while let Some(at) = plain.windows(4).position(|four| four == designation) {
                    plain.drain(at..at + 4);
                }
            }
        }
        if encoding != ISO_2022_JP && plain.contains(&ESCAPE) {
            return None;
        }
        let text = encoding.decode_without_bom_handling_and_without_replacement(&plain)?;
        Some(trimmed(&text).to_owned())
    }
}

fn single(name: &str) -> Option<&'static Encoding> {
    let number = name.strip_prefix("ISO_IR ").or_else(|| name.strip_prefix("ISO 2022 IR "));
    Some(match number.unwrap_or(name) {
        "" | "6" | "100" => WINDOWS_1252,
        "101" => ISO_8859_2,
        "109" => ISO_8859_3,
        "110" => ISO_8859_4,
        "144" => ISO_8859_5,
        "127" => ISO_8859_6,
        "126" => ISO_8859_7,
        "138" => ISO_8859_8,
        "148" => WINDOWS_1254,
        "203" => ISO_8859_15,
        "166" => WINDOWS_874,
        "13" => SHIFT_JIS,
        "192" => UTF_8,
        "GB18030" | "GBK" => GB18030,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &str, bytes: &[u8], text: Option<&str>) {
        assert_eq!(CharacterSet::new(names).decode(bytes).as_deref(), text, "{names}");
    }

    #[test]
    fn names_of_the_standard_are_read() {
        // PS3.5, annexes H, I, J and K.
        check("ISO_IR 100", b"Buc^J\xe9r\xf4me ", Some("Buc^Jérôme"));
        check("ISO_IR 192", "Wang^小東".as_bytes(), Some("Wang^小東"));
        check(
            "\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            Some("Yamada^Tarou=山田^太郎"),
        );
        check("\\ISO 2022 IR 149", b"=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", Some("=洪^吉洞"));
        check("ISO_IR 144", b"\xbb\xee\xda\xce", Some("ЛюкЮ"));
        check("GB18030", b"Wang^\xcd\xf5", Some("Wang^王"));
    }

    #[test]
    fn what_is_not_of_the_character_set_is_no_text() {
        check("ISO_IR 192", b"J\xe9r\xf4me", None);
        check("ISO_IR 100", b"\x1b$)C\xd1\xce", None);
        check("ISO_IR 999", b"J\xe9r\xf4me", None);
        check("ISO_IR 999", b"Jerome\0", Some("Jerome"));
    }
}
