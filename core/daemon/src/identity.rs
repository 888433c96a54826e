//! Who speaks: one name for each party, in SPIFFE form, as the only URI of its certificate.
//!
//! `spiffe://<federation>/site/<site>/agent/<agent>` or `spiffe://<federation>/coordinator`.

use std::fmt;
use std::str::FromStr;

use insitu_protocol::ids::{AgentName, FederationName, NameError, SiteName};
use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Longest serial number of a certificate, in bytes (RFC 5280, section 4.1.2.2).
pub const SERIAL_BYTES_MAX: usize = 20;

/// A party of a federation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// An agent.
    Agent(AgentIdentity),
    /// The coordinator.
    Coordinator(FederationName),
}

/// An agent of a federation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentIdentity {
    /// The federation.
    pub federation: FederationName,
    /// The site.
    pub site: SiteName,
    /// The agent.
    pub agent: AgentName,
}

/// A certificate's serial number, unique for its authority.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

/// What a certificate says. It proves nothing by itself: the chain must have been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Whose it is.
    pub identity: Identity,
    /// Its number.
    pub serial: Serial,
    /// Valid from here.
    pub not_before: Timestamp,
    /// Valid up to here, inclusive.
    pub not_after: Timestamp,
}

/// Why a certificate or a URI names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not an X.509 certificate.
    #[error("{got_bytes} bytes that are not a certificate")]
    Certificate {
        /// Bytes found.
        got_bytes: usize,
    },
    /// No URI, or more than one name: which one counts would be a guess.
    #[error("a certificate with {found} alternative names where exactly one URI is needed")]
    Names {
        /// Names found.
        found: usize,
    },
    /// A URI of another form.
    #[error("the URI is neither an agent nor a coordinator")]
    Form,
    /// A part of the URI is not a name.
    #[error("the URI's {part} is not a name")]
    Name {
        /// Which part.
        part: &'static str,
        /// Why not.
        source: NameError,
    },
    /// A serial number that is empty or too long.
    #[error("a serial number of {got_bytes} bytes where 1 to {SERIAL_BYTES_MAX} are allowed")]
    Serial {
        /// Bytes found.
        got_bytes: usize,
    },
    /// A date outside of what a timestamp can hold.
    #[error("the certificate's validity is not a span of time")]
    Validity,
}

impl Identity {
    /// The federation.
    pub fn federation(&self) -> &FederationName {
        match self {
            Self::Agent(agent) => &agent.federation,
            Self::Coordinator(federation) => federation,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => agent.fmt(f),
            Self::Coordinator(federation) => write!(f, "spiffe://{federation}/coordinator"),
        }
    }
}

impl fmt::Display for AgentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/site/{}/agent/{}", self.federation, self.site, self.agent)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let path = uri.strip_prefix("spiffe://").ok_or(IdentityError::Form)?;
        let parts: Vec<&str> = path.splitn(6, '/').collect();
        match parts[..] {
            [federation, "coordinator"] => Ok(Self::Coordinator(name("federation", federation)?)),
            [federation, "site", site, "agent", agent] => Ok(Self::Agent(AgentIdentity {
                federation: name("federation", federation)?,
                site: name("site", site)?,
                agent: name("agent", agent)?,
            })),
            _ => Err(IdentityError::Form),
        }
    }
}

impl Serial {
    /// Takes a serial number's bytes, big-endian.
    ///
    /// # Errors
    /// [`IdentityError::Serial`].
    pub fn new(bytes: &[u8]) -> Result<Self, IdentityError> {
        // DER puts a zero before a first byte of 0x80 and above; the number is the same.
        let bytes = match bytes {
            [0, rest @ ..] if !rest.is_empty() => rest,
            _ => bytes,
        };
        if bytes.is_empty() || bytes.len() > SERIAL_BYTES_MAX {
            return Err(IdentityError::Serial { got_bytes: bytes.len() });
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The number's bytes, big-endian.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads what `Display` writes; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        Self::new(&hex::decode(text).ok()?).ok()
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl Subject {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn of(certificate_der: &[u8]) -> Result<Self, IdentityError> {
        let certificate = parse(certificate_der)?;
        let validity = certificate.validity();
        let time = |seconds| Timestamp::from_second(seconds).map_err(|_| IdentityError::Validity);
        Ok(Self {
            identity: uri(&certificate)?.parse()?,
            serial: Serial::new(certificate.raw_serial())?,
            not_before: time(validity.not_before.timestamp())?,
            not_after: time(validity.not_after.timestamp())?,
        })
    }
}

/// The bytes of a certificate's public key.
pub(crate) fn public_key(certificate_der: &[u8]) -> Result<Vec<u8>, IdentityError> {
    let certificate = parse(certificate_der)?;
    Ok(certificate.public_key().subject_public_key.data.to_vec())
}

/// The URI of an authority's own certificate: its trust domain.
pub(crate) fn domain_uri(federation: &FederationName) -> String {
    format!("spiffe://{federation}")
}

/// The trust domain that an authority's certificate names.
pub(crate) fn domain(certificate_der: &[u8]) -> Result<FederationName, IdentityError> {
    let certificate = parse(certificate_der)?;
    let federation = uri(&certificate)?.strip_prefix("spiffe://").ok_or(IdentityError::Form)?;
    name("federation", federation)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(IdentityError::Certificate { got_bytes: der.len() }),
    }
}

/// The certificate's only alternative name.
fn uri<'a>(certificate: &'a X509Certificate<'_>) -> Result<&'a str, IdentityError> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| extension.value.general_names.as_slice());
    match names {
        Some([GeneralName::URI(uri)]) => Ok(uri),
        Some(names) => Err(IdentityError::Names { found: names.len() }),
        None => Err(IdentityError::Names { found: 0 }),
    }
}

fn name<T: FromStr<Err = NameError>>(part: &'static str, text: &str) -> Result<T, IdentityError> {
    text.parse().map_err(|source| IdentityError::Name { part, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_round_trip() {
        for uri in ["spiffe://heart/site/va-long-beach/agent/a1", "spiffe://heart/coordinator"] {
            assert_eq!(uri.parse::<Identity>().unwrap().to_string(), uri);
        }
    }

    #[test]
    fn anything_else_names_nobody() {
        for uri in [
            "",
            "https://heart/coordinator",
            "spiffe://heart",
            "spiffe://heart/coordinator/",
            "spiffe://heart/site/a",
            "spiffe://heart/site/a/agent/b/c",
            "spiffe://heart/agent/a/site/b",
        ] {
            assert_eq!(uri.parse::<Identity>(), Err(IdentityError::Form), "{uri}");
        }
        for uri in
            ["spiffe://Heart/coordinator", "spiffe://h/site//agent/b", "spiffe://h/site/a/agent/.."]
        {
            assert!(matches!(uri.parse::<Identity>(), Err(IdentityError::Name { .. })), "{uri}");
        }
    }

    #[test]
    fn serials_are_numbers() {
        let serial = Serial::new(&[0, 0x80, 1]).unwrap();
        assert_eq!(serial.to_string(), "8001");
        assert_eq!(Serial::from_hex("8001"), Some(serial));
        assert_eq!(Serial::from_hex(""), None);
        assert_eq!(Serial::new(&[1; 21]), Err(IdentityError::Serial { got_bytes: 21 }));
    }

    #[test]
    fn noise_is_not_a_certificate() {
        assert_eq!(Subject::of(&[0x30; 9]), Err(IdentityError::Certificate { got_bytes: 9 }));
    }
}
