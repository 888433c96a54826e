//! Numbers that only a word beside them tells apart: record, account, licence, serial.

use super::super::checks;
use super::super::kind::Kind;
use super::super::labels::Labels;
use super::super::words::is_year;
use super::{Edge, Rule};

/// Kinds whose value has no shape of its own, or whose check digit may be mistyped: the word
/// before the value is enough.
const ANNOUNCED: Labels = {
    let kinds = [
        Kind::Ssn,
        Kind::Itin,
        Kind::Npi,
        Kind::Dea,
        Kind::HealthPlan,
        Kind::Nhs,
        Kind::Nino,
        Kind::SteuerId,
        Kind::Nir,
        Kind::Dni,
        Kind::Nuss,
        Kind::CodiceFiscale,
        Kind::Pesel,
        Kind::Bsn,
        Kind::Aadhaar,
        Kind::Pan,
        Kind::Tfn,
        Kind::Medicare,
        Kind::Cpf,
        Kind::TaxId,
        Kind::Passport,
        Kind::MedicalRecord,
        Kind::Account,
        Kind::License,
        Kind::Plate,
        Kind::Vin,
        Kind::Imei,
        Kind::DeviceSerial,
        Kind::Biometric,
        Kind::Iban,
        Kind::Routing,
        Kind::CreditCard,
        Kind::Id,
    ];
    let (mut labels, mut at) = (Labels::NONE, 0);
    while at < kinds.len() {
        labels = labels.or(Labels::of(kinds[at]));
        at += 1;
    }
    labels
};

const fn value(pattern: &'static str) -> Rule {
    Rule::announced(Kind::Id, 0.75, pattern).labels(ANNOUNCED)
}

pub(super) const RULES: &[Rule] = &[
    // One unbroken value: A7699964, 988-55-475, MRN266641, FP-6986e2c4, 78467298/03.
    value(r"(?:(?i:s/?n|no|nhc|nr)[ ./:]{0,2})?#?[0-9A-Za-z]{1,24}(?:[\-./_][0-9A-Za-z]{1,24}){0,5}")
        .text(numbered),
    // Digits in groups: 28 28 20943, OG 39 97 68 D, W2278 41903.
    value(r"(?:[A-Za-z]{1,3} ?)?[0-9]{1,12}(?:[ \-/][0-9]{1,12}){1,6}(?:~(?:[A-Z]{2}|[A-Za-z]))?").text(numbered),
    // Letters, then digits in groups: PJN 123456, A 123 456 780, MAM 3390/17.
    value(r"[A-Z]{1,5}(?: [0-9]{2,12}(?:[\-/][0-9]{1,8})?){1,6}").text(numbered),
    // A Swiss creditor's: K 4417.17.
    value(r"[A-Z] ?[0-9]{4}\.[0-9]{2}"),
    // A German pension number: 65 170839 J 003.
    value(r"[0-9]{2} [0-9]{6} [A-Z] [0-9]{3}"),
    // A device identifier with the application identifiers of GS1: (01)00844588003288(21)7X.
    value(r"\([0-9]{2}\)[0-9A-Za-z]{1,20}(?:\([0-9]{2}\)[0-9A-Za-z]{1,20}){0,5}").text(numbered),
    // Account groups with letters, as a mistyped IBAN has.
    value(r"[A-Z]{2}[0-9]{2}(?: [0-9A-Z]{4}){3,7}(?: [0-9A-Z]{1,4})?").text(numbered),
    // What only "no." or "number" announces, and not of what: A-774, 4418 20096.
    Rule::announced(
        Kind::Id,
        0.6,
        r"[0-9A-Z]{1,14}(?:[\-/._ ]?[0-9A-Z]{1,14}){0,5}",
    )
    .labels(Labels::NUMBER)
    .text(long),
    // Plates.
    value(r"[A-ZÄÖÜ]{1,3}[\- ][A-Z]{1,2}[\- ]?[0-9]{1,4}[EH]?|[0-9]{4}[ \-]?[A-Z]{3}|[A-Z]{2}[0-9]{2} ?[A-Z]{3}")
        .labels(Labels::of(Kind::Plate))
        .edge(Edge::Word),
    // A German one alone: M-XY 1234; a class of a tumour is ICD-O 8070.
    Rule::new(Kind::Plate, 0.55, r"[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} [0-9]{3,4}[EH]?")
        .text(|text| !text.starts_with("ICD"))
        .edge(Edge::Word),
    // Québec's health insurance: TREM 6254 1817.
    Rule::new(Kind::HealthPlan, 0.6, r"[A-Z]{4} [0-9]{4} [0-9]{4}"),
    Rule::new(Kind::MedicalRecord, 0.8, r"(?i:mrn|nhc)[0-9]{4,12}|MR [0-9]{6,10}").edge(Edge::Word),
    // A laboratory's or a clinic's number with its year: H/22/008415, K24-20911, 23-D-90817, 23-118845-M,
    // Fall 4410936.
    Rule::new(
        Kind::MedicalRecord,
        0.6,
        r"[A-Z]{1,2}[/\-]?(?:20)?[012][0-9][/\-][0-9]{4,6}|[012][0-9]-[A-Z]-[0-9]{4,6}|[012][0-9]-[0-9]{6}(?:-[A-Z])?|Fall (?:[A-Z]{1,4}-)?[0-9]{2,4}-?[0-9]{4,8}",
    ),
    // A German court's file: 41 XVII 209/22, 3 O 1145/19, S 12 KR 345/20.
    Rule::new(
        Kind::Id,
        0.7,
        r"[0-9]{1,4} (?:XVII|XIV|VI|Cs|Ds|Js|Ls|OWi|IN|IK|UF|AR|[CFKMOSTUX]) [0-9]{1,6}/[0-9]{2}(?: [A-Z])?|S [0-9]{1,3} (?:AL|AS|KR|P|R|SB|SO|U|VE|VG) [0-9]{1,6}/[0-9]{2}",
    )
    .edge(Edge::Date),
    // Numbers that say whose they are: CUST-881204, EMP/20931.
    Rule::new(Kind::Id, 0.65, r"(?:CLIENT|CLM|CMP|CUST|EMP|MEM|PAT|POL|STU)[\-/ ]?[0-9]{4,10}")
        .edge(Edge::Word),
    Rule::new(Kind::Vin, 0.75, r"[0-9A-HJ-NPR-Z]{17}").digits(checks::vin).edge(Edge::Word),
    Rule::new(Kind::Imei, 0.55, r"(?:01|3[35]|86|99)[0-9]{13}").digits(checks::luhn),
    Rule::new(Kind::Imei, 0.7, r"[0-9]{2}=[0-9]{6}=[0-9]{6}=[0-9]").digits(checks::luhn),
];

/// Enough digits for a number that nothing else tells of, which is not round and no year.
fn long(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits >= 4 && !is_year(text) && !text.ends_with("00")
}

/// A value has at least three digits, or two among letters.
fn numbered(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    // "104-year-old" is no value, though it may follow one.
    let word = |part: &str| part.len() >= 3 && part.bytes().all(|byte| byte.is_ascii_lowercase());
    if text.split('-').skip(1).any(word) {
        return false;
    }
    digits >= 3 || digits == 2 && text.bytes().filter(u8::is_ascii_alphabetic).count() >= 2
}
