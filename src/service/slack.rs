//! Slack: messages, threads by grouping key, and updates of a thread's first message.
//!
//! What makes a thread is kept in the store: its first message and the channel's id. So a thread outlives a restart, and
//! an attempt that is repeated does not post again what an earlier one has posted.

mod answer;

use super::http::{self, Options};
use super::{Answer, Call, Draft, Kind, Outcome, PrepareError, Prepared, QuickRetry, RequestError, Step, Verdict};
use super::{chat, text};
use crate::egress::Request;
use crate::notify::kind::{Checked, Field, KindSpec, Merge, Record, SectionSpec, Shape};
use crate::notify::yaml::Node;
use crate::notify::{Occurrence, Rendered, ServiceConfig};
use answer::Said;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

/// Where the API is unless `apiURL` says otherwise.
const API: &str = "https://slack.com/api/";
/// Characters of a posted text; Slack cuts longer ones.
const TEXT_MAX: usize = 40_000;
/// Bytes of an updated text, counted after `&`, `<` and `>` are escaped; Slack refuses longer ones.
const UPDATED_TEXT_MAX: usize = 4_000;
/// What the Go controller's types always print.
const ATTACHMENT: chat::Always = &[("blocks", Json::Null)];
const FIELD: chat::Always =
    &[("title", Json::String(String::new())), ("value", Json::String(String::new())), ("short", Json::Bool(false))];
static SPEC: KindSpec = KindSpec {
    name: "slack",
    own: false,
    options: Record {
        go: "SlackOptions",
        fields: &[
            Field::new("username", Shape::Text),
            Field::new("icon", Shape::Text),
            Field::new("token", Shape::Text),
            Field::new("signingSecret", Shape::Text),
            Field::new("channels", Shape::Texts),
            Field::new("apiURL", Shape::Text),
            Field::new("disableUnfurl", Shape::Bool),
        ],
    },
    transport: true,
    section: Some(SectionSpec {
        record: Record {
            go: "SlackNotification",
            fields: &[
                Field::new("username", Shape::Template),
                Field::new("icon", Shape::Template),
                Field::new("attachments", Shape::Template),
                Field::new("blocks", Shape::Template),
                Field::new("groupingKey", Shape::Template).always(),
                Field::new("notifyBroadcast", Shape::Bool).always(),
                Field::new("deliveryPolicy", Shape::Text).or("Post").always(),
            ],
        },
        merge: Merge::Replace,
    }),
    check: warn_of_icon,
};

/// The kind.
pub struct Slack;

/// What becomes of a notification whose thread exists already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Policy {
    /// It is posted in the thread.
    #[default]
    Post,
    /// It is posted in the thread, and the first message is made equal to it.
    PostAndUpdate,
    /// The first message is made equal to it.
    Update,
}

/// What is stored of a notification.
#[derive(Serialize, Deserialize)]
struct Message {
    text: String,
    username: String,
    icon: String,
    /// Attachments and blocks; absent without a section in the template.
    parts: Option<(Vec<Json>, Vec<Json>)>,
    grouping_key: String,
    broadcast: bool,
    policy: Policy,
}

/// What is remembered of a thread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Thread {
    /// Its first message.
    ts: String,
    /// Id of its channel, which updates need.
    channel: String,
    /// The delivery that was posted last.
    last: String,
}

impl Kind for Slack {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        prepare(draft)
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        let message: Message = chat::read(call)?;
        let mut talk = Talk::begin(call, &message);
        for answer in rounds.iter().filter_map(|answers| answers.first()) {
            talk.hear(answer);
        }
        talk.next()
    }
    fn policy(&self, config: &ServiceConfig) -> QuickRetry {
        chat::policy(config)
    }
    fn host(&self, config: &ServiceConfig, _: &str) -> String {
        http::host(&method_url(config, ""))
    }
    fn memories(&self, _: &ServiceConfig, payload: &[u8], occurrence: &Occurrence) -> Vec<String> {
        let message = serde_json::from_slice::<Message>(payload).ok();
        message.and_then(|message| thread_key(occurrence, &message.grouping_key)).into_iter().collect()
    }
}

fn warn_of_icon(_: &Node, options: &Map<String, Json>) -> Checked {
    Ok(chat::warn_unless(options, "icon", is_icon, ICON_FORM).into_iter().collect())
}

/// What an icon looks like.
const ICON_FORM: &str = "an emoji such as `:robot_face:` or an http(s) URL of a picture";

fn is_icon(text: &str) -> bool {
    chat::is_emoji(text) || chat::is_picture(text)
}

/// The API's URL with or without a slash at its end.
fn method_url(config: &ServiceConfig, method: &str) -> String {
    match Options(config).text("apiURL").trim() {
        "" => format!("{API}{method}"),
        url => format!("{}/{method}", url.trim_end_matches('/')),
    }
}

