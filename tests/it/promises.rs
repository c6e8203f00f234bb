//! The promises of delivery that need trouble to be seen: receivers that are down, kills, a lost store, refusals, full
//! annotations. One test each, the real binary against a real API server.

use crate::env::receiver::Received;
use crate::env::{Answer, Namespace, PATIENCE, Receiver, cluster, stays, wait_for, wait_until};
use crate::running::{Gatepost, LEASE_SECONDS, Start};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

const NOTIFIED: &str = "notified.notifications.argoproj.io";
const FAILED: &str = "app.status.operationState.phase in ['Failed']";
pub const SUBSCRIBED: &str = "notifications.argoproj.io/subscribe.on-failed.hook";
/// Long enough for a second sending to show itself.
const A_WHILE: Duration = Duration::from_secs(1);

/// A webhook service without its name.
fn service(url: &str, token: &str) -> String {
    json!({
        "url": url, "retryMax": 1, "retryWaitMin": 300_000_000, "retryWaitMax": 300_000_000,
        "headers": [{"name": "Content-Type", "value": "application/json"}, {"name": "X-Token", "value": token}],
    })
    .to_string()
}

/// One condition: the last operation failed.
pub fn trigger(once_per: &str) -> String {
    let mut condition = json!({"when": FAILED, "send": ["failed"]});
    if !once_per.is_empty() {
        condition["oncePer"] = once_per.into();
    }
    json!([condition]).to_string()
}

/// What the service `name` posts; `word` tells one template from another.
fn section(name: &str, path: &str, word: &str) -> Value {
    let body = format!(
        r#"{{"app": "{{{{.app.metadata.name}}}}", "message": "{{{{.app.status.operationState.message}}}}", "word": "{word}"}}"#
    );
    json!({name: {"method": "POST", "path": path, "body": body}})
}

fn template(word: &str) -> String {
    json!({"webhook": section("hook", "/in", word)}).to_string()
}

/// One service `hook`, one trigger `on-failed`, one template.
fn config(url: &str, once_per: &str) -> Value {
    json!({
        "service.webhook.hook": service(url, "none"),
        "trigger.on-failed": trigger(once_per),
        "template.failed": template("plain"),
    })
}

/// Applies the ConfigMap.
pub async fn configure(namespace: &Namespace, data: &Value) {
    let manifest = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": data,
    });
    namespace.apply(&manifest.to_string()).await;
}

async fn set_token(namespace: &Namespace, token: &str) {
    let secrets: Api<Secret> = namespace.api();
    let manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-notifications-secret"},
        "stringData": {"hook-token": token},
    });
    let parameters = PatchParams::apply("gatepost-tests").force();
    secrets.patch("argocd-notifications-secret", &parameters, &Patch::Apply(manifest)).await.unwrap();
}

/// An Application with these annotations, its operation in this phase.
pub async fn create(namespace: &Namespace, name: &str, phase: &str, annotations: Value) {
    let manifest = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": status(phase, "r1", "first"),
    });
    namespace.apply(&manifest.to_string()).await;
}

/// A status whose operation is in this phase.
pub fn status(phase: &str, revision: &str, message: &str) -> Value {
    json!({
        "operationState": {
            "phase": phase, "message": message, "startedAt": "2026-01-01T10:00:00Z",
            "finishedAt": "2026-01-01T10:01:00Z", "operation": {}, "syncResult": {"revision": revision},
        },
        "health": {"status": "Healthy"},
        "reconciledAt": "2026-01-01T10:02:00Z",
    })
}

/// The Applications of the namespace.
pub async fn applications(namespace: &Namespace) -> Api<DynamicObject> {
    namespace.dynamic("argoproj.io/v1alpha1", "Application").await
}

pub async fn set_status(api: &Api<DynamicObject>, name: &str, status: &Value) {
    api.patch(name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await.unwrap();
}

/// The keys of the annotation and their times; empty without one.
async fn annotated(api: &Api<DynamicObject>, name: &str) -> BTreeMap<String, i64> {
    let annotations = api.get(name).await.unwrap().metadata.annotations.unwrap_or_default();
    annotations.get(NOTIFIED).map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default()
}

async fn started(namespace: &Namespace, store: Option<&Path>) -> Gatepost {
    Gatepost::start(Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store }).await
}

