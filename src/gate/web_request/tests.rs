//! Looks in a row: what is asked, what is said of commits, what is kept. Tests named `better_…` are where a gate is safer
//! or kinder than the Promoter on purpose (`spec/gates.md` 21).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::testing::{World, answer, strategy};
use super::{Answer, AskError, Decision};
use crate::gate::engine::{Engine, Integers};
use gatepost_value::Limits;
use serde_json::json;
use std::time::Duration;

const POLLING: &str = r#"
mode: {polling: {interval: 1h}}
success: {when: {expression: 'Response != nil ? Response.Body.approved == true : Phase == "success"'}}
descriptionTemplate: '{{ .Phase }}'
"#;
const POLLING_ONCE: &str = r#"
mode: {context: promotionstrategy, polling: {interval: 1h}}
success: {when: {expression: 'Response != nil ? Response.Body.approved == true : Phase == "success"'}}
"#;
const SECOND: Duration = Duration::from_secs(1);

fn said(phase: &str, sha: &str) -> Option<(String, String)> {
    Some((phase.to_owned(), sha.to_owned()))
}

#[test]
fn better_a_new_commit_inside_the_interval_is_asked_about_at_once() {
    let mut world = World::with_spec(POLLING, strategy(&["dev"]));
    world.look();
    assert_eq!(world.says("dev"), said("success", "dev-1"));
    world.responds(200, json!({"approved": false}));
    world.push("dev", "dev-2");
    world.pass(SECOND);
    world.look();
    assert_eq!((world.requests.len(), world.says("dev")), (2, said("pending", "dev-2")));
    assert_eq!(world.status()["environments"][0]["lastSuccessfulSha"], "dev-1");
    // Back to the approved commit: it passed, and is asked about again.
    world.responds(200, json!({"approved": true}));
    world.push("dev", "dev-1");
    world.pass(SECOND);
    world.look();
    assert_eq!(world.says("dev"), said("success", "dev-1"));
}

#[test]
fn better_a_new_commit_of_one_branch_renews_the_shared_request() {
    let mut world = World::with_spec(POLLING_ONCE, strategy(&["dev", "prod"]));
    world.look();
    assert_eq!((world.requests.len(), world.says("prod")), (1, said("success", "prod-1")));
    world.responds(200, json!({"approved": false}));
    world.push("prod", "prod-2");
    world.pass(SECOND);
    world.look();
    assert_eq!((world.requests.len(), world.says("prod")), (2, said("pending", "prod-2")));
    // Pending now, and not new any more: the interval holds again.
    world.pass(SECOND);
    world.look();
    assert_eq!(world.requests.len(), 2);
}

#[test]
fn better_a_carried_success_does_not_pass_to_a_commit_that_was_not_asked_about() {
    for context in ["environments", "promotionstrategy"] {
        let spec = format!(
            "mode: {{context: {context}, trigger: {{when: {{expression: 'Phase == \"\"'}}}}}}\n\
             success: {{when: {{expression: 'Response != nil || Phase == \"success\"'}}}}"
        );
        let mut world = World::with_spec(&spec, strategy(&["dev"]));
        world.look();
        world.look();
        assert_eq!(world.says("dev"), said("success", "dev-1"));
        world.push("dev", "dev-2");
        world.look();
        assert_eq!(world.says("dev"), said("pending", "dev-2"), "{context}");
        assert_eq!((world.last.looks[0].unasked.clone(), world.requests.len()), (vec!["dev".to_owned()], 1));
    }
}

#[test]
fn better_nothing_passes_that_no_request_was_made_for_even_where_memory_is_lost() {
    let spec = "mode: {trigger: {when: {expression: 'false'}}}\nsuccess: {when: {expression: 'true'}}";
    let mut world = World::with_spec(spec, strategy(&["dev"]));
    world.look();
    world.memory = super::Memory::default();
    world.look();
    assert_eq!((world.says("dev"), world.requests.len()), (said("pending", "dev-1"), 0));
}

