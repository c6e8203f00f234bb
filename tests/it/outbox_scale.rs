//! What many dead letters cost a running Gatepost, and what its API shows of them.

use crate::env::{self, PATIENCE, wait_until};
use futures::future::join_all;
use gatepost::notify::{Destination, ObjectId, Occurrence};
use gatepost::outbox::{Change, DeadReason, Lane, NewDelivery, SqliteStore, Store};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LETTERS: u64 = 50_000;
/// Far above what was measured (see the line that the test prints): a busy machine is no failure.
const PAGE_LIMIT: Duration = Duration::from_secs(2);
const GROWTH_LIMIT_KIB: u64 = 10 * 1024;

/// A running `gatepost serve` over a folder without manifests. Killed when dropped.
struct Running {
    child: Child,
    api: String,
}

impl Running {
    async fn start(folder: &Path, store: &Path) -> Self {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (metrics, api) = (port(), port());
        let manifests = folder.join("manifests");
        std::fs::create_dir_all(&manifests).unwrap();
        let config = folder.join("gatepost.toml");
        let settings = format!(
            "[server]\nmetrics = \"127.0.0.1:{metrics}\"\napi = \"127.0.0.1:{api}\"\n[store]\npath = \"{}\"\n",
            store.display()
        );
        std::fs::write(&config, settings).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["serve", "--logformat", "text", "--loglevel", "warn"])
            .arg("--files")
            .arg(manifests)
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let running = Self { child, api: format!("http://127.0.0.1:{api}") };
        let answers = || async {
            env::client().get(format!("{}/api/v1/status", running.api)).send().await.is_ok_and(|a| a.status() == 200)
        };
        wait_until("the API answers", PATIENCE, answers).await;
        running
    }

    async fn get(&self, path: &str) -> serde_json::Value {
        env::json(env::client().get(format!("{}/api/v1/{path}", self.api))).await
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let output =
            Command::new(env!("CARGO_BIN_EXE_gatepost")).args(arguments).args(["--server", &self.api]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Dead on arrival, each of another Application.
fn letter(number: u64) -> (ObjectId, Change) {
    let object = ObjectId { namespace: "argocd".into(), name: format!("app{number}"), uid: format!("uid-{number}") };
    let occurrence = Occurrence {
        object: object.clone(),
        config_namespace: String::new(),
        trigger: "on-failed".into(),
        condition_key: "[0].abc".into(),
        once_per: String::new(),
        destination: Destination { service: "hook".into(), recipient: String::new() },
        arming: 1,
    };
    let new = NewDelivery {
        state_key: occurrence.state_key(),
        lane: Lane { config_namespace: String::new(), service: "hook".into(), host: "h".into() },
        occurrence,
        service_kind: "webhook".into(),
        payload: vec![b'x'; 1_000],
        ordering: None,
        supersedes: false,
        idempotent: false,
        digest: "d".into(),
        dead: Some(DeadReason::Rejected),
    };
    (object, Change::Deliver(Box::new(new)))
}

async fn fill(path: &Path, letters: u64) {
    let store = SqliteStore::open(path, 0).await.unwrap();
    for chunk in 0..letters.div_ceil(500) {
        let made = (chunk * 500..letters.min((chunk + 1) * 500)).map(letter);
        let commits = made.map(|(object, change)| {
            let store = store.clone();
            async move { store.commit(&object, vec![change], 1_000).await.unwrap() }
        });
        join_all(commits).await;
    }
    store.close().await;
}

/// The quickest of some pages in the middle of the list.
async fn page(running: &Running) -> Duration {
    let mut best = Duration::MAX;
    let mut path = "deliveries?state=dead&limit=100".to_owned();
    for _ in 0..10 {
        let begun = Instant::now();
        let found = running.get(&path).await;
        best = best.min(begun.elapsed());
        let next = found["next"].as_str();
        path = next.map_or(path, |next| format!("deliveries?state=dead&limit=100&after={next}"));
    }
    best
}

#[tokio::test]
async fn fifty_thousand_dead_letters_cost_little_memory_and_a_page_of_them_is_quick() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, full) = (folder.path().join("empty.db"), folder.path().join("full.db"));
    fill(&empty, 100).await;
    fill(&full, LETTERS).await;
    let mut measured = Vec::new();
    for store in [&empty, &full] {
        let running = Running::start(folder.path(), store).await;
        let quickest = page(&running).await;
        running.get("status").await;
        measured.push((quickest, running.resident_kib()));
    }
    let growth = measured[1].1.saturating_sub(measured[0].1);
    println!("{LETTERS} dead letters: a page of 100 in {:?}, {growth} KiB more than with 100", measured[1].0);
    assert!(measured[1].0 < PAGE_LIMIT, "a page took {:?}", measured[1].0);
    assert!(growth < GROWTH_LIMIT_KIB, "{growth} KiB more");
}

#[tokio::test]
async fn a_list_of_ids_shows_these_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.db");
    fill(&path, 5).await;
    let running = Running::start(folder.path(), &path).await;
    let all = running.get("deliveries").await["items"].as_array().unwrap().clone();
    let id = |index: usize| all[index]["id"].as_str().unwrap().to_owned();
    let (first, second) = (id(1), id(3));
    let told = running.cli(&["deliveries", "list", &first, &second, "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let ids: Vec<_> = told["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [first.as_str(), second.as_str()]);
    let none = running.cli(&["deliveries", "list", &first, "--state", "delivered"]);
    assert!(none.contains("no deliveries match"), "{none}");
}
