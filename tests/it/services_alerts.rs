//! What the services for alerts and boards send: the real binary on a folder of manifests, receivers that follow a script.

use crate::env::receiver::Received;
use crate::env::{Answer, PATIENCE, Receiver, wait_for};
use crate::running::Gatepost;
use serde_json::{Map, Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

const MESSAGE: &str = "{{.app.status.operationState.message}}";
const NASTY: &str = "apply failed: \"spec.path\" is \"C:\\temp\"\n\tand 3 more";
/// Service and recipient.
const DESTINATIONS: [(&str, &str); 9] = [
    ("teams", "ops"),
    ("teams-workflows", "ops"),
    ("googlechat", "ops"),
    ("grafana", "deploy|prod"),
    ("newrelic", "4711"),
    ("opsgenie", "team-a"),
    ("pagerduty", "PSERVICE"),
    ("pagerdutyv2", "orders"),
    ("alertmanager", ""),
];

/// The services at a receiver; Alertmanager has a second target where nobody listens.
fn services(url: &str) -> Map<String, Value> {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let here = url.trim_start_matches("http://");
    let options = [
        ("teams", json!({"recipientUrls": {"ops": format!("{url}/teams")}})),
        ("teams-workflows", json!({"recipientUrls": {"ops": format!("{url}/powerautomate/flow")}})),
        ("googlechat", json!({"webhooks": {"ops": format!("{url}/chat?key=$key")}})),
        ("grafana", json!({"apiUrl": format!("{url}/api"), "apiKey": "$key"})),
        ("newrelic", json!({"apiURL": url, "apiKey": "$key"})),
        ("opsgenie", json!({"apiUrl": url, "apiKeys": {"team-a": "$key"}})),
        ("pagerduty", json!({"apiUrl": url, "token": "$key", "from": "ops@example.com"})),
        ("pagerdutyv2", json!({"apiUrl": url, "serviceKeys": {"orders": "$key"}})),
        ("alertmanager", json!({"targets": [nobody.to_string(), here], "bearerToken": "$key"})),
    ];
    options.into_iter().map(|(name, options)| (format!("service.{name}"), options.to_string().into())).collect()
}

fn template() -> String {
    let card = format!("- sections:\n  - widgets:\n    - decoratedText:\n        text: {MESSAGE}\n");
    let facts = format!(r#"[{{"name": "message", "value": "{MESSAGE}"}}]"#);
    json!({
        "message": MESSAGE,
        "teams": {"title": "failed", "facts": facts},
        "teams-workflows": {"title": "failed", "facts": facts},
        "googlechat": {"cardsV2": card, "threadKey": "{{.app.metadata.name}}"},
        "newrelic": {"changelog": "c", "user": "u"},
        "opsgenie": {"description": MESSAGE, "alias": "{{.app.metadata.name}}"},
        "pagerduty": {"title": "failed", "body": MESSAGE},
        "pagerdutyv2": {"summary": MESSAGE, "severity": "error", "source": "{{.app.metadata.name}}"},
        "alertmanager": {"labels": {"app": "{{.app.metadata.name}}"}, "annotations": {"message": MESSAGE}},
    })
    .to_string()
}

/// ConfigMap, Secret and Application as files of a folder.
fn write_manifests(folder: &Path, url: &str) {
    let mut data = services(url);
    data.insert(
        "trigger.on-failed".into(),
        r#"[{"when": "app.status.operationState.phase == 'Failed'", "send": ["failed"]}]"#.into(),
    );
    data.insert("template.failed".into(), template().into());
    let subscriptions = DESTINATIONS
        .iter()
        .map(|(service, to)| (format!("notifications.argoproj.io/subscribe.on-failed.{service}"), Value::from(*to)));
    let manifests = [
        (
            "cm",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm", "namespace": "argocd"}, "data": data}),
        ),
        (
            "secret",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-notifications-secret", "namespace": "argocd"}, "stringData": {"key": "k3y"}}),
        ),
        (
            "app",
            json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": {"name": "orders", "namespace": "argocd", "uid": "u1", "annotations": subscriptions.collect::<Map<_, _>>()},
                "spec": {"project": "default", "source": {"repoURL": "git@github.com:acme/orders.git", "path": "."}},
                "status": {
                    "operationState": {
                        "phase": "Failed", "message": NASTY, "startedAt": "2026-01-01T10:00:00Z", "finishedAt": "2026-01-01T10:01:00Z",
                        "operation": {}, "syncResult": {"revision": "r1"},
                    },
                    "health": {"status": "Healthy"}, "reconciledAt": "2026-01-01T10:02:00Z",
                },
            }),
        ),
    ];
    for (name, manifest) in manifests {
        std::fs::write(folder.join(format!("{name}.yaml")), manifest.to_string()).unwrap();
    }
}

