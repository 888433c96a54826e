//! What a record's fields say about the people in its texts: names and record numbers, which are then
//! hidden in every text of the record, whether or not anything in the text gives them away.

use serde_json::Value;

use super::super::kind::Kind;
use super::super::plain::Plain;
use super::super::profile::Hints;
use super::super::words::{NO_NAMES, PARTICLES, TITLES, Word};
use super::{Action, FieldRules, label};
use crate::item::BESIDE_BYTES_MAX;

/// Words of a name.
const NAME_WORDS_MAX: usize = 6;
/// Digits of a number that is looked for elsewhere.
const DIGITS_MIN: usize = 4;

/// Last words of fields with a person's name. Sorted.
const NAMES: &[&str] = &[
    "apellido",
    "apellidos",
    "cognome",
    "familienname",
    "firstname",
    "forename",
    "fullname",
    "geburtsname",
    "givenname",
    "lastname",
    "maidenname",
    "nachname",
    "name",
    "names",
    "nom",
    "nombre",
    "nombres",
    "nome",
    "patientenname",
    "patientname",
    "prenom",
    "prénom",
    "surname",
    "vorname",
];
/// What may stand before one of them: a `test name` is no person's. Sorted.
const OF_PEOPLE: &[&str] = &[
    "attending",
    "author",
    "birth",
    "caregiver",
    "client",
    "consultant",
    "contact",
    "customer",
    "de",
    "del",
    "des",
    "doctor",
    "emergency",
    "employee",
    "family",
    "father",
    "first",
    "full",
    "given",
    "guardian",
    "insured",
    "kin",
    "last",
    "legal",
    "maiden",
    "member",
    "middle",
    "mother",
    "next",
    "nurse",
    "of",
    "paciente",
    "patient",
    "patienten",
    "patients",
    "person",
    "physician",
    "preferred",
    "provider",
    "referring",
    "s",
    "second",
    "spouse",
    "staff",
    "subscriber",
    "surgeon",
    "the",
];
/// Fields whose whole name is a person. Sorted.
const PEOPLE: &[&str] = &[
    "arzt",
    "attending",
    "author",
    "doctor",
    "hausarzt",
    "medico",
    "médico",
    "nurse",
    "paciente",
    "patient",
    "patientin",
    "physician",
    "provider",
    "referring physician",
    "surgeon",
    "verfasser",
    "ärztin",
];
/// What stands for nobody. Sorted.
const NOBODY: &[&str] =
    &["anonymous", "desconocido", "inconnu", "na", "nil", "none", "null", "unbekannt", "unknown"];
/// Fields whose whole name is a person's number. Sorted.
const NUMBERS: &[&str] = &[
    "accession number",
    "account number",
    "case id",
    "case number",
    "chart number",
    "encounter id",
    "fallnummer",
    "hospital number",
    "medical record number",
    "mrn",
    "nhc",
    "patient id",
    "patient identifier",
    "patient no",
    "patient nr",
    "patient number",
    "patienten id",
    "patientennummer",
    "patientid",
    "record number",
    "visit id",
    "visit number",
];

/// Takes what the field at `path` says of people into `hints`.
pub(crate) fn learn(hints: &mut Hints, rules: &FieldRules, path: &str, value: &str) {
    if value.len() > BESIDE_BYTES_MAX {
        return;
    }
    match rules.action(path) {
        Some(Action::Hide(Kind::Name)) => learn_name(hints, value),
        Some(Action::Hide(Kind::MedicalRecord | Kind::Id | Kind::Account | Kind::HealthPlan)) => {
            learn_number(hints, value);
        }
        Some(Action::Hide(_) | Action::Keep | Action::Drop | Action::Text) => {}
        None => {
            let label = label(path.rsplit('.').next().unwrap_or(path));
            if is_of_name(&label) {
                learn_name(hints, value);
            } else if NUMBERS.binary_search(&label.as_str()).is_ok() {
                learn_number(hints, value);
            }
        }
    }
}

