//! The bytes of the messages. Fixed layouts: the size of each message follows from public
//! numbers alone, and each value has one encoding.
//!
//! A *record list* is, for each site in ascending order, its position (two bytes, little-endian)
//! and a record of fixed length.

use sha2::{Digest as _, Sha256};

use super::{
    crypto::{CIPHERTEXT_BYTES, SHARE_BYTES, SIGNATURE_BYTES},
    session::{Ring, Session},
    sites::Sites,
};

/// A message of a site, in the order in which they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Public keys.
    Keys,
    /// Encrypted shares.
    Shares,
    /// The masked vector.
    Masked,
    /// A signature over the survivors.
    Consent,
    /// Shares that remove the masks.
    Reveal,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 5;
    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Keys, Self::Shares, Self::Masked, Self::Consent, Self::Reveal];

    /// The one after this; `None` after the last.
    pub fn next(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }
}

/// Bytes that are no message of the stated kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Not the length that the session fixes.
    #[error("{got} bytes, expected {expected}")]
    Length {
        /// Bytes given.
        got: usize,
        /// Bytes expected, or the length of a record that the rest is no multiple of.
        expected: usize,
    },
    /// Positions outside the roster, repeated or out of order.
    #[error("record {index} has a position outside the roster or out of order")]
    Position {
        /// The record.
        index: usize,
    },
    /// Bits set past the end of the roster.
    #[error("bits are set past the end of the roster")]
    Padding,
    /// A share of an unknown kind.
    #[error("record {index} is a share of an unknown kind")]
    Kind {
        /// The record.
        index: usize,
    },
}

/// First message: two public keys, signed by the site.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    pub(super) channel: [u8; 32],
    pub(super) mask: [u8; 32],
    pub(super) signature: [u8; SIGNATURE_BYTES],
}

impl Keys {
    pub(super) const BYTES: usize = 64 + SIGNATURE_BYTES;

    pub(super) fn to_bytes(self) -> Vec<u8> {
        [self.channel.as_slice(), &self.mask, &self.signature].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes: &[u8; Self::BYTES] = exactly(bytes)?;
        let part = |at: usize| std::array::from_fn(|i| bytes[at + i]);
        Ok(Self {
            channel: part(0),
            mask: part(32),
            signature: std::array::from_fn(|i| bytes[64 + i]),
        })
    }

    /// What the site at `position` signs.
    pub(super) fn signed(
        session: &Session,
        position: usize,
        channel: &[u8; 32],
        mask: &[u8; 32],
    ) -> Vec<u8> {
        let position = (position as u64).to_le_bytes();
        [b"insitu-secagg-keys-v1".as_slice(), session.hash(), &position, channel, mask].concat()
    }
}

/// A record list.
pub(super) type Records<'a> = Vec<(usize, &'a [u8])>;

pub(super) fn write_records<'a>(
    records: impl IntoIterator<Item = (usize, &'a [u8])>,
    into: &mut Vec<u8>,
) {
    for (position, record) in records {
        let narrow = u16::try_from(position).expect("a session has at most 255 sites");
        into.extend(narrow.to_le_bytes());
        into.extend(record);
    }
}

pub(super) fn read_records(
    bytes: &[u8],
    record: usize,
    roster: usize,
) -> Result<Records<'_>, Malformed> {
    let each = 2 + record;
    if !bytes.len().is_multiple_of(each) || bytes.len() / each > roster {
        return Err(Malformed::Length { got: bytes.len(), expected: each });
    }
    let mut records: Records<'_> = Vec::with_capacity(bytes.len() / each);
    for (index, entry) in bytes.chunks_exact(each).enumerate() {
        let position = usize::from(u16::from_le_bytes([entry[0], entry[1]]));
        let ascends = records.last().is_none_or(|(last, _)| *last < position);
        if position >= roster || !ascends {
            return Err(Malformed::Position { index });
        }
        records.push((position, &entry[2..]));
    }
    Ok(records)
}

/// Answer to the first stage: the keys of all who answered.
pub(super) fn read_key_list(bytes: &[u8], roster: usize) -> Result<Vec<(usize, Keys)>, Malformed> {
    let records = read_records(bytes, Keys::BYTES, roster)?;
    records.into_iter().map(|(position, keys)| Ok((position, Keys::from_bytes(keys)?))).collect()
}

pub(super) fn hash_of_key_list(session: &Session, bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"insitu-secagg-key-list-v1");
    hash.update(session.hash());
    hash.update(bytes);
    hash.finalize().into()
}

/// Second message: the commitment to the self seed, then a ciphertext for each site.
pub(super) fn read_shares(
    bytes: &[u8],
    roster: usize,
) -> Result<([u8; 32], Records<'_>), Malformed> {
    let (commitment, list) = split_at(bytes, 32)?;
    Ok((*exactly(commitment)?, read_records(list, CIPHERTEXT_BYTES, roster)?))
}

