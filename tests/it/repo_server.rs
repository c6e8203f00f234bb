//! `repo.GetCommitMetadata` and `repo.GetAppDetails`, from a condition to what is posted, against a gRPC server.

use crate::env::repo_server::{Manner, RepoServer};
use crate::env::{Namespace, PATIENCE, Receiver, cluster, stays, wait_until};
use crate::running::{Gatepost, Start};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
const URL: &str = "https://git.example.com/team/shop.git";
const WHEN: &str = "repo.GetCommitMetadata(app.status.sync.revision).Author startsWith 'Ada' \
                    and repo.GetAppDetails().Helm.GetParameterValueByName('image.tag') == '1.2.3'";
const BODY: &str = r#"{{ $c := call .repo.GetCommitMetadata .app.status.sync.revision -}}
{"app": {{ toJson .app.metadata.name }}, "message": {{ toJson $c.Message }}, "date": "{{ $c.Date.Format "2006-01-02T15:04:05Z07:00" }}",
 "tags": {{ toJson $c.Tags }}, "type": "{{ (call .repo.GetAppDetails).Type }}"}"#;

fn config(url: &str) -> Value {
    let hook = json!({"hook": {"method": "POST", "body": BODY}});
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"},
        "data": {
            "service.webhook.hook": json!({"url": url, "headers": [{"name": "Content-Type", "value": "application/json"}]}).to_string(),
            "trigger.on-ada": json!([{"when": WHEN, "send": ["ada"]}]).to_string(),
            "template.ada": json!({"webhook": hook}).to_string(),
        },
    })
}

fn application(name: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "annotations": {"notifications.argoproj.io/subscribe.on-ada.hook": ""}},
        "spec": {
            "project": "team", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": URL, "path": "charts/shop", "targetRevision": "main"},
        },
        "status": {"sync": {"status": "Synced", "revision": REVISION}},
    })
}

/// Credentials of everything below one host, and the repository without any of its own.
fn secrets() -> [Value; 2] {
    let secret = |name: &str, kind: &str, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": {"name": name, "labels": {"argocd.argoproj.io/secret-type": kind}},
        })
    };
    [
        secret("repo-shop", "repository", json!({"url": "https://git.example.com/team/shop", "project": "team"})),
        secret(
            "creds",
            "repo-creds",
            json!({"url": "https://git.example.com", "username": "bot", "password": "pw-of-bot"}),
        ),
    ]
}

async fn apply(namespace: &Namespace, objects: impl IntoIterator<Item = Value>) {
    for object in objects {
        namespace.apply(&object.to_string()).await;
    }
}

