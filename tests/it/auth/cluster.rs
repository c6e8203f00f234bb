//! On a real API server: tokens of service accounts of right and wrong audience, the rights that they have, and approvals under one's own
//! login.

use super::Browser;
use super::browser::{client, send};
use super::device::Person;
use crate::approvals::house::token_of;
use crate::env::{Issuer, Namespace, Receiver, cluster};
use crate::running::{Gatepost, Start, free_port};
use reqwest::Method;
use serde_json::{Value, json};

const DISCARD: &str = "/api/v1/deliveries/discard";
const AUDIENCE: &str = "gatepost";
/// What tokens for the API server itself are made for.
const API_SERVER: &str = "https://kubernetes.default.svc";

struct Scene {
    namespace: Namespace,
    gatepost: Gatepost,
}

impl Scene {
    async fn set(settings: &str) -> Self {
        let namespace = cluster().await.namespace().await;
        let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
        let gatepost = Gatepost::start_with(start, &[], settings).await;
        Self { namespace, gatepost }
    }

    /// A service account that may do these things, and its token.
    async fn account(&self, name: &str, rules: Value, audience: &str) -> String {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        self.namespace.apply(&account.to_string()).await;
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": self.namespace.name});
        grant(&self.namespace, name, rules, subject).await;
        token_of(&self.namespace, name, audience).await
    }

    async fn status(&self, method: Method, path: &str, token: &str) -> (u16, String) {
        let request = client().request(method.clone(), format!("{}{path}", self.gatepost.api)).bearer_auth(token);
        let answer = send(if method == Method::GET { request } else { request.json(&json!({"dryRun": true})) }).await;
        (answer.status, answer.body)
    }
}

async fn grant(namespace: &Namespace, name: &str, rules: Value, subject: Value) {
    let group = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": rules});
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name}, "subjects": [subject],
    });
    namespace.apply(&role.to_string()).await;
    namespace.apply(&binding.to_string()).await;
}

