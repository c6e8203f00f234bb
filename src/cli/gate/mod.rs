//! `gatepost gate`: gates tried on this machine, and those that a running Gatepost handles.

mod handled;
mod run;
mod view;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  gatepost gate run gate.yaml --strategy strategy.yaml --status 200 --response answer.json\n  gatepost gate list\n  gatepost gate explain team-a/change-approval"
)]
pub(super) enum Command {
    /// Look at a gate once, without a cluster and without a request: what it would ask, and what an answer would mean.
    Run(run::Arguments),
    /// List the gates by request that a running Gatepost handles.
    List(handled::All),
    /// Show one of them: phases, steps of the last look, last answers.
    Show(handled::One),
    /// Explain why one of them is pending, and when it is asked about next.
    Explain(handled::One),
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => return run::run(&arguments),
        Command::List(all) => handled::list(&all).await?,
        Command::Show(one) => handled::show(&one).await?,
        Command::Explain(one) => handled::explain(&one).await?,
    }
    Ok(ExitCode::SUCCESS)
}