#[test]
fn a_success_may_come_later_for_a_commit_that_was_asked_about() {
    let spec = "mode: {trigger: {when: {expression: 'Phase == \"\"'}}}\n\
                success: {when: {expression: 'Response == nil'}}";
    let mut world = World::with_spec(spec, strategy(&["dev"]));
    world.look();
    assert_eq!(world.says("dev"), said("pending", "dev-1"));
    world.look();
    assert_eq!((world.says("dev"), world.requests.len()), (said("success", "dev-1"), 1));
}

#[test]
fn better_one_environments_failure_is_its_own() {
    let spec = "mode: {polling: {interval: 1m}}\nsuccess: {when: {expression: 'Response != nil && Response.Body.ok'}}";
    let mut world = World::with_spec(spec, strategy(&["dev", "test", "prod"])).answering(|request| {
        if request.url.ends_with("test") { answer(200, json!({"ok": "yes"})) } else { answer(200, json!({"ok": true})) }
    });
    world.look();
    assert_eq!((world.says("dev"), world.says("prod")), (said("success", "dev-1"), said("success", "prod-1")));
    assert_eq!(world.says("test"), None);
    let (ready, reason, message) = world.ready_now();
    assert_eq!((ready.as_str(), reason.as_str()), ("False", "ReconciliationError"));
    assert!(
        message.contains("environment \"test\"") && message.contains("next try at 2026-01-02T03:04:10Z"),
        "{message}"
    );
    // What is stored of it stays where it fails later.
    world.responds(200, json!({"ok": true}));
    world.pass(Duration::from_secs(5));
    world.look();
    assert_eq!((world.requests.len(), world.says("test")), (4, said("success", "test-1")));
    world.push("test", "test-2");
    world.respond = Box::new(|_| Err(AskError("HTTP request failed: no route".into())));
    world.look();
    let stored = world.status()["environments"][1].clone();
    assert_eq!((stored["phase"].as_str(), stored["reportedSha"].as_str()), (Some("success"), Some("test-1")));
    assert_eq!(world.says("test"), said("success", "test-1"), "the old commit's, which nobody asks for");
    assert_eq!(world.last.keep.as_ref().map(Vec::len), Some(3));
}

#[test]
fn better_trouble_is_asked_again_soon_and_told() {
    let mut world = World::with_spec(POLLING, strategy(&["dev"]));
    world.responds(503, json!({}));
    world.look();
    assert_eq!((world.says("dev"), world.last.requeue_after), (said("pending", "dev-1"), Some(5 * SECOND)));
    assert_eq!(world.last.next_try, Some(world.now.secs * 1_000 + 5_000));
    // A look in between asks nothing and puts nothing off.
    world.pass(3 * SECOND);
    world.look();
    assert_eq!((world.requests.len(), world.last.requeue_after), (1, Some(2 * SECOND)));
    world.pass(2 * SECOND);
    world.look();
    assert_eq!((world.requests.len(), world.last.requeue_after), (2, Some(10 * SECOND)));
    world.responds(200, json!({"approved": true}));
    world.pass(10 * SECOND);
    world.look();
    assert_eq!((world.says("dev"), world.last.next_try), (said("success", "dev-1"), None));
}

#[test]
fn an_interval_is_one_of_questions_with_half_of_it_left_in_peace_after_the_answer() {
    let mut world = World::with_spec(POLLING, strategy(&["dev"]));
    world.gate["spec"]["mode"]["polling"]["interval"] = json!("10s");
    world.responds(200, json!({"approved": false}));
    for (takes, left) in [(0, 10), (3, 7), (5, 5), (8, 5)] {
        world.takes = takes * SECOND;
        let asked = world.requests.len() + 1;
        world.look();
        assert_eq!((world.requests.len(), world.last.requeue_after), (asked, Some(left * SECOND)), "{takes}");
        world.pass((left - 1) * SECOND);
        world.look();
        assert_eq!((world.requests.len(), world.last.requeue_after), (asked, Some(SECOND)), "{takes}");
        world.pass(SECOND);
    }
}

