//! Surrogates of names, places and organisations: word by word, so that "Jane Roe", "ROE, Jane" and
//! "Ms. Roe" stay one person.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::super::profile::Language;
use super::super::scan::is_mark;
use super::super::words::{PARTICLES, TITLES};
use super::{Secret, coarse};

/// Locale, sort and name on each line: made by `names.py`.
const NAMES: &str = include_str!("names.txt");

/// Words inside addresses and names of organisations that say what it is, not which. Sorted.
const KEPT: &[&str] = &[
    "ag",
    "allee",
    "am",
    "an",
    "and",
    "apt",
    "arztpraxis",
    "at",
    "avda",
    "ave",
    "avenida",
    "avenue",
    "bei",
    "blvd",
    "boulevard",
    "box",
    "calle",
    "camino",
    "care",
    "carretera",
    "center",
    "centre",
    "centro",
    "children",
    "clinic",
    "clinica",
    "clínica",
    "clínico",
    "co",
    "college",
    "community",
    "company",
    "corp",
    "county",
    "court",
    "ctra",
    "department",
    "dept",
    "drive",
    "floor",
    "for",
    "fundación",
    "für",
    "gasse",
    "general",
    "gmbh",
    "group",
    "health",
    "hospital",
    "im",
    "in",
    "inc",
    "institut",
    "institute",
    "instituto",
    "insurance",
    "kg",
    "klinik",
    "klinikum",
    "krankenhaus",
    "krankenkasse",
    "lane",
    "llc",
    "ltd",
    "medical",
    "memorial",
    "mit",
    "national",
    "nd",
    "no",
    "nr",
    "nº",
    "of",
    "paseo",
    "piso",
    "place",
    "planta",
    "platz",
    "plaza",
    "po",
    "postfach",
    "praxis",
    "rd",
    "regional",
    "road",
    "royal",
    "rue",
    "sa",
    "saint",
    "school",
    "sl",
    "square",
    "st",
    "strasse",
    "straße",
    "street",
    "suite",
    "terrace",
    "th",
    "the",
    "trust",
    "und",
    "unit",
    "universidad",
    "universitario",
    "university",
    "universität",
    "universitätsklinikum",
    "via",
    "weg",
    "zentrum",
    "ª",
    "º",
];
/// Ends of German and Dutch street names, and of clinics.
const SUFFIXES: &[&str] = &[
    "straße",
    "strasse",
    "str",
    "gasse",
    "weg",
    "platz",
    "allee",
    "ring",
    "damm",
    "ufer",
    "straat",
    "laan",
    "gracht",
    "plein",
    "klinik",
    "klinikum",
    "krankenhaus",
];
/// Digits from which a number in an address is a postcode.
const POSTCODE_DIGITS: usize = 4;

/// What a list of names holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Sort {
    Woman,
    Man,
    Surname,
    Town,
}

struct Lists {
    names: HashMap<(Language, Sort), Vec<&'static str>>,
    /// The list of a language that a name in small letters is on: given names first.
    of: HashMap<(Language, String), Sort>,
}

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let mut lists = Lists { names: HashMap::new(), of: HashMap::new() };
    for line in NAMES.lines() {
        let mut parts = line.splitn(3, ' ');
        let (Some(language), Some(sort), Some(name)) = (
            parts.next().and_then(Language::from_code),
            parts.next().and_then(Sort::from_letter),
            parts.next(),
        ) else {
            continue;
        };
        lists.names.entry((language, sort)).or_default().push(name);
        if sort != Sort::Town {
            let known = lists.of.entry((language, name.to_lowercase())).or_insert(sort);
            if *known == Sort::Surname {
                *known = sort;
            }
        }
    }
    lists
});

/// A person's name, titles and particles kept.
pub(super) fn name(secret: &Secret, language: Language, original: &str) -> String {
    words(original, |word, _| {
        let small = word.to_lowercase();
        let kept = is_particle(word) || TITLES.binary_search(&small.as_str()).is_ok();
        (!kept).then(|| word_of_name(secret, language, word))
    })
    .replaced(secret)
}

/// Towns, regions, countries: each of them a town.
pub(super) fn location(secret: &Secret, language: Language, original: &str) -> String {
    let mut out = String::new();
    for part in original.split_inclusive([',', ';', '\n', '(', ')', '/']) {
        let name = part.trim_matches(|c: char| !c.is_alphanumeric());
        if !name.contains(char::is_alphabetic) {
            let digits = words(part, |_, _| None).replaced(secret);
            out.push_str(&digits);
            continue;
        }
        let (before, after) = part.split_once(name).unwrap_or((part, ""));
        // A postcode before a town is made coarse as one.
        let split = name.find(char::is_alphabetic).unwrap_or_default();
        let (number, town_name) = name.split_at(split);
        out.push_str(before);
        out.push_str(&words(number, |_, _| None).replaced(secret));
        out.push_str(&town(secret, language, town_name));
        out.push_str(after);
    }
    out
}

