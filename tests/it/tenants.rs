//! Whose configuration applies: self-service namespaces beside the controller's, and the operator's resource beside the ConfigMap.

use crate::env::{Namespace, PATIENCE, Receiver, cluster, stays, wait_for, wait_until};
use crate::running::{Gatepost, Start};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

const NOTIFIED: &str = "notified.notifications.argoproj.io";
const FAILED: &str = "- when: app.status.operationState.phase in ['Failed']\n  send: [failed]\n";

/// Keys that post `word` to a receiver, with a header from the Secret.
fn keys(url: &str, word: &str) -> Value {
    json!({
        "service.webhook.hook": format!("url: {url}/{word}\nretryMax: -1\nheaders:\n- {{name: X-Token, value: $token}}\n"),
        "trigger.on-failed": FAILED,
        "template.failed": format!("webhook:\n  hook: {{method: POST, body: '{word} {{{{.app.metadata.name}}}} {{{{.context.at}}}}'}}\n"),
        "context": "at: home\n",
    })
}

async fn configure(namespace: &Namespace, data: &Value) {
    let manifest = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": data,
    });
    let maps: Api<ConfigMap> = namespace.api();
    let parameters = PatchParams::apply("gatepost-tests").force();
    maps.patch("argocd-notifications-cm", &parameters, &Patch::Apply(manifest)).await.unwrap();
}

async fn secret(namespace: &Namespace, token: &str) {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-notifications-secret"},
        "stringData": {"token": token},
    });
    let secrets: Api<Secret> = namespace.api();
    let parameters = PatchParams::apply("gatepost-tests").force();
    secrets.patch("argocd-notifications-secret", &parameters, &Patch::Apply(manifest)).await.unwrap();
}

async fn failed_application(namespace: &Namespace, name: &str) -> Api<DynamicObject> {
    let manifest = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "annotations": {"notifications.argoproj.io/subscribe.on-failed.hook": ""}},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": {
            "operationState": {"phase": "Failed", "startedAt": "2026-01-01T10:00:00Z",
                "finishedAt": "2026-01-01T10:01:00Z", "operation": {}},
            "reconciledAt": "2026-01-01T10:02:00Z",
        },
    });
    namespace.apply(&manifest.to_string()).await;
    namespace.dynamic("argoproj.io/v1alpha1", "Application").await
}

