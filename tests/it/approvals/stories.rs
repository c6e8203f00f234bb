//! Stories of approvals: the real binary on the real API server, an outside process played by a receiver.

use super::house::{Called, allow, curl, token_of};
use crate::env::{Answer, Namespace, PATIENCE, Receiver, cluster, stays, wait_for, wait_until};
use crate::running::{Around, Gatepost, Start};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

/// Long enough for a second request to show itself.
const A_WHILE: Duration = Duration::from_secs(1);
/// A callback that lets it pass.
pub const YES: &str = r#"{"success": true, "mdMessage": "all *good*"}"#;
/// One that does not.
pub const NO: &str = r#"{"success": false, "mdMessage": "broken"}"#;

/// A SHA of one digit.
pub fn sha(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// A namespace of its own, an outside process that is played by a receiver, and a store that outlives Gatepost.
pub struct Story {
    /// Where it plays.
    pub namespace: Namespace,
    receiver: Receiver,
    /// Port of the callbacks listener.
    pub port: u16,
    /// Where its files are.
    pub folder: tempfile::TempDir,
}

impl Story {
    /// With an outside process that answers by this script.
    pub async fn begin(script: impl IntoIterator<Item = Answer>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start(script).await);
        Self { namespace, receiver, port, folder: tempfile::tempdir().unwrap() }
    }

    /// Starts Gatepost, with callbacks.
    pub async fn gatepost(&self) -> Gatepost {
        let more = format!("[callbacks]\nbind = \"127.0.0.1:{0}\"\nexternalUrl = \"http://127.0.0.1:{0}\"", self.port);
        let store = self.folder.path().join("outbox.db");
        let kubeconfig = cluster().await.kubeconfig();
        let start = Start { kubeconfig, namespace: &self.namespace.name, store: Some(&store) };
        Gatepost::start_with(start, &[], &more).await
    }

    /// The same for people who reach the dashboard at this URL, with its log in a file.
    async fn gatepost_at(&self, external_url: &str, log: &Path) -> Gatepost {
        let settings =
            format!("[callbacks]\nbind = \"127.0.0.1:{0}\"\nexternalUrl = \"http://127.0.0.1:{0}\"", self.port);
        let environment = [("GATEPOST_SERVER__EXTERNALURL", external_url)];
        let around = Around { settings: &settings, environment: &environment, log: Some(log), ..Around::default() };
        let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &self.namespace.name, store: None };
        Gatepost::start_around(start, &[], &around).await
    }

    /// A strategy with one environment at these SHAs.
    pub async fn strategy(&self, proposed: &str, active: &str) {
        let manifest = json!({
            "apiVersion": "promoter.argoproj.io/v1alpha1", "kind": "PromotionStrategy", "metadata": {"name": "app"},
            "spec": {"gitRepositoryRef": {"name": "repo"}, "environments": [{"branch": "env/prod", "autoMerge": false}],
                "proposedCommitStatuses": [{"key": "tests"}], "activeCommitStatuses": [{"key": "tests"}]},
        });
        self.namespace.apply(&manifest.to_string()).await;
        let state = |sha: &str| {
            json!({"dry": {"sha": sha, "commitTime": "2026-01-02T03:04:05Z"},
            "hydrated": {"sha": sha, "commitTime": "2026-01-02T03:04:05Z"}, "commitStatuses": []})
        };
        let status = json!({
            "apiVersion": "promoter.argoproj.io/v1alpha1", "kind": "PromotionStrategy", "metadata": {"name": "app"},
            "status": {"environments": [{"branch": "env/prod", "proposed": state(proposed), "active": state(active),
                "lastHealthyDryShas": []}]},
        });
        self.namespace.apply_status(&status.to_string()).await;
    }

    /// Applies the approval `tests` on the key of that name; `more` is set in its spec, null takes away.
    pub async fn approval(&self, stage: &str, more: Value) {
        let mut spec = json!({
            "key": "tests", "stage": stage, "promotionStrategyRef": {"name": "app"},
            "httpRequest": {
                "urlTemplate": format!("{}/start?sha={{{{ .Run.Sha }}}}", self.receiver.url()), "method": "POST",
                "headerTemplates": {"Content-Type": "application/json"},
                "bodyTemplate": r#"{"uri": "{{ .Callback.URI }}", "token": "{{ .Callback.Token }}", "run": "{{ .Run.ID }}", "branch": "{{ .Branch }}"}"#,
            },
        });
        for (name, value) in more.as_object().unwrap() {
            spec[name] = value.clone();
        }
        spec.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let manifest = json!({
            "apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval", "metadata": {"name": "tests"}, "spec": spec,
        });
        self.namespace.apply(&manifest.to_string()).await;
    }

    /// The outside process' part: what it was told in its request number `at`, from 0.
    pub async fn asked(&self, at: usize) -> Value {
        let requests = self.receiver.wait_for(at + 1, PATIENCE).await;
        let mut told = requests[at].json();
        told["key"] = json!(requests[at].header("idempotency-key").unwrap());
        told
    }

    /// The outside process answers.
    pub async fn call_back(&self, asked: &Value, body: &str) -> Called {
        let bearer = format!("Authorization: Bearer {}", asked["token"].as_str().unwrap());
        let url = format!("http://{}", asked["uri"].as_str().unwrap());
        curl(&["--header", &bearer, "--header", "Content-Type: application/json", "--data", body, &url]).await
    }

    async fn commit_statuses(&self) -> Api<DynamicObject> {
        self.namespace.dynamic("promoter.argoproj.io/v1alpha1", "CommitStatus").await
    }

    /// Waits until the one CommitStatus is of this SHA and phase.
    pub async fn reported(&self, sha: &str, phase: &str) -> Value {
        let api = self.commit_statuses().await;
        wait_for(&format!("{phase} on {sha}"), PATIENCE, || async {
            let all = api.list(&Default::default()).await.ok()?.items;
            let spec = all.first()?.data["spec"].clone();
            (all.len() == 1 && spec["sha"] == sha && spec["phase"] == phase).then_some(spec)
        })
        .await
    }

    /// Waits until the approval's condition `Ready` is this, for this reason, and returns what it says.
    async fn ready(&self, status: &str, reason: &str) -> String {
        let api = self.namespace.dynamic("gatepost.dev/v1alpha1", "WebhookApproval").await;
        wait_for(&format!("Ready {status} for {reason}"), PATIENCE, || async {
            let condition = api.get("tests").await.ok()?.data["status"]["conditions"][0].clone();
            let is_it = condition["type"] == "Ready" && condition["status"] == status && condition["reason"] == reason;
            is_it.then(|| condition["message"].as_str().unwrap().to_owned())
        })
        .await
    }

    /// Waits until the approval's status shows runs in these phases, the newest first: it may be written a second after the CommitStatus.
    async fn phases(&self, expected: &[&str]) {
        let api = self.namespace.dynamic("gatepost.dev/v1alpha1", "WebhookApproval").await;
        wait_until(&format!("runs in {expected:?}"), PATIENCE, || async {
            let runs = api.get("tests").await.unwrap().data["status"]["runs"].as_array().cloned().unwrap_or_default();
            runs.iter().map(|run| run["phase"].as_str().unwrap()).eq(expected.iter().copied())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_deployment_the_proposed_sha_waits_for_its_callback_and_a_newer_one_supersedes() {
    let story = Story::begin([]).await;
    story.strategy(&sha('a'), &sha('0')).await;
    story.approval("beforeDeployment", json!({})).await;
    let gatepost = story.gatepost().await;
    let first = story.asked(0).await;
    assert_eq!(
        (&first["run"], &first["branch"]),
        (&first["key"], &json!("env/prod")),
        "the run id is the idempotency key"
    );
    story.reported(&sha('a'), "pending").await;
    let answer = story.call_back(&first, YES).await;
    assert_eq!(answer.status, 200, "the CommitStatus is written by then: {}", answer.body);
    let spec = story.reported(&sha('a'), "success").await;
    assert_eq!((&spec["name"], &spec["description"]), (&json!("tests/env/prod"), &json!("all good")));

    story.strategy(&sha('b'), &sha('a')).await;
    let second = story.asked(1).await;
    story.reported(&sha('b'), "pending").await;
    story.strategy(&sha('c'), &sha('a')).await;
    let third = story.asked(2).await;
    story.reported(&sha('c'), "pending").await;
    let late = story.call_back(&second, YES).await;
    assert_eq!((late.status, &late.json()["phase"]), (409, &json!("superseded")));
    let conflict = story.call_back(&first, NO).await;
    assert_eq!((conflict.status, &conflict.json()["success"]), (409, &json!(true)));
    stays("the newest waits", A_WHILE, || async { story.reported(&sha('c'), "pending").await["phase"] == "pending" })
        .await;
    assert_eq!(story.call_back(&third, NO).await.status, 200);
    story.reported(&sha('c'), "failure").await;
    story.phases(&["failed", "superseded", "succeeded"]).await;
    assert_eq!(story.receiver.requests().len(), 3);
    let metrics = gatepost.metrics().await;
    assert!(metrics.contains("gatepost_approval_runs_total{phase=\"succeeded\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_where_the_dashboard_shows_a_run_that_was_decided() {
    let story = Story::begin([]).await;
    story.strategy(&sha('a'), &sha('0')).await;
    story.approval("beforeDeployment", json!({})).await;
    let log = story.folder.path().join("log");
    let _gatepost = story.gatepost_at("https://gatepost.example/under", &log).await;
    let asked = story.asked(0).await;
    assert_eq!(story.call_back(&asked, YES).await.status, 200);
    let page = format!("https://gatepost.example/under/approvals/{}", asked["run"].as_str().unwrap());
    let text = std::fs::read_to_string(&log).unwrap();
    let line = text.lines().find(|line| line.contains("a run was decided")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains(&page), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_deployment_a_failure_is_reported_on_the_active_sha() {
    let story = Story::begin([]).await;
    story.strategy(&sha('a'), &sha('0')).await;
    story.approval("afterDeployment", json!({})).await;
    let _gatepost = story.gatepost().await;
    let first = story.asked(0).await;
    story.reported(&sha('0'), "pending").await;
    assert_eq!(story.call_back(&first, NO).await.status, 200);
    assert_eq!(story.reported(&sha('0'), "failure").await["description"], "broken");
    story.strategy(&sha('b'), &sha('a')).await;
    assert_eq!(story.call_back(&story.asked(1).await, YES).await.status, 200);
    story.reported(&sha('a'), "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_until_the_deadline_is_a_failure() {
    let story = Story::begin([]).await;
    story.strategy(&sha('a'), &sha('0')).await;
    story.approval("beforeDeployment", json!({"callback": {"timeout": "2s"}})).await;
    let _gatepost = story.gatepost().await;
    let asked = story.asked(0).await;
    let said = story.reported(&sha('a'), "failure").await["description"].clone();
    assert!(said.as_str().unwrap().ends_with("before the deadline"), "{said}");
    let late = story.call_back(&asked, YES).await;
    assert_eq!((late.status, &late.json()["phase"]), (410, &json!("timedOut")));
    story.phases(&["timedOut"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_requesting_or_in_waiting_loses_nothing_and_asks_nobody_under_another_id() {
    let story = Story::begin([Answer::status(503)]).await;
    story.strategy(&sha('a'), &sha('0')).await;
    story.approval("beforeDeployment", json!({})).await;
    let gatepost = story.gatepost().await;
    let first = story.asked(0).await;
    gatepost.kill();
    story.receiver.script([Answer::status(202)]);
    let before = story.receiver.requests().len();
    let gatepost = story.gatepost().await;
    let again = story.asked(before).await;
    assert_eq!((&again["run"], &again["key"]), (&first["run"], &first["run"]));
    story.phases(&["waiting"]).await;
    gatepost.kill();
    let asked = story.receiver.requests().len();
    let _gatepost = story.gatepost().await;
    assert_eq!(story.call_back(&first, YES).await.status, 200, "the token of the first request");
    story.reported(&sha('a'), "success").await;
    stays("nobody is asked again", A_WHILE, || async { story.receiver.requests().len() == asked }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_of_two_holds_until_the_second_person_and_a_failing_callback_beats_it() {
    let story = Story::begin([]).await;
    story.strategy(&sha('a'), &sha('0')).await;
    story.approval("beforeDeployment", json!({"manualApproval": {"minApprovals": 2}})).await;
    for account in ["ann", "bob", "eve"] {
        let manifest = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}});
        story.namespace.apply(&manifest.to_string()).await;
    }
    allow(&story.namespace, "ann", &["approve"]).await;
    allow(&story.namespace, "bob", &["approve", "cancel"]).await;
    let _gatepost = story.gatepost().await;
    let first = story.asked(0).await;
    let id = first["run"].as_str().unwrap();
    assert_eq!(story.call_back(&first, YES).await.status, 200);
    let denied = verb(&story, "eve", &["approve", id]).await;
    assert!(denied.contains("the cluster does not let"), "{denied}");
    assert!(verb(&story, "ann", &["approve", id, "--reason", "seen"]).await.contains("waiting"));
    assert!(verb(&story, "ann", &["approve", id]).await.contains("waiting"), "one person is one vote");
    story.reported(&sha('a'), "pending").await;
    assert!(verb(&story, "bob", &["approve", id]).await.contains("succeeded"));
    story.reported(&sha('a'), "success").await;
    let shown = verb(&story, "ann", &["show", id]).await;
    assert!(shown.contains("reason: seen") && shown.contains("127.0.0.1"), "{shown}");

    story.strategy(&sha('b'), &sha('a')).await;
    let second = story.asked(1).await;
    let id = second["run"].as_str().unwrap();
    verb(&story, "ann", &["approve", id]).await;
    assert_eq!(story.call_back(&second, NO).await.status, 200);
    story.reported(&sha('b'), "failure").await;
    let late = verb(&story, "bob", &["approve", id]).await;
    assert!(late.contains("Decided already"), "{late}");
    let listed = verb(&story, "ann", &["list", &format!("{}/tests", story.namespace.name)]).await;
    assert!(listed.contains("failed") && listed.contains("succeeded"), "{listed}");
}

/// Output of `gatepost approvals …` under an account's own token, errors included.
async fn verb(story: &Story, account: &str, arguments: &[&str]) -> String {
    let token = token_of(&story.namespace, account, "gatepost").await;
    let file = story.folder.path().join(account);
    write(&file, &token);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.arg("approvals").args(arguments).arg("--token-file").arg(&file);
    command.args(["--server", &format!("http://127.0.0.1:{}", story.port)]);
    let done = command.output().await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// The conversation of an Argo Rollouts `web` metric: the same PUT again and again, answered 200 with the phase.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_opens_its_run_by_asking_and_asks_until_it_is_decided() {
    let story = Story::begin([]).await;
    story.approval("withinDeployment", json!({"promotionStrategyRef": null})).await;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "rollouts"}});
    story.namespace.apply(&account.to_string()).await;
    let _gatepost = story.gatepost().await;
    let bearer = format!("Authorization: Bearer {}", token_of(&story.namespace, "rollouts", "gatepost").await);
    let url = format!("http://127.0.0.1:{}/api/v1/approvals/{}/tests/runs/6f9c8d7b5", story.port, story.namespace.name);
    let put = async || curl(&["--request", "PUT", "--header", &bearer, &url]).await;
    assert_eq!(put().await.status, 403);
    allow(&story.namespace, "rollouts", &["runs"]).await;
    let opened =
        wait_for("the run to be opened", PATIENCE, || async { Some(put().await).filter(|a| a.status == 200) }).await;
    assert_eq!(opened.json()["phase"], "requesting");
    let asked = story.asked(0).await;
    assert_eq!((&asked["run"], &put().await.json()["id"]), (&opened.json()["id"], &opened.json()["id"]));
    wait_until("it waits", PATIENCE, || async { put().await.json()["phase"] == "waiting" }).await;
    assert_eq!(story.call_back(&asked, NO).await.status, 200);
    assert_eq!((put().await.status, put().await.json()["phase"].clone()), (200, json!("failed")));
    assert_eq!(story.receiver.requests().len(), 1);
}

/// A failed approval after a sync: the Application as Argo CD would be asked to roll it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_a_sync_starts_argo_cds_own_rollback_once() {
    let story = Story::begin([]).await;
    let rules =
        json!({"promotionStrategyRef": null, "applicationRef": {"name": "shop"}, "onFailure": {"rollback": true}});
    story.approval("afterDeployment", rules).await;
    let owner = format!("{}/tests", story.namespace.name);
    let source = json!({"repoURL": "https://git.example.com/r.git", "path": "."});
    let entry = |id: u8, revision: &str| json!({"id": id, "revision": revision, "deployedAt": "2026-01-01T10:00:00Z", "source": source});
    let app = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "annotations": {"gatepost.dev/allow-rollback-by": owner}},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"}, "source": source,
            "syncPolicy": {"syncOptions": ["CreateNamespace=true"]}},
        "status": {
            "history": [entry(1, "r1"), entry(2, "r2")],
            "operationState": {"phase": "Succeeded", "startedAt": "2026-01-01T10:00:00Z", "finishedAt": "2026-01-01T10:01:00Z",
                "operation": {"sync": {"revision": "r2"}}, "syncResult": {"revision": "r2", "source": source}},
        },
    });
    story.namespace.apply(&app.to_string()).await;
    let _gatepost = story.gatepost().await;
    let asked = story.asked(0).await;
    assert_eq!(asked["branch"], format!("{}/shop", story.namespace.name));
    assert_eq!(story.call_back(&asked, NO).await.status, 200);
    let api = story.namespace.dynamic("argoproj.io/v1alpha1", "Application").await;
    let operation = wait_for("the operation", PATIENCE, || async {
        Some(api.get("shop").await.ok()?.data["operation"].clone()).filter(|operation| !operation.is_null())
    })
    .await;
    assert_eq!(
        operation["sync"],
        json!({"revision": "r1", "source": source, "prune": false,
        "syncOptions": ["CreateNamespace=true"], "syncStrategy": {"apply": {}}})
    );
    assert_eq!(operation["initiatedBy"]["username"], format!("gatepost:{owner}"));
    assert!(api.get("shop").await.unwrap().data["status"]["operationState"].is_null());
    // Argo CD takes the operation up; a second one for the same revision is not started.
    let taken = json!({"operation": null});
    api.patch("shop", &PatchParams::default(), &Patch::Merge(taken)).await.unwrap();
    stays("once", A_WHILE * 3, || async { api.get("shop").await.unwrap().data["operation"].is_null() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_can_open_no_run_says_why_until_it_can() {
    let story = Story::begin([]).await;
    story.approval("beforeDeployment", json!({})).await;
    let _gatepost = story.gatepost().await;
    let said = story.ready("False", "StrategyNotFound").await;
    assert!(said.starts_with(&format!("there is no PromotionStrategy {}/app", story.namespace.name)), "{said}");
    let nameless = json!({
        "apiVersion": "promoter.argoproj.io/v1alpha1", "kind": "PromotionStrategy", "metadata": {"name": "app"},
        "spec": {"gitRepositoryRef": {"name": "repo"}, "environments": [{"branch": "env/prod", "autoMerge": false}]},
    });
    story.namespace.apply(&nameless.to_string()).await;
    let said = story.ready("False", "KeyNotNamed").await;
    assert!(said.contains("\"tests\"") && said.contains("proposedCommitStatuses"), "{said}");
    story.strategy(&sha('a'), &sha('0')).await;
    story.ready("True", "Watching").await;
    story.asked(0).await;
    story.phases(&["waiting"]).await;
    story.ready("True", "Watching").await;
}
