//! Secrets stay where they are: canaries are planted wherever a secret may lie, the receiver repeats all that it hears,
//! and every output of a running Gatepost is searched for them, as they are, in base64 and URL-encoded.

use crate::env::{Answer, Namespace, PATIENCE, Receiver, cluster, postgres, wait_until};
use crate::running::{Around, Gatepost, Start};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Values of the Secret.
pub const SECRET: [(&str, &str); 5] = [
    ("token", "CANARY-token/1+2&3=45678"),
    ("password", "CANARY-pass:word 987654321"),
    ("path", "CANARYpath0123456789abcdef"),
    ("query", "CANARYquery0123456789abcde"),
    ("template", "CANARY-template-0123456789"),
];
/// Key of the signature; base64 of the Secret's value, which has no canary's word in it.
const SIGNING: &str = "CANARY-signing-key-0123456789";
/// In the ConfigMap itself, where people put them nevertheless.
const PLAIN_HEADER: &str = "CANARY-header-0123456789";
const PLAIN_URL: &str = "CANARYliteral0123456789abc";
const PROXY: &str = "CANARYproxy0123456789abcde";
/// What the token is rotated to.
const ROTATED: &str = "CANARY-rotated/9+8&7=65432";

/// Everything that must not be seen, in all its forms.
pub fn forms() -> Vec<String> {
    let texts = SECRET.iter().map(|(_, value)| *value);
    let texts = texts.chain([SIGNING, PLAIN_HEADER, PLAIN_URL, PROXY, ROTATED]).map(str::to_owned);
    let signing = format!("whsec_{}", STANDARD_NO_PAD.encode(SIGNING));
    let forms = texts.chain([signing]).flat_map(|text| {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let percent = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
        // At each of the three places that it can have in a longer text; the ends depend on what is around.
        let within = (0..3).map(|before| {
            let padded = STANDARD_NO_PAD.encode(format!("{}{text}", &"xyz"[..before]));
            padded[4..padded.len() - 4].to_owned()
        });
        [text.clone(), encoded, percent].into_iter().chain(within.collect::<Vec<_>>()).collect::<Vec<_>>()
    });
    forms.collect()
}

struct Outputs(Vec<(String, Vec<u8>)>);

impl Outputs {
    fn add(&mut self, name: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.0.push((name.into(), content.into()));
    }

    /// Says where each canary was seen, with what is around it.
    fn search(&self) {
        let mut seen = Vec::new();
        for (name, content) in &self.0 {
            assert!(!content.is_empty(), "{name} is empty: nothing was searched");
            let text = String::from_utf8_lossy(content);
            for form in forms() {
                if let Some(at) = text.find(&form) {
                    let around: String = text[..at].chars().rev().take(160).collect::<Vec<_>>().iter().rev().collect();
                    seen.push(format!("{name}: …{around}{form}"));
                }
            }
        }
        assert!(seen.is_empty(), "seen {} times:\n{}", seen.len(), seen.join("\n"));
    }
}

/// A configuration with secrets wherever one may lie, for a receiver at this URL.
pub fn config(url: &str, template: &str) -> Value {
    json!({
        "service.webhook.hook": format!(
            "url: {url}/services/$path?sig=$query\nretryMax: -1\nbasicAuth: {{username: somebody, password: $password}}\n\
             headers:\n- {{name: X-Token, value: $token}}\n- {{name: X-Plain-Token, value: {PLAIN_HEADER}}}\n\
             signingSecret: $signing\nsendDeliveryId: true\n"
        ),
        "service.webhook.literal": format!("url: {url}/{PLAIN_URL}\nretryMax: 1\nretryWaitMin: 50000000\n"),
        "service.webhook.away": format!("url: {url}/away/$path\nretryMax: -1\n"),
        "trigger.on-failed": "- when: string(secrets.template) != 'x' and app.status.operationState.phase in ['Failed']\n  send: [failed]\n",
        "trigger.broken": "- when: string(secrets.template)[\n  send: [failed]\n",
        "template.failed": format!("message: {template}\nwebhook:\n  hook: {{method: POST, body: '{template}'}}\n"),
    })
}

