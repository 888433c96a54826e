//! Framing: one message per stream, `u32` little-endian length, then the postcard body.
//!
//! Every message is an enum, so the first byte of a body is its kind, and each kind has a limit of
//! its own: a reader can refuse an oversized or unknown message before it reads the rest.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the length prefix.
pub const PREFIX_BYTES: usize = 4;

/// A message that travels alone on a stream.
pub trait Message: Serialize + DeserializeOwned {
    /// Longest body of each kind, in bytes, indexed by the kind (the enum's variant index).
    const BYTES_MAX: &'static [usize];
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// No body at all.
    #[error("empty message")]
    Empty,
    /// A kind this version does not know.
    #[error("message of unknown kind {kind}")]
    UnknownKind {
        /// The first byte of the body.
        kind: u8,
    },
    /// A body over the limit of its kind.
    #[error("message of kind {kind} has {got_bytes} bytes where {limit_bytes} are allowed")]
    TooLong {
        /// The first byte of the body.
        kind: u8,
        /// Bytes announced or found.
        got_bytes: usize,
        /// Bytes allowed.
        limit_bytes: usize,
    },
    /// The body does not decode.
    #[error("malformed message of {got_bytes} bytes")]
    Malformed {
        /// Bytes found.
        got_bytes: usize,
        /// What the decoder says.
        source: postcard::Error,
    },
    /// The body decodes, but something is left over.
    #[error("{extra_bytes} bytes after the end of the message")]
    Trailing {
        /// Bytes left over.
        extra_bytes: usize,
    },
}

/// Checks a body's announced length against the limit of its kind, before the body is read.
///
/// # Errors
/// [`FrameError::UnknownKind`], [`FrameError::TooLong`].
pub fn check_length<M: Message>(kind: u8, length: usize) -> Result<(), FrameError> {
    let Some(&limit_bytes) = M::BYTES_MAX.get(usize::from(kind)) else {
        return Err(FrameError::UnknownKind { kind });
    };
    if length > limit_bytes {
        return Err(FrameError::TooLong { kind, got_bytes: length, limit_bytes });
    }
    Ok(())
}

/// Encodes a message with its length prefix.
///
/// # Errors
/// [`FrameError::TooLong`] when it is over the limit of its kind: the caller built too much.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; PREFIX_BYTES];
    frame = postcard::to_extend(message, frame)
        .map_err(|source| FrameError::Malformed { got_bytes: 0, source })?;
    let length = frame.len() - PREFIX_BYTES;
    let kind = *frame.get(PREFIX_BYTES).ok_or(FrameError::Empty)?;
    check_length::<M>(kind, length)?;
    let prefix = u32::try_from(length).map_err(|_| FrameError::TooLong {
        kind,
        got_bytes: length,
        limit_bytes: u32::MAX as usize,
    })?;
    frame[..PREFIX_BYTES].copy_from_slice(&prefix.to_le_bytes());
    Ok(frame)
}

/// Decodes a body (without its prefix), to the last byte.
///
/// # Errors
/// [`FrameError`] for anything that is not exactly one message.
pub fn decode<M: Message>(body: &[u8]) -> Result<M, FrameError> {
    let kind = *body.first().ok_or(FrameError::Empty)?;
    check_length::<M>(kind, body.len())?;
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(FrameError::Trailing { extra_bytes: rest.len() }),
        Err(source) => Err(FrameError::Malformed { got_bytes: body.len(), source }),
    }
}
