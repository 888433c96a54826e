//! What a site keeps of a session between two messages, as bytes for the caller to store.

use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::{crypto::Roots, message::Stage, session::Session};

const VERSION: u8 = 1;
/// Version, stage, whether the last two roots follow, position, session hash, first root.
const HEAD_BYTES: usize = 1 + 1 + 1 + 2 + 32 + 32;
const CHECKSUM_BYTES: usize = 32;

/// A journal that cannot be used. The site drops out of the session and never starts it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Truncated, altered, or of another version.
    #[error("the journal of {got} bytes is damaged")]
    Damaged {
        /// Its length.
        got: usize,
    },
    /// Of another session, or of another site.
    #[error("the journal belongs to another session or site")]
    Foreign,
}

/// The state of a site in a session. `roots.mask` and `roots.own` are zero once they are erased.
pub(super) struct Journal {
    /// The last stage whose body was made.
    pub(super) stage: Stage,
    pub(super) roots: Roots,
    /// Answers of the coordinator as received; empty before.
    pub(super) key_list: Vec<u8>,
    pub(super) share_list: Vec<u8>,
    pub(super) survivors: Vec<u8>,
    /// The body of `stage`, to be sent again byte for byte.
    pub(super) body: Vec<u8>,
}

impl Journal {
    /// Head, the four fields each behind its length, checksum.
    pub(super) fn to_bytes(&self, session: &Session, position: usize) -> Zeroizing<Vec<u8>> {
        let fields = [&self.key_list, &self.share_list, &self.survivors, &self.body];
        let content: usize = fields.iter().map(|field| 4 + field.len()).sum();
        let capacity = HEAD_BYTES + 64 + content + CHECKSUM_BYTES;
        // Allocated once: a growing vector would leave copies of the roots behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        let rooted = self.stage < Stage::Masked;
        let narrow = u16::try_from(position).expect("a session has at most 255 sites");
        bytes.extend([VERSION, self.stage as u8, u8::from(rooted)]);
        bytes.extend(narrow.to_le_bytes());
        bytes.extend(session.hash());
        bytes.extend(self.roots.channel);
        if rooted {
            bytes.extend(self.roots.mask);
            bytes.extend(self.roots.own);
        }
        for field in fields {
            let length =
                u32::try_from(field.len()).expect("a vector has at most 2^24 values of 8 bytes");
            bytes.extend(length.to_le_bytes());
            bytes.extend(field);
        }
        let checksum = Sha256::digest(&*bytes);
        bytes.extend(checksum);
        bytes
    }

    pub(super) fn from_bytes(
        bytes: &[u8],
        session: &Session,
        position: usize,
    ) -> Result<Self, JournalError> {
        let damaged = JournalError::Damaged { got: bytes.len() };
        let content = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(damaged)?;
        let (content, checksum) = bytes.split_at(content);
        if Sha256::digest(content).as_slice() != checksum {
            return Err(damaged);
        }
        let mut reader = Reader(content);
        let head = reader.take(5).ok_or(damaged)?;
        let stage = Stage::ALL.get(usize::from(head[1])).copied().ok_or(damaged)?;
        let rooted = stage < Stage::Masked;
        if head[0] != VERSION || head[2] != u8::from(rooted) {
            return Err(damaged);
        }
        let owner = usize::from(u16::from_le_bytes([head[3], head[4]]));
        if owner != position || reader.take(32).ok_or(damaged)? != session.hash() {
            return Err(JournalError::Foreign);
        }
        let roots = reader.roots(rooted).ok_or(damaged)?;
        let mut field = || reader.field().ok_or(damaged);
        let (key_list, share_list) = (field()?, field()?);
        let journal =
            Self { stage, roots, key_list, share_list, survivors: field()?, body: field()? };
        if reader.0.is_empty() { Ok(journal) } else { Err(damaged) }
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        self.take(usize::try_from(length).ok()?).map(<[u8]>::to_vec)
    }

    fn roots(&mut self, all: bool) -> Option<Roots> {
        let mut random = Zeroizing::new([0; 96]);
        let length = if all { 96 } else { 32 };
        random[..length].copy_from_slice(self.take(length)?);
        let roots = Roots::new(*random);
        random.zeroize();
        Some(roots)
    }
}
