//! The requests of the Go controller, threads that outlive a restart, and each answer that is judged.
#![allow(clippy::unwrap_used)]

use super::super::testing::{Played, answer, answer_with, play, play_with};
use super::*;
use std::collections::BTreeMap;
use std::time::Duration;

const SERVICE: &str = "token: xoxb-1\napiURL: http://slack/api/\n";
const SENT: &str = r#"{"ok":true,"channel":"C9","ts":"17.2"}"#;

fn played(template: &str, answers: &[Answer]) -> Result<Played, String> {
    play("service.slack", SERVICE, template, "general", answers)
}
fn grouped(policy: &str) -> String {
    format!("message: m\nslack: {{groupingKey: k, deliveryPolicy: {policy}}}")
}
/// What a delivery left that began the thread with message 11.1 in channel C9.
fn memory(last: &str) -> BTreeMap<String, String> {
    let to = crate::notify::Destination { service: "slack".into(), recipient: "general".into() };
    let key = thread_key(&super::super::testing::occurrence(to), "k").unwrap();
    [(key, json!({"ts": "11.1", "channel": "C9", "last": last}).to_string())].into()
}
fn in_thread(policy: &str, last: &str, answers: &[Answer]) -> Played {
    play_with("service.slack", SERVICE, &grouped(policy), "general", answers, &memory(last)).unwrap()
}
fn refusal(error: &str) -> Answer {
    answer(200, &json!({"ok": false, "error": error}).to_string())
}
fn form(played: &Played, index: usize) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(played.text(index).as_bytes()).into_owned().collect()
}
fn kept(played: &Played) -> Thread {
    serde_json::from_str(&played.outcome.remember[0].1).unwrap()
}
fn judged(answer: Answer) -> Verdict {
    played("message: m", &[answer]).unwrap().outcome.verdict
}

#[test]
fn a_message_without_a_section_is_gos() {
    let service = "token: \"xoxb-1\\n\"\nusername: argocd\nicon: ':robot:'\ndisableUnfurl: true\n";
    let template = "message: 'hi <a> & \"b\"'";
    let played = play("service.slack", service, template, "general", &[answer(200, SENT)]).unwrap();
    assert_eq!(played.lines(), ["POST https://slack.com/api/chat.postMessage"]);
    assert_eq!(played.header(0, "Content-Type"), "application/x-www-form-urlencoded");
    let expected = "channel=general&icon_emoji=%3Arobot%3A&text=hi+%3Ca%3E+%26+%22b%22&token=xoxb-1&unfurl_links=false\
                    &unfurl_media=false&username=argocd";
    assert_eq!(played.text(0), expected);
    assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    assert!(played.outcome.remember.is_empty() && played.prepared.ordering.is_none());
    assert!(!String::from_utf8(played.prepared.payload).unwrap().contains("xoxb"));
}

#[test]
fn a_section_is_gos_and_its_json_cannot_be_broken() {
    let template = r#"
message: m
slack:
  username: u
  icon: http://x/i.png
  attachments: |
    [{"title": "{{.app.status.operationState.message}}", "text": "", "fields": [{"title": "a", "value": "b"}]}]
  blocks: |
    [{"type": "section", "text": {"type": "mrkdwn", "text": "{{.app.status.operationState.message}}"}}]
"#;
    let played = played(template, &[answer(200, SENT)]).unwrap();
    let form = form(&played, 0);
    let nasty = "bad \"quote\"\nand \\ line";
    let read = |name: &str| serde_json::from_str::<Json>(&form[name]).unwrap();
    let fields = json!([{"title": "a", "value": "b", "short": false}]);
    assert_eq!(read("attachments"), json!([{"title": nasty, "fields": fields, "blocks": null}]));
    assert_eq!(read("blocks"), json!([{"type": "section", "text": {"type": "mrkdwn", "text": nasty}}]));
    assert_eq!((form["username"].as_str(), form["icon_url"].as_str()), ("u", "http://x/i.png"));
    assert_eq!(played.prepared.repairs.len(), 2);
}

#[test]
fn a_broadcast_without_a_thread_is_gos() {
    let template = "message: m\nslack: {groupingKey: k, notifyBroadcast: true}";
    let played = played(template, &[answer(200, SENT)]).unwrap();
    let expected = "attachments=%5B%5D&blocks=%5B%5D&channel=general&reply_broadcast=true&text=m&token=xoxb-1";
    assert_eq!(played.text(0), expected);
    assert_eq!(kept(&played), Thread { ts: "17.2".into(), channel: "C9".into(), last: "dlv_1".into() });
}

