//! What Slack's answers mean: 200 whatever it thinks, and a word that says what it is.

use crate::egress::Response;
use crate::service::{Verdict, chat, http};
use serde_json::Value as Json;

/// The token is refused, or may not do what is asked.
const CREDENTIALS: [&str; 15] = [
    "access_denied",
    "accesslimited",
    "account_inactive",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "org_login_required",
    "team_access_not_granted",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
];
/// Slack's own trouble.
const TRANSIENT: [&str; 7] = [
    "fatal_error",
    "internal_error",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];
/// About one channel, and soon mended there: the bot is invited, the channel is made or opened again.
const CHANNEL: [&str; 7] = [
    "is_archived",
    "message_limit_exceeded",
    "not_in_channel",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
];
/// The thread's first message is gone, or takes no answers and no changes any more.
const THREAD: [&str; 6] = [
    "cannot_reply_to_message",
    "cant_update_message",
    "edit_window_closed",
    "message_not_found",
    "restricted_action_thread_locked",
    "thread_not_found",
];

/// What an answer says.
pub enum Said {
    /// Done.
    Yes {
        /// The message.
        ts: String,
        /// Id of its channel.
        channel: String,
    },
    /// The thread cannot be used any more.
    NoThread(String),
    /// There is no such channel, or the bot cannot see it.
    NoChannel(String),
    /// No.
    No(Verdict),
}

/// Reads an answer.
pub fn read(response: &Response, now_ms: i64) -> Said {
    if !(200..=299).contains(&response.status) {
        return Said::No(http::judge(response, now_ms));
    }
    let answer = read_whole(response);
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    // No refusal is as long as that.
    if answer["ok"] == true || response.truncated {
        return Said::Yes { ts: text("ts"), channel: text("channel") };
    }
    let error = text("error");
    let cause = cause(response, &answer, &error);
    let is = |known: &[&str]| known.contains(&error.as_str());
    Said::No(match () {
        () if is(&THREAD) => return Said::NoThread(cause),
        () if error == "channel_not_found" => return Said::NoChannel(cause),
        () if is(&CREDENTIALS) => Verdict::Credentials { cause },
        () if is(&TRANSIENT) => Verdict::Retry { after: http::retry_after(response, now_ms), cause },
        () if is(&CHANNEL) || error.is_empty() => Verdict::SlowRetry { cause },
        () => Verdict::Permanent { cause },
    })
}

/// Slack repeats the whole message in its answer, which may be cut because of that; what matters stands before it.
fn read_whole(response: &Response) -> Json {
    if !response.truncated {
        return chat::answer(response);
    }
    let text = String::from_utf8_lossy(&response.body);
    let begin = text.split(r#","message":"#).next().unwrap_or_default();
    serde_json::from_str(&format!("{begin}}}")).unwrap_or_default()
}

fn cause(response: &Response, answer: &Json, error: &str) -> String {
    if error.is_empty() {
        return format!("{} with something that is no answer of Slack", chat::cause(response, ""));
    }
    let messages = answer["response_metadata"]["messages"].as_array().into_iter().flatten().filter_map(Json::as_str);
    chat::cause(response, &[error].into_iter().chain(messages).collect::<Vec<_>>().join("; "))
}
