//! The listener's certificate: PEM files that are read again when they change, so that a renewal needs no restart. While new ones
//! cannot be used, the old ones stay.

use super::Certificate;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Pause between two looks at the files.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("failed to read the certificate {path}: {cause}; see callbacks.certificate and callbacks.key")]
    Read {
        /// File.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The pair does not work.
    #[error("failed to use the certificate {path}: {cause}; see callbacks.certificate and callbacks.key")]
    Use {
        /// File of the chain.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// Settings of a server with this certificate.
pub(super) fn config(certificate: Certificate) -> Result<ServerConfig, Error> {
    let (stamp, key) = (stamp(&certificate), load(&certificate)?);
    let held = Mutex::new(Held { key: Arc::new(key), stamp, looked: Instant::now() });
    let builder = ServerConfig::builder().with_no_client_auth();
    Ok(builder.with_cert_resolver(Arc::new(Renewed { certificate, held })))
}

struct Held {
    key: Arc<CertifiedKey>,
    stamp: Stamp,
    looked: Instant,
}

/// When the files were last written.
type Stamp = [Option<SystemTime>; 2];

struct Renewed {
    certificate: Certificate,
    held: Mutex<Held>,
}

impl std::fmt::Debug for Renewed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewed").field("chain", &self.certificate.chain).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() >= LOOK_PAUSE {
            held.looked = Instant::now();
            self.renew(&mut held);
        }
        Some(Arc::clone(&held.key))
    }
}

impl Renewed {
    fn renew(&self, held: &mut Held) {
        let now = stamp(&self.certificate);
        if now == held.stamp {
            return;
        }
        match load(&self.certificate) {
            Ok(key) => {
                held.key = Arc::new(key);
                held.stamp = now;
                tracing::info!(path = %self.certificate.chain.display(), "the certificate of callbacks was renewed");
            }
            Err(error) => tracing::warn!(%error, "the certificate changed and cannot be used; the old one stays"),
        }
    }
}

fn stamp(certificate: &Certificate) -> Stamp {
    [&certificate.chain, &certificate.key].map(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok())
}

fn load(certificate: &Certificate) -> Result<CertifiedKey, Error> {
    let read = |path: &PathBuf, cause: String| Error::Read { path: path.clone(), cause };
    let unusable = |cause: String| Error::Use { path: certificate.chain.clone(), cause };
    let chain = CertificateDer::pem_file_iter(&certificate.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| read(&certificate.chain, error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_file(&certificate.key).map_err(|error| read(&certificate.key, error.to_string()))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn write(folder: &tempfile::TempDir, name: &str) -> Certificate {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let paths = Certificate { chain: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        std::fs::write(&paths.chain, made.cert.pem()).unwrap();
        std::fs::write(&paths.key, made.signing_key.serialize_pem()).unwrap();
        assert!(!name.is_empty());
        paths
    }

    #[test]
    fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let paths = write(&folder, "first");
        let held = Held { key: Arc::new(load(&paths).unwrap()), stamp: [None, None], looked: Instant::now() };
        let (renewed, first) =
            (Renewed { certificate: paths.clone(), held: Mutex::new(held) }, load(&paths).unwrap().cert[0].clone());
        write(&folder, "second");
        let mut held = renewed.held.lock().unwrap();
        renewed.renew(&mut held);
        let second = held.key.cert[0].clone();
        assert_ne!(second, first);
        std::fs::write(&paths.chain, "nonsense").unwrap();
        held.stamp = [None, None];
        renewed.renew(&mut held);
        assert_eq!(held.key.cert[0], second);
        assert!(matches!(load(&paths), Err(Error::Use { .. } | Error::Read { .. })));
    }
}
