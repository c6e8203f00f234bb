//! The test environment itself: that each part is real, and that the helpers do what they say.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::env::{self, Answer, PATIENCE, Receiver};

#[tokio::test]
async fn the_cluster_gives_each_test_a_namespace_of_its_own() {
    let cluster = env::cluster().await;
    let (first, second) = (cluster.namespace().await, cluster.namespace().await);
    assert_ne!(first.name, second.name);
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "one"}, "data": {"key": "value"}})).unwrap();
    first.api::<ConfigMap>().create(&PostParams::default(), &map).await.unwrap();
    assert!(second.api::<ConfigMap>().get_opt("one").await.unwrap().is_none());
    assert!(cluster.kubeconfig().is_file());
}

#[tokio::test]
async fn the_cluster_knows_applications_and_promoter_kinds() {
    let namespace = env::cluster().await.namespace().await;
    let applied = namespace
        .apply(
            "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: guestbook}
spec:
  project: default
  source: {repoURL: 'https://example.com/repo.git', path: guestbook}
  destination: {server: 'https://kubernetes.default.svc', namespace: guestbook}
status: {sync: {status: Synced}}
---
apiVersion: promoter.argoproj.io/v1alpha1
kind: CommitStatus
metadata: {name: gate}
spec:
  gitRepositoryRef: {name: repo}
  sha: '0123456789012345678901234567890123456789'
  name: gate
  description: waits
  phase: pending
",
        )
        .await;
    assert_eq!(applied[0].data["status"]["sync"]["status"], "Synced", "Application has no status subresource");
    namespace
        .apply_status(
            "{apiVersion: promoter.argoproj.io/v1alpha1, kind: CommitStatus, metadata: {name: gate}, \
             status: {phase: success, sha: '0123456789012345678901234567890123456789'}}",
        )
        .await;
    let gates = namespace.dynamic("promoter.argoproj.io/v1alpha1", "CommitStatus").await;
    let gate = gates.list(&ListParams::default()).await.unwrap().items.remove(0);
    assert_eq!((gate.name_any().as_str(), &gate.data["status"]["phase"]), ("gate", &json!("success")));
}

#[tokio::test]
async fn namespaces_of_the_cluster_live_and_die_as_in_a_real_one() {
    let namespace = env::cluster().await.namespace().await;
    let accounts = namespace.api::<ServiceAccount>();
    env::wait_until("the default service account", PATIENCE, || async {
        accounts.get_opt("default").await.unwrap().is_some()
    })
    .await;
    let namespaces: Api<Namespace> = Api::all(namespace.client.clone());
    namespaces.delete(&namespace.name, &DeleteParams::default()).await.unwrap();
    env::wait_until("the namespace to be gone", PATIENCE, || async {
        namespaces.get_opt(&namespace.name).await.unwrap().is_none()
    })
    .await;
}

#[tokio::test]
async fn postgres_gives_each_test_a_database_of_its_own() {
    let postgres = env::postgres().await;
    let (first, second) = (postgres.database().await, postgres.database().await);
    let name = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    postgres.query(&name(&first), "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, 'y')").await;
    assert_eq!(postgres.query(&name(&first), "SELECT a, b FROM t ORDER BY a").await, "1|x\n2|y");
    assert_eq!(postgres.query(&name(&second), "SELECT to_regclass('t') IS NULL").await, "t");
}

#[tokio::test]
async fn backstage_tells_the_members_of_the_owning_group() {
    let backstage = env::backstage().await;
    let title = "env smoke: order-service deployed";
    let notification = json!({
        "recipients": {"type": "entity", "entityRef": "component:default/order-service"},
        "payload": {"title": title, "severity": "normal"},
    });
    let made = backstage.post(&notification).await;
    assert_eq!(made.as_array().unwrap().len(), 3, "alice, bob, and carol of the child group: {made}");
    assert_eq!(backstage.titled("user:default/alice", title).await.len(), 1);
    assert_eq!(backstage.titled("user:default/dave", title).await.len(), 0);
    assert!(backstage.notifications_url().starts_with(backstage.url()));
    assert!(!backstage.token().is_empty());
}

#[tokio::test]
async fn a_receiver_follows_its_script_and_repeats_the_last_answer() {
    let script = [Answer::status(500), Answer::json(&json!({"ok": true})).after(Duration::from_millis(50))];
    let receiver = Receiver::start(script).await;
    let mut heads = Vec::new();
    for _ in 0..3 {
        heads.push(exchange(&receiver, "POST /a?b=c HTTP/1.1\r\nX-One: 1\r\nContent-Length: 2\r\n\r\n{}").await);
    }
    assert!(heads[0].starts_with("HTTP/1.1 500 "), "{}", heads[0]);
    assert!(heads[1].starts_with("HTTP/1.1 200 ") && heads[1].ends_with("{\"ok\":true}"), "{}", heads[1]);
    assert_eq!(heads[1], heads[2]);
    let requests = receiver.wait_for(3, PATIENCE).await;
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/a?b=c"));
    assert_eq!((requests[0].header("x-one"), requests[0].json()), (Some("1"), json!({})));
    assert!(requests[2].at - requests[1].at >= Duration::from_millis(50), "the second answer was late");
}

#[tokio::test]
async fn a_receiver_reads_chunks_closes_and_hangs() {
    let receiver = Receiver::start([Answer::Close, Answer::Hang]).await;
    let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    assert_eq!(exchange(&receiver, chunked).await, "");
    assert_eq!(receiver.requests()[0].text(), "abcde");
    let hanging = tokio::time::timeout(Duration::from_millis(200), exchange(&receiver, chunked)).await;
    assert!(hanging.is_err(), "no answer comes");
    receiver.script([Answer::status(204)]);
    assert!(exchange(&receiver, chunked).await.starts_with("HTTP/1.1 204 "));
    env::stays("three requests", Duration::from_millis(100), || async { receiver.requests().len() == 3 }).await;
}

#[tokio::test]
#[should_panic(expected = "in vain for what never comes")]
async fn waiting_says_what_it_waited_for() {
    env::wait_until("what never comes", Duration::from_millis(50), || async { false }).await;
}

#[tokio::test]
async fn waiting_ends_with_the_value() {
    let started = Instant::now();
    let value = env::wait_for("60 ms", PATIENCE, || async { (started.elapsed().as_millis() > 60).then_some(7) }).await;
    assert_eq!(value, 7);
}

/// Sends raw bytes on a connection of its own, half-closes, and reads what comes back.
async fn exchange(receiver: &Receiver, request: &str) -> String {
    let address = receiver.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
