//! Mail over SMTP: one connection a message, TLS wherever the server offers it, and an answer that tells what became of it.
//!
//! A failure before the message's text is on its way is [`Error::Connect`]: nobody has it. One after that, without a
//! reply, is [`Error::NoAnswer`]. A refusal by the server is an answer, with SMTP's code as its status. Credentials never
//! leave over an unencrypted connection, except to this machine itself.

use super::client::Egress;
use super::dial::{Connection, Endpoint};
use super::request::{Error, Response, TlsOptions};
use super::tls;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Mailboxes, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::{Error as SmtpError, response};
use lettre::{Address, Message};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

/// Time to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from the connection to the last reply; mail servers look at what they take while the sender waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// What the Go controller says it is.
const HELLO: &str = "localhost";

/// One message, resolved (no references left).
#[derive(Clone)]
pub struct Mail {
    /// Namespace of a tenant's configuration; empty for the platform's.
    pub tenant: String,
    /// Name or address of the server.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether TLS begins with the first byte; otherwise it begins where the server offers STARTTLS.
    pub tls_first: bool,
    /// TLS settings.
    pub tls: TlsOptions,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// Sender, as an address or `Name <address>`.
    pub from: String,
    /// Recipients, written alike.
    pub to: Vec<String>,
    /// Subject, one line.
    pub subject: String,
    /// Text.
    pub body: String,
    /// Whether the text is HTML.
    pub html: bool,
    /// Message-ID with its angle brackets: the same however often the message is sent.
    pub message_id: String,
    /// Unix milliseconds.
    pub date_ms: i64,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (host, port) = (&self.host, &self.port);
        f.debug_struct("Mail").field("host", host).field("port", port).finish_non_exhaustive()
    }
}

/// What is refused before anything is sent.
type Envelope = (Address, Vec<Address>, Vec<u8>);

impl Egress {
    /// Sends one message. The answer's status is SMTP's code, its body the server's words; a header `refused` names each
    /// recipient that the server does not take while it takes others.
    ///
    /// # Errors
    /// Refused by the guard, unbuildable, unreachable, or unanswered.
    pub async fn mail(&self, mail: &Mail) -> Result<Response, Error> {
        let started = Instant::now();
        let (from, to, text) = envelope(mail)?;
        let endpoint = Endpoint { scheme: "smtp", host: &mail.host, port: mail.port };
        let connection = endpoint.dial(&self.policy(&mail.tenant), CONNECT_TIMEOUT).await?;
        let mut talk = Talk { endpoint: &endpoint, mail, begun: false };
        let outcome = tokio::time::timeout(ANSWER_TIMEOUT, talk.deliver(connection, from, to, &text)).await;
        let ended = outcome.unwrap_or_else(|_| {
            let cause = format!("no reply within {} s", ANSWER_TIMEOUT.as_secs());
            Err(talk.broken(cause))
        });
        ended.map(|reply| reply.response(started.elapsed()))
    }
}

fn envelope(mail: &Mail) -> Result<Envelope, Error> {
    let mailbox = |text: &str| {
        text.parse::<Mailbox>().map_err(|error| Error::Invalid(format!("'{text}' is no mail address: {error}")))
    };
    let from = mailbox(&mail.from)?;
    let to = mail.to.iter().map(|one| mailbox(one)).collect::<Result<Vec<_>, _>>()?;
    let addresses = to.iter().map(|one| one.email.clone()).collect();
    let kind = if mail.html { ContentType::TEXT_HTML } else { ContentType::TEXT_PLAIN };
    let date = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(mail.date_ms).unwrap_or(0));
    let message = Message::builder()
        .from(from.clone())
        .mailbox(lettre::message::header::To::from(Mailboxes::from_iter(to)))
        .subject(one_line(&mail.subject))
        .date(date)
        .message_id(Some(one_line(&mail.message_id)))
        .singlepart(SinglePart::builder().header(kind).body(mail.body.clone()))
        .map_err(|error| Error::Invalid(format!("the message cannot be written: {error}")))?;
    Ok((from.email, addresses, message.formatted()))
}

/// A header is one line, whatever was rendered into it.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// One conversation.
struct Talk<'a> {
    endpoint: &'a Endpoint<'a>,
    mail: &'a Mail,
    /// Whether the message's text is on its way.
    begun: bool,
}

/// How it ended.
struct Reply {
    code: u16,
    text: String,
    refused: Vec<String>,
}

impl Reply {
    fn response(self, elapsed: Duration) -> Response {
        let headers = self.refused.into_iter().map(|who| ("refused".to_owned(), who.into_bytes())).collect();
        Response { status: self.code, headers, body: self.text.into(), truncated: false, elapsed }
    }
}

/// A step's outcome: go on, or the end of the conversation.
type Said<T> = Result<T, Result<Reply, Error>>;

