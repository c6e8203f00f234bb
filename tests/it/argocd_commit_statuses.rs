//! The Promoter's ArgoCDCommitStatuses on a real API server, with the Promoter's own custom resource: those with Gatepost's
//! instance id are handled, all others left alone.

use crate::env::{Namespace, PATIENCE, cluster, stays, wait_for};
use crate::running::{Gatepost, Start};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PROMOTER: &str = "promoter.argoproj.io/v1alpha1";
const KIND: &str = "ArgoCDCommitStatus";
/// Long ago, so that health has stood still.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

/// A Gatepost in a namespace of its own.
struct Scene {
    home: Namespace,
    _gatepost: Gatepost,
}

/// A commit of this run only: (key, SHA) has to be unique in the cluster.
fn sha() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("b{:07x}{:032x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Scene {
    /// `grants` is TOML, with the name of Gatepost's namespace for `HOME`.
    async fn new(grants: &str) -> Self {
        let home = cluster().await.namespace().await;
        let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &home.name, store: None };
        let grants = grants.replace("HOME", &home.name);
        let settings = format!("[gates]\nenabled = true\ninstanceId = \"{}\"\n{grants}", home.name);
        let gatepost = Gatepost::start_with(start, &[], &settings).await;
        Self { home, _gatepost: gatepost }
    }

    /// A strategy that does not name the key: what is reported does not depend on that.
    async fn strategy(&self, dev: &str, prod: &str, within: &Namespace) {
        let metadata = json!({"name": "app"});
        let spec =
            json!({"gitRepositoryRef": {"name": "repo"}, "environments": [{"branch": "dev"}, {"branch": "prod"}]});
        let strategy = json!({"apiVersion": PROMOTER, "kind": "PromotionStrategy", "metadata": metadata, "spec": spec});
        within.apply(&strategy.to_string()).await;
        let side = |sha: &str| json!({"dry": {"sha": sha, "commitTime": LONG_AGO}, "hydrated": {"sha": sha, "commitTime": LONG_AGO}});
        let environment =
            |branch: &str, sha: &str| json!({"branch": branch, "proposed": side(sha), "active": side(sha)});
        let status = json!({"environments": [environment("dev", dev), environment("prod", prod)]});
        let object =
            json!({"apiVersion": PROMOTER, "kind": "PromotionStrategy", "metadata": metadata, "status": status});
        within.apply_status(&object.to_string()).await;
    }

    async fn gate(&self, name: &str, instance: Option<&str>, within: &Namespace) {
        let labels = instance.map(|id| json!({"promoter.argoproj.io/instance-id": id}));
        let template = "https://argocd.example/{{ .Environment }}?labels={{ range $key, $value := .ArgoCDCommitStatus.Spec.ApplicationSelector.MatchLabels }}{{ urlQueryEscape (printf \"%s=%s\" $key $value) }}{{ end }}";
        let spec = json!({
            "promotionStrategyRef": {"name": "app"}, "applicationSelector": {"matchLabels": {"app": "orders"}},
            "url": {"template": template, "options": ["missingkey=error"]},
        });
        let metadata = json!({"name": name, "labels": labels});
        let gate = json!({"apiVersion": PROMOTER, "kind": KIND, "metadata": metadata, "spec": spec});
        within.apply(&gate.to_string()).await;
    }

    async fn application(&self, name: &str, branch: &str, sha: &str, health: &str, within: &Namespace) {
        let source = json!({"repoURL": "https://git.example/orders.git", "path": ".", "targetRevision": branch});
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": name, "labels": {"app": "orders"}},
            "spec": {"project": "default", "destination": {"namespace": "x", "server": "https://kubernetes.default.svc"}, "source": source},
            "status": {
                "health": {"status": health, "lastTransitionTime": LONG_AGO},
                "sync": {"status": "Synced", "revision": sha, "comparedTo": {"destination": {}, "source": {"repoURL": "https://git.example/orders.git"}}},
            },
        });
        within.apply(&application.to_string()).await;
    }
}

