//! Webex: one Markdown message to a person by e-mail address, or to a room by its id.

use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, QuickRetry, RequestError, Step, Verdict};
use super::{chat, conversation, http, text};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{self, Field, KindSpec, Record, Shape};
use serde_json::{Value as Json, json};

/// Where the API is unless `apiURL` says otherwise.
const API: &str = "https://webexapis.com";
/// Bytes of a message; Webex refuses longer ones.
const MESSAGE_MAX: usize = 7_439;

static SPEC: KindSpec = KindSpec {
    name: "webex",
    own: false,
    options: Record {
        go: "WebexOptions",
        fields: &[Field::new("token", Shape::Text), Field::new("apiURL", Shape::Text)],
    },
    transport: true,
    section: None,
    check: kind::unchecked,
};

/// The kind.
pub struct Webex;

impl Kind for Webex {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        chat::named(draft, "a person's e-mail address or a room's id")?;
        Ok(chat::stored(&text::clip_bytes(&chat::message(draft)?, MESSAGE_MAX)))
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        conversation::single(rounds, || request(call), |response| judge(response, call.now_ms))
    }
    fn policy(&self, config: &ServiceConfig) -> QuickRetry {
        chat::policy(config)
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(chat::api(config, API))
    }
}

fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let markdown: String = chat::read(call)?;
    let recipient = chat::recipient(call);
    let to = if is_email(recipient) { "toPersonEmail" } else { "roomId" };
    chat::post_json(
        call.config,
        format!("{}/v1/messages", chat::api(call.config, API)),
        &json!({to: recipient, "markdown": markdown}),
    )
}

/// Something, `@`, something, a dot, something; no blanks.
fn is_email(text: &str) -> bool {
    let has_end = |domain: &str| domain.char_indices().skip(1).any(|(at, c)| c == '.' && at + 1 < domain.len());
    let fits = |(name, domain): (&str, &str)| !name.is_empty() && has_end(domain);
    !text.contains(char::is_whitespace) && text.split_once('@').is_some_and(fits)
}

/// 403 and 404 are about this one room: the bot is no member of it, or it is gone.
fn judge(response: &Response, now_ms: i64) -> Verdict {
    let answer: Json = chat::answer(response);
    let cause = chat::cause(response, answer["message"].as_str().unwrap_or_default());
    match response.status {
        200..=299 => Verdict::Delivered { reached: None, note: None },
        401 => Verdict::Credentials { cause },
        403 | 404 | 405 | 409 => Verdict::SlowRetry { cause },
        // Locked, with the wait in Retry-After as for 429.
        423 => Verdict::Retry { after: http::retry_after(response, now_ms), cause },
        _ => match http::judge(response, now_ms) {
            Verdict::Permanent { .. } => Verdict::Permanent { cause },
            other => other,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{answer, answer_with, play};
    use super::*;
    use std::time::Duration;

    const MESSAGE: &str = "message: '{{.app.status.operationState.message}}'";

    fn judged(answer: Answer) -> Verdict {
        play("service.webex", "token: t", MESSAGE, "room", &[answer]).unwrap().outcome.verdict
    }

    #[test]
    fn the_request_is_gos() {
        let played = play("service.webex", "token: t0ken", MESSAGE, "a@b.example", &[answer(200, "{}")]).unwrap();
        assert_eq!(played.lines(), ["POST https://webexapis.com/v1/messages"]);
        assert_eq!(played.header(0, "Authorization"), "Bearer t0ken");
        let nasty = "bad \"quote\"\nand \\ line";
        assert_eq!(played.json(0), json!({"toPersonEmail": "a@b.example", "markdown": nasty}));
        let own = play("service.webex", "apiURL: http://w/x/", MESSAGE, "room", &[answer(200, "{}")]).unwrap();
        assert_eq!(own.lines(), ["POST http://w/x/v1/messages"]);
        assert_eq!(own.json(0), json!({"roomId": "room", "markdown": nasty}));
    }

    #[test]
    fn addresses_are_told_from_rooms() {
        assert!(is_email("a@b.c") && is_email("a@b@c.d") && is_email("a.b@c.d.e"));
        for text in ["", "room", "a@b", "@b.c", "a@b.", "a@.c", "a b@c.d"] {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert!(play("service.webex", "{}", MESSAGE, "", &[]).unwrap_err().contains("room's id"));
        assert!(play("service.webex", "{}", "message: ''", "r", &[]).unwrap_err().contains("a message"));
        assert!(play("service.webex", "apiURL: 'ftp://w'", MESSAGE, "r", &[]).unwrap_err().contains("scheme"));
    }

    #[test]
    fn a_long_message_is_clipped_to_bytes() {
        let template = format!("message: '{}'", "ä".repeat(MESSAGE_MAX));
        let played = play("service.webex", "{}", &template, "r", &[answer(200, "")]).unwrap();
        let sent = played.json(0)["markdown"].as_str().unwrap().to_owned();
        assert!(sent.len() <= MESSAGE_MAX && sent.len() > MESSAGE_MAX - 4 && sent.ends_with('…'));
    }

    #[test]
    fn answers_are_judged() {
        let said = r#"{"message": "Could not find a room"}"#;
        assert!(matches!(judged(answer(401, "")), Verdict::Credentials { .. }));
        assert!(matches!(judged(answer(404, said)), Verdict::SlowRetry { cause } if cause.contains("find a room")));
        assert!(matches!(judged(answer(403, "")), Verdict::SlowRetry { .. }));
        assert!(matches!(judged(answer(400, said)), Verdict::Permanent { cause } if cause.contains("find a room")));
        assert!(matches!(judged(answer(502, "")), Verdict::Retry { after: None, .. }));
        for status in [423, 429] {
            let limited = judged(answer_with(status, &[("retry-after", "7")], ""));
            assert!(matches!(limited, Verdict::Retry { after: Some(wait), .. } if wait == Duration::from_secs(7)));
        }
    }
}
