//! Names and identifiers. Parsed once, at the edge; valid ever after.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bytes::Fixed;

/// Longest name, in bytes: the limit of a DNS label, so that a name can appear in one.
pub const NAME_BYTES_MAX: usize = 63;

/// A BLAKE3 hash of content, 32 bytes.
pub type Digest = Fixed<32>;
/// Identifies one release for ever; drawn at random by the agent.
pub type ReleaseId = Fixed<16>;
/// Identifies one federated training run; drawn at random by the coordinator.
pub type RunId = Fixed<16>;
/// Identifies one campaign; drawn at random by the coordinator.
pub type CampaignId = Fixed<16>;
/// Identifies one evaluation; drawn at random by the coordinator.
pub type EvaluationId = Fixed<16>;
/// An Ed25519 signature, 64 bytes.
pub type Signature = Fixed<64>;

/// The BLAKE3 hash of `bytes`.
pub fn digest(bytes: &[u8]) -> Digest {
    Fixed(*blake3::hash(bytes).as_bytes())
}

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Empty, or longer than [`NAME_BYTES_MAX`].
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes, not {got_bytes}")]
    Length {
        /// Bytes found.
        got_bytes: usize,
    },
    /// A character outside `a-z`, `0-9`, `-`, or a hyphen at an end.
    #[error("a name has only a-z, 0-9 and inner hyphens: look at position {position}")]
    Character {
        /// Offset of the first offending byte.
        position: usize,
    },
}

fn check_name(text: &str) -> Result<(), NameError> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > NAME_BYTES_MAX {
        return Err(NameError::Length { got_bytes: bytes.len() });
    }
    let last = bytes.len() - 1;
    let bad = bytes.iter().enumerate().position(|(index, byte)| match byte {
        b'a'..=b'z' | b'0'..=b'9' => false,
        b'-' => index == 0 || index == last,
        _ => true,
    });
    bad.map_or(Ok(()), |position| Err(NameError::Character { position }))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check_name(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                check_name(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// One federation: the trust domain of its certificates.
    FederationName;
    /// One organisation's premises.
    SiteName;
    /// One agent at a site.
    AgentName;
    /// One labeling project.
    ProjectName;
    /// One set of labeling functions, in all its versions.
    FunctionsName;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        assert!("va-long-beach".parse::<SiteName>().is_ok());
        assert_eq!("".parse::<SiteName>(), Err(NameError::Length { got_bytes: 0 }));
        assert_eq!("a".repeat(64).parse::<SiteName>(), Err(NameError::Length { got_bytes: 64 }));
        assert_eq!("a/b".parse::<SiteName>(), Err(NameError::Character { position: 1 }));
        assert_eq!("-a".parse::<SiteName>(), Err(NameError::Character { position: 0 }));
        assert_eq!("Ab".parse::<SiteName>(), Err(NameError::Character { position: 0 }));
    }

    #[test]
    fn decoded_names_are_checked_too() {
        let bytes = postcard::to_allocvec("../etc").unwrap();
        assert!(postcard::from_bytes::<SiteName>(&bytes).is_err());
    }

    #[test]
    fn hexadecimal_round_trips_and_refuses_the_rest() {
        let id = Fixed([0xab; 16]);
        assert_eq!(ReleaseId::from_hex(&id.to_hex()), Some(id));
        assert_eq!(ReleaseId::from_hex("ab"), None);
        assert_eq!(ReleaseId::from_hex(&"+a".repeat(16)), None);
        assert_eq!(ReleaseId::from_hex(&"ä".repeat(16)), None);
    }
}
