//! A desk with its listener in this process, over the real API server: its TokenReviews, SubjectAccessReviews and Secrets.

use crate::env::{Namespace, cluster};
use actix_web::dev::ServerHandle;
use gatepost::controller::approval::access::Issuer;
use gatepost::controller::approval::clients::InSecrets;
use gatepost::controller::approval::crd::WebhookApproval;
use gatepost::controller::approval::{Desk, InSecret, RingKeeper, Shelf, Shown};
use gatepost::controller::identity::{Issuers, KubernetesCluster, Limits};
use gatepost::controller::{Changes, Links};
use gatepost::egress::{Egress, Policy};
use gatepost::gate::approval::{Opening, Run, RunId, Subject};
use gatepost::outbox::runs::{Opened, Runs};
use gatepost::outbox::{SqliteStore, Store};
use gatepost::server::{Certificate, Reach, callbacks};
use gatepost::telemetry::Metrics;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;

/// What one call of curl came to.
pub struct Called {
    /// HTTP status.
    pub status: u16,
    /// Head as text, in lower case.
    pub head: String,
    /// Body as text.
    pub body: String,
}

impl Called {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.body))
    }
}

/// Runs curl with these arguments. A status comes back whatever it is.
pub async fn curl(arguments: &[&str]) -> Called {
    let mut run = tokio::process::Command::new("curl");
    let done =
        run.args(["--silent", "--show-error", "--include"]).args(arguments).output().await.expect("curl can be run");
    let text = String::from_utf8(done.stdout).expect("the answer is text");
    assert!(done.status.success(), "curl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    // A body of some size is announced first: `100 Continue` has a head of its own.
    let last = text.match_indices("HTTP/").map(|(at, _)| at).filter(|at| *at == 0 || text[..*at].ends_with("\r\n\r\n"));
    let text = &text[last.last().unwrap_or(0)..];
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Called { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// The house.
pub struct House {
    /// Where it is reached.
    pub url: String,
    /// Its namespace.
    pub namespace: Namespace,
    /// The desk.
    pub desk: Arc<Desk>,
    /// The store behind it.
    pub store: Arc<SqliteStore>,
    server: ServerHandle,
    folder: tempfile::TempDir,
    tls: bool,
}

impl House {
    /// Starts one, with TLS or without.
    pub async fn start(tls: bool) -> Self {
        gatepost::egress::install_provider();
        let (namespace, folder) = (cluster().await.namespace().await, tempfile::tempdir().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let store = Arc::new(SqliteStore::in_memory().await.unwrap());
        let egress = Arc::new(Egress::new(Policy { loopback_allowed: true, ..Policy::default() }));
        let ring = RingKeeper::new(Box::new(InSecret::new(namespace.client.clone(), &namespace.name)));
        ring.tend().await.unwrap();
        let desk = Arc::new(Desk {
            store: Arc::clone(&store) as Arc<dyn Runs>,
            shelf: Arc::new(Shelf::default()),
            ring: Arc::new(ring),
            issuer: Issuer { url: url.clone(), audiences: vec!["https://api.gatepost.example".to_owned()] },
            issuers: Arc::new(Issuers::new(egress, namespace.name.clone())),
            cluster: Some(Arc::new(KubernetesCluster::new(namespace.client.clone()))),
            clients: Some(Arc::new(InSecrets::new(namespace.client.clone()))),
            people: None,
            limits: Limits::new(1_000),
            changed: Notify::new(),
            changes: Changes::default(),
            shown: Shown::default(),
            metrics: Arc::new(Metrics::new().unwrap()),
            links: Links::default(),
        });
        let certificate = tls.then(|| certificate(&folder));
        let server = callbacks(listener, Arc::clone(&desk), Reach { certificate, ..Reach::default() }, |_| {}).unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, namespace, desk, store, server: handle, folder, tls }
    }

    /// Makes a `WebhookApproval` with this authentication of callbacks, as the desk would see it by its watch.
    pub async fn approval(&self, name: &str, authentication: Value) -> WebhookApproval {
        self.approval_with(name, authentication, json!({"stage": "withinDeployment"})).await
    }

    /// The same for the environments of a strategy.
    pub async fn approval_of_strategy(&self, name: &str, authentication: Value) -> WebhookApproval {
        let more = json!({"stage": "beforeDeployment", "promotionStrategyRef": {"name": "app"}});
        self.approval_with(name, authentication, more).await
    }

    async fn approval_with(&self, name: &str, authentication: Value, more: Value) -> WebhookApproval {
        let mut manifest = json!({
            "apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval", "metadata": {"name": name},
            "spec": {"key": name, "callback": {"authentication": authentication},
                "httpRequest": {"urlTemplate": "http://x.example", "method": "POST"}},
        });
        for (field, value) in more.as_object().unwrap() {
            manifest["spec"][field] = value.clone();
        }
        self.namespace.apply(&manifest.to_string()).await;
        let approval: WebhookApproval = self.namespace.api().get(name).await.unwrap();
        self.desk.shelf.put(approval.clone());
        approval
    }

    /// Opens a run of an approval.
    pub async fn open(&self, approval: &WebhookApproval, timeout_ms: i64) -> Run {
        let opening = Opening {
            id: RunId::new(rand::random()),
            approval: approval.id(),
            subject: Subject { branch: String::new(), sha: uuid::Uuid::new_v4().to_string() },
            stage: approval.spec.stage.into(),
            timeout_ms,
            needed: 0,
            opened_by: String::new(),
            polled: false,
        };
        let step = Run::open(opening, gatepost::clock::now().millis());
        assert!(matches!(self.store.open_run(&step.run, 50).await.unwrap(), Opened::New(_)));
        step.run
    }

    /// The token of a run.
    pub fn token(&self, run: &Run) -> String {
        gatepost::controller::approval::run_token(&self.desk, run).unwrap()
    }

    /// POSTs a body to a run's callback.
    pub async fn call(&self, run: &str, token: Option<&str>, body: &str) -> Called {
        let file = self.folder.path().join(format!("body-{}", uuid::Uuid::new_v4()));
        std::fs::write(&file, body).unwrap();
        let (data, url) = (format!("@{}", file.display()), format!("{}/callbacks/v1/runs/{run}", self.url));
        let header = token.map(|token| format!("Authorization: Bearer {token}"));
        let mut arguments =
            vec!["--request", "POST", "--header", "Content-Type: application/json", "--data-binary", &data];
        if let Some(header) = &header {
            arguments.extend(["--header", header]);
        }
        self.curl(&arguments, &url).await
    }

    /// curl with what this house's certificate needs.
    pub async fn curl(&self, arguments: &[&str], url: &str) -> Called {
        let chain = self.folder.path().join("tls.crt").display().to_string();
        let mut all: Vec<&str> = if self.tls { vec!["--cacert", &chain] } else { Vec::new() };
        all.extend(arguments);
        all.push(url);
        curl(&all).await
    }

    /// A client of the token endpoint: its Secret, and its secret.
    pub async fn client(&self, name: &str, secret: &str) -> String {
        use sha2::Digest as _;
        let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(secret.as_bytes()));
        let manifest = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "gatepost.dev/oauth-client",
            "stringData": {"secret-sha256": digest},
        });
        self.namespace.apply(&manifest.to_string()).await;
        format!("{}/{name}", self.namespace.name)
    }

    /// A service account's token for an audience.
    pub async fn account(&self, name: &str, audience: &str) -> String {
        let manifest = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        self.namespace.apply(&manifest.to_string()).await;
        token_of(&self.namespace, name, audience).await
    }

    /// Lets a service account create these subresources of WebhookApprovals.
    pub async fn allow(&self, account: &str, subresources: &[&str]) {
        allow(&self.namespace, account, subresources).await;
    }

    /// Stops the listener.
    pub async fn stop(&self) {
        self.server.stop(false).await;
    }

    /// Takes the store away.
    pub async fn close_store(&self) {
        self.store.close().await;
    }
}