/// Street addresses and organisations: what kind of thing it is stays, which one does not.
pub(super) fn address(secret: &Secret, language: Language, original: &str) -> String {
    words(original, |word, after_postcode| {
        let small = word.to_lowercase();
        // Neither small letters nor a script without capitals make a word harmless.
        if is_particle(word) || KEPT.binary_search(&small.as_str()).is_ok() {
            return None;
        }
        if after_postcode {
            return Some(town(secret, language, word));
        }
        let suffix = SUFFIXES
            .iter()
            .find(|suffix| small.len() > suffix.len() + 2 && small.ends_with(**suffix));
        Some(match suffix {
            Some(suffix) => {
                let surname = pick(secret, language, (language, Sort::Surname), "street", &small);
                let surname = if word == small { surname.to_lowercase() } else { surname };
                format!("{surname}{suffix}")
            }
            None => word_of_name(secret, language, word),
        })
    })
    .replaced(secret)
}

/// One word of a name, in the letter case that it has.
pub(super) fn word_of_name(secret: &Secret, language: Language, word: &str) -> String {
    let small = word.to_lowercase();
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    let chosen = if letters <= 1 {
        initial(secret, language, &small).to_string()
    } else {
        pick(secret, language, list(language, &small), "name", &small)
    };
    if word == small {
        chosen.to_lowercase()
    } else if letters > 1 && word == word.to_uppercase() {
        chosen.to_uppercase()
    } else {
        chosen
    }
}

impl Sort {
    fn from_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "F" => Self::Woman,
            "M" => Self::Man,
            "S" => Self::Surname,
            "T" => Self::Town,
            _ => return None,
        })
    }
}

/// Whether `word` is one of those in small letters that stand between names.
fn is_particle(word: &str) -> bool {
    PARTICLES.binary_search(&word).is_ok()
}

/// The list that a name is on: of the site's language first.
fn list(language: Language, small: &str) -> (Language, Sort) {
    let others = Language::ALL.into_iter().filter(|other| *other != language);
    std::iter::once(language)
        .chain(others)
        .find_map(|language| {
            let sort = LISTS.of.get(&(language, small.to_owned()))?;
            Some((language, *sort))
        })
        .unwrap_or((language, Sort::Surname))
}

/// A name of the list that starts with the letter that stands for the original's.
fn pick(
    secret: &Secret,
    language: Language,
    list: (Language, Sort),
    purpose: &str,
    small: &str,
) -> String {
    let Some(names) = LISTS.names.get(&list) else { return "X".to_owned() };
    let letter = initial(secret, language, small);
    let same: Vec<&str> = names.iter().copied().filter(|name| name.starts_with(letter)).collect();
    let names = if same.len() >= 2 { &same } else { names };
    let at = secret.below(purpose, &[small], names.len());
    let chosen = names[at];
    if chosen.to_lowercase() == small { names[(at + 1) % names.len()] } else { chosen }.to_owned()
}

/// The letter that stands for the first of `small`: "J. Roe" and "Jane Roe" agree. It is the first
/// letter of a drawn name, so that letters are as frequent as in names.
fn initial(secret: &Secret, language: Language, small: &str) -> char {
    let first: String = small.chars().take(1).collect();
    let Some(names) = LISTS.names.get(&(language, Sort::Surname)) else { return 'X' };
    names[secret.below("initial", &[&first], names.len())].chars().next().unwrap_or('X')
}

fn town(secret: &Secret, language: Language, original: &str) -> String {
    let small = original.to_lowercase();
    let Some(names) = LISTS.names.get(&(language, Sort::Town)) else { return "X".to_owned() };
    let at = secret.below("town", &[&small], names.len());
    if names[at].to_lowercase() == small { names[(at + 1) % names.len()] } else { names[at] }
        .to_owned()
}

/// A text whose words are replaced, its numbers not yet.
struct Words(String);

impl Words {
    /// With its numbers replaced too: postcodes made coarse, others drawn.
    fn replaced(self, secret: &Secret) -> String {
        let mut out = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            out.push_str(&rest[..start]);
            let end = rest[start..]
                .find(|c: char| !c.is_ascii_digit())
                .map_or(rest.len(), |length| start + length);
            let number = &rest[start..end];
            if number.len() >= POSTCODE_DIGITS {
                out.push_str(&coarse::digits(number, coarse::KEPT_DIGITS));
            } else {
                out.push_str(&secret.digits("number", number));
            }
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }
}

