//! `gatepost config print`: the settings in force, and where each comes from.

use super::output::{self, Format};
use crate::settings::effective;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print every setting in force with its source: default, file or variable. Secrets are not shown.
    #[command(
        after_help = "Examples:\n  gatepost config print --config gatepost.toml\n  GATEPOST_DELIVERY__JSON=strict gatepost config print -o json"
    )]
    Print {
        /// Settings file (TOML or YAML).
        #[arg(long, value_name = "FILE", env = "GATEPOST_CONFIG")]
        config: Option<PathBuf>,
        /// How it is printed.
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let Command::Print { config, output } = command;
    let all = effective(config.as_deref())?;
    if !output::machine(*output, &serde_json::to_value(&all)?)? {
        let rows = all.iter().map(|one| vec![one.key.clone(), one.value.to_string(), one.source.clone()]);
        output::table(&["KEY", "VALUE", "SOURCE"], &rows.collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}
