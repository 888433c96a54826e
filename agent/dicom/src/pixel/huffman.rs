//! The entropy coding of JPEG's Huffman processes (ISO/IEC 10918-1, annexes C and F.2.2).

/// Longest code, in bits.
const CODE_BITS_MAX: usize = 16;
/// Bits of a code that are looked up at once.
const LOOKUP_BITS: usize = 9;

/// A table of codes: up to 256 values by codes of up to 16 bits.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next nine bits: the length of the code that they start with, and its value; a length
    /// of 0 where it is longer.
    short: Vec<(u8, u8)>,
    /// By length: the first code, how many there are, and the place of the first one's value.
    lengths: [(u32, u32, usize); CODE_BITS_MAX + 1],
    values: Vec<u8>,
}

impl Table {
    /// The first table of `bytes`: how many codes there are of each length, and their values. Tells
    /// what follows it; `None` when it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (counts, rest) = bytes.split_first_chunk::<CODE_BITS_MAX>()?;
        let total = counts.iter().map(|count| usize::from(*count)).sum();
        let (values, rest) = rest.split_at_checked(total)?;
        let mut short = vec![(0, 0); 1 << LOOKUP_BITS];
        let mut lengths = [(0, 0, 0); CODE_BITS_MAX + 1];
        let (mut code, mut place) = (0_u32, 0);
        for (length, count) in (1_u8..).zip(counts) {
            let bits = usize::from(length);
            let end = code + u32::from(*count);
            if end > 1 << bits {
                return None;
            }
            lengths[bits] = (code, u32::from(*count), place);
            let of_length = &values[place..place + usize::from(*count)];
            if bits <= LOOKUP_BITS {
                let same = 1 << (LOOKUP_BITS - bits);
                for (code, value) in (code as usize..).zip(of_length) {
                    short[code * same..(code + 1) * same].fill((length, *value));
                }
            }
            place += of_length.len();
            code = end << 1;
        }
        Some((Self { short, lengths, values: values.to_vec() }, rest))
    }
}

/// Puts each table of a segment by the byte before it, which tells its class and place; `None` when
/// one is damaged, or has no place.
pub(super) fn define(mut bytes: &[u8], mut put: impl FnMut(u8, Table) -> Option<()>) -> Option<()> {
    while let Some((place, rest)) = bytes.split_first() {
        let (table, rest) = Table::read(rest)?;
        put(*place, table)?;
        bytes = rest;
    }
    Some(())
}

/// The bits of a scan, between two markers.
pub(super) struct Bits<'f> {
    bytes: &'f [u8],
    at: usize,
    /// The next bits, from the highest down.
    ahead: u64,
    count: usize,
}

impl<'f> Bits<'f> {
    pub(super) const fn new(bytes: &'f [u8]) -> Self {
        Self { bytes, at: 0, ahead: 0, count: 0 }
    }

    /// Bytes that were read.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Where the marker behind the scan is.
    pub(super) fn end(&self) -> usize {
        let is_marker = |pair: &[u8]| pair[0] == 0xff && pair[1] > 0;
        let ahead = self.bytes[self.at..].windows(2).position(is_marker);
        ahead.map_or(self.bytes.len(), |ahead| self.at + ahead)
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(byte) = self.bytes.get(self.at) else { return };
            if *byte == 0xff {
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.ahead |= u64::from(*byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn drop(&mut self, count: usize) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.ahead <<= count;
        Some(())
    }

    /// The next `count` bits, 16 at most; `None` when there are fewer.
    pub(super) fn take(&mut self, count: usize) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        if self.count < count {
            self.fill();
        }
        let bits = self.ahead >> (64 - count);
        self.drop(count)?;
        u32::try_from(bits).ok()
    }

    /// The value of the next code.
    pub(super) fn value(&mut self, table: &Table) -> Option<u8> {
        if self.count < CODE_BITS_MAX {
            self.fill();
        }
        let (length, value) = *table.short.get((self.ahead >> (64 - LOOKUP_BITS)) as usize)?;
        if length > 0 {
            self.drop(usize::from(length))?;
            return Some(value);
        }
        for length in LOOKUP_BITS + 1..=CODE_BITS_MAX {
            let (first, count, place) = table.lengths[length];
            let code = u32::try_from(self.ahead >> (64 - length)).ok()?;
            if let Some(nth) = code.checked_sub(first).filter(|nth| *nth < count) {
                self.drop(length)?;
                return table.values.get(place + nth as usize).copied();
            }
        }
        None
    }

    /// A number of `count` bits, up to 15, the lower half of which stands for negative ones.
    pub(super) fn signed(&mut self, count: u8) -> Option<i32> {
        let bits = self.take(usize::from(count))?.cast_signed();
        let negative = count > 0 && bits >> (count - 1) == 0;
        Some(if negative { bits - (1 << count) + 1 } else { bits })
    }

    /// Goes on behind the marker of the restart with this number, which must come next.
    pub(super) fn restart(&mut self, number: usize) -> Option<()> {
        // The rest of the last byte is no code.
        if self.count >= 8 {
            return None;
        }
        (self.ahead, self.count) = (0, 0);
        while self.bytes.get(self.at + 1) == Some(&0xff) {
            self.at += 1;
        }
        let marker = self.bytes.get(self.at..self.at + 2)?;
        if marker[0] != 0xff || usize::from(marker[1]) != 0xd0 + number % 8 {
            return None;
        }
        self.at += 2;
        Some(())
    }
}