impl Talk<'_> {
    async fn deliver(
        &mut self,
        connection: Connection,
        from: Address,
        to: Vec<Address>,
        text: &[u8],
    ) -> Result<Reply, Error> {
        match self.converse(connection, from, to, text).await {
            Ok(reply) => Ok(reply),
            Err(end) => end,
        }
    }

    async fn converse(&mut self, connection: Connection, from: Address, to: Vec<Address>, text: &[u8]) -> Said<Reply> {
        let (mut smtp, secured, local) = self.open(connection).await?;
        self.authenticate(&mut smtp, secured || local).await?;
        let mut parameters = Vec::new();
        let international = std::iter::once(&from).chain(&to).any(|address| !is_ascii(address));
        if international {
            if !smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
                let cause = "the server does not take addresses with letters beyond ASCII (SMTPUTF8)";
                return Err(Ok(Reply { code: 553, text: cause.into(), refused: Vec::new() }));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        smtp.command(MailFrom::new(Some(from), parameters)).await.map_err(|e| self.ended(&e))?;
        let refused = self.name_recipients(&mut smtp, to).await?;
        smtp.command(Data).await.map_err(|e| self.ended(&e))?;
        self.begun = true;
        let accepted = smtp.message(text).await.map_err(|e| self.ended(&e))?;
        // The message is theirs; how the goodbye goes changes nothing.
        drop(tokio::time::timeout(Duration::from_secs(1), smtp.quit()).await);
        Ok(Reply { code: code(accepted.code()), text: words(&accepted), refused })
    }

    /// Greets and begins TLS. Tells whether the connection is encrypted, and whether it stays on this machine.
    async fn open(&self, connection: Connection) -> Said<(AsyncSmtpConnection, bool, bool)> {
        let implicit = self.mail.tls_first;
        let local = connection.address.ip().is_loopback();
        let connection =
            if implicit { self.endpoint.secure(connection, &self.mail.tls).await.map_err(Err)? } else { connection };
        let hello = ClientId::Domain(HELLO.to_owned());
        let smtp = AsyncSmtpConnection::connect_with_transport(Box::new(connection), &hello).await;
        let mut smtp = smtp.map_err(|e| self.ended(&e))?;
        let offered = !implicit && smtp.can_starttls();
        if offered {
            let parameters = parameters(&self.mail.host, &self.mail.tls).map_err(Err)?;
            smtp.starttls(parameters, &hello).await.map_err(|e| self.ended(&e))?;
        }
        Ok((smtp, implicit || offered, local))
    }

    async fn authenticate(&self, smtp: &mut AsyncSmtpConnection, safe: bool) -> Said<()> {
        let Some((user, password)) = &self.mail.credentials else { return Ok(()) };
        // As the Go controller: a server that asks for nobody's name gets none, and says so itself if it minds.
        if smtp.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            return Ok(());
        }
        if !safe {
            let cause = "the server offers no TLS, and credentials are not sent unencrypted";
            return Err(Err(Error::Invalid(format!("{cause} to {}", self.endpoint.target()))));
        }
        let credentials = Credentials::new(user.clone(), password.clone());
        smtp.auth(DEFAULT_MECHANISMS, &credentials).await.map(drop).map_err(|e| self.ended(&e))
    }

    /// The recipients that are refused for good, if others are taken. One that is refused for now ends it: nobody has the
    /// message yet, and all get it later.
    async fn name_recipients(&self, smtp: &mut AsyncSmtpConnection, to: Vec<Address>) -> Said<Vec<String>> {
        let (mut refused, mut last, count) = (Vec::new(), None, to.len());
        for address in to {
            let shown = address.to_string();
            match smtp.command(Rcpt::new(address, Vec::new())).await {
                Ok(_) => {}
                Err(error) if error.is_permanent() => {
                    refused.push(format!("{shown}: {}", refusal(&error)));
                    last = Some(error);
                }
                Err(error) => return Err(self.ended(&error)),
            }
        }
        match last {
            Some(error) if refused.len() == count => Err(self.ended(&error)),
            _ => Ok(refused),
        }
    }

    /// A refusal is an answer; anything else is none.
    fn ended(&self, error: &SmtpError) -> Result<Reply, Error> {
        match error.status() {
            Some(status) => Ok(Reply { code: code(status), text: refusal(error), refused: Vec::new() }),
            None => Err(self.broken(innermost(error))),
        }
    }

    fn broken(&self, cause: String) -> Error {
        if self.begun { self.endpoint.unanswered(cause) } else { self.endpoint.failed(cause) }
    }
}

impl AsyncTokioStream for Connection {
    fn peer_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

fn is_ascii(address: &Address) -> bool {
    let text: &str = address.as_ref();
    text.is_ascii()
}

fn code(code: response::Code) -> u16 {
    u16::from(code)
}

fn words(reply: &response::Response) -> String {
    reply.message().collect::<Vec<_>>().join(" ")
}

/// The server's words.
fn refusal(error: &SmtpError) -> String {
    let status = error.status().map_or(0, code);
    format!("{status} {}", innermost(error).trim())
}

fn innermost(error: &SmtpError) -> String {
    let mut last: &(dyn std::error::Error + 'static) = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// TLS within a connection that began without, as lettre wants it told.
fn parameters(host: &str, options: &TlsOptions) -> Result<TlsParameters, Error> {
    let mut builder = TlsParameters::builder(host.trim_matches(['[', ']']).to_owned())
        .dangerous_accept_invalid_certs(options.insecure_skip_verify)
        .dangerous_accept_invalid_hostnames(options.insecure_skip_verify);
    let unusable = |error: SmtpError| Error::Invalid(format!("TLS cannot be set up: {}", innermost(&error)));
    let roots = tls::roots(options)?;
    builder = builder.certificate_store(if roots.is_empty() {
        CertificateStore::WebpkiRoots
    } else {
        CertificateStore::None
    });
    for root in roots {
        builder = builder.add_root_certificate(Certificate::from_der(root.as_ref().to_vec()).map_err(unusable)?);
    }
    builder.build_rustls().map_err(unusable)
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