/// Takes what the fields of a JSON value say, and those inside it, to `depth`.
pub(super) fn learn_all(
    hints: &mut Hints,
    rules: &FieldRules,
    path: &str,
    value: &Value,
    depth: usize,
) {
    match value {
        Value::Object(fields) if depth > 0 => {
            for (name, value) in fields {
                let path = super::json::join(path, name);
                learn_all(hints, rules, &path, value, depth - 1);
            }
        }
        Value::Array(items) if depth > 0 => {
            items.iter().for_each(|item| learn_all(hints, rules, path, item, depth - 1));
        }
        Value::String(text) => learn(hints, rules, path, text),
        Value::Number(number) => learn(hints, rules, path, &number.to_string()),
        Value::Null | Value::Bool(_) | Value::Object(_) | Value::Array(_) => {}
    }
}

fn is_of_name(label: &str) -> bool {
    if PEOPLE.binary_search(&label).is_ok() {
        return true;
    }
    let mut words = label.split(' ').filter(|word| !word.is_empty());
    let last = words.next_back().unwrap_or_default();
    NAMES.binary_search(&last).is_ok() && words.all(|word| OF_PEOPLE.binary_search(&word).is_ok())
}

/// Takes a value that is a person's name, if it looks like one: in whole, without titles, and its words
/// that are no words of every text.
pub(super) fn learn_name(hints: &mut Hints, value: &str) {
    let value = &*Plain::new(value).text;
    let parts = value.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '^' | '/'));
    let odd = |c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | '@' | ':');
    if value.contains(odd) || parts.clone().filter(|part| !part.is_empty()).count() > NAME_WORDS_MAX
    {
        return;
    }
    let words = parts.filter_map(|part| Word::at(part, 0)).filter(|word| !word.is_in(TITLES));
    let words: Vec<Word<'_>> = words.collect();
    let tells = |word: &&Word<'_>| {
        // A particle that is all of a name is one: Le, Van.
        let particle = words.len() > 1 && word.is_in(PARTICLES);
        !particle && !word.is_in(NO_NAMES) && !word.is_in(NOBODY)
    };
    let telling: Vec<&str> = words.iter().filter(tells).map(|word| word.text).collect();
    if telling.is_empty() {
        return;
    }
    let whole: Vec<&str> = words.iter().map(|word| word.text).collect();
    hints.people.name(&whole.join(" "));
    telling.into_iter().for_each(|word| hints.people.name(word));
}

/// Takes a value that is a person's number, if it looks like one.
pub(super) fn learn_number(hints: &mut Hints, value: &str) {
    let value = value.trim();
    // Of any script; the rest of a value that is masked in part is no number of anybody.
    let digits = value.chars().filter(|c| c.is_numeric()).count();
    if digits >= DIGITS_MIN && !value.contains(['[', ']']) {
        hints.people.identifier(value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::people::tests::stated;
    use super::*;

    #[track_caller]
    fn check(fields: &[(&str, &str)], names: &[&str], identifiers: &[&str]) {
        let mut hints = Hints::default();
        for (name, value) in fields {
            learn(&mut hints, &FieldRules::default(), name, value);
        }
        assert_eq!(stated(&hints.people), (names.to_vec(), identifiers.to_vec()), "{fields:?}");
    }

    #[test]
    fn names_and_numbers_are_told_by_their_fields() {
        let eva = &["eva", "eva von schmidt", "schmidt"];
        check(&[("patient_name", "Dr. Eva von Schmidt")], eva, &[]);
        check(&[("subject.lastName", "Roe"), ("Vorname", "Ana")], &["ana", "roe"], &[]);
        check(&[("surname", "Roe\u{2011}Doe")], &["roe-doe"], &[]);
        check(&[("surname", "Le"), ("name", "Vu, Le")], &["le", "vu", "vu le"], &[]);
        check(&[("mrn", "774411"), ("patientId", "A-7744")], &[], &["774411", "A-7744"]);
        check(&[("patient", "Unknown"), ("name", "see file 12")], &[], &[]);
        check(&[("test name", "Glucose"), ("drug_name", "Aspirin"), ("n", "774411")], &[], &[]);
        check(&[("name", "[NAME]"), ("mrn", "12"), ("mrn", "[ID] 1931")], &[], &[]);
    }

    #[test]
    fn lists_are_sorted() {
        for list in [NAMES, NOBODY, OF_PEOPLE, PEOPLE, NUMBERS] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }
}
