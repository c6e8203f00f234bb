//! A Gatepost process under test: the real binary against the real API server.

use crate::env::{PATIENCE, wait_until};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A running `gatepost serve`. Killed when dropped.
pub struct Gatepost {
    child: Child,
    metrics: u16,
    /// `http://127.0.0.1:PORT` of the API.
    pub api: String,
    _folder: Option<TempDir>,
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

/// Log level of a process under test.
const LEVEL: &str = "gatepost=info";
/// How long a Lease is good for here: after a kill another store waits for it.
pub const LEASE_SECONDS: u64 = 5;

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
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
        Self::launch(&from, start.store, more).await
    }

    /// Starts it on a folder of manifests instead of a cluster and waits until it is ready.
    pub async fn start_on_files(folder: &Path) -> Self {
        Self::launch(&["--files".as_ref(), folder.as_os_str()], None, "").await
    }

    /// The same with a store that outlives the process.
    pub async fn start_on_files_with(folder: &Path, store: &Path) -> Self {
        Self::launch(&["--files".as_ref(), folder.as_os_str()], Some(store), "").await
    }

    /// The same with further environment variables.
    pub async fn start_on_files_in(folder: &Path, environment: &[(&'static str, OsString)]) -> Self {
        let (own, from) = (tempfile::tempdir().unwrap(), ["--files".as_ref(), folder.as_os_str()]);
        let store = own.path().join("outbox.db");
        let running = Self::begin(&from, own, [free_port(), free_port()], &store, ("", LEVEL), |command| {
            command.envs(environment.iter().map(|(name, value)| (name, value)));
        });
        running.ready().await;
        running
    }

    /// The same with further settings.
    pub async fn start_on_files_set(folder: &Path, settings: &str) -> Self {
        Self::launch(&["--files".as_ref(), folder.as_os_str()], None, settings).await
    }

    /// The same with a store that outlives the process.
    pub async fn start_on_files_around(folder: &Path, store: &Path, settings: &str) -> Self {
        Self::launch(&["--files".as_ref(), folder.as_os_str()], Some(store), settings).await
    }

    /// Starts it as the stock Deployment does: by the Argo CD controller's name, nowhere to write, and by environment alone.
    pub async fn start_as_stock(kubeconfig: &Path, namespace: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("argocd-notifications");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gatepost"), &name).unwrap();
        let (metrics, api) = (free_port(), free_port());
        let child = Command::new(&name)
            .args(["--loglevel", "info", "--logformat", "text", "--argocd-repo-server", "argocd-repo-server:8081"])
            .args(["--metrics-port", &metrics.to_string(), "--namespace", namespace])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env("GATEPOST_SERVER__API", format!("127.0.0.1:{api}"))
            .env("GATEPOST_EGRESS__ALLOW", "127.0.0.0/8")
            .env("TMPDIR", "/nowhere")
            .env_remove("HOME")
            .current_dir("/")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let running = Self { child, metrics, api: format!("http://127.0.0.1:{api}"), _folder: Some(folder) };
        running.ready().await;
        running
    }

    /// The same with whatever else can be chosen.
    pub async fn start_around(start: Start<'_>, arguments: &[&str], around: &Around<'_>) -> Self {
        let from =
            ["--kubeconfig".as_ref(), start.kubeconfig.as_os_str(), "--namespace".as_ref(), start.namespace.as_ref()];
        let from: Vec<&OsStr> =
            from.into_iter().chain(arguments.iter().map(|argument| OsStr::new(*argument))).collect();
        let folder = tempfile::tempdir().unwrap();
        let store = around.store.map_or_else(|| folder.path().join("outbox.db"), Path::to_owned);
        let level = if around.level.is_empty() { LEVEL } else { around.level };
        let running =
            Self::begin(&from, folder, [free_port(), free_port()], &store, (around.settings, level), |command| {
                command.envs(around.environment.iter().copied());
                if let Some(path) = around.log {
                    command.stderr(File::create(path).unwrap());
                }
            });
        running.ready().await;
        running
    }

    async fn launch(from: &[&OsStr], store: Option<&Path>, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = store.map_or_else(|| folder.path().join("outbox.db"), Path::to_owned);
        let running = Self::begin(from, folder, [free_port(), free_port()], &store, (more, LEVEL), |_| {});
        running.ready().await;
        running
    }

    /// Starts it on a cluster on these ports, with further environment variables and a file to log to, and waits for nothing.
    pub fn spawn(start: Start<'_>, ports: [u16; 2], environment: &[(&'static str, OsString)], log: File) -> Self {
        let from: [&OsStr; 4] =
            ["--kubeconfig".as_ref(), start.kubeconfig.as_os_str(), "--namespace".as_ref(), start.namespace.as_ref()];
        let folder = tempfile::tempdir().unwrap();
        let store = start.store.map_or_else(|| folder.path().join("outbox.db"), Path::to_owned);
        Self::begin(&from, folder, ports, &store, ("", LEVEL), |command| {
            command.envs(environment.iter().map(|(name, value)| (name, value))).stderr(log);
        })
    }

    fn begin(
        from: &[&OsStr],
        folder: TempDir,
        [metrics, api]: [u16; 2],
        store: &Path,
        (more, level): (&str, &str),
        adapt: impl FnOnce(&mut Command),
    ) -> Self {
        let settings = format!(
            "[server]\nmetrics = \"127.0.0.1:{metrics}\"\napi = \"127.0.0.1:{api}\"\n[store]\npath = \"{}\"\n[coordination]\nlease = {LEASE_SECONDS}\n[egress]\nallow = [\"127.0.0.0/8\"]\n{more}\n",
            store.display()
        );
        let config = folder.path().join("gatepost.toml");
        std::fs::write(&config, settings).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.args(["serve", "--logformat", "text", "--loglevel", level]).args(from);
        command.arg("--config").arg(&config).stdin(Stdio::null());
        adapt(&mut command);
        let child = command.spawn().unwrap();
        Self { child, metrics, api: format!("http://127.0.0.1:{api}"), _folder: Some(folder) }
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        self.ready_within(PATIENCE).await;
    }

    /// The same where it may take longer.
    pub async fn ready_within(&self, patience: Duration) {
        wait_until("gatepost is ready", patience, || async { self.status("readyz").await == 200 }).await;
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

    /// Port of the API.
    pub fn port(&self) -> u16 {
        self.api.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// A request to the API with the token of this machine, where one is asked for.
    pub fn asking(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = crate::env::client().request(method, format!("{}{path}", self.api));
        match gatepost::server::auth::local_token(self.port()) {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// JSON of the API.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        crate::env::json(self.asking(reqwest::Method::GET, &format!("/api/v1/{path}"))).await
    }

    /// A page of the dashboard.
    pub async fn page(&self, path: &str) -> String {
        crate::env::text(self.asking(reqwest::Method::GET, path)).await
    }

    /// What a POST of JSON answers.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        crate::env::json(crate::env::client().post(format!("{}/api/v1/{path}", self.api)).json(body)).await
    }

    /// Memory that the process has in RAM.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Open file descriptors of the process.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// kill -9; what is left can only be dropped.
    pub fn kill_now(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How the process ended, if it did.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
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
