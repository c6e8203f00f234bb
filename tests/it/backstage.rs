//! Real cluster, real Backstage: the configuration of Backstage's own guide, from an Application's change to a member's inbox.

use crate::env::{Namespace, PATIENCE, backstage, cluster, wait_until};
use crate::running::{Gatepost, Start};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

const NASTY: &str = "apply failed: \"spec.path\" is \"C:\\temp\"\n\tand 3 more";

fn template(title: &str, description: &str, severity: &str, topic: &str) -> String {
    format!(
        r#"webhook:
  backstage:
    method: POST
    body: |
      {{
        "recipients": {{"type": "entity", "entityRef": "{{{{index .app.metadata.annotations "backstage.io/entity-ref"}}}}"}},
        "payload": {{
          "title": "{{{{.app.metadata.name}}}} - {title}",
          "description": "{description}",
          "link": "{{{{.context.argocdUrl}}}}/applications/{{{{.app.metadata.name}}}}",
          "severity": "{severity}",
          "topic": "{topic}"
        }}
      }}
"#
    )
}

async fn configure(namespace: &Namespace, token: &str) {
    let url = backstage().await.notifications_url();
    let mut data = serde_json::Map::new();
    data.insert("context".into(), json!("argocdUrl: https://argocd.example.com\n"));
    data.insert("service.webhook.backstage".into(), json!(format!(
        "url: {url}\nretryWaitMin: 100000000\nretryWaitMax: 200000000\nheaders:\n- name: Content-Type\n  value: application/json\n- name: Authorization\n  value: Bearer $backstage-token\n"
    )));
    let message = "{{.app.status.operationState.message}}";
    let cases = [
        ("sync-succeeded", "app.status.operationState.phase in ['Succeeded']", "Sync Succeeded", "synced", "low"),
        ("sync-failed", "app.status.operationState.phase in ['Error', 'Failed']", "Sync Failed", message, "high"),
        (
            "health-degraded",
            "app.status.health.status == 'Degraded'",
            "Health Degraded",
            "{{.app.status.health.status}}",
            "high",
        ),
        (
            "deployed",
            "app.status.operationState.phase in ['Succeeded'] and app.status.health.status == 'Healthy'",
            "Deployed",
            "deployed",
            "low",
        ),
    ];
    for (name, when, title, description, severity) in cases {
        data.insert(
            format!("trigger.on-{name}-backstage"),
            json!(format!("- when: {when}\n  send: [app-{name}-backstage]\n")),
        );
        data.insert(
            format!("template.app-{name}-backstage"),
            json!(template(title, description, severity, "argocd.test")),
        );
    }
    let config =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": data});
    namespace.apply(&serde_yaml_ng::to_string(&config).unwrap()).await;
    set_token(namespace, token).await;
}

async fn set_token(namespace: &Namespace, token: &str) {
    namespace.apply(&format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: argocd-notifications-secret}}\nstringData: {{backstage-token: '{token}'}}\n")).await;
}

async fn application(namespace: &Namespace, name: &str, entity: Option<&str>, status: &Value) {
    let mut annotations = json!({});
    for trigger in ["sync-succeeded", "sync-failed", "health-degraded", "deployed"] {
        annotations[format!("notifications.argoproj.io/subscribe.on-{trigger}-backstage.backstage")] = json!("");
    }
    if let Some(entity) = entity {
        annotations["backstage.io/entity-ref"] = json!(entity);
    }
    let manifest = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "annotations": annotations},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": status,
    });
    namespace.apply(&serde_yaml_ng::to_string(&manifest).unwrap()).await;
}

fn status(phase: &str, health: &str, message: &str) -> Value {
    json!({
        "operationState": {"phase": phase, "message": message, "operation": {}, "startedAt": "2026-01-01T10:00:00Z", "finishedAt": "2026-01-01T10:01:00Z"},
        "health": {"status": health}, "reconciledAt": "2026-01-01T10:02:00Z",
    })
}