/// Answer to the second stage: who shared, then the ciphertexts for one site.
pub(super) fn read_share_list(
    bytes: &[u8],
    roster: usize,
) -> Result<(Sites, Records<'_>), Malformed> {
    let (bitmap, list) = split_at(bytes, Sites::bytes(roster))?;
    Ok((Sites::from_bytes(bitmap, roster)?, read_records(list, CIPHERTEXT_BYTES, roster)?))
}

/// Third message: the masked vector.
pub(super) fn write_vector(values: &[u64], ring: Ring) -> Vec<u8> {
    let words = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(ring.bytes()));
    words.collect()
}

pub(super) fn read_vector(bytes: &[u8], session: &Session) -> Result<Vec<u64>, Malformed> {
    if bytes.len() != session.vector_bytes() {
        return Err(Malformed::Length { got: bytes.len(), expected: session.vector_bytes() });
    }
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    Ok(bytes.chunks_exact(session.parameters().ring.bytes()).map(word).collect())
}

/// Answer to the third stage: hash of the key list, then who survived.
pub(super) fn read_survivors(bytes: &[u8], roster: usize) -> Result<([u8; 32], Sites), Malformed> {
    let (hash, bitmap) = split_at(bytes, 32)?;
    Ok((*exactly(hash)?, Sites::from_bytes(bitmap, roster)?))
}

/// What a site signs in the fourth message.
pub(super) fn consent_message(
    session: &Session,
    key_list: &[u8; 32],
    shared: &Sites,
    survived: &Sites,
) -> Vec<u8> {
    let (shared, survived) = (shared.to_bytes(), survived.to_bytes());
    [b"insitu-secagg-unmask-v1".as_slice(), session.hash(), key_list, &shared, &survived].concat()
}

/// Which secret a revealed share is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ShareKind {
    /// The self seed of a site that survived.
    Own,
    /// The mask key of a site that did not.
    Mask,
}

impl ShareKind {
    pub(super) const RECORD_BYTES: usize = 1 + SHARE_BYTES;

    /// The only kind that may be revealed of a site: never both.
    pub(super) fn of(position: usize, survived: &Sites) -> Self {
        if survived.contains(position) { Self::Own } else { Self::Mask }
    }

    pub(super) const fn to_byte(self) -> u8 {
        match self {
            Self::Own => 0,
            Self::Mask => 1,
        }
    }
}

/// Fifth message: a share of each site that shared, of the kind that the survivors allow.
pub(super) fn read_revealed<'a>(
    bytes: &'a [u8],
    shared: &Sites,
    survived: &Sites,
    roster: usize,
) -> Result<Vec<(usize, &'a [u8; SHARE_BYTES])>, Malformed> {
    let records = read_records(bytes, ShareKind::RECORD_BYTES, roster)?;
    if !shared.iter().eq(records.iter().map(|(position, _)| *position)) {
        let expected = shared.len() * (2 + ShareKind::RECORD_BYTES);
        return Err(Malformed::Length { got: bytes.len(), expected });
    }
    let record = |(index, (position, record)): (usize, (usize, &'a [u8]))| {
        if record[0] != ShareKind::of(position, survived).to_byte() {
            return Err(Malformed::Kind { index });
        }
        Ok((position, exactly(&record[1..])?))
    };
    records.into_iter().enumerate().map(record).collect()
}

fn split_at(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), Malformed> {
    bytes.split_at_checked(at).ok_or(Malformed::Length { got: bytes.len(), expected: at })
}

pub(super) fn exactly<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed::Length { got: bytes.len(), expected: N })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_lists_have_one_encoding() {
        let mut bytes = Vec::new();
        write_records([(1, [7_u8, 8].as_slice()), (4, &[9, 10])], &mut bytes);
        assert_eq!(bytes, [1, 0, 7, 8, 4, 0, 9, 10]);
        assert_eq!(read_records(&bytes, 2, 5).unwrap(), [(1, [7_u8, 8].as_slice()), (4, &[9, 10])]);
        assert_eq!(read_records(&bytes, 2, 4), Err(Malformed::Position { index: 1 }));
        assert!(read_records(&bytes[1..], 2, 5).is_err());
        assert!(read_records(&[4, 0, 1, 1, 0, 1], 1, 5).is_err(), "descending");
        assert!(read_records(&[1, 0, 1, 1, 0, 1], 1, 5).is_err(), "repeated");
        assert!(read_records(&[0, 0, 0, 1, 0, 0, 2, 0, 0], 1, 2).is_err(), "more than the roster");
    }

    #[test]
    fn stages_follow_one_another() {
        let mut stage = Stage::Keys;
        for expected in &Stage::ALL[1..] {
            stage = stage.next().unwrap();
            assert_eq!(stage, *expected);
        }
        assert_eq!(stage.next(), None);
    }
}
