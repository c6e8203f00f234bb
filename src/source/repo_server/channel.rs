//! The connection to the repo-server: plain, TLS as it comes, or TLS that is checked, with or without a client certificate.
//!
//! As in Argo CD, certificates are checked only where a CA is named or strictness is asked for: the repo-server's own
//! certificate is signed by nobody. The files are read at each connection, so that rotated ones are used.

use super::Error;
use crate::any_certificate::AnyCertificate;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// Longest that a connection takes.
const CONNECT: Duration = Duration::from_secs(3);
/// How often an open connection is tried, so that a dead one is found.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How the repo-server is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `HOST:PORT`.
    pub address: String,
    /// `None` for a connection without TLS.
    pub tls: Option<Tls>,
}

/// How TLS is used.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Files of CA certificates. Without any, the server's certificate is not checked. Files that are not there are
    /// passed over, as in Argo CD; if none is there, no certificate is accepted.
    pub roots: Option<Vec<PathBuf>>,
    /// Certificate and key that Gatepost shows; passed over where the certificate's file is not there.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A channel that connects when it is first used, and again when it breaks.
pub(super) fn open(settings: Settings) -> Result<Channel, Error> {
    let address = settings.address.strip_prefix("dns:///").unwrap_or(&settings.address).to_owned();
    let (host, _) = address.rsplit_once(':').ok_or_else(|| Error::Address(address.clone()))?;
    let name = host.trim_matches(['[', ']']).to_owned();
    let wrong = |_| Error::Address(settings.address.clone());
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(wrong)?;
    let endpoint = endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(CONNECT).user_agent("gatepost");
    let endpoint = endpoint.map_err(wrong)?;
    if let Some(tls) = &settings.tls {
        // Read once now: what is wrong shows itself at the start and not at the first question.
        tls.config()?;
    }
    let tls = Arc::new(settings.tls);
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let (address, name, tls) = (address.clone(), name.clone(), Arc::clone(&tls));
        async move {
            let connecting = connect(&address, &name, tls.as_ref().as_ref());
            let connected = tokio::time::timeout(CONNECT, connecting).await;
            let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection within 3 s");
            connected.map_err(|_| late())?.map(TokioIo::new)
        }
    })))
}

/// A connection with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(address: &str, name: &str, tls: Option<&Tls>) -> std::io::Result<Box<dyn Stream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(tcp)) };
    let config = tls.config().map_err(std::io::Error::other)?;
    let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?))
}

impl Tls {
    fn config(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match &self.roots {
            Some(files) => builder.with_root_certificates(roots(files)?),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        };
        let mut config = match self.shown()? {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| Error::ClientCertificate(error.to_string()))?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
    fn shown(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, Error> {
        let Some((certificate, key)) = self.client.as_ref().filter(|(certificate, _)| certificate.exists()) else {
            return Ok(None);
        };
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|cause| file("the key", key, cause))?;
        Ok(Some((chain, key)))
    }
}

fn roots(files: &[PathBuf]) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for path in files.iter().filter(|path| path.exists()) {
        for certificate in certificates(path)? {
            store.add(certificate).map_err(|cause| file("the CA certificates", path, cause))?;
        }
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|cause| file("the certificates", path, cause))?;
    if found.is_empty() {
        return Err(file("the certificates", path, "it holds none in PEM form"));
    }
    Ok(found)
}

fn file(what: &'static str, path: &Path, cause: impl std::fmt::Display) -> Error {
    Error::File { what, path: path.display().to_string(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_used_is_said_at_the_start() {
        let plain = |address: &str| open(Settings { address: address.into(), tls: None });
        assert!(plain("argocd-repo-server:8081").is_ok() && plain("dns:///h:1").is_ok() && plain("[::1]:8081").is_ok());
        assert!(matches!(plain("argocd-repo-server"), Err(Error::Address(_))));
        let folder = tempfile::tempdir().unwrap();
        let junk = folder.path().join("ca.crt");
        std::fs::write(&junk, "no certificate").unwrap();
        let tls = Tls { roots: Some(vec![junk.clone()]), client: None };
        let refused = open(Settings { address: "h:1".into(), tls: Some(tls) }).err().unwrap().to_string();
        assert!(refused.contains("ca.crt") && refused.contains("PEM"), "{refused}");
    }

    #[tokio::test]
    async fn files_that_are_not_there_are_passed_over() {
        let gone = PathBuf::from("no/such/file");
        let tls = Tls { roots: Some(vec![gone.clone()]), client: Some((gone.clone(), gone)) };
        assert!(open(Settings { address: "h:1".into(), tls: Some(tls) }).is_ok());
    }
}
