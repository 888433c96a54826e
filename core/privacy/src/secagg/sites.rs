//! A set of sites, by their positions in the roster.

use super::message::Malformed;

/// The most sites of one session: Shamir over GF(256) has 255 points other than zero.
pub(super) const SITES_MAX: usize = 255;

/// A set of positions in the roster of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sites {
    present: Vec<bool>,
}

impl Sites {
    /// Every site out of `roster`.
    pub(super) fn all(roster: usize) -> Self {
        Self { present: vec![true; roster] }
    }

    /// Whether the site at `position` is in the set; false outside the roster.
    pub fn contains(&self, position: usize) -> bool {
        self.present.get(position).copied().unwrap_or(false)
    }

    /// Number of sites in the set.
    pub fn len(&self) -> usize {
        self.present.iter().filter(|present| **present).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The positions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.present
            .iter()
            .enumerate()
            .filter_map(|(position, present)| present.then_some(position))
    }

    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.iter().all(|position| other.contains(position))
    }

    /// Bytes of the bitmap of a roster.
    pub(super) const fn bytes(roster: usize) -> usize {
        roster.div_ceil(8)
    }

    /// One bit a site, the first site in the lowest bit of the first byte.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bitmap = vec![0; Self::bytes(self.present.len())];
        for position in self.iter() {
            bitmap[position / 8] |= 1 << (position % 8);
        }
        bitmap
    }

    pub(super) fn from_bytes(bitmap: &[u8], roster: usize) -> Result<Self, Malformed> {
        if bitmap.len() != Self::bytes(roster) {
            return Err(Malformed::Length { got: bitmap.len(), expected: Self::bytes(roster) });
        }
        let present = (0..roster).map(|at| bitmap[at / 8] >> (at % 8) & 1 == 1).collect();
        let sites = Self { present };
        // Bits past the roster would give one set two encodings.
        if sites.to_bytes() == bitmap { Ok(sites) } else { Err(Malformed::Padding) }
    }
}

impl FromIterator<bool> for Sites {
    fn from_iter<I: IntoIterator<Item = bool>>(present: I) -> Self {
        Self { present: present.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_round_trip_and_have_one_encoding() {
        for roster in [1, 7, 8, 9, 255] {
            let set: Sites = (0..roster).map(|at| at % 3 == 0).collect();
            let bytes = set.to_bytes();
            assert_eq!(Sites::from_bytes(&bytes, roster).unwrap(), set);
            assert_eq!(set.len(), roster.div_ceil(3));
            assert!(Sites::from_bytes(&bytes[1..], roster).is_err());
        }
        assert_eq!(Sites::from_bytes(&[0b1111_0111], 3), Err(Malformed::Padding));
        assert!(!Sites::all(3).contains(3));
        let none: Sites = [false; 3].into_iter().collect();
        assert!(
            none.is_empty() && none.is_within(&Sites::all(3)) && !Sites::all(3).is_within(&none)
        );
    }
}
