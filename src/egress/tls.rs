//! TLS of outgoing connections: system roots with the bundled Mozilla roots as fall-back, or a service's own; and the
//! certificate that a service shows. Must never put a key into an error.

use super::request::{ClientCertificate, Error, TlsOptions};
use crate::any_certificate::AnyCertificate;
use reqwest::ClientBuilder;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, LazyLock};

/// What a service without certificates of its own trusts. Read once: finding them takes hundreds of files, which no delivery shall wait
/// for, and every pool shares them.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Arc::new(store)
});

/// Reads the system's certificates now rather than with the first delivery.
pub(super) fn read_system_roots() {
    LazyLock::force(&SYSTEM);
}

/// Installs the process-wide cryptography provider. Called once at start; later calls change nothing.
pub fn install_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Applies a service's TLS settings. HTTP/1.1, as the Go controller's clients speak: its bounds are known.
pub(super) fn apply(builder: ClientBuilder, options: &TlsOptions) -> Result<ClientBuilder, Error> {
    install_provider();
    Ok(builder.tls_backend_preconfigured(client_config(options)?))
}

fn not_pem() -> Error {
    Error::Invalid("the certificates of this host are not PEM".into())
}

/// The certificates that a service trusts; empty where the bundled roots have to do.
pub(super) fn roots(options: &TlsOptions) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = if options.roots_pem.is_empty() {
        rustls_native_certs::load_native_certs().certs
    } else {
        CertificateDer::pem_slice_iter(&options.roots_pem).collect::<Result<Vec<_>, _>>().map_err(|_| not_pem())?
    };
    // The system's bundle may hold one that nobody can read; it must not cost the others.
    let mut scratch = RootCertStore::empty();
    let usable: Vec<_> = found.into_iter().filter(|certificate| scratch.add(certificate.clone()).is_ok()).collect();
    if usable.is_empty() && !options.roots_pem.is_empty() {
        return Err(not_pem());
    }
    Ok(usable)
}

/// What connections that are not HTTP begin TLS with.
pub(super) fn client_config(options: &TlsOptions) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Invalid(format!("TLS cannot be set up: {e}")))?;
    if options.insecure_skip_verify {
        let verifier = Arc::new(AnyCertificate(provider));
        return shown(builder.dangerous().with_custom_certificate_verifier(verifier), options);
    }
    shown(builder.with_root_certificates(trusted(options)?), options)
}

fn trusted(options: &TlsOptions) -> Result<Arc<RootCertStore>, Error> {
    if options.roots_pem.is_empty() {
        return Ok(Arc::clone(&SYSTEM));
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots(options)?);
    Ok(Arc::new(store))
}

/// The certificate that a server may ask for.
fn shown(
    builder: rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    options: &TlsOptions,
) -> Result<ClientConfig, Error> {
    let Some(certificate) = &options.certificate else { return Ok(builder.with_no_client_auth()) };
    let (chain, key) = client_certificate(certificate)?;
    builder.with_client_auth_cert(chain, key).map_err(|error| unloadable(&error.to_string()))
}

fn unloadable(cause: &str) -> Error {
    Error::Invalid(format!("failed to load client certificate: {cause}"))
}

/// Whether a service's own certificates can be read, before anything is connected.
pub(super) fn check(options: &TlsOptions) -> Result<(), Error> {
    if !options.roots_pem.is_empty() {
        roots(options)?;
    }
    options.certificate.as_ref().map_or(Ok(()), |certificate| client_certificate(certificate).map(drop))
}

fn client_certificate(
    certificate: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = CertificateDer::pem_slice_iter(&certificate.chain_pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| unloadable("the certificate is not PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(&certificate.key_pem);
    let key = key.map_err(|_| unloadable("the private key is not PEM"))?;
    Ok((chain, key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn roots_that_are_no_certificates_are_said() {
        let options = |pem: &str| TlsOptions { roots_pem: pem.into(), ..TlsOptions::default() };
        assert!(matches!(roots(&options("nonsense")), Err(Error::Invalid(_))));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(roots(&options(broken)), Err(Error::Invalid(_))));
        assert!(client_config(&TlsOptions::default()).is_ok());
        let certificate = Some(ClientCertificate { chain_pem: b"x".to_vec(), key_pem: b"y".to_vec() });
        let refused = client_config(&TlsOptions { certificate, ..TlsOptions::default() }).unwrap_err();
        assert!(refused.to_string().contains("failed to load client certificate"), "{refused}");
        assert!(client_config(&TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() }).is_ok());
    }

    #[test]
    fn a_client_certificate_goes_with_its_key_or_is_told() {
        let pair = || rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
        let (one, other) = (pair(), pair());
        let options = |certificate: &str, key: &str| TlsOptions {
            certificate: Some(ClientCertificate { chain_pem: certificate.into(), key_pem: key.into() }),
            ..TlsOptions::default()
        };
        let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        assert!(client_config(&options(&certificate, &key)).is_ok());
        let foreign = other.signing_key.serialize_pem();
        for (certificate, key) in [(certificate.as_str(), ""), ("", key.as_str()), (&certificate, &foreign), ("x", "x")]
        {
            let error = client_config(&options(certificate, key)).unwrap_err().to_string();
            assert!(error.contains("client certificate") && !error.contains("PRIVATE"), "{error}");
        }
    }
}
