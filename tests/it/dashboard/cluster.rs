//! The dashboard of a cluster, behind its login: gates that hold, with their reasons, and no page that shows one of the secrets that
//! were planted wherever one may lie, though every receiver repeats what it hears.

use super::approvals::log_in;
use super::walk::{PageOf, faults};
use crate::canary;
use crate::env::{Answer, Namespace, PATIENCE, Receiver, Window, browser, cluster, wait_until};
use crate::gates::sha;
use crate::running::{Gatepost, Start, free_port};
use serde_json::{Value, json};

const PROMOTER: &str = "promoter.argoproj.io/v1alpha1";
const BRANCH: &str = "environment/production";
const SIZE: (u32, u32) = (1280, 1000);
/// What stands where a secret was.
const MASK: &str = "[secret]";

/// Deliveries that were refused, one gate that holds and one that nobody answers, and a run that waits.
pub struct Scene {
    namespace: Namespace,
    /// The process.
    pub gatepost: Gatepost,
    /// Whom deliveries go to, whom the gates ask, and the outside process of the approval.
    receivers: [Receiver; 4],
}

impl Scene {
    /// Starts it, and waits until all that is on record.
    pub async fn start() -> Self {
        let namespace = cluster().await.namespace().await;
        let answers = [Answer::Echo(400), Answer::Echo(202), Answer::Close, Answer::Echo(200)];
        let [refuses, holds, closes, asked] = answers.map(|answer| Receiver::start([answer]));
        let receivers = [refuses.await, holds.await, closes.await, asked.await];
        let config = canary::config(&receivers[0].url(), "failed {{.app.metadata.name}}");
        canary::plant(&namespace, canary::SECRET[0].1, &config).await;
        namespace.apply(&canary::application("a").to_string()).await;
        promotion(&namespace, &receivers).await;
        let port = free_port();
        let settings = format!(
            "[gates]\nenabled = true\ninstanceId = \"{}\"\n[callbacks]\nbind = \"127.0.0.1:{port}\"\nexternalUrl = \"http://127.0.0.1:{port}\"",
            namespace.name
        );
        let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
        let gatepost = Gatepost::start_with(start, &[], &settings).await;
        let scene = Self { namespace, gatepost, receivers };
        scene.settled().await;
        scene
    }

    /// Waits until everybody has answered, and everything that follows is on record.
    async fn settled(&self) {
        wait_until("the deliveries are dead letters", PATIENCE, || async {
            self.ids("deliveries?state=dead").await.len() == 3
        })
        .await;
        wait_until("one gate holds and the other tries again", PATIENCE, || async {
            let gates = self.gatepost.get("gates").await["items"].to_string();
            gates.contains("\"phase\":\"pending\"") && gates.contains("\"nextTry\":\"")
        })
        .await;
        wait_until("the run waits", PATIENCE, || async {
            self.gatepost.get("approvals/runs").await.to_string().contains("waiting")
        })
        .await;
    }

