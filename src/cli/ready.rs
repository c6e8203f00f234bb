//! `gatepost ready`: asks a running Gatepost whether it is ready. For containers, where nothing else is that could ask.

use crate::egress::{Egress, Policy, Request, Transport};
use anyhow::Context as _;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 ready, 1 not ready or not reached.\n\nExamples:\n  gatepost ready\n  gatepost ready --url http://gatepost.argocd:9001"
)]
pub(super) struct Arguments {
    /// Where metrics and health are.
    #[arg(long, default_value = "http://127.0.0.1:9001")]
    url: String,
}

/// Prints what readiness says.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let egress = Egress::new(Policy { loopback_allowed: true, ..Policy::default() });
    let request = Request {
        method: "GET".into(),
        url: format!("{}/readyz", arguments.url.trim_end_matches('/')),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        transport: Transport { owner: "cli".into(), ..Transport::default() },
    };
    let answer = egress.send(&request).await.with_context(|| {
        format!("failed to ask {} whether it is ready: is `gatepost serve` running there?", arguments.url)
    })?;
    println!("{}", String::from_utf8_lossy(&answer.body).trim_end());
    Ok(if answer.status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
