//! Numbers that states and their health services give to people.

use super::super::checks;
use super::super::kind::Kind;
use super::super::labels::Labels;
use super::{Edge, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule::new(Kind::Ssn, 0.85, r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}").digits(checks::ssn),
    Rule::new(Kind::Ssn, 0.5, r"[0-8][0-9]{2}=[0-9]{2}=[0-9]{4}").digits(checks::ssn),
    Rule::new(Kind::Ssn, 0.1, r"[0-8][0-9]{8}").digits(checks::ssn),
    Rule::new(Kind::Itin, 0.8, r"9[0-9]{2}=[0-9]{2}=[0-9]{4}").digits(checks::itin),
    Rule::new(Kind::Npi, 0.4, r"[12][0-9]{9}").digits(checks::npi),
    Rule::new(Kind::Dea, 0.8, r"(?i:[a-hjklmpr-ux][a-z9])[0-9]{7}").digits(checks::dea),
    Rule::new(
        Kind::HealthPlan,
        0.85,
        r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]~[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]~[AC-HJKMNP-RT-Y]{2}[0-9]{2}",
    ),
    Rule::new(Kind::HealthPlan, 0.75, r"[A-Z][0-9]{9}|[A-Z] ?[0-9]{3} [0-9]{3} [0-9]{3}")
        .digits(checks::kvnr)
        .edge(Edge::Word),
    // With a digit that is mistyped: only where an insurer is named before it.
    Rule::new(Kind::HealthPlan, 0.2, r"[A-Z][0-9]{9}|[A-Z] ?[0-9]{3} [0-9]{3} [0-9]{3}")
        .labels(Labels::INSURER)
        .labelled(0.8)
        .edge(Edge::Word),
    Rule::new(Kind::Nhs, 0.65, r"[0-9]{3}=[0-9]{3}=[0-9]{4}").digits(checks::nhs),
    Rule::new(Kind::Nhs, 0.4, r"[0-9]{10}").digits(checks::nhs),
    Rule::new(
        Kind::Nino,
        0.85,
        r"(?i:[a-ceghj-prstw-z][a-ceghj-nprstw-z])~[0-9]{2}~[0-9]{2}~[0-9]{2}~(?i:[a-d])",
    )
    .digits(checks::nino)
    .edge(Edge::Word),
    Rule::new(Kind::SteuerId, 0.65, r"[1-9][0-9][ /][0-9]{3}[ /][0-9]{3}[ /][0-9]{3}")
        .digits(checks::steuer_id),
    Rule::new(Kind::SteuerId, 0.5, r"[1-9][0-9]{10}").digits(checks::steuer_id),
    Rule::new(Kind::TaxId, 0.65, r"[1-9][0-9]{3}=[0-9]{6}").digits(checks::svnr),
    Rule::new(Kind::TaxId, 0.4, r"[1-9][0-9]{9}").digits(checks::svnr),
    // With a digit that is mistyped: as for a member's number.
    Rule::new(Kind::TaxId, 0.1, r"[1-9][0-9]{3} ?[0-9]{6}").labels(Labels::INSURER).labelled(0.8),
    Rule::new(Kind::TaxId, 0.9, r"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}").digits(checks::ahv),
    Rule::new(Kind::TaxId, 0.7, r"756[0-9]{10}").digits(checks::ahv),
    Rule::new(
        Kind::Nir,
        0.9,
        r"[1-478]~[0-9]{2}~[0-9]{2}~(?:[0-9]{2}|2[ABab])~[0-9]{3}~[0-9]{3}~[0-9]{2}",
    )
    .digits(checks::nir),
    Rule::new(Kind::Dni, 0.85, r"[0-9]{8}~(?i:[a-z])").digits(checks::dni).edge(Edge::Word),
    Rule::new(Kind::Dni, 0.85, r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}~(?i:[a-z])")
        .digits(checks::dni)
        .edge(Edge::Word),
    Rule::new(Kind::Dni, 0.85, r"(?i:[xyz])~[0-9]{7}~(?i:[a-z])")
        .digits(checks::dni)
        .edge(Edge::Word),
    Rule::new(Kind::Nuss, 0.85, r"[0-9]{2}[ /\-][0-9]{8}[ /\-][0-9]{2}").digits(checks::nuss),
    Rule::new(Kind::Nuss, 0.6, r"[0-9]{12}").digits(checks::nuss),
    Rule::new(
        Kind::CodiceFiscale,
        0.95,
        r"(?i:[a-z]{3}~[a-z]{3}~[0-9l-v]{2}[a-ehlmprst][0-9l-v]{2}~[a-z][0-9l-v]{3}[a-z])",
    )
    .digits(checks::codice_fiscale)
    .edge(Edge::Word),
    Rule::new(Kind::Pesel, 0.6, r"[0-9]{11}").digits(checks::pesel),
    Rule::new(
        Kind::Bsn,
        0.2,
        r"[0-9]{9}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}|[0-9]{4}\.[0-9]{2}\.[0-9]{3}",
    )
    .digits(checks::bsn),
    Rule::new(Kind::Aadhaar, 0.7, r"[2-9][0-9]{3}=[0-9]{4}=[0-9]{4}").digits(checks::aadhaar),
    Rule::new(Kind::Aadhaar, 0.4, r"[2-9][0-9]{11}").digits(checks::aadhaar),
    Rule::new(Kind::Pan, 0.75, r"[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]"),
    Rule::new(Kind::Tfn, 0.4, r"[0-9]{3}~[0-9]{3}~[0-9]{3}").digits(checks::tfn),
    Rule::new(Kind::Medicare, 0.65, r"[2-6][0-9]{3}=[0-9]{5}=[0-9](?:[ /\-]?[1-9])?")
        .digits(checks::medicare),
    Rule::new(Kind::Medicare, 0.4, r"[2-6][0-9]{9,10}").digits(checks::medicare),
    Rule::new(Kind::Cpf, 0.9, r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}").digits(checks::cpf),
    Rule::new(Kind::Cpf, 0.4, r"[0-9]{11}").digits(checks::cpf),
];
