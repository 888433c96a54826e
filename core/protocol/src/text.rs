//! Text for people, bounded in length.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text of at most `MAX` bytes, without control characters other than line feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(String);

/// A title, a class, a field: one line.
pub type Line = Text<128>;
/// Instructions: a page.
pub type Page = Text<8192>;

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
    /// A control character, which could forge lines in a terminal or a log.
    #[error("control character at byte {position}")]
    Control {
        /// Offset of the first one.
        position: usize,
    },
}

impl<const MAX: usize> Text<MAX> {
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
        match text.char_indices().find(|(_, c)| c.is_control() && *c != '\n') {
            Some((position, _)) => Err(TextError::Control { position }),
            None => Ok(Self(text)),
        }
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
