//! What belongs to a name, a place or an organisation of which a part was found: the rest of a word with hyphens,
//! initials, the number of a house, a company's legal form.

use super::Find;
use super::kind::Kind;
use super::scan::char_before;
use super::words::{Word, is_year, skip_spaces};

/// Initials before one surname.
const INITIALS_MAX: usize = 3;
/// Legal forms behind a company's name, longer ones first.
const FORMS: &[&str] = &[
    "GmbH & Co. KGaA",
    "GmbH & Co. KG",
    "AG & Co. KG",
    "& Co. KG",
    "& Co.",
    "gGmbH",
    "GmbH",
    "KGaA",
    "mbH",
    "OHG",
    "GbR",
    "KG",
    "AG",
    "SE",
    "UG",
    "e. V.",
    "e.V.",
    "eG",
    "Limited",
    "Ltd.",
    "Ltd",
    "LLC",
    "LLP",
    "Inc.",
    "Inc",
    "Corp.",
    "PLC",
    "plc",
    "Pty Ltd",
    "S.L.U.",
    "S.L.",
    "SL",
    "S.A.S.",
    "S.A.",
    "SARL",
    "SAS",
    "SpA",
    "S.p.A.",
    "S.r.l.",
    "Srl",
    "B.V.",
    "BV",
    "N.V.",
    "NV",
    "Lda.",
    "Lda",
    "Ltda.",
    "Ltda",
];

/// Lengthens what a reader of running text has found.
pub(super) fn grow(text: &str, mut find: Find) -> Find {
    if !matches!(find.kind, Kind::Name | Kind::Location | Kind::Organization) {
        return find;
    }
    whole_word(text, &mut find);
    if find.kind == Kind::Name {
        initials(text, &mut find);
    } else if find.kind == Kind::Location {
        house_number(text, &mut find);
    }
    legal_form(text, &mut find);
    find
}

/// All of `LVR-Klinikum` and `Hashimoto-Reyes`, as far as its parts have capitals.
fn whole_word(text: &str, find: &mut Find) {
    while let Some(part) = text[find.end..]
        .strip_prefix('-')
        .and_then(|_| Word::at(text, find.end + 1))
        .filter(|part| part.is_capitalised())
    {
        find.end = part.end();
    }
    let before =
        text[..find.start].strip_suffix('-').and_then(|rest| Word::before(text, rest.len()));
    if let Some(part) = before.filter(|part| part.is_capitalised()) {
        find.start = part.start;
    }
}

/// `U. Manser`, `J.-P. Roe`; and `Schmidt T.`, where the initial is behind.
fn initials(text: &str, find: &mut Find) {
    for _ in 0..INITIALS_MAX {
        let Some(start) = initial_before(text, find.start) else { break };
        find.start = start;
    }
    let one = !text[find.start..find.end].contains(' ');
    let rest = &text[find.end..];
    let mut behind = rest.chars();
    let initial = behind.next() == Some(' ')
        // No class, and no number of the Romans.
        && behind.next().is_some_and(|c| c.is_uppercase() && !matches!(c, 'I' | 'V' | 'X'))
        && behind.next() == Some('.')
        && behind.next().is_none_or(|c| matches!(c, ',' | ';' | ')' | '/' | '\n' | '\r'));
    if one && initial {
        find.end += rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at);
    }
}

/// `Joaquin Suarez 2906.`: a number that a place ends with, and no year.
fn house_number(text: &str, find: &mut Find) {
    const DIGITS_MAX: usize = 4;
    let Some(rest) = text[find.end..].strip_prefix(' ') else { return };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut behind = rest[digits..].chars();
    let sign = behind.next();
    let ends = matches!(sign, None | Some('.' | ',' | ';' | ')' | '\n' | '\r'))
        && behind.next().is_none_or(|c| !c.is_alphanumeric());
    if (1..=DIGITS_MAX).contains(&digits) && !is_year(&rest[..digits]) && ends {
        find.end += 1 + digits;
    }
}

