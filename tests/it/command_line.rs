//! The command line as people call it: as a plugin of kubectl, against a cluster, and beside the Argo CD command line.

use crate::env::{Answer, PATIENCE, Receiver, cluster, wait_until};
use crate::running::Gatepost;
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

fn gatepost(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatepost")).args(arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure_worth_words() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    let output = command.args(["catalog", "print"]).stdout(writer).stderr(std::process::Stdio::piped()).output();
    let output = output.unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(141), String::new()));
}

/// A kubectl that notes what it is asked and says that it forwards `port`.
fn kubectl(folder: &Path, port: &str) {
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}/asked\necho 'Forwarding from 127.0.0.1:{port} -> 8080'\nexec sleep 60\n",
        folder.display()
    );
    let path = folder.join("kubectl");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn as_a_plugin_of_kubectl_it_reaches_the_gatepost_of_the_cluster() {
    let (manifests, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let app =
        json!({"kind": "Application", "metadata": {"name": "a", "namespace": "argocd"}, "spec": {"project": "p"}});
    std::fs::write(manifests.path().join("a.yaml"), app.to_string()).unwrap();
    let running = Gatepost::start_on_files(manifests.path()).await;
    let port = running.api.rsplit(':').next().unwrap();
    kubectl(folder.path(), port);
    let plugin = folder.path().join("kubectl-gatepost");
    symlink(env!("CARGO_BIN_EXE_gatepost"), &plugin).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&plugin);
        command.args(arguments).env("PATH", &path).env_remove("GATEPOST_SERVER_URL").output().unwrap()
    };
    let output = run(&["explain", "argocd/a", "--context", "prod", "-n", "argocd"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(told(&output).contains("Application argocd/a"), "{}", told(&output));
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    let expected = "port-forward --address 127.0.0.1 --context prod --namespace argocd deployment/gatepost :8080";
    assert_eq!(asked.trim(), expected);
    assert!(
        run(&["deliveries", "list", "--target", "pod/x"]).status.success(),
        "without a cluster kubectl knows its own"
    );
    assert!(told(&run(&["explain", "--help"])).contains("Usage: kubectl gatepost explain"));
}

const CONFIG: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-notifications-cm}
data:
  service.webhook.hook: |
    url: http://127.0.0.1:9/
  trigger.on-failed: |
    - when: app.status.operationState.phase in ['Failed']
      send: [failed]
  template.failed: |
    message: m
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_checked_against_a_cluster() {
    let namespace = cluster().await.namespace().await;
    namespace.apply(CONFIG).await;
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "a", "annotations": {
            "notifications.argoproj.io/subscribe.on-failed.hook": "",
            "notifications.argoproj.io/subscribe.on-failed.nowhere": "",
            "notifications.argoproj.io/subscriptions": "x",
        }},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": {
            "operationState": {"phase": "Failed", "startedAt": "2026-01-01T10:00:00Z",
                "finishedAt": "2026-01-01T10:01:00Z", "operation": {}},
            "reconciledAt": "2026-01-01T10:02:00Z",
        },
    });
    namespace.apply(&application.to_string()).await;
    let kubeconfig = cluster().await.kubeconfig().to_str().unwrap();
    let check = |more: &[&str]| {
        let mut arguments =
            vec!["check", "--against-cluster", "--kubeconfig", kubeconfig, "-n", &namespace.name, "-o", "json"];
        arguments.extend(more);
        let output = gatepost(&arguments);
        serde_json::from_str::<Value>(&told(&output))
            .unwrap_or_else(|_| panic!("{}{}", told(&output), String::from_utf8_lossy(&output.stderr)))
    };
    let rules = |remarks: &Value| -> Vec<String> {
        remarks.as_array().unwrap().iter().map(|remark| remark["rule"].as_str().unwrap().to_owned()).collect()
    };
    let found = check(&[]);
    for rule in ["egress-refused", "unknown-service", "broken-subscription", "would-send"] {
        assert!(rules(&found).iter().any(|found| found == rule), "{rule}: {found}");
    }
    let would_send = found.as_array().unwrap().iter().find(|remark| remark["rule"] == "would-send").unwrap();
    assert!(
        would_send["message"].as_str().unwrap().starts_with("2 notifications about 1 Applications"),
        "{would_send}"
    );

    // Another configuration, not in the cluster yet.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cm.yaml");
    std::fs::write(&file, CONFIG.replace("'Failed'", "'Running'")).unwrap();
    let found = check(&[file.to_str().unwrap()]);
    assert!(!rules(&found).iter().any(|rule| rule == "would-send"), "{found}");

    // What the file refers to is in the cluster's Secret.
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-notifications-secret"},
        "stringData": {"hook-token": "hunter22hunter22"}});
    let with = |reference: &str| {
        CONFIG.replacen("url:", &format!("headers: [{{name: X-Token, value: {reference}}}]\n    url:"), 1)
    };
    std::fs::write(&file, with("$hook-token")).unwrap();
    let unknown = check(&[file.to_str().unwrap()]).to_string();
    assert!(unknown.contains("hook-token"), "{unknown}");
    namespace.apply(&secret.to_string()).await;
    let known = check(&[file.to_str().unwrap()]).to_string();
    assert!(!known.contains("hook-token") && !known.contains("hunter22"), "{known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_looked_up_where_the_settings_say() {
    let receiver = Receiver::start([]).await;
    let subscribed = |namespace: &str, service: &str| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "p", "namespace": namespace,
            "annotations": {format!("notifications.argoproj.io/subscribe.on-failed.{service}"): ""}}, "spec": {}})
    };
    let application = json!({
        "kind": "Application", "metadata": {"name": "a", "namespace": "team"}, "spec": {"project": "p"},
        "status": {"operationState": {"phase": "Failed", "finishedAt": "2026-01-01T10:01:00Z"}, "reconciledAt": "2026-01-01T10:02:00Z"},
    });
    for (setting, path) in [("controller", "/controllers"), ("application", "/teams")] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        let more = format!(
            "  service.webhook.controllers: |\n    url: {0}/controllers\n  service.webhook.teams: |\n    url: {0}/teams\n",
            receiver.url()
        );
        write("cm.yaml", CONFIG.to_owned() + &more);
        write("app.yaml", application.to_string());
        write("own.yaml", subscribed("argocd", "controllers").to_string());
        write("team.yaml", subscribed("team", "teams").to_string());
        let settings = format!("[notify]\nprojectNamespace = \"{setting}\"");
        let _gatepost = Gatepost::start_on_files_set(folder.path(), &settings).await;
        wait_until(path, PATIENCE, || async { receiver.requests().iter().any(|request| request.path == path) }).await;
    }
    assert_eq!(receiver.requests().len(), 2, "one project each");
}

