//! Pushover: one message to a user or a group by its key.

use super::http::Options;
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, QuickRetry, RequestError, Step, Verdict};
use super::{chat, conversation, http, text};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{self, Field, KindSpec, Record, Shape};
use serde_json::Value as Json;
use std::time::Duration;

/// Where the API is unless `apiURL` says otherwise.
const API: &str = "https://api.pushover.net";
/// Characters of a message; Pushover refuses longer ones.
const MESSAGE_MAX: usize = 1_024;
/// Letters and digits of a key.
const KEY_LENGTH: usize = 30;
/// The longest wait for a new month of messages; then it is asked again.
const QUOTA_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

static SPEC: KindSpec = KindSpec {
    name: "pushover",
    own: false,
    options: Record {
        go: "PushoverOptions",
        // `apiURL` is Gatepost's own: the Go controller ignores it.
        fields: &[Field::new("token", Shape::Text), Field::new("apiURL", Shape::Text)],
    },
    transport: false,
    section: None,
    check: kind::unchecked,
};

/// The kind.
pub struct Pushover;

impl Kind for Pushover {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        prepare(draft)
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

fn prepare(draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
    let key = chat::named(draft, "a user key or a group key of Pushover")?;
    if key.len() != KEY_LENGTH || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let message = format!("the recipient is no key of Pushover: it must have {KEY_LENGTH} letters and digits");
        return Err(chat::refuse(message, "copy the user key from Pushover's page into the subscription"));
    }
    Ok(chat::stored(&text::clip_chars(&chat::message(draft)?, MESSAGE_MAX)))
}

fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let pairs = vec![
        ("token", Options(call.config).text("token").trim().to_owned()),
        ("user", chat::recipient(call).to_owned()),
        ("message", chat::read(call)?),
        ("priority", "0".to_owned()),
    ];
    chat::post_form(call.config, format!("{}/1/messages.json", chat::api(call.config, API)), pairs)
}

/// `status` is 1 where the message was taken; which of token and user is wrong stands beside `errors`.
fn judge(response: &Response, now_ms: i64) -> Verdict {
    let answer = chat::answer(response);
    let errors: Vec<&str> = answer["errors"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let cause = chat::cause(response, &errors.join("; "));
    match response.status {
        200..=299 if answer["status"] == 1 => Verdict::Delivered { reached: None, note: None },
        200..=299 => Verdict::SlowRetry { cause: format!("{cause}, and not that it took the message") },
        429 => Verdict::Retry { after: quota(response, now_ms), cause },
        400..=499 if answer["token"] == "invalid" => Verdict::Credentials { cause },
        _ => match http::judge(response, now_ms) {
            Verdict::Permanent { .. } => Verdict::Permanent { cause },
            other => other,
        },
    }
}

/// How long the month of this application's messages still runs.
fn quota(response: &Response, now_ms: i64) -> Option<Duration> {
    let seconds: i64 = response.header("x-limit-app-reset").and_then(|text| text.trim().parse().ok())?;
    let left = u64::try_from(seconds.saturating_mul(1000).saturating_sub(now_ms)).unwrap_or(0);
    Some(Duration::from_millis(left).min(QUOTA_WAIT_MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{answer, answer_with, play};
    use super::*;

    const USER: &str = "uumy8u4owy7bgkapp6mc5mvhfsvpcd";
    const TAKEN: &str = r#"{"status":1,"request":"r"}"#;

    fn judged(answer: Answer) -> Verdict {
        play("service.pushover", "token: t", "message: m", USER, &[answer]).unwrap().outcome.verdict
    }

    #[test]
    fn the_request_is_gos() {
        let template = "message: '{{.app.status.operationState.message}}'";
        let played = play("service.pushover", "token: t0ken", template, USER, &[answer(200, TAKEN)]).unwrap();
        assert_eq!(played.lines(), ["POST https://api.pushover.net/1/messages.json"]);
        assert_eq!(played.header(0, "Content-Type"), "application/x-www-form-urlencoded");
        let expected = format!("message=bad+%22quote%22%0Aand+%5C+line&priority=0&token=t0ken&user={USER}");
        assert_eq!(played.text(0), expected);
        assert!(!String::from_utf8(played.prepared.payload).unwrap().contains("t0ken"));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for recipient in ["", "short", "uumy8u4owy7bgkapp6mc5mvhfsvpc-"] {
            assert!(play("service.pushover", "{}", "message: m", recipient, &[]).unwrap_err().contains("key"));
        }
        assert!(play("service.pushover", "{}", "message: ''", USER, &[]).unwrap_err().contains("a message"));
    }

    #[test]
    fn a_long_message_is_clipped() {
        let template = format!("message: '{}'", "x".repeat(2000));
        let played = play("service.pushover", "{}", &template, USER, &[answer(200, TAKEN)]).unwrap();
        assert!(played.text(0).contains(&format!("{}%E2%80%A6&", "x".repeat(MESSAGE_MAX - 1))));
    }

    #[test]
    fn answers_are_judged() {
        assert!(matches!(judged(answer(200, TAKEN)), Verdict::Delivered { .. }));
        assert!(matches!(judged(answer(200, "<html>")), Verdict::SlowRetry { .. }));
        let token = r#"{"token":"invalid","errors":["application token is invalid"],"status":0}"#;
        assert!(matches!(judged(answer(400, token)), Verdict::Credentials { cause } if cause.contains("is invalid")));
        let user = r#"{"user":"invalid","errors":["user identifier is not valid"],"status":0}"#;
        assert!(matches!(judged(answer(400, user)), Verdict::Permanent { cause } if cause.contains("not valid")));
        assert!(matches!(judged(answer(500, "")), Verdict::Retry { .. }));
        let reset = |at: &str| judged(answer_with(429, &[("x-limit-app-reset", at)], ""));
        assert!(matches!(reset("1800000060"), Verdict::Retry { after: Some(wait), .. } if wait.as_secs() == 60));
        assert!(matches!(reset("1900000000"), Verdict::Retry { after: Some(wait), .. } if wait == QUOTA_WAIT_MAX));
        assert!(matches!(reset("soon"), Verdict::Retry { after: None, .. }));
    }
}
