//! What the services that write to people in chats share: refusals, what is stored, requests, attachments in Slack's form.
//!
//! Never here: what the API of one of them says, and what its answers mean.

use super::http::{Headers, Options, check_url};
pub use super::stored::refuse;
use super::{Call, Draft, PrepareError, Prepared, QuickRetry, RequestError, embedded, stored, text};
use crate::egress::{Request, Response};
use crate::notify::json::Repair;
use crate::notify::kind::Warning;
use crate::notify::{ServiceConfig, Text};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use std::time::Duration;

/// Time from the request to the end of the answer; the Go controller waits for ever.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Characters of a receiver's own words that a cause repeats.
const WORDS_MAX: usize = 300;

/// Whom the subscription names, without blanks around it.
pub fn recipient<'a>(call: &Call<'a>) -> &'a str {
    call.occurrence.destination.recipient.trim()
}

/// The same before it is stored.
///
/// # Errors
/// A subscription that names nobody; `form` says what it should name.
pub fn named<'a>(draft: &Draft<'a>, form: &str) -> Result<&'a str, PrepareError> {
    match draft.occurrence.destination.recipient.trim() {
        "" => Err(refuse("the subscription names no recipient", format!("write {form} as its recipient"))),
        recipient => Ok(recipient),
    }
}

/// The message of a service that sends nothing else.
///
/// # Errors
/// Where there is none.
pub fn message(draft: &Draft<'_>) -> Result<String, PrepareError> {
    match draft.notification.message.lossy() {
        text if text.is_empty() => Err(nothing_to_say("a message")),
        text => Ok(text),
    }
}

/// A notification that says nothing; `parts` are what it could have.
pub fn nothing_to_say(parts: &str) -> PrepareError {
    refuse(format!("the notification does not have {parts}"), "give the template a `message`")
}

/// What is stored.
pub fn stored(payload: &impl Serialize) -> Prepared {
    Prepared::of(serde_json::to_vec(payload).unwrap_or_default())
}

/// What was stored.
///
/// # Errors
/// Where it is not ours.
pub fn read<T: DeserializeOwned>(call: &Call<'_>) -> Result<T, RequestError> {
    stored::read(&call.config.name, call.payload)
}

/// Tries of a service whose answers come at once.
pub fn policy(config: &ServiceConfig) -> QuickRetry {
    Options(config).policy(ANSWER_TIMEOUT)
}

/// A POST.
///
/// # Errors
/// URLs that cannot be used.
pub fn post(config: &ServiceConfig, url: String, headers: Headers, body: Vec<u8>) -> Result<Request, RequestError> {
    check_url(&config.name, &url)?;
    let (headers, transport) = (headers.into_list(), Options(config).transport(ANSWER_TIMEOUT));
    Ok(Request { method: "POST".to_owned(), url, headers, body: Bytes::from(body), transport })
}

/// A POST of a form; pairs by name, as net/url orders them.
///
/// # Errors
/// URLs that cannot be used.
pub fn post_form(config: &ServiceConfig, url: String, mut pairs: Vec<(&str, String)>) -> Result<Request, RequestError> {
    pairs.sort_by_key(|(name, _)| *name);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let mut headers = Headers::default();
    headers.set(&config.name, "Content-Type", "application/x-www-form-urlencoded")?;
    post(config, url, headers, body.into_bytes())
}

/// A POST of JSON with a bearer token.
///
/// # Errors
/// URLs and tokens that cannot be used.
pub fn post_json(config: &ServiceConfig, url: String, body: &Json) -> Result<Request, RequestError> {
    let mut headers = Headers::default();
    headers.set(&config.name, "Content-Type", "application/json")?;
    headers.set(&config.name, "Authorization", &format!("Bearer {}", Options(config).text("token").trim()))?;
    post(config, url, headers, body.to_string().into_bytes())
}

