//! A coordinator that was killed is noticed at the next datagram.
//!
//! A process that is killed says no farewell. What comes to its successor for a connection of the old
//! one is answered with a stateless reset (RFC 9000, section 10.3), which the peer believes when it has
//! the token that the old process gave for that connection. The token follows from a key, which is kept
//! where the process keeps its data. Without it, peers wait until the connection has been silent for
//! its idle time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use ring::hmac;

use crate::files::{self, Access, FileError};

/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// Bytes of a connection's id.
const ID_BYTES: usize = 8;
/// Resets are this far apart at least: a thousand peers are told within a second.
const RESETS_APART: Duration = Duration::from_millis(1);

/// The key of the tokens.
pub struct ResetKey([u8; KEY_BYTES]);

impl std::fmt::Debug for ResetKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResetKey(..)")
    }
}

impl ResetKey {
    /// A key from secret random bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads the key, or makes one the first time.
    ///
    /// # Errors
    /// [`FileError`]; a file of another length is replaced, since a new key costs nothing but that
    /// peers are slow to notice one restart.
    pub fn load_or_create(path: &Path) -> Result<Self, FileError> {
        if path.exists() {
            let stored = files::read_secret(path)?;
            if let Ok(key) = stored.as_slice().try_into() {
                return Ok(Self(key));
            }
        }
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| FileError::Io {
            action: "draw a key for",
            path: path.to_owned(),
            source: std::io::Error::other(error),
        })?;
        files::write_atomic(path, &key, Access::Secret)?;
        Ok(Self(key))
    }

    /// What an endpoint with this key is made with.
    pub fn endpoint_config(&self) -> EndpointConfig {
        let tokens = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut config = EndpointConfig::new(Arc::new(tokens));
        config.cid_generator(|| Box::new(Ids)).min_reset_interval(RESETS_APART);
        config
    }
}

/// Random connection ids. Quinn's own carry a checksum under a key that dies with the process, and
/// what fails that check is not even reset.
struct Ids;

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        getrandom::fill(&mut id).expect("without random bytes there is no handshake either");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reset.key");
        let first = ResetKey::load_or_create(&path).unwrap();
        assert_eq!(ResetKey::load_or_create(&path).unwrap().0, first.0);
        files::write_atomic(&path, b"short", Access::Secret).unwrap();
        let other = ResetKey::load_or_create(&path).unwrap();
        assert_ne!(other.0, first.0);
        assert_eq!(ResetKey::load_or_create(&path).unwrap().0, other.0);
        assert_eq!(format!("{other:?}"), "ResetKey(..)");
    }
}