/// Where the initial that stands before byte `at` starts: a capital with a full stop, which no other letter with one
/// stands before, as in "z. B.".
fn initial_before(text: &str, at: usize) -> Option<usize> {
    let dotted = text[..at].trim_end_matches([' ', '-']);
    let end = dotted.strip_suffix('.')?.len();
    let word = Word::before(text, end).filter(|word| word.is_initial())?;
    let earlier = text[..word.start].trim_end_matches(' ');
    let abbreviation = earlier.strip_suffix('.').is_some_and(|rest| {
        char_before(text, rest.len()).is_lowercase()
            && !char_before(text, rest.len() - char_before(text, rest.len()).len_utf8())
                .is_alphanumeric()
    });
    (at - dotted.len() <= 1 && !abbreviation).then_some(word.start)
}

/// `Kühne Fliesenvertrieb KG`: what has a legal form is a company.
fn legal_form(text: &str, find: &mut Find) {
    let comma = usize::from(text[find.end..].starts_with(','));
    let start = skip_spaces(text, find.end + comma, 1);
    if start == find.end + comma {
        return;
    }
    let rest = &text[start..];
    let form = FORMS.iter().find(|form| {
        rest.strip_prefix(**form).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    if let Some(form) = form {
        find.end = start + form.len();
        find.kind = Kind::Organization;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(text: &str, part: &str, kind: Kind) -> (String, Kind) {
        let start = text.find(part).unwrap();
        let find = grow(text, Find { start, end: start + part.len(), kind, score: 0.9 });
        (text[find.start..find.end].to_owned(), find.kind)
    }

    #[test]
    fn a_word_with_hyphens_is_one() {
        let whole = |text, part| grown(text, part, Kind::Organization).0;
        assert_eq!(whole("im LVR-Klinikum hier", "LVR"), "LVR-Klinikum");
        assert_eq!(whole("im Herz-Jesu-KH am", "KH"), "Herz-Jesu-KH");
        assert_eq!(whole("Notify Hashimoto-Reyes in", "Reyes"), "Hashimoto-Reyes");
        assert_eq!(whole("London-based, anti-Smith", "London"), "London");
        assert_eq!(whole("London-based, anti-Smith", "Smith"), "Smith");
    }

    #[test]
    fn initials_belong_to_a_name() {
        let name = |text, part| grown(text, part, Kind::Name).0;
        assert_eq!(name("bei lic. phil. U. Manser.", "Manser"), "U. Manser");
        assert_eq!(name("J.-P. Roe", "Roe"), "J.-P. Roe");
        assert_eq!(name("Benner / Schmidt T.\nZeit", "Schmidt"), "Schmidt T.");
        assert_eq!(name("z. B. Manser oder", "Manser"), "Manser");
        assert_eq!(name("Roe V. Grad", "Roe"), "Roe");
        assert_eq!(name("Roe A. Then", "Roe"), "Roe");
    }

    #[test]
    fn a_place_has_a_number() {
        let place = |text, part| grown(text, part, Kind::Location).0;
        assert_eq!(place("north of Joaquin Suarez 2906.", "Joaquin Suarez"), "Joaquin Suarez 2906");
        assert_eq!(place("in Paris 2024, and", "Paris"), "Paris");
        assert_eq!(place("Boston 3.5 and Boston 3 of", "Boston"), "Boston");
    }

    #[test]
    fn a_legal_form_makes_a_company() {
        let company = |text, part| grown(text, part, Kind::Name);
        let kuehne = company("die Kühne Fliesenvertrieb KG, gern", "Kühne Fliesenvertrieb");
        assert_eq!(kuehne, ("Kühne Fliesenvertrieb KG".to_owned(), Kind::Organization));
        assert_eq!(company("Roe & Co. KG", "Roe").0, "Roe & Co. KG");
        assert_eq!(company("Roe, Inc. of", "Roe").0, "Roe, Inc.");
        assert_eq!(company("Roe AGB", "Roe"), ("Roe".to_owned(), Kind::Name));
    }
}
