//! `gatepost demo`: the main job on this machine, with nothing else needed: a folder of Applications, SQLite in a temporary
//! folder, a Backstage-shaped inbox, and a short story that ends with what was delivered.

mod inbox;

use super::serve::{self, Names, Origin, Plan, Running};
use crate::clock;
use crate::settings::Settings;
use anyhow::{Context as _, bail};
use inbox::{Inbox, Received};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A message that breaks JSON made by pasting text: quotes, a backslash, line breaks, a tab.
pub(crate) const NASTY: &str = "one or more objects failed to apply: \"Deployment\" invalid:\n\tspec.path: \"C:\\temp\" — see {\"code\": 42}\r\nand 3 more";
const TOKEN: &str = "demo-token-of-no-value";
/// Longest wait for one scene.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gatepost demo\n  gatepost demo --once   # plays the story once; exit code 0 only if all of it happened"
)]
pub(super) struct Arguments {
    /// Play the story once and end.
    #[arg(long)]
    once: bool,
}

/// One scene: what happens to the Application, and the title that must arrive.
struct Scene {
    says: &'static str,
    status: Value,
    expected: &'static str,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    crate::telemetry::start_logging("error", crate::telemetry::LogFormat::Text);
    let folder = tempdir()?;
    let result = play(folder.as_path(), arguments.once).await;
    drop(std::fs::remove_dir_all(&folder));
    result
}

