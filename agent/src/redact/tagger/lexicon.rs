//! Which words are words, given names, surnames, towns: a table of hashes.

/// The shipped table; `lexicon.py` makes it.
const TABLE: &[u8] = include_bytes!("lexicon.bin");
const MAGIC: &[u8; 8] = b"INSTLEX1";

/// In a list of common words.
pub(super) const WORD: u8 = 1;

/// Sorted hashes with their flags.
pub(super) struct Lexicon {
    hashes: Vec<u32>,
    flags: &'static [u8],
}

impl Lexicon {
    /// The table that ships.
    pub(super) fn shipped() -> Self {
        let body = TABLE.strip_prefix(MAGIC).expect("the shipped table is read by a test");
        let (count, body) = body.split_at(4);
        let count = u32::from_le_bytes([count[0], count[1], count[2], count[3]]) as usize;
        let (hashes, flags) = body.split_at(4 * count);
        let hashes = hashes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Self { hashes: hashes.collect(), flags }
    }

    /// What the word with this 64-bit hash can be; 0 when it is unknown.
    pub(super) fn flags(&self, hash: u64) -> u8 {
        let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
        let small = u32::from_le_bytes([a ^ e, b ^ f, c ^ g, d ^ h]);
        self.hashes.binary_search(&small).map_or(0, |index| self.flags[index])
    }
}

#[cfg(test)]
mod tests {
    use super::super::features::word;
    use super::*;

    #[test]
    fn knows_words_and_names() {
        let lexicon = Lexicon::shipped();
        let flags = |text: &str| lexicon.flags(word(text));
        assert_eq!(flags("House") & WORD, WORD);
        assert_eq!(flags("Behandlung") & WORD, WORD);
        assert_eq!(flags("Müller") & 4, 4);
        assert_eq!(flags("María") & 2, 2);
        assert_eq!(flags("Xqzzyv"), 0);
    }
}
