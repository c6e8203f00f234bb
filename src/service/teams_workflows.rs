//! `service.teams-workflows`: an Adaptive Card to a Power Automate workflow that posts it into Teams.

use super::conversation::single;
use super::http::{self, Headers};
use super::{Answer, Call, Draft, Kind, PrepareError, Prepared, RequestError, Step, embedded, post};
use crate::notify::json::Repair;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};
use crate::notify::{Rendered, ServiceConfig};
use gatepost_value::fmt;
use gatepost_value::json::{Numbers, from_serde};
use serde_json::{Value as Json, json};

/// One of these is in every URL of a workflow.
const PATTERNS: [&str; 5] = [
    "api.powerautomate.com",
    "api.powerplatform.com",
    "flow.microsoft.com",
    "webhook.office.com/workflows",
    "/powerautomate/",
];

static SPEC: KindSpec = KindSpec {
    name: "teams-workflows",
    own: false,
    options: Record { go: "TeamsWorkflowsOptions", fields: &[Field::new("recipientUrls", Shape::TextMap)] },
    transport: true,
    section: Some(SectionSpec {
        record: Record {
            go: "TeamsWorkflowsNotification",
            fields: &[
                Field::new("template", Shape::Template),
                Field::new("title", Shape::Template),
                Field::new("summary", Shape::Template),
                Field::new("text", Shape::Template),
                Field::new("themeColor", Shape::Template),
                Field::new("facts", Shape::Template),
                Field::new("sections", Shape::Template),
                Field::new("potentialAction", Shape::Template),
                Field::new("adaptiveCard", Shape::Template),
            ],
        },
        merge: Merge::Fieldwise,
    }),
    check: unchecked,
};

/// The kind.
pub struct TeamsWorkflows;

impl Kind for TeamsWorkflows {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let mut repairs = Vec::new();
        let section = draft.notification.sections.get(SPEC.name);
        let own = section.map(|section| section.text("adaptiveCard")).unwrap_or_default();
        let card = match embedded::json("teams-workflows.adaptiveCard", &own, draft.context, &mut repairs)? {
            Some(card) => card,
            None => card(draft, section, &mut repairs)?,
        };
        let attachment = json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": card});
        let prepared = post::stored_json(&json!({"type": "message", "attachments": [attachment]}))?;
        Ok(Prepared { repairs, ..prepared })
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        let request = || {
            let recipient = &call.occurrence.destination.recipient;
            let url = post::named(call.config, "recipientUrls", recipient)?;
            check_workflow(url).map_err(|cause| post::unusable(call.config, recipient, cause))?;
            post::request(call.config, url.to_owned(), Headers::default(), post::body(call)?)
        };
        single(rounds, request, |response| http::judge(response, call.now_ms))
    }
    fn host(&self, config: &ServiceConfig, recipient: &str) -> String {
        http::host(post::named(config, "recipientUrls", recipient).unwrap_or_default())
    }
}

/// What the Go controller asks of a workflow's URL: https unless it is this machine, and one of the known places.
fn check_workflow(url: &str) -> Result<(), String> {
    let parsed = url::Url::parse(url).map_err(|error| format!("its webhook URL is invalid: {error}"))?;
    let this_machine = match parsed.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(_)) | None => false,
    };
    if parsed.scheme() != "https" && !(parsed.scheme() == "http" && this_machine) {
        return Err("its webhook URL must begin with https://".to_owned());
    }
    let lower = url.to_ascii_lowercase();
    if PATTERNS.iter().any(|pattern| lower.contains(pattern)) {
        return Ok(());
    }
    Err(format!(
        "its webhook URL is none of a Teams workflow (Power Automate): it holds none of {}",
        PATTERNS.join(", ")
    ))
}

/// An Adaptive Card of what would be a MessageCard.
fn card(draft: &Draft<'_>, section: Option<&Rendered>, repairs: &mut Vec<Repair>) -> Result<Json, PrepareError> {
    let text = |name: &str| section.map(|section| section.string(name)).unwrap_or_default();
    let mut list = |name: &str| {
        let text = section.map(|section| section.text(name)).unwrap_or_default();
        embedded::objects(&format!("teams-workflows.{name}"), &text, draft.context, repairs)
    };
    let (sections, facts, actions) = (list("sections")?, list("facts")?, list("potentialAction")?);
    let own = text("text");
    let body_text = if own.is_empty() { draft.notification.message.lossy() } else { own };
    let mut body = Vec::new();
    if !text("title").is_empty() {
        body.push(title(&text("title"), text("themeColor")));
    }
    if !body_text.is_empty() {
        body.push(json!({"type": "TextBlock", "text": body_text, "wrap": true}));
    }
    let of_sections = sections.iter().filter_map(|section| section["facts"].as_array()).map(Vec::as_slice);
    body.extend([facts.as_slice()].into_iter().chain(of_sections).filter_map(fact_set));
    let mut card = json!({"type": "AdaptiveCard", "version": "1.4", "body": body});
    let actions: Vec<Json> = actions.iter().filter_map(open_url).collect();
    if !actions.is_empty() {
        card["actions"] = actions.into();
    }
    Ok(card)
}

fn title(text: &str, color: String) -> Json {
    let mut block = json!({"type": "TextBlock", "text": text, "size": "Large", "weight": "Bolder", "wrap": true});
    post::set_filled(&mut block, [("color", color)]);
    block
}

