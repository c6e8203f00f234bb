//! Two controllers, one after the other, each with a namespace and a receiver of its own, are shown the same Applications and the same
//! changes under the same ConfigMap. What arrives has to be equal byte for byte, but for what `compare.rs` lists.
//!
//! Every change is waited for: what depends on which events a queue happens to fold into one is no part of this.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod compare;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/it/env/mod.rs"]
mod env;
mod fleet;
#[path = "../scale/peer.rs"]
mod peer;
#[allow(dead_code)]
#[path = "../scale/process.rs"]
mod process;
mod receiver;
mod story;

use clap::Parser;
use fleet::Fleet;
use process::Process;
use receiver::{Receiver, Seen};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use story::Step;

/// How long one change of all Applications may take to be told.
const PATIENCE: Duration = Duration::from_secs(120);
/// Nothing comes for so long: the change is over. Longer than a controller takes from a POST to its annotation.
const QUIET: Duration = Duration::from_secs(2);

/// Whose triggers and templates are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Catalogue {
    /// Gatepost's own.
    Gatepost,
    /// The one that Argo CD ships.
    Argocd,
}

/// Options of a run.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "benches/side-by-side/run",
    about = "Compares what gatepost and Argo CD's notifications controller send"
)]
pub struct Options {
    /// Whose triggers and templates are used.
    #[arg(long, value_delimiter = ',', default_value = "gatepost,argocd")]
    pub catalogues: Vec<Catalogue>,
    /// Applications.
    #[arg(long, default_value_t = 200)]
    pub apps: usize,
    /// Argo CD's notifications controller; without it, it is built from its modules (needs Go) and kept.
    #[arg(long, value_name = "FILE")]
    pub peer: Option<PathBuf>,
    /// Program to compare instead of the one that was just built.
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_gatepost"))]
    pub gatepost: PathBuf,
    /// Handed over by cargo.
    #[arg(long, hide = true)]
    pub bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let program = options.peer.clone().unwrap_or_else(peer::build);
    let mut unlisted = 0;
    for catalogue in &options.catalogues {
        let keys = story::configuration(*catalogue);
        let start = |kubeconfig: &Path, namespace: &str| process::peer(&peer::command(&program), kubeconfig, namespace);
        let theirs = told(*catalogue, &keys, options.apps, "argocd", start).await;
        let start = |kubeconfig: &Path, namespace: &str| process::gatepost(&options.gatepost, kubeconfig, namespace);
        let ours = told(*catalogue, &keys, options.apps, "gatepost", start).await;
        unlisted += compare::report(*catalogue, &theirs, &ours);
    }
    if unlisted == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one change brought.
pub struct Told {
    /// What changed.
    pub step: Step,
    /// What arrived.
    pub seen: Vec<Seen>,
}

async fn told(
    catalogue: Catalogue,
    keys: &serde_json::Map<String, serde_json::Value>,
    apps: usize,
    name: &str,
    start: impl Fn(&Path, &str) -> Process,
) -> Vec<Told> {
    let receiver = Receiver::start().await;
    let fleet = Fleet::new(keys, &receiver.url, apps).await;
    let process = start(env::cluster().await.kubeconfig(), &fleet.namespace.name);
    process.ready().await;
    let mut all = Vec::new();
    for step in story::steps() {
        let expected = apps * step.requests(catalogue);
        eprintln!("{name}: {} Applications {}, {expected} requests", apps, step.what);
        fleet.change(&step).await;
        let seen = receiver.settle(expected, PATIENCE, QUIET).await;
        fleet.settle(QUIET).await;
        all.push(Told { step, seen: seen.into_iter().chain(receiver.take()).collect() });
    }
    all
}
