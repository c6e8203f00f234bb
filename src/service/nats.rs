//! `service.nats.<name>`: the message to the subject that the recipient names.

use super::http::Options;
use super::payload::Payload;
use super::stored::refuse;
use super::{Answer, Call, Draft, Kind, Outgoing, PrepareError, Prepared, RequestError, Step, Verdict, text};
use crate::egress::{Identity, Publish, Response, Server, TlsOptions};
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, KindSpec, Record, Shape, unchecked};
use serde_json::Value as Json;

/// NATS's own port.
const PORT: u16 = 4222;

static SPEC: KindSpec = KindSpec {
    name: "nats",
    own: false,
    options: Record {
        go: "NatsOptions",
        fields: &[
            Field::new("url", Shape::Text),
            Field::new("headers", Shape::TextMap),
            Field::new("nkey", Shape::Text),
            Field::new("username", Shape::Text),
            Field::new("password", Shape::Text),
        ],
    },
    transport: false,
    section: None,
    check: unchecked,
};

/// The kind.
pub struct Nats;

impl Kind for Nats {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let subject = &draft.occurrence.destination.recipient;
        let legal = !subject.contains(|c: char| c.is_whitespace() || c.is_control());
        if !legal || subject.split('.').any(str::is_empty) {
            let message = format!("'{}' is no NATS subject", subject.escape_debug());
            return Err(refuse(message, "write a subject such as `argocd.failed` as the subscription's recipient"));
        }
        Ok(Prepared::of(Payload::new("PUB", subject, &draft.notification.message.bytes()).to_bytes()))
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        match rounds.first().and_then(|answers| answers.first()) {
            None => Ok(Step::Send(vec![Outgoing::Publish(publish(call)?)])),
            Some(Ok(reply)) => Ok(Step::done(judge(reply))),
            Some(Err(error)) => Ok(Step::done(super::unanswered(error))),
        }
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        servers(config).ok().and_then(|(servers, _)| servers.first().map(|one| one.host.clone())).unwrap_or_default()
    }
}

fn publish(call: &Call<'_>) -> Result<Publish, RequestError> {
    let (config, options) = (call.config, Options(call.config));
    let payload = Payload::read(&config.name, call.payload)?;
    let (servers, mut identity) = servers(config)?;
    let (user, password) = (options.text("username"), options.text("password"));
    if !user.is_empty() && !password.is_empty() {
        identity.user = Some((user.to_owned(), password.to_owned()));
    }
    let nkey = options.text("nkey").trim();
    identity.nkey = (!nkey.is_empty()).then(|| nkey.to_owned());
    Ok(Publish {
        tenant: config.namespace.clone(),
        servers,
        tls: TlsOptions::default(),
        identity,
        subject: payload.path.clone(),
        headers: headers(config)?,
        body: payload.body(&config.name)?,
    })
}

fn headers(config: &ServiceConfig) -> Result<Vec<(String, String)>, RequestError> {
    let read = |(name, value): (&String, &Json)| {
        let value = value.as_str().unwrap_or_default().trim();
        let legal = !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control() || c.is_whitespace());
        if !legal || value.contains(char::is_control) {
            return Err(RequestError::Header { service: config.name.clone(), header: name.escape_debug().to_string() });
        }
        Ok((name.clone(), value.to_owned()))
    };
    config.options.get("headers").and_then(Json::as_object).into_iter().flatten().map(read).collect()
}

/// The servers that `url` names, and who it says we are: as the Go client, several are separated by commas, and scheme
/// and port may be left out.
fn servers(config: &ServiceConfig) -> Result<(Vec<Server>, Identity), RequestError> {
    let refused = |cause: String| RequestError::Url { service: config.name.clone(), cause };
    let (mut servers, mut identity) = (Vec::new(), Identity::default());
    for text in Options(config).text("url").split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let text = if text.contains("://") { text.to_owned() } else { format!("nats://{text}") };
        let url = url::Url::parse(&text).map_err(|error| refused(error.to_string()))?;
        if !matches!(url.scheme(), "nats" | "tls") {
            return Err(refused(format!("unsupported protocol scheme \"{}\": use nats or tls", url.scheme())));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(refused("the URL has no host".to_owned()));
        }
        let part = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        match (url.username(), url.password()) {
            ("", None) => {}
            (user, Some(password)) => identity.user = Some((part(user), part(password))),
            (token, None) => identity.token = Some(part(token)),
        }
        servers.push(Server { host, port: url.port().unwrap_or(PORT), tls: url.scheme() == "tls" });
    }
    if servers.is_empty() {
        return Err(refused("it is missing".to_owned()));
    }
    Ok((servers, identity))
}