#[test]
fn better_retry_after_is_believed() {
    let mut world = World::with_spec(POLLING, strategy(&["dev"])).answering(|_| {
        Ok(Answer { status: 429, headers: vec![("retry-after".into(), "90".into())], body: Vec::new() })
    });
    world.gate["spec"]["success"]["when"]["expression"] = json!("Response != nil && Response.StatusCode == 200");
    world.look();
    assert_eq!(world.last.requeue_after, Some(90 * SECOND));
    // A new commit waits, too: the receiver said so.
    world.push("dev", "dev-2");
    world.pass(SECOND);
    world.look();
    assert_eq!((world.requests.len(), world.says("dev")), (1, said("pending", "dev-2")));
}

#[test]
fn better_a_failed_request_is_tried_again_with_its_words_kept() {
    let spec = POLLING
        .replace("polling: {interval: 1h}", "trigger: {requeueDuration: 1h, when: {expression: 'Phase == \"\"'}}");
    let mut world = World::with_spec(&spec, strategy(&["dev"]));
    world.respond = Box::new(|_| Err(AskError("HTTP request failed: no route".into())));
    world.look();
    assert!(world.events.iter().any(|event| event.reason == "WebRequestFailed" && event.note.contains("no route")));
    let told = world.events.len();
    world.pass(SECOND);
    world.look();
    assert_eq!((world.requests.len(), world.events.len()), (1, told));
    assert!(world.ready_now().2.contains("no route"));
    assert!(matches!(world.last.looks[0].decision, Decision::Hold { .. }));
    world.responds(200, json!({"approved": true}));
    world.pass(4 * SECOND);
    world.look();
    assert_eq!((world.requests.len(), world.says("dev")), (2, said("success", "dev-1")));
    // A changed spec is tried at once.
    world.respond = Box::new(|_| Err(AskError("HTTP request failed: no route".into())));
    world.gate["spec"]["mode"]["trigger"]["when"]["expression"] = json!("true");
    world.look();
    world.gate["metadata"]["generation"] = json!(2);
    world.look();
    assert_eq!(world.requests.len(), 4);
}

#[test]
fn better_an_expression_that_needs_an_answer_gets_one() {
    let spec = "mode: {polling: {interval: 1h}}\nsuccess: {when: {expression: 'Response.StatusCode == 204'}}";
    let mut world = World::with_spec(spec, strategy(&["dev"]));
    world.look();
    world.look();
    assert!(world.ready_now().2.contains("cannot fetch StatusCode from <nil>"));
    assert_eq!((world.requests.len(), world.says("dev")), (1, said("pending", "dev-1")));
    world.responds(204, json!(null));
    world.pass(5 * SECOND);
    world.look();
    assert_eq!((world.requests.len(), world.says("dev")), (2, said("success", "dev-1")));
}

#[test]
fn better_a_finished_gate_keeps_its_texts() {
    let spec = r#"
mode: {polling: {interval: 1h}}
descriptionTemplate: 'Build {{ index .SuccessVariables "tag" }}'
success: {when: {variables: {expression: '{tag: Response.Body.tag}'}, expression: 'Variables.tag != ""'}}
"#;
    let mut world = World::with_spec(spec, strategy(&["dev"]));
    world.responds(200, json!({"tag": "v1"}));
    world.look();
    world.look();
    assert!(matches!(world.last.looks[0].decision, Decision::Skip));
    assert_eq!((world.requests.len(), world.description("dev")), (1, "Build v1"));
}

#[test]
fn better_polling_alone_writes_once_a_minute() {
    let spec = "mode: {polling: {interval: 10s}}\nsuccess: {when: {expression: 'false'}}";
    let mut world = World::with_spec(spec, strategy(&["dev"]));
    for _ in 0..19 {
        world.look();
        world.pass(10 * SECOND);
    }
    // The first write, and one for each of the three minutes: the interval counts from the request, not from the write.
    assert_eq!((world.requests.len(), world.writes), (19, 4));
    world.pass(5 * SECOND);
    world.look();
    world.pass(5 * SECOND);
    world.look();
    assert_eq!(world.requests.len(), 20);
}

