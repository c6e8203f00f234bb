//! Measures a running relay against a real API server: memory, the time from a change to its POST, descriptors, growth.
//!
//! Everything that is said about speed and size in README.md comes from here. `benches/scale/run --help` lists the options; with
//! `--peer argocd` the Go controller is measured in the same run, which is the only fair comparison.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod approvals;
mod caller;
mod cluster;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/it/env/mod.rs"]
mod env;
mod gates;
mod history;
mod measure;
mod pages;
mod peer;
mod process;
mod receiver;
mod report;

use clap::Parser;
use std::path::PathBuf;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// RSS after the first list and after a burst; time of the burst.
    Memory,
    /// One change at a time; also while a fifth of the receivers hangs.
    Latency,
    /// One of 21 receivers hangs: when have the others theirs?
    Hung,
    /// Open descriptors over many deliveries.
    Descriptors,
    /// RSS for each further Application.
    Growth,
    /// Gates by request: RSS, requests a second, latency, writes when nothing changed.
    Gates,
    /// Approvals: RSS with many waiting runs, callbacks alone, in a flood of bad client secrets, and as many as are taken.
    Approvals,
    /// Every page of the dashboard and every list of the API: time, size; and what people who watch cost.
    Pages,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Options of a run.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "benches/scale/run", about = "Measures gatepost serve against a real API server")]
pub struct Options {
    /// Parts to run, in this order; the one that leaves receivers with open breakers comes late.
    #[arg(long, value_delimiter = ',', default_value = "memory,hung,descriptors,latency,growth,gates,approvals,pages")]
    pub parts: Vec<Part>,
    /// Applications of --bytes.
    #[arg(long, default_value_t = 10_000)]
    pub apps: usize,
    /// Size of one Application as JSON, without what the API server adds.
    #[arg(long, default_value_t = 12_000)]
    pub bytes: usize,
    /// Applications that change at once.
    #[arg(long, default_value_t = 1_000)]
    pub burst: usize,
    /// Single changes.
    #[arg(long, default_value_t = 500)]
    pub changes: usize,
    /// Deliveries over which descriptors are counted.
    #[arg(long, default_value_t = 10_000)]
    pub deliveries: usize,
    /// Small Applications (2 KB) of the growth part.
    #[arg(long, default_value_t = 50_000)]
    pub many: usize,
    /// Gates of the gates part, with three environments each.
    #[arg(long, default_value_t = 100)]
    pub gates: usize,
    /// Runs that wait in the approvals part, without a strategy.
    #[arg(long, default_value_t = 10_000)]
    pub runs: usize,
    /// Runs of the approvals part that have a CommitStatus.
    #[arg(long, default_value_t = 1_000)]
    pub reported: usize,
    /// Seconds of the approvals part's flood of bad client secrets.
    #[arg(long, default_value_t = 60)]
    pub flood: u32,
    /// Deliveries in the store of the pages part, in all states.
    #[arg(long, default_value_t = 100_000)]
    pub stored: usize,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 20)]
    pub asks: usize,
    /// Program to measure instead of the one that was just built.
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_gatepost"))]
    pub gatepost: PathBuf,
    /// Another controller for the latency and memory parts: `argocd` for Argo CD's, built from its modules (needs Go), or a command line
    /// with {kubeconfig}, {namespace} and {port} (metrics).
    #[arg(long, value_name = "COMMAND")]
    pub peer: Option<String>,
    /// How to print the results.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Handed over by cargo.
    #[arg(long, hide = true)]
    pub bench: bool,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let options = Options::parse();
    let report = measure::all(&options).await;
    report.print(options.output);
    if report.missed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}
