//! Unique identifiers: those of the standard stay, all others are replaced alike everywhere.

use std::sync::LazyLock;

/// Under which the standard registers its identifiers.
const ROOT: &str = "1.2.840.10008.";
/// What follows it, one a line, sorted.
const REGISTERED: &str = include_str!("../data/uids.txt");
/// Under which anyone may use a number of 128 bits (ISO/IEC 9834-8).
const NUMBERS: &str = "2.25.";
/// Bits of a number that tell that this site has drawn it.
const MARK_BITS: u32 = 48;

static SORTED: LazyLock<Vec<&str>> = LazyLock::new(|| REGISTERED.lines().collect());

/// Whether the standard gives this identifier its meaning.
pub(crate) fn is_registered(uid: &str) -> bool {
    uid.strip_prefix(ROOT).is_some_and(|rest| SORTED.binary_search(&rest).is_ok())
}

/// A site's replacements. The same identifier has the same one in every file; 80 bits of it come from
/// the identifier, by a keyed hash, and the other 48 say that it is a replacement, to who has the key:
/// such a one stays when a file is cleaned again.
#[derive(Clone)]
pub(crate) struct Uids {
    key: [u8; 32],
}

impl Uids {
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// What stands for `uid`.
    pub(crate) fn replace(&self, uid: &str) -> String {
        if uid.is_empty() || self.is_own(uid) {
            return uid.to_owned();
        }
        let drawn = self.draw(b"uid", uid.as_bytes()) >> MARK_BITS;
        format!("{NUMBERS}{}", drawn << MARK_BITS | self.mark(drawn))
    }

    /// Whether this site has made `uid`. One that it has not passes with a chance of 2^-48.
    pub(crate) fn is_own(&self, uid: &str) -> bool {
        let number = uid.strip_prefix(NUMBERS).and_then(|digits| digits.parse::<u128>().ok());
        number.is_some_and(|number| {
            let drawn = number >> MARK_BITS;
            format!("{NUMBERS}{number}") == uid && drawn << MARK_BITS | self.mark(drawn) == number
        })
    }

    fn mark(&self, drawn: u128) -> u128 {
        self.draw(b"own", &drawn.to_be_bytes()) >> (u128::BITS - MARK_BITS)
    }

    fn draw(&self, purpose: &[u8; 3], bytes: &[u8]) -> u128 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(purpose);
        hasher.update(bytes);
        let mut drawn = [0; 16];
        hasher.finalize_xof().fill(&mut drawn);
        u128::from_be_bytes(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_ones_are_known() {
        assert!(SORTED.is_sorted() && SORTED.len() > 400);
        assert!(is_registered("1.2.840.10008.1.2.1"));
        assert!(!is_registered("1.2.840.10008.1.2.1.19510829"));
        assert!(!is_registered("1.2.840.113696.1"));
    }

    #[test]
    fn one_site_repeats_itself_and_knows_its_own() {
        let (one, two) = (Uids::new([1; 32]), Uids::new([2; 32]));
        let uid = "1.2.276.0.7230010.3.1.4.1";
        let replaced = one.replace(uid);
        assert!(replaced.starts_with("2.25.") && replaced.len() <= 64);
        assert_eq!(one.replace(uid), replaced);
        assert_eq!(one.replace(&replaced), replaced, "cleaning again changes nothing");
        assert_ne!(two.replace(uid), replaced);
        assert_ne!(two.replace(&replaced), replaced);
        assert_ne!(one.replace("1.2.276.0.7230010.3.1.4.2"), replaced);
        assert!(!one.is_own(&replaced.replace("2.25.", "2.25.0")), "one form only");
    }
}
