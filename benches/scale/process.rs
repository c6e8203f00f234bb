//! A controller under measurement: starting it, and what the kernel says of it.

use crate::env;
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running controller. Killed when dropped.
pub struct Process {
    child: Child,
    metrics: u16,
    /// Port of the API; 0 where it is not Gatepost.
    pub api: u16,
    _folder: TempDir,
}

/// What the kernel says at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Resident set, MiB.
    pub rss: f64,
    /// Its highest value so far, MiB.
    pub peak: f64,
    /// CPU seconds used.
    pub cpu: f64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `gatepost serve` with a durable store.
pub fn gatepost(program: &Path, kubeconfig: &Path, namespace: &str) -> Process {
    gatepost_with(program, kubeconfig, namespace, "")
}

/// The same with further settings.
pub fn gatepost_with(program: &Path, kubeconfig: &Path, namespace: &str, more: &str) -> Process {
    gatepost_in(tempfile::tempdir().unwrap(), program, kubeconfig, namespace, more)
}

/// Where its store is.
pub fn store_in(folder: &Path) -> PathBuf {
    folder.join("outbox.db")
}

/// The same in a folder that may have a store already.
pub fn gatepost_in(folder: TempDir, program: &Path, kubeconfig: &Path, namespace: &str, more: &str) -> Process {
    let (metrics, api) = (free_port(), free_port());
    let settings = format!(
        "[server]\nmetrics = \"127.0.0.1:{metrics}\"\napi = \"127.0.0.1:{api}\"\n[store]\npath = \"{}\"\n[egress]\nallow = [\"127.0.0.0/8\"]\n{more}\n",
        store_in(folder.path()).display()
    );
    let config = folder.path().join("gatepost.toml");
    std::fs::write(&config, settings).unwrap();
    let mut command = Command::new(program);
    command.arg("serve").args(["--loglevel", "warn", "--namespace", namespace]).arg("--kubeconfig").arg(kubeconfig);
    command.arg("--config").arg(config);
    start(command, [metrics, api], folder)
}

/// Any other controller.
pub fn peer(line: &str, kubeconfig: &Path, namespace: &str) -> Process {
    let port = free_port();
    let line = line.replace("{kubeconfig}", &kubeconfig.display().to_string());
    let line = line.replace("{namespace}", namespace).replace("{port}", &port.to_string());
    let mut command = Command::new("bash");
    command.args(["-c", &format!("exec {line}")]);
    start(command, [port, 0], tempfile::tempdir().unwrap())
}

fn start(mut command: Command, [metrics, api]: [u16; 2], folder: TempDir) -> Process {
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Process { child: command.spawn().expect("the controller starts"), metrics, api, _folder: folder }
}

impl Process {
    /// Waits until it says that it has seen everything; a controller that cannot say so is waited for until it is quiet.
    pub async fn ready(&self) -> Duration {
        let began = Instant::now();
        let url = format!("http://127.0.0.1:{}/readyz", self.metrics);
        loop {
            assert!(began.elapsed() < Duration::from_secs(300), "the controller does not become ready");
            let answer = env::client().get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200 || answer.status() == 404) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let took = began.elapsed();
        self.quiet().await;
        took
    }

    /// Waits until it has used less than 3 % of a core for two seconds.
    pub async fn quiet(&self) {
        let mut since = Instant::now();
        let mut last = self.sample().cpu;
        let deadline = Instant::now() + Duration::from_secs(300);
        while since.elapsed() < Duration::from_secs(2) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.sample().cpu;
            if now - last > 0.015 {
                since = Instant::now();
            }
            last = now;
        }
    }

    /// Lets it stand still, or go on.
    pub fn halt(&self, stands: bool) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(pid, if stands { Signal::STOP } else { Signal::CONT }).expect("the controller runs");
    }

    /// The kernel's figures.
    pub fn sample(&self) -> Sample {
        let read =
            |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default();
        let status = read("status");
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
        };
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|n| n.parse::<f64>().ok()).unwrap_or_default();
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count);
        Sample { rss: mib("VmRSS:"), peak: mib("VmHWM:"), cpu: (ticks(11) + ticks(12)) / 100.0, descriptors }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
