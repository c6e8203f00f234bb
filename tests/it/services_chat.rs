//! The services that write to people in chats: the real binary on a folder of manifests, a scripted receiver for each.

use crate::env::receiver::Received;
use crate::env::{Answer, PATIENCE, Receiver, wait_until};
use crate::running::Gatepost;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const NASTY: &str = "apply failed: \"spec.path\" is \"C:\\temp\"\n\tand 3 more";
const MESSAGE: &str = "{{.app.status.operationState.message}}";
const SECRETS: [&str; 3] = ["s3cret-token", "123:s3cret-bot", "s3cret-password"];
const USER_KEY: &str = "uumy8u4owy7bgkapp6mc5mvhfsvpcd";

/// The ConfigMap and the Secret.
fn configure(folder: &Path, mut data: BTreeMap<String, Value>) {
    for (name, phase) in [("on-failed", "Failed"), ("on-succeeded", "Succeeded")] {
        let condition = json!([{
            "when": format!("app.status.operationState.phase in ['{phase}']"), "send": [name],
            "oncePer": "app.status.operationState.syncResult.revision",
        }]);
        data.insert(format!("trigger.{name}"), condition);
    }
    let data: BTreeMap<String, String> = data.into_iter().map(|(key, value)| (key, value.to_string())).collect();
    let config = json!({"kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": data});
    let [token, bot, password] = SECRETS;
    let secret = json!({
        "kind": "Secret", "metadata": {"name": "argocd-notifications-secret"},
        "stringData": {"token": token, "bot": bot, "password": password},
    });
    std::fs::write(folder.join("config.yaml"), format!("{config}\n---\n{secret}\n")).unwrap();
}

/// One Application, subscribed to these services and recipients.
fn application(folder: &Path, subscriptions: &[(&str, &str)], phase: &str, revision: &str) {
    let annotation = |(service, recipient): &(&str, &str)| {
        (format!("notifications.argoproj.io/subscribe.{service}"), json!(recipient))
    };
    let annotations: serde_json::Map<String, Value> = subscriptions.iter().map(annotation).collect();
    let manifest = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "uid": "u1", "annotations": annotations},
        "spec": {"project": "default", "source": {"repoURL": "https://git.example.com/r.git"}},
        "status": {
            "operationState": {"phase": phase, "message": NASTY, "startedAt": "2026-01-01T10:00:00Z",
                "finishedAt": "2026-01-01T10:01:00Z", "operation": {}, "syncResult": {"revision": revision}},
            "health": {"status": "Healthy"}, "reconciledAt": "2026-01-01T10:02:00Z",
        },
    });
    std::fs::write(folder.join("shop.yaml"), manifest.to_string()).unwrap();
}

fn form(request: &Received) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

async fn delivered(gatepost: &Gatepost, count: usize) -> Vec<Value> {
    let list = || async { gatepost.get("deliveries?state=delivered&limit=100").await["items"].clone() };
    wait_until(&format!("{count} deliveries are delivered"), PATIENCE, || async {
        list().await.as_array().is_some_and(|items| items.len() == count)
    })
    .await;
    list().await.as_array().unwrap().clone()
}

