//! Applications that nothing good can be made of, and receivers that take their time: their neighbours notice nothing.

use crate::env::{Answer, Namespace, PATIENCE, Receiver, cluster, stays, wait_for, wait_until};
use crate::promises::{SUBSCRIBED, applications, configure, create, set_status, status, trigger};
use crate::running::{Gatepost, Start};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Neighbours of the poisoned.
const GOOD: usize = 5;

/// A service with these options, a trigger with this `oncePer`, a template that posts `body`.
fn config(options: Value, once_per: &str, body: &str) -> Value {
    let mut condition: Value = serde_json::from_str(&trigger("")).unwrap();
    if !once_per.is_empty() {
        condition[0]["oncePer"] = once_per.into();
    }
    json!({
        "service.webhook.hook": options.to_string(),
        "trigger.on-failed": condition.to_string(),
        "template.failed": json!({"webhook": {"hook": {"method": "POST", "path": "/", "body": body}}}).to_string(),
    })
}

fn options(url: &str) -> Value {
    json!({"url": url, "headers": [{"name": "Content-Type", "value": "text/plain"}],
        "retryMax": 1, "retryWaitMin": 100_000_000, "retryWaitMax": 100_000_000})
}

async fn started(namespace: &Namespace, more: &str) -> Gatepost {
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    Gatepost::start_with(start, &[], more).await
}

/// Makes an Application fail with this message.
async fn fail(namespace: &Namespace, name: &str, annotations: Value, message: &str) {
    create(namespace, name, "Succeeded", annotations).await;
    set_status(&applications(namespace).await, name, &status("Failed", "r", message)).await;
}

async fn deliveries(gatepost: &Gatepost, name: &str, namespace: &str) -> Vec<Value> {
    let view = gatepost.get(&format!("applications/{namespace}/{name}")).await;
    view["deliveries"].as_array().unwrap().clone()
}

/// Waits until the Application has one delivery in this state.
async fn ends(gatepost: &Gatepost, namespace: &Namespace, name: &str, state: &str) -> Value {
    wait_for(&format!("{name} {state}"), PATIENCE, || async {
        deliveries(gatepost, name, &namespace.name).await.into_iter().next().filter(|found| found["state"] == state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_poisoned_end_where_they_are_seen_and_their_neighbours_are_told() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    let body = "{{.app.metadata.name}} {{if eq .app.metadata.name \"huge\"}}{{repeat 2097152 \"x\"}}{{end}}";
    let once_per = "app.status.operationState.message";
    configure(&namespace, &config(options(&receiver.url()), once_per, body)).await;
    let gatepost = started(&namespace, "").await;

    fail(&namespace, "nul", json!({SUBSCRIBED: ""}), "a\0b").await;
    fail(&namespace, "long", json!({SUBSCRIBED: ""}), &"x".repeat(1_000_000)).await;
    fail(&namespace, "huge", json!({SUBSCRIBED: ""}), "m").await;
    // As full as the API server lets annotations be: ours does not fit in.
    fail(&namespace, "full", json!({SUBSCRIBED: "", "example.com/notes": "x".repeat(262_000)}), "m").await;
    for number in 0..GOOD {
        fail(&namespace, &format!("good{number}"), json!({SUBSCRIBED: ""}), "m").await;
    }

    for number in 0..GOOD {
        ends(&gatepost, &namespace, &format!("good{number}"), "delivered").await;
    }
    for name in ["nul", "full"] {
        ends(&gatepost, &namespace, name, "delivered").await;
    }
    ends(&gatepost, &namespace, "huge", "dead").await;
    let told = || async { told_unstorable(&namespace).await.contains("long") };
    wait_until("the unstorable is told", PATIENCE, told).await;
    assert!(deliveries(&gatepost, "long", &namespace.name).await.is_empty());

    let arrived: BTreeSet<String> =
        receiver.requests().iter().map(|request| request.text().trim().to_owned()).collect();
    let expected = (0..GOOD).map(|number| format!("good{number}")).chain(["nul".to_owned(), "full".to_owned()]);
    assert_eq!(arrived, expected.collect());
    let count = receiver.count();
    stays("each was sent once", Duration::from_secs(1), || async { receiver.count() == count }).await;
    assert_eq!(count, GOOD + 2);
}

/// Applications that an Event calls unstorable.
async fn told_unstorable(namespace: &Namespace) -> BTreeSet<String> {
    let events = namespace.api::<k8s_openapi::api::core::v1::Event>().list(&Default::default()).await.unwrap();
    let unstorable = events.items.into_iter().filter(|event| event.reason.as_deref() == Some("Unstorable"));
    unstorable.filter_map(|event| event.involved_object.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_takes_its_time_is_waited_for_and_told_once() {
    let slow = Answer::status(200).after(Duration::from_millis(1_500));
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([slow]).await);
    configure(&namespace, &config(options(&receiver.url()), "", "{{.app.metadata.name}}")).await;
    let gatepost = started(&namespace, "").await;
    fail(&namespace, "a", json!({SUBSCRIBED: ""}), "m").await;
    ends(&gatepost, &namespace, "a", "delivered").await;
    stays("it is told once", Duration::from_secs(1), || async { receiver.count() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_slower_than_it_may_be_is_told_retry_max_times_more_and_not_again() {
    let slow = Answer::status(200).after(Duration::from_secs(5));
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([slow]).await);
    configure(&namespace, &config(options(&receiver.url()), "", "{{.app.metadata.name}}")).await;
    let gatepost = started(&namespace, "[delivery]\nattemptLimit = 1").await;
    fail(&namespace, "a", json!({SUBSCRIBED: ""}), "m").await;
    let dead = ends(&gatepost, &namespace, "a", "dead").await;
    assert_eq!(dead["reason"], "unknown-outcome");
    assert_eq!(receiver.count(), 2, "once, and retryMax times");
    let id = dead["id"].as_str().unwrap();
    let attempts = gatepost.get(&format!("deliveries/{id}")).await["attempts"].clone();
    assert!(attempts[0]["reason"].as_str().unwrap().contains("delivery.attemptLimit"), "{attempts}");
}
