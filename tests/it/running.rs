//! A Gatepost process under test: the real binary against the real API server.

use crate::env::{PATIENCE, wait_until};
use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `gatepost serve`. Killed when dropped.
pub struct Gatepost {
    child: Child,
    metrics: u16,
    /// `http://127.0.0.1:PORT` of the API.
    pub api: String,
    _folder: Option<tempfile::TempDir>,
}

/// What one process is started with.
pub struct Start<'a> {
    /// kubeconfig of the cluster.
    pub kubeconfig: &'a Path,
    /// Namespace.
    pub namespace: &'a str,
    /// SQLite file; `None` for a new one.
    pub store: Option<&'a Path>,
}

/// What a process is started with besides its source.
#[derive(Default)]
pub struct Around<'a> {
    /// SQLite file; `None` for a new one.
    pub store: Option<&'a Path>,
    /// Further settings.
    pub settings: &'a str,
    /// Environment variables.
    pub environment: &'a [(&'a str, &'a str)],
    /// Log level; empty for the usual one.
    pub level: &'a str,
    /// Where the log goes instead of the test's own output.
    pub log: Option<&'a Path>,
}

/// How long a Lease is good for here: after a kill another store waits for it.
pub const LEASE_SECONDS: u64 = 5;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Gatepost {
    /// Starts it on a cluster and waits until it is ready.
    pub async fn start(start: Start<'_>) -> Self {
        Self::start_with(start, &[], "").await
    }

    /// The same with further arguments and settings.
    pub async fn start_with(start: Start<'_>, arguments: &[&str], more: &str) -> Self {
        let mut from: Vec<&OsStr> = vec![
            "--kubeconfig".as_ref(),
            start.kubeconfig.as_os_str(),
            "--namespace".as_ref(),
            start.namespace.as_ref(),
        ];
        from.extend(arguments.iter().map(|argument| OsStr::new(*argument)));
        Self::launch(&from, &Around { store: start.store, settings: more, ..Around::default() }).await
    }

    /// The same with whatever else can be chosen.
    pub async fn start_around(start: Start<'_>, arguments: &[&str], around: &Around<'_>) -> Self {
        let from =
            ["--kubeconfig".as_ref(), start.kubeconfig.as_os_str(), "--namespace".as_ref(), start.namespace.as_ref()];
        let from: Vec<&OsStr> =
            from.into_iter().chain(arguments.iter().map(|argument| OsStr::new(*argument))).collect();
        Self::launch(&from, around).await
    }

    /// Starts it on a folder of manifests instead of a cluster and waits until it is ready.
    pub async fn start_on_files(folder: &Path) -> Self {
        Self::launch(&["--files".as_ref(), folder.as_os_str()], &Around::default()).await
    }

    /// The same with a store that outlives the process.
    pub async fn start_on_files_with(folder: &Path, store: &Path) -> Self {
        let around = Around { store: Some(store), ..Around::default() };
        Self::launch(&["--files".as_ref(), folder.as_os_str()], &around).await
    }

    async fn launch(from: &[&OsStr], around: &Around<'_>) -> Self {
        let (store, more) = (around.store, around.settings);
        let level = if around.level.is_empty() { "gatepost=info" } else { around.level };
        let log = around.log.map_or_else(Stdio::inherit, |path| std::fs::File::create(path).unwrap().into());
        let folder = tempfile::tempdir().unwrap();
        let (metrics, api) = (free_port(), free_port());
        let store = store.map_or_else(|| folder.path().join("outbox.db"), Path::to_owned);
        let settings = format!(
            "[server]\nmetrics = \"127.0.0.1:{metrics}\"\napi = \"127.0.0.1:{api}\"\n[store]\npath = \"{}\"\n[coordination]\nlease = {LEASE_SECONDS}\n[egress]\nallow = [\"127.0.0.0/8\"]\n{more}\n",
            store.display()
        );
        let config = folder.path().join("gatepost.toml");
        std::fs::write(&config, settings).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(["serve", "--logformat", "text", "--loglevel", level])
            .envs(around.environment.iter().copied())
            .stderr(log)
            .args(from)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let running = Self { child, metrics, api: format!("http://127.0.0.1:{api}"), _folder: Some(folder) };
        wait_until("gatepost is ready", PATIENCE, || async { running.status("readyz").await == 200 }).await;
        running
    }

    /// What readiness says, ready or not.
    pub async fn readiness(&self) -> serde_json::Value {
        crate::env::json_of_any(crate::env::client().get(format!("http://127.0.0.1:{}/readyz", self.metrics))).await
    }

    async fn status(&self, path: &str) -> u16 {
        let url = format!("http://127.0.0.1:{}/{path}", self.metrics);
        crate::env::client().get(url).send().await.map_or(0, |answer| answer.status().as_u16())
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> String {
        crate::env::text(crate::env::client().get(format!("http://127.0.0.1:{}/metrics", self.metrics))).await
    }

    /// JSON of the API.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        crate::env::json(crate::env::client().get(format!("{}/api/v1/{path}", self.api))).await
    }

    /// Open file descriptors of the process.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; answers with the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        tokio::task::spawn_blocking(move || self.child.wait().unwrap().code()).await.unwrap()
    }
}

impl Drop for Gatepost {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