fn slack_answer(ts: &str) -> Answer {
    Answer::json(&json!({"ok": true, "channel": "C9", "ts": ts}))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_chat_service_is_called_as_the_go_controller_calls_it() {
    let slack = Receiver::start([slack_answer("17.1")]).await;
    let mattermost = Receiver::start([Answer::status(201).body("{}")]).await;
    let login = json!({"status": "success", "data": {"authToken": "session", "userId": "bot-id"}});
    let rocketchat = Receiver::start([Answer::json(&login), Answer::json(&json!({"success": true}))]).await;
    let telegram = Receiver::start([Answer::json(&json!({"ok": true, "result": {"id": 1}}))]).await;
    let webex = Receiver::start([Answer::json(&json!({"id": "m"}))]).await;
    let pushover = Receiver::start([Answer::json(&json!({"status": 1, "request": "r"}))]).await;
    let attachments = format!(r#"[{{"title": "{MESSAGE}"}}]"#);
    let section = json!({"attachments": attachments});
    let template = json!({"message": MESSAGE, "slack": section, "mattermost": section, "rocketchat": section});
    let data = [
        ("service.slack", json!({"token": "$token", "apiURL": format!("{}/api/", slack.url()), "icon": ":robot:"})),
        ("service.mattermost", json!({"token": "$token", "apiURL": mattermost.url()})),
        ("service.rocketchat", json!({"email": "bot", "password": "$password", "serverUrl": rocketchat.url()})),
        ("service.telegram", json!({"token": "$bot", "apiURL": telegram.url()})),
        ("service.webex", json!({"token": "$token", "apiURL": webex.url()})),
        ("service.pushover", json!({"token": "$token", "apiURL": pushover.url()})),
        ("template.on-failed", template),
    ];
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    let recipients = [
        ("on-failed.slack", "general"),
        ("on-failed.mattermost", "channel-id"),
        ("on-failed.rocketchat", "#general"),
        ("on-failed.telegram", "-100|7"),
        ("on-failed.webex", "a@example.com"),
        ("on-failed.pushover", USER_KEY),
    ];
    application(folder.path(), &recipients, "Failed", "r1");
    let gatepost = Gatepost::start_on_files(folder.path()).await;
    let deliveries = delivered(&gatepost, 6).await;

    let sent = &slack.requests()[0];
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/api/chat.postMessage"));
    assert_eq!(sent.header("content-type"), Some("application/x-www-form-urlencoded"));
    let expected = [
        ("attachments", json!([{"title": NASTY, "blocks": null}])),
        ("blocks", json!([])),
        ("channel", json!("general")),
        ("icon_emoji", json!(":robot:")),
        ("text", json!(NASTY)),
        ("token", json!(SECRETS[0])),
    ];
    let read = |(name, text): (String, String)| {
        let value =
            if name == "attachments" || name == "blocks" { serde_json::from_str(&text).unwrap() } else { json!(text) };
        (name, value)
    };
    let fields: BTreeMap<String, Value> = form(sent).into_iter().map(read).collect();
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value)).into());

    let sent = &mattermost.requests()[0];
    assert_eq!((sent.path.as_str(), sent.header("authorization")), ("/api/v4/posts", Some("Bearer s3cret-token")));
    let expected = json!({"channel_id": "channel-id", "message": NASTY, "props": {"attachments": [{"title": NASTY}]}});
    assert_eq!(sent.json(), expected);

    let [login, post] = &rocketchat.requests()[..] else { panic!("a login and a post") };
    assert_eq!((login.path.as_str(), login.text().as_str()), ("/api/v1/login", "password=s3cret-password&user=bot"));
    assert_eq!((post.path.as_str(), post.header("x-auth-token")), ("/api/v1/chat.postMessage", Some("session")));
    assert_eq!(post.header("x-user-id"), Some("bot-id"));
    let attachments = json!([{"title": NASTY, "collapsed": false}]);
    assert_eq!(post.json(), json!({"channel": "#general", "text": NASTY, "attachments": attachments}));

    let [asked, sent] = &telegram.requests()[..] else { panic!("a question and a message") };
    assert_eq!((asked.path.as_str(), asked.body.len()), ("/bot123:s3cret-bot/getMe", 0));
    assert_eq!(sent.path, "/bot123:s3cret-bot/sendMessage");
    let fields = form(sent);
    let field = |name: &str| fields[name].as_str();
    assert_eq!((field("chat_id"), field("message_thread_id"), field("parse_mode")), ("-100", "7", "Markdown"));
    assert_eq!(field("text"), NASTY);

    let sent = &webex.requests()[0];
    assert_eq!((sent.path.as_str(), sent.header("authorization")), ("/v1/messages", Some("Bearer s3cret-token")));
    assert_eq!(sent.json(), json!({"toPersonEmail": "a@example.com", "markdown": NASTY}));

    let sent = &pushover.requests()[0];
    assert_eq!(sent.path, "/1/messages.json");
    let expected = [("message", NASTY), ("priority", "0"), ("token", SECRETS[0]), ("user", USER_KEY)];
    assert_eq!(form(sent), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    for delivery in deliveries {
        let shown = gatepost.get(&format!("deliveries/{}", delivery["id"].as_str().unwrap())).await.to_string();
        for secret in SECRETS.into_iter().chain(["session"]) {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

/// One Slack service; `on-failed` posts, `on-succeeded` posts and updates, both in the thread of the Application.
fn threads(folder: &Path, slack: &Receiver) {
    let section = |policy: &str| json!({"groupingKey": "{{.app.metadata.name}}", "deliveryPolicy": policy});
    let template = |policy: &str| json!({"message": format!("{{{{.app.status.operationState.phase}}}} {policy}"), "slack": section(policy)});
    let data = [
        ("service.slack", json!({"token": "$token", "apiURL": format!("{}/api/", slack.url())})),
        ("template.on-failed", template("Post")),
        ("template.on-succeeded", template("PostAndUpdate")),
    ];
    configure(folder, data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_thread_outlives_a_restart() {
    let slack = Receiver::start([slack_answer("11.1"), slack_answer("22.2")]).await;
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = kept.path().join("outbox.db");
    threads(folder.path(), &slack);
    let subscriptions = [("on-failed.slack", "general"), ("on-succeeded.slack", "general")];
    application(folder.path(), &subscriptions, "Failed", "r1");
    let gatepost = Gatepost::start_on_files_with(folder.path(), &store).await;
    delivered(&gatepost, 1).await;
    assert!(!form(&slack.requests()[0]).contains_key("thread_ts"));
    assert_eq!(gatepost.terminate().await, Some(0));

    application(folder.path(), &subscriptions, "Succeeded", "r2");
    let gatepost = Gatepost::start_on_files_with(folder.path(), &store).await;
    delivered(&gatepost, 2).await;
    let requests = slack.requests();
    let paths: Vec<&str> = requests.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/api/chat.postMessage", "/api/chat.postMessage", "/api/chat.update"]);
    let (reply, update) = (form(&requests[1]), form(&requests[2]));
    assert_eq!((reply["thread_ts"].as_str(), reply["channel"].as_str()), ("11.1", "general"));
    assert_eq!((update["ts"].as_str(), update["channel"].as_str()), ("11.1", "C9"));
    assert_eq!(update["text"], "Succeeded PostAndUpdate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_message_waits_for_the_one_that_begins_the_thread() {
    let slow = slack_answer("11.1").after(Duration::from_millis(700));
    let slack = Receiver::start([slow, slack_answer("22.2")]).await;
    let folder = tempfile::tempdir().unwrap();
    threads(folder.path(), &slack);
    let subscriptions = [("on-failed.slack", "general"), ("on-succeeded.slack", "general")];
    application(folder.path(), &subscriptions, "Failed", "r1");
    let gatepost = Gatepost::start_on_files(folder.path()).await;
    slack.wait_for(1, PATIENCE).await;
    application(folder.path(), &subscriptions, "Failed", "r2");
    delivered(&gatepost, 2).await;
    let requests = slack.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(form(&requests[1])["thread_ts"], "11.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_used_until_it_is_refused() {
    let login = |token: &str| Answer::json(&json!({"status": "success", "data": {"authToken": token, "userId": "u"}}));
    let sent = || Answer::json(&json!({"success": true}));
    let script = [login("first"), sent(), Answer::status(401), login("second"), sent()];
    let rocketchat = Receiver::start(script).await;
    let folder = tempfile::tempdir().unwrap();
    let service = json!({"email": "bot", "password": "$password", "serverUrl": rocketchat.url()});
    let template = json!({"message": "{{.app.status.operationState.syncResult.revision}}"});
    let data = [("service.rocketchat", service), ("template.on-failed", template)];
    configure(folder.path(), data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    let subscriptions = [("on-failed.rocketchat", "#general")];
    application(folder.path(), &subscriptions, "Failed", "r1");
    let gatepost = Gatepost::start_on_files(folder.path()).await;
    delivered(&gatepost, 1).await;
    application(folder.path(), &subscriptions, "Failed", "r2");
    delivered(&gatepost, 2).await;
    let requests = rocketchat.requests();
    let seen: Vec<_> = requests.iter().map(|request| (request.path.as_str(), request.header("x-auth-token"))).collect();
    let (login, post) = ("/api/v1/login", "/api/v1/chat.postMessage");
    let expected = [(login, None), (post, Some("first")), (post, Some("first")), (login, None), (post, Some("second"))];
    assert_eq!(seen, expected);
    assert_eq!(requests[4].json()["text"], "r2");
}
