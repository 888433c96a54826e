//! Features of labeled items, kept in memory for the length of a training run.
//!
//! A backbone is frozen: what it makes of an item is the same in every round, and in the evaluations
//! between them, and takes longer than all that a round does with it. So it is made once.
//!
//! # Exact
//! What is kept is what would be made again, bit for bit: an item goes through the backbone alone, so
//! that nothing depends on its neighbours in a batch, and is known by its bundle, its name and a hash
//! of its redacted content. An agent that was killed in the middle of a run begins with nothing kept,
//! and answers as it would have.
//!
//! # Forgotten
//! Nothing of it is ever written down. All of it goes with the last round of a run, with an erasure
//! of anything, with another model, and when nobody has asked for [`KEPT_SECONDS`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use insitu_protocol::ids::Digest;

use crate::store::items::ItemRow;

/// Most bytes of what is kept; features of other items are made anew each time. It is as much as
/// 21,000 items of 384 features need.
///
/// So large a list is a mapping of its own: pages of it that were never written take no memory, and
/// all of them go back to the system at once. The allocator would hold on to many small ones.
pub const BYTES_MAX: usize = 32 << 20;
/// What nobody has asked for is forgotten after this long: twice as long as a round waits for its
/// sites unless the coordinator's configuration says otherwise.
pub const KEPT_SECONDS: i64 = 2 * 60 * 60;
/// About what an item costs beside its features.
const ITEM_BYTES: usize = 256;

/// An item as it was when it was read: its name, and a hash of its redacted content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Revision([u8; 32]);

impl Revision {
    /// That of no item.
    #[cfg(test)]
    pub(super) const NONE: Self = Self([0; 32]);

    pub(super) fn of(row: &ItemRow) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&row.opaque).update(&row.content); // a name is of fixed length
        Self(*hasher.finalize().as_bytes())
    }
}

/// What a backbone made of an item.
pub(super) struct Features<'a> {
    /// Of the item, or of each of its words, row-major.
    pub(super) numbers: Cow<'a, [f32]>,
    /// Where its words are, and whether these are the whole text's; of a head of tokens.
    pub(super) words: Option<(Cow<'a, [Range<usize>]>, bool)>,
}

/// Features of items that were asked for before.
pub struct Kept {
    bytes_max: usize,
    bytes: usize,
    numbers: Vec<f32>,
    items: HashMap<(Digest, Revision), Place>,
    /// How often the store had erased something when the first were made.
    erasures: u64,
    asked_at: i64,
}

/// Where an item's features are.
struct Place {
    numbers: Range<usize>,
    words: Option<(Vec<Range<usize>>, bool)>,
}

