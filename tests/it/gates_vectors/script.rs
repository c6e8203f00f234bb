//! The scripted server that plays the external system: plain, and behind TLS that demands a client certificate.

use crate::env::receiver::{self, Received};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One answer of the script.
struct Rule {
    path: Option<String>,
    method: Option<String>,
    left: Option<u64>,
    respond: Value,
}

/// A request that was seen.
#[derive(Clone)]
pub struct Seen {
    /// It.
    pub request: Received,
    /// Whether it came over mutual TLS.
    pub tls: bool,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

/// PEM texts for mutual TLS; one authority signs both ends.
pub struct Pki {
    /// The authority.
    pub authority: String,
    /// The client's certificate.
    pub client: (String, String),
    server: (String, String),
}

impl Pki {
    /// Makes one.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let sign = |name: &str, purpose: ExtendedKeyUsagePurpose| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.extended_key_usages = vec![purpose];
            (params.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
        };
        let server = sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        let client = sign("gate", ExtendedKeyUsagePurpose::ClientAuth);
        Self { authority: authority.pem(), client, server }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let certificate = CertificateDer::from_pem_slice(self.server.0.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.server.1.as_bytes()).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(verifier.build().unwrap());
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
    }
}

/// The server of one scenario. It stops when dropped.
pub struct Script {
    /// Where it listens.
    pub plain: SocketAddr,
    /// Where it demands a client certificate.
    pub tls: SocketAddr,
    /// Where nobody listens: bound, so that nobody else gets the port either.
    pub closed: SocketAddr,
    _closed: TcpSocket,
    state: Arc<Mutex<State>>,
    tasks: [JoinHandle<()>; 2],
}

impl Script {
    /// Starts it; [`Script::play`] gives it its script.
    pub async fn start(pki: &Pki) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let (plain, tls) = (listener().await, listener().await);
        let addresses = (plain.local_addr().unwrap(), tls.local_addr().unwrap());
        let tasks = [
            tokio::spawn(accept(plain, Arc::clone(&state), None)),
            tokio::spawn(accept(tls, Arc::clone(&state), Some(pki.acceptor()))),
        ];
        let reserved = TcpSocket::new_v4().unwrap();
        reserved.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let closed = reserved.local_addr().unwrap();
        Self { plain: addresses.0, tls: addresses.1, closed, _closed: reserved, state, tasks }
    }

    /// Sets what it answers.
    pub fn play(&self, rules: &[Value]) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let rules = rules.iter().map(|rule| Rule {
            path: text(&rule["match"]["path"]),
            method: text(&rule["match"]["method"]),
            left: rule["times"].as_u64(),
            respond: rule["respond"].clone(),
        });
        self.state.lock().unwrap().rules = rules.collect();
    }

    /// Every request so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free")
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (state, tls) = (Arc::clone(&state), tls.clone());
        // A client that breaks off is not the server's business.
        tokio::spawn(async move {
            match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, &state, true).await,
                    Err(error) => Err(error),
                },
                None => serve(stream, &state, false).await,
            }
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, state: &Mutex<State>, tls: bool) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = receiver::read_request(&mut stream).await? {
        let respond = state.lock().unwrap().answer(Seen { request, tls });
        tokio::time::sleep(Duration::from_millis(respond["delayMs"].as_u64().unwrap_or(0))).await;
        stream.write_all(&wire(&respond)).await?;
        stream.flush().await?;
    }
    Ok(())
}

impl State {
    fn answer(&mut self, seen: Seen) -> Value {
        let path = seen.request.path.split('?').next().unwrap_or_default();
        let fits = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| fits(&rule.path, path) && fits(&rule.method, &seen.request.method) && rule.left != Some(0));
        let respond = match rule {
            Some(rule) => {
                rule.left = rule.left.map(|left| left - 1);
                rule.respond.clone()
            }
            None => serde_json::json!({"status": 599, "body": "no rule matches"}),
        };
        self.seen.push(seen);
        respond
    }
}

fn wire(respond: &Value) -> Vec<u8> {
    let status = respond["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let (kind, body) = match (&respond["json"], &respond["body"]) {
        (Value::Null, Value::String(text)) => ("text/plain", text.clone()),
        (Value::Null, _) => ("text/plain", String::new()),
        (json, _) => ("application/json", json.to_string()),
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for pair in respond["headers"].as_array().into_iter().flatten() {
        headers.push((pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned()));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), kind.to_owned()));
    }
    receiver::response(status, &headers, body.as_bytes())
}
