//! From an Application's change on a real API server to a receiver: what is promised, one test each.

use crate::env::{Answer, Namespace, PATIENCE, Receiver, cluster, stays, wait_for, wait_until};
use crate::running::{Gatepost, Start};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NOTIFIED: &str = "notified.notifications.argoproj.io";

/// A ConfigMap with one webhook service and one trigger on a failed operation.
fn config(url: &str, when: &str, once_per: &str) -> String {
    let once = if once_per.is_empty() { String::new() } else { format!("\n      oncePer: {once_per}") };
    format!(
        r#"
apiVersion: v1
kind: ConfigMap
metadata: {{name: argocd-notifications-cm}}
data:
  service.webhook.hook: |
    url: {url}/in
    retryMax: 1
    retryWaitMin: 50000000
    retryWaitMax: 100000000
    headers: [{{name: Content-Type, value: application/json}}]
  trigger.on-failed: |
    - when: {when}{once}
      send: [failed]
  template.failed: |
    webhook:
      hook:
        method: POST
        body: |
          {{"app": "{{{{.app.metadata.name}}}}", "message": "{{{{.app.status.operationState.message}}}}"}}
"#
    )
}

const FAILED: &str = "app.status.operationState.phase in ['Failed']";

fn application(name: &str, phase: &str) -> String {
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "annotations": {"notifications.argoproj.io/subscribe.on-failed.hook": ""}},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": status(phase, "r1", "m"),
    });
    serde_yaml_ng::to_string(&application).unwrap()
}

fn status(phase: &str, revision: &str, message: &str) -> Value {
    json!({
        "operationState": {
            "phase": phase, "message": message, "startedAt": "2026-01-01T10:00:00Z", "finishedAt": "2026-01-01T10:01:00Z",
            "operation": {}, "syncResult": {"revision": revision},
        },
        "health": {"status": "Healthy"},
        "reconciledAt": "2026-01-01T10:02:00Z",
    })
}

async fn applications(namespace: &Namespace) -> Api<DynamicObject> {
    namespace.dynamic("argoproj.io/v1alpha1", "Application").await
}