/// Recorded from the command line of the Argo CD notifications engine: `tests/golden/cli/<command>-<verb>.<format or name>`.
#[test]
fn templates_and_triggers_are_printed_as_the_argo_cd_command_line_prints_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cli");
    let mut compared = 0;
    for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let file = entry.file_name().unwrap().to_str().unwrap();
        let Some((command, (verb, about))) =
            file.split_once('-').and_then(|(command, rest)| Some((command, rest.split_once('.')?)))
        else {
            continue;
        };
        let arguments = match verb {
            "get" => vec![command, "get", "-o", about],
            verb => vec![command, verb, about, "app.yaml"],
        };
        let mut process = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        let output = process.args(arguments).args(["--config-map", "cm.yaml"]).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let expected = std::fs::read(&entry).unwrap();
        assert_eq!(told(&output), String::from_utf8(expected).unwrap(), "{file}");
        compared += 1;
    }
    assert_eq!(compared, 14);
}

/// Every Argo CD that was not installed by the operator.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_without_the_operators_kind_is_reported_on() {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm", "namespace": "argocd"},
        "data": {"context": "a: b\n"}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-notifications-secret", "namespace": "argocd"}});
    let no_kind = Answer::status(404).header("content-type", "text/plain").body("404 page not found\n");
    let server = Receiver::start([Answer::json(&map), Answer::json(&secret), no_kind]).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server.url()}}], "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]});
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let path = kubeconfig.to_str().unwrap().to_owned();
    let run = move || gatepost(&["migrate", "report", "--kubeconfig", &path]);
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.count(), 3);
}