#[test]
fn the_first_of_a_thread_is_posted_whatever_the_policy() {
    for policy in ["Post", "PostAndUpdate", "Update", "Error"] {
        let played = played(&grouped(policy), &[answer(200, SENT)]).unwrap();
        assert_eq!(played.lines(), ["POST http://slack/api/chat.postMessage"], "{policy}");
        assert!(!form(&played, 0).contains_key("thread_ts"));
        assert_eq!(kept(&played).ts, "17.2");
        assert_eq!(played.prepared.supersedes, policy == "Update");
    }
}

#[test]
fn later_ones_follow_the_policy() {
    let post = in_thread("Post", "dlv_0", &[answer(200, SENT)]);
    assert_eq!(post.lines(), ["POST http://slack/api/chat.postMessage"]);
    assert_eq!(form(&post, 0)["thread_ts"], "11.1");
    assert_eq!(kept(&post), Thread { ts: "11.1".into(), channel: "C9".into(), last: "dlv_1".into() });

    let both = in_thread("PostAndUpdate", "dlv_0", &[answer(200, SENT), answer(200, SENT)]);
    assert_eq!(both.lines(), ["POST http://slack/api/chat.postMessage", "POST http://slack/api/chat.update"]);

    let update = in_thread("Update", "dlv_0", &[answer(200, SENT)]);
    assert_eq!(update.lines(), ["POST http://slack/api/chat.update"]);
    let expected =
        "as_user=true&attachments=%5B%5D&blocks=%5B%5D&channel=C9&text=m&thread_ts=11.1&token=xoxb-1&ts=11.1";
    assert_eq!((update.text(0).as_str(), both.text(1).as_str()), (expected, expected));
    assert_eq!(kept(&update).ts, "11.1");
}

#[test]
fn deliveries_of_one_thread_share_an_ordering_key_of_bounded_length() {
    let ordering = |policy: &str, channel: &str, key: &str| {
        let template = format!("message: m\nslack: {{groupingKey: '{key}', deliveryPolicy: {policy}}}");
        let answers = [answer(200, SENT)];
        play("service.slack", SERVICE, &template, channel, &answers).unwrap().prepared.ordering.unwrap()
    };
    assert_eq!(ordering("Post", "a", "k"), ordering("Update", "a", "k"));
    assert_ne!(ordering("Post", "a", "k"), ordering("Post", "b", "k"));
    assert_ne!(ordering("Post", "a", "bk"), ordering("Post", "ab", "k"));
    assert!(ordering("Post", "a", &"k".repeat(10_000)).len() < 100);
}

#[test]
fn what_was_posted_is_not_posted_again() {
    let limited = in_thread("PostAndUpdate", "dlv_0", &[answer(200, SENT), refusal("ratelimited")]);
    assert!(matches!(limited.outcome.verdict, Verdict::Retry { .. }));
    assert_eq!(kept(&limited).last, "dlv_1");
    let again = in_thread("PostAndUpdate", "dlv_1", &[answer(200, SENT)]);
    assert_eq!(again.lines(), ["POST http://slack/api/chat.update"]);
    for policy in ["Post", "Update"] {
        let again = in_thread(policy, "dlv_1", &[]);
        assert!(again.requests.is_empty() && matches!(again.outcome.verdict, Verdict::Delivered { .. }), "{policy}");
    }
}

#[test]
fn a_thread_that_is_gone_begins_anew() {
    let post = in_thread("Post", "dlv_0", &[refusal("thread_not_found"), answer(200, SENT)]);
    assert_eq!(post.lines().len(), 2);
    assert!(!form(&post, 1).contains_key("thread_ts"));
    assert_eq!(kept(&post).ts, "17.2");
    for error in ["message_not_found", "channel_not_found"] {
        let update = in_thread("Update", "dlv_0", &[refusal(error), answer(200, SENT)]);
        assert_eq!(update.lines(), ["POST http://slack/api/chat.update", "POST http://slack/api/chat.postMessage"]);
        assert_eq!((kept(&update).ts.as_str(), form(&update, 1)["channel"].as_str()), ("17.2", "general"));
    }
    let both = in_thread("PostAndUpdate", "dlv_0", &[answer(200, SENT), refusal("edit_window_closed")]);
    let Verdict::Delivered { note: Some(note), .. } = both.outcome.verdict else { panic!("{:?}", both.outcome) };
    assert!(note.contains("edit_window_closed"));
    assert!(matches!(judged(refusal("message_not_found")), Verdict::Permanent { .. }));
}