async fn set_status(api: &Api<DynamicObject>, name: &str, status: &Value) {
    api.patch(name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await.unwrap();
}

async fn annotation(api: &Api<DynamicObject>, name: &str) -> Option<String> {
    api.get(name).await.unwrap().metadata.annotations.unwrap_or_default().get(NOTIFIED).cloned()
}

async fn started(namespace: &Namespace) -> Gatepost {
    Gatepost::start(Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_posted_once_annotated_and_disarmed() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    namespace.apply(&config(&receiver.url(), FAILED, "")).await;
    namespace.apply(&application("a", "Succeeded")).await;
    let gatepost = started(&namespace).await;
    let api = applications(&namespace).await;
    set_status(&api, "a", &status("Failed", "r1", "say \"no\"\nto C:\\temp")).await;
    let requests = receiver.wait_for(1, PATIENCE).await;
    assert_eq!(requests[0].json(), json!({"app": "a", "message": "say \"no\"\nto C:\\temp"}));
    wait_until("the annotation is written", PATIENCE, || async { annotation(&api, "a").await.is_some() }).await;
    set_status(&api, "a", &status("Succeeded", "r1", "ok")).await;
    wait_until("the annotation is taken out again", PATIENCE, || async { annotation(&api, "a").await.is_none() }).await;
    set_status(&api, "a", &status("Failed", "r2", "again")).await;
    receiver.wait_for(2, PATIENCE).await;
    stays("nothing is sent twice", Duration::from_secs(1), || async { receiver.requests().len() == 2 }).await;
    assert!(gatepost.metrics().await.contains(
        "argocd_notifications_deliveries_total{service=\"hook\",succeeded=\"true\",trigger=\"on-failed\"} 2"
    ));
    assert_eq!(gatepost.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_notification_with_once_per_is_delivered_when_the_receiver_is_back() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::status(503)]).await);
    namespace.apply(&config(&receiver.url(), FAILED, "app.status.operationState.syncResult.revision")).await;
    let _gatepost = started(&namespace).await;
    namespace.apply(&application("a", "Failed")).await;
    receiver.wait_for(2, PATIENCE).await;
    let api = applications(&namespace).await;
    assert_eq!(annotation(&api, "a").await, None, "a key is written only when delivered");
    receiver.script([Answer::status(200)]);
    wait_until("the annotation is written", PATIENCE, || async {
        annotation(&api, "a").await.is_some_and(|a| a.contains("r1:on-failed:"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hung_receiver_of_21_delays_none_of_the_other_20() {
    let namespace = cluster().await.namespace().await;
    let hung = Receiver::start([Answer::Hang]).await;
    let receiver = Receiver::start([]).await;
    let mut config = config(&receiver.url(), FAILED, "");
    config.push_str(&format!("  service.webhook.hung: |\n    url: {}\n", hung.url().replace("127.0.0.1", "127.0.0.2")));
    config = config.replace(&hung.url().replace("127.0.0.1", "127.0.0.2"), &hung.url());
    for index in 0..20 {
        config.push_str(&format!("  service.webhook.w{index}: |\n    url: {}/w{index}\n", receiver.url()));
    }
    namespace.apply(&config).await;
    let _gatepost = started(&namespace).await;
    let mut manifest: Value = serde_yaml_ng::from_str(&application("a", "Failed")).unwrap();
    let annotations = manifest["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.clear();
    for name in (0..20).map(|index| format!("w{index}")).chain(["hung".into()]) {
        annotations.insert(format!("notifications.argoproj.io/subscribe.on-failed.{name}"), json!(""));
    }
    namespace.apply(&serde_yaml_ng::to_string(&manifest).unwrap()).await;
    let began = Instant::now();
    let requests = receiver.wait_for(20, PATIENCE).await;
    hung.wait_for(1, PATIENCE).await;
    // A second on an idle machine; the bound only has to be far below the hung receiver's two minutes.
    let took = requests.last().unwrap().at.saturating_duration_since(began);
    println!("20 of 21 were delivered after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(10), "the others waited for the hung one: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_deliveries_survive_kill_9_and_none_gets_a_second_id() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::status(503)]).await);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("outbox.db");
    namespace.apply(&config(&receiver.url(), FAILED, "")).await;
    let start = || async {
        Gatepost::start(Start {
            kubeconfig: cluster().await.kubeconfig(),
            namespace: &namespace.name,
            store: Some(&store),
        })
        .await
    };
    let gatepost = start().await;
    for index in 0..5 {
        namespace.apply(&application(&format!("a{index}"), "Failed")).await;
    }
    receiver.wait_for(5, PATIENCE).await;
    let ids = |list: Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect()
    };
    let before = wait_for("five deliveries", PATIENCE, || async {
        Some(ids(gatepost.get("deliveries").await)).filter(|ids| ids.len() == 5)
    })
    .await;
    gatepost.kill();
    receiver.script([Answer::status(200)]);
    let gatepost = start().await;
    wait_until("all are delivered", PATIENCE, || async {
        gatepost.get("deliveries?state=delivered").await["items"].as_array().unwrap().len() == 5
    })
    .await;
    let (mut before, mut after) = (before, ids(gatepost.get("deliveries").await));
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_removed_by_hand_is_sent_again() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    namespace.apply(&config(&receiver.url(), FAILED, "")).await;
    let _gatepost = started(&namespace).await;
    namespace.apply(&application("a", "Failed")).await;
    let api = applications(&namespace).await;
    wait_until("the annotation is written", PATIENCE, || async { annotation(&api, "a").await.is_some() }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let removal = json!({"metadata": {"annotations": {NOTIFIED: null}}});
    api.patch("a", &PatchParams::default(), &Patch::Merge(removal)).await.unwrap();
    receiver.wait_for(2, PATIENCE).await;
    stays("it is sent once more only", Duration::from_secs(1), || async { receiver.requests().len() == 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_go_controller_sent_is_not_sent_again() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    namespace.apply(&config(&receiver.url(), FAILED, "")).await;
    let key = "on-failed:[0].CZqb0HEDpcyOmSDlkQvB2DAmhZ4:hook:";
    let gatepost = started(&namespace).await;
    namespace.apply(&application("probe", "Succeeded")).await;
    let probe = wait_for("the condition's key", PATIENCE, || async {
        let view = gatepost.get(&format!("applications/{}/probe", namespace.name)).await;
        view["triggers"][0]["conditions"][0]["destinations"][0]["stateKey"].as_str().map(str::to_owned)
    })
    .await;
    assert!(probe.starts_with("on-failed:[0].") && probe.ends_with(":hook:") && probe.len() == key.len(), "{probe}");
    let mut manifest: Value = serde_yaml_ng::from_str(&application("a", "Failed")).unwrap();
    manifest["metadata"]["annotations"][NOTIFIED] = json!(json!({probe: 1_760_000_000}).to_string());
    namespace.apply(&serde_yaml_ng::to_string(&manifest).unwrap()).await;
    stays("nothing is sent", Duration::from_secs(2), || async { receiver.requests().is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_key_is_told_stops_nothing_else_and_heals() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    let good = config(&receiver.url(), FAILED, "");
    namespace.apply(&format!("{good}  trigger.broken: |\n    - when: app.status ==\n      send: [failed]\n")).await;
    let gatepost = started(&namespace).await;
    namespace.apply(&application("a", "Failed")).await;
    receiver.wait_for(1, PATIENCE).await;
    let problems = gatepost.get("config").await["problems"].clone();
    assert_eq!(problems[0]["key"], "trigger.broken");
    assert!(problems[0]["line"].as_u64().unwrap() >= 1, "{problems}");
    let events: Api<k8s_openapi::api::core::v1::Event> = namespace.api();
    wait_until("an Event on the ConfigMap", PATIENCE, || async {
        let all = events.list(&Default::default()).await.unwrap().items;
        all.iter()
            .any(|e| e.reason.as_deref() == Some("BrokenKey") && e.involved_object.kind.as_deref() == Some("ConfigMap"))
    })
    .await;
    assert!(gatepost.metrics().await.contains("gatepost_config_broken_keys 1"));
    namespace.apply(&format!("{good}  trigger.broken: |\n    - when: 'true'\n      send: [failed]\n")).await;
    wait_until("it heals", PATIENCE, || async {
        gatepost.get("config").await["problems"].as_array().unwrap().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_our_own_patch_nor_what_no_trigger_reads_is_evaluated() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    namespace.apply(&config(&receiver.url(), FAILED, "")).await;
    let gatepost = started(&namespace).await;
    let looks = |result: &'static str, count: usize| {
        let gatepost = &gatepost;
        let line = format!("gatepost_looks_total{{result=\"{result}\"}} {count}\n");
        async move { gatepost.metrics().await.contains(&line) }
    };
    namespace.apply(&application("a", "Failed")).await;
    let api = applications(&namespace).await;
    wait_until("the annotation is written", PATIENCE, || async { annotation(&api, "a").await.is_some() }).await;
    wait_until("its echo comes in", PATIENCE, || looks("unchanged", 1)).await;
    let unread = json!({"spec": {"source": {"path": "elsewhere"}}});
    api.patch("a", &PatchParams::default(), &Patch::Merge(unread)).await.unwrap();
    wait_until("the change comes in", PATIENCE, || looks("unchanged", 2)).await;
    assert!(looks("evaluated", 1).await, "{}", gatepost.metrics().await);
    set_status(&api, "a", &status("Succeeded", "r1", "m")).await;
    wait_until("what is read is evaluated", PATIENCE, || looks("evaluated", 2)).await;
    let metrics = gatepost.metrics().await;
    assert!(metrics.contains("gatepost_watch_connected{kind=\"Application\"} 1"), "{metrics}");
    assert!(metrics.contains("gatepost_decision_lag_seconds_count"), "{metrics}");
}