async fn set(namespace: &Namespace, name: &str, status: &Value) {
    let api = namespace.dynamic("argoproj.io/v1alpha1", "Application").await;
    api.patch(name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await.unwrap();
}

async fn arrives(title: &str, count: usize) -> Vec<Value> {
    let inbox = backstage().await;
    wait_until(&format!("{title} arrives {count} times"), PATIENCE, || async {
        inbox.titled("user:default/alice", title).await.len() == count
    })
    .await;
    inbox.titled("user:default/alice", title).await
}

async fn told(namespace: &Namespace, reason: &str, part: &str) {
    let events: Api<Event> = namespace.api();
    wait_until(&format!("an Event {reason} that says {part}"), PATIENCE, || async {
        let all = events.list(&Default::default()).await.unwrap().items;
        all.iter()
            .any(|e| e.reason.as_deref() == Some(reason) && e.message.as_deref().unwrap_or_default().contains(part))
    })
    .await;
}

async fn started(namespace: &Namespace) -> Gatepost {
    Gatepost::start(Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_reaches_a_members_inbox_exactly_once() {
    let namespace = cluster().await.namespace().await;
    configure(&namespace, backstage().await.token()).await;
    let app = format!("shop-{}", namespace.name);
    application(&namespace, &app, Some("component:default/order-service"), &status("Running", "Progressing", "")).await;
    let _gatepost = started(&namespace).await;
    set(&namespace, &app, &status("Succeeded", "Progressing", "")).await;
    arrives(&format!("{app} - Sync Succeeded"), 1).await;
    set(&namespace, &app, &status("Succeeded", "Healthy", "")).await;
    arrives(&format!("{app} - Deployed"), 1).await;
    set(&namespace, &app, &status("Failed", "Healthy", NASTY)).await;
    let failed = arrives(&format!("{app} - Sync Failed"), 1).await;
    assert_eq!(failed[0]["payload"]["description"], NASTY);
    assert_eq!(failed[0]["payload"]["link"], format!("https://argocd.example.com/applications/{app}"));
    set(&namespace, &app, &status("Failed", "Degraded", NASTY)).await;
    arrives(&format!("{app} - Health Degraded"), 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for title in ["Sync Succeeded", "Deployed", "Sync Failed", "Health Degraded"] {
        arrives(&format!("{app} - {title}"), 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_heals_when_the_secret_is_corrected() {
    let namespace = cluster().await.namespace().await;
    configure(&namespace, "wrong-token-wrong-token").await;
    let app = format!("auth-{}", namespace.name);
    let gatepost = started(&namespace).await;
    application(&namespace, &app, Some("component:default/order-service"), &status("Failed", "Healthy", "x")).await;
    told(&namespace, "CredentialsRefused", "401").await;
    set_token(&namespace, backstage().await.token()).await;
    arrives(&format!("{app} - Sync Failed"), 1).await;
    assert!(!gatepost.get("deliveries").await.to_string().contains("wrong-token"), "a token is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_entity_and_unowned_entity_are_named() {
    let namespace = cluster().await.namespace().await;
    configure(&namespace, backstage().await.token()).await;
    let _gatepost = started(&namespace).await;
    application(&namespace, "nameless", None, &status("Failed", "Healthy", "x")).await;
    told(&namespace, "DeadLetter", "backstage.io/entity-ref").await;
    application(&namespace, "nameless", Some("component:default/order-service"), &status("Failed", "Healthy", "x"))
        .await;
    arrives("nameless - Sync Failed", 1).await;
    application(&namespace, "unowned", Some("component:default/no-such-service"), &status("Failed", "Healthy", "x"))
        .await;
    told(&namespace, "ReachedNobody", "nobody").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_argocd_url_is_named_in_event_and_explain() {
    let namespace = cluster().await.namespace().await;
    configure(&namespace, backstage().await.token()).await;
    let config = namespace.api::<k8s_openapi::api::core::v1::ConfigMap>();
    let without = json!({"data": {"context": null}});
    config.patch("argocd-notifications-cm", &PatchParams::default(), &Patch::Merge(without)).await.unwrap();
    let gatepost = started(&namespace).await;
    let app = format!("linkless-{}", namespace.name);
    application(&namespace, &app, Some("component:default/order-service"), &status("Failed", "Healthy", "x")).await;
    told(&namespace, "MissingValue", "add argocdUrl to `context`").await;
    let view = gatepost.get(&format!("applications/{}/{app}", namespace.name)).await;
    assert!(view["remarks"].to_string().contains("argocdUrl"), "{view}");
    application(&namespace, "nameless", None, &status("Failed", "Healthy", "x")).await;
    let view = gatepost.get(&format!("applications/{}/nameless", namespace.name)).await;
    assert!(view["remarks"].to_string().contains("backstage.io/entity-ref"), "{view}");
}
