//! One message to a NATS subject: one connection a message, published only when the server says that it has it.
//!
//! The protocol's six words are spoken here and not by a client library, because a library dials by itself, reconnects,
//! follows the servers that a peer names, and calls a message flushed when it has left its own buffer: none of that fits a
//! guard that judges every address and an outbox that must know. PING after the message, and the PONG to it, is the proof.
//!
//! What fails before the message is written is [`Error::Connect`]; what fails after it without a PONG, [`Error::NoAnswer`].

use super::client::Egress;
use super::dial::{Connection, Endpoint};
use super::nkey::Seed;
use super::request::{Error, Response, TlsOptions};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from the connection to the last word.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest line that a server says.
const LINE_MAX: usize = 32 << 10;

/// One message, resolved (no references left).
#[derive(Clone)]
pub struct Publish {
    /// Namespace of a tenant's configuration; empty for the platform's.
    pub tenant: String,
    /// Servers of one cluster: the first that can be reached gets it.
    pub servers: Vec<Server>,
    /// TLS settings.
    pub tls: TlsOptions,
    /// Who publishes.
    pub identity: Identity,
    /// Subject.
    pub subject: String,
    /// Headers, without line breaks.
    pub headers: Vec<(String, String)>,
    /// Message.
    pub body: Vec<u8>,
}

/// A NATS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether TLS is asked for, also where the server does not.
    pub tls: bool,
}

/// Who publishes.
#[derive(Clone, Default)]
pub struct Identity {
    /// User name and password.
    pub user: Option<(String, String)>,
    /// Token.
    pub token: Option<String>,
    /// Seed of an nkey.
    pub nkey: Option<String>,
}

impl std::fmt::Debug for Publish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publish").field("servers", &self.servers).field("len", &self.body.len()).finish_non_exhaustive()
    }
}

/// What a server says of itself before anything else.
#[derive(serde::Deserialize)]
struct Info {
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    tls_available: bool,
    #[serde(default)]
    headers: bool,
    #[serde(default)]
    max_payload: usize,
    #[serde(default)]
    nonce: String,
}

impl Egress {
    /// Publishes one message. The answer's status is HTTP's nearest: 200 when the server has it, 401 and 403 when it does
    /// not let us, 413 when it is too long, 400 and 503 for what else it refuses; the body holds its words.
    ///
    /// # Errors
    /// Refused by the guard, unbuildable, unreachable, or unanswered.
    pub async fn publish(&self, publish: &Publish) -> Result<Response, Error> {
        let mut failure = Error::Invalid("no NATS server is named".into());
        for server in &publish.servers {
            match self.publish_to(server, publish).await {
                // Nothing was written: the next server of the cluster may do.
                Err(error @ Error::Connect { .. }) => failure = error,
                ended => return ended,
            }
        }
        Err(failure)
    }

    async fn publish_to(&self, server: &Server, publish: &Publish) -> Result<Response, Error> {
        let started = Instant::now();
        let endpoint = Endpoint { scheme: "nats", host: &server.host, port: server.port };
        let connection = endpoint.dial(&self.policy(&publish.tenant), CONNECT_TIMEOUT).await?;
        let mut talk = Talk { endpoint: &endpoint, publish, begun: false };
        let outcome = tokio::time::timeout(ANSWER_TIMEOUT, talk.deliver(connection, server.tls)).await;
        let ended = outcome.unwrap_or_else(|_| {
            let cause = format!("no word within {} s", ANSWER_TIMEOUT.as_secs());
            Err(talk.broken(cause))
        });
        ended.map(|(status, words)| Response {
            status,
            headers: Vec::new(),
            body: words.into(),
            truncated: false,
            elapsed: started.elapsed(),
        })
    }
}

/// One conversation.
struct Talk<'a> {
    endpoint: &'a Endpoint<'a>,
    publish: &'a Publish,
    /// Whether the message is on its way.
    begun: bool,
}

