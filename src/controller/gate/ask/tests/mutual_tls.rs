//! An endpoint that demands a client certificate, behind a private authority.

use super::receiver::{answer, header, read_request};
use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use std::sync::Mutex;
use tokio::io::AsyncWriteExt as _;

struct Endpoint {
    port: u16,
    authority: String,
    client: (String, String),
    seen: Arc<Mutex<Vec<String>>>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

async fn start() -> Endpoint {
    crate::egress::install_provider();
    let authority = authority();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &authority).unwrap(), key)
    };
    let (own, own_key) = issue("127.0.0.1");
    let (client, client_key) = issue("gate.example");
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = PrivateKeyDer::try_from(own_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let known = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let Some(request) = read_request(&mut stream).await else { continue };
            known.lock().unwrap().push(request);
            drop(stream.write_all(answer(200, "", "mutual").as_bytes()).await);
            drop(stream.shutdown().await);
        }
    });
    Endpoint { port, authority: authority.pem(), client: (client.pem(), client_key.serialize_pem()), seen }
}

async fn ask(endpoint: &Endpoint, data: &[(&str, &str)]) -> Result<Answer, AskError> {
    let asker = asker(Known::default().secret(TEAM, "creds", data));
    let url = format!("https://127.0.0.1:{}/check", endpoint.port);
    asker.ask(&with(&url, Authentication::Tls { secret: "creds".into() })).await
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_only_the_own_authority_trusted() {
    let endpoint = start().await;
    let (chain, key) = (endpoint.client.0.as_str(), endpoint.client.1.as_str());
    let answer =
        ask(&endpoint, &[("tls.crt", chain), ("tls.key", key), ("ca.crt", &endpoint.authority)]).await.unwrap();
    assert_eq!(&answer.body[..], b"mutual");
    assert_eq!(header(&endpoint.seen.lock().unwrap()[0], "Host"), format!("127.0.0.1:{}", endpoint.port));

    let error = ask(&endpoint, &[("tls.crt", chain), ("tls.key", key)]).await.unwrap_err();
    assert!(error.is_transport() && error.to_string().contains("certificate"), "{error}");
    let stranger = authority().pem();
    let error = ask(&endpoint, &[("tls.crt", chain), ("tls.key", key), ("ca.crt", &stranger)]).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(endpoint.seen.lock().unwrap().len(), 1);
}