/// Deliveries by this query of the API, oldest first or newest first as the API has them.
async fn deliveries(gatepost: &Gatepost, query: &str) -> Vec<Value> {
    gatepost.get(&format!("deliveries?limit=1000&{query}")).await["items"].as_array().unwrap().clone()
}

/// Waits until there are `count` deliveries in a state.
async fn in_state(gatepost: &Gatepost, state: &str, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} deliveries {state}"), PATIENCE, || async {
        Some(deliveries(gatepost, &format!("state={state}")).await).filter(|found| found.len() == count)
    })
    .await
}

fn ids(deliveries: &[Value]) -> BTreeSet<String> {
    deliveries.iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect()
}

fn messages(requests: &[Received]) -> BTreeSet<String> {
    requests.iter().map(|request| request.json()["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_before_a_disarm_and_after_the_next_rise_both_arrive() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::status(503)]).await);
    configure(&namespace, &config(&receiver.url(), "")).await;
    let gatepost = started(&namespace, None).await;
    create(&namespace, "a", "Failed", json!({SUBSCRIBED: ""})).await;
    receiver.wait_for(1, PATIENCE).await;
    let api = applications(&namespace).await;
    set_status(&api, "a", &status("Succeeded", "r1", "mended")).await;
    let view = format!("applications/{}/a", namespace.name);
    wait_until("the fall is seen", PATIENCE, || async {
        gatepost.get(&view).await["triggers"][0]["conditions"][0]["triggered"] == false
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    set_status(&api, "a", &status("Failed", "r1", "second")).await;
    wait_until("the second rise is decided", PATIENCE, || async { deliveries(&gatepost, "").await.len() == 2 }).await;
    receiver.script([Answer::status(200)]);
    let seen = receiver.requests().len();
    assert_eq!(ids(&in_state(&gatepost, "delivered", 2).await).len(), 2);
    let arrived = receiver.requests().split_off(seen);
    assert_eq!(messages(&arrived), BTreeSet::from(["first".to_owned(), "second".to_owned()]));
    stays("each arrives once", A_WHILE, || async { receiver.requests().len() == seen + 2 }).await;
    assert_eq!(annotated(&api, "a").await.len(), 1, "the key is that of the arming in force");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_arming_and_delivery_costs_nothing() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::status(503)]).await);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("outbox.db");
    configure(&namespace, &config(&receiver.url(), "")).await;
    let gatepost = started(&namespace, Some(&store)).await;
    create(&namespace, "a", "Failed", json!({SUBSCRIBED: ""})).await;
    receiver.wait_for(1, PATIENCE).await;
    let before = ids(&deliveries(&gatepost, "").await);
    gatepost.kill();
    receiver.script([Answer::status(200)]);
    let refused = receiver.requests().len();
    let gatepost = started(&namespace, Some(&store)).await;
    assert_eq!(ids(&in_state(&gatepost, "delivered", 1).await), before);
    stays("it arrives once", A_WHILE, || async { receiver.requests().len() == refused + 1 }).await;
    assert_eq!(deliveries(&gatepost, "").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_loss_of_the_store_the_annotation_decides() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::status(503)]).await);
    let lost = || tempfile::tempdir().unwrap();
    configure(&namespace, &config(&receiver.url(), "")).await;
    let folder = lost();
    let gatepost = started(&namespace, Some(&folder.path().join("outbox.db"))).await;
    create(&namespace, "a", "Failed", json!({SUBSCRIBED: ""})).await;
    receiver.wait_for(1, PATIENCE).await;
    gatepost.kill();
    folder.close().unwrap();

    receiver.script([Answer::status(200)]);
    let refused = receiver.requests().len();
    let folder = lost();
    let gatepost = started(&namespace, Some(&folder.path().join("outbox.db"))).await;
    let api = applications(&namespace).await;
    wait_until("what was pending is sent and annotated", PATIENCE, || async { annotated(&api, "a").await.len() == 1 })
        .await;
    stays("it is sent once", A_WHILE, || async { receiver.requests().len() == refused + 1 }).await;
    gatepost.kill();
    folder.close().unwrap();

    let gatepost = started(&namespace, None).await;
    wait_until("it decides", PATIENCE, || async { gatepost.readiness().await["standing"] == "decides" }).await;
    set_status(&api, "a", &status("Failed", "r1", "still")).await;
    stays("what is annotated is not sent again", A_WHILE, || async { receiver.requests().len() == refused + 1 }).await;
    assert!(deliveries(&gatepost, "").await.is_empty());
    assert_eq!(annotated(&api, "a").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_template_releases_its_dead_letter() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::status(422)]).await);
    let mut data = config(&receiver.url(), "");
    configure(&namespace, &data).await;
    let gatepost = started(&namespace, None).await;
    create(&namespace, "a", "Failed", json!({SUBSCRIBED: ""})).await;
    let dead = ids(&in_state(&gatepost, "dead", 1).await);
    let api = applications(&namespace).await;
    set_status(&api, "a", &status("Failed", "r1", "first again")).await;
    stays("the refused is not repeated", A_WHILE, || async { receiver.requests().len() == 1 }).await;
    assert!(annotated(&api, "a").await.is_empty(), "a dead letter is never annotated");
    receiver.script([Answer::status(200)]);
    data["template.failed"] = template("corrected").into();
    configure(&namespace, &data).await;
    assert_eq!(ids(&in_state(&gatepost, "delivered", 1).await), dead, "the same occurrence has the same id");
    wait_until("the annotation is written", PATIENCE, || async { annotated(&api, "a").await.len() == 1 }).await;
    stays("it is sent once", A_WHILE, || async { receiver.requests().len() == 2 }).await;
    assert_eq!(receiver.requests()[1].json()["word"], "corrected");
}

