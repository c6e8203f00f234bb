//! `service.googlechat`: a text or cards to the webhook of a space, in a thread of one's own choice.

mod cards;

use super::conversation::single;
use super::http::{self, Headers};
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, Verdict, embedded, post};
use crate::egress::{Request, Response};
use crate::notify::json::Repair;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use crate::notify::{Rendered, ServiceConfig};
use serde_json::{Value as Json, json};

/// What a message does whose thread does not exist.
const REPLY_OPTION: &str = "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";

static SPEC: KindSpec = KindSpec {
    name: "googlechat",
    own: false,
    options: Record { go: "GoogleChatOptions", fields: &[Field::new("webhooks", Shape::TextMap)] },
    transport: true,
    section: Some(SectionSpec {
        record: Record {
            go: "GoogleChatNotification",
            fields: &[
                Field::new("cards", Shape::Template).always(),
                Field::new("cardsV2", Shape::Template).always(),
                Field::new("threadKey", Shape::Template),
            ],
        },
        merge: Merge::Fieldwise,
    }),
    check: unchecked,
};

/// The kind.
pub struct GoogleChat;

impl Kind for GoogleChat {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let (mut repairs, section) = (Vec::new(), draft.notification.sections.get(SPEC.name));
        let text = |name: &str| section.map(|section| section.text(name)).unwrap_or_default();
        let mut stored = if text("cards").is_empty() && text("cardsV2").is_empty() {
            json!({"text": draft.notification.message.lossy()})
        } else {
            let mut read = |name| cards_in(draft, section, name, &mut repairs);
            json!({"cards": read("cards")?, "cardsV2": read("cardsV2")?})
        };
        if stored["text"] == "" {
            let advice = "set `message` or `googlechat.cardsV2` in the template";
            return Err(post::refuse("the notification has neither a message nor cards", advice));
        }
        post::set_filled(&mut stored, [("threadKey", text("threadKey").lossy())]);
        Ok(Prepared { repairs, ..post::stored_json(&stored)? })
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        single(rounds, || request(call), |response| judge(response, call.now_ms))
    }
    fn host(&self, config: &ServiceConfig, recipient: &str) -> String {
        http::host(post::named(config, "webhooks", recipient).unwrap_or_default())
    }
}

fn cards_in(
    draft: &Draft<'_>,
    section: Option<&Rendered>,
    name: &str,
    repairs: &mut Vec<Repair>,
) -> Result<Vec<Json>, PrepareError> {
    let text = section.map(|section| section.text(name)).unwrap_or_default();
    let field = format!("googlechat.{name}");
    let read = embedded::yaml(&field, &text, cards::is_text, draft.context, repairs)?;
    cards::list(&read.unwrap_or_default()).map_err(|cause| {
        let advice = "correct the template; `gatepost template notify` shows the rendered text";
        post::refuse(format!("failed to read {field}: {cause}"), advice)
    })
}

fn request(call: &Call<'_>) -> Result<Request, RequestError> {
    let (config, recipient) = (call.config, &call.occurrence.destination.recipient);
    let webhook = post::named(config, "webhooks", recipient)?.trim();
    let mut url = url::Url::parse(webhook)
        .map_err(|error| post::unusable(config, recipient, format!("its webhook URL is invalid: {error}")))?;
    let stored = post::json_body(call)?;
    if let Some(key) = stored["threadKey"].as_str() {
        url.query_pairs_mut().append_pair("threadKey", key).append_pair("messageReplyOption", REPLY_OPTION);
    }
    let mut body = json!({"text": stored["text"].as_str().unwrap_or_default()});
    for name in ["cards", "cardsV2"] {
        let cards = stored[name].as_array().into_iter().flatten().enumerate();
        let cards: Vec<Json> = cards.map(|(index, card)| identified(name, card, call.delivery_id, index)).collect();
        if !cards.is_empty() {
            body[name] = cards.into();
        }
    }
    post::request(config, url.into(), Headers::default(), body.to_string().into_bytes())
}

/// A card of the second version needs an id; the same one in every attempt.
fn identified(name: &str, card: &Json, delivery: &str, index: usize) -> Json {
    if name == "cards" { card.clone() } else { json!({"cardId": format!("{delivery}-{index}"), "card": card}) }
}

