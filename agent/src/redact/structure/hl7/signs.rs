//! The signs that a message separates its values with, and the escapes for them.

use super::LineError;

/// The signs of a message: field, component, repetition, escape, subcomponent.
#[derive(Clone, Copy)]
pub(super) struct Signs {
    pub(super) field: char,
    pub(super) component: char,
    pub(super) repetition: char,
    pub(super) escape: char,
    pub(super) subcomponent: char,
}

impl Signs {
    pub(super) fn of(header: &str) -> Result<Self, LineError> {
        let mut signs = header.chars().skip(3);
        let (Some(field), Some(component), Some(repetition), Some(escape), Some(subcomponent)) =
            (signs.next(), signs.next(), signs.next(), signs.next(), signs.next())
        else {
            return Err(LineError::Malformed { reason: "MSH without its five separators" });
        };
        Ok(Self { field, component, repetition, escape, subcomponent })
    }

    pub(super) fn unescaped(self, text: &str) -> String {
        let escapes = [
            ("F", self.field),
            ("S", self.component),
            ("R", self.repetition),
            ("T", self.subcomponent),
        ];
        let mut plain = text.to_owned();
        for (name, sign) in escapes {
            plain = plain.replace(&format!("{0}{name}{0}", self.escape), &sign.to_string());
        }
        plain
            .replace(&format!("{0}.br{0}", self.escape), "\n")
            .replace(&format!("{0}E{0}", self.escape), &self.escape.to_string())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_go_and_come() {
        let signs = Signs::of("MSH|^~\\&|").ok().unwrap();
        assert_eq!(signs.unescaped("a\\T\\b\\S\\c\\.br\\d\\E\\"), "a&b^c\nd\\");
        assert_eq!(signs.escaped("a&b^c\nd\\"), "a\\T\\b\\S\\c\\.br\\d\\E\\");
        assert!(Signs::of("MSH|^").is_err());
    }
}
