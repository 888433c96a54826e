//! Surrogates of identifiers: format-preserving encryption, with check digits made valid again.
//!
//! Letters stay letters, digits stay digits, and separators stay where they are. Long parts are
//! encrypted by FF1 with AES-256 (NIST SP 800-38G, revision 1, which asks for a domain of a million
//! or more), short ones by the swap-or-not shuffle (Hoang, Morris, Rogaway, CRYPTO 2012), which is
//! made for small domains. Both permute their domain, so two numbers never get the same surrogate.
//!
//! An identifier that passes its check is encrypted without its check characters, again and again
//! until what comes out is one that its issuer could give out (cycle walking, which permutes the
//! valid ones), and gets the check characters that belong to it.

use std::ops::Range;

use aes::Aes256;
use fpe::ff1::{FF1, FlexibleNumeralString};

use super::super::checks;
use super::super::kind::Kind;
use super::Secret;

/// Most encryptions until an identifier is valid. The rarest kind is valid one time in twenty.
const WALK_MAX: usize = 2_000;
/// Symbols of the longest identifier.
const SYMBOLS_MAX: usize = 64;
/// Smallest domain of FF1.
const FF1_DOMAIN_MIN: u64 = 1_000_000;
/// Rounds of the shuffle for each bit of its domain: six bring it close to a random permutation.
const ROUNDS_PER_BIT: u32 = 6;

/// A site's cipher.
pub(super) struct Cipher {
    digits: FF1<Aes256>,
    letters: FF1<Aes256>,
    rounds: Secret,
}

/// What an identifier keeps, and what makes it valid. Ranges are of its letters and digits.
struct Form {
    kept: Range<usize>,
    checked: Range<usize>,
    valid: fn(&[u8]) -> bool,
}

impl Form {
    fn new(kept: Range<usize>, checked: Range<usize>, valid: fn(&[u8]) -> bool) -> Self {
        Self { kept, checked, valid }
    }
}

impl Cipher {
    pub(super) fn new(secret: &Secret) -> Self {
        const RADIX: &str = "FF1 takes every radix from 2 to 65536";
        let key = secret.key("insitu 2026 redaction identifiers v1");
        Self {
            digits: FF1::new(&key, 10).expect(RADIX),
            letters: FF1::new(&key, 26).expect(RADIX),
            rounds: Secret(secret.key("insitu 2026 redaction short identifiers v1")),
        }
    }

    /// `original` with its letters and digits encrypted; `None` when there are none, too many, or
    /// no valid identifier was found.
    pub(super) fn encrypt(&self, kind: Kind, original: &str) -> Option<String> {
        let symbols = symbols(original)?;
        let form = form(kind, &symbols);
        self.walk(kind.as_str(), symbols, &form).map(|symbols| like(original, &symbols))
    }

    /// A telephone number: what says country or trunk stays.
    pub(super) fn telephone(&self, original: &str) -> Option<String> {
        let symbols = symbols(original)?;
        let digits = symbols.iter().filter(|byte| byte.is_ascii_digit()).count();
        let kept = match original.trim_start_matches([' ', '(']) {
            plus if plus.starts_with("+1") => 1,
            plus if plus.starts_with('+') => 2,
            zeros if zeros.starts_with("00") => 4,
            zero if zero.starts_with('0') => 1,
            one if one.starts_with('1') && digits == 11 => 1,
            _ => 0,
        };
        let american = digits == kept + 10;
        let valid: fn(&[u8]) -> bool = match (american, kept) {
            (true, 0) => |id| id[0] >= b'2' && id[3] >= b'2',
            (true, 1) => |id| id[1] >= b'2' && id[4] >= b'2',
            (_, 0) => |id| id[0] != b'0',
            _ => anything,
        };
        let valid = if valid(&symbols) { valid } else { anything };
        let form = Form::new(0..kept, 0..0, valid);
        self.walk(Kind::Phone.as_str(), symbols, &form).map(|symbols| like(original, &symbols))
    }

    /// Encrypts `symbols` until they have their form.
    fn walk(&self, tweak: &str, mut symbols: Vec<u8>, form: &Form) -> Option<Vec<u8>> {
        let free: Vec<usize> = (0..symbols.len())
            .filter(|at| !form.kept.contains(at) && !form.checked.contains(at))
            .collect();
        for _ in 0..WALK_MAX {
            self.permute(tweak, &mut symbols, &free, &form.checked)?;
            if complete(&mut symbols, form) {
                return Some(symbols);
            }
        }
        None
    }

