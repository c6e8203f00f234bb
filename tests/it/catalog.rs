//! `gatepost catalog print` into a real API server, and the relay that runs what was printed.

use crate::env::{PATIENCE, Receiver, cluster};
use crate::running::{Gatepost, Start};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::process::Command;

fn printed(arguments: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_gatepost")).arg("catalog").args(arguments).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_applied_read_back_and_run() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    namespace.apply(&printed(&["print"])).await;
    let api = namespace.api::<ConfigMap>();
    let read = api.get("argocd-notifications-cm").await.unwrap().data.unwrap();
    let json: ConfigMap = serde_json::from_str(&printed(&["print", "-o", "json"])).unwrap();
    assert_eq!(Some(&read), json.data.as_ref(), "YAML and JSON say the same, and the API server kept it");
    let own = json!({"data": {
        "context": "argocdUrl: https://argocd.example.com",
        "service.webhook.backstage": json!({"url": format!("{}/api/notifications/notifications", receiver.url()),
            "headers": [{"name": "Content-Type", "value": "application/json"}]}).to_string(),
    }});
    api.patch("argocd-notifications-cm", &PatchParams::default(), &Patch::Merge(own)).await.unwrap();
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    let gatepost = Gatepost::start(start).await;
    assert_eq!(gatepost.get("config").await["problems"], json!([]));
    let message = "say \"no\"\nto C:\\temp";
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "annotations": {
            "backstage.io/entity-ref": "component:default/shop",
            "notifications.argoproj.io/subscribe.on-sync-failed-backstage.backstage": "",
        }},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": {"reconciledAt": "2026-01-01T10:02:00Z", "operationState": {
            "phase": "Failed", "message": message, "startedAt": "2026-01-01T10:00:00Z", "finishedAt": "2026-01-01T10:01:00Z",
            "operation": {}, "syncResult": {"revision": "r1"}}},
    });
    namespace.apply(&application.to_string()).await;
    let body = receiver.wait_for(1, PATIENCE).await[0].json();
    assert_eq!(
        body,
        json!({
            "recipients": {"type": "entity", "entityRef": "component:default/shop"},
            "payload": {
                "title": "shop - Sync Failed",
                "description": format!("The sync of **shop** failed.\n\n**Phase:** Failed\n**Message:** {message}"),
                "link": "https://argocd.example.com/applications/shop?operation=true",
                "severity": "high", "topic": "argocd.sync.failed",
            },
        })
    );
}

#[test]
fn a_part_of_it_can_be_had_under_another_name() {
    let manifest = printed(&["print", "--configmap-name", "mine", "on-deployed", "-o", "json"]);
    let map: ConfigMap = serde_json::from_str(&manifest).unwrap();
    assert_eq!(map.metadata.name.as_deref(), Some("mine"));
    assert_eq!(map.data.unwrap().into_keys().collect::<Vec<_>>(), ["template.app-deployed", "trigger.on-deployed"]);
    let list = printed(&["list"]);
    assert_eq!(list.lines().count(), 1 + 32, "{list}");
    assert!(list.contains("on-health-degraded") && list.contains("app-created-backstage"));
}
