//! Payment cards, bank accounts and bank codes.

use super::super::checks;
use super::super::kind::Kind;
use super::{Edge, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule::new(Kind::CreditCard, 0.9, r"[1-8][0-9]{3}~[0-9]{4}~[0-9]{4}~[0-9]{1,7}")
        .digits(checks::card),
    Rule::new(Kind::CreditCard, 0.9, r"3[0-9]{3}~[0-9]{6}~[0-9]{4,5}").digits(checks::card),
    Rule::new(Kind::CreditCard, 0.9, r"[1-8][0-9]{3}=[0-9]{4}=[0-9]{4}=[0-9]{4}=[0-9]{1,3}")
        .digits(checks::card),
    Rule::new(Kind::CreditCard, 0.9, r"[1-8][0-9]{3}(?:\.[0-9]{4}){3}").digits(checks::card),
    Rule::new(
        Kind::Iban,
        0.97,
        r"(?i:[a-z]{2})[0-9]{2}(?:~(?i:[0-9a-z]){4}){2,7}(?:~(?i:[0-9a-z]){1,4})?",
    )
    .digits(checks::iban)
    .edge(Edge::Word),
    Rule::announced(Kind::Bic, 0.95, r"(?i:[a-z]{4}[a-z]{2}[0-9a-z]{2}(?:[0-9a-z]{3})?)")
        .digits(checks::bic)
        .edge(Edge::Word),
    Rule::new(Kind::Routing, 0.3, r"[0-9]{9}|[0-9]{4}-[0-9]{4}-[0-9]").digits(checks::routing),
];
