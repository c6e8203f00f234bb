//! Connections that are not HTTP (SMTP, NATS), behind the same guard: a name is resolved once, every address is judged,
//! and what is connected is what was judged. What a peer says is bounded.
//!
//! No proxy is used: `HTTP_PROXY` is for HTTP.

use super::policy::{Policy, Refusal};
use super::request::{Error, TlsOptions};
use super::resolver::allowed;
use super::tls;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that a peer may say in one conversation.
const HEARD_MAX: usize = 64 << 10;
/// Bytes that are read at once.
const CHUNK: usize = 4096;

/// Anything that carries a conversation.
pub(super) trait Carrier: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Carrier for T {}

/// Where a connection goes.
pub(super) struct Endpoint<'a> {
    /// Name of the protocol, for messages.
    pub scheme: &'a str,
    /// Name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
}

impl Endpoint<'_> {
    /// Scheme, host and port.
    pub(super) fn target(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }
    pub(super) fn failed(&self, cause: impl std::fmt::Display) -> Error {
        Error::Connect { target: self.target(), cause: cause.to_string() }
    }
    pub(super) fn unanswered(&self, cause: impl std::fmt::Display) -> Error {
        Error::NoAnswer { target: self.target(), cause: cause.to_string() }
    }
    fn refused(&self, no: Refusal) -> Error {
        Error::Refused { target: self.target(), rule: no.rule, setting: no.setting }
    }

    /// Resolves, judges and connects.
    pub(super) async fn dial(&self, policy: &Policy, timeout: Duration) -> Result<Connection, Error> {
        let connected = tokio::time::timeout(timeout, self.connect(policy)).await;
        connected.unwrap_or_else(|_| Err(self.failed(format!("no connection within {} s", timeout.as_secs()))))
    }

    async fn connect(&self, policy: &Policy) -> Result<Connection, Error> {
        let host = self.host.trim_matches(['[', ']']);
        let found = tokio::net::lookup_host((host, self.port)).await.map_err(|e| self.failed(e))?.collect();
        let mut failure = self.failed("the name has no address");
        for address in allowed(policy, host, self.port, found).map_err(|no| self.refused(no))? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(Connection { stream: Box::new(stream), address, left: HEARD_MAX }),
                Err(error) => failure = self.failed(error),
            }
        }
        Err(failure)
    }

    /// Begins TLS on a connection, with this endpoint's name in the certificate.
    pub(super) async fn secure(&self, connection: Connection, options: &TlsOptions) -> Result<Connection, Error> {
        let config = tls::client_config(options)?;
        let name = ServerName::try_from(self.host.trim_matches(['[', ']']).to_owned());
        let name =
            name.map_err(|_| Error::Invalid(format!("'{}' is no name that a certificate can have", self.host)))?;
        let address = connection.address;
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, connection).await;
        let stream = stream.map_err(|e| self.failed(e))?;
        Ok(Connection { stream: Box::new(stream), address, left: HEARD_MAX })
    }
}

/// A connection to an address that was judged; it ends when the peer has said too much.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Box<dyn Carrier>,
    /// The peer's address.
    pub address: SocketAddr,
    left: usize,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other(format!("the server said more than {HEARD_MAX} bytes"))));
        }
        let mut chunk = [0; CHUNK];
        let room = CHUNK.min(self.left).min(buf.remaining());
        let mut heard = ReadBuf::new(&mut chunk[..room]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut heard);
        buf.put_slice(heard.filled());
        self.left -= heard.filled().len();
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
