//! What is pending when Gatepost starts is worked off by the real binary, over HTTP, to receivers on loopback: beside what the
//! receivers can take and what the store can hand out and settle.

use super::receivers::Receivers;
use super::{decide, rate, say};
use anyhow::Context as _;
use gatepost::notify::{Destination, ObjectId, Occurrence};
use gatepost::outbox::{Lane, NewDelivery, Store};
use serde_json::json;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Services, each with a receiver of its own.
const LANES: usize = 20;
/// Connections of the generator to each receiver: as many as Gatepost has requests in flight there.
const CONNECTIONS: usize = 4;
/// Longest that a drain may take.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Where the pending rows are; environment variables tell the binary.
pub struct Place {
    /// For people.
    pub name: &'static str,
    /// `GATEPOST_STORE__…`
    pub environment: Vec<(&'static str, String)>,
}

/// The process; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Fills the store, closes it, and has the binary work it off. `store_rate`: rows a second that the store hands out and settles.
pub async fn measure(store: Box<dyn Store>, place: Place, rows: u64, store_rate: f64) -> anyhow::Result<()> {
    decide(store.as_ref(), 0, rows, &pending).await?;
    store.close().await;
    drop(store);
    let receivers = Receivers::start(LANES).await?;
    let begun = Instant::now();
    receivers.fill(rows, CONNECTIONS, &body()).await?;
    let receiver_rate = rate(rows, begun.elapsed());
    say("  receivers alone", rows, begun.elapsed());
    let folder = tempfile::tempdir()?;
    let process = start(folder.path(), &receivers, &place)?;
    let taken = drained(&receivers, rows).await?;
    let cpu = cpu_seconds(process.0.id()).unwrap_or_default();
    say("  drain over HTTP", rows, taken);
    let aim = receiver_rate.min(store_rate) / 2.0;
    println!(
        "  {}: {:.0} rows/s, half of the lower limit is {aim:.0} (receivers {receiver_rate:.0}, store {store_rate:.0}); {cpu:.0} s of CPU",
        place.name,
        rate(rows, taken)
    );
    Ok(())
}

/// From the first request to the last.
async fn drained(receivers: &Receivers, rows: u64) -> anyhow::Result<Duration> {
    let (before, started) = (receivers.count(), Instant::now());
    let mut begun = None;
    loop {
        let done = receivers.count() - before;
        let since = *begun.get_or_insert_with(Instant::now);
        match done {
            0 => begun = None,
            done if done >= rows => return Ok(since.elapsed()),
            _ => {}
        }
        anyhow::ensure!(started.elapsed() < PATIENCE, "only {done} of {rows} arrived in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn start(folder: &Path, receivers: &Receivers, place: &Place) -> anyhow::Result<Running> {
    let manifests = folder.join("manifests");
    std::fs::create_dir_all(&manifests)?;
    let services = receivers.addresses.iter().enumerate().map(|(nth, address)| {
        let options = json!({"url": format!("http://{address}"), "headers": [{"name": "Content-Type", "value": "application/json"}]});
        (format!("service.webhook.hook{nth}"), options.to_string().into())
    });
    let data: serde_json::Map<String, serde_json::Value> = services.collect();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm", "namespace": "argocd"}, "data": data});
    std::fs::write(manifests.join("config.yaml"), map.to_string())?;
    let config = folder.join("gatepost.toml");
    std::fs::write(&config, "[server]\nmetrics = \"127.0.0.1:0\"\napi = \"127.0.0.1:0\"\n")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(["serve", "--logformat", "text", "--loglevel", "warn", "--files"]).arg(&manifests);
    command.arg("--config").arg(&config).envs(place.environment.iter().map(|(name, value)| (name, value)));
    Ok(Running(command.stdin(Stdio::null()).spawn().context("gatepost cannot be run")?))
}

/// User and system time of a process.
fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// A kilobyte, as most notifications are.
fn body() -> Vec<u8> {
    json!({"text": "x".repeat(980)}).to_string().into_bytes()
}

/// As the relay would have decided it.
fn pending(number: u64) -> NewDelivery {
    use base64::Engine as _;
    let object = ObjectId { namespace: "argocd".into(), name: format!("app{number}"), uid: format!("uid-{number}") };
    let service = format!("hook{}", number % LANES as u64);
    let occurrence = Occurrence {
        object,
        config_namespace: String::new(),
        trigger: "on-deployed".into(),
        condition_key: "[0].abc".into(),
        once_per: "8ad9be04ae5a8f5c5c0a3a0b1e5e7e6a2f1f0c11".into(),
        destination: Destination { service: service.clone(), recipient: String::new() },
        arming: 1,
    };
    let payload = json!({"method": "POST", "body": base64::engine::general_purpose::STANDARD.encode(body())});
    NewDelivery {
        state_key: occurrence.state_key(),
        occurrence,
        lane: Lane { config_namespace: String::new(), service, host: format!("127.0.0.{}", number % LANES as u64 + 2) },
        service_kind: "webhook".into(),
        payload: payload.to_string().into_bytes(),
        ordering: None,
        supersedes: false,
        idempotent: false,
        digest: "d".into(),
        dead: None,
    }
}