/// The facts that have a name.
fn fact_set(facts: &[Json]) -> Option<Json> {
    let named = facts.iter().filter_map(|fact| Some(json!({"title": fact["name"].as_str()?, "value": value_of(fact)})));
    let named: Vec<Json> = named.collect();
    (!named.is_empty()).then(|| json!({"type": "FactSet", "facts": named}))
}

/// A fact's value as text; what is none is printed as Go prints it.
fn value_of(fact: &Json) -> String {
    match fact.get("value") {
        None => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => fmt::sprint_v(&from_serde(other, Numbers::Float)).to_lossy().into_owned(),
    }
}

/// `OpenUri` is the one action of a MessageCard that an Adaptive Card has too.
fn open_url(action: &Json) -> Option<Json> {
    let url = action["targets"][0]["uri"].as_str().filter(|url| !url.is_empty())?;
    if action["@type"] != "OpenUri" {
        return None;
    }
    let mut out = json!({"type": "Action.OpenUrl", "url": url});
    post::set_filled(&mut out, [("title", action["name"].as_str().unwrap_or_default().to_owned())]);
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::Verdict;
    use crate::service::testing::{Played, answer, play};

    const SERVICE: &str = "recipientUrls: {ops: 'https://prod.api.powerautomate.com/x?sig=s', old: 'https://h.example/x', open: 'http://api.powerautomate.com/x', here: 'http://127.0.0.1:1/powerautomate/x'}";
    const NASTY: &str = "{{.app.status.operationState.message}}";

    fn sent(template: &str) -> Played {
        play("service.teams-workflows", SERVICE, template, "ops", &[answer(202, "")]).unwrap()
    }
    fn content(played: &Played) -> Json {
        let message = played.json(0);
        assert_eq!(message["type"], "message");
        assert_eq!(message["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
        message["attachments"][0]["content"].clone()
    }

    #[test]
    fn a_message_alone_is_a_text_block() {
        let played = sent(&format!("message: '{NASTY}'"));
        assert_eq!(played.lines(), ["POST https://prod.api.powerautomate.com/x?sig=s"]);
        let body = json!([{"type": "TextBlock", "text": "bad \"quote\"\nand \\ line", "wrap": true}]);
        assert_eq!(content(&played), json!({"type": "AdaptiveCard", "version": "1.4", "body": body}));
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    }

    #[test]
    fn the_fields_of_a_message_card_become_elements() {
        let template = r#"
message: m
teams-workflows:
  title: T
  themeColor: Good
  facts: '[{"name": "n", "value": 1500000}, {"value": "nameless"}, {"name": "none"}, {"name": "null", "value": null}]'
  sections: '[{"facts": [{"name": "s", "value": true}, 7]}, {"text": "no facts"}]'
  potentialAction: '[{"@type": "OpenUri", "name": "Open", "targets": [{"os": "default", "uri": "https://a"}]}, {"@type": "HttpPOST"}]'
"#;
        let card = content(&sent(template));
        let body = json!([
            {"type": "TextBlock", "text": "T", "size": "Large", "weight": "Bolder", "color": "Good", "wrap": true},
            {"type": "TextBlock", "text": "m", "wrap": true},
            {"type": "FactSet", "facts": [{"title": "n", "value": "1.5e+06"}, {"title": "none", "value": ""}, {"title": "null", "value": "<nil>"}]},
            {"type": "FactSet", "facts": [{"title": "s", "value": "true"}]},
        ]);
        assert_eq!(card["body"], body);
        assert_eq!(card["actions"], json!([{"type": "Action.OpenUrl", "title": "Open", "url": "https://a"}]));
    }

    #[test]
    fn an_adaptive_card_is_taken_as_it_is() {
        let card = format!(r#"{{"type": "AdaptiveCard", "x": "{NASTY}"}}"#);
        let played = sent(&format!("teams-workflows: {{title: unused, adaptiveCard: '{card}'}}"));
        assert_eq!(content(&played), json!({"type": "AdaptiveCard", "x": "bad \"quote\"\nand \\ line"}));
        assert_eq!(played.prepared.repairs.len(), 1);
        let error = play("service.teams-workflows", SERVICE, "teams-workflows: {adaptiveCard: '{'}", "ops", &[]);
        assert!(error.unwrap_err().contains("teams-workflows.adaptiveCard"));
    }

    #[test]
    fn urls_are_those_of_workflows() {
        let refusal = |to| play("service.teams-workflows", SERVICE, "message: m", to, &[]).unwrap_err();
        assert!(refusal("old").contains("none of a Teams workflow") && !refusal("old").contains("h.example"));
        assert!(refusal("open").contains("https://"));
        assert!(refusal("dev").contains("names here, old, open, ops"));
        assert!(play("service.teams-workflows", SERVICE, "message: m", "here", &[answer(200, "")]).is_ok());
    }

    #[test]
    fn statuses_decide() {
        let verdict = |status| {
            play("service.teams-workflows", SERVICE, "message: m", "ops", &[answer(status, "")])
                .unwrap()
                .outcome
                .verdict
        };
        assert!(matches!(verdict(429), Verdict::Retry { .. }));
        assert!(matches!(verdict(400), Verdict::Permanent { .. }));
        assert!(matches!(verdict(401), Verdict::Credentials { .. }));
    }
}
