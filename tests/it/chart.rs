//! The chart: what it renders is what is written down, an API server takes all of it, and the rights that it gives are
//! enough for the binary that it starts. Also the alerts and the dashboard that it carries.

use crate::env::{Namespace, PATIENCE, Receiver, cluster, wait_until};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The programs that the chart is tested with.
struct Tools {
    helm: String,
    kustomize: String,
    promtool: String,
}

fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let found = Command::new(format!("{ROOT}/tests/env/prepare.sh")).arg("chart").output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        let text = String::from_utf8(found.stdout).unwrap();
        let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        Tools { helm: of("HELM="), kustomize: of("KUSTOMIZE="), promtool: of("PROMTOOL=") }
    })
}

fn chart() -> String {
    format!("{ROOT}/helm/gatepost")
}

fn helm(arguments: &[&str]) -> Output {
    Command::new(&tools().helm).args(arguments).output().unwrap()
}

fn succeeded(what: &str, output: Output) -> String {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The values files that the chart is tried with, by name.
fn cases() -> Vec<(String, PathBuf)> {
    let files = std::fs::read_dir(format!("{}/ci", chart())).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().trim_end_matches("-values").to_owned();
    let mut cases: Vec<_> = files.map(|path| (name(&path), path)).collect();
    cases.sort();
    assert!(cases.len() >= 5, "the values files were found");
    cases
}

fn rendered(values: &Path, namespace: &str) -> String {
    let values = values.to_str().unwrap();
    let arguments = ["template", "gp", &chart(), "-n", namespace, "--kube-version", "1.34.0", "-f", values];
    succeeded("helm template", helm(&arguments))
}

/// Compares with a file of `tests/golden`; with `GATEPOST_BLESS` set it is written instead.
fn same_as_golden(path: &str, found: &str) {
    let path = format!("{ROOT}/{path}");
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(held, found, "{path} differs: look at it and run the test with GATEPOST_BLESS=1 if it is right");
}

#[test]
fn lint_finds_nothing() {
    for (_, values) in cases() {
        succeeded("helm lint", helm(&["lint", "--strict", &chart(), "-f", values.to_str().unwrap()]));
    }
}

#[test]
fn what_is_rendered_is_what_is_written_down() {
    for (name, values) in cases() {
        same_as_golden(&format!("tests/golden/chart/{name}.yaml"), &rendered(&values, "argocd"));
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_what_to_do() {
    let refused = [
        ("replicas=2", "replicas: 2 needs store.kind: postgres"),
        ("store.kind=postgres", "store.postgres.urlSecret.name"),
        ("argocd.selfService=true", "argocd.selfService needs argocd.applicationNamespaces"),
        ("settings.store.path=/x", "settings.store.path is set by the chart"),
        ("store.kind=mysql", "/store/kind"),
        ("replica=2", "additional properties 'replica' not allowed"),
        ("image.digest=latest", "/image/digest"),
        ("metrics.port=0", "/metrics/port"),
        ("approvals.enabled=true", "approvals.enabled needs approvals.externalUrl"),
        (
            "people.viewers[0].kind=Group,people.viewers[0].name=x",
            "people.viewers and people.operators need people.enabled",
        ),
        ("gates.hooks.enabled=true", "gates.hooks.enabled needs gates.enabled"),
        ("tracing.endpoint=collector:4317", "/tracing/endpoint"),
        ("tracing.sampling=2", "/tracing/sampling"),
        ("tracing.headersSecret.name=h", "need tracing.endpoint"),
        ("settings.tracing.propagate=true", "settings.tracing is set by the chart"),
    ];
    for (set, said) in refused {
        let output = helm(&["template", "gp", &chart(), "--kube-version", "1.34.0", "--set", set]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(said), "{set}: {error}");
    }
}

#[test]
fn every_value_is_known_to_the_schema_and_documented() {
    let values: Value =
        serde_yaml_ng::from_str(&std::fs::read_to_string(format!("{}/values.yaml", chart())).unwrap()).unwrap();
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{}/values.schema.json", chart())).unwrap()).unwrap();
    let known = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let mut in_schema = known(&schema["properties"]);
    assert!(in_schema.remove("global"), "Helm gives every chart `global`");
    assert_eq!(known(&values), in_schema);
}

#[test]
fn the_one_file_installation_is_made_from_the_chart() {
    let made = Command::new(format!("{ROOT}/scripts/manifests")).arg(&tools().helm).output().unwrap();
    same_as_golden("deploy/install.yaml", &succeeded("scripts/manifests", made));
    let built = Command::new(&tools().kustomize).args(["build", &format!("{ROOT}/deploy")]).output().unwrap();
    let kinds = |text: &str| {
        let mut kinds: Vec<_> = text.lines().filter(|line| line.starts_with("kind: ")).map(str::to_owned).collect();
        kinds.sort();
        kinds
    };
    let one_file = std::fs::read_to_string(format!("{ROOT}/deploy/install.yaml")).unwrap();
    assert_eq!(kinds(&succeeded("kustomize build", built)), kinds(&one_file));
}

#[test]
fn alerts_fire_on_what_they_are_for_and_on_nothing_else() {
    let rules = format!("{}/files/rules.yaml", chart());
    let promtool = |arguments: &[&str]| {
        let output = Command::new(&tools().promtool).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    promtool(&["check", "rules", &rules]);
    let cases = std::fs::read_to_string(format!("{ROOT}/tests/golden/rules.test.yaml")).unwrap();
    for line in std::fs::read_to_string(&rules).unwrap().lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            assert!(cases.matches(&format!("alertname: {name}")).count() >= 2, "{name} is tried both ways");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.test.yaml");
    std::fs::write(&file, cases.replace("RULES", &rules)).unwrap();
    promtool(&["test", "rules", file.to_str().unwrap()]);
}

/// The words of a text that begin like a metric of ours.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|w| w.starts_with("gatepost_") || w.starts_with("argocd_notifications_"));
    ours.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_exist() {
    let telemetry = metric_names(&std::fs::read_to_string(format!("{ROOT}/src/telemetry.rs")).unwrap());
    for file in ["dashboard.json", "rules.yaml"] {
        let text = std::fs::read_to_string(format!("{}/files/{file}", chart())).unwrap();
        let unknown: Vec<_> = metric_names(&text).difference(&telemetry).cloned().collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{}/files/dashboard.json", chart())).unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}

#[test]
fn the_kinds_that_the_chart_brings_are_the_generated_ones() {
    let of = |folder: String| {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let read = |entry: std::fs::DirEntry| (entry.file_name(), std::fs::read_to_string(entry.path()).unwrap());
        entries.map(read).collect::<std::collections::BTreeMap<_, _>>()
    };
    let generated = of(format!("{ROOT}/config/crd"));
    assert!(!generated.is_empty());
    assert_eq!(of(format!("{}/files/crds", chart())), generated, "copy config/crd to helm/gatepost/files/crds");
}

/// What `crds.promoter` adds to the chart, as objects.
fn promoter_kinds() -> Vec<Value> {
    let arguments = ["template", "gp", &chart(), "--kube-version", "1.34.0", "-s", "templates/crds.yaml"];
    let none = helm(&arguments);
    assert!(String::from_utf8_lossy(&none.stderr).contains("could not find template"), "none unless they are wanted");
    let rendered = helm(&[&arguments[..], &["--set", "crds.promoter=true"]].concat());
    documents(&succeeded("helm template", rendered))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_promoters_kinds_are_its_own_and_stay_when_the_release_goes() {
    let kinds = promoter_kinds();
    assert_eq!(kinds.len(), 7);
    let crds: Api<DynamicObject> = Api::all_with(
        cluster().await.namespace().await.client.clone(),
        &ApiResource::erase::<CustomResourceDefinition>(&()),
    );
    for mut crd in kinds {
        let name = crd["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{name}");
        crd["metadata"]["annotations"].as_object_mut().unwrap().remove("helm.sh/resource-policy");
        let (plural, group) = name.split_once('.').unwrap();
        let source = format!("{ROOT}/tests/env/crds/gitops-promoter/{group}_{plural}.yaml");
        let source = documents(&std::fs::read_to_string(source).unwrap());
        assert_eq!(source, [crd.clone()], "{name} is the Promoter's, unmodified");
        let dry = PatchParams { dry_run: true, ..PatchParams::apply("chart-test").force() };
        crds.patch(&name, &dry, &Patch::Apply(crd)).await.unwrap();
    }
}

/// CRDs of the Prometheus operator's kinds, without their schemas.
async fn monitoring_kinds(namespace: &Namespace) {
    for (kind, plural) in
        [("ServiceMonitor", "servicemonitors"), ("PodMonitor", "podmonitors"), ("PrometheusRule", "prometheusrules")]
    {
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": open}});
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced", "versions": [version],
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")}},
        });
        namespace.apply(&crd.to_string()).await;
    }
    wait_until("the monitoring kinds are served", PATIENCE, || async {
        kube::discovery::pinned_group(&namespace.client, &kube::core::GroupVersion::gv("monitoring.coreos.com", "v1"))
            .await
            .is_ok_and(|group| group.recommended_resources().len() == 3)
    })
    .await;
}

async fn on_cluster(namespace: &str, arguments: &[&str]) -> Output {
    let kubeconfig = cluster().await.kubeconfig().to_str().unwrap().to_owned();
    let more = ["-n", namespace, "--kubeconfig", &kubeconfig].map(str::to_owned);
    let all: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).chain(more).collect();
    tokio::task::spawn_blocking(move || helm(&all.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_takes_install_upgrade_and_removal_of_every_variant() {
    let first = cluster().await.namespace().await;
    monitoring_kinds(&first).await;
    for (name, values) in cases() {
        let namespace = cluster().await.namespace().await;
        let file = values.to_str().unwrap().to_owned();
        let installed =
            on_cluster(&namespace.name, &["install", "gp", &chart(), "--take-ownership", "-f", &file]).await;
        succeeded(&format!("install of {name}"), installed);
        let more = ["upgrade", "gp", &chart(), "-f", &file, "--set", "log.level=debug"];
        succeeded(&format!("upgrade of {name}"), on_cluster(&namespace.name, &more).await);
        succeeded(&format!("removal of {name}"), on_cluster(&namespace.name, &["uninstall", "gp"]).await);
        let claims: Api<PersistentVolumeClaim> = namespace.api();
        let left = claims.list(&kube::api::ListParams::default()).await.unwrap().items;
        let left = left.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()).count();
        assert_eq!(
            left,
            usize::from(matches!(name.as_str(), "default" | "drop-in" | "gates")),
            "{name}: what is undelivered stays"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_admitted_where_only_restricted_ones_are() {
    let namespace = cluster().await.namespace().await;
    let labels = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name,
        "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    namespace.apply(&labels.to_string()).await;
    let pods: Api<Pod> = namespace.api();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let sloppy = json!({"metadata": {"name": "sloppy"}, "spec": {"containers": [{"name": "c", "image": "x"}]}});
    let refused = pods.create(&dry, &serde_json::from_value(sloppy).unwrap()).await.unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity"), "the namespace is restricted: {refused}");
    for (name, values) in cases() {
        let text = rendered(&values, &namespace.name);
        let deployment = documents(&text).into_iter().find(|object| object["kind"] == "Deployment").unwrap();
        let mut template = deployment["spec"]["template"].clone();
        template["metadata"]["name"] = "gatepost".into();
        // No controller that would make it is needed to admit a pod, but its account is.
        template["spec"]["serviceAccountName"] = Value::Null;
        let pod = pods.create(&dry, &serde_json::from_value(template).unwrap()).await;
        pod.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn documents(yaml: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let parsed = serde_yaml_ng::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap());
    parsed.filter(|value| !value.is_null()).collect()
}

/// A kubeconfig of a service account.
async fn kubeconfig_of(namespace: &Namespace, account: &str, to: &Path) {
    let accounts: Api<ServiceAccount> = namespace.api();
    let wanted = TokenRequest {
        spec: Some(TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() }),
        ..TokenRequest::default()
    };
    let token = accounts.create_token_request(account, &PostParams::default(), &wanted).await.unwrap();
    let text = std::fs::read_to_string(cluster().await.kubeconfig()).unwrap();
    let mut config: Value = serde_yaml_ng::from_str(&text).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = json!({"token": token.status.as_ref().unwrap().token});
    }
    std::fs::write(to, config.to_string()).unwrap();
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The container's command line, run here: its settings from the ConfigMap, its rights from the ServiceAccount.
async fn run_as_the_pod(namespace: &Namespace, folder: &Path) -> Running {
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = namespace.api();
    let deployment = serde_json::to_value(deployments.get("gp-gatepost").await.unwrap()).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let maps: Api<ConfigMap> = namespace.api();
    let settings = maps.get("gp-gatepost-settings").await.unwrap().data.unwrap()["gatepost.yaml"].clone();
    let config = folder.join("gatepost.yaml");
    std::fs::write(&config, settings).unwrap();
    let kubeconfig = folder.join("kubeconfig");
    kubeconfig_of(namespace, pod["serviceAccountName"].as_str().unwrap(), &kubeconfig).await;
    let arguments = pod["containers"][0]["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap());
    let arguments = arguments.map(|a| a.replace("/etc/gatepost/gatepost.yaml", config.to_str().unwrap()));
    let child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(arguments)
        .env("KUBECONFIG", &kubeconfig)
        .env("GATEPOST_STORE__PATH", folder.join("outbox.db"))
        .stdin(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_the_chart_gives_are_enough_and_readiness_can_be_asked() {
    let namespace = cluster().await.namespace().await;
    let (metrics, api) = (free_port(), free_port());
    let set =
        format!("metrics.port={metrics},settings.server.api=127.0.0.1:{api},settings.egress.allow={{127.0.0.0/8}}");
    let installed = on_cluster(&namespace.name, &["install", "gp", &chart(), "--set", &set]).await;
    succeeded("install", installed);
    let receiver = Receiver::start([]).await;
    let configuration = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": {
        "service.webhook.hook": json!({"url": receiver.url()}).to_string(),
        "trigger.on-failed": r#"[{"when": "app.status.operationState.phase == 'Failed'", "send": ["failed"]}]"#,
        "template.failed": r#"{"webhook": {"hook": {"method": "POST", "body": "{{.app.metadata.name}}"}}}"#,
    }});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-notifications-secret"}});
    namespace.apply(&configuration.to_string()).await;
    namespace.apply(&secret.to_string()).await;
    let folder = tempfile::tempdir().unwrap();
    let _running = run_as_the_pod(&namespace, folder.path()).await;
    let url = format!("http://127.0.0.1:{metrics}");
    let ready = || async {
        let url = url.clone();
        let asked = move || Command::new(env!("CARGO_BIN_EXE_gatepost")).args(["ready", "--url", &url]).output();
        tokio::task::spawn_blocking(asked).await.unwrap().unwrap().status.success()
    };
    wait_until("gatepost says that it is ready", PATIENCE, ready).await;
    let application = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "orders",
            "annotations": {"notifications.argoproj.io/subscribe.on-failed.hook": ""}},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": {"operationState": {"phase": "Failed", "startedAt": "2026-01-01T10:00:00Z", "finishedAt": "2026-01-01T10:01:00Z", "operation": {}},
            "health": {"status": "Healthy"}, "reconciledAt": "2026-01-01T10:02:00Z"}});
    namespace.apply(&application.to_string()).await;
    assert_eq!(receiver.wait_for(1, PATIENCE).await[0].text(), "orders");
    let applications = namespace.dynamic("argoproj.io/v1alpha1", "Application").await;
    wait_until("the delivery is noted on the Application", PATIENCE, || async {
        let annotations = applications.get("orders").await.unwrap().metadata.annotations.unwrap_or_default();
        annotations.contains_key("notified.notifications.argoproj.io")
    })
    .await;
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> = namespace.api();
    let lease = leases.get("gatepost-argocd-notifications-cm").await.unwrap();
    assert!(lease.spec.unwrap().holder_identity.is_some_and(|holder| !holder.is_empty()), "one process decides");
}
