//! Mattermost: one post in a channel by its id.

use super::http::Options;
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, QuickRetry, RequestError, Step, Verdict};
use super::{chat, conversation, http, text};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{self, Field, KindSpec, Merge, Record, SectionSpec, Shape};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Characters of a post; Mattermost refuses longer ones.
const MESSAGE_MAX: usize = 16_383;

static SPEC: KindSpec = KindSpec {
    name: "mattermost",
    own: false,
    options: Record {
        go: "MattermostOptions",
        fields: &[Field::new("apiURL", Shape::Text), Field::new("token", Shape::Text)],
    },
    transport: true,
    section: Some(SectionSpec {
        record: Record { go: "MattermostNotification", fields: &[Field::new("attachments", Shape::Template)] },
        merge: Merge::Replace,
    }),
    check: kind::unchecked,
};

/// The kind.
pub struct Mattermost;

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Post {
    text: String,
    attachments: Vec<Json>,
}

impl Kind for Mattermost {
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
        http::host(Options(config).text("apiURL"))
    }
}

fn prepare(draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
    chat::named(draft, "the channel's id")?;
    let mut repairs = Vec::new();
    let attachments = match draft.notification.sections.get(SPEC.name) {
        Some(section) => chat::list("attachments", &section.text("attachments"), draft, &mut repairs)?,
        None => Vec::new(),
    };
    let text = text::clip_chars(&draft.notification.message.lossy(), MESSAGE_MAX);
    if text.is_empty() && attachments.is_empty() {
        return Err(chat::nothing_to_say("a message or attachments"));
    }
    Ok(Prepared { repairs, ..chat::stored(&Post { text, attachments }) })
}

fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let post: Post = chat::read(call)?;
    let url = format!("{}/api/v4/posts", Options(call.config).text("apiURL").trim_end_matches('/'));
    let body = json!({
        "channel_id": chat::recipient(call),
        "message": post.text,
        "props": {"attachments": post.attachments},
    });
    chat::post_json(call.config, url, &body)
}

/// 403 and 404 are about this one channel: the bot is no member of it, or it is gone.
fn judge(response: &Response, now_ms: i64) -> Verdict {
    let answer = chat::answer(response);
    let cause = chat::cause(response, answer["message"].as_str().unwrap_or_default());
    match http::judge(response, now_ms) {
        Verdict::Credentials { .. } if response.status == 403 => Verdict::SlowRetry { cause },
        Verdict::Credentials { .. } => Verdict::Credentials { cause },
        Verdict::SlowRetry { .. } => Verdict::SlowRetry { cause },
        Verdict::Permanent { .. } => Verdict::Permanent { cause },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{Played, answer, answer_with, play};
    use super::*;
    use std::time::Duration;

    const SERVICE: &str = "apiURL: https://mm.example.com/\ntoken: \"t0ken\\n\"\n";

    fn played(template: &str, answers: &[Answer]) -> Result<Played, String> {
        play("service.mattermost", SERVICE, template, "chan-id", answers)
    }
    fn judged(answer: Answer) -> Verdict {
        played("message: m", &[answer]).unwrap().outcome.verdict
    }

    #[test]
    fn the_request_is_gos() {
        let template = "message: 'm {{.app.status.operationState.message}}'\nmattermost:\n  attachments: |\n    [{\"title\": \"{{.app.status.operationState.message}}\", \"text\": \"\"}]\n";
        let played = played(template, &[answer(201, "{}")]).unwrap();
        assert_eq!(played.lines(), ["POST https://mm.example.com/api/v4/posts"]);
        assert_eq!(played.header(0, "Authorization"), "Bearer t0ken");
        assert_eq!(played.header(0, "Content-Type"), "application/json");
        let nasty = "bad \"quote\"\nand \\ line";
        let expected = json!({
            "channel_id": "chan-id", "message": format!("m {nasty}"),
            "props": {"attachments": [{"title": nasty, "text": ""}]},
        });
        assert_eq!(played.json(0), expected);
        assert_eq!(played.prepared.repairs.len(), 1);
        assert!(matches!(played.outcome.verdict, Verdict::Delivered { .. }));
        assert!(!String::from_utf8(played.prepared.payload).unwrap().contains("t0ken"));
    }

    #[test]
    fn without_a_section_the_message_goes_alone() {
        let blank = r#"mattermost: {attachments: "{{if false}}[]{{end}}\n"}"#;
        for template in ["message: m", &format!("message: m\n{blank}"), "message: m\nmattermost: {attachments: '{}'}"] {
            let played = played(template, &[answer(201, "")]).unwrap();
            assert_eq!(played.json(0)["props"], json!({"attachments": []}), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert!(play("service.mattermost", SERVICE, "message: m", " ", &[]).unwrap_err().contains("channel's id"));
        assert!(played("message: ''", &[]).unwrap_err().contains("a message or attachments"));
        assert!(played("message: m\nmattermost: {attachments: '7'}", &[]).unwrap_err().contains("no list"));
        assert!(play("service.mattermost", "{}", "message: m", "c", &[]).unwrap_err().contains("URL"));
    }

    #[test]
    fn a_long_message_is_clipped() {
        let template = format!("message: '{}'", "ä".repeat(MESSAGE_MAX + 1));
        let sent = played(&template, &[answer(201, "")]).unwrap().json(0)["message"].as_str().unwrap().to_owned();
        assert_eq!((sent.chars().count(), sent.ends_with('…')), (MESSAGE_MAX, true));
    }

    #[test]
    fn answers_are_judged() {
        let said = r#"{"message": "no permission"}"#;
        assert!(matches!(judged(answer(401, said)), Verdict::Credentials { cause } if cause.contains("no permission")));
        assert!(matches!(judged(answer(403, said)), Verdict::SlowRetry { cause } if cause.contains("no permission")));
        assert!(matches!(judged(answer(404, said)), Verdict::SlowRetry { .. }));
        assert!(matches!(judged(answer(400, said)), Verdict::Permanent { .. }));
        assert!(matches!(judged(answer(502, "<html>")), Verdict::Retry { .. }));
        let limited = judged(answer_with(429, &[("retry-after", "7")], ""));
        assert!(matches!(limited, Verdict::Retry { after: Some(wait), .. } if wait == Duration::from_secs(7)));
    }
}