/// An answer as JSON; null where it is none.
pub fn answer(response: &Response) -> Json {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// A cause with the receiver's own words, where it has any.
pub fn cause(response: &Response, words: &str) -> String {
    match words.trim() {
        "" => format!("the receiver answered {}", response.status),
        words => format!("the receiver answered {}: {}", response.status, text::clip_chars(words, WORDS_MAX)),
    }
}

/// Members that a group has even when nothing was written.
pub type Always = &'static [(&'static str, Json)];

/// The list in a field; empty where the field holds blanks only, as an `if` that did not hold leaves them.
///
/// # Errors
/// JSON that is no list.
pub fn list(field: &str, text: &Text, draft: &Draft<'_>, repairs: &mut Vec<Repair>) -> Result<Vec<Json>, PrepareError> {
    if text.bytes().trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    match embedded::json(field, text, draft.context, repairs)? {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(items)) => Ok(items),
        // The Go controller takes it for no blocks.
        Some(Json::Object(members)) if members.is_empty() => Ok(Vec::new()),
        Some(_) => Err(refuse(format!("failed to unmarshal {field}: it is no list"), "write a JSON list: `[{...}]`")),
    }
}

/// Attachments as the Go controller's types print them: without members that are empty, with those that always are
/// there. Members that those types do not know stay, where the Go controller loses them.
pub fn as_go(attachments: &mut [Json], always: Always, always_in_fields: Always) {
    for attachment in attachments.iter_mut().filter_map(Json::as_object_mut) {
        fill(attachment, always);
        let fields = attachment.get_mut("fields").and_then(Json::as_array_mut);
        for field in fields.into_iter().flatten().filter_map(Json::as_object_mut) {
            fill(field, always_in_fields);
        }
    }
}

fn fill(members: &mut Map<String, Json>, always: Always) {
    members.retain(|_, value| !crate::notify::configuration::is_empty(value));
    for (name, value) in always {
        members.entry(*name).or_insert_with(|| value.clone());
    }
}

/// Whether a text is an emoji such as `:robot_face:`.
pub fn is_emoji(text: &str) -> bool {
    text.len() > 2 && text.starts_with(':') && text.ends_with(':') && !text.contains('\n')
}

/// Whether a text is the address of a picture.
pub fn is_picture(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// What is worth a warning where an option holds something that cannot be shown.
pub fn warn_unless(options: &Map<String, Json>, option: &str, fits: fn(&str) -> bool, form: &str) -> Option<Warning> {
    let text = options.get(option).and_then(Json::as_str).filter(|text| !fits(text))?;
    let cause = format!("`{option}` is '{text}', which is not {form}: it is left out");
    Some(Warning { line: 0, cause, advice: format!("write {form}") })
}

/// `apiURL`, or the vendor's own.
pub fn api<'a>(config: &'a ServiceConfig, vendor: &'a str) -> &'a str {
    match Options(config).text("apiURL").trim_end_matches('/') {
        "" => vendor,
        url => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attachments_lose_what_is_empty_and_gain_what_go_prints() {
        const ALWAYS: Always = &[("blocks", Json::Null)];
        const FIELDS: Always = &[("short", Json::Bool(false))];
        let mut list =
            vec![json!({"title": "x", "text": "", "more": 1, "fields": [{"title": "a", "value": ""}]}), json!(7)];
        as_go(&mut list, ALWAYS, FIELDS);
        let expected =
            json!([{"title": "x", "more": 1, "blocks": null, "fields": [{"title": "a", "short": false}]}, 7]);
        assert_eq!(Json::from(list), expected);
    }

    #[test]
    fn emojis_and_pictures_are_told_apart() {
        assert!(is_emoji(":a:") && !is_emoji("::") && !is_emoji("a") && !is_emoji(":a"));
        assert!(is_picture("https://h/p.png") && !is_picture("ftp://h/p") && !is_picture("/p") && !is_picture(""));
        let options = Map::from_iter([("icon".to_owned(), json!("robot"))]);
        assert!(warn_unless(&options, "icon", is_emoji, "an emoji").is_some());
        assert!(warn_unless(&options, "avatar", is_picture, "a URL").is_none());
    }
}