/// The request of this path, query included.
fn at<'a>(requests: &'a [Received], path: &str) -> &'a Received {
    let found: Vec<&Received> = requests.iter().filter(|request| request.path == path).collect();
    assert_eq!(found.len(), 1, "{path} among {:?}", requests.iter().map(|r| &r.path).collect::<Vec<_>>());
    assert_eq!(found[0].method, "POST");
    assert!(found[0].header("content-type").unwrap().starts_with("application/json"));
    found[0]
}

fn check_chats(requests: &[Received]) {
    let card = at(requests, "/teams").json();
    assert_eq!(
        (&card["@type"], &card["title"], &card["text"]),
        (&json!("MessageCard"), &json!("failed"), &json!(NASTY))
    );
    assert_eq!(card["sections"], json!([{"facts": [{"name": "message", "value": NASTY}]}]));

    let message = at(requests, "/powerautomate/flow").json();
    let body = &message["attachments"][0]["content"]["body"];
    assert_eq!((&body[0]["text"], &body[1]["text"]), (&json!("failed"), &json!(NASTY)));
    assert_eq!(body[2], json!({"type": "FactSet", "facts": [{"title": "message", "value": NASTY}]}));

    let query = "key=k3y&threadKey=orders&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
    let message = at(requests, &format!("/chat?{query}")).json();
    let widgets = json!([{"decoratedText": {"text": NASTY}}]);
    assert_eq!(message["cardsV2"][0]["card"], json!({"sections": [{"widgets": widgets}]}));
}

fn check_boards(requests: &[Received]) {
    let annotation = at(requests, "/api/annotations");
    assert_eq!(annotation.header("authorization"), Some("Bearer k3y"));
    let body = annotation.json();
    assert_eq!((&body["tags"], &body["text"]), (&json!(["deploy", "prod"]), &json!(NASTY)));
    assert_eq!((&body["isRegion"], body["time"].as_i64().unwrap() % 1000), (&json!(false), 0));

    let marker = at(requests, "/v2/applications/4711/deployments.json");
    assert_eq!(marker.header("x-api-key"), Some("k3y"));
    let deployment = json!({"revision": "r1", "changelog": "c", "description": NASTY, "user": "u"});
    assert_eq!(marker.json(), json!({"deployment": deployment}));
}

