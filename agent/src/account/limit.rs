//! Limits on attempts: token buckets, as many as fit a fixed table, and whom an address stands for.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Buckets of one table. Two keys may share one, which makes it stricter, never laxer.
const SLOTS: usize = 4096;

/// Token buckets by key.
///
/// A bucket is the moment at which it will be full again (the generic cell rate algorithm, ITU-T
/// I.371): each attempt moves it by `every`, and no further ahead than `burst` attempts.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Secret, so that nobody finds keys that share a bucket.
    key: [u8; 32],
    every_ms: i64,
    burst: i64,
    full_at_ms: Mutex<Box<[i64]>>,
}

impl Buckets {
    /// `burst` attempts at once, then one `every` so often.
    pub(super) fn new(burst: u32, every: Duration) -> Self {
        let mut key = [0; 32];
        if getrandom::fill(&mut key).is_err() {
            tracing::warn!("no randomness: which names share a limit can be foreseen");
        }
        let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        let full_at_ms = Mutex::new(vec![i64::MIN; SLOTS].into_boxed_slice());
        Self { key, every_ms, burst: i64::from(burst), full_at_ms }
    }

    /// Takes an attempt out of a bucket.
    ///
    /// # Errors
    /// How long until there is one.
    pub(super) fn take(&self, of: &[u8], now_ms: i64) -> Result<(), Duration> {
        let ahead_max = self.every_ms * self.burst;
        let mut all = self.full_at_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = &mut all[self.slot(of)];
        // No further ahead than attempts can have moved it, also when the clock was set back.
        let ahead = full_at.saturating_sub(now_ms).clamp(0, ahead_max) + self.every_ms;
        if ahead > ahead_max {
            let wait = u64::try_from(ahead - ahead_max).unwrap_or(0);
            return Err(Duration::from_millis(wait));
        }
        *full_at = now_ms + ahead;
        Ok(())
    }

    /// Puts an attempt back that was none.
    pub(super) fn put_back(&self, of: &[u8]) {
        let mut all = self.full_at_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = &mut all[self.slot(of)];
        *full_at = full_at.saturating_sub(self.every_ms);
    }

    fn slot(&self, of: &[u8]) -> usize {
        let hash = blake3::keyed_hash(&self.key, of);
        let [a, b, ..] = *hash.as_bytes();
        usize::from(u16::from_le_bytes([a, b])) % SLOTS
    }
}

/// The part of an address that stands for its owner: of version 6 the first half.
pub(super) fn network(peer: IpAddr) -> [u8; 16] {
    match peer.to_canonical() {
        IpAddr::V4(four) => four.to_ipv6_mapped().octets(),
        IpAddr::V6(six) => {
            let mut octets = six.octets();
            octets[8..].fill(0);
            octets
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_at_a_time() {
        let buckets = Buckets::new(3, Duration::from_secs(10));
        for _ in 0..3 {
            buckets.take(b"ada", 1_000).unwrap();
        }
        assert_eq!(buckets.take(b"ada", 1_000), Err(Duration::from_secs(10)));
        assert_eq!(buckets.take(b"ada", 10_999), Err(Duration::from_millis(1)));
        buckets.take(b"ada", 11_000).unwrap();
        assert!(buckets.take(b"ada", 11_000).is_err());
        buckets.put_back(b"ada");
        buckets.take(b"ada", 11_000).unwrap();
        assert!(buckets.take(b"ada", 11_000).is_err());
        for _ in 0..3 {
            buckets.take(b"ada", 100_000).unwrap();
        }
        assert!(buckets.take(b"ada", 100_000).is_err(), "a long pause gives one burst, not more");
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let buckets = Buckets::new(2, Duration::from_secs(10));
        buckets.take(b"ada", 1_000_000_000).unwrap();
        buckets.take(b"ada", 1_000_000_000).unwrap();
        assert_eq!(buckets.take(b"ada", 0), Err(Duration::from_secs(10)));
    }

    #[test]
    fn others_are_not_counted_against_one() {
        let buckets = Buckets::new(1, Duration::from_secs(10));
        let passed = (0..100_u32).filter(|i| buckets.take(&i.to_le_bytes(), 0).is_ok()).count();
        assert!(passed > 90, "{passed} of 100 names passed, few share a bucket");
    }
}
