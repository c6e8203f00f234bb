//! Each rule once: what it finds, and that it is silent where all is well.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::notify::{ConfigInput, LoadOptions};

fn findings(pairs: &[(&str, &str)]) -> Vec<Finding> {
    let configmap: std::collections::BTreeMap<String, String> =
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let input = ConfigInput { configmap: configmap.clone(), ..ConfigInput::default() };
    let config = Configuration::load(&input, None, &LoadOptions::sample());
    assert!(config.problems().is_empty(), "{:?}", config.problems());
    lint(&config, configmap.keys().map(String::as_str))
}

fn rules(pairs: &[(&str, &str)]) -> Vec<&'static str> {
    findings(pairs).iter().map(|finding| finding.rule.as_str()).collect()
}

const SOUND: [(&str, &str); 4] = [
    ("service.webhook.hook", "url: https://h/\nheaders: [{name: Authorization, value: x}]\n"),
    ("template.t", "message: m"),
    ("trigger.on-x", "- when: app.status?.health?.status == 'Degraded'\n  send: [t]\n"),
    ("subscriptions", "- recipients: ['hook:r']\n  triggers: [on-x]\n"),
];

#[test]
fn a_sound_configuration_has_no_finding() {
    assert_eq!(findings(&SOUND), []);
}

#[test]
fn names_that_are_not_there_are_found_with_the_nearest_one() {
    let found = findings(&[
        ("template.failed", "message: m"),
        ("trigger.on-x", "- when: ap.metadata.name == 'a' || app.status?.helth == 1\n  send: [faild, failed]\n"),
        ("subscriptions", "- recipients: ['hook:r']\n  triggers: [on-y]\n"),
        ("defaultTriggers", "[on-z]"),
        ("templates.other", "message: m"),
        ("trigger", "x"),
    ]);
    let of = |rule: Rule| found.iter().filter(|finding| finding.rule == rule).collect::<Vec<_>>();
    assert!(
        of(Rule::UnknownTemplate)[0].message.contains("'faild'")
            && of(Rule::UnknownTemplate)[0].message.contains("did you mean 'failed'")
    );
    assert!(of(Rule::UnknownName)[0].message.contains("'ap' does not exist; did you mean 'app'"));
    assert!(of(Rule::UnknownField)[0].message.contains("app.status has no field 'helth'; did you mean 'health'"));
    assert_eq!(of(Rule::UnknownTrigger).len(), 2);
    assert!(of(Rule::UnknownService)[0].message.contains("'hook'"));
    let ignored: Vec<_> = of(Rule::IgnoredKey).iter().map(|finding| finding.key.as_str()).collect();
    assert_eq!(ignored, ["templates.other", "trigger"]);
}

#[test]
fn what_may_be_nil_is_told_with_its_place() {
    let text = "- when: 'true'\n  send: [t]\n- when: app.status.operationState.phase == 'Failed'\n  oncePer: app.metadata.name\n  send: [t]\n";
    let found = findings(&[("template.t", "message: m"), ("trigger.on-x", text)]);
    let nil: Vec<_> = found.iter().filter(|finding| finding.rule == Rule::MayBeNil).collect();
    assert!(nil.iter().any(|finding| finding.message.starts_with("app.status.operationState may be nil")), "{found:?}");
    assert!(nil.iter().all(|finding| finding.line == Some(3)), "{nil:?}");
    let at = |column: u32| text.lines().nth(2).map(|line| line[column as usize - 1..].to_owned());
    assert!(
        nil.iter().any(|finding| at(finding.column.unwrap()).is_some_and(|rest| rest.starts_with("phase"))),
        "{nil:?}"
    );
    assert!(nil.iter().any(|finding| finding.advice == "write app.status.operationState?.phase"));
}

#[test]
fn what_may_be_nil_in_several_places_is_told_once() {
    let text = "- when: app.status.health.status == 'a' or app.status.health.message == 'b' or app.status.sync == nil\n  send: [t]\n";
    let found = findings(&[("template.t", "message: m"), ("trigger.on-x", text)]);
    let nil = found.iter().filter(|finding| finding.rule == Rule::MayBeNil);
    let nil: Vec<_> = nil.map(|finding| finding.advice.as_str()).collect();
    assert_eq!(
        nil,
        [
            "write app.status?.health, and so in 2 other places",
            "write app.status.health?.status, and so in the other place"
        ]
    );
}

#[test]
fn the_rest_of_the_rules() {
    let once = "- when: app.status?.operationState?.phase == 'Failed'\n  send: [t]\n";
    assert_eq!(rules(&[("template.t", "message: m"), ("trigger.on-x", once)]), ["no-once-per"]);
    assert_eq!(rules(&[("template.t", "message: m")]), ["unused-template"]);
    let plain = "url: http://h/\ntoken: x\n";
    assert_eq!(rules(&[("service.webhook.hook", plain)]), ["plain-http"]);
    let nested = "webhook: {hook: {body: '{\"text\": \"{\\\"a\\\": \\\"{{.app.metadata.name}}\\\"}\"}'}}";
    let send = "- when: 'true'\n  send: [t]\n";
    assert_eq!(rules(&[("template.t", nested), ("trigger.on-x", send)]), ["json-in-json"]);
}
