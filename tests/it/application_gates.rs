//! ApplicationGates on a real API server: Argo CD's outcomes become CommitStatuses.

use crate::env::{Namespace, PATIENCE, cluster, stays, wait_for};
use crate::running::{Gatepost, Start};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PROMOTER: &str = "promoter.argoproj.io/v1alpha1";
const OWN: &str = "gatepost.dev/v1alpha1";
/// Long ago, so that health has stood still.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

struct Scene {
    namespace: Namespace,
    key: String,
    _gatepost: Gatepost,
}

/// A commit of this run only: (key, SHA) has to be unique in the cluster.
fn sha() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("a{:07x}{:032x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Scene {
    async fn new() -> Self {
        let namespace = cluster().await.namespace().await;
        let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
        let settings = format!("[gates]\nenabled = true\ninstanceId = \"{}\"", namespace.name);
        let gatepost = Gatepost::start_with(start, &[], &settings).await;
        Self { namespace, key: "argocd-sync".into(), _gatepost: gatepost }
    }

    async fn strategy(&self, sha: &str) {
        let metadata = json!({"name": "app"});
        let spec = json!({"gitRepositoryRef": {"name": "repo"}, "environments": [{"branch": "dev"}],
            "activeCommitStatuses": [{"key": self.key}]});
        let strategy = json!({"apiVersion": PROMOTER, "kind": "PromotionStrategy", "metadata": metadata, "spec": spec});
        self.namespace.apply(&strategy.to_string()).await;
        let commit = json!({"sha": sha, "commitTime": "2026-01-02T03:04:05Z"});
        let side = json!({"dry": commit, "hydrated": commit});
        let status = json!({"environments": [{"branch": "dev", "proposed": side, "active": side}]});
        let object =
            json!({"apiVersion": PROMOTER, "kind": "PromotionStrategy", "metadata": metadata, "status": status});
        self.namespace.apply_status(&object.to_string()).await;
    }

    /// A gate of this installation: Gateposts of other tests leave it alone.
    async fn gate(&self) {
        let metadata = json!({"name": "sync", "labels": {"promoter.argoproj.io/instance-id": self.namespace.name}});
        let spec =
            json!({"promotionStrategyRef": {"name": "app"}, "applicationSelector": {"matchLabels": {"app": "orders"}}});
        let gate = json!({"apiVersion": OWN, "kind": "ApplicationGate", "metadata": metadata, "spec": spec});
        self.namespace.apply(&gate.to_string()).await;
    }

    async fn application(&self, sha: &str, health: &str, operation: &str) {
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "orders", "labels": {"app": "orders"}},
            "spec": {"project": "default", "destination": {"namespace": "x", "server": "https://kubernetes.default.svc"},
                "source": {"repoURL": "https://git.example/orders.git", "path": ".", "targetRevision": "dev"}},
            "status": {
                "health": {"status": health, "lastTransitionTime": LONG_AGO},
                "sync": {"status": "Synced", "revision": sha, "comparedTo": {"destination": {}, "source": {"repoURL": "https://git.example/orders.git"}}},
                "operationState": {"phase": operation, "startedAt": LONG_AGO, "operation": {},
                    "syncResult": {"revision": sha, "source": {"repoURL": "https://git.example/orders.git"}}},
            },
        });
        self.namespace.apply(&application.to_string()).await;
    }

    async fn api(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        self.namespace.dynamic(api_version, kind).await
    }

    async fn child(&self) -> Option<DynamicObject> {
        let list = self.api(PROMOTER, "CommitStatus").await.list(&ListParams::default()).await.unwrap();
        list.items.into_iter().next()
    }

    async fn wait_for(&self, phase: &str, sha: &str) -> DynamicObject {
        wait_for(&format!("a CommitStatus that says {phase} of {sha}"), PATIENCE, || async {
            self.child().await.filter(|child| child.data["spec"]["phase"] == phase && child.data["spec"]["sha"] == sha)
        })
        .await
    }

    async fn ready(&self) -> Value {
        let gate = self.api(OWN, "ApplicationGate").await.get("sync").await.unwrap();
        let conditions = gate.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_argo_cd_made_of_a_commit_becomes_its_commit_status() {
    let (scene, first, second) = (Scene::new().await, sha(), sha());
    scene.strategy(&first).await;
    scene.gate().await;
    let child = scene.wait_for("pending", &first).await;
    assert_eq!(child.data["spec"]["description"], "No Application of dev is selected");
    scene.application(&first, "Healthy", "Succeeded").await;
    let child = scene.wait_for("success", &first).await;
    assert_eq!(child.data["spec"]["name"], "argocd-sync/dev");
    assert_eq!(child.data["spec"]["description"], "1/1 apps are healthy");
    let owner = &child.metadata.owner_references.as_deref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("ApplicationGate", "sync"));
    scene.application(&first, "Degraded", "Succeeded").await;
    scene.wait_for("failure", &first).await;
    scene.strategy(&second).await;
    scene.wait_for("pending", &second).await;
    scene.application(&second, "Healthy", "Succeeded").await;
    scene.wait_for("success", &second).await;
    assert_eq!(scene.ready().await["reason"], "CommitStatusesNotReady", "nobody has pushed it yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_writes_nothing() {
    let (scene, sha) = (Scene::new().await, sha());
    scene.strategy(&sha).await;
    scene.application(&sha, "Healthy", "Succeeded").await;
    scene.gate().await;
    let child = scene.wait_for("success", &sha).await;
    let version = || async {
        let gate = scene.api(OWN, "ApplicationGate").await.get("sync").await.unwrap();
        (gate.metadata.resource_version, scene.child().await.and_then(|child| child.metadata.resource_version))
    };
    wait_for("the status is written", PATIENCE, || async {
        (scene.ready().await["reason"] == "CommitStatusesNotReady").then_some(())
    })
    .await;
    let before = version().await;
    let touch = json!({"metadata": {"annotations": {"touched": "yes"}}});
    let (applications, strategies) =
        (scene.api("argoproj.io/v1alpha1", "Application").await, scene.api(PROMOTER, "PromotionStrategy").await);
    applications.patch("orders", &PatchParams::default(), &Patch::Merge(&touch)).await.unwrap();
    strategies.patch("app", &PatchParams::default(), &Patch::Merge(&touch)).await.unwrap();
    stays("nothing is written", Duration::from_secs(2), || async { version().await == before }).await;
    assert_eq!(child.metadata.resource_version, before.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_of_other_namespaces_need_a_grant() {
    let (scene, sha) = (Scene::new().await, sha());
    // A gate of another namespace than Gatepost's own is a tenant's.
    let tenant = cluster().await.namespace().await;
    let metadata = json!({"name": "sync", "labels": {"promoter.argoproj.io/instance-id": scene.namespace.name}});
    let spec = json!({"promotionStrategyRef": {"name": "app"}, "applicationNamespaces": [scene.namespace.name],
        "applicationSelector": {"matchLabels": {"app": "orders"}}});
    scene.application(&sha, "Healthy", "Succeeded").await;
    let gate = json!({"apiVersion": OWN, "kind": "ApplicationGate", "metadata": metadata, "spec": spec});
    tenant.apply(&gate.to_string()).await;
    let gates = tenant.dynamic(OWN, "ApplicationGate").await;
    let message = wait_for("the gate says why", PATIENCE, || async {
        let gate = gates.get("sync").await.unwrap();
        let message = gate.data["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned();
        (!message.is_empty()).then_some(message)
    })
    .await;
    assert!(message.contains("authority.grants") && message.contains(&scene.namespace.name), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_what_cannot_be_meant() {
    let namespace = cluster().await.namespace().await;
    let gates = namespace.dynamic(OWN, "ApplicationGate").await;
    let refused = |more: Value| {
        let gates = gates.clone();
        async move {
            let mut spec =
                json!({"promotionStrategyRef": {"name": "app"}, "applicationSelector": {"matchLabels": {"a": "b"}}});
            json_patch::merge(&mut spec, &more);
            let gate = json!({"apiVersion": OWN, "kind": "ApplicationGate", "metadata": {"name": "x"}, "spec": spec});
            gates
                .create(
                    &kube::api::PostParams { dry_run: true, ..Default::default() },
                    &serde_json::from_value(gate).unwrap(),
                )
                .await
        }
    };
    assert!(refused(json!({})).await.is_ok());
    for (more, words) in [
        (
            json!({"applicationSelector": {"matchLabels": {"a": null}}}),
            "applicationSelector must name at least one label",
        ),
        (json!({"settle": "2h"}), "settle must be at most 1h"),
        (json!({"settle": "soon"}), "should match"),
        (json!({"key": "Not A Key"}), "should match"),
        (json!({"reportOn": "both"}), "Unsupported value"),
        (json!({"promotionStrategyRef": {"name": ""}}), "spec.promotionStrategyRef.name"),
    ] {
        let error = refused(more.clone()).await.unwrap_err().to_string();
        assert!(error.contains(words), "{more}: {error}");
    }
}
