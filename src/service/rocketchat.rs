//! Rocket.Chat: a login with e-mail address and password, then one message to a channel, a person or a room.
//!
//! The login's answer is used again until it is refused.

use super::http::{Headers, Options};
use super::{Answer, Call, Draft, Kind, Outcome, Outgoing, PrepareError, Prepared, QuickRetry, RequestError};
use super::{Step, Verdict, chat, http};
use crate::egress::{Request, Response};
use crate::notify::ServiceConfig;
use crate::notify::kind::{Checked, Field, KindSpec, Merge, Record, SectionSpec, Shape};
use crate::notify::yaml::Node;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// How long a login is used; Rocket.Chat's own limit is 90 days unless the server says otherwise.
const LOGIN_LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// What the Go controller's types always print.
const ATTACHMENT: chat::Always = &[("collapsed", Json::Bool(false))];
const FIELD: chat::Always = &[("short", Json::Bool(false))];
/// Parts of refusals that are about this one room, and soon mended there.
const ROOM: [&str; 5] = ["invalid-channel", "invalid-room", "room-not-found", "not-allowed", "not_in_room"];
/// Parts of refusals that ask for patience.
const TOO_MANY: &str = "too-many-requests";

static SPEC: KindSpec = KindSpec {
    name: "rocketchat",
    own: false,
    options: Record {
        go: "RocketChatOptions",
        fields: &[
            Field::new("alias", Shape::Text),
            Field::new("email", Shape::Text),
            Field::new("password", Shape::Text),
            Field::new("icon", Shape::Text),
            Field::new("avatar", Shape::Text),
            Field::new("serverUrl", Shape::Text),
        ],
    },
    transport: false,
    section: Some(SectionSpec {
        record: Record { go: "RocketChatNotification", fields: &[Field::new("attachments", Shape::Template)] },
        merge: Merge::Replace,
    }),
    check,
};

/// The kind.
pub struct RocketChat;

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Message {
    text: String,
    attachments: Vec<Json>,
}

impl Kind for RocketChat {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        prepare(draft)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        let answers: Vec<&Answer> = rounds.iter().filter_map(|answers| answers.first()).collect();
        match answers.as_slice() {
            [] => login(call.config),
            [Err(error)] => Ok(Step::done(harmless(super::unanswered(error)))),
            [Ok(answer)] => logged_in(call, answer),
            [_, Err(error), ..] => Ok(Step::done(super::unanswered(error))),
            [_, Ok(answer), ..] => Ok(Step::Done(sent(answer, call.now_ms))),
        }
    }
    fn policy(&self, config: &ServiceConfig) -> QuickRetry {
        chat::policy(config)
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(Options(config).text("serverUrl"))
    }
}

fn check(_: &Node, options: &Map<String, Json>) -> Checked {
    let icon = chat::warn_unless(options, "icon", chat::is_emoji, "an emoji such as `:robot_face:`");
    let avatar = chat::warn_unless(options, "avatar", chat::is_picture, "an http(s) URL of a picture");
    Ok(icon.into_iter().chain(avatar).collect())
}

fn prepare(draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
    chat::named(draft, "`#channel`, `@user` or a room's id")?;
    let mut repairs = Vec::new();
    let mut attachments = match draft.notification.sections.get(SPEC.name) {
        Some(section) => chat::list("attachments", &section.text("attachments"), draft, &mut repairs)?,
        None => Vec::new(),
    };
    chat::as_go(&mut attachments, ATTACHMENT, FIELD);
    let text = draft.notification.message.lossy();
    if text.is_empty() && attachments.is_empty() {
        return Err(chat::nothing_to_say("a message or attachments"));
    }
    Ok(Prepared { repairs, ..chat::stored(&Message { text, attachments }) })
}

fn method_url(config: &ServiceConfig, method: &str) -> String {
    format!("{}/api/v1/{method}", Options(config).text("serverUrl").trim().trim_end_matches('/'))
}

fn login(config: &ServiceConfig) -> Result<Step, RequestError> {
    let text = |name| Options(config).text(name).trim_end_matches(['\r', '\n']).to_owned();
    let pairs = vec![("user", text("email")), ("password", text("password"))];
    let request = chat::post_form(config, method_url(config, "login"), pairs)?;
    Ok(Step::Send(vec![Outgoing::Reusable { request, key: "login", lifetime: LOGIN_LIFETIME }]))
}