/// One name of bounded length for a recipient and a grouping key; `None` where nothing is grouped.
fn thread_key(occurrence: &Occurrence, grouping_key: &str) -> Option<String> {
    if grouping_key.is_empty() {
        return None;
    }
    let recipient = occurrence.destination.recipient.trim();
    let digest = Sha256::digest(format!("{}:{recipient}{grouping_key}", recipient.len()).as_bytes());
    Some(format!("thread/{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

fn prepare(draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
    chat::named(draft, "the channel's name or id")?;
    let mut repairs = Vec::new();
    let section = draft.notification.sections.get(SPEC.name);
    let parts = match section {
        Some(section) => {
            let mut attachments = chat::list("attachments", &section.text("attachments"), draft, &mut repairs)?;
            chat::as_go(&mut attachments, ATTACHMENT, FIELD);
            Some((attachments, chat::list("blocks", &section.text("blocks"), draft, &mut repairs)?))
        }
        None => None,
    };
    let text = text::clip_chars(&draft.notification.message.lossy(), TEXT_MAX);
    if text.is_empty() && parts.as_ref().is_none_or(|(attachments, blocks)| attachments.is_empty() && blocks.is_empty())
    {
        return Err(chat::nothing_to_say("a message, attachments or blocks"));
    }
    let of_section = |name| section.map(|section| section.string(name)).unwrap_or_default();
    let message = Message {
        text,
        username: of_section("username"),
        icon: of_section("icon"),
        parts,
        grouping_key: of_section("groupingKey"),
        broadcast: section.is_some_and(|section| section.flag("notifyBroadcast")),
        policy: section.map(policy).unwrap_or_default(),
    };
    Ok(ordered(draft, &message, Prepared { repairs, ..chat::stored(&message) }))
}

/// As the Go controller, what is none of the three is `Post`.
fn policy(section: &Rendered) -> Policy {
    match section.string("deliveryPolicy").as_str() {
        "PostAndUpdate" => Policy::PostAndUpdate,
        "Update" => Policy::Update,
        _ => Policy::Post,
    }
}

/// What belongs to one thread leaves one after the other; of updates only the newest counts.
fn ordered(draft: &Draft<'_>, message: &Message, prepared: Prepared) -> Prepared {
    let ServiceConfig { namespace, name, .. } = draft.config;
    let ordering =
        thread_key(draft.occurrence, &message.grouping_key).map(|thread| format!("slack/{namespace}/{name}/{thread}"));
    let supersedes = ordering.is_some() && message.policy == Policy::Update;
    Prepared { ordering, supersedes, ..prepared }
}

/// What comes next in an attempt.
enum Next {
    /// Post; in the thread where there is one.
    Post,
    /// Update the thread's first message.
    Update,
    /// It is over.
    End(Verdict),
}

/// One attempt.
struct Talk<'a> {
    call: &'a Call<'a>,
    message: &'a Message,
    /// The thread, once there is one that can be used.
    thread: Option<Thread>,
    /// Whether it is to be kept.
    learnt: bool,
    next: Next,
}

impl<'a> Talk<'a> {
    fn begin(call: &'a Call<'a>, message: &'a Message) -> Self {
        let key = thread_key(call.occurrence, &message.grouping_key);
        let kept = key.and_then(|key| call.memory.get(&key)).and_then(|text| serde_json::from_str::<Thread>(text).ok());
        let is_out = kept.as_ref().is_some_and(|thread| thread.last == call.delivery_id);
        let next = match (&kept, message.policy) {
            (Some(_), Policy::PostAndUpdate) if is_out => Next::Update,
            (Some(_), _) if is_out => Next::End(delivered("posted by an earlier attempt")),
            (Some(_), Policy::Update) => Next::Update,
            _ => Next::Post,
        };
        Self { call, message, thread: kept, learnt: false, next }
    }

    fn hear(&mut self, answer: &Answer) {
        self.next = match (&self.next, answer) {
            (Next::Post, Ok(response)) => self.posted(answer::read(response, self.call.now_ms)),
            (Next::Update, Ok(response)) => self.updated(answer::read(response, self.call.now_ms)),
            (Next::Post, Err(error)) => Next::End(super::unanswered(error)),
            (Next::Update, Err(error)) => Next::End(match super::unanswered(error) {
                // The same text once more does no harm.
                Verdict::Unknown { cause } => Verdict::Retry { after: None, cause },
                other => other,
            }),
            (Next::End(verdict), _) => Next::End(verdict.clone()),
        };
    }

    fn posted(&mut self, said: Said) -> Next {
        let (ts, channel) = match said {
            Said::Yes { ts, channel } => (ts, channel),
            Said::NoThread(_) if self.thread.take().is_some() => return Next::Post,
            Said::NoThread(cause) => return Next::End(Verdict::Permanent { cause }),
            // Somebody makes it, or invites the bot.
            Said::NoChannel(cause) => return Next::End(Verdict::SlowRetry { cause }),
            Said::No(verdict) => return Next::End(verdict),
        };
        let last = self.call.delivery_id.to_owned();
        let had_thread = self.thread.is_some();
        let first = self.thread.take().map_or(ts, |thread| thread.ts);
        self.learnt = !first.is_empty();
        self.thread = Some(Thread { ts: first, channel, last });
        match self.message.policy {
            Policy::PostAndUpdate if had_thread => Next::Update,
            _ => Next::End(self.arrived()),
        }
    }

    fn updated(&mut self, said: Said) -> Next {
        match said {
            Said::Yes { .. } => {
                self.learnt = true;
                Next::End(self.arrived())
            }
            // The channel is remembered too, and may be one of a workspace that was left.
            Said::NoThread(_) | Said::NoChannel(_) if self.message.policy == Policy::Update => {
                self.thread = None;
                Next::Post
            }
            Said::NoThread(cause) | Said::NoChannel(cause) => {
                Next::End(delivered(&format!("posted; the thread's first message cannot be updated: {cause}")))
            }
            Said::No(verdict) => Next::End(verdict),
        }
    }

    fn arrived(&self) -> Verdict {
        match self.icon() {
            "" => Verdict::Delivered { reached: None, note: None },
            icon if is_icon(icon) => Verdict::Delivered { reached: None, note: None },
            icon => delivered(&format!("delivered without the icon '{icon}', which is not {ICON_FORM}")),
        }
    }

    fn next(self) -> Result<Step, RequestError> {
        match &self.next {
            Next::Post => self.post().map(Step::http),
            Next::Update => self.update().map(Step::http),
            Next::End(verdict) => {
                Ok(Step::Done(Outcome { verdict: verdict.clone(), remember: self.remember(), forget_answers: false }))
            }
        }
    }

    fn remember(&self) -> Vec<(String, String)> {
        let key = thread_key(self.call.occurrence, &self.message.grouping_key).filter(|_| self.learnt);
        let value = self.thread.as_ref().map(|thread| json!(thread).to_string());
        key.zip(value).into_iter().collect()
    }

    fn icon(&self) -> &str {
        match self.message.icon.as_str() {
            "" => Options(self.call.config).text("icon"),
            icon => icon,
        }
    }

    fn post(&self) -> Result<Request, RequestError> {
        let mut form = self.form(&self.message.text, chat::recipient(self.call));
        if self.message.broadcast {
            form.push(("reply_broadcast", "true".into()));
        }
        chat::post_form(self.call.config, method_url(self.call.config, "chat.postMessage"), form)
    }

    fn update(&self) -> Result<Request, RequestError> {
        let thread = self.thread.clone().unwrap_or_default();
        let channel = if thread.channel.is_empty() { chat::recipient(self.call) } else { &thread.channel };
        let mut form = self.form(&clip_escaped(&self.message.text), channel);
        form.extend([("ts", thread.ts.clone()), ("as_user", "true".into())]);
        chat::post_form(self.call.config, method_url(self.call.config, "chat.update"), form)
    }

    /// What both calls say.
    fn form(&self, text: &str, channel: &str) -> Vec<(&'static str, String)> {
        let options = Options(self.call.config);
        let mut form =
            vec![("token", options.text("token").trim().into()), ("channel", channel.into()), ("text", text.into())];
        let username = &self.message.username;
        let username = if username.is_empty() { options.text("username") } else { username };
        if !username.is_empty() {
            form.push(("username", username.into()));
        }
        match self.icon() {
            icon if chat::is_emoji(icon) => form.push(("icon_emoji", icon.into())),
            icon if chat::is_picture(icon) => form.push(("icon_url", icon.into())),
            _ => {}
        }
        if let Some((attachments, blocks)) = &self.message.parts {
            form.extend([("attachments", json!(attachments).to_string()), ("blocks", json!(blocks).to_string())]);
        }
        if options.flag("disableUnfurl") == Some(true) {
            form.extend([("unfurl_links", "false".into()), ("unfurl_media", "false".into())]);
        }
        if let Some(thread) = &self.thread {
            form.push(("thread_ts", thread.ts.clone()));
        }
        form
    }
}

fn delivered(note: &str) -> Verdict {
    Verdict::Delivered { reached: None, note: Some(note.to_owned()) }
}

/// The text cut to what an update may have, as Slack counts.
fn clip_escaped(text: &str) -> String {
    let size = |c: char| match c {
        '&' => 5,
        '<' | '>' => 4,
        _ => c.len_utf8(),
    };
    if text.chars().map(size).sum::<usize>() <= UPDATED_TEXT_MAX {
        return text.to_owned();
    }
    let mut used = '…'.len_utf8();
    let kept = text.chars().take_while(|c| {
        used += size(*c);
        used <= UPDATED_TEXT_MAX
    });
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests;
