//! TLS of the local server: a certificate and its key from files, read again when they change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::version::TLS13;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::files::{self, FileError};

/// Longest file of certificates, in bytes.
const CERTIFICATES_BYTES_MAX: usize = 1024 * 1024;

/// Why the files are no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// One cannot be read, or others can read the key.
    #[error("a file for TLS cannot be used")]
    File(#[from] FileError),
    /// No certificate in it.
    #[error("{} holds no certificate in PEM", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// No key in it.
    #[error("{} holds no private key in PEM", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// They do not go together, or are of a kind that is not supported.
    #[error("the certificate and its key do not serve")]
    Unusable(#[from] rustls::Error),
}

/// A certificate with its key, as the files have them. TLS 1.3 only: every browser that runs the
/// pages has it.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// What the files were when they were last looked at; `None` when one was missing.
    stamps: [Option<Stamp>; 2],
}

/// A file's state, as far as a replacement changes it.
type Stamp = (u64, u64, SystemTime, (i64, i64));

impl Tls {
    /// Reads the chain (own certificate first) and its key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`]; [`FileError::Exposed`] when the key is open to others.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let stamps = [stamp(certificate), stamp(key)];
        let config = load(certificate, key)?;
        let current = Mutex::new(Current { config, stamps });
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), current })
    }

    /// Reads the files again if they changed since the last look; whether they did. What is no use
    /// leaves in place what was.
    ///
    /// # Errors
    /// [`TlsError`], once for each change.
    pub fn renew(&self) -> Result<bool, TlsError> {
        let stamps = [stamp(&self.certificate), stamp(&self.key)];
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.stamps == stamps {
            return Ok(false);
        }
        current.stamps = stamps;
        current.config = load(&self.certificate, &self.key)?;
        Ok(true)
    }

    /// What greets the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.config))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path);
    let of = |metadata: fs::Metadata| {
        // The last one moves when a file's mode is mended.
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Ok::<_, io::Error>((metadata.ino(), metadata.len(), metadata.modified()?, changed))
    };
    metadata.and_then(of).ok()
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let pem = files::read(certificate, CERTIFICATES_BYTES_MAX)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| TlsError::Certificate { path: certificate.to_owned() })?;
    let secret = files::read_secret(key)?;
    let secret = PrivateKeyDer::from_pem_slice(&secret)
        .map_err(|_| TlsError::Key { path: key.to_owned() })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::files::Access;

    /// Writes a self-signed certificate for `localhost`, as `server.pem`, and its key.
    pub(crate) fn write(folder: &Path, access: Access) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
        files::write_atomic(&certificate, made.cert.pem().as_bytes(), Access::Public).unwrap();
        files::write_atomic(&key, made.signing_key.serialize_pem().as_bytes(), access).unwrap();
        (certificate, key)
    }

    #[test]
    fn a_key_that_others_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = write(folder.path(), Access::Public);
        let opened = Tls::open(&certificate, &key);
        assert!(matches!(opened, Err(TlsError::File(FileError::Exposed { .. }))), "{opened:?}");
        let opened = Tls::open(&key, &certificate);
        assert!(matches!(opened, Err(TlsError::Certificate { .. })), "{opened:?}");
    }

    #[test]
    fn a_certificate_needs_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, _) = write(folder.path(), Access::Secret);
        let other = tempfile::tempdir().unwrap();
        let (_, key) = write(other.path(), Access::Secret);
        assert!(matches!(Tls::open(&certificate, &key), Err(TlsError::Unusable(_))));
    }

    #[test]
    fn new_files_serve_from_the_next_look_on_and_bad_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = write(folder.path(), Access::Secret);
        let tls = Tls::open(&certificate, &key).unwrap();
        let served = || Arc::clone(&tls.current.lock().unwrap().config);
        let first = served();
        assert!(!tls.renew().unwrap());
        write(folder.path(), Access::Secret);
        assert!(tls.renew().unwrap());
        let second = served();
        assert!(!Arc::ptr_eq(&first, &second));
        files::write_atomic(&certificate, b"half a file", Access::Public).unwrap();
        assert!(tls.renew().is_err());
        assert!(!tls.renew().unwrap(), "said once");
        assert!(Arc::ptr_eq(&second, &served()));
    }
}
