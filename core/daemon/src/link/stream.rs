//! One message of a stream, in and out.

use insitu_protocol::frame::{self, FrameError, Message, PREFIX_BYTES};
use quinn::{ReadExactError, RecvStream};

/// Why a stream has no message.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It ends before the message does.
    Truncated,
    /// It is not a message.
    Frame(FrameError),
    /// The peer reset it, or the connection is gone.
    Lost(quinn::ReadError),
}

/// A message announced: its length fits its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) length: usize,
}

/// Reads the length and the kind; refuses what is unknown or over its limit before the rest comes.
pub(crate) async fn read_head<M: Message>(recv: &mut RecvStream) -> Result<Head, ReadError> {
    let mut prefix = [0; PREFIX_BYTES];
    recv.read_exact(&mut prefix).await?;
    let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if length == 0 {
        return Err(ReadError::Frame(FrameError::Empty));
    }
    let mut kind = [0];
    recv.read_exact(&mut kind).await?;
    let [kind] = kind;
    frame::check_length::<M>(kind, length).map_err(ReadError::Frame)?;
    Ok(Head { kind, length })
}

/// Reads the rest, to the end of the stream.
pub(crate) async fn read_body<M: Message>(
    recv: &mut RecvStream,
    head: Head,
) -> Result<M, ReadError> {
    let mut body = vec![0; head.length];
    body[0] = head.kind;
    recv.read_exact(&mut body[1..]).await?;
    let mut extra = [0];
    if let Some(extra_bytes) = recv.read(&mut extra).await.map_err(ReadError::Lost)? {
        return Err(ReadError::Frame(FrameError::Trailing { extra_bytes }));
    }
    frame::decode(&body).map_err(ReadError::Frame)
}

impl From<ReadExactError> for ReadError {
    fn from(error: ReadExactError) -> Self {
        match error {
            ReadExactError::FinishedEarly(_) => Self::Truncated,
            ReadExactError::ReadError(error) => Self::Lost(error),
        }
    }
}