fn tempdir() -> anyhow::Result<std::path::PathBuf> {
    let folder = std::env::temp_dir().join(format!("gatepost-demo-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("manifests"))
        .with_context(|| format!("failed to make {}", folder.display()))?;
    Ok(folder)
}

async fn play(folder: &Path, once: bool) -> anyhow::Result<ExitCode> {
    let inbox = Inbox::start(TOKEN)?;
    let manifests = folder.join("manifests");
    let config = include_str!("../../../templates/demo/notifications.yaml");
    std::fs::write(
        manifests.join("notifications.yaml"),
        config.replace("@@INBOX@@", &inbox.url()).replace("@@TOKEN@@", TOKEN),
    )?;
    write_application(&manifests, &json!({"health": {"status": "Progressing"}, "sync": {"status": "OutOfSync"}}))?;
    let stop = CancellationToken::new();
    let running = start(folder, &manifests, stop.clone()).await?;
    let dashboard = format!("http://{}", running.api);
    println!("dashboard  {dashboard}");
    println!("inbox      {}/inbox\n", inbox.url());
    let began = Instant::now();
    for scene in scenes(clock::now().millis()) {
        println!("• {}", scene.says);
        play_scene(&manifests, &scene, &inbox).await?;
    }
    receiver_down(&manifests, &inbox).await?;
    let complete = conclude(&inbox.received(), began.elapsed());
    if !once {
        println!(
            "\nThe relay goes on: edit {} and watch.\n\
             The dashboard shows what was decided and sent, and why: {dashboard}\n\
             Ctrl-C ends it.",
            manifests.join("order-service.yaml").display()
        );
        drop(tokio::signal::ctrl_c().await);
    }
    stop.cancel();
    let in_order = running.wait().await;
    Ok(if complete && in_order { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn start(folder: &Path, manifests: &Path, stop: CancellationToken) -> anyhow::Result<Running> {
    let mut settings = Settings::load(None)?;
    settings.store.path = folder.join("outbox.db").display().to_string();
    let api = TcpListener::bind(settings.server.api)
        .or_else(|_| TcpListener::bind("127.0.0.1:0"))
        .context("failed to listen on loopback")?;
    let plan = Plan {
        settings,
        names: Names {
            namespace: "argocd".into(),
            config_map: "argocd-notifications-cm".into(),
            secret: "argocd-notifications-secret".into(),
            resource: "default-notifications-configuration".into(),
        },
        self_service: false,
        origin: Origin::Files(manifests.to_owned()),
        api_server: None,
        repo_server: None,
        metrics: None,
        api,
    };
    serve::start(plan, stop).await
}

/// As Kubernetes writes it.
fn moment(at_ms: i64) -> String {
    jiff::Timestamp::from_second(at_ms / 1000).map(|at| at.to_string()).unwrap_or_default()
}

fn scenes(now_ms: i64) -> [Scene; 3] {
    let operation = |phase: &str, revision: &str, message: &str| {
        json!({
            "phase": phase, "message": message, "startedAt": moment(now_ms - 30_000), "finishedAt": moment(now_ms - 5_000), "syncResult": {"revision": revision},
        })
    };
    let status = |operation: Value, health: &str| {
        json!({
            "operationState": operation, "health": {"status": health}, "sync": {"status": "Synced"}, "reconciledAt": moment(now_ms),
        })
    };
    [
        Scene {
            says: "order-service is deployed",
            status: status(operation("Succeeded", "9f3c2ab", "successfully synced"), "Healthy"),
            expected: "order-service is deployed",
        },
        Scene {
            says: "its next sync fails, with quotes, a backslash and line breaks in the message",
            status: status(operation("Failed", "77aa10c", NASTY), "Healthy"),
            expected: "order-service failed to sync",
        },
        Scene {
            says: "its health degrades",
            status: status(operation("Running", "77aa10c", "retrying"), "Degraded"),
            expected: "order-service is degraded",
        },
    ]
}

async fn play_scene(manifests: &Path, scene: &Scene, inbox: &Inbox) -> anyhow::Result<()> {
    let began = Instant::now();
    write_application(manifests, &scene.status)?;
    let received = wait_for(inbox, |r| r.title == scene.expected)
        .await
        .with_context(|| format!("\"{}\" did not arrive", scene.expected))?;
    println!("    arrived after {} ms: {} → {}", began.elapsed().as_millis(), received.title, received.entity);
    Ok(())
}

/// The receiver is down while a deployment succeeds; the notification waits and arrives when it is back, once.
async fn receiver_down(manifests: &Path, inbox: &Inbox) -> anyhow::Result<()> {
    println!("• the receiver goes down, and the repaired order-service is deployed");
    inbox.set_down(true);
    let [deployed, ..] = scenes(clock::now().millis());
    let mut status = deployed.status;
    status["operationState"]["syncResult"]["revision"] = json!("c0ffee1");
    write_application(manifests, &status)?;
    let deadline = Instant::now() + PATIENCE;
    while inbox.refused() < 2 {
        if Instant::now() > deadline {
            bail!("nothing was tried while the receiver was down");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("    refused {} times with 503; the delivery waits in the outbox", inbox.refused());
    inbox.set_down(false);
    println!("• the receiver is back");
    let received = wait_for(inbox, |r| r.description.contains("c0ffee1"))
        .await
        .context("the waiting notification did not arrive")?;
    println!("    arrived: {} ({})", received.title, received.description);
    Ok(())
}

async fn wait_for(inbox: &Inbox, wanted: impl Fn(&Received) -> bool) -> anyhow::Result<Received> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = inbox.received().into_iter().find(&wanted) {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("waited {} s", PATIENCE.as_secs())
}

/// What was delivered, and whether it is exactly what the story promised.
fn conclude(received: &[Received], took: Duration) -> bool {
    println!("\nDelivered in {:.1} s:", took.as_secs_f64());
    let rows: Vec<Vec<String>> = received
        .iter()
        .map(|r| vec![r.severity.clone(), r.title.clone(), r.entity.clone(), r.description.escape_debug().to_string()])
        .collect();
    super::output::table(&["SEVERITY", "TITLE", "ENTITY", "DESCRIPTION"], &rows);
    let titles: Vec<&str> = received.iter().map(|r| r.title.as_str()).collect();
    let once_each = titles
        == [
            "order-service is deployed",
            "order-service failed to sync",
            "order-service is degraded",
            "order-service is deployed",
        ];
    let nasty_intact = received.iter().any(|r| r.description == NASTY);
    println!("\nevery notification arrived exactly once: {}", yes(once_each));
    println!("the nasty message arrived unharmed:       {}", yes(nasty_intact));
    once_each && nasty_intact
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "NO" }
}

/// Written beside and renamed, so that the watch never sees half a file.
fn write_application(manifests: &Path, status: &Value) -> anyhow::Result<()> {
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "order-service", "namespace": "argocd", "annotations": {
            "backstage.io/entity-ref": "component:default/order-service",
            "notifications.argoproj.io/subscribe.on-deployed.backstage": "",
            "notifications.argoproj.io/subscribe.on-sync-failed.backstage": "",
            "notifications.argoproj.io/subscribe.on-health-degraded.backstage": "",
        }},
        "spec": {"project": "default"},
        "status": status,
    });
    let (part, whole) = (manifests.join("order-service.part"), manifests.join("order-service.yaml"));
    std::fs::write(&part, serde_yaml_ng::to_string(&application)?)
        .with_context(|| format!("failed to write {}", part.display()))?;
    std::fs::rename(&part, &whole).with_context(|| format!("failed to write {}", whole.display()))
}
