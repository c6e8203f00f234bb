//! What a tenant tries who may write a ConfigMap, a Secret and Applications in its own namespace, on a real API server:
//! each attempt reaches nothing, and the tenant is told why.

use crate::env::{Answer, Namespace, PATIENCE, Receiver, cluster, stays, wait_for};
use crate::running::{Around, Gatepost, Start};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;

const FAILED: &str = "- when: app.status.operationState.phase in ['Failed']\n  send: [failed]\n";
const PLATFORM_TOKEN: &str = "platform-token-0123456789";

async fn configure(namespace: &Namespace, data: &Value, secret: &Value) {
    let parameters = PatchParams::apply("gatepost-tests").force();
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": data});
    let maps: Api<ConfigMap> = namespace.api();
    maps.patch("argocd-notifications-cm", &parameters, &Patch::Apply(map)).await.unwrap();
    let values = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-notifications-secret"}, "stringData": secret});
    let secrets: Api<Secret> = namespace.api();
    secrets.patch("argocd-notifications-secret", &parameters, &Patch::Apply(values)).await.unwrap();
}

/// A tenant's Application whose message is the tenant's to choose.
async fn application(namespace: &Namespace, name: &str, services: &[&str], message: &str) {
    let annotations: serde_json::Map<String, Value> = services
        .iter()
        .map(|service| (format!("notifications.argoproj.io/subscribe.on-failed.{service}"), "".into()))
        .collect();
    let manifest = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "annotations": annotations},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": {
            "operationState": {"phase": "Failed", "message": message, "startedAt": "2026-01-01T10:00:00Z",
                "finishedAt": "2026-01-01T10:01:00Z", "operation": {}},
            "reconciledAt": "2026-01-01T10:02:00Z",
        },
    });
    namespace.apply(&manifest.to_string()).await;
}

struct Scene {
    tenant: Namespace,
    own: Namespace,
    gatepost: Gatepost,
}

impl Scene {
    /// A platform with a secret of its own, and a tenant with this configuration. `reachable`: what is listed for tenants.
    async fn set(data: &Value, secret: &Value, reachable: &str, environment: &[(&str, &str)]) -> Self {
        let (own, tenant) = (cluster().await.namespace().await, cluster().await.namespace().await);
        configure(&own, &json!({}), &json!({"platform": PLATFORM_TOKEN, "token": PLATFORM_TOKEN})).await;
        configure(&tenant, data, secret).await;
        let settings = format!("[egress.tenants.\"it-*\"]\nallow = [{reachable}]");
        let around = Around { settings: &settings, environment, ..Around::default() };
        let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &own.name, store: None };
        let arguments = ["--application-namespaces", &tenant.name, "--self-service-notification-enabled", "true"];
        let gatepost = Gatepost::start_around(start, &arguments, &around).await;
        Self { tenant, own, gatepost }
    }

    /// What became of the tenant's delivery to a service, as soon as something did.
    async fn told(&self, service: &str) -> String {
        wait_for(&format!("what became of {service}"), PATIENCE, || async {
            let items = self.gatepost.get(&format!("deliveries?service={service}")).await["items"].clone();
            let items = items.as_array()?.iter();
            let reasons = items.filter(|one| one["lane"]["configNamespace"] == self.tenant.name.as_str());
            reasons.filter_map(|one| one["reason"].as_str()).find(|reason| !reason.is_empty()).map(str::to_owned)
        })
        .await
    }

    async fn refused(&self, service: &str, why: &str) {
        let told = self.told(service).await;
        assert!(told.contains(why), "{service}: {told}");
    }
}

fn hook(url: &str, more: &str) -> String {
    format!("url: {url}\nretryMax: -1\n{more}")
}