    /// Permutes the digits at the places `free`, and then the letters, which depend on them. What
    /// is `checked` follows from the rest and decides nothing.
    fn permute(
        &self,
        tweak: &str,
        symbols: &mut [u8],
        free: &[usize],
        checked: &Range<usize>,
    ) -> Option<()> {
        let (digits, letters): (Vec<usize>, Vec<usize>) =
            free.iter().partition(|at| symbols[**at].is_ascii_digit());
        // The digits may not depend on letters that are still to change.
        let parts = [(&digits, b'0', 10, &self.digits), (&letters, b'A', 26, &self.letters)];
        for (places, base, radix, cipher) in parts {
            let decides = |at: &usize| {
                !checked.contains(at)
                    && !places.contains(at)
                    && (base == b'A' || symbols[*at].is_ascii_digit())
            };
            let rest: String =
                (0..symbols.len()).filter(decides).map(|at| char::from(symbols[at])).collect();
            let tweak = format!("{tweak}\0{}\0{rest}", symbols.len());
            let numerals = places.iter().map(|at| u16::from(symbols[*at] - base)).collect();
            let numerals = self.numerals(cipher, radix, &tweak, numerals)?;
            for (at, numeral) in places.iter().zip(numerals) {
                symbols[*at] = base + u8::try_from(numeral).ok()?;
            }
        }
        Some(())
    }

    fn numerals(
        &self,
        cipher: &FF1<Aes256>,
        radix: u16,
        tweak: &str,
        numerals: Vec<u16>,
    ) -> Option<Vec<u16>> {
        if numerals.is_empty() {
            return Some(numerals);
        }
        let length = u32::try_from(numerals.len()).ok()?;
        let domain = u64::from(radix).checked_pow(length).unwrap_or(u64::MAX);
        if domain >= FF1_DOMAIN_MIN {
            let encrypted =
                cipher.encrypt(tweak.as_bytes(), &FlexibleNumeralString::from(numerals)).ok()?;
            return Some(encrypted.into());
        }
        let value = numerals.iter().fold(0, |sum, n| sum * u64::from(radix) + u64::from(*n));
        let mut value = self.shuffle(tweak, domain, value);
        let mut out = vec![0; numerals.len()];
        for numeral in out.iter_mut().rev() {
            *numeral = u16::try_from(value % u64::from(radix)).ok()?;
            value /= u64::from(radix);
        }
        Some(out)
    }

    /// Swap-or-not: in each round a value may change places with its partner.
    fn shuffle(&self, tweak: &str, domain: u64, mut value: u64) -> u64 {
        let bits = u64::BITS - domain.leading_zeros();
        for round in 0..bits * ROUNDS_PER_BIT {
            let round = round.to_string();
            let key = self.rounds.draw("key", &[tweak, &round]) % domain;
            let partner = (key + domain - value) % domain;
            let pair = value.max(partner).to_string();
            if self.rounds.draw("swap", &[tweak, &round, &pair]) & 1 == 1 {
                value = partner;
            }
        }
        value
    }
}

/// The letters and digits of `text` in capitals; `None` for none, too many, or other letters.
fn symbols(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_uppercase())
        .collect();
    let ascii = text.chars().all(|c| c.is_ascii() || !c.is_alphanumeric());
    (ascii && (1..=SYMBOLS_MAX).contains(&symbols.len())).then_some(symbols)
}

/// `original` with its letters and digits replaced, in its letter case.
fn like(original: &str, symbols: &[u8]) -> String {
    let mut symbols = symbols.iter();
    original
        .chars()
        .map(|c| match c {
            'a'..='z' => symbols.next().map_or(c, |byte| char::from(byte.to_ascii_lowercase())),
            '0'..='9' | 'A'..='Z' => symbols.next().map_or(c, |byte| char::from(*byte)),
            _ => c,
        })
        .collect()
}

/// Finds the check characters that make `symbols` valid, if any do.
fn complete(symbols: &mut [u8], form: &Form) -> bool {
    const SIGNS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    match form.checked.len() {
        0 => (form.valid)(symbols),
        1 => SIGNS.iter().any(|sign| {
            symbols[form.checked.start] = *sign;
            (form.valid)(symbols)
        }),
        _ => (0..100_u8).any(|pair| {
            symbols[form.checked.start] = b'0' + pair / 10;
            symbols[form.checked.start + 1] = b'0' + pair % 10;
            (form.valid)(symbols)
        }),
    }
}

