//! Which language a text is in, by its small words: as far as what capitals and titles mean goes.

use super::names::words;

/// Words that are counted.
const WORDS_MAX: usize = 400;
const ENGLISH: &[&str] = &[
    "about", "after", "an", "and", "are", "at", "be", "before", "by", "can", "do", "does", "for",
    "from", "had", "has", "have", "he", "her", "his", "how", "is", "it", "my", "not", "of", "on",
    "or", "our", "she", "that", "the", "their", "they", "this", "to", "was", "we", "were", "what",
    "when", "which", "who", "will", "with", "you", "your",
];
const GERMAN: &[&str] = &[
    "als", "am", "auf", "aus", "bei", "beim", "bitte", "das", "dem", "den", "der", "des", "die",
    "durch", "ein", "eine", "einem", "einen", "einer", "eines", "er", "für", "hat", "ich", "ihr",
    "im", "ist", "kein", "keine", "mit", "nach", "nicht", "oder", "sie", "sind", "und", "unter",
    "vom", "von", "vor", "war", "wird", "wurde", "zu", "zum", "zur", "über",
];
const SPANISH: &[&str] = &[
    "al", "con", "de", "del", "el", "en", "es", "la", "las", "lo", "los", "no", "para", "por",
    "que", "se", "sin", "su", "sus", "un", "una", "y",
];

/// Of French, Italian, Dutch and Portuguese, and of none of the three above.
const OTHERS: &[&str] = &[
    "aan", "ai", "alla", "anche", "ao", "aos", "au", "aux", "avec", "bij", "ce", "cette", "che",
    "com", "dal", "dalla", "dans", "dat", "degli", "dei", "della", "delle", "di", "du", "een",
    "elle", "em", "est", "et", "foi", "geen", "gli", "haar", "heeft", "het", "hij", "ik", "il",
    "je", "les", "maar", "mais", "met", "na", "naar", "nel", "nella", "niet", "nog", "non", "nos",
    "não", "om", "ook", "os", "ou", "par", "pas", "pela", "pelo", "per", "più", "pour", "qui",
    "sem", "seu", "si", "sono", "sua", "sur", "te", "uit", "um", "uma", "une", "van", "voor",
    "vous", "werd", "wordt", "zijn", "à", "è",
];

/// How many small words of each language a text starts with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Small {
    english: usize,
    german: usize,
    spanish: usize,
    others: usize,
}

impl Small {
    /// Of the first words of `text`.
    pub(super) fn of(text: &str) -> Self {
        let mut small = Self::default();
        for word in words(text).take(WORDS_MAX).filter(|word| !word.is_capitalised()) {
            small.english += usize::from(ENGLISH.binary_search(&word.text).is_ok());
            small.german += usize::from(GERMAN.binary_search(&word.text).is_ok());
            small.spanish += usize::from(SPANISH.binary_search(&word.text).is_ok());
            small.others += usize::from(OTHERS.binary_search(&word.text).is_ok());
        }
        small
    }

    pub(super) const fn is_spanish(self) -> bool {
        self.spanish > self.english + self.german
    }

    /// Whether it is in none of the languages that the names model has learned.
    pub(super) const fn is_other(self) -> bool {
        self.others > self.english && self.others > self.german && 2 * self.others > self.spanish
    }

    /// Whether every noun has a capital: in German.
    pub(super) const fn has_nouns_in_capitals(self) -> bool {
        self.german > self.english + self.spanish
    }

    /// Whether a noun with a capital is a name: in English and Spanish, and not in German.
    pub(super) const fn has_names_in_capitals(self) -> bool {
        self.english + self.spanish > 2 * self.german
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_words_tell_the_language() {
        for (text, spanish, names) in [
            ("She was seen by the doctor in Berlin.", false, true),
            ("Die Patientin wurde in der Klinik aufgenommen.", false, false),
            ("La paciente acude a la consulta de su médica.", true, true),
            ("Torasemid pausiert, Kalium substituiert.", false, false),
            ("", false, false),
        ] {
            let small = Small::of(text);
            assert_eq!(
                (small.is_spanish(), small.has_names_in_capitals()),
                (spanish, names),
                "{text}"
            );
        }
    }

    #[test]
    fn lists_are_sorted() {
        assert!(
            ENGLISH.is_sorted() && GERMAN.is_sorted() && SPANISH.is_sorted() && OTHERS.is_sorted()
        );
    }
}
