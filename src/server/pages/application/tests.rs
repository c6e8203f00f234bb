#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::testing::{checked, hostile, words};
use super::super::tests::deliveries;
use super::*;
use crate::notify::evaluate::{ConditionOutcome, DestinationOutcome, Evaluation, TriggerOutcome};
use crate::notify::{Destination, Reason, Subscription};
use gatepost_value::json::{Numbers, from_serde};
use serde_json::{Value as Json, json};

const NOW: i64 = 1_800_000_000_000;

fn object(change: impl FnOnce(&mut Json)) -> Object {
    let mut object = json!({
        "metadata": {"namespace": "argocd", "name": "orders", "uid": "u"},
        "spec": {"project": "shop"},
        "status": {
            "health": {"status": "Degraded", "lastTransitionTime": "2027-01-15T07:58:00Z", "message": "no pods"},
            "sync": {"status": "Synced", "revision": "abcdef0123456789"},
            "operationState": {"phase": "Failed", "startedAt": "2027-01-15T07:50:00Z", "finishedAt": "2027-01-15T07:52:00Z"},
            "history": [{"deployedAt": "2027-01-14T08:00:00Z", "revision": "0123456789abcdef"}],
        },
    });
    change(&mut object);
    Object::new(from_serde(&object, Numbers::Kubernetes))
}

fn destination(name: &str, reason: Reason) -> DestinationOutcome {
    DestinationOutcome {
        destination: Destination { service: name.to_owned(), recipient: "#ops".to_owned() },
        state_key: "k".to_owned(),
        reason,
        message: String::new(),
    }
}

fn condition(when: &str, parts: usize, destinations: Vec<DestinationOutcome>) -> ConditionOutcome {
    ConditionOutcome {
        key: "[0].x".to_owned(),
        when: when.to_owned(),
        triggered: true,
        error: None,
        once_per: String::new(),
        templates: vec!["app-failed".to_owned()],
        trace: vec![(when.to_owned(), "true".to_owned()); parts],
        destinations,
    }
}

fn explained(triggers: Vec<TriggerOutcome>, subscriptions: usize) -> Explained {
    let subscription = Subscription {
        trigger: "on-sync-failed".to_owned(),
        destination: Destination { service: "slack".to_owned(), recipient: "#ops".to_owned() },
        origin: "annotation notifications.argoproj.io/subscribe.on-sync-failed.slack".to_owned(),
    };
    let evaluation = Evaluation { triggers, subscriptions: vec![subscription; subscriptions], ..Evaluation::default() };
    Explained { namespace: String::new(), evaluation, remarks: Vec::new() }
}

fn trigger(name: &str, conditions: Vec<ConditionOutcome>) -> TriggerOutcome {
    TriggerOutcome { name: name.to_owned(), reason: Reason::Triggered, message: String::new(), conditions }
}

fn shown(facts: &Facts) -> String {
    checked(&page(Layout::sample(Section::Applications), facts, &words(), NOW))
}

fn facts(explained: Vec<Explained>) -> Facts {
    Facts { object: object(|_| {}), explained, decisions: Vec::new(), deliveries: Vec::new() }
}

#[test]
fn the_whole_chain_can_be_read() {
    let to = vec![destination("slack", Reason::AlreadySent), destination("mail", Reason::ServiceNotConfigured)];
    let when = "app.status.operationState.phase in ['Error', 'Failed']";
    let html = shown(&facts(vec![explained(vec![trigger("on-sync-failed", vec![condition(when, 2, to)])], 1)]));
    for expected in [
        "<span class=\"badge bad\">Degraded</span>",
        "no pods",
        "comes from",
        "subscribe.on-sync-failed.slack",
        "What its parts come to",
        "It was sent before.",
        "Correct the subscription, or add service.",
        "role=\"img\"",
        "/deliveries?app=argocd%2Forders",
        "Nothing was sent about it.",
    ] {
        assert!(html.to_lowercase().contains(&expected.to_lowercase()), "{expected} is missing in {html}");
    }
}

#[test]
fn nobody_subscribed_says_how_to_subscribe() {
    let mut nobody = explained(Vec::new(), 0);
    nobody.evaluation.skipped = Some(Reason::NoDestinations);
    assert!(shown(&facts(vec![nobody])).contains("notifications.argoproj.io/subscribe"));
}

#[test]
fn a_huge_and_hostile_configuration_stays_a_small_page() {
    let text = || hostile(5_000);
    let outcome = || DestinationOutcome { message: text(), ..destination(&text(), Reason::RenderFailed) };
    let many = |_| {
        let one = condition(&text(), 50, (0..20).map(|_| outcome()).collect());
        let one = ConditionOutcome { error: Some(text()), once_per: text(), templates: vec![text()], ..one };
        TriggerOutcome { message: text(), ..trigger(&text(), vec![one; 5]) }
    };
    let mut all = explained((0..40).map(many).collect(), 300);
    all.remarks = vec![text(); 50];
    let decision = Decision {
        sequence: 1,
        at_ms: NOW - 1_000,
        application: "argocd/orders".into(),
        trigger: text(),
        condition: text(),
        destination: text(),
        reason: Reason::Quota,
        message: text(),
    };
    let object = object(|object| {
        object["status"]["operationState"]["message"] = json!(text());
        object["status"]["health"]["message"] = json!(text());
        object["status"]["history"] =
            json!(vec![json!({"deployedAt": "2027-01-14T08:00:00Z", "revision": text()}); 500]);
    });
    let deliveries = deliveries(DRAWN);
    let html = shown(&Facts { object, explained: vec![all], decisions: vec![decision; 2_000], deliveries });
    assert!(html.contains("more entries are not shown"));
}

#[test]
fn what_happened_has_a_lane_each() {
    let mut some = facts(Vec::new());
    some.decisions = vec![Decision {
        sequence: 1,
        at_ms: NOW - 60_000,
        application: "argocd/orders".into(),
        trigger: "on-sync-failed".into(),
        condition: String::new(),
        destination: "slack:#ops".into(),
        reason: Reason::Triggered,
        message: String::new(),
    }];
    let html = shown(&some);
    assert!(
        html.contains("deployed 0123456789") && html.contains("operation Failed") && html.contains("became Degraded")
    );
    assert!(html.contains("on-sync-failed triggered"));
}
