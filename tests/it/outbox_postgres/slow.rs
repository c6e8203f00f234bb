//! A PostgreSQL that takes half a second for each commit: Gatepost decides more slowly, forgets nothing and does not grow.

use crate::env::{PATIENCE, Receiver, postgres, wait_until};
use crate::promises::{status, trigger};
use crate::running::Gatepost;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long each commit is held up.
const COMMIT: Duration = Duration::from_millis(500);
const APPLICATIONS: usize = 40;
/// Changes of all Applications.
const ROUNDS: usize = 30;
/// Rounds after which everything that is made once is made.
const WARM: usize = 10;
/// Far below what the undecided would take if they were kept.
const GROWTH_LIMIT_KIB: u64 = 16 * 1024;

/// A way to the server on which commits are slow; it ends with the test.
async fn slow_way(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                // Whoever hangs up ends it.
                let _ = pass(client, server).await;
            });
        }
    });
    address
}

async fn pass(mut client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut from_client, mut from_server) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let read = read?;
                if from_client[..read].windows(6).any(|word| word == b"COMMIT") {
                    tokio::time::sleep(COMMIT).await;
                }
                server.write_all(&from_client[..read]).await?;
                if read == 0 { return Ok(()) }
            }
            read = server.read(&mut from_server) => {
                let read = read?;
                client.write_all(&from_server[..read]).await?;
                if read == 0 { return Ok(()) }
            }
        }
    }
}

/// All Applications failed at this revision.
fn write(folder: &Path, round: usize) {
    let applications = (0..APPLICATIONS).map(|number| {
        let name = format!("app{number}");
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": name, "namespace": "argocd", "annotations": {"notifications.argoproj.io/subscribe.on-failed.hook": ""}},
            "spec": {"project": "default"}, "status": status("Failed", &format!("r{round}"), "m"),
        });
        application.to_string()
    });
    let text = applications.collect::<Vec<_>>().join("\n---\n");
    std::fs::write(folder.join("new"), text).unwrap();
    std::fs::rename(folder.join("new"), folder.join("applications.yaml")).unwrap();
}

fn configure(folder: &Path, url: &str) {
    let mut condition: serde_json::Value = serde_json::from_str(&trigger("")).unwrap();
    condition[0]["oncePer"] = "app.status.operationState.syncResult.revision".into();
    let body = "{{.app.metadata.name}} {{.app.status.operationState.syncResult.revision}}";
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm", "namespace": "argocd"},
        "data": {
            "service.webhook.hook": json!({"url": url}).to_string(),
            "trigger.on-failed": condition.to_string(),
            "template.failed": json!({"webhook": {"hook": {"method": "POST", "path": "/", "body": body}}}).to_string(),
        },
    });
    std::fs::write(folder.join("config.yaml"), map.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_second_for_each_commit_makes_decisions_slow_and_nothing_else() {
    let url = postgres().await.database().await;
    let server = url.split(['@', '/']).find(|part| part.starts_with("127.0.0.1:")).unwrap();
    let way = slow_way(server.parse().unwrap()).await;
    let receiver = Receiver::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), &receiver.url());
    write(folder.path(), 0);
    let slow = url.replace(server, &way.to_string());
    let environment = [("GATEPOST_STORE__PATH", "".into()), ("GATEPOST_STORE__URL", slow.into())];
    let gatepost = Gatepost::start_on_files_in(folder.path(), &environment).await;
    let mut warm = 0;
    for round in 1..=ROUNDS {
        write(folder.path(), round);
        tokio::time::sleep(Duration::from_millis(400)).await;
        if round == WARM {
            warm = gatepost.resident_kib();
        }
    }
    let last: Vec<String> = (0..APPLICATIONS).map(|number| format!("app{number} r{ROUNDS}")).collect();
    wait_until("what was decided last has arrived", PATIENCE * 2, || async {
        last.iter().all(|body| receiver.has(body.as_bytes()))
    })
    .await;
    let growth = gatepost.resident_kib().saturating_sub(warm);
    assert!(growth < GROWTH_LIMIT_KIB, "{growth} KiB more than after {WARM} rounds");
    let mut bodies: Vec<String> = receiver.requests().iter().map(|request| request.text()).collect();
    let arrived = bodies.len();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), arrived, "each was sent once");
}
