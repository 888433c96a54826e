//! Random bits for noise: ChaCha20, keyed by the operating system for one call.
//!
//! Every 4 KiB the generator is keyed anew with its own output, which nobody else ever sees (fast key
//! erasure, D. Bernstein 2017), and what it gave is overwritten when it is dropped: what stays in
//! memory after a call tells at most of the last 4 KiB of it, and nothing of a later one.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use zeroize::Zeroizing;

use super::NoiseError;
use super::gaussian::RandomBits;

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes from one key: the next key, then the stream's.
const BYTES: usize = 4096;

/// A stream of random bits, never used for two calls.
pub(super) struct Keystream {
    /// The next key, then the stream's.
    bytes: Zeroizing<[u8; BYTES]>,
    /// Where the next bytes are.
    at: usize,
    /// Bits that were taken from the bytes and not given yet, the next the lowest.
    held: Zeroizing<u64>,
    /// How many, at most 31.
    left: u32,
}

impl Keystream {
    /// A stream with a key of its own from the operating system.
    pub(super) fn of_system() -> Result<Self, NoiseError> {
        let mut key = Zeroizing::new([0; KEY]);
        getrandom::fill(&mut *key).map_err(|_| NoiseError::Randomness)?;
        Ok(Self::of_key(&key))
    }

    fn of_key(key: &[u8; KEY]) -> Self {
        let mut bytes = Zeroizing::new([0; BYTES]);
        bytes[..KEY].copy_from_slice(key);
        Self { bytes, at: BYTES, held: Zeroizing::new(0), left: 0 }
    }

    fn refill(&mut self) {
        let mut key = Zeroizing::new([0; KEY]);
        key.copy_from_slice(&self.bytes[..KEY]);
        ChaCha20Rng::from_seed(*key).fill_bytes(&mut *self.bytes);
        self.at = KEY;
    }

    fn word(&mut self) -> u32 {
        if self.at == BYTES {
            self.refill();
        }
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[self.at..self.at + 4]);
        self.at += 4;
        u32::from_le_bytes(word)
    }
}

impl RandomBits for Keystream {
    #[expect(clippy::cast_possible_truncation, reason = "masked to at most 32 bits")]
    #[inline]
    fn bits(&mut self, count: u32) -> u32 {
        if self.left < count {
            *self.held |= u64::from(self.word()) << self.left;
            self.left += 32;
        }
        let drawn = *self.held & ((1 << count) - 1);
        *self.held >>= count;
        self.left -= count;
        drawn as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439, appendix A.1, test vector 1: the first 64 bytes under a key of zeros.
    #[test]
    fn bits_are_those_of_chacha20_after_the_next_key() {
        let mut stream = Keystream::of_key(&[0; KEY]);
        assert_eq!(stream.bits(32).to_le_bytes(), [0xda, 0x41, 0x59, 0x7c]);
        assert_eq!(stream.bytes[..8], [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        // 0x8d485751, then 0x3fe02477, from their lowest bits on.
        assert_eq!(stream.bits(4), 0x1);
        assert_eq!(stream.bits(0), 0);
        assert_eq!(stream.bits(32), 0x78d4_8575);
        assert_eq!(stream.bits(28), 0x3fe_0247);
    }

    #[test]
    fn the_stream_goes_on_under_the_next_key() {
        let mut stream = Keystream::of_key(&[1; KEY]);
        let per_key = (BYTES - KEY) / 4;
        let first: Vec<u32> = (0..per_key).map(|_| stream.bits(32)).collect();
        let next: [u8; KEY] = stream.bytes[..KEY].try_into().unwrap();
        assert_ne!(next, [1; KEY]);
        let second: Vec<u32> = (0..per_key).map(|_| stream.bits(32)).collect();
        let mut anew = Keystream::of_key(&next);
        assert!(second.iter().all(|bits| *bits == anew.bits(32)));
        assert_ne!(first, second);
        assert_ne!(next, stream.bytes[..KEY], "the key is gone");
    }

    #[test]
    fn no_two_streams_are_the_same() {
        let (mut a, mut b) = (Keystream::of_system().unwrap(), Keystream::of_system().unwrap());
        let same = (0..10_000).filter(|_| a.bits(32) == b.bits(32)).count();
        assert!(same < 3, "{same} of 10,000");
    }
}