fn check_alerts(requests: &[Received]) {
    let alert = at(requests, "/v2/alerts");
    assert_eq!(alert.header("authorization"), Some("GenieKey k3y"));
    let responders = json!([{"type": "team", "id": "team-a", "username": ""}]);
    let body = json!({"message": NASTY, "description": NASTY, "alias": "orders", "source": "Argo CD", "responders": responders});
    assert_eq!(alert.json(), body);

    let incident = at(requests, "/incidents");
    let headers = ["authorization", "from", "accept"].map(|name| incident.header(name).unwrap());
    assert_eq!(headers, ["Token token=k3y", "ops@example.com", "application/vnd.pagerduty+json;version=2"]);
    let body = incident.json();
    assert_eq!(body["incident"]["service"], json!({"id": "PSERVICE", "type": "service_reference"}));
    assert_eq!((&body["incident"]["title"], &body["incident"]["body"]["details"]), (&json!("failed"), &json!(NASTY)));

    let event = at(requests, "/v2/enqueue").json();
    assert_eq!((&event["routing_key"], &event["event_action"]), (&json!("k3y"), &json!("trigger")));
    assert_eq!(event["payload"], json!({"summary": NASTY, "severity": "error", "source": "orders"}));

    let alerts = at(requests, "/api/v2/alerts");
    assert_eq!(alerts.header("authorization"), Some("Bearer k3y"));
    let alert = &alerts.json()[0];
    assert_eq!(alert["labels"], json!({"alertname": "failed", "app": "orders"}));
    assert_eq!(
        (&alert["annotations"], &alert["generatorURL"]),
        (&json!({"message": NASTY}), &json!("https://github.com/acme/orders.git"))
    );
    assert!(alert["startsAt"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_gets_the_request_that_it_understands() {
    // `1` is what an Office 365 connector says; the others look at the status.
    let receiver = Receiver::start([Answer::status(200).body("1")]).await;
    let folder = tempfile::tempdir().unwrap();
    write_manifests(folder.path(), &receiver.url());
    let gatepost = Gatepost::start_on_files(folder.path()).await;
    let requests = receiver.wait_for(DESTINATIONS.len(), PATIENCE).await;
    check_chats(&requests);
    check_boards(&requests);
    check_alerts(&requests);
    let delivered = wait_for("all are delivered", PATIENCE, || async {
        let found = gatepost.get("deliveries?state=delivered").await["items"].as_array().unwrap().clone();
        (found.len() == DESTINATIONS.len()).then_some(found)
    })
    .await;
    let alert = delivered.iter().find(|delivery| delivery["serviceKind"] == "alertmanager").unwrap();
    assert!(alert.to_string().contains("1 of 2 targets took it"), "{alert}");
    assert_eq!(receiver.requests().len(), DESTINATIONS.len());
}

fn notify(folder: &Path, recipients: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(["template", "notify", "failed"]).arg(folder.join("app.yaml"));
    command.arg("--config-map").arg(folder.join("cm.yaml")).arg("--secret").arg(folder.join("secret.yaml"));
    for recipient in recipients {
        command.args(["--recipient", recipient]);
    }
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_once_and_says_what_became_of_it() {
    let receiver = Receiver::start([Answer::status(200).body("1"), Answer::status(503)]).await;
    let folder = tempfile::tempdir().unwrap();
    write_manifests(folder.path(), &receiver.url());
    let path = folder.path().to_owned();
    let run = move |recipients: &'static [&'static str]| {
        let path = path.clone();
        tokio::task::spawn_blocking(move || notify(&path, recipients))
    };

    let sent = run(&["teams:ops"]).await.unwrap();
    assert_eq!(
        (sent.status.code(), String::from_utf8_lossy(&sent.stdout).as_ref()),
        (Some(0), "teams:ops: delivered\n")
    );
    assert_eq!(at(&receiver.requests(), "/teams").json()["title"], "failed");

    let refused = run(&["googlechat:ops", "teams:nobody", "nosuch:x"]).await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("failed to notify 'googlechat:ops': the receiver answered 503"), "{said}");
    assert!(said.contains("failed to notify 'teams:nobody'") && said.contains("names ops"), "{said}");
    assert!(said.contains("notification service 'nosuch' is not supported"), "{said}");
    assert!(!said.contains("k3y"), "{said}");
    assert_eq!(receiver.requests().len(), 2, "one attempt each");

    let printed = run(&[]).await.unwrap();
    let text = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert_eq!(printed.status.code(), Some(0));
    assert!(text.contains("googlechat:\n  cards: \"\"\n  cardsV2: \"- sections:\\n"), "{text}");
    assert!(text.contains("newrelic:\n  changelog: c\n  revision: r1\n  user: u\n"), "{text}");
    let shown: Value = serde_yaml_ng::from_str(&text).unwrap();
    assert_eq!((&shown["message"], &shown["alertmanager"]["labels"]["alertname"]), (&json!(NASTY), &json!("failed")));
}