/// The form of an identifier of this kind; of one that fails its check, nothing is demanded.
fn form(kind: Kind, symbols: &[u8]) -> Form {
    let n = symbols.len();
    let last = n.saturating_sub(1)..n;
    let last_two = n.saturating_sub(2)..n;
    let form = Form::new;
    let form = match kind {
        Kind::CreditCard => form(0..1, last, checks::card),
        Kind::Iban => form(0..2, 2..4, checks::iban),
        Kind::Bic => form(4..6, 0..0, checks::bic),
        Kind::Routing => form(0..0, last, checks::routing),
        Kind::Ssn => form(0..0, 0..0, checks::ssn),
        Kind::Itin => form(0..1, 0..0, checks::itin),
        Kind::Npi => form(0..1, last, checks::npi),
        Kind::Dea => form(0..1, last, checks::dea),
        Kind::HealthPlan => form(0..0, last, checks::kvnr),
        Kind::Nhs => form(0..0, last, checks::nhs),
        Kind::Nino => form(0..0, 0..0, checks::nino),
        Kind::SteuerId => form(0..0, last, checks::steuer_id),
        Kind::Nir => form(0..0, last_two, checks::nir),
        Kind::Dni => form(0..0, last, checks::dni),
        Kind::Nuss => form(0..0, last_two, checks::nuss),
        Kind::CodiceFiscale => form(0..0, last, dated_codice_fiscale),
        Kind::Pesel => form(0..0, last, checks::pesel),
        Kind::Bsn => form(0..0, last, checks::bsn),
        Kind::Aadhaar => form(0..0, last, checks::aadhaar),
        Kind::Pan => form(0..0, 0..0, |id| id.len() == 10 && b"ABCFGHJLPT".contains(&id[3])),
        Kind::Tfn => form(0..0, last, checks::tfn),
        Kind::Medicare => form(0..0, 8..9, checks::medicare),
        Kind::Cpf => form(0..0, last_two, checks::cpf),
        Kind::Vin => {
            form(0..0, 8..9, |id| !id.iter().any(|byte| b"IOQ".contains(byte)) && checks::vin(id))
        }
        Kind::Imei => form(0..2, last, |id| id.len() == 15 && checks::luhn(id)),
        // Without a check digit. Listed, so that a new kind must decide.
        Kind::Name
        | Kind::Address
        | Kind::Location
        | Kind::Organization
        | Kind::Zip
        | Kind::Date
        | Kind::Age
        | Kind::Phone
        | Kind::Fax
        | Kind::Email
        | Kind::Url
        | Kind::Ip
        | Kind::Mac
        | Kind::Account
        | Kind::TaxId
        | Kind::Passport
        | Kind::MedicalRecord
        | Kind::License
        | Kind::Plate
        | Kind::DeviceSerial
        | Kind::Biometric
        | Kind::Id => form(0..0, 0..0, anything),
    };
    if (form.valid)(symbols) { form } else { Form::new(0..0, 0..0, anything) }
}

/// Nothing is demanded.
fn anything(_: &[u8]) -> bool {
    true
}