/// An `error` in the answer counts, whatever the status.
fn judge(response: &Response, now_ms: i64) -> Verdict {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = &body["error"];
    if error.is_null() {
        return http::judge(response, now_ms);
    }
    let code = error["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 300);
    let status = code.or(Some(response.status)).filter(|status| *status >= 300).unwrap_or(400);
    let parts = [error["status"].as_str(), error["message"].as_str()];
    let detail = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
    post::explained(http::judge(&Response { status, ..response.clone() }, now_ms), &detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{Played, answer, play};

    const SERVICE: &str = "webhooks: {space: 'https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t'}";
    const NASTY: &str = "{{.app.status.operationState.message}}";
    const SAID: &str = "bad \"quote\"\nand \\ line";

    fn sent(template: &str) -> Result<Played, String> {
        play("service.googlechat", SERVICE, template, "space", &[answer(200, "{}")])
    }

    #[test]
    fn a_message_alone_is_a_text() {
        let played = sent(&format!("message: '{NASTY}'")).unwrap();
        assert_eq!(played.lines(), ["POST https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t"]);
        assert_eq!(played.header(0, "content-type"), "application/json");
        assert_eq!(played.json(0), json!({"text": SAID}));
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    }

    #[test]
    fn a_thread_is_named_in_the_query() {
        let played = sent("{message: m, googlechat: {threadKey: '{{.app.metadata.name}} &1'}}").unwrap();
        let url = url::Url::parse(&played.requests[0].url).unwrap();
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(query[2..], [pair("threadKey", "orders &1"), pair("messageReplyOption", REPLY_OPTION)]);
    }

    #[test]
    fn cards_hold_whatever_is_printed_into_them() {
        let template = format!(
            r#"
message: unused
googlechat:
  cardsV2: |
    - header:
        title: "Action {NASTY}"
      sections:
        - collapsible: false
          widgets:
            - decoratedText:
                text: {NASTY}
                bottomLabel: 'see {NASTY}'
            - divider: {{}}
"#
        );
        let played = sent(&template).unwrap();
        let widgets = json!([
            {"decoratedText": {"text": SAID, "bottomLabel": format!("see {SAID}")}}, {"divider": {}},
        ]);
        let card = json!({"header": {"title": format!("Action {SAID}")}, "sections": [{"widgets": widgets}]});
        assert_eq!(played.json(0), json!({"text": "", "cardsV2": [{"cardId": "dlv_1-0", "card": card}]}));
        assert_eq!(played.prepared.repairs.len(), 3);
    }

    #[test]
    fn json_and_legacy_cards_are_cards_too() {
        let template = format!(
            r#"
googlechat:
  cards: |
    [{{"sections": [{{"widgets": [{{"textParagraph": {{"text": "{NASTY}"}}}}]}}]}}]
"#
        );
        let widgets = json!([{"textParagraph": {"text": SAID}}]);
        assert_eq!(
            sent(&template).unwrap().json(0),
            json!({"text": "", "cards": [{"sections": [{"widgets": widgets}]}]})
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert!(sent("message: ''").unwrap_err().contains("neither"));
        assert!(sent("googlechat: {cardsV2: 'a: ['}").unwrap_err().contains("googlechat.cardsV2"));
        assert!(sent("googlechat: {cardsV2: 'a: 1'}").unwrap_err().contains("list of cards"));
        let error = play("service.googlechat", SERVICE, "message: m", "other", &[]).unwrap_err();
        assert!(error.contains("names space") && !error.contains("token"), "{error}");
    }

    #[test]
    fn an_error_in_the_answer_is_one() {
        let verdict = |status, body: &str| {
            play("service.googlechat", SERVICE, "message: m", "space", &[answer(status, body)]).unwrap().outcome.verdict
        };
        let body = |code: u16| format!(r#"{{"error": {{"code": {code}, "message": "no", "status": "S"}}}}"#);
        let cause = "the receiver answered 400: S: no".to_owned();
        assert_eq!(verdict(200, &body(400)), Verdict::Permanent { cause });
        assert!(matches!(verdict(200, &body(0)), Verdict::Permanent { .. }));
        assert!(matches!(verdict(429, &body(429)), Verdict::Retry { .. }));
        assert!(matches!(verdict(403, &body(403)), Verdict::Credentials { .. }));
        assert!(matches!(verdict(404, &body(404)), Verdict::SlowRetry { .. }));
        assert!(matches!(verdict(503, "busy"), Verdict::Retry { .. }));
    }
}
