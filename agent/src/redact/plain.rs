//! A text as it is read: without characters that nobody sees, with every space, hyphen and slash that
//! only looks other as the one of ASCII, with digits and Latin letters of full width or of other scripts
//! as those that patterns know, and with letters and their marks composed. Where each part was is
//! remembered.

use std::borrow::Cow;

use unicode_normalization::char as unicode;

use super::Find;
use super::scan::is_mark;

/// The zeros of decimal digits that stand in ten places one after another: Arabic-Indic, Persian,
/// N'Ko, Devanagari, Bengali, Gurmukhi, Gujarati, Odia, Tamil, Telugu, Kannada, Malayalam, Sinhala,
/// Thai, Lao, Tibetan, Myanmar, Khmer, Mongolian (Unicode, category Nd).
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x17e0, 0x1810,
];
/// Digits of mathematics: five alphabets of ten.
const MATHEMATICAL: std::ops::RangeInclusive<u32> = 0x1d7ce..=0x1d7ff;

/// A text as it is read.
pub(super) struct Plain<'t> {
    pub(super) text: Cow<'t, str>,
    /// Where a character was changed or left out: from there on, so far in the plain text is so far in
    /// the original one.
    moves: Vec<(usize, usize)>,
    original: usize,
}

impl<'t> Plain<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let original = text.len();
        if is_plain(text) {
            return Self { text: Cow::Borrowed(text), moves: Vec::new(), original };
        }
        let (mut out, mut moves) = (String::with_capacity(original), Vec::new());
        let (mut chars, mut copied) = (text.char_indices().peekable(), 0);
        while let Some((at, c)) = chars.next() {
            let (mut read, mut end) = (plain(c), at + c.len_utf8());
            while let Some((_, next)) = chars.peek()
                && let Some(composed) = read.and_then(|letter| composed(letter, *next))
            {
                read = Some(composed);
                end += next.len_utf8();
                chars.next();
            }
            if read == Some(c) {
                continue;
            }
            out.push_str(&text[copied..at]);
            moves.push((out.len(), at));
            out.extend(read);
            moves.push((out.len(), end));
            copied = end;
        }
        out.push_str(&text[copied..]);
        Self { text: Cow::Owned(out), moves, original }
    }

    /// A finding in the plain text as one in the original text. What nobody sees beside it stays.
    pub(super) fn in_original(&self, find: Find) -> Find {
        if self.moves.is_empty() {
            return find;
        }
        let (start, end) = (self.start(find.start), self.end(find.end));
        Find { start, end: end.max(start), ..find }
    }

    /// Where the character at `at` is: behind all that was left out before it.
    fn start(&self, at: usize) -> usize {
        let upto = self.moves.partition_point(|(plain, _)| *plain <= at);
        self.moves[..upto].last().map_or(at, |(plain, original)| original + (at - plain))
    }

    /// Where the character before `at` ends.
    fn end(&self, at: usize) -> usize {
        let upto = self.moves.partition_point(|(plain, _)| *plain < at);
        let behind = self.moves[..upto].last();
        let end = behind.map_or(at, |(plain, original)| original + (at - plain));
        // A character that was changed ends at its own end.
        let own = self.moves[upto..].first().filter(|(plain, _)| *plain == at);
        match (behind, own) {
            (Some((plain, _)), Some((_, original))) if at - plain < 4 && self.is_changed(upto) => {
                (*original).min(self.original)
            }
            _ => end.min(self.original),
        }
    }

    /// Whether the moves before and at `upto` are the two ends of one character.
    fn is_changed(&self, upto: usize) -> bool {
        upto % 2 == 1
    }
}

/// Whether nothing in `text` is changed.
fn is_plain(text: &str) -> bool {
    // Below, of all characters the no-break space and the soft hyphen alone are changed: most texts are
    // not read one by one.
    let low =
        text.as_bytes().chunks(64).all(|some| some.iter().fold(true, |all, b| all & (*b < 0xcc)));
    if low {
        return !text.contains('\u{a0}') && !text.contains('\u{ad}');
    }
    let mut before = ' ';
    text.chars().all(|c| {
        let stays = plain(c) == Some(c) && composed(before, c).is_none();
        before = c;
        stays
    })
}