/// The CommitStatus of an environment.
async fn child(within: &Namespace, branch: &str) -> Option<DynamicObject> {
    let all: Api<DynamicObject> = within.dynamic(PROMOTER, "CommitStatus").await;
    let list = all.list(&ListParams::default()).await.unwrap();
    list.items.into_iter().find(|child| child.data["spec"]["name"] == format!("argocd-health/{branch}"))
}

async fn says(within: &Namespace, branch: &str, phase: &str) -> DynamicObject {
    wait_for(&format!("a CommitStatus of {branch} that says {phase}"), PATIENCE, || async {
        child(within, branch).await.filter(|child| child.data["spec"]["phase"] == phase)
    })
    .await
}

async fn status(within: &Namespace, name: &str) -> Value {
    within.dynamic(PROMOTER, KIND).await.get(name).await.unwrap().data["status"].clone()
}

/// The status, once it says this of `Ready`.
async fn is_ready(within: &Namespace, reason: &str, words: &str) -> Value {
    wait_for(&format!("Ready says {reason}: {words}"), PATIENCE, || async {
        let status = status(within, "health").await;
        let ready = status["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")?.clone();
        let fits = ready["reason"] == reason && ready["message"].as_str().unwrap_or_default().contains(words);
        fits.then_some(status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_sync_become_the_commit_status_of_each_environment() {
    let (scene, dev, prod) = (Scene::new("").await, sha(), sha());
    let home = &scene.home;
    scene.strategy(&dev, &prod, home).await;
    scene.gate("health", Some(&home.name), home).await;
    is_ready(home, "ReconciliationError", "no Argo CD Applications found matching selector app=orders").await;
    scene.application("orders", "dev", &dev, "Progressing", home).await;
    let pending = says(home, "dev", "pending").await;
    assert_eq!(
        pending.data["spec"]["description"],
        "Waiting for apps to be healthy (0 healthy, 0 degraded, 1 pending)"
    );
    assert_eq!(
        (&pending.data["spec"]["sha"], &pending.data["spec"]["url"]),
        (&json!(dev), &json!("https://argocd.example/dev?labels=app%3Dorders"))
    );
    assert!(pending.metadata.name.as_deref().unwrap().starts_with("health-dev-argo-cd-"));
    let owner = &pending.metadata.owner_references.as_deref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str(), owner.controller), (KIND, "health", Some(true)));
    let manager = pending.metadata.managed_fields.as_deref().unwrap()[0].manager.clone();
    assert_eq!(manager.as_deref(), Some("promoter.argoproj.io/argocdcommitstatus-controller"));

    scene.application("orders", "dev", &dev, "Healthy", home).await;
    says(home, "dev", "success").await;
    scene.application("orders", "dev", &dev, "Degraded", home).await;
    let failure = says(home, "dev", "failure").await;
    assert_eq!(failure.data["spec"]["description"], "1/1 apps are degraded");

    scene.application("orders-prod", "prod", &dev, "Healthy", home).await;
    says(home, "prod", "pending").await;
    scene.application("orders-prod", "prod", &prod, "Healthy", home).await;
    says(home, "prod", "success").await;
    let selected = |environment: &str, name: &str, phase: &str, sha: &str| {
        json!({"clusterName": "", "environment": environment, "namespace": home.name, "name": name, "phase": phase, "sha": sha,
            "lastTransitionTime": LONG_AGO})
    };
    let expected = [selected("dev", "orders", "failure", &dev), selected("prod", "orders-prod", "success", &prod)];
    // It is written after the CommitStatuses, and says of them what it said before.
    let stored = wait_for("the status has both Applications as they are", PATIENCE, || async {
        let stored = is_ready(home, "CommitStatusesNotReady", "").await;
        (stored["applicationsSelected"] == json!(expected)).then_some(stored)
    })
    .await;
    assert_eq!((&stored["instanceID"], &stored["observedGeneration"]), (&json!(home.name), &json!(1)));

    let applications = home.dynamic("argoproj.io/v1alpha1", "Application").await;
    applications.delete("orders-prod", &DeleteParams::default()).await.unwrap();
    wait_for("the CommitStatus of an environment without Applications is deleted", PATIENCE, || async {
        child(home, "prod").await.is_none().then_some(())
    })
    .await;
    assert_eq!(child(home, "dev").await.unwrap().data["spec"]["phase"], "failure");
    let events = home.dynamic("events.k8s.io/v1", "Event").await;
    wait_for("an Event with the phase before", PATIENCE, || async {
        let list = events.list(&ListParams::default()).await.unwrap();
        let words = "\"argocd-health/dev\" for environment branch dev changed from success to failure";
        list.items.iter().any(|event| event.data["note"].as_str().unwrap_or_default().contains(words)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_are_left_alone() {
    let (scene, dev, prod) = (Scene::new("").await, sha(), sha());
    let home = &scene.home;
    scene.strategy(&dev, &prod, home).await;
    scene.application("orders", "dev", &dev, "Healthy", home).await;
    scene.gate("unlabelled", None, home).await;
    scene.gate("others", Some("another-promoter"), home).await;
    let untouched = || async {
        let (unlabelled, others) = (status(home, "unlabelled").await, status(home, "others").await);
        unlabelled.is_null() && others.is_null()
    };
    scene.gate("health", Some(&home.name), home).await;
    says(home, "dev", "success").await;
    stays("the others have no status", Duration::from_secs(1), untouched).await;
    let all = home.dynamic(PROMOTER, "CommitStatus").await.list(&ListParams::default()).await.unwrap();
    assert_eq!(all.items.len(), 1);
    // Once it carries another id, it is no longer looked at.
    scene.gate("health", Some("another-promoter"), home).await;
    scene.application("orders", "dev", &dev, "Degraded", home).await;
    stays("what was said stays", Duration::from_secs(2), || async {
        child(home, "dev").await.is_some_and(|child| child.data["spec"]["phase"] == "success")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_of_other_namespaces_are_seen_by_a_grant_only() {
    let tenant = cluster().await.namespace().await;
    let stranger = cluster().await.namespace().await;
    let grant = format!("[[authority.grants]]\nfrom = \"{}\"\nto = \"HOME\"\nwhat = [\"applications\"]", tenant.name);
    let (scene, dev, prod) = (Scene::new(&grant).await, sha(), sha());
    // Were it seen, the environment would not be healthy.
    scene.application("orders", "dev", &dev, "Degraded", &stranger).await;
    scene.application("orders", "dev", &dev, "Healthy", &scene.home).await;
    scene.strategy(&dev, &prod, &tenant).await;
    scene.gate("health", Some(&scene.home.name), &tenant).await;
    let child = says(&tenant, "dev", "success").await;
    assert_eq!(child.data["spec"]["description"], "1/1 apps are healthy", "the granted namespace's alone");
    let stored = is_ready(&tenant, "CommitStatusesNotReady", "").await;
    assert_eq!(stored["applicationsSelected"][0]["namespace"], scene.home.name);
    // Another tenant was granted nothing.
    let (other_dev, other_prod) = (sha(), sha());
    scene.strategy(&other_dev, &other_prod, &stranger).await;
    let applications = stranger.dynamic("argoproj.io/v1alpha1", "Application").await;
    applications.delete("orders", &DeleteParams::default()).await.unwrap();
    scene.gate("health", Some(&scene.home.name), &stranger).await;
    let words = "no Argo CD Applications found matching selector app=orders";
    is_ready(&stranger, "ReconciliationError", words).await;
    is_ready(&stranger, "ReconciliationError", "authority.grants").await;
}