fn template(services: &[&str]) -> String {
    let one = |service: &&str| format!("  {service}: {{method: POST, body: '{{{{.app.metadata.name}}}}'}}\n");
    format!("message: m\nwebhook:\n{}", services.iter().map(one).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_namespace_is_a_name_without_a_value() {
    let receiver = Receiver::start([]).await;
    let more = "headers:\n- {name: X-Own, value: $token}\n- {name: X-Platform, value: $platform}\n- {name: X-Path, value: '$argocd/argocd-notifications-secret:platform'}\n";
    let data = json!({
        "service.webhook.hook": hook(&receiver.url(), more),
        "trigger.on-failed": FAILED,
        "template.failed": "webhook:\n  hook: {method: POST, body: 'x {{.secrets.platform}} {{.app.metadata.name}} {{.secrets}}'}\n",
    });
    let scene = Scene::set(&data, &json!({"token": "tenant-token"}), "\"127.0.0.0/8\"", &[]).await;
    application(&scene.tenant, "a", &["hook"], "m").await;
    let told = tokio::select! {
        requests = receiver.wait_for(1, PATIENCE) => format!("{:?} {}", requests[0].headers, requests[0].text()),
        reason = scene.told("hook") => reason,
    };
    assert!(!told.contains(PLATFORM_TOKEN), "{told}");
    for request in receiver.requests() {
        assert_eq!(request.header("x-own"), Some("tenant-token"), "its own, although the platform has one of the name");
        assert_eq!(request.header("x-platform"), Some("$platform"));
    }
    let config = scene.gatepost.get("config").await.to_string();
    assert!(config.contains("key does not exist in secret") && !config.contains(PLATFORM_TOKEN), "{config}");
    let explained = scene.gatepost.get(&format!("applications/{}/a", scene.tenant.name)).await.to_string();
    assert!(!explained.contains(PLATFORM_TOKEN), "{explained}");
    assert_ne!(scene.own.name, scene.tenant.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controllers_cloud_identity_is_not_the_tenants() {
    let receiver = Receiver::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "pod-identity-token").unwrap();
    let data = json!({
        "service.awssqs.queue": format!("region: eu-west-1\nqueue: q\naccount: '1'\nendpointUrl: {}\n", receiver.url()),
        "service.gcppubsub.topic": "project: p\ntopic: t\n",
        "trigger.on-failed": FAILED,
        "template.failed": "message: m\n",
    });
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIAPLATFORM"),
        ("AWS_SECRET_ACCESS_KEY", "platform-aws-secret"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/platform"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("GOOGLE_APPLICATION_CREDENTIALS", token.to_str().unwrap()),
    ];
    let scene = Scene::set(&data, &json!({}), "\"127.0.0.0/8\"", &environment).await;
    application(&scene.tenant, "a", &["queue", "topic"], "m").await;
    for service in ["queue", "topic"] {
        scene.refused(service, "not for this namespace").await;
    }
    assert!(receiver.requests().is_empty());
}

/// Something that counts who connects to it.
async fn bystander(ip: &str) -> (u16, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = std::sync::Arc::clone(&count);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    (port, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_inside_is_not_read_through_a_webhook() {
    let receiver = Receiver::start([]).await;
    let (port, connections) = bystander("127.0.0.9").await;
    let inside = [
        ("loopback", format!("http://127.0.0.9:{port}/")),
        ("decimal", format!("http://2130706441:{port}/")),
        ("mapped", format!("http://[::ffff:127.0.0.9]:{port}/")),
        ("dressed", format!("http://hooks.example.com@127.0.0.9:{port}/")),
        ("name", format!("http://localhost:{port}/")),
        ("metadata", "http://169.254.169.254/latest/meta-data/iam/security-credentials/".to_owned()),
        ("google", "http://[fd20:ce::254]/computeMetadata/v1/".to_owned()),
        ("private", "http://10.96.0.1/".to_owned()),
        ("cluster", "https://10.96.0.1:443/api/v1/namespaces/argocd/secrets".to_owned()),
    ];
    let names: Vec<&str> = inside.iter().map(|(name, _)| *name).collect();
    let mut data = json!({"trigger.on-failed": FAILED, "template.failed": template(&names)});
    for (name, url) in &inside {
        data[format!("service.webhook.{name}")] = hook(url, "").into();
    }
    // The one receiver that is listed for tenants is an address with its port, no range.
    let listed = format!("\"{}\"", receiver.url().trim_start_matches("http://"));
    let scene = Scene::set(&data, &json!({}), &listed, &[]).await;
    application(&scene.tenant, "a", &names, "m").await;
    for name in &names {
        scene.refused(name, "egress refused").await;
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(receiver.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_leads_nowhere_inside() {
    let (port, connections) = bystander("127.0.0.9").await;
    let locations = [
        ("loopback", format!("http://127.0.0.9:{port}/")),
        ("metadata", "http://169.254.169.254/latest/meta-data/".to_owned()),
        ("private", "http://10.96.0.1/".to_owned()),
        ("relative", format!("//127.0.0.9:{port}/")),
    ];
    let mut data = json!({"trigger.on-failed": FAILED});
    let (mut receivers, mut listed, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (name, location) in &locations {
        let receiver = Receiver::start([Answer::status(307).header("location", location)]).await;
        let more = "headers:\n- {name: Authorization, value: Bearer of-the-tenant}\n";
        data[format!("service.webhook.{name}")] = hook(&receiver.url(), more).into();
        listed.push(format!("\"{}\"", receiver.url().trim_start_matches("http://")));
        names.push(*name);
        receivers.push(receiver);
    }
    data["template.failed"] = template(&names).into();
    let scene = Scene::set(&data, &json!({}), &listed.join(", "), &[]).await;
    application(&scene.tenant, "a", &names, "m").await;
    for name in &names {
        scene.refused(name, "which is not followed").await;
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(receivers.iter().all(|receiver| receiver.requests().len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_makes_no_header_and_no_request() {
    let receiver = Receiver::start([]).await;
    let listed = format!("\"{}\"", receiver.url().trim_start_matches("http://"));
    let data = json!({
        "service.webhook.value": hook(&receiver.url(), "headers:\n- {name: X-A, value: $split}\n"),
        "service.webhook.name": hook(&receiver.url(), "headers:\n- {name: \"X-A: 1\\r\\nX-Admin\", value: v}\n"),
        "service.webhook.nul": hook(&receiver.url(), "headers:\n- {name: X-A, value: \"a\\0b\"}\n"),
        "service.webhook.host": hook(&receiver.url(), "headers:\n- {name: Host, value: kubernetes.default.svc}\n"),
        "service.webhook.path": hook(&receiver.url(), ""),
        "trigger.on-failed": FAILED,
        "template.failed": "webhook:\n  value: {method: POST, body: b}\n  name: {method: POST, body: b}\n  nul: {method: POST, body: b}\n  host: {method: POST, body: host}\n  path: {method: POST, path: '{{.app.status.operationState.message}}', body: path}\n",
    });
    let secret = json!({"split": "a\r\nX-Admin: true\r\n\r\nGET /admin HTTP/1.1"});
    let scene = Scene::set(&data, &secret, &listed, &[]).await;
    let message = "x HTTP/1.1\r\nX-Admin: true\r\n\r\nGET /admin HTTP/1.1\r\nHost: inside\r\n\r\n";
    application(&scene.tenant, "a", &["value", "name", "nul", "host", "path"], message).await;
    for service in ["value", "name", "nul"] {
        scene.refused(service, "a character that HTTP does not allow").await;
    }
    let requests = receiver.wait_for(2, PATIENCE).await;
    stays("no other request is made of them", Duration::from_millis(500), || async { receiver.requests().len() == 2 })
        .await;
    for request in requests {
        assert_eq!((request.method.as_str(), request.header("x-admin")), ("POST", None));
        assert_eq!(request.header("host"), Some(receiver.url().trim_start_matches("http://")));
    }
}
