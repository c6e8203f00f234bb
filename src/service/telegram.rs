//! Telegram: one message to a chat, a channel, or a thread of a chat; the bot is asked who it is first.
//!
//! The token is part of the path: it is joined at the last moment and never shown.

use super::http::Options;
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, QuickRetry, RequestError, Step, Verdict};
use super::{chat, http, text};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{self, Field, KindSpec, Record, Shape};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where the API is unless `apiURL` says otherwise.
const API: &str = "https://api.telegram.org";
/// Characters of a message; Telegram refuses longer ones.
const MESSAGE_MAX: usize = 4_096;
/// The longest wait that Telegram's answer may ask for.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// How a refusal begins that is about Markdown in the text, such as a lone `_`.
const BAD_MARKDOWN: &str = "Bad Request: can't parse entities";
/// Parts of refusals that are about this one chat, and soon mended there.
const CHAT: [&str; 5] =
    ["chat not found", "thread not found", "upgraded to a supergroup", "not enough rights", "CLOSED"];

static SPEC: KindSpec = KindSpec {
    name: "telegram",
    own: false,
    options: Record {
        go: "TelegramOptions",
        // `apiURL` is Gatepost's own: the Go controller ignores it.
        fields: &[Field::new("token", Shape::Text), Field::new("apiURL", Shape::Text)],
    },
    transport: false,
    section: None,
    check: kind::unchecked,
};

/// The kind.
pub struct Telegram;

/// What is stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Message {
    /// A number, or `@` and a channel's name.
    chat: String,
    thread: Option<i64>,
    text: String,
}

impl Kind for Telegram {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let (chat, thread) = address(chat::named(draft, FORM)?)?;
        let text = text::clip_chars(&chat::message(draft)?, MESSAGE_MAX);
        Ok(chat::stored(&Message { chat, thread, text }))
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        step(call, rounds)
    }
    fn policy(&self, config: &ServiceConfig) -> QuickRetry {
        chat::policy(config)
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(chat::api(config, API))
    }
}

/// What a recipient looks like.
const FORM: &str = "a channel's name, a chat's id, or a chat's id with a thread's (`-1000000000000|2`)";

/// Chat and thread. Whole numbers are ids; all else is a channel's name.
fn address(recipient: &str) -> Result<(String, Option<i64>), PrepareError> {
    let (chat, thread) = recipient.split_once('|').map_or((recipient, None), |(chat, thread)| (chat, Some(thread)));
    let number = |text: &str| text.parse::<i64>().ok();
    if number(chat).is_none() && !chat.starts_with('-') {
        return Ok((format!("@{}", recipient.trim_start_matches('@')), None));
    }
    let refuse = || chat::refuse(format!("'{recipient}' is no chat of Telegram"), format!("write {FORM}"));
    let thread = thread.map(|thread| number(thread).ok_or_else(refuse)).transpose()?;
    Ok((number(chat).ok_or_else(refuse)?.to_string(), thread.filter(|thread| *thread != 0)))
}

/// First `getMe`, as the Go controller; then the message; then, where its Markdown is refused, the message as plain text.
fn step(call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
    let message: Message = chat::read(call)?;
    let (mut marked, mut next) = (true, request(call, "getMe", Vec::new()));
    for (index, answer) in rounds.iter().filter_map(|answers| answers.first()).enumerate() {
        let response = match answer {
            Ok(response) => response,
            // Nothing was written to anybody: asking again does no harm.
            Err(error) if index == 0 => return Ok(Step::done(harmless(super::unanswered(error)))),
            Err(error) => return Ok(Step::done(super::unanswered(error))),
        };
        match judge(response, call.now_ms) {
            Verdict::Delivered { .. } if index == 0 => next = send(call, &message, marked),
            Verdict::Permanent { cause } if marked && cause.contains(BAD_MARKDOWN) => {
                marked = false;
                next = send(call, &message, marked);
            }
            Verdict::Delivered { reached, .. } if !marked => {
                let note = Some("sent as plain text: Telegram could not read its Markdown".to_owned());
                return Ok(Step::done(Verdict::Delivered { reached, note }));
            }
            verdict => return Ok(Step::done(verdict)),
        }
    }
    next.map(Step::http)
}

fn harmless(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Unknown { cause } => Verdict::Retry { after: None, cause },
        other => other,
    }
}

fn request(call: &Call<'_>, method: &str, pairs: Vec<(&str, String)>) -> Result<Request, RequestError> {
    let token = Options(call.config).text("token").trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:".contains(&b)) {
        let cause = "`token` is empty or holds a character that no bot's token has".to_owned();
        return Err(RequestError::Url { service: call.config.name.clone(), cause });
    }
    chat::post_form(call.config, format!("{}/bot{token}/{method}", chat::api(call.config, API)), pairs)
}

/// With the parameters that the Go controller's library sends besides, empty as they are.
fn send(call: &Call<'_>, message: &Message, marked: bool) -> Result<Request, RequestError> {
    let mut pairs = vec![
        ("business_connection_id", String::new()),
        ("chat_id", message.chat.clone()),
        ("entities", "null".to_owned()),
        ("link_preview_options", "{}".to_owned()),
        ("reply_parameters", r#"{"message_id":0}"#.to_owned()),
        ("text", message.text.clone()),
    ];
    pairs.extend(message.thread.map(|thread| ("message_thread_id", thread.to_string())));
    if marked {
        pairs.push(("parse_mode", "Markdown".to_owned()));
    }
    request(call, "sendMessage", pairs)
}

/// 401 and 404 are about the token, which is in the path; 403 and most of 400 about the chat.
fn judge(response: &Response, now_ms: i64) -> Verdict {
    let answer = chat::answer(response);
    let said = answer["description"].as_str().unwrap_or_default();
    let cause = chat::cause(response, said);
    let parameters = &answer["parameters"];
    match response.status {
        // Telegram repeats the message, so that its answer may have been cut; no refusal is as long as that.
        200..=299 if answer["ok"] == true || response.truncated => Verdict::Delivered { reached: None, note: None },
        200..=299 => Verdict::SlowRetry { cause: format!("{cause} with something that is no answer of Telegram") },
        429 => {
            let asked = parameters["retry_after"].as_u64().map(Duration::from_secs);
            Verdict::Retry {
                after: asked.or_else(|| http::retry_after(response, now_ms)).map(|wait| wait.min(WAIT_MAX)),
                cause,
            }
        }
        401 | 404 => Verdict::Credentials { cause },
        403 => Verdict::SlowRetry { cause },
        400 if CHAT.iter().any(|part| said.contains(part)) => match parameters["migrate_to_chat_id"].as_i64() {
            Some(id) => Verdict::SlowRetry { cause: format!("{cause}; write {id} into the subscription") },
            None => Verdict::SlowRetry { cause },
        },
        _ => match http::judge(response, now_ms) {
            Verdict::Permanent { .. } => Verdict::Permanent { cause },
            other => other,
        },
    }
}

#[cfg(test)]
mod tests;
