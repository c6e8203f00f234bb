//! What the API server holds: the configuration, and many Applications of one size, each subscribed four times.

use crate::env::{self, Namespace};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// Writers at once.
const WRITERS: usize = 16;
/// The entry of `status.resources` that an Application is filled up with.
const RESOURCE: &str = r#"{"group":"apps","version":"v1","kind":"Deployment","namespace":"ns","name":"workload","status":"Synced","health":{"status":"Healthy"}}"#;

/// A namespace full of Applications.
pub struct Fleet {
    /// The namespace.
    pub namespace: Namespace,
    /// Receivers that Applications are spread over.
    receivers: usize,
    bytes: usize,
}

impl Fleet {
    /// A new namespace with its configuration: one service for each receiver.
    pub async fn new(urls: &[String], bytes: usize) -> Self {
        let namespace = env::cluster().await.namespace().await;
        let mut data = json!({
            "trigger.on-bench": "- when: app.status.operationState != nil and app.status.operationState.phase in ['Succeeded']\n  oncePer: app.status.operationState?.syncResult?.revision\n  send: [bench]\n",
            "template.bench": template(urls.len()),
        });
        for (nth, url) in urls.iter().enumerate() {
            data[format!("service.webhook.bench-{nth}")] =
                json!(format!("url: {url}\nheaders:\n- name: Content-Type\n  value: application/json\n"));
        }
        for nth in 0..3 {
            data[format!("trigger.on-extra-{nth}")] = json!(format!(
                "- when: app.status.health.status == 'Degraded' and app.metadata.name == 'n{nth}'\n  send: [bench]\n"
            ));
        }
        let manifest = json!({"metadata": {"name": "argocd-notifications-cm"}, "data": data});
        let maps: Api<ConfigMap> = namespace.api();
        let manifest = serde_json::from_value(manifest).expect("a ConfigMap");
        maps.create(&PostParams::default(), &manifest).await.expect("the ConfigMap can be made");
        // Argo CD's own controller asks the API server for a missing one once for each subscription.
        let project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "default"}, "spec": {}});
        let projects = Api::namespaced_with(namespace.client.clone(), &namespace.name, &resource("AppProject"));
        let project: DynamicObject = serde_json::from_value(project).expect("an AppProject");
        projects.create(&PostParams::default(), &project).await.expect("the AppProject can be made");
        Self { namespace, receivers: urls.len(), bytes }
    }

    /// Makes Applications `from..to`.
    pub async fn create(&self, from: usize, to: usize) {
        let api = self.applications();
        let made = stream::iter(from..to).map(|nth| {
            let (api, object) = (api.clone(), self.application(nth));
            async move { api.create(&PostParams::default(), &object).await.map(drop) }
        });
        let failed = made.buffer_unordered(WRITERS).filter_map(|made| async { made.err() });
        let failed: Vec<kube::Error> = failed.collect().await;
        assert!(failed.is_empty(), "{} Applications cannot be made: {:?}", failed.len(), failed.first());
    }

    /// Names and UIDs of the Applications, in order.
    pub async fn identities(&self) -> Vec<(String, String)> {
        let listed = self.applications().list_metadata(&ListParams::default()).await;
        let items = listed.expect("Applications can be listed").items.into_iter();
        let of = |metadata: ObjectMeta| (metadata.name.unwrap_or_default(), metadata.uid.unwrap_or_default());
        items.map(|item| of(item.metadata)).collect()
    }

    /// The receiver that an Application posts to.
    pub fn receiver_of(&self, nth: usize) -> usize {
        nth % self.receivers
    }

    /// The path that the post for this revision has.
    pub fn path(&self, nth: usize, revision: &str) -> String {
        format!("/{}/{revision}", name(nth))
    }

    /// Turns one Application to this revision, synced.
    pub async fn change(&self, nth: usize, revision: &str) {
        let patch = json!({"status": status("Succeeded", revision)});
        let parameters = PatchParams::default();
        let answer = self.applications().patch_metadata(&name(nth), &parameters, &Patch::Merge(&patch)).await;
        answer.unwrap_or_else(|error| panic!("failed to change {}: {error}", name(nth)));
    }

    fn applications(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.namespace.client.clone(), &self.namespace.name, &resource("Application"))
    }

    fn application(&self, nth: usize) -> DynamicObject {
        let service = self.receiver_of(nth);
        let mut annotations = json!({
            "backstage.io/entity-ref": format!("component:default/{}", name(nth)),
            format!("notifications.argoproj.io/subscribe.on-bench.bench-{service}"): "",
        });
        for extra in 0..3 {
            annotations[format!("notifications.argoproj.io/subscribe.on-extra-{extra}.bench-{service}")] = json!("");
        }
        let mut object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": name(nth), "annotations": annotations, "labels": {"team": "bench"}},
            "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "ns"},
                "source": {"repoURL": "https://github.com/example/repo.git", "path": "deploy", "targetRevision": "HEAD"}},
            "status": status("Running", "r0"),
        });
        let missing = self.bytes.saturating_sub(object.to_string().len()) / RESOURCE.len();
        let resource: Value = serde_json::from_str(RESOURCE).expect("a resource");
        object["status"]["resources"] = Value::Array(vec![resource; missing]);
        serde_json::from_value(object).expect("an Application")
    }
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind))
}

fn name(nth: usize) -> String {
    format!("bench-{nth:05}")
}

/// One section for each service: the path says which Application and which revision.
fn template(services: usize) -> String {
    let mut webhook = serde_json::Map::new();
    for nth in 0..services {
        webhook.insert(format!("bench-{nth}"), json!({
            "method": "POST",
            "path": "/{{.app.metadata.name}}/{{.app.status.operationState.syncResult.revision}}",
            "body": "{\"recipients\": {\"type\": \"entity\", \"entityRef\": \"{{index .app.metadata.annotations \"backstage.io/entity-ref\"}}\"}, \"payload\": {\"title\": \"{{.app.metadata.name}} is synced\", \"description\": \"**Health:** {{.app.status.health.status}}\", \"severity\": \"low\"}}",
        }));
    }
    json!({"webhook": webhook}).to_string()
}

fn status(phase: &str, revision: &str) -> Value {
    let mut operation = json!({
        "phase": phase, "message": "m", "startedAt": "2026-01-01T10:00:00Z", "operation": {},
        "syncResult": {"revision": revision, "source": {"repoURL": "https://github.com/example/repo.git"}},
    });
    if phase != "Running" {
        operation["finishedAt"] = json!("2026-01-01T10:01:00Z");
    }
    json!({
        "operationState": operation,
        "sync": {"status": "Synced", "revision": revision},
        "health": {"status": "Healthy"},
        "reconciledAt": "2026-01-01T10:02:00Z",
    })
}
