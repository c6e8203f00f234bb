//! TLS of outgoing connections: system roots with the bundled Mozilla roots as fall-back, or a service's own.

use super::request::{Error, TlsOptions};
use reqwest::{Certificate, ClientBuilder};
use std::sync::Arc;

/// Installs the process-wide cryptography provider. Called once at start; later calls change nothing.
pub fn install_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Applies a service's TLS settings.
pub(super) fn apply(builder: ClientBuilder, options: &TlsOptions) -> Result<ClientBuilder, Error> {
    install_provider();
    if options.insecure_skip_verify {
        return Ok(builder.tls_danger_accept_invalid_certs(true));
    }
    if !options.roots_pem.is_empty() {
        let roots = Certificate::from_pem_bundle(&options.roots_pem)
            .map_err(|_| Error::Invalid("the certificates of this host are not PEM".into()))?;
        return Ok(builder.tls_certs_only(roots));
    }
    Ok(builder.tls_backend_preconfigured(system_config()?))
}

fn system_config() -> Result<rustls::ClientConfig, Error> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        drop(roots.add(certificate));
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Invalid(format!("TLS cannot be set up: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