/// A tax code whose month and day exist.
fn dated_codice_fiscale(id: &[u8]) -> bool {
    let digit = |at: usize| id.get(at).and_then(|byte| char::from(*byte).to_digit(10));
    let day = digit(9).zip(digit(10)).map(|(tens, ones)| tens * 10 + ones);
    checks::codice_fiscale(id)
        && b"ABCDEHLMPRST".contains(&id[8])
        && day.is_none_or(|day| matches!(day, 1..=31 | 41..=71))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn cipher() -> Cipher {
        Cipher::new(&Secret([5; 32]))
    }

    #[test]
    fn check_digits_are_valid_again() {
        for (kind, original, check) in [
            (Kind::CreditCard, "4111 1111 1111 1111", checks::card as fn(&[u8]) -> bool),
            (Kind::Iban, "DE89 3704 0044 0532 0130 00", checks::iban),
            (Kind::Iban, "GB29NWBK60161331926819", checks::iban),
            (Kind::Routing, "011000015", checks::routing),
            (Kind::Ssn, "536-22-1234", checks::ssn),
            (Kind::Npi, "1234567893", checks::npi),
            (Kind::Dea, "AB1234563", checks::dea),
            (Kind::HealthPlan, "A123456780", checks::kvnr),
            (Kind::Nhs, "943 476 5919", checks::nhs),
            (Kind::SteuerId, "86 095 742 719", checks::steuer_id),
            (Kind::Nir, "2 55 08 14 168 025 38", checks::nir),
            (Kind::Dni, "12345678Z", checks::dni),
            (Kind::Dni, "X1234567L", checks::dni),
            (Kind::CodiceFiscale, "RSSMRA85T10A562S", checks::codice_fiscale),
            (Kind::Pesel, "44051401359", checks::pesel),
            (Kind::Vin, "1M8GDM9AXKP042788", checks::vin),
        ] {
            let symbols_of = |text: &str| symbols(text).unwrap();
            assert!(check(&symbols_of(original)), "{kind}: the original is valid");
            let surrogate = cipher().encrypt(kind, original).unwrap();
            assert!(check(&symbols_of(&surrogate)), "{kind}: {surrogate}");
            assert_ne!(surrogate, original);
            assert_eq!(surrogate.len(), original.len());
            let shape = |text: &str| -> String {
                text.chars().filter(|c| !c.is_ascii_alphanumeric()).collect()
            };
            assert_eq!(shape(&surrogate), shape(original), "{kind}: separators stay");
        }
        let iban = cipher().encrypt(Kind::Iban, "DE89 3704 0044 0532 0130 00").unwrap();
        assert!(iban.starts_with("DE"), "the country stays");
    }

    #[test]
    fn an_identifier_without_a_valid_check_keeps_its_shape() {
        let surrogate = cipher().encrypt(Kind::CreditCard, "4111 1111 1111 1112").unwrap();
        assert_eq!(surrogate.len(), 19);
        let surrogate = cipher().encrypt(Kind::MedicalRecord, "Fp-6986e2").unwrap();
        assert!(surrogate.starts_with(|c: char| c.is_ascii_uppercase()), "{surrogate}");
        assert_eq!(surrogate.chars().position(|c| c == '-'), Some(2));
        assert_eq!(cipher().encrypt(Kind::Id, "--"), None);
        assert_eq!(cipher().encrypt(Kind::Id, &"7".repeat(65)), None);
    }

    #[test]
    fn short_numbers_are_permuted() {
        let cipher = cipher();
        let all: HashSet<String> =
            (0..1000).filter_map(|n| cipher.encrypt(Kind::Id, &format!("{n:03}"))).collect();
        assert_eq!(all.len(), 1000, "no two have the same surrogate");
        let stay = (0..1000)
            .map(|n| format!("{n:03}"))
            .filter(|n| cipher.encrypt(Kind::Id, n).as_ref() == Some(n))
            .count();
        assert!(stay < 10, "{stay} of 1000 stay what they are: one is expected");
    }

    #[test]
    fn valid_numbers_are_permuted_among_the_valid_ones() {
        let cipher = cipher();
        let valid: Vec<String> = (2..=6_u32)
            .flat_map(|first| (0..40).map(move |rest| format!("{first}{rest:07}00")))
            .filter_map(|text| {
                (0..10).find_map(|check| {
                    let with = format!("{}{check}{}", &text[..8], &text[9..]);
                    checks::medicare(with.as_bytes()).then_some(with)
                })
            })
            .collect();
        let encrypted: HashSet<String> =
            valid.iter().map(|id| cipher.encrypt(Kind::Medicare, id).unwrap()).collect();
        assert_eq!(encrypted.len(), valid.len());
    }

    #[test]
    fn telephones_keep_country_and_trunk() {
        for (original, start) in [
            ("+49 221 123456", "+49 "),
            ("+1 (415) 555-2671", "+1 ("),
            ("0221/1234567", "0"),
            ("(415) 555-2671", "("),
        ] {
            let surrogate = cipher().telephone(original).unwrap();
            assert!(surrogate.starts_with(start) && surrogate != original, "{surrogate}");
            assert_eq!(surrogate.len(), original.len());
        }
        let digits: Vec<u8> = symbols(&cipher().telephone("(415) 555-2671").unwrap()).unwrap();
        assert!(digits[0] >= b'2' && digits[3] >= b'2');
    }
}
