//! The services github, awssqs, gcppubsub, email and nats: the real binary sends one notification of each to scripted HTTP
//! receivers, to real SMTP servers and to a real NATS server, and what arrived is looked at.

use crate::env::{Answer, PATIENCE, Receiver, client, json, nats, smtp, wait_for};
use gatepost::egress::{self, Egress, Mail, Policy, TlsOptions};
use serde_json::{Map, Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const RSA_KEY: &str = include_str!("../../src/service/testdata/rsa.pem");
/// What breaks JSON, headers and protocols that are not careful.
const NASTY: &str = "bad \"quote\"\nand \\ line";
/// The seed whose public key tests/env/nats.sh knows.
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

/// A `gatepost serve --files` whose folder holds one failed Application. Killed when dropped.
struct Served {
    child: Child,
    api: String,
    _folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Served {
    /// With these keys of the ConfigMap, and subscriptions to the failure: service to recipients.
    fn start(config: Value, subscriptions: &[(&str, &str)], authorities: &[&Path]) -> Self {
        Self::start_with(config, subscriptions, authorities, &[])
    }

    /// The same, with these variables in its environment.
    fn start_with(
        config: Value,
        subscriptions: &[(&str, &str)],
        authorities: &[&Path],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifests = folder.path().join("manifests");
        let certificates = folder.path().join("tls");
        std::fs::create_dir(&manifests).unwrap();
        std::fs::create_dir(&certificates).unwrap();
        let pem: String = authorities.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        for host in ["localhost", "127.0.0.1"] {
            std::fs::write(certificates.join(host), &pem).unwrap();
        }
        write(&manifests, "config.yaml", &config_map(config));
        write(&manifests, "app.yaml", &application(subscriptions));
        let (metrics, api) = (free_port(), free_port());
        let settings = format!("[server]\nmetrics = \"127.0.0.1:{metrics}\"\napi = \"127.0.0.1:{api}\"\n");
        std::fs::write(folder.path().join("gatepost.toml"), settings).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["serve", "--logformat", "text", "--loglevel", "gatepost=info", "--namespace", "argocd"])
            .arg("--files")
            .arg(&manifests)
            .arg("--config")
            .arg(folder.path().join("gatepost.toml"))
            .env("ARGOCD_TLS_DATA_PATH", &certificates)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, api: format!("http://127.0.0.1:{api}/api/v1"), _folder: folder }
    }

    /// Waits until the one notification to a service is delivered.
    async fn delivered(&self, service: &str) -> Value {
        let url = format!("{}/deliveries?service={service}", self.api);
        wait_for(&format!("{service}: delivered"), PATIENCE, || async {
            client().get(&url).send().await.ok()?;
            let delivery = json(client().get(&url)).await["items"][0].clone();
            (delivery["state"] == "delivered").then_some(delivery)
        })
        .await
    }

    /// Waits until the last attempt at the one delivery, or the delivery itself, says something; answers with the delivery.
    async fn says(&self, service: &str, words: &str) -> Value {
        wait_for(&format!("{service}: {words}"), PATIENCE, || async {
            let listed = format!("{}/deliveries?service={service}", self.api);
            client().get(&listed).send().await.ok()?;
            let found = json(client().get(&listed)).await;
            let id = found["items"][0]["id"].as_str()?.to_owned();
            let detail = json(client().get(format!("{}/deliveries/{id}", self.api))).await;
            let last = detail["attempts"].as_array()?.last()?["reason"].as_str()?;
            let said = [last, detail["delivery"]["reason"].as_str()?].iter().any(|text| text.contains(words));
            said.then(|| detail["delivery"].clone())
        })
        .await
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn write(folder: &Path, name: &str, manifest: &Value) {
    std::fs::write(folder.join(name), manifest.to_string()).unwrap();
}

fn config_map(mut data: Value) -> Value {
    data["trigger.on-failed"] =
        json!([{"when": "app.status.operationState.phase in ['Failed']", "send": ["failed"]}]).to_string().into();
    for value in data.as_object_mut().unwrap().values_mut().filter(|value| !value.is_string()) {
        *value = value.to_string().into();
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm", "namespace": "argocd"}, "data": data})
}

fn application(subscriptions: &[(&str, &str)]) -> Value {
    let annotation = |(service, recipient): &(&str, &str)| {
        (format!("notifications.argoproj.io/subscribe.on-failed.{service}"), Value::from(*recipient))
    };
    let annotations: Map<String, Value> = subscriptions.iter().map(annotation).collect();
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "orders", "namespace": "argocd", "uid": "u-1", "annotations": annotations},
        "spec": {"project": "default", "source": {"repoURL": "https://github.com/acme/orders.git"}},
        "status": {
            "operationState": {"phase": "Failed", "message": NASTY, "startedAt": "2026-01-01T10:00:00Z",
                "finishedAt": "2026-01-01T10:01:00Z", "syncResult": {"revision": "0123abc"}},
            "reconciledAt": "2026-01-01T10:02:00Z",
        },
    })
}