/// An Application that failed, subscribed to everything there.
pub fn application(name: &str) -> Value {
    let annotations: Value = ["hook", "literal", "away"]
        .iter()
        .map(|service| (format!("notifications.argoproj.io/subscribe.on-failed.{service}"), Value::from("")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "annotations": annotations},
        "spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "x"},
            "source": {"repoURL": "https://git.example.com/r.git", "path": "."}},
        "status": {
            "operationState": {"phase": "Failed", "startedAt": "2026-01-01T10:00:00Z",
                "finishedAt": "2026-01-01T10:01:00Z", "operation": {}},
            "reconciledAt": "2026-01-01T10:02:00Z",
        },
    })
}

/// Plants Secret and configuration.
pub async fn plant(namespace: &Namespace, token: &str, data: &Value) {
    let mut values: serde_json::Map<String, Value> =
        SECRET.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    values.insert("token".into(), token.into());
    values.insert("signing".into(), format!("whsec_{}", STANDARD_NO_PAD.encode(SIGNING)).into());
    let parameters = PatchParams::apply("gatepost-tests").force();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-notifications-secret"}, "stringData": values});
    let secrets: Api<Secret> = namespace.api();
    secrets.patch("argocd-notifications-secret", &parameters, &Patch::Apply(secret)).await.unwrap();
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": data});
    let maps: Api<ConfigMap> = namespace.api();
    maps.patch("argocd-notifications-cm", &parameters, &Patch::Apply(map)).await.unwrap();
}