fn judge(reply: &Response) -> Verdict {
    let words = text::clip_chars(&String::from_utf8_lossy(&reply.body), 200);
    let cause = format!("the NATS server answered: {words}");
    match reply.status {
        200 => Verdict::Delivered { reached: None, note: None },
        401 => Verdict::Credentials { cause },
        // A right to one subject: the others of this service go on.
        403 => Verdict::SlowRetry { cause },
        400 | 413 => Verdict::Permanent { cause },
        _ => Verdict::Retry { after: None, cause },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{self, Played, answer};

    const KEY: &str = "service.nats.bus";
    const TEMPLATE: &str = "message: '{{.app.status.operationState.message}}'";

    fn play(service: &str, recipient: &str, status: u16) -> Result<Played, String> {
        testing::play(KEY, service, TEMPLATE, recipient, &[answer(status, "said")])
    }
    fn server(host: &str, port: u16, tls: bool) -> Server {
        Server { host: host.to_owned(), port, tls }
    }

    #[test]
    fn a_message_goes_to_the_recipients_subject() {
        let service =
            "url: nats://nats.example.com\nheaders: {b: two, a: one}\nusername: u\npassword: p\nnkey: \"SU\\n\"\n";
        let played = play(service, "argocd.failed", 200).unwrap();
        let publish = &played.publishes[0];
        assert_eq!(publish.servers, [server("nats.example.com", 4222, false)]);
        assert_eq!(publish.subject, "argocd.failed");
        assert_eq!(publish.body, b"bad \"quote\"\nand \\ line");
        assert_eq!(publish.headers.len(), 2);
        assert_eq!(publish.identity.user, Some(("u".to_owned(), "p".to_owned())));
        assert_eq!(publish.identity.nkey.as_deref(), Some("SU"));
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    }

    #[test]
    fn urls_are_read_as_the_go_client_reads_them() {
        let publish = |url: &str| play(&format!("url: '{url}'"), "a", 200).unwrap().publishes.remove(0);
        assert_eq!(publish("h").servers, [server("h", 4222, false)]);
        assert_eq!(publish("tls://a:1, b:2").servers, [server("a", 1, true), server("b", 2, false)]);
        assert_eq!(publish("nats://u:p%40@h").identity.user, Some(("u".to_owned(), "p@".to_owned())));
        assert_eq!(publish("nats://t@h").identity.token.as_deref(), Some("t"));
        for url in ["", "ws://h", "nats://"] {
            assert!(play(&format!("url: '{url}'"), "a", 200).is_err(), "{url}");
        }
    }

    #[test]
    fn subjects_and_headers_cannot_break_the_protocol() {
        for subject in ["", "a b", "a\r\nPUB x 0", "a..b", "."] {
            assert!(play("url: h", subject, 200).unwrap_err().contains("is no NATS subject"), "{subject:?}");
        }
        let error = play("url: h\nheaders: {k: \"a\\r\\nb\"}\n", "a", 200).unwrap_err();
        assert!(error.contains("header k"), "{error}");
    }

    #[test]
    fn answers_mean_what_the_server_says() {
        let verdict = |status| play("url: h", "a", status).unwrap().outcome.verdict;
        assert!(matches!(verdict(401), Verdict::Credentials { .. }));
        assert!(matches!(verdict(403), Verdict::SlowRetry { .. }));
        assert!(matches!(verdict(413), Verdict::Permanent { .. }) && matches!(verdict(400), Verdict::Permanent { .. }));
        assert!(matches!(verdict(503), Verdict::Retry { .. }));
    }
}