#[test]
fn an_update_without_an_answer_is_repeated_a_post_is_of_unknown_outcome() {
    let silent = || crate::egress::Error::NoAnswer { target: "http://slack".into(), cause: "closed".into() };
    let update = in_thread("Update", "dlv_0", &[Err(silent())]);
    assert!(matches!(update.outcome.verdict, Verdict::Retry { .. }));
    let post = in_thread("Post", "dlv_0", &[Err(silent())]);
    assert!(matches!(post.outcome.verdict, Verdict::Unknown { .. }));
}

#[test]
fn answers_are_judged() {
    for error in ["invalid_auth", "not_authed", "token_revoked", "missing_scope"] {
        assert!(matches!(judged(refusal(error)), Verdict::Credentials { cause } if cause.contains(error)), "{error}");
    }
    for error in ["channel_not_found", "not_in_channel", "is_archived"] {
        assert!(matches!(judged(refusal(error)), Verdict::SlowRetry { cause } if cause.contains(error)), "{error}");
    }
    for error in ["internal_error", "service_unavailable", "ratelimited"] {
        assert!(matches!(judged(refusal(error)), Verdict::Retry { .. }), "{error}");
    }
    let said = r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] missing: type"]}}"#;
    assert!(matches!(judged(answer(200, said)), Verdict::Permanent { cause } if cause.contains("missing: type")));
    assert!(matches!(judged(answer(200, "<html>")), Verdict::SlowRetry { .. }));
    assert!(matches!(judged(answer(503, "")), Verdict::Retry { .. }));
    for (status, body) in [(429, ""), (200, r#"{"ok":false,"error":"ratelimited"}"#)] {
        let limited = judged(answer_with(status, &[("retry-after", "30")], body));
        assert!(matches!(limited, Verdict::Retry { after: Some(wait), .. } if wait == Duration::from_secs(30)));
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let refused = |template: &str| played(template, &[]).unwrap_err();
    assert!(refused("message: ''").contains("a message, attachments or blocks"));
    assert!(refused("message: m\nslack: {attachments: '{\"a\": 1}'}").contains("attachments: it is no list"));
    assert!(refused("message: m\nslack: {blocks: '[{]'}").contains("failed to unmarshal blocks"));
    assert!(play("service.slack", SERVICE, "message: m", "", &[]).unwrap_err().contains("channel"));
    assert!(play("service.slack", "apiURL: 'ftp://s'", "message: m", "c", &[]).unwrap_err().contains("scheme"));
}

#[test]
fn long_texts_are_clipped() {
    let template =
        format!("message: '{}'\nslack: {{groupingKey: k, deliveryPolicy: PostAndUpdate}}", "&".repeat(50_000));
    let answers = [answer(200, SENT), answer(200, SENT)];
    let played = play_with("service.slack", SERVICE, &template, "general", &answers, &memory("dlv_0")).unwrap();
    let (posted, updated) = (form(&played, 0)["text"].clone(), form(&played, 1)["text"].clone());
    assert_eq!((posted.chars().count(), posted.ends_with('…')), (TEXT_MAX, true));
    assert_eq!((updated.chars().count(), updated.ends_with('…')), (800, true));
    assert_eq!(clip_escaped(&"<".repeat(1_000)), "<".repeat(1_000));
}

#[test]
fn an_icon_that_is_none_is_left_out_and_said() {
    let played = played("message: m\nslack: {icon: robot}", &[answer(200, SENT)]).unwrap();
    assert!(form(&played, 0).keys().all(|name| !name.starts_with("icon")));
    assert!(matches!(played.outcome.verdict, Verdict::Delivered { note: Some(note), .. } if note.contains("'robot'")));
    let options = Map::from_iter([("icon".to_owned(), json!("robot"))]);
    let node = crate::notify::yaml::parse("{}").unwrap();
    assert!((SPEC.check)(&node, &options).unwrap()[0].cause.contains("'robot'"));
}

#[test]
fn an_answer_that_was_cut_is_no_refusal() {
    let cut = |body: &str| answer(200, body).map(|whole| crate::egress::Response { truncated: true, ..whole });
    let long = cut(r#"{"ok":true,"channel":"C9","ts":"17.2","message":{"text":"aaaa"#);
    let played = played(&grouped("Post"), &[long]).unwrap();
    assert!(matches!(played.outcome.verdict, Verdict::Delivered { .. }));
    assert_eq!((kept(&played).ts.as_str(), kept(&played).channel.as_str()), ("17.2", "C9"));
    let odd = play("service.slack", SERVICE, &grouped("Post"), "general", &[cut("[")]).unwrap();
    assert!(matches!(odd.outcome.verdict, Verdict::Delivered { .. }) && odd.outcome.remember.is_empty());
}