fn command_line(api: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    let output = command.args(arguments).args(["--server", api]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    [output.stdout, output.stderr].concat()
}

/// Everything that a running Gatepost shows.
async fn look_everywhere(gatepost: &Gatepost, namespace: &Namespace, log: &Path) -> Outputs {
    let mut outputs = Outputs(Vec::new());
    let deliveries = gatepost.get("deliveries").await;
    for path in
        ["config", "decisions", "status", "deliveries", "destinations", &format!("applications/{}/a", namespace.name)]
    {
        outputs.add(format!("API {path}"), gatepost.get(path).await.to_string());
    }
    let ids: Vec<&str> =
        deliveries["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.len() >= 3, "{deliveries}");
    for id in &ids {
        outputs.add(format!("API {id}"), gatepost.get(&format!("deliveries/{id}")).await.to_string());
        outputs.add(format!("show {id}"), command_line(&gatepost.api, &["deliveries", "show", id]));
    }
    let application = format!("{}/a", namespace.name);
    let commands: [&[&str]; 7] = [
        &["deliveries", "list"],
        &["deliveries", "list", "-o", "json"],
        &["deliveries", "replay", "--state", "dead", "--dry-run"],
        &["destinations", "list"],
        &["destinations", "show", "hook", "-o", "json"],
        &["explain", &application],
        &["explain", &application, "-o", "json"],
    ];
    for arguments in commands {
        outputs.add(arguments.join(" "), command_line(&gatepost.api, arguments));
    }
    outputs.add("dashboard", gatepost.page("/").await);
    outputs.add("metrics", gatepost.metrics().await);
    outputs.add("readiness", gatepost.readiness().await.to_string());
    let events: Api<Event> = namespace.api();
    let events = events.list(&Default::default()).await.unwrap().items;
    outputs.add("Events", serde_json::to_string(&events).unwrap());
    let applications: Api<DynamicObject> = namespace.dynamic("argoproj.io/v1alpha1", "Application").await;
    outputs.add("annotations", serde_json::to_string(&applications.get("a").await.unwrap().metadata).unwrap());
    outputs.add("log", std::fs::read(log).unwrap());
    outputs
}

async fn dead(gatepost: &Gatepost, service: &str) -> usize {
    let items = gatepost.get(&format!("deliveries?service={service}&state=dead")).await;
    items["items"].as_array().map_or(0, Vec::len)
}

/// Plays it all with a store, until there are refusals, retries, a redirect, broken keys and a rotation to tell of.
async fn play(template: &str, environment: &[(&str, &str)], store: Option<&Path>, log: PathBuf) -> (Gatepost, Outputs) {
    let (namespace, receiver) = (cluster().await.namespace().await, Receiver::start([Answer::Echo(400)]).await);
    let proxy = receiver.url().replace("http://", &format!("http://proxy:{PROXY}@"));
    plant(&namespace, SECRET[0].1, &config(&receiver.url(), template)).await;
    let environment: Vec<_> = environment.iter().copied().chain([("HTTP_PROXY", proxy.as_str())]).collect();
    let around = Around { environment: &environment, level: "trace", log: Some(&log), store, ..Around::default() };
    let start = Start { kubeconfig: cluster().await.kubeconfig(), namespace: &namespace.name, store: None };
    let gatepost = Gatepost::start_around(start, &[], &around).await;
    namespace.apply(&application("a").to_string()).await;
    wait_until("the refusals are dead letters", PATIENCE, || async {
        dead(&gatepost, "hook").await == 1 && dead(&gatepost, "away").await == 1
    })
    .await;
    let first = receiver.requests().into_iter().find(|request| request.header("x-token").is_some()).unwrap();
    assert_eq!(first.header("x-token"), Some(SECRET[0].1), "the receiver is told what nobody else is");
    assert!(first.header("proxy-authorization").is_some() && first.header("webhook-signature").is_some());
    let echoed = gatepost.get("deliveries").await["items"].clone();
    let id = echoed.as_array().unwrap().iter().find(|one| one["lane"]["service"] == "hook").unwrap()["id"].clone();
    let shown = gatepost.get(&format!("deliveries/{}", id.as_str().unwrap())).await;
    let excerpt = shown["attempts"][0]["excerpt"].as_str().unwrap();
    assert!(excerpt.contains("[secret]") && excerpt.contains("dlv_"), "the answer is kept, without secrets: {excerpt}");

    // Another answer, another secret, without a restart.
    receiver.script([Answer::Echo(503)]);
    let before = receiver.requests().len();
    plant(&namespace, ROTATED, &config(&receiver.url(), template)).await;
    wait_until("what was refused is tried with the new token", PATIENCE, || async {
        receiver.requests()[before..].iter().any(|request| request.header("x-token") == Some(ROTATED))
    })
    .await;
    wait_until("its answer is kept", PATIENCE, || async {
        gatepost.get("deliveries?service=hook").await.to_string().contains("503")
    })
    .await;
    let outputs = look_everywhere(&gatepost, &namespace, &log).await;
    (gatepost, outputs)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_and_no_store_file_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("outbox.db");
    let (_gatepost, mut outputs) =
        play("failed {{.app.metadata.name}}", &[], Some(&store), folder.path().join("log")).await;
    outputs.add("SQLite file", std::fs::read(&store).unwrap());
    outputs.add("its WAL", std::fs::read(folder.path().join("outbox.db-wal")).unwrap());
    outputs.search();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_postgresql_shows_none_even_if_bodies_hold_some() {
    let folder = tempfile::tempdir().unwrap();
    let url = postgres().await.database().await;
    let key = format!("k1 {}", base64::engine::general_purpose::STANDARD.encode([7; 32]));
    let environment = [("GATEPOST_STORE__URL", url.as_str()), ("GATEPOST_STORE__ENCRYPTIONKEYS", &key)];
    let empty = Path::new("");
    let body = "failed {{.app.metadata.name}} {{.secrets.template}}";
    let (_gatepost, mut outputs) = play(body, &environment, Some(empty), folder.path().join("log")).await;
    outputs.add("dump", postgres().await.dump(url.rsplit('/').next().unwrap()).await);
    outputs.search();
}