/// A service account's token for an audience, from the API server.
pub async fn token_of(namespace: &Namespace, account: &str, audience: &str) -> String {
    let api: Api<ServiceAccount> = namespace.api();
    let spec = TokenRequestSpec { audiences: Some(vec![audience.to_owned()]), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let made = api.create_token_request(account, &PostParams::default(), &request).await.unwrap();
    made.status.unwrap().token.unwrap()
}

/// Lets a service account create these subresources of WebhookApprovals.
pub async fn allow(namespace: &Namespace, account: &str, subresources: &[&str]) {
    let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": namespace.name});
    grant(namespace, account, approving(subresources), subject).await;
}

/// The rules of somebody who may read WebhookApprovals and create these subresources of them.
pub fn approving(subresources: &[&str]) -> Value {
    let resources: Vec<String> = subresources.iter().map(|name| format!("webhookapprovals/{name}")).collect();
    json!([
        {"apiGroups": ["gatepost.dev"], "resources": resources, "verbs": ["create"]},
        {"apiGroups": ["gatepost.dev"], "resources": ["webhookapprovals"], "verbs": ["get"]},
    ])
}

/// A Role of these rules for somebody.
pub async fn grant(namespace: &Namespace, name: &str, rules: Value, subject: Value) {
    let group = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": rules});
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name}, "subjects": [subject],
    });
    namespace.apply(&role.to_string()).await;
    namespace.apply(&binding.to_string()).await;
}

/// A service account with these rights, and its token for an audience.
pub async fn account_with(namespace: &Namespace, name: &str, rules: Value, audience: &str) -> String {
    let manifest = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    namespace.apply(&manifest.to_string()).await;
    let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": namespace.name});
    grant(namespace, name, rules, subject).await;
    token_of(namespace, name, audience).await
}

fn certificate(folder: &tempfile::TempDir) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (chain, key): (PathBuf, PathBuf) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    Certificate { chain, key }
}
