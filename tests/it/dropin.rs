//! What a drop-in has to live with: Applications that vanish unseen, a Role that allows little, its own addresses in
//! somebody's configuration. The real binary against a real API server, or on a folder.

use crate::env::{Namespace, PATIENCE, Receiver, cluster, stays, wait_until};
use crate::running::{Gatepost, Start};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Event, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::config::Kubeconfig;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const DELETED: &str = "- when: app.metadata.deletionTimestamp != nil\n  send: [gone]\n";
const FAILED: &str = "- when: app.status.operationState.phase in ['Failed']\n  send: [failed]\n";
const A_WHILE: Duration = Duration::from_secs(1);

fn config(url: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"},
        "data": {
            "service.webhook.hook": format!("url: {url}\nretryMax: -1\n"),
            "trigger.on-deleted": DELETED,
            "trigger.on-failed": FAILED,
            "template.gone": "webhook:\n  hook: {method: POST, body: 'gone {{.app.metadata.name}} {{.app.spec.project}} {{.app.metadata.deletionTimestamp}}'}\n",
            "template.failed": "webhook:\n  hook: {method: POST, body: 'failed {{.app.metadata.name}}'}\n",
        },
    })
}

fn application(name: &str, trigger: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "labels": {"team": "a"},
            "annotations": {format!("notifications.argoproj.io/subscribe.{trigger}.hook"): ""}},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": {
            "operationState": {"phase": "Failed", "startedAt": "2026-01-01T10:00:00Z",
                "finishedAt": "2026-01-01T10:01:00Z", "operation": {}},
            "reconciledAt": "2026-01-01T10:02:00Z",
        },
    })
}

async fn create(namespace: &Namespace, name: &str, trigger: &str) -> Api<DynamicObject> {
    namespace.apply(&application(name, trigger).to_string()).await;
    namespace.dynamic("argoproj.io/v1alpha1", "Application").await
}

fn texts(receiver: &Receiver) -> Vec<String> {
    receiver.requests().iter().map(|request| request.text()).collect()
}

async fn is_evaluated(gatepost: &Gatepost, count: u64) {
    let line = format!("gatepost_looks_total{{result=\"evaluated\"}} {count}");
    wait_until(&line, PATIENCE, || async { gatepost.metrics().await.lines().any(|found| found == line) }).await;
}

