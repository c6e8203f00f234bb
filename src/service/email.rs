//! `service.email.<name>`: a mail over SMTP to the addresses of the recipient, which are separated by commas.
//!
//! What the Go controller's mail holds, and a Message-ID made of the delivery's id, so that a repetition can be told.

use super::http::Options;
use super::stored::{self, refuse};
use super::{Answer, Call, Draft, Kind, Outgoing, PrepareError, Prepared, RequestError, Step, Verdict, text};
use crate::egress::{Mail, Response, TlsOptions};
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

static SPEC: KindSpec = KindSpec {
    name: "email",
    own: false,
    options: Record {
        go: "EmailOptions",
        fields: &[
            Field::new("host", Shape::Text),
            Field::new("port", Shape::Int),
            Field::new("insecure_skip_verify", Shape::Bool),
            Field::new("username", Shape::Text),
            Field::new("password", Shape::Text),
            Field::new("from", Shape::Text),
            Field::new("html", Shape::Bool),
        ],
    },
    transport: false,
    section: Some(SectionSpec {
        record: Record {
            go: "EmailNotification",
            fields: &[Field::new("subject", Shape::Template), Field::new("body", Shape::Template)],
        },
        merge: Merge::Fieldwise,
    }),
    check: unchecked,
};

/// The port whose connections begin with TLS.
const SMTPS: u16 = 465;

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Message {
    to: Vec<String>,
    subject: String,
    body: String,
}

/// The kind.
pub struct Email;

impl Kind for Email {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let section = draft.notification.sections.get(SPEC.name);
        let field = |name| section.map(|section| section.string(name)).unwrap_or_default();
        let body = Some(field("body")).filter(|body| !body.is_empty());
        let message = Message {
            to: addresses(&draft.occurrence.destination.recipient)?,
            subject: field("subject"),
            body: body.unwrap_or_else(|| draft.notification.message.lossy()),
        };
        stored::write(&message).map(Prepared::of)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        match rounds.first().and_then(|answers| answers.first()) {
            None => Ok(Step::Send(vec![Outgoing::Mail(mail(call)?)])),
            Some(Ok(reply)) => Ok(Step::done(judge(reply))),
            Some(Err(error)) => Ok(Step::done(super::unanswered(error))),
        }
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        Options(config).text("host").to_owned()
    }
}

/// The addresses; an error names the one that is none.
fn addresses(recipient: &str) -> Result<Vec<String>, PrepareError> {
    let advice = "write addresses such as `team@example.com`, separated by commas, as the subscription's recipient";
    let named: Vec<String> = recipient.split(',').map(|one| one.trim().to_owned()).collect();
    if named.iter().all(String::is_empty) {
        return Err(refuse("the subscription names no mail address", advice));
    }
    match named.iter().find(|one| one.parse::<Mailbox>().is_err()) {
        Some(wrong) => Err(refuse(format!("'{}' is no mail address", wrong.escape_debug()), advice)),
        None => Ok(named),
    }
}

fn mail(call: &Call<'_>) -> Result<Mail, RequestError> {
    let (config, options) = (call.config, Options(call.config));
    let message: Message = stored::read(&config.name, call.payload)?;
    let unusable = |cause: &str| RequestError::Setting { service: config.name.clone(), cause: cause.to_owned() };
    let host = options.text("host").trim();
    if host.is_empty() {
        return Err(unusable("`host` is missing; set it to the name of the mail server"));
    }
    let port = config.options.get("port").and_then(Json::as_i64).and_then(|port| u16::try_from(port).ok());
    let port = port.filter(|port| *port != 0);
    let port = port.ok_or_else(|| unusable("`port` is missing or none; set it, for example to 587"))?;
    let from = options.text("from").trim();
    let sender: Mailbox = from.parse().map_err(|_| unusable("`from` is no mail address; set it to the sender's"))?;
    let (user, password) = (options.text("username"), options.text("password"));
    Ok(Mail {
        tenant: config.namespace.clone(),
        host: host.to_owned(),
        port,
        tls_first: port == SMTPS,
        tls: TlsOptions {
            insecure_skip_verify: options.flag("insecure_skip_verify").unwrap_or(false),
            ..TlsOptions::default()
        },
        credentials: (!user.is_empty() && !password.is_empty()).then(|| (user.to_owned(), password.to_owned())),
        from: from.to_owned(),
        to: message.to,
        subject: message.subject,
        body: message.body,
        html: options.flag("html").unwrap_or(false),
        message_id: format!("<{}@{}>", call.delivery_id, sender.email.domain()),
        date_ms: call.now_ms,
    })
}

