//! Gates by request on a real API server, beyond what was recorded: kills, what is not written, what others do to a gate's objects.

use crate::env::{Answer, Namespace, PATIENCE, Receiver, client, cluster, stays, wait_for, wait_until};
use crate::running::{Gatepost, Start};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const API_VERSION: &str = "promoter.argoproj.io/v1alpha1";
const BRANCH: &str = "environment/production";
/// Long enough to see what should not happen.
const A_WHILE: Duration = Duration::from_secs(2);
/// Asks until it is approved; a success needs an answer.
const APPROVED: &str =
    "Response != nil ? Response.StatusCode == 200 && Response.Body.approved == true : Phase == 'success'";

/// One gate on one strategy with one environment, handled by nobody else's Gatepost.
pub struct Scene {
    pub namespace: Namespace,
    pub receiver: Receiver,
    folder: tempfile::TempDir,
}

impl Scene {
    pub async fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        let namespace = cluster().await.namespace().await;
        Self { namespace, receiver: Receiver::start(script).await, folder: tempfile::tempdir().unwrap() }
    }

    /// A Gatepost with this scene's instance id; started again it finds its store.
    async fn gatepost(&self) -> Gatepost {
        self.gatepost_with("").await
    }

    pub async fn gatepost_with(&self, more: &str) -> Gatepost {
        let store = self.folder.path().join("outbox.db");
        let kubeconfig: &Path = cluster().await.kubeconfig();
        let start = Start { kubeconfig, namespace: &self.namespace.name, store: Some(&store) };
        let settings = format!("[gates]\nenabled = true\ninstanceId = \"{}\"\n{more}", self.namespace.name);
        Gatepost::start_with(start, &[], &settings).await
    }

    pub async fn strategy(&self, sha: &str) {
        let metadata = json!({"name": "app"});
        let strategy = json!({"apiVersion": API_VERSION, "kind": "PromotionStrategy", "metadata": metadata, "spec": {
            "gitRepositoryRef": {"name": "repo"}, "environments": [{"branch": BRANCH}], "proposedCommitStatuses": [{"key": "gate"}]}});
        self.namespace.apply(&strategy.to_string()).await;
        let commit = |sha: &str| json!({"sha": sha, "commitTime": "2026-01-02T03:04:05Z"});
        let side = |sha: &str| json!({"dry": commit(sha), "hydrated": commit(sha)});
        let status = json!({"environments": [{"branch": BRANCH, "proposed": side(sha), "active": side(sha)}]});
        let object =
            json!({"apiVersion": API_VERSION, "kind": "PromotionStrategy", "metadata": metadata, "status": status});
        self.namespace.apply_status(&object.to_string()).await;
    }

    pub async fn gate(&self, more: Value) {
        let mut gate = json!({"apiVersion": API_VERSION, "kind": "WebRequestCommitStatus",
            "metadata": {"name": "gate", "labels": {"promoter.argoproj.io/instance-id": self.namespace.name}},
            "spec": {"promotionStrategyRef": {"name": "app"}, "key": "gate",
                "httpRequest": {"urlTemplate": format!("{}/ask", self.receiver.url()), "methodTemplate": "GET"},
                "success": {"when": {"expression": APPROVED}}, "mode": {"polling": {"interval": "1h"}}}});
        json_patch::merge(&mut gate["spec"], &more);
        self.namespace.apply(&gate.to_string()).await;
    }

    async fn api(&self, kind: &str) -> Api<DynamicObject> {
        self.namespace.dynamic(API_VERSION, kind).await
    }

    async fn child(&self) -> Option<DynamicObject> {
        let list = self.api("CommitStatus").await.list(&ListParams::default()).await.unwrap();
        list.items.into_iter().next()
    }

    pub async fn wait_phase(&self, phase: &str, sha: &str) -> DynamicObject {
        let what = format!("a CommitStatus that says {phase} of {sha}");
        wait_for(&what, PATIENCE, || async {
            self.child().await.filter(|child| child.data["spec"]["phase"] == phase && child.data["spec"]["sha"] == sha)
        })
        .await
    }

    async fn ready(&self) -> Value {
        let gate = self.api("WebRequestCommitStatus").await.get("gate").await.unwrap();
        let conditions = gate.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
    }

    async fn wait_reason(&self, reason: &str) -> String {
        let what = format!("Ready for the reason {reason}");
        wait_for(&what, PATIENCE, || async {
            let ready = self.ready().await;
            (ready["reason"] == reason).then(|| ready["message"].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    fn keys(&self) -> Vec<String> {
        let requests = self.receiver.requests();
        requests.iter().map(|request| request.header("idempotency-key").unwrap_or_default().to_owned()).collect()
    }

    /// Versions of the gate and its CommitStatus.
    async fn versions(&self) -> [Option<String>; 2] {
        let gate = self.api("WebRequestCommitStatus").await.get("gate").await.unwrap();
        [gate.metadata.resource_version, self.child().await.and_then(|child| child.metadata.resource_version)]
    }
}

/// A commit of this run only: (key, SHA) has to be unique in the cluster.
pub fn sha() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:08x}{:032x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn approved(approved: bool) -> Answer {
    Answer::json(&json!({"approved": approved}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_answer_makes_two_requests_with_one_key_and_a_kill_after_it_none() {
    let (scene, sha) = (Scene::new([Answer::Hang, approved(true)]).await, sha());
    scene.strategy(&sha).await;
    scene.gate(json!({})).await;
    let gatepost = scene.gatepost().await;
    scene.receiver.wait_for(1, PATIENCE).await;
    gatepost.kill();
    let gatepost = scene.gatepost().await;
    scene.wait_phase("success", &sha).await;
    let keys = scene.keys();
    assert!(keys.len() == 2 && keys[0] == keys[1] && !keys[0].is_empty(), "{keys:?}");
    scene.wait_reason("CommitStatusesNotReady").await;
    gatepost.kill();
    let _gatepost = scene.gatepost().await;
    stays("nothing more is asked", A_WHILE, || async { scene.receiver.requests().len() == 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_answer_outlives_a_kill_and_the_next_attempt_has_another_key() {
    let (scene, first, second) = (Scene::new([approved(false), approved(true)]).await, sha(), sha());
    scene.strategy(&first).await;
    scene.gate(json!({})).await;
    let gatepost = scene.gatepost().await;
    scene.wait_phase("pending", &first).await;
    scene.wait_reason("CommitStatusesNotReady").await;
    gatepost.kill();
    let _gatepost = scene.gatepost().await;
    stays("the interval is kept", A_WHILE, || async { scene.receiver.requests().len() == 1 }).await;
    scene.strategy(&second).await;
    scene.wait_phase("success", &second).await;
    let keys = scene.keys();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_when_nothing_changed_also_after_a_restart() {
    let (scene, sha) = (Scene::new([approved(true)]).await, sha());
    scene.strategy(&sha).await;
    scene.gate(json!({"descriptionTemplate": "{{ .Branch }}: {{ .Phase }}"})).await;
    let gatepost = scene.gatepost().await;
    scene.wait_phase("success", &sha).await;
    scene.wait_reason("CommitStatusesNotReady").await;
    let before = scene.versions().await;
    let gatepost = {
        gatepost.terminate().await;
        scene.gatepost().await
    };
    let touch = json!({"metadata": {"annotations": {"touched": "yes"}}});
    let strategies = scene.api("PromotionStrategy").await;
    let looked = async |times: u64| {
        wait_until(&format!("{times} looks"), PATIENCE, || async {
            gatepost.metrics().await.lines().any(|line| {
                line.strip_prefix("gatepost_gate_looks_total{result=\"done\"} ")
                    .is_some_and(|count| count.parse::<u64>().unwrap() >= times)
            })
        })
        .await;
    };
    // A change that comes before the first look would be seen by it.
    looked(1).await;
    strategies.patch("app", &PatchParams::default(), &Patch::Merge(&touch)).await.unwrap();
    looked(2).await;
    assert_eq!(scene.versions().await, before);
    let metrics = gatepost.metrics().await;
    assert!(!metrics.contains("gatepost_gate_writes_total{what=\"commitStatus\"}"), "{metrics}");
    assert!(metrics.contains("gatepost_gate_phase") && metrics.contains("phase=\"success\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_or_deleted_commit_status_comes_back() {
    let (scene, sha) = (Scene::new([approved(true)]).await, sha());
    scene.strategy(&sha).await;
    scene.gate(json!({})).await;
    let _gatepost = scene.gatepost().await;
    let name = scene.wait_phase("success", &sha).await.metadata.name.unwrap();
    scene.wait_reason("CommitStatusesNotReady").await;
    let children = scene.api("CommitStatus").await;
    let edit = json!({"spec": {"phase": "failure"}});
    children.patch(&name, &PatchParams::default(), &Patch::Merge(&edit)).await.unwrap();
    scene.wait_phase("success", &sha).await;
    children.delete(&name, &DeleteParams::default()).await.unwrap();
    scene.wait_phase("success", &sha).await;
    assert_eq!(scene.receiver.requests().len(), 1, "the answer is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn better_another_commit_status_on_the_same_key_and_commit_is_named() {
    let (scene, other, sha) = (Scene::new([approved(true)]).await, cluster().await.namespace().await, sha());
    scene.strategy(&sha).await;
    scene.gate(json!({})).await;
    let _gatepost = scene.gatepost().await;
    scene.wait_phase("success", &sha).await;
    let stranger = json!({"apiVersion": API_VERSION, "kind": "CommitStatus",
        "metadata": {"name": "stranger", "labels": {"promoter.argoproj.io/commit-status": "gate"}},
        "spec": {"gitRepositoryRef": {"name": "repo"}, "sha": sha, "name": "x", "description": "", "phase": "success"}});
    other.apply(&stranger.to_string()).await;
    let message = scene.wait_reason("TooManyMatchingSha").await;
    assert!(message.contains(&format!("{}/stranger", other.name)) && message.contains(&sha), "{message}");
    let strangers = other.dynamic(API_VERSION, "CommitStatus").await;
    strangers.delete("stranger", &DeleteParams::default()).await.unwrap();
    scene.wait_reason("CommitStatusesNotReady").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn better_an_overloaded_endpoint_is_asked_again_soon() {
    let (scene, sha) = (Scene::new([Answer::status(503), approved(true)]).await, sha());
    scene.strategy(&sha).await;
    scene.gate(json!({})).await;
    let _gatepost = scene.gatepost().await;
    scene.wait_phase("pending", &sha).await;
    scene.wait_phase("success", &sha).await;
    let at: Vec<_> = scene.receiver.requests().iter().map(|request| request.at).collect();
    assert!(at.len() == 2 && at[1] - at[0] >= Duration::from_secs(4), "{at:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_of_another_instance_is_left_alone() {
    let (scene, sha) = (Scene::new([approved(true)]).await, sha());
    scene.strategy(&sha).await;
    scene.gate(json!({})).await;
    let label = json!({"metadata": {"labels": {"promoter.argoproj.io/instance-id": "somebody-else"}}});
    let gates = scene.api("WebRequestCommitStatus").await;
    gates.patch("gate", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
    let _gatepost = scene.gatepost().await;
    stays("nothing is asked", A_WHILE, || async { scene.receiver.requests().is_empty() }).await;
    let label = json!({"metadata": {"labels": {"promoter.argoproj.io/instance-id": scene.namespace.name}}});
    gates.patch("gate", &PatchParams::default(), &Patch::Merge(&label)).await.unwrap();
    scene.wait_phase("success", &sha).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_why_and_never_a_credential() {
    let token = "canary-of-the-token";
    let answer = Answer::json(&json!({"approved": false, "you": format!("Bearer {token}")}));
    let (scene, sha) = (Scene::new([answer]).await, sha());
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds"}, "stringData": {"token": token}});
    scene.namespace.apply(&secret.to_string()).await;
    scene.strategy(&sha).await;
    let auth = json!({"httpRequest": {"authentication": {"bearer": {"secretRef": {"name": "creds"}}}}});
    scene.gate(auth).await;
    let gatepost = scene.gatepost().await;
    scene.wait_phase("pending", &sha).await;
    assert_eq!(scene.receiver.requests()[0].header("authorization"), Some(format!("Bearer {token}").as_str()));
    let gate = format!("{}/gate", scene.namespace.name);
    wait_until("the view of the look", PATIENCE, || async {
        gatepost.get("gates").await["items"].as_array().is_some_and(|items| !items.is_empty())
    })
    .await;
    let say = |verb: &'static str| {
        let mut line = vec!["gate", verb, "--server", &gatepost.api];
        line.extend(Some(gate.as_str()).filter(|_| verb != "list"));
        let out = Command::new(env!("CARGO_BIN_EXE_gatepost")).args(line).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let (list, show, why) = (say("list"), say("show"), say("explain"));
    assert!(list.contains(&gate) && list.contains(&format!("{BRANCH}=pending")), "{list}");
    assert!(show.contains("status: 200") && show.contains("[secret]"), "{show}");
    assert!(
        why.contains(&format!("{BRANCH} is pending for {sha}: the expression gave false on the last answer")),
        "{why}"
    );
    assert!(why.contains("next look"), "{why}");
    assert!(![list, show, why].concat().contains(token));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_key_wakes_a_gate() {
    let (scene, sha) = (Scene::new([approved(false), approved(true)]).await, sha());
    let key = "a key that is long enough";
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": {"bearer": key}});
    scene.namespace.apply(&secret.to_string()).await;
    scene.strategy(&sha).await;
    scene.gate(json!({})).await;
    let annotation = json!({"metadata": {"annotations": {"gatepost.dev/hook-secret": "hook"}}});
    let gates = scene.api("WebRequestCommitStatus").await;
    gates.patch("gate", &PatchParams::default(), &Patch::Merge(&annotation)).await.unwrap();
    let bind = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _gatepost = scene.gatepost_with(&format!("[hooks]\nbind = \"{bind}\"")).await;
    scene.wait_phase("pending", &sha).await;
    let wake = |key: &str| {
        let url = format!("http://{bind}/hooks/v1/gates/{}/gate", scene.namespace.name);
        client().post(url).bearer_auth(key).send()
    };
    assert_eq!(wake("another key of that length").await.unwrap().status(), 401);
    stays("nothing is asked", A_WHILE, || async { scene.receiver.requests().len() == 1 }).await;
    assert_eq!(wake(key).await.unwrap().status(), 202);
    scene.wait_phase("success", &sha).await;
}