#[test]
fn better_integers_of_bodies_and_outputs_stay_integers() {
    let spec = r#"
mode: {trigger: {when: {expression: 'true'}, response: {output: {expression: '{id: Response.Body.id}'}}}}
success: {when: {expression: 'Response.Body.id == 12345678'}}
descriptionTemplate: '{{ .ResponseOutput.id }}'
"#;
    for (integers, shown) in [(Integers::AsGo, "1.2345678e+07"), (Integers::Exact, "12345678")] {
        let mut world = World::with_spec(spec, strategy(&["dev"]));
        world.engine = Engine::new(Limits::default(), integers);
        world.responds(200, json!({"id": 12_345_678}));
        world.look();
        assert_eq!((world.description("dev"), world.says("dev")), (shown, said("success", "dev-1")));
        assert_eq!(world.status()["environments"][0]["responseOutput"], json!({"id": 12_345_678}));
    }
}

#[test]
fn attempts_are_counted_by_commit() {
    let mut world = World::with_spec(POLLING, strategy(&["dev"]));
    world.responds(200, json!({}));
    let attempt = |world: &World| match &world.last.looks[0].decision {
        Decision::Ask(ask) => ask.attempt,
        other => panic!("{other:?}"),
    };
    for expected in [1, 2, 3] {
        world.look();
        assert_eq!(attempt(&world), expected);
        world.pass(Duration::from_secs(3_600));
    }
    world.push("dev", "dev-2");
    world.look();
    assert_eq!(attempt(&world), 1);
}

#[test]
fn what_a_gate_names_and_is_not_there_leaves_all_as_it_was() {
    let mut world = World::with_spec(POLLING, strategy(&["dev"]));
    world.look();
    let stored = world.status()["environments"].clone();
    world.strategy = None;
    world.look();
    assert!(world.ready_now().2.starts_with("Reconciliation failed: referenced PromotionStrategy \"app\" not found"));
    assert_eq!((world.status()["environments"].clone(), world.last.requeue_after), (stored, Some(5 * SECOND)));
    world.look();
    assert_eq!(world.last.requeue_after, Some(10 * SECOND));
    // A commit that is not known yet is the whole gate's trouble.
    world.strategy = Some(strategy(&["dev", "prod"]));
    world.push("prod", "");
    world.look();
    assert!(world.ready_now().2.contains("no SHA available for environment \"prod\" (reportOn: \"proposed\")"));
    assert_eq!(world.last.keep, None);
}

#[test]
fn texts_that_fail_are_tried_again_slower_and_slower_without_asking() {
    let spec = POLLING.replace("'{{ .Phase }}'", "'{{ fail \"no\" }}'");
    let mut world = World::with_spec(&spec, strategy(&["dev"]));
    world.look();
    let mut waits = vec![world.last.requeue_after.unwrap().as_secs()];
    for _ in 0..3 {
        world.pass(world.last.requeue_after.unwrap());
        world.look();
        waits.push(world.last.requeue_after.unwrap().as_secs());
    }
    assert_eq!((waits, world.requests.len(), world.says("dev")), (vec![5, 10, 20, 40], 1, None));
}

#[test]
fn environments_that_go_are_forgotten() {
    let mut world = World::with_spec(POLLING, strategy(&["dev", "prod"]));
    world.look();
    world.strategy = Some(strategy(&["prod"]));
    world.look();
    assert_eq!((world.says("dev"), world.commit_statuses.len(), world.memory.scopes.len()), (None, 1, 1));
    // None at all: no timer in context promotionstrategy, the usual one else.
    world.gate["spec"]["key"] = json!("other");
    world.look();
    assert_eq!((world.last.requeue_after, world.commit_statuses.len()), (Some(Duration::from_secs(3_600)), 0));
    world.gate["spec"]["mode"]["context"] = json!("promotionstrategy");
    world.look();
    assert_eq!(world.last.requeue_after, None);
}
