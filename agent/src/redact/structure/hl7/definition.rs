//! What the fields of segments hold, by the standard (2.5.1).

use super::super::super::kind::Kind;

/// What a field holds: the data types that hold personal data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// XPN: a person's name.
    Name,
    /// XCN: a person's number and name.
    Person,
    /// XAD: an address.
    Address,
    /// XTN: a telephone number or mail address.
    Telecom,
    /// CX, EI: an identifier, then who gives it out.
    Id(Kind),
    /// XON and others: a name in the first component.
    Named(Kind),
    /// TS: a time; the second is the subject's birth.
    Date,
    Birth,
    /// CE, ID, IS and others: codes and their names, short numbers.
    Code,
    /// NM, SI: a number.
    Number,
    /// Left out.
    Drop,
    /// Text.
    Text,
}

/// What a field of a segment holds. `value_type` is that of an observation's value.
pub(super) fn defined(segment: &str, number: usize, value_type: &str) -> Field {
    use Field::{Address, Birth, Code, Date, Drop, Id, Name, Named, Number, Person, Telecom, Text};
    match (segment, number) {
        ("MSH" | "FHS" | "BHS", 4 | 6) => Named(Kind::Organization),
        ("MSH", 7) | ("EVN", 2 | 3 | 6) | ("ORC", 9 | 15) => Date,
        ("MSH", 8) => Drop,
        ("MSH", 10) => Id(Kind::Id),
        ("MSH", _) => Code,
        ("EVN", 5) => Person,
        ("PID", 2..=4) | ("MRG", 1 | 3) => Id(Kind::MedicalRecord),
        ("PID", 5 | 6 | 9) | ("NK1", 2 | 30) | ("GT1", 3 | 4) | ("IN1", 6 | 16) | ("MRG", 7) => {
            Name
        }
        ("PID", 7) | ("NK1" | "IN1", 16 | 18) | ("GT1", 8) => Birth,
        ("PID", 11) | ("NK1", 4 | 32) | ("GT1", 5) | ("IN1", 5 | 19) | ("ORC" | "OBX", 22 | 24) => {
            Address
        }
        ("PID", 12 | 23) | ("PV1", 3 | 6 | 11) => Named(Kind::Location),
        ("PID", 13 | 14) | ("NK1", 5 | 6 | 31) | ("GT1", 6 | 7) | ("IN1", 7) | ("ORC", 14 | 23) => {
            Telecom
        }
        ("PID", 18) | ("PV1", 5 | 19 | 50) => Id(Kind::Account),
        ("PID", 19) | ("NK1", 37) | ("GT1", 12) | ("IN2", 2) => Id(Kind::Ssn),
        ("PID", 20) => Id(Kind::License),
        ("PID", 21) | ("NK1", 33) | ("GT1", 2) | ("IN1", 49) => Id(Kind::Id),
        ("PID", 29 | 33) | ("PV1", 44 | 45) | ("PV2", 8 | 9 | 33) => Date,
        ("PID", 1 | 8 | 10 | 15 | 16 | 17 | 22 | 24..=28 | 30..=32) => Code,
        ("NK1", 3 | 7) | ("PV1", 1 | 2 | 4 | 10 | 14..=16 | 18 | 36 | 41) => Code,
        ("PV1", 7 | 8 | 9 | 17 | 52) | ("PD1", 4) | ("ROL", 4) => Person,
        ("PD1", 3) | ("NK1", 13) | ("IN1", 4 | 11) | ("ORC", 21) | ("OBX", 23) => {
            Named(Kind::Organization)
        }
        ("IN1", 8 | 36) | ("IN2", 1 | 8) => Id(Kind::HealthPlan),
        ("IN1", 12 | 13) | ("ACC", 1) | ("DG1", 5) | ("AL1", 6) => Date,
        ("ORC" | "OBR", 2..=4) if segment == "ORC" || number < 4 => Id(Kind::MedicalRecord),
        ("ORC", 10..=12 | 19) | ("OBR", 10 | 16 | 28) | ("OBX", 16 | 25) | ("DG1", 16) => Person,
        ("OBR", 32..=35) => Person,
        ("OBR", 6 | 7 | 8 | 14 | 22) | ("OBX", 14 | 19) | ("SPM", 17 | 18) => Date,
        ("TXA", 4 | 6..=8) | ("RXA", 3 | 4) | ("FT1", 4 | 5) => Date,
        ("TXA", 5 | 9..=11 | 22) | ("RXA", 10) | ("FT1", 20 | 21) => Person,
        ("TXA", 12 | 13) | ("SPM", 2) => Id(Kind::MedicalRecord),
        ("OBX", 18) => Id(Kind::DeviceSerial),
        ("OBX", 5) => match value_type {
            "NM" | "SI" => Number,
            "DT" | "TS" | "DTM" => Date,
            "XPN" | "PN" => Name,
            "XCN" => Person,
            "XAD" | "AD" => Address,
            "XTN" | "TN" => Telecom,
            "CX" | "EI" => Id(Kind::Id),
            "ED" | "RP" => Drop,
            _ => Text,
        },
        ("OBX", 1..=4 | 6..=13) => Code,
        _ => Text,
    }
}
