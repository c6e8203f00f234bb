//! Hooks that wake a gate, through the binary: who may, and that a hook carries no decision.

use crate::env::{Answer, Issuer, Namespace, PATIENCE, Receiver, client, cluster, stays, wait_until};
use crate::running::{Gatepost, Start};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

const API_VERSION: &str = "promoter.argoproj.io/v1alpha1";
const KEY: &str = "a key of sixteen or more";

struct Scene {
    namespace: Namespace,
    /// A commit that no other gate reports on.
    sha: String,
    receiver: Receiver,
    hook: String,
    _gatepost: Gatepost,
}

/// A gate that asks once an hour and was not approved yet; its annotations say who may wake it.
async fn scene(annotations: Value) -> Scene {
    let namespace = cluster().await.namespace().await;
    let receiver =
        Receiver::start([Answer::json(&json!({"approved": false})), Answer::json(&json!({"approved": true}))]).await;
    let strategy = json!({"apiVersion": API_VERSION, "kind": "PromotionStrategy", "metadata": {"name": "app"}, "spec": {
        "gitRepositoryRef": {"name": "repo"}, "environments": [{"branch": "dev"}], "proposedCommitStatuses": [{"key": "gate"}]}});
    namespace.apply(&strategy.to_string()).await;
    let sha = uuid::Uuid::new_v4().simple().to_string().repeat(2)[..40].to_owned();
    let commit = json!({"sha": sha, "commitTime": "2026-01-02T03:04:05Z"});
    let side = json!({"dry": commit, "hydrated": commit});
    let status = json!({"environments": [{"branch": "dev", "proposed": side, "active": side}]});
    let reported =
        json!({"apiVersion": API_VERSION, "kind": "PromotionStrategy", "metadata": {"name": "app"}, "status": status});
    namespace.apply_status(&reported.to_string()).await;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": {"bearer": KEY}});
    namespace.apply(&secret.to_string()).await;
    let gate = json!({"apiVersion": API_VERSION, "kind": "WebRequestCommitStatus",
        "metadata": {"name": "gate", "labels": {"promoter.argoproj.io/instance-id": namespace.name},
            "annotations": annotations},
        "spec": {"promotionStrategyRef": {"name": "app"}, "key": "gate",
            "httpRequest": {"urlTemplate": format!("{}/ask", receiver.url()), "methodTemplate": "GET"},
            "success": {"when": {"expression": "Response != nil ? Response.Body.approved == true : Phase == 'success'"}},
            "mode": {"polling": {"interval": "1h"}}}});
    namespace.apply(&gate.to_string()).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings =
        format!("[gates]\nenabled = true\ninstanceId = \"{}\"\n[hooks]\nbind = \"127.0.0.1:{port}\"", namespace.name);
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    let gatepost = Gatepost::start_with(start, &[], &settings).await;
    receiver.wait_for(1, PATIENCE).await;
    let hook = format!("http://127.0.0.1:{port}/hooks/v1/gates/{}/gate", namespace.name);
    Scene { namespace, sha, receiver, hook, _gatepost: gatepost }
}

async fn post(url: &str, key: &str) -> u16 {
    let request = client().post(url).bearer_auth(key).body("{\"approved\": true, \"phase\": \"success\"}");
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_lets_a_gate_ask_now_and_the_answer_decides() {
    let scene = scene(json!({"gatepost.dev/hook-secret": "hook"})).await;
    assert_eq!(post(&scene.hook, "a wrong key of sixteen").await, 401);
    assert_eq!(post(&scene.hook.replace("/gate", "/nobody"), KEY).await, 404, "another path");
    assert_eq!(post(&format!("{}-2", scene.hook), KEY).await, 401, "no such gate");
    stays("nobody was woken", Duration::from_secs(1), || async { scene.receiver.requests().len() == 1 }).await;
    assert_eq!(post(&scene.hook, KEY).await, 202);
    passes(&scene).await;
}

/// The gate asks once more, and what it is answered decides.
async fn passes(scene: &Scene) {
    scene.receiver.wait_for(2, PATIENCE).await;
    let children = scene.namespace.dynamic(API_VERSION, "CommitStatus").await;
    wait_until("the gate passes", PATIENCE, || async {
        let all = children.list(&kube::api::ListParams::default()).await.unwrap().items;
        all.iter().any(|child| child.data["spec"]["phase"] == "success" && child.data["spec"]["sha"] == scene.sha)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_issuer_wakes_the_gate_whose_rules_it_satisfies() {
    let issuer = Issuer::start().await;
    let rules = format!(
        "- issuer: {}\n  audience: gatepost\n  algorithms: [ES256]\n  claims: {{repository: [org/app]}}\n",
        issuer.url()
    );
    let scene = scene(json!({"gatepost.dev/hook-oidc": rules})).await;
    let of = |repository: &str, audience: &str| {
        issuer.token(json!({"sub": "repo:org/app", "aud": audience, "repository": repository}))
    };
    let right = of("org/app", "gatepost");
    let (said, signature) = right.rsplit_once('.').unwrap();
    let forged = format!("{said}.{}", signature.chars().rev().collect::<String>());
    let expired = issuer.token(json!({"aud": "gatepost", "repository": "org/app", "exp": 1}));
    let elsewhere = Issuer::start().await.token(json!({"aud": "gatepost", "repository": "org/app"}));
    for (what, token) in [
        ("another repository", of("org/other", "gatepost")),
        ("another audience", of("org/app", "other")),
        ("a signature of nobody", forged),
        ("an old one", expired),
        ("an issuer that nobody named", elsewhere),
        ("the key of a Secret that is not named", KEY.to_owned()),
    ] {
        assert_eq!(post(&scene.hook, &token).await, 401, "{what}");
    }
    assert_eq!(scene.receiver.count(), 1, "nobody was woken");
    assert_eq!(post(&scene.hook, &right).await, 202);
    passes(&scene).await;
    assert_eq!(issuer.fetches(), 2, "discovery and keys once, whatever came");
}
