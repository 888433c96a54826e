//! Contribution bound: at most m items of each subject in one release.
//!
//! # Privacy
//! Which items of a subject are kept is decided by a keyed hash of the window and the item alone.
//! It depends on no label, no score, no time of arrival and no other subject, so removing one
//! subject changes nothing about what is kept of the others; and asking again within a window
//! selects the same items again. The sensitivities of this crate rest on both properties.
//!
//! The key is the agent's own secret: whoever does not hold it cannot choose items that survive.
//! It must be fixed before the window's items are known, and kept for the window.

use std::{fmt, num::NonZeroU32};

/// A subject as this crate sees one: an opaque reference (a keyed hash of the pseudonym).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectRef(pub [u8; 32]);

/// An item as this crate sees one: an opaque reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemRef(pub [u8; 32]);

/// The agent's secret key of the selection.
#[derive(Clone)]
pub struct ContributionKey([u8; 32]);

impl ContributionKey {
    /// A key from 32 secret random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for ContributionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContributionKey(..)")
    }
}

/// The most items, m, that one subject contributes to one release. At least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemsPerSubject(NonZeroU32);

impl ItemsPerSubject {
    /// One item of each subject: the default of statistics.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// `None` for zero, which would be no release, and above [`ItemsPerSubject::MAX`].
    pub fn new(items: u32) -> Option<Self> {
        NonZeroU32::new(items).filter(|items| items.get() <= Self::MAX).map(Self)
    }

    /// The largest bound: noise grows with m, and 1,000 is far beyond what any release can use.
    pub const MAX: u32 = 1_000;

    /// m.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// The positions in `items` that take part in a release over `window`, in ascending order: of
/// each subject the `limit` items with the smallest keyed hashes.
///
/// `window` names the release's window to the agent, by any bytes that do not repeat. Items must
/// be distinct; of equal ones the earlier position goes first, and the bound still holds.
pub fn select(
    key: &ContributionKey,
    window: &[u8],
    limit: ItemsPerSubject,
    items: &[(SubjectRef, ItemRef)],
) -> Vec<usize> {
    let mut order: Vec<(SubjectRef, [u8; 32], usize)> = items
        .iter()
        .enumerate()
        .map(|(position, (subject, item))| (*subject, rank(key, window, item), position))
        .collect();
    order.sort_unstable();
    let mut kept: Vec<usize> = order
        .chunk_by(|a, b| a.0 == b.0)
        .flat_map(|of_subject| of_subject.iter().take(limit.get() as usize))
        .map(|(_, _, position)| *position)
        .collect();
    kept.sort_unstable();
    kept
}

fn rank(key: &ContributionKey, window: &[u8], item: &ItemRef) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(b"insitu contribution v1");
    // The item has a fixed length and comes last, so the concatenation is unambiguous.
    hasher.update(window).update(&item.0);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(byte: u8) -> ContributionKey {
        ContributionKey::new([byte; 32])
    }

    fn reference(number: usize) -> [u8; 32] {
        *blake3::hash(&number.to_le_bytes()).as_bytes()
    }

    /// `items` items, the i-th of subject i mod `subjects`.
    fn population(items: usize, subjects: usize) -> Vec<(SubjectRef, ItemRef)> {
        let pair = |i| (SubjectRef(reference(1_000_000 + i % subjects)), ItemRef(reference(i)));
        (0..items).map(pair).collect()
    }

    #[test]
    fn each_subject_keeps_the_smaller_of_its_items_and_the_limit() {
        let items = population(100, 7);
        for limit in [1, 3, 14, 15, 50] {
            let kept = select(&key(1), b"w", ItemsPerSubject::new(limit).unwrap(), &items);
            assert!(kept.is_sorted());
            let mut counts: BTreeMap<SubjectRef, u32> = BTreeMap::new();
            for position in kept {
                *counts.entry(items[position].0).or_default() += 1;
            }
            for (subject, count) in counts {
                let all = items.iter().filter(|(owner, _)| *owner == subject).count();
                assert_eq!(count, limit.min(u32::try_from(all).unwrap()));
            }
        }
    }

    #[test]
    fn removing_a_subject_changes_nothing_for_the_others() {
        let items = population(60, 9);
        let limit = ItemsPerSubject::new(2).unwrap();
        let chosen = |items: &[(SubjectRef, ItemRef)]| -> Vec<ItemRef> {
            select(&key(2), b"w", limit, items).into_iter().map(|at| items[at].1).collect()
        };
        for gone in 0..9 {
            let left: Vec<_> = items.iter().copied().filter(|(s, _)| *s != items[gone].0).collect();
            let of_others: Vec<_> = select(&key(2), b"w", limit, &items)
                .into_iter()
                .filter(|at| items[*at].0 != items[gone].0)
                .map(|at| items[at].1)
                .collect();
            assert_eq!(chosen(&left), of_others);
        }
    }

    #[test]
    fn order_of_arrival_does_not_matter_but_window_and_key_do() {
        let items = population(400, 40);
        let set = |key: &ContributionKey, window: &[u8], items: &[(SubjectRef, ItemRef)]| {
            let mut set: Vec<ItemRef> = select(key, window, ItemsPerSubject::ONE, items)
                .into_iter()
                .map(|at| items[at].1)
                .collect();
            set.sort_unstable();
            set
        };
        let reversed: Vec<_> = items.iter().rev().copied().collect();
        assert_eq!(set(&key(3), b"w1", &items), set(&key(3), b"w1", &reversed));
        assert_ne!(set(&key(3), b"w1", &items), set(&key(3), b"w2", &items));
        assert_ne!(set(&key(3), b"w1", &items), set(&key(4), b"w1", &items));
    }

    #[test]
    fn repeated_items_do_not_pass_the_bound() {
        let one = population(1, 1)[0];
        assert_eq!(select(&key(5), b"w", ItemsPerSubject::new(2).unwrap(), &[one; 5]), [0, 1]);
        assert!(ItemsPerSubject::new(0).is_none() && ItemsPerSubject::new(1_001).is_none());
    }
}
