//! Words, one by one, for the recognizers that read rather than match.

use super::scan::{char_at, char_before, is_mark};

/// A word or number with the punctuation that belongs inside it: `O'Neil`, `Müller-Lüdenscheidt`,
/// `3ºC`. Offsets are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
}

impl<'t> Word<'t> {
    /// The word that starts at byte `at`, if one does.
    pub(super) fn at(text: &'t str, at: usize) -> Option<Self> {
        let rest = text.get(at..)?;
        let mut end = 0;
        let mut letters = rest.char_indices().peekable();
        while let Some((offset, c)) = letters.next() {
            let inner = matches!(c, '\'' | '’' | '-')
                && end > 0
                && letters.peek().is_some_and(|(_, next)| next.is_alphanumeric());
            if !(c.is_alphanumeric() || is_mark(c) || inner) {
                break;
            }
            end = offset + c.len_utf8();
        }
        (end > 0).then(|| Self { text: &rest[..end], start: at }.without_possessive())
    }

    /// The word that ends at byte `end`, if one does.
    pub(super) fn before(text: &'t str, end: usize) -> Option<Self> {
        let mut start = end;
        while start > 0 {
            let c = char_before(text, start);
            let inner = matches!(c, '\'' | '’' | '-')
                && start < end
                && char_before(text, start - c.len_utf8()).is_alphanumeric();
            if !(c.is_alphanumeric() || is_mark(c) || inner) {
                break;
            }
            start -= c.len_utf8();
        }
        (start < end).then_some(Self { text: &text[start..end], start })
    }

    fn without_possessive(self) -> Self {
        let text = self.text.strip_suffix("'s").or_else(|| self.text.strip_suffix("’s"));
        Self { text: text.filter(|text| !text.is_empty()).unwrap_or(self.text), ..self }
    }