fn may(verbs: &[&str]) -> Value {
    json!([{"apiGroups": ["gatepost.dev"], "resources": ["relays"], "verbs": verbs}])
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_the_cluster_say_who_and_the_cluster_says_what() {
    let scene = Scene::set("").await;
    let viewer = scene.account("viewer", may(&["view"]), AUDIENCE).await;
    let operator = scene.account("operator", may(&["operate"]), AUDIENCE).await;
    let nobody = scene.account("nobody", json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}]), AUDIENCE).await;
    let elsewhere = token_of(&scene.namespace, "operator", "https://other.example").await;
    let api_server = token_of(&scene.namespace, "operator", API_SERVER).await;
    let cases = [
        ("a viewer", &viewer, 200, 403),
        ("an operator", &operator, 200, 200),
        ("one without rights", &nobody, 403, 403),
        ("a token for others", &elsewhere, 401, 401),
        ("a token for the API server", &api_server, 401, 401),
    ];
    for (what, token, read, change) in cases {
        let (status, body) = scene.status(Method::GET, "/api/v1/status", token).await;
        assert_eq!(status, read, "{what}: {body}");
        let (status, body) = scene.status(Method::POST, DISCARD, token).await;
        assert_eq!(status, change, "{what}: {body}");
    }
    let (_, told) = scene.status(Method::GET, "/api/v1/status", &nobody).await;
    assert!(told.contains(&format!("system:serviceaccount:{}:nobody", scene.namespace.name)), "{told}");
    assert!(told.contains("relays.gatepost.dev"), "it says what is missing: {told}");
    let mut altered = viewer.clone();
    altered.replace_range(altered.len() - 4.., "AAAA");
    assert_eq!(scene.status(Method::GET, "/api/v1/status", &altered).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_for_the_api_server_are_taken_where_the_settings_say_so_and_others_still_not() {
    let scene = Scene::set("[auth]\nacceptApiServerTokens = true").await;
    scene.account("viewer", may(&["view"]), AUDIENCE).await;
    let api_server = token_of(&scene.namespace, "viewer", API_SERVER).await;
    let elsewhere = token_of(&scene.namespace, "viewer", "https://other.example").await;
    assert_eq!(scene.status(Method::GET, "/api/v1/status", &api_server).await.0, 200);
    assert_eq!(scene.status(Method::GET, "/api/v1/status", &elsewhere).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_login_but_to_the_way_in() {
    let scene = Scene::set("").await;
    let ask = |method: Method, path: &str| {
        let request = client().request(method.clone(), format!("{}{path}", scene.gatepost.api));
        send(if method.is_safe() { request } else { request.json(&json!({})) })
    };
    let api = [
        (Method::GET, "/api/v1"),
        (Method::GET, "/api/v1/config"),
        (Method::GET, "/api/v1/decisions"),
        (Method::GET, "/api/v1/status"),
        (Method::GET, "/api/v1/stream"),
        (Method::GET, "/api/v1/openapi.json"),
        (Method::GET, "/api/v1/applications/a/b"),
        (Method::GET, "/api/v1/deliveries"),
        (Method::GET, "/api/v1/deliveries/dlv_0198c0de-0000-7000-8000-000000000001"),
        (Method::GET, "/api/v1/destinations"),
        (Method::GET, "/api/v1/gates"),
        (Method::GET, "/api/v1/gates/a/b"),
        (Method::GET, "/api/v1/approvals/a/runs"),
        (Method::GET, "/api/v1/approvals/runs/x"),
        (Method::GET, "/api/v1/nowhere"),
        (Method::GET, "/api"),
        (Method::POST, "/api/v1/deliveries/replay"),
        (Method::POST, DISCARD),
        (Method::POST, "/api/v1/destinations/enable"),
        (Method::POST, "/api/v1/destinations/disable"),
        (Method::POST, "/api/v1/approvals/runs/x/approve"),
        (Method::PUT, "/api/v1/approvals/a/b/runs/c"),
        (Method::DELETE, "/api/v1/deliveries"),
        (Method::POST, "/"),
    ];
    for (method, path) in api {
        let answer = ask(method.clone(), path).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {path}");
        assert!(answer.body.contains("gatepost login"), "it says what to do: {}", answer.body);
    }
    let pages = ["/", "/applications", "/deliveries", "/dead-letters", "/destinations", "/configuration", "/gates", "/approvals", "/nowhere", "/metrics", "/readyz"];
    for path in pages {
        let answer = ask(Method::GET, path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/login?next=%2F") && answer.body.is_empty(), "{path}");
    }
    for path in ["/login", "/login/methods", "/healthz"] {
        assert_eq!(ask(Method::GET, path).await.status, 200, "{path}");
    }
    assert_eq!(scene.gatepost.get("status").await["durable"], json!(true), "the token of this machine");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_beside_it_needs_no_word_about_tokens() {
    let scene = Scene::set("").await;
    let person = Person::new();
    for arguments in [&["deliveries", "list"][..], &["destinations", "list"], &["deliveries", "replay", "--state", "dead", "--dry-run"]] {
        let output = person.run(&[arguments, &["--server", &scene.gatepost.api]].concat()).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Gatepost with approvals, and one that waits for people.
async fn with_approvals(more: &str) -> (Scene, Receiver, String) {
    let (port, receiver) = (free_port(), Receiver::start([]).await);
    let callbacks = format!("http://127.0.0.1:{port}");
    let scene = Scene::set(&format!("[callbacks]\nbind = \"127.0.0.1:{port}\"\nexternalUrl = \"{callbacks}\"\n{more}")).await;
    let approval = json!({
        "apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval", "metadata": {"name": "people"},
        "spec": {"key": "people", "stage": "withinDeployment", "manualApproval": {"minApprovals": 2},
            "httpRequest": {"urlTemplate": receiver.url(), "method": "POST"}},
    });
    scene.namespace.apply(&approval.to_string()).await;
    (scene, receiver, callbacks)
}

fn approver() -> Value {
    json!([
        {"apiGroups": ["gatepost.dev"], "resources": ["webhookapprovals"], "verbs": ["get"]},
        {"apiGroups": ["gatepost.dev"], "resources": ["webhookapprovals/approve"], "verbs": ["create"]},
    ])
}

/// Opens a run under an account of its own; its id.
async fn opened(scene: &Scene, callbacks: &str) -> String {
    let rules = json!([{"apiGroups": ["gatepost.dev"], "resources": ["webhookapprovals/runs"], "verbs": ["create"]}]);
    let pipeline = scene.account("pipeline", rules, AUDIENCE).await;
    let path = format!("/api/v1/approvals/{}/people/runs/one", scene.namespace.name);
    let put = || client().put(format!("{callbacks}{path}")).bearer_auth(&pipeline).json(&json!({}));
    crate::env::wait_for("the run is open", crate::env::PATIENCE, || async {
        let answer = send(put()).await;
        let value: Value = serde_json::from_str(&answer.body).ok()?;
        (answer.status == 200).then(|| value["id"].as_str().unwrap().to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_decide_on_the_dashboard_and_on_the_command_line_as_themselves() {
    let issuer = Issuer::start().await;
    let settings = format!("[auth]\nissuer = \"{}\"\nclientId = \"gatepost\"", issuer.url());
    let (scene, _receiver, callbacks) = with_approvals(&settings).await;
    let run = opened(&scene, &callbacks).await;
    let path = format!("/api/v1/approvals/runs/{run}");

    let (status, told) = scene.status_of_keeper(&format!("{path}/approve")).await;
    assert!(status == 403 && told.contains("under their own login"), "the machine's token is no person: {told}");
    let viewer = scene.account("viewer", may(&["view"]), AUDIENCE).await;
    let refused = send(client().post(format!("{}{path}/approve", scene.gatepost.api)).bearer_auth(&viewer).json(&json!({}))).await;
    assert_eq!(refused.status, 403, "who may look may not decide: {}", refused.body);

    let mut rules = approver();
    rules.as_array_mut().unwrap().push(may(&["view"])[0].clone());
    let ann = scene.account("ann", rules, AUDIENCE).await;
    let mut browser = Browser::at(&scene.gatepost.api);
    assert_eq!(browser.log_in(&ann).await.status, 303);
    let csrf = browser.csrf().await;
    let body = json!({"reason": "seen on staging"});
    assert_eq!(browser.change(&format!("{path}/approve"), "x", &body).await.status, 403, "a vote carries the session's token, too");
    let voted = browser.change(&format!("{path}/approve"), &csrf, &body).await;
    assert_eq!(voted.status, 200, "{}", voted.body);
    assert!(voted.body.contains(&format!("system:serviceaccount:{}:ann", scene.namespace.name)), "{}", voted.body);
    assert!(voted.body.contains("\"waiting\"") || voted.body.contains("\"requesting\""), "one of two: {}", voted.body);

    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "oidc:bob@x.example"});
    grant(&scene.namespace, "bob", approver(), subject).await;
    let person = Person::new();
    let claims = |email: &str| json!({"aud": "gatepost", "email": email, "groups": ["system:masters"]});
    person.log_in(&callbacks, &issuer, claims("eve@x.example")).await;
    let vote = ["approvals", "approve", &run, "--server", &callbacks, "-o", "json"];
    let refused = person.run(&vote).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("oidc:eve@x.example"), "no group makes her one of the cluster's: {told}");
    person.log_in(&callbacks, &issuer, claims("bob@x.example")).await;
    let voted = person.run(&vote).await;
    assert!(voted.status.success(), "{}", String::from_utf8_lossy(&voted.stderr));
    assert!(String::from_utf8_lossy(&voted.stdout).contains("oidc:bob@x.example"));
}

impl Scene {
    /// A change under the token of this machine.
    async fn status_of_keeper(&self, path: &str) -> (u16, String) {
        let answer = send(self.gatepost.asking(Method::POST, path).json(&json!({}))).await;
        (answer.status, answer.body)
    }
}