const SERVICES: usize = 15;
const TRIGGERS: usize = 10;
const KEYS: usize = SERVICES * TRIGGERS;

/// 15 services `h…` and 10 triggers `t…`, whose template posts to `/t…` of each service.
fn grid(url: &str) -> Value {
    let mut data = Map::new();
    for service_index in 0..SERVICES {
        let name = format!("service.webhook.h{service_index}");
        data.insert(name, service(&format!("{url}/h{service_index}"), "none").into());
    }
    for trigger_index in 0..TRIGGERS {
        let mut webhook = Map::new();
        for service_index in 0..SERVICES {
            let Value::Object(one) = section(&format!("h{service_index}"), &format!("/t{trigger_index}"), "") else {
                continue;
            };
            webhook.extend(one);
        }
        let condition = json!([{"when": FAILED, "send": [format!("t{trigger_index}")]}]);
        data.insert(format!("trigger.t{trigger_index}"), condition.to_string().into());
        data.insert(format!("template.t{trigger_index}"), json!({"webhook": webhook}).to_string().into());
    }
    data.into()
}

/// Subscribes each trigger to each service.
fn grid_subscriptions() -> Value {
    let pairs = (0..KEYS).map(|index| (index % TRIGGERS, index / TRIGGERS));
    pairs
        .map(|(t, h)| (format!("notifications.argoproj.io/subscribe.t{t}.h{h}"), json!("")))
        .collect::<Map<_, _>>()
        .into()
}