/// The letter that `letter` and a mark behind it make together (Unicode, normalization form C), if there is
/// one: systems differ in which of the two they write.
fn composed(letter: char, mark: char) -> Option<char> {
    if is_mark(mark) { unicode::compose(letter, mark) } else { None }
}

/// What is read in place of a character; nothing for one that nobody sees.
fn plain(c: char) -> Option<char> {
    if c.is_ascii() {
        return Some(c);
    }
    let code = u32::from(c);
    let digit = |digit: u32| char::from_digit(digit, 10);
    match c {
        // Soft hyphen, zero width, direction, invisible operators, byte order mark.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => None,
        // No-break, of other widths, ideographic.
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        // Hyphen, no-break, of a digit's width; minus. A dash is not one: it also parts sentences.
        '\u{2010}'..='\u{2012}' | '\u{2212}' => Some('-'),
        '\u{2044}' => Some('/'),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(code - 0xfee0),
        _ if MATHEMATICAL.contains(&code) => digit((code - MATHEMATICAL.start()) % 10),
        _ if c.is_numeric() => {
            let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code));
            zero.map_or(Some(c), |zero| digit(code - zero))
        }
        _ => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, part: &str, original: &str) {
        let plain = Plain::new(text);
        assert_eq!(plain.text, expected);
        let start = expected.find(part).unwrap();
        let find = Find { start, end: start + part.len(), kind: Kind::Id, score: 1.0 };
        let found = plain.in_original(find);
        assert_eq!(&text[found.start..found.end], original);
    }

    #[test]
    fn two_of_the_low_characters_are_changed() {
        let low = (0..=0x2ff).filter_map(char::from_u32);
        for c in low {
            let expected = match c {
                '\u{a0}' => Some(' '),
                '\u{ad}' => None,
                same => Some(same),
            };
            assert_eq!(plain(c), expected, "{c:?}");
            assert_eq!(is_plain(&c.to_string()), expected == Some(c), "{c:?}");
        }
        assert!(!is_plain("é\u{200b}") && is_plain("“é”"));
        assert!(!is_plain("e\u{301}") && is_plain("x\u{301}"));
    }

    #[test]
    fn places_are_exact() {
        check("abc", "abc", "b", "b");
        check("x\u{200b}a\u{ad}b\u{200b}y", "xaby", "ab", "a\u{ad}b");
        check("x\u{200b}\u{200b}ab", "xab", "ab", "ab");
        check("é ١٢ü٣x", "é 12ü3x", "12ü3", "١٢ü٣");
        check("é ١٢٣x", "é 123x", "2", "٢");
        check("（ＩＤ）１２", "(ID)12", "ID", "ＩＤ");
        check("a@b\u{2060}.c", "a@b.c", "a@b.c", "a@b\u{2060}.c");
        check("𝟏𝟐 ४२", "12 42", "12", "𝟏𝟐");
        check("ab\u{200b}", "ab", "ab", "ab");
        check("x\u{a0}1\u{202f}2\u{2011}3\u{2009}y", "x 1 2-3 y", "1 2-3", "1\u{202f}2\u{2011}3");
        check("1\u{2044}\u{200b}2", "1/2", "1/", "1\u{2044}");
        check("1½", "1½", "½", "½");
        check("Mo\u{308}ller", "Möller", "ö", "o\u{308}");
        check("xe\u{323}\u{302}\u{301}y", "xệ\u{301}y", "ệ", "e\u{323}\u{302}");
        check("ｅ\u{301}１", "é1", "é", "ｅ\u{301}");
        check("a\u{200b}e\u{301}\u{200b}", "aé", "aé", "a\u{200b}e\u{301}");
    }
}
