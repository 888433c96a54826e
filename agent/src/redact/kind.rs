//! What personal data is called: one closed list, from which type names, masks and profiles come.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A kind of personal data. Its text form is the type in reports and the word in a mask.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every kind, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The standard term, in capitals: `NAME`, `MEDICAL_RECORD`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// A person's name, in whole or in part.
    Name = "NAME",
    /// A street address, with what follows it (postcode, town).
    Address = "ADDRESS",
    /// A town, region or country.
    Location = "LOCATION",
    /// A hospital, company or authority.
    Organization = "ORGANIZATION",
    /// A postcode.
    Zip = "ZIP",
    /// A date more exact than a year.
    Date = "DATE",
    /// A person's age, as far as the profile hides it.
    Age = "AGE",
    /// A telephone number.
    Phone = "PHONE",
    /// A fax number.
    Fax = "FAX",
    /// An e-mail address.
    Email = "EMAIL",
    /// A web address.
    Url = "URL",
    /// An IPv4 or IPv6 address.
    Ip = "IP_ADDRESS",
    /// A network device's hardware address.
    Mac = "MAC_ADDRESS",
    /// A payment card number.
    CreditCard = "CREDIT_CARD",
    /// An international bank account number.
    Iban = "IBAN",
    /// A bank's identifier code (SWIFT).
    Bic = "BIC",
    /// A routing number of the American Bankers Association.
    Routing = "ROUTING_NUMBER",
    /// An account number without a check digit.
    Account = "ACCOUNT",
    /// A United States social security number.
    Ssn = "SSN",
    /// A United States individual taxpayer number.
    Itin = "US_ITIN",
    /// A United States national provider identifier.
    Npi = "NPI",
    /// A registration of the United States Drug Enforcement Administration.
    Dea = "DEA",
    /// A number with a health insurer.
    HealthPlan = "HEALTH_PLAN",
    /// A number of the British National Health Service.
    Nhs = "NHS",
    /// A British national insurance number.
    Nino = "NINO",
    /// A German tax identification number.
    SteuerId = "DE_STEUER_ID",
    /// A French social security number.
    Nir = "FR_NIR",
    /// A Spanish identity card number or number of a foreign resident.
    Dni = "ES_DNI",
    /// A Spanish social security number.
    Nuss = "ES_NUSS",
    /// An Italian tax code.
    CodiceFiscale = "CODICE_FISCALE",
    /// A Polish population number.
    Pesel = "PESEL",
    /// A Dutch citizen service number.
    Bsn = "NL_BSN",
    /// An Indian identity number.
    Aadhaar = "AADHAAR",
    /// An Indian permanent account number.
    Pan = "IN_PAN",
    /// An Australian tax file number.
    Tfn = "AU_TFN",
    /// An Australian Medicare number.
    Medicare = "AU_MEDICARE",
    /// A Brazilian taxpayer number.
    Cpf = "BR_CPF",
    /// Any other number of a person with an authority.
    TaxId = "TAX_ID",
    /// A passport or identity document number.
    Passport = "PASSPORT",
    /// A hospital's number of a patient, case, order or specimen.
    MedicalRecord = "MEDICAL_RECORD",
    /// A driving or professional licence.
    License = "LICENSE",
    /// A vehicle's plate.
    Plate = "PLATE",
    /// A vehicle identification number.
    Vin = "VIN",
    /// A mobile device's equipment identity.
    Imei = "IMEI",
    /// A medical or other device's serial number.
    DeviceSerial = "DEVICE_SERIAL",
    /// A reference to a biometric template.
    Biometric = "BIOMETRIC_ID",
    /// An identifier of which no more is known.
    Id = "ID",
}

impl Kind {
    /// The kind with this text form.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// This kind's bit in a [`KindSet`].
    const fn bit(self) -> u64 {
        1 << self as u32
    }
}

/// No kind with this text form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("type {name:?} is none of: {}", Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "))]
pub struct KindError {
    /// As written.
    pub name: String,
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(name: &str) -> Result<Self, KindError> {
        Self::from_name(name).ok_or_else(|| KindError { name: name.to_owned() })
    }
}

impl TryFrom<String> for Kind {
    type Error = KindError;

    fn try_from(name: String) -> Result<Self, KindError> {
        name.parse()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KindSet(u64);

impl KindSet {
    /// Every kind.
    pub const ALL: Self = Self((1 << Kind::ALL.len()) - 1);
    /// No kind.
    pub const NONE: Self = Self(0);

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | kind.bit())
    }

    /// Its kinds, in declaration order.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.iter().copied().filter(move |kind| self.contains(*kind))
    }

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<Kind> for KindSet {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_kind() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
            assert!(KindSet::ALL.contains(kind));
        }
        assert_eq!(Kind::from_name("no such kind"), None);
    }
}
