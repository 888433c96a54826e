//! Telephone and fax numbers, and postcodes.

use super::super::kind::Kind;
use super::super::labels::Labels;
use super::{Edge, Rule};

/// An extension after a telephone number.
pub(super) const EXTENSION: &str =
    r"(?:,? ?(?i:x|ext\.?|extension|durchwahl|dw|app\.?|int\.?) ?[0-9]{1,6})?";

const CALLS: Labels = Labels::of(Kind::Phone).or(Labels::of(Kind::Fax));

const fn phone(alone: f32, pattern: &'static str) -> Rule {
    Rule::new(Kind::Phone, alone, pattern).labels(CALLS).labelled(0.9)
}

pub(super) const RULES: &[Rule] = &[
    // International, with the country's code.
    phone(
        0.9,
        r"\+ ?[1-9][0-9]{0,2}(?:[ .\-/]{0,3}\(?[0-9]{1,5}\)?){2,7}<extension>",
    )
    .text(international)
    .edge(Edge::Number),
    phone(0.75, r"00[ \-]?[1-9][0-9]{0,2}(?:[ .\-/]\(?[0-9]{1,5}\)?){2,6}<extension>").text(international),
    // North America.
    phone(
        0.8,
        r"(?:\+?1[ .\-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.\-])[2-9][0-9]{2}[.\-][0-9]{4}<extension>",
    ),
    phone(0.55, r"(?:1 )?[2-9][0-9]{2} [2-9][0-9]{2} [0-9]{4}<extension>"),
    // France, United Kingdom, Germany, Spain and others, by their trunk digit and grouping.
    phone(0.8, r"0[1-9](?:[ .\-][0-9]{2}){4}"),
    phone(0.65, r"0[0-9]{2,4}[ \-][0-9]{3,4}[ \-][0-9]{3,4}"),
    phone(0.75, r"0[0-9]{2} [0-9]{3} [0-9]{2} [0-9]{2}|0[0-9]{3} [0-9]{2} [0-9]{2} [0-9]{2}"),
    phone(0.75, r"0[0-9]{3} [0-9]{3} [0-9]{2} [0-9]{2}"),
    phone(0.6, r"07[0-9]{3} ?[0-9]{6}|0[1-9][0-9]{3} [0-9]{5,6}"),
    phone(0.7, r"0[1-9][0-9]{1,4} ?[/\-\u{2013}] ?[0-9]{3,9}(?:[ \-][0-9]{1,5}){0,3}"),
    phone(0.7, r"0[1-9][0-9]{2,4} ?/ ?[0-9]{1,2}(?: [0-9]{1,3}){2,4}").text(trunk),
    phone(0.7, r"0[1-9][0-9]{1,4} ?[/\-\u{2013}] ?[0-9]{1,4}(?:[ \-][0-9]{1,4}){1,4}").text(long),
    phone(0.55, r"[6-9][0-9]{2}-[0-9]{3}-[0-9]{3}|[1-9][0-9] [0-9]{4}-[0-9]{4}"),
    phone(0.6, r"0[2-9][0-9]{2,3}\.[0-9]{4,8}"),
    phone(0.8, r"\(0[0-9]{1,5}\) ?[/\-]? ?(?:[0-9]{2,9}|[0-9] [0-9]{2,4})(?:[ \-][0-9]{1,5}){0,4}"),
    phone(0.6, r"[89][0-9]{2} [0-9]{2} [0-9]{2} [0-9]{2}|[67][0-9]{2} [0-9]{2} [0-9]{2} [0-9]{2}"),
    phone(0.5, r"[6-9][0-9]{2} [0-9]{3} [0-9]{3}"),
    phone(0.8, r"\([1-9][0-9]\) ?9?[0-9]{4}-[0-9]{4}"),
    // A trunk digit, an area and a number, as in Germany, Italy, Japan, Australia and elsewhere.
    phone(0.6, r"0[1-9][0-9]{0,4}(?:[ \-/][0-9]{1,8}){1,5}").text(trunk),
    // China and India, and Italian mobiles.
    phone(0.6, r"1[3-9][0-9][ \-][0-9]{4}[ \-][0-9]{4}|[6-9][0-9]{4} [0-9]{5}|3[2-9][0-9] [0-9]{3} ?[0-9]{4}"),
    // Anything dialable after a word that announces it.
    Rule::announced(
        Kind::Phone,
        0.85,
        r"\+? ?\(?[0-9](?:[ .\-/()\u{2013}]{0,3}[0-9]){4,15}<extension>",
    )
    .labels(CALLS),
    Rule::announced(Kind::Phone, 0.75, r"-? ?[0-9]{3,5}|[0-9]-[0-9]{3,4}").labels(Labels::EXTENSION),
    // Postcodes.
    Rule::new(Kind::Zip, 0.55, r"[0-9]{5}-[0-9]{4}").edge(Edge::Word),
    Rule::announced(Kind::Zip, 0.9, r"[A-Z]{0,2}-?[0-9]{3,8}(?:[ \-][0-9]{2,4})?"),
    Rule::new(
        Kind::Zip,
        0.65,
        r"[A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-HJKMNPR-Y]? ?[0-9][ABD-HJLNP-UW-Z]{2}",
    )
    .text(|text| text.contains(' '))
    .edge(Edge::Word),
    Rule::new(Kind::Zip, 0.7, r"CAP:? [0-9]{5}").edge(Edge::Word),
    Rule::announced(Kind::Zip, 0.9, r"[A-Z][0-9][0-9W] ?[0-9A-Z]{4}").edge(Edge::Word),
    Rule::announced(Kind::Zip, 0.9, r"(?i:[a-z]{1,2}[0-9][0-9a-z]? ?[0-9][a-z]{2})")
        .edge(Edge::Word),
    Rule::new(Kind::Zip, 0.65, r"[ABCEGHJ-NPR-TVXY][0-9][A-Z] [0-9][A-Z][0-9]").edge(Edge::Word),
    Rule::new(
        Kind::Zip,
        0.7,
        r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]|A[AEP]),? [0-9]{5}(?:-[0-9]{4})?",
    )
    .edge(Edge::Word),
];

/// Nine digits or more, and not a list of numbers of two.
fn trunk(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let longest = text.split([' ', '-', '/']).map(str::len).max().unwrap_or(0);
    (9..=12).contains(&digits) && longest >= 4
}

fn long(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= 9
}

fn international(text: &str) -> bool {
    let main = text.split(|c: char| c.is_ascii_alphabetic()).next().unwrap_or(text);
    let digits = main.bytes().filter(u8::is_ascii_digit).count();
    (8..=17).contains(&digits)
}