async fn is_on_record(gatepost: &Gatepost, delivered: usize) {
    wait_until("what was sent is on record", PATIENCE, || async {
        gatepost.get("deliveries?state=delivered").await["items"].as_array().is_some_and(|all| all.len() == delivered)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_told_once_whether_it_was_seen_or_not() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    namespace.apply(&config(&receiver.url()).to_string()).await;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("outbox.db");
    let start = async || {
        Gatepost::start(Start {
            kubeconfig: cluster().await.kubeconfig(),
            namespace: &namespace.name,
            store: Some(&store),
        })
        .await
    };
    let gatepost = start().await;
    let api = create(&namespace, "seen", "on-deleted").await;
    create(&namespace, "unseen", "on-deleted").await;
    create(&namespace, "stays", "on-deleted").await;
    is_evaluated(&gatepost, 3).await;
    api.delete("seen", &DeleteParams::default()).await.unwrap();
    receiver.wait_for(1, PATIENCE).await;
    assert!(texts(&receiver)[0].starts_with("gone seen default 20"), "{:?}", texts(&receiver));

    // While nobody is there; a kill before the outcome is on record would make it be told again.
    is_on_record(&gatepost, 1).await;
    gatepost.kill();
    api.delete("unseen", &DeleteParams::default()).await.unwrap();
    let gatepost = start().await;
    receiver.wait_for(2, PATIENCE).await;
    assert!(texts(&receiver)[1].starts_with("gone unseen default 20"), "{:?}", texts(&receiver));
    is_on_record(&gatepost, 2).await;
    gatepost.kill();
    let _gatepost = start().await;
    stays("each is told once, and who is there not at all", A_WHILE, || async { receiver.requests().len() == 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_only_leaves_the_selection_is_not_deleted() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    namespace.apply(&config(&receiver.url()).to_string()).await;
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    let gatepost = Gatepost::start_with(start, &["--app-label-selector", "team=a"], "").await;
    create(&namespace, "a", "on-deleted").await;
    is_evaluated(&gatepost, 1).await;
    let mut moved = application("a", "on-deleted");
    moved["metadata"]["labels"]["team"] = json!("b");
    namespace.apply(&moved.to_string()).await;
    wait_until("it has left", PATIENCE, || async {
        gatepost.metrics().await.contains("gatepost_departures_total{result=\"forgotten\"} 1")
    })
    .await;
    stays("nothing is told", A_WHILE, || async { receiver.requests().is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_vanished_while_nobody_looked_is_told_of() {
    let receiver = Receiver::start([]).await;
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |name: &str, value: &Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    write("cm.yaml", &config(&receiver.url()));
    write("a.yaml", &application("a", "on-deleted"));
    write("b.yaml", &application("b", "on-failed"));
    let store = kept.path().join("outbox.db");
    let gatepost = Gatepost::start_on_files_with(folder.path(), &store).await;
    receiver.wait_for(1, PATIENCE).await;
    wait_until("nothing is owed where nothing can be annotated", PATIENCE, || async {
        gatepost.get("status").await["owedAnnotations"] == 0
    })
    .await;
    gatepost.kill();
    std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
    let _gatepost = Gatepost::start_on_files_with(folder.path(), &store).await;
    receiver.wait_for(2, PATIENCE).await;
    let texts = texts(&receiver);
    assert!(texts[0] == "failed b" && texts[1].starts_with("gone a default 20"), "{texts:?}");
    stays("what was delivered is not sent again", A_WHILE, || async { receiver.requests().len() == 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gatepost_itself_and_the_api_server_are_no_receivers() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    let config_file = Kubeconfig::read_from(cluster().await.kubeconfig()).unwrap();
    let server = config_file.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
    let mut map = config(&receiver.url());
    map["data"]["service.webhook.api"] = json!(format!("url: {server}\n"));
    map["data"]["template.failed"] = json!("message: m\nwebhook:\n  hook: {method: POST}\n  api: {method: POST}\n");
    namespace.apply(&map.to_string()).await;
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    let gatepost = Gatepost::start(start).await;
    let mut own = map.clone();
    own["data"]["service.webhook.own"] = json!(format!("url: {}/api/v1/status\n", gatepost.api));
    namespace.apply(&own.to_string()).await;
    wait_until("the service is known", PATIENCE, || async {
        gatepost.get("config").await["services"].as_array().unwrap().len() == 3
    })
    .await;
    let mut object = application("a", "on-failed");
    for service in ["api", "own"] {
        object["metadata"]["annotations"][format!("notifications.argoproj.io/subscribe.on-failed.{service}")] =
            json!("");
    }
    namespace.apply(&object.to_string()).await;
    receiver.wait_for(1, PATIENCE).await;
    wait_until("both are refused", PATIENCE, || async {
        let items = gatepost.get("deliveries").await["items"].clone();
        let refused = |item: &&Value| {
            item["reason"].as_str().is_some_and(|why| why.contains("the API server, the store or Gatepost itself"))
        };
        items.as_array().unwrap().iter().filter(refused).count() == 2
    })
    .await;
}

/// The rights of the Role in Argo CD's own manifests, and no other.
fn stock_role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "argocd-notifications-controller"},
        "rules": [
            {"apiGroups": ["argoproj.io"], "resources": ["applications", "appprojects"],
                "verbs": ["get", "list", "watch", "update", "patch"]},
            {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["list", "watch"]},
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["argocd-notifications-cm"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["argocd-notifications-secret"], "verbs": ["get"]},
        ],
    })
}

/// A kubeconfig of the stock ServiceAccount.
async fn stock_account(namespace: &Namespace, folder: &Path) -> PathBuf {
    const NAME: &str = "argocd-notifications-controller";
    let accounts: Api<ServiceAccount> = namespace.api();
    let parameters = PostParams::default();
    let account = json!({"metadata": {"name": NAME}});
    accounts.create(&parameters, &serde_json::from_value(account).unwrap()).await.unwrap();
    let roles: Api<Role> = namespace.api();
    roles.create(&parameters, &serde_json::from_value(stock_role()).unwrap()).await.unwrap();
    let binding = json!({
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace.name}],
    });
    let bindings: Api<RoleBinding> = namespace.api();
    bindings.create(&parameters, &serde_json::from_value(binding).unwrap()).await.unwrap();
    let wanted = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
    let token = accounts.create_token_request(NAME, &parameters, &wanted).await.unwrap().status.unwrap().token;
    let mut file: Value =
        serde_yaml_ng::from_str(&std::fs::read_to_string(cluster().await.kubeconfig()).unwrap()).unwrap();
    file["users"][0]["user"] = json!({"token": token});
    let path = folder.join("stock-kubeconfig");
    std::fs::write(&path, file.to_string()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn under_the_stock_role_it_works_and_says_what_is_limited() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = stock_account(&namespace, folder.path()).await;
    let mut map = config(&receiver.url());
    map["data"]["trigger.broken"] = json!("- when: app.(\n");
    namespace.apply(&map.to_string()).await;
    let gatepost = Gatepost::start_as_stock(&kubeconfig, &namespace.name).await;
    let api = create(&namespace, "a", "on-failed").await;
    receiver.wait_for(1, PATIENCE).await;
    assert_eq!(texts(&receiver), ["failed a"]);
    wait_until("the annotation is written", PATIENCE, || async {
        let annotations = api.get("a").await.unwrap().metadata.annotations.unwrap_or_default();
        annotations.contains_key("notified.notifications.argoproj.io")
    })
    .await;
    wait_until("what is limited is said", PATIENCE, || async {
        let said = gatepost.readiness().await;
        said["limits"].as_array().is_some_and(|limits| limits.len() == 3)
    })
    .await;
    let said = gatepost.readiness().await;
    assert_eq!((&said["durable"], &said["standing"]), (&json!(false), &json!("decides, without a Lease")));
    for word in ["leases", "events", "notificationsconfigurations"] {
        assert!(said["limits"].to_string().contains(word), "{said}");
    }
    let events: Api<Event> = namespace.api();
    assert!(events.list(&ListParams::default()).await.unwrap().items.is_empty(), "no Event could be written");
    assert_eq!(gatepost.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_cannot_be_read_is_an_event_on_its_application() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    namespace.apply(&config(&receiver.url()).to_string()).await;
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    let gatepost = Gatepost::start(start).await;
    let mut object = application("a", "on-failed");
    object["metadata"]["annotations"]["notifications.argoproj.io/subscriptions"] = json!("- trigger: on-failed\n");
    namespace.apply(&object.to_string()).await;
    receiver.wait_for(1, PATIENCE).await;
    let events: Api<Event> = namespace.api();
    let told = || async {
        let all = events.list(&ListParams::default()).await.unwrap().items;
        let about = |event: &Event| {
            event.reason.as_deref() == Some("SubscriptionBroken")
                && event.involved_object.kind.as_deref() == Some("Application")
                && event.message.as_deref().is_some_and(|text| text.contains("notifications.argoproj.io/subscriptions"))
        };
        all.iter().filter(|event| about(event)).count()
    };
    wait_until("its owner is told", PATIENCE, || async { told().await == 1 }).await;
    let view = gatepost.get(&format!("applications/{}/a", namespace.name)).await;
    assert!(view["remarks"].to_string().contains("subscriptionBroken"), "{view}");
    assert!(gatepost.metrics().await.contains("gatepost_decisions_total{reason=\"subscriptionBroken\"} 1"));
    assert_eq!(told().await, 1, "once");
}
