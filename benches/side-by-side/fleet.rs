//! The Applications of one controller.

use crate::env::{self, Namespace};
use crate::story::{Action, Step, annotations};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Writers at once.
const WRITERS: usize = 8;

/// A namespace with a configuration and Applications.
pub struct Fleet {
    /// The namespace.
    pub namespace: Namespace,
    api: Api<DynamicObject>,
    apps: usize,
}

impl Fleet {
    /// A namespace with this configuration, its services at `url`; no Application yet.
    pub async fn new(keys: &Map<String, Value>, url: &str, apps: usize) -> Self {
        let namespace = env::cluster().await.namespace().await;
        let keys: Map<String, Value> = keys
            .iter()
            .map(|(key, text)| (key.clone(), json!(text.as_str().unwrap_or_default().replace("{url}", url))))
            .collect();
        let map = json!({"metadata": {"name": "argocd-notifications-cm"}, "data": keys});
        let secret =
            json!({"metadata": {"name": "argocd-notifications-secret"}, "stringData": {"token": "c2lkZS1ieS1zaWRl"}});
        let (maps, secrets): (Api<ConfigMap>, Api<Secret>) = (namespace.api(), namespace.api());
        let made = PostParams::default();
        maps.create(&made, &serde_json::from_value(map).expect("a ConfigMap"))
            .await
            .expect("the ConfigMap can be made");
        secrets
            .create(&made, &serde_json::from_value(secret).expect("a Secret"))
            .await
            .expect("the Secret can be made");
        let api = namespace.dynamic("argoproj.io/v1alpha1", "Application").await;
        Self { namespace, api, apps }
    }

    /// Does this to all Applications.
    pub async fn change(&self, step: &Step) {
        let all = stream::iter(0..self.apps).map(|nth| self.change_one(&step.action, nth));
        all.buffer_unordered(WRITERS).collect::<Vec<()>>().await;
    }

    async fn change_one(&self, action: &Action, nth: usize) {
        let name = format!("app-{nth:03}");
        let done = match action {
            Action::Create => self.api.create(&PostParams::default(), &application(&name)).await.map(drop),
            Action::Delete => self.api.delete(&name, &DeleteParams::default()).await.map(drop),
            Action::Status(status) => {
                let patch = Patch::Merge(json!({ "status": status }));
                self.api.patch_metadata(&name, &PatchParams::default(), &patch).await.map(drop)
            }
        };
        done.unwrap_or_else(|error| panic!("failed to change {name}: {error}"));
    }

    /// Waits until nobody writes to the Applications any more.
    pub async fn settle(&self, quiet: Duration) {
        let mut before = String::new();
        loop {
            let list = self.api.list_metadata(&ListParams::default()).await.expect("the Applications can be listed");
            let now = list
                .items
                .iter()
                .filter_map(|item| item.metadata.resource_version.clone())
                .collect::<Vec<_>>()
                .join(" ");
            if now == before {
                return;
            }
            before = now;
            tokio::time::sleep(quiet).await;
        }
    }
}

fn application(name: &str) -> DynamicObject {
    let mut annotations = annotations();
    annotations.insert("backstage.io/entity-ref".into(), json!(format!("component:default/{name}")));
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "annotations": annotations, "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "ns"},
            "source": {"repoURL": "https://github.com/example/repo.git", "path": "deploy", "targetRevision": "HEAD"}},
    });
    serde_json::from_value(object).expect("an Application")
}
