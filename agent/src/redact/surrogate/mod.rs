//! Surrogates: stand-ins that keep a text useful and readable.
//!
//! Everything is a function of a site's secret and of what is replaced, so the same person has the
//! same surrogate in every document of a site, and no two sites' surrogates can be linked:
//!
//! - `people`: names, places and organisations word by word from lists; `network`: addresses of
//!   mail, web and machines, in ranges that are reserved for documentation and private use;
//! - `calendar`: dates move by a secret number of days that is the subject's own, so intervals stay;
//! - `identifiers`: numbers are encrypted in their own format (FF1), and check digits made valid;
//! - `coarse`: ages and postcodes lose detail by Safe Harbor's rules.
//!
//! What no surrogate can be made for is masked. A surrogate says nothing about its original to who
//! has not the secret, except what deterministic replacement always tells: what is equal. The way
//! back is the site's vault: see `store::vault`.

mod calendar;
mod coarse;
mod identifiers;
mod network;
mod people;
mod weekday;

pub(super) use weekday::weekday_before;

use super::kind::Kind;
use super::profile::{Language, SiteKey, Subject};
use crate::store::meta::Subjects;
use identifiers::Cipher;

/// A site's surrogates. Immutable, shared between threads.
pub struct Surrogates {
    secret: Secret,
    cipher: Cipher,
    language: Language,
    subjects: Option<Subjects>,
}

impl std::fmt::Debug for Surrogates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Surrogates({:?})", self.language)
    }
}

impl Surrogates {
    /// Surrogates under a site's key. `language` says which names people get whose own name is in
    /// no list, and how a date like 3/4/2020 is read.
    pub fn new(key: &SiteKey, language: Language) -> Self {
        let secret = Secret(blake3::derive_key("insitu 2026 redaction surrogates v1", key.bytes()));
        let cipher = Cipher::new(&secret);
        Self { secret, cipher, language, subjects: key.subjects().cloned() }
    }

    /// What stands for `original`; `None` when only a mask can.
    ///
    /// `subject` is whom the dates belong to: all dates of a subject move by the same days.
    pub(super) fn replace(&self, kind: Kind, original: &str, subject: &Subject) -> Option<String> {
        let Self { secret, language, .. } = self;
        match kind {
            Kind::Name => Some(people::name(secret, *language, original)),
            Kind::Location => Some(people::location(secret, *language, original)),
            Kind::Address | Kind::Organization => {
                Some(people::address(secret, *language, original))
            }
            Kind::Zip => coarse::postcode(original, *language),
            Kind::Age => coarse::age(original),
            Kind::Date => calendar::shift(original, self.days(subject), *language),
            Kind::Email => Some(network::mail(secret, *language, original)),
            Kind::Url => Some(network::url(secret, original)),
            Kind::Ip => network::address(secret, original),
            Kind::Mac => network::hardware(secret, original),
            Kind::Phone | Kind::Fax => self.cipher.telephone(original),
            // Listed, so that a new kind must decide.
            Kind::CreditCard
            | Kind::Iban
            | Kind::Bic
            | Kind::Routing
            | Kind::Account
            | Kind::Ssn
            | Kind::Itin
            | Kind::Npi
            | Kind::Dea
            | Kind::HealthPlan
            | Kind::Nhs
            | Kind::Nino
            | Kind::SteuerId
            | Kind::Nir
            | Kind::Dni
            | Kind::Nuss
            | Kind::CodiceFiscale
            | Kind::Pesel
            | Kind::Bsn
            | Kind::Aadhaar
            | Kind::Pan
            | Kind::Tfn
            | Kind::Medicare
            | Kind::Cpf
            | Kind::TaxId
            | Kind::Passport
            | Kind::MedicalRecord
            | Kind::License
            | Kind::Plate
            | Kind::Vin
            | Kind::Imei
            | Kind::DeviceSerial
            | Kind::Biometric
            | Kind::Id => self.cipher.encrypt(kind, original),
        }
    }

    /// The subject's secret shift: 1 to 364 days, forwards or backwards.
    fn days(&self, subject: &Subject) -> i32 {
        let stored = match subject {
            Subject::Stored(hash) => hex::encode(hash),
            Subject::Named(name) => {
                // However a format writes it.
                let name = name.trim();
                let name = name.strip_prefix("Patient/").unwrap_or(name);
                let stored = self.subjects.as_ref().map(|subjects| subjects.hash(name));
                stored.map_or_else(|| name.to_owned(), hex::encode)
            }
        };
        let draw = self.secret.below("days", &[&stored], 2 * 364);
        let days = i32::try_from(draw).unwrap_or_default();
        if days < 364 { days - 364 } else { days - 363 }
    }
}

/// Draws that only a site can make.
struct Secret([u8; 32]);

impl Secret {
    /// 64 bits that depend on `purpose` and every part.
    fn draw(&self, purpose: &str, parts: &[&str]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in std::iter::once(&purpose).chain(parts) {
            // With its length before it, no part can be mistaken for the end of another.
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        u64::from_le_bytes(first)
    }

    /// A draw from `0..limit`; the bias of the remainder is below `limit` / 2^64.
    fn below(&self, purpose: &str, parts: &[&str], limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.draw(purpose, parts) % limit).unwrap_or_default()
    }

    /// A key for another purpose.
    fn key(&self, purpose: &'static str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.0)
    }

    /// `text` with each ASCII digit replaced by a drawn one; the first is never 0.
    fn digits(&self, purpose: &str, text: &str) -> String {
        let mut draw = self.draw(purpose, &[text]);
        let mut first = true;
        text.chars()
            .map(|c| {
                if !c.is_ascii_digit() {
                    return c;
                }
                let base: u64 = if first { 9 } else { 10 };
                let digit = draw % base + u64::from(first);
                (draw, first) = ((draw / base).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3, false);
                char::from_digit(u32::try_from(digit).unwrap_or_default(), 10).unwrap_or('0')
            })
            .collect()
    }
}

/// Whether `word`, in small letters, is one of `words`, between which spaces stand.
fn is_among(words: &str, word: &str) -> bool {
    let small = word.to_lowercase();
    words.split(' ').any(|known| known == small)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn site(number: u8) -> Surrogates {
        Surrogates::new(&SiteKey::new([number; 32]), Language::English)
    }

    #[test]
    fn one_site_repeats_itself_and_no_other_does() {
        let (one, two) = (site(1), site(2));
        for (kind, original) in [
            (Kind::Name, "Jane Roe"),
            (Kind::Email, "jane.roe@hospital.example"),
            (Kind::Ssn, "536-22-1234"),
            (Kind::Address, "12 Main Street, Springfield"),
            (Kind::MedicalRecord, "A-774411"),
        ] {
            let of = |site: &Surrogates| site.replace(kind, original, &Subject::default()).unwrap();
            let surrogate = of(&one);
            assert_eq!(of(&one), surrogate);
            assert_ne!(surrogate, original);
            assert_ne!(of(&two), surrogate, "{kind}");
        }
    }

    #[test]
    fn every_subject_has_a_shift_of_its_own_in_range() {
        let site = site(1);
        let days: Vec<i32> = (0..500).map(|n| site.days(&Subject::Named(n.to_string()))).collect();
        assert!(days.iter().all(|days| *days != 0 && days.abs() <= 364));
        let distinct: std::collections::HashSet<_> = days.iter().collect();
        assert!(distinct.len() > 300);
        assert!(days.iter().any(|days| *days < 0) && days.iter().any(|days| *days > 0));
    }
}