fn judge(reply: &Response) -> Verdict {
    let words = text::clip_chars(&String::from_utf8_lossy(&reply.body), 200);
    let cause = format!("the mail server answered {words}");
    match reply.status {
        200..=299 => {
            let refused: Vec<_> = reply.headers.iter().map(|(_, who)| String::from_utf8_lossy(who)).collect();
            let note = format!("the mail server took it for some and refused {}", refused.join("; "));
            let note = (!refused.is_empty()).then(|| text::clip_chars(&note, 500));
            Verdict::Delivered { reached: None, note }
        }
        530 | 534 | 535 | 538 => Verdict::Credentials { cause },
        400..=499 => Verdict::Retry { after: None, cause },
        _ => Verdict::Permanent { cause },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{self, Played, answer, answer_with};

    const KEY: &str = "service.email.mail";
    const SERVICE: &str =
        "host: smtp.example.com\nport: 587\nusername: u\npassword: p\nfrom: 'Argo CD <argocd@example.com>'\n";
    const TEMPLATE: &str = "message: plain\nemail: {subject: 'Failed: {{.app.status.operationState.message}}', body: 'It says {{.app.status.operationState.message}}'}";

    fn play(service: &str, template: &str, recipient: &str, status: u16) -> Result<Played, String> {
        testing::play(KEY, service, template, recipient, &[answer(status, "said")])
    }

    #[test]
    fn a_mail_is_what_the_go_controller_sends_and_has_an_id() {
        let played = play(SERVICE, TEMPLATE, " a@example.com, Bo <b@example.com>", 250).unwrap();
        let mail = &played.mails[0];
        assert_eq!((mail.host.as_str(), mail.port, mail.html), ("smtp.example.com", 587, false));
        assert_eq!(mail.credentials, Some(("u".to_owned(), "p".to_owned())));
        assert_eq!(mail.from, "Argo CD <argocd@example.com>");
        assert_eq!(mail.to, ["a@example.com", "Bo <b@example.com>"]);
        assert_eq!(mail.subject, "Failed: bad \"quote\"\nand \\ line");
        assert_eq!(mail.body, "It says bad \"quote\"\nand \\ line");
        assert_eq!(mail.message_id, "<dlv_1@example.com>");
        assert_eq!(mail.date_ms, 1_800_000_000_000);
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
        let stored = String::from_utf8(played.prepared.payload).unwrap();
        assert!(!stored.contains("smtp.example.com") && !stored.contains("argocd@example.com"), "{stored}");
    }

    #[test]
    fn without_a_section_the_message_is_the_body() {
        let service = "host: h\nport: 25\nfrom: a@b.c\nusername: only\nhtml: true\ninsecure_skip_verify: true\n";
        let played = play(service, "message: plain", "x@y.z", 250).unwrap();
        let mail = &played.mails[0];
        assert_eq!((mail.subject.as_str(), mail.body.as_str()), ("", "plain"));
        assert!(mail.credentials.is_none() && mail.html && mail.tls.insecure_skip_verify && !mail.tls_first);
        let played = play("host: h\nport: 465\nfrom: a@b.c\n", "message: plain", "x@y.z", 250).unwrap();
        assert!(played.mails[0].tls_first);
    }

    #[test]
    fn replies_mean_what_smtp_says() {
        let verdict = |status| play(SERVICE, TEMPLATE, "a@b.c", status).unwrap().outcome.verdict;
        assert!(matches!(verdict(421), Verdict::Retry { .. }) && matches!(verdict(451), Verdict::Retry { .. }));
        assert!(
            matches!(verdict(535), Verdict::Credentials { .. }) && matches!(verdict(530), Verdict::Credentials { .. })
        );
        assert!(matches!(verdict(550), Verdict::Permanent { .. }) && matches!(verdict(554), Verdict::Permanent { .. }));
        let some = [answer_with(250, &[("refused", "b@example.com: 550 no such user")], "ok")];
        let played = testing::play(KEY, SERVICE, TEMPLATE, "a@b.c, b@example.com", &some).unwrap();
        let Verdict::Delivered { note: Some(note), .. } = played.outcome.verdict else { panic!() };
        assert!(note.contains("b@example.com: 550"), "{note}");
    }

    #[test]
    fn what_is_no_address_is_said_when_it_is_decided() {
        for (recipient, word) in
            [("", "names no"), ("a@b.c,", "''"), ("a@b.c\r\nBcc: x@y.z", "no mail address"), ("nobody", "nobody")]
        {
            let error = play(SERVICE, TEMPLATE, recipient, 250).unwrap_err();
            assert!(error.contains(word), "{recipient:?}: {error}");
        }
    }

    #[test]
    fn missing_options_are_named_and_heal() {
        for (service, option) in
            [("{}", "`host`"), ("host: h\nfrom: a@b.c\n", "`port`"), ("host: h\nport: 25\n", "`from`")]
        {
            let error = play(service, TEMPLATE, "a@b.c", 250).unwrap_err();
            assert!(error.contains(option), "{error}");
        }
    }
}
