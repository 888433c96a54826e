//! Text as the tagger reads it: words, numbers, single signs, line ends.

use super::super::scan::is_mark;

/// A token. Offsets are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) const fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is_line_end(&self) -> bool {
        self.text == "\n"
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Sign,
    Space,
}

fn class(c: char) -> Class {
    if c.is_alphabetic() || is_mark(c) {
        Class::Letter
    } else if c.is_numeric() {
        Class::Digit
    } else if c.is_whitespace() && c != '\n' {
        Class::Space
    } else {
        Class::Sign
    }
}

/// Splits `text` into tokens: letters, digits, and each other sign by itself.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut start = 0;
    let mut current = Class::Space;
    for (at, c) in text.char_indices() {
        let class = class(c);
        if class != current || class == Class::Sign {
            if current != Class::Space && at > start {
                tokens.push(Token { text: &text[start..at], start });
            }
            (start, current) = (at, class);
        }
    }
    if current != Class::Space && start < text.len() {
        tokens.push(Token { text: &text[start..], start });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_digits_and_signs_are_apart() {
        let found: Vec<_> = tokens("Dr. Ñu-3b\n\n 😀é").iter().map(|t| t.text).collect();
        assert_eq!(found, ["Dr", ".", "Ñu", "-", "3", "b", "\n", "\n", "😀", "é"]);
    }
}
