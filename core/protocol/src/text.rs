//! Text for people, bounded in length.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text of at most `MAX` bytes, without control characters; line feeds only where it has `LINES`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize, const LINES: bool>(String);

/// A title, a class, a field: one line.
pub type Line = Text<128, false>;
/// Instructions: a page.
pub type Page = Text<8192, true>;

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Longer than allowed.
    #[error("text of {got_bytes} bytes where {limit_bytes} are allowed")]
    TooLong {
        /// Bytes found.
        got_bytes: usize,
        /// Bytes allowed.
        limit_bytes: usize,
    },
    /// A control character, or one that reorders what is shown: it could forge lines in a terminal
    /// or a log.
    #[error("control character at byte {position}")]
    Control {
        /// Offset of the first one.
        position: usize,
    },
}

impl<const MAX: usize, const LINES: bool> Text<MAX, LINES> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks and takes `text`.
    ///
    /// # Errors
    /// [`TextError`] when it is too long or has control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        if text.len() > MAX {
            return Err(TextError::TooLong { got_bytes: text.len(), limit_bytes: MAX });
        }
        let refused = |c: char| !(LINES && c == '\n') && (c.is_control() || reorders(c));
        match text.char_indices().find(|(_, c)| refused(*c)) {
            Some((position, _)) => Err(TextError::Control { position }),
            None => Ok(Self(text)),
        }
    }
}

/// Line and paragraph separators, and the characters that override the direction of text (Unicode
/// Standard Annex 9).
fn reorders(c: char) -> bool {
    matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl<const MAX: usize, const LINES: bool> TryFrom<String> for Text<MAX, LINES> {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl<const MAX: usize, const LINES: bool> From<Text<MAX, LINES>> for String {
    fn from(text: Text<MAX, LINES>) -> Self {
        text.0
    }
}

impl<const MAX: usize, const LINES: bool> fmt::Display for Text<MAX, LINES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
