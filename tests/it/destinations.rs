//! Destinations and replays through the command line, on a real API server: switched off and on, repeated under the old id
//! and under a new one.

use crate::env::{Answer, Namespace, PATIENCE, Receiver, cluster, stays, wait_until};
use crate::running::{Gatepost, Start};
use k8s_openapi::api::core::v1::Event;
use kube::api::Api;
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn configure(namespace: &Namespace, url: &str) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"},
        "data": {
            "gatepost.service.webhook.hook": format!("url: {url}\nsigningSecret: {SECRET}\nretryMax: -1\n"),
            "trigger.on-failed": "- when: app.status.operationState.phase in ['Failed']\n  send: [failed]\n",
            "template.failed": "webhook:\n  hook: {method: POST, body: '{{.app.metadata.name}}'}\n",
        },
    });
    namespace.apply(&map.to_string()).await;
}

async fn failed(namespace: &Namespace, name: &str) {
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "annotations": {"notifications.argoproj.io/subscribe.on-failed.hook": ""}},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": {"operationState": {"phase": "Failed", "startedAt": "2026-01-01T10:00:00Z",
            "finishedAt": "2026-01-01T10:01:00Z", "operation": {}}, "reconciledAt": "2026-01-01T10:02:00Z"},
    });
    namespace.apply(&application.to_string()).await;
}

fn command(gatepost: &Gatepost, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    let output = command.args(arguments).args(["--server", &gatepost.api]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn machine(gatepost: &Gatepost, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
    serde_json::from_str(&command(gatepost, &arguments)).unwrap()
}

async fn has_event(namespace: &Namespace, reason: &str) {
    let events: Api<Event> = namespace.api();
    wait_until(&format!("an Event {reason}"), PATIENCE, || async {
        let all = events.list(&Default::default()).await.unwrap().items;
        all.iter().any(|event| {
            event.reason.as_deref() == Some(reason) && event.involved_object.kind.as_deref() == Some("ConfigMap")
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gone_receiver_is_left_alone_and_a_person_switches() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::status(410)]).await);
    configure(&namespace, &receiver.url()).await;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("outbox.db");
    let kubeconfig = cluster().await.kubeconfig();
    let start = || Gatepost::start(Start { kubeconfig, namespace: &namespace.name, store: Some(&store) });
    let gatepost = start().await;
    failed(&namespace, "a").await;
    receiver.wait_for(1, PATIENCE).await;
    has_event(&namespace, "DestinationDisabled").await;
    let seen = machine(&gatepost, &["destinations", "list"])["items"][0].clone();
    assert_eq!((&seen["off"]["by"], &seen["last"]["state"]), (&json!("receiver"), &json!("dead")));
    assert!(command(&gatepost, &["destinations", "list"]).contains("disabled (its receiver wants no more"));
    assert!(
        gatepost
            .metrics()
            .await
            .contains("gatepost_destination_disabled{host=\"127.0.0.1\",namespace=\"\",service=\"hook\"} 1")
    );

    // It is off for the next process too.
    receiver.script([Answer::status(200)]);
    assert_eq!(gatepost.terminate().await, Some(0));
    let gatepost = start().await;
    failed(&namespace, "b").await;
    wait_until("it waits", PATIENCE, || async { gatepost.get("destinations").await["items"][0]["pending"] == 1 }).await;
    stays("nothing is sent", Duration::from_secs(1), || async { receiver.requests().len() == 1 }).await;
    command(&gatepost, &["destinations", "enable", "hook"]);
    let requests = receiver.wait_for(2, PATIENCE).await;
    assert_eq!(requests[1].text(), "b");
    has_event(&namespace, "DestinationEnabled").await;
    assert!(gatepost.get("destinations").await["items"][0]["off"].is_null());

    assert!(command(&gatepost, &["destinations", "disable", "hook", "--reason", "maintenance"]).contains("disabled"));
    failed(&namespace, "c").await;
    wait_until("it waits", PATIENCE, || async { gatepost.get("destinations").await["items"][0]["pending"] == 1 }).await;
    let shown = command(&gatepost, &["destinations", "list"]);
    assert!(shown.contains("disabled (by hand: maintenance)"), "{shown}");
    // A changed configuration does not overrule a person.
    configure(&namespace, &format!("{}/elsewhere", receiver.url())).await;
    stays("nothing is sent", Duration::from_secs(2), || async { receiver.requests().len() == 2 }).await;
    command(&gatepost, &["destinations", "enable", "hook"]);
    assert_eq!(receiver.wait_for(3, PATIENCE).await[2].path, "/elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_keeps_the_id_and_a_new_delivery_has_another() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::status(400)]).await);
    configure(&namespace, &receiver.url()).await;
    let kubeconfig = cluster().await.kubeconfig();
    let gatepost = Gatepost::start(Start { kubeconfig, namespace: &namespace.name, store: None }).await;
    failed(&namespace, "a").await;
    failed(&namespace, "b").await;
    wait_until("two dead letters", PATIENCE, || async {
        gatepost.get("deliveries?state=dead").await["items"].as_array().unwrap().len() == 2
    })
    .await;
    receiver.script([Answer::status(200)]);
    let first = receiver.requests()[0].clone();
    let id = first.header("webhook-id").unwrap().to_owned();
    standardwebhooks_accepts(&first);
    let application = format!("{}/{}", namespace.name, first.text());
    let of_app =
        ["--app", &application, "--trigger", "on-failed", "--service", "hook", "--since", "1h", "--state", "dead"];
    let replay = |more: &[&str]| {
        let arguments: Vec<&str> = ["deliveries", "replay"].iter().chain(&of_app).chain(more).copied().collect();
        machine(&gatepost, &arguments)
    };
    assert_eq!(replay(&["--dry-run"])["moved"], json!([id]));
    stays("a dry run sends nothing", Duration::from_millis(500), || async { receiver.requests().len() == 2 }).await;
    assert_eq!(replay(&[])["moved"], json!([id]));
    let again = receiver.wait_for(3, PATIENCE).await[2].clone();
    assert_eq!(again.header("webhook-id"), Some(id.as_str()), "the same delivery");
    assert_eq!(again.body, first.body);
    wait_until("it is delivered", PATIENCE, || async {
        gatepost.get(&format!("deliveries?state=delivered&ids={id}")).await["items"].as_array().unwrap().len() == 1
    })
    .await;
    let made = machine(&gatepost, &["deliveries", "replay", "--as-new", &id])["made"].clone();
    let new = receiver.wait_for(4, PATIENCE).await[3].clone();
    assert_eq!(made, json!([{"id": new.header("webhook-id").unwrap(), "of": id}]));
    assert_ne!(new.header("webhook-id"), Some(id.as_str()));
    assert_eq!(new.body, first.body);
    let listed = command(&gatepost, &["deliveries", "list", &id]);
    assert!(listed.contains(&id) && listed.lines().count() == 2, "only what was named: {listed}");
}

/// The whole check of the reference library, the age of the request included.
fn standardwebhooks_accepts(request: &crate::env::receiver::Received) {
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).unwrap().parse().unwrap());
    }
    standardwebhooks::Webhook::new(SECRET).unwrap().verify(&request.body, &headers).unwrap();
}
