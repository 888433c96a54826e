//! What a record's fields state of people, names and identifiers, each once; and where it stands in a
//! text.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::Find;
use super::clean::Unclean;
use super::kind::Kind;
use super::names::{starts, words};
use super::plain::Plain;
use super::words::{NO_NAMES, PARTICLES, TITLES, Word};

/// Bytes of the different names and identifiers of one record: some thousands of people. A record with
/// more is refused.
const PEOPLE_BYTES_MAX: usize = 256 << 10;
/// Words of a name that is looked for in whole.
const NAME_WORDS_MAX: usize = 8;
/// Signs between two words of a name.
const GAP_SIGNS_MAX: usize = 3;
/// Letters of a word that is looked for.
const LETTERS_MIN: usize = 2;
/// Letters of a word that is looked for in small letters, too.
const SMALL_LETTERS_MIN: usize = 3;
/// Bytes of an identifier: shorter ones may be anything.
const IDENTIFIER_BYTES_MIN: usize = 3;
/// Score of a name: as of one that a word announces.
const NAMED: f32 = 0.9;
/// Score of an identifier: just below that of one that is announced, which says more of it.
const KNOWN: f32 = 0.74;

/// Names and identifiers of people that the fields of a record state. Cheap to clone.
#[derive(Clone, Default)]
pub struct People(Arc<Stated>);

#[derive(Clone, Default)]
struct Stated {
    /// In small letters, with one space between words.
    names: HashSet<String>,
    /// First words of names of several.
    firsts: HashSet<String>,
    identifiers: BTreeSet<String>,
    /// Bytes of all of them, the ones that did not fit included.
    bytes: usize,
    /// Finds all identifiers; made when it is first needed.
    automaton: OnceLock<AhoCorasick>,
}

impl People {
    /// A name of at most eight words: hidden where they stand one after another, in any letter case; one
    /// word of two letters, or a particle such as "van", where it has a capital.
    pub fn name(&mut self, name: &str) {
        let plain = Plain::new(name).text;
        let words: Vec<String> =
            words(&plain).map(|word| word.text.to_lowercase()).take(NAME_WORDS_MAX + 1).collect();
        let short = words.iter().all(|word| word.chars().count() < LETTERS_MIN);
        if short || words.len() > NAME_WORDS_MAX {
            return;
        }
        let name = words.join(" ");
        if self.0.names.contains(&name) || !self.has_room(name.len()) {
            return;
        }
        let stated = Arc::make_mut(&mut self.0);
        if let [first, _, ..] = &words[..] {
            stated.firsts.insert(first.clone());
        }
        stated.names.insert(name);
    }

    /// A name in whole, and each of its words as one, but for short ones of every text: Dr, de.
    pub fn person(&mut self, name: &str) {
        self.name(name);
        let plain = Plain::new(name).text;
        let listed = |word: &Word<'_>| {
            [NO_NAMES, PARTICLES, TITLES].into_iter().any(|list| word.is_in(list))
        };
        words(&plain)
            .filter(|word| word.text.chars().count() >= SMALL_LETTERS_MIN || !listed(word))
            .for_each(|word| self.name(word.text));
    }

    /// A record number or the like: hidden wherever it stands.
    pub fn identifier(&mut self, identifier: &str) {
        let identifier = Plain::new(identifier).text;
        let known = self.0.identifiers.contains(&*identifier);
        if identifier.len() < IDENTIFIER_BYTES_MIN || known || !self.has_room(identifier.len()) {
            return;
        }
        let stated = Arc::make_mut(&mut self.0);
        stated.identifiers.insert(identifier.into_owned());
        stated.automaton = OnceLock::new();
    }

    /// Counts so many bytes more; whether they fit.
    fn has_room(&mut self, bytes: usize) -> bool {
        let stated = Arc::make_mut(&mut self.0);
        stated.bytes += bytes;
        stated.bytes <= PEOPLE_BYTES_MAX
    }

    /// Whether all that was stated is looked for.
    ///
    /// # Errors
    /// [`Unclean::TooManyPeople`].
    pub(super) fn complete(&self) -> Result<(), Unclean> {
        let (got_bytes, limit_bytes) = (self.0.bytes, PEOPLE_BYTES_MAX);
        if got_bytes > limit_bytes {
            return Err(Unclean::TooManyPeople { got_bytes, limit_bytes });
        }
        Ok(())
    }

    /// Where names stand in `text`, as it is read.
    pub(super) fn names<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Find> + 't {
        let starts = (!self.0.names.is_empty()).then(|| starts(text));
        starts.into_iter().flatten().filter_map(move |word| {
            let end = self.name_end(text, word)?;
            Some(Find { start: word.start, end, kind: Kind::Name, score: NAMED })
        })
    }

    /// Where the longest name that starts with `first` ends.
    fn name_end(&self, text: &str, first: Word<'_>) -> Option<usize> {
        let Stated { names, firsts, .. } = &*self.0;
        let mut name = first.text.to_lowercase();
        let small = name.chars().count() >= SMALL_LETTERS_MIN
            && PARTICLES.binary_search(&name.as_str()).is_err();
        let alone = names.contains(&name) && (small || !first.text.starts_with(char::is_lowercase));
        let mut end = alone.then_some(first.end());
        if !firsts.contains(&name) {
            return end;
        }
        let mut last = first;
        for _ in 1..NAME_WORDS_MAX {
            let Some(word) = next_word(text, last.end()) else { break };
            name.push(' ');
            name.push_str(&word.text.to_lowercase());
            if names.contains(&name) {
                end = Some(word.end());
            }
            last = word;
        }
        end
    }

    /// Where identifiers stand in `text`, as it is read: the longest of those that start at one place.
    pub(super) fn identifiers(&self, text: &str) -> Vec<Find> {
        let Stated { identifiers, automaton, .. } = &*self.0;
        if identifiers.is_empty() {
            return Vec::new();
        }
        let automaton = automaton.get_or_init(|| {
            AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .match_kind(MatchKind::LeftmostLongest)
                .build(identifiers)
                .expect("so few bytes need few states: PEOPLE_BYTES_MAX")
        });
        let find = |start, end| Find { start, end, kind: Kind::Id, score: KNOWN };
        automaton.find_iter(text).map(|found| find(found.start(), found.end())).collect()
    }
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (names, identifiers) = (self.0.names.len(), self.0.identifiers.len());
        write!(f, "People({names} names, {identifiers} identifiers)")
    }
}

