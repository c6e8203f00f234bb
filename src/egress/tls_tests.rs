//! Whom a service trusts, what it shows of itself, and which name it asks for: against a real TLS server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::policy::{Policy, Rule};
use super::request::{ClientCertificate, Error, Request, Response, TlsOptions, Transport};
use super::testing::{Script, door, request};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// PEM of a certificate for a name, and of its key.
fn signed(authority: &Authority, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.extended_key_usages.push(usage);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// A TLS server for one name; with an authority for clients, only those that show a certificate of it are served.
struct Secure {
    port: u16,
    script: Script,
    /// Names that were asked for in handshakes.
    names: Arc<Mutex<Vec<Option<String>>>>,
}

impl Secure {
    async fn start(authority: &Authority, name: &str, clients: Option<&Authority>, answer: &str) -> Self {
        super::install_provider();
        let (certificate, key) = signed(authority, name, ExtendedKeyUsagePurpose::ServerAuth);
        let builder = rustls::ServerConfig::builder();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
                builder.with_client_cert_verifier(
                    rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap(),
                )
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, script: Script::new(&[answer.as_bytes(); 4]), names: Arc::default() };
        let (script, names) = (server.script.clone(), Arc::clone(&server.names));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script, names) = (acceptor.clone(), script.clone(), Arc::clone(&names));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    names.lock().unwrap().push(stream.get_ref().1.server_name().map(str::to_owned));
                    script.serve(stream).await;
                });
            }
        });
        server
    }
}

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

async fn sent(url: &str, tls: TlsOptions) -> Result<Response, Error> {
    let policy = Policy { allow: vec![Rule::parse("127.0.0.1").unwrap()], ..Policy::default() };
    let defaults = request(url);
    let transport = Transport { tls, ..defaults.transport.clone() };
    door(policy).send(&Request { transport, ..defaults }).await
}

#[tokio::test]
async fn a_service_trusts_its_own_authority_and_no_other() {
    let (ours, other) = (authority("ours"), authority("other"));
    let server = Secure::start(&ours, "localhost", None, FINE).await;
    let url = format!("https://localhost:{}/", server.port);
    let trusting = |authority: &Authority| TlsOptions { roots_pem: authority.pem().into(), ..TlsOptions::default() };
    assert_eq!(sent(&url, trusting(&ours)).await.unwrap().status, 200);
    let refused = sent(&url, trusting(&other)).await.unwrap_err();
    assert!(matches!(refused, Error::Connect { .. }) && refused.to_string().contains("certificate"), "{refused}");
    assert!(sent(&url, TlsOptions::default()).await.is_err(), "the system does not know it");
    let blind = TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() };
    assert_eq!(sent(&url, blind).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_the_services() {
    let (ours, clients, other) = (authority("ours"), authority("clients"), authority("other"));
    let server = Secure::start(&ours, "localhost", Some(&clients), FINE).await;
    let url = format!("https://localhost:{}/", server.port);
    let showing = |pair: Option<(String, String)>| {
        let certificate = pair.map(|(chain, key)| ClientCertificate { chain_pem: chain.into(), key_pem: key.into() });
        TlsOptions { roots_pem: ours.pem().into(), certificate, ..TlsOptions::default() }
    };
    let client = |authority: &Authority| Some(signed(authority, "gatepost", ExtendedKeyUsagePurpose::ClientAuth));
    assert_eq!(sent(&url, showing(client(&clients))).await.unwrap().status, 200);
    assert!(sent(&url, showing(None)).await.is_err());
    assert!(sent(&url, showing(client(&other))).await.is_err());
    assert_eq!(server.script.heard().len(), 1);
}

#[tokio::test]
async fn the_handshake_asks_for_the_hosts_name_or_for_the_one_that_is_set() {
    let ours = authority("ours");
    let server = Secure::start(&ours, "hooks.internal", None, FINE).await;
    let by_address = format!("https://127.0.0.1:{}/x", server.port);
    let tls =
        |name: &str| TlsOptions { roots_pem: ours.pem().into(), server_name: name.to_owned(), ..TlsOptions::default() };
    assert!(sent(&by_address, tls("")).await.is_err(), "the certificate is for a name");
    assert_eq!(sent(&by_address, tls("hooks.internal")).await.unwrap().status, 200);
    assert_eq!(server.names.lock().unwrap().as_slice(), [Some("hooks.internal".to_owned())]);
    let head = server.script.heard().remove(0).to_lowercase();
    assert!(head.starts_with("post /x ") && head.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)), "{head}");
    assert!(sent(&by_address, tls("other.internal")).await.is_err());
    let plain = Secure::start(&ours, "localhost", None, FINE).await;
    assert_eq!(sent(&format!("https://localhost:{}/", plain.port), tls("")).await.unwrap().status, 200);
    assert_eq!(plain.names.lock().unwrap().as_slice(), [Some("localhost".to_owned())]);
}

/// A row of the table.
pub async fn a_server_name_is_no_address() {
    for name in ["127.0.0.1", "[::1]", "0x7f000001", "a b", "169.254.169.254"] {
        let tls = TlsOptions { server_name: name.to_owned(), ..TlsOptions::default() };
        let refused = sent("https://203.0.113.5/", tls).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{name}: {refused:?}");
    }
    // The real host is judged, whatever name is asked for.
    let tls = TlsOptions { server_name: "hooks.example.com".into(), ..TlsOptions::default() };
    let refused = sent("https://169.254.169.254/", tls).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
}

/// A row of the table.
pub async fn redirect_to_plain_http() {
    let ours = authority("ours");
    let answer = "HTTP/1.1 302 Moved\r\nlocation: http://localhost/\r\ncontent-length: 0\r\n\r\n";
    let server = Secure::start(&ours, "localhost", None, answer).await;
    let tls = TlsOptions { roots_pem: ours.pem().into(), ..TlsOptions::default() };
    let refused = sent(&format!("https://localhost:{}/", server.port), tls).await;
    assert!(matches!(refused, Err(Error::Redirect { .. })), "{refused:?}");
}