    async fn ids(&self, list: &str) -> Vec<String> {
        let items = self.gatepost.get(list).await["items"].clone();
        items.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    /// What no page may show: the canaries in all their forms, and the token that the outside process was given.
    fn secrets(&self) -> Vec<String> {
        let told = self.receivers[3].requests()[0].json();
        let token = told["token"].as_str().unwrap().to_owned();
        assert!(token.len() > 20, "{told}");
        canary::forms().into_iter().chain([token]).collect()
    }

    /// Every page, and a word that must be read there.
    async fn pages(&self) -> Vec<PageOf> {
        let place = &self.namespace.name;
        let mut all: Vec<PageOf> = vec![
            ("overview".into(), "/".into(), "on-failed".into()),
            ("applications".into(), "/applications".into(), format!("{place}/a")),
            ("application".into(), format!("/applications/{place}/a"), "on-failed".into()),
            ("deliveries".into(), "/deliveries".into(), format!("{place}/a")),
            ("dead-letters".into(), "/dead-letters".into(), "hook".into()),
            ("destinations".into(), "/destinations".into(), "hook".into()),
            ("configuration".into(), "/configuration".into(), "trigger.broken".into()),
            ("gates".into(), "/gates".into(), format!("{place}/holds")),
            ("gate".into(), format!("/gates/{place}/holds"), "202".into()),
            ("gate-unanswered".into(), format!("/gates/{place}/unanswered"), "Next try".into()),
            ("approvals".into(), "/approvals".into(), BRANCH.into()),
            ("missing".into(), "/nowhere".into(), "/nowhere".into()),
        ];
        for id in self.ids("deliveries").await {
            all.push(("delivery".into(), format!("/deliveries/{id}"), "Attempts".into()));
        }
        for id in self.ids("approvals/runs").await {
            all.push(("run".into(), format!("/approvals/{id}"), BRANCH.into()));
        }
        all
    }

    async fn window(&self, page: &str) -> Window {
        let window = browser().await.window(SIZE).await;
        let token = gatepost::server::auth::local_token(self.gatepost.port()).unwrap();
        log_in(&window, &self.gatepost, (page, &token)).await;
        window
    }
}

/// A strategy with two gates and an approval, which ask with secrets in hand.
async fn promotion(namespace: &Namespace, [_, holds, closes, asked]: &[Receiver; 4]) {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {
        "username": "gatekeeper", "password": canary::SECRET[1].1, "token": canary::SECRET[0].1}});
    namespace.apply(&secret.to_string()).await;
    let commit = json!({"sha": sha(), "commitTime": "2026-01-02T03:04:05Z"});
    let side = json!({"dry": commit, "hydrated": commit});
    let keys: Vec<Value> = ["holds", "unanswered", "tests"].iter().map(|key| json!({"key": key})).collect();
    let head = json!({"apiVersion": PROMOTER, "kind": "PromotionStrategy", "metadata": {"name": "app"}});
    let mut strategy = head.clone();
    strategy["spec"] = json!({"gitRepositoryRef": {"name": "repo"}, "environments": [{"branch": BRANCH}], "proposedCommitStatuses": keys});
    namespace.apply(&strategy.to_string()).await;
    let mut status = head;
    status["status"] = json!({"environments": [{"branch": BRANCH, "proposed": side, "active": side}]});
    namespace.apply_status(&status.to_string()).await;
    let login = json!({"secretRef": {"name": "login"}});
    for (name, receiver, way) in [("holds", holds, "basic"), ("unanswered", closes, "bearer")] {
        let request = json!({"urlTemplate": format!("{}/ask", receiver.url()), "methodTemplate": "GET", "authentication": {way: login}});
        let gate = json!({"apiVersion": PROMOTER, "kind": "WebRequestCommitStatus",
            "metadata": {"name": name, "labels": {"promoter.argoproj.io/instance-id": namespace.name}},
            "spec": {"promotionStrategyRef": {"name": "app"}, "key": name, "httpRequest": request,
                "success": {"when": {"expression": "Response != nil && Response.StatusCode == 200"}}, "mode": {"polling": {"interval": "1h"}}}});
        namespace.apply(&gate.to_string()).await;
    }
    let request = json!({"urlTemplate": format!("{}/start", asked.url()), "method": "POST", "authentication": {"bearer": login},
        "bodyTemplate": r#"{"uri": "{{ .Callback.URI }}", "token": "{{ .Callback.Token }}"}"#});
    let approval = json!({"apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval", "metadata": {"name": "tests"}, "spec": {
        "key": "tests", "stage": "beforeDeployment", "promotionStrategyRef": {"name": "app"}, "httpRequest": request}});
    namespace.apply(&approval.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_a_cluster_shows_a_secret_and_every_page_is_in_order() {
    let scene = Scene::start().await;
    let window = scene.window("/").await;
    let (secrets, mut all, mut masked) = (scene.secrets(), Vec::new(), Vec::new());
    for (name, path, word) in scene.pages().await {
        window.go(&format!("{}{path}", scene.gatepost.api)).await;
        window.says("main", &word).await;
        all.extend(faults(&window, &name, &secrets).await);
        if window.source().await.contains(MASK) {
            masked.push(name.clone());
        }
        window.picture(&format!("cluster-{name}")).await;
    }
    window.close().await;
    assert!(all.is_empty(), "{}", all.join("\n"));
    // Where a receiver's answer is shown, something was there to be masked.
    for name in ["delivery", "gate"] {
        assert!(masked.iter().any(|seen| seen == name), "{name} shows no answer: {masked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_says_why_it_holds_what_it_was_answered_and_when_it_tries_again() {
    let scene = Scene::start().await;
    let (place, window) = (&scene.namespace.name, scene.window("/gates").await);
    let listed = window.says("[data-live=gates] tbody", &format!("{place}/holds")).await;
    assert!(listed.contains(&format!("{place}/unanswered")) && listed.contains("pending"), "{listed}");
    let times = "return document.querySelectorAll('[data-live=gates] tbody time').length";
    assert_eq!(window.run(times).await, 2, "each says when it is looked at or tried again");
    window.click(&format!("[data-live=gates] a[href$='{place}/holds']")).await;
    let why = window.says("[data-live=gate-now]", BRANCH).await;
    assert!(why.contains("pending") && why.contains("the expression gave false on the last answer"), "{why}");
    let answer = window.says("[data-live=gate-answers]", "Status 202").await;
    assert!(answer.contains("attempt 1") && answer.contains(MASK), "{answer}");
    assert!(window.says("[data-live=gate-facts]", "Next look").await.contains("polling"));
    window.go(&format!("{}/gates/{place}/unanswered", scene.gatepost.api)).await;
    let why = window.says("[data-live=gate-now]", "the last look failed").await;
    assert!(why.contains("it is tried again at"), "{why}");
    window.says("[data-live=gate-facts]", "Next try").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}