impl Kept {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::within(BYTES_MAX)
    }

    /// Nothing, ever: each item's features are made when they are asked for.
    pub fn nothing() -> Self {
        Self::within(0)
    }

    pub(crate) fn within(bytes_max: usize) -> Self {
        let (numbers, items) = (Vec::new(), HashMap::new());
        Self { bytes_max, bytes: 0, numbers, items, erasures: 0, asked_at: 0 }
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Forgets everything, and gives its memory back.
    pub fn forget(&mut self) {
        *self = Self::within(self.bytes_max);
    }

    /// Forgets what may not be kept any longer, at this time (Unix seconds) and of a store that has
    /// erased something so often.
    pub fn look(&mut self, erasures: u64, now: i64) {
        // A clock that was set back says nothing of how long it has been.
        let fresh = (0..KEPT_SECONDS).contains(&now.saturating_sub(self.asked_at));
        if !self.is_empty() && (self.erasures != erasures || !fresh) {
            self.forget();
        }
    }

    /// As [`Self::look`], before items are asked for: what is erased from now on is seen later.
    pub fn ask(&mut self, erasures: u64, now: i64) {
        self.look(erasures, now);
        (self.erasures, self.asked_at) = (erasures, now);
    }

    pub(super) fn has(&self, bundle: Digest, item: Revision) -> bool {
        self.items.contains_key(&(bundle, item))
    }

    /// What this bundle's backbone made of an item, if it is kept.
    pub(super) fn get(&self, bundle: Digest, item: Revision) -> Option<Features<'_>> {
        let Place { numbers, words } = self.items.get(&(bundle, item))?;
        let words = words.as_ref().map(|(ranges, whole)| (ranges.as_slice().into(), *whole));
        Some(Features { numbers: self.numbers[numbers.clone()].into(), words })
    }

    /// Keeps an item's features if there is room for them; else gives them back.
    pub(super) fn keep<'a>(
        &mut self,
        bundle: Digest,
        item: Revision,
        made: Features<'a>,
    ) -> Option<Features<'a>> {
        let ranges = made.words.as_ref().map_or(0, |(ranges, _)| size_of_val(&ranges[..]));
        let bytes = ITEM_BYTES + size_of_val(&made.numbers[..]) + ranges;
        if self.bytes + bytes > self.bytes_max {
            return Some(made);
        }
        if self.numbers.capacity() == 0 {
            self.numbers = Vec::with_capacity(self.bytes_max / size_of::<f32>());
        }
        let start = self.numbers.len();
        self.numbers.extend_from_slice(&made.numbers);
        let words = made.words.map(|(ranges, whole)| (ranges.into_owned(), whole));
        self.items.insert((bundle, item), Place { numbers: start..self.numbers.len(), words });
        self.bytes += bytes;
        None
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Kept {
    /// Without anything that came from an item.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({} bytes at most)", self.bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;

    use super::*;

    const ERASURES: u64 = 3;
    const NOW: i64 = 100_000;

    fn of(numbers: &[f32]) -> Features<'_> {
        Features { numbers: numbers.into(), words: None }
    }

    fn found<'a>(kept: &'a Kept, bundle: u8, item: u8) -> Option<Features<'a>> {
        kept.get(Fixed([bundle; 32]), Revision([item; 32]))
    }

    /// Two items, the second of which is a text of two words.
    fn some() -> Kept {
        let mut kept = Kept::new();
        kept.ask(ERASURES, NOW);
        assert!(kept.keep(Fixed([1; 32]), Revision([1; 32]), of(&[1.0, f32::NAN])).is_none());
        let words = Some((vec![0..2, 3..4].into(), true));
        let text = Features { words, ..of(&[2.0, 3.0, 4.0, 5.0]) };
        assert!(kept.keep(Fixed([1; 32]), Revision([2; 32]), text).is_none());
        kept
    }

    #[test]
    fn an_item_is_found_under_its_bundle_and_its_revision_alone() {
        let kept = some();
        let first = found(&kept, 1, 1).unwrap();
        assert_eq!((first.numbers[0], first.numbers.len()), (1.0, 2));
        assert!(first.numbers[1].is_nan() && first.words.is_none());
        let text = found(&kept, 1, 2).unwrap();
        assert_eq!(text.numbers, &[2.0, 3.0, 4.0, 5.0][..]);
        let (ranges, whole) = text.words.unwrap();
        assert_eq!((&ranges[..], whole), (&[0..2, 3..4][..], true));
        assert!(found(&kept, 2, 1).is_none() && found(&kept, 1, 3).is_none());
    }

    #[test]
    fn erasures_and_time_make_it_forget_and_a_clock_that_was_set_back_too() {
        for (erasures, now, stays) in [
            (ERASURES, NOW, true),
            (ERASURES, NOW + KEPT_SECONDS - 1, true),
            (ERASURES, NOW + KEPT_SECONDS, false),
            (ERASURES, NOW - 1, false),
            (ERASURES + 1, NOW, false),
        ] {
            let mut kept = some();
            kept.look(erasures, now);
            assert_eq!(kept.is_empty(), !stays, "{erasures} {now}");
            assert_eq!(kept.numbers.capacity() == 0, !stays, "memory goes with it");
        }
        let mut kept = some();
        kept.ask(ERASURES, NOW + 10);
        kept.look(ERASURES, NOW + KEPT_SECONDS);
        assert!(!kept.is_empty(), "it counts from the last time that somebody asked");
    }

    #[test]
    fn what_does_not_fit_is_given_back() {
        let bundle = Fixed([1; 32]);
        let mut kept = Kept::within(2 * ITEM_BYTES + 8);
        for item in 0..2 {
            assert!(kept.keep(bundle, Revision([item; 32]), of(&[1.0])).is_none());
        }
        let back = kept.keep(bundle, Revision([2; 32]), of(&[2.0])).unwrap();
        assert_eq!(back.numbers, &[2.0][..]);
        assert!(kept.bytes <= kept.bytes_max && !kept.has(bundle, Revision([2; 32])));
        kept.forget();
        assert!(kept.keep(bundle, Revision([2; 32]), of(&[2.0])).is_none(), "there is room again");
        let mut never = Kept::nothing();
        assert!(never.keep(bundle, Revision([0; 32]), of(&[])).is_some() && never.is_empty());
    }
}