async fn started(own: &Namespace, tenant: &Namespace, settings: &str) -> Gatepost {
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &own.name, store: None };
    let arguments = ["--application-namespaces", &tenant.name, "--self-service-notification-enabled", "true"];
    Gatepost::start_with(start, &arguments, settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_namespace_adds_its_own_configuration() {
    let (own, tenant) = (cluster().await.namespace().await, cluster().await.namespace().await);
    let receiver = Receiver::start([]).await;
    configure(&own, &keys(&receiver.url(), "own")).await;
    secret(&own, "platform-token").await;
    configure(&tenant, &keys(&receiver.url(), "tenant")).await;
    secret(&tenant, "tenant-token").await;
    let _gatepost = started(&own, &tenant, "[egress.tenants.\"it-*\"]\nallow = [\"127.0.0.0/8\"]").await;
    let api = failed_application(&tenant, "a").await;
    let mut seen: Vec<_> = receiver
        .wait_for(2, PATIENCE)
        .await
        .iter()
        .map(|request| {
            (
                String::from_utf8_lossy(&request.body).into_owned(),
                request.header("x-token").unwrap_or_default().to_owned(),
            )
        })
        .collect();
    seen.sort();
    let expected = [("own a home", "platform-token"), ("tenant a home", "tenant-token")];
    assert_eq!(seen, expected.map(|(body, token)| (body.to_owned(), token.to_owned())));
    let keys_of = || async {
        let text = api.get("a").await.unwrap().metadata.annotations.unwrap_or_default().get(NOTIFIED).cloned();
        let keys: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
        keys.and_then(|keys| Some(keys.as_object()?.keys().cloned().collect::<Vec<_>>())).unwrap_or_default()
    };
    wait_until("both keys are annotated", PATIENCE, || async { keys_of().await.len() == 2 }).await;
    let prefix = format!("{}:on-failed:", tenant.name);
    assert!(keys_of().await.iter().any(|key| key.starts_with(&prefix)), "{:?}", keys_of().await);

    // The tenant's configuration breaks: the controller's goes on.
    let mut broken = keys(&receiver.url(), "tenant");
    broken["trigger.on-failed"] = "- when: app.(\n".into();
    tenant_only(&tenant, &broken).await;
    failed_application(&tenant, "b").await;
    wait_for("the controller's and the tenant's last good one", PATIENCE, || async {
        let bodies: Vec<_> =
            receiver.requests().iter().map(|r| String::from_utf8_lossy(&r.body).into_owned()).collect();
        (bodies.iter().any(|b| b == "own b home") && bodies.iter().any(|b| b == "tenant b home")).then_some(())
    })
    .await;
}

async fn tenant_only(tenant: &Namespace, data: &Value) {
    configure(tenant, data).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_reaches_nothing_private_that_is_not_listed_for_it() {
    let (own, tenant) = (cluster().await.namespace().await, cluster().await.namespace().await);
    let receiver = Receiver::start([]).await;
    configure(&own, &keys(&receiver.url(), "own")).await;
    secret(&own, "t").await;
    configure(&tenant, &keys(&receiver.url(), "tenant")).await;
    secret(&tenant, "t").await;
    let gatepost = started(&own, &tenant, "").await;
    failed_application(&tenant, "a").await;
    receiver.wait_for(1, PATIENCE).await;
    let refusal = wait_for("the refusal is recorded", PATIENCE, || async {
        let items = gatepost.get("deliveries").await["items"].clone();
        let refused = items.as_array()?.iter().find(|d| d["lane"]["configNamespace"] == tenant.name.as_str())?.clone();
        refused["reason"].as_str().filter(|reason| !reason.is_empty()).map(str::to_owned)
    })
    .await;
    assert!(refusal.contains("egress refused") && refusal.contains("egress.tenants"), "{refusal}");
    stays("only the platform's arrives", Duration::from_millis(500), || async { receiver.requests().len() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_resource_wins_over_the_configmap_and_drift_is_an_event() {
    let (own, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    secret(&own, "t").await;
    let mut map = keys(&receiver.url(), "map");
    map["context"] = "at: map\n".into();
    configure(&own, &map).await;
    let ours = keys(&receiver.url(), "resource");
    let resource = |word: &str| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "NotificationsConfiguration",
            "metadata": {"name": "default-notifications-configuration"},
            "spec": {
                "services": {"service.webhook.hook": ours["service.webhook.hook"]},
                "triggers": {"trigger.on-failed": FAILED},
                "templates": {"template.failed": ours["template.failed"]},
                "context": {"at": word},
            },
        })
    };
    own.apply(&resource("yes: # as it is").to_string()).await;
    let gatepost =
        Gatepost::start(Start { kubeconfig: cluster().await.kubeconfig(), namespace: &own.name, store: None }).await;
    failed_application(&own, "a").await;
    let requests = receiver.wait_for(1, PATIENCE).await;
    assert_eq!(String::from_utf8_lossy(&requests[0].body), "resource a yes: # as it is");
    assert!(gatepost.get("config").await["problems"].to_string().contains("drift"));
    let events: Api<Event> = own.api();
    wait_until("drift is an Event", PATIENCE, || async {
        let all = events.list(&Default::default()).await.unwrap().items;
        all.iter().any(|e| {
            e.reason.as_deref() == Some("ConfigurationWarning")
                && e.message.as_deref().is_some_and(|m| m.contains("template.failed"))
        })
    })
    .await;

    // A changed resource is in force without a restart.
    own.apply(&resource("elsewhere").to_string()).await;
    wait_until("the change is in force", PATIENCE, || async {
        gatepost.get("config").await["context"]["at"] == "elsewhere"
    })
    .await;
    failed_application(&own, "b").await;
    wait_until("the new value is sent", PATIENCE, || async {
        receiver.requests().iter().any(|request| request.body == b"resource b elsewhere")
    })
    .await;
}

/// What the operator deletes when its notifications are switched off.
async fn switch_off(own: &Namespace) {
    let resources = own.dynamic("argoproj.io/v1alpha1", "NotificationsConfiguration").await;
    resources.delete("default-notifications-configuration", &Default::default()).await.unwrap();
    let (maps, secrets): (Api<ConfigMap>, Api<Secret>) = (own.api(), own.api());
    maps.delete("argocd-notifications-cm", &Default::default()).await.unwrap();
    secrets.delete("argocd-notifications-secret", &Default::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_deletes_was_copied_before() {
    let (own, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    secret(&own, "kept-token").await;
    configure(&own, &json!({})).await;
    let keys = keys(&receiver.url(), "copied");
    let resource = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "NotificationsConfiguration",
        "metadata": {"name": "default-notifications-configuration"},
        "spec": {
            "services": {"service.webhook.hook": keys["service.webhook.hook"]},
            "triggers": {"trigger.on-failed": FAILED},
            "templates": {"template.failed": keys["template.failed"]},
            "context": {"at": "a: # b"},
        },
    });
    own.apply(&resource.to_string()).await;
    let kubeconfig = cluster().await.kubeconfig();
    let migrate = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.args(["migrate", "openshift", "--namespace", &own.name]).arg("--kubeconfig").arg(kubeconfig).args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let maps: Api<ConfigMap> = own.api();
    assert!(migrate(&["--dry-run"]).contains("would be applied"));
    assert!(maps.get_opt("gatepost-notifications-cm").await.unwrap().is_none(), "a dry run changes nothing");
    assert!(migrate(&[]).contains("--config-map-name gatepost-notifications-cm"));
    switch_off(&own).await;
    let start = Start { kubeconfig, namespace: &own.name, store: None };
    let names = [
        "--config-map-name",
        "gatepost-notifications-cm",
        "--secret-name",
        "gatepost-notifications-secret",
        "--notifications-configuration-name",
        "",
    ];
    let _gatepost = Gatepost::start_with(start, &names, "").await;
    failed_application(&own, "a").await;
    let requests = receiver.wait_for(1, PATIENCE).await;
    assert_eq!((requests[0].text().as_str(), requests[0].header("x-token")), ("copied a a: # b", Some("kept-token")));
}
