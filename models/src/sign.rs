//! Who vouches for a bundle, labeling functions, a ledger or a snapshot: Ed25519 signatures over exact
//! bytes.
//!
//! What is signed is the prefix of a [`Domain`] and then the message, so that a signature made for
//! one thing is never one for another.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::Signature;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// Longest key file that is read; an Ed25519 key in PKCS#8 has 83 bytes.
const KEY_BYTES_MAX: u64 = 1024;

/// What a signature is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A bundle's manifest, by the federation's key.
    Bundle,
    /// How far an agent's ledger has come, by the agent's own key.
    Checkpoint,
    /// The files of a dataset snapshot, by the agent's own key.
    Snapshot,
    /// The manifest of a set of labeling functions, by the federation's key.
    Functions,
    /// What a site's redaction has done, by the site's key.
    Evidence,
    /// How far an agent's audit log has come, by the agent's own key.
    Trail,
}

/// A key that signs.
pub struct SigningKey(Ed25519KeyPair);

/// What signatures are checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub Fixed<32>);

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file")]
    File {
        /// What the system says.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("key file has mode {mode:o}: others than its owner may read it")]
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// The system gives no random bytes, or the file holds no key.
    #[error("not an Ed25519 key in PKCS#8")]
    NotAKey,
}

/// The signature is not one by this key over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not by this key over these bytes")]
pub struct SignatureError;

impl Domain {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Bundle => b"insitu 2026 bundle manifest v1\0",
            Self::Checkpoint => b"insitu 2026 ledger checkpoint v1\0",
            Self::Snapshot => b"insitu 2026 dataset snapshot v1\0",
            Self::Functions => b"insitu 2026 labeling functions v1\0",
            Self::Evidence => b"insitu 2026 redaction evidence v1\0",
            Self::Trail => b"insitu 2026 audit log checkpoint v1\0",
        }
    }
}

impl SigningKey {
    /// Makes a key and writes it to a new file that only its owner can read.
    ///
    /// # Errors
    /// [`KeyError`]; an existing file is never overwritten.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let pkcs8 =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::NotAKey)?;
        let key = Self::from_pkcs8(pkcs8.as_ref())?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = |source| KeyError::File { source };
        let mut out = options.open(path).map_err(file)?;
        out.write_all(pkcs8.as_ref()).and_then(|()| out.sync_all()).map_err(file)?;
        Ok(key)
    }

    /// Loads what [`SigningKey::create`] wrote.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = |source| KeyError::File { source };
        let input = File::open(path).map_err(file)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = input.metadata().map_err(file)?.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(KeyError::Exposed { mode });
            }
        }
        let mut pkcs8 = Vec::new();
        input.take(KEY_BYTES_MAX).read_to_end(&mut pkcs8).map_err(file)?;
        Self::from_pkcs8(&pkcs8)
    }

    /// Loads the key at `path`, which is made when there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open_or_create(path: &Path) -> Result<Self, KeyError> {
        let made = if path.exists() { Self::load(path) } else { Self::create(path) };
        // Another process may have made it in between.
        made.or_else(|error| if path.exists() { Self::load(path) } else { Err(error) })
    }

    /// The key that agents need.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(Fixed(bytes))
    }

    /// Signs a manifest's bytes.
    pub fn sign(&self, manifest: &[u8]) -> Signature {
        self.sign_in(Domain::Bundle, manifest)
    }

    /// Signs bytes of a domain.
    pub fn sign_in(&self, domain: Domain, message: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.sign(&[domain.prefix(), message].concat()).as_ref());
        Fixed(bytes)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_pkcs8(pkcs8).map(Self).map_err(|_| KeyError::NotAKey)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public().0).finish()
    }
}

impl PublicKey {
    /// Checks a signature over a manifest's bytes.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, manifest: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        self.verify_in(Domain::Bundle, manifest, signature)
    }

    /// Checks a signature over bytes of a domain.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_in(
        &self,
        domain: Domain,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        UnparsedPublicKey::new(&ED25519, &self.0.0)
            .verify(&[domain.prefix(), message].concat(), &signature.0)
            .map_err(|_| SignatureError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_and_its_bytes_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle.key");
        let key = SigningKey::create(&path).unwrap();
        let signature = key.sign(b"manifest");
        assert_eq!(key.public().verify(b"manifest", &signature), Ok(()));
        assert_eq!(key.public().verify(b"manifesT", &signature), Err(SignatureError));
        for domain in [Domain::Checkpoint, Domain::Functions] {
            let elsewhere = key.public().verify_in(domain, b"manifest", &signature);
            assert_eq!(
                elsewhere,
                Err(SignatureError),
                "one made for a bundle is none for {domain:?}"
            );
        }
        let mut bent = signature;
        bent.0[63] ^= 1;
        assert_eq!(key.public().verify(b"manifest", &bent), Err(SignatureError));
        let other = SigningKey::create(&dir.path().join("other.key")).unwrap();
        assert_eq!(other.public().verify(b"manifest", &signature), Err(SignatureError));
        // The same key over the same bytes, but for another purpose.
        let elsewhere = Fixed(key.0.sign(b"manifest").as_ref().try_into().unwrap());
        assert_eq!(key.public().verify(b"manifest", &elsewhere), Err(SignatureError));
        assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
    }

    #[test]
    fn a_key_is_never_overwritten_nor_read_when_exposed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle.key");
        let made = SigningKey::open_or_create(&path).unwrap();
        assert!(matches!(SigningKey::create(&path), Err(KeyError::File { .. })));
        let again = SigningKey::open_or_create(&path).unwrap();
        assert_eq!(again.public(), made.public());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(SigningKey::load(&path), Err(KeyError::Exposed { mode: 0o640 })));
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        std::fs::write(&path, b"not a key").unwrap();
        assert!(matches!(SigningKey::load(&path), Err(KeyError::NotAKey)));
    }
}