/// Replaces each run of letters by what `replace` says of it and of whether it follows a
/// postcode; keeps it when that is nothing.
fn words(text: &str, mut replace: impl FnMut(&str, bool) -> Option<String>) -> Words {
    let mut out = String::with_capacity(text.len());
    let mut digits = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = |c: char| c.is_alphabetic() || is_mark(c) || matches!(c, '\'' | '’');
        if first.is_alphabetic() {
            let end = rest.find(|c: char| !inside(c)).unwrap_or(rest.len());
            let word = &rest[..end];
            match replace(word, digits >= POSTCODE_DIGITS) {
                Some(other) => out.push_str(&other),
                None => out.push_str(word),
            }
            digits = 0;
            rest = &rest[end..];
        } else {
            digits += usize::from(first.is_ascii_digit());
            // Digits of other scripts are drawn as a zero is.
            out.push(if first.is_numeric() && !first.is_ascii() { '0' } else { first });
            rest = &rest[first.len_utf8()..];
        }
    }
    Words(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret([3; 32])
    }

    fn name_of(original: &str) -> String {
        name(&secret(), Language::English, original)
    }

    #[test]
    fn one_person_in_every_spelling() {
        let full = name_of("Jane Roe");
        let (given, surname) = full.split_once(' ').unwrap();
        assert_eq!(name_of("Roe"), surname);
        assert_eq!(name_of("ROE, Jane"), format!("{}, {given}", surname.to_uppercase()));
        assert_eq!(name_of("roe"), surname.to_lowercase());
        let first = given.chars().next().unwrap();
        let initial = name_of("J. Roe");
        assert_eq!(initial, format!("{first}. {surname}"));
    }

    #[test]
    fn gender_and_language_of_known_names_stay() {
        for (original, expected) in [
            ("Ceferino", (Language::Spanish, Sort::Man)),
            ("Hellwig", (Language::German, Sort::Surname)),
            ("Mindy", (Language::English, Sort::Woman)),
        ] {
            assert!(list(Language::English, &original.to_lowercase()) == expected, "{original}");
            let surrogate = name_of(original);
            assert!(LISTS.names[&expected].contains(&surrogate.as_str()), "{surrogate}");
        }
    }

    #[test]
    fn particles_hyphens_and_titles_stay() {
        let surrogate = name_of("Dr. Ana de la Cruz-Meyer");
        assert!(surrogate.starts_with("Dr. ") && surrogate.contains(" de la "), "{surrogate}");
        assert!(surrogate.contains('-') && !surrogate.contains("Cruz"), "{surrogate}");
    }

    #[test]
    fn addresses_keep_their_form() {
        let made = |text| address(&secret(), Language::German, text);
        let surrogate = made("Hauptstraße 12, 50667 Köln");
        assert!(surrogate.contains("straße ") && surrogate.contains(", 50000 "), "{surrogate}");
        assert!(!surrogate.contains("Köln") && !surrogate.contains("Haupt"), "{surrogate}");
        let surrogate = made("University Hospital Springfield");
        assert!(surrogate.starts_with("University Hospital "), "{surrogate}");
        assert!(!surrogate.contains("Springfield"));
    }

    #[test]
    fn words_without_capitals_are_hidden_too() {
        let made = |text| address(&secret(), Language::German, text);
        let surrogate = made("lindenweg 4 am see, köln");
        assert!(surrogate.contains("weg ") && surrogate.contains(" am "), "{surrogate}");
        for gone in ["linden", "see", "köln"] {
            assert!(!surrogate.contains(gone), "{gone} in {surrogate}");
        }
        assert!(made("5th Avenue").contains("th Avenue"), "an ordinal is no name");
        for text in ["北京市朝阳区", "شارع الملك", "רחוב הרצל", "東京都"]
        {
            for (word, made) in text.split(' ').zip(made(text).split(' ')) {
                assert_ne!(word, made, "{text}");
            }
        }
        let number = made("شارع ٤٢");
        assert!(!number.contains(['٤', '٢']), "{number}");
    }

    #[test]
    fn places_become_towns() {
        let surrogate = location(&secret(), Language::English, "Boston, Massachusetts");
        assert!(surrogate.contains(", ") && !surrogate.contains("Boston"), "{surrogate}");
    }

    #[test]
    fn the_lists_are_there() {
        assert!(KEPT.is_sorted());
        for language in Language::ALL {
            for sort in [Sort::Woman, Sort::Man, Sort::Surname, Sort::Town] {
                assert!(LISTS.names[&(language, sort)].len() >= 40);
            }
        }
    }
}
