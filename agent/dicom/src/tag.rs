//! Tags of data elements, and the dictionary of those that the standard defines (PS3.6).

use std::fmt;
use std::sync::LazyLock;

use crate::vr::Vr;

/// Tag and representations on each line, by tag.
const DICTIONARY: &str = include_str!("../data/dictionary.tsv");

static ENTRIES: LazyLock<Vec<(Tag, Vec<Vr>)>> = LazyLock::new(|| {
    DICTIONARY
        .lines()
        .filter_map(|line| {
            let (tag, vrs) = line.split_once('\t')?;
            let vr = |code: &str| Vr::from_code(code.as_bytes().try_into().ok()?);
            Some((Tag(u32::from_str_radix(tag, 16).ok()?), vrs.split('/').filter_map(vr).collect()))
        })
        .collect()
});

/// The tag of a data element: group in the upper half, element in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u32);

impl Tag {
    pub(crate) const ITEM: Self = Self(0xfffe_e000);
    pub(crate) const ITEM_END: Self = Self(0xfffe_e00d);
    pub(crate) const SEQUENCE_END: Self = Self(0xfffe_e0dd);
    pub(crate) const CHARACTER_SET: Self = Self(0x0008_0005);
    pub(crate) const SOP_CLASS: Self = Self(0x0008_0016);
    pub(crate) const SOP_INSTANCE: Self = Self(0x0008_0018);
    pub(crate) const PATIENT_ID: Self = Self(0x0010_0020);
    pub(crate) const STUDY: Self = Self(0x0020_000d);
    pub(crate) const PIXELS: Self = Self(0x7fe0_0010);

    pub(crate) const fn group(self) -> u32 {
        self.0 >> 16
    }

    pub(crate) const fn element(self) -> u32 {
        self.0 & 0xffff
    }

    /// Whether a manufacturer has given it its meaning.
    pub(crate) const fn is_private(self) -> bool {
        self.group() % 2 == 1
    }

    /// Curves and overlays, which lie in 128 groups each.
    pub(crate) const fn is_graphic(self) -> bool {
        matches!(self.group() >> 8, 0x50 | 0x60)
    }

    /// What the standard lets it hold; `None` when it does not define the tag.
    pub(crate) fn representations(self) -> Option<&'static [Vr]> {
        let at = ENTRIES.binary_search_by_key(&self, |(tag, _)| *tag).ok()?;
        Some(&ENTRIES[at].1)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X})", self.group(), self.element())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_entry_in_order() {
        assert_eq!(ENTRIES.len(), DICTIONARY.lines().count());
        assert!(ENTRIES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(ENTRIES.iter().all(|(tag, vrs)| !vrs.is_empty() && !tag.is_private()));
        let foreign = |tag: &Tag| matches!(tag.group(), 0x0000 | 0x0004 | 0x0006);
        assert!(!ENTRIES.iter().any(|(tag, _)| foreign(tag)), "of commands or directories");
        let slashes = DICTIONARY.matches('/').count();
        let vrs: usize = ENTRIES.iter().map(|(_, vrs)| vrs.len()).sum();
        assert_eq!(vrs, ENTRIES.len() + slashes, "a representation is not known");
    }

    #[test]
    fn tags_are_found_and_shown() {
        assert_eq!(Tag(0x0010_0010).representations(), Some(&[Vr::Pn][..]));
        assert_eq!(Tag::PIXELS.representations(), Some(&[Vr::Ob, Vr::Ow][..]));
        assert_eq!(Tag(0x0009_0010).representations(), None);
        assert_eq!(Tag(0x7fe0_0010).to_string(), "(7FE0,0010)");
    }
}
