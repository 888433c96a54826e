//! The signs that a message separates its values with, and its escapes (2.5.1, section 2.7).

use super::{Encoding, LineError, UNKNOWN_SET};

/// Commands of formatted text that go to another line. Sorted.
const LINES: &[&str] = &[".br", ".ce", ".fi", ".in", ".nf", ".sp", ".ti"];

/// The signs of a message: field, component, repetition, escape, subcomponent.
#[derive(Clone, Copy)]
pub(super) struct Signs {
    pub(super) field: char,
    pub(super) component: char,
    pub(super) repetition: char,
    escape: char,
    pub(super) subcomponent: char,
    /// What characters are coded in, where that is known.
    encoding: Option<Encoding>,
}

/// What an escape stands for.
enum Escaped {
    Char(char),
    /// A part of a character, or several.
    Coded(Vec<u8>),
    /// How text looks.
    Nothing,
}

impl Signs {
    /// The signs that a segment `MSH` names, of a message in `encoding`.
    ///
    /// # Errors
    /// [`LineError::Malformed`] when they are not five, or six with the one of truncation.
    pub(super) fn of(header: &str, encoding: Option<Encoding>) -> Result<Self, LineError> {
        let malformed = LineError::Malformed { reason: "MSH without its five separators" };
        let mut signs = header.chars().skip(3);
        let (Some(field), Some(component), Some(repetition), Some(escape), Some(subcomponent)) =
            (signs.next(), signs.next(), signs.next(), signs.next(), signs.next())
        else {
            return Err(malformed);
        };
        // What is written as it was read must be nothing else.
        let named: Vec<char> = header.chars().skip(4).take_while(|c| *c != field).collect();
        let signs = named.iter().all(char::is_ascii_punctuation);
        if !field.is_ascii_punctuation() || !(4..=5).contains(&named.len()) || !signs {
            return Err(malformed);
        }
        Ok(Self { field, component, repetition, escape, subcomponent, encoding })
    }

    /// `text` with what its escapes stand for; what is no escape stays.
    ///
    /// # Errors
    /// [`LineError::Malformed`] when the codes of characters are none in the message's character set.
    pub(super) fn unescaped(self, text: &str) -> Result<String, LineError> {
        let mut plain = String::with_capacity(text.len());
        // Several escapes may be one character.
        let mut coded = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(self.escape) {
            if !before.is_empty() {
                self.decode(&mut coded, &mut plain)?;
                plain.push_str(before);
            }
            let escape = behind.split_once(self.escape);
            let known = escape.and_then(|(name, behind)| Some((self.escaped_by(name)?, behind)));
            let (escaped, behind) = known.unwrap_or((Escaped::Char(self.escape), behind));
            match escaped {
                Escaped::Char(c) => {
                    self.decode(&mut coded, &mut plain)?;
                    plain.push(c);
                }
                Escaped::Coded(bytes) => coded.extend(bytes),
                Escaped::Nothing => {}
            }
            rest = behind;
        }
        self.decode(&mut coded, &mut plain)?;
        plain.push_str(rest);
        Ok(plain)
    }

    fn escaped_by(self, name: &str) -> Option<Escaped> {
        Some(Escaped::Char(match name {
            "F" => self.field,
            "S" => self.component,
            "R" => self.repetition,
            "T" => self.subcomponent,
            "E" => self.escape,
            "H" | "N" => return Some(Escaped::Nothing),
            _ => match name.strip_prefix('X') {
                Some(digits) => return hexadecimal(digits).map(Escaped::Coded),
                None => formatted(name)?,
            },
        }))
    }

    /// Moves what `coded` stands for to `plain`.
    fn decode(self, coded: &mut Vec<u8>, plain: &mut String) -> Result<(), LineError> {
        if coded.is_empty() {
            return Ok(());
        }
        let encoding = self.encoding.ok_or(UNKNOWN_SET)?;
        let text = String::from_utf8(encoding.to_utf8(std::mem::take(coded)));
        plain.push_str(&text.map_err(|_| LineError::Malformed {
            reason: "an escape \\X..\\ that is no text of the character set in MSH-18: give --encoding",
        })?);
        Ok(())
    }

    /// `text` with escapes for what would separate values, end the segment or frame the message.
    pub(super) fn escaped(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            let name = match c {
                _ if c == self.escape => "E",
                _ if c == self.field => "F",
                _ if c == self.component => "S",
                _ if c == self.repetition => "R",
                _ if c == self.subcomponent => "T",
                '\n' | '\r' => ".br",
                _ if c.is_ascii_control() && c != '\t' => {
                    out.push_str(&format!("{0}X{1:02X}{0}", self.escape, u32::from(c)));
                    continue;
                }
                _ => {
                    out.push(c);
                    continue;
                }
            };
            out.push(self.escape);
            out.push_str(name);
            out.push(self.escape);
        }
        out
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits.is_empty() || !hex || digits.len() % 2 == 1 {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// What stands for a command of formatted text, which may have a number behind it: `.sp+2`.
fn formatted(name: &str) -> Option<char> {
    let (command, number) = name.split_at_checked(3)?;
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    match LINES.binary_search(&command) {
        Ok(_) => Some('\n'),
        Err(_) => (command == ".sk").then_some(' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(encoding: Option<Encoding>) -> Signs {
        Signs::of("MSH|^~\\&|", encoding).ok().unwrap()
    }

    #[test]
    fn escapes_go_and_come() {
        let signs = signs(None);
        let plain = |text| signs.unescaped(text).ok().unwrap();
        assert_eq!(plain(r"a\T\b\S\c\.br\d\E\"), "a&b^c\nd\\");
        assert_eq!(signs.escaped("a&b^c\nd\\\x0b"), r"a\T\b\S\c\.br\d\E\\X0B\");
        assert_eq!(plain(r"a\.sp+2\b\.sk3\c\H\d\N\e"), "a\nb cde");
        // From left to right, and each once.
        assert_eq!(plain(r"\E\T\E\ \E\.br\E\"), r"\T\ \.br\");
        assert_eq!(
            plain(r"C:\temp\T\x \X3\ \Xgg\ \X\ \.br2x\ \"),
            r"C:\temp&x \X3\ \Xgg\ \X\ \.br2x\ \"
        );
    }

    #[test]
    fn characters_are_coded_in_the_message_s_set() {
        let plain = |set, text| signs(Encoding::of_hl7(set)).unescaped(text);
        assert_eq!(plain("8859/1", r"M\XFC\ller").ok().unwrap(), "Müller");
        assert_eq!(plain("", r"M\XC3\\H\\XBC\ller \X30313531\").ok().unwrap(), "Müller 0151");
        assert!(plain("", r"M\XFC\ller").is_err() && plain("EBCDIC", r"\X30\").is_err());
    }

    #[test]
    fn signs_are_signs() {
        let of = |header: &str| Signs::of(header, None).is_ok();
        assert!(of("MSH|^~\\&|") && of("MSH|^~\\&#|") && of("MSH$^~\\&"));
        assert!(!of("MSH|^") && !of("MSH|^~\\|") && !of("MSH|^~\\&Jane Roe|") && !of("MSH1^~\\&1"));
    }

    #[test]
    fn lists_are_sorted() {
        assert!(LINES.is_sorted());
    }
}
