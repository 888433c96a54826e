//! What a file's own attributes say of people and their numbers: none of it may be left anywhere.

use std::collections::HashSet;

use crate::data::{DataSet, Element, Value};
use crate::read::ascii;
use crate::tag::Tag;
use crate::text::CharacterSet;
use crate::vr::Vr;

/// Most names, and most identifiers, that are looked for.
const KNOWN_MAX: usize = 256;
/// Letters of the shortest name, and characters of the shortest identifier.
const NAME_LETTERS_MIN: usize = 3;
const IDENTIFIER_MIN: usize = 4;
/// What stands where a name was: nobody's.
pub(crate) const NOBODY: &[&str] = &["ANONYMOUS", "REMOVED"];

/// Attributes that hold numbers of a patient, visit, order or specimen. Sorted.
const IDENTIFIERS: &[u32] = &[
    0x0008_0050, // accession number
    0x0010_0020, // patient
    0x0010_1000, // other patient IDs
    0x0010_2154, // telephone
    0x0020_0010, // study
    0x0038_0010, // admission
    0x0038_0060, // service episode
    0x0040_0009, // scheduled step
    0x0040_0253, // performed step
    0x0040_0512, // container
    0x0040_0551, // specimen
    0x0040_1001, // requested procedure
    0x0040_2016, // placer's order
    0x0040_2017, // filler's order
];

/// Whom a file is about, and who else is in it.
#[derive(Clone, Default)]
pub struct Person {
    /// What tells the patient apart: the patient ID, without one the study. Dates move by its days.
    pub subject: String,
    /// Names of the patient, of physicians and others, with spaces between their parts.
    pub names: Vec<String>,
    /// Numbers of the patient, of orders and specimens.
    pub identifiers: Vec<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { names, identifiers, .. } = self;
        write!(f, "Person({} names, {} identifiers)", names.len(), identifiers.len())
    }
}

/// What is looked for in what stays.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) person: Person,
    /// Parts of names, in small letters.
    words: HashSet<String>,
    /// The same, with those that are too short to be looked for in texts.
    all_words: HashSet<String>,
}

impl Known {
    /// Reads all of a data set, its sequences included.
    pub(crate) fn of(set: &DataSet<'_>) -> Self {
        let mut known = Self::default();
        known.collect(set, CharacterSet::DEFAULT);
        let subject = [Tag::PATIENT_ID, Tag::STUDY]
            .into_iter()
            .filter_map(|tag| set.find(tag)?.bytes().map(String::from_utf8_lossy))
            .map(|text| text.trim_end_matches(['\0', ' ']).trim().to_owned())
            .find(|text| !text.is_empty());
        known.person.subject = subject.unwrap_or_default();
        known
    }

    fn collect(&mut self, set: &DataSet<'_>, outer: CharacterSet) {
        let characters = character_set(set, outer);
        for Element { tag, vr, value } in &set.elements {
            match value {
                Value::Items(items) => items.iter().for_each(|item| self.collect(item, characters)),
                Value::Bytes(bytes) if !tag.is_private() => {
                    let Some(text) = characters.decode(bytes) else { continue };
                    if *vr == Vr::Pn {
                        text.split('\\').for_each(|name| self.name(name));
                    } else if is_identifier(*tag) {
                        text.split('\\').for_each(|id| self.identifier(id.trim()));
                    }
                }
                Value::Bytes(_) | Value::Fragments(_) => {}
            }
        }
    }

    fn name(&mut self, name: &str) {
        if NOBODY.contains(&name) {
            return;
        }
        let name = name.replace(['^', '='], " ");
        if self.all_words.len() < KNOWN_MAX {
            self.all_words.extend(words(&name).filter(|word| word.chars().count() > 1));
        }
        let words = words(&name).filter(|word| word.chars().count() >= NAME_LETTERS_MIN);
        let words: Vec<String> = words.collect();
        if !words.is_empty() && self.person.names.len() < KNOWN_MAX {
            self.words.extend(words);
            self.person.names.push(name.trim().to_owned());
        }
    }

    fn identifier(&mut self, id: &str) {
        let known = &mut self.person.identifiers;
        let digit = id.bytes().any(|byte| byte.is_ascii_digit());
        if digit && id.len() >= IDENTIFIER_MIN && known.len() < KNOWN_MAX {
            known.push(id.to_owned());
        }
    }

    /// Whether `text` has a part of a name as a word, or an identifier.
    pub(crate) fn hits(&self, text: &str) -> bool {
        words(text).any(|word| self.words.contains(&word))
            || self.person.identifiers.iter().any(|id| text.contains(id.as_str()))
    }

    /// As [`Self::hits`], or whether a word of `text` is a name of two letters (`Pa`).
    pub(crate) fn may_hit(&self, text: &str) -> bool {
        self.hits(text) || words(text).any(|word| self.all_words.contains(&word))
    }
}

/// Whether an attribute holds a number of a patient, visit, order or specimen.
pub(crate) fn is_identifier(tag: Tag) -> bool {
    IDENTIFIERS.binary_search(&tag.0).is_ok()
}

/// The character set that a data set names, else that around it.
pub(crate) fn character_set(set: &DataSet<'_>, outer: CharacterSet) -> CharacterSet {
    let named = set.find(Tag::CHARACTER_SET).and_then(Element::bytes).and_then(ascii);
    named.filter(|name| !name.is_empty()).map_or(outer, CharacterSet::new)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_wherever_they_stand() {
        assert!(IDENTIFIERS.is_sorted());
        let inner = DataSet { elements: vec![Element::text(Tag(0x0008_0050), Vr::Sh, "ACC-4711")] };
        let set = DataSet {
            elements: vec![
                Element::text(Tag(0x0010_0010), Vr::Pn, "ROE^Jane^Q="),
                Element::text(Tag(0x0010_0020), Vr::Lo, " 774411 "),
                Element::new(Tag(0x0040_0275), Vr::Sq, Value::Items(vec![inner])),
            ],
        };
        let known = Known::of(&set);
        assert_eq!(known.person.subject, "774411");
        assert!(known.hits("MRS_ROE") && known.hits("jane") && known.hits("x774411"));
        assert!(known.hits("for ACC-4711"));
        assert!(!known.hits("Janet, Q, 77441"));
        let short = DataSet { elements: vec![Element::text(Tag(0x0010_0010), Vr::Pn, "PA^U^J")] };
        let short = Known::of(&short);
        assert!(short.may_hit("Pa erect") && !short.hits("Pa") && !short.may_hit("U, J, AP"));
        assert_eq!(format!("{:?}", known.person), "Person(1 names, 2 identifiers)");
    }
}