async fn started(namespace: &Namespace, address: &str) -> Gatepost {
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    Gatepost::start_with(start, &["--argocd-repo-server", address, "--argocd-repo-server-plaintext"], "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_reach_conditions_and_templates_and_each_is_asked_for_once() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    let server = RepoServer::start(None).await;
    apply(&namespace, secrets()).await;
    apply(&namespace, [config(&receiver.url()), application("a"), application("b"), application("c")]).await;
    let _gatepost = started(&namespace, &server.address()).await;
    let requests = receiver.wait_for(3, PATIENCE).await;
    let expected = |name: &Value| {
        json!({
            "app": name, "message": format!("fix \"it\" at {REVISION}"), "date": "2026-01-02T03:04:05Z",
            "tags": ["v1.2"], "type": "Helm",
        })
    };
    for request in requests {
        let body = request.json();
        assert_eq!(body, expected(&body["app"]));
    }
    let commits = server.commits();
    assert_eq!(commits.len(), 1, "three Applications, one commit: {commits:?}");
    let repo = commits[0].repo.clone().unwrap();
    assert_eq!((commits[0].revision.as_str(), repo.project.as_str()), (REVISION, "team"));
    assert_eq!((repo.username.as_str(), repo.password.as_str(), repo.inherited), ("bot", "pw-of-bot", true));
    let details = server.details();
    assert_eq!(details.len(), 3, "sources are asked for by Application: {details:?}");
    let source = details[0].source.clone().unwrap();
    assert_eq!((source.url.as_str(), source.path.as_str(), source.target.as_str()), (URL, "charts/shop", "main"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_decides_nothing_and_delays_nobody_else() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    let server = RepoServer::start(None).await;
    server.behave(Manner::Hang);
    let mut map = config(&receiver.url());
    map["data"]["trigger.on-all"] = json!([{"when": "true", "send": ["all"]}]).to_string().into();
    map["data"]["template.all"] =
        json!({"webhook": {"hook": {"method": "POST", "body": "{\"plain\": true}"}}}).to_string().into();
    let mut other = application("other");
    other["metadata"]["annotations"] = json!({"notifications.argoproj.io/subscribe.on-all.hook": ""});
    apply(&namespace, [map, application("a"), other]).await;
    let gatepost = started(&namespace, &server.address()).await;
    assert_eq!(receiver.wait_for(1, PATIENCE).await[0].json(), json!({"plain": true}));
    let unavailable = |decisions: &Value| {
        let items = decisions["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().find(|decision| decision["reason"] == "repositoryUnavailable")
    };
    wait_until("the decision is put off", PATIENCE, || async {
        unavailable(&gatepost.get("decisions").await).is_some()
    })
    .await;
    let put_off = unavailable(&gatepost.get("decisions").await).unwrap();
    let message = put_off["message"].as_str().unwrap();
    assert!(message.contains("no answer within 5 s") && message.contains(REVISION), "{message}");
    assert_eq!(receiver.requests().len(), 1);
    server.behave(Manner::Answer);
    let api: Api<DynamicObject> = namespace.dynamic("argoproj.io/v1alpha1", "Application").await;
    let mut touched = 0;
    wait_until("it is decided when the server is back", PATIENCE, || {
        touched += 1;
        let patch = json!({"metadata": {"labels": {"touched": touched.to_string()}}});
        let (api, receiver) = (&api, &receiver);
        async move {
            api.patch("a", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            receiver.requests().len() == 2
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_repo_server_the_condition_says_what_to_do() {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([]).await);
    apply(&namespace, [config(&receiver.url()), application("a")]).await;
    let gatepost = started(&namespace, "").await;
    let explained = gatepost.get(&format!("applications/{}/a", namespace.name)).await;
    let error = explained["triggers"][0]["conditions"][0]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("name it with --argocd-repo-server"), "{explained}");
    stays("nothing is sent", Duration::from_millis(500), || async { receiver.requests().is_empty() }).await;
}

/// Runs the trigger on the command line.
fn trigger_run(folder: &Path, address: &str, more: &[&str]) -> Output {
    let cm = folder.join("cm.yaml");
    let [repository, credentials] = secrets();
    let documents = [repository, credentials, config("http://127.0.0.1:1")].map(|document| document.to_string());
    std::fs::write(&cm, documents.join("\n---\n")).unwrap();
    std::fs::write(folder.join("app.yaml"), application("a").to_string()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["trigger", "run", "on-ada"])
        .arg(folder.join("app.yaml"))
        .arg("--config-map")
        .arg(&cm)
        .args(["--argocd-repo-server", address])
        .args(more)
        .output()
        .unwrap()
}

/// A CA, and what it signed: certificate and key in PEM.
struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { ca: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }
    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }
    /// A server that shows a certificate of this CA, and asks clients for one of it as well.
    fn server(&self) -> rustls::ServerConfig {
        let (certificate, key) = self.sign("127.0.0.1");
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_checks_certificates_where_a_ca_is_named_and_shows_its_own() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = RepoServer::start(Some(authority.server())).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = authority.sign("gatepost");
    let (certificate, key) = (write("client.crt", certificate.pem()), write("client.key", key.serialize_pem()));
    let shown = ["--repo-server-client-cert-path", &certificate, "--repo-server-client-cert-key-path", &key];
    let (right, wrong) = (write("ca.crt", authority.ca.pem()), write("other.crt", stranger.ca.pem()));
    let run = |more: Vec<&str>| {
        let (folder, address) = (folder.path().to_owned(), server.address());
        let more: Vec<String> = more.into_iter().map(str::to_owned).collect();
        tokio::task::spawn_blocking(move || {
            let out = trigger_run(&folder, &address, &more.iter().map(String::as_str).collect::<Vec<_>>());
            (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
        })
    };
    let checked = [&shown[..], &["--repo-server-ca-cert-path", &right]].concat();
    for flags in [checked, shown.to_vec()] {
        let (out, error) = run(flags).await.unwrap();
        assert!(out.contains("true"), "{out}{error}");
    }
    let strange = [&shown[..], &["--repo-server-ca-cert-path", &wrong]].concat();
    for (flags, cause) in
        [(strange, "invalid peer certificate"), (vec!["--argocd-repo-server-plaintext"], "repo-server")]
    {
        let (out, error) = run(flags).await.unwrap();
        assert!(out.contains("false") && error.contains(cause), "{out}{error}");
    }
    let (out, _) = run(vec!["--repo-server-ca-cert-path", &right]).await.unwrap();
    assert!(out.contains("false"), "the server wants a certificate: {out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_and_no_password_with_it() {
    let server = RepoServer::start(None).await;
    server.behave(Manner::Refuse(tonic::Status::not_found("no such commit, asked with pw-of-bot")));
    let folder = tempfile::tempdir().unwrap();
    let (path, address) = (folder.path().to_owned(), server.address());
    let run = move || trigger_run(&path, &address, &["--argocd-repo-server-plaintext"]);
    let out = tokio::task::spawn_blocking(run).await.unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    assert!(error.contains("no such commit") && error.contains("***") && !error.contains("pw-of-bot"), "{error}");
    assert!(error.contains(&format!("commit {REVISION} of {URL}")), "{error}");
}