/// When each key was delivered, Unix seconds, as the store has it.
fn times(delivered: &[Value]) -> BTreeMap<String, i64> {
    let time = |delivery: &Value| delivery["updatedMs"].as_i64().unwrap().div_euclid(1000);
    delivered.iter().map(|delivery| (delivery["stateKey"].as_str().unwrap().to_owned(), time(delivery))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_150_keys_all_are_told_once_and_the_100_newest_annotated() {
    let slow = Answer::status(200).after(Duration::from_millis(100));
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([slow]).await);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("outbox.db");
    configure(&namespace, &grid(&receiver.url())).await;
    let gatepost = started(&namespace, Some(&store)).await;
    create(&namespace, "a", "Failed", grid_subscriptions()).await;
    let times = times(&in_state(&gatepost, "delivered", KEYS).await);
    assert_eq!(times.len(), KEYS);
    let paths: BTreeSet<String> = receiver.requests().into_iter().map(|request| request.path).collect();
    assert_eq!((paths.len(), receiver.requests().len()), (KEYS, KEYS), "each key reaches its own path once");

    let api = applications(&namespace).await;
    wait_until("no annotation is owed", PATIENCE, || async { gatepost.get("status").await["owedAnnotations"] == 0 })
        .await;
    let held = annotated(&api, "a").await;
    assert_eq!(held.len(), 100);
    let newest_cut = times.iter().filter(|(key, _)| !held.contains_key(*key)).map(|(_, at)| *at).max();
    assert!(held.values().min().copied() >= newest_cut, "the newest stay");

    for message in ["later", "later still"] {
        set_status(&api, "a", &status("Failed", "r1", message)).await;
        stays("nothing is sent again", A_WHILE, || async { receiver.requests().len() == KEYS }).await;
    }
    gatepost.kill();
    let gatepost = started(&namespace, Some(&store)).await;
    set_status(&api, "a", &status("Failed", "r2", "after a restart")).await;
    stays("nothing is sent again", A_WHILE, || async { receiver.requests().len() == KEYS }).await;
    assert_eq!(deliveries(&gatepost, "").await.len(), KEYS);
    assert_eq!(annotated(&api, "a").await, held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_secret_is_in_force_within_a_second() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    let mut data = config(&receiver.url(), "app.status.operationState.syncResult.revision");
    data["service.webhook.hook"] = service(&receiver.url(), "Bearer $hook-token").into();
    set_token(&namespace, "old").await;
    configure(&namespace, &data).await;
    let _gatepost = started(&namespace, None).await;
    create(&namespace, "a", "Failed", json!({SUBSCRIBED: ""})).await;
    assert_eq!(receiver.wait_for(1, PATIENCE).await[0].header("x-token"), Some("Bearer old"));
    set_token(&namespace, "new").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    set_status(&applications(&namespace).await, "a", &status("Failed", "r2", "later")).await;
    let requests = receiver.wait_for(2, PATIENCE).await;
    assert_eq!(requests[1].header("x-token"), Some("Bearer new"));
    assert_eq!(requests[1].json()["message"], "later", "what was delivered is not released by a new Secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_deliveries_leave_no_descriptors_behind() {
    const RECIPIENTS: usize = 100;
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    configure(&namespace, &config(&receiver.url(), "app.status.operationState.syncResult.revision")).await;
    let gatepost = started(&namespace, None).await;
    create(&namespace, "warm", "Failed", json!({SUBSCRIBED: ""})).await;
    in_state(&gatepost, "delivered", 1).await;
    let before = gatepost.descriptors();
    let recipients: Vec<String> = (0..RECIPIENTS).map(|index| format!("r{index}")).collect();
    create(&namespace, "a", "Failed", json!({SUBSCRIBED: recipients.join(";")})).await;
    in_state(&gatepost, "delivered", 1 + RECIPIENTS).await;
    let api = applications(&namespace).await;
    for round in 2..=3 {
        set_status(&api, "a", &status("Failed", &format!("r{round}"), "again")).await;
        in_state(&gatepost, "delivered", 1 + round * RECIPIENTS).await;
    }
    let began = Instant::now();
    wait_until("descriptors are back to what they were", Duration::from_secs(10), || async {
        gatepost.descriptors() <= before + 10
    })
    .await;
    eprintln!("descriptors: {before} before, {} after, {:?}", gatepost.descriptors(), began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_one_decides_and_the_other_takes_over() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    configure(&namespace, &config(&receiver.url(), "")).await;
    let first = started(&namespace, None).await;
    let second = started(&namespace, None).await;
    let standing = async |gatepost: &Gatepost| gatepost.readiness().await["standing"].as_str().unwrap().to_owned();
    assert_eq!(standing(&first).await, "decides");
    wait_until("the second stands by", PATIENCE, || async { standing(&second).await.starts_with("stands by: ") }).await;
    create(&namespace, "a", "Failed", json!({SUBSCRIBED: ""})).await;
    receiver.wait_for(1, PATIENCE).await;
    let api = applications(&namespace).await;
    wait_until("the first one's key is written", PATIENCE, || async { !annotated(&api, "a").await.is_empty() }).await;
    stays("one owner sends", A_WHILE, || async { receiver.requests().len() == 1 }).await;

    // Cut off: the other one waits for the end of the Lease, takes over what is annotated, and sends what is new.
    first.kill();
    create(&namespace, "b", "Failed", json!({SUBSCRIBED: ""})).await;
    let requests = receiver.wait_for(2, PATIENCE).await;
    assert_eq!(requests[1].json()["app"], "b");
    assert_eq!(standing(&second).await, "decides");
    stays("nothing is sent twice", A_WHILE, || async { receiver.requests().len() == 2 }).await;

    // Asked to stop, it gives the Lease back: the next one need not wait.
    assert_eq!(second.terminate().await, Some(0));
    let began = Instant::now();
    let third = started(&namespace, None).await;
    wait_until("the third decides", PATIENCE, || async { standing(&third).await == "decides" }).await;
    assert!(began.elapsed() < Duration::from_secs(LEASE_SECONDS), "{:?}", began.elapsed());
}