impl Talk<'_> {
    async fn deliver(&mut self, mut connection: Connection, tls: bool) -> Result<(u16, String), Error> {
        let first = self.line(&mut connection).await?;
        let info = first.strip_prefix("INFO ").and_then(|text| serde_json::from_str::<Info>(text).ok());
        let info = info.ok_or_else(|| self.endpoint.failed("what answers there is no NATS server"))?;
        let secured = tls || info.tls_required;
        if secured {
            if !(info.tls_required || info.tls_available) {
                return Err(self.endpoint.failed("the URL asks for TLS and the server offers none"));
            }
            connection = self.endpoint.secure(connection, &self.publish.tls).await?;
        }
        if let Some(refusal) = self.unfit(&info) {
            return Ok(refusal);
        }
        let greeting = format!("CONNECT {}\r\nPING\r\n", self.greeting(&info, secured)?);
        self.write(&mut connection, greeting.as_bytes()).await?;
        if let Some(error) = self.until_pong(&mut connection).await? {
            return Ok(refused(error));
        }
        self.begun = true;
        self.write(&mut connection, &frame(self.publish)).await?;
        Ok(self.until_pong(&mut connection).await?.map_or((200, "+OK".to_owned()), refused))
    }

    /// What the server would refuse, or not understand.
    fn unfit(&self, info: &Info) -> Option<(u16, String)> {
        let length = self.publish.body.len();
        if info.max_payload > 0 && length > info.max_payload {
            return Some((413, format!("the message has {length} bytes, and the server takes {}", info.max_payload)));
        }
        let headers = !self.publish.headers.is_empty() && !info.headers;
        headers.then(|| (400, "the server does not take headers".to_owned()))
    }

    fn greeting(&self, info: &Info, secured: bool) -> Result<Json, Error> {
        let mut out = json!({
            "verbose": false, "pedantic": false, "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "gatepost",
            "protocol": 1, "echo": false, "headers": info.headers, "no_responders": false, "tls_required": secured,
        });
        let identity = &self.publish.identity;
        let mut add = Map::new();
        if let Some((user, password)) = &identity.user {
            add.insert("user".into(), user.clone().into());
            add.insert("pass".into(), password.clone().into());
        }
        if let Some(token) = &identity.token {
            add.insert("auth_token".into(), token.clone().into());
        }
        if let Some(seed) = &identity.nkey {
            let seed = Seed::parse(seed).map_err(|cause| Error::Invalid(format!("the nkey is no seed: {cause}")))?;
            add.insert("nkey".into(), seed.public_key().into());
            add.insert("sig".into(), URL_SAFE_NO_PAD.encode(seed.sign(info.nonce.as_bytes())).into());
        }
        if let Some(members) = out.as_object_mut() {
            members.extend(add);
        }
        Ok(out)
    }

    /// Waits for the PONG to our PING; `Some` is what the server objects to. An error to a message stands before the PONG.
    async fn until_pong(&self, connection: &mut Connection) -> Result<Option<String>, Error> {
        let mut objection = None;
        loop {
            let line = match self.line(connection).await {
                Ok(line) => line,
                // A server that refuses a client hangs up on it.
                Err(error) => return objection.map_or(Err(error), |text| Ok(Some(text))),
            };
            match line.split_once(' ').map_or((line.as_str(), ""), |(word, rest)| (word, rest)) {
                ("PONG", _) => return Ok(objection),
                ("PING", _) => self.write(connection, b"PONG\r\n").await?,
                ("-ERR", text) => objection = Some(text.trim_matches(['\'', ' ']).to_owned()),
                // INFO comes again when the cluster changes.
                _ => {}
            }
        }
    }

    /// Byte by byte, because TLS may begin behind any line.
    async fn line(&self, connection: &mut Connection) -> Result<String, Error> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = connection.read_u8().await.map_err(|error| self.broken(error.to_string()))?;
            line.push(byte);
            if line.len() > LINE_MAX {
                return Err(self.broken(format!("a line of more than {LINE_MAX} bytes")));
            }
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn write(&self, connection: &mut Connection, bytes: &[u8]) -> Result<(), Error> {
        let written = async {
            connection.write_all(bytes).await?;
            connection.flush().await
        };
        written.await.map_err(|error: std::io::Error| self.broken(error.to_string()))
    }

    fn broken(&self, cause: String) -> Error {
        if self.begun { self.endpoint.unanswered(cause) } else { self.endpoint.failed(cause) }
    }
}

/// The message as it goes over the wire, and the PING that asks whether it is there.
fn frame(publish: &Publish) -> Vec<u8> {
    let (subject, length) = (&publish.subject, publish.body.len());
    let mut out = if publish.headers.is_empty() {
        format!("PUB {subject} {length}\r\n").into_bytes()
    } else {
        let lines: String = publish.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("NATS/1.0\r\n{lines}\r\n");
        format!("HPUB {subject} {} {}\r\n{head}", head.len(), head.len() + length).into_bytes()
    };
    out.extend_from_slice(&publish.body);
    out.extend_from_slice(b"\r\nPING\r\n");
    out
}

/// The server's objections in HTTP's terms.
fn refused(text: String) -> (u16, String) {
    let lower = text.to_ascii_lowercase();
    let says = |words: &str| lower.contains(words);
    let status = if says("permissions violation") {
        403
    } else if says("authorization") || says("authentication") || says("account") {
        401
    } else if says("maximum payload") {
        413
    } else if says("invalid") || says("parser") || says("unknown protocol") || says("maximum control line") {
        400
    } else {
        503
    };
    (status, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(headers: &[(&str, &str)]) -> Publish {
        Publish {
            tenant: String::new(),
            servers: Vec::new(),
            tls: TlsOptions::default(),
            identity: Identity::default(),
            subject: "a.b".into(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            body: b"hi\r\nPUB x 0".to_vec(),
        }
    }

    #[test]
    fn frames_say_how_long_they_are() {
        assert_eq!(frame(&publish(&[])), b"PUB a.b 11\r\nhi\r\nPUB x 0\r\nPING\r\n");
        let expected = b"HPUB a.b 18 29\r\nNATS/1.0\r\nk: v\r\n\r\nhi\r\nPUB x 0\r\nPING\r\n";
        assert_eq!(frame(&publish(&[("k", "v")])), expected);
    }

    #[test]
    fn objections_have_a_status() {
        for (text, status) in [
            ("Authorization Violation", 401),
            ("User Authentication Expired", 401),
            ("Permissions Violation for Publish to \"a\"", 403),
            ("Maximum Payload Violation", 413),
            ("Invalid Publish Subject", 400),
            ("maximum connections exceeded", 503),
        ] {
            assert_eq!(refused(text.to_owned()).0, status, "{text}");
        }
    }
}