/// A template with sections for all services.
fn template() -> Value {
    json!({
        "message": "{{.app.status.operationState.message}}",
        "email": {"subject": "{{.app.metadata.name}}: {{.app.status.operationState.message}}"},
        "github": {"status": {"state": "failure", "label": "cd/{{.app.metadata.name}}", "targetURL": "https://argo/orders"}},
        "awssqs": {"messageAttributes": {"app": "{{.app.metadata.name}}"}},
        "gcppubsub": {"attributes": {"app": "{{.app.metadata.name}}"}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn github_gets_a_commit_status_in_the_apps_name() {
    let answers = [Answer::status(201).body(r#"{"token": "ghs_1"}"#), Answer::status(201).body("{}")];
    let receiver = Receiver::start(answers).await;
    let service = json!({"appID": 7, "installationID": 99, "privateKey": RSA_KEY, "enterpriseBaseURL": receiver.url()});
    let config = json!({"service.github": service, "template.failed": template()});
    let served = Served::start(config, &[("github", "")], &[]);
    served.delivered("github").await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("POST", "/api/v3/app/installations/99/access_tokens")
    );
    assert!(requests[0].header("authorization").unwrap().starts_with("Bearer eyJ"));
    assert_eq!(
        (requests[1].method.as_str(), requests[1].path.as_str()),
        ("POST", "/api/v3/repos/acme/orders/statuses/0123abc")
    );
    assert_eq!(requests[1].header("authorization"), Some("token ghs_1"));
    let expected =
        json!({"state": "failure", "context": "cd/orders", "target_url": "https://argo/orders", "description": NASTY});
    assert_eq!(requests[1].json(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqs_gets_a_signed_message() {
    let answers = [Answer::json(&json!({"QueueUrl": "http://h/1/q"})), Answer::json(&json!({"MessageId": "m"}))];
    let receiver = Receiver::start(answers).await;
    let service = json!({"queue": "q", "account": "1", "region": "eu-west-1", "endpointUrl": receiver.url(), "key": "AKID", "secret": "s"});
    let config = json!({"service.awssqs": service, "template.failed": template()});
    let served = Served::start(config, &[("awssqs", "")], &[]);
    served.delivered("awssqs").await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("x-amz-target"), Some("AmazonSQS.GetQueueUrl"));
    assert_eq!(requests[1].header("x-amz-target"), Some("AmazonSQS.SendMessage"));
    assert_eq!(requests[0].json(), json!({"QueueName": "q", "QueueOwnerAWSAccountId": "1"}));
    let attributes = json!({"app": {"DataType": "String", "StringValue": "orders"}});
    let expected =
        json!({"QueueUrl": "http://h/1/q", "MessageBody": NASTY, "DelaySeconds": 10, "MessageAttributes": attributes});
    assert_eq!(requests[1].json(), expected);
    for request in &requests {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/"));
        let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=";
        assert!(request.header("authorization").unwrap().contains(signed), "{request:?}");
        assert_eq!(request.header("host"), receiver.url().strip_prefix("http://"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pubsub_gets_a_message_with_a_service_accounts_token() {
    let answers = [Answer::json(&json!({"access_token": "tok"})), Answer::json(&json!({"messageIds": ["1"]}))];
    let (receiver, folder) = (Receiver::start(answers).await, tempfile::tempdir().unwrap());
    let token_uri = format!("{}/token", receiver.url());
    let key =
        json!({"type": "service_account", "client_email": "a@p.iam", "private_key": RSA_KEY, "token_uri": token_uri});
    write(folder.path(), "key.json", &key);
    let key_file = folder.path().join("key.json");
    let service = json!({"project": "p", "topic": "t", "keyFile": key_file, "endpoint": receiver.url()});
    let config = json!({"service.gcppubsub": service, "template.failed": template()});
    let served = Served::start_with(config, &[("gcppubsub", "other")], &[], &[("PUBSUB_EMULATOR_HOST", "")]);
    served.delivered("gcppubsub").await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/token"));
    assert!(
        requests[0]
            .text()
            .starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ")
    );
    assert_eq!(
        (requests[1].method.as_str(), requests[1].path.as_str()),
        ("POST", "/v1/projects/p/topics/other:publish")
    );
    assert_eq!(requests[1].header("authorization"), Some("Bearer tok"));
    let data = "YmFkICJxdW90ZSIKYW5kIFwgbGluZQ==";
    assert_eq!(requests[1].json(), json!({"messages": [{"data": data, "attributes": {"app": "orders"}}]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_starttls_with_a_login() {
    let smtp = smtp().await;
    let with = |host: &str, password: &str| json!({"host": host, "port": smtp.starttls, "username": "argocd", "password": password, "from": "Argo CD <argocd@example.com>"});
    let config = json!({
        "service.email.good": with("localhost", "s3cr3t"),
        "service.email.wrong": with("localhost", "guess"),
        // The certificate is for `localhost`.
        "service.email.impostor": with("127.0.0.1", "s3cr3t"),
        "template.failed": template(),
    });
    let to = "starttls@example.com, Bo <bo@example.com>";
    let served = Served::start(
        config,
        &[("good", to), ("wrong", "wrong@example.com"), ("impostor", "impostor@example.com")],
        &[&smtp.authority],
    );
    let delivery = served.delivered("good").await;
    let mail = smtp.message("starttls@example.com", PATIENCE).await;
    assert_eq!((&mail["server"], &mail["authenticated"]), (&json!("starttls"), &json!(true)));
    assert_eq!(mail["from"], "argocd@example.com");
    assert_eq!(mail["to"], json!(["starttls@example.com", "bo@example.com"]));
    let content = mail["content"].as_str().unwrap();
    let (head, body) = content.split_once("\r\n\r\n").unwrap();
    let id = delivery["id"].as_str().unwrap();
    for line in [
        "To: starttls@example.com, Bo <bo@example.com>",
        "Subject: orders: bad \"quote\" and \\ line",
        &format!("Message-ID: <{id}@example.com>"),
        "Content-Type: text/plain; charset=utf-8",
    ] {
        assert!(head.contains(line), "{line} is not in\n{head}");
    }
    assert_eq!(body.trim_end(), "bad \"quote\"\r\nand \\ line");

    let refused = served.says("wrong", "535").await;
    assert_ne!(refused["state"], "delivered");
    served.says("impostor", "not valid for name").await;
    assert!(smtp.messages("wrong@example.com").is_empty() && smtp.messages("impostor@example.com").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mail_server_refuses_is_told_apart() {
    let smtp = smtp().await;
    let plain = json!({"host": "127.0.0.1", "port": smtp.plain, "from": "argocd@example.com", "html": true});
    let login = json!({"host": "127.0.0.1", "port": smtp.plain, "from": "argocd@example.com", "username": "u", "password": "p"});
    let config = json!({
        "service.email.some": plain, "service.email.none": plain, "service.email.later": plain, "service.email.login": login,
        "template.failed": template(),
    });
    let subscriptions = [
        ("some", "some@example.com,unknown@example.com"),
        ("none", "unknown@example.com"),
        ("later", "later@example.com,busy@example.com"),
        ("login", "login@example.com"),
    ];
    let served = Served::start(config, &subscriptions, &[]);
    served.delivered("some").await;
    let mail = smtp.message("some@example.com", PATIENCE).await;
    assert_eq!(mail["to"], json!(["some@example.com"]));
    assert!(mail["content"].as_str().unwrap().contains("Content-Type: text/html; charset=utf-8"));
    served.says("some", "unknown@example.com: 550").await;
    let none = served.says("none", "550").await;
    assert_eq!(none["state"], "dead");
    let later = served.says("later", "451").await;
    assert_ne!(later["state"], "dead");
    assert!(smtp.messages("later@example.com").is_empty());
    // A server that asks for no login gets none.
    served.delivered("login").await;
    assert_eq!(smtp.message("login@example.com", PATIENCE).await["authenticated"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_begins_tls_at_once_where_it_is_asked_to() {
    let smtp = smtp().await;
    let mail = |tls: TlsOptions, to: &str| Mail {
        tenant: String::new(),
        host: "localhost".into(),
        port: smtp.smtps,
        tls_first: true,
        tls,
        credentials: None,
        from: "argocd@example.com".into(),
        to: vec![to.into()],
        subject: "one\r\nBcc: two@example.com".into(),
        body: "ü".repeat(600),
        html: false,
        message_id: "<dlv_1@example.com>".into(),
        date_ms: 1_800_000_000_000,
    };
    let egress = Egress::new(Policy { loopback_allowed: true, ..Policy::default() });
    let trusted = TlsOptions { roots_pem: std::fs::read(&smtp.authority).unwrap(), ..TlsOptions::default() };
    let reply = egress.mail(&mail(trusted, "smtps@example.com")).await.unwrap();
    assert_eq!((reply.status, reply.body.as_ref()), (250, b"2.0.0 taken".as_slice()));
    let taken = smtp.message("smtps@example.com", PATIENCE).await;
    assert_eq!((&taken["server"], &taken["to"]), (&json!("smtps"), &json!(["smtps@example.com"])));
    let head = taken["content"].as_str().unwrap().split_once("\r\n\r\n").unwrap().0;
    assert!(!head.contains("\nBcc") && head.contains("Subject: one Bcc: two@example.com"), "{head}");

    let any = TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() };
    assert_eq!(egress.mail(&mail(any, "any@example.com")).await.unwrap().status, 250);
    let distrusted = egress.mail(&mail(TlsOptions::default(), "no@example.com")).await.unwrap_err();
    assert!(matches!(distrusted, egress::Error::Connect { .. }), "{distrusted}");
    let spam = Mail {
        subject: "spam".into(),
        ..mail(TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() }, "a@example.com")
    };
    assert_eq!(egress.mail(&spam).await.unwrap().status, 554);
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_gets_a_message_and_says_what_it_refuses() {
    let nats = nats().await;
    let mut subscriber = nats.subscribe("argocd.>").await;
    let url = format!("nats://127.0.0.1:{}", nats.port);
    let with = |user: &str, password: &str| json!({"url": url, "username": user, "password": password});
    let mut good = with("argocd", "s3cr3t");
    good["headers"] = json!({"X-App": "orders"});
    let config = json!({
        "service.nats.good": good,
        "service.nats.wrong": with("argocd", "guess"),
        "service.nats.elsewhere": with("argocd", "s3cr3t"),
        "template.failed": template(),
    });
    let subscriptions = [("good", "argocd.failed"), ("wrong", "argocd.wrong"), ("elsewhere", "billing.failed")];
    let served = Served::start(config, &subscriptions, &[]);
    served.delivered("good").await;
    let message = subscriber.next(PATIENCE).await;
    assert_eq!((message.subject.as_str(), message.body.as_str()), ("argocd.failed", NASTY));
    assert_eq!(message.head, "NATS/1.0\r\nX-App: orders\r\n\r\n");
    served.says("wrong", "Authorization Violation").await;
    served.says("elsewhere", "Permissions Violation for Publish to \"billing.failed\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_takes_nkeys_and_tls() {
    let nats = nats().await;
    let mut subscriber = nats.subscribe("keyed.>").await;
    let long = format!("nats://watcher:s3cr3t@127.0.0.1:{}", nats.port);
    let config = json!({
        "service.nats.keyed": {"url": format!("127.0.0.1:{}", nats.port), "nkey": SEED},
        "service.nats.secure": {"url": format!("nats://localhost:{}", nats.tls)},
        "service.nats.impostor": {"url": format!("tls://127.0.0.1:{}", nats.tls)},
        "service.nats.long": {"url": long},
        "template.failed": template(),
        "trigger.on-long": [{"when": "true", "send": ["long"]}],
        "template.long": {"message": "{{repeat 5000 \"x\"}}"},
        "subscriptions": [{"recipients": ["long:keyed.long"], "triggers": ["on-long"]}],
    });
    let subscriptions = [("keyed", "keyed.failed"), ("secure", "argocd.failed"), ("impostor", "argocd.failed")];
    let served = Served::start(config, &subscriptions, &[&nats.authority]);
    served.delivered("keyed").await;
    assert_eq!(subscriber.next(PATIENCE).await.body, NASTY);
    served.delivered("secure").await;
    served.says("impostor", "not valid for name").await;
    let long = served.says("long", "5000 bytes").await;
    assert_eq!(long["state"], "dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_gave_the_process_is_used() {
    let role =
        "<R><AccessKeyId>TMP</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>tok</SessionToken></R>";
    let answers = [Answer::status(200).body(role), Answer::json(&json!({"QueueUrl": "q"})), Answer::json(&json!({}))];
    let (aws, emulator) = (Receiver::start(answers).await, Receiver::start([Answer::json(&json!({}))]).await);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "web-identity\n").unwrap();
    let config = json!({
        "service.awssqs": {"queue": "q"}, "service.gcppubsub": {"project": "p", "topic": "t"}, "template.failed": template(),
    });
    let environment = [
        ("AWS_ACCESS_KEY_ID", String::new()),
        ("AWS_ENDPOINT_URL_SQS", aws.url()),
        ("AWS_ENDPOINT_URL_STS", aws.url()),
        ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string()),
        ("PUBSUB_EMULATOR_HOST", emulator.url().replace("http://", "")),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let served = Served::start_with(config, &[("awssqs", ""), ("gcppubsub", "")], &[], &environment);
    served.delivered("awssqs").await;
    served.delivered("gcppubsub").await;
    let requests = aws.requests();
    assert!(requests[0].text().starts_with("Action=AssumeRoleWithWebIdentity&"), "{requests:?}");
    assert!(requests[0].text().ends_with("&WebIdentityToken=web-identity"), "{requests:?}");
    assert_eq!(requests[2].header("x-amz-security-token"), Some("tok"));
    assert!(requests[2].header("authorization").unwrap().contains("Credential=TMP/"));
    let published = &emulator.requests()[0];
    assert_eq!((published.path.as_str(), published.header("authorization")), ("/v1/projects/p/topics/t:publish", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_mail_and_nats_messages() {
    let (smtp, nats) = (smtp().await, nats().await);
    let mut subscriber = nats.subscribe("typed.>").await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "service.email": {"host": "127.0.0.1", "port": smtp.plain, "from": "argocd@example.com"},
        "service.nats": {"url": format!("nats://watcher:s3cr3t@127.0.0.1:{}", nats.port)},
        "template.failed": template(),
    });
    write(folder.path(), "cm.yaml", &config_map(config));
    write(folder.path(), "app.yaml", &application(&[]));
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(["template", "notify", "failed"]).arg(folder.path().join("app.yaml"));
    command.arg("--config-map").arg(folder.path().join("cm.yaml")).args(["--secret", ":empty"]);
    command.args(["--recipient", "email:typed@example.com", "--recipient", "nats:typed.failed"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "email:typed@example.com: delivered\nnats:typed.failed: delivered\n"
    );
    assert_eq!(smtp.message("typed@example.com", PATIENCE).await["to"], json!(["typed@example.com"]));
    assert_eq!(subscriber.next(PATIENCE).await.body, NASTY);
}