    pub(super) fn end(self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is_capitalised(self) -> bool {
        self.text.chars().next().is_some_and(char::is_uppercase)
    }

    /// One letter, as of a middle name.
    pub(super) fn is_initial(self) -> bool {
        let mut letters = self.text.chars();
        letters.next().is_some_and(char::is_uppercase) && letters.all(is_mark)
    }

    pub(super) fn is_number(self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Whether the word is in a sorted list of words in small letters.
    pub(super) fn is_in(self, list: &[&str]) -> bool {
        if self.text.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return list.binary_search(&self.text).is_ok();
        }
        let small = self.text.to_lowercase();
        list.binary_search(&small.as_str()).is_ok()
    }
}

/// Whether digits are a year of the last hundred or of this one.
pub(super) fn is_year(digits: &str) -> bool {
    digits.len() == 4 && (digits.starts_with("19") || digits.starts_with("20"))
}

/// Behind the spaces (not line ends) at byte `at`, at most `most` of them.
pub(super) fn skip_spaces(text: &str, at: usize, most: usize) -> usize {
    let mut at = at;
    for _ in 0..most {
        match char_at(text, at) {
            ' ' | '\t' if at < text.len() => at += 1,
            _ => break,
        }
    }
    at
}

/// Small words inside names: `van der Berg`, `de la Cruz`.
pub(super) const PARTICLES: &[&str] = &[
    "al", "auf", "ben", "bin", "da", "das", "de", "dei", "del", "della", "dem", "den", "der", "di",
    "do", "dos", "du", "e", "el", "ibn", "la", "las", "le", "los", "ter", "van", "ver", "vom",
    "von", "y", "zu", "zum", "zur",
];

/// Titles before a name, which are no part of it.
pub(super) const TITLES: &[&str] = &[
    "capt",
    "col",
    "d",
    "ddr",
    "dipl",
    "dkfm",
    "dn",
    "don",
    "doña",
    "dr",
    "dra",
    "dña",
    "fr",
    "frau",
    "herr",
    "herrn",
    "hon",
    "hr",
    "lic",
    "lt",
    "madam",
    "madame",
    "mag",
    "med",
    "miss",
    "mmag",
    "mme",
    "monsieur",
    "mr",
    "mrs",
    "ms",
    "pd",
    "prim",
    "prof",
    "profesor",
    "profesora",
    "rev",
    "sgt",
    "sig",
    "sir",
    "sr",
    "sra",
    "srta",
    "univ",
];

/// Words that are often written with a capital where a name could stand, and are none.
pub(super) const NO_NAMES: &[&str] = &[
    "a",
    "abdomen",
    "abteilung",
    "account",
    "address",
    "admission",
    "admitted",
    "age",
    "allergies",
    "also",
    "alter",
    "am",
    "an",
    "anamnese",
    "and",
    "andrología",
    "antecedentes",
    "apgar",
    "april",
    "apt",
    "assessment",
    "assistenzarzt",
    "assistenzärztin",
    "at",
    "atención",
    "aufnahme",
    "august",
    "batch",
    "befund",
    "beginning",
    "behandlung",
    "beurteilung",
    "bic",
    "blood",
    "bp",
    "but",
    "by",
    "call",
    "cardiología",
    "care",
    "case",
    "catalogue",
    "center",
    "centre",
    "centro",
    "chart",
    "chefarzt",
    "chefärztin",
    "cirugía",
    "clinic",
    "clinica",
    "complains",
    "consulta",
    "correo",
    "correos",
    "ct",
    "cátedra",
    "damen",
    "date",
    "datos",
    "dea",
    "december",
    "denies",
    "departamento",
    "department",
    "der",
    "device",
    "diagnose",
    "diagnosis",
    "diagnóstico",
    "did",
    "die",
    "dirección",
    "discharge",
    "discharged",
    "disease",
    "division",
    "dl",
    "dni",
    "dob",
    "does",
    "domicilio",
    "down",
    "driver",
    "edad",
    "edificio",
    "ein",
    "eine",
    "email",
    "emergency",
    "entlassung",
    "er",
    "es",
    "especialidad",
    "exam",
    "facharzt",
    "fachärztin",
    "facultad",
    "fax",
    "february",
    "fecha",
    "followup",
    "for",
    "frau",
    "free",
    "friday",
    "from",
    "general",
    "geschlecht",
    "had",
    "has",
    "he",
    "health",
    "her",
    "herr",
    "herren",
    "his",
    "history",
    "home",
    "hospital",
    "hospitalaria",
    "how",
    "höhe",
    "i'd",
    "i'll",
    "i'm",
    "i've",
    "iban",
    "icd",
    "icu",
    "id",
    "if",
    "in",
    "info",
    "information",
    "informe",
    "institute",
    "instituto",
    "insurance",
    "ip",
    "is",
    "it",
    "its",
    "january",
    "july",
    "june",
    "klinik",
    "klinikum",
    "kollege",
    "kollegin",
    "labs",
    "license",
    "lives",
    "localidad",
    "lot",
    "ma",
    "mac",
    "march",
    "may",
    "mbi",
    "md",
    "medicaid",
    "medical",
    "medicare",
    "medication",
    "medications",
    "medicina",
    "monday",
    "motivo",
    "mr",
    "mri",
    "mrn",
    "mrs",
    "ms",
    "médica",
    "médico",
    "name",
    "nass",
    "national",
    "nationality",
    "nefrología",
    "neurología",
    "nhc",
    "nhs",
    "nif",
    "nir",
    "no",
    "not",
    "note",
    "november",
    "npi",
    "nurse",
    "nºcol",
    "oberarzt",
    "oberärztin",
    "of",
    "office",
    "on",
    "oncología",
    "or",
    "order",
    "our",
    "paciente",
    "pain",
    "pan",
    "patient",
    "patientin",
    "país",
    "pediatría",
    "pesel",
    "phd",
    "phone",
    "physical",
    "physician",
    "plan",
    "please",
    "postcode",
    "praxis",
    "presents",
    "procedure",
    "provider",
    "provincia",
    "pt",
    "radiología",
    "reader",
    "reason",
    "record",
    "records",
    "regards",
    "remitido",
    "reports",
    "rn",
    "room",
    "routing",
    "saturday",
    "school",
    "seccion",
    "sección",
    "security",
    "seen",
    "september",
    "servicio",
    "sex",
    "sexo",
    "she",
    "sie",
    "signed",
    "sincerely",
    "sir",
    "social",
    "ssn",
    "states",
    "station",
    "stationsarzt",
    "status",
    "steuer",
    "sunday",
    "supervisor",
    "supervisora",
    "surgery",
    "swift",
    "tag",
    "team",
    "tel",
    "test",
    "tfn",
    "thanks",
    "that",
    "the",
    "therapie",
    "there",
    "they",
    "this",
    "thursday",
    "to",
    "today",
    "traumatología",
    "tuesday",
    "und",
    "unidad",
    "unit",
    "university",
    "universitätsklinikum",
    "urología",
    "varón",
    "verlauf",
    "vin",
    "visit",
    "was",
    "we",
    "wednesday",
    "were",
    "what",
    "when",
    "where",
    "who",
    "will",
    "with",
    "yes",
    "you",
    "your",
    "zip",
    "zustand",
    "área",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(PARTICLES.is_sorted());
        assert!(NO_NAMES.is_sorted());
        assert!(TITLES.is_sorted() && TITLES.iter().all(|title| title.len() <= 10));
    }

    #[test]
    fn words_keep_what_is_inside_them() {
        assert_eq!(Word::at("O'Neil's house", 0).unwrap().text, "O'Neil");
        assert_eq!(Word::at("e\u{301}va-", 0).unwrap().text, "e\u{301}va");
        assert_eq!(Word::at(" x", 0), None);
        assert_eq!(Word::before("Jane Roe-Doe,", 12).unwrap().text, "Roe-Doe");
    }
}