/// The word behind byte `at` that may belong to the same name.
fn next_word(text: &str, at: usize) -> Option<Word<'_>> {
    let gap = |byte: &&u8| matches!(byte, b' ' | b',' | b'.' | b'\t' | b'\r' | b'\n');
    let signs = text.as_bytes()[at..].iter().take(GAP_SIGNS_MAX).take_while(gap).count();
    if signs > 0 { Word::at(text, at + signs) } else { None }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Names and identifiers that are looked for, sorted.
    pub(in crate::redact) fn stated(people: &People) -> (Vec<&str>, Vec<&str>) {
        let mut names: Vec<&str> = people.0.names.iter().map(String::as_str).collect();
        names.sort_unstable();
        (names, people.0.identifiers.iter().map(String::as_str).collect())
    }

    fn found(people: &People, text: &str) -> Vec<String> {
        let finds = people.names(text).chain(people.identifiers(text));
        finds.map(|find| text[find.start..find.end].to_owned()).collect()
    }

    #[test]
    fn names_in_whole_and_alone() {
        let mut people = People::default();
        for name in ["Xu Li", "Le", "Ben", "Roe", "J", "Jane van Osten"] {
            people.name(name);
        }
        assert_eq!(found(&people, "xu li, XU, LI; Xu.\nLi"), ["xu li", "XU, LI", "Xu.\nLi"]);
        assert_eq!(found(&people, "le Le ben Ben roe J j van Osten"), ["Le", "Ben", "roe"]);
        assert_eq!(found(&people, "jane van osten's, jane von osten"), ["jane van osten"]);
        assert_eq!(found(&people, "xu  \n  li xu-li xuli"), [""; 0]);
    }

    #[test]
    fn a_person_s_words_are_names_unless_they_are_short_ones_of_every_text() {
        let mut people = People::default();
        people.person("Dr. Xu de Roe, MD");
        assert_eq!(stated(&people).0, ["dr xu de roe md", "roe", "xu"]);
    }

    #[test]
    fn the_longest_identifier_of_those_at_a_place() {
        let mut people = People::default();
        for identifier in ["7744", "7744-11", "12", "X-１７"] {
            people.identifier(identifier);
        }
        assert_eq!(found(&people, "MRN7744-11, 77441, 12, X-17"), ["7744-11", "7744", "X-17"]);
    }

    #[test]
    fn what_is_stated_again_takes_no_room_and_what_does_not_fit_is_told() {
        let mut people = People::default();
        let fields = PEOPLE_BYTES_MAX / 4;
        for _ in 0..fields {
            people.person("Hans Meier");
            people.identifier("774411");
        }
        assert_eq!(people.complete(), Ok(()));
        assert_eq!(format!("{people:?}"), "People(3 names, 1 identifiers)");
        for number in 0..fields {
            people.identifier(&format!("{number:06}"));
        }
        let expected =
            Unclean::TooManyPeople { got_bytes: 25 + 6 * fields, limit_bytes: PEOPLE_BYTES_MAX };
        assert_eq!(people.complete(), Err(expected));
        let held: usize = people.0.identifiers.iter().map(String::len).sum();
        assert!(held <= PEOPLE_BYTES_MAX, "{held}");
    }
}
