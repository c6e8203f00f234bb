//! `service.teams`: a MessageCard to an Office 365 connector, which says in its body whether it was delivered.

use super::conversation::single;
use super::http::{self, Headers};
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, Verdict, embedded, post};
use crate::egress::Response;
use crate::notify::json::Repair;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use crate::notify::{Rendered, ServiceConfig};
use serde_json::{Value as Json, json};

/// What a connector answers to a message that it delivered.
const DELIVERED: &[u8] = b"1";

static SPEC: KindSpec = KindSpec {
    name: "teams",
    own: false,
    options: Record { go: "TeamsOptions", fields: &[Field::new("recipientUrls", Shape::TextMap)] },
    transport: true,
    section: Some(SectionSpec {
        record: Record {
            go: "TeamsNotification",
            fields: &[
                Field::new("template", Shape::Template),
                Field::new("title", Shape::Template),
                Field::new("summary", Shape::Template),
                Field::new("text", Shape::Template),
                Field::new("themeColor", Shape::Template),
                Field::new("facts", Shape::Template),
                Field::new("sections", Shape::Template),
                Field::new("potentialAction", Shape::Template),
            ],
        },
        merge: Merge::Fieldwise,
    }),
    check: unchecked,
};

/// The kind.
pub struct Teams;

impl Kind for Teams {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let mut repairs = Vec::new();
        let section = draft.notification.sections.get(SPEC.name);
        let prepared = match section.map(|section| section.text("template")).filter(|text| !text.is_empty()) {
            Some(template) => post::stored(&embedded::body("teams.template", &template, draft.context, &mut repairs)?)?,
            None => post::stored_json(&card(draft, section, &mut repairs)?)?,
        };
        Ok(Prepared { repairs, ..prepared })
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        let request = || {
            let url = post::named(call.config, "recipientUrls", &call.occurrence.destination.recipient)?;
            post::request(call.config, url.to_owned(), Headers::default(), post::body(call)?)
        };
        single(rounds, request, |response| judge(response, call.now_ms))
    }
    fn host(&self, config: &ServiceConfig, recipient: &str) -> String {
        http::host(post::named(config, "recipientUrls", recipient).unwrap_or_default())
    }
}

fn card(draft: &Draft<'_>, section: Option<&Rendered>, repairs: &mut Vec<Repair>) -> Result<Json, PrepareError> {
    let text = |name: &str| section.map(|section| section.string(name)).unwrap_or_default();
    let mut list = |name: &str| {
        let text = section.map(|section| section.text(name)).unwrap_or_default();
        embedded::objects(&format!("teams.{name}"), &text, draft.context, repairs)
    };
    let own = text("text");
    let mut card = json!({
        "@type": "MessageCard",
        "context": "https://schema.org/extensions",
        "title": text("title"),
        "summary": text("summary"),
        "text": if own.is_empty() { draft.notification.message.lossy() } else { own },
    });
    post::set_filled(&mut card, [("themeColor", text("themeColor"))]);
    let (mut sections, facts, actions) = (list("sections")?, list("facts")?, list("potentialAction")?);
    if !facts.is_empty() {
        sections.push(json!({"facts": facts}));
    }
    for (name, list) in [("sections", sections), ("potentialAction", actions)] {
        if !list.is_empty() {
            card[name] = list.into();
        }
    }
    Ok(card)
}

/// A connector answers 200 also to what Teams refused, and tells the status only in its text.
fn judge(response: &Response, now_ms: i64) -> Verdict {
    if !(200..300).contains(&response.status) {
        return http::judge(response, now_ms);
    }
    if response.body.as_ref() == DELIVERED {
        return Verdict::Delivered { reached: None, note: None };
    }
    let inner = inner_status(&String::from_utf8_lossy(&response.body));
    let Some(status) = inner.filter(|status| *status >= 300) else {
        let cause = format!("the connector answered {}, but not with `1`: nothing was posted", response.status);
        return Verdict::Permanent { cause };
    };
    post::explained(
        http::judge(&Response { status, ..response.clone() }, now_ms),
        "Teams refused what the connector passed on",
    )
}

