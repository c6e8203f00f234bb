//! `gatepost gate`: gates tried on this machine.

mod run;
mod view;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Look at a gate once, without a cluster and without a request: what it would ask, and what an answer would mean.
    Run(run::Arguments),
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => run::run(arguments),
    }
}