/// A login posts nothing: asking again does no harm.
fn harmless(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Unknown { cause } => Verdict::Retry { after: None, cause },
        other => other,
    }
}

fn logged_in(call: &Call<'_>, response: &Response) -> Result<Step, RequestError> {
    let answer = chat::answer(response);
    let text = |name: &str| answer["data"][name].as_str().filter(|text| !text.is_empty());
    match (response.status, text("authToken"), text("userId")) {
        (200..=299, Some(token), Some(user)) => post(call, token, user).map(Step::http),
        (200..=299, ..) => {
            let cause = format!("{} to the login, and with no token", chat::cause(response, ""));
            Ok(forgetting(Verdict::SlowRetry { cause }))
        }
        _ => Ok(Step::done(refused(response, &answer, call.now_ms))),
    }
}

fn forgetting(verdict: Verdict) -> Step {
    Step::Done(Outcome { verdict, remember: Vec::new(), forget_answers: true })
}

fn post(call: &Call<'_>, token: &str, user: &str) -> Result<Request, RequestError> {
    let (config, message) = (call.config, chat::read::<Message>(call)?);
    let recipient = chat::recipient(call);
    let to = if recipient.starts_with(['#', '@']) { "channel" } else { "roomId" };
    let fitting = |name: &str, fits: fn(&str) -> bool| Some(Options(config).text(name)).filter(|text| fits(text));
    let parts = [
        (to, Some(recipient)),
        ("text", Some(message.text.as_str())),
        ("alias", Some(Options(config).text("alias"))),
        ("emoji", fitting("icon", chat::is_emoji)),
        ("avatar", fitting("avatar", chat::is_picture)),
    ];
    let parts =
        parts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.filter(|t| !t.is_empty())?.into())));
    let mut body: Map<String, Json> = parts.collect();
    if !message.attachments.is_empty() {
        body.insert("attachments".into(), json!(message.attachments));
    }
    let mut headers = Headers::default();
    headers.set(&config.name, "Content-Type", "application/json")?;
    headers.set(&config.name, "X-Auth-Token", token)?;
    headers.set(&config.name, "X-User-Id", user)?;
    chat::post(config, method_url(config, "chat.postMessage"), headers, Json::Object(body).to_string().into_bytes())
}

/// What became of the message. A login that is refused is forgotten, and the next attempt makes a new one.
fn sent(response: &Response, now_ms: i64) -> Outcome {
    let answer = chat::answer(response);
    let forget_answers = response.status == 401;
    let verdict = match response.status {
        // Rocket.Chat repeats the message, so that its answer may have been cut; no refusal is as long as that.
        200..=299 if answer["success"] == true || response.truncated => {
            Verdict::Delivered { reached: None, note: None }
        }
        401 => Verdict::Retry { after: None, cause: "the login is no longer good".to_owned() },
        _ => refused(response, &answer, now_ms),
    };
    Outcome { verdict, remember: Vec::new(), forget_answers }
}

fn refused(response: &Response, answer: &Json, now_ms: i64) -> Verdict {
    let said = ["errorType", "error", "message"].map(|name| answer[name].as_str().unwrap_or_default());
    let cause = chat::cause(response, said.into_iter().find(|text| text.contains(' ')).unwrap_or(said[1]));
    let says = |part: &str| said.iter().any(|text| text.contains(part));
    match response.status {
        401 => Verdict::Credentials { cause },
        429 | 200..=299 | 400 if says(TOO_MANY) => {
            Verdict::Retry { after: asked(&said).or_else(|| http::retry_after(response, now_ms)), cause }
        }
        200..=299 | 403 | 404 => Verdict::SlowRetry { cause },
        400 if ROOM.iter().any(|part| says(part)) => Verdict::SlowRetry { cause },
        _ => match http::judge(response, now_ms) {
            Verdict::Permanent { .. } => Verdict::Permanent { cause },
            other => other,
        },
    }
}

/// The wait in "You must wait 47 seconds before trying this endpoint again".
fn asked(said: &[&str]) -> Option<Duration> {
    let (_, rest) = said.iter().find_map(|text| text.split_once("must wait "))?;
    let seconds: u64 = rest.split(' ').next()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

#[cfg(test)]
mod tests;