/// 429 in `Microsoft Teams endpoint returned HTTP error 429 with ContextId …`.
fn inner_status(body: &str) -> Option<u16> {
    let (_, rest) = body.split_once("HTTP error ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{Played, answer, play};

    const SERVICE: &str = "recipientUrls: {ops: 'https://acme.webhook.office.com/x/y'}";
    const NASTY: &str = "{{.app.status.operationState.message}}";

    fn sent(template: &str) -> Played {
        play("service.teams", SERVICE, template, "ops", &[answer(200, "1")]).unwrap()
    }

    #[test]
    fn a_message_alone_is_a_card() {
        let played = sent(&format!("message: '{NASTY}'"));
        assert_eq!(played.lines(), ["POST https://acme.webhook.office.com/x/y"]);
        assert_eq!(played.header(0, "content-type"), "application/json");
        let card = json!({
            "@type": "MessageCard", "context": "https://schema.org/extensions", "title": "", "summary": "",
            "text": "bad \"quote\"\nand \\ line",
        });
        assert_eq!(played.json(0), card);
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    }

    #[test]
    fn a_section_fills_the_card() {
        let template = format!(
            r##"{{message: m, teams: {{title: T, summary: S, text: X, themeColor: "#000080",
               facts: '[{{"name": "f", "value": "{NASTY}"}}]', sections: '[{{"text": "s"}}]',
               potentialAction: '[{{"@type": "OpenUri", "name": "go"}}]'}}}}"##
        );
        let played = sent(&template);
        let card = played.json(0);
        assert_eq!((&card["title"], &card["summary"], &card["text"]), (&json!("T"), &json!("S"), &json!("X")));
        let facts = json!([{"text": "s"}, {"facts": [{"name": "f", "value": "bad \"quote\"\nand \\ line"}]}]);
        assert_eq!((&card["sections"], &card["themeColor"]), (&facts, &json!("#000080")));
        assert_eq!(card["potentialAction"], json!([{"@type": "OpenUri", "name": "go"}]));
        assert_eq!(played.prepared.repairs.len(), 1);
    }

    #[test]
    fn a_template_is_the_whole_body() {
        let played = sent(r#"{teams: {template: '{"x":  "{{.app.metadata.name}}"}', title: unused}}"#);
        assert_eq!(played.text(0), r#"{"x":  "orders"}"#);
        assert_eq!(
            sent(&format!(r#"{{teams: {{template: '{{"x": "{NASTY}"}}'}}}}"#)).json(0)["x"],
            "bad \"quote\"\nand \\ line"
        );
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        for (field, text) in [("facts", "[1]"), ("sections", "{}"), ("potentialAction", "[")] {
            let template = format!("teams: {{{field}: '{text}'}}");
            let error = play("service.teams", SERVICE, &template, "ops", &[]).unwrap_err();
            assert!(error.contains(&format!("teams.{field}")), "{error}");
        }
    }

    #[test]
    fn unknown_recipients_wait_for_the_configuration() {
        let error = play("service.teams", SERVICE, "message: m", "dev", &[]).unwrap_err();
        assert!(error.contains("'dev'") && error.contains("names ops") && !error.contains("office"), "{error}");
    }

    #[test]
    fn only_1_is_success() {
        let verdict = |status, body: &str| {
            play("service.teams", SERVICE, "message: m", "ops", &[answer(status, body)]).unwrap().outcome.verdict
        };
        let refused = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error";
        assert!(matches!(verdict(200, &format!("{refused} 429 with ContextId x.")), Verdict::Retry { .. }));
        assert!(matches!(verdict(200, &format!("{refused} 413 with ContextId x.")), Verdict::Permanent { .. }));
        assert!(matches!(verdict(200, ""), Verdict::Permanent { .. }));
        assert!(matches!(verdict(200, "1\n"), Verdict::Permanent { .. }));
        assert!(matches!(verdict(400, "1"), Verdict::Permanent { .. }));
        assert!(matches!(verdict(503, ""), Verdict::Retry { .. }));
        assert!(matches!(verdict(404, ""), Verdict::SlowRetry { .. }));
    }
}
